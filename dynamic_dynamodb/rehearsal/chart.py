"""Pictures of a rehearsal: demand, consumed, provisioned and throttled over time, the changes, and the costs.

matplotlib draws them. It is an optional extra, so it is imported only when a picture is wanted.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.rehearsal.demand import MINUTE, Demand, Load
from dynamic_dynamodb.rehearsal.envelope import Point, columns, envelope, occupied, staircase
from dynamic_dynamodb.rehearsal.outcome import Outcome, Outcomes
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal
from dynamic_dynamodb.rehearsal.schemes import Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All lengths are in pixels, which an SVG scales.
WIDTH, LEFT, RIGHT = 720, 84, 8
_PLOT = WIDTH - LEFT - RIGHT
_TITLE, _PANEL, _LANE, _GAP, _DATES = 20, 150, 17, 8, 20
_AXIS = _TITLE + _PANEL + _GAP + 2 * _LANE + _GAP
_HEAD, _BAR, _NAMES = 44, 18, 190

# Few enough columns to keep a report of 100 tables under 20 MB, and more than a phone has.
_COLUMNS = 600
_STROKES = 220  # for changes and throttled minutes, three pixels each

# Okabe and Ito's colours, which colour-blind people can distinguish. They differ in lightness and form, too.
DEMAND, CONSUMED, PROVISIONED, THROTTLED = "#0072b2", "#a6d5f2", "#000000", "#d55e00"
_GRID, _TEXT = "#dddddd", "#333333"
OTHERS = "#b3b3b3"  # schemes that are not configurations

_STYLE = {
    "svg.hashsalt": "dynamic-dynamodb",  # two runs make the same bytes
    "svg.fonttype": "none",
    "path.simplify": False,
    "text.parse_math": False,  # a dollar sign in a name is a plain character
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": _TEXT,
    "axes.linewidth": 0.6,
}
_TICKS = [timedelta(minutes=number) for number in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)] + [
    timedelta(days=number) for number in (1, 2, 7, 14, 28, 56, 112, 224, 364)
]
_MOST_TICKS = 7
# Less than this of a unit is the noise of binary fractions.
_NOISE = 1e-6


def require(flag: str) -> None:
    """Raises ConfigError if there is no working matplotlib."""
    try:
        _matplotlib()
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise ConfigError([f"{flag}: matplotlib cannot be imported: {error}"]) from error
        text = f"run `{sys.executable} -m pip install matplotlib`, or `pip install '.[report]'` in the checkout"
        raise ConfigError([f"{flag}: needs matplotlib, which is not installed: {text}"]) from error
    except ImportError as error:
        raise ConfigError([f"{flag}: matplotlib cannot be imported: {' '.join(str(error).split())}"]) from error


@functools.cache
def _matplotlib() -> None:
    """Import it, without the user's settings for other pictures, and without its messages about fonts and caches."""
    for name in ("MPLBACKEND", "MATPLOTLIBRC"):
        os.environ.pop(name, None)
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    import matplotlib  # noqa: PLC0415 - slow, and may be missing
    import matplotlib.figure  # noqa: PLC0415

    matplotlib.rcdefaults()
    matplotlib.rcParams.update(_STYLE)


# What is drawn


@dataclass(frozen=True)
class _Panel:
    """One axis of one table or index under one configuration."""

    demand: Demand
    units: Sequence[float]  # per second
    course: Course
    axis: int

    @functools.cached_property
    def consumed(self) -> list[float]:
        return [units / 60 for units in self.course.consumed[self.axis]]

    @functools.cached_property
    def throttled(self) -> list[float]:
        return [units / 60 for units in self.course.throttled[self.axis]]

    @property
    def steps(self) -> list[Point]:
        made: list[Point] = []
        for since, both in self.course.steps:
            units = both[self.axis]
            if not made or units != made[-1][1]:
                made.append((self._minute(since), units))
        return made

    def changes(self, *, up: bool) -> list[float]:
        return [self._minute(move.at) for move in self.course.moves if (move.ups if up else move.downs)[self.axis]]

    def _minute(self, moment: datetime) -> float:
        return (moment - self.demand.start) / MINUTE


def inline(demand: Demand, load: Load, outcome: Outcome, label: str) -> str:
    """An SVG element for a page: both axes of one table or index under one configuration."""
    figure = _figure(2 * _AXIS + _DATES)
    _draw_axes(figure, demand, load, outcome, top=0, height=2 * _AXIS + _DATES)
    return _slim(_saved(figure, "svg").decode("utf-8"), label)


def write(path: str, rehearsal: Rehearsal, progress: Callable[[float], None] = lambda _: None) -> None:
    """The chart of a rehearsal of one table or index: all configurations, and the costs. Raises OSError."""
    (one,) = rehearsal.resources
    (load,) = rehearsal.demand.loads
    chosen = [outcome for outcome in one.outcomes if outcome.course and outcome.kind == "configuration"]
    heights = [2 * _AXIS + _DATES + _TITLE] * len(chosen)
    costs = _TITLE + _BAR * len(one.outcomes) + _GAP
    whole = _HEAD + sum(heights) + costs
    figure = _figure(whole)
    _write_text(figure, whole, LEFT, 18, f"{one.target}, {safe(rehearsal.demand.source)}", size=13, weight="bold")
    _draw_key(figure, whole)
    top = _HEAD
    for outcome, height in zip(chosen, heights, strict=True):
        _write_text(figure, whole, LEFT, top + 13, safe(outcome.name), weight="bold")
        _draw_axes(figure, rehearsal.demand, load, outcome, top=top + _TITLE, height=whole)
        top += height
    _draw_costs(figure, one, top=top, height=whole)
    Path(path).write_bytes(_saved(figure, Path(path).suffix[1:].lower()))
    progress(1)


# One figure


def _figure(height: int) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415

    _matplotlib()
    return Figure(figsize=(WIDTH / 72, height / 72), dpi=72)


def _saved(figure: Figure, suffix: str) -> bytes:
    made = BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type") if suffix == "svg" else ("Software",))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font does not have
        figure.savefig(made, format=suffix, dpi=72 if suffix == "svg" else 144, metadata=nothing)
    return _short(made.getvalue().decode("utf-8")).encode("utf-8") if suffix == "svg" else made.getvalue()


def _room(figure: Figure, whole: int, top: float, height: float) -> Axes:
    """Axes at a position counted from the top, without frame and ticks."""
    made = figure.add_axes((LEFT / WIDTH, 1 - (top + height) / whole, _PLOT / WIDTH, height / whole))
    made.set_facecolor("none")
    for side in ("top", "right", "left", "bottom"):
        made.spines[side].set_visible(False)
    made.tick_params(length=0, left=False, bottom=False, labelsize=10, labelcolor=_TEXT)
    return made


def _write_text(figure: Figure, whole: int, left: float, baseline: float, text: str, **how: Any) -> None:
    figure.text(left / WIDTH, 1 - baseline / whole, text, **how)


def _draw_axes(figure: Figure, demand: Demand, load: Load, outcome: Outcome, *, top: int, height: int) -> None:
    if outcome.course is None:
        return
    for axis, name in enumerate(AXES):
        panel = _Panel(demand, load.demand[axis], outcome.course, axis)
        begin = top + axis * _AXIS
        _write_text(figure, height, LEFT, begin + 14, f"{name}, units per second", weight="bold")
        plot = _room(figure, height, begin + _TITLE, _PANEL)
        _draw_units(plot, panel)
        lanes = _room(figure, height, begin + _TITLE + _PANEL + _GAP, 2 * _LANE)
        _draw_lanes(lanes, panel)
        for one in (plot, lanes):
            _draw_time(one, demand, labels=one is lanes and axis == 1)


def _draw_units(plot: Axes, panel: _Panel) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    low, high = envelope(panel.consumed, _COLUMNS)
    _fill(plot, low, [(0, 0), (panel.demand.minutes, 0)], facecolor=CONSUMED)
    _fill(plot, high, low, facecolor=CONSUMED, alpha=0.6)
    low, high = envelope(panel.units, _COLUMNS)
    _fill(plot, high, low, facecolor=DEMAND, edgecolor=DEMAND, linewidth=0.7)
    steps = staircase(panel.steps, panel.demand.minutes, _COLUMNS)
    _line(plot, steps, PROVISIONED, 1.3)
    worst = [(begin, max(group)) for begin, group in columns(panel.throttled, _COLUMNS) if max(group) > _NOISE]
    _strokes(plot, [(begin, 0, units) for begin, units in worst], THROTTLED, 1.4)
    plot.set_ylim(0, 1.05 * max(units for _, units in (*high, *steps, *worst)))
    plot.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    plot.yaxis.set_major_formatter(FuncFormatter(lambda units, _: f"{units:,.0f}"))
    plot.grid(axis="y", color=_GRID, linewidth=0.6)
    plot.set_axisbelow(True)


def _draw_lanes(lanes: Axes, panel: _Panel) -> None:
    """Below the axis: increases and decreases, up and down from a line, and the minutes with throttling."""
    lanes.set_ylim(-3, 1)
    _line(lanes, [(0, 0), (panel.demand.minutes, 0)], _GRID, 0.6)
    for up, end in ((True, 0.8), (False, -0.8)):
        moments = occupied(panel.changes(up=up), panel.demand.minutes, _STROKES)
        _strokes(lanes, [(moment, 0, end) for moment in moments], PROVISIONED, 1.2)
    where = [minute for minute, units in enumerate(panel.throttled) if units > _NOISE]
    moments = occupied(where, panel.demand.minutes, _STROKES)
    _strokes(lanes, [(moment, -2.7, -1.3) for moment in moments], THROTTLED, 1.8)
    lanes.set_yticks([0, -2], ["changes", "throttled"])


def _fill(plot: Axes, one: Sequence[Point], other: Sequence[Point], **how: Any) -> None:
    """Fill the area between two lines."""
    from matplotlib.patches import Polygon  # noqa: PLC0415

    plot.add_patch(Polygon([*one, *reversed(other)], clip_on=False, **{"linewidth": 0, **how}))


def _line(plot: Axes, points: Sequence[Point], color: str, width: float) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    x, y = zip(*points, strict=True)
    plot.add_line(Line2D(x, y, color=color, linewidth=width, solid_capstyle="butt", clip_on=False))


def _strokes(plot: Axes, strokes: Sequence[tuple[float, float, float]], color: str, width: float) -> None:
    """Vertical lines, all of them in one path."""
    if strokes:
        ends = [((moment, begin), (moment, end), (moment, math.nan)) for moment, begin, end in strokes]
        _line(plot, [point for stroke in ends for point in stroke], color, width)


def _draw_time(plot: Axes, demand: Demand, *, labels: bool) -> None:
    """Vertical lines at round times, with labels below the lowest panel."""
    plot.set_xlim(0, demand.minutes)
    moments = ticks(demand.start, demand.end)
    plot.set_xticks([(moment - demand.start) / MINUTE for moment in moments])
    too_late = demand.end - 0.05 * (demand.end - demand.start)  # a later label would be cut off
    plot.set_xticklabels([clock(one) if labels and one < too_late else "" for one in moments])
    plot.grid(axis="x", color=_GRID, linewidth=0.6)
    plot.set_axisbelow(True)


def ticks(start: datetime, end: datetime) -> list[datetime]:
    """Whole days, hours or minutes, few enough for a phone."""
    step = next((step for step in _TICKS if (end - start) / step <= _MOST_TICKS), _TICKS[-1])
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    number = -(-(start - midnight) // step)
    made = []
    while (moment := midnight + number * step) <= end:
        made.append(moment)
        number += 1
    return made


def clock(moment: datetime) -> str:
    if moment.hour or moment.minute:
        return f"{moment:%H:%M}"
    return f"{moment:%b} {moment.day}"


def _draw_key(figure: Figure, whole: int) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    signs = [
        Patch(facecolor=CONSUMED, label="consumed"),
        Line2D([], [], color=DEMAND, linewidth=1.4, label="demand"),
        Line2D([], [], color=PROVISIONED, linewidth=1.4, label="provisioned"),
        Patch(facecolor=THROTTLED, label="throttled"),
    ]
    anchor = (LEFT / WIDTH, 1 - 24 / whole)
    figure.legend(handles=signs, loc="upper left", bbox_to_anchor=anchor, borderaxespad=0, ncols=4, frameon=False)


def _draw_costs(figure: Figure, one: Outcomes, *, top: int, height: int) -> None:
    _write_text(figure, height, LEFT, top + 13, "dollars", weight="bold")
    amounts = [outcome.total.dollars for outcome in one.outcomes]
    most = max(amounts) or 1
    room = WIDTH - RIGHT - LEFT - _NAMES - 90
    plot = figure.add_axes((0, 1 - (top + _TITLE + _BAR * len(amounts)) / height, 1, _BAR * len(amounts) / height))
    plot.set_axis_off()
    plot.set_xlim(0, WIDTH)
    plot.set_ylim(len(amounts) - 0.5, -0.5)
    for row, (outcome, amount) in enumerate(zip(one.outcomes, amounts, strict=True)):
        length = room * amount / most
        colour = DEMAND if outcome.kind == "configuration" else OTHERS
        plot.barh(row, length, left=LEFT + _NAMES, height=0.62, color=colour, clip_on=False)
        plot.text(LEFT, row, safe(outcome.name)[-32:], va="center")
        plot.text(LEFT + _NAMES + length + 6, row, f"{amount:,.2f}", va="center")


# SVG


def _short(svg: str) -> str:
    """Round to tenths of a pixel."""
    return re.sub(r' (d|x|y)="([^"]*)"', lambda found: f' {found[1]}="{_path(found[2])}"', svg)


def _path(text: str) -> str:
    line = re.sub(r"\s*([MLz])\s*", r"\1", " ".join(text.split()))
    return re.sub(r"-?\d+\.\d+", lambda found: f"{round(float(found[0]), 1) + 0:g}", line)  # + 0: no -0


def _slim(svg: str, label: str) -> str:
    """Remove the head of the file, ids that two charts would share, and fonts."""
    height = re.search(r'viewBox="0 0 \S+ (\S+)"', svg)
    body = svg[svg.index(">", svg.index("<svg ")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<defs>.*?</defs>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' id="[^"]*"| xmlns:\w+="[^"]*"', "", body)
    body = re.sub(r' clip-path="[^"]*"|font-(size|family): [^;"]*; ', "", body)
    body = re.sub(r' transform="rotate\(-?0 [^"]*"', "", body)
    body = re.sub(r"<g>\s*</g>", "", re.sub(r">\s+<", "><", body))
    box = f"0 0 {WIDTH} {height[1] if height else 0}"
    return f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="{box}">{body.strip()}'
