"""Headroom and trust, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.decisions.learning import Learned, Minute

QUIET = Minute(consumed=60, throttled=0, provisioned=100)
THROTTLED = Minute(consumed=100, throttled=20, provisioned=100)
COVERED = Minute(consumed=100, throttled=20, provisioned=100, credit=20)
NOT_COVERED = Minute(consumed=100, throttled=20, provisioned=100, credit=19)
NOT_FREE = Minute(consumed=100, throttled=20, provisioned=100, free=False)


def after(minutes: Sequence[Minute], allowed: float = 1, begun: Learned | None = None) -> Learned:
    learned = begun or Learned()
    for minute in minutes:
        learned = learned.after(minute, allowed)
    return learned


@pytest.mark.parametrize(
    ("minutes", "headroom"),
    [
        ([QUIET] * 100, 1.0),
        ([THROTTLED], 1.05),
        ([THROTTLED] * 3, 1.15),
        ([THROTTLED] * 10, 1.15),  # one event
        ([THROTTLED] * 3 + [QUIET] + [THROTTLED] * 3, 1.15),  # a single quiet minute does not end it
        ([THROTTLED] * 3 + [QUIET] * 2 + [THROTTLED] * 3, 1.30),
        (([THROTTLED] * 3 + [QUIET] * 2) * 20, 2.0),
        ([NOT_FREE] * 10, 1.0),
        ([NOT_FREE, THROTTLED], 1.05),
        ([NOT_COVERED], 1.05),
        ([COVERED] * 3, 1.0),
    ],
)
def test_headroom(minutes: Sequence[Minute], headroom: float) -> None:
    assert after(minutes, allowed=1e-9).headroom == pytest.approx(headroom)


@pytest.mark.parametrize(
    ("minutes", "trust"),
    [
        ([THROTTLED, NOT_COVERED], 1.0),
        ([COVERED], 0.5),
        ([COVERED] * 5, 0.5),  # one event
        ([COVERED, QUIET, QUIET, COVERED], 0.25),
        ([COVERED] + [QUIET] * 10_080, 1.0),  # doubles within a week
        ([COVERED] + [QUIET] * 5_040, 0.5 * 2**0.5),
    ],
)
def test_trust(minutes: Sequence[Minute], trust: float) -> None:
    assert after(minutes).trust == pytest.approx(trust, rel=1e-3)


@pytest.mark.parametrize(("allowed", "days"), [(1, 3), (3, 1), (0.5, 6)])
def test_headroom_goes_back_so_that_throttled_minutes_settle_near_what_is_allowed(allowed: float, days: float) -> None:
    """Three throttled minutes raise it by 15 %, and that is given back in the time that three may take."""
    raised = after([THROTTLED] * 3, allowed)
    almost = after([QUIET] * int(1440 * days * 0.9), allowed, raised)
    assert 1 < almost.headroom < 1.02
    assert after([QUIET] * int(1440 * days * 1.1), allowed, raised).headroom == 1


MINUTES = st.lists(
    st.builds(
        Minute, st.floats(0, 1e6), st.sampled_from([0.0, 1.0, 1e6]), st.floats(0, 1e6), st.floats(0, 1e6), st.booleans()
    )
)


@given(MINUTES, st.floats(0.001, 1440))
def test_bounds(minutes: Sequence[Minute], allowed: float) -> None:
    learned = after(minutes, allowed)
    assert 1 <= learned.headroom <= 2
    assert 0 < learned.trust <= 1
