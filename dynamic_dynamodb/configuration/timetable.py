"""The output of `--show-schedule`: the schedules that hold now, and those that begin or end in the next days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.converters import show_text, show_value
from dynamic_dynamodb.configuration.schedules import Schedule

_HEADINGS = ("in its zone", "", "in UTC", "", "schedule", "options")
_OPTIONS = {option.name: option for option in options.of_section(options.TABLE)}
_HOLDS, _ENDS, _BEGINS = "holds now", "ends", "begins"


class _Event(NamedTuple):
    """One row. Rows sort by their fields: what holds now comes first, and at the same time ends precede beginnings."""

    later: bool
    at: datetime
    begins: bool
    place: int  # of the schedule in the file
    row: Sequence[str]


def lines(tables: Mapping[str, Any], now: datetime, days: int) -> Iterator[str]:
    """The table, for the tables of a config dict."""
    until = now + timedelta(days=days)
    scheduled = list(_scheduled(tables))
    events = [
        event
        for place, (section, schedule) in enumerate(scheduled)
        for event in _events(place, section, schedule, now, until)
    ]
    if not events:
        found = "no schedule" if scheduled else "the configuration has no schedules: none"
        yield f"{found} begins, ends or holds from {now:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
        return
    rows = [_HEADINGS, *(event.row for event in sorted(events, key=lambda event: event[:4]))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _scheduled(tables: Mapping[str, Any]) -> Iterator[tuple[str, Schedule]]:
    for expression, table in tables.items():
        for section, values in ((f"table: {expression}", table), *_indexes(expression, table)):
            for name, schedule in values["schedules"].items():
                yield section, Schedule.of(name, schedule)


def _indexes(expression: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, values in table["gsis"].items():
        yield f"gsi: {index} table: {expression}", values


def _events(place: int, section: str, schedule: Schedule, now: datetime, until: datetime) -> Iterator[_Event]:
    for begin, end in schedule.when.spans(now, until):
        if begin <= now:
            yield _Event(False, now, True, place, _row(now, _HOLDS, section, schedule))
        else:
            yield _Event(True, begin, True, place, _row(begin, _BEGINS, section, schedule))
        if end < until:
            yield _Event(True, end, False, place, _row(end, _ENDS, section, schedule))


def _row(at: datetime, what: str, section: str, schedule: Schedule) -> Sequence[str]:
    zoned, utc = at.astimezone(schedule.when.zone), at.astimezone(timezone.utc)
    set_here = (f"{name}: {_shown(name, value)}" for name, value in schedule.options.items())
    return (
        f"{zoned:%a %Y-%m-%d %H:%M}",
        schedule.zone,
        f"{utc:%Y-%m-%d %H:%M} UTC",
        what,
        f"[schedule: {schedule.name} {section}]",
        ", ".join(set_here),
    )


def _shown(name: str, value: Any) -> str:
    return show_text(show_value(_OPTIONS[name], value))
