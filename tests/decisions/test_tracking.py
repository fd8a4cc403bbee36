"""Target tracking: literal situations, the promises as properties, and what it must not do under a simulated load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from axis_under_load import Run, policy, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamic_dynamodb.decisions import tracking
from dynamic_dynamodb.decisions.exact import exact
from dynamic_dynamodb.decisions.model import OFF, Policy
from dynamic_dynamodb.decisions.recurring import Expected
from dynamic_dynamodb.decisions.tracking import Minutes, Situation

NOW = 1_000_000
DELAY = 2  # minutes


def seen(provisioned: int, loads: Sequence[float], throttled: Sequence[float] = (), **more: object) -> Situation:
    """A situation with these loads in units per second, oldest first, and the last throttled events per minute."""
    events = [*[0.0] * (len(loads) - len(throttled)), *throttled]
    minutes = Minutes(NOW - 1 - DELAY, [60 * load for load in loads], events, [provisioned] * len(loads))
    return replace(Situation(provisioned, minutes, NOW), **more)  # type: ignore[arg-type]


def of(load: float, count: int = 30) -> list[float]:
    return [load] * count


UP: list[tuple[str, Policy, Situation, str]] = [
    (
        "slope",
        policy(),
        seen(840, of(668, 15) + of(812, 15)),
        "reads 812 per second, 860 expected in 6 minutes, over 97 % of 840: 840 -> 956 (target 90 %)",
    ),
    (
        "just over 97 %",
        policy(),
        seen(100, of(97.1)),
        "reads 97 per second, 97 expected in 6 minutes, over 97 % of 100: 100 -> 108 (target 90 %)",
    ),
    (
        "the greater of two minutes",
        policy(),
        seen(100, [*of(50, 8), 120, 90]),
        "reads 90 per second, 120 expected in 6 minutes, over 97 % of 100: 100 -> 134 (target 90 %)",
    ),
    (
        "no slope until 30 minutes are known",
        policy(),
        seen(100, of(10, 14) + of(98, 15)),
        "reads 98 per second, 98 expected in 6 minutes, over 97 % of 100: 100 -> 109 (target 90 %)",
    ),
    (
        "at least 2 % more",
        policy(target_utilization=Fraction(100)),
        seen(1000, of(980)),
        "reads 980 per second, 980 expected in 6 minutes, over 97 % of 1000: 1000 -> 1020 (target 100 %)",
    ),
    (
        "a target that floats cannot hold",
        policy(target_utilization=Fraction(97)),
        seen(90, of(97)),
        "reads 97 per second, 97 expected in 6 minutes, over 97 % of 90: 90 -> 100 (target 97 %)",
    ),
    (
        "headroom",
        policy(),
        seen(100, of(99), headroom=1.1),
        "reads 99 per second, 99 expected in 6 minutes, over 97 % of 100: 100 -> 121 (target 90 %, 10 % "
        "headroom learned)",
    ),
    (
        "up to max",
        policy(max_provisioned=110),
        seen(100, of(108)),
        "reads 108 per second, 108 expected in 6 minutes, over 97 % of 100: 100 -> 110 (120 needed; "
        "max-provisioned-reads is 110)",
    ),
    (
        "throttled: 1.5 times at least",
        policy(),
        seen(100, of(90), [0, 30]),
        "reads 90 per second, 30 throttled with 100 in effect: 100 -> 150 (target 90 %)",
    ),
    (
        "throttled: what was asked for",
        policy(),
        seen(100, of(95), [0, 5400]),
        "reads 95 per second, 5400 throttled with 100 in effect: 100 -> 206 (target 90 %)",
    ),
    (
        "throttled: no more than 4 times",
        policy(),
        seen(100, of(100), [0, 60000]),
        "reads 100 per second, 60000 throttled with 100 in effect: 100 -> 400 (target 90 %)",
    ),
    (
        "recurring",
        policy(),
        seen(1000, of(800), soon=Expected(60 * 1317, "Monday and Tuesday")),
        "reads 800 per second, 1,317 needed at this time on Monday and Tuesday: 1000 -> 1464 (target 90 %)",
    ),
    (
        "no more than 2.5 times what was seen",
        policy(target_utilization=Fraction(20)),
        seen(10, of(10)),
        "reads 10 per second, 10 expected in 6 minutes, over 97 % of 10: 10 -> 25 (no more than 2.5 times the load)",
    ),
    (
        "below min",
        policy(min_provisioned=200),
        seen(100, of(50)),
        "reads 50.0 % of 100: 100 -> 200 (min-provisioned-reads is 200)",
    ),
]


@pytest.mark.parametrize(("rule", "situation", "reason"), [row[1:] for row in UP], ids=[row[0] for row in UP])
def test_up(rule: Policy, situation: Situation, reason: str) -> None:
    decision = tracking.decide(rule, situation)
    assert decision.reason == reason
    assert (decision.direction, decision.units > situation.provisioned) == ("up", True)


DOWN: list[tuple[str, Policy, Situation, str]] = [
    ("as the issue has it", policy(), seen(840, of(558)), "reads: the last 10 minutes need 558 at 90 %: 840 -> 620"),
    (
        "30 % in one step",
        policy(),
        seen(1000, of(90)),
        "reads: the last 10 minutes need 90 at 90 %: 1000 -> 700; 100 in further steps",
    ),
    (
        "the greatest minute",
        policy(),
        seen(1000, [*of(100, 5), 540, *of(100, 4)]),
        "reads: the last 10 minutes need 540 at 90 %: 1000 -> 700; 600 in further steps",
    ),
    (
        "min",
        policy(min_provisioned=80),
        seen(100, of(9)),
        "reads: the last 10 minutes need 9.0 at 90 %: 100 -> 80; min-provisioned-reads is 80",
    ),
    (
        "the mean, with a target above 97 %",
        policy(target_utilization=Fraction(100)),
        seen(200, of(97)),
        "reads: the last 10 minutes consumed 97 on average: 200 -> 140; 100 in further steps",
    ),
    (
        "later",
        policy(),
        seen(1000, of(90), later=Expected(60 * 720, "the last two Sundays")),
        "reads: the next hour needed 720 on the last two Sundays, at 90 %: 1000 -> 800",
    ),
    (
        "above max",
        policy(max_provisioned=50),
        seen(100, of(80)),
        "reads 80.0 % of 100: 100 -> 50 (max-provisioned-reads is 50)",
    ),
    (
        "burst credit serves a short peak",
        policy(burst_credit=Fraction(100)),
        seen(1000, [*of(450, 9), 900]),
        # With 5 minutes of credit one minute of 900 needs 150, and all ten need (9 * 450 + 900) / 15 = 330.
        "reads: the last 10 minutes consumed 495 on average: 1000 -> 700; 511 in further steps",
    ),
]


@pytest.mark.parametrize(("rule", "situation", "reason"), [row[1:] for row in DOWN], ids=[row[0] for row in DOWN])
def test_down(rule: Policy, situation: Situation, reason: str) -> None:
    decision = tracking.decide(rule, situation)
    assert decision.reason == reason
    assert decision.direction == "down"


STAY: list[tuple[str, Policy, Situation, str]] = [
    ("at 97 %", policy(), seen(100, of(97)), "reads 97 per second of 100: stays, 108 needed"),
    ("saves too little", policy(), seen(100, of(84)), "reads 84 per second of 100: stays, saving 6 % is under 10 %"),
    ("just too little", policy(), seen(1000, of(811)), "reads 811 per second of 1000: stays, saving 9 % is under 10 %"),
    (
        "another decrease within the hour",
        policy(),
        seen(100, of(72), last_decrease=NOW - 59),
        "reads 72 per second of 100: stays, saving 20 % is under 30 %",
    ),
    (
        "soon after an increase",
        policy(),
        seen(100, of(9), last_increase=NOW - 19),
        "reads 9.0 per second of 100: stays, increased 19 min ago; a decrease waits 20 min after an increase",
    ),
    (
        "throttled",
        policy(),
        seen(400, of(9), [1, *[0.0] * 9]),
        "reads 9.0 per second of 400: stays, throttled in the last 10 minutes",
    ),
    (
        "too few minutes",
        policy(),
        seen(100, of(9, 9)),
        "reads 9.0 per second of 100: stays, only 9 of 10 minutes are known",
    ),
    ("nothing known", policy(), seen(100, []), "reads unknown of 100: stays, only 0 of 10 minutes are known"),
    (
        "stale",
        policy(),
        seen(100, of(9), now=NOW + 4),
        "reads 9.0 per second of 100: stays, the newest datapoint is 6 minutes old",
    ),
    (
        "idle",
        policy(allow_scaling_down_on_0_percent=False),
        seen(100, of(0)),
        "reads 0.0 per second of 100: stays, nothing consumed and allow-scaling-down-reads-on-0-percent is false",
    ),
    (
        "waiting",
        policy(),
        seen(100, of(9), waits="decreases have run out"),
        "reads 9.0 per second of 100: stays, decreases have run out",
    ),
    (
        "throttling not asked for",
        policy(),
        seen(100, of(9), throttling_known=False),
        "reads 9.0 per second of 100: stays, 10 needed, but it is not known yet whether anything was throttled",
    ),
    (
        "no down-scaling",
        policy(enable_down_scaling=False),
        seen(100, of(9)),
        "reads 9.0 per second of 100: stays, enable-reads-down-scaling is false",
    ),
    (
        "no up-scaling",
        policy(enable_up_scaling=False),
        seen(100, of(99)),
        "reads 99 per second of 100: stays, 110 needed",
    ),
    (
        "off",
        policy(enable_autoscaling=False),
        seen(100, of(99)),
        "reads 99 per second of 100: stays, enable-reads-autoscaling is false",
    ),
    (
        "at max",
        policy(max_provisioned=100),
        seen(100, of(99)),
        "reads 99 per second, 99 expected in 6 minutes, over 97 % of 100: stays (max-provisioned-reads is 100)",
    ),
    (
        "throttled before the capacity took effect",
        policy(),
        seen(400, of(90), [30, 0, 0], effective=NOW - 4),
        "reads 90 per second of 400: stays, throttled in the last 10 minutes",
    ),
    (
        "enough burst credit",
        policy(burst_credit=Fraction(100)),
        seen(100, of(99)),
        "reads 99 per second of 100: stays, 103 needed",
    ),
]


@pytest.mark.parametrize(("rule", "situation", "reason"), [row[1:] for row in STAY], ids=[row[0] for row in STAY])
def test_stay(rule: Policy, situation: Situation, reason: str) -> None:
    decision = tracking.decide(rule, situation)
    assert decision.reason == reason
    assert (decision.direction, decision.units) == ("stay", situation.provisioned)


def test_a_small_saving_is_made_with_the_other_axis() -> None:
    situation = seen(100, of(84), last_decrease=NOW - 10)
    alone, joined = tracking.decide(policy(), situation), tracking.decide(policy(), situation, joins=True)
    assert (alone.direction, alone.ripe) == ("stay", True)
    assert (joined.units, joined.reason) == (94, "reads: the last 10 minutes need 84 at 90 %: 100 -> 94")
    little = tracking.decide(policy(), seen(100, of(88)), joins=True)
    assert (little.units, little.ripe) == (100, False)


@pytest.mark.parametrize(
    ("held", "consumed", "throttled", "credit"),
    [
        ([10] * 3, [0, 0, 0], [0, 0, 0], 3 * 600),
        ([10] * 9, [0] * 9, [0] * 9, 5 * 600),  # a full bucket holds 5 minutes
        ([10, 10, 10], [0, 900, 0], [0, 0, 0], 900),
        ([10, 10, 10], [0, 2000, 0], [0, 0, 0], 600),  # never below 0
        ([10, 10, 10], [0, 0, 0], [0, 1, 0], 600),  # it was empty where something was throttled
        ([10, None, 10], [0, 0, 0], [0, 0, 0], 600),  # not known: adds nothing
        ([10] * 70, [600] * 60 + [300] * 10, [0] * 70, 3000),
        ([10] * 70, [0] * 10 + [600] * 60, [0] * 70, 0),  # older than an hour
    ],
)
def test_burst_credit(held: list[int | None], consumed: list[float], throttled: list[float], credit: float) -> None:
    assert tracking.burst_credit(Minutes(NOW, consumed, throttled, held)) == credit


@pytest.mark.parametrize(
    ("minutes", "credit", "run"),
    [
        ([1.0, 2.0, 3.0], 0.0, [3.0]),
        ([1.0, 2.0, 3.0], 5.0, [1.0, 2.0, 3.0]),
        ([9.0, 0.0, 0.0, 8.0], 0.0, [9.0]),
        ([0.0, 6.0, 6.0, 0.0], 1.0, [6.0, 6.0]),
        ([0.0], 0.0, [0.0]),
        ([], 5.0, []),
    ],
)
def test_the_busiest_run(minutes: list[float], credit: float, run: list[float]) -> None:
    assert list(tracking.busiest(minutes, credit)) == run


# Promises, whatever the load


LOADS = st.lists(st.integers(0, 6000).map(lambda half: half / 2), min_size=0, max_size=75)
EXPECTED = st.none() | st.integers(0, 10**6).map(lambda units: Expected(units, "Monday and Tuesday"))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    loads = draw(LOADS)
    throttled = draw(st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 600.0]), min_size=len(loads), max_size=len(loads)))
    held = draw(st.lists(st.none() | st.integers(1, 100), min_size=len(loads), max_size=len(loads)))
    return Situation(
        provisioned=draw(st.integers(1, 100)),
        minutes=Minutes(NOW - 1 - draw(st.integers(0, 10)), loads, throttled, held),
        now=NOW,
        every=Fraction(draw(st.sampled_from([1, 1, 2, 5]))),
        update=Fraction(draw(st.integers(1, 10))),
        effective=NOW - draw(st.integers(0, 30)),
        last_increase=draw(st.none() | st.integers(NOW - 100, NOW)),
        last_decrease=draw(st.none() | st.integers(NOW - 100, NOW)),
        soon=draw(EXPECTED),
        later=draw(EXPECTED),
        headroom=draw(st.floats(1, 2)),
        trust=draw(st.floats(0, 1)),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    least, most = draw(st.none() | st.integers(1, 100)), draw(st.none() | st.integers(1, 100))
    if least is not None and most is not None:
        least, most = min(least, most), max(least, most)
    return policy(
        target_utilization=Fraction(draw(st.integers(20, 100))),
        burst_credit=Fraction(draw(st.integers(0, 100))),
        min_provisioned=least,
        max_provisioned=most,
        allow_scaling_down_on_0_percent=draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None)
@given(policies(), situations(), st.booleans())
def test_limits_hold(rule: Policy, situation: Situation, joins: bool) -> None:
    decision = tracking.decide(rule, situation, joins=joins)
    now, known = situation.provisioned, situation.minutes
    assert decision.units >= rule.minimum
    assert rule.max_provisioned is None or decision.units <= rule.max_provisioned
    assert decision.direction == ("up" if decision.units > now else "down" if decision.units < now else "stay")
    cut = rule.max_provisioned is not None and now > rule.max_provisioned
    if decision.units < now and not cut:
        last = known.consumed[-10:]
        assert decision.units >= exact(last) / 60 / len(last)
        assert decision.units >= Fraction(7, 10) * now
    if decision.units > 4 * now and decision.units > rule.minimum:
        load = situation.expected
        greatest = max(load, situation.soon.units if situation.soon else 0)
        share = rule.target_utilization / 100 / Fraction(round(situation.headroom * 10**6), 10**6)
        assert decision.units <= math.ceil(Fraction(greatest) / share / 60)


@settings(max_examples=60, deadline=None)
@given(policies(), situations(), st.sampled_from(["reads", "writes"]))
def test_switches_outrank_everything(rule: Policy, situation: Situation, axis: str) -> None:
    off = replace(rule, axis=axis, enable_up_scaling=False, enable_down_scaling=False)  # type: ignore[arg-type]
    assert tracking.decide(off, situation).units == situation.provisioned
    assert tracking.decide(replace(rule, enable_autoscaling=False), situation).units == situation.provisioned


# What it must not do


def after_an_hour(run: Run) -> list[int]:
    return [minute for minute, _ in run.changes if minute > 60]


@settings(max_examples=15, deadline=None)
@given(
    load=st.integers(1, 1000).map(lambda half: half / 2),
    target=st.integers(20, 100),
    credit=st.integers(0, 100),
    headroom=st.sampled_from([1.0, 1.35, 2.0]),
)
def test_a_constant_load_is_left_alone(load: float, target: int, credit: int, headroom: float) -> None:
    rule = policy(target_utilization=Fraction(target), burst_credit=Fraction(credit), throttled_minutes_per_day=OFF)
    run = simulate(rule, [load] * 240, math.ceil(load * 100 / target * headroom), headroom=headroom)
    assert after_an_hour(run) == []


def test_a_load_that_stops_is_not_run_away_from() -> None:
    rise = [100 + 900 * minute / 30 for minute in range(31)]
    run = simulate(policy(), [100.0] * 120 + rise + [0.0] * 1500, 150)
    assert max(run.provisioned) <= 1.6 * 1000
    assert run.provisioned[-1] == 1
    with_min = simulate(policy(min_provisioned=5), [100.0] * 120 + rise + [0.0] * 1500, 150)
    assert with_min.provisioned[-1] == 5


def daily(low: float, high: float, days: int) -> list[float]:
    return [low + (high - low) * max(0.0, math.sin(2 * math.pi * minute / 1440)) ** 2 for minute in range(1440 * days)]


def test_a_max_does_not_make_it_dearer() -> None:
    load = daily(100, 1000, 4)
    free, bounded = simulate(policy(), load, 150), simulate(policy(max_provisioned=600), load, 150)
    assert bounded.unit_hours <= free.unit_hours


@pytest.mark.parametrize("older", [False, True])
def test_a_step_down_is_followed(older: bool) -> None:
    run = simulate(policy(), [800.0] * 180 + [100.0] * 240, 900, older=older)
    assert run.provisioned[-1] <= 120


def test_nothing_goes_up_twice_for_what_one_update_answers() -> None:
    """The update takes 5 minutes. What was throttled until then has been answered by it."""
    run = simulate(policy(), [100.0] * 120 + [300.0] * 60, 120, update=5, burst=0)
    ups = [(minute, str(decision.reason)) for minute, decision in run.changes if minute > 120]
    assert "throttled with 120 in effect" in ups[0][1]
    effective = ups[0][0] + 5
    assert [one for one in ups[1:] if one[0] < effective] == []
    assert "throttled" not in " ".join(reason for minute, reason in ups if minute > effective + 12)
    assert not any(run.throttled[effective + 10 :])


def test_it_never_exceeds_two_and_a_half_times_what_was_seen() -> None:
    load = ([5.0] * 50 + [400.0] + [5.0] * 20 + [900.0] * 3) * 8
    run = simulate(policy(), load, 10, burst=0)
    assert max(run.provisioned) <= 2.5 * max(load)


def test_retries_do_not_starve_it() -> None:
    run = simulate(policy(), [50.0] * 60 + [500.0] * 120, 60, retry=0.9)
    assert not any(run.throttled[-60:])


def test_a_burst_that_is_not_there_is_not_trusted() -> None:
    """Where there is no burst capacity, counting on it throttles; the trust goes down, and then little is throttled."""
    load = daily(100, 1000, 8)
    rule = policy(burst_credit=Fraction(100), target_utilization=Fraction(95))
    run = simulate(rule, load, 150, burst=0)
    days = [sum(minute > 0 for minute in run.throttled[1440 * day : 1440 * (day + 1)]) for day in range(8)]
    assert sum(days[4:]) <= sum(days[:4])
    assert days[-1] <= 5


@given(st.lists(st.floats(0, 1e9), max_size=75), st.floats(-1e-6, 1e-6), st.integers(1, 1440))
def test_floats_tell_only_what_exact_sums_confirm(loads: list[float], off: float, every: int) -> None:
    situation = seen(10, loads, every=Fraction(every))
    limit = situation.expected * (1 + Fraction(off))
    assert not situation.expects_far_less_than(limit) or situation.expected < limit


def test_floats_are_mostly_enough() -> None:
    situation = seen(10, of(9.0))
    assert situation.expects_far_less_than(situation.expected * Fraction(1_000_001, 1_000_000))
    assert not situation.expects_far_less_than(situation.expected)
