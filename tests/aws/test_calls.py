"""Calls side by side: one that hangs holds up nobody, and what nobody answers has an end. Waiting: test_faults.py."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from aws_server import AwsFault, AwsServer, always
from conftest import CREDENTIALS, PATIENCE

from dynamic_dynamodb.aws.calls import MOST_THREADS, MOST_UNANSWERED, THREADS, Workers
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.aws.errors import AwsError, call


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.close()


def test_results_are_in_the_order_of_the_items(workers: Workers) -> None:
    assert workers.read("DescribeTable", str, range(100)) == [str(number) for number in range(100)]
    assert workers.finish("UpdateTable", str, range(100)) == [str(number) for number in range(100)]
    assert workers.read("DescribeTable", str, []) == []


@pytest.mark.parametrize("kind", ["read", "finish"])
def test_calls_that_hang_hold_up_nobody(workers: Workers, kind: str) -> None:
    """The last item frees all the others, which are more than there are threads to begin with."""
    last, hanging = 3 * THREADS, threading.Event()

    def call(number: int) -> int:
        if number == last:
            hanging.set()
        assert hanging.wait(30)
        return number

    assert getattr(workers, kind)("DescribeTable", call, range(last + 1)) == list(range(last + 1))
    assert not workers.abandoned


@pytest.mark.parametrize(("answered", "asked"), [(False, MOST_UNANSWERED), (True, 1000)])
def test_where_nobody_answers_the_rest_is_not_asked(workers: Workers, answered: bool, asked: int) -> None:
    """A refusal is an answer."""
    calls = count()

    def call(_: int) -> str:
        next(calls)
        raise AwsError("DescribeTable", "code", "text", answered=answered)

    results = workers.read("DescribeTable", call, range(1000))
    made = next(calls)
    assert asked <= made
    assert all(isinstance(result, AwsError) for result in results)
    not_asked = [str(result) for result in results if isinstance(result, AwsError) and result.code == "not sent"]
    assert len(not_asked) == 1000 - made
    assert made <= asked + THREADS


def test_what_was_not_asked_comes_first_the_next_time(workers: Workers) -> None:
    """However many give no answer, and in whatever order the tables are listed: nobody is left out for ever."""
    asked: list[int] = []

    def call(number: int) -> None:
        asked.append(number)
        raise AwsError("DescribeTable", "code", "text", answered=False)

    workers.read("DescribeTable", call, range(1000))
    begun = len(asked)
    assert begun < 400
    workers.read("GetMetricData", call, range(1))  # a step of its own
    del asked[:begun], asked[:1]
    workers.read("DescribeTable", call, range(1000))
    assert set(asked) == set(range(begun, begun + len(asked)))


def test_an_answer_that_comes_too_late_is_none() -> None:
    """The change is said to be unknown by then, and the next check has begun with that."""
    late: list[threading.Thread] = []
    given_up = threading.Event()

    def call(number: int) -> int:
        if number:
            until(lambda: bool(late))
            late[0].join(PATIENCE)  # it has handed in its answer, and there was nothing left to do for it
        else:
            late.append(threading.current_thread())
            given_up.wait(PATIENCE)
        return number

    workers = Workers(threads=2)
    first, second = workers.read(
        "UpdateTable",
        call,
        range(2),
        patience=lambda number: PATIENCE if number else 0.1,
        give_up=lambda _: given_up.set(),
    )
    assert "given up" in str(first)
    assert second == 1
    assert not workers.abandoned


def until(condition: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE * 100)):
        if condition():
            return
        time.sleep(0.01)


def test_calls_that_keep_their_threads_leave_enough_for_the_next_step() -> None:
    end = threading.Event()
    workers = Workers(threads=MOST_THREADS, patience=0.2)
    hung = workers.read("DescribeTable", lambda _: end.wait(PATIENCE), range(MOST_THREADS + 100))
    assert Counter(str(result) for result in hung) == {
        "DescribeTable failed: no answer: given up after 0 s (check the region, --endpoint-url and the network)": 256,
        "DescribeTable failed: not sent: 256 earlier calls got no answer": 100,
    }
    assert workers.read("DescribeTable", str, range(3)) == ["0", "1", "2"]
    assert workers.abandoned
    end.set()
    until(lambda: not workers.abandoned)
    assert not workers.abandoned


def test_what_was_given_up_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old change that arrives after a newer one would undo it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    ended = threading.Event()
    with AwsServer(latency=1, faults=[always("UpdateTable", AwsFault("InternalServerError", status=500))]) as server:
        names = ("profile", "aws_access_key_id", "aws_secret_access_key")
        clients = connect({**dict.fromkeys(names), "region": "eu-west-1", "endpoint_url": server.url})
        workers = Workers(patience=0.2)

        def update(name: str) -> None:
            try:
                call("UpdateTable", clients.dynamodb.update_table, TableName=name)
            finally:
                ended.set()

        (error,) = workers.finish("UpdateTable", update, ["orders"])
        assert "given up" in str(error)
        assert ended.wait(PATIENCE)
        assert server.calls == {"UpdateTable": 1}
        workers.close()


def test_what_is_no_error_of_aws_is_raised(workers: Workers) -> None:
    def call(number: int) -> int:
        return 1 // number

    with pytest.raises(ZeroDivisionError):
        workers.read("DescribeTable", call, range(100))
