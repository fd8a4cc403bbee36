"""The results of all checks so far, counted in one place for `status`, metrics and messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from dynamic_dynamodb.checks.tally import Checked


@dataclass
class Record:
    """The results of one process. The next process continues with all but the counts since the start."""

    failures: int = 0  # failed checks in a row, up to the last one
    last_success: datetime | None = None  # when the last successful check ended
    told: set[str] = field(default_factory=set)  # topics that were notified of these failures
    outcomes: Counter[bool] = field(default_factory=Counter)  # since the start: how many checks succeeded and failed
    seconds: float = 0.0  # that they took in all
    changes: int = 0  # tables and indexes changed since the start, each once per check

    def note(self, checked: Checked) -> None:
        """Count a check that has ended."""
        self.changes += checked.changed
        self.outcomes[checked.succeeded] += 1
        self.seconds += checked.took
        if checked.succeeded:
            self.failures, self.last_success = 0, checked.ended
        else:
            self.failures += 1
