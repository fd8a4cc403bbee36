"""Calls side by side: a way out of them when the program is told to end, and an end to those without an answer."""

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

_NO_THREAD: str = (
    "the system cannot start a thread; raise the limit (TasksMax=, --pids-limit, ulimit -u), or free memory"
)

# Of one step of a check: when so many calls got no answer, the rest is not asked, so that waiting has an end
# however many there are. The next check begins with that rest.
MOST_UNANSWERED = MOST_THREADS

# How often a wait looks whether the program shall end, in seconds. Signal
# handlers only set a flag, so this is what "within seconds" rests on.
_LOOK = 0.1

# A thread that has done its work counts against the limit until it has ended, so one that is refused is tried once more
# after so many seconds.
_ENDING = 0.5


NOT_ASKED = "not sent"  # the code of an item's error where too many calls before it got no answer


class StoppedError(DynamicDynamoDBError):
    """The program was told to end while calls were under way."""


_own = threading.local()  # of a thread that makes calls: `end`, on the monotonic clock, and `outdated`


def seconds_left() -> float:
    """How long the call that this thread makes may still take; below 0 when it has been given up."""
    return float(getattr(_own, "end", math.inf) - time.monotonic())


def given_up() -> bool:
    """Whether the call that this thread makes has been given up: nothing may be sent for it any more.

    A change that is sent late, when nobody counts on it, could undo one that a later check has made.
    """
    return seconds_left() < 0


def _nobody() -> None:
    """For programs that nobody watches."""


@contextlib.contextmanager
def not_repeated_once(outdated: Callable[[], bool]) -> Iterator[None]:
    """While this thread makes a call that botocore may send again by itself, unless it is `outdated` by then."""
    _own.outdated = outdated
    try:
        yield
    finally:
        del _own.outdated


def outdated() -> bool:
    """Whether the call that this thread makes may not be sent again."""
    return hasattr(_own, "outdated") and bool(_own.outdated())


class Workers:
    """Threads that make calls. `stopping` tells whether the program shall end; `patience` is in seconds.

    `alive` is called by the thread that waits for calls, time and again while they end or are given up; not while it
    waits for something that is never given up.
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
        self._next: dict[str, int] = {}  # by name of calls: the first item that the step before left out
        self._abandoned: list[Callable[[], bool]] = []  # of each that nobody waits for: whether it is still at work

    @property
    def abandoned(self) -> bool:
        """Whether calls are still under way that nobody waits for."""
        return any(at_work() for at_work in self._abandoned)

    def go_on(self) -> None:
        """To be called between steps of work that takes its time. Raises StoppedError when the program shall end."""
        self._alive()
        if self._stopping():
            raise StoppedError

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The function's results for all items, in their order; by one thread, always the same.

        Raises StoppedError, at once and without waiting for the function, when
        the program shall end; whatever the function raises; and
        DynamicDynamoDBError where the thread cannot be had.
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
        """The function's results for all items, in their order, side by side; an AwsError that it raises is one.

        Raises StoppedError, at once and without waiting for the calls, when
        the program shall end; and whatever else the function raises.

        Takes the greatest patience, the time for the calls that are answered
        and a few seconds at the most, however many are not. The result of a
        call that was given up, or not begun because too many others were not
        answered, is an AwsError. `patience` is an item's own, in seconds; beside
        a call of more than `hangs` seconds others are begun; `give_up` is
        called with an item that was given up, and may hang up.
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
        """Like read, but what has begun is waited for also when the program shall end.

        When the program shall end nothing more is begun, unless `begin_all`;
        the result of an item that was not begun is None. `in_order`: they are
        begun in the order in which they are given, whatever the step before left out.
        """

        def unless_stopping(item: T) -> R | None:
            return None if self._stopping() and not begin_all else function(item)

        step = _Step(operation, unless_stopping, list(items), lambda _: self._patience)
        if in_order:
            self._next.pop(operation, None)
        return self._run(step, lambda: False)

    def close(self) -> None:
        """Begin nothing more; waits unless calls were abandoned."""
        self._alone.shutdown(wait=not self.abandoned, cancel_futures=True)

    def _run(self, step: _Step[T, R], stopping: Callable[[], bool]) -> list[R | AwsError]:
        """Have the calls of a step made, by as many threads as it takes, and look now and then how they fare."""
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
            if thread is None:  # the system's limit: those at work do it alone, if there are any
                if not _at_work(threads, step):
                    step.refuse(_NO_THREAD)
                return
            threads.append(thread)


def _started(work: Callable[[], None]) -> threading.Thread | None:
    """A thread, or None where the system starts none."""
    thread = threading.Thread(target=work, name="call", daemon=True)  # no exit waits for it
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _at_work(threads: Sequence[threading.Thread], step: _Step[T, R]) -> bool:
    return sum(one.is_alive() for one in threads) > step.stuck


class _Step(Generic[T, R]):
    """Calls of one kind in one check: each thread at work takes the next until none is left."""

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
        self._tell = tell  # who is told of an item that was given up
        self._left = deque(range(len(items)))
        self.first_not_asked: int | None = None
        self._begun: dict[int, float] = {}  # when, on the monotonic clock; of the calls under way
        self._stuck: set[int] = set()  # given up, and still under way
        self._results: dict[int, R | AwsError] = {}
        self._silent = 0  # how many got no answer
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def begin_with(self, number: int) -> None:
        """Item number so and so, if there are so many: one that was not asked for the last time."""
        self._left.rotate(-number)

    # For the threads at work

    def work(self) -> None:
        """Make calls until none is left."""
        while (number := self._take()) is not None:
            try:
                self._end(number, self._function(self._items[number]))
            except AwsError as error:
                self._end(number, error)
            except BaseException as error:  # noqa: BLE001 - raised again by the one that waits
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
            if self._begun.pop(number, None) is not None:  # else it was given up, and is too late
                self._results[number] = result
                self._silent += isinstance(result, AwsError) and result.silent
                if not self.unfinished:
                    self._changed.notify()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify()

    # For the one that waits

    @property
    def unfinished(self) -> bool:
        return len(self._results) < len(self._items)

    @property
    def left(self) -> int:
        """How many calls nobody has begun."""
        return len(self._left)

    @property
    def stuck(self) -> int:
        """How many calls hold a thread and are waited for by nobody."""
        return len(self._stuck)

    @property
    def hanging(self) -> int:
        """How many calls hold a thread and do not get on."""
        with self._changed:
            late = time.monotonic() - self._hangs
            return self.stuck + sum(begun < late for begun in self._begun.values())

    def wait(self, seconds: float) -> None:
        """Until all calls have a result, or so long. Raises what a call has raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self.unfinished, seconds)
            if self._error is not None:
                raise self._error

    def give_up(self) -> None:
        """Give up the calls that take too long, and the rest where too many got no answer."""
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
        """Make none of the calls that are left."""
        with self._changed:
            if self._left:
                self.first_not_asked = self._left[0]
                # Never sent, so that nothing can have come of it: that much is known without an answer.
                self._results.update(dict.fromkeys(self._left, AwsError(self.operation, NOT_ASKED, why)))
                self._left.clear()

    def drop(self) -> None:
        """Begin nothing more, and let go of what is under way."""
        with self._changed:
            self._left.clear()
            for number in list(self._begun):
                self._let_go(number)

    @property
    def results(self) -> list[R | AwsError]:
        """In the order of the items."""
        return [self._results[number] for number in range(len(self._items))]
