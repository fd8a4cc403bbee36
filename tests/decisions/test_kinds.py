"""The rule that decided, and what holds it: what a reason says for those who do not read sentences."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, get_args

import pytest

from dynamic_dynamodb.decisions import calculator, tracking
from dynamic_dynamodb.decisions.model import Decision, Holder, Policy, Rule, Usage
from dynamic_dynamodb.decisions.tracking import Minutes, Situation

SCALE = ((Fraction(0), Fraction(50)),)


def by_thresholds(options: dict[str, Any], provisioned: int, rate: float, throttled: int = 0) -> Decision:
    usage = Usage(provisioned, Fraction(str(rate)) * 300, Fraction(throttled), 300)
    return calculator.decide(Policy("reads", **options), usage, 0)


THRESHOLDS = [
    ({"enable_autoscaling": False}, 100, 95, 0, "stay off"),
    ({}, 100, 95, 0, "up consumption"),
    ({"increase_consumed_scale": SCALE}, 100, 95, 0, "up consumption"),
    ({"max_provisioned": 120}, 100, 95, 0, "up consumption maximum"),
    ({"max_provisioned": 100}, 100, 95, 0, "stay consumption maximum"),
    ({"throttled_upper_threshold": 10}, 100, 50, 11, "up throttled-events"),
    ({"increase_throttled_by_provisioned_scale": SCALE}, 100, 50, 11, "up throttled-by-provisioned"),
    ({"increase_throttled_by_consumed_scale": SCALE}, 100, 50, 11, "up throttled-by-consumed"),
    ({}, 100, 50, 0, "stay between"),
    ({}, 100, 20, 0, "down low-consumption"),
    ({"num_checks_before_scale_down": 2}, 100, 20, 0, "stay low-consumption streak"),
    ({"min_provisioned": 60}, 100, 20, 0, "down low-consumption minimum"),
    ({"min_provisioned": 100}, 100, 20, 0, "stay low-consumption minimum"),
    ({"decrease_consumed_with": 90}, 100, 20, 0, "down low-consumption load"),
    ({"upper_threshold": Fraction(40), "lower_threshold": Fraction(39)}, 10, 3.9, 0, "stay low-consumption load"),
    ({"enable_down_scaling": False}, 100, 20, 0, "stay off"),
    ({"decrease_consumed_with": 0}, 100, 20, 0, "stay off"),
    ({}, 100, 0, 0, "stay idle"),
    ({"throttled_upper_threshold": 10, "enable_up_scaling": False}, 100, 20, 11, "stay throttled"),
    ({"max_provisioned": 80}, 100, 50, 0, "down maximum"),
    ({"min_provisioned": 120}, 100, 50, 0, "up minimum"),
    ({"max_provisioned": 80, "enable_down_scaling": False}, 100, 50, 0, "stay maximum switch"),
    ({"min_provisioned": 120, "enable_up_scaling": False}, 100, 50, 0, "stay minimum switch"),
]


@pytest.mark.parametrize(("options", "provisioned", "rate", "throttled", "kind"), THRESHOLDS)
def test_thresholds(options: dict[str, Any], provisioned: int, rate: float, throttled: int, kind: str) -> None:
    assert by_thresholds(options, provisioned, rate, throttled).kind == kind


def test_an_axis_that_waits_for_the_other() -> None:
    policies = Policy("reads"), Policy("writes")
    usages = Usage(100, Fraction(6000), Fraction(0), 300), Usage(100, Fraction(15000), Fraction(0), 300)
    decisions = calculator.decide(policies[0], usages[0], 0), calculator.decide(policies[1], usages[1], 0)
    assert [one.kind for one in calculator.join(decisions, policies, usages)] == [
        "stay low-consumption other-axis",
        "stay between",
    ]


def test_the_writes_of_a_global_table() -> None:
    assert calculator.stay(Policy("writes"), 100, "AWS manages the writes of a global table", "aws").kind == "stay aws"


def tracked(options: dict[str, Any], loads: list[float], **more: Any) -> Decision:
    """Of 100 units, with so many a second in each known minute."""
    minutes = Minutes(
        1000, [60 * load for load in loads], more.pop("throttled", [0.0] * len(loads)), [100] * len(loads)
    )
    seen = replace(Situation(100, minutes, now=1002), **more)
    return tracking.decide(Policy("reads", scaling_policy="target-tracking", **options), seen)


TRACKED = [
    ({"enable_autoscaling": False}, [90] * 40, {}, "stay off"),
    ({}, [90] * 40, {}, "stay settled"),
    ({}, [84] * 40, {}, "stay settled"),
    ({}, [120] * 40, {}, "up load"),
    ({"max_provisioned": 100}, [120] * 40, {}, "stay load maximum"),
    ({"max_provisioned": 110}, [120] * 40, {}, "up load maximum"),
    ({}, [90] * 40, {"throttled": [0.0] * 39 + [100.0]}, "up throttled-in-effect"),
    ({}, [40] * 40, {}, "down low-load"),
    ({"min_provisioned": 80}, [40] * 40, {}, "down low-load minimum"),
    ({}, [40] * 40, {"waits": "decreases have run out"}, "stay waits"),
    ({}, [40] * 5, {}, "stay unknown"),
    ({}, [40] * 40, {"throttling_known": False}, "stay unknown"),
    ({}, [0] * 40, {}, "stay idle"),
    ({}, [40] * 40, {"last_increase": 995}, "stay after-increase"),
    ({}, [40] * 40, {"throttled": [0.0] * 35 + [1.0] * 5, "effective": 1001}, "stay throttled"),
    ({"enable_down_scaling": False}, [40] * 40, {}, "stay off"),
    ({"max_provisioned": 50}, [90] * 40, {}, "down maximum"),
]


@pytest.mark.parametrize(("options", "loads", "more", "kind"), TRACKED)
def test_target_tracking(options: dict[str, Any], loads: list[float], more: dict[str, Any], kind: str) -> None:
    assert tracked(options, loads, **more).kind == kind


def test_all_of_them() -> None:
    """But for what the tables have none of: a recurring load, which takes days."""
    words = {word for case in (*THRESHOLDS, *TRACKED) for word in str(case[-1]).split()}
    assert set(get_args(Rule)) - words == {"aws", "recurring"}
    assert set(get_args(Holder)) - words == {"", "other-axis"}
