"""The schedule: check, sleep, check, until told to end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from dynamic_dynamodb.aws.calls import StoppedError
from dynamic_dynamodb.checks.check import Scaler

log = logging.getLogger("dynamic-dynamodb")


class Stop(Protocol):
    """What tells the loop to end."""

    def stopping(self) -> bool: ...

    def sleep(self, seconds: float) -> None: ...


def attempt(scaler: Scaler) -> bool:
    """One check, whatever happens in it. Returns whether every resource was handled; raises StoppedError."""
    try:
        return scaler.check()
    except StoppedError:
        raise
    except Exception:
        log.exception("the check failed on something unforeseen")
        return False


def run(scaler: Scaler, stop: Stop, timer: Callable[[], float] = time.monotonic) -> None:
    """Check, sleep, check, until told to end, which StoppedError may tell too. Checks never overlap."""
    while not stop.stopping():
        begun = timer()
        attempt(scaler)
        scaler.took(timer() - begun)
        scaler.tell_pause()
        stop.sleep(max(0.0, scaler.pause()))
