"""When a schedule holds: how `when` is read, what is refused, clock changes, and a year in three zones."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamic_dynamodb.decisions.schedules import Span, Turn, When, course, parse

UTC = timezone.utc
ZONES = ("UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "America/Santiago", "Asia/Kolkata")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(spans: list[Span]) -> list[str]:
    return [f"{begin:%m-%d %H:%M} {end:%m-%d %H:%M}" for begin, end in spans]


def week(text: str, zone: str = "UTC") -> list[str]:
    """What begins in a week that begins on a Monday."""
    first, last = utc("2026-11-23 00:00"), utc("2026-11-30 00:00")
    spans = parse(text, ZoneInfo(zone)).spans(first, last)
    return shown([span for span in spans if span.begin >= first])


# What is written, and what it means


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon 10:00-12:00", ["11-23 10:00 11-23 12:00"]),
        ("monday 10:00-12:00", ["11-23 10:00 11-23 12:00"]),
        ("MON 9:05 - 12:00", ["11-23 09:05 11-23 12:00"]),
        ("Tue-Thu 10:00-12:00", [f"11-{day} 10:00 11-{day} 12:00" for day in (24, 25, 26)]),
        ("Tuesday - Thursday 10:00-12:00", [f"11-{day} 10:00 11-{day} 12:00" for day in (24, 25, 26)]),
        ("Fri-Mon 10:00-12:00", [f"11-{day} 10:00 11-{day} 12:00" for day in (23, 27, 28, 29)]),
        ("Sat,Sun 10:00-12:00", [f"11-{day} 10:00 11-{day} 12:00" for day in (28, 29)]),
        ("Mon, Wed-Thu,Sun 10:00-12:00", [f"11-{day} 10:00 11-{day} 12:00" for day in (23, 25, 26, 29)]),
        ("Mon 10:00-12:00, Tue 13:00-14:00", ["11-23 10:00 11-23 12:00", "11-24 13:00 11-24 14:00"]),
        ("Mon-Mon 10:00-12:00", ["11-23 10:00 11-23 12:00"]),
        ("daily 10:00-12:00", [f"11-{day} 10:00 11-{day} 12:00" for day in range(23, 30)]),
        ("Daily 12:00-13:00", [f"11-{day} 12:00 11-{day} 13:00" for day in range(23, 30)]),
        # It belongs to the day it began on.
        ("Fri 23:00-02:00", ["11-27 23:00 11-28 02:00"]),
        ("Sun 23:00-02:00", ["11-29 23:00 11-30 02:00"]),
        ("Fri 23:00-00:00", ["11-27 23:00 11-28 00:00"]),
        ("Fri 23:00-24:00", ["11-27 23:00 11-28 00:00"]),
        ("Fri 00:00-24:00", ["11-27 00:00 11-28 00:00"]),
        # What overlaps or adjoins is one.
        ("Sat 00:00-24:00, Sun 00:00-24:00", ["11-28 00:00 11-30 00:00"]),
        ("Sat 10:00-12:00, Sat 11:00-13:00", ["11-28 10:00 11-28 13:00"]),
        ("daily 23:00-05:00, Sat 00:00-24:00", [
            *(f"11-{day} 23:00 11-{day + 1} 05:00" for day in range(23, 27)),
            "11-27 23:00 11-29 05:00", "11-29 23:00 11-30 05:00",
        ]),
        # Dates
        ("2026-11-27 00:00 - 2026-11-28 24:00", ["11-27 00:00 11-29 00:00"]),
        ("2026-11-27 10:30-2026-11-27 12:00", ["11-27 10:30 11-27 12:00"]),
        ("2026-11-27", ["11-27 00:00 11-28 00:00"]),
        ("2026-11-27 - 2026-11-28", ["11-27 00:00 11-29 00:00"]),
        ("2026-11-27 12:00 - 2026-11-28", ["11-27 12:00 11-29 00:00"]),
        ("2026-11-27 - 2026-11-28 06:00", ["11-27 00:00 11-28 06:00"]),
        ("2026-11-27, Mon 10:00-12:00", ["11-23 10:00 11-23 12:00", "11-27 00:00 11-28 00:00"]),
        ("Mon 10:00-12:00,\n2026-11-27", ["11-23 10:00 11-23 12:00", "11-27 00:00 11-28 00:00"]),
    ],
)  # fmt: skip
def test_what_is_written(text: str, expected: list[str]) -> None:
    assert week(text) == expected


def test_times_are_those_of_the_zone() -> None:
    assert week("Mon 16:00-22:00", "America/New_York") == ["11-23 21:00 11-24 03:00"]
    assert week("Mon 16:00-22:00", "Asia/Kolkata") == ["11-23 10:30 11-23 16:30"]
    assert week("2026-11-27", "Australia/Lord_Howe") == ["11-26 13:00 11-27 13:00"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Mon", "'mon' has no times; write them after it, like mon 00:00-24:00"),
        ("Mon 10:00-12:00, Sat", "'sat' has no times"),
        ("Mon, 2026-11-27", "'mon' has no times"),
        ("Mon, 2026-11-27, Tue 10:00-12:00", "'mon' has no times"),
        ("Mo-Fr 10:00-12:00", "'mo' in 'mo-fr 10:00-12:00' is not a weekday; did you mean Mon?"),
        ("Thru 10:00-12:00", "'thru' in 'thru 10:00-12:00' is not a weekday; did you mean Thu?"),
        ("Mno 10:00-12:00", "did you mean Mon?"),
        ("day 10:00-12:00", "did you mean daily?"),
        ("noon 10:00-12:00", "is not a weekday; write Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily"),
        ("daily-Fri 10:00-12:00", "is not a weekday"),
        ("Mon 10:00-10:00", "begins and ends at the same time; a whole day is 00:00-24:00"),
        ("Mon 24:00-10:00", "has an invalid time"),
        ("Mon 10:00-24:01", "has an invalid time"),
        ("Mon 10:60-12:00", "has an invalid time"),
        ("Mon 10:00-25:00", "has an invalid time"),
        ("10:00-12:00", "is neither weekdays with times"),
        ("Mon 10-12", "is neither weekdays with times"),
        ("", "is neither weekdays with times"),
        ("Mon 10:00-12:00,", "is neither weekdays with times"),
        ("2026-11-27 10:00-12:00", "is neither weekdays with times"),
        ("2026-11-27 10:00", "has a start but no end; write DATE TIME - DATE TIME"),
        ("2026-02-29", "2026-02-29 is not a valid date"),
        ("1969-12-31", "1969-12-31 is out of range; years run from 1970 to 9998"),
        ("2026-11-27 - 9999-12-31", "9999-12-31 is out of range"),
        ("2026-11-27 24:00 - 2026-11-29", "has an invalid time"),
        ("2026-11-28 - 2026-11-27", "can never hold: its end is not after its start"),
        ("2026-11-28 10:00 - 2026-11-28 10:00", "can never hold"),
        ("2026-03-08 02:10 - 2026-03-08 02:50", "can never hold: the clocks in America/New_York skip it"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse(text, ZoneInfo("America/New_York"))


# Clock changes


@pytest.mark.parametrize(
    ("zone", "text", "day", "expected"),
    [
        # 2026-03-08: 02:00 is 03:00 in New York, 07:00 UTC
        ("America/New_York", "Sun 01:30-02:30", "2026-03-08", "03-08 06:30 03-08 07:00"),
        ("America/New_York", "Sun 02:30-04:00", "2026-03-08", "03-08 07:00 03-08 08:00"),
        ("America/New_York", "Sun 02:00-03:00", "2026-03-08", ""),
        ("America/New_York", "Sun 02:10-02:50", "2026-03-08", ""),
        ("America/New_York", "Sat 23:00-05:00", "2026-03-08", "03-08 04:00 03-08 09:00"),
        ("America/New_York", "Sun 00:00-24:00", "2026-03-08", "03-08 05:00 03-09 04:00"),
        # 2026-11-01: 01:00 to 02:00 comes twice, from 05:00 and from 06:00 UTC
        ("America/New_York", "Sun 01:30-03:00", "2026-11-01", "11-01 05:30 11-01 08:00"),
        ("America/New_York", "Sun 00:00-01:30", "2026-11-01", "11-01 04:00 11-01 06:30"),
        ("America/New_York", "Sun 01:10-01:20", "2026-11-01", "11-01 05:10 11-01 06:20"),
        ("America/New_York", "Sun 00:00-24:00", "2026-11-01", "11-01 04:00 11-02 05:00"),
        # Half an hour, south of the equator. 2026-10-04: 02:00 is 02:30, at 15:30 UTC of the day before
        ("Australia/Lord_Howe", "Sun 01:45-02:15", "2026-10-04", "10-03 15:15 10-03 15:30"),
        ("Australia/Lord_Howe", "Sun 02:05-02:25", "2026-10-04", ""),
        ("Australia/Lord_Howe", "Sun 02:15-03:00", "2026-10-04", "10-03 15:30 10-03 16:00"),
        # 2026-04-05: 01:30 to 02:00 comes twice, from 14:30 and from 15:00 UTC of the day before
        ("Australia/Lord_Howe", "Sun 01:40-01:50", "2026-04-05", "04-04 14:40 04-04 15:20"),
        # Midnight itself does not exist. 2026-09-06: 00:00 is 01:00 in Santiago, 04:00 UTC
        ("America/Santiago", "Sun 00:00-06:00", "2026-09-06", "09-06 04:00 09-06 09:00"),
        ("America/Santiago", "Sat 22:00-00:00", "2026-09-06", "09-06 02:00 09-06 04:00"),
        ("America/Santiago", "Sun 00:10-00:50", "2026-09-06", ""),
        ("America/Santiago", "2026-09-05", "2026-09-06", "09-05 04:00 09-06 04:00"),
        ("Pacific/Auckland", "Sun 02:30-03:30", "2026-09-27", "09-26 14:00 09-26 14:30"),
        # A whole day that was left out: 2011-12-30 in Samoa
        ("Pacific/Apia", "Fri 08:00-18:00", "2011-12-30", ""),
    ],
)  # fmt: skip
def test_a_clock_change(zone: str, text: str, day: str, expected: str) -> None:
    local = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    around = parse(text, ZoneInfo(zone)).spans(local - DAY / 6, local + DAY)
    assert shown(around) == ([expected] if expected else [])


# How many minutes each holds, over a year, and what a program that asks the clock minute by minute would have found.
YEAR = [
    ("America/New_York", "Mon-Fri 15:45-22:00", 261 * 375),
    ("America/New_York", "daily 23:00-05:00", 365 * 360 - 60 + 60),
    ("America/New_York", "daily 02:00-03:00", 364 * 60),
    ("America/New_York", "daily 01:00-02:00", 366 * 60),
    ("Australia/Lord_Howe", "daily 02:00-02:30", 364 * 30),
    ("Australia/Lord_Howe", "daily 01:30-02:00", 366 * 30),
    ("Australia/Lord_Howe", "Sun 00:00-24:00", 52 * 1440 - 30 + 30),
    ("America/Santiago", "daily 00:00-01:00", 364 * 60),
    ("Pacific/Auckland", "daily 02:30-03:30", 363 * 60 + 30 + 120),
]


@pytest.mark.parametrize(("zone", "text", "minutes"), YEAR)
def test_a_year(zone: str, text: str, minutes: int) -> None:
    home = ZoneInfo(zone)
    since, until = (datetime(year, 1, 1, 12, tzinfo=home) for year in (2026, 2027))
    spans = parse(text, home).spans(since, until)
    assert sum((span.end - span.begin for span in spans), timedelta()) == minutes * MINUTE


@pytest.mark.parametrize(("zone", "text", "_minutes"), YEAR)
def test_a_year_asked_minute_by_minute(zone: str, text: str, _minutes: int) -> None:
    """Where the clock shows a time once, it holds exactly if that time lies within the range."""
    home = ZoneInfo(zone)
    when = parse(text, home)
    hours = re.search(r"(\d\d):(\d\d)-(\d\d):(\d\d)", text)
    assert hours
    first, last = (int(hours[n]) * 60 + int(hours[n + 1]) for n in (1, 3))
    last += 1440 if last <= first else 0
    step, moment = timedelta(minutes=55), datetime(2026, 1, 1, tzinfo=UTC)
    spans = iter([*when.spans(moment, moment + 365 * DAY), Span(moment + 999 * DAY, moment + 999 * DAY)])
    span = next(spans)
    for _ in range(int(365 * DAY / step)):
        moment += step
        while span.end <= moment:
            span = next(spans)
        local = moment.astimezone(home)
        twice = local.replace(tzinfo=home, fold=0).utcoffset() != local.replace(tzinfo=home, fold=1).utcoffset()
        minute = local.hour * 60 + local.minute
        days = ["Mon", "Tue", "Wed", "Thu", "Fri"] if "Mon-Fri" in text else ["Sun"] if "Sun" in text else None
        today = days is None or f"{local:%a}" in days
        yesterday = days is None or f"{local - DAY:%a}" in days
        expected = (today and first <= minute < last) or (yesterday and first <= minute + 1440 < last)
        assert twice or span.covers(moment) == expected, local


# What is asked of it

TEXTS = (
    "Mon-Fri 15:45-22:00",
    "daily 23:00-05:00, Sat 00:00-24:00",
    "daily 00:00-24:00",
    "Sun 02:10-02:50",
    "Sat,Sun 01:30-02:30, Mon 00:00-24:00",
    "2026-03-07 20:00 - 2026-03-09 04:00, 2026-11-01, Sun 01:00-02:00",
    "2026-06-01 - 2026-06-30",
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
near_changes = st.sampled_from(
    ["2026-03-08 06:00", "2026-11-01 05:00", "2026-10-03 15:00", "2026-09-06 03:00"]
).flatmap(lambda text: st.integers(-180, 180).map(lambda minutes: utc(text) + minutes * MINUTE))
whens = st.builds(lambda text, zone: parse(text, ZoneInfo(zone)), st.sampled_from(TEXTS), st.sampled_from(ZONES))


@settings(deadline=None)
@given(whens, moments | near_changes)
def test_it_holds_exactly_in_its_spans(when: When, now: datetime) -> None:
    spans = when.spans(now - 2 * DAY, now + 2 * DAY)
    assert when.holds(now) == any(span.begin <= now < span.end for span in spans)
    for begin, end in spans:
        assert begin < end
        assert when.holds(begin)
        if begin >= now - 2 * DAY:
            assert not when.holds(begin - timedelta(microseconds=1))
        if end < now + 2 * DAY:
            assert not when.holds(end)
            assert when.holds(end - timedelta(microseconds=1))


@settings(deadline=None)
@given(whens, moments | near_changes)
def test_the_next_beginning_is_the_first(when: When, now: datetime) -> None:
    until = now + 10 * DAY
    first = next((span.begin for span in when.spans(now, until) if span.begin > now), None)
    found = when.next_beginning(now)
    assert found == first or (first is None and (found is None or found >= until))


@settings(deadline=None)
@given(whens, moments | near_changes)
def test_until_is_the_end_of_the_span(when: When, now: datetime) -> None:
    span = next((span for span in when.spans(now, now + 60 * DAY) if span.covers(now)), None)
    until = when.until(now)
    assert until == (span.end if span is not None and span.end < now + 60 * DAY else None)


def test_what_never_ends_has_no_end() -> None:
    always = parse("daily 00:00-24:00", ZoneInfo("America/New_York"))
    now = utc("2026-03-01 00:00")
    assert (always.holds(now), always.until(now), always.next_beginning(now)) == (True, None, None)


def test_the_end_of_dates_is_told_however_far_it_is() -> None:
    long = parse("2026-01-01 - 9998-12-31", UTC)
    now = utc("2026-03-01 00:00")
    assert long.until(now) == utc("9999-01-01 00:00")
    assert long.next_beginning(now) is None
    assert parse("2036-01-01", UTC).next_beginning(now) == utc("2036-01-01 00:00")


def test_dates_end_for_good_and_weekdays_do_not() -> None:
    now = utc("2026-06-02 00:00")
    assert parse("2026-05-01, 2026-06-01", UTC).ended(now) == now
    assert parse("2026-05-01, 2026-06-01", UTC).ended(now - MINUTE) is None
    assert parse("2026-05-01, Mon 10:00-12:00", UTC).ended(now) is None


@settings(deadline=None, max_examples=50)
@given(st.lists(whens, min_size=1, max_size=3), moments)
def test_schedules_take_turns(several: list[When], since: datetime) -> None:
    turns = list(course(several, since, since + 20 * DAY))
    assert turns[0].at == since
    assert all(before.at < after.at for before, after in itertools.pairwise(turns))
    for at, holding in turns:
        assert holding == tuple(place for place, when in enumerate(several) if when.holds(at))


def test_a_turn_where_one_ends_and_another_begins() -> None:
    several = [parse("Mon 10:00-12:00", UTC), parse("Mon 11:00-12:00", UTC), parse("Mon 12:00-13:00", UTC)]
    assert list(course(several, utc("2026-11-23 09:00"), utc("2026-11-23 12:30"))) == [
        Turn(utc("2026-11-23 09:00"), ()),
        Turn(utc("2026-11-23 10:00"), (0,)),
        Turn(utc("2026-11-23 11:00"), (0, 1)),
        Turn(utc("2026-11-23 12:00"), (2,)),
    ]
