"""The state of a process after each check: its identity, the result of the last check, and when the next is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from dynamic_dynamodb.output.moments import moment, written

_INTERVALS = 3  # without a success count as too old
_LARGEST = 10**12


@dataclass(frozen=True)
class Heartbeat:
    """The heartbeat of one process. All times are aware. `last_*` is about the last check that has ended, if any."""

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
    last_error: str = ""  # if the check failed as a whole
    looked_at: int = 0  # tables and indexes in the last check, like the next three
    changed: int = 0
    left_alone: int = 0
    failed: int = 0
    failures_in_a_row: int = 0
    last_success: datetime | None = None  # end of the last successful check, perhaps of an earlier process
    changes: int = 0  # since the start
    next_due: datetime | None = None  # unknown with --run-once

    def age(self, now: datetime) -> float:
        """Seconds since the last success; before the first one, since the start of the process."""
        return (now - max(self.started, self.last_success or self.started)).total_seconds()

    def limit(self, max_age: int = 0) -> float:
        """Seconds without a success that are still healthy: `max_age`, or three intervals plus the last duration."""
        return max_age or _INTERVALS * self.interval + (self.last_took or 0.0)

    def too_old(self, now: datetime, max_age: int = 0) -> bool:
        """Whether the last success is too long ago, for `--max-age` and /healthz."""
        return self.age(now) > self.limit(max_age)

    def plain(self) -> dict[str, Any]:
        """The heartbeat for JSON."""
        return {one.name: _to_plain(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def of(cls, plain: object) -> Heartbeat:
        """The reverse of `plain`. Raises ValueError for anything else."""
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
    """Whether this is a number that no field can have, and that arithmetic on it may not accept."""
    return isinstance(value, int | float) and not 0 <= value <= _LARGEST
