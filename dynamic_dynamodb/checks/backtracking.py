"""An end to a match that takes too long: `^(a+)+$` tries all ways through a name, twice as many with each letter.

Only a signal can end it. A thread cannot: re keeps the interpreter's lock until it has an answer, but looks for signals
meanwhile (measured on Python 3.10 to 3.13).
"""

from __future__ import annotations

import re
import signal
import threading
from types import FrameType

PATIENCE = 2.0  # seconds; other matches take microseconds


def matches(pattern: re.Pattern[str], name: str) -> bool:
    """Whether the pattern matches from the start of the name. Raises TimeoutError where that cannot be told in time.

    Signals are the main thread's: in another one a match takes as long as it takes.
    """
    if threading.current_thread() is not threading.main_thread():
        return pattern.match(name) is not None
    answered = False

    def ring(_number: int, _frame: FrameType | None) -> None:
        if not answered:
            raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        answer = pattern.match(name)
        answered = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
    return answer is not None
