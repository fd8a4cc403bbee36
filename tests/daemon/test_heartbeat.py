"""The heartbeat: from and to JSON, and when it is too old."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

from dynamic_dynamodb.daemon.heartbeat import Heartbeat

START = datetime(2026, 11, 24, 18, 2, tzinfo=timezone.utc)
YOUNG = Heartbeat("default", 4711, "3.1.0", START, 300)
FULL = Heartbeat(
    "orders",
    4711,
    "3.1.0",
    START,
    60,
    configuration="/etc/dd.conf",
    configuration_digest="0" * 64,
    last_began=START,
    last_ended=START + timedelta(seconds=2.5),
    last_took=2.5,
    last_succeeded=False,
    last_error="ListTables: no answer",
    looked_at=200,
    changed=3,
    left_alone=1,
    failed=2,
    failures_in_a_row=4,
    last_success=START - timedelta(hours=1),
    changes=17,
    next_due=START + timedelta(seconds=62.5),
)


def test_it_has_what_the_documentation_names() -> None:
    assert FULL.plain() == {
        "instance": "orders",
        "pid": 4711,
        "version": "3.1.0",
        "started": "2026-11-24T18:02:00.000Z",
        "interval": 60,
        "configuration": "/etc/dd.conf",
        "configuration_digest": "0" * 64,
        "last_began": "2026-11-24T18:02:00.000Z",
        "last_ended": "2026-11-24T18:02:02.500Z",
        "last_took": 2.5,
        "last_succeeded": False,
        "last_error": "ListTables: no answer",
        "looked_at": 200,
        "changed": 3,
        "left_alone": 1,
        "failed": 2,
        "failures_in_a_row": 4,
        "last_success": "2026-11-24T17:02:00.000Z",
        "changes": 17,
        "next_due": "2026-11-24T18:03:02.500Z",
    }


@pytest.mark.parametrize("heartbeat", [YOUNG, FULL])
def test_json_and_back(heartbeat: Heartbeat) -> None:
    assert Heartbeat.of(json.loads(json.dumps(heartbeat.plain()))) == heartbeat


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pid", "4711"),
        ("pid", -1),
        ("pid", True),
        ("pid", None),
        ("interval", 10**30),
        ("started", 1),
        ("started", "yesterday"),
        ("started", "2026-11-24T18:02:00+01:00"),
        ("started", "2026-11-24T18:02:00+01:00Z"),
        ("last_took", float("inf")),
        ("last_took", float("nan")),
        ("last_took", 10**400),
        ("last_succeeded", 1),
        ("last_error", None),
        ("looked_at", 1.5),
        ("configuration", ["x"]),
        ("next_due", "2026-13-01T00:00:00Z"),
    ],
)
def test_what_it_cannot_be(name: str, value: object) -> None:
    with pytest.raises(ValueError):
        Heartbeat.of({**FULL.plain(), name: value})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@trials(test=200, soak=20_000)
@given(data=ANYTHING | st.fixed_dictionaries({}, optional={one.name: ANYTHING for one in fields(Heartbeat)}))
def test_anything_is_refused_in_one_way(data: object) -> None:
    with contextlib.suppress(ValueError):
        Heartbeat.of(data)


@trials(test=200, soak=20_000)
@given(name=st.sampled_from([one.name for one in fields(Heartbeat)]), value=ANYTHING)
def test_whatever_is_taken_can_be_worked_with(name: str, value: object) -> None:
    try:
        taken = Heartbeat.of({**FULL.plain(), name: value})
    except ValueError:
        return
    assert taken.too_old(START, 5) in (True, False)
    json.dumps(taken.plain(), allow_nan=False)


@pytest.mark.parametrize(
    ("heartbeat", "max_age", "last_moment"),
    [
        (YOUNG, 0, 900),  # seconds after the start
        (YOUNG, 60, 60),
        (replace(YOUNG, last_took=40.0, last_success=START + timedelta(seconds=100)), 0, 100 + 900 + 40),
        (replace(YOUNG, last_took=40.0, last_success=START + timedelta(seconds=100)), 600, 700),
        (replace(YOUNG, last_success=START - timedelta(days=3)), 0, 900),  # of an earlier process
        (replace(YOUNG, last_took=40.0, failures_in_a_row=7), 0, 940),  # it has failed since its start
    ],
)
def test_too_old(heartbeat: Heartbeat, max_age: int, last_moment: float) -> None:
    at = START + timedelta(seconds=last_moment)
    assert not heartbeat.too_old(at, max_age)
    assert heartbeat.too_old(at + timedelta(seconds=1), max_age)
    assert not heartbeat.too_old(START - timedelta(days=1), max_age)  # the clock was put back
