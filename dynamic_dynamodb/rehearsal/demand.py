"""The demand on each table and index, minute by minute, and the capacity that it really had."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dynamic_dynamodb.decisions.model import STANDARD, Target

MINUTE = timedelta(minutes=1)

if TYPE_CHECKING:
    Minutes = array[float]  # units per second, one number per minute
Pair = tuple["Minutes", "Minutes"]  # of reads and of writes


@dataclass(frozen=True)
class Recorded:
    """The real capacity and throttling of a table or index. An unknown minute is NaN."""

    provisioned: Pair
    throttled: Pair  # events per second, key ranges included


@dataclass(frozen=True)
class Load:
    """The demand of one table or index.

    Throttled events are part of it, one unit per event. `hot` is the part that one key range could not serve, so that
    no capacity would have helped.
    """

    target: Target
    demand: Pair
    hot: Pair | None = None
    recorded: Recorded | None = None
    on_demand: bool = False  # in reality; the rehearsal treats it as provisioned
    table_class: str = STANDARD
    replicated: bool = False  # a global table: AWS manages its writes
    place: str = ""  # FILE:LINE of its first row

    def servable(self, axis: int) -> Minutes:
        """The demand that capacity can serve: all except what a key range is too hot for."""
        if self.hot is None:
            return self.demand[axis]
        return array("d", (max(0.0, all_ - hot) for all_, hot in zip(self.demand[axis], self.hot[axis], strict=True)))


@dataclass(frozen=True)
class Demand:
    """All loads of one rehearsal, over the same minutes."""

    source: str  # as the user wrote it
    start: datetime
    minutes: int
    loads: tuple[Load, ...]
    gap_minutes: int = 0  # missing minutes, which have the value before them; of all loads
    region: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def end(self) -> datetime:
        return self.start + self.minutes * MINUTE


def ceiling(units: float) -> int:
    """Whole units, rounded up without the noise of binary fractions: 70 / .7 is 100, not 101."""
    return math.ceil(round(units, 9))


def first_known(series: Sequence[float]) -> float | None:
    """The first number of a series that is known and above 0."""
    return next((value for value in series if value > 0), None)
