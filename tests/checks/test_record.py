"""How the checks have gone so far: failures in a row, the last success, changes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.tally import Checked

START = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)


def checked(number: int, *, succeeded: bool, changed: int = 0) -> Checked:
    """A check every five minutes, that takes one."""
    began = START + timedelta(minutes=5 * number)
    ended = began + timedelta(minutes=1)
    return Checked(number, began, ended, 60.0, 3, changed, 0, 0, "", matched=True, succeeded=succeeded)


@pytest.mark.parametrize(
    ("outcomes", "failures", "last_success"),
    [
        pytest.param("", 0, None, id="none yet"),
        pytest.param("+", 0, 0, id="one success"),
        pytest.param("---", 3, None, id="never one"),
        pytest.param("+--", 2, 0, id="failures after a success"),
        pytest.param("--+", 0, 2, id="over"),
        pytest.param("-+-", 1, 1, id="not in a row"),
    ],
)
def test_failures_in_a_row_and_the_last_success(outcomes: str, failures: int, last_success: int | None) -> None:
    record = Record()
    ended = [checked(number, succeeded=outcome == "+") for number, outcome in enumerate(outcomes)]
    for one in ended:
        record.note(one)
    assert record.failures == failures
    assert record.last_success == (None if last_success is None else ended[last_success].ended)


def test_changes_add_up_also_those_of_a_check_that_failed() -> None:
    record = Record()
    for number, changed in enumerate((2, 0, 3)):
        record.note(checked(number, succeeded=number != 1, changed=changed))
    record.note(checked(3, succeeded=False, changed=1))
    assert record.changes == 6


def test_it_goes_on_with_what_was_kept() -> None:
    record = Record(failures=4, last_success=START)
    record.note(checked(1, succeeded=False))
    assert (record.failures, record.last_success) == (5, START)
