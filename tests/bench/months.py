"""Months of checks in the model and under its virtual clock, with all that befalls them: `months.py DAYS SEED REFRESH`.

Tables and indexes come, go, are switched on demand and back and provisioned by hand, loads change, calls fail, answers
are spoilt, and the configuration is read again. After each check it is looked whether what is promised was kept; what
was not ends the program, with the seed. REFRESH is the refresh-interval: what happened since so many seconds may be
known late. Prints JSON: what was done and how much memory it took.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from memory import growth
from weather import ALL, SLOW, Churn, Faults

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.loop import attempt
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.decisions.model import AXES, Axis, Target, Throughput
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.resources import ACTIVE, Capacity
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.timeline import Timeline
from dynamic_dynamodb.simulation.world import World

INTERVAL = 300  # seconds
CHECKS_A_DAY = 86_400 // INTERVAL
_LOOKBACK = 5  # minutes
_MOST_UNITS = 2500
_RELOAD = 0.02  # a check
_WEIGHED = 20  # every so many checks


class BrokenPromiseError(Exception):
    """What the soak is there to find."""


@dataclass(frozen=True)
class Settings:
    """What a configuration says that the promises depend on."""

    upper: int  # threshold, percent
    text: str


def settings(number: int, dice: random.Random, refresh: int) -> Settings:
    """Another configuration each time, and one section with an expression that was never there before."""
    upper = dice.choice((80, 90))
    windows = "maintenance-windows: 01:00-05:00, 22:30-23:30\nscale-up-outside-maintenance-windows: true\n"
    shared = "".join(
        f"{axis}-upper-threshold: {upper}\n{axis}-lower-threshold: {dice.choice((30, 50))}\n"
        f"decrease-{axis}-with: {dice.choice((20, 60))}\nmax-provisioned-{axis}: {_MOST_UNITS}\n"
        f"throttled-{axis}-upper-threshold: {dice.choice((0, 100))}\n{axis}-upper-alarm-threshold: 95\n"
        f"num-{axis[:-1]}-checks-before-scale-down: {dice.randint(1, 4)}\n"
        f"allow-scaling-down-{axis}-on-0-percent: {dice.choice(('true', 'false'))}\n"
        for axis in AXES
    )
    sections = [
        f"[table: ^web-]\n{dice.choice(('', windows))}[gsi: ^by- table: ^web-]\n[gsi: ^never-{number} table: ^web-]\n",
        f"[table: ^job-]\nalways-decrease-rw-together: {dice.choice(('true', 'false'))}\n",
        f"[table: ^never-{number}-]\n",
        f"[table: ^(?:web|job)-\\d*{number % 10}$]\n",
    ]
    first, *others = sections if dice.random() < 0.5 else (sections[1], sections[0], *sections[2:])
    return Settings(
        upper,
        f"[global]\nrefresh-interval: {refresh}\n"
        f"[default_options]\nlookback-window-start: {_LOOKBACK}\nlookback-period: {_LOOKBACK}\n{shared}"
        "sns-topic-arn: arn:aws:sns:us-east-1:123456789012:scaling\n"
        "sns-message-types: scale-up, scale-down, high-throughput-alarm\n" + "".join([first, *others]),
    )


def matched(target: Target) -> bool:
    """Whether every configuration has a section for it."""
    kind = target.table.partition("-")[0]
    return kind in {"web", "job"} if target.index is None else kind == "web" and target.index.startswith("by-")


class Tap:
    """A client of the model's whose answers pass through faults."""

    def __init__(self, client: Any, faults: Faults, seen: Callable[[Mapping[str, Any], RefusedError], object]):
        self._client = client
        self._faults = faults
        self._seen = seen

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(word.title() for word in method.split("_"))

        def call(**arguments: Any) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = getattr(self._client, method)(**arguments)
            except RefusedError as refusal:
                self._seen(arguments, refusal)
                raise
            return self._faults.after(operation, arguments, answer)

        return call


class Surprises(logging.Handler):
    """Puts every line of the log together, as any log does, and keeps those that report an unexpected error."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info or "unexpected error" in text:
            self.lines.append(logging.Formatter().format(record))


class Months:
    """All of it. `done` counts what was done."""

    def __init__(self, seed: int, folder: Path, refresh: int) -> None:
        self._refresh = refresh
        self._spoilt_at: dict[str, datetime] = {}  # by what Faults.touched has: when it was touched last
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._path = folder / "soak.conf"
        self._world = World(rules=Rules(retention=3600, update_seconds=45))
        self._churn = Churn(self._world, self._dice)
        self._faults = Faults(self._world, self._dice, self._churn)
        self._world.fault = self._before
        self._clients = Clients(
            Tap(self._world.dynamodb, self._faults, self._refused),
            Tap(self._world.cloudwatch, self._faults, self._refused),
            Tap(self._world.sns, self._faults, self._refused),
        )
        self._surprises = Surprises()
        self._measured: set[Target] = set()
        self._needs: list[tuple[Capacity, Axis, int]] = []
        self._changeable: list[Capacity] = []
        self._refusals: Counter[tuple[Capacity, datetime | None]] = Counter()  # of decreases, in this hour
        self._broken: list[str] = []
        self.checks = 0
        self.done: Counter[str] = Counter()
        self.remembered: list[int] = []  # every _WEIGHED checks
        self.history = 0  # the most values of the model's timelines
        self.decreases = 0  # the most of one target in one UTC day
        self._settings = settings(0, self._dice, refresh)
        merged = self._load()
        logs.set_up(merged["logging"], dry_run=False, console=False)
        logging.getLogger(logs.NAME).addHandler(self._surprises)
        self._scaler = Scaler(merged, self._clients, Workers(threads=1), self._world.clock)

    def run(self, count: int) -> None:
        """Raises BrokenPromiseError."""
        for _ in range(count):
            self.checks += 1
            self._world.advance(INTERVAL)
            self._churn.befall()
            self._faults.next_check()
            if self._dice.random() < _RELOAD:
                self.done["reloads"] += 1
                self._settings = settings(self.done["reloads"], self._dice, self._refresh)
                self._scaler.reconfigure(self._load(), self._clients)
            self._check()

    def outcome(self) -> dict[str, Any]:
        tenth = max(1, len(self.remembered) // 10)
        return {
            "checks": self.checks,
            **self.done,
            "events": self._churn.events,
            "faults": self._faults.made,
            "remembered first": max(self.remembered[:tenth]),
            "remembered last": max(self.remembered[-tenth:]),
            "most decreases": self.decreases,
            "longest history": self.history,
        }

    def _load(self) -> dict[str, Any]:
        self._path.write_text(self._settings.text, "utf-8")
        return loader.load({"config": str(self._path)}, []).config

    # One check

    def _check(self) -> None:
        self._changeable = [capacity for capacity in self._live() if self._may_be_changed(capacity)]
        self._needs = [need for capacity in self._changeable for need in self._needs_of(capacity)]
        self._measured.clear()
        handled = attempt(self._scaler).handled
        self._spoilt_at |= dict.fromkeys(self._faults.touched, self._world.now)
        self._handled(handled)
        self._nothing_unforeseen()
        self._none_forgotten()
        self._no_increase_lost()
        self._decreases_in_their_limits()
        self._nothing_kept()
        if self._broken:
            when = f"check {self.checks}, {self._world.now:%d %B %H:%M}"
            raise BrokenPromiseError("\n".join([when, *self._broken, self._settings.text]))
        self._weigh()

    def _live(self) -> list[Capacity]:
        """Of the tables and indexes that the configuration has a section for."""
        tables = self._world.tables.values()
        return [capacity for table in tables for capacity in table.capacities() if matched(capacity.target)]

    def _may_be_changed(self, capacity: Capacity) -> bool:
        table, now = self._world.tables[capacity.target.table], self._world.now
        return not table.on_demand and table.own.status(now) == capacity.status(now) == ACTIVE

    def _needs_of(self, capacity: Capacity) -> list[tuple[Capacity, Axis, int]]:
        """The axes of which more is consumed than the upper threshold, and how much they have."""
        replicas = self._world.tables[capacity.target.table].replicas
        return [
            (capacity, axis, units)
            for axis, units in zip(AXES, capacity.provisioned(self._world.now), strict=True)
            if not (replicas and axis == "writes")
            and units < _MOST_UNITS
            and self._rate(capacity.target, axis) * 100 > units * Fraction(self._settings.upper * 1001, 1000)
        ]

    def _rate(self, target: Target, axis: Axis) -> float:
        minutes = (self._world.now - timedelta(minutes=minute) for minute in range(1, _LOOKBACK + 1))
        return sum(self._world.served(target, axis, minute).consumed for minute in minutes) / (60 * _LOOKBACK)

    # What is seen of the calls

    def _before(self, operation: str, arguments: Mapping[str, Any]) -> Exception | None:
        if operation == "GetMetricData":
            self._measured |= {_target(q["MetricStat"]["Metric"]["Dimensions"]) for q in arguments["MetricDataQueries"]}
        if operation == "GetMetricStatistics":
            self._measured.add(_target(arguments["Dimensions"]))
        self.done["calls"] += 1
        return self._faults.before(operation, arguments)

    def _refused(self, arguments: Mapping[str, Any], refusal: RefusedError) -> None:
        name = arguments.get("TableName", "")
        if type(refusal) is not RefusedError or self._excuses(name):
            return
        if "decreases are limited" not in str(refusal):
            self._broken.append(f"{arguments}: {refusal}")
            return
        table, now, rules = self._world.tables[name], self._world.now, self._world.rules
        for index, wanted in _wanted(arguments).items():
            capacity = table.capacity(index)
            if capacity and capacity.decreased_by(wanted, now) and capacity.decreases.next(now, rules) > now:
                self.done["decreases refused"] += 1
                self._refusals[capacity, table.on_demand_since] += 1

    # What is promised

    def _nothing_unforeseen(self) -> None:
        self._broken += self._surprises.lines

    def _none_forgotten(self) -> None:
        """All that may be changed is measured in each check that can tell that it is there."""
        if not self._excuses(ALL):
            forgotten = {
                capacity.target for capacity in self._changeable if not self._excused(capacity)
            } - self._measured
            self._broken += [f"{target} was not measured" for target in forgotten]

    def _no_increase_lost(self) -> None:
        """What needs more has more at once, unless a call about it failed in this very check."""
        later = self._world.now + timedelta(seconds=2 * SLOW)
        for capacity, axis, units in self._needs:
            if not self._excused(capacity):
                self.done["increases needed"] += 1
                if getattr(capacity.provisioned(later), axis) <= units:
                    self._broken.append(f"{capacity.target} was not given more {axis} than {units}")

    def _decreases_in_their_limits(self) -> None:
        """One that was refused is asked for again in the next hour; and what was accepted the model has counted."""
        if not self._world.now.minute:
            self._refusals.clear()
        for key, times in list(self._refusals.items()):
            if self._excused(key[0]):  # what was remembered of it may be lost
                del self._refusals[key]
            elif times > 1:
                self._broken.append(f"{key[0].target}: a decrease that has run out was asked for again within the hour")
        today = (capacity.decreases.today(self._world.now) for capacity in self._live())
        self.decreases = max(self.decreases, *today, 0)

    def _nothing_kept(self) -> None:
        """No memory of what is gone."""
        known, live = len(self._scaler._state), len(self._live())
        if not self._faults.touched and known > live and not self._late(*self._churn.happened, *self._spoilt_at):
            self._broken.append(f"{known} tables and indexes are remembered, and there are {live}")

    def _handled(self, handled: bool) -> None:
        self.done["failed checks"] += not handled
        if not handled and not self._faults.touched and self._live():
            self._broken.append("a check without a fault failed")

    def _excused(self, capacity: Capacity) -> bool:
        return self._excuses(capacity.target.table)

    def _excuses(self, name: str) -> bool:
        """Whether a call about this table, or about all of them, failed in this check, or what is known may be old."""
        return self._faults.excuses(name) or self._late(name, ALL)

    def _late(self, *names: str) -> bool:
        """Whether something happened to one of these tables that a check need not know yet."""
        if self._refresh <= INTERVAL:
            return False
        since = self._world.now - timedelta(seconds=self._refresh + INTERVAL)
        happened = (when.get(name) for name in names for when in (self._churn.happened, self._spoilt_at))
        return any(moment is not None and moment > since for moment in happened)

    # Records

    def _weigh(self) -> None:
        self._world.updates.clear()  # the model's own, as are these
        self._world.refusals.clear()
        for when in (self._churn.happened, self._spoilt_at):
            for name in [name for name in when if not self._late(name)]:
                del when[name]
        self._world.messages.clear()
        if self.checks % _WEIGHED == 0:
            self.remembered.append(remembered(self._scaler))
            lines: list[Timeline[Any]] = [*self._world.loads.values(), *(capacity.units for capacity in self._live())]
            self.history = max(self.history, *(len(line) for line in lines))


def remembered(root: object) -> int:
    """How many things an object and what belongs to it keep in collections, whatever those are called."""
    seen: set[int] = set()
    left, count = [root], 0
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            count += len(one)
            left += one.values()
        elif isinstance(one, (list, set, frozenset, tuple)):
            count += len(one)
            left += one
        elif type(one).__module__.startswith("dynamic_dynamodb.") and hasattr(one, "__dict__"):
            left += vars(one).values()
    return count


def _target(dimensions: Iterable[Mapping[str, str]]) -> Target:
    names = {dimension["Name"]: dimension["Value"] for dimension in dimensions}
    return Target(names["TableName"], names.get("GlobalSecondaryIndexName"))


def _wanted(arguments: Mapping[str, Any]) -> dict[str | None, Throughput]:
    """What an UpdateTable asks for, of the table (None) and of indexes."""
    updates = [entry["Update"] for entry in arguments.get("GlobalSecondaryIndexUpdates", ())]
    found = {update["IndexName"]: update["ProvisionedThroughput"] for update in updates}
    if "ProvisionedThroughput" in arguments:
        found[None] = arguments["ProvisionedThroughput"]
    return {
        index: Throughput(units["ReadCapacityUnits"], units["WriteCapacityUnits"]) for index, units in found.items()
    }


def main(days: float, seed: int, refresh: int = INTERVAL) -> dict[str, Any]:
    """Raises SystemExit where a promise was broken."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        months = Months(seed, Path(folder), refresh)
        try:
            grown = growth(months.run, round(days * CHECKS_A_DAY))
        except BrokenPromiseError as broken:
            raise SystemExit(f"months.py {days} {seed} {refresh}: {broken}") from broken
    return {**months.outcome(), **grown, "seconds": time.perf_counter() - begun}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(float(sys.argv[1]), *map(int, sys.argv[2:]))) + "\n")
