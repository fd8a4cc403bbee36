"""One check over all matched tables, the schedule, and what is remembered between checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Protocol

from dynamic_dynamodb import calculator, notifier, updater, windows
from dynamic_dynamodb.breaker import Breaker, poll
from dynamic_dynamodb.config import policy
from dynamic_dynamodb.errors import AwsError
from dynamic_dynamodb.matching import Match, Matcher, longer_names, plain_name
from dynamic_dynamodb.model import AXES, Axis, Change, Decision, Policy, Resource, Table, Target, Throughput, Usage
from dynamic_dynamodb.stats import Request, Statistics
from dynamic_dynamodb.workers import StoppedError, Workers

log = logging.getLogger("dynamic-dynamodb")

_ACTIVE = "ACTIVE"
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


@dataclass
class _Memory:
    """What one check leaves of one target for the next."""

    streaks: dict[Axis, int] = field(default_factory=lambda: dict.fromkeys(AXES, 0))
    said: set[str] = field(default_factory=set)  # states that were told and last
    waits_until: datetime | None = None  # decreases have run out until then
    alarmed: dict[Axis, str] = field(default_factory=dict)  # the alarm that was sent and lasts

    def forget_streaks(self) -> None:
        self.streaks = dict.fromkeys(AXES, 0)


@dataclass(frozen=True)
class _Section:
    """One section of the configuration, ready to use."""

    values: Mapping[str, Any]
    policies: tuple[Policy, Policy]
    windows: tuple[windows.Window, ...]
    gsis: Mapping[str, _Section]
    matcher: Matcher  # of its gsi sections

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> _Section:
        gsis = values.get("gsis", {})
        return cls(
            values,
            (policy(values, "reads"), policy(values, "writes")),
            windows.parse(values["maintenance_windows"]) if values["maintenance_windows"] else (),
            {expression: cls.of(gsi) for expression, gsi in gsis.items()},
            Matcher(gsis),
        )


@dataclass(frozen=True)
class _Job:
    """A target to be measured and decided in this check."""

    resource: Resource
    section: _Section
    writes_managed: bool  # by AWS, as a global table's are

    @property
    def target(self) -> Target:
        return self.resource.target


@dataclass(frozen=True)
class _Verdict:
    """What was decided for a target, and the change that is to be sent."""

    job: _Job
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
    """Looks at every table and index once a check, and remembers what the next check has to know."""

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
        self._statistics = Statistics(clients.cloudwatch, workers)
        self._memories: dict[Target, _Memory] = {}
        self._said: set[str] = set()  # as in _Memory, of no one target
        self._sections = {expression: _Section.of(values) for expression, values in config["tables"].items()}
        self._matcher = Matcher(self._sections)
        self._failed = False

    def check(self) -> bool:
        """One check. Returns whether every resource was handled; raises StoppedError when told to end."""
        self._failed = False
        try:
            names = self._matched()
        except AwsError as error:
            log.error("the check failed: %s", error)
            self._forget_streaks(())
            return False
        if not names:
            log.error("no table matches the configuration")
        tables = self._describe(names)
        jobs = self._closed(list(self._jobs(tables)))
        verdicts = self._decide(jobs)
        self._forget_streaks(verdict.job.target for verdict in verdicts)
        self._apply(verdicts)
        return bool(names) and not self._failed

    # Which tables

    def _matched(self) -> list[str]:
        """The names of the tables to look at. Raises AwsError where they cannot be listed at all."""
        names = self._names()
        self._matcher.keep(set(names))
        matched = [name for name in names if self._matcher.match(name)]
        kept = set(matched)
        self._memories = {target: memory for target, memory in self._memories.items() if target.table in kept}
        for name in matched:
            self._tell_section(Target(name), "table", self._matcher.match(name))
        self._tell_matches(self._sections, self._matcher, names, "[table: {}]")
        return matched

    def _names(self) -> list[str]:
        try:
            return updater.list_tables(self._clients.dynamodb)
        except AwsError as error:
            if not error.denied:
                raise
            if self._once("ListTables"):
                log.warning("%s; using the table names of the configuration as they stand", error)
        plain = {expression: plain_name(expression) for expression in self._sections}
        for expression, name in plain.items():
            if name is None:
                self._failed = True
                level = logging.ERROR if self._once(f"needs ListTables {expression}") else logging.DEBUG
                log.log(level, "[table: %s] is a regular expression and needs dynamodb:ListTables", expression)
        return list(dict.fromkeys(name for name in plain.values() if name is not None))

    def _tell_section(self, target: Target, kind: str, match: Match | None) -> None:
        if match is None or not self._once(f"section {match.section}", target):
            return
        also = f", matched by [{kind}: {'], ['.join(match.also)}] too: the first one counts" if match.also else ""
        log.info("%s - configured by [%s: %s]%s", target, kind, match.section, also)

    def _tell_matches(self, sections: Iterable[str], matcher: Matcher, names: Iterable[str], header: str) -> None:
        """Warn of sections that match nothing, and of plain names that match more than themselves."""
        matched: dict[str, list[str]] = {expression: [] for expression in sections}
        for name in names:
            match = matcher.match(name)
            if match:
                matched[match.section].append(name)
        for expression, own in matched.items():
            shown = header.format(expression)
            if self._changed(f"nothing {shown}", not own):
                log.warning("%s matches nothing", shown)
            longer = longer_names(expression, own)
            if longer and self._once(f"longer {shown}"):
                more = f" and {len(longer) - 5} more" if len(longer) > 5 else ""
                log.warning(
                    "%s matches %s%s as well; write ^%s$ for the one name alone",
                    shown,
                    ", ".join(longer[:5]),
                    more,
                    expression,
                )

    # Describe

    def _describe(self, names: Sequence[str]) -> list[Table]:
        tables = []
        for name, answer in zip(names, self._workers.map(self._describe_one, names), strict=True):
            if isinstance(answer, Table):
                tables.append(answer)
            elif answer.not_found:
                log.warning("%s - %s", name, answer)
            else:
                self._fail(Target(name), answer)
        self._tell_indexes(tables, complete=len(tables) == len(names))
        return tables

    def _describe_one(self, name: str) -> Table | AwsError:
        try:
            return updater.describe(self._clients.dynamodb, name)
        except AwsError as error:
            return error

    def _tell_indexes(self, tables: Sequence[Table], *, complete: bool) -> None:
        by_section: dict[str, list[Target]] = {expression: [] for expression in self._sections}
        existing: set[Target] = set()
        for table in tables:
            existing.update(resource.target for resource in table.resources)
            by_section[self._section_of(table.name)[0]] += [
                resource.target for resource in table.resources if resource.target.index
            ]
        described = {table.name for table in tables}
        self._memories = {
            target: memory
            for target, memory in self._memories.items()
            if target in existing or target.index is None or target.table not in described
        }
        for expression, targets in by_section.items():
            section = self._sections[expression]
            indexes = {str(target.index) for target in targets}
            section.matcher.keep(indexes)
            for target in targets:
                self._tell_section(target, "gsi", section.matcher.match(str(target.index)))
            if complete:
                self._tell_matches(section.gsis, section.matcher, indexes, f"[gsi: {{}} table: {expression}]")

    def _section_of(self, table: str) -> tuple[str, _Section]:
        match = self._matcher.match(table)
        assert match is not None, table  # only matched tables are described
        return match.section, self._sections[match.section]

    def _jobs(self, tables: Iterable[Table]) -> Iterator[_Job]:
        """The targets that may be changed; says of the others why not."""
        for table in tables:
            whole = Target(table.name)
            if table.on_demand:
                level = logging.INFO if self._once("on demand", whole) else logging.DEBUG
                log.log(level, "%s - on demand (PAY_PER_REQUEST): there is nothing to scale", whole)
                continue
            self._changed("on demand", False, whole)
            if table.status != _ACTIVE:
                log.warning("%s - status %s: not changed in this check, nor are its indexes", whole, table.status)
                continue
            if self._changed("global table", table.replicated, whole):
                log.info("%s - a global table: AWS manages its writes, reads alone are scaled", whole)
            section = self._section_of(table.name)[1]
            for target, error in table.problems:
                if section.matcher.match(str(target.index)):
                    self._fail(target, error)
            yield from self._jobs_of(table, section)

    def _jobs_of(self, table: Table, section: _Section) -> Iterator[_Job]:
        for resource in table.resources:
            mine: _Section | None = section
            if resource.target.index is not None:
                match = section.matcher.match(resource.target.index)
                mine = section.gsis[match.section] if match else None
            if mine is None:
                continue
            if resource.status != _ACTIVE:
                log.warning("%s - status %s: not changed in this check", resource.target, resource.status)
                continue
            yield _Job(resource, mine, table.replicated)

    # Circuit breaker

    def _closed(self, jobs: list[_Job]) -> list[_Job]:
        """The jobs whose circuit breaker is closed, or that have none."""
        breakers = [
            Breaker(job.target, job.section.values["circuit_breaker_url"], self._timeout(job))
            for job in jobs
            if job.section.values["circuit_breaker_url"]
        ]
        reasons = poll(breakers, self._workers) if breakers else {}
        for job in jobs:
            reason = reasons.get(job.target)
            memory = self._memory(job.target)
            was_open = "circuit breaker" in memory.said
            if self._changed("circuit breaker", reason is not None, job.target):
                log.warning("%s - circuit breaker open (%s): nothing is changed", job.target, reason)
            elif reason is None and was_open:
                log.warning("%s - circuit breaker closed again", job.target)
        return [job for job in jobs if job.target not in reasons]

    @staticmethod
    def _timeout(job: _Job) -> float:
        return float(job.section.values["circuit_breaker_timeout"]) / 1000

    # Measure and decide

    def _decide(self, jobs: Sequence[_Job]) -> list[_Verdict]:
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
                self._fail(job.target, usages)
            else:
                self._alarm(job, usages)
                verdicts.append(self._guard(self._verdict(job, usages), now))
        return verdicts

    def _verdict(self, job: _Job, usages: tuple[Usage, Usage]) -> _Verdict:
        policies, memory = job.section.policies, self._memory(job.target)
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
        if self._changed("window", closed, target):
            rest = "only increases are made" if self._increases_anyway(section) else "nothing is changed"
            log.warning("%s - outside the maintenance windows %s UTC: %s", target, written, rest)
        if closed and verdict.change.changes:
            note = f"outside the maintenance windows {written} UTC"
            if not self._increases_anyway(section):
                return self._hold(verdict, verdict.change.current, f"not changed: {note}")
            verdict = self._hold_decreases(verdict, f"not decreased: {note}")
        memory = self._memory(target)
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
    def _increases_anyway(section: _Section) -> bool:
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
        self._memory(verdict.job.target).waits_until = hour
        return f"asked for again from {hour:%H:%M UTC}"

    def _changed_to(self, verdict: _Verdict, made: Change) -> None:
        """DynamoDB accepted this change: a decrease that was waited for begins to count anew, and people are told."""
        memory = self._memory(made.target)
        for axis, now, then, decision in zip(AXES, made.current, made.desired, verdict.decisions, strict=True):
            if then < now and decision.ripe:
                memory.streaks[axis] = 0
        self._notify(verdict.job, notifier.change_types(made), notifier.change_text(made))

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
        self._failed = True
        again = updater.too_many_at_once(error) or error.code == "ResourceInUseException"
        log.log(
            logging.WARNING if again else logging.ERROR,
            "%s - %s%s. It was: %s",
            table,
            text,
            "; tried again in the next check" if again else "",
            wanted,
        )

    # Notify

    def _alarm(self, job: _Job, usages: tuple[Usage, Usage]) -> None:
        """Send an alarm when it begins; high before low, and one message a check."""
        memory = self._memory(job.target)
        now = {
            one.axis: (kind, one, usage)
            for one, usage in zip(job.section.policies, usages, strict=True)
            if (kind := notifier.alarms(one, usage))
        }
        memory.alarmed = {axis: kind for axis, kind in memory.alarmed.items() if axis in now and now[axis][0] == kind}
        for kind in (notifier.HIGH, notifier.LOW):
            axes = {axis: (one, usage) for axis, (its, one, usage) in now.items() if its == kind}
            if any(axis not in memory.alarmed for axis in axes):
                text = notifier.alarm_text(kind, job.target, axes)
                log.warning("%s: %s", kind, text.replace("\n", "; "))
                if self._notify(job, (kind,), text):
                    memory.alarmed.update(dict.fromkeys(axes, kind))
                return

    def _notify(self, job: _Job, kinds: tuple[str, ...], text: str) -> bool:
        """Publish where the section wants these messages. Returns whether nothing is left to be sent."""
        topic, wanted = job.section.values["sns_topic_arn"], job.section.values["sns_message_types"] or ()
        if self._dry_run or not topic or not any(kind in wanted for kind in kinds):
            return True
        try:
            notifier.publish(self._clients.sns, topic, kinds, job.target, text)
        except AwsError as error:
            log.error("%s - %s", job.target, error)
            return False
        return True

    # What is remembered

    def _memory(self, target: Target) -> _Memory:
        return self._memories.setdefault(target, _Memory())

    def _once(self, what: str, target: Target | None = None) -> bool:
        """Whether this is the first time that it is said."""
        return self._changed(what, True, target)

    def _changed(self, what: str, holds: bool, target: Target | None = None) -> bool:
        """Whether a state holds now that did not hold before."""
        said = self._said if target is None else self._memory(target).said
        new = holds and what not in said
        (said.add if holds else said.discard)(what)
        return new

    def _fail(self, target: Target, error: Exception) -> None:
        self._failed = True
        log.error("%s - %s", target, error)

    def _forget_streaks(self, measured: Iterable[Target]) -> None:
        """Consecutive means consecutive: what was not measured in this check begins anew."""
        kept = set(measured)
        for target, memory in self._memories.items():
            if target not in kept:
                memory.forget_streaks()


def run(scaler: Scaler, interval: float, stop: Stop) -> None:
    """Check, sleep, check, until told to end. `interval` is the pause after each check, in seconds."""
    while not stop.stopping():
        try:
            scaler.check()
        except StoppedError:
            return
        except Exception:
            log.exception("the check failed on something unforeseen; the next one runs as usual")
        stop.sleep(interval)
