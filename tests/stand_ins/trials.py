"""How often a random test tries: the same few examples each time in `make test`, many new ones in `make soak`.

What is new in a soak follows from SEED alone, which SOAK_SEED=N in the environment sets, to repeat a run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, seed, settings

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("SOAK_SEED") or (random.randrange(10**6) if SOAK else 1))  # noqa: S311 - not for secrets
PATIENCE = 7200 if SOAK else 300  # seconds for one test; ten thousand examples take their time

Test = TypeVar("Test", bound=Callable[..., None])


def trials(test: int, soak: int) -> Callable[[Test], Test]:
    """`test` examples, or `soak` ones where SOAK is set. Nothing is kept on disk between two runs."""
    tries = settings(
        max_examples=soak if SOAK else test,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    return lambda function: seed(SEED)(tries(function)) if SOAK else tries(function)
