"""What a daemon does around its checks to live for months; test_daemon.py has its whole life."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripts import configuration

from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.process import Runner, settle


class Cycle:
    """What only the garbage collector can free, as botocore's clients are."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_stands_is_not_walked_again() -> None:
    settle()
    assert gc.get_freeze_count() > 10_000


def test_what_an_earlier_configuration_has_left_is_freed() -> None:
    """A frozen cycle would never be: with every SIGHUP memory would grow by a set of clients."""
    client = Cycle()
    settle()
    left = weakref.ref(client)
    del client
    gc.collect()
    assert left() is not None  # frozen
    settle()
    assert left() is None


def test_clients_are_always_made_by_the_same_thread() -> None:
    """Each thread has a store of memory of its own, and 16 of them took 75 MB more after some SIGHUPs."""
    made: list[int] = []

    def connect(_general: dict[str, Any], stopping: Callable[[], bool]) -> Clients:
        assert not stopping()
        made.append(threading.get_ident())
        return Clients(None, None, None)

    plain = Configuration({}, configuration("[table: ^orders$]\n"), ())
    runner = Runner(plain, connect)
    for _ in range(20):
        runner._workers.map(time.sleep, [0.001] * 16)
        runner._clients(plain)
    assert (len(made), len(set(made))) == (20, 1)
