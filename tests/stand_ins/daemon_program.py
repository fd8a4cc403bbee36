"""A small program with a daemon in it, which the tests of daemonizer.py start: COMMAND FOLDER NOTES [options].

NOTES is a folder in which its bodies write what the tests want to know.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dynamic_dynamodb.daemon import daemonizer, files, pidfile, status
from dynamic_dynamodb.errors import ConfigError

Ready = Callable[[], None]


class Work:
    """The body, with all that can go wrong in one."""

    def __init__(self, instance: pidfile.Instance, notes: Path, does: str) -> None:
        self.instance = instance
        self.notes = notes
        self.does = does
        self.told = False

    def __call__(self, ready: Ready) -> int:
        (self.notes / f"born.{os.getpid()}").touch()
        self.before()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.note)
        with self.instance.hold():
            logging.basicConfig(filename=self.notes / "log")
            self.facts()
            if self.does == "hang-holding":
                self.hang()
            if self.does == "await-go":
                wait_for(self.notes / "go")
            ready()
            ready()  # the second time says nothing
            code = self.work()
        if self.does == "linger":
            time.sleep(1)
            (self.notes / "finished").write_text(str(self.instance.path.exists()))
        return code

    def note(self, _number: int, _frame: object) -> None:
        self.told = self.does != "deaf"

    def before(self) -> None:
        if self.does == "fail-daemon":
            raise files.DaemonError("the moon is in the wrong house")
        if self.does == "fail-config":
            raise ConfigError(["first problem", "second problem: schön"])
        if self.does == "fail-long":
            raise ConfigError([f"problem {number}" for number in range(20_000)])
        if self.does == "fail-unforeseen":
            raise ValueError("nobody thought of this\nin two lines")
        if self.does == "fail-exit":
            raise SystemExit(5)
        if self.does == "return":
            raise SystemExit(None)
        if self.does in {"die", "term"}:
            os.kill(os.getpid(), signal.SIGKILL if self.does == "die" else signal.SIGTERM)
            time.sleep(60)
        if self.does == "hang":
            self.hang()

    def hang(self) -> None:
        child = subprocess.Popen(["/bin/sleep", "60"])
        (self.notes / f"born.{child.pid}").touch()
        (self.notes / "hanging").touch()
        time.sleep(60)

    def facts(self) -> None:
        umask = os.umask(0)
        os.umask(umask)
        found = {
            "pid": os.getpid(),
            "session": os.getsid(0),
            "folder": os.getcwd(),  # noqa: PTH109 - as the system sees it
            "umask": umask,
            "files": {number: link(number) for number in os.listdir("/proc/self/fd")},  # noqa: PTH208
        }
        (self.notes / "facts.new").write_text(json.dumps(found))
        (self.notes / "facts.new").rename(self.notes / "facts")

    def work(self) -> int:
        if self.does == "crash":
            raise KeyError("a late surprise")
        if self.does == "fail-late":
            raise files.DaemonError("the moon has moved")
        if self.does == "exit-7":
            return 7
        if self.does == "fork" and os.fork() == 0:
            sys.exit(0)  # a fork of the holder leaves through the holder's frames
        while not self.told:
            time.sleep(0.01)
        if self.does == "slow":
            time.sleep(1)
            (self.notes / "finished").write_text(str(self.instance.path.exists()))
        return 0


def link(number: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
    except OSError:  # the listing's own
        return ""


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)


# Races, between forks: far more of them a second than of whole programs


def race(instance: pidfile.Instance, notes: Path, rounds: int) -> int:
    """Each round eight forks go for a stale file at once: prints one line a round, "winner loser's-word ..."."""
    for number in range(rounds):
        instance.path.write_text(["", "junk", "-1\n", f"{os.getppid()}\n"][number % 4])
        go, results, end = os.pipe(), os.pipe(), os.pipe()
        children = [fork(partial(contend, instance, go, results, end)) for _ in range(8)]
        for pipe in (go, results, end):
            os.close(pipe[0] if pipe is not results else pipe[1])
        os.close(go[1])
        heard = b""
        while heard.count(b"\n") < 8:
            heard += os.read(results[0], 4096) or b"?\n"
        os.close(end[1])
        os.close(results[0])
        for child in children:
            os.waitpid(child, 0)
        sys.stdout.write(" ".join(heard.decode().split()) + f" {instance.path.exists()}\n")
    (notes / "raced").touch()
    return 0


def contend(instance: pidfile.Instance, go: tuple[int, int], results: tuple[int, int], end: tuple[int, int]) -> None:
    os.close(go[1])
    os.close(end[1])
    os.read(go[0], 1)  # returns when the parent closes its end
    try:
        with instance.hold():
            os.write(results[1], b"won:%d\n" % os.getpid())
            os.read(end[0], 1)
    except files.DaemonError as error:
        words = str(error).split()
        pid = words[words.index("process") + 1] if "holds" in words else "unknown"
        os.write(results[1], f"lost:{pid}\n".encode())


def churn(instance: pidfile.Instance, notes: Path, rounds: int) -> int:
    """Six at a time come, hold, and go or crash, without pause; an independent lock tells when two hold at once."""
    running: set[int] = set()
    codes: list[int] = []
    for _ in range(rounds):
        running.add(fork(partial(visit, instance, notes)))
        while len(running) >= 6:
            running.discard(reap(codes))
    while running:
        running.discard(reap(codes))
    sys.stdout.write(json.dumps({str(code): codes.count(code) for code in set(codes)}))
    return 0


def reap(codes: list[int]) -> int:
    pid, ended = os.wait()
    codes.append(os.waitstatus_to_exitcode(ended))
    return pid


def visit(instance: pidfile.Instance, notes: Path) -> None:
    dice = random.Random(os.getpid())  # noqa: S311
    try:
        with instance.hold():
            guard = os.open(notes / "guard", os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(99)
            named = instance.path.read_text() == f"{os.getpid()}\n"
            time.sleep(dice.random() / 200)
            os.close(guard)
            if dice.random() < 0.5:
                os._exit(10 if named else 98)  # a crash: the file stays
        os._exit(11 if named else 98)
    except files.DaemonError:
        os._exit(1)


def fork(run: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(97)
    return child


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("folder")
    parser.add_argument("notes")
    parser.add_argument("--instance", default="test")
    parser.add_argument("--does", default="work")
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--umask", type=lambda text: int(text, 8))
    parser.add_argument("--user", type=int)
    parser.add_argument("--processes", type=int, help="the most that this user may have")
    parser.add_argument("--gate", help="wait until this file exists")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    if given.umask is not None:
        os.umask(given.umask)
    if given.user is not None:
        os.setgroups([])
        os.setgid(given.user)
        os.setuid(given.user)
    if given.processes is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (given.processes, given.processes))
    if given.gate:
        (Path(given.notes) / f"at-gate.{os.getpid()}").touch()
        wait_for(Path(given.gate))
    instance = pidfile.Instance(given.instance, given.folder)
    notes = Path(given.notes)
    work = Work(instance, notes, given.does)
    commands: dict[str, Callable[[], int]] = {
        "start": lambda: daemonizer.start(instance, work, timeout=given.timeout),
        "stop": lambda: daemonizer.stop(instance, timeout=given.timeout),
        "restart": lambda: daemonizer.restart(instance, work, timeout=given.timeout, to_end=given.timeout),
        "status": lambda: status.status(Path(given.folder), given.instance),
        "foreground": lambda: daemonizer.foreground(work),
        "race": lambda: race(instance, notes, given.rounds),
        "churn": lambda: churn(instance, notes, given.rounds),
    }
    return commands[given.command]()


if __name__ == "__main__":
    sys.exit(main())
