"""boto3 against the server: the wire changes nothing, and every fault arrives."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from aws_faults import between, by_table, tables
from aws_server import (
    AwsFault,
    AwsServer,
    CutFault,
    Fault,
    MutateFault,
    RawFault,
    ResetFault,
    SilenceFault,
    SlowFault,
    always,
    times,
)
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

TOPIC = "arn:aws:sns:us-east-1:123456789012:scaling"
TABLE = Target("table")
MINUTE = timedelta(minutes=1)

Factory = Callable[..., Any]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")  # noqa: S106


@pytest.fixture
def world() -> World:
    made = World()
    made.add_table("table", 100, 50, indexes={"index": (20, 10)}, replicas=["eu-west-1"])
    made.set_load(TABLE, "reads", 27.55)
    made.advance(12.345678)
    return made


@pytest.fixture
def server(world: World) -> Iterator[AwsServer]:
    with AwsServer(world) as serving:
        yield serving


@pytest.fixture
def client(session: boto3.Session, server: AwsServer) -> Iterator[Factory]:
    """Makes boto3 clients of the server; they are closed in the end."""
    with contextlib.ExitStack() as clients:

        def make(service: str, attempts: int = 1, read_timeout: float = 5) -> Any:
            config = Config(retries={"total_max_attempts": attempts}, read_timeout=read_timeout)
            made = session.client(service, endpoint_url=server.url, config=config)
            clients.callback(made.close)
            return made

        yield make


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what only the wire adds."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def metric_data(queries: int = 2) -> dict[str, Any]:
    dimensions = [{"Name": "TableName", "Value": "table"}]
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": "ConsumedReadCapacityUnits", "Dimensions": dimensions}
    stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    entries = [{"Id": f"m{number}", "MetricStat": stat} for number in range(queries)]
    return {"MetricDataQueries": entries, "StartTime": START - 5 * MINUTE, "EndTime": START}


def refused(call: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    response: dict[str, Any] = dict(caught.value.response)
    return response


# The wire changes nothing


def test_tables_are_as_the_world_shows_them(world: World, client: Factory) -> None:
    dynamodb = client("dynamodb")
    world.set_decreases(TABLE, 3)
    world.set_last_increase(TABLE, START + timedelta(microseconds=123_456))
    for name in ("other", "third"):
        world.add_table(name, billing_mode="PAY_PER_REQUEST")
    for arguments in ({}, {"Limit": 1}, {"Limit": 1, "ExclusiveStartTableName": "third"}):
        assert plain(dynamodb.list_tables(**arguments)) == plain(world.dynamodb.list_tables(**arguments))
    for name in ("table", "other"):
        assert plain(dynamodb.describe_table(TableName=name)) == plain(world.dynamodb.describe_table(TableName=name))


def test_updates_reach_the_world(world: World, client: Factory) -> None:
    units = {"ReadCapacityUnits": 30, "WriteCapacityUnits": 20}
    arguments = {
        "TableName": "table",
        "ProvisionedThroughput": units,
        "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "index", "ProvisionedThroughput": units}}],
    }
    answer = client("dynamodb").update_table(**arguments)
    assert world.updates == [arguments]
    assert answer["TableDescription"] == world.dynamodb.describe_table(TableName="table")["Table"]
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"


def test_metrics_are_as_the_world_shows_them(world: World, client: Factory) -> None:
    cloudwatch = client("cloudwatch")
    for more in ({}, {"ScanBy": "TimestampAscending"}, {"MaxDatapoints": 3}):
        answer = plain(cloudwatch.get_metric_data(**metric_data(), **more))
        assert answer == plain(world.cloudwatch.get_metric_data(**metric_data(), **more))
        assert answer["MetricDataResults"][0]["Values"][0] == 27.55 * 60
    metric = metric_data()["MetricDataQueries"][0]["MetricStat"]["Metric"]
    asked = {**metric, "StartTime": START - MINUTE, "EndTime": START, "Period": 60, "Statistics": ["Sum"]}
    answer = cloudwatch.get_metric_statistics(**asked)
    assert plain(answer) == plain(world.cloudwatch.get_metric_statistics(**asked))
    assert len(answer["Datapoints"]) == 1


def test_pages_of_metrics_can_be_followed(world: World, client: Factory) -> None:
    world.rules = Rules(results_per_page=2)
    pages = client("cloudwatch").get_paginator("get_metric_data").paginate(**metric_data(5))
    assert [len(page["MetricDataResults"]) for page in pages] == [2, 2, 1]


def test_messages_reach_the_world(world: World, client: Factory) -> None:
    message = "reads & <writes>\n100 -> 150 ä"
    assert client("sns").publish(TopicArn=TOPIC, Message=message, Subject="a+b & c")["MessageId"]
    assert world.messages == [(TOPIC, "a+b & c", message)]


def test_a_server_of_its_own_runs_on_real_time() -> None:
    with AwsServer() as server:
        assert abs(server.world.now - datetime.now(timezone.utc)) < timedelta(seconds=5)


# Refusals


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("dynamodb.describe_table", {"TableName": "missing"}, "ResourceNotFoundException"),
        ("dynamodb.update_table", {"TableName": "table"}, "ValidationException"),
        ("cloudwatch.get_metric_data", metric_data(501), "ValidationError"),
        ("sns.publish", {"TopicArn": TOPIC, "Message": "m", "Subject": "two\nlines"}, "InvalidParameter"),
        ("sns.publish", {"TopicArn": TOPIC, "Message": "m", "Subject": ""}, "InvalidParameter"),
    ],
)
def test_the_worlds_refusals_become_client_errors(
    world: World, client: Factory, call: str, arguments: dict[str, Any], code: str
) -> None:
    service, method = call.split(".")
    response = refused(lambda: getattr(client(service), method)(**arguments))
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(Exception, match=code) as inside:
        getattr(getattr(world, service), method)(**arguments)
    assert response["Error"]["Message"] == inside.value.response["Error"]["Message"]  # type: ignore[attr-defined]


def test_operations_that_the_world_does_not_know(client: Factory) -> None:
    assert refused(client("dynamodb").list_backups)["Error"]["Code"] == "UnknownOperationException"
    assert refused(client("sns").list_topics)["Error"]["Code"] == "UnknownOperationException"


def test_arguments_that_the_world_does_not_know(client: Factory) -> None:
    response = refused(lambda: client("dynamodb").update_table(TableName="table", BillingMode="PAY_PER_REQUEST"))
    assert response["Error"]["Code"] == "SerializationException"


def test_what_is_no_request_is_refused(server: AwsServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    with contextlib.closing(connection):
        for headers, body in [({"X-Amz-Target": "Other.ListTables"}, "{}"), ({}, "no form")]:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            assert (answer.status, b"SerializationException" in answer.read()) == (400, True)


def test_cloudwatch_adds_the_old_codes(server: AwsServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    with contextlib.closing(connection):
        body = '{"MetricDataQueries": [], "StartTime": 0, "EndTime": 60}'
        connection.request("POST", "/", body, {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData"})
        answer = connection.getresponse()
        assert answer.getheader("x-amzn-query-error") == "ValidationError;Sender"
        assert answer.getheader("Content-Type") == "application/x-amz-json-1.0"


# Faults


@pytest.mark.parametrize("service", ["dynamodb", "cloudwatch", "sns"])
@pytest.mark.parametrize(("code", "status"), [("AccessDeniedException", 400), ("InternalFailure", 500)])
def test_errors(server: AwsServer, client: Factory, service: str, code: str, status: int) -> None:
    calls: dict[str, tuple[str, Callable[[], object]]] = {
        "dynamodb": ("ListTables", lambda: client("dynamodb").list_tables()),
        "cloudwatch": ("GetMetricData", lambda: client("cloudwatch").get_metric_data(**metric_data())),
        "sns": ("Publish", lambda: client("sns").publish(TopicArn=TOPIC, Message="m")),
    }
    operation, call = calls[service]
    server.faults.append(always(operation, AwsFault(code, "no <way>", status)))
    response = refused(call)
    assert response["Error"]["Code"] == code
    assert response["Error"]["Message"] == "no <way>"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_fault_may_pass_and_calls_are_counted(server: AwsServer, client: Factory) -> None:
    server.faults.append(times(2, "ListTables", AwsFault("ThrottlingException", status=400)))
    assert client("dynamodb", attempts=3).list_tables()["TableNames"] == ["table"]
    assert server.calls == {"ListTables": 3}
    assert server.world.calls == {"ListTables": 1}


def test_the_first_fault_decides_and_sees_the_body(server: AwsServer, client: Factory) -> None:
    def hook(operation: str, body: dict[str, Any]) -> Fault | None:
        return AwsFault("First") if (operation, body) == ("DescribeTable", {"TableName": "table"}) else None

    server.faults = [hook, always("DescribeTable", AwsFault("Second"))]
    dynamodb = client("dynamodb")
    assert refused(lambda: dynamodb.describe_table(TableName="table"))["Error"]["Code"] == "First"
    assert refused(lambda: dynamodb.describe_table(TableName="other"))["Error"]["Code"] == "Second"


def test_raw_bytes(server: AwsServer, client: Factory) -> None:
    server.faults.append(always("ListTables", RawFault(503, b"<html>unavailable</html>")))
    assert refused(client("dynamodb").list_tables)["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_missing_fields(server: AwsServer, client: Factory) -> None:
    server.faults.append(always("DescribeTable", MutateFault(lambda answer: answer["Table"].pop("TableStatus"))))
    assert "TableStatus" not in client("dynamodb").describe_table(TableName="table")["Table"]
    server.faults.append(times(1, "Publish", MutateFault(lambda answer: answer.clear())))
    assert "MessageId" not in client("sns").publish(TopicArn=TOPIC, Message="m")


def test_strange_fields(server: AwsServer, client: Factory) -> None:
    server.faults.append(always("Publish", MutateFault(lambda answer: answer.update(MessageId="<1> & 2"))))
    assert client("sns").publish(TopicArn=TOPIC, Message="m")["MessageId"] == "<1> & 2"


@pytest.mark.parametrize("performed", [False, True])
def test_resets(world: World, server: AwsServer, client: Factory, performed: bool) -> None:
    server.faults.append(times(1, "UpdateTable", ResetFault(performed)))
    units = {"ReadCapacityUnits": 30, "WriteCapacityUnits": 20}
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        client("dynamodb").update_table(TableName="table", ProvisionedThroughput=units)
    assert len(world.updates) == performed


def test_a_reset_is_no_ordinary_end(server: AwsServer) -> None:
    server.faults.append(always("ListTables", ResetFault()))
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Length: 2\r\n\r\n{}"
        )
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_silence(world: World, server: AwsServer, client: Factory) -> None:
    server.faults.append(times(1, "Publish", SilenceFault(30)))
    with pytest.raises(ReadTimeoutError):
        client("sns", read_timeout=0.1).publish(TopicArn=TOPIC, Message="m")
    assert len(world.messages) == 1


def exchange(server: AwsServer) -> tuple[bytes, bool]:
    """All that comes back to one ListTables, and whether the connection was reset in the end."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Length: 2\r\n\r\n{}"
        )
        with contextlib.suppress(OSError):  # where the reset has come already; recv tells of it
            connection.shutdown(socket.SHUT_WR)
        try:
            while more := connection.recv(10_000):
                received += more
        except ConnectionResetError:
            return received, True
    return received, False


@pytest.mark.parametrize(("sent", "reset"), [(0.0, False), (0.5, True), (0.5, False), (1.0, True)])
def test_answers_that_end_early(world: World, server: AwsServer, sent: float, reset: bool) -> None:
    whole, _ = exchange(server)
    server.faults.append(always("ListTables", CutFault(sent, reset)))
    assert exchange(server) == (whole[: int(len(whole) * sent)], reset)
    assert world.calls["ListTables"] == 2


def test_slow_bytes(server: AwsServer) -> None:
    whole = exchange(server)
    server.faults.append(always("ListTables", SlowFault(4, 0.1)))
    begun = time.monotonic()
    assert exchange(server) == whole
    assert time.monotonic() - begun >= 0.3


METRICS = metric_data()
ABOUT: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("ListTables", {}, ()),
    ("DescribeTable", {"TableName": "table"}, ("table",)),
    ("GetMetricData", METRICS, ("table", "table")),
    ("GetMetricStatistics", METRICS["MetricDataQueries"][0]["MetricStat"]["Metric"], ("table",)),
    ("Publish", {"Message": "table: reads up\ntable - GSI: index: reads up"}, ("table", "table")),
]


@pytest.mark.parametrize(("operation", "body", "expected"), ABOUT, ids=[operation for operation, _, _ in ABOUT])
def test_faults_of_a_table(operation: str, body: dict[str, Any], expected: tuple[str, ...]) -> None:
    fault = AwsFault("Slow")
    assert tables(operation, body) == expected
    assert by_table(operation, {"table": fault})(operation, body) == (fault if expected else None)
    assert by_table(operation, {"other": fault})(operation, body) is None
    assert by_table("Other", {"table": fault})(operation, body) is None


def test_faults_of_a_time() -> None:
    now, fault = iter([100.0, 100.0, 109.9, 110.0, 119.9, 120.0]), AwsFault("Slow")
    hook = between(10, 20, always("ListTables", fault), lambda: next(now))
    assert [hook("ListTables", {}) for _ in range(5)] == [None, None, fault, fault, None]


def test_latency(server: AwsServer, client: Factory) -> None:
    dynamodb = client("dynamodb")
    dynamodb.list_tables()
    server.latency = 0.2
    start = time.monotonic()
    dynamodb.list_tables()
    assert 0.2 <= time.monotonic() - start < 2


# The server


def test_stopping_ends_silence_connections_and_threads(world: World) -> None:
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(AwsServer(world, faults=[always("ListTables", SilenceFault(30))]))
        for _ in range(16):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            stack.callback(connection.close)
            connection.request("POST", "/", "{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
        while server.calls["ListTables"] < 16:
            time.sleep(0.01)
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 5
        assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=5).connect()


def test_connections_are_kept_alive_and_many_at_once(server: AwsServer) -> None:
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=5) for _ in range(64)]
    with contextlib.ExitStack() as stack:
        start = time.monotonic()
        for connection in connections:
            stack.callback(connection.close)
            connection.connect()
        assert time.monotonic() - start < 1  # a backlog that overflows costs a second
        for _ in range(2):
            for connection in connections:
                connection.request("POST", "/", "{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
            sockets = [connection.sock for connection in connections]
            answers = [connection.getresponse() for connection in connections]
            assert {answer.read() for answer in answers} == {b'{"TableNames": ["table"]}'}
            assert [connection.sock for connection in connections] == sockets
    assert server.calls["ListTables"] == 128


def test_an_error_of_the_servers_own_is_not_missed(world: World) -> None:
    def broken(_operation: str, _body: dict[str, Any]) -> Fault | None:
        raise LookupError("broken hook")

    with pytest.raises(LookupError, match="broken hook"), AwsServer(world, faults=[broken]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("POST", "/", "{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
        with contextlib.closing(connection), pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
