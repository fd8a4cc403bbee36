"""Scripts of checks: the loop against the model of AWS under its virtual clock, step by step.

A [Scene][] is a model, a configuration read from the text of an INI file, and
the loop. A [Step][] says in literals what happens before one check and what
must come of it. Tables are written `orders`, their indexes `orders/by-date`,
units as (reads, writes).
"""

from __future__ import annotations

import logging
import math
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.checks.backfill import Backfill
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.decisions.model import AXES, Axis, Target
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.ledger import Served
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

Units = tuple[int, int]
Refusals = Mapping[str, "str | Exception"]

TOPIC = "arn:aws:sns:us-east-1:123456789012:scaling"

# Each check looks at the minutes since the check before it.
LOOKBACK = "[default_options]\nlookback-window-start: 5\nlookback-period: 5\n"

# One pool for all scenes: two threads, so that things do happen side by side.
WORKERS = Workers(threads=2)


def target(name: str) -> Target:
    """`orders` or `orders/by-date`."""
    table, _, index = name.partition("/")
    return Target(table, index or None)


def name_of(one: Target) -> str:
    return one.table if one.index is None else f"{one.table}/{one.index}"


def configuration(text: str) -> dict[str, Any]:
    """The config dict of a file with this text, after `LOOKBACK` unless it has defaults of its own."""
    text = textwrap.dedent(text)
    if "[default_options]" not in text:
        text = LOOKBACK + text
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scaler.conf")
        path.write_text(text, encoding="utf-8")
        return loader.load({"config": str(path)}).config


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    level: int
    text: str


@dataclass(frozen=True)
class Seen:
    """What came of one check."""

    ok: bool
    sent: list[dict[str, Units]]  # each UpdateTable, refused ones too, by table and then in order
    told: list[str]  # each message that SNS took: topic | subject | text
    lines: list[Line]

    def texts(self, lowest: int = logging.INFO, highest: int = logging.CRITICAL) -> list[str]:
        return [line.text for line in self.lines if lowest <= line.level <= highest]


@dataclass(frozen=True)
class Step:
    """One check: what happens before it, and what must come of it."""

    minutes: float = 5  # since the check before
    at: str | None = None  # or the time of the day at which it is made, HH:MM or HH:MM:SS, UTC
    load: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # a second, since the check before
    do: Callable[[World], object] | None = None  # just before the check
    refuses: Refusals = field(default_factory=dict)  # "UpdateTable orders" -> "Code: message", or an exception

    ok: bool = True
    sent: Sequence[Mapping[str, Units]] = ()  # each UpdateTable, and no other
    has: Mapping[str, Units] = field(default_factory=dict)  # provisioned, once updates are through
    streaks: Mapping[str, Units] = field(default_factory=dict)
    says: Sequence[str] = ()  # in lines at info
    warns: Sequence[str] = ()  # in a line each at warning or above, and there is no other
    whispers: Sequence[str] = ()  # in lines at debug
    unsaid: Sequence[str] = ()  # in no line at info or above
    told: Sequence[str] = ()  # in a message each, and there is no other


class Scene:
    """A model, the loop, and what they say to each other."""

    def __init__(
        self,
        text: str,
        tables: Mapping[str, Units],
        *,
        start: datetime = START,
        rules: Rules | None = None,
        dry_run: bool = False,
        lookout: bool = False,
        workers: Workers = WORKERS,
        backfill: Backfill | None = None,
    ) -> None:
        self.world = World(start, rules=rules or Rules(capped=False))
        self.refuses: Refusals = {}
        self.on_call: Callable[[str, Mapping[str, Any]], object] = lambda *_: None
        self._calls: list[Mapping[str, Any]] = []
        self.world.fault = self._fault
        for name, units in tables.items():
            self.add(name, units)
        clients = Clients(self.world.dynamodb, self.world.cloudwatch, self.world.sns)
        self.scaler = Scaler(
            configuration(text),
            clients,
            workers,
            self.world.clock,
            dry_run=dry_run,
            lookout=lookout,
            backfill=backfill,
        )

    def add(self, name: str, units: Units) -> None:
        """A table, or an index of a table that is there."""
        one = target(name)
        if one.index is None:
            self.world.add_table(one.table, *units)
        else:
            self.world.add_index(one.table, one.index, *units)

    def reload(self, text: str) -> None:
        """Another configuration, as SIGHUP brings it."""
        self.scaler.reconfigure(configuration(text), self.scaler._clients)

    def load(self, name: str, reads: float, writes: float) -> None:
        """What is asked for a second, from now on; the first time: ever."""
        for axis, demand in zip(AXES, (reads, writes), strict=True):
            self.world.set_load(target(name), axis, demand)

    def provisioned(self, name: str) -> Units:
        """Once all updates are through."""
        found = self.world.find(target(name))
        assert found is not None, name
        units = found.provisioned(self.world.now + timedelta(hours=1))
        return units.reads, units.writes

    def streaks(self, name: str) -> Units:
        streaks = self.scaler._state.memory(target(name)).streaks
        return streaks["reads"], streaks["writes"]

    def check(self) -> Seen:
        """One check, now."""
        self.begin()
        before = len(self.world.messages)
        with captured() as lines:
            ok = self.scaler.check()
        told = [f"{topic.rpartition(':')[2]} | {subject} | {text}" for topic, subject, text in self.world.messages]
        return Seen(ok, self.sent(), told[before:], lines)

    def begin(self) -> None:
        """Forget what was sent."""
        self._calls.clear()

    def sent(self) -> list[dict[str, Units]]:
        """The UpdateTable calls since the last check, or `begin`."""
        calls = sorted(self._calls, key=lambda call: str(call["TableName"]))  # stable: a table's stay in order
        return [wanted(call) for call in calls]

    def _fault(self, operation: str, arguments: Mapping[str, Any]) -> Exception | None:
        if operation == "UpdateTable":
            self._calls.append(arguments)
        self.on_call(operation, arguments)
        subject = arguments.get("TableName") or str(arguments.get("TopicArn")).rpartition(":")[2]
        refusal = self.refuses.get(f"{operation} {subject}") or self.refuses.get(operation)
        if isinstance(refusal, str):
            code, _, message = refusal.partition(": ")
            return RefusedError(code, message)
        return refusal

    # Steps

    def play(self, *steps: Step) -> None:
        for number, step in enumerate(steps, 1):
            self._set(step)
            seen = self.check()
            found = {
                "ok": seen.ok,
                "sent": seen.sent,
                "has": {name: self.provisioned(name) for name in step.has},
                "streaks": {name: self.streaks(name) for name in step.streaks},
                "warns": _unlike(step.warns, seen.texts(logging.WARNING)),
                "told": _unlike(step.told, seen.told),
                "says": _missing(step.says, seen.texts(logging.INFO, logging.INFO)),
                "whispers": _missing(step.whispers, seen.texts(logging.DEBUG, logging.DEBUG)),
                "unsaid": [text for part in step.unsaid for text in seen.texts() if part in text],
            }
            wanted = {
                "ok": step.ok,
                "sent": [dict(call) for call in step.sent],
                "has": step.has,
                "streaks": step.streaks,
                **{part: [] for part in ("warns", "told", "says", "whispers", "unsaid")},
            }
            assert found == wanted, f"step {number} at {self.world.now:%H:%M}:\n" + "\n".join(seen.texts(logging.DEBUG))

    def _set(self, step: Step) -> None:
        for name, (reads, writes) in step.load.items():
            self.load(name, reads, writes)
        self.world.advance(60 * step.minutes if step.at is None else self._seconds_until(step.at))
        if step.do is not None:
            step.do(self.world)
        self.refuses = step.refuses

    def _seconds_until(self, at: str) -> float:
        hour, minute, second = (int(part) for part in f"{at}:00".split(":")[:3])
        moment = self.world.now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        if moment < self.world.now:
            moment += timedelta(days=1)
        return (moment - self.world.now).total_seconds()


@contextmanager
def captured() -> Iterator[list[Line]]:
    """The lines that the program logs meanwhile, debug ones too."""
    logger, lines = logging.getLogger("dynamic-dynamodb"), []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(Line(record.levelno, record.getMessage()))

    catch, level = Catch(), logger.level
    logger.addHandler(catch)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.removeHandler(catch)
        logger.setLevel(level)


def wanted(call: Mapping[str, Any]) -> dict[str, Units]:
    """What one UpdateTable asks for."""
    found = {call["TableName"]: call["ProvisionedThroughput"]} if "ProvisionedThroughput" in call else {}
    for entry in call.get("GlobalSecondaryIndexUpdates", ()):
        update = entry["Update"]
        found[f"{call['TableName']}/{update['IndexName']}"] = update["ProvisionedThroughput"]
    return {name: (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) for name, units in found.items()}


def _missing(parts: Sequence[str], texts: Sequence[str]) -> list[str]:
    return [f"missing: {part}" for part in parts if not any(part in text for text in texts)]


def _unlike(parts: Sequence[str], texts: Sequence[str]) -> list[str]:
    """What keeps parts and texts from matching one to one."""
    left, missing = list(texts), []
    for part in parts:
        match = next((text for text in left if part in text), None)
        if match is None:
            missing.append(f"missing: {part}")
        else:
            left.remove(match)
    return missing + [f"not expected: {text}" for text in left]


# One day


@dataclass(frozen=True)
class DayCheck:
    """One of the day's checks: what it sent, and what holds once that is through."""

    at: datetime
    seen: Seen
    provisioned: Mapping[str, Units]


@dataclass
class Day:
    """What became of a simulated day."""

    limits: Mapping[str, Units]  # min and max of both axes
    checks: list[DayCheck] = field(default_factory=list)
    ups: int = 0  # axes
    downs: int = 0
    updates_sent: int = 0
    updates_accepted: int = 0
    unit_hours: float = 0
    consumed: tuple[float, float] = (0, 0)  # unit hours of reads and writes
    throttled_share: float = 0  # of what was asked for
    decreases: dict[str, int] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        return [text for check in self.checks if not check.seen.ok for text in check.seen.texts(logging.WARNING)]

    @property
    def alarms(self) -> list[str]:
        return [text for check in self.checks for text in check.seen.told if "alarm" in text]

    @property
    def refusals(self) -> int:
        return sum("refused by DynamoDB" in text for check in self.checks for text in _first_lines(check))

    @property
    def static_unit_hours(self) -> float:
        """What the highest provisioning of the day would have been, all day."""
        return 24.0 * sum(
            max(check.provisioned[name][axis] for check in self.checks) for name in self.limits for axis in (0, 1)
        )

    def transcript(self) -> list[str]:
        """Every line at info or above of the checks that changed, refused or alarmed something."""
        return [
            f"{check.at:%H:%M} {text}"
            for check in self.checks
            if check.seen.sent or check.seen.texts(logging.WARNING)
            for text in check.seen.texts()
        ]

    def summary(self) -> list[str]:
        saved = 100 - 100 * self.unit_hours / self.static_unit_hours
        return [
            f"checks                {len(self.checks)}",
            f"UpdateTable           {self.updates_sent}: {self.updates_accepted} accepted, {self.refusals} refused",
            f"axes                  {self.ups} up, {self.downs} down",
            f"decreases             {', '.join(f'{name} {count}' for name, count in self.decreases.items())}",
            f"alarms                {len(self.alarms)}",
            f"throttled             {100 * self.throttled_share:.2f} % of what was asked for",
            f"unit hours            {self.unit_hours:.0f}, {saved:.0f} % below the day's peak provisioned all day",
        ]


def _first_lines(check: DayCheck) -> list[str]:
    """One line for each refused call, though it may have refused several resources."""
    tables: dict[str, str] = {}
    for text in check.seen.texts(logging.WARNING):
        if "refused by DynamoDB" in text:
            tables.setdefault(text.split(" - ")[0], text)
    return list(tables.values())


_DAY = f"""
[default_options]
lookback-window-start: 5
lookback-period: 5
reads-lower-threshold: 50
writes-lower-threshold: 50
decrease-reads-with: 20
decrease-writes-with: 20
throttled-reads-upper-threshold: 50
throttled-writes-upper-threshold: 50
num-read-checks-before-scale-down: 2
num-write-checks-before-scale-down: 2
reads-upper-alarm-threshold: 95
sns-topic-arn: {TOPIC}
sns-message-types: scale-up, scale-down, high-throughput-alarm
min-provisioned-reads: 10
min-provisioned-writes: 10
max-provisioned-reads: 2000
max-provisioned-writes: 2000
[table: ^orders$]
[gsi: ^by-date$ table: ^orders$]
[gsi: ^by-name$ table: ^orders$]
"""


def _shape(peak: float, noon: float, wobble: int) -> Callable[[datetime], float]:
    """Quiet at night, busy around one hour of the day, never quite steady."""

    def demand(minute: datetime) -> float:
        hour = minute.hour + minute.minute / 60
        distance = min(abs(hour - noon), 24 - abs(hour - noon))
        noise = 1 + ((minute.hour * 60 + minute.minute) * wobble % 17 - 8) / 100
        return peak * (0.08 + 0.92 * math.exp(-((distance / 4) ** 2))) * noise

    return demand


def simulate_day() -> Day:
    """288 checks over a table with two indexes, one of them with a late peak."""
    names = ("orders", "orders/by-date", "orders/by-name")
    scene = Scene(_DAY, dict.fromkeys(names, (100, 50)), rules=Rules())
    shapes = {
        "orders": (_shape(900, 13, 5), _shape(300, 14, 7)),
        "orders/by-date": (_shape(400, 19, 3), _shape(300, 14, 7)),
        "orders/by-name": (_shape(120, 9, 11), _shape(300, 14, 7)),
    }
    for name, axes in shapes.items():
        for axis, shape in zip(AXES, axes, strict=True):
            scene.world.set_load(target(name), axis, shape)
    day = Day(dict.fromkeys(names, (10, 2000)))
    for _ in range(288):
        scene.world.advance(300)
        before = {name: scene.provisioned(name) for name in names}
        accepted = len(scene.world.updates)
        seen = scene.check()
        after = {name: scene.provisioned(name) for name in names}
        day.checks.append(DayCheck(scene.world.now, seen, after))
        day.updates_sent += len(seen.sent)
        day.updates_accepted += len(scene.world.updates) - accepted
        day.unit_hours += sum(sum(units) for units in after.values()) / 12
        for name in names:
            pairs = list(zip(before[name], after[name], strict=True))
            day.ups += sum(then > now for now, then in pairs)
            day.downs += sum(then < now for now, then in pairs)
            day.decreases[name] = day.decreases.get(name, 0) + any(then < now for now, then in pairs)
    served = [_served(scene.world, names, axis) for axis in AXES]
    throttled = sum(axis.throttled for axis in served)
    day.consumed = served[0].consumed / 3600, served[1].consumed / 3600
    day.throttled_share = throttled / (throttled + sum(axis.consumed for axis in served))
    return day


def _served(world: World, names: Sequence[str], axis: Axis) -> Served:
    """What became of the load of the whole day."""
    minutes = [
        world.served(target(name), axis, START + timedelta(minutes=minute))
        for minute in range(24 * 60)
        for name in names
    ]
    return Served(sum(one.consumed for one in minutes), sum(one.throttled for one in minutes))


if __name__ == "__main__":
    simulated = simulate_day()
    sys.stdout.write("\n".join([*simulated.transcript(), "", *simulated.summary(), ""]))
