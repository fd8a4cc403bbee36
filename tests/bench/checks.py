"""The child process that checks are measured in: `checks.py PLAN`, a plan and the outcome being JSON.

The plan: "config" (a path), "url", "threads", "steps". A step is ["check" or "bare", latency in seconds]; "bare" is
what botocore alone needs to describe the same tables, by as many threads. The outcome: for each step its seconds of
wall time and of CPU and what AWS was asked; and the most memory that was ever resident.
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
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config
from memory import resident

from dynamic_dynamodb.aws import dynamodb
from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.configuration.prices import BUILT_IN
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
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
    scaler = Scaler(merged, clients, workers, lambda: datetime.now(timezone.utc))
    served = Served(scaler, merged["global"])
    kinds: dict[str, Callable[[], object]] = {
        "check": scaler.check,
        "bare": Bare(plan["threads"], merged["global"]),
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
    workers.close()
    return {"steps": steps, "resident": resident("VmHWM")}


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
