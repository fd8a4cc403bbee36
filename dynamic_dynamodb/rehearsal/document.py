"""A rehearsal as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.rehearsal.advice import advice
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes, Sums
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal
from dynamic_dynamodb.rehearsal.schemes import Move, Running

_INNER = ("used_units", "provisioned_units")  # the utilization is computed from them
_DIGITS = 6  # decimals of a float


def document(rehearsal: Rehearsal) -> dict[str, Any]:
    """The documented form of `--output json`."""
    demand, prices = rehearsal.demand, rehearsal.prices
    return {
        "source": demand.source,
        "from": _moment(demand.start),
        "to": _moment(demand.end),
        "minutes": demand.minutes,
        "gap_minutes": demand.gap_minutes,
        "region": demand.region,
        "prices": {
            "region": prices.region,
            "date": prices.date,
            "source": prices.source,
            "classes": {name: asdict(rates) for name, rates in prices.classes.items()},
            "cloudwatch": asdict(prices.watching),
        },
        "model": asdict(rehearsal.rules),
        "notes": list(demand.notes),
        "advice": advice(rehearsal.totals, rehearsal.resources),
        "outcomes": [_outcome(one) for one in rehearsal.totals],
        "resources": [_resource(one) for one in rehearsal.resources],
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _resource(outcomes: Outcomes) -> dict[str, Any]:
    return {
        "table": outcomes.target.table,
        "index": outcomes.target.index,
        "table_class": outcomes.table_class,
        "on_demand": outcomes.on_demand,
        "outcomes": [_with_axes(one) for one in outcomes.outcomes],
    }


def _with_axes(one: Outcome) -> dict[str, Any]:
    made = _outcome(one)
    if one.axes is not None:
        made["axes"] = {
            axis: {"name": one.name, "kind": one.kind, **_sums(sums)} for axis, sums in zip(AXES, one.axes, strict=True)
        }
    if one.kind == "configuration":
        made["bounds"] = [{**asdict(bound), "percent": round(bound.percent, 2)} for bound in one.bounds]
        made["changes"] = [_change(move) for move in one.moves]
    return made


def _change(move: Move) -> dict[str, Any]:
    return {
        "at": _moment(move.at),
        "reads": [move.before.reads, move.after.reads],
        "writes": [move.before.writes, move.after.writes],
        "reasons": list(move.reasons),
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {"name": one.name, "kind": one.kind, **_sums(one.total), "running": _running(one.running)}


def _running(running: Running | None) -> dict[str, Any] | None:
    return None if running is None else {name: _number(value) for name, value in vars(running).items()}


def _sums(sums: Sums) -> Mapping[str, Any]:
    return {
        name: _number(value)
        for name, value in (
            *((name, value) for name, value in vars(sums).items() if name not in _INNER),
            ("throttled_percent", sums.throttled_percent),
            ("utilization_percent", sums.utilization_percent),
        )
    }


def _number(value: float | None) -> float | None:
    return round(value, _DIGITS) if isinstance(value, float) else value
