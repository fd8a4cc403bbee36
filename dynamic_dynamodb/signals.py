"""Signals as plain flags, and a sleep that they end.

`threading.Event.set()` in a handler that lands inside the main thread's
`Event.wait()` hangs for good (measured on Python 3.10 and 3.13), so the
handlers set a number and Python writes to a pipe that the sleep listens to.
"""

from __future__ import annotations

import os
import select
import signal
import time
from types import FrameType, TracebackType

# Told to end. Without --daemon SIGHUP means that the terminal is gone.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """A context in which the ending signals set `received` instead of ending the program."""

    def __init__(self) -> None:
        self.received: int | None = None

    def __enter__(self) -> Signals:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # What the caller had us ignore stays ignored: nohup, and scripts for their background jobs.
        minded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        self._old = {number: signal.signal(number, self._note) for number in minded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = number

    def stopping(self) -> bool:
        """Whether the program was told to end."""
        return self.received is not None

    def sleep(self, seconds: float) -> None:
        """Sleep, or return at once when the program is told to end."""
        until = time.monotonic() + seconds
        while not self.stopping():
            left = until - time.monotonic()
            if left <= 0:
                return
            if select.select([self._reader], [], [], left)[0]:
                os.read(self._reader, 1024)

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, as shells have it; 0 otherwise."""
        return 130 if self.received == signal.SIGINT else 0
