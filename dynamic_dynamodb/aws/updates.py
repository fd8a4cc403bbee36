"""UpdateTable: send the changes of one table, and if DynamoDB refuses the call, make as many of them as possible.

DynamoDB accepts or refuses a call as a whole. Once it accepts one, the table is UPDATING and accepts no other. So a
refused call is sent again with less, until one is accepted.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dynamic_dynamodb.aws.calls import not_repeated_once
from dynamic_dynamodb.aws.errors import LIMIT_EXCEEDED, AwsError, BadAnswerError, call, request_id
from dynamic_dynamodb.aws.refusals import decreases_ran_out, of_account, over_quota, quota, too_many_at_once
from dynamic_dynamodb.decisions.model import AXES, Axis, Change, Target, Throughput

UPDATE = "UpdateTable"

# Capacity units for each axis of each table and index: AWS's default quota.
DEFAULT_QUOTA = 40_000

_MOST_DROPPED = 3  # increases to drop, one after the other

_REFUSED = "refused by DynamoDB"
_INVALID = "ValidationException"
# These refusals are about one index if their text names it.
_OF_ONE = frozenset({_INVALID, "ResourceNotFoundException", "ResourceInUseException"})
_OF_TABLE = re.compile("billing ?mode|PAY_PER_REQUEST", re.I)  # then no part of the call can be accepted

# How AWS's texts name an axis. Does not match "already", "thread", "read-models".
_NAMES: dict[Axis, re.Pattern[str]] = {
    "reads": re.compile(r"(?<![\w.-])(ReadCapacityUnits|reads?)(?![\w-])", re.I),
    "writes": re.compile(r"(?<![\w.-])(WriteCapacityUnits|writes?)(?![\w-])", re.I),
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one table's changes.

    `made`: the changes that DynamoDB accepted, as they were sent. `refused`: those whose decreases it refused because
    they had run out, with the error in `ran_out`. `errors`: the other refusals, one of each kind. `why`: the reason for
    each change that was not made in full. `unknown`: changes of which it is not known whether they were made. `late`:
    changes that were not sent again, because their description was too old by then.
    """

    made: tuple[Change, ...] = ()
    refused: tuple[Change, ...] = ()
    ran_out: AwsError | None = None
    errors: tuple[AwsError, ...] = ()
    why: dict[Target, str] = field(default_factory=dict)
    unknown: frozenset[Target] = frozenset()
    late: frozenset[Target] = frozenset()
    request_id: str = ""  # of the call that was accepted


def arguments(changes: Sequence[Change]) -> dict[str, Any]:
    """The UpdateTable call that carries a table's change and those of its indexes."""
    call_: dict[str, Any] = {"TableName": changes[0].target.table}
    for change in changes:
        throughput = {"ReadCapacityUnits": change.desired.reads, "WriteCapacityUnits": change.desired.writes}
        if change.target.index is None:
            call_["ProvisionedThroughput"] = throughput
        else:
            update = {"IndexName": change.target.index, "ProvisionedThroughput": throughput}
            call_.setdefault("GlobalSecondaryIndexUpdates", []).append({"Update": update})
    return call_


def apply(dynamodb: Any, changes: Sequence[Change], is_old: Callable[[], bool] = lambda: False) -> Outcome:
    """Send one table's changes in one call; if DynamoDB refuses it, send again what it may accept.

    Decreases that have run out do not prevent increases. A quota, or a change that DynamoDB refuses, does not prevent
    the changes of the other targets in the call. `is_old` returns whether somebody may have changed the table since it
    was described; if so, nothing is sent again, not even by botocore. Does not raise: errors are in the outcome.
    """
    return _Sending(dynamodb, changes, is_old).outcome()


class _Growth(NamedTuple):
    """An increase of one axis of one target."""

    target: Target
    axis: Axis
    now: int
    then: int


class _Sending:
    """The calls for one table's changes.

    `_asked` are the changes that are still requested. `_selections` are the targets of the next calls, one selection
    per call, until one is accepted. Each refusal reduces one of the two, so the loop ends.
    """

    def __init__(self, dynamodb: Any, changes: Sequence[Change], is_old: Callable[[], bool]) -> None:
        self._dynamodb = dynamodb
        self._is_old = is_old
        self._asked = {change.target: change for change in changes}
        self._wanted = dict(self._asked)
        self._selections = deque([tuple(self._asked)])
        self._refused: dict[Target, Change] = {}
        self._ran_out: AwsError | None = None
        self._errors: dict[str, AwsError] = {}
        self._why: dict[Target, str] = {}
        self._tried: set[tuple[Target, ...]] = set()
        self._blamed: set[Target] = set()  # named in AWS's text
        self._each_alone = False  # whether the targets are being sent separately
        self._capped = False
        self._dropped = 0
        self._bounded: set[Target] = set()
        self._request_id = ""

    def outcome(self) -> Outcome:
        while self._selections:
            changes = tuple(one for target in self._selections[0] if (one := self._asked[target]).changes)
            if not changes:
                self._selections.popleft()
                continue
            try:
                with not_repeated_once(self._is_old):
                    self._request_id = _update(self._dynamodb, changes)
            except AwsError as error:
                if not self._less(error, changes):
                    silent = () if error.answered else (change.target for change in changes)
                    return self._outcome((), unknown=silent)
                if self._is_old():
                    return self._outcome((), late=self._left())
            else:
                self._tell_left()
                return self._outcome(changes)
        return self._outcome(())

    def _left(self) -> set[Target]:
        """The targets of the next calls."""
        return {target for selection in self._selections for target in selection if self._asked[target].changes}

    def _outcome(
        self, made: tuple[Change, ...], unknown: Iterable[Target] = (), late: Iterable[Target] = ()
    ) -> Outcome:
        sent = {change.target: change.desired for change in made}
        for target in self._bounded - self._why.keys():
            wanted = self._wanted[target]
            self._why[target] = _in_full(wanted, sent.get(target, wanted.current))
        made = tuple(_explained(one, self._wanted[one.target]) for one in made)
        refused, errors = tuple(self._refused.values()), tuple(self._errors.values())
        return Outcome(
            made, refused, self._ran_out, errors, self._why, frozenset(unknown), frozenset(late), self._request_id
        )

    def _less(self, error: AwsError, changes: Sequence[Change]) -> bool:
        """Reduce the request after a refusal. Returns whether anything is left."""
        if decreases_ran_out(error) and any(change.decreases for change in changes):
            self._ran_out = error
            self._without_decreases(changes)
            return True
        self._errors.setdefault(f"{error.code} {quota(error)}", error)
        if over_quota(error) or _limit_unknown(error):
            if not self._with_less_growth(error, changes):
                self._selections.popleft()
            return bool(self._selections)
        return self._apart(error, changes)

    # Decreases that have run out

    def _without_decreases(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.decreases:
                self._refused[change.target] = self._wanted[change.target]
                self._asked[change.target] = change.without_decreases()

    # Quotas

    def _with_less_growth(self, error: AwsError, changes: Sequence[Change]) -> bool:
        """Reduce the increases, the most promising way first. Returns False if there is nothing left to try."""
        growths = _growths(changes)
        above = [one for one in growths if one.then > DEFAULT_QUOTA]
        if above and not self._capped and not (over_quota(error) and of_account(error)):
            self._capped = True
            # A table with more than this has a raised quota. The new quota is not known.
            self._bound(above, DEFAULT_QUOTA)
        elif self._dropped < _MOST_DROPPED and growths:
            self._dropped += 1
            self._bound([max(_concerned(growths, error), key=lambda one: one.then - one.now)])
        else:
            self._bound(growths)
        return bool(growths)

    def _bound(self, growths: Iterable[_Growth], units: int = 0) -> None:
        """Request at most this many units, but no less than is provisioned."""
        for growth in growths:
            change, least = self._asked[growth.target], max(units, growth.now)
            self._asked[growth.target] = replace(change, desired=change.desired._replace(**{growth.axis: least}))
            self._bounded.add(growth.target)

    # A change that DynamoDB refuses

    def _apart(self, error: AwsError, changes: Sequence[Change]) -> bool:
        """Leave out the targets that AWS's text names; otherwise each target in turn, and at last all but one."""
        selection = self._selections.popleft()
        self._tried.add(selection)
        named = _named(error, changes)
        self._blamed.update(named)
        following = [tuple(target for target in selection if target not in named)] if named else []
        if error.code == _INVALID and not _OF_TABLE.search(error.wording):
            if not self._each_alone:
                self._each_alone = True
                following += _apart(selection)
        elif error.code not in _OF_ONE or not named:
            self._selections.clear()
        self._selections.extendleft(reversed([one for one in following if one and one not in self._tried]))
        return bool(self._selections)

    def _tell_left(self) -> None:
        """Record for each target that the accepted call left out whether it was at fault."""
        left = self._asked.keys() - set(self._selections[0])
        for target in left:
            blamed = len(left) == 1 or target in self._blamed or (target,) in self._tried
            self._why[target] = f"not changed, {_REFUSED}" if blamed else "not changed, retried in the next check"


def _apart(selection: tuple[Target, ...]) -> list[tuple[Target, ...]]:
    """First all but one, which works if a single one is at fault; then each alone, since only one call is accepted."""
    if len(selection) == 1:
        return []
    all_but_one = [tuple(target for target in selection if target != one) for one in selection]
    return all_but_one if len(selection) == 2 else [*all_but_one, *((one,) for one in selection)]


def _named(error: AwsError, changes: Iterable[Change]) -> set[Target]:
    """The indexes that AWS's text names."""
    words = set(re.findall(r"[a-zA-Z0-9_.-]+", error.message)) | set(re.findall(r"[a-zA-Z0-9_-]+", error.message))
    return {change.target for change in changes if change.target.index in words}


def _limit_unknown(error: AwsError) -> bool:
    """Whether a limit is exceeded that none of the known texts describes; it may be a quota."""
    known = decreases_ran_out(error) or too_many_at_once(error) or over_quota(error)
    return error.code == LIMIT_EXCEEDED and not known


def _growths(changes: Iterable[Change]) -> list[_Growth]:
    return [
        _Growth(change.target, axis, now, then)
        for change in changes
        for axis, now, then in zip(AXES, change.current, change.desired, strict=True)
        if then > now
    ]


def _concerned(growths: Sequence[_Growth], error: AwsError) -> Sequence[_Growth]:
    """The increases of the axis that AWS's text names; all of them if it names none or both."""
    axes = {axis for axis, name in _NAMES.items() if name.search(error.wording)}
    return [one for one in growths if one.axis in axes] or growths


def _explained(change: Change, wanted: Change) -> Change:
    """The same change. If an axis is increased less than wanted, its reason adds that."""
    reads, writes = (
        f"{reason}; {_less_far(axis, got, then)}" if now < got < then else reason
        for axis, now, got, then, reason in zip(
            AXES, change.current, change.desired, wanted.desired, change.reasons, strict=True
        )
    )
    return replace(change, reasons=(reads, writes))


def _less_far(axis: Axis, got: int, then: int) -> str:
    return f"{axis} {got} instead of {then}, {_REFUSED}"


def _in_full(wanted: Change, made: Throughput) -> str:
    """The axes that were not increased, or not as far as wanted."""
    return "; ".join(
        f"{axis} not increased, {_REFUSED}" if got <= now else _less_far(axis, got, then)
        for axis, now, then, got in zip(AXES, wanted.current, wanted.desired, made, strict=True)
        if then > now and then > got
    )


def _update(dynamodb: Any, changes: Sequence[Change]) -> str:
    """Send one call. Returns the ID of the request.

    Raises AwsError unless an answer confirms that DynamoDB accepted it.
    """
    try:
        answer = call(UPDATE, dynamodb.update_table, **arguments(changes))
    except AwsError as error:
        # The answer to the first attempt was lost, and botocore's next attempt failed because the first one has begun
        # or finished the change: a moment ago the table was ACTIVE and had other values.
        made = error.code == "ResourceInUseException" or "will not change" in error.wording
        if not (error.repeated and made):
            raise
        return ""
    if not isinstance(answer, dict) or not isinstance(answer.get("TableDescription"), dict):
        raise BadAnswerError(UPDATE, "TableDescription")
    return request_id(answer)
