"""Applies a logging configuration file of the user, in the format of Python's logging, and undoes it."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import sys
from collections.abc import Callable
from pathlib import Path

from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.records import NAME, trace
from dynamic_dynamodb.output.wording import one_line, reason


class _Loggers:
    """The present state of all loggers, as far as a logging configuration file can change it."""

    def __init__(self) -> None:
        self._were = {one: (one.level, one.propagate, one.disabled, list(one.handlers)) for one in _loggers()}

    def restore(self) -> None:
        """Restore this state."""
        for one in _loggers():
            level, one.propagate, one.disabled, handlers = self._were.get(one, (logging.NOTSET, True, False, []))
            one.setLevel(level)
            one.handlers[:] = handlers

    def go_on(self) -> None:
        """Restore this state after fileConfig has closed the handlers; the next line opens a file again."""
        self.restore()
        for *_, handlers in self._were.values():
            for handler in handlers:
                if isinstance(handler, logging.FileHandler):
                    handler.mode = "a"  # with "w" it would not write again


def _loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict.values()
    return [logging.root, *(one for one in named if isinstance(one, logging.Logger))]


_before_file: _Loggers | None = None  # set while a logging configuration file is in force


def forget() -> None:
    """Undo the settings of a logging configuration file."""
    global _before_file  # noqa: PLW0603 - global, like the loggers
    if _before_file is not None:
        of_file = {handler for one in _loggers() for handler in one.handlers}
        _before_file.restore()
        for handler in of_file.difference(*(one.handlers for one in _loggers())):
            handler.close()
    _before_file = None


def take_over(path: str) -> None:
    global _before_file  # noqa: PLW0603
    try:
        Path(path).read_bytes()  # Python 3.10 and 3.11 treat a missing file as empty
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-config-file {path}: cannot be read: {reason(error)}"]) from error
    present = _Loggers()
    before = _before_file or present
    before.restore()  # a file does not build on the previous one, nor on log-file and log-level
    logger = logging.getLogger(NAME)
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:  # a user's file can fail in any way: sections, classes, arguments
        present.go_on()
        problem = f"log-config-file {path}: cannot be used: {type(error).__name__}: {one_line(str(error))}"
        raise ConfigError([problem]) from error
    for handler in {handler for one in _loggers() for handler in one.handlers}:
        if type(handler).handleError is logging.Handler.handleError:
            handler.handleError = _telling_once(handler)  # type: ignore[assignment, method-assign]
    _before_file = before


def _telling_once(handler: logging.Handler) -> Callable[[logging.LogRecord], None]:
    """An error handler for a handler of the user: it prints one traceback that is safe to show.

    The one of logging prints the causes of the error unmasked, and again for each line of the log.
    """
    said = False

    def tell(_record: logging.LogRecord) -> None:
        nonlocal said
        if not said:
            said = True
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{NAME}: logging fails: {type(handler).__name__}\n{trace(sys.exc_info())}\n")

    return tell
