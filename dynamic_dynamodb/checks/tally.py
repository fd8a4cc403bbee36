"""The result of a check: counts of tables and indexes, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dynamic_dynamodb.decisions.model import Target


@dataclass
class Tally:
    """The present check. Threads of calls add elements to the sets.

    A target can be in several sets: one that was changed in part and refused in part is in `changed` and `failed`.
    """

    looked_at: set[Target] = field(default_factory=set)  # measured and decided
    changed: set[Target] = field(default_factory=set)  # accepted by DynamoDB; in a dry run, what would be sent
    left_alone: set[Target] = field(default_factory=set)  # for its state, a guard, or a refusal that is not a failure
    failed: set[Target | str] = field(default_factory=set)  # or sections, as the log shows them
    decided: bool = False  # whether everything is decided, and changes are being made
    listed: bool = False  # whether it is known which tables exist
    matched: bool = True  # whether the configuration matches any of them
    error: str = ""  # why the check as a whole failed

    def checked(self, number: int, began: datetime, ended: datetime, took: float) -> Checked:
        """How this check ended."""
        left_alone = self.left_alone - self.failed - self.changed
        return Checked(
            number,
            began,
            ended,
            took,
            looked_at=len(self.looked_at),
            changed=len(self.changed),
            left_alone=len(left_alone),
            failed=len(self.failed),
            error=self.error,
            matched=self.matched,
            succeeded=self.listed and not self.error and (bool(self.looked_at or left_alone) or not self.failed),
        )


@dataclass(frozen=True)
class Checked:
    """How a check ended."""

    number: int  # since the process began; the first is 1
    began: datetime
    ended: datetime
    took: float  # seconds, on the monotonic clock
    looked_at: int  # tables and indexes, as are the others
    changed: int
    left_alone: int
    failed: int  # tables, indexes, and sections of the configuration
    error: str  # why the check as a whole failed; empty if it did not
    matched: bool  # whether the configuration matched any table
    succeeded: bool  # tables were listed, and at least one resource was measured, or there was none to measure

    @property
    def handled(self) -> bool:
        """Whether nothing failed; the exit code of --run-once depends on it."""
        return self.matched and not self.error and not self.failed
