"""What all tests share: an environment without anybody's AWS settings, and the console script."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dynamic_dynamodb.output import events

SCRIPT = Path(sys.executable).parent / "dynamic-dynamodb"

# Nothing of the machine's own AWS configuration may leak into a test, and no
# test may reach for the metadata service of an instance.
CLEAN = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests"}
REGION = {"AWS_DEFAULT_REGION": "us-east-1"}
ACCOUNT: Mapping[str, str] = {**CREDENTIALS, **REGION}


def _ignore(_number: int, _frame: object) -> None:
    pass


# nohup and a script's `&` have the tests ignore these, and whatever they start would inherit that. A handler is reset
# in every program that is started: that one has the signal's own effect, and the tests go on without the terminal.
for _number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _ignore)


def pytest_collection_finish() -> None:
    """Say at the beginning how to repeat a soak, since it may be broken off."""
    if os.environ.get("SOAK"):
        from trials import SEED  # noqa: PLC0415 - it brings hypothesis, which few tests need

        sys.stdout.write(f"\nSOAK_SEED={SEED} repeats this run\n")


PATIENCE = 90.0  # seconds; where a test waits this long something is wrong, also on a machine that does much else

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """The environment of a console script under test: no AWS setting but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **CLEAN, **more}


def lives(pid: int) -> bool:
    """Whether this process runs: a zombie, which nobody has reaped, does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def seconds_of_processor(pid: int) -> float:
    """How much of it the process has used: how far it has come, also on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def signalled(pid: int) -> bool:
    """Whether a signal has reached the program, which is in the middle of a check.

    Python writes the signal's number into a pipe, where it lies until the pause after the check.
    """
    return any(_waiting(file) for file in Path(f"/proc/{pid}/fd").iterdir() if int(file.name) > 2)


def _waiting(file: Path) -> bool:
    """Whether this is a pipe with something in it."""
    size = array.array("i", [0])
    with contextlib.suppress(FileNotFoundError):
        if str(file.readlink()).startswith("pipe:"):
            reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
            fcntl.ioctl(reader, termios.FIONREAD, size)
            os.close(reader)
    return size[0] > 0


@pytest.fixture(autouse=True)
def _no_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CLEAN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _nothing_shared_by_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account that the last test learned is not this one's."""
    monkeypatch.setattr(events, "_shared", {})


def run_script(
    *arguments: str, env: Mapping[str, str] = ACCOUNT, timeout: float = PATIENCE, **more: object
) -> subprocess.CompletedProcess[str]:
    """Run the console script; returns what it printed and its exit code."""
    return subprocess.run(  # type: ignore[call-overload, no-any-return]  # noqa: S603 - the program under test
        [str(SCRIPT), *arguments],
        env=environment(**env),
        text=True,
        timeout=timeout,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


@pytest.fixture
def run() -> Run:
    """Runs the console script."""
    return run_script


class Program:
    """The console script at work: what it has logged so far, and signals for it."""

    def __init__(self, arguments: tuple[str, ...], env: Mapping[str, str], **more: Any) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - the program under test
            [str(SCRIPT), *arguments],
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def wait_for(self, pattern: str, count: int = 1) -> None:
        """Wait until so many matches of a regular expression have been logged."""
        self.wait_until(lambda: len(re.findall(pattern, self.log)) >= count, f"{pattern!r} in:\n{self.log}")

    def wait_until(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until and self.process.poll() is None, f"{what}\nlog: {self.log}"
            time.sleep(0.01)

    def end(self, number: int, then: Callable[[], None] | None = None) -> tuple[int, float]:
        """Send a signal, and do something once it has arrived; the exit code, and how many seconds it took to come."""
        began = time.monotonic()
        self.process.send_signal(number)
        if then is not None:
            self.wait_until(lambda: signalled(self.process.pid), "the signal")
            then()
        code = self.process.wait(PATIENCE)
        took = time.monotonic() - began
        self._reader.join(PATIENCE)
        return code, took

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)


@pytest.fixture
def spawn() -> Iterator[Callable[..., Program]]:
    """Starts the console script and returns while it runs; it is killed in the end."""
    programs: list[Program] = []

    def start(*arguments: str, env: Mapping[str, str] = ACCOUNT, **more: Any) -> Program:
        programs.append(Program(arguments, env, **more))
        return programs[-1]

    yield start
    for program in programs:
        program.close()
