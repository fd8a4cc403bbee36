"""One live process per name. The holder of a name has locked two files, and the kernel unlocks them when it ends.

FOLDER/dynamic-dynamodb.NAME.lock decides who has the name. It is empty, and
nothing of ours removes it: a lock on a file that was removed between open and
flock would guard nothing. It may be anybody's: one that root left in a sticky
/tmp locks nobody out.

FOLDER/dynamic-dynamodb.NAME.pid tells who has the name, also to scripts. Only
the holder writes and removes it, and always makes it anew. A number in a file
that is not locked, or not open in that process, is a leftover or a trick.
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
_PATIENCE = 2.0  # seconds; a process that looks, has just begun or is about to end needs less


class HeldError(DaemonError):
    """Another live process has the name."""


class Instance:
    """One name in one folder."""

    def __init__(self, name: str, folder: str | os.PathLike[str]) -> None:
        if not re.fullmatch(NAME, name):
            raise DaemonError(f"--instance {name!r}: may contain only letters, digits, '.', '_' and '-'")
        self.name = name
        # Absolute, since the daemon's working folder is another than the user's.
        self.path = Path(folder).absolute() / f"dynamic-dynamodb.{name}.pid"
        self.lock_path = self.path.with_suffix(".lock")
        self.state_path = self.path.with_suffix(".state")

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

    @contextlib.contextmanager
    def holder(self) -> Iterator[Process | None]:
        """The live process that has the name, while somebody looks at it."""
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
        """The process that the pid file names, whoever that may be now, but for this one."""
        with files.opened(self.path) as file:
            pid = None if file is None else files.read_pid(file)
            yield Process(pid, self.path, file) if file is not None and pid and pid != os.getpid() else None

    def original(self) -> str | None:
        """What to do about a live process of the original, where the pid file names one."""
        with self.named() as found:
            return original.what_to_do(found.pid, self.path) if found and original.is_original(found.pid) else None


class Process(NamedTuple):
    """A process that a pid file names, and that file, open."""

    pid: int
    path: Path
    file: int

    def holds(self) -> bool:
        """Whether the process has locked the file: then it has the name."""
        return not self.ended() and proc.has_open(self.pid, self.file)

    def ended(self) -> bool:
        """Whether one that had the name has ended: its lock is free, also when it is a zombie that nobody reaps."""
        return not files.is_locked(self.path, self.file)

    def terminate(self) -> None:
        """Send SIGTERM.

        The process was seen to hold the file a moment ago. Its pid cannot be a
        stranger's by now: the kernel gives all other pids first.
        """
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it ended by itself
        except PermissionError as error:
            raise DaemonError(f"process {self.pid} belongs to another user; you may not stop it") from error


class Hold:
    """The name in the hand of this process."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._pid = os.getpid()
        self._failing = False  # whether the files cannot be put back, which was said
        self._lock = _patiently(self._take, instance.lock_path)
        self._file = _patiently(self._write, instance.path)

    def renew(self) -> None:
        """Keep the files' times fresh, and put back what was removed: /tmp is cleaned of what is ten days old.

        Raises HeldError where another daemon took the name in the meantime.
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
        """The file, or a new one where it was removed."""
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
        """Remove the pid file without a word, as a signal handler may. Raises OSError."""
        # Else this is a fork of the holder, or somebody removed the file and what is there now is another's.
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
        """A new pid file, locked; what a crash has left, or anybody has put, makes room. With the lock file only."""
        self._refuse_second()
        path = self._instance.path
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            owner = path.lstat().st_uid
            what = f"belongs to user {owner} and cannot be replaced"
            raise files.problem(path, what, error, "see --instance") from error
        try:
            PIDLockFile(str(path)).acquire(timeout=0)  # O_EXCL and mode 0644: it never opens what is there
        except AlreadyLocked:  # somebody who cannot be one of us was quicker
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
