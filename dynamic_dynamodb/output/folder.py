"""The folder of a log file, which other processes and users may write to."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

_TO_LOCK = 5.0  # seconds: a rotation takes a moment


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from rotating a log file of this folder, if the file system can lock folders.

    Raises BlockingIOError if another process holds the lock for long.
    """
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # files can be renamed in a folder that cannot be read
        yield
        return
    try:
        _lock(lock)
        yield
    finally:
        os.close(lock)


def _lock(folder: int) -> None:
    end = time.monotonic() + _TO_LOCK
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise BlockingIOError(errno.EAGAIN, "another process holds a lock on its folder") from None
            time.sleep(0.01)
        except OSError:  # a file system without such locks, such as NFS
            return


def rename_to_free(path: str, dated: str) -> None:
    """Rename the file to the name with the date, or else to the first free name of NAME.2, NAME.3 and so on."""
    for number in itertools.count(1):
        new = dated if number == 1 else f"{dated}.{number}"
        with contextlib.suppress(FileExistsError):
            _rename(path, new)
            return


def _rename(path: str, new: str) -> None:
    """Raises FileExistsError if the new name exists, even if another process creates it at this moment."""
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.rename(path, new)  # noqa: PTH104
    except BaseException:
        os.unlink(new)  # noqa: PTH108
        raise


def refuse_planted(path: Path) -> None:
    """Raises PermissionError for a file or link of another user in a folder that anybody can write to, such as /tmp.

    A link could redirect our log into another file of ours, and the owner of a file can read and change it. Linux can
    refuse both itself (fs.protected_symlinks, fs.protected_regular), without a gap between check and use, but not all
    systems have that enabled.
    """
    try:
        owner, folder = path.lstat().st_uid, path.parent.stat()
    except FileNotFoundError:
        return
    anybody = folder.st_mode & stat.S_IWOTH and folder.st_mode & stat.S_ISVTX
    if anybody and owner not in (os.geteuid(), folder.st_uid):
        raise PermissionError(errno.EPERM, f"it belongs to user {owner}, and anybody can write to its folder")
