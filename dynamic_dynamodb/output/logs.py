"""Logging: one logger, `dynamic-dynamodb`, to stderr and optionally to a file."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dynamic_dynamodb.output import events, logconfig
from dynamic_dynamodb.output.formats import DRY, formatter
from dynamic_dynamodb.output.logfile import OTHERS_WRITE, LogFile, is_device, open_file
from dynamic_dynamodb.output.records import FORMAT, NAME, make_safe

__all__ = ["FORMAT", "NAME", "doubts", "make_safe", "set_up"]

_LIBRARIES = ("boto3", "botocore", "urllib3")

_log = logging.getLogger(NAME)


def set_up(
    config: Mapping[str, Any], *, dry_run: bool, console: bool = True, header: Callable[[], str] | None = None
) -> None:
    """Open the log according to the [logging] part of the config dict, and close the previous one.

    `console`: log to stderr too. `header`: the first line of each file after a rotation.
    Raises ConfigError if a file cannot be opened or understood; the previous log stays in use then.
    """
    # Regardless of the caller's umask, other users must not write to a log.
    os.umask(os.umask(OTHERS_WRITE) | OTHERS_WRITE)
    # Python and boto3 warn programmers, for example of an old Python. These warnings are for a
    # logging configuration file that asks for them, not for the terminal.
    logging.captureWarnings(True)
    logger = logging.getLogger(NAME)
    if dry_run:
        logger.addFilter(_mark)
    if config["log_config_file"]:
        logconfig.take_over(config["log_config_file"])
        _quiet_libraries()
        events.want(False)
        return
    form = config["log_format"]
    kept = config["log_backup_count"]
    file = open_file(config["log_file"], form, kept, header) if config["log_file"] else None
    events.want(form == "json")
    logconfig.forget()
    logger.setLevel(config["log_level"].upper())
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
        if file and isinstance(old, LogFile):
            file.lost_before(old)
    if file:
        logger.addHandler(file)
    if console and not (file and file.shown):
        logger.addHandler(_console(form))
    if file and not file.claim():
        _log.warning(
            "log-file %s: another process also logs to it; give each instance its own log-file", config["log_file"]
        )
    for doubt in doubts(config):
        _log.warning("%s", doubt)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def doubts(config: Mapping[str, Any]) -> list[str]:
    """Problems that a log will have although it can be written to."""
    path = config["log_file"] and not config["log_config_file"] and Path(config["log_file"]).absolute()
    if not path or not os.path.isfile(path) or is_device(path) or _may_be_renamed(path):  # noqa: PTH113 - never raises
        return []
    return [f"log-file {path}: cannot be rotated at midnight, because its folder is not writable; it will keep growing"]


def _may_be_renamed(path: Path) -> bool:
    folder = path.parent.stat()
    kept = folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, path.stat().st_uid)
    return os.access(path.parent, os.W_OK | os.X_OK) and not kept


def _mark(record: logging.LogRecord) -> bool:
    """Mark every line of a dry run, whatever format a logging configuration file sets."""
    record.msg = f"{DRY}{record.msg}"
    return True


def _quiet_libraries() -> None:
    """Keep AWS's libraries from logging at debug level: whole requests and answers, with session tokens and keys."""
    named = {*_LIBRARIES, *logging.root.manager.loggerDict}
    for name in sorted(named):  # so that parents come first
        logger = logging.getLogger(name) if name.partition(".")[0] in _LIBRARIES else None
        if logger is not None and logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)


# The terminal


def _console(form: str) -> logging.Handler:
    handler = _Console()
    handler.setFormatter(formatter(form, console=True))
    return handler


class _Console(logging.StreamHandler):  # type: ignore[type-arg]  # Python 3.10 does not accept [TextIO] here
    """Stderr. If it cannot be written to, there is no other place to report it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing, instead of writing a traceback to stderr."""
