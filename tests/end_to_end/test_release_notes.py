"""Every item of the original's release notes, 0.1.1 to 1.6.0, as what it asks for today.

A test is named after its item's number; items without a number come last.
Where this program differs from the original on purpose (section 9 of
docs/behaviour.md), the test shows our side.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import logging
import pkgutil
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer, ResetFault, times
from conftest import ACCOUNT, REGION, Program, Run, environment

import dynamic_dynamodb
from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration import loader, options
from dynamic_dynamodb.decisions import calculator
from dynamic_dynamodb.decisions.model import Policy, Target, Throughput, Usage
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

ROOT = Path(__file__).parents[2]
TABLE = Target("my-table")
WINDOW = 300  # seconds of the look-back window


Spawn = Callable[..., Program]


# One axis: a policy and a usage, without any AWS


def decide(provisioned: int, rate: float | str, throttled: int = 0, streak: int = 0, **policy: Any) -> int:
    """The units that reads get where `rate` units are consumed a second."""
    usage = Usage(provisioned, Fraction(rate) * WINDOW, Fraction(throttled), WINDOW)
    return calculator.decide(Policy(axis="reads", **policy), usage, streak).units


# The whole loop, against the model of AWS


class Trial:
    """The loop over a world of its own: tables, checks, and what the log says."""

    def __init__(self, text: str, folder: Path, caplog: pytest.LogCaptureFixture, *, dry_run: bool = False) -> None:
        file = folder / "trial.conf"
        file.write_text(text)
        self.world = World()
        self.workers = Workers()
        self._caplog = caplog
        self.scaler = Scaler(
            loader.load({"config": str(file)}).config,
            Clients(self.world.dynamodb, self.world.cloudwatch, self.world.sns),
            self.workers,
            self.world.clock,
            dry_run=dry_run,
        )

    def add(self, name: str, provisioned: tuple[int, int], consumed: tuple[float, float]) -> Target:
        """A table and its load in units a second, reads and writes each."""
        self.world.add_table(name, *provisioned)
        self.load(Target(name), consumed)
        return Target(name)

    def load(self, target: Target, consumed: tuple[float, float]) -> None:
        self.world.set_load(target, "reads", consumed[0])
        self.world.set_load(target, "writes", consumed[1])

    def check(self, pause: float = 300) -> bool:
        """One check, and the pause after it. Returns whether every resource was handled."""
        self._caplog.clear()
        with self._caplog.at_level(logging.DEBUG, "dynamic-dynamodb"):
            handled = loop.attempt(self.scaler).handled
        self.world.advance(pause)
        return handled

    def log(self, level: int = logging.INFO) -> list[str]:
        """What the last check logged at this level or above."""
        return [record.getMessage() for record in self._caplog.records if record.levelno >= level]

    def units(self, target: Target = TABLE) -> Throughput:
        return self.world.provisioned(target)


Try = Callable[..., Trial]


@pytest.fixture
def trial(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Try]:
    """Begins a trial with a configuration file."""
    trials: list[Trial] = []

    def begin(text: str = "[table: ^my-table$]\n", **more: Any) -> Trial:
        trials.append(Trial(text, tmp_path, caplog, **more))
        return trials[-1]

    yield begin
    for one in trials:
        one.workers.close()


# The console script


@pytest.fixture
def server() -> Iterator[AwsServer]:
    """A table that asks for 150 reads instead of 100, in real time."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    world.add_table("my-table", 100, 100)
    world.set_load(TABLE, "reads", 95)
    world.set_load(TABLE, "writes", 50)
    with AwsServer(world) as serving:
        yield serving


@pytest.fixture
def env(server: AwsServer) -> dict[str, str]:
    return {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}


ONCE = ("--table-name", "my-table", "--run-once")


# 1.6.0 (2013-11-21)


def test_069_failure_on_non_matching_regular_expressions(trial: Try) -> None:
    """1.6.0: "Failure on non-matching regular expressions #69"."""
    attempt = trial("[table: ^nothing-like-this]\n[table: ^my-]\n[gsi: none table: ^my-]\n")
    attempt.add("my-table", (100, 100), (95, 50))
    assert attempt.check()
    assert attempt.units() == (150, 100)
    assert attempt.log(logging.WARNING) == [
        "[table: ^nothing-like-this] matches nothing",
        "[gsi: none table: ^my-] matches nothing",
    ]
    attempt.check()
    assert not attempt.log(logging.WARNING)  # once is enough


def test_071_cleanup_logs_in_case_of_noop_updates(trial: Try) -> None:
    """1.6.0: "cleanup logs in case of noop updates #71"."""
    attempt = trial()
    attempt.add("my-table", (100, 100), (50, 50))
    attempt.check()
    assert attempt.check()
    assert attempt.log() == []  # what is as it was in the check before is told at debug
    assert any(line.startswith("my-table - reads 50.0 % of 100: stays") for line in attempt.log(logging.DEBUG))
    assert attempt.world.calls["UpdateTable"] == 0
    assert not [text for text in attempt.log(logging.DEBUG) if "UpdateTable" in text]


# 1.5.8 (2013-10-18)


def test_068_crash_when_table_is_deleted(trial: Try) -> None:
    """1.5.8: "Under some circumstances Dynamic DynamoDB crashes when table is deleted #68"."""
    attempt = trial("[table: table]\n")
    for name in ("table-1", "table-2", "table-3"):
        attempt.add(name, (100, 100), (95, 50))

    def vanish(operation: str, arguments: Mapping[str, Any]) -> None:
        """Delete one table before it is described, and one before it is updated."""
        for call, name in (("DescribeTable", "table-1"), ("UpdateTable", "table-2")):
            if operation == call and arguments["TableName"] == name and name in attempt.world.tables:
                attempt.world.delete_table(name)

    attempt.world.fault = vanish
    assert attempt.check()
    assert attempt.units(Target("table-3")) == (150, 100)
    gone = [text for text in attempt.log(logging.WARNING) if "ResourceNotFoundException" in text]
    assert [text.split(" - ")[0] for text in gone] == ["table-1", "table-2"]
    attempt.world.delete_table("table-3")
    assert not attempt.check()  # nothing is left to be scaled, which is a failure but no crash
    attempt.add("table-4", (100, 100), (95, 50))
    assert attempt.check()
    assert attempt.units(Target("table-4")) == (150, 100)


# 1.5.7 (2013-10-17)


def test_066_running_with_supervisord(spawn: Spawn, env: dict[str, str], tmp_path: Path) -> None:
    """1.5.7: "Support for running dynamic-dynamodb with supervisord #66": it stays attached."""
    flags = ("--daemon", "foreground", "--pid-file-dir", str(tmp_path), "--table-name", "my-table")
    program = spawn(*flags, env=env)
    program.wait_for("100 -> 150")
    assert program.end(signal.SIGTERM)[0] == 0


def test_067_running_with_supervisord_pull_request(spawn: Spawn, env: dict[str, str], tmp_path: Path) -> None:
    """1.5.7: "Pull Request #67": `fg` is the same, and has a pid file as a daemon has."""
    program = spawn("--daemon", "fg", "--pid-file-dir", str(tmp_path), "--table-name", "my-table", env=env)
    program.wait_for("100 -> 150")
    assert pid_file(tmp_path).read_text() == f"{program.process.pid}\n"
    assert program.end(signal.SIGTERM)[0] == 0
    assert not pid_file(tmp_path).exists()


# 1.5.6 (2013-10-06)


def test_065_increasing_capacity_two_times() -> None:
    """1.5.6: "Fixed issue where DDB didn't support increasing capacity two times #65".

    The original capped an increase at twice what was provisioned; AWS has lifted that limit, and so have we.
    """
    assert decide(100, 100, increase_consumed_with=300) == 400
    assert decide(10, 10, increase_consumed_unit="units", increase_consumed_with=90) == 100
    assert decide(10, 10, increase_consumed_with=300, max_provisioned=25) == 25


# 1.5.5 (2013-08-31)


def test_062_log_level_of_informational_message(trial: Try) -> None:
    """1.5.5: "Change log level of informational message" (#62)."""
    attempt = trial()
    attempt.add("my-table", (100, 100), (95, 50))
    attempt.check()
    assert any("100 -> 150" in text for text in attempt.log())
    assert attempt.log(logging.WARNING) == []


# 1.5.4 (2013-08-29)


def test_060_missing_key_name_parameter(trial: Try) -> None:
    """1.5.4: "Added missing key_name parameter" (#60): a table has the options of the expression that matched it."""
    attempt = trial("[table: ^other]\n[table: ^my-.*]\nmin-provisioned-reads: 30\nmax-provisioned-reads: 110\n")
    busy = attempt.add("my-table-1", (100, 100), (95, 50))
    quiet = attempt.add("my-table-2", (100, 100), (10, 50))
    attempt.check()
    assert (attempt.units(busy), attempt.units(quiet)) == ((110, 100), (50, 100))
    attempt.check()
    assert attempt.units(quiet) == (30, 100)


# 1.5.3 (2013-08-27)


def test_058_missing_sleep_statement(trial: Try) -> None:
    """1.5.3: "Added missing sleep statement fixes" (#58): the interval passes after each check, failed ones too."""

    class ThreeTimes:
        slept: list[float] = []  # noqa: RUF012 - one object is all there is

        def stopping(self) -> bool:
            return len(self.slept) == 3

        def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)

    attempt, stop = trial("[global]\ncheck-interval: 17\n[table: my-table]\n"), ThreeTimes()
    attempt.world.fault = lambda *_: RefusedError("InternalServerError", "down")
    loop.run(attempt.scaler, stop)
    assert stop.slept == [17, 17, 17]
    assert attempt.world.calls["ListTables"] == 3


# 1.5.2 (2013-08-27)


@pytest.mark.parametrize(("writes", "expected"), [(50.0, (100, 100)), (10.0, (50, 50))])
def test_055_always_decrease_rw_together(trial: Try, writes: float, expected: tuple[int, int]) -> None:
    """1.5.2: "Issue with always-decrease-rw-together option" (#55)."""
    attempt = trial("[table: ^my-table$]\nalways-decrease-rw-together: true\n")
    attempt.add("my-table", (100, 100), (10, writes))
    attempt.check()
    assert attempt.units() == expected


def test_057_list_tables_permission_required(trial: Try) -> None:
    """1.5.2: "ListTables permission required" (#57).

    "The AWS ListTables permission is no longer a hard requirement. It's only
    needed if you're using regular expressions to configure your DynamoDB tables."
    """
    refused = RefusedError("AccessDeniedException", "no ListTables")

    def deny(operation: str, _arguments: Mapping[str, Any]) -> RefusedError | None:
        return refused if operation == "ListTables" else None

    attempt = trial("[table: my-table]\n[table: ^my\\.other$]\n")
    attempt.add("my-table", (100, 100), (95, 50))
    attempt.add("my.other", (100, 100), (95, 50))
    attempt.add("my-table-2", (100, 100), (95, 50))
    attempt.world.fault = deny
    assert attempt.check()
    assert (attempt.units(), attempt.units(Target("my.other"))) == ((150, 100), (150, 100))
    assert attempt.units(Target("my-table-2")) == (100, 100)  # nobody knows of it
    attempt = trial("[table: my-.*]\n")
    attempt.add("my-table", (100, 100), (95, 50))
    attempt.world.fault = deny
    assert not attempt.check()
    assert [text for text in attempt.log(logging.ERROR) if "[table: my-.*]" in text]


# 1.5.1 (2013-08-22)


def test_053_no_module_named_core() -> None:
    """1.5.1: "No module named core" (#53): every module can be imported and every package is packaged."""
    names = [module.name for module in pkgutil.walk_packages(dynamic_dynamodb.__path__, "dynamic_dynamodb.")]
    assert "dynamic_dynamodb.simulation.world" in names
    for name in names:
        if name != "dynamic_dynamodb.__main__":
            importlib.import_module(name)
    for module in (ROOT / "dynamic_dynamodb").rglob("*.py"):  # what find_packages() in setup.py looks for
        assert (module.parent / "__init__.py").exists(), module


def test_054_no_module_named_core_pull_request(tmp_path: Path) -> None:
    """1.5.1: "fixed by #54": the program runs from any folder, as a module too."""
    done = subprocess.run(
        [sys.executable, "-m", "dynamic_dynamodb", "--version"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"Dynamic DynamoDB version: {dynamic_dynamodb.__version__}\n"


# 1.5.0 (2013-08-22)


def test_052_regular_expressions_in_config(trial: Try) -> None:
    """1.5.0: "Support for regular expressions in config" (#52). The first section that matches counts."""
    attempt = trial("[table: ^prod_(users|items)$]\nincrease-reads-with: 10\n[table: ^prod_.*]\n")
    for name in ("prod_users", "prod_items", "prod_users_old", "test_users"):
        attempt.add(name, (100, 100), (95, 50))
    assert attempt.check()
    reads = {name: attempt.units(Target(name)).reads for name in attempt.world.names}
    assert reads == {"prod_users": 110, "prod_items": 110, "prod_users_old": 150, "test_users": 100}


# 1.4.0 (2013-08-14)


def test_051_retrying_failed_connections(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    """1.4.0: "Retrying failed DynamoDB connections" (#51)."""
    server.faults += [times(2, "DescribeTable", ResetFault()), times(1, "ListTables", ResetFault())]
    done = run(*ONCE, env=env)
    assert done.returncode == 0, done.stderr
    assert (server.calls["ListTables"], server.calls["DescribeTable"]) == (2, 3)
    assert server.world.provisioned(TABLE) == (150, 100)


# 1.3.6 (2013-07-21)


def test_050_int_argument_must_be_a_number_not_nonetype(trial: Try) -> None:
    """1.3.6: "int() argument must be a string or a number, not 'NoneType'" (#50): min and max may be left out."""
    for limits, expected in (
        ("", (150, 50)),
        ("min-provisioned-writes: 80\n", (150, 80)),
        ("max-provisioned-reads: 120\n", (120, 50)),
    ):
        attempt = trial(f"[table: ^my-table$]\n{limits}")
        attempt.add("my-table", (100, 100), (95, 20))
        assert attempt.check()
        assert attempt.units() == expected


# 1.3.5 (2013-06-17)


def test_047_decrease_writes_unit_is_used_for_decreases(trial: Try) -> None:
    """1.3.5: "increase_writes_unit parameter is used while it should be decrease_writes_unit" (#47)."""
    attempt = trial(
        "[table: ^my-table$]\nincrease-writes-unit: units\nincrease-writes-with: 7\n"
        "decrease-writes-unit: percent\ndecrease-writes-with: 25\n"
    )
    attempt.add("my-table", (200, 200), (100, 20))
    attempt.check()
    assert attempt.units() == (200, 150)


# 1.3.4 (2013-06-13)


def test_046_no_update_to_the_values_that_there_are(trial: Try) -> None:
    """1.3.4: "An attempt to update provisioning is made even if the requested values are equal ..." (#46)."""
    attempt = trial("[table: ^my-table$]\nmax-provisioned-reads: 100\nmin-provisioned-writes: 100\n")
    attempt.add("my-table", (100, 100), (99, 1))
    assert attempt.check()
    assert attempt.world.calls["UpdateTable"] == 0
    assert attempt.units() == (100, 100)


# 1.3.3 (2013-06-08)


def test_045_increasing_to_a_minimum(trial: Try) -> None:
    """1.3.3: "Increasing to a minimum provisioned throughput value doesn't take into account ..." (#45).

    AWS refused more than twice the present value then; it does not now, so the minimum is reached at once.
    """
    attempt = trial("[table: ^my-table$]\nmin-provisioned-reads: 1000\n")
    attempt.add("my-table", (10, 10), (5, 5))
    assert attempt.check()
    assert attempt.units() == (1000, 10)


def test_044_version_does_not_fail(run: Run) -> None:
    """1.3.3: "dynamic-dynamodb --version causes AttributeError in cli" (#44): whatever else is given."""
    done = run("--version", "--table-name", "x", "--log-level", "nonsense", env={})
    assert (done.returncode, done.stderr) == (0, "")


# 1.3.2 (2013-05-14)


def test_040_increase_in_percent() -> None:
    """1.3.2: "increase_reads_in_percent calculations are incorrect" (#40): exact, and rounded up."""
    assert decide(200, 200, increase_consumed_with=10) == 220
    assert decide(3, 3, increase_consumed_with=10) == 4
    assert decide(1, 1, increase_consumed_with=50) == 2
    assert decide(10_000_000, 10_000_000, increase_consumed_with=7) == 10_700_000


# 1.3.1 (2013-05-10)


def test_039_python_versions() -> None:
    """1.3.1: "Fix Python 2.6 support" (#39). Ours is Python 3.10: the package says it, and the code obeys."""
    required = importlib.metadata.metadata("dynamic-dynamodb")["Requires-Python"]
    assert required == ">=3.10"
    for module in (ROOT / "dynamic_dynamodb").rglob("*.py"):
        ast.parse(module.read_text("utf-8"), str(module), feature_version=(3, 10))


# 1.3.0 (2013-05-01)


def test_037_multiple_instances_in_parallel(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """1.3.0: "Allow to run multiple instances in parallel" (#37)."""
    common = ("--pid-file-dir", str(tmp_path), "--log-file", str(tmp_path / "log"))
    try:
        for name in ("one", "two"):
            done = run("--daemon", "start", "--instance", name, "--table-name", "my-table", *common, env=env)
            assert done.returncode == 0, done.stderr
        assert {file.name for file in tmp_path.glob("*.pid")} == {
            "dynamic-dynamodb.one.pid",
            "dynamic-dynamodb.two.pid",
        }
        assert run("--daemon", "start", "--instance", "one", "--table-name", "x", *common, env=env).returncode == 1
    finally:
        for name in ("one", "two"):
            run("--daemon", "stop", "--instance", name, "--pid-file-dir", str(tmp_path), env=env)


# 1.2.5 (2013-04-29)


def test_036_resource_in_use(trial: Try) -> None:
    """1.2.5: "Handle ResourceInUseException better" (#36): said, with its table; the next check tries again."""
    attempt = trial("[table: table]\n")
    for name in ("table-1", "table-2"):
        attempt.add(name, (100, 100), (95, 50))

    def change_first(operation: str, arguments: Mapping[str, Any]) -> None:
        """Somebody else changes the table after it was described."""
        if operation == "UpdateTable" and arguments["TableName"] == "table-1":
            attempt.world.set_status(Target("table-1"), "UPDATING")

    attempt.world.fault = change_first
    assert not attempt.check()
    (said,) = [text for text in attempt.log(logging.WARNING) if "ResourceInUseException" in text]
    assert said.startswith("table-1 - UpdateTable failed: ")
    assert attempt.units(Target("table-2")) == (150, 100)
    attempt.world.fault = None
    assert attempt.check()  # still UPDATING: left alone on purpose
    attempt.world.set_status(Target("table-1"), "ACTIVE")
    assert attempt.check()
    assert attempt.units(Target("table-1")) == (150, 100)


def test_034_log_level_option(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    """1.2.5: "Add --log-level option to command line" (#34)."""
    assert " - DEBUG - my-table - " in run(*ONCE, "--dry-run", "--log-level", "debug", env=env).stderr.replace(
        "dryrun - ", ""
    )
    assert run("--table-name", "^my-table$", "--run-once", "--log-level", "warning", env=env).stderr == ""
    assert server.world.provisioned(TABLE) == (150, 100)


# 1.2.4 (2013-04-26)


def test_035_mix_up_between_percent_and_units() -> None:
    """1.2.4: "Mix up between percent and units" (#35)."""
    assert decide(200, 200, increase_consumed_with=10, increase_consumed_unit="percent") == 220
    assert decide(200, 200, increase_consumed_with=10, increase_consumed_unit="units") == 210
    assert decide(200, 2, decrease_consumed_with=10, decrease_consumed_unit="percent") == 180
    assert decide(200, 2, decrease_consumed_with=10, decrease_consumed_unit="units") == 190


# 1.2.0 (2013-04-20)


class Switch(HTTPServer):
    """The user's own service, which says whether tables may be scaled."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status = 200
        self.asked: list[tuple[str | None, str | None]] = []


class Answering(BaseHTTPRequestHandler):
    server: Switch

    def do_GET(self) -> None:
        self.server.asked.append((self.headers["x-table-name"], self.headers["x-gsi-name"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_025_dead_mans_switch(trial: Try, switch: Switch) -> None:
    """1.2.0: "Add support for dead-man's-switch API call" (#25): the circuit breaker. Open, it stops everything."""
    url = f"http://127.0.0.1:{switch.server_port}/healthy"
    attempt = trial(f"[global]\ncircuit-breaker-url: {url}\n[table: table]\n[gsi: index table: table]\n")
    attempt.world.add_table("table-1", 100, 100, indexes={"index": (10, 10)})
    attempt.load(Target("table-1"), (95, 20))
    attempt.load(Target("table-1", "index"), (9.5, 5))
    switch.status = 503
    assert attempt.check()
    assert attempt.units(Target("table-1")) == (100, 100)
    assert len([text for text in attempt.log(logging.WARNING) if "HTTP 503" in text]) == 2
    assert sorted(switch.asked, key=str) == [("table-1", "index"), ("table-1", None)]
    switch.status = 204
    assert attempt.check()
    assert attempt.units(Target("table-1")) == (150, 50)
    assert attempt.units(Target("table-1", "index")) == (15, 10)


# 1.1.0 (2013-04-17)


def test_022_provisioning_in_units(trial: Try) -> None:
    """1.1.0: "Update provisioning in units not just percentage" (#22)."""
    attempt = trial(
        "[table: ^my-table$]\nincrease-reads-unit: units\nincrease-reads-with: 33\n"
        "decrease-writes-unit: units\ndecrease-writes-with: 11\n"
    )
    attempt.add("my-table", (100, 100), (95, 5))
    attempt.check()
    assert attempt.units() == (133, 89)


def test_033_percent_is_added_to_what_is_provisioned() -> None:
    """1.1.0: "Increase in percent does not add to current provisioning properly" (#33)."""
    assert decide(100, 95, increase_consumed_with=40) == 140
    assert decide(100, 300, increase_consumed_with=10) == 330  # a burst: from what is consumed, when that is more


def test_032_option_validation(tmp_path: Path) -> None:
    """1.1.0: "Enhance configuration option validation" (#32): all problems at once, each where it stands."""
    file = tmp_path / "dd.conf"
    file.write_text(
        "[global]\ncheck-interval: 0\n[table: a]\nreads-upper-threshold: high\nincrease-reads-unit: percents\n"
        "min-provisioned-reads: 9\nmax-provisioned-reads: 8\n[table: (]\n[gsi: x table: b]\nenable-reads: no\n"
    )
    with pytest.raises(ConfigError) as caught:
        loader.load({"config": str(file)})
    found = caught.value.problems
    for part in (
        "[global] check-interval: 0",
        "[table: a] reads-upper-threshold: 'high'",
        "[table: a] increase-reads-unit: 'percents'",
        "the minimum 9 is above the maximum 8",
        "[table: (]",
        "no section [table: b]",
        "[gsi: x table: b] enable-reads: ",
    ):
        assert len([problem for problem in found if part in problem]) == 1, (part, found)
    assert all(problem.startswith(str(file)) for problem in found)


# 1.0.0 (2013-04-16)


def test_030_restructured_code_base() -> None:
    """1.0.0: "Restructure the Dynamic DynamoDB code base" (#30): reads and writes, tables and indexes are one code."""
    per_axis = {option.name for option in options.OPTIONS if option.axis == "reads"}
    assert {name.replace("read", "write") for name in per_axis} == {
        option.name for option in options.OPTIONS if option.axis == "writes"
    }
    for option in options.OPTIONS:
        assert (options.TABLE in option.sections) == (options.GSI in option.sections), option.name


def test_019_multiple_tables_in_one_configuration_file(trial: Try) -> None:
    """1.0.0: "Support multiple tables in one configuration file" (#19)."""
    attempt = trial("[table: ^one$]\nincrease-reads-with: 10\n[table: ^two$]\nreads-upper-threshold: 99\n")
    one = attempt.add("one", (100, 100), (95, 50))
    two = attempt.add("two", (100, 100), (95, 50))
    assert attempt.check()
    assert (attempt.units(one), attempt.units(two)) == ((110, 100), (100, 100))


def pid_file(folder: Path) -> Path:
    return folder / "dynamic-dynamodb.default.pid"


def test_031_pid_file_name(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """1.0.0: "Change pid file name" (#31): PID_FILE_DIR/dynamic-dynamodb.INSTANCE.pid."""
    folder = ("--pid-file-dir", str(tmp_path))
    try:
        log = str(tmp_path / "log")
        done = run("--daemon", "start", "--table-name", "my-table", "--log-file", log, *folder, env=env)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"[0-9]+\n", pid_file(tmp_path).read_text())
    finally:
        run("--daemon", "stop", *folder, env=env)
    assert not pid_file(tmp_path).exists()


def test_024_combinations_of_file_and_flags(tmp_path: Path) -> None:
    """1.0.0: "Handle combinations of configuration file and command line options better" (#24)."""
    file = tmp_path / "dd.conf"
    file.write_text("[global]\nregion: eu-west-1\ncheck-interval: 60\n[table: a]\nreads-upper-threshold: 80\n")
    both = loader.load({"config": str(file), "check-interval": "120"}).config
    assert (both["global"]["region"], both["global"]["check_interval"]) == ("eu-west-1", 120)
    assert both["tables"]["a"]["reads_upper_threshold"] == 80
    mine = loader.load({"config": str(file), "table-name": "b", "reads-lower-threshold": "20"}).config
    assert (mine["global"]["region"], list(mine["tables"])) == ("eu-west-1", ["b"])
    assert mine["tables"]["b"]["reads_upper_threshold"] == 90
    with pytest.raises(ConfigError, match="--reads-upper-threshold: needs --table-name"):
        loader.load({"config": str(file), "reads-upper-threshold": "70"})


# 0.5.0 (2013-04-12)


def test_020_log_file_option(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """0.5.0: "Add --log-file command line option" (#20)."""
    log = tmp_path / "dd.log"
    assert run(*ONCE, "--log-file", str(log), env=env).returncode == 0
    assert "reads 95.0 % of 100 >= 90 %: 100 -> 150" in log.read_text()


@pytest.mark.parametrize(("allowed", "expected"), [("true", (50, 100)), ("false", (100, 100))])
def test_017_scale_down_at_0_percent(trial: Try, allowed: str, expected: tuple[int, int]) -> None:
    """0.5.0: "Allow scale down at 0% consumed count" (#17)."""
    attempt = trial(f"[table: ^my-table$]\nallow-scaling-down-reads-on-0-percent: {allowed}\n")
    attempt.add("my-table", (100, 100), (0, 0))
    assert attempt.check()
    assert attempt.units() == expected


def test_023_only_downscale_reads_and_writes(trial: Try) -> None:
    """0.5.0: ""only downscale reads AND writes" option would be useful" (#23): a minimum does not hold the other."""
    attempt = trial("[table: ^my-table$]\nalways-decrease-rw-together: yes\nmin-provisioned-writes: 80\n")
    attempt.add("my-table", (100, 100), (10, 50))
    attempt.check()
    assert attempt.units() == (100, 100)
    attempt.world.set_throughput(TABLE, 100, 80)
    attempt.check()
    assert attempt.units() == (50, 80)


# 0.4.2 (2013-04-11)


def test_028_validation_exception(trial: Try) -> None:
    """0.4.2: "Unhandled exception: ValidationException" (#28): quoted, with its table; the others go on."""
    attempt = trial("[table: table]\n")
    for name in ("table-1", "table-2"):
        attempt.add(name, (100, 100), (95, 50))
    attempt.world.fault = lambda operation, arguments: (
        RefusedError("ValidationException", "not like this")
        if operation == "UpdateTable" and arguments["TableName"] == "table-1"
        else None
    )
    assert not attempt.check()
    (error,) = attempt.log(logging.ERROR)
    assert error.startswith("table-1 - UpdateTable failed: ValidationException: not like this")
    assert attempt.units(Target("table-2")) == (150, 100)


def test_029_provisioning_exceptions(trial: Try) -> None:
    """0.4.2: "Handle DynamoDB provisioning exceptions cleaner" (#29): an increase never waits for a decrease."""
    attempt = trial()
    attempt.add("my-table", (100, 100), (95, 20))
    attempt.world.set_decreases(TABLE, 4)
    assert attempt.check()
    assert attempt.units() == (150, 100)
    assert attempt.world.calls["UpdateTable"] == 2
    (text,) = [text for text in attempt.log() if "decrease refused by DynamoDB" in text]
    assert text.startswith("my-table - ")


# 0.4.1 (2013-04-10)


def test_021_no_logging_in_daemon_mode(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """0.4.1: "No logging in --daemon mode" (#21)."""
    log, folder = tmp_path / "dd.log", ("--pid-file-dir", str(tmp_path))
    try:
        done = run("--daemon", "start", "--table-name", "my-table", "--log-file", str(log), *folder, env=env)
        assert done.returncode == 0, done.stderr
        until = datetime.now(timezone.utc) + timedelta(seconds=20)
        while "100 -> 150" not in log.read_text() and datetime.now(timezone.utc) < until:
            threading.Event().wait(0.05)
        assert "100 -> 150" in log.read_text()
    finally:
        run("--daemon", "stop", *folder, env=env)


# 0.4.0 (2013-04-06)


def test_011_daemonizing(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """0.4.0: "Support for daemonizing Dynamic DynamoDB" (#11)."""
    folder = ("--pid-file-dir", str(tmp_path))
    start = ("--table-name", "my-table", "--log-file", str(tmp_path / "log"), *folder)
    try:
        for command in ("start", "restart"):
            done = run("--daemon", command, *start, env=env)
            assert done.returncode == 0, done.stderr
    finally:
        stopped = run("--daemon", "stop", *folder, env=env)
    assert stopped.returncode == 0
    assert run("--daemon", "stop", *folder, env=env).returncode == 0  # nothing runs: says so


def test_004_logging_options(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """0.4.0: "Enhanced logging options" (#4): in the file, too, and flags are stronger."""
    log, file = tmp_path / "dd.log", tmp_path / "dd.conf"
    file.write_text(f"[logging]\nlog-level: error\nlog-file: {log}\n[table: my-table]\n")
    assert run("--config", str(file), "--run-once", "--dry-run", env=env).returncode == 0
    assert log.read_text() == ""
    assert run("--config", str(file), "--run-once", "--log-level", "INFO", env=env).returncode == 0
    assert "100 -> 150" in log.read_text()


def test_018_version_flag(run: Run) -> None:
    """0.4.0: "Add --version flag to dynamic-dynamodb command" (#18)."""
    done = run("--version", env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"Dynamic DynamoDB version: [0-9]+\.[0-9]+\.[0-9]+\n", done.stdout)


# 0.3.5 (2013-04-05)


def test_012_missing_table(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    """0.3.5: "Handle missing table exceptions" (#12)."""
    done = run("--table-name", "not-there", "--run-once", env=env)
    assert done.returncode == 1
    assert "ERROR - no table matches the configuration" in done.stderr
    assert "Traceback" not in done.stderr
    assert server.world.updates == []


def test_016_no_upscaling_when_the_limit_is_exceeded() -> None:
    """0.3.5: "No upscaling happening when scaling limit is exceeded" (#16): it goes as far as the limit."""
    assert decide(100, 95, max_provisioned=120) == 120
    assert decide(100, 300, max_provisioned=120) == 120
    assert decide(100, 10, min_provisioned=80) == 80


# 0.3.4 (2013-04-05)


def test_015_limits_from_configuration_files(tmp_path: Path) -> None:
    """0.3.4: "Min/max limits seems to be read improperly from configuration files" (#15)."""
    file = tmp_path / "dd.conf"
    names = [f"{side}-provisioned-{axis}" for side in ("min", "max") for axis in ("reads", "writes")]
    lines = [f"{name}: {number}" for number, name in enumerate(names, 11)]
    file.write_text("\n".join(["[table: a]", *lines, "[gsi: i table: a]", *lines]))
    table = loader.load({"config": str(file)}).config["tables"]["a"]
    for section in (table, table["gsis"]["i"]):
        assert [section[name.replace("-", "_")] for name in names] == [11, 12, 13, 14]


# 0.3.3 (2013-04-05)


def test_014_mix_up_of_reads_and_writes(trial: Try) -> None:
    """0.3.3: "Mixup of read and writes provisioing in scaling" (#14)."""
    attempt = trial("[table: ^my-table$]\nincrease-reads-with: 10\ndecrease-writes-with: 20\n")
    attempt.add("my-table", (100, 200), (95, 10))
    attempt.check()
    assert attempt.units() == (110, 160)
    (update,) = attempt.world.updates
    assert update["ProvisionedThroughput"] == {"ReadCapacityUnits": 110, "WriteCapacityUnits": 160}


# 0.3.2 (2013-04-05)


def test_013_improper_scaling() -> None:
    """0.3.2: "Improper scaling under certain circumstances" (#13): reached is enough, between nothing happens."""
    wanted = {rate: decide(100, rate) for rate in ("90", "89.99", "30.01", "30", "29.99")}
    assert wanted == {"90": 150, "89.99": 100, "30.01": 100, "30": 50, "29.99": 50}
    assert decide(100, 89, throttled=7, throttled_upper_threshold=6) == 150
    assert decide(100, 20, throttled=6, throttled_upper_threshold=6) == 50
    # Never below what serves the load: 45 keeps 40 consumed a second below 90 %.
    assert decide(100, 40, lower_threshold=Fraction(40), decrease_consumed_with=70) == 45


# 0.3.1 (2013-04-04)


def test_010_unknown_format_code_d(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    """0.3.1: "ValueError: Unknown format code 'd' for object of type 'str'" (#10): text becomes numbers, once."""
    flags = ("--reads-upper-threshold", "94.5", "--increase-reads-with", "007", "--check-interval", "60")
    done = run(*ONCE, *flags, "--log-level", "debug", env=env)
    assert done.returncode == 0, done.stderr
    assert server.world.provisioned(TABLE) == (107, 100)
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


# 0.3.0 (2013-03-27)


def test_006_configuration_files(run: Run, server: AwsServer, env: dict[str, str], tmp_path: Path) -> None:
    """0.3.0: "Add support for configuration files" (#6)."""
    file = tmp_path / "dd.conf"
    file.write_text(
        "# a comment\n[global]\nregion = us-east-1\n\n[ table: my-table ]\nIncrease-Reads-With: 7 ; percent\n"
    )
    assert run("--config", str(file), "--run-once", env=env).returncode == 0
    assert server.world.provisioned(TABLE) == (107, 100)


def test_005_credentials_on_the_command_line(run: Run, server: AwsServer) -> None:
    """0.3.0: "Configure AWS credentials on command line" (#5). Others can see them there: that is said."""
    pair = ("--aws-access-key-id", "AKIDFLAG", "--aws-secret-access-key", "s3cr3t-of-the-flag")
    done = run(*ONCE, *pair, env={**REGION, "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 0, done.stderr
    assert server.world.provisioned(TABLE) == (150, 100)
    assert "WARNING - --aws-secret-access-key: others can see the secret" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_001_maintenance_windows(trial: Try) -> None:
    """0.3.0: "Support for maintenance windows" (#1): outside of them nothing changes, in them it does; UTC."""
    attempt = trial("[table: ^my-table$]\nmaintenance-windows: 22:00-23:59,00:10-06:00\n")
    attempt.add("my-table", (100, 100), (95, 20))
    assert attempt.world.now.strftime("%H:%M") == "00:00"
    assert attempt.check(pause=600)
    assert attempt.units() == (100, 100)
    assert [text for text in attempt.log(logging.WARNING) if "outside the maintenance windows" in text]
    assert attempt.check()
    assert attempt.units() == (150, 50)


# Items without a number


def test_release_160_documentation() -> None:
    """1.6.0: "Documented project in Sphinx". So is ours, in Markdown; what its pages link to is there."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            target = link.partition("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), (page.name, link)


def test_release_124_broken_build_fixed() -> None:
    """1.2.4: "Broken build fixed": what is installed has its version, its command and what it needs."""
    installed = importlib.metadata.distribution("dynamic-dynamodb")
    assert installed.version == dynamic_dynamodb.__version__
    (command,) = installed.entry_points.select(group="console_scripts")
    assert (command.name, command.value) == ("dynamic-dynamodb", "dynamic_dynamodb.cli:main")
    assert callable(command.load())
    assert {re.split(r"[^a-z0-9-]", word)[0] for word in installed.requires or ()} >= {"boto3", "lockfile"}


def test_release_101_ugly_output_removed(run: Run, env: dict[str, str]) -> None:
    """1.0.1: "Minor fix: Ugly output removed": nothing but lines of the log, and they go to stderr."""
    done = run(*ONCE, "--log-level", "debug", env=env)
    assert done.stdout == ""
    for line in done.stderr.splitlines():
        assert re.match(r"\S+ \S+ - dynamic-dynamodb - [A-Z]+ - \S", line), line


def test_release_020_first_public_release(trial: Try) -> None:
    """0.2.0: "First public release": it had --dry-run, and limits."""
    attempt = trial("[table: ^my-table$]\nmax-provisioned-reads: 120\n", dry_run=True)
    attempt.add("my-table", (100, 100), (95, 50))
    assert attempt.check()
    assert attempt.units() == (100, 100)
    assert attempt.world.calls["UpdateTable"] == 0
    assert [text for text in attempt.log() if "100 -> 120" in text]


def test_release_011_initial_release(run: Run) -> None:
    """0.1.1: "Initial release": the flags that it had are there, and in --help."""
    text = run("--help", env={}).stdout
    first = [option.flag for option in options.OPTIONS if option.since == "0.1.0" and option.flag]
    assert {"--table-name", "--region", "--check-interval", "--reads-upper-threshold"} <= set(first)
    for flag in first:
        assert flag in text


# The list itself

NUMBERS = (
    *(69, 71, 68, 66, 67, 65, 62, 60, 58, 55, 57, 53, 54, 52, 51, 50, 47, 46, 45, 44, 40, 39, 37, 36, 34, 35),
    *(25, 22, 33, 32, 30, 19, 31, 24, 20, 17, 23, 28, 29, 21, 11, 4, 18, 12, 16, 15, 14, 13, 10, 6, 5, 1),
)


def test_no_item_is_forgotten() -> None:
    source = Path(__file__).read_text("utf-8").split("# Items without a number")[0]
    tests = [int(number) for number in re.findall(r"^def test_([0-9]{3})_", source, re.M)]
    assert tests == list(NUMBERS)  # in the order of the release notes, each once
    assert len(set(NUMBERS)) == 52
    for number, text in re.findall(r'^def test_([0-9]{3})_.*?\n    """(.*?)"""', source, re.M | re.S):
        assert re.match(r"[01]\.[0-9]\.[0-9]: ", text), number
        assert f"#{int(number)}" in text, number
