"""What is told of throttled events beside the decision: those that no increase of this axis can end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from fractions import Fraction

from dynamic_dynamodb.decisions.calculator import number
from dynamic_dynamodb.decisions.model import Axis, Target, Usage


def hot_range(axis: Axis, usage: Usage) -> str:
    """Events of a hot key range: a partition has limits of its own, whatever is provisioned. Empty: there are none."""
    if not usage.hot:
        return ""
    return (
        f"{number(usage.throttled_ever)} {axis} throttled, {number(usage.hot)} of them by a hot key range, "
        "which more capacity does not cure"
    )


def answered(usage: Usage) -> str:
    """Events that an increase has answered since; no increase counts them again. Empty: there are none."""
    if not usage.answered or usage.increased is None:
        return ""
    increase = usage.increased.astimezone(timezone.utc)
    return f"{number(usage.answered)} throttled before the increase of {increase:%H:%M} UTC: not counted"


def held_up(target: Target, throttled: Mapping[Target, Fraction]) -> str:
    """A write to a table waits for its indexes: which of them hold it up, or whether this index does.

    `throttled` are the events of writes, of indexes that have any.
    """
    if target.index is not None:
        return (
            f"its {number(throttled[target])} throttled writes hold up writes to its table"
            if target in throttled
            else ""
        )
    culprits = [
        f"{number(events)} throttled writes of index {index.index}"
        for index, events in throttled.items()
        if index.table == target.table
    ]
    return f"{' and '.join(culprits)} hold up writes to the table" if culprits else ""
