"""Logging: one logger, `dynamic-dynamodb`, to stderr and perhaps to a file."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import logging.handlers
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynamic_dynamodb.errors import ConfigError, one_line

NAME = "dynamic-dynamodb"
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_OLD_FILES = 5


def set_up(config: Mapping[str, Any], *, dry_run: bool) -> None:
    """Open the log as the [logging] part of the config dict says.

    Raises ConfigError where a file cannot be opened or understood.
    """
    # Whatever the caller's umask, nobody else shall write into a log.
    os.umask(os.umask(0o022) | 0o022)
    # What Python and boto3 warn their programmers of (a Python that is going out of support)
    # is for a logging configuration file that asks for it, not for the terminal.
    logging.captureWarnings(True)
    logger = logging.getLogger(NAME)
    if dry_run:
        logger.addFilter(_mark)
    if config["log_config_file"]:
        _from_file(config["log_config_file"])
        return
    logger.setLevel(config["log_level"].upper())
    _add(logger, logging.StreamHandler())
    if config["log_file"]:
        _add(logger, _file(config["log_file"]))


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)


def _mark(record: logging.LogRecord) -> bool:
    """Every line of a dry run says so, whatever format a logging configuration file gives it."""
    record.msg = f"dryrun - {record.msg}"
    return True


# The log file


def _file(path: str) -> logging.Handler:
    try:
        return _LogFile(path, when="midnight", backupCount=_OLD_FILES, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-file {path}: cannot be written: {_why(error)}"]) from error


class _LogFile(logging.handlers.TimedRotatingFileHandler):
    """A file that cannot be written to is worth one line on stderr, not a traceback for each line of the log."""

    _said = False

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not self._said:
            self._said = True
            why = _why(sys.exc_info()[1])
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{NAME}: log-file {self.baseFilename}: cannot be written: {why}\n")


def _why(error: BaseException | None) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


# The logging configuration file


def _from_file(path: str) -> None:
    try:
        Path(path).read_bytes()  # Python 3.10 and 3.11 take a missing file for an empty one
    except (OSError, ValueError) as error:
        raise ConfigError([f"log-config-file {path}: cannot be read: {_why(error)}"]) from error
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:  # a file of the user's can go wrong in any way: sections, classes, arguments
        problem = f"log-config-file {path}: cannot be used: {type(error).__name__}: {one_line(str(error))}"
        raise ConfigError([problem]) from error
