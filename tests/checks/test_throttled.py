"""Throttled events over several checks: answered once, and no decrease while they are in the window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from scripts import Scene, Step, target

from dynamic_dynamodb.simulation.world import World

LONG = "[default_options]\nlookback-window-start: 30\nlookback-period: 30\n"  # minutes


def throttled(events: int, metric: str, *, stamped: bool = True) -> Callable[[World], Any]:
    """So many events in the minute before the check. `stamped`: DescribeTable shows when the last increase was."""

    def happen(world: World) -> None:
        if events:
            world.put_metric(target("orders"), metric, world.now - timedelta(minutes=1), events)
        if not stamped:
            world.set_last_increase(target("orders"), None)

    return happen


@pytest.mark.parametrize("stamped", [True, False], ids=["LastIncreaseDateTime", "none"])
def test_raised_once_and_not_lowered_while_the_events_are_in_the_window(stamped: bool) -> None:
    """500 writes throttled, little consumed on average: raised once, kept half an hour, then lowered."""
    scene = Scene(LONG + "throttled-writes-upper-threshold: 10\n[table: ^orders$]\n", {"orders": (100, 100)})
    held = (
        "writes 13.3 % of 150: stays, 500 writes throttled > 10 "
        "(throttled-writes-upper-threshold; 500 events before the last increase)"
    )
    calm = throttled(0, "WriteThrottleEvents", stamped=stamped)
    scene.play(
        Step(
            do=throttled(500, "WriteThrottleEvents", stamped=stamped),
            load={"orders": (50, 20)},
            sent=[{"orders": (100, 150)}],
            says=["500 writes throttled > 10: 100 -> 150 (+50 %)"],
        ),
        Step(do=calm, says=[held]),
        *[Step(do=calm, whispers=[held])] * 4,
        Step(do=calm, sent=[{"orders": (100, 75)}], says=["writes 13.3 % of 150 <= 30 %: 150 -> 75 (-50 %)"]),
    )


def test_an_increase_of_reads_has_not_answered_the_writes_that_were_throttled() -> None:
    """Where DescribeTable shows no LastIncreaseDateTime, each axis remembers its own increases."""
    text = LONG + "throttled-writes-upper-threshold: 10\nenable-writes-up-scaling: {}\n[table: ^orders$]\n"
    scene = Scene(text.format("no"), {"orders": (100, 100)})
    scene.play(
        Step(
            do=throttled(500, "WriteThrottleEvents", stamped=False),
            load={"orders": (95, 50)},
            sent=[{"orders": (150, 100)}],
        )
    )
    scene.reload(text.format("yes"))
    scene.play(Step(do=throttled(0, "", stamped=False), sent=[{"orders": (150, 150)}], says=["500 writes throttled"]))


def test_a_refused_increase_has_answered_nothing() -> None:
    scene = Scene(LONG + "throttled-writes-upper-threshold: 10\n[table: ^orders$]\n", {"orders": (100, 100)})
    scene.play(
        Step(
            do=throttled(500, "WriteThrottleEvents", stamped=False),
            load={"orders": (50, 50)},
            refuses={"UpdateTable orders": "ResourceInUseException: in use"},
            sent=[{"orders": (100, 150)}],
            warns=["ResourceInUseException"],
            ok=False,
        ),
        Step(do=throttled(0, "", stamped=False), sent=[{"orders": (100, 150)}]),
    )


def test_events_that_an_increase_has_answered_are_named() -> None:
    """Where nothing counts them: below the threshold, or beside an increase for another reason."""
    scene = Scene(LONG + "throttled-writes-upper-threshold: 200\n[table: ^orders$]\n", {"orders": (100, 100)})
    named = "150 throttled before the increase of 00:05 UTC: not counted"
    scene.play(
        Step(do=throttled(150, "WriteThrottleEvents"), load={"orders": (50, 95)}, sent=[{"orders": (100, 150)}]),
        Step(says=[f"writes 63.3 % of 150: stays, above 30 %, below 90 %; {named}"]),
        Step(whispers=[named]),
        Step(minutes=30, says=["writes 63.3 % of 150: stays, above 30 %, below 90 %"], unsaid=["not counted"]),
    )
