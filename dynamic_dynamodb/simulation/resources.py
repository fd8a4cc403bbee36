"""Tables and their indexes. Capacity is what both have: throughput."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from dynamic_dynamodb.decisions.model import Axis, Target, Throughput
from dynamic_dynamodb.simulation.decreases import Decreases
from dynamic_dynamodb.simulation.ledger import Ledger
from dynamic_dynamodb.simulation.timeline import Timeline

ACTIVE, UPDATING = "ACTIVE", "UPDATING"


class Capacity:
    """The throughput of one table or index: its history, its status, its decreases.

    `backfilling` is the field that DescribeTable shows for an index that is being built; None leaves it out.
    """

    def __init__(self, target: Target, units: Throughput | None, status: str, since: datetime) -> None:
        self.target = target
        self.since = since
        self.units: Timeline[Throughput | None] = Timeline(units)  # None: on demand
        self.last_increase: datetime | None = None
        self.backfilling: bool | None = None
        self.highest = units or Throughput(0, 0)  # the most that each axis ever had
        self.ledgers: dict[Axis, Ledger] = {}
        self.decreases = Decreases()
        self._status = status
        self._busy_until: datetime | None = None

    def __str__(self) -> str:
        """As AWS names it in error messages."""
        return "table" if self.target.index is None else f"index {self.target.index}"

    def status(self, now: datetime) -> str:
        if self._status == ACTIVE and self._busy_until is not None and now < self._busy_until:
            return UPDATING
        return self._status

    def set_status(self, status: str, now: datetime) -> None:
        """Set a status that remains until it is set again. ACTIVE also finishes an update at once."""
        if status == ACTIVE and self._busy_until is not None and now < self._busy_until:
            self.units.set(now, self.units.at(self._busy_until))
            self._busy_until = None
        self._status = status

    def busy(self, until: datetime) -> None:
        self._busy_until = until

    def provisioned(self, now: datetime) -> Throughput:
        """The capacity that DescribeTable shows: 0 and 0 on demand."""
        return self.units.at(now) or Throughput(0, 0)

    def update(self, units: Throughput, now: datetime, ready: datetime) -> None:
        """Accept an update now that takes effect at `ready`."""
        old = self.provisioned(now)
        if any(new > present for new, present in zip(units, old, strict=True)):
            self.last_increase = now
        if self.decreased_by(units, now):
            self.decreases.note(now)
        self.units.set(ready, units)
        self.highest = Throughput(*map(max, self.highest, units))
        self.busy(ready)

    def had(self, units: Throughput) -> bool:
        """Whether each axis has had at least this capacity before."""
        return all(new <= most for new, most in zip(units, self.highest, strict=True))

    def decreased_by(self, units: Throughput, now: datetime) -> bool:
        return any(new < present for new, present in zip(units, self.provisioned(now), strict=True))


class Table:
    """One table with its indexes. `on_demand_since` remains when a table is switched back to provisioned throughput."""

    def __init__(self, own: Capacity, created: datetime, number: int, replicas: tuple[str, ...]) -> None:
        self.own = own
        self.created = created
        self.id = str(UUID(int=number))  # its number among all tables ever created
        self.replicas = replicas
        self.on_demand = False
        self.on_demand_since: datetime | None = None
        self.indexes: dict[str, Capacity] = {}

    @property
    def name(self) -> str:
        return self.own.target.table

    def capacities(self) -> Iterator[Capacity]:
        """The capacity of the table, then those of its indexes."""
        yield self.own
        yield from self.indexes.values()

    def capacity(self, index: str | None) -> Capacity | None:
        return self.own if index is None else self.indexes.get(index)
