"""What target tracking learns from throttled minutes: how much headroom to keep, how far to trust burst credit. Pure.

The rules and constants are in docs/behaviour.md, section 10. They were found by simulation on real loads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_STEP = 0.05  # of headroom, for each throttled minute
_MOST_HEADROOM = 2.0
_MOST_STEPS = 3  # per event: later minutes of it are already being answered
_QUIET = 2  # minutes without throttling that end an event
_WEEK, _DAY = 10_080, 1_440  # minutes
_TRUSTED_AGAIN = 2 ** (1 / _WEEK)  # per minute: trust doubles in a week


@dataclass(frozen=True)
class Minute:
    """One minute of one axis: 1-minute sums of what was consumed and throttled, and the state of the axis.

    `credit`: the capacity units of burst credit that the policy counted on for this minute, before it began.
    `free`: whether the policy could have had more capacity. Nothing is learned from other minutes.
    """

    consumed: float
    throttled: float
    provisioned: float  # capacity units per minute
    credit: float = 0.0
    free: bool = True


@dataclass(frozen=True)
class Learned:
    """What was learned up to one minute. `headroom` is 1 to 2, `trust` 0 to 1. The other fields describe the event."""

    headroom: float = 1.0
    trust: float = 1.0
    quiet: int = _QUIET  # minutes since the last throttled one
    steps: int = 0  # by which this event has raised the headroom
    doubted: bool = False  # whether this event has halved the trust

    def after(self, minute: Minute, allowed: float) -> Learned:
        """What is learned after one more minute; `allowed` is the number of throttled minutes per day to aim for."""
        if not minute.free:
            return replace(self, quiet=_QUIET if not minute.throttled else 0)
        learned = self._throttled(minute) if minute.throttled else self
        return replace(
            learned,
            quiet=0 if minute.throttled else self.quiet + 1,
            headroom=max(1.0, learned.headroom - _STEP * allowed / _DAY),
            trust=min(1.0, learned.trust * _TRUSTED_AGAIN),
        )

    def _throttled(self, minute: Minute) -> Learned:
        event = replace(self, steps=0, doubted=False) if self.quiet >= _QUIET else self
        if minute.credit > 0 and minute.consumed + minute.throttled - minute.provisioned <= minute.credit:
            # The credit would have been enough if it had existed.
            return event if event.doubted else replace(event, trust=event.trust / 2, doubted=True)
        if event.steps >= _MOST_STEPS:
            return event
        return replace(event, steps=event.steps + 1, headroom=min(_MOST_HEADROOM, event.headroom + _STEP))
