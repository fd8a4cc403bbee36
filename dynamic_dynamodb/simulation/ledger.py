"""How much of the demand of each past minute was served. A minute depends on the ones before it."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from operator import add
from typing import NamedTuple

MINUTE = timedelta(minutes=1)

# (seconds, units per second): the capacity in the parts of a minute.
Spans = Iterable[tuple[float, float]]


class Wanted(NamedTuple):
    """The load of one minute, per second."""

    units: float
    hot: float  # the part of them above what one key range can serve


class Served(NamedTuple):
    """How the demand of one minute was served, in units."""

    consumed: float
    throttled: float  # for lack of capacity
    key_range: float = 0.0  # throttled because a key range was too hot

    @property
    def all_throttled(self) -> float:
        return self.throttled + self.key_range


class Bucket:
    """Burst capacity: at most `seconds` seconds of unused capacity. It also keeps the demand that clients retry."""

    def __init__(self, seconds: float, retry: float) -> None:
        self._seconds = seconds
        self._retry = retry
        self.credit = 0.0  # units
        self.back = 0.0  # units per second of this minute that were throttled in the one before

    def serve(self, wanted: Wanted, spans: Spans) -> Served:
        """Serve one minute."""
        hot = min(wanted.hot, wanted.units)
        demand = wanted.units - hot + self.back
        consumed = throttled = 0.0
        for seconds, units in spans:
            asked, granted = demand * seconds, units * seconds
            if units < math.inf:
                self.credit = min(self.credit, self._seconds * units)
            if asked <= granted:
                consumed += asked
                self._keep(granted - asked, units)
            else:
                spent = min(self.credit, asked - granted)
                consumed += granted + spent
                throttled += asked - granted - spent
                self._keep(-spent, units)
        self.back = self._retry * (throttled / 60 + hot)
        return Served(consumed, throttled, hot * 60)

    def _keep(self, unused: float, units: float) -> None:
        if units < math.inf:
            self.credit = min(self.credit + unused, self._seconds * units)


class Ledger:
    """The minutes of one axis of a table or index, from `first` on. Each is served once, in order."""

    def __init__(self, first: datetime, bucket: Bucket) -> None:
        self._first = first
        self._bucket = bucket
        self.consumed = array("d")  # units of each minute
        self.throttled = array("d")
        self.key_range = array("d")

    @property
    def end(self) -> datetime:
        """The first minute that is not settled."""
        return self._first + len(self.consumed) * MINUTE

    def settle(self, until: datetime, wanted: Callable[[datetime], Wanted], spans: Callable[[datetime], Spans]) -> None:
        """Serve all minutes that begin before `until`."""
        minute = self.end
        while minute < until:
            consumed, throttled, key_range = self._bucket.serve(wanted(minute), spans(minute))
            self.consumed.append(consumed)
            self.throttled.append(throttled)
            self.key_range.append(key_range)
            minute += MINUTE

    def forget(self, before: datetime) -> None:
        """Drop the minutes that began before `before`, if they are many."""
        old = (before - self._first) // MINUTE
        if old > max(len(self.consumed) / 2, 1000):
            for series in (self.consumed, self.throttled, self.key_range):
                del series[:old]
            self._first += old * MINUTE

    def __len__(self) -> int:
        """The number of minutes that are remembered."""
        return len(self.consumed)

    def all_throttled(self) -> array[float]:
        """Units throttled in each minute, for lack of capacity and by key ranges that are too hot."""
        return array("d", map(add, self.throttled, self.key_range))

    def slice(self, field: str, first: datetime, count: int) -> Sequence[float] | None:
        """One field of Served for `count` consecutive minutes, or None if not all of them are settled."""
        begin = (first - self._first) // MINUTE
        end = begin + count
        if begin < 0 or end > len(self.consumed):
            return None
        series: array[float] = getattr(self, field)
        return series[begin:end]

    def at(self, minute: datetime) -> Served | None:
        """How one minute was served, or None if it is not settled or before the first."""
        number = (minute - self._first) // MINUTE
        if 0 <= number < len(self.consumed):
            return Served(self.consumed[number], self.throttled[number], self.key_range[number])
        return None
