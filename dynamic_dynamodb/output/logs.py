"""Logging: one logger, `dynamic-dynamodb`, to stderr and perhaps to a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import logging
import logging.config
import logging.handlers
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.terminal import painted
from dynamic_dynamodb.output.wording import one_line

NAME = "dynamic-dynamodb"
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_OLD_FILES = 5
_DATED = re.compile(r"^\d{4}-\d{2}-\d{2}(\.\w+)?$", re.ASCII)  # behind FILE and a dot; not all Pythons count DATE.2
_TO_LOCK = 5.0  # seconds: a rotation takes a moment
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}  # whatever they are: a terminal, a pipe, a file, a socket
_LIBRARIES = ("boto3", "botocore", "urllib3")


_log = logging.getLogger(NAME)


def make_safe() -> None:
    """From now on, whatever is logged in this process is safe to show, whichever handler it reaches."""
    logging.setLogRecordFactory(_Record)


class _Record(logging.LogRecord):
    """A record that is safe from its beginning: a handler or a format of the user's finds nothing else in it."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        try:
            text = self.getMessage()
        except Exception as error:  # noqa: BLE001 - logging would tell it in a traceback, with the arguments in it
            shown = self.msg if isinstance(self.msg, str) else type(self.msg).__name__
            text = f"{shown} (without its arguments: {type(error).__name__})"
        self.msg, self.args = safe(text), ()
        if self.exc_info:
            self.exc_text = _trace(self.exc_info)
            self.exc_info = None


def _trace(error: Any) -> str:
    """The traceback of what sys.exc_info() says; no line of it can be taken for a line of the log's own."""
    lines = logging.Formatter().formatException(error).splitlines()
    return "\n".join(f"  {safe(line)}" for line in lines)


def set_up(config: Mapping[str, Any], *, dry_run: bool, console: bool = True) -> None:
    """Open the log as the [logging] part of the config dict says, and close what was open before.

    `console`: on stderr, too. Raises ConfigError where a file cannot be opened
    or understood; what was open before stays in use then.
    """
    # Whatever the caller's umask, nobody else shall write into a log.
    os.umask(os.umask(_OTHERS_WRITE) | _OTHERS_WRITE)
    # What Python and boto3 warn their programmers of (a Python that is going out of support)
    # is for a logging configuration file that asks for it, not for the terminal.
    logging.captureWarnings(True)
    logger = logging.getLogger(NAME)
    if dry_run:
        logger.addFilter(_mark)
    if config["log_config_file"]:
        _from_file(config["log_config_file"])
        _quiet_libraries()
        return
    file = _file(config["log_file"]) if config["log_file"] else None
    _forget_file()
    logger.setLevel(config["log_level"].upper())
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
        if file and isinstance(old, _LogFile):
            file.lost_before(old)
    if file:
        logger.addHandler(file)
    if console and not (file and file.shown):
        logger.addHandler(_console())
    if file and not file.claim():
        _log.warning("log-file %s: another process logs to it, too; give each instance a log-file", config["log_file"])
    for doubt in doubts(config):
        _log.warning("%s", doubt)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def doubts(config: Mapping[str, Any]) -> list[str]:
    """What will go wrong with the log, though it can be written to."""
    path = config["log_file"] and not config["log_config_file"] and Path(config["log_file"]).absolute()
    if not path or not os.path.isfile(path) or _is_device(path) or _may_be_renamed(path):  # noqa: PTH113 - never raises
        return []
    return [f"log-file {path}: cannot be rotated at midnight, since its folder is not writable; it will grow"]


def _may_be_renamed(path: Path) -> bool:
    folder = path.parent.stat()
    kept = folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, path.stat().st_uid)
    return os.access(path.parent, os.W_OK | os.X_OK) and not kept


def _is_device(path: Path) -> bool:
    """A way to what is open already, as /dev/stdout is, and no file of its own that could be renamed."""
    return path.parts[1:2] in (("dev",), ("proc",)) and path.parts[2:3] != ("shm",)


def _mark(record: logging.LogRecord) -> bool:
    """Every line of a dry run says so, whatever format a logging configuration file gives it."""
    record.msg = f"dryrun - {record.msg}"
    return True


def _quiet_libraries() -> None:
    """At debug level they log whole requests and answers: session tokens, and the keys that STS hands out."""
    named = {*_LIBRARIES, *logging.root.manager.loggerDict}
    for name in sorted(named):  # so that parents come first
        logger = logging.getLogger(name) if name.partition(".")[0] in _LIBRARIES else None
        if logger is not None and logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)


# The terminal


def _console() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(_Painted(FORMAT))
    return handler


class _Painted(logging.Formatter):
    """The level in its colour, where stderr shows colours."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        level = record.levelname
        record.levelname = painted(level, level, sys.stderr)
        try:
            return super().formatMessage(record)
        finally:
            record.levelname = level  # the log file's line is made of the same record


# The log file


def _file(path: str) -> _LogFile:
    try:
        file = _LogFile(path, when="midnight", backupCount=_OLD_FILES, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-file {path}: cannot be written: {_why(error)}"]) from error
    file.extMatch = _DATED
    file.setFormatter(logging.Formatter(FORMAT))
    return file


class _LogFile(logging.handlers.TimedRotatingFileHandler):
    """The log file: rotated at midnight into FILE.YYYY-MM-DD, where that is possible; else it goes on as it is.

    While it cannot be written to (a full disk) there is one line on stderr, not a traceback for each line of the log;
    afterwards the log says how many lines were lost.
    """

    stream: Any  # logging's types know of none but its own
    _lost = 0
    _why = ""
    _rotation_failed = False  # which was said
    _renamed = False  # by us, and the new one could not be opened yet

    def lost_before(self, old: _LogFile) -> None:
        """Go on counting for a handler that this one replaces."""
        if old.baseFilename == self.baseFilename:
            self._lost, self._why = old._lost, old._why

    @property
    def shown(self) -> bool:
        """Whether it is a standard stream, so that each line is on the console already."""
        found = os.fstat(self.stream.fileno())
        if os.path.samestat(found, Path(os.devnull).stat()):
            return False
        streams = (1, 2) if _is_device(Path(self.baseFilename)) else (2,)
        return any(os.path.samestat(found, os.fstat(number)) for number in streams)

    def claim(self) -> bool:
        """Lock the file, so that others learn of us. Whether nobody else has."""
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
            return _Lines(os.dup(_STREAMS[self.baseFilename]))
        _refuse_planted(Path(self.baseFilename))
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        mode = os.fstat(file).st_mode
        if stat.S_ISREG(mode) and mode & _OTHERS_WRITE:  # it was there before
            with contextlib.suppress(PermissionError):  # somebody else's, who lets us write
                os.fchmod(file, stat.S_IMODE(mode) & ~_OTHERS_WRITE)
        return _Lines(file)

    # Midnight

    def computeRollover(self, currentTime: int) -> int:  # noqa: N802, N803 - logging's names
        """The next midnight, on days of 23 and 25 hours, too."""
        now = time.localtime(currentTime)
        midnight = int(time.mktime((now.tm_year, now.tm_mon, now.tm_mday + 1, 0, 0, 0, 0, 0, -1)))
        while midnight <= currentTime:  # there are days without a midnight
            midnight += 3600
        return midnight

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        return not _is_device(Path(self.baseFilename)) and bool(super().shouldRollover(record))

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Rename the file of the day that has ended, and begin another.

        A file is never overwritten. Where the path no longer leads to the file that is open, another process has
        rotated it, and we only follow. When the file cannot be renamed, it is not closed either.
        """
        failure = None
        ours = True
        try:
            with _alone_in(Path(self.baseFilename).parent):
                ours = self._renamed or self._in_place()
                if ours and not self._renamed:
                    self._rename()
                self._begin_another()
        except OSError as error:
            failure = error
        if self._in_place():  # else the next line tries again to open the new file
            self.rolloverAt = self.computeRollover(int(time.time()))
        if failure is not None:
            self._tell_not_rotated(failure)
        else:
            self._renamed = self._rotation_failed = False
            self._clear_up() if ours else self._tell_followed()

    def _in_place(self) -> bool:
        """Whether the path still leads to the file that is open."""
        try:
            found = Path(self.baseFilename).stat()
        except OSError:
            return False
        return self.stream is not None and os.path.samestat(found, os.fstat(self.stream.fileno()))

    def _rename(self) -> None:
        day = time.strftime(self.suffix, time.localtime(self.rolloverAt - 1))
        _rename_to_free(self.baseFilename, f"{self.baseFilename}.{day}")
        self._renamed = True

    def _begin_another(self) -> None:
        before, self.stream = self.stream, self._open()
        if before is not None:
            before.close()
        self.claim()

    def _clear_up(self) -> None:
        for surplus in self.getFilesToDelete():
            with contextlib.suppress(FileNotFoundError, PermissionError):  # another process was quicker; another's file
                os.remove(surplus)  # noqa: PTH107

    def _tell_followed(self) -> None:
        _log.warning("log-file %s: another process has rotated it; give each instance a log-file", self.baseFilename)

    def _tell_not_rotated(self, error: OSError) -> None:
        if self._rotation_failed:
            return
        self._rotation_failed = True
        if self._in_place():
            _log.warning(
                "log-file %s: cannot be rotated: %s; the log goes on in this file, and each midnight it is tried again",
                self.baseFilename,
                _why(error),
            )
        else:
            _log.warning(
                "log-file %s: the new file cannot be opened: %s; the log goes on in the old one until it can",
                self.baseFilename,
                _why(error),
            )

    # A full disk

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        if lost and lost == self._lost:
            self._lost = 0
            _log.warning("log-file %s: lines lost: %d (%s)", self.baseFilename, lost, self._why)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        self._why = safe(_why(sys.exc_info()[1]))
        self._lost += 1
        if self._lost == 1:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{NAME}: log-file {self.baseFilename}: cannot be written: {self._why}\n")


class _Lines:
    """A file that takes a line or says that it does not; nothing waits in a buffer to be written later."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._cut = False  # whether the last line has no end, since the disk was full

    def write(self, text: str) -> None:
        left = ("\n" * self._cut + text).encode("utf-8", "backslashreplace")
        while left:
            done = os.write(self._file, left)
            self._cut = done < len(left)
            left = left[done:]

    def flush(self) -> None:
        """There is nothing to do."""

    def fileno(self) -> int:
        return self._file

    def close(self) -> None:
        os.close(self._file)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
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


def _rename_to_free(path: str, dated: str) -> None:
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


def _refuse_planted(path: Path) -> None:
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
        raise PermissionError(errno.EPERM, f"it is user {owner}'s, in a folder where anybody may leave a file")


def _why(error: BaseException | None) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


# The logging configuration file


class _Loggers:
    """What all loggers are like at this moment, as far as a logging configuration file can change it."""

    def __init__(self) -> None:
        self._were = {one: (one.level, one.propagate, one.disabled, list(one.handlers)) for one in _loggers()}

    def restore(self) -> None:
        """Make them like that again."""
        for one in _loggers():
            level, one.propagate, one.disabled, handlers = self._were.get(one, (logging.NOTSET, True, False, []))
            one.setLevel(level)
            one.handlers[:] = handlers

    def go_on(self) -> None:
        """Restore them after fileConfig has closed their handlers: a file is opened again by its next line."""
        self.restore()
        for *_, handlers in self._were.values():
            for handler in handlers:
                if isinstance(handler, logging.FileHandler):
                    handler.mode = "a"  # one that was to begin an empty file ("w") would write no more


def _loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict.values()
    return [logging.root, *(one for one in named if isinstance(one, logging.Logger))]


_before_file: _Loggers | None = None  # while a logging configuration file is in force


def _forget_file() -> None:
    """Undo what a logging configuration file has set."""
    global _before_file  # noqa: PLW0603 - as global as the loggers are
    if _before_file is not None:
        of_file = {handler for one in _loggers() for handler in one.handlers}
        _before_file.restore()
        for handler in of_file.difference(*(one.handlers for one in _loggers())):
            handler.close()
    _before_file = None


def _from_file(path: str) -> None:
    global _before_file  # noqa: PLW0603
    try:
        Path(path).read_bytes()  # Python 3.10 and 3.11 take a missing file for an empty one
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-config-file {path}: cannot be read: {_why(error)}"]) from error
    present = _Loggers()
    before = _before_file or present
    before.restore()  # no file builds upon the one before it, nor upon log-file and log-level
    logger = logging.getLogger(NAME)
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:  # a file of the user's can go wrong in any way: sections, classes, arguments
        present.go_on()
        problem = f"log-config-file {path}: cannot be used: {type(error).__name__}: {one_line(str(error))}"
        raise ConfigError([problem]) from error
    for handler in {handler for one in _loggers() for handler in one.handlers}:
        if type(handler).handleError is logging.Handler.handleError:
            handler.handleError = _telling_once(handler)  # type: ignore[assignment, method-assign]
    _before_file = before


def _telling_once(handler: logging.Handler) -> Callable[[logging.LogRecord], None]:
    """What a handler of the user's that fails is worth: one traceback that is safe to show.

    logging's own way shows the errors behind the error as they stand, and for each line of the log again.
    """
    said = False

    def tell(_record: logging.LogRecord) -> None:
        nonlocal said
        if not said:
            said = True
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{NAME}: logging fails: {type(handler).__name__}\n{_trace(sys.exc_info())}\n")

    return tell
