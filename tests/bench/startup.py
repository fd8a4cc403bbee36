"""How long the program takes to start, beside bare Python."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "dynamic-dynamodb"
BARE = "python -c pass"


def seconds(conf: Path, runs: int) -> dict[str, float]:
    """The median of each command; `conf` is the file whose configuration is shown."""
    commands = {
        BARE: [sys.executable, "-c", "pass"],
        "--version": [str(SCRIPT), "--version"],
        "--help": [str(SCRIPT), "--help"],
        "--show-config": [str(SCRIPT), "--config", str(conf), "--show-config"],
    }
    # As users start it: what is installed is compiled once.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):  # in turn, so that a slow moment of the machine falls on all alike
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - ours
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values[1:]) for name, values in times.items()}  # the first run writes .pyc files
