"""Logging: one logger, `dynamic-dynamodb`, to stderr and perhaps to a file."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
from collections.abc import Mapping
from typing import Any

from dynamic_dynamodb.errors import ConfigError

NAME = "dynamic-dynamodb"
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_OLD_FILES = 5


def set_up(config: Mapping[str, Any], *, dry_run: bool) -> None:
    """Open the log as the [logging] part of the config dict says.

    Raises ConfigError where a file cannot be opened or understood.
    """
    logger = logging.getLogger(NAME)
    if dry_run:
        logger.addFilter(_mark)
    if config["log_config_file"]:
        _from_file(config["log_config_file"])
        return
    logger.setLevel(config["log_level"].upper())
    _add(logger, logging.StreamHandler())
    if config["log_file"]:
        try:
            _add(
                logger,
                logging.handlers.TimedRotatingFileHandler(
                    config["log_file"], when="midnight", backupCount=_OLD_FILES, encoding="utf-8"
                ),
            )
        except OSError as error:
            raise ConfigError(
                [f"log-file {config['log_file']}: cannot be written: {error.strerror or error}"]
            ) from error


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)


def _mark(record: logging.LogRecord) -> bool:
    """Every line of a dry run says so, whatever format a logging configuration file gives it."""
    record.msg = f"dryrun - {record.msg}"
    return True


def _from_file(path: str) -> None:
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:  # a file of the user's can go wrong in any way: sections, classes, arguments
        problem = f"log-config-file {path}: cannot be used: {type(error).__name__}: {error}"
        raise ConfigError([problem]) from error
