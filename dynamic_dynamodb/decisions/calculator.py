"""How much to provision: Policy + Usage + streak -> Decision, and the joining of both axes.

Pure, exact (Fractions, never floats), and the same for reads and writes, tables and indexes. The steps are those of
sections 3 and 4 of docs/behaviour.md: propose an increase, propose a decrease, limit, join.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from dynamic_dynamodb.decisions.model import Decision, Direction, Holder, Policy, Reason, Rule, Scale, Unit, Usage

# A threshold has a few decimals and a sum of datapoints fewer than 20, so this is enough to distinguish them.
_MOST_DIGITS = 30

_LOW: Rule = "low-consumption"
_NOBODY: Holder = ""


@dataclass(frozen=True)
class _Increase:
    """A candidate for an increase: one trigger, and the units that it asks for."""

    units: int
    why: str  # the measured value and the threshold
    how: str  # the amount
    rule: Rule
    option: str  # the option of the trigger, if it uses throttled events


@dataclass(frozen=True)
class _Decrease:
    """The decrease that low consumption asks for, before the number of checks counts."""

    units: int  # after the floors; if not below what is provisioned, there is no decrease
    why: Reason
    how: str
    held: Holder = ""  # what limits the decrease


def decide(policy: Policy, usage: Usage, streak: int) -> Decision:
    """What one axis of one target should have provisioned.

    `streak` is the number of consecutive checks, before this one, that asked for less. The decision's units are 1 or
    more, and within min and max unless a switch forbids the change.
    """
    if not policy.enable_autoscaling:
        return _stay(policy, usage, 0, f"enable-{policy.axis}-autoscaling is false", "off")
    if policy.num_checks_reset_percent and usage.consumed_percent >= policy.num_checks_reset_percent:
        streak = 0
    increase = _increase(policy, usage)
    proposal = _up(policy, usage, increase) if increase else _down_or_stay(policy, usage, streak)
    return limit(policy, usage, proposal)


def stay(policy: Policy, provisioned: int, reason: str, rule: Rule) -> Decision:
    """The decision not to change an axis, made without looking at its usage."""
    return Decision(provisioned, "stay", f"{policy.axis} {provisioned}: stays, {reason}", streak=0, rule=rule)


def _stay(policy: Policy, usage: Usage, streak: int, reason: str, rule: Rule, held: Holder = "") -> Decision:
    text = Reason(lambda: f"{_measured(policy, usage)}: stays, {reason}")
    return Decision(usage.provisioned, "stay", text, streak, rule=rule, held=held)


# Up


def _increase(policy: Policy, usage: Usage) -> _Increase | None:
    """The greatest of the increases that the triggers ask for. Of equal ones the first counts."""
    if not policy.enable_up_scaling:
        return None
    return _greatest([_increase_by_consumption(policy, usage), *_increases_by_throttling(policy, usage)])


def _increases_by_throttling(policy: Policy, usage: Usage) -> list[_Increase | None]:
    if usage.throttled == 0:
        return []
    return [
        _increase_by_events(policy, usage),
        _increase_by_provisioned_share(policy, usage),
        _increase_by_consumed_share(policy, usage),
    ]


def _greatest(candidates: Iterable[_Increase | None]) -> _Increase | None:
    """The greatest candidate. Of equal ones the first counts."""
    return max((one for one in candidates if one), key=lambda one: one.units, default=None)


def _increase_by_consumption(policy: Policy, usage: Usage) -> _Increase | None:
    measured, scale = usage.consumed_percent, policy.increase_consumed_scale
    if scale is None:
        if measured < policy.upper_threshold:
            return None
        why = f"{_measured(policy, usage, policy.upper_threshold)} >= {number(policy.upper_threshold)} %"
        return _candidate(
            usage, Fraction(policy.increase_consumed_with), policy.increase_consumed_unit, why, "consumption"
        )
    threshold, amount = _step_up(scale, measured)
    why = f"{_measured(policy, usage, *_keys(scale))} >= {number(threshold)} %"
    return _candidate(usage, amount, policy.increase_consumed_unit, why, "consumption")


def _increase_by_events(policy: Policy, usage: Usage) -> _Increase | None:
    threshold = policy.throttled_upper_threshold
    if not 0 < threshold < usage.throttled:
        return None
    why = f"{number(usage.throttled)} {policy.axis} throttled > {threshold}"
    option = f"throttled-{policy.axis}-upper-threshold"
    return _candidate(usage, Fraction(policy.increase_with), policy.increase_unit, why, "throttled-events", option)


def _increase_by_provisioned_share(policy: Policy, usage: Usage) -> _Increase | None:
    scale, measured = policy.increase_throttled_by_provisioned_scale, usage.throttled_by_provisioned_percent
    if scale is None:
        return None
    threshold, amount = _step_up(scale, measured)
    why = (
        f"{policy.axis} throttled {percent(measured, *_keys(scale))} % of {usage.provisioned} provisioned "
        f">= {number(threshold)} %"
    )
    option = f"increase-throttled-by-provisioned-{policy.axis}-scale"
    return _candidate(
        usage, amount, policy.increase_throttled_by_provisioned_unit, why, "throttled-by-provisioned", option
    )


def _increase_by_consumed_share(policy: Policy, usage: Usage) -> _Increase | None:
    scale, measured = policy.increase_throttled_by_consumed_scale, usage.throttled_by_consumed_percent
    if scale is None:
        return None
    if measured is None:
        threshold, amount = scale[-1]
        why = f"{number(usage.throttled)} {policy.axis} throttled, none consumed"
    else:
        threshold, amount = _step_up(scale, measured)
        why = f"{policy.axis} throttled {percent(measured, *_keys(scale))} % of consumed >= {number(threshold)} %"
    option = f"increase-throttled-by-consumed-{policy.axis}-scale"
    return _candidate(usage, amount, policy.increase_throttled_by_consumed_unit, why, "throttled-by-consumed", option)


_NO_STEP = Fraction(0), Fraction(0)


def _step_up(scale: Scale, measured: Fraction) -> tuple[Fraction, Fraction]:
    """The greatest step that `measured` reaches, as (threshold, amount); the amount is 0 if it reaches none."""
    return max((step for step in scale if step[0] <= measured), default=_NO_STEP)


def _keys(scale: Scale) -> list[Fraction]:
    return [threshold for threshold, _ in scale]


def _candidate(usage: Usage, amount: Fraction, unit: Unit, why: str, rule: Rule, option: str = "") -> _Increase | None:
    if amount <= 0:
        return None
    # Consumption can exceed what is provisioned (burst capacity), and one step should be enough for a spike. It is
    # rounded up, so that 1 + 50 % becomes 2.
    base = max(usage.provisioned, math.ceil(usage.rate))
    more = amount * base / 100 if unit == "percent" else amount
    how = f"+{_amount(amount, unit)}"
    if base > usage.provisioned:
        how += f" {'of' if unit == 'percent' else 'on top of'} {base} consumed"
    return _Increase(base + math.ceil(more), why, how, rule, option)


def _up(policy: Policy, usage: Usage, increase: _Increase) -> Decision:
    now, units, how, most = usage.provisioned, increase.units, increase.how, policy.max_provisioned
    asked, held = capped(policy, units), _NOBODY
    if most is not None and units > most >= now:
        units, how, held = most, f"{how} would be {units}; {maximum(policy)}", "maximum"
    if units == now:
        return Decision(now, "stay", f"{increase.why}: stays ({how})", 0, capped=asked, rule=increase.rule, held=held)
    text = f"{increase.why}: {now} -> {units} ({how})"
    return Decision(units, "up", text, streak=0, capped=asked, rule=increase.rule, held=held)


def capped(policy: Policy, units: int) -> int:
    """The units that are asked for if max allows fewer; otherwise 0."""
    return units if policy.max_provisioned is not None and units > policy.max_provisioned else 0


# Down


def _down_or_stay(policy: Policy, usage: Usage, streak: int) -> Decision:
    hold = next(_reasons_not_to_decrease(policy, usage), None)
    if hold is not None:
        return _stay(policy, usage, 0, *hold)
    decrease = _decrease(policy, usage)
    if decrease is None:
        return Decision(usage.provisioned, "stay", Reason(lambda: _between(policy, usage)), streak=0)
    if decrease.units >= usage.provisioned:
        return _floored(usage, decrease)
    goal = policy.num_checks_before_scale_down
    streak = min(streak + 1, goal)
    if streak < goal:
        text = Reason(lambda: f"{decrease.why}: hold, check {streak} of {goal}")
        return Decision(usage.provisioned, "stay", text, streak, rule=_LOW, held="streak")
    text = Reason(lambda: f"{decrease.why}: {usage.provisioned} -> {decrease.units} ({decrease.how})")
    return Decision(decrease.units, "down", text, streak, ripe=True, rule=_LOW, held=decrease.held)


def _floored(usage: Usage, decrease: _Decrease) -> Decision:
    """The decision if the floors leave nothing of a decrease."""
    text = Reason(lambda: f"{decrease.why}: stays, {decrease.how}")
    return Decision(usage.provisioned, "stay", text, streak=0, floored=decrease.how, rule=_LOW, held=decrease.held)


def _reasons_not_to_decrease(policy: Policy, usage: Usage) -> Iterator[tuple[str, Rule]]:
    """Each reason with its rule. The first one counts."""
    if forbidden := _switched_off(policy):
        yield forbidden, "off"
    if idle := _idle(policy, usage):
        yield idle, "idle"
    if throttled := _throttled(policy, usage):
        yield throttled, "throttled"


def _switched_off(policy: Policy) -> str:
    """The option that keeps this axis from ever going down."""
    if not policy.enable_autoscaling:
        return f"enable-{policy.axis}-autoscaling is false"
    if not policy.enable_down_scaling:
        return f"enable-{policy.axis}-down-scaling is false"
    return _nothing_to_take(policy)


def _idle(policy: Policy, usage: Usage) -> str:
    """The option that keeps this axis from going down while nothing is consumed."""
    if usage.consumed or policy.allow_scaling_down_on_0_percent:
        return ""
    return f"nothing consumed and allow-scaling-down-{policy.axis}-on-0-percent is false"


def _nothing_to_take(policy: Policy) -> str:
    """The option that means never, because all its amounts are 0."""
    scale = policy.decrease_consumed_scale
    if policy.tracks or any(amount > 0 for _, amount in scale or ()):
        return ""
    if scale is not None:
        return f"decrease-consumed-{policy.axis}-scale has no amount above 0"
    return "" if policy.decrease_consumed_with else f"decrease-{policy.axis}-with is 0"


def _throttled(policy: Policy, usage: Usage) -> str:
    """What was throttled in the window, if an option would ask for more because of it.

    This ignores the switch for increases, and counts events that an increase has answered since: an axis that was
    throttled a moment ago has no capacity to spare.
    """
    if usage.throttled_all == 0:  # the usual case, in which nothing has to be computed
        return ""
    everything = replace(usage, throttled=usage.throttled_all, answered=Fraction(0))
    held = _greatest(_increases_by_throttling(policy, everything))
    if held is None:
        return ""
    before = f"; {number(usage.answered)} events before the last increase" if usage.answered else ""
    return f"{held.why} ({held.option}{before})"


def _between(policy: Policy, usage: Usage) -> str:
    """Why consumption asks for no change."""
    low = f"above {number(policy.lower_threshold)} %"
    high = f"below {number(policy.upper_threshold)} %"
    if policy.decrease_consumed_scale is not None:
        low = f"no step of decrease-consumed-{policy.axis}-scale"
    if policy.increase_consumed_scale is not None:
        high = f"no step of increase-consumed-{policy.axis}-scale"
    elif policy.increase_consumed_with == 0:
        high = f"increase-{policy.axis}-with is 0"
    if not policy.enable_up_scaling:
        high = f"enable-{policy.axis}-up-scaling is false"
    return f"{_measured(policy, usage, *_thresholds(policy))}: stays, {low}, {high}"


def _thresholds(policy: Policy) -> list[Fraction]:
    """All thresholds that consumption is compared with, in percent."""
    up, down = policy.increase_consumed_scale, policy.decrease_consumed_scale
    return [
        *(_keys(down) if down is not None else [policy.lower_threshold]),
        *(_keys(up) if up is not None else [policy.upper_threshold]),
    ]


def _decrease(policy: Policy, usage: Usage) -> _Decrease | None:
    measured, steps = usage.consumed_percent, policy.decrease_consumed_scale
    if steps is None:  # one step
        steps = ((policy.lower_threshold, Fraction(policy.decrease_consumed_with)),)
    # The lowest step that is not below the measured value.
    threshold, amount = min((step for step in steps if step[0] >= measured), default=_NO_STEP)
    if amount <= 0:
        return None
    unit, now = policy.decrease_consumed_unit, usage.provisioned
    # The part taken away is rounded down, in favour of more capacity. But it is at least 1, so that 9 units at -10 % do
    # reach the minimum.
    less = math.floor(amount * now / 100 if unit == "percent" else amount)
    how = f"-{_amount(amount, unit)}" + (", at least 1 unit" if less == 0 else "")
    why = Reason(lambda: f"{_measured(policy, usage, *_keys(steps))} <= {number(threshold)} %")
    return _floor(policy, usage, now - max(less, 1), why, how)


def _floor(policy: Policy, usage: Usage, wanted: int, why: Reason, how: str) -> _Decrease:
    """Bound a decrease from below by the minimum and by the load itself."""
    needed, clear_of = _load_floor(policy, usage)
    units = max(wanted, policy.minimum, usage.provisioned if needed is None else needed)
    if units >= usage.provisioned and usage.provisioned <= policy.minimum:
        return _Decrease(units, why, minimum(policy), "minimum")
    if units == wanted:
        return _Decrease(units, why, how)
    consumed = f"{decimals(usage.rate, 1)} consumed"
    if units >= usage.provisioned:
        return _Decrease(units, why, f"{consumed} would not stay {clear_of} with less", "load")
    by_load = units > policy.minimum
    bound = f"{units} keeps {consumed} {clear_of}" if by_load else minimum(policy)
    return _Decrease(units, why, f"{how} would be {wanted}; {bound}", "load" if by_load else "minimum")


def _load_floor(policy: Policy, usage: Usage) -> tuple[int | None, str]:
    """The least capacity at which the same load does not trigger an increase at once, and the limit it stays below.

    None: there is no such capacity, because any amount triggers an increase.
    """
    threshold: Fraction | None = policy.upper_threshold
    if policy.increase_consumed_scale is not None:
        threshold = min((key for key, amount in policy.increase_consumed_scale if amount > 0), default=None)
    served = math.ceil(usage.rate)  # so that the decrease does not cause throttling
    if threshold is not None:
        below = f"below {number(threshold)} %"
        if threshold <= 0:
            return None, below
        clear = math.floor(100 * usage.rate / threshold) + 1
        if clear >= served:
            return clear, below
    return served, "within what is provisioned"


def minimum(policy: Policy) -> str:
    if policy.min_provisioned is None:
        return "1 is the minimum"
    return _by_schedule(f"min-provisioned-{policy.axis} is {policy.min_provisioned}", policy.min_told)


def maximum(policy: Policy) -> str:
    return _by_schedule(f"max-provisioned-{policy.axis} is {policy.max_provisioned}", policy.max_told)


def _by_schedule(text: str, told: str) -> str:
    return f"{text} ({told})" if told else text


# Limits


def limit(policy: Policy, usage: Usage, proposal: Decision) -> Decision:
    """Apply the user's maximum and minimum. Only the switches outrank them."""
    now, least, most = usage.provisioned, policy.minimum, policy.max_provisioned
    above = most is not None and now > most
    units = max(proposal.units, least) if most is None else min(max(proposal.units, least), most)
    if units == proposal.units:
        return replace(proposal, forced=above) if above else proposal
    if units < now and not policy.enable_down_scaling:
        why = f"{maximum(policy)} but enable-{policy.axis}-down-scaling is false"
        return replace(_stay(policy, usage, 0, why, "maximum", "switch"), capped=proposal.capped)
    if units > now and not policy.enable_up_scaling:
        why = f"{minimum(policy)} but enable-{policy.axis}-up-scaling is false"
        return _stay(policy, usage, proposal.streak, why, "minimum", "switch")
    limit = maximum(policy) if above else minimum(policy)
    rule: Rule = "maximum" if above else "minimum"
    text = f"{_measured(policy, usage)}: {now} -> {units} ({limit})"
    direction: Direction = "up" if units > now else "down"
    short = above and units < usage.rate
    return replace(
        proposal, units=units, direction=direction, reason=text, forced=above, warn=short, rule=rule, held=""
    )


# Joining


def join(
    decisions: tuple[Decision, Decision], policies: tuple[Policy, Policy], usages: tuple[Usage, Usage]
) -> tuple[Decision, Decision]:
    """Decrease both axes together or neither (`always-decrease-rw-together`).

    A decrease is held, and keeps its streak, unless the other axis asks for less too. An axis that cannot go down is
    not waited for. Increases, and decreases that max requires, are not held.
    """
    sides = list(zip(decisions, policies, usages, strict=True))
    return _join(sides[0], sides[1]), _join(sides[1], sides[0])


_Side = tuple[Decision, Policy, Usage]


def _join(mine: _Side, other: _Side) -> Decision:
    decision, policy, usage = mine
    other_decision, other_policy, _ = other
    if decision.direction != "down" or decision.forced or other_decision.ripe:
        return decision
    cannot = _cannot_go_down(*other)
    if cannot:
        return replace(decision, reason=f"{decision.reason}, not waiting for {other_policy.axis} ({cannot})")
    missing = "do not ask for less"
    if other_decision.streak > 0:
        missing = f"are at check {other_decision.streak} of {other_policy.num_checks_before_scale_down}"
    held = f"{other_policy.axis} {missing} (always-decrease-rw-together)"
    text = f"{_measured(policy, usage)}: hold {usage.provisioned}, {held}"
    return replace(decision, units=usage.provisioned, direction="stay", reason=text, held="other-axis")


def _cannot_go_down(decision: Decision, policy: Policy, usage: Usage) -> str:
    """Why this axis can never go down, however long the other one waits; "" if it may.

    An axis that was throttled, is between its thresholds, or has not asked for less often enough is waited for.
    """
    if forbidden := _switched_off(policy) or _idle(policy, usage):
        return forbidden
    return minimum(policy) if usage.provisioned <= policy.minimum else decision.floored


# Words


def _measured(policy: Policy, usage: Usage, *thresholds: Fraction) -> str:
    return f"{policy.axis} {percent(usage.consumed_percent, *thresholds)} % of {usage.provisioned}"


def percent(value: Fraction, *thresholds: Fraction) -> str:
    """With one decimal, or with as many as keep it on its side of the thresholds: 89.96 is not "90.0 %, below 90 %"."""
    sides = [_side(value.numerator, value.denominator, limit) for limit in thresholds]
    for digits in range(1, _MOST_DIGITS):
        shown = _rounded(value, 10**digits)
        if [_side(shown, 10**digits, limit) for limit in thresholds] == sides:
            break
    return _decimals(shown, digits)


def decimals(value: Fraction, digits: int) -> str:
    """A number, 0 or more and of any size, rounded to this many decimals."""
    return _decimals(_rounded(value, 10**digits), digits)


# With whole numbers, because each check rounds and compares for its reasons, and fractions take ten times as long.


def _decimals(shown: int, digits: int) -> str:
    whole, rest = divmod(shown, 10**digits)
    return f"{whole}.{rest:0{digits}}"


def _rounded(value: Fraction, scale: int) -> int:
    """The value times the scale, rounded like round(): a half to the even neighbour."""
    whole, rest = divmod(value.numerator * scale, value.denominator)
    return whole + (2 * rest > value.denominator or (2 * rest == value.denominator and whole % 2))


def _side(numerator: int, denominator: int, limit: Fraction) -> int:
    """Below, at or above the limit: -1, 0 or 1."""
    mine, its = numerator * limit.denominator, limit.numerator * denominator
    return (mine > its) - (mine < its)


def number(value: Fraction) -> str:
    """A number as in the configuration: exact, without exponent or needless zeros."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{(Decimal(value.numerator) / value.denominator).normalize():f}"


def _amount(amount: Fraction, unit: Unit) -> str:
    return f"{number(amount)} %" if unit == "percent" else f"{number(amount)} units"
