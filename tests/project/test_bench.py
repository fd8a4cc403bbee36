"""The benchmarks still run: tiny sizes, all tables. Whether their figures are good is for `make bench` to tell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
DOCUMENT = BENCH.parent.parent / "docs" / "performance.md"


def run(*arguments: str) -> str:
    words = [sys.executable, str(BENCH / "run.py"), "--tiny", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def headings(text: str) -> list[str]:
    """What the tables are called, without their sizes."""
    lines = (re.sub(r"[\d,]+ (days|tables)", r"some \1", line) for line in text.splitlines())
    return [line.split(" (")[0] for line in lines if line.startswith("### ")]


def rows(text: str, heading: str) -> list[list[str]]:
    lines = text.split(f"### {heading}")[1].split("###", maxsplit=1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]


@pytest.fixture(scope="module")
def printed() -> str:
    return run()


def test_all_tables_are_printed_and_quoted_in_the_documentation(printed: str) -> None:
    assert headings(printed) == [
        "### Calls per check",
        "### Seconds per check, one index per table",
        "### Milliseconds of CPU per table",
        "### Quiet checks: one index per table, every 60 s",
        "### Prometheus metrics of some tables with an index each",
        "### Peak resident memory",
        "### Start-up",
        "### Without calls",
        "### CloudWatch cost of the checks",
        "### Rehearsal of some days, 60-second checks, with rivals",
        "### Targets",
    ]
    quoted = headings(DOCUMENT.read_text("utf-8"))
    assert [heading for heading in headings(printed) if heading not in quoted] == []


def test_no_call_too_many(printed: str) -> None:
    found = rows(printed, "Calls per check")
    assert len(found) == 8
    assert {row[-1] for row in found} == {"1.00"}


def test_quiet_checks_describe_their_share(printed: str) -> None:
    found = rows(printed, "Quiet checks")
    assert [row[:6] for row in found if row[0] == "10"] == [
        ["10", "any", "first", "1", "10", "1"],
        ["10", "60 s", "later", "1", "10", "1"],
        ["10", "300 s", "later", "0.2", "2", "1"],
        ["10", "3,600 s", "later", "0", "0", "1"],
    ]


def test_a_tables_metrics_and_their_price(printed: str) -> None:
    assert rows(printed, "CloudWatch cost") == [
        ["a table", "2", "$0.86", "$0.17"],
        ["a table with an index", "4", "$1.73", "$0.35"],
        ["a table with an index, throttle metrics of both axes", "8", "$3.46", "$0.69"],
    ]


def test_one_large_check() -> None:
    assert [row[4:7] for row in rows(run("--large"), "The first check of 20 tables")] == [["1", "20", "1"]] * 2


def test_the_stub_delays_and_counts() -> None:
    words = [sys.executable, str(BENCH / "stub.py"), "150", "0", "50"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stub:  # noqa: S603
        assert stub.stdin is not None
        assert stub.stdout is not None
        url = f"http://127.0.0.1:{stub.stdout.readline().strip()}/"

        def ask(operation: str, body: dict[str, str]) -> dict[str, object]:
            headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}
            request = urllib.request.Request(url, json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                told: dict[str, object] = json.load(answer)
            return told

        first = ask("ListTables", {})
        assert first["LastEvaluatedTableName"] == "table-00099"
        second = ask("ListTables", {"ExclusiveStartTableName": "table-00099"})
        assert second == {"TableNames": [f"table-{number:05}" for number in range(100, 150)]}
        with urllib.request.urlopen(f"{url}?latency=0", timeout=30) as answer:  # noqa: S310
            assert json.load(answer) == {"calls": {"ListTables": 2}, "peaks": {"ListTables": 2}, "metrics": 0}
        stub.stdin.close()
        assert stub.wait(30) == 0
