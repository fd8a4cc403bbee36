"""What CloudWatch knows of a minute: worked out when asked for, from the load and what was provisioned then."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from dynamic_dynamodb.decisions.model import Axis, Target, Throughput
from dynamic_dynamodb.simulation.account import Account, Demand
from dynamic_dynamodb.simulation.timeline import Timeline

MINUTE = timedelta(minutes=1)


class Served(NamedTuple):
    """What became of the demand of one minute."""

    consumed: float  # units
    throttled: int  # events, one a unit, for want of capacity
    key_range: int = 0  # events, one a unit, of a key range that is too hot

    @property
    def all_throttled(self) -> int:
        return self.throttled + self.key_range


_METRICS: dict[str, tuple[Axis, Callable[[Served], float]]] = {
    "ConsumedReadCapacityUnits": ("reads", attrgetter("consumed")),
    "ConsumedWriteCapacityUnits": ("writes", attrgetter("consumed")),
    "ReadThrottleEvents": ("reads", attrgetter("all_throttled")),
    "WriteThrottleEvents": ("writes", attrgetter("all_throttled")),
    "ReadProvisionedThroughputThrottleEvents": ("reads", attrgetter("throttled")),
    "WriteProvisionedThroughputThrottleEvents": ("writes", attrgetter("throttled")),
    "ReadKeyRangeThroughputThrottleEvents": ("reads", attrgetter("key_range")),
    "WriteKeyRangeThroughputThrottleEvents": ("writes", attrgetter("key_range")),
}


def whole_minute(moment: datetime) -> datetime:
    """The minute that this instant is in."""
    return moment.replace(second=0, microsecond=0)


def served(account: Account, target: Target, axis: Axis, minute: datetime) -> Served:
    """The minute's consumption and throttled events, whether published yet or not."""
    capacity = account.find(target)
    if capacity is None:
        return Served(0.0, 0, 0)
    wanted = _demand(account.loads.get((target, axis)), minute)
    hot = min(wanted, _demand(account.hot_keys.get((target, axis)), minute))
    demand = wanted - hot
    consumed = throttled = 0.0
    for seconds, units in capacity.units.spans(minute, minute + MINUTE):
        granted = min(demand, _limit(units, axis, account.rules.capped))
        consumed += granted * seconds
        throttled += (demand - granted) * seconds
    return Served(consumed, math.floor(throttled), math.floor(hot * 60))


def datapoints(
    account: Account, target: Target, metric: str, start: datetime, end: datetime
) -> Iterator[tuple[datetime, float]]:
    """The 1-minute sums that can be seen now, of the minutes that begin in [start, end), oldest first."""
    visible = account.now - timedelta(seconds=account.rules.metric_delay) - MINUTE
    horizon = account.horizon
    minute = whole_minute(start)
    while minute < end and minute <= visible:
        value = _sum(account, target, metric, minute) if minute >= horizon else None
        if value is not None:
            yield minute, value
        minute += MINUTE


def _sum(account: Account, target: Target, metric: str, minute: datetime) -> float | None:
    """One datapoint; None where nothing is published: a minute without traffic."""
    literals = account.literals.get((target, metric), {})
    if minute in literals:
        return literals[minute]
    if metric not in _METRICS:
        return None
    axis, which = _METRICS[metric]
    return float(which(served(account, target, axis, minute))) or None


def _demand(timeline: Timeline[Demand] | None, minute: datetime) -> float:
    """Units per second."""
    demand = 0.0 if timeline is None else timeline.at(minute)
    return demand(minute) if callable(demand) else demand


def _limit(units: Throughput | None, axis: Axis, capped: bool) -> float:
    """The most that is served a second; an on-demand table has no limit."""
    if units is None or not capped:
        return math.inf
    return units.reads if axis == "reads" else units.writes
