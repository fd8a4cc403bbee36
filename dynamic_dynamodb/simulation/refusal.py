"""How the simulated services refuse a call: with an exception that looks like botocore's ClientError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Answer = dict[str, Any]

# boto3 refuses an explicit None, so "not given" needs a separate value.
ABSENT: Any = object()


class RefusedError(Exception):
    """A service refused the call.

    `response` and `operation_name` are those of botocore.exceptions.ClientError. `Account.call` sets the operation.
    """

    def __init__(self, code: str, message: str, status: int = 400, operation: str = "") -> None:
        super().__init__(code, message, status, operation)
        self.operation_name = operation
        self.response: Answer = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        }

    def __str__(self) -> str:
        error = self.response["Error"]
        return (
            f"An error occurred ({error['Code']}) when calling the {self.operation_name} operation: {error['Message']}"
        )


def given(types: Mapping[str, type], **arguments: object) -> dict[str, Any]:
    """The arguments that were given. Raises TypeError for a wrong type, as boto3 does before it sends anything."""
    found = {name: value for name, value in arguments.items() if value is not ABSENT}
    for name, value in found.items():
        kind = types[name]
        if not isinstance(value, (list, tuple) if kind is list else kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"Parameter validation failed: {name}: {value!r} is not a {kind.__name__}")
    return found


def success(**fields: object) -> Answer:
    """The answer of a service, with the field that boto3 adds."""
    return {**fields, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}
