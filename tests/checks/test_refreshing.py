"""Quiet checks: what DynamoDB is asked in each check where refresh-interval is above check-interval, and why."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import PATIENCE
from hypothesis import given
from hypothesis import strategies as st
from place import until
from scripts import Scene, Seen, Units, target
from trials import SOAK, trials

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.checks.refreshing import Refreshing
from dynamic_dynamodb.decisions.model import AXES, Throughput
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.rules import AWS, Rules
from dynamic_dynamodb.simulation.world import World

GENERAL = "[global]\ncheck-interval: 60\nrefresh-interval: {}\n"
QUIET = GENERAL.format(86400)  # so that nothing falls due in the few checks of a case
ONE = Workers(threads=1)  # calls in their order

UP, STAY, DOWN = (95, 25), (50, 25), (10, 25)  # of 100 reads and 50 writes
LIST, UPDATE = "ListTables", "UpdateTable"
Ask = str  # an operation on all tables; of one table "orders" for DescribeTable and "UpdateTable orders"
Do = Callable[[Scene], object]


class Talk:
    """A scene, and what DynamoDB is asked in each check."""

    def __init__(self, text: str, tables: Mapping[str, Units], **more: Any) -> None:
        self.scene = Scene(text, tables, workers=ONE, **more)
        self.scene.on_call = self._note
        self.world: World = self.scene.world
        self.asked: list[Ask] = []

    def _note(self, operation: str, arguments: Mapping[str, Any]) -> None:
        name = arguments.get("TableName", "")
        if operation in {LIST, UPDATE}:
            self.asked.append(f"{operation} {name}".strip())
        elif operation == "DescribeTable":
            self.asked.append(name)
        if operation == UPDATE:
            assert name in self.asked, "nothing is sent on what was remembered"

    def check(self, seconds: float = 60) -> list[Ask]:
        self.asked.clear()
        self.world.advance(seconds)
        self.seen: Seen = self.scene.check()
        return list(self.asked)


def load(name: str, units: tuple[float, float]) -> Do:
    """From five minutes ago, the whole of the look-back window."""

    def set_load(scene: Scene) -> None:
        scene.load(name, *units)
        scene.world.advance(300)

    return set_load


def world(change: Callable[[World], object]) -> Do:
    return lambda scene: change(scene.world)


def status(name: str, now: str) -> Do:
    return world(lambda one: one.set_status(target(name), now))


def units_of_index(units: Any) -> Do:
    """What DescribeTable says of it; None: nonsense."""

    def do(scene: Scene) -> None:
        found = scene.world.find(target("orders/by-date"))
        assert found is not None
        found.units.set(scene.world.now, units)

    return do


def refuses(**refusals: str) -> Do:
    """`UpdateTable_orders`: Code: message; nothing: no more."""
    return lambda scene: setattr(scene, "refuses", {key.replace("_", " "): text for key, text in refusals.items()})


def nothing(_: Scene) -> None:
    pass


# What is asked, check by check


@dataclass(frozen=True)
class Case:
    """Before each check something is done; what is asked in it."""

    checks: Sequence[tuple[Do, Sequence[Ask]]]
    text: str = QUIET + "[table: .*]\n[gsi: .* table: .*]\n"
    tables: Mapping[str, Units] = field(default_factory=lambda: {"orders": (100, 50), "users": (100, 50)})
    rules: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False


START_UP: tuple[Do, Sequence[Ask]] = (nothing, [LIST, "orders", "users"])
QUIETLY: tuple[Do, Sequence[Ask]] = (nothing, [])
EXHAUSTED = "LimitExceededException: Subscriber limit exceeded: Provisioned throughput decreases are limited"
CASES = {
    "nothing is asked while nothing changes": Case([START_UP, QUIETLY, QUIETLY, QUIETLY]),
    "each check, by default": Case(
        [START_UP] * 3,
        text="[table: .*]\n",
    ),
    "each check, where refresh-interval is check-interval": Case(
        [START_UP] * 3, text=GENERAL.format(60) + "[table: .*]"
    ),
    "a change: before it, and until the table is ACTIVE again": Case(
        [
            START_UP,
            (load("orders", UP), ["orders", "UpdateTable orders"]),
            (nothing, ["orders"]),  # UPDATING
            (nothing, ["orders"]),
            (nothing, ["orders"]),  # ACTIVE
            QUIETLY,
        ],
        rules={"update_seconds": 150},
    ),
    "a change of an index": Case(
        [
            START_UP,
            (load("orders/by-date", UP), ["orders", "UpdateTable orders"]),
            (nothing, ["orders"]),
            QUIETLY,
        ],
        tables={"orders": (100, 50), "orders/by-date": (100, 50), "users": (100, 50)},
    ),
    "a refusal": Case(
        [
            START_UP,
            (
                lambda scene: (
                    load("orders", UP)(scene),
                    refuses(UpdateTable_orders="ValidationException: not like this")(scene),
                ),
                ["orders", "UpdateTable orders"],
            ),
            (nothing, ["orders", "UpdateTable orders"]),
            (load("orders", STAY), ["orders"]),
            QUIETLY,
        ],
    ),
    "decreases that have run out": Case(
        [
            START_UP,
            (
                lambda scene: (load("orders", DOWN)(scene), refuses(UpdateTable_orders=EXHAUSTED)(scene)),
                ["orders", "UpdateTable orders"],
            ),
            (nothing, ["orders"]),  # it waits
            QUIETLY,
            QUIETLY,
        ],
        text=QUIET + "[table: .*]\n",
    ),
    "a description that is refused": Case(
        [
            START_UP,
            (
                lambda scene: (
                    load("orders", UP)(scene),
                    refuses(DescribeTable_orders="InternalServerError: our fault")(scene),
                ),
                ["orders"],
            ),
            (nothing, ["orders"]),
            (refuses(), ["orders", "UpdateTable orders"]),
            (nothing, ["orders"]),
            QUIETLY,
        ]
    ),
    "a window that is closed": Case(
        [START_UP, (load("orders", UP), []), QUIETLY],
        text=QUIET + "[table: .*]\nmaintenance-windows: 05:00-06:00\n",
    ),
    "at its maximum already": Case(
        [START_UP, (load("orders", UP), []), QUIETLY],
        text=QUIET + "[table: .*]\nmax-provisioned-reads: 100\n",
    ),
    "a streak that is not full": Case(
        [START_UP, (load("orders", DOWN), []), (nothing, ["orders", "UpdateTable orders"]), (nothing, ["orders"])],
        text=QUIET + "[table: .*]\nnum-read-checks-before-scale-down: 2\n",
    ),
    "a dry run: a description for each change, as it would be": Case(
        [
            START_UP,
            (load("orders", UP), ["orders"]),
            (nothing, ["orders"]),
            (load("orders", STAY), ["orders"]),
            QUIETLY,
        ],
        dry_run=True,
    ),
    "not ACTIVE at the start": Case(
        [
            (status("orders", "UPDATING"), [LIST, "orders", "users"]),
            (nothing, ["orders"]),
            (status("orders", "ACTIVE"), ["orders"]),
            QUIETLY,
        ]
    ),
    "an index that is not ACTIVE": Case(
        [
            (status("orders/by-date", "CREATING"), [LIST, "orders", "users"]),
            (nothing, ["orders"]),
            (status("orders/by-date", "ACTIVE"), ["orders"]),
            QUIETLY,
        ],
        tables={"orders": (100, 50), "orders/by-date": (100, 50), "users": (100, 50)},
    ),
    "an index with a description that cannot be used": Case(
        [
            (units_of_index(None), [LIST, "orders", "users"]),
            (nothing, ["orders"]),
            (units_of_index(Throughput(100, 50)), ["orders"]),
            QUIETLY,
        ],
        tables={"orders": (100, 50), "orders/by-date": (100, 50), "users": (100, 50)},
    ),
    "on demand": Case(
        [(world(lambda one: one.set_billing_mode("orders", "PAY_PER_REQUEST")), [LIST, "orders", "users"]), QUIETLY]
    ),
    "SIGHUP": Case(
        [START_UP, QUIETLY, (lambda scene: scene.reload(QUIET + "[table: .*]\n"), [LIST, "orders", "users"]), QUIETLY]
    ),
    "no table yet: they are listed until there is one": Case(
        [
            (nothing, [LIST]),
            (nothing, [LIST]),
            (lambda scene: scene.add("orders", (100, 50)), [LIST, "orders"]),
            QUIETLY,
        ],
        tables={},
    ),
    "the list is refused": Case(
        [
            (refuses(ListTables="InternalServerError: our fault"), [LIST]),
            (refuses(), [LIST, "orders", "users"]),
            QUIETLY,
        ]
    ),
    "the list is denied, and needed": Case(
        [
            (refuses(ListTables="AccessDeniedException: no"), [LIST, "orders"]),
            (nothing, [LIST]),
            (refuses(), [LIST, "users"]),
            QUIETLY,
        ],
        text=QUIET + "[table: ^orders$]\n[table: ^u.*]\n",
    ),
    "the list is denied, and not needed": Case(
        [(refuses(ListTables="AccessDeniedException: no"), [LIST, "orders"]), QUIETLY, QUIETLY],
        text=QUIET + "[table: ^orders$]\n",
    ),
    "a table that is gone: found out by its change": Case(
        [
            START_UP,
            (world(lambda one: one.delete_table("orders")), ["orders"]),
            (nothing, [LIST]),
            QUIETLY,
        ],
        text=QUIET + "[table: .*]\nallow-scaling-down-reads-on-0-percent: true\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_asked(name: str) -> None:
    case = CASES[name]
    talk = Talk(case.text, case.tables, rules=Rules(capped=False, **case.rules), dry_run=case.dry_run)
    for one in case.tables:
        talk.scene.load(one, *STAY)
    found = []
    for do, _ in case.checks:
        do(talk.scene)
        found.append(talk.check())
    assert found == [list(asked) for _, asked in case.checks]


def test_a_description_of_the_check_before_is_not_acted_upon_however_young_it_is() -> None:
    """One of this check is for ten seconds (5.2)."""
    text = "[global]\ncheck-interval: 5\nrefresh-interval: 86400\n[table: .*]\nnum-read-checks-before-scale-down: 2\n"
    talk = Talk(text, {"orders": (100, 50)})
    talk.scene.load("orders", *DOWN)
    assert [talk.check(5) for _ in range(2)] == [[LIST, "orders"], ["orders", "UpdateTable orders"]]


# How it is spread over the checks


def described(count: int, refresh: int, checks: int, interval: int = 60) -> list[int]:
    """How many of so many tables each check describes."""
    text = f"[global]\ncheck-interval: {interval}\nrefresh-interval: {refresh}\n[table: .*]\n"
    talk = Talk(text, {f"t-{number:03}": (100, 50) for number in range(count)})
    return [sum(name != LIST for name in talk.check(interval)) for _ in range(checks)]


@pytest.mark.parametrize(
    ("count", "refresh", "expected"),
    [
        (10, 300, [10, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]),
        (1, 300, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        (3, 300, [3, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1]),
        (7, 300, [7, 1, 1, 2, 1, 2, 1, 1, 2, 1, 2]),
        (10, 3600, [10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
        (10, 61, [10, 5, 5, 5, 5]),  # as old as that in each second check
        (10, 60, [10, 10, 10]),
        (10, 1, [10, 10, 10]),
    ],
)
def test_the_tables_are_spread_over_the_checks(count: int, refresh: int, expected: list[int]) -> None:
    assert described(count, refresh, len(expected)) == expected


def test_the_list_is_asked_for_as_often() -> None:
    talk = Talk(GENERAL.format(300) + "[table: ^o]\n", {"orders": (100, 50)})
    assert [LIST in talk.check() for _ in range(12)] == [number % 5 == 0 for number in range(12)]


def test_after_changes_of_all_at_once_they_are_spread_again() -> None:
    names = [f"t-{number}" for number in range(10)]
    talk = Talk(GENERAL.format(300) + "[table: .*]\n", dict.fromkeys(names, (100, 50)), rules=Rules(update_seconds=30))
    for name in names:
        talk.scene.load(name, *STAY)
    for _ in range(10):
        talk.check()
    for name in names:
        talk.scene.load(name, 300, 25)
    while sum(map(len, talk.seen.sent)) < len(names):
        talk.check()
    assert sum(name in names for name in talk.check()) == len(names)
    for name in names:
        talk.scene.load(name, *(share / 2 for share in talk.scene.provisioned(name)))
    found = [sum(name in names for name in talk.check()) for _ in range(10)]
    assert set(found[2:]) == {2}, found


def test_a_clock_that_is_put_back_has_all_described() -> None:
    asked = [START, START + timedelta(seconds=60)]
    assert Refreshing(600, 60).due(asked, START + timedelta(seconds=30)) == 2
    assert Refreshing(600, 60).is_due(START, START - timedelta(seconds=1))


@given(
    refresh=st.integers(2, 40),
    interval=st.integers(1, 20),
    count=st.integers(1, 30),
    others=st.lists(st.sets(st.integers(0, 29), max_size=10), min_size=1, max_size=60),
    late=st.lists(st.integers(0, 7), min_size=1, max_size=10),
)
@trials(200, 5000)
def test_nothing_is_used_that_is_too_old_and_no_check_has_more_than_its_share(
    refresh: int, interval: int, count: int, others: list[set[int]], late: list[int]
) -> None:
    """Whatever else is described, as what is changed is, and however long the checks take."""
    rule = Refreshing(refresh, interval)
    now = START
    asked = dict.fromkeys(range(count), now)
    rounds = -(-refresh // interval)
    shares = []
    for number in range(len(others) + 3 * rounds):
        calm = number >= len(others)
        now += timedelta(seconds=interval + (0 if calm else late[number % len(late)]))
        due = list(asked)[: rule.due(list(asked.values()), now)]
        for one in [*due, *([] if calm else sorted(others[number]))]:
            if asked.pop(one, None) is not None:
                asked[one] = now
        assert all(not rule.is_due(moment, now) for moment in asked.values()) or rule.in_each_check
        shares.append(len(due))
    assert max(shares[-rounds:]) <= -(-count // rounds)
    assert sum(shares[-rounds:]) <= count


# What somebody else does meanwhile


def test_a_change_by_another_hand_is_not_undone_and_told() -> None:
    """From the same streak, and from what was measured in this check."""
    talk = Talk(QUIET + "[table: .*]\nnum-read-checks-before-scale-down: 3\n", {"orders": (100, 50)})
    talk.scene.load("orders", *DOWN)
    talk.check()
    talk.world.set_throughput(target("orders"), 100, 5000)
    assert talk.check() == []
    assert talk.scene.streaks("orders") == (2, 0)
    assert talk.check() == ["orders", "UpdateTable orders"]
    assert talk.seen.sent == [{"orders": (50, 2500)}]
    assert talk.seen.texts(logging.WARNING) == [
        "orders - changed by somebody else since it was described: writes 50 -> 5000; decided again"
    ]
    assert "writes 0.5 % of 5000 <= 30 %: 5000 -> 2500 (-50 %)" in "\n".join(talk.seen.texts())


def test_a_description_that_comes_after_it_was_given_up_sends_nothing() -> None:
    """A later check may be under way by then."""
    workers, answered = Workers(threads=1, patience=2.0), threading.Event()
    scene = Scene(QUIET + "[table: .*]\n", {"orders": (100, 50)}, workers=workers)
    scene.load("orders", *STAY)
    assert scene.check().ok
    scene.load("orders", *UP)
    scene.world.advance(300)
    scene.on_call = lambda operation, _: operation == "DescribeTable" and answered.wait(PATIENCE)
    try:
        seen = scene.check()
    finally:
        answered.set()
    (error,) = seen.texts(logging.ERROR)
    assert error.startswith("orders - DescribeTable failed: no answer: given up after 2 s")
    assert any(text.startswith("orders - not changed; reads 95.0 %") for text in seen.texts())
    until(lambda: not workers.abandoned)
    assert scene.sent() == []


def test_what_another_hand_did_may_leave_nothing_to_do() -> None:
    talk = Talk(QUIET + "[table: .*]\n", {"orders": (100, 50)})
    talk.scene.load("orders", *STAY)
    talk.check()
    talk.world.set_throughput(target("orders"), 200, 50)
    talk.scene.load("orders", *UP)
    talk.world.advance(300)
    assert talk.check() == ["orders"]
    assert talk.seen.sent == []
    assert talk.seen.texts(logging.WARNING) == [
        "orders - changed by somebody else since it was described: reads 100 -> 200; decided again"
    ]
    assert talk.check() == ["orders"]  # it might have been a change
    assert talk.check() == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_change_by_another_hand_is_seen_with_the_next_description_at_the_latest(dry_run: bool) -> None:
    talk = Talk(GENERAL.format(300) + "[table: .*]\n", {"orders": (100, 50)}, dry_run=dry_run)
    talk.scene.load("orders", *STAY)
    talk.check()
    talk.world.set_throughput(target("orders"), 1000, 50)
    found = []
    for _ in range(5):
        talk.check()
        found.append(any("reads 5.0 % of 1000 <= 30 %" in text for text in talk.seen.texts()))
    assert found == [False, False, False, False, True]
    assert talk.seen.texts(logging.WARNING) == []


@pytest.mark.parametrize(
    ("change", "warns"),
    [
        (lambda one: one.set_status(target("orders"), "UPDATING"), ["orders - status UPDATING: not changed"]),
        (lambda one: one.set_billing_mode("orders", "PAY_PER_REQUEST"), []),
    ],
    ids=["updating", "on demand"],
)
def test_what_can_no_longer_be_changed_is_left_alone(change: Any, warns: list[str]) -> None:
    talk = Talk(QUIET + "[table: .*]\n", {"orders": (100, 50)})
    talk.scene.load("orders", *STAY)
    talk.check()
    change(talk.world)
    talk.scene.load("orders", *UP)
    talk.world.advance(300)
    assert talk.check() == ["orders"]
    assert talk.seen.sent == []
    found = talk.seen.texts(logging.WARNING)
    assert [text.partition(", nor")[0].partition(" in this")[0] for text in found] == [
        *warns,
        "orders - its state has changed since it was described: not changed",
    ]


def test_a_table_that_is_deleted_and_created_again() -> None:
    talk = Talk(QUIET + "[table: .*]\n", {"orders": (100, 50)})
    talk.scene.load("orders", *STAY)
    talk.check()
    talk.world.delete_table("orders")
    talk.check()
    assert talk.seen.ok
    talk.scene.add("orders", (20, 50))
    talk.scene.load("orders", 10, 60)
    talk.world.advance(300)
    assert talk.check() == ["orders", "UpdateTable orders"]
    assert talk.seen.sent == [{"orders": (20, 90)}]
    assert talk.seen.texts(logging.WARNING) == [
        "orders - changed by somebody else since it was described: reads 100 -> 20; decided again"
    ]


def test_an_index_that_is_new_or_deleted_is_noticed_with_the_next_description() -> None:
    talk = Talk(GENERAL.format(300) + "[table: .*]\n[gsi: .* table: .*]\n", {"orders": (100, 50)})
    talk.check()
    talk.scene.add("orders/by-date", (100, 50))
    found = []
    for number in range(15):
        talk.check()
        found.append(any("orders - GSI: by-date - reads" in text for text in talk.seen.texts(logging.DEBUG)))
        if number == 7:
            talk.world.delete_index("orders", "by-date")
    assert found == [False] * 4 + [True] * 5 + [False] * 6
    assert len(talk.scene.scaler._state) == 1


def test_a_table_that_is_new_or_deleted_is_noticed_with_the_next_list() -> None:
    talk = Talk(GENERAL.format(300) + "[table: .*]\n", {"orders": (100, 50)})
    talk.check()
    talk.scene.add("users", (100, 50))
    found = []
    for number in range(15):
        talk.check()
        found.append(any("users - reads" in text for text in talk.seen.texts(logging.DEBUG)))
        if number == 7:
            talk.world.delete_table("users")
    assert found == [False] * 4 + [True] * 5 + [False] * 6
    assert len(talk.scene.scaler._state) == 1


def test_schedules_hold_by_the_check_however_old_the_description_is() -> None:
    text = (
        QUIET
        + "[table: ^orders$]\n[schedule: rush table: ^orders$]\nwhen: daily 00:02-00:04\nmin-provisioned-reads: 300\n"
    )
    talk = Talk(text, {"orders": (100, 50)})
    talk.scene.load("orders", *STAY)
    found = [(talk.check(), talk.seen.sent) for _ in range(3)]
    assert found[0][0] == [LIST, "orders"]
    assert found[1] == (["orders", "UpdateTable orders"], [{"orders": (300, 50)}])


# Weeks of it


WEEK = """
[default_options]
lookback-window-start: 6
lookback-period: 5
min-provisioned-reads: 10
min-provisioned-writes: 10
max-provisioned-reads: 900
max-provisioned-writes: 900
[table: ^plain$]
num-read-checks-before-scale-down: 3
throttled-reads-upper-threshold: 50
[gsi: ^by-date$ table: ^plain$]
reads-lower-threshold: 60
decrease-reads-with: 10
[table: ^together$]
always-decrease-rw-together: true
reads-lower-threshold: 60
decrease-reads-with: 20
[table: ^windows$]
maintenance-windows: 01:00-05:00, 12:00-13:00
scale-up-outside-maintenance-windows: true
[table: ^closed$]
maintenance-windows: 22:30-02:00
[table: ^rush$]
[schedule: morning table: ^rush$]
when: Mon-Fri 08:00-11:30
min-provisioned-reads: 400
[schedule: night table: ^rush$]
when: daily 23:00-03:00
max-provisioned-writes: 60
[table: ^tracked$]
scaling-policy: target-tracking
[schedule: evening table: ^tracked$]
when: daily 18:00-20:00
min-provisioned-reads: 500
[gsi: ^by-name$ table: ^tracked$]
scaling-policy: target-tracking
always-decrease-rw-together: true
burst-credit: 50
"""
NAMES = ("plain", "plain/by-date", "together", "windows", "closed", "rush", "tracked", "tracked/by-name")


def demand(seed: int, peak: float) -> Callable[[datetime], float]:
    """Quiet at night and at weekends, never quite steady, with a spike now and then."""

    def units(minute: datetime) -> float:
        hour = minute.hour + minute.minute / 60
        day = 0.1 + 0.9 * max(0.0, 1 - abs(hour - 9 - seed % 7) / 7) * (0.5 if minute.weekday() > 4 else 1)
        noise = 1 + (minute.toordinal() * 1440 + minute.hour * 60 + minute.minute) * (2 * seed + 3) % 17 / 80
        spike = 2.5 if (minute.hour * 60 + minute.minute + 97 * seed) % 1117 < 9 else 1
        return peak * day * noise * spike

    return units


def weeks(refresh: int, minutes: int) -> tuple[list[tuple[datetime, list[dict[str, Units]]]], World]:
    """What was sent when. AWS refuses some of it, at the same times in either world."""
    talk = Talk(GENERAL.format(refresh) + WEEK, dict.fromkeys(NAMES, (100, 100)), rules=AWS)
    for number, name in enumerate(NAMES):
        for axis, peak in zip(AXES, (300 + 10 * number, 120 + 40 * number), strict=True):
            talk.world.set_load(target(name), axis, demand(number + 3 * (axis == "writes"), peak))
    sent: list[tuple[datetime, list[dict[str, Units]]]] = []
    for minute in range(minutes):
        refused = NAMES[minute % 50 % len(NAMES)] if minute % 350 < 20 else "nothing"
        talk.scene.refuses = {f"UpdateTable {refused}": "InternalServerError: our fault"}
        talk.asked.clear()
        talk.scene.begin()
        talk.world.advance(60)
        talk.scene.scaler.check()
        sent.append((talk.world.now, talk.scene.sent()))
    return [(when, calls) for when, calls in sent if calls], talk.world


@pytest.mark.timeout(3600)
def test_over_weeks_the_same_is_sent() -> None:
    """Other options, refusals, decreases that run out and schedules make no difference. Where nobody else acts."""
    minutes = (21 if SOAK else 2) * 1440
    (loud, described), (quiet, seldom) = (weeks(refresh, minutes) for refresh in (60, 300))
    assert quiet == loud
    assert {name for _, calls in quiet for call in calls for name in call} == set(NAMES)
    assert seldom.calls["DescribeTable"] < described.calls["DescribeTable"] / 3
    assert len(seldom.refusals) == len(described.refusals) > 5, "decreases ran out"
