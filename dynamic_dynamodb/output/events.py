"""The content of a log line as data, for programs that read the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

Event = Literal[
    "message",  # a line without a more specific event
    "start",
    "reload",
    "stop",
    "check",  # the last line of each check
    "decision",
    "change",
    "refused",
    "left-alone",
    "alarm",
    "failure",
]
Facts = Mapping[str, Any]

# Global, like the log.
_shared: dict[str, Any] = {}
_wanted = False


def want(wanted: bool) -> None:
    """Whether facts are logged. A text log has none, and collecting them takes time."""
    global _wanted  # noqa: PLW0603
    _wanted = wanted


def share(**facts: Any) -> None:
    """Set facts of all lines from now on, such as the instance or the number of the check. None removes a fact."""
    _shared.update(facts)


def shared() -> Facts:
    return _shared


def about(
    event: Event, target: tuple[str, str | None] | None = None, more: Callable[[], Facts] = dict, **facts: Any
) -> dict[str, Any] | None:
    """`extra` for a logging call: event, table, index, and facts; `more` is called only if they are logged."""
    if not _wanted:
        return None
    table, index = target or (None, None)
    return {"facts": {"event": event, "table": table, "index": index, **facts, **more()}}
