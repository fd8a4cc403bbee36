"""Notifies people about changes and alarms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.errors import AwsError, facts
from dynamic_dynamodb.aws.sns import fit_subject, publish
from dynamic_dynamodb.checks.state import Memory
from dynamic_dynamodb.decisions.calculator import maximum, number, percent
from dynamic_dynamodb.decisions.model import AXES, Axis, Change, Policy, Target, Usage
from dynamic_dynamodb.output import events
from dynamic_dynamodb.output.masking import printable

log = logging.getLogger("dynamic-dynamodb")

HIGH, LOW = "high-throughput-alarm", "low-throughput-alarm"
UP, DOWN = "scale-up", "scale-down"
AT_MAXIMUM = "at-maximum"


def change_types(change: Change) -> tuple[str, ...]:
    """The message types that apply to a change."""
    return ((UP,) if change.increases else ()) + ((DOWN,) if change.decreases else ())


def change_text(change: Change) -> str:
    """One line for each axis that changes: resource, direction, old and new value, reason."""
    name = printable(str(change.target))
    lines = [
        f"{name}: {axis} scaled {'up' if then > now else 'down'} from {now} to {then}. {reason}"
        for axis, now, then, reason in zip(AXES, change.current, change.desired, change.reasons, strict=True)
        if now != then
    ]
    return "\n".join(lines)


def alarm_type(policy: Policy, usage: Usage) -> str | None:
    """The present alarm of one axis, or None. A threshold of 0 is off."""
    if policy.upper_alarm_threshold and usage.consumed_percent >= policy.upper_alarm_threshold:
        return HIGH
    if policy.lower_alarm_threshold and usage.consumed_percent < policy.lower_alarm_threshold:
        return LOW
    return None


def _alarm_text(kind: str, axis: Axis, policy: Policy, usage: Usage) -> str:
    threshold = policy.upper_alarm_threshold if kind == HIGH else policy.lower_alarm_threshold
    side = "at or above" if kind == HIGH else "below"
    return (
        f"{axis} consumed {percent(usage.consumed_percent, threshold)} % of {usage.provisioned} provisioned, "
        f"{side} the alarm threshold of {number(threshold)} %"
    )


def subject(kinds: tuple[str, ...], target: Target) -> str:
    """The subject of a message, within SNS's 100 characters."""
    return fit_subject(f"Dynamic DynamoDB: {' and '.join(kinds)}: ", printable(str(target)))


@dataclass(frozen=True)
class _Message:
    """A message to publish."""

    topic: str
    name: str  # what it is about, as in the log
    subject: str
    text: str
    group: str  # whose messages stay in order
    at: datetime


def ignore(_: Change) -> None:
    """For callers that do not need to know about changes."""


def _nothing() -> None:
    """For messages that do not belong to an episode."""


class Notifier:
    """Publishes the messages that a section subscribes to. A failure to publish is logged and stops nothing.

    Messages are collected and sent at the end of a check, so that a topic that does not answer does not delay an
    increase.
    """

    def __init__(
        self,
        sns: Any,
        workers: Workers,
        clock: Callable[[], datetime],
        *,
        dry_run: bool,
        watch: Callable[[Change], None] = ignore,
    ) -> None:
        self._sns = sns
        self._watch = watch
        self._workers = workers
        self._clock = clock
        self._dry_run = dry_run
        self._messages: list[_Message] = []
        self._begun: dict[_Message, Callable[[], None]] = {}  # episodes, and what to call when SNS accepted the message
        self._silent: dict[str, AwsError] = {}  # topics that gave no answer in this check, and how

    def changed(self, section: Mapping[str, Any], change: Change) -> None:
        """Report a change that DynamoDB accepted."""
        self._watch(change)
        self._add(section, change.target, change_types(change), change_text(change))

    def alarm(
        self, section: Mapping[str, Any], target: Target, axes: Mapping[Axis, tuple[Policy, Usage]], memory: Memory
    ) -> None:
        """Report an alarm when it begins: one message per target, and high before low.

        An alarm that could not be published is sent again in the next check.
        """
        now = {axis: kind for axis, (policy, usage) in axes.items() if (kind := alarm_type(policy, usage))}
        memory.alarmed = {axis: kind for axis, kind in memory.alarmed.items() if now.get(axis) == kind}
        for kind in (HIGH, LOW):
            crossed = {axis: kind for axis in AXES if now.get(axis) == kind}
            if crossed.keys() - memory.alarmed.keys():
                texts = [_alarm_text(kind, axis, *axes[axis]) for axis in crossed]
                self._begin(section, target, kind, texts, partial(memory.alarmed.update, crossed))
                return

    def at_maximum(
        self, section: Mapping[str, Any], target: Target, axes: Mapping[Axis, tuple[Policy, int]], memory: Memory
    ) -> None:
        """Report when axes begin to need more than their maximum allows: which axes, and how many units.

        As with an alarm, what could not be published is sent again in the next check.
        """
        memory.at_maximum &= axes.keys()
        if axes.keys() - memory.at_maximum:
            texts = [f"{axis} need {units}, {maximum(policy)}" for axis, (policy, units) in axes.items()]
            self._begin(section, target, AT_MAXIMUM, texts, partial(memory.at_maximum.update, tuple(axes)))

    def _begin(
        self, section: Mapping[str, Any], target: Target, kind: str, texts: Sequence[str], told: Callable[[], None]
    ) -> None:
        """Log and publish that an episode has begun. `told` is called once the message is accepted or not needed."""
        about = events.about("alarm", target, alarm=kind)
        log.warning("%s - %s: %s", target, kind, "; ".join(texts), extra=about)
        message = self._add(section, target, (kind,), "\n".join(f"{printable(str(target))}: {text}" for text in texts))
        if message is None:
            told()
        else:
            self._begun[message] = told

    def send(self) -> None:
        """Publish the collected messages in parallel, even if the program must stop, because the changes were made."""
        messages, self._messages = self._messages, []
        begun, self._begun = self._begun, {}
        for message in self._taken(messages):
            begun.get(message, _nothing)()

    def publish(self, kind: str, topics: Collection[str], about: str, text: str) -> list[str]:
        """Publish a message that is not about a single target. Returns the topics that accepted it."""
        subject, now = fit_subject(f"Dynamic DynamoDB: {kind}: ", about), self._clock()
        messages = [_Message(topic, kind, subject, text, kind, now) for topic in sorted(topics)]
        return [message.topic for message in self._taken([] if self._dry_run else messages)]

    def _taken(self, messages: Sequence[_Message]) -> list[_Message]:
        """Publish these. Returns the messages that SNS accepted; errors are logged."""
        self._silent = {}
        errors = self._workers.finish("Publish", self._publish, messages, begin_all=True)
        taken = []
        for message, error in zip(messages, errors, strict=True):
            if error is None:
                taken.append(message)
            else:
                log.error("%s - %s", message.name, error, extra=events.about("failure", **facts(error)))
        return taken

    def _add(self, section: Mapping[str, Any], target: Target, kinds: tuple[str, ...], text: str) -> _Message | None:
        topic, wanted = section["sns_topic_arn"], section["sns_message_types"] or ()
        if self._dry_run or not topic or not set(kinds) & set(wanted):
            return None
        message = _Message(topic, str(target), subject(kinds, target), text, target.table, self._clock())
        self._messages.append(message)
        return message

    def _publish(self, message: _Message) -> AwsError | None:
        if message.topic in self._silent:  # so that a thousand messages do not each wait for the same dead endpoint
            return self._silent[message.topic]
        try:
            publish(self._sns, message.topic, message.subject, message.text, group=message.group, at=message.at)
        except AwsError as error:
            if error.silent:
                self._silent[message.topic] = error
            return error
        return None
