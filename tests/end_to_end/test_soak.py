"""Months of checks in the model, and minutes of a real daemon: what does not show in one check, or in ten.

In `make test` a short run of each, in `make soak` 90 days and 10 minutes. SOAK_SEED=N in the environment repeats a run,
but for the machine's share in it.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsFault, AwsServer, Body, Fault, MutateFault, RawFault, ResetFault, SilenceFault
from conftest import lives
from memory import resident
from place import Place, end_all, heat, table
from scraper import free_port, get
from trials import SEED, SOAK

from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

MONTHS = Path(__file__).parents[1] / "bench" / "months.py"

pytestmark = pytest.mark.timeout(3600)


def tell(capsys: pytest.CaptureFixture[str], what: str, figures: Mapping[str, Any]) -> None:
    """The figures are what `make soak` is run for."""
    if SOAK:
        with capsys.disabled():
            sys.stdout.write(f"\n{what}: {json.dumps(figures)}\n")


# Months in the model


@pytest.mark.parametrize("refresh", [300, 1500])
def test_months_of_churn_and_faults(capsys: pytest.CaptureFixture[str], refresh: int) -> None:
    days = 90 if SOAK else 2
    words = [sys.executable, str(MONTHS), str(days), str(SEED), str(refresh)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    tell(capsys, f"{days} days, seed {SEED}, refresh-interval {refresh}", figures)
    assert figures["checks"] == 288 * days
    assert min(figures["reloads"], figures["increases needed"], figures["decreases refused"]) >= 2 * days
    assert min(sum(figures["faults"].values()), sum(figures["events"].values())) >= 10 * days
    assert figures["most decreases"] <= 27
    assert figures["longest history"] <= 30  # the model keeps an hour
    assert figures["remembered last"] <= 1.3 * figures["remembered first"]
    assert figures["last"] - figures["first"] <= 2  # MB
    assert figures["traced"] <= 200  # KB; it is another number of tables each time


# Minutes of a daemon

DURATION = 600 if SOAK else 8  # seconds
STEADY = "my-steady"  # the one table whose requests are not spoilt: each check has one line about it
OTHERS = [f"my-{number}" for number in range(6)]
MOST_THREADS = 24  # 16 are the pool's; each table has one at most, also where calls hang on a busy machine
CONNECTIONS = 2 * 16  # that a sample may find open or not: to DynamoDB and to CloudWatch, one a thread
FAULTS = (
    AwsFault("ThrottlingException", "Rate exceeded"),
    AwsFault("ExpiredTokenException", "The security token included in the request is expired"),
    AwsFault("InternalServerError", "Internal server error", 500),
    AwsFault("ServiceUnavailable", "Service unavailable", 503),
    AwsFault("LimitExceededException", "Subscriber limit exceeded: Only 500 tables can be updated simultaneously"),
    RawFault(200, b"{"),
    RawFault(502, b"<html>Bad Gateway</html>"),
    MutateFault(dict.clear),
    ResetFault(),
    ResetFault(performed=True),
    SilenceFault(0.3),
)


class Faulty(AwsServer):
    """Spoils one request in so many, and counts checks: each begins with one ListTables, however often repeated."""

    def __init__(self, seed: int) -> None:
        rules = Rules(update_seconds=0.5)
        super().__init__(World(clock=lambda: datetime.now(timezone.utc), rules=rules), faults=[self._spoil])
        self.checks = 0
        self.spoilt = 0
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._guard = threading.Lock()

    def _respond(self, headers: Mapping[str, str], body: bytes) -> Any:
        if headers["x-amz-target"].endswith(".ListTables") and headers["amz-sdk-request"].startswith("attempt=1"):
            self.checks += 1
        return super()._respond(headers, body)

    def _spoil(self, _operation: str, body: Body) -> Fault | None:
        with self._guard:
            if body.get("TableName") == STEADY or self._dice.random() > 0.04:
                return None
            self.spoilt += 1
            return self._dice.choice(FAULTS)


@dataclass
class Samples:
    """What the process had, over time."""

    resident: list[float] = field(default_factory=list)  # MB
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def take(self, pid: int) -> None:
        process = Path("/proc", str(pid))
        self.resident.append(resident("VmRSS", pid))
        self.files.append(len(list((process / "fd").iterdir())))
        self.threads.append(len(list((process / "task").iterdir())))

    def ends(self, values: list[Any]) -> tuple[float, float]:
        """The medians of the first and of the last tenth."""
        tenth = max(1, len(values) // 10)
        return statistics.median(values[:tenth]), statistics.median(values[-tenth:])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Faulty(SEED) as server:
        made = Place(tmp_path, server)
        for name in (STEADY, *OTHERS):
            table(server, name)
        try:
            yield made
        finally:
            end_all(tmp_path)


GOOD, BAD = "SIGHUP: the configuration was read again", "SIGHUP: the new configuration cannot be used"


def rotate_and_hang_up(place: Place, pid: int, number: int, general: str) -> str:
    """As logrotate does it; each fifth configuration is a bad one. Returns what the daemon answered."""
    answer = GOOD if number % 5 else BAD
    threshold = f"reads-upper-threshold: {80 + number % 10}"
    wrong = "reads-upper-treshold: 80"
    place.configure(threshold if number % 5 else wrong, name=f"^my-(?!{number})", interval=1, general=general)
    place.log.rename(place.home / f"old.{number:04}")
    place.hang_up(pid, answer)
    return answer


def churn(server: Faulty, dice: random.Random) -> None:
    """Loads change, and a table comes or goes."""
    heat(server, dice.choice(list(server.world.tables.keys() - {STEADY})), dice.choice((20, 50, 95, 500)))
    name = f"my-{dice.randrange(100, 110)}"
    if name in server.world.tables:
        server.world.delete_table(name)
    else:
        table(server, name)


@pytest.mark.parametrize("refresh", [1, 300])
def test_minutes_of_hang_ups_and_faults(place: Place, capsys: pytest.CaptureFixture[str], refresh: int) -> None:
    server, dice = place.server, random.Random(SEED)  # noqa: S311
    assert isinstance(server, Faulty)
    ports = free_port(), free_port()
    general = f"refresh-interval: {refresh}\nmetrics-port: "
    place.configure(interval=1, general=f"{general}{ports[0]}")
    pid, began, samples, answers = place.start(), time.monotonic(), Samples(), Counter[str]()
    for number in itertools.count(1):
        if time.monotonic() > began + DURATION:
            break
        port = ports[number // 5 % 2]  # the bad one, each fifth, names another one too, and the old one stays
        answers[rotate_and_hang_up(place, pid, number, f"{general}{port}")] += 1
        churn(server, dice)
        with socket.create_connection(("127.0.0.1", port if number % 5 else ports[(number - 1) // 5 % 2])) as silent:
            silent.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")  # and never reads
            assert get(silent.getpeername()[1]).status == 200
            samples.take(pid)
            time.sleep(dice.random())
    assert lives(pid)
    assert place.pid() == pid
    done = place.run("status", "--json", "--max-age", "600")
    (told,) = json.loads(done.stdout)
    assert (done.returncode, told["heartbeat"]["pid"], told["problem"]) == (0, pid, None)
    stopped = place.end(pid)  # which has a bound; `stop` would begin to count when Python has started
    files = [*sorted(place.home.glob("old.*")), place.log]
    state = place.pid_file().with_suffix(".state").stat().st_size
    figures = {
        "seed": SEED,
        "checks": server.checks,
        "faults": server.spoilt,
        "hang-ups": answers,
        "rotations": len(files) - 1,
        "MB": samples.ends(samples.resident),
        "open files": samples.ends(samples.files),
        "threads": samples.ends(samples.threads),
        "seconds to stop": round(stopped, 1),
        "bytes of the state file": state,
    }
    tell(capsys, f"{DURATION} s of a daemon, refresh-interval {refresh}", figures)
    most = server.checks if refresh == 1 else None  # else a check may list nothing, and not be counted
    logs_are_whole([file.read_text() for file in files], server.checks, most, answers)
    nothing_grows(samples)
    assert state < 20_000


def logs_are_whole(texts: list[str], least: int, most: int | None, answers: Counter[str]) -> None:
    """No line is lost, torn or of something that nobody foresaw."""
    lines = "".join(texts).splitlines()
    assert [text for text in texts if not text.endswith("\n")] == []
    strange = re.compile(
        r"(?!\d{4}-\d\d-\d\d [\d:,]{12} - dynamic-dynamodb - [A-Z]+ - )|.*(Traceback|unexpected error)"
    )
    assert [line for line in lines if strange.match(line)] == []
    assert {answer: sum(answer in line for line in lines) for answer in answers} == answers
    told = re.compile(r".* - INFO - check \d+( failed)?: ")
    checks = sum(told.match(line) is not None for line in lines)
    assert least - 1 <= checks  # the last one may be abandoned
    assert most is None or checks <= most
    times = [line[:23] for line in lines]
    assert times == sorted(times)


def nothing_grows(samples: Samples) -> None:
    first, last = samples.ends(samples.resident)
    assert last - first <= (3 if SOAK else 10)  # MB
    first, last = samples.ends(samples.files)
    assert last - first <= CONNECTIONS  # one a hang-up would be hundreds
    assert max(samples.threads) <= MOST_THREADS
