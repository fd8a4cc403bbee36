"""Which tables and indexes exist, which section each belongs to, and which of them may be changed now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from dynamic_dynamodb.aws import dynamodb
from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.checks import backtracking
from dynamic_dynamodb.checks.refreshing import Refreshing
from dynamic_dynamodb.checks.state import Episode, State
from dynamic_dynamodb.configuration import regions
from dynamic_dynamodb.configuration.sections import Section
from dynamic_dynamodb.decisions.matching import Match, Matcher, Undecided, longer_names, named_in_full, plain_name
from dynamic_dynamodb.decisions.model import Resource, Table, Target
from dynamic_dynamodb.output import events
from dynamic_dynamodb.output.wording import clock_time

log = logging.getLogger("dynamic-dynamodb")


_A_DAY = timedelta(days=1)
_A_WHILE = timedelta(minutes=15)  # an update usually takes less
_SHOWN = 5  # names in a message; a careless expression can match thousands


@dataclass(frozen=True)
class Job:
    """A target to measure and decide in this check."""

    resource: Resource
    section: Section
    writes_managed: bool  # by AWS, as for a global table
    described: datetime  # when DescribeTable was called for it
    remembered: bool = False  # whether that was in an earlier check; if so, it is described again before a change

    @cached_property
    def target(self) -> Target:
        return self.resource.target


class _Seen(NamedTuple):
    """A table, and when it was described."""

    table: Table
    at: datetime


class _Listing(NamedTuple):
    """The names of all tables, or None if listing them is denied; and when they were listed."""

    names: list[str] | None
    at: datetime


class _Shape(NamedTuple):
    """The part of a table's description that matters for matching its indexes."""

    targets: tuple[Target, ...]  # the table and its indexes, including those with an unusable description
    indexes: tuple[str, ...]  # those with a usable description
    complete: bool  # whether these are all indexes

    @classmethod
    def of(cls, table: Table) -> _Shape:
        targets = tuple(resource.target for resource in table.resources)
        problems = tuple(target for target, _ in table.problems)
        indexes = tuple(target.index for target in targets if target.index is not None)
        return cls(targets + problems, indexes, not table.on_demand and not problems)


class _Known(NamedTuple):
    """A remembered table: when it was described, and its targets that may be changed, each with its section."""

    at: datetime
    jobs: tuple[tuple[Section, Job], ...]


class _Next(NamedTuple):
    """The next beginning of a schedule, and between which moments that answer is valid."""

    since: datetime
    until: datetime
    begins: datetime | None


class Inventory:
    """The tables and indexes: new ones are added, deleted ones dropped.

    A description is remembered for up to refresh-interval, unless the table is changed or a change is refused.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        dynamodb: Any,
        workers: Workers,
        state: State,
        clock: Callable[[], datetime],
    ) -> None:
        self._sections = {expression: Section.of(values) for expression, values in config["tables"].items()}
        self._general = config["global"]
        self._matcher = Matcher(self._sections)
        self._dynamodb = dynamodb
        self._workers = workers
        self._state = state
        self._clock = clock
        self._refreshing = Refreshing(self._general["refresh_interval"], self._general["check_interval"])
        self._listing: _Listing | None = None
        self._names: list[str] | None = None  # of the matched tables, if all of them could be decided
        self._known: dict[str, _Known] = {}  # by name; the table that was described first comes first
        self._shapes: dict[str, _Shape] = {}  # by name, of all tables as they were last described
        self._indexes_matched = False  # whether all indexes could be decided
        self._moment = clock()  # a check uses the schedules that hold when it begins
        self._next = _Next(self._moment, self._moment, None)
        self._patience = backtracking.Patience()
        self._put_off: dict[str, list[str]] = {}  # by section: names that were tried only briefly
        state.keep_sections(set(self._all_shown()))

    def take(self, now: datetime) -> list[Job] | None:
        """The targets that may be changed now; the log says why the others may not. None: no table matches.

        Raises AwsError if the tables cannot be listed.
        """
        self._moment = now
        self._try_again()
        try:
            return self._take()
        finally:
            self._tell_put_off()

    def _take(self) -> list[Job] | None:
        names = self._matched_names()
        seen = self._describe(self._due(names))
        if not self._known and not seen and not self._state.tally.failed:
            self._state.tally.matched = False
            about = events.about("failure")
            log.error("no table matches the configuration%s", self._what_there_is(), extra=about)
            self._listing = None  # list again in the next check: somebody may be waiting for the first table
            return None
        self._note_shapes(names, seen)
        jobs = {name: self._keep(one) for name, one in seen.items()}
        return [job for name in names for job in (jobs[name] if name in jobs else self._remembered(name))]

    def forget(self, names: Iterable[str]) -> None:
        """Describe these tables in the next check, because a change was made or refused."""
        for name in names:
            self._known.pop(name, None)

    def next_beginning(self, since: datetime) -> datetime | None:
        """When the first schedule begins after this moment."""
        if not self._next.since <= since < self._next.until:
            found = [section.next_beginning(since) for section in self._sections.values()]
            begins = min((begin for begin in found if begin is not None), default=None)
            self._next = _Next(since, begins or since + _A_DAY, begins)
        return self._next.begins

    def topics(self, kind: str, now: datetime) -> set[str]:
        """The topics that any section subscribes to messages of this kind now."""
        tables = self._sections.values()
        sections = [section.at(now).values for table in tables for section in (table, *table.gsis.values())]
        return {
            values["sns_topic_arn"]
            for values in sections
            if values["sns_topic_arn"] and kind in (values["sns_message_types"] or ())
        }

    def look_again(self, name: str, targets: Collection[Target]) -> list[Job]:
        """Describe one table again. Returns its targets that may be changed now; the log says why others may not.

        Runs in the thread of a call, which does not match new names. Raises AwsError.
        """
        table, at = self._look(name)
        resources = tuple(resource for resource in table.resources if resource.target in targets)
        problems = tuple((target, error) for target, error in table.problems if target in targets)
        return list(self._jobs(_Seen(replace(table, resources=resources, problems=problems), at)))

    def _what_there_is(self) -> str:
        """A hint for a mistyped name or a wrong region: the existing tables; empty if they are not known."""
        listed = self._listing and self._listing.names
        if listed is None:
            return ""
        return f"; existing tables: {_some(listed)}" if listed else f"; no tables in {regions.described(self._general)}"

    # What is remembered

    def _due(self, names: Sequence[str]) -> list[str]:
        """The tables to describe in this check: those not remembered, and those whose refresh is due."""
        asked = [known.at for known in self._known.values()]
        oldest = list(self._known)[: self._refreshing.due(asked, self._moment)]
        self.forget(oldest)
        return [name for name in names if name not in self._known]

    def _keep(self, seen: _Seen) -> list[Job]:
        """The jobs of a table that was described in this check. They are remembered unless something is pending."""
        jobs = list(self._jobs(seen))
        if self._is_settled(seen.table) and not self._refreshing.in_each_check:
            name = seen.table.name
            _, section = self._section_of(name)
            owns = ((_own(section, job.target), replace(job, remembered=True)) for job in jobs)
            self._known[name] = _Known(seen.at, tuple((own, job) for own, job in owns if own is not None))
        return jobs

    def _is_settled(self, table: Table) -> bool:
        """Whether nothing about the table is pending: status, description or matching."""
        _, section = self._section_of(table.name)
        active = all(status == dynamodb.ACTIVE for status in (table.status, *(one.status for one in table.resources)))
        indexes = _Shape.of(table).indexes
        return (
            active
            and not table.problems
            and not any(isinstance(section.matcher.ask(index), Undecided) for index in indexes)
        )

    def _remembered(self, name: str) -> Iterator[Job]:
        """The jobs of a table that is not described in this check, with the schedules that hold in this check."""
        for own, job in self._known[name].jobs if name in self._known else ():
            section = own.at(self._moment)
            yield job if section is job.section else replace(job, section=section)

    def _note_shapes(self, names: Sequence[str], seen: Mapping[str, _Seen]) -> None:
        """Match the indexes and log the result, unless they are the same as in the check before."""
        shapes = {name: _Shape.of(seen[name].table) for name in seen}
        shapes = {
            name: shapes.get(name) or self._shapes[name] for name in names if name in shapes or name in self._known
        }
        if shapes != self._shapes or not self._indexes_matched:
            self._shapes = shapes
            self._indexes_matched = self._match_indexes(names)

    # Tables

    def _matched_names(self) -> list[str]:
        """The names of the tables that the configuration matches. Raises AwsError if they cannot be listed."""
        if self._listing is None or self._refreshing.is_due(self._listing.at, self._moment):
            before, self._listing = self._listing, None
            listing = _Listing(self._list(), self._moment)
            if before is None or before.names != listing.names:
                self._names = None
            if listing.names is not None or self._all_named_in_full():  # otherwise try again until it is allowed
                self._listing = listing
        self._state.tally.listed = True
        return self._match_tables() if self._names is None else self._names

    def _all_named_in_full(self) -> bool:
        """Whether ListTables is not needed, as in the policy that --print-iam-policy prints for such sections."""
        return all(map(named_in_full, self._sections))

    def _list(self) -> list[str] | None:
        """All tables, or None if listing them is denied."""
        # In a worker, like all reads, so that a call that hangs is abandoned.
        (answer,) = self._workers.read("ListTables", dynamodb.list_tables, [self._dynamodb])
        if not isinstance(answer, AwsError):
            return answer
        if not answer.denied:
            raise answer
        if self._state.once(Episode.LIST_TABLES_DENIED):
            if self._all_named_in_full():
                log.info("dynamodb:ListTables is denied, but not needed: all tables are named in full")
            else:
                log.warning("%s; using the table names in the configuration instead", answer)
        return None

    def _plain_names(self) -> list[str]:
        names = {expression: plain_name(expression) for expression in self._sections}
        for expression, name in names.items():
            if name is None:
                shown = _shown("table", expression)
                self._state.tally.failed.add(shown)
                level = logging.ERROR if self._state.once(Episode.NEEDS_LIST_TABLES, shown) else logging.DEBUG
                log.log(level, "%s is a regular expression and needs dynamodb:ListTables", shown)
        return list(dict.fromkeys(name for name in names.values() if name is not None))

    def _match_tables(self) -> list[str]:
        """Match the tables and log the result. Done in each check until the section of every table is known."""
        listed = self._listing and self._listing.names
        names = self._plain_names() if listed is None else listed
        self._matcher.keep(set(names))
        undecided = [name for name in names if not self._decided(self._matcher, Target(name), "table")]
        matched = [name for name in names if self._matcher.match(name)]
        self._state.keep_tables(set(matched))
        for name in matched:
            self._tell_section(Target(name), "table", self._matcher.match(name))
        complete = listed is not None and not undecided
        self._tell_matches(self._sections, self._matcher, matched, "table", complete=complete)
        self.forget(set(self._known).difference(matched))
        self._names = None if undecided else matched
        return matched

    def _decided(self, matcher: Matcher, target: Target, kind: str, of_table: str = "") -> bool:
        """Whether the target's section is known; if not, the target is skipped. Raises StoppedError."""
        answer = matcher.ask(target.index or target.table, self._patience.matches)
        if not isinstance(answer, Undecided):
            return True
        shown = _shown(kind, answer.expression, of_table)
        if answer.final:
            self._state.fail(target, backtracking.BacktrackingError(shown))
        else:
            self._put_off.setdefault(shown, []).append(str(target))
        self._workers.go_on()  # it may have taken long, and there may be many
        return False

    def _try_again(self) -> None:
        """Each check gives the full time to one more name."""
        self._patience = backtracking.Patience()
        self._put_off = {}
        for matcher in (self._matcher, *(section.matcher for section in self._sections.values())):
            matcher.try_again()

    def _tell_put_off(self) -> None:
        for shown, names in self._put_off.items():
            self._state.tally.failed.add(shown)
            log.error("%s takes too long with other names too; skipped in this check: %s", shown, _some(names))

    def _look(self, name: str) -> _Seen:
        """Describe one table. The time is taken before the call, because the answer may be that old."""
        now = self._clock()
        try:
            return _Seen(dynamodb.describe(self._dynamodb, name), now)
        except AwsError as error:
            if error.not_found:
                self._listing = None  # it contains a table that is gone
            raise

    def _describe(self, names: Sequence[str]) -> dict[str, _Seen]:
        """The descriptions of these tables; errors are logged."""
        tables = {}
        answers = self._workers.read("DescribeTable", self._look, names)
        for name, answer in zip(names, answers, strict=True):
            missing = isinstance(answer, AwsError) and answer.not_found
            first = self._state.begins(Episode.TABLE_MISSING, missing, Target(name))
            if isinstance(answer, _Seen):
                tables[name] = answer
                events.share(account=answer.table.account or None)
            elif missing:
                self._state.memory(Target(name)).observed.gone()
                level, about = logging.WARNING if first else logging.DEBUG, events.about("left-alone", Target(name))
                log.log(level, "%s - %s", name, answer, extra=about)
            else:
                self._state.fail(Target(name), answer)
        return tables

    def _section_of(self, table: str) -> tuple[str, Section]:
        match = self._matcher.match(table)
        if match is None:
            raise LookupError(table)  # never: only matched tables are described
        return match.section, self._sections[match.section]

    # Indexes

    def _match_indexes(self, names: Sequence[str]) -> bool:
        """Match the indexes and log the result. Returns whether the section of every index is known.

        `names` are those of all tables, including those that could not be described.
        """
        shapes = self._shapes
        # These may have indexes that are not shown: a table on demand, or one that was not described.
        incomplete = {self._section_of(name)[0] for name in names if name not in shapes or not shapes[name].complete}
        found: dict[str, set[str]] = {expression: set() for expression in self._sections}
        undecided = set()
        kept = {target for shape in shapes.values() for target in shape.targets}
        for table, shape in shapes.items():
            expression, section = self._section_of(table)
            for index in shape.indexes:
                target = Target(table, index)
                found[expression].add(index)
                decided = self._decided(section.matcher, target, "gsi", f" table: {expression}")
                match = section.matcher.match(index)
                if not decided:
                    undecided.add(expression)
                elif match is None:  # an earlier configuration may have had a section for it
                    kept.discard(target)
                self._tell_section(target, "gsi", match, f" table: {expression}")
        self._state.keep_indexes(set(shapes), kept)
        for expression, section in self._sections.items():
            section.matcher.keep(found[expression])
            self._tell_matches(
                section.gsis,
                section.matcher,
                sorted(found[expression]),
                "gsi",
                f" table: {expression}",
                complete=expression not in incomplete | undecided,
            )
        return not undecided

    # Which may be changed

    def _jobs(self, seen: _Seen) -> Iterator[Job]:
        table = seen.table
        if self._may_be_changed(table):
            expression, section = self._section_of(table.name)
            for target, error in table.problems:
                decided = self._decided(section.matcher, target, "gsi", f" table: {expression}")
                if decided and section.matcher.match(str(target.index)):
                    self._state.fail(target, error)
            for resource in table.resources:
                yield from self._job(resource, section, seen)

    def _may_be_changed(self, table: Table) -> bool:
        target = Target(table.name)
        first = self._state.begins(Episode.ON_DEMAND, table.on_demand, target)
        if table.on_demand:
            self._state.memory(target).observed.gone()
            level = logging.INFO if first else logging.DEBUG
            about = events.about("left-alone", target)
            log.log(level, "%s - on demand (PAY_PER_REQUEST): there is nothing to scale", target, extra=about)
            return False
        if not self._active(target, table.status, ", nor are its indexes"):
            self._leave_alone(table)
            return False
        if self._state.begins(Episode.GLOBAL_TABLE, table.replicated, target):
            about = events.about("message", target)
            log.info("%s - a global table: AWS manages its writes, only reads are scaled", target, extra=about)
        return True

    def _active(self, target: Target, status: str, more: str = "") -> bool:
        """Whether its status allows a change; if not, the log says why."""
        memory, about = self._state.memory(target), events.about("left-alone", target)
        if status == dynamodb.ACTIVE:
            memory.changed = None
        elif memory.changed is None or status != dynamodb.UPDATING:
            log.warning("%s - status %s: not changed in this check%s", target, status, more, extra=about)
        else:
            lasts = self._clock() - memory.changed
            log.log(
                logging.WARNING if lasts > _A_WHILE else logging.INFO,
                "%s - still being changed by this program's update of %s: not changed in this check%s",
                target,
                clock_time(memory.changed),
                more,
                extra=about,
            )
        return status == dynamodb.ACTIVE

    def _leave_alone(self, table: Table) -> None:
        """Count the table and those of its indexes that the configuration matches."""
        _, section = self._section_of(table.name)
        targets = [resource.target for resource in table.resources]
        self._state.tally.left_alone.update(target for target in targets if _own(section, target) is not None)

    def _job(self, resource: Resource, section: Section, seen: _Seen) -> Iterator[Job]:
        own = _own(section, resource.target)
        if own is None:
            return
        if not self._active(resource.target, resource.status):
            self._state.tally.left_alone.add(resource.target)
            return
        yield Job(resource, own.at(self._moment), seen.table.replicated, seen.at)

    # Log lines about the matching

    def _all_shown(self) -> Iterator[str]:
        """All sections, as the log shows them."""
        for expression, section in self._sections.items():
            yield _shown("table", expression)
            yield from (_shown("gsi", gsi, f" table: {expression}") for gsi in section.gsis)

    def _tell_section(self, target: Target, kind: str, match: Match | None, of_table: str = "") -> None:
        if match is None:
            return
        memory = self._state.memory(target)
        if memory.section != match.section:
            memory.section = match.section
            also = ", ".join(_shown(kind, section, of_table) for section in match.also)
            verb = "matches" if len(match.also) == 1 else "match"
            more = f"; {also} {verb} too, the first one counts" if also else ""
            about = events.about("message", target)
            log.info("%s - configured by %s%s", target, _shown(kind, match.section, of_table), more, extra=about)

    def _tell_matches(
        self,
        sections: Iterable[str],
        matcher: Matcher,
        names: Iterable[str],
        kind: str,
        of_table: str = "",
        *,
        complete: bool,
    ) -> None:
        """Warn about sections that match nothing or come too late, and about plain names that match more than one name.

        If `names` are not complete, it is not known whether a section matches nothing.
        """
        matched: dict[str, list[str]] = {expression: [] for expression in sections}
        earlier: dict[str, list[str]] = {expression: [] for expression in sections}  # sections that took its names
        for name, match in ((name, matcher.match(name)) for name in names):
            if match is None:
                continue
            matched[match.section].append(name)
            for expression in match.also:
                earlier[expression].append(_shown(kind, match.section, of_table))
        for expression, own in matched.items():
            shown = _shown(kind, expression, of_table)
            if own or complete:
                self._tell_unused(shown, [] if own else list(dict.fromkeys(earlier[expression])), bool(own))
            longer = longer_names(expression, own)
            if longer and self._state.once(Episode.MATCHES_LONGER_NAMES, shown):
                log.warning("%s also matches %s; write ^%s$ to match that name only", shown, _some(longer), expression)

    def _tell_unused(self, shown: str, earlier: Sequence[str], used: bool) -> None:
        if self._state.begins(Episode.NEVER_USED, bool(earlier), shown):
            log.warning(
                "%s is never used: everything it matches belongs to %s; move %s up", shown, _some(earlier), shown
            )
        if self._state.begins(Episode.MATCHES_NOTHING, not used and not earlier, shown):
            log.warning("%s matches nothing", shown)


def _own(section: Section, target: Target) -> Section | None:
    """The section of a table or of one of its indexes; None if no section matches the index."""
    if target.index is None:
        return section
    match = section.matcher.match(target.index)
    return None if match is None else section.gsis[match.section]


def _shown(kind: str, expression: str, of_table: str = "") -> str:
    """A section as the log shows it."""
    return f"[{kind}: {expression}{of_table}]"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
