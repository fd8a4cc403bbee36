"""A logging configuration file of the user's, in the form of Python's logging: taken over, and undone."""

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


def forget() -> None:
    """Undo what a logging configuration file has set."""
    global _before_file  # noqa: PLW0603 - as global as the loggers are
    if _before_file is not None:
        of_file = {handler for one in _loggers() for handler in one.handlers}
        _before_file.restore()
        for handler in of_file.difference(*(one.handlers for one in _loggers())):
            handler.close()
    _before_file = None


def take_over(path: str) -> None:
    global _before_file  # noqa: PLW0603
    try:
        Path(path).read_bytes()  # Python 3.10 and 3.11 take a missing file for an empty one
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-config-file {path}: cannot be read: {reason(error)}"]) from error
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
                sys.stderr.write(f"{NAME}: logging fails: {type(handler).__name__}\n{trace(sys.exc_info())}\n")

    return tell
