"""What every room may raise, as exceptions with a sentence for the person who reads the log.

Everything that this package raises on purpose derives from [DynamicDynamoDBError][]. What is AWS's is in aws/errors.py.
"""

from __future__ import annotations

from collections.abc import Sequence


class DynamicDynamoDBError(Exception):
    """The root of all errors of this package."""


class ConfigError(DynamicDynamoDBError):
    """The configuration cannot be used; `problems` holds every problem found, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
