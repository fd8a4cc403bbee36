"""Signals as plain flags, and a sleep that they end.

`threading.Event.set()` in a handler that interrupts the main thread in
`Event.wait()` hangs forever (measured on Python 3.10 and 3.13), so the handlers
set a number, and Python writes to a pipe that the sleep listens to.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType

NOTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AGAIN = 2.0  # seconds after which a signal counts as a second one: `timeout` and shells send one twice at once
_LONGEST = 86_400.0  # seconds of one wait; select() accepts only what fits into its timeval


def _nothing() -> None:
    """The default last act."""


class Signals:
    """A context in which these signals are noted instead of ending the program at once.

    Each of them ends the program, except that with `reloads` SIGHUP makes it read its configuration again. Without
    `reloads`, SIGHUP means that the terminal is gone. A second signal, at least 2 s after the first, ends the program
    at once, with the exit code of that signal. Only `last_act` is done before that; it must not wait for anything: no
    lock, no thread, no log.

    A signal that the caller ignores stays ignored, as with nohup and background jobs of scripts. But with `reloads`,
    that is in a daemon, SIGTERM and SIGHUP are always handled.
    """

    def __init__(self, *, reloads: bool = False) -> None:
        self._reloads = reloads
        self._reload = False
        self.last_act: Callable[[], None] = _nothing
        self.received: int | None = None
        self._first = 0.0  # when it was received, on the monotonic clock

    def __enter__(self) -> Signals:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._note) for number in NOTED if self._minds(number)}
        return self

    def _minds(self, number: int) -> bool:
        return (self._reloads and number != signal.SIGINT) or signal.getsignal(number) is not signal.SIG_IGN

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._reloads:
            self._reload = True
        elif self.received is None:
            self.received, self._first = number, time.monotonic()
        elif time.monotonic() - self._first >= _AGAIN:
            try:
                self.last_act()
            finally:
                os._exit(128 + number)  # any other exit may hang too: on a thread, a lock or a buffer

    def reload_asked(self) -> bool:
        """Whether SIGHUP has come since the last call."""
        asked, self._reload = self._reload, False
        return asked

    def stopping(self) -> bool:
        """Whether a signal to end has come."""
        return self.received is not None

    def sleep(self, seconds: float) -> None:
        """Sleep; return at once when a signal to end or to reload comes."""
        until = time.monotonic() + seconds
        while not self.stopping() and not self._reload:
            left = until - time.monotonic()
            if left <= 0:
                return
            if select.select([self._reader], [], [], min(left, _LONGEST))[0]:
                os.read(self._reader, 1024)

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, as in shells; 0 otherwise."""
        return 130 if self.received == signal.SIGINT else 0
