"""`make demo`: two checks of four tables on a local stand-in for AWS (moto), then a rehearsal of a day.

Nothing leaves this machine, and no AWS account is needed. The exit code is 1 if the outcome is not the expected one.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "demo.conf"
REHEARSED = (HERE / "thresholds.conf", HERE / "tracking.conf")
PROGRAM = Path(sys.executable).parent / "dynamic-dynamodb"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo"}
REGION = "us-east-1"
AXES = ("reads", "writes")
MINUTES = 60
WIDTH = max(20, min(79, shutil.get_terminal_size().columns - 1))  # 79 in a file, too
NARROW = 60  # columns; in a narrower terminal a reason begins on the next line
METRICS = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents")


@dataclass(frozen=True)
class Load:
    """A table or index: what is provisioned, the load of an hour, and what is expected to be provisioned then."""

    table: str
    index: str | None
    provisioned: tuple[int, int]  # reads, writes
    consumed: tuple[float, float]  # per second
    throttled: tuple[int, int] = (0, 0)  # per minute
    expected: tuple[int, int] = (0, 0)  # provisioned after the first check and after the second

    @property
    def name(self) -> str:
        return self.table if self.index is None else f"{self.table}, index {self.index}"


LOADS = (
    Load("orders", None, (100, 100), (95, 40), expected=(150, 45)),
    Load("archive", None, (200, 100), (2, 0), expected=(10, 5)),
    Load("customers", None, (50, 50), (35, 25), (30, 0), expected=(70, 50)),
    Load("customers", "by-email", (100, 20), (4, 10), expected=(10, 20)),
    Load("customers", "by-city", (20, 20), (10, 30), expected=(20, 45)),
)
ON_DEMAND = "sessions"


def main() -> int:
    isolate()
    logging.getLogger("werkzeug").disabled = True  # the stand-in logs each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    try:
        problems = demonstrate(url)
    finally:
        server.stop()
    problems += rehearse()
    if not problems:
        tell(
            "The same for the last two weeks of one of your tables (this reads CloudWatch and changes nothing):",
            f"  {shown(PROGRAM)} --table-name '^my-table$' --simulate cloudwatch",
        )
    for problem in problems:
        tell(f"NOT AS EXPECTED: {problem}")
    return 1 if problems else 0


def isolate() -> None:
    """Ignore the reader's AWS settings, which may name a real account, and any proxy."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= CREDENTIALS | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def demonstrate(url: str) -> list[str]:
    """Returns what was not as expected."""
    dynamodb, cloudwatch = (
        boto3.client(name, endpoint_url=url, region_name=REGION) for name in ("dynamodb", "cloudwatch")
    )
    create(dynamodb)
    put_metrics(cloudwatch)
    tell(
        f"moto, a local stand-in for AWS, runs on {url} with four tables, two indexes and an hour of CloudWatch "
        "metrics. The command, with fake credentials:",
        f"  {shown(PROGRAM)} --run-once \\",
        f"    --config {shown(CONFIG)} \\",
        f"    --endpoint-url {url}",
    )
    before = provisioned(dynamodb)
    problems = check("First check: the load does not fit what is provisioned.", url, dynamodb)
    after = provisioned(dynamodb)
    problems += check("Second check, under the same load: nothing needs to change.", url, dynamodb)
    expected = {load.name: load.expected for load in LOADS}
    if after != expected:
        problems.append(f"after the first check {after} is provisioned, not {expected}")
    if provisioned(dynamodb) != after:
        problems.append("the second check changed something")
    if not problems:
        pairs = [pair for name in before for pair in zip(before[name], after[name], strict=True)]
        changed = sum(then != now for then, now in pairs)
        tell(f"The first check changed {changed} of {len(pairs)} values, the second none.")
        tell(
            "To see what it would do to one of your tables, without changing anything:",
            f"  {shown(PROGRAM)} --run-once --dry-run --table-name '^my-table$'",
        )
    return problems


# AWS


def create(dynamodb: Any) -> None:
    for table in dict.fromkeys(load.table for load in LOADS):
        own, *indexes = [load for load in LOADS if load.table == table]
        attributes = ["id", *(f"{load.index}-key" for load in indexes)]
        more: dict[str, Any] = {"GlobalSecondaryIndexes": [_index(load) for load in indexes]} if indexes else {}
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
            ProvisionedThroughput=_throughput(own),
            **more,
        )
    dynamodb.create_table(
        TableName=ON_DEMAND,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _index(load: Load) -> dict[str, Any]:
    return {
        "IndexName": load.index,
        "KeySchema": [{"AttributeName": f"{load.index}-key", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": _throughput(load),
    }


def _throughput(load: Load) -> dict[str, int]:
    reads, writes = load.provisioned
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}


def put_metrics(cloudwatch: Any) -> None:
    """One-minute sums, as DynamoDB publishes them. A minute without traffic has no datapoint."""
    now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    for load in LOADS:
        dimensions = [{"Name": "TableName", "Value": load.table}]
        if load.index is not None:
            dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": load.index})
        sums = [60 * rate for rate in load.consumed] + list(load.throttled)
        for metric, value in zip(METRICS, sums, strict=True):
            data = [
                {
                    "MetricName": metric,
                    "Dimensions": dimensions,
                    "Timestamp": now - timedelta(minutes=minute),
                    "Value": value,
                }
                for minute in range(1, MINUTES + 1)
            ]
            if value:
                cloudwatch.put_metric_data(Namespace="AWS/DynamoDB", MetricData=data)


def provisioned(dynamodb: Any) -> dict[str, tuple[int, int]]:
    """Reads and writes of each table and index."""
    found = {}
    for load in LOADS:
        table = dynamodb.describe_table(TableName=load.table)["Table"]
        indexes = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", [])}
        granted = (table if load.index is None else indexes[load.index])["ProvisionedThroughput"]
        found[load.name] = (granted["ReadCapacityUnits"], granted["WriteCapacityUnits"])
    return found


# The program


def check(title: str, url: str, dynamodb: Any) -> list[str]:
    """Run the program once and show what it did. Returns what went wrong."""
    before = provisioned(dynamodb)
    done = subprocess.run(  # noqa: S603 - our own words
        [str(PROGRAM), "--run-once", "--config", str(CONFIG), "--endpoint-url", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = reasons(done.stderr)
    tell(title)
    out(table(before, provisioned(dynamodb), said))
    silent = [load.name for load in LOADS if len(said.get(load.name, ())) != len(AXES)]
    problems = [f"the log has no reason for {name}" for name in (*silent, *{ON_DEMAND}.difference(said))]
    if done.returncode != 0:
        problems.append(f"the exit code was {done.returncode}")
    if problems:
        out(done.stderr.splitlines())
    return problems


def rehearse() -> list[str]:
    """Show what two configurations would have done on a made-up day. Returns what went wrong."""
    words = [word for path in REHEARSED for word in ("--config", str(shown(path)))]
    tell(
        "A rehearsal: a made-up day of a shop, busy from 4 pm to 10 pm, with thresholds and with target tracking, "
        "against a model of AWS. It makes no calls to AWS.",
        f"  {shown(PROGRAM)} --simulate sales-day \\",
        f"    {' '.join(words[:2])} \\",
        f"    {' '.join(words[2:])}",
    )
    done = subprocess.run(  # noqa: S603 - our own words
        [str(PROGRAM), *words, "--simulate", "sales-day"], capture_output=True, text=True, timeout=120, check=False
    )
    out([*done.stdout.splitlines(), ""])
    if done.returncode == 0:
        return []
    out(done.stderr.splitlines())
    return [f"the exit code of the rehearsal was {done.returncode}"]


_LINE = re.compile(
    r"\S+ \S+ - dynamic-dynamodb - [A-Z]+ - (?P<table>[\w.-]+)( - GSI: (?P<index>[\w.-]+))? - (?P<text>.*)"
)
_AXES = re.compile(r"(.*?); ((?:\d+ )?writes .*?)(; decreases today.*)?")


def reasons(log: str) -> dict[str, list[str]]:
    """The reasons in the log by resource: one for reads and one for writes, or one for both."""
    found: dict[str, list[str]] = {}
    for match in filter(None, map(_LINE.fullmatch, log.splitlines())):
        name = match["table"] if match["index"] is None else f"{match['table']}, index {match['index']}"
        axes = _AXES.fullmatch(match["text"])
        if axes:
            found[name] = [axes[1], axes[2]]
        elif name == ON_DEMAND and not match["text"].startswith("configured by"):
            found[name] = [match["text"]]
    return found


# Words


def table(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], said: dict[str, list[str]]
) -> Iterator[str]:
    """For each resource and axis: what was provisioned, what is now, and the program's reason."""
    yield from row("        before    after  ", "reason, from the log")
    for load in LOADS:
        yield load.name
        for number, axis in enumerate(AXES):
            then, now = before[load.name][number], after[load.name][number]
            arrow = "->" if then != now else "  "
            reason = said.get(load.name, ["", ""])[number].removeprefix(f"{axis} ")
            yield from row(f"  {axis:6}{then:6} {arrow} {now:5}  ", reason)
    yield from row(f"{ON_DEMAND:25}", said.get(ON_DEMAND, [""])[0])
    yield ""


def row(head: str, text: str) -> list[str]:
    """Side by side if the terminal is wide enough."""
    return wrap(head, text) if WIDTH >= NARROW else [head, *wrap(" " * 4, text)]


def wrap(head: str, text: str) -> list[str]:
    hanging = " " * len(head)
    lines = textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=hanging, break_on_hyphens=False)
    return lines or [head]


def shown(path: Path) -> Path:
    """The path relative to the current folder, which is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def tell(text: str, *lines: str) -> None:
    """Print a paragraph, wrapped, and lines that are not wrapped."""
    out([*wrap("", text), *lines, ""])


def out(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # the reader has closed the pipe; Python must not complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
