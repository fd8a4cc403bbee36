"""The least IAM policy for a configuration, as `--print-iam-policy` prints it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pages
import pytest
from conftest import Run

from dynamic_dynamodb.aws import iam
from dynamic_dynamodb.configuration import loader

TOPIC = "arn:aws:sns:us-east-1:123456789012:"


def statements(text: str, tmp_path: Path, region: str = "us-east-1") -> dict[str, tuple[list[str], list[str]]]:
    """Actions and resources of each statement for a configuration file of this text."""
    file = tmp_path / "dd.conf"
    file.write_text(f"[global]\nregion: {region}\n{text}")
    policy = iam.policy(loader.load({"config": str(file)}).config)
    assert policy["Version"] == "2012-10-17"
    assert {one["Effect"] for one in policy["Statement"]} == {"Allow"}
    return {one["Sid"]: (one["Action"], one["Resource"]) for one in policy["Statement"]}


METRICS = (["cloudwatch:GetMetricData"], ["*"])
SCALING = ["dynamodb:DescribeTable", "dynamodb:UpdateTable"]


@pytest.mark.parametrize("name", ["orders", "^orders$", "^orders"])
def test_a_name_in_full_gives_its_arn_and_needs_no_list(name: str, tmp_path: Path) -> None:
    assert statements(f"[table: {name}]\n", tmp_path) == {
        "ReadMetrics": METRICS,
        "ScaleTables": (SCALING, ["arn:aws:dynamodb:us-east-1:*:table/orders"]),
    }


def test_several_names_one_statement(tmp_path: Path) -> None:
    text = "[table: ^orders$]\n[table: a\\.b]\n[table: orders]\n"
    assert statements(text, tmp_path)["ScaleTables"][1] == [
        "arn:aws:dynamodb:us-east-1:*:table/orders",
        "arn:aws:dynamodb:us-east-1:*:table/a.b",
    ]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("^events-.*", ["events-*"]),
        ("events-[0-9]+$", ["events-*"]),
        (".*", ["*"]),
        ("(a|b)-.*", ["*"]),
        ("(?i)events-.*", ["*"]),
        ("^events$|^jobs-.*", ["events", "jobs-*"]),
        ("^orders$|^users$", ["orders", "users"]),
    ],
)
def test_an_expression_stands_for_names_that_begin_as_it_does(
    expression: str, names: list[str], tmp_path: Path
) -> None:
    arns = [f"arn:aws:dynamodb:us-east-1:*:table/{name}" for name in dict.fromkeys(["orders", *names])]
    assert statements(f"[table: ^orders$]\n[table: {expression}]\n", tmp_path) == {
        "ReadMetrics": METRICS,
        "ScaleTables": (SCALING, arns),
        "FindTables": (["dynamodb:ListTables"], ["*"]),
    }


@pytest.mark.parametrize(
    ("flags", "env", "region"),
    [
        ((), {}, "*"),
        ((), {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "*"),
        (("--region", "us-east-1"), {}, "us-east-1"),
        ((), {"AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        (("--profile", "far"), {}, "eu-west-1"),
        ((), {"AWS_PROFILE": "far"}, "eu-west-1"),
        (("--profile", "near"), {}, "*"),
    ],
)
def test_the_region_is_pinned_where_it_is_known(
    flags: tuple[str, ...], env: dict[str, str], region: str, tmp_path: Path, run: Run
) -> None:
    """The default, us-east-1, is only where the program would look: it is no knowledge."""
    aws = tmp_path / "config"
    aws.write_text("[profile far]\nregion = eu-west-1\n[profile near]\noutput = json\n")
    env = {"AWS_CONFIG_FILE": str(aws), **env}
    done = run("--table-name", "^a$", "--print-iam-policy", *flags, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Statement"][1]["Resource"] == [f"arn:aws:dynamodb:{region}:*:table/a"]


def test_topics_are_those_that_something_is_sent_to(tmp_path: Path) -> None:
    text = (
        f"[default_options]\nsns-message-types: scale-up\n[table: a]\nsns-topic-arn: {TOPIC}two\n"
        f"[gsi: i table: a]\nsns-topic-arn: {TOPIC}one\n[gsi: j table: a]\n[table: b]\nsns-topic-arn: {TOPIC}two\n"
    )
    assert statements(text, tmp_path)["Notify"] == (["sns:Publish"], [f"{TOPIC}one", f"{TOPIC}two"])
    silent = f"[table: a]\nsns-topic-arn: {TOPIC}two\n"
    assert "Notify" not in statements(silent, tmp_path)


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_partitions(region: str, partition: str, tmp_path: Path) -> None:
    (arn,) = statements("[table: a]\n", tmp_path, region)["ScaleTables"][1]
    assert arn == f"arn:{partition}:dynamodb:{region}:*:table/a"


def test_the_console_script_prints_it_and_touches_nothing(run: Run) -> None:
    done = run("--table-name", "^orders$", "--print-iam-policy", env={"AWS_REGION": "eu-west-1"})
    assert (done.returncode, done.stderr) == (0, "")
    policy: dict[str, Any] = json.loads(done.stdout)
    assert [one["Sid"] for one in policy["Statement"]] == ["ReadMetrics", "ScaleTables"]
    assert policy["Statement"][1]["Resource"] == ["arn:aws:dynamodb:eu-west-1:*:table/orders"]


def test_a_name_without_an_end_may_mean_more_than_the_policy_lets_it(run: Run, tmp_path: Path) -> None:
    flags = ("--region", "eu-west-1", "--print-iam-policy")
    assert "^my-table$ matches this name only" in run("--table-name", "my-table", *flags, env={}).stderr
    file = tmp_path / "dd.conf"
    file.write_text("[table: my-table]\n[table: events-.*]\n")
    assert "^my-table$ matches this name only" in run("--config", str(file), *flags, env={}).stderr
    for sure in ("^my-table$", "my-.*"):
        assert run("--table-name", sure, *flags, env={}).stderr == ""


def test_the_readme_names_what_any_configuration_needs(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    named = set(re.findall(r"`((?:cloudwatch|dynamodb|sns):\w+)`", readme))
    text = f"[table: .*]\nsns-topic-arn: {TOPIC}x\nsns-message-types: scale-up\n"
    wanted = {action for actions, _resources in statements(text, tmp_path).values() for action in actions}
    assert named == wanted | {"cloudwatch:GetMetricStatistics"}


def test_the_page_shows_what_is_printed(run: Run, tmp_path: Path) -> None:
    whole, one_table, _trust = (json.loads(text) for text in pages.blocks("iam.md", "json"))
    (text,) = pages.blocks("iam.md", "ini")
    assert printed(run, tmp_path, text) == whole
    without_last_section = text.rpartition("[table:")[0]
    assert printed(run, tmp_path, without_last_section)["Statement"][1] == one_table


def printed(run: Run, folder: Path, text: str) -> Any:
    file = folder / "page.conf"
    file.write_text(text)
    done = run("--config", str(file), "--print-iam-policy")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_page_explains_each_statement() -> None:
    (whole, *_) = (json.loads(text) for text in pages.blocks("iam.md", "json"))
    (table,) = pages.tables("iam.md", "statement")
    explained = list(dict.fromkeys(pages.spans(row["statement"])[0] for row in table.rows))
    assert explained == [one["Sid"] for one in whole["Statement"]]


@pytest.mark.parametrize(
    ("expressions", "warned"),
    [
        (["^orders$"], []),
        (["orders"], ["orders"]),
        (["^orders"], ["^orders"]),
        (["orders", "users"], ["orders", "users"]),
        (["cust", ".*"], []),  # whatever cust matches, .* allows
        (["customers", "cust.*"], []),
        (["cust", "customers.*"], ["cust"]),
        (["users", "^users-..$"], ["users"]),
    ],
)
def test_a_warning_for_longer_names_that_the_policy_leaves_out(
    expressions: list[str], warned: list[str], run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "dd.conf"
    file.write_text("".join(f"[table: {expression}]\n" for expression in expressions))
    done = run("--config", str(file), "--print-iam-policy")
    assert done.returncode == 0
    assert re.findall(r"warning: \[table: (.*)\] also matches longer names, which", done.stderr) == warned
