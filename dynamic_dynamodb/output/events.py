"""What a line of the log is about, as data, for the programs that read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

Event = Literal[
    "message",  # a line that is none of these
    "start",
    "reload",
    "stop",
    "check",  # the line that each check ends with
    "decision",
    "change",
    "refused",
    "left-alone",
    "alarm",
    "failure",
]
Facts = Mapping[str, Any]

# As global as the log is.
_shared: dict[str, Any] = {}
_wanted = False


def want(wanted: bool) -> None:
    """Whether anybody reads facts; in a log of text nobody does, and they take their time."""
    global _wanted  # noqa: PLW0603
    _wanted = wanted


def share(**facts: Any) -> None:
    """What all lines have in common from now on: the instance, say, or the number of the check. None is nothing."""
    _shared.update(facts)


def shared() -> Facts:
    return _shared


def about(
    event: Event, target: tuple[str, str | None] | None = None, more: Callable[[], Facts] = dict, **facts: Any
) -> dict[str, Any] | None:
    """For `extra` of a call that logs: the event, its table and index, and facts; `more` is asked if it is wanted."""
    if not _wanted:
        return None
    table, index = target or (None, None)
    return {"facts": {"event": event, "table": table, "index": index, **facts, **more()}}
