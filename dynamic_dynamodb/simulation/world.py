"""One AWS account in memory: its clients, its clock, and the methods with which a scenario changes it."""

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
    """The services as clients see them, and as a scenario sets them up.

    Time is virtual and moves only with `advance` and `sleep`. With `clock`, a callable that returns an aware UTC
    datetime, time is the caller's. DynamoDB's rules apply only to calls through the clients, not to the methods of this
    class. Unknown tables and indexes raise KeyError, impossible values ValueError.
    """

    def __init__(
        self, start: datetime = START, *, clock: Callable[[], datetime] | None = None, rules: Rules | None = None
    ) -> None:
        super().__init__(start, clock, rules or Rules())
        self.dynamodb = DynamoDB(self)
        self.cloudwatch = CloudWatch(self)
        self.sns = SNS(self)

    # The clock, as the loop needs it

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
        """Add a table as if it had always existed. `replicas` are the other regions of a global table."""
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
        """Delete the table and its metrics at once."""
        with self.lock:
            self.drop_table(name)

    def delete_index(self, table: str, index: str) -> None:
        with self.lock:
            del self._table(table).indexes[index]

    def provisioned(self, target: Target) -> Throughput:
        """The present capacity; 0 and 0 on demand."""
        with self.lock:
            return self._capacity(target).provisioned(self.now)

    def set_throughput(self, target: Target, reads: int, writes: int) -> None:
        """Provision at once. It does not count as an increase or a decrease."""
        units = _throughput(reads, writes)
        with self.lock:
            if self._table(target.table).on_demand:
                raise ValueError(f"table {target.table} is on demand")
            self._provision(self._capacity(target), units)

    def set_status(self, target: Target, status: str, *, backfilling: bool | None = None) -> None:
        """Set a status that remains until the next call. "ACTIVE" ends an update in progress."""
        with self.lock:
            capacity = self._capacity(target)
            capacity.set_status(status, self.now)
            capacity.backfilling = backfilling
            self.changing(self._table(target.table))

    def set_decreases(self, target: Target, today: int, last: datetime | None = None) -> None:
        """Set the number of decreases of today (UTC), all of them made at `last`, or now."""
        with self.lock:
            self._capacity(target).decreases.set(today, last or self.now, self.now)

    def set_last_increase(self, target: Target, moment: datetime | None) -> None:
        with self.lock:
            self._capacity(target).last_increase = moment

    def set_replicas(self, table: str, replicas: Iterable[str]) -> None:
        with self.lock:
            self._table(table).replicas = tuple(replicas)

    def set_billing_mode(self, table: str, mode: BillingMode, reads: int = 1, writes: int = 1) -> None:
        """Switch a table and its indexes. With "PROVISIONED" all of them get `reads` and `writes`."""
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
        """Set the demand in units per second: a number, or a function of the minute.

        The first load of a target counts as if it had always been there; a later one holds from the present minute on.
        The table need not exist yet.
        """
        self._set_demand(self.loads, target, axis, demand)

    def set_hot_key(self, target: Target, axis: Axis, demand: Demand) -> None:
        """Set the part of the load, in units per second, above what one key range can serve: no capacity cures it."""
        self._set_demand(self.hot_keys, target, axis, demand)

    def _set_demand(
        self, demands: dict[tuple[Target, Axis], Timeline[Demand]], target: Target, axis: Axis, demand: Demand
    ) -> None:
        if axis not in AXES or not (callable(demand) or 0 <= demand < math.inf):
            raise ValueError(f"not a load: {axis} {demand}")
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
        """Publish this 1-minute sum instead of the one that the load produces; None: publish nothing."""
        if minute != whole_minute(minute) or minute.tzinfo is None:
            raise ValueError(f"not a whole minute: {minute}")
        with self.lock:
            series = self.literals.setdefault((target, metric_name), {})
            oldest = next(iter(series), minute)
            if oldest < self.horizon:
                del series[oldest]  # one out, one in: bounded if minutes come in order
            series[minute] = value

    def served(self, target: Target, axis: Axis, minute: datetime) -> Served:
        """How the load of one minute was served, whether CloudWatch shows it or not."""
        with self.lock:
            return served(self, target, axis, whole_minute(minute))

    # What happened

    def ledger(self, target: Target, axis: Axis) -> Ledger:
        """The minutes that have ended."""
        with self.lock:
            capacity = self._capacity(target)
            settle(self, capacity, axis)
            return capacity.ledgers[axis]

    def history(self, target: Target) -> list[tuple[datetime, Throughput]]:
        """The capacities, each with the moment from which it held."""
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
        raise ValueError(f"DynamoDB does not allow the name {name!r}")
    return Capacity(target, units, status, now)


def _throughput(reads: int, writes: int) -> Throughput:
    if reads < 1 or writes < 1:
        raise ValueError(f"at least 1 unit: {reads}, {writes}")
    return Throughput(reads, writes)
