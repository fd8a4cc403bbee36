"""The first lines of the log: what is run, on what, by which options. No secrets, and not too many lines."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from aws_server import AwsServer
from conftest import ACCOUNT, Run

from dynamic_dynamodb.configuration import announcement, loader

VERSION = re.compile(r"Dynamic DynamoDB \d+\.\d+\.\d+: ")
WHO = re.compile(rf"; instance default, process {os.getpid()} on [^ ,;]+(?=$|; dry run)")


def said(tmp_path: Path, text: str, flags: Mapping[str, str | bool] | None = None) -> list[str]:
    """The lines for a file with this text, without the version and the file's folder."""
    file = tmp_path / "dd.conf"
    file.write_text(text)
    configuration = loader.load({"config": str(file), "region": "eu-west-1", **(flags or {})})
    first = announcement.header(configuration)
    assert VERSION.match(first)
    first = WHO.sub("", VERSION.sub("", first)).replace(f"{tmp_path}/", "")
    return [first, *announcement.lines(configuration)]


FIRST = "dd.conf, region eu-west-1 (--region), 1 table section, 0 gsi sections, a check every 300 s"


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        pytest.param("[table: t]\n", {}, [FIRST], id="all defaults"),
        pytest.param(
            "[table: t]\n",
            {"dry-run": True, "run-once": True},
            [FIRST.replace("a check every 300 s", "one check; dry run: nothing is changed")],
            id="once, dry",
        ),
        pytest.param("[table: t]\nreads-upper-threshold: 90\n", {}, [FIRST], id="set to its default"),
        pytest.param(
            "[table: t]\nreads-upper-threshold: 27.5\nincrease-consumed-reads-scale: {0: 0, 70: 30}\n"
            "always-decrease-rw-together: yes\nsns-message-types: scale-up,scale-down\n"
            "sns-topic-arn: arn:aws:sns:x:1:y\n",
            {},
            [
                FIRST,
                "[table: t] reads-upper-threshold: 27.5, increase-consumed-reads-scale: {0: 0, 70: 30}, "
                "always-decrease-rw-together: true, sns-topic-arn: arn:aws:sns:x:1:y, "
                "sns-message-types: scale-up scale-down",
            ],
            id="every kind of value",
        ),
        pytest.param(
            "[table: t]\nincrease-reads-with: 70\nincrease-consumed-writes-with: 50\n",
            {},
            [FIRST, "[table: t] increase-reads-with: 70"],
            id="what falls back to another option is not said twice",
        ),
        pytest.param(
            "[global]\ncheck-interval: 60\ncircuit-breaker-url: http://user:s3cret@host/\n"
            "circuit-breaker-timeout: 500\nendpoint-url: http://me:s3cret@127.0.0.1:1\n"
            "aws-access-key-id: AKID\naws-secret-access-key: s3cret\n"
            "[logging]\nlog-file: dd.log\n[table: t]\ncircuit-breaker-timeout: 500\n",
            {"log-level": "warning"},
            [
                FIRST.replace("300", "60") + ", each table described every 300 s",
                "[global] endpoint-url: http://me:***@127.0.0.1:1, aws-access-key-id: AKID, "
                "aws-secret-access-key-id: ********, circuit-breaker-url: http://user:***@host/, "
                "circuit-breaker-timeout: 500",
                "[logging] log-level: warning, log-file: dd.log",
            ],
            id="secrets masked, what comes from [global] is not said again",
        ),
        pytest.param("[global]\nrefresh-interval: 60\n[table: t]\n", {}, [FIRST], id="described in each check"),
        pytest.param(
            "[global]\nrefresh-interval: 3600\n[table: t]\n",
            {},
            [FIRST + ", each table described every 3600 s"],
            id="not described in each check",
        ),
        pytest.param(
            "[default_options]\nmin-provisioned-reads: 5\nmax-provisioned-reads: 9\n"
            "[table: a]\n[table: b]\nmax-provisioned-reads: 8\n[gsi: i table: b]\nmax-provisioned-reads: 9\n",
            {},
            [
                FIRST.replace("1 table section, 0 gsi sections", "2 table sections, 1 gsi section"),
                "all sections: min-provisioned-reads: 5",
                "[table: a] max-provisioned-reads: 9",
                "[table: b] max-provisioned-reads: 8",
                "[gsi: i table: b] max-provisioned-reads: 9",
            ],
            id="what all sections have is said once",
        ),
        pytest.param(
            "".join(f"[table: t{number}]\nmin-provisioned-reads: {number}\n" for number in range(1, 9)),
            {},
            [
                FIRST.replace("1 table section", "8 table sections"),
                *(f"[table: t{number}] min-provisioned-reads: {number}" for number in range(1, 6)),
                "3 more sections with their own options; --show-config shows them all",
            ],
            id="many sections",
        ),
    ],
)
def test_the_first_lines(tmp_path: Path, text: str, flags: Mapping[str, str | bool], expected: list[str]) -> None:
    assert said(tmp_path, text, flags) == expected


def test_flags_alone_name_no_file() -> None:
    configuration = loader.load({"table-name": "t", "region": "x", "max-provisioned-reads": "9"})
    first, more = announcement.header(configuration), list(announcement.lines(configuration))
    assert WHO.sub("", VERSION.sub("", first)) == FIRST.replace("dd.conf, ", "").replace("eu-west-1", "x")
    assert more == ["[table: t] max-provisioned-reads: 9"]


def test_a_first_check_tells_what_it_looks_at(run: Run) -> None:
    with AwsServer() as server:
        server.world.add_table("my-table", 100, 100)
        done = run("-t", "my-table", "--run-once", "--dry-run", env={**ACCOUNT, "AWS_ENDPOINT_URL": server.url})
    assert done.returncode == 0
    told = [line.split(" - INFO - dryrun - ")[1] for line in done.stderr.splitlines()]
    assert re.sub(r"; instance default, process \d+ on [^ ;]+", "", VERSION.sub("", told[0])) == (
        "region us-east-1 (AWS_DEFAULT_REGION), 1 table section, 0 gsi sections, one check; dry run: nothing is changed"
    )
    assert told[1] == "my-table - configured by [table: my-table]"
    assert told[2].startswith("a check asks CloudWatch for 2 metrics of 1 table and 0 indexes: about $0.17 per month")
    assert told[3].startswith("my-table - reads ")
    assert told[4] == "the tables belong to account 123456789012"
    assert told[5].startswith("check 1: 1 looked at")
    assert len(told) == 6
