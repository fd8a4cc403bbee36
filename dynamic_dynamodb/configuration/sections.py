"""The sections of the config dict in the form that decisions use: policies, windows, matchers, schedules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.schedules import Calendar, Present
from dynamic_dynamodb.decisions import windows
from dynamic_dynamodb.decisions.matching import Matcher
from dynamic_dynamodb.decisions.model import AXES, Axis, Policy


@dataclass(frozen=True)
class Section:
    """One table or gsi section of the configuration, ready to use."""

    values: Mapping[str, Any]  # of the config dict
    policies: tuple[Policy, Policy]  # of reads and of writes
    windows: tuple[windows.Window, ...]
    gsis: Mapping[str, Section]
    matcher: Matcher  # of index names to `gsis`
    calendar: Calendar | None = None  # if it has schedules
    _seen: dict[str, tuple[Present, Section]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Section:
        """From a section of the config dict."""
        gsis = values.get("gsis", {})
        return cls(
            values,
            (policy(values, "reads"), policy(values, "writes")),
            _windows(values),
            {expression: cls.of(gsi) for expression, gsi in gsis.items()},
            Matcher(gsis),
            Calendar(values) if values.get("schedules") else None,
        )

    # Cached: each check reads them several times per table and index.
    @cached_property
    def tracked(self) -> tuple[Policy, ...]:
        """The axes that follow a target utilization."""
        return tuple(policy for policy in self.policies if policy.tracks)

    @cached_property
    def may_alarm(self) -> bool:
        """Whether an alarm threshold is set."""
        return any(policy.may_alarm for policy in self.policies)

    def at(self, now: datetime) -> Section:
        """The section with the options of the schedules that hold now."""
        if self.calendar is None:
            return self
        seen = self._seen.get("")
        if seen is None or not seen[0].since <= now < seen[0].until:
            present = self.calendar.present(now)
            seen = self._seen[""] = (present, self._with(present))
        return seen[1]

    def course(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, Section]]:
        """The section over time: from each moment on, with the options of the schedules that hold; first at `start`."""
        moment = start
        while moment < end:
            yield moment, self.at(moment)
            moment = end if self.calendar is None else self._seen[""][0].until

    def _with(self, present: Present) -> Section:
        values = present.values
        reads, writes = (policy(values, axis, present.told) for axis in AXES)
        return replace(self, values=values, policies=(reads, writes), windows=_windows(values))

    def next_beginning(self, now: datetime) -> datetime | None:
        """When the next schedule of the section or of one of its indexes begins."""
        own = [] if self.calendar is None else [self.calendar.next_beginning(now)]
        found = [*own, *(gsi.next_beginning(now) for gsi in self.gsis.values())]
        return min((begin for begin in found if begin is not None), default=None)


def _windows(values: Mapping[str, Any]) -> tuple[windows.Window, ...]:
    return windows.parse(values["maintenance_windows"]) if values["maintenance_windows"] else ()


def policy(section: Mapping[str, Any], axis: Axis, told: Mapping[str, str] | None = None) -> Policy:
    """The policy of one axis from a table or gsi section of the config dict.

    `told`: option key -> the schedule that sets it.
    """
    told = told or {}
    return Policy(
        axis=axis,
        min_told=told.get(f"min_provisioned_{axis}", ""),
        max_told=told.get(f"max_provisioned_{axis}", ""),
        **{field: section[key] for field, key in _POLICY_KEYS[axis]},
    )


_POLICY_KEYS = {
    axis: tuple((option.field, option.key) for option in options.OPTIONS if option.field and option.axis == axis)
    for axis in AXES
}
