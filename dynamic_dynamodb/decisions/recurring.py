"""Peaks that come back at the same time of day: the greatest load of each 5 minutes of 15 days. Pure.

Times are UTC throughout: after a change of clocks what recurs by local time is an hour off for two days.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_MINUTES = 5  # of a slot
_DAY = 24 * 60 // _MINUTES  # slots
_KEPT = 15 * _DAY
_SCALE_OVER = 12  # slots: today is compared with the other day by the mean of the last hour
_BEFORE, _SOON, _LATER = 3, 8, 60  # minutes around this time of day
_PAIRS = ((1, 2), (7, 14))  # days ago: both of a pair must have had it, or it was a single event
_LONGEST_RUN = 10  # minutes of load that one slot's peak looks at
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


class Expected(NamedTuple):
    """A load that recurs: capacity units per minute, and the two days that had it."""

    units: float
    days: str  # "Monday and Tuesday"


class Season:
    """One axis of one target. Minutes are counted from the epoch, UTC, and come in order.

    `credit`: the minutes of provisioned capacity that burst credit is counted on for, 0 to 5.
    """

    def __init__(self, credit: float = 0.0) -> None:
        self.credit = credit
        # Single precision: 17 KB per axis, and thousands of axes may be followed.
        self._peaks = array("f", [math.nan]) * _KEPT
        self._last: int | None = None  # slot
        self._minutes: list[float] = []  # the newest, at most _LONGEST_RUN
        self._newest: int | None = None  # the minute of the last of them

    def add(self, minute: int, units: float) -> None:
        """Take in one minute: what was consumed and throttled in it. Minutes that are not newer are ignored."""
        if self._newest is not None and minute <= self._newest:
            return
        if self._newest is None or minute != self._newest + 1:
            self._minutes.clear()
        self._newest = minute
        self._minutes = [*self._minutes[1 - _LONGEST_RUN :], units]
        slot = minute // _MINUTES
        self._forget_up_to(slot)
        known = self._peaks[slot % _KEPT]
        peak = self._peak()
        self._peaks[slot % _KEPT] = peak if math.isnan(known) else max(known, peak)

    def soon(self, now: int) -> Expected | None:
        """What the next minutes will need if today is like the days before; None where those are not known."""
        return self._expected(now, _SOON)

    def later(self, now: int) -> Expected | None:
        """The same for the next hour: capacity that is about to be needed is not given up."""
        return self._expected(now, _LATER)

    def _peak(self) -> float:
        """The greatest load of the runs that end in the newest minute, with the credit to help out."""
        total, greatest = 0.0, 0.0
        for count, units in enumerate(reversed(self._minutes), 1):
            total += units
            greatest = max(greatest, total / (count + self.credit))
        return greatest

    def _forget_up_to(self, slot: int) -> None:
        """What these places of the ring held before is 15 days old."""
        first = slot if self._last is None else self._last + 1
        for gone in range(max(first, slot - _KEPT + 1), slot + 1):
            self._peaks[gone % _KEPT] = math.nan
        self._last = slot if self._last is None else max(self._last, slot)

    def _slots(self, slots: Iterable[int]) -> list[float] | None:
        """The peaks of these slots; None where one is not known."""
        last = self._last
        if last is None:
            return None
        found = [self._peaks[slot % _KEPT] if last - _KEPT < slot <= last else math.nan for slot in slots]
        return None if any(map(math.isnan, found)) else found

    def _expected(self, now: int, ahead: int) -> Expected | None:
        present = self._mean_before(now // _MINUTES)
        if present is None:
            return None
        return max(self._of_pairs(now, ahead, present), key=lambda one: one.units, default=None)

    def _of_pairs(self, now: int, ahead: int, present: float) -> Iterator[Expected]:
        for pair in _PAIRS:
            each = [self._on(now, days, ahead, present) for days in pair]
            known = [units for units in each if units is not None]
            if len(known) == len(pair):
                yield Expected(min(known), _names(now, pair))

    def _on(self, now: int, days: int, ahead: int, present: float) -> float | None:
        """The greatest load of that day around this time, scaled down where today is quieter."""
        ago = days * _DAY
        window = range((now - _BEFORE) // _MINUTES - ago, (now + ahead - 1) // _MINUTES - ago + 1)
        peaks, then = self._slots(window), self._mean_before(now // _MINUTES - ago)
        if peaks is None or then is None:
            return None
        return max(peaks) * (min(1.0, present / then) if then else 1.0)

    def _mean_before(self, slot: int) -> float | None:
        found = self._slots(range(slot - _SCALE_OVER, slot))
        return None if found is None else sum(found) / _SCALE_OVER


def _names(now: int, days: Sequence[int]) -> str:
    """The two days by name, the earlier one first; two of the same name by how long ago they were."""
    names = [_WEEKDAYS[(now // (24 * 60) - ago + _EPOCH_WEEKDAY) % 7] for ago in sorted(days, reverse=True)]
    return " and ".join(names) if names[0] != names[1] else f"the last two {names[0]}s"
