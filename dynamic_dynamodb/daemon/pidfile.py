"""One live process a name: a lock file that stays, and a pid file that the holder of the lock writes and removes.

Whoever has an flock on FOLDER/dynamic-dynamodb.NAME.lock has the name. The
kernel releases it when the process ends, however that happens. Nothing of ours
removes this file: a lock on a file that was removed between open and flock
would guard nothing. Nothing is read from it either, so it does not matter
whose it is: flock needs read permission and no more, and a file that root left
in a sticky /tmp locks nobody out.

The pid file is for people and scripts. It proves nothing (it may be left by a
crash, or planted): its number is believed only where that process has the lock
file open. Only the holder of the lock writes or removes it, which leaves no
race. The holder has an flock on it as well, for `pkill -L`, and so that a
daemon is still found after somebody has removed its lock file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from lockfile import AlreadyLocked, LockFailed
from lockfile.pidlockfile import PIDLockFile

from dynamic_dynamodb.errors import DynamicDynamoDBError

_PROGRAM = "dynamic-dynamodb"
_log = logging.getLogger(_PROGRAM)
_MODE = 0o644  # of a lock file
_PAUSE = 0.02  # seconds between two looks at a file
_PATIENCE = 2.0  # seconds; a process that looks, has just begun or is about to end needs less


class DaemonError(DynamicDynamoDBError):
    """The daemon cannot be started, stopped or looked at; one line for the user."""


class HeldError(DaemonError):
    """Another live process has the name."""


class Instance:
    """One name in one folder: the pid file and the lock file FOLDER/dynamic-dynamodb.NAME.*."""

    def __init__(self, name: str, folder: str | os.PathLike[str]) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise DaemonError(f"--instance {name!r}: only letters, digits, '.', '_' and '-' can be in it")
        self.name = name
        # Absolute, since the daemon's working folder is another than the user's.
        self.path = Path(folder).absolute() / f"{_PROGRAM}.{name}.pid"
        self.lock_path = self.path.with_suffix(".lock")

    @contextlib.contextmanager
    def hold(self) -> Iterator[Hold]:
        """Have the name, and a pid file with this process's pid in it. Raises DaemonError when another has the name.

        The pid file is gone at the end, but the lock is kept until the process ends: `stop` waits for that.
        """
        held = Hold(self)
        try:
            yield held
        finally:
            held.remove()

    def running(self) -> int | None:
        """The pid of the live process that has the name."""
        with self.holder() as found:
            return found.pid if found else None

    @contextlib.contextmanager
    def holder(self) -> Iterator[Holder | None]:
        """The live process that has the name, while somebody looks at it."""
        found = self._find()
        try:
            yield found
        finally:
            if found:
                os.close(found.file)

    def original(self) -> int | None:
        """The pid of a live process of the original Dynamic DynamoDB, if the pid file names one. It holds no lock."""
        pid = self._pid()
        return pid if pid not in (None, os.getpid()) and _is_original(pid) else None

    # Looking

    def _find(self) -> Holder | None:
        until = time.monotonic() + _PATIENCE
        while True:
            held, found = self._look(self.lock_path)
            if not held:
                return self._look(self.path)[1]  # in case the lock file was removed
            if found is not None:
                return found
            self._pause(until)

    def _look(self, path: Path) -> tuple[bool, Holder | None]:
        """Whether somebody has locked this file; and who, if the pid file names the one."""
        pid = self._pid()
        file = _open(path)
        if file is None:
            return False, None
        held = not _lock(file, path, fcntl.LOCK_SH)
        if held and pid not in (None, os.getpid()) and _has_open(pid, file):
            # One that tries to start has the lock file open for a moment, and a stale pid file may name just that one.
            time.sleep(_PAUSE)
            if self._pid() == pid and _has_open(pid, file):
                return held, Holder(pid, file)
        os.close(file)
        return held, None

    def _pid(self) -> int | None:
        file = _open(self.path)
        if file is None:
            return None
        try:
            return _read_pid(file)
        finally:
            os.close(file)

    # Taking

    def take(self) -> int:
        """The lock file, open, with our flock on it."""
        until = time.monotonic() + _PATIENCE
        while True:
            file = _open(self.lock_path) or _make(self.lock_path)
            if file is not None:
                if _lock(file, self.lock_path, fcntl.LOCK_EX) and _leads_to(self.lock_path, file):
                    _check(file, self.lock_path)
                    return file
                os.close(file)
            self._refuse_second(self.lock_path)
            self._pause(until)

    def write(self) -> int:
        """A pid file of our own, open, made anew. For the holder of the lock only."""
        until = time.monotonic() + _PATIENCE
        while True:
            self._clear()
            try:
                PIDLockFile(str(self.path)).acquire(timeout=0)  # O_EXCL and mode 0644: it never opens what is there
            except AlreadyLocked:  # somebody who cannot be one of us was quicker
                self._pause(until)
                continue
            except LockFailed as error:
                raise _error(self.path, "cannot be made", error.__context__, "see --pid-file-dir") from error
            file = _open(self.path)
            if file is not None:
                _lock(file, self.path, fcntl.LOCK_EX)
                return file

    def _clear(self) -> None:
        """Remove what a crash has left, or anybody has put, where the pid file is to be."""
        self._refuse_second(self.path)
        original = self.original()
        if original is not None:
            raise HeldError(self.of_the_original(original))
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            owner = self.path.lstat().st_uid
            raise _error(self.path, f"is user {owner}'s and cannot be replaced", error, "see --instance") from error

    def _refuse_second(self, path: Path) -> None:
        found = self._look(path)[1]
        if found is not None:
            os.close(found.file)
            raise HeldError(
                f"instance {self.name} is running already: process {found.pid} holds {self.path}; "
                "--instance NAME gives another one a name of its own"
            )

    def of_the_original(self, pid: int) -> str:
        """What to do about a live process of the original."""
        return (
            f"process {pid}, which {self.path} names, looks like the original Dynamic DynamoDB, and both would scale "
            f"the same tables: end it with kill {pid}, then start this one; if it is something else, remove that file"
        )

    def _pause(self, until: float) -> None:
        if time.monotonic() > until:
            raise DaemonError(
                f"lock file {self.lock_path}: is held by a process that the pid file does not name "
                f"(fuser {self.lock_path} shows it); --pid-file-dir takes a folder where nobody else can hold it, "
                "--instance another name"
            )
        time.sleep(_PAUSE)


class Hold:
    """The name in the hand of this process."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._pid = os.getpid()
        self._failing = False  # whether the files cannot be put back, which was said
        self._lock = instance.take()
        try:
            self._file = instance.write()
        except BaseException:
            os.close(self._lock)
            raise

    def renew(self) -> None:
        """Keep the files' times fresh, and put back what was removed: /tmp is cleaned of what is ten days old.

        Raises HeldError where another daemon took the name in the meantime.
        """
        try:
            self._put_back()
        except HeldError as error:
            raise HeldError(f"the lock file or pid file was removed, and another daemon took over: {error}") from error
        except DaemonError as error:
            if not self._failing:
                _log.warning("%s; until it is put back, another daemon can be started beside this one", error)
            self._failing = True
        else:
            self._failing = False

    def _put_back(self) -> None:
        if not _leads_to(self._instance.lock_path, self._lock):
            # The one before stays locked and open: somebody may be waiting for this process to release it.
            self._lock = self._instance.take()
            _log.warning("lock file %s was removed by somebody else: put back", self._instance.lock_path)
        if not _leads_to(self._instance.path, self._file):
            file = self._instance.write()
            os.close(self._file)
            self._file = file
            _log.warning("pid file %s was removed by somebody else: put back", self._instance.path)
        for one in (self._lock, self._file):
            with contextlib.suppress(OSError):  # a lock file that is another user's; it is put back when it is gone
                os.utime(one)

    def remove(self) -> None:
        """Remove the pid file, at the end."""
        # Else this is a fork of the holder, or somebody removed the file and what is there now is another's.
        if os.getpid() == self._pid and _leads_to(self._instance.path, self._file):
            try:
                self._instance.path.unlink()
            except OSError as error:
                _log.warning("pid file %s: cannot be removed: %s", self._instance.path, error.strerror)


class Holder:
    """The live process that has a name, seen from outside; `file` is an open descriptor of what it has locked."""

    def __init__(self, pid: int, file: int) -> None:
        self.pid = pid
        self.file = file

    @property
    def since(self) -> str | None:
        """When it began, in local time, as in the log; None where the system does not show it.

        The files do not tell: their times are kept fresh.
        """
        try:
            # In clock ticks after the boot; the command before it, in parentheses, may hold anything.
            began = int(Path(f"/proc/{self.pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
        except (OSError, IndexError, ValueError):
            return None
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - age))

    def terminate(self) -> None:
        """Send SIGTERM.

        The pid was seen to hold the lock a moment ago. It cannot be a stranger's
        by now: the kernel gives all other pids first.
        """
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it ended by itself
        except PermissionError as error:
            raise DaemonError(f"process {self.pid} belongs to another user, and cannot be told to end") from error

    def gone(self) -> bool:
        """Whether the process has ended.

        Its flock ends with it: a zombie that nobody reaps has none. Where the next
        daemon was faster the file is locked again, and the one that ended does not have it open.
        """
        try:
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return not _has_open(self.pid, self.file)
        return True


# Files


def _open(path: Path) -> int | None:
    """A descriptor to read the file by, or None where there is none. Nothing planted is followed or waited for."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a planted FIFO would hold us up for good
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _error(path, "is a symbolic link, which is not followed") from error
        raise _error(path, "cannot be opened", error, "see --pid-file-dir") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _error(path, "is no plain file")
    return file


def _make(path: Path) -> int | None:
    """The file, made for everybody to read whatever the umask; None when somebody else was quicker to make it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        return None
    except OSError as error:
        raise _error(path, "cannot be made", error, "see --pid-file-dir") from error
    os.fchmod(file, _MODE)
    return file


def _check(file: int, path: Path) -> None:
    """A lock file may be anybody's, but must not be another file of ours by a second name; ours is ours to write."""
    found = os.fstat(file)
    if found.st_nlink > 1:
        os.close(file)
        raise _error(path, "is a hard link to another file; remove it, or see --pid-file-dir")
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != _MODE:
        os.fchmod(file, _MODE)


def _lock(file: int, path: Path, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network file system without locks
        raise _error(path, "cannot be locked", error, "see --pid-file-dir") from error
    return True


def _leads_to(path: Path, file: int) -> bool:
    """Whether the path is this open file, still."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except OSError:
        return False


def _error(path: Path, what: str, error: BaseException | None = None, advice: str = "") -> DaemonError:
    reason = error.strerror if isinstance(error, OSError) else error
    why = "".join([f": {reason}" if reason else "", f" ({advice})" if advice else ""])
    return DaemonError(f"{path.suffix[1:]} file {path}: {what}{why}")


def _read_pid(file: int) -> int | None:
    """The number in the file; nine digits at most, so that every system call takes it, and never 0 or less."""
    found = re.fullmatch(rb"\s*0*([1-9][0-9]{0,8})\s*", os.pread(file, 64, 0))
    return int(found[1]) if found else None


def _has_open(pid: int, file: int) -> bool:
    """Whether the process lives and has this file open.

    Somebody may hold a file that names another: planted, written over, or of a
    container with pids of its own. Where we may not look (another user's process,
    or no /proc), that the process lives must do: we may not signal another user's.
    """
    ours = os.fstat(file)
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)  # noqa: PTH208 - names are enough
    except OSError:
        return _lives(pid)
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.path.samestat(os.stat(f"{folder}/{descriptor}"), ours):  # noqa: PTH116
                return True
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_original(pid: int) -> bool:
    """Whether the process is a daemon of the original: it is called dynamic-dynamodb, and has no lock, as ours have.

    Where the system does not show command lines, nobody is taken for the original.
    """
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    interpreted = os.path.basename(words[0]).startswith((b"python", b"pypy"))  # noqa: PTH119 - of bytes
    named = {os.path.basename(word) for word in words[: 4 if interpreted else 1]}  # noqa: PTH119
    return bool(named & {b"dynamic-dynamodb", b"dynamic_dynamodb"}) and not _holds_a_lock(pid)


def _holds_a_lock(pid: int) -> bool:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(folder):  # noqa: PTH208 - names are enough
            with contextlib.suppress(OSError):  # closed meanwhile
                path = os.readlink(f"{folder}/{descriptor}").removesuffix(" (deleted)")  # noqa: PTH115
                if re.fullmatch(rf"{_PROGRAM}\.[A-Za-z0-9._-]+\.lock", os.path.basename(path)):  # noqa: PTH119
                    return True
    return False
