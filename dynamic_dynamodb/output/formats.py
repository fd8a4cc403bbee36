"""The two formats of a log line: text for people, JSON for programs."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from dynamic_dynamodb.output import events
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.records import FORMAT, trace
from dynamic_dynamodb.output.terminal import painted

DRY = "dryrun - "  # prefix of each line of a dry run


def formatter(form: str, *, console: bool = False) -> logging.Formatter:
    """The formatter for `log-format`."""
    if form == "json":
        return Json()
    return _Painted(FORMAT) if console else logging.Formatter(FORMAT)


class _Painted(logging.Formatter):
    """Text with the level in colour, if stderr shows colours."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        level = record.levelname
        record.levelname = painted(level, level, sys.stderr)
        try:
            return super().formatMessage(record)
        finally:
            record.levelname = level  # the log file formats the same record


class Json(logging.Formatter):
    """One JSON object per line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        traceback = record.exc_text or (trace(record.exc_info) if record.exc_info else None)
        facts = getattr(record, "facts", {})
        line = {
            "time": _utc(record.created),
            "level": record.levelname.lower(),
            "event": "message",
            "message": record.getMessage().removeprefix(DRY),
            **facts,
            **events.shared(),
            **facts,  # again: they come first and take precedence over the shared ones
        }
        # A traceback is safe to show already. It is the only text that may have several lines.
        return json.dumps({**_plain(line), **({"traceback": traceback} if traceback else {})}, allow_nan=False)


def _utc(seconds: float) -> str:
    """RFC 3339, with milliseconds."""
    moment = datetime.fromtimestamp(math.floor(seconds * 1000) / 1000, timezone.utc)
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def _plain(value: Any) -> Any:
    """The value for JSON: unknown facts are left out, text is safe to show, and numbers are finite."""
    if isinstance(value, Mapping):
        plain = {str(key): _plain(inner) for key, inner in value.items()}
        return {key: inner for key, inner in plain.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return safe(value)
    return _number(value)


def _number(value: Any) -> float | str | None:
    """A fraction or a float, rounded to a thousandth; None if it is not finite."""
    try:
        number = round(float(value), 3)
    except OverflowError:
        return None
    except (TypeError, ValueError):
        return safe(str(value))
    return number if math.isfinite(number) else None
