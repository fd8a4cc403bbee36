"""The generated parts of docs/reliability.md: the table of faults, and the bounds of a check."""

from __future__ import annotations

import sys
from pathlib import Path

_PAGE = Path(__file__).parent / "reliability.md"
sys.path.insert(0, str(_PAGE.parent.parent / "tests" / "stand_ins"))

from fault_cells import CELLS, FAULTS, KINDS, OPERATIONS, SILENCE, cells  # noqa: E402

from dynamic_dynamodb.aws import calls  # noqa: E402


def page() -> str:
    """The whole of docs/reliability.md, with the parts between the marks replaced."""
    text = _PAGE.read_text(encoding="utf-8")
    for name, part in (("bounds", _bounds()), ("matrix", _matrix())):
        before, begin, rest = text.partition(f"<!-- generated: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->\n")
        if not end:
            raise SystemExit(f"{_PAGE}: the marks for {name} are missing")
        text = f"{before}{begin}{part}{end}{after}"
    return text


def _bounds() -> str:
    return _table(
        ("bound", "value"),
        [
            ("simultaneous calls", f"{calls.THREADS}"),
            ("a call hangs, and others are started beside it, after", f"{calls.HANGS:g} s"),
            ("simultaneous calls when many hang, at most", f"{calls.MOST_THREADS}"),
            ("a call, with its attempts and pages, is given up after", f"{calls.PATIENCE:g} s"),
            ("the rest of a step is skipped after so many calls without an answer", f"{calls.MOST_UNANSWERED}"),
        ],
    )


def _matrix() -> str:
    rows = []
    for name, named in {**FAULTS, **SILENCE}.items():
        kinds = (KINDS[kind].shown if kind else "-" for kind in CELLS[name])
        rows.append((named.title, *kinds))
    counted = f"{len(rows)} faults, {len(cells(CELLS))} cells.\n\n"
    return counted + _table(("fault", *OPERATIONS), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rows))
