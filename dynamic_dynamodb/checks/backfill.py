"""Reads the days that CloudWatch keeps, to find recurring loads, in parallel to the checks."""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dynamic_dynamodb.aws.calls import StoppedError, Workers
from dynamic_dynamodb.aws.cloudwatch import CONSUMED, THROTTLED
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.series import Metrics, Query, Series
from dynamic_dynamodb.decisions.model import Axis, Target, moment_of
from dynamic_dynamodb.decisions.recurring import Season
from dynamic_dynamodb.output.events import about
from dynamic_dynamodb.output.wording import count

log = logging.getLogger("dynamic-dynamodb")

_DAYS = 15  # CloudWatch keeps 1-minute sums for this long
_AGAIN = 3600.0  # seconds
_REST = 3.0  # times the CPU time that was spent: at most a quarter of one core


class Wanted(NamedTuple):
    """A target whose past is wanted, up to a minute; the smallest comes first."""

    coolness: float  # minus the units that it consumed last, so that the hottest comes first
    target: Target
    end: int  # minute since the epoch
    credit: Mapping[Axis, float]  # of each axis with target tracking: the minutes of burst credit to count on

    def __lt__(self, other: Wanted) -> bool:  # type: ignore[override]  # a dict has no order
        return self.coolness < other.coolness


class Past(NamedTuple):
    """The past of one axis."""

    target: Target
    axis: Axis
    season: Season


class Backfill:
    """Reads one target after another, in a thread that ends when nothing is left to read."""

    def __init__(self, stopping: Callable[[], bool] = lambda: False) -> None:
        self._stopping = stopping
        self._workers = Workers(stopping, threads=1)
        self._queue: list[Wanted] = []
        self._not_before: dict[Target, float] = {}  # on the monotonic clock; never again: read, or in the queue
        self._told: set[Target] = set()  # whose past could not be read, and the log has said so
        self._closed = False
        self._found: list[Past] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def use(self, cloudwatch: Any) -> None:
        """Read from this client from now on."""
        self._metrics = Metrics(cloudwatch, self._workers)

    def want(self, targets: Iterable[Wanted]) -> None:
        """Read the past of these targets, each once. What failed is read again an hour later."""
        now = time.monotonic()
        with self._lock:
            for one in targets:
                if self._not_before.get(one.target, 0.0) <= now:
                    self._not_before[one.target] = math.inf
                    heapq.heappush(self._queue, one)
            if self._queue and self._thread is None:
                self._begin()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._work, name="backfill", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a limit on threads, which the checks need more
            log.debug("cannot read the last %d days yet: %s", _DAYS, error)
        else:
            self._thread = thread
            log.info("reading the last %d days of %s from CloudWatch", _DAYS, _named(self._queue))

    def close(self) -> None:
        """Read nothing more."""
        self._closed = True

    def take(self) -> list[Past]:
        """What has been read since the last time."""
        with self._lock:
            found, self._found = self._found, []
        return found

    def _work(self) -> None:
        while (one := self._next()) is not None:
            began = time.thread_time()
            try:
                found = list(self._read(one))
            except StoppedError:
                return
            except Exception as error:  # noqa: BLE001 - no error keeps the others from being read
                self._failed(one, error)
            else:
                with self._lock:
                    self._found += found
            self._rest(_REST * (time.thread_time() - began))

    def _failed(self, one: Wanted, error: Exception) -> None:
        why = error if isinstance(error, AwsError) else f"{type(error).__name__}: {error}"
        level = logging.DEBUG if one.target in self._told else logging.WARNING
        log.log(
            level,
            "%s - the last %d days of its metrics cannot be read: %s; retried in an hour",
            one.target,
            _DAYS,
            why,
            extra=about("failure", one.target),
        )
        with self._lock:
            self._told.add(one.target)
            self._not_before[one.target] = time.monotonic() + _AGAIN

    def _next(self) -> Wanted | None:
        with self._lock:
            if self._queue and not self._ends():
                return heapq.heappop(self._queue)
            self._thread = None
        return None

    def _ends(self) -> bool:
        return self._closed or self._stopping()

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._ends():
            time.sleep(min(left, 0.1))

    def _read(self, one: Wanted) -> Iterable[Past]:
        """Raises AwsError."""
        start, end = one.end - _DAYS * 24 * 60, one.end
        queries = {
            (axis, names[axis]): Query(one.target, names[axis], start, end)
            for axis in one.credit
            for names in (CONSUMED, THROTTLED)
        }
        found = self._metrics.read(list(queries.values()), moment_of(end))
        for axis, credit in one.credit.items():
            consumed, throttled = (_sums(found[queries[axis, names[axis]]]) for names in (CONSUMED, THROTTLED))
            season = Season(credit)
            for minute in range(min([*consumed, *throttled], default=one.end), one.end):
                season.add(minute, consumed.get(minute, 0.0) + throttled.get(minute, 0.0))
            yield Past(one.target, axis, season)


def _sums(answer: Series | AwsError) -> dict[int, float]:
    if isinstance(answer, AwsError):
        raise answer
    return dict(answer)


def _named(queue: Iterable[Wanted]) -> str:
    indexes = [one.target.index is not None for one in queue]
    return f"{count(indexes.count(False), 'table')} and {count(indexes.count(True), 'index', 'indexes')}"
