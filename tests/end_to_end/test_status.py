"""`--daemon status`: whether an instance does its work, in words and in JSON."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsFault, always
from conftest import run_script
from place import Done, Place, placed, until

TIME = r"\d\d:\d\d:\d\d UTC"
SINCE = r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC"
OK = rf"last check ended {TIME}, ok: 1 looked at, 0 changed, 0 left alone, 0 failed"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def start(place: Place, instance: str = "test") -> int:
    """A daemon whose first check has ended, as its state file says."""
    pid = place.start("--log-file", str(place.home / f"{instance}.log"), instance=instance)
    until(lambda: heartbeat(place, instance)["last_ended"])
    return pid


def heartbeat(place: Place, instance: str = "test") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.pid_file(instance).with_suffix(".state").read_text())["heartbeat"]
    return found


def all_of(place: Place, *flags: str) -> Done[str]:
    return run_script("--daemon", "status", "--pid-file-dir", str(place.folder), *flags)


def said(done: Done[str]) -> list[str]:
    return [line.removeprefix("dynamic-dynamodb: ") for line in done.stdout.splitlines()]


def test_as_soon_as_it_has_started(place: Place) -> None:
    place.server.faults.append(always("ListTables", AwsFault("InternalServerError", "sorry", status=500)))
    pid = place.start()
    done = place.run("status", "--max-age")
    assert done.returncode == 0
    assert done.stdout.startswith(f"dynamic-dynamodb: instance test is running: process {pid}, since ")
    assert heartbeat(place)["pid"] == pid


def test_failures_in_a_row(place: Place) -> None:
    place.configure(interval=1, general="refresh-interval: 1")
    start(place)
    done = place.run("status", "--max-age", "60")
    assert done.returncode == 0
    assert re.search(OK, done.stdout)
    place.server.faults.append(always("ListTables", AwsFault("InternalServerError", "sorry", status=500)))
    until(lambda: heartbeat(place)["failures_in_a_row"] >= 2)
    done = place.run("status", "--max-age", "60")
    assert done.returncode == 0
    assert re.search(
        rf"; last check ended {TIME}, failed: ListTables failed: .*; "
        rf"\d+ failed checks in a row, last success {TIME}; (next due|the next was due) {TIME}\n",
        done.stdout,
    )
    until(lambda: place.run("status", "--max-age", "1").returncode == 1)
    assert place.run("status").returncode == 0  # nobody asked how old it may be


def test_a_stopped_process_becomes_too_old(place: Place) -> None:
    place.configure(interval=1)
    pid = start(place)
    assert place.run("status", "--max-age", "600").returncode == 0
    os.kill(pid, signal.SIGSTOP)
    until(lambda: place.run("status", "--max-age").returncode == 1)
    done = place.run("status", "--max-age")
    assert re.search(r"; too old: no success for \d+ s, the limit is [3-9] s\n", done.stdout)
    os.kill(pid, signal.SIGCONT)
    until(lambda: place.run("status", "--max-age", "60").returncode == 0)


def test_after_kill_9(place: Place) -> None:
    pid = start(place)
    place.end(pid, signal.SIGKILL)
    done = place.run("status")
    assert done.returncode == 3
    where = re.escape(str(place.pid_file()))
    assert re.search(
        rf": instance test is not running: it ended without cleaning up \(pid file {where}, process {pid}\); {OK}\n",
        done.stdout,
    )
    (one,) = json.loads(place.run("status", "--json").stdout)
    assert (one["running"], one["ended_without_cleaning_up"], one["pid"]) == (False, True, pid)
    start(place)
    assert place.run("stop").returncode == 0
    (one,) = json.loads(place.run("status", "--json").stdout)
    assert (one["running"], one["ended_without_cleaning_up"], one["pid"]) == (False, False, None)


def test_json(place: Place) -> None:
    pid = start(place)
    done = place.run("status", "--json", "--max-age")
    (one,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert one["heartbeat"] == heartbeat(place)
    assert {name: one[name] for name in ("instance", "running", "pid", "pid_file", "too_old", "problem")} == {
        "instance": "test",
        "running": True,
        "pid": pid,
        "pid_file": str(place.pid_file()),
        "too_old": False,
        "problem": None,
    }
    assert one["since"] == one["heartbeat"]["started"]
    assert 0 <= one["age"] < one["limit"]
    assert 900 <= one["limit"] < 1000


def test_all_instances_of_the_folder(place: Place) -> None:
    done = all_of(place)
    idle = f"instance default is not running (pid file {place.pid_file('default')})"
    assert (done.returncode, said(done)) == (3, [idle])
    orders = start(place, "orders")
    users = start(place, "users")
    stopped = place.run("stop", instance="default")
    assert (stopped.returncode, said(stopped)) == (0, [f"{idle}; running: orders, users; name one with --instance"])
    done = all_of(place, "--max-age", "60")
    assert done.returncode == 0
    assert [line.split(",")[0] for line in said(done)] == [
        f"instance orders is running: process {orders}",
        f"instance users is running: process {users}",
    ]
    assert [one["instance"] for one in json.loads(all_of(place, "--json").stdout)] == ["orders", "users"]
    assert place.run("stop", instance="users").returncode == 0
    assert all_of(place).returncode == 3
    start(place, "default")
    assert all_of(place).returncode == 0  # the default instance's
    assert len(said(all_of(place))) == 3
    assert len(said(all_of(place, "--instance", "users"))) == 1


def test_a_dry_run_tells_that_it_lives_and_changes_nothing_of_what_is_remembered(place: Place) -> None:
    place.configure("num-read-checks-before-scale-down: 3", "reads-lower-threshold: 60")
    start(place)
    place.run("stop")
    state = place.pid_file().with_suffix(".state")
    before = json.loads(state.read_text())
    pid = place.start("--dry-run")
    until(lambda: heartbeat(place)["last_ended"])
    assert place.run("status", "--max-age").returncode == 0
    after = json.loads(state.read_text())
    assert after["heartbeat"]["pid"] == pid
    assert after["remembered"] == before["remembered"]
    assert "hold, check 2 of 3" in place.text()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: os.truncate(path, 100), "is not JSON written by this program"),
        (lambda path: path.unlink(), "it has not written a heartbeat yet"),
        (lambda path: path.write_text('{"version":1,"heartbeat":{}}'), "is damaged: instance is not a valid str"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "is a symbolic link, which is not followed"),
    ],
)
def test_a_state_file_that_cannot_be_used(place: Place, spoil: Any, why: str) -> None:
    pid = start(place)
    spoil(place.pid_file().with_suffix(".state"))
    done = place.run("status")
    assert done.returncode == 0
    assert re.search(rf"is running: process {pid}, {SINCE}; nothing is known about its checks: ", done.stdout)
    assert why in done.stdout
    assert place.run("status", "--max-age").returncode == 4
    (one,) = json.loads(place.run("status", "--json").stdout)
    assert (one["heartbeat"], one["too_old"], why in one["problem"]) == (None, None, True)


def test_the_pid_file_cannot_be_told(place: Place) -> None:
    place.pid_file().symlink_to(place.conf)
    done = place.run("status", "--json")
    (one,) = json.loads(done.stdout)
    assert (done.returncode, one["running"]) == (4, None)
    assert one["problem"].endswith("is a symbolic link, which is not followed")


def test_the_heartbeat_after_sighup(place: Place) -> None:
    pid = start(place)
    before = heartbeat(place)
    place.log = place.home / "test.log"
    place.configure(interval=77)
    place.hang_up(pid)
    until(lambda: heartbeat(place)["interval"] == 77)
    assert heartbeat(place)["configuration_digest"] != before["configuration_digest"]
    assert heartbeat(place)["last_ended"] == before["last_ended"]


@pytest.mark.parametrize("flag", ["--json", "--max-age"])
@pytest.mark.parametrize("command", ["start", "stop", None])
def test_flags_of_status_alone(place: Place, flag: str, command: str | None) -> None:
    words = ["--daemon", command] if command else ["--run-once"]
    done = run_script("--config", str(place.conf), "--pid-file-dir", str(place.folder), *words, flag)
    assert (done.returncode, done.stderr) == (2, f"dynamic-dynamodb: error: {flag}: works only with --daemon status\n")


@pytest.mark.parametrize("value", ["x", "-1", "1.5"])
def test_what_is_no_age(place: Place, value: str) -> None:
    done = all_of(place, f"--max-age={value}")
    assert (done.returncode, done.stderr.startswith("dynamic-dynamodb: error: --max-age: ")) == (2, True)
