"""One scheme on one table or index: what it provisioned, and how much of the demand it served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from dynamic_dynamodb.decisions.model import Throughput
from dynamic_dynamodb.rehearsal.demand import Pair

Kind = Literal["configuration", "recorded", "target-tracking", "on-demand", "peak", "least"]


@dataclass(frozen=True)
class Move:
    """A change of provisioned capacity, as it was requested."""

    at: datetime
    before: Throughput
    after: Throughput
    reasons: tuple[str, str] = ("", "")  # of reads and of writes

    @property
    def ups(self) -> tuple[bool, bool]:
        return self.after.reads > self.before.reads, self.after.writes > self.before.writes

    @property
    def downs(self) -> tuple[bool, bool]:
        return self.after.reads < self.before.reads, self.after.writes < self.before.writes


@dataclass(frozen=True)
class Course:
    """What happened, from the first minute to the last."""

    steps: Sequence[tuple[datetime, Throughput]]  # capacity from this moment on; the first holds from the beginning
    consumed: Pair  # units, minute by minute
    throttled: Pair
    moves: Sequence[Move] = field(default=())
    refused: int = 0  # changes that DynamoDB did not accept
    metrics: int = 0  # read from CloudWatch


@dataclass(frozen=True)
class Settings:
    """How a configuration checks one table or index."""

    interval: int  # seconds from check to check
    window_start: int  # minutes ago
    thresholds: tuple[bool, bool]  # whether reads and writes are ever scaled by them


@dataclass(frozen=True)
class Running:
    """The costs of a scheme at CloudWatch, in addition to the capacity."""

    dollars: float = 0.0
    metrics: int = 0  # that it read
    alarms: int = 0  # that it had
