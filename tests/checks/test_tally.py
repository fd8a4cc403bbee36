"""The counts of a check: tables and indexes looked at, changed, left alone, failed; and whether it succeeded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripts import Refusals, Scene

from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.tally import Checked

TABLES = {"orders": (100, 100), "orders/by-date": (100, 100), "users": (100, 100)}
DENIED = "AccessDeniedException: User is not authorized to perform it"
BROKEN = "InternalServerError: it is ours"
RAN_OUT = "LimitExceededException: Subscriber limit exceeded: Provisioned throughput decreases are limited within a day"
BOTH = "[table: .*]\n[gsi: .* table: .*]\n"
SHUT = BOTH.replace("[gsi", "maintenance-windows: 03:00-03:01\n[gsi")

Counts = tuple[int, int, int, int]  # looked at, changed, left alone, failed


def quiet(scene: Scene) -> None:
    """Between all thresholds."""
    for name in TABLES:
        scene.load(name, 50, 50)


def rising(scene: Scene) -> None:
    quiet(scene)
    scene.load("orders", 95, 50)


def falling(scene: Scene) -> None:
    quiet(scene)
    scene.load("orders", 5, 50)


def updating(scene: Scene) -> None:
    """The update takes a minute, in which the table is UPDATING."""
    rising(scene)
    scene.world.advance(300)
    assert loop.attempt(scene.scaler).changed == 1


def on_demand(scene: Scene) -> None:
    for name in ("orders", "users"):
        scene.world.set_billing_mode(name, "PAY_PER_REQUEST")


@pytest.mark.parametrize(
    ("text", "prepare", "minutes", "refuses", "counts", "succeeded", "handled"),
    [
        pytest.param(BOTH, quiet, 5, {}, (3, 0, 0, 0), True, True, id="nothing to do"),
        pytest.param(BOTH, rising, 5, {}, (3, 1, 0, 0), True, True, id="one changed"),
        pytest.param("[table: users]\n", rising, 5, {}, (1, 0, 0, 0), True, True, id="only what is matched"),
        pytest.param(BOTH, updating, 0.25, {}, (1, 0, 2, 0), True, True, id="a table at work, and its index"),
        pytest.param(SHUT, rising, 5, {}, (3, 0, 1, 0), True, True, id="outside the maintenance windows"),
        pytest.param(BOTH, falling, 5, {"UpdateTable": RAN_OUT}, (3, 0, 1, 0), True, True, id="decreases ran out"),
        pytest.param(BOTH, rising, 5, {"UpdateTable": DENIED}, (3, 0, 0, 1), True, False, id="a change refused"),
        pytest.param(
            BOTH, rising, 5, {"DescribeTable users": DENIED}, (2, 1, 0, 1), True, False, id="one table not permitted"
        ),
        pytest.param(BOTH, quiet, 5, {"DescribeTable": DENIED}, (0, 0, 0, 2), False, False, id="none permitted"),
        pytest.param(BOTH, quiet, 5, {"ListTables": BROKEN}, (0, 0, 0, 0), False, False, id="no list"),
        pytest.param(BOTH, quiet, 5, {"GetMetricData": BROKEN}, (0, 0, 0, 3), False, False, id="nothing measured"),
        pytest.param("[table: ^none$]\n", quiet, 5, {}, (0, 0, 0, 0), True, False, id="there is no such table"),
    ],
)
def test_counts(
    text: str,
    prepare: Callable[[Scene], None],
    minutes: float,
    refuses: Refusals,
    counts: Counts,
    succeeded: bool,
    handled: bool,
) -> None:
    scene = Scene(text, TABLES)
    prepare(scene)
    scene.world.advance(minutes * 60)
    scene.refuses = refuses
    checked = loop.attempt(scene.scaler)
    assert (checked.looked_at, checked.changed, checked.left_alone, checked.failed) == counts
    assert (checked.succeeded, checked.handled) == (succeeded, handled)
    assert bool(checked.error) is ("ListTables" in refuses)


def test_nothing_but_on_demand_is_a_success() -> None:
    scene = Scene(BOTH, TABLES)
    on_demand(scene)
    checked = loop.attempt(scene.scaler)
    assert (checked.looked_at, checked.left_alone, checked.failed) == (0, 0, 0)
    assert checked.succeeded
    assert checked.handled


def test_a_dry_run_counts_what_it_would_change() -> None:
    scene = Scene(BOTH, TABLES, dry_run=True)
    rising(scene)
    scene.world.advance(300)
    assert loop.attempt(scene.scaler).changed == 1


def test_each_check_has_a_number_and_the_loop_hands_out_how_it_ended() -> None:
    scene = Scene(BOTH, TABLES)
    ended: list[Checked] = []

    class Twice:
        def stopping(self) -> bool:
            return len(ended) == 2

        def sleep(self, seconds: float) -> None:
            scene.world.advance(seconds)

    begun = scene.world.now
    loop.run(scene.scaler, Twice(), scene.world.now.timestamp, ended.append)
    assert [(one.number, (one.began - begun).total_seconds(), one.took) for one in ended] == [(1, 0, 0), (2, 300, 0)]
