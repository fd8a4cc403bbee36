"""Times as programs read and write them: RFC 3339, UTC, with milliseconds."""

from __future__ import annotations

from datetime import datetime, timezone


def written(at: datetime) -> str:
    """`2026-11-24T18:07:02.123Z`."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def moment(text: object) -> datetime:
    """The reverse of `written`. Raises ValueError for any other text."""
    if isinstance(text, str) and text.endswith("Z"):
        found = datetime.fromisoformat(text[:-1])
        if found.tzinfo is None:
            return found.replace(tzinfo=timezone.utc)
    raise ValueError("a time is not in UTC")
