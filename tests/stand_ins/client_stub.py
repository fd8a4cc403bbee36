"""boto3's DynamoDB client as a list of answers, for tests of single calls."""

from __future__ import annotations

from typing import Any

Answer = dict[str, Any]


class RefusedError(Exception):
    """What botocore's ClientError looks like."""

    def __init__(self, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


class DynamoDB:
    """Gives the answers it was made with, one a call, and keeps the calls; exceptions are raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Answer] = []

    def _answer(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    list_tables = describe_table = update_table = _answer
