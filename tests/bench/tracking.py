"""What target tracking costs and throttles, beside thresholds and AWS's own target tracking.

    python tests/bench/tracking.py [FILE.csv ...] [--sensitivity] [--clairvoyant FILE.json]

Without files: the bundled loads. With `timestamp,units_per_second` files: these. Every row is a rehearsal by the
console script, of reads alone. Cost is the ratio to the least that serves every minute (or to a clairvoyant's unit
hours, by the name of the file). `--sensitivity`: the quick model of the tests, one constant changed at a time.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "stand_ins")]

from axis_under_load import policy, simulate  # noqa: E402

from dynamic_dynamodb.rehearsal import tracefile  # noqa: E402

SCRIPT = Path(sys.executable).parent / "dynamic-dynamodb"
LOADS = ("sales-day", "sales-week")
TRACKED = "scaling-policy: target-tracking\n"
CONFIGURATIONS = {
    "thresholds": "",
    "tracking": TRACKED,
    "tracking 95": TRACKED + "target-reads-utilization: 95\n",
    "95, burst 50": TRACKED + "target-reads-utilization: 95\nburst-credit: 50\n",
}
AWS = "target-tracking"  # the kind of AWS's row


def rehearse(load: str, configurations: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Each outcome of reads by name; AWS's own and the least, too."""
    with tempfile.TemporaryDirectory() as folder:
        flags: list[str] = []
        for number, text in enumerate(configurations.values()):
            path = Path(folder, f"{number}.conf")
            path.write_text(
                f"[global]\ncheck-interval: 60\nregion: us-east-1\n[default_options]\n{text}[table: ^orders$]\n"
            )
            flags += ["--config", str(path)]
        command = [str(SCRIPT), *flags, "--simulate", load, "--simulate-axis", "reads", "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    (resource,) = json.loads(done.stdout)["resources"]
    outcomes = [one["axes"]["reads"] for one in resource["outcomes"]]
    chosen = [one for one in outcomes if one["kind"] == "configuration"]
    found = dict(zip(configurations, chosen, strict=True))
    return {**found, **{one["kind"]: one for one in outcomes if one["kind"] in (AWS, "least")}}


def rows(loads: Iterable[str], clairvoyant: Mapping[str, Any]) -> None:
    """One row per load; cost and throttled percent of each way."""
    names = [*CONFIGURATIONS, "AWS at 70 %"]
    print(f"{'':24}" + "".join(f"{name:>20}" for name in names))  # noqa: T201
    for load in loads:
        found = rehearse(load, CONFIGURATIONS)
        known = clairvoyant.get(Path(load).stem)
        least = known["unit_hours"] if known else found["least"]["read_unit_hours"]
        cells = [found[name] for name in (*CONFIGURATIONS, AWS)]
        texts = [f"{one['read_unit_hours'] / least:.3f}  {one['throttled_percent']:.4f} %" for one in cells]
        print(f"{Path(load).stem[:23]:24}" + "".join(f"{text:>20}" for text in texts), flush=True)  # noqa: T201


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "delay 1 min": {"delay": 1},
    "delay 4 min": {"delay": 4},
    "retry .5": {"retry": 0.5},
    "retry .9": {"retry": 0.9},
    "burst 60 s": {"burst": 60},
    "no burst": {"burst": 0},
    "update 3 min": {"update": 3},
    "older decrease rule": {"older": True},
}


def sensitivity(files: Sequence[str]) -> None:
    """Cost against the first row, and throttled percent; the mean of the loads."""
    loads = [list(tracefile.read(file).units) for file in files]  # type: ignore[union-attr]
    for label, options in (("tracking", {}), ("95, burst 50", {"target_utilization": 95, "burst_credit": 50})):
        rule = policy(**{name: Fraction(value) for name, value in options.items()})
        first: list[float] = []
        for name, constants in VARIANTS.items():
            runs = [simulate(rule, load, max(1, math.ceil(max(load[:60]) / 0.7)), **constants) for load in loads]
            hours = [run.unit_hours for run in runs]
            first = first or hours
            ratio = sum(mine / other for mine, other in zip(hours, first, strict=True)) / len(runs)
            shares = [sum(run.throttled) / 60 / sum(load) for run, load in zip(runs, loads, strict=True)]
            print(f"{label:14} {name:20} {ratio:.3f}  {100 * sum(shares) / len(shares):.4f} %", flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--sensitivity", action="store_true")
    parser.add_argument("--clairvoyant", type=Path)
    given = parser.parse_args()
    if given.sensitivity:
        sensitivity(given.files)
    else:
        known = json.loads(given.clairvoyant.read_text()) if given.clairvoyant else {}
        rows(given.files or LOADS, known)


if __name__ == "__main__":
    main()
