"""Peaks that recur: what counts as one, when it is expected, and what it is scaled by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dynamic_dynamodb.decisions.recurring import Expected, Season

DAY = 1440  # minutes
NOON = 12 * 60
FIRST = 20_454 * DAY  # 2026-01-01, a Thursday
Load = Callable[[int], float]  # of the minute since FIRST


def season(load: Load, minutes: int, credit: float = 0, begun: int = FIRST) -> Season:
    made = Season(credit)
    for minute in range(minutes):
        made.add(begun + minute, load(minute))
    return made


def at_noon(*days: int, peak: float = 1000, rest: float = 100) -> Load:
    """A peak of half an hour at noon on these days, counted from the first."""
    return lambda minute: peak if minute // DAY in days and NOON <= minute % DAY < NOON + 30 else rest


@pytest.mark.parametrize(
    ("days", "today", "units"),
    [
        ((0, 1), 2, 1000),  # on both days before
        ((1,), 2, 100),  # on one of them: the smaller counts
        ((0,), 2, 100),
        ((0, 7), 14, 1000),  # on both of the same weekday
        ((7,), 14, 100),
        ((), 2, 100),
    ],
)
def test_what_was_there_twice_is_expected(days: tuple[int, ...], today: int, units: float) -> None:
    begun = season(at_noon(*days), today * DAY + NOON - 5)
    found = begun.soon(FIRST + today * DAY + NOON - 5)
    assert found is not None
    assert found.units == units


@pytest.mark.parametrize(
    ("minutes_before", "soon", "later"),
    [
        (120, 100, 100),
        (60, 100, 100),
        (59, 100, 1000),
        (40, 100, 1000),
        (12, 100, 1000),
        (7, 1000, 1000),
        (1, 1000, 1000),
        (0, 1000, 1000),
    ],
)
def test_how_long_before_it_is_expected(minutes_before: int, soon: float, later: float) -> None:
    """Slots are 5 minutes: what the next 8 minutes touch is expected soon, what the next 60 touch later."""
    now = 2 * DAY + NOON - minutes_before
    begun = season(at_noon(0, 1), now)
    found = [begun.soon(FIRST + now), begun.later(FIRST + now)]
    assert [one.units for one in found if one] == [soon, later]


@pytest.mark.parametrize(("today", "units"), [(100, 1000), (50, 500), (200, 1000), (0, 0)])
def test_a_quieter_day_needs_less_and_a_busier_one_no_more(today: float, units: float) -> None:
    now = 2 * DAY + NOON - 5
    begun = season(lambda minute: at_noon(0, 1)(minute) if minute < 2 * DAY else today, now)
    found = begun.soon(FIRST + now)
    assert found is not None
    assert found.units == units


def test_days_have_names() -> None:
    now = 2 * DAY + NOON - 5
    assert season(at_noon(0, 1), now).soon(FIRST + now) == Expected(1000, "Thursday and Friday")
    weekly = season(at_noon(0, 7), 14 * DAY + NOON - 5).soon(FIRST + 14 * DAY + NOON - 5)
    assert weekly == Expected(1000, "the last two Thursdays")


@pytest.mark.parametrize("minutes", [0, 30, DAY, 2 * DAY - 30])
def test_nothing_is_expected_before_two_days_are_known(minutes: int) -> None:
    begun = season(lambda _: 100, minutes)
    assert (begun.soon(FIRST + minutes), begun.later(FIRST + minutes)) == (None, None)


def test_a_gap_is_not_known() -> None:
    begun = season(at_noon(0, 1), DAY + NOON - 20)
    for minute in range(DAY + NOON + 60, 2 * DAY + NOON - 5):  # the peak of the second day was never seen
        begun.add(FIRST + minute, 100)
    assert begun.soon(FIRST + 2 * DAY + NOON - 5) is None


def test_what_is_15_days_old_is_forgotten() -> None:
    begun = season(at_noon(0, 1), 2 * DAY)
    begun.add(FIRST + 30 * DAY, 100)
    assert begun.soon(FIRST + 30 * DAY + 1) is None


def test_older_minutes_are_ignored() -> None:
    now = 2 * DAY + NOON - 5
    begun = season(at_noon(0, 1), now)
    begun.add(FIRST + 5, 10**6)
    assert begun.soon(FIRST + now) == Expected(1000, "Thursday and Friday")


@pytest.mark.parametrize(("credit", "units"), [(0, 1000), (5, 10 * 1000 / 15), (2.5, 10 * 1000 / 12.5)])
def test_burst_credit_serves_a_part_of_a_peak(credit: float, units: float) -> None:
    """Of a peak of half an hour, ten minutes at a time are looked at."""
    now = 2 * DAY + NOON - 1
    found = season(at_noon(0, 1), now, credit).soon(FIRST + now)
    assert found is not None
    assert found.units == pytest.approx(units, rel=1e-6)


def test_two_thousand_resources_stay_small() -> None:
    assert len(Season()._peaks) * Season()._peaks.itemsize * 2 * 2000 < 100_000_000
