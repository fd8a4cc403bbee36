"""One account of AWS in memory: its clients, its clock, and what a scenario can do to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Literal

from dynamic_dynamodb.decisions.model import AXES, Axis, Target, Throughput
from dynamic_dynamodb.simulation.account import START, Account, Demand, valid_name
from dynamic_dynamodb.simulation.cloudwatch import CloudWatch
from dynamic_dynamodb.simulation.dynamodb import DynamoDB
from dynamic_dynamodb.simulation.ledger import Ledger, Served
from dynamic_dynamodb.simulation.metrics import served, settle, whole_minute
from dynamic_dynamodb.simulation.resources import ACTIVE, Capacity, Table
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.sns import SNS
from dynamic_dynamodb.simulation.timeline import Timeline

BillingMode = Literal["PROVISIONED", "PAY_PER_REQUEST"]


class World(Account):
    """The services as AWS's clients see them, and as a scenario makes them.

    Time is virtual and stands still but for `advance` and `sleep`; with
    `clock`, a callable that gives an aware UTC datetime, it is the caller's.
    The methods here break the rules of DynamoDB freely: only calls through
    the clients are held to them. Unknown tables and indexes raise KeyError,
    impossible values ValueError.
    """

    def __init__(
        self, start: datetime = START, *, clock: Callable[[], datetime] | None = None, rules: Rules | None = None
    ) -> None:
        super().__init__(start, clock, rules or Rules())
        self.dynamodb = DynamoDB(self)
        self.cloudwatch = CloudWatch(self)
        self.sns = SNS(self)

    # The clock, as the loop wants it

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    # Tables and indexes

    def add_table(
        self,
        name: str,
        reads: int = 1,
        writes: int = 1,
        *,
        indexes: Mapping[str, tuple[int, int]] | None = None,
        billing_mode: BillingMode = "PROVISIONED",
        replicas: Iterable[str] = (),
        status: str = ACTIVE,
    ) -> None:
        """Make a table that is as if it had always been so; `replicas` are the other regions of a global table."""
        with self.lock:
            on_demand = billing_mode == "PAY_PER_REQUEST"
            units = None if on_demand else _throughput(reads, writes)
            table = self.put_table(_capacity(Target(name), units, status, self.now), tuple(replicas))
            table.on_demand = on_demand
            table.on_demand_since = self.now if on_demand else None
            for index, (index_reads, index_writes) in (indexes or {}).items():
                self.add_index(name, index, index_reads, index_writes)

    def add_index(
        self,
        table: str,
        index: str,
        reads: int = 1,
        writes: int = 1,
        *,
        status: str = ACTIVE,
        backfilling: bool | None = None,
    ) -> None:
        with self.lock:
            found = self._table(table)
            if index in found.indexes:
                raise ValueError(f"table {table} has an index {index} already")
            units = None if found.on_demand else _throughput(reads, writes)
            capacity = _capacity(Target(table, index), units, status, self.now)
            capacity.backfilling = backfilling
            found.indexes[index] = capacity

    def delete_table(self, name: str) -> None:
        """The table is gone at once, and its metrics with it."""
        with self.lock:
            self.drop_table(name)

    def delete_index(self, table: str, index: str) -> None:
        with self.lock:
            del self._table(table).indexes[index]

    def provisioned(self, target: Target) -> Throughput:
        """What holds now; 0 and 0 on demand."""
        with self.lock:
            return self._capacity(target).provisioned(self.now)

    def set_throughput(self, target: Target, reads: int, writes: int) -> None:
        """Provision at once, unseen by the counters of increases and decreases."""
        units = _throughput(reads, writes)
        with self.lock:
            if self._table(target.table).on_demand:
                raise ValueError(f"table {target.table} is on demand")
            self._provision(self._capacity(target), units)

    def set_status(self, target: Target, status: str, *, backfilling: bool | None = None) -> None:
        """Hold a status until the next call of this; "ACTIVE" ends an update in progress."""
        with self.lock:
            capacity = self._capacity(target)
            capacity.set_status(status, self.now)
            capacity.backfilling = backfilling
            self.changing(self._table(target.table))

    def set_decreases(self, target: Target, today: int, last: datetime | None = None) -> None:
        """So many decreases were made today (UTC), all of them at `last`, or now."""
        with self.lock:
            self._capacity(target).decreases.set(today, last or self.now, self.now)

    def set_last_increase(self, target: Target, moment: datetime | None) -> None:
        with self.lock:
            self._capacity(target).last_increase = moment

    def set_replicas(self, table: str, replicas: Iterable[str]) -> None:
        with self.lock:
            self._table(table).replicas = tuple(replicas)

    def set_billing_mode(self, table: str, mode: BillingMode, reads: int = 1, writes: int = 1) -> None:
        """Switch a table and its indexes; back to "PROVISIONED" all of them get `reads` and `writes`."""
        units = None if mode == "PAY_PER_REQUEST" else _throughput(reads, writes)
        with self.lock:
            found = self._table(table)
            found.on_demand = units is None
            if units is None:
                found.on_demand_since = self.now
            for capacity in found.capacities():
                self._provision(capacity, units)

    def _provision(self, capacity: Capacity, units: Throughput | None) -> None:
        for axis in AXES:
            settle(self, capacity, axis)
        capacity.units.change(self.now, units, self.horizon)

    # Load and metrics

    def set_load(self, target: Target, axis: Axis, demand: Demand) -> None:
        """Demand in units per second: a number, or a function of the minute.

        The first load of a target is as if it had always been so, a later one
        holds from the present minute on. The table need not exist yet.
        """
        self._set_demand(self.loads, target, axis, demand)

    def set_hot_key(self, target: Target, axis: Axis, demand: Demand) -> None:
        """So many units per second of the load are above what one key range can serve: no capacity cures that."""
        self._set_demand(self.hot_keys, target, axis, demand)

    def _set_demand(
        self, demands: dict[tuple[Target, Axis], Timeline[Demand]], target: Target, axis: Axis, demand: Demand
    ) -> None:
        if axis not in AXES or not (callable(demand) or 0 <= demand < math.inf):
            raise ValueError(f"no load: {axis} {demand}")
        with self.lock:
            known = demands.get((target, axis))
            if known is None:
                demands[target, axis] = Timeline(demand)
                return
            capacity = self.find(target)
            if capacity is not None:
                settle(self, capacity, axis)
            known.change(whole_minute(self.now), demand, self.horizon)

    def put_metric(self, target: Target, metric_name: str, minute: datetime, value: float | None) -> None:
        """A literal 1-minute sum instead of what the load makes of that minute; None: nothing is published."""
        if minute != whole_minute(minute) or minute.tzinfo is None:
            raise ValueError(f"no minute: {minute}")
        with self.lock:
            series = self.literals.setdefault((target, metric_name), {})
            oldest = next(iter(series), minute)
            if oldest < self.horizon:
                del series[oldest]  # one out, one in: bounded where minutes come in order
            series[minute] = value

    def served(self, target: Target, axis: Axis, minute: datetime) -> Served:
        """What became of the load of one minute, whether CloudWatch shows it or not."""
        with self.lock:
            return served(self, target, axis, whole_minute(minute))

    # What happened

    def ledger(self, target: Target, axis: Axis) -> Ledger:
        """The minutes that are over."""
        with self.lock:
            capacity = self._capacity(target)
            settle(self, capacity, axis)
            return capacity.ledgers[axis]

    def history(self, target: Target) -> list[tuple[datetime, Throughput]]:
        """What was provisioned, and since when."""
        with self.lock:
            units = self._capacity(target).units
            return [(since, throughput) for since, throughput in units if throughput is not None]

    def _table(self, name: str) -> Table:
        return self.tables[name]

    def _capacity(self, target: Target) -> Capacity:
        found = self.find(target)
        if found is None:
            raise KeyError(str(target))
        return found


def _capacity(target: Target, units: Throughput | None, status: str, now: datetime) -> Capacity:
    name = target.table if target.index is None else target.index
    if not valid_name(name):
        raise ValueError(f"DynamoDB takes no such name: {name!r}")
    return Capacity(target, units, status, now)


def _throughput(reads: int, writes: int) -> Throughput:
    if reads < 1 or writes < 1:
        raise ValueError(f"at least 1 unit: {reads}, {writes}")
    return Throughput(reads, writes)
