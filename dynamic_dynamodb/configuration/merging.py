"""The effective value of each option of a section: layers of values, fall-backs between options, defaults."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.options import Option

_NUMBERS = ("float", "number or off")  # kinds


def merge(kind: str, layers: Sequence[Mapping[str, Any]], above: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Each option's effective value by key. The layers are values by name, the strongest layer first.

    The value is that of the strongest layer that sets the option, else of the option that it falls back to, else of
    `above`, else the default.
    """
    given = flattened(layers)
    merged: dict[str, Any] = {}
    for _, name, key, fallback, default in plan(kind):
        if name in given:
            merged[key] = given[name]
        elif fallback:
            merged[key] = merged[fallback]
        else:
            merged[key] = default if above is None else above.get(key, default)
    return merged


def flattened(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The value of each option in the strongest layer that sets it."""
    given: dict[str, Any] = {}
    for layer in reversed(layers):
        given.update(layer)
    return given


@functools.cache
def plan(kind: str) -> tuple[tuple[Option, str, str, str, Any], ...]:
    """Each option of a section with its name, key, fallback's key and default; cached for files with many sections."""
    return tuple(
        (option, option.name, option.key, (option.fallback or "").replace("-", "_"), _default(option))
        for option in options.of_section(kind)
    )


def _default(option: Option) -> Any:
    return Fraction(option.default) if option.kind in _NUMBERS and isinstance(option.default, int) else option.default
