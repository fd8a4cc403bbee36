"""The loop, check by check, against the model of AWS: what it looks at, what it sends, what it says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from scripts import TOPIC, Scene, Step, captured, simulate_day, target, wanted

from dynamic_dynamodb.aws.calls import StoppedError, Workers
from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

ORDERS = "[table: ^orders$]\n"
INDEXED = "[table: ^orders$]\n[gsi: .* table: ^orders$]\n"
UP, DOWN, STAY = (95, 30), (20, 30), (50, 30)  # loads on 100 reads and 50 writes


def status(name: str, word: str, **more: Any) -> Any:
    return lambda world: world.set_status(target(name), word, **more)


# Describe (2.1)


@pytest.mark.parametrize(
    "word", ["CREATING", "UPDATING", "DELETING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "NEW"]
)
def test_a_table_that_is_not_active_is_not_changed_nor_are_its_indexes(word: str) -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    scene.play(
        Step(
            do=status("orders", word),
            load={"orders": UP, "orders/by-date": UP},
            warns=[f"orders - status {word}: not changed in this check, nor are its indexes"],
        ),
        Step(do=status("orders", "ACTIVE"), sent=[{"orders": (150, 50), "orders/by-date": (150, 50)}]),
    )
    assert scene.world.calls["GetMetricData"] == 1


@pytest.mark.parametrize(
    ("word", "backfilling"), [("CREATING", True), ("CREATING", False), ("DELETING", None), ("NEW", None)]
)
def test_an_index_that_is_not_active_is_not_changed_its_table_is(word: str, backfilling: bool | None) -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50)})
    scene.play(
        Step(
            do=status("orders/by-date", word, backfilling=backfilling),
            load=dict.fromkeys(("orders", "orders/by-date", "orders/by-name"), UP),
            sent=[{"orders": (150, 50), "orders/by-name": (150, 50)}],
            warns=[f"orders - GSI: by-date - status {word}: not changed in this check"],
        )
    )


@pytest.mark.parametrize("word", ["CREATING", "DELETING", "ARCHIVED"])
@pytest.mark.parametrize("units", [{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}, {}, None])
def test_what_is_not_active_may_have_no_units(word: str, units: Any) -> None:
    """It is no failure, and says its status."""
    scene = Scene("[table: .*]\n[gsi: .* table: .*]\n", dict.fromkeys(("orders", "orders/by-date", "users"), (100, 50)))
    describe = scene.world.dynamodb.describe_table

    def without_units(**arguments: str) -> Any:
        answer = describe(**arguments)
        table = answer["Table"]
        for one in (table, *table.get("GlobalSecondaryIndexes", ())):
            if one.get("TableStatus", one.get("IndexStatus")) != "ACTIVE":
                one["ProvisionedThroughput"] = units
        return answer

    scene.world.dynamodb.describe_table = without_units  # type: ignore[method-assign]
    load = dict.fromkeys(("orders", "orders/by-date", "users"), UP)
    scene.play(
        Step(
            do=status("orders/by-date", word),
            load=load,
            sent=[{"orders": (150, 50)}, {"users": (150, 50)}],
            warns=[f"orders - GSI: by-date - status {word}: not changed in this check"],
        ),
        Step(
            do=status("orders", word),
            load={"users": (75, 25)},
            warns=[f"orders - status {word}: not changed in this check, nor are its indexes"],
        ),
    )


def test_a_table_updating_from_our_own_last_call_gets_no_wasted_call() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)}, rules=Rules(capped=False, update_seconds=600))
    scene.play(
        Step(load={"orders": UP}, sent=[{"orders": (150, 50)}]),
        Step(
            load={"orders": (140, 30)},
            says=[
                "still being changed by this program's update of 00:05 UTC: not changed in this check, "
                "nor are its indexes",
            ],
        ),
        Step(warns=[], sent=[{"orders": (225, 50)}]),
    )
    assert scene.world.calls["UpdateTable"] == 2


def test_an_update_of_ours_that_lasts_is_a_warning_after_15_minutes() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    told = "orders - still being changed by this program's update of 00:05 UTC: not changed in this check"
    scene.play(
        Step(load={"orders": STAY, "orders/by-date": UP}, sent=[{"orders/by-date": (150, 50)}]),
        Step(do=status("orders", "UPDATING"), says=[told]),
        Step(minutes=10, says=[told]),
        Step(minutes=1, warns=[told]),
        Step(do=status("orders", "ACTIVE")),
        Step(do=status("orders", "UPDATING"), warns=["orders - status UPDATING: not changed in this check"]),
    )


def test_an_index_that_is_updating_from_our_own_last_call() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    scene.play(
        Step(load={"orders": STAY, "orders/by-date": UP}, sent=[{"orders/by-date": (150, 50)}]),
        Step(
            do=status("orders/by-date", "UPDATING"),
            says=[
                "orders - GSI: by-date - still being changed by this program's update of 00:05 UTC: "
                "not changed in this check"
            ],
        ),
        Step(
            do=status("orders/by-date", "DELETING"),
            warns=["orders - GSI: by-date - status DELETING: not changed in this check"],
        ),
    )


def test_what_was_not_measured_begins_its_streak_anew() -> None:
    scene = Scene(
        "[table: ^orders$]\nnum-read-checks-before-scale-down: 3\n"
        "[gsi: .* table: ^orders$]\nnum-read-checks-before-scale-down: 3\n",
        {"orders": (100, 50), "orders/by-date": (100, 50)},
    )
    both = {"orders": DOWN, "orders/by-date": DOWN}
    scene.play(
        Step(load=both, streaks={"orders": (1, 0), "orders/by-date": (1, 0)}),
        Step(
            do=status("orders/by-date", "DELETING"),
            streaks={"orders": (2, 0), "orders/by-date": (0, 0)},
            warns=["by-date - status DELETING"],
        ),
        Step(
            do=lambda world: (status("orders", "UPDATING")(world), status("orders/by-date", "ACTIVE")(world)),
            streaks={"orders": (0, 0), "orders/by-date": (0, 0)},
            warns=["orders - status UPDATING"],
        ),
        Step(do=status("orders", "ACTIVE"), streaks={"orders": (1, 0), "orders/by-date": (1, 0)}),
        Step(
            refuses={"DescribeTable": "InternalServerError: oh"},
            ok=False,
            warns=["orders - DescribeTable failed"],
            streaks={"orders": (0, 0)},
        ),
        Step(streaks={"orders": (1, 0)}),
        Step(
            refuses={"ListTables": "InternalServerError: oh"},
            ok=False,
            warns=["the check failed"],
            streaks={"orders": (0, 0), "orders/by-date": (0, 0)},
        ),
        Step(streaks={"orders": (1, 0)}),
        Step(streaks={"orders": (2, 0)}),
        Step(
            refuses={"GetMetricData": "InternalServerError: oh"},
            ok=False,
            warns=["orders - GetMetricData", "by-date - GetMetricData"],
            streaks={"orders": (0, 0)},
        ),
    )


def test_on_demand_is_said_once_and_again_when_it_comes_back() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    load = {"orders": UP, "orders/by-date": STAY}
    line = "orders - on demand (PAY_PER_REQUEST)"
    scene.play(
        Step(
            do=lambda world: world.set_billing_mode("orders", "PAY_PER_REQUEST"),
            load=load,
            says=[line],
            unsaid=["nothing:"],
        ),
        Step(whispers=[line], unsaid=[line]),
        Step(
            do=lambda world: world.set_billing_mode("orders", "PROVISIONED", 100, 50),
            sent=[{"orders": (150, 50)}],
            unsaid=[line],
        ),
        Step(do=lambda world: world.set_billing_mode("orders", "PAY_PER_REQUEST"), says=[line]),
    )


def test_a_global_tables_writes_are_left_alone_and_that_is_said_once() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    scene.world.set_replicas("orders", ["eu-west-1"])
    line = "orders - a global table: AWS manages its writes, only reads are scaled"
    scene.play(
        Step(
            load={"orders": (95, 50), "orders/by-date": (20, 5)},
            sent=[{"orders": (150, 50), "orders/by-date": (50, 50)}],
            says=[line, "AWS manages the writes"],
            streaks={"orders/by-date": (0, 0)},
        ),
        Step(unsaid=[line], load={"orders": (75, 25), "orders/by-date": (25, 25)}),
        Step(
            do=lambda world: world.set_replicas("orders", []), load={"orders": (75, 48)}, sent=[{"orders": (150, 75)}]
        ),
    )


def test_decrease_together_does_not_wait_for_the_writes_that_aws_manages() -> None:
    scene = Scene("[table: ^orders$]\nalways-decrease-rw-together: true\n", {"orders": (100, 50)})
    scene.world.set_replicas("orders", ["eu-west-1"])
    scene.play(Step(load={"orders": (20, 40)}, sent=[{"orders": (50, 50)}]))


@pytest.mark.parametrize(
    ("options", "replicas", "metrics"),
    [
        ("throttled-reads-upper-threshold: 5", [], {"ReadThrottleEvents"}),
        ("throttled-reads-upper-threshold: 5\nenable-reads-autoscaling: false", [], set()),
        ("increase-throttled-by-consumed-writes-scale: {1: 10}", [], {"WriteThrottleEvents"}),
        ("increase-throttled-by-consumed-writes-scale: {1: 10}", ["eu-west-1"], set()),
        ("", [], set()),
    ],
)
def test_throttle_metrics_are_fetched_where_an_option_uses_them(
    options: str, replicas: list[str], metrics: set[str]
) -> None:
    scene = Scene(f"[table: ^orders$]\n{options}\n", {"orders": (100, 50)})
    scene.world.set_replicas("orders", replicas)
    asked: set[str] = set()

    def note(operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "GetMetricData":
            asked.update(query["MetricStat"]["Metric"]["MetricName"] for query in arguments["MetricDataQueries"])

    scene.on_call = note
    scene.check()
    assert asked - metrics == {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"}
    assert metrics <= asked


def test_an_index_whose_description_is_useless_fails_alone_and_keeps_what_is_remembered() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    capacity = scene.world.find(target("orders/by-date"))
    assert capacity is not None
    scene.play(
        Step(load={"orders": UP, "orders/by-date": STAY}, sent=[{"orders": (150, 50)}], says=["by-date - configured"]),
        Step(
            load={"orders": (145, 30)},
            do=lambda _: capacity.units.set(scene.world.now, None),
            ok=False,
            sent=[{"orders": (225, 50)}],
            warns=["orders - GSI: by-date - DescribeTable failed: bad answer"],
        ),
        Step(
            load={"orders": (110, 30)},
            do=lambda _: scene.world.set_throughput(target("orders/by-date"), 100, 50),
            unsaid=["by-date - configured"],
        ),
    )


# Measure (2.3)


def test_a_burst_of_throttling_is_answered_once() -> None:
    """The default look-back window: 5 minutes that began 15 minutes ago; 3 minutes of throttling pass through it."""
    scene = Scene("[default_options]\nthrottled-reads-upper-threshold: 10\n[table: ^orders$]\n", {"orders": (100, 50)})
    scene.load("orders", 80, 30)
    for minute in (30, 31, 32):
        scene.world.put_metric(target("orders"), "ReadThrottleEvents", START + timedelta(minutes=minute), 100)
    changes = []
    for minute in range(25, 61, 1):
        scene.world.advance((START + timedelta(minutes=minute) - scene.world.now).total_seconds())
        if seen := scene.check().sent:
            changes.append((minute, seen))
    assert changes == [(41, [{"orders": (150, 50)}])]


def test_throttling_after_the_increase_is_another_matter() -> None:
    scene = Scene(ORDERS + "throttled-reads-upper-threshold: 10\n", {"orders": (100, 50)})
    put = scene.world.put_metric
    scene.play(
        Step(
            load={"orders": (80, 30)},
            do=lambda world: put(target("orders"), "ReadThrottleEvents", world.now - timedelta(minutes=1), 11),
            sent=[{"orders": (150, 50)}],
            says=["reads throttled > 10"],
        ),
        Step(minutes=2),
        Step(
            minutes=1,
            do=lambda world: put(target("orders"), "ReadThrottleEvents", world.now - timedelta(minutes=1), 10),
        ),
        Step(
            minutes=1,
            do=lambda world: put(target("orders"), "ReadThrottleEvents", world.now - timedelta(minutes=1), 1),
            sent=[{"orders": (225, 50)}],
            says=["11 reads throttled > 10"],
        ),
    )


def test_throttled_events_hold_a_decrease_until_they_leave_the_window() -> None:
    scene = Scene(ORDERS + "throttled-reads-upper-threshold: 10\nenable-reads-up-scaling: no\n", {"orders": (100, 50)})
    put = scene.world.put_metric
    scene.play(
        Step(
            load={"orders": DOWN},
            do=lambda world: put(target("orders"), "ReadThrottleEvents", world.now - timedelta(minutes=1), 11),
            says=["11 reads throttled > 10"],
        ),
        Step(sent=[{"orders": (50, 50)}]),
    )


def test_debug_tells_of_throttled_events_where_they_were_asked_for() -> None:
    scene = Scene(ORDERS + "throttled-reads-upper-threshold: 10\n", {"orders": (100, 50)})
    with captured() as lines:
        scene.play(Step(load={"orders": STAY}))
    numbers = [line.text for line in lines if line.level == logging.DEBUG and " consumed" in line.text]
    assert numbers == [
        "orders - reads: 15000 consumed and 0 throttled in 300 s, 100 provisioned, streak 0",
        "orders - writes: 9000 consumed in 300 s, 50 provisioned, streak 0",
    ]


def test_one_resource_whose_metrics_fail_leaves_the_others_going() -> None:
    scene = Scene(
        "[table: .*]\n[gsi: .* table: .*]\n", {"orders": (100, 50), "orders/by-date": (100, 50), "users": (100, 50)}
    )
    scene.world.metric_status[target("orders")] = "InternalError"
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": UP, "users": UP},
            sent=[{"orders/by-date": (150, 50)}, {"users": (150, 50)}],
            ok=False,
            warns=["orders - GetMetricData failed: InternalError"],
        ),
        Step(
            do=lambda world: world.metric_status.clear(),
            load={"orders/by-date": (75, 25), "users": (75, 25)},
            sent=[{"orders": (150, 50)}],
        ),
    )


def test_what_nobody_foresaw_in_one_resource_leaves_the_others_going() -> None:
    scene = Scene("[table: .*]\nreads-upper-alarm-threshold: 80\n", {"orders": (100, 50), "users": (100, 50)})
    scene.load("orders", *UP)
    scene.load("users", *UP)
    scene.world.advance(300)
    for minute in range(5):  # together more than a float can hold
        moment = START + timedelta(minutes=minute)
        scene.world.put_metric(target("orders"), "ConsumedReadCapacityUnits", moment, 1.7e308)
    seen = scene.check()
    assert {"users": (150, 50)} in seen.sent
    assert not [text for text in seen.texts(logging.WARNING) if "users" in text and "alarm" not in text]


def test_only_complete_answers_count_and_pages_are_read() -> None:
    scene = Scene(
        "[table: .*]\n", {f"table-{n}": (100, 50) for n in range(5)}, rules=Rules(capped=False, results_per_page=3)
    )
    for n in range(5):
        scene.load(f"table-{n}", *UP)
    scene.world.advance(300)
    assert len(scene.check().sent) == 5
    assert scene.world.calls["GetMetricData"] == 4


# Streaks (3 and 4)


def test_consecutive_means_consecutive() -> None:
    scene = Scene(ORDERS + "num-read-checks-before-scale-down: 3\n", {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": DOWN}, streaks={"orders": (1, 0)}, says=["hold, check 1 of 3"]),
        Step(streaks={"orders": (2, 0)}, whispers=["hold, check 2 of 3"]),
        Step(load={"orders": STAY}, streaks={"orders": (0, 0)}),
        Step(load={"orders": DOWN}, streaks={"orders": (1, 0)}),
        Step(streaks={"orders": (2, 0)}),
        Step(sent=[{"orders": (50, 50)}], streaks={"orders": (0, 0)}),
        Step(load={"orders": (5, 30)}, streaks={"orders": (1, 0)}),
        Step(load={"orders": (49, 30)}, sent=[{"orders": (75, 50)}], streaks={"orders": (0, 0)}),
        Step(load={"orders": (0, 30)}, streaks={"orders": (0, 0)}),
    )


def test_the_reset_percent_puts_a_streak_back() -> None:
    scene = Scene(
        ORDERS + "num-write-checks-before-scale-down: 3\nnum-write-checks-reset-percent: 20\n", {"orders": (100, 50)}
    )
    scene.play(
        Step(load={"orders": (50, 9)}, streaks={"orders": (0, 1)}),
        Step(streaks={"orders": (0, 2)}),
        Step(load={"orders": (50, 10)}, streaks={"orders": (0, 1)}),  # 20 %: asks for less, and counts anew
        Step(load={"orders": (50, 12)}, streaks={"orders": (0, 1)}),
        Step(load={"orders": (50, 9)}, streaks={"orders": (0, 2)}),
        Step(sent=[{"orders": (100, 25)}], streaks={"orders": (0, 0)}),
    )


def test_a_streak_stays_at_its_goal_until_dynamodb_accepts_the_decrease() -> None:
    scene = Scene(ORDERS + "num-read-checks-before-scale-down: 2\n", {"orders": (100, 50)})
    sent = [{"orders": (50, 50)}]
    scene.play(
        Step(load={"orders": DOWN}, streaks={"orders": (1, 0)}),
        Step(
            refuses={"UpdateTable": "ResourceInUseException: busy"},
            sent=sent,
            streaks={"orders": (2, 0)},
            ok=False,
            warns=["busy"],
        ),
        Step(
            refuses={"UpdateTable": "InternalServerError: oh"},
            sent=sent,
            streaks={"orders": (2, 0)},
            ok=False,
            warns=["oh"],
        ),
        Step(sent=sent, streaks={"orders": (0, 0)}),
    )


def test_in_a_dry_run_a_streak_stays_at_its_goal() -> None:
    scene = Scene(ORDERS + "num-read-checks-before-scale-down: 2\n", {"orders": (100, 50)}, dry_run=True)
    scene.play(
        Step(load={"orders": DOWN}, streaks={"orders": (1, 0)}),
        Step(streaks={"orders": (2, 0)}, says=["100 -> 50"]),
        Step(streaks={"orders": (2, 0)}, says=["100 -> 50"]),
    )


def test_a_cut_to_max_uses_no_streak_up() -> None:
    scene = Scene(ORDERS + "num-read-checks-before-scale-down: 3\nmax-provisioned-reads: 80\n", {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": DOWN}, sent=[{"orders": (80, 50)}], streaks={"orders": (1, 0)}),
        Step(streaks={"orders": (2, 0)}),
        Step(sent=[{"orders": (40, 50)}], streaks={"orders": (0, 0)}),
    )


TOGETHER = ORDERS + (
    "always-decrease-rw-together: yes\n"
    "num-read-checks-before-scale-down: 2\nnum-write-checks-before-scale-down: 4\nmin-provisioned-writes: 10\n"
)


def test_axes_that_decrease_together_wait_for_each_other() -> None:
    scene = Scene(TOGETHER, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (20, 5)}, streaks={"orders": (1, 1)}),
        Step(streaks={"orders": (2, 2)}, says=["reads 20.0 % of 100: hold 100"]),
        Step(streaks={"orders": (2, 3)}),
        Step(sent=[{"orders": (50, 25)}], streaks={"orders": (0, 0)}),
    )


def test_a_held_axis_keeps_its_streak_while_the_other_begins_anew() -> None:
    scene = Scene(TOGETHER, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (20, 5)}, streaks={"orders": (1, 1)}),
        Step(streaks={"orders": (2, 2)}),
        Step(
            load={"orders": (20, 48)}, sent=[{"orders": (100, 75)}], streaks={"orders": (2, 0)}
        ),  # an increase is not held
        Step(load={"orders": (20, 7)}, streaks={"orders": (2, 1)}),
        Step(streaks={"orders": (2, 2)}),
        Step(streaks={"orders": (2, 3)}),
        Step(sent=[{"orders": (50, 37 + 1)}], streaks={"orders": (0, 0)}),
    )


def test_an_axis_at_its_minimum_holds_nobody() -> None:
    scene = Scene(TOGETHER, {"orders": (100, 10)})
    scene.play(
        Step(load={"orders": (20, 8)}, streaks={"orders": (1, 0)}),
        Step(sent=[{"orders": (50, 10)}], streaks={"orders": (0, 0)}),
    )


def test_a_cut_to_max_is_not_held() -> None:
    scene = Scene(TOGETHER + "max-provisioned-reads: 90\n", {"orders": (100, 50)})
    scene.play(Step(load={"orders": (50, 30)}, sent=[{"orders": (90, 50)}]))


def test_a_cut_below_consumption_is_said_at_warning_level() -> None:
    scene = Scene(ORDERS + "max-provisioned-reads: 40\n", {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": STAY}, sent=[{"orders": (40, 50)}], warns=["orders - reads 50.0 % of 100: 100 -> 40"])
    )


# Apply (5.2, 5.4, 5.5)


def test_one_call_carries_a_table_and_its_indexes() -> None:
    names = ("orders", "orders/a-1", "orders/b-2", "orders/c-3", "orders/d-4")
    scene = Scene(INDEXED, dict.fromkeys(names, (100, 50)))
    scene.play(
        Step(
            load={"orders": UP, "orders/a-1": DOWN, "orders/b-2": STAY, "orders/c-3": (95, 48), "orders/d-4": (20, 5)},
            sent=[{"orders": (150, 50), "orders/a-1": (50, 50), "orders/c-3": (150, 75), "orders/d-4": (50, 25)}],
        )
    )
    assert scene.world.calls["UpdateTable"] == 1


def test_an_index_alone_is_sent_without_its_table() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    scene.play(Step(load={"orders": STAY, "orders/by-date": UP}, sent=[{"orders/by-date": (150, 50)}]))


def test_nothing_to_change_is_no_call() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    scene.play(
        Step(load={"orders": STAY, "orders/by-date": STAY}, says=["orders - reads 50.0 %", "by-date - reads 50.0 %"])
    )
    assert scene.world.calls["UpdateTable"] == 0


def test_an_index_without_a_section_is_left_alone() -> None:
    scene = Scene(
        "[table: ^orders$]\n[gsi: ^by-name$ table: ^orders$]\n", {"orders": (100, 50), "orders/by-date": (100, 50)}
    )
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": UP},
            sent=[{"orders": (150, 50)}],
            warns=["[gsi: ^by-name$ table: ^orders$] matches nothing"],
        )
    )


@pytest.mark.parametrize(
    ("refusal", "ok", "level", "line"),
    [
        ("ResourceInUseException: being updated", False, logging.WARNING, "; retried in the next check"),
        ("ValidationException: no BillingMode", False, logging.ERROR, "ValidationException: no BillingMode"),
        ("ResourceNotFoundException: Table: orders", True, logging.WARNING, "it was deleted, or is in"),
        ("AccessDeniedException: not you", False, logging.ERROR, "the IAM policy must allow dynamodb:UpdateTable"),
        ("InternalServerError: oh", False, logging.ERROR, "UpdateTable failed: InternalServerError: oh"),
        ("LimitExceededException: Only 500 tables can be updated at once", False, logging.WARNING, "retried in"),
        ("LimitExceededException: Too many operations for a given subscriber.", False, logging.WARNING, "retried in"),
        (TimeoutError("read timed out"), False, logging.ERROR, "UpdateTable failed: TimeoutError: read timed out"),
    ],
    ids=str,
)
def test_a_refused_update_names_its_table_and_leaves_the_others_going(
    refusal: str | Exception, ok: bool, level: int, line: str
) -> None:
    scene = Scene(
        "[table: .*]\n[gsi: .* table: .*]\n", {"orders": (100, 50), "orders/by-date": (100, 50), "users": (100, 50)}
    )
    for name in ("orders", "orders/by-date", "users"):
        scene.load(name, *UP)
    scene.world.advance(300)
    scene.refuses = {"UpdateTable orders": refusal}
    seen = scene.check()
    assert seen.ok is ok
    assert seen.sent == [{"orders": (150, 50), "orders/by-date": (150, 50)}, {"users": (150, 50)}]
    (loud,) = (one for one in seen.lines if one.level >= logging.WARNING)
    assert (loud.level, loud.text.startswith("orders - UpdateTable failed: "), line in loud.text) == (level, True, True)
    held = "no usable answer: not known whether it was changed" if isinstance(refusal, Exception) else "not changed"
    told = [text for text in seen.texts() if "-> 150" in text and "orders" in text]
    assert [text.rpartition(" - ")[2].partition("; ")[0] for text in told] == [held] * 2
    assert scene.provisioned("users") == (150, 50)
    scene.refuses = {}
    assert scene.check().sent == [{"orders": (150, 50), "orders/by-date": (150, 50)}]  # in the next check


OF_RESOURCE = "[the quota of capacity units of a table or index (40,000 by default); ask AWS to raise it"
OF_ACCOUNT = "[the account's quota of capacity units (80,000 by default); ask AWS to raise it"


def test_a_resource_at_its_quota_keeps_its_siblings_from_nothing() -> None:
    """At every check it would go to 45,000: it goes to 40,000, and stays there, and the others go on."""
    names = {"orders": (100, 50), "orders/by-date": (30_000, 50), "orders/by-name": (100, 50)}
    scene = Scene(INDEXED, names, rules=Rules(capped=False, account_quota=None))
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": (29_000, 30), "orders/by-name": DOWN},
            sent=[
                {"orders": (150, 50), "orders/by-date": (45_000, 50), "orders/by-name": (50, 50)},
                {"orders": (150, 50), "orders/by-date": (40_000, 50), "orders/by-name": (50, 50)},
            ],
            has={"orders": (150, 50), "orders/by-date": (40_000, 50), "orders/by-name": (50, 50)},
            ok=False,
            warns=[OF_RESOURCE],
            says=["orders - GSI: by-date - reads 40000 instead of 45000, refused by DynamoDB; reads 96.7 % of 30000"],
        ),
        Step(
            load={"orders": (145, 30), "orders/by-date": (39_000, 30), "orders/by-name": (25, 30)},
            sent=[
                {"orders": (225, 50), "orders/by-date": (60_000, 50)},
                {"orders": (225, 50)},
            ],
            has={"orders": (225, 50), "orders/by-date": (40_000, 50)},
            ok=False,
            warns=[OF_RESOURCE],
            says=["orders - GSI: by-date - reads not increased, refused by DynamoDB; reads 97.5 % of 40000"],
        ),
    )


def test_a_message_says_what_of_an_increase_was_refused() -> None:
    text = f"[table: ^orders$]\nsns-topic-arn: {TOPIC}\nsns-message-types: scale-up\n"
    scene = Scene(text, {"orders": (35_000, 50)}, rules=Rules(capped=False, account_quota=None))
    scene.play(
        Step(
            load={"orders": (34_500, 30)},
            sent=[{"orders": (52_500, 50)}, {"orders": (40_000, 50)}],
            ok=False,
            warns=[OF_RESOURCE],
            told=[
                "orders: reads scaled up from 35000 to 40000. reads 98.6 % of 35000 >= 90 %: 35000 -> 52500 (+50 %); "
                "reads 40000 instead of 52500, refused by DynamoDB"
            ],
        )
    )


def test_the_accounts_quota_keeps_the_greatest_growth_only() -> None:
    names = {"orders": (1_000, 50), "orders/by-date": (100, 50), "users": (100, 50)}
    scene = Scene("[table: .*]\n[gsi: .* table: .*]\n", names, rules=Rules(capped=False, account_quota=1_400))
    scene.play(
        Step(
            load={"orders": (950, 30), "orders/by-date": UP, "users": UP},
            sent=[
                {"orders": (1_500, 50), "orders/by-date": (150, 50)},
                {"orders/by-date": (150, 50)},
                {"users": (150, 50)},
            ],
            ok=False,
            warns=[OF_ACCOUNT],
            says=["orders - reads not increased, refused by DynamoDB; reads 95.0 % of 1000 >= 90 %: 1000 -> 1500"],
        )
    )


def test_a_limit_that_is_not_known_is_quoted() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    refusal = "LimitExceededException: Subscriber limit exceeded: the moon is full"
    scene.load("orders", *UP)
    scene.world.advance(300)
    scene.refuses = {"UpdateTable": refusal}
    seen = scene.check()
    assert not seen.ok
    assert seen.texts(logging.WARNING) == [f"orders - UpdateTable failed: {refusal}"]
    assert len(seen.sent) == 1


def test_a_change_that_dynamodb_does_not_take_keeps_its_siblings_from_nothing() -> None:
    names = ("orders", "orders/by-date", "orders/by-name")
    scene = Scene(INDEXED, dict.fromkeys(names, (100, 50)))

    def refuse(operation: str, arguments: Mapping[str, Any]) -> None:
        bad = operation == "UpdateTable" and "orders/by-date" in wanted(arguments)
        scene.refuses = {"UpdateTable": "ValidationException: not like this"} if bad else {}

    scene.on_call = refuse
    scene.play(
        Step(
            load=dict.fromkeys(names, UP),
            sent=[
                dict.fromkeys(names, (150, 50)),
                {"orders/by-date": (150, 50), "orders/by-name": (150, 50)},
                {"orders": (150, 50), "orders/by-name": (150, 50)},
            ],
            has={"orders": (150, 50), "orders/by-date": (100, 50), "orders/by-name": (150, 50)},
            ok=False,
            warns=["orders - UpdateTable failed: ValidationException: not like this"],
            says=[
                "orders - GSI: by-date - not changed, refused by DynamoDB; reads 95.0 % of 100",
                "by-name - reads 95",
            ],
        )
    )


def test_an_index_that_is_deleted_meanwhile_keeps_its_siblings_from_nothing() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})

    def delete(operation: str, _: Mapping[str, Any]) -> None:
        if operation == "UpdateTable" and "by-date" in scene.world.tables["orders"].indexes:
            scene.world.delete_index("orders", "by-date")

    scene.on_call = delete
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": UP},
            sent=[{"orders": (150, 50), "orders/by-date": (150, 50)}, {"orders": (150, 50)}],
            warns=["orders - UpdateTable failed: ResourceNotFoundException"],
        )
    )


# In which order (5.2)


ONE = Workers(threads=1)


def one_by_one(text: str, tables: Mapping[str, tuple[int, int]], **rules: Any) -> tuple[Scene, list[str]]:
    """A scene whose calls are made one after the other, and the tables that UpdateTable is asked for."""
    scene = Scene(text, tables, rules=Rules(capped=False, **rules), workers=ONE)
    asked: list[str] = []

    def note(operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "UpdateTable":
            asked.append(arguments["TableName"])

    scene.on_call = note
    return scene, asked


def test_an_increase_does_not_wait_behind_decreases() -> None:
    """DynamoDB changes so many tables at once: 700 that cool down would hold up a hot one for check after check."""
    names = [f"cool-{number}" for number in range(7)]
    scene, _ = one_by_one("[table: .*]\n", dict.fromkeys([*names, "hot"], (100, 50)), most_updating=5)
    for name in names:
        scene.load(name, *DOWN)
    scene.load("hot", *UP)
    scene.world.advance(300)
    scene.check()
    assert scene.provisioned("hot") == (150, 50)
    assert [scene.provisioned(name) for name in names] == [(50, 50)] * 4 + [(100, 50)] * 3
    scene.world.advance(300)
    scene.check()
    assert [scene.provisioned(name) for name in names] == [(50, 50)] * 7


def test_throttled_tables_come_first_then_those_that_consume_most() -> None:
    loads = {"a-cool": DOWN, "b-95": (95, 30), "c-99": (99, 30), "d-both": (97, 5), "e-throttled": (50, 30)}
    scene, asked = one_by_one(
        "[table: .*]\nthrottled-reads-upper-threshold: 10\n", dict.fromkeys([*loads, "f-throttled"], (100, 50))
    )
    for name, load in {**loads, "f-throttled": (96, 30)}.items():
        scene.load(name, *load)
    scene.world.advance(300)
    for name in ("a-cool", "e-throttled", "f-throttled"):
        events = 5 if name == "a-cool" else 500
        scene.world.put_metric(target(name), "ReadThrottleEvents", scene.world.now - timedelta(minutes=1), events)
    assert len(scene.check().sent) == 6
    assert asked == ["f-throttled", "e-throttled", "c-99", "d-both", "b-95", "a-cool"]


def test_what_was_not_asked_for_is_next_in_the_next_check() -> None:
    """AWS is away: after 256 calls without an answer nothing more is sent. Increases are first all the same."""
    names = [f"t-{number:03}" for number in range(300)]
    scene, asked = one_by_one("[table: .*]\n", dict.fromkeys([*names, "hot"], (100, 50)))
    for name in names:
        scene.load(name, *DOWN)
    scene.world.advance(300)
    scene.refuses = {"UpdateTable": TimeoutError("read timed out")}
    scene.check()
    rest = names[len(asked) :]
    assert rest and asked == names[: len(asked)]
    asked.clear()
    scene.load("hot", *UP)
    scene.world.advance(300)
    scene.check()
    assert asked[: 1 + len(rest)] == ["hot", *rest]


# Somebody else changes the table meanwhile (2.1)


def by_hand(
    scene: Scene, *changes: Callable[[World], object], seconds: float = 11, after: str = "GetMetricData"
) -> list[str]:
    """During each check, after it has described the tables, so much time passes, and once these changes are made."""
    left, calls = list(changes), []

    def meanwhile(operation: str, arguments: Mapping[str, Any]) -> None:
        calls.append(f"{operation} {arguments.get('TableName', '')}".strip())
        if operation == after:
            scene.world.advance(seconds)
            while left:
                left.pop(0)(scene.world)

    scene.on_call = meanwhile
    return calls


def raised(name: str, *units: int) -> Callable[[World], object]:
    return lambda world: world.set_throughput(target(name), *units)


OTHER_HAND = "orders - changed by somebody else since it was described: writes 50 -> 5000; decided again"


def test_a_change_by_another_hand_is_not_undone() -> None:
    """Each UpdateTable sets both axes: with a description of before it would put the writes back to 50."""
    scene = Scene(ORDERS, {"orders": (100, 50)})
    calls = by_hand(scene, raised("orders", 100, 5000))
    scene.play(
        Step(
            load={"orders": UP},
            sent=[{"orders": (150, 2500)}],
            warns=[OTHER_HAND],
            says=["orders - reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %); writes 0.6 % of 5000 <= 30 %"],
        )
    )
    assert calls == [
        "ListTables",
        "DescribeTable orders",
        "GetMetricData",
        "DescribeTable orders",
        "UpdateTable orders",
    ]


@pytest.mark.parametrize(("seconds", "describes"), [(0, 1), (10, 1), (10.1, 2), (3600, 2)])
def test_a_description_of_more_than_ten_seconds_is_not_acted_upon(seconds: float, describes: int) -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    by_hand(scene, seconds=seconds)
    scene.play(Step(load={"orders": UP}, sent=[{"orders": (150, 50)}]))
    assert scene.world.calls["DescribeTable"] == describes


def test_where_nothing_is_to_be_changed_nothing_is_described_again() -> None:
    scene = Scene("[table: .*]\n", {"orders": (100, 50), "users": (100, 50)})
    calls = by_hand(scene)
    scene.play(Step(load={"orders": STAY, "users": UP}, sent=[{"users": (150, 50)}]))
    assert calls.count("DescribeTable orders") == 1
    dry = Scene(ORDERS, {"orders": (100, 50)}, dry_run=True)
    by_hand(dry)
    dry.play(Step(load={"orders": UP}))
    assert dry.world.calls["DescribeTable"] == 1


def test_what_another_hand_did_may_leave_nothing_to_do() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    by_hand(scene, raised("orders", 200, 50))
    scene.play(
        Step(
            load={"orders": UP},
            warns=["changed by somebody else since it was described: reads 100 -> 200; decided again"],
            says=["orders - reads 47.5 % of 200: stays"],
        )
    )


def test_limits_hold_for_what_another_hand_did() -> None:
    scene = Scene(ORDERS + "max-provisioned-writes: 400\n", {"orders": (100, 50)})
    by_hand(scene, raised("orders", 100, 5000))
    scene.play(
        Step(load={"orders": UP}, sent=[{"orders": (150, 400)}], warns=[OTHER_HAND]),
    )


def test_guards_hold_for_what_another_hand_did() -> None:
    """The window closes while the check is under way."""
    scene = Scene(
        ORDERS + "maintenance-windows: 10:00-10:30\nscale-up-outside-maintenance-windows: yes\n", {"orders": (100, 50)}
    )
    by_hand(scene, raised("orders", 100, 5000), seconds=60)
    scene.play(
        Step(
            at="10:30",
            load={"orders": UP},
            sent=[{"orders": (150, 5000)}],
            warns=[OTHER_HAND, "orders - outside the maintenance windows 10:00-10:30 UTC: only increases are made"],
            says=["orders - not decreased, outside the maintenance windows"],
        )
    )


def test_a_table_that_has_become_global_meanwhile_is_told() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    by_hand(scene, lambda world: world.set_replicas("orders", ["eu-west-1"]))
    scene.play(
        Step(
            load={"orders": (95, 48)},
            sent=[{"orders": (150, 50)}],
            warns=["orders - changed by somebody else since it was described: now a global table; decided again"],
        )
    )


def test_it_is_decided_again_from_the_same_streak() -> None:
    scene = Scene(ORDERS + "num-read-checks-before-scale-down: 3\n", {"orders": (100, 50)})
    scene.play(Step(load={"orders": DOWN}, streaks={"orders": (1, 0)}))
    by_hand(scene)
    scene.play(
        Step(
            load={"orders": (20, 48)}, sent=[{"orders": (100, 75)}], streaks={"orders": (2, 0)}, says=["check 2 of 3"]
        ),
        Step(load={"orders": (20, 70)}, sent=[{"orders": (50, 113)}], streaks={"orders": (0, 0)}),
    )


def test_the_siblings_of_a_changed_one_are_decided_again_with_it() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    by_hand(scene, raised("orders/by-date", 1000, 50))
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": STAY},
            sent=[{"orders": (150, 50), "orders/by-date": (500, 50)}],
            warns=["by-date - changed by somebody else since it was described: reads 100 -> 1000; decided again"],
        )
    )


@pytest.mark.parametrize(
    ("change", "warns"),
    [
        (status("orders", "UPDATING"), ["orders - status UPDATING: not changed in this check, nor are its indexes"]),
        (lambda world: world.set_billing_mode("orders", "PAY_PER_REQUEST"), []),
    ],
    ids=["updating", "on demand"],
)
def test_what_can_no_longer_be_changed_is_left_alone(change: Any, warns: list[str]) -> None:
    scene = Scene(
        "[table: .*]\n[gsi: .* table: .*]\nnum-read-checks-before-scale-down: 3\n",
        {"orders": (100, 50), "orders/by-date": (100, 50), "users": (100, 50)},
    )
    by_hand(scene, change)
    gone = "its state has changed since it was described: not changed in this check"
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": DOWN, "users": UP},
            sent=[{"users": (150, 50)}],
            warns=[*warns, f"orders - {gone}", f"by-date - {gone}"],
            streaks={"orders/by-date": (0, 0)},
        )
    )


def test_an_index_that_is_gone_is_left_alone() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    by_hand(scene, lambda world: world.delete_index("orders", "by-date"))
    scene.play(
        Step(
            load={"orders": UP, "orders/by-date": UP},
            sent=[{"orders": (150, 50)}],
            warns=["orders - GSI: by-date - its state has changed since it was described: not changed in this check"],
        )
    )


def test_an_index_that_is_new_is_left_to_the_next_check() -> None:
    """Its name is matched there: by the thread of a call no expression can be ended that takes for ever."""
    scene = Scene("[table: ^orders$]\n[gsi: ^(a+)+$ table: ^orders$]\n", {"orders": (100, 50), "orders/aaa": (100, 50)})
    by_hand(scene, lambda world: world.add_index("orders", "a" * 50 + "b", 100, 50))
    scene.play(Step(load={"orders": UP, "orders/aaa": UP}, sent=[{"orders": (150, 50), "orders/aaa": (150, 50)}]))


@pytest.mark.parametrize("late", [False, True])
def test_a_refused_call_is_not_repeated_by_an_old_description(late: bool) -> None:
    """DynamoDB took its time to refuse it, and somebody else was quicker."""
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50)})
    scene.world.set_decreases(target("orders"), 4)
    by_hand(
        scene, raised("orders/by-date", 100, 5000) if late else lambda _: None, seconds=11 * late, after="UpdateTable"
    )
    wanted: Mapping[str, tuple[int, int]] = {"orders": (50, 50), "orders/by-date": (150, 50)}
    refused = "orders - decrease refused by DynamoDB"
    left = (
        "by-date - not changed, because it was described more than 10 s ago; decided again in the next check; reads 95"
    )
    scene.play(
        Step(
            load={"orders": DOWN, "orders/by-date": UP},
            sent=[wanted] if late else [wanted, {"orders/by-date": (150, 50)}],
            has={"orders/by-date": (100, 5000) if late else (150, 50)},
            ok=not late,
            warns=[refused, left] if late else [refused],
        )
    )


def test_a_table_that_is_gone_is_no_failure() -> None:
    scene = Scene("[table: .*]\n", {"orders": (100, 50), "users": (100, 50)})
    gone = {"DescribeTable orders": "ResourceNotFoundException: Table: orders not found"}
    by_hand(scene, lambda _: setattr(scene, "refuses", gone))
    scene.play(
        Step(
            load={"orders": UP, "users": UP},
            sent=[{"users": (150, 50)}],
            warns=["orders - DescribeTable failed: ResourceNotFoundException"],
            says=["orders - not changed; reads 95.0 % of 100"],
        )
    )


@pytest.mark.parametrize("refusal", ["InternalServerError: oh", TimeoutError("read timed out")], ids=str)
def test_without_a_description_nothing_is_sent_and_that_is_known(refusal: str | Exception) -> None:
    scene = Scene("[table: .*]\n", {"orders": (100, 50), "users": (100, 50)})
    by_hand(scene, lambda _: setattr(scene, "refuses", {"DescribeTable orders": refusal}))
    scene.play(
        Step(
            load={"orders": UP, "users": UP},
            sent=[{"users": (150, 50)}],
            ok=False,
            warns=["orders - DescribeTable failed: "],
            says=["orders - not changed; reads 95.0 % of 100"],
        )
    )


def test_what_nobody_foresaw_when_it_is_decided_again_leaves_the_others_going() -> None:
    scene = Scene("[table: .*]\n", {"orders": (100, 50), "users": (100, 50)})
    by_hand(scene, lambda _: setattr(scene.scaler._inventory, "_clock", broken_once))
    left = [ZeroDivisionError("a clock that fails once")]

    def broken_once() -> Any:
        if left:
            raise left.pop()
        return scene.world.now

    for name in ("orders", "users"):
        scene.load(name, *UP)
    scene.world.advance(300)
    seen = scene.check()
    assert not seen.ok
    assert len(seen.sent) == 1
    (error,) = seen.texts(logging.WARNING)
    assert error.endswith(" - unexpected error")
    scene.scaler._inventory._clock = scene.world.clock
    scene.world.advance(300)
    assert scene.check().ok
    assert [scene.provisioned(name)[0] >= 150 for name in ("orders", "users")] == [True, True]


def test_many_tables_each_described_just_before_its_change() -> None:
    """Each UpdateTable takes 6 seconds of the clock here: of what is in the queue no old description is acted upon."""
    workers = Workers(threads=1)
    names = [f"t-{number}" for number in range(6)]
    scene = Scene("[table: .*]\n", dict.fromkeys(names, (100, 50)), workers=workers)
    calls = by_hand(scene, seconds=6, after="UpdateTable")
    scene.play(Step(load=dict.fromkeys(names, UP), sent=[{name: (150, 50)} for name in names]))
    updates = [call for call in calls[calls.index("GetMetricData") + 1 :]]
    assert [call.split()[0] for call in updates] == ["UpdateTable"] * 2 + ["DescribeTable", "UpdateTable"] * 4
    workers.close()


def test_a_dry_run_decides_and_says_the_same_and_sends_nothing() -> None:
    text = INDEXED + "sns-topic-arn: " + TOPIC + "\nsns-message-types: scale-up, scale-down\n"
    said = []
    for dry_run in (False, True):
        scene = Scene(text, {"orders": (100, 50), "orders/by-date": (100, 50)}, dry_run=dry_run)
        scene.load("orders", 95, 5)
        scene.load("orders/by-date", *STAY)
        scene.world.advance(300)
        seen = scene.check()
        assert seen.ok
        said.append(sorted(seen.texts()))
    assert said[0] == said[1]
    assert {operation for operation, count in scene.world.calls.items() if count} == {
        "ListTables",
        "DescribeTable",
        "GetMetricData",
    }


# Permissions (7)


def test_without_list_tables_plain_names_are_used_as_they_stand() -> None:
    scene = Scene(
        "[table: orders]\n[gsi: .* table: orders]\n[table: ^users$]\n[table: a\\.b]\n[table: prod-.*]\n",
        {
            "orders": (100, 50),
            "orders/by-date": (100, 50),
            "users": (100, 50),
            "a.b": (100, 50),
            "prod-1": (100, 50),
            "orders2": (100, 50),
        },
    )
    denied = {"ListTables": "AccessDeniedException: User is not authorized"}
    load = dict.fromkeys(("orders", "orders/by-date", "users", "a.b", "prod-1", "orders2"), UP)
    scene.play(
        Step(
            load=load,
            refuses=denied,
            sent=[{"a.b": (150, 50)}, {"orders": (150, 50), "orders/by-date": (150, 50)}, {"users": (150, 50)}],
            ok=False,
            warns=[
                "AccessDeniedException: User is not authorized (the IAM policy must allow dynamodb:ListTables)",
                "[table: prod-.*] is a regular expression and needs dynamodb:ListTables",
            ],
        ),
        Step(load=dict.fromkeys(load, (75, 25)), refuses=denied, ok=False, whispers=["[table: prod-.*] is a regular"]),
    )


def test_without_list_tables_and_without_a_need_for_it_nobody_is_warned() -> None:
    """As with the policy that --print-iam-policy prints for such a configuration."""
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50)})
    denied = {"ListTables": "AccessDeniedException: no"}
    with captured() as lines:
        scene.play(Step(load={"orders": UP}, refuses=denied, sent=[{"orders": (150, 50)}]))
    assert [line.level for line in lines if "ListTables" in line.text] == [logging.INFO]


def test_without_list_tables_a_name_that_does_not_exist_is_said_once() -> None:
    scene = Scene("[table: orders]\n[table: userz]\n", {"orders": (100, 50)})
    denied = {"ListTables": "AccessDeniedException: no"}
    missing = "userz - DescribeTable failed: ResourceNotFoundException"
    scene.play(
        Step(load={"orders": STAY}, refuses=denied, warns=["ListTables", missing]),
        Step(refuses=denied, whispers=[missing]),
        Step(refuses=denied, do=lambda world: world.add_table("userz", 100, 50)),
        Step(refuses=denied, do=lambda world: world.delete_table("userz"), warns=[missing]),
    )


def test_without_get_metric_data_get_metric_statistics_is_used() -> None:
    scene = Scene(ORDERS + "throttled-reads-upper-threshold: 10\n", {"orders": (100, 50)})
    denied = {"GetMetricData": "AccessDenied: no"}
    scene.play(
        Step(
            load={"orders": UP},
            refuses=denied,
            sent=[{"orders": (150, 50)}],
            warns=["using GetMetricStatistics instead"],
        ),
        Step(load={"orders": (145, 30)}, refuses=denied, sent=[{"orders": (225, 50)}]),
    )
    assert scene.world.calls["GetMetricData"] == 1
    assert scene.world.calls["GetMetricStatistics"] == 3 * 2


@pytest.mark.parametrize("operation", ["DescribeTable", "GetMetricData", "UpdateTable", "Publish"])
def test_a_missing_permission_is_named_with_its_action(operation: str) -> None:
    scene = Scene(ORDERS + f"sns-topic-arn: {TOPIC}\nsns-message-types: scale-up\n", {"orders": (100, 50)})
    scene.load("orders", *UP)
    scene.world.advance(300)
    scene.refuses = {operation: "AccessDenied: no", "GetMetricStatistics": "AccessDenied: no"}
    seen = scene.check()
    assert seen.ok is (operation == "Publish")
    assert any(f":{operation}" in text for text in seen.texts(logging.WARNING))


# The whole (8.2)


@pytest.mark.parametrize(
    "refusal", ["InternalServerError: oh", "ThrottlingException: slow", "ExpiredTokenException: old", OSError("down")]
)
def test_a_check_that_fails_whole_and_the_next_that_goes_on(refusal: str | Exception) -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    scene.play(
        Step(
            load={"orders": UP},
            refuses={"ListTables": refusal},
            ok=False,
            warns=["the check failed: ListTables failed: "],
        ),
        Step(sent=[{"orders": (150, 50)}]),
    )


def test_no_table_at_all_is_a_failure() -> None:
    scene = Scene(ORDERS, {"users": (1, 1)})
    scene.play(
        Step(ok=False, warns=["no table matches the configuration", "[table: ^orders$] matches nothing"]),
        Step(ok=False, warns=["no table matches the configuration"]),
        Step(do=lambda world: world.add_table("orders", 100, 50)),
    )


def test_what_belongs_to_which_section_is_said_once() -> None:
    scene = Scene(
        INDEXED.replace(".*", "^by") + "[gsi: .*date$ table: ^orders$]\n[table: ^ord]\n[table: .*ers$]\n",
        {"orders": (100, 50), "orders/by-date": (100, 50), "orders2": (100, 50)},
    )
    first = "orders - configured by [table: ^orders$]; [table: ^ord], [table: .*ers$] match too, the first one counts"
    scene.play(
        Step(
            says=[
                first,
                "orders2 - configured by [table: ^ord]",
                "orders - GSI: by-date - configured by [gsi: ^by table: ^orders$]; [gsi: .*date$ table: ^orders$] "
                "matches too",
            ],
            warns=["[gsi: .*date$ table: ^orders$] is never used", "[table: .*ers$] is never used"],
        ),
        Step(unsaid=["configured by"]),
        Step(
            do=lambda world: world.delete_index("orders", "by-date"),
            warns=["[gsi: ^by table: ^orders$] matches nothing", "[gsi: .*date$ table: ^orders$] matches nothing"],
        ),
        Step(
            do=lambda world: world.add_index("orders", "by-date"),
            says=["by-date - configured by [gsi: ^by table: ^orders$]"],
            warns=["[gsi: .*date$ table: ^orders$] is never used"],
        ),
    )


def test_a_section_that_matches_nothing_is_said_once_and_again_when_that_changes() -> None:
    scene = Scene("[table: ^orders$]\n[table: ^users-.*]\n[gsi: .* table: ^users-.*]\n", {"orders": (100, 50)})
    warns = ["[table: ^users-.*] matches nothing", "[gsi: .* table: ^users-.*] matches nothing"]
    scene.play(
        Step(warns=warns),
        Step(),
        Step(do=lambda world: world.add_table("users-1", indexes={"by-date": (1, 1)})),
        Step(do=lambda world: world.delete_index("users-1", "by-date"), warns=warns[1:]),
        Step(do=lambda world: world.delete_table("users-1"), warns=warns[:1]),
        Step(),
    )


@pytest.mark.parametrize("hide", ["on demand", "not described"])
def test_a_gsi_section_is_not_blamed_for_indexes_that_are_not_shown(hide: str) -> None:
    scene = Scene(
        "[table: .*]\n[gsi: by-date table: .*]\n", {"orders": (100, 50), "orders/by-date": (100, 50), "users": (1, 1)}
    )
    if hide == "on demand":
        scene.world.set_billing_mode("orders", "PAY_PER_REQUEST")
        scene.play(Step())
    else:
        refuses = {"DescribeTable orders": "InternalServerError: oh"}
        scene.play(Step(ok=False, refuses=refuses, warns=["orders - DescribeTable failed"]))


def test_expressions_with_braces_are_quoted_as_they_stand() -> None:
    scene = Scene("[table: ^o{1}rders$]\n[gsi: ^b{2} table: ^o{1}rders$]\n", {"orders": (100, 50)})
    scene.play(Step(warns=["[gsi: ^b{2} table: ^o{1}rders$] matches nothing"]))


def test_a_plain_name_that_matches_longer_ones_is_warned_of_once() -> None:
    scene = Scene("[table: orders]\n", {"orders": (1, 1), "orders2": (1, 1), "orders-old": (1, 1)})
    scene.play(
        Step(warns=["[table: orders] also matches orders-old, orders2; write ^orders$ to match that name only"]),
        Step(),
    )


def test_a_careless_name_does_not_fill_the_log() -> None:
    scene = Scene("[table: t]\n", {f"t-{number}": (1, 1) for number in range(40)})
    scene.play(Step(warns=["[table: t] also matches t-0, t-1, t-10, t-11, t-12 and 35 more"]))


def test_tables_and_indexes_that_come_and_go() -> None:
    scene = Scene(
        "[table: .*]\n[gsi: .* table: .*]\nnum-read-checks-before-scale-down: 3\n",
        {"orders": (100, 50), "orders/by-date": (100, 50)},
    )
    scene.load("users", *UP)
    scene.play(
        Step(load={"orders": STAY, "orders/by-date": DOWN}, streaks={"orders/by-date": (1, 0)}),
        Step(
            do=lambda world: world.add_table("users", 100, 50),
            sent=[{"users": (150, 50)}],
            streaks={"orders/by-date": (2, 0)},
        ),
        Step(
            do=lambda world: world.delete_index("orders", "by-date"),
            says=["users - reads"],
            unsaid=["by-date"],
            warns=["gsi: .* table: .*] matches nothing"],
        ),
        Step(do=lambda world: world.add_index("orders", "by-date", 100, 50), streaks={"orders/by-date": (1, 0)}),
        Step(
            do=lambda world: world.delete_table("orders"),
            unsaid=["orders"],
            warns=["gsi: .* table: .*] matches nothing"],
        ),
        Step(
            do=lambda world: world.add_table("orders", 100, 50, indexes={"by-date": (100, 50)}),
            streaks={"orders/by-date": (1, 0)},
        ),
    )


def test_a_section_that_is_never_used_is_told_to_move_up() -> None:
    text = "[table: .*]\n[table: ^orders$]\n[table: ^none]\n[gsi: ^by table: .*]\n[gsi: ^by-date$ table: .*]\n"
    scene = Scene(text, {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50)})
    scene.play(
        Step(
            warns=[
                "[table: ^orders$] is never used: everything it matches belongs to [table: .*]; "
                "move [table: ^orders$] up",
                "[table: ^none] matches nothing",
                "[gsi: ^by-date$ table: .*] is never used: everything it matches belongs to [gsi: ^by table: .*]; "
                "move [gsi: ^by-date$ table: .*] up",
            ]
        ),
        Step(),
        Step(do=lambda world: world.delete_index("orders", "by-date"), warns=["by-date$ table: .*] matches nothing"]),
        Step(
            do=lambda world: world.add_index("orders", "by-date", 100, 50),
            warns=["[gsi: ^by-date$ table: .*] is never used"],
        ),
    )


def test_a_section_is_used_where_one_of_its_tables_is_left_to_it() -> None:
    text = "[table: ^orders-a]\n[table: ^orders]\n[table: ^orders-[ab]$]\n"
    scene = Scene(text, {"orders-a": (100, 50), "orders-b": (100, 50)})
    scene.play(
        Step(
            warns=[
                "[table: ^orders-[ab]$] is never used: everything it matches belongs to "
                "[table: ^orders-a], [table: ^orders]; move [table: ^orders-[ab]$] up"
            ]
        )
    )


def test_a_table_deleted_between_list_and_describe_is_handled() -> None:
    scene = Scene("[table: .*]\n", {"orders": (100, 50), "users": (100, 50)})
    scene.play(
        Step(
            load={"orders": UP, "users": UP},
            refuses={"DescribeTable orders": "ResourceNotFoundException: Table: orders not found"},
            sent=[{"users": (150, 50)}],
            warns=["orders - DescribeTable failed: ResourceNotFoundException"],
        )
    )


def test_what_was_said_of_a_section_is_forgotten_with_it() -> None:
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50), "orders/by-date": (100, 50)})
    for number in [*range(20), 0]:
        shown = f"[table: ^job-{number}$]", f"[gsi: ^at-{number} table: ^orders$]"
        scene.reload("\n".join([*shown, "[table: ^orders$]", "[gsi: ^by- table: ^orders$]"]))
        assert sorted(scene.check().texts(logging.WARNING)) == sorted(f"{section} matches nothing" for section in shown)
        assert scene.check().texts(logging.WARNING) == []
        assert len(scene.scaler._state._said) <= 5  # the sections there are, and what is of none of them


def test_another_section_for_the_same_table_is_said_each_time() -> None:
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50)})
    said = []
    for expression in ("^orders$", "^ord", "^orders$", "^orders$"):
        scene.reload(f"[table: {expression}]\n")
        said += [text for text in scene.check().texts() if "configured by" in text]
    assert said == [f"orders - configured by [table: {name}]" for name in ("^orders$", "^ord", "^orders$")]


def test_months_of_tables_that_come_and_go_leave_nothing_behind() -> None:
    scene = Scene("[table: .*]\n[gsi: .* table: .*]\n", {"orders": (100, 50), "orders/by-date": (100, 50)})
    for number in range(50):
        scene.add(f"job-{number}", (100, 50))
        scene.add(f"job-{number}/by-date", (100, 50))
        scene.add(f"orders/index-{number}", (100, 50))
        scene.check()
        scene.world.advance(300)
        scene.world.delete_table(f"job-{number}")
        scene.world.delete_index("orders", f"index-{number}")
    scene.check()
    assert len(scene.scaler._state) == 2
    inventory = scene.scaler._inventory
    assert len(inventory._matcher._known) == 1
    assert len(inventory._sections[".*"].matcher._known) == 1


@pytest.mark.parametrize(
    ("tables", "others", "calls"),
    [
        (1, 0, {"ListTables": 1, "DescribeTable": 1, "GetMetricData": 1}),
        (60, 40, {"ListTables": 1, "DescribeTable": 60, "GetMetricData": 1}),
        (60, 41, {"ListTables": 2, "DescribeTable": 60, "GetMetricData": 1}),
        (125, 0, {"ListTables": 2, "DescribeTable": 125, "GetMetricData": 1}),  # 500 queries
        (126, 0, {"ListTables": 2, "DescribeTable": 126, "GetMetricData": 2}),
    ],
)
def test_the_number_of_calls(tables: int, others: int, calls: Mapping[str, int]) -> None:
    scene = Scene(
        "[table: ^mine-]\n[gsi: .* table: ^mine-]\n",
        {f"mine-{n:03}{index}": (1, 1) for n in range(tables) for index in ("", "/by-date")}
        | {f"other-{n:03}": (1, 1) for n in range(others)},
    )
    assert scene.check().ok
    assert scene.world.calls == calls


# Stopping (8.4)


class Switch:
    """What tells the loop to end. The sleep is the world's."""

    def __init__(self) -> None:
        self.on = False
        self.slept: list[float] = []
        self.world: World | None = None

    def turn_on_at(self, operation: str, table: str = "") -> Callable[[str, Mapping[str, Any]], None]:
        """For a scene to call at each call to AWS."""

        def note(called: str, arguments: Mapping[str, Any]) -> None:
            if called == operation and table in ("", arguments.get("TableName")):
                self.on = True

        return note

    def stopping(self) -> bool:
        return self.on

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert self.world is not None
        self.world.advance(seconds)


def stoppable(names: tuple[str, ...], switch: Switch, workers: Workers) -> Scene:
    text = f"[table: .*]\nsns-topic-arn: {TOPIC}\nsns-message-types: scale-up\n"
    scene = Scene(text, dict.fromkeys(names, (100, 50)), workers=workers)
    for name in names:
        scene.load(name, *UP)
    scene.world.advance(300)
    switch.world = scene.world
    return scene


@pytest.mark.parametrize("moment", ["ListTables", "DescribeTable", "GetMetricData"])
def test_told_to_end_while_it_reads_nothing_is_changed(moment: str) -> None:
    switch = Switch()
    workers = Workers(switch.stopping, threads=1)
    scene = stoppable(("t-1", "t-2", "t-3"), switch, workers)
    scene.on_call = switch.turn_on_at(moment)
    with pytest.raises(StoppedError):
        scene.scaler.check()
    assert scene.world.calls["UpdateTable"] == scene.world.calls["Publish"] == 0
    workers.close()


@pytest.mark.parametrize("hanging", ["ListTables", "DescribeTable", "GetMetricData"])
def test_told_to_end_a_read_that_hangs_is_abandoned(hanging: str) -> None:
    switch, answer = Switch(), threading.Event()
    workers = Workers(switch.stopping, threads=1)
    scene = stoppable(("t-1",), switch, workers)

    def hang(operation: str, _: Mapping[str, Any]) -> None:
        if operation == hanging:
            switch.on = True
            answer.wait(60)

    scene.on_call = hang
    begin = time.monotonic()
    with pytest.raises(StoppedError):
        scene.scaler.check()
    assert time.monotonic() - begin < 10
    assert workers.abandoned
    answer.set()
    workers.close()


def test_told_to_end_between_updates_what_has_begun_is_finished_and_told() -> None:
    switch = Switch()
    workers = Workers(switch.stopping, threads=1)
    scene = stoppable(("t-1", "t-2", "t-3"), switch, workers)
    scene.on_call = switch.turn_on_at("UpdateTable", "t-2")
    with captured() as lines, pytest.raises(StoppedError):
        scene.scaler.check()
    assert scene.sent() == [{"t-1": (150, 50)}, {"t-2": (150, 50)}]
    assert [message.subject for message in scene.world.messages] == [
        f"Dynamic DynamoDB: scale-up: t-{n}" for n in (1, 2)
    ]
    assert sum("-> 150" in line.text for line in lines) == 2
    assert scene.provisioned("t-3") == (100, 50)
    workers.close()


def test_a_repeat_without_decreases_is_part_of_what_has_begun() -> None:
    switch = Switch()
    workers = Workers(switch.stopping, threads=1)
    scene = stoppable(("t-1", "t-2"), switch, workers)
    scene.load("t-1", 95, 5)
    scene.world.advance(300)
    scene.world.set_decreases(target("t-1"), 4)
    scene.on_call = switch.turn_on_at("UpdateTable")
    with pytest.raises(StoppedError):
        scene.scaler.check()
    assert scene.sent() == [{"t-1": (150, 25)}, {"t-1": (150, 50)}]
    assert scene.provisioned("t-1") == (150, 50)
    workers.close()


def test_told_to_end_the_loop_ends() -> None:
    switch = Switch()
    workers = Workers(switch.stopping, threads=1)
    scene = stoppable(("t-1",), switch, workers)
    scene.on_call = switch.turn_on_at("DescribeTable")
    with pytest.raises(StoppedError):
        loop.run(scene.scaler, switch)
    loop.run(scene.scaler, switch)  # told before it begins: not one call
    assert scene.world.calls == {"ListTables": 1, "DescribeTable": 1}
    workers.close()


def test_the_pause_begins_when_a_check_ends() -> None:
    switch = Switch()
    scene = Scene(ORDERS, {"orders": (100, 50)})
    switch.world = scene.world
    begins = []

    def takes_seven_seconds(operation: str, _: Mapping[str, Any]) -> None:
        if operation == "ListTables":
            begins.append((scene.world.now - START).total_seconds())
            switch.on = len(begins) == 4
            scene.world.advance(7)

    scene.on_call = takes_seven_seconds
    scene.refuses = {"DescribeTable": "InternalServerError: a check that fails is followed by a pause as well"}
    loop.run(scene.scaler, switch)
    assert begins == [0, 307, 614, 921]
    assert switch.slept[:3] == [300, 300, 300]


def test_what_nobody_foresaw_does_not_end_the_loop() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    inventory, scene.scaler._inventory = scene.scaler._inventory, None  # type: ignore[assignment]
    with captured() as lines:
        checked = loop.attempt(scene.scaler)
    assert (checked.error, checked.handled, checked.succeeded) == ("AttributeError", False, False)
    assert [line.text for line in lines if line.level >= logging.WARNING] == ["the check failed: unexpected error"]
    scene.scaler._inventory = inventory
    assert loop.attempt(scene.scaler).handled


# A day


def test_a_day_of_288_checks() -> None:
    day = simulate_day()
    print("\n" + "\n".join(day.summary()))  # noqa: T201 - for pytest -s
    assert day.failures == []
    assert len(day.checks) == 288
    for name, (least, most) in day.limits.items():
        provisioned = [units for check in day.checks for units in check.provisioned[name]]
        assert least <= min(provisioned) and max(provisioned) <= most, name
    assert day.ups > 10
    assert day.downs > 10
    assert all(count <= 27 for count in day.decreases.values())
    assert day.unit_hours < day.static_unit_hours * 0.75  # what it is for
    assert day.throttled_share < 0.02
    assert 0 < len(day.alarms) < 20  # an episode each, not a check each
    assert day.updates_sent == day.updates_accepted + day.refusals
