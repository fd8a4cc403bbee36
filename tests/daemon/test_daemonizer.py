"""daemonizer.py and systemd.py, with real processes and real files: stand_ins/daemon_program.py is what they start.

Every daemon, and whatever it started, notes its pid; the fixture ends them all, also when a test fails.
"""

from __future__ import annotations

import calendar
import contextlib
import ctypes
import fcntl
import inspect
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trials
from conftest import PATIENCE, lives
from trials import SOAK

from dynamic_dynamodb.daemon import daemonizer, files, pidfile, status, systemd

PROGRAM = Path(__file__).parents[1] / "stand_ins" / "daemon_program.py"
LONG = PATIENCE  # nothing takes so long, unless it hangs
NOBODY = 65534
pytestmark = pytest.mark.timeout(trials.PATIENCE)  # thousands of races take their time
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")

Done = subprocess.CompletedProcess


class Place:
    """A pid folder, a folder for notes, and the program started on them."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path
        self.folder = tmp_path / "run"
        self.notes = tmp_path / "notes"
        self.folder.mkdir()
        self.notes.mkdir()
        self.path = self.folder / "dynamic-dynamodb.test.pid"
        self.lock = self.folder / "dynamic-dynamodb.test.lock"
        self.instance = pidfile.Instance("test", self.folder)
        self.begun: list[subprocess.Popen[str]] = []

    def words(self, command: str, *options: str) -> list[str]:
        return [sys.executable, str(PROGRAM), command, str(self.folder), str(self.notes), *options]

    def run(self, command: str, *options: str, **more: Any) -> Done[str]:
        words = self.words(command, *options)
        more = {"timeout": LONG, **more}
        return subprocess.run(words, capture_output=True, text=True, check=False, **more)  # noqa: S603

    def begin(self, command: str, *options: str, **more: Any) -> subprocess.Popen[str]:
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process: subprocess.Popen[str] = subprocess.Popen(self.words(command, *options), **{**pipe, **more})  # noqa: S603
        self.begun.append(process)
        return process

    def start(self, *options: str, **more: Any) -> int:
        """Start a daemon that must run afterwards; its pid."""
        done = self.run("start", *options, **more)
        assert (done.returncode, done.stderr) == (0, "")
        pid = int(self.path.read_text())
        assert done.stdout == f"dynamic-dynamodb: instance test has started: process {pid}\n"
        assert lives(pid)
        return pid

    def running(self) -> int | None:
        """The pid of the live process that has the name."""
        with self.instance.holder() as found:
            return found.pid if found else None

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.notes / "facts").read_text())
        return found

    def born(self) -> list[int]:
        return [int(path.suffix[1:]) for path in self.notes.glob("born.*")]

    def alive(self) -> list[int]:
        """Those that run. Another process may have the number of one that is gone, and soon has on a busy machine."""
        return [pid for pid in self.born() if lives(pid) and ours(pid, self.notes)]

    def end(self) -> None:
        for process in self.begun:
            process.kill()
            process.communicate()
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: not lives(pid))  # type: ignore[misc]


def ours(pid: int, notes: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(notes) in words or words[:2] == [b"/bin/sleep", b"60"]


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.end()


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that has nothing to do with it, and must be alive at the end."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process.pid
    code = process.poll()
    process.kill()
    process.wait()
    assert code is None, "a stranger was killed"


@pytest.fixture
def adopt() -> Iterator[None]:
    """This process becomes the parent of orphans: it learns how they end, and leaves them zombies until then."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    yield
    prctl(36, 0, 0, 0, 0)


# start


def test_start_returns_when_the_daemon_runs_and_says_nothing(place: Place) -> None:
    pid = place.start()
    assert place.path.read_bytes() == b"%d\n" % pid
    assert place.facts()["pid"] == pid
    assert place.running() == pid


def test_the_daemon_is_detached(place: Place) -> None:
    with (place.home / "inherited").open("w") as file:
        pid = place.start(pass_fds=[file.fileno()])
    facts = place.facts()
    assert facts["folder"] == "/"
    assert facts["session"] not in {pid, os.getsid(0)}, "no terminal, and no way to get one"
    files = facts["files"]
    assert [files.pop(str(number)) for number in range(3)] == ["/dev/null"] * 3
    left = [name for name in files.values() if name and not name.startswith("/proc/")]
    assert sorted(re.sub(r"^pipe.*", "pipe", name) for name in left) == sorted(
        ["pipe", str(place.lock), str(place.path), str(place.notes / "log")]
    )


@pytest.mark.parametrize(
    ("umask", "expected", "mode"), [("0", 0o022, 0o644), ("002", 0o022, 0o644), ("077", 0o077, 0o600)]
)
@pytest.mark.parametrize("command", ["start", "foreground"])
def test_nothing_that_others_may_write_to(place: Place, command: str, umask: str, expected: int, mode: int) -> None:
    place.begin(command, "--umask", umask)
    until((place.notes / "facts").exists)
    assert place.facts()["umask"] == expected
    assert stat.S_IMODE(place.path.stat().st_mode) == mode
    assert stat.S_IMODE(place.lock.stat().st_mode) == 0o644, "else root's umask would lock others out for good"
    assert stat.S_IMODE((place.notes / "log").stat().st_mode) == mode


def test_a_relative_folder_means_the_users(place: Place) -> None:
    words = [sys.executable, str(PROGRAM), "start", "run", str(place.notes)]
    assert subprocess.run(words, cwd=place.home, check=False).returncode == 0  # noqa: S603
    assert place.running()
    assert place.run("stop").returncode == 0
    assert not place.path.exists()


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        ("fail-daemon", ["the moon is in the wrong house"]),
        ("fail-config", ["first problem", "second problem: schön"]),
        ("fail-unforeseen", ["unexpected error: ValueError: nobody thought of this in two lines"]),
        ("fail-exit", ["the daemon exited with code 5 before it was ready"]),
        ("return", ["the daemon exited with code 0 before it was ready"]),
        ("die", ["the daemon died before it was ready"]),
        ("term", ["the daemon died before it was ready"]),
        ("fail-long", [f"problem {number}" for number in range(20_000)]),
    ],
)
def test_start_tells_why_it_failed(place: Place, does: str, expected: list[str]) -> None:
    done = place.run("start", "--does", does, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"dynamic-dynamodb: error: {line}" for line in expected]
    assert done.stdout == ""
    assert not place.path.exists()
    until(lambda: not place.alive())


@as_root
def test_start_tells_why_it_cannot_detach(shared: Place) -> None:
    """The second fork fails, as it does at a limit of processes: of a user who has none but these."""
    user = 60_000 + os.getpid() % 5000
    done = shared.run("start", "--user", str(user), "--processes", "2")
    assert done.returncode == 1
    assert re.fullmatch(
        r"dynamic-dynamodb: error: the daemon cannot detach: .*Resource temporarily unavailable.*\n", done.stderr
    )


@pytest.mark.parametrize("does", ["hang", "hang-holding"])
def test_a_daemon_that_hangs_is_killed_with_all_that_it_started(place: Place, does: str) -> None:
    began = time.monotonic()
    done = place.run("start", "--does", does, "--timeout", "1.5")
    assert 1.4 < time.monotonic() - began < LONG
    assert done.returncode == 1
    assert re.fullmatch(
        r"dynamic-dynamodb: error: the daemon \(process group \d+\) was not ready after 1\.5 s and was killed\n",
        done.stderr,
    )
    assert len(place.born()) == 2, "the daemon, and a child of its own"
    until(lambda: not place.alive())
    place.start()  # what it left behind is in nobody's way


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_daemon_without_a_start_that_said_so(place: Place, number: int) -> None:
    process = place.begin("start", "--does", "await-go")
    until((place.notes / "facts").exists)
    process.send_signal(number)
    process.communicate()
    if number == signal.SIGINT:  # which takes the daemon along before it is ready
        until(lambda: not place.alive())
    (place.notes / "go").touch()
    until(lambda: not place.alive())
    assert place.running() is None


@pytest.mark.parametrize("command", ["start", "foreground"])
def test_a_second_one_is_refused(place: Place, command: str) -> None:
    pid = place.start()
    done = place.run(command)
    assert done.returncode == 1
    assert done.stderr == (
        f"dynamic-dynamodb: error: instance test is already running: process {pid} holds {place.path}; "
        "to run another one, give it a different name with --instance NAME\n"
    )
    assert place.running() == pid
    assert place.run("start", "--instance", "other").returncode == 0
    assert place.path.read_text() == f"{pid}\n"


def test_a_folder_that_is_missing(place: Place) -> None:
    place.folder.rmdir()
    done = place.run("start")
    assert done.returncode == 1
    assert done.stderr == (
        f"dynamic-dynamodb: error: lock file {place.lock}: cannot be created: No such file or directory "
        "(see --pid-file-dir)\n"
    )
    assert place.run("status").returncode == 3
    assert place.run("stop").returncode == 0


@as_root
def test_a_folder_that_is_not_writable(shared: Place) -> None:
    shared.folder.chmod(0o755)
    done = shared.run("start", "--user", str(NOBODY))
    assert done.returncode == 1
    assert "cannot be created: Permission denied (see --pid-file-dir)" in done.stderr


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "a\n", "ä", "a\0"])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(files.DaemonError, match="--instance"):
        pidfile.Instance(name, tmp_path)


@pytest.mark.parametrize("name", ["a", "..", "A.b_c-9"])
def test_names_that_are_file_names(tmp_path: Path, name: str) -> None:
    assert pidfile.Instance(name, tmp_path).path == tmp_path / f"dynamic-dynamodb.{name}.pid"


def test_a_name_too_long_for_a_file(place: Place) -> None:
    name = "x" * 300
    assert "File name too long" in place.run("start", "--instance", name).stderr
    assert place.run("status", "--instance", name).returncode == 4


# How it ends


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.usefixtures("adopt")
@pytest.mark.parametrize(("does", "code"), [("exit-7", 7), ("crash", 1)])
def test_a_daemon_ends_with_its_bodys_exit_code(place: Place, does: str, code: int) -> None:
    assert place.run("start", "--does", does).returncode == 0
    assert ended(place.facts()["pid"]) == code
    assert not place.path.exists()


@pytest.mark.parametrize("command", ["start", "foreground"])
def test_an_uncaught_error_reaches_the_log(place: Place, command: str) -> None:
    done = place.run(command, "--does", "crash")
    assert done.returncode == (0 if command == "start" else 1)
    until(lambda: "KeyError: 'a late surprise'" in (place.notes / "log").read_text())
    text = (place.notes / "log").read_text()
    assert text.startswith("ERROR:dynamic-dynamodb:ended by an unexpected error\nTraceback")
    assert done.stderr == ""


def test_an_error_of_ours_reaches_the_log_too(place: Place) -> None:
    assert place.run("start", "--does", "fail-late").returncode == 0
    until(lambda: "ERROR:dynamic-dynamodb:ended: the moon has moved\n" in (place.notes / "log").read_text())


@pytest.mark.usefixtures("adopt")
def test_a_zombie_is_gone(place: Place) -> None:
    pid = place.start()
    done = place.run("stop")
    assert done.returncode == 0
    until(lambda: not lives(pid))
    assert Path(f"/proc/{pid}").exists(), "nobody has reaped it"
    assert place.run("status").returncode == 3
    again = place.start()
    os.kill(again, signal.SIGKILL)  # this one leaves its file, and a zombie with the pid in it
    until(lambda: not lives(again))
    assert place.run("status").returncode == 3
    assert place.run("stop").returncode == 0
    place.start()
    assert (ended(pid), ended(again)) == (0, -9)


def test_a_file_that_is_anothers_stays(place: Place) -> None:
    pid = place.start()
    place.path.unlink()
    place.path.write_text("not yours\n")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not lives(pid))
    assert place.path.read_text() == "not yours\n"


def test_a_fork_of_the_holder_leaves_the_file(place: Place) -> None:
    pid = place.start("--does", "fork")
    time.sleep(0.3)
    assert place.path.exists()
    assert place.running() == pid


# stop, restart, status


def test_stop(place: Place) -> None:
    pid = place.start()
    done = place.run("stop")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"dynamic-dynamodb: instance test has stopped (process {pid})\n"
    until(lambda: not lives(pid))
    assert not place.path.exists()
    again = place.run("stop")
    assert (again.returncode, again.stdout) == (0, not_running(place))


def test_stop_waits_for_the_end_of_the_work(place: Place) -> None:
    place.start("--does", "slow")
    assert place.run("stop").returncode == 0
    assert (place.notes / "finished").read_text() == "True", "the pid file was there until then"
    assert not place.path.exists()


def test_stop_waits_for_the_end_of_the_process(place: Place) -> None:
    pid = place.start("--does", "linger")
    assert place.run("stop").returncode == 0
    assert (place.notes / "finished").read_text() == "False", "the pid file was gone, the process not"
    until(lambda: not lives(pid))


def test_stop_does_not_kill(place: Place) -> None:
    pid = place.start("--does", "deaf")
    done = place.run("stop", "--timeout", "0.5")
    assert done.returncode == 1
    assert f"process {pid} is still running 0.5 s after SIGTERM" in done.stderr
    assert place.running() == pid


def test_a_daemon_can_be_stopped_though_its_launcher_blocked_the_signal(place: Place) -> None:
    place.start(preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]))
    assert place.run("stop").returncode == 0


def test_restart(place: Place) -> None:
    first = place.run("restart")  # nothing runs
    assert (first.returncode, first.stderr) == (0, "")
    pid = place.running()
    assert place.run("restart").returncode == 0
    assert place.running() not in {None, pid}


def test_restart_starts_nothing_beside_a_daemon_that_does_not_end(place: Place) -> None:
    pid = place.start("--does", "deaf")
    assert place.run("restart", "--timeout", "0.5").returncode == 1
    assert place.running() == pid
    assert len(place.born()) == 1


def not_running(place: Place) -> str:
    return f"dynamic-dynamodb: instance test is not running (pid file {place.path})\n"


def test_status(place: Place) -> None:
    done = place.run("status")
    assert (done.returncode, done.stdout) == (3, not_running(place))
    before = int(time.time())
    pid = place.start()
    done = place.run("status")
    found = re.fullmatch(
        r"dynamic-dynamodb: instance test is running: process (\d+), since (.+) UTC; "
        r"nothing is known about its checks: it has not written a heartbeat yet\n",
        done.stdout,
    )
    assert done.returncode == 0
    assert found
    assert int(found[1]) == pid
    assert before - 61 <= calendar.timegm(time.strptime(found[2], "%Y-%m-%d %H:%M")) <= time.time()
    os.utime(place.path, (0, 0))  # whatever becomes of its time
    assert place.run("status").stdout == done.stdout


# The original, which has the same pid file and no lock


@pytest.fixture
def original(place: Place) -> Iterator[int]:
    """A live process whose command line is the original's, and a pid file that names it."""
    script = place.home / "dynamic-dynamodb"
    script.write_text("import time\ntime.sleep(600)\n")
    process = subprocess.Popen([sys.executable, str(script), "--daemon", "start"])  # noqa: S603
    place.path.write_text(f"{process.pid}\n")
    yield process.pid
    code = process.poll()
    process.kill()
    process.wait()
    assert code is None, "the original was killed"


def test_the_original_is_left_alone(place: Place, original: int) -> None:
    for command in ("start", "restart", "foreground", "stop"):
        done = place.run(command)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"process {original}, named in {place.path}, looks like the original" in done.stderr
        assert f"stop it with `kill {original}`" in done.stderr
    done = place.run("status")
    assert done.returncode == 3
    assert done.stdout.startswith(not_running(place).rstrip() + f"; process {original}, named in {place.path}, looks")
    assert place.path.read_text() == f"{original}\n"


@pytest.mark.usefixtures("original")
def test_an_original_that_has_ended_is_in_nobodys_way(place: Place) -> None:
    place.path.write_text("4194303\n")
    place.start()


def test_one_of_ours_by_another_name_is_not_the_original(place: Place) -> None:
    """A stale pid file may name the daemon of another instance, whose command line is dynamic-dynamodb, too."""
    script = place.home / "dynamic-dynamodb"
    script.symlink_to(PROGRAM)
    env = {**os.environ, "PYTHONPATH": str(PROGRAM.parent)}
    words = [sys.executable, str(script), *place.words("start", "--instance", "other")[2:]]
    assert subprocess.run(words, env=env, check=False).returncode == 0  # noqa: S603
    other = (place.folder / "dynamic-dynamodb.other.pid").read_text()
    place.path.write_text(other)
    assert place.run("stop").returncode == 0
    assert place.start() != int(other)
    assert lives(int(other))


# What may lie where the pid file is to be

STALE = {
    "empty": "",
    "line": "\n",
    "junk": "junk\n",
    "minus one": "-1\n",
    "zero": "0\n",
    "init": "1\n",
    "stranger": "{stranger}\n",
    "longer": "{stranger}\n" + "x" * 5000,
    "dead": "4194303\n",
    "too long": "9" * 30,
    "two": "12 34\n",
}


@pytest.mark.parametrize("content", [*STALE.values(), b"\xff\xfe\x00\x80"], ids=[*STALE, "binary"])
def test_stale_files_are_replaced_and_nobody_is_signalled(
    place: Place, stranger: int, capsys: pytest.CaptureFixture[str], content: str | bytes
) -> None:
    text = content.format(stranger=stranger).encode() if isinstance(content, str) else content
    place.path.write_bytes(text)
    assert place.running() is None
    assert status.status(place.folder, "test") == 3
    assert daemonizer.stop(place.instance) == 0
    named = re.fullmatch(r"\s*(\d{1,9})\s*", text.decode("latin-1"))
    crashed = f"dynamic-dynamodb: instance test is not running: it ended without cleaning up (pid file {place.path}, "
    told = f"{crashed}process {int(named[1])})\n" if named and int(named[1]) else not_running(place)
    assert capsys.readouterr().out == told + not_running(place)
    assert place.path.read_bytes() == text
    pid = place.start()
    assert place.path.read_bytes() == b"%d\n" % pid


@pytest.mark.parametrize(
    ("content", "pid"),
    [
        (b"123\n", 123),
        (b" 0123", 123),
        (b"999999999\n", 999999999),
        *(
            (content, None)
            for content in (b"", b"-1\n", b"0\n", b"+1\n", b"1 2\n", b"1.5\n", b"1000000000\n", b"\xff1\n")
        ),
    ],
)
def test_only_a_pid_is_taken_for_one(tmp_path: Path, content: bytes, pid: int | None) -> None:
    """Not by signalling: kill(-1) would end all processes that the user has."""
    path = tmp_path / "pid"
    path.write_bytes(content)
    with path.open() as file:
        assert files.read_pid(file.fileno()) == pid


def test_kill_and_start_again(place: Place) -> None:
    pid = place.start()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid))
    assert place.path.exists()
    assert place.start() != pid


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o666, 0o755, 0o4644])
def test_stale_modes_are_not_kept(place: Place, mode: int) -> None:
    place.path.write_text("4194303\n")
    place.path.chmod(mode)
    place.start()
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o644


def precious(place: Place) -> Path:
    path = place.home / "precious"
    path.write_text("1\n")
    path.chmod(0o644)
    return path


def test_a_hard_link_is_not_written_through(place: Place) -> None:
    path = precious(place)
    os.link(path, place.path)
    place.start()
    assert path.read_text() == "1\n"


@pytest.mark.parametrize("dangling", [False, True])
def test_a_symbolic_link_is_not_followed(place: Place, dangling: bool) -> None:
    path = place.home / "precious" if dangling else precious(place)
    place.path.symlink_to(path)
    for command, code in (("start", 1), ("foreground", 1), ("stop", 1), ("status", 4)):
        done = place.run(command)
        assert done.returncode == code
        assert f"pid file {place.path}: is a symbolic link, which is not followed" in done.stderr
    assert not path.exists() if dangling else path.read_text() == "1\n"
    assert place.path.is_symlink()


def test_things_that_are_no_files(place: Place) -> None:
    os.mkfifo(place.path)
    for command, code in (("start", 1), ("stop", 1), ("status", 4)):
        done = place.run(command)
        assert (done.returncode, done.stderr[-22:]) == (code, "is not a regular file\n")
    place.path.unlink()
    place.path.mkdir()
    assert place.run("start").returncode == 1


@pytest.mark.parametrize("content", ["{stranger}\n", "junk\n", None], ids=["stranger", "junk", "none"])
def test_a_lock_in_the_hand_of_a_stranger(place: Place, stranger: int, content: str | None) -> None:
    """Anybody may lock a file that anybody can read: nobody is signalled for it, and the error says what helps."""
    if content is not None:
        place.path.write_text(content.format(stranger=stranger))
    place.lock.touch()
    with place.lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        tries = [(place.begin(command), code) for command, code in (("start", 1), ("stop", 1), ("status", 4))]
        for process, code in tries:
            error = process.communicate(timeout=LONG)[1]
            assert f"lock file {place.lock}: is locked by a process that the pid file does not name" in error
            assert "choose a folder that nobody else can use with --pid-file-dir" in error
            assert process.returncode == code
    assert place.path.exists() == (content is not None)
    place.start()


HOLDS = """
import fcntl, os, sys, time
lock = open(sys.argv[1])
fcntl.flock(lock, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.readline()
if os.path.exists(sys.argv[2]):
    os.unlink(sys.argv[2])
pid_file = open(sys.argv[2], "x")
print(os.getpid(), file=pid_file, flush=True)
fcntl.flock(pid_file, fcntl.LOCK_EX)
time.sleep(600)
"""
TRIES = """
import sys, time
files = [open(name) for name in sys.argv[1:]]
print(flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def with_the_files(place: Place, program: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has done something with the lock file and the pid file."""
    words = [sys.executable, "-c", program, str(place.lock), str(place.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("stale", [False, True])
def test_a_holder_that_has_not_written_its_pid_yet(place: Place, stale: bool) -> None:
    """Until then a stale pid file may name anybody, also one that only tries to start."""
    place.lock.touch()
    with contextlib.ExitStack() as stack:
        if stale:
            place.path.touch()
            tries = stack.enter_context(with_the_files(place, TRIES))
            place.path.write_text(f"{tries.pid}\n")
        holds = stack.enter_context(with_the_files(place, HOLDS))
        looks = place.begin("status"), place.begin("start")
        time.sleep(0.5)
        assert holds.stdin is not None
        holds.stdin.write(b"\n")
        holds.stdin.flush()
        heard = [look.communicate(timeout=LONG) for look in looks]
        assert [look.returncode for look in looks] == [0, 1]
        assert f"is running: process {holds.pid}, since" in heard[0][0]
        assert f"process {holds.pid} holds {place.path}" in heard[1][1]


def test_a_pid_file_in_the_hand_of_a_stranger(place: Place, stranger: int) -> None:
    """Who holds that, and not the lock, holds up nobody."""
    place.path.write_text(f"{stranger}\n")
    with place.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert place.run("status").returncode == 3
        assert place.run("stop").returncode == 0
        place.start()


@pytest.mark.parametrize("planted", ["link", "dangling link", "hard link", "pipe", "folder"])
def test_what_may_be_planted_in_place_of_the_lock_file(place: Place, planted: str) -> None:
    path = place.home / "precious" if planted == "dangling link" else precious(place)
    mode = path.stat().st_mode if path.exists() else None
    if planted == "hard link":
        os.link(path, place.lock)
    elif planted.endswith("link"):
        place.lock.symlink_to(path)
    elif planted == "pipe":
        os.mkfifo(place.lock)
    else:
        place.lock.mkdir()
    expected = {
        "hard link": "is a hard link to another file",
        "pipe": "is not a regular file",
        "folder": "is not a regular file",
    }
    for command in ("start", "foreground"):
        done = place.run(command)
        assert done.returncode == 1
        assert f"lock file {place.lock}: {expected.get(planted, 'is a symbolic link, which is')}" in done.stderr
    assert path.exists() == (planted != "dangling link")
    assert mode is None or (path.read_text(), path.stat().st_mode) == ("1\n", mode)
    assert not place.path.exists()


def test_the_lock_file_stays_and_is_taken_over(place: Place) -> None:
    pid = place.start()
    made = place.lock.stat()
    assert place.run("stop").returncode == 0
    place.lock.chmod(0o666)
    assert place.start() != pid
    assert place.lock.stat().st_ino == made.st_ino
    assert stat.S_IMODE(place.lock.stat().st_mode) == 0o644
    assert place.lock.read_bytes() == b""


def test_the_pid_file_is_locked_as_long_as_the_daemon_lives(place: Place) -> None:
    """`pkill -L --pidfile` asks for that, and signals nobody where there is no lock."""
    pid = place.start()
    with place.path.open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not lives(pid))
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_a_daemon_is_found_without_its_lock_file(place: Place) -> None:
    """The holder's lock on its pid file, which `pkill -L` asks for too, is proof enough."""
    pid = place.start()
    place.lock.unlink()
    done = place.run("start")
    assert (done.returncode, f"process {pid} holds {place.path}" in done.stderr) == (1, True)
    place.lock.unlink()
    assert f"process {pid}," in place.run("status").stdout
    assert place.run("stop").returncode == 0
    assert not lives(pid)


# Closed streams


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(place: Place, closed: str) -> None:
    def run(command: str) -> int:
        words = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *place.words(command)]
        return subprocess.run(words, timeout=LONG, check=False, capture_output=True).returncode  # noqa: S603

    assert [run(command) for command in ("start", "status", "start", "stop")] == [0, 0, 1, 0]
    files = place.facts()["files"]
    assert [files[str(number)] for number in range(3)] == ["/dev/null"] * 3


def test_foreground_with_closed_streams(place: Place) -> None:
    words = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *place.words("foreground")]
    process = subprocess.Popen(words)  # noqa: S603
    place.begun.append(process)  # type: ignore[arg-type]
    until((place.notes / "facts").exists)
    until(place.running)
    files = place.facts()["files"]
    assert [files[str(number)] for number in range(3)] == ["/dev/null"] * 3
    process.terminate()
    assert process.wait(LONG) == 0


# foreground


def test_foreground_stays_attached(place: Place) -> None:
    process = place.begin("foreground", cwd=place.home)
    until((place.notes / "facts").exists)
    assert place.running() == process.pid
    assert place.path.read_text() == f"{process.pid}\n"
    assert place.facts()["session"] == os.getsid(0)
    assert place.facts()["folder"] == str(place.home)
    assert place.run("status").returncode == 0
    process.terminate()
    assert (*process.communicate(timeout=LONG), process.returncode) == ("", "", 0)
    assert not place.path.exists()


def test_stop_ends_one_in_the_foreground(place: Place) -> None:
    process = place.begin("foreground")
    until((place.notes / "facts").exists)
    assert place.run("stop").returncode == 0  # though its parent, this test, has not reaped it
    assert process.wait(LONG) == 0


@pytest.mark.parametrize(
    ("does", "code", "expected"),
    [
        ("fail-daemon", 1, "dynamic-dynamodb: error: the moon is in the wrong house\n"),
        ("fail-exit", 5, ""),
        ("return", 0, ""),
        ("exit-7", 7, ""),
    ],
)
def test_foreground_exit_codes(place: Place, does: str, code: int, expected: str) -> None:
    done = place.run("foreground", "--does", does)
    assert (done.returncode, done.stderr) == (code, expected)
    assert not place.path.exists()


# Other users


@pytest.fixture
def shared() -> Iterator[Place]:
    """A place that another user can reach; pytest's own folders are closed."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        made = Place(Path(home))
        made.notes.chmod(0o777)
        made.folder.chmod(0o1777)
        yield made
        made.end()


@as_root
def test_the_daemon_of_another_user(shared: Place) -> None:
    pid = shared.start()
    other = ("--user", str(NOBODY))
    assert f"process {pid}," in shared.run("status", *other).stdout
    done = shared.run("stop", *other)
    assert done.returncode == 1
    assert done.stderr == (
        f"dynamic-dynamodb: error: instance test: process {pid} belongs to another user; stop it as that user or root\n"
    )
    done = shared.run("start", *other)
    assert done.returncode == 1
    assert f"process {pid} holds" in done.stderr
    assert shared.running() == pid


@as_root
@pytest.mark.parametrize("mode", [0o644, 0o666, 0o600])
def test_the_stale_file_of_another_user(shared: Place, mode: int) -> None:
    shared.path.write_text("4194303\n")
    shared.path.chmod(mode)
    done = shared.run("start", "--user", str(NOBODY))
    assert done.returncode == 1
    reason = "cannot be opened" if mode == 0o600 else "belongs to user 0 and cannot be replaced"
    assert f"pid file {shared.path}: {reason}: " in done.stderr
    assert shared.path.read_text() == "4194303\n"
    os.chown(shared.path, NOBODY, NOBODY)
    shared.start()
    assert shared.path.stat().st_uid == 0, "made anew: its old owner cannot write to it"


@as_root
@pytest.mark.parametrize(("owner", "user"), [(0, NOBODY), (NOBODY, 0), (NOBODY - 1, NOBODY)])
def test_the_lock_file_of_another_user(shared: Place, owner: int, user: int) -> None:
    """It locks nobody out, though the folder is sticky and it cannot be replaced."""
    shared.lock.touch(0o644)
    os.chown(shared.lock, owner, owner)
    done = shared.run("start", "--user", str(user))
    assert (done.returncode, done.stderr) == (0, "")
    assert shared.path.stat().st_uid == user
    assert shared.run("stop").returncode == 0
    shared.lock.chmod(0o600)
    done = shared.run("start", "--user", str(user))
    if user:
        assert f"lock file {shared.lock}: cannot be opened: Permission denied (see --pid-file-dir)" in done.stderr
    assert done.returncode == (1 if user else 0)


# Races


@pytest.mark.parametrize("stale", [False, True])
def test_of_eight_starters_one_wins(place: Place, stale: bool) -> None:
    for number in range(100 if SOAK else 5):
        if stale:
            place.path.write_text(["", "4194303\n", f"{os.getpid()}\n"][number % 3])
        gate = place.notes / f"gate.{number}"
        starters = [place.begin("start", "--gate", str(gate)) for _ in range(8)]
        until(lambda: len(list(place.notes.glob("at-gate.*"))) == 8)
        gate.touch()
        heard = [starter.communicate(timeout=LONG)[1] for starter in starters]
        codes = Counter(starter.returncode for starter in starters)
        assert codes == {0: 1, 1: 7}, heard
        pid = place.running()
        assert place.path.read_text() == f"{pid}\n"
        assert sum(f"process {pid} holds" in text for text in heard) == 7, heard
        assert len(place.alive()) == 1
        assert place.run("stop").returncode == 0
        place.begun.clear()
        for path in place.notes.glob("at-gate.*"):
            path.unlink()


def test_of_eight_forks_one_wins_a_stale_file(place: Place) -> None:
    rounds = 2000 if SOAK else 40
    done = place.run("race", "--rounds", str(rounds), timeout=trials.PATIENCE - 20)
    lines = done.stdout.splitlines()
    assert len(lines) == rounds, done.stderr
    for line in lines:
        *results, left = line.split()
        (winner,) = [result.removeprefix("won:") for result in results if result.startswith("won:")]
        assert results.count(f"lost:{winner}") == 7, line
        assert left == "False"


def test_never_two_at_once_while_holders_come_go_and_crash(place: Place) -> None:
    rounds = 5000 if SOAK else 150
    done = place.run("churn", "--rounds", str(rounds), timeout=trials.PATIENCE - 20)
    codes = json.loads(done.stdout)
    assert set(codes) <= {"1", "10", "11"}, done.stderr
    assert codes["10"] >= 5, "crashed"
    assert codes["11"] >= 5, "went"


# systemd.py


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(LONG)
        path = tmp_path / "notify"
        listener.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener


@pytest.mark.parametrize("state", [systemd.READY, systemd.STOPPING, "STATUS=two words"])
def test_a_state_is_told(manager: socket.socket, state: str) -> None:
    systemd.sd_notify(state)
    assert manager.recv(4096) == state.encode()


def test_reloading_tells_the_time(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    systemd.sd_notify(systemd.RELOADING)
    first, second = manager.recv(4096).decode().splitlines()
    assert first == "RELOADING=1"
    name, _, microseconds = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"dynamic-dynamodb-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(LONG)
        listener.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        systemd.sd_notify(systemd.READY)
        assert listener.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "x" * 200, "vsock:2:1234", "@"])
def test_without_a_service_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    with caplog.at_level(logging.DEBUG):
        systemd.sd_notify(systemd.READY)
    assert {record.levelno for record in caplog.records} == ({logging.DEBUG} if address else set())


def test_a_service_manager_that_does_not_listen_holds_nobody_up(manager: socket.socket) -> None:
    began = time.monotonic()
    systemd._PATIENCE, before = 0.05, systemd._PATIENCE
    try:
        for _ in range(1000):  # until its buffer is full, and then some
            systemd.sd_notify("STATUS=" + "x" * 4000)
            if time.monotonic() - began > 0.5:
                break
    finally:
        systemd._PATIENCE = before
    assert time.monotonic() - began < LONG
    assert manager.recv(4096)


def test_stop_and_restart_wait_120_seconds() -> None:
    """An UpdateTable in flight may take 90."""
    assert inspect.signature(daemonizer.stop).parameters["timeout"].default == 120
    assert inspect.signature(daemonizer.restart).parameters["to_end"].default == 120
