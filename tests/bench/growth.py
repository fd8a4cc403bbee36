"""What is left behind by many checks: `growth.py CONFIG TABLES CHECKS`, in the model and under its virtual clock.

Prints JSON: what memory.growth tells, the UpdateTables that were made, and the seconds it all took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from memory import growth

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.decisions.model import AXES, Target
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World


def main(path: str, tables: int, checks: int) -> dict[str, Any]:
    begun = time.perf_counter()
    merged = loader.load({"config": path}, []).config
    logs.set_up(merged["logging"], dry_run=False, console=False)
    world = _world(tables)
    clients = Clients(world.dynamodb, world.cloudwatch, world.sns)
    scaler = Scaler(merged, clients, Workers(threads=1), world.clock)
    updates = 0

    def run(count: int) -> None:
        nonlocal updates
        for _ in range(count):
            world.advance(300)
            if not scaler.check():
                raise SystemExit("the check failed")
            updates += len(world.updates)
            world.updates.clear()  # the model's own record

    grown = growth(run, checks)
    return {**grown, "updates": updates, "seconds": time.perf_counter() - begun}


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
