"""The child process that checks are measured in: `checks.py PLAN`, a plan and the outcome being JSON.

The plan: "config" (a path), "url", "threads", "indexes" (a table), "steps". A step is [kind, latency in seconds]:
"check"; "describe", what botocore alone needs to describe the same tables, by as many threads; or "metrics", the same
for the metrics of a check. Checks are check-interval apart, by a clock that skips the pauses. The outcome: for each
step its seconds of wall time and of CPU and what AWS was asked; and the most memory that was ever resident.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config
from memory import resident

from dynamic_dynamodb.aws import dynamodb
from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.cloudwatch import CONSUMED
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.aws.series import QUERIES_A_CALL, Query
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.configuration.prices import BUILT_IN
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.metrics import exposition
from dynamic_dynamodb.metrics.families import Situation
from dynamic_dynamodb.metrics.server import Answer, Server
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.process import settle

_SCRAPER = (
    "import sys, time, urllib.request\nwhile True:\n    urllib.request.urlopen(sys.argv[1]).read()\n    time.sleep(5)"
)


def main(plan: dict[str, Any]) -> dict[str, Any]:
    merged = loader.load({"config": plan["config"]}, []).config
    logs.set_up(merged["logging"], dry_run=False)
    clients = connect(merged["global"])
    workers = Workers(threads=plan["threads"])
    clock = Clock()
    scaler = Scaler(merged, clients, workers, clock.now)
    served = Served(scaler, merged["global"])
    bare = Bare(plan["threads"], plan["indexes"], merged["global"])
    kinds: dict[str, Callable[[], object]] = {
        "check": scaler.check,
        "describe": bare.describe,
        "metrics": bare.metrics,
        "render": served.render,
        "scrape": served.scrape,
        "scraped": served.check,
    }
    settle()
    steps = []
    for kind, latency in plan["steps"]:
        asked(plan["url"], latency)
        wall, cpu = time.perf_counter(), time.process_time()
        if kinds[kind]() is False:
            raise SystemExit("the check failed")
        steps.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, **asked(plan["url"], 0)})
        clock.skip(scaler.interval if kind in {"check", "scraped"} else 0)
    workers.close()
    return {"steps": steps, "resident": resident("VmHWM")}


class Clock:
    """Real time, but for the pauses."""

    def __init__(self) -> None:
        self._skipped = timedelta()

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + self._skipped

    def skip(self, seconds: float) -> None:
        self._skipped += timedelta(seconds=seconds)


class Served:
    """The metrics of the last check, and what it costs to have them."""

    def __init__(self, scaler: Scaler, general: dict[str, Any]) -> None:
        self._scaler = scaler
        self._general = general
        self._text = b""

    def render(self) -> None:
        """What is done after each check."""
        beat = Heartbeat("bench", 1, "0", datetime.now(timezone.utc), 300)
        number, targets = self._scaler.observed()
        now = Situation(beat, Record(), targets, number, {}, self._general, False, BUILT_IN)
        self._text = exposition.render(now)

    def scrape(self) -> None:
        with self._serving() as url, urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - ours
            if len(answer.read()) != len(self._text):
                raise SystemExit("the scrape failed")

    def check(self) -> bool:
        """A check while another process scrapes every 5 seconds, thrice as often as Prometheus does."""
        with self._serving() as url:
            scraper = subprocess.Popen([sys.executable, "-c", _SCRAPER, url])  # noqa: S603 - our own words
            try:
                return self._scaler.check()
            finally:
                scraper.kill()
                scraper.wait()

    @contextmanager
    def _serving(self) -> Iterator[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with closing(Server("127.0.0.1", port, lambda _: Answer(HTTPStatus.OK, exposition.CONTENT_TYPE, self._text))):
            yield f"http://127.0.0.1:{port}/metrics"


class Bare:
    """botocore as it comes, but for the size of its connection pool."""

    def __init__(self, threads: int, indexes: int, general: dict[str, Any]) -> None:
        self._dynamodb, self._cloudwatch = (
            boto3.client(
                service,
                aws_access_key_id=general["aws_access_key_id"],
                aws_secret_access_key=general["aws_secret_access_key"],
                region_name=general["region"],
                endpoint_url=general["endpoint_url"],
                config=Config(max_pool_connections=threads),
            )
            for service in ("dynamodb", "cloudwatch")
        )
        self._pool = ThreadPoolExecutor(threads)
        self._names = dynamodb.list_tables(self._dynamodb)
        targets = [Target(name, index) for name in self._names for index in (None, *map(_index, range(indexes)))]
        metrics = [(target, metric) for target in targets for metric in CONSUMED.values()]
        self._calls = [metrics[first : first + QUERIES_A_CALL] for first in range(0, len(metrics), QUERIES_A_CALL)]

    def describe(self) -> None:
        list(self._pool.map(lambda name: self._dynamodb.describe_table(TableName=name), self._names))

    def metrics(self) -> None:
        list(self._pool.map(self._read, self._calls))

    def _read(self, metrics: list[tuple[Target, str]]) -> None:
        end = datetime.now(timezone.utc).replace(second=0, microsecond=0)
        queries = [Query(target, metric, 0, 5) for target, metric in metrics]
        self._cloudwatch.get_metric_data(
            MetricDataQueries=[_question(f"m{number}", query) for number, query in enumerate(queries)],
            StartTime=end - timedelta(minutes=5),
            EndTime=end,
        )


def _index(number: int) -> str:
    return f"index-{number}"


def _question(key: str, query: Query) -> dict[str, Any]:
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": query.metric, "Dimensions": query.dimensions}
    return {"Id": key, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


def asked(url: str, latency: float) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/?latency={latency}", timeout=60) as answer:  # noqa: S310 - ours
        told: dict[str, Any] = json.load(answer)
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
