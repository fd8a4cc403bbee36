"""SOAK_SEED alone decides which examples a soak tries, so that a red one can be repeated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import environment

TRIES = """
from hypothesis import given, strategies
from trials import SEED, trials

seen = []

@trials(test=20, soak=40)
@given(strategies.integers())
def test(number):
    seen.append(number)

test()
print(SEED, seen)
"""


def tried(**variables: str) -> tuple[int, str]:
    """The seed, and the examples."""
    env = environment(**{"SOAK": "", "SOAK_SEED": "", **variables, "PYTHONPATH": str(Path(__file__).parent)})
    done = subprocess.run([sys.executable, "-c", TRIES], env=env, capture_output=True, text=True, check=True)  # noqa: S603
    seed, _, examples = done.stdout.partition(" ")
    return int(seed), examples


def test_a_seed_repeats_a_soak() -> None:
    first, again, other = (tried(SOAK="1", SOAK_SEED=seed) for seed in ("7", "7", "8"))
    assert first == again
    assert first[1] != other[1]
    assert (first[0], other[0]) == (7, 8)


def test_without_one_each_soak_has_its_own_and_each_test_run_the_same() -> None:
    assert tried(SOAK="1") != tried(SOAK="1")
    assert tried()[1] == tried()[1]
