"""What a check adds to the log: what the last check's lines said too is at debug, and each check ends with a line."""
# ruff: noqa: E501 - a case is one line of its table

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest
from scripts import LOOKBACK, Scene, Step, captured, target

from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.tally import Checked

ORDERS = "[table: ^orders$]\n"
STAYS = "orders - reads 50.0 % of 100: stays, above 30 %, below 90 %"


def test_a_line_is_news_where_its_kind_is_another() -> None:
    """Numbers do not count."""
    scene = Scene(f"{ORDERS}num-read-checks-before-scale-down: 3\nmin-provisioned-reads: 40\n", {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (50, 25)}, says=[STAYS]),
        Step(load={"orders": (60, 30)}, unsaid=["orders"], whispers=["orders - reads 60.0 % of 100: stays"]),
        Step(load={"orders": (25, 30)}, says=["reads 25.0 % of 100 <= 30 %: hold, check 1 of 3"]),
        Step(
            load={"orders": (26, 30)}, unsaid=["orders"], whispers=["reads 26.0 % of 100 <= 30 %: hold, check 2 of 3"]
        ),
        Step(load={"orders": (25, 30)}, sent=[{"orders": (50, 50)}], says=["100 -> 50"]),
        Step(load={"orders": (15, 30)}, says=["reads 30.0 % of 50 <= 30 %: hold, check 1 of 3"]),
        Step(load={"orders": (25, 30)}, says=["reads 50.0 % of 50: stays"]),
        Step(load={"orders": (25, 50)}, sent=[{"orders": (50, 75)}], says=["50 -> 75"]),
        Step(load={"orders": (0, 40)}, says=["nothing consumed"]),
        Step(unsaid=["orders"], whispers=["nothing consumed"]),
    )


def test_a_change_is_one_line_each_time() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)}, dry_run=True)
    up = "reads 95.0 % of 100 >= 90 %: 100 -> 150"
    scene.play(Step(load={"orders": (95, 25)}, says=[up]), Step(says=[up]), Step(says=[up]))


def test_with_a_new_process_all_is_news() -> None:
    scene = Scene(ORDERS, {"orders": (100, 50)})
    scene.play(Step(load={"orders": (50, 25)}, says=[STAYS]), Step(unsaid=["stays"]))
    scene.scaler._once = True  # as --run-once has it
    scene.reload(LOOKBACK + ORDERS)
    scene.play(Step(says=[STAYS]), Step(says=[STAYS]))


@pytest.mark.parametrize(
    ("checked", "how", "line"),
    [
        ((412, 200, 3, 1, 0), {"following": "next in 300 s"}, "check 412: 200 looked at, 3 changed, 1 left alone, 0 failed, in 0.8 s; next in 300 s"),
        ((1, 2, 1, 0, 1), {}, "check 1: 2 looked at, 1 changed, 0 left alone, 1 failed, in 0.8 s"),
        ((1, 2, 1, 0, 1), {"dry_run": True}, "check 1: 2 looked at, 1 would be changed, 0 left alone, 1 failed, in 0.8 s"),
        ((7, 0, 0, 0, 0, "ListTables failed"), {}, "check 7 failed: 0 looked at, 0 changed, 0 left alone, 0 failed, in 0.8 s"),
    ],
)  # fmt: skip
def test_the_line_that_a_check_ends_with(checked: tuple[int, ...], how: dict[str, object], line: str) -> None:
    number, looked_at, changed, left_alone, failed, *error = checked
    now = datetime(2026, 1, 31)  # noqa: DTZ001
    one = Checked(number, now, now, 0.84, looked_at, changed, left_alone, failed, str(*error), True, not error)
    with captured() as lines:
        loop.tell(one, **{"dry_run": False, **how})  # type: ignore[arg-type]
    assert [(line.level, line.text) for line in lines] == [(logging.INFO, line)]


class Hours:
    """Tells the loop to end after 4 hours, a sixth of a day; each of five tables is busy for one of them, or is not."""

    def __init__(self, scene: Scene) -> None:
        self.world, self.end = scene.world, scene.world.now + timedelta(hours=4)

    def stopping(self) -> bool:
        return self.world.now >= self.end

    def sleep(self, seconds: float) -> None:
        self.world.advance(seconds)
        for number in range(5):
            busy = self.world.now.hour % 12 == number
            self.world.set_load(target(f"table-{number:03}"), "reads", 95 if busy else 45)


def test_a_day_of_100_tables_with_an_index_each_is_under_1000_lines() -> None:
    """At the default interval; most of them are quiet, each in its own way."""
    scene = Scene("[table: ^table-]\n[gsi: .* table: ^table-]\n", {})
    for number in range(100):
        for name in (f"table-{number:03}", f"table-{number:03}/by-date"):
            scene.add(name, (100, 100))
            scene.load(name, (0, 35, 50, 65)[number % 4], (55, 0, 60)[number % 3])
    with captured() as lines:
        loop.run(scene.scaler, Hours(scene), lambda: 0.0, lambda checked: loop.tell(checked, dry_run=False))
    told = [line.text for line in lines if line.level >= logging.INFO]
    closing = [number for number, text in enumerate(told) if "looked at" in text]
    assert len(closing) == 48
    changes = sum("->" in text for text in told)
    assert changes >= 5
    first = closing[0] + 1
    assert first + 6 * (len(told) - first) < 1000
