"""The differences between an old and a new configuration, option by option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.converters import show_text, show_value
from dynamic_dynamodb.configuration.options import Option

_SHOWN = 5  # sections with the same change; a file may have thousands
_MOST = 100  # lines
_NOT_SET = "not set"


class Difference(NamedTuple):
    """One option in all sections with the same change; without an option, whole sections that came or went."""

    sections: list[str]
    option: str
    before: str
    after: str

    def __str__(self) -> str:
        more = len(self.sections) - _SHOWN
        where = ", ".join(self.sections[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        if not self.option:
            return f"{where}: {self.after}"
        return f"{where} {self.option}: {self.before} -> {self.after}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The lines for two config dicts, without secrets."""
    found = list(between(old, new))
    yield from map(str, found[:_MOST])
    if len(found) > _MOST:
        yield f"{len(found) - _MOST} more changes; --show-config shows the whole configuration"


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """The sections that came, went or changed in their effective values, in the order of the new file."""
    before, after = dict(_sections(old)), dict(_sections(new))
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name in [*after, *(name for name in before if name not in after)]:
        if name not in before or name not in after:
            alike.setdefault(("", "", "new" if name in after else "removed"), []).append(name)
        else:
            for key in _changed(before[name], after[name]):
                alike.setdefault(key, []).append(name)
    return [Difference(sections, *key) for key, sections in alike.items()]


def _changed(before: Mapping[str, _Value], after: Mapping[str, _Value]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, _UNSET), after.get(name, _UNSET)
        if old.value != new.value:
            yield name, old.shown, "another" if old.shown == new.shown else new.shown  # a secret is masked


class _Value(NamedTuple):
    value: Any
    shown: str


_UNSET = _Value(None, _NOT_SET)


def _sections(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, _Value]]]:
    for kind in (options.GLOBAL, options.LOGGING):
        yield f"[{kind}]", _values(kind, config[kind])
    for expression, table in config["tables"].items():
        yield from _of_section(options.TABLE, f"table: {expression}", table)
        for index, gsi in table["gsis"].items():
            yield from _of_section(options.GSI, f"gsi: {index} table: {expression}", gsi)


def _of_section(kind: str, name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, _Value]]]:
    yield f"[{name}]", _values(kind, values)
    for schedule, own in values["schedules"].items():
        when = {key: _Value(own[key], str(own[key])) for key in ("when", "time_zone")}
        set_here = [option for option in options.of_section(options.TABLE) if option.key in own]
        yield f"[schedule: {schedule} {name}]", {**when, **{one.name: _value(one, own[one.key]) for one in set_here}}


def _values(kind: str, values: Mapping[str, Any]) -> dict[str, _Value]:
    return {option.name: _value(option, values[option.key]) for option in options.of_section(kind)}


def _value(option: Option, value: Any) -> _Value:
    return _Value(value, _NOT_SET if value is None else show_text(show_value(option, value)))
