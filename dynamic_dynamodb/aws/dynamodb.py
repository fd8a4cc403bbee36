"""DynamoDB: list and describe tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dynamic_dynamodb.aws.errors import AwsError, BadAnswerError, call
from dynamic_dynamodb.decisions.model import STANDARD, Resource, Table, Target, Throughput

_LIST, DESCRIBE = "ListTables", "DescribeTable"

UPDATING = "UPDATING"
ACTIVE = "ACTIVE"  # the only status in which a table or index can be changed

# Any other name is a bad answer, and could have any length.
_NAME = re.compile("[A-Za-z0-9_.-]{3,255}")  # of a table or an index
_ARN = re.compile(r"arn:[a-z-]+:dynamodb:[a-z0-9-]*:(\d{12}):")
_STATUS = re.compile("[A-Za-z_]{1,50}")

_MOST_PAGES = 1000  # of names; ten times as many tables as AWS allows


# List and describe


def list_tables(dynamodb: Any) -> list[str]:
    """All table names of the region, 100 per call. Raises AwsError."""
    names: dict[str, None] = {}
    arguments: dict[str, Any] = {}
    for _page in range(_MOST_PAGES):
        answer = call(_LIST, dynamodb.list_tables, **arguments)
        page = _field(answer, _LIST, list, "TableNames")
        if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in page):
            raise BadAnswerError(_LIST, "TableNames")
        known = len(names)
        names.update(dict.fromkeys(page))
        last = answer.get("LastEvaluatedTableName")
        if not last:
            return list(names)
        if len(names) == known:  # a page without a new name: the pages repeat
            break
        arguments = {"ExclusiveStartTableName": last}
    raise BadAnswerError(_LIST, "end of pages")


def describe(dynamodb: Any, name: str) -> Table:
    """A table with its indexes. Raises AwsError."""
    answer = call(DESCRIBE, dynamodb.describe_table, TableName=name)
    table = _field(answer, DESCRIBE, dict, "Table")
    status = _text(table, "TableStatus", _STATUS)
    billing = table.get("BillingModeSummary")  # missing if the table was never on demand
    on_demand = isinstance(billing, dict) and billing.get("BillingMode") == "PAY_PER_REQUEST"
    replicated = bool(table.get("Replicas"))
    account = _account(table)
    if on_demand:
        return Table(name, status, on_demand, replicated, (), account=account)
    table_class = _table_class(table)
    resources = [_resource(Target(name), status, table, table_class)]
    problems: list[tuple[Target, Exception]] = []
    indexes = {"GlobalSecondaryIndexes": [], **table}  # missing if there are none
    for index in _field(indexes, DESCRIBE, list, "GlobalSecondaryIndexes"):
        target = Target(name, "(unnamed)")
        try:
            target = Target(name, _text(index, "IndexName", _NAME))
            resources.append(_resource(target, _text(index, "IndexStatus", _STATUS), index, table_class))
        except AwsError as error:
            problems.append((target, error))
    return Table(name, status, on_demand, replicated, tuple(resources), tuple(problems), account)


def _account(table: Mapping[str, Any]) -> str:
    """The account number from the table's ARN. Nothing depends on it."""
    found = _ARN.match(str(table.get("TableArn")))
    return found[1] if found else ""


def _table_class(table: Mapping[str, Any]) -> str:
    """The price depends on it. DescribeTable omits it if it was never set."""
    summary = table.get("TableClassSummary")
    found = summary.get("TableClass") if isinstance(summary, dict) else None
    return found if isinstance(found, str) else STANDARD


def _resource(target: Target, status: str, description: Mapping[str, Any], table_class: str) -> Resource:
    if status != ACTIVE:  # it is skipped, and may have no units or 0: while CREATING or DELETING, or when ARCHIVED
        return Resource(target, status, Throughput(0, 0))
    granted = _field(description, DESCRIBE, dict, "ProvisionedThroughput")
    return Resource(
        target,
        status,
        Throughput(_units(granted, "ReadCapacityUnits"), _units(granted, "WriteCapacityUnits")),
        last_increase=_moment(granted, "LastIncreaseDateTime"),
        last_decrease=_moment(granted, "LastDecreaseDateTime"),
        decreases_today=_field({"NumberOfDecreasesToday": 0, **granted}, DESCRIBE, int, "NumberOfDecreasesToday"),
        table_class=table_class,
    )


def _field(mapping: Any, operation: str, kind: type, name: str) -> Any:
    value = mapping.get(name) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadAnswerError(operation, name)
    return value


def _text(description: Any, name: str, form: re.Pattern[str]) -> str:
    text = str(_field(description, DESCRIBE, str, name))
    if not form.fullmatch(text):
        raise BadAnswerError(DESCRIBE, name)
    return text


def _units(granted: Mapping[str, Any], name: str) -> int:
    units = _field(granted, DESCRIBE, int, name)
    if units < 1:  # an on-demand table shows 0, and a percentage of 0 has no meaning
        raise BadAnswerError(DESCRIBE, name)
    return int(units)


def _moment(granted: Mapping[str, Any], name: str) -> datetime | None:
    value = granted.get(name)
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise BadAnswerError(DESCRIBE, name)
    return value
