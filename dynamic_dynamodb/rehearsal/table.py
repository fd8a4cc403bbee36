"""A rehearsal as text, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dynamic_dynamodb.configuration.prices import Watching
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.wording import count
from dynamic_dynamodb.rehearsal.advice import advice
from dynamic_dynamodb.rehearsal.demand import Demand
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal
from dynamic_dynamodb.rehearsal.rivals import ALARMS
from dynamic_dynamodb.rehearsal.schemes import Kind

WIDTH = 80
_NAME = 26
_OF_RESOURCE = 30
WORTH_SAYING = 1  # percent of the time at a limit


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
    yield from _resources(rehearsal.resources, len(configurations(rehearsal.totals)))
    yield ""
    for note in notes(rehearsal):
        yield from _wrapped(note)


def _head(rehearsal: Rehearsal, days: float) -> Iterator[str]:
    demand = rehearsal.demand
    yield from _wrapped(f"{_tail(demand.source, WIDTH // 2)}: {extent(rehearsal.resources, days)}")
    yield span(demand)


def extent(resources: Sequence[Outcomes], days: float) -> str:
    """How many tables and indexes over how many days."""
    tables = sum(one.target.index is None for one in resources)
    indexes = len(resources) - tables
    what = count(tables, "table") + (f" and {count(indexes, 'index', 'indexes')}" if indexes else "")
    return f"{what}, {_length(days)}"


def _length(days: float) -> str:
    minutes = round(days * 1440)
    if minutes < 60:
        return count(minutes, "minute")
    if minutes < 1440:
        return f"{_short(minutes / 60)} {'hour' if minutes == 60 else 'hours'}"
    return f"{_short(days)} {'day' if days == 1 else 'days'}"


def span(demand: Demand) -> str:
    return f"from {demand.start:%Y-%m-%d %H:%M} to {demand.end:%Y-%m-%d %H:%M} UTC"


def configurations(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The user's own schemes, in the order in which they were given."""
    return [one for one in outcomes if one.kind == "configuration"]


def _money(totals: Sequence[Outcome]) -> Iterator[str]:
    first = totals[0].total.dollars
    yield f"{'':{_NAME}}{'unit hours':>21}{'dollars by hourly':>20}"
    yield f"{'':{_NAME}}{'reads':>11}{'writes':>10}{'average':>10}{'maximum':>10}{'to run':>7}"
    for one in totals:
        yield _row(one, money(one, first), (11, 10, 10, 10, 7, 6))


def money(one: Outcome, first: float) -> list[str]:
    """Unit hours of reads and writes; dollars by average, by maximum and to run; percent of the first scheme's."""
    sums = one.total
    hours = (sums.read_unit_hours, sums.write_unit_hours)
    return [
        *("" if one.kind == "on-demand" else _rounded(units) for units in hours),
        dollars(sums.dollars),
        dollars(sums.dollars_hour_maximum),
        "" if one.running is None else dollars(one.running.dollars, 1e3),
        f"{100 * sums.dollars / first:.0f}%" if first else "",
    ]


def _service(totals: Sequence[Outcome], days: float) -> Iterator[str]:
    minutes, changes = ("min", "changes") if days < 1 else ("min/day", "changes per day")
    yield f"{'':{_NAME}}{'throttled':>11}{'':>9}{'':>8}{'used':>6}{changes:>20}"
    yield f"{'':{_NAME}}{'units':>11}{'%':>9}{minutes:>8}{'%':>6}{'up':>6}{'down':>6}{'refused':>8}"
    for one in totals:
        yield _row(one, service(one, days), (11, 9, 8, 6, 6, 6, 8))


def service(one: Outcome, days: float) -> list[str]:
    """Throttled units, percent, minutes per day; percent used; increases, decreases and refused changes per day."""
    sums, days = one.total, max(days, 1)  # totals if the run is shorter than a day
    changes = (sums.increases, sums.decreases, sums.refused)
    return [
        _rounded(sums.throttled_units),
        f"{sums.throttled_percent:.4f}",
        _short(sums.throttled_minutes / days),
        "" if sums.utilization_percent is None else f"{sums.utilization_percent:.0f}",
        *("" if one.kind in ("on-demand", "least") else _short(number / days) for number in changes),
    ]


def _row(one: Outcome, cells: Sequence[str], widths: Sequence[int]) -> str:
    return _cut(one.name, _NAME) + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


_OTHERS: dict[Kind, str] = {
    "recorded": "recorded",
    "target-tracking": "AWS",
    "on-demand": "on demand",
    "least": "least",
}
_BESIDE = 3  # columns that have room; "recorded", if known of all tables, replaces "least"


def own_column(number: int) -> str:
    """The heading above the dollars of the configurations."""
    return "this" if number == 1 else "costs"


def _resources(resources: Sequence[Outcomes], number: int) -> Iterator[str]:
    """A line per table and index with the costs of all schemes. Several configurations have separate lines below it."""
    kinds = [kind for kind in _OTHERS if all(any(each.kind == kind for each in one.outcomes) for one in resources)]
    headings = [own_column(number), *(_OTHERS[kind] for kind in kinds[:_BESIDE]), "throttled"]
    yield f"{'dollars':{_OF_RESOURCE}}{''.join(f'{heading:>10}' for heading in headings)}"
    for one in resources:
        chosen = configurations(one.outcomes)
        by_kind = {each.kind: each for each in one.outcomes}
        beside = "".join(f"{dollars(by_kind[kind].total.dollars):>10}" for kind in kinds[:_BESIDE])
        if number == 1:
            yield _of_resource(one.name, chosen[0], beside)
        else:
            yield f"{_cut(one.name, _OF_RESOURCE)}{'':10}{beside}"
        yield from (f"  {fact}" for fact in facts(one))
        for each in chosen:
            if number > 1:
                yield _of_resource(f"  {_tail(each.name, _OF_RESOURCE - 3)}", each, f"{'':30}")
            yield from (f"{'  ' if number == 1 else '    '}{remark}" for remark in remarks(each))


def _of_resource(text: str, one: Outcome, beside: str) -> str:
    return f"{_cut(text, _OF_RESOURCE)}{dollars(one.total.dollars):>10}{beside}{one.total.throttled_percent:9.4f}%"


def facts(one: Outcomes) -> Iterator[str]:
    """Facts about a table or index that do not depend on the configuration."""
    if one.on_demand:
        yield "on demand in reality, rehearsed as provisioned"


def remarks(one: Outcome) -> Iterator[str]:
    """What limits the result of a configuration."""
    for bound in one.bounds:
        if bound.percent >= WORTH_SAYING:
            limit = bound.limit if bound.limit[0].isdigit() else f"the {bound.limit}"
            yield f"{bound.axis} at {limit}, {bound.percent:.0f} % of the time"
    if one.total.refused:
        yield f"{count(one.total.refused, 'change')} refused: no decrease left, or a quota reached"


def notes(rehearsal: Rehearsal) -> Iterator[str]:
    demand, prices = rehearsal.demand, rehearsal.prices
    yield from advice(rehearsal.totals, rehearsal.resources)
    elsewhere = demand.region not in (None, prices.region)
    unknown = "" if demand.region else "; the region of this demand is unknown"
    yield (
        f"Prices: {prices.region}, {prices.date} ({prices.source})"
        + (f", not those of {demand.region}; use --prices FILE" if elsewhere else unknown)
        + ". AWS does not say whether an hour counts by its average or by its maximum, so both are shown."
    )
    yield _running(prices.watching)
    yield (
        "The least: the cheapest capacity that is never below the demand of any minute. It ignores burst capacity, min "
        "and max, and each axis has all decreases to itself. It is a bound, not a promise."
    )
    yield from _recorded_on_demand(rehearsal)
    if demand.gap_minutes:
        yield f"{demand.gap_minutes:,} minutes were missing, and have the value before them."
    yield from demand.notes


def _running(watching: Watching) -> str:
    return (
        f"To run: additional dollars at CloudWatch, for the metrics that are read (${watching.thousand_metrics:g} per "
        f"1,000) or for AWS's {ALARMS} alarms per table and index (${watching.alarm_month:.2f} each per month)."
    )


def _recorded_on_demand(rehearsal: Rehearsal) -> Iterator[str]:
    """The recorded row has the dollars of all tables, but no capacity of those on demand."""
    number = sum(one.on_demand for one in rehearsal.resources)
    if number and any(one.kind == "recorded" for one in rehearsal.totals):
        what = count(number, "table or index", "tables and indexes")
        yield f"As recorded: unit hours and utilization leave out {what} on demand."


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
    """A column of this width that ends with a space."""
    return f"{_tail(name, width - 1):{width}}"


def _tail(name: str, width: int) -> str:
    """Cut at the beginning: the end of a path says the most."""
    return safe(name if len(name) <= width else f"...{name[3 - width :]}")


def dollars(amount: float, with_cents: float = 1e5) -> str:
    """With cents below the amount `with_cents`."""
    cents = round(amount, 2) + 0.0  # + 0.0: no -0.00
    return f"{cents:,.2f}" if cents < with_cents else f"{amount:,.0f}"


def _rounded(value: float) -> str:
    """At most nine characters."""
    if round(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value / 1e6:.2f} mn" if round(value / 1e6, 2) < 1e3 else f"{value / 1e9:,.2f} bn"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
