"""What the system shows of another process, in /proc. Not every system has one, and not everybody may look."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import datetime, timezone
from pathlib import Path


def since(pid: int) -> datetime | None:
    """When the process began; None where the system does not show it."""
    try:
        # In clock ticks after the boot; the command before it, in parentheses, may hold anything.
        began = int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(time.time() - age, timezone.utc)


def words(pid: int) -> list[bytes]:
    """The command line of the process. Raises OSError where the system does not show it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def open_files(pid: int) -> list[tuple[Path, os.stat_result]]:
    """Path and stat of each file that the process has open. Raises OSError where the system does not show them."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append((descriptor.readlink(), descriptor.stat()))
    return found


def has_open(pid: int, file: int) -> bool:
    """Whether the process lives and has this file, of which we have a descriptor, open as well.

    Where the system does not show it, that it lives must do. Nobody may signal another user's process anyway.
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
