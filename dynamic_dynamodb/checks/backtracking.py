"""An end to a match that takes too long: `^(a+)+$` tries all ways through a name, twice as many with each letter.

Only a signal can end it. A thread cannot: re keeps the interpreter's lock until it has an answer, but looks for signals
meanwhile (measured on Python 3.10 to 3.13).
"""

from __future__ import annotations

import re
import signal
import threading
from types import FrameType

from dynamic_dynamodb.decisions.matching import TriedBrieflyError
from dynamic_dynamodb.errors import DynamicDynamoDBError

PATIENCE = 2.0  # seconds; other matches take microseconds
_BRIEFLY = 0.01  # of processor time, for further names: a busy machine does not use it up
_SIGNALS = {signal.ITIMER_REAL: signal.SIGALRM, signal.ITIMER_VIRTUAL: signal.SIGVTALRM}


class BacktrackingError(DynamicDynamoDBError):
    """It cannot be told whether a section's expression matches a name."""

    def __init__(self, shown: str) -> None:
        super().__init__(
            f"skipped: matching this name against {shown} took more than {PATIENCE:.0f} s; "
            "rewrite the expression without nested repetition such as (a+)+"
        )


class Patience:
    """Matches names. An expression that takes too long once has no more patience: thousands of names may follow."""

    def __init__(self) -> None:
        self._slow: set[re.Pattern[str]] = set()

    def matches(self, pattern: re.Pattern[str], name: str) -> bool:
        """Like matches. Raises TriedBrieflyError, a TimeoutError, where the expression has been slow before."""
        if pattern in self._slow:
            return self._briefly(pattern, name)
        try:
            return matches(pattern, name)
        except TimeoutError:
            self._slow.add(pattern)
            raise

    @staticmethod
    def _briefly(pattern: re.Pattern[str], name: str) -> bool:
        try:
            return matches(pattern, name, _BRIEFLY, signal.ITIMER_VIRTUAL)
        except TimeoutError:
            raise TriedBrieflyError from None


def matches(
    pattern: re.Pattern[str], name: str, patience: float | None = None, timer: int = signal.ITIMER_REAL
) -> bool:
    """Whether the pattern matches from the start of the name. Raises TimeoutError where that cannot be told in time.

    Signals are the main thread's: in another one a match takes as long as it takes.
    """
    if threading.current_thread() is not threading.main_thread():
        return pattern.match(name) is not None
    answered = False

    def ring(_number: int, _frame: FrameType | None) -> None:
        if not answered:
            raise TimeoutError

    number = _SIGNALS[timer]
    before = signal.signal(number, ring)
    signal.setitimer(timer, PATIENCE if patience is None else patience)
    try:
        answer = pattern.match(name)
        answered = True
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before or signal.SIG_DFL)
    return answer is not None
