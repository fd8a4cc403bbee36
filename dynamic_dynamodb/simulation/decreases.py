"""How often a table or an index may be decreased, by AWS's present rule and by its older one."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

from dynamic_dynamodb.simulation.rules import Rules

_HOUR = timedelta(hours=1)


class Decreases:
    """The decreases that one table or index has made in this UTC day.

    Only the day of the last decrease is remembered: each day begins at 0.
    """

    def __init__(self) -> None:
        self.last: datetime | None = None
        self._made: list[datetime] = []  # all of one UTC day

    def note(self, now: datetime) -> None:
        """A decrease was accepted."""
        self._made = [*self._of_day(now), now]
        self.last = now

    def set(self, count: int, last: datetime, now: datetime) -> None:
        """Set the number of decreases of today, all of them made at `last`."""
        midnight = datetime.combine(now.date(), time(), timezone.utc)
        self._made = [max(last, midnight)] * count
        self.last = last

    def today(self, now: datetime) -> int:
        """The number of decreases in the UTC day of `now`."""
        return len(self._of_day(now))

    def next(self, now: datetime, rules: Rules) -> datetime:
        """The earliest moment, `now` or later, at which a decrease is accepted."""
        made = self._of_day(now)
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), timezone.utc)
        if len(made) >= rules.most_decreases:
            return midnight
        if rules.decrease_rule == "spaced":
            return min(_next_spaced(made, self.last, now, rules), midnight)
        return now if _available(made, now, rules.decreases_at_once) else _full_hour(now) + _HOUR

    def _of_day(self, now: datetime) -> list[datetime]:
        return self._made if self._made and self._made[-1].date() == now.date() else []


def _available(made: list[datetime], now: datetime, most: int) -> int:
    """How many decreases are left at `now`. Each full hour adds one, and there are never more than `most`.

    `made` has the decreases of this day, which began with `most`.
    """
    left, hour = most, 0
    for moment in made:
        left = min(most, left + moment.hour - hour) - 1
        hour = moment.hour
    return min(most, left + now.hour - hour)


def _next_spaced(made: list[datetime], last: datetime | None, now: datetime, rules: Rules) -> datetime:
    """The first `decreases_at_once` at any time, each later one an hour after the one before it."""
    if len(made) < rules.decreases_at_once or last is None:
        return now
    return max(now, last + _HOUR)


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
