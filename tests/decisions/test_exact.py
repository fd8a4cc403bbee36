"""Sums of datapoints are exact, whichever way they are worked out."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.decisions.exact import exact

HALVES = st.integers(0, 2**60).map(lambda number: number / 2)
ANY = st.floats(0, 1e300, allow_nan=False)


@given(st.lists(HALVES | ANY, max_size=80) | st.lists(HALVES, max_size=80))
def test_a_sum_is_that_of_the_decimal_numbers(sums: list[float]) -> None:
    assert exact(sums) == sum(map(Fraction, map(repr, sums)), Fraction(0))


@pytest.mark.parametrize(
    ("sums", "total"),
    [
        ([], "0"),
        ([0.5, 1.5, 3.0], "5"),
        ([2.0**51, 0.5], "2251799813685248.5"),
        ([2.0**53, 1.0], "9007199254740993"),  # which no float is
        ([2.0**52 - 1, 0.5, 0.5, 0.5], "4503599627370496.5"),  # nor this
        ([1e23], "1e23"),  # nor this, but the JSON shows it
        ([0.1, 0.2], "0.3"),
    ],
)
def test_literal_sums(sums: list[float], total: str) -> None:
    assert exact(sums) == Fraction(total)
