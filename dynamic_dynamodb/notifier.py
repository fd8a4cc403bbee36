"""SNS: tells people what was changed, and when consumption crosses an alarm threshold."""

from __future__ import annotations

from typing import Any

from dynamic_dynamodb.errors import call
from dynamic_dynamodb.model import AXES, Axis, Change, Policy, Target, Usage

HIGH, LOW = "high-throughput-alarm", "low-throughput-alarm"
UP, DOWN = "scale-up", "scale-down"
_LONGEST_SUBJECT = 100  # SNS's limit; printable ASCII only


def change_types(change: Change) -> tuple[str, ...]:
    """The message types that a change has something to say for."""
    return ((UP,) if change.increases else ()) + ((DOWN,) if change.decreases else ())


def change_text(change: Change) -> str:
    """One line an axis that changes: resource, direction, old and new value, reason."""
    lines = [
        f"{change.target}: {axis} scaled {'up' if then > now else 'down'} from {now} to {then}. {reason}"
        for axis, now, then, reason in zip(AXES, change.current, change.desired, change.reasons, strict=True)
        if now != then
    ]
    return "\n".join(lines)


def alarms(policy: Policy, usage: Usage) -> str | None:
    """The alarm that one axis is in, or None; thresholds of 0 are off."""
    if 0 < policy.upper_alarm_threshold <= usage.consumed_percent:
        return HIGH
    if usage.consumed_percent < policy.lower_alarm_threshold:
        return LOW
    return None


def alarm_text(kind: str, target: Target, axes: dict[Axis, tuple[Policy, Usage]]) -> str:
    """One line an axis that is in this alarm."""
    return "\n".join(_alarm_line(kind, target, axis, *axes[axis]) for axis in AXES if axis in axes)


def _alarm_line(kind: str, target: Target, axis: Axis, policy: Policy, usage: Usage) -> str:
    threshold = policy.upper_alarm_threshold if kind == HIGH else policy.lower_alarm_threshold
    side = "at or above" if kind == HIGH else "below"
    return (
        f"{target}: {axis} consumed {float(usage.consumed_percent):.1f} % of {usage.provisioned} provisioned, "
        f"{side} the alarm threshold of {float(threshold):g} %"
    )


def subject(kinds: tuple[str, ...], target: Target) -> str:
    """At most 100 printable ASCII characters, as SNS demands; long names are shortened in the middle."""
    head = f"Dynamic DynamoDB: {' and '.join(kinds)}: "
    name = "".join(letter if " " <= letter <= "~" else "?" for letter in str(target))
    room = _LONGEST_SUBJECT - len(head)
    if len(name) > room:
        half = (room - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return head + name


def publish(sns: Any, topic: str, kinds: tuple[str, ...], target: Target, text: str) -> None:
    """Send one message. Raises AwsError."""
    call("Publish", sns.publish, TopicArn=topic, Subject=subject(kinds, target), Message=text)
