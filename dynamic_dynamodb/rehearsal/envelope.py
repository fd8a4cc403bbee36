"""A series reduced to the width of a picture: the lowest and the highest value of each column of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

Point = tuple[float, float]


def columns(values: Sequence[float], most: int) -> Iterator[tuple[int, Sequence[float]]]:
    """The values in at most `most` groups of about the same size, each with the position of its first value."""
    number = min(most, len(values))
    for column in range(number):
        begin, end = column * len(values) // number, (column + 1) * len(values) // number
        yield begin, values[begin:end]


def envelope(values: Sequence[float], most: int) -> tuple[list[Point], list[Point]]:
    """Two lines, the lowest and the highest value of each column. Both extend to the end of the last value."""
    low: list[Point] = []
    high: list[Point] = []
    for begin, group in columns(values, most):
        low.append((begin, min(group)))
        high.append((begin, max(group)))
    if low:
        low.append((len(values), low[-1][1]))
        high.append((len(values), high[-1][1]))
    return low, high


def staircase(steps: Sequence[Point], end: float, most: int) -> list[Point]:
    """Steps (moment, value from then on) as a line. Steps within one column become one stroke, lowest to highest."""
    first, *others = steps
    line = [first]
    level = first[1]
    for _, group in groupby(others, key=lambda step: int(step[0] * most / end)):
        inside = list(group)
        begin = inside[0][0]
        levels = [units for _, units in inside]
        corners = [level, min(levels), max(levels), levels[-1]] if len(levels) > 1 else [level, *levels]
        line += [(begin, units) for units in corners]
        level = levels[-1]
    return [*line, (end, level)]


def occupied(moments: Sequence[float], end: float, most: int) -> list[float]:
    """The first moment in each column that has any."""
    return list({int(moment * most / end): moment for moment in reversed(moments)}.values())[::-1]
