"""`--daemon status`: the instances of a folder, from their pid files and the heartbeats in their state files.

It does not read the configuration, which may be invalid by now.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dynamic_dynamodb.daemon import proc, statefile
from dynamic_dynamodb.daemon.daemonizer import open_standard_streams
from dynamic_dynamodb.daemon.files import DaemonError
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.daemon.pidfile import Instance, names
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.moments import written
from dynamic_dynamodb.output.terminal import PROGRAM, tell
from dynamic_dynamodb.output.wording import count

RUNS, TOO_OLD, NOT_RUNNING, UNKNOWN = 0, 1, 3, 4  # exit codes; 3 and 4 as LSB defines them for `status`


@dataclass(frozen=True)
class Report:
    """What is known about an instance. `running` is None if that is unknown; `problem` has the reason."""

    instance: Instance
    running: bool | None
    pid: int | None = None  # also of a process that ended without cleaning up
    since: datetime | None = None
    heartbeat: Heartbeat | None = None
    problem: str = ""

    def code(self, now: datetime, max_age: int | None) -> int:
        """The exit code for this instance."""
        if self.running is None:
            return UNKNOWN
        if not self.running:
            return NOT_RUNNING
        if max_age is None:
            return RUNS
        if self.heartbeat is None:
            return UNKNOWN
        return TOO_OLD if self.heartbeat.too_old(now, max_age) else RUNS


def status(
    folder: Path,
    name: str | None,
    *,
    max_age: int | None = None,
    as_json: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> int:
    """Print the status of one instance of the folder, or of all; returns the exit code.

    `max_age`: allowed seconds since the last success; 0: the limit of the heartbeat; None: no limit.
    """
    open_standard_streams()
    # The default instance if there are none.
    instances = [Instance(one, folder) for one in ([name] if name is not None else names(folder) or ["default"])]
    reports = [look(instance) for instance in instances]
    now = clock()
    if as_json:
        sys.stdout.write(json.dumps([_plain(report, now, max_age or 0) for report in reports], indent=2) + "\n")
    else:
        for report in reports:
            _tell(report, now, max_age)
    sys.stdout.flush()
    return _code(reports, now, max_age)


def _code(reports: Sequence[Report], now: datetime, max_age: int | None) -> int:
    """The exit code of the default instance if there is one, else the highest of all."""
    codes = {report.instance.name: report.code(now, max_age) for report in reports}
    return codes.get("default", max(codes.values()))


# What is known


def look(instance: Instance) -> Report:
    """Reads the pid file, the process, and its heartbeat."""
    try:
        with instance.holder() as found:
            if found is not None:
                return _running(instance, found.pid, os.fstat(found.file).st_uid)
            return _not_running(instance)
    except DaemonError as error:
        return Report(instance, None, problem=str(error))


def _running(instance: Instance, pid: int, owner: int) -> Report:
    heartbeat, problem = _heartbeat(instance, owner)
    if heartbeat is not None and heartbeat.pid != pid:
        heartbeat, problem = None, "it has not written a heartbeat yet"
    since = heartbeat.started if heartbeat else proc.since(pid)
    return Report(instance, True, pid, since, heartbeat, problem)


def _not_running(instance: Instance) -> Report:
    with instance.named() as found:
        pid = found.pid if found and not instance.original() else None
    heartbeat, _ = _heartbeat(instance, os.geteuid())
    return Report(instance, False, pid, heartbeat=heartbeat, problem=instance.original() or "")


def _heartbeat(instance: Instance, owner: int) -> tuple[Heartbeat | None, str]:
    """The heartbeat in the state file, or None and why there is none."""
    try:
        document = statefile.read(instance.state_path, owner)
        if document is None:
            return None, "it has not written a heartbeat yet"
        return Heartbeat.of(document.get("heartbeat")), ""
    except DaemonError as error:
        return None, str(error)
    except ValueError as error:
        return None, f"state file {instance.state_path}: is damaged: {error}"


# Output


def _plain(report: Report, now: datetime, max_age: int) -> dict[str, Any]:
    """The report for JSON."""
    heartbeat = report.heartbeat if report.running else None
    return {
        "instance": report.instance.name,
        "running": report.running,
        "pid": report.pid,
        "since": report.since and written(report.since),
        "pid_file": str(report.instance.path),
        "ended_without_cleaning_up": report.running is False and report.pid is not None,
        "too_old": heartbeat and heartbeat.too_old(now, max_age),
        "age": heartbeat and round(heartbeat.age(now), 3),
        "limit": heartbeat and round(heartbeat.limit(max_age), 3),
        "problem": safe(report.problem) or None,
        "heartbeat": report.heartbeat and report.heartbeat.plain(),
    }


def _tell(report: Report, now: datetime, max_age: int | None) -> None:
    name = f"instance {report.instance.name}"
    if report.running is None:
        tell(f"{name}: {report.problem}", "error")
    else:
        sys.stdout.write(f"{PROGRAM}: {safe(f'{name} ' + '; '.join(_sentence(report, now, max_age)))}\n")


def _sentence(report: Report, now: datetime, max_age: int | None) -> Iterator[str]:
    heartbeat = report.heartbeat
    if not report.running:
        yield _why_not(report)
        if heartbeat is not None and heartbeat.last_ended:
            yield _last_check(heartbeat, now)
        if report.problem:
            yield report.problem
        return
    yield f"is running: process {report.pid}" + (f", since {report.since:%Y-%m-%d %H:%M UTC}" if report.since else "")
    if heartbeat is None:
        yield f"nothing is known about its checks: {report.problem}"
        return
    yield _last_check(heartbeat, now) if heartbeat.last_ended else "no check has ended yet"
    if heartbeat.failures_in_a_row:
        last = heartbeat.last_success
        yield (
            f"{count(heartbeat.failures_in_a_row, 'failed check')} in a row, "
            f"{f'last success {_time(last, now)}' if last else 'no success yet'}"
        )
    if heartbeat.next_due:
        yield f"{'next due' if heartbeat.next_due >= now else 'the next was due'} {_time(heartbeat.next_due, now)}"
    if max_age is not None and heartbeat.too_old(now, max_age):
        yield (f"too old: no success for {heartbeat.age(now):.0f} s, the limit is {heartbeat.limit(max_age):.0f} s")


def _why_not(report: Report) -> str:
    """With the pid file that was checked: another --pid-file-dir is another daemon."""
    if report.pid is not None:
        return f"is not running: it ended without cleaning up (pid file {report.instance.path}, process {report.pid})"
    return f"is not running (pid file {report.instance.path})"


def _last_check(heartbeat: Heartbeat, now: datetime) -> str:
    how = "ok" if heartbeat.last_succeeded else "failed"
    what = heartbeat.last_error or ", ".join(
        (
            f"{heartbeat.looked_at} looked at",
            f"{heartbeat.changed} changed",
            f"{heartbeat.left_alone} left alone",
            f"{heartbeat.failed} failed",
        )
    )
    ended = _time(heartbeat.last_ended, now) if heartbeat.last_ended else ""
    return f"last check ended {ended}, {how}: {what}"


def _time(moment: datetime, now: datetime) -> str:
    """In UTC, with the date if it is not today."""
    return f"{moment:%H:%M:%S UTC}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S UTC}"
