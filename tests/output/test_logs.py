"""The log file: midnight, folders where nothing can be renamed, other processes, streams, full disks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from interpreter import before_all
from place import CHECKED, LONG, Place, Spawn, placed, table, until

from dynamic_dynamodb.output import folder, logs
from dynamic_dynamodb.output.logfile import LogFile, open_file

TWO_DAYS = 2 * 86_400
# Root may write everywhere. Without its capabilities it may no more than the owner of its files.
AN_ORDINARY_USER = """
import ctypes
import os

if os.geteuid() == 0:
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def of_two_days_ago(path: Path) -> str:
    """Make it, and return the date that it will be renamed to."""
    path.write_text("of two days ago\n")
    then = time.time() - TWO_DAYS
    os.utime(path, (then, then))
    return time.strftime("%Y-%m-%d", time.localtime(then))


# Folders where nothing can be renamed


@pytest.mark.parametrize("command", ["start", "foreground"])
def test_a_folder_that_is_not_writable(place: Place, command: str) -> None:
    """As /var/log is, where somebody has made the file beforehand: the log goes on, and says that it will grow."""
    folder = place.home / "logs"
    folder.mkdir()
    place.log = folder / "dd.log"
    of_two_days_ago(place.log)
    folder.chmod(0o555)
    place.configure(interval=1)
    env = before_all(place.home, "sitecustomize", AN_ORDINARY_USER)
    done = place.run(command, *(["--run-once"] if command == "foreground" else []), env=env)
    why = "because its folder is not writable; it will keep growing"
    doubt = f"log-file {place.log}: cannot be rotated at midnight, {why}"
    assert done.returncode == 0, done.stderr
    assert doubt in done.stderr
    assert len(place.lines(f"WARNING - {doubt}")) == 1
    place.wait_for(CHECKED, count=3 if command == "start" else 1)
    failed = f"log-file {place.log}: cannot be rotated: Permission denied; the log continues in this file"
    assert len(place.lines(failed)) == 1
    assert place.text().startswith("of two days ago\n")
    assert list(folder.iterdir()) == [place.log]


def test_a_folder_that_is_writable_draws_no_warning(place: Place) -> None:
    day = of_two_days_ago(place.log)
    place.start()
    place.wait_for("my-table - reads 50.0 %")
    assert "rotated" not in place.text()
    assert Path(f"{place.log}.{day}").read_text() == "of two days ago\n"


# Midnight


def handler(path: Path) -> LogFile:
    return open_file(str(path))


def say(one: logging.Handler, text: str) -> None:
    """The handler's line, and what it says to all."""
    logger = logging.getLogger(logs.NAME)
    logger.addHandler(one)
    try:
        logger.warning("%s", text)
    finally:
        logger.removeHandler(one)


def texts(path: Path) -> list[str]:
    return [line.split(" - ")[-1] for line in path.read_text().splitlines()]


def test_two_processes_on_one_file_lose_nothing(tmp_path: Path) -> None:
    """The second to come finds the file of that day: it begins a new one as the first has done, and says so."""
    path = tmp_path / "dd.log"
    day = of_two_days_ago(path)
    first, second = handler(path), handler(path)  # both have yesterday's file open
    assert (first.claim(), second.claim()) == (True, False)
    say(first, "of the first")
    say(second, "of the second")
    say(first, "of the first, again")
    told = f"log-file {path}: another process has rotated it; give each instance its own log-file"
    assert Path(f"{path}.{day}").read_text() == "of two days ago\n"
    assert texts(path) == ["of the first", told, "of the second", "of the first, again"]
    first.close()
    second.close()


def test_a_dated_file_is_never_overwritten(tmp_path: Path) -> None:
    """Nobody else has rotated the file: it gets the next name that is free, and the log begins another."""
    path = tmp_path / "dd.log"
    day = of_two_days_ago(path)
    taken = [Path(f"{path}.{day}"), Path(f"{path}.{day}.2")]
    for one in taken:
        one.write_text("precious\n")
    log = handler(path)
    say(log, "text")
    assert [one.read_text() for one in taken] == ["precious\n"] * 2
    assert Path(f"{path}.{day}.3").read_text() == "of two days ago\n"
    assert texts(path) == ["text"]
    log.close()


def test_a_file_that_rotation_begins_has_the_header(tmp_path: Path) -> None:
    """The line that the log begins with is the header itself, so that a rotation at the start has none of its own."""
    path, level = tmp_path / "dd.log", logging.getLogger(logs.NAME).level
    of_two_days_ago(path)
    log = open_file(str(path), header=lambda: "the header")
    logging.getLogger(logs.NAME).setLevel(logging.INFO)
    say(log, "first")
    assert texts(path) == ["first"]
    log.rolloverAt = 0
    say(log, "second")
    logging.getLogger(logs.NAME).setLevel(level)
    assert texts(path) == ["the header", "second"]
    log.close()


def test_files_with_a_number_are_among_the_five(tmp_path: Path) -> None:
    path = tmp_path / "dd.log"
    day = of_two_days_ago(path)
    for name in ("2020-01-01", "2020-01-02", "2020-01-02.2", "2020-01-03", "2020-01-04", "2020-01-05"):
        Path(f"{path}.{name}").touch()
    log = handler(path)
    say(log, "text")
    kept = ["2020-01-02.2", "2020-01-03", "2020-01-04", "2020-01-05", day]
    assert sorted(tmp_path.iterdir()) == [path, *(Path(f"{path}.{name}") for name in kept)]
    log.close()


def test_the_second_process_waits_for_the_first_to_rotate(tmp_path: Path) -> None:
    """Else it would meet the file half-way, go on in the old one, and have a day's lines in the file of another day."""
    path = tmp_path / "dd.log"
    dated = Path(f"{path}.{of_two_days_ago(path)}")
    second = handler(path)
    speaker = threading.Thread(target=say, args=(second, "of the second"))
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    dated.touch()  # as the first takes the name, before it renames the file
    speaker.start()
    speaker.join(0.3)
    path.rename(dated)
    path.touch()
    os.close(lock)
    speaker.join(LONG)
    assert dated.read_text() == "of two days ago\n"
    assert texts(path)[-1] == "of the second"
    assert sorted(tmp_path.iterdir()) == [path, dated]
    second.close()


def test_a_folder_that_stays_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_TO_LOCK", 0.1)
    path = tmp_path / "dd.log"
    of_two_days_ago(path)
    log = handler(path)
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    say(log, "text")
    os.close(lock)
    told = "cannot be rotated: another process holds a lock on its folder; the log continues in this file"
    assert told in path.read_text()
    assert texts(path)[-1] == "text"
    assert list(tmp_path.iterdir()) == [path]
    log.close()


def test_a_new_file_that_cannot_be_opened_at_once(tmp_path: Path) -> None:
    """The log goes on where it was; each line tries again to open the new file, not the next midnight."""
    path, dated = tmp_path / "dd.log", tmp_path / "dated"
    of_two_days_ago(path)
    log = handler(path)
    path.rename(dated)
    path.symlink_to(path)  # a loop: nobody can open it
    say(log, "first")
    say(log, "second")
    path.unlink()
    say(log, "third")
    say(log, "fourth")
    why = os.strerror(errno.ELOOP)
    failed = f"log-file {path}: the new file cannot be opened: {why}; the log continues in the old file"
    assert texts(dated) == ["of two days ago", failed, "first", "second"]
    told = f"log-file {path}: another process has rotated it; give each instance its own log-file"
    assert texts(path) == [told, "third", "fourth"]
    log.close()


def test_no_file_can_be_opened_at_midnight(tmp_path: Path) -> None:
    """Nothing is renamed, so no line lands in a file of another day."""
    path = tmp_path / "dd.log"
    of_two_days_ago(path)
    log = handler(path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (log.stream.fileno() + 1, before[1]))
    full = []
    try:
        with contextlib.suppress(OSError):
            while True:
                full.append(os.dup(0))
        say(log, "text")
    finally:
        for number in full:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert f"cannot be rotated: {os.strerror(errno.EMFILE)}; the log continues in this file" in path.read_text()
    assert texts(path)[-1] == "text"
    assert list(tmp_path.iterdir()) == [path]
    log.close()


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("UTC", "2026-01-31 12:00", "2026-02-01 00:00"),
        ("UTC", "2026-12-31 23:59", "2027-01-01 00:00"),
        ("UTC", "2026-01-31 00:00", "2026-02-01 00:00"),
        ("Europe/Berlin", "2026-03-29 00:30", "2026-03-30 00:00"),  # a day of 23 hours
        ("Europe/Berlin", "2026-10-25 00:30", "2026-10-26 00:00"),  # and one of 25
        ("America/Sao_Paulo", "2018-11-03 12:00", "2018-11-04 01:00"),  # a day that begins at 1
    ],
)
def test_the_next_midnight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, now: str, expected: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        one = handler(tmp_path / "dd.log")
        found = one.computeRollover(int(datetime.strptime(now, "%Y-%m-%d %H:%M").timestamp()))  # noqa: DTZ007
        assert datetime.fromtimestamp(found) == datetime.strptime(expected, "%Y-%m-%d %H:%M")  # noqa: DTZ006, DTZ007
        one.close()
    finally:
        monkeypatch.undo()
        time.tzset()


# Several instances


def test_the_second_of_two_instances_is_told(place: Place) -> None:
    told = f"WARNING - log-file {place.log}: another process also logs to it; give each instance its own log-file"
    pid = place.start()
    for _ in range(2):
        place.hang_up(pid)
    assert not place.lines(told), "its own handler of before is no other process"
    place.start(instance="other")
    assert len(place.lines(told)) == 1


# Standard streams


@pytest.mark.parametrize("stderr", ["apart", "the same"])
@pytest.mark.parametrize("stdout", ["pipe", "file"])
def test_each_line_is_shown_once(place: Place, stdout: str, stderr: str) -> None:
    place.configure(logging="log-file: /dev/stdout")
    shown = place.home / "shown"
    of_two_days_ago(shown)
    with shown.open("a") as file:
        out = subprocess.PIPE if stdout == "pipe" else file
        err = subprocess.STDOUT if stderr == "the same" else subprocess.PIPE
        done = place.run("foreground", "--run-once", stdout=out, stderr=err)
    text = done.stdout if stdout == "pipe" else shown.read_text()
    assert done.returncode == 0
    assert text.count("my-table - reads 50.0 %") == 1
    assert not done.stderr
    assert [path for path in place.home.iterdir() if path.name.startswith("shown.")] == []


def test_a_log_file_that_stderr_is_sent_to(place: Place) -> None:
    with place.log.open("a") as file:
        assert place.run("foreground", "--run-once", stderr=file).returncode == 0
    assert len(place.lines("my-table - reads 50.0 %")) == 1


def test_a_log_file_is_shown_on_stderr_too(place: Place) -> None:
    done = place.run("foreground", "--run-once")
    assert done.stderr == place.text() != ""


# A full disk


def test_how_many_lines_a_full_disk_has_cost(place: Place, spawn: Spawn) -> None:
    """Those that stderr has and the file has not."""
    place.configure(interval=1)
    program = spawn(*place.flags("fg"), "--config", str(place.conf), env=place.env())
    place.wait_for("my-table - reads 50.0 %")
    pid = program.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (place.log.stat().st_size + 20, before[1]))
    program.wait_for(r"cannot be written: File too large\n(?s:.*)looked at(?s:.*)looked at")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    place.wait_for(r"WARNING - log-file \S+: lines lost: \d+ \(File too large\)")
    assert program.end(signal.SIGTERM)[0] == 0
    (told,) = place.lines("lines lost: ")
    line = re.compile(r"^[-\d]+ [:\d]+,\d+ - dynamic-dynamodb - .*", re.M)
    whole = line.findall(place.text())
    lost = [one for one in line.findall(program.log) if one not in whole]
    assert len(lost) >= 2
    assert f"lines lost: {len(lost)} (" in told
    assert len(place.text().splitlines()) - len(whole) <= 1, "the line that was cut has an end of its own"


def test_what_a_full_disk_cost_before_sighup_counts(place: Place) -> None:
    """SIGHUP opens the log again, also where the configuration cannot be used."""
    for name in ("my-b", "my-c", "my-d"):
        table(place.server, name)
    place.configure(interval=1, logging=place.debug)
    pid = place.start()
    place.wait_for(" - reads 50.0 %", count=4)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (place.log.stat().st_size + 20, before[1]))

    def checked(times: int) -> None:
        so_far = place.server.calls["GetMetricData"]  # one for all tables
        until(lambda: place.server.calls["GetMetricData"] >= so_far + times)

    checked(5)
    place.conf.write_text("what is this?\n")
    os.kill(pid, signal.SIGHUP)
    checked(1)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    place.wait_for("lines lost: ")
    found = re.search(r"lines lost: (\d+) ", place.text())
    assert found
    assert int(found[1]) >= 48, "at least four checks before SIGHUP, of four tables, with three lines of each"
