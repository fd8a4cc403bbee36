"""The log file: writing lines, rotating it at midnight, and a full disk."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import logging.handlers
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.folder import alone_in, refuse_planted, rename_to_free
from dynamic_dynamodb.output.formats import Json, formatter
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.records import NAME
from dynamic_dynamodb.output.wording import reason

_DATED = re.compile(r"^\d{4}-\d{2}-\d{2}(\.\w+)?$", re.ASCII)  # follows FILE and a dot; not all Pythons include DATE.2
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}  # a terminal, a pipe, a file or a socket
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_log = logging.getLogger(NAME)


def open_file(path: str, form: str = "text", kept: int = 5, header: Callable[[], str] | None = None) -> LogFile:
    """`form`: text or json. `kept`: the number of old files to keep. `header`: the first line of each later file.

    Raises ConfigError.
    """
    try:
        file = LogFile(path, when="midnight", backupCount=kept, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-file {path}: cannot be written: {reason(error)}"]) from error
    file.extMatch = _DATED
    file.setFormatter(formatter(form))
    file.header = header
    return file


class LogFile(logging.handlers.TimedRotatingFileHandler):
    """The log file. It is rotated at midnight to FILE.YYYY-MM-DD; if that is not possible, it continues unchanged.

    While it cannot be written to (a full disk), there is one line on stderr, not a traceback per line of the log;
    afterwards the log says how many lines were lost.
    """

    stream: Any  # the types of logging allow only its own
    header: Callable[[], str] | None = None
    _written = False
    _lost = 0
    _why = ""
    _rotation_failed = False  # and that has been logged
    _renamed = False  # by us, and the new file could not be opened yet

    def lost_before(self, old: LogFile) -> None:
        """Take over the count of lost lines from the handler that this one replaces."""
        if old.baseFilename == self.baseFilename:
            self._lost, self._why = old._lost, old._why

    @property
    def shown(self) -> bool:
        """Whether it is a standard stream, so that the console has each line already."""
        found = os.fstat(self.stream.fileno())
        if os.path.samestat(found, Path(os.devnull).stat()):
            return False
        streams = (1, 2) if is_device(Path(self.baseFilename)) else (2,)
        return any(os.path.samestat(found, os.fstat(number)) for number in streams)

    def claim(self) -> bool:
        """Lock the file, so that other processes notice. Returns whether no other process has locked it."""
        file = self.stream.fileno()
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
        return True

    def _open(self) -> Any:
        if self.baseFilename in _STREAMS:
            return Lines(os.dup(_STREAMS[self.baseFilename]))
        refuse_planted(Path(self.baseFilename))
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        mode = os.fstat(file).st_mode
        if stat.S_ISREG(mode) and mode & OTHERS_WRITE:  # an existing file
            with contextlib.suppress(PermissionError):  # another user's file that we may write to
                os.fchmod(file, stat.S_IMODE(mode) & ~OTHERS_WRITE)
        return Lines(file)

    # Midnight

    def computeRollover(self, currentTime: int) -> int:  # noqa: N802, N803 - logging's names
        """The next midnight, also on days of 23 and 25 hours."""
        now = time.localtime(currentTime)
        midnight = int(time.mktime((now.tm_year, now.tm_mon, now.tm_mday + 1, 0, 0, 0, 0, 0, -1)))
        while midnight <= currentTime:  # there are days without a midnight
            midnight += 3600
        return midnight

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        return not is_device(Path(self.baseFilename)) and bool(super().shouldRollover(record))

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Rename the file of the day that has ended, and open a new one.

        A file is never overwritten. If the path no longer leads to the open file, another process has rotated it, and
        we only follow. If the file cannot be renamed, it is not closed either.
        """
        failure = None
        ours = True
        try:
            with alone_in(Path(self.baseFilename).parent):
                ours = self._renamed or self._in_place()
                if ours and not self._renamed:
                    self._rename()
                self._begin_another()
        except OSError as error:
            failure = error
        if self._in_place():  # otherwise the next line tries again to open the new file
            self.rolloverAt = self.computeRollover(int(time.time()))
        if failure is not None:
            self._tell_not_rotated(failure)
        else:
            self._renamed = self._rotation_failed = False
            self._begin_with_header()
            self._clear_up() if ours else self._tell_followed()

    def _begin_with_header(self) -> None:
        """Write the header as the first line of a new file. The code that opens the log writes the first header."""
        if self.header is not None and self._written and _log.isEnabledFor(logging.INFO):
            record = _log.makeRecord(NAME, logging.INFO, "", 0, self.header(), (), None)
            _log.filter(record)  # marks a dry run
            self.emit(record)

    def _in_place(self) -> bool:
        """Whether the path still leads to the open file."""
        try:
            found = Path(self.baseFilename).stat()
        except OSError:
            return False
        return self.stream is not None and os.path.samestat(found, os.fstat(self.stream.fileno()))

    def _rename(self) -> None:
        day = time.strftime(self.suffix, time.localtime(self.rolloverAt - 1))
        rename_to_free(self.baseFilename, f"{self.baseFilename}.{day}")
        self._renamed = True

    def _begin_another(self) -> None:
        before, self.stream = self.stream, self._open()
        if before is not None:
            before.close()
        self.claim()

    def _clear_up(self) -> None:
        for surplus in self.getFilesToDelete():
            with contextlib.suppress(FileNotFoundError, PermissionError):  # another process was faster; not ours
                os.remove(surplus)  # noqa: PTH107

    def _tell_followed(self) -> None:
        _log.warning(
            "log-file %s: another process has rotated it; give each instance its own log-file", self.baseFilename
        )

    def _tell_not_rotated(self, error: OSError) -> None:
        if self._rotation_failed:
            return
        self._rotation_failed = True
        if self._in_place():
            _log.warning(
                "log-file %s: cannot be rotated: %s; the log continues in this file; tried again each midnight",
                self.baseFilename,
                reason(error),
            )
        else:
            _log.warning(
                "log-file %s: the new file cannot be opened: %s; the log continues in the old file",
                self.baseFilename,
                reason(error),
            )

    # A full disk

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        self._written = True
        if lost and lost == self._lost:
            self._lost = 0
            _log.warning("log-file %s: lines lost: %d (%s)", self.baseFilename, lost, self._why)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        self._why = safe(reason(sys.exc_info()[1]))
        self._lost += 1
        if self._lost == 1:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{self._aside(f'log-file {self.baseFilename}: cannot be written: {self._why}')}\n")

    def _aside(self, text: str) -> str:
        """A line that cannot be written to the file, in the format of its lines."""
        if isinstance(self.formatter, Json):
            return self.formatter.format(_log.makeRecord(NAME, logging.ERROR, "", 0, text, (), None))
        return f"{NAME}: {text}"


class Lines:
    """A file that writes a line at once or raises OSError; nothing waits in a buffer."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._cut = False  # whether the last line has no end, because the disk was full

    def write(self, text: str) -> None:
        left = whole = ("\n" * self._cut + text).encode("utf-8", "backslashreplace")
        try:
            while left:
                done = os.write(self._file, left)
                self._cut = done < len(left)
                left = left[done:]
        except OSError:
            self._cut = self._cut and not self._taken_back(len(whole) - len(left))
            raise

    def _taken_back(self, written: int) -> bool:
        """Remove the partial line at the end of the file if possible; returns whether it was removed."""
        try:
            end = os.lseek(self._file, 0, os.SEEK_CUR)
            if end != os.fstat(self._file).st_size:  # another process has written after it
                return False
            os.ftruncate(self._file, end - written)
        except OSError:  # a pipe
            return False
        return True

    def flush(self) -> None:
        """Nothing to do."""

    def fileno(self) -> int:
        return self._file

    def close(self) -> None:
        os.close(self._file)


def is_device(path: Path) -> bool:
    """Whether the path is a name of something that is open already, like /dev/stdout, and cannot be renamed."""
    return path.parts[1:2] in (("dev",), ("proc",)) and path.parts[2:3] != ("shm",)
