"""The clients that everything here talks to AWS through; connection.py makes boto3's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _nothing() -> None:
    """Of clients that need it, it is something else."""


@dataclass(frozen=True)
class Clients:
    """boto3's clients, or the simulation's, which have the same methods.

    `next_check` is called before each check: from then on credentials may be looked for afresh. `end` ends look-ups.
    """

    dynamodb: Any
    cloudwatch: Any
    sns: Any
    next_check: Callable[[], None] = _nothing
    end: Callable[[], None] = _nothing

    def close(self) -> None:
        """No call may be under way, or it fails."""
        self.end()
        for client in (self.dynamodb, self.cloudwatch, self.sns):
            client.close()
