"""The folder of a log file, which other processes and other users may write to as well."""

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
    """While no other process that logs to a file of this folder rotates it, as far as folders can be locked there.

    Raises BlockingIOError where somebody holds the lock for long.
    """
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # names can be changed in a folder that cannot be read
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
        except OSError:  # a file system without such locks, as NFS
            return


def rename_to_free(path: str, dated: str) -> None:
    """Give the file the name with the date, or else the first free one of NAME.2, NAME.3 and so on."""
    for number in itertools.count(1):
        new = dated if number == 1 else f"{dated}.{number}"
        with contextlib.suppress(FileExistsError):
            _rename(path, new)
            return


def _rename(path: str, new: str) -> None:
    """Raises FileExistsError where there is such a file, also one that another process makes at this moment."""
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.rename(path, new)  # noqa: PTH104
    except BaseException:
        os.unlink(new)  # noqa: PTH108
        raise


def refuse_planted(path: Path) -> None:
    """Raises PermissionError for a file or a link that another user left where anybody may leave one, as in /tmp.

    A link would lead what we write into a file of ours; a file of another's is that user's to read and to change.
    Linux can refuse both itself (fs.protected_symlinks, fs.protected_regular), and then without a moment between
    look and use; not all systems have that switched on.
    """
    try:
        owner, folder = path.lstat().st_uid, path.parent.stat()
    except FileNotFoundError:
        return
    anybody = folder.st_mode & stat.S_IWOTH and folder.st_mode & stat.S_ISVTX
    if anybody and owner not in (os.geteuid(), folder.st_uid):
        raise PermissionError(errno.EPERM, f"it belongs to user {owner}, and anybody can write to its folder")
