"""What befalls an account in months: tables that come, go and change, loads, and calls that fail. All of it by dice."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dynamic_dynamodb.decisions.model import AXES, Target
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.world import World

FEWEST_TABLES, MOST_TABLES, MOST_INDEXES = 4, 9, 2
FAST, SLOW = 45, 700  # seconds of an update; a slow one is met by the next check or two
_STATUSES = ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVED", "NEVER_HEARD_OF")
ALL = ""  # instead of a table's name


class Churn:
    """Changes the world between checks, and now and then in the middle of one."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.events: Counter[str] = Counter()
        self.happened: dict[str, datetime] = {}  # by table: when something happened to it last
        self._world = world
        self._dice = dice
        self._gone: list[str] = []  # names that may come back
        self._held: set[str] = set()  # tables whose status was set by hand
        self._chances: dict[Callable[[], object], float] = {
            self._create: 0.05,
            self.delete: 0.03,
            self._switch: 0.02,
            self._add_index: 0.03,
            self._delete_index: 0.02,
            self._hold: 0.01,
            self._provision: 0.02,
            self._pace: 0.005,
        }
        while len(world.tables) < FEWEST_TABLES:
            self._create()

    def befall(self) -> None:
        """What happens between two checks."""
        for event, chance in self._chances.items():
            if self._dice.random() < chance:
                event()
        for target, axis in list(self._world.loads):
            if self._dice.random() < 0.01:
                self._world.set_load(target, axis, self._demand())
        for name in [name for name in self._held if self._dice.random() < 0.1]:
            self._held.discard(name)
            self.happened[name] = self._world.now
            self._world.set_status(Target(name), "ACTIVE")

    def delete(self) -> str:
        """One table; its name, or nothing where there are too few."""
        world = self._world
        if len(world.tables) <= FEWEST_TABLES:
            return ""
        name = self._any()
        targets = {capacity.target for capacity in world.tables[name].capacities()}
        world.delete_table(name)
        self._forget(targets)
        self._held.discard(name)
        self._gone = [*self._gone[-5:], name]
        return self._count("tables deleted", name)

    def _count(self, what: str, name: str) -> str:
        self.events[what] += 1
        self.happened[name] = self._world.now
        return name

    def _any(self) -> str:
        return self._dice.choice(self._world.names)

    def _demand(self) -> float:
        return float(round(10 ** self._dice.uniform(-0.5, 3.4), 1)) if self._dice.random() < 0.95 else 0.0

    def _units(self) -> tuple[int, int]:
        return self._dice.randint(1, 3000), self._dice.randint(1, 500)

    def _loaded(self, target: Target) -> None:
        for axis in AXES:
            self._world.set_load(target, axis, self._demand())

    def _forget(self, targets: set[Target]) -> None:
        """The load, which the world would keep for a table that comes again."""
        self._world.loads = {key: load for key, load in self._world.loads.items() if key[0] not in targets}

    def _create(self) -> None:
        if len(self._world.tables) >= MOST_TABLES:
            return
        name = f"{self._dice.choice(('web', 'web', 'job', 'other'))}-{self.events['tables created']:05}"
        if self._gone and self._dice.random() < 0.3:
            name = self._gone.pop()
        replicas = ("eu-west-1",) if self._dice.random() < 0.1 else ()
        self._world.add_table(name, *self._units(), replicas=replicas)
        self._loaded(Target(name))
        self._count("tables created", name)

    def _switch(self) -> None:
        name = self._any()
        if self._world.tables[name].on_demand:
            self._world.set_billing_mode(name, "PROVISIONED", *self._units())
        else:
            self._world.set_billing_mode(name, "PAY_PER_REQUEST")
        self._count("billing modes switched", name)

    def _add_index(self) -> None:
        name = self._any()
        if len(self._world.tables[name].indexes) >= MOST_INDEXES:
            return
        index = f"{self._dice.choice(('by', 'by', 'odd'))}-{self.events['indexes added']:05}"
        self._world.add_index(name, index, *self._units())
        self._loaded(Target(name, index))
        self._count("indexes added", name)

    def _delete_index(self) -> None:
        name = self._any()
        indexes = list(self._world.tables[name].indexes)
        if indexes:
            index = self._dice.choice(indexes)
            self._world.delete_index(name, index)
            self._forget({Target(name, index)})
            self._count("indexes deleted", name)

    def _hold(self) -> None:
        name = self._any()
        self._world.set_status(Target(name), self._dice.choice(_STATUSES))
        self._held.add(self._count("statuses set", name))

    def _provision(self) -> None:
        """By hand."""
        name = self._any()
        if not self._world.tables[name].on_demand:
            self._world.set_throughput(Target(name), *self._units())
            self._count("tables provisioned by hand", name)

    def _pace(self) -> None:
        seconds = SLOW if self._world.rules.update_seconds == FAST else FAST
        self._world.rules = replace(self._world.rules, update_seconds=seconds)


class InjectedError(RefusedError):
    """A refusal that no rule of the model's asked for."""


_ANY = (
    lambda: InjectedError("ThrottlingException", "Rate exceeded"),
    lambda: InjectedError("InternalServerError", "Internal server error", 500),
    lambda: InjectedError("ExpiredTokenException", "The security token included in the request is expired"),
    lambda: ConnectionResetError("Connection reset by peer"),
    lambda: TimeoutError("Read timed out"),
    lambda: KeyError("Table"),  # as botocore's parsers raise for what they did not expect
)
_OF: Mapping[str, tuple[Callable[[], Exception], ...]] = {
    "DescribeTable": (
        lambda: InjectedError("ResourceNotFoundException", "Requested resource not found"),
        lambda: InjectedError("AccessDeniedException", "not authorized to perform: dynamodb:DescribeTable"),
    ),
    "UpdateTable": (
        lambda: InjectedError("ResourceInUseException", "Attempt to change a resource which is still in use"),
        lambda: InjectedError(
            "LimitExceededException", "Subscriber limit exceeded: Only 500 tables can be updated simultaneously"
        ),
        lambda: InjectedError("LimitExceededException", "Subscriber limit exceeded: Account-level quota exceeded"),
        lambda: InjectedError("ValidationException", "One or more parameter values were invalid"),
    ),
    "GetMetricData": (lambda: InjectedError("AccessDenied", "not authorized to perform: cloudwatch:GetMetricData"),),
}
_NONSENSE: tuple[object, ...] = (None, 0, -1, 10**15, 1.5, True, "", "nonsense", [], {}, [None], {"Id": None})


class Faults:
    """Makes calls fail, and spoils answers; calm for a day, then an outage. `touched`: tables to excuse now."""

    def __init__(self, world: World, dice: random.Random, churn: Churn) -> None:
        self.made: Counter[str] = Counter()
        self.touched: set[str] = set()
        self._world = world
        self._dice = dice
        self._churn = churn
        self._chance = 0.0

    def next_check(self) -> None:
        self.touched.clear()
        if self._dice.random() < 0.05:
            self._chance = self._dice.choice((0.0, 0.0, 0.0, 0.0, 0.002, 0.02, 0.2, 1.0))

    def excuses(self, table: str) -> bool:
        return not self.touched.isdisjoint((table, ALL))

    @property
    def excuse_all(self) -> bool:
        return ALL in self.touched

    def before(self, operation: str, arguments: Mapping[str, Any]) -> Exception | None:
        """What the world is to raise instead of an answer."""
        if operation == "GetMetricData" and self._dice.random() < 0.005:
            self._delete_meanwhile()
        if self._dice.random() >= self._chance:
            return None
        error = self._dice.choice((*_ANY, *_OF.get(operation, ())))()
        if operation != "Publish":
            self.touched.add(arguments.get("TableName", ALL))
        self.made[operation] += 1
        return error

    def after(self, operation: str, arguments: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, or what became of it."""
        if operation == "UpdateTable" or self._dice.random() >= self._chance / 4:
            return answer
        self.touched.add(arguments.get("TableName", ALL))
        self.made[f"{operation} answered"] += 1
        spoilt = copy.deepcopy(answer)
        self._spoil(spoilt)
        return spoilt

    def _delete_meanwhile(self) -> None:
        name = self._churn.delete()
        if name:
            self.touched.add(name)
            self.made["table deleted meanwhile"] += 1

    def _spoil(self, answer: Any) -> None:
        """One place in it, at any depth: gone, or nonsense."""
        keys = list(answer) if isinstance(answer, dict) else list(range(len(answer)))
        key = self._dice.choice(keys)
        if isinstance(answer[key], (dict, list)) and answer[key] and self._dice.random() < 0.7:
            self._spoil(answer[key])
        elif self._dice.random() < 0.3:
            del answer[key]
        else:
            answer[key] = self._dice.choice(_NONSENSE)
