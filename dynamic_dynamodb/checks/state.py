"""What one check leaves for the next, target by target, and the tally of the check under way."""

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

_PERIODS = 2  # between two checks, for which streaks count
_LONGEST_RHYTHM = 3600.0  # seconds: who runs it once a day counts no consecutive checks


class Episode(IntEnum):  # an int, because each check looks up a dozen and other enums hash slowly
    """What the log tells when it begins, and not again at every check while it lasts."""

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
    """What is remembered of one target."""

    streaks: dict[Axis, int] = field(default_factory=lambda: dict.fromkeys(AXES, 0))
    increased: dict[Axis, datetime] = field(default_factory=dict)  # when DynamoDB last accepted an increase of ours
    changed: datetime | None = None  # when DynamoDB accepted the update of ours that may not be through yet
    waits_until: datetime | None = None  # decreases have run out until then
    alarmed: dict[Axis, str] = field(default_factory=dict)  # the alarm that was sent, and lasts
    at_maximum: set[Axis] = field(default_factory=set)  # more than max allows is asked for; this was sent, and lasts
    said: set[Episode] = field(default_factory=set)  # what was told, and lasts
    learned: dict[Axis, Learned] = field(default_factory=dict)  # by an earlier process, from such a history
    history: History | None = None  # minute by minute, where it follows a target utilization
    observed: Observed = field(default_factory=Observed)
    section: str = ""  # the expression that it was last said to be configured by
    kind: str = ""  # of the last check's verdict: a line of the same kind is no news


class State:
    """All memories, and the tally of the check under way."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.began: datetime | None = None  # the last check that ended,
        self.ended: datetime | None = None  # perhaps of an earlier process
        self.rhythm = 0.0  # with --run-once: seconds between the beginnings of the last two runs
        self._memories: dict[Target, Memory] = {}
        self._said: dict[str, set[Episode]] = {}  # as in Memory, of sections of the configuration; of no one thing: ""

    def memory(self, target: Target) -> Memory:
        """What is remembered of this target; nothing yet, the first time."""
        found = self._memories.get(target)
        if found is None:
            found = self._memories[target] = Memory()
        return found

    def memories(self) -> Iterable[tuple[Target, Memory]]:
        """What is remembered of each target."""
        return self._memories.items()

    def recall(self, memories: Mapping[Target, Memory]) -> None:
        """Remember this, of an earlier process, and nothing else."""
        self._memories = dict(memories)

    def begin(self, now: datetime, interval: float) -> None:
        """A check begins. Consecutive means consecutive: streaks of a check that ended long ago count no more."""
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
        """How many targets are remembered."""
        return len(self._memories)

    def changes(self, what: Episode, holds: bool, of: Target | str = "") -> bool:
        """Whether this begins or ends now, compared with the last time that it was asked for: time to tell.

        `of`: a target, a section of the configuration, or no one thing.
        """
        said = self.memory(of).said if isinstance(of, Target) else self._said.setdefault(of, set())
        changes = holds != (what in said)
        (said.add if holds else said.discard)(what)
        return changes

    def begins(self, what: Episode, holds: bool, of: Target | str = "") -> bool:
        """Whether this lasts now and did not when it was last asked for."""
        return self.changes(what, holds, of) and holds

    def once(self, what: Episode, of: Target | str = "") -> bool:
        """Whether this is the first time."""
        return self.begins(what, True, of)

    def was_told(self, what: Episode) -> bool:
        """Whether this was told, of no one thing."""
        return what in self._said.get("", ())

    def tell_again(self, *episodes: Episode) -> None:
        """Forget that these were told, of no one thing: under a new configuration they say something else."""
        self._said.get("", set()).difference_update(episodes)

    def fail(self, target: Target, error: Exception) -> None:
        """Log what went wrong with a target. It stays its own: the others go on."""
        self.tally.failed.add(target)
        log.error("%s - %s", target, error, extra=events.about("failure", target, **facts(error)))

    def keep_sections(self, sections: Collection[str]) -> None:
        """Forget what was said of all sections of the configuration but these."""
        self._said = {of: said for of, said in self._said.items() if not of or of in sections}

    def keep_tables(self, names: Collection[str]) -> None:
        """Forget all tables but these."""
        self._memories = {target: memory for target, memory in self._memories.items() if target.table in names}

    def keep_indexes(self, tables: Collection[str], targets: Collection[Target]) -> None:
        """Forget the indexes of these tables but for these targets."""
        self._memories = {
            target: memory
            for target, memory in self._memories.items()
            if target.index is None or target.table not in tables or target in targets
        }

    def forget_streaks(self, measured: Collection[Target] = ()) -> None:
        """Consecutive means consecutive: what was not measured in this check begins anew."""
        for target, memory in self._memories.items():
            if target not in measured:
                memory.streaks = dict.fromkeys(AXES, 0)
