"""One check over all matched tables, the schedule, and what is remembered between checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Protocol

from dynamic_dynamodb import calculator, updater, windows
from dynamic_dynamodb.breaker import Breaker, poll
from dynamic_dynamodb.errors import AwsError
from dynamic_dynamodb.inventory import Inventory, Job, Section
from dynamic_dynamodb.model import AXES, Change, Decision, Target, Throughput, Usage
from dynamic_dynamodb.notifier import Notifier
from dynamic_dynamodb.state import State
from dynamic_dynamodb.stats import Request, Statistics
from dynamic_dynamodb.workers import StoppedError, Workers

log = logging.getLogger("dynamic-dynamodb")

# DynamoDB grants these decreases a UTC day at any time; later ones are an hour apart.
_FREE_DECREASES = 4


class Clients(NamedTuple):
    """boto3's clients, or the simulation's, which have the same methods."""

    dynamodb: Any
    cloudwatch: Any
    sns: Any


class Stop(Protocol):
    """What tells the loop to end."""

    def stopping(self) -> bool: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class _Verdict:
    """What was decided for a target, and the change that is to be sent."""

    job: Job
    decisions: tuple[Decision, Decision]
    change: Change
    notes: tuple[str, ...] = ()  # why something of the decision is not sent

    def line(self, *notes: str) -> str:
        """Both axes with their reasons, in one line."""
        return "; ".join([*(decision.reason for decision in self.decisions), *self.notes, *notes])

    @property
    def level(self) -> int:
        return logging.WARNING if any(decision.warn for decision in self.decisions) else logging.INFO


class Scaler:
    """Looks at every table and index once a check."""

    def __init__(
        self,
        config: Mapping[str, Any],
        clients: Clients,
        workers: Workers,
        clock: Callable[[], datetime],
        *,
        dry_run: bool = False,
    ) -> None:
        self._clients = clients
        self._workers = workers
        self._clock = clock
        self._dry_run = dry_run
        self._state = State()
        self._inventory = Inventory(config["tables"], clients.dynamodb, workers, self._state)
        self._statistics = Statistics(clients.cloudwatch, workers)
        self._notifier = Notifier(clients.sns, workers, dry_run=dry_run)

    def check(self) -> bool:
        """One check. Returns whether every resource was handled; raises StoppedError when told to end."""
        self._state.failed = False
        try:
            jobs = self._inventory.take()
        except AwsError as error:
            log.error("the check failed: %s", error)
            self._state.forget_streaks()
            return False
        verdicts = self._decide(self._closed(jobs or []))
        self._state.forget_streaks({verdict.job.target for verdict in verdicts})
        try:
            self._apply(verdicts)
        finally:
            self._notifier.send()
        return jobs is not None and not self._state.failed

    # Circuit breaker

    def _closed(self, jobs: list[Job]) -> list[Job]:
        """The jobs whose circuit breaker is closed, or that have none."""
        breakers = [
            Breaker(job.target, job.section.values["circuit_breaker_url"], self._timeout(job))
            for job in jobs
            if job.section.values["circuit_breaker_url"]
        ]
        reasons = poll(breakers, self._workers) if breakers else {}
        for job in jobs:
            reason = reasons.get(job.target)
            memory = self._state.memory(job.target)
            was_open = "circuit breaker" in memory.said
            if self._state.begins("circuit breaker", reason is not None, job.target):
                log.warning("%s - circuit breaker open (%s): nothing is changed", job.target, reason)
            elif reason is None and was_open:
                log.warning("%s - circuit breaker closed again", job.target)
        return [job for job in jobs if job.target not in reasons]

    @staticmethod
    def _timeout(job: Job) -> float:
        return float(job.section.values["circuit_breaker_timeout"]) / 1000

    # Measure and decide

    def _decide(self, jobs: Sequence[Job]) -> list[_Verdict]:
        now = self._clock()
        requests = [
            Request(
                job.resource,
                job.section.values["lookback_window_start"],
                job.section.values["lookback_period"],
                tuple(one.axis for one in job.section.policies if one.uses_throttled),
            )
            for job in jobs
        ]
        measured = self._statistics.measure(requests, now)
        verdicts = []
        for job in jobs:
            usages = measured[job.target]
            if isinstance(usages, AwsError):
                self._state.fail(job.target, usages)
            else:
                self._alarm(job, usages)
                verdicts.append(self._guard(self._verdict(job, usages), now))
        return verdicts

    def _alarm(self, job: Job, usages: tuple[Usage, Usage]) -> None:
        axes = {one.axis: (one, usage) for one, usage in zip(job.section.policies, usages, strict=True)}
        self._notifier.alarm(job.section.values, job.target, axes, self._state.memory(job.target))

    def _verdict(self, job: Job, usages: tuple[Usage, Usage]) -> _Verdict:
        policies, memory = job.section.policies, self._state.memory(job.target)
        decisions = (
            calculator.decide(policies[0], usages[0], memory.streaks["reads"]),
            calculator.stay(policies[1], usages[1].provisioned, "AWS manages the writes of a global table")
            if job.writes_managed
            else calculator.decide(policies[1], usages[1], memory.streaks["writes"]),
        )
        for one, usage, decision in zip(policies, usages, decisions, strict=True):
            memory.streaks[one.axis] = decision.streak
            log.debug(
                "%s - %s: %s consumed and %s throttled in %d s, %d provisioned, streak %d",
                job.target,
                one.axis,
                float(usage.consumed),
                float(usage.throttled),
                usage.seconds,
                usage.provisioned,
                decision.streak,
            )
        if job.section.values["always_decrease_rw_together"]:
            decisions = calculator.join(decisions, policies, usages)
        desired = Throughput(decisions[0].units, decisions[1].units)
        reasons = (decisions[0].reason, decisions[1].reason)
        return _Verdict(job, decisions, Change(job.target, job.resource.provisioned, desired, reasons))

    # Guards

    def _guard(self, verdict: _Verdict, now: datetime) -> _Verdict:
        """Take out of a change what a maintenance window or used-up decreases do not let through."""
        section, target = verdict.job.section, verdict.job.target
        closed = bool(section.windows) and not windows.is_open(section.windows, now)
        written = section.values["maintenance_windows"]
        if self._state.begins("window", closed, target):
            rest = "only increases are made" if self._increases_anyway(section) else "nothing is changed"
            log.warning("%s - outside the maintenance windows %s UTC: %s", target, written, rest)
        if closed and verdict.change.changes:
            note = f"outside the maintenance windows {written} UTC"
            if not self._increases_anyway(section):
                return self._hold(verdict, verdict.change.current, f"not changed: {note}")
            verdict = self._hold_decreases(verdict, f"not decreased: {note}")
        memory = self._state.memory(target)
        if memory.waits_until is not None:
            if now < memory.waits_until:
                until = memory.waits_until.strftime("%H:%M UTC")
                verdict = self._hold_decreases(
                    verdict, f"not decreased: decreases have run out, asked for again from {until}"
                )
            else:
                memory.waits_until = None
        return verdict

    @staticmethod
    def _increases_anyway(section: Section) -> bool:
        return bool(section.values["scale_up_outside_maintenance_windows"])

    def _hold_decreases(self, verdict: _Verdict, note: str) -> _Verdict:
        if not verdict.change.decreases:
            return verdict
        return self._hold(verdict, verdict.change.without_decreases().desired, note)

    @staticmethod
    def _hold(verdict: _Verdict, desired: Throughput, note: str) -> _Verdict:
        log.debug("%s - %s", verdict.job.target, note)
        return replace(verdict, change=replace(verdict.change, desired=desired), notes=(*verdict.notes, note))

    # Apply

    def _apply(self, verdicts: Sequence[_Verdict]) -> None:
        by_table: dict[str, list[_Verdict]] = {}
        for verdict in verdicts:
            if verdict.change.changes and not self._dry_run:
                by_table.setdefault(verdict.job.target.table, []).append(verdict)
            else:
                note = self._decreases_note(verdict)
                log.log(verdict.level, "%s - %s", verdict.job.target, verdict.line(*note))
        groups = list(by_table.values())
        outcomes = self._workers.finish(self._send, groups)
        for group, outcome in zip(groups, outcomes, strict=True):
            if outcome is not None:
                self._tell_outcome(group, outcome)
        if None in outcomes:
            raise StoppedError

    def _send(self, group: Sequence[_Verdict]) -> updater.Outcome:
        changes = [verdict.change for verdict in group]
        log.debug("%s - UpdateTable %s", changes[0].target.table, updater.arguments(changes))
        return updater.apply(self._clients.dynamodb, changes)

    @staticmethod
    def _decreases_note(verdict: _Verdict) -> tuple[str, ...]:
        """What DescribeTable says of the decreases used so far; they are few."""
        if not verdict.change.decreases:
            return ()
        resource = verdict.job.resource
        last = resource.last_decrease
        when = f", the last at {last.astimezone(timezone.utc):%Y-%m-%d %H:%M UTC}" if last else ""
        return (f"decreases today so far: {resource.decreases_today}{when}",)

    def _tell_outcome(self, group: Sequence[_Verdict], outcome: updater.Outcome) -> None:
        made = {change.target: change for change in outcome.made}
        refused = {change.target for change in outcome.refused}
        for verdict in group:
            target = verdict.job.target
            note = self._decreases_note(verdict)
            if target in refused:
                note = (f"decrease refused by DynamoDB ({self._postpone(verdict)})", *note)
            if target in made:
                log.log(verdict.level, "%s - %s", target, verdict.line(*note))
                self._changed_to(verdict, made[target])
            elif outcome.error is None:
                log.warning("%s - %s", target, verdict.line(*note))
        if outcome.error is not None:
            self._tell_refusal(group, outcome)

    def _postpone(self, verdict: _Verdict) -> str:
        """After a refusal, what has used up its free decreases waits for the next full hour."""
        if verdict.job.resource.decreases_today < _FREE_DECREASES:
            return "asked for again in the next check"
        hour = self._clock().astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self._state.memory(verdict.job.target).waits_until = hour
        return f"asked for again from {hour:%H:%M UTC}"

    def _changed_to(self, verdict: _Verdict, made: Change) -> None:
        """DynamoDB accepted this change: a decrease that was waited for begins to count anew, and people are told."""
        memory = self._state.memory(made.target)
        for axis, now, then, decision in zip(AXES, made.current, made.desired, verdict.decisions, strict=True):
            if then < now and decision.ripe:
                memory.streaks[axis] = 0
        self._notifier.changed(verdict.job.section.values, made)

    def _tell_refusal(self, group: Sequence[_Verdict], outcome: updater.Outcome) -> None:
        error = outcome.error
        assert error is not None
        table = Target(group[0].job.target.table)
        made = {change.target for change in outcome.made}
        wanted = "; ".join(verdict.line() for verdict in group if verdict.job.target not in made)
        why = updater.quota(error)
        text = f"{error} [{why}]" if why else str(error)
        if error.not_found:
            log.warning("%s - %s: %s", table, text, wanted)
            return
        self._state.failed = True
        again = updater.too_many_at_once(error) or error.code == "ResourceInUseException"
        log.log(
            logging.WARNING if again else logging.ERROR,
            "%s - %s%s. It was: %s",
            table,
            text,
            "; tried again in the next check" if again else "",
            wanted,
        )


def attempt(scaler: Scaler) -> bool:
    """One check, whatever happens in it. Returns whether every resource was handled; raises StoppedError."""
    try:
        return scaler.check()
    except StoppedError:
        raise
    except Exception:
        log.exception("the check failed on something unforeseen")
        return False


def run(scaler: Scaler, interval: float, stop: Stop) -> None:
    """Check, sleep, check, until told to end, which StoppedError may tell too.

    `interval` is the pause after each check, in seconds.
    """
    while not stop.stopping():
        attempt(scaler)
        stop.sleep(interval)
