"""THE table of metrics: each is declared here once, with the values that it has after a check."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynamic_dynamodb.aws.errors import OPERATIONS, OUTCOMES
from dynamic_dynamodb.checks.observed import Observed
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration.prices import Prices
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.decisions.model import AXES, Target
from dynamic_dynamodb.output.masking import printable

PREFIX = "dynamic_dynamodb_"
_RESOURCES = ("looked_at", "changed", "left_alone", "failed")

Labels = tuple[str, ...]
Sample = tuple[Labels, float]


@dataclass(frozen=True)
class Situation:
    """The data of all metrics, after a check."""

    heartbeat: Heartbeat
    record: Record
    targets: Mapping[Target, Observed]
    check: int  # the number of the last check
    calls: Mapping[tuple[str, str], int]  # calls to AWS since the start, by operation and outcome
    general: Mapping[str, Any]  # [global] of the config dict
    dry_run: bool
    prices: Prices


Values = Callable[[Situation], Iterator[Sample]]


@dataclass(frozen=True)
class Family:
    """One metric. The exposed name of a counter ends in `_total`."""

    name: str
    kind: str  # gauge, counter or info
    help: str
    labels: Labels
    values: Values

    @property
    def exposed(self) -> str:
        """Its name in queries."""
        return PREFIX + self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


# Of the process


def _one(value: Callable[[Situation], float | None]) -> Values:
    """A metric without labels; it is absent if the value is None."""

    def values(now: Situation) -> Iterator[Sample]:
        found = value(now)
        if found is not None:
            yield (), found

    return values


def _checks(now: Situation) -> Iterator[Sample]:
    yield ("succeeded",), now.record.outcomes[True]
    yield ("failed",), now.record.outcomes[False]


def _calls(now: Situation) -> Iterator[Sample]:
    """With 0 for calls that were not made: Prometheus does not see the first increase of a new series."""
    for operation in OPERATIONS:
        for outcome in OUTCOMES:
            yield (operation, outcome), now.calls.get((operation, outcome), 0)


def _resources(now: Situation) -> Iterator[Sample]:
    for state in _RESOURCES:
        yield (state,), getattr(now.heartbeat, state)


def _build(now: Situation) -> Iterator[Sample]:
    yield (now.heartbeat.version, platform.python_version()), 1


def _configuration(now: Situation) -> Iterator[Sample]:
    beat = now.heartbeat
    path, digest, region = (
        printable(beat.configuration or ""),
        beat.configuration_digest or "",
        now.general["region"] or "",
    )
    yield (beat.instance, region, path, digest, str(now.dry_run).lower()), 1


# Of tables and indexes


def _labels(target: Target, *more: str) -> Labels:
    return target.table, target.index or "", *more


def _each_axis(value: Callable[[Situation, Observed, int], float | None]) -> Values:
    """A metric of each axis of each table and index; `value` gets the number of the axis, and None is absent."""

    def values(now: Situation) -> Iterator[Sample]:
        for target, observed in now.targets.items():
            if observed.provisioned is not None:
                for number, axis in enumerate(AXES):
                    found = value(now, observed, number)
                    if found is not None:
                        yield _labels(target, axis), found

    return values


def _provisioned(_now: Situation, observed: Observed, axis: int) -> float | None:
    return None if observed.provisioned is None else observed.provisioned[axis]


def _consumed(now: Situation, observed: Observed, axis: int) -> float | None:
    return float(observed.usages[axis].rate) if observed.check == now.check else None


def _throttled(now: Situation, observed: Observed, axis: int) -> float | None:
    known = observed.check == now.check and observed.throttled_known[axis]
    return float(observed.usages[axis].throttled_ever) if known else None


def _minimum(_now: Situation, observed: Observed, axis: int) -> float:
    return observed.policies[axis].minimum


def _maximum(_now: Situation, observed: Observed, axis: int) -> float | None:
    return observed.policies[axis].max_provisioned


def _at_maximum(_now: Situation, observed: Observed, axis: int) -> float:
    return observed.capped[axis]


def _changes(now: Situation) -> Iterator[Sample]:
    for target, observed in now.targets.items():
        if observed.provisioned is not None:
            for axis in AXES:
                for direction in ("up", "down"):
                    yield _labels(target, axis, direction), observed.changes[axis, direction]


def _refused(_now: Situation, observed: Observed, axis: int) -> float:
    return observed.refused[AXES[axis]]


def _dollars(now: Situation) -> Iterator[Sample]:
    for target, observed in now.targets.items():
        rates = now.prices.classes.get(observed.table_class)
        if observed.provisioned is not None and rates is not None:
            pairs = zip(observed.provisioned, rates.unit_hours, strict=True)
            yield _labels(target), sum(units * dollars for units, dollars in pairs)


_OF_AXIS = ("table", "index", "axis")

FAMILIES = (
    Family("checks", "counter", "Checks by result.", ("outcome",), _checks),
    Family(
        "check_seconds",
        "counter",
        "Seconds spent in checks.",
        (),
        _one(lambda now: now.record.seconds),
    ),
    Family(
        "last_check_duration_seconds",
        "gauge",
        "Duration of the last check.",
        (),
        _one(lambda now: now.heartbeat.last_took),
    ),
    Family(
        "last_success_timestamp_seconds",
        "gauge",
        "When the last successful check ended, perhaps in an earlier process; absent before the first one.",
        (),
        _one(lambda now: now.heartbeat.last_success.timestamp() if now.heartbeat.last_success else None),
    ),
    Family(
        "consecutive_failed_checks",
        "gauge",
        "Failed checks in a row.",
        (),
        _one(lambda now: now.heartbeat.failures_in_a_row),
    ),
    Family(
        "last_check_resources",
        "gauge",
        "Tables and indexes of the last check by result; one can be in several states.",
        ("state",),
        _resources,
    ),
    Family(
        "aws_calls",
        "counter",
        "Calls to AWS by operation and outcome: succeeded, refused, or unanswered. Retries by boto3 are not counted.",
        ("operation", "outcome"),
        _calls,
    ),
    Family(
        "start_time_seconds",
        "gauge",
        "When the process started.",
        (),
        _one(lambda now: now.heartbeat.started.timestamp()),
    ),
    Family(
        "check_interval_seconds", "gauge", "The pause between two checks.", (), _one(lambda now: now.heartbeat.interval)
    ),
    Family("build", "info", "The release, and its Python version.", ("version", "python"), _build),
    Family(
        "configuration",
        "info",
        "The configuration file with its SHA-256, the name of the daemon, the region, and whether it is a dry run.",
        ("daemon", "region", "file", "sha256", "dry_run"),
        _configuration,
    ),
    Family(
        "provisioned_capacity_units",
        "gauge",
        "Provisioned capacity units per second, as DynamoDB last reported or accepted them.",
        _OF_AXIS,
        _each_axis(_provisioned),
    ),
    Family(
        "consumed_capacity_units",
        "gauge",
        "Consumed capacity units per second, on average over the look-back window.",
        _OF_AXIS,
        _each_axis(_consumed),
    ),
    Family(
        "throttled_events",
        "gauge",
        "Throttled events in the look-back window; absent if no option uses them.",
        _OF_AXIS,
        _each_axis(_throttled),
    ),
    Family("minimum_capacity_units", "gauge", "The minimum that may be provisioned.", _OF_AXIS, _each_axis(_minimum)),
    Family(
        "maximum_capacity_units",
        "gauge",
        "The maximum that may be provisioned; absent if there is no limit.",
        _OF_AXIS,
        _each_axis(_maximum),
    ),
    Family("at_maximum", "gauge", "1 if more is needed than the maximum allows.", _OF_AXIS, _each_axis(_at_maximum)),
    Family("changes", "counter", "Changes that DynamoDB accepted.", (*_OF_AXIS, "direction"), _changes),
    Family(
        "refused_decreases",
        "counter",
        "Decreases that DynamoDB refused because too many had been made.",
        _OF_AXIS,
        _each_axis(_refused),
    ),
    Family(
        "provisioned_dollars_per_hour",
        "gauge",
        "Dollars per hour for the provisioned capacity, at the prices of us-east-1 or of metrics-prices.",
        ("table", "index"),
        _dollars,
    ),
)
