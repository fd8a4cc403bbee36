"""The figures of docs/when-not.md and docs/comparison.md, worked out again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import pages
import pytest
from scripts import Scene, simulate_day

from dynamic_dynamodb.aws.cloudwatch import dollars_a_month
from dynamic_dynamodb.configuration.prices import Watching
from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.rehearsal.rivals import ALARMS
from dynamic_dynamodb.simulation.rules import Rules

# AWS's price list, us-east-1, 2025, in dollars
UNIT_HOUR = {"reads": 0.00013, "writes": 0.00065}
MILLION = {"reads": 0.125, "writes": 0.625}
ALARM_MONTH = Watching().alarm_month  # what a rehearsal reckons with
# AWS's documentation
CONFIG_ITEMS = 8  # that AWS Config records for a scaling event
DEARER, CHEAPER = 25, 60  # percent: throughput and storage of Standard-IA, compared with Standard


def dollars(amount: float) -> str:
    return f"${amount:.2f}"


def product(amounts: Iterable[float], prices: Iterable[float]) -> float:
    return sum(amount * price for amount, price in zip(amounts, prices, strict=True))


# Prices


def test_break_even() -> None:
    (table,) = pages.tables("when-not.md", "reads", "writes")
    for axis in AXES:
        shown = [row[axis] for row in table.rows]
        full = 3600 * MILLION[axis] / 1_000_000
        assert [float(cell.lstrip("$")) for cell in shown[:2]] == [UNIT_HOUR[axis], MILLION[axis]]
        assert shown[2:] == [f"${full:.5f}", f"{100 * UNIT_HOUR[axis] / full:.1f} %", f"{full / UNIT_HOUR[axis]:.2f}"]
    for page in ("when-not.md", "comparison.md"):
        assert f"{100 * UNIT_HOUR['reads'] * 1e6 / 3600 / MILLION['reads']:.0f} %" in pages.read(page)


def test_a_day() -> None:
    day = simulate_day()
    units = [[[check.provisioned[name][axis] for name in day.limits] for check in day.checks] for axis in (0, 1)]
    hours = [sum(map(sum, axis)) / 12 for axis in units]  # a check every five minutes
    peak_hours = [24 * sum(map(max, zip(*axis, strict=True))) for axis in units]
    price, million = [UNIT_HOUR[axis] for axis in AXES], [MILLION[axis] / 1_000_000 for axis in AXES]
    on_demand = 3600 * product(day.consumed, million)
    (table,) = pages.tables("when-not.md", "a day of")
    assert [row["cost"] for row in table.rows] == [
        dollars(product(peak_hours, price)),
        dollars(on_demand),
        dollars(product(hours, price)),
    ]
    used = product(day.consumed, price) / product(hours, price)
    assert table.rows[-1]["a day of"] == f"this program: {100 * used:.0f} % used"


def test_a_small_table() -> None:
    (table,) = pages.tables("when-not.md", "a month of 30 days")
    assert [row["a month of 30 days"] for row in table.rows] == [
        dollars(30 * 24 * sum(UNIT_HOUR.values())),
        dollars(dollars_a_month(2, 300)),
    ]


def test_running_costs() -> None:
    (table,) = pages.tables("comparison.md", "a table", "counted from")
    metrics = [(2, 300), (2, 60), (4, 300), (6, 300), (2, 3600), (12, 300)]  # in a check, and seconds between two
    assert [row["a table"] for row in table.rows] == [
        *(dollars(dollars_a_month(*one)) for one in metrics),
        dollars(ALARMS * ALARM_MONTH),
        dollars(0),
    ]
    text = pages.read("comparison.md").replace("\n", " ")
    tables = math.ceil(10 / (ALARMS * ALARM_MONTH - dollars_a_month(2, 300)))
    assert f"count {tables} tables and indexes for each $10 per month" in text
    assert f"| {ALARMS} alarms, {ALARMS // 2} per axis, {dollars(ALARM_MONTH)} each |" in text


def test_scaling_events_of_aws() -> None:
    changes = sum(throttling("rehearsal.md")["AWS target tracking 70 %"][-3:-1])
    text = " ".join(pages.read("comparison.md").split())
    assert (
        f"has {changes:.1f} scaling events per day for one table, which is {CONFIG_ITEMS * changes:.0f} items" in text
    )
    assert f"AWS Config records {CONFIG_ITEMS} items per scaling event" in text


def test_standard_ia() -> None:
    text = " ".join(pages.read("when-not.md").split())
    assert f"costs {DEARER} % more for throughput and {CHEAPER} % less for storage" in text
    assert f"more than {100 * DEARER / CHEAPER:.0f} % of what throughput costs" in text


# Delay

(STEPS,) = pages.tables("when-not.md", "options", "minutes")
THROTTLED = next(column for column in STEPS.columns if column.startswith("with"))


@pytest.mark.parametrize("row", STEPS.rows, ids=[row["options"] for row in STEPS.rows])
def test_delay(row: dict[str, str]) -> None:
    options = pages.spans(row["options"])
    assert row["minutes"] == delay(options)
    assert row[THROTTLED] == delay([*options, *pages.spans(THROTTLED)])


def delay(options: list[str]) -> str:
    """Minutes from the step to the increase, the least and the most: checks begin every half minute after it."""
    own = dict(option.split(": ") for option in options)
    interval = int(own.pop("check-interval", 300))
    text = "\n".join(["[default_options]", *(f"{name}: {value}" for name, value in own.items()), "[table: ^orders$]"])
    found = [minutes(text, interval, offset) for offset in range(0, interval, 30)]
    return f"{min(found):.1f} to {max(found):.1f}"


def minutes(text: str, interval: int, offset: int) -> float:
    scene = Scene(text, {"orders": (100, 50)}, rules=Rules(metric_delay=240))
    scene.load("orders", 50, 25)
    scene.world.advance(3600)
    step = scene.world.now
    scene.load("orders", 120, 25)
    scene.world.advance(offset)
    while not scene.check().sent:
        scene.world.advance(interval)
        assert (scene.world.now - step).total_seconds() < 3600
    ((reads, _writes),) = scene.sent()[0].values()
    assert reads > 100
    return (scene.world.now - step).total_seconds() / 60


def test_figures_of_other_pages() -> None:
    """What comparison.md quotes from when-not.md and performance.md."""
    text = pages.read("comparison.md").replace("\n", " ")
    (memory,) = [table for table in pages.tables("performance.md", "", "MB") if len(table.columns) == 2]
    assert f"with {memory.rows[0]['MB']} to {memory.rows[-1]['MB']} MB" in text
    for row, name in ((STEPS.rows[0], "this program, defaults"), (STEPS.rows[-1], "this program, set for speed")):
        least, most = (float(part) for part in row["minutes"].split(" to "))
        assert f"| {name} | {math.floor(least)} to {math.ceil(most)} minutes" in text
    assert f"[{3600 * MILLION['reads'] / 1e6 / UNIT_HOUR['reads']:.2f} times]" in text


# What a rehearsal prints, in words


def rehearsed(page: str) -> dict[str, float]:
    """Dollars by row of the first table of a rehearsal on a page."""
    money = rehearsals(page)[0].partition("unit hours")[2].partition("throttled")[0]
    # By the average of each hour, by its maximum, and to run where there is anything to run.
    found = re.findall(r"^(\S.{24}) .*?(\d+\.\d\d) +\d+\.\d\d +(?:\d+\.\d\d +)?\d+%$", money, re.M)
    return {name.strip(): float(dollars) for name, dollars in found}


def throttling(page: str, number: int = 0) -> dict[str, list[float]]:
    """The figures by row of the second table of a rehearsal: throttled units, percent, minutes, used, changes."""
    table = rehearsals(page)[number].partition("throttled  ")[2].partition("dollars")[0]
    found = re.findall(r"^(\S.{24}) +([\d., ]+)$", table, re.M)
    return {name.strip(): [float(cell.replace(",", "")) for cell in cells.split()] for name, cells in found}


def rehearsals(page: str) -> list[str]:
    return [block.text for block in pages.fences(pages.DOCS / page) if "unit hours" in block.text]


def test_figures_of_the_rehearsal_in_words() -> None:
    """What rehearsal.md, index.md and README say of their tables; that the tables are right, test_docs.py holds."""
    first, second = rehearsed("rehearsal.md"), rehearsed("../README.md")
    tracking, aws, paid = first["tracking.conf"], first["AWS target tracking 70 %"], first["on demand"]
    text = " ".join(pages.read("rehearsal.md").split())
    assert f"costs {100 - 100 * tracking / first['thresholds.conf']:.0f} % less than its thresholds" in text
    assert f"and {100 - 100 * tracking / aws:.0f} % less than AWS's" in text
    assert f"On demand costs {paid / tracking:.1f} times as much" in text
    readme = " ".join(pages.read("../README.md").split())
    assert f"costs ${tracking:.2f} with its" in readme
    assert f"${aws:.2f} with AWS auto scaling at 70 %, and ${paid:.2f} on demand" in readme
    assert second == {
        name.replace("tracking.conf", "this configuration"): dollars
        for name, dollars in first.items()
        if name != "thresholds.conf"
    }
    throttled = throttling("rehearsal.md")
    assert [throttled[name][0] for name in ("tracking.conf", "AWS target tracking 70 %", "on demand")] == [0, 0, 0]
    jobs, others = throttling("rehearsal.md", 1), ("AWS target tracking 70 %", "on demand")
    shares = [f"{jobs[name][1]:.0f} %" for name in ("tracking.conf", *others)]
    assert f"{shares[0]} of the demand is throttled, and {shares[1]} with AWS auto scaling at 70 %" in readme
    assert shares[2] == "0 %"


def test_figures_of_the_landing_page() -> None:
    costs, throttled = rehearsed("rehearsal.md"), throttling("rehearsal.md")
    rows = ("tracking.conf", "thresholds.conf", "AWS target tracking 70 %", "on demand")
    (table,) = pages.tables("index.md", "a shop's week", "costs")
    assert [row["costs"] for row in table.rows] == [dollars(costs[name]) for name in rows]
    shares = ["0" if throttled[name][0] == 0 else f"{throttled[name][1]:.4f} %" for name in rows]
    assert [row["throttled"] for row in table.rows] == shares
