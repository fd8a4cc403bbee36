"""The least IAM policy that a configuration needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dynamic_dynamodb.decisions.matching import named_in_full, plain_name, wildcards

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
    """The policy document for a config dict.

    An expression stands for all names that begin as it does, and needs
    ListTables, which cannot be narrowed. The account is not known here, nor
    perhaps the region: `*` stands for them, since a role reaches its own
    account alone.
    """
    tables = config["tables"]
    names = dict.fromkeys(name for expression in tables for name in _names(expression))
    resources = [_table_arn(config["global"]["region"], name) for name in names]
    statements = [
        _statement("ReadMetrics", ["cloudwatch:GetMetricData"], ["*"]),
        _statement("ScaleTables", ["dynamodb:DescribeTable", "dynamodb:UpdateTable"], resources),
    ]
    if any(plain_name(expression) is None for expression in tables):
        statements.append(_statement("FindTables", ["dynamodb:ListTables"], ["*"]))
    topics = sorted({topic for topic in _topics(tables.values()) if topic})
    if topics:
        statements.append(_statement("Notify", ["sns:Publish"], topics))
    return {"Version": "2012-10-17", "Statement": statements}


def narrowed(config: Mapping[str, Any]) -> list[str]:
    """The expressions that may match more tables than the policy lets them: names without an end."""
    return [expression for expression in config["tables"] if plain_name(expression) and not named_in_full(expression)]


def _names(expression: str) -> list[str]:
    """What a policy says for the names of an expression: the one name, or how they begin."""
    name = plain_name(expression)
    return wildcards(expression) if name is None else [name]


def _statement(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _table_arn(region: str | None, name: str) -> str:
    region = region or "*"
    partition = next((partition for start, partition in _PARTITIONS if region.startswith(start)), "aws")
    return f"arn:{partition}:dynamodb:{region}:*:table/{name}"


def _topics(sections: Iterable[Mapping[str, Any]]) -> Iterable[str | None]:
    """The topics that something is sent to: without message types, nothing is. A schedule may set either."""
    for section in sections:
        layers = [section, *section.get("schedules", {}).values()]
        if any(layer.get("sns_message_types") for layer in layers):
            yield from (layer.get("sns_topic_arn") for layer in layers)
        yield from _topics(section.get("gsis", {}).values())
