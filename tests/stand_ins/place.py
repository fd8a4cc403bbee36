"""A user's folder with a daemon in it, and an AWS of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from aws_server import AwsServer, SilenceFault
from conftest import ACCOUNT, PATIENCE, SCRIPT, Program, environment, lives, signalled

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

Spawn = Callable[..., Program]

Done = subprocess.CompletedProcess

TABLE = Target("my-table")

CHECKED = r"check \d+: \d+ looked at"  # the line that each check ends with

LONG = PATIENCE  # nothing takes so long, unless it hangs

SOON = 8.0  # seconds: far more than an end takes, far less than what would be waited for

SLOW = SilenceFault(25)


def until(happened: Callable[[], object], what: Callable[[], str] = lambda: "it did not happen") -> None:
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, what()
        time.sleep(0.02)


class Place:
    """A user's folder: a configuration file, a log, a folder for pid files; and an AWS of its own."""

    def __init__(self, home: Path, server: AwsServer) -> None:
        self.home = home
        self.server = server
        self.conf = home / "dd.conf"
        self.log = home / "dd.log"
        self.folder = home / "run"
        self.folder.mkdir()
        self.configure()

    def configure(
        self, *table: str, name: str = "^my-", interval: int = 300, general: str = "", logging: str | None = None
    ) -> None:
        """Write the configuration file; `table` are lines of its one table section."""
        where = f"log-file: {self.log}" if logging is None else logging
        lines = ["[global]", "region: us-east-1", f"check-interval: {interval}", general, "[logging]", where]
        self.conf.write_text("\n".join([*lines, f"[table: {name}]", *table, ""]))

    @property
    def debug(self) -> str:
        """Of [logging]: lines that say the same as the last check's are at debug."""
        return f"log-file: {self.log}\nlog-level: debug"

    def env(self, **more: str) -> dict[str, str]:
        return {**ACCOUNT, "AWS_ENDPOINT_URL": self.server.url, **more}

    def flags(self, command: str, instance: str = "test") -> list[str]:
        return ["--daemon", command, "--instance", instance, "--pid-file-dir", str(self.folder)]

    def run(self, command: str, *flags: str, instance: str = "test", **more: Any) -> Done[str]:
        """The console script; its configuration is the place's file unless flags say otherwise."""
        given = flags if "--config" in flags or command in {"stop", "status"} else ("--config", str(self.conf), *flags)
        words = [str(SCRIPT), *self.flags(command, instance), *given]
        options = {"env": environment(**self.env(**more.pop("env", {}))), "timeout": LONG, **more}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.run(words, check=False, text=True, **{**pipes, **options})  # noqa: S603

    def start(self, *flags: str, instance: str = "test", **more: Any) -> int:
        """Start a daemon that must run afterwards; its pid."""
        done = self.run("start", *flags, instance=instance, **more)
        assert (done.returncode, done.stderr) == (0, "")
        pid = self.pid(instance)
        assert done.stdout.startswith(f"dynamic-dynamodb: instance {instance} has started: process {pid}; ")
        return pid

    def pid_file(self, instance: str = "test") -> Path:
        return self.folder / f"dynamic-dynamodb.{instance}.pid"

    def pid(self, instance: str = "test") -> int:
        return int(self.pid_file(instance).read_text())

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def lines(self, containing: str) -> list[str]:
        return [line for line in self.text().splitlines() if containing in line]

    def wait_for(self, pattern: str, count: int = 1) -> None:
        """Wait until the log has so many matches of a regular expression."""
        until(lambda: len(re.findall(pattern, self.text())) >= count, lambda: f"{pattern!r} in:\n{self.text()}")

    def end(self, pid: int, number: int = signal.SIGTERM) -> float:
        """Send a signal, and wait until the process has ended; how many seconds that took."""
        began = time.monotonic()
        os.kill(pid, number)
        until(lambda: not lives(pid), lambda: f"process {pid} goes on:\n{self.text()}")
        return time.monotonic() - began

    def hang_up(
        self,
        pid: int,
        answer: str = "SIGHUP: the configuration was read again",
        then: Callable[[], None] | None = None,
    ) -> None:
        """Send SIGHUP, do something once it has arrived, and wait until the log has one more line with the answer."""
        before = len(self.lines(answer))
        os.kill(pid, signal.SIGHUP)
        if then is not None:
            until(lambda: signalled(pid))
            then()
        until(lambda: len(self.lines(answer)) > before, lambda: f"{answer!r} in:\n{self.text()}")


@contextlib.contextmanager
def placed(home: Path) -> Iterator[Place]:
    """A place with a table that asks for no change. Whatever was started on it is killed in the end."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    with AwsServer(world) as server:
        made = Place(home, server)
        table(server, "my-table")
        try:
            yield made
        finally:
            end_all(home)


def end_all(home: Path) -> None:
    """Kill every process that has the folder, which is the test's alone, in its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(home) in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


def table(server: AwsServer, name: str, reads: float = 50) -> None:
    """A table of which so many percent are read. It asks for a change of its reads alone, or for none."""
    server.world.add_table(name, 100, 100)
    server.world.set_load(Target(name), "reads", reads)
    server.world.set_load(Target(name), "writes", 50)


def heat(server: AwsServer, name: str, reads: float) -> None:
    """As if it had always been so: the first load is, and a later one begins when it is set."""
    del server.world.loads[Target(name), "reads"]
    server.world.set_load(Target(name), "reads", reads)
