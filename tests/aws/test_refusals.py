"""What a refused UpdateTable means, by the texts that AWS writes."""
# ruff: noqa: E501 - a refusal is one line of its table, as AWS writes it

from __future__ import annotations

import calendar
import itertools
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

from dynamic_dynamodb.aws.errors import AwsError, call
from dynamic_dynamodb.aws.refusals import decreases_ran_out, next_decrease, quota, too_many_at_once
from dynamic_dynamodb.simulation.refusal import RefusedError

RAN_OUT = (
    "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first "
    "4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds. "
    "Number of decreases today: 4. Last decrease at Saturday, January 31, 2026 at 11:59:00 AM Coordinated Universal "
    "Time. Next decrease can be made at Saturday, January 31, 2026 at 12:59:00 PM Coordinated Universal Time"
)
SIMULTANEOUS = "Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously"
ACCOUNT = "the account's quota of capacity units (80,000 by default)"
PER_TABLE = "the quota of capacity units of a table or index (40,000 by default)"
SOME = "a quota of capacity units"
LIMIT, INVALID = "LimitExceededException", "ValidationException"
REFUSALS = [
    # code, message, (decreases ran out, too many at once, the quota named)
    (LIMIT, RAN_OUT, (True, False, "")),
    (LIMIT, "Subscriber limit exceeded: Provisioned throughput can be decreased only 4 times within a UTC day", (True, False, "")),
    (LIMIT, "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. Index: one", (True, False, "")),
    (LIMIT, RAN_OUT.upper(), (True, False, "")),
    (LIMIT, SIMULTANEOUS, (False, True, "")),
    (LIMIT, "Subscriber limit exceeded: Only 10 tables can be created, updated, or deleted simultaneously", (False, True, "")),
    (LIMIT, "Too many operations for a given subscriber: up to 500 table operations at a time", (False, True, "")),
    (LIMIT, "Up to 500 simultaneous table operations are allowed per account", (False, True, "")),
    (LIMIT, "Too many operations for a given subscriber.", (False, True, "")),
    (LIMIT, "Too many concurrent control plane operations", (False, True, "")),
    (LIMIT, "Subscriber limit exceeded: Table-level quota of 40000 ReadCapacityUnits exceeded", (False, False, PER_TABLE)),
    (LIMIT, "Subscriber limit exceeded: There is a limit of 40000 write units per table", (False, False, PER_TABLE)),
    (LIMIT, "Subscriber limit exceeded: Account-level quota of 80000 WriteCapacityUnits exceeded", (False, False, ACCOUNT)),
    (LIMIT, "The requested throughput exceeds the maximum of your account", (False, False, ACCOUNT)),
    (LIMIT, "The requested ReadCapacityUnits, 50000, is above the per-table maximum for account 123456789012 in us-east-1. Per-table maximum: 40000. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.", (False, False, PER_TABLE)),
    (LIMIT, "The requested WriteCapacityUnits, 90000, is above the per-account maximum for account 123456789012 in us-east-1. Per-account maximum: 80000.", (False, False, ACCOUNT)),
    (LIMIT, "Subscriber limit exceeded: Index-level quota of 40000 WriteCapacityUnits exceeded", (False, False, PER_TABLE)),
    (LIMIT, "The requested throughput is more than the maximum", (False, False, SOME)),
    (LIMIT, "Subscriber limit exceeded: the moon is full", (False, False, "")),
    (LIMIT, "", (False, False, "")),
    (INVALID, "One or more parameter values were invalid: WriteCapacityUnits is above the per-table maximum for account 123456789012", (False, False, PER_TABLE)),
    ("ServiceQuotaExceededException", "too much for this account", (False, False, ACCOUNT)),
    (INVALID, "The requested ReadCapacityUnits exceed the table limit of 40000", (False, False, PER_TABLE)),
    (INVALID, "Table throughput limit of 40000 exceeded", (False, False, PER_TABLE)),
    (INVALID, "WriteCapacityUnits cannot be more than the maximum of 40000 of this account", (False, False, ACCOUNT)),
    (
        INVALID,
        "The provisioned throughput for the table will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. Refer to the Amazon "
        "DynamoDB Developer Guide for current limits and how to request higher limits.",
        (False, False, ""),
    ),
    (INVALID, "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1", (False, False, "")),
    (INVALID, "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST", (False, False, "")),
    ("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated: t", (False, False, "")),
    ("ThrottlingException", "Rate of requests exceeds the allowed throughput limit", (False, False, "")),
    ("AccessDeniedException", "not authorized; decreases simultaneously limit exceeded", (False, False, "")),
]  # fmt: skip


def meaning(error: AwsError) -> tuple[bool, bool, str]:
    return decreases_ran_out(error), too_many_at_once(error), quota(error).partition(";")[0]


@pytest.mark.parametrize(("code", "message", "expected"), REFUSALS)
def test_what_a_refusal_means(code: str, message: str, expected: tuple[bool, bool, str]) -> None:
    error = AwsError("UpdateTable", code, message)
    assert meaning(error) == expected
    named = quota(error)
    assert not named or named.endswith("; ask AWS to raise it (Service Quotas), or set a maximum below it")


NAMES = (
    "account-decreases",
    "per-account",
    "simultaneous.limit",
    "limit-exceeded",
    "index-quota_2",
    "account",
    "decrease",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text",
    [
        "{message}: {name}",
        "{message} (Table: {name})",
        "{message} Table '{name}'",
        "For index {name}, {message}",
        "{message} arn:aws:dynamodb:us-east-1:123456789012:table/orders/index/{name}.",
        "{message}: arn:aws:dynamodb:us-east-1:123456789012:table/{name}/index/by-date",
    ],
)
def test_the_words_in_a_name_mean_nothing(text: str, name: str) -> None:
    """Of a table or index that the call was about."""
    index = {"Update": {"IndexName": name if "ndex {name}" in text or "index/{name}" in text else "by-date"}}
    arguments = {"TableName": "orders" if name in index["Update"].values() else name}
    for code, message, expected in REFUSALS:
        refusal = RefusedError(code, text.format(message=message, name=name))
        with pytest.raises(AwsError) as caught:
            call("UpdateTable", refuse, error=refusal, **arguments, GlobalSecondaryIndexUpdates=[index])
        assert meaning(caught.value) == expected, refusal
        assert name in str(caught.value), "the log shows the text as it is"


def refuse(error: Exception, **_arguments: object) -> None:
    raise error


def test_a_refusal_means_one_thing() -> None:
    words = ("decreases", "simultaneously", "account limit exceeded")
    for some in itertools.product((True, False), repeat=3):
        text = " ".join(word for word, there in zip(words, some, strict=True) if there)
        error = AwsError("UpdateTable", LIMIT, text)
        meanings = (decreases_ran_out(error), too_many_at_once(error), bool(quota(error)))
        assert sum(meanings) == (1 if text else 0)


# When decreases are available again

NEXT = (
    "Number of decreases today: 6. Last decrease at Tuesday, July 25, 2017 at 10:48:28 PM Coordinated Universal Time. "
)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Tuesday, July 25, 2017 at 11:48:28 PM Coordinated Universal Time", "2017-07-25T23:48:28"),
        ("Tuesday, July 25, 2017 at 12:00:00 AM Coordinated Universal Time", "2017-07-25T00:00:00"),
        ("Tuesday, July 25, 2017 at 12:30:00 PM Coordinated Universal Time", "2017-07-25T12:30:00"),
        ("Saturday, September 5, 2026 at 1:02:03 AM Coordinated Universal Time.", "2026-09-05T01:02:03"),
        # The space before PM is a narrow one that does not break in some versions of Java.
        ("Tuesday, July 25, 2017 at 11:48:28\u202fPM Coordinated Universal Time", "2017-07-25T23:48:28"),
        ("Tuesday, July 25, 2017,\n at 11:48 PM UTC", "2017-07-25T23:48:00"),
        ("Jul 25, 2017, 11:48:28 pm UTC", "2017-07-25T23:48:28"),
        ("July 25, 2017 at 23:48:28 GMT", "2017-07-25T23:48:28"),
        ("Tuesday, July 25, 2017 at 11:48:28 PM Pacific Daylight Time", None),
        ("Tuesday, July 25, 2017 at 11:48:28 PM", None),
        ("Tuesday, July 32, 2017 at 11:48:28 PM Coordinated Universal Time", None),
        ("Tuesday, Juliet 25, 2017 at 0:48:28 PM Coordinated Universal Time", None),
        ("Tuesday, Brumaire 25, 2017 at 11:48:28 PM Coordinated Universal Time", None),
        ("Tuesday, July 25, 2017 at 25:48:28 UTC", None),
        ("Tuesday, July 25, 0000 at 11:48:28 PM UTC", None),
        ("some other time", None),
    ],
)
def test_when_the_next_decrease_can_be_made(text: str, instant: str | None) -> None:
    error = AwsError("UpdateTable", "LimitExceededException", f"{NEXT}Next decrease can be made at {text}")
    assert next_decrease(error) == (datetime.fromisoformat(f"{instant}+00:00") if instant else None)


def test_the_last_decrease_is_not_the_next() -> None:
    assert next_decrease(AwsError("UpdateTable", "LimitExceededException", NEXT)) is None


@trials(test=100, soak=5000)
@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - its zone is in the text
def test_any_instant_that_aws_may_name(moment: datetime) -> None:
    months = list(calendar.month_name)
    clock = f"{moment.hour % 12 or 12}:{moment.minute:02}:{moment.second:02} {'PM' if moment.hour >= 12 else 'AM'}"
    text = f"Someday, {months[moment.month]} {moment.day}, {moment.year:04} at {clock} Coordinated Universal Time"
    error = AwsError("UpdateTable", "LimitExceededException", f"{NEXT}Next decrease can be made at {text}")
    assert next_decrease(error) == moment.replace(microsecond=0, tzinfo=timezone.utc)


@trials(test=100, soak=5000)
@given(st.text())
def test_any_text_names_an_instant_or_none(text: str) -> None:
    found = next_decrease(AwsError("UpdateTable", "LimitExceededException", f"Next decrease can be made at {text}"))
    assert found is None or found.tzinfo is timezone.utc
