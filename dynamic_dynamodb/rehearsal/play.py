"""Runs a configuration against the model: the real loop, decisions and updates, under a virtual clock."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration.schedules import outrank
from dynamic_dynamodb.decisions.model import AXES, Change, Target, Throughput
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load
from dynamic_dynamodb.rehearsal.schemes import Course, Move
from dynamic_dynamodb.simulation.rules import AWS, Rules
from dynamic_dynamodb.simulation.world import World

if TYPE_CHECKING:
    from dynamic_dynamodb.rehearsal.demand import Minutes

T = TypeVar("T")
R = TypeVar("R")

Starts = Mapping[Target, Throughput]
Progress = Callable[[float], None]  # from 0 to 1


class SameThread(Workers):
    """Makes the calls one after another in the calling thread: the model answers at once."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return [function(item) for item in items]

    def read(
        self,
        operation: str,  # noqa: ARG002
        function: Callable[[T], R],
        items: Iterable[T],
        **_how: Any,
    ) -> list[R | AwsError]:
        return [_answer(function, item) for item in items]

    def finish(
        self,
        operation: str,  # noqa: ARG002
        function: Callable[[T], R],
        items: Iterable[T],
        **_how: Any,
    ) -> list[R | AwsError | None]:
        return [_answer(function, item) for item in items]


def _answer(function: Callable[[T], R], item: T) -> R | AwsError:
    try:
        return function(item)
    except AwsError as error:
        return error


class _Span:
    """Ends the loop at the end of the demand, and lets virtual time pass while the loop sleeps."""

    def __init__(self, world: World, end: datetime, progress: Progress) -> None:
        self._world = world
        self._begin, self._end = world.now, end
        self._progress = progress

    def stopping(self) -> bool:
        return self._world.now >= self._end

    def sleep(self, seconds: float) -> None:
        left = (self._end - self._world.now).total_seconds()
        self._world.sleep(min(seconds, left))
        self._progress((self._world.now - self._begin) / (self._end - self._begin))


def rules_for(demand: Demand, rules: Rules = AWS) -> Rules:
    """The rules of a rehearsal: metrics are retained for all of its time."""
    return replace(rules, retention=rules.retention + demand.minutes * 60)


def play(
    config: Mapping[str, Any],
    demand: Demand,
    loads: Sequence[Load],
    starts: Starts,
    *,
    rules: Rules = AWS,
    progress: Progress = lambda _: None,
    entered: Callable[[World], None] = lambda _: None,
) -> dict[Target, Course]:
    """Run one configuration over the loads of some tables, all of them together.

    `entered` is called with the world before the first check.
    """
    world = make_world(demand, loads, starts, rules_for(demand, rules))
    entered(world)
    moves: dict[Target, list[Move]] = {load.target: [] for load in loads}

    def watch(change: Change) -> None:
        moves[change.target].append(Move(world.now, change.current, change.desired, change.reasons))

    clients = Clients(world.dynamodb, world.cloudwatch, world.sns)
    scaler = Scaler(offline(config), clients, SameThread(), world.clock, watch=watch)
    loop.run(scaler, _Span(world, demand.end, progress), timer=lambda: 0.0)
    refused = Counter(target for _, target in world.refusals)
    return {
        load.target: Course(
            _steps(world, load.target, demand),
            *_what_became(world, load.target),
            moves[load.target],
            refused[load.target],
            world.metrics_asked[load.target],
        )
        for load in loads
    }


def offline(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same without options that use the network: breakers count as closed, and no notification is sent."""
    made = copy.deepcopy(dict(config))
    for table in made["tables"].values():
        for values in (table, *table["gsis"].values()):
            outrank(values, {"circuit_breaker_url": None, "sns_topic_arn": None})
    return made


def make_world(demand: Demand, loads: Sequence[Load], starts: Starts, rules: Rules) -> World:
    """A model of AWS with these tables, at the first minute of the demand."""
    world = World(demand.start, rules=rules)
    for load in sorted(loads, key=lambda one: one.target.index is not None):
        table, index = load.target.table, load.target.index
        if index is None:
            world.add_table(table, *starts[load.target], replicas=("elsewhere",) if load.replicated else ())
        else:
            world.add_index(table, index, *starts[load.target])
        for number, axis in enumerate(AXES):
            world.set_load(load.target, axis, _follow(load.demand[number], demand.start))
            if load.hot is not None:
                world.set_hot_key(load.target, axis, _follow(load.hot[number], demand.start))
    return world


def _follow(units: Minutes, start: datetime) -> Callable[[datetime], float]:
    """A function that returns the load of a minute. Before the first minute the load is that of the first minute."""
    last = len(units) - 1

    def demand(minute: datetime) -> float:
        return units[min(max((minute - start) // MINUTE, 0), last)]

    return demand


def _steps(world: World, target: Target, demand: Demand) -> list[tuple[datetime, Throughput]]:
    history = world.history(target)
    return [(max(since, demand.start), units) for since, units in history if since < demand.end]


def _what_became(world: World, target: Target) -> tuple[tuple[Minutes, Minutes], tuple[Minutes, Minutes]]:
    """Consumed and throttled units of each minute, reads and writes."""
    reads, writes = (world.ledger(target, axis) for axis in AXES)
    return (reads.consumed, writes.consumed), (reads.all_throttled(), writes.all_throttled())
