"""What is computed without a call: decisions, the matching of names to sections, and the state file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

from dynamic_dynamodb.checks import remembered
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.state import State
from dynamic_dynamodb.daemon import statefile
from dynamic_dynamodb.decisions import calculator
from dynamic_dynamodb.decisions.matching import Matcher
from dynamic_dynamodb.decisions.model import Policy, Target, Usage

_ROUNDS = 3


def seconds_a_decision(decisions: int) -> float:
    """Increases, decreases and staying in turn; CPU time."""
    policy = Policy("reads", min_provisioned=5, max_provisioned=10_000, throttled_upper_threshold=10)
    usages = [Usage(100, Fraction(30_000 * percent, 100), Fraction(percent % 20), 300) for percent in range(1, 121)]

    def decide() -> None:
        for number in range(decisions):
            calculator.decide(policy, usages[number % len(usages)], 0)

    return _least(decide) / decisions


def seconds_to_match(names: int, sections: int) -> tuple[float, float]:
    """Of the first check, and of a later one; half of the names belong to a section."""
    matcher = Matcher(f"^service-{number:03}-.*$" for number in range(sections))
    tables = [f"service-{number % (2 * sections):03}-table-{number:05}" for number in range(names)]

    def match() -> None:
        matcher.keep(set(tables))
        for name in tables:
            matcher.match(name)

    begun = time.process_time()
    match()
    first = time.process_time() - begun
    return first, _least(match)


def seconds_to_write(tables: int) -> tuple[float, int]:
    """A state file of so many tables with an index each, all of them with a streak and our increases; and its bytes."""
    state, now = State(), datetime.now(timezone.utc)
    for number in range(tables):
        for index in (None, "by-date"):
            memory = state.memory(Target(f"table-{number:05}", index))
            memory.streaks = {"reads": 1, "writes": 2}
            memory.increased = {"reads": now, "writes": now}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.state")
        seconds = _least(lambda: statefile.write(path, {"remembered": remembered.plain(state, Record())}))
        return seconds, path.stat().st_size


def _least(function: Callable[[], None]) -> float:
    times = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        function()
        times.append(time.process_time() - begun)
    return min(times)
