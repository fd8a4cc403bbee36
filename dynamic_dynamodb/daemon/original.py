"""Recognises a running daemon of the original Dynamic DynamoDB, which uses the same pid file but no lock."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dynamic_dynamodb.daemon import proc

_NAMES = {b"dynamic-dynamodb", b"dynamic_dynamodb"}


def is_original(pid: int) -> bool:
    """Whether the process is called dynamic-dynamodb and is not ours: our processes have a lock file open."""
    try:
        words = [os.path.basename(word) for word in proc.words(pid)]  # noqa: PTH119 - of bytes
    except OSError:
        return False  # if the system does not show command lines, no process is taken for the original
    interpreted = words[0].startswith((b"python", b"pypy"))
    return not _NAMES.isdisjoint(words[: 4 if interpreted else 1]) and not _is_ours(pid)


def what_to_do(pid: int, path: Path) -> str:
    """The advice if the pid file `path` names such a process."""
    return (
        f"process {pid}, named in {path}, looks like the original Dynamic DynamoDB, and both would scale the same "
        f"tables; stop it with `kill {pid}`, then start this one. If it is something else, remove that file"
    )


def _is_ours(pid: int) -> bool:
    lock_file = re.compile(r"dynamic-dynamodb\.[A-Za-z0-9._-]+\.lock( \(deleted\))?")
    try:
        return any(lock_file.fullmatch(path.name) for path, _ in proc.open_files(pid))
    except OSError:
        return False
