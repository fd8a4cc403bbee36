"""When a schedule holds: weekdays with times, or dates, in a time zone. Pure: the zone and the time are passed in.

A range holds from its start, included, to its end, excluded. If it crosses midnight, it belongs to the day on which it
began. If the clocks change: a local time that does not exist counts as the next one that does; a local time that exists
twice begins a range at the first and ends it at the last; a range that is wholly in the missing hour does not hold on
that day.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = tuple(day[:3] for day in _WEEKDAYS)
_DAILY = "daily"
_DAY = timedelta(days=1)
_JUST_BEFORE = timedelta(microseconds=1)
_END_OF_DAY = 24 * 60  # minutes
_YEARS = range(1970, 9999)  # far enough from the limits of date for any zone

# If the clocks skip a weekly range in one week, it holds in the next one.
_LOOK_AHEAD = 16 * _DAY
_MOST_JOINED = 50  # adjoining ranges; with more, no end is given

_TIME = r"([0-9]{1,2}):([0-9]{2})"
_DATE = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_WEEKLY = re.compile(rf"([a-z]+)(?:\s*-\s*([a-z]+))?(?:\s+{_TIME}\s*-\s*{_TIME})?")
_DATES = re.compile(rf"{_DATE}(?:\s+{_TIME})?(?:\s*-\s*{_DATE}(?:\s+{_TIME})?)?")


class Span(NamedTuple):
    """A period of time, UTC; the end is excluded."""

    begin: datetime
    end: datetime

    def covers(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end


@dataclass(frozen=True)
class _Weekly:
    """On these weekdays (0 is Monday), from minute to minute. An end that is not after the start is on the next day."""

    days: frozenset[int]
    start: int
    end: int

    def spans(self, first: date, last: date, zone: tzinfo) -> Iterator[Span]:
        end = self.end if self.end > self.start else self.end + _END_OF_DAY
        day = first
        while day <= last:
            if day.weekday() in self.days:
                yield _span(_moment(day, self.start), _moment(day, end), zone)
            day += _DAY


@dataclass(frozen=True)
class _Dates:
    """From one local time to another."""

    start: datetime
    end: datetime

    def spans(self, _first: date, _last: date, zone: tzinfo) -> Iterator[Span]:
        yield self.span(zone)

    def span(self, zone: tzinfo) -> Span:
        return _span(self.start, self.end, zone)


@dataclass(frozen=True)
class When:
    """The times at which a schedule holds. All datetimes passed in must be aware."""

    ranges: tuple[_Weekly | _Dates, ...]
    zone: tzinfo

    def spans(self, since: datetime, until: datetime) -> list[Span]:
        """The periods between two moments in which it holds, in order. Overlapping or adjoining periods are joined.

        A period that extends beyond these moments may be shortened.
        """
        joined = _joined(sorted(self._touching(since, until)))
        return [span for span in joined if span.begin < until and span.end > since]

    def _touching(self, since: datetime, until: datetime) -> Iterator[Span]:
        first, last = (moment.astimezone(self.zone).date() for moment in (since, until))
        for one in self.ranges:
            for span in one.spans(first - 2 * _DAY, last + _DAY, self.zone):
                if span.begin < span.end and span.begin <= until and span.end >= since:
                    yield span

    def holds(self, now: datetime) -> bool:
        return self._end(now) is not None

    def _end(self, now: datetime) -> datetime | None:
        """The end of the longest range that holds now. Another range may adjoin."""
        touching = self._touching(now - _DAY, now + _DAY)
        return max((span.end for span in touching if span.covers(now)), default=None)

    def until(self, now: datetime) -> datetime | None:
        """Until when it holds, if it holds now. None also if no end was found."""
        end = None
        for _ in range(_MOST_JOINED):
            further = self._end(end or now)
            if further is None:
                return end
            end = further
        return None

    def next_beginning(self, now: datetime) -> datetime | None:
        """The first moment after now at which it begins to hold and did not hold just before."""
        begins = {span.begin for span in self._touching(now, now + _LOOK_AHEAD)}
        begins |= {one.span(self.zone).begin for one in self._dates}
        return next((one for one in sorted(begins) if one > now and not self.holds(one - _JUST_BEFORE)), None)

    def ended(self, now: datetime) -> datetime | None:
        """When it ended for good, if that is past. None if it has weekdays, which recur."""
        if len(self._dates) < len(self.ranges):
            return None
        last = max(one.span(self.zone).end for one in self._dates)
        return last if last <= now else None

    @property
    def _dates(self) -> list[_Dates]:
        return [one for one in self.ranges if isinstance(one, _Dates)]

    def dates(self) -> list[Span]:
        """The period of each range of dates."""
        return [one.span(self.zone) for one in self._dates]


class Turn(NamedTuple):
    """Which of several schedules hold from a moment on, by their positions in the sequence."""

    at: datetime
    holding: tuple[int, ...]


def course(whens: Sequence[When], since: datetime, until: datetime) -> Iterator[Turn]:
    """The changes in which of several schedules hold; the first is the state at `since`."""
    edges: dict[datetime, set[int]] = {since: set()}  # the schedules that begin or end at a moment
    for place, when in enumerate(whens):
        for begin, end in _spans(when, since, until):
            edges.setdefault(max(begin, since), set()).add(place)
            if end < until:
                edges.setdefault(end, set()).add(place)
    holding: set[int] = set()
    for moment in sorted(edges):
        holding ^= edges[moment]
        yield Turn(moment, tuple(sorted(holding)))


@functools.lru_cache(maxsize=256)  # many sections may have the same times
def _spans(when: When, since: datetime, until: datetime) -> list[Span]:
    return when.spans(since, until)


# Reading


def parse(text: str, zone: tzinfo) -> When:
    """Read weekdays with times (`Mon-Fri 15:45-22:00, daily 23:00-05:00`) and dates (`2026-11-27 - 2026-11-30 24:00`).

    Raises ValueError with the rest of a sentence that starts with the option.
    """
    ranges: list[_Weekly | _Dates] = []
    days: set[int] = set()  # days whose times follow after a comma: `Sat, Sun 10:00-12:00`
    waiting = ""  # the text of the last of them
    for part in (part.strip().lower() for part in text.split(",")):
        weekly, dates = _WEEKLY.fullmatch(part), _DATES.fullmatch(part)
        if weekly is None and waiting:
            break
        if weekly:
            days |= _weekdays(part, weekly[1], weekly[2])
            waiting = part
            if weekly[3] is not None:
                ranges.append(_weekly(part, days, weekly.groups()[2:]))
                days, waiting = set(), ""
        elif dates:
            ranges.append(_dates(part, *dates.groups(), zone=zone))
        else:
            raise ValueError(
                f"{part[:40]!r} is neither weekdays with times, like Mon-Fri 15:45-22:00, nor dates, like "
                "2026-11-27 08:00 - 2026-11-30 24:00"
            )
    if waiting:
        raise ValueError(f"{waiting[:40]!r} has no times; write them after it, like {waiting[:40]} 00:00-24:00")
    return When(tuple(ranges), zone)


def _dates(
    part: str,
    start: str,
    hour: str | None,
    minute: str | None,
    end: str | None,
    end_hour: str | None,
    end_minute: str | None,
    *,
    zone: tzinfo,
) -> _Dates:
    if end is None and hour is not None:
        raise ValueError(f"{part!r} has a start but no end; write DATE TIME - DATE TIME")
    begin = _moment(_date(start), _minutes(part, hour, minute, unset=0))
    found = _Dates(
        begin, _moment(_date(end or start), _minutes(part, end_hour, end_minute, unset=_END_OF_DAY, end=True))
    )
    if found.start >= found.end:
        raise ValueError(f"{part!r} can never hold: its end is not after its start")
    span = found.span(zone)
    if span.begin >= span.end:
        raise ValueError(f"{part!r} can never hold: the clocks in {zone} skip it")
    return found


def _weekly(part: str, days: Iterable[int], times: Sequence[str]) -> _Weekly:
    start, end = _minutes(part, times[0], times[1]), _minutes(part, times[2], times[3], end=True)
    if start == end:
        raise ValueError(f"{part[:40]!r} begins and ends at the same time; a whole day is 00:00-24:00")
    return _Weekly(frozenset(days), start, end)


def _weekdays(part: str, first: str, last: str | None) -> set[int]:
    if first == _DAILY and last is None:
        return set(range(7))
    begin, end = _weekday(part, first), _weekday(part, last or first)
    return {day % 7 for day in range(begin, end + (1 if end >= begin else 8))}


def _weekday(part: str, word: str) -> int:
    for names in (_WEEKDAYS, _SHORT):
        if word in names:
            return names.index(word)
    meant = next((day for day in _SHORT if word[:2] == day[:2] or sorted(word[:3]) == sorted(day)), None)
    guess = "daily" if word[:2] == _DAILY[:2] else meant and meant.capitalize()
    raise ValueError(
        f"{word[:20]!r} in {part[:40]!r} is not a weekday"
        + (f"; did you mean {guess}?" if guess else f"; write {', '.join(map(str.capitalize, _SHORT))} or {_DAILY}")
    )


def _minutes(part: str, hour: str | None, minute: str | None, *, unset: int = 0, end: bool = False) -> int:
    """The minute of the day; 24:00 is allowed only as an end."""
    if hour is None or minute is None:
        return unset
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > _END_OF_DAY or (found == _END_OF_DAY and not end):
        raise ValueError(f"{part[:40]!r} has an invalid time; times run from 00:00 to 23:59, and an end may be 24:00")
    return found


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text} is not a valid date") from error
    if found.year not in _YEARS:
        raise ValueError(f"{text} is out of range; years run from {_YEARS[0]} to {_YEARS[-1]}")
    return found


# From local time to UTC


def _moment(day: date, minute: int) -> datetime:
    """The local time, without a zone."""
    return datetime.combine(day, time()) + timedelta(minutes=minute)


def _span(start: datetime, end: datetime, zone: tzinfo) -> Span:
    return Span(_instant(start, zone, last=False), _instant(end, zone, last=True))


def _instant(local: datetime, zone: tzinfo, *, last: bool) -> datetime:
    """The first or last moment, in UTC, at which clocks show this time; or the next one if they never do."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1))
    if first <= second:
        return second if last else first
    return _jump(local, zone, second, first)


def _jump(local: datetime, zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The moment between these two at which the clocks skip a local time."""
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) < local:
            before = middle
        else:
            after = middle
    return after


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Join the sorted spans that overlap or adjoin."""
    present: Span | None = None
    for span in spans:
        if present is not None and span.begin <= present.end:
            present = Span(present.begin, max(present.end, span.end))
            continue
        if present is not None:
            yield present
        present = span
    if present is not None:
        yield present
