"""Calls side by side: a way out of them when the program is told to end, and an end to those without an answer."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from dynamic_dynamodb.errors import AwsError, DynamicDynamoDBError

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

# Of one step of a check. When so many calls got no answer, neither will the rest, and waiting has an end.
MOST_UNANSWERED = MOST_THREADS

# How often a wait looks whether the program shall end, in seconds. Signal
# handlers only set a flag, so this is what "within seconds" rests on.
_LOOK = 0.1


class StoppedError(DynamicDynamoDBError):
    """The program was told to end while calls were under way."""


class Workers:
    """Two pools of threads. `stopping` tells whether the program shall end."""

    def __init__(self, stopping: Callable[[], bool] = lambda: False, threads: int = THREADS) -> None:
        self._stopping = stopping
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._calls = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="aws")
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
        return self._run(_Step(operation, function, list(items)), self._stopping)

    def finish(
        self, operation: str, function: Callable[[T], R], items: Iterable[T], *, begin_all: bool = False
    ) -> list[R | AwsError | None]:
        """Like read, but what has begun is waited for also when the program shall end.

        When the program shall end nothing more is begun, unless `begin_all`;
        the result of an item that was not begun is None.
        """

        def unless_stopping(item: T) -> R | None:
            return None if self._stopping() and not begin_all else function(item)

        return self._run(_Step(operation, unless_stopping, list(items)), lambda: False)

    def close(self) -> None:
        """Begin nothing more; waits unless calls were abandoned."""
        for pool in (self._pool, self._calls):
            pool.shutdown(wait=not self.abandoned, cancel_futures=True)

    def _run(self, step: _Step[T, R], stopping: Callable[[], bool]) -> list[R | AwsError]:
        """Have the calls of a step made, by as many threads as it takes, and look now and then how they fare."""
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
            self.abandoned |= step.stuck
        return step.results


class _Step(Generic[T, R]):
    """The calls of one operation in one check: each thread at work takes the next until none is left."""

    def __init__(self, operation: str, function: Callable[[T], R], items: Sequence[T]) -> None:
        self._operation = operation
        self._function = function
        self._items = items
        self._left = deque(range(len(items)))
        self._begun: dict[int, float] = {}  # when, on the monotonic clock; of the calls under way
        self._results: dict[int, R | AwsError] = {}
        self._unanswered = 0
        self._given_up = 0
        self._moved = time.monotonic()  # when a call was last begun
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
            self._begun[number] = self._moved = time.monotonic()
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
        """Give up the calls that take too long, and the rest where too many got no answer or no thread is free."""
        now = time.monotonic()
        with self._lock:
            for number in [number for number, begun in self._begun.items() if now - begun > PATIENCE]:
                del self._begun[number]
                self._results[number] = AwsError(
                    self._operation, "no answer", f"given up after {PATIENCE:.0f} s", answered=False
                )
                self._given_up += 1
            silent = self._silent
            if silent >= MOST_UNANSWERED or now - self._moved > PATIENCE:
                # Never sent, so that nothing can have come of it: that much is known without an answer.
                error = AwsError(self._operation, "not asked", f"{silent} calls before this one got no answer")
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
