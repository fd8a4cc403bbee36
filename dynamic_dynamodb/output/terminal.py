"""Output outside the log, and its colours, which only a terminal gets.

`--help` and `--version` import this module, so it imports as little as possible.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import TextIO

PROGRAM = "dynamic-dynamodb"
_COLOURS = {"error": "1;31", "warning": "33"}  # SGR: bold red, yellow


def tell(text: str, level: str = "") -> None:
    """Print one line on stderr, safe to show, prefixed with the program's name; `level`: "error", "warning" or ""."""
    from dynamic_dynamodb.output.masking import safe  # noqa: PLC0415 - --help and --version do not need it

    marked = f"{painted(f'{level}:', level, sys.stderr)} " if level else ""
    try:
        sys.stderr.write(f"{PROGRAM}: {marked}{safe(text)}\n")
    except OSError:  # the reader is gone; the exit code still reports the failure
        return


def painted(text: str, level: str, stream: "TextIO") -> str:
    """The text in the colour of its level, in any letter case, if it has one and the stream shows colours."""
    colour = _COLOURS.get(level.lower())
    return f"\033[{colour}m{text}\033[0m" if colour and _shows_colours(stream) else text


def _shows_colours(stream: "TextIO") -> bool:
    """Whether it is a terminal that shows colours; NO_COLOR with any text disables them (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
