"""The least against every staircase there is, and a trace of a million rows in bounded memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamic_dynamodb.rehearsal import rivals
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand
from dynamic_dynamodb.simulation.decreases import Decreases
from dynamic_dynamodb.simulation.rules import AWS, DecreaseRule, Rules

START = datetime(2026, 1, 5, 22, 40, tzinfo=timezone.utc)  # so that midnight comes soon


def demand(units: Sequence[float]) -> Demand:
    return Demand("any", START, len(units), ())


def allowed(minutes: Sequence[int], rules: Rules) -> bool:
    """Whether AWS accepts decreases in all of these minutes."""
    made = Decreases()
    for minute in minutes:
        now = START + minute * MINUTE
        if made.next(now, rules) > now:
            return False
        made.note(now)
    return True


def staircase(units: Sequence[int], minutes: Sequence[int]) -> tuple[float, list[int]]:
    """Unit hours of the cheapest staircase that may come down in these minutes, and those in which it does."""
    level, total, came_down = units[0], 0, []
    for minute, needed in enumerate(units):
        if minute in minutes and needed < level:
            level = needed
            came_down.append(minute)
        level = max(level, needed)
        total += level
    return total / 60, came_down


def all_ways(units: Sequence[int], rules: Rules) -> Iterator[float]:
    """The cost of each way to come down that AWS accepts; where the load does, and at full hours."""
    places = [
        minute
        for minute in range(1, len(units))
        if units[minute] < units[minute - 1] or not (START + timedelta(minutes=minute)).minute
    ]
    for count in range(len(places) + 1):
        for minutes in itertools.combinations(places, count):
            cost, came_down = staircase(units, minutes)
            if allowed(came_down, rules):
                yield cost


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=8, max_size=8), st.integers(5, 17), st.integers(1, 2))
def test_the_least_is_the_cheapest_of_all(levels: list[int], minutes: int, at_once: int) -> None:
    rules = replace(AWS, decreases_at_once=at_once)
    units = [level for level in levels for _ in range(minutes)]
    found = rivals.least(demand(units), array("d", units), rules)
    assert found.unit_hours == pytest.approx(min(all_ways(units, rules)))


@settings(deadline=None)
@given(st.lists(st.floats(0, 50), min_size=2, max_size=400))
def test_by_the_older_rule_it_is_a_bound(values: list[float]) -> None:
    """Never below the demand itself, never above what one decrease an hour and no choice would cost."""
    rules = replace(AWS, decrease_rule="spaced")
    needed = [max(1, -int(-value // 1)) for value in values]
    found = rivals.least(demand(values), array("d", values), rules)
    assert found.unit_hours >= sum(needed) / 60 - 1e-6
    hourly = [minute for minute in range(len(values)) if not (START + minute * MINUTE).minute]
    assert found.unit_hours <= staircase(needed, hourly)[0] + 1e-6


@pytest.mark.parametrize("rule", ["refilled", "spaced"])
def test_four_decreases_at_once(rule: DecreaseRule) -> None:
    """Ten minutes of 600, then five steps down in five minutes: one is not followed, and costs 100 for a minute."""
    units = [600] * 10 + [500, 400, 300, 200, 100]
    rules = replace(AWS, decrease_rule=rule)
    noon = datetime(2026, 1, 5, 12, 10, tzinfo=timezone.utc)
    found = rivals.least(Demand("any", noon, len(units), ()), array("d", units), rules)
    # The older rule, by its reading with more decreases, has one of the hour beside the four.
    assert found.unit_hours == pytest.approx((sum(units) + (100 if rule == "refilled" else 0)) / 60)


_READ = """
import re, sys
from dynamic_dynamodb.rehearsal import tracefile
found = tracefile.read(sys.argv[1])
print(len(found.units), int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def test_a_million_rows_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,units_per_second\n")
        file.writelines(f"{60 * number},{number % 1000}\n" for number in range(1_000_000))
    words = [sys.executable, "-c", _READ, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603 - our own words
    minutes, megabytes = map(int, done.stdout.split())
    assert minutes == 1_000_000
    assert megabytes < 100  # 24 bytes a row, and 8 a minute
