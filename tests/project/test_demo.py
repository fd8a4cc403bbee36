"""`make demo` shows what it promises: the script that it runs, run here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "docs" / "demo" / "demo.py"

# resource, axis -> provisioned before the first check, after it, and a piece of the reason
EXPECTED = {
    ("orders", "reads"): (100, 150, "95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)"),
    ("orders", "writes"): (100, 45, "40.0 % of 100 <= 40 %: 100 -> 45 (-70 % would be 30; 45 keeps"),
    ("archive", "reads"): (200, 10, "1.0 % of 200 <= 30 %: 200 -> 10 (-95 %)"),
    ("archive", "writes"): (100, 5, "0.0 % of 100 <= 40 %: 100 -> 5 (-95 %)"),
    ("customers", "reads"): (50, 70, "150 reads throttled > 50: 50 -> 70"),
    ("customers", "writes"): (50, 50, "50.0 % of 50: stays"),
    ("customers, index by-email", "reads"): (100, 10, "4.0 % of 100 <= 30 %: 100 -> 10 (-90 %)"),
    ("customers, index by-email", "writes"): (20, 20, "50.0 % of 20: stays"),
    ("customers, index by-city", "reads"): (20, 20, "50.0 % of 20: stays"),
    ("customers, index by-city", "writes"): (20, 45, "150.0 % of 20 >= 90 %: 20 -> 45 (+50 % of 30"),
}
ROW = re.compile(r"  (?P<axis>reads|writes) +(?P<before>\d+) (->|  ) +(?P<after>\d+)  (?P<reason>.+)")


def rows(text: str) -> dict[tuple[str, str], tuple[int, int, str]]:
    """The table of one check, its wrapped reasons in one line again."""
    found: dict[tuple[str, str], tuple[int, int, str]] = {}
    resource, last = "", ("", "")
    for line in text.splitlines():
        row = ROW.fullmatch(line)
        if row:
            last = (resource, row["axis"])
            found[last] = (int(row["before"]), int(row["after"]), row["reason"])
        elif line.startswith(" " * 25) and last in found:
            before, after, reason = found[last]
            found[last] = (before, after, f"{reason} {line.strip()}")
        else:
            resource, last = line, ("", "")
    return found


def demo(columns: int) -> str:
    """What the demo prints at a terminal of so many columns."""
    # Settings of the reader's that would lead astray, if they were not left out.
    astray = {
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(DEMO)],
        cwd=ROOT,
        env={**os.environ, **astray, "COLUMNS": str(columns)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def parted(output: str) -> tuple[list[str], list[str]]:
    """The lines of the demo's own, and the table of the rehearsal, which is 80 columns wide at any terminal."""
    lines = output.splitlines()
    begin = lines.index("sales-day: 1 table, 1 day")
    end = next(number for number in range(begin, len(lines)) if lines[number].startswith("The same for"))
    return [*lines[:begin], *lines[end:]], lines[begin:end]


@pytest.fixture(scope="module")
def output() -> str:
    return demo(80)


@pytest.mark.xdist_group("demo")
def test_first_check_changes_what_does_not_fit_and_says_why(output: str) -> None:
    first = rows(output.split("Second check", maxsplit=1)[0])
    assert first.keys() == EXPECTED.keys()
    for key, (before, after, reason) in EXPECTED.items():
        assert first[key][:2] == (before, after), key
        assert reason in first[key][2], key


@pytest.mark.xdist_group("demo")
def test_second_check_changes_nothing_and_says_why(output: str) -> None:
    second = rows(output.split("Second check")[1])
    assert second.keys() == EXPECTED.keys()
    for key, (before, after, reason) in second.items():
        assert before == after == EXPECTED[key][1], key
        assert "stays" in reason, key


@pytest.mark.xdist_group("demo")
def test_on_demand_table_is_named_and_left_alone(output: str) -> None:
    assert len(re.findall(r"(?m)^sessions +on demand", output)) == 2


@pytest.mark.xdist_group("demo")
def test_it_ends_with_a_rehearsal_of_two_configurations(output: str) -> None:
    """In the cells of dollars and throttled percent: what the command prints, told apart by row."""
    _, table = parted(output)
    rows = {line[:26].strip(): line[26:].split() for line in reversed(table)}
    thresholds, tracking = rows["docs/demo/thresholds.conf"], rows["docs/demo/tracking.conf"]
    assert float(tracking[2]) < float(thresholds[2]) < float(rows["on demand"][0])
    assert "--config docs/demo/thresholds.conf" in output


@pytest.mark.xdist_group("demo")
def test_output_fits_a_terminal_and_shows_the_command(output: str) -> None:
    lines, table = parted(output)
    assert max(map(len, table)) <= 80
    assert max(map(len, lines)) < 80
    assert len(lines) < 70
    assert "dynamic-dynamodb --run-once" in output
    assert "--config docs/demo/demo.conf" in output
    assert "Traceback" not in output


@pytest.mark.xdist_group("demo")
def test_output_fits_a_narrow_terminal() -> None:
    """But for the command and its URL, which are not to be broken."""
    lines, _ = parted(demo(40))
    assert [line for line in lines if len(line) > 39 and "dynamic-dynamodb" not in line and "--" not in line] == []
    assert "  reads    100 ->   150" in lines
    assert "    (+50 %)" in lines


@pytest.mark.xdist_group("demo")
def test_the_readme_shows_what_it_prints(output: str) -> None:
    """Line for line; `...` stands for any lines left out."""
    block = re.search(r"```console\n\$ make demo\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block, "the README does not show make demo"
    shown = [re.escape(part) for part in re.split(r"^\.\.\.\n", block[1], flags=re.M)]
    assert len(block[1].splitlines()) > 10
    assert re.fullmatch("(?:.*\n)*?".join(shown), output), f"{output}\nis not what the README shows:\n{block[1]}"
