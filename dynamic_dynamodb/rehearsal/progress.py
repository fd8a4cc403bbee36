"""A progress bar on a terminal. In a pipe or a file it writes nothing."""

from __future__ import annotations

import sys
from typing import TextIO

_WIDTH = 30


class Bar:
    """One line on stderr that is overwritten, and erased at the end."""

    def __init__(self, text: str, stream: TextIO | None = None, *, shows: bool = True) -> None:
        self._text = text
        self._stream = stream or sys.stderr
        self._shows = shows and self._stream.isatty()
        self._shown = -1

    def at(self, share: float) -> None:
        """Show the finished share, from 0 to 1."""
        percent = int(100 * min(max(share, 0), 1))
        if self._shows and percent != self._shown:
            self._shown = percent
            done = _WIDTH * percent // 100
            self._write(f"\r{self._text} [{'#' * done}{' ' * (_WIDTH - done)}] {percent:3d} %")

    def clear(self) -> None:
        if self._shown >= 0:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # the terminal is gone
            self._shows = False
