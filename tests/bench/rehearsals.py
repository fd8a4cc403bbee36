"""Rehearsals of 60-second checks: `rehearsals.py JSON` prints JSON: seconds, megabytes, and what share the loop has.

The JSON that is given: tables, days, processes, policy.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from dynamic_dynamodb.configuration import loader, prices
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.rehearsal import shop
from dynamic_dynamodb.rehearsal.demand import Demand, Load
from dynamic_dynamodb.rehearsal.rehearse import Scheme, rehearse
from dynamic_dynamodb.simulation.world import World


def main(tables: int, days: int, processes: int, policy: str) -> dict[str, float]:
    logging.getLogger("dynamic-dynamodb").setLevel(logging.CRITICAL + 1)
    flags = {"table-name": "table-", "check-interval": "60", "scaling-policy": policy}
    run = partial(rehearse, [Scheme("this", loader.load(flags).config)], prices=prices.BUILT_IN)
    begun = time.perf_counter()
    run(demand(tables, days), processes=processes)
    seconds = time.perf_counter() - begun
    cpu = sum(os.times()[:4])  # its own, and that of its processes
    used = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "megabytes": used[0] + used[1] * (processes if processes > 1 else 0),
        "loop": _share_of_the_loop(run, demand(1, max(1, days // 7))),
    }


def demand(tables: int, days: int) -> Demand:
    """The shop's week again and again, each table with other amounts: all of them within the account's quota."""
    reads, writes = shop.sales("sales-week")
    minutes = days * 1440
    weeks = -(-minutes // len(reads))
    loads = []
    for number in range(tables):
        factor = 10 / (10 + number)
        both = (array("d", ((value * factor) for value in (one * weeks)[:minutes])) for one in (reads, writes))
        loads.append(Load(Target(f"table-{number:02}"), (next(both), next(both))))
    return Demand("bench", shop.START, minutes, tuple(loads))


class _Timed:
    """One of the model's clients, and how many seconds its calls took."""

    def __init__(self, client: Any, spent: list[float]) -> None:
        self._client = client
        self._spent = spent

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(**arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return method(**arguments)
            finally:
                self._spent.append(time.perf_counter() - begun)

        return call


def _share_of_the_loop(run: Callable[..., Any], of: Demand) -> float:
    """What neither the model nor the rivals take."""
    spent: list[float] = []
    begun: list[float] = []

    def enter(world: World) -> None:
        for name in ("dynamodb", "cloudwatch"):
            setattr(world, name, _Timed(getattr(world, name), spent))
        begun.append(time.perf_counter())

    ended = [0.0]

    def progress(share: float) -> None:
        if share >= 1 and not ended[0]:
            ended[0] = time.perf_counter()

    before = time.perf_counter()
    run(of, entered=enter, progress=progress)
    return (ended[0] - begun[0] - sum(spent)) / (time.perf_counter() - before)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(**json.loads(sys.argv[1]))) + "\n")
