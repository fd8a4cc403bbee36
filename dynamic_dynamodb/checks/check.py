"""One check over all matched tables: measure, decide, guard, apply, notify."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.cloudwatch import Request, Statistics, dollars_a_month
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.checks.guards import Guards, Verdict, decreases_used
from dynamic_dynamodb.checks.inventory import Inventory, Job
from dynamic_dynamodb.checks.notifier import Notifier
from dynamic_dynamodb.checks.state import Episode, State
from dynamic_dynamodb.checks.throttling import Lookout, tell_throttling, throttled_indexes, watched
from dynamic_dynamodb.checks.updates import Updates
from dynamic_dynamodb.decisions import calculator
from dynamic_dynamodb.decisions.model import Change, Decision, Target, Throughput, Usage
from dynamic_dynamodb.output.wording import count

log = logging.getLogger("dynamic-dynamodb")


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
        lookout: bool = False,
    ) -> None:
        """`lookout`: warn of throttled events that the configuration ignores; that is for whoever checks on and on."""
        self._workers = workers
        self._clock = clock
        self._dry_run = dry_run
        self._state = State()
        self._guards = Guards(self._state, workers)
        self._lookout = Lookout(self._state, on=lookout)
        self.reconfigure(config, clients)

    def reconfigure(self, config: Mapping[str, Any], clients: Clients) -> None:
        """Work by another config dict from the next check on. Streaks and the like of targets that stay are kept."""
        self.interval: int = config["global"]["check_interval"]  # seconds between two checks
        self._clients = clients
        self._inventory = Inventory(config["tables"], clients.dynamodb, self._workers, self._state)
        self._statistics = Statistics(clients.cloudwatch, self._workers)
        self._notifier = Notifier(clients.sns, self._workers, self._clock, dry_run=self._dry_run)
        self._updates = Updates(
            clients.dynamodb,
            self._workers,
            self._state,
            self._guards,
            self._notifier,
            self._clock,
            dry_run=self._dry_run,
        )
        self._lookout.begin_anew()
        self._state.changes(Episode.COST_TOLD, False)  # another configuration, another cost

    def check(self) -> bool:
        """One check. Returns whether every resource was handled; raises StoppedError when told to end."""
        self._state.failed = False
        self._clients.next_check()
        verdicts: list[Verdict] = []
        try:
            jobs = self._inventory.take()
            verdicts = self._decide(self._guards.closed(jobs or []))
        except AwsError as error:
            log.error("the check failed: %s", error)
            return False
        finally:
            self._state.forget_streaks({verdict.job.target for verdict in verdicts})
        try:
            self._updates.make(verdicts)
            self._lookout.look([verdict.job for verdict in verdicts], self._statistics, self._clock())
        finally:
            self._notifier.send()
        return jobs is not None and not self._state.failed

    def took(self, seconds: float) -> None:
        """Say when checks begin to take longer than the interval, and when they no longer do."""
        too_long = seconds > self.interval
        if self._state.changes(Episode.OVERRUN, too_long):
            level, side = (logging.WARNING, "longer") if too_long else (logging.INFO, "no longer more")
            log.log(level, "the check took %.0f s, %s than check-interval (%d s)", seconds, side, self.interval)

    def tell_pause(self) -> None:
        """Say that nothing is to come for a while; at info the first time, so that nobody waits for an end."""
        level = logging.INFO if self._state.once(Episode.PAUSE_TOLD) else logging.DEBUG
        log.log(level, "the next check begins in %d s", self.interval)

    # Measure and decide

    def _decide(self, jobs: Sequence[Job]) -> list[Verdict]:
        now = self._clock()
        requests = [self._request(job) for job in jobs]
        self._tell_cost(jobs, requests)
        measured = self._statistics.measure(requests, now)
        throttled = throttled_indexes(measured)
        verdicts = []
        for job in jobs:
            usages = measured[job.target]
            if isinstance(usages, AwsError):
                self._state.fail(job.target, usages)
                continue
            try:
                self._alarm(job, usages)
                verdicts.append(self._guards.let_through(self._verdict(job, usages, throttled), now))
            except Exception:  # whatever it is, the other tables and indexes go on
                self._state.failed = True
                log.exception("%s - failed on something unforeseen", job.target)
        return verdicts

    def _tell_cost(self, jobs: Sequence[Job], requests: Sequence[Request]) -> None:
        metrics = sum(len(request.metrics) for request in requests)
        indexes = sum(request.resource.target.index is not None for request in requests)
        if metrics and self._state.once(Episode.COST_TOLD):
            log.info(
                "a check asks CloudWatch for %d metrics of %s and %s: about $%.2f a month with one every %d s%s",
                metrics,
                count(len(requests) - indexes, "table"),
                count(indexes, "index", "indexes"),
                dollars_a_month(metrics, self.interval),
                self.interval,
                self._lookout.cost(jobs, self.interval),
            )

    def _request(self, job: Job) -> Request:
        return Request(
            job.resource,
            job.section.values["lookback_window_start"],
            job.section.values["lookback_period"],
            watched(job),
            self._state.memory(job.target).increased,
        )

    def _alarm(self, job: Job, usages: tuple[Usage, Usage]) -> None:
        axes = {one.axis: (one, usage) for one, usage in zip(job.section.policies, usages, strict=True)}
        self._notifier.alarm(job.section.values, job.target, axes, self._state.memory(job.target))

    def _verdict(self, job: Job, usages: tuple[Usage, Usage], throttled: Mapping[Target, Fraction]) -> Verdict:
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
                "%s - %s: %.10g consumed%s in %d s, %d provisioned, streak %d",
                job.target,
                one.axis,
                usage.consumed,
                f" and {float(usage.throttled):.10g} throttled" if one.uses_throttled else "",
                usage.seconds,
                usage.provisioned,
                decision.streak,
            )
        # What AWS manages is neither asked nor waited for.
        if job.section.values["always_decrease_rw_together"] and not job.writes_managed:
            decisions = calculator.join(decisions, policies, usages)
        decisions = tell_throttling(self._state, job.target, usages, decisions, throttled)
        used = decreases_used(job.resource)
        notes = (used,) if any(decision.direction == "down" for decision in decisions) else ()
        return Verdict(job, decisions, self._change(job, decisions, used), notes=notes)

    @staticmethod
    def _change(job: Job, decisions: tuple[Decision, Decision], used: str) -> Change:
        reads, writes = (
            f"{decision.reason}; {used}" if decision.direction == "down" else decision.reason for decision in decisions
        )
        desired = Throughput(decisions[0].units, decisions[1].units)
        return Change(job.target, job.resource.provisioned, desired, (reads, writes))
