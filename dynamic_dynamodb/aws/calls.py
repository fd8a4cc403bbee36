"""Calls side by side: a way out of them when the program is told to end, and an end to those without an answer."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.errors import DynamicDynamoDBError

T = TypeVar("T")
R = TypeVar("R")

# More bring nothing: one process tops out near 700 calls a second, of the
# client's CPU time.
THREADS = 16

# A call of so many seconds hangs. It needs a thread, but no CPU time, so that
# others are started beside it: no table waits for the time-outs of another.
HANGS = 2.0
_FOR_EACH = 4  # that hangs: the threads catch up within seconds, however many hang
MOST_THREADS = 256

# One item's calls are given up after so many seconds: longer than three
# attempts of 3 + 10 s and the pauses between them. boto3's time-out is for each
# read from the socket, and a peer that sends a byte now and then meets none.
PATIENCE = 45.0

# Of one step of a check: when so many calls got no answer, the rest is not asked, so that waiting has an end
# however many there are. The next check begins with that rest.
MOST_UNANSWERED = MOST_THREADS

# How often a wait looks whether the program shall end, in seconds. Signal
# handlers only set a flag, so this is what "within seconds" rests on.
_LOOK = 0.1


class StoppedError(DynamicDynamoDBError):
    """The program was told to end while calls were under way."""


_own = threading.local()  # of a thread that makes calls: `end`, on the monotonic clock


def given_up() -> bool:
    """Whether the call that this thread makes has been given up: nothing may be sent for it any more.

    A change that is sent late, when nobody counts on it, could undo one that a later check has made.
    """
    return time.monotonic() > getattr(_own, "end", math.inf)


class Workers:
    """Two pools of threads. `stopping` tells whether the program shall end; `patience` is in seconds."""

    def __init__(
        self, stopping: Callable[[], bool] = lambda: False, threads: int = THREADS, patience: float = PATIENCE
    ) -> None:
        self._stopping = stopping
        self._threads = threads
        self._patience = patience
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._calls = _pool_for_calls()
        self._next: dict[str, int] = {}  # by operation: the first item that was not asked for in the step before
        self.abandoned = False  # whether calls may still be under way that nobody waits for

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The function's results for all items, in their order; for what ends by itself.

        Raises StoppedError, at once and without waiting for the calls, when
        the program shall end; and whatever the function raises.
        """
        futures = [self._pool.submit(function, item) for item in items]
        pending = set(futures)
        while pending:
            if self._stopping():
                running = [future for future in pending if not future.cancel()]
                self.abandoned |= bool(running)
                raise StoppedError
            pending = wait(pending, timeout=_LOOK).not_done
        return [future.result() for future in futures]

    def read(self, operation: str, function: Callable[[T], R], items: Iterable[T]) -> list[R | AwsError]:
        """Like map, for calls of one operation of AWS: an AwsError that the function raises is its result.

        Takes PATIENCE, the time for the calls that are answered and a few
        seconds at the most, however many are not. The result of a call that
        was given up, or not begun because too many others were not answered,
        is an AwsError.
        """
        return self._run(operation, function, list(items), self._stopping)

    def finish(
        self, operation: str, function: Callable[[T], R], items: Iterable[T], *, begin_all: bool = False
    ) -> list[R | AwsError | None]:
        """Like read, but what has begun is waited for also when the program shall end.

        When the program shall end nothing more is begun, unless `begin_all`;
        the result of an item that was not begun is None.
        """

        def unless_stopping(item: T) -> R | None:
            return None if self._stopping() and not begin_all else function(item)

        return self._run(operation, unless_stopping, list(items), lambda: False)

    def close(self) -> None:
        """Begin nothing more; waits unless calls were abandoned."""
        for pool in (self._pool, self._calls):
            pool.shutdown(wait=not self.abandoned, cancel_futures=True)

    def _run(
        self, operation: str, function: Callable[[T], R], items: Sequence[T], stopping: Callable[[], bool]
    ) -> list[R | AwsError]:
        """Have the calls of a step made, by as many threads as it takes, and look now and then how they fare."""
        step = _Step(operation, function, items, self._patience, self._next.pop(operation, 0))
        futures: set[Future[None]] = set()
        try:
            while step.unfinished:
                if stopping():
                    raise StoppedError
                wanted = min(self._threads + _FOR_EACH * step.hanging, MOST_THREADS) - len(futures)
                futures.update(self._calls.submit(step.work) for _ in range(min(wanted, step.left)))
                for future in wait(futures, timeout=_LOOK).done:
                    future.result()
                step.give_up()
        finally:
            step.drop()
            if step.stuck:  # they keep their threads: the next step shall not be short of them
                self.abandoned = True
                self._calls.shutdown(wait=False, cancel_futures=True)
                self._calls = _pool_for_calls()
        if step.first_not_asked is not None:
            self._next[operation] = step.first_not_asked
        return step.results


def _pool_for_calls() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="aws")


class _Step(Generic[T, R]):
    """The calls of one operation in one check: each thread at work takes the next until none is left.

    It begins with item number `first`: one that was not asked for the last time, if there are so many.
    """

    def __init__(
        self, operation: str, function: Callable[[T], R], items: Sequence[T], patience: float, first: int
    ) -> None:
        self._operation = operation
        self._function = function
        self._items = items
        self._patience = patience
        self._left = deque(range(len(items)))
        self._left.rotate(-first)
        self.first_not_asked: int | None = None
        self._begun: dict[int, float] = {}  # when, on the monotonic clock; of the calls under way
        self._results: dict[int, R | AwsError] = {}
        self._unanswered = 0
        self._given_up = 0
        self._lock = threading.Lock()

    # For the threads at work

    def work(self) -> None:
        """Make calls until none is left. Raises what the function raises, if it is no AwsError."""
        while (number := self._take()) is not None:
            try:
                result: R | AwsError = self._function(self._items[number])
            except AwsError as error:
                result = error
            self._end(number, result)

    def _take(self) -> int | None:
        with self._lock:
            if not self._left or self._silent >= MOST_UNANSWERED:
                return None
            number = self._left.popleft()
            self._begun[number] = time.monotonic()
            _own.end = self._begun[number] + self._patience
            return number

    def _end(self, number: int, result: R | AwsError) -> None:
        with self._lock:
            if self._begun.pop(number, None) is not None:  # else it was given up, and is too late
                self._results[number] = result
                self._unanswered += isinstance(result, AwsError) and result.silent

    @property
    def _silent(self) -> int:
        return self._unanswered + self._given_up

    # For the one that waits

    @property
    def unfinished(self) -> bool:
        return len(self._results) < len(self._items)

    @property
    def left(self) -> int:
        """How many calls nobody has begun."""
        return len(self._left)

    @property
    def hanging(self) -> int:
        """How many calls hold a thread and do not get on, those included that were given up."""
        with self._lock:
            late = time.monotonic() - HANGS
            return self._given_up + sum(begun < late for begun in self._begun.values())

    @property
    def stuck(self) -> bool:
        """Whether calls are under way that nobody waits for, once nobody waits."""
        with self._lock:
            return bool(self._begun) or self._given_up > 0

    def give_up(self) -> None:
        """Give up the calls that take too long, and the rest where too many got no answer."""
        now = time.monotonic()
        with self._lock:
            for number in [number for number, begun in self._begun.items() if now - begun > self._patience]:
                del self._begun[number]
                self._results[number] = AwsError(
                    self._operation, "no answer", f"given up after {self._patience:.0f} s", answered=False
                )
                self._given_up += 1
            if self._left and self._silent >= MOST_UNANSWERED:
                self.first_not_asked = self._left[0]
                # Never sent, so that nothing can have come of it: that much is known without an answer.
                error = AwsError(self._operation, "not asked", f"{self._silent} calls before this one got no answer")
                self._results.update(dict.fromkeys(self._left, error))
                self._left.clear()

    def drop(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._left.clear()

    @property
    def results(self) -> list[R | AwsError]:
        """In the order of the items."""
        return [self._results[number] for number in range(len(self._items))]
