"""Maintenance windows: what is one, and when it is open."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.decisions.windows import is_open, parse

DAY = 24 * 60
MIDNIGHT = datetime(2026, 3, 29, tzinfo=timezone.utc)  # a day on which Europe changes its clocks, and UTC does not


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def open_minutes(text: str) -> list[int]:
    windows = parse(text)
    return [minute for minute in range(DAY) if is_open(windows, MIDNIGHT + timedelta(minutes=minute))]


def minutes(first: str, last: str) -> list[int]:
    """All minutes from first to last, both included."""
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in (first, last))
    return list(range(start, end + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("08:00-17:30", ((480, 1050),)),
        ("22:00-06:00", ((1320, 360),)),
        ("22:00-24:00", ((1320, 1440),)),
        ("2200-2359", ((1320, 1439),)),
        ("2200-06:00, 0800 - 2400", ((1320, 360), (480, 1440))),
        ("00:00-24:00", ((0, 1440),)),
        ("00:00-00:00", ((0, 0),)),
        ("23:59-24:00", ((1439, 1440),)),
        ("08:00-09:00,10:00-11:00", ((480, 540), (600, 660))),
        ("08:00-09:00 , 10:00-11:00", ((480, 540), (600, 660))),
        (" 08:00 - 09:00,\n10:00  -11:00 ", ((480, 540), (600, 660))),
        ("08:00\t-\t09:00", ((480, 540),)),
    ],
)
def test_parse(text: str, expected: tuple[tuple[int, int], ...]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "08:00-09:00,",
        "08:00-09:00,,10:00-11:00",
        "08:00",
        "08:00-",
        "-09:00",
        "8:00-9:00",
        "08:00-9:00",
        "08:0-09:00",
        "08.00-09.00",
        "08:00:00-09:00:00",
        "08:00--09:00",
        "08:00-09:00-10:00",
        "08:00-09:00 10:00-11:00",
        "08:00\u201309:00",  # a dash as word processors make it
        "\u0660\u0668:\u0660\u0660-\u0660\u0669:\u0660\u0660",  # Arabic-Indic digits
        "08 :00-09:00",
        "+8:00-09:00",
        "always",
    ],
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a window; write HH:MM-HH:MM, like 22:00-06:00"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["24:00-01:00", "24:00-24:00", "25:00-26:00", "08:60-09:00", "08:00-09:60", "08:00-24:01", "08:00-99:99"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=f"^'{text}' has an invalid time; .*an end may be 24:00"):
        parse(text)


def test_the_bad_window_among_good_ones_is_named() -> None:
    with pytest.raises(ValueError, match=r"^'9-10' is not a window"):
        parse("08:00-09:00, 9-10, 11:00-12:00")


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(ValueError, match="is not a window") as caught:
        parse("x" * 10_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("08:00-17:30", minutes("08:00", "17:30")),
        ("22:00-06:00", minutes("00:00", "06:00") + minutes("22:00", "23:59")),
        ("22:00-23:59", minutes("22:00", "23:59")),
        ("22:00-24:00", minutes("22:00", "23:59")),
        ("00:00-00:00", [0]),
        ("12:00-12:00", [720]),
        ("23:59-00:00", [0, 1439]),
        ("00:00-23:59", minutes("00:00", "23:59")),
        ("00:00-24:00", minutes("00:00", "23:59")),
        ("12:01-12:00", minutes("00:00", "23:59")),
        ("08:00-09:00,09:30-10:00", minutes("08:00", "09:00") + minutes("09:30", "10:00")),
        ("09:30-10:00, 08:00-09:45", minutes("08:00", "10:00")),
        ("22:00-24:00,00:00-06:00", minutes("00:00", "06:00") + minutes("22:00", "23:59")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_minute_of_a_day(text: str, expected: list[int]) -> None:
    assert open_minutes(text) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("07:59:59.999999", False),
        ("08:00:00", True),
        ("17:30:00", True),
        ("17:30:59.999999", True),
        ("17:31:00", False),
    ],
)
def test_first_and_last_minute_are_whole_minutes(now: str, expected: bool) -> None:
    assert is_open(parse("08:00-17:30"), datetime.fromisoformat(f"2026-01-31T{now}+00:00")) is expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-31T10:00:00+02:00", True),  # 08:00 UTC
        ("2026-01-31T09:59:00+02:00", False),
        ("2026-01-31T00:15:00-08:00", True),  # 08:15 UTC
        ("2026-01-31T08:15:00-08:00", False),
        ("2026-01-31T13:30:00+05:30", True),  # 08:00 UTC
        ("2026-02-01T00:30:00+15:30", True),  # 09:00 UTC of the day before
    ],
)
def test_windows_are_utc_whatever_the_zone_of_the_clock(now: str, expected: bool) -> None:
    assert is_open(parse("08:00-09:00"), datetime.fromisoformat(now)) is expected


def test_no_window_is_never_open() -> None:
    assert not is_open((), MIDNIGHT)


@given(
    st.lists(st.tuples(st.integers(0, DAY - 1), st.integers(0, DAY)), min_size=1, max_size=4),
    st.integers(0, DAY - 1),
    st.integers(-14 * 60, 14 * 60),
)
def test_open_means_reached_by_walking_from_a_start_to_its_end(
    windows: list[tuple[int, int]], now: int, offset: int
) -> None:
    def holds(first: int, last: int) -> bool:
        length = (last - first) if first <= last else (last - first) % DAY
        return (now - first) % DAY <= length

    text = ", ".join(f"{clock(first)} - {clock(last)}" for first, last in windows)
    moment = (MIDNIGHT + timedelta(minutes=now)).astimezone(timezone(timedelta(minutes=offset)))
    expected = any(holds(first, min(last, DAY - 1) if first <= last else last) for first, last in windows)
    assert is_open(parse(text), moment) is expected
