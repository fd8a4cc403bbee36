"""The state file, which a process writes for the next one and for `status`. JSON, readable by its owner only.

One process at a time uses it: the one that has locked FILE.lock, which is never removed, like the lock of a pid file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dynamic_dynamodb.daemon import files

VERSION = 1
_LARGEST = 64 * 2**20  # bytes; 2,000 tables with an index each take less than 1 MB
_OTHERS_WRITE = 0o022


def read(path: Path, owner: int, advice: str = "") -> dict[str, Any] | None:
    """The document that `write` has put there, in a file of this user; None if there is no file.

    Raises DaemonError if the file is anything else and cannot be trusted. `advice`: which option names it.
    """
    with files.opened(path, advice) as file:
        if file is None:
            return None
        found = os.fstat(file)
        if found.st_uid != owner:
            raise files.problem(path, f"belongs to user {found.st_uid}")
        if found.st_mode & _OTHERS_WRITE:
            raise files.problem(path, f"can be written to by others (mode {found.st_mode & 0o777:04o})")
        if found.st_size > _LARGEST:
            raise files.problem(path, f"is larger than {_LARGEST // 2**20} MB")
        with open(file, "rb", closefd=False) as reader:
            return _parsed(path, reader.read(_LARGEST))


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise files.problem(path, "is not JSON written by this program")
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise files.problem(path, "was written by a newer release")
    if version != VERSION:
        raise files.problem(path, "is not a state file of this program")
    return document


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the state file atomically. Raises DaemonError; the old one is unchanged then."""
    text = json.dumps({"version": VERSION, **document}, separators=(",", ":"), allow_nan=False)
    files.replace(path, text.encode())


class Lock:
    """FILE.lock, held by this process. Raises DaemonError if another process has it."""

    def __init__(self, path: Path, advice: str) -> None:
        self._state = path
        self._path = path.with_name(f"{path.name}.lock")
        self._advice = advice
        self._file = self._take()

    def _take(self) -> int:
        files.create(self._path, self._advice)
        file = files.locked(self._path, self._advice)
        if file is None:
            raise files.problem(self._state, f"{self._holder()} is using it, so this process makes no checks")
        files.sign(self._path, file)
        return file

    def _holder(self) -> str:
        with files.opened(self._path, self._advice) as file:
            pid = None if file is None else files.read_pid(file)
        return f"process {pid}" if pid else "another process"

    def check(self) -> None:
        """Raises DaemonError if the file was removed and another process has made its own."""
        if os.path.lexists(self._path) and not files.leads_to(self._path, self._file):
            raise files.problem(self._state, f"{self._holder()} is using it")

    def renew(self) -> None:
        """Keep the file's time fresh, and put the file back if it was removed. Raises DaemonError."""
        if files.leads_to(self._path, self._file):
            files.keep_fresh(self._file)
        else:
            old, self._file = self._file, self._take()
            os.close(old)

    def release(self) -> None:
        os.close(self._file)


@contextlib.contextmanager
def held(path: Path, advice: str) -> Iterator[Lock]:
    """Hold the state file. Raises DaemonError if another process has it."""
    lock = Lock(path, advice)
    try:
        yield lock
    finally:
        lock.release()
