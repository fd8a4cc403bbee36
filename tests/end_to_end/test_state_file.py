"""What a check leaves for the next process: the console script, run after run, with a state file and without."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsFault, HoldFault, always, times
from conftest import PATIENCE, run_script
from place import Place, Spawn, heat, placed, table, until

from dynamic_dynamodb.decisions.model import Target

NOBODY = 65534
TOKEN = "of-a-role"  # noqa: S105
TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"
THREE_CHECKS = ("num-read-checks-before-scale-down: 3", "reads-lower-threshold: 60", "decrease-reads-with: 10")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        made.configure(*THREE_CHECKS)
        yield made


class Runs:
    """`--run-once`, again and again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = place.home / "dd.state"

    def __call__(self, *flags: str, code: int = 0, state: bool = True, **env: str) -> str:
        words = ["--config", str(self.place.conf), "--run-once", *flags]
        words += ["--state-file", str(self.path)] if state else []
        done = run_script(*words, env=self.place.env(**env))
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        document = self.document()
        change(document)
        self.path.write_text(json.dumps(document))


@pytest.fixture
def runs(place: Place) -> Runs:
    return Runs(place)


def reads(place: Place, name: str = "my-table") -> int:
    return place.server.world.provisioned(Target(name)).reads


# Run after run


def test_without_a_state_file_each_run_is_the_first(place: Place, runs: Runs) -> None:
    for _ in range(4):
        said = runs(state=False)
        assert "hold, check 1 of 3" in said
        assert (
            "WARNING - --run-once: each run forgets the earlier runs, so num-read-checks-before-scale-down: 3 is never "
            "reached; set --state-file PATH\n"
        ) in said
    assert place.server.calls["UpdateTable"] == 0


def test_five_runs_scale_down_with_a_state_file(place: Place, runs: Runs) -> None:
    said = [runs() for _ in range(5)]
    holds = [re.findall(r"hold, check (\d) of 3", one) for one in said]
    assert holds[:2] == [["1"], ["2"]]
    assert "100 -> 90" in said[2]
    assert place.server.calls["UpdateTable"] >= 1
    assert holds[3] == ["1"]  # a decrease that was made is not waited for any longer
    assert not any("nothing is remembered" in one for one in said)
    assert all(re.search(r"dd\.state: continues from the check that ended at .* UTC", one) for one in said[1:])


def test_the_option_of_the_file(place: Place, runs: Runs) -> None:
    place.configure(*THREE_CHECKS, general=f"state-file: {runs.path}")
    said = [runs(state=False) for _ in range(3)]
    assert "hold, check 2 of 3" in said[1]
    assert "100 -> 90" in said[2]


def test_the_mode_and_what_is_in_it(place: Place, runs: Runs) -> None:
    runs(code=0)
    assert stat.S_IMODE(runs.path.stat().st_mode) == 0o600
    document = runs.document()
    assert document["version"] == 1
    assert document["remembered"]["targets"] == [["my-table", None, {"streaks": {"reads": 1, "writes": 0}}]]
    heartbeat = document["heartbeat"]
    assert (heartbeat["instance"], heartbeat["interval"]) == ("default", 300)
    assert (heartbeat["last_succeeded"], heartbeat["looked_at"], heartbeat["failed"]) == (True, 1, 0)
    assert heartbeat["next_due"] is None
    assert heartbeat["configuration"] == str(place.conf)
    assert re.fullmatch("[0-9a-f]{64}", heartbeat["configuration_digest"])
    assert sorted(one.name for one in place.home.glob("dd.state*")) == ["dd.state", "dd.state.lock"]


def test_no_key_is_in_it(runs: Runs) -> None:
    runs()
    text = runs.path.read_text()
    assert not any(secret in text for secret in ("AKIDTEST", "secret-of-the-tests"))


def test_an_alarm_is_sent_once(place: Place, runs: Runs) -> None:
    place.configure(
        f"sns-topic-arn: {TOPIC}", "sns-message-types: high-throughput-alarm", "reads-upper-alarm-threshold: 40"
    )
    for _ in range(3):
        runs()
    assert len(place.server.world.messages) == 1
    heat(place.server, "my-table", 35)
    runs()
    heat(place.server, "my-table", 50)
    runs()
    assert len(place.server.world.messages) == 2


def test_a_decrease_that_was_refused_waits(place: Place, runs: Runs) -> None:
    place.configure("reads-lower-threshold: 60", "decrease-reads-with: 10")
    fault = AwsFault("LimitExceededException", "Provisioned throughput decreases are limited within a given UTC day.")
    place.server.faults.append(always("UpdateTable", fault))
    assert "decrease refused by DynamoDB" in runs()
    calls = place.server.calls["UpdateTable"]
    assert "decreases have run out: retried from" in runs()
    assert place.server.calls["UpdateTable"] == calls


def test_a_dry_run_reads_and_writes_none(place: Place, runs: Runs) -> None:
    assert "hold, check 1 of 3" in runs("--dry-run")
    assert not list(place.home.glob("dd.state*"))
    runs()
    before = runs.path.read_bytes()
    for _ in range(2):
        assert "hold, check 2 of 3" in runs("--dry-run")
    assert runs.path.read_bytes() == before


def test_failures_in_a_row_are_counted_over_runs(place: Place, runs: Runs) -> None:
    place.server.faults.append(always("ListTables", AwsFault("InternalServerError", "sorry", status=500)))
    place.server.faults.append(always("DescribeTable", AwsFault("InternalServerError", "sorry", status=500)))
    runs(code=1)
    assert "2nd failed check in a row, no success yet" in runs(code=1)
    assert runs.document()["heartbeat"]["failures_in_a_row"] == 2
    place.server.faults.clear()
    assert "the check succeeded after 2 failed checks in a row" in runs()


# Only streaks age


def age(document: dict[str, Any], **moments: str) -> None:
    document["remembered"] |= moments


def test_streaks_of_long_ago_count_no_more(runs: Runs) -> None:
    runs()
    runs()
    runs.edit(lambda document: age(document, began="2026-01-01T00:00:00.000Z", ended="2026-01-01T00:00:01.000Z"))
    said = runs()
    assert "consecutive checks are counted from 0 again" in said
    assert "hold, check 1 of 3" in said


def test_a_clock_that_was_not_set_when_the_last_run_began(runs: Runs) -> None:
    """What a run leaves then, the next one can read."""
    runs()
    runs.edit(lambda document: age(document, began="1970-01-01T00:00:02.000Z", ended="1970-01-01T00:00:03.000Z"))
    runs()
    assert "hold, check 2 of 3" in runs()


def test_the_time_between_runs_is_the_period(place: Place, runs: Runs) -> None:
    place.configure(*THREE_CHECKS, interval=1)
    runs()
    runs.edit(lambda document: document["remembered"].update(rhythm=3000))
    said = runs()
    assert "WARNING - the last two runs began 3000 s apart, but check-interval is 1 s" in said
    assert "hold, check 2 of 3" in said
    assert 0 < runs.document()["remembered"]["rhythm"] < 100


# One at a time


def test_a_second_run_says_who_is_at_work(place: Place, runs: Runs, spawn: Spawn) -> None:
    held = HoldFault()
    place.server.faults.append(times(1, "DescribeTable", held))
    first = spawn("--config", str(place.conf), "--run-once", "--state-file", str(runs.path), env=place.env())
    until(lambda: place.server.calls["DescribeTable"])
    said = runs(code=1)
    assert f"state file {runs.path}: process {first.process.pid} is using it" in said
    assert runs("--dry-run")  # it changes nothing
    held.release()
    assert first.process.wait(30) == 0


def test_whoever_has_lost_the_lock_does_not_write_over_the_work_of_another(
    place: Place, runs: Runs, spawn: Spawn
) -> None:
    """Where old files are cleaned away the lock file may go, and then two processes may be at work."""
    held, other = HoldFault(), HoldFault()
    place.server.faults += [times(1, "DescribeTable", held), times(1, "DescribeTable", other)]
    words = ("--config", str(place.conf), "--run-once", "--state-file", str(runs.path))
    first = spawn(*words, env=place.env())
    until(lambda: place.server.calls["DescribeTable"])
    runs.path.with_name("dd.state.lock").unlink()
    second = spawn(*words, env=place.env())
    until(lambda: place.server.calls["DescribeTable"] == 2)
    held.release()
    assert first.process.wait(PATIENCE) == 0
    assert f"process {second.process.pid} is using it; the state is lost when this process ends" in first.log
    assert not runs.path.exists()
    other.release()
    assert second.process.wait(PATIENCE) == 0
    assert runs.document()["heartbeat"]["pid"] == second.process.pid


def test_a_daemon_has_its_own_for_life(place: Place, runs: Runs) -> None:
    pid = place.start()
    runs.path = place.folder / "dynamic-dynamodb.test.state"
    assert f"state file {runs.path}: process {pid} is using it" in runs(code=1)
    assert place.run("stop").returncode == 0
    assert "hold, check 2 of 3" in runs()


# A daemon


def test_a_restart_keeps_streaks_and_alarms(place: Place) -> None:
    alarm = (f"sns-topic-arn: {TOPIC}", "sns-message-types: high-throughput-alarm", "reads-upper-alarm-threshold: 40")
    place.configure(*THREE_CHECKS, *alarm)
    for number in (1, 2):
        place.start()
        place.wait_for(f"hold, check {number} of 3")
        place.wait_for("; next in", number)
        assert place.run("stop").returncode == 0
    place.start()
    place.wait_for("100 -> 90")
    assert len(place.server.world.messages) == 1
    assert (place.folder / "dynamic-dynamodb.test.state").exists()


def test_elsewhere_it_begins_afresh(runs: Runs) -> None:
    runs()
    said = runs(AWS_DEFAULT_REGION="eu-west-1", AWS_REGION="")
    assert "is for another region" not in said  # the file of the configuration names the region
    assert "is for another region, endpoint or account" in runs("--region", "eu-west-1")
    assert "is for another region, endpoint or account" in runs(AWS_ACCESS_KEY_ID="AKIDOTHER")
    runs(AWS_ACCESS_KEY_ID="AKIDROLE1", AWS_SESSION_TOKEN=TOKEN)
    assert "hold, check 2 of 3" in runs(AWS_ACCESS_KEY_ID="AKIDROLE2", AWS_SESSION_TOKEN=TOKEN)


def test_ended_by_a_signal_it_keeps_what_it_has_changed(place: Place, runs: Runs, spawn: Spawn) -> None:
    """A decrease that was made is not asked for again as if its checks were still counted; the others' still are."""
    for number in range(40):
        table(place.server, f"my-{number:02}")
    runs()
    runs()
    held = HoldFault()
    place.server.faults.append(always("UpdateTable", held))
    program = spawn("--config", str(place.conf), "--run-once", "--state-file", str(runs.path), env=place.env())
    until(lambda: place.server.calls["UpdateTable"])
    assert program.end(signal.SIGTERM, held.release)[0] == 0  # calls in flight are waited for, no other is begun
    targets = {name: kept for name, _, kept in runs.document()["remembered"]["targets"]}
    full = {name for name, kept in targets.items() if kept.get("streaks", {}).get("reads") == 3}
    assert {name for name, kept in targets.items() if "changed" in kept} == targets.keys() - full
    assert full == {name for name in place.server.world.tables if reads(place, name) == 100}
    assert full  # some were not begun


def test_ended_while_it_measures_it_keeps_what_there_was(place: Place, runs: Runs, spawn: Spawn) -> None:
    runs()
    before = runs.path.read_bytes()
    held = HoldFault()
    place.server.faults.append(times(1, "GetMetricData", held))
    program = spawn("--config", str(place.conf), "--run-once", "--state-file", str(runs.path), env=place.env())
    until(lambda: place.server.calls["GetMetricData"] == 2)
    assert program.end(signal.SIGTERM)[0] == 0
    assert runs.path.read_bytes() == before


# What cannot be used


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: os.truncate(path, path.stat().st_size // 2), "is not JSON written by this program"),
        (lambda path: os.truncate(path, 0), "is not JSON written by this program"),
        (lambda path: path.write_text('{"version": 2}'), "was written by a newer release"),
        (lambda path: path.chmod(0o666), "can be written to by others"),
        (lambda path: path.write_text(path.read_text().replace('"reads":1', '"reads":"1"')), "is damaged"),
    ],
)
def test_it_begins_afresh(runs: Runs, damage: Callable[[Path], object], why: str) -> None:
    runs()
    damage(runs.path)
    said = runs()
    (warning,) = [line for line in said.splitlines() if " - WARNING - " in line]
    assert f"state file {runs.path}: {why}" in warning
    assert warning.endswith("; earlier checks are not remembered")
    assert "hold, check 1 of 3" in said
    assert "hold, check 2 of 3" in runs()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_users(runs: Runs) -> None:
    runs()
    os.chown(runs.path, NOBODY, NOBODY)
    assert f"state file {runs.path}: belongs to user {NOBODY}; earlier checks are not remembered" in runs()
    assert runs.path.stat().st_uid == 0


def test_a_planted_link(place: Place, runs: Runs) -> None:
    other = place.home / "other"
    other.write_text("precious")
    runs.path.symlink_to(other)
    assert "is a symbolic link, which is not followed" in runs()
    assert other.read_text() == "precious"
    assert "hold, check 2 of 3" in runs()


def test_no_folder(place: Place, runs: Runs) -> None:
    runs.path = place.home / "none" / "dd.state"
    assert "dd.state.lock: cannot be created: No such file or directory (see --state-file)" in runs(code=1)


def test_a_disk_that_takes_nothing(place: Place) -> None:
    """A daemon goes on, says it once, and writes when there is room."""
    place.configure(*THREE_CHECKS, interval=1)
    place.start()
    place.wait_for("; next in")
    new = place.folder / "dynamic-dynamodb.test.state.new"
    new.mkdir()  # the same for it: it cannot write
    (new / "x").touch()
    place.wait_for("cannot be written")
    seen = len(place.lines("ListTables")) + len(place.lines("my-table"))
    until(lambda: len(place.lines("ListTables")) + len(place.lines("my-table")) > seen + 1)
    assert len(place.lines("cannot be written")) == 1
    (new / "x").unlink()
    new.rmdir()
    before = (place.folder / "dynamic-dynamodb.test.state").stat().st_mtime_ns
    until(lambda: (place.folder / "dynamic-dynamodb.test.state").stat().st_mtime_ns > before)


def test_state_file_with_a_daemon_has_no_effect(place: Place) -> None:
    place.configure(general=f"state-file: {place.home / 'dd.state'}")
    done = place.run("start")
    assert "warning: state-file: has no effect with --daemon" in done.stderr
    assert not (place.home / "dd.state").exists()
