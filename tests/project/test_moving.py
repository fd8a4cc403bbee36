"""docs/moving.md leaves out no difference from the original, and no item of its release notes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pages

RELEASE_NOTES = Path(__file__).parents[1] / "end_to_end" / "test_release_notes.py"


def test_every_difference_is_there_in_the_contracts_order() -> None:
    (contract,) = pages.tables("behaviour.md", "original", "here", "why")
    (page,) = pages.tables("moving.md", "original")
    assert [row["original"] for row in page.rows] == [row["original"] for row in contract.rows]
    assert all(len(cells) == 2 and all(cells) for cells in (list(row.values()) for row in page.rows))


def test_every_item_of_the_release_notes_names_its_test() -> None:
    module = ast.parse(RELEASE_NOTES.read_text("utf-8"))
    tests = {node.name for node in module.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    (page,) = pages.tables("moving.md", "item", "test")
    named = [name for row in page.rows for name in pages.spans(row["test"])]
    assert len(named) == len(page.rows) == len(set(named))
    assert set(named) == tests - {"test_no_item_is_forgotten"}


def test_the_numbers_of_items_and_tests_agree() -> None:
    (page,) = pages.tables("moving.md", "item", "test")
    for row in page.rows:
        (name,) = pages.spans(row["test"])
        number, release = re.match(r"test_([0-9]{3})_", name), re.match(r"test_release_([0-9]{3})_", name)
        assert number is None or f"#{int(number.group(1))}" in row["item"].replace(",", "").split(), row
        assert release is None or "".join(row["release"].split(".")) == release.group(1), row


def test_each_item_stands_under_its_release() -> None:
    """As the docstring of its test begins."""
    module = ast.parse(RELEASE_NOTES.read_text("utf-8"))
    told = {node.name: ast.get_docstring(node) or "" for node in module.body if isinstance(node, ast.FunctionDef)}
    (page,) = pages.tables("moving.md", "item", "test")
    wrong = [row for row in page.rows if not told[row["test"].split("`")[1]].startswith(f"{row['release']}: ")]
    assert wrong == []


def said() -> list[str]:
    """The constant parts of all texts in the package."""
    modules = sorted((pages.DOCS.parent / "dynamic_dynamodb").rglob("*.py"))
    nodes = [node for path in modules for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


PUT_TOGETHER = {
    "again within check-interval",
    "consumed would not stay below",
    "The last success before that was at",
}


def test_the_changed_log_lines_are_those_of_the_program() -> None:
    """As far as three words or more follow each other without a number, a mark or a NAME."""
    rows = [row for table in pages.tables("moving.md", "before", "now") for row in table.rows]
    assert len(rows) > 50
    runs = [run.strip() for row in rows for run in re.split(r"\b[A-Z]{2,}\b|\b[A-Z]\b|[\d.%:;,()`]+", row["now"])]
    texts = said()
    long = {run for run in runs if len(run.split()) >= 3}
    assert {run for run in long if not any(run in text for text in texts)} == PUT_TOGETHER
