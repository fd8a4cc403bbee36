"""CloudWatch's metrics as time series, read in as few calls as possible.

The caller passes queries (metric, target, minutes), and gets a series for each, or the error that prevented it. This
module does not interpret the numbers.
"""

from __future__ import annotations

import logging
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any, NamedTuple

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.errors import AwsError, BadAnswerError, call
from dynamic_dynamodb.decisions.exact import exact
from dynamic_dynamodb.decisions.model import Target, minute_of, moment_of

log = logging.getLogger("dynamic-dynamodb")

QUERIES_A_CALL = 500  # GetMetricData's limit
# Per GetMetricData, which could return more: this many take half a second and about 10 MB, with 16 calls in parallel.
_POINTS_A_CALL = 50_000
_POINTS_OF_STATISTICS = 1_440  # GetMetricStatistics's limit per call
_MOST_PAGES = 1000  # per call; a service that never stops paging is a failure
_DATA, _STATISTICS = "GetMetricData", "GetMetricStatistics"
_ASK_AGAIN = timedelta(hours=1)  # for GetMetricData, while it is denied and GetMetricStatistics is not
_PASSING = frozenset({"InternalError", "PartialData"})  # of a metric's StatusCodes
# One query that CloudWatch refuses fails the whole call, which may be 250 tables and indexes.
_INVALID = frozenset(
    f"{code}{ending}"
    for code in ("Validation", "InvalidParameterValue", "InvalidParameterCombination")
    for ending in ("", "Error", "Exception")
)
# The total number of calls with half of another call's queries: this finds seven bad queries among 500, and it ends if
# CloudWatch refuses everything.
_MOST_HALVES = 128


class Query(NamedTuple):
    """One metric of one target, as sums over `step` minutes each, for the minutes that begin in [start, end)."""

    target: Target
    metric: str
    start: int  # in minutes since 1970, as `end`; a multiple of `step`
    end: int
    step: int = 1  # minutes per sum

    @property
    def points(self) -> int:
        """The greatest possible number of sums."""
        return -(-(self.end - self.start) // self.step)

    @property
    def dimensions(self) -> list[dict[str, str]]:
        dimensions = [{"Name": "TableName", "Value": self.target.table}]
        if self.target.index is not None:
            dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": self.target.index})
        return dimensions

    def parts(self, points: int) -> Iterator[Query]:
        """The same query in windows of at most this many points, oldest first."""
        start = self.start
        while start < self.end:
            end = min(start + points * self.step, self.end)
            yield self._replace(start=start, end=end)
            start = end


class Series:
    """The sums of one metric by their first minute, oldest first. A minute without traffic has none.

    They are in arrays: there can be millions of points, and as objects they would take ten times the memory.
    """

    def __init__(self, sums: Mapping[int, float]) -> None:
        self.minutes = array("q", sorted(sums))
        self.sums = array("d", [sums[minute] for minute in self.minutes])

    def extend(self, later: Series) -> None:
        """Add the sums of a later window."""
        self.minutes.extend(later.minutes)
        self.sums.extend(later.sums)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.minutes, self.sums, strict=True)

    def __len__(self) -> int:
        return len(self.minutes)

    def total(self, first: int | None = None) -> Fraction:
        """The exact sum, of all or from a minute on. A datapoint counts as the decimal number in its JSON."""
        return exact(self.sums if first is None else self.sums[bisect_left(self.minutes, first) :])


class _Points:
    """Collects the datapoints of one query: one per step, the greater of two, and none from outside the window."""

    def __init__(self, query: Query, operation: str) -> None:
        self._step = query.step
        self._begin, self._end = query.start, query.end
        self._operation = operation
        self._sums: dict[int, float] = {}

    def add(self, moment: Any, value: Any) -> None:
        """Raises BadAnswerError if it is not a datapoint."""
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise BadAnswerError(self._operation, "timestamp")
        minute = minute_of(moment)
        amount = value if type(value) is float and 0 <= value < math.inf else self._amount(value)
        if self._begin <= minute < self._end:
            minute -= minute % self._step
            known = self._sums.get(minute)
            self._sums[minute] = amount if known is None or amount > known else known

    def _amount(self, value: Any) -> float:
        try:
            if type(value) in (int, float) and 0 <= value < math.inf:  # false for NaN, too
                return float(value)
        except OverflowError:  # an integer of hundreds of digits
            pass
        raise BadAnswerError(self._operation, "value of a datapoint")

    def series(self) -> Series:
        return Series(self._sums)


class _IncompleteError(AwsError):
    """All pages were read, but CloudWatch does not report the metric as complete."""

    @property
    def passes(self) -> bool:
        """Whether asking again may help."""
        return self.code in _PASSING


class _Found:
    """What the pages of GetMetricData contain for one metric. A bad result affects only its own metric."""

    def __init__(self, query: Query) -> None:
        self._points = _Points(query, _DATA)
        self._status: Any = None
        self._error: AwsError | None = None

    def add(self, result: Mapping[str, Any]) -> None:
        self._status = result.get("StatusCode")
        try:
            times, values = _list(result, _DATA, "Timestamps"), _list(result, _DATA, "Values")
            if len(times) != len(values):
                raise BadAnswerError(_DATA, "MetricDataResults[].Values, one per timestamp")
            for moment, value in zip(times, values, strict=True):
                self._points.add(moment, value)
        except AwsError as error:
            self._error = error

    def series(self) -> Series | AwsError:
        if self._error or self._status is None:
            return self._error or BadAnswerError(_DATA, "result for a requested metric")
        if self._status != "Complete":
            return _IncompleteError(_DATA, str(self._status), "the metric is incomplete although all pages were read")
        return self._points.series()


class Metrics:
    """Reads metrics in as few calls as possible; with the older GetMetricStatistics while GetMetricData is denied."""

    def __init__(self, cloudwatch: Any, workers: Workers) -> None:
        self._cloudwatch = cloudwatch
        self._workers = workers
        self._denied: AwsError | None = None  # GetMetricData's last answer, if it was denied
        self._denied_at = datetime.min.replace(tzinfo=timezone.utc)
        self._both_denied = False

    def read(self, queries: Sequence[Query], now: datetime) -> dict[Query, Series | AwsError]:
        """A series for each query, or the error that prevented it."""
        found: dict[Query, Series | AwsError] = {}
        if queries and self._may_ask(now):
            found = self._ask(queries)
            again = [query for query, answer in found.items() if isinstance(answer, _IncompleteError) and answer.passes]
            if again:
                found.update(self._ask(again))
            self._note_denial(found.values(), now)
        if self._denied is not None:
            left = [query for query in queries if not isinstance(found.get(query), Series)]
            found.update(self._ask_older(left, self._denied))
        return found

    def _may_ask(self, now: datetime) -> bool:
        """Whether to try GetMetricData: a new policy takes effect after seconds, and may be fixed at any time."""
        waited = now - self._denied_at
        return self._denied is None or self._both_denied or not timedelta(0) <= waited < _ASK_AGAIN

    def _note_denial(self, answers: Iterable[Series | AwsError], now: datetime) -> None:
        """Remember whether GetMetricData is denied, and log when that begins and ends."""
        errors = (answer for answer in answers if isinstance(answer, AwsError))
        before, self._denied = self._denied, next((error for error in errors if error.denied), None)
        self._both_denied = False
        if self._denied is not None:
            self._denied_at = now
            level = logging.WARNING if before is None else logging.DEBUG
            log.log(level, "%s; using GetMetricStatistics instead, one call per metric", self._denied)
        elif before is not None:
            log.info("GetMetricData is no longer denied: it is used again")

    def _ask_older(self, queries: Sequence[Query], denied: AwsError) -> dict[Query, Series | AwsError]:
        """Read with GetMetricStatistics. If it is denied too, the error names GetMetricData, the better permission."""
        parts = [(query, part) for query in queries for part in query.parts(_POINTS_OF_STATISTICS)]
        answers = self._workers.read(_STATISTICS, self._get_statistics, [part for _, part in parts])
        found: dict[Query, Series | AwsError] = {}
        for (query, _), answer in zip(parts, answers, strict=True):
            whole = found.setdefault(query, answer)
            if isinstance(answer, AwsError):
                self._both_denied |= answer.denied
                found[query] = denied if answer.denied else answer
            elif isinstance(whole, Series) and whole is not answer:
                whole.extend(answer)
        return found

    def _ask(self, queries: Sequence[Query]) -> dict[Query, Series | AwsError]:
        """Read with GetMetricData, once. A call that CloudWatch refuses is split until the bad query is alone."""
        found: dict[Query, Series | AwsError] = {}
        batches, left = list(_batches(queries)), _MOST_HALVES
        while batches:
            halves: list[list[Query]] = []
            for batch, answer in zip(batches, self._workers.read(_DATA, self._read_pages, batches), strict=True):
                if not isinstance(answer, AwsError):
                    found.update(answer)
                elif answer.code in _INVALID and len(halves) < left and (two := _halves(batch)):
                    halves += two
                else:
                    found.update(dict.fromkeys(batch, answer))
            batches, left = halves, left - len(halves)
        return found

    def _read_pages(self, batch: Sequence[Query]) -> dict[Query, Series | AwsError]:
        ids = {f"m{number}": query for number, query in enumerate(batch)}
        arguments: dict[str, Any] = {
            "MetricDataQueries": [_metric_data_query(key, query) for key, query in ids.items()],
            "StartTime": moment_of(batch[0].start),
            "EndTime": moment_of(batch[0].end),
        }
        found = {key: _Found(query) for key, query in ids.items()}
        tokens: list[Any] = []  # of the pages so far
        for _page in range(_MOST_PAGES):
            answer = call(_DATA, self._cloudwatch.get_metric_data, **arguments)
            for result in _list(answer, _DATA, "MetricDataResults"):
                # Results that were not requested are ignored.
                key = result.get("Id") if isinstance(result, dict) else None
                if isinstance(key, str) and key in found:
                    found[key].add(result)
            token = answer.get("NextToken")
            if not token or token in tokens:
                break
            tokens.append(token)
            arguments["NextToken"] = token
        if token:
            raise BadAnswerError(_DATA, "end of pages")
        return {query: found[key].series() for key, query in ids.items()}

    def _get_statistics(self, query: Query) -> Series:
        answer = call(
            _STATISTICS,
            self._cloudwatch.get_metric_statistics,
            Namespace="AWS/DynamoDB",
            MetricName=query.metric,
            Dimensions=query.dimensions,
            StartTime=moment_of(query.start),
            EndTime=moment_of(query.end),
            Period=60 * query.step,
            Statistics=["Sum"],
        )
        points = _Points(query, _STATISTICS)
        for point in _list(answer, _STATISTICS, "Datapoints"):
            points.add(_item(point, "Timestamp"), _item(point, "Sum"))
        return points.series()


def _batches(queries: Iterable[Query]) -> Iterator[list[Query]]:
    """As many queries per batch as a call takes; the queries of one call share their window."""
    windows: dict[tuple[int, int, int], list[Query]] = {}
    for query in queries:
        windows.setdefault((query.start, query.end, query.step), []).append(query)
    for alike in windows.values():
        size = min(QUERIES_A_CALL, max(1, _POINTS_A_CALL // alike[0].points))
        for first in range(0, len(alike), size):
            yield alike[first : first + size]


def _halves(batch: Sequence[Query]) -> list[list[Query]]:
    """Two batches, each with half of the tables and indexes; none if there is only one table or index."""
    targets = list(dict.fromkeys(query.target for query in batch))
    first = set(targets[: len(targets) // 2])
    return [[one for one in batch if (one.target in first) is half] for half in (True, False)] if first else []


def _metric_data_query(key: str, query: Query) -> dict[str, Any]:
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": query.metric, "Dimensions": query.dimensions}
    return {"Id": key, "MetricStat": {"Metric": metric, "Period": 60 * query.step, "Stat": "Sum"}}


def _list(answer: Any, operation: str, field: str) -> list[Any]:
    value = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(value, list):
        raise BadAnswerError(operation, field)
    return value


def _item(point: Any, field: str) -> Any:
    if not isinstance(point, dict) or field not in point:
        raise BadAnswerError(_STATISTICS, f"Datapoints[].{field}")
    return point[field]
