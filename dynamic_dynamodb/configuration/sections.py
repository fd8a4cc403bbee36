"""The sections of the config dict, ready for the decisions: policies, windows, matchers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dynamic_dynamodb.configuration import options
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

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Section:
        """From a section of the config dict."""
        gsis = values.get("gsis", {})
        return cls(
            values,
            (policy(values, "reads"), policy(values, "writes")),
            windows.parse(values["maintenance_windows"]) if values["maintenance_windows"] else (),
            {expression: cls.of(gsi) for expression, gsi in gsis.items()},
            Matcher(gsis),
        )


def policy(section: Mapping[str, Any], axis: Axis) -> Policy:
    """What a table or gsi section of the config dict says about one axis."""
    return Policy(axis=axis, **{field: section[key] for field, key in _POLICY_KEYS[axis]})


_POLICY_KEYS = {
    axis: tuple((option.field, option.key) for option in options.OPTIONS if option.field and option.axis == axis)
    for axis in AXES
}
