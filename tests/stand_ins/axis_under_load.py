"""One axis of a table under load, minute by minute, for policies that are pure functions: quick, and by numbers alone.

The rules unless told otherwise: a burst bucket of 300 s, updates that take a minute, CloudWatch 2 minutes late, one
check per minute. The full model, with the program's own loop, is dynamic_dynamodb/simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fractions import Fraction

from dynamic_dynamodb.decisions import tracking
from dynamic_dynamodb.decisions.history import History
from dynamic_dynamodb.decisions.learning import Learned
from dynamic_dynamodb.decisions.model import Decision, Policy, Resource, Target, Throughput

START = 29_600_000  # minutes since the epoch: 2026-04-12 13:20 UTC, a Sunday


@dataclass
class Run:
    """What came of it: per minute what was provisioned and throttled, and each decision that changed something."""

    provisioned: list[int] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    changes: list[tuple[int, Decision]] = field(default_factory=list)

    @property
    def unit_hours(self) -> float:
        return sum(self.provisioned) / 60


class _Decreases:
    """AWS's rule: 4 when a UTC day begins, one more each hour, at most 4 at a time, 27 a day; or the older one."""

    def __init__(self, *, older: bool) -> None:
        self._older = older
        self._day, self._hour, self._made, self._left, self._last = -1, 0, 0, 4, -(10**9)

    def take(self, minute: int) -> bool:
        day, hour = minute // 1440, minute // 60
        if day != self._day:
            self._day, self._hour, self._made, self._left = day, hour, 0, 4
        self._left, self._hour = min(4, self._left + hour - self._hour), hour
        allowed = minute - self._last >= 60 or self._made < 4 if self._older else self._left > 0
        if self._made >= 27 or not allowed:
            return False
        self._made, self._left, self._last = self._made + 1, self._left - 1, minute
        return True


def simulate(
    policy: Policy,
    demand: Sequence[float],
    provisioned: int,
    *,
    delay: int = 2,
    update: int = 1,
    burst: float = 300,
    retry: float = 0,
    older: bool = False,
    every: int = 1,
    headroom: float = 1.0,
) -> Run:
    """Let a policy follow `demand`, in units per second for each minute."""
    run, history = Run(), History({"reads": Learned(headroom=headroom)})
    decreases = _Decreases(older=older)
    consumed: list[float] = []
    held, back, bucket, coming, waits = provisioned, 0.0, 0.0, (0, 0), 0
    stamps: dict[str, datetime] = {}
    for index, units in enumerate(demand):
        if coming[0] and coming[1] <= index:
            held, coming = coming[0], (0, 0)
        wanted = 60 * (units + back)
        served = min(wanted, 60.0 * held + bucket)
        bucket = min(burst * held, bucket + 60.0 * held - served)
        back = (wanted - served) / 60 * retry
        consumed.append(served)
        run.provisioned.append(held)
        run.throttled.append(wanted - served if wanted - served > 1e-9 else 0.0)
        now = START + index + 1
        if (index + 1) % every or coming[0]:
            continue
        seen = range(max(0, index + 1 - 75), index + 1 - delay)
        since = history.since(now)
        resource = Resource(Target("t"), "ACTIVE", Throughput(held, 1), stamps.get("up"), stamps.get("down"))
        history.saw(now, resource, Fraction(every))
        history.take(
            now,
            since,
            {"reads": {START + i: consumed[i] for i in seen if START + i >= since and consumed[i]}},
            {"reads": {START + i: run.throttled[i] for i in seen if START + i >= since and run.throttled[i]}},
        )
        history.learn((policy, policy))
        history.free(now, "reads", Fraction(every))
        decision = tracking.decide(
            policy, history.situation(policy, resource, now, Fraction(every), "waits" if now < waits else "")
        )
        if decision.units == held:
            continue
        if decision.units < held and not decreases.take(now):
            waits = (now // 60 + 1) * 60
            continue
        stamps["up" if decision.units > held else "down"] = datetime.fromtimestamp(60 * now, timezone.utc)
        history.accepted(now, "reads", increase=decision.units > held)
        coming = decision.units, index + 1 + update
        run.changes.append((index + 1, decision))
    return run


def policy(**more: object) -> Policy:
    """Target tracking of reads, idle ones lowered too; with the defaults unless `more` says otherwise."""
    options: dict[str, object] = {"scaling_policy": "target-tracking", "allow_scaling_down_on_0_percent": True, **more}
    return Policy("reads", **options)  # type: ignore[arg-type]
