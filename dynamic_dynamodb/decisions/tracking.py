"""Target tracking: how much to provision for the load of the last minutes at a target utilization. Pure.

This is the alternative to the thresholds in calculator.py, with the same types and limits. The rules are in
docs/behaviour.md, section 10. Loads are 1-minute sums, as in CloudWatch. They are compared exactly, as Fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from dynamic_dynamodb.decisions import calculator
from dynamic_dynamodb.decisions.calculator import number
from dynamic_dynamodb.decisions.exact import exact
from dynamic_dynamodb.decisions.model import Decision, Holder, Policy, Reason, Rule, Usage
from dynamic_dynamodb.decisions.recurring import Expected

FULL = Fraction(97, 100)  # of what is provisioned: above it, too little is left for the next minutes
_LEAST_STEP = Fraction(102, 100)  # a smaller increase is not worth a call
_LEAST_ANSWER, _MOST_ANSWER = Fraction(3, 2), 4  # times P, after throttling
_MOST = Fraction(5, 2)  # times the greatest load that was seen or is expected: bounds the cost of a mistake
_SLOPE, _KNOWN_FOR_SLOPE = 15, 30  # minutes
_LOOKED_BACK, _GREATEST_OF = 10, 31  # minutes, for a decrease and for the bound on an increase
_AFTER_INCREASE, _AFTER_DECREASE = 20, 60  # minutes
_SAVES, _SAVES_SOON_AFTER, _SAVES_JOINING = Fraction(10), Fraction(30), Fraction(3)  # percent
_LOWEST_STEP = Fraction(7, 10)  # times P
_STALE = 5  # minutes: older data say nothing about the present
BUCKET = 5  # minutes of provisioned capacity that DynamoDB keeps for bursts: 300 s, "best effort"
_CREDIT_OVER = 60  # minutes
_JUST_NOW = 2  # minutes
_NOBODY: Holder = ""
_NOTHING, _ALL = Fraction(0), Fraction(1)
_BILLIONTH = 1e-9
T = TypeVar("T", float, Fraction)


@dataclass(frozen=True)
class Minutes:
    """The known minutes of one axis, oldest first, without gaps; at most 75 are used.

    `newest` is the number of the last one, in minutes since the epoch. `consumed` and `throttled` are 1-minute sums.
    `provisioned` is in capacity units per second, or None if not known; it may be empty if burst credit is not counted
    on.
    """

    newest: int
    consumed: Sequence[float]
    throttled: Sequence[float]
    provisioned: Sequence[int | None]


@dataclass(frozen=True)
class Situation:
    """The input of one decision about one axis. Durations are in minutes, times in minutes since the epoch."""

    provisioned: int  # capacity units per second, 1 or more
    minutes: Minutes
    now: int
    every: Fraction = Fraction(1)  # between two checks
    update: Fraction = Fraction(1)  # until an UpdateTable takes effect
    effective: int = 0  # the first minute in which `provisioned` applied
    last_increase: int | None = None
    last_decrease: int | None = None
    waits: str = ""  # why no decrease is possible now; empty if it is
    hot: float = 0.0  # events of a hot key range in the last answer, where more capacity does not help
    throttling_known: bool = True  # whether throttled events were read in this check
    soon: Expected | None = None
    later: Expected | None = None
    headroom: float = 1.0  # 1 to 2
    trust: float = 1.0  # 0 to 1

    @property
    def age(self) -> int:
        """Minutes since the newest known minute ended."""
        return self.now - self.minutes.newest - 1

    # Cached, because a decision needs them often, and exact fractions are slow.
    @cached_property
    def reach(self) -> Fraction:
        """For how many minutes this decision must be enough: until the next one can take effect."""
        return self.update + self.every + (self.age + 2)

    @cached_property
    def expected(self) -> Fraction:
        """The load when the next decision can take effect: the greater of the last 2 minutes, plus the trend of 30."""
        return self._ahead(exact)

    def _ahead(self, total: Callable[[Sequence[float]], T]) -> T:
        known = self.minutes.consumed
        latest = total([max(known[-_JUST_NOW:], default=0.0)])
        if len(known) < _KNOWN_FOR_SLOPE or self.age > _STALE:
            return latest
        trend: Any = total(known[-_SLOPE:]) - total(known[-2 * _SLOPE : -_SLOPE])
        return latest if trend <= 0 else latest + trend * (self.reach - 1) / (_SLOPE * _SLOPE)

    def expects_far_less_than(self, load: Fraction) -> bool:
        """Whether floats are precise enough to see that less is expected. Usually they are, and exact sums are slow.

        The relative error of their sums of 15 minutes is less than a billionth.
        """
        limit = float(load)
        doubt = _BILLIONTH * (sum(self.minutes.consumed[-2 * _SLOPE :]) + limit) * float(self.reach)
        return self._ahead(sum) + doubt < limit

    @cached_property
    def usage(self) -> Usage:
        """The last 10 known minutes as a Usage, for the limits and texts that thresholds use too."""
        last, throttled = self.minutes.consumed[-_LOOKED_BACK:], self.minutes.throttled[-_LOOKED_BACK:]
        return Usage(
            self.provisioned,
            consumed=exact(last),
            throttled=exact(throttled) if any(throttled) else _NOTHING,
            seconds=60 * max(1, len(last)),
            hot=exact([self.hot]) if self.hot else _NOTHING,
        )


class _Candidate(NamedTuple):
    units: Fraction  # per minute
    why: Reason
    rule: Rule = "low-load"


def decide(policy: Policy, seen: Situation, *, joins: bool = False) -> Decision:
    """What one axis of one target should have provisioned.

    `joins`: the same call decreases the other axis, so that a small saving is worth it. `ripe` in the decision means
    that a decrease is wanted, perhaps only together with the other axis.
    """
    if not policy.enable_autoscaling:
        return _stay(policy, seen, f"enable-{policy.axis}-autoscaling is false", "off")
    proposal = _up(policy, seen) or _down_or_stay(policy, seen, joins=joins)
    return calculator.limit(policy, seen.usage, proposal)


def _stay(
    policy: Policy, seen: Situation, reason: str | Reason, rule: Rule = "settled", *, ripe: bool = False
) -> Decision:
    text = Reason(lambda: f"{policy.axis} {_load(seen)} of {seen.provisioned}: stays, {reason}")
    return Decision(seen.provisioned, "stay", text, streak=0, ripe=ripe, rule=rule)


# Up


def _up(policy: Policy, seen: Situation) -> Decision | None:
    """The greatest increase that the rules ask for; None if no rule does."""
    if not policy.enable_up_scaling:
        return None
    asked = [rule(policy, seen) for rule in (_by_load, _by_throttling, _by_recurrence)]
    candidates = [one for one in asked if one is not None]
    if not candidates:
        return None
    most = _MOST * _greatest(seen)
    greatest = max(candidates, key=lambda one: one.units)
    units = math.ceil(min(greatest.units, most) / 60)
    if units <= seen.provisioned:
        return None
    how = _share(policy, seen) if greatest.units <= most else f"no more than {number(_MOST)} times the load"
    return _within_max(policy, seen.provisioned, units, how, greatest)


def _within_max(policy: Policy, now: int, units: int, how: str, asked: _Candidate) -> Decision:
    """An increase, limited to the maximum. `limit` in calculator.py handles axes that are above it already."""
    most, held, capped = policy.max_provisioned, _NOBODY, calculator.capped(policy, units)
    if most is not None and units > most >= now:
        units, how, held = most, f"{units} needed; {calculator.maximum(policy)}", "maximum"
    if units == now:
        text = f"{asked.why}: stays ({calculator.maximum(policy)})"
        return Decision(now, "stay", text, streak=0, capped=capped, rule=asked.rule, held=held)
    text = f"{asked.why}: {now} -> {units} ({how})"
    return Decision(units, "up", text, streak=0, capped=capped, rule=asked.rule, held=held)


def _by_load(policy: Policy, seen: Situation) -> _Candidate | None:
    """The candidate if the load of the next minutes would leave too little capacity."""
    if not seen.minutes.consumed:
        return None
    now, credit = 60 * seen.provisioned, _counted_on(policy, seen)
    most = FULL * now + (credit / seen.reach if credit else 0)
    if seen.expects_far_less_than(most) or seen.expected <= most:
        return None
    load = seen.expected
    wanted = max(load / _share_of_target(policy, seen), _LEAST_STEP * now)
    return _Candidate(wanted, Reason(lambda: _over(policy, seen, load, credit)), "load")


def _over(policy: Policy, seen: Situation, load: Fraction, credit: Fraction) -> str:
    """The text for a load that needs more than is provisioned."""
    ahead = f"{_rounded(load)} expected in {number(seen.reach)} minutes"
    help_ = f" and {_rounded(credit / seen.reach)} of burst credit" if credit else ""
    return f"{policy.axis} {_load(seen)}, {ahead}, over {number(100 * FULL)} % of {seen.provisioned}{help_}"


def _by_throttling(policy: Policy, seen: Situation) -> _Candidate | None:
    """The candidate if something was throttled after the present capacity took effect."""
    known, now = seen.minutes, Fraction(60 * seen.provisioned)
    since = max(
        0, seen.effective - known.newest - 1 + len(known.throttled)
    )  # the index of the first minute that counts
    events = exact(known.throttled[max(since, len(known.throttled) - _JUST_NOW) :])
    if not events:
        return None
    demand = exact([known.consumed[-1], known.throttled[-1]])
    wanted = min(max(demand / _share_of_target(policy, seen), _LEAST_ANSWER * now), _MOST_ANSWER * now)
    throttled = Reason(
        lambda: f"{policy.axis} {_load(seen)}, {number(events)} throttled with {seen.provisioned} in effect"
    )
    return _Candidate(wanted, throttled, "throttled-in-effect")


def _by_recurrence(policy: Policy, seen: Situation) -> _Candidate | None:
    """The candidate if more was needed at this time on two earlier days."""
    soon = seen.soon
    if soon is None or soon.units <= 60 * seen.provisioned:
        return None
    needed = Fraction(soon.units)
    why = Reason(lambda: f"{policy.axis} {_load(seen)}, {_rounded(needed)} needed at this time on {soon.days}")
    return _Candidate(needed / _share_of_target(policy, seen), why, "recurring")


def _greatest(seen: Situation) -> Fraction:
    """The greatest load that was seen or is expected."""
    known = seen.minutes
    pairs = list(zip(known.consumed[-_GREATEST_OF:], known.throttled[-_GREATEST_OF:], strict=True))
    if not pairs:
        return Fraction(seen.soon.units) if seen.soon else Fraction(0)
    loads = [exact(max(pairs, key=sum)), seen.expected]
    return max([*loads, Fraction(seen.soon.units)] if seen.soon else loads)


# Down


def _down_or_stay(policy: Policy, seen: Situation, *, joins: bool) -> Decision:
    hold = next(_reasons_not_to_decrease(policy, seen), None)
    if hold is not None:
        return _stay(policy, seen, *hold)
    now = seen.provisioned
    needs = _needs(policy, seen)
    low = max(math.ceil(max(need.units for need in needs) / 60), policy.minimum)
    if low >= now:
        return _stay(policy, seen, f"{low} needed")
    saving, least = Fraction(100 * (now - low), now), _least_saving(seen, joins=joins)
    if saving < least:
        reason = Reason(lambda: f"saving {math.floor(saving)} % is under {number(least)} %")
        return _stay(policy, seen, reason, ripe=saving >= _SAVES_JOINING)
    if not seen.throttling_known:
        unknown = f"{low} needed, but it is not known yet whether anything was throttled"
        return _stay(policy, seen, unknown, "unknown")
    units = max(low, min(math.ceil(_LOWEST_STEP * now), now - 1))  # 3 units times .7, rounded up, are 3 again
    why = max(needs, key=lambda need: need.units).why
    how = "" if units == low else f"; {low} in further steps"
    held = _NOBODY
    if low == policy.minimum:
        how, held = f"{how}; {calculator.minimum(policy)}", "minimum"
    text = f"{policy.axis}: {why}: {now} -> {units}{how}"
    return Decision(units, "down", text, streak=0, ripe=True, rule="low-load", held=held)


def _reasons_not_to_decrease(policy: Policy, seen: Situation) -> Iterator[tuple[str, Rule]]:
    """Each reason with its rule. The first one counts."""
    known, axis = seen.minutes, policy.axis
    last = known.consumed[-_LOOKED_BACK:]
    idle = not any(last)
    since = None if seen.last_increase is None else seen.now - seen.last_increase
    if not policy.enable_down_scaling:
        yield f"enable-{axis}-down-scaling is false", "off"
    if seen.waits:
        yield seen.waits, "waits"
    if len(last) < _LOOKED_BACK:
        yield f"only {len(last)} of {_LOOKED_BACK} minutes are known", "unknown"
    # If complete answers have no datapoint for 10 minutes, nothing is consumed: that is known, and not stale.
    if seen.age > _STALE and not idle:
        yield f"the newest datapoint is {seen.age} minutes old", "unknown"
    if idle and not policy.allow_scaling_down_on_0_percent:
        yield f"nothing consumed and allow-scaling-down-{axis}-on-0-percent is false", "idle"
    if since is not None and since < _AFTER_INCREASE:
        text = f"increased {since} min ago; a decrease waits {_AFTER_INCREASE} min after an increase"
        yield text, "after-increase"
    if any(known.throttled[-_LOOKED_BACK:]):
        yield f"throttled in the last {_LOOKED_BACK} minutes", "throttled"


def _needs(policy: Policy, seen: Situation) -> list[_Candidate]:
    """The needs that bound a decrease from below, in capacity units per minute."""
    share, last = _share_of_target(policy, seen), seen.minutes.consumed[-_LOOKED_BACK:]
    credit = BUCKET * _share_of_credit(policy, seen)
    run = busiest(last, float(credit))
    needed = exact(run) / (len(run) + credit)
    later = seen.later
    why = Reason(lambda: f"the last {_LOOKED_BACK} minutes need {_rounded(needed)} {_at(share)}")
    needs = [_Candidate(needed / share, why)]
    if credit or share > FULL:  # otherwise the busiest minute needs more than this
        # Without this, _by_load would ask for the capacity again once the burst credit is used up.
        mean = exact(last) / len(last)
        why = Reason(lambda: f"the last {_LOOKED_BACK} minutes consumed {_rounded(mean)} on average")
        needs.append(_Candidate(mean / FULL, why))
    if later is not None:
        units = Fraction(later.units)
        why = Reason(lambda: f"the next hour needed {_rounded(units)} on {later.days}, {_at(share)}")
        needs.append(_Candidate(units / share, why))
    return needs


def _least_saving(seen: Situation, *, joins: bool) -> Fraction:
    """In percent. Decreases are limited, so a second one within an hour must save more."""
    if joins:
        return _SAVES_JOINING
    recent = seen.last_decrease is not None and seen.now - seen.last_decrease < _AFTER_DECREASE
    return _SAVES_SOON_AFTER if recent else _SAVES


def busiest(minutes: Sequence[float], credit: float) -> Sequence[float]:
    """The run of minutes that needs the most capacity, if the burst bucket provides `credit` minutes of it."""
    if not credit:
        return [max(minutes)]
    best, greatest = minutes[-1:], -1.0
    for first in range(len(minutes)):
        total = 0.0
        for count, units in enumerate(minutes[first:], 1):
            total += units
            if total / (count + credit) > greatest:
                best, greatest = minutes[first : first + count], total / (count + credit)
    return best


# Burst credit and the target


def burst_credit(minutes: Minutes) -> float:
    """The capacity units that DynamoDB's burst bucket should contain after the newest minute, if it began empty."""
    held = 0.0
    last = slice(-_CREDIT_OVER, None)
    for consumed, throttled, units in zip(
        minutes.consumed[last], minutes.throttled[last], minutes.provisioned[last], strict=True
    ):
        filled = held + 60 * (units or 0) - consumed
        held = 0.0 if throttled or units is None else min(BUCKET * 60.0 * units, max(0.0, filled))
    return held


def _counted_on(policy: Policy, seen: Situation) -> Fraction:
    """The part of the burst credit to count on, by option and by what was learned, in capacity units."""
    share = _share_of_credit(policy, seen)
    if not share:
        return _NOTHING
    return share * Fraction(min(burst_credit(seen.minutes), BUCKET * 60.0 * seen.provisioned))


def _share_of_credit(policy: Policy, seen: Situation) -> Fraction:
    """The share of the burst credit to count on, by option and by what was learned, 0 to 1."""
    return policy.burst_credit * _known(seen.trust) / 100 if policy.burst_credit else _NOTHING


def _share_of_target(policy: Policy, seen: Situation) -> Fraction:
    """The utilization to aim for, 0 to 1: the target, less the learned headroom."""
    return policy.target_utilization / (100 * _known(seen.headroom))


def _known(learned: float) -> Fraction:
    """A learned value, rounded to a millionth, because exact comparisons with a float's 52 binary places are slow."""
    return _ALL if learned == 1 else Fraction(round(learned * 10**6), 10**6)


# Words


def _load(seen: Situation) -> str:
    known = seen.minutes.consumed
    return f"{_rounded(exact(known[-1:]))} per second" if known else "unknown"


def _share(policy: Policy, seen: Situation) -> str:
    learned = f", {_percent(100 * (_known(seen.headroom) - 1))} % headroom learned" if seen.headroom > 1 else ""
    return f"target {number(policy.target_utilization)} %{learned}"


def _rounded(per_minute: Fraction) -> str:
    """A load in capacity units per second, without decimals from 10 on."""
    rate = per_minute / 60
    return f"{round(rate):,}" if rate >= 10 else calculator.decimals(rate, 1)


def _at(share: Fraction) -> str:
    return f"at {_percent(100 * share)} %"


def _percent(value: Fraction) -> str:
    return number(Fraction(round(value * 10), 10))
