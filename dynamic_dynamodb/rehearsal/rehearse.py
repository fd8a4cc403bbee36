"""All schemes on all tables: the configurations, what was recorded, and the rivals."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from multiprocessing import resource_tracker
from typing import Any

from dynamic_dynamodb.checks.backtracking import PATIENCE, Patience
from dynamic_dynamodb.configuration.prices import Prices
from dynamic_dynamodb.configuration.sections import Section
from dynamic_dynamodb.decisions.matching import Match, Matcher, Undecided
from dynamic_dynamodb.decisions.model import Target, Throughput
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.rehearsal import outcome, rivals
from dynamic_dynamodb.rehearsal.demand import Demand, Load, first_known
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes
from dynamic_dynamodb.rehearsal.play import play
from dynamic_dynamodb.rehearsal.rivals import Limits
from dynamic_dynamodb.rehearsal.schemes import Course, Running, Settings
from dynamic_dynamodb.simulation.rules import AWS, Rules
from dynamic_dynamodb.simulation.world import World

# The most tables that are rehearsed together in one model: they share the work of each check.
_TOGETHER = 25
# Minutes times tables that are worth the start of another process.
_WORTH_A_PROCESS = 40_000
_LOOK = 0.1  # seconds between two looks at the progress

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Scheme:
    """A configuration with its name."""

    name: str
    config: Mapping[str, Any]


class Sections:
    """Finds the section of a table or index. Raises ConfigError if an expression takes too long to match."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._patience = Patience()
        self._sections = {expression: Section.of(values) for expression, values in config["tables"].items()}
        self._matcher = Matcher(self._sections)

    def of(self, target: Target) -> Section | None:
        match = self._match(self._matcher, target.table, "table")
        if match is None:
            return None
        section = self._sections[match.section]
        if target.index is None:
            return section
        of_index = self._match(section.matcher, target.index, "gsi", f" table: {match.section}")
        return None if of_index is None else section.gsis[of_index.section]

    def _match(self, matcher: Matcher, name: str, kind: str, of_table: str = "") -> Match | None:
        answer = matcher.ask(name, self._patience.matches)
        if isinstance(answer, Undecided):
            shown = f"[{kind}: {answer.expression}{of_table}]"
            raise ConfigError(
                [
                    f"{shown}: it took more than {PATIENCE:.0f} s to match it with {name}; "
                    "rewrite the expression without nested repetition such as (a+)+"
                ]
            )
        return answer

    def limits(self, target: Target, rules: Rules) -> Limits:
        """Min and max of both axes; DynamoDB's own maximum if none is set."""
        section = self.of(target)
        policies = section.policies if section else ()
        reads, writes = (
            (one.minimum, rules.table_quota if one.max_provisioned is None else one.max_provisioned) for one in policies
        )
        return reads, writes


@dataclass(frozen=True)
class Rehearsal:
    """The result of a rehearsal: plain data for all kinds of output."""

    demand: Demand
    prices: Prices
    rules: Rules
    totals: tuple[Outcome, ...]
    resources: tuple[Outcomes, ...]


def start(load: Load, limits: Limits) -> Throughput:
    """The initial capacity of a table or index under all schemes: what it had, or else what its first hour needs."""
    both = []
    for axis in (0, 1):
        had = None if load.recorded is None or load.on_demand else first_known(load.recorded.provisioned[axis])
        least, most = limits[axis]
        needed = rivals.at_target(max(load.demand[axis][:60]))
        needed = max(needed, least) if most is None else min(max(needed, least), most)
        both.append(needed if had is None else round(had))
    return Throughput(*both)


# One group of tables


@dataclass(frozen=True)
class _Task:
    schemes: Sequence[Scheme]
    demand: Demand  # with only the loads of this group
    prices: Prices
    rules: Rules
    keep: bool
    first: Scheme  # its limits apply to the initial capacity under all schemes
    rivals: bool = True


_Steps = Sequence[tuple[datetime, Throughput]]  # capacities, each with the moment from which it holds


@dataclass(frozen=True)
class _Done:
    outcomes: list[Outcomes]
    steps: list[list[_Steps]]  # of each configuration, those of all tables and indexes


def _rehearse(
    task: _Task, progress: Progress = lambda _: None, entered: Callable[[World], None] = lambda _: None
) -> _Done:
    demand, rules = task.demand, task.rules
    loads = {load.target: load for load in demand.loads}
    first = Sections(task.first.config)
    limits = {target: first.limits(target, rules) for target in loads}
    starts = {target: start(load, limits[target]) for target, load in loads.items()}
    found: dict[Target, list[Outcome]] = {target: [] for target in loads}
    steps: list[list[_Steps]] = []
    for number, scheme in enumerate(task.schemes):

        def forward(share: float, done: int = number) -> None:
            progress((done + share) / len(task.schemes))

        courses = play(scheme.config, demand, demand.loads, starts, rules=rules, progress=forward, entered=entered)
        sections = Sections(scheme.config)
        for target, course in courses.items():
            found[target].append(_measured(task, scheme, sections.of(target), loads[target], course))
        steps.append([course.steps for course in courses.values()])
    if task.rivals:
        for target, others in _rivals(task, limits, starts):
            found[target] += others
    return _Done(
        [Outcomes(load.target, load.table_class, load.on_demand, tuple(found[load.target])) for load in demand.loads],
        steps,
    )


def _measured(task: _Task, scheme: Scheme, section: Section | None, load: Load, course: Course) -> Outcome:
    """The outcome of a configuration on one table or index. Schedules may replace the options of its section."""
    demand = task.demand
    held = list(section.course(demand.start, demand.end)) if section else []
    return outcome.measure(
        scheme.name,
        "configuration",
        demand,
        load,
        course,
        task.prices.of(load.table_class),
        bounds=outcome.bounds(course, demand, [(since, _set_limits(present)) for since, present in held]),
        running=Running(task.prices.watching.metrics(course.metrics), metrics=course.metrics),
        settings=_settings(scheme, [present for _, present in held]),
        keep=task.keep,
    )


def _set_limits(section: Section) -> Limits:
    """Min and max as they are set."""
    reads, writes = ((one.minimum, one.max_provisioned) for one in section.policies)
    return reads, writes


def _settings(scheme: Scheme, held: Sequence[Section]) -> Settings:
    reads, writes = (any(not present.policies[axis].tracks for present in held) for axis in (0, 1))
    starts = [present.values["lookback_window_start"] for present in held]
    return Settings(scheme.config["global"]["check_interval"], max(starts, default=0), (reads, writes))


def _rivals(
    task: _Task, limits: Mapping[Target, Limits], starts: Mapping[Target, Throughput]
) -> Iterator[tuple[Target, list[Outcome]]]:
    """The outcomes of all other schemes: recorded, AWS's target tracking, on demand, the highest minute, the least."""
    demand, rules = task.demand, task.rules
    tables: dict[str, list[Load]] = {}
    for load in demand.loads:
        tables.setdefault(load.target.table, []).append(load)
    for loads in tables.values():
        targets = [load.target for load in loads]
        tracked = rivals.track(
            demand, loads, [starts[target] for target in targets], [limits[target] for target in targets], rules
        )
        for load in loads:
            yield load.target, _others(demand, load, tracked, task.prices, rules)


def _others(
    demand: Demand, load: Load, tracked: Mapping[Target, Course], prices: Prices, rules: Rules
) -> list[Outcome]:
    rates = prices.of(load.table_class)
    alarms = Running(prices.watching.alarms(rivals.ALARMS, demand.minutes), alarms=rivals.ALARMS)
    servable = load.servable(0), load.servable(1)
    leasts = rivals.least(demand, servable[0], rules)
    both = leasts, leasts if servable[1] is servable[0] else rivals.least(demand, servable[1], rules)
    past = outcome.recorded(demand, load, rates)
    name = f"AWS target tracking {rivals.TARGET} %"
    return [
        *([past] if past else []),
        outcome.measure(name, "target-tracking", demand, load, tracked[load.target], rates, running=alarms),
        outcome.on_demand(load, rivals.by_minute(servable), rates),
        outcome.measure(
            "highest minute, always", "peak", demand, load, rivals.peak(demand, load), rates, running=Running()
        ),
        outcome.least(load, both, rates),
    ]


# All of them


def rehearse(
    schemes: Sequence[Scheme],
    demand: Demand,
    prices: Prices,
    *,
    rules: Rules = AWS,
    keep: bool = False,
    processes: int | None = None,
    progress: Progress = lambda _: None,
    entered: Callable[[World], None] | None = None,
) -> Rehearsal:
    """Rehearse all schemes. The result does not depend on the number of processes.

    `keep` keeps the course of each configuration minute by minute, for pictures. `entered` is called with each world
    before its first check; there is only one process then.
    """
    worth_it = len(demand.loads) * demand.minutes * len(schemes) > _WORTH_A_PROCESS
    workers = 1 if entered else processes or (len(os.sched_getaffinity(0)) if worth_it else 1)
    tasks = [
        _Task(schemes, replace(demand, loads=tuple(loads)), prices, rules, keep, schemes[0])
        for loads in _groups(demand.loads, workers)
    ]
    if workers > 1 and len(tasks) > 1:
        done = _side_by_side(tasks, workers, progress)
    else:
        done = _one_by_one(tasks, progress, entered or (lambda _: None))
    resources = [one for group in done for one in group.outcomes]
    if len(tasks) > 1:
        resources = _under_the_account_quota(schemes, demand, prices, rules, keep, done, resources, progress)
    return Rehearsal(demand, prices, rules, _totals(resources), tuple(resources))


def _groups(loads: Sequence[Load], workers: int) -> Iterator[list[Load]]:
    """Groups of tables with their indexes: the same number for each worker, and all of about the same size."""
    tables: dict[str, list[Load]] = {}
    for load in loads:
        tables.setdefault(load.target.table, []).append(load)
    names = list(tables)
    rounds = math.ceil(len(names) / _TOGETHER / workers)
    count = min(rounds * workers, len(names))
    for number in range(count):
        some = names[number * len(names) // count : (number + 1) * len(names) // count]
        yield [load for name in some for load in tables[name]]


def _one_by_one(tasks: Sequence[_Task], progress: Progress, entered: Callable[[World], None]) -> list[_Done]:
    done = []
    for number, task in enumerate(tasks):

        def forward(share: float, before: int = number) -> None:
            progress((before + share) / len(tasks))

        done.append(_rehearse(task, forward, entered))
    return done


def _side_by_side(tasks: Sequence[_Task], workers: int, progress: Progress) -> list[_Done]:
    """In separate processes, which end with this one. They are not forked, since there may be threads."""
    context = multiprocessing.get_context("spawn")
    shares = context.Array("d", len(tasks), lock=False)  # the finished share of each task
    with _starting(), context.Pool(min(workers, len(tasks)), _settle_in, [shares]) as pool:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        coming = [pool.apply_async(_elsewhere, one) for one in enumerate(tasks)]
        for one in coming:
            while not one.ready():
                progress(sum(shares) / len(tasks))
                one.wait(_LOOK)
        return [one.get() for one in coming]


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Block Ctrl-C, which goes to all processes of a terminal: those that are starting cannot handle it yet."""
    resource_tracker.ensure_running()  # a pool would start it, and unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_SHARES: list[MutableSequence[float]] = []  # in another process: the array that all of them write to


def _settle_in(shares: MutableSequence[float]) -> None:
    """Set up another process: this one ends it, and its log is not wanted."""
    _SHARES.append(shares)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable()


def _elsewhere(number: int, task: _Task) -> _Done:
    """Rehearse one task in another process, and write its progress to the shared array."""
    shares = _SHARES[0]

    def forward(share: float) -> None:
        shares[number] = share

    return _rehearse(task, forward)


def _under_the_account_quota(
    schemes: Sequence[Scheme],
    demand: Demand,
    prices: Prices,
    rules: Rules,
    keep: bool,
    done: Sequence[_Done],
    resources: list[Outcomes],
    progress: Progress,
) -> list[Outcomes]:
    """A configuration whose tables together exceed the account's quota is rehearsed again, with all tables together."""
    for number, scheme in enumerate(schemes):
        steps = [one for group in done for one in group.steps[number]]
        if rules.account_quota is None or _most_at_a_time(steps, rules) <= rules.account_quota:
            continue
        task = _Task([scheme], demand, prices, rules, keep, schemes[0], rivals=False)
        again = [one.outcomes[-1] for one in _rehearse(task, progress).outcomes]
        resources = [
            replace(one, outcomes=(*one.outcomes[:number], new, *one.outcomes[number + 1 :]))
            for one, new in zip(resources, again, strict=True)
        ]
    return resources


def _most_at_a_time(every: Sequence[_Steps], rules: Rules) -> int:
    """The most units of one axis that all of them ever had together. If that is within the quota, it refused nothing.

    An increase counts from its request, as it does for a quota, and a decrease from when it took effect.
    """
    most = 0
    for axis in (0, 1):
        total = sum(steps[0][1][axis] for steps in every)
        changes = sorted(_changes(every, axis, timedelta(seconds=rules.update_seconds)))
        most = max(most, *itertools.accumulate((more for _, _, more in changes), initial=total))
    return most


def _changes(every: Sequence[_Steps], axis: int, update: timedelta) -> Iterator[tuple[datetime, bool, int]]:
    """Each change: the moment, whether it is a decrease (so that increases sort first), and the difference in units."""
    for steps in every:
        for (_, before), (since, after) in itertools.pairwise(steps):
            more = after[axis] - before[axis]
            yield (since - update if more > 0 else since), more < 0, more


def _totals(resources: Sequence[Outcomes]) -> tuple[Outcome, ...]:
    """Each scheme over all tables and indexes. The recorded one is included only if it is known of all of them."""
    names = list(dict.fromkeys((one.kind, one.name) for each in resources for one in each.outcomes))
    totals = []
    for kind, name in names:
        all_ = [one for each in resources for one in each.outcomes if (one.kind, one.name) == (kind, name)]
        if len(all_) == len(resources):
            running = outcome.add_running([one.running for one in all_])
            totals.append(Outcome(name, kind, outcome.add([one.total for one in all_]), running=running))
    return tuple(totals)
