"""CloudWatch's two calls that read metrics, with boto3's method names, arguments, answers and refusals.

Only the statistics Sum and Maximum of whole minutes are modelled: DynamoDB's metrics are read with these.
"""
# ruff: noqa: N803 - the arguments are boto3's

from __future__ import annotations

import operator
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.account import Account
from dynamic_dynamodb.simulation.metrics import datapoints, visible, whole_minute
from dynamic_dynamodb.simulation.refusal import ABSENT, Answer, RefusedError, given, success

MOST_QUERIES = 500  # per GetMetricData
_MOST_DATAPOINTS = 100_800  # per page of GetMetricData
_MOST_STATISTICS = 1_440  # datapoints per GetMetricStatistics
_MINUTE = 60  # seconds
_NAMESPACE = "AWS/DynamoDB"
_SCANS = ("TimestampDescending", "TimestampAscending")
_DATA_TYPES = {
    "MetricDataQueries": list,
    "StartTime": datetime,
    "EndTime": datetime,
    "NextToken": str,
    "MaxDatapoints": int,
    "ScanBy": str,
}
_STATISTICS_TYPES = {
    "Namespace": str,
    "MetricName": str,
    "Dimensions": list,
    "StartTime": datetime,
    "EndTime": datetime,
    "Period": int,
    "Statistics": list,
}
_STATISTICS: dict[str, Callable[[float, float], float]] = {"Sum": operator.add, "Maximum": max}
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


class _Window(NamedTuple):
    start: datetime
    end: datetime
    minutes: Sequence[datetime]  # whose datapoints are visible now


class _Query(NamedTuple):
    """One metric, aggregated over periods of `period` seconds."""

    id: str
    namespace: str
    metric: str
    target: Target | None  # None: dimensions under which DynamoDB publishes nothing
    period: int
    statistic: str


class _Series(NamedTuple):
    query: _Query
    points: list[tuple[datetime, float]]
    status: str


class CloudWatch:
    """Replaces boto3.client("cloudwatch") for the loop."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def get_metric_data(
        self,
        *,
        MetricDataQueries: Sequence[Mapping[str, Any]],
        StartTime: datetime,
        EndTime: datetime,
        NextToken: str = ABSENT,
        MaxDatapoints: int = ABSENT,
        ScanBy: str = ABSENT,
    ) -> Answer:
        arguments = given(
            _DATA_TYPES,
            MetricDataQueries=MetricDataQueries,
            StartTime=StartTime,
            EndTime=EndTime,
            NextToken=NextToken,
            MaxDatapoints=MaxDatapoints,
            ScanBy=ScanBy,
        )
        with self._account.call("GetMetricData", arguments):
            window = self._window(StartTime, EndTime)
            scan = arguments.get("ScanBy", _SCANS[0])
            most = arguments.get("MaxDatapoints", _MOST_DATAPOINTS)
            if scan not in _SCANS or not 1 <= most <= _MOST_DATAPOINTS:
                raise _invalid(f"The value {scan} for ScanBy or {most} for MaxDatapoints is not valid.")
            queries = _queries(MetricDataQueries)
            position = _Position.of_request(arguments)
            if "NextToken" not in arguments:
                self._account.metrics_asked.update(query.target for query in queries)
            series = (self._series(query, window, scan) for query in queries[position.query :])
            results, position = _page(series, position, most, self._account.rules.results_per_page)
            more = {"NextToken": position.token(arguments)} if position.query < len(queries) else {}
            return success(MetricDataResults=results, Messages=[*self._account.metric_messages], **more)

    def get_metric_statistics(
        self,
        *,
        Namespace: str,
        MetricName: str,
        Dimensions: Sequence[Mapping[str, str]],
        StartTime: datetime,
        EndTime: datetime,
        Period: int,
        Statistics: Sequence[str],
    ) -> Answer:
        arguments = given(
            _STATISTICS_TYPES,
            Namespace=Namespace,
            MetricName=MetricName,
            Dimensions=Dimensions,
            StartTime=StartTime,
            EndTime=EndTime,
            Period=Period,
            Statistics=Statistics,
        )
        with self._account.call("GetMetricStatistics", arguments):
            window = self._window(StartTime, EndTime)
            _check_period(Period)
            if len(Statistics) != 1 or Statistics[0] not in _STATISTICS:
                raise _invalid(f"This model has only the statistics Sum and Maximum, one per call, not {Statistics}.")
            _check_count(window, Period)
            (statistic,) = Statistics
            query = _Query("m", Namespace, MetricName, _target(Dimensions), Period, statistic)
            self._account.metrics_asked[query.target] += 1
            found = self._points(query, window)
            points = [{"Timestamp": moment, statistic: value, "Unit": "Count"} for moment, value in found]
            return success(Label=MetricName, Datapoints=points)

    def _window(self, start: datetime, end: datetime) -> _Window:
        if start.tzinfo is None or end.tzinfo is None:
            raise TypeError("boto3 takes a naive datetime as local time: set a time zone")
        if start >= end:
            raise _invalid("The parameter EndTime must be greater than StartTime.")
        begin = whole_minute(start)
        return _Window(begin, end, visible(self._account, begin, end))

    def _series(self, query: _Query, window: _Window, scan: str) -> _Series:
        status = self._account.metric_status.get(query.target) if query.target is not None else None
        if status is not None:
            return _Series(query, [], status)
        points = self._points(query, window)
        return _Series(query, points if scan == "TimestampAscending" else points[::-1], "Complete")

    def _points(self, query: _Query, window: _Window) -> list[tuple[datetime, float]]:
        """The sums of each period that has any datapoint, oldest first. The first period begins with the window."""
        if query.target is None or query.namespace != _NAMESPACE:
            return []
        found = datapoints(self._account, query.target, query.metric, window.minutes)
        if query.period == _MINUTE:
            return found
        period, combine = timedelta(seconds=query.period), _STATISTICS[query.statistic]
        sums: dict[datetime, float] = {}
        for minute, value in found:
            begin = window.start + (minute - window.start) // period * period
            sums[begin] = combine(sums[begin], value) if begin in sums else value
        return list(sums.items())


# Paging


class _Position(NamedTuple):
    """Where the next page begins: a query, and how many of its datapoints were on earlier pages."""

    query: int
    point: int

    @classmethod
    def of_request(cls, arguments: Mapping[str, Any]) -> _Position:
        """Raises RefusedError for a token that was not made for this request."""
        token = arguments.get("NextToken")
        if token is None:
            return cls(0, 0)
        numbers = token.split("-")
        position = cls(*map(int, numbers[:2])) if len(numbers) == 3 and "".join(numbers).isdecimal() else None
        if position is None or position.token(arguments) != token:
            raise RefusedError("InvalidNextToken", f"The token {token} is not valid for this request.")
        return position

    def token(self, arguments: Mapping[str, Any]) -> str:
        """The token has a checksum of the arguments: it is valid for its own request only."""
        asked = {name: value for name, value in arguments.items() if name != "NextToken"}
        return f"{self.query}-{self.point}-{zlib.crc32(repr(sorted(asked.items())).encode())}"


def _page(series: Iterator[_Series], position: _Position, points: int, results: int) -> tuple[list[Answer], _Position]:
    """As many results as fit on one page, and where the next begins. A series that continues there is PartialData."""
    page: list[Answer] = []
    number, offset = position
    for one in series:
        if len(page) == results or (points == 0 and len(one.points) > offset):
            break
        chunk = one.points[offset : offset + points]
        points -= len(chunk)
        offset += len(chunk)
        whole = offset == len(one.points)
        page.append(_result(one.query, chunk, one.status if whole else "PartialData"))
        if not whole:
            break
        number, offset = number + 1, 0
    return page, _Position(number, offset)


def _result(query: _Query, points: Sequence[tuple[datetime, float]], status: str) -> Answer:
    return {
        "Id": query.id,
        "Label": query.metric,
        "Timestamps": [moment for moment, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": status,
    }


# Reading the arguments


def _invalid(text: str) -> RefusedError:
    return RefusedError("ValidationError", text)


def _queries(entries: Sequence[Mapping[str, Any]]) -> list[_Query]:
    if not 1 <= len(entries) <= MOST_QUERIES:
        text = f"The collection MetricDataQueries must have a size of 1 to {MOST_QUERIES}, not {len(entries)}."
        raise _invalid(text)
    queries = [_query(entry) for entry in entries]
    if len({query.id for query in queries}) < len(queries):
        raise _invalid("The values for parameter id in MetricDataQueries are not unique.")
    return queries


def _query(entry: Mapping[str, Any]) -> _Query:
    try:
        stat = entry["MetricStat"]
        name, metric, period = str(entry["Id"]), stat["Metric"], stat["Period"]
        namespace, metric_name, dimensions = metric["Namespace"], metric["MetricName"], metric["Dimensions"]
        statistic = stat["Stat"]
    except (KeyError, TypeError) as error:
        raise _invalid(f"A query of MetricDataQueries lacks {error}.") from error
    if not _ID.fullmatch(name):
        raise _invalid(f"The value {name} for parameter id is not matching the expected pattern.")
    if statistic not in _STATISTICS or set(entry) - {"Id", "MetricStat", "Label"}:
        raise _invalid(f"This model has only the statistics Sum and Maximum of a metric, not {entry}.")
    _check_period(period)
    return _Query(name, namespace, metric_name, _target(dimensions), period, statistic)


def _check_period(period: object) -> None:
    if not isinstance(period, int) or period < 60 or period % 60:
        raise _invalid(f"The parameter Period must be a multiple of 60, not {period}.")


def _check_count(window: _Window, period: int) -> None:
    count = -((window.start - window.end) // timedelta(seconds=period))
    if count > _MOST_STATISTICS:
        text = f"You have requested up to {count} datapoints, which exceeds the limit of {_MOST_STATISTICS}."
        raise RefusedError("InvalidParameterCombination", text)


def _target(dimensions: Sequence[Mapping[str, str]]) -> Target | None:
    """The target of a metric. Dimensions match exactly: without an index the metric is the table's own, never a sum."""
    names = {dimension["Name"]: dimension["Value"] for dimension in dimensions}
    if set(names) == {"TableName"}:
        return Target(names["TableName"])
    if set(names) == {"TableName", "GlobalSecondaryIndexName"}:
        return Target(names["TableName"], names["GlobalSecondaryIndexName"])
    return None
