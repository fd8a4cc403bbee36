"""Parts of sentences that all rooms build their messages from."""

from __future__ import annotations

from datetime import datetime, timezone

from dynamic_dynamodb.output.masking import safe

_LONGEST_LINE = 1000  # characters; a proxy may answer with a whole page


def one_line(text: str) -> str:
    """Text from elsewhere as one line of limited length that may be shown."""
    line = safe(" ".join(text.split()))
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..."


def count(number: int, one: str, more: str = "") -> str:
    """`1 table`, `2 tables`; `2 indexes` with `more`."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"


def clock_time(moment: datetime) -> str:
    """The time of day of an aware time: `18:07 UTC`. The time at the start of a log line is in the machine's zone."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc:%H:%M:%S UTC}" if utc.second else f"{utc:%H:%M UTC}"


def reason(error: BaseException | None) -> str:
    """The system's text for an error, without its number and path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `12th`, `22nd`."""
    teen = number // 10 % 10 == 1
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
