"""What is left behind by many checks: `growth.py CONFIG TABLES CHECKS`, in the model and under its virtual clock.

Prints JSON: MB resident after a tenth of the checks and after all of them, the KB that Python's objects took then (by
tracemalloc, of what the last of the checks left), the UpdateTables that were made, and the seconds it all took.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Any

from checks import resident

from dynamic_dynamodb import config, logs
from dynamic_dynamodb.loop import Clients, Scaler
from dynamic_dynamodb.model import AXES, Target
from dynamic_dynamodb.simulation import Rules, World
from dynamic_dynamodb.workers import Workers

_TRACED = 10  # the last of so many parts of the checks is traced: that takes three times as long


def main(path: str, tables: int, checks: int) -> dict[str, Any]:
    begun = time.perf_counter()
    merged = config.load({"config": path}, []).config
    logs.set_up(merged["logging"], dry_run=False, console=False)
    world = _world(tables)
    clients = Clients(world.dynamodb, world.cloudwatch, world.sns)
    scaler = Scaler(merged, clients, Workers(threads=1), world.clock)
    updates = 0

    def run(count: int) -> float:
        nonlocal updates
        for _ in range(count):
            world.advance(300)
            if not scaler.check():
                raise SystemExit("the check failed")
            updates += len(world.updates)
            world.updates.clear()  # the model's own record
        gc.collect()
        return resident("VmRSS")

    first = run(checks // 10)
    run(checks - checks // 10 - checks // _TRACED)
    tracemalloc.start()
    run(checks // _TRACED // 2)
    traced = tracemalloc.get_traced_memory()[0]
    run(checks // _TRACED - checks // _TRACED // 2)
    grown = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    last = run(0)
    return {
        "first": first,
        "last": last,
        "traced": grown / 1024,
        "updates": updates,
        "seconds": time.perf_counter() - begun,
    }


def _world(tables: int) -> World:
    made = World(rules=Rules(capped=False, retention=3600))
    for number in range(tables):
        made.add_table(f"table-{number:05}", 100, 100)
        for axis in AXES:
            made.set_load(Target(f"table-{number:05}"), axis, _demand(number))
    return made


def _demand(number: int) -> Callable[[datetime], float]:
    """Busy for three hours of four, each table at its own time, so that units go up and down all the time."""
    return lambda minute: 300.0 if (minute.hour + number) % 4 else 20.0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
