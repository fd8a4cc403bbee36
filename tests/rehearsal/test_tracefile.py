"""Traces: both forms of CSV, what is made of steps and gaps, and what is wrong with a bad one."""

from __future__ import annotations

import math
from array import array
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamic_dynamodb.decisions.model import STANDARD, Target
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.rehearsal import tracefile
from dynamic_dynamodb.rehearsal.demand import Demand, Load, Recorded
from dynamic_dynamodb.rehearsal.tracefile import Series

START = datetime(2026, 1, 5, tzinfo=timezone.utc)
T0, T1 = "1767571200", "1767571260"
HEADER = "timestamp,units_per_second\n"
FULL = "timestamp,table,index,reads,writes\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.csv"


def series(path: Path, text: str) -> Series:
    path.write_text(text, "utf-8")
    found = tracefile.read(str(path))
    assert isinstance(found, Series)
    return found


def demand(path: Path, text: str) -> Demand:
    path.write_text(text, "utf-8")
    found = tracefile.read(str(path))
    assert isinstance(found, Demand)
    return found


# One series


@pytest.mark.parametrize(
    ("rows", "units"),
    [
        pytest.param(["2026-01-05T00:00:00Z,1", "2026-01-05T00:01:00Z,2.5"], [1, 2.5], id="minutes"),
        pytest.param(["2026-01-05T00:00:00Z,1", "2026-01-05T00:05:00Z,2"], [1] * 5 + [2] * 5, id="held for five"),
        pytest.param(["1767571200,1", "1767571260,2"], [1, 2], id="seconds since 1970"),
        pytest.param(["1767571200.0,1", "1767571260.0,2"], [1, 2], id="seconds with decimals"),
        pytest.param(["2026-01-05 00:00:00,1", "2026-01-05 00:01:00,2"], [1, 2], id="without a zone: UTC"),
        pytest.param(["2026-01-05T01:00:00+01:00,1", "2026-01-05T01:01:00+01:00,2"], [1, 2], id="another zone"),
        pytest.param(["1767571200,1", "", "1767571260,2", ""], [1, 2], id="empty lines"),
        pytest.param([f"{1767571200 + 10 * n},{n}" for n in range(12)], [2.5, 8.5], id="ten seconds: their average"),
        pytest.param(["1767571200,60", "1767571290,120"], [60, 90, 120], id="a minute and a half"),
        pytest.param(["1767571230,3", "1767571290,6"], [3, 4.5, 6], id="beginning within a minute"),
        pytest.param(["1767571200,1", "1767571260,2", "1767571440,3"], [1, 2, 2, 2, 3], id="a gap is held"),
    ],
)
def test_one_series(path: Path, rows: list[str], units: list[float]) -> None:
    found = series(path, HEADER + "\n".join(rows) + "\n")
    assert found.start == START
    assert list(found.units) == units


def test_missing_minutes_are_counted(path: Path) -> None:
    found = series(path, HEADER + "1767571200,1\n1767571260,2\n1767571440,3\n1767571620,3\n")
    assert found.gap_minutes == 2 + 2
    assert list(found.units) == [1, 2, 2, 2, 3, 3, 3, 3]


def test_a_byte_order_mark_and_windows_line_ends(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode() + b"1767571200,1\r\n1767571260,2\r\n")
    found = tracefile.read(str(path))
    assert isinstance(found, Series)
    assert list(found.units) == [1, 2]


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=2, max_size=50),
    st.integers(1, 7200),
    st.integers(0, 100_000),
)
def test_no_unit_is_lost_or_made_whatever_the_step(values: list[float], step: int, offset: int) -> None:
    rows = tracefile._Rows(("units_per_second",))
    for number, value in enumerate(values):
        rows.times.append(float(offset + number * step))
        rows.values[0].append(value)
    start = offset // 60
    minutes = math.ceil((offset + len(values) * step) / 60) - start
    made = tracefile._by_minute(rows, rows.values[0], step, start, minutes)
    assert len(made) == minutes
    assert min(values) - 1e-6 <= min(made)
    assert max(made) <= max(values) + 1e-6
    if offset % 60 == 0 and (len(values) * step) % 60 == 0:
        assert math.isclose(sum(made) * 60, sum(values) * step, rel_tol=1e-9, abs_tol=1e-6)


# Tables and indexes


def test_tables_and_indexes(path: Path) -> None:
    text = f"{T0},orders,,10,1\n{T0},orders,by-date,20,2\n{T1},orders,,30,3\n{T1},orders,by-date,40,4\n"
    found = demand(path, FULL + text)
    assert (found.start, found.minutes, found.source) == (START, 2, str(path))
    table, index = found.loads
    assert (table.target, index.target) == (Target("orders"), Target("orders", "by-date"))
    assert [list(one) for one in (*table.demand, *index.demand)] == [[10, 30], [1, 3], [20, 40], [2, 4]]
    assert (table.recorded, table.hot, table.place) == (None, None, f"{path}:2")


def test_rows_may_be_grouped_by_table_and_columns_in_any_order(path: Path) -> None:
    text = f"table,timestamp,writes,index,reads\nb,{T0},1,,10\nb,{T1},3,,30\naaa,{T0},1,,5\naaa,{T1},2,,6\n"
    found = demand(path, text)
    assert [str(load.target) for load in found.loads] == ["aaa", "b"]
    assert list(found.loads[1].demand[0]) == [10, 30]


def test_what_was_throttled_is_demand_an_event_a_unit(path: Path) -> None:
    text = (
        "timestamp,table,index,reads,writes,provisioned_reads,provisioned_writes,throttled_reads,throttled_writes\n"
        "1767571200,orders,,10,1,10,5,2,0\n1767571260,orders,,10,1,20,5,,0\n"
    )
    (load,) = demand(path, text).loads
    assert [list(one) for one in load.demand] == [[12, 10], [1, 1]]
    assert load.recorded is not None
    assert [list(one) for one in load.recorded.provisioned] == [[10, 20], [5, 5]]
    assert load.recorded.throttled[0][0] == 2
    assert not load.on_demand


def test_what_a_key_range_throttled_is_known_apart(path: Path) -> None:
    header = FULL.replace("\n", ",throttled_reads,hot_reads\n")
    text = header + f"{T0},orders,,10,1,5,3\n{T1},orders,,10,1,0,0\n"
    (load,) = demand(path, text).loads
    assert list(load.demand[0]) == [15, 10]
    assert list(load.servable(0)) == [12, 10]
    assert list(load.servable(1)) == [1, 1]


def test_a_table_without_provisioned_units_was_on_demand(path: Path) -> None:
    header = FULL.replace("\n", ",provisioned_reads,provisioned_writes\n")
    text = header + f"{T0},orders,,10,1,,\n{T1},orders,,10,1,,\n"
    (load,) = demand(path, text).loads
    assert load.on_demand


def test_who_begins_later_or_ends_earlier_is_idle_then(path: Path) -> None:
    text = "1767571200,early,,1,1\n1767571260,early,,2,2\n1767571260,late,,3,3\n1767571320,late,,4,4\n"
    found = demand(path, FULL + text)
    assert [list(load.demand[0]) for load in found.loads] == [[1, 2, 0], [0, 3, 4]]


def test_what_is_saved_is_read_again(path: Path) -> None:
    values = [array("d", [0.1 + 0.2 + number, 7.25, 0]) for number in range(6)]
    recorded = Recorded((values[2], array("d", [math.nan, 5, 5])), (array("d", [1.5, 0, 0]), array("d", [0, 0, 0])))
    both = array("d", [2.5, 1, 0]), values[1]
    loads = (
        Load(Target("orders"), both, (array("d", [0.5, 0, 0]), array("d", [0, 0, 0])), recorded),
        Load(Target("orders", "by-date"), (values[3], values[4])),
    )
    tracefile.save(str(path), Demand("any", START, 3, loads))
    first = path.read_text("utf-8").splitlines()[:3]
    assert first == [
        "timestamp,table,index,reads,writes,provisioned_reads,provisioned_writes,throttled_reads,throttled_writes,"
        "hot_reads,hot_writes",
        "2026-01-05T00:00:00Z,orders,,1,1.3,2.3,,1.5,0,0.5,0",
        "2026-01-05T00:00:00Z,orders,by-date,3.3,4.3,,,,,,",
    ]
    again = tracefile.read(str(path))
    assert isinstance(again, Demand)
    table, index = again.loads
    assert [list(one) for one in table.demand] == [[2.5, 1, 0], [1.3, 7.25, 0]]
    assert table.hot is not None
    assert list(table.hot[0]) == [0.5, 0, 0]
    assert list(index.demand[0]) == [3.3, 7.25, 0]
    assert (again.minutes, again.start, table.table_class) == (3, START, STANDARD)


# Bad ones


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: is empty"),
        ("\n\n", "is empty"),
        ("a,b\n1,2\n", ":1: the columns a,b are neither timestamp,units_per_second nor timestamp,table,index,reads,"),
        (f"{T0},1\n{T1},2\n", ":1: the columns"),
        ("timestamp,table,index,reads\n", ":1: the columns"),
        (FULL.replace("\n", ",units_per_second\n"), ":1: the columns"),
        (HEADER, ":1: at least two rows are needed"),
        (FULL, ":1: has no rows"),
        (HEADER + f"{T0},1\n", ":2: at least two rows are needed"),
        (HEADER + f"{T0},1\n{T1}\n", ":3: 1 columns, but the first line has 2"),
        (HEADER + f"{T0},1\n{T1},orders,,1,1\n", ":3: 5 columns, but the first line has 2"),
        (FULL + f"{T0},orders,,1,1\n{T1},2\n", ":3: 2 columns, but the first line has 5"),
        (HEADER + f"{T0},1\n{T1},nan\n", ":3: units_per_second must be from 0 to 1,000,000,000, but is nan"),
        (HEADER + f"{T0},1\n{T1},inf\n", ":3: units_per_second must be"),
        (HEADER + f"{T0},1\n{T1},-1\n", ":3: units_per_second must be"),
        (HEADER + f"{T0},1\n{T1},1e300\n", ":3: units_per_second must be"),
        (HEADER + f"{T0},1\n{T1},many\n", ":3: units_per_second is not a number: 'many'"),
        (HEADER + f"{T0},1\n{T1},\n", ":3: units_per_second is not a number: ''"),
        (FULL + f"{T0},orders,,1,1\n{T1},orders,,1,-2\n", ":3: writes must be"),
        (HEADER + f"{T1},1\n{T0},1\n", f":3: {T0} is earlier than the row before it (line 2)"),
        (HEADER + f"{T0},1\n{T0},1\n", f":3: {T0} is the same time as the row before it (line 2); remove one of them"),
        (HEADER + f"{T0},1\n{T1},1\n1767571290,1\n1767571340,1\n", ":4: 30 s after the row before it; most rows are"),
        (
            HEADER + "".join(f"{60 * row + 47 * (row > 3) - 60 * (row > 3)},1\n" for row in range(9)),
            ":6: 47 s after the row before it; most rows are 60 s apart",
        ),
        (HEADER + "yesterday,1\n", ":2: 'yesterday' is not a time; write 2026-01-31T12:00:00Z, or seconds since 1970"),
        (HEADER + "1767571200000,1\n", ":2: 1767571200000 is not between the years 1970 and 9999"),
        (HEADER + "0001-01-01T00:00:00Z,1\n", ":2: 0001-01-01T00:00:00Z is not between"),
        (HEADER + f"0,1\n60,1\n{T0},1\n", ":4: 29,459,521 minutes from the first row to the last"),
        (HEADER + f'{T0},1\n"{T1},1\n', ": is not CSV"),
        (
            FULL + f"{T0},orders,by-date,1,1\n{T1},orders,by-date,1,1\n",
            ":2: an index of orders, but the file has no rows for orders",
        ),
    ],
)
def test_bad_traces(path: Path, text: str, problem: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        tracefile.read(str(path))
    (line,) = caught.value.problems
    assert line.startswith(str(path))
    assert problem in line
    assert "\n" not in line


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=reason):
            tracefile.read(str(path))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(HEADER.encode() + b"\xff\xfe\n")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        tracefile.read(str(binary))


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        tracefile.save(str(tmp_path / "none" / "trace.csv"), Demand("any", START, 0, ()))
