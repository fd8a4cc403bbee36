"""DynamoDB's control plane, as strict as AWS's, with boto3's method names, arguments, answers and refusals."""
# ruff: noqa: N803 - the arguments are boto3's

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from dynamic_dynamodb.decisions.model import AXES, Throughput
from dynamic_dynamodb.simulation.account import Account, valid_name
from dynamic_dynamodb.simulation.metrics import settle
from dynamic_dynamodb.simulation.refusal import ABSENT, Answer, RefusedError, given, success
from dynamic_dynamodb.simulation.resources import ACTIVE, Capacity, Table

_PAGE = 100  # names per answer: ListTables' limit
_UNITS = ("ReadCapacityUnits", "WriteCapacityUnits")
_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/"
_BUSY = {"CREATING": "created", "UPDATING": "updated", "DELETING": "deleted"}


class DynamoDB:
    """Replaces boto3.client("dynamodb") for the loop."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def list_tables(self, *, ExclusiveStartTableName: str = ABSENT, Limit: int = ABSENT) -> Answer:
        arguments = given(
            {"ExclusiveStartTableName": str, "Limit": int}, ExclusiveStartTableName=ExclusiveStartTableName, Limit=Limit
        )
        with self._account.call("ListTables", arguments):
            limit = arguments.get("Limit", _PAGE)
            if not 1 <= limit <= _PAGE:
                raise _constraint(limit, "limit", "Member must have value between 1 and 100")
            after = arguments.get("ExclusiveStartTableName")
            if after is not None:
                _check_name(after, "exclusiveStartTableName")
            names = self._account.names
            start = 0 if after is None else bisect_right(names, after)
            page = names[start : start + limit]
            more = start + limit < len(names)
            return success(TableNames=page, **({"LastEvaluatedTableName": page[-1]} if more else {}))

    def describe_table(self, *, TableName: str) -> Answer:
        arguments = given({"TableName": str}, TableName=TableName)
        with self._account.call("DescribeTable", arguments) as now:
            return success(Table=_describe(self._table(TableName), now))

    def update_table(
        self,
        *,
        TableName: str,
        ProvisionedThroughput: Mapping[str, int] = ABSENT,
        GlobalSecondaryIndexUpdates: Sequence[Mapping[str, Any]] = ABSENT,
    ) -> Answer:
        arguments = given(
            {"TableName": str, "ProvisionedThroughput": dict, "GlobalSecondaryIndexUpdates": list},
            TableName=TableName,
            ProvisionedThroughput=ProvisionedThroughput,
            GlobalSecondaryIndexUpdates=GlobalSecondaryIndexUpdates,
        )
        with self._account.call("UpdateTable", arguments) as now:
            wanted = _wanted(arguments)
            table = self._table(TableName)
            changes = [(_capacity(table, index), units) for index, units in wanted.items()]
            update = _Update(self._account, table, changes, now)
            update.check()
            update.carry_out()
            self._account.updates.append(copy.deepcopy(arguments))
            return success(TableDescription=_describe(table, now))

    def _table(self, name: str) -> Table:
        _check_name(name, "tableName")
        table = self._account.tables.get(name)
        if table is None:
            raise RefusedError("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
        return table


# Reading the arguments


def _constraint(value: object, field: str, text: str) -> RefusedError:
    message = f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {text}"
    return RefusedError("ValidationException", message)


def _check_name(name: str, field: str) -> None:
    if not 3 <= len(name) <= 255:
        raise RefusedError(
            "ValidationException", f"{field} must be at least 3 characters long and at most 255 characters long"
        )
    if not valid_name(name):
        raise _constraint(name, field, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")


def _wanted(arguments: Mapping[str, Any]) -> dict[str | None, Throughput]:
    """The requested throughput of the table (None) and of indexes."""
    wanted: dict[str | None, Throughput] = {}
    if "ProvisionedThroughput" in arguments:
        wanted[None] = _units(arguments["ProvisionedThroughput"], "provisionedThroughput")
    for number, entry in enumerate(arguments.get("GlobalSecondaryIndexUpdates", ()), 1):
        field = f"globalSecondaryIndexUpdates.{number}.member.update"
        update = entry.get("Update") if isinstance(entry, dict) and set(entry) == {"Update"} else None
        if not isinstance(update, dict) or set(update) != {"IndexName", "ProvisionedThroughput"}:
            raise _constraint(entry, field, "Member must hold an Update with IndexName and ProvisionedThroughput")
        index = update["IndexName"]
        _check_name(index, f"{field}.indexName")
        if index in wanted:
            text = f"Only one global secondary index update per index is allowed simultaneously. Index: {index}"
            raise RefusedError("ValidationException", text)
        wanted[index] = _units(update["ProvisionedThroughput"], f"{field}.provisionedThroughput")
    if not wanted:
        text = "At least one of ProvisionedThroughput, BillingMode, or GlobalSecondaryIndexUpdates is required"
        raise RefusedError("ValidationException", text)
    return wanted


def _units(throughput: object, field: str) -> Throughput:
    if not isinstance(throughput, dict) or set(throughput) != set(_UNITS):
        raise _constraint(throughput, field, f"Member must hold {' and '.join(_UNITS)}")
    for name in _UNITS:
        units = throughput[name]
        if type(units) is not int:
            raise RefusedError("SerializationException", f"NUMBER_VALUE cannot be converted to Long: {units!r}")
        if units < 1:
            path = f"{field}.{name[0].lower()}{name[1:]}"
            raise _constraint(units, path, "Member must have value greater than or equal to 1")
    return Throughput(*(throughput[name] for name in _UNITS))


def _capacity(table: Table, index: str | None) -> Capacity:
    capacity = table.capacity(index)
    if capacity is None:
        text = f"Requested resource not found: Index: {index} of Table: {table.name} not found"
        raise RefusedError("ResourceNotFoundException", text)
    return capacity


# Updating


@dataclass(frozen=True)
class _Update:
    """One UpdateTable that is well-formed and whose table and indexes exist."""

    account: Account
    table: Table
    changes: Sequence[tuple[Capacity, Throughput]]
    now: datetime

    def check(self) -> None:
        """Refuse the whole call if one part of it breaks a rule."""
        self._check_billing()
        self._check_status()
        self._check_difference()
        self._check_quotas()
        self._check_decreases()
        self._check_simultaneous()

    def carry_out(self) -> None:
        rules, last = self.account.rules, self.now
        for capacity, units in self.changes:
            for axis in AXES:
                settle(self.account, capacity, axis)
            capacity.units.forget(self.account.horizon)
            at_once = rules.warm and not capacity.decreased_by(units, self.now) and capacity.had(units)
            ready = self.now if at_once else self.now + timedelta(seconds=rules.update_seconds)
            capacity.update(units, self.now, ready)
            last = max(last, ready)
        self.table.own.busy(last)  # also if only an index changes
        self.account.changing(self.table)

    def _check_billing(self) -> None:
        if self.table.on_demand:
            text = (
                "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits "
                "can be specified when BillingMode is PAY_PER_REQUEST"
            )
            raise RefusedError("ValidationException", text)

    def _check_status(self) -> None:
        for capacity in (self.table.own, *(capacity for capacity, _ in self.changes)):
            status = capacity.status(self.now)
            if status != ACTIVE:
                kind, name = ("Table", self.table.name) if capacity is self.table.own else ("Index", str(capacity))
                state = f"being {_BUSY[status]}" if status in _BUSY else f"in status {status}"
                text = f"Attempt to change a resource which is still in use: {kind} is {state}: {name}"
                raise RefusedError("ResourceInUseException", text)

    def _check_difference(self) -> None:
        for capacity, units in self.changes:
            present = capacity.provisioned(self.now)
            if units == present:
                both = " ".join(
                    f"Current {name} provisioned for the {capacity}: {old}. Requested {name}: {new}."
                    for name, old, new in zip(_UNITS, present, units, strict=True)
                )
                text = (
                    f"The provisioned throughput for the {capacity} will not change. The requested value equals the "
                    f"current value. {both} Refer to the Amazon DynamoDB Developer Guide for current limits and how "
                    "to request higher limits."
                )
                raise RefusedError("ValidationException", text)

    def _check_quotas(self) -> None:
        rules = self.account.rules
        for capacity, units in self.changes:
            self._check_quota("Table", rules.table_quota, [(capacity, units)], (capacity,))
        if rules.account_quota is not None:
            self._check_quota("Account", rules.account_quota, self.changes, self.account.capacities())

    def _check_quota(
        self,
        level: str,
        quota: int,
        changes: Sequence[tuple[Capacity, Throughput]],
        counted: Iterable[Capacity],
    ) -> None:
        """A quota refuses increases only: a capacity above it may still be decreased."""
        present = [capacity.provisioned(self.now) for capacity in counted]
        for axis, name in enumerate(_UNITS):
            growth = sum(units[axis] - capacity.provisioned(self.now)[axis] for capacity, units in changes)
            total = growth + sum(provisioned[axis] for provisioned in present)
            if growth > 0 and total > quota:
                text = (
                    f"Subscriber limit exceeded: {level}-level quota of {quota} {name} exceeded: this request would "
                    f"provision {total} for {changes[0][0]} of {self.table.name}. Refer to Service Quotas to request "
                    "more."
                )
                self._refuse([capacity for capacity, _ in changes], text)

    def _refuse(self, because: Iterable[Capacity], text: str) -> NoReturn:
        self.account.refusals += [(self.now, capacity.target) for capacity in because]
        raise RefusedError("LimitExceededException", text)

    def _check_decreases(self) -> None:
        for capacity, units in self.changes:
            decreases = capacity.decreases
            following = decreases.next(self.now, self.account.rules)
            if not capacity.decreased_by(units, self.now) or following <= self.now:
                continue
            text = (
                "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. "
                f"After the first {self.account.rules.decreases_at_once} decreases, each subsequent decrease in the "
                "same UTC day can be performed at most once every 3600 seconds. "
                f"Number of decreases today: {decreases.today(self.now)}. "
                f"Last decrease at {_long(decreases.last or self.now)}. "
                f"Next decrease can be made at {_long(following)}"
            )
            self._refuse([capacity], text)

    def _check_simultaneous(self) -> None:
        most = self.account.rules.most_updating
        if self.account.in_transition() >= most:
            text = f"Subscriber limit exceeded: Only {most} tables can be created, updated, or deleted simultaneously"
            raise RefusedError("LimitExceededException", text)


def _long(moment: datetime) -> str:
    """A moment as AWS writes it in messages."""
    hour = moment.hour % 12 or 12
    return f"{moment:%A, %B} {moment.day}, {moment:%Y} at {hour}:{moment:%M:%S %p} Coordinated Universal Time"


# Describing


def _describe(table: Table, now: datetime) -> Answer:
    arn = _ARN + table.name
    attributes = ["id", *table.indexes]
    answer: Answer = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        "TableName": table.name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "TableStatus": table.own.status(now),
        "CreationDateTime": table.created,
        "ProvisionedThroughput": _throughput(table.own, now),
        "TableSizeBytes": 0,
        "ItemCount": 0,
        "TableArn": arn,
        "TableId": table.id,
        "DeletionProtectionEnabled": False,
    }
    if table.on_demand_since is not None:  # AWS leaves this out for tables that were never on demand
        mode = "PAY_PER_REQUEST" if table.on_demand else "PROVISIONED"
        summary = {"BillingMode": mode, "LastUpdateToPayPerRequestDateTime": table.on_demand_since}
        answer["BillingModeSummary"] = summary
    if table.indexes:
        answer["GlobalSecondaryIndexes"] = [_describe_index(index, arn, now) for index in table.indexes.values()]
    if table.replicas:
        answer["GlobalTableVersion"] = "2019.11.21"
        answer["Replicas"] = [{"RegionName": region, "ReplicaStatus": "ACTIVE"} for region in table.replicas]
    return answer


def _describe_index(capacity: Capacity, arn: str, now: datetime) -> Answer:
    name = capacity.target.index
    answer: Answer = {
        "IndexName": name,
        "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "IndexStatus": capacity.status(now),
        "ProvisionedThroughput": _throughput(capacity, now),
        "IndexSizeBytes": 0,
        "ItemCount": 0,
        "IndexArn": f"{arn}/index/{name}",
    }
    if capacity.backfilling is not None:
        answer["Backfilling"] = capacity.backfilling
    return answer


def _throughput(capacity: Capacity, now: datetime) -> Answer:
    instants = {"LastIncreaseDateTime": capacity.last_increase, "LastDecreaseDateTime": capacity.decreases.last}
    return {
        **{name: moment for name, moment in instants.items() if moment is not None},
        "NumberOfDecreasesToday": capacity.decreases.today(now),
        **dict(zip(_UNITS, capacity.provisioned(now), strict=True)),
    }
