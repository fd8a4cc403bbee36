"""What can go wrong between AWS and us, and hooks that say when: by operation, table, count and time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class AwsFault:
    """The service refuses, in AWS's shape."""

    code: str
    message: str = "injected"
    status: int = 400


@dataclass(frozen=True)
class RawFault:
    """These bytes with this status instead of an answer; the service sees nothing of the request."""

    status: int
    body: bytes = b""


@dataclass(frozen=True)
class MutateFault:
    """The service's answer, after `change` has been at it."""

    change: Callable[[Body], object]


@dataclass(frozen=True)
class ResetFault:
    """The connection is reset; `performed` says whether the service carried the request out before."""

    performed: bool = False


@dataclass(frozen=True)
class CutFault:
    """The service carries the request out, and its answer ends after this share of its bytes, head included.

    1.0 is all of them. Then the connection is reset, or closed in good order.
    """

    sent: float
    reset: bool = False


@dataclass(frozen=True)
class SilenceFault:
    """The service carries the request out, and answers so many seconds later."""

    seconds: float


@dataclass(frozen=True)
class HoldFault:
    """The service carries the request out, and answers when it is released."""

    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self.released.set()


@dataclass(frozen=True)
class SlowFault:
    """The service carries the request out, and its answer comes in so many pieces, `pause` seconds apart."""

    pieces: int
    pause: float


Fault = AwsFault | RawFault | MutateFault | ResetFault | CutFault | SilenceFault | HoldFault | SlowFault

# Consulted for each request: (operation, body) -> what goes wrong, or None.
FaultHook = Callable[[str, Body], Fault | None]


def times(count: int, operation: str, fault: Fault) -> FaultHook:
    """A hook that spoils the next `count` requests of one operation."""
    return first(count, always(operation, fault))


def always(operation: str, fault: Fault) -> FaultHook:
    """A hook that spoils every request of one operation."""
    return lambda name, _body: fault if name == operation else None


def first(count: int, hook: FaultHook) -> FaultHook:
    """The same hook, for the first `count` requests that it spoils."""
    left = count
    lock = threading.Lock()

    def limited(operation: str, body: Body) -> Fault | None:
        nonlocal left
        fault = hook(operation, body)
        if fault is None:
            return None
        with lock:
            left -= 1
            return fault if left >= 0 else None

    return limited


def between(start: float, end: float, hook: FaultHook, clock: Callable[[], float] = time.monotonic) -> FaultHook:
    """The same hook, from `start` to `end` seconds after now."""
    begun = clock()
    return lambda operation, body: hook(operation, body) if start <= clock() - begun < end else None


def by_table(operation: str, faults: Mapping[str, Fault]) -> FaultHook:
    """A hook that spoils the requests of one operation which are about these tables."""

    def hook(name: str, body: Body) -> Fault | None:
        found = tables(name, body) if name == operation else ()
        return next((faults[table] for table in found if table in faults), None)

    return hook


def tables(operation: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """The tables that a request of this program is about; of a message those whose lines it has."""
    if operation == "Publish":
        return tuple(line.partition(": ")[0].partition(" - ")[0] for line in body["Message"].splitlines())
    if "TableName" in body:
        return (body["TableName"],)
    metrics = [query["MetricStat"]["Metric"] for query in body.get("MetricDataQueries", ())] or [body]
    dimensions = (dimension for metric in metrics for dimension in metric.get("Dimensions", ()))
    return tuple(one["Value"] for one in dimensions if one["Name"] == "TableName")
