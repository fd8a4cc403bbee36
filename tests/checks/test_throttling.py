"""Throttled events that more capacity does not cure, and those that the configuration does not look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from scripts import Scene, Step, target

from dynamic_dynamodb.simulation.world import World

ORDERS = "[table: ^orders$]\nthrottled-reads-upper-threshold: 10\nthrottled-writes-upper-threshold: 10\n"
INDEXED = ORDERS + "[gsi: .* table: ^orders$]\nthrottled-writes-upper-threshold: 10\n"


def throttled(
    reads: float = 0, writes: float = 0, *, hot_reads: float = 0, hot_writes: float = 0, name: str = "orders"
) -> Callable[[World], None]:
    """So many events in the minute before the check."""
    values: Mapping[str, float] = {
        "ReadThrottleEvents": reads,
        "WriteThrottleEvents": writes,
        "ReadKeyRangeThroughputThrottleEvents": hot_reads,
        "WriteKeyRangeThroughputThrottleEvents": hot_writes,
    }

    def put(world: World) -> None:
        for metric, value in values.items():
            world.put_metric(target(name), metric, world.now - timedelta(minutes=1), value or None)

    return put


# Hot key ranges


def test_what_a_hot_key_range_throttled_neither_raises_nor_holds() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    hot = "500 reads throttled, 490 of them by a hot key range, which more capacity does not cure"
    scene.play(
        Step(
            load={"orders": (20, 30)},
            do=throttled(reads=500, hot_reads=490),  # 10 are left, which is not above 10
            sent=[{"orders": (50, 50)}],
            warns=[f"reads 20.0 % of 100 <= 30 %: 100 -> 50 (-50 %); {hot}"],
        ),
    )


def test_what_is_throttled_above_a_hot_key_range_raises() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    hot = "500 reads throttled, 480 of them by a hot key range, which more capacity does not cure"
    scene.play(
        Step(
            load={"orders": (50, 30)},
            do=throttled(reads=500, hot_reads=480),
            sent=[{"orders": (150, 50)}],
            warns=[f"20 reads throttled > 10: 100 -> 150 (+50 %); {hot}"],
        ),
    )


def test_a_hot_key_range_is_told_at_warning_once_an_episode() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    said = "7 reads throttled, 7 of them by a hot key range"
    writes = "3 writes throttled, 3 of them by a hot key range"
    scene.play(
        Step(load={"orders": (50, 25)}, unsaid=["hot key range"]),
        Step(do=throttled(reads=7, hot_reads=7), warns=[said]),
        Step(do=throttled(reads=7, hot_reads=7), whispers=[said]),
        Step(do=throttled(reads=7, hot_reads=7, writes=3, hot_writes=3), warns=[writes]),
        Step(do=throttled(), says=["orders - reads"], unsaid=["hot key range"]),
        Step(do=throttled(reads=7, hot_reads=7), warns=[said]),
    )


def test_a_hot_key_range_is_told_at_warning_where_the_change_is_decided_again() -> None:
    """The line of the first decision is never logged; that the range has begun to be hot is not lost with it."""
    scene = Scene("[global]\nrefresh-interval: 3600\n" + ORDERS, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (50, 30)}),
        Step(
            do=throttled(reads=500, hot_reads=480),
            sent=[{"orders": (150, 50)}],
            warns=["100 -> 150 (+50 %); 500 reads throttled, 480 of them by a hot key range"],
        ),
    )


def test_a_hot_key_of_the_model_changes_nothing() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    scene.world.set_hot_key(target("orders"), "reads", 30)
    scene.play(Step(load={"orders": (80, 25)}, warns=["9000 reads throttled, 9000 of them by a hot key range"]))


def test_a_hot_key_range_is_told_in_a_dry_run_too() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)}, dry_run=True)
    scene.play(
        Step(load={"orders": (50, 25)}, do=throttled(writes=20, hot_writes=9), warns=["20 writes throttled, 9 of them"])
    )


# Indexes that hold up their table


def test_an_index_whose_writes_are_throttled_is_named_by_both() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50)})
    load = dict.fromkeys(("orders", "orders/by-date", "orders/by-name"), (50, 25))
    scene.play(
        Step(load=load, unsaid=["hold up"]),
        Step(
            do=throttled(writes=12, name="orders/by-date"),
            sent=[{"orders/by-date": (100, 75)}],
            says=[
                "orders - reads 50.0 % of 100: stays, above 30 %, below 90 %; writes 50.0 % of 50: stays, above 30 %, "
                "below 90 %; 12 throttled writes of index by-date hold up writes to the table",
                "12 writes throttled > 10: 50 -> 75 (+50 %); its 12 throttled writes hold up writes to its table",
            ],
            whispers=[
                "orders - GSI: by-name - reads 50.0 % of 100: stays, above 30 %, below 90 %; "
                "writes 50.0 % of 50: stays, above 30 %, below 90 %",
            ],
        ),
    )


def test_a_hot_index_holds_up_its_table_too() -> None:
    scene = Scene(INDEXED, {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50)})

    def both(world: World) -> None:
        throttled(writes=5, hot_writes=5, name="orders/by-date")(world)
        throttled(writes=3, name="orders/by-name")(world)

    scene.play(
        Step(
            load=dict.fromkeys(("orders", "orders/by-date", "orders/by-name"), (50, 25)),
            do=both,
            says=[
                "; 5 throttled writes of index by-date and 3 throttled writes of index by-name hold up writes to the"
            ],
            warns=["5 of them by a hot key range, which more capacity does not cure; its 5 throttled writes hold up"],
        )
    )


# What the configuration ignores

PLAIN = "[table: ^orders$]\n"
IGNORED = "throttled in 60 minutes, which the configuration ignores"


def watched(text: str = PLAIN, name: str = "orders") -> Scene:
    scene = Scene(text, {"orders": (100, 50)}, lookout=True)
    if name != "orders":
        scene.add(name, (100, 50))
    for one in {"orders", name}:
        scene.load(one, 50, 25)
    return scene


def asked(scene: Scene) -> list[list[str]]:
    """The metrics of each call of GetMetricData from now on."""
    calls: list[list[str]] = []

    def see(operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "GetMetricData":
            calls.append([query["MetricStat"]["Metric"]["MetricName"] for query in arguments["MetricDataQueries"]])

    scene.on_call = see
    return calls


CONSUMED = ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"]
EVENTS = ["ReadThrottleEvents", "WriteThrottleEvents"]


def test_ignored_events_are_looked_for_at_first_and_once_an_hour() -> None:
    scene = watched()
    calls = asked(scene)
    scene.play(*[Step(minutes=20)] * 7)
    assert calls == [
        *(CONSUMED, EVENTS),
        *(CONSUMED, CONSUMED),
        *(CONSUMED, EVENTS),
        *(CONSUMED, CONSUMED),
        *(CONSUMED, EVENTS),
    ]


def test_not_where_it_is_one_check_alone() -> None:
    scene = Scene(PLAIN, {"orders": (100, 50)})
    calls = asked(scene)
    scene.play(Step(load={"orders": (50, 25)}, do=throttled(reads=7)))
    assert calls == [CONSUMED]


def test_ignored_events_are_warned_of_once_an_episode() -> None:
    scene = watched()
    line = f"orders - 7 reads {IGNORED}: throttled-reads-upper-threshold is not set"
    scene.play(
        Step(minutes=60, do=throttled(reads=7), warns=[line]),
        Step(minutes=30, do=throttled(reads=8)),  # seen half an hour later
        Step(
            minutes=30, do=throttled(writes=9), warns=[f"orders - 9 writes {IGNORED}"], whispers=[f"8 reads {IGNORED}"]
        ),
        Step(minutes=60),
        Step(minutes=60, do=throttled(reads=7), warns=[line]),
    )


@pytest.mark.parametrize(
    ("options", "reads", "writes"),
    [
        ("throttled-reads-upper-threshold: 100\n", "", "throttled-writes-upper-threshold is not set"),
        ("increase-throttled-by-consumed-writes-scale: {50: 10}\n", "throttled-reads-upper-threshold is not set", ""),
        (
            "throttled-reads-upper-threshold: 9\nthrottled-writes-upper-threshold: 99\nenable-reads-autoscaling: no\n",
            "enable-reads-autoscaling is false",
            "",
        ),
    ],
)
def test_only_what_the_configuration_ignores(options: str, reads: str, writes: str) -> None:
    warns = [f"7 reads {IGNORED}: {reads}"] * bool(reads) + [f"9 writes {IGNORED}: {writes}"] * bool(writes)
    watched(PLAIN + options).play(Step(minutes=60, do=throttled(reads=7, writes=9), warns=warns))


def test_indexes_are_looked_at_too_and_a_global_table_is_not_asked_for_its_writes() -> None:
    scene = watched(PLAIN + "[gsi: .* table: ^orders$]\n", "orders/by-date")
    scene.play(
        Step(
            minutes=60,
            do=throttled(reads=7, name="orders/by-date"),
            warns=[f"orders - GSI: by-date - 7 reads {IGNORED}"],
        )
    )
    scene = watched()
    scene.world.set_replicas("orders", ["eu-west-1"])
    calls = asked(scene)
    scene.play(Step(minutes=60, do=throttled(writes=9)))
    assert calls == [CONSUMED, EVENTS[:1]]


def test_no_event_between_two_looks_is_missed() -> None:
    """Checks do not come at full hours: what the look before could not see yet is seen by the next."""
    scene = watched()

    def long_ago(world: World) -> None:
        world.put_metric(target("orders"), "ReadThrottleEvents", world.now - timedelta(minutes=89), 7)

    scene.play(
        Step(minutes=60),
        Step(minutes=50),
        Step(minutes=40, do=long_ago, warns=["7 reads throttled in 90 minutes, which the configuration ignores"]),
    )


def test_ignored_events_that_cannot_be_read_are_no_failure() -> None:
    scene = watched()

    def fails(operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "GetMetricData":
            metrics = {query["MetricStat"]["Metric"]["MetricName"] for query in arguments["MetricDataQueries"]}
            scene.refuses = {} if metrics & set(CONSUMED) else {"GetMetricData": "InternalServerError: oh"}

    scene.on_call = fails
    scene.play(Step(minutes=60, do=throttled(reads=7), whispers=["orders - ReadThrottleEvents: GetMetricData failed"]))


@pytest.mark.parametrize("reloads", [False, True])
def test_a_look_that_fails_is_made_again_in_the_next_check(reloads: bool) -> None:
    """Since the same minute; and the next one is due an hour after the one that failed."""
    scene = watched()
    calls, failing = [], [True]

    def fails(operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "GetMetricData":
            metrics = [query["MetricStat"]["Metric"]["MetricName"] for query in arguments["MetricDataQueries"]]
            calls.append(metrics)
            fail = metrics != CONSUMED and failing[0]
            scene.refuses = {"GetMetricData": "InternalServerError: oh"} if fail else {}

    scene.on_call = fails
    scene.play(
        Step(minutes=60, do=throttled(reads=7), whispers=["orders - ReadThrottleEvents: GetMetricData failed"]),
        Step(minutes=5, whispers=["orders - ReadThrottleEvents: GetMetricData failed"]),
    )
    failing[0] = False
    calls.clear()
    if reloads:
        scene.reload(PLAIN)
    minutes = 60 if reloads else 70
    scene.play(
        Step(minutes=5, warns=[f"orders - 7 reads throttled in {minutes} minutes, which the configuration ignores"]),
        Step(minutes=45),
        Step(minutes=14),
    )
    assert calls == [CONSUMED, EVENTS, CONSUMED, CONSUMED, *([EVENTS] if not reloads else [])]


def test_an_increase_does_not_wait_for_the_look() -> None:
    scene = watched()
    operations: list[str] = []
    scene.on_call = lambda operation, _arguments: operations.append(operation)
    scene.play(Step(load={"orders": (95, 25)}, sent=[{"orders": (150, 50)}]))
    assert operations == ["ListTables", "DescribeTable", "GetMetricData", "UpdateTable", "GetMetricData"]


def test_the_cost_line_says_what_the_look_adds() -> None:
    """720 looks in 30 days; and a new configuration has costs of its own."""
    scene = watched()
    line = (
        "a check asks CloudWatch for 2 metrics of 1 table and 0 indexes: about $0.17 per month with a check every 300 s"
    )
    more = "for throttled events that no option uses"
    scene.play(Step(says=[f"{line}; plus 2 once per hour, {more}: $0.01"]), Step(unsaid=["CloudWatch for"]))
    scene.reload(PLAIN + "throttled-reads-upper-threshold: 10\nthrottled-writes-upper-threshold: 10\n")
    calls = asked(scene)
    scene.play(Step(says=["a check asks CloudWatch for 4 metrics of 1 table"], unsaid=[more]))
    assert calls == [[*CONSUMED, *EVENTS]]
    scene.reload("[global]\ncheck-interval: 7200\n" + PLAIN)
    calls = asked(scene)
    scene.play(Step(says=[f"a check every 7200 s; plus 2 in each check, {more}: $0.01"]))
    assert calls == [CONSUMED, EVENTS]
