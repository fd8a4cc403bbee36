"""Calls side by side: one that hangs holds up nobody, and what nobody answers has an end. Waiting: test_faults.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from dynamic_dynamodb.errors import AwsError
from dynamic_dynamodb.workers import MOST_UNANSWERED, THREADS, Workers


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
    not_asked = [str(result) for result in results if isinstance(result, AwsError) and result.code == "not asked"]
    assert len(not_asked) == 1000 - made
    assert made <= asked + THREADS


def test_what_is_no_error_of_aws_is_raised(workers: Workers) -> None:
    def call(number: int) -> int:
        return 1 // number

    with pytest.raises(ZeroDivisionError):
        workers.read("DescribeTable", call, range(100))
