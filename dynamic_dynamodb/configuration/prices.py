"""The prices of capacity: those of us-east-1, or those of a file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from dynamic_dynamodb.decisions.model import DOLLARS_A_METRIC, STANDARD, STANDARD_IA
from dynamic_dynamodb.errors import ConfigError

_SECTIONS = {"standard": STANDARD, "standard-ia": STANDARD_IA}
_WATCHING = "cloudwatch"
_KNOWN = ("prices", *_SECTIONS, _WATCHING)
_ABOUT = ("region", "date")
_MONTH = 30 * 1440  # minutes


@dataclass(frozen=True)
class Rates:
    """The prices of one table class, in dollars."""

    read_unit_hour: float
    write_unit_hour: float
    million_reads: float  # read request units on demand
    million_writes: float

    @property
    def unit_hours(self) -> tuple[float, float]:
        return self.read_unit_hour, self.write_unit_hour

    @property
    def units(self) -> tuple[float, float]:
        """Dollars per read and write request unit on demand."""
        return self.million_reads / 1e6, self.million_writes / 1e6


@dataclass(frozen=True)
class Watching:
    """The prices of CloudWatch in dollars, the same in most regions: of requested metrics, and of an alarm."""

    thousand_metrics: float = 1000 * DOLLARS_A_METRIC
    alarm_month: float = 0.10  # of 30 days

    def metrics(self, number: int) -> float:
        return number * self.thousand_metrics / 1000

    def alarms(self, number: int, minutes: int) -> float:
        return number * self.alarm_month * minutes / _MONTH


@dataclass(frozen=True)
class Prices:
    """The rates of each table class."""

    region: str
    date: str
    source: str  # a file, or "built in"
    classes: Mapping[str, Rates]
    watching: Watching = Watching()

    def of(self, table_class: str) -> Rates:
        return self.classes[self._known(table_class)]

    def require(self, table_class: str, resource: str) -> None:
        """Raises ConfigError if the file has no prices for this table class."""
        section = next(name for name, known in _SECTIONS.items() if known == self._known(table_class))
        if self._known(table_class) not in self.classes:
            raise ConfigError([f"{self.source}: {resource} needs a section [{section}] with its four prices"])

    def _known(self, table_class: str) -> str:
        return table_class if table_class in _SECTIONS.values() else STANDARD


# AWS's price list for DynamoDB in us-east-1.
BUILT_IN = Prices(
    "us-east-1",
    "2025-06",
    "built in",
    {STANDARD: Rates(0.00013, 0.00065, 0.125, 0.625), STANDARD_IA: Rates(0.00016, 0.00081, 0.155, 0.78)},
)


def read(path: str) -> Prices:
    """The prices of a file, which may cover only one table class.

    [prices]
    region: eu-west-1
    date: 2026-01
    [standard]
    read-unit-hour: 0.000147
    write-unit-hour: 0.000735
    million-reads: 0.1415
    million-writes: 0.7075
    [cloudwatch]
    thousand-metrics: 0.01
    alarm-month: 0.1

    The section [cloudwatch] is optional. Raises ConfigError with all problems.
    """
    sections, problems = _parse(path, _text(path))
    about = {"region": "unknown region", "date": "unknown date"}
    classes: dict[str, Rates] = {}
    watching = Watching()
    for section in sections:
        if section.name == "prices":
            problems += [
                f"{path}:{line}: {name}: unknown option; [prices] has {' and '.join(_ABOUT)}"
                for name, (line, _) in section.options.items()
                if name not in _ABOUT
            ]
            about |= {name: text for name, (_, text) in section.options.items()}
        elif section.name == _WATCHING:
            watching = replace(watching, **_amounts(path, section, Watching, problems))
        else:
            classes[_SECTIONS[section.name]] = _rates(path, section, problems)
    if not classes and not problems:
        problems.append(f"{path}: has no prices; add a section [standard] or [standard-ia]")
    if problems:
        raise ConfigError(sorted(problems, key=_line))
    return Prices(about["region"], about["date"], path, classes, watching)


@dataclass
class _Section:
    name: str
    line: int
    options: dict[str, tuple[int, str]]  # with the line of each


def _line(problem: str) -> int:
    found = re.search(r":(\d+): ", problem)
    return int(found[1]) if found else 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error


def _parse(path: str, text: str) -> tuple[list[_Section], list[str]]:
    """The known sections, and the problems. No option has more than one line."""
    sections: list[_Section] = []
    problems: list[str] = []
    present: _Section | None = None
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)[#;].*", "", line).strip()
        where = f"{path}:{number}"
        if not bare:
            continue
        if heading := re.fullmatch(r"\[(.*)\]", bare):
            present = _Section(heading[1].strip().lower(), number, {})
            if present.name not in _KNOWN:
                there = f"[{'], ['.join(_KNOWN[:-1])}] and [{_KNOWN[-1]}]"
                problems.append(f"{where}: [{heading[1]}]: unknown section; there are {there}")
            elif any(one.name == present.name for one in sections):
                problems.append(f"{where}: [{heading[1]}]: appears twice; remove one of the two")
            else:
                sections.append(present)
        elif not (option := re.fullmatch(r"([^:=]+?)\s*[:=]\s*(.*)", bare)):
            problems.append(f"{where}: {bare[:80]!r}: is neither a [section] nor a line like read-unit-hour: 0.00013")
        elif present is None:
            problems.append(f"{where}: {option[1]}: comes before the first section; put it under [standard]")
        elif (name := option[1].lower().replace("_", "-")) in present.options:
            problems.append(f"{where}: {name}: is set twice in [{present.name}]; remove one of them")
        else:
            present.options[name] = (number, option[2])
    return sections, problems


def _rates(path: str, section: _Section, problems: list[str]) -> Rates:
    """All four prices are required: a missing one from another region would be silently wrong."""
    found = _amounts(path, section, Rates, problems)
    names = {field.name: _option(field.name) for field in fields(Rates)}
    missing = [option for name, option in names.items() if name not in found]
    if missing:
        problems.append(
            f"{path}:{section.line}: [{section.name}]: {' and '.join(missing)} missing; set all four prices"
        )
    return Rates(**{name: found.get(name, 0.0) for name in names})


def _amounts(path: str, section: _Section, kind: type[Rates | Watching], problems: list[str]) -> dict[str, float]:
    """The amounts of a section, by field."""
    names = {_option(field.name): field.name for field in fields(kind)}
    found = {}
    for name, (line, text) in section.options.items():
        if name not in names:
            problems.append(f"{path}:{line}: {name}: unknown option; there are {', '.join(names)}")
            continue
        found[names[name]] = amount = _dollars(text)
        if not 0 <= amount < math.inf:
            problems.append(f"{path}:{line}: {name}: must be an amount in dollars, 0 or more, not {text[:80]!r}")
    return found


def _option(field: str) -> str:
    return field.replace("_", "-")


def _dollars(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
