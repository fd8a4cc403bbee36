"""What the checks have seen and done of one target, as metrics show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dynamic_dynamodb.decisions.model import (
    AXES,
    STANDARD,
    Axis,
    Change,
    Decision,
    Direction,
    Policy,
    Resource,
    Throughput,
    Usage,
)


@dataclass
class Observed:
    """What was measured holds for the check of that number alone; all else until another check knows better."""

    check: int = 0  # the number of the last check that measured it
    provisioned: Throughput | None = None  # as DynamoDB last told, or accepted; None: it has none
    table_class: str = STANDARD
    usages: tuple[Usage, Usage] = ()  # type: ignore[assignment]  # of that check, as are the others
    policies: tuple[Policy, Policy] = ()  # type: ignore[assignment]
    throttled_known: tuple[bool, bool] = (False, False)
    capped: tuple[bool, bool] = (False, False)  # more was asked for than max allows
    changes: Counter[tuple[Axis, Direction]] = field(default_factory=Counter)  # since the start, as are the others
    refused: Counter[Axis] = field(default_factory=Counter)  # decreases that had run out

    def see(
        self,
        check: int,
        resource: Resource,
        policies: tuple[Policy, Policy],
        usages: tuple[Usage, Usage],
        throttled_known: tuple[bool, bool],
        decisions: tuple[Decision, Decision],
    ) -> None:
        """What a check has measured and decided."""
        self.check, self.provisioned, self.table_class = check, resource.provisioned, resource.table_class
        self.policies, self.usages, self.throttled_known = policies, usages, throttled_known
        self.capped = bool(decisions[0].capped), bool(decisions[1].capped)

    def accepted(self, made: Change) -> None:
        """DynamoDB has accepted this change."""
        self.provisioned = made.desired
        for axis, now, then in zip(AXES, made.current, made.desired, strict=True):
            if then != now:
                self.changes[axis, "up" if then > now else "down"] += 1

    def refuse(self, change: Change) -> None:
        """DynamoDB has refused the decreases of this change, because they had run out."""
        for axis, now, then in zip(AXES, change.current, change.desired, strict=True):
            self.refused[axis] += then < now

    def gone(self) -> None:
        """It has no provisioned capacity any more: it is on demand, or was deleted."""
        self.provisioned = None
