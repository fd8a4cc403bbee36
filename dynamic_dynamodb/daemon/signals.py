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
from collections.abc import Callable
from types import FrameType, TracebackType

NOTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AGAIN = 2.0  # seconds after which a signal to end is a second one: `timeout` and shells send one twice, at once
_LONGEST = 86_400.0  # seconds of one wait; select() takes no more than fits its timeval


def _nothing() -> None:
    """Unless there is something to do."""


class Signals:
    """A context in which these signals are noted instead of ending the program at once.

    All of them tell it to end; but where it `reloads`, SIGHUP tells it to read its
    configuration again. Otherwise SIGHUP means that the terminal is gone. Who
    tells it again, at least 2 s later, does not want to wait for what is under
    way: that ends it at once, with the exit code that the signal itself gives. All that is done before is
    `last_act`, which may wait for nothing: no lock, no thread, no log.

    What the caller had us ignore stays ignored: nohup, and scripts for their
    background jobs. But a daemon is spoken to by SIGTERM and SIGHUP, whoever started it.
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
                os._exit(128 + number)  # nothing else is sure to end: a thread, a lock or a buffer may be what hangs

    def reload_asked(self) -> bool:
        """Whether SIGHUP has come since this was last asked."""
        asked, self._reload = self._reload, False
        return asked

    def stopping(self) -> bool:
        """Whether the program was told to end."""
        return self.received is not None

    def sleep(self, seconds: float) -> None:
        """Sleep, or return at once when the program is told to end or to reload."""
        until = time.monotonic() + seconds
        while not self.stopping() and not self._reload:
            left = until - time.monotonic()
            if left <= 0:
                return
            if select.select([self._reader], [], [], min(left, _LONGEST))[0]:
                os.read(self._reader, 1024)

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, as shells have it; 0 otherwise."""
        return 130 if self.received == signal.SIGINT else 0
