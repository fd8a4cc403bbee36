"""docs/troubleshooting.md explains every line that the program can log as a warning or an error, and no other.

The lines are taken from the source: the formats of the logging calls, and the
texts that formats without a word of their own pass on. On the page, what
differs from line to line is in italics.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pages
import pytest

from dynamic_dynamodb.aws import errors

PACKAGE = Path(__file__).resolve().parents[2] / "dynamic_dynamodb"
PAGE = "troubleshooting.md"

# Where the texts are made that a format such as "%s - %s" passes on; of the loader, see `warnings`.
PASSED_ON = {
    "aws.calls": {"give_up", "_NO_THREAD"},
    "aws.credentials": {"_check", "_text", "wait"},
    "aws.refusals": {"quota"},
    "aws.updates": {"_in_full", "_tell_left"},
    "aws.errors": {"BadAnswerError", "__str__", "_aws_error"},
    "aws.sources": {"_refuse_to_type", "communicate"},
    "checks.breaker": {"_REASONS", "_reason", "verdict", "_verdict", "_late", "ask", "_ask"},
    "checks.updates": {"_tell", "_tell_error", "_not_made"},
    "checks.backtracking": {"BacktrackingError"},
    "checks.guards": {"_in_window", "_unless_run_out", "postpone"},
    "configuration.converters": {"not_set"},
    "configuration.regions": {"doubt"},
    "configuration.doubts": {
        "of_text",
        "of_section",
        "_of_thresholds",
        "_of_decrease",
        "_of_url",
        "_never",
        "of_process",
    },
    "configuration.schedules": {"lower_minimums", "clashes", "unheard"},
    "output.logs": {"doubts"},
    "decisions.throttling": {"hot_range"},
}
LEVELS = ("warning", "error", "exception", "critical", "log")
CALLS = {f"{log}.{level}" for log in ("log", "_log") for level in LEVELS}
TEXT = re.compile(r"[a-z]{2,}.* |HTTP ")  # in words, and not a key or a code


# The source; a placeholder is a `*`


def modules() -> list[str]:
    """Of all rooms but the simulation, which logs nothing."""
    names = (".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py"))
    return sorted(name for name in names if not name.startswith("simulation."))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / Path(*module.split("."))).with_suffix(".py").read_text("utf-8"))


def template(node: ast.AST) -> str | None:
    """The text of a string or f-string; None where it is something else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return collapsed(re.sub(r"%(\.[0-9]+)?[sdf]", "*", node.value))
    if isinstance(node, ast.JoinedStr):
        parts = (str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        return collapsed("".join(parts))
    return None


def collapsed(text: str) -> str:
    return re.sub(r"\*+", "*", text)


def texts(node: ast.AST) -> Iterator[str]:
    """The strings and f-strings below a node that are in words, without docstrings and the parts of f-strings."""
    text = template(node)
    if text is not None:
        yield from [text] if TEXT.search(text) else []
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def nodes(module: str) -> Iterator[ast.AST]:
    return ast.walk(tree(module))


def logged() -> set[str]:
    """The formats of all calls that may log a warning or an error, but for those that only pass on."""
    calls = [call for module in modules() for node in nodes(module) for call in _calls(node)]
    assert len(calls) > 20
    formats = [template(call.args[_takes_level(call)]) for call in calls]
    assert None not in formats, "a format that is not literal"
    return {text for text in formats if text and re.search("[a-z]", text)}


def _calls(node: ast.AST) -> list[ast.Call]:
    """Those that a function makes. Where the level is computed, it is so in the same function."""
    if not isinstance(node, ast.FunctionDef):
        return []
    grave = re.search(r"WARNING|ERROR|verdict\.level", ast.unparse(node)) is not None
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and ast.unparse(one.func) in CALLS]
    return [call for call in calls if grave or not _takes_level(call)]


def _takes_level(call: ast.Call) -> bool:
    return ast.unparse(call.func).endswith(".log")


def passed_on() -> set[str]:
    found = [(module, node) for module, names in PASSED_ON.items() for node in nodes(module) if name_of(node) in names]
    assert {(module, name_of(node)) for module, node in found} == {
        (module, name) for module, names in PASSED_ON.items() for name in names
    }
    return {text for _module, node in found for text in texts(node)}


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target)
    return node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""


def warnings() -> set[str]:
    """What the loader of the configuration adds to its warnings."""
    statements = (node for node in nodes("configuration.loader") if isinstance(node, ast.stmt))
    return {
        text
        for node in statements
        if ast.unparse(node).startswith(("self.warnings.append", "self.warnings +="))
        for text in texts(node)
    }


def all_texts() -> set[str]:
    return {text for module in modules() for node in nodes(module) if (text := template(node))}


# The page


def lines_of_log() -> str:
    """The page without its symptoms, which are in the words of the reader and not of the log."""
    before, _, after = pages.read(PAGE).partition("## Common symptoms")
    return before + re.split(r"^## ", after, maxsplit=1, flags=re.M)[1]


def headings() -> list[str]:
    return [plain(line) for line in re.findall(r"^### (.*)$", lines_of_log(), re.M)]


def entries() -> list[tuple[str, str]]:
    """The texts in the lists, each with its explanation."""
    items = re.findall(r"^- (\*\*.*(?:\n  .*)*)", lines_of_log(), re.M)
    found = [re.fullmatch(r"((?:\*\*.+?\*\*(?:, )?)+): (.*)", re.sub(r"\n +", " ", item)) for item in items]
    assert None not in found
    return [(text, one[2]) for one in found if one for text in re.findall(r"\*\*(.+?)\*\*(?=$|, \*\*)", one[1])]


def texts_in_lists() -> list[str]:
    return [plain(text) for text, _ in entries()]


def plain(markdown: str) -> str:
    """Markdown needs a space before italics that begin with `;` or `,`; the log has none."""
    return collapsed(re.sub(r"( (?=\*[;,]))?\*[^*]+\*", "*", markdown))


# What must hold


def test_every_line_is_explained() -> None:
    explained = [*headings(), *texts_in_lists()]
    wanted = logged() | passed_on() | warnings()
    assert len(wanted) > 50
    assert [text for text in sorted(wanted) if not any(text in one for one in explained)] == []


def test_nothing_is_explained_that_is_not_said() -> None:
    said = all_texts()
    assert [one for one in [*headings(), *texts_in_lists()] if one not in said and f"* - {one}" not in said] == []


@pytest.mark.parametrize("page", [PAGE, "guards.md"])
def test_lines_that_are_shown(page: str) -> None:
    """Each in full is one that the program has a format for."""
    shown = re.findall(r"^[-0-9]+ [:,0-9]+ - dynamic-dynamodb - [A-Z]+ - (?:dryrun - )?(.*)$", pages.read(page), re.M)
    formats = [re.escape(text).replace(r"\*", ".*") for text in logged()]
    assert shown
    assert [line for line in shown if not any(re.fullmatch(text, line) for text in formats)] == []


def test_hints() -> None:
    codes = [(text, re.search("Codes?: (.*)", explanation)) for text, explanation in entries()]
    shown = {(code, plain(text)) for text, found in codes if found for code in pages.spans(found[1])}
    denied = {(code, plain("the IAM policy must allow *SERVICE*:*OPERATION*")) for code in errors._DENIED}
    assert shown == set(errors._HINTS.items()) | denied
