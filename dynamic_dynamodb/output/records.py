"""What is logged, safe to show from the record on: no secret in it, and no control character."""

from __future__ import annotations

import logging
from typing import Any

from dynamic_dynamodb.output.masking import safe

NAME = "dynamic-dynamodb"
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


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
            self.exc_text = trace(self.exc_info)
            self.exc_info = None


def trace(error: Any) -> str:
    """The traceback of what sys.exc_info() says; no line of it can be taken for a line of the log's own."""
    lines = logging.Formatter().formatException(error).splitlines()
    return "\n".join(f"  {safe(line)}" for line in lines)
