"""DynamoDB's answers, good and bad, against small clients that are written here."""
# ruff: noqa: E501 - a refusal is one line of its table, as AWS writes it

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.aws.dynamodb import (
    Outcome,
    apply,
    arguments,
    decreases_ran_out,
    describe,
    list_tables,
    quota,
    too_many_at_once,
)
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.decisions.model import Change, Resource, Target, Throughput

Answer = dict[str, Any]
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
TABLE, INDEX, SECOND = Target("my_table"), Target("my_table", "one"), Target("my_table", "two")


class RefusedError(Exception):
    """What botocore's ClientError looks like."""

    def __init__(self, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


class DynamoDB:
    """Gives the answers it was made with, one a call, and keeps the calls; exceptions are raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Answer] = []

    def _answer(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    list_tables = describe_table = update_table = _answer


# List


def test_one_page() -> None:
    dynamodb = DynamoDB({"TableNames": ["a", "b"]})
    assert list_tables(dynamodb) == ["a", "b"]
    assert dynamodb.calls == [{}]


def test_no_table() -> None:
    assert list_tables(DynamoDB({"TableNames": []})) == []


def test_pages() -> None:
    dynamodb = DynamoDB(
        {"TableNames": ["a", "b"], "LastEvaluatedTableName": "b"},
        {"TableNames": ["c"], "LastEvaluatedTableName": "c"},
        {"TableNames": ["c", "d"]},
    )
    assert list_tables(dynamodb) == ["a", "b", "c", "d"]
    assert dynamodb.calls == [{}, {"ExclusiveStartTableName": "b"}, {"ExclusiveStartTableName": "c"}]


@pytest.mark.parametrize("tokens", [["b", "b"], ["b", "a", "b"]], ids=["one", "two in turn"])
def test_a_token_that_repeats_ends(tokens: list[str]) -> None:
    dynamodb = DynamoDB(*({"TableNames": ["a", "b"], "LastEvaluatedTableName": token} for token in tokens))
    with pytest.raises(AwsError, match="no usable end of its pages"):
        list_tables(dynamodb)


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"TableNames": None}, {"TableNames": "a"}, {"TableNames": {"a": 1}}, {"TableNames": ["a", None]}],
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
        index("two", IndexStatus="UPDATING", ProvisionedThroughput=throughput(1, 2, NumberOfDecreasesToday=1)),
    ]
    answer = table(TableStatus="UPDATING", ProvisionedThroughput=throughput(**history), GlobalSecondaryIndexes=indexes)
    assert describe(DynamoDB(answer), "my_table").resources == (
        Resource(TABLE, "UPDATING", Throughput(5, 6), NOON, NOON.replace(hour=3), 4),
        Resource(INDEX, "ACTIVE", Throughput(7, 8)),
        Resource(SECOND, "UPDATING", Throughput(1, 2), decreases_today=1),
    )


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
        (table(ProvisionedThroughput=...), "ProvisionedThroughput"),
        (table(GlobalSecondaryIndexes={"one": index()}), "GlobalSecondaryIndexes"),
        (table(GlobalSecondaryIndexes=7), "GlobalSecondaryIndexes"),
        (table(GlobalSecondaryIndexes=True), "GlobalSecondaryIndexes"),
    ],
)
def test_a_description_that_cannot_be_used(answer: Any, field: str) -> None:
    with pytest.raises(AwsError, match=f"no usable {field} in it"):
        describe(DynamoDB(answer), "my_table")


def test_a_table_that_was_deleted() -> None:
    with pytest.raises(AwsError) as caught:
        describe(DynamoDB(RefusedError("ResourceNotFoundException", "Table: my_table not found")), "my_table")
    assert caught.value.not_found


# Apply


def change(target: Target, current: tuple[int, int], desired: tuple[int, int]) -> Change:
    return Change(target, Throughput(*current), Throughput(*desired), ("why reads", "why writes"))


ACCEPTED: Answer = {"TableDescription": {}}
UP, DOWN, MIXED = ((10, 10), (20, 10)), ((10, 10), (5, 10)), ((10, 10), (20, 5))


def test_the_arguments_of_a_table() -> None:
    assert arguments([change(TABLE, *UP)]) == {
        "TableName": "my_table",
        "ProvisionedThroughput": {"ReadCapacityUnits": 20, "WriteCapacityUnits": 10},
    }


def test_the_arguments_of_an_index() -> None:
    assert arguments([change(INDEX, *DOWN)]) == {
        "TableName": "my_table",
        "GlobalSecondaryIndexUpdates": [
            {
                "Update": {
                    "IndexName": "one",
                    "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 10},
                }
            }
        ],
    }


def test_one_call_for_the_table_and_its_indexes() -> None:
    dynamodb = DynamoDB(ACCEPTED)
    changes = (change(TABLE, *UP), change(INDEX, *DOWN), change(SECOND, *MIXED))
    assert apply(dynamodb, changes) == Outcome(made=changes)
    (call,) = dynamodb.calls
    assert call["ProvisionedThroughput"] == {"ReadCapacityUnits": 20, "WriteCapacityUnits": 10}
    assert [
        (one["Update"]["IndexName"], one["Update"]["ProvisionedThroughput"])
        for one in call["GlobalSecondaryIndexUpdates"]
    ] == [
        ("one", {"ReadCapacityUnits": 5, "WriteCapacityUnits": 10}),
        ("two", {"ReadCapacityUnits": 20, "WriteCapacityUnits": 5}),
    ]


RAN_OUT = (
    "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first "
    "4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds. "
    "Number of decreases today: 4. Last decrease at Saturday, January 31, 2026 at 11:59:00 AM Coordinated Universal "
    "Time. Next decrease can be made at Saturday, January 31, 2026 at 12:59:00 PM Coordinated Universal Time"
)
SIMULTANEOUS = "Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously"


def ran_out() -> RefusedError:
    return RefusedError("LimitExceededException", RAN_OUT)


def test_decreases_refused_the_increases_are_made_at_once() -> None:
    dynamodb = DynamoDB(ran_out(), ACCEPTED)
    changes = (change(TABLE, *DOWN), change(INDEX, *MIXED), change(SECOND, *UP))
    outcome = apply(dynamodb, changes)
    kept = change(INDEX, (10, 10), (20, 10))
    assert outcome == Outcome(made=(kept, changes[2]), refused=changes[:2])
    assert dynamodb.calls == [arguments(changes), arguments([kept, changes[2]])]
    assert "ProvisionedThroughput" not in dynamodb.calls[1]


def test_only_decreases_refused() -> None:
    dynamodb = DynamoDB(ran_out())
    changes = (change(TABLE, *DOWN), change(INDEX, *DOWN))
    assert apply(dynamodb, changes) == Outcome(refused=changes)
    assert len(dynamodb.calls) == 1


def test_the_increases_fail_as_well() -> None:
    dynamodb = DynamoDB(ran_out(), RefusedError("ResourceInUseException", "is being updated"))
    changes = (change(TABLE, *MIXED),)
    outcome = apply(dynamodb, changes)
    assert (outcome.made, outcome.refused) == ((), changes)
    assert outcome.error is not None
    assert outcome.error.code == "ResourceInUseException"


def test_no_third_call() -> None:
    """A refusal of increases for their decreases is nonsense, and an error."""
    dynamodb = DynamoDB(ran_out(), ran_out())
    outcome = apply(dynamodb, (change(TABLE, *MIXED),))
    assert outcome.error is not None
    assert len(dynamodb.calls) == 2


def test_decreases_ran_out_though_none_was_asked_for() -> None:
    dynamodb = DynamoDB(ran_out())
    outcome = apply(dynamodb, (change(TABLE, *UP),))
    assert outcome.error is not None
    assert (outcome.made, outcome.refused, len(dynamodb.calls)) == ((), (), 1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("LimitExceededException", SIMULTANEOUS),
        ("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated: t"),
        ("ResourceNotFoundException", "Requested resource not found: Table: my_table not found"),
        ("ValidationException", "One or more parameter values were invalid"),
        ("AccessDeniedException", "User: x is not authorized to perform: dynamodb:UpdateTable"),
        ("ThrottlingException", "Rate of requests exceeds the allowed throughput"),
    ],
)
def test_other_refusals_are_the_outcome(code: str, message: str) -> None:
    dynamodb = DynamoDB(RefusedError(code, message))
    outcome = apply(dynamodb, (change(TABLE, *DOWN), change(INDEX, *UP)))
    assert (outcome.made, outcome.refused, len(dynamodb.calls)) == ((), (), 1)
    assert outcome.error is not None
    assert str(outcome.error).startswith(f"UpdateTable failed: {code}: {message}")


def test_an_unforeseen_error_is_the_outcome() -> None:
    outcome = apply(DynamoDB(ZeroDivisionError("parser")), (change(TABLE, *UP),))
    assert outcome.error is not None
    assert outcome.error.code == "ZeroDivisionError"


@pytest.mark.parametrize("answer", [{}, {"TableDescription": None}, {"message": "<html>"}, [], None])
def test_nonsense_is_not_taken_for_a_yes(answer: Any) -> None:
    outcome = apply(DynamoDB(answer), (change(TABLE, *UP),))
    assert outcome.made == ()
    assert str(outcome.error) == "UpdateTable failed: bad answer: no usable TableDescription in it"
    assert outcome.error is not None and not outcome.error.answered


class Strict:
    """Refuses a call with any decrease, and one that changes nothing; keeps what was set."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.units = {change.target.index: change.current for change in changes}

    def update_table(self, **arguments: Any) -> Answer:
        updates = {
            one["Update"]["IndexName"]: one["Update"] for one in arguments.get("GlobalSecondaryIndexUpdates", ())
        }
        asked = {name: Throughput(*one["ProvisionedThroughput"].values()) for name, one in updates.items()}
        if "ProvisionedThroughput" in arguments:
            asked[None] = Throughput(*arguments["ProvisionedThroughput"].values())
        assert asked
        assert all(self.units[name] != units for name, units in asked.items())
        if any(then < now for name in asked for now, then in zip(self.units[name], asked[name], strict=True)):
            raise ran_out()
        self.units |= asked
        return ACCEPTED


AXES_OF_CHANGE = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(st.lists(st.tuples(AXES_OF_CHANGE, AXES_OF_CHANGE).filter(lambda two: two[0] != two[1]), min_size=1, max_size=3))
def test_an_increase_never_waits_for_a_decrease(moves: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    changes = [change(target, *move) for target, move in zip((TABLE, INDEX, SECOND), moves, strict=False)]
    dynamodb = Strict(changes)
    outcome = apply(dynamodb, changes)
    for one in changes:
        wanted = tuple(max(now, then) for now, then in zip(one.current, one.desired, strict=True))
        assert dynamodb.units[one.target.index] == wanted
    assert {made.target: made.desired for made in outcome.made} == {
        one.target: dynamodb.units[one.target.index] for one in changes if one.increases
    }
    assert outcome.refused == tuple(one for one in changes if one.decreases)
    assert outcome.error is None


# What a refusal means

ACCOUNT, PER_TABLE = "the account's quota of capacity units", "the quota of 40,000 capacity units a table"
LIMIT, INVALID = "LimitExceededException", "ValidationException"
REFUSALS = [
    # code, message, (decreases ran out, too many at once, the quota named)
    (LIMIT, RAN_OUT, (True, False, "")),
    (LIMIT, "Subscriber limit exceeded: Provisioned throughput can be decreased only 4 times within a UTC day", (True, False, "")),
    (LIMIT, "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. Index: one", (True, False, "")),
    (LIMIT, RAN_OUT.upper(), (True, False, "")),
    (LIMIT, SIMULTANEOUS, (False, True, "")),
    (LIMIT, "Subscriber limit exceeded: Only 10 tables can be created, updated, or deleted simultaneously", (False, True, "")),
    (LIMIT, "Too many operations for a given subscriber: up to 500 table operations at a time", (False, True, "")),
    (LIMIT, "Up to 500 simultaneous table operations are allowed per account", (False, True, "")),
    (LIMIT, "Too many concurrent control plane operations", (False, True, "")),
    (LIMIT, "Subscriber limit exceeded: Table-level quota of 40000 ReadCapacityUnits exceeded", (False, False, PER_TABLE)),
    (LIMIT, "Subscriber limit exceeded: There is a limit of 40000 write units per table", (False, False, PER_TABLE)),
    (LIMIT, "Subscriber limit exceeded: Account-level quota of 80000 WriteCapacityUnits exceeded", (False, False, ACCOUNT)),
    (LIMIT, "The requested throughput exceeds the maximum of your account", (False, False, ACCOUNT)),
    ("ServiceQuotaExceededException", "too much for this account", (False, False, ACCOUNT)),
    (INVALID, "The requested ReadCapacityUnits exceed the table limit of 40000", (False, False, PER_TABLE)),
    (INVALID, "Table throughput limit of 40000 exceeded", (False, False, PER_TABLE)),
    (INVALID, "WriteCapacityUnits cannot be more than the maximum of 40000 of this account", (False, False, ACCOUNT)),
    (
        INVALID,
        "The provisioned throughput for the table will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. Refer to the Amazon "
        "DynamoDB Developer Guide for current limits and how to request higher limits.",
        (False, False, ""),
    ),
    (INVALID, "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1", (False, False, "")),
    (INVALID, "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST", (False, False, "")),
    ("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated: t", (False, False, "")),
    ("ThrottlingException", "Rate of requests exceeds the allowed throughput limit", (False, False, "")),
    ("AccessDeniedException", "not authorized; decreases simultaneously limit exceeded", (False, False, "")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "message", "expected"), REFUSALS)
def test_what_a_refusal_means(code: str, message: str, expected: tuple[bool, bool, str]) -> None:
    error = AwsError("UpdateTable", code, message)
    named = quota(error)
    assert (decreases_ran_out(error), too_many_at_once(error), named.partition(";")[0]) == expected
    assert not named or named.endswith("; ask AWS to raise it (Service Quotas), or set a max below it")


def test_a_refusal_means_one_thing() -> None:
    words = ("decreases", "simultaneously", "account limit exceeded")
    for some in itertools.product((True, False), repeat=3):
        text = " ".join(word for word, there in zip(words, some, strict=True) if there)
        error = AwsError("UpdateTable", LIMIT, text)
        meanings = (decreases_ran_out(error), too_many_at_once(error), bool(quota(error)))
        assert sum(meanings) == 1
