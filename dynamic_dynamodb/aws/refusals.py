"""The meaning of a refused UpdateTable. LimitExceededException has several, and only its text says which."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from dynamic_dynamodb.aws.errors import LIMIT_EXCEEDED, AwsError

_AT_ONCE = re.compile(r"simultaneous|concurrent|at (once|a time|the same time)|too many operations", re.I)
# In a ValidationException: something exceeds a limit. Other refusals also refer to "current limits".
_BEYOND = re.compile(
    r"(limit|quota|maximum).*exceed|(exceed|above|(greater|more) than).*(limit|quota|maximum)", re.I | re.S
)
# In a LimitExceededException: the limit is about capacity.
_CAPACITY = re.compile(r"quota|maximum|capacity|throughput|\bunits\b|account", re.I)
# Which quota it is. "above the per-table maximum for account 123456789012" is not the account's.
_OF_ACCOUNT = re.compile(r"(per|each)[- ]account|account[- ](level|limit|quota|maximum)", re.I)
_OF_RESOURCE = re.compile(
    r"(per|each|a|single)[- ](table|index)\b|\b(table|index)[- ](level|throughput|limit|quota|maximum)", re.I
)


def decreases_ran_out(error: AwsError) -> bool:
    """Whether the call was refused because a table or index has no decreases left for now."""
    return error.code == LIMIT_EXCEEDED and "decrease" in error.wording.lower()


# "Next decrease can be made at Tuesday, July 25, 2017 at 11:48:28 PM Coordinated Universal Time". The month is read by
# its first three letters, as in the short form. strptime depends on the locale.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NEXT_DECREASE = re.compile(
    r"next decrease can be made at:?\s+(?:[a-z]+,?\s+)?"
    r"(?P<month>[a-z]{3})[a-z]*\.?\s+(?P<day>[0-9]{1,2}),?\s+(?P<year>[0-9]{4}),?\s+(?:at\s+)?"
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?\s*(?P<half>[ap]m)?\s*"
    r"(?:coordinated universal time|utc|gmt)\b",
    re.I | re.A,
)


def next_decrease(error: AwsError) -> datetime | None:
    """When AWS's text says that the next decrease can be made; None if it names no time in UTC."""
    found = _NEXT_DECREASE.search(" ".join(error.wording.split()))
    if found is None:
        return None
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        month = _MONTHS.index(found["month"].lower()) + 1
        day = (int(found["year"]), month, int(found["day"]))
        return datetime(*day, hour, int(found["minute"]), int(found["second"] or 0), tzinfo=timezone.utc)
    except ValueError:  # not a valid month or day
        return None


def too_many_at_once(error: AwsError) -> bool:
    """Whether the call was refused because too many tables (500) are being changed at once."""
    return error.code == LIMIT_EXCEEDED and not decreases_ran_out(error) and bool(_AT_ONCE.search(error.wording))


def over_quota(error: AwsError) -> bool:
    """Whether the call was refused because of a quota of capacity units."""
    if decreases_ran_out(error) or too_many_at_once(error):
        return False
    if error.code == LIMIT_EXCEEDED:
        return bool(_CAPACITY.search(error.wording))
    return error.code == "ServiceQuotaExceededException" or (
        error.code == "ValidationException" and bool(_BEYOND.search(error.wording))
    )


def of_account(error: AwsError) -> bool:
    """Whether the exceeded quota is the account's, and not that of one table or index."""
    text = error.wording
    return bool(_OF_ACCOUNT.search(text)) or ("account" in text.lower() and not _OF_RESOURCE.search(text))


def quota(error: AwsError) -> str:
    """The quota that an increase exceeds, in words; empty if the refusal has another reason, or an unknown one."""
    if not over_quota(error):
        return ""
    if of_account(error):
        which = "the account's quota of capacity units (80,000 by default)"
    elif _OF_RESOURCE.search(error.wording):
        which = "the quota of capacity units of a table or index (40,000 by default)"
    else:
        which = "a quota of capacity units"
    return f"{which}; ask AWS to raise it (Service Quotas), or set a maximum below it"
