"""Files in a folder where anybody may put things, such as /tmp: opened, made and locked, and nothing planted is used.

A file is its path and a descriptor to read it by, which is all that flock needs.
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
    """The daemon cannot be started, stopped or looked at; one line for the user."""


def problem(path: Path, what: str, error: BaseException | None = None, advice: str = "", kind: str = "") -> DaemonError:
    """What is wrong with a file, why, and where to look."""
    kind = kind or (path.suffix[1:] if path.suffix in (".pid", ".lock") else "state")
    reason = f": {error.strerror}" if isinstance(error, OSError) else ""
    return DaemonError(f"{kind} file {path}: {what}{reason}" + (f" ({advice})" if advice else ""))


def create(path: Path, advice: str = _ADVICE) -> None:
    """An empty file, where there is nothing yet."""
    # Not without O_EXCL: in a sticky folder the kernel may refuse O_CREAT for the file of another user.
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, _MODE))
    except FileExistsError:
        pass
    except OSError as error:
        raise problem(path, "cannot be created", error, advice) from error


def replace(path: Path, content: bytes, mode: int = _PRIVATE, kind: str = "") -> None:
    """Put a new file of ours there: all of it, or what was there stays. Others may read it where `mode` says so."""
    new = path.with_name(f"{path.name}.new")
    try:
        _check_replaceable(path, kind)
        new.unlink(missing_ok=True)  # a crash may have left it
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        try:
            os.fchmod(file, mode)  # whatever the umask
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
    """A rename puts a file in the place of anything, a device or a pipe too; of a link, not of what it leads to."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise problem(path, "is not a regular file", kind=kind)


@contextlib.contextmanager
def opened(path: Path, advice: str = _ADVICE) -> Iterator[int | None]:
    """The file, for a look; None where there is none."""
    file = _open(path, advice)
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def locked(path: Path, advice: str = _ADVICE) -> int | None:
    """The file, with our lock on it; None where somebody else has one, or there is no such file."""
    file = _open(path, advice)
    if file is None or (_flock(path, file, fcntl.LOCK_EX, advice) and leads_to(path, file)):
        return file
    os.close(file)
    return None


def is_locked(path: Path, file: int) -> bool:
    """Whether somebody else has a lock like ours on the file; several may ask at the same time."""
    return not _flock(path, file, fcntl.LOCK_SH)


def leads_to(path: Path, file: int) -> bool:
    """Whether the path is this file, still."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except OSError:
        return False


def open_to_all(path: Path, file: int) -> None:
    """Give a file of ours its mode, whatever the umask; it must not be another file of ours by a second name."""
    found = os.fstat(file)
    if found.st_nlink > 1:
        raise problem(path, f"is a hard link to another file; remove it, or {_ADVICE}")
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != _MODE:
        os.fchmod(file, _MODE)


def read_pid(file: int) -> int | None:
    """The number in the file; nine digits at most, so that every system call takes it, and never 0 or less."""
    found = re.fullmatch(rb"\s*0*([1-9][0-9]{0,8})\s*", os.pread(file, 64, 0))
    return int(found[1]) if found else None


def sign(path: Path, file: int) -> None:
    """Write our pid into a file that we have locked, for whoever meets the lock; a full disk does not matter."""
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
    """Set the file's time to now; another user's stays as it is."""
    with contextlib.suppress(OSError):
        os.utime(file)


def _open(path: Path, advice: str) -> int | None:
    """No link is followed, and no pipe waited for."""
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
