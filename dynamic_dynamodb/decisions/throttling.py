"""Notes for the reasons about throttled events that an increase of the axis cannot end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from fractions import Fraction

from dynamic_dynamodb.decisions.calculator import number
from dynamic_dynamodb.decisions.model import Axis, Target, Usage


def hot_range(axis: Axis, usage: Usage) -> str:
    """The note about events of a hot key range: each partition has its own limit, whatever is provisioned. Or empty."""
    if not usage.hot:
        return ""
    return (
        f"{number(usage.throttled_ever)} {axis} throttled, {number(usage.hot)} of them by a hot key range, "
        "which more capacity does not cure"
    )


def answered(usage: Usage) -> str:
    """The note about events that an increase has answered, so that they do not count for another one. Or empty."""
    if not usage.answered or usage.increased is None:
        return ""
    increase = usage.increased.astimezone(timezone.utc)
    return f"{number(usage.answered)} throttled before the increase of {increase:%H:%M} UTC: not counted"


def held_up(target: Target, throttled: Mapping[Target, Fraction]) -> str:
    """The note about indexes that hold up writes to the table, because a write waits for the indexes. Or empty.

    `throttled`: the throttled write events of each index that has any.
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
