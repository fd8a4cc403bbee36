"""Tables and their metrics in moto, a stand-in for AWS that other people wrote."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3

from dynamic_dynamodb.decisions.model import Axis, Target, Throughput

METRICS: dict[Axis, str] = {"reads": "ConsumedReadCapacityUnits", "writes": "ConsumedWriteCapacityUnits"}
_MINUTES = 30  # of metrics; the look-back window is the five that began 15 minutes ago


class MotoWorld:
    """One account behind a moto server at `url`, with the few words that tests need."""

    def __init__(self, url: str) -> None:
        self.url = url
        session = boto3.Session("AKIDTEST", "secret", region_name="us-east-1")
        self._dynamodb = session.client("dynamodb", endpoint_url=url)
        self._cloudwatch = session.client("cloudwatch", endpoint_url=url)

    def reset(self) -> None:
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")):  # noqa: S310
            pass

    def close(self) -> None:
        self._dynamodb.close()
        self._cloudwatch.close()

    def add_table(
        self,
        name: str,
        reads: int,
        writes: int,
        indexes: Mapping[str, tuple[int, int]] | None = None,
        *,
        on_demand: bool = False,
    ) -> None:
        key = {"AttributeName": "id", "KeyType": "HASH"}
        more: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
        if not on_demand:
            more = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": _units(reads, writes)}
        if indexes:
            more["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index,
                    "KeySchema": [key],
                    "Projection": {"ProjectionType": "ALL"},
                    "ProvisionedThroughput": _units(*units),
                }
                for index, units in indexes.items()
            ]
        attributes = [{"AttributeName": "id", "AttributeType": "S"}]
        self._dynamodb.create_table(TableName=name, KeySchema=[key], AttributeDefinitions=attributes, **more)

    def consume(self, target: Target, reads: float = 0, writes: float = 0) -> None:
        """So many units a second, in each minute of the last half hour."""
        dimensions = [{"Name": "TableName", "Value": target.table}]
        if target.index is not None:
            dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": target.index})
        minute = datetime.now(timezone.utc).replace(second=0, microsecond=0)
        rates: dict[Axis, float] = {"reads": reads, "writes": writes}
        points = [
            {
                "MetricName": METRICS[axis],
                "Dimensions": dimensions,
                "Timestamp": minute - timedelta(minutes=ago),
                "Value": rate * 60,
            }
            for axis, rate in rates.items()
            for ago in range(_MINUTES)
            if rate
        ]
        self._cloudwatch.put_metric_data(Namespace="AWS/DynamoDB", MetricData=points)

    def provisioned(self, target: Target) -> Throughput:
        table = self._dynamodb.describe_table(TableName=target.table)["Table"]
        found = table
        if target.index is not None:
            found = next(one for one in table["GlobalSecondaryIndexes"] if one["IndexName"] == target.index)
        units = found["ProvisionedThroughput"]
        return Throughput(units["ReadCapacityUnits"], units["WriteCapacityUnits"])


def _units(reads: int, writes: int) -> dict[str, int]:
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}
