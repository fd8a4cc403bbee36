"""The clients for all calls to AWS; connection.py creates those of boto3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _nothing() -> None:
    """For clients that need no such call."""


@dataclass(frozen=True)
class Clients:
    """boto3's clients, or those of the simulation, which have the same methods.

    `next_check` is called before each check: after it, credentials may be looked up again. `end` ends look-ups.
    """

    dynamodb: Any
    cloudwatch: Any
    sns: Any
    next_check: Callable[[], None] = _nothing
    end: Callable[[], None] = _nothing

    def close(self) -> None:
        """A call in flight fails."""
        self.end()
        for client in (self.dynamodb, self.cloudwatch, self.sns):
            client.close()
