"""Sends the decided changes, one call per table, and logs the outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from dynamic_dynamodb.aws import refusals, updates
from dynamic_dynamodb.aws.calls import NOT_ASKED, StoppedError, Workers
from dynamic_dynamodb.aws.dynamodb import DESCRIBE
from dynamic_dynamodb.aws.errors import AwsError, facts
from dynamic_dynamodb.aws.updates import Outcome
from dynamic_dynamodb.checks.facts import Became, of_verdict
from dynamic_dynamodb.checks.guards import Guards, Verdict
from dynamic_dynamodb.checks.notifier import Notifier
from dynamic_dynamodb.checks.state import State
from dynamic_dynamodb.decisions.model import AXES, Change, Target, minute_of
from dynamic_dynamodb.output import events

log = logging.getLogger("dynamic-dynamodb")

# A description that is older than this, or from an earlier check, is not used for a change: somebody else may have
# changed the table since then, and UpdateTable sets both axes. With many tables, or breakers that hang, a description
# can get older than this within one check.
_FRESH = 10.0  # seconds


class Updates:
    """Makes the changes of a check, with one call per table. The calls are made in parallel."""

    def __init__(
        self,
        dynamodb: Any,
        workers: Workers,
        state: State,
        guards: Guards,
        notifier: Notifier,
        clock: Callable[[], datetime],
        again: Callable[[str, Sequence[Verdict]], list[Verdict]],
        *,
        dry_run: bool,
        once: bool = False,
    ) -> None:
        self._dynamodb = dynamodb
        self._workers = workers
        self._state = state
        self._guards = guards
        self._notifier = notifier
        self._clock = clock
        self._again = again  # decides again from a new description
        self._dry_run = dry_run
        self._once = once  # whether this is the only check, so that each line is new
        self._begun: set[str] = set()  # tables whose UpdateTable may have been sent in this check
        self._left_out: set[str] = set()  # tables whose call the previous check did not send, because AWS was down

    def make(self, verdicts: Sequence[Verdict]) -> None:
        """Send all changes, and log every verdict. Raises StoppedError if the program must stop before that is done."""
        by_table: dict[str, list[Verdict]] = {}
        self._begun = set()
        for verdict in verdicts:
            by_table.setdefault(verdict.job.target.table, []).append(verdict)
        groups = []
        for group in by_table.values():
            if not any(verdict.change.changes for verdict in group) or (self._dry_run and not _remembered(group)):
                self._tell_lines(group)
            else:
                groups.append(group)
        groups.sort(key=self._urgency)
        results = self._workers.finish("UpdateTable", self._send, groups, in_order=True)
        for group, result in zip(groups, results, strict=True):
            if isinstance(result, AwsError):
                self._tell(group, self._failed(group, result))
            elif self._dry_run and result is not None:
                self._tell_lines(result[0])
            elif result is not None:
                self._tell(*result)
        self._left_out = {_table(group) for group, result in zip(groups, results, strict=True) if _not_asked(result)}
        if None in results:
            raise StoppedError

    def _urgency(self, group: Sequence[Verdict]) -> tuple[bool, bool, bool, Fraction]:
        """The smallest comes first. DynamoDB changes 500 tables at once and refuses more, and decreases can wait.

        Calls that the previous check could not send come first in their class, so that no table is left out for ever.
        """
        rising = [
            usage
            for verdict in group
            for usage, now, then in zip(
                verdict.measured.usages, verdict.change.current, verdict.change.desired, strict=True
            )
            if then > now
        ]
        throttled = any(usage.throttled > 0 for usage in rising)
        percent = max((usage.consumed_percent for usage in rising), default=Fraction(0))
        return not rising, _table(group) not in self._left_out, not throttled, -percent

    def _send(self, group: Sequence[Verdict]) -> tuple[Sequence[Verdict], Outcome]:
        """Send one table's changes. Raises only AwsError, so that the other tables are not affected."""
        try:
            return self._decided(group)
        except AwsError:
            raise
        except Exception:
            self._state.tally.failed.update(verdict.job.target for verdict in group)
            about = events.about("failure", Target(_table(group)))
            log.exception("%s - unexpected error", _table(group), extra=about)
            return (), Outcome()

    def _decided(self, group: Sequence[Verdict]) -> tuple[Sequence[Verdict], Outcome]:
        """The verdicts when the call is sent, and its outcome. Raises AwsError if there was no answer."""
        table = _table(group)
        if _remembered(group) or self._is_old(group[0].job.described):
            group = self._again(table, group)
        changes = [verdict.change for verdict in group if verdict.change.changes]
        if self._dry_run or not changes:
            return group, Outcome()
        log.debug("%s - UpdateTable %s", table, updates.arguments(changes))
        described = group[0].job.described
        self._begun.add(table)
        outcome = updates.apply(self._dynamodb, changes, lambda: self._is_old(described))
        if outcome.unknown and len(outcome.errors) == 1 and not outcome.refused:
            raise outcome.errors[0]  # the workers count calls without an answer
        return group, outcome

    def _is_old(self, described: datetime) -> bool:
        """Whether somebody may have changed the table since then. True also if the clock was set back."""
        return not 0 <= (self._clock() - described).total_seconds() <= _FRESH

    # The outcome

    def _failed(self, group: Sequence[Verdict], error: AwsError) -> Outcome:
        """The outcome for the table's changes if the whole call failed; it may be a DescribeTable that hangs."""
        if not error.answered and _table(group) not in self._begun:
            error = AwsError(DESCRIBE, error.code, error.message, answered=False)
        sent = not error.answered and error.operation == updates.UPDATE
        return Outcome(errors=(error,), unknown=frozenset(verdict.job.target for verdict in group if sent))

    def _tell_lines(self, group: Sequence[Verdict]) -> None:
        for verdict in group:
            self._tell_line(verdict)
            if verdict.change.changes:  # of a dry run
                self._state.tally.changed.add(verdict.job.target)
            elif verdict.held:
                self._state.tally.left_alone.add(verdict.job.target)

    def _tell_line(
        self, verdict: Verdict, *held: str, level: int = logging.DEBUG, became: Became | None = None
    ) -> None:
        """Log one line; `held`: what DynamoDB has not done, `level`: the minimum level."""
        memory, kind = self._state.memory(verdict.job.target), verdict.kind
        news = self._once or bool(held) or verdict.change.changes or memory.kind != kind
        memory.kind = kind
        level = max(level, verdict.level if news else verdict.repeated)
        if log.isEnabledFor(level):
            about = of_verdict(verdict, became or Became.of(verdict), held)
            log.log(level, "%s - %s", verdict.job.target, verdict.line(*held), extra=about)

    def _tell(self, group: Sequence[Verdict], outcome: Outcome) -> None:
        for error in outcome.errors:
            self._tell_error(_table(group), error)
        made = {change.target: change for change in outcome.made}
        waits = self._postponed(group, outcome)
        for verdict in group:
            target, level, held = verdict.job.target, logging.DEBUG, []
            if target in waits:
                level = logging.WARNING
                held.append(f"decrease refused by DynamoDB, {waits[target]}")
            if target in outcome.late:
                level = logging.WARNING
            if (outcome.errors or target in outcome.late) and verdict.change.changes:
                held += _not_made(verdict.change, target in made, outcome)
            self._tell_line(verdict, *held, level=level, became=_became(verdict, outcome))
            if target in made:
                self._changed_to(verdict, made[target])
        self._count(group, outcome)

    def _count(self, group: Sequence[Verdict], outcome: Outcome) -> None:
        """Count the outcome. A refusal because decreases have run out, or the table was deleted, is not a failure."""
        tally, made = self._state.tally, {change.target for change in outcome.made}
        tally.changed.update(made)
        failed = {
            verdict.job.target
            for verdict in group
            if verdict.change.changes and (verdict.job.target not in made or verdict.job.target in outcome.why)
        }
        if all(error.not_found for error in outcome.errors):
            failed &= outcome.late
        elif not failed:
            failed = {Target(_table(group))}
        tally.failed.update(failed)
        tally.left_alone.update(verdict.job.target for verdict in group if verdict.held or verdict.change.changes)

    def _postponed(self, group: Sequence[Verdict], outcome: Outcome) -> dict[Target, str]:
        """For each decrease that was refused because decreases had run out: when it is retried."""
        if outcome.ran_out is None:
            return {}
        refused = {change.target for change in outcome.refused}
        verdicts = [verdict for verdict in group if verdict.job.target in refused]
        for change in outcome.refused:
            self._state.memory(change.target).observed.refuse(change)
        return self._guards.postpone(verdicts, outcome.ran_out, self._clock())

    def _tell_error(self, table: str, error: AwsError) -> None:
        """Log why an UpdateTable was not accepted. A table that was deleted is only a warning."""
        again = refusals.too_many_at_once(error) or error.code == "ResourceInUseException"
        quota = refusals.quota(error)
        log.log(
            logging.WARNING if again or error.not_found else logging.ERROR,
            "%s - %s%s%s",
            table,
            error,
            f" [{quota}]" if quota else "",
            "; retried in the next check" if again else "",
            extra=events.about("refused" if error.answered else "failure", Target(table), **facts(error)),
        )

    def _changed_to(self, verdict: Verdict, made: Change) -> None:
        """Record and report a change that DynamoDB accepted. A decrease starts its count of checks again."""
        memory = self._state.memory(made.target)
        # While an index is being changed, its table is UPDATING too.
        memory.changed = self._state.memory(Target(made.target.table)).changed = self._clock()
        memory.observed.accepted(made)
        for axis, now, then, decision in zip(AXES, made.current, made.desired, verdict.decisions, strict=True):
            if then > now:
                memory.increased[axis] = self._clock()
            if then != now and memory.history is not None:
                memory.history.accepted(minute_of(self._clock()), axis, increase=then > now)
            if then < now and decision.ripe:
                memory.streaks[axis] = 0
        self._notifier.changed(verdict.job.section.values, made)


def _table(group: Sequence[Verdict]) -> str:
    return group[0].job.target.table


def _remembered(group: Sequence[Verdict]) -> bool:
    """Whether the description of the table is from an earlier check."""
    return group[0].job.remembered


def _not_asked(result: object) -> bool:
    return isinstance(result, AwsError) and result.code == NOT_ASKED


def _became(verdict: Verdict, outcome: Outcome) -> Became:
    """The outcome of a change."""
    target = verdict.job.target
    made = next((change for change in outcome.made if change.target == target), None)
    if made is not None:
        return Became("change", made.desired, outcome.request_id)
    if not verdict.change.changes:
        return Became.of(verdict)
    silent = target in outcome.unknown or target in outcome.late
    return Became("failure" if silent else "refused", verdict.change.current)


def _not_made(change: Change, made: bool, outcome: Outcome) -> list[str]:
    """What was not made of a change, for reasons other than decreases that have run out."""
    if change.target in outcome.unknown:
        return ["no usable answer: not known whether it was changed"]
    if change.target in outcome.late:
        return [f"not changed, because it was described more than {_FRESH:.0f} s ago; decided again in the next check"]
    if outcome.made and change.target in outcome.why:
        return [outcome.why[change.target]]
    return [] if made else ["not changed"]
