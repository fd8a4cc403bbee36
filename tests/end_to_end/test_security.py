"""What SECURITY.md promises: secrets stay secret, hostile text stays text, files stay ours, work stays bounded."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aws_server import AwsFault, AwsServer, Fault, MutateFault, always
from breaker_server import Handler, Server
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from interpreter import before_all
from json_log import objects
from pages import Table, items
from place import Place, placed

from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.masking import hide, printable, safe
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

ROOT = Path(__file__).parents[2]
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")

# Secrets. Each in a form that a mask by pattern alone would miss somewhere.

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE/token+1=="  # noqa: S105 - of the tests
GATE = "open'sesame@3"  # the circuit breaker's password
DOOR = "let'me:in:4"  # the endpoint's
PROXY = "prox'y@pass:5"
BASIC = base64.b64encode(f"me:{GATE}".encode()).decode()
STS_KEY = "9drTJvcXLB89EXAMPLELB8923FB892xMFI"
SECRETS = (KEY, TOKEN, GATE, DOOR, PROXY, BASIC, STS_KEY)

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
UNFORESEEN = f"quoted {KEY} {TOKEN} http://me:{GATE}@h/ http://me:{DOOR}@h/"


class Stage(NamedTuple):
    """A server for AWS with two tables that ask for more reads, a circuit breaker, and a folder."""

    server: AwsServer
    breaker: Server
    folder: Path

    def file(self, general: str = "", logging: str = "") -> str:
        """Write a configuration with a password in two URLs; its path."""
        path = self.folder / "orders.conf"
        gate = self.breaker.url("/", f"me:{GATE}@")
        path.write_text(
            f"[global]\nregion: us-east-1\ncircuit-breaker-url: {gate}\n"
            f"endpoint-url: http://me:{DOOR}@127.0.0.1:{self.server.port}\n{general}\n[logging]\n{logging}\n"
            f"[table: ^orders]\nsns-topic-arn: {TOPIC}\nsns-message-types: scale-up\n"
        )
        path.chmod(0o600)
        return str(path)

    def log_config(self, handler: str = "FileHandler", more: str = "") -> str:
        """A logging configuration file that has everything from every logger written down; the option for it."""
        path = self.folder / "logging.conf"
        path.write_text(
            "[loggers]\nkeys=root,urllib3\n[handlers]\nkeys=own\n[formatters]\nkeys=own\n"
            "[logger_root]\nlevel=DEBUG\nhandlers=own\n"
            "[logger_urllib3]\nlevel=DEBUG\nhandlers=\nqualname=urllib3.connectionpool\n"
            "[formatter_own]\nformat=%(name)s %(message)s\n"
            f"[handler_own]\nclass={handler}\nformatter=own\nargs=({str(self.folder / 'all.log')!r},)\n{more}"
        )
        return f"log-config-file: {path}"

    def said(self) -> str:
        """Whatever was written to files, and published."""
        logs = "".join(path.read_text() for path in self.folder.glob("*.log"))
        return logs + "".join(f"{message.subject}\n{message.message}\n" for message in self.server.world.messages)


def gatekeeper(handler: Handler) -> None:
    """One table may be scaled, the other not, and the gate quotes what it was told."""
    told = handler.headers.get("Authorization", "")
    handler.answer(503 if handler.headers["x-table-name"] == "orders-eu" else 200, X_Told=told)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    for name in ("orders-eu", "orders-us"):
        world.add_table(name, 100, 100)
        world.set_load(Target(name), "reads", 95)
    breaker = Server(gatekeeper, None)
    with AwsServer(world) as server:
        try:
            yield Stage(server, breaker, tmp_path)
        finally:
            breaker.stop()


def given_by_file() -> str:
    return f"aws-access-key-id: AKIDTEST\naws-secret-access-key-id: {KEY}"


def at_work(stage: Stage) -> tuple[str, dict[str, str]]:
    return stage.file(given_by_file(), stage.log_config()), {}


def at_debug_level(stage: Stage) -> tuple[str, dict[str, str]]:
    return stage.file(given_by_file(), f"log-level: debug\nlog-file: {stage.folder}/dd.log"), {}


def from_the_environment(stage: Stage) -> tuple[str, dict[str, str]]:
    return stage.file("", stage.log_config()), environment_keys()


def environment_keys(token: str = TOKEN) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": KEY, "AWS_SESSION_TOKEN": token}


def from_a_process(stage: Stage) -> tuple[str, dict[str, str]]:
    """As from a role: the program sees them when it signs."""
    keys = {"Version": 1, "AccessKeyId": "AKIDTEST", "SecretAccessKey": KEY, "SessionToken": TOKEN}
    (stage.folder / "keys.json").write_text(json.dumps(keys))
    aws = stage.folder / "aws.conf"
    aws.write_text(f"[default]\ncredential_process = cat {stage.folder / 'keys.json'}\n")
    stage.server.faults.append(quote)
    return stage.file("", stage.log_config()), {"AWS_CONFIG_FILE": str(aws)}


def from_sts(stage: Stage) -> tuple[str, dict[str, str]]:
    """Its answer holds the keys before the program has met them, and botocore's debug lines hold its answer."""
    stage.breaker.behaviour = sts
    arn = "arn:aws:iam::123456789012:role/scaler"
    aws = stage.folder / "aws.conf"
    base = f"[profile base]\naws_access_key_id = AKIDTEST\naws_secret_access_key = {KEY}\n"
    aws.write_text(f"[default]\nrole_arn = {arn}\nsource_profile = base\n{base}")
    stage.server.faults.append(quote)
    path = Path(stage.file("", stage.log_config()))
    path.write_text(path.read_text().replace("circuit-breaker-url", "# circuit-breaker-url"))
    return str(path), {"AWS_CONFIG_FILE": str(aws), "AWS_ENDPOINT_URL_STS": stage.breaker.url()}


def sts(handler: Handler) -> None:
    handler.rfile.read(int(handler.headers["Content-Length"]))
    keys = f"<AccessKeyId>ASIATEST</AccessKeyId><SecretAccessKey>{STS_KEY}</SecretAccessKey>"
    body = (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        f"{keys}<SessionToken>{TOKEN}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def quote(_operation: str, _body: Any) -> Fault:
    """As AWS does: the text that should have been signed, with the headers of the request."""
    text = f"The Canonical String should have been 'POST\n/\n\nx-amz-security-token:{TOKEN}\n'"
    return AwsFault("SignatureDoesNotMatch", text, 403)


def a_quoted_token(stage: Stage) -> tuple[str, dict[str, str]]:
    stage.server.faults.append(quote)
    return stage.file(), environment_keys()


def a_token_that_is_no_header(stage: Stage) -> tuple[str, dict[str, str]]:
    return stage.file(), environment_keys(f"{TOKEN}\n")


def an_endpoint_that_refuses(stage: Stage) -> tuple[str, dict[str, str]]:
    path = Path(stage.file(given_by_file()))
    path.write_text(path.read_text().replace(f":{stage.server.port}", ":1"))
    return str(path), {}


def a_proxy_that_refuses(stage: Stage) -> tuple[str, dict[str, str]]:
    path = Path(stage.file(given_by_file()))
    path.write_text(path.read_text().replace(f"127.0.0.1:{stage.server.port}", "aws.invalid"))
    return str(path), {"HTTP_PROXY": f"ftp://me:{PROXY}@127.0.0.1:1"}  # with http:// botocore masks it itself


def broken(stage: Stage, what: str, **more: str) -> tuple[str, dict[str, str]]:
    """Somewhere in the program an error that nobody foresaw, with every secret in its text and in that of its cause."""
    code = (
        "from dynamic_dynamodb import process\nfrom dynamic_dynamodb.checks import check\ndef broken(*_):\n"
        f"    try:\n        raise KeyError({UNFORESEEN!r})\n"
        f"    except KeyError as error:\n        raise RuntimeError({UNFORESEEN!r}) from error\n{what} = broken\n"
    )
    env = {**before_all(stage.folder, "sitecustomize", code), **environment_keys()}
    return stage.file(**more), env


def an_error_in_a_check(stage: Stage) -> tuple[str, dict[str, str]]:
    return broken(stage, "check.Scaler._verdict", logging=f"log-file: {stage.folder}/dd.log")


def an_error_in_the_log_of_the_users(stage: Stage) -> tuple[str, dict[str, str]]:
    return broken(stage, "check.Scaler._verdict", logging=stage.log_config())


def an_error_at_the_start(stage: Stage) -> tuple[str, dict[str, str]]:
    return broken(stage, "process.Runner._new_scaler", logging=f"log-file: {stage.folder}/dd.log")


def an_error_before_the_log(stage: Stage) -> tuple[str, dict[str, str]]:
    return broken(stage, "process.Runner._set_up")


def a_log_that_cannot_be_written(stage: Stage) -> tuple[str, dict[str, str]]:
    """Logging itself would show what failed, and the errors behind it."""
    stage.server.faults.append(quote)
    config = stage.log_config("trap.Trap")
    code = "import logging\nclass Trap(logging.FileHandler):\n    def format(self, record):\n        return 1 / 0\n"
    return stage.file("", config), {**before_all(stage.folder, "trap", code), **environment_keys()}


# What must have been reached by each, so that the test cannot pass by looking elsewhere.
SITUATIONS: dict[Callable[[Stage], tuple[str, dict[str, str]]], tuple[int, str]] = {
    at_work: (0, "dynamic-dynamodb orders-eu - circuit breaker"),
    at_debug_level: (0, "DEBUG - orders-us - UpdateTable"),
    from_the_environment: (0, "botocore.credentials Found credentials in environment variables"),
    from_sts: (1, r"x-amz-security-token:\*\*\*"),
    from_a_process: (1, r"x-amz-security-token:\*\*\*"),
    a_quoted_token: (1, r"x-amz-security-token:\*\*\*"),
    a_token_that_is_no_header: (1, r"the session token \(AWS_SESSION_TOKEN\) contains a space, a line break or"),
    an_endpoint_that_refuses: (1, r'endpoint URL: "http://me:\*\*\*@127.0.0.1:1/'),
    a_proxy_that_refuses: (1, r"proxy URL: .*:\*\*\*@127.0.0.1:1"),
    an_error_in_a_check: (1, "ERROR - orders-us - unexpected error"),
    an_error_in_the_log_of_the_users: (1, "orders-us - unexpected error"),
    an_error_at_the_start: (1, "ended by an unexpected error"),
    an_error_before_the_log: (1, "ended by an unexpected error"),
    a_log_that_cannot_be_written: (1, "logging fails: Trap\n(.*\n)*.*ZeroDivisionError"),
}


def secrets_in(text: str) -> list[str]:
    folded = " ".join(text.split())
    return [secret for secret in SECRETS if secret in folded]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_no_secret_in_any_output(
    stage: Stage, run: Run, situation: Callable[[Stage], tuple[str, dict[str, str]]]
) -> None:
    path, env = situation(stage)
    done = run("--config", path, "--run-once", env=env)
    output = done.stdout + done.stderr + stage.said()
    code, reached = SITUATIONS[situation]
    assert re.search(reached, output), output
    assert done.returncode == code, output
    assert secrets_in(output) == [], output


def test_the_secrets_were_used(stage: Stage, run: Run) -> None:
    """Else there would have been nothing to keep out."""
    path, env = at_work(stage)
    assert run("--config", path, "--run-once", env=env).returncode == 0
    assert {request.authorization for request in stage.breaker.requests} == {f"Basic {BASIC}"}
    assert [message.subject for message in stage.server.world.messages] == ["Dynamic DynamoDB: scale-up: orders-us"]


@pytest.mark.parametrize("flag", ["--show-config", "--print-iam-policy"])
def test_no_secret_in_a_document(stage: Stage, run: Run, flag: str) -> None:
    done = run("--config", stage.file(given_by_file()), flag, env=environment_keys())
    assert done.returncode == 0
    assert secrets_in(done.stdout + done.stderr) == []
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    "line",
    [
        "log-level: http://me:{}@h/",
        "check-interval: http://me:{}@h/a/long/path/that/makes/the/message/cut/the/value/off/somewhere",
        "circuit-breaker-url: ftp://me:{}@h/",
        "circuit-breaker-url: http://me:{} {}@h/",
        "endpoint-url: http://me:{}@h:port/",
        "http://me:{}@h/: 1",
        "[http://me:{}@h/]",
        "[table: http://me:{}@h/(]",
    ],
)
def test_no_message_about_a_bad_line_repeats_a_password(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.conf"
    path.write_text(f"[DEFAULT]\n{line.replace('{}', GATE)}\n[table: t]\n")
    with pytest.raises(ConfigError) as caught:
        loader.load({"config": str(path)})
    assert secrets_in(str(caught.value)) == []
    assert caught.value.problems


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def test_no_secret_in_the_process_list_nor_in_a_daemons_log(place: Place) -> None:
    gate = f"http://me:{GATE}@127.0.0.1:1/"
    place.configure(interval=1, general=f"{given_by_file()}\ncircuit-breaker-url: {gate}")
    place.conf.chmod(0o600)
    pid = place.start("--log-level", "debug", env=environment_keys())
    place.wait_for("circuit breaker", count=1)
    assert Path(f"/proc/{pid}/cmdline").read_text().split("\0")[2:-1] == [*place.flags("start"), "--config", str(place.conf), "--log-level", "debug"]  # fmt: skip # noqa: E501
    place.conf.write_text(place.conf.read_text().replace("^my-", "(^my-"))
    place.hang_up(pid, "the old one stays")
    told = "".join(place.run("status", *words).stdout for words in ((), ("--json",))) + place.run("stop").stdout
    state = place.pid_file().with_suffix(".state").read_text()
    assert '"failures_in_a_row"' in state
    assert secrets_in(place.text() + told + state) == []


# Hostile text: from AWS, from whoever answers in its place, from a file

FORGED = "2026-01-01 00:00:00,000 - dynamic-dynamodb - INFO - all is well"
HOSTILE = f"orders\n{FORGED}\r\x1b[2J\x9b31m\x07\x00\x85{FORGED}\u2028{FORGED}\u2029\u202e\ud83d\ufeff"


def assert_harmless(output: str, reached: str = "all is well") -> None:
    """Nothing that a terminal obeys, and no line that the program has not logged itself."""
    lines = output.split("\n")
    assert all(line.isprintable() for line in lines), output
    assert not any(line.startswith(FORGED[:10]) for line in lines), output
    assert reached in output


def test_hostile_names(stage: Stage, run: Run) -> None:
    """A stand-in for AWS names tables as it likes: what DynamoDB cannot have named is a bad answer, and not shown."""

    def rename(body: Any) -> None:
        body.get("Table", {})["TableName"] = HOSTILE

    stage.server.faults += [
        always("ListTables", MutateFault(lambda body: body.update(TableNames=[HOSTILE]))),
        always("DescribeTable", MutateFault(rename)),
    ]
    done = run("--config", stage.file(given_by_file(), "log-level: debug"), "--run-once")
    assert_harmless(done.stderr + stage.said(), "ListTables failed: bad answer: no usable TableNames")


@pytest.mark.parametrize("operation", ["ListTables", "UpdateTable"])
def test_hostile_errors(stage: Stage, run: Run, operation: str) -> None:
    stage.server.faults.append(always(operation, AwsFault(HOSTILE, HOSTILE)))
    path = stage.file(given_by_file())
    gate = stage.breaker.url("/", f"me:{GATE}@")
    Path(path).write_text(Path(path).read_text().replace(gate, stage.breaker.url()))
    done = run("--config", path, "--run-once")
    assert done.returncode == 1
    assert_harmless(done.stderr)


@pytest.mark.parametrize("operation", ["ListTables", "UpdateTable"])
def test_hostile_errors_in_json(stage: Stage, run: Run, operation: str) -> None:
    """No field of a line has what a terminal obeys, and no line is one that the program has not logged."""
    stage.server.faults.append(always(operation, AwsFault(HOSTILE, HOSTILE)))
    path = stage.file(given_by_file())
    gate = stage.breaker.url("/", f"me:{GATE}@")
    Path(path).write_text(Path(path).read_text().replace(gate, stage.breaker.url()))
    done = run("--config", path, "--run-once", "--log-format", "json")
    assert_harmless(done.stderr)
    (failed,) = [one for one in objects(done.stderr) if one.get("operation") == operation]
    assert_harmless(failed["message"])
    assert failed["code"].isprintable()


@pytest.mark.parametrize("where", ["", "http://h/"], ids=["plain", "in a URL"])
def test_a_hostile_error_that_nobody_foresaw(stage: Stage, run: Run, where: str) -> None:
    """A traceback has lines of its own, indented; none of them begins like a line of the log."""
    code = f"from dynamic_dynamodb.checks import check\ndef broken(*_):\n    raise ValueError({where + HOSTILE!r})\ncheck.Scaler._verdict = broken\n"  # noqa: E501
    done = run("--config", stage.file(), "--run-once", env={**before_all(stage.folder, "sitecustomize", code)})
    assert "Traceback" in done.stderr
    assert_harmless(done.stderr)


@pytest.mark.parametrize("flag", ["--config", "--log-file", "--log-config-file", "--table-name", "--profile"])
def test_hostile_words(run: Run, flag: str) -> None:
    word = f"\x1b[2J\u202e\x85{FORGED}\u2028("
    done = run("--table-name", "orders", "--run-once", flag, f"/nowhere/{word}", "--check-interval", "300")
    assert done.returncode in (1, 2)
    assert_harmless(done.stderr, r"/nowhere/\x1b[2J\u202e")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\u00e9 \u4e2d \U0001f600", "\u00e9 \u4e2d \U0001f600"),
        ("a\tb\nc", r"a\tb\nc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x85\u2028\u2029", r"\x85\u2028\u2029"),
        ("\u202e\u200b\ufeff", r"\u202e\u200b\ufeff"),
        ("\udcff", r"\udcff"),
        ("http://a:b@c", "http://a:***@c"),
        ("0" * 12_000, "0" * 5_000 + "..." + "0" * 5_000),
    ],
)
def test_text_that_is_safe_to_show(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert safe(shown) == shown or len(text) > 10_000


def test_a_secret_is_masked_wherever_it_stands() -> None:
    hide("the first", "hunter2hunter2")
    hide("the other", "hunter2hunter2-and-more\nof-it-below pw")
    for text in ("x{}x", "http://{}", "{}\x1b"):
        for secret in ("hunter2hunter2", "hunter2hunter2-and-more", "of-it-below"):
            assert safe(text.format(secret)) == printable(text.format("***"))
    hide("the first", "")
    hide("the other", "")
    assert safe("hunter2hunter2") == "hunter2hunter2"


@given(st.text(), st.text(min_size=8).filter(lambda text: len("".join(text.split())) >= 8), st.text())
def test_no_secret_survives(before: str, secret: str, after: str) -> None:
    hide("the first", secret)
    shown = safe(before + secret.strip() + after) if len(secret.split()) == 1 else safe(" ".join(secret.split()))
    hide("the first", "")
    assert shown.isprintable()
    assert printable(" ".join(secret.split())) not in shown.replace("***", "\n")


# The configuration file: who may read it, and how much it may ask for

HOLDS = {
    "key": f"[global]\naws-access-key-id: a\naws-secret-access-key-id: {KEY}\n[table: t]\n",
    "password in a global URL": "[global]\ncircuit-breaker-url: http://me:pw@h/\n[table: t]\n",
    "password in a table's URL": "[table: t]\ncircuit-breaker-url: http://me:pw@h/\n",
    "password in the defaults": "[DEFAULT]\nendpoint-url: http://me:pw@h/\n[table: t]\n[table: u]\n",
}
HOLDS_NONE = {
    "nothing": "[table: t]\n",
    "no password": "[global]\nprofile: p\ncircuit-breaker-url: http://me@h:80/\n[table: t]\n",
}


def readers_warned_of(path: Path | str) -> list[str]:
    return [warning for warning in loader.load({"config": str(path)}).warnings if "others can read" in warning]


def conf(folder: Path, text: str, mode: int) -> Path:
    path = folder / "dd.conf"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o600, 0o400, 0o622, 0o700])
@pytest.mark.parametrize("name", [*HOLDS, *HOLDS_NONE])
def test_a_file_with_a_secret_that_others_can_read(tmp_path: Path, name: str, mode: int) -> None:
    path = conf(tmp_path, HOLDS.get(name) or HOLDS_NONE[name], mode)
    found = readers_warned_of(path)
    assert len(found) == (name in HOLDS and bool(mode & 0o044))
    if found:
        assert found[0].endswith(f": holds a secret that others can read (mode {mode:04o}); chmod 600 {path}")


def test_the_mode_that_counts_is_the_files_not_the_links(tmp_path: Path) -> None:
    path = conf(tmp_path, HOLDS["key"], 0o600)
    link = tmp_path / "link.conf"
    link.symlink_to(path)
    assert readers_warned_of(link) == []
    path.chmod(0o644)
    assert len(readers_warned_of(link)) == 1


def test_a_pipe_has_no_other_readers(tmp_path: Path, run: Run) -> None:
    """As `--config <(decrypt orders.conf)` makes one."""
    reader, writer = os.pipe()
    os.write(writer, HOLDS["key"].encode())
    os.close(writer)
    done = run("--config", f"/dev/fd/{reader}", "--show-config", pass_fds=[reader])
    os.close(reader)
    assert (done.returncode, done.stderr) == (0, "")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o666)
    fifo.chmod(0o666)
    thread = threading.Thread(target=fifo.write_text, args=(HOLDS["key"],))
    thread.start()
    assert readers_warned_of(fifo) == []
    thread.join()


def test_a_daemon_tells_of_other_readers(place: Place) -> None:
    """At the start, where somebody sees it; in the log, then and when a reload finds the mode changed."""
    place.configure(general="circuit-breaker-url: http://me:pw@127.0.0.1:1/")
    place.conf.chmod(0o644)
    done = place.run("start")
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.endswith(f"holds a secret that others can read (mode 0644); chmod 600 {place.conf}")
    pid = place.pid()
    assert len(place.lines("others can read")) == 1
    place.conf.chmod(0o600)
    place.hang_up(pid)
    assert len(place.lines("others can read")) == 1
    place.conf.chmod(0o640)
    place.hang_up(pid)
    assert "mode 0640" in place.lines("others can read")[1]


IMMENSE = {  # a beginning, and what follows so many times
    "number": ("check-interval: ", "9", 9_000_000),
    "exponent": ("circuit-breaker-timeout: 1e", "9", 1_000_000),
    "URL": ("circuit-breaker-url: http://h/", "a", 9_000_000),
    "path": ("log-file: ", "$HOME", 1_800_000),
    "windows": ("maintenance-windows: ", "00:00-01:00,", 700_000),
    "message types": ("sns-message-types: ", "a,", 4_000_000),
    "scale": ("increase-consumed-reads-scale: {", "1: 1, ", 1_000_000),
    "scale of many lines": ("increase-consumed-reads-scale: {", "1: 1,\n ", 100_000),
    "name": ("", "a", 9_000_000),
    "blanks": ("check-interval", " ", 500_000),
    "header": ("[table: ", "a", 9_000_000),
    "file": ("#", " ", 10_000_000),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", IMMENSE)
def test_an_immense_value_is_one_line(tmp_path: Path, name: str) -> None:
    """Each of them in a second; without bounds the blanks alone would take an hour."""
    path = tmp_path / "dd.conf"
    begin, piece, times = IMMENSE[name]
    end = {"name": ": 1", "blanks": "300", "header": "]"}.get(name, "")
    path.write_text(f"[DEFAULT]\n{begin}{piece * times}{end}\n[table: t]\n")
    with pytest.raises(ConfigError) as caught:
        loader.load({"config": str(path)})
    (problem,) = caught.value.problems
    assert len(problem) < 10_100


@pytest.mark.timeout(60)
def test_a_file_without_an_end() -> None:
    with pytest.raises(ConfigError) as caught:
        loader.load({"config": "/dev/zero"})
    assert caught.value.problems == ("/dev/zero: cannot be read: it is larger than 10 MB",)


@pytest.mark.timeout(60)
def test_ten_thousand_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "dd.conf"
    path.write_text("[table: t]\n" + "reads-upper-threshold: 90\n" * 10_000)
    with pytest.raises(ConfigError) as caught:
        loader.load({"config": str(path)})
    assert len(caught.value.problems) == 9_999


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", ["1e400", "9**9**9", "1e1000000", "0x" + "f" * 9_000, "9" * 9_000, "1e-99999999"])
def test_an_immense_number_is_one_line(tmp_path: Path, number: str) -> None:
    lines = [f"reads-upper-threshold: {number}", f"increase-consumed-reads-scale: {{0: {number}}}"]
    path = tmp_path / "dd.conf"
    path.write_text("\n".join(["[table: t]", f"min-provisioned-reads: {number}", *lines, ""]))
    try:
        loader.load({"config": str(path)})
    except ConfigError as error:
        assert all(len(problem) < 300 for problem in error.problems)
        assert 2 <= len(error.problems) <= 3  # a scale takes 1e-99999999 for the 0 that it is to Python
    else:
        pytest.fail(number)


# Files in folders that are everybody's


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder such as /tmp; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


def log_to(path: Path, run: Run) -> str:
    """What the program says of a log file; nothing, where it uses it."""
    done = run("--table-name", "orders", "--run-once", "--endpoint-url", "http://127.0.0.1:1", "--log-file", str(path))
    assert done.returncode == (2 if "cannot be written" in done.stderr else 1)
    return done.stderr if done.returncode == 2 else ""


@as_root
@pytest.mark.parametrize("kind", ["link", "dangling link", "file", "file of mode 666"])
def test_a_log_file_planted_by_another_user(shared: Path, tmp_path: Path, run: Run, kind: str) -> None:
    path, precious = shared / "dd.log", tmp_path / "precious"
    if "link" in kind:
        path.symlink_to(precious)
    else:
        path.touch()
        path.chmod(0o666 if "666" in kind else 0o644)
    if kind == "link":
        precious.write_text("precious")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert log_to(path, run) == (
        f"dynamic-dynamodb: error: log-file {path}: cannot be written: "
        f"it belongs to user {NOBODY}, and anybody can write to its folder\n"
    )
    assert precious.exists() == (kind == "link")
    assert not precious.exists() or precious.read_text() == "precious"


def test_a_log_file_behind_a_link_of_ones_own(shared: Path, tmp_path: Path, run: Run) -> None:
    (shared / "dd.log").symlink_to(tmp_path / "elsewhere")
    assert log_to(shared / "dd.log", run) == ""
    assert "Dynamic DynamoDB" in (tmp_path / "elsewhere").read_text()


@as_root
def test_a_log_file_of_another_user_in_a_folder_of_ones_own(tmp_path: Path, run: Run) -> None:
    """As logrotate's `create` makes it, for a daemon that runs as root."""
    path = tmp_path / "dd.log"
    path.touch()
    os.chown(path, NOBODY, NOBODY)
    assert log_to(path, run) == ""
    assert path.read_text()


@pytest.mark.parametrize(("before", "after"), [(0o666, 0o644), (0o660, 0o640), (0o600, 0o600)])
def test_a_log_file_that_others_may_write_to(tmp_path: Path, run: Run, before: int, after: int) -> None:
    path = tmp_path / "dd.log"
    path.touch()
    path.chmod(before)
    assert log_to(path, run) == ""
    assert stat.S_IMODE(path.stat().st_mode) == after


@as_root
def test_a_log_file_planted_meanwhile(shared: Path, place: Place) -> None:
    """Found at the next reload; the log goes on where it is."""
    log = shared / "dd.log"
    place.log = log
    place.configure()
    pid = place.start()
    place.wait_for("a check every 300 s")
    log.rename(shared / "moved.log")
    log.symlink_to(place.home / "precious")
    os.chown(log, NOBODY, NOBODY, follow_symlinks=False)
    place.log = shared / "moved.log"
    place.hang_up(pid, "the old one stays")
    assert place.lines(f"log-file {log}: cannot be written: it belongs to user {NOBODY}")
    assert not (place.home / "precious").exists()


# What the documents promise; test_docs.py looks whether there are the tests that they name


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/reliability.md"])
def test_every_guarantee_has_a_test(page: str) -> None:
    """A numbered list, and a table with the tests of each number at the page's end."""
    text = (ROOT / page).read_text("utf-8")
    numbers = re.findall(r"^(\d+)\. ", text, re.M)
    (table,) = [item for item in items(text) if isinstance(item, Table) and item.columns == ["guarantee", "tests"]]
    assert numbers == [row["guarantee"] for row in table.rows] == [str(number + 1) for number in range(len(numbers))]
    assert len(numbers) > 10
    assert [row for row in table.rows if not re.search(r"`test_\w+\.py::test_\w+`", row["tests"])] == []


def test_the_rules_for_security_are_on() -> None:
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    lists = re.findall(r"^(?:select|ignore) = \[([^\]]*)\]", settings, re.M)
    selected, ignored = (set(re.findall(r'"(\w+)"', one)) for one in lists)
    assert "S" in selected
    assert not {rule for rule in ignored if re.match(r"S\d", rule)}
    exceptions = [
        line
        for path in (ROOT / "dynamic_dynamodb").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"# (ruff: )?noqa.*\bS\d", line) or re.search(r"noqa(?!:)", line)
    ]
    assert len(exceptions) >= 1
    assert [line for line in exceptions if not re.search(r"noqa: [A-Z0-9, ]+ - \w", line)] == []
