"""What the checks have observed and changed of one target, for the metrics."""

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
    """The measured values are valid only for check number `check`; the others until a later check updates them."""

    check: int = 0  # the number of the last check that measured it
    provisioned: Throughput | None = None  # as DynamoDB last reported or accepted; None: it has none
    table_class: str = STANDARD
    usages: tuple[Usage, Usage] = ()  # type: ignore[assignment]  # of that check, as are the others
    policies: tuple[Policy, Policy] = ()  # type: ignore[assignment]
    throttled_known: tuple[bool, bool] = (False, False)
    capped: tuple[bool, bool] = (False, False)  # whether more was needed than max allows
    changes: Counter[tuple[Axis, Direction]] = field(default_factory=Counter)  # since the start, as is the next
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
        """Record what a check has measured and decided."""
        self.check, self.provisioned, self.table_class = check, resource.provisioned, resource.table_class
        self.policies, self.usages, self.throttled_known = policies, usages, throttled_known
        self.capped = bool(decisions[0].capped), bool(decisions[1].capped)

    def accepted(self, made: Change) -> None:
        """Record that DynamoDB accepted this change."""
        self.provisioned = made.desired
        for axis, now, then in zip(AXES, made.current, made.desired, strict=True):
            if then != now:
                self.changes[axis, "up" if then > now else "down"] += 1

    def refuse(self, change: Change) -> None:
        """Record that DynamoDB refused the decreases of this change, because they had run out."""
        for axis, now, then in zip(AXES, change.current, change.desired, strict=True):
            self.refused[axis] += then < now

    def gone(self) -> None:
        """Record that it no longer has provisioned capacity: it is on demand, or was deleted."""
        self.provisioned = None
