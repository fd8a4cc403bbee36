"""The minimal IAM policy for a configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dynamic_dynamodb.decisions.matching import named_in_full, plain_name, wildcards

# The partition of a region, by the start of its name; all others are in "aws". From botocore's list of endpoints.
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

    An expression gets a wildcard for all names that start as it does. It also needs ListTables, which cannot be
    restricted. The account is not known here, and the region perhaps not either. They become `*`, which is safe because
    a role reaches only its own account.
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
    """The expressions that may match more tables than the policy allows: names without `$`.

    A wildcard of another expression may allow those tables, too.
    """
    tables = config["tables"]
    # All wildcards of the policy are a beginning and a `*`.
    allowed = tuple(name[:-1] for expression in tables for name in _names(expression) if name.endswith("*"))
    begun = {expression: plain_name(expression) for expression in tables if not named_in_full(expression)}
    return [expression for expression, name in begun.items() if name and not name.startswith(allowed)]


def _names(expression: str) -> list[str]:
    """An expression's names in a policy: the one name, or wildcards."""
    name = plain_name(expression)
    return wildcards(expression) if name is None else [name]


def _statement(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _table_arn(region: str | None, name: str) -> str:
    region = region or "*"
    partition = next((partition for start, partition in _PARTITIONS if region.startswith(start)), "aws")
    return f"arn:{partition}:dynamodb:{region}:*:table/{name}"


def _topics(sections: Iterable[Mapping[str, Any]]) -> Iterable[str | None]:
    """The topics that are used. Without message types nothing is sent. A schedule may set topic or types."""
    for section in sections:
        layers = [section, *section.get("schedules", {}).values()]
        if any(layer.get("sns_message_types") for layer in layers):
            yield from (layer.get("sns_topic_arn") for layer in layers)
        yield from _topics(section.get("gsis", {}).values())
