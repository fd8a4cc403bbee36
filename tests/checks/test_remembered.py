"""What is remembered between two processes: all of it comes back, and nothing that is damaged is taken."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

from dynamic_dynamodb.checks import remembered
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.state import Episode, Memory, State
from dynamic_dynamodb.decisions.history import History
from dynamic_dynamodb.decisions.learning import Learned
from dynamic_dynamodb.decisions.model import Target

NOW = datetime(2026, 11, 24, 18, 7, 2, tzinfo=timezone.utc)
ORDERS, BY_DATE = Target("orders"), Target("orders", "by-date")
TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"
_SINCE_START = {"changes", "outcomes", "seconds"}
TO_COME = "2026-11-24T18:12:03.000Z"
LEARNED = Learned(headroom=1.15, trust=0.25, quiet=7, steps=2, doubted=True)


def full() -> tuple[State, Record]:
    state = State()
    memory = state.memory(ORDERS)
    memory.streaks = {"reads": 2, "writes": 0}
    memory.increased = {"writes": NOW - timedelta(minutes=20)}
    memory.changed = NOW - timedelta(minutes=1)
    memory.waits_until = NOW + timedelta(minutes=53)
    memory.alarmed = {"reads": "high-throughput-alarm"}
    memory.at_maximum = {"reads"}
    memory.said = {Episode.BREAKER_OPEN, Episode.ON_DEMAND}
    memory.section = "^orders$"
    state.memory(BY_DATE).history = History({"reads": LEARNED})
    state.memory(Target("quiet")).history = History()
    state.began, state.ended, state.rhythm = NOW - timedelta(seconds=2), NOW, 900.5
    return state, Record(failures=3, last_success=NOW - timedelta(hours=1), told={TOPIC}, changes=7)


KEPT: dict[str, Any] = {
    "began": "2026-11-24T18:07:00.000Z",
    "ended": "2026-11-24T18:07:02.000Z",
    "rhythm": 900.5,
    "failures": 3,
    "last_success": "2026-11-24T17:07:02.000Z",
    "told": ["arn:aws:sns:us-east-1:123456789012:operators"],
    "targets": [
        [
            "orders",
            None,
            {
                "streaks": {"reads": 2, "writes": 0},
                "increased": {"writes": "2026-11-24T17:47:02.000Z"},
                "changed": "2026-11-24T18:06:02.000Z",
                "waits_until": "2026-11-24T19:00:02.000Z",
                "alarmed": {"reads": "high-throughput-alarm"},
                "at_maximum": ["reads"],
                "said": ["breaker-open"],
            },
        ],
        [
            "orders",
            "by-date",
            {"learned": {"reads": {"headroom": 1.15, "trust": 0.25, "quiet": 7, "steps": 2, "doubted": True}}},
        ],
    ],
}


def test_what_is_kept() -> None:
    assert remembered.plain(*full()) == KEPT


def test_it_comes_back() -> None:
    state, record = State(), Record()
    remembered.recall(json.loads(json.dumps(KEPT)), state, record, NOW)
    assert (state.began, state.ended, state.rhythm) == (NOW - timedelta(seconds=2), NOW, 900.5)
    assert record == Record(failures=3, last_success=NOW - timedelta(hours=1), told={TOPIC}, changes=0)
    assert dict(state.memories()) == {
        ORDERS: Memory(
            streaks={"reads": 2, "writes": 0},
            increased={"writes": NOW - timedelta(minutes=20)},
            changed=NOW - timedelta(minutes=1),
            waits_until=NOW + timedelta(minutes=53),
            alarmed={"reads": "high-throughput-alarm"},
            at_maximum={"reads"},
            said={Episode.BREAKER_OPEN},
        ),
        BY_DATE: Memory(learned={"reads": LEARNED}),
    }
    assert remembered.plain(state, record) == KEPT


def test_what_is_said_at_info_is_said_by_each_process() -> None:
    """Who starts one wants to read which section each table has, and which of them are on demand."""
    state, record = State(), Record()
    remembered.recall(remembered.plain(*full()), state, record, NOW)
    assert state.memory(ORDERS).section == ""
    assert state.once(Episode.ON_DEMAND, ORDERS)
    assert not state.once(Episode.BREAKER_OPEN, ORDERS)


def test_whatever_is_remembered_is_kept_or_known_to_end_with_the_process() -> None:
    """A new field of Memory or Record is one or the other: who adds it decides."""
    # What was learned from the minutes is kept; each process says the section and the first line; metrics begin anew.
    ends = {"history", "section", "kind", "observed"}
    kept = {name for _, _, values in KEPT["targets"] for name in values}
    assert {one.name for one in fields(Memory)} == kept | ends
    assert {one.name for one in fields(Record)} == {"failures", "last_success", "told", *_SINCE_START}


def test_nothing_to_keep() -> None:
    kept = remembered.plain(State(), Record())
    assert kept == {
        "began": None,
        "ended": None,
        "rhythm": 0,
        "failures": 0,
        "last_success": None,
        "told": [],
        "targets": [],
    }
    remembered.recall(kept, State(), Record(), NOW)


def damaged(path: list[str | int], value: object) -> dict[str, Any]:
    kept: Any = copy.deepcopy(KEPT)
    inner = kept
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return dict(kept)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["began"], 5),
        (["ended"], "soon"),
        (["rhythm"], -1),
        (["rhythm"], float("nan")),
        (["rhythm"], "300"),
        (["failures"], 10**10),
        (["failures"], True),
        (["last_success"], "2026-11-24T17:07:02"),
        (["told"], "operators"),
        (["told"], [None]),
        (["targets"], None),
        (["targets"], {"orders": {}}),
        (["targets", 0], ["orders", None]),
        (["targets", 0, 0], 7),
        (["targets", 0, 1], ["by-date"]),
        (["targets", 0, 2], None),
        (["targets", 0, 2, "streaks"], [1, 2]),
        (["targets", 0, 2, "streaks", "reads"], 1.5),
        (["targets", 0, 2, "streaks", "reads"], -1),
        (["targets", 0, 2, "increased", "writes"], 1_764_000_000),
        (["targets", 0, 2, "waits_until"], "2026-02-30T00:00:00Z"),
        (["targets", 0, 2, "alarmed", "reads"], None),
        (["targets", 0, 2, "at_maximum"], "reads"),
        (["targets", 0, 2, "said"], "breaker-open"),
        (["targets", 0, 2, "said"], [["breaker-open"]]),
        (["targets", 1, 2, "learned", "reads"], {}),
        (["targets", 1, 2, "learned", "reads", "headroom"], 0.5),
        (["targets", 1, 2, "learned", "reads", "headroom"], 1e300),
        (["targets", 1, 2, "learned", "reads", "trust"], float("inf")),
        (["targets", 1, 2, "learned", "reads", "steps"], None),
        # From a clock that was ahead, or planted
        (["began"], TO_COME),
        (["ended"], TO_COME),
        (["last_success"], TO_COME),
        (["targets", 0, 2, "increased", "writes"], TO_COME),
        (["targets", 0, 2, "changed"], TO_COME),
        (["targets", 0, 2, "waits_until"], "2026-11-25T18:12:03Z"),
    ],
)
def test_what_is_damaged_is_not_taken(path: list[str | int], value: object) -> None:
    state, record = State(), Record()
    with pytest.raises(ValueError):
        remembered.recall(damaged(path, value), state, record, NOW)
    assert remembered.plain(state, record) == remembered.plain(State(), Record())


def test_what_a_later_release_may_say() -> None:
    """An episode or an axis that this release does not know is no damage."""
    state = State()
    remembered.recall(damaged(["targets", 0, 2, "said"], ["of-tomorrow"]), state, Record(), NOW)
    assert state.memory(ORDERS).said == set()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
INNER: list[list[str | int]] = [
    ["targets", 0],
    ["targets", 0, 0],
    ["targets", 0, 1],
    ["targets", 0, 2],
    ["targets", 0, 2, "streaks"],
    ["targets", 1, 2],
]
PLACES = [*INNER, *(list[str | int]([name]) for name in KEPT)]


@trials(test=200, soak=20_000)
@given(path=st.sampled_from(PLACES), value=ANYTHING)
def test_anything_is_taken_or_refused(path: list[str | int], value: object) -> None:
    state, record = State(), Record()
    with contextlib.suppress(ValueError):
        remembered.recall(damaged(path, value), state, record, NOW)
    json.dumps(remembered.plain(state, record), allow_nan=False)


# Only streaks age


@pytest.mark.parametrize(
    ("interval", "rhythm", "gap", "counts"),
    [
        (300, 0, 600, True),
        (300, 0, 601, False),
        (300, 0, -86_400, True),  # the clock was put back
        (300, 900, 1800, True),
        (300, 900, 1801, False),
        (1200, 900, 2400, True),
        (300, 86_400, 7200, True),
        (300, 86_400, 7201, False),  # at most an hour
        (86_400, 0, 172_800, True),
    ],
)
def test_streaks_age(interval: float, rhythm: float, gap: float, counts: bool) -> None:
    state, _ = full()
    state.rhythm = rhythm
    before = remembered.plain(*full())["targets"][0][2]
    state.begin(NOW + timedelta(seconds=gap), interval)
    kept = remembered.plain(state, Record())["targets"][0][2]
    assert kept == (before if counts else {name: value for name, value in before.items() if name != "streaks"})


def test_two_thousand_tables_with_an_index_each() -> None:
    """The ratio is in `make bench`; this is far slower than anything is."""
    state = State()
    for number in range(4000):
        memory = state.memory(Target(f"table-{number // 2:05}", "by-date" if number % 2 else None))
        memory.streaks = {"reads": 1, "writes": 2}
        memory.increased = {"reads": NOW, "writes": NOW}
    began = time.process_time()
    text = json.dumps(remembered.plain(state, Record()))
    assert time.process_time() - began < 1
    assert len(text) < 2**20
