"""The calls of one check and its wall time, for 1 and for 100 tables with an index each. Run by `make bench`.

AWS is tests/aws_server.py, in this process; what is measured runs in another one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

from aws_server import AwsServer

from dynamic_dynamodb.model import Target
from dynamic_dynamodb.simulation import World

SCRIPT = Path(sys.executable).parent / "dynamic-dynamodb"
CHECKER = Path(__file__).parent / "check_times.py"
FEW, MANY = 1, 100
LATENCY = 0.05
CHECKS = 5
OPERATIONS = ("ListTables", "DescribeTable", "GetMetricData", "UpdateTable")
CONFIGURATION = "[table: ^table-]\n[gsi: ^index$ table: ^table-]\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "bench.conf"
        conf.write_text(CONFIGURATION, "utf-8")
        show_calls(conf)
        show_times(conf)


def world(tables: int, percent: int) -> World:
    """So many tables with an index each, all of them with this much of their units consumed."""
    made = World(clock=lambda: datetime.now(timezone.utc))
    for number in range(tables):
        name = f"table-{number:03}"
        made.add_table(name, 100, 100, indexes={"index": (100, 100)})
        for target in (Target(name), Target(name, "index")):
            made.set_load(target, "reads", percent)
            made.set_load(target, "writes", percent)
    return made


def environment(server: AwsServer) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }


def run(server: AwsServer, *command: str | Path) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603 - our own words
        words, env=environment(server), capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} exited {done.returncode}:\n{done.stderr}")
    return done.stdout


def show_calls(conf: Path) -> None:
    """`dynamic-dynamodb --run-once`, once where nothing is to change and once where everything is."""
    for percent, what in ((50, "nothing to change"), (95, "everything to change")):
        counts: dict[int, Counter[str]] = {}
        for tables in (FEW, MANY):
            with AwsServer(world(tables, percent)) as server:
                run(server, SCRIPT, "--config", conf, "--run-once")
                counts[tables] = Counter(server.calls)
        few, many = counts[FEW], counts[MANY]
        lines = [f"Calls of one check, {what}", _heading("ratio")]
        for operation in sorted({*OPERATIONS, *few, *many}, key=[*OPERATIONS, *few, *many].index):
            if few[operation] or many[operation]:
                ratio = f"{many[operation] / few[operation]:.2f}" if few[operation] else "-"
                lines.append(f"  {operation:22}{few[operation]:12}{many[operation]:12}{ratio:>8}")
        ratio = f"{many.total() / few.total():.2f}"
        lines.append(f"  {'all':22}{few.total():12}{many.total():12}{ratio:>8}")
        _say(lines)


def show_times(conf: Path) -> None:
    medians = {}
    for tables in (FEW, MANY):
        with AwsServer(world(tables, 50), latency=LATENCY) as server:
            times = json.loads(run(server, sys.executable, CHECKER, str(conf), str(CHECKS)))
            medians[tables] = statistics.median(times)
    few, many = (f"{medians[tables]:.3f}" for tables in (FEW, MANY))
    _say(
        [
            f"Seconds of one check, nothing to change, {1000 * LATENCY:.0f} ms added to each call; median of {CHECKS}",
            "checks of one process, after a first one that opens the connections",
            _heading("ratio"),
            f"  {'wall time':22}{few:>12}{many:>12}{medians[MANY] / medians[FEW]:8.2f}",
        ]
    )


def _heading(last: str) -> str:
    return f"{'':24}{f'{FEW} table':>12}{f'{MANY} tables':>12}{last:>8}"


def _say(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
