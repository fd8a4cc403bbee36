"""Prints the seconds that each of some checks took, as JSON: `check_times.py CONFIG CHECKS`. calls.py runs it."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timezone

from dynamic_dynamodb import aws, config
from dynamic_dynamodb.loop import Scaler
from dynamic_dynamodb.workers import Workers


def main(path: str, checks: int) -> None:
    merged = config.load({"config": path}, []).config
    merged["global"]["region"] = "us-east-1"
    scaler = Scaler(merged, aws.clients(merged["global"]), Workers(), lambda: datetime.now(timezone.utc))
    times = []
    for _ in range(checks + 1):
        begun = time.perf_counter()
        if not scaler.check():
            raise SystemExit("the check failed")
        times.append(time.perf_counter() - begun)
    sys.stdout.write(json.dumps(times[1:]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
