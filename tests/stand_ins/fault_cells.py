"""The fault matrix: each operation, each fault, and what a check makes of it. test_faults.py holds every cell.

docs/reliability.md shows these tables. They are written by hand: what a user
may rely on, not what the program happens to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from aws_faults import AwsFault, Body, CutFault, Fault, MutateFault, RawFault, ResetFault, SilenceFault, SlowFault

OPERATIONS = ("ListTables", "DescribeTable", "GetMetricData", "GetMetricStatistics", "UpdateTable", "Publish")


# The faults


def leaves(change: Callable[[Any], Any]) -> MutateFault:
    """The answer with every value that holds no others replaced."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner) for key, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else change(value)

    return MutateFault(lambda answer: answer.update(walk(dict(answer))))


def swapped(value: Any) -> Any:
    """A value of another type."""
    return 7 if isinstance(value, str) else "seven"


def sleeping(answer: Body) -> None:
    """Words that no documentation knows, where the answer has words."""
    answer["Mood"] = "SLEEPING"
    for description in (answer.get("Table"), answer.get("TableDescription")):
        if description is not None:
            description["TableStatus"] = "SLEEPING"
    for result in answer.get("MetricDataResults", ()):
        result["StatusCode"] = "SLEEPING"
    for point in answer.get("Datapoints", ()):
        point["Unit"] = "SLEEPING"


DECREASES = "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day."
AT_ONCE = "Subscriber limit exceeded: There is a limit of 500 tables being updated simultaneously."
SKEW = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"


ROUND = b'{"TableNames": [], "LastEvaluatedTableName": "once-more", "MetricDataResults": [], "NextToken": "once-more"}'


class Named(NamedTuple):
    """A fault, and what docs/reliability.md calls it."""

    title: str
    fault: Fault


FAULTS: dict[str, Named] = {
    "throttling": Named("400 Throttling", AwsFault("ThrottlingException", "Rate exceeded")),
    "denied": Named("400 AccessDenied", AwsFault("AccessDeniedException", "not for you")),
    "expired": Named("400 ExpiredToken", AwsFault("ExpiredTokenException", "of yesterday")),
    "unrecognized": Named("400 UnrecognizedClient", AwsFault("UnrecognizedClientException", "who are you")),
    "not-found": Named("400 ResourceNotFound", AwsFault("ResourceNotFoundException", "no such thing")),
    "in-use": Named("400 ResourceInUse", AwsFault("ResourceInUseException", "being updated")),
    "decreases": Named("400 LimitExceeded: decreases", AwsFault("LimitExceededException", DECREASES)),
    "at-once": Named("400 LimitExceeded: tables at once", AwsFault("LimitExceededException", AT_ONCE)),
    "validation": Named("400 Validation", AwsFault("ValidationException", "not like this")),
    "clock-skew": Named("400 Signature expired: clock skew", AwsFault("InvalidSignatureException", SKEW)),
    "500": Named("500", AwsFault("InternalServerError", "our fault", 500)),
    "503": Named("503 without a body", RawFault(503)),
    "huge-error": Named("500 with a page of 2 MB", RawFault(500, b"<html>" + b"no " * 700_000)),
    "reset-before": Named("connection reset before the request is carried out", ResetFault()),
    "reset-performed": Named("connection reset after it is carried out, before the answer", ResetFault(performed=True)),
    "reset-middle": Named("connection reset in the middle of the answer", CutFault(0.5, reset=True)),
    "reset-after": Named("connection reset after the answer", CutFault(1.0, reset=True)),
    "truncated": Named("truncated answer", CutFault(0.7)),
    "slow": Named("slow answer: in pieces, complete after a second", SlowFault(6, 0.2)),
    "no-json": Named("HTML instead of the answer", RawFault(200, b"<html>Welcome to the hotel's network</html>")),
    "half-json": Named("malformed JSON", RawFault(200, b'{"Table": {"TableStatus": "ACT')),
    "list": Named("JSON of another type", RawFault(200, b"[]")),
    "no-body": Named("no body", RawFault(200)),
    "no-fields": Named("all fields missing", MutateFault(dict.clear)),
    "null-fields": Named("all values null", leaves(lambda _: None)),
    "wrong-types": Named("all values of other types", leaves(swapped)),
    "unknown-words": Named("unknown statuses and fields", MutateFault(sleeping)),
    "huge": Named("huge answer, 8 MB", MutateFault(lambda answer: answer.update(Junk="x" * 8_000_000))),
    "going-round": Named("pages without end, the same token", RawFault(200, ROUND)),
}

# These are waited for: no answer at all, and a byte every few seconds, for longer than anybody waits.
SILENCE: dict[str, Named] = {
    "silent": Named("no answer", SilenceFault(600)),
    "trickle": Named("slow answer: one byte every 3 s, without end", SlowFault(100_000, 3)),
}


# What a check makes of them


class Kind(NamedTuple):
    """What a user sees of a table whose calls meet a fault. In any case the next check makes its increase."""

    shown: str  # in docs/reliability.md
    level: str | None  # of the line that names the cause; None: there is no such line
    changed: bool  # the table, by this check
    exit: int


KINDS: dict[str, Kind] = {
    "made": Kind("changed", None, True, 0),
    "told": Kind("no message", "ERROR", True, 0),
    "other way": Kind("other call", "WARNING", True, 0),
    "partly": Kind("increased", "WARNING", True, 0),
    "left": Kind("skipped", "WARNING", False, 0),
    "again": Kind("postponed", "WARNING", False, 1),
    "failed": Kind("failed", "ERROR", False, 1),
    "unsure": Kind("not known", "ERROR", False, 1),  # and not so: AWS never saw it
    "unsure, made": Kind("not known", "ERROR", True, 1),
}

# In the order of OPERATIONS.
CELLS: dict[str, tuple[str | None, ...]] = {
    "throttling": ("failed", "failed", "failed", "failed", "failed", "told"),
    "denied": ("other way", "failed", "other way", "failed", "failed", "told"),
    "expired": ("failed", "failed", "failed", "failed", "failed", "told"),
    "unrecognized": ("failed", "failed", "failed", "failed", "failed", "told"),
    "not-found": ("failed", "left", "failed", "failed", "left", "told"),
    "in-use": ("failed", "failed", "failed", "failed", "again", "told"),
    "decreases": ("failed", "failed", "failed", "failed", "partly", "told"),
    "at-once": ("failed", "failed", "failed", "failed", "again", "told"),
    "validation": ("failed", "failed", "failed", "failed", "failed", "told"),
    "clock-skew": ("failed", "failed", "failed", "failed", "failed", "told"),
    "500": ("failed", "failed", "failed", "failed", "failed", "told"),
    "503": ("failed", "failed", "failed", "failed", "failed", "told"),
    "huge-error": ("failed", "failed", "failed", "failed", "failed", "told"),
    "reset-before": ("failed", "failed", "failed", "failed", "unsure", "told"),
    "reset-performed": ("failed", "failed", "failed", "failed", "unsure, made", "told"),
    "reset-middle": ("failed", "failed", "failed", "failed", "unsure, made", "told"),
    "reset-after": ("made", "made", "made", "made", "made", "made"),
    "truncated": ("failed", "failed", "failed", "failed", "unsure, made", "told"),
    "slow": ("made", "made", "made", "made", "made", "made"),
    "no-json": ("failed", "failed", "failed", "failed", "unsure", "told"),
    "half-json": ("failed", "failed", "failed", "failed", "unsure", "told"),
    "list": ("failed", "failed", "failed", "failed", "unsure", "told"),
    "no-body": ("failed", "failed", "failed", "failed", "unsure", "told"),
    "no-fields": ("failed", "failed", "failed", "failed", "unsure, made", "made"),
    "null-fields": ("failed", "failed", "failed", "failed", "made", "made"),
    "wrong-types": ("failed", "failed", "failed", "failed", "made", "made"),
    "unknown-words": ("made", "left", "failed", "made", "made", "made"),
    "huge": ("made", "made", "made", "made", "made", "made"),
    "going-round": ("failed", None, "failed", None, None, None),  # the others have no pages
    "silent": ("failed", "failed", "failed", "failed", "unsure, made", "told"),
    "trickle": ("failed", "failed", "failed", "failed", "unsure, made", "told"),
}

# What the line says after "OPERATION failed: ".
CAUSES: dict[str, str] = {
    "throttling": "ThrottlingException: Rate exceeded",
    "denied": "AccessDeniedException: not for you (the IAM policy must allow {service}:{operation})",
    "expired": "ExpiredTokenException: of yesterday (the temporary credentials have expired; renew them",
    "unrecognized": "UnrecognizedClientException: who are you (check the credentials",
    "not-found": "ResourceNotFoundException: no such thing (it was deleted, or is in another region or account",
    "in-use": "ResourceInUseException: being updated",
    "decreases": "LimitExceededException: " + DECREASES,
    "at-once": "LimitExceededException: " + AT_ONCE,
    "validation": "ValidationException: not like this",
    "clock-skew": f"InvalidSignatureException: {SKEW} (check the clock of this machine)",
    "500": "InternalServerError: our fault",
    "503": "503: Service Unavailable",
    "huge-error": "500: Internal Server Error",
    "reset-before": "ConnectionClosedError: Connection was closed before we received a valid response",
    "reset-performed": "ConnectionClosedError: Connection was closed before we received a valid response",
    "reset-middle": "ConnectionClosedError: Connection was closed before we received a valid response",
    "truncated": "bad answer: no usable {field}",
    "no-json": "bad answer: no usable {field}",
    "half-json": "bad answer: no usable {field}",
    "list": "bad answer: boto3 cannot read it (AttributeError: 'list' object has no attribute 'get')",
    "no-body": "bad answer: no usable {field}",
    "no-fields": "bad answer: no usable {field}",
    "null-fields": "bad answer: no usable {null}",
    "wrong-types": "bad answer: no usable {wrong}",
    "going-round": "bad answer: no usable end of pages",
    "silent": "ReadTimeoutError: Read timeout on endpoint URL",
    "trickle": "no answer: given up after 45 s (check the region, --endpoint-url and the network)",
}

# The words in braces above, in the order of OPERATIONS.
SERVICES = ("dynamodb", "dynamodb", "cloudwatch", "cloudwatch", "dynamodb", "sns")
FIELDS = ("TableNames", "Table", "MetricDataResults", "Datapoints", "TableDescription", "")
WRONGS = ("TableNames", "TableStatus", "result for a requested metric", "timestamp", "", "")
NULLS = ("TableNames", "TableStatus", "result for a requested metric", "Datapoints[].Timestamp", "", "")

# Where the line is another one than CAUSES has it.
LINES: dict[tuple[str, str], str] = {
    ("ListTables", "denied"): "ListTables failed: AccessDeniedException: not for you (the IAM policy must allow "
    "dynamodb:ListTables); using the table names in the configuration instead",
    ("DescribeTable", "unknown-words"): "status SLEEPING: not changed in this check, nor are its indexes",
    ("GetMetricData", "denied"): "GetMetricData failed: AccessDeniedException: not for you (the IAM policy must allow "
    "cloudwatch:GetMetricData); using GetMetricStatistics instead, one call per metric",
    ("GetMetricData", "unknown-words"): "GetMetricData failed: SLEEPING: the metric is incomplete",
    ("GetMetricStatistics", "denied"): "GetMetricData failed: AccessDenied: injected (the IAM policy must allow "
    "cloudwatch:GetMetricData)",  # the better one to ask for
    ("UpdateTable", "decreases"): "decrease refused by DynamoDB, retried from",
    ("Publish", "truncated"): "Publish failed: ResponseParserError: Unable to parse response",
    ("Publish", "no-json"): "Publish failed: bad answer: boto3 cannot read it (KeyError: 'PublishResult')",
    ("Publish", "half-json"): "Publish failed: ResponseParserError: Unable to parse response",
    ("Publish", "list"): "Publish failed: ResponseParserError: Unable to parse response",
    ("Publish", "no-body"): "Publish failed: ResponseParserError: Unable to parse response",
}


class Cell(NamedTuple):
    """One fault of one operation, and what is expected of it."""

    operation: str
    fault: str
    kind: str
    line: str  # what the line that names the cause says, to begin with


def _line(operation: str, fault: str) -> str:
    column = OPERATIONS.index(operation)
    words = {
        "service": SERVICES[column],
        "operation": operation,
        "field": FIELDS[column],
        "null": NULLS[column],
        "wrong": WRONGS[column],
    }
    cause = CAUSES.get(fault, "").format(**words)
    return LINES.get((operation, fault), f"{operation} failed: {cause}")


def cells(faults: Iterable[str], *operations: str) -> list[Cell]:
    """The cells of these faults and operations, all operations by default."""
    return [
        Cell(operation, fault, kind, _line(operation, fault))
        for operation in operations or OPERATIONS
        for fault in faults
        if (kind := CELLS[fault][OPERATIONS.index(operation)]) is not None
    ]
