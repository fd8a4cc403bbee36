"""DynamoDB: list and describe tables, and send what was decided in one UpdateTable a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dynamic_dynamodb.aws.errors import AwsError, BadAnswerError, call
from dynamic_dynamodb.decisions.model import Change, Resource, Table, Target, Throughput

_LIST, _DESCRIBE, _UPDATE = "ListTables", "DescribeTable", "UpdateTable"

_MOST_PAGES = 1000  # of names; ten times as many tables as AWS allows


# List and describe


def list_tables(dynamodb: Any) -> list[str]:
    """All table names of the region, 100 a call. Raises AwsError."""
    names: dict[str, None] = {}
    arguments: dict[str, Any] = {}
    for _page in range(_MOST_PAGES):
        answer = call(_LIST, dynamodb.list_tables, **arguments)
        page = _field(answer, _LIST, list, "TableNames")
        if not all(isinstance(name, str) for name in page):
            raise BadAnswerError(_LIST, "TableNames")
        known = len(names)
        names.update(dict.fromkeys(page))
        last = answer.get("LastEvaluatedTableName")
        if not last:
            return list(names)
        if len(names) == known:  # a page without a new name: the service goes round in circles
            break
        arguments = {"ExclusiveStartTableName": last}
    raise BadAnswerError(_LIST, "end of its pages")


def describe(dynamodb: Any, name: str) -> Table:
    """A table with its indexes. Raises AwsError."""
    answer = call(_DESCRIBE, dynamodb.describe_table, TableName=name)
    table = _field(answer, _DESCRIBE, dict, "Table")
    status = _field(table, _DESCRIBE, str, "TableStatus")
    billing = table.get("BillingModeSummary")  # missing where the table was never on demand
    on_demand = isinstance(billing, dict) and billing.get("BillingMode") == "PAY_PER_REQUEST"
    replicated = bool(table.get("Replicas"))
    if on_demand:
        return Table(name, status, on_demand, replicated, ())
    resources = [_resource(Target(name), status, table)]
    problems: list[tuple[Target, Exception]] = []
    indexes = {"GlobalSecondaryIndexes": [], **table}  # missing where there are none
    for index in _field(indexes, _DESCRIBE, list, "GlobalSecondaryIndexes"):
        target = Target(name, "(unnamed)")
        try:
            target = Target(name, _field(index, _DESCRIBE, str, "IndexName"))
            resources.append(_resource(target, _field(index, _DESCRIBE, str, "IndexStatus"), index))
        except AwsError as error:
            problems.append((target, error))
    return Table(name, status, on_demand, replicated, tuple(resources), tuple(problems))


def _resource(target: Target, status: str, description: Mapping[str, Any]) -> Resource:
    granted = _field(description, _DESCRIBE, dict, "ProvisionedThroughput")
    return Resource(
        target,
        status,
        Throughput(_units(granted, "ReadCapacityUnits"), _units(granted, "WriteCapacityUnits")),
        last_increase=_moment(granted, "LastIncreaseDateTime"),
        last_decrease=_moment(granted, "LastDecreaseDateTime"),
        decreases_today=_field({"NumberOfDecreasesToday": 0, **granted}, _DESCRIBE, int, "NumberOfDecreasesToday"),
    )


def _field(mapping: Any, operation: str, kind: type, name: str) -> Any:
    value = mapping.get(name) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadAnswerError(operation, name)
    return value


def _units(granted: Mapping[str, Any], name: str) -> int:
    units = _field(granted, _DESCRIBE, int, name)
    if units < 1:  # 0 is what an on-demand table shows, and nothing can be measured against it
        raise BadAnswerError(_DESCRIBE, name)
    return int(units)


def _moment(granted: Mapping[str, Any], name: str) -> datetime | None:
    value = granted.get(name)
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise BadAnswerError(_DESCRIBE, name)
    return value


# Apply


@dataclass(frozen=True)
class Outcome:
    """What became of one table's changes.

    `made` are the changes that DynamoDB accepted; `refused` those whose
    decreases it refused because they had run out for now; `error` is what
    kept the rest from being made.
    """

    made: tuple[Change, ...] = ()
    refused: tuple[Change, ...] = ()
    error: AwsError | None = None


def arguments(changes: Sequence[Change]) -> dict[str, Any]:
    """The UpdateTable call that carries a table's change and those of its indexes."""
    call_: dict[str, Any] = {"TableName": changes[0].target.table}
    for change in changes:
        throughput = {"ReadCapacityUnits": change.desired.reads, "WriteCapacityUnits": change.desired.writes}
        if change.target.index is None:
            call_["ProvisionedThroughput"] = throughput
        else:
            update = {"IndexName": change.target.index, "ProvisionedThroughput": throughput}
            call_.setdefault("GlobalSecondaryIndexUpdates", []).append({"Update": update})
    return call_


def apply(dynamodb: Any, changes: Sequence[Change]) -> Outcome:
    """Send one table's changes in one call.

    Where DynamoDB refuses it because decreases have run out, what increases is
    sent again without them: an increase never waits for a decrease.
    Does not raise: the outcome tells.
    """
    try:
        _update(dynamodb, changes)
    except AwsError as error:
        if not decreases_ran_out(error) or not any(change.decreases for change in changes):
            return Outcome(error=error)
        refused = tuple(change for change in changes if change.decreases)
        return _apply_increases(dynamodb, tuple(_increases(changes)), refused)
    return Outcome(made=tuple(changes))


def _apply_increases(dynamodb: Any, increases: tuple[Change, ...], refused: tuple[Change, ...]) -> Outcome:
    if not increases:
        return Outcome(refused=refused)
    try:
        _update(dynamodb, increases)
    except AwsError as error:
        return Outcome(refused=refused, error=error)
    return Outcome(made=increases, refused=refused)


def _update(dynamodb: Any, changes: Sequence[Change]) -> None:
    """Send one call. Raises AwsError when it was not accepted: that takes an answer which says so."""
    try:
        answer = call(_UPDATE, dynamodb.update_table, **arguments(changes))
    except AwsError as error:
        # The answer to the first attempt was lost, and botocore's next one has met the change that the
        # first has begun, or made: the table was ACTIVE, and another, when it was described a moment ago.
        made = error.code == "ResourceInUseException" or "will not change" in error.message
        if not (error.repeated and made):
            raise
    else:
        _field(answer, _UPDATE, dict, "TableDescription")


def _increases(changes: Sequence[Change]) -> Iterator[Change]:
    for change in changes:
        rest = change.without_decreases()
        if rest.changes:
            yield rest


# LimitExceededException stands for three things, and only its text tells which.

_LIMIT = "LimitExceededException"
_AT_ONCE = re.compile(r"simultaneous|concurrent|at (once|a time|the same time)", re.I)
# As a ValidationException: that something exceeds a limit. The advice to look
# up "current limits" stands in other refusals as well.
_BEYOND = re.compile(r"(limit|quota|maximum).*exceed|(exceed|(greater|more) than).*(limit|quota|maximum)", re.I)


def decreases_ran_out(error: AwsError) -> bool:
    """Whether the call was refused because a table or index has no decrease left for now."""
    return error.code == _LIMIT and "decrease" in error.message.lower()


def too_many_at_once(error: AwsError) -> bool:
    """Whether the call was refused because too many tables (500) are being changed at once."""
    return error.code == _LIMIT and not decreases_ran_out(error) and bool(_AT_ONCE.search(error.message))


def quota(error: AwsError) -> str:
    """The quota that an increase was refused for, in words; empty where it was something else."""
    if decreases_ran_out(error) or too_many_at_once(error):
        return ""
    by_code = error.code in (_LIMIT, "ServiceQuotaExceededException")
    if not by_code and not (error.code == "ValidationException" and _BEYOND.search(error.message)):
        return ""
    of_account = "account" in error.message.lower()
    which = "the account's quota of capacity units" if of_account else "the quota of 40,000 capacity units a table"
    return f"{which}; ask AWS to raise it (Service Quotas), or set a max below it"
