"""CloudWatch -> Usage: what was consumed and throttled in the look-back window.

The metrics (namespace AWS/DynamoDB) are 1-minute sums; CloudWatch publishes
nothing for a minute without traffic, so no datapoint means nothing consumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.series import Metrics, Query, Series, minute_of
from dynamic_dynamodb.decisions.model import AXES, Axis, Resource, Target, Usage

DOLLARS_A_METRIC = 0.01 / 1000  # of either call, asked for alone or with others; us-east-1, 2025

CONSUMED: dict[Axis, str] = {"reads": "ConsumedReadCapacityUnits", "writes": "ConsumedWriteCapacityUnits"}
THROTTLED: dict[Axis, str] = {"reads": "ReadThrottleEvents", "writes": "WriteThrottleEvents"}


@dataclass(frozen=True)
class Request:
    """What to measure of one target: a window in minutes, and the axes whose throttled events matter."""

    resource: Resource
    start: int  # the window begins this many minutes before now
    period: int  # and is this long
    throttled: tuple[Axis, ...] = ()
    increased: Mapping[Axis, datetime] = field(default_factory=dict)  # by us; where DescribeTable tells of no increase

    def answered(self, axis: Axis) -> datetime | None:
        """When the last increase began to answer what was throttled before it."""
        return self.resource.last_increase or self.increased.get(axis)

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*CONSUMED.values(), *(THROTTLED[axis] for axis in self.throttled))

    def queries(self, minute: datetime) -> Iterator[Query]:
        """Its metrics over its window, which begins so many minutes before this one."""
        start = minute - timedelta(minutes=self.start)
        end = start + timedelta(minutes=self.period)
        return (Query(self.resource.target, metric, start, end) for metric in self.metrics)


class Statistics:
    """What CloudWatch's metrics tell of the targets' usage."""

    def __init__(self, cloudwatch: Any, workers: Workers) -> None:
        self._metrics = Metrics(cloudwatch, workers)

    def measure(self, requests: Sequence[Request], now: datetime) -> dict[Target, tuple[Usage, Usage] | AwsError]:
        """Usage of reads and of writes of each target, or the error that kept it from being measured."""
        minute = now.replace(second=0, microsecond=0)
        found = self._metrics.read([query for request in requests for query in request.queries(minute)], now)
        measured: dict[Target, tuple[Usage, Usage] | AwsError] = {}
        for request in requests:
            series = {query.metric: found[query] for query in request.queries(minute)}
            measured[request.resource.target] = _usages(request, series)
        return measured


def dollars_a_month(metrics: int, interval: int) -> float:
    """What AWS charges for so many metrics every so many seconds, in 30 days."""
    return metrics * DOLLARS_A_METRIC * 30 * 86_400 / interval


def _usages(request: Request, series: Mapping[str, Series | AwsError]) -> tuple[Usage, Usage] | AwsError:
    good: dict[str, Series] = {}
    for metric, answer in series.items():
        if isinstance(answer, AwsError):
            return answer
        good[metric] = answer
    reads, writes = (_usage(request, axis, good) for axis in AXES)
    return reads, writes


def _usage(request: Request, axis: Axis, series: Mapping[str, Series]) -> Usage:
    throttled, answered = _throttled(series.get(THROTTLED[axis]), request.answered(axis))
    return Usage(
        provisioned=getattr(request.resource.provisioned, axis),
        consumed=series[CONSUMED[axis]].total,
        throttled=throttled,
        seconds=request.period * 60,
        answered=answered,
    )


def _throttled(events: Series | None, increase: datetime | None) -> tuple[Fraction, Fraction]:
    """Events of minutes that began after the last increase, and of those before it, which it has answered."""
    if events is None:
        return Fraction(0), Fraction(0)
    first = minute_of(increase) + (increase.second > 0 or increase.microsecond > 0) if increase else 0
    after = Series({minute: events for minute, events in events if minute >= first}).total
    return after, events.total - after
