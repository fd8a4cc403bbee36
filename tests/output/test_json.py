"""A line of the log in JSON: one object, whatever is logged; no secret in it, and nothing that JSON has no word for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_log import SCHEMA, objects

from dynamic_dynamodb.decisions.model import Holder, Rule
from dynamic_dynamodb.output import events, masking
from dynamic_dynamodb.output.formats import Json
from dynamic_dynamodb.output.records import _Record


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """What all lines of this process have in common is what a test says."""
    before, hidden = dict(events.shared()), dict(masking._hidden)
    events._shared.clear()
    events.want(True)
    yield
    events._shared.clear()
    events._shared.update(before)
    events.want(False)
    masking._hidden.clear()
    masking._hidden.update(hidden)


def line(text: Any = "text", *arguments: Any, level: int = logging.INFO, **facts: Any) -> dict[str, Any]:
    """What becomes of a line that is logged with these facts; it must meet the schema."""
    error = facts.pop("error", None)
    record = _Record("dynamic-dynamodb", level, "", 0, text, arguments, error)
    record.created = 1769860800.1239
    about = events.about(facts.pop("event", "message"), facts.pop("target", None), **facts)
    record.__dict__.update(about or {})
    (found,) = objects(Json().format(record) + "\n")
    return found


def test_what_each_line_has() -> None:
    assert line("%d tables", 7) == {
        "time": "2026-01-31T12:00:00.123Z",
        "level": "info",
        "event": "message",
        "message": "7 tables",
    }


def test_what_all_lines_have_in_common() -> None:
    events.share(instance="test", region="eu-west-1", dry_run=False, check=7, account=None)
    found = line()
    assert {"instance", "region", "dry_run", "check"} <= found.keys()
    assert "account" not in found


def test_a_table_and_an_index() -> None:
    assert line(event="left-alone", target=("orders", None), check=1).items() >= {"table": "orders"}.items()
    found = line(event="left-alone", target=("orders", "by-date"), check=1)
    assert (found["table"], found["index"], found["event"]) == ("orders", "by-date", "left-alone")


def test_the_mark_of_a_dry_run_is_a_fact() -> None:
    events.share(dry_run=True)
    assert line("dryrun - orders - text").items() >= {"message": "orders - text", "dry_run": True}.items()


def test_a_traceback_is_in_the_object() -> None:
    try:
        raise ValueError("first line\nsecond \x1b[1m line")
    except ValueError as error:
        found = line("failed", level=logging.ERROR, error=(type(error), error, error.__traceback__))
    assert (found["level"], found["message"]) == ("error", "failed")
    assert found["traceback"].splitlines()[0] == "  Traceback (most recent call last):"
    assert "\x1b" not in found["traceback"]


def test_secrets_are_masked_in_facts_too() -> None:
    masking.hide("the key", "a-secret-key-of-40-characters")
    found = line("a-secret-key-of-40-characters", code="no a-secret-key-of-40-characters here", event="failure")
    assert "a-secret-key" not in json.dumps(found)
    assert found["code"] == "no *** here"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(1, 3), 0.333),
        (Fraction(100), 100.0),
        (Fraction(10**400), None),
        (float("inf"), None),
        (float("nan"), None),
        (0.8412, 0.841),
        (0, 0),
    ],
)
def test_numbers(value: Any, shown: float | None) -> None:
    assert line(took=value).get("took") == shown


@given(st.text(), st.text())
def test_any_text(text: str, other: str) -> None:
    found = line("%s", text, code=other)
    assert found["message"].isprintable()
    assert found["code"].isprintable()


@pytest.mark.parametrize("text", ["\ud800", "a\u2028b", 'quote " and \\', "ünïcödé 表", "\x00\x1b[31m", "a\nb\r\n"])
def test_odd_characters(text: str) -> None:
    found = line("%s", text, code=text)
    assert found["message"] == found["code"]
    assert found["message"].isprintable()
    assert json.dumps(found).isascii()


def test_a_message_that_cannot_be_made() -> None:
    assert line("%d of %d", "seven")["message"] == "%d of %d (without its arguments: TypeError)"


def test_in_text_nobody_asks_for_facts() -> None:
    events.want(False)
    assert events.about("check", more=lambda: {"never": 1 / 0}) is None


def test_the_words_of_the_schema() -> None:
    axis = SCHEMA["$defs"]["axis"]["properties"]
    assert set(axis["rule"]["enum"]) == set(get_args(Rule))
    assert set(axis["held"]["enum"]) == set(get_args(Holder)) - {""}
    assert set(SCHEMA["properties"]["event"]["enum"]) == set(get_args(events.Event))
