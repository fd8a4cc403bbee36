"""Log records that are safe to show: without secrets and control characters."""

from __future__ import annotations

import logging
from typing import Any

from dynamic_dynamodb.output.masking import safe

NAME = "dynamic-dynamodb"
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


def make_safe() -> None:
    """From now on, everything that this process logs is safe to show, in every handler."""
    logging.setLogRecordFactory(_Record)


class _Record(logging.LogRecord):
    """A record that is safe from the start, so that no handler or format of the user can show anything else."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        try:
            text = self.getMessage()
        except Exception as error:  # noqa: BLE001 - logging would print a traceback with the arguments in it
            shown = self.msg if isinstance(self.msg, str) else type(self.msg).__name__
            text = f"{shown} (without its arguments: {type(error).__name__})"
        self.msg, self.args = safe(text), ()
        if self.exc_info:
            self.exc_text = trace(self.exc_info)
            self.exc_info = None


def trace(error: Any) -> str:
    """The traceback for the result of sys.exc_info(), indented so that no line looks like a log line."""
    lines = logging.Formatter().formatException(error).splitlines()
    return "\n".join(f"  {safe(line)}" for line in lines)
