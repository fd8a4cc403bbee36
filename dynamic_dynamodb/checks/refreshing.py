"""How long what AWS said once may be remembered, and which part of it is asked for again in each check."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Refreshing:
    """Nothing is used that was asked for so many seconds ago, with so many seconds between two checks."""

    seconds: int
    interval: int

    @property
    def in_each_check(self) -> bool:
        """Whether nothing is remembered at all; a check that comes early, when a schedule begins, asks as well."""
        return self.seconds <= self.interval

    def is_due(self, asked: datetime, now: datetime) -> bool:
        """Whether it must be asked for again in the check that begins now."""
        return self._checks_left(asked, now) == 0

    def due(self, asked: Collection[datetime], now: datetime) -> int:
        """How many are asked for again in the check that begins now, of things that were asked for then, oldest first.

        All that are due, and as many more as it takes to leave no later check more than its even share: what was asked
        for at the same time, as all tables are at the start, is spread over the checks.
        """
        rounds = -(-self.seconds // self.interval)  # of checks: in each of them every thing has its turn once
        least = 0
        for number, moment in enumerate(asked, 1):
            # So many fall due up to that check. It and those before it take their shares, this one has the rest.
            least = max(least, (number * rounds - self._checks_left(moment, now) * len(asked)) // rounds)
        return least

    def _checks_left(self, asked: datetime, now: datetime) -> int:
        """How many checks from this one on it falls due: 0 in this one, as where the clock was put back."""
        age = (now - asked).total_seconds()
        if self.in_each_check or age < 0:
            return 0
        return max(0, math.ceil((self.seconds - age) / self.interval))
