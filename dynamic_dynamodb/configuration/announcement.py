"""The first lines of the log: version, what is checked and how often, and which options are not at their default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from dynamic_dynamodb import __version__
from dynamic_dynamodb.configuration import loader, options, regions
from dynamic_dynamodb.configuration.converters import show_text, show_value
from dynamic_dynamodb.configuration.doubts import TRACKING
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.output import events
from dynamic_dynamodb.output.wording import count

_BEST_INTERVAL = 60  # seconds, for target tracking
_SHOWN = 5  # sections; a file may have thousands
_TOLD = ("region", "check-interval", "refresh-interval")  # in the first line already


def lines(configuration: Configuration) -> Iterator[str]:
    """The lines after the header, without secrets: the options that differ from their defaults."""
    merged = configuration.config
    for kind in (options.GLOBAL, options.LOGGING):
        if set_here := _texts(kind, merged[kind]):
            yield f"[{kind}] {', '.join(set_here)}"
    yield from _sections(merged["tables"], merged["global"])
    yield from _schedules(merged["tables"])
    yield from _rhythm(merged["tables"], merged["global"]["check_interval"], once=configuration.command["run_once"])


def header(configuration: Configuration) -> str:
    """The first line of the log and of each new log file: which process writes it, and what it scales."""
    command, merged = configuration.command, configuration.config
    tables = merged["tables"]
    what = [
        f"region {regions.described(merged['global'])}",
        count(len(tables), "table section"),
        count(sum(len(table["gsis"]) for table in tables.values()), "gsi section"),
        "one check" if command["run_once"] else _intervals(merged["global"]),
    ]
    if command["config"]:
        what.insert(0, command["config"])
    who = f"instance {command['instance']}, process {os.getpid()} on {os.uname().nodename}"
    account = events.shared().get("account")
    known = f", account {account}" if account else ""
    dry = "; dry run: nothing is changed" if command["dry_run"] else ""
    return f"Dynamic DynamoDB {__version__}: {', '.join(what)}; {who}{known}{dry}"


def facts(configuration: Configuration) -> dict[str, Any]:
    """The facts of the header, for a log in JSON; without those that every line has."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "host": os.uname().nodename,
        "configuration": configuration.command["config"],
    }


def _intervals(general: Mapping[str, Any]) -> str:
    check, refresh = general["check_interval"], general["refresh_interval"]
    refreshes = f", each table described every {refresh} s" if refresh > check else ""
    return f"a check every {check} s{refreshes}"


def _rhythm(tables: Mapping[str, Any], interval: int, *, once: bool) -> Iterator[str]:
    sections = [*tables.values(), *(gsi for table in tables.values() for gsi in table["gsis"].values())]
    sections += [schedule for section in sections for schedule in section["schedules"].values()]
    keys = ("scaling_policy", *(f"{axis}_scaling_policy" for axis in AXES))
    tracked = any(section.get(key) == TRACKING for section in sections for key in keys)
    if tracked and once:
        yield f"{TRACKING} does not learn recurring loads with --run-once: no process runs long enough to read the past"
    elif tracked and interval > _BEST_INTERVAL:
        yield (
            f"{TRACKING} follows the load minute by minute; "
            f"set check-interval to {_BEST_INTERVAL} instead of {interval}"
        )


def _schedules(tables: Mapping[str, Any]) -> Iterator[str]:
    """Each schedule with the options that it sets, and a note that a table's schedules do not change its indexes."""
    found = []
    for expression, table in tables.items():
        found += [(f"table: {expression}", *item) for item in table["schedules"].items()]
        for index, gsi in table["gsis"].items():
            found += [(f"gsi: {index} table: {expression}", *item) for item in gsi["schedules"].items()]
    for section, name, values in found[:_SHOWN]:
        set_here = [
            f"{option.name}: {show_text(show_value(option, values[option.key]))}"
            for option in options.of_section(options.TABLE)
            if option.key in values
        ]
        when = " ".join(values["when"].split())
        yield f"[schedule: {name} {section}] {when} {values['time_zone']}: {', '.join(set_here)}"
    if len(found) > _SHOWN:
        yield f"{count(len(found) - _SHOWN, 'more schedule')}; --show-schedule shows them all"
    if any(table["schedules"] and table["gsis"] for table in tables.values()):
        yield "the schedules of a table do not change its indexes; [schedule: NAME gsi: INDEX table: TABLE] does"


def _sections(tables: Mapping[str, Any], general: Mapping[str, Any]) -> Iterator[str]:
    """The options that all sections share, once; then those that only one section sets."""
    found = {}
    for expression, table in tables.items():
        found[f"[table: {expression}]"] = _texts(options.TABLE, table, general)
        for index, gsi in table["gsis"].items():
            found[f"[gsi: {index} table: {expression}]"] = _texts(options.GSI, gsi, general)
    shared = set.intersection(*map(set, found.values())) if len(found) > 1 else set()
    if shared:
        yield f"all sections: {', '.join(text for text in next(iter(found.values())) if text in shared)}"
    own = {name: [text for text in texts if text not in shared] for name, texts in found.items()}
    telling = [f"{name} {', '.join(texts)}" for name, texts in own.items() if texts]
    yield from telling[:_SHOWN]
    if len(telling) > _SHOWN:
        yield f"{count(len(telling) - _SHOWN, 'more section')} with their own options; --show-config shows them all"


def _texts(kind: str, values: Mapping[str, Any], above: Mapping[str, Any] | None = None) -> list[str]:
    changed = loader.changed(kind, values, above)
    return [f"{name}: {show_text(value)}" for name, value in changed.items() if name not in _TOLD]
