"""CloudWatch's datapoints, computed when they are requested, from the load and the capacity of their minute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import add
from typing import NamedTuple

from dynamic_dynamodb.decisions.model import Axis, Target, Throughput
from dynamic_dynamodb.simulation.account import Account, Demand
from dynamic_dynamodb.simulation.ledger import MINUTE, Bucket, Ledger, Served, Spans, Wanted
from dynamic_dynamodb.simulation.resources import Capacity
from dynamic_dynamodb.simulation.timeline import Timeline


class _Metric(NamedTuple):
    axis: Axis
    fields: tuple[str, ...]  # of Served, added up


_METRICS = {
    "ConsumedReadCapacityUnits": _Metric("reads", ("consumed",)),
    "ConsumedWriteCapacityUnits": _Metric("writes", ("consumed",)),
    "ReadThrottleEvents": _Metric("reads", ("throttled", "key_range")),
    "WriteThrottleEvents": _Metric("writes", ("throttled", "key_range")),
    "ReadProvisionedThroughputThrottleEvents": _Metric("reads", ("throttled",)),
    "WriteProvisionedThroughputThrottleEvents": _Metric("writes", ("throttled",)),
    "ReadKeyRangeThroughputThrottleEvents": _Metric("reads", ("key_range",)),
    "WriteKeyRangeThroughputThrottleEvents": _Metric("writes", ("key_range",)),
}


def _events(units: float) -> float:
    """One event per unit. A float just below a whole number counts as that number."""
    return float(math.floor(units + 1e-6)) if units else 0.0


# Provisioned capacity is published as a level, every _PROVISIONED_EVERY minutes.
_PROVISIONED: dict[str, Axis] = {"ProvisionedReadCapacityUnits": "reads", "ProvisionedWriteCapacityUnits": "writes"}
_PROVISIONED_EVERY = 5


def whole_minute(moment: datetime) -> datetime:
    """The minute that this moment is in."""
    return moment.replace(second=0, microsecond=0)


def served(account: Account, target: Target, axis: Axis, minute: datetime) -> Served:
    """The consumed and throttled units of a minute, published or not."""
    capacity = account.find(target)
    if capacity is None:
        return Served(0.0, 0.0)
    settle(account, capacity, axis)
    known = capacity.ledgers[axis].at(minute)
    if known is not None:
        return known
    return Bucket(0, 0).serve(_wanted(account, target, axis, minute), _spans(account, capacity, axis, minute))


def settle(account: Account, capacity: Capacity, axis: Axis) -> Ledger:
    """Serve the minutes that have ended, each once, because a minute may depend on the ones before it."""
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
    """The minutes that begin in [start, end) and whose datapoints are visible now, oldest first."""
    over = account.now - timedelta(seconds=account.rules.metric_delay)  # minutes that had ended by then are visible
    horizon = account.horizon
    first = whole_minute(max(start, horizon))
    if first < horizon:
        first += MINUTE
    count = min(math.ceil((end - first) / MINUTE), (over - first) // MINUTE)
    return [first + number * MINUTE for number in range(count)]


def datapoints(
    account: Account, target: Target, metric: str, minutes: Sequence[datetime]
) -> list[tuple[datetime, float]]:
    """The 1-minute sums of these consecutive minutes. A minute without consumption or throttling has no datapoint."""
    values = _values(account, target, metric, minutes) if minutes else []
    literals = account.literals.get((target, metric))
    if literals:
        values = [literals.get(minute, value) for minute, value in zip(minutes, values, strict=True)]
    return [(minute, value) for minute, value in zip(minutes, values, strict=True) if value is not None]


def _values(account: Account, target: Target, metric: str, minutes: Sequence[datetime]) -> list[float | None]:
    """One number per minute; None if nothing is published, as for a minute without traffic."""
    capacity = account.find(target)
    if capacity is None or not (metric in _METRICS or metric in _PROVISIONED):
        return [None] * len(minutes)
    if metric in _PROVISIONED:
        return [_provisioned(capacity, _PROVISIONED[metric], minute) for minute in minutes]
    axis, fields = _METRICS[metric]
    parts = [_part(account, capacity, axis, field, minutes) for field in fields]
    values = parts[0] if len(parts) == 1 else map(add, *parts)
    return [value or None for value in values]


def _part(account: Account, capacity: Capacity, axis: Axis, field: str, minutes: Sequence[datetime]) -> Sequence[float]:
    """Consumed units, or throttled events, of these consecutive past minutes."""
    ledger = capacity.ledgers.get(axis)
    known = ledger.slice(field, minutes[0], len(minutes)) if ledger is not None else None
    if known is None:
        known = settle(account, capacity, axis).slice(field, minutes[0], len(minutes))
    if known is None:  # the ledger begins with a later minute
        known = [getattr(served(account, capacity.target, axis, minute), field) for minute in minutes]
    return known if field == "consumed" else list(map(_events, known))


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
    """The most units served per second. An on-demand table has no limit."""
    if units is None or not capped:
        return math.inf
    return units.reads if axis == "reads" else units.writes
