"""Which section a name belongs to."""

from __future__ import annotations

import re

import pytest

from dynamic_dynamodb.decisions.matching import Match, Matcher, longer_names, plain_name


@pytest.mark.parametrize(
    ("expressions", "name", "expected"),
    [
        (["my_table"], "my_table", Match("my_table", ())),
        (["my_table"], "my_table2", Match("my_table", ())),
        (["my_table"], "not_my_table", None),
        (["table"], "my_table", None),
        (["^my_table$"], "my_table", Match("^my_table$", ())),
        (["^my_table$"], "my_table2", None),
        (["my_table"], "My_table", None),
        (["(?i)my_table"], "My_Table", Match("(?i)my_table", ())),
        ([".*"], "anything", Match(".*", ())),
        (["a|b"], "best", Match("a|b", ())),
        (["prod_[0-9]+$"], "prod_12", Match("prod_[0-9]+$", ())),
        (["prod_[0-9]+$"], "prod_12x", None),
        (["two", "three"], "four", None),
        ([], "my_table", None),
        (["my_t", "my_table", "x"], "my_table", Match("my_t", ("my_table",))),
        (["my_table", "my_t", ".*"], "my_table", Match("my_table", ("my_t", ".*"))),
        (["my_table", "my_t", ".*"], "my_tab", Match("my_t", (".*",))),
    ],
)
def test_the_first_match_in_file_order(expressions: list[str], name: str, expected: Match | None) -> None:
    matcher = Matcher(expressions)
    assert matcher.match(name) == expected
    assert matcher.match(name) == expected  # remembered


def test_known_names_are_not_matched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    matcher = Matcher(["a"])
    first = matcher.match("abc")
    monkeypatch.setattr(matcher, "_patterns", [])
    assert matcher.match("abc") is first
    assert matcher.match("abcd") is None


def test_names_that_come_and_go_leave_nothing_behind() -> None:
    matcher = Matcher(["table"])
    for number in range(100):
        names = {f"table_{number}", f"table_{number + 1}"}
        matcher.keep(names)
        assert all(matcher.match(name) for name in names)
        assert len(matcher._known) <= 2 * len(names)
    matcher.keep({"table_100"})
    assert set(matcher._known) <= {"table_100"}
    matcher.keep(set())
    assert not matcher._known
    assert matcher.match("table_1") == Match("table", ())


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("my_table", "my_table"),
        ("^my_table$", "my_table"),
        ("^my_table", "my_table"),
        ("my_table$", "my_table"),
        ("my-table-2", "my-table-2"),
        ("my.table", "my.table"),
        (r"my\.table", "my.table"),
        (r"^my\.table\.x$", "my.table.x"),
        ("A9", "A9"),
        ("", None),
        ("^$", None),
        ("my_table.*", None),
        ("my_table.+", None),
        ("my_(a|b)", None),
        ("[a-z]table", None),
        (r"my_table\d", None),
        (r"my\_table", None),
        ("my_table$$", None),
        ("^^my_table", None),
        ("my_table ", None),
        ("my_tablé", None),
        ("my_table\n", None),
    ],
)
def test_plain_names(expression: str, name: str | None) -> None:
    assert plain_name(expression) == name
    if name is not None:
        assert re.match(expression, name)


@pytest.mark.parametrize(
    ("expression", "names", "longer"),
    [
        ("my_table", ["my_table", "my_table2", "my_table_old"], ["my_table2", "my_table_old"]),
        ("my_table", ["my_table"], []),
        ("my_table", ["my_table2"], ["my_table2"]),
        ("my_table", [], []),
        ("my-table", ["my-table-2"], ["my-table-2"]),
        ("^my_table", ["my_table2"], []),
        ("my_table$", ["my_table"], []),
        ("my_table.*", ["my_table2"], []),
        ("my.table", ["my.table2"], []),
        ("my_[a-z]+", ["my_table"], []),
    ],
)
def test_longer_names(expression: str, names: list[str], longer: list[str]) -> None:
    assert longer_names(expression, names) == longer
