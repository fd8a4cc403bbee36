"""The least IAM policy that a configuration needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dynamic_dynamodb.decisions.matching import named_in_full, plain_name

# Of regions, by how their names begin; all others are in "aws". From botocore's list of endpoints.
_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)


def policy(config: Mapping[str, Any]) -> dict[str, Any]:
    """The policy document for a config dict, whose region must be known.

    Where every table is named in full its ARN stands for it, and ListTables
    is not asked for; an expression needs both ListTables and `*`. The account
    is not known here: `*` stands for it, since a role reaches its own alone.
    """
    tables = config["tables"]
    names = [plain_name(expression) for expression in tables]
    whole = [name for name in names if name is not None]
    spelled_out = len(whole) == len(names)
    resources = [_table_arn(config["global"]["region"], name) for name in dict.fromkeys(whole)]
    statements = [
        _statement("ReadMetrics", ["cloudwatch:GetMetricData"], ["*"]),
        _statement(
            "ScaleTables", ["dynamodb:DescribeTable", "dynamodb:UpdateTable"], resources if spelled_out else ["*"]
        ),
    ]
    if not spelled_out:
        statements.append(_statement("FindTables", ["dynamodb:ListTables"], ["*"]))
    topics = sorted({topic for topic in _topics(tables.values()) if topic})
    if topics:
        statements.append(_statement("Notify", ["sns:Publish"], topics))
    return {"Version": "2012-10-17", "Statement": statements}


def narrowed(config: Mapping[str, Any]) -> list[str]:
    """The expressions that may match more tables than the policy lets them: names without an end."""
    tables = config["tables"]
    if any(plain_name(expression) is None for expression in tables):
        return []
    return [expression for expression in tables if not named_in_full(expression)]


def _statement(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _table_arn(region: str, name: str) -> str:
    partition = next((partition for start, partition in _PARTITIONS if region.startswith(start)), "aws")
    return f"arn:{partition}:dynamodb:{region}:*:table/{name}"


def _topics(sections: Iterable[Mapping[str, Any]]) -> Iterable[str | None]:
    """The topics that something is sent to: without message types, nothing is."""
    for section in sections:
        yield section["sns_topic_arn"] if section["sns_message_types"] else None
        yield from _topics(section.get("gsis", {}).values())
