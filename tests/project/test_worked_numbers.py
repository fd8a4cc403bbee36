"""The worked numbers of docs/: each row of their tables is put to the program, which must say the same.

Three kinds of tables. With `the reason`: a row is one decision about one axis.
With `the log says` or `messages`: a row is one check of the table `orders`, in
the model of AWS, and the rows of a table follow each other. The options are
those that stand in the row, or else in the last `ini` block above it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from fractions import Fraction

import pages
import pytest
from pages import Block, Table, spans
from scripts import LOOKBACK, TOPIC, Scene, Seen, Units, configuration

from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.escalation import Escalation
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration import sections
from dynamic_dynamodb.decisions import calculator
from dynamic_dynamodb.decisions.model import Axis, Policy, Usage
from dynamic_dynamodb.simulation.rules import Rules

WINDOW = 300  # seconds

PAGES = ("decisions.md", "granular-scaling.md", "guards.md", "notifications.md")


def worked(column: str) -> Iterator[tuple[str, str, Table]]:
    """Page, options in force and table of each table with this column."""
    for page in PAGES:
        options = ""
        for item in pages.items(pages.read(page)):
            if isinstance(item, Block):
                options = item.text if item.language == "ini" else options
            elif column in item.columns:
                yield page, options, item


# Decisions

NUMBERS = "consumed of P → becomes"
EVENTS = r"((?P<answered>[0-9]+) \+ )?(?P<events>[0-9]+) throttled"
ONE = re.compile(rf"(?P<rate>[0-9.]+) of (?P<provisioned>[0-9]+)(, {EVENTS})? → (?P<units>[0-9]+)")

ROWS = [
    pytest.param(options, row, id=f"{page}: {row['the reason']}")
    for page, options, table in worked("the reason")
    for row in table.rows
]


@pytest.mark.parametrize(("options", "row"), ROWS)
def test_decisions(options: str, row: dict[str, str]) -> None:
    (reason,) = spans(row["the reason"])
    numbers = ONE.fullmatch(row[NUMBERS])
    assert numbers is not None, row
    axis: Axis = "reads" if "reads" in reason.split() else "writes"
    usage = Usage(
        provisioned=int(numbers["provisioned"]),
        consumed=Fraction(numbers["rate"]) * WINDOW,
        throttled=Fraction(numbers["events"] or 0),
        seconds=WINDOW,
        answered=Fraction(numbers["answered"] or 0),
    )
    decision = calculator.decide(policy("\n".join(spans(row[""])) or options, axis), usage, streak=0)
    assert (decision.units, decision.reason) == (int(numbers["units"]), reason)


def policy(options: str, axis: Axis) -> Policy:
    (section,) = configuration(whole(options))["tables"].values()
    return sections.policy(section, axis)


def whole(options: str) -> str:
    """With a section for the table."""
    return options if "[table:" in options else f"[table: ^orders$]\n{options}"


# Checks

STEP = re.compile(r"orders - (reads:|writes:|UpdateTable|not (changed|decreased)[^;]*$)")

SCRIPTS = [pytest.param(options, table, id=page) for page, options, table in worked("the log says")]


@pytest.mark.parametrize(("options", "table"), SCRIPTS)
def test_checks(options: str, table: Table) -> None:
    for scene, row, seen in checks(options, table):
        assert scene.provisioned("orders") == units(row["provisioned"])[-1], row
        lines, shown = said(seen), spans(row["the log says"])
        assert len(lines) == len(shown), lines
        assert [line for line, text in zip(lines, shown, strict=True) if not fits(line, text)] == [], shown


def checks(options: str, table: Table) -> Iterator[tuple[Scene, dict[str, str], Seen]]:
    """Make the checks of a table, one after the other."""
    scene = Scene(LOOKBACK + whole(options), {"orders": units(table.rows[0]["provisioned"])[0]}, rules=Rules())
    for row in table.rows:
        assert scene.provisioned("orders") == units(row["provisioned"])[0], row
        ((reads, writes),) = units(row["per second"])
        scene.load("orders", reads, writes)
        scene.world.advance(scene._seconds_until(row["at"]))
        yield scene, row, scene.check()


def units(text: str) -> list[Units]:
    """Of `100 / 50`, reads and writes; of `100 / 50 → 150 / 50`, before and after."""
    pairs = [part.split("/") for part in text.split("→")]
    return [(int(reads), int(writes)) for reads, writes in pairs]


def fits(line: str, shown: str) -> bool:
    """Whether a page shows this line; `...` stands for what it leaves out."""
    return re.fullmatch(".*".join(re.escape(part) for part in shown.split("...")), line) is not None


def said(seen: Seen) -> list[str]:
    """What the check said of the table, but for what only the first one says of the whole, and for single steps.

    A line of the same kind as the last check's is at debug, and on the pages all the same.
    """
    of_table = [line for line in seen.lines if line.text.startswith("orders - ") and "configured by" not in line.text]
    return [line.text for line in of_table if line.level > logging.DEBUG or not STEP.match(line.text)]


# Messages


def test_messages() -> None:
    """The messages that the checks send, in their order, are all that the page shows."""
    shown = [text.strip() for text in pages.blocks("notifications.md", "text")]
    told = []
    for _page, options, table in worked("messages"):
        for _scene, row, seen in checks(options, table):
            assert len(seen.told) == int(row["messages"]), row
            told += [line.split(" | ", 2) for line in seen.told]
    told += escalated()
    assert shown == [f"Subject: {subject}\n\n{text}" for _topic, subject, text in told]
    assert len(shown) >= 4


def escalated() -> list[list[str]]:
    """The messages about eight failed checks after one that succeeded at 12:05, and before another."""
    scene = Scene(f"[table: ^orders$]\nsns-topic-arn: {TOPIC}\nsns-message-types: check-failed", {"orders": (100, 50)})
    escalation = Escalation(Record())
    for number in range(10):
        scene.world.advance(300)
        scene.refuses = {"ListTables": "InternalServerError: please try again"} if 0 < number < 9 else {}
        escalation.note(loop.attempt(scene.scaler), 3, "instance default, region us-east-1", scene.scaler)
    return [[one.topic, str(one.subject), one.message] for one in scene.world.messages]


def test_that_there_are_worked_numbers() -> None:
    assert len(ROWS) >= 40
    assert len(SCRIPTS) >= 4
