"""The console script as users run it, against AWS's protocols over HTTP.

moto is a stand-in that other people wrote; AwsServer is ours, speaks from a
strict model, counts calls and fails on demand.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import socket
import stat
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from aws_server import (
    AwsFault,
    AwsServer,
    Fault,
    HoldFault,
    MutateFault,
    RawFault,
    ResetFault,
    Scope,
    SilenceFault,
    always,
    times,
)
from conftest import ACCOUNT, CREDENTIALS, Program, Run
from moto.server import ThreadedMotoServer
from moto_world import MotoWorld
from place import CHECKED

from dynamic_dynamodb.aws.calls import MOST_THREADS
from dynamic_dynamodb.decisions.model import Target, Throughput
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

Spawn = Callable[..., Program]

# The user's own document, letter for letter.
README_COMMAND = r"""
    dynamic-dynamodb --table-name my-table \
                     --reads-upper-threshold 90 \
                     --reads-lower-threshold 30 \
                     --increase-reads-with 50 \
                     --decrease-reads-with 40 \
                     --writes-upper-threshold 90 \
                     --writes-lower-threshold 40 \
                     --increase-writes-with 40 \
                     --decrease-writes-with 70 \
                     --check-interval 300
"""
README = shlex.split(README_COMMAND.replace("\\\n", ""))[1:]

TABLE, INDEX = Target("my-table"), Target("my-table", "by-date")
ANY_LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - dynamic-dynamodb - (?:DEBUG|INFO|WARNING|ERROR) - "

WITHIN_SECONDS = 6.0  # far more than an end takes, far less than what would be waited for
PROMPT = 20.0  # three refused attempts and the pauses between them take 5 at the most
SLOW = SilenceFault(25)  # seconds: longer than all of that


def account(url: str, **more: str) -> dict[str, str]:
    """The environment of a user whose AWS is at this URL."""
    return {**ACCOUNT, "AWS_ENDPOINT_URL": url, **more}


def lines(text: str, containing: str) -> list[str]:
    return [line for line in text.splitlines() if containing in line]


@pytest.fixture(scope="module")
def moto_server() -> Iterator[MotoWorld]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    world = MotoWorld(f"http://{host}:{port}")
    yield world
    world.close()
    server.stop()


@pytest.fixture
def moto(moto_server: MotoWorld) -> MotoWorld:
    moto_server.reset()
    return moto_server


class Recorder(AwsServer):
    """An AwsServer that remembers who signed for which region."""

    @property
    def scopes(self) -> set[Scope]:
        return set(self.signed)


@pytest.fixture
def server() -> Iterator[Recorder]:
    """Real time, and updates that are done at once."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    recorder = Recorder(world)
    with recorder:
        yield recorder


def load(server: AwsServer, target: Target, reads: float, writes: float) -> None:
    server.world.set_load(target, "reads", reads)
    server.world.set_load(target, "writes", writes)


def hot(server: AwsServer, *names: str) -> None:
    """Tables that ask for 150 reads instead of 100, and for no other change."""
    for name in names:
        server.world.add_table(name, 100, 100)
        load(server, Target(name), 95, 50)


def cold(server: AwsServer, *names: str) -> None:
    """Tables that ask for no change."""
    for name in names:
        server.world.add_table(name, 100, 100)
        load(server, Target(name), 50, 50)


def only(name: str, operation: str, fault: Fault) -> Callable[[str, dict[str, Any]], Fault | None]:
    """A hook that spoils the requests of one operation for one table."""
    return lambda called, body: fault if called == operation and body.get("TableName") == name else None


# The main job, against moto


def test_the_readme_command(run: Run, moto: MotoWorld) -> None:
    moto.add_table("my-table", 100, 100)
    moto.consume(TABLE, reads=95, writes=40)
    done = run(*README, "--run-once", env=account(moto.url))
    assert (done.returncode, done.stdout) == (0, "")
    assert moto.provisioned(TABLE) == Throughput(150, 45)
    (change,) = lines(done.stderr, " -> ")
    assert "reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)" in change
    assert "writes 40.0 % of 100 <= 40 %: 100 -> 45 (-70 % would be 30; 45 keeps 40.0 consumed below 90 %)" in change
    assert "region us-east-1 (AWS_DEFAULT_REGION), 1 table section, 0 gsi sections, one check" in done.stderr


def test_the_readme_shows_that_command_and_what_it_says(run: Run, server: Recorder) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert textwrap.dedent(README_COMMAND) in readme
    server.world.add_table("my-table", 100, 100)
    load(server, TABLE, 50, 40)
    done = run(*README, "--run-once", "--dry-run", env=account(server.url))
    (change,) = lines(done.stderr, " -> ")
    assert f"```text\n{change.split(' - dryrun - ')[1]}\n```" in readme


def test_a_second_check_changes_nothing(run: Run, moto: MotoWorld) -> None:
    moto.add_table("my-table", 100, 100)
    moto.consume(TABLE, reads=95, writes=40)
    for _ in range(2):
        done = run(*README, "--run-once", env=account(moto.url))
        assert done.returncode == 0
        assert moto.provisioned(TABLE) == Throughput(150, 45)
    assert not lines(done.stderr, " -> ")
    assert len(lines(done.stderr, "my-table - reads 63.3 % of 150: stays")) == 1


def test_a_dry_run_changes_nothing_and_says_so_in_every_line(run: Run, moto: MotoWorld) -> None:
    moto.add_table("my-table", 100, 100)
    moto.consume(TABLE, reads=95, writes=40)
    done = run(*README, "--run-once", "--dry-run", "--log-level", "debug", env=account(moto.url))
    assert done.returncode == 0
    assert moto.provisioned(TABLE) == Throughput(100, 100)
    assert len(lines(done.stderr, " -> ")) == 1
    for line in done.stderr.splitlines():
        assert re.match(ANY_LINE + "dryrun - ", line), line


def test_tables_and_indexes_of_a_file(run: Run, moto: MotoWorld, tmp_path: Path) -> None:
    file = tmp_path / "dd.conf"
    file.write_text(
        "[gsi: ^by- table: ^my-]\nreads-upper-threshold: 50\n"
        "[table: ^my-]\nallow-scaling-down-reads-on-0-percent: yes\n"
    )
    moto.add_table("my-table", 100, 100, {"by-date": (10, 10), "other": (10, 10)})
    moto.add_table("my-on-demand", 0, 0, on_demand=True)
    moto.add_table("not-mine", 100, 100)
    for target, reads in ((TABLE, 0), (INDEX, 5), (Target("my-table", "other"), 10), (Target("not-mine"), 100)):
        moto.consume(target, reads=reads, writes=5)
    done = run("--config", str(file), "--run-once", env=account(moto.url))
    assert done.returncode == 0, done.stderr
    assert moto.provisioned(TABLE) == Throughput(50, 50)
    assert moto.provisioned(INDEX) == Throughput(15, 10)
    assert moto.provisioned(Target("my-table", "other")) == Throughput(10, 10)
    assert moto.provisioned(Target("not-mine")) == Throughput(100, 100)
    assert len(lines(done.stderr, "my-on-demand - on demand (PAY_PER_REQUEST)")) == 1


# One check, call by call


def test_a_table_and_its_indexes_go_into_one_update(run: Run, server: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "dd.conf"
    file.write_text("[table: ^my-table$]\n[gsi: .* table: ^my-table$]\n")
    server.world.add_table("my-table", 100, 100, indexes={"by-date": (10, 20), "by-name": (10, 20), "idle": (7, 7)})
    load(server, TABLE, 95, 50)
    load(server, INDEX, 9.5, 10)
    load(server, Target("my-table", "by-name"), 5, 20)
    done = run("--config", str(file), "--run-once", env=account(server.url))
    assert done.returncode == 0, done.stderr
    (update,) = server.world.updates
    assert update["ProvisionedThroughput"] == {"ReadCapacityUnits": 150, "WriteCapacityUnits": 100}
    indexes = {one["Update"]["IndexName"]: one["Update"] for one in update["GlobalSecondaryIndexUpdates"]}
    assert indexes.keys() == {"by-date", "by-name"}
    assert indexes["by-date"]["ProvisionedThroughput"] == {"ReadCapacityUnits": 15, "WriteCapacityUnits": 20}
    assert indexes["by-name"]["ProvisionedThroughput"] == {"ReadCapacityUnits": 10, "WriteCapacityUnits": 30}
    assert server.calls == {"ListTables": 1, "DescribeTable": 1, "GetMetricData": 1, "UpdateTable": 1}


def test_the_calls_of_one_check_of_100_tables_with_an_index_each(run: Run, server: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "dd.conf"
    file.write_text("[table: ^table-]\n[gsi: index table: ^table-]\n")
    for number in range(100):
        server.world.add_table(f"table-{number}", 100, 100, indexes={"index": (10, 10)})
        load(server, Target(f"table-{number}"), 95 if number < 3 else 50, 50)
        load(server, Target(f"table-{number}", "index"), 5, 5)
    server.world.add_table("another")
    done = run("--config", str(file), "--run-once", env=account(server.url))
    assert done.returncode == 0, done.stderr
    # 101 tables are two pages; 200 targets have 400 metrics.
    assert server.calls == {"ListTables": 2, "DescribeTable": 100, "GetMetricData": 1, "UpdateTable": 3}


def test_a_check_pauses_and_runs_again_until_interrupted(spawn: Spawn, server: Recorder) -> None:
    cold(server, "my-table")
    arguments = [*README[:-1], "1"]
    assert arguments[-2:] == ["--check-interval", "1"]
    program = spawn(*arguments, env=account(server.url))
    program.wait_for("my-table - reads 50.0 % of 100: stays")
    program.wait_for(CHECKED, count=2)
    code, took = program.end(signal.SIGINT)
    assert (code, took < WITHIN_SECONDS) == (130, True)
    assert "Traceback" not in program.log
    assert program.log.splitlines()[-1].endswith("ended by a signal")


def test_changes_are_picked_up_by_the_next_check(spawn: Spawn, server: Recorder) -> None:
    cold(server, "my-table")
    intervals = ("--check-interval", "1", "--refresh-interval", "1")
    program = spawn("--table-name", "my-", *intervals, env=account(server.url))
    program.wait_for("my-table - reads 50.0 %")
    server.world.delete_table("my-table")
    hot(server, "my-new-table")
    program.wait_for("my-new-table - reads 95.0 % of 100 >= 90 %: 100 -> 150")
    assert program.end(signal.SIGTERM)[0] == 0
    assert server.world.provisioned(Target("my-new-table")) == Throughput(150, 100)


def test_a_failed_check_does_not_end_the_loop(spawn: Spawn, server: Recorder) -> None:
    hot(server, "my-table")
    server.faults.append(times(1, "ListTables", AwsFault("AccessDeniedForNow")))
    program = spawn("--table-name", "my-", "--check-interval", "1", env=account(server.url))
    program.wait_for("ERROR - the check failed: ListTables failed: AccessDeniedForNow: injected")
    program.wait_for("100 -> 150")
    assert program.end(signal.SIGTERM)[0] == 0


def test_a_loop_warns_of_throttling_that_is_ignored_and_one_check_does_not(
    spawn: Spawn, run: Run, server: Recorder
) -> None:
    """With or without --daemon; the model throttles what is above the 100 reads provisioned."""
    cold(server, "my-table")
    server.world.set_hot_key(Target("my-table"), "reads", 10)
    command = ("--table-name", "my-table", "--check-interval", "1")
    program = spawn(*command, env=account(server.url))
    program.wait_for(
        "WARNING - my-table - 36000 reads throttled in 60 minutes, which the configuration ignores: "
        "throttled-reads-upper-threshold is not set"
    )
    program.wait_for("; next in ")
    assert program.end(signal.SIGTERM)[0] == 0
    assert len(lines(program.log, "ignores")) == 1
    assert "; plus 2 once per hour, for throttled events that no option uses: $0.01" in program.log
    done = run(*command, "--run-once", env=account(server.url))
    assert (done.returncode, "throttled" in done.stderr) == (0, False)


# Told to end


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_signals_end_the_readme_command_in_its_sleep(
    spawn: Spawn, server: Recorder, number: int, expected: int
) -> None:
    hot(server, "my-table")
    program = spawn(*README, env=account(server.url))
    program.wait_for("my-table - reads .* 100 -> 150")
    code, took = program.end(number)
    assert (code, took < WITHIN_SECONDS) == (expected, True)
    assert "Traceback" not in program.log


@pytest.mark.parametrize(
    ("operation", "number", "expected"),
    [
        ("ListTables", signal.SIGTERM, 0),
        ("DescribeTable", signal.SIGTERM, 0),
        ("DescribeTable", signal.SIGINT, 130),
        ("DescribeTable", signal.SIGHUP, 0),
        ("GetMetricData", signal.SIGTERM, 0),
    ],
)
def test_reads_are_abandoned(spawn: Spawn, server: Recorder, operation: str, number: int, expected: int) -> None:
    hot(server, *(f"table-{number}" for number in range(30)))
    server.faults.append(always(operation, SLOW))
    program = spawn("--table-name", "table-", env=account(server.url))
    program.wait_until(lambda: server.calls[operation] > 0)
    code, took = program.end(number)
    assert (code, took < WITHIN_SECONDS) == (expected, True)
    assert not server.world.updates
    assert "Traceback" not in program.log


def test_a_circuit_breaker_is_abandoned(spawn: Spawn, server: Recorder, tmp_path: Path) -> None:
    hot(server, "my-table")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = tmp_path / "dd.conf"
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        file.write_text(f"[table: my-table]\ncircuit-breaker-url: {url}\ncircuit-breaker-timeout: 25000\n")
        program = spawn("--config", str(file), env=account(server.url))
        connection, _ = silent.accept()
        with connection:
            code, took = program.end(signal.SIGTERM)
    assert (code, took < WITHIN_SECONDS) == (0, True)
    assert not server.world.updates


def test_an_update_in_flight_is_finished_and_no_new_one_begun(spawn: Spawn, server: Recorder) -> None:
    hot(server, *(f"table-{number}" for number in range(20)))
    server.faults.append(always("UpdateTable", held := HoldFault()))
    program = spawn("--table-name", "table-", "--run-once", env=account(server.url))
    program.wait_until(lambda: server.calls["UpdateTable"] == 16)
    begun = []  # 16, and the others after 2 s, on a busy machine

    def go_on() -> None:
        begun.append(server.calls["UpdateTable"])
        held.release()

    code, took = program.end(signal.SIGTERM, then=go_on)
    assert (code, took < WITHIN_SECONDS) == (0, True)
    assert [len(server.world.updates)] == [server.calls["UpdateTable"]] == begun
    assert [len(lines(program.log, "100 -> 150"))] == begun


def test_an_update_in_flight_is_not_repeated_at_the_end(spawn: Spawn, server: Recorder) -> None:
    hot(server, "my-table")
    server.faults.append(always("UpdateTable", SilenceFault(15)))
    program = spawn("--table-name", "my-table", env=account(server.url))
    program.wait_until(lambda: server.calls["UpdateTable"] == 1)
    code, took = program.end(signal.SIGTERM)
    assert (code, took < 14) == (0, True)  # the 10 s of one attempt
    assert server.calls["UpdateTable"] == 1


def test_a_repeated_call_does_not_undo_what_another_hand_has_done(spawn: Spawn, server: Recorder) -> None:
    """Without an answer within 10 s boto3 would send the same units again."""
    hot(server, "my-table")
    server.faults.append(times(1, "UpdateTable", SilenceFault(15)))
    program = spawn("--table-name", "my-table", env=account(server.url))
    program.wait_until(lambda: len(server.world.updates) == 1)
    by_hand = {"ReadCapacityUnits": 5000, "WriteCapacityUnits": 100}
    server.world.dynamodb.update_table(TableName="my-table", ProvisionedThroughput=by_hand)
    program.wait_for("my-table - UpdateTable failed: ReadTimeoutError: ")
    program.wait_for("no usable answer: not known whether it was changed")
    assert program.end(signal.SIGTERM)[0] == 0
    assert server.calls["UpdateTable"] == 1
    assert server.world.provisioned(Target("my-table")) == Throughput(5000, 100)


def test_a_lost_answer_is_not_taken_for_a_refusal(run: Run, server: Recorder) -> None:
    """The repetition meets the change that the first attempt began."""
    hot(server, "my-table")
    server.faults.append(times(1, "UpdateTable", ResetFault(performed=True)))
    done = run("--table-name", "my-table", "--run-once", env=account(server.url))
    assert (done.returncode, server.calls["UpdateTable"], len(server.world.updates)) == (0, 2, 1)
    assert "100 -> 150" in done.stderr
    assert "not changed" not in done.stderr


def test_without_an_answer_nothing_is_claimed(run: Run, server: Recorder) -> None:
    hot(server, "my-table")
    server.faults.append(always("UpdateTable", ResetFault()))
    done = run("--table-name", "my-table", "--run-once", env=account(server.url))
    assert done.returncode == 1
    assert "no usable answer: not known whether it was changed" in done.stderr


def test_a_message_of_a_change_is_sent_before_the_end(spawn: Spawn, server: Recorder, tmp_path: Path) -> None:
    hot(server, "my-table")
    file = tmp_path / "dd.conf"
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    file.write_text(f"[table: my-table]\nsns-topic-arn: {topic}\nsns-message-types: scale-up\n")
    server.faults.append(always("UpdateTable", held := HoldFault()))
    program = spawn("--config", str(file), env=account(server.url))
    program.wait_until(lambda: server.calls["UpdateTable"] == 1)
    assert program.end(signal.SIGTERM, then=held.release)[0] == 0
    (message,) = server.world.messages
    assert message.topic == topic
    assert "my-table: reads scaled up from 100 to 150" in message.message


def test_a_background_program_outlives_its_terminal_under_nohup(spawn: Spawn, server: Recorder) -> None:
    cold(server, "my-table")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does for its child
    try:
        program = spawn("--table-name", "my-", "--check-interval", "1", env=account(server.url))
    finally:
        signal.signal(signal.SIGHUP, before)
    program.wait_for("my-table - reads 50.0 %")
    program.process.send_signal(signal.SIGHUP)
    program.wait_for(CHECKED, count=len(lines(program.log, "looked at")) + 2)
    assert program.end(signal.SIGTERM)[0] == 0


# Logs


def test_the_format_of_the_log(run: Run, server: Recorder, tmp_path: Path) -> None:
    server.world.add_table("my-table", 100, 100, indexes={"by-date": (10, 10)})
    load(server, TABLE, 95, 50)
    load(server, INDEX, 5, 5)
    file = tmp_path / "dd.conf"
    file.write_text("[table: ^my-table$]\n[gsi: ^by-date$ table: ^my-table$]\n")
    for arguments, mark in (("--dry-run",), "dryrun - "), ((), ""):
        done = run("--config", str(file), "--run-once", *arguments, env=account(server.url))
        assert done.stdout == ""
        expected = [
            r"Dynamic DynamoDB \d+\.\d+\.\d+: .+, region .+",
            r"my-table - configured by .+",
            r"my-table - GSI: by-date - configured by .+",
            r"my-table - GSI: by-date - reads 50\.0 % of 10: stays, .+; writes 50\.0 % of 10: stays, .+",
            r"my-table - reads 95\.0 % of 100 >= 90 %: 100 -> 150 \(\+50 %\); writes 50\.0 % of 100: stays, .+",
        ]
        time_, level = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "INFO"
        for pattern in expected:
            whole = rf"^{time_} - dynamic-dynamodb - {level} - {mark}{pattern}$"
            assert len(re.findall(whole, done.stderr, re.M)) == 1, (whole, done.stderr)
        assert all(re.match(ANY_LINE, line) for line in done.stderr.splitlines())


def test_log_times_are_local(run: Run, server: Recorder) -> None:
    cold(server, "my-table")
    before = datetime.now(timezone.utc).replace(tzinfo=None)
    done = run("--table-name", "my-table", "--run-once", env=account(server.url, TZ="XXX-7"))
    logged = datetime.strptime(done.stderr[:19], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    assert 6.9 < (logged - before).total_seconds() / 3600 < 7.1


@pytest.mark.parametrize(("level", "levels"), [("DEBUG", {"DEBUG", "INFO"}), ("info", {"INFO"}), ("warning", set())])
def test_log_levels(run: Run, server: Recorder, level: str, levels: set[str]) -> None:
    cold(server, "my-table")
    done = run("--table-name", "^my-table$", "--run-once", "--log-level", level, env=account(server.url))
    assert done.returncode == 0
    assert set(re.findall(r"dynamic-dynamodb - ([A-Z]+) - ", done.stderr)) == levels


def test_a_log_file_holds_what_stderr_shows(run: Run, server: Recorder, tmp_path: Path) -> None:
    hot(server, "my-table")
    log = tmp_path / "dd.log"
    log.write_text("what was there before\n")
    done = run("--table-name", "my-table", "--run-once", "--log-file", str(log), env=account(server.url))
    assert done.returncode == 0
    assert "100 -> 150" in done.stderr
    assert log.read_text() == "what was there before\n" + done.stderr


def test_nobody_else_can_write_into_a_log_file(run: Run, server: Recorder, tmp_path: Path) -> None:
    cold(server, "my-table")
    log = tmp_path / "dd.log"
    arguments = ("--table-name", "my-table", "--run-once", "--log-file", str(log))
    assert run(*arguments, env=account(server.url), umask=0).returncode == 0
    assert stat.S_IMODE(log.stat().st_mode) & 0o022 == 0


def test_a_log_file_that_is_a_pipe_is_not_rotated(run: Run, server: Recorder, tmp_path: Path) -> None:
    """Nor is /dev/stdout: it would be renamed."""
    cold(server, "my-table")
    pipe = tmp_path / "dd.log"
    os.mkfifo(pipe)
    os.utime(pipe, (0, 0))  # a file of this age would be rotated at once
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = run("--table-name", "my-table", "--run-once", "--log-file", str(pipe), env=account(server.url))
        assert done.returncode == 0
        assert os.read(reader, 100_000).decode() == done.stderr != ""
    finally:
        os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]


def test_an_old_log_file_is_rotated(run: Run, server: Recorder, tmp_path: Path) -> None:
    cold(server, "my-table")
    log = tmp_path / "dd.log"
    log.write_text("of yesterday\n")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(log, (two_days_ago, two_days_ago))
    for day in range(1, 8):
        (tmp_path / f"dd.log.2020-01-0{day}").touch()
    done = run("--table-name", "my-table", "--run-once", "--log-file", str(log), env=account(server.url))
    assert log.read_text() == done.stderr
    old = sorted(file for file in tmp_path.iterdir() if file != log)
    assert len(old) == 5
    assert old[-1].read_text() == "of yesterday\n"


def test_a_full_disk_is_told_once_and_stops_nothing(run: Run, server: Recorder, tmp_path: Path) -> None:
    hot(server, "my-table")
    log = tmp_path / "dd.log"
    log.write_text("x" * 1000)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    arguments = ("--table-name", "my-table", "--run-once", "--log-file", str(log))
    done = run(*arguments, env=account(server.url), preexec_fn=no_room)
    assert done.returncode == 0
    assert server.world.provisioned(TABLE) == Throughput(150, 100)
    assert [line for line in done.stderr.splitlines() if not re.match(ANY_LINE, line)] == [
        f"dynamic-dynamodb: log-file {log}: cannot be written: File too large"
    ]


def test_a_logging_configuration_file_replaces_level_and_file(run: Run, server: Recorder, tmp_path: Path) -> None:
    cold(server, "my-table")
    own, other = tmp_path / "own.log", tmp_path / "not-this.log"
    file = tmp_path / "logging.conf"
    file.write_text(
        "[loggers]\nkeys=root,dynamic-dynamodb\n[handlers]\nkeys=own\n[formatters]\nkeys=own\n"
        "[logger_root]\nlevel=ERROR\nhandlers=\n"
        "[logger_dynamic-dynamodb]\nlevel=DEBUG\nhandlers=own\nqualname=dynamic-dynamodb\n"
        f"[handler_own]\nclass=FileHandler\nformatter=own\nargs=({str(own)!r},)\n"
        "[formatter_own]\nformat=own format %(levelname)s %(message)s\n"
    )
    done = run(
        *("--table-name", "my-table", "--run-once", "--dry-run", "--log-level", "error", "--log-file", str(other)),
        *("--log-config-file", str(file)),
        env=account(server.url),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not other.exists()
    text = own.read_text()
    assert re.search(r"^own format INFO dryrun - my-table - reads 50\.0 %", text, re.M)
    assert re.search(r"^own format DEBUG dryrun - my-table", text, re.M)


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_standard_stream_hurts_nobody(run: Run, server: Recorder, tmp_path: Path, closed: int) -> None:
    """As from cron jobs that say `>&- 2>&-`: the next file that is opened must not take its place."""
    hot(server, "my-table")
    log = tmp_path / "dd.log"
    arguments = ("--table-name", "my-table", "--run-once", "--log-file", str(log))
    done = run(*arguments, env=account(server.url), preexec_fn=lambda: os.close(closed))
    assert done.returncode == 0
    assert "100 -> 150" in log.read_text()
    assert "Traceback" not in done.stderr + log.read_text()
    # Without a place to say it the exit code is all there is, and the right one.
    assert run("--version", preexec_fn=lambda: os.close(closed)).returncode == 0
    assert run("--nonsense", preexec_fn=lambda: os.close(closed)).returncode == 2


# Where AWS is, and who asks


def test_endpoint_url_flag_beats_the_environment(run: Run, server: Recorder) -> None:
    hot(server, "my-table")
    arguments = ("--table-name", "my-table", "--run-once", "--endpoint-url", server.url)
    assert run(*arguments, env=account("http://127.0.0.1:9")).returncode == 0
    assert server.world.provisioned(TABLE) == Throughput(150, 100)


REGIONS = {
    "flag": (("--region", "eu-north-1"), "", {"AWS_REGION": "eu-west-1"}, "eu-north-1", "--region"),
    "flag beats file": (("--region", "eu-north-1"), "region: eu-south-1", {}, "eu-north-1", "--region"),
    "file beats environment": ((), "region: eu-south-1", {"AWS_REGION": "eu-west-1"}, "eu-south-1", "the file"),
    "AWS_REGION": ((), "", {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1", "AWS_REGION"),
    "AWS_DEFAULT_REGION": (
        ("--profile", "other"),
        "",
        {"AWS_DEFAULT_REGION": "eu-west-2"},
        "eu-west-2",
        "AWS_DEFAULT_REGION",
    ),
    "profile": (("--profile", "other"), "", {}, "sa-east-1", "profile other"),
    "default profile": ((), "", {}, "ca-central-1", "profile default"),
    "default": ((), "", {"AWS_CONFIG_FILE": "/dev/null"}, "us-east-1", "the default; no region was set"),
}


@pytest.mark.parametrize(("flags", "general", "env", "expected", "source"), REGIONS.values(), ids=REGIONS.keys())
def test_region(
    run: Run,
    server: Recorder,
    tmp_path: Path,
    flags: tuple[str, ...],
    general: str,
    env: dict[str, str],
    expected: str,
    source: str,
) -> None:
    cold(server, "my-table")
    config = tmp_path / "aws-config"
    config.write_text(
        "[default]\nregion = ca-central-1\n"
        "[profile other]\nregion = sa-east-1\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n"
    )
    file = tmp_path / "dd.conf"
    file.write_text(f"[global]\n{general}\n[table: my-table]\n")
    settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": server.url, "AWS_CONFIG_FILE": str(config), **env}
    done = run("--config", str(file), "--run-once", *flags, env=settings)
    assert done.returncode == 0, done.stderr
    assert {region for _, region, _ in server.scopes} == {expected}
    assert {service for _, _, service in server.scopes} == {"dynamodb", "monitoring"}
    assert f"region {expected} ({source})," in done.stderr


WHO = {
    "environment": ((), {}, "AKIDTEST"),
    "AWS_PROFILE": ((), {"AWS_PROFILE": "other", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "AKIDOTHER"),
    "profile beats environment": (("--profile", "other"), {}, "AKIDOTHER"),
    "a static pair beats a profile": (
        ("--profile", "nobody", "--aws-access-key-id", "AKIDSTATIC", "--aws-secret-access-key", "s3cr3t-of-static"),
        {},
        "AKIDSTATIC",
    ),
    "a static pair beats AWS_PROFILE": (
        ("--aws-access-key-id", "AKIDSTATIC", "--aws-secret-access-key", "s3cr3t-of-static"),
        {"AWS_PROFILE": "nobody"},
        "AKIDSTATIC",
    ),
}


@pytest.mark.parametrize(("flags", "env", "expected"), WHO.values(), ids=WHO.keys())
def test_credentials(
    run: Run, server: Recorder, tmp_path: Path, flags: tuple[str, ...], env: dict[str, str], expected: str
) -> None:
    cold(server, "my-table")
    config = tmp_path / "aws-config"
    config.write_text("[profile other]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n")
    settings = {name: value for name, value in account(server.url, **env).items() if value}
    done = run("--table-name", "my-table", "--run-once", *flags, env={**settings, "AWS_CONFIG_FILE": str(config)})
    assert done.returncode == 0, done.stderr
    assert {key for key, _, _ in server.scopes} == {expected}
    assert "s3cr3t" not in done.stderr


def test_credentials_that_come_later_are_found(spawn: Spawn, server: Recorder, tmp_path: Path) -> None:
    """At boot, a role or a file of credentials may appear after this program has."""
    hot(server, "my-table")
    file = tmp_path / "credentials"
    env = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_ENDPOINT_URL": server.url}
    program = spawn("--table-name", "my-table", "--check-interval", "1", env=env)
    program.wait_for("NoCredentialsError")
    file.write_text("[default]\naws_access_key_id = AKIDLATE\naws_secret_access_key = late\n")
    program.wait_for("100 -> 150")
    assert program.end(signal.SIGTERM)[0] == 0
    assert {key for key, _, _ in server.scopes} == {"AKIDLATE"}


def test_a_look_up_of_credentials_that_hangs_is_abandoned(spawn: Spawn, server: Recorder, tmp_path: Path) -> None:
    started = tmp_path / "started"
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 25\n")
    helper.chmod(0o755)
    config = tmp_path / "aws-config"
    config.write_text(f"[default]\ncredential_process = {helper}\n")
    program = spawn("--table-name", "my-table", env={"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": server.url})
    program.wait_until(started.exists)
    code, took = program.end(signal.SIGTERM)
    assert (code, took < WITHIN_SECONDS) == (0, True)


def test_the_accounts_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB's host name has the account's number in it, where the credentials tell it."""
    from dynamic_dynamodb.aws.connection import connect  # noqa: PLC0415 - slow

    for name, value in {**CREDENTIALS, "AWS_ACCOUNT_ID": "123456789012"}.items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []

    def answer(request: Any, **_: Any) -> Any:
        asked.append(request.url)
        raise ConnectionError

    names = ("profile", "aws_access_key_id", "aws_secret_access_key", "endpoint_url")
    clients = connect({**dict.fromkeys(names), "region": "eu-west-1"})
    clients.dynamodb.meta.events.register("before-send.dynamodb.ListTables", answer)
    with pytest.raises(ConnectionError):
        clients.dynamodb.list_tables()
    assert asked == ["https://123456789012.ddb.eu-west-1.amazonaws.com/"]
    clients.close()


# AWS in trouble


def test_two_answers_with_500_are_tried_again(run: Run, server: Recorder) -> None:
    hot(server, "my-table")
    server.faults.append(times(2, "DescribeTable", AwsFault("InternalServerError", status=500)))
    done = run("--table-name", "my-table", "--run-once", env=account(server.url))
    assert done.returncode == 0, done.stderr
    assert server.calls["DescribeTable"] == 3
    assert server.world.provisioned(TABLE) == Throughput(150, 100)


def test_one_failing_table_of_three_stays_alone(run: Run, server: Recorder) -> None:
    hot(server, "table-1", "table-2", "table-3")
    server.faults.append(only("table-2", "DescribeTable", RawFault(500)))
    done = run("--table-name", "table-", "--run-once", env=account(server.url))
    assert done.returncode == 1
    assert server.calls["DescribeTable"] == 2 + 3
    changed = {name: server.world.provisioned(Target(name)).reads for name in ("table-1", "table-2", "table-3")}
    assert changed == {"table-1": 150, "table-2": 100, "table-3": 150}
    (error,) = lines(done.stderr, " - ERROR - ")
    assert re.match(ANY_LINE + "table-2 - DescribeTable failed: 500: ", error)
    assert "Traceback" not in done.stderr


def test_a_refused_update_stays_alone(run: Run, server: Recorder) -> None:
    hot(server, "table-1", "table-2")
    server.faults.append(only("table-1", "UpdateTable", AwsFault("AccessDeniedException", "not yours")))
    done = run("--table-name", "table-", "--run-once", env=account(server.url))
    assert done.returncode == 1
    assert server.world.provisioned(Target("table-2")) == Throughput(150, 100)
    (error,) = lines(done.stderr, " - ERROR - ")
    assert "table-1 - UpdateTable failed: AccessDeniedException: not yours" in error
    assert "dynamodb:UpdateTable" in error.split("not yours")[1]


def test_a_table_that_is_being_updated_waits(run: Run, server: Recorder) -> None:
    hot(server, "table-1", "table-2")
    server.world.set_status(Target("table-1"), "UPDATING")
    done = run("--table-name", "table-", "--run-once", env=account(server.url))
    assert done.returncode == 0
    assert server.calls["UpdateTable"] == 1
    (warning,) = lines(done.stderr, "table-1 - status UPDATING")
    assert " - WARNING - " in warning


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_without_get_metric_data_the_older_call_is_used(run: Run, server: Recorder, code: str) -> None:
    hot(server, "table-1", "table-2")
    server.faults.append(always("GetMetricData", AwsFault(code, "no GetMetricData", 403)))
    done = run("--table-name", "table-", "--run-once", env=account(server.url))
    assert done.returncode == 0, done.stderr
    assert len(lines(done.stderr, "GetMetricData")) == 1
    assert server.calls["GetMetricStatistics"] == 2 * 2
    assert len(server.world.updates) == 2


def test_without_list_tables_plain_names_are_used(run: Run, server: Recorder, tmp_path: Path) -> None:
    hot(server, "my-table", "other-table")
    server.faults.append(always("ListTables", AwsFault("AccessDeniedException", "no ListTables")))
    file = tmp_path / "dd.conf"
    file.write_text("[table: ^my-table$]\n[table: other.*]\n")
    done = run("--config", str(file), "--run-once", env=account(server.url))
    assert done.returncode == 1
    assert server.world.provisioned(TABLE) == Throughput(150, 100)
    assert len(lines(done.stderr, "no ListTables")) == 1
    (error,) = lines(done.stderr, " - ERROR - ")
    assert "[table: other.*] is a regular expression and needs dynamodb:ListTables" in error


def dead_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_dead_cloudwatch_ends_the_check_and_changes_nothing(run: Run, server: Recorder) -> None:
    hot(server, "table-1", "table-2", "table-3")
    dead = f"http://127.0.0.1:{dead_port()}"
    began = time.monotonic()
    done = run("--table-name", "table-", "--run-once", env=account(server.url, AWS_ENDPOINT_URL_CLOUDWATCH=dead))
    assert time.monotonic() - began < PROMPT
    assert done.returncode == 1
    assert not server.world.updates
    errors = lines(done.stderr, " - ERROR - ")
    assert len(errors) == 3
    assert all("GetMetricData failed: EndpointConnectionError" in error for error in errors)
    assert "check the region, --endpoint-url and the network" in errors[0]
    assert "Traceback" not in done.stderr


def test_a_connection_that_breaks_is_tried_again(run: Run, server: Recorder) -> None:
    hot(server, "my-table")
    server.faults.append(times(1, "GetMetricData", ResetFault()))
    assert run("--table-name", "my-table", "--run-once", env=account(server.url)).returncode == 0
    assert server.calls["GetMetricData"] == 2
    assert server.world.provisioned(TABLE) == Throughput(150, 100)


def test_time_outs_and_attempts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behaviour 8.4 has them; waiting for them here would take half a minute."""
    from dynamic_dynamodb.aws.connection import connect  # noqa: PLC0415 - slow

    for name, value in {**CREDENTIALS, "AWS_MAX_ATTEMPTS": "50"}.items():
        monkeypatch.setenv(name, value)
    names = ("profile", "aws_access_key_id", "aws_secret_access_key", "endpoint_url")
    clients = connect({**dict.fromkeys(names), "region": "eu-west-1"})
    for client in (clients.dynamodb, clients.cloudwatch, clients.sns.client("eu-west-1")):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (3, 10)
        assert config.retries == {"mode": "standard", "total_max_attempts": 3}
        assert config.max_pool_connections == MOST_THREADS  # or urllib3 complains on stderr
    clients.close()


def test_an_answer_without_its_metrics_is_a_failure_of_that_table_alone(run: Run, server: Recorder) -> None:
    hot(server, "table-1", "table-2")

    def drop_first(answer: dict[str, Any]) -> None:
        del answer["MetricDataResults"][0]

    server.faults.append(always("GetMetricData", MutateFault(drop_first)))
    done = run("--table-name", "table-", "--run-once", env=account(server.url))
    assert done.returncode == 1
    assert [update["TableName"] for update in server.world.updates] == ["table-2"]
    assert len(lines(done.stderr, "ERROR - table-1 - GetMetricData failed")) == 1


# Notifications, and what never reaches AWS


def test_notifications(run: Run, server: Recorder, tmp_path: Path) -> None:
    server.world.add_table("my-table", 100, 100)
    load(server, TABLE, 95, 20)
    file = tmp_path / "dd.conf"
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    file.write_text(
        f"[table: my-table]\nsns-topic-arn: {topic}\nsns-message-types: scale-up, high-throughput-alarm\n"
        "reads-upper-alarm-threshold: 95\n"
    )
    for arguments, expected in (("--dry-run",), 0), ((), 2):
        done = run("--config", str(file), "--run-once", *arguments, env=account(server.url))
        assert done.returncode == 0, done.stderr
        assert server.calls["Publish"] == expected
    texts = [message.message for message in server.world.messages]
    assert any("reads scaled up from 100 to 150" in text and "writes scaled down" in text for text in texts)
    assert any("at or above the alarm threshold of 95 %" in text for text in texts)
    assert all(len(message.subject or "") <= 100 for message in server.world.messages)


def test_show_config_asks_nobody(run: Run, server: Recorder) -> None:
    done = run(*README, "--show-config", env={"AWS_ENDPOINT_URL": server.url, "AWS_REGION": "eu-west-1"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["global"]["region"] == "eu-west-1"
    assert shown["tables"]["my-table"]["writes_lower_threshold"] == 40
    assert not server.calls
