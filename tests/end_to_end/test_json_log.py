"""`log-format: json` from the start to the end of a daemon: each line meets the schema, whatever happens."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_faults import AwsFault, MutateFault, always
from json_log import as_text, objects
from place import TABLE, Place, Spawn, heat, placed, table, until

from dynamic_dynamodb.decisions.model import Target

JSON = "log-format: json"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def found(place: Place, event: str, name: str | None = None) -> list[dict[str, Any]]:
    """The lines so far about this event, and this table."""
    return [one for one in objects(place.text()) if one["event"] == event and one.get("table") == name]


def test_a_day_in_the_life_of_a_daemon(place: Place) -> None:
    """Start, decision, change, alarm, what is left alone, failures, a new configuration, checks, stop."""
    log = f"log-file: {place.log}\n{JSON}"
    options = ("reads-upper-alarm-threshold: 80",)
    place.configure(*options, interval=1, logging=log, general="refresh-interval: 1")
    table(place.server, "my-hot-table", 95)
    pid = place.start()
    until(lambda: len(found(place, "check")) >= 2, place.text)
    table(place.server, "my-new-table")
    place.server.world.set_status(Target("my-new-table"), "CREATING")
    place.server.faults.append(always("GetMetricData", AwsFault("InternalFailure", "nothing to be had")))
    until(lambda: found(place, "left-alone", "my-new-table"), place.text)
    until(lambda: found(place, "failure", "my-table"), place.text)
    place.server.faults.clear()
    place.configure(*options, "reads-upper-threshold: 85", interval=2, logging=log)
    place.hang_up(pid)
    until(lambda: found(place, "reload"), place.text)
    assert place.run("stop").returncode == 0

    lines = list(objects(place.text()))
    (start,) = found(place, "start")
    assert start == lines[0]
    assert (start["pid"], start["instance"], start["configuration"]) == (pid, "test", str(place.conf))
    assert lines[-1]["event"] == "stop"
    assert {one["event"] for one in lines} == {
        *("start", "message", "decision", "change", "alarm", "left-alone", "failure", "reload", "check", "stop")
    }
    (change,) = found(place, "change", "my-hot-table")
    assert change["reads"].items() >= {"before": 100, "after": 150, "percent": 95.0, "rule": "consumption"}.items()
    assert change["writes"].items() >= {"before": 100, "after": 100, "rule": "between"}.items()
    assert change.items() >= {"check": 1, "account": "123456789012", "region": "us-east-1", "dry_run": False}.items()
    assert change["request_id"]
    failure = found(place, "failure", "my-table")[0]
    assert (failure["operation"], failure["code"]) == ("GetMetricData", "InternalFailure")
    changes = [one["message"] for one in found(place, "reload")]
    assert "SIGHUP: [global] check-interval: 1 -> 2" in changes
    assert "SIGHUP: [table: ^my-] reads-upper-threshold: 90 -> 85" in changes
    checks = found(place, "check")
    assert [one["check"] for one in checks] == list(range(1, len(checks) + 1))
    assert checks[0].items() >= {"looked_at": 2, "changed": 1, "failed": 0, "succeeded": True, "next": 1.0}.items()


def test_a_new_configuration_that_cannot_be_used(place: Place) -> None:
    log = f"log-file: {place.log}\n{JSON}"
    place.configure(logging=log)
    pid = place.start()
    place.configure(logging=log, general="refresh-interval: 0")
    place.hang_up(pid, "SIGHUP: the new configuration cannot be used, the old one stays")
    assert [(one["level"], one["message"]) for one in found(place, "reload")] == [
        ("error", f"{place.conf}:4: [global] refresh-interval: 0 is too small; the minimum is 1"),
        ("error", "SIGHUP: the new configuration cannot be used, the old one stays"),
    ]


def test_stderr_has_the_same_lines(place: Place) -> None:
    place.configure(logging=f"log-file: {place.log}\n{JSON}")
    done = place.run("foreground", "--run-once", "--dry-run", env={"FORCE_COLOR": "1"})
    assert done.stderr == place.text() != ""
    assert all(one["dry_run"] for one in objects(done.stderr))
    assert " - INFO - dryrun - my-table - reads 50.0 %" in as_text(done.stderr)


def test_what_dynamodb_refuses(place: Place) -> None:
    heat(place.server, "my-table", 95)
    refusal = AwsFault("LimitExceededException", "The number of reads is more than the account-level quota allows")
    place.server.faults.append(always("UpdateTable", refusal))
    done = place.run("foreground", "--run-once", "--log-format", "json")
    refused = [one for one in objects(done.stderr) if one["event"] == "refused"]
    assert [one.get("code") for one in refused] == ["LimitExceededException", None]
    assert refused[1]["reads"].items() >= {"before": 100, "after": 100, "wanted": 150}.items()
    assert refused[1]["held"][0]["by"] == "dynamodb"


def test_an_error_that_nobody_foresaw(place: Place) -> None:
    """Its traceback is within the object."""
    place.server.faults.append(always("DescribeTable", MutateFault(lambda answer: answer["Table"].update(TableArn=7))))
    config = place.home / "broken"
    config.mkdir()
    (config / "sitecustomize.py").write_text(
        "import dynamic_dynamodb.decisions.calculator as calculator\n\n\n"
        "def decide(*_):\n    raise RuntimeError('two\\nlines')\n\n\ncalculator.decide = decide\n"
    )
    path = os.pathsep.join(filter(None, (str(config), os.environ.get("PYTHONPATH"))))
    done = place.run("foreground", "--run-once", "--log-format", "json", env={"PYTHONPATH": path})
    (line,) = [one for one in objects(done.stderr) if "traceback" in one]
    assert line.items() >= {"event": "failure", "table": "my-table", "level": "error"}.items()
    assert [part.strip() for part in line["traceback"].splitlines()[-2:]] == ["RuntimeError: two", "lines"]
    assert done.returncode == 1


def test_a_full_disk_cuts_no_line(place: Place, spawn: Spawn) -> None:
    """What of a line had been written is taken back, and stderr has it in JSON that the file cannot be written."""
    place.configure(interval=1, logging=f"log-file: {place.log}\n{JSON}")
    program = spawn(*place.flags("fg"), "--config", str(place.conf), env=place.env())
    place.wait_for("my-table - reads 50.0 %")
    pid = program.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (place.log.stat().st_size + 20, before[1]))
    program.wait_for(r"cannot be written: File too large(?s:.*)looked at(?s:.*)looked at")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    place.wait_for(r"lines lost: \d+ \(File too large\)")
    assert program.end(signal.SIGTERM)[0] == 0
    kept = list(objects(place.text()))
    shown = list(objects(program.log))
    lost = [one for one in shown if one not in kept and "cannot be written" not in one["message"]]
    assert len(lost) >= 2
    (told,) = [one for one in kept if "lines lost" in one["message"]]
    assert f"lines lost: {len(lost)} (" in told["message"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_each_new_file_begins_with_the_header(place: Place, form: str) -> None:
    """After rotation, and after SIGHUP, also where the new configuration cannot be used."""
    place.log.write_text("of two days ago\n")
    then = time.time() - 2 * 86_400
    os.utime(place.log, (then, then))
    place.configure(interval=1, logging=f"log-file: {place.log}\nlog-format: {form}")
    pid = place.start()
    place.wait_for(r"check \d+: 1 looked at")
    who = rf"Dynamic DynamoDB \d+\.\d+\.\d+: .*, region us-east-1 .*; instance test, process {pid} on [^ ,;]+"
    first = place.text().splitlines()[0]
    assert re.search(who, first)
    for number, text in enumerate(("", "nonsense: 1\n")):
        place.log.rename(place.home / f"old-{number}")
        with place.conf.open("a") as file:
            file.write(text)
        os.kill(pid, signal.SIGHUP)
        until(lambda: place.log.exists() and re.search(rf"{who}, account 123456789012", place.text()), place.text)
    assert place.run("stop").returncode == 0


def test_how_many_old_files_are_kept(place: Place) -> None:
    """And the file that rotation has begun has the header once."""
    for day in range(1, 8):
        Path(f"{place.log}.2026-01-0{day}").write_text("old\n")
    place.log.write_text("of two days ago\n")
    then = time.time() - 2 * 86_400
    os.utime(place.log, (then, then))
    place.configure(logging=f"log-file: {place.log}\nlog-backup-count: 2\n{JSON}")
    assert place.run("foreground", "--run-once").returncode == 0
    assert len(list(place.home.glob("dd.log.*"))) == 2
    headers = [
        number for number, one in enumerate(objects(place.text())) if one["message"].startswith("Dynamic DynamoDB")
    ]
    assert headers == [0]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("log-format: yaml", "log-format: 'yaml' is not one of text, json"),
        ("log-format: JSON", "log-format: 'JSON' is not one of text, json; did you mean json?"),
        ("log-backup-count: 0", "log-backup-count: 0 is too small; the minimum is 1"),
        ("log-backup-count: many", "log-backup-count: 'many' is not a whole number"),
    ],
)
def test_bad_values(place: Place, options: str, problem: str) -> None:
    place.configure(logging=options)
    done = place.run("foreground", "--run-once")
    assert done.returncode == 2
    assert f"[logging] {problem}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_which_table(place: Place) -> None:
    """An index has its own name beside its table's."""
    place.server.world.add_index(TABLE.table, "by-date", 100, 100)
    with place.conf.open("a") as file:
        file.write("[gsi: .* table: ^my-]\n")
    done = place.run("foreground", "--run-once", "--log-format", "json")
    decided = [(one["table"], one.get("index")) for one in objects(done.stderr) if one["event"] == "decision"]
    assert sorted(decided, key=str) == [("my-table", "by-date"), ("my-table", None)]
