"""Checks that take longer than check-interval, and what the log says of the cost of the checks: virtual clocks only."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from scripts import Scene, captured

from dynamic_dynamodb.checks import loop

INTERVAL = 60
TABLE = f"[global]\ncheck-interval: {INTERVAL}\nrefresh-interval: {INTERVAL}\n[table: ^orders$]\n"
LONGER = "the check took {} s, longer than check-interval (60 s)"
NO_LONGER = "the check took {} s, again within check-interval (60 s)"


class Script:
    """The loop under the world's clock, each check taking as many seconds as it says, by a call that is slow."""

    def __init__(self, durations: Sequence[float], text: str = TABLE) -> None:
        self.scene = Scene(text, {"orders": (100, 50)})
        self.scene.on_call = self._call
        self.calls: list[tuple[str, float]] = []
        self._durations = list(durations)
        self.pauses: list[float] = []

    def stopping(self) -> bool:
        return len(self.pauses) == len(self._durations)

    def sleep(self, seconds: float) -> None:
        self.calls.append(("sleep", self.now()))
        self.scene.world.advance(seconds)
        self.pauses.append(seconds)

    def now(self) -> float:
        return self.scene.world.now.timestamp()

    def _call(self, operation: str, _: Mapping[str, Any]) -> None:
        self.calls.append((operation, self.now()))
        if operation == "DescribeTable":
            self.scene.world.advance(self._durations[len(self.pauses)])

    def run(self) -> list[tuple[int, str]]:
        """The lines about what checks take, with their levels."""
        with captured() as lines:
            loop.run(self.scene.scaler, self, self.now)
        return [(line.level, line.text) for line in lines if "the check took" in line.text]


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([1, 59, 60, 2], []),  # as long as the interval is not longer
        ([61, 61, 500, 61], [(logging.WARNING, LONGER.format(61))]),  # once, not at each check
        ([1, 90, 90, 30, 30], [(logging.WARNING, LONGER.format(90)), (logging.INFO, NO_LONGER.format(30))]),
        (
            [90, 30, 120, 60],
            [
                (logging.WARNING, LONGER.format(90)),
                (logging.INFO, NO_LONGER.format(30)),
                (logging.WARNING, LONGER.format(120)),
                (logging.INFO, NO_LONGER.format(60)),
            ],
        ),
    ],
)
def test_an_overrun_is_said_once_a_change(durations: list[float], expected: list[tuple[int, str]]) -> None:
    assert Script(durations).run() == expected


def test_a_check_that_fails_overruns_as_well() -> None:
    script = Script([70, 1])
    script.scene.refuses = {"GetMetricData": "InternalFailure: nothing to be had"}
    assert [level for level, _ in script.run()] == [logging.WARNING, logging.INFO]


def test_it_is_remembered_when_the_configuration_is_read_again() -> None:
    script = Script([90])
    assert len(script.run()) == 1
    merged = {"global": {"check_interval": 60, "refresh_interval": 60}, "tables": {}}
    script.scene.scaler.reconfigure(merged, script.scene.scaler._clients)
    with captured() as lines:
        script.scene.scaler.took(61)
    assert lines == []


def test_checks_never_overlap() -> None:
    """However long one takes, the next begins a whole interval after its end."""
    script = Script([200, 10, 61])
    script.run()
    began = [now for operation, now in script.calls if operation == "ListTables"]
    ended = [now for operation, now in script.calls if operation == "sleep"]
    assert [end - begin for begin, end in zip(began, ended, strict=True)] == [200, 10, 61]
    assert [begin - end for begin, end in zip(began[1:], ended[:-1], strict=True)] == [INTERVAL, INTERVAL]
    assert script.pauses == [INTERVAL] * 3


def test_an_overrun_is_nothing_to_a_single_check() -> None:
    script = Script([500])
    with captured() as lines:
        assert loop.attempt(script.scene.scaler).handled
    assert not any("the check took" in line.text for line in lines)


# What the checks cost


def costs(scene: Scene) -> list[str]:
    return [text for text in scene.check().texts(logging.INFO, logging.INFO) if "CloudWatch for" in text]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 43,200 checks of 30 days, 2 metrics each at a thousandth of a cent
        (
            "",
            "a check asks CloudWatch for 2 metrics of 1 table and 0 indexes: about $0.86 per month with "
            "a check every 60 s",
        ),
        (
            "throttled-reads-upper-threshold: 10\n",
            "a check asks CloudWatch for 3 metrics of 1 table and 0 indexes: about $1.30 per month with "
            "a check every 60 s",
        ),
        (
            "throttled-reads-upper-threshold: 10\nthrottled-writes-upper-threshold: 10\n",
            "a check asks CloudWatch for 4 metrics of 1 table and 0 indexes: about $1.73 per month with "
            "a check every 60 s",
        ),
    ],
)
def test_the_metrics_of_a_check_and_what_they_cost_are_said_once(options: str, expected: str) -> None:
    scene = Scene(f"{TABLE}{options}", {"orders": (100, 50)})
    assert costs(scene) == [expected]
    assert costs(scene) == []


def test_indexes_count() -> None:
    scene = Scene(
        "[global]\ncheck-interval: 300\n[table: .*]\n[gsi: .* table: .*]\n",
        {"orders": (100, 50), "orders/by-date": (100, 50), "people": (100, 50)},
    )
    assert costs(scene) == [
        "a check asks CloudWatch for 6 metrics of 2 tables and 1 index: about $0.52 per month with a check every 300 s"
    ]


def test_it_is_said_by_the_first_check_that_measures_anything() -> None:
    scene = Scene(TABLE, {})
    assert costs(scene) == []
    scene.add("orders", (100, 50))
    scene.world.advance(300)
    assert len(costs(scene)) == 1
