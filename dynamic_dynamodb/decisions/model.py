"""The types that all rooms use. All of them are frozen.

Capacity is in DynamoDB's capacity units per second, consumption in capacity units over a window, windows in seconds.
Numbers that are compared with thresholds are Fractions: 10 % of 200 is 20 and not 20.000000000000004.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fractions import Fraction
from functools import cached_property
from typing import Literal, NamedTuple

Axis = Literal["reads", "writes"]
Unit = Literal["percent", "units"]
Direction = Literal["up", "down", "stay"]
ScalingPolicy = Literal["thresholds", "target-tracking"]

OFF = "off"

STANDARD, STANDARD_IA = "STANDARD", "STANDARD_INFREQUENT_ACCESS"  # AWS's table classes
DOLLARS_A_METRIC = 0.01 / 1000  # per requested metric, in a call with one metric or many; us-east-1, 2025

# A granular scale: (threshold in percent, amount) pairs, thresholds ascending.
Scale = tuple[tuple[Fraction, Fraction], ...]

AXES: tuple[Axis, Axis] = ("reads", "writes")


def minute_of(moment: datetime) -> int:
    """The number, since 1970, of the minute that contains an aware datetime. Series and histories use such numbers."""
    return int(moment.timestamp() // 60)


def moment_of(minute: int) -> datetime:
    """The beginning of a minute, from its number since 1970."""
    return datetime.fromtimestamp(60 * minute, timezone.utc)


class Target(NamedTuple):
    """A table, or one of its global secondary indexes: each has its own throughput.

    It is not a dataclass: each check looks up dozens of things by target, and a tuple is hashed and compared in C.
    """

    table: str
    index: str | None = None  # type: ignore[assignment]  # it hides a method of tuples that is not needed here

    def __str__(self) -> str:
        return self.table if self.index is None else f"{self.table} - GSI: {self.index}"


class Throughput(NamedTuple):
    """Provisioned capacity units per second of both axes; each is 1 or more."""

    reads: int
    writes: int


@dataclass(frozen=True)
class Policy:
    """The options of one section of the configuration for one axis.

    The fields are the option names without the axis (`reads-upper-threshold` is `upper_threshold`); options.tsv has
    their meaning. Thresholds are in percent of what is provisioned, amounts in their unit. None means "not set".
    """

    axis: Axis
    upper_threshold: Fraction = Fraction(90)
    lower_threshold: Fraction = Fraction(30)
    increase_with: int = 50
    decrease_with: int = 50
    increase_unit: Unit = "percent"
    decrease_unit: Unit = "percent"
    min_provisioned: int | None = None
    max_provisioned: int | None = None
    throttled_upper_threshold: int = 0
    num_checks_before_scale_down: int = 1
    num_checks_reset_percent: Fraction = Fraction(0)
    allow_scaling_down_on_0_percent: bool = False
    enable_autoscaling: bool = True
    enable_up_scaling: bool = True
    enable_down_scaling: bool = True
    increase_consumed_unit: Unit = "percent"
    increase_consumed_with: int = 50
    increase_consumed_scale: Scale | None = None
    increase_throttled_by_provisioned_unit: Unit = "percent"
    increase_throttled_by_provisioned_scale: Scale | None = None
    increase_throttled_by_consumed_unit: Unit = "percent"
    increase_throttled_by_consumed_scale: Scale | None = None
    decrease_consumed_unit: Unit = "percent"
    decrease_consumed_with: int = 50
    decrease_consumed_scale: Scale | None = None
    upper_alarm_threshold: Fraction = Fraction(0)
    lower_alarm_threshold: Fraction = Fraction(0)
    scaling_policy: ScalingPolicy = "thresholds"
    target_utilization: Fraction = Fraction(90)
    burst_credit: Fraction = Fraction(0)  # percent of the estimated burst credit to count on
    throttled_minutes_per_day: Fraction | str = Fraction(1)  # the number that learning aims for; OFF: never learn
    # For the reasons: which schedule sets the minimum and the maximum, and until when.
    min_told: str = ""
    max_told: str = ""

    @property
    def tracks(self) -> bool:
        """Whether capacity follows a target utilization; if not, it follows the thresholds."""
        return self.scaling_policy == "target-tracking"

    @property
    def minimum(self) -> int:
        """The least capacity to provision; if not set, 1, which is DynamoDB's minimum."""
        return 1 if self.min_provisioned is None else self.min_provisioned

    # Cached, because each check needs these for all targets of a section.
    @cached_property
    def may_alarm(self) -> bool:
        """Whether an alarm threshold is set."""
        return bool(self.upper_alarm_threshold or self.lower_alarm_threshold)

    @cached_property
    def uses_throttled(self) -> bool:
        """Whether any option of this axis, or its scaling policy, uses throttled events."""
        return self.enable_autoscaling and (
            self.tracks
            or self.throttled_upper_threshold > 0
            or self.increase_throttled_by_provisioned_scale is not None
            or self.increase_throttled_by_consumed_scale is not None
        )


@dataclass(frozen=True)
class Usage:
    """One axis of one target over the look-back window."""

    provisioned: int  # capacity units per second, 1 or more
    consumed: Fraction  # capacity units, summed over the window
    throttled: Fraction  # events that an increase can answer, summed over the window
    seconds: int  # length of the window
    answered: Fraction = Fraction(0)  # further events, of minutes that began before the last increase
    increased: datetime | None = None  # the time of that increase
    hot: Fraction = Fraction(0)  # further events, of a hot key range, where more capacity does not help

    # Cached, because a decision needs them often, and exact fractions are slow.
    @cached_property
    def rate(self) -> Fraction:
        """Capacity units consumed per second, on average."""
        return Fraction(self.consumed.numerator, self.consumed.denominator * self.seconds)

    @cached_property
    def consumed_percent(self) -> Fraction:
        """Consumption in percent of what is provisioned; may exceed 100 (burst capacity)."""
        return Fraction(100 * self.consumed.numerator, self.consumed.denominator * self.seconds * self.provisioned)

    @property
    def throttled_all(self) -> Fraction:
        """All events of the window that capacity helps against, including those that the last increase answered."""
        return self.throttled + self.answered if self.answered else self.throttled

    @property
    def throttled_ever(self) -> Fraction:
        """All events of the window, whatever their cause."""
        return self.throttled_all + self.hot

    @property
    def throttled_by_provisioned_percent(self) -> Fraction:
        """Throttled events per second in percent of the provisioned units."""
        return 100 * self.throttled / self.seconds / self.provisioned

    @property
    def throttled_by_consumed_percent(self) -> Fraction | None:
        """Throttled events in percent of the consumed units; None means infinity, because nothing was consumed."""
        return 100 * self.throttled / self.consumed if self.consumed else None


# The rule of section 3 or 10 of docs/behaviour.md that decided about an axis.
Rule = Literal[
    "off",  # autoscaling, or something that the rule needs, is switched off
    "aws",  # AWS manages it: the writes of a global table
    "consumption",  # up
    "throttled-events",  # up
    "throttled-by-provisioned",  # up
    "throttled-by-consumed",  # up
    "between",  # nothing asks for a change
    "low-consumption",  # down
    "idle",  # nothing is consumed
    "throttled",  # no decrease, because the axis was throttled lately
    "maximum",
    "minimum",
    # with target tracking
    "load",  # up
    "throttled-in-effect",  # up
    "recurring",  # up
    "settled",  # what is provisioned fits the load, or nearly fits it
    "low-load",  # down
    "waits",  # decreases have run out
    "unknown",  # too little is known about the last minutes
    "after-increase",
]

# What keeps an axis from getting what its rule asks for.
Holder = Literal["", "streak", "minimum", "maximum", "load", "other-axis", "switch"]


class Reason:
    """A reason whose text is made when it is read: most checks change nothing, and their reasons are never read."""

    def __init__(self, words: Callable[[], str]) -> None:
        self._words = words

    def __str__(self) -> str:
        return self._words()

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str | Reason) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


@dataclass(frozen=True)
class Decision:
    """The decision of one check about one axis, and the reason."""

    units: int  # what to provision
    direction: Direction  # from what is provisioned to `units`
    reason: str | Reason
    streak: int  # consecutive checks that asked for less, up to the goal
    ripe: bool = False  # this check asks for less, and enough consecutive checks did
    forced: bool = False  # provisioned is above max, so the decrease is not held
    warn: bool = False  # max is below what is being consumed
    floored: str = ""  # if this check asks for less, but the floors leave nothing of it: why
    capped: int = 0  # the units that this check asks for, if they are more than max allows
    # The reason as data; not compared, because the reason is.
    rule: Rule = field(default="between", compare=False)
    held: Holder = field(default="", compare=False)
    aside: tuple[str, ...] = field(default=(), compare=False)  # notes: "answered", "hot-range", "held-up"

    @property
    def kind(self) -> str:
        """The reason without its numbers. A line of the same kind as in the last check is not new."""
        return " ".join(word for word in (self.direction, self.rule, self.held, *self.aside) if word)


@dataclass(frozen=True)
class Change:
    """A change to one target, as it is sent, notified, and logged in a dry run."""

    target: Target
    current: Throughput
    desired: Throughput
    reasons: tuple[str, str]  # for reads and for writes

    @property
    def changes(self) -> bool:
        """Whether there is anything to send."""
        return self.desired != self.current

    @property
    def increases(self) -> bool:
        """Whether an axis goes up."""
        return any(then > now for now, then in zip(self.current, self.desired, strict=True))

    @property
    def decreases(self) -> bool:
        """Whether an axis goes down."""
        return any(then < now for now, then in zip(self.current, self.desired, strict=True))

    def without_decreases(self) -> Change:
        """The same change with each decreasing axis kept at its present value."""
        kept = Throughput(*(max(now, then) for now, then in zip(self.current, self.desired, strict=True)))
        return Change(self.target, self.current, kept, self.reasons)


@dataclass(frozen=True)
class Resource:
    """A table or an index, as DescribeTable shows it."""

    target: Target
    status: str  # it can be changed only if this is "ACTIVE"
    provisioned: Throughput  # 0 and 0 if it is not ACTIVE, because then the values are not read
    last_increase: datetime | None = None
    last_decrease: datetime | None = None
    decreases_today: int = 0
    table_class: str = STANDARD


@dataclass(frozen=True)
class Table:
    """A table with its indexes, as DescribeTable shows them.

    `resources` are the table itself and its indexes; empty if the table is on demand. `problems` are the indexes with
    an unusable description.
    """

    name: str
    status: str
    on_demand: bool
    replicated: bool  # a global table: AWS manages its writes
    resources: tuple[Resource, ...]
    problems: tuple[tuple[Target, Exception], ...] = ()
    account: str = ""
