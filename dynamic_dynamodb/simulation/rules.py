"""The constants of the model. Each can be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# "refilled" is AWS's present rule, "spaced" its older one.
DecreaseRule = Literal["refilled", "spaced"]


@dataclass(frozen=True)
class Rules:
    """The settings of the model (durations in seconds), and the source of each figure.

    Sources: [Q] "Quotas in Amazon DynamoDB", [B] "Burst and adaptive capacity", [U] the API reference of UpdateTable
    and "Provisioned capacity mode", [M] "DynamoDB metrics and dimensions" and [CW] GetMetricData's API reference, all
    in AWS's documentation; [-] a choice of this model, because AWS states no figure.

    The defaults are simple: demand above the provisioned units is throttled at once, and a datapoint is visible at
    once. `AWS` has the settings closest to AWS.

    update_seconds: how long a table or index is UPDATING. [-] [U] says "several minutes" for target tracking; users
        see a minute or less.
    warm: whether an increase takes effect at once if the table has had that capacity before. [-]
    burst_seconds: unused capacity of this many seconds can be spent above what is provisioned. 300, and "best effort"
        by [B]. The bucket of a new table or index is empty.
    retry: the share of throttled demand that clients retry in the next minute, 0 to 1; the rest is lost. [-]
    decrease_rule: [Q] "refilled": each UTC day begins with `decreases_at_once` decreases, each full hour adds one,
        and there are never more than `decreases_at_once` at a time. "spaced", AWS's older rule: the first
        `decreases_at_once` of a UTC day at any time, each later one if there was none in the hour before.
    decreases_at_once: 4. [Q]
    most_decreases: 27 per UTC day, for each table and each index. [Q] 4, and one in each of 23 hours.
    table_quota: 40,000 units per axis, for each table and each index separately. [Q]
    account_quota: 80,000 units per axis, for all tables and indexes of the account together; None: no limit. [Q]
    most_updating: 500 tables that are being created, updated or deleted at once. [Q]
    metric_delay: from the end of a minute until its datapoint is visible. [-] Users report 2 to 7 minutes.
    retention: how long metrics can be read. [CW] 15 days of 1-minute sums; a day is enough for most tests.
    results_per_page: 500, of GetMetricData. [CW]
    capped: whether demand above the provisioned units is throttled; otherwise it is served, as by unlimited burst
        capacity. [-]
    """

    update_seconds: float = 30
    warm: bool = False
    burst_seconds: float = 0
    retry: float = 0
    decrease_rule: DecreaseRule = "refilled"
    decreases_at_once: int = 4
    most_decreases: int = 27
    table_quota: int = 40_000
    account_quota: int | None = 80_000
    most_updating: int = 500
    metric_delay: float = 0
    retention: float = 86_400
    results_per_page: int = 500
    capped: bool = True

    def __post_init__(self) -> None:
        durations = (self.update_seconds, self.metric_delay, self.retention, self.burst_seconds)
        if min(durations) < 0 or min(self.results_per_page, self.decreases_at_once) < 1 or not 0 <= self.retry <= 1:
            raise ValueError(f"impossible rules: {self}")


AWS = Rules(update_seconds=60, burst_seconds=300, metric_delay=120, retention=15 * 86_400)
