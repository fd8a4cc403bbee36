"""The fault matrix, through the console script: every cell of fault_cells.py, and the other tables beside it.

The programs run side by side before the first test: those of the silent
faults wait for time-outs, and the others fill the time.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
from aws_faults import AwsFault, FaultHook, always, by_table, first
from aws_server import AwsServer
from conftest import ACCOUNT, Program, Run, run_script
from fault_cells import FAULTS, KINDS, OPERATIONS, SILENCE, Cell, Kind, cells
from json_log import as_text
from scripts import configuration as ini

from dynamic_dynamodb.aws.calls import THREADS, Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.loop import attempt
from dynamic_dynamodb.decisions.model import AXES, Target
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

pytestmark = pytest.mark.xdist_group("faults")  # one process runs the programs, once

FINE = ("aa-fine", "nn-fine", "zz-fine")  # tables without a fault: before, between and after the others
BY_TABLE = OPERATIONS[1:]
LOGGED = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - dynamic-dynamodb - (DEBUG|INFO|WARNING|ERROR) - "
MANY = 50  # tables of each silent fault
LONGEST_LINE = 2000


# The programs


@dataclass(frozen=True)
class Seen:
    """What became of a check whose calls met faults, and of the next one, when the faults had passed."""

    log: str
    exit: int
    changed: frozenset[str]
    seconds: float
    next_well: bool
    next_changed: frozenset[str]  # by either

    def troubles(self, about: str) -> list[tuple[str, str]]:
        """Level and text of the warnings and errors that begin so."""
        found = re.findall(r" - (WARNING|ERROR) - (.*)", self.log)
        return [(level, text.removeprefix(about)) for level, text in found if text.startswith(about)]


def increased(world: World) -> frozenset[str]:
    """The tables that have the reads they asked for, and not more."""
    reads = {name: world.provisioned(Target(name)).reads for name in world.tables}
    assert set(reads.values()) <= {100, 150}
    return frozenset(name for name, units in reads.items() if units == 150)


def world_of(names: Sequence[str], idle: str | None = None) -> World:
    """Tables that ask for 150 reads instead of 100; one asks for less writes, too."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0, account_quota=None))
    for name in names:
        world.add_table(name, 100, 100)
        world.set_load(Target(name), "reads", 95)
        world.set_load(Target(name), "writes", 10 if name == idle else 50)
    return world


def configuration(names: Sequence[str]) -> str:
    """A section, a topic and, with a window of its own, a GetMetricData of its own for each table.

    Not all of them are named in full: then ListTables, where it is denied, would not be missed.
    """
    return "".join(
        f"[table: ^{name}{'' if name in FINE else '$'}]\nlookback-window-start: {5 + number}\n"
        f"sns-topic-arn: arn:aws:sns:us-east-1:123456789012:{name}\nsns-message-types: scale-up, scale-down\n"
        for number, name in enumerate(names)
    )


def two_checks(folder: Path, names: Sequence[str], hooks: Sequence[FaultHook], idle: str | None) -> Seen:
    """Run the program while the hooks spoil its calls, and make another check afterwards.

    That one needs no program of its own: of the first, AWS alone remembers anything. The log is in JSON, so that
    whatever goes wrong has to leave lines that programs can read.
    """
    names = sorted([*FINE, *names])
    world = world_of(names, idle)
    folder.mkdir()
    file = folder / "dd.conf"
    file.write_text(configuration(names))
    with AwsServer(world, faults=hooks) as server:
        arguments = ("--config", str(file), "--run-once", "--log-format", "json")
        env = {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}
        begun = time.monotonic()
        done = run_script(*arguments, env=env, timeout=250)
        seconds, changed = time.monotonic() - begun, increased(world)
    well = check(configuration(names), Clients(world.dynamodb, world.cloudwatch, world.sns), world)
    return Seen(as_text(done.stderr), done.returncode, changed, seconds, well, increased(world))


def check(sections: str, clients: Clients, world: World) -> bool:
    """A check in this process; whether all of it went well."""
    workers = Workers(threads=1)
    try:
        return attempt(Scaler(ini(f"[global]\nregion: us-east-1\n{sections}"), clients, workers, world.clock)).handled
    finally:
        workers.close()


def stuck_threads(folder: Path) -> tuple[int, frozenset[str], str]:
    """The loop, more of whose calls than it has threads trickle on when they have long been given up.

    Its exit code, what its second check changed, and its log.
    """
    names = [f"trickle-{number}" for number in range(2 * THREADS)]
    world = world_of(names)
    folder.mkdir()
    file = folder / "dd.conf"
    file.write_text("[global]\ncheck-interval: 1\n[table: ^trickle-]\n")
    fault = first(len(names), always("DescribeTable", SILENCE["trickle"].fault))
    with AwsServer(world, faults=[fault]) as server:
        program = Program(("--config", str(file)), {**ACCOUNT, "AWS_ENDPOINT_URL": server.url})
        try:
            until = time.monotonic() + 200
            while len(increased(world)) < len(names) and time.monotonic() < until:
                time.sleep(0.1)
            code, _ = program.end(signal.SIGTERM)
            return code, increased(world), program.log
        finally:
            program.close()


def hooks(operation: str, by_name: Mapping[str, str]) -> list[FaultHook]:
    """What spoils the calls: table -> name of its fault."""
    faults = {**FAULTS, **SILENCE}
    made: list[FaultHook] = []
    if operation == "ListTables":
        made = [always(operation, faults[fault].fault) for fault in by_name.values()]
    for table, fault in by_name.items():
        hook = by_table(operation, {table: faults[fault].fault})
        # A refusal of decreases ends when none is asked for.
        made.append(first(1, hook) if (operation, fault) == ("UpdateTable", "decreases") else hook)
    if operation == "GetMetricStatistics":
        made.append(always("GetMetricData", AwsFault("AccessDenied")))
    return made


def batches(operation: str) -> Iterator[list[Cell]]:
    """The cells of an operation that one check can serve: each cell's exit code must show."""
    found = cells(FAULTS, operation)
    together = [cell for cell in found if cell.kind not in ("other way", "again")]
    for code in (0, 1):
        batch = [cell for cell in together if KINDS[cell.kind].exit == code]
        yield from [batch] if operation != "ListTables" else [[cell] for cell in batch]
    yield from ([cell] for cell in found if cell not in together)


class Programs:
    """All checks of the matrix, under way side by side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slow = ThreadPoolExecutor(2 * len(OPERATIONS) + 1)  # they wait
        self._quick = ThreadPoolExecutor(3)
        self._numbers = iter(range(10_000))
        self._cells: dict[tuple[str, str], Future[Seen]] = {}
        self.silent: dict[tuple[str, int], Future[Seen]] = {}  # by operation and number of tables of each fault
        self.stuck = self._slow.submit(stuck_threads, folder / "stuck")
        for operation in OPERATIONS:
            self._begin_silent(operation)
        for operation in OPERATIONS:
            for batch in batches(operation):
                seen = self._begin(self._quick, operation, {cell.fault: cell.fault for cell in batch})
                self._cells.update({(operation, cell.fault): seen for cell in batch})

    def of(self, cell: Cell) -> Seen:
        return self._cells[cell.operation, cell.fault].result()

    def close(self) -> None:
        for pool in (self._slow, self._quick):
            pool.shutdown(cancel_futures=True)

    def _begin_silent(self, operation: str) -> None:
        if operation == "ListTables":
            for fault in SILENCE:
                self._cells[operation, fault] = self._begin(self._slow, operation, {fault: fault})
            return
        for count in (1, MANY):
            by_name = {f"{fault}-{number}" if number else fault: fault for fault in SILENCE for number in range(count)}
            self.silent[operation, count] = self._begin(self._slow, operation, by_name)
        self._cells.update({(operation, fault): self.silent[operation, MANY] for fault in SILENCE})

    def _begin(self, pool: ThreadPoolExecutor, operation: str, by_name: Mapping[str, str]) -> Future[Seen]:
        folder = self._folder / str(next(self._numbers))
        idle = "decreases" if operation == "UpdateTable" else None
        return pool.submit(two_checks, folder, list(by_name), hooks(operation, by_name), idle)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    running = Programs(tmp_path_factory.mktemp("faults"))
    yield running
    running.close()


# The matrix


def holds(cell: Cell, seen: Seen) -> None:
    """All that is promised of a cell."""
    kind = KINDS[cell.kind]
    for line in seen.log.splitlines():
        assert re.match(LOGGED, line) and len(line) < LONGEST_LINE, line
    assert (cell.fault in seen.changed) == kind.changed, seen.log
    assert seen.exit == kind.exit, seen.log
    if cell.operation != "ListTables":
        assert seen.changed >= set(FINE)
    about = f"{cell.fault} - " if cell.operation != "ListTables" else "the check failed: "
    troubles = seen.troubles("" if cell.kind == "other way" else about)
    assert [level for level, _ in troubles] == ([kind.level] if kind.level else []), seen.log
    assert all(text.startswith(cell.line) for _, text in troubles), (troubles, cell.line)
    assert seen.next_well
    assert seen.next_changed >= {cell.fault, *FINE}


def ids(cell: Cell) -> str:
    return f"{cell.operation}-{cell.fault}"


@pytest.mark.parametrize("cell", cells(FAULTS), ids=ids)
def test_a_fault(programs: Programs, cell: Cell) -> None:
    holds(cell, programs.of(cell))


# Whether a failure counts: above, the exit code is that of many cells together


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[Cell, bool]]:
    """All checks of the cells that one server can tell apart by their tables, side by side: botocore pauses a lot."""
    found = [
        cell
        for operation in ("DescribeTable", "GetMetricData", "GetMetricStatistics", "UpdateTable")
        for cell in cells(FAULTS, operation)
        if KINDS[cell.kind].exit == 1 or cell.kind == "made"
    ]
    names = {cell: f"{cell.operation}-{cell.fault}" for cell in found}
    world = world_of(list(names.values()))
    hooks_ = [by_table(cell.operation, {name: FAULTS[cell.fault].fault}) for cell, name in names.items()]
    older = {name: AwsFault("AccessDenied") for cell, name in names.items() if cell.operation == "GetMetricStatistics"}
    with AwsServer(world, faults=[*hooks_, by_table("GetMetricData", older)]) as server:
        general = dict.fromkeys(("profile", "aws_access_key_id", "aws_secret_access_key"), "AKIDTEST")
        clients = connect({**general, "profile": None, "region": "us-east-1", "endpoint_url": server.url})
        with ThreadPoolExecutor(16) as pool:
            said = pool.map(lambda cell: check(f"[table: ^{names[cell]}$]\n", clients, world), found)
            yield dict(zip(found, said, strict=True))


def test_every_failure_counts(verdicts: dict[Cell, bool]) -> None:
    assert len(verdicts) > 80
    # On a busy machine a reset may overtake the answer that it comes after, three times in a row.
    told = {cell: well for cell, well in verdicts.items() if cell.fault != "reset-after"}
    assert [ids(cell) for cell, well in told.items() if well != (KINDS[cell.kind].exit == 0)] == []


# Quiet checks: the tables are remembered when the faults begin


class Quiet(NamedTuple):
    """What became of a table in the check whose calls met a fault, and in the next one, without faults."""

    asked: Sequence[str]  # in a check before, when nothing was to be changed
    well: bool
    changed: bool
    well_next: bool
    changed_next: bool


@pytest.fixture(scope="module")
def quiet() -> Iterator[dict[Cell, Quiet]]:
    """All cells that one server can tell apart by their tables, side by side, under a virtual clock."""
    found = [
        cell
        for operation in ("DescribeTable", "GetMetricData", "GetMetricStatistics", "UpdateTable")
        for cell in cells(FAULTS, operation)
        if KINDS[cell.kind].exit == 1 or cell.kind in ("made", "left")
        if cell.fault != "reset-after"  # on a busy machine the reset may overtake the answer, three times in a row
    ]
    names = {cell: f"{cell.operation}-{cell.fault}" for cell in found}
    world = World(rules=Rules(update_seconds=0, account_quota=None))
    for name in names.values():
        world.add_table(name, 100, 100)
        for axis in AXES:
            world.set_load(Target(name), axis, 50)
    older = {name: AwsFault("AccessDenied") for cell, name in names.items() if cell.operation == "GetMetricStatistics"}
    faults = [by_table(cell.operation, {name: FAULTS[cell.fault].fault}) for cell, name in names.items()]
    with AwsServer(world) as server, ThreadPoolExecutor(16) as pool:
        general = dict.fromkeys(("profile", "aws_access_key_id", "aws_secret_access_key"), "AKIDTEST")
        clients = connect({**general, "profile": None, "region": "us-east-1", "endpoint_url": server.url})
        workers = Workers(threads=1)
        intervals = "[global]\nregion: us-east-1\ncheck-interval: 60\nrefresh-interval: 86400\n"
        scalers = [
            Scaler(ini(f"{intervals}[table: ^{name}$]\n"), clients, workers, world.clock) for name in names.values()
        ]

        def checks() -> list[bool]:
            world.advance(600)
            return [one.handled for one in pool.map(attempt, scalers)]

        assert all(checks())
        server.calls.clear()
        assert all(checks())
        asked = list(server.calls)
        for name in names.values():
            world.set_load(Target(name), "reads", 95)
        server.faults = [*faults, by_table("GetMetricData", older)]
        well, changed = checks(), increased(world)
        server.faults = []
        well_next, changed_next = checks(), increased(world)
        workers.close()
    yield {
        cell: Quiet(asked, one, names[cell] in changed, then, names[cell] in changed_next)
        for cell, one, then in zip(found, well, well_next, strict=True)
    }


def test_a_fault_of_a_table_that_is_remembered(quiet: dict[Cell, Quiet]) -> None:
    """It makes the difference that it makes in a check that describes all tables, and the next check mends it."""
    assert len(quiet) > 80
    wanted = {cell: Quiet(["GetMetricData"], kind.exit == 0, kind.changed, True, True) for cell, kind in _kinds(quiet)}
    assert {ids(cell): one for cell, one in quiet.items() if one != wanted[cell]} == {}


def _kinds(found: Iterable[Cell]) -> Iterator[tuple[Cell, Kind]]:
    yield from ((cell, KINDS[cell.kind]) for cell in found)


# What nobody answers


@pytest.mark.parametrize("cell", cells(SILENCE), ids=ids)
def test_silence(programs: Programs, cell: Cell) -> None:
    holds(cell, programs.of(cell))


@pytest.mark.parametrize("operation", BY_TABLE)
def test_the_time_of_a_check_does_not_grow_with_the_tables_that_do_not_answer(
    programs: Programs, operation: str
) -> None:
    """16 at a time, so many tables would take seven rounds of time-outs."""
    few, many = (programs.silent[operation, count].result() for count in (1, MANY))
    assert many.seconds < 3 * few.seconds
    # Each was asked, and each has its line.
    cause = " failed: (?:ReadTimeoutError|no answer): "
    for seen, count in (few, 1), (many, MANY):
        assert (
            len(set(re.findall(rf" - ERROR - ((?:silent|trickle)[-\d]*) - {operation}{cause}", seen.log))) == 2 * count
        )


def test_calls_that_were_given_up_are_in_nobodys_way(programs: Programs) -> None:
    code, changed, log = programs.stuck.result()
    assert len(changed) == 2 * THREADS, log
    assert len(re.findall(r"ERROR - trickle-\d+ - DescribeTable failed: no answer: given up", log)) == 2 * THREADS
    assert (code, "Traceback" in log) == (0, False)


# Many and strange names


def test_ten_thousand_tables(run: Run, tmp_path: Path) -> None:
    """All are listed, and those that the configuration matches are handled."""
    names = [f"table-{number:04}" for number in range(10_000)]
    world = world_of(names)
    file = tmp_path / "dd.conf"
    file.write_text("[table: ^table-[0-9]*99[0-9]$]\n")
    with AwsServer(world) as server:
        done = run("--config", str(file), "--run-once", env={**ACCOUNT, "AWS_ENDPOINT_URL": server.url})
        assert (done.returncode, server.calls["ListTables"]) == (0, 100), done.stderr
    assert increased(world) == {name for name in names if name[-3:-1] == "99"}


STRANGE = ("a-Z.0_9", "...", "---", "___", "-.-", "a" * 255, "." * 255, "7" * 255, "DEFAULT", "global")


def test_names_of_every_allowed_character(run: Run, tmp_path: Path) -> None:
    world = world_of(STRANGE)
    for name in STRANGE:
        for index in STRANGE:
            world.add_index(name, index, 100, 100)
            world.set_load(Target(name, index), "reads", 95)
    file = tmp_path / "dd.conf"
    file.write_text("[table: [a-zA-Z0-9_.-]+$]\n[gsi: [a-zA-Z0-9_.-]+$ table: [a-zA-Z0-9_.-]+$]\n")
    with AwsServer(world) as server:
        done = run("--config", str(file), "--run-once", env={**ACCOUNT, "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 0, done.stderr
    assert increased(world) == set(STRANGE)
    for name in STRANGE:
        for index in STRANGE:
            assert world.provisioned(Target(name, index)).reads == 150
            assert len(re.findall(f"INFO - {re.escape(name)} - GSI: {re.escape(index)} - reads 95", done.stderr)) == 1
