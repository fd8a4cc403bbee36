"""Renders metrics in Prometheus's text format with prometheus-client, an optional extra that is imported on demand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.metrics.families import FAMILIES, PREFIX, Family, Situation

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def require(option: str) -> None:
    """Raises ConfigError if there is no working prometheus-client."""
    try:
        import prometheus_client  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "prometheus_client":
            how = f"`{sys.executable} -m pip install prometheus-client`, or `pip install '.[metrics]'` in the checkout"
            raise ConfigError([f"{option}: needs prometheus-client, which is not installed: run {how}"]) from error
        text = " ".join(str(error).split())
        raise ConfigError([f"{option}: prometheus-client cannot be imported: {text}"]) from error


def render(now: Situation) -> bytes:
    """All metrics, for one scrape."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - optional

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(now))
    return generate_latest(registry)


class _Collector:
    def __init__(self, now: Situation) -> None:
        self._now = now

    def describe(self) -> Iterator[Metric]:
        """Nothing: there are no other collectors whose names could clash."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        return (_metric(family, self._now) for family in FAMILIES)


def _metric(family: Family, now: Situation) -> Metric:
    from prometheus_client.metrics_core import Metric  # noqa: PLC0415 - optional

    made = Metric(PREFIX + family.name, family.help, family.kind)
    for labels, value in family.values(now):
        made.add_sample(family.exposed, dict(zip(family.labels, labels, strict=True)), value)
    return made
