"""CloudWatch -> Usage: what was consumed and throttled in the look-back window.

The metrics (namespace AWS/DynamoDB) are 1-minute sums; CloudWatch publishes
nothing for a minute without traffic, so no datapoint means nothing consumed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.errors import AwsError, BadAnswerError, call
from dynamic_dynamodb.decisions.model import AXES, Axis, Resource, Target, Usage

log = logging.getLogger("dynamic-dynamodb")

QUERIES_A_CALL = 500  # GetMetricData's limit
DOLLARS_A_METRIC = 0.01 / 1000  # of either call, asked for alone or with others; us-east-1, 2025
_MOST_PAGES = 1000  # of one call; a service that never stops paging is a failure
_DATA, _STATISTICS = "GetMetricData", "GetMetricStatistics"

_CONSUMED: dict[Axis, str] = {"reads": "ConsumedReadCapacityUnits", "writes": "ConsumedWriteCapacityUnits"}
_THROTTLED: dict[Axis, str] = {"reads": "ReadThrottleEvents", "writes": "WriteThrottleEvents"}


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
        return (*_CONSUMED.values(), *(_THROTTLED[axis] for axis in self.throttled))


class _Query(NamedTuple):
    """One metric of one target in one window."""

    target: Target
    metric: str
    start: datetime
    end: datetime

    @property
    def dimensions(self) -> list[dict[str, str]]:
        dimensions = [{"Name": "TableName", "Value": self.target.table}]
        if self.target.index is not None:
            dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": self.target.index})
        return dimensions


# Sums of any floats are exact with so many digits; Decimals are a tenth of the work of Fractions.
_EXACT = Context(prec=1000)

Point = tuple[datetime, float]  # the minute, its sum
Series = list[Point]


class _Found:
    """What the pages of GetMetricData say of one metric. A bad result spoils its own metric only."""

    def __init__(self) -> None:
        self._points: Series = []
        self._status: Any = None
        self._error: AwsError | None = None

    def add(self, result: Mapping[str, Any]) -> None:
        self._status = result.get("StatusCode")
        try:
            self._points += _points(result)
        except AwsError as error:
            self._error = error

    def series(self) -> Series | AwsError:
        if self._error or self._status is None:
            return self._error or BadAnswerError(_DATA, "result for a metric asked for")
        if self._status != "Complete":
            return AwsError(_DATA, str(self._status), "the metric is not complete though all pages are read")
        return self._points


class Statistics:
    """CloudWatch's metrics, in as few calls as there are; remembers whether GetMetricData is denied."""

    def __init__(self, cloudwatch: Any, workers: Workers) -> None:
        self._cloudwatch = cloudwatch
        self._workers = workers
        self._denied: AwsError | None = None

    def measure(self, requests: Sequence[Request], now: datetime) -> dict[Target, tuple[Usage, Usage] | AwsError]:
        """Usage of reads and of writes of each target, or the error that kept it from being measured."""
        minute = now.replace(second=0, microsecond=0)
        queries = [query for request in requests for query in _queries(request, minute)]
        found = self._fetch(queries)
        measured: dict[Target, tuple[Usage, Usage] | AwsError] = {}
        for request in requests:
            series = {query.metric: found[query] for query in _queries(request, minute)}
            measured[request.resource.target] = _usages(request, series)
        return measured

    def _fetch(self, queries: Sequence[_Query]) -> dict[_Query, Series | AwsError]:
        found: dict[_Query, Series | AwsError] = {}
        if self._denied is None:
            batches = list(_batches(queries))
            for batch, answer in zip(batches, self._workers.read(_DATA, self._read_pages, batches), strict=True):
                found.update(dict.fromkeys(batch, answer) if isinstance(answer, AwsError) else answer)
            self._note_denial(found.values())
        if self._denied is not None:
            left = [query for query in queries if not isinstance(found.get(query), list)]
            for query, answered in zip(left, self._workers.read(_STATISTICS, self._get_statistics, left), strict=True):
                denied = isinstance(answered, AwsError) and answered.denied
                # Denied both ways: the permission to ask for is the better one.
                found[query] = self._denied if denied else answered
        return found

    def _note_denial(self, answers: Iterable[Series | AwsError]) -> None:
        """Remember for all later checks that GetMetricData is not permitted, and say so, once."""
        errors = (answer for answer in answers if isinstance(answer, AwsError))
        self._denied = next((error for error in errors if error.denied), None)
        if self._denied is not None:
            log.warning("%s; using GetMetricStatistics instead, one call a metric", self._denied)

    def _read_pages(self, batch: Sequence[_Query]) -> dict[_Query, Series | AwsError]:
        ids = {f"m{number}": query for number, query in enumerate(batch)}
        arguments: dict[str, Any] = {
            "MetricDataQueries": [_metric_data_query(key, query) for key, query in ids.items()],
            "StartTime": batch[0].start,
            "EndTime": batch[0].end,
        }
        found = {key: _Found() for key in ids}
        tokens: list[Any] = []  # of the pages so far
        for _page in range(_MOST_PAGES):
            answer = call(_DATA, self._cloudwatch.get_metric_data, **arguments)
            for result in _list(answer, _DATA, "MetricDataResults"):
                # Whatever the service says of something that was not asked for is its own affair.
                key = result.get("Id") if isinstance(result, dict) else None
                if isinstance(key, str) and key in found:
                    found[key].add(result)
            token = answer.get("NextToken")
            if not token or token in tokens:
                break
            tokens.append(token)
            arguments["NextToken"] = token
        if token:
            raise BadAnswerError(_DATA, "end of its pages")
        return {query: found[key].series() for key, query in ids.items()}

    def _get_statistics(self, query: _Query) -> Series:
        answer = call(
            _STATISTICS,
            self._cloudwatch.get_metric_statistics,
            Namespace="AWS/DynamoDB",
            MetricName=query.metric,
            Dimensions=query.dimensions,
            StartTime=query.start,
            EndTime=query.end,
            Period=60,
            Statistics=["Sum"],
        )
        return [
            _point(_item(point, _STATISTICS, "Timestamp"), _item(point, _STATISTICS, "Sum"), _STATISTICS)
            for point in _list(answer, _STATISTICS, "Datapoints")
        ]


def dollars_a_month(metrics: int, interval: int) -> float:
    """What AWS charges for so many metrics every so many seconds, in 30 days."""
    return metrics * DOLLARS_A_METRIC * 30 * 86_400 / interval


def _queries(request: Request, minute: datetime) -> Iterator[_Query]:
    start = minute - timedelta(minutes=request.start)
    end = start + timedelta(minutes=request.period)
    return (_Query(request.resource.target, metric, start, end) for metric in request.metrics)


def _batches(queries: Iterable[_Query]) -> Iterator[list[_Query]]:
    """Up to 500 queries a batch; the queries of one call share their window."""
    windows: dict[tuple[datetime, datetime], list[_Query]] = {}
    for query in queries:
        windows.setdefault((query.start, query.end), []).append(query)
    for alike in windows.values():
        for first in range(0, len(alike), QUERIES_A_CALL):
            yield alike[first : first + QUERIES_A_CALL]


def _metric_data_query(key: str, query: _Query) -> dict[str, Any]:
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": query.metric, "Dimensions": query.dimensions}
    return {"Id": key, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


def _list(answer: Any, operation: str, field: str) -> list[Any]:
    value = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(value, list):
        raise BadAnswerError(operation, field)
    return value


def _item(point: Any, operation: str, field: str) -> Any:
    if not isinstance(point, dict) or field not in point:
        raise BadAnswerError(operation, f"Datapoints[].{field}")
    return point[field]


def _points(result: Mapping[str, Any]) -> Series:
    times, values = _list(result, _DATA, "Timestamps"), _list(result, _DATA, "Values")
    if len(times) != len(values):
        raise BadAnswerError(_DATA, "MetricDataResults[].Values, one a timestamp,")
    return [_point(moment, value, _DATA) for moment, value in zip(times, values, strict=True)]


def _point(moment: Any, value: Any, operation: str) -> Point:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise BadAnswerError(operation, "timestamp")
    if type(value) not in (int, float) or not 0 <= value < math.inf:  # nor NaN, which is on no side of anything
        raise BadAnswerError(operation, "value of a datapoint")
    return moment, value


def _usages(request: Request, series: Mapping[str, Series | AwsError]) -> tuple[Usage, Usage] | AwsError:
    good: dict[str, Series] = {}
    for metric, answer in series.items():
        if isinstance(answer, AwsError):
            return answer
        good[metric] = answer
    reads, writes = (_usage(request, axis, good) for axis in AXES)
    return reads, writes


def _usage(request: Request, axis: Axis, series: Mapping[str, Series]) -> Usage:
    resource = request.resource
    consumed, throttled = series[_CONSUMED[axis]], series.get(_THROTTLED[axis], [])
    increase = request.answered(axis)
    answered = [point for point in throttled if increase is not None and point[0] < increase]
    unanswered = [point for point in throttled if increase is None or point[0] >= increase]
    return Usage(
        provisioned=getattr(resource.provisioned, axis),
        consumed=_sum(consumed),
        throttled=_sum(unanswered),
        seconds=request.period * 60,
        answered=_sum(answered),
    )


def _sum(series: Series) -> Fraction:
    """The exact sum: a datapoint is the decimal number that its JSON shows, not the binary one next to it."""
    total = Decimal(0)
    for _, value in series:
        total = _EXACT.add(total, Decimal(repr(value)))
    return Fraction(total)
