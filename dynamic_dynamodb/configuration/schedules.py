"""The schedules of a section: what they make of its options, and what is doubtful about several of them."""

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
OWN = ("when", "time-zone")  # what a schedule has beside the options that it sets
_NAMES = {option.key: option.name for option in options.of_section(options.TABLE)}
_KEYS = {name: key for key, name in _NAMES.items()}
_MINIMUMS = tuple(f"min-provisioned-{axis}" for axis in AXES)


@dataclass(frozen=True)
class Schedule:
    """One schedule of the config dict, ready to use."""

    name: str
    zone: str
    when: When
    options: Mapping[str, Any]  # that it sets, by name

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Schedule:
        """From the config dict, which has been checked."""
        set_here = {_NAMES[key]: value for key, value in values.items() if key in _NAMES}
        return cls(name, values["time_zone"], read(values["when"], values["time_zone"]), set_here)

    def told(self, now: datetime) -> str:
        """For the reasons of decisions, while it holds: `schedule rush-hour until 22:00 America/New_York`."""
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
    """The values of a section, by name, without those that fall back to another option: a schedule may set that one."""
    given = flattened(layers)
    return {name: merged[key] for _, name, key, fallback, _ in plan(options.TABLE) if name in given or not fallback}


def outrank(section: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set options of a section of the config dict, by key, whatever it and its schedules say."""
    section |= values
    for schedule in section["schedules"].values():
        schedule |= {key: value for key, value in values.items() if key in schedule}
    if "unresolved" in section:
        section["unresolved"] |= {_NAMES[key]: value for key, value in values.items()}


@dataclass(frozen=True)
class Present:
    """What holds between two moments."""

    since: datetime
    until: datetime
    values: Mapping[str, Any]  # of the section, as in the config dict
    told: Mapping[str, str]  # by the key of an option: the schedule that sets it


class Calendar:
    """All schedules of one section of the config dict."""

    def __init__(self, section: Mapping[str, Any]) -> None:
        self._section = section
        self._schedules = [Schedule.of(name, values) for name, values in section["schedules"].items()]

    def present(self, now: datetime) -> Present:
        """What holds now, and how long that is so."""
        holding = [one for one in self._schedules if one.when.holds(now)]
        values = merge(options.TABLE, [*(one.options for one in holding), self._section["unresolved"]])
        told = {_KEYS[name]: one.told(now) for one in reversed(holding) for name in one.options}
        return Present(now, self._changes(now), {**self._section, **values}, told)

    def _changes(self, now: datetime) -> datetime:
        """When to look again; after a day at the latest."""
        found = [one.when.until(now) or one.when.next_beginning(now) for one in self._schedules]
        return min([now + _DAY, *(moment for moment in found if moment is not None)])

    def next_beginning(self, now: datetime) -> datetime | None:
        begins = (one.when.next_beginning(now) for one in self._schedules)
        return min((begin for begin in begins if begin is not None), default=None)


# What the configuration tells of several schedules


class Source(Protocol):
    """A section of the file: a schedule, as it is written."""

    @property
    def header(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def values(self) -> dict[str, Any]: ...
    def at(self, *names: str) -> str: ...


@dataclass(frozen=True)
class Written:
    """A schedule of a file that can be used."""

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
    """How the schedules of a section take turns, over a year and where there are dates further ahead.

    `alone`: it is enough to know once when a single one holds.
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
    """Minimums that keep a later schedule's greater one from its effect, and what to say if that was not so before."""
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
    """Minimums of one schedule above the maximum of another, and what to say if that was not so before."""
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
    """Schedules that begin while the maintenance windows let nothing through."""
    told: set[int] = set()
    before: tuple[int, ...] | None = None
    for at, holding in course:
        for place in holding if before is not None else ():
            if place not in {*(before or ()), *told} and _closed(merged[holding], at):
                told.add(place)
                one, shown = written[place], merged[holding]["maintenance_windows"]
                yield (
                    f"{one.source.at('when')}: begins outside the maintenance windows {shown} UTC (first at "
                    f"{one.moment(at)}, {at:%H:%M} UTC) and has no effect until they open; "
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
