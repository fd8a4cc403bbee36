"""Where credentials are looked for, when again, and what ends a look-up: with real files, processes and HTTP."""

from __future__ import annotations

import inspect
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsFault, AwsServer
from breaker_server import Handler, Server
from conftest import CREDENTIALS, PATIENCE, lives
from place import until

from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.aws.errors import AwsError, call

SHORT = 1.0  # seconds that a look-up may take where the test waits for its end
SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]


class Account:
    """A user's ~/.aws, the environment, and clients of the stand-in for AWS."""

    def __init__(self, home: Path, server: AwsServer, setenv: Callable[[str, str], None]) -> None:
        self.home = home
        self.server = server
        self.config = home / "config"
        self.file = home / "credentials"
        self.setenv = setenv
        self.opened: list[Clients] = []
        setenv("AWS_CONFIG_FILE", str(self.config))
        setenv("AWS_SHARED_CREDENTIALS_FILE", str(self.file))
        self.config.touch()
        self.file.touch()

    def keys(self, key: str, profile: str = "default") -> None:
        self.file.write_text(f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n")

    def helper(self, code: str, profile: str = "default") -> Path:
        """A credential_process, a script for sh; its argument is a secret."""
        script = self.home / "helper"
        script.write_text(f"#!/bin/sh\necho run >> {self.home}/runs\n{code}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        section = "default" if profile == "default" else f"profile {profile}"
        self.config.write_text(f"[{section}]\ncredential_process = {script} --password hunter2hunter2\n")
        return script

    def runs(self) -> int:
        return len((self.home / "runs").read_text().splitlines())

    def connect(self, patience: float = PATIENCE, **general: str) -> Clients:
        names = ("profile", "aws_access_key_id", "aws_secret_access_key")
        where = {"region": "us-east-1", "endpoint_url": self.server.url}
        self.opened.append(connect({**dict.fromkeys(names), **where, **general}, patience=patience))
        return self.opened[-1]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with AwsServer() as server:
        made = Account(tmp_path, server, monkeypatch.setenv)
        yield made
        for clients in made.opened:
            clients.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Handler], None]], str]]:
    """Starts a server that is no AWS; its URL."""
    servers: list[Server] = []

    def start(behaviour: Callable[[Handler], None]) -> str:
        servers.append(Server(behaviour, None))
        return servers[-1].url("")

    yield start
    for server in servers:
        server.stop()


def test_a_look_up_is_given_up_after_20_seconds() -> None:
    assert inspect.signature(connect).parameters["patience"].default == 20


def ask(clients: Clients) -> str:
    """One call; what became of it."""
    try:
        call("ListTables", clients.dynamodb.list_tables)
    except AwsError as error:
        return str(error)
    return "answered"


def printed(key: str, expires_in: float | None = None) -> dict[str, Any]:
    """What a credential_process prints."""
    found: dict[str, Any] = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": SECRET}
    if expires_in is not None:
        found["Expiration"] = (datetime.now(timezone.utc) + timedelta(seconds=expires_in)).isoformat()
    return found


def silent(handler: Handler) -> None:
    handler.server.stopping.wait(PATIENCE)


def dripping(handler: Handler) -> None:
    """A byte now and then: no time-out of a socket ever ends this."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.stopping.wait(0.2):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def answering(body: str, status: int = 200) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


# Afresh


@pytest.mark.parametrize(
    "code",
    ["ExpiredTokenException", "InvalidClientTokenId", "InvalidSignatureException", "UnrecognizedClientException"],
)
def test_after_a_refusal_the_next_check_reads_the_file_again(account: Account, code: str) -> None:
    account.keys("AKIDOLD")
    account.server.refused["AKIDOLD"] = AwsFault(code, "no longer")
    clients = account.connect()
    assert f"come from profile default in {account.file})" in ask(clients)
    account.keys("AKIDNEW")
    assert code in ask(clients)  # the same check
    clients.next_check()
    assert ask(clients) == "answered"
    assert [scope.key for scope in account.server.signed] == ["AKIDOLD", "AKIDOLD", "AKIDNEW"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerError", "ThrottlingException"])
def test_after_another_refusal_they_are_kept(account: Account, code: str) -> None:
    account.helper(f"echo '{json.dumps(printed('AKIDOLD'))}'")
    account.server.refused["AKIDOLD"] = AwsFault(code, "no")
    clients = account.connect()
    for _ in range(2):
        text = ask(clients)
        assert code in text
        assert "come from" not in text
        clients.next_check()
    assert account.runs() == 1


def test_keys_that_are_good_are_looked_for_once(account: Account) -> None:
    account.helper(f"echo '{json.dumps(printed('AKIDOLD', 3600))}'")
    clients = account.connect()
    for _ in range(3):
        clients.next_check()
        assert ask(clients) == "answered"
    assert account.runs() == 1


def test_another_source_may_take_the_place_of_the_first(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    account.keys("AKIDOLD", "work")
    account.server.refused["AKIDOLD"] = AwsFault("InvalidClientTokenId")
    clients = account.connect()
    assert f"profile work in {account.file}" in ask(clients)
    account.file.write_text("")
    account.helper(f"echo '{json.dumps(printed('AKIDNEW'))}'", "work")
    clients.next_check()
    assert ask(clients) == "answered"


def test_a_role_takes_the_renewed_keys_of_its_source_profile(
    account: Account, serve: Callable[[Callable[[Handler], None]], str]
) -> None:
    """A session of botocore's keeps what it has read and what the role has given."""
    asked: list[str] = []

    def sts(handler: Handler) -> None:
        asked.append((handler.headers["Authorization"] or "").partition("Credential=")[2].partition("/")[0])
        name = f"ASIA{len(asked)}"
        expiry = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
        answering(
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>{name}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<SessionToken>token</SessionToken><Expiration>{expiry}</Expiration></Credentials>"
            "<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>"
            "<AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
        )(handler)

    account.setenv("AWS_ENDPOINT_URL_STS", serve(sts))
    account.config.write_text("[profile r]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = user\n")
    account.keys("AKIDOLD", "user")
    account.server.refused["ASIA1"] = AwsFault("UnrecognizedClientException")
    clients = account.connect(profile="r")
    assert f"the role of profile r in {account.config}" in ask(clients)
    account.keys("AKIDNEW", "user")
    clients.next_check()
    assert ask(clients) == "answered"
    assert asked == ["AKIDOLD", "AKIDNEW"]


def test_keys_are_renewed_before_they_expire_once_a_check(account: Account) -> None:
    account.helper(f"echo '{json.dumps(printed('AKIDOLD', 120))}'")
    clients = account.connect()
    assert [ask(clients), ask(clients)] == ["answered"] * 2
    begun = account.runs()
    clients.next_check()
    assert [ask(clients), ask(clients)] == ["answered"] * 2
    assert account.runs() == 2 * begun


def test_a_renewal_that_fails_leaves_the_keys_until_they_expire(account: Account) -> None:
    account.helper(f"echo '{json.dumps(printed('AKIDOLD', 4))}'")
    clients = account.connect()
    assert ask(clients) == "answered"
    account.helper("echo down >&2; exit 3")
    clients.next_check()
    assert ask(clients) == "answered"
    until(lambda: "credential_process" in ask(clients), lambda: "keys that have expired are used")
    assert "ended with exit code 3: down" in ask(clients)
    account.helper(f"echo '{json.dumps(printed('AKIDNEW', 3600))}'")
    clients.next_check()
    assert ask(clients) == "answered"
    assert [scope.key for scope in account.server.signed][-1] == "AKIDNEW"


def test_keys_that_have_expired_already_are_no_keys(account: Account) -> None:
    account.helper(f"echo '{json.dumps(printed('AKIDOLD', -60))}'")
    assert "still expired" in ask(account.connect())
    assert not account.server.calls


def test_a_look_up_that_fails_is_made_once_a_check(account: Account) -> None:
    """A thousand tables shall not start a thousand helpers."""
    account.helper("exit 1")
    clients = account.connect()
    assert {ask(clients) for _ in range(5)} == {ask(clients)}
    assert account.runs() == 1
    clients.next_check()
    ask(clients)
    assert account.runs() == 2


# Threads


def test_all_threads_wait_for_the_same_look_up(account: Account) -> None:
    account.helper(f"sleep 0.5; echo '{json.dumps(printed('AKIDOLD', 3600))}'")
    clients = account.connect()
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: ask(clients), range(32))) == {"answered"}
    assert account.runs() == 1


def test_all_threads_give_up_together(account: Account) -> None:
    account.helper("exec sleep 300")
    clients = account.connect(SHORT)
    begun = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        (text,) = set(pool.map(lambda _: ask(clients), range(64)))
    assert "s; retried in the next check" in text
    assert time.monotonic() - begun < PATIENCE / 2
    assert account.runs() == 1


# Look-ups that hang

WAITS = "sleep 300 &\necho $! > {home}/child\necho $$ > {home}/parent\nwait"


def started(home: Path) -> list[int]:
    files = [home / "child", home / "parent"]
    until(lambda: all(file.exists() and file.read_text().strip() for file in files))
    return [int(file.read_text()) for file in files]


def test_a_helper_that_hangs_is_killed_with_its_child_and_tried_again(account: Account) -> None:
    script = account.helper(WAITS.format(home=account.home))
    clients = account.connect(SHORT)
    text = ask(clients)
    assert text == (
        f"ListTables failed: CredentialRetrievalError: profile default in {account.config}, "
        f"credential_process {script}: no credentials within 1 s; retried in the next check"
    )
    pids = started(account.home)
    until(lambda: not any(lives(pid) for pid in pids), lambda: f"alive: {pids}")
    account.helper(f"echo '{json.dumps(printed('AKIDNEW'))}'")
    assert ask(clients) == text
    clients.next_check()
    assert ask(clients) == "answered"


def test_a_helper_of_a_source_profile_is_killed_too(account: Account) -> None:
    account.helper(WAITS.format(home=account.home), "user")
    role = "[profile r]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = user\n"
    account.config.write_text(account.config.read_text() + role)
    text = ask(account.connect(SHORT, profile="r"))
    assert "the role of profile r in " in text
    assert "credential_process" in text
    pids = started(account.home)
    until(lambda: not any(lives(pid) for pid in pids), lambda: f"alive: {pids}")


def test_closing_the_clients_ends_a_helper_that_hangs(account: Account) -> None:
    account.helper(WAITS.format(home=account.home))
    clients = account.connect()
    asking = threading.Thread(target=ask, args=(clients,))
    asking.start()
    pids = started(account.home)
    clients.close()
    until(lambda: not any(lives(pid) for pid in pids), lambda: f"alive: {pids}")
    asking.join(PATIENCE)
    assert not asking.is_alive()


def test_a_container_that_hangs(account: Account, serve: Callable[[Callable[[Handler], None]], str]) -> None:
    account.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url := serve(dripping))
    text = ask(account.connect(SHORT))
    assert text.endswith(f"credentials at {url}: no credentials within 1 s; retried in the next check")


@pytest.mark.parametrize("behaviour", [silent, dripping])
def test_a_metadata_service_that_hangs(
    account: Account, serve: Callable[[Callable[[Handler], None]], str], behaviour: Callable[[Handler], None]
) -> None:
    account.setenv("AWS_EC2_METADATA_DISABLED", "false")
    account.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url := serve(behaviour))
    account.setenv("AWS_METADATA_SERVICE_TIMEOUT", "60")
    clients = account.connect(SHORT)
    assert ask(clients).endswith(
        f"the role of the instance, {url}: no credentials within 1 s; retried in the next check"
    )
    account.keys("AKIDNEW")
    clients.next_check()
    assert ask(clients) == "answered"


# The container's credentials


def test_the_credentials_of_a_container(account: Account, serve: Callable[[Callable[[Handler], None]], str]) -> None:
    expiry = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
    found = {"AccessKeyId": "ASIATASK", "SecretAccessKey": SECRET, "Token": "token", "Expiration": expiry}
    url = serve(answering(json.dumps(found)))
    account.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    clients = account.connect()
    assert ask(clients) == "answered"
    account.server.refused["ASIATASK"] = AwsFault("ExpiredTokenException", "expired")
    assert f"renew them; they come from the container's credentials at {url})" in ask(clients)


@pytest.mark.parametrize(
    ("behaviour", "part"),
    [
        (answering("<html>"), "Unable to parse JSON"),
        (answering("no role", 403), "Received non 200 response 403"),
        (answering("{}"), "AccessKeyId"),
        (answering('{"AccessKeyId": 5}'), "the container's credentials"),
        (answering("[]"), "the container's credentials"),
    ],
)
def test_a_container_without_credentials(
    account: Account,
    serve: Callable[[Callable[[Handler], None]], str],
    behaviour: Callable[[Handler], None],
    part: str,
) -> None:
    account.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url := serve(behaviour))
    text = ask(account.connect())
    assert f"the container's credentials at {url}: " in text
    assert part in text


# What is no key


HELPERS: Mapping[str, tuple[str, str]] = {
    "fails": ("echo locked >&2; exit 7", "ended with exit code 7: locked"),
    "fails silently": ("exit 1", "ended with exit code 1: it printed nothing on stderr"),
    "no text": (r"printf '\377\376' >&2; exit 1", "ended with exit code 1: "),
    "prints nothing": ("true", "did not print a JSON object"),
    "prints words": ("echo Please log in", "did not print a JSON object"),
    "prints a list": ("echo '[]'", "did not print a JSON object"),
    "prints bytes": (r"printf '\377'", "did not print a JSON object"),
    "another version": ("echo '{}'", "Unsupported version"),
    "no key": ("""echo '{"Version": 1}'""", "AccessKeyId"),
    "no text for a key": ("""echo '{"Version": 1, "AccessKeyId": 5, "SecretAccessKey": 6}'""", "helper: "),
    "no date": (
        """echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "B", "Expiration": "soon"}'""",
        "helper: ",
    ),
    "asks the terminal": ("read password < /dev/tty || exit 4", "ended with exit code"),
    "asks its input": ("read password || exit 5", "ended with exit code 5"),
    "a key with a line break": (
        r"""printf '{"Version": 1, "AccessKeyId": "AKID\\nX", "SecretAccessKey": "B"}'""",
        "the access key ID contains a space, a line break or another character that keys do not have",
    ),
}


@pytest.mark.parametrize(("code", "part"), HELPERS.values(), ids=HELPERS.keys())
def test_a_helper_that_is_no_use(account: Account, code: str, part: str) -> None:
    script = account.helper(code)
    text = ask(account.connect())
    assert f"profile default in {account.config}, credential_process {script}: " in text
    assert part in text
    assert "hunter2" not in text
    assert "bad answer" not in text


PROFILES: Mapping[str, tuple[str, str]] = {
    "no such program": ("credential_process = /no/such/helper", "/no/such/helper: No such file or directory"),
    "a quote too few": ("credential_process = helper 'x", "No closing quotation"),
    "a code to type": (
        "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\nmfa_serial = arn:aws:iam::1:mfa/u",
        "the role requires an MFA code (mfa_serial), which this program cannot ask for",
    ),
    "a loop": (
        "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = other",
        "Infinite loop",
    ),
    "no source profile": ("role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = nobody", "nobody"),
    "no source": ("role_arn = arn:aws:iam::123456789012:role/r", "source_profile"),
    "a bad source": (
        "role_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Moon",
        "Moon",
    ),
    "no login": (
        "sso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
        "sso_account_id = 123456789012\nsso_role_name = r",
        "does not exist",
    ),
    "no token": ("role_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /no/token", "/no/token: No such file"),
    "half a pair": ("aws_access_key_id = AKIDTEST", "aws_secret_access_key"),
}


@pytest.mark.parametrize(("lines", "part"), PROFILES.values(), ids=PROFILES.keys())
def test_a_profile_that_is_no_use(account: Account, lines: str, part: str) -> None:
    role = "role_arn = arn:aws:iam::123456789012:role/other"
    account.config.write_text(
        f"[profile one]\n{lines}\n[profile other]\n{role}\nsource_profile = one\n"
        f"[profile keys]\naws_access_key_id = AKIDTEST\naws_secret_access_key = {SECRET}\n"
    )
    text = ask(account.connect(profile="one"))
    assert f"profile one in {account.config}" in text
    assert part in text
    assert "bad answer" not in text
    assert not account.server.calls


def test_a_role_that_is_refused_is_not_our_call(
    account: Account, serve: Callable[[Callable[[Handler], None]], str]
) -> None:
    """Else it would seem that the policy of the role lacked ListTables."""
    denied = "<Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message>"
    account.setenv(
        "AWS_ENDPOINT_URL_STS",
        serve(answering(f"<ErrorResponse><Error>{denied}</Error><RequestId>1</RequestId></ErrorResponse>", 403)),
    )
    account.config.write_text(
        "[profile r]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = user\nexternal_id = other\n"
    )
    account.keys("AKIDOLD", "user")
    text = ask(account.connect(profile="r"))
    assert "AssumeRole was refused: AccessDenied: not authorized to perform: sts:AssumeRole" in text
    assert "IAM policy" not in text
    assert not account.server.calls


@pytest.mark.parametrize("value", ["AKID\n", "\u00c4K ID"])
@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("AWS_ACCESS_KEY_ID", "access key ID"),
        ("AWS_SECRET_ACCESS_KEY", "secret access key"),
        ("AWS_SESSION_TOKEN", "session token"),
    ],
)
def test_a_variable_with_a_line_break(account: Account, name: str, part: str, value: str) -> None:
    for variable, good in {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": SECRET, name: value}.items():
        account.setenv(variable, good)
    assert ask(account.connect()) == (
        "ListTables failed: CredentialRetrievalError: the environment (AWS_ACCESS_KEY_ID): "
        f"the {part} ({name}) contains a space, a line break or another character that keys do not have"
    )


def test_the_pair_of_the_options_beats_all_others(account: Account) -> None:
    account.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    account.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    account.keys("AKIDFILE")
    clients = account.connect(aws_access_key_id="AKIDPAIR", aws_secret_access_key=SECRET)
    assert ask(clients) == "answered"
    account.server.refused["AKIDPAIR"] = AwsFault("UnrecognizedClientException", "who?")
    assert "they come from the options aws-access-key-id and aws-secret-access-key-id)" in ask(clients)
    assert set([scope.key for scope in account.server.signed]) == {"AKIDPAIR"}


def test_a_file_that_is_broken_meanwhile_is_named(account: Account) -> None:
    account.keys("AKIDOLD")
    account.server.refused["AKIDOLD"] = AwsFault("ExpiredTokenException")
    clients = account.connect()
    ask(clients)
    account.file.write_text("no section\n")
    clients.next_check()
    assert str(account.file) in ask(clients)
    account.keys("AKIDNEW")
    clients.next_check()
    assert ask(clients) == "answered"


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_that_cannot_be_read(account: Account, name: str) -> None:
    """Botocore takes it for one that is not there."""
    path = account.home / name
    path.unlink()
    path.mkdir()
    assert f"{path}: Is a directory" in ask(account.connect())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_of_another_user(account: Account, name: str) -> None:
    path = account.home / name
    path.chmod(0)
    assert f"{path}: Permission denied" in ask(account.connect())


def test_a_file_that_cannot_be_read_is_no_harm_where_there_are_keys(account: Account) -> None:
    account.keys("AKIDFILE")
    account.config.unlink()
    account.config.mkdir()
    assert ask(account.connect()) == "answered"


def test_the_path_of_a_containers_credentials_is_not_shown(account: Account) -> None:
    account.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/the-secret-of-the-task")
    text = ask(account.connect(SHORT))
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in text
    assert "the-secret" not in text
