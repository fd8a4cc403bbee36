"""`--report`: a rehearsal as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.wording import count
from dynamic_dynamodb.rehearsal import chart, page, table
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal
from dynamic_dynamodb.rehearsal.schemes import Kind, Move

_MONEY = (
    "",
    "read unit hours",
    "write unit hours",
    "dollars",
    "dollars by hourly maximum",
    "dollars to run",
    "compared with first",
)
_SERVICE = ("", "units throttled", "% throttled", "minutes throttled", "% used", "increases", "decreases", "refused")
_DAILY = ("minutes throttled", "increases", "decreases", "refused")
_BESIDE: tuple[tuple[Kind, str], ...] = (  # columns beside the configurations
    ("recorded", "as recorded"),
    ("target-tracking", "AWS target tracking"),
    ("on-demand", "on demand"),
    ("least", "the least"),
)


def write(path: str, rehearsal: Rehearsal, progress: Callable[[float], None] = lambda _: None) -> None:
    """Write the file. Raises OSError."""
    Path(path).write_text("".join(f"{line}\n" for line in _page(rehearsal, progress)), "utf-8")


def _page(rehearsal: Rehearsal, progress: Callable[[float], None]) -> Iterator[str]:
    demand = rehearsal.demand
    days = demand.minutes / 1440
    names = [one.name for one in table.configurations(rehearsal.totals)]
    title = _text(f"Rehearsal of {' and '.join(names)}: {demand.source}")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{page.STYLE}</style>\n</head>"
    yield f'<body data-minutes="{demand.minutes}">\n<h1>{title}</h1>'
    yield f"<p>{_text(table.extent(rehearsal.resources, days))}, {table.span(demand)}</p>"
    yield '<div class="sides"><div>'
    first = rehearsal.totals[0].total.dollars
    yield from _table(_MONEY, [(one, table.money(one, first)) for one in rehearsal.totals])
    yield f"</div><div>{_costs(rehearsal.totals)}</div></div>"
    service = [f"{text} per day" if text in _DAILY and days >= 1 else text for text in _SERVICE]
    yield from _table(service, [(one, table.service(one, days)) for one in rehearsal.totals])
    resources = _sorted(rehearsal)
    yield from _resources(rehearsal, resources)
    for note in table.notes(rehearsal):
        yield f"<p>{_text(note)}</p>"
    loads = {load.target: load for load in demand.loads}
    for number, one in enumerate(resources):
        yield from _section(demand, loads[one.target], one, number)
        progress((number + 1) / len(resources))
    yield f'<div id="tip"></div>\n<script>{page.SCRIPT}</script>\n</body>\n</html>'


# Numbers


def _table(head: Sequence[str], rows: Sequence[tuple[Outcome, Sequence[str]]]) -> Iterator[str]:
    yield f'<div class="wide"><table><thead>{_cells(head, "th")}</thead><tbody>'
    for one, cells in rows:
        opening = '<tr class="chosen">' if one.kind == "configuration" else "<tr>"
        yield opening + _cells([one.name, *cells], "td").removeprefix("<tr>")
    yield "</tbody></table></div>"


def _cells(texts: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_text(text)}</{tag}>" for text in texts) + "</tr>"


def _costs(outcomes: Sequence[Outcome]) -> str:
    """A bar for each scheme, beside its dollars."""
    most = max(one.total.dollars for one in outcomes) or 1
    rows = [
        f"<tr><td>{_text(one.name)}{_bar(100 * one.total.dollars / most, one.kind)}</td>"
        f"<td>{table.dollars(one.total.dollars)}</td></tr>"
        for one in outcomes
    ]
    head = "<thead><tr><th></th><th>dollars</th></tr></thead>"
    return f'<table class="costs">{head}<tbody>{"".join(rows)}</tbody></table>'


def _bar(percent: float, kind: Kind) -> str:
    colour = chart.DEMAND if kind == "configuration" else chart.OTHERS
    return f'<svg aria-hidden="true"><rect width="{percent:.1f}%" height="9" fill="{colour}"/></svg>'


# Tables and indexes


def _compared(rehearsal: Rehearsal) -> Kind:
    """The scheme with which the savings of the first one are compared: the recorded one, else AWS's target tracking."""
    return "recorded" if any(one.kind == "recorded" for one in rehearsal.totals) else "target-tracking"


def _dollars(one: Outcomes, kind: Kind) -> float:
    return next(outcome.total.dollars for outcome in one.outcomes if outcome.kind == kind)


def _saved(one: Outcomes, kind: Kind, chosen: int = 0) -> float:
    """Dollars that one of the configurations saves."""
    return _dollars(one, kind) - one.outcomes[chosen].total.dollars


def _sorted(rehearsal: Rehearsal) -> list[Outcomes]:
    kind = _compared(rehearsal)
    return sorted(rehearsal.resources, key=lambda one: (-_saved(one, kind), one.target.table, one.target.index or ""))


def _resources(rehearsal: Rehearsal, resources: Sequence[Outcomes]) -> Iterator[str]:
    compared, number = _compared(rehearsal), len(table.configurations(rehearsal.totals))
    beside = [(kind, text) for kind, text in _BESIDE if kind != "recorded" or compared == "recorded"]
    against = "the recorded capacity" if compared == "recorded" else "AWS target tracking"
    head = _cells(["dollars", table.own_column(number), *(text for _, text in beside), "saves", "throttled"], "th")
    yield "<h2>Tables and indexes</h2>"
    yield f"<p>Sorted by what {_text(rehearsal.totals[0].name)} saves compared with {against}.</p>"
    yield f'<div class="wide"><table><thead>{head}</thead><tbody>'
    for place, one in enumerate(resources):
        own = [_of_configuration(one, compared, chosen) for chosen in range(number)]
        alternatives = [table.dollars(_dollars(one, kind)) for kind, _ in beside]
        link, facts = f'<a href="#r{place}">{_text(one.name)}</a>', list(table.facts(one))
        if number > 1:
            yield _row(link, ["", *alternatives, "", ""], facts)
            for outcome, (paid, *rest) in zip(one.outcomes, own, strict=False):
                cells = [paid, *("" for _ in beside), *rest]
                yield _row(_text(outcome.name), cells, list(table.remarks(outcome)), kind="own")
        else:
            ((paid, *rest),) = own
            yield _row(link, [paid, *alternatives, *rest], [*facts, *table.remarks(one.outcomes[0])])
    yield "</tbody></table></div>"


def _of_configuration(one: Outcomes, compared: Kind, place: int) -> list[str]:
    """Cells of one configuration: what it costs, saves and throttles."""
    sums = one.outcomes[place].total
    return [
        table.dollars(sums.dollars),
        table.dollars(_saved(one, compared, place)),
        f"{sums.throttled_percent:.4f}%",
    ]


def _row(first: str, cells: Sequence[str], remarks: Sequence[str], kind: str = "") -> str:
    """A row of a table. `first` is HTML, the others are text; the remarks follow below it."""
    below = "".join(f"<small>{_text(remark)}</small>" for remark in remarks)
    opening = f'<tr class="{kind}">' if kind else "<tr>"
    return f"{opening}<td>{first}{below}</td>{_cells(cells, 'td').removeprefix('<tr>')}"


def _section(demand: Demand, load: Load, one: Outcomes, number: int) -> Iterator[str]:
    chosen = table.configurations(one.outcomes)
    yield f'<section id="r{number}"><h2>{_text(one.name)}</h2>'
    yield from _sentence([*table.facts(one), *(table.remarks(chosen[0]) if len(chosen) == 1 else ())])
    yield '<div class="sides"><div>'
    for outcome in chosen:
        if len(chosen) > 1:
            yield f"<h3>{_text(outcome.name)}</h3>"
            yield from _sentence(list(table.remarks(outcome)))
        yield f"<div>{page.KEY}{chart.inline(demand, load, outcome, _words(one, outcome))}"
        yield f"{_changes(demand, outcome.moves)}</div>"
    yield f"</div><div>{_costs(one.outcomes)}</div></div></section>"


def _sentence(remarks: Sequence[str]) -> Iterator[str]:
    if text := "; ".join(remarks):
        yield f"<p>{_text(text[0].upper() + text[1:])}.</p>"


def _words(one: Outcomes, outcome: Outcome) -> str:
    """The text of a chart for screen readers."""
    sums = outcome.total
    return safe(
        f"Reads and writes of {one.name} over time: "
        f"{count(sums.increases, 'increase')}, {count(sums.decreases, 'decrease')}, "
        f"{count(sums.throttled_minutes, 'minute')} with throttling"
    )


def _changes(demand: Demand, moves: Sequence[Move]) -> str:
    """All changes, one per line. The script finds a line by its minute."""
    if not moves:
        return "<p>No changes.</p>"
    at = ",".join(f"{(move.at - demand.start) / MINUTE:.4g}" for move in moves)
    lines = "".join(f"<li>{move.at:%m-%d %H:%M} {_text(_reason(move))}\n" for move in moves)
    return f'<details><summary>{count(len(moves), "change")}</summary><ol data-at="{at}">\n{lines}</ol></details>'


def _reason(move: Move) -> str:
    """The reasons of the axes that change."""
    reasons = []
    for axis, name in enumerate(AXES):
        before, after = move.before[axis], move.after[axis]
        if before != after:
            reasons.append(move.reasons[axis] or f"{name} {before} -> {after}")
    return "; ".join(reasons)


def _text(text: str) -> str:
    return escape(safe(text))
