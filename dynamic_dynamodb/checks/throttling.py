"""Throttled events that an increase of the same axis does not end, or that the configuration ignores."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from dynamic_dynamodb.aws.cloudwatch import Measured, Request, Statistics, dollars_a_month
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.checks.inventory import Job
from dynamic_dynamodb.checks.state import Episode, State
from dynamic_dynamodb.checks.tracking import Followed
from dynamic_dynamodb.decisions.calculator import number
from dynamic_dynamodb.decisions.model import AXES, Axis, Decision, Policy, Target, Usage
from dynamic_dynamodb.decisions.throttling import answered, held_up, hot_range
from dynamic_dynamodb.output.events import about

log = logging.getLogger("dynamic-dynamodb")

_HOT: dict[Axis, Episode] = {"reads": Episode.HOT_READS, "writes": Episode.HOT_WRITES}


def throttled_indexes(measured: Mapping[Target, Measured | Followed | AwsError]) -> dict[Target, Fraction]:
    """The throttled write events of each index that has any. They hold up writes to the table."""
    return {
        target: one.usages[1].throttled_ever
        for target, one in measured.items()
        if target.index is not None and not isinstance(one, AwsError) and one.usages[1].throttled_ever
    }


def tell_throttling(
    state: State,
    target: Target,
    usages: tuple[Usage, Usage],
    decisions: tuple[Decision, Decision],
    throttled: Mapping[Target, Fraction],
) -> tuple[Decision, Decision]:
    """The same decisions with these events in their reasons; as a warning when a key range begins to be too hot."""
    reads, writes = (
        _tell_events(state, target, axis, usage, decision)
        for axis, usage, decision in zip(AXES, usages, decisions, strict=True)
    )
    return reads, _add(writes, "held-up", held_up(target, throttled))


def _tell_events(state: State, target: Target, axis: Axis, usage: Usage, decision: Decision) -> Decision:
    begins = state.begins(_HOT[axis], bool(usage.hot), target)
    if decision.rule != "throttled":  # this rule counts them and has them in its reason
        decision = _add(decision, "answered", answered(usage))
    if not usage.hot:
        return decision
    return replace(_add(decision, "hot-range", hot_range(axis, usage)), warn=decision.warn or begins)


def watched(job: Job) -> tuple[Axis, ...]:
    """The axes whose throttled events an option uses."""
    return tuple(one.axis for one in job.section.policies if one.uses_throttled and not _managed(job, one))


def _unwatched(job: Job) -> tuple[Axis, ...]:
    """The axes whose throttled events the configuration ignores."""
    return tuple(one.axis for one in job.section.policies if not one.uses_throttled and not _managed(job, one))


def _managed(job: Job, policy: Policy) -> bool:
    """Whether AWS manages the axis, as it does the writes of a global table."""
    return job.writes_managed and policy.axis == "writes"


def _add(decision: Decision, kind: str, note: str) -> Decision:
    if not note:
        return decision
    return replace(decision, reason=f"{decision.reason}; {note}", aside=(*decision.aside, kind))


_HOUR = timedelta(hours=1)
_IGNORED: dict[Axis, Episode] = {"reads": Episode.IGNORED_READS, "writes": Episode.IGNORED_WRITES}


class Lookout:
    """Looks for throttled events that the configuration ignores: in the first check, and then once an hour."""

    def __init__(self, state: State, *, on: bool) -> None:
        self._state = state
        self._on = on
        self._looked: datetime | None = None
        self._unread: dict[Target, datetime] = {}  # what the last look could not read, and since when

    def begin_anew(self) -> None:
        """Look again in the next check, because the new configuration may ignore other events."""
        self._looked = None
        self._unread = {}

    def cost(self, jobs: Iterable[Job], interval: int) -> str:
        """What this adds to the cost of the checks, for the line about costs; `interval` is in seconds."""
        metrics = sum(len(_unwatched(job)) for job in jobs)
        if not self._on or not metrics:
            return ""
        seconds = max(interval, int(_HOUR.total_seconds()))
        when = "in each check" if seconds == interval else "once per hour"
        dollars = dollars_a_month(metrics, seconds)
        return f"; plus {metrics} {when}, for throttled events that no option uses: ${dollars:.2f}"

    def look(self, jobs: Sequence[Job], statistics: Statistics, now: datetime) -> None:
        """Warn about ignored events, once per episode. What cannot be read is requested again in the next check."""
        due = self._due(now)
        if not due and not self._unread:
            return
        minutes = {job.target: max(due, self._missed(job.target, now)) for job in jobs if _unwatched(job)}
        requests = [_ending_with_the_window(job, minutes[job.target]) for job in jobs if minutes.get(job.target)]
        found = statistics.throttled(requests, now) if requests else {}
        if due and jobs:
            self._looked, self._unread = now, {}
        for job in jobs:
            if minutes.get(job.target):
                self._read(job, found.get(job.target, {}), minutes[job.target], now)

    def _read(self, job: Job, found: Mapping[Axis, Fraction], minutes: int, now: datetime) -> None:
        self._unread.pop(job.target, None)
        if len(found) < len(_unwatched(job)):
            self._unread[job.target] = now - timedelta(minutes=minutes)
        for axis, events in found.items():
            self._tell(job, axis, events, minutes)

    def _missed(self, target: Target, now: datetime) -> int:
        """How many minutes up to now could not be read."""
        return _minutes(now - self._unread[target]) if target in self._unread else 0

    def _due(self, now: datetime) -> int:
        """How many minutes to look at: those since the last look, or 0 if that was less than an hour ago."""
        if not self._on:
            return 0
        passed = _HOUR if self._looked is None else now - self._looked
        if timedelta(0) <= passed < _HOUR:
            return 0
        return _minutes(passed)

    def _tell(self, job: Job, axis: Axis, events: Fraction, minutes: int) -> None:
        begins = self._state.begins(_IGNORED[axis], events > 0, job.target)
        if events:
            on = job.section.policies[AXES.index(axis)].enable_autoscaling
            log.log(
                logging.WARNING if begins else logging.DEBUG,
                "%s - %s %s throttled in %d minutes, which the configuration ignores: %s",
                job.target,
                number(events),
                axis,
                minutes,
                f"throttled-{axis}-upper-threshold is not set" if on else f"enable-{axis}-autoscaling is false",
                extra=about("message", job.target),
            )


def _minutes(passed: timedelta) -> int:
    """In minutes, from an hour to a day, because the clock may be set in either direction."""
    return math.ceil(min(max(passed, _HOUR), 24 * _HOUR) / timedelta(minutes=1))


def _ending_with_the_window(job: Job, minutes: int) -> Request:
    """The minutes up to the end of the look-back window: later ones may not be complete in CloudWatch yet."""
    end = job.section.values["lookback_window_start"] - job.section.values["lookback_period"]
    return Request(job.resource, end + minutes, minutes, _unwatched(job))
