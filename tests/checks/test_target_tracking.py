"""Target tracking in the loop, against the model: what is asked for, what is sent, and what the guards make of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from scripts import Scene, captured, target

from dynamic_dynamodb.checks.backfill import Backfill
from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import AWS

TRACKED = """
    [global]
    check-interval: 60
    [default_options]
    scaling-policy: target-tracking
    [table: ^orders$]
"""
RULES = replace(AWS, metric_delay=120)


class Play:
    """A scene of one table, checked once a minute, under AWS's rules."""

    def __init__(self, text: str = TRACKED, units: tuple[int, int] = (100, 100), **more: Any) -> None:
        indexes = more.pop("indexes", {})
        self.scene = Scene(text, {"orders": units, **indexes}, rules=more.pop("rules", RULES), **more)
        self.world = self.scene.world
        self.texts: list[str] = []  # of all checks, at info and above
        self.fail_long_windows = False
        self.asked: Counter[str] = Counter()  # metrics, by name
        self.windows: dict[str, set[timedelta]] = {}
        self.scene.on_call = self._note

    def _note(self, operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "GetMetricData":
            window = arguments["EndTime"] - arguments["StartTime"]
            if self.fail_long_windows and window > timedelta(days=1):
                raise RefusedError("InternalFailure", "try later")
            for query in arguments["MetricDataQueries"]:
                name = query["MetricStat"]["Metric"]["MetricName"]
                self.asked[name] += 1
                self.windows.setdefault(name, set()).add(window)

    def load(self, reads: float, writes: float = 90) -> Play:
        self.scene.load("orders", reads, writes)
        return self

    def run(self, minutes: int, seconds: float = 60) -> list[dict[str, tuple[int, int]]]:
        """Check so many times; all UpdateTable calls."""
        sent = []
        for _ in range(minutes):
            self.world.advance(seconds)
            self.seen = self.scene.check()
            sent += self.seen.sent
            self.texts += self.seen.texts()
        return sent

    @property
    def units(self) -> tuple[int, int]:
        return self.scene.provisioned("orders")

    def lines(self) -> str:
        return "\n".join(self.seen.texts(logging.DEBUG))


@pytest.fixture
def settled() -> Play:
    """90 of 100 units consumed for an hour and a half: nothing is to be done."""
    play = Play().load(90)
    play.run(90)
    assert play.units == (100, 100)
    return play


# Up and down


def test_a_load_that_grows_is_followed(settled: Play) -> None:
    settled.load(150)
    # Two minutes until CloudWatch shows it, and one until it is checked.
    assert settled.run(4) == [{"orders": (169, 100)}]
    settled.run(20)
    assert settled.units[0] >= 169


def test_a_load_that_falls_is_followed_by_steps(settled: Play) -> None:
    settled.load(20, 20)
    sent = settled.run(60)
    assert sent[0] == {"orders": (70, 70)}
    assert sent[1] == {"orders": (49, 49)}
    settled.run(120)
    assert settled.units == (25, 25)


def test_the_reason_is_in_the_log(settled: Play) -> None:
    settled.load(150)
    settled.run(3)
    assert (
        "reads 150 per second, 151 expected in 6 minutes, over 97 % of 100: 100 -> 169 (target 90 %)" in settled.lines()
    )
    assert "writes 90 per second of 100: stays, 100 needed" in settled.lines()


def test_one_axis_joins_the_other() -> None:
    """Reads save 4 % and come along with the writes; alone they stay."""
    alone = Play().load(86, 90)
    assert alone.run(60) == []
    both = Play().load(86, 60)
    assert both.run(30)[0] == {"orders": (96, 70)}


def test_decrease_together_waits_for_the_other_axis() -> None:
    text = TRACKED + "    always-decrease-rw-together: true\n"
    waiting = Play(text).load(50, 90)
    assert waiting.run(61) == []
    assert "hold 100, writes do not ask for less (always-decrease-rw-together)" in waiting.lines()
    met = Play(text).load(50, 86)
    assert met.run(30)[0] == {"orders": (70, 96)}


def test_one_axis_may_follow_thresholds() -> None:
    text = TRACKED + "    writes-scaling-policy: thresholds\n    lookback-window-start: 5\n    lookback-period: 5\n"
    play = Play(text).load(90, 10)
    play.run(60)
    reads, writes = play.units
    assert reads == 100
    assert writes < 50
    assert "writes 10.0 per" not in play.lines()
    assert "reads 90 per second of 100: stays, 100 needed" in play.lines()


def test_an_index_is_followed_like_a_table() -> None:
    text = TRACKED + "    [gsi: ^by-date$ table: ^orders$]\n"
    play = Play(text, indexes={"orders/by-date": (50, 50)}).load(90)
    play.scene.load("orders/by-date", 100, 45)
    play.run(10)
    assert play.scene.provisioned("orders/by-date") == (112, 50)


# Guards and switches


@pytest.mark.parametrize(
    ("options", "load", "units"),
    [
        pytest.param("max-provisioned-reads: 120", 300, 120, id="max"),
        pytest.param("min-provisioned-reads: 80", 10, 80, id="min"),
        pytest.param("enable-reads-up-scaling: false", 300, 100, id="no up-scaling"),
        pytest.param("enable-reads-down-scaling: false", 10, 100, id="no down-scaling"),
        pytest.param("enable-reads-autoscaling: false", 300, 100, id="off"),
        pytest.param("maintenance-windows: 03:00-03:01", 300, 100, id="window"),
        pytest.param("", 0, 100, id="idle"),
    ],
)
def test_limits_switches_and_windows(options: str, load: float, units: int) -> None:
    play = Play(f"{TRACKED}    {options}\n").load(90)
    play.run(30)
    play.load(load)
    play.run(60)
    assert play.units[0] == units


def test_an_increase_outside_the_windows() -> None:
    options = "    maintenance-windows: 03:00-03:01\n    scale-up-outside-maintenance-windows: true\n"
    play = Play(TRACKED + options).load(90)
    play.run(30)
    play.load(300)
    play.run(60)
    assert play.units[0] >= 334


def test_a_dry_run_changes_nothing_and_learns_nothing() -> None:
    play = Play(dry_run=True, rules=replace(RULES, burst_seconds=0)).load(90)
    play.run(60)
    play.load(150)
    assert play.run(60) == []
    assert "throttled with 100 in effect: 100 -> 167" in play.lines()
    history = play.scene.scaler._tracker.history(target("orders"))
    assert history.learned("reads").headroom == 1


def test_throttled_minutes_are_learned_from() -> None:
    play = Play(rules=replace(RULES, burst_seconds=0)).load(90)
    play.run(60)
    play.load(150)
    play.run(20)
    learned = play.scene.scaler._tracker.history(target("orders")).learned("reads")
    assert 1.1 < learned.headroom <= 1.15
    assert play.scene.scaler._tracker.history(target("orders")).learned("writes").headroom == 1


@pytest.mark.parametrize("option", ["throttled-minutes-per-day: off", "max-provisioned-reads: 100"])
def test_what_is_not_learned_from(option: str) -> None:
    play = Play(f"{TRACKED}    {option}\n", rules=replace(RULES, burst_seconds=0)).load(90)
    play.run(60)
    play.load(150)
    play.run(20)
    assert play.scene.scaler._tracker.history(target("orders")).learned("reads").headroom == 1


def test_refused_decreases_are_waited_for() -> None:
    play = Play().load(90, 90)
    play.run(60)
    play.world.set_decreases(target("orders"), 4)
    play.world.set_last_increase(target("orders"), None)
    play.load(20, 20)
    sent = play.run(40)
    refused = len(sent)
    assert play.units == (100, 100) or refused >= 1
    tried = Counter(str(one) for one in sent)
    assert all(count == 1 for count in tried.values())


def test_a_hot_key_range_is_not_followed() -> None:
    """All that is throttled is throttled by one partition's own limit: more capacity would not cure it."""
    play = Play(rules=replace(RULES, burst_seconds=0)).load(90)
    play.run(40)
    now = play.world.now.replace(second=0, microsecond=0)
    for minute in range(60):
        moment = now + timedelta(minutes=minute - 2)
        for name in ("ReadThrottleEvents", "ReadKeyRangeThroughputThrottleEvents"):
            play.world.put_metric(target("orders"), name, moment, 500)
    assert play.run(40) == []
    assert "1500 reads throttled, 1500 of them by a hot key range, which more capacity does not cure" in play.lines()


# What CloudWatch is asked for


def test_a_quiet_table_is_asked_for_two_metrics_and_seldom_for_more() -> None:
    play = Play().load(85)
    play.run(50)
    assert play.asked == {
        "ConsumedReadCapacityUnits": 50,
        "ConsumedWriteCapacityUnits": 50,
        "ReadThrottleEvents": 10,
        "WriteThrottleEvents": 10,
    }
    first = timedelta(minutes=75)
    assert play.windows["ConsumedReadCapacityUnits"] == {first, timedelta(minutes=5)}


def test_a_busy_table_is_asked_for_throttled_events_at_each_check() -> None:
    play = Play().load(96)
    play.run(50)
    assert play.asked["ReadThrottleEvents"] == 50
    assert play.asked["ReadKeyRangeThroughputThrottleEvents"] == 0


def test_hot_key_ranges_are_asked_for_where_something_was_throttled() -> None:
    play = Play(TRACKED + "    max-provisioned-reads: 100\n", rules=replace(RULES, burst_seconds=0)).load(150)
    play.run(10)
    assert 1 <= play.asked["ReadKeyRangeThroughputThrottleEvents"] <= play.asked["ReadThrottleEvents"]


def test_alarms_keep_their_look_back_window() -> None:
    options = (
        "    reads-upper-alarm-threshold: 80\n    sns-message-types: high-throughput-alarm\n"
        "    sns-topic-arn: arn:aws:sns:us-east-1:123456789012:scaling\n    lookback-window-start: 10\n"
    )
    play = Play(TRACKED + options).load(85)
    play.run(20)
    assert [message.subject for message in play.world.messages] == ["Dynamic DynamoDB: high-throughput-alarm: orders"]


def test_the_cost_is_told_as_a_range() -> None:
    play = Play().load(85)
    play.run(1)
    texts = [text for text in play.seen.texts() if "CloudWatch" in text]
    assert texts == [
        "a check asks CloudWatch for 2 to 6 metrics of 1 table and 0 indexes: about $0.86 to $2.59 per month with "
        "a check every 60 s"
    ]


# Trouble


def test_nothing_goes_down_while_data_are_missing(settled: Play) -> None:
    """CloudWatch is 20 minutes late: the newest minutes are not zero, they are not known."""
    settled.world.rules = replace(settled.world.rules, metric_delay=20 * 60)
    assert settled.run(15) == []
    assert "stays" in settled.lines()


def test_a_failed_answer_leaves_the_target_alone(settled: Play) -> None:
    settled.load(150)
    settled.scene.refuses = {"GetMetricData": "InternalFailure: try later"}
    assert settled.run(5) == []
    assert not settled.seen.ok
    settled.scene.refuses = {}
    assert settled.run(3)[0]["orders"][0] >= 169


def test_how_late_a_check_comes_within_its_minute_makes_no_difference() -> None:
    plays = [Play().load(90), Play().load(90)]
    plays[1].world.advance(29)
    results = []
    for play in plays:
        play.run(30)
        play.load(140)
        results.append(play.run(30))
    assert results[0] == results[1]


def test_what_was_known_survives_a_new_configuration(settled: Play) -> None:
    settled.scene.reload(TRACKED + "    target-reads-utilization: 80\n")
    assert settled.run(2) == []  # at 80 % it needs 113: not yet, as 90 is not over 97 % of 100
    settled.load(98)
    assert settled.run(4) == [{"orders": (123, 100)}]


def test_a_global_tables_writes_are_left_alone() -> None:
    play = Play().load(150, 150)
    play.world.set_replicas("orders", ["eu-west-1"])
    play.run(10)
    assert play.units == (167, 100)


def test_at_five_minutes_it_works_too() -> None:
    play = Play(TRACKED.replace("check-interval: 60", "check-interval: 300")).load(90)
    play.run(20, seconds=300)
    play.load(150)
    play.run(3, seconds=300)
    assert play.units[0] >= 167


@pytest.mark.parametrize("axis", AXES)
def test_both_axes_are_the_same(axis: str) -> None:
    play = Play().load(*((150, 90) if axis == "reads" else (90, 150)))
    play.run(10)
    assert play.units == ((167, 100) if axis == "reads" else (100, 167))


# The past


DAY = 1440  # minutes


def nightly(moment: datetime) -> float:
    """A batch of half an hour at 03:00."""
    return 500 if moment.hour == 3 and moment.minute < 30 else 90


def after_two_weeks(**more: Any) -> Play:
    """A table with a load that recurs, whose program starts at 02:00 after two weeks."""
    play = Play(rules=replace(RULES, retention=15 * 86_400), **more)
    for axis in AXES:
        play.world.set_load(target("orders"), axis, nightly)
    play.world.advance(14 * 86_400)
    moment = play.world.now
    play.world.advance(((26 - moment.hour) % 24) * 3600 - moment.minute * 60 - moment.second)
    return play


def wait_for(backfill: Backfill) -> None:
    until = time.monotonic() + 60
    while not backfill._found:
        assert time.monotonic() < until
        time.sleep(0.01)


def join_backfill() -> None:
    """Wait for what is reading the past, if anything is."""
    for thread in threading.enumerate():
        if thread.name == "backfill":
            thread.join(60)


def test_what_recurs_is_read_from_the_past_and_met_before_it_comes() -> None:
    backfill = Backfill()
    play = after_two_weeks(backfill=backfill)
    play.run(1)
    assert "reading the last 15 days of 1 table and 0 indexes from CloudWatch" in play.lines()
    wait_for(backfill)
    sent = play.run(58)
    assert sent == [{"orders": (556, 556)}]  # before 03:00
    assert "500 needed at this time on" in "\n".join(text for text in play.texts if "100 -> 556" in text)


def test_without_the_past_it_is_late() -> None:
    play = after_two_weeks()
    assert play.run(59) == []


def test_a_past_that_cannot_be_read_is_told_once_and_stops_nothing() -> None:
    backfill = Backfill()
    play = after_two_weeks(backfill=backfill)
    play.fail_long_windows = True
    with captured() as lines:
        for _ in range(5):
            play.world.advance(60)
            assert play.scene.scaler.check()
            join_backfill()
    found = [line.text for line in lines if "cannot be read" in line.text]
    assert len(found) == 1
    assert "orders - the last 15 days of its metrics cannot be read: GetMetricData failed" in found[0]
    assert found[0].endswith("retried in an hour")


def test_where_no_thread_can_be_had_the_check_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's limit on threads, as threading tells of it; the next check tries again."""
    backfill = Backfill()
    play = after_two_weeks(backfill=backfill)
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "backfill":
            raise RuntimeError("can't start new thread")
        begin(thread)

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        play.run(1)
        assert play.seen.ok
    play.run(1)
    assert "reading the last 15 days of 1 table and 0 indexes" in play.lines()
    wait_for(backfill)


def test_nothing_more_is_read_once_it_is_closed() -> None:
    backfill = Backfill()
    play = after_two_weeks(backfill=backfill)
    play.scene.scaler.close()
    play.run(1)
    join_backfill()
    assert play.asked["ReadThrottleEvents"] == 1  # the check's own


# Somebody else changes the table meanwhile


def test_another_hand_is_decided_about_again_from_the_same_minutes() -> None:
    """Reads were raised to 400 between our DescribeTable and our call: they stay there."""
    play = Play().load(90, 90)
    play.run(10)
    play.load(90, 150)
    play.run(2)

    def meanwhile(operation: str, _: Mapping[str, Any]) -> None:
        if operation == "GetMetricData" and not raised:
            raised.append(operation)
            play.world.set_throughput(target("orders"), 400, 100)
            play.world.advance(11)  # the description is old when the change is sent

    raised: list[str] = []
    play.scene.on_call = meanwhile
    assert play.run(1) == [{"orders": (400, 169)}]
    assert "changed by somebody else since it was described: reads 100 -> 400; decided again" in play.lines()
