"""Moments as machines read and write them: RFC 3339, UTC, to milliseconds."""

from __future__ import annotations

from datetime import datetime, timezone


def written(at: datetime) -> str:
    """`2026-11-24T18:07:02.123Z`."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def moment(text: object) -> datetime:
    """The moment that was written so. Raises ValueError where it was not."""
    if isinstance(text, str) and text.endswith("Z"):
        found = datetime.fromisoformat(text[:-1])
        if found.tzinfo is None:
            return found.replace(tzinfo=timezone.utc)
    raise ValueError("a time is not in UTC")
