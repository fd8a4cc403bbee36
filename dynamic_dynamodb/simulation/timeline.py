"""A value that changes over time, and is remembered only as long as it can be needed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Generic, TypeVar

T = TypeVar("T")

_EVER = datetime.min.replace(tzinfo=timezone.utc)


class Timeline(Generic[T]):
    """The first value has always held; each later one holds from its moment on."""

    def __init__(self, first: T) -> None:
        self._since = [_EVER]
        self._values = [first]

    def set(self, moment: datetime, value: T) -> None:
        """Set the value from `moment` on. Changes that were set for later moments are cancelled."""
        keep = bisect_right(self._since, moment)
        del self._since[keep:], self._values[keep:]
        self._since.append(moment)
        self._values.append(value)

    def change(self, moment: datetime, value: T, horizon: datetime) -> None:
        """As `set`, and forget the values that had ended by the horizon."""
        self.forget(horizon)
        self.set(moment, value)

    def at(self, moment: datetime) -> T:
        return self._values[self._index(moment)]

    def spans(self, start: datetime, end: datetime) -> Iterator[tuple[float, T]]:
        """(seconds, value) of each part of the time between two moments."""
        if start >= self._since[-1]:  # the usual case
            yield (end - start).total_seconds(), self._values[-1]
            return
        for index in range(self._index(start), bisect_right(self._since, end)):
            begin = max(start, self._since[index])
            finish = min(end, self._since[index + 1]) if index + 1 < len(self._since) else end
            if begin < finish:
                yield (finish - begin).total_seconds(), self._values[index]

    def __iter__(self) -> Iterator[tuple[datetime, T]]:
        """Each remembered value with the moment from which it holds."""
        return zip(self._since, self._values, strict=True)

    def forget(self, before: datetime) -> None:
        """Drop the values that had ended by then. The first remaining value then has always held."""
        old = self._index(before)
        del self._since[:old], self._values[:old]
        self._since[0] = _EVER

    def __len__(self) -> int:
        """The number of remembered values."""
        return len(self._values)

    def _index(self, moment: datetime) -> int:
        if moment >= self._since[-1]:  # the usual case: now
            return len(self._since) - 1
        return bisect_right(self._since, moment) - 1
