"""The lines about tables and indexes as data, for a log in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from dynamic_dynamodb.checks.guards import Verdict
from dynamic_dynamodb.checks.tally import Checked
from dynamic_dynamodb.decisions.model import AXES, Decision, Policy, Throughput, Usage
from dynamic_dynamodb.output.events import Event, about

DYNAMODB = "dynamodb"  # holds what it refuses


class Became(NamedTuple):
    """The outcome of a verdict."""

    event: Event
    after: Throughput  # what the target has from now on
    request_id: str = ""

    @classmethod
    def of(cls, verdict: Verdict) -> Became:
        """The outcome if nothing was sent: in a dry run, or because there was nothing to send."""
        if verdict.change.changes:
            return cls("change", verdict.change.desired)
        return cls("left-alone" if verdict.held else "decision", verdict.change.current)


def of_verdict(verdict: Verdict, became: Became, held: Sequence[str] = ()) -> dict[str, Any] | None:
    """The data for the line of a verdict; `held`: what DynamoDB did not do."""
    return about(became.event, verdict.job.target, partial(_verdict, verdict, became, held))


def _verdict(verdict: Verdict, became: Became, held: Sequence[str]) -> dict[str, Any]:
    axes = zip(
        AXES,
        verdict.job.section.policies,
        verdict.measured.usages,
        verdict.decisions,
        verdict.change.current,
        became.after,
        strict=True,
    )
    holders = [*(dict(one._asdict()) for one in verdict.held), *({"by": DYNAMODB, "text": text} for text in held)]
    return {
        **{axis: _axis(policy, usage, decision, now, then) for axis, policy, usage, decision, now, then in axes},
        "held": holders or None,
        "request_id": became.request_id or None,
    }


def _axis(policy: Policy, usage: Usage, decision: Decision, before: int, after: int) -> Mapping[str, Any]:
    return {
        "before": before,
        "after": after,
        "wanted": decision.units,
        "consumed": usage.rate,
        "percent": usage.consumed_percent,
        "throttled": int(usage.throttled_ever) if policy.uses_throttled else None,
        "rule": decision.rule,
        "held": decision.held or None,
        "reason": str(decision.reason),
    }


def of_check(checked: Checked, following: float | None) -> dict[str, Any]:
    return {
        "check": checked.number,
        "looked_at": checked.looked_at,
        "changed": checked.changed,
        "left_alone": checked.left_alone,
        "failed": checked.failed,
        "succeeded": checked.succeeded,
        "took": checked.took,
        "next": following,
    }
