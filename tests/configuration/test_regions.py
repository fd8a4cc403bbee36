"""Where the region comes from, and what is said of one that AWS does not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CREDENTIALS, Run

from dynamic_dynamodb.aws import connection
from dynamic_dynamodb.configuration import loader, regions
from dynamic_dynamodb.errors import ConfigError

T = "[table: t]\n"
MISTYPED = {
    "eu-wset-1": "eu-west-1",
    "eu-wset-3": "eu-west-3",
    "eu-wset-9": "eu-west-1",
    "eu-est-1": "eu-west-1",
    "eu-westt-2": "eu-west-2",
    "eu-vest-1": "eu-west-1",
    "ue-west-1": "eu-west-1",
    "us-esat-1": "us-east-1",
    "us-east1": "us-east-1",
    "useast-2": "us-east-2",
    "useast2": "us-east-2",
    "us-east": "us-east-1",
    "US-EAST-1": "us-east-1",
    "ap-southest-2": "ap-southeast-2",
    "us-gov-est-1": "us-gov-east-1",
    "cn-noth-1": "cn-north-1",
}
PERHAPS_NEW = ["eu-west-9", "us-east-17", "sa-west-1", "ca-north-1", "frankfurt", "europe-west-1", "local", "x"]
NEWER = "is not a region that this release of boto3 knows; it may be newer"


def problems(region: str, **flags: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loader.load({"table-name": "t", "region": region, **flags})
    return list(caught.value.problems)


@pytest.mark.parametrize("region", MISTYPED)
def test_letters_that_differ_from_a_near_region_are_an_error(region: str) -> None:
    assert problems(region) == [f"--region: {region} is not an AWS region; did you mean {MISTYPED[region]}?"]


@pytest.mark.parametrize("region", PERHAPS_NEW)
def test_what_may_be_newer_than_boto_is_a_warning(region: str) -> None:
    loaded = loader.load({"table-name": "t", "region": region})
    assert loaded.warnings == (f"--region: {region} {NEWER}",)
    assert loaded.config["global"]["region"] == region


@pytest.mark.parametrize("region", sorted(regions.KNOWN))
def test_a_region_of_ours_needs_no_boto(region: str) -> None:
    def never(_profile: str | None) -> tuple[frozenset[str], bool]:
        raise AssertionError

    assert loader.load({"table-name": "t", "region": region}, (), never).warnings == ()


def test_boto_knows_regions_of_every_partition() -> None:
    assert {"us-east-1", "cn-north-1", "us-gov-west-1"} <= connection.known_regions()


def test_a_region_that_boto_alone_knows() -> None:
    flags = {"table-name": "t", "region": "zz-nowhere-1", "profile": "p"}
    asked = []

    def ask(profile: str | None) -> tuple[list[str], bool]:
        asked.append(profile)
        return ["zz-nowhere-1"], False

    assert loader.load(flags, (), ask).warnings == ()
    assert asked == ["p"]


def test_the_line_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    file.write_text(f"[global]\n\nregion: eu-wset-1\n{T}")
    with pytest.raises(ConfigError) as caught:
        loader.load({"config": str(file)})
    assert list(caught.value.problems) == [
        f"{file}:3: [global] region: eu-wset-1 is not an AWS region; did you mean eu-west-1?"
    ]


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for region, problem in (
        ("eu-wset-1", "eu-wset-1 is not an AWS region; did you mean eu-west-1?"),
        ("eu-west-1\n", r"'eu-west-1\n' starts or ends with a space or a line break"),
        ("eu west 1", "'eu west 1' is not a region; write one like eu-west-1"),
    ):
        monkeypatch.setenv(name, region)
        with pytest.raises(ConfigError) as caught:
            loader.load({"table-name": "t"})
        assert list(caught.value.problems) == [f"{name}: {problem}"]
        assert loader.load({"table-name": "t", "region": "eu-west-1"}).warnings == ()


# With any endpoint, at the edge that users have

WARNING = f"eu-wset-1 {NEWER}; did you mean eu-west-1?"
ERROR = "eu-wset-1 is not an AWS region; did you mean eu-west-1?"
HERE = "endpoint_url = http://127.0.0.1:9\n"
ENDPOINTS = {
    "none": ((), {}, "", ERROR),
    "flag": (("--endpoint-url", "http://127.0.0.1:9"), {}, "", WARNING),
    "environment": ((), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "", WARNING),
    "environment, one service": ((), {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"}, "", WARNING),
    "environment, empty": ((), {"AWS_ENDPOINT_URL": ""}, "", ERROR),
    "default profile": ((), {}, HERE, WARNING),
    "default profile, one service": ((), {}, f"services = s\n[services s]\ndynamodb =\n  {HERE}", WARNING),
    "services of another profile": ((), {}, f"[services s]\ndynamodb =\n  {HERE}", ERROR),
    "another profile": ((), {}, f"[profile p]\n{HERE}", ERROR),
    "named profile": (("--profile", "p"), {}, f"[profile p]\n{HERE}", WARNING),
    "AWS_PROFILE": ((), {"AWS_PROFILE": "p"}, f"[profile p]\n{HERE}", WARNING),
}


@pytest.mark.parametrize(("flags", "env", "profile", "said"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_with_any_endpoint_it_is_a_warning(
    tmp_path: Path, run: Run, flags: tuple[str, ...], env: dict[str, str], profile: str, said: str
) -> None:
    (tmp_path / "aws").write_text(f"[default]\n{profile}")
    settings = {**CREDENTIALS, "AWS_CONFIG_FILE": str(tmp_path / "aws"), **env}
    done = run("--table-name", "t", "--show-config", "--region", "eu-wset-1", *flags, env=settings)
    code, kind = (2, "error") if said is ERROR else (0, "warning")
    assert (done.returncode, done.stderr) == (code, f"dynamic-dynamodb: {kind}: --region: {said}\n")


@pytest.mark.parametrize(("profile", "said"), [("", ERROR), (HERE, WARNING)])
def test_the_region_of_a_profile(tmp_path: Path, run: Run, profile: str, said: str) -> None:
    (tmp_path / "aws").write_text(f"[profile p]\nregion = eu-wset-1\n{profile}")
    settings = {**CREDENTIALS, "AWS_CONFIG_FILE": str(tmp_path / "aws")}
    done = run("--table-name", "t", "--show-config", "--profile", "p", env=settings)
    code, kind = (2, "error") if said is ERROR else (0, "warning")
    assert (done.returncode, done.stderr) == (code, f"dynamic-dynamodb: {kind}: profile p: {said}\n")


def test_a_run_with_a_mistyped_region_of_a_profile_ends_before_any_call(tmp_path: Path, run: Run) -> None:
    (tmp_path / "aws").write_text("[default]\nregion = eu-wset-1\n")
    settings = {**CREDENTIALS, "AWS_CONFIG_FILE": str(tmp_path / "aws")}
    done = run("--table-name", "t", "--run-once", env=settings)
    assert (done.returncode, done.stderr) == (2, f"dynamic-dynamodb: error: profile default: {ERROR}\n")
