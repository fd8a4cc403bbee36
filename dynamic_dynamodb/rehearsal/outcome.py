"""What a scheme cost and throttled: figures of one axis, and their sums over axes, tables and indexes."""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from dynamic_dynamodb.configuration.prices import Rates
from dynamic_dynamodb.decisions.model import AXES, Target, Throughput
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load, Pair
from dynamic_dynamodb.rehearsal.rivals import Least, Limits
from dynamic_dynamodb.rehearsal.schemes import Course, Kind, Move, Running, Settings

if TYPE_CHECKING:
    from dynamic_dynamodb.rehearsal.demand import Minutes

T = TypeVar("T")

# Less than this of a unit is the noise of binary fractions.
_NOISE = 1e-6


@dataclass(frozen=True)
class Sums:
    """Figures that can be added up over axes, tables and indexes. Hours and units are of the whole run."""

    read_unit_hours: float = 0.0
    write_unit_hours: float = 0.0
    dollars: float = 0.0
    dollars_hour_maximum: float = 0.0
    demand_units: float = 0.0
    consumed_units: float = 0.0
    used_units: float = 0.0  # consumed of what was provisioned
    provisioned_units: float = 0.0
    throttled_units: float = 0.0
    throttled_minutes: int = 0
    increases: int = 0
    decreases: int = 0
    refused: int = 0

    @property
    def throttled_percent(self) -> float:
        return 100 * self.throttled_units / self.demand_units if self.demand_units else 0.0

    @property
    def utilization_percent(self) -> float | None:
        """Consumed in percent of provisioned; None if nothing is provisioned."""
        return 100 * self.used_units / self.provisioned_units if self.provisioned_units else None


@dataclass(frozen=True)
class Bound:
    """A limit or floor that held an axis for a part of the time."""

    axis: str
    limit: str  # in words, such as "minimum of 100"
    percent: float  # of the time


@dataclass(frozen=True)
class Outcome:
    """One scheme on one table or index, or on all of them."""

    name: str
    kind: Kind
    total: Sums
    axes: tuple[Sums, Sums] | None = None  # of a table or index
    bounds: tuple[Bound, ...] = ()
    moves: tuple[Move, ...] = ()
    course: Course | None = None  # minute by minute, if a report or chart needs it
    running: Running | None = None  # None: not known, or not a scheme that could run
    settings: Settings | None = None  # of a configuration


@dataclass(frozen=True)
class Outcomes:
    """All schemes on one table or index, in the same order everywhere."""

    target: Target
    table_class: str
    on_demand: bool
    outcomes: tuple[Outcome, ...]

    @property
    def name(self) -> str:
        """`orders`, or `orders/by-date` for an index."""
        return self.target.table + (f"/{self.target.index}" if self.target.index else "")


def add_running(all_: Sequence[Running | None]) -> Running | None:
    known = [one for one in all_ if one is not None]
    columns = zip(*(vars(one).values() for one in known), strict=True)
    return Running(*(sum(column) for column in columns)) if len(known) == len(all_) else None


def add(all_: Iterable[Sums]) -> Sums:
    """The sums of each field, added in the order of `all_`."""
    columns = zip(*(vars(one).values() for one in all_), strict=True)
    return Sums(*(sum(column) for column in columns))


# Schemes that provision


def measure(
    name: str,
    kind: Kind,
    demand: Demand,
    load: Load,
    course: Course,
    rates: Rates,
    *,
    bounds: tuple[Bound, ...] = (),
    running: Running | None = None,
    settings: Settings | None = None,
    keep: bool = False,
) -> Outcome:
    """The outcome of a scheme that provisions. `keep` keeps its course minute by minute."""
    ups = [sum(move.ups[axis] for move in course.moves) for axis in (0, 1)]
    downs = [sum(move.downs[axis] for move in course.moves) for axis in (0, 1)]
    axes = []
    for axis in (0, 1):
        steps = [(since, units[axis]) for since, units in course.steps]
        average, maximum = unit_hours(steps, demand.start, demand.end)
        rate = rates.unit_hours[axis]
        throttled = course.throttled[axis]
        axes.append(
            Sums(
                **_of_axis(axis, average),
                dollars=average * rate,
                dollars_hour_maximum=maximum * rate,
                demand_units=60 * sum(load.demand[axis]),
                consumed_units=sum(course.consumed[axis]),
                used_units=sum(course.consumed[axis]),
                provisioned_units=average * 3600,
                throttled_units=sum(units for units in throttled if units > _NOISE),
                throttled_minutes=sum(units > _NOISE for units in throttled),
                increases=ups[axis],
                decreases=downs[axis],
            )
        )
    counts = Sums(
        increases=sum(any(move.ups) for move in course.moves) - sum(ups),
        decreases=sum(any(move.downs) for move in course.moves) - sum(downs),
        refused=course.refused,
    )
    reads, writes = axes
    moves = tuple(course.moves) if kind == "configuration" else ()
    total, kept = add([reads, writes, counts]), course if keep else None
    return Outcome(name, kind, total, (reads, writes), bounds, moves, kept, running, settings)


def _of_axis(axis: int, hours: float) -> dict[str, Any]:
    return {("read_unit_hours", "write_unit_hours")[axis]: hours}


def unit_hours(steps: Sequence[tuple[datetime, int]], start: datetime, end: datetime) -> tuple[float, float]:
    """Unit hours by the average of each clock hour, and by its highest value, for which a started hour counts whole."""
    seconds, highest = 0.0, dict[int, int]()
    for number, (since, units) in enumerate(steps):
        begin = max(since, start)
        until = min(steps[number + 1][0] if number + 1 < len(steps) else end, end)
        if begin < until:
            seconds += units * (until - begin).total_seconds()
            for hour in range(int(begin.timestamp() // 3600), math.ceil(until.timestamp() / 3600)):
                highest[hour] = max(units, highest.get(hour, 0))
    return seconds / 3600, float(sum(highest.values()))


def bounds(course: Course, demand: Demand, held: Sequence[tuple[datetime, Limits]]) -> tuple[Bound, ...]:
    """How much of the time each axis was at its minimum or maximum. `held` has the limits, each with its beginning."""
    whole = (demand.end - demand.start).total_seconds()
    found: dict[tuple[int, bool, int], float] = {}  # seconds by axis, whether it is a maximum, and units
    for seconds, units, limits in _together(course.steps, held, demand.end):
        for axis, (least, most) in enumerate(limits):
            for maximum, limit in ((False, least), (True, most)):
                if limit is not None and units[axis] == limit:
                    found[axis, maximum, limit] = found.get((axis, maximum, limit), 0.0) + seconds
    return tuple(
        Bound(AXES[axis], _words(units, maximum=maximum), 100 * seconds / whole)
        for (axis, maximum, units), seconds in sorted(found.items())
    )


def _words(units: int, *, maximum: bool) -> str:
    if maximum:
        return f"maximum of {units:,}"
    return f"minimum of {units:,}" if units > 1 else "1, the lowest possible"


def _together(
    steps: Sequence[tuple[datetime, Throughput]], held: Sequence[tuple[datetime, Limits]], end: datetime
) -> Iterator[tuple[float, Throughput, Limits]]:
    """The capacity and the limits of each part of the time, with its seconds."""
    edges = sorted({since for since, _ in (*steps, *held) if since < end})
    for since, until in itertools.pairwise([*edges, end]):
        yield (until - since).total_seconds(), _at(steps, since), _at(held, since)


def _at(series: Sequence[tuple[datetime, T]], moment: datetime) -> T:
    """The value that holds at this moment, in a series of (beginning, value)."""
    return series[bisect_right(series, moment, key=itemgetter(0)) - 1][1]


# Schemes that do not provision, or are only a bound


def on_demand(load: Load, served: Pair, rates: Rates) -> Outcome:
    """All demand that capacity can serve, paid per request unit."""
    axes = []
    for axis in (0, 1):
        units = sum(served[axis])
        dollars = units * rates.units[axis]
        axes.append(
            Sums(
                dollars=dollars,
                dollars_hour_maximum=dollars,
                demand_units=60 * sum(load.demand[axis]),
                consumed_units=units,
                **_hot(load, axis),
            )
        )
    return Outcome("on demand", "on-demand", add(axes), (axes[0], axes[1]), running=Running())


def least(load: Load, both: tuple[Least, Least], rates: Rates) -> Outcome:
    """The cheapest capacity that serves everything."""
    axes = []
    for axis in (0, 1):
        one, rate = both[axis], rates.unit_hours[axis]
        axes.append(
            Sums(
                **_of_axis(axis, one.unit_hours),
                dollars=one.unit_hours * rate,
                dollars_hour_maximum=one.by_hour_maximum * rate,
                demand_units=60 * sum(load.demand[axis]),
                consumed_units=60 * sum(load.servable(axis)),
                used_units=60 * sum(load.servable(axis)),
                provisioned_units=one.unit_hours * 3600,
                increases=one.increases,
                decreases=one.decreases,
                **_hot(load, axis),
            )
        )
    return Outcome("the least", "least", add(axes), (axes[0], axes[1]))


def _hot(load: Load, axis: int) -> dict[str, Any]:
    """Demand that no capacity can serve is throttled under any scheme."""
    if load.hot is None:
        return {}
    hot = load.hot[axis]
    return {"throttled_units": 60 * sum(hot), "throttled_minutes": sum(units > _NOISE for units in hot)}


def recorded(demand: Demand, load: Load, rates: Rates) -> Outcome | None:
    """The real capacity and costs of the table or index, or None if they are not known."""
    if load.recorded is None:
        return None
    if load.on_demand:
        consumed = [_difference(load, axis) for axis in (0, 1)]
        paid = on_demand(load, (consumed[0], consumed[1]), rates)
        axes = [_throttled(load, axis, one) for axis, one in enumerate(paid.axes or ())]
        return Outcome("as recorded", "recorded", add(axes), (axes[0], axes[1]))
    steps = _steps(load, demand)
    moves = [Move(since, before, after) for (_, before), (since, after) in itertools.pairwise(steps)]
    throttled = [array("d", (60 * value for value in one)) for one in load.recorded.throttled]
    course = Course(steps, (_difference(load, 0), _difference(load, 1)), (throttled[0], throttled[1]), moves)
    return measure("as recorded", "recorded", demand, load, course, rates)


def _difference(load: Load, axis: int) -> Minutes:
    """Units that were really consumed in each minute."""
    pairs = zip(load.demand[axis], load.recorded.throttled[axis], strict=True) if load.recorded else ()
    return array("d", (60 * max(0.0, all_ - lost) for all_, lost in pairs))


def _throttled(load: Load, axis: int, paid: Sums) -> Sums:
    lost = [value for value in (load.recorded.throttled[axis] if load.recorded else ()) if value > 0]
    return Sums(**{**vars(paid), "throttled_units": 60 * sum(lost), "throttled_minutes": len(lost)})


def _steps(load: Load, demand: Demand) -> list[tuple[datetime, Throughput]]:
    """The real capacities with their beginnings. An unknown minute has the value before it, or the first known one."""
    known: list[float] = []
    steps: list[tuple[datetime, Throughput]] = []
    pair = load.recorded.provisioned if load.recorded else ((), ())
    present = [next((value for value in series if value > 0), 1.0) for series in pair]
    for minute, units in enumerate(zip(*pair, strict=True)):
        known = [value if value > 0 else before for value, before in zip(units, present, strict=True)]
        if not steps or known != present:
            steps.append((demand.start + minute * MINUTE, Throughput(round(known[0]), round(known[1]))))
        present = known
    return steps
