"""One check over all matched tables: measure, decide, guard, apply, notify."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from dynamic_dynamodb.aws.calls import Workers, given_up
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.cloudwatch import Measured, Request, Statistics, dollars_a_month
from dynamic_dynamodb.aws.errors import AwsError, facts
from dynamic_dynamodb.aws.series import Metrics
from dynamic_dynamodb.checks.backfill import Backfill
from dynamic_dynamodb.checks.guards import Guards, Verdict, decreases_used
from dynamic_dynamodb.checks.inventory import Inventory, Job
from dynamic_dynamodb.checks.notifier import Notifier, ignore
from dynamic_dynamodb.checks.observed import Observed
from dynamic_dynamodb.checks.state import Episode, State
from dynamic_dynamodb.checks.tally import Checked, Tally
from dynamic_dynamodb.checks.throttling import Lookout, tell_throttling, throttled_indexes, watched
from dynamic_dynamodb.checks.tracking import Followed, Tracker, may_alarm, metrics_of, needs_window
from dynamic_dynamodb.checks.updates import Updates
from dynamic_dynamodb.decisions import calculator
from dynamic_dynamodb.decisions.model import AXES, Axis, Change, Decision, Policy, Target, Throughput, Usage
from dynamic_dynamodb.output import events
from dynamic_dynamodb.output.wording import count

log = logging.getLogger("dynamic-dynamodb")


class Scaler:
    """Looks at every table and index once per check."""

    def __init__(
        self,
        config: Mapping[str, Any],
        clients: Clients,
        workers: Workers,
        clock: Callable[[], datetime],
        *,
        dry_run: bool = False,
        lookout: bool = False,
        once: bool = False,
        watch: Callable[[Change], None] = ignore,
        backfill: Backfill | None = None,
        state: State | None = None,
    ) -> None:
        """`lookout`: warn about throttled events that the configuration ignores; for programs that run in a loop.

        `once`: this is the only check, so each line is new. `watch` is called with each change that DynamoDB accepted.
        `backfill` reads CloudWatch's past in parallel to the checks. `state`: what an earlier process remembered.
        """
        self._backfill = backfill
        self._workers = workers
        self._watch = watch
        self._clock = clock
        self._dry_run = dry_run
        self._once = once
        self._checked: datetime | None = None  # when the last check began
        self._state = State() if state is None else state
        self._number = 0  # of the check, since the process began
        self._throttled: Mapping[Target, Fraction] = {}  # of indexes, by this check
        self._guards = Guards(self._state, workers)
        self._lookout = Lookout(self._state, on=lookout)
        self.reconfigure(config, clients)

    def reconfigure(self, config: Mapping[str, Any], clients: Clients) -> None:
        """Use another config dict from the next check on. Targets that remain keep their streaks and other state."""
        self.interval: int = config["global"]["check_interval"]  # seconds between two checks
        self._state.tell_again(Episode.COST_TOLD, Episode.LIST_TABLES_DENIED)
        self._clients = clients
        self._inventory = Inventory(config, clients.dynamodb, self._workers, self._state, self._clock)
        metrics = Metrics(clients.cloudwatch, self._workers)
        self._statistics = Statistics(metrics)
        if self._backfill is not None:
            self._backfill.use(clients.cloudwatch)
        self._tracker = Tracker(metrics, self._state, self.interval, self._backfill)
        self._notifier = Notifier(clients.sns, self._workers, self._clock, dry_run=self._dry_run, watch=self._watch)
        self._updates = Updates(
            clients.dynamodb,
            self._workers,
            self._state,
            self._guards,
            self._notifier,
            self._clock,
            self._decide_again,
            dry_run=self._dry_run,
            once=self._once,
        )
        self._lookout.begin_anew()

    def close(self) -> None:
        """Start nothing more in parallel to the checks."""
        if self._backfill is not None:
            self._backfill.close()

    def check(self) -> bool:
        """One check. Returns whether every resource was handled; raises StoppedError if the program must stop."""
        self._state.tally = Tally()
        self._number += 1
        events.share(check=self._number)
        self._clients.next_check()
        verdicts: list[Verdict] = []
        try:
            self._checked = self._clock()
            self._state.begin(self._checked, self.interval)
            jobs = self._inventory.take(self._checked)
            verdicts = self._decide(self._guards.closed(jobs or []))
        except AwsError as error:
            log.error("the check failed: %s", error, extra=events.about("failure", **facts(error)))
            self._state.tally.error = str(error)
            return False
        finally:
            self._state.forget_streaks({verdict.job.target for verdict in verdicts})
        self._state.tally.decided = True
        try:
            self._inventory.forget(verdict.job.target.table for verdict in verdicts if verdict.change.changes)
            self._updates.make(verdicts)
            self._free(verdicts)
            self._lookout.look([verdict.job for verdict in verdicts], self._statistics, self._clock())
        finally:
            self._notifier.send()
        return self.checked(0).handled

    def checked(self, took: float, error: str = "") -> Checked:
        """How the last check ended, after this many seconds; `error`: the unexpected error that it failed on."""
        now, tally = self._clock(), self._state.tally
        tally.error = tally.error or error
        return tally.checked(self._number, self._checked or now, now, took)

    def observed(self) -> tuple[int, dict[Target, Observed]]:
        """The number of the last check, and what is known of each target."""
        return self._number, {target: memory.observed for target, memory in self._state.memories()}

    def topics(self, kind: str) -> set[str]:
        """The topics that any section subscribes to messages of this kind now."""
        return self._inventory.topics(kind, self._clock())

    def publish(self, kind: str, topics: Collection[str], about: str, text: str) -> list[str]:
        """Publish a message that is not about a single target. Returns the topics that accepted it."""
        return self._notifier.publish(kind, topics, about, text)

    def _free(self, verdicts: Sequence[Verdict]) -> None:
        if self._dry_run:
            return
        for verdict in verdicts:
            self._tracker.free(verdict.job, verdict.decisions, self._clock())

    def took(self, seconds: float) -> None:
        """Log when checks begin to take longer than the interval, and when that ends."""
        too_long = seconds > self.interval
        if self._state.changes(Episode.OVERRUN, too_long):
            level, side = (logging.WARNING, "longer than") if too_long else (logging.INFO, "again within")
            log.log(level, "the check took %.0f s, %s check-interval (%d s)", seconds, side, self.interval)

    def pause(self, slept: float = 0.0) -> float:
        """How many seconds are left until the next check; `slept`: seconds since the end of the last one.

        It is due after the interval or when a schedule begins (by the wall clock), whichever comes first. A schedule
        that began during the last check was not seen by it, and counts too.
        """
        left = self.interval - slept
        begins = self._begins()
        return left if begins is None else min(left, (begins - self._clock()).total_seconds())

    def _begins(self) -> datetime | None:
        """When the next schedule begins that the last check did not see."""
        now = self._clock()
        return self._inventory.next_beginning(min(self._checked or now, now))

    def next_check(self) -> str:
        """When the next check begins, for the last line of a check."""
        left = max(0, round(self.pause()))
        why = ", when a schedule begins" if left < self.interval else ""
        return f"next in {left} s{why}"

    # Measure and decide

    def _decide(self, jobs: Sequence[Job]) -> list[Verdict]:
        now = self._clock()
        requests = [self._request(job) for job in jobs if needs_window(job)]
        self._tell_cost(jobs, requests)
        measured: dict[Target, Measured | Followed | AwsError] = {
            **{job.target: Followed(self._tracker, job, now) for job in jobs if not needs_window(job)},
            **self._statistics.measure(requests, now),
            **self._tracker.measure(jobs, now),
        }
        self._throttled = throttled_indexes(measured)
        verdicts = []
        for job in jobs:
            found = measured[job.target]
            if isinstance(found, AwsError):
                self._state.fail(job.target, found)
                continue
            try:
                if isinstance(found, Measured):
                    self._alarm(job, found.usages)
                self._state.tally.looked_at.add(job.target)
                verdicts.append(self._judge(job, found, dict(self._state.memory(job.target).streaks)))
                self._tell_maximum(job, verdicts[-1].decisions)
            except Exception:  # no error affects the other tables and indexes
                self._state.tally.failed.add(job.target)
                unforeseen = events.about("failure", job.target)
                log.exception("%s - unexpected error", job.target, extra=unforeseen)
        return verdicts

    def _decide_again(self, table: str, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Decide from the table's current values, with the same measurements and streaks. Logs what somebody changed.

        Runs in the thread of a call. Raises AwsError.
        """
        targets = {verdict.job.target for verdict in verdicts}
        jobs = {job.target: job for job in self._inventory.look_again(table, targets)}
        if given_up():  # a later check may have started
            raise AwsError("DescribeTable", "no answer", "given up meanwhile", answered=False)
        again = []
        for verdict in verdicts:
            job = jobs.get(verdict.job.target)
            if job is None:
                self._leave(verdict)
                continue
            _tell_difference(verdict.job, job)
            new = self._judge(job, verdict.measured.described(job.resource), verdict.streaks)
            again.append(replace(new, grave=verdict.level >= logging.WARNING))
        return again

    def _leave(self, verdict: Verdict) -> None:
        """Treat the target as if its first description had been like this."""
        about = events.about("left-alone", verdict.job.target)
        log.warning(
            "%s - its state has changed since it was described: not changed in this check",
            verdict.job.target,
            extra=about,
        )
        self._state.tally.left_alone.add(verdict.job.target)
        self._state.memory(verdict.job.target).streaks = dict.fromkeys(AXES, 0)

    def _tell_cost(self, jobs: Sequence[Job], requests: Sequence[Request]) -> None:
        if self._state.was_told(Episode.COST_TOLD):
            return
        windows = sum(len(request.metrics) for request in requests)
        least, most = (windows + sum(more) for more in zip(*map(metrics_of, jobs), strict=True)) if jobs else (0, 0)
        indexes = sum(job.target.index is not None for job in jobs)
        if least and self._state.once(Episode.COST_TOLD):
            dollars = [f"${dollars_a_month(metrics, self.interval):.2f}" for metrics in (least, most)]
            log.info(
                "a check asks CloudWatch for %s metrics of %s and %s: about %s per month with a check every %d s%s",
                least if least == most else f"{least} to {most}",
                count(len(jobs) - indexes, "table"),
                count(indexes, "index", "indexes"),
                dollars[0] if least == most else " to ".join(dollars),
                self.interval,
                self._lookout.cost(jobs, self.interval),
            )

    def _request(self, job: Job) -> Request:
        return Request(
            job.resource,
            job.section.values["lookback_window_start"],
            job.section.values["lookback_period"],
            tuple(axis for axis in watched(job) if not job.section.policies[AXES.index(axis)].tracks),
            self._state.memory(job.target).increased,
        )

    def _alarm(self, job: Job, usages: tuple[Usage, Usage]) -> None:
        memory = self._state.memory(job.target)
        if may_alarm(job) or memory.alarmed:
            axes = {one.axis: (one, usage) for one, usage in zip(job.section.policies, usages, strict=True)}
            self._notifier.alarm(job.section.values, job.target, axes, memory)

    def _tell_maximum(self, job: Job, decisions: tuple[Decision, Decision]) -> None:
        memory = self._state.memory(job.target)
        axes = {
            policy.axis: (policy, decision.capped)
            for policy, decision in zip(job.section.policies, decisions, strict=True)
            if decision.capped
        }
        if axes or memory.at_maximum:
            self._notifier.at_maximum(job.section.values, job.target, axes, memory)

    def _judge(self, job: Job, measured: Measured | Followed, streaks: Mapping[Axis, int]) -> Verdict:
        """The verdict on a target now, from the streaks before this check."""
        return self._guards.let_through(self._verdict(job, measured, streaks), self._clock())

    def _verdict(self, job: Job, measured: Measured | Followed, streaks: Mapping[Axis, int]) -> Verdict:
        policies, memory = job.section.policies, self._state.memory(job.target)
        usages = self._tracker.usages(job, measured, self._clock())
        decisions = self._both(job, usages, streaks)
        for one, usage, decision in zip(policies, usages, decisions, strict=True):
            memory.streaks[one.axis] = decision.streak
            _tell_usage(job.target, one, usage, decision.streak)
        known = watched(job)
        memory.observed.see(
            self._number,
            job.resource,
            policies,
            usages,
            (policies[0].axis in known, policies[1].axis in known),
            decisions,
        )
        # An axis that AWS manages is not waited for.
        if job.section.values["always_decrease_rw_together"] and not job.writes_managed:
            decisions = calculator.join(decisions, policies, usages)
        decisions = tell_throttling(self._state, job.target, usages, decisions, self._throttled)
        down = any(decision.direction == "down" for decision in decisions)
        used = decreases_used(job.resource) if down else ""
        notes = (used,) if down else ()
        return Verdict(job, measured, streaks, decisions, self._change(job, decisions, used), notes=notes)

    def _both(self, job: Job, usages: tuple[Usage, Usage], streaks: Mapping[Axis, int]) -> tuple[Decision, Decision]:
        """Decide each axis by its scaling policy. One call decreases both, so a small saving joins a large one."""
        reads, writes = (
            self._one(job, policy, usage, streaks) for policy, usage in zip(job.section.policies, usages, strict=True)
        )
        if writes.direction == "down":
            reads = self._joined(job, 0, reads)
        elif reads.direction == "down":
            writes = self._joined(job, 1, writes)
        return reads, writes

    def _one(self, job: Job, policy: Policy, usage: Usage, streaks: Mapping[Axis, int]) -> Decision:
        if job.writes_managed and policy.axis == "writes":
            return calculator.stay(policy, usage.provisioned, "AWS manages the writes of a global table", "aws")
        if policy.tracks:
            return self._tracker.decide(policy, job.resource, self._clock())
        return calculator.decide(policy, usage, streaks[policy.axis])

    def _joined(self, job: Job, axis: int, decision: Decision) -> Decision:
        policy = job.section.policies[axis]
        if not policy.tracks or decision.direction != "stay" or not decision.ripe:
            return decision
        return self._tracker.decide(policy, job.resource, self._clock(), joins=True)

    @staticmethod
    def _change(job: Job, decisions: tuple[Decision, Decision], used: str) -> Change:
        """A change without a difference is not reported, so it needs no reasons."""
        present, desired = job.resource.provisioned, Throughput(decisions[0].units, decisions[1].units)
        if desired == present:
            return Change(job.target, present, desired, ("", ""))
        reads, writes = (
            f"{decision.reason}; {used}" if decision.direction == "down" else str(decision.reason)
            for decision in decisions
        )
        return Change(job.target, present, desired, (reads, writes))


def _tell_usage(target: Target, policy: Policy, usage: Usage, streak: int) -> None:
    if log.isEnabledFor(logging.DEBUG):
        log.debug(
            "%s - %s: %.10g consumed%s in %d s, %d provisioned, streak %d",
            target,
            policy.axis,
            usage.consumed,
            f" and {float(usage.throttled):.10g} throttled" if policy.uses_throttled else "",
            usage.seconds,
            usage.provisioned,
            streak,
            extra=events.about("message", target),
        )


def _difference(before: Job, now: Job) -> str:
    """What has changed between two descriptions of a target."""
    units = zip(AXES, before.resource.provisioned, now.resource.provisioned, strict=True)
    changed = [f"{axis} {old} -> {new}" for axis, old, new in units if old != new]
    if now.writes_managed and not before.writes_managed:
        changed.append("now a global table")
    return ", ".join(changed)


def _tell_difference(before: Job, now: Job) -> None:
    changed = _difference(before, now)
    if changed:
        log.warning(
            "%s - changed by somebody else since it was described: %s; decided again",
            now.target,
            changed,
            extra=events.about("message", now.target),
        )
