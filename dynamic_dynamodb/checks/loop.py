"""The loop: check, sleep, check, until the program must stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from dynamic_dynamodb.aws.calls import StoppedError
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.facts import of_check
from dynamic_dynamodb.checks.tally import Checked
from dynamic_dynamodb.output import events

log = logging.getLogger("dynamic-dynamodb")


class Stop(Protocol):
    """Tells the loop to end."""

    def stopping(self) -> bool: ...

    def sleep(self, seconds: float) -> None: ...


def _nobody(_: Checked) -> None:
    """For callers that need only the log."""


def attempt(scaler: Scaler, timer: Callable[[], float] = time.monotonic) -> Checked:
    """One check, whatever happens in it. Returns how it ended; raises StoppedError."""
    begun, error = timer(), ""
    try:
        scaler.check()
    except StoppedError:
        raise
    except Exception as unforeseen:
        log.exception("the check failed: unexpected error", extra=events.about("failure"))
        error = type(unforeseen).__name__
    return scaler.checked(timer() - begun, error)


def run(
    scaler: Scaler,
    stop: Stop,
    timer: Callable[[], float] = time.monotonic,
    after: Callable[[Checked], None] = _nobody,
) -> None:
    """Check, sleep, check, until the program must stop or a check raises StoppedError. Checks never overlap.

    `after` is called after each check, before the sleep, with how it ended. It logs the check's last line with `tell`.
    """
    while not stop.stopping():
        checked = attempt(scaler, timer)
        scaler.took(checked.took)
        after(checked)
        stop.sleep(max(0.0, scaler.pause()))


def tell(checked: Checked, *, dry_run: bool, following: str = "", pause: float | None = None) -> None:
    """Log the last line of a check; `following` says when the next one begins, after this pause."""
    log.info(
        "check %d%s: %d looked at, %d %s, %d left alone, %d failed, in %.1f s%s",
        checked.number,
        " failed" if checked.error else "",
        checked.looked_at,
        checked.changed,
        "would be changed" if dry_run else "changed",
        checked.left_alone,
        checked.failed,
        checked.took,
        f"; {following}" if following else "",
        extra=events.about("check", more=partial(of_check, checked, pause)),
    )
