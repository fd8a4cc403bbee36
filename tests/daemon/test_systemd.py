"""What a service manager is told: the console script with NOTIFY_SOCKET, as systemd starts it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aws_server import HoldFault, always
from conftest import PATIENCE, SCRIPT, Program, environment
from place import Place, heat, placed, until
from service_manager import Manager

Spawn = Callable[..., Program]

LONG = PATIENCE  # nothing takes so long, unless it hangs


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


@pytest.fixture
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(getattr(request, "param", None) or str(tmp_path / "notify"))
    with made.socket:
        yield made


def begin(place: Place, spawn: Spawn, manager: Manager, *flags: str) -> Program:
    env = place.env(NOTIFY_SOCKET=manager.address)
    return spawn(*place.flags("foreground"), "--config", str(place.conf), *flags, env=env)


@pytest.mark.parametrize("manager", ["", f"@dynamic-dynamodb/{os.getpid()}"], ids=["path", "abstract"], indirect=True)
def test_a_whole_life(place: Place, spawn: Spawn, manager: Manager) -> None:
    program = begin(place, spawn, manager)
    assert manager.next() == ["READY=1"]
    assert place.pid() == program.process.pid
    assert "a check every 300 s" in place.text()
    program.wait_for("my-table - reads 50.0 %")
    for config in ("good", "bad"):
        if config == "bad":
            place.conf.write_text("nonsense")
        before = time.monotonic_ns() // 1000
        os.kill(program.process.pid, signal.SIGHUP)
        reloading, moment = manager.next()
        assert reloading == "RELOADING=1"
        name, _, microseconds = moment.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(microseconds) <= time.monotonic_ns() // 1000
        assert manager.next() == ["READY=1"]
        said = {"good": "the configuration was read again", "bad": "cannot be used, the old one stays"}
        assert place.lines(f"SIGHUP: {said[config]}" if config == "good" else said[config])
    assert program.end(signal.SIGTERM)[0] == 0
    assert manager.next() == ["STOPPING=1"]
    assert manager.silent()


def test_it_is_stopping_after_the_work(place: Place, spawn: Spawn, manager: Manager) -> None:
    heat(place.server, "my-table", 95)
    place.server.faults.append(always("UpdateTable", held := HoldFault()))
    program = begin(place, spawn, manager)
    assert manager.next() == ["READY=1"]
    until(lambda: place.server.calls["UpdateTable"])
    assert program.end(signal.SIGTERM, then=held.release)[0] == 0
    assert manager.next() == ["STOPPING=1"]
    assert place.lines("100 -> 150")


@pytest.mark.parametrize("flags", [("--profile", "ghost"), ("--log-file", "/sys/dd"), ("--check-interval", "never")])
def test_never_ready_when_the_start_fails(place: Place, manager: Manager, flags: tuple[str, str]) -> None:
    done = place.run("foreground", *flags, env={"NOTIFY_SOCKET": manager.address})
    assert done.returncode in {1, 2}
    assert manager.silent()


# The watchdog


def watched(manager: Manager, seconds: float) -> dict[str, str]:
    """The environment of a service with `WatchdogSec=`."""
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(seconds * 1_000_000))}


def test_a_watched_program_says_that_it_gets_on_while_it_sleeps(place: Place, spawn: Spawn, manager: Manager) -> None:
    program = spawn("--config", str(place.conf), env=place.env(**watched(manager, 0.5)))
    assert manager.next() == ["READY=1"]
    program.wait_for("next in 300 s")
    for _ in range(3):
        assert manager.next() == ["WATCHDOG=1"]
    assert program.end(signal.SIGTERM)[0] == 0
    assert manager.other() == ["STOPPING=1"]


@pytest.mark.parametrize("operation", ["DescribeTable", "GetMetricData", "UpdateTable", "Publish"])
def test_and_while_calls_take_long(place: Place, spawn: Spawn, manager: Manager, operation: str) -> None:
    place.configure("sns-topic-arn: arn:aws:sns:us-east-1:123456789012:t", "sns-message-types: scale-up")
    heat(place.server, "my-table", 95)
    place.server.faults.append(always(operation, held := HoldFault()))
    program = spawn("--config", str(place.conf), env=place.env(**watched(manager, 0.5)))
    assert manager.next() == ["READY=1"]
    until(lambda: place.server.calls[operation])
    for _ in range(4):  # the first may have been sent before that
        assert manager.next() == ["WATCHDOG=1"]
    assert "next in" not in program.log
    held.release()
    program.wait_for("next in")


def test_a_program_that_hangs_does_not_say_so(place: Place, manager: Manager) -> None:
    """Its log goes into a pipe that nobody reads, and the pipe is full. Read, it gets on again."""
    place.configure(interval=1, logging="log-level: debug")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    words = [str(SCRIPT), "--config", str(place.conf)]
    env = environment(**place.env(**watched(manager, 0.2)))
    with subprocess.Popen(words, env=env, stderr=writer, stdin=subprocess.DEVNULL) as program:  # noqa: S603
        os.close(writer)
        assert manager.next() == ["READY=1"]
        assert manager.next() == ["WATCHDOG=1"]
        with pytest.raises(TimeoutError):
            while True:
                manager.next(seconds=5)
        program.send_signal(signal.SIGABRT)  # as systemd does
        with os.fdopen(reader, "rb") as end:
            said = end.read()
        assert program.wait(LONG) == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in said
    assert re.search(rb"File .*dynamic_dynamodb.*, line \d+ in ", said)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_watches(place: Place, spawn: Spawn, manager: Manager, variables: dict[str, str]) -> None:
    place.configure(interval=1)
    program = spawn("--config", str(place.conf), env=place.env(NOTIFY_SOCKET=manager.address, **variables))
    assert manager.next() == ["READY=1"]
    program.wait_for("INFO - check 2: ")
    assert manager.silent()


def test_a_manager_that_has_gone_stops_nothing(place: Place, spawn: Spawn, manager: Manager) -> None:
    program = begin(place, spawn, manager, "--run-once")
    manager.socket.close()
    assert program.process.wait(LONG) == 0
