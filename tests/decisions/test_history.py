"""Which minutes are known, what held in them, and when learning may look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest
from axis_under_load import policy
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.decisions.history import KEPT, History
from dynamic_dynamodb.decisions.model import OFF, Policy, Resource, Target, Throughput, minute_of

NOW = 1_000_000
EVERY = Fraction(1)
READS = policy()
WRITES = replace(READS, axis="writes")


def moment(minute: int, seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(60 * minute, timezone.utc) + timedelta(seconds=seconds)


def resource(reads: int = 100, increase: int | None = None, decrease: int | None = None) -> Resource:
    up, down = (None if minute is None else moment(minute) for minute in (increase, decrease))
    return Resource(Target("t"), "ACTIVE", Throughput(reads, 50), up, down)


def known(history: History, now: int, rule: Policy = READS) -> tuple[int, list[float]]:
    """The newest known minute, and what was consumed in the known ones."""
    minutes = history.situation(rule, resource(), now, EVERY).minutes
    return minutes.newest, list(minutes.consumed)


@pytest.mark.parametrize(
    ("reads", "writes", "newest", "consumed"),
    [
        pytest.param({-5: 10, -4: 20, -3: 30}, {}, -3, [10, 20, 30], id="as they come"),
        pytest.param({-8: 10, -3: 30}, {}, -3, [10, 0, 0, 0, 0, 30], id="a gap before a later one is idle"),
        pytest.param({-5: 10}, {-3: 1}, -3, [10, 0, 0], id="a later one of the other axis tells, too"),
        pytest.param({-30: 10}, {}, -11, [10, *[0] * 19], id="certain 10 minutes after its end"),
        pytest.param({-9: 10}, {}, -9, [10], id="not certain yet"),
        pytest.param({}, {-5: 1, -3: 1}, -3, [0, 0, 0], id="idle reads"),
        pytest.param({-100: 5, -3: 30}, {}, -3, [*[0] * 74, 30], id="75 at most"),
    ],
)
def test_known_minutes(
    reads: dict[int, float], writes: dict[int, float], newest: int, consumed: Sequence[float]
) -> None:
    history = History()
    sums = [{NOW + minute: float(units) for minute, units in one.items()} for one in (reads, writes)]
    history.take(NOW, NOW - 200, {"reads": sums[0], "writes": sums[1]}, {})
    assert known(history, NOW) == (NOW + newest, list(consumed))


def test_nothing_is_known_before_the_first_datapoint() -> None:
    history = History()
    history.take(NOW, NOW - KEPT, {}, {})
    assert known(history, NOW) == (NOW - 1, [])
    assert history.since(NOW) == NOW - KEPT


def test_a_late_datapoint_only_grows() -> None:
    history = History()
    history.take(NOW, NOW - 75, {"reads": {NOW - 4: 10.0, NOW - 3: 30.0}}, {})
    history.take(NOW + 1, NOW - 4, {"reads": {NOW - 4: 15.0, NOW - 3: 20.0, NOW - 2: 5.0}}, {})
    assert known(history, NOW + 1) == (NOW - 2, [15, 30, 5])


@pytest.mark.parametrize(
    ("newest", "now", "since"), [(-3, 0, -5), (-3, 3, -2), (-3, 20, -2), (-3, 100, 25), (-11, 0, -10)]
)
def test_what_is_asked_for(newest: int, now: int, since: int) -> None:
    """From the oldest minute not yet known; at least the last 5, at most 75."""
    history = History()
    history.take(NOW, NOW - 75, {"reads": {NOW + newest: 1.0}}, {})
    assert history.since(NOW + now) == NOW + since


def test_minutes_that_nobody_asked_for_are_not_known() -> None:
    history = History()
    history.take(NOW, NOW - 75, {"reads": {NOW - 3: 1.0}}, {})
    later = NOW + 200
    history.take(later, later - 75, {"reads": {later - 3: 2.0}}, {})
    newest, consumed = known(history, later)
    assert (newest, len(consumed), sum(consumed)) == (later - 3, 73, 2)


@given(st.lists(st.tuples(st.integers(1, 30), st.dictionaries(st.integers(1, 12), st.floats(0, 1e6))), max_size=12))
def test_minutes_never_go_back(checks: list[tuple[int, dict[int, float]]]) -> None:
    history, now, before = History(), NOW, NOW - 1000
    for pause, points in checks:
        now += pause
        since = history.since(now)
        history.take(
            now, since, {"reads": {now - ago: units for ago, units in points.items() if now - ago >= since}}, {}
        )
        newest, consumed = known(history, now)
        assert before <= newest < now
        assert len(consumed) <= KEPT
        before = newest if consumed else before


# What held


def held(history: History, now: int) -> list[int | None]:
    rule = policy(burst_credit=Fraction(50))
    return list(history.situation(rule, resource(), now, EVERY).minutes.provisioned)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [(None, [100] * 7), (-6, [None, None, None, 100, 100, 100, 100]), (-3, [None] * 6 + [100])],
)
def test_what_held_is_known_from_the_stamps(stamp: int | None, expected: list[int | None]) -> None:
    """From one minute after the stamp on: an update takes that long."""
    history = History()
    history.take(NOW, NOW - 75, {"reads": dict.fromkeys(range(NOW - 8, NOW - 1), 1.0)}, {})
    history.saw(NOW, resource(increase=None if stamp is None else NOW + stamp), EVERY)
    assert held(history, NOW) == expected


def test_our_own_change_holds_from_its_stamp_on() -> None:
    history = History()
    history.saw(NOW, resource(), EVERY)
    history.accepted(NOW, "reads", increase=True)
    history.take(NOW + 6, NOW - 75, {"reads": dict.fromkeys(range(NOW - 2, NOW + 4), 1.0)}, {})
    history.saw(NOW + 6, resource(150, increase=NOW), EVERY)
    situation = history.situation(policy(burst_credit=Fraction(50)), resource(150, increase=NOW), NOW + 6, EVERY)
    # It took 6 minutes, less half an interval, until a check found the table ACTIVE.
    assert (situation.update, situation.effective, situation.last_increase) == (Fraction(11, 2), NOW + 6, NOW)
    assert list(situation.minutes.provisioned) == [100] * 6


@pytest.mark.parametrize(
    ("took", "every", "update"), [(1, 1, 1), (3, 1, Fraction(5, 2)), (5, 5, Fraction(5, 2)), (30, 1, 10), (0, 1, 1)]
)
def test_how_long_an_update_takes(took: int, every: int, update: Fraction) -> None:
    history = History()
    history.saw(NOW, resource(), Fraction(every))
    history.accepted(NOW, "reads", increase=False)
    history.saw(NOW + took, resource(90, decrease=NOW), Fraction(every))
    assert history.situation(READS, resource(90), NOW + took, Fraction(every)).update == update


def last_increases(history: History, shown: Resource) -> list[int | None]:
    return [history.situation(rule, shown, NOW, EVERY).last_increase for rule in (READS, WRITES)]


def test_the_last_increase_is_ours_else_the_stamp() -> None:
    history, shown = History(), resource(increase=NOW - 50)
    history.saw(NOW - 20, shown, EVERY)
    assert last_increases(history, shown) == [NOW - 50, NOW - 50]
    history.accepted(NOW - 10, "reads", increase=True)
    assert last_increases(history, shown) == [NOW - 10, NOW - 50]


@pytest.mark.parametrize(("stamp", "writes"), [(NOW - 10, None), (NOW - 9, None), (NOW - 3, NOW - 3)])
def test_a_stamp_of_our_own_increase_says_nothing_of_the_other_axis(stamp: int, writes: int | None) -> None:
    history = History()
    history.saw(NOW - 20, resource(), EVERY)
    history.accepted(NOW - 10, "reads", increase=True)
    shown = resource(150, increase=stamp)
    history.saw(NOW, shown, EVERY)
    assert last_increases(history, shown) == [NOW - 10, writes]


# Learning


def throttled_once(rule: Policy, *, speaks: bool, by: History | None = None) -> History:
    history = by or History()
    history.saw(NOW, resource(), EVERY)
    if speaks:
        history.free(NOW, "reads", EVERY)
    history.take(NOW + 4, NOW - 75, {"reads": {NOW: 6000.0, NOW + 1: 10.0}}, {"reads": {NOW: 50.0}})
    history.learn((rule, replace(rule, axis="writes")))
    return history


@pytest.mark.parametrize(
    ("speaks", "allowed", "headroom"),
    [(True, Fraction(1), 1.05), (False, Fraction(1), 1), (True, OFF, 1)],
    ids=["learns", "not free", "never learn"],
)
def test_what_is_learned_from(speaks: bool, allowed: Fraction | str, headroom: float) -> None:
    history = throttled_once(policy(throttled_minutes_per_day=allowed), speaks=speaks)
    assert history.learned("reads").headroom == pytest.approx(headroom, abs=1e-3)
    assert history.learned("writes").headroom == 1


def test_each_minute_is_learned_from_once() -> None:
    history = throttled_once(READS, speaks=True)
    before = history.learned("reads")
    history.learn((READS, WRITES))
    assert history.learned("reads") == before


def test_what_was_learned_before_is_where_it_begins() -> None:
    before = throttled_once(READS, speaks=True).learned("reads")
    assert History({"reads": before}).learned("reads") == before


@pytest.mark.parametrize("seconds", [0, 1, 29.9, 59.999])
def test_how_late_a_check_comes_within_its_minute_makes_no_difference(seconds: float) -> None:
    assert minute_of(moment(NOW, seconds)) == NOW
