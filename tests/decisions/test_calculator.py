"""The decision, as tables of literal cases: sections 3 and 4 of docs/behaviour.md, and what holds for all of them.

Every case is written for reads and runs for writes too.
"""
# ruff: noqa: E501 - a case is one line of its table, with its reason letter for letter

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dynamic_dynamodb.configuration import loader, sections
from dynamic_dynamodb.decisions.calculator import decide, join, stay
from dynamic_dynamodb.decisions.model import AXES, Axis, Decision, Policy, Reason, Usage

SECONDS = 300  # of the window: the default look-back period

FALLBACKS = {
    "increase_consumed_unit": "increase_unit",
    "increase_consumed_with": "increase_with",
    "increase_throttled_by_provisioned_unit": "increase_unit",
    "increase_throttled_by_consumed_unit": "increase_unit",
    "decrease_consumed_unit": "decrease_unit",
    "decrease_consumed_with": "decrease_with",
}


def exact(value: float | str | Fraction) -> Fraction:
    """The decimal number as it is written, not the binary one next to it."""
    return value if isinstance(value, Fraction) else Fraction(str(value))


def policy_of(axis: Axis, options: dict[str, Any]) -> Policy:
    """A policy of options as a configuration writes them; those that fall back do."""
    fields = {key: options[general] for key, general in FALLBACKS.items() if general in options} | options
    for key, value in fields.items():
        if isinstance(value, dict):
            fields[key] = tuple(sorted((exact(step), exact(amount)) for step, amount in value.items()))
        elif key.endswith(("threshold", "percent")) and type(value) in (int, float) and "throttled" not in key:
            fields[key] = exact(value)
    return Policy(axis=axis, **fields)


def usage_of(provisioned: int, rate: float | str | Fraction, events: int = 0, answered: int = 0) -> Usage:
    """`rate` in capacity units a second; events of the whole window, since the last increase and before it."""
    return Usage(provisioned, exact(rate) * SECONDS, Fraction(events), SECONDS, Fraction(answered))


class Case(NamedTuple):
    id: str
    options: dict[str, Any]
    provisioned: int
    rate: float | str  # capacity units consumed a second
    expected: Decision  # an empty reason stands for any
    events: int = 0  # throttled in the window, since the last increase
    streak: int = 0
    answered: int = 0  # throttled in the window, before it


def up(units: int, reason: str = "", *, capped: int = 0) -> Decision:
    return Decision(units, "up", reason, streak=0, capped=capped)


def down(units: int, reason: str = "", streak: int = 1, *, forced: bool = False) -> Decision:
    """A decrease that was asked for by consumption, in enough checks."""
    return Decision(units, "down", reason, streak, ripe=True, forced=forced)


def cut(units: int, reason: str = "", streak: int = 0, *, warn: bool = False, capped: int = 0) -> Decision:
    """A decrease that max alone demands."""
    return Decision(units, "down", reason, streak, forced=True, warn=warn, capped=capped)


def same(units: int, reason: str = "", streak: int = 0, *, capped: int = 0) -> Decision:
    return Decision(units, "stay", reason, streak, capped=capped)


def check(case: Case, axis: Axis) -> None:
    usage = usage_of(case.provisioned, case.rate, case.events, case.answered)
    decision = decide(policy_of(axis, case.options), usage, case.streak)
    reason = str(case.expected.reason).replace("reads", axis) or decision.reason
    assert decision == replace(case.expected, reason=reason, floored=decision.floored)  # that one is for the joining


def cases(*table: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in table])


both_axes = pytest.mark.parametrize("axis", AXES)

SCALE = {0: 0, 70: 30, 90: 50}


# Section 3, steps 1 and 3: switches, and up


@both_axes
@cases(
    Case("reached", {}, 100, 90, up(150, "reads 90.0 % of 100 >= 90 %: 100 -> 150 (+50 %)")),
    Case("the example", {}, 100, 95, up(150, "reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)")),
    Case("a hair above", {}, 100, "90.0004", up(150, "reads 90.0004 % of 100 >= 90 %: 100 -> 150 (+50 %)")),
    Case("consumption is not rounded up", {}, 5, 4.1, same(5, "reads 82.0 % of 5: stays, above 30 %, below 90 %")),
    Case("just below", {}, 100, 89.96, same(100, "reads 89.96 % of 100: stays, above 30 %, below 90 %")),
    Case("a hair below", {}, 100, "89.9999999", same(100, "reads 89.9999999 % of 100: stays, above 30 %, below 90 %")),
    Case("between", {}, 100, 50, same(100, "reads 50.0 % of 100: stays, above 30 %, below 90 %")),
    Case("a streak ends", {"num_checks_before_scale_down": 5}, 100, 95, up(150), streak=4),
    Case("a streak ends between, too", {"num_checks_before_scale_down": 5}, 100, 50, same(100), streak=4),
    Case("exact percent: 220, not 221", {"increase_with": 10}, 200, 180, up(220)),
    Case("exact threshold", {"upper_threshold": 27.5}, 40, 11, up(60, "reads 27.5 % of 40 >= 27.5 %: 40 -> 60 (+50 %)")),
    Case("just below an exact threshold", {"upper_threshold": 27.5, "lower_threshold": 20}, 40, 10.9999, same(40)),
    Case("a tenth", {"upper_threshold": 0.1, "lower_threshold": 0.05}, 1000, 1, up(1500)),
    Case("three tenths", {"upper_threshold": 0.3, "lower_threshold": 0.05}, 1000, 3, up(1500)),
    Case("1 + 50 % is 2", {}, 1, 0.9, up(2)),
    Case("3 + 50 % is 5", {}, 3, 3, up(5)),
    Case("1 % of 101 is 2", {"increase_with": 1}, 101, 101, up(103)),
    Case("more than 100 %", {"increase_with": 300}, 100, 90, up(400, "reads 90.0 % of 100 >= 90 %: 100 -> 400 (+300 %)")),
    Case("no cap at twice", {"increase_with": 1000}, 100, 90, up(1100)),
    Case("units", {"increase_with": 7, "increase_unit": "units"}, 100, 95, up(107, "reads 95.0 % of 100 >= 90 %: 100 -> 107 (+7 units)")),
    Case("own amount", {"increase_with": 7, "increase_consumed_with": 20}, 100, 95, up(120)),
    Case("own unit", {"increase_with": 7, "increase_consumed_unit": "units"}, 100, 95, up(107)),
    Case("own unit back to percent", {"increase_with": 7, "increase_unit": "units", "increase_consumed_unit": "percent"}, 100, 100, up(107)),
    Case("own unit percent of 200", {"increase_with": 7, "increase_unit": "units", "increase_consumed_unit": "percent"}, 200, 200, up(214)),
    Case("a threshold of 0", {"upper_threshold": 0}, 100, 0, up(150, "reads 0.0 % of 100 >= 0 %: 100 -> 150 (+50 %)")),
    Case("a threshold above 100, below it", {"upper_threshold": 150}, 100, 149, same(100, "reads 149.0 % of 100: stays, above 30 %, below 150 %")),
    Case("a threshold above 100, reached", {"upper_threshold": 150}, 100, 150, up(225)),
    Case("lower above upper", {"upper_threshold": 40, "lower_threshold": 60}, 100, 50, up(150)),
)  # fmt: skip
def test_up_by_consumption(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("exactly 300, not 301", {"increase_unit": "units", "increase_with": 1}, 100, 300, up(301, "reads 300.0 % of 100 >= 90 %: 100 -> 301 (+1 units on top of 300 consumed)")),
    Case("percent", {}, 100, 300, up(450, "reads 300.0 % of 100 >= 90 %: 100 -> 450 (+50 % of 300 consumed)")),
    Case("the rate rounded up", {}, 100, "300.0000001", up(452)),
    Case("as much as is provisioned", {}, 100, 100, up(150, "reads 100.0 % of 100 >= 90 %: 100 -> 150 (+50 %)")),
    Case("a hair more", {}, 100, 100.1, up(152, "reads 100.1 % of 100 >= 90 %: 100 -> 152 (+50 % of 101 consumed)")),
    Case("by throttled events, too", {"upper_threshold": 900, "throttled_upper_threshold": 10}, 100, 200, up(300, "11 reads throttled > 10: 100 -> 300 (+50 % of 200 consumed)"), events=11),
    Case("a billion", {}, 1_000_000_000, 10**12, up(15 * 10**11)),
)  # fmt: skip
def test_base_is_the_greater_of_provisioned_and_consumed(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("below the first amount", {"increase_consumed_scale": SCALE}, 100, 69.96, same(100, "reads 69.96 % of 100: stays, above 30 %, no step of increase-consumed-reads-scale")),
    Case("between, in words", {"increase_consumed_scale": SCALE}, 100, 50, same(100, "reads 50.0 % of 100: stays, above 30 %, no step of increase-consumed-reads-scale")),
    Case("at a step", {"increase_consumed_scale": SCALE}, 100, 70, up(130, "reads 70.0 % of 100 >= 70 %: 100 -> 130 (+30 %)")),
    Case("between two steps", {"increase_consumed_scale": SCALE}, 100, 80, up(130, "reads 80.0 % of 100 >= 70 %: 100 -> 130 (+30 %)")),
    Case("just below a step", {"increase_consumed_scale": SCALE}, 100, 89.99, up(130)),
    Case("at the greatest", {"increase_consumed_scale": SCALE}, 100, 90, up(150, "reads 90.0 % of 100 >= 90 %: 100 -> 150 (+50 %)")),
    Case("above the greatest", {"increase_consumed_scale": SCALE}, 100, 200, up(300, "reads 200.0 % of 100 >= 90 %: 100 -> 300 (+50 % of 200 consumed)")),
    Case("below the least key", {"increase_consumed_scale": {70: 30}}, 100, 69, same(100)),
    Case("below the least key, down", {"increase_consumed_scale": {70: 30}}, 100, 20, down(50)),
    Case("it replaces the upper threshold", {"increase_consumed_scale": SCALE, "upper_threshold": 40}, 100, 60, same(100)),
    Case("it replaces the amount", {"increase_consumed_scale": SCALE, "increase_consumed_with": 99}, 100, 75, up(130)),
    Case("an amount of 0 in the middle", {"increase_consumed_scale": {50: 30, 70: 0, 90: 50}}, 100, 75, same(100)),
    Case("its unit", {"increase_consumed_scale": SCALE, "increase_consumed_unit": "units"}, 200, 140, up(230)),
    Case("its unit falls back", {"increase_consumed_scale": SCALE, "increase_unit": "units"}, 200, 140, up(230)),
    Case("fractional units are rounded up", {"increase_consumed_scale": {70: 2.5}, "increase_unit": "units"}, 100, 70, up(103, "reads 70.0 % of 100 >= 70 %: 100 -> 103 (+2.5 units)")),
    Case("a fractional percentage is exact", {"increase_consumed_scale": {70: 1.1}}, 1000, 700, up(1011, "reads 70.0 % of 1000 >= 70 %: 1000 -> 1011 (+1.1 %)")),
    Case("a tenth of a percent", {"increase_consumed_scale": {70: 0.1}}, 100, 70, up(101)),
    Case("a fractional key", {"increase_consumed_scale": {62.5: 10}}, 100, 62.5, up(110, "reads 62.5 % of 100 >= 62.5 %: 100 -> 110 (+10 %)")),
    Case("a key of many digits", {"increase_consumed_scale": {"62.1234567": 10}}, 100, 62.13, up(110, "reads 62.13 % of 100 >= 62.1234567 %: 100 -> 110 (+10 %)")),
    Case("a key of 0", {"increase_consumed_scale": {0: 10}}, 100, 0, up(110, "reads 0.0 % of 100 >= 0 %: 100 -> 110 (+10 %)")),
    Case("a negative key", {"increase_consumed_scale": {-10: 5}}, 100, 0, up(105, "reads 0.0 % of 100 >= -10 %: 100 -> 105 (+5 %)")),
)  # fmt: skip
def test_up_by_consumption_granular(case: Case, axis: Axis) -> None:
    check(case, axis)


EVENTS = {"throttled_upper_threshold": 10}
BY_PROVISIONED = {"increase_throttled_by_provisioned_scale": {5: 20, 10: 40}}  # 300 events are 1 % of 100
BY_CONSUMED = {"increase_throttled_by_consumed_scale": {5: 20, 10: 40}}  # 150 events are 1 % of 50 a second


@both_axes
@cases(
    Case("above", EVENTS, 100, 50, up(150, "11 reads throttled > 10: 100 -> 150 (+50 %)"), events=11),
    Case("at the threshold is not above", EVENTS, 100, 50, same(100), events=10),
    Case("without a threshold", {}, 100, 50, same(100), events=10_000),
    Case("amount", EVENTS | {"increase_with": 20, "increase_consumed_with": 80}, 100, 50, up(120), events=11),
    Case("unit", EVENTS | {"increase_unit": "units", "increase_consumed_unit": "percent"}, 200, 50, up(250, "11 reads throttled > 10: 200 -> 250 (+50 units)"), events=11),
    Case("nothing consumed", EVENTS, 100, 0, up(150), events=11),
    Case("rather than down", EVENTS, 100, 10, up(150), events=11, streak=1),
)  # fmt: skip
def test_up_by_throttled_events(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("at a step", BY_PROVISIONED, 100, 50, up(120, "reads throttled 5.0 % of 100 provisioned >= 5 %: 100 -> 120 (+20 %)"), events=1500),
    Case("below the least", BY_PROVISIONED, 100, 50, same(100), events=1499),
    Case("between", BY_PROVISIONED, 100, 50, up(120, "reads throttled 9.997 % of 100 provisioned >= 5 %: 100 -> 120 (+20 %)"), events=2999),
    Case("at the greatest", BY_PROVISIONED, 100, 50, up(140, "reads throttled 10.0 % of 100 provisioned >= 10 %: 100 -> 140 (+40 %)"), events=3000),
    Case("above the greatest", BY_PROVISIONED, 100, 50, up(140), events=300_000),
    Case("of what is provisioned", BY_PROVISIONED, 200, 100, same(200), events=1500),
    Case("unit", BY_PROVISIONED | {"increase_throttled_by_provisioned_unit": "units"}, 200, 100, up(220, "reads throttled 5.0 % of 200 provisioned >= 5 %: 200 -> 220 (+20 units)"), events=3000),
    Case("unit falls back", BY_PROVISIONED | {"increase_unit": "units"}, 200, 100, up(220), events=3000),
    Case("unit back to percent", BY_PROVISIONED | {"increase_unit": "units", "increase_throttled_by_provisioned_unit": "percent"}, 200, 100, up(240), events=3000),
    Case("not the unit of consumption", BY_PROVISIONED | {"increase_consumed_unit": "units"}, 200, 100, up(240), events=3000),
    Case("key 0 without events", {"increase_throttled_by_provisioned_scale": {0: 20}}, 100, 50, same(100)),
    Case("key 0 with one event", {"increase_throttled_by_provisioned_scale": {0: 20}}, 100, 50, up(120, "reads throttled 0.003 % of 100 provisioned >= 0 %: 100 -> 120 (+20 %)"), events=1),
    Case("negative key without events", {"increase_throttled_by_provisioned_scale": {-5: 20}}, 100, 50, same(100)),
    Case("amount 0", {"increase_throttled_by_provisioned_scale": {0: 0}}, 100, 50, same(100), events=1),
    Case("fractional units", {"increase_throttled_by_provisioned_scale": {0: 0.5}, "increase_unit": "units"}, 100, 50, up(101), events=1),
)  # fmt: skip
def test_up_by_throttled_of_provisioned(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("at a step", BY_CONSUMED, 100, 50, up(120, "reads throttled 5.0 % of consumed >= 5 %: 100 -> 120 (+20 %)"), events=750),
    Case("below the least", BY_CONSUMED, 100, 50, same(100), events=749),
    Case("just below a step", BY_CONSUMED, 100, 50, up(120), events=1499),
    Case("at the greatest", BY_CONSUMED, 100, 50, up(140, "reads throttled 10.0 % of consumed >= 10 %: 100 -> 140 (+40 %)"), events=1500),
    Case("of what is consumed, whatever is provisioned", BY_CONSUMED, 120, 50, up(144), events=750),
    Case("nothing consumed is above every step", BY_CONSUMED, 100, 0, up(140, "1 reads throttled, none consumed: 100 -> 140 (+40 %)"), events=1),
    Case("nothing consumed, last step of 0", {"increase_throttled_by_consumed_scale": {5: 20, 10: 0}}, 100, 0, same(100), events=1),
    Case("nothing consumed, nothing throttled", BY_CONSUMED, 100, 0, same(100)),
    Case("unit", BY_CONSUMED | {"increase_throttled_by_consumed_unit": "units"}, 200, 100, up(220, "reads throttled 5.0 % of consumed >= 5 %: 200 -> 220 (+20 units)"), events=1500),
    Case("unit falls back", BY_CONSUMED | {"increase_unit": "units"}, 200, 100, up(220), events=1500),
    Case("key 0 without events", {"increase_throttled_by_consumed_scale": {0: 20}}, 100, 50, same(100)),
    Case("key 0 with one event", {"increase_throttled_by_consumed_scale": {0: 20}}, 100, 50, up(120), events=1),
)  # fmt: skip
def test_up_by_throttled_of_consumed(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("throttled wins", {**BY_PROVISIONED, "increase_consumed_with": 10}, 100, 95, up(140, "reads throttled 10.0 % of 100 provisioned >= 10 %: 100 -> 140 (+40 %)"), events=3000),
    Case("consumption wins", BY_PROVISIONED, 100, 95, up(150, "reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)"), events=3000),
    Case("events win", {**EVENTS, "increase_with": 80, "increase_consumed_with": 10}, 100, 95, up(180, "20 reads throttled > 10: 100 -> 180 (+80 %)"), events=20),
    Case("by consumed wins", {**BY_PROVISIONED, "increase_throttled_by_consumed_scale": {0: 70}}, 100, 95, up(170), events=3000),
    Case("equal: the first of the table", {**EVENTS}, 100, 95, up(150, "reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)"), events=20),
    Case("units against percent", {**EVENTS, "increase_unit": "units", "increase_consumed_unit": "percent", "increase_with": 10}, 200, 190, up(220, "reads 95.0 % of 200 >= 90 %: 200 -> 220 (+10 %)"), events=20),
)  # fmt: skip
def test_the_greatest_candidate_wins(case: Case, axis: Axis) -> None:
    check(case, axis)


# Section 3, step 4: down


@both_axes
@cases(
    Case("reached", {}, 100, 30, down(50, "reads 30.0 % of 100 <= 30 %: 100 -> 50 (-50 %)")),
    Case("below", {}, 100, 10, down(50, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %)")),
    Case("just above", {}, 100, 30.04, same(100, "reads 30.04 % of 100: stays, above 30 %, below 90 %")),
    Case("just below", {}, 100, 29.99, down(50, "reads 29.99 % of 100 <= 30 %: 100 -> 50 (-50 %)")),
    Case("the part is rounded down", {}, 5, 0.5, down(3)),
    Case("30 % of 5 is 1", {"decrease_with": 30}, 5, 0.5, down(4)),
    Case("at least 1 unit: 0.5 would be none", {"decrease_with": 10}, 5, 1, down(4, "reads 20.0 % of 5 <= 30 %: 5 -> 4 (-10 %, at least 1 unit)")),
    Case("at least 1 unit: the example", {"decrease_with": 10}, 9, 1, down(8, "reads 11.1 % of 9 <= 30 %: 9 -> 8 (-10 %, at least 1 unit)")),
    Case("exactly 1 unit", {"decrease_with": 10}, 10, 1, down(9, "reads 10.0 % of 10 <= 30 %: 10 -> 9 (-10 %)")),
    Case("at least 1 unit, the minimum permitting", {"decrease_with": 10, "min_provisioned": 5}, 5, 1, same(5, "reads 20.0 % of 5 <= 30 %: stays, min-provisioned-reads is 5")),
    Case("at least 1 unit, 1 permitting", {"decrease_with": 10}, 1, 0.1, same(1, "reads 10.0 % of 1 <= 30 %: stays, 1 is the minimum")),
    Case("at least 1 unit, the load permitting", {"decrease_with": 10, "upper_threshold": 32}, 3, 0.9, same(3, "reads 30.0 % of 3 <= 30 %: stays, 0.9 consumed would not stay below 32 % with less")),
    Case("at least 1 unit, after several checks", {"decrease_with": 10, "num_checks_before_scale_down": 2}, 9, 1, same(9, "reads 11.1 % of 9 <= 30 %: hold, check 1 of 2", streak=1)),
    Case("units", {"decrease_unit": "units", "decrease_with": 30}, 100, 10, down(70, "reads 10.0 % of 100 <= 30 %: 100 -> 70 (-30 units)")),
    Case("own amount", {"decrease_with": 30, "decrease_consumed_with": 20}, 100, 10, down(80)),
    Case("own unit", {"decrease_with": 30, "decrease_consumed_unit": "units"}, 200, 10, down(170)),
    Case("own unit back to percent", {"decrease_with": 30, "decrease_unit": "units", "decrease_consumed_unit": "percent"}, 200, 10, down(140)),
    Case("switched off", {"enable_down_scaling": False}, 100, 10, same(100, "reads 10.0 % of 100: stays, enable-reads-down-scaling is false"), streak=1),
    Case("up switched off: not up", {"enable_up_scaling": False}, 100, 95, same(100, "reads 95.0 % of 100: stays, above 30 %, enable-reads-up-scaling is false"), events=99),
    Case("up switched off: still down", {"enable_up_scaling": False}, 100, 10, down(50)),
    Case("autoscaling off: not up", {"enable_autoscaling": False}, 100, 95, same(100, "reads 95.0 % of 100: stays, enable-reads-autoscaling is false")),
    Case("autoscaling off: not down, streak 0", {"enable_autoscaling": False, "num_checks_before_scale_down": 5}, 100, 10, same(100), streak=3),
)  # fmt: skip
def test_down(case: Case, axis: Axis) -> None:
    check(case, axis)


DOWN_SCALE = {"decrease_consumed_scale": {10: 60, 30: 20}}


@both_axes
@cases(
    Case("below the least key", DOWN_SCALE, 100, 5, down(40, "reads 5.0 % of 100 <= 10 %: 100 -> 40 (-60 %)")),
    Case("at the least key", DOWN_SCALE, 100, 10, down(40)),
    Case("just above it", DOWN_SCALE, 100, 10.01, down(80, "reads 10.01 % of 100 <= 30 %: 100 -> 80 (-20 %)")),
    Case("at the greatest", DOWN_SCALE, 100, 30, down(80)),
    Case("above the greatest", DOWN_SCALE, 100, 30.5, same(100, "reads 30.5 % of 100: stays, no step of decrease-consumed-reads-scale, below 90 %")),
    Case("the lower threshold is not used", DOWN_SCALE | {"lower_threshold": 80}, 100, 60, same(100)),
    Case("nor is it needed", DOWN_SCALE | {"lower_threshold": 0}, 100, 20, down(80)),
    Case("nor the amount", DOWN_SCALE | {"decrease_consumed_with": 1}, 100, 20, down(80)),
    Case("unit", DOWN_SCALE | {"decrease_consumed_unit": "units"}, 200, 40, down(180)),
    Case("unit falls back", DOWN_SCALE | {"decrease_unit": "units"}, 200, 40, down(180)),
    Case("fractional units are rounded down", {"decrease_consumed_scale": {30: 2.9}, "decrease_unit": "units"}, 100, 10, down(98, "reads 10.0 % of 100 <= 30 %: 100 -> 98 (-2.9 units)")),
    Case("half a unit is one", {"decrease_consumed_scale": {30: 0.5}, "decrease_unit": "units"}, 100, 10, down(99, "reads 10.0 % of 100 <= 30 %: 100 -> 99 (-0.5 units, at least 1 unit)")),
    Case("half a percent of 100 is one", {"decrease_consumed_scale": {30: 0.5}}, 100, 10, down(99, "reads 10.0 % of 100 <= 30 %: 100 -> 99 (-0.5 %, at least 1 unit)")),
    Case("a fractional percentage is exact", {"decrease_consumed_scale": {30: 0.57}}, 10_000, 100, down(9943)),
    Case("an amount of 0", {"decrease_consumed_scale": {10: 0, 30: 20}}, 100, 5, same(100)),
    Case("a key of 0", {"decrease_consumed_scale": {0: 50}, "allow_scaling_down_on_0_percent": True}, 100, 0, down(50, "reads 0.0 % of 100 <= 0 %: 100 -> 50 (-50 %)")),
    Case("a key of 0, not allowed", {"decrease_consumed_scale": {0: 50}}, 100, 0, same(100)),
    Case("a negative key is never reached", {"decrease_consumed_scale": {-5: 50}, "allow_scaling_down_on_0_percent": True}, 100, 0, same(100)),
    Case("both scales, between", DOWN_SCALE | {"increase_consumed_scale": SCALE}, 100, 50, same(100, "reads 50.0 % of 100: stays, no step of decrease-consumed-reads-scale, no step of increase-consumed-reads-scale")),
)  # fmt: skip
def test_down_granular(case: Case, axis: Axis) -> None:
    check(case, axis)


ZERO = {"allow_scaling_down_on_0_percent": True}


@both_axes
@cases(
    Case("held", {}, 100, 0, same(100, "reads 0.0 % of 100: stays, nothing consumed and allow-scaling-down-reads-on-0-percent is false"), streak=1),
    Case("allowed", ZERO, 100, 0, down(50, "reads 0.0 % of 100 <= 30 %: 100 -> 50 (-50 %)")),
    Case("nearly nothing is not nothing", {}, 100, "0.0001", down(50)),
    Case("a lower threshold of 0", ZERO | {"lower_threshold": 0}, 100, 0, down(50)),
    Case("a lower threshold of 0, not reached", ZERO | {"lower_threshold": 0}, 100, "0.001", same(100, "reads 0.001 % of 100: stays, above 0 %, below 90 %")),
    Case("down to 1", ZERO | {"decrease_with": 100}, 3, 0, down(1, "reads 0.0 % of 3 <= 30 %: 3 -> 1 (-100 % would be 0; 1 is the minimum)")),
    Case("throttled: held", EVENTS | {"enable_up_scaling": False}, 100, 10, same(100, "reads 10.0 % of 100: stays, 11 reads throttled > 10 (throttled-reads-upper-threshold)"), events=11, streak=1),
    Case("throttled, at the threshold", EVENTS | {"enable_up_scaling": False}, 100, 10, down(50), events=10),
    Case("throttled, no threshold", {}, 100, 10, down(50), events=9999),
    Case("throttled, below every step", BY_PROVISIONED | BY_CONSUMED, 100, 10, down(50), events=3),
)  # fmt: skip
def test_what_holds_a_decrease(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("the example", EVENTS, 150, 20, same(150, "reads 13.3 % of 150: stays, 500 reads throttled > 10 (throttled-reads-upper-threshold; 500 events before the last increase)"), answered=500, streak=1),
    Case("no increase for what was answered", EVENTS, 100, 50, same(100, "reads 50.0 % of 100: stays, 500 reads throttled > 10 (throttled-reads-upper-threshold; 500 events before the last increase)"), answered=500),
    Case("before and after add up", EVENTS, 100, 10, same(100, "reads 10.0 % of 100: stays, 11 reads throttled > 10 (throttled-reads-upper-threshold; 6 events before the last increase)"), events=5, answered=6),
    Case("added up, not more than the threshold", EVENTS, 100, 10, down(50), events=5, answered=5),
    Case("more than the threshold since: up", EVENTS, 100, 10, up(150, "11 reads throttled > 10: 100 -> 150 (+50 %)"), events=11, answered=500),
    Case("asks for more by consumption, as before", EVENTS, 100, 95, up(150, "reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)"), answered=500),
    Case("a step of provisioned", BY_PROVISIONED, 100, 10, same(100, "reads 10.0 % of 100: stays, reads throttled 10.0 % of 100 provisioned >= 10 % (increase-throttled-by-provisioned-reads-scale; 3000 events before the last increase)"), answered=3000),
    Case("a step of consumed", BY_CONSUMED, 100, 10, same(100, "reads 10.0 % of 100: stays, reads throttled 10.0 % of consumed >= 10 % (increase-throttled-by-consumed-reads-scale; 300 events before the last increase)"), answered=300),
    Case("a step of consumed, nothing consumed", BY_CONSUMED | ZERO, 100, 0, same(100, "reads 0.0 % of 100: stays, 1 reads throttled, none consumed (increase-throttled-by-consumed-reads-scale; 1 events before the last increase)"), answered=1),
    Case("a step, up switched off", BY_PROVISIONED | {"enable_up_scaling": False}, 100, 10, same(100, "reads 10.0 % of 100: stays, reads throttled 10.0 % of 100 provisioned >= 10 % (increase-throttled-by-provisioned-reads-scale)"), events=3000),
    Case("below every step", BY_PROVISIONED | BY_CONSUMED, 100, 10, down(50), answered=3),
    Case("a step of amount 0 asks for nothing", {"increase_throttled_by_consumed_scale": {1: 0}}, 100, 10, down(50), answered=300),
    Case("no option", {}, 100, 10, down(50), answered=9999),
    Case("at max, which another increase would exceed", EVENTS | {"max_provisioned": 100}, 100, 10, same(100), answered=500),
    Case("above max: cut, but no further", EVENTS | {"max_provisioned": 80}, 100, 10, cut(80, "reads 10.0 % of 100: 100 -> 80 (max-provisioned-reads is 80)"), answered=500),
    Case("the streak ends", EVENTS | {"num_checks_before_scale_down": 3}, 100, 10, same(100), answered=500, streak=2),
)  # fmt: skip
def test_who_was_throttled_is_not_lowered(case: Case, axis: Axis) -> None:
    check(case, axis)


CUT_70 = {"lower_threshold": 40, "decrease_with": 70}


@both_axes
@cases(
    Case("the example", CUT_70, 100, 40, down(45, "reads 40.0 % of 100 <= 40 %: 100 -> 45 (-70 % would be 30; 45 keeps 40.0 consumed below 90 %)")),
    Case("the load floor is not 90 % itself", CUT_70, 100, 36, down(41)),
    Case("a hair less", CUT_70, 100, "35.9999", down(40)),
    Case("a floor below the wish", CUT_70, 100, 20, down(30, "reads 20.0 % of 100 <= 40 %: 100 -> 30 (-70 %)")),
    Case("floor and wish are equal", CUT_70, 100, "26.5", down(30, "reads 26.5 % of 100 <= 40 %: 100 -> 30 (-70 %)")),
    Case("min above the load floor", CUT_70 | {"min_provisioned": 50}, 100, 40, down(50, "reads 40.0 % of 100 <= 40 %: 100 -> 50 (-70 % would be 30; min-provisioned-reads is 50)")),
    Case("min is the load floor", CUT_70 | {"min_provisioned": 45}, 100, 40, down(45, "reads 40.0 % of 100 <= 40 %: 100 -> 45 (-70 % would be 30; min-provisioned-reads is 45)")),
    Case("min below the load floor", CUT_70 | {"min_provisioned": 44}, 100, 40, down(45)),
    Case("min alone", {"decrease_with": 90, "min_provisioned": 20}, 100, 5, down(20, "reads 5.0 % of 100 <= 30 %: 100 -> 20 (-90 % would be 10; min-provisioned-reads is 20)")),
    Case("more than 100 % ends at the floor", {"decrease_with": 200}, 100, 5, down(6)),
    Case("more units than there are", {"decrease_with": 150, "decrease_unit": "units"}, 100, 5, down(6, "reads 5.0 % of 100 <= 30 %: 100 -> 6 (-150 units would be -50; 6 keeps 5.0 consumed below 90 %)")),
    Case("at min", {"min_provisioned": 20}, 20, 1, same(20, "reads 5.0 % of 20 <= 30 %: stays, min-provisioned-reads is 20"), streak=1),
    Case("at 1", {}, 1, 0.2, same(1, "reads 20.0 % of 1 <= 30 %: stays, 1 is the minimum"), streak=1),
    Case("at the load floor", CUT_70 | {"lower_threshold": 89}, 45, 40, same(45, "reads 88.9 % of 45 <= 89 %: stays, 40.0 consumed would not stay below 90 % with less"), streak=1),
    Case("below a scale's first amount", CUT_70 | {"increase_consumed_scale": SCALE}, 100, 35, down(51, "reads 35.0 % of 100 <= 40 %: 100 -> 51 (-70 % would be 30; 51 keeps 35.0 consumed below 70 %)")),
    Case("a scale's keys in any order", CUT_70 | {"increase_consumed_scale": {90: 50, 70: 30, 10: 0}}, 100, 35, down(51)),
    Case("a scale's first step holds amount 0", CUT_70 | {"increase_consumed_scale": {20: 0, 50: 10}}, 100, 35, down(71)),
    Case("a scale without any amount", CUT_70 | {"increase_consumed_scale": {70: 0}}, 100, 35.5, down(36, "reads 35.5 % of 100 <= 40 %: 100 -> 36 (-70 % would be 30; 36 keeps 35.5 consumed within what is provisioned)")),
    Case("never below the rate", CUT_70 | {"upper_threshold": 200}, 100, 40, down(40, "reads 40.0 % of 100 <= 40 %: 100 -> 40 (-70 % would be 30; 40 keeps 40.0 consumed within what is provisioned)")),
    Case("never below the rate rounded up", CUT_70 | {"upper_threshold": 200}, 100, 39.1, down(40)),
    Case("at the rate", {"upper_threshold": 200, "lower_threshold": 110}, 40, 40, same(40, "reads 100.0 % of 40 <= 110 %: stays, 40.0 consumed would not stay within what is provisioned with less")),
    Case("a threshold of exactly 100", CUT_70 | {"upper_threshold": 100}, 100, 40, down(41)),
    Case("a fractional threshold", CUT_70 | {"upper_threshold": 62.5}, 100, 40, down(65, "reads 40.0 % of 100 <= 40 %: 100 -> 65 (-70 % would be 30; 65 keeps 40.0 consumed below 62.5 %)")),
    Case("a threshold of 0, up switched off", {"upper_threshold": 0, "enable_up_scaling": False}, 100, 10, same(100, "reads 10.0 % of 100 <= 30 %: stays, 10.0 consumed would not stay below 0 % with less")),
    Case("a scale key of 0, up switched off", {"increase_consumed_scale": {0: 10}, "enable_up_scaling": False}, 100, 10, same(100)),
    Case("a negative scale key, up switched off", {"increase_consumed_scale": {-5: 10}, "enable_up_scaling": False}, 100, 10, same(100)),
    Case("up switched off: the load floor stands", CUT_70 | {"enable_up_scaling": False}, 100, 40, down(45)),
    Case("nothing consumed", CUT_70 | ZERO, 100, 0, down(30)),
)  # fmt: skip
def test_floors(case: Case, axis: Axis) -> None:
    check(case, axis)


GOAL_3 = {"num_checks_before_scale_down": 3}


@both_axes
@cases(
    Case("the first", GOAL_3, 50, 6, same(50, "reads 12.0 % of 50 <= 30 %: hold, check 1 of 3", streak=1)),
    Case("the example", GOAL_3, 50, 6, same(50, "reads 12.0 % of 50 <= 30 %: hold, check 2 of 3", streak=2), streak=1),
    Case("the last", GOAL_3, 50, 6, down(25, "reads 12.0 % of 50 <= 30 %: 50 -> 25 (-50 %)", streak=3), streak=2),
    Case("it stays at its goal", GOAL_3, 50, 6, down(25, streak=3), streak=3),
    Case("a goal lowered meanwhile", GOAL_3, 50, 6, down(25, streak=3), streak=10),
    Case("a goal of 1", {}, 50, 6, down(25, streak=1)),
    Case("between the thresholds: 0", GOAL_3, 50, 25, same(50), streak=2),
    Case("up: 0", GOAL_3, 50, 50, up(75), streak=2),
    Case("up, but at max: 0", GOAL_3 | {"max_provisioned": 50}, 50, 50, same(50, capped=75), streak=2),
    Case("nothing consumed: 0", GOAL_3, 50, 0, same(50), streak=2),
    Case("at min: 0", GOAL_3 | {"min_provisioned": 50}, 50, 6, same(50), streak=2),
    Case("the load floor leaves nothing: 0", GOAL_3 | {"upper_threshold": 32}, 3, 0.9, same(3), streak=2),
    Case("throttled: 0", GOAL_3 | EVENTS | {"enable_up_scaling": False}, 50, 6, same(50), events=11, streak=2),
    Case("down switched off: 0", GOAL_3 | {"enable_down_scaling": False}, 50, 6, same(50), streak=2),
    Case("reset, above", GOAL_3 | {"num_checks_reset_percent": 10}, 50, 6, same(50, "reads 12.0 % of 50 <= 30 %: hold, check 1 of 3", streak=1), streak=2),
    Case("reset, exactly", GOAL_3 | {"num_checks_reset_percent": 12}, 50, 6, same(50, streak=1), streak=2),
    Case("reset, below", GOAL_3 | {"num_checks_reset_percent": 12.1}, 50, 6, down(25, streak=3), streak=2),
    Case("reset, off", GOAL_3 | {"num_checks_reset_percent": 0}, 50, 6, down(25, streak=3), streak=2),
    Case("reset, a goal of 1", {"num_checks_reset_percent": 10}, 50, 6, down(25, streak=1), streak=1),
)  # fmt: skip
def test_streaks(case: Case, axis: Axis) -> None:
    check(case, axis)


# Section 3, step 5: limits

MAX_80 = {"max_provisioned": 80}
MIN_50 = {"min_provisioned": 50}


@both_axes
@cases(
    Case("up to max", {"max_provisioned": 120}, 100, 95, up(120, "reads 95.0 % of 100 >= 90 %: 100 -> 120 (+50 % would be 150; max-provisioned-reads is 120)", capped=150)),
    Case("max is the wish", {"max_provisioned": 150}, 100, 95, up(150, "reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)")),
    Case("at max", {"max_provisioned": 100}, 100, 95, same(100, "reads 95.0 % of 100 >= 90 %: stays (+50 % would be 150; max-provisioned-reads is 100)", capped=150)),
    Case("more consumed than max: more beats none", {"max_provisioned": 120}, 100, 500, up(120, "reads 500.0 % of 100 >= 90 %: 100 -> 120 (+50 % of 500 consumed would be 750; max-provisioned-reads is 120)", capped=750)),
    Case("above max, busy", MAX_80, 100, 50, cut(80, "reads 50.0 % of 100: 100 -> 80 (max-provisioned-reads is 80)")),
    Case("above max, nothing consumed", MAX_80, 100, 0, cut(80)),
    Case("above max, asks for more", MAX_80, 100, 95, cut(80, "reads 95.0 % of 100: 100 -> 80 (max-provisioned-reads is 80)", warn=True, capped=150)),
    Case("above max, just served", MAX_80, 100, 80, cut(80)),
    Case("above max, just not served", MAX_80, 100, 80.01, cut(80, warn=True)),
    Case("above max, throttled", MAX_80 | EVENTS, 100, 50, cut(80, capped=150), events=11),
    Case("above max, the streak counts on", MAX_80 | GOAL_3, 100, 10, cut(80, streak=2), streak=1),
    Case("above max, the streak ends", MAX_80 | GOAL_3, 100, 50, cut(80), streak=1),
    Case("above max, low: as low as asked", MAX_80, 100, 10, down(50, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %)", forced=True)),
    Case("above max, low, but not low enough", MAX_80 | {"decrease_with": 10}, 100, 10, down(80, "reads 10.0 % of 100: 100 -> 80 (max-provisioned-reads is 80)", forced=True)),
    Case("above max, load floor above max", MAX_80 | {"lower_threshold": 80, "upper_threshold": 85}, 100, 75, down(80, forced=True)),
    Case("above max, down to min", {"min_provisioned": 80, "max_provisioned": 80}, 100, 10, down(80, forced=True)),
    Case("above max, switched off", MAX_80 | {"enable_down_scaling": False}, 100, 50, same(100, "reads 50.0 % of 100: stays, max-provisioned-reads is 80 but enable-reads-down-scaling is false")),
    Case("above max, switched off, asks for more", MAX_80 | {"enable_down_scaling": False}, 100, 95, same(100, capped=150)),
    Case("below min, busy", MIN_50, 10, 5, up(50, "reads 50.0 % of 10: 10 -> 50 (min-provisioned-reads is 50)")),
    Case("below min, nothing consumed", MIN_50, 10, 0, up(50)),
    Case("below min, asks for less", MIN_50, 10, 1, up(50), streak=1),
    Case("below min, asks for less than min", MIN_50, 10, 9.5, up(50, "reads 95.0 % of 10: 10 -> 50 (min-provisioned-reads is 50)")),
    Case("below min, asks for more than min", MIN_50, 10, 100, up(150, "reads 1000.0 % of 10 >= 90 %: 10 -> 150 (+50 % of 100 consumed)")),
    Case("below min, more consumed than min: no cut, no warning", MIN_50 | {"upper_threshold": 1000}, 10, 60, up(50)),
    Case("below min, switched off", MIN_50 | {"enable_up_scaling": False}, 10, 5, same(10, "reads 50.0 % of 10: stays, min-provisioned-reads is 50 but enable-reads-up-scaling is false")),
    Case("below min, switched off, low", MIN_50 | {"enable_up_scaling": False}, 10, 1, same(10), streak=1),
    Case("at min and max", {"min_provisioned": 50, "max_provisioned": 50}, 50, 25, same(50, "reads 50.0 % of 50: stays, above 30 %, below 90 %")),
)  # fmt: skip
def test_limits(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@cases(
    Case("no increase", {"increase_with": 0}, 100, 95, same(100, "reads 95.0 % of 100: stays, above 30 %, increase-reads-with is 0")),
    Case("no increase in units", {"increase_with": 0, "increase_unit": "units"}, 100, 95, same(100)),
    Case("no increase for events", {"increase_with": 0, "throttled_upper_threshold": 10}, 100, 50, same(100), events=11),
    Case("but for consumption", {"increase_with": 0, "increase_consumed_with": 5}, 100, 95, up(105)),
    Case("but by a scale", {"increase_with": 0, "increase_consumed_scale": ((90, 5),)}, 100, 95, up(105)),
    Case("no decrease", {"decrease_with": 0}, 100, 10, same(100, "reads 10.0 % of 100: stays, decrease-reads-with is 0")),
    Case("no decrease in units", {"decrease_with": 0, "decrease_unit": "units"}, 100, 10, same(100)),
    Case("no decrease but by a scale", {"decrease_with": 0, "decrease_consumed_scale": ((30, 5),)}, 100, 10, down(95)),
    Case("min still holds", {"increase_with": 0} | MIN_50, 10, 5, up(50, "reads 50.0 % of 10: 10 -> 50 (min-provisioned-reads is 50)")),
    Case("max still holds", {"decrease_with": 0, "max_provisioned": 80}, 100, 10, cut(80, "reads 10.0 % of 100: 100 -> 80 (max-provisioned-reads is 80)")),
)  # fmt: skip
def test_an_amount_of_0_is_no_candidate(case: Case, axis: Axis) -> None:
    check(case, axis)


@both_axes
@pytest.mark.parametrize("rate", [0, 1, 50, 95, 300])
@pytest.mark.parametrize(("auto", "ups", "downs"), list(itertools.product([True, False], repeat=3)))
def test_switches_outrank_limits(axis: Axis, rate: int, auto: bool, ups: bool, downs: bool) -> None:
    switches = {"enable_autoscaling": auto, "enable_up_scaling": ups, "enable_down_scaling": downs}
    above = decide(policy_of(axis, switches | {"max_provisioned": 20}), usage_of(100, rate), 0)
    assert above.units == (20 if auto and downs else 100)
    assert above.forced == above.direction.startswith("down") == (auto and downs)
    assert above.warn == (auto and downs and rate > 20)
    below = decide(policy_of(axis, switches | {"min_provisioned": 1000}), usage_of(100, rate), 0)
    assert below.units == (1000 if auto and ups else 100)
    assert not below.forced
    assert not below.warn
    free = decide(policy_of(axis, switches), usage_of(100, rate), 0)
    assert free.direction == {1: "down" if downs else "stay", 95: "up" if ups else "stay"}.get(
        rate if auto else 0, "up" if auto and ups and rate == 300 else "stay"
    )


@both_axes
def test_an_axis_left_alone_without_a_look(axis: Axis) -> None:
    decision = stay(policy_of(axis, {}), 100, "AWS manages the writes of a global table", "aws")
    assert decision == same(100, f"{axis} 100: stays, AWS manages the writes of a global table")


# The fall-backs of the table are those of the configuration


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"increase_with": "20", "increase_unit": "units", "decrease_with": "30", "decrease_unit": "units"},
        {"increase_with": "20", "increase_consumed_with": "5", "increase_consumed_unit": "units"},
        {"decrease_with": "20", "decrease_consumed_with": "5", "decrease_consumed_unit": "units"},
        {"increase_throttled_by_provisioned_unit": "units", "increase_throttled_by_consumed_unit": "units"},
    ],
    ids=lambda options: ", ".join(options) or "nothing set",
)
@both_axes
def test_fall_backs(tmp_path: Path, axis: Axis, options: dict[str, str]) -> None:
    file = tmp_path / "dynamic-dynamodb.conf"
    lines = [
        f"{key.replace('_', '-').replace('-unit', f'-{axis}-unit').replace('-with', f'-{axis}-with')}: {value}"
        for key, value in options.items()
    ]
    file.write_text("\n".join(["[table: t]", *lines]))
    section = loader.load({"config": str(file)}).config["tables"]["t"]
    numbers = {key: int(value) if value.isdigit() else value for key, value in options.items()}
    assert sections.policy(section, axis) == policy_of(axis, numbers)
    other: Axis = "writes" if axis == "reads" else "reads"
    assert sections.policy(section, other) == policy_of(other, {})


# Section 4: joining


class Side(NamedTuple):
    options: dict[str, Any]
    provisioned: int
    rate: float
    streak: int = 0
    events: int = 0  # throttled since the last increase
    answered: int = 0  # and before it

    def usage(self) -> Usage:
        return usage_of(self.provisioned, self.rate, self.events, self.answered)


LOW = Side({}, 100, 10)  # asks for 50
BUSY = Side({}, 100, 50)  # asks for nothing
HIGH = Side({}, 100, 95)  # asks for 150
AT_1 = Side({}, 1, 0.5)
AT_MIN = Side({"min_provisioned": 20}, 20, 10)
BELOW_MIN = Side({"min_provisioned": 20}, 10, 5)
WAITING = Side(GOAL_3, 100, 10, streak=1)  # asks for less, not often enough yet
RIPE = Side(GOAL_3, 100, 10, streak=3)  # asks for less, and has for long
CUT = Side({"max_provisioned": 80}, 100, 50)  # above max, asks for nothing
CUT_LOW = Side({"max_provisioned": 80}, 100, 10)  # above max, asks for 50
CUT_WAITING = Side({"max_provisioned": 80} | GOAL_3, 100, 10, streak=1)
OFF = Side({"enable_autoscaling": False}, 100, 10)
OFF_AT_1 = Side({"enable_autoscaling": False}, 1, 0)
NOT_DOWN = Side({"enable_down_scaling": False}, 100, 10)
NOT_DOWN_HIGH = Side({"enable_down_scaling": False}, 100, 95)
NOT_UP = Side({"enable_up_scaling": False}, 100, 95)
IDLE = Side({}, 100, 0)
IDLE_ALLOWED = Side(ZERO, 100, 0)
IDLE_WAITING = Side(ZERO | GOAL_3, 100, 0, streak=1)
FLOORED = Side({"upper_threshold": 32}, 3, 0.9)  # asks for less, but 2 would be too little for the load
FLOORED_BUSY = Side({"upper_threshold": 32, "lower_threshold": 20}, 3, 0.9)
FLOORED_CUT = Side({"upper_threshold": 40, "lower_threshold": 39.9, "max_provisioned": 80}, 100, 39.9)
THROTTLED = Side(EVENTS | {"enable_up_scaling": False}, 100, 10, events=11)
THROTTLED_BEFORE = Side(EVENTS, 100, 10, answered=11)
AT_MIN_HIGH = Side({"min_provisioned": 20}, 20, 19)
NEVER_DOWN = Side({"decrease_with": 0}, 100, 10)
NEVER_DOWN_CUT = Side({"decrease_with": 0, "max_provisioned": 80}, 100, 10)
NEVER_BY_SCALE = Side({"decrease_consumed_scale": {50: 0}}, 100, 10)
SOMETIMES_BY_SCALE = Side({"decrease_consumed_scale": {5: 50, 50: 0}}, 100, 10)
LITTLE = Side({"decrease_with": 1}, 50, 6)  # 1 % of 50 is half a unit


@both_axes
@pytest.mark.parametrize(
    ("mine", "other", "units", "other_units"),
    [
        pytest.param(LOW, LOW, 50, 50, id="both ask"),
        pytest.param(LOW, RIPE, 50, 50, id="both ask, one since long"),
        pytest.param(LOW, BUSY, 100, 100, id="the other is busy"),
        pytest.param(LOW, HIGH, 100, 150, id="the other goes up"),
        pytest.param(LOW, WAITING, 100, 100, id="the other has not asked often enough"),
        pytest.param(RIPE, BUSY, 100, 100, id="held with its streak"),
        pytest.param(LOW, AT_1, 50, 1, id="the other at 1"),
        pytest.param(LOW, AT_MIN, 50, 20, id="the other at its min"),
        pytest.param(LOW, BELOW_MIN, 50, 20, id="the other below its min"),
        pytest.param(LOW, CUT, 100, 80, id="made by max only: not asking for less"),
        pytest.param(LOW, CUT_WAITING, 100, 80, id="made by max, asks, not often enough"),
        pytest.param(LOW, CUT_LOW, 50, 50, id="above max, asks"),
        pytest.param(CUT, BUSY, 80, 100, id="above max is never held"),
        pytest.param(CUT_LOW, BUSY, 50, 100, id="above max goes as low as asked"),
        pytest.param(CUT, HIGH, 80, 150, id="above max, the other up"),
        pytest.param(LOW, OFF, 50, 100, id="the other switched off"),
        pytest.param(LOW, NOT_DOWN, 50, 100, id="the other's way down switched off"),
        pytest.param(LOW, NOT_DOWN_HIGH, 50, 150, id="the other's way down switched off, and it goes up"),
        pytest.param(LOW, NOT_UP, 100, 100, id="the other's way up switched off"),
        pytest.param(LOW, IDLE, 50, 100, id="nothing consumed of the other, not allowed to go down on that"),
        pytest.param(LOW, IDLE_ALLOWED, 50, 50, id="nothing consumed of the other, allowed"),
        pytest.param(LOW, IDLE_WAITING, 100, 100, id="nothing consumed of the other, allowed, not often enough yet"),
        pytest.param(LOW, FLOORED, 50, 3, id="the load floor leaves nothing of the other"),
        pytest.param(LOW, FLOORED_BUSY, 100, 3, id="it would, but the other does not ask"),
        pytest.param(LOW, FLOORED_CUT, 50, 80, id="the load floor leaves nothing of the other, max cuts it"),
        pytest.param(LOW, THROTTLED, 100, 100, id="the other was throttled"),
        pytest.param(LOW, THROTTLED_BEFORE, 100, 100, id="the other was throttled before its increase"),
        pytest.param(LOW, AT_MIN_HIGH, 50, 30, id="the other goes up from its min"),
        pytest.param(NOT_DOWN, FLOORED, 100, 3, id="neither can go down"),
        pytest.param(LOW, OFF_AT_1, 50, 1, id="the other switched off at 1"),
        pytest.param(LOW, LITTLE, 50, 49, id="the other gives less than a unit: one"),
        pytest.param(LOW, NEVER_DOWN, 50, 100, id="the other's amount is 0"),
        pytest.param(LOW, NEVER_BY_SCALE, 50, 100, id="the other's scale has no amount above 0"),
        pytest.param(LOW, SOMETIMES_BY_SCALE, 100, 100, id="a step of the other's scale that is 0"),
        pytest.param(LOW, NEVER_DOWN_CUT, 50, 80, id="the other's amount is 0, max cuts it"),
        pytest.param(HIGH, HIGH, 150, 150, id="increases are never held"),
        pytest.param(BUSY, BUSY, 100, 100, id="nothing"),
    ],
)
def test_join(axis: Axis, mine: Side, other: Side, units: int, other_units: int) -> None:
    sides = (mine, other) if axis == "reads" else (other, mine)
    policies = (policy_of("reads", sides[0].options), policy_of("writes", sides[1].options))
    usages = (sides[0].usage(), sides[1].usage())
    before = (decide(policies[0], usages[0], sides[0].streak), decide(policies[1], usages[1], sides[1].streak))
    after = join(before, policies, usages)
    assert tuple(one.units for one in after) == ((units, other_units) if axis == "reads" else (other_units, units))
    for name, old, new, usage in zip(AXES, before, after, usages, strict=True):
        if old.units == new.units:
            assert new == replace(old, reason=new.reason)
            assert str(new.reason).startswith(str(old.reason))
            told = r"\), not waiting for (reads|writes) \(.+\)$"
            assert new.reason == old.reason or re.search(told, str(new.reason))
        else:  # held: all that is left is the streak
            assert new == replace(old, units=usage.provisioned, direction="stay", reason=new.reason)
            assert str(new.reason).startswith(f"{name} 10.0 % of 100: hold 100, ")
            assert "->" not in str(new.reason)


@pytest.mark.parametrize(
    ("writes", "reason"),
    [
        (BUSY, "reads 10.0 % of 100: hold 100, writes do not ask for less (always-decrease-rw-together)"),
        (WAITING, "reads 10.0 % of 100: hold 100, writes are at check 2 of 3 (always-decrease-rw-together)"),
        (THROTTLED, "reads 10.0 % of 100: hold 100, writes do not ask for less (always-decrease-rw-together)"),
        (LOW, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %)"),
        (OFF, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (enable-writes-autoscaling is false)"),
        (NOT_DOWN, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (enable-writes-down-scaling is false)"),
        (IDLE, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (nothing consumed and allow-scaling-down-writes-on-0-percent is false)"),
        (NEVER_DOWN, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (decrease-writes-with is 0)"),
        (NEVER_BY_SCALE, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (decrease-consumed-writes-scale has no amount above 0)"),
        (AT_MIN, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (min-provisioned-writes is 20)"),
        (AT_1, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (1 is the minimum)"),
        (FLOORED, "reads 10.0 % of 100 <= 30 %: 100 -> 50 (-50 %), not waiting for writes (0.9 consumed would not stay below 32 % with less)"),
    ],
)  # fmt: skip
def test_the_reason_of_a_decrease_that_is_joined(writes: Side, reason: str) -> None:
    policies = (policy_of("reads", {}), policy_of("writes", writes.options))
    usages = (usage_of(100, 10), writes.usage())
    decisions = (decide(policies[0], usages[0], 0), decide(policies[1], usages[1], writes.streak))
    assert join(decisions, policies, usages)[0].reason == reason


@both_axes
@pytest.mark.parametrize("provisioned", [1, 7, 45, 100, 1000])
@pytest.mark.parametrize("rate", ["0", "0.9", "40", "44.99", "333.3"])
def test_the_defaults_come_to_rest(axis: Axis, provisioned: int, rate: str) -> None:
    policy = policy_of(axis, ZERO)
    units = provisioned
    for _ in range(30):
        units = decide(policy, usage_of(units, rate), 0).units
    assert decide(policy, usage_of(units, rate), 0).direction == "stay"
    assert exact(rate) / units < Fraction(90, 100)


def test_a_reason_is_worded_when_it_is_read() -> None:
    """Most checks change nothing, and at most log levels nobody reads why."""
    made: list[str] = []

    def words() -> str:
        made.append("words")
        return "because"

    reason = Reason(words)
    decision = Decision(1, "stay", reason, streak=0)
    assert made == []
    assert (str(decision.reason), f"{decision.reason}!", repr(reason)) == ("because", "because!", "'because'")
    assert decision == Decision(1, "stay", "because", streak=0)
    assert reason != "for another reason"
