"""The schedules of a section: the options while they hold, and warnings about several schedules together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, Protocol

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.converters import time_zone
from dynamic_dynamodb.configuration.merging import flattened, merge, plan
from dynamic_dynamodb.decisions import schedules, windows
from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.decisions.schedules import Turn, When

_YEAR, _WEEKS, _DAY = timedelta(days=366), timedelta(days=16), timedelta(days=1)
_JUST_BEFORE = timedelta(microseconds=1)
OWN = ("when", "time-zone")  # the options of the schedule itself
_NAMES = {option.key: option.name for option in options.of_section(options.TABLE)}
_KEYS = {name: key for key, name in _NAMES.items()}
_MINIMUMS = tuple(f"min-provisioned-{axis}" for axis in AXES)


@dataclass(frozen=True)
class Schedule:
    """One schedule of the config dict, ready to use."""

    name: str
    zone: str
    when: When
    options: Mapping[str, Any]  # the options that it sets, by name

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Schedule:
        """From the config dict, which has been checked."""
        set_here = {_NAMES[key]: value for key, value in values.items() if key in _NAMES}
        return cls(name, values["time_zone"], read(values["when"], values["time_zone"]), set_here)

    def told(self, now: datetime) -> str:
        """How the reasons of decisions name it while it holds: `schedule rush-hour until 22:00 America/New_York`."""
        end = self.when.until(now)
        if end is None:
            return f"schedule {self.name}"
        text = local(end, self.when)
        return f"schedule {self.name} until {text[-5:] if end - now < _DAY else text} {self.zone}"


def read(when: str, zone: str) -> When:
    """Raises ValueError with the rest of a sentence that begins with `when`."""
    return schedules.parse(when, time_zone(zone) or timezone.utc)


def local(moment: datetime, when: When) -> str:
    """In the zone of a schedule: `2026-11-27 00:00`."""
    return f"{moment.astimezone(when.zone):%Y-%m-%d %H:%M}"


def unresolved(layers: Sequence[Mapping[str, Any]], merged: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section by name, except those that fall back to another option, which a schedule may set."""
    given = flattened(layers)
    return {name: merged[key] for _, name, key, fallback, _ in plan(options.TABLE) if name in given or not fallback}


def outrank(section: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set options of a section of the config dict, by key, over the values of the section and its schedules."""
    section |= values
    for schedule in section["schedules"].values():
        schedule |= {key: value for key, value in values.items() if key in schedule}
    if "unresolved" in section:
        section["unresolved"] |= {_NAMES[key]: value for key, value in values.items()}


@dataclass(frozen=True)
class Present:
    """The values between two moments."""

    since: datetime
    until: datetime
    values: Mapping[str, Any]  # of the section, as in the config dict
    told: Mapping[str, str]  # option key -> the schedule that sets it


class Calendar:
    """All schedules of one section of the config dict."""

    def __init__(self, section: Mapping[str, Any]) -> None:
        self._section = section
        self._schedules = [Schedule.of(name, values) for name, values in section["schedules"].items()]

    def present(self, now: datetime) -> Present:
        """The values now, and until when they hold."""
        holding = [one for one in self._schedules if one.when.holds(now)]
        values = merge(options.TABLE, [*(one.options for one in holding), self._section["unresolved"]])
        told = {_KEYS[name]: one.told(now) for one in reversed(holding) for name in one.options}
        return Present(now, self._changes(now), {**self._section, **values}, told)

    def _changes(self, now: datetime) -> datetime:
        """When the next schedule begins or ends; after a day at the latest."""
        found = [one.when.until(now) or one.when.next_beginning(now) for one in self._schedules]
        return min([now + _DAY, *(moment for moment in found if moment is not None)])

    def next_beginning(self, now: datetime) -> datetime | None:
        begins = (one.when.next_beginning(now) for one in self._schedules)
        return min((begin for begin in begins if begin is not None), default=None)


# Warnings about several schedules


class Source(Protocol):
    """A section of the file that is a schedule."""

    @property
    def header(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def values(self) -> dict[str, Any]: ...
    def at(self, *names: str) -> str: ...


@dataclass(frozen=True)
class Written:
    """A valid schedule of a file."""

    source: Source
    when: When

    def sets(self, name: str) -> bool:
        return self.source.values.get(name) is not None

    @property
    def shown(self) -> str:
        return f"[{self.source.header}] (line {self.source.line})"

    @cached_property
    def zone(self) -> str:
        return str(self.source.values.get("time-zone") or "UTC")

    def moment(self, moment: datetime) -> str:
        return f"{local(moment, self.when)} {self.zone}"


def turns(written: Sequence[Written], now: datetime, *, alone: bool) -> list[Turn]:
    """Which schedules of a section hold when, over a year and around dates further ahead.

    `alone`: for a single schedule, one time at which it holds is enough.
    """
    whens = [one.when for one in written]
    if alone and len(whens) == 1:
        when = whens[0]
        first = now if when.holds(now) else when.next_beginning(now)
        return [] if first is None else [Turn(first, (0,))]
    found = list(schedules.course(whens, now, now + _YEAR))
    for begin, end in sorted(span for when in whens for span in when.dates()):
        if begin >= now + _YEAR:
            found += schedules.course(whens, begin - _JUST_BEFORE, min(end, begin + _WEEKS))
    return found


Finding = tuple[str, int, int]  # the option, and the lines of the two schedules


def lower_minimums(held: Sequence[Written], at: datetime) -> Iterator[tuple[Finding, str]]:
    """Minimums that take precedence over a later schedule's greater minimum, with the text of the warning."""
    for name in _MINIMUMS:
        setters = [(one, one.source.values[name]) for one in held if one.sets(name)]
        for (first, low), (later, high) in itertools.product(setters[:1], setters[1:]):
            if low < high:
                yield (
                    (name, first.source.line, later.source.line),
                    f"{first.source.at(name)}: {low} is lower than {high} of {later.shown}, which comes later: "
                    f"the lower one counts while both hold, first at {first.moment(at)}",
                )


def clashes(values: Mapping[str, Any], held: Sequence[Written], at: datetime) -> Iterator[tuple[Finding, str]]:
    """Minimums of one schedule above the maximum of another, with the text of the warning."""
    for axis in AXES:
        names = (f"min-provisioned-{axis}", f"max-provisioned-{axis}")
        least, most = (next((one for one in held if one.sets(name)), None) for name in names)
        low, high = values[f"min_provisioned_{axis}"], values[f"max_provisioned_{axis}"]
        if None in (least, most, low, high):  # not set, or not valid
            continue
        if least is not None and most is not None and least is not most and low > high:
            yield (
                (names[0], least.source.line, most.source.line),
                f"{least.source.at(names[0])}: {low} is above {names[1]}: {high} of {most.shown}: "
                f"the maximum wins while both hold, first at {least.moment(at)}",
            )


def unheard(
    written: Sequence[Written], course: Sequence[Turn], merged: Mapping[tuple[int, ...], Mapping[str, Any]]
) -> Iterator[str]:
    """Warnings about schedules that begin outside the maintenance windows."""
    told: set[int] = set()
    before: tuple[int, ...] | None = None
    for at, holding in course:
        for place in holding if before is not None else ():
            if place not in {*(before or ()), *told} and _closed(merged[holding], at):
                told.add(place)
                one, shown = written[place], merged[holding]["maintenance_windows"]
                first = one.moment(at) if one.zone == "UTC" else f"{one.moment(at)}, {at:%H:%M} UTC"
                yield (
                    f"{one.source.at('when')}: begins outside the maintenance windows {shown} UTC (first at {first}) "
                    "and has no effect until they open; "
                    "scale-up-outside-maintenance-windows: true lets its increases through"
                )
        before = holding


def _closed(values: Mapping[str, Any], at: datetime) -> bool:
    text = values["maintenance_windows"]
    return (
        text is not None
        and not values["scale_up_outside_maintenance_windows"]
        and not windows.is_open(windows.parse(text), at)
    )
