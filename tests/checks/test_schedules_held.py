"""Schedules in the loop, under the world's clock: what they do to checks, and to the pauses between them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from scripts import TOPIC, Scene, Step, Units, captured

from dynamic_dynamodb.checks import loop

UTC = timezone.utc
EVENING = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)  # a Wednesday; 15:30 in New York
RUSH = """
[schedule: rush-hour table: ^orders$]
when: Mon-Fri 15:45-22:00
time-zone: America/New_York
min-provisioned-reads: 800
min-provisioned-writes: 200
"""
ORDERS = f"[table: ^orders$]\n[gsi: .* table: ^orders$]\n{RUSH}"
TABLES: Mapping[str, Units] = {"orders": (100, 50), "orders/by-date": (100, 50)}
BUSY = {"orders": (50, 25), "orders/by-date": (50, 25)}  # between the thresholds
HELD = "min-provisioned-reads is 800 (schedule rush-hour until 22:00 America/New_York)"


def scene(text: str = ORDERS, tables: Mapping[str, Units] = TABLES, start: datetime = EVENING, **more: Any) -> Scene:
    return Scene(textwrap.dedent(text), tables, start=start, **more)


def test_a_minimum_is_reached_in_the_first_check_after_the_beginning() -> None:
    """The table's alone: its index has schedules of its own."""
    scene().play(
        Step(at="20:44:59", load=BUSY, unsaid=["rush-hour"]),
        Step(
            at="20:45:00",
            sent=[{"orders": (800, 200)}],
            says=[f"orders - reads 50.0 % of 100: 100 -> 800 ({HELD}); writes 50.0 % of 50: 50 -> 200 (min-prov"],
        ),
    )


def test_at_its_end_nothing_happens_at_once() -> None:
    """The usual rules decide, within the decreases there are."""
    late = datetime(2026, 11, 26, 2, 40, tzinfo=UTC)
    scene(f"[table: ^orders$]{RUSH}", {"orders": (800, 200)}, start=late).play(
        Step(at="02:55", load={"orders": (50, 20)}, says=[f"orders - reads 6.2 % of 800 <= 30 %: stays, {HELD}"]),
        Step(at="02:59:59", sent=[]),
        Step(at="03:00", sent=[{"orders": (400, 100)}], unsaid=["rush-hour"]),
        Step(at="03:05", sent=[{"orders": (200, 50)}]),
    )  # fmt: skip


def test_a_switch_outranks_it() -> None:
    scene(f"[table: ^orders$]\nenable-reads-up-scaling: false\n{RUSH}").play(
        Step(at="20:45", load=BUSY, sent=[{"orders": (100, 200)}], says=["enable-reads-up-scaling is false"])
    )


WINDOW = "[table: ^orders$]\nmaintenance-windows: 22:00-23:00\n"


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ("", "22:00"),
        ("scale-up-outside-maintenance-windows: true\n", "20:45"),
    ],
)
def test_maintenance_windows_delay_it(more: str, at: str) -> None:
    one = scene(WINDOW + more + RUSH)
    outside = "orders - outside the maintenance windows 22:00-23:00 UTC"
    one.play(Step(at="20:40", load=BUSY, warns=[outside]))
    one.play(Step(at="20:45", sent=[{"orders": (800, 200)}] if at == "20:45" else []))
    one.play(Step(at="22:00", sent=[{"orders": (800, 200)}] if at == "22:00" else []))


def test_it_may_open_the_windows_itself() -> None:
    scene(WINDOW + RUSH + "maintenance-windows: 20:00-21:00\n").play(
        Step(at="20:45", load=BUSY, sent=[{"orders": (800, 200)}])
    )


def test_any_option_of_a_section_changes_with_it() -> None:
    """Scaling policies, look-back windows, topics, breakers: the check sees a section like any other."""
    text = f"""
    [table: ^orders$]
    reads-upper-threshold: 60
    [schedule: calm table: ^orders$]
    when: daily 20:35-20:45
    reads-upper-threshold: 40
    sns-topic-arn: {TOPIC}
    sns-message-types: scale-up
    """
    scene(text, {"orders": (100, 50)}).play(
        Step(at="20:34", load={"orders": (50, 25)}),
        Step(at="20:35", sent=[{"orders": (150, 50)}], told=["scaling | "]),
        Step(at="20:45", load={"orders": (100, 25)}, sent=[{"orders": (225, 50)}]),
    )


def test_the_schedule_of_an_index() -> None:
    text = """
    [table: ^orders$]
    [gsi: ^by table: ^orders$]
    [schedule: nights gsi: ^by table: ^orders$]
    when: daily 23:00-05:00
    min-provisioned-writes: 70
    """
    scene(text).play(
        Step(at="22:59", load=BUSY),
        Step(at="23:00", sent=[{"orders/by-date": (100, 70)}], says=["(schedule nights until 05:00 UTC)"]),
    )


def test_a_check_goes_by_what_holds_when_it_begins() -> None:
    """Also where it is over when the table is described again."""
    one = scene(start=datetime(2026, 11, 26, 2, 58, tzinfo=UTC))
    one.load("orders", 50, 25)
    one.load("orders/by-date", 50, 25)
    one.world.advance(60)
    asked: list[str] = []

    def slow(operation: str, _arguments: Mapping[str, Any]) -> None:
        asked.append(operation)
        if operation == "GetMetricData" and len(asked) < 5:
            one.world.advance(61)

    one.on_call = slow
    assert one.check().sent == [{"orders": (800, 200)}]
    assert asked.count("DescribeTable") == 2


def test_a_dry_run_decides_and_sends_nothing() -> None:
    one = scene(dry_run=True)
    one.play(Step(at="20:45", load=BUSY, says=["orders - reads 50.0 % of 100: 100 -> 800"]))
    assert one.provisioned("orders") == (100, 50)


def test_after_sighup_the_new_schedules_count() -> None:
    one = scene("[table: ^orders$]\n", {"orders": (100, 50)})
    one.play(Step(at="20:45", load={"orders": (50, 25)}))
    one.reload(f"[table: ^orders$]{RUSH}")
    one.play(Step(at="20:50", sent=[{"orders": (800, 200)}]))
    one.reload("[table: ^orders$]\n")
    one.play(Step(at="20:55", unsaid=["rush-hour"], load={"orders": (500, 100)}))


# Pauses


class Clock:
    """The loop under the world's clock; each check takes `takes` seconds."""

    def __init__(self, text: str, checks: int, takes: float = 0, start: datetime = EVENING) -> None:
        self.scene = scene(text, {"orders": (100, 50)}, start=start)
        self.scene.load("orders", 50, 25)
        self.takes = takes
        self.left = checks
        self.begun: list[str] = []
        self.scene.on_call = self._call

    def stopping(self) -> bool:
        return self.left == 0

    def sleep(self, seconds: float) -> None:
        self.scene.world.advance(seconds)

    def _call(self, operation: str, _: Mapping[str, Any]) -> None:
        if operation == "ListTables":
            self.begun.append(f"{self.scene.world.now:%H:%M:%S}")
            self.left -= 1
        if operation == "GetMetricData":
            self.scene.world.advance(self.takes)

    def _timer(self) -> float:
        return self.scene.world.now.timestamp()

    def run(self) -> list[str]:
        with captured() as self.lines:
            loop.run(self.scene.scaler, self, self._timer)
        return self.begun


def schedules(*whens: str, interval: int = 300) -> str:
    sections = (
        f"[schedule: s{n} table: ^o]\nwhen: {when}\nreads-upper-threshold: 91\n" for n, when in enumerate(whens)
    )
    return f"[global]\ncheck-interval: {interval}\n[table: ^o]\n" + "".join(sections)


@pytest.mark.parametrize(
    ("whens", "begun"),
    [
        ([], ["20:30:00", "20:35:00", "20:40:00", "20:45:00"]),
        (["daily 20:32-20:33"], ["20:30:00", "20:32:00", "20:37:00", "20:42:00"]),  # its end is no reason
        (["daily 20:35-20:40"], ["20:30:00", "20:35:00", "20:40:00", "20:45:00"]),
        (["daily 20:30-20:40"], ["20:30:00", "20:35:00", "20:40:00", "20:45:00"]),
        (
            ["daily 20:31-20:40", "daily 20:33-20:50", "daily 20:32-20:34"],
            ["20:30:00", "20:31:00", "20:32:00", "20:33:00"],
        ),
        # One that goes on begins once.
        (["daily 20:31-20:33, daily 20:33-20:40"], ["20:30:00", "20:31:00", "20:36:00", "20:41:00"]),
    ],
)  # fmt: skip
def test_a_pause_ends_when_a_schedule_begins(whens: list[str], begun: list[str]) -> None:
    assert Clock(schedules(*whens), 4).run() == begun


def test_one_that_begins_while_a_check_is_under_way_is_looked_at_right_after_it() -> None:
    assert Clock(schedules("daily 20:31-20:40"), 3, takes=90).run() == ["20:30:00", "20:31:30", "20:38:00"]


def test_the_schedules_of_indexes_end_a_pause_too() -> None:
    text = (
        "[table: ^o]\n[gsi: x table: ^o]\n[schedule: s gsi: x table: ^o]\nwhen: 2026-11-25 20:31 - 2026-11-25 20:40\n"
    )
    assert Clock(text + "reads-upper-threshold: 91\n", 2).run() == ["20:30:00", "20:31:00"]


def test_the_log_tells_when_the_next_check_begins() -> None:
    clock = Clock(schedules("daily 20:32-20:33"), 1)
    clock.scene.check()
    assert clock.scene.scaler.next_check() == "next in 120 s, when a schedule begins"
