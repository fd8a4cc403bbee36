"""Reads demand from a CSV file, and writes it to one.

There are two forms. `timestamp,units_per_second` is one series for all tables. `timestamp,table,index,reads,writes`, in
units consumed per second, has rows for each table and index (an empty index is the table itself). It may also have
`provisioned_reads,provisioned_writes` (units), `throttled_reads,throttled_writes` (all events, per second) and
`hot_reads,hot_writes` (those that a key range was too hot for). `--save-trace` writes this second form.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from dynamic_dynamodb.decisions.model import AXES, Axis, Target
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load, Pair, Recorded

if TYPE_CHECKING:
    from dynamic_dynamodb.rehearsal.demand import Minutes

ONE_SERIES = ("timestamp", "units_per_second")
REQUIRED = ("timestamp", "table", "index", "reads", "writes")
OPTIONAL = (
    "provisioned_reads",
    "provisioned_writes",
    "throttled_reads",
    "throttled_writes",
    "hot_reads",
    "hot_writes",
)
_SAVED_HEADER = ",".join(REQUIRED)  # optional columns follow
_MOST_UNITS = 1_000_000_000  # per second
_MOST_MINUTES = 10_000_000  # 19 years
_EPOCH = re.compile(r"\d+(\.\d*)?")
_LAST = 253_402_300_800.0  # the year 10000


@dataclass
class _Rows:
    """The rows of one table or index, or of the one series."""

    columns: tuple[str, ...]
    times: Minutes = field(default_factory=lambda: array("d"))  # seconds since 1970
    lines: array[int] = field(default_factory=lambda: array("L"))
    values: tuple[Minutes, ...] = ()

    def __post_init__(self) -> None:
        self.values = tuple(array("d") for _ in self.columns)


class _File:
    """One file. Errors name the file and the line."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.line = 1

    def fail(self, text: str, line: int | None = None) -> NoReturn:
        raise ConfigError([f"{self.path}:{line or self.line}: {text}"])

    def rows(self) -> Iterator[list[str]]:
        """All rows that are not empty. Raises ConfigError."""
        try:
            with Path(self.path).open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                for row in reader:
                    self.line = reader.line_num
                    if row:
                        yield row
        except UnicodeDecodeError:
            self.fail("is not text in UTF-8", self.line + 1)
        except csv.Error as error:
            self.fail(f"is not CSV: {error}", self.line + 1)
        except OSError as error:
            raise ConfigError([f"{self.path}: cannot be read: {error.strerror}"]) from error


@dataclass(frozen=True)
class Series:
    """The one series of a file of the first form."""

    start: datetime
    units: Minutes
    gap_minutes: int


def read(path: str) -> Series | Demand:
    """Raises ConfigError with file, line and reason."""
    file = _File(path)
    rows = file.rows()
    header = tuple(name.strip().lower() for name in next(rows, ()))
    if header == ONE_SERIES:
        return _read_series(file, rows)
    if set(REQUIRED) <= set(header) <= {*REQUIRED, *OPTIONAL} and len(set(header)) == len(header):
        return _read_resources(file, rows, header)
    if not header:
        file.fail("is empty; the first line must be " + ",".join(ONE_SERIES) + " or " + ",".join(REQUIRED))
    file.fail(
        f"the columns {','.join(header)[:200]} are neither {','.join(ONE_SERIES)} nor {','.join(REQUIRED)} "
        f"(and, optionally, {','.join(OPTIONAL)})"
    )
    return None


def _read_series(file: _File, rows: Iterator[list[str]]) -> Series:
    found = _Rows(ONE_SERIES[1:])
    for row in rows:
        if len(row) != len(ONE_SERIES):
            file.fail(f"{len(row)} columns, but the first line has {len(ONE_SERIES)}")
        _add_time(file, found, row[0])
        found.values[0].append(_number(file, row[1], ONE_SERIES[1]))
    step = _step(file, [found])
    start, minutes = _span(file, [found], step)
    units = _by_minute(found, found.values[0], step, start, minutes)
    return Series(_moment(start * 60), units, _gaps(found, step))


def _read_resources(file: _File, rows: Iterator[list[str]], header: tuple[str, ...]) -> Demand:
    places = {name: number for number, name in enumerate(header)}
    columns = tuple(name for name in (*REQUIRED[3:], *OPTIONAL) if name in places)
    found: dict[Target, _Rows] = {}
    for row in rows:
        if len(row) != len(header):
            file.fail(f"{len(row)} columns, but the first line has {len(header)}")
        target = Target(row[places["table"]], row[places["index"]] or None)
        one = found.get(target)
        if one is None:
            one = found[target] = _Rows(columns)
        _add_time(file, one, row[places["timestamp"]])
        for name, series in zip(columns, one.values, strict=True):
            text = row[places[name]]
            unknown = not text and name not in REQUIRED
            series.append(math.nan if unknown else _number(file, text, name))
    for target, one in found.items():
        if target.index is not None and Target(target.table) not in found:
            file.fail(f"an index of {target.table}, but the file has no rows for {target.table}", one.lines[0])
    step = _step(file, list(found.values()))
    start, minutes = _span(file, list(found.values()), step)
    loads = tuple(_load(file, target, one, step, start, minutes) for target, one in sorted(found.items(), key=_name))
    gaps = sum(_gaps(one, step) for one in found.values())
    return Demand(file.path, _moment(start * 60), minutes, loads, gaps)


def _name(item: tuple[Target, _Rows]) -> tuple[str, str]:
    return item[0].table, item[0].index or ""


def _load(file: _File, target: Target, rows: _Rows, step: float, start: int, minutes: int) -> Load:
    series = {
        name: _by_minute(rows, values, step, start, minutes)
        for name, values in zip(rows.columns, rows.values, strict=True)
    }

    def pair(what: str, unknown: float) -> Pair:
        reads, writes = (series.get(f"{what}_{axis}", array("d", [unknown]) * minutes) for axis in AXES)
        return reads, writes

    throttled, hot = _known(pair("throttled", 0.0)), _known(pair("hot", 0.0))
    demand = _sum(series["reads"], throttled[0]), _sum(series["writes"], throttled[1])
    recorded = None
    if any(f"provisioned_{axis}" in series for axis in AXES):
        recorded = Recorded(pair("provisioned", math.nan), throttled)
    on_demand = recorded is not None and not any(value > 0 for one in recorded.provisioned for value in one)
    some_hot = any(hot[0]) or any(hot[1])
    return Load(target, demand, hot if some_hot else None, recorded, on_demand, place=f"{file.path}:{rows.lines[0]}")


def _known(pair: Pair) -> Pair:
    """An unknown minute counts as not throttled."""
    reads, writes = (array("d", (value if value > 0 else 0.0 for value in one)) for one in pair)
    return reads, writes


def _sum(consumed: Minutes, throttled: Minutes) -> Minutes:
    """Each throttled event counts as one unit."""
    return array("d", map(add, consumed, throttled)) if any(throttled) else consumed


# Reading fields


def _add_time(file: _File, rows: _Rows, text: str) -> None:
    moment = _seconds(file, text.strip())
    if rows.times and moment <= rows.times[-1]:
        same = moment == rows.times[-1]
        what = "the same time as" if same else "earlier than"
        cure = "remove one of them" if same else "sort the rows by time"
        file.fail(f"{text.strip()} is {what} the row before it (line {rows.lines[-1]}); {cure}")
    rows.times.append(moment)
    rows.lines.append(file.line)


def _seconds(file: _File, text: str) -> float:
    """Since 1970."""
    if _EPOCH.fullmatch(text):
        seconds = float(text)
    else:
        try:
            moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "Zz" else text)
        except ValueError:
            file.fail(f"{text[:80]!r} is not a time; write 2026-01-31T12:00:00Z, or seconds since 1970")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = moment.timestamp()
    if not 0 <= seconds < _LAST:
        file.fail(f"{text[:80]} is not between the years 1970 and 9999 (seconds since 1970, no milliseconds)")
    return seconds


def _number(file: _File, text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        file.fail(f"{column} is not a number: {text[:80]!r}")
    if not 0 <= value <= _MOST_UNITS:  # false for NaN, too
        file.fail(f"{column} must be from 0 to {_MOST_UNITS:,}, but is {text.strip()}")
    return value


# From rows to minutes


def _step(file: _File, found: Sequence[_Rows]) -> float:
    """The smallest difference between two rows, in seconds. Each other difference must be a whole multiple of it."""
    step = math.inf
    for rows in found:
        times = rows.times
        for before, after in itertools.pairwise(times):
            step = min(step, after - before)
    if step == math.inf:
        file.fail("at least two rows are needed" if found else "has no rows")
    if not all(_multiple(difference, step) for rows in found for difference in _differences(rows)):
        _blame(file, found)
    return step


def _differences(rows: _Rows) -> Iterator[float]:
    """Seconds from each row to the next one."""
    return (after - before for before, after in itertools.pairwise(rows.times))


def _multiple(difference: float, step: float) -> bool:
    return abs(difference / step - round(difference / step)) <= 1e-6


def _blame(file: _File, found: Sequence[_Rows]) -> NoReturn:
    """Fails with the irregular row: the first one whose difference does not fit the one that most rows have."""
    usual = Counter(difference for rows in found for difference in _differences(rows)).most_common(1)[0][0]
    for rows in found:
        for line, difference in zip(rows.lines[1:], _differences(rows), strict=True):
            if difference < usual or not _multiple(difference, usual):
                file.fail(
                    f"{difference:.10g} s after the row before it; most rows are {usual:.10g} s apart",
                    line,
                )
    raise AssertionError  # without such a row all differences are multiples of the usual one


def _span(file: _File, found: Sequence[_Rows], step: float) -> tuple[int, int]:
    """The first minute, counted from 1970, and the number of minutes."""
    start = math.floor(min(rows.times[0] for rows in found) / 60)
    end = math.ceil((max(rows.times[-1] for rows in found) + step) / 60)
    if end - start > _MOST_MINUTES:
        file.fail(f"{end - start:,} minutes from the first row to the last; the most is {_MOST_MINUTES:,} (19 years)")
    return start, end - start


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _gaps(rows: _Rows, step: float) -> int:
    """The number of minutes that are missing between the first row and the last."""
    missing = rows.times[-1] - rows.times[0] - (len(rows.times) - 1) * step
    return round(missing / 60)


def _by_minute(rows: _Rows, values: Minutes, step: float, start: int, minutes: int) -> Minutes:
    """Each value holds until the next row, and each minute is an average. 0 before the first row and after the last."""
    times = rows.times
    made: Minutes = array("d", bytes(8 * (round(times[0] - start * 60) // 60)))
    if step % 60 == 0 and times[0] % 60 == 0:
        for number, value in enumerate(values):
            end = times[number + 1] if number + 1 < len(times) else times[number] + step
            made.extend([value] * round((end - times[number]) / 60))
    else:
        _average(made, times, values, step)
    made.extend(array("d", bytes(8 * max(0, minutes - len(made)))))
    return made


def _average(made: Minutes, times: Minutes, values: Minutes, step: float) -> None:
    """For steps that are not whole minutes, or that begin within a minute."""
    total = covered = 0.0
    for number, value in enumerate(values):
        moment = times[number]
        end = times[number + 1] if number + 1 < len(times) else moment + step
        while moment < end:
            until = min(end, math.floor(moment / 60) * 60 + 60)
            total += value * (until - moment)
            covered += until - moment
            moment = until
            if moment % 60 == 0:
                made.append(total / covered)
                total = covered = 0.0
    if covered:
        made.append(total / covered)


# Writing


def may_be_saved(path: str, source: str) -> None:
    """Raises ConfigError if --save-trace would overwrite its own source, or a file that is not a saved trace."""
    target = Path(path)
    try:
        if not target.is_file():
            return
        if Path(source).exists() and target.samefile(source):
            raise ConfigError([f"--save-trace {path}: is the file that --simulate reads; choose another name"])
        with target.open("rb") as file:
            start = file.read(len(_SAVED_HEADER)).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    if start != _SAVED_HEADER:
        raise ConfigError(
            [f"--save-trace {path}: the file exists and is not a saved trace; delete it, or choose another name"]
        )


def save(path: str, demand: Demand) -> None:
    """Write it in the second form. Raises ConfigError if the file cannot be written."""
    recorded = any(load.recorded for load in demand.loads)
    hot = any(load.hot for load in demand.loads)
    columns = (*REQUIRED, *(OPTIONAL[:4] if recorded else ()), *(OPTIONAL[4:] if hot else ()))
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(columns) + "\n")
            _write(file, demand, recorded=recorded, hot=hot)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from error


def _write(file: TextIO, demand: Demand, *, recorded: bool, hot: bool) -> None:
    names = [f"{load.target.table},{load.target.index or ''}" for load in demand.loads]
    series = [_columns(load, recorded=recorded, hot=hot) for load in demand.loads]
    for number in range(demand.minutes):
        stamp = f"{demand.start + number * MINUTE:%Y-%m-%dT%H:%M:%SZ}"
        for name, columns in zip(names, series, strict=True):
            fields = ",".join("" if column is None else _text(column[number]) for column in columns)
            file.write(f"{stamp},{name},{fields}\n")


def _columns(load: Load, *, recorded: bool, hot: bool) -> list[Minutes | None]:
    throttled = load.recorded.throttled if load.recorded else None
    made: list[Minutes | None] = [
        load.demand[axis] if throttled is None else _difference(load.demand[axis], throttled[axis]) for axis in (0, 1)
    ]
    if recorded:
        made += [*(load.recorded.provisioned if load.recorded else (None, None)), *(throttled or (None, None))]
    if hot:
        made += [*(load.hot or (None, None))]
    return made


def _difference(demand: Minutes, throttled: Minutes) -> Minutes:
    return array("d", (max(0.0, one - less) for one, less in zip(demand, throttled, strict=True)))


def _text(value: float) -> str:
    """Ten significant digits: 0.1 + 0.2 is written as 0.3. NaN is empty."""
    return "" if math.isnan(value) else f"{value:.10g}"


def one_axis(series: Series, axis: Axis | None) -> Pair:
    """The series for both axes, or for one of them while the other is idle."""
    nothing = idle(len(series.units))
    return (series.units if axis != "writes" else nothing), (series.units if axis != "reads" else nothing)


def idle(minutes: int) -> Minutes:
    """No demand at all."""
    return array("d", bytes(8 * minutes))
