"""What a check did, as counts of tables and indexes, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dynamic_dynamodb.decisions.model import Target


@dataclass
class Tally:
    """Of the check under way; threads of calls add to it, each an element to a set.

    A target can be in several sets: one that was changed in part and refused in part has been changed, and failed.
    """

    looked_at: set[Target] = field(default_factory=set)  # measured and decided
    changed: set[Target] = field(default_factory=set)  # by DynamoDB's word; in a dry run, what would be asked for
    left_alone: set[Target] = field(default_factory=set)  # by its state, a guard, or a refusal that is no failure
    failed: set[Target | str] = field(default_factory=set)  # or sections, as the log shows them
    decided: bool = False  # whether all has been decided, and is being made
    listed: bool = False  # whether it is known which tables there are
    matched: bool = True  # whether there is any that the configuration matches
    error: str = ""  # what the check as a whole failed on

    def checked(self, number: int, began: datetime, ended: datetime, took: float) -> Checked:
        """How the check ended that this is of."""
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
    took: float  # seconds, by a clock that nobody sets
    looked_at: int  # tables and indexes, as are the others
    changed: int
    left_alone: int
    failed: int  # tables, indexes, and sections of the configuration
    error: str  # what the check as a whole failed on; empty: on nothing
    matched: bool  # whether there was a table that the configuration matches
    succeeded: bool  # tables were listed, and at least one resource was measured, or there was none to be

    @property
    def handled(self) -> bool:
        """Whether nothing failed: what the exit code of --run-once tells."""
        return self.matched and not self.error and not self.failed
