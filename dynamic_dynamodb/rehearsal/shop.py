"""A day and a week of a shop that sells from 4 pm to 10 pm: demand for users who have no trace yet.

Each minute is `base(hour) * day * noise`, in units per second, where

- `base` is 60 at night (until 7 am), rises linearly to 150 by 10 am, stays there until 3 pm, rises linearly to 600 by
  4 pm, is 600 + 200 * sin(pi * (hour - 16) / 6) in the rush from 4 pm to 10 pm, and falls linearly to 60 by midnight;
- `day` is 1 from Monday to Thursday, 1.2 on Friday, 1.5 on Saturday and 1.3 on Sunday; in `sales-day`, a Monday, 1;
- `noise` is 1 + .05 * sin(2 pi * n * .618) + .03 * sin(2 pi * n * .414) for minute n: never steady, always the same.

Writes are a quarter of the reads. The day and the week begin on Monday, 2026-01-05, at midnight UTC.
"""

from __future__ import annotations

import math
from array import array
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dynamic_dynamodb.rehearsal.demand import Pair

if TYPE_CHECKING:
    from dynamic_dynamodb.rehearsal.demand import Minutes

START = datetime(2026, 1, 5, tzinfo=timezone.utc)  # a Monday
DAYS = {"sales-day": 1, "sales-week": 7}
_OF_WEEK = (1, 1, 1, 1, 1.2, 1.5, 1.3)
_CORNERS = ((0, 60), (7, 60), (10, 150), (15, 150), (16, 600), (22, 600), (24, 60))  # hours, units per second


def sales(name: str) -> Pair:
    """Reads and writes of `sales-day` or `sales-week`."""
    reads: Minutes = array("d", (_units(minute) for minute in range(DAYS[name] * 1440)))
    return reads, array("d", (round(units / 4, 4) for units in reads))


def _units(minute: int) -> float:
    day, of_day = divmod(minute, 1440)
    noise = 1 + 0.05 * math.sin(2 * math.pi * minute * 0.618) + 0.03 * math.sin(2 * math.pi * minute * 0.414)
    return round(_base(of_day / 60) * _OF_WEEK[day] * noise, 4)


def _base(hour: float) -> float:
    after = next(number for number, (corner, _) in enumerate(_CORNERS) if corner > hour)
    (begin, low), (end, high) = _CORNERS[after - 1], _CORNERS[after]
    rush = 200 * math.sin(math.pi * (hour - 16) / 6) if 16 <= hour < 22 else 0
    return low + (high - low) * (hour - begin) / (end - begin) + rush
