"""DynamoDB's answers, good and bad, against small clients that are written here."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from client_stub import Answer, DynamoDB, RefusedError

from dynamic_dynamodb.aws.dynamodb import describe, list_tables
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.decisions.model import Resource, Target, Throughput

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
TABLE, INDEX, SECOND = Target("my_table"), Target("my_table", "one"), Target("my_table", "two")


# List


def test_one_page() -> None:
    dynamodb = DynamoDB({"TableNames": ["table-a", "table-b"]})
    assert list_tables(dynamodb) == ["table-a", "table-b"]
    assert dynamodb.calls == [{}]


def test_no_table() -> None:
    assert list_tables(DynamoDB({"TableNames": []})) == []


def test_pages() -> None:
    dynamodb = DynamoDB(
        {"TableNames": ["table-a", "table-b"], "LastEvaluatedTableName": "table-b"},
        {"TableNames": ["table-c"], "LastEvaluatedTableName": "table-c"},
        {"TableNames": ["table-c", "table-d"]},
    )
    assert list_tables(dynamodb) == ["table-a", "table-b", "table-c", "table-d"]
    assert dynamodb.calls == [{}, {"ExclusiveStartTableName": "table-b"}, {"ExclusiveStartTableName": "table-c"}]


@pytest.mark.parametrize(
    "tokens", [["table-b", "table-b"], ["table-b", "table-a", "table-b"]], ids=["one", "two in turn"]
)
def test_a_token_that_repeats_ends(tokens: list[str]) -> None:
    dynamodb = DynamoDB(*({"TableNames": ["table-a", "table-b"], "LastEvaluatedTableName": token} for token in tokens))
    with pytest.raises(AwsError, match="no usable end of pages"):
        list_tables(dynamodb)


@pytest.mark.parametrize(
    "answer",
    [
        *(None, [], {}, {"TableNames": None}, {"TableNames": "table"}, {"TableNames": {"table": 1}}),
        *(
            {"TableNames": ["table", name]}
            for name in (None, 1, "", "ab", "x" * 256, "x" * 5000, "a b", "t\n", "t\xe4s")
        ),
    ],
)
def test_a_list_that_cannot_be_used(answer: Any) -> None:
    with pytest.raises(AwsError, match="no usable TableNames") as caught:
        list_tables(DynamoDB(answer))
    assert caught.value.operation == "ListTables"


def test_a_list_that_is_denied() -> None:
    with pytest.raises(AwsError) as caught:
        list_tables(DynamoDB(RefusedError("AccessDeniedException", "not authorized")))
    assert caught.value.denied
    assert "dynamodb:ListTables" in str(caught.value)


# Describe


def throughput(reads: Any = 5, writes: Any = 6, **more: Any) -> Answer:
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes, **more}


def index(name: Any = "one", **more: Any) -> Answer:
    return {"IndexName": name, "IndexStatus": "ACTIVE", "ProvisionedThroughput": throughput(7, 8), **more}


def table(**more: Any) -> Answer:
    """A description; a field of value ... is left out."""
    fields = {"TableName": "my_table", "TableStatus": "ACTIVE", "ProvisionedThroughput": throughput(), **more}
    return {"Table": {key: value for key, value in fields.items() if value is not ...}}


def test_a_table_alone() -> None:
    dynamodb = DynamoDB(table())
    found = describe(dynamodb, "my_table")
    assert dynamodb.calls == [{"TableName": "my_table"}]
    assert (found.name, found.status, found.on_demand, found.replicated) == ("my_table", "ACTIVE", False, False)
    assert found.resources == (Resource(TABLE, "ACTIVE", Throughput(5, 6)),)
    assert found.problems == ()


def test_a_table_with_indexes_and_its_history() -> None:
    history = {
        "LastIncreaseDateTime": NOON,
        "LastDecreaseDateTime": NOON.replace(hour=3),
        "NumberOfDecreasesToday": 4,
    }
    indexes = [
        index(),
        index("two", ProvisionedThroughput=throughput(1, 2, NumberOfDecreasesToday=1)),
    ]
    answer = table(ProvisionedThroughput=throughput(**history), GlobalSecondaryIndexes=indexes)
    assert describe(DynamoDB(answer), "my_table").resources == (
        Resource(TABLE, "ACTIVE", Throughput(5, 6), NOON, NOON.replace(hour=3), 4),
        Resource(INDEX, "ACTIVE", Throughput(7, 8)),
        Resource(SECOND, "ACTIVE", Throughput(1, 2), decreases_today=1),
    )


@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "DELETING", "ARCHIVED", "SLEEPING"])
@pytest.mark.parametrize(
    "granted", [..., None, throughput(0, 0), throughput("5"), throughput(NumberOfDecreasesToday=None)]
)
def test_what_is_not_active_is_left_alone_before_its_units_are_looked_at(status: str, granted: Any) -> None:
    indexes = [index("two"), index(IndexStatus=status, ProvisionedThroughput=granted)]
    answer = table(GlobalSecondaryIndexes=indexes)
    assert describe(DynamoDB(answer), "my_table").resources == (
        Resource(TABLE, "ACTIVE", Throughput(5, 6)),
        Resource(SECOND, "ACTIVE", Throughput(7, 8)),
        Resource(INDEX, status, Throughput(0, 0)),
    )
    answer = table(TableStatus=status, ProvisionedThroughput=granted, GlobalSecondaryIndexes=indexes)
    found = describe(DynamoDB(answer), "my_table")
    assert (found.status, found.problems) == (status, ())
    assert found.resources[0] == Resource(TABLE, status, Throughput(0, 0))


@pytest.mark.parametrize(
    ("billing", "on_demand"),
    [
        (..., False),
        (None, False),
        ({}, False),
        ({"BillingMode": "PROVISIONED"}, False),
        ({"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": NOON}, True),
    ],
)
def test_billing_modes(billing: Any, on_demand: bool) -> None:
    found = describe(DynamoDB(table(BillingModeSummary=billing)), "my_table")
    assert found.on_demand is on_demand
    assert len(found.resources) == (0 if on_demand else 1)


def test_an_on_demand_table_has_no_throughput_to_read() -> None:
    """It shows zeros, or nothing at all; so do its indexes."""
    billing = {"BillingMode": "PAY_PER_REQUEST"}
    for granted in (throughput(0, 0), ...):
        answer = table(BillingModeSummary=billing, ProvisionedThroughput=granted, GlobalSecondaryIndexes=[{}])
        found = describe(DynamoDB(answer), "my_table")
        assert (found.on_demand, found.resources, found.problems) == (True, (), ())


@pytest.mark.parametrize(
    ("replicas", "replicated"), [(..., False), (None, False), ([], False), ([{"RegionName": "eu-west-1"}], True)]
)
def test_global_tables(replicas: Any, replicated: bool) -> None:
    assert describe(DynamoDB(table(Replicas=replicas)), "my_table").replicated is replicated


# What is wrong with a throughput, and the field that the error names.
_BAD: list[tuple[Any, str, str]] = [
    (None, "ProvisionedThroughput", "null"),
    ([], "ProvisionedThroughput", "list"),
    ({}, "ReadCapacityUnits", "missing"),
    (throughput(0), "ReadCapacityUnits", "0"),
    (throughput(-1), "ReadCapacityUnits", "-1"),
    (throughput(None), "ReadCapacityUnits", "null"),
    (throughput(True), "ReadCapacityUnits", "true"),
    (throughput(5.0), "ReadCapacityUnits", "float"),
    (throughput("5"), "ReadCapacityUnits", "text"),
    ({"ReadCapacityUnits": 5}, "WriteCapacityUnits", "missing"),
    (throughput(5, 0), "WriteCapacityUnits", "0"),
    (throughput(5, "6"), "WriteCapacityUnits", "text"),
    (throughput(LastIncreaseDateTime="noon"), "LastIncreaseDateTime", "text"),
    (throughput(LastIncreaseDateTime=NOON.replace(tzinfo=None)), "LastIncreaseDateTime", "no zone"),
    (throughput(LastDecreaseDateTime=1769860800), "LastDecreaseDateTime", "number"),
    (throughput(NumberOfDecreasesToday=None), "NumberOfDecreasesToday", "null"),
    (throughput(NumberOfDecreasesToday="4"), "NumberOfDecreasesToday", "text"),
    (throughput(NumberOfDecreasesToday=True), "NumberOfDecreasesToday", "true"),
]
BAD_THROUGHPUT = [pytest.param(granted, field, id=f"{field}: {shown}") for granted, field, shown in _BAD]


@pytest.mark.parametrize(("granted", "field"), BAD_THROUGHPUT)
def test_a_throughput_of_a_table_that_cannot_be_used(granted: Any, field: str) -> None:
    with pytest.raises(AwsError, match=f"DescribeTable failed: bad answer: no usable {field}"):
        describe(DynamoDB(table(ProvisionedThroughput=granted)), "my_table")


@pytest.mark.parametrize(("granted", "field"), BAD_THROUGHPUT)
def test_a_throughput_of_an_index_that_cannot_be_used(granted: Any, field: str) -> None:
    """It is the problem of that index: the table and its other indexes are fine."""
    answer = table(GlobalSecondaryIndexes=[index(ProvisionedThroughput=granted), index("two")])
    found = describe(DynamoDB(answer), "my_table")
    assert [resource.target for resource in found.resources] == [TABLE, SECOND]
    ((target, error),) = found.problems
    assert target == INDEX
    assert f"no usable {field}" in str(error)


@pytest.mark.parametrize(
    ("bad", "target", "field"),
    [
        (None, Target("my_table", "(unnamed)"), "IndexName"),
        ("one", Target("my_table", "(unnamed)"), "IndexName"),
        ({}, Target("my_table", "(unnamed)"), "IndexName"),
        (index(None), Target("my_table", "(unnamed)"), "IndexName"),
        (index("ab"), Target("my_table", "(unnamed)"), "IndexName"),
        (index("x" * 256), Target("my_table", "(unnamed)"), "IndexName"),
        (index("a b"), Target("my_table", "(unnamed)"), "IndexName"),
        (index(IndexStatus="x" * 5000), INDEX, "IndexStatus"),
        (index(IndexStatus=None), INDEX, "IndexStatus"),
        ({"IndexName": "one"}, INDEX, "IndexStatus"),
        ({"IndexName": "one", "IndexStatus": "ACTIVE"}, INDEX, "ProvisionedThroughput"),
    ],
)
def test_an_index_that_cannot_be_used(bad: Any, target: Target, field: str) -> None:
    found = describe(DynamoDB(table(GlobalSecondaryIndexes=[bad, index("two")])), "my_table")
    assert [resource.target for resource in found.resources] == [TABLE, SECOND]
    ((its, error),) = found.problems
    assert its == target
    assert f"no usable {field}" in str(error)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (None, "Table"),
        ([], "Table"),
        ({}, "Table"),
        ({"Table": None}, "Table"),
        ({"Table": []}, "Table"),
        (table(TableStatus=...), "TableStatus"),
        (table(TableStatus=1), "TableStatus"),
        (table(TableStatus="x" * 5000), "TableStatus"),
        (table(TableStatus="AC TIVE"), "TableStatus"),
        (table(ProvisionedThroughput=...), "ProvisionedThroughput"),
        (table(GlobalSecondaryIndexes={"one": index()}), "GlobalSecondaryIndexes"),
        (table(GlobalSecondaryIndexes=7), "GlobalSecondaryIndexes"),
        (table(GlobalSecondaryIndexes=True), "GlobalSecondaryIndexes"),
    ],
)
def test_a_description_that_cannot_be_used(answer: Any, field: str) -> None:
    with pytest.raises(AwsError, match=f"no usable {field}"):
        describe(DynamoDB(answer), "my_table")


def test_a_table_that_was_deleted() -> None:
    with pytest.raises(AwsError) as caught:
        describe(DynamoDB(RefusedError("ResourceNotFoundException", "Table: my_table not found")), "my_table")
    assert caught.value.not_found
