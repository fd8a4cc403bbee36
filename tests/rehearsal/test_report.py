"""`--report` and `--chart`: files of the console script, and how they are refused."""

from __future__ import annotations

import html
import json
import re
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ACCOUNT, SCRIPT, environment
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.rehearsal.envelope import envelope, occupied, staircase
from dynamic_dynamodb.rehearsal.table import dollars

Done = subprocess.CompletedProcess
ORDERS = ("--table-name", "^orders$", "--simulate", "sales-day")
DOCS = Path(__file__).parents[2] / "docs"
MEGABYTE = 1_000_000
VOID = {"meta", "rect", "path", "br"}
# The worst that a table's list of changes may be: 27 decreases a day, as many increases, 14 days.
CHANGES, DAYS = 54, 14


def run(*words: str, folder: Path, **env: str) -> Done[str]:
    given_ = environment(**{**ACCOUNT, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "TZ": "UTC", **env})
    return subprocess.run(  # noqa: S603 - the console script
        [str(SCRIPT), *words], check=False, text=True, capture_output=True, timeout=240, env=given_, cwd=folder
    )


def refused(done: Done[str]) -> str:
    """One line on stderr, exit 2, and no table."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line.removeprefix("dynamic-dynamodb: error: ")


class Page(HTMLParser):
    """The elements of a page: what is open must be closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.headings: list[str] = []
        self.changes: list[str] = []
        self.summaries: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given_ = dict(attrs)
        self.ids += [given_["id"] or ""] if "id" in given_ else []
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("h2", "li", "summary"):
            self._list(tag).append("")
        if tag not in VOID | {"li"}:  # an <li> ends where the next one begins
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open[-3:]) and "small" not in self.open:
            self.rows[-1][-1] += data
        elif "ol" in self.open[-1:] and self.changes:
            self.changes[-1] += data.rstrip("\n")
        elif self.open and self.open[-1] in ("h2", "summary"):
            self._list(self.open[-1])[-1] += data

    def _list(self, tag: str) -> list[str]:
        return {"h2": self.headings, "li": self.changes, "summary": self.summaries}[tag]


def trace(path: Path, dollars: dict[str, tuple[float, float]], minutes: int) -> Path:
    """Tables with this demand, and with this many read units recorded; an hour of each is higher."""
    lines = ["timestamp,table,index,reads,writes,provisioned_reads,provisioned_writes,throttled_reads,throttled_writes"]
    for minute in range(minutes):
        for name, (units, recorded) in dollars.items():
            reads = units * (3 if minute % 1440 // 60 == 12 else 1)
            lines.append(f"{1767571200 + 60 * minute},{name},,{reads},{units / 4},{recorded},{recorded},0,0")
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def test_the_page_has_the_numbers_of_the_table_and_all_changes(tmp_path: Path) -> None:
    done = run(*ORDERS, "--report", "report.html", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    document = run(*ORDERS, "--output", "json", folder=tmp_path).stdout
    changes = re.findall(r'"at": "\d{4}-(\d\d-\d\d)T(\d\d:\d\d):00Z"', document)
    assert len(changes) > 5
    assert [line[:11] for line in page.changes] == [f"{day} {clock}" for day, clock in changes]
    assert page.summaries == [f"{len(changes)} changes"]
    assert all(" -> " in line for line in page.changes)
    assert page.headings == ["Tables and indexes", "orders"]
    printed = done.stdout.splitlines()
    for name in ("this configuration", "AWS target tracking 70 %", "on demand", "highest minute, always", "the least"):
        shown = [" ".join(row).split() for row in page.rows if row[:1] == [name]]
        expected = [line.split() for line in printed if line.startswith(name)]
        assert [row for row in shown if len(row) == len(expected[0])][:1] == expected[:1]
        assert expected[1] in shown
    (saved,) = [row for row in page.rows if row[0] == "orders"]
    _, this, aws, *_ = saved
    assert float(saved[-2]) == pytest.approx(float(aws) - float(this), abs=0.011)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    run(*ORDERS, "--report", "report.html", folder=tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert not re.findall(r"https?://|url\(|@import|xmlns", text)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert sorted(page.links) == ["#r0"]
    assert len(page.ids) == len(set(page.ids))
    assert {"r0", "tip"} <= set(page.ids)


def test_each_chart_is_one_svg_with_both_axes(tmp_path: Path) -> None:
    run(*ORDERS, "--report", "report.html", folder=tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    (chart,) = re.findall(r'<svg class="chart".*?</svg>', text, re.DOTALL)
    tree = ElementTree.fromstring(chart)  # noqa: S314 - our own file
    words = [element.text for element in tree.iter("text")]
    assert [word for word in words if word and "units per second" in word] == [
        "reads, units per second",
        "writes, units per second",
    ]
    assert words.count("changes") == words.count("throttled") == 2
    numbers = [float(one) for path in tree.iter("path") for one in re.findall(r"-?[\d.]+", path.attrib["d"])]
    assert min(numbers) >= 0
    assert max(numbers) <= 720
    assert all(color in chart for color in ("#0072b2", "#a6d5f2", "#d55e00"))


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for number in ("1", "2"):
        folder = tmp_path / number
        folder.mkdir()
        zone = {"TZ": "UTC" if number == "1" else "Asia/Tokyo"}
        for chart in ("chart.png", "chart.svg"):
            done = run(*ORDERS, "--report", "r.html", "--chart", chart, folder=folder, **zone)
            assert (done.returncode, done.stderr) == (0, "")
        made.append([(folder / name).read_bytes() for name in ("r.html", "chart.png", "chart.svg")])
    assert made[0] == made[1]


def test_resources_are_sorted_by_what_is_saved(tmp_path: Path) -> None:
    trace(tmp_path / "t.csv", {"small": (50, 200), "worse": (50, 20), "large": (50, 900)}, 180)
    (tmp_path / "c.conf").write_text("[global]\nregion: us-east-1\n[table: .*]\n", "utf-8")
    done = run("--config", "c.conf", "--simulate", "t.csv", "--report", "r.html", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert page.headings == ["Tables and indexes", "large", "small", "worse"]
    saved = [float(row[-2]) for row in page.rows if row[0] in ("large", "small", "worse")]
    assert saved == sorted(saved, reverse=True)
    assert saved[-1] < 0


def test_several_configurations_have_a_chart_each(tmp_path: Path) -> None:
    for name, most in (("a.conf", 100), ("b.conf", 900)):
        text = f"[global]\nregion: us-east-1\n[table: ^orders$]\nmax-provisioned-reads: {most}\n"
        (tmp_path / name).write_text(text, "utf-8")
    words = ("--config", "a.conf", "--config", "b.conf", "--simulate", "sales-day")
    done = run(*words, "--report", "r.html", "--chart", "c.svg", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert re.findall(r"<h3>(.*?)</h3>", text) == ["a.conf", "b.conf"]
    assert text.count('<svg class="chart"') == 2
    chart = (tmp_path / "c.svg").read_text("utf-8")
    assert chart.count(">reads, units per second<") == 2


def test_several_configurations_have_a_row_each_for_each_table(tmp_path: Path) -> None:
    """What each of them pays, saves and throttles, and what bounds it there; the others' dollars stand by the table."""
    trace(tmp_path / "t.csv", {"small": (50, 200), "large": (50, 900)}, 180)
    (tmp_path / "a.conf").write_text("[table: .*]\n", "utf-8")
    (tmp_path / "b.conf").write_text("[table: .*]\nmax-provisioned-reads: 40\n", "utf-8")
    words = ("--config", "a.conf", "--config", "b.conf", "--simulate", "t.csv")
    done = run(*words, "--report", "r.html", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<h1>Rehearsal of a.conf and b.conf: t.csv</h1>" in text
    page = Page(text)
    begin = next(number for number, row in enumerate(page.rows) if row[:2] == ["dollars", "costs"])
    part = page.rows[begin : begin + 7]
    head, *rows = part
    assert head[2:4] == ["as recorded", "AWS target tracking"]
    assert [row[0] for row in rows] == ["large", "a.conf", "b.conf", "small", "a.conf", "b.conf"]
    resources = {
        one["table"]: one["outcomes"]
        for one in json.loads(run(*words, "--output", "json", folder=tmp_path).stdout)["resources"]
    }
    for name, row, *own in (("large", *rows[:3]), ("small", *rows[3:])):
        recorded = next(one["dollars"] for one in resources[name] if one["kind"] == "recorded")
        assert (row[1], row[2], row[-2:]) == ("", f"{recorded:.2f}", ["", ""])
        for cells, one in zip(own, resources[name], strict=False):
            assert cells[1] == f"{one['dollars']:.2f}"
            assert float(cells[-2]) == pytest.approx(recorded - one["dollars"], abs=0.006)
            assert cells[-1] == f"{one['throttled_percent']:.4f}%"
    assert text.count("<small>reads at the maximum of 40, ") == 2
    assert text.count("<p>Reads at the maximum of 40, ") == 2  # beside its chart, too


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(-0.004, "0.00"), (-0.0, "0.00"), (-0.006, "-0.01"), (0.004, "0.00"), (99_999.99, "99,999.99"), (1e5, "100,000")],
)
def test_dollars(amount: float, shown: str) -> None:
    """Savings of less than half a cent are 0.00, never -0.00."""
    assert dollars(amount) == shown


def test_less_than_a_day_is_shown_in_totals(tmp_path: Path) -> None:
    """As in the table on stdout."""
    for name, minutes in (("hours.html", 180), ("day.html", 1440)):
        trace(tmp_path / "t.csv", {"orders": (50, 200)}, minutes)
        run("--table-name", "^orders$", "--simulate", "t.csv", "--report", name, folder=tmp_path)
        heads = [row for row in Page((tmp_path / name).read_text("utf-8")).rows if "% used" in row]
        assert [("increases" in row, "increases per day" in row) for row in heads] == [
            (minutes < 1440, minutes >= 1440)
        ]


def test_advice_is_on_the_page(tmp_path: Path) -> None:
    run(*ORDERS, "--report", "report.html", folder=tmp_path)
    assert "<p>this configuration throttled 35,715 units on orders. " in (tmp_path / "report.html").read_text("utf-8")


NAME = "a<b>&\"'$x$.conf"


def test_names_are_text(tmp_path: Path) -> None:
    """Of files; DynamoDB's own names have none of these characters."""
    text = "[global]\nregion: us-east-1\n[table: ^orders$]\n"
    (tmp_path / NAME).write_text(text, "utf-8")
    trace(tmp_path / "<script>.csv", {"orders": (50, 200)}, 120)
    done = run(
        "--config", NAME, "--simulate", "<script>.csv", "--report", "r.html", "--chart", "c.svg", folder=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert html.escape(NAME) in page
    assert page.count("<script>") == 1
    assert "b" not in Page(page).tags
    chart = ElementTree.parse(tmp_path / "c.svg")  # noqa: S314 - our own file
    words = [element.text for element in chart.iter() if element.tag.endswith("text")]
    assert NAME in words
    assert "orders, <script>.csv" in words


@pytest.mark.parametrize("ending", ["png", "svg", "PNG"])
def test_a_chart_of_one_table(ending: str, tmp_path: Path) -> None:
    done = run(*ORDERS, "--chart", f"chart.{ending}", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sales-day: 1 table, 1 day")
    made = (tmp_path / f"chart.{ending}").read_bytes()
    if ending == "svg":
        root = ElementTree.fromstring(made)  # noqa: S314 - our own file
        words = {element.text for element in root.iter() if element.tag.endswith("text")}
        assert {"orders, sales-day", "dollars", "provisioned", "the least", "18:00"} <= words
    else:
        assert made[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", made[16:24])
        assert (width, height > 800) == (1440, True)


def words_of(path: Path) -> list[str | None]:
    root = ElementTree.parse(path)  # noqa: S314 - our own file
    return [element.text for element in root.iter() if element.tag.endswith("text")]


@pytest.mark.parametrize(
    ("picture", "flags"),
    [
        ("sales-day.svg", ()),
        ("target-tracking.svg", ("--check-interval", "60", "--scaling-policy", "target-tracking")),
    ],
)
def test_the_pictures_in_the_docs_are_current(tmp_path: Path, picture: str, flags: tuple[str, ...]) -> None:
    """Else draw it with the command above it in docs/rehearsal.md or docs/target-tracking.md."""
    run(*ORDERS, *flags, "--chart", "chart.svg", folder=tmp_path)
    assert words_of(tmp_path / "chart.svg") == words_of(DOCS / "_static" / picture)


# Size


def test_a_hundred_tables_over_two_weeks_are_under_20_megabytes(tmp_path: Path) -> None:
    """By calculation: what two tables of three noisy days are apart from one, with the longest list of changes."""
    sizes = []
    for tables in (1, 2):
        # Each minute differs from the next one, so that no column of pixels is flat.
        path = tmp_path / f"{tables}.csv"
        lines = ["timestamp,table,index,reads,writes"]
        for minute in range(3 * 1440):
            noisy = 400 + minute * 7919 % 1009
            lines += [f"{1767571200 + 60 * minute},table-{one},,{noisy},{noisy / 3:.2f}" for one in range(tables)]
        path.write_text("\n".join([*lines, ""]), "utf-8")
        (tmp_path / "c.conf").write_text("[global]\nregion: us-east-1\n[table: ^t.*]\n", "utf-8")
        done = run("--config", "c.conf", "--simulate", path.name, "--report", "r.html", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        sizes.append((tmp_path / "r.html").stat().st_size)
    longest = len("<li>01-05 09:35  ") + 100 + len("12345,\n")
    assert sizes[1] - sizes[0] > 50_000  # more columns would be no envelope
    assert 100 * (sizes[1] - sizes[0] + CHANGES * DAYS * longest) < 20 * MEGABYTE


# Refused


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--report", "r.png"), "--report: r.png: the name must end in .html or .htm"),
        (("--report", "r"), "--report: r: the name must end in .html or .htm"),
        (("--chart", "c.jpg"), "--chart: c.jpg: the name must end in .png or .svg"),
        (("--report", "no/r.html"), "--report: no/r.html: cannot be written: No such file or directory"),
        (("--chart", "no/c.svg"), "--chart: no/c.svg: cannot be written: No such file or directory"),
        (("--report", "d.html"), "--report: d.html: cannot be written: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_written(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    (tmp_path / "d.html").mkdir()
    assert refused(run(*ORDERS, *words, folder=tmp_path)) == line
    assert list(tmp_path.iterdir()) == [tmp_path / "d.html"]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The table is printed all the same: the rehearsal was not in vain."""
    (tmp_path / "full.html").symlink_to("/dev/full")
    done = run(*ORDERS, "--report", "full.html", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("sales-day: 1 table")
    assert done.stderr == ("dynamic-dynamodb: error: --report: full.html: cannot be written: No space left on device\n")


def test_a_run_that_is_refused_later_leaves_the_old_report(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("old", "utf-8")
    refused(run("--table-name", "^orders$", "--simulate", "none.csv", "--report", "r.html", folder=tmp_path))
    assert (tmp_path / "r.html").read_text("utf-8") == "old"
    refused(run("--table-name", "^orders$", "--simulate", "none.csv", "--report", "new.html", folder=tmp_path))
    assert not (tmp_path / "new.html").exists()


def test_a_chart_shows_one_table(tmp_path: Path) -> None:
    trace(tmp_path / "t.csv", {name: (50, 200) for name in ("aaa", "bbb", "ccc", "ddd")}, 60)
    done = run("--table-name", ".*", "--simulate", "t.csv", "--chart", "c.png", folder=tmp_path)
    assert refused(done) == (
        "--chart: draws one table or index, and this demand has 4: aaa, bbb, ccc, ...; --report shows all of them"
    )


@pytest.mark.parametrize("flag", ["--report", "--chart"])
def test_they_need_simulate(flag: str, tmp_path: Path) -> None:
    assert refused(run("--table-name", "^orders$", flag, "x.html", folder=tmp_path)) == f"{flag}: needs --simulate"


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')",
            r"--report: needs matplotlib, which is not installed: run `\S+ -m pip install matplotlib`, "
            r"or `pip install '\.\[report\]'` in the checkout",
        ),
        ("import none_such", "--report: matplotlib cannot be imported: No module named 'none_such'"),
        ("raise ImportError('built for\\nnumpy 1')", "--report: matplotlib cannot be imported: built for numpy 1"),
    ],
)
def test_without_matplotlib(module: str, line: str, tmp_path: Path) -> None:
    """A module before the installed one is as good as none installed: it fails as Python does."""
    block = tmp_path / "block"
    block.mkdir()
    (block / "matplotlib.py").write_text(module + "\n", "utf-8")
    done = run(*ORDERS, "--report", "r.html", folder=tmp_path, PYTHONPATH=str(block))
    assert re.fullmatch(line, refused(done))
    assert not (tmp_path / "r.html").exists()
    without = run(*ORDERS, folder=tmp_path, PYTHONPATH=str(block))
    assert (without.returncode, without.stderr) == (0, "")


def test_what_the_user_has_set_for_matplotlib_changes_nothing(tmp_path: Path) -> None:
    done = run(*ORDERS, "--chart", "a.svg", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "matplotlibrc").write_text("font.size: 40\nsvg.fonttype: path\nnonsense: 1\n", "utf-8")
    done = run(*ORDERS, "--chart", "b.svg", folder=tmp_path, MPLBACKEND="nonsense", HOME="/nonexistent")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


# Envelopes


@pytest.mark.parametrize(
    ("values", "most", "low", "high"),
    [
        ([1, 2, 3], 10, [1, 2, 3, 3], [1, 2, 3, 3]),
        ([1, 9, 0, 4], 2, [1, 0, 0], [9, 4, 4]),
        ([5], 600, [5, 5], [5, 5]),
    ],
)
def test_envelopes(values: list[float], most: int, low: list[float], high: list[float]) -> None:
    lowest, highest = envelope(values, most)
    assert ([y for _, y in lowest], [y for _, y in highest]) == (low, high)
    assert lowest[-1][0] == len(values)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.integers(1, 50))
def test_an_envelope_loses_no_peak(values: list[float], most: int) -> None:
    low, high = envelope(values, most)
    assert len(low) == len(high) <= most + 1
    assert (min(y for _, y in low), max(y for _, y in high)) == (min(values), max(values))


def test_steps_within_a_column_are_one_stroke() -> None:
    steps = [(0.0, 10.0), (100.0, 20.0), (101.0, 90.0), (102.0, 5.0), (103.0, 30.0), (500.0, 40.0)]
    assert staircase(steps, 1000, 10) == [
        (0, 10),
        *[(100, units) for units in (10, 5, 90, 30)],
        (500, 30),
        (500, 40),
        (1000, 40),
    ]


@given(st.lists(st.tuples(st.integers(1, 999), st.integers(1, 1000)), max_size=100), st.integers(1, 50))
def test_a_staircase_is_bounded_and_loses_no_level(steps: list[tuple[int, int]], most: int) -> None:
    made = [(0.0, 7.0), *((float(at), float(units)) for at, units in sorted(dict(steps).items()))]
    line = staircase(made, 1000, most)
    assert len(line) <= 4 * most + 2
    assert {max(units for _, units in line), min(units for _, units in line)} == {
        max(units for _, units in made),
        min(units for _, units in made),
    }
    assert line[-1] == (1000, made[-1][1])


def test_moments_in_a_column_are_one() -> None:
    assert occupied([0, 1, 2, 55, 56, 99], 100, 10) == [0, 55, 99]
