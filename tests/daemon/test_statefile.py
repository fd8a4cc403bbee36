"""The state file: written as a whole, read only where it is ours, one process at a time."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dynamic_dynamodb.daemon import statefile
from dynamic_dynamodb.daemon.files import DaemonError
from dynamic_dynamodb.daemon.pidfile import Instance

NOBODY = 65534
ADVICE = "see --state-file"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dd.state"


def read(path: Path) -> object:
    return statefile.read(path, os.geteuid(), ADVICE)


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path) is None
    for number in range(3):
        statefile.write(path, {"heartbeat": {"pid": number}})
        assert read(path) == {"version": 1, "heartbeat": {"pid": number}}
    assert [one.name for one in path.parent.iterdir()] == ["dd.state"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_nobody_else_may_read_it(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        statefile.write(path, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_crash_left_makes_room(path: Path) -> None:
    path.with_name("dd.state.new").write_text("half")
    statefile.write(path, {"of": 1})
    assert read(path) == {"version": 1, "of": 1}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not JSON written by this program"),
        (b"\0" * 4096, "is not JSON written by this program"),
        (b"\xff\xfe{}", "is not JSON written by this program"),
        (b'{"version":1,"targets":[["orders",nu', "is not JSON written by this program"),
        (b"[" * 100_000, "is not JSON written by this program"),
        (b"[]", "is not JSON written by this program"),
        (b"9" * 100_000, "is not JSON written by this program"),
        (b"{}", "is not a state file of this program"),
        (b'{"version":"1"}', "is not a state file of this program"),
        (b'{"version":0}', "is not a state file of this program"),
        (b'{"version":2}', "was written by a newer release"),
    ],
)
def test_what_is_none(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DaemonError, match=re.escape(f"state file {path}: {why}")):
        read(path)


def plant_link(path: Path) -> None:
    other = path.with_name("other")
    statefile.write(other, {})
    path.symlink_to(other)


def plant_loose(path: Path) -> None:
    statefile.write(path, {})
    path.chmod(0o620)


def plant_huge(path: Path) -> None:
    path.touch(mode=0o600)
    os.truncate(path, 2**40)  # without a byte on the disk


PLANTED: list[tuple[Callable[[Path], object], str]] = [
    (plant_link, "is a symbolic link, which is not followed"),
    (os.mkfifo, "is not a regular file"),
    (Path.mkdir, "is not a regular file"),
    (plant_loose, "can be written to by others (mode 0620)"),
    (plant_huge, "is larger than 64 MB"),
]


@pytest.mark.parametrize(("plant", "why"), PLANTED)
def test_what_is_planted_is_not_read(path: Path, plant: Callable[[Path], object], why: str) -> None:
    plant(path)
    with pytest.raises(DaemonError, match=re.escape(f"state file {path}: {why}")):
        read(path)


def test_another_users_is_not_read(path: Path) -> None:
    statefile.write(path, {})
    with pytest.raises(DaemonError, match=f"belongs to user {os.geteuid()}"):
        statefile.read(path, NOBODY)


def test_a_link_is_replaced_and_not_written_through(path: Path) -> None:
    plant_link(path)
    statefile.write(path, {"of": 1})
    assert read(path) == {"version": 1, "of": 1}
    assert json.loads(path.with_name("other").read_text()) == {"version": 1}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_a_rename_replaces_no_device(path: Path, make: Callable[[Path], object]) -> None:
    make(path)
    with pytest.raises(DaemonError, match="is not a regular file"):
        statefile.write(path, {})


def test_a_full_disk_leaves_the_old_one(path: Path) -> None:
    """Held by a limit on the size of files, in a process of its own: at the limit write() is short, then it fails."""
    statefile.write(path, {"of": "old"})
    program = (
        "import resource, signal, sys; from pathlib import Path; from dynamic_dynamodb.daemon import statefile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: statefile.write(Path(sys.argv[1]), {'of': 'x' * 10_000})\n"
        "except statefile.files.DaemonError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == f"state file {path}: cannot be written: File too large\n"
    assert read(path) == {"version": 1, "of": "old"}
    assert [one.name for one in path.parent.iterdir()] == ["dd.state"]


def test_one_process_has_it(path: Path) -> None:
    with statefile.held(path, ADVICE):
        with pytest.raises(DaemonError, match=f"state file {path}: process {os.getpid()} is using it"):
            statefile.Lock(path, ADVICE)
        path.with_name("dd.state.lock").write_text("")  # as on a full disk
        with pytest.raises(DaemonError, match=f"state file {path}: another process is using it"):
            statefile.Lock(path, ADVICE)
    with statefile.held(path, ADVICE):
        pass


def test_a_lock_file_that_was_removed_is_put_back(path: Path) -> None:
    with statefile.held(path, ADVICE) as lock:
        path.with_name("dd.state.lock").unlink()
        lock.renew()
        with pytest.raises(DaemonError, match=f"process {os.getpid()} is using it"):
            statefile.Lock(path, ADVICE)
        path.with_name("dd.state.lock").unlink()
        lock.check()
        with statefile.held(path, ADVICE):  # another one was quicker
            for use in (lock.check, lock.renew):
                with pytest.raises(DaemonError, match="is using it"):
                    use()
        lock.renew()


def test_no_pid_is_written_into_another_file(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("mine")
    os.link(other, path.with_name("dd.state.lock"))
    with statefile.held(path, ADVICE):
        assert other.read_text() == "mine"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda lock: lock.symlink_to("elsewhere"), "is a symbolic link, which is not followed"),
        (os.mkfifo, "is not a regular file"),
    ],
)
def test_a_planted_lock_file(path: Path, make: Callable[[Path], object], why: str) -> None:
    lock = path.with_name("dd.state.lock")
    make(lock)
    with pytest.raises(DaemonError, match=re.escape(f"lock file {lock}: {why}")):
        statefile.Lock(path, ADVICE)


def test_a_folder_that_is_not_there(path: Path) -> None:
    missing = path.parent / "none" / "dd.state"
    with pytest.raises(DaemonError, match=rf"{missing}.lock: cannot be created: No such file .*\(see --state-file\)"):
        statefile.Lock(missing, ADVICE)
    with pytest.raises(DaemonError, match=f"{missing}: cannot be written: No such file or directory"):
        statefile.write(missing, {})


@AS_ROOT
def test_a_lock_file_that_root_left_locks_nobody_out() -> None:
    program = (
        "import os, sys; from pathlib import Path; from dynamic_dynamodb.daemon import statefile\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "with statefile.held(Path(sys.argv[1]), ''): statefile.write(Path(sys.argv[1]), {})"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o777)
        path = Path(folder, "dd.state")
        with statefile.held(path, ADVICE):
            statefile.write(path, {})
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)  # noqa: S603
        assert path.stat().st_uid == NOBODY


def test_where_an_instance_has_it(tmp_path: Path) -> None:
    assert Instance("orders", tmp_path).state_path == tmp_path / "dynamic-dynamodb.orders.state"
