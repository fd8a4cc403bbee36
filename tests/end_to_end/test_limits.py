"""Limits of the system: threads that cannot be had. TasksMax= and --pids-limit refuse them with the same EAGAIN."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from aws_server import AwsServer
from conftest import ACCOUNT, Program, Run

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of Linux")

GIGABYTE = 2**30
TABLES = [f"table-{number}" for number in range(40)]
NO_THREAD = "the system cannot start a thread; raise the limit (TasksMax=, --pids-limit, ulimit -u), or free memory"


def room_for(gigabytes: float) -> Callable[[], None]:
    """A limit that binds root, too: each thread has a stack of a gigabyte, and addresses for so many there are."""

    def limit() -> None:
        for kind, size in ((resource.RLIMIT_STACK, GIGABYTE), (resource.RLIMIT_AS, int(gigabytes * GIGABYTE))):
            resource.setrlimit(kind, (size, resource.getrlimit(kind)[1]))

    return limit


@pytest.fixture
def world() -> World:
    made = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    for name in TABLES:
        made.add_table(name, 100, 100)
        made.set_load(Target(name), "reads", 95)
    return made


def test_few_threads_do_the_work_of_many(run: Run, world: World) -> None:
    """One connects, and one or two are left for the calls."""
    with AwsServer(world) as server:
        env = {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}
        done = run("--table-name", "table-", "--run-once", env=env, preexec_fn=room_for(3.9))
    assert done.returncode == 0, done.stderr
    assert {world.provisioned(Target(name)).reads for name in TABLES} == {150}
    assert "thread" not in done.stderr


@pytest.mark.parametrize("gigabytes", [2.3, 2.6, 2.9])
def test_no_thread_for_the_credentials_or_a_topic_is_no_failure(
    run: Run, world: World, tmp_path: Path, gigabytes: float
) -> None:
    """One connects, one makes the calls, and that one looks for the credentials, too, and makes the topic's client."""
    file, topic = tmp_path / "dd.conf", "arn:aws:sns:eu-west-1:123456789012:scaling"
    file.write_text(f"[table: table-]\nsns-topic-arn: {topic}\nsns-message-types: scale-up\n")
    with AwsServer(world) as server:
        env = {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}
        done = run("--config", str(file), "--run-once", env=env, preexec_fn=room_for(gigabytes))
    assert done.returncode == 0, done.stderr
    assert {world.provisioned(Target(name)).reads for name in TABLES} == {150}
    assert len(world.messages) == len(TABLES)
    assert "new thread" not in done.stderr


def test_without_any_thread_one_line_says_why(run: Run, world: World) -> None:
    with AwsServer(world) as server:
        env = {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}
        done = run("--table-name", "table-", "--run-once", env=env, preexec_fn=room_for(0.9))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"dynamic-dynamodb: error: {NO_THREAD}"
    assert "Traceback" not in done.stderr


def test_a_check_without_a_thread_fails_and_the_next_one_does_not(spawn: Callable[..., Program], world: World) -> None:
    """The clients have been made, and then the machine has no thread left, for a while."""
    with AwsServer(world) as server:
        env = {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}
        program = spawn("--table-name", "table-", "--check-interval", "1", env=env, preexec_fn=room_for(1.6))
        program.wait_for(f"the check failed: ListTables failed: not sent: {re.escape(NO_THREAD)}")
        resource.prlimit(program.process.pid, resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS))
        program.wait_until(lambda: {world.provisioned(Target(name)).reads for name in TABLES} == {150})


HANGING = """
import threading
from dynamic_dynamodb.aws.calls import Workers
for result in Workers(patience=0.2).read("DescribeTable", lambda _: threading.Event().wait(60), range(10)):
    print(result.code, "-", result.message)
"""


def test_where_all_threads_hang_the_rest_has_an_end() -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", HANGING],
        preexec_fn=room_for(3.9),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    hung = done.stdout.count("no answer - given up after 0 s\n")
    assert 1 <= hung <= 3
    assert done.stdout.count(f"not sent - {NO_THREAD}\n") == 10 - hung
