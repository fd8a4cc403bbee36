"""The pages of docs/ as tests read them: code blocks and tables, in their order."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


@dataclass(frozen=True)
class Block:
    """A fenced code block, and where it begins."""

    language: str
    text: str
    page: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Table:
    """A table: its rows as column -> cell, the text of the cells as it stands."""

    rows: tuple[dict[str, str], ...]

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0])


def read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


_FENCE = r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^`\n]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$"
_TABLE = r"(?:^\|[^\n]*\|\n)+"


def items(text: str) -> Iterator[Block | Table]:
    """The code blocks and tables of a page."""
    for match in re.finditer(f"{_FENCE}|{_TABLE}", text, re.M | re.S):
        yield _table(match.group()) if match["ticks"] is None else _block(match)


def fences(path: Path) -> Iterator[Block]:
    """The code blocks of a file."""
    yield from (_block(match, path.name) for match in re.finditer(_FENCE, path.read_text("utf-8"), re.M | re.S))


def _block(match: re.Match[str], page: str = "") -> Block:
    line = match.string.count("\n", 0, match.start()) + 1
    return Block(match["language"].strip(), textwrap.dedent(match["text"]), page, line)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of this language on a page."""
    return [item.text for item in items(read(page)) if isinstance(item, Block) and item.language == language]


def tables(page: str, *columns: str) -> list[Table]:
    """The tables of a page that have all these columns."""
    return [item for item in items(read(page)) if isinstance(item, Table) and set(columns) <= set(item.columns)]


def _table(text: str) -> Table:
    head, _rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
    return Table(tuple(dict(zip(head, row, strict=True)) for row in rows))


def spans(text: str) -> list[str]:
    """The code spans of a piece of Markdown."""
    return re.findall(r"`([^`]+)`", text)
