"""What one process remembers for the next: `State` and `Record` as JSON, and back.

Empty values are left out, so most of 2,000 quiet tables take no space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.state import Episode, Memory, State
from dynamic_dynamodb.decisions.learning import Learned
from dynamic_dynamodb.decisions.model import AXES, Axis, Target
from dynamic_dynamodb.output.moments import moment, written

_Value = TypeVar("_Value")

# Warnings that last. Each process logs lines at info once, because they are wanted after a start.
_LASTING = {
    one.name.lower().replace("_", "-"): one
    for one in (
        Episode.BREAKER_OPEN,
        Episode.OUTSIDE_WINDOWS,
        Episode.TABLE_MISSING,
        Episode.HOT_READS,
        Episode.HOT_WRITES,
        Episode.IGNORED_READS,
        Episode.IGNORED_WRITES,
    )
}
_UNLEARNED = Learned()
_MOST = 10**9  # the greatest count that is accepted
_CLOCKS_DIFFER = timedelta(minutes=5)  # between two processes, if the clock was set
_LONGEST_WAIT = timedelta(days=1) + _CLOCKS_DIFFER  # of a decrease
_BOUNDS = {"headroom": (1, 2), "trust": (0, 1)}  # of learned values; the other numbers are counts


def plain(state: State, record: Record) -> dict[str, Any]:
    """The values for JSON."""
    return {
        "began": state.began and written(state.began),
        "ended": state.ended and written(state.ended),
        "rhythm": round(state.rhythm, 3),
        "failures": record.failures,
        "last_success": record.last_success and written(record.last_success),
        "told": sorted(record.told),
        "targets": [
            [target.table, target.index, kept]
            for target, memory in state.memories()
            if (kept := dict(_of_memory(memory)))
        ],
    }


def _of_memory(memory: Memory) -> Iterator[tuple[str, Any]]:
    if any(memory.streaks.values()):
        yield "streaks", memory.streaks
    if memory.increased:
        yield "increased", {axis: written(at) for axis, at in memory.increased.items()}
    if memory.changed is not None:
        yield "changed", written(memory.changed)
    if memory.waits_until is not None:
        yield "waits_until", written(memory.waits_until)
    if memory.alarmed:
        yield "alarmed", memory.alarmed
    if memory.at_maximum:
        yield "at_maximum", sorted(memory.at_maximum)
    if memory.said and (said := [name for name, one in _LASTING.items() if one in memory.said]):
        yield "said", said
    history = memory.history
    learned = memory.learned if history is None else {axis: history.learned(axis) for axis in AXES}
    if known := {axis: vars(one) for axis, one in learned.items() if one != _UNLEARNED}:
        yield "learned", known


def recall(plain: object, state: State, record: Record, now: datetime) -> None:
    """Restore the result of `plain`. Raises ValueError for anything else, and then changes nothing."""
    kept = _dict(plain)
    began, ended, success = (_optional(moment, kept.get(name)) for name in ("began", "ended", "last_success"))
    rhythm, failures = _number(kept.get("rhythm"), 0, _MOST), _count(kept.get("failures"))
    told, memories = set(map(_text, _list(kept.get("told")))), dict(_memories(kept.get("targets")))
    _check_past(now, (began, ended, success), memories.values())
    state.began, state.ended, state.rhythm = began, ended, rhythm
    record.failures, record.last_success, record.told = failures, success, told
    state.recall(memories)


def _check_past(now: datetime, moments: Iterable[datetime | None], memories: Iterable[Memory]) -> None:
    """Raises ValueError for a future time: it would apply until then, and decreases could wait for years."""
    memories = list(memories)
    past = [*moments, *(at for one in memories for at in (one.changed, *one.increased.values()))]
    if any(at is not None and at - now > _CLOCKS_DIFFER for at in past):
        raise ValueError("it contains a time in the future")
    if any(one.waits_until is not None and one.waits_until - now > _LONGEST_WAIT for one in memories):
        raise ValueError("it delays decreases by more than a day")


def _memories(kept: object) -> Iterator[tuple[Target, Memory]]:
    for one in _list(kept):
        table, index, values = _list(one, 3)
        yield Target(_text(table), _optional(_text, index)), _memory(_dict(values))


def _memory(kept: Mapping[str, Any]) -> Memory:
    memory = Memory(
        increased=_by_axis(kept, "increased", moment),
        changed=_optional(moment, kept.get("changed")),
        waits_until=_optional(moment, kept.get("waits_until")),
        alarmed=_by_axis(kept, "alarmed", _text),
        at_maximum={axis for axis in AXES if axis in _list(kept.get("at_maximum", []))},
        learned=_by_axis(kept, "learned", _learned),
        said={_LASTING[name] for name in map(_text, _list(kept.get("said", []))) if name in _LASTING},
    )
    memory.streaks |= _by_axis(kept, "streaks", _count)
    return memory


def _learned(kept: object) -> Learned:
    values = _dict(kept)
    return Learned(**{one.name: _learned_value(one.name, values.get(one.name)) for one in fields(Learned)})


def _learned_value(name: str, value: object) -> Any:
    if name in _BOUNDS:
        return _number(value, *_BOUNDS[name])
    return value if isinstance(value, bool) else _count(value)


# Each of these accepts only valid values, and raises ValueError for others


def _by_axis(kept: Mapping[str, Any], name: str, of: Callable[[object], _Value]) -> dict[Axis, _Value]:
    values = _dict(kept.get(name, {}))
    return {axis: of(values[axis]) for axis in AXES if axis in values}


def _optional(of: Callable[[object], _Value], value: object) -> _Value | None:
    return None if value is None else of(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else _refuse()


def _count(value: object) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _MOST else _refuse()  # type: ignore[operator,return-value]


def _number(value: object, least: float, most: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and least <= value <= most else _refuse()  # type: ignore[operator,return-value]


def _list(value: object, length: int | None = None) -> list[Any]:
    return value if isinstance(value, list) and length in (None, len(value)) else _refuse()


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse()


def _refuse() -> Any:
    raise ValueError("it contains what this program does not write")
