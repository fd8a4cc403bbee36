"""The metrics: by Prometheus's own parser and its conventions, and what they say of checks in the model of AWS."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pages
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scraper import parsed, sample
from scripts import Refusals, Scene, configuration, target

from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration import prices
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.decisions.model import STANDARD, STANDARD_IA
from dynamic_dynamodb.metrics import exposition
from dynamic_dynamodb.metrics.families import FAMILIES, PREFIX, Situation
from dynamic_dynamodb.simulation.rules import Rules

START = datetime(2026, 3, 2, 12, 0, tzinfo=timezone.utc)
BOTH = """
    [table: ^orders$]
    max-provisioned-reads: 120
    min-provisioned-writes: 20
    throttled-reads-upper-threshold: 1000000
    [gsi: by-date table: ^orders$]
"""
TABLES = {"orders": (100, 50), "orders/by-date": (10, 10)}
RAN_OUT = "LimitExceededException: Subscriber limit exceeded: Provisioned throughput decreases are limited within a day"
NO_BASE_UNITS = ("milliseconds", "minutes", "hours", "days", "percent", "kilobytes", "megabytes")


class Told:
    """A scene, and the metrics after its checks."""

    def __init__(self, text: str = BOTH, *, dry_run: bool = False, rules: Rules | None = None) -> None:
        self.scene = Scene(text, TABLES, dry_run=dry_run, rules=rules)
        self.general = configuration(text)["global"]
        self.record = Record()
        self.dry_run = dry_run
        self.prices = prices.BUILT_IN
        self.ended: list[Any] = []
        for name in TABLES:
            self.scene.load(name, 0.5 * TABLES[name][0], 0.5 * TABLES[name][1])

    def check(self, refuses: Refusals | None = None) -> None:
        self.scene.world.advance(300)
        self.scene.refuses = refuses or {}
        checked = loop.attempt(self.scene.scaler)
        self.record.note(checked)
        self.ended.append(checked)

    def text(self) -> str:
        last = self.ended[-1] if self.ended else None
        beat = Heartbeat(
            "default",
            1,
            "1.2.3",
            START,
            300,
            "/etc/dd.conf",
            "0" * 64,
            last_ended=last and last.ended,
            last_took=last and 1.5,
            looked_at=last.looked_at if last else 0,
            changed=last.changed if last else 0,
            left_alone=last.left_alone if last else 0,
            failed=last.failed if last else 0,
            failures_in_a_row=self.record.failures,
            last_success=self.record.last_success,
        )
        calls = {("UpdateTable", "refused"): 3}
        number, targets = self.scene.scaler.observed()
        now = Situation(beat, self.record, targets, number, calls, self.general, self.dry_run, self.prices)
        return exposition.render(now).decode()

    def samples(self) -> dict[Any, float]:
        return parsed(self.text())


def reads(name: str, **labels: str) -> Any:
    return sample(name, table="orders", axis="reads", **labels)


# Names


def test_names_and_units_follow_the_conventions() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name), family.name
        assert not set(family.name.split("_")) & set(NO_BASE_UNITS), family.name
        assert not family.name.endswith(("_total", "_info", "_count", "_sum", "_bucket")), family.name
        assert ("timestamp" in family.name or "time" in family.name) <= family.name.endswith("_seconds")
        assert family.help.endswith(".")
        assert not set(family.labels) & {"instance", "job", "le", "quantile", "name"}, family.labels
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in family.labels)


def test_prometheus_reads_all_of_it() -> None:
    told = Told()
    told.check()
    families = {one.name: one for one in text_string_to_metric_families(told.text())}
    assert len(families) == len(FAMILIES)
    for family in FAMILIES:
        read = families[family.exposed.removesuffix("_total")]
        assert read.documentation == family.help
        assert read.type == {"info": "gauge"}.get(family.kind, family.kind)
        assert {one.name for one in read.samples} <= {family.exposed}
        for one in read.samples:
            assert set(one.labels) == set(family.labels)
    duplicates = [line.rpartition(" ")[0] for line in told.text().splitlines() if not line.startswith("#")]
    assert len(set(duplicates)) == len(duplicates)


def test_the_page_has_them_all() -> None:
    (table,) = pages.tables("metrics.md", "metric")
    shown = {pages.spans(row["metric"])[0]: (row["kind"], row["labels"], row["what it is"]) for row in table.rows}
    declared = {
        family.exposed: (
            {"info": "gauge"}.get(family.kind, family.kind),
            ", ".join(f"`{label}`" for label in family.labels),
            family.help,
        )
        for family in FAMILIES
    }
    assert shown == declared


# Values


def test_of_the_process() -> None:
    told = Told()
    told.check()
    told.check({"ListTables": "InternalServerError: no"})
    told.check({"ListTables": "InternalServerError: no"})
    found = told.samples()
    assert found[sample("checks_total", outcome="succeeded")] == 1
    assert found[sample("checks_total", outcome="failed")] == 2
    assert found[sample("consecutive_failed_checks")] == 2
    assert found[sample("last_success_timestamp_seconds")] == told.ended[0].ended.timestamp()
    assert found[sample("start_time_seconds")] == START.timestamp()
    assert found[sample("check_interval_seconds")] == 300
    assert found[sample("last_check_duration_seconds")] == 1.5
    assert found[sample("aws_calls_total", operation="UpdateTable", outcome="refused")] == 3
    assert found[sample("aws_calls_total", operation="Publish", outcome="unanswered")] == 0
    assert found[sample("last_check_resources", state="looked_at")] == 0
    labels = {"daemon": "default", "file": "/etc/dd.conf", "sha256": "0" * 64, "dry_run": "false"}
    assert found[sample("configuration_info", region=told.general["region"] or "", **labels)] == 1
    assert any(name == f"{PREFIX}build_info" for name, _ in found)


def test_before_the_first_check() -> None:
    found = Told().samples()
    assert found[sample("checks_total", outcome="succeeded")] == 0
    assert sample("last_success_timestamp_seconds") not in found
    assert sample("last_check_duration_seconds") not in found
    assert not any("table" in dict(labels) for _, labels in found)


def test_of_tables_and_indexes() -> None:
    told = Told()
    told.check()
    found = told.samples()
    assert found[reads("provisioned_capacity_units")] == 100
    assert found[reads("provisioned_capacity_units", index="by-date")] == 10
    assert found[reads("consumed_capacity_units")] == 50
    assert found[reads("throttled_events")] == 0
    assert sample("throttled_events", table="orders", axis="writes") not in found  # nobody asks for them
    assert found[reads("maximum_capacity_units")] == 120
    assert sample("maximum_capacity_units", table="orders", axis="writes") not in found
    assert found[reads("minimum_capacity_units")] == 1
    assert found[sample("minimum_capacity_units", table="orders", axis="writes")] == 20
    assert found[reads("at_maximum")] == 0
    assert found[reads("changes_total", direction="up")] == 0
    assert found[reads("refused_decreases_total")] == 0


def test_measured_without_being_described_again() -> None:
    told = Told("    [global]\n    refresh-interval: 3600\n" + BOTH)
    for _ in range(3):
        told.check()
    assert told.scene.world.calls["DescribeTable"] < 3
    found = told.samples()
    assert (found[reads("provisioned_capacity_units")], found[reads("consumed_capacity_units")]) == (100, 50)


def test_changes_count_and_what_is_provisioned_is_what_was_accepted() -> None:
    told = Told()
    told.scene.load("orders", 95, 5)
    told.check()
    found = told.samples()
    assert (found[reads("provisioned_capacity_units")], found[reads("at_maximum")]) == (120, 1)
    assert found[reads("changes_total", direction="up")] == 1
    assert found[sample("changes_total", table="orders", axis="writes", direction="down")] == 1
    assert found[sample("provisioned_capacity_units", table="orders", axis="writes")] == 25
    told.scene.load("orders", 60, 12)
    told.check()
    told.check()
    found = told.samples()
    assert (found[reads("changes_total", direction="up")], found[reads("at_maximum")]) == (1, 0)


def test_a_dry_run_changes_nothing() -> None:
    told = Told(dry_run=True)
    told.scene.load("orders", 95, 25)
    told.check()
    found = told.samples()
    assert (found[reads("provisioned_capacity_units")], found[reads("changes_total", direction="up")]) == (100, 0)


def test_refused_decreases() -> None:
    told = Told()
    told.scene.load("orders", 5, 5)
    told.check({"UpdateTable": RAN_OUT})
    found = told.samples()
    assert found[reads("refused_decreases_total")] == 1
    assert found[sample("refused_decreases_total", table="orders", axis="writes")] == 1
    assert found[reads("refused_decreases_total", index="by-date")] == 0
    assert found[reads("changes_total", direction="down")] == 0


@pytest.mark.parametrize("policy", ["thresholds", "target-tracking"])
def test_throttled_events(policy: str) -> None:
    told = Told(
        BOTH.replace("max-provisioned-reads: 120", f"max-provisioned-reads: 100\n    scaling-policy: {policy}"),
        rules=Rules(),
    )
    told.scene.load("orders", 150, 25)
    for _ in range(6):  # the burst credit is used up then
        told.check()
    assert told.samples()[reads("throttled_events")] > 0


def test_what_was_not_measured_has_no_old_numbers() -> None:
    """What is provisioned is known all the same, and costs."""
    told = Told()
    told.check()
    told.scene.world.set_status(target("orders"), "UPDATING")
    told.check()
    found = told.samples()
    assert reads("consumed_capacity_units") not in found
    assert reads("throttled_events") not in found
    assert found[reads("provisioned_capacity_units")] == 100
    assert sample("provisioned_dollars_per_hour", table="orders") in found


@pytest.mark.parametrize("how", ["on demand", "deleted"])
def test_what_is_provisioned_no_more_is_absent(how: str) -> None:
    told = Told()
    told.check()
    if how == "on demand":
        told.scene.world.set_billing_mode("orders", "PAY_PER_REQUEST")
        told.check()
    else:
        told.check({"DescribeTable orders": "ResourceNotFoundException: no"})
    assert not any(
        dict(labels).get("table") == "orders" and "index" not in dict(labels) for _, labels in told.samples()
    )


def test_what_the_configuration_matches_no_more_is_absent() -> None:
    """An index whose section a new configuration does not have: nobody would keep its numbers true."""
    told = Told()
    told.check()
    told.scene.reload(BOTH.replace("[gsi: by-date table: ^orders$]", "[gsi: other table: ^orders$]"))
    told.check()
    found = told.samples()
    assert found[reads("provisioned_capacity_units")] == 100
    assert not any("index" in dict(labels) for _, labels in found)


def test_dollars_per_hour() -> None:
    told = Told()
    told.check()
    found = told.samples()
    assert found[sample("provisioned_dollars_per_hour", table="orders")] == pytest.approx(100 * 0.00013 + 50 * 0.00065)
    _, targets = told.scene.scaler.observed()
    assert {observed.table_class for observed in targets.values()} == {STANDARD}
    for observed in targets.values():
        observed.table_class = STANDARD_IA
    found = told.samples()
    assert found[sample("provisioned_dollars_per_hour", table="orders")] == pytest.approx(100 * 0.00016 + 50 * 0.00081)


@pytest.mark.parametrize("path", ['/etc/"quoted"\\\n.conf', "/etc/\udcff.conf", "/etc/\u202e.conf"])
def test_hostile_labels(path: str) -> None:
    told = Told()
    told.check()
    number, targets = told.scene.scaler.observed()
    beat = Heartbeat("default", 1, "1.2.3", START + timedelta(0), 300, path)
    now = Situation(beat, told.record, targets, number, {}, told.general, False, told.prices)
    (shown,) = [
        one.labels["file"]
        for family in text_string_to_metric_families(exposition.render(now).decode())
        for one in family.samples
        if one.name == f"{PREFIX}configuration_info"
    ]
    assert shown.isprintable()
