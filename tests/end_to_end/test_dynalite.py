"""The console script against dynalite: a DynamoDB that nobody here wrote, with real delays and AWS's own words.

It has no CloudWatch and no SNS; those are our model's.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import boto3
import pytest
from aws_server import AwsServer, Body, RawFault
from conftest import ACCOUNT, CREDENTIALS, PATIENCE, SCRIPT, Program, Run
from scripts import TOPIC, Units, target, wanted

from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

CLI = SCRIPT.parent.parent / "dynalite" / "node_modules" / "dynalite" / "cli.js"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(not CLI.exists(), reason="dynalite is not installed: `make test` does that, where npm can"),
]

CREATING, UPDATING = 0.2, 0.5  # seconds that tables are so; long enough to be met, if somebody looks
OPERATIONS = {"ListTables", "DescribeTable", "UpdateTable"}


class Dynalite:
    """One DynamoDB in memory. Tables are written `orders`, their indexes `orders/by-date`."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.client = boto3.client(
            "dynamodb",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def create(self, name: str, units: Units, indexes: Mapping[str, Units] | None = None) -> None:
        """A table with indexes of these names, ACTIVE."""
        self.begin(name, units, indexes)
        self.settle(name)

    def begin(self, name: str, units: Units, indexes: Mapping[str, Units] | None = None) -> None:
        more = [_key(index) | _granted(granted) for index, granted in (indexes or {}).items()]
        self.client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("id", *(indexes or ()))],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            **_granted(units),
            **({"GlobalSecondaryIndexes": more} if more else {}),
        )

    def table(self, name: str) -> Body:
        table: Body = self.client.describe_table(TableName=name)["Table"]
        return table

    def units(self, name: str) -> dict[str, Units]:
        """What a table and its indexes have now."""
        table = self.table(name)
        parts = {name: table, **{f"{name}/{one['IndexName']}": one for one in _indexes(table)}}
        return {part: _units(described["ProvisionedThroughput"]) for part, described in parts.items()}

    def statuses(self, name: str) -> list[str]:
        table = self.table(name)
        return [table["TableStatus"], *(index["IndexStatus"] for index in _indexes(table))]

    def settle(self, name: str) -> dict[str, Units]:
        """The units, once all is ACTIVE."""
        until = time.monotonic() + PATIENCE
        while set(self.statuses(name)) != {"ACTIVE"}:
            assert time.monotonic() < until, self.statuses(name)
            time.sleep(0.02)
        return self.units(name)

    def update(self, name: str, units: Units) -> None:
        """What somebody else does: it is done when this returns."""
        self.client.update_table(TableName=name, **_granted(units))
        self.settle(name)

    def on_demand(self, name: str) -> None:
        self.client.update_table(TableName=name, BillingMode="PAY_PER_REQUEST")
        self.settle(name)

    def delete(self, name: str) -> None:
        self.client.delete_table(TableName=name)
        self.client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 0.02})

    def answer(self, operation: str, body: Body) -> RawFault:
        """To a request as it stands."""
        headers = {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=x, Signature=x",
            "X-Amz-Date": "20260101T000000Z",
        }
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return RawFault(answer.status, answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return RawFault(refusal.code, refusal.read())


def _key(index: str) -> Body:
    schema = [{"AttributeName": index, "KeyType": "HASH"}]
    return {"IndexName": index, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


def _granted(units: Units) -> Body:
    return {"ProvisionedThroughput": {"ReadCapacityUnits": units[0], "WriteCapacityUnits": units[1]}}


def _units(granted: Body) -> Units:
    return granted["ReadCapacityUnits"], granted["WriteCapacityUnits"]


def _indexes(table: Body) -> list[Body]:
    """In the order of their names; dynalite's own is another in each process."""
    return sorted(table.get("GlobalSecondaryIndexes", ()), key=lambda index: str(index["IndexName"]))


class Aws(AwsServer):
    """One endpoint for all: DynamoDB's requests go on to dynalite, the others to a model of CloudWatch and SNS."""

    def __init__(self, dynalite: Dynalite) -> None:
        # What is asked for is consumed, whatever is provisioned: the model's tables are there for their metrics only.
        super().__init__(World(clock=lambda: datetime.now(timezone.utc), rules=Rules(capped=False)))
        self.dynalite = dynalite
        self.updates: list[Body] = []
        self.before: dict[str, Callable[[], object]] = {}  # operation -> what happens once, before it
        self.faults.append(self._forward)

    def _forward(self, operation: str, body: Body) -> RawFault | None:
        self.before.pop(operation, lambda: None)()
        if operation not in OPERATIONS:
            return None
        if operation == "UpdateTable":
            self.updates.append(body)
        return self.dynalite.answer(operation, body)

    def load(self, name: str, reads: float, writes: float) -> None:
        """What is asked for a second, ever."""
        one = target(name)
        if one.index is None:
            self.world.add_table(one.table)
        else:
            self.world.add_index(one.table, one.index)
        for axis, demand in zip(AXES, (reads, writes), strict=True):
            self.world.set_load(one, axis, demand)


def free_port() -> int:
    """One that the system gives to nobody else before dynalite takes it; dynalite itself cannot choose one."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("no port is free")


@contextlib.contextmanager
def started(updating: float = UPDATING) -> Iterator[Aws]:
    delays = {"create": CREATING, "update": updating, "delete": 0.0}
    flags = [word for what, seconds in delays.items() for word in (f"--{what}TableMs", str(int(1000 * seconds)))]
    words = [str(NODE), str(CLI), "--host", "127.0.0.1", "--port", str(free_port()), *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own words
        try:
            assert process.stdout is not None
            listening = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert listening is not None, "dynalite does not listen"
            aws = Aws(Dynalite(process, listening[0]))
            with aws:
                yield aws
        finally:
            process.kill()


@pytest.fixture
def aws() -> Iterator[Aws]:
    with started() as server:
        yield server


@pytest.fixture
def slow() -> Iterator[Aws]:
    """Tables are UPDATING for longer than anything takes here."""
    with started(updating=3 * PATIENCE) as server:
        yield server


class Checks:
    """The console script on one configuration file."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.conf = folder / "dd.conf"

    def write(self, *lines: str, interval: int = 300) -> list[str]:
        """The words of the command line."""
        self.conf.write_text("\n".join([f"[global]\ncheck-interval: {interval}", *lines, ""]))
        return ["--config", str(self.conf)]

    def once(self, aws: Aws, *lines: str, code: int = 0, env: Mapping[str, str] = ACCOUNT) -> str:
        """What one check logs."""
        flags = [] if env is not ACCOUNT else ["--endpoint-url", aws.url]
        done = self._run(*self.write(*lines), "--run-once", *flags, env=env)
        assert done.returncode == code, done.stderr
        return done.stderr


@pytest.fixture
def checks(run: Run, tmp_path: Path) -> Checks:
    return Checks(run, tmp_path)


def told(log: str, name: str) -> list[str]:
    """What the log says of a table or index, each with its level."""
    lines = (line.split(" - dynamic-dynamodb - ")[1] for line in log.splitlines())
    return [line for line in lines if re.match(rf"[A-Z]+ - {target(name)} - (?!GSI: )", line)]


ORDERS = ("[table: ^orders$]", "[gsi: .* table: ^orders$]")


def busy(aws: Aws) -> None:
    """A table and two indexes that ask for changes in both directions, and one index that asks for none."""
    indexes = {"date": (100, 100), "name": (10, 10), "idle": (50, 50)}
    aws.dynalite.create("orders", (100, 100), indexes)
    loads = {"orders": (95, 20), "orders/date": (10, 95), "orders/name": (2, 2), "orders/idle": (25, 25)}
    for name, load in loads.items():
        aws.load(name, *load)


CHANGED = {"orders": (150, 50), "orders/date": (50, 150), "orders/name": (5, 5), "orders/idle": (50, 50)}


def test_table_and_indexes_go_up_and_down_in_one_call(aws: Aws, checks: Checks) -> None:
    busy(aws)
    log = checks.once(aws, *ORDERS)
    (sent,) = aws.updates
    assert wanted(sent) == {name: units for name, units in CHANGED.items() if name != "orders/idle"}
    assert aws.dynalite.settle("orders") == CHANGED
    assert len([line for name in CHANGED for line in told(log, name) if " -> " in line]) == 3


def test_what_is_updating_is_left_alone(slow: Aws, checks: Checks) -> None:
    busy(slow)
    checks.once(slow, *ORDERS)
    assert slow.dynalite.statuses("orders") == ["UPDATING", "UPDATING", "ACTIVE", "UPDATING"]
    assert slow.dynalite.units("orders")["orders"] == (100, 100)  # still
    log = checks.once(slow, *ORDERS)
    assert told(log, "orders")[1:] == [
        "WARNING - orders - status UPDATING: not changed in this check, nor are its indexes"
    ]
    assert len(slow.updates) == 1


def test_an_index_that_is_updating_is_left_alone_and_its_table_is_not(slow: Aws, checks: Checks) -> None:
    slow.dynalite.create("orders", (100, 100), {"date": (100, 100)})
    slow.load("orders", 50, 50)
    slow.load("orders/date", 95, 50)
    checks.once(slow, *ORDERS)
    assert slow.dynalite.statuses("orders") == ["ACTIVE", "UPDATING"]
    log = checks.once(slow, *ORDERS)
    last = "WARNING - orders - GSI: date - status UPDATING: not changed in this check"
    assert told(log, "orders/date")[1:] == [last]
    assert "stays" in told(log, "orders")[-1]
    assert len(slow.updates) == 1


def test_a_table_that_is_creating_is_left_alone_and_then_is_not(aws: Aws, checks: Checks) -> None:
    aws.load("orders", 95, 50)
    aws.before["ListTables"] = lambda: aws.dynalite.begin("orders", (100, 100))
    log = checks.once(aws, *ORDERS)
    assert "WARNING - orders - status CREATING: not changed in this check, nor are its indexes" in log
    aws.dynalite.settle("orders")
    checks.once(aws, *ORDERS)
    assert aws.dynalite.settle("orders") == {"orders": (150, 100)}


def test_the_decreases_of_the_day_are_shown_and_the_end_is_never_sent_again(aws: Aws, checks: Checks) -> None:
    aws.dynalite.create("orders", (1000, 100))
    aws.load("orders", 100, 50)
    logs = []
    for _ in range(3):
        logs.append(checks.once(aws, *ORDERS))
        aws.dynalite.settle("orders")
    shown = [re.findall(r"(?:decreases today so far: \d+)(?:, the last at [\d-]+ [\d:]+ UTC)?", log) for log in logs]
    assert shown[0] == ["decreases today so far: 0"]
    assert re.fullmatch(r"decreases today so far: 1, the last at [\d-]+ [\d:]+ UTC", shown[1][0])
    assert [wanted(update) for update in aws.updates] == [{"orders": (500, 100)}, {"orders": (250, 100)}]
    assert "stays" in told(logs[-1], "orders")[-1]


def test_a_table_deleted_meanwhile_does_not_stop_the_others(aws: Aws, checks: Checks) -> None:
    for name in ("orders", "users"):
        aws.dynalite.create(name, (100, 100))
        aws.load(name, 95, 50)
    aws.before["GetMetricData"] = lambda: aws.dynalite.delete("orders")
    log = checks.once(aws, "[table: ^orders$]", "[table: ^users$]")
    refusal = "ResourceNotFoundException: Requested resource not found: Table: orders not found"
    (warning,) = (line for line in told(log, "orders") if line.startswith("WARNING"))
    assert refusal in warning
    assert aws.dynalite.settle("users") == {"users": (150, 100)}


THE_SAME = (
    "ValidationException: The provisioned throughput for the table will not change. The requested value equals the "
    "current value. Current ReadCapacityUnits provisioned for the table: 150."
)
ON_DEMAND = (
    "ValidationException: One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits "
    "can be specified when BillingMode is PAY_PER_REQUEST"
)
BEYOND = "ValidationException: Given value 3000000000000 for ReadCapacityUnits is out of bounds"


@pytest.mark.parametrize(
    ("reads", "meanwhile", "refusal"),
    [
        pytest.param(95, lambda dynalite: dynalite.update("orders", (150, 100)), THE_SAME, id="done-by-another"),
        pytest.param(95, lambda dynalite: dynalite.on_demand("orders"), ON_DEMAND, id="on-demand-meanwhile"),
        pytest.param(2e12, lambda _: None, BEYOND, id="beyond-all-bounds"),
    ],
)
def test_what_it_refuses_is_quoted(
    aws: Aws, checks: Checks, reads: float, meanwhile: Callable[[Dynalite], object], refusal: str
) -> None:
    aws.dynalite.create("orders", (100, 100))
    aws.load("orders", reads, 50)
    aws.before["UpdateTable"] = lambda: meanwhile(aws.dynalite)
    log = checks.once(aws, "[table: ^orders$]", code=1)
    (error,) = (line for line in told(log, "orders") if line.startswith("ERROR"))
    assert f"UpdateTable failed: {refusal}" in error
    assert told(log, "orders")[-1].startswith("INFO - orders - not changed; ")
    assert "Traceback" not in log


def test_a_table_on_demand_is_left_alone(aws: Aws, checks: Checks) -> None:
    aws.dynalite.create("orders", (100, 100), {"date": (100, 100)})
    aws.dynalite.on_demand("orders")
    aws.load("orders", 95, 50)
    log = checks.once(aws, *ORDERS)
    assert told(log, "orders")[1:] == ["INFO - orders - on demand (PAY_PER_REQUEST): there is nothing to scale"]
    assert aws.updates == []


def test_each_service_may_have_an_endpoint_of_its_own(aws: Aws, checks: Checks) -> None:
    busy(aws)
    with AwsServer(aws.world) as metrics:
        env = {
            **ACCOUNT,
            "AWS_ENDPOINT_URL_DYNAMODB": aws.dynalite.url,  # with nothing of ours in between
            "AWS_ENDPOINT_URL_CLOUDWATCH": metrics.url,
            "AWS_ENDPOINT_URL_SNS": metrics.url,
        }
        checks.once(aws, ORDERS[0], f"sns-topic-arn: {TOPIC}", "sns-message-types: scale-up", ORDERS[1], env=env)
    assert set(metrics.calls) == {"GetMetricData", "Publish"}
    assert aws.dynalite.settle("orders") == CHANGED


def test_a_loop_comes_to_rest(checks: Checks, spawn: Callable[..., Program]) -> None:
    """A check a second, each update UPDATING for longer than that."""
    with started(updating=1.3) as aws:
        aws.dynalite.create("orders", (1000, 10), {"date": (10, 10)})
        aws.load("orders", 100, 30)
        aws.load("orders/date", 20, 6)
        program = spawn(*checks.write(*ORDERS, interval=1), "--endpoint-url", aws.url)
        rest = r" - orders - reads 40.0 % of 250: stays, .*; writes 66.7 % of 45: stays,"
        program.wait_for(rest)
        quiet = r"check \d+: 2 looked at, 0 changed"
        program.wait_for(quiet, len(re.findall(quiet, program.log)) + 2)
        assert program.end(signal.SIGTERM)[0] == 0
        steps = [wanted(update) for update in aws.updates]
        assert steps == [{"orders": (500, 45), "orders/date": (30, 10)}, {"orders": (250, 45)}]
        assert aws.dynalite.units("orders") == {"orders": (250, 45), "orders/date": (30, 10)}
        assert len(re.findall("orders - (status UPDATING|still being changed by this program)", program.log)) >= 2
        assert "Traceback" not in program.log
