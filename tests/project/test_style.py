"""The words that readers see: no word of the style guide's list of words to avoid, and no known misspelling.

The list is the last table of docs/style.md, so contributors and this test read the same one. Looked at are the pages,
and the comments, docstrings and other strings of the package. Text in `backticks` and in blocks of code is not.

`python tests/project/test_style.py [FILE...]` prints what it finds, line by line.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "style.md"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")} - {GUIDE})
MODULES = sorted((ROOT / "dynamic_dynamodb").rglob("*.py"))
OTHERS = sorted({ROOT / "example-config.conf", *(ROOT / "deploy").iterdir()} - {*(ROOT / "deploy").glob("*.json")})


@cache
def avoided() -> list[tuple[re.Pattern[str], str]]:
    """(expression, what to write instead), as the guide's table has them."""
    table = GUIDE.read_text(encoding="utf-8").rpartition("## Words to avoid")[2]
    rows = re.findall(r"^\| `(.+)` \| (.+) \|$", table, re.MULTILINE)
    words = [(rf"\b(?:{cell})(?!\w)".replace("\\|", "|").replace(" ", r"\s+"), instead) for cell, instead in rows]
    return [(re.compile(expression, re.IGNORECASE), instead) for expression, instead in words]


def prose_of_page(text: str) -> str:
    """The page with code blanked out, so that offsets and lines stay the same."""
    for code in (r"^(```|~~~)[^\n]*\n.*?^\1[ ]*$", r"(`+)[^`].*?\1", r"\]\([^)\s]*\)", r"<!--.*?-->", r"https?://\S+"):
        text = re.sub(code, lambda found: re.sub(r"[^\n]", "\x00", found[0]), text, flags=re.MULTILINE | re.DOTALL)
    return text


def prose_of_module(source: str) -> str:
    """Comments and strings, each at its place; all else is blank."""
    lines = [["\x00"] * len(line) for line in source.split("\n")]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _WORDS:
            for number, line in enumerate(token.string.split("\n")):
                start = token.start[1] if number == 0 else 0
                lines[token.start[0] - 1 + number][start : start + len(line)] = line
    return re.sub(r"`[^`\n]*`", lambda found: "\x00" * len(found[0]), "\n".join("".join(line) for line in lines))


# Python 3.12 splits an f-string into its parts; before, it is a string like any other.
_WORDS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def complaints(path: Path) -> Iterator[str]:
    """A line for each word to avoid in a file: FILE:LINE: word: what to write instead."""
    text = path.read_text(encoding="utf-8")
    prose = prose_of_module(text) if path.suffix == ".py" else prose_of_page(text) if path.suffix == ".md" else text
    # A sentence goes on in the next line, in a comment behind its `#`.
    prose = re.sub(r"\n\x00*[#;]", lambda found: "\n" + " " * (len(found[0]) - 1), prose)
    for expression, instead in avoided():
        for found in expression.finditer(prose):
            line = prose.count("\n", 0, found.start()) + 1
            yield f"{os.path.relpath(path, ROOT)}:{line}: {' '.join(found[0].split())!r}: write {instead}"


@pytest.mark.parametrize("path", [*PAGES, *MODULES, *OTHERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_to_avoid(path: Path) -> None:
    """The first column of the guide's last table is not found in any of them."""
    assert not list(complaints(path))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("page.md", "The user is told\nof it.", ["is told"]),
        ("page.md", "In `what is told` and\n```text\nit is told\n```\nnothing.", []),
        ("module.py", "# The user is\n# told of it.\nx = 1\n", ["is told"]),
        ("module.py", '"""It is told."""\nis_told = f"{x} is told"\n', ["is told", "is told"]),
        ("file.conf", "# 3 calls a check\n", ["calls a check"]),
    ],
)
def test_a_word_is_found(name: str, text: str, words: list[str], tmp_path: Path) -> None:
    """Across lines and in comments; not in code."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = list(complaints(path))
    assert [re.search("'(.*)': write", line)[1] for line in found] == words  # type: ignore[index]


if __name__ == "__main__":
    asked = [Path(name).resolve() for name in sys.argv[1:]] or [*PAGES, *MODULES, *OTHERS]
    for each in asked:
        for complaint in complaints(each):
            sys.stdout.write(f"{complaint}\n")
