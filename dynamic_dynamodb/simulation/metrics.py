"""What CloudWatch knows of a minute: worked out when asked for, from the load and what was provisioned then."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import add
from typing import NamedTuple

from dynamic_dynamodb.decisions.model import Axis, Target, Throughput
from dynamic_dynamodb.simulation.account import Account, Demand
from dynamic_dynamodb.simulation.ledger import MINUTE, Bucket, Ledger, Minutes, Served, Spans, Wanted
from dynamic_dynamodb.simulation.resources import Capacity
from dynamic_dynamodb.simulation.timeline import Timeline


class _Metric(NamedTuple):
    axis: Axis
    sum: Callable[[Minutes, Minutes, Minutes], Minutes]  # of what some minutes consumed and throttled, as in Served


def _consumed(consumed: Minutes, _throttled: Minutes, _key_range: Minutes) -> Minutes:
    return consumed


def _throttled(_consumed: Minutes, throttled: Minutes, key_range: Minutes) -> Minutes:
    return list(map(add, map(_events, throttled), map(_events, key_range)))


def _by_capacity(_consumed: Minutes, throttled: Minutes, _key_range: Minutes) -> Minutes:
    return list(map(_events, throttled))


def _by_key_range(_consumed: Minutes, _throttled: Minutes, key_range: Minutes) -> Minutes:
    return list(map(_events, key_range))


def _events(units: float) -> float:
    """One event a unit; a sum of floats that is a hair below a whole number is that number."""
    return float(math.floor(units + 1e-6)) if units else 0.0


_METRICS = {
    "ConsumedReadCapacityUnits": _Metric("reads", _consumed),
    "ConsumedWriteCapacityUnits": _Metric("writes", _consumed),
    "ReadThrottleEvents": _Metric("reads", _throttled),
    "WriteThrottleEvents": _Metric("writes", _throttled),
    "ReadProvisionedThroughputThrottleEvents": _Metric("reads", _by_capacity),
    "WriteProvisionedThroughputThrottleEvents": _Metric("writes", _by_capacity),
    "ReadKeyRangeThroughputThrottleEvents": _Metric("reads", _by_key_range),
    "WriteKeyRangeThroughputThrottleEvents": _Metric("writes", _by_key_range),
}


# What is provisioned is published as it stands, once in so many minutes.
_PROVISIONED: dict[str, Axis] = {"ProvisionedReadCapacityUnits": "reads", "ProvisionedWriteCapacityUnits": "writes"}
_PROVISIONED_EVERY = 5


def whole_minute(moment: datetime) -> datetime:
    """The minute that this instant is in."""
    return moment.replace(second=0, microsecond=0)


def served(account: Account, target: Target, axis: Axis, minute: datetime) -> Served:
    """The minute's consumption and throttled units, whether published yet or not."""
    capacity = account.find(target)
    if capacity is None:
        return Served(0.0, 0.0)
    settle(account, capacity, axis)
    known = capacity.ledgers[axis].at(minute)
    if known is not None:
        return known
    return Bucket(0, 0).serve(_wanted(account, target, axis, minute), _spans(account, capacity, axis, minute))


def settle(account: Account, capacity: Capacity, axis: Axis) -> Ledger:
    """Serve the minutes that are over: each once, because it may depend on the ones before it."""
    until = whole_minute(account.now)
    ledger = capacity.ledgers.get(axis)
    if ledger is None:
        bucket = Bucket(account.rules.burst_seconds, account.rules.retry)
        ledger = capacity.ledgers[axis] = Ledger(whole_minute(capacity.since), bucket)
    if ledger.end < until:
        target = capacity.target
        ledger.settle(
            until,
            lambda minute: _wanted(account, target, axis, minute),
            lambda minute: _spans(account, capacity, axis, minute),
        )
        ledger.forget(account.horizon)
    return ledger


def _wanted(account: Account, target: Target, axis: Axis, minute: datetime) -> Wanted:
    loads, hot_keys = account.loads.get((target, axis)), account.hot_keys.get((target, axis))
    return Wanted(_demand(loads, minute), _demand(hot_keys, minute))


def _spans(account: Account, capacity: Capacity, axis: Axis, minute: datetime) -> Spans:
    end = minute + MINUTE
    capped = account.rules.capped
    return [(seconds, _limit(units, axis, capped)) for seconds, units in capacity.units.spans(minute, end)]


def visible(account: Account, start: datetime, end: datetime) -> list[datetime]:
    """The minutes that begin in [start, end), oldest first, of which something can be seen now."""
    over = account.now - timedelta(seconds=account.rules.metric_delay)  # minutes that had ended by then
    horizon = account.horizon
    first = whole_minute(max(start, horizon))
    if first < horizon:
        first += MINUTE
    count = min(math.ceil((end - first) / MINUTE), (over - first) // MINUTE)
    return [first + number * MINUTE for number in range(count)]


def datapoints(
    account: Account, target: Target, metric: str, minutes: Sequence[datetime]
) -> list[tuple[datetime, float]]:
    """The 1-minute sums of these minutes in a row; a minute in which nothing was consumed or throttled has none."""
    values = _values(account, target, metric, minutes) if minutes else []
    literals = account.literals.get((target, metric))
    if literals:
        values = [literals.get(minute, value) for minute, value in zip(minutes, values, strict=True)]
    return [(minute, value) for minute, value in zip(minutes, values, strict=True) if value is not None]


def _values(account: Account, target: Target, metric: str, minutes: Sequence[datetime]) -> list[float | None]:
    """One number a minute; None where nothing is published, as for a minute without traffic."""
    capacity = account.find(target)
    if capacity is None or not (metric in _METRICS or metric in _PROVISIONED):
        return [None] * len(minutes)
    if metric in _PROVISIONED:
        return [_provisioned(capacity, _PROVISIONED[metric], minute) for minute in minutes]
    axis, sum_ = _METRICS[metric]
    known = _settled(account, capacity, axis, minutes)
    if known is None:
        every = [served(account, target, axis, minute) for minute in minutes]
        known = [one.consumed for one in every], [one.throttled for one in every], [one.key_range for one in every]
    return [value or None for value in sum_(*known)]


def _settled(
    account: Account, capacity: Capacity, axis: Axis, minutes: Sequence[datetime]
) -> tuple[Minutes, Minutes, Minutes] | None:
    """What the ledger says of these minutes in a row, which are over; None: it has begun with a later one."""
    ledger = capacity.ledgers.get(axis)
    known = ledger.slice(minutes[0], len(minutes)) if ledger is not None else None
    return known or settle(account, capacity, axis).slice(minutes[0], len(minutes))


def _provisioned(capacity: Capacity, axis: Axis, minute: datetime) -> float | None:
    units = capacity.units.at(minute)
    if units is None or minute.minute % _PROVISIONED_EVERY:
        return None
    return float(getattr(units, axis))


def _demand(timeline: Timeline[Demand] | None, minute: datetime) -> float:
    """Units per second."""
    demand = 0.0 if timeline is None else timeline.at(minute)
    return demand(minute) if callable(demand) else demand


def _limit(units: Throughput | None, axis: Axis, capped: bool) -> float:
    """The most that is served a second; an on-demand table has no limit."""
    if units is None or not capped:
        return math.inf
    return units.reads if axis == "reads" else units.writes
