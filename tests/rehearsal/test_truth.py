"""Whole rehearsals against numbers worked out by hand, and against the program's loop over HTTP."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from aws_server import AwsServer

from dynamic_dynamodb.aws import connection
from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration import loader, prices
from dynamic_dynamodb.decisions.model import Target, Throughput
from dynamic_dynamodb.rehearsal import play, rivals, shop
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load, Recorded
from dynamic_dynamodb.rehearsal.document import document
from dynamic_dynamodb.rehearsal.outcome import Outcome, Sums
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal, Scheme, Sections, rehearse, start
from dynamic_dynamodb.rehearsal.schemes import Course
from dynamic_dynamodb.simulation.rules import AWS, Rules
from dynamic_dynamodb.simulation.world import World

START = datetime(2026, 1, 5, tzinfo=timezone.utc)
HOUR, DAY = 60, 1440
ORDERS = Target("orders")


def config(**flags: str) -> dict[str, Any]:
    given = {"table-name": "^orders$", **{name.replace("_", "-"): value for name, value in flags.items()}}
    return loader.load(given).config


def demand(reads: Sequence[float], writes: Sequence[float] | None = None, **more: Any) -> Demand:
    load = Load(ORDERS, (array("d", reads), array("d", reads if writes is None else writes)), **more)
    return Demand("by hand", START, len(reads), (load,))


def run(of: Demand, rules: Rules = AWS, **flags: str) -> dict[str, Outcome]:
    """What came of the one table, by kind of scheme."""
    result = rehearse([Scheme("this", config(**flags))], of, prices.BUILT_IN, rules=rules)
    return {one.kind: one for one in result.resources[0].outcomes}


def reads(one: Outcome) -> tuple[float, float, int]:
    """Unit hours, throttled units and throttled minutes of the reads."""
    assert one.axes is not None
    return round(one.axes[0].read_unit_hours, 4), round(one.axes[0].throttled_units, 4), one.axes[0].throttled_minutes


# Constant


def test_a_constant_load() -> None:
    """70 a second of 100: neither threshold is reached, and 70 % is not above AWS's target."""
    all_ = run(demand([70] * DAY))
    for kind in ("configuration", "target-tracking"):
        sums = all_[kind].total
        assert (sums.read_unit_hours, sums.write_unit_hours) == (2400, 2400)
        assert sums.dollars == pytest.approx(2400 * 0.00013 + 2400 * 0.00065)
        assert sums.dollars_hour_maximum == pytest.approx(sums.dollars)
        assert sums.utilization_percent == pytest.approx(70)
        assert (sums.throttled_units, sums.throttled_minutes, sums.increases, sums.decreases) == (0, 0, 0, 0)
    assert all_["on-demand"].total.dollars == pytest.approx(70 * 86_400 * (0.125 + 0.625) / 1e6)
    for kind in ("peak", "least"):
        assert all_[kind].total.dollars == pytest.approx(70 * 24 * (0.00013 + 0.00065))
        assert all_[kind].total.utilization_percent == pytest.approx(100)
    assert all_["configuration"].total.demand_units == pytest.approx(2 * 70 * 86_400)


def test_an_idle_table() -> None:
    all_ = run(demand([0] * DAY))
    for kind in ("configuration", "target-tracking", "peak", "least"):
        assert all_[kind].total.dollars == pytest.approx(24 * (0.00013 + 0.00065))
        assert all_[kind].total.utilization_percent == 0
    assert all_["on-demand"].total.dollars == 0
    assert all_["configuration"].total.throttled_percent == 0


def test_one_axis_alone() -> None:
    all_ = run(demand([70] * DAY, [0] * DAY))
    assert (all_["configuration"].total.read_unit_hours, all_["configuration"].total.write_unit_hours) == (2400, 24)


# A step: 50 a second until noon, 200 from then on. Both begin with 50 / .7, which is 72. The full bucket at noon holds
# 300 s of that, 21,600 units: two minutes of the 128 that are missing, and 6,240 of the third minute's 7,680.

STEP = [50] * (DAY // 2) + [200] * (DAY // 2)


def test_a_step_and_the_thresholds() -> None:
    """The check at 12:15 is the first whose window, 12:00 to 12:05, has the step: 43,200 units in 300 s, 144 a second.

    That is 200 % of 72, so 144 and 50 %: 216, from 12:16 on. The check at 12:35 sees 200 of 216: 324 from 12:36 on.
    """
    step = run(demand(STEP))["configuration"]
    assert [(move.at.strftime("%H:%M"), move.before.reads, move.after.reads) for move in step.moves] == [
        ("12:15", 72, 216),
        ("12:35", 216, 324),
    ]
    assert reads(step) == (72 * 736 / 60 + 216 * 20 / 60 + 324 * 684 / 60, 1440 + 13 * 7680, 14)
    assert (step.total.increases, step.total.decreases) == (2, 0)
    assert "reads 200.0 % of 72 >= 90 %: 72 -> 216" in step.moves[0].reasons[0]


def test_a_step_and_target_tracking() -> None:
    """At 12:04 the minutes 12:00 and 12:01 are known, both above 70 %: 200 / .7 is 286, from 12:05 on."""
    step = run(demand(STEP))["target-tracking"]
    assert reads(step) == (round(72 * 725 / 60 + 286 * 715 / 60, 4), 1440 + 2 * 7680, 3)
    assert (step.total.increases, step.total.decreases, step.total.refused) == (1, 0, 0)


def test_a_step_and_the_others() -> None:
    step = run(demand(STEP))
    assert reads(step["peak"]) == (200 * 24, 0, 0)
    assert reads(step["least"]) == (50 * 12 + 200 * 12, 0, 0)
    assert step["least"].total.increases == 2  # one of each axis
    assert step["on-demand"].axes is not None
    assert step["on-demand"].axes[0].dollars == pytest.approx((50 + 200) * 43_200 * 0.125 / 1e6)


def test_a_step_without_burst_with_late_metrics_and_slow_updates() -> None:
    """Without a bucket AWS sees no more than what is provisioned, and goes up by 1 / .7 at a time.

    Metrics are 6 minutes late and an update takes 3: 72 until 12:11, 103 until 12:22, 148 until 12:33.
    """
    rules = replace(AWS, burst_seconds=0, metric_delay=360, update_seconds=180)
    step = run(demand(STEP), rules)["target-tracking"]
    assert reads(step)[1:] == (11 * 60 * (128 + 97 + 52), 33)


# A step down


def test_a_step_down() -> None:
    """200 until noon, 50 from then on; both begin with 286. 17.5 %: half of it from 12:16 on; 34.97 % of 143 stays.

    AWS: at 12:17 15 minutes below 50 % are known: 50 / .7 is 72, from 12:18 on.
    """
    down = run(demand([200] * (DAY // 2) + [50] * (DAY // 2)))
    assert reads(down["configuration"]) == (round(286 * 736 / 60 + 143 * 704 / 60, 4), 0, 0)
    assert reads(down["target-tracking"]) == (round(286 * 738 / 60 + 72 * 702 / 60, 4), 0, 0)
    assert down["configuration"].total.decreases == down["target-tracking"].total.decreases == 1
    assert reads(down["least"]) == (200 * 12 + 50 * 12, 0, 0)


def test_target_tracking_never_goes_in_at_zero() -> None:
    down = run(demand([200] * (DAY // 2) + [0] * (DAY // 2)))
    assert reads(down["target-tracking"]) == (286 * 24, 0, 0)
    assert reads(down["configuration"]) == (286 * 24, 0, 0)  # allow-scaling-down-reads-on-0-percent is false


# Ramp and square wave


def test_a_ramp() -> None:
    """60 to 1,440 a second: the least follows it minute by minute."""
    ramp = run(demand([60] * HOUR + list(range(HOUR + 1, DAY + 1))))
    assert reads(ramp["least"]) == (round((60 * HOUR + sum(range(HOUR + 1, DAY + 1))) / 60, 4), 0, 0)
    assert reads(ramp["peak"]) == (DAY * 24, 0, 0)
    assert reads(ramp["target-tracking"])[1:] == (0, 0)


def moves(course: Course) -> list[tuple[int, int]]:
    """The minute and the new reads of each."""
    return [((move.at - START) // MINUTE, move.after.reads) for move in course.moves]


def test_a_ramp_and_target_tracking() -> None:
    """It begins with 60 / .7, which is 86. 61 and 62 are above 70 % of it, and known at minute 64: 62 / .7 is 89.

    In to the last minute / .7 when 15 minutes are known to be below 50 %: the minutes 5 to 19 are at minute 22.
    """
    of = demand([60] * HOUR + list(range(61, 66)))
    (course,) = rivals.track(of, of.loads, [Throughput(86, 86)], [((1, None), (1, None))], AWS).values()
    assert moves(course) == [(64, 89)]
    of = demand([50] * 5 + [15] * 20)
    (course,) = rivals.track(of, of.loads, [Throughput(72, 72)], [((1, None), (1, None))], AWS).values()
    assert moves(course) == [(22, 22)]


def test_target_tracking_has_the_same_past_as_the_configuration() -> None:
    """The load of the first minute had always been there: what is too large or too small is known from the start."""
    for units, begins, expected in ((100, 1000, [(0, 143)]), (90, 100, [(0, 129)]), (65, 100, [])):
        of = demand([units] * HOUR)
        (course,) = rivals.track(of, of.loads, [Throughput(begins, begins)], [((1, None), (1, None))], AWS).values()
        assert moves(course) == expected


# 100 for ten minutes, 20 for ten minutes, and so on: 72 times a day.
SQUARE = ([100] * 10 + [20] * 10) * 72


def test_a_square_wave_and_the_least() -> None:
    """27 decreases of 72 that would save 80 units for ten minutes each."""
    square = run(demand(SQUARE))
    assert reads(square["least"]) == (100 * 24 - 27 * 80 * 10 / 60, 0, 0)
    assert square["least"].axes is not None
    assert square["least"].axes[0].decreases == 27
    assert square["least"].axes[0].dollars_hour_maximum == pytest.approx(100 * 24 * 0.00013)


def test_a_slow_square_wave_and_the_least() -> None:
    """One decrease an hour is always there."""
    assert reads(run(demand(([100] * 30 + [20] * 30) * 24))["least"]) == (100 * 12 + 20 * 12, 0, 0)


def test_a_square_wave_and_the_thresholds() -> None:
    """50 an hour and 1 an hour: it begins with 72, and 1.4 % asks for half of it again and again.

    Decreases: at 01:15 (72 -> 36), 01:20 (18), 01:25 (9), 01:30 (5), then none is left until 02:00. 1 of 5 is 20 %,
    so 3 then. The load of 50 is back at 02:00 and seen at 02:15.
    """
    square = run(demand(([50] * 60 + [1] * 60) * 12))["configuration"]
    first = [(move.at.strftime("%H:%M"), move.after.reads) for move in square.moves][:6]
    assert first[:4] == [("01:15", 36), ("01:20", 18), ("01:25", 9), ("01:30", 5)]
    assert first[4] == ("02:00", 3)
    assert square.total.refused > 0


# Start, limits, prices


@pytest.mark.parametrize(
    ("load", "flags", "begins"),
    [
        ({"reads": [70] * 60 + [700] * 60}, {}, 100),
        ({"reads": [70] * 59 + [71] * 61}, {}, 102),
        ({"reads": [0] * 120}, {}, 1),
        ({"reads": [70] * 120}, {"max_provisioned_reads": "80"}, 80),
        ({"reads": [70] * 120}, {"min_provisioned_reads": "130"}, 130),
        ({"reads": [70] * 120, "provisioned": 500}, {"max_provisioned_reads": "80"}, 500),
        ({"reads": [70] * 120, "provisioned": math.nan}, {}, 100),
        ({"reads": [70] * 120, "provisioned": 500, "on_demand": True}, {}, 100),
    ],
)
def test_what_a_table_begins_with(load: dict[str, Any], flags: dict[str, str], begins: int) -> None:
    load = dict(load)
    series, had = load.pop("reads"), load.pop("provisioned", None)
    zero = array("d", bytes(8 * len(series)))
    recorded = None if had is None else Recorded((array("d", [had]) * len(series), zero), (zero, zero))
    one = demand(series, recorded=recorded, **load).loads[0]
    assert start(one, Sections(config(**flags)).limits(ORDERS, AWS)).reads == begins


def test_the_start_is_the_same_for_each_scheme() -> None:
    schemes = [Scheme("a", config()), Scheme("b", config(min_provisioned_reads="1", reads_lower_threshold="1"))]
    result = rehearse(schemes, demand([70] * HOUR), prices.BUILT_IN)
    assert [one.total.read_unit_hours for one in result.totals if one.kind == "configuration"] == [100, 100]


def test_limits_hold_for_aws_as_well_and_are_named() -> None:
    limited = run(demand([70] * DAY), max_provisioned_reads="80", min_provisioned_writes="150")
    for kind in ("configuration", "target-tracking"):
        assert (limited[kind].total.read_unit_hours, limited[kind].total.write_unit_hours) == (80 * 24, 150 * 24)
    bounds = [(bound.axis, bound.limit, bound.percent) for bound in limited["configuration"].bounds]
    assert bounds == [("reads", "maximum of 80", 100), ("writes", "minimum of 150", 100)]
    assert reads(limited["peak"]) == (70 * 24, 0, 0)


def test_the_class_of_a_table_has_its_own_prices() -> None:
    all_ = run(demand([70] * DAY, table_class="STANDARD_INFREQUENT_ACCESS"))
    assert all_["configuration"].total.dollars == pytest.approx(2400 * (0.00016 + 0.00081))


def test_an_hour_by_its_average_and_by_its_highest_value() -> None:
    """286 until 12:16 and 143 from then on: the hour from 12:00 counts whole by its highest value."""
    down = run(demand([200] * (DAY // 2) + [50] * (DAY // 2)))["configuration"]
    assert down.axes is not None
    assert down.axes[0].dollars_hour_maximum == pytest.approx(0.00013 * (286 * 13 + 143 * 11))
    assert down.axes[0].dollars == pytest.approx(0.00013 * (286 * 736 + 143 * 704) / 60)


def test_part_of_an_hour_counts_whole_by_its_highest_value() -> None:
    half = run(demand([70] * 90))["configuration"]
    assert half.axes is not None
    assert (half.axes[0].dollars, half.axes[0].dollars_hour_maximum) == (0.00013 * 150, 0.00013 * 200)


def test_what_was_recorded() -> None:
    """100 units for half a day, 200 for the other one, with 60 throttled events in one minute."""
    had = array("d", [100] * (DAY // 2) + [200] * (DAY // 2))
    lost = array("d", [1] + [0] * (DAY - 1))
    recorded = Recorded((had, had), (lost, array("d", bytes(8 * DAY))))
    past = run(demand([50] * DAY, recorded=recorded))["recorded"]
    assert (past.total.read_unit_hours, past.total.write_unit_hours) == (3600, 3600)
    assert (past.total.throttled_units, past.total.throttled_minutes) == (60, 1)
    assert (past.total.increases, past.total.decreases) == (1, 0)
    assert past.total.consumed_units == 2 * 50 * 86_400 - 60


def test_what_a_table_on_demand_has_cost() -> None:
    nothing = array("d", [math.nan] * DAY)
    zero = array("d", bytes(8 * DAY))
    past = run(demand([50] * DAY, recorded=Recorded((nothing, nothing), (zero, zero)), on_demand=True))
    assert past["recorded"].total.dollars == past["on-demand"].total.dollars == pytest.approx(50 * 86_400 * 0.75e-6)


def test_a_hot_key_is_throttled_under_every_scheme() -> None:
    hot = array("d", [0] * 60 + [10] * 60), array("d", bytes(8 * 120))
    all_ = run(demand([70] * 120, hot=hot))
    for one in all_.values():
        assert one.axes is not None
        assert (one.axes[0].throttled_units, one.axes[0].throttled_minutes) == (10 * 3600, 60), one.kind
    assert all_["on-demand"].axes is not None
    assert all_["on-demand"].axes[0].dollars == pytest.approx((70 + 60) * 3600 * 0.125e-6)


def test_a_call_that_lowers_both_axes_is_one_decrease() -> None:
    down = run(demand([200] * (DAY // 2) + [50] * (DAY // 2)))["configuration"]
    assert down.axes is not None
    assert [one.decreases for one in (*down.axes, down.total)] == [1, 1, 1]


SUMS = tuple(Sums.__dataclass_fields__)
OF_CALLS = {"increases", "decreases", "refused"}  # a call may be about both axes


def test_sums_add_up() -> None:
    """Over axes, but for what is counted by calls; over tables and indexes whatever it is."""
    schemes, of = twelve()
    schemes = [replace(one, config=loader.load({"table-name": ".*"}).config) for one in schemes]
    busy = Load(ORDERS, shop.sales("sales-day"), table_class="STANDARD_INFREQUENT_ACCESS")
    busy = replace(busy, demand=(busy.demand[0][900:1080], busy.demand[1][900:1080]))
    result = rehearse(schemes, replace(of, loads=(busy, *of.loads)), prices.BUILT_IN, processes=1)
    assert len(result.totals) == 6
    for place, total in enumerate(result.totals):
        parts = [one.outcomes[place] for one in result.resources]
        assert {(part.kind, part.name) for part in parts} == {(total.kind, total.name)}
        for name in SUMS:
            assert getattr(total.total, name) == pytest.approx(sum(getattr(part.total, name) for part in parts)), name
        for part in parts:
            assert part.axes is not None
            for name in set(SUMS) - OF_CALLS:
                both = sum(getattr(axis, name) for axis in part.axes)
                assert getattr(part.total, name) == pytest.approx(both), (total.kind, name)
        if total.kind == "least":  # each axis has all decreases to itself: these are two calls
            assert total.total.decreases == sum(axis.decreases for part in parts for axis in part.axes or ())


# The same whatever


def twelve(minutes: int = 180, units: float = 70) -> tuple[list[Scheme], Demand]:
    loads = []
    for number in range(12):
        one = array("d", (units + number * (minute % 120) for minute in range(minutes)))
        loads.append(Load(Target(f"table-{number:02}"), (one, one)))
    flags = {"table-name": "table-", "check-interval": "120"}
    schemes = [
        Scheme("one", loader.load(flags).config),
        Scheme("two", loader.load({**flags, "reads-upper-threshold": "70"}).config),
    ]
    return schemes, Demand("twelve", START, minutes, tuple(loads))


def text(result: Rehearsal) -> str:
    return json.dumps(document(result))


def test_two_runs_give_the_same_bytes_on_one_process_and_on_two() -> None:
    schemes, of = twelve()
    one, again, two = (rehearse(schemes, of, prices.BUILT_IN, processes=count) for count in (1, 1, 2))
    assert text(one) == text(again) == text(two)


def test_tables_that_meet_the_quota_of_the_account_meet_it_on_any_number_of_processes() -> None:
    schemes, of = twelve(minutes=120)
    rules = replace(AWS, account_quota=3000)
    one, two = (rehearse(schemes, of, prices.BUILT_IN, processes=count, rules=rules) for count in (1, 2))
    assert text(one) == text(two)
    free = rehearse(schemes, of, prices.BUILT_IN, processes=1)
    for number in (0, 1):
        assert one.totals[number].total.refused > free.totals[number].total.refused == 0
    assert one.totals[2:] == free.totals[2:]


@pytest.mark.parametrize(("quota", "refuses"), [(8_500, True), (10_284, False), (10_285, False), (12_017, False)])
def test_a_quota_counts_what_all_tables_have_at_a_time(quota: int, refuses: bool) -> None:
    """10,285 units, and not the 12,018 that each has had at some time: half of the tables go up while others go down.

    So much is known without rehearsing all of them in one process, and the result is the same.
    """
    schemes, of = twelve(minutes=120)
    turned = (replace(load, demand=(load.demand[0][::-1], load.demand[1][::-1])) for load in of.loads[1::2])
    loads = [load for pair in zip(of.loads[::2], turned, strict=True) for load in pair]
    rules = replace(AWS, account_quota=quota)
    one, two = (
        rehearse(schemes[:1], replace(of, loads=tuple(loads)), prices.BUILT_IN, processes=count, rules=rules)
        for count in (1, 2)
    )
    assert text(one) == text(two)
    assert (one.totals[0].total.refused > 0) == refuses


# The same as over HTTP


def sent(world: World) -> list[tuple[datetime, Mapping[str, Any]]]:
    """What is asked of UpdateTable, and when; filled as it happens."""
    seen: list[tuple[datetime, Mapping[str, Any]]] = []

    def note(operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "UpdateTable":
            seen.append((world.now, dict(arguments)))

    world.fault = note
    return seen


class _Span:
    """The loop's end and its sleep, on the model's clock."""

    def __init__(self, world: World, end: datetime) -> None:
        self._world = world
        self._end = end

    def stopping(self) -> bool:
        return self._world.now >= self._end

    def sleep(self, seconds: float) -> None:
        self._world.sleep(seconds)


def test_a_day_is_the_same_day_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    pair = shop.sales("sales-day")
    by_date = array("d", (units * 2 for units in pair[1])), pair[0]
    of = Demand("day", shop.START, DAY, (Load(ORDERS, pair), Load(Target("orders", "by-date"), by_date)))
    made = config(num_read_checks_before_scale_down="2", throttled_reads_upper_threshold="100")
    table = made["tables"]["^orders$"]
    table["gsis"] = {".*": {**{key: value for key, value in table.items() if key != "gsis"}}}

    simulated: list[list[tuple[datetime, Mapping[str, Any]]]] = []
    worlds: list[World] = []

    def entered(world: World) -> None:
        worlds.append(world)
        simulated.append(sent(world))

    result = rehearse([Scheme("day", made)], of, prices.BUILT_IN, entered=entered)

    sections = Sections(made)
    starts = {load.target: start(load, sections.limits(load.target, AWS)) for load in of.loads}
    world = play.make_world(of, of.loads, starts, play.rules_for(of))
    over_http = sent(world)
    with AwsServer(world) as server:
        general = {**made["global"], "endpoint_url": server.url, "region": "us-east-1"}
        workers = Workers()
        scaler = Scaler(made, connection.connect(general), workers, world.clock)
        loop.run(scaler, _Span(world, of.end), timer=lambda: 0.0)
        workers.close()
    assert over_http == simulated[0]
    asked = [one.outcomes[0].running.metrics for one in result.resources if one.outcomes[0].running]
    assert asked == [world.metrics_asked[load.target] for load in of.loads]
    assert min(asked) > 2 * 288  # throttled events, too
    accepted = sum(len(one.outcomes[0].moves) for one in result.resources)
    assert accepted >= len(world.updates) > 10
