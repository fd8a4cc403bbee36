"""How much memory a process has, and how it grows."""

from __future__ import annotations

import gc
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

_TRACED = 10  # the last of so many parts of the checks is traced: that takes three times as long


def resident(which: str, process: int | str = "self") -> float:
    """In MB; VmRSS is what is resident now, VmHWM the most that ever was. Linux only, elsewhere 0."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text("ascii").splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{which}:")) / 1024


def growth(run: Callable[[int], object], checks: int) -> dict[str, float]:
    """Run so many checks, `run` being told how many, and see what they leave behind.

    `first` and `last`: MB resident after a tenth of the checks and after nine tenths, since tracing takes a MB itself;
    `traced`: KB that Python's objects took more after the last of them than a few before, by tracemalloc.
    """

    def resident_after(count: int) -> float:
        run(count)
        re.purge()  # it keeps the last 512 patterns, and each configuration may bring new ones
        gc.collect()
        return resident("VmRSS")

    first = resident_after(checks // 10)
    last = resident_after(checks - checks // 10 - checks // _TRACED)
    tracemalloc.start()
    resident_after(checks // _TRACED // 2)
    traced = _traced()
    resident_after(checks // _TRACED - checks // _TRACED // 2)
    grown = _traced() - traced
    tracemalloc.stop()
    return {"first": first, "last": last, "traced": grown / 1024}


def _traced() -> int:
    """Bytes of Python's objects, but for those of the model of AWS: its ledgers come and go with its tables."""
    others = tracemalloc.Filter(False, "*/dynamic_dynamodb/simulation/*")
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([others]).traces)
