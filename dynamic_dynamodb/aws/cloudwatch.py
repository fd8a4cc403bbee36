"""CloudWatch -> Usage: what was consumed and throttled in the look-back window.

The metrics (namespace AWS/DynamoDB) are 1-minute sums. CloudWatch publishes nothing for a minute without traffic, so a
missing datapoint means that nothing was consumed.

Consumption over a day or more is read in longer steps: two weeks of minutes for hundreds of tables are tens of millions
of datapoints. Throttled events are always read by the minute, because those before the last increase do not count. Only
minutes with throttling have a datapoint.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property

from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.series import Metrics, Query, Series
from dynamic_dynamodb.decisions.model import AXES, DOLLARS_A_METRIC, Axis, Resource, Target, Usage, minute_of

log = logging.getLogger("dynamic-dynamodb")


CONSUMED: dict[Axis, str] = {"reads": "ConsumedReadCapacityUnits", "writes": "ConsumedWriteCapacityUnits"}
THROTTLED: dict[Axis, str] = {"reads": "ReadThrottleEvents", "writes": "WriteThrottleEvents"}
# The part of them that was throttled by the limit of a partition: more capacity does not help.
KEY_RANGE: dict[Axis, str] = {
    "reads": "ReadKeyRangeThroughputThrottleEvents",
    "writes": "WriteKeyRangeThroughputThrottleEvents",
}
_KEY_RANGE = {THROTTLED[axis]: KEY_RANGE[axis] for axis in AXES}


@dataclass(frozen=True)
class Request:
    """What to measure of one target: a window in minutes, and the axes whose throttled events matter."""

    resource: Resource
    start: int  # the window begins this many minutes before now
    period: int  # and is this long
    throttled: tuple[Axis, ...] = ()
    increased: Mapping[Axis, datetime] = field(default_factory=dict)  # by this program; used if DescribeTable has none

    def answered(self, axis: Axis) -> datetime | None:
        """The time of the last increase. It has answered the events before it."""
        return self.resource.last_increase or self.increased.get(axis)

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*CONSUMED.values(), *(THROTTLED[axis] for axis in self.throttled))

    def queries(self, minute: int) -> list[Query]:
        """Its metrics over its window, counted back from this minute."""
        step = _step(self.period)
        window = self._window(minute, step)
        consumed = [Query(self.resource.target, metric, *window, step) for metric in CONSUMED.values()]
        return [*consumed, *self.throttled_queries(minute).values()]

    def throttled_queries(self, minute: int) -> dict[Axis, Query]:
        """Only the throttled events."""
        window = self._window(minute)
        return {axis: Query(self.resource.target, THROTTLED[axis], *window) for axis in self.throttled}

    def seconds(self, minute: int) -> int:
        """The length of the window that consumption is summed over."""
        start, end = self._window(minute, _step(self.period))
        return 60 * (end - start)

    def _window(self, minute: int, step: int = 1) -> tuple[int, int]:
        """Both ends, rounded down to whole steps, because CloudWatch sums over whole steps."""
        start = minute - self.start
        end = start + self.period
        return start - start % step, end - end % step


_LONG = 24 * 60  # minutes; a window of this length or more is read in longer steps
_STEPS = (1, 5, 6, 10, 12, 15, 20, 30, 60)  # minutes; all of them divide an hour


def _step(period: int) -> int:
    """Minutes per sum: 1 for less than a day, otherwise the longest step that gives at least 288 sums (a day: 5)."""
    return 1 if period < _LONG else max(step for step in _STEPS if step * 288 <= period)


@dataclass(frozen=True)
class Measured:
    """What CloudWatch reports about one target. Its meaning depends on what is provisioned, and since when."""

    request: Request
    series: Mapping[str, Series]
    seconds: int  # the length of the window that consumption is summed over

    def described(self, resource: Resource) -> Measured:
        """The same for a target that has been described again."""
        return replace(self, request=replace(self.request, resource=resource))

    @cached_property
    def usages(self) -> tuple[Usage, Usage]:
        """Of reads and of writes."""
        reads, writes = (_usage(self.request, axis, self.series, self.seconds) for axis in AXES)
        return reads, writes


class Statistics:
    """Reads the targets' usage from CloudWatch's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def measure(self, requests: Sequence[Request], now: datetime) -> dict[Target, Measured | AwsError]:
        """The measurement of each target, or the error that prevented it."""
        minute = minute_of(now)
        wanted = [(request, request.queries(minute)) for request in requests]
        found = self._metrics.read([query for _, queries in wanted for query in queries], now)
        # If nothing was throttled, no key range was too hot, so that query (and its price) can be saved.
        hot = [
            query._replace(metric=_KEY_RANGE[query.metric])
            for query, series in found.items()
            if query.metric in _KEY_RANGE and isinstance(series, Series) and any(series.sums)
        ]
        found.update(self._metrics.read(hot, now))
        answers: dict[Target, dict[str, Series | AwsError]] = {}
        for query, series in found.items():
            answers.setdefault(query.target, {})[query.metric] = series
        return {
            request.resource.target: _measured(request, answers[request.resource.target], request.seconds(minute))
            for request in requests
        }

    def throttled(self, requests: Sequence[Request], now: datetime) -> dict[Target, dict[Axis, Fraction]]:
        """Only the throttled events, whatever throttled them. What cannot be read is left out and is not a failure."""
        minute = minute_of(now)
        wanted = {request.resource.target: request.throttled_queries(minute) for request in requests}
        found = self._metrics.read([query for queries in wanted.values() for query in queries.values()], now)
        for query, answer in found.items():
            if isinstance(answer, AwsError):
                log.debug("%s - %s: %s", query.target, query.metric, answer)
        return {
            target: {axis: one.total() for axis, query in queries.items() if isinstance(one := found[query], Series)}
            for target, queries in wanted.items()
        }


def dollars_a_month(metrics: int, interval: int) -> float:
    """What AWS charges in 30 days for this many metrics every `interval` seconds."""
    return metrics * DOLLARS_A_METRIC * 30 * 86_400 / interval


def _measured(request: Request, series: Mapping[str, Series | AwsError], seconds: int) -> Measured | AwsError:
    good: dict[str, Series] = {}
    for metric, answer in series.items():
        if isinstance(answer, AwsError):
            return answer
        good[metric] = answer
    return Measured(request, good, seconds)


def _usage(request: Request, axis: Axis, series: Mapping[str, Series], seconds: int) -> Usage:
    events = series.get(THROTTLED[axis], _NOTHING)
    consumed, provisioned = series[CONSUMED[axis]].total(), getattr(request.resource.provisioned, axis)
    if not events:  # the usual case, in which nothing has to be computed
        return Usage(provisioned, consumed, _ZERO, seconds)
    hot = _hot(events, series.get(KEY_RANGE[axis], _NOTHING))
    curable = events.total() - hot.total()
    # The last increase has answered the events before it.
    first = _first_minute_after(request.answered(axis))
    throttled = events.total(first) - hot.total(first)
    return Usage(
        provisioned=provisioned,
        consumed=consumed,
        throttled=throttled,
        seconds=seconds,
        answered=curable - throttled,
        increased=request.answered(axis),
        hot=hot.total(),
    )


_NOTHING, _ZERO = Series({}), Fraction(0)


def _hot(events: Series, key_range: Series) -> Series:
    """The throttled events of hot key ranges; in no minute more than all throttled events."""
    ranges = dict(key_range)
    return Series({minute: min(number, ranges[minute]) for minute, number in events if minute in ranges})


def _first_minute_after(moment: datetime | None) -> int | None:
    """The first minute that began at that moment or later."""
    if moment is None:
        return None
    return minute_of(moment) + (moment.second > 0 or moment.microsecond > 0)
