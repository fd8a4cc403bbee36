"""What holds for every policy and usage, and for every sequence of checks: sections 3 to 5 of docs/behaviour.md.

The first half asks the calculator alone, the second plays checks against the strict model.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import Scene, Seen, Units, configuration
from scripts import wanted as asked_for
from trials import PATIENCE, SEED, SOAK, trials

from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.decisions.calculator import decide, join
from dynamic_dynamodb.decisions.model import AXES, Decision, Policy, Scale, Unit, Usage
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import Rules

pytestmark = pytest.mark.timeout(PATIENCE)


# One axis

NUMBERS = st.one_of(
    st.integers(0, 200).map(Fraction),
    st.decimals(0, 1000, places=4).map(Fraction),
    st.sampled_from([Fraction(1, 10**9), Fraction("0.1"), Fraction("27.5"), Fraction(10**9)]),
)
AMOUNTS = st.one_of(st.integers(1, 200), st.sampled_from([1000, 10**9]))
KEYS = st.one_of(NUMBERS, st.integers(-50, -1).map(Fraction))
UNITS: st.SearchStrategy[Unit] = st.sampled_from(["percent", "units"])
CAPACITY = st.one_of(st.integers(1, 300), st.sampled_from([40_000, 10**9]))


def scales(amounts: st.SearchStrategy[Fraction] = NUMBERS) -> st.SearchStrategy[Scale]:
    steps = st.dictionaries(KEYS, amounts, min_size=1, max_size=4)
    return steps.map(lambda found: tuple(sorted(found.items())))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    least, most = draw(st.none() | CAPACITY), draw(st.none() | CAPACITY)
    if least is not None and most is not None:
        least, most = min(least, most), max(least, most)
    return Policy(
        axis=draw(st.sampled_from(AXES)),
        upper_threshold=draw(NUMBERS),
        lower_threshold=draw(NUMBERS),
        increase_with=draw(AMOUNTS),
        increase_unit=draw(UNITS),
        min_provisioned=least,
        max_provisioned=most,
        throttled_upper_threshold=draw(st.integers(0, 20)),
        num_checks_before_scale_down=draw(st.integers(1, 4)),
        num_checks_reset_percent=draw(NUMBERS),
        allow_scaling_down_on_0_percent=draw(st.booleans()),
        enable_autoscaling=draw(st.integers(0, 9)) > 0,
        enable_up_scaling=draw(st.integers(0, 4)) > 0,
        enable_down_scaling=draw(st.integers(0, 4)) > 0,
        increase_consumed_unit=draw(UNITS),
        increase_consumed_with=draw(AMOUNTS),
        increase_consumed_scale=draw(st.none() | scales()),
        increase_throttled_by_provisioned_unit=draw(UNITS),
        increase_throttled_by_provisioned_scale=draw(st.none() | scales()),
        increase_throttled_by_consumed_unit=draw(UNITS),
        increase_throttled_by_consumed_scale=draw(st.none() | scales()),
        decrease_consumed_unit=draw(UNITS),
        decrease_consumed_with=draw(AMOUNTS),
        decrease_consumed_scale=draw(st.none() | scales()),
    )


RATES = st.one_of(NUMBERS, st.fractions(0, 500, max_denominator=1000))


def used(provisioned: int, rate: Fraction, events: int = 0, seconds: int = 300, answered: int = 0) -> Usage:
    """`rate` in capacity units a second; events of the whole window, since the last increase and before it."""
    return Usage(provisioned, rate * seconds, Fraction(events), seconds, Fraction(answered))


EVENTS = st.one_of(st.just(0), st.integers(0, 50), st.just(10**9))
WINDOWS = st.sampled_from([60, 300, 900])
PERCENTS = st.integers(0, 300)  # of what is provisioned: nearer to the thresholds than any number is
USAGES = st.one_of(
    st.builds(used, CAPACITY, RATES, EVENTS, WINDOWS, EVENTS),
    st.builds(
        lambda provisioned, share, *drawn: used(provisioned, Fraction(provisioned * share, 100), *drawn),
        CAPACITY,
        PERCENTS,
        EVENTS,
        WINDOWS,
        EVENTS,
    ),
)
STREAKS = st.integers(0, 5)


@st.composite
def fallen(draw: st.DrawFn) -> tuple[Policy, Usage]:
    """Policies that may decrease, scales of any shape among them, and usages at or below the lower threshold."""
    lower = draw(st.integers(1, 100).map(Fraction))
    policy = replace(
        draw(policies()),
        lower_threshold=lower,
        upper_threshold=lower + draw(st.integers(1, 50)),
        decrease_consumed_with=draw(st.integers(1, 150)),
        max_provisioned=None,
        num_checks_before_scale_down=1,
    )
    provisioned = draw(st.integers(2, 400))
    return policy, used(provisioned, provisioned * lower * draw(st.integers(1, 100)) / 10_000)


# Half of them are at or below the lower threshold, with as many checks in a row as it takes: few others come down.
CASES = st.one_of(st.tuples(policies(), USAGES, STREAKS), fallen().map(lambda drawn: (*drawn, 0)))
Case = tuple[Policy, Usage, int]

many = trials(test=150, soak=2000)


@many
@given(CASES)
def test_units_limits_switches_and_words(case: Case) -> None:
    policy, usage, streak = case
    decision = decide(policy, usage, streak)
    now, units = usage.provisioned, decision.units
    assert type(units) is int
    assert units >= 1
    assert decision.direction == ("up" if units > now else "down" if units < now else "stay")
    assert policy.enable_autoscaling or (units == now and decision.streak == 0)
    assert policy.enable_up_scaling or units <= now
    assert policy.enable_down_scaling or units >= now
    if policy.enable_autoscaling and policy.max_provisioned is not None and policy.enable_down_scaling:
        assert units <= policy.max_provisioned
    if policy.enable_autoscaling and policy.enable_up_scaling:
        assert units >= policy.minimum
    assert 0 <= decision.streak <= policy.num_checks_before_scale_down
    assert not decision.ripe or decision.streak == policy.num_checks_before_scale_down
    assert not decision.warn or (decision.forced and units < usage.rate)
    assert decision.forced == (decision.direction == "down" and now > (policy.max_provisioned or now))
    assert decision.direction != "down" or decision.ripe or decision.forced
    check_words(decision, policy, usage)


NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?)"


def check_words(decision: Decision, policy: Policy, usage: Usage) -> None:
    """The reason names the axis, tells the change, and claims nothing that its own numbers deny."""
    reason = str(decision.reason)
    assert policy.axis in reason
    assert "Fraction" not in reason
    assert "\n" not in reason
    moves = re.findall(r"([0-9]+) -> ([0-9]+)", reason)
    assert moves == ([] if decision.direction == "stay" else [(str(usage.provisioned), str(decision.units))])
    for left, sign, right in re.findall(rf"{NUMBER} %[a-z0-9 ]* (>=|<=) {NUMBER} %", reason):
        assert Fraction(left) >= Fraction(right) if sign == ">=" else Fraction(left) <= Fraction(right), reason
    shown = re.match(rf"(?:reads|writes) {NUMBER} % of .*: stays", reason)
    for word, number in re.findall(rf", (above|below) {NUMBER} %", reason):
        if shown:
            left, right = Fraction(shown[1]), Fraction(number)
            assert left > right if word == "above" else left < right, reason


@many
@given(CASES)
def test_moves_respect_the_load(case: Case) -> None:
    """What asks for more gets the consumed rate at least, and what asks for less keeps it; max alone bounds both."""
    policy, usage, streak = case
    decision = decide(policy, usage, streak)
    unbounded = decide(replace(policy, min_provisioned=None, max_provisioned=None), usage, streak)
    if decision.direction == "up" and unbounded.direction == "up":
        assert decision.units >= usage.rate or decision.units == policy.max_provisioned
    if decision.direction == "down":
        assert decision.units >= usage.rate or (decision.forced and decision.units == policy.max_provisioned)


@many
@given(CASES, EVENTS, EVENTS)
def test_who_was_throttled_is_not_lowered(case: Case, events: int, answered: int) -> None:
    """Whatever asks for more because of the events is held, whenever in the window they were, and only that."""
    policy, usage, streak = case
    usage = replace(usage, throttled=Fraction(events), answered=Fraction(answered))
    decision = decide(policy, usage, streak)
    if throttled_enough(policy, usage):
        assert not decision.ripe, decision.reason
        assert decision.streak == 0
        assert decision.direction != "down" or decision.units == policy.max_provisioned
    elif decision.direction != "up":
        unthrottled = replace(usage, throttled=Fraction(0), answered=Fraction(0))
        assert decision == decide(policy, unthrottled, streak)


def throttled_enough(policy: Policy, usage: Usage) -> bool:
    """Section 3.4 in its own words: some throttled trigger would ask for more, given all events of the window."""
    events = usage.throttled + usage.answered
    if events == 0:
        return False
    of_provisioned = events * 100 / (usage.provisioned * usage.seconds)
    of_consumed = events * 100 / usage.consumed if usage.consumed else Fraction(10**20)
    return (0 < policy.throttled_upper_threshold < events and policy.increase_with > 0) or any(
        reached and max(reached)[1] > 0
        for scale, measured in (
            (policy.increase_throttled_by_provisioned_scale, of_provisioned),
            (policy.increase_throttled_by_consumed_scale, of_consumed),
        )
        for reached in [[step for step in scale or () if step[0] <= measured]]
    )


@many
@given(CASES)
def test_reads_and_writes_are_symmetric(case: Case) -> None:
    policy, usage, streak = case
    reads, writes = (decide(replace(policy, axis=axis), usage, streak) for axis in AXES)
    assert writes == replace(
        reads, reason=str(reads.reason).replace("reads", "writes"), floored=reads.floored.replace("reads", "writes")
    )


@trials(test=60, soak=1000)
@given(st.tuples(CASES, CASES))
def test_joining_holds_decreases_and_nothing_else(drawn: tuple[Case, Case]) -> None:
    """The same whichever axis is named first: either axis goes on as decided, or its decrease waits with its streak."""
    (policy, usage, streak), (other_policy, other_usage, other_streak) = drawn
    policies, usages = (policy, other_policy), (usage, other_usage)
    decisions = decide(policy, usage, streak), decide(other_policy, other_usage, other_streak)
    joined = join(decisions, policies, usages)
    assert join(decisions[::-1], policies[::-1], usages[::-1]) == joined[::-1]
    for mine, other in ((0, 1), (1, 0)):
        before, after = decisions[mine], joined[mine]
        waits = waited_for(decisions[other], policies[other], usages[other])
        if before.direction == "down" and not before.forced and waits:
            assert after == replace(before, units=usages[mine].provisioned, direction="stay", reason=after.reason)
        else:
            assert after == replace(before, reason=after.reason)
            assert str(after.reason).startswith(str(before.reason))


def waited_for(decision: Decision, policy: Policy, usage: Usage) -> bool:
    """Section 4 in its own words: whether a decrease of the other axis is held because of this one."""
    if decision.ripe or not (policy.enable_autoscaling and policy.enable_down_scaling):
        return False
    if usage.consumed == 0 and not policy.allow_scaling_down_on_0_percent:
        return False
    if usage.provisioned <= policy.minimum:
        return False
    asks = min((step for step in steps_down(policy) if step[0] >= usage.consumed_percent), default=(0, 0))[1] > 0
    free = replace(policy, max_provisioned=None)
    asks = asks and decide(free, usage, 0).direction != "up" and not throttled_enough(policy, usage)
    return not (asks and load_floor(policy, usage) >= usage.provisioned)


@st.composite
def ordered(draw: st.DrawFn) -> Policy:
    """Policies whose steps ask for more (up) and for less (down) the further the measured is off.

    Where a scale asks for less at a higher percentage, more consumption does mean less capacity: so it was written.
    A hold at 0 % is such a step down, and so is a unit that changes from step to step.
    """
    policy = draw(policies())
    unit = draw(UNITS)
    rising, falling = policy.increase_consumed_scale, policy.decrease_consumed_scale
    if rising:
        rising = tuple(zip((key for key, _ in rising), sorted(amount for _, amount in rising), strict=True))
    if falling:
        amounts = sorted((amount for _, amount in falling), reverse=True)
        falling = tuple(zip((key for key, _ in falling), amounts, strict=True))
    return replace(
        policy,
        increase_consumed_unit=unit,
        increase_consumed_scale=rising,
        decrease_consumed_scale=falling,
        allow_scaling_down_on_0_percent=True,
        increase_throttled_by_consumed_scale=None,  # the same events weigh less where more is consumed
    )


@many
@given(ordered(), CAPACITY, RATES, RATES, st.integers(0, 50), STREAKS)
def test_more_consumed_is_never_less_provisioned(
    policy: Policy, provisioned: int, one: Fraction, two: Fraction, events: int, streak: int
) -> None:
    """In one check, with the same past: the same capacity, throttled events and streak."""
    less, more = sorted((one, two))
    low, high = (decide(policy, used(provisioned, rate, events), streak) for rate in (less, more))
    assert low.units <= high.units


@st.composite
def steady(draw: st.DrawFn) -> Policy:
    """Policies under which some capacity is enough, and no more than some hundred steps away."""
    sizes = st.decimals(5, 200, places=1).map(Fraction)  # of a step
    rising, falling = draw(st.none() | scales(sizes)), draw(st.none() | scales(sizes))
    if rising:
        keys = sorted(draw(st.sets(st.integers(10, 200), min_size=len(rising), max_size=len(rising))))
        amounts = sorted(amount for _, amount in rising)
        amounts[0] *= draw(st.integers(0, 1))
        rising = tuple(zip(map(Fraction, keys), amounts, strict=True))
    upper = draw(st.decimals(10, 200, places=2).map(Fraction))
    least, most = sorted(draw(st.tuples(st.integers(1, 400), st.integers(1, 400))))
    return replace(
        draw(policies()),
        upper_threshold=upper,
        lower_threshold=upper * draw(st.integers(0, 99)) / 100,
        increase_consumed_with=draw(st.integers(5, 200)),
        decrease_consumed_with=draw(st.integers(5, 200)),
        increase_consumed_scale=rising,
        decrease_consumed_scale=falling,
        min_provisioned=draw(st.sampled_from([None, least])),
        max_provisioned=draw(st.sampled_from([None, most])),
        num_checks_before_scale_down=1,
        allow_scaling_down_on_0_percent=True,
        enable_autoscaling=True,
    )


@many
@given(fallen())
def test_a_decrease_is_not_taken_back_by_the_load_that_allowed_it(drawn: tuple[Policy, Usage]) -> None:
    policy, usage = drawn
    decision = decide(policy, usage, 0)
    if decision.direction == "down":
        assert decision.units >= usage.rate
        again = decide(policy, replace(usage, provisioned=decision.units), decision.streak)
        assert again.direction != "up", again.reason


@many
@given(fallen())
def test_a_decrease_is_what_its_step_says_and_no_less_than_one_unit(drawn: tuple[Policy, Usage]) -> None:
    """Down to the floors, one unit at a time if need be: no amount is too small to get there."""
    policy, usage = drawn
    policy = replace(policy, enable_autoscaling=True, enable_up_scaling=False, enable_down_scaling=True)
    now = usage.provisioned
    amount = next((amount for key, amount in steps_down(policy) if key >= usage.consumed_percent), Fraction(0))
    less = amount if policy.decrease_consumed_unit == "units" else amount * now / 100
    expected = max(now - max(1, int(less)), policy.minimum, load_floor(policy, usage))
    if amount == 0 or expected > now:
        expected = now
    assert decide(policy, usage, 0).units == expected


def steps_down(policy: Policy) -> Scale:
    return policy.decrease_consumed_scale or ((policy.lower_threshold, Fraction(policy.decrease_consumed_with)),)


def load_floor(policy: Policy, usage: Usage) -> int:
    """Section 3.4 in its own words; the present capacity where no other would do."""
    scale = policy.increase_consumed_scale
    keys = [policy.upper_threshold] if scale is None else [key for key, amount in scale if amount > 0]
    if keys and min(keys) <= 0:
        return usage.provisioned
    clear = [int(100 * usage.rate / min(keys)) + 1] if keys else []
    return max(*clear, -int(-usage.rate // 1), 1)


@trials(test=100, soak=1000)
@given(steady(), st.integers(1, 300), st.fractions(0, 300, max_denominator=1000))
def test_a_steady_load_comes_to_rest(policy: Policy, provisioned: int, rate: Fraction) -> None:
    """Up until it is served, then down to what it needs, and never up again: no flapping."""
    came_down = False
    for _ in range(1000):
        decision = decide(policy, used(provisioned, rate), 0)
        if decision.direction == "stay":
            break
        assert not (came_down and decision.direction == "up"), decision.reason
        came_down |= decision.ripe
        provisioned = decision.units
    else:
        pytest.fail(f"still moving at {provisioned}: {decision.reason}")
    for _ in range(3):
        assert decide(policy, used(provisioned, rate), 0).units == provisioned


# Sequences of checks

TABLES = ("orders", "users")
SECTIONS = """
[global]
refresh-interval: {refresh}
[default_options]
lookback-window-start: 5
lookback-period: 5
reads-lower-threshold: 60
writes-lower-threshold: 60
num-read-checks-before-scale-down: {reads}
num-write-checks-before-scale-down: {writes}
max-provisioned-reads: 500
max-provisioned-writes: 500
min-provisioned-reads: 5
min-provisioned-writes: 5
[table: ^orders$]
[gsi: .* table: ^orders$]
[table: ^users$]
"""
START_UNITS: dict[str, Units] = {"orders": (100, 50), "orders/by-date": (50, 100), "users": (20, 300)}
LIMITS = (5, 500)  # of both axes of all of them

# What goes wrong with the UpdateTable calls of a table in one check.
NO_MORE_DECREASES = "LimitExceededException: decreases are limited within a given UTC day"
# The model's day begins at midnight; most of its checks are made in the morning.
INSTANT = START + timedelta(hours=10, minutes=15)
NAMES_AN_INSTANT = "Next decrease can be made at Monday, January 5, 2026 at 10:15:00 AM Coordinated Universal Time"
REFUSED = r"^({}(?: - GSI: \S+)?) - decrease refused by DynamoDB, retried (.*?)(?=;)"
LOST, REPEATED = "made, and its answer lost", "made, its answer lost, and repeated"
QUOTA = "LimitExceededException: Table-level quota exceeded"
REFUSALS = (
    "ResourceInUseException: Attempt to change a resource which is still in use",
    "LimitExceededException: Only 500 tables can be created, updated, or deleted simultaneously",
    QUOTA,
    "ProvisionedThroughputExceededException: slower",
    "ThrottlingException: slower",
    "InternalServerError: oh",
    "AccessDeniedException: no",
)
UNREADABLE = ("ListTables", "GetMetricData", *(f"DescribeTable {name}" for name in TABLES))

LOADS = st.sampled_from([0, 1, 7, 20, 48, 60, 90, 99, 150, 400, 700])
TROUBLES = st.one_of(
    st.just(""),
    st.sampled_from([*REFUSALS, NO_MORE_DECREASES, f"{NO_MORE_DECREASES}. {NAMES_AN_INSTANT}", LOST, REPEATED]),
)


class Next(NamedTuple):
    """One check, and what is different since the one before."""

    minutes: int
    loads: dict[str, Units]
    troubles: dict[str, str]  # of UpdateTable, by table
    unreadable: str  # the call to read by that fails


CHECKS = st.builds(
    Next,
    st.integers(5, 90),
    st.fixed_dictionaries({name: st.tuples(LOADS, LOADS) for name in START_UNITS}),
    st.fixed_dictionaries(dict.fromkeys(TABLES, TROUBLES)),
    st.sampled_from([*[""] * 8, *UNREADABLE]),
)


@dataclass
class Lossy:
    """DynamoDB behind a network that may swallow the answer of an update that was made."""

    dynamodb: Any
    troubles: Mapping[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dynamodb, name)

    def update_table(self, **arguments: Any) -> Any:
        answer = self.dynamodb.update_table(**arguments)
        trouble = self.troubles.get(arguments["TableName"])
        if trouble == LOST:
            raise ConnectionResetError(104, "Connection reset by peer")
        if trouble == REPEATED:  # by botocore, and the second attempt has met the first one's update
            error = RefusedError("ResourceInUseException", "in use", operation="UpdateTable")
            error.response["ResponseMetadata"]["RetryAttempts"] = 1
            raise error
        return answer


# refresh-interval: each table is described in each check, or in few of them.
EACH_CHECK, HOURS = 300, 4 * 3600


class Story:
    """A scene in which things go wrong, and what must hold after every check of it."""

    def __init__(self, reads_checks: int = 1, writes_checks: int = 1, refresh: int = EACH_CHECK) -> None:
        sections = SECTIONS.format(reads=reads_checks, writes=writes_checks, refresh=refresh)
        self.scene = Scene(sections, START_UNITS, rules=Rules(capped=False, update_seconds=90))
        world = self.scene.world
        self.dynamodb = Lossy(world.dynamodb)
        config = configuration(sections)
        self.scene.scaler.reconfigure(config, Clients(self.dynamodb, world.cloudwatch, world.sns))
        self.decreases: Counter[tuple[str, str]] = Counter()  # by name and UTC day
        self.waits = dict.fromkeys(START_UNITS, START)  # until when decreases have been said to wait
        self.unread = False  # the call that cannot be read in this check was really made

    def check(self, step: Next) -> None:
        scene = self.scene
        for name, load in step.loads.items():
            scene.load(name, *load)
        scene.world.advance(60 * step.minutes)
        before = {name: scene.provisioned(name) for name in START_UNITS}
        self.dynamodb.troubles = step.troubles
        # By table: the calls of different tables are sent side by side.
        scene.refuses = refuses = {step.unreadable: "InternalServerError: oh"} if step.unreadable else {}
        scene.on_call = partial(self._refuse, step, before, refuses)
        self.unread = False
        seen = scene.check()
        after = {name: scene.provisioned(name) for name in START_UNITS}
        self._check_words(step, seen)
        self._check_calls(step, seen, before)
        for name in START_UNITS:
            self._check_units(step, name, before[name], after[name])
            self.decreases[name, f"{scene.world.now:%F}"] += falls(before[name], after[name])
        self._remember_waits(step, seen)
        assert max(self.decreases.values()) <= 27

    def _refuse(
        self,
        step: Next,
        before: Mapping[str, Units],
        refuses: dict[str, str],
        operation: str,
        arguments: Mapping[str, Any],
    ) -> None:
        self.unread |= step.unreadable in {operation, f"{operation} {arguments.get('TableName')}"}
        if operation == "UpdateTable":
            table = arguments["TableName"]
            trouble = step.troubles[table]
            ran_out = trouble.startswith(NO_MORE_DECREASES) and self._decreases(asked_for(arguments), before)
            refuses[f"{operation} {table}"] = trouble if ran_out or trouble in REFUSALS else ""

    @staticmethod
    def _decreases(call: Mapping[str, Units], before: Mapping[str, Units]) -> bool:
        return any(falls(before[name], units) for name, units in call.items())

    @staticmethod
    def _check_words(step: Next, seen: Seen) -> None:
        if not step.unreadable and not any(step.troubles.values()):
            assert seen.ok
        for text in seen.texts(logging.DEBUG):
            assert "\n" not in text
            assert "unexpected error" not in text
            assert "ValidationException" not in text

    def _check_calls(self, step: Next, seen: Seen, before: Mapping[str, Units]) -> None:
        tables: list[str] = []
        for call in seen.sent:
            table = next(iter(call)).partition("/")[0]
            tables.append(table)
            assert all(LIMITS[0] <= unit <= LIMITS[1] for units in call.values() for unit in units)
            if tables.count(table) > 1 and step.troubles[table] != QUOTA:  # repeated, and without its decreases
                assert not self._decreases(call, before)
            for name, units in call.items():
                assert not falls(before[name], units) or self.scene.world.now >= self.waits[name]
        for table, count in Counter(tables).items():
            assert count <= (5 if step.troubles[table] == QUOTA else 2)

    def _check_units(self, step: Next, name: str, before: Units, after: Units) -> None:
        table = name.partition("/")[0]
        unread = self.unread and step.unreadable in {"ListTables", "GetMetricData", f"DescribeTable {table}"}
        if unread or step.troubles[table] in REFUSALS:
            assert after == before
            return
        for now, then, load in zip(before, after, step.loads[name], strict=True):
            assert then >= wanted(now, load)
            assert then >= min(now, load, LIMITS[1])

    def _remember_waits(self, step: Next, seen: Seen) -> None:
        """Of the decreases refused in one call, those of whom 4 were made today wait; all of them, where none has."""
        now = self.scene.world.now
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        for table in TABLES:
            named = NAMES_AN_INSTANT in step.troubles[table]
            refused = dict(re.findall(REFUSED.format(table), "\n".join(seen.texts(logging.WARNING)), re.M))
            names = {shown: shown.replace(" - GSI: ", "/") for shown in refused}
            used_up = [shown for shown, name in names.items() if self.decreases[name, f"{now:%F}"] >= 4] or refused
            for shown, name in names.items():
                if shown in used_up:
                    self.waits[name] = INSTANT if named and INSTANT - now <= timedelta(days=1) else hour
                    assert refused[shown] == f"from {self.waits[name]:%H:%M UTC}"
                else:
                    assert refused[shown] == "in the next check"


def falls(before: Units, after: Units) -> bool:
    return any(then < now for now, then in zip(before, after, strict=True))


def wanted(provisioned: int, load: int) -> int:
    """What 90 % and +50 % ask for at least, within max; 0: nothing."""
    base = max(provisioned, load)
    return min(-(-base * 3 // 2), LIMITS[1]) if 100 * load >= 90 * provisioned else 0


@trials(test=60, soak=2000)
@given(st.integers(1, 3), st.integers(1, 3), st.sampled_from([EACH_CHECK, HOURS]), st.lists(CHECKS, max_size=40))
def test_whatever_happens_no_increase_is_lost(
    reads_checks: int, writes_checks: int, refresh: int, steps: list[Next]
) -> None:
    """An axis that must go up does so in the first call that is carried out, whatever becomes of decreases.

    Besides: units stay within their limits and above the load, one table's troubles are not another's, decreases are
    27 per UTC day at most, and what is said to wait until an hour does wait. All of it holds for tables that are
    remembered from earlier checks, too.
    """
    story = Story(reads_checks, writes_checks, refresh)
    for step in steps:
        story.check(step)


@pytest.mark.parametrize("seed", range(SEED, SEED + (60 if SOAK else 2)))
def test_a_day_of_jumping_loads(seed: int) -> None:
    """Every five minutes another load: as many decreases as DynamoDB grants are made, and no increase waits for one."""
    chance = random.Random(seed)  # noqa: S311 - any will do, as long as it is the same
    story = Story()
    for _ in range(288):
        loads = {name: (chance.choice([1, 20, 60, 400]), chance.choice([1, 20, 60, 400])) for name in START_UNITS}
        story.check(Next(5, loads, dict.fromkeys(TABLES, ""), ""))
    assert all(20 <= count <= 27 for (_, day), count in story.decreases.items() if day == f"{START:%F}")


STEADY = """
[default_options]
lookback-window-start: 5
lookback-period: 5
{options}
[table: orders]
"""
STEADY_OPTIONS = st.fixed_dictionaries(
    {
        "reads-upper-threshold": st.integers(50, 100),
        "writes-upper-threshold": st.integers(50, 100),
        "reads-lower-threshold": st.integers(0, 49),
        "writes-lower-threshold": st.integers(0, 49),
        "increase-reads-with": st.integers(10, 200),
        "increase-writes-with": st.integers(10, 200),
        "decrease-reads-with": st.integers(10, 95),
        "decrease-writes-with": st.integers(10, 95),
        "num-read-checks-before-scale-down": st.integers(1, 3),
        "num-write-checks-before-scale-down": st.integers(1, 3),
        "allow-scaling-down-reads-on-0-percent": st.booleans(),
        "always-decrease-rw-together": st.booleans(),
    }
)
# What is provisioned at first, and how much of it, in percent, is consumed for good.
UNIT_PAIRS = st.tuples(st.integers(1, 400), st.integers(1, 400))
SHARES = st.tuples(st.integers(0, 150), st.integers(0, 150))


@trials(test=25, soak=500)
@given(STEADY_OPTIONS, UNIT_PAIRS, SHARES)
def test_a_steady_load_comes_to_rest_in_the_loop(options: dict[str, Any], units: Units, shares: Units) -> None:
    """Streaks, axes that go together, decreases that run out: no axis goes up after it came down, and then all rest."""
    lines = "".join(f"{name}: {value}\n" for name, value in options.items())
    scene = Scene(STEADY.format(options=lines), {"orders": units})
    scene.load("orders", *(units[axis] * shares[axis] // 100 for axis in (0, 1)))
    came_down, quiet = [False, False], 0
    for _ in range(300):
        scene.world.advance(3600)
        before = scene.provisioned("orders")
        seen = scene.check()
        assert seen.ok
        after = scene.provisioned("orders")
        for axis in (0, 1):
            assert not (came_down[axis] and after[axis] > before[axis])
            came_down[axis] |= after[axis] < before[axis]
        quiet = 0 if seen.sent else quiet + 1
        if quiet > 10:
            return
    pytest.fail(f"still moving at {scene.provisioned('orders')}")
