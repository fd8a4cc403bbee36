"""The pid file: one live process a name.

PIDLockFile makes it: O_EXCL, so that no link is followed, mode 0644. Its
existence proves nothing (crash, kill -9, reboot), nor does the number in it
(a reused pid, junk): an flock on it, held until the process ends, does. The
kernel lets go of it at death, however that comes.

Replacing a stale file is the race. Three habits lose it: to unlink what looked
stale a moment ago (it may be the next one's file by now), to trust an flock on
a file that was unlinked between open and flock (it guards nothing), and to
write into a file that another made (PIDLockFile makes it first and writes a
moment later: over what was written in between; measured). So, in this order:

  1. make the file, or find that there is one;
  2. open it, whoever made it, and flock what was opened: of all who have the
     same file open, the kernel lets one win;
  3. look whether the path still is this file. From now on nobody else changes
     that: only who has a file's flock may unlink it;
  4. keep it if it was made in 1, else unlink it, stale as it is, and begin
     again, with a file of one's own.

Only its maker ever writes to a file, and that before it holds it. So a held
file names its holder, and a planted one (a hard link to something precious, a
file that all may write) is never written to, nor kept.

A starter may lose in 4 what it made in 1, to one that was quicker in 2. It
then begins again too, and ends with a file of its own or at a live holder.
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
_PAUSE = 0.02  # seconds between two looks at the pid file
_PATIENCE = 2.0  # seconds after which a pid file that names nobody is given up


class DaemonError(DynamicDynamoDBError):
    """The daemon cannot be started, stopped or looked at; one line for the user."""


class Instance:
    """One name in one folder: the pid file FOLDER/dynamic-dynamodb.NAME.pid."""

    def __init__(self, name: str, folder: str | os.PathLike[str]) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise DaemonError(f"--instance {name!r}: only letters, digits, '.', '_' and '-' can be in it")
        self.name = name
        # Absolute, since the daemon's working folder is another than the user's.
        self.path = Path(folder).absolute() / f"{_PROGRAM}.{name}.pid"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Have the pid file with this process's pid in it. Raises DaemonError when another has it.

        The file is gone at the end, but the flock on it stays until the process ends:
        `stop` waits for that.
        """
        file, pid = self._take(), os.getpid()
        try:
            yield
        finally:
            # Else this is a fork of the holder, or somebody removed the file and what is there now is another's.
            if os.getpid() == pid and self._leads_to(file):
                try:
                    self.path.unlink()
                except OSError as error:
                    _log.warning("pid file %s: cannot be removed: %s", self.path, error.strerror)

    def running(self) -> int | None:
        """The pid of the live process that holds the pid file."""
        with self.holder() as found:
            return found.pid if found else None

    @contextlib.contextmanager
    def holder(self) -> Iterator[Holder | None]:
        """The live process that holds the pid file, while somebody looks at it."""
        found = self._find()
        try:
            yield found
        finally:
            if found:
                os.close(found.file)

    def _find(self) -> Holder | None:
        """Nobody without the flock runs, whatever the file says; with it, the file must name the one who has it."""
        until = time.monotonic() + _PATIENCE
        while (file := self._open(os.O_RDONLY)) is not None:
            free = self._lock(file, fcntl.LOCK_SH)
            pid = None if free else self._holder_pid(file)
            if pid is not None:
                return Holder(pid, file)
            current = self._leads_to(file)
            os.close(file)
            if free and current:
                break
            self._pause(until)
        return None

    def _take(self) -> int:
        until = time.monotonic() + _PATIENCE
        while True:
            made = self._make()
            file = self._open(os.O_RDWR)
            if file is not None:
                mine = False
                try:
                    mine = self._claim(file, made)
                finally:
                    if not mine:
                        os.close(file)
                if mine:
                    return file
            self._pause(until)

    def _make(self) -> bool:
        """Whether there was no file, and one is made with our pid in it."""
        try:
            PIDLockFile(str(self.path)).acquire(timeout=0)
        except AlreadyLocked:
            return False  # which says nothing yet
        except LockFailed as error:
            raise self._error("cannot be made", error.__context__, "see --pid-file-dir") from error
        return True

    def _open(self, access: int) -> int | None:
        """A descriptor of the file, or None when there is none."""
        try:
            # Without O_NONBLOCK a planted FIFO would hold us up for good.
            file = os.open(self.path, access | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise DaemonError(f"pid file {self.path}: is a symbolic link, which is not followed") from error
            if error.errno == errno.EACCES and access == os.O_RDWR:
                return self._open(os.O_RDONLY)  # enough for the flock, which tells whether it may be replaced
            raise self._error("cannot be opened", error) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise DaemonError(f"pid file {self.path}: is no plain file")
        return file

    def _claim(self, file: int, made: bool) -> bool:
        """Steps 2 to 4 with the open file. False: begin again. Raises DaemonError when another holds it."""
        if not self._lock(file, fcntl.LOCK_EX):
            pid = self._holder_pid(file)
            if pid is None:
                return False
            raise DaemonError(
                f"instance {self.name} is running already: process {pid} holds {self.path}; "
                "--instance NAME gives another one a name of its own"
            )
        if not self._leads_to(file):
            return False
        if made and _read_pid(file) == os.getpid():
            return True
        try:
            self.path.unlink()
        except OSError as error:
            owner = os.fstat(file).st_uid
            raise self._error(f"is user {owner}'s and cannot be replaced", error, "see --instance") from error
        return False

    def _holder_pid(self, file: int) -> int | None:
        """The pid that a locked pid file names, if that process holds it. None: look again.

        The flock may be in the hand of one that looks (`status`), or unlinks the file
        as stale, while the one named is still trying. A moment later that has passed.
        """
        pid = _read_pid(file)
        if pid is None or pid == os.getpid() or not _has_open(pid, file):
            return None
        time.sleep(_PAUSE)
        return pid if self._leads_to(file) else None

    def _lock(self, file: int, kind: int) -> bool:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a network file system without locks
            raise self._error("cannot be locked", error, "see --pid-file-dir") from error
        return True

    def _leads_to(self, file: int) -> bool:
        """Whether the path is this open file, still."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(file))
        except OSError:
            return False

    def _pause(self, until: float) -> None:
        if time.monotonic() > until:
            raise DaemonError(
                f"pid file {self.path}: is held by a process that it does not name "
                f"(fuser {self.path} may); --instance gives another name, --pid-file-dir another folder"
            )
        time.sleep(_PAUSE)

    def _error(self, what: str, error: BaseException | None, advice: str = "") -> DaemonError:
        reason = error.strerror if isinstance(error, OSError) else error
        return DaemonError(f"pid file {self.path}: {what}: {reason}" + (f" ({advice})" if advice else ""))


class Holder:
    """The live process that holds a pid file, seen from outside; `file` is an open descriptor of that file."""

    def __init__(self, pid: int, file: int) -> None:
        self.pid = pid
        self.file = file

    @property
    def since(self) -> str:
        """When it wrote its pid; local time, as in the log."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(os.fstat(self.file).st_mtime))

    def terminate(self) -> None:
        """Send SIGTERM.

        The pid was seen to hold the flock a moment ago. It cannot be a stranger's
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

        Its flock ends with it: a zombie that nobody reaps has none, nor has a new
        process with its pid. When the next daemon was faster, the file names that.
        """
        try:
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_pid(self.file) != self.pid
        return True


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
