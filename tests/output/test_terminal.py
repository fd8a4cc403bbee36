"""What a person sees at a terminal: colour where it is wanted, and lines that fit. The terminals are real (pty)."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from aws_server import AwsServer
from conftest import ACCOUNT, SCRIPT, Run, environment

RED, YELLOW, PLAIN = "\033[1;31m", "\033[33m", "\033[0m"
COLOURS = {"TERM": "xterm-256color", "NO_COLOR": ""}  # of a terminal whose owner has nothing against colour


class Shown(NamedTuple):
    returncode: int
    text: str


def at_terminal(*arguments: str, columns: int = 80, env: Mapping[str, str] | None = None) -> Shown:
    """What the console script shows on a terminal of so many columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in environment(**ACCOUNT).items() if name not in ("COLUMNS", "TERM")}
    process = subprocess.Popen(  # noqa: S603 - the program under test
        [str(SCRIPT), *arguments], env={**kept, **COLOURS, **(env or {})}, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    text = b""
    try:
        while read := os.read(ours, 65536):
            text += read
    except OSError:  # EIO, which is how Linux says that the other side is closed
        pass
    os.close(ours)
    return Shown(process.wait(60), text.decode().replace("\r\n", "\n"))


@pytest.fixture(scope="module")
def empty() -> Iterator[AwsServer]:
    """An account without any table: a check has a warning and an error to log."""
    with AwsServer() as serving:
        yield serving


# Colour


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("-t", "t", "--check-interval"), f"{RED}error:{PLAIN} --check-interval: has no value", id="flag"),
        pytest.param(("-t", "t", "--chek=3"), f"{RED}error:{PLAIN} --chek: unknown flag", id="configuration"),
        pytest.param(
            ("--daemon", "start", "-t", "t", "--pid-file-dir", "/no/such"), f"{RED}error:{PLAIN} ", id="daemon"
        ),
        pytest.param(
            ("-t", "t", "--max-provisioned-reads", "50000", "--show-config"),
            f"{YELLOW}warning:{PLAIN} --max-provisioned-reads: 50000",
            id="warning",
        ),
    ],
)
def test_the_word_before_a_message_has_a_colour(arguments: tuple[str, ...], expected: str) -> None:
    assert f"dynamic-dynamodb: {expected}" in at_terminal(*arguments).text


def test_levels_of_the_log_have_colours_and_nothing_else_has(empty: AwsServer, tmp_path: Path) -> None:
    file = tmp_path / "dd.log"
    shown = at_terminal("-t", "t", "--run-once", "--log-file", str(file), env={"AWS_ENDPOINT_URL": empty.url})
    levels = re.findall(r" - dynamic-dynamodb - (\S+) - ", shown.text)
    assert set(levels) == {"INFO", f"{YELLOW}WARNING{PLAIN}", f"{RED}ERROR{PLAIN}"}
    assert shown.text.count("\033") == 4
    written = file.read_text()
    assert "\033" not in written
    assert written == re.sub(r"\033\[[0-9;]*m", "", shown.text)


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"NO_COLOR": "1"}, id="NO_COLOR"),
        pytest.param({"NO_COLOR": "0"}, id="NO_COLOR, any text"),
        pytest.param({"TERM": "dumb"}, id="dumb terminal"),
    ],
)
def test_no_colour_where_it_is_not_wanted(empty: AwsServer, env: dict[str, str]) -> None:
    shown = at_terminal("-t", "t", "--run-once", env={**env, "AWS_ENDPOINT_URL": empty.url})
    assert " - ERROR - " in shown.text
    assert "\033" not in shown.text
    assert "\033" not in at_terminal("--chek", env=env).text


def test_no_colour_in_a_pipe(run: Run) -> None:
    done = run("--chek", env=COLOURS)
    assert done.stderr == "dynamic-dynamodb: error: --chek: unknown flag; did you mean --check-interval?\n"


def test_a_logging_configuration_file_has_the_colours_that_it_asks_for(empty: AwsServer, tmp_path: Path) -> None:
    file = tmp_path / "logging.conf"
    file.write_text(
        "[loggers]\nkeys: root\n[handlers]\nkeys: console\n[formatters]\nkeys:\n"
        "[logger_root]\nlevel: INFO\nhandlers: console\n[handler_console]\nclass: StreamHandler\nargs: ()\n"
    )
    shown = at_terminal("-t", "t", "--run-once", "--log-config-file", str(file), env={"AWS_ENDPOINT_URL": empty.url})
    assert "no table matches the configuration" in shown.text
    assert "\033" not in shown.text


def test_a_daemon_started_from_a_terminal_logs_no_colour(empty: AwsServer, tmp_path: Path) -> None:
    file = tmp_path / "dd.log"
    place = ("--pid-file-dir", str(tmp_path))
    flags = ("-t", "t", "--log-file", str(file), "--endpoint-url", empty.url)
    started = at_terminal("--daemon", "start", *flags, *place)
    ended = at_terminal("--daemon", "stop", *place)
    said = rf"dynamic-dynamodb: instance default has started: process \d+; logging to {re.escape(str(file))}\n"
    assert (started.returncode, ended.returncode) == (0, 0)
    assert re.fullmatch(said, started.text)
    assert "Dynamic DynamoDB" in file.read_text()
    assert "\033" not in file.read_text()


# Width


@pytest.mark.parametrize("columns", [80, 40])
def test_the_help_fits(columns: int) -> None:
    """Only flags and commands, which are not to be broken, may be too long for a narrow terminal."""
    shown = at_terminal("--help", columns=columns)
    assert shown.returncode == 0
    too_long = [line for line in shown.text.splitlines() if len(line) > columns]
    assert [line for line in too_long if not re.match(r"(usage:| {6}) *dynamic-dynamodb |  -|  dynamic-", line)] == []
    assert columns < 80 or not too_long


def test_the_usage_fits() -> None:
    *usage, _error = at_terminal().text.splitlines()
    assert max(map(len, usage)) <= 80
