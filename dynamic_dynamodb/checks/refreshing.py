"""How long AWS's answers may be remembered, and how many of them are refreshed in each check."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Refreshing:
    """An answer is not used once it is `seconds` old; `interval` is the number of seconds between two checks."""

    seconds: int
    interval: int

    @property
    def in_each_check(self) -> bool:
        """Whether nothing is remembered at all, not even for a check that comes early because a schedule begins."""
        return self.seconds <= self.interval

    def is_due(self, asked: datetime, now: datetime) -> bool:
        """Whether it must be refreshed in the check that begins now."""
        return self._checks_left(asked, now) == 0

    def due(self, asked: Collection[datetime], now: datetime) -> int:
        """How many answers to refresh in the check that begins now; `asked`: their times, oldest first.

        These are all that are due, and as many more as needed so that no later check gets more than an even share.
        Answers of the same time, such as those of all tables at the start, are spread over the checks.
        """
        rounds = -(-self.seconds // self.interval)  # checks in which each answer is refreshed once
        least = 0
        for number, moment in enumerate(asked, 1):
            # `number` answers are due by that check. It and the checks before it take their shares, this one the rest.
            least = max(least, (number * rounds - self._checks_left(moment, now) * len(asked)) // rounds)
        return least

    def _checks_left(self, asked: datetime, now: datetime) -> int:
        """How many checks from now it is due: 0 in this one, also if the clock was set back."""
        age = (now - asked).total_seconds()
        if self.in_each_check or age < 0:
            return 0
        return max(0, math.ceil((self.seconds - age) / self.interval))
