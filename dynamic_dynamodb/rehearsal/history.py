"""Demand from CloudWatch: what was consumed, throttled and provisioned in the last days. It only reads."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from dynamic_dynamodb.aws import dynamodb
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.cloudwatch import CONSUMED, KEY_RANGE, THROTTLED
from dynamic_dynamodb.aws.errors import AwsError, BadAnswerError, call
from dynamic_dynamodb.decisions.matching import plain_name
from dynamic_dynamodb.decisions.model import AXES, STANDARD, Target
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load, Pair, Recorded

if TYPE_CHECKING:
    from dynamic_dynamodb.rehearsal.demand import Minutes

QUERIES_A_CALL = 500  # GetMetricData's limit
POINTS_A_CALL = 100_800  # GetMetricData's limit, too; further datapoints come on further pages
_NOT_YET = 5  # minutes: newer datapoints may still be missing
_DATA, _DESCRIBE = "GetMetricData", "DescribeTable"
_MOST_PAGES = 100_000
_PROVISIONED = {"reads": "ProvisionedReadCapacityUnits", "writes": "ProvisionedWriteCapacityUnits"}


@dataclass(frozen=True)
class Described:
    """A table as DescribeTable shows it."""

    name: str
    indexes: tuple[str, ...]
    on_demand: bool
    table_class: str
    replicated: bool

    @property
    def targets(self) -> tuple[Target, ...]:
        return (Target(self.name), *(Target(self.name, index) for index in self.indexes))


class _Query(NamedTuple):
    target: Target
    metric: str

    @property
    def entry(self) -> dict[str, Any]:
        """Without its Id."""
        names = {"TableName": self.target.table}
        if self.target.index is not None:
            names["GlobalSecondaryIndexName"] = self.target.index
        dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
        metric = {"Namespace": "AWS/DynamoDB", "MetricName": self.metric, "Dimensions": dimensions}
        # Provisioned capacity is published now and then, as a level; all other metrics are summed.
        stat = "Maximum" if self.metric in _PROVISIONED.values() else "Sum"
        return {"MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}


def fetch(
    source: str,
    clients: Clients,
    wanted: Callable[[Target], bool],
    expressions: Sequence[str],
    days: int,
    now: datetime,
    region: str | None,
    progress: Callable[[float], None] = lambda _: None,
) -> Demand:
    """The demand on all tables and indexes that are wanted. Raises AwsError, or ConfigError if there are none.

    `expressions` are those of the configuration's sections; they are used if ListTables is denied.
    """
    progress(0)
    tables = [_describe(clients.dynamodb, name) for name in _names(clients.dynamodb, wanted, expressions)]
    targets = [target for table in tables for target in table.targets if wanted(target)]
    if not targets:
        raise ConfigError(["--simulate cloudwatch: no table matches the configuration"])
    end = now.replace(second=0, microsecond=0) - _NOT_YET * MINUTE
    start = end - timedelta(days=days)
    queries = [
        _Query(target, metric)
        for target in targets
        for metrics in (CONSUMED, THROTTLED, KEY_RANGE, _PROVISIONED)
        for metric in metrics.values()
    ]
    series = _read(clients.cloudwatch, queries, start, end, progress)
    about = {table.name: table for table in tables}
    minutes = days * 1440
    loads = tuple(_load(target, about[target.table], series, minutes) for target in targets)
    return Demand(source, start, minutes, loads, region=region)


# Tables


def _names(client: Any, wanted: Callable[[Target], bool], expressions: Sequence[str]) -> list[str]:
    try:
        listed = dynamodb.list_tables(client)
    except AwsError as error:
        names = [plain_name(expression) for expression in expressions]
        if not error.denied or None in names:
            raise
        listed = [name for name in names if name]
    return [name for name in sorted(set(listed)) if wanted(Target(name))]


def _describe(client: Any, name: str) -> Described:
    answer = call(_DESCRIBE, client.describe_table, TableName=name)
    table = answer.get("Table") if isinstance(answer, dict) else None
    if not isinstance(table, dict):
        raise BadAnswerError(_DESCRIBE, "Table")
    try:
        return Described(
            name,
            tuple(index["IndexName"] for index in table.get("GlobalSecondaryIndexes") or ()),
            (table.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST",
            (table.get("TableClassSummary") or {}).get("TableClass") or STANDARD,
            bool(table.get("Replicas")),
        )
    except (AttributeError, LookupError, TypeError) as error:
        raise BadAnswerError(_DESCRIBE, "GlobalSecondaryIndexes") from error


# Metrics


def _read(
    client: Any, queries: Sequence[_Query], start: datetime, end: datetime, progress: Callable[[float], None]
) -> dict[_Query, Minutes]:
    """Each metric minute by minute; a minute without a datapoint is NaN."""
    found: dict[_Query, Minutes] = {}
    for first in range(0, len(queries), QUERIES_A_CALL):
        batch = queries[first : first + QUERIES_A_CALL]
        for last in _read_pages(client, batch, start, end, found):
            progress((first + last) / len(queries))
    return found


def _read_pages(
    client: Any, batch: Sequence[_Query], start: datetime, end: datetime, found: dict[_Query, Minutes]
) -> Iterator[int]:
    """Yields after each page how many metrics have been read."""
    ids = {f"m{number}": number for number in range(len(batch))}
    arguments: dict[str, Any] = {
        "MetricDataQueries": [{"Id": key, **batch[number].entry} for key, number in ids.items()],
        "StartTime": start,
        "EndTime": end,
        "MaxDatapoints": POINTS_A_CALL,
    }
    minutes = (end - start) // MINUTE
    statuses = dict.fromkeys(ids, "missing")
    for _page in range(_MOST_PAGES):
        answer = call(_DATA, client.get_metric_data, **arguments)
        last = 0
        for result in _list(answer, "MetricDataResults"):
            key = result.get("Id") if isinstance(result, dict) else None
            if key in ids:
                last = ids[key]
                statuses[key] = str(result.get("StatusCode"))
                _add(result, found.setdefault(batch[last], array("d")), start, minutes)
        yield last + 1
        token = answer.get("NextToken")
        if not token or token == arguments.get("NextToken"):
            break
        arguments["NextToken"] = token
    for key, status in statuses.items():
        if status != "Complete":
            raise AwsError(_DATA, status, f"{batch[ids[key]].metric} of {batch[ids[key]].target} is not complete")


def _add(result: Mapping[str, Any], series: Minutes, start: datetime, minutes: int) -> None:
    times, values = _list(result, "Timestamps"), _list(result, "Values")
    if times and not series:  # a metric without any datapoint takes no memory
        series.extend([math.nan] * minutes)
    try:
        for moment, value in zip(times, values, strict=True):
            number = (moment - start) // MINUTE
            if 0 <= number < minutes:
                series[number] = _amount(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadAnswerError(_DATA, "MetricDataResults[].Values, one per timestamp") from error


def _amount(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise BadAnswerError(_DATA, "value of a datapoint")
    return float(value)


def _list(answer: Any, field: str) -> list[Any]:
    value = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(value, list):
        raise BadAnswerError(_DATA, field)
    return value


# Demand


def _load(target: Target, table: Described, series: Mapping[_Query, Minutes], minutes: int) -> Load:
    consumed = _pair(series, target, CONSUMED, minutes)
    throttled = _pair(series, target, THROTTLED, minutes)
    hot = _pair(series, target, KEY_RANGE, minutes)
    demand = tuple(
        array("d", (one + lost for one, lost in zip(consumed[axis], throttled[axis], strict=True))) for axis in (0, 1)
    )
    provisioned = tuple(
        _held(series.get(_Query(target, _PROVISIONED[axis])), minutes, on_demand=table.on_demand) for axis in AXES
    )
    return Load(
        target,
        (demand[0], demand[1]),
        hot if any(hot[0]) or any(hot[1]) else None,
        Recorded((provisioned[0], provisioned[1]), throttled),
        table.on_demand,
        table.table_class,
        table.replicated,
    )


def _pair(series: Mapping[_Query, Minutes], target: Target, metrics: Mapping[Any, str], minutes: int) -> Pair:
    """Units or events per second. A minute without a datapoint was idle."""
    reads, writes = (_a_second(series.get(_Query(target, metrics[axis])), minutes) for axis in AXES)
    return reads, writes


def _a_second(sums: Minutes | None, minutes: int) -> Minutes:
    if not sums:
        return array("d", bytes(8 * minutes))
    return array("d", (value / 60 if value > 0 else 0.0 for value in sums))


def _held(units: Minutes | None, minutes: int, *, on_demand: bool) -> Minutes:
    """Provisioned capacity: published every five minutes, and held in between. NaN is unknown."""
    if not units or on_demand:
        return array("d", [math.nan]) * minutes
    made: Minutes = array("d")
    present = math.nan
    for value in units:
        present = present if math.isnan(value) else value
        made.append(present)
    return made
