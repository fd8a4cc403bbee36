"""Burst capacity, demand that comes back, and warm tables: minutes of load against sums worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import AWS, Rules
from dynamic_dynamodb.simulation.world import World

MINUTE = timedelta(minutes=1)
TABLE = Target("table")


def world(rules: Rules) -> World:
    """A table of 100 reads and 100 writes."""
    made = World(rules=rules)
    made.add_table("table", 100, 100)
    return made


def play(made: World, loads: Sequence[float]) -> list[tuple[float, float]]:
    """A load for each minute; what was consumed and throttled in each, in units per second."""
    first = made.now
    made.set_load(TABLE, "reads", lambda minute: loads[(minute - first) // MINUTE] if minute >= first else 0)
    made.advance(60 * len(loads))
    served = [made.served(TABLE, "reads", first + number * MINUTE) for number in range(len(loads))]
    return [(one.consumed / 60, one.throttled / 60) for one in served]


BURST = replace(AWS, update_seconds=60)


@pytest.mark.parametrize(
    ("loads", "served"),
    [
        pytest.param([200], [(100, 100)], id="a new table has nothing to spend"),
        pytest.param([60, 200], [(60, 0), (140, 60)], id="what was not used is spent, and the rest is throttled"),
        pytest.param([60] * 3 + [200] * 2, [(60, 0)] * 3 + [(200, 0), (120, 80)], id="three minutes of 40"),
        pytest.param([0] * 5 + [200] * 6, [(0, 0)] * 5 + [(200, 0)] * 5 + [(100, 100)], id="300 s of 100"),
        pytest.param([0] * 60 + [200] * 6, [(0, 0)] * 60 + [(200, 0)] * 5 + [(100, 100)], id="300 s and no more"),
        pytest.param([0] * 9 + [600, 600], [(0, 0)] * 9 + [(600, 0), (100, 500)], id="all of it in one minute"),
        pytest.param([0] * 9 + [700, 600], [(0, 0)] * 9 + [(600, 100), (100, 500)], id="and not a unit more"),
        pytest.param([50, 150, 100, 101], [(50, 0), (150, 0), (100, 0), (100, 1)], id="exactly spent"),
    ],
)
def test_a_bucket_of_what_is_not_used(loads: Sequence[float], served: list[tuple[float, float]]) -> None:
    assert play(world(BURST), loads) == served


def test_how_much_the_bucket_holds_is_an_option() -> None:
    assert play(world(replace(AWS, burst_seconds=60)), [0] * 9 + [200] * 2) == [(0, 0)] * 9 + [(200, 0), (100, 100)]
    assert play(world(replace(AWS, burst_seconds=0)), [0] * 9 + [200]) == [(0, 0)] * 9 + [(100, 100)]


def test_a_lower_capacity_has_a_smaller_bucket() -> None:
    made = world(BURST)
    play(made, [0] * 9)
    made.set_throughput(TABLE, 10, 100)
    assert play(made, [20] * 6) == [(20, 0)] * 5 + [(10, 10)]


def test_a_higher_capacity_has_an_empty_part_of_its_bucket() -> None:
    made = world(BURST)
    play(made, [0] * 9)
    made.set_throughput(TABLE, 200, 100)
    assert play(made, [300] * 6) == [(300, 0)] * 5 + [(200, 100)]


def test_half_a_minute_at_one_capacity_and_half_at_another() -> None:
    made = world(replace(BURST, update_seconds=90))
    made.dynamodb.update_table(
        TableName="table", ProvisionedThroughput={"ReadCapacityUnits": 200, "WriteCapacityUnits": 100}
    )
    # Unused: 60 s of 40; 30 s of 40 and 30 s of 140. Spent: 60 s of 100, and the 1,800 units that are left.
    assert play(made, [60, 60, 300, 400]) == [(60, 0), (60, 0), (300, 0), (230, 170)]


def test_each_axis_has_a_bucket_of_its_own() -> None:
    made = world(BURST)
    made.set_load(TABLE, "writes", 200)
    assert play(made, [0] * 5 + [200]) == [(0, 0)] * 5 + [(200, 0)]
    assert made.served(TABLE, "writes", START + 5 * MINUTE) == (6000, 6000, 0)


def test_a_minute_that_is_not_over_is_served_as_if_the_bucket_were_empty() -> None:
    made = world(BURST)
    play(made, [0] * 5)
    made.set_load(TABLE, "reads", 200)
    assert made.served(TABLE, "reads", made.now) == (6000, 6000, 0)


@pytest.mark.parametrize(
    ("retry", "throttled"),
    [
        (0, [100, 100, 100, 0]),
        (0.5, [100, 150, 175, 0]),  # 200; 200 + 50; 200 + 75; 0 + 87.5
        (1, [100, 200, 300, 200]),
    ],
)
def test_what_is_throttled_may_come_back(retry: float, throttled: list[float]) -> None:
    made = world(replace(BURST, retry=retry))
    assert [lost for _, lost in play(made, [200, 200, 200, 0])] == throttled


def test_what_comes_back_is_consumed_in_its_minute() -> None:
    made = world(replace(BURST, retry=0.5, burst_seconds=0))
    assert play(made, [200, 20, 20]) == [(100, 100), (70, 0), (20, 0)]


def test_what_a_hot_key_throttles_comes_back_as_well() -> None:
    made = world(replace(BURST, retry=0.5, burst_seconds=0))
    made.set_hot_key(TABLE, "reads", lambda minute: 40 if minute == START else 0)
    assert play(made, [50, 10, 10]) == [(10, 0), (30, 0), (10, 0)]
    assert made.served(TABLE, "reads", START).key_range == 40 * 60


@pytest.mark.parametrize("capped", [True, False])
def test_on_demand_and_uncapped_tables_need_no_bucket(capped: bool) -> None:
    made = world(replace(BURST, capped=capped))
    if capped:
        made.set_billing_mode("table", "PAY_PER_REQUEST")
    assert play(made, [0, 200, 1000]) == [(0, 0), (200, 0), (1000, 0)]
    made.set_billing_mode("table", "PROVISIONED", 100, 100)


def test_a_new_load_finds_the_bucket_as_the_old_one_left_it() -> None:
    made = world(BURST)
    made.set_load(TABLE, "reads", 50)
    made.advance(120)
    made.set_load(TABLE, "reads", 200)
    made.advance(120)
    assert [made.served(TABLE, "reads", START + number * MINUTE).throttled for number in range(4)] == [0, 0, 0, 6000]


# Warm


def update(made: World, reads: int, writes: int) -> None:
    made.dynamodb.update_table(
        TableName="table", ProvisionedThroughput={"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}
    )
    assert made.calls["UpdateTable"]


def status(made: World) -> str:
    return str(made.dynamodb.describe_table(TableName="table")["Table"]["TableStatus"])


def test_a_warm_table_is_at_once_what_it_has_been_before() -> None:
    made = world(replace(AWS, warm=True))
    update(made, 50, 100)
    made.advance(60)
    update(made, 100, 100)
    assert (status(made), made.provisioned(TABLE)) == ("ACTIVE", (100, 100))
    update(made, 101, 100)
    assert (status(made), made.provisioned(TABLE)) == ("UPDATING", (100, 100))


def test_a_decrease_takes_its_time_however_warm() -> None:
    made = world(replace(AWS, warm=True))
    update(made, 50, 100)
    made.advance(59)
    assert status(made) == "UPDATING"
    made.advance(1)
    update(made, 60, 90)
    assert status(made) == "UPDATING"


def test_a_table_is_cold_unless_the_rules_say_otherwise() -> None:
    made = world(AWS)
    update(made, 50, 100)
    made.advance(60)
    update(made, 100, 100)
    with pytest.raises(RefusedError, match="in use"):
        update(made, 110, 100)
    made.advance(60)
    assert made.provisioned(TABLE) == (100, 100)


# AWS


def test_the_figures_that_come_nearest_to_aws() -> None:
    assert (AWS.update_seconds, AWS.burst_seconds, AWS.metric_delay, AWS.retention) == (60, 300, 120, 15 * 86_400)
    assert (AWS.retry, AWS.warm, AWS.capped) == (0, False, True)


@pytest.mark.parametrize("bad", [{"burst_seconds": -1}, {"retry": 1.5}, {"retry": -0.1}])
def test_rules_that_cannot_hold(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rules"):
        replace(AWS, **bad)  # type: ignore[arg-type]


def test_months_of_minutes_leave_little_behind() -> None:
    made = world(replace(AWS, retention=3600))
    for _ in range(30):
        made.advance(86_400)
        made.served(TABLE, "reads", made.now)
    assert len(made.tables["table"].own.ledgers["reads"]) <= 1000 + 86_400 / 60
