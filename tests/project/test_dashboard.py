"""The Grafana dashboard and the alert rules of deploy/ ask for metrics and labels that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
import yaml

from dynamic_dynamodb.metrics.families import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text("utf-8"))
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus-alerts.yaml").read_text("utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
LABELS = {family.exposed: {*family.labels, "instance", "job"} for family in FAMILIES}
# With what each name of ours is asked for: `{table=~"$table",axis="reads"}`.
ASKED = re.compile(r"(dynamic_dynamodb_\w+)\b(?:\{([^}]*)\})?")


def queries() -> Iterator[tuple[str, str, str]]:
    """Where, the query, and the text that shows its labels."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"], ""
    for rule in RULES:
        yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())


QUERIES = list(queries())
IDS = [f"{where}-{number}" for number, (where, _, _) in enumerate(QUERIES)]


def wrong(query: str, shown: str) -> list[str]:
    """The metrics and labels that there are not."""
    asked = ASKED.findall(query)
    found = [name for name, _ in asked if name not in LABELS]
    known = [LABELS[name] for name, _ in asked if name in LABELS]
    for name, matchers in asked:
        found += [label for label in re.findall(r"(\w+)\s*[=!]", matchers) if label not in LABELS.get(name, ())]
    for words in re.findall(r"\bby \(([^)]*)\)|label_values\(\w+, (\w+)\)", query):
        labels = re.findall(r"\w+", " ".join(words))
        found += [label for label in labels if not all(label in one for one in known)]
    kept = [set(re.findall(r"\w+", words)) for words in re.findall(r"\bby \(([^)]*)\)", query)] or known
    found += [
        label
        for label in re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", shown)
        if not all(label in one for one in kept)
    ]
    return found


@pytest.mark.parametrize(("where", "query", "shown"), QUERIES, ids=IDS)
def test_each_query_asks_for_what_there_is(where: str, query: str, shown: str) -> None:
    assert ASKED.search(query), where
    assert query.count("(") == query.count(")")
    assert wrong(query, shown) == []


@pytest.mark.parametrize(
    ("query", "shown", "found"),
    [
        ("dynamic_dynamodb_nothing", "", ["dynamic_dynamodb_nothing"]),
        ("dynamic_dynamodb_checks", "", ["dynamic_dynamodb_checks"]),
        ('dynamic_dynamodb_checks_total{result="failed"}', "", ["result"]),
        ("sum by (table) (dynamic_dynamodb_checks_total)", "", ["table"]),
        ("dynamic_dynamodb_at_maximum", "{{table}} {{direction}}", ["direction"]),
        ("sum by (axis) (dynamic_dynamodb_at_maximum)", "{{table}}", ["table"]),
        ("dynamic_dynamodb_at_maximum", "{{ $labels.where }}", ["where"]),
        ("label_values(dynamic_dynamodb_at_maximum, name)", "", ["name"]),
    ],
)
def test_what_there_is_not_is_found(query: str, shown: str, found: list[str]) -> None:
    assert wrong(query, shown) == found


def test_every_metric_of_a_table_is_on_the_dashboard_or_alerted_on() -> None:
    used = {name for _, query, _ in QUERIES for name, _ in ASKED.findall(query)}
    about = {"dynamic_dynamodb_configuration_info", "dynamic_dynamodb_check_seconds_total"}
    assert set(LABELS) - used - about == {"dynamic_dynamodb_minimum_capacity_units"}


def test_the_panels_lie_side_by_side() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not own & cells, panel["title"]
        assert max(x for x, _ in own) < 24, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_page_explains_each_alert() -> None:
    (table,) = pages.tables("metrics.md", "alert")
    shown = {pages.spans(row["alert"])[0]: row["severity"] for row in table.rows}
    assert shown == {rule["alert"]: rule["labels"]["severity"] for rule in RULES}


def test_counters_are_asked_for_by_their_increase() -> None:
    counters = {family.exposed for family in FAMILIES if family.kind == "counter"}
    for where, query, _ in QUERIES:
        for name, _ in ASKED.findall(query):
            assert (name in counters) == bool(re.search(rf"increase\({name}", query)), where
