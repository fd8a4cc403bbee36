"""Target tracking within a check: what is read from CloudWatch, and what is remembered of each target's minutes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from dynamic_dynamodb.aws.cloudwatch import CONSUMED, KEY_RANGE, THROTTLED, Measured
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.series import Metrics, Query, Series
from dynamic_dynamodb.checks.backfill import Backfill, Wanted
from dynamic_dynamodb.checks.inventory import Job
from dynamic_dynamodb.checks.state import State
from dynamic_dynamodb.decisions import tracking, windows
from dynamic_dynamodb.decisions.history import History
from dynamic_dynamodb.decisions.model import AXES, Decision, Policy, Resource, Target, Usage, minute_of
from dynamic_dynamodb.decisions.tracking import Situation

_KEY_RANGE = {THROTTLED[axis]: KEY_RANGE[axis] for axis in AXES}


def tracked(job: Job) -> tuple[Policy, ...]:
    """The axes of a job with target tracking."""
    tracked = job.section.tracked
    return tuple(policy for policy in tracked if policy.axis != "writes") if job.writes_managed else tracked


def needs_window(job: Job) -> bool:
    """Whether anything uses the look-back window: an axis with thresholds, or an alarm."""
    return may_alarm(job) or len(tracked(job)) < len(AXES)


def may_alarm(job: Job) -> bool:
    """Whether an alarm threshold is set."""
    return job.section.may_alarm


def metrics_of(job: Job) -> tuple[int, int]:
    """How many metrics each check reads for the job's target tracking, at least and at most."""
    axes = len(tracked(job))
    return (len(AXES), len(AXES) + 2 * axes) if axes else (0, 0)  # consumed; throttled and hot key ranges, too


class Tracker:
    """The histories of all targets with target tracking; `interval` is in seconds."""

    def __init__(self, metrics: Metrics, state: State, interval: int, backfill: Backfill | None = None) -> None:
        self._metrics = metrics
        self._backfill = backfill
        self._state = state
        self._every = Fraction(interval, 60)

    def history(self, target: Target) -> History:
        """What is remembered of this target's minutes."""
        memory = self._state.memory(target)
        if memory.history is None:
            increased = {axis: minute_of(at) for axis, at in memory.increased.items()}
            memory.history = History(memory.learned, increased)
        return memory.history

    def measure(self, jobs: Iterable[Job], now: datetime) -> dict[Target, AwsError]:
        """Read the minutes that have become known. Returns the targets for which that failed, each with its error."""
        minute = minute_of(now)
        asked = {job.target: (job, list(self._queries(job, minute))) for job in jobs if tracked(job)}
        found = self._metrics.read([query for _, queries in asked.values() for query in queries], now)
        # If nothing was throttled, no key range was too hot, so that query (and its price) can be saved.
        hot = [query._replace(metric=_KEY_RANGE[query.metric]) for query in found if _throttled(query, found[query])]
        found.update(self._metrics.read(hot, now))
        answers: dict[Target, dict[str, Series | AwsError]] = {target: {} for target in asked}
        for query, answer in found.items():
            answers[query.target][query.metric] = answer
        failed = {target: error for target, mine in answers.items() for error in _errors(mine)}
        for target, (job, queries) in asked.items():
            if target not in failed:
                self._take(job, minute, queries[0].start, answers[target])
        self._look_back(job for target, (job, _) in asked.items() if target not in failed)
        return failed

    def _look_back(self, jobs: Iterable[Job]) -> None:
        """Take over the pasts that have been read, and request those of other targets."""
        if self._backfill is None:
            return
        for past in self._backfill.take():
            self.history(past.target).remember(past.axis, past.season)
        self._backfill.want(_wanted(job, self.history(job.target)) for job in jobs)

    def _queries(self, job: Job, minute: int) -> Iterator[Query]:
        history = self.history(job.target)
        since = history.since(minute)
        # Both axes, because a datapoint of the other axis shows that this one was idle.
        yield from (Query(job.target, metric, since, minute) for metric in CONSUMED.values())
        for policy in tracked(job):
            first = history.throttled_since(minute, policy.axis)
            if first is not None:
                yield Query(job.target, THROTTLED[policy.axis], first, minute)

    def _take(self, job: Job, minute: int, since: int, answers: Mapping[str, Series | AwsError]) -> None:
        sums = {metric: dict(answer) for metric, answer in answers.items() if isinstance(answer, Series)}
        consumed = {axis: sums[metric] for axis, metric in CONSUMED.items()}
        throttled, hot = (
            {axis: sums[metric] for axis, metric in names.items() if metric in sums} for names in (THROTTLED, KEY_RANGE)
        )
        history = self.history(job.target)
        history.saw(minute, job.resource, self._every)
        history.take(minute, since, consumed, throttled, hot)
        history.learn(tracked(job))

    def decide(self, policy: Policy, resource: Resource, now: datetime, *, joins: bool = False) -> Decision:
        """What one axis should have provisioned; `joins`: the same call decreases the other axis."""
        return tracking.decide(policy, self._situation(policy, resource, now), joins=joins)

    def _situation(self, policy: Policy, resource: Resource, now: datetime) -> Situation:
        memory = self._state.memory(resource.target)
        waits = ""
        if memory.waits_until is not None and now < memory.waits_until:
            waits = f"decreases have run out: retried from {memory.waits_until:%H:%M UTC}"
        return self.history(resource.target).situation(policy, resource, minute_of(now), self._every, waits)

    def usage(self, policy: Policy, resource: Resource, now: datetime) -> Usage:
        """The usage over the last 10 known minutes, for code that needs the usage of a window."""
        return self._situation(policy, resource, now).usage

    def usages(self, job: Job, measured: Measured | Followed, now: datetime) -> tuple[Usage, Usage]:
        """Of reads and of writes, each by its scaling policy."""
        if isinstance(measured, Followed):
            return measured.described(job.resource).usages
        following = [policy.axis for policy in tracked(job)]
        reads, writes = (
            self.usage(policy, job.resource, now) if policy.axis in following else usage
            for policy, usage in zip(job.section.policies, measured.usages, strict=True)
        )
        return reads, writes

    def free(self, job: Job, decisions: tuple[Decision, Decision], now: datetime) -> None:
        """Let the minutes until the next check count for learning, for each axis that only its policy limits.

        `decisions`: those of this check.
        """
        policies = tracked(job)
        if not policies:
            return
        section, history, minute = job.section, self.history(job.target), minute_of(now)
        closed = bool(section.windows) and not windows.is_open(section.windows, now)
        if closed and not section.values["scale_up_outside_maintenance_windows"]:
            return
        for policy in policies:
            most, units = policy.max_provisioned, getattr(job.resource.provisioned, policy.axis)
            at_max = most is not None and units >= most
            refused = decisions[AXES.index(policy.axis)].direction == "up" and not history.accepted_in(minute)
            if policy.enable_autoscaling and policy.enable_up_scaling and not at_max and not refused:
                history.free(minute, policy.axis, self._every)


@dataclass(frozen=True)
class Followed:
    """What is known about a target with target tracking on both axes, for which no window was read."""

    tracker: Tracker
    job: Job
    now: datetime

    def described(self, resource: Resource) -> Followed:
        """The same for a target that has been described again."""
        return replace(self, job=replace(self.job, resource=resource))

    @property
    def usages(self) -> tuple[Usage, Usage]:
        """Of reads and of writes, over the last 10 known minutes."""
        reads, writes = (
            self.tracker.usage(policy, self.job.resource, self.now) for policy in self.job.section.policies
        )
        return reads, writes


def _wanted(job: Job, history: History) -> Wanted:
    credit = {policy.axis: tracking.BUCKET * float(policy.burst_credit) / 100 for policy in tracked(job)}
    end = (history.newest or 0) + 1
    return Wanted(-sum(map(history.last, credit)), job.target, end, credit)


def _throttled(query: Query, answer: Series | AwsError) -> bool:
    return query.metric in _KEY_RANGE and isinstance(answer, Series) and any(answer.sums)


def _errors(answers: Mapping[str, Series | AwsError]) -> list[AwsError]:
    """The first error, if there is one."""
    return [answer for answer in answers.values() if isinstance(answer, AwsError)][:1]
