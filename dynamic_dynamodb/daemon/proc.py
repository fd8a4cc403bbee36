"""What /proc shows of another process. Not every system has it, and not every user may read it."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import datetime, timezone
from pathlib import Path


def since(pid: int) -> datetime | None:
    """When the process started; None if the system does not show it."""
    try:
        # In clock ticks after the boot. The command before it, in parentheses, may contain anything.
        began = int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(time.time() - age, timezone.utc)


def words(pid: int) -> list[bytes]:
    """The command line of the process. Raises OSError if the system does not show it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def open_files(pid: int) -> list[tuple[Path, os.stat_result]]:
    """Path and stat of each file that the process has open. Raises OSError if the system does not show them."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append((descriptor.readlink(), descriptor.stat()))
    return found


def has_open(pid: int, file: int) -> bool:
    """Whether the process is alive and has the file of our descriptor open too.

    If the system does not show open files, being alive is enough: signalling another user's process fails anyway.
    """
    ours = os.fstat(file)
    try:
        return any(os.path.samestat(found, ours) for _, found in open_files(pid))
    except OSError:
        return _lives(pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
