"""What a process tells of itself after each check: who it is, how the last check ended, and when the next is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from dynamic_dynamodb.output.moments import moment, written

_INTERVALS = 3  # without a success that are too many
_LARGEST = 10**12


@dataclass(frozen=True)
class Heartbeat:
    """Of one process. All moments are aware; `last` is said of the last check that has ended: before that, nothing."""

    instance: str
    pid: int
    version: str
    started: datetime
    interval: int  # seconds between two checks
    configuration: str | None = None  # the file
    configuration_digest: str | None = None  # its SHA-256
    last_began: datetime | None = None
    last_ended: datetime | None = None
    last_took: float | None = None  # seconds
    last_succeeded: bool | None = None
    last_error: str = ""  # what it failed on as a whole
    looked_at: int = 0  # tables and indexes of the last check, as are the others
    changed: int = 0
    left_alone: int = 0
    failed: int = 0
    failures_in_a_row: int = 0
    last_success: datetime | None = None  # when the last check ended that succeeded, perhaps of an earlier process
    changes: int = 0  # since the start
    next_due: datetime | None = None  # nobody knows with --run-once

    def age(self, now: datetime) -> float:
        """Seconds since the last success; of a process that has none yet, since its start."""
        return (now - max(self.started, self.last_success or self.started)).total_seconds()

    def limit(self, max_age: int = 0) -> float:
        """Seconds without a success that are still well: `max_age`, or three intervals and what a check takes."""
        return max_age or _INTERVALS * self.interval + (self.last_took or 0.0)

    def too_old(self, now: datetime, max_age: int = 0) -> bool:
        """Whether the last success is too long ago: what `--max-age` and /healthz go by."""
        return self.age(now) > self.limit(max_age)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: _to_plain(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def of(cls, plain: object) -> Heartbeat:
        """From what `plain` gave. Raises ValueError where it is anything else."""
        if not isinstance(plain, Mapping):
            raise ValueError("the heartbeat is not an object")
        return cls(**{one.name: _of_plain(one.name, str(one.type), plain.get(one.name)) for one in fields(cls)})


def _to_plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return written(value)
    return round(value, 3) if isinstance(value, float) else value


def _of_plain(name: str, declared: str, value: object) -> Any:
    kind, _, optional = declared.partition(" | ")
    if value is None and optional:
        return None
    if kind == "datetime":
        return moment(value)
    if type(value).__name__ in (kind, "int" if kind == "float" else kind) and not _wild(value):
        return value
    raise ValueError(f"{name} is not a valid {kind}")


def _wild(value: object) -> bool:
    """A number that counts nothing here; arithmetic would not take it either."""
    return isinstance(value, int | float) and not 0 <= value <= _LARGEST
