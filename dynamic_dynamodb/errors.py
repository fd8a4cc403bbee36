"""The exceptions that every room may raise, each with a sentence for the reader of the log.

All exceptions that this package raises on purpose derive from [DynamicDynamoDBError][]. Those of AWS are in
aws/errors.py.
"""

from __future__ import annotations

from collections.abc import Sequence


class DynamicDynamoDBError(Exception):
    """The root of all errors of this package."""


class ConfigError(DynamicDynamoDBError):
    """The configuration cannot be used. `problems` has every problem found, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
