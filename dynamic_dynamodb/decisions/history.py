"""The memory of target tracking: what is known about one target, minute by minute. Pure: time is passed in as numbers.

Minutes are counted from the epoch, UTC. CloudWatch publishes nothing for a minute without traffic, and every datapoint
is late. So a minute without a datapoint is known to be idle once a later datapoint of this target has arrived, or once
it is certain that none will. The known minutes are the same for both axes of a target.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from dynamic_dynamodb.decisions import tracking
from dynamic_dynamodb.decisions.learning import Learned, Minute
from dynamic_dynamodb.decisions.model import AXES, Axis, Policy, Resource, minute_of
from dynamic_dynamodb.decisions.recurring import Season
from dynamic_dynamodb.decisions.tracking import Minutes, Situation

KEPT = 75  # minutes: an hour of burst credit, and late datapoints
CERTAIN = 10  # minutes after the end of a minute until it is certain that nothing more is published for it
LEAST = 5  # minutes to read in any case, because a datapoint may still grow
_LONGEST_UPDATE = 10  # minutes
_SAME = 2  # minutes of difference between this clock and DynamoDB's time of the same update
_VALID = 2  # intervals for which the result of a check is valid
_BUSY = 0.95  # of what is provisioned: at or above it, throttled events are read in each check
_EVERY_FIFTH = 5  # below it, they are read in every fifth check

Sums = Mapping[int, float]  # 1-minute sums by minute


class _Step(NamedTuple):
    since: int  # the first minute in which `units` held
    units: int


class _Ring:
    """Numbers by minute, the newest 75; `first` is the minute of the oldest."""

    def __init__(self) -> None:
        self.first = 0
        self.values: list[float] = []

    def extend_to(self, minute: int) -> None:
        self.values += [0.0] * (minute - self.first + 1 - len(self.values))
        surplus = max(0, len(self.values) - KEPT)
        del self.values[:surplus]
        self.first += surplus

    def raise_to(self, sums: Sums) -> None:
        """Take in late datapoints, which only grow."""
        for minute, value in sums.items():
            place = minute - self.first
            if 0 <= place < len(self.values):
                self.values[place] = max(self.values[place], value)


class _Axis:
    """One axis of a target."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self.season: Season | None = None
        self.consumed, self.throttled = _Ring(), _Ring()
        self.steps: deque[_Step] = deque(maxlen=KEPT)
        self.throttled_to: int | None = None  # the newest minute whose throttled events were read
        self.had_events = False  # whether the last answer had any
        self.hot = 0.0  # events of hot key ranges in the last answer
        self.checks = 0  # since they were read
        self.last_increase: int | None = None  # by this program
        self.last_decrease: int | None = None

    def minutes(self, newest: int, *, with_provisioned: bool) -> Minutes:
        """The minutes up to `newest`."""
        first = self.consumed.first
        consumed = self.consumed.values[: newest - first + 1]
        units = [self.held_in(first + place) for place in range(len(consumed))] if with_provisioned else []
        return Minutes(newest, consumed, self.throttled.values[: len(consumed)], units)

    def held_in(self, minute: int) -> int | None:
        """What was provisioned in this minute; None if that is not known."""
        return next((step.units for step in reversed(self.steps) if step.since <= minute), None)

    def saw(self, units: int, since: int | None, now: int) -> None:
        """Record what DescribeTable shows now; it has applied since minute `since`, or always if that is None."""
        if not self.steps:
            self.steps.append(_Step(-(2**62) if since is None else since, units))
        elif units != self.steps[-1].units:
            earliest = self.steps[-1].since + 1
            self.steps.append(_Step(max(earliest, now if since is None else min(since, now)), units))


class History:
    """The known minutes of one target, and what was learned from them.

    By axis, from an earlier process: what was `learned`, and in `increased` the minute of this program's last increase.
    """

    def __init__(
        self, learned: Mapping[Axis, Learned] | None = None, increased: Mapping[Axis, int] | None = None
    ) -> None:
        self._axes = {axis: _Axis((learned or {}).get(axis, Learned())) for axis in AXES}
        for axis, minute in (increased or {}).items():
            self._axes[axis].last_increase = minute
        self._newest: int | None = None
        self._folded: int | None = None  # the newest minute that was learned from
        self._speaks: dict[Axis, deque[tuple[int, int]]] = {axis: deque(maxlen=4 * CERTAIN) for axis in AXES}
        self._sent: int | None = None
        self._made: dict[Axis, tuple[object, Situation]] = {}  # a cache: each check needs it more than once
        self._stamp: int | None = None  # the last LastIncreaseDateTime from DescribeTable
        self._others: int | None = None  # when somebody else increased an axis last
        self._update = Fraction(1)

    def learned(self, axis: Axis) -> Learned:
        """What was learned about this axis so far."""
        return self._axes[axis].learned

    def since(self, now: int) -> int:
        """The first minute to read from CloudWatch."""
        if self._newest is None:
            return now - KEPT
        return max(now - KEPT, min(self._newest + 1, now - LEAST))

    def throttled_since(self, now: int, axis: Axis) -> int | None:
        """The first minute whose throttled events to read; None if this check can do without.

        Each metric costs money, and throttling is rare, so an axis that is not busy is read in every fifth check.
        """
        one = self._axes[axis]
        one.checks += 1
        held = one.steps[-1].units if one.steps else 0
        busy = bool(one.consumed.values) and one.consumed.values[-1] >= _BUSY * 60 * held
        if one.throttled_to is not None and not busy and not one.had_events and one.checks < _EVERY_FIFTH:
            return None
        return (
            self.since(now) if one.throttled_to is None else max(now - KEPT, min(self.since(now), one.throttled_to + 1))
        )

    # What comes in

    def take(
        self,
        now: int,
        since: int,
        consumed: Mapping[Axis, Sums],
        throttled: Mapping[Axis, Sums],
        hot: Mapping[Axis, Sums] | None = None,
    ) -> None:
        """Take in a complete answer from CloudWatch for the minutes from `since` up to, but not including, `now`.

        `throttled` has the axes whose throttled events were read. `hot` is the part from hot key ranges, which does
        not count because more capacity does not help.
        """
        self._made.clear()
        points = [minute for sums in (*consumed.values(), *throttled.values()) for minute in sums if minute < now]
        if self._newest is not None and since > self._newest + 1:  # the minutes between were not read
            self._begin(since)
        elif self._newest is None:
            if not points:
                return
            self._begin(min(points))
        self._newest = max([*points, self._newest or 0, now - CERTAIN - 1])
        for axis, one in self._axes.items():
            of_range = (hot or {}).get(axis, {})
            curable = {
                minute: max(0.0, events - of_range.get(minute, 0.0))
                for minute, events in throttled.get(axis, {}).items()
            }
            for ring, sums in ((one.consumed, consumed.get(axis, {})), (one.throttled, curable)):
                ring.extend_to(self._newest)
                ring.raise_to(sums)
            if axis in throttled:
                one.throttled_to, one.checks, one.had_events = now - 1, 0, any(throttled[axis].values())
            one.hot = sum(throttled.get(axis, {}).values()) - sum(curable.values())

    @property
    def newest(self) -> int | None:
        """The newest known minute."""
        return self._newest

    def last(self, axis: Axis) -> float:
        """What was consumed in the newest known minute."""
        values = self._axes[axis].consumed.values
        return values[-1] if values else 0.0

    def remember(self, axis: Axis, season: Season) -> None:
        """Take over the past of an axis, and add the minutes that are known here."""
        self._made.clear()
        one = self._axes[axis]
        for place, (consumed, throttled) in enumerate(zip(one.consumed.values, one.throttled.values, strict=True)):
            season.add(one.consumed.first + place, consumed + throttled)
        one.season = season

    def saw(self, now: int, resource: Resource, every: Fraction) -> None:
        """Take in what DescribeTable shows for the target, which is ACTIVE; `every`: minutes between two checks."""
        self._made.clear()
        if self._sent is not None:
            took = now - self._sent - every / 2
            self._update, self._sent = min(max(took, Fraction(1)), Fraction(_LONGEST_UPDATE)), None
        self._note_increase(resource)
        stamps = [minute_of(stamp) for stamp in (resource.last_increase, resource.last_decrease) if stamp]
        since = max(stamps) + math.ceil(self._update) if stamps else None
        for axis, one in self._axes.items():
            one.saw(getattr(resource.provisioned, axis), since, now)

    def _note_increase(self, resource: Resource) -> None:
        """Note the time of an increase. It counts for both axes, unless this program's increase of one axis set it."""
        stamp = minute_of(resource.last_increase) if resource.last_increase else None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        ours = (one.last_increase for one in self._axes.values())
        if not any(own is not None and stamp is not None and abs(own - stamp) <= _SAME for own in ours):
            self._others = stamp

    def accepted(self, now: int, axis: Axis, *, increase: bool) -> None:
        """Record that DynamoDB accepted this program's change to this axis."""
        self._made.clear()
        self._sent = now
        if increase:
            self._axes[axis].last_increase = now
        else:
            self._axes[axis].last_decrease = now

    def accepted_in(self, minute: int) -> bool:
        """Whether DynamoDB accepted a change from this program in this minute."""
        return self._sent == minute

    def free(self, now: int, axis: Axis, every: Fraction) -> None:
        """Record that from now until the next check only the policy keeps this axis from having more."""
        self._speaks[axis].append((now, now + math.ceil(_VALID * every)))

    def learn(self, policies: Iterable[Policy]) -> None:
        """Learn from the minutes that have become known since the last call."""
        self._made.clear()
        if self._newest is None:
            return
        first = self._axes["reads"].consumed.first
        begin = first if self._folded is None else max(first, self._folded + 1)
        for policy in policies:
            for minute in range(begin, self._newest + 1):
                self._learn(policy, minute)
        self._folded = self._newest

    def _learn(self, policy: Policy, minute: int) -> None:
        one = self._axes[policy.axis]
        place = minute - one.consumed.first
        consumed, throttled = one.consumed.values[place], one.throttled.values[place]
        credit = float(policy.burst_credit) / 100
        if one.season is None or one.season.credit != tracking.BUCKET * credit:
            one.season = Season(tracking.BUCKET * credit)
        one.season.add(minute, consumed + throttled)
        if isinstance(policy.throttled_minutes_per_day, str):  # off
            return
        known = one.held_in(minute)
        counted = 0.0
        if throttled and credit and minute > one.consumed.first:
            counted = credit * one.learned.trust * tracking.burst_credit(one.minutes(minute - 1, with_provisioned=True))
        spoken = reversed(self._speaks[policy.axis])  # the newest first, because it is usually the match
        free = known is not None and any(since <= minute < until for since, until in spoken)
        one.learned = one.learned.after(
            Minute(consumed, throttled, 60.0 * (known or 0), counted, free), float(policy.throttled_minutes_per_day)
        )

    # The result

    def situation(self, policy: Policy, resource: Resource, now: int, every: Fraction, waits: str = "") -> Situation:
        """The input of a decision about one axis; `waits`: why no decrease is possible now."""
        key = (id(policy), resource.provisioned, now, every, waits)
        made = self._made.get(policy.axis)
        if made is None or made[0] != key:
            made = self._made[policy.axis] = key, self._situation(policy, resource, now, every, waits)
        return made[1]

    def _situation(self, policy: Policy, resource: Resource, now: int, every: Fraction, waits: str) -> Situation:
        one = self._axes[policy.axis]
        newest = now - 1 if self._newest is None else self._newest
        return Situation(
            provisioned=getattr(resource.provisioned, policy.axis),
            minutes=one.minutes(newest, with_provisioned=policy.burst_credit > 0),
            now=now,
            every=every,
            update=self._update,
            effective=one.steps[-1].since if one.steps else now,
            last_increase=self._others if one.last_increase is None else one.last_increase,
            last_decrease=one.last_decrease,
            waits=waits,
            hot=one.hot,
            throttling_known=one.throttled_to == now - 1,
            soon=one.season.soon(now) if one.season else None,
            later=one.season.later(now) if one.season else None,
            headroom=one.learned.headroom,
            trust=one.learned.trust,
        )

    def _begin(self, first: int) -> None:
        """Forget all minutes; the next known minute is `first`."""
        self._newest = first - 1
        for one in self._axes.values():
            for ring in (one.consumed, one.throttled):
                ring.first, ring.values = first, []
