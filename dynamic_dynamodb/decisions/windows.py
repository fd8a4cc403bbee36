"""Maintenance windows: times of the day, UTC, at which capacity may be changed. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone

# (first minute, last minute) of the day, both included. If first > last, the window crosses midnight. A last minute of
# 1440 is 24:00, the end of the day.
Window = tuple[int, int]

_WINDOW = re.compile(r"([0-9]{2}):?([0-9]{2})\s*-\s*([0-9]{2}):?([0-9]{2})")
_END_OF_DAY = 24 * 60


def parse(text: str) -> tuple[Window, ...]:
    """Read `HH:MM-HH:MM` (or `HHMM-HHMM`), several separated by commas; spaces around commas and dashes are allowed.

    Raises ValueError with a sentence that names the bad window.
    """
    return tuple(_parse_one(part.strip()) for part in text.split(","))


def _parse_one(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is not a window; write HH:MM-HH:MM, like 22:00-06:00")
    hour, minute, last_hour, last_minute = (int(part) for part in match.groups())
    first, last = hour * 60 + minute, last_hour * 60 + last_minute
    if first >= _END_OF_DAY or last > _END_OF_DAY or max(minute, last_minute) > 59:
        raise ValueError(f"{text!r} has an invalid time; times run from 00:00 to 23:59, and an end may be 24:00")
    return first, last


def is_open(windows: tuple[Window, ...], now: datetime) -> bool:
    """Whether `now` (aware, in any zone) is in one of the windows, first and last minute included."""
    utc = now.astimezone(timezone.utc)
    minute = utc.hour * 60 + utc.minute
    return any(_holds(window, minute) for window in windows)


def _holds(window: Window, minute: int) -> bool:
    first, last = window
    if first <= last:
        return first <= minute <= last
    return minute >= first or minute <= last
