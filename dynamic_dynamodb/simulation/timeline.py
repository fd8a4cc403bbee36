"""A value that changes in time, remembered only as long as somebody can ask for it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Generic, TypeVar

T = TypeVar("T")

_EVER = datetime.min.replace(tzinfo=timezone.utc)


class Timeline(Generic[T]):
    """The first value holds from ever on, each later one from its own instant on."""

    def __init__(self, first: T) -> None:
        self._since = [_EVER]
        self._values = [first]

    def set(self, moment: datetime, value: T) -> None:
        """From `moment` on the value is another one; whatever was to come after `moment` is cancelled."""
        keep = bisect_right(self._since, moment)
        del self._since[keep:], self._values[keep:]
        self._since.append(moment)
        self._values.append(value)

    def change(self, moment: datetime, value: T, horizon: datetime) -> None:
        """As set; and what had ended by the horizon is forgotten."""
        self.forget(horizon)
        self.set(moment, value)

    def at(self, moment: datetime) -> T:
        return self._values[self._index(moment)]

    def spans(self, start: datetime, end: datetime) -> Iterator[tuple[float, T]]:
        """(seconds, value) of each stretch between two instants."""
        if start >= self._since[-1]:  # as most of what is asked for
            yield (end - start).total_seconds(), self._values[-1]
            return
        for index in range(self._index(start), bisect_right(self._since, end)):
            begin = max(start, self._since[index])
            finish = min(end, self._since[index + 1]) if index + 1 < len(self._since) else end
            if begin < finish:
                yield (finish - begin).total_seconds(), self._values[index]

    def __iter__(self) -> Iterator[tuple[datetime, T]]:
        """Each value that is remembered, and since when it holds."""
        return zip(self._since, self._values, strict=True)

    def forget(self, before: datetime) -> None:
        """Drop what had ended by then; what is left first holds from ever on."""
        old = self._index(before)
        del self._since[:old], self._values[:old]
        self._since[0] = _EVER

    def __len__(self) -> int:
        """How many values are remembered."""
        return len(self._values)

    def _index(self, moment: datetime) -> int:
        if moment >= self._since[-1]:  # as most who ask ask for now
            return len(self._since) - 1
        return bisect_right(self._since, moment) - 1
