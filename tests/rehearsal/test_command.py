"""`--simulate` on the command line: the console script with real files, and CloudWatch behind HTTP."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer, HoldFault, SlowFault, always
from conftest import ACCOUNT, PATIENCE, SCRIPT, environment, seconds_of_processor

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

Done = subprocess.CompletedProcess
NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
ORDERS = ("--table-name", "^orders$")
OUTCOME = {
    "name",
    "kind",
    "read_unit_hours",
    "write_unit_hours",
    "dollars",
    "dollars_hour_maximum",
    "demand_units",
    "throttled_units",
    "throttled_percent",
    "throttled_minutes",
    "utilization_percent",
    "increases",
    "decreases",
    "refused",
}


def run(*words: str, folder: Path | None = None, **env: str) -> Done[str]:
    given = environment(**{**ACCOUNT, **NOWHERE, **env})
    return subprocess.run(  # noqa: S603 - the console script
        [str(SCRIPT), *words], check=False, text=True, capture_output=True, timeout=120, env=given, cwd=folder
    )


def document(done: Done[str]) -> dict[str, Any]:
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def trace(folder: Path, *units: float, name: str = "orders.csv") -> Path:
    """A series of minutes."""
    path = folder / name
    rows = [f"{1767571200 + 60 * number},{value}" for number, value in enumerate(units)]
    path.write_text("\n".join(["timestamp,units_per_second", *rows, ""]), "utf-8")
    return path


def conf(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def refused(done: Done[str]) -> str:
    """One line on stderr, exit 2."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("dynamic-dynamodb: error: ")
    return line.removeprefix("dynamic-dynamodb: error: ")


# What comes out


def test_a_day_of_sales_as_a_table() -> None:
    done = run(*ORDERS, "--simulate", "sales-day")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "sales-day: 1 table, 1 day"
    assert lines[1] == "from 2026-01-05 00:00 to 2026-01-06 00:00 UTC"
    assert [line[:26].strip() for line in lines[5:10]] == [
        "this configuration",
        "AWS target tracking 70 %",
        "on demand",
        "highest minute, always",
        "the least",
    ]
    assert "Prices: us-east-1, 2025-06 (built in)" in done.stdout
    # After throttled units, percent, minutes and what is used: the least counts its changes per axis, so it shows none.
    least = next(line for line in lines[11:] if line.startswith("the least"))
    assert len(least.split()) == 2 + 4


def test_json_in_the_form_of_the_contract() -> None:
    found = document(run(*ORDERS, "--simulate", "sales-day", "--output", "json"))
    assert {"source", "from", "to", "minutes", "prices", "outcomes", "resources"} <= set(found)
    assert (found["source"], found["minutes"]) == ("sales-day", 1440)
    assert (found["from"], found["to"]) == ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z")
    kinds = ["configuration", "target-tracking", "on-demand", "peak", "least"]
    assert [one["kind"] for one in found["outcomes"]] == kinds
    (resource,) = found["resources"]
    assert (resource["table"], resource["index"]) == ("orders", None)
    assert [one["kind"] for one in resource["outcomes"]] == kinds
    for one in (*found["outcomes"], *resource["outcomes"]):
        assert set(one) >= OUTCOME
    for one in resource["outcomes"]:
        assert set(one["axes"]) == {"reads", "writes"}
        assert set(one["axes"]["reads"]) >= OUTCOME
        assert one["dollars"] == pytest.approx(sum(axis["dollars"] for axis in one["axes"].values()), abs=1e-5)
    changes = resource["outcomes"][0]["changes"]
    assert changes[0]["reasons"][0].startswith("reads ")
    assert len(changes) >= resource["outcomes"][0]["increases"] > 0


def test_a_trace_on_one_axis(tmp_path: Path) -> None:
    path = trace(tmp_path, *[70] * 120)
    found = document(run(*ORDERS, "--simulate", str(path), "--simulate-axis", "writes", "--output", "json"))
    assert [found["outcomes"][0][name] for name in ("read_unit_hours", "write_unit_hours")] == [2, 200]
    assert found["source"] == str(path)


RECORDED = "timestamp,table,index,reads,writes,provisioned_reads,provisioned_writes"


def recorded(folder: Path, *rows: str, minutes: int = 120) -> Path:
    """Tables with what they had; a row is all that follows the time."""
    path = folder / "recorded.csv"
    lines = [f"{1767571200 + 60 * number},{row}" for number in range(minutes) for row in rows]
    path.write_text("\n".join([RECORDED, *lines, ""]), "utf-8")
    return path


def by_kind(outcomes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in reversed(outcomes)}


def test_every_scheme_knows_the_same_past(tmp_path: Path) -> None:
    """100 a second of 1,000: the configuration and AWS decrease in the first minute; AWS to 100 / .7."""
    path = recorded(tmp_path, "orders,,100,65,1000,100")
    (resource,) = document(run(*ORDERS, "--simulate", str(path), "--output", "json"))["resources"]
    found = by_kind(resource["outcomes"])
    assert found["configuration"]["changes"][0]["at"] == "2026-01-05T00:00:00Z"
    assert found["target-tracking"]["read_unit_hours"] == pytest.approx((1000 + 143 * 119) / 60)


def test_utilization_is_of_what_was_provisioned(tmp_path: Path) -> None:
    """What a table on demand consumed has no capacity beside it."""
    path = recorded(tmp_path, "orders,,50,50,100,100", "users,,900,900,,")
    file = conf(tmp_path, "a.conf", "[table: ^orders$]", "[table: ^users$]")
    words = ("--config", str(file), "--simulate", str(path))
    past = by_kind(document(run(*words, "--output", "json"))["outcomes"])["recorded"]
    assert past["utilization_percent"] == pytest.approx(50)
    assert past["consumed_units"] == 2 * (50 + 900) * 7200
    note = "As recorded: unit hours and utilization leave out 1 table or index on demand."
    assert note in run(*words).stdout.splitlines()


def test_each_table_that_is_named_in_full_gets_the_series(tmp_path: Path) -> None:
    path = trace(tmp_path, *[70] * 120)
    sections = ("[table: ^orders$]", "[table: users]", "[table: ^logs-.*]", "[gsi: .* table: ^orders$]")
    file = conf(tmp_path, "a.conf", *sections)
    found = document(run("--config", str(file), "--simulate", str(path), "--output", "json"))
    assert [(one["table"], one["index"]) for one in found["resources"]] == [("orders", None), ("users", None)]


def test_several_configurations_on_the_same_demand(tmp_path: Path) -> None:
    path = trace(tmp_path, *[70] * 120)
    first = conf(tmp_path, "a.conf", "[table: ^orders$]")
    second = conf(tmp_path, "b.conf", "[table: ^orders$]", "min-provisioned-reads: 500")
    done = run("--config", str(first), "--config", str(second), "--simulate", str(path), "--output", "json")
    found = document(done)
    both = [one for one in found["outcomes"] if one["kind"] == "configuration"]
    assert [one["name"] for one in both] == [str(first), str(second)]
    assert [one["read_unit_hours"] for one in both] == [200, round(100 / 60 + 500 * 119 / 60, 6)]
    assert both[0]["demand_units"] == both[1]["demand_units"]


def test_each_configuration_is_seen_for_each_resource(tmp_path: Path) -> None:
    """With its dollars, what it throttled, and what bounds it."""
    path = tmp_path / "t.csv"
    rows = [f"{60 * n},{name},,70,7" for n in range(120) for name in ("orders", "users")]
    path.write_text("\n".join(["timestamp,table,index,reads,writes", *rows, ""]), "utf-8")
    sections = "[table: ^orders$]", "[table: ^users$]"
    conf(tmp_path, "a.conf", *sections)
    conf(tmp_path, "b.conf", *sections, "min-provisioned-reads: 500")
    conf(tmp_path, "c.conf", "[table: .*]", "max-provisioned-reads: 60", "min-provisioned-writes: 10")
    files = [word for name in "abc" for word in ("--config", f"{name}.conf")]
    done = run(*files, "--simulate", "t.csv", folder=tmp_path)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    begin = next(number for number, line in enumerate(lines) if line.startswith("dollars  "))
    part = lines[begin : lines.index("", begin)]
    aws, on_demand, least = "0.04", "0.09", "0.03"
    assert [line.split() for line in part if not line.startswith("    ")] == [
        ["dollars", "costs", "AWS", "on", "demand", "least", "throttled"],
        ["orders", aws, on_demand, least],
        ["a.conf", "0.04", "0.0000%"],
        ["b.conf", "0.04", "0.0000%"],
        ["c.conf", "0.03", "12.5541%"],
        ["users", aws, on_demand, least],
        ["a.conf", "0.04", "0.0000%"],
        ["b.conf", "0.14", "0.0000%"],
        ["c.conf", "0.03", "12.5541%"],
    ]
    assert part[5:7] == [
        "    reads at the maximum of 60, 99 % of the time",
        "    writes at the minimum of 10, 100 % of the time",
    ]
    assert part[10] == "    reads at the minimum of 500, 99 % of the time"


def test_what_was_recorded_stands_beside_each_table(tmp_path: Path) -> None:
    """In the place of the least. A table on demand says that it was."""
    path = recorded(tmp_path, "orders,,70,70,1000,1000", "users,,70,70,,")
    file = conf(tmp_path, "a.conf", "[table: .*]")
    lines = run("--config", str(file), "--simulate", str(path)).stdout.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("dollars  "))
    assert lines[begin].split() == ["dollars", "this", "recorded", "AWS", "on", "demand", "throttled"]
    rows = [line.split() for line in lines[begin + 1 : begin + 4]]
    assert rows[0][:3] == ["orders", "0.24", "1.56"]  # 1,000, half of it again and again; 1,000 for two hours
    assert rows[1][0] == "users"
    assert rows[1][2] == rows[1][4] == "0.38"  # 70 units of both axes for two hours, on demand
    assert lines[begin + 3] == "  on demand in reality, rehearsed as provisioned"


def test_configurations_of_one_table_name_keep_their_names(tmp_path: Path) -> None:
    """Each is a row, though --table-name is the section of all of them; a file may even be given twice."""
    first = conf(tmp_path, "a.conf", "[global]", "check-interval: 60")
    second = conf(tmp_path, "b.conf", "[global]", "check-interval: 600")
    files = [word for name in (first, second, f"{tmp_path}/./b.conf") for word in ("--config", str(name))]
    found = document(run(*ORDERS, *files, "--simulate", "sales-day", "--output", "json"))
    names = [one["name"] for one in found["outcomes"] if one["kind"] == "configuration"]
    assert names == [str(first), str(second), f"{second} (2)"]


def test_what_it_costs_to_run(tmp_path: Path) -> None:
    """Two metrics of each of three resources in each of 24 checks, one cent a thousand; AWS has 24 alarms."""
    path = tmp_path / "t.csv"
    rows = [f"{60 * n},{name},70,7" for n in range(120) for name in ("orders,", "orders,by-date", "users,")]
    path.write_text("\n".join(["timestamp,table,index,reads,writes", *rows, ""]), "utf-8")
    file = conf(tmp_path, "a.conf", "[table: .*]", "[gsi: .* table: .*]")
    words = ("--config", str(file), "--simulate", str(path))
    found = document(run(*words, "--output", "json"))
    running = {one["kind"]: one["running"] for one in found["outcomes"]}
    assert running["configuration"] == {"dollars": 144 * 0.00001, "metrics": 144, "alarms": 0}
    assert running["target-tracking"] == {"dollars": round(24 * 0.1 * 120 / 43_200, 6), "metrics": 0, "alarms": 24}
    assert running["on-demand"] == running["peak"] == {"dollars": 0, "metrics": 0, "alarms": 0}
    assert running["least"] is None
    assert [one["outcomes"][0]["running"]["metrics"] for one in found["resources"]] == [48] * 3
    assert found["prices"]["cloudwatch"] == {"thousand_metrics": 0.01, "alarm_month": 0.1}

    of_file = conf(tmp_path, "p.ini", "[standard]", *PRICES, "[cloudwatch]", "thousand-metrics: 10", "alarm-month: 30")
    lines = run(*words, "--prices", str(of_file)).stdout.splitlines()
    # 144 metrics at a cent each; 24 alarms at 30 dollars, for a 360th of a month; the least is nothing that runs.
    assert [line[67:74].strip() for line in lines[4:10]] == ["to run", "1.44", "2.00", "0.00", "0.00", ""]


def test_the_figures_advise_what_to_rehearse_next() -> None:
    words = (*ORDERS, "--simulate", "sales-day")
    (sentence,) = document(run(*words, "--output", "json"))["advice"]
    assert sentence.startswith("this configuration throttled 35,715 units on orders. Rehearse check-interval: 60 with")
    assert sentence in " ".join(run(*words).stdout.split())
    assert document(run(*words, "--check-interval", "60", "--output", "json"))["advice"] == []


def test_the_limit_that_bounds_a_result_is_named(tmp_path: Path) -> None:
    path = trace(tmp_path, *[70] * 1440)
    done = run(*ORDERS, "--max-provisioned-reads", "80", "--simulate", str(path))
    assert "  reads at the maximum of 80, 100 % of the time" in done.stdout.splitlines()


def test_the_limits_of_a_schedule_bound_a_result_while_it_holds(tmp_path: Path) -> None:
    """A minimum of 100 until 06:00 and again from 18:00 on, where 200 are left; 400 within a minute of 06:00."""
    path = trace(tmp_path, *[70] * 1440)
    file = conf(
        tmp_path,
        "a.conf",
        "[table: ^orders$]",
        "min-provisioned-reads: 100",
        "[schedule: rush table: ^orders$]",
        "when: daily 06:00-18:00",
        "min-provisioned-reads: 400",
        "max-provisioned-reads: 400",
    )
    words = ("--config", str(file), "--simulate", str(path))
    (resource,) = document(run(*words, "--output", "json"))["resources"]
    moves = [(one["at"][11:16], one["reads"]) for one in resource["outcomes"][0]["changes"]]
    assert moves[:2] == [("06:00", [100, 400]), ("18:00", [400, 200])]
    bounds = {one["limit"]: one["percent"] for one in resource["outcomes"][0]["bounds"] if one["axis"] == "reads"}
    assert bounds["minimum of 100"] == pytest.approx(25)  # not in the minute from 06:00 on
    assert bounds["minimum of 400"] == bounds["maximum of 400"] == pytest.approx(100 * 719 / 1440, abs=0.01)
    lines = run(*words).stdout.splitlines()
    assert "  reads at the minimum of 400, 50 % of the time" in lines
    assert "  reads at the maximum of 400, 50 % of the time" in lines


def test_decisions_are_logged_at_the_virtual_time(tmp_path: Path) -> None:
    path = trace(tmp_path, *[50] * 720, *[200] * 720)
    done = run(*ORDERS, "--simulate", str(path), "--log-level", "info", TZ="America/New_York")
    assert done.returncode == 0
    line = next(line for line in done.stderr.splitlines() if "->" in line)
    assert line.startswith(
        "2026-01-05 12:15:00,000 - dynamic-dynamodb - INFO - orders - reads 200.0 % of 72 >= 90 %: 72 ->"
    )
    assert run(*ORDERS, "--simulate", str(path)).stdout == done.stdout


PRICES = ("read-unit-hour: 0.1", "write-unit-hour = 0.00065 ; dear", "million_reads: 0.125", "million-writes: 2")


def test_prices_of_a_file(tmp_path: Path) -> None:
    path = trace(tmp_path, *[70] * 60)
    about = ("[prices]", "region: eu-west-1", "date: 2026-01")
    file = conf(tmp_path, "prices.ini", *about, "[standard]", *PRICES)
    done = run(*ORDERS, "--simulate", str(path), "--prices", str(file), "--output", "json")
    found = document(done)
    assert found["outcomes"][0]["dollars"] == pytest.approx(100 * 0.1 + 100 * 0.00065)
    assert found["outcomes"][2]["dollars"] == pytest.approx(70 * 3600 * (0.125e-6 + 2e-6), abs=1e-6)
    assert (found["prices"]["region"], found["prices"]["source"]) == ("eu-west-1", str(file))
    assert "Prices: eu-west-1, 2026-01" in run(*ORDERS, "--simulate", str(path), "--prices", str(file)).stdout


def test_less_than_a_day_is_shown_in_totals(tmp_path: Path) -> None:
    text = run(*ORDERS, "--simulate", str(trace(tmp_path, *[0] * 90))).stdout
    assert "1 table, 1.5 hours" in text
    assert "per day" not in text
    assert "  reads at 1, the lowest possible, 100 % of the time" in text.splitlines()


def test_gaps_are_told(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("timestamp,units_per_second\n0,70\n60,70\n240,70\n", "utf-8")
    assert "2 minutes were missing, and have the value before them" in run(*ORDERS, "--simulate", str(path)).stdout


def test_a_saved_trace_gives_the_same_again(tmp_path: Path) -> None:
    saved = tmp_path / "saved.csv"
    first = run(*ORDERS, "--simulate", "sales-day", "--save-trace", str(saved), "--output", "json")
    again = run(*ORDERS, "--simulate", str(saved), "--output", "json")
    assert document(first)["outcomes"] == document(again)["outcomes"]


def test_a_trace_may_replace_an_older_one_and_nothing_else(tmp_path: Path) -> None:
    source, other, saved = trace(tmp_path, *[70] * 60), conf(tmp_path, "notes.txt", "mine"), tmp_path / "saved.csv"
    link = tmp_path / "link.csv"
    link.symlink_to(source)
    before = source.read_bytes()
    for path in (source, link, tmp_path / "." / source.name):
        line = refused(run(*ORDERS, "--simulate", str(source), "--save-trace", str(path)))
        assert line == f"--save-trace {path}: is the file that --simulate reads; choose another name"
    for path in (other, conf(tmp_path, "empty.csv")):
        line = refused(run(*ORDERS, "--simulate", str(source), "--save-trace", str(path)))
        reason = "the file exists and is not a saved trace; delete it, or choose another name"
        assert line == f"--save-trace {path}: {reason}"
    assert (source.read_bytes(), other.read_text()) == (before, "mine\n")
    for words in ((str(source),), ("sales-day",)):
        assert run(*ORDERS, "--simulate", *words, "--save-trace", str(saved)).returncode == 0
    assert len(saved.read_text().splitlines()) == 1 + 1440
    assert "is the file" in refused(run(*ORDERS, "--simulate", str(saved), "--save-trace", str(saved)))


def test_an_index_without_a_section_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    rows = [f"{60 * n},orders,{index},70,7" for n in range(60) for index in ("", "by-date", "by-name")]
    path.write_text("\n".join(["timestamp,table,index,reads,writes", *rows, ""]), "utf-8")
    file = conf(tmp_path, "a.conf", "[table: ^orders$]", "[gsi: by-date table: ^orders$]", "min-provisioned-reads: 400")
    done = run("--config", str(file), "--simulate", str(path))
    assert "orders/by-date" in done.stdout
    assert f"orders/by-name: left out, because no section of {file} matches it." in " ".join(done.stdout.split())


# What is refused


@pytest.mark.parametrize(
    ("sections", "table", "index"),
    [
        (("[table: ^(a+)+$]",), "a" * 50 + "b", ""),
        (("[table: ^orders$]", "[gsi: ^(a+)+$ table: ^orders$]"), "orders", "a" * 50 + "b"),
    ],
)
def test_an_expression_that_backtracks(sections: tuple[str, ...], table: str, index: str, tmp_path: Path) -> None:
    """Refused, not awaited for ever."""
    path = tmp_path / "trace.csv"
    rows = [f"{60 * n},{table},{one},70,7" for n in range(60) for one in {"", index}]
    path.write_text("\n".join(["timestamp,table,index,reads,writes", *rows, ""]), "utf-8")
    text = refused(run("--config", str(conf(tmp_path, "a.conf", *sections)), "--simulate", str(path)))
    assert f"{sections[-1]}: it took more than 2 s to match it with {index or table}" in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--simulate", "nothing.csv"), "nothing.csv: cannot be read: No such file or directory"),
        (("--simulate", "sales-day", "--prices", "nothing.ini"), "nothing.ini: cannot be read"),
        (("--simulate", "sales-day", "--save-trace", "no/folder.csv"), "no/folder.csv: cannot be written"),
        (("--simulate", "sales-day", "--simulate-axis", "both"), "--simulate-axis: 'both'"),
        (("--simulate", "sales-day", "--output", "xml"), "--output: 'xml'"),
        (("--simulate", "sales-day", "--daemon", "start"), "--daemon: cannot be combined with --simulate"),
        (("--simulate", "sales-day", "--run-once"), "--run-once: cannot be combined with --simulate"),
        (("--simulate", "sales-day", "--metrics-port", "9190"), "--metrics-port: cannot be combined with --simulate"),
        (("--simulate", "cloudwatch", "--simulate-days", "16"), "--simulate-days"),
        (("--simulate", "cloudwatch", "--simulate-axis", "reads"), "--simulate-axis: works only with one series"),
        *(
            (("--simulate", "sales-day", flag), f"{flag}: cannot be combined with --simulate")
            for flag in ("--dry-run", "--show-config", "--print-iam-policy", "--show-schedule")
        ),
        (("--simulate", "sales-day", "--simulate-days", "7"), "--simulate-days: works only with --simulate cloudwatch"),
        (("--simulate", "sales-dya"), "--simulate sales-dya: no such file; did you mean sales-day?"),
        (("--simulate-days", "7"), "--simulate-days: needs --simulate"),
        (("--save-trace", "a.csv"), "--save-trace: needs --simulate"),
        (("--output", "json"), "--output: needs --simulate"),
    ],
)
def test_flags_that_do_not_work(words: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    assert problem in refused(run(*ORDERS, *words, folder=tmp_path))


def test_several_configurations_without_simulate(tmp_path: Path) -> None:
    file = conf(tmp_path, "a.conf", "[table: ^orders$]")
    assert "only --simulate compares" in refused(run("--config", str(file), "--config", str(file), "--run-once"))


def test_every_problem_of_every_configuration_is_told(tmp_path: Path) -> None:
    bad = conf(tmp_path, "a.conf", "[table: ^orders$]", "min-provisioned-reads: none")
    done = run("--config", str(bad), "--config", str(tmp_path / "b.conf"), "--simulate", "sales-day", "--prise")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3


def test_no_table_named_in_full(tmp_path: Path) -> None:
    line = refused(run("--table-name", "^orders-.*", "--simulate", "sales-day"))
    assert "one series needs a table that --table-name names in full, such as --table-name '^orders$'" in line
    file = conf(tmp_path, "a.conf", "[table: ^orders-.*]")
    line = refused(run("--config", str(file), "--simulate", "sales-day"))
    assert "one series needs a table that a section names in full, such as [table: ^orders$]" in line


def test_a_table_that_no_section_matches(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("timestamp,table,index,reads,writes\n0,orders,,1,1\n0,users,,1,1\n60,orders,,1,1\n", "utf-8")
    assert refused(run(*ORDERS, "--simulate", str(path))).startswith(f"{path}:3: table users: no section of")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ["[standard]", "read-unit-hour: cheap"],
            ":2: read-unit-hour: must be an amount in dollars, 0 or more, not 'cheap'",
        ),
        (["[standard]", "read-unit-hour: -1"], ":2: read-unit-hour: must be an amount in dollars"),
        (["[standard]", "read-unit-hour: nan"], ":2: read-unit-hour: must be an amount in dollars"),
        (["[standard]", *PRICES, "reads: 1"], ":6: reads: unknown option"),
        (["[standard]", *PRICES[1:]], ":1: [standard]: read-unit-hour missing; set all four prices"),
        (["[standard]", *PRICES[:2]], ":1: [standard]: million-reads and million-writes missing; set all four"),
        (["[standard]", *PRICES, PRICES[0]], ":6: read-unit-hour: is set twice in [standard]"),
        (["[standard]", *PRICES, "[Standard]"], ":6: [Standard]: appears twice"),
        (["[standard]", *PRICES, "cheap"], ":6: 'cheap': is neither a [section] nor a line like"),
        (["[standard-ia]", *PRICES], "orders needs a section [standard] with its four prices"),
        (
            ["[dear]", "[standard]", *PRICES],
            ":1: [dear]: unknown section; there are [prices], [standard], [standard-ia] and [cloudwatch]",
        ),
        (["[cloudwatch]", "alarm: 1"], ":2: alarm: unknown option; there are thousand-metrics, alarm-month"),
        (
            ["[cloudwatch]", "alarm-month: -1", "[standard]", *PRICES],
            ":2: alarm-month: must be an amount in dollars",
        ),
        (["[cloudwatch]", "alarm-month: 1"], "has no prices; add a section [standard] or [standard-ia]"),
        (["[prices]", "region: x"], "has no prices"),
        (["read-unit-hour: 1"], ":1: read-unit-hour: comes before the first section"),
    ],
)
def test_bad_prices(lines: list[str], problem: str, tmp_path: Path) -> None:
    file = conf(tmp_path, "prices.ini", *lines)
    done = run(*ORDERS, "--simulate", "sales-day", "--prices", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line.removeprefix("dynamic-dynamodb: error: ") for line in done.stderr.splitlines()]
    assert any(problem in line for line in lines)
    assert all(line.startswith(str(file)) for line in lines)


# Progress and the end


class Terminal:
    """The console script, with its stderr on a terminal and its stdout in a pipe."""

    def __init__(self, *words: str, **env: str) -> None:
        given = environment(**{**ACCOUNT, **NOWHERE, **env})
        self._terminal, side = pty.openpty()
        self.process = subprocess.Popen(  # noqa: S603 - the console script
            [str(SCRIPT), *words], stdout=subprocess.PIPE, stderr=side, env=given, start_new_session=True
        )
        os.close(side)

    def interrupt(self) -> float:
        """Press Ctrl-C, which all processes of a terminal get. Returns how many seconds it took to end."""
        begun = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=PATIENCE)
        return time.monotonic() - begun

    def end(self) -> tuple[int, str, str]:
        """The exit code, what stdout got, and what the terminal shows."""
        shown = b""
        with contextlib.suppress(OSError):  # the other side is closed, and all is read
            while True:
                shown += os.read(self._terminal, 100_000)
        os.close(self._terminal)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), shown.decode()


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


CLEARED = "\r\033[K"
AT_WORK = 1.5  # seconds of processor: a start takes less than half a second


def test_progress_on_a_terminal_and_none_in_a_pipe(tmp_path: Path) -> None:
    words = (*ORDERS, "--simulate", str(trace(tmp_path, *[70] * 600)))
    code, out, shown = Terminal(*words).end()
    assert (code, out) == (0, run(*words).stdout)
    assert shown.startswith("\rrehearsing [")
    assert shown.endswith("100 %" + CLEARED)
    assert run(*words).stderr == ""


def test_progress_of_several_processes(tmp_path: Path) -> None:
    """Of two groups of tables: more is to be seen than that one of them is done."""
    file = conf(tmp_path, "a.conf", *(f"[table: ^table-{number:02}$]" for number in range(12)))
    words = ("--config", str(file), "--simulate", str(trace(tmp_path, *[70] * 5000)))
    code, _, shown = Terminal(*words).end()
    assert code == 0
    percents = [int(percent) for percent in re.findall(r"(\d+) %", shown.split(CLEARED)[0])]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert {percent for percent in percents if percent not in (0, 50, 100)}


def test_no_progress_beside_the_log(tmp_path: Path) -> None:
    words = (*ORDERS, "--simulate", str(trace(tmp_path, *[70] * 600)), "--log-level", "warning")
    code, _, shown = Terminal(*words).end()
    assert (code, shown) == (0, "")


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


# A second, on a machine that does nothing else.
SOON = 5


@pytest.mark.parametrize(("tables", "seconds"), [(1, 3), (12, 0), (12, 0.1), (12, 0.4), (12, 3)])
def test_control_c_ends_it_within_a_second(tables: int, seconds: float, tmp_path: Path) -> None:
    """Twelve tables are rehearsed by several processes, if there are processors for them: also while these start."""
    path = trace(tmp_path, *[70] * 43_200)
    file = conf(tmp_path, "a.conf", *(f"[table: ^table-{number:02}$]" for number in range(tables)))
    words = [str(SCRIPT), "--config", str(file), "--simulate", str(path), "--check-interval", "10"]
    env = environment(**ACCOUNT, **NOWHERE)
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True)  # noqa: S603
    if tables > 1 and len(os.sched_getaffinity(0)) > 1:
        wait_until(lambda: children(running.pid))
    else:
        wait_until(lambda: seconds_of_processor(running.pid) > AT_WORK)
    time.sleep(seconds)
    begun = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=30)
    assert time.monotonic() - begun < SOON
    assert (running.returncode, out, errors) == (130, b"", b"")


def test_control_c_leaves_a_clean_terminal(tmp_path: Path) -> None:
    terminal = Terminal(*ORDERS, "--simulate", str(trace(tmp_path, *[70] * 43_200)), "--check-interval", "10")
    wait_until(lambda: seconds_of_processor(terminal.process.pid) > AT_WORK)
    assert terminal.interrupt() < SOON
    code, out, shown = terminal.end()
    assert (code, out) == (130, "")
    assert shown.startswith("\rrehearsing [")
    assert shown.endswith(CLEARED)


def test_a_reader_who_has_seen_enough(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    env = environment(**ACCOUNT, **NOWHERE)
    words = [str(SCRIPT), *ORDERS, "--simulate", str(trace(tmp_path, *[70] * 60))]
    done = subprocess.run(words, check=False, stdout=write, stderr=subprocess.PIPE, timeout=60, env=env)  # noqa: S603
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


# CloudWatch


@pytest.fixture
def server() -> Iterator[AwsServer]:
    """Three tables, one of them on demand, and an index; their load has always been so."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(retention=16 * 86_400))
    world.add_table("orders", 100, 50, indexes={"by-date": (20, 10)})
    world.add_table("users", billing_mode="PAY_PER_REQUEST")
    world.add_table("other", 5, 5)
    for target, reads in ((Target("orders"), 110), (Target("orders", "by-date"), 7), (Target("users"), 70)):
        world.set_load(target, "reads", reads)
        world.set_load(target, "writes", 7)
    world.set_hot_key(Target("orders", "by-date"), "writes", 2)
    with AwsServer(world) as made:
        yield made


SECTIONS = ("[table: ^orders$]", "[gsi: .* table: ^orders$]", "[table: ^users$]")


def test_what_was_asked_of_cloudwatch(server: AwsServer, tmp_path: Path) -> None:
    file, saved = conf(tmp_path, "a.conf", *SECTIONS), tmp_path / "saved.csv"
    words = ("--config", str(file), "--simulate", "cloudwatch", "--simulate-days", "2", "--save-trace", str(saved))
    done = run(*words, "--output", "json", AWS_ENDPOINT_URL=server.url)
    found = document(done)
    assert found["minutes"] == 2880
    end = datetime.fromisoformat(found["to"].replace("Z", "+00:00"))
    assert timedelta(minutes=4) < datetime.now(timezone.utc) - end < timedelta(minutes=10)
    assert [(one["table"], one["index"]) for one in found["resources"]] == [
        ("orders", None),
        ("orders", "by-date"),
        ("users", None),
    ]
    kinds = [one["kind"] for one in found["outcomes"]]
    assert kinds == ["configuration", "recorded", "target-tracking", "on-demand", "peak", "least"]
    orders, by_date, users = ({one["kind"]: one for one in each["outcomes"]} for each in found["resources"])
    assert orders["recorded"]["read_unit_hours"] == 100 * 48
    assert orders["recorded"]["axes"]["reads"]["throttled_units"] == 10 * 60 * 2880
    assert orders["recorded"]["demand_units"] == (110 + 7) * 60 * 2880
    assert by_date["recorded"]["axes"]["writes"]["throttled_units"] == 2 * 60 * 2880
    assert by_date["configuration"]["axes"]["writes"]["throttled_units"] == pytest.approx(2 * 60 * 2880)
    assert users["recorded"]["dollars"] == pytest.approx(users["on-demand"]["dollars"])
    assert found["resources"][2]["on_demand"]
    assert found["region"] == "us-east-1"

    # Nothing but reads, and as few calls as the limits allow: 8 metrics of 3 resources, a page for each 100,800 points.
    calls = server.world.calls
    assert set(calls) == {"ListTables", "DescribeTable", "GetMetricData"}
    assert calls["GetMetricData"] == 1  # 3 resources of 8 metrics, and 9 of them have a datapoint each minute

    again = document(run("--config", str(file), "--simulate", str(saved), "--output", "json"))
    for before, after in zip(found["outcomes"], again["outcomes"], strict=True):
        assert before == {**after, "dollars": pytest.approx(after["dollars"], rel=1e-6)}


def test_pages_of_many_datapoints(server: AwsServer, tmp_path: Path) -> None:
    file = conf(tmp_path, "a.conf", *SECTIONS[:2], "[global]", "check-interval: 3600")
    done = run("--config", str(file), "--simulate", "cloudwatch", AWS_ENDPOINT_URL=server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cloudwatch: 1 table and 1 index, 14 days\n")
    points = 20_160 * (2 * 2 + 3) + 4 * 20_160 // 5
    assert server.world.calls["GetMetricData"] == -(-points // 100_800) == 2


def test_progress_of_reading_cloudwatch(server: AwsServer) -> None:
    """Two pages: there is something to be seen between the beginning and the end."""
    words = (*ORDERS, "--simulate", "cloudwatch", "--check-interval", "3600")
    pages = [always("GetMetricData", SlowFault(2, 0.1))]
    server.faults += pages
    server.world.rules = replace(server.world.rules, results_per_page=2)
    code, out, shown = Terminal(*words, AWS_ENDPOINT_URL=server.url).end()
    assert (code, out[:10]) == (0, "cloudwatch")
    reading, rehearsing = shown.split(CLEARED)[:2]
    assert re.findall(r"\rreading CloudWatch \[[# ]{30}\] +(\d+) %", reading) == ["0", "25", "50", "75", "100"]
    assert rehearsing.startswith("\rrehearsing [")
    assert shown.endswith(CLEARED)
    piped = run(*words, AWS_ENDPOINT_URL=server.url)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert "reading" not in piped.stdout


@pytest.mark.parametrize("operation", ["ListTables", "DescribeTable", "GetMetricData"])
def test_control_c_while_cloudwatch_does_not_answer(server: AwsServer, operation: str) -> None:
    server.faults.append(always(operation, HoldFault(threading.Event())))
    terminal = Terminal(*ORDERS, "--simulate", "cloudwatch", AWS_ENDPOINT_URL=server.url)
    wait_until(lambda: server.calls[operation])
    assert terminal.interrupt() < SOON
    code, out, shown = terminal.end()
    assert (code, out) == (130, "")
    assert shown.startswith("\rreading CloudWatch [")
    assert shown.endswith(CLEARED)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("ListTables", "ListTables failed: AccessDeniedException"),
        ("DescribeTable", "DescribeTable failed: AccessDeniedException"),
        ("GetMetricData", "GetMetricData failed: AccessDeniedException"),
    ],
)
def test_what_cloudwatch_refuses(server: AwsServer, operation: str, message: str) -> None:
    denied = RefusedError("AccessDeniedException", "no")
    server.world.fault = lambda called, _: denied if called == operation else None
    done = run("--table-name", "^orders.*", "--simulate", "cloudwatch", AWS_ENDPOINT_URL=server.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_tables_named_in_full_need_no_list(server: AwsServer) -> None:
    denied = RefusedError("AccessDeniedException", "no")
    server.world.fault = lambda called, _: denied if called == "ListTables" else None
    words = (*ORDERS, "--simulate", "cloudwatch", "--simulate-days", "1")
    assert run(*words, AWS_ENDPOINT_URL=server.url).returncode == 0


def test_what_is_left_out_is_named_with_its_configuration(server: AwsServer, tmp_path: Path) -> None:
    first = conf(tmp_path, "a.conf", *SECTIONS)
    second = conf(tmp_path, "b.conf", SECTIONS[0])
    words = ("--config", str(first), "--config", str(second), "--simulate", "cloudwatch", "--simulate-days", "1")
    found = document(run(*words, "--output", "json", AWS_ENDPOINT_URL=server.url))
    assert [(one["table"], one["index"]) for one in found["resources"]] == [("orders", None)]
    assert found["notes"] == [
        f"users: left out, because no section of {second} matches it.",
        f"orders/by-date: left out, because no section of {second} matches it.",
    ]


def test_the_prices_of_another_region(server: AwsServer) -> None:
    words = (*ORDERS, "--simulate", "cloudwatch", "--simulate-days", "1", "--check-interval", "3600")
    done = run(*words, "--region", "eu-west-1", AWS_ENDPOINT_URL=server.url)
    assert "Prices: us-east-1, 2025-06 (built in), not those of eu-west-1; use --prices FILE." in " ".join(
        done.stdout.split()
    )
    done = run(*words, "--region", "us-east-1", AWS_ENDPOINT_URL=server.url)
    assert "Prices: us-east-1, 2025-06 (built in). AWS does not say" in " ".join(done.stdout.split())


def test_no_table_at_all(server: AwsServer) -> None:
    line = refused(run("--table-name", "^none$", "--simulate", "cloudwatch", AWS_ENDPOINT_URL=server.url))
    assert line == "--simulate cloudwatch: no table matches the configuration"


def test_the_columns_of_a_saved_trace(server: AwsServer, tmp_path: Path) -> None:
    saved = tmp_path / "saved.csv"
    words = (*ORDERS, "--simulate", "cloudwatch", "--simulate-days", "1", "--save-trace", str(saved))
    assert run(*words, AWS_ENDPOINT_URL=server.url).returncode == 0
    with saved.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1440
    row = rows[-1]
    assert (row["table"], row["index"], row["reads"], row["writes"]) == ("orders", "", "100", "7")
    assert (row["provisioned_reads"], row["throttled_reads"], row["throttled_writes"]) == ("100", "10", "0")
