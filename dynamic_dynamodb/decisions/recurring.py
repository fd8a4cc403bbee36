"""Peaks that recur at the same time of day, from the greatest load in each 5 minutes of 15 days. Pure.

All times are UTC. So after a change of clocks, loads that recur by local time are an hour off for two days.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import NamedTuple

_MINUTES = 5  # of a slot
_DAY = 24 * 60 // _MINUTES  # slots
_KEPT = 15 * _DAY
_SCALE_OVER = 12  # slots: the mean of the last hour scales the other day to today
_BEFORE, _SOON, _LATER = 3, 8, 60  # minutes around this time of day
_PAIRS = ((1, 2), (7, 14))  # days ago: a load that only one day of a pair had was a single event
_LONGEST_RUN = 10  # minutes of load that the peak of a slot covers
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


class Expected(NamedTuple):
    """A load that recurs: capacity units per minute, and the two days that had it."""

    units: float
    days: str  # "Monday and Tuesday"


_Known = tuple[tuple[int, "int | None"], tuple["Expected | None", "Expected | None"]]


class Season:
    """One axis of one target. Minutes are counted from the epoch, UTC, and come in order.

    `credit`: how many minutes of provisioned capacity to count on as burst credit, 0 to 5.
    """

    def __init__(self, credit: float = 0.0) -> None:
        self.credit = credit
        # Single precision: 17 KB per axis, and thousands of axes may be followed.
        self._peaks = array("f", [math.nan]) * _KEPT
        self._last: int | None = None  # slot
        self._minutes: list[float] = []  # the newest, at most _LONGEST_RUN
        self._newest: int | None = None  # the minute of the last of them
        self._known: _Known = ((0, None), (None, None))

    def add(self, minute: int, units: float) -> None:
        """Take in one minute: the sum of what was consumed and throttled. Older minutes are ignored."""
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
        """What the next minutes need if today is like the earlier days; None if those are not known."""
        return self._expected(now)[0]

    def later(self, now: int) -> Expected | None:
        """The same for the next hour, so that capacity that is needed soon is not given up."""
        return self._expected(now)[1]

    def _peak(self) -> float:
        """The greatest load of all runs that end in the newest minute, reduced by the credit."""
        total, greatest = 0.0, 0.0
        for count, units in enumerate(reversed(self._minutes), 1):
            total += units
            greatest = max(greatest, total / (count + self.credit))
        return greatest

    def _forget_up_to(self, slot: int) -> None:
        """Clear the places up to this slot, because their values are 15 days old."""
        first = slot if self._last is None else self._last + 1
        for gone in range(max(first, slot - _KEPT + 1), slot + 1):
            self._peaks[gone % _KEPT] = math.nan
        self._last = slot if self._last is None else max(self._last, slot)

    def _expected(self, now: int) -> tuple[Expected | None, Expected | None]:
        """Soon and later; cached, because each check needs it more than once."""
        key = now, self._newest
        if self._known[0] != key:
            self._known = key, self._look(now)
        return self._known[1]

    def _look(self, now: int) -> tuple[Expected | None, Expected | None]:
        present = self._mean_before(now // _MINUTES)
        if present is None:
            return None, None
        soon: Expected | None = None
        later: Expected | None = None
        for pair in _PAIRS:
            one = self._on(now, pair[0], present)
            other = self._on(now, pair[1], present) if one else None
            if one is None or other is None:
                continue
            days = _names(now, pair)
            near, far = map(min, one, other)
            soon = Expected(near, days) if soon is None or near > soon.units else soon
            later = Expected(far, days) if later is None or far > later.units else later
        return soon, later

    def _on(self, now: int, days: int, present: float) -> tuple[float, float] | None:
        """The greatest load of that day around this time, soon and later; scaled down if today is quieter."""
        ago = days * _DAY
        first = (now - _BEFORE) // _MINUTES - ago
        hour = self._places(first, (now + _LATER - 1) // _MINUTES - ago)
        then = self._mean_before(now // _MINUTES - ago)
        if hour is None or then is None:
            return None
        soon = (now + _SOON - 1) // _MINUTES - ago - first + 1
        near, far = max(hour[:soon]), max(hour)
        scale = min(1.0, present / then) if then else 1.0
        return near * scale, far * scale

    def _places(self, first: int, last: int) -> list[float] | None:
        """The peaks of these slots, both included; None if one is not known or older than 15 days."""
        newest = self._last
        if newest is None or first <= newest - _KEPT or last > newest:
            return None
        begin, end = first % _KEPT, last % _KEPT + 1
        found = list(self._peaks[begin:end] if begin < end else self._peaks[begin:] + self._peaks[:end])
        return None if math.isnan(sum(found)) else found  # an unknown peak is NaN

    def _mean_before(self, slot: int) -> float | None:
        found = self._places(slot - _SCALE_OVER, slot - 1)
        return None if found is None else sum(found) / _SCALE_OVER


def _names(now: int, days: Sequence[int]) -> str:
    """The names of the two days, the earlier one first; if the names are the same, "the last two Mondays"."""
    names = [_WEEKDAYS[(now // (24 * 60) - ago + _EPOCH_WEEKDAY) % 7] for ago in sorted(days, reverse=True)]
    return " and ".join(names) if names[0] != names[1] else f"the last two {names[0]}s"
