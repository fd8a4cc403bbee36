"""Daemon mode as users run it: the console script against AWS's protocols over HTTP.

tests/daemon/test_daemonizer.py holds the pid file, the races and the detaching to account; here is what people see.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsFault, AwsServer, HoldFault, MutateFault, always
from conftest import SCRIPT, Run, environment, lives, signalled
from interpreter import before_all
from place import CHECKED, LONG, SLOW, SOON, Place, Spawn, heat, placed, table, until

from dynamic_dynamodb.daemon.pidfile import Instance
from dynamic_dynamodb.decisions.model import Target, Throughput
from dynamic_dynamodb.errors import DynamicDynamoDBError
from dynamic_dynamodb.process import Runner


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


# start


@pytest.mark.parametrize("command", ["start", "restart"])
def test_start_returns_when_the_daemon_runs(place: Place, command: str) -> None:
    done = place.run(command)
    text = place.text()  # as it was when the command returned
    assert (done.returncode, done.stderr) == (0, "")
    idle = f"dynamic-dynamodb: instance test is not running (pid file {place.pid_file()}); starting it\n"
    started = f"dynamic-dynamodb: instance test has started: process {place.pid()}; logging to {place.log}\n"
    assert done.stdout == (started if command == "start" else idle + started)
    assert "region us-east-1 (the file), 1 table section, 0 gsi sections, a check every 300 s" in text
    assert place.pid_file().read_bytes() == b"%d\n" % place.pid()
    assert lives(place.pid())
    place.wait_for("my-table - reads 50.0 % of 100: stays")


DENIED = "(Permission denied|Read-only file system)"  # there even for root: /sys takes no files


def failing_starts() -> Iterator[Any]:
    yield pytest.param(("--pid-file-dir", "/sys"), 1, rf"lock file /sys/\S+: cannot be created: {DENIED}.*", id="sys")
    yield pytest.param(("--log-file", "/sys/dd"), 1, rf"log-file /sys/dd: cannot be written: {DENIED}", id="sys-log")
    yield pytest.param(
        ("--pid-file-dir", "{home}/missing"),
        1,
        r"lock file {home}/missing/\S+: cannot be created: No such file.*",
        id="folder",
    )
    yield pytest.param(
        ("--log-file", "{home}/missing/dd.log"),
        1,
        r"log-file {home}/missing/dd.log: cannot be written: No such.*",
        id="log",
    )
    yield pytest.param(
        ("--log-file", "{home}"), 1, r"log-file {home}: cannot be written: Is a directory", id="log-is-folder"
    )
    yield pytest.param(
        ("--log-config-file", "{home}/x"), 1, r"log-config-file {home}/x: cannot be read: No such.*", id="log-config"
    )
    yield pytest.param(("--profile", "ghost"), 1, r"AWS configuration: .*ghost.*", id="aws")
    yield pytest.param(("--endpoint-url", "http://[x"), 2, r"--endpoint-url.*", id="url")
    yield pytest.param(("--check-interval", "never"), 2, r"--check-interval.*", id="flag")
    yield pytest.param(("--config", "{home}/missing.conf"), 2, r".*missing\.conf.*", id="no-file")


@pytest.mark.parametrize(("flags", "code", "reason"), [*failing_starts()])
def test_start_tells_in_one_line_why_it_failed(place: Place, flags: tuple[str, ...], code: int, reason: str) -> None:
    check_failing_start(place, "start", flags, code, reason)


@pytest.mark.parametrize("command", ["foreground", "restart"])
@pytest.mark.parametrize(("flags", "code", "reason"), [*failing_starts()][2:7:4])
def test_the_others_fail_as_start_does(
    place: Place, command: str, flags: tuple[str, ...], code: int, reason: str
) -> None:
    check_failing_start(place, command, flags, code, reason)


def check_failing_start(place: Place, command: str, flags: tuple[str, ...], code: int, reason: str) -> None:
    done = place.run(command, *(flag.format(home=place.home) for flag in flags))
    *said, error = done.stderr.splitlines()
    assert done.returncode == code
    assert re.fullmatch("dynamic-dynamodb: error: " + reason.replace("{home}", re.escape(str(place.home))), error)
    assert not said
    assert not list(place.folder.glob("*.pid"))
    assert not place.server.calls
    if code == 2:
        assert not place.log.exists()  # before anything else
        assert done.stdout == ""


def test_a_second_start_says_who_runs(place: Place) -> None:
    pid = place.start()
    before = place.text()
    for command in ("start", "foreground", "fg"):
        done = place.run(command, "--log-file", str(place.home / "other.log"))
        assert (done.returncode, done.stdout) == (1, "")
        (error,) = done.stderr.splitlines()
        assert error.startswith(f"dynamic-dynamodb: error: instance test is already running: process {pid} holds ")
        assert "--instance NAME" in error
    assert place.pid() == pid
    assert lives(pid)
    assert not (place.home / "other.log").exists()
    assert "ended" not in place.text().removeprefix(before)


def test_all_problems_of_a_bad_configuration(place: Place) -> None:
    place.configure("min-provisioned-reads: -1", "no-such-option: 1", general="bogus: 1")
    done = place.run("start")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3
    assert not place.log.exists()


def test_without_a_log_file_start_says_so(place: Place) -> None:
    place.configure(logging="log-level: debug")
    done = place.run("start")
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("dynamic-dynamodb: warning: nothing will be logged; set log-file")
    until(lambda: place.server.calls["GetMetricData"])
    assert place.run("stop").returncode == 0


def test_the_warnings_of_a_configuration_are_told_by_start(place: Place) -> None:
    place.configure("reads-lower-threshold: 95", "reads-upper-threshold: 90")
    done = place.run("start")
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert "warning: " in warning
    assert warning.split("warning: ", 1)[1] in place.text()


def test_the_pid_file_appears_when_the_signal_handlers_stand() -> None:
    handlers: list[Any] = []

    @contextlib.contextmanager
    def hold() -> Iterator[None]:
        handlers.extend(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        raise DynamicDynamoDBError("held by another")
        yield

    runner = Runner(None, lambda _: None, reload=lambda: None)  # type: ignore[arg-type, return-value]
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(DynamicDynamoDBError, match="held by another"):
        runner.run(hold=hold)
    assert handlers == [runner._signals._note] * 3
    assert signal.getsignal(signal.SIGTERM) == before


# stop, status, restart


@pytest.mark.parametrize("config", ["broken", "missing"])
def test_stop_and_status_read_no_configuration(place: Place, config: str) -> None:
    pid = place.start()
    place.wait_for("check 1: .*; next in")
    checked = r"last check ended \d\d:\d\d:\d\d UTC, ok: 1 looked at, 0 changed, 0 left alone, 0 failed"
    if config == "broken":
        place.conf.write_text("[table: (\nnonsense")
    else:
        place.conf.unlink()
    flags = ("--config", str(place.conf))
    for command, code, said in (
        ("status", 0, rf"is running: process {pid}, since \S+ \S+ UTC; {checked}; next due \d\d:\d\d:\d\d UTC"),
        ("stop", 0, rf"has stopped \(process {pid}\)"),
        ("status", 3, rf"is not running \(pid file {place.pid_file()}\); {checked}"),
        ("stop", 0, rf"is not running \(pid file {place.pid_file()}\)"),
    ):
        done = place.run(command, *flags)
        assert (done.returncode, done.stderr) == (code, "")
        assert re.fullmatch(f"dynamic-dynamodb: instance test {said}\n", done.stdout)
    assert not lives(pid)
    assert not place.pid_file().exists()
    assert place.text().splitlines()[-1].endswith(" - INFO - ended by a signal")


def test_status_that_cannot_be_told(place: Place) -> None:
    place.pid_file().symlink_to(place.conf)
    done = place.run("status")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.endswith("is a symbolic link, which is not followed\n")


@pytest.mark.parametrize("command", ["start", "restart"])
def test_one_check_takes_the_foreground(place: Place, command: str) -> None:
    """Of a daemon that ends by itself nobody would hear how."""
    done = place.run(command, "--run-once")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--run-once: works with --daemon foreground" in done.stderr
    assert not place.pid_file().exists()


def test_stop_with_a_word_too_many(place: Place) -> None:
    pid = place.start()
    done = place.run("stop", "--no-such-flag")
    assert (done.returncode, "--no-such-flag" in done.stderr, lives(pid)) == (2, True, True)


def test_restart_takes_the_present_configuration(place: Place) -> None:
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    table(place.server, "other-table")
    place.configure(name="other-")
    done = place.run("restart")
    said = (
        f"dynamic-dynamodb: instance test has stopped (process {pid}); starting it\n"
        f"dynamic-dynamodb: instance test has started: process {place.pid()}; logging to {place.log}\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert not lives(pid)
    assert lives(place.pid())
    place.wait_for("other-table - reads 50.0 %")


def test_restart_with_a_bad_configuration_leaves_the_daemon_alone(place: Place) -> None:
    pid = place.start()
    place.configure("min-provisioned-reads: none")
    done = place.run("restart")
    assert (done.returncode, done.stdout) == (2, "")
    assert "min-provisioned-reads" in done.stderr
    assert (place.pid(), lives(pid)) == (pid, True)
    assert "ended" not in place.text()


def test_instances_side_by_side(place: Place) -> None:
    table(place.server, "other-table")
    first = place.start(instance="a.1")
    place.configure(name="other-", logging=f"log-file: {place.home}/other.log")
    second = place.start(instance="b_2")
    assert first != second
    place.wait_for("my-table - reads 50.0 %")
    assert "other-table" not in place.text()
    assert place.run("stop", instance="a.1").returncode == 0
    assert (lives(first), lives(second)) == (False, True)
    assert [place.run("status", instance=name).returncode for name in ("a.1", "b_2")] == [3, 0]


def test_kill_9_and_start_again(place: Place) -> None:
    pid = place.start()
    place.end(pid, signal.SIGKILL)
    assert place.pid() == pid
    assert place.run("status").returncode == 3
    assert place.start() != pid


# Files that vanish


def test_files_that_vanish_are_put_back(place: Place) -> None:
    """As from /tmp, which is cleaned of what is ten days old."""
    place.configure(interval=1)
    pid = place.start()
    lock = place.pid_file().with_suffix(".lock")
    for path in (place.pid_file(), lock):
        os.utime(path, (1e9, 1e9))
    until(lambda: min(path.stat().st_mtime for path in (place.pid_file(), lock)) > 1e9)
    for removed in ([place.pid_file()], [lock], [lock, place.pid_file()]):
        for path in removed:
            path.unlink()
        until(lambda: place.pid_file().exists() and lock.exists())
        place.wait_for("put back", count=1)
        done = place.run("start")
        assert (done.returncode, f"process {pid} holds" in done.stderr) == (1, True)
    until(lambda: len(place.lines("was removed by somebody else: put back")) == 4)
    assert place.pid_file().read_bytes() == b"%d\n" % pid
    assert place.run("stop").returncode == 0
    assert not place.pid_file().exists()


def test_the_older_of_two_ends(place: Place) -> None:
    """No check is made beside another daemon's."""
    place.configure(interval=3)
    older = place.start()
    place.wait_for("my-table - reads 50.0 %")
    for path in place.folder.iterdir():
        path.unlink()
    place.log = place.home / "second.log"
    place.configure()
    younger = place.start()
    until(lambda: not lives(older))
    text = (place.home / "dd.log").read_text()
    assert text.splitlines()[-1].endswith(
        "ERROR - ended: the lock file or pid file was removed, and another daemon took over: instance test is already "
        f"running: process {younger} holds {place.pid_file()}; to run another one, give it a different name with "
        "--instance NAME"
    )
    assert "Traceback" not in text
    assert (place.pid(), lives(younger)) == (younger, True)
    assert place.run("stop").returncode == 0


def test_files_that_cannot_be_put_back(place: Place) -> None:
    """The daemon goes on, says so once, and tries again."""
    place.configure(interval=1)
    pid = place.start()
    place.folder.rename(place.home / "elsewhere")
    place.wait_for("until it is back, a second daemon can be started")
    place.wait_for(CHECKED, count=len(place.lines("looked at")) + 2)
    assert len(place.lines("until it is back")) == 1
    place.folder.mkdir()
    until(place.pid_file().exists)
    assert place.pid() == pid


# Told to end


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_told_to_end_in_the_sleep(place: Place, spawn: Spawn, number: int, code: int) -> None:
    pid = place.start()
    attached = spawn(*place.flags("fg", "attached"), "--config", str(place.conf), env=place.env())
    attached.wait_for("my-table - reads 50.0 %")
    place.wait_for("my-table - reads 50.0 %", count=2)
    assert place.pid("attached") == attached.process.pid
    assert place.end(pid, number) < SOON
    assert attached.end(number)[0] == code
    assert not list(place.folder.glob("*.pid"))
    assert len(place.lines("ended by a signal")) == 2
    assert "Traceback" not in place.text() + attached.log


@pytest.mark.parametrize(("operation", "number"), [("DescribeTable", signal.SIGTERM), ("GetMetricData", signal.SIGINT)])
def test_told_to_end_while_answers_are_slow(place: Place, operation: str, number: int) -> None:
    heat(place.server, "my-table", 95)
    place.server.faults.append(always(operation, SLOW))
    pid = place.start()
    until(lambda: place.server.calls[operation])
    assert place.end(pid, number) < SOON
    assert not place.pid_file().exists()
    assert not place.server.world.updates
    place.server.faults.clear()
    place.start()
    place.wait_for("100 -> 150")


@pytest.mark.parametrize("how", ["stop", "SIGINT"])
def test_told_to_end_in_the_middle_of_updates(place: Place, how: str) -> None:
    """No call is cut, no new table begun, and the pid file is gone only when the work has ended."""
    for number in range(20):
        table(place.server, f"my-{number}", 95)
    place.server.faults.append(always("UpdateTable", held := HoldFault()))
    pid = place.start()
    until(lambda: place.server.calls["UpdateTable"] == 16)
    with ThreadPoolExecutor(1) as beside:
        if how == "SIGINT":
            os.kill(pid, signal.SIGINT)
            ended = beside.submit(until, lambda: not lives(pid))
        else:
            ended = beside.submit(lambda: place.run("stop").check_returncode())
        until(lambda: signalled(pid))
        with Instance("test", place.folder).holder() as holder:
            assert holder, "it has the name until its work has ended"
            assert (holder.pid, ended.done(), place.lines("100 -> 150")) == (pid, False, [])
        begun = place.server.calls["UpdateTable"]  # 16, and the others after 2 s, on a busy machine
        held.release()
        ended.result()
    assert not lives(pid)
    assert not place.pid_file().exists()
    assert len(place.lines("100 -> 150")) == place.server.calls["UpdateTable"] == len(place.server.world.updates)
    assert place.server.calls["UpdateTable"] == begun
    assert place.lines("ended by a signal") == place.text().splitlines()[-1:]
    place.server.faults.clear()
    place.start()
    place.wait_for("100 -> 150", count=20)
    assert len(place.server.world.updates) == 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(place: Place, spawn: Spawn, number: int, code: int) -> None:
    """Whatever is under way: here a change, which is waited for otherwise. Two in the same moment are one."""
    heat(place.server, "my-table", 95)
    place.server.faults.append(always("UpdateTable", SLOW))
    attached = spawn(*place.flags("fg"), "--config", str(place.conf), env=place.env())
    until(lambda: place.server.calls["UpdateTable"])
    for _ in range(3):
        attached.process.send_signal(number)
    until(lambda: signalled(attached.process.pid))
    time.sleep(2.2)
    assert attached.process.poll() is None, "several at once are one"
    ended, took = attached.end(number)
    assert (ended, took < SOON) == (code, True)
    assert not place.pid_file().exists()
    assert place.run("status").returncode == 3


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_that_the_launcher_ignores(place: Place, number: int) -> None:
    """nohup, and a script's background job: a daemon is spoken to by SIGHUP and SIGTERM all the same."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        pid = place.start()
    finally:
        signal.signal(number, before)
    place.hang_up(pid)
    assert place.end(pid) < SOON


# SIGHUP


def test_a_new_configuration(place: Place, tmp_path: Path) -> None:
    """Tables, interval, log level and log file; all at once."""
    table(place.server, "other-table")
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    place.log = tmp_path / "new.log"
    place.configure(name="other-", interval=1, logging=f"log-file: {place.log}\nlog-level: debug")
    place.hang_up(pid)
    place.wait_for("INFO - other-table - reads 50.0 %")
    place.wait_for(f"INFO - {CHECKED}", count=3)
    assert "a check every 1 s" in place.text()
    assert place.lines(" - DEBUG - other-table")
    assert "my-table" not in place.text()
    assert "other-table" not in (tmp_path / "dd.log").read_text()
    assert place.pid() == pid


def test_a_longer_interval(place: Place) -> None:
    """The next check is due the new interval after the last one's end."""
    place.configure(interval=2)
    pid = place.start()
    place.wait_for(CHECKED)
    place.configure(interval=600)
    place.hang_up(pid)
    time.sleep(2.5)
    assert len(place.lines("looked at")) == 1


def test_what_a_check_costs_is_told_of_each_configuration(place: Place) -> None:
    place.configure(interval=1)
    pid = place.start()
    place.wait_for(CHECKED, count=2)
    table(place.server, "other-table")
    place.configure(name="(my|other)-", interval=2)
    place.hang_up(pid)
    place.wait_for("2 looked at", count=2)
    told = [re.sub(".* - INFO - ", "", line) for line in place.lines("a check asks CloudWatch for")]
    assert [line.partition(";")[0] for line in told] == [
        "a check asks CloudWatch for 2 metrics of 1 table and 0 indexes: about $51.84 per month with a check every 1 s",
        "a check asks CloudWatch for 4 metrics of 2 tables and 0 indexes: about $51.84 per month with "
        "a check every 2 s",
    ]
    nexts = list(dict.fromkeys(line.rpartition("; ")[2] for line in place.lines("; next in ")))
    assert nexts == ["next in 1 s", "next in 2 s"]


STREAK = ("num-read-checks-before-scale-down: 3", "reads-lower-alarm-threshold: 30")
TOPIC = ("sns-topic-arn: arn:aws:sns:us-east-1:123456789012:topic", "sns-message-types: low-throughput-alarm")


def test_what_is_remembered_of_resources_that_stay(place: Place) -> None:
    heat(place.server, "my-table", 20)
    table(place.server, "other-table", 20)
    place.configure(*STREAK, *TOPIC, name="(my|other)-", logging=place.debug)
    pid = place.start()
    place.wait_for("hold, check 1 of 3", count=2)
    place.configure(*STREAK, *TOPIC, name="my-", interval=2, logging=place.debug)
    place.hang_up(pid)
    place.wait_for("my-table - .*hold, check 2 of 3")
    place.configure(*STREAK, *TOPIC, interval=1, logging=place.debug)
    place.hang_up(pid)
    place.wait_for(r"my-table - reads 20.0 % of 100 <= 30 %: 100 -> \d+")
    assert len(place.lines("other-table - reads 20")) == 1
    assert len(place.lines("check 1 of 3")) == 2
    until(lambda: len(place.server.world.messages) >= 2)
    texts = [message.subject for message in place.server.world.messages]
    assert sorted(str(text).rsplit(" ", 1)[-1] for text in texts) == ["my-table", "other-table"], "one an episode"


@pytest.mark.parametrize(
    "what", ["region: eu-west-1", "endpoint-url: {url}", "aws-access-key-id: AKIDOTHER", "profile: other"]
)
def test_elsewhere_nothing_is_remembered(place: Place, what: str) -> None:
    """In another region or account a table of the same name is another table."""
    heat(place.server, "my-table", 20)
    place.configure(*STREAK, *TOPIC, logging=place.debug)
    profiles = place.home / "credentials"
    profiles.write_text("[other]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n")
    pid = place.start(env={"AWS_SHARED_CREDENTIALS_FILE": str(profiles)})
    place.wait_for("hold, check 1 of 3")
    with AwsServer(place.server.world) as second:
        secret = "\naws-secret-access-key: other" if "access-key" in what else ""
        general = what.format(url=second.url) + secret
        place.configure(*STREAK, *TOPIC, interval=1, general=general, logging=place.debug)
        if what.startswith("region"):
            place.conf.write_text(place.conf.read_text().replace("region: us-east-1\n", ""))
        place.hang_up(pid)
        place.wait_for("hold, check 1 of 3", count=2)
        place.wait_for("hold, check 2 of 3")
        assert second.calls["GetMetricData"] >= (2 if "url" in what else 0)
        assert place.lines("another region, endpoint or account")
        assert len(place.server.world.messages) == 2, "the alarm of each"
        began, again = place.lines("INFO - Dynamic DynamoDB ")
        assert "account" not in began + again, "of the one before"
        assert len(place.lines("the tables belong to account")) == 2
        assert place.end(pid) < SOON
    assert not place.server.world.updates


def spoil(place: Place, how: str) -> str:
    """Make the configuration unusable; what the log will say of it."""
    if how == "broken":
        place.conf.write_text("[table: (\nnonsense")
    elif how == "missing":
        place.conf.unlink()
    elif how == "folder":
        place.conf.unlink()
        place.conf.mkdir()
    elif how == "log file":
        place.configure(interval=1, logging=f"log-file: {place.home}/missing/dd.log")
        return f"ERROR - log-file {place.home}/missing/dd.log: cannot be written: No such file or directory"
    elif how == "log config":
        (place.home / "logging.conf").write_text("nonsense")
        place.configure(interval=1, logging=f"log-config-file: {place.home}/logging.conf")
        return f"ERROR - log-config-file {place.home}/logging.conf: cannot be used"
    elif how == "profile":
        place.configure(interval=1, general="profile: ghost")
        return "ERROR - AWS configuration: "
    return f"ERROR - {place.conf}"


@pytest.mark.parametrize("how", ["broken", "missing", "folder", "log file", "log config", "profile"])
def test_a_configuration_that_cannot_be_used(place: Place, how: str) -> None:
    """Is reported, the old one stays, and its log file is opened again all the same."""
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    problem = spoil(place, how)
    place.log.rename(place.home / "rotated")
    place.hang_up(pid, "ERROR - SIGHUP: the new configuration cannot be used, the old one stays")
    assert place.lines(problem), place.text()
    assert "Traceback" not in place.text()
    assert place.pid() == pid
    if how == "folder":
        place.conf.rmdir()
    place.configure(interval=1)
    place.hang_up(pid)
    place.wait_for(CHECKED, count=2)


def test_a_log_that_was_moved_away_begins_with_the_header(place: Place) -> None:
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    place.log.rename(place.home / "rotated")
    place.configure("increase-reads-with: 10", interval=1)
    place.hang_up(pid, "SIGHUP: the configuration was read again")
    place.wait_for(CHECKED)
    header, reload_, changed = place.text().splitlines()[:3]
    assert " - INFO - Dynamic DynamoDB " in header
    assert reload_.endswith("SIGHUP: the configuration was read again")
    assert " SIGHUP: " in changed


def test_a_log_that_cannot_be_opened_again(place: Place) -> None:
    """The disk with the log is gone, say: the daemon goes on with the file that it has."""
    logs = place.home / "logs"
    logs.mkdir()
    place.log = logs / "dd.log"
    place.configure()
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    logs.rename(place.home / "elsewhere")
    moved = place.home / "elsewhere" / "dd.log"
    for config in ("good", "bad"):
        place.configure("nonsense: 1") if config == "bad" else None
        before = moved.read_text().count("the old one stays")
        os.kill(pid, signal.SIGHUP)
        until(lambda before=before: moved.read_text().count("the old one stays") > before)  # type: ignore[misc]
        assert f"ERROR - log-file {place.log}: cannot be written: No such file" in moved.read_text()
    assert "nonsense" in moved.read_text()
    logs.mkdir()
    place.configure(interval=1)
    place.hang_up(pid)
    place.wait_for(CHECKED)


def test_logrotate(place: Place) -> None:
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    old = place.home / "dd.log.1"
    place.log.rename(old)
    place.configure(interval=1)
    place.hang_up(pid)
    place.wait_for(CHECKED)
    size = old.stat().st_size
    place.wait_for(CHECKED, count=2)
    assert old.stat().st_size == size
    files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]  # noqa: PTH115
    assert str(old) not in files


# So that the garbage collector closes no connection: that is for whoever replaces the clients.
KEEPER = """
from dynamic_dynamodb.aws import connection

made, connect = [], connection.connect


def keep(*arguments, **more):
    made.append(connect(*arguments, **more))
    return made[-1]


connection.connect = keep
"""


def test_many_at_once_and_one_after_the_other(place: Place) -> None:
    """Nothing piles up."""
    pid = place.start(env=before_all(place.home, "sitecustomize", KEEPER))
    place.wait_for("my-table - reads 50.0 %")

    def files() -> int:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208

    place.hang_up(pid)
    before = files()
    for _ in range(200):
        os.kill(pid, signal.SIGHUP)
    for _ in range(5):
        place.hang_up(pid)
    assert files() <= before + 1
    place.configure(interval=1)
    for number in range(2, 7):
        place.hang_up(pid)
        place.wait_for(CHECKED, count=number)  # with connections of its own
    assert files() <= before + 4, "new connections, and no old ones"
    assert (place.pid(), "Traceback" in place.text()) == (pid, False)


@pytest.mark.parametrize("operation", ["DescribeTable", "UpdateTable"])
def test_in_the_middle_of_a_check(place: Place, operation: str) -> None:
    """The check goes on to its end with what it began with."""
    table(place.server, "my-hot-table", 95)
    table(place.server, "other-table", 95)
    place.server.faults.append(always(operation, held := HoldFault()))
    pid = place.start()
    until(lambda: place.server.calls[operation])
    place.configure("increase-reads-with: 10", name="other-", interval=1)
    place.hang_up(pid, then=held.release)
    before, _, after = place.text().partition("SIGHUP: the configuration was read again")
    assert "my-hot-table - reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)" in before
    assert "my-hot-table" not in after
    place.wait_for(re.escape("other-table - reads 95.0 % of 100 >= 90 %: 100 -> 110 (+10 %)"))
    assert place.server.world.provisioned(Target("my-hot-table")) == Throughput(150, 100)
    assert place.server.calls["UpdateTable"] == 2


def test_told_to_end_in_the_middle_of_a_reload(place: Place) -> None:
    """Credentials and the like are read by a worker, and a signal does not wait for them."""
    pid = place.start()
    place.wait_for("my-table - reads 50.0 %")
    for _ in range(10):
        os.kill(pid, signal.SIGHUP)
    assert place.end(pid) < SOON
    assert not place.pid_file().exists()
    assert place.text().splitlines()[-1].endswith("ended by a signal")


# Paths, modes, logs


def test_relative_paths_are_the_users(place: Place) -> None:
    place.configure(logging="log-file: dd.log")
    flags = ("--daemon", "start", "--config", "dd.conf", "--pid-file-dir", "run", "--instance", "test")
    command = [str(SCRIPT), *flags]
    assert subprocess.run(command, cwd=place.home, env=environment(**place.env()), check=False).returncode == 0  # noqa: S603
    pid = place.pid()
    assert os.readlink(f"/proc/{pid}/cwd") == "/"  # noqa: PTH115
    place.wait_for("my-table - reads 50.0 %")
    place.log.rename(place.home / "old.log")
    place.configure(logging="log-file: dd.log", interval=1)
    place.hang_up(pid)
    place.wait_for(CHECKED)
    assert place.run("stop").returncode == 0


def test_relative_flags_for_logs(place: Place) -> None:
    config = place.home / "logging.conf"
    config.write_text(log_config(place.home / "own.log", "own %(message)s"))
    place.start("--log-file", "flag.log", cwd=place.home)
    assert (place.home / "flag.log").exists()
    place.start("--log-config-file", "logging.conf", cwd=place.home, instance="other")
    assert (place.home / "own.log").exists()


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o644), (0o077, 0o600)])
def test_nothing_that_others_may_write_to(place: Place, umask: int, mode: int) -> None:
    pid = place.start(umask=umask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place.pid_file(), place.log)] == [mode, mode]
    place.log.unlink()
    place.hang_up(pid)
    assert stat.S_IMODE(place.log.stat().st_mode) == mode


def test_a_dry_run_marks_every_line(place: Place) -> None:
    heat(place.server, "my-table", 95)
    pid = place.start("--dry-run")
    place.wait_for("100 -> 150")
    place.configure(interval=1)
    place.hang_up(pid)
    place.wait_for("100 -> 150", count=2)
    for line in place.text().splitlines():
        assert re.match(r"[-\d]+ [:\d]+,\d+ - dynamic-dynamodb - [A-Z]+ - dryrun - ", line), line
    assert not place.server.world.updates


def test_closed_streams(place: Place) -> None:
    words = " ".join([str(SCRIPT), *place.flags("start"), "--config", str(place.conf)])
    env = environment(**place.env())
    assert subprocess.run(["/bin/sh", "-c", f"exec {words} 0<&- 1>&- 2>&-"], env=env, check=False).returncode == 0  # noqa: S603
    pid = place.pid()
    place.hang_up(pid)
    assert all(" - dynamic-dynamodb - " in line for line in place.text().splitlines())
    assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3  # noqa: PTH115


def log_config(path: Path, text: str, handler: str = "FileHandler", mode: str = "a") -> str:
    """A logging configuration file that says `text` of everything, through the root logger."""
    return (
        "[loggers]\nkeys=root\n[handlers]\nkeys=own\n[formatters]\nkeys=own\n"
        f"[logger_root]\nlevel=INFO\nhandlers=own\n[formatter_own]\nformat={text}\n"
        f"[handler_own]\nclass={handler}\nformatter=own\nargs=({str(path)!r}, {mode!r})\n"
    )


def test_a_logging_configuration_file(place: Place) -> None:
    """It may change, be lost, come and go; a bad one does not silence the log."""
    config = place.home / "logging.conf"
    config.write_text(log_config(place.log, "own %(message)s", mode="w"))
    place.configure(interval=1, logging=f"log-config-file: {config}")
    pid = place.start("--dry-run")
    place.wait_for("own dryrun - my-table - reads 50.0 %")
    config.write_text(config.read_text().replace("FileHandler", "NoSuchHandler"))
    place.hang_up(pid, "own dryrun - SIGHUP: the new configuration cannot be used")
    assert place.lines(f"own dryrun - log-config-file {config}: cannot be used: ")
    place.wait_for(f"own dryrun - {CHECKED}", count=len(place.lines("looked at")) + 1)

    config.write_text(log_config(place.log, "new %(message)s"))
    place.hang_up(pid, "new dryrun - SIGHUP: the configuration was read again")
    place.wait_for(f"new dryrun - {CHECKED}", count=2)
    began = place.text().index("new dryrun")
    assert "own dryrun" not in place.text()[began:]

    place.configure(interval=1)  # to a log file, and back again
    place.hang_up(pid, " - INFO - dryrun - SIGHUP: the configuration was read again")
    began = len(place.text())
    place.wait_for(f" - INFO - dryrun - {CHECKED}", count=2)
    assert "new dryrun" not in place.text()[began:]
    place.configure(interval=1, logging=f"log-config-file: {config}")
    place.hang_up(pid, "new dryrun - SIGHUP: the configuration was read again")
    began = len(place.text())
    until(lambda: len(re.findall(f"new dryrun - {CHECKED}", place.text()[began:])) >= 2)
    assert " - dynamic-dynamodb - " not in place.text()[began:]
    assert place.run("stop").returncode == 0
    assert place.text().endswith("new dryrun - ended by a signal\n")


HANDLER = """
import logging

class Trap(logging.FileHandler):
    def emit(self, record):
        super().emit(record)
        if "reads 50.0 %" in record.getMessage() or "unexpected error" in record.getMessage() and not record.args == ():
            raise RuntimeError("a handler of the user's")
        if record.getMessage() == "the check failed: unexpected error":
            raise RuntimeError("a handler of the user's, again")
"""


def test_an_uncaught_error_reaches_the_log(place: Place, spawn: Spawn) -> None:
    """A logging handler of the user's that raises: nobody can go on when no line can be logged."""
    (place.home / "trap.py").write_text(HANDLER)
    config = place.home / "logging.conf"
    config.write_text(log_config(place.log, "%(levelname)s %(message)s", "trap.Trap"))
    env = {"PYTHONPATH": str(place.home)}
    place.configure(logging=f"log-config-file: {config}")
    attached = spawn(*place.flags("foreground"), "--config", str(place.conf), env=place.env(**env))
    assert attached.process.wait(LONG) == 1
    assert "ERROR ended by an unexpected error" in place.text()
    assert "RuntimeError: a handler of the user's, again" in place.text()
    assert not place.pid_file().exists()

    before = len(place.text())
    assert place.run("start", env=env).returncode == 0
    until(lambda: "ended by an unexpected error" in place.text()[before:])
    until(lambda: place.run("status").returncode == 3)
    assert not place.pid_file().exists()
    assert "RuntimeError" in place.text()[before:]


# AWS in trouble, and one check


def test_a_daemon_outlives_an_aws_that_is_away(place: Place) -> None:
    place.configure(interval=1)
    place.server.faults.append(always("ListTables", AwsFault("InternalServerError", status=500)))
    pid = place.start()
    place.wait_for("ERROR - the check failed: ListTables failed")
    place.server.faults.clear()
    place.wait_for("my-table - reads 50.0 %")
    assert place.pid() == pid


def test_one_check_in_the_foreground(place: Place) -> None:
    held: list[bool] = []

    def look(_answer: Mapping[str, Any]) -> None:
        held.append(place.pid_file().exists())

    place.server.faults.append(always("DescribeTable", MutateFault(look)))
    done = place.run("foreground", "--run-once")
    assert (done.returncode, done.stdout) == (0, "")
    assert "my-table - reads 50.0 %" in done.stderr
    assert place.text() == done.stderr
    assert (held, place.pid_file().exists()) == ([True], False)
    place.server.faults.append(always("GetMetricData", AwsFault("InternalServerError", status=500)))
    assert place.run("fg", "--run-once").returncode == 1


def test_a_plain_loop_takes_no_pid_file(place: Place, run: Run) -> None:
    place.start(instance="default")
    flags = ("--config", str(place.conf), "--run-once", "--pid-file-dir", str(place.folder))
    assert run(*flags, env=place.env()).returncode == 0
    assert [path.name for path in place.folder.glob("*.pid")] == ["dynamic-dynamodb.default.pid"]
