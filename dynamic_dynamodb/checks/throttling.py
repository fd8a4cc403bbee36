"""Throttled events that no increase of the same axis ends: what the reasons of decisions say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.checks.state import Episode, State
from dynamic_dynamodb.decisions.model import AXES, Axis, Decision, Target, Usage
from dynamic_dynamodb.decisions.throttling import held_up, hot_range

_HOT: dict[Axis, Episode] = {"reads": Episode.HOT_READS, "writes": Episode.HOT_WRITES}


def throttled_indexes(measured: Mapping[Target, tuple[Usage, Usage] | AwsError]) -> dict[Target, Fraction]:
    """Throttled events of writes, of the indexes that have any: they hold up the writes of their tables."""
    return {
        target: usages[1].throttled_ever
        for target, usages in measured.items()
        if target.index is not None and not isinstance(usages, AwsError) and usages[1].throttled_ever
    }


def tell_throttling(
    state: State,
    target: Target,
    usages: tuple[Usage, Usage],
    decisions: tuple[Decision, Decision],
    throttled: Mapping[Target, Fraction],
) -> tuple[Decision, Decision]:
    """The same decisions, whose reasons tell of it too; at warning when a key range begins to be too hot."""
    reads, writes = (
        _tell_hot_range(state, target, axis, usage, decision)
        for axis, usage, decision in zip(AXES, usages, decisions, strict=True)
    )
    return reads, _add(writes, held_up(target, throttled))


def _tell_hot_range(state: State, target: Target, axis: Axis, usage: Usage, decision: Decision) -> Decision:
    begins = state.begins(_HOT[axis], usage.hot > 0, target)
    return replace(_add(decision, hot_range(axis, usage)), warn=decision.warn or begins)


def _add(decision: Decision, note: str) -> Decision:
    return replace(decision, reason=f"{decision.reason}; {note}") if note else decision
