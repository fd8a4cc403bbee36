"""Calls to AWS side by side, and a way out of them when the program is told to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from dynamic_dynamodb.errors import DynamicDynamoDBError

T = TypeVar("T")
R = TypeVar("R")

# More bring nothing: one process tops out near 700 calls a second, of the
# client's CPU time. The connection pools of the clients are of this size.
THREADS = 16

# How often a wait looks whether the program shall end, in seconds. Signal
# handlers only set a flag, so this is what "within seconds" rests on.
_LOOK = 0.1


class StoppedError(DynamicDynamoDBError):
    """The program was told to end while calls were under way."""


class Workers:
    """A pool of threads. `stopping` tells whether the program shall end."""

    def __init__(self, stopping: Callable[[], bool] = lambda: False, threads: int = THREADS) -> None:
        self._stopping = stopping
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aws")
        self.abandoned = False  # whether calls may still be under way that nobody waits for

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The function's results for all items, in their order.

        Raises StoppedError, at once and without waiting for the calls, when
        the program shall end; and whatever the function raises.
        """
        futures = [self._pool.submit(function, item) for item in items]
        pending = set(futures)
        while pending:
            if self._stopping():
                running = [future for future in pending if not future.cancel()]
                self.abandoned = bool(running)
                raise StoppedError
            pending = wait(pending, timeout=_LOOK).not_done
        return [future.result() for future in futures]

    def finish(self, function: Callable[[T], R], items: Iterable[T], *, begin_all: bool = False) -> list[R | None]:
        """Like map, but what has begun is always waited for.

        When the program shall end nothing more is begun, unless `begin_all`;
        the result of an item that was not begun is None.
        """

        def unless_stopping(item: T) -> R | None:
            return None if self._stopping() and not begin_all else function(item)

        return list(self._pool.map(unless_stopping, items))

    def close(self) -> None:
        """Begin nothing more; waits unless calls were abandoned."""
        self._pool.shutdown(wait=not self.abandoned, cancel_futures=True)
