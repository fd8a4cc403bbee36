"""What the program says outside its log, and in which colour: none, unless a person is looking.

`--help` and `--version` import this module, so it imports next to nothing.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import TextIO

PROGRAM = "dynamic-dynamodb"
_COLOURS = {"error": "1;31", "warning": "33"}  # SGR: bold red, yellow


def tell(text: str, level: str = "") -> None:
    """One line on stderr, made safe to show, the program's name before it; `level` is "error", "warning" or nothing."""
    from dynamic_dynamodb.output.masking import safe  # noqa: PLC0415 - nothing that --help and --version need

    marked = f"{painted(f'{level}:', level, sys.stderr)} " if level else ""
    try:
        sys.stderr.write(f"{PROGRAM}: {marked}{safe(text)}\n")
    except OSError:  # a reader who has gone; the exit code tells all the same
        return


def painted(text: str, level: str, stream: "TextIO") -> str:
    """The text in the colour of its level (of any letter case), if it has one and the stream shows colours."""
    colour = _COLOURS.get(level.lower())
    return f"\033[{colour}m{text}\033[0m" if colour and _shows_colours(stream) else text


def _shows_colours(stream: "TextIO") -> bool:
    """Only a terminal does, and not where its owner says no (no-color.org: any text at all)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
