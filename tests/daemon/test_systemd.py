"""What a service manager is told: the console script with NOTIFY_SOCKET, as systemd starts it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aws_server import HoldFault, always
from conftest import Program
from place import Place, heat, placed, until
from service_manager import Manager

Spawn = Callable[..., Program]

LONG = 30.0  # seconds that nothing takes, unless it hangs


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


def test_a_manager_that_has_gone_stops_nothing(place: Place, spawn: Spawn, manager: Manager) -> None:
    program = begin(place, spawn, manager, "--run-once")
    manager.socket.close()
    assert program.process.wait(LONG) == 0
