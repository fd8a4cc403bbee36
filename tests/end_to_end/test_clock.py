"""Schedules by the real clock: the console script against a stand-in for AWS.

Zones of our own, with seconds in their offsets, make a full minute of theirs begin when a test wants it.
"""

from __future__ import annotations

import json
import re
import signal
import struct
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from breaker_server import Server
from conftest import ACCOUNT, Program, Run

from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

Spawn = Callable[..., Program]
LEADS = (4, 12, 36, 100)  # seconds until a schedule begins: a start may take a while where others work, too


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    world = World(clock=now, rules=Rules(update_seconds=0))
    fresh(world)
    with AwsServer(world) as server:
        yield server


def fresh(world: World) -> None:
    """A table that asks for no change."""
    world.add_table("orders", 100, 50)
    world.set_load(Target("orders"), "reads", 50)
    world.set_load(Target("orders"), "writes", 25)


def env(aws: AwsServer, **more: str) -> dict[str, str]:
    return {**ACCOUNT, "AWS_ENDPOINT_URL": aws.url, **more}


def beginning(folder: Path, seconds: float) -> tuple[datetime, str]:
    """When a schedule of the zone Test/Zone, which is made in FOLDER/zones, begins; and that schedule."""
    begin = (now() + timedelta(seconds=seconds)).replace(microsecond=0)
    zone(folder / "zones", begin)
    local = begin + timedelta(seconds=(60 - begin.second) % 60)
    assert local.second == 0
    return begin, dates(local, local + DAY, "Test/Zone")


def zone(folder: Path, moment: datetime) -> None:
    """A time zone in which the full minute after now is at this moment."""
    seconds = (60 - moment.second) % 60
    file = folder / "Test" / "Zone"
    file.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lbb4s", seconds, 0, 0, b"TST\0")
    footer = f"\n<TST>-0:00:{seconds:02}\n".encode()
    file.write_bytes(header + body + header + body + footer)


def configuration(folder: Path, *sections: str, interval: int = 3600) -> str:
    path = folder / "a.conf"
    path.write_text(f"[global]\ncheck-interval: {interval}\n[table: ^orders$]\n" + "".join(sections), encoding="utf-8")
    return str(path)


def dates(begin: datetime, end: datetime, zone: str = "UTC", minimum: int = 800) -> str:
    return (
        f"[schedule: campaign table: ^orders$]\nwhen: {begin:%Y-%m-%d %H:%M} - {end:%Y-%m-%d %H:%M}\n"
        f"time-zone: {zone}\nmin-provisioned-reads: {minimum}\n"
    )


def provisioned(aws: AwsServer) -> int:
    found = aws.world.find(Target("orders"))
    assert found is not None
    return found.provisioned(now()).reads


def increased(aws: AwsServer) -> datetime:
    table = aws.world.dynamodb.describe_table(TableName="orders")["Table"]
    moment = table["ProvisionedThroughput"]["LastIncreaseDateTime"]
    assert isinstance(moment, datetime)
    return moment


DAY = timedelta(days=1)


@pytest.mark.parametrize("tz", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_what_holds_at_the_start_counts(aws: AwsServer, run: Run, tmp_path: Path, tz: str) -> None:
    """In any time zone of the machine, and without time zones of the system: tzdata has them, too."""
    begin, end = now() - DAY, now() + 2 * DAY
    path = configuration(tmp_path, dates(begin, end, "Pacific/Auckland"))
    done = run("--config", path, "--run-once", env=env(aws, TZ=tz, PYTHONTZPATH=""))
    assert done.returncode == 0, done.stderr
    told = f"min-provisioned-reads is 800 (schedule campaign until {end:%Y-%m-%d %H:%M} Pacific/Auckland)"
    assert told in done.stderr
    assert provisioned(aws) == 800


def test_a_dry_run(aws: AwsServer, run: Run, tmp_path: Path) -> None:
    path = configuration(tmp_path, dates(now() - DAY, now() + DAY))
    done = run("--config", path, "--run-once", "--dry-run", env=env(aws))
    assert "100 -> 800 (min-provisioned-reads is 800 (schedule campaign" in done.stderr
    assert provisioned(aws) == 100


def test_a_check_is_made_when_a_schedule_begins_and_not_before(aws: AwsServer, spawn: Spawn, tmp_path: Path) -> None:
    """By the wall clock, in the middle of a pause of an hour."""
    for lead in LEADS:
        begin, campaign = beginning(tmp_path, lead)
        file = configuration(tmp_path, campaign)
        program = spawn("--config", file, env=env(aws, PYTHONTZPATH=str(tmp_path / "zones")))
        program.wait_for(r"; next in \d+ s")
        if "when a schedule begins" in program.log:
            break
        program.end(signal.SIGTERM)  # it has begun during the start
        aws.world.delete_table("orders")
        fresh(aws.world)
        aws.calls.clear()
    program.wait_until(lambda: provisioned(aws) == 800)
    assert begin <= increased(aws) < begin + timedelta(seconds=20)
    assert program.end(signal.SIGTERM)[0] == 0
    assert "(schedule campaign until " in program.log
    assert aws.calls["UpdateTable"] == 1
    assert aws.calls["ListTables"] == 2


def test_sighup_brings_a_schedule(aws: AwsServer, spawn: Spawn, tmp_path: Path) -> None:
    """It ends a pause that was begun without it."""
    file = configuration(tmp_path)
    arguments = ("--daemon", "foreground", "--pid-file-dir", str(tmp_path), "--config", file)
    program = spawn(*arguments, env=env(aws, PYTHONTZPATH=str(tmp_path / "zones")))
    program.wait_for("; next in 3600 s")
    begin, campaign = beginning(tmp_path, LEADS[0])
    configuration(tmp_path, campaign)
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("SIGHUP: the configuration was read again")
    program.wait_for(r"\[schedule: campaign table: \^orders\$\]")
    program.wait_until(lambda: provisioned(aws) == 800)
    assert begin <= increased(aws) < begin + timedelta(seconds=20)
    assert program.end(signal.SIGTERM)[0] == 0


def test_show_schedule(run: Run, tmp_path: Path) -> None:
    """It asks nobody."""
    path = configuration(
        tmp_path, dates(now() - DAY, now() + DAY), dates(now(), now() + 30 * DAY).replace("campaign", "year")
    )
    done = run("--config", path, "--show-schedule", env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"  (holds now|begins|ends)  +\[schedule: (\w+) ", done.stdout) == [
        ("holds now", "campaign"),
        ("holds now", "year"),
        ("ends", "campaign"),
    ]
    more = run("--config", path, "--show-schedule", "31", env={})
    assert more.stdout.count(" ends ") == 2
    assert run("--config", path, "--show-schedule=0", env={}).returncode == 2


def test_mistakes_are_told_with_their_lines(run: Run, tmp_path: Path) -> None:
    path = configuration(tmp_path, "[schedule: x table: ^orders$]\nwhen: Mo 10:00-12:00\ntime-zone: Berlin\n")
    done = run("--config", path, env={})
    assert done.returncode == 2
    assert [line.split(": ", 2)[2].split(": ")[0].rpartition(":")[2] for line in done.stderr.splitlines()] == [
        "4",
        "5",
        "6",
    ]


def test_the_pause_is_not_longer_for_a_schedule_that_is_far_away(aws: AwsServer, spawn: Spawn, tmp_path: Path) -> None:
    file = configuration(tmp_path, dates(now() + DAY, now() + 2 * DAY), interval=1)
    program = spawn("--config", file, env=env(aws))
    began = time.monotonic()
    program.wait_until(lambda: aws.calls["GetMetricData"] >= 3)
    assert time.monotonic() - began >= 1
    assert program.end(signal.SIGTERM)[0] == 0


def simulated(run: Run, path: str) -> int:
    """The units throttled in the made-up day of a shop, which is a Monday."""
    done = run("--config", path, "--simulate", "sales-day", "--simulate-axis", "reads", "--output", "json", env={})
    assert done.returncode == 0, done.stderr
    mine: dict[str, Any] = json.loads(done.stdout)["outcomes"][0]
    assert mine["kind"] == "configuration"
    return int(mine["throttled_units"])


def test_a_simulation_honours_schedules_and_asks_no_breaker(run: Run, tmp_path: Path) -> None:
    """Its time is that of the demand. Breakers count as closed, whoever sets their URL."""
    breaker = Server(lambda handler: handler.answer(503), tls=None)
    try:
        url = f"circuit-breaker-url: {breaker.url()}\n"
        section = f"{url}max-provisioned-reads: 3000\n"
        plain = simulated(run, configuration(tmp_path, section, interval=300))
        rush = f"[schedule: rush table: ^orders$]\nwhen: Mon 15:00-22:00\nmin-provisioned-reads: 900\n{url}"
        assert simulated(run, configuration(tmp_path, section, rush, interval=300)) == 0 < plain
        assert breaker.requests == []
    finally:
        breaker.stop()
