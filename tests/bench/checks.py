"""The child process that checks are measured in: `checks.py PLAN`, a plan and the outcome being JSON.

The plan: "config" (a path), "url", "threads", "steps". A step is ["check" or "bare", latency in seconds]; "bare" is
what botocore alone needs to describe the same tables, by as many threads. The outcome: for each step its seconds of
wall time and of CPU and what AWS was asked; and the most memory that was ever resident.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import boto3
from botocore.config import Config
from memory import resident

from dynamic_dynamodb.aws import dynamodb
from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.process import settle


def main(plan: dict[str, Any]) -> dict[str, Any]:
    merged = loader.load({"config": plan["config"]}, []).config
    logs.set_up(merged["logging"], dry_run=False)
    clients = connect(merged["global"])
    workers = Workers(threads=plan["threads"])
    scaler = Scaler(merged, clients, workers, lambda: datetime.now(timezone.utc))
    kinds: dict[str, Callable[[], object]] = {"check": scaler.check, "bare": Bare(plan["threads"], merged["global"])}
    settle()
    steps = []
    for kind, latency in plan["steps"]:
        asked(plan["url"], latency)
        wall, cpu = time.perf_counter(), time.process_time()
        if kinds[kind]() is False:
            raise SystemExit("the check failed")
        steps.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, **asked(plan["url"], 0)})
    workers.close()
    return {"steps": steps, "resident": resident("VmHWM")}


class Bare:
    """botocore as it comes, but for the size of its connection pool."""

    def __init__(self, threads: int, general: dict[str, Any]) -> None:
        self._dynamodb = boto3.client(
            "dynamodb",
            aws_access_key_id=general["aws_access_key_id"],
            aws_secret_access_key=general["aws_secret_access_key"],
            region_name=general["region"],
            endpoint_url=general["endpoint_url"],
            config=Config(max_pool_connections=threads),
        )
        self._pool = ThreadPoolExecutor(threads)
        self._names = dynamodb.list_tables(self._dynamodb)

    def __call__(self) -> None:
        list(self._pool.map(lambda name: self._dynamodb.describe_table(TableName=name), self._names))


def asked(url: str, latency: float) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/?latency={latency}", timeout=60) as answer:  # noqa: S310 - ours
        told: dict[str, Any] = json.load(answer)
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
