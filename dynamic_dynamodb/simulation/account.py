"""The state that the simulated services share: the clock, the tables, the load, and the record of all calls."""

from __future__ import annotations

import re
import threading
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from dynamic_dynamodb.decisions.model import Axis, Target
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.resources import ACTIVE, Capacity, Table
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.timeline import Timeline

# A Monday, so that weeks in a trace begin where the simulation begins.
START = datetime(2026, 1, 5, tzinfo=timezone.utc)

_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")

# Units per second: constant, or a function of the minute.
Demand = float | Callable[[datetime], float]

# Called before each call of a service: (operation, arguments) -> the exception to raise, or None.
Fault = Callable[[str, Mapping[str, Any]], Exception | None]


class Published(NamedTuple):
    """One message that SNS accepted."""

    topic: str
    subject: str | None
    message: str


def valid_name(name: str) -> bool:
    """Whether DynamoDB allows this as the name of a table or index."""
    return _NAME.fullmatch(name) is not None


class Account:
    """One account in one region. `lock` guards all of it: clients are called from many threads."""

    def __init__(self, start: datetime, clock: Callable[[], datetime] | None, rules: Rules) -> None:
        if start.utcoffset() != timedelta(0):
            raise ValueError(f"the start must be in UTC: {start}")
        self.lock = threading.RLock()
        self.rules = rules
        self.fault: Fault | None = None
        self.calls: Counter[str] = Counter()
        self.metrics_asked: Counter[Target | None] = Counter()  # metrics that CloudWatch charges for, per target
        self.updates: list[dict[str, Any]] = []
        self.refusals: list[tuple[datetime, Target]] = []  # decreases and quotas: the time, and the refused target
        self.messages: list[Published] = []
        self.topics: set[str] | None = None  # None: every topic exists
        self.metric_status: dict[Target, str] = {}
        self.metric_messages: list[dict[str, str]] = []
        self.tables: dict[str, Table] = {}
        self.names: list[str] = []  # of the tables, in order
        self.loads: dict[tuple[Target, Axis], Timeline[Demand]] = {}
        self.hot_keys: dict[tuple[Target, Axis], Timeline[Demand]] = {}
        self.literals: dict[tuple[Target, str], dict[datetime, float | None]] = {}
        self._now = start
        self._clock = clock
        self._ever = 0  # number of tables ever created
        self._changing: set[str] = set()  # tables that may be in a status other than ACTIVE

    # The clock

    @property
    def now(self) -> datetime:
        """The present moment, by the virtual clock or by the clock that the world was given."""
        return self._now if self._clock is None else self._clock()

    def advance(self, seconds: float) -> None:
        """Let virtual time pass. Raises RuntimeError if the world was given a clock."""
        if self._clock is not None:
            raise RuntimeError("this world runs on the clock that it was given")
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        with self.lock:
            self._now += timedelta(seconds=seconds)

    @property
    def horizon(self) -> datetime:
        """The oldest moment that is remembered."""
        return self.now - timedelta(seconds=self.rules.retention)

    # Calls

    @contextmanager
    def call(self, operation: str, arguments: Mapping[str, Any]) -> Iterator[datetime]:
        """One call of a service: counted, one at a time, at one moment. A fault is raised before any effect."""
        try:
            with self.lock:
                self.calls[operation] += 1
            error = self.fault(operation, arguments) if self.fault is not None else None
            if error is not None:
                raise error
            with self.lock:
                yield self.now
        except RefusedError as refusal:
            refusal.operation_name = operation
            raise

    # Tables

    def put_table(self, own: Capacity, replicas: tuple[str, ...]) -> Table:
        """Add a table. Raises ValueError if a table of that name exists."""
        name = own.target.table
        if name in self.tables:
            raise ValueError(f"table {name} exists already")
        self._ever += 1
        table = Table(own, self.now, self._ever, replicas)
        self.tables[name] = table
        insort(self.names, name)
        self.changing(table)
        return table

    def drop_table(self, name: str) -> None:
        del self.tables[name]
        self.names.remove(name)
        self._changing.discard(name)

    def find(self, target: Target) -> Capacity | None:
        table = self.tables.get(target.table)
        return None if table is None else table.capacity(target.index)

    def capacities(self) -> Iterator[Capacity]:
        """The capacities of all tables and indexes."""
        for table in self.tables.values():
            yield from table.capacities()

    def changing(self, table: Table) -> None:
        """Remember that this table may not be ACTIVE, so that `in_transition` need not look at all tables."""
        self._changing.add(table.name)

    def in_transition(self) -> int:
        """The number of tables that are being created, updated or deleted."""
        now = self.now
        self._changing = {name for name in self._changing if self.tables[name].own.status(now) != ACTIVE}
        statuses = (self.tables[name].own.status(now) for name in self._changing)
        return sum(status in {"CREATING", "UPDATING", "DELETING"} for status in statuses)
