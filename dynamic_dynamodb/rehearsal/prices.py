"""What capacity costs: us-east-1's prices, or those of a file."""

from __future__ import annotations

import configparser
import math
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
        return self.classes.get(table_class, self.classes[STANDARD])


# AWS's price list for DynamoDB in us-east-1.
BUILT_IN = Prices(
    "us-east-1",
    "2025-06",
    "built in",
    {STANDARD: Rates(0.00013, 0.00065, 0.125, 0.625), STANDARD_IA: Rates(0.00016, 0.00081, 0.155, 0.78)},
)
_NAMES = {name.replace("_", "-"): name for name in Rates.__dataclass_fields__}


def read(path: str) -> Prices:
    """The prices of a file; what it leaves out of a class is as built in. Raises ConfigError with all that is wrong.

    [prices]
    region: eu-west-1
    date: 2026-01
    [standard]
    read-unit-hour: 0.000147
    [standard-ia]
    read-unit-hour: 0.000184
    """
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            parser.read_file(file, path)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not text in UTF-8"]) from error
    except configparser.Error as error:
        raise ConfigError([f"{path}: {' '.join(error.message.split())}"]) from error
    problems: list[str] = []
    classes = dict(BUILT_IN.classes)
    about = {"region": "unknown region", "date": "unknown date"}
    for section in parser.sections():
        values = dict(parser[section])
        if section.lower() == "prices":
            problems += [f"{path}: [{section}] {name}: unknown option" for name in values if name not in _ABOUT]
            about |= values
        elif section.lower() in _SECTIONS:
            table_class = _SECTIONS[section.lower()]
            given = {_NAMES.get(name, name): text for name, text in values.items()}
            classes[table_class] = _rates(f"{path}: [{section}]", classes[table_class], given, problems)
        else:
            problems.append(f"{path}: [{section}]: unknown section; there are [prices], [standard] and [standard-ia]")
    if not any(section.lower() in _SECTIONS for section in parser.sections()):
        problems.append(f"{path}: has no prices: give a section [standard] or [standard-ia]")
    if problems:
        raise ConfigError(problems)
    return Prices(about["region"], about["date"], path, classes)


def _rates(where: str, built_in: Rates, given: Mapping[str, str], problems: list[str]) -> Rates:
    rates = dict(vars(built_in))
    for name, text in given.items():
        option = name.replace("_", "-")
        if name not in rates:
            problems.append(f"{where} {option}: unknown option; there are {', '.join(_NAMES)}")
            continue
        try:
            rates[name] = float(text)
        except ValueError:
            rates[name] = math.nan
        if not 0 <= rates[name] < math.inf:
            problems.append(f"{where} {option}: must be dollars, 0 or more, and is {text!r}")
    return Rates(**rates)
