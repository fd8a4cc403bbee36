"""Messages to topics: in their own region, and in order where the topic is a FIFO one; over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from aws_server import AwsFault, AwsServer, ResetFault, times
from conftest import CREDENTIALS

from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.sns import Topics, publish

AT = datetime(2026, 1, 5, 12, 0, tzinfo=timezone.utc)
PLAIN = "arn:aws:sns:us-east-1:123456789012:scaling"
FIFO = f"{PLAIN}.fifo"

Body = dict[str, Any]


@pytest.fixture
def bodies(server: AwsServer) -> list[Body]:
    """What was sent, message by message and attempt by attempt."""
    seen: list[Body] = []

    def see(operation: str, body: Body) -> None:
        if operation == "Publish":
            seen.append(dict(body))

    server.faults.insert(0, see)
    return seen


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with AwsServer() as serving:
        yield serving


@pytest.fixture
def clients(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    names = ("profile", "aws_access_key_id", "aws_secret_access_key")
    opened = connect({**dict.fromkeys(names), "region": "eu-west-1", "endpoint_url": server.url})
    yield opened
    opened.close()


def send(clients: Clients, topic: str, text: str = "text", *, group: str = "orders", at: datetime = AT) -> None:
    publish(clients.sns, topic, "subject", text, group=group, at=at)


# Regions


@pytest.mark.parametrize(
    ("topic", "region"),
    [
        ("arn:aws:sns:us-east-1:123456789012:scaling", "us-east-1"),
        ("arn:aws:sns:eu-west-1:123456789012:scaling", "eu-west-1"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:scaling", "cn-north-1"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:scaling.fifo", "us-gov-west-1"),
    ],
)
def test_a_message_is_signed_for_the_region_of_its_topic(
    server: AwsServer, clients: Clients, topic: str, region: str
) -> None:
    send(clients, topic)
    (message,) = server.world.messages
    assert message.topic == topic
    assert clients.sns.client(region).meta.region_name == region
    assert [(scope.region, scope.service) for scope in server.signed] == [(region, "sns")]


def test_a_message_goes_to_the_endpoint_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    names = ("profile", "aws_access_key_id", "aws_secret_access_key", "endpoint_url")
    clients = connect({**dict.fromkeys(names), "region": "eu-west-1"})
    assert clients.sns.client("us-west-2").meta.endpoint_url == "https://sns.us-west-2.amazonaws.com"
    clients.close()


def test_a_client_is_made_for_a_region_once_and_closed() -> None:
    made: list[Client] = []

    class Client:
        def __init__(self, region: str) -> None:
            self.region = region
            self.closed = False
            self.topics: list[str] = []
            made.append(self)

        def publish(self, **message: str) -> None:
            self.topics.append(message["TopicArn"])

        def close(self) -> None:
            self.closed = True

    topics = Topics(Client)
    west = PLAIN.replace("east", "west")
    for topic in (PLAIN, west, PLAIN):
        publish(topics, topic, "subject", "text", group="orders", at=AT)
    assert [(client.region, client.topics) for client in made] == [
        ("us-east-1", [PLAIN, PLAIN]),
        ("us-west-1", [west]),
    ]
    topics.close()
    assert all(client.closed for client in made)


# FIFO topics


def test_a_plain_topic_gets_no_ids(clients: Clients, bodies: list[Body]) -> None:
    send(clients, PLAIN)
    assert bodies == [{"TopicArn": PLAIN, "Subject": "subject", "Message": "text"}]


def test_a_fifo_topic_gets_the_table_as_its_group_and_an_id(clients: Clients, bodies: list[Body]) -> None:
    send(clients, FIFO)
    (body,) = bodies
    assert body["MessageGroupId"] == "orders"
    assert re.fullmatch("[0-9a-f]{64}", body["MessageDeduplicationId"])


@pytest.mark.parametrize(
    "fault", [AwsFault("InternalError", status=500), ResetFault(performed=True)], ids=["refused", "answer lost"]
)
def test_the_id_is_the_same_for_each_attempt(
    server: AwsServer, clients: Clients, bodies: list[Body], fault: AwsFault | ResetFault
) -> None:
    server.faults.append(times(1, "Publish", fault))
    send(clients, FIFO)
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_the_id_is_another_for_another_message(clients: Clients, bodies: list[Body]) -> None:
    send(clients, FIFO)
    send(clients, FIFO, "another text")
    send(clients, FIFO, at=AT + timedelta(seconds=1))  # the same words in a later check are another event
    send(clients, FIFO.replace("scaling", "other"))
    assert len({body["MessageDeduplicationId"] for body in bodies}) == 4


@pytest.mark.parametrize("name", ["t" * 128, "t" * 129, "t" * 255])
def test_a_long_name_is_a_group_that_sns_takes(clients: Clients, bodies: list[Body], name: str) -> None:
    send(clients, FIFO, group=name)
    send(clients, FIFO, group=name + "x", at=AT + timedelta(seconds=1))
    groups = [body["MessageGroupId"] for body in bodies]
    assert all(len(group) <= 128 for group in groups)
    assert (groups[0] == name) == (len(name) == 128)
    assert groups[0] != groups[1]


def test_text_of_any_kind_has_an_id(clients: Clients, bodies: list[Body]) -> None:
    send(clients, FIFO, "50 % \u2192 na\u00efve \u2603")
    assert len(bodies) == 1


# Refusals


@pytest.mark.parametrize("make", [lambda _region: 1 // 0, lambda _region: None])
def test_a_client_that_cannot_be_made_is_a_failed_message(make: Callable[[str], Any]) -> None:
    with pytest.raises(AwsError, match="Publish failed"):
        publish(Topics(make), PLAIN, "subject", "text", group="orders", at=AT)
