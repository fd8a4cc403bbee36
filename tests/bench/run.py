"""Print the tables of docs/performance.md, in Markdown. Run by `make bench`.

`run.py --tiny` is a quick run of the same code, `run.py --large` one check of 10,000 tables. `--write` puts the tables
into docs/performance.md. The measured code (checks.py, growth.py) and the stub of AWS (stub.py) have their own
processes.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pure
import startup

from dynamic_dynamodb.aws.calls import THREADS
from dynamic_dynamodb.aws.cloudwatch import dollars_a_month

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "performance.md"
ORIGINAL_TABLE, ORIGINAL_INDEX = 21, 20  # calls of the original per table and index, one after the other
OPERATIONS = ("ListTables", "DescribeTable", "GetMetricData", "UpdateTable")
THROTTLED = "throttled-reads-upper-threshold: 1000000\nthrottled-writes-upper-threshold: 1000000\n"
INTERVALS = (60, 300)
REFRESHES = (60, 300, 3600)  # seconds, with checks every 60 s: each check describes all tables, a fifth, a sixtieth
BEFORE = 17.7  # CPU seconds of a check of 10,000 tables with an index each, when each check described each table
STEADY = 5  # checks after the first: with 300 s, each table has then been described once
LONGEST = 30  # seconds; a sequential check that would take longer is computed

Outcome = dict[str, Any]
Step = tuple[str, float]


@dataclass(frozen=True)
class Size:
    tables: tuple[int, ...] = (1, 100, 2000)
    latencies: tuple[float, ...] = (0, 0.02, 0.05)
    rounds: int = 3
    growth: tuple[int, int] = (20, 10_000)  # tables, checks
    quiet: tuple[int, ...] = (100, 2000, 10_000)  # tables
    startup_runs: int = 11
    sections: int = 2000
    decisions: int = 20_000
    matching: tuple[int, int] = (10_000, 200)  # names, sections
    rehearsed: tuple[int, int] = (50, 14)  # tables, days
    written: int = 2000  # tables of a state file


FULL = Size()
TINY = Size((1, 2, 3), (0, 0.001), 1, (2, 20), (5, 10), 1, 10, 100, (50, 5), (2, 1), 5)
LARGE = 10_000


class Bench:
    """`folder` is for configuration files."""

    def __init__(self, size: Size, folder: Path) -> None:
        self.size = size
        self._folder = folder
        self._few, self._many, self._most = size.tables[0], size.tables[-2], size.tables[-1]
        self._at_once: dict[tuple[int, int], Outcome] = {}  # by tables and indexes
        self._one_worker: dict[int, Outcome] = {}
        self._targets: list[list[str]] = []

    def all(self) -> None:
        begun = time.perf_counter()
        self._measure()
        self._calls()
        self._times()
        self._cpu()
        self._quiet()
        self._metrics()
        self._memory()
        self._startup()
        self._pure()
        self._cost()
        self._rehearsals()
        _table("Targets", ("", "at most", "measured", "met"), self._targets)
        _say(f"Took {time.perf_counter() - begun:.0f} s.\n")

    # Checks against the stub

    def _measure(self) -> None:
        size = self.size
        for tables in size.tables:
            for indexes in (0, 1):
                steps: list[Step] = [("check", 0), *[("describe", 0), ("metrics", 0), ("check", 0)] * size.rounds]
                if indexes:
                    steps += [("check", latency) for latency in size.latencies if latency] * size.rounds
                self._at_once[tables, indexes] = self._run(tables, indexes, THREADS, steps)
            steps = [("check", 0), ("describe", 0), ("check", 0)]
            steps += [("check", latency) for latency in size.latencies if latency and 2 * tables * latency < LONGEST]
            self._one_worker[tables] = self._run(tables, 1, 1, steps)

    def _run(
        self,
        tables: int,
        indexes: int,
        threads: int,
        steps: Sequence[Step],
        percent: int = 50,
        options: str = "",
        general: str = "",
    ) -> Outcome:
        """The outcome of checks.py, with the steps as they were asked for."""
        with _stub(tables, indexes, percent) as url:
            conf = self._folder / "bench.conf"
            access = "aws-access-key-id: bench\naws-secret-access-key: bench\n"
            sections = f"[default_options]\n{options}[table: ^table-]\n[gsi: ^index- table: ^table-]\n"
            conf.write_text(f"[global]\nregion: us-east-1\nendpoint-url: {url}\n{access}{general}{sections}", "utf-8")
            plan = {"config": str(conf), "url": url, "threads": threads, "indexes": indexes, "steps": steps}
            outcome: Outcome = json.loads(_child("checks.py", json.dumps(plan)))
        for step, (kind, latency) in zip(outcome["steps"], steps, strict=True):
            step.update(kind=kind, latency=latency)
        return outcome

    def _calls(self) -> None:
        few, many, most = self._few, self._many, self._most
        changing = self._run(many, 1, THREADS, [("check", 0)], percent=95)
        throttled = self._run(many, 1, THREADS, [("check", 0)], options=THROTTLED)
        cases = [  # each with tables, metrics per table and updates
            *((_counted(*key), key[0], 2 + 2 * key[1], 0, outcome) for key, outcome in self._at_once.items()),
            (f"{_counted(many, 1)}, all changed", many, 4, many, changing),
            (f"{_counted(many, 1)}, throttle metrics", many, 8, 0, throttled),
        ]
        rows, worst = [], 0.0
        for name, tables, metrics, updates, outcome in cases:
            calls = outcome["steps"][0]["calls"]
            made = sum(calls.values())
            least = math.ceil(tables / 100) + tables + math.ceil(metrics * tables / 500) + updates
            worst = max(worst, made / least)
            counts = [str(calls.get(operation, 0)) for operation in OPERATIONS]
            rows.append([name, *counts, f"{made:,}", f"{least:,}", f"{made / least:.2f}"])
        _table("Calls per check", ("", *OPERATIONS, "total", "minimum", "ratio"), rows)
        self._target(f"calls per check of {few} to {most:,} tables, relative to the minimum", 1, worst, ".2f")

    def _times(self) -> None:
        rows = []
        for tables in self.size.tables:
            alone = self._one_worker[tables]
            per_call = _of(alone, "describe", "wall") / tables
            for latency in self.size.latencies:
                wall = _of(self._at_once[tables, 1], "check", "wall", latency)
                sequence, how = self._in_sequence(tables, latency)
                original = (ORIGINAL_TABLE + ORIGINAL_INDEX) * tables * (latency + per_call)
                ratios = [f"{sequence / wall:.1f}", f"{original / wall:.0f}"]
                row = [f"{tables:,}", f"{1000 * latency:.0f} ms", f"{wall:.2f}", f"{sequence:.2f} {how}"]
                rows.append([*row, f"{original:.1f}", *ratios])
        _table(
            f"Seconds per check, one index per table (median of {self.size.rounds}, after a first check)",
            ("tables", "delay of a call", "check", "one worker", "original", "one worker / check", "original / check"),
            rows,
        )
        _say("One worker: one call at a time. (c): computed from its time at 0 ms and its number of calls.")
        _say(f"Original: {ORIGINAL_TABLE} calls per table and {ORIGINAL_INDEX} per index, one after the other,")
        _say("computed from the time of a bare describe_table and the delay.\n")
        slow, fair = self.size.latencies[-1], self.size.latencies[1]
        more = self._wall(self._many, slow) - self._wall(self._few, slow)
        what = f"seconds more for {_counted(self._many, 1)} than for {_counted(self._few, 1)}, at {1000 * slow:.0f} ms"
        self._target(what, 1.0, more, ".2f")
        self._target(
            f"seconds for {_counted(self._most, 1)} at {1000 * fair:.0f} ms", 6.0, self._wall(self._most, fair), ".2f"
        )

    def _wall(self, tables: int, latency: float) -> float:
        return _of(self._at_once[tables, 1], "check", "wall", latency)

    def _in_sequence(self, tables: int, latency: float) -> tuple[float, str]:
        outcome = self._one_worker[tables]
        if any(step["latency"] == latency for step in outcome["steps"]):
            return _of(outcome, "check", "wall", latency), ""
        calls = sum(outcome["steps"][0]["calls"].values())
        return _of(outcome, "check", "wall") + calls * latency, "(c)"

    def _cpu(self) -> None:
        rows, worst = [], 0.0
        for tables in self.size.tables[1:]:
            for indexes in (0, 1):
                outcome = self._at_once[tables, indexes]
                check, describe, metrics = (
                    1000 * _of(outcome, kind, "cpu", least=True) / tables for kind in ("check", "describe", "metrics")
                )
                ratio = check / (describe + metrics)
                worst = max(worst, ratio)
                cells = [f"{value:.2f}" for value in (check, describe, metrics, ratio)]
                rows.append([_counted(tables, indexes), *cells])
        _table(
            f"Milliseconds of CPU per table (minimum of {self.size.rounds})",
            ("", "check", f"botocore alone, {THREADS} threads: describe_table", "get_metric_data", "ratio"),
            rows,
        )
        self._target("CPU of a check, relative to botocore's for the same calls", 1.2, worst, ".2f")

    def _quiet(self) -> None:
        """No table needs a change. The first check, and the mean of the later ones."""
        latency = self.size.latencies[1]
        rows, steady = [], {}
        for tables in self.size.quiet:
            for refresh in REFRESHES:
                general = f"check-interval: {INTERVALS[0]}\nrefresh-interval: {refresh}\n"
                following = STEADY if refresh > INTERVALS[0] else 1
                steps: list[Step] = [*[("check", latency)] * (1 + following), ("describe", 0), ("metrics", 0)]
                first, *rest, describe, metrics = self._run(tables, 1, THREADS, steps, general=general)["steps"]
                steady[tables, refresh] = _mean(rest)
                alone = (describe["cpu"] / tables, metrics["cpu"])
                if refresh == REFRESHES[0]:
                    rows.append([f"{tables:,}", "any", "first", *_cells(_mean([first]), *alone)])
                mean = _cells(steady[tables, refresh], *alone)
                rows.append([f"{tables:,}", f"{refresh:,} s", "later", *mean])
        _table(
            f"Quiet checks: one index per table, every {INTERVALS[0]} s ({1000 * latency:.0f} ms per call)",
            (
                "tables",
                "refresh-interval",
                "check",
                *OPERATIONS[:3],
                "seconds",
                "CPU seconds",
                "CPU seconds of botocore for the same calls",
                "ratio",
            ),
            rows,
        )
        _say(f"Checks begin {INTERVALS[0]} s apart. The later ones are the mean of {STEADY}.")
        _say(f"With {REFRESHES[1]} s, one of them lists the tables. Each check measures and decides everything.\n")
        most = self.size.quiet[-1]
        some, few = (steady[most, refresh] for refresh in REFRESHES[1:])
        calls = math.ceil(4 * most / 500)
        what = f"quiet, {_counted(most, 1)}, refresh-interval {REFRESHES[1]}"
        self._target(f"{what}: share of the tables that a check describes", 0.2, some["DescribeTable"] / most, ".2f")
        self._target(f"{what}: GetMetricData, relative to the minimum", 1, some["GetMetricData"] / calls, ".2f")
        self._target(f"{what}: seconds", 10, some["wall"], ".1f")
        self._target(f"{what}: CPU seconds, a third of {BEFORE:g} before", BEFORE / 3, some["cpu"], ".1f")
        self._target(f"the same with refresh-interval {REFRESHES[2]}: seconds", 4, few["wall"], ".1f")

    def _metrics(self) -> None:
        """Measured in turns, so that other load of the machine affects all of them."""
        rounds: list[Step] = [("check", 0), ("render", 0), ("scrape", 0), ("scraped", 0)] * self.size.rounds
        outcome = self._run(self._most, 1, THREADS, [("check", 0), *rounds])
        wall, cpu = ({kind: _of(outcome, kind, what, least=True) for kind, _ in rounds} for what in ("wall", "cpu"))
        _table(
            f"Prometheus metrics of {_counted(self._most, 1)} (minimum of {self.size.rounds})",
            ("", "seconds", "CPU seconds", "CPU relative to a check"),
            [
                [name, f"{wall[kind]:.2f}", f"{cpu[kind]:.2f}", f"{cpu[kind] / cpu['check']:.2f}"]
                for name, kind in (
                    ("a check", "check"),
                    ("a check with a scrape every 5 s", "scraped"),
                    ("rendering, after a check", "render"),
                    ("a scrape", "scrape"),
                )
            ],
        )
        self._target(f"seconds for a scrape of {_counted(self._most, 1)}", 0.1, wall["scrape"], ".2f")
        self._target("CPU of a check with a scrape, relative to one without", 1.1, cpu["scraped"] / cpu["check"], ".2f")

    # The rest

    def _memory(self) -> None:
        rows = [
            [_counted(tables, indexes), f"{outcome['resident']:.0f}"]
            for (tables, indexes), outcome in self._at_once.items()
        ]
        _table("Peak resident memory", ("", "MB"), rows)
        self._target(f"MB for {_counted(self._most, 1)}", 120, self._at_once[self._most, 1]["resident"], ".0f")
        tables, checks = self.size.growth
        conf = self._folder / "growth.conf"
        conf.write_text("[table: ^table-]\nlookback-window-start: 1\nlookback-period: 1\n", "utf-8")
        grown = json.loads(_child("growth.py", str(conf), str(tables), str(checks)))
        _say(f"{checks:,} checks of {tables} tables in the model under a virtual clock ({grown['updates']:,} updates):")
        _say(f"{grown['first']:.1f} MB resident after a tenth of the checks, {grown['last']:.1f} MB after all of them.")
        _say(f"Python's objects grew by {grown['traced']:.1f} KB in the last {checks // 20:,} checks.\n")
        self._target(f"MB more after {checks:,} checks", 1.0, grown["last"] - grown["first"], ".1f")

    def _startup(self) -> None:
        conf = self._folder / "many.conf"
        one = "[table: ^table-{}$]\nmin-provisioned-reads: 5\nmax-provisioned-reads: {}\n"
        conf.write_text(
            "[global]\nregion: us-east-1\n"
            + "".join(one.format(number, 10 + number) for number in range(self.size.sections)),
            "utf-8",
        )
        times = startup.seconds(conf, self.size.startup_runs)
        bare = times[startup.BARE]
        _table(
            f"Start-up (median of {self.size.startup_runs} runs; --show-config of {self.size.sections:,} sections)",
            ("", "ms", "ratio"),
            [[name, f"{1000 * taken:.0f}", f"{taken / bare:.1f}"] for name, taken in times.items()],
        )
        for name, most in (("--help", 5), ("--version", 5), ("--show-config", 40)):
            self._target(f"{name}, relative to bare Python", most, times[name] / bare, ".1f")

    def _pure(self) -> None:
        decision = pure.seconds_a_decision(self.size.decisions)
        bare = _of(self._at_once[self._most, 0], "describe", "cpu", least=True) / self._most
        names, sections = self.size.matching
        first, later = pure.seconds_to_match(names, sections)
        written, size = pure.seconds_to_write(self.size.written)
        _table(
            "Without calls",
            ("", "", "ratio"),
            [
                [
                    "decisions per second of CPU",
                    f"{1 / decision:,.0f}",
                    f"{bare / decision:.0f} per bare describe_table",
                ],
                [f"matching {names:,} names against {sections} sections, first check, ms", f"{1000 * first:.0f}", "1"],
                ["the same, later checks, ms", f"{1000 * later:.1f}", f"{later / first:.2f}"],
                [
                    f"a state file of {self.size.written:,} tables with an index each, {size / 1e6:.1f} MB, ms",
                    f"{1000 * written:.0f}",
                    f"{written / bare:.0f} bare describe_tables",
                ],
            ],
        )
        self._target(f"a state file of {self.size.written:,} tables with an index each, ms", 50, 1000 * written, ".0f")

    def _cost(self) -> None:
        throttled = self._run(self._few, 1, THREADS, [("check", 0)], options=THROTTLED)["steps"][0]["metrics"]
        plain, indexed = (self._at_once[self._few, indexes]["steps"][0]["metrics"] for indexes in (0, 1))
        rows = []
        for name, metrics in (
            ("a table", plain),
            ("a table with an index", indexed),
            ("a table with an index, throttle metrics of both axes", throttled),
        ):
            dollars = [f"${dollars_a_month(metrics, interval) / self._few:.2f}" for interval in INTERVALS]
            rows.append([name, f"{metrics / self._few:.0f}", *dollars])
        headings = [f"per month, every {interval} s" for interval in INTERVALS]
        _table("CloudWatch cost of the checks ($0.01 per thousand metrics)", ("", "metrics per check", *headings), rows)

    def _rehearsals(self) -> None:
        many, days = self.size.rehearsed
        rows, seconds = [], []
        for tables, processes, policy in (
            (1, 1, "thresholds"),
            (1, 1, "target-tracking"),
            (many, 2, "thresholds"),
        ):
            plan = {"tables": tables, "days": days, "processes": processes, "policy": policy}
            found = json.loads(_child("rehearsals.py", json.dumps(plan)))
            name = f"{_counted(tables, 0)}, {policy}, {processes} process{'es' if processes > 1 else ''}"
            numbers = [f"{found['seconds']:.1f}", f"{found['cpu']:.1f}", f"{found['megabytes']:.0f}"]
            rows.append([name, *numbers, f"{100 * found['loop']:.0f} %"])
            seconds.append(found)
        one, tracking, fifty = seconds
        _table(
            f"Rehearsal of {days} days, 60-second checks, with rivals",
            ("", "seconds", "CPU seconds", "MB", "share in the loop"),
            rows,
        )
        self._target(f"seconds for {days} days of 1 table", 4, one["seconds"], ".1f")
        self._target(
            "the same with target tracking, relative to thresholds", 2, tracking["seconds"] / one["seconds"], ".2f"
        )
        self._target(f"seconds for {days} days of {many} tables in two processes", 60, fifty["seconds"], ".0f")
        self._target(f"MB for {many} tables", 300, fifty["megabytes"], ".0f")

    def _target(self, what: str, most: float, measured: float, form: str) -> None:
        met = "yes" if measured <= most else "NO"
        self._targets.append([what, f"{most:g}", f"{measured:{form}}", met])

    def large(self, tables: int) -> None:
        rows = []
        for latency in self.size.latencies:
            outcome = self._run(tables, 1, THREADS, [("check", latency)])
            (step,) = outcome["steps"]
            counts = [f"{step['calls'][operation]:,}" for operation in OPERATIONS[:3]]
            peaks = [f"{step['peaks'][operation]:,}" for operation in OPERATIONS[1:3]]
            row = [
                f"{1000 * latency:.0f} ms",
                f"{step['wall']:.1f}",
                f"{step['cpu']:.1f}",
                f"{outcome['resident']:.0f}",
            ]
            rows.append([*row, *counts, *peaks])
        _table(
            f"The first check of {_counted(tables, 1)}",
            (
                "delay of a call",
                "seconds",
                "CPU seconds",
                "MB",
                *OPERATIONS[:3],
                "peak DescribeTable per second (2,500 allowed)",
                "peak GetMetricData per second (50 allowed)",
            ),
            rows,
        )


def _of(outcome: Outcome, kind: str, what: str, latency: float = 0, *, least: bool = False) -> float:
    """The median or minimum of the steps of a kind, without the first check, which opens the connections."""
    alike = [step[what] for step in outcome["steps"][1:] if (step["kind"], step["latency"]) == (kind, latency)]
    return float(min(alike) if least else statistics.median(alike))


def _mean(steps: Sequence[Outcome]) -> dict[str, float]:
    """The time that a check took, and its calls by operation."""
    told = [
        {**dict.fromkeys(OPERATIONS, 0), **step["calls"], "wall": step["wall"], "cpu": step["cpu"]} for step in steps
    ]
    return {what: statistics.mean(one[what] for one in told) for what in told[0]}


def _cells(mean: dict[str, float], describe: float, metrics: float) -> list[str]:
    """With the CPU seconds that botocore needs for one DescribeTable, and for all GetMetricData."""
    alone = mean["DescribeTable"] * describe + metrics
    calls = [f"{round(mean[operation], 1):,g}" for operation in OPERATIONS[:3]]
    return [*calls, f"{mean['wall']:.2f}", f"{mean['cpu']:.2f}", f"{alone:.2f}", f"{mean['cpu'] / alone:.2f}"]


def _counted(tables: int, indexes: int) -> str:
    what = f"{tables:,} table{'s' if tables > 1 else ''}"
    return f"{what} with an index{' each' if tables > 1 else ''}" if indexes else what


# Processes


@contextmanager
def _stub(tables: int, indexes: int, percent: int) -> Iterator[str]:
    """The stub's URL, while it runs."""
    words = [sys.executable, str(HERE / "stub.py"), str(tables), str(indexes), str(percent)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def _child(script: str, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, str(HERE / script), *words],
        env=environment | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{script} exited {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


# Markdown


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [f"### {title}", "", _row(heads), _row(["---", *["---:"] * (len(heads) - 1)]), *map(_row, rows), ""]
    _say("\n".join(lines))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.strip() for cell in cells)} |"


_said: list[str] = []


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    _said.append(text)


def _write(mark: str) -> None:
    """Into the document, between the lines <!-- mark --> and <!-- end of mark -->."""
    before, rest = DOCUMENT.read_text("utf-8").split(f"<!-- {mark} -->\n")
    after = rest.split(f"<!-- end of {mark} -->\n")[1]
    said = "\n".join(_said).strip()
    DOCUMENT.write_text(f"{before}<!-- {mark} -->\n\n{said}\n\n<!-- end of {mark} -->\n{after}", "utf-8")


def main(arguments: Sequence[str]) -> None:
    tiny, large = "--tiny" in arguments, "--large" in arguments
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(TINY if tiny else FULL, Path(folder))
        if large:
            bench.large(20 if tiny else LARGE)
        else:
            bench.all()
    if "--write" in arguments:
        _write("large" if large else "bench")


if __name__ == "__main__":
    main(sys.argv[1:])
