"""What a user, a network or AWS can get wrong: one clear line, the right exit code, never a traceback."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aws_faults import by_table
from aws_server import AwsFault, AwsServer, Fault, MutateFault, RawFault, always
from conftest import ACCOUNT, CREDENTIALS, REGION, SCRIPT, Program, Run, environment, lives
from interpreter import before_all
from place import SOON, until

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

TABLES = ("table-1", "table-2", "table-3")
LOGGED = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - dynamic-dynamodb - (DEBUG|INFO|WARNING|ERROR) - "
ONCE = ("--table-name", "table-", "--run-once")


@pytest.fixture
def server() -> Iterator[AwsServer]:
    """Three tables, each of which asks for 150 reads instead of 100."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    for name in TABLES:
        world.add_table(name, 100, 100, indexes={"index": (10, 10)})
        world.set_load(Target(name), "reads", 95)
        world.set_load(Target(name), "writes", 50)
    with AwsServer(world) as serving:
        yield serving


@pytest.fixture
def env(server: AwsServer) -> dict[str, str]:
    """The environment of a user whose AWS is this server."""
    return {**ACCOUNT, "AWS_ENDPOINT_URL": server.url}


def reads(server: AwsServer) -> list[int]:
    return [server.world.provisioned(Target(name)).reads for name in TABLES]


class Checked(NamedTuple):
    """What became of one check."""

    returncode: int
    stderr: str


Check = Callable[[], Checked]


@pytest.fixture
def check(server: AwsServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """One check without the cost of starting the program: the rest of it is real."""
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    configuration = loader.load({"table-name": "table-", "endpoint-url": server.url, "region": "us-east-1"}).config
    clients = connect(configuration["global"])
    workers = Workers()
    caplog.handler.setFormatter(logging.Formatter(logs.FORMAT))

    def once() -> Checked:
        with caplog.at_level(logging.INFO, logs.NAME):
            scaler = Scaler(configuration, clients, workers, lambda: datetime.now(timezone.utc))
            handled = loop.attempt(scaler).handled
        return Checked(0 if handled else 1, "".join(f"{line}\n" for line in caplog.text.splitlines()))

    yield once
    workers.close()
    clients.close()


def errors(text: str) -> list[str]:
    """The error lines of a log, which must hold nothing but lines of a log."""
    for line in text.splitlines():
        assert re.match(LOGGED, line), text
    return [line.split(" - ERROR - ")[1] for line in text.splitlines() if " - ERROR - " in line]


def refusal(text: str) -> str:
    """The one line in which the program says why it does not begin."""
    (line,) = text.splitlines()
    return line.removeprefix("dynamic-dynamodb: error: ")


# Credentials


def test_no_credentials(run: Run, server: AwsServer) -> None:
    done = run(*ONCE, env={**REGION, "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert "Unable to locate credentials" in error
    for place in ("options", "environment", "~/.aws", "SSO", "instance or task role"):
        assert place in error
    for remedy in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "--profile"):
        assert remedy in error
    assert not server.calls


def test_no_credentials_and_an_instance_that_does_not_answer(run: Run, server: AwsServer) -> None:
    """The metadata service is asked for a few seconds at the most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        metadata = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata}
        done = run(*ONCE, env={**REGION, **settings, "AWS_ENDPOINT_URL": server.url}, timeout=40)
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert "Unable to locate credentials" in error


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException"])
def test_wrong_credentials(run: Run, server: AwsServer, env: dict[str, str], code: str) -> None:
    refused = AwsFault(code, "The security token included in the request is invalid.", 403)
    server.faults.append(lambda _operation, _body: refused)
    done = run(*ONCE, env=env)
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert error == (
        f"the check failed: ListTables failed: {code}: The security token included in the request is invalid. "
        "(check the credentials; they come from the environment (AWS_ACCESS_KEY_ID))"
    )


def test_expired_credentials(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    expired = AwsFault("ExpiredTokenException", "The security token included in the request is expired")
    server.faults.append(always("GetMetricData", expired))
    done = run(*ONCE, env=env)
    assert done.returncode == 1
    assert len(errors(done.stderr)) == 3
    assert all("renew them" in error for error in errors(done.stderr))


def test_half_a_key_pair_in_the_environment(run: Run, server: AwsServer) -> None:
    done = run(*ONCE, env={**REGION, "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert "PartialCredentialsError" in error
    assert "AWS_SECRET_ACCESS_KEY" in error


def test_half_a_key_pair_in_flags(run: Run) -> None:
    done = run(*ONCE, "--aws-access-key-id", "AKIDTEST")
    assert done.returncode == 2
    assert "aws-secret-access-key" in refusal(done.stderr)


def test_a_helper_for_credentials_that_fails(run: Run, server: AwsServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = /bin/false\n")
    done = run(*ONCE, env={**REGION, "AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 1
    assert errors(done.stderr) == [
        f"the check failed: ListTables failed: CredentialRetrievalError: profile default in {config}, "
        "credential_process /bin/false: ended with exit code 1: it printed nothing on stderr"
    ]


def credentials_file(path: Path, key: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret-of-the-tests\n")


def test_keys_that_are_renewed_in_the_file_are_used_by_the_next_check(
    spawn: Callable[..., Program], server: AwsServer, tmp_path: Path
) -> None:
    file = tmp_path / "aws-credentials"
    credentials_file(file, "AKIDOLD")
    env = {**REGION, "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_ENDPOINT_URL": server.url}
    program = spawn("--table-name", "table-", "--check-interval", "1", env=env)
    program.wait_until(lambda: reads(server) == [150] * 3)
    expired = AwsFault("ExpiredTokenException", "The security token included in the request is expired")
    server.refused["AKIDOLD"] = expired
    program.wait_for("failed: ExpiredTokenException")
    assert f"renew them; they come from profile default in {file}" in program.log
    credentials_file(file, "AKIDNEW")
    program.wait_for("(?s)ExpiredToken.*table-1 - reads .* of 150: stays")
    assert program.end(signal.SIGTERM)[0] == 0


def test_a_helper_that_waits_does_not_outlive_the_program(
    spawn: Callable[..., Program], server: AwsServer, tmp_path: Path
) -> None:
    helper, pid = tmp_path / "helper", tmp_path / "pid"
    helper.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 300\n")
    helper.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {helper}\n")
    program = spawn(*ONCE, env={**REGION, "AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": server.url})
    program.wait_until(lambda: pid.exists() and pid.read_text().strip() != "")
    exit_code, took = program.end(signal.SIGINT)
    assert (exit_code, took < SOON) == (130, True)
    until(lambda: not lives(int(pid.read_text())))


# AWS's configuration


@pytest.mark.parametrize("flags", [("--profile", "nobody"), ()])
def test_an_unknown_profile(run: Run, flags: tuple[str, ...]) -> None:
    done = run(*ONCE, *flags, env={**ACCOUNT, **({} if flags else {"AWS_PROFILE": "nobody"})})
    assert (done.returncode, done.stdout) == (2, "")
    assert "profile" in refusal(done.stderr)
    assert "nobody" in refusal(done.stderr)


@pytest.mark.parametrize("region", ["eu-west-1/../x", "\udcff"])
def test_a_malformed_region(run: Run, server: AwsServer, region: str) -> None:
    done = run(*ONCE, f"--region={region}", env={**CREDENTIALS, "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 2
    assert "region" in refusal(done.stderr).lower()


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        (b"[default\nregion", {}),
        (b"no section = 1\n", REGION),
        (b"\xff\xfe\x00\x01[", REGION),
        (b"[default]\na = \n b", REGION),
    ],
)
def test_a_malformed_aws_config_file(
    run: Run, server: AwsServer, tmp_path: Path, content: bytes, settings: dict[str, str]
) -> None:
    config = tmp_path / "aws-config"
    config.write_bytes(content)
    env = {**CREDENTIALS, **settings, "AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": server.url}
    done = run(*ONCE, env=env)
    assert done.returncode == 2, done.stderr
    assert "AWS configuration: " in refusal(done.stderr)
    assert str(config) in refusal(done.stderr)


def test_a_malformed_credentials_file(run: Run, server: AwsServer, tmp_path: Path) -> None:
    file = tmp_path / "aws-credentials"
    file.write_text("no section\n")
    done = run(*ONCE, env={**REGION, "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 2, done.stderr
    assert str(file) in refusal(done.stderr)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL", "nonsense"),
        ("AWS_ENDPOINT_URL", "http://[::1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
        ("AWS_CA_BUNDLE", "/no/such/file"),
    ],
)
def test_a_variable_that_cannot_be_used(run: Run, server: AwsServer, name: str, value: str) -> None:
    """test_connection.py has the others of the kind."""
    done = run(*ONCE, env={**ACCOUNT, "AWS_ENDPOINT_URL": server.url, name: value})
    assert done.returncode == 2, done.stderr
    assert name in refusal(done.stderr)
    assert refusal(done.stderr).startswith("AWS configuration: ")


@pytest.mark.parametrize("proxy", ["http://[::1", "http://127.0.0.1:port"])
def test_a_malformed_proxy(run: Run, proxy: str) -> None:
    done = run(
        *ONCE, env={**ACCOUNT, "AWS_ENDPOINT_URL": "http://dynamodb.invalid", "HTTP_PROXY": proxy, "NO_PROXY": ""}
    )
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert error.endswith("(check --endpoint-url, AWS_ENDPOINT_URL, HTTP_PROXY and HTTPS_PROXY)")


# The network


def test_an_endpoint_that_refuses(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = run(*ONCE, "--endpoint-url", f"http://user:s3cr3t@127.0.0.1:{port}")
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert "ListTables failed: EndpointConnectionError" in error
    assert "check the region, --endpoint-url and the network" in error
    assert "s3cr3t" not in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        RawFault(200, b"<html>Welcome to the hotel's network</html>"),
        RawFault(200, b"{"),
        RawFault(200, b"[]"),
        RawFault(200, b"\xff\xfe"),
        RawFault(200),
        RawFault(302),
        RawFault(404, b"x" * 100_000),
    ],
    ids=lambda fault: repr(fault.body[:9]),
)
def test_an_endpoint_that_is_not_aws(check: Check, server: AwsServer, answer: Fault) -> None:
    server.faults.append(lambda _operation, _body: answer)
    done = check()
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert error.startswith("the check failed: ListTables failed: ")
    assert len(error) < 2000


# Answers


@pytest.mark.parametrize(("operation", "warnings"), [("DescribeTable", 1), ("UpdateTable", 0)])
def test_a_table_that_vanishes_in_the_middle(
    run: Run, server: AwsServer, env: dict[str, str], operation: str, warnings: int
) -> None:
    gone = AwsFault("ResourceNotFoundException", "Requested resource not found: Table: table-2 not found")
    server.faults.append(by_table(operation, {"table-2": gone}))
    done = run(*ONCE, env=env)
    assert done.returncode == 0
    assert errors(done.stderr) == []
    assert reads(server) == [150, 100, 150]
    assert len(re.findall("WARNING - table-2 - DescribeTable failed: ResourceNotFound", done.stderr)) == warnings


def test_describe_500_for_one_table_of_three(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    server.faults.append(
        lambda operation, body: (
            AwsFault("InternalServerError", "try later", 500)
            if operation == "DescribeTable" and body["TableName"] == "table-2"
            else None
        )
    )
    done = run(*ONCE, env=env)
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert error.startswith("table-2 - DescribeTable failed: InternalServerError: try later")
    assert reads(server) == [150, 100, 150]


def of_table_2(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """The same change, to the description of one table alone."""
    return lambda answer: change(answer) if answer["Table"]["TableName"] == "table-2" else None


BROKEN_DESCRIPTIONS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no TableStatus": (lambda answer: answer["Table"].pop("TableStatus"), "TableStatus"),
    "no throughput": (lambda answer: answer["Table"].pop("ProvisionedThroughput"), "ProvisionedThroughput"),
    "no read units": (
        lambda answer: answer["Table"]["ProvisionedThroughput"].pop("ReadCapacityUnits"),
        "ReadCapacityUnits",
    ),
    "no write units": (
        lambda answer: answer["Table"]["ProvisionedThroughput"].pop("WriteCapacityUnits"),
        "WriteCapacityUnits",
    ),
    "units of 0": (
        lambda answer: answer["Table"]["ProvisionedThroughput"].update(ReadCapacityUnits=0),
        "ReadCapacityUnits",
    ),
    "null units": (
        lambda answer: answer["Table"]["ProvisionedThroughput"].update(ReadCapacityUnits=None),
        "ReadCapacityUnits",
    ),
    "units as text": (
        lambda answer: answer["Table"]["ProvisionedThroughput"].update(ReadCapacityUnits="100"),
        "ReadCapacityUnits",
    ),
}


@pytest.mark.parametrize(("change", "field"), BROKEN_DESCRIPTIONS.values(), ids=BROKEN_DESCRIPTIONS.keys())
def test_a_description_with_a_field_missing(
    check: Check, server: AwsServer, change: Callable[[dict[str, Any]], object], field: str
) -> None:
    server.faults.append(always("DescribeTable", MutateFault(of_table_2(change))))
    done = check()
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert error == f"table-2 - DescribeTable failed: bad answer: no usable {field}"
    assert reads(server) == [150, 100, 150]


BROKEN_ANSWERS: dict[str, tuple[str, Callable[[dict[str, Any]], object], int]] = {
    "no Table": ("DescribeTable", dict.clear, 3),
    "no TableNames": ("ListTables", dict.clear, 1),
    "a name that is none": ("ListTables", lambda answer: answer["TableNames"].append(7), 1),
    "pages without end": ("ListTables", lambda answer: answer.update(LastEvaluatedTableName="table-1"), 1),
    "no MetricDataResults": ("GetMetricData", dict.clear, 3),
    "no result for a metric": ("GetMetricData", lambda answer: answer["MetricDataResults"].clear(), 3),
    "no StatusCode": ("GetMetricData", lambda answer: [r.pop("StatusCode") for r in answer["MetricDataResults"]], 3),
    "no Values": ("GetMetricData", lambda answer: [r.pop("Values") for r in answer["MetricDataResults"]], 3),
    "a value too few": ("GetMetricData", lambda answer: [r["Values"].pop() for r in answer["MetricDataResults"]], 3),
    "partial data": (
        "GetMetricData",
        lambda answer: [r.update(StatusCode="PartialData") for r in answer["MetricDataResults"]],
        3,
    ),
}


@pytest.mark.parametrize(("operation", "change", "count"), BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_an_answer_with_a_field_missing(
    check: Check, server: AwsServer, operation: str, change: Callable[[dict[str, Any]], object], count: int
) -> None:
    server.faults.append(always(operation, MutateFault(change)))
    done = check()
    found = errors(done.stderr)
    assert (len(found), done.returncode) == (count, 1)
    assert all(f"{operation} failed: " in error for error in found)
    assert reads(server) == [100] * 3


# Timestamps that Python has no date for: each once made its whole answer unreadable.
NO_DATES = {
    "beyond the calendar": 1e20,
    "before it": -1e20,
    "infinite": float("inf"),
    "no number": float("nan"),
    "digits without end": "1" * 400,
    "words": "noon",
    "a list": [1],
}


@pytest.mark.parametrize("moment", NO_DATES.values(), ids=NO_DATES)
def test_a_timestamp_that_is_none_spoils_its_metric_alone(check: Check, server: AwsServer, moment: object) -> None:
    def spoil(answer: dict[str, Any]) -> None:
        answer["MetricDataResults"][2]["Timestamps"][0] = moment  # the reads of table-2

    server.faults.append(always("GetMetricData", MutateFault(spoil)))
    done = check()
    (error,) = errors(done.stderr)
    assert error == "table-2 - GetMetricData failed: bad answer: no usable timestamp"
    assert reads(server) == [150, 100, 150]


@pytest.mark.parametrize("moment", NO_DATES.values(), ids=NO_DATES)
def test_a_timestamp_that_is_none_spoils_its_description_alone(check: Check, server: AwsServer, moment: object) -> None:
    def spoil(answer: dict[str, Any]) -> None:
        answer["Table"]["CreationDateTime"] = moment  # which nobody needs
        if answer["Table"]["TableName"] == "table-2":
            answer["Table"]["ProvisionedThroughput"]["LastIncreaseDateTime"] = moment

    server.faults.append(always("DescribeTable", MutateFault(spoil)))
    done = check()
    (error,) = errors(done.stderr)
    assert error == "table-2 - DescribeTable failed: bad answer: no usable LastIncreaseDateTime"
    assert reads(server) == [150, 100, 150]


def test_malformed_json(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    server.faults.append(always("GetMetricData", RawFault(200, b'{"MetricDataResults": [')))
    done = run(*ONCE, env=env)
    assert done.returncode == 1
    assert len(errors(done.stderr)) == 3
    assert reads(server) == [100] * 3


def test_a_topic_that_is_gone_stops_nothing(run: Run, server: AwsServer, env: dict[str, str], tmp_path: Path) -> None:
    server.world.topics = set()
    file = tmp_path / "dd.conf"
    topic = "arn:aws:sns:us-east-1:123456789012:gone"
    file.write_text(f"[table: table-]\nsns-topic-arn: {topic}\nsns-message-types: scale-up\n")
    done = run("--config", str(file), "--run-once", env=env)
    assert reads(server) == [150] * 3
    assert len(errors(done.stderr)) == 3
    assert all("Publish failed: NotFound: Topic does not exist" in error for error in errors(done.stderr))


# Tables


def test_no_table_matches(run: Run, server: AwsServer, env: dict[str, str]) -> None:
    done = run("--table-name", "other-", "--run-once", env=env)
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert error == "no table matches the configuration; existing tables: table-1, table-2, table-3"
    assert len(re.findall(r"WARNING - .*other-.* matches nothing", done.stderr)) == 1
    assert not server.world.updates


@pytest.mark.parametrize(
    ("region", "where"),
    [
        ({}, "us-east-1 (the default; no region was set)"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2 (AWS_DEFAULT_REGION)"),
    ],
)
def test_there_is_no_table_at_all(run: Run, region: dict[str, str], where: str) -> None:
    with AwsServer() as empty:
        done = run(*ONCE, env={**CREDENTIALS, **region, "AWS_ENDPOINT_URL": empty.url})
    assert done.returncode == 1
    assert errors(done.stderr) == [f"no table matches the configuration; no tables in {where}"]


# Files


@pytest.mark.parametrize(
    ("path", "why"),
    [("missing/dd.log", "No such file or directory"), (".", "Is a directory"), ("f/x", "Not a directory")],
)
def test_a_log_file_that_cannot_be_written(run: Run, tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "f").touch()
    # A directory is no file, and opening it says so.
    done = run(*ONCE, "--log-file", str(tmp_path / path), env={})
    assert done.returncode == 2
    assert refusal(done.stderr) == f"log-file {tmp_path / path}: cannot be written: {why}"


LOGGING_FILES = {
    "missing": (None, "cannot be read: No such file or directory"),
    "empty": ("", "cannot be used"),
    "no section": ("level = DEBUG\n", "cannot be used: "),
    "no handlers": ("[loggers]\nkeys=root\n[formatters]\nkeys=\n", "cannot be used: "),
    "unknown handler": (
        "[loggers]\nkeys=root\n[handlers]\nkeys=own\n[formatters]\nkeys=\n[logger_root]\nhandlers=own\n"
        "[handler_own]\nclass=NoSuchHandler\nargs=()\n",
        "cannot be used: ",
    ),
    "bad arguments": (
        "[loggers]\nkeys=root\n[handlers]\nkeys=own\n[formatters]\nkeys=\n[logger_root]\nhandlers=own\n"
        "[handler_own]\nclass=FileHandler\nargs=('/no/such/folder/x.log',)\n",
        "cannot be used: FileNotFoundError",
    ),
}


@pytest.mark.parametrize(("content", "why"), LOGGING_FILES.values(), ids=LOGGING_FILES.keys())
def test_a_bad_logging_configuration_file(run: Run, tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "logging.conf"
    if content is not None:
        file.write_text(content)
    done = run(*ONCE, "--log-config-file", str(file), env={})
    assert done.returncode == 2
    assert refusal(done.stderr).startswith(f"log-config-file {file}: {why}")


@pytest.mark.parametrize("path", ["missing.conf", "."])
def test_a_configuration_file_that_cannot_be_read(run: Run, tmp_path: Path, path: str) -> None:
    done = run("--config", str(tmp_path / path), env={})
    assert done.returncode == 2
    assert str(tmp_path / path) in refusal(done.stderr)
    assert "cannot be read" in refusal(done.stderr)


def test_all_problems_of_flags_and_file_at_once(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "dd.conf"
    file.write_text("[table: [a]\nreads-uper-threshold: 90\nmax-provisioned-writes: ten\n[tabel: x]\n")
    done = run("--config", str(file), "--check-intervall", "5", "--log-level", "loud", env={})
    assert (done.returncode, done.stdout) == (2, "")
    assert all(line.startswith("dynamic-dynamodb: error: ") for line in done.stderr.splitlines())
    for part in ("--check-intervall", "--log-level", "[a", "reads-uper-threshold", "ten", "[tabel: x]"):
        assert part in done.stderr, part
    assert "did you mean reads-upper-threshold?" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--daemon", "foreground", "--table-name", "table-", "--run-once"),
        ("--daemon", "start", "--table-name", "table-"),
        ("--daemon", "status", "--pid-file-dir", "run"),
    ],
    ids=lambda words: words[1],
)
def test_a_start_folder_that_is_gone(tmp_path: Path, words: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", str(SCRIPT), *words]
    done = subprocess.run(command, cwd=gone, env=environment(), capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert done.returncode == 1
    assert refusal(done.stderr) == "the current folder no longer exists; change to another one and try again"


# Words that are not text


def test_words_that_are_no_text(run: Run, server: AwsServer, env: dict[str, str], tmp_path: Path) -> None:
    """Bytes that are no UTF-8, which Python shows as lone surrogates, go wherever text goes."""
    log = tmp_path / "dd.log"
    done = run("--table-name", "t\udcff|table-", "--run-once", "--log-file", str(log), env=env)
    assert done.returncode == 0, done.stderr
    assert errors(done.stderr) == errors(log.read_text()) == []
    assert r"t\udcff|table-" in log.read_text()
    assert reads(server) == [150] * 3
    done = run("--nonsense\udcff", env={})
    assert done.returncode == 2
    assert "--nonsense" in done.stderr


# Output


@pytest.mark.parametrize("arguments", [("--version",), ("--show-config", "--table-name", "x"), ("--help",)])
def test_output_that_nobody_reads(run: Run, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*arguments, env={**REGION, "PYTHONUNBUFFERED": ""}, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [("--version",), ("--show-config", "--table-name", "x"), ("--help",)])
def test_output_to_a_full_disk(run: Run, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*arguments, env={**REGION, "PYTHONUNBUFFERED": ""}, stdout=full)
    assert done.returncode == 1
    assert refusal(done.stderr) == "No space left on device"


# Ctrl-C while the program begins


@pytest.mark.parametrize(
    ("module", "number", "expected"),
    [("json", signal.SIGINT, 130), ("boto3", signal.SIGINT, 130), ("boto3", signal.SIGTERM, 0)],
)
def test_a_signal_while_importing(
    spawn: Callable[..., Program], tmp_path: Path, module: str, number: int, expected: int
) -> None:
    started = tmp_path / "started"
    code = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(25)\n"
    program = spawn(*ONCE, env=before_all(tmp_path, module, code))
    program.wait_until(started.exists)
    exit_code, took = program.end(number)
    assert (exit_code, took < 6) == (expected, True)
    assert "Traceback" not in program.log


# What nobody foresaw


def test_an_unforeseen_error_in_a_check_is_a_failure(run: Run, tmp_path: Path) -> None:
    """The log has its traceback, for the report; the exit code says that something failed."""
    boom = "from dynamic_dynamodb.checks import check\ndef boom(self):\n    raise ZeroDivisionError('boom')\n"
    done = run(*ONCE, env=before_all(tmp_path, "sitecustomize", boom + "check.Scaler.check = boom\n"))
    assert done.returncode == 1
    assert "ERROR - the check failed: unexpected error" in done.stderr
    assert "ZeroDivisionError: boom" in done.stderr


def test_what_libraries_say_stays_off_the_terminal(run: Run, tmp_path: Path) -> None:
    chatter = (
        "import logging, warnings\nfrom dynamic_dynamodb.checks import check\ndef chat(self):\n"
        "    warnings.warn('boto3 will no longer support this Python')\n"
        "    logging.getLogger('urllib3.connectionpool').warning('Connection pool is full')\n    return True\n"
    )
    done = run(*ONCE, env=before_all(tmp_path, "sitecustomize", chatter + "check.Scaler.check = chat\n"))
    assert done.returncode == 0
    assert errors(done.stderr) == []
    assert "pool" not in done.stderr
