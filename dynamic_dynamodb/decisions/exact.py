"""Exact sums of datapoints. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce

# Sums of any floats are exact with so many digits; Decimals are a tenth of the work of Fractions.
_EXACT = Context(prec=1000)
_MOST_HALVES = 2.0**52  # floats hold all halves up to here, and so their sums


def exact(sums: Sequence[float]) -> Fraction:
    """The exact sum: a datapoint is the decimal number that its JSON shows, not the binary one next to it."""
    if not any(2 * one % 1 for one in sums):  # as nearly all of CloudWatch's: halves of capacity units
        total = sum(sums)
        if total < _MOST_HALVES:
            return Fraction(int(2 * total), 2)
    decimal = reduce(_EXACT.add, map(Decimal, map(repr, sums)), Decimal(0))
    return Fraction(*decimal.as_integer_ratio())
