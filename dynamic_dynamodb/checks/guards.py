"""The guards that hold a change: circuit breakers, maintenance windows, decreases that have run out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.cloudwatch import Measured
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.refusals import next_decrease
from dynamic_dynamodb.checks.breaker import Breaker, poll
from dynamic_dynamodb.checks.inventory import Job
from dynamic_dynamodb.checks.state import Episode, State
from dynamic_dynamodb.checks.tracking import Followed
from dynamic_dynamodb.decisions import windows
from dynamic_dynamodb.decisions.model import AXES, Axis, Change, Decision, Resource, Target, Throughput
from dynamic_dynamodb.output import events
from dynamic_dynamodb.output.wording import clock_time

log = logging.getLogger("dynamic-dynamodb")

# AWS's default: each UTC day begins with 4 decreases, and one more becomes available each hour, up to 4 at a time. So a
# table or index that has made fewer than 4 today can hardly have run out of them.
_AT_ONCE = 4
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

# The guards that hold a change, by their names in the JSON log.
_WINDOW, _RUN_OUT = "maintenance-window", "decreases-run-out"


class Held(NamedTuple):
    """Why a decision is not sent in full."""

    by: str  # the guard
    text: str


@dataclass(frozen=True)
class Verdict:
    """The decision for a target, and the change to send."""

    job: Job
    measured: Measured | Followed
    streaks: Mapping[Axis, int]  # before this check
    decisions: tuple[Decision, Decision]
    change: Change
    held: tuple[Held, ...] = ()
    notes: tuple[str, ...] = ()  # what the reasons do not contain: the decreases used
    grave: bool = False  # whether the verdict that this one replaces, which was never logged, was a warning

    def line(self, *held: str) -> str:
        """Both axes with their reasons, in one line. What is not done comes first, so that nobody reads it as done."""
        guards = (one.text for one in self.held)
        return "; ".join([*guards, *held, *(str(decision.reason) for decision in self.decisions), *self.notes])

    @property
    def kind(self) -> str:
        """What the line says, apart from its numbers."""
        axes = (f"{axis} {decision.kind}" for axis, decision in zip(AXES, self.decisions, strict=True))
        return "; ".join([*axes, *(f"held by {one.by}" for one in self.held)])

    @property
    def level(self) -> int:
        """The level of a line that is new."""
        return max(logging.INFO, self.repeated)

    @property
    def repeated(self) -> int:
        """The level of a line of the same kind as in the last check."""
        warn = self.grave or any(decision.warn for decision in self.decisions)
        return logging.WARNING if warn else logging.DEBUG


def decreases_used(resource: Resource) -> str:
    """The decreases of this UTC day according to DescribeTable. They are limited."""
    last = resource.last_decrease
    when = f", the last at {last.astimezone(timezone.utc):%Y-%m-%d %H:%M UTC}" if last else ""
    return f"decreases today so far: {resource.decreases_today}{when}"


class Guards:
    """Each guard logs once that it closes, and remembers it."""

    def __init__(self, state: State, workers: Workers) -> None:
        self._state = state
        self._workers = workers

    def closed(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs whose circuit breaker is closed, or that have none."""
        breakers = [
            Breaker(job.target, job.section.values["circuit_breaker_url"], self._timeout(job))
            for job in jobs
            if job.section.values["circuit_breaker_url"]
        ]
        reasons = poll(breakers, self._workers) if breakers else {}
        for job in jobs:
            reason = reasons.get(job.target)
            changes = self._state.changes(Episode.BREAKER_OPEN, reason is not None, job.target)
            level = logging.WARNING if changes else logging.DEBUG
            if reason is not None:
                about = events.about("left-alone", job.target)
                log.log(level, "%s - circuit breaker open (%s): nothing is changed", job.target, reason, extra=about)
            elif changes:
                log.warning("%s - circuit breaker closed again", job.target, extra=events.about("message", job.target))
        self._state.tally.left_alone.update(reasons)
        return [job for job in jobs if job.target not in reasons]

    @staticmethod
    def _timeout(job: Job) -> float:
        """In seconds."""
        return float(job.section.values["circuit_breaker_timeout"]) / 1000

    def let_through(self, verdict: Verdict, now: datetime) -> Verdict:
        """The verdict without the changes that a maintenance window or used-up decreases hold."""
        return self._unless_run_out(self._in_window(verdict, now), now)

    def _in_window(self, verdict: Verdict, now: datetime) -> Verdict:
        section, target = verdict.job.section, verdict.job.target
        closed = bool(section.windows) and not windows.is_open(section.windows, now)
        written = section.values["maintenance_windows"]
        increases_anyway = section.values["scale_up_outside_maintenance_windows"]
        if self._state.begins(Episode.OUTSIDE_WINDOWS, closed, target):
            rest = "only increases are made" if increases_anyway else "nothing is changed"
            about = events.about("message", target)
            log.warning("%s - outside the maintenance windows %s UTC: %s", target, written, rest, extra=about)
        if not closed:
            return verdict
        note = f"outside the maintenance windows {written} UTC"
        if increases_anyway:
            return self._hold_decreases(verdict, Held(_WINDOW, f"not decreased, {note}"))
        return self._hold(verdict, verdict.change.current, Held(_WINDOW, f"not changed, {note}"))

    def _unless_run_out(self, verdict: Verdict, now: datetime) -> Verdict:
        memory = self._state.memory(verdict.job.target)
        if memory.waits_until is not None and now >= memory.waits_until:
            memory.waits_until = None
        if memory.waits_until is None:
            return verdict
        until = clock_time(memory.waits_until)
        note = f"not decreased, decreases have run out: retried from {until}"
        return self._hold_decreases(verdict, Held(_RUN_OUT, note))

    def _hold_decreases(self, verdict: Verdict, note: Held) -> Verdict:
        return self._hold(verdict, verdict.change.without_decreases().desired, note)

    @staticmethod
    def _hold(verdict: Verdict, desired: Throughput, note: Held) -> Verdict:
        if verdict.change.desired == desired:  # nothing to hold
            return verdict
        log.debug("%s - %s", verdict.job.target, note.text, extra=events.about("message", verdict.job.target))
        return replace(verdict, change=replace(verdict.change, desired=desired), held=(*verdict.held, note))

    def postpone(self, refused: Sequence[Verdict], error: AwsError, now: datetime) -> dict[Target, str]:
        """DynamoDB refused these decreases of one call with this error. Returns when each is retried.

        The error does not say which of them has run out. It is assumed to be those that have made as many as a day
        begins with, or all of them if none has (with another quota of decreases).
        """
        until = _asked_again(error, now)
        used_up = [one for one in refused if one.job.resource.decreases_today >= _AT_ONCE] or refused
        for verdict in used_up:
            self._state.memory(verdict.job.target).waits_until = until
        waits, asks = f"retried from {clock_time(until)}", "retried in the next check"
        return {one.job.target: waits if one in used_up else asks for one in refused}


def _asked_again(error: AwsError, now: datetime) -> datetime:
    """The time that AWS names; if it names none, or one more than a day ahead, the next full hour."""
    named = next_decrease(error)
    if named is not None and named - now <= _DAY:
        return named
    return now.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0) + _HOUR
