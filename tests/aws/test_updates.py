"""UpdateTable: what is sent, what is sent again, and what is made of it."""
# ruff: noqa: E501 - a refusal is one line, as AWS writes it

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from aws_server import AwsFault, AwsServer, Fault, RawFault, ResetFault, always, times
from client_stub import Answer, DynamoDB, RefusedError
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.aws.updates import Outcome, apply, arguments
from dynamic_dynamodb.decisions.model import Change, Target, Throughput
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

Move = tuple[tuple[int, int], tuple[int, int]]  # (reads, writes) from, to
TABLE, INDEX, SECOND = Target("my_table"), Target("my_table", "one"), Target("my_table", "two")


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
    assert apply(dynamodb, changes) == Outcome(changes)
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
PER_TABLE = "Subscriber limit exceeded: Table-level quota of 40000 ReadCapacityUnits exceeded"
OF_ACCOUNT = "Subscriber limit exceeded: Account-level quota of 80000 ReadCapacityUnits exceeded"
NOT_INCREASED = "reads not increased, refused by DynamoDB"


def ran_out() -> RefusedError:
    return RefusedError("LimitExceededException", RAN_OUT)


def test_decreases_refused_the_increases_are_made_at_once() -> None:
    dynamodb = DynamoDB(ran_out(), ACCEPTED)
    changes = (change(TABLE, *DOWN), change(INDEX, *MIXED), change(SECOND, *UP))
    outcome = apply(dynamodb, changes)
    kept = change(INDEX, (10, 10), (20, 10))
    assert (outcome.made, outcome.refused, outcome.errors) == ((kept, changes[2]), changes[:2], ())
    assert outcome.ran_out is not None and outcome.ran_out.message == RAN_OUT
    assert dynamodb.calls == [arguments(changes), arguments([kept, changes[2]])]
    assert "ProvisionedThroughput" not in dynamodb.calls[1]


def test_only_decreases_refused() -> None:
    dynamodb = DynamoDB(ran_out())
    changes = (change(TABLE, *DOWN), change(INDEX, *DOWN))
    outcome = apply(dynamodb, changes)
    assert (outcome.made, outcome.refused, outcome.errors, outcome.why) == ((), changes, (), {})
    assert len(dynamodb.calls) == 1


def test_the_increases_fail_as_well() -> None:
    dynamodb = DynamoDB(ran_out(), RefusedError("ResourceInUseException", "is being updated"))
    changes = (change(TABLE, *MIXED),)
    outcome = apply(dynamodb, changes)
    assert (outcome.made, outcome.refused) == ((), changes)
    assert [error.code for error in outcome.errors] == ["ResourceInUseException"]


def test_no_third_call() -> None:
    """A refusal of increases for their decreases is nonsense, and an error."""
    dynamodb = DynamoDB(ran_out(), ran_out())
    outcome = apply(dynamodb, (change(TABLE, *MIXED),))
    assert [error.message for error in outcome.errors] == [RAN_OUT]
    assert len(dynamodb.calls) == 2


def test_decreases_ran_out_though_none_was_asked_for() -> None:
    dynamodb = DynamoDB(ran_out())
    outcome = apply(dynamodb, (change(TABLE, *UP),))
    assert (outcome.made, outcome.refused, len(outcome.errors), len(dynamodb.calls)) == ((), (), 1, 1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("LimitExceededException", SIMULTANEOUS),
        ("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated: t"),
        ("ResourceNotFoundException", "Requested resource not found: Table: my_table not found"),
        (
            "ValidationException",
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        ("AccessDeniedException", "User: x is not authorized to perform: dynamodb:UpdateTable"),
        ("ThrottlingException", "Rate of requests exceeds the allowed throughput"),
    ],
)
def test_other_refusals_are_the_outcome(code: str, message: str) -> None:
    dynamodb = DynamoDB(RefusedError(code, message))
    outcome = apply(dynamodb, (change(TABLE, *DOWN), change(INDEX, *UP)))
    assert (outcome.made, outcome.refused, outcome.unknown, len(dynamodb.calls)) == ((), (), frozenset(), 1)
    (error,) = outcome.errors
    assert str(error).startswith(f"UpdateTable failed: {code}: {message}")


def test_an_unforeseen_error_is_the_outcome() -> None:
    outcome = apply(DynamoDB(ZeroDivisionError("parser")), (change(TABLE, *UP),))
    assert [error.code for error in outcome.errors] == ["bad answer"]
    assert outcome.unknown == {TABLE}


@pytest.mark.parametrize("answer", [{}, {"TableDescription": None}, {"message": "<html>"}, [], None])
def test_nonsense_is_not_taken_for_a_yes(answer: Any) -> None:
    outcome = apply(DynamoDB(answer), (change(TABLE, *UP),))
    assert outcome.made == ()
    assert list(map(str, outcome.errors)) == ["UpdateTable failed: bad answer: no usable TableDescription"]
    assert outcome.unknown == {TABLE}


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
    assert outcome.errors == ()


# Quotas, and changes that are not taken


@dataclass(frozen=True)
class Case:
    """What DynamoDB answers, a call each, and what is sent; the last answer is a yes unless it is a text."""

    wanted: dict[Target, Move]
    refusals: list[tuple[str, str]]
    sent: list[dict[Target, tuple[int, int]]]
    why: dict[Target, str] = field(default_factory=dict)
    made: bool = True
    refused: tuple[Target, ...] = ()


LIMIT, INVALID = "LimitExceededException", "ValidationException"
CASES = {
    "more than 40,000 at 40,000, each axis for itself": Case(
        {TABLE: ((100, 100), (150, 150)), INDEX: ((30_000, 30_000), (45_000, 41_000)), SECOND: DOWN},
        [(LIMIT, PER_TABLE)],
        [
            {TABLE: (150, 150), INDEX: (45_000, 41_000), SECOND: (5, 10)},
            {TABLE: (150, 150), INDEX: (40_000, 40_000), SECOND: (5, 10)},
        ],
        {
            INDEX: "reads 40000 instead of 45000, refused by DynamoDB; writes 40000 instead of 41000, refused by DynamoDB",
        },
    ),
    "never below what is provisioned": Case(
        {TABLE: ((45_000, 10), (60_000, 20)), INDEX: UP},
        [(LIMIT, PER_TABLE)],
        [{TABLE: (60_000, 20), INDEX: (20, 10)}, {TABLE: (45_000, 20), INDEX: (20, 10)}],
        {TABLE: NOT_INCREASED},
    ),
    "a raised quota, which a decrease does not meet": Case(
        {TABLE: ((60_000, 10), (45_000, 10)), INDEX: ((10, 10), (41_000, 10))},
        [(LIMIT, PER_TABLE)],
        [{TABLE: (45_000, 10), INDEX: (41_000, 10)}, {TABLE: (45_000, 10), INDEX: (40_000, 10)}],
        {INDEX: "reads 40000 instead of 41000, refused by DynamoDB"},
    ),
    "the account's: without the greatest growth": Case(
        {TABLE: ((100, 10), (50_000, 10)), INDEX: ((100, 100), (150, 150)), SECOND: DOWN},
        [(LIMIT, OF_ACCOUNT)],
        [
            {TABLE: (50_000, 10), INDEX: (150, 150), SECOND: (5, 10)},
            {INDEX: (150, 150), SECOND: (5, 10)},
        ],
        {TABLE: NOT_INCREASED},
    ),
    "the greatest growth is of the axis that the text names": Case(
        {TABLE: ((100, 100), (150, 9_000)), INDEX: UP},
        [(LIMIT, OF_ACCOUNT)],
        [{TABLE: (150, 9_000), INDEX: (20, 10)}, {TABLE: (100, 9_000), INDEX: (20, 10)}],
        {TABLE: NOT_INCREASED},
    ),
    "at 40,000 it is the account's": Case(
        {TABLE: ((30_000, 10), (45_000, 10)), INDEX: UP},
        [(LIMIT, PER_TABLE), (LIMIT, OF_ACCOUNT)],
        [{TABLE: (45_000, 10), INDEX: (20, 10)}, {TABLE: (40_000, 10), INDEX: (20, 10)}, {INDEX: (20, 10)}],
        {TABLE: NOT_INCREASED},
    ),
    "three times, then the decreases alone": Case(
        {TABLE: ((100, 100), (900, 800)), INDEX: ((100, 100), (800, 700)), SECOND: ((100, 100), (200, 50))},
        [(LIMIT, "Subscriber limit exceeded: Account-level quota exceeded")] * 4,
        [
            {TABLE: (900, 800), INDEX: (800, 700), SECOND: (200, 50)},
            {TABLE: (100, 800), INDEX: (800, 700), SECOND: (200, 50)},
            {INDEX: (800, 700), SECOND: (200, 50), TABLE: (100, 100)},
            {INDEX: (100, 700), SECOND: (200, 50)},
            {SECOND: (100, 50)},
        ],
        {
            TABLE: "reads not increased, refused by DynamoDB; writes not increased, refused by DynamoDB",
            INDEX: "reads not increased, refused by DynamoDB; writes not increased, refused by DynamoDB",
            SECOND: NOT_INCREASED,
        },
    ),
    "nothing is left": Case({TABLE: UP}, [(LIMIT, OF_ACCOUNT)], [{TABLE: (20, 10)}], {TABLE: NOT_INCREASED}, made=False),
    "a limit that nobody knows is treated like one": Case(
        {TABLE: ((10, 10), (30, 10)), INDEX: UP},
        [(LIMIT, "Subscriber limit exceeded: the moon is full")],
        [{TABLE: (30, 10), INDEX: (20, 10)}, {INDEX: (20, 10)}],
        {TABLE: NOT_INCREASED},
    ),
    "decreases have run out, and a quota": Case(
        {TABLE: ((30_000, 10), (45_000, 5)), INDEX: UP},
        [(LIMIT, RAN_OUT), (LIMIT, PER_TABLE)],
        [{TABLE: (45_000, 5), INDEX: (20, 10)}, {TABLE: (45_000, 10), INDEX: (20, 10)}, {TABLE: (40_000, 10), INDEX: (20, 10)}],
        {TABLE: "reads 40000 instead of 45000, refused by DynamoDB"},
        refused=(TABLE,),
    ),
    "a quota, and decreases have run out": Case(
        {TABLE: ((30_000, 10), (45_000, 5)), INDEX: UP},
        [(LIMIT, PER_TABLE), (LIMIT, RAN_OUT)],
        [{TABLE: (45_000, 5), INDEX: (20, 10)}, {TABLE: (40_000, 5), INDEX: (20, 10)}, {TABLE: (40_000, 10), INDEX: (20, 10)}],
        {TABLE: "reads 40000 instead of 45000, refused by DynamoDB"},
        refused=(TABLE,),
    ),
    "a quota, then something else: nothing is said to be made": Case(
        {TABLE: ((30_000, 10), (45_000, 10)), INDEX: UP},
        [(LIMIT, PER_TABLE), ("AccessDeniedException", "no")],
        [{TABLE: (45_000, 10), INDEX: (20, 10)}, {TABLE: (40_000, 10), INDEX: (20, 10)}],
        {TABLE: NOT_INCREASED},
        made=False,
    ),
    "one that is not taken, of two": Case(
        {TABLE: UP, INDEX: DOWN},
        [(INVALID, "no")] * 2,
        [{TABLE: (20, 10), INDEX: (5, 10)}, {INDEX: (5, 10)}, {TABLE: (20, 10)}],
        {INDEX: "not changed, refused by DynamoDB"},
    ),
    "one that is not taken, of three": Case(
        {TABLE: UP, INDEX: DOWN, SECOND: UP},
        [(INVALID, "no")] * 2,
        [{TABLE: (20, 10), INDEX: (5, 10), SECOND: (20, 10)}, {INDEX: (5, 10), SECOND: (20, 10)}, {TABLE: (20, 10), SECOND: (20, 10)}],
        {INDEX: "not changed, refused by DynamoDB"},
    ),
    "two that are not taken, of three: each alone": Case(
        {TABLE: UP, INDEX: UP, SECOND: UP},
        [(INVALID, "no")] * 5,
        [
            {TABLE: (20, 10), INDEX: (20, 10), SECOND: (20, 10)},
            {INDEX: (20, 10), SECOND: (20, 10)},
            {TABLE: (20, 10), SECOND: (20, 10)},
            {TABLE: (20, 10), INDEX: (20, 10)},
            {TABLE: (20, 10)},
            {INDEX: (20, 10)},
        ],
        {TABLE: "not changed, refused by DynamoDB", SECOND: "not changed, retried in the next check"},
    ),
    "the text names it": Case(
        {TABLE: UP, INDEX: UP, SECOND: UP},
        [(INVALID, "The provisioned throughput for the index two will not change.")],
        [{TABLE: (20, 10), INDEX: (20, 10), SECOND: (20, 10)}, {TABLE: (20, 10), INDEX: (20, 10)}],
        {SECOND: "not changed, refused by DynamoDB"},
    ),
    "an index that was deleted meanwhile": Case(
        {TABLE: UP, INDEX: UP, SECOND: DOWN},
        [("ResourceNotFoundException", "Requested resource not found: Index: one of Table: my_table not found")],
        [{TABLE: (20, 10), INDEX: (20, 10), SECOND: (5, 10)}, {TABLE: (20, 10), SECOND: (5, 10)}],
        {INDEX: "not changed, refused by DynamoDB"},
    ),
    "an index that is being built anew": Case(
        {TABLE: UP, INDEX: UP},
        [("ResourceInUseException", "Attempt to change a resource which is still in use: Index is being created: one")],
        [{TABLE: (20, 10), INDEX: (20, 10)}, {TABLE: (20, 10)}],
        {INDEX: "not changed, refused by DynamoDB"},
    ),
    "alone it is asked for once": Case({TABLE: MIXED}, [(INVALID, "no")], [{TABLE: (20, 5)}], made=False),
}  # fmt: skip


def sent_units(call: Answer) -> dict[Target, tuple[int, int]]:
    found = {TABLE: call["ProvisionedThroughput"]} if "ProvisionedThroughput" in call else {}
    for entry in call.get("GlobalSecondaryIndexUpdates", ()):
        found[Target("my_table", entry["Update"]["IndexName"])] = entry["Update"]["ProvisionedThroughput"]
    return {target: (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) for target, units in found.items()}


def without_idle(case: Case, call: dict[Target, tuple[int, int]]) -> dict[Target, tuple[int, int]]:
    """What stays as it is may stand in the tables above, and is not sent."""
    return {target: units for target, units in call.items() if units != case.wanted[target][0]}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_sent_after_a_refusal(case: Case) -> None:
    answers = [RefusedError(code, message) for code, message in case.refusals]
    dynamodb = DynamoDB(*answers, *([ACCEPTED] if case.made else []))
    changes = [change(target, *move) for target, move in case.wanted.items()]
    outcome = apply(dynamodb, changes)
    assert [sent_units(call) for call in dynamodb.calls] == [without_idle(case, call) for call in case.sent]
    assert {one.target: tuple(one.desired) for one in outcome.made} == (
        sent_units(dynamodb.calls[-1]) if case.made else {}
    )
    assert {target: text for target, text in outcome.why.items() if text} == case.why
    assert tuple(one.target for one in outcome.refused) == case.refused
    expected = dict.fromkeys((code, message) for code, message in case.refusals if message != RAN_OUT)
    assert [(error.code, error.message) for error in outcome.errors] == list(expected)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("already at the account's maximum of capacity", "writes"),  # no axis: the greatest growth of all
        ("account: 80000 units, thread-pool, spread, rewritten", "writes"),
        ("account quota: too much for table read-models, index read-only", "writes"),
        ("account quota: too much for read-models.", "writes"),
        ("arn:aws:dynamodb:us-east-1:1:table/read-models/index/read-only exceeds the account's quota", "writes"),
        ("Account-level quota of 80000 ReadCapacityUnits exceeded for read-models", "reads"),
        ("account quota of read capacity", "reads"),
        ("account quota of reads", "reads"),
        ("account quota of write capacity for read-models", "writes"),
    ],
)
def test_which_axis_a_text_names(text: str, kept: str) -> None:
    """A word of it, and no part of one, nor of a name."""
    dynamodb = DynamoDB(RefusedError(LIMIT, text), ACCEPTED)
    wanted = [
        change(Target("read-models"), (10, 10), (60, 20)),
        change(Target("read-models", "read-only"), (10, 10), (20, 90)),
    ]
    (table, index) = apply(dynamodb, wanted).made
    assert (table.desired, index.desired) == (((10, 20), (20, 90)) if kept == "reads" else ((60, 20), (20, 10)))


def test_what_was_made_in_part_says_so_in_its_reason() -> None:
    dynamodb = DynamoDB(RefusedError(LIMIT, PER_TABLE), ACCEPTED)
    (made,) = apply(dynamodb, [change(TABLE, (35_000, 10), (52_500, 20))]).made
    assert made.desired == (40_000, 20)
    assert made.reasons == ("why reads; reads 40000 instead of 52500, refused by DynamoDB", "why writes")


def test_nothing_is_sent_again_by_an_old_description() -> None:
    ages = iter([False, True])
    dynamodb = DynamoDB(ran_out(), RefusedError(LIMIT, OF_ACCOUNT))
    changes = [change(TABLE, *DOWN), change(INDEX, (10, 10), (90, 20)), change(SECOND, *UP)]
    outcome = apply(dynamodb, changes, lambda: next(ages))
    assert (len(dynamodb.calls), outcome.made, outcome.unknown) == (2, (), frozenset())
    assert outcome.late == {INDEX, SECOND}
    assert [error.message for error in outcome.errors] == [OF_ACCOUNT]


def test_silence_after_a_refusal_is_not_taken_for_a_no() -> None:
    dynamodb = DynamoDB(RefusedError(LIMIT, OF_ACCOUNT), TimeoutError("read timed out"))
    outcome = apply(dynamodb, [change(TABLE, (10, 10), (90, 10)), change(INDEX, *UP)])
    assert outcome.made == () and outcome.unknown == {INDEX}
    assert [error.code for error in outcome.errors] == [LIMIT, "TimeoutError"]


# Any changes, any limits, against the model


UNITS = st.sampled_from([1, 10, 500, 3_000, 20_000, 39_999, 40_000, 40_001, 45_000, 60_000])
MOVES = st.tuples(st.tuples(UNITS, UNITS), st.tuples(UNITS, UNITS)).filter(lambda two: two[0] != two[1])
TARGETS = (TABLE, *(Target("my_table", f"index-{number}") for number in range(4)))
INVALID_ONES = st.sets(st.sampled_from(TARGETS), max_size=3)


class Model:
    """The model of DynamoDB, with changes that it does not take at all; `calls` are what it was asked for."""

    def __init__(self, moves: Sequence[Move], rules: Rules, invalid: Collection[Target] = ()) -> None:
        self.world = World(rules=rules)
        self.changes = [change(target, *move) for target, move in zip(TARGETS, moves, strict=False)]
        for one in self.changes:
            if one.target.index is None:
                self.world.add_table(one.target.table, *one.current)
            else:
                self.world.add_index(one.target.table, one.target.index, *one.current)
        self.invalid = set(invalid)
        self.calls: list[dict[Target, tuple[int, int]]] = []
        self.world.fault = self._refuse

    def _refuse(self, _operation: str, call: Mapping[str, Any]) -> Exception | None:
        self.calls.append(sent_units(dict(call)))
        return RefusedError(INVALID, "not like this") if self.invalid & self.calls[-1].keys() else None

    def apply(self) -> Outcome:
        """What holds whatever is asked for: the end is near, nothing is sent twice, and what is told is what is."""
        outcome = apply(self.world.dynamodb, self.changes)
        count = len(self.changes)
        assert len(self.calls) <= 1 + 2 * count + 6
        assert len(self.calls) == len({str(sorted(call.items(), key=str)) for call in self.calls})
        assert len(self.world.updates) == (1 if outcome.made else 0)  # nor anything after a yes
        assert not outcome.made or {one.target: tuple(one.desired) for one in outcome.made} == self.calls[-1]
        for one in self.changes:
            self._between(one)
        told = {one.target for one in (*outcome.made, *outcome.refused)} | outcome.why.keys()
        assert outcome.errors or told >= {one.target for one in self.changes}
        return outcome

    def _between(self, one: Change) -> None:
        """No axis goes further than was wanted, nor the other way."""
        for now, then, got in zip(one.current, one.desired, self.units(one.target), strict=True):
            assert min(now, then) <= got <= max(now, then)

    def units(self, target: Target) -> Throughput:
        """Once the update is through."""
        found = self.world.find(target)
        assert found is not None
        return found.provisioned(self.world.now + timedelta(hours=1))

    def falls(self) -> dict[tuple[Target, int], int]:
        return {
            (one.target, axis): one.desired[axis]
            for one in self.changes
            for axis in (0, 1)
            if one.desired[axis] < one.current[axis]
        }


QUOTAS = st.sampled_from([5_000, 40_000, 50_000])
OF_ACCOUNTS = st.sampled_from([None, 1_000, 60_000, 80_000, 200_000])


@trials(test=150, soak=10_000)
@given(st.lists(MOVES, min_size=1, max_size=5), QUOTAS, OF_ACCOUNTS, st.sets(st.sampled_from(TARGETS), max_size=2))
def test_what_can_be_made_under_any_quotas_is_made(
    moves: list[Move], quota: int, of_account: int | None, ran_out_of: set[Target]
) -> None:
    model = Model(moves, Rules(table_quota=quota, account_quota=of_account))
    for one in model.changes:
        if one.target in ran_out_of:
            model.world.set_decreases(one.target, 4)
    outcome = model.apply()
    made = {(one.target, axis): model.units(one.target)[axis] for one in model.changes for axis in (0, 1)}
    if any(target in ran_out_of for target, _ in model.falls()):
        assert {one.target for one in outcome.refused} == {target for target, _ in model.falls()}
    else:
        assert outcome.refused == ()
        assert model.falls().items() <= made.items()  # never waits for an increase
    if quota == 40_000 and of_account is None:
        for one in model.changes:
            for axis, (now, then) in enumerate(zip(one.current, one.desired, strict=True)):
                assert then <= now or made[one.target, axis] == min(then, max(now, 40_000))
    _nothing_more_would_have_fitted(model, made, quota, of_account)


def _nothing_more_would_have_fitted(
    model: Model, made: Mapping[tuple[Target, int], int], quota: int, of_account: int | None
) -> None:
    """The least growth that was left out, with no more than three of them, is above one of the quotas."""
    if of_account is not None and any(max(one.desired) > 40_000 for one in model.changes):
        return  # whether it was asked for at 40,000 depends on which quota was met first
    out = []
    for one in model.changes:
        for axis, (now, then) in enumerate(zip(one.current, one.desired, strict=True)):
            asked = min(then, max(now, 40_000))
            if asked > now and made[one.target, axis] == now:
                total = sum(made[other.target, axis] for other in model.changes) + asked - now
                out.append(asked <= quota and (of_account is None or total <= of_account))
    assert not 0 < len(out) <= 3 or not all(out)


@trials(test=150, soak=10_000)
@given(st.lists(MOVES, min_size=2, max_size=5), st.data())
def test_one_that_is_not_taken_keeps_no_other_from_being_made(moves: list[Move], data: st.DataObject) -> None:
    model = Model(moves, Rules(table_quota=100_000, account_quota=None))
    model.invalid = {data.draw(st.sampled_from([one.target for one in model.changes]))}
    outcome = model.apply()
    for one in model.changes:
        assert model.units(one.target) == (one.current if one.target in model.invalid else one.desired)
    assert outcome.why == dict.fromkeys(model.invalid, "not changed, refused by DynamoDB")


@trials(test=150, soak=10_000)
@given(st.lists(MOVES, min_size=1, max_size=5), INVALID_ONES, QUOTAS, OF_ACCOUNTS)
def test_quotas_and_changes_that_are_not_taken(
    moves: list[Move], invalid: set[Target], quota: int, of_account: int | None
) -> None:
    model = Model(moves, Rules(table_quota=quota, account_quota=of_account), invalid)
    outcome = model.apply()
    assert not {one.target for one in outcome.made} & invalid
    falling = {target for target, _ in model.falls()} - invalid
    assert outcome.made or not falling  # a decrease at least can be made


# Over HTTP


def test_a_limit_is_not_repeated_by_botocore() -> None:
    """It would be taken for throttling: three requests and seconds of pauses before the increases are sent."""
    world = World(clock=lambda: datetime.now(timezone.utc))
    world.add_table("my_table", 10, 10)
    world.set_decreases(TABLE, 4)
    with AwsServer(world) as server, closing(server.url) as clients:
        outcome = apply(clients.dynamodb, [change(TABLE, *MIXED)])
        assert server.calls == {"UpdateTable": 2}  # everything, then the increase
    assert [one.desired for one in outcome.made] == [Throughput(20, 10)]
    assert outcome.ran_out is not None and not outcome.ran_out.repeated


def test_a_limit_costs_none_of_the_repetitions_that_botocore_grants() -> None:
    """It grants a client 500, and 5 or more are taken for each."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(most_updating=0))
    world.add_table("my_table", 10, 10)
    with AwsServer(world) as server, closing(server.url) as clients:
        for _ in range(150):
            apply(clients.dynamodb, [change(TABLE, *UP)])
        assert server.calls == {"UpdateTable": 150}
        server.faults.append(times(1, "DescribeTable", AwsFault("InternalServerError", status=500)))
        clients.dynamodb.describe_table(TableName="my_table")
        assert server.calls["DescribeTable"] == 2


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (ResetFault(performed=True), "ConnectionClosedError: "),
        (AwsFault("InternalServerError", status=500), "not retried: an attempt failed, and "),
        (RawFault(502), "not retried: an attempt failed, and "),
    ],
)
def test_botocore_sends_nothing_again_by_an_old_description(fault: Fault, text: str) -> None:
    """It repeats a call for half a minute, in which somebody else may change the table: that would be undone."""
    world = World(clock=lambda: datetime.now(timezone.utc))
    world.add_table("my_table", 10, 10)
    with AwsServer(world, faults=[always("UpdateTable", fault)]) as server, closing(server.url) as clients:
        outcome = apply(clients.dynamodb, [change(TABLE, *UP)], is_old=lambda: True)
        assert server.calls == {"UpdateTable": 1}
        (error,) = outcome.errors
        assert str(error).startswith(f"UpdateTable failed: {text}")
        assert not outcome.made
        assert outcome.unknown == {TABLE}
        apply(clients.dynamodb, [change(TABLE, *UP)], is_old=lambda: False)
        assert server.calls == {"UpdateTable": 4}


@contextmanager
def closing(url: str) -> Iterator[Clients]:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    clients = connect({**keys, "region": "us-east-1", "profile": None, "endpoint_url": url})
    yield clients
    clients.close()
