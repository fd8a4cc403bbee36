"""Parallel calls. They are abandoned when the program stops, and given up when they get no answer."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.errors import DynamicDynamoDBError

T = TypeVar("T")
R = TypeVar("R")

# More do not help: the client's CPU time limits one process to about 700 calls per second.
THREADS = 16

# A call that takes longer than this hangs. It needs a thread but no CPU time, so more threads are started:
# no table waits for the time-outs of another.
HANGS = 2.0  # seconds
_FOR_EACH = 4  # threads to start for each call that hangs: the others catch up within seconds, however many hang
MOST_THREADS = 256

# The calls of one item are given up after this time, which is longer than three attempts of 3 + 10 s with their pauses.
# boto3's time-out applies to each read from the socket, so a peer that sends a byte now and then never reaches it.
PATIENCE = 45.0  # seconds

_NO_THREAD: str = (
    "the system cannot start a thread; raise the limit (TasksMax=, --pids-limit, ulimit -u), or free memory"
)

# In one step of a check, no more calls are sent once this many got no answer, so that the wait is bounded.
# The next check begins with the remaining calls.
MOST_UNANSWERED = MOST_THREADS

# How often a wait checks whether the program must stop, in seconds. Signal
# handlers only set a flag, so the promise "within seconds" depends on this.
_LOOK = 0.1

# A finished thread counts against the limit until it has ended, so a thread that the system refuses is tried once more
# after this time.
_ENDING = 0.5  # seconds


NOT_ASKED = "not sent"  # the code of an item's error if too many earlier calls got no answer


class StoppedError(DynamicDynamoDBError):
    """The program must stop, and calls are in flight."""


_own = threading.local()  # of each thread that makes calls: `end`, on the monotonic clock, and `outdated`


def seconds_left() -> float:
    """How long the call of this thread may still take; below 0 if it has been given up."""
    return float(getattr(_own, "end", math.inf) - time.monotonic())


def given_up() -> bool:
    """Whether the call of this thread has been given up. Nothing may be sent for it any more.

    A late change could undo a change from a later check.
    """
    return seconds_left() < 0


def _nobody() -> None:
    """For a program without a watchdog."""


@contextlib.contextmanager
def not_repeated_once(outdated: Callable[[], bool]) -> Iterator[None]:
    """For a call of this thread that botocore may retry, but not once it is `outdated`."""
    _own.outdated = outdated
    try:
        yield
    finally:
        del _own.outdated


def outdated() -> bool:
    """Whether the call of this thread must not be sent again."""
    return hasattr(_own, "outdated") and bool(_own.outdated())


class Workers:
    """Threads that make calls. `stopping` returns whether the program must stop; `patience` is in seconds.

    The thread that waits for calls calls `alive` again and again, as long as calls end or are given up. It does not
    call it while it waits for something that is never given up.
    """

    def __init__(
        self,
        stopping: Callable[[], bool] = lambda: False,
        threads: int = THREADS,
        patience: float = PATIENCE,
        alive: Callable[[], None] = _nobody,
    ) -> None:
        self._stopping = stopping
        self._alive = alive
        self._threads = threads
        self._patience = patience
        self._alone = ThreadPoolExecutor(1, thread_name_prefix="worker")
        self._next: dict[str, int] = {}  # by operation: the first item that the previous step left out
        self._abandoned: list[Callable[[], bool]] = []  # of each abandoned call: whether it is still running

    @property
    def abandoned(self) -> bool:
        """Whether abandoned calls are still running."""
        return any(at_work() for at_work in self._abandoned)

    def go_on(self) -> None:
        """To be called between the steps of slow work. Raises StoppedError if the program must stop."""
        self._alive()
        if self._stopping():
            raise StoppedError

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The function's results for all items, in their order, from one thread that is always the same.

        Raises StoppedError if the program must stop, at once and without waiting for the function; whatever the
        function raises; and DynamicDynamoDBError if the thread cannot be started.
        """
        try:
            futures = [self._alone.submit(function, item) for item in items]
        except RuntimeError as error:
            raise DynamicDynamoDBError(_NO_THREAD) from error
        pending = set(futures)
        while pending:
            if self._stopping():
                self._abandoned += [future.running for future in pending if not future.cancel()]
                raise StoppedError
            pending = wait(pending, timeout=_LOOK).not_done
        return [future.result() for future in futures]

    def read(
        self,
        operation: str,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        patience: Callable[[T], float] | None = None,
        hangs: float = HANGS,
        give_up: Callable[[T], None] = lambda _: None,
    ) -> list[R | AwsError]:
        """The function's results for all items, in their order, from parallel calls; an AwsError that it raises is one.

        Raises StoppedError if the program must stop, at once and without waiting for the calls; and whatever else the
        function raises.

        However many calls get no answer, this takes no longer than the greatest patience, plus the time for the calls
        that are answered, plus a few seconds. The result of a call that was given up, or not started because too many
        others got no answer, is an AwsError. `patience` returns the seconds for an item. If a call takes more than
        `hangs` seconds, others are started beside it. `give_up` is called with each item that was given up, and may
        close its connection.
        """
        step = _Step(operation, function, list(items), patience or (lambda _: self._patience), hangs, give_up)
        return self._run(step, self._stopping)

    def finish(
        self,
        operation: str,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        begin_all: bool = False,
        in_order: bool = False,
    ) -> list[R | AwsError | None]:
        """Like read, but calls that have started are waited for even if the program must stop.

        In that case no more calls are started, unless `begin_all`; the result of an item whose call was not started is
        None. `in_order`: the calls start in the order of the items, whatever the previous step left out.
        """

        def unless_stopping(item: T) -> R | None:
            return None if self._stopping() and not begin_all else function(item)

        step = _Step(operation, unless_stopping, list(items), lambda _: self._patience)
        if in_order:
            self._next.pop(operation, None)
        return self._run(step, lambda: False)

    def close(self) -> None:
        """Start no more calls; waits unless calls were abandoned."""
        self._alone.shutdown(wait=not self.abandoned, cancel_futures=True)

    def _run(self, step: _Step[T, R], stopping: Callable[[], bool]) -> list[R | AwsError]:
        """Make the calls of a step with as many threads as needed, and watch their progress."""
        step.begin_with(self._next.pop(step.operation, 0))
        threads: list[threading.Thread] = []
        try:
            while step.unfinished:
                if stopping():
                    raise StoppedError
                self._alive()
                self._start(step, threads)
                step.wait(_LOOK)
                step.give_up()
        finally:
            step.drop()
            self._abandoned = [at_work for at_work in self._abandoned if at_work()]
            self._abandoned += [thread.is_alive for thread in threads if step.stuck]
        if step.first_not_asked is not None:
            self._next[step.operation] = step.first_not_asked
        return step.results

    def _start(self, step: _Step[T, R], threads: list[threading.Thread]) -> None:
        """Start as many threads as the step wants."""
        wanted = min(self._threads + _FOR_EACH * step.hanging, MOST_THREADS) - len(threads)
        for _ in range(min(wanted, step.left)):
            thread = _started(step.work)
            if thread is None and not _at_work(threads, step):
                time.sleep(_ENDING)
                thread = _started(step.work)
            if thread is None:  # the system's limit: the running threads do all the work, if there are any
                if not _at_work(threads, step):
                    step.refuse(_NO_THREAD)
                return
            threads.append(thread)


def _started(work: Callable[[], None]) -> threading.Thread | None:
    """A thread, or None if the system cannot start one."""
    thread = threading.Thread(target=work, name="call", daemon=True)  # the exit does not wait for it
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _at_work(threads: Sequence[threading.Thread], step: _Step[T, R]) -> bool:
    return sum(one.is_alive() for one in threads) > step.stuck


class _Step(Generic[T, R]):
    """Calls of one operation in one check. Each thread takes the next one until none is left."""

    def __init__(
        self,
        operation: str,
        function: Callable[[T], R],
        items: Sequence[T],
        patience: Callable[[T], float],
        hangs: float = HANGS,
        tell: Callable[[T], None] = lambda _: None,
    ) -> None:
        self.operation = operation
        self._function = function
        self._items = items
        self._patience = patience
        self._hangs = hangs
        self._tell = tell  # called with an item that was given up
        self._left = deque(range(len(items)))
        self.first_not_asked: int | None = None
        self._begun: dict[int, float] = {}  # start times of the calls in flight, on the monotonic clock
        self._stuck: set[int] = set()  # given up, and still in flight
        self._results: dict[int, R | AwsError] = {}
        self._silent = 0  # how many got no answer
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def begin_with(self, number: int) -> None:
        """Start with this item, which the previous step left out."""
        self._left.rotate(-number)

    # For the threads that make calls

    def work(self) -> None:
        """Make calls until none is left."""
        while (number := self._take()) is not None:
            try:
                self._end(number, self._function(self._items[number]))
            except AwsError as error:
                self._end(number, error)
            except BaseException as error:  # noqa: BLE001 - the waiting thread raises it again
                self._fail(error)

    def _take(self) -> int | None:
        with self._changed:
            if not self._left or self._silent >= MOST_UNANSWERED:
                return None
            number = self._left.popleft()
            self._begun[number] = time.monotonic()
            _own.end = self._begun[number] + self._patience(self._items[number])
            return number

    def _end(self, number: int, result: R | AwsError) -> None:
        with self._changed:
            self._stuck.discard(number)
            if self._begun.pop(number, None) is not None:  # otherwise it was given up, and the result is too late
                self._results[number] = result
                self._silent += isinstance(result, AwsError) and result.silent
                if not self.unfinished:
                    self._changed.notify()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify()

    # For the thread that waits

    @property
    def unfinished(self) -> bool:
        return len(self._results) < len(self._items)

    @property
    def left(self) -> int:
        """How many calls have not started."""
        return len(self._left)

    @property
    def stuck(self) -> int:
        """How many calls were given up but still occupy a thread."""
        return len(self._stuck)

    @property
    def hanging(self) -> int:
        """How many calls occupy a thread and make no progress."""
        with self._changed:
            late = time.monotonic() - self._hangs
            return self.stuck + sum(begun < late for begun in self._begun.values())

    def wait(self, seconds: float) -> None:
        """Wait until all calls have a result, or this long. Raises what a call has raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self.unfinished, seconds)
            if self._error is not None:
                raise self._error

    def give_up(self) -> None:
        """Give up the calls that take too long, and all remaining ones if too many got no answer."""
        now = time.monotonic()
        with self._changed:
            for number, begun in list(self._begun.items()):
                patience = self._patience(self._items[number])
                if now - begun > patience:
                    self._let_go(number)
                    self._results[number] = AwsError(
                        self.operation, "no answer", f"given up after {patience:.0f} s", answered=False
                    )
                    self._silent += 1
        if self._silent >= MOST_UNANSWERED:
            self.refuse(f"{self._silent} earlier calls got no answer")

    def _let_go(self, number: int) -> None:
        del self._begun[number]
        self._stuck.add(number)
        self._tell(self._items[number])

    def refuse(self, why: str) -> None:
        """Make none of the remaining calls."""
        with self._changed:
            if self._left:
                self.first_not_asked = self._left[0]
                # They were never sent, so they had no effect: that is known without an answer.
                self._results.update(dict.fromkeys(self._left, AwsError(self.operation, NOT_ASKED, why)))
                self._left.clear()

    def drop(self) -> None:
        """Start no more calls, and abandon those in flight."""
        with self._changed:
            self._left.clear()
            for number in list(self._begun):
                self._let_go(number)

    @property
    def results(self) -> list[R | AwsError]:
        """In the order of the items."""
        return [self._results[number] for number in range(len(self._items))]
