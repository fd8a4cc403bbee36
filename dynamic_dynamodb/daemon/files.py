"""Opens, creates and locks files in folders that anybody can write to, such as /tmp, without using planted files.

A file is a path and a descriptor open for reading, which is enough for flock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from dynamic_dynamodb.errors import DynamicDynamoDBError

_MODE, _PRIVATE = 0o644, 0o600
_ADVICE = "see --pid-file-dir"


class DaemonError(DynamicDynamoDBError):
    """The daemon cannot be started, stopped or queried; one line for the user."""


def problem(path: Path, what: str, error: BaseException | None = None, advice: str = "", kind: str = "") -> DaemonError:
    """The error for a file: what is wrong, why, and which option to look at."""
    kind = kind or (path.suffix[1:] if path.suffix in (".pid", ".lock") else "state")
    reason = f": {error.strerror}" if isinstance(error, OSError) else ""
    return DaemonError(f"{kind} file {path}: {what}{reason}" + (f" ({advice})" if advice else ""))


def create(path: Path, advice: str = _ADVICE) -> None:
    """Create an empty file if there is none."""
    # With O_EXCL: in a sticky folder the kernel may refuse O_CREAT for a file of another user.
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, _MODE))
    except FileExistsError:
        pass
    except OSError as error:
        raise problem(path, "cannot be created", error, advice) from error


def replace(path: Path, content: bytes, mode: int = _PRIVATE, kind: str = "") -> None:
    """Replace the file atomically: on failure the old one is unchanged. Others may read it if `mode` allows it."""
    new = path.with_name(f"{path.name}.new")
    try:
        _check_replaceable(path, kind)
        new.unlink(missing_ok=True)  # a crash may have left it
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        try:
            os.fchmod(file, mode)  # regardless of the umask
            while content:
                content = content[os.write(file, content) :]
        finally:
            os.close(file)
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise problem(path, "cannot be written", error, kind=kind) from error


def _check_replaceable(path: Path, kind: str) -> None:
    """Raises DaemonError for a device or a pipe, which a rename would replace. A link is replaced, not its target."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise problem(path, "is not a regular file", kind=kind)


@contextlib.contextmanager
def opened(path: Path, advice: str = _ADVICE) -> Iterator[int | None]:
    """The file, open for reading; None if there is none."""
    file = _open(path, advice)
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def locked(path: Path, advice: str = _ADVICE) -> int | None:
    """The file, locked by us; None if somebody else has locked it, or it does not exist."""
    file = _open(path, advice)
    if file is None or (_flock(path, file, fcntl.LOCK_EX, advice) and leads_to(path, file)):
        return file
    os.close(file)
    return None


def is_locked(path: Path, file: int) -> bool:
    """Whether somebody else has locked the file; several processes may ask at the same time."""
    return not _flock(path, file, fcntl.LOCK_SH)


def leads_to(path: Path, file: int) -> bool:
    """Whether the path still leads to this file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except OSError:
        return False


def open_to_all(path: Path, file: int) -> None:
    """Set the mode of a file of ours, regardless of the umask. Raises DaemonError for a hard link to another file."""
    found = os.fstat(file)
    if found.st_nlink > 1:
        raise problem(path, f"is a hard link to another file; remove it, or {_ADVICE}")
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != _MODE:
        os.fchmod(file, _MODE)


def read_pid(file: int) -> int | None:
    """The number in the file, above 0 and with at most nine digits, so that every system call accepts it."""
    found = re.fullmatch(rb"\s*0*([1-9][0-9]{0,8})\s*", os.pread(file, 64, 0))
    return int(found[1]) if found else None


def sign(path: Path, file: int) -> None:
    """Write our pid into a file that we have locked, for processes that meet the lock. A full disk does not matter."""
    with contextlib.suppress(OSError):
        writer = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(writer)
            if found.st_nlink == 1 and os.path.samestat(found, os.fstat(file)):
                os.ftruncate(writer, 0)
                os.write(writer, b"%d\n" % os.getpid())
        finally:
            os.close(writer)


def keep_fresh(file: int) -> None:
    """Set the file's time to now, if the file is ours."""
    with contextlib.suppress(OSError):
        os.utime(file)


def _open(path: Path, advice: str) -> int | None:
    """Open the file without following a link or waiting for a pipe."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise problem(path, "is a symbolic link, which is not followed") from error
        raise problem(path, "cannot be opened", error, advice) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise problem(path, "is not a regular file")
    return file


def _flock(path: Path, file: int, kind: int, advice: str = _ADVICE) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network file system without locks
        raise problem(path, "cannot be locked", error, advice) from error
    return True
