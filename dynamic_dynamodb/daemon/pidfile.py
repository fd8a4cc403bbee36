"""One live process per name. The holder of a name has locked two files, which the kernel unlocks when it ends.

FOLDER/dynamic-dynamodb.NAME.lock decides which process has the name. It is
empty, and this program never removes it: a lock on a file that was removed
between open and flock protects nothing. It may belong to any user: a file that
root left in a sticky /tmp locks nobody out.

FOLDER/dynamic-dynamodb.NAME.pid names the holder, for scripts too. Only the
holder writes and removes it, and always creates a new one. A number in a file
that is not locked, or not open in that process, is a leftover or a forgery.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from lockfile import AlreadyLocked, LockFailed
from lockfile.pidlockfile import PIDLockFile

from dynamic_dynamodb.daemon import files, original, proc
from dynamic_dynamodb.daemon.files import DaemonError

_log = logging.getLogger("dynamic-dynamodb")
NAME = "[A-Za-z0-9._-]+"
_PAUSE = 0.02  # seconds between two tries
_PATIENCE = 2.0  # seconds; a process that queries, has just started or is about to end needs less


class HeldError(DaemonError):
    """Another live process has the name."""


def names(folder: str | os.PathLike[str]) -> list[str]:
    """The instances with a pid file or a state file in the folder; none if it cannot be read."""
    file = re.compile(rf"dynamic-dynamodb\.({NAME})\.(pid|state)")
    try:
        return sorted({match[1] for name in os.listdir(folder) if (match := file.fullmatch(name))})  # noqa: PTH208
    except OSError:
        return []


class Instance:
    """One name in one folder."""

    def __init__(self, name: str, folder: str | os.PathLike[str]) -> None:
        if not re.fullmatch(NAME, name):
            raise DaemonError(f"--instance {name!r}: may contain only letters, digits, '.', '_' and '-'")
        self.name = name
        # Absolute, because the daemon's working folder is not the user's.
        self.path = Path(folder).absolute() / f"dynamic-dynamodb.{name}.pid"
        self.lock_path = self.path.with_suffix(".lock")
        self.state_path = self.path.with_suffix(".state")

    @contextlib.contextmanager
    def hold(self) -> Iterator[Hold]:
        """Take the name, and write a pid file. Raises DaemonError if another process has the name.

        At the end the pid file is removed, but the lock is kept until the process ends, which `stop` waits for.
        """
        held = Hold(self)
        try:
            yield held
        finally:
            held.remove()

    @contextlib.contextmanager
    def holder(self) -> Iterator[Process | None]:
        """The live process that has the name, with its pid file open; None if there is none."""
        until = time.monotonic() + _PATIENCE
        while True:
            with self.named() as found:
                if found and found.holds():
                    yield found
                    return
            with files.opened(self.lock_path) as lock:
                held = lock is not None and files.is_locked(self.lock_path, lock)
            if not held:
                yield None
                return
            _pause(until, self.lock_path)

    @contextlib.contextmanager
    def named(self) -> Iterator[Process | None]:
        """The process that the pid file names, whatever it is now; None if it is this process."""
        with files.opened(self.path) as file:
            pid = None if file is None else files.read_pid(file)
            yield Process(pid, self.path, file) if file is not None and pid and pid != os.getpid() else None

    def original(self) -> str | None:
        """The advice if the pid file names a live process of the original."""
        with self.named() as found:
            return original.what_to_do(found.pid, self.path) if found and original.is_original(found.pid) else None


class Process(NamedTuple):
    """A process that a pid file names, with that file open."""

    pid: int
    path: Path
    file: int

    def holds(self) -> bool:
        """Whether the process has locked the file, and so has the name."""
        return not self.ended() and proc.has_open(self.pid, self.file)

    def ended(self) -> bool:
        """Whether the process that had the name has ended: its lock is free, even if it is a zombie."""
        return not files.is_locked(self.path, self.file)

    def terminate(self) -> None:
        """Send SIGTERM.

        The process held the file a moment ago. Its pid cannot belong to another
        process yet: the kernel uses all other pids first.
        """
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it ended by itself
        except PermissionError as error:
            raise DaemonError(f"process {self.pid} belongs to another user; stop it as that user or root") from error


class Hold:
    """The name, held by this process."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._pid = os.getpid()
        self._failing = False  # whether the files cannot be put back, which has been logged
        self._lock = _patiently(self._take, instance.lock_path)
        self._file = _patiently(self._write, instance.path)

    def renew(self) -> None:
        """Keep the files' times fresh, and put back removed files: many systems delete old files in /tmp.

        Raises HeldError if another daemon has taken the name.
        """
        try:
            self._lock = self._put_back(self._instance.lock_path, self._lock, self._take)
            self._file = self._put_back(self._instance.path, self._file, self._write)
            self._failing = False
        except HeldError as error:
            raise HeldError(f"the lock file or pid file was removed, and another daemon took over: {error}") from error
        except DaemonError as error:
            if not self._failing:
                _log.warning("%s; until it is back, a second daemon can be started", error)
            self._failing = True

    def _put_back(self, path: Path, file: int, make: Callable[[], int | None]) -> int:
        """The file, or a new one if it was removed."""
        if files.leads_to(path, file):
            files.keep_fresh(file)
            return file
        new = _patiently(make, path)
        os.close(file)
        _log.warning("%s file %s was removed by somebody else: put back", path.suffix[1:], path)
        return new

    def remove(self) -> None:
        """Remove the pid file, at the end."""
        try:
            self.unlink()
        except OSError as error:
            _log.warning("pid file %s: cannot be removed: %s", self._instance.path, error.strerror)

    def unlink(self) -> None:
        """Remove the pid file without logging, as a signal handler has to. Raises OSError."""
        # Otherwise this is a fork of the holder, or the file was removed and another process has made its own.
        if os.getpid() == self._pid and files.leads_to(self._instance.path, self._file):
            self._instance.path.unlink()

    def _take(self) -> int | None:
        """The lock file, locked."""
        path = self._instance.lock_path
        files.create(path)
        file = files.locked(path)
        if file is None:
            self._refuse_second()
        else:
            files.open_to_all(path, file)
        return file

    def _write(self) -> int | None:
        """A new pid file, locked, in place of any leftover or planted one. Only for the owner of the lock file."""
        self._refuse_second()
        path = self._instance.path
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            owner = path.lstat().st_uid
            what = f"belongs to user {owner} and cannot be replaced"
            raise files.problem(path, what, error, "see --instance") from error
        try:
            PIDLockFile(str(path)).acquire(timeout=0)  # O_EXCL and mode 0644: it never opens an existing file
        except AlreadyLocked:  # a process that is not ours was faster
            return None
        except LockFailed as error:
            raise files.problem(path, "cannot be created", error.__context__, "see --pid-file-dir") from error
        return files.locked(path)

    def _refuse_second(self) -> None:
        instance = self._instance
        with instance.named() as found:
            if found and found.holds():
                raise HeldError(
                    f"instance {instance.name} is already running: process {found.pid} holds {instance.path}; "
                    "to run another one, give it a different name with --instance NAME"
                )
        to_do = instance.original()
        if to_do is not None:
            raise HeldError(to_do)


def _patiently(attempt: Callable[[], int | None], path: Path) -> int:
    until = time.monotonic() + _PATIENCE
    while (file := attempt()) is None:
        _pause(until, path)
    return file


def _pause(until: float, path: Path) -> None:
    if time.monotonic() > until:
        what = f"is locked by a process that the pid file does not name (`fuser {path}` shows which)"
        advice = "choose a folder that nobody else can use with --pid-file-dir, or another name with --instance"
        raise files.problem(path, f"{what}; {advice}")
    time.sleep(_PAUSE)
