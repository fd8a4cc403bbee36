"""How long `--help` and `--version` take, as ratios to starting Python. Run by `make bench`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "dynamic-dynamodb"
RUNS = 21
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "--version": [str(SCRIPT), "--version"],
    "--help": [str(SCRIPT), "--help"],
}


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS + 1):  # in turn, so that a slow moment of the machine falls on all alike
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
            times[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first run writes .pyc files
    bare = medians["python -c pass"]
    lines = [f"Start-up, median of {RUNS} runs", f"{'':24}{'ms':>8}{'ratio':>8}"]
    lines += [f"  {name:22}{1000 * median:8.1f}{median / bare:8.2f}" for name, median in medians.items()]
    sys.stdout.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    main()
