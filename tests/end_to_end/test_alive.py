"""Whether the program still does its work, as others learn it: log lines, messages, systemd."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aws_server import AwsFault, always
from conftest import Program
from place import Place, placed

Spawn = Callable[..., Program]

TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def test_failures_escalate_and_are_over(place: Place, spawn: Spawn) -> None:
    place.configure(f"sns-topic-arn: {TOPIC}", "sns-message-types: check-failed", interval=1)
    place.server.faults.append(always("DescribeTable", AwsFault("AccessDeniedException", "you may not")))
    program = spawn("--config", str(place.conf), env=place.env())
    program.wait_for("ERROR - 4th failed check in a row, no success yet")
    place.server.faults.clear()
    program.wait_for(r"WARNING - the check succeeded after \d+ failed checks in a row")
    program.wait_until(lambda: len(place.server.world.messages) == 2)
    began, over = place.server.world.messages
    assert (began.topic, began.subject) == (TOPIC, "Dynamic DynamoDB: check-failed: 3 checks in a row failed")
    assert began.message.endswith("instance default, region us-east-1")
    assert (over.topic, over.subject) == (TOPIC, "Dynamic DynamoDB: check-failed: recovered")
    assert program.end(signal.SIGTERM)[0] == 0
    assert "2nd failed check in a row" in program.log


def test_how_many_failures_it_takes_is_an_option(place: Place, spawn: Spawn) -> None:
    place.configure(
        f"sns-topic-arn: {TOPIC}", "sns-message-types: check-failed", general="failures-before-notification: 1"
    )
    place.server.faults.append(always("DescribeTable", AwsFault("AccessDeniedException", "you may not")))
    program = spawn("--config", str(place.conf), "--run-once", env=place.env())
    assert program.process.wait(30) == 1
    (message,) = place.server.world.messages
    assert message.message.startswith("1 check in a row failed: nothing is scaled.")
