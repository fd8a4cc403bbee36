"""What is advised to rehearse next: where the figures of a rehearsal call for it, and nowhere else."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from dynamic_dynamodb.configuration import loader, prices
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.rehearsal import shop
from dynamic_dynamodb.rehearsal.advice import advice
from dynamic_dynamodb.rehearsal.demand import Demand, Load
from dynamic_dynamodb.rehearsal.rehearse import Scheme, rehearse

START = datetime(2026, 1, 5, tzinfo=timezone.utc)
SALES = shop.sales("sales-day")
STEP = array("d", [50] * 240 + [200] * 240)
JOBS = array("d", ([1] * 100 + [200] * 20) * 6)
IDLE = array("d", bytes(8 * 480))

Pair = tuple["array[float]", "array[float]"]


def advised(pair: Pair, *schemes: dict[str, str], tables: Sequence[str] = ("orders",), **more: Any) -> list[str]:
    """What is advised after a rehearsal of configurations that differ by these flags."""
    made = []
    for number, flags in enumerate(schemes):
        given = {"table-name": ".*", **{name.replace("_", "-"): value for name, value in flags.items()}}
        made.append(Scheme(f"{'abc'[number]}.conf", loader.load(given).config))
    demand = Demand("by hand", START, len(pair[0]), tuple(Load(Target(name), pair, **more) for name in tables))
    result = rehearse(made, demand, prices.BUILT_IN, processes=1)
    return advice(result.totals, result.resources)


SLOW: dict[str, str] = {}
SOON = {"check_interval": "60", "lookback_window_start": "7", "lookback_period": "3"}
TRACKING = {"scaling_policy": "target-tracking"}
DEAR = {"check_interval": "60", "reads_upper_threshold": "50", "writes_upper_threshold": "50"}
SOONER = (
    "a.conf throttled 35,715 units on orders. Rehearse check-interval: 60 with a look-back of 3 minutes "
    "(lookback-window-start: 7, lookback-period: 3), which sees a rush sooner."
)
CHEAPER = (
    "a.conf: the thresholds cost 57 % more than AWS's target tracking on orders. "
    "Rehearse scaling-policy: target-tracking."
)


@pytest.mark.parametrize(
    ("pair", "schemes", "sentences"),
    [
        pytest.param(SALES, [SLOW], [SOONER], id="throttled, with a check every 300 s"),
        pytest.param(SALES, [{"check_interval": "60"}], [], id="a check every 60 s"),
        pytest.param(SALES, [SLOW, SOON], [], id="another configuration tries that"),
        pytest.param(
            SALES, [SLOW, {"check_interval": "60"}], [SOONER], id="another one looks at the same late minutes"
        ),
        pytest.param(SALES, [TRACKING], [], id="there are no thresholds"),
        pytest.param(
            (STEP, STEP), [{"max_provisioned_reads": "80", "max_provisioned_writes": "80"}], [], id="the maximum"
        ),
        pytest.param((IDLE, IDLE), [SLOW], [], id="nothing throttled"),
        pytest.param(SALES, [DEAR], [CHEAPER], id="dear thresholds"),
        pytest.param(SALES, [DEAR, TRACKING], [], id="target tracking is tried"),
        pytest.param(SALES, [TRACKING, DEAR], [], id="in whatever order"),
        pytest.param((JOBS, JOBS), [{"check_interval": "60"}], [], id="AWS is cheap because it throttles more"),
        pytest.param(
            (STEP, STEP),
            [SOON, {**SOON, "min_provisioned_reads": "900", "min_provisioned_writes": "900"}],
            [],
            id="the minimum is dear, not the thresholds",
        ),
        pytest.param(
            (STEP, IDLE),
            [{"reads_scaling_policy": "target-tracking"}],
            [],
            id="reads have no thresholds, writes no rush",
        ),
        pytest.param((IDLE[:60], IDLE[:60]), [DEAR], [], id="less than a cent"),
    ],
)
def test_what_is_advised(pair: Pair, schemes: list[dict[str, str]], sentences: list[str]) -> None:
    assert advised(pair, *schemes) == sentences


def test_what_a_hot_key_throttles_is_no_rush() -> None:
    hot = array("d", [0] * 100 + [10] * 380)
    assert advised((array("d", [70] * 480), IDLE), SLOW, hot=(hot, IDLE)) == []


def test_many_tables_are_not_all_named() -> None:
    names = [f"table-{letter}" for letter in "abcde"]
    (sentence,) = advised((STEP, IDLE), SLOW, tables=names)
    assert " units on table-a, table-b, table-c and 2 more. Rehearse check-interval: 60 " in sentence
