"""A rehearsal as text, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.wording import count
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal

WIDTH = 80
_NAME = 26
_OF_RESOURCE = 30
_WORTH_SAYING = 1  # percent of the time


def table(rehearsal: Rehearsal) -> str:
    return "\n".join(line.rstrip() for line in _lines(rehearsal)) + "\n"


def _lines(rehearsal: Rehearsal) -> Iterator[str]:
    days = rehearsal.demand.minutes / 1440
    yield from _head(rehearsal, days)
    yield ""
    yield from _money(rehearsal.totals)
    yield ""
    yield from _service(rehearsal.totals, days)
    yield ""
    yield from _resources(rehearsal.resources)
    yield ""
    yield from _notes(rehearsal)


def _head(rehearsal: Rehearsal, days: float) -> Iterator[str]:
    demand = rehearsal.demand
    tables = sum(one.target.index is None for one in rehearsal.resources)
    indexes = len(rehearsal.resources) - tables
    what = count(tables, "table") + (f" and {count(indexes, 'index', 'indexes')}" if indexes else "")
    yield from _wrapped(f"{_tail(demand.source, WIDTH // 2)}: {what}, {_short(days)} {'day' if days == 1 else 'days'}")
    yield f"from {demand.start:%Y-%m-%d %H:%M} to {demand.end:%Y-%m-%d %H:%M} UTC"


def _money(totals: Sequence[Outcome]) -> Iterator[str]:
    first = totals[0].total.dollars
    yield f"{'':{_NAME}}{'unit hours':>24}{'dollars':>12}{'by hour':>12}"
    yield f"{'':{_NAME}}{'reads':>12}{'writes':>12}{'':>12}{'maximum':>12}{'':>6}"
    for one in totals:
        sums = one.total
        of_first = f"{100 * sums.dollars / first:5.0f}%" if first else ""
        hours = (
            f"{'':>24}"
            if one.kind == "on-demand"
            else f"{_rounded(sums.read_unit_hours):>12}{_rounded(sums.write_unit_hours):>12}"
        )
        yield (
            f"{_cut(one.name, _NAME)}{hours}{_dollars(sums.dollars):>12}{_dollars(sums.dollars_hour_maximum):>12}"
            f"{of_first:>6}"
        )


def _service(totals: Sequence[Outcome], days: float) -> Iterator[str]:
    yield f"{'':{_NAME}}{'throttled':>14}{'':>9}{'min a':>8}{'used':>6}{'changes a day':>17}"
    yield f"{'':{_NAME}}{'units':>14}{'%':>9}{'day':>8}{'%':>6}{'up':>6}{'down':>6}{'no':>5}"
    for one in totals:
        sums = one.total
        used = "" if sums.utilization_percent is None else f"{sums.utilization_percent:.0f}"
        changes = (
            f"{_short(sums.increases / days):>6}{_short(sums.decreases / days):>6}{_short(sums.refused / days):>5}"
            if one.kind != "on-demand"
            else ""
        )
        yield (
            f"{_cut(one.name, _NAME)}{_rounded(sums.throttled_units):>14}{sums.throttled_percent:9.4f}"
            f"{_short(sums.throttled_minutes / days):>8}{used:>6}{changes}"
        )


def _resources(resources: Sequence[Outcomes]) -> Iterator[str]:
    """One line each: the first scheme, and what the others would cost."""
    yield f"{'dollars':{_OF_RESOURCE}}{'this':>10}{'AWS':>10}{'demand':>10}{'least':>10}{'throttled':>10}"
    for one in resources:
        by_kind = {each.kind: each for each in reversed(one.outcomes)}
        name = one.target.table + (f"/{one.target.index}" if one.target.index else "")
        chosen = one.outcomes[0]
        amounts = "".join(
            f"{_dollars(by_kind[kind].total.dollars):>10}"
            for kind in ("configuration", "target-tracking", "on-demand", "least")
        )
        yield f"{_cut(name, _OF_RESOURCE)}{amounts}{chosen.total.throttled_percent:9.3f}%"
        if one.on_demand:
            yield "  on demand in reality, rehearsed as provisioned"
        for bound in chosen.bounds:
            if bound.percent >= _WORTH_SAYING:
                yield f"  {bound.axis} at the {bound.limit}, {bound.percent:.0f} % of the time"
        if chosen.total.refused:
            yield f"  {count(chosen.total.refused, 'change')} refused: no decrease left, or a quota reached"


def _notes(rehearsal: Rehearsal) -> Iterator[str]:
    demand, prices = rehearsal.demand, rehearsal.prices
    elsewhere = demand.region not in (None, prices.region)
    unknown = "" if demand.region else " (the region of this demand is not known)"
    yield from _wrapped(
        f"Prices: {prices.region}, {prices.date} ({prices.source})"
        + (f", not {demand.region}'s; give --prices FILE" if elsewhere else unknown)
        + ". AWS does not say whether an hour counts by its average or by its maximum: both are shown."
    )
    yield from _wrapped("The least: never below any minute, no burst, no min or max. A bound, not a promise.")
    if demand.gap_minutes:
        yield from _wrapped(f"{demand.gap_minutes:,} minutes were missing, and held at the value before them.")
    for note in demand.notes:
        yield from _wrapped(note)


# Words


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


def _cut(name: str, width: int) -> str:
    """A column, with a blank at its end."""
    return f"{_tail(name, width - 1):{width}}"


def _tail(name: str, width: int) -> str:
    """The end of a path says most."""
    return safe(name if len(name) <= width else f"...{name[3 - width :]}")


def _dollars(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 1e6 else f"{amount:,.0f}"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value < 1e9 else f"{value:.3g}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value % 1 >= 0.05 and value < 100 else f"{value:.0f}"
