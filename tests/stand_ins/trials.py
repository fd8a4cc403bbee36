"""How often a random test tries: the same few examples each time in `make test`, many new ones in `make soak`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SOAK = bool(os.environ.get("SOAK"))
PATIENCE = 7200 if SOAK else 300  # seconds for one test; ten thousand examples take their time


def trials(test: int, soak: int) -> settings:
    """`test` examples, or `soak` ones where SOAK is set. Nothing is kept on disk between two runs."""
    return settings(
        max_examples=soak if SOAK else test,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
