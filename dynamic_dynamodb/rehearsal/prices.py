"""What capacity costs: us-east-1's prices, or those of a file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.rehearsal.demand import STANDARD, STANDARD_IA

_SECTIONS = {"standard": STANDARD, "standard-ia": STANDARD_IA}
_ABOUT = ("region", "date")


@dataclass(frozen=True)
class Rates:
    """Dollars, of one table class."""

    read_unit_hour: float
    write_unit_hour: float
    million_reads: float  # request units on demand
    million_writes: float

    @property
    def unit_hours(self) -> tuple[float, float]:
        return self.read_unit_hour, self.write_unit_hour

    @property
    def units(self) -> tuple[float, float]:
        """A request unit on demand."""
        return self.million_reads / 1e6, self.million_writes / 1e6


@dataclass(frozen=True)
class Prices:
    """The rates of each table class."""

    region: str
    date: str
    source: str  # a file, or "built in"
    classes: Mapping[str, Rates]

    def of(self, table_class: str) -> Rates:
        return self.classes[self._known(table_class)]

    def require(self, table_class: str, resource: str) -> None:
        """Raises ConfigError where the file has no prices for this table class."""
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
_NAMES = {name.replace("_", "-"): name for name in Rates.__dataclass_fields__}


def read(path: str) -> Prices:
    """The prices of a file, which may have one class of tables alone.

    [prices]
    region: eu-west-1
    date: 2026-01
    [standard]
    read-unit-hour: 0.000147
    write-unit-hour: 0.000735
    million-reads: 0.1415
    million-writes: 0.7075

    Raises ConfigError with all that is wrong.
    """
    sections, problems = _parse(path, _text(path))
    about = {"region": "unknown region", "date": "unknown date"}
    classes: dict[str, Rates] = {}
    for section in sections:
        if section.name == "prices":
            problems += [
                f"{path}:{line}: {name}: unknown option; [prices] has {' and '.join(_ABOUT)}"
                for name, (line, _) in section.options.items()
                if name not in _ABOUT
            ]
            about |= {name: text for name, (_, text) in section.options.items()}
        else:
            classes[_SECTIONS[section.name]] = _rates(path, section, problems)
    if not classes and not problems:
        problems.append(f"{path}: has no prices; add a section [standard] or [standard-ia]")
    if problems:
        raise ConfigError(sorted(problems, key=_line))
    return Prices(about["region"], about["date"], path, classes)


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
        raise ConfigError([f"{path}: is not text in UTF-8"]) from error


def _parse(path: str, text: str) -> tuple[list[_Section], list[str]]:
    """The sections that are known, and what is wrong. No option takes more than one line."""
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
            if present.name not in (*_SECTIONS, "prices"):
                problems.append(
                    f"{where}: [{heading[1]}]: unknown section; there are [prices], [standard] and [standard-ia]"
                )
            elif any(one.name == present.name for one in sections):
                problems.append(f"{where}: [{heading[1]}]: this section is there twice; remove one of them")
            else:
                sections.append(present)
        elif not (option := re.fullmatch(r"([^:=]+?)\s*[:=]\s*(.*)", bare)):
            problems.append(f"{where}: {bare[:80]!r}: is neither a [section] nor a line like read-unit-hour: 0.00013")
        elif present is None:
            problems.append(f"{where}: {option[1]}: stands before the first section; put it under [standard]")
        elif (name := option[1].lower().replace("_", "-")) in present.options:
            problems.append(f"{where}: {name}: is there twice in [{present.name}]; remove one of them")
        else:
            present.options[name] = (number, option[2])
    return sections, problems


def _rates(path: str, section: _Section, problems: list[str]) -> Rates:
    """All four prices are needed: those of another region beside them would be wrong without a word."""
    found = {}
    for name, (line, text) in section.options.items():
        if name not in _NAMES:
            problems.append(f"{path}:{line}: {name}: unknown option; there are {', '.join(_NAMES)}")
            continue
        found[_NAMES[name]] = amount = _dollars(text)
        if not 0 <= amount < math.inf:
            problems.append(f"{path}:{line}: {name}: must be dollars, 0 or more, and is {text[:80]!r}")
    missing = [name for name, field in _NAMES.items() if field not in found]
    if missing:
        problems.append(
            f"{path}:{section.line}: [{section.name}]: {' and '.join(missing)} missing; set all four prices"
        )
    return Rates(**{field: found.get(field, 0.0) for field in _NAMES.values()})


def _dollars(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
