"""The alternatives: AWS's target tracking, the highest minute all the time, and the least that serves everything."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from dynamic_dynamodb.decisions.model import Target, Throughput
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load, ceiling
from dynamic_dynamodb.rehearsal.schemes import Course, Move
from dynamic_dynamodb.simulation.decreases import Decreases
from dynamic_dynamodb.simulation.rules import Rules

if TYPE_CHECKING:
    from dynamic_dynamodb.rehearsal.demand import Minutes

Limits = tuple[tuple[int, int | None], tuple[int, int | None]]  # min and max of reads and of writes

# AWS's target tracking, as AWS documents it: out after two consecutive minutes above the target, in after 15 that were
# more than 20 points below it.
TARGET = 70
_IN_BELOW = 50
_OUT_AFTER, _IN_AFTER = 2, 15
ALARMS = 8  # per table or index: 4 per axis


def at_target(units: float) -> int:
    """The capacity of which `units` per second are the target."""
    return max(1, ceiling(100 * units / TARGET))


class _Tracked:
    """One axis under AWS's target tracking. Minutes are counted from the first one."""

    def __init__(self, load: Minutes, hot: Minutes | None, units: int, limits: tuple[int, int | None]) -> None:
        self._load = load
        self._hot = hot
        self._least, self._most = limits
        self._credit = self._back = 0.0
        self.units = units
        self.consumed: Minutes = array("d")
        self.throttled: Minutes = array("d")
        # Consumed in each minute before the first one: as if its load had always been there, without burst capacity.
        served = load[0] - (0.0 if hot is None else min(load[0], hot[0]))
        self._before = 60 * min(served, float(units))
        self._above = self._below = 0  # minutes in a row, up to the newest known one

    def serve(self, minute: int, rules: Rules) -> None:
        """Serve a minute as the model does: unused capacity of up to some seconds is kept, and spent when needed."""
        wanted = self._load[minute]
        hot = 0.0 if self._hot is None else min(wanted, self._hot[minute])
        asked, granted = (wanted - hot + self._back) * 60, self.units * 60.0
        most = rules.burst_seconds * self.units
        credit = min(self._credit, most)
        if asked <= granted:
            self._credit = min(credit + granted - asked, most)
            missing = 0.0
        else:
            missing = max(0.0, asked - granted - credit)
            self._credit = max(0.0, credit - (asked - granted))
        self._back = rules.retry * (missing / 60 + hot)
        self.consumed.append(asked - missing)
        self.throttled.append(missing + hot * 60)

    def see(self, minute: int) -> None:
        """The datapoint of this minute has arrived."""
        percents, whole = 100 * self._used(minute), self.units * 60
        self._above = self._above + 1 if percents > TARGET * whole else 0
        self._below = self._below + 1 if percents < _IN_BELOW * whole else 0

    def _used(self, minute: int) -> float:
        """Units that were consumed in a minute. Minutes before the first one are negative."""
        return self.consumed[minute] if minute >= 0 else self._before

    def look_back(self, minute: int) -> None:
        """New alarms know the minutes up to this one."""
        self._above = self._below = 0
        for known in range(minute - _IN_AFTER, minute + 1):
            self.see(known)

    def changed(self, units: int, minute: int) -> None:
        """The capacity has changed: AWS creates its alarms again."""
        self.units = units
        self.look_back(minute)

    def wants(self, minute: int) -> int:
        """The capacity that it wants if this is the newest known minute."""
        units = self.units
        last = self._used(minute)
        if self._above >= _OUT_AFTER:
            units = max(units, at_target(last / 60))
        elif self._below >= _IN_AFTER and last > 0:
            units = min(units, at_target(last / 60))
        units = max(units, self._least)
        return units if self._most is None else min(units, self._most)


@dataclass
class _Resource:
    """A table or an index under target tracking: two axes that share its decreases."""

    axes: tuple[_Tracked, _Tracked]
    decreases: Decreases
    steps: list[tuple[datetime, Throughput]]
    moves: list[Move]
    refused: int = 0
    waits: datetime | None = None  # until the next decrease is available
    coming: Throughput | None = None  # requested, and not yet in effect


def track(
    demand: Demand, loads: Sequence[Load], starts: Sequence[Throughput], limits: Sequence[Limits], rules: Rules
) -> dict[Target, Course]:
    """AWS's target tracking on one table and its indexes. While one of them is UPDATING, none can be changed."""
    resources = [_tracked(*one, demand) for one in zip(loads, starts, limits, strict=True)]
    delay, update = math.ceil(rules.metric_delay / 60), max(1, math.ceil(rules.update_seconds / 60))
    for axis in (axis for resource in resources for axis in resource.axes):
        axis.look_back(-2 - delay)  # the minute before the first datapoint
    ready = 0  # the minute from which the table is ACTIVE
    for minute in range(demand.minutes):
        known = minute - 1 - delay
        for resource in resources:
            if resource.coming is not None and minute >= ready:
                _take_effect(resource, demand.start + minute * MINUTE, known)
            for axis in resource.axes:
                axis.see(known)
        if minute >= ready:
            now = demand.start + minute * MINUTE
            wanting = [one for one in resources if _ask(one, now, known, rules)]
            ready = minute + update if wanting else ready
        for resource in resources:
            for axis in resource.axes:
                axis.serve(minute, rules)
    return {load.target: _course(one) for load, one in zip(loads, resources, strict=True)}


def _tracked(load: Load, start: Throughput, limits: Limits, demand: Demand) -> _Resource:
    reads, writes = (
        _Tracked(load.demand[axis], None if load.hot is None else load.hot[axis], start[axis], limits[axis])
        for axis in (0, 1)
    )
    return _Resource((reads, writes), Decreases(), [(demand.start, start)], [])


def _take_effect(resource: _Resource, now: datetime, known: int) -> None:
    coming, resource.coming = resource.coming, None
    if coming is not None:
        resource.steps.append((now, coming))
        for axis, units in zip(resource.axes, coming, strict=True):
            if units != axis.units:
                axis.changed(units, known - 1)


def _ask(resource: _Resource, now: datetime, known: int, rules: Rules) -> bool:
    """Request what both axes want, or only the increases if no decrease is left."""
    present = Throughput(resource.axes[0].units, resource.axes[1].units)
    wanted = Throughput(resource.axes[0].wants(known), resource.axes[1].wants(known))
    if wanted == present:
        return False
    if any(then < before for then, before in zip(wanted, present, strict=True)):
        following = resource.decreases.next(now, rules)
        if following > now:
            resource.refused += resource.waits != following  # requested once, and then waited for
            resource.waits = following
            wanted = Throughput(*map(max, wanted, present))
            if wanted == present:
                return False
        else:
            resource.decreases.note(now)
    resource.moves.append(Move(now, present, wanted))
    resource.coming = wanted
    return True


def _course(resource: _Resource) -> Course:
    reads, writes = resource.axes
    return Course(
        resource.steps,
        (reads.consumed, writes.consumed),
        (reads.throttled, writes.throttled),
        resource.moves,
        resource.refused,
    )


# The highest minute


def peak(demand: Demand, load: Load) -> Course:
    """The highest minute of each axis, rounded up, all the time."""
    servable = load.servable(0), load.servable(1)
    units = Throughput(*(max(1, ceiling(max(series))) for series in servable))
    return Course([(demand.start, units)], by_minute(servable), _hot(demand, load))


def by_minute(pair: tuple[Minutes, Minutes]) -> tuple[Minutes, Minutes]:
    """Units per second as units of each minute."""
    reads, writes = (array("d", (60 * value for value in series)) for series in pair)
    return reads, writes


def _hot(demand: Demand, load: Load) -> tuple[Minutes, Minutes]:
    """The demand that no capacity can serve."""
    if load.hot is None:
        zero = array("d", bytes(8 * demand.minutes))
        return zero, zero
    return by_minute(load.hot)


def serves_all(demand: Demand, load: Load) -> tuple[tuple[Minutes, Minutes], tuple[Minutes, Minutes]]:
    """Consumed and throttled units if capacity is never short."""
    return by_minute((load.servable(0), load.servable(1))), _hot(demand, load)


# The least


@dataclass(frozen=True)
class Least:
    """The cheapest staircase of one axis that is never below its demand."""

    unit_hours: float
    by_hour_maximum: float
    increases: int
    decreases: int


_HOUR, _A_DAY = 60, 1440

# The ways to each level with the same number of decreases left: (level, unit minutes so far, decreases, increases).
# Levels ascend and costs descend: a way that costs more and is not lower is never better.
_Ways = list[tuple[int, float, int, int]]


def least(demand: Demand, load: Minutes, rules: Rules) -> Least:
    """The cheapest of all staircases, in whole units and whole minutes.

    Between two decreases the cheapest one follows the highest demand since the first of them. So the only choice is
    when to decrease.
    """
    ways = _by_rule(rules)
    previous = 0
    slots = _slots(demand, load)
    for minute, minutes, units in slots:
        ways.pass_time(minute)
        ways.step(units, minutes, lower=units < previous)
        previous = units
    _, cost, decreases, increases = ways.best()
    hours: dict[int, int] = {}
    for minute, _, units in slots:
        hours[minute // _HOUR] = max(units, hours.get(minute // _HOUR, 1))
    return Least(cost / 60, float(sum(hours.values())), increases, decreases)


def _slots(demand: Demand, load: Minutes) -> list[tuple[int, int, int]]:
    """Consecutive minutes that need the same units, split at full hours: the first since 1970, their number, units."""
    first = round(demand.start.timestamp()) // 60
    made: list[tuple[int, int, int]] = []
    begin, present = 0, 0
    for number, value in enumerate(load):
        units = max(1, ceiling(value))
        if number and (units != present or not (first + number) % _HOUR):
            made.append((first + begin, number - begin, present))
            begin = number
        present = units
    made.append((first + begin, len(load) - begin, present))
    return made


class _Choices:
    """All ways that are worth following, by a key: the decreases that are left, and the minute of the last one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ways: dict[tuple[int, int], _Ways] = {(most, 0): [(1, 0.0, 0, 0)]}
        self._begun = False
        self._minute = 0
        self._refilled = False  # whether a decrease may have become available since the slot before

    def best(self) -> tuple[int, float, int, int]:
        return min((way for ways in self._ways.values() for way in ways), key=itemgetter(1))

    def pass_time(self, minute: int) -> None:
        """A slot begins at this minute."""
        raise NotImplementedError

    def _after(self, key: tuple[int, int]) -> tuple[int, int] | None:
        """The key after a decrease, or None if no decrease is left."""
        raise NotImplementedError

    def step(self, units: int, minutes: int, *, lower: bool) -> None:
        """One slot, which needs `units`. `lower`: fewer than the slot before it."""
        made: dict[tuple[int, int], _Ways] = {}
        for key, ways in self._ways.items():
            raised = _raise(ways, units) if self._begun else [(units, *ways[0][1:])]
            made[key] = _merge(made.get(key), raised)
            level, cost, decreases, increases = raised[-1]
            after = self._after(key) if (lower or self._refilled) and level > units else None
            if after is not None:
                made[after] = _merge(made.get(after), [(units, cost, decreases + 1, increases)])
        self._begun = True
        self._ways = {key: _worth_it(ways, minutes) for key, ways in made.items()}


class _Refilled(_Choices):
    """AWS's present rule."""

    def pass_time(self, minute: int) -> None:
        before, self._minute = self._minute, minute
        self._refilled = minute // _HOUR != before // _HOUR
        if self._begun and self._refilled:
            new_day = minute // _A_DAY != before // _A_DAY
            made: dict[tuple[int, int], _Ways] = {}
            for (left, _), ways in self._ways.items():
                more = (self._most if new_day else min(self._most, left + 1), 0)
                made[more] = _merge(made.get(more), ways)
            self._ways = made

    def _after(self, key: tuple[int, int]) -> tuple[int, int] | None:
        return (key[0] - 1, 0) if key[0] > 0 else None


class _Spaced(_Choices):
    """The older rule. The key is how many of the first decreases are left, and the minute of the last one, if recent.

    AWS's text can be read so that a decrease an hour after the last one does not use up one of the first ones. That
    reading allows more decreases, so it gives the bound.
    """

    def pass_time(self, minute: int) -> None:
        new_day = self._begun and minute // _A_DAY != self._minute // _A_DAY
        made: dict[tuple[int, int], _Ways] = {}
        for (left, last), ways in self._ways.items():
            recent = last if minute - last < _HOUR and not new_day else 0
            now = (self._most if new_day else left, recent)
            made[now] = _merge(made.get(now), ways)
        self._ways, self._minute, self._refilled = made, minute, True

    def _after(self, key: tuple[int, int]) -> tuple[int, int] | None:
        left, last = key
        if not last:
            return left, self._minute
        return (left - 1, self._minute) if left > 0 else None


def _by_rule(rules: Rules) -> _Choices:
    return (_Refilled if rules.decrease_rule == "refilled" else _Spaced)(rules.decreases_at_once)


def _raise(ways: _Ways, units: int) -> _Ways:
    """All ways at least `units` high. Of the lower ones only the cheapest is kept, which is the highest of them."""
    low = 0
    while low < len(ways) and ways[low][0] <= units:
        low += 1
    if not low:
        return ways
    level, cost, decreases, increases = ways[low - 1]
    return [(units, cost, decreases, increases + (level < units)), *ways[low:]]


def _merge(one: _Ways | None, other: _Ways) -> _Ways:
    """The better ways of both."""
    return _worth_it(sorted([*one, *other])) if one else other


def _worth_it(ways: _Ways, minutes: int = 0) -> _Ways:
    """Of ways with ascending levels, those that cost less than all lower ones after these minutes."""
    made: _Ways = []
    best = math.inf
    for level, cost, decreases, increases in ways:
        later = cost + level * minutes
        if later < best:
            made.append((level, later, decreases, increases))
            best = later
    return made
