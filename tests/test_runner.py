"""What a daemon does around its checks to live for months; test_daemon.py has its whole life."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from dynamic_dynamodb.runner import settle


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
