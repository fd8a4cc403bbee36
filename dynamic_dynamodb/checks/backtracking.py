"""Ends matches that take too long: `^(a+)+$` tries all ways through a name, and each letter doubles their number.

Only a signal can end such a match. A thread cannot: re holds the interpreter's lock until it has an answer, but checks
for signals (measured on Python 3.10 to 3.13).
"""

from __future__ import annotations

import re
import signal
import threading
from types import FrameType

from dynamic_dynamodb.decisions.matching import TriedBrieflyError
from dynamic_dynamodb.errors import DynamicDynamoDBError

PATIENCE = 2.0  # seconds; other matches take microseconds
_BRIEFLY = 0.01  # seconds of processor time for further names, so that a busy machine does not use it up
_SIGNALS = {signal.ITIMER_REAL: signal.SIGALRM, signal.ITIMER_VIRTUAL: signal.SIGVTALRM}


class BacktrackingError(DynamicDynamoDBError):
    """It is not known whether a section's expression matches a name."""

    def __init__(self, shown: str) -> None:
        super().__init__(
            f"skipped: matching this name against {shown} took more than {PATIENCE:.0f} s; "
            "rewrite the expression without nested repetition such as (a+)+"
        )


class Patience:
    """Matches names. After an expression was slow once, it gets little time, because thousands of names may follow."""

    def __init__(self) -> None:
        self._slow: set[re.Pattern[str]] = set()

    def matches(self, pattern: re.Pattern[str], name: str) -> bool:
        """As the function matches. Raises TriedBrieflyError, a TimeoutError, if the expression has been slow before."""
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
    """Whether the pattern matches from the start of the name. Raises TimeoutError if this takes too long.

    Only the main thread gets signals. In another thread there is no time limit.
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
