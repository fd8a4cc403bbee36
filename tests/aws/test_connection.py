"""What of AWS's own configuration cannot be used: told before anything else, in one line that names the culprit."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import ACCOUNT

from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.errors import ConfigError

NAMES = ("profile", "aws_access_key_id", "aws_secret_access_key", "endpoint_url")
HINT = "check --endpoint-url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> and endpoint_url in the AWS profile"


def problem(region: str = "us-east-1", **general: str) -> str:
    """What connect says against these settings."""
    with (
        pytest.raises(ConfigError) as raised,
        contextlib.closing(connect({**dict.fromkeys(NAMES), "region": region, **general})),
    ):
        pass
    (text,) = raised.value.problems
    assert "\n" not in text
    return text.removeprefix("AWS configuration: ")


VARIABLES: Mapping[str, tuple[dict[str, str], str]] = {
    "certificates that are not there": (
        {"AWS_CA_BUNDLE": "/no/such/ca.pem"},
        "AWS_CA_BUNDLE, or ca_bundle in the AWS profile: /no/such/ca.pem: No such file or directory",
    ),
    "certificates in a folder": ({"AWS_CA_BUNDLE": "/"}, "/: Is a directory"),
    "defaults": ({"AWS_DEFAULTS_MODE": "x"}, "invalid defaults mode: x"),
    "seconds": ({"AWS_METADATA_SERVICE_TIMEOUT": "soon"}, "AWS_METADATA_SERVICE_TIMEOUT, or metadata_service_timeout"),
    "attempts": ({"AWS_METADATA_SERVICE_NUM_ATTEMPTS": "x"}, "AWS_METADATA_SERVICE_NUM_ATTEMPTS, or metadata_"),
    "metadata": ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "nonsense"}, "EC2 Instance Metadata endpoint: nonsense"),
    "metadata's kind": ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "x"}, "Metadata endpoint mode: x"),
    "account": ({"AWS_ACCOUNT_ID_ENDPOINT_MODE": "x"}, "'x' for 'account_id_endpoint_mode' is invalid"),
    "profile": ({"AWS_PROFILE": "a\nb"}, "The config profile (a b) could not be found"),
    "endpoint of one service": ({"AWS_ENDPOINT_URL_SNS": "http://h:0"}, f"Invalid endpoint: http://h:0; {HINT}"),
}


@pytest.mark.parametrize(("env", "part"), VARIABLES.values(), ids=VARIABLES.keys())
def test_a_variable_that_cannot_be_used(env: dict[str, str], part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ACCOUNT, **env}.items():
        monkeypatch.setenv(name, value)
    assert part in problem()


@pytest.mark.parametrize("name", ["AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"])
def test_a_variable_that_does_not_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program sets its own attempts."""
    monkeypatch.setenv(name, "x")
    connect({**dict.fromkeys(NAMES), "region": "us-east-1"}).close()


@pytest.mark.parametrize(
    "url",
    [
        "http://h:99999",
        "http://h:0",
        "http://h:+1",
        "https://h:443:2",
        "ftp://h",
        "http://",
        "http://a b/",
        "http://a_b",
    ],
)
@pytest.mark.parametrize("place", ["variable", "profile", "option"])
def test_an_endpoint_that_could_not_be_asked(
    url: str, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the option's own check lets through, and what is in the environment, before the first call."""
    config = tmp_path / "config"
    config.write_text(f"[default]\nendpoint_url = {url}\n")
    if place == "variable":
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    elif place == "profile":
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert problem(**({"endpoint_url": url} if place == "option" else {})) == f"Invalid endpoint: {url}; {HINT}"


def test_a_password_in_an_endpoint_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "ftp://me:s3cr3t@h")
    assert "s3cr3t" not in problem()


@pytest.mark.parametrize("region", ["us-east-1\n", "us-east-1\r", " us-east-1", "us east", " ", "us_east", "-", "a.b"])
@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_with_blanks_or_a_line_break(region: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, region)
    assert problem(region) == f"{name}: {region!r} is not a region; write one like eu-west-1"


def test_a_region_of_the_profile_that_is_none() -> None:
    assert problem("us east") == "the region: 'us east' is not a region; write one like eu-west-1"
