"""What one check leaves for the next, target by target, and the tally of the present check."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, auto

from dynamic_dynamodb.aws.errors import facts
from dynamic_dynamodb.checks.observed import Observed
from dynamic_dynamodb.checks.tally import Tally
from dynamic_dynamodb.decisions.history import History
from dynamic_dynamodb.decisions.learning import Learned
from dynamic_dynamodb.decisions.model import AXES, Axis, Target
from dynamic_dynamodb.output import events

log = logging.getLogger("dynamic-dynamodb")

_PERIODS = 2  # streaks count if the pause between two checks is no longer than this many periods
_LONGEST_RHYTHM = 3600.0  # seconds; checks that run once a day are not consecutive


class Episode(IntEnum):  # an int, because each check looks up a dozen and other enums hash slowly
    """Something that is logged when it begins, and not in every check while it lasts."""

    BREAKER_OPEN = auto()  # of a target
    OUTSIDE_WINDOWS = auto()
    TABLE_MISSING = auto()
    ON_DEMAND = auto()
    GLOBAL_TABLE = auto()
    HOT_READS = auto()
    HOT_WRITES = auto()
    IGNORED_READS = auto()
    IGNORED_WRITES = auto()

    NEEDS_LIST_TABLES = auto()  # of a section
    MATCHES_NOTHING = auto()
    NEVER_USED = auto()
    MATCHES_LONGER_NAMES = auto()

    LIST_TABLES_DENIED = auto()  # of the program
    COST_TOLD = auto()
    OVERRUN = auto()


@dataclass
class Memory:
    """What is remembered about one target."""

    streaks: dict[Axis, int] = field(default_factory=lambda: dict.fromkeys(AXES, 0))
    increased: dict[Axis, datetime] = field(default_factory=dict)  # when DynamoDB last accepted this program's increase
    changed: datetime | None = None  # when DynamoDB accepted this program's update, which may not be finished
    waits_until: datetime | None = None  # decreases have run out until then
    alarmed: dict[Axis, str] = field(default_factory=dict)  # the alarm that was sent, and lasts
    at_maximum: set[Axis] = field(default_factory=set)  # axes that need more than max allows; it was sent, and lasts
    said: set[Episode] = field(default_factory=set)  # episodes that were logged, and last
    learned: dict[Axis, Learned] = field(default_factory=dict)  # by an earlier process, from its history
    history: History | None = None  # minute by minute, with target tracking
    observed: Observed = field(default_factory=Observed)
    section: str = ""  # the expression in the last `configured by` line
    kind: str = ""  # of the last check's verdict: a line of the same kind is not new


class State:
    """All memories, and the tally of the present check."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.began: datetime | None = None  # the last check that ended,
        self.ended: datetime | None = None  # perhaps of an earlier process
        self.rhythm = 0.0  # with --run-once: seconds between the beginnings of the last two runs
        self._memories: dict[Target, Memory] = {}
        self._said: dict[str, set[Episode]] = {}  # as in Memory, by section of the configuration; "" is the program

    def memory(self, target: Target) -> Memory:
        """What is remembered about this target; empty at first."""
        found = self._memories.get(target)
        if found is None:
            found = self._memories[target] = Memory()
        return found

    def memories(self) -> Iterable[tuple[Target, Memory]]:
        """What is remembered about each target."""
        return self._memories.items()

    def recall(self, memories: Mapping[Target, Memory]) -> None:
        """Replace all memories by these, of an earlier process."""
        self._memories = dict(memories)

    def begin(self, now: datetime, interval: float) -> None:
        """Begin a check. If the last one ended too long ago, checks are not consecutive, and streaks are reset."""
        period = max(interval, min(self.rhythm, _LONGEST_RHYTHM))
        gap = 0.0 if self.ended is None else (now - self.ended).total_seconds()
        if gap > _PERIODS * period and any(any(memory.streaks.values()) for memory in self._memories.values()):
            log.info(
                "the last check ended %.0f s ago, more than %d times the %.0f s between two checks: "
                "consecutive checks are counted from 0 again",
                gap,
                _PERIODS,
                period,
            )
            self.forget_streaks()

    def __len__(self) -> int:
        """The number of remembered targets."""
        return len(self._memories)

    def changes(self, what: Episode, holds: bool, of: Target | str = "") -> bool:
        """Whether this has begun or ended since the last call, so that it should be logged.

        `of`: a target, a section of the configuration, or "" for the program.
        """
        said = self.memory(of).said if isinstance(of, Target) else self._said.setdefault(of, set())
        changes = holds != (what in said)
        (said.add if holds else said.discard)(what)
        return changes

    def begins(self, what: Episode, holds: bool, of: Target | str = "") -> bool:
        """Whether this has begun since the last call."""
        return self.changes(what, holds, of) and holds

    def once(self, what: Episode, of: Target | str = "") -> bool:
        """Whether this is the first time."""
        return self.begins(what, True, of)

    def was_told(self, what: Episode) -> bool:
        """Whether this was logged, for the program."""
        return what in self._said.get("", ())

    def tell_again(self, *episodes: Episode) -> None:
        """Forget that these were logged for the program: with a new configuration they may be different."""
        self._said.get("", set()).difference_update(episodes)

    def fail(self, target: Target, error: Exception) -> None:
        """Log a failure of one target, which does not affect the others."""
        self.tally.failed.add(target)
        log.error("%s - %s", target, error, extra=events.about("failure", target, **facts(error)))

    def keep_sections(self, sections: Collection[str]) -> None:
        """Forget what was logged about all sections of the configuration except these."""
        self._said = {of: said for of, said in self._said.items() if not of or of in sections}

    def keep_tables(self, names: Collection[str]) -> None:
        """Forget all tables except these."""
        self._memories = {target: memory for target, memory in self._memories.items() if target.table in names}

    def keep_indexes(self, tables: Collection[str], targets: Collection[Target]) -> None:
        """Forget the indexes of these tables, except these targets."""
        self._memories = {
            target: memory
            for target, memory in self._memories.items()
            if target.index is None or target.table not in tables or target in targets
        }

    def forget_streaks(self, measured: Collection[Target] = ()) -> None:
        """Reset the streaks of all targets that were not measured in this check: they must be consecutive."""
        for target, memory in self._memories.items():
            if target not in measured:
                memory.streaks = dict.fromkeys(AXES, 0)
