"""`--simulate`: read the demand, rehearse the configurations on it, print the result."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.configuration import prices
from dynamic_dynamodb.configuration.converters import did_you_mean
from dynamic_dynamodb.decisions.matching import plain_name
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.rehearsal import history, pictures, shop, tracefile
from dynamic_dynamodb.rehearsal.demand import Demand, Load
from dynamic_dynamodb.rehearsal.document import document
from dynamic_dynamodb.rehearsal.progress import Bar
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal, Scheme, Sections, rehearse
from dynamic_dynamodb.rehearsal.table import table
from dynamic_dynamodb.rehearsal.tracefile import Series
from dynamic_dynamodb.simulation.account import valid_name
from dynamic_dynamodb.simulation.world import World

OK = 0
CLOUDWATCH = "cloudwatch"

Connect = Callable[[dict[str, Any]], Clients]


def run(schemes: Sequence[Scheme], command: Mapping[str, Any], connect: Connect, level: str | None) -> int:
    """Return the exit code.

    `command` has the options of the command line. `connect` makes clients from the [global] part of a config dict.
    `level` is the level of the log on stderr; None means no log.
    Raises ConfigError, and AwsError if CloudWatch is the source.
    """
    pictures.check(command)
    rates = prices.read(command["prices"]) if command["prices"] else prices.BUILT_IN
    if command["save_trace"]:
        tracefile.may_be_saved(command["save_trace"], command["simulate"])
    demand = _demand(schemes, command, connect, level)
    pictures.check_number(command, demand)
    for load in demand.loads:
        rates.require(load.table_class, str(load.target))
    if command["save_trace"]:
        tracefile.save(command["save_trace"], demand)
    with _bar("rehearsing", level) as bar:
        keep, entered = pictures.wanted(command), _log_to_stderr(level)
        result = rehearse(schemes, demand, rates, keep=keep, progress=bar.at, entered=entered)
    _print(result, command["output"])
    with _bar("drawing", level) as bar:
        pictures.draw(command, result, bar.at)
    return OK


def _print(result: Rehearsal, output: str) -> None:
    text = json.dumps(document(result), indent=1) + "\n" if output == "json" else table(result)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


@contextlib.contextmanager
def _bar(text: str, level: str | None = None) -> Iterator[Bar]:
    """Shows nothing beside a log on stderr: both would write into the same line."""
    bar = Bar(text, shows=level is None)
    try:
        yield bar
    finally:
        bar.clear()


# Demand


def _demand(schemes: Sequence[Scheme], command: Mapping[str, Any], connect: Connect, level: str | None) -> Demand:
    source, axis = command["simulate"], command["simulate_axis"]
    if source == CLOUDWATCH:
        if axis:
            raise ConfigError(["--simulate-axis: works only with one series; CloudWatch has both axes"])
        return _from_cloudwatch(schemes, command["simulate_days"], connect, level)
    if source in shop.DAYS:
        pair = shop.sales(source)
        idle = tracefile.idle(len(pair[0]))
        both = (pair[0] if axis != "writes" else idle), (pair[1] if axis != "reads" else idle)
        return _one_series(schemes, source, Demand(source, shop.START, len(pair[0]), ()), both, command)
    meant = did_you_mean(source, [CLOUDWATCH, *shop.DAYS])
    if meant and not Path(source).exists():
        raise ConfigError([f"--simulate {source}: no such file{meant}"])
    found = tracefile.read(source)
    if isinstance(found, Series):
        empty = Demand(source, found.start, len(found.units), (), found.gap_minutes)
        return _one_series(schemes, source, empty, tracefile.one_axis(found, axis), command)
    if axis:
        raise ConfigError([f"--simulate-axis: works only with one series; {source} has both axes of each table"])
    return _matched(schemes, found)


def _one_series(schemes: Sequence[Scheme], source: str, empty: Demand, both: Any, command: Mapping[str, Any]) -> Demand:
    """The same demand for every table that a section names in full."""
    names = [plain_name(expression) for scheme in schemes[:1] for expression in scheme.config["tables"]]
    tables = [name for name in dict.fromkeys(names) if name and valid_name(name)]
    if not tables:
        if command.get("table_name"):
            need = "a table that --table-name names in full, such as --table-name '^orders$'"
        else:
            need = "a table that a section names in full, such as [table: ^orders$]"
        raise ConfigError([f"--simulate {source}: one series needs {need}"])
    return _matched(schemes, replace(empty, loads=tuple(Load(Target(name), both) for name in tables)))


def _matched(schemes: Sequence[Scheme], demand: Demand) -> Demand:
    """The loads for which there are sections. A table without one raises ConfigError; an index is left out."""
    sections = [(scheme, Sections(scheme.config)) for scheme in schemes]
    problems, loads, notes = [], [], []
    for load in demand.loads:
        without = _without(sections, load.target)
        where = f"{load.place}: " if load.place else ""
        if not valid_name(load.target.index or load.target.table):
            problems.append(f"{where}DynamoDB does not allow the name {load.target}")
        elif not without:
            loads.append(load)
        elif load.target.index is None:
            problems.append(f"{where}table {load.target}: no section of {' and '.join(without)} matches it")
        else:
            notes.append(_left_out(load.target, without))
    if problems:
        raise ConfigError(problems)
    return replace(demand, loads=tuple(loads), notes=(*demand.notes, *notes))


def _without(sections: Sequence[tuple[Scheme, Sections]], target: Target) -> list[str]:
    """The configurations without a section for it."""
    return [scheme.name for scheme, one in sections if one.of(target) is None]


def _left_out(target: Target, without: Sequence[str]) -> str:
    name = f"{target.table}/{target.index}" if target.index else target.table
    return f"{name}: left out, because no section of {' and '.join(without)} matches it."


def _from_cloudwatch(schemes: Sequence[Scheme], days: int, connect: Connect, level: str | None) -> Demand:
    general = dict(schemes[0].config["global"])
    clients = connect(general)
    sections = [(scheme, Sections(scheme.config)) for scheme in schemes]
    notes = []

    def wanted(target: Target) -> bool:
        without = _without(sections, target)
        if without and (target.index is not None or len(without) < len(schemes)):
            notes.append(_left_out(target, without))
        return not without

    with _bar("reading CloudWatch", level) as bar:
        demand = history.fetch(
            CLOUDWATCH,
            clients,
            wanted,
            list(dict.fromkeys(expression for scheme in schemes for expression in scheme.config["tables"])),
            days,
            datetime.now(timezone.utc),
            general["region"],
            bar.at,
        )
    return replace(demand, notes=(*demand.notes, *dict.fromkeys(notes)))


# Log


def _log_to_stderr(level: str | None) -> Callable[[World], None] | None:
    """A function to call with each world before its first check, so that the log has its time. None without a level."""
    log = logging.getLogger(logs.NAME)
    log.propagate = False
    if level is None:
        log.setLevel(logging.CRITICAL + 1)
        return None
    handler = logging.StreamHandler(sys.stderr)
    log.handlers[:] = [handler]
    log.setLevel(level.upper())

    def stamp(world: World) -> None:
        handler.setFormatter(_Virtual(world))

    return stamp


class _Virtual(logging.Formatter):
    """The log's own format, at the virtual time."""

    def __init__(self, world: World) -> None:
        super().__init__(logs.FORMAT)
        self._world = world

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        now = self._world.now
        return f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"


def names(paths: Sequence[str]) -> list[str]:
    """A unique name for each configuration: its path, with a number if the path is given more than once."""
    made: list[str] = []
    for path in map(os.path.normpath, paths):
        numbered = (f"{path} ({number})" for number in itertools.count(2))
        made.append(next(name for name in itertools.chain([path], numbered) if name not in made))
    return made
