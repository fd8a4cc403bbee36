"""Throttled events that more capacity does not cure, and those that the configuration does not look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

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
        Step(do=throttled(reads=7, hot_reads=7), says=[said]),
        Step(do=throttled(reads=7, hot_reads=7, writes=3, hot_writes=3), warns=[writes]),
        Step(do=throttled(), unsaid=["hot key range"]),
        Step(do=throttled(reads=7, hot_reads=7), warns=[said]),
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
                "below 90 %; 12 throttled writes of index by-date hold up the table's",
                "12 writes throttled > 10: 50 -> 75 (+50 %); its 12 throttled writes hold up its table's",
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
            says=["; 5 throttled writes of index by-date and 3 throttled writes of index by-name hold up the table's"],
            warns=["5 of them by a hot key range, which more capacity does not cure; its 5 throttled writes hold up"],
        )
    )
