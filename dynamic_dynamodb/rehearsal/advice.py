"""What to rehearse next, if the figures of a rehearsal call for it. The effect is not measured, so none is promised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes, Sums
from dynamic_dynamodb.rehearsal.schemes import Kind, Settings

# With these options a check reads the minutes from 7 to 4 minutes ago, which CloudWatch has published by then.
_INTERVAL, _START, _PERIOD = 60, 7, 3
_MUCH = 0.1  # of what AWS's target tracking costs
_CENT = 0.01
_LITTLE = 0.0001  # of the demand
# If an axis was at a limit for this percentage of the time, the limit decided its result, not the policy.
_AT_MINIMUM, _AT_MAXIMUM = 50, 1
_SHOWN = 3  # names of tables and indexes in a sentence


def advice(totals: Sequence[Outcome], resources: Sequence[Outcomes]) -> list[str]:
    """Sentences. None recommends what another configuration of the same rehearsal has tried already."""
    found: list[str] = []
    for place, one in enumerate(totals):
        if one.kind == "configuration":
            found += _sooner(one.name, place, resources)
            found += _tracking(one.name, place, resources)
    return found


class _Axis(NamedTuple):
    """One axis that a configuration scales by thresholds, and its result under other schemes."""

    own: Sums
    aws: Sums
    lost_anyway: float  # units that no capacity can serve
    held: dict[str, float]  # percent of the time at a "minimum" and at a "maximum"


def _axes(one: Outcomes, place: int) -> Iterator[_Axis]:
    chosen, aws, anyway = one.outcomes[place], _of_kind(one, "target-tracking"), _of_kind(one, "on-demand")
    if not (chosen.axes and aws.axes and anyway.axes and chosen.settings):
        return
    for number, axis in enumerate(AXES):
        if chosen.settings.thresholds[number]:
            held = {"minimum": 0.0, "maximum": 0.0}
            for bound in chosen.bounds:
                if bound.axis == axis:
                    held["maximum" if bound.limit.startswith("maximum") else "minimum"] += bound.percent
            yield _Axis(chosen.axes[number], aws.axes[number], anyway.axes[number].throttled_units, held)


def _of_kind(one: Outcomes, kind: Kind) -> Outcome:
    return next(outcome for outcome in one.outcomes if outcome.kind == kind)


def _settings(one: Outcomes) -> list[Settings]:
    """The settings of all configurations."""
    return [outcome.settings for outcome in one.outcomes if outcome.settings]


# A rush that was noticed late


def _sooner(name: str, place: int, resources: Sequence[Outcomes]) -> Iterator[str]:
    lost = {one.name: units for one in resources if (units := _lost(one, place)) >= 0.5}
    if lost:
        yield (
            f"{name} throttled {sum(lost.values()):,.0f} units on {_named(list(lost))}. Rehearse check-interval: "
            f"{_INTERVAL} with a look-back of {_PERIOD} minutes (lookback-window-start: {_START}, lookback-period: "
            f"{_PERIOD}), which sees a rush sooner."
        )


def _lost(one: Outcomes, place: int) -> float:
    """Units that were throttled, perhaps because the check was too late."""
    settings = one.outcomes[place].settings
    if settings is None or settings.interval <= _INTERVAL or any(map(_soon, _settings(one))):
        return 0
    return sum(
        axis.own.throttled_units - axis.lost_anyway for axis in _axes(one, place) if axis.held["maximum"] < _AT_MAXIMUM
    )


def _soon(settings: Settings) -> bool:
    """Whether it notices a rush as early as with the options above."""
    return any(settings.thresholds) and settings.interval + 60 * settings.window_start <= _INTERVAL + 60 * _START


# Thresholds that cost too much


def _tracking(name: str, place: int, resources: Sequence[Outcomes]) -> Iterator[str]:
    dear = {one.name: both for one in resources if (both := _dear(one, place))}
    if dear:
        own, aws = (sum(column) for column in zip(*dear.values(), strict=True))
        yield (
            f"{name}: the thresholds cost {100 * (own - aws) / aws:.0f} % more than AWS's target tracking on "
            f"{_named(list(dear))}. Rehearse scaling-policy: target-tracking."
        )


def _dear(one: Outcomes, place: int) -> tuple[float, float] | None:
    """The dollars of the configuration and of AWS, if AWS serves as much for much less."""
    if any(not all(settings.thresholds) for settings in _settings(one)):
        return None
    axes = [axis for axis in _axes(one, place) if axis.held["minimum"] < _AT_MINIMUM]
    own, aws = sum(axis.own.dollars for axis in axes), sum(axis.aws.dollars for axis in axes)
    lost = sum(axis.aws.throttled_units - axis.own.throttled_units for axis in axes)
    if lost > _LITTLE * sum(axis.own.demand_units for axis in axes):
        return None
    return (own, aws) if own - aws >= max(_CENT, _MUCH * aws) else None


def _named(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
