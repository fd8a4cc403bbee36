"""Which section a name belongs to."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

from dynamic_dynamodb.decisions.matching import Match, Matcher, longer_names, plain_name, wildcards


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


WILDCARDS = {
    "^events-.*": ["events-*"],
    "logs-.*": ["logs-*"],
    "prod_[0-9]+$": ["prod_*"],
    "orders": ["orders*"],
    "^orders$": ["orders"],
    "^a\\.b$": ["a.b"],
    "a\\.b.*": ["a.b*"],
    ".*": ["*"],
    "[a-z]+": ["*"],
    "^^a": ["*"],
    "(?i)ab": ["*"],
    "(?i)ab|cd": ["*"],
    "\\Aab": ["*"],
    "a-\\d": ["a-*"],
    "ab?c": ["a*"],
    "ab*": ["a*"],
    "ab+": ["ab*"],
    "ab{0,2}": ["a*"],
    "a\\.?b": ["a*"],
    "^a|b-c": ["a*", "b-c*"],
    "^ab$|^cd$": ["ab", "cd"],
    "a|": ["a*", "*"],
    "^(a|b)-x": ["*"],
    "^a-(x|y)": ["a-*"],
    "a\\|b": ["a*"],
    "a[b|c]|d": ["a*", "d*"],
    "a[]|]x|y": ["a*", "y*"],
    "a[^]|]x|y": ["a*", "y*"],
    "a(?=b)c|d(e|f)": ["a*", "d*"],
}


@pytest.mark.parametrize("expression", WILDCARDS)
def test_what_is_spelled_out_of_an_expression(expression: str) -> None:
    assert wildcards(expression) == WILDCARDS[expression]


@trials(test=200, soak=5000)
@given(st.data())
def test_no_name_that_an_expression_matches_is_left_out(data: st.DataObject) -> None:
    pieces = st.sampled_from(
        ["a", "b-", "_", r"\.", ".", "|", "(", ")", "[a|b]", "[^b]", "?", "*", "+", "{2}", "^", "$"]
    )
    expression = "".join(data.draw(st.lists(pieces, min_size=1, max_size=8)))
    name = data.draw(st.text("ab-_.", min_size=1, max_size=6))
    try:
        matched = re.match(expression, name)
    except re.error:
        return
    assert not matched or any(fnmatchcase(name, wildcard) for wildcard in wildcards(expression))
