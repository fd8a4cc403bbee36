"""What Prometheus is to the program: it asks for metrics over HTTP, and reads them by its own parser."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from typing import NamedTuple

from conftest import PATIENCE
from prometheus_client.parser import text_string_to_metric_families

LONG = PATIENCE  # nothing takes so long, unless it hangs


class Got(NamedTuple):
    status: int
    kind: str
    text: str


def get(port: int, path: str = "/metrics", host: str = "127.0.0.1") -> Got:
    """One request."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=LONG) as answer:
            return Got(answer.status, answer.headers["Content-Type"], answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Got(error.code, error.headers["Content-Type"], error.read().decode())


Sample = tuple[str, frozenset[tuple[str, str]]]


def sample(name: str, **labels: str) -> Sample:
    """The key of a sample; an empty label is none."""
    return f"dynamic_dynamodb_{name}", frozenset((key, value) for key, value in labels.items() if value)


def parsed(text: str) -> dict[Sample, float]:
    """All samples, by name and labels."""
    return {
        (one.name, frozenset((key, value) for key, value in one.labels.items() if value)): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def free_port() -> int:
    """One that nobody listens to, at least a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
