"""Failed checks in a row: the log reports them again as they last, and topics get a message."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timezone
from typing import Protocol

from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.tally import Checked
from dynamic_dynamodb.output.wording import count, ordinal

log = logging.getLogger("dynamic-dynamodb")

CHECK_FAILED = "check-failed"


class Audience(Protocol):
    """Who is notified. Asked after each check, because a schedule or a new configuration may name other topics."""

    def topics(self, kind: str) -> Collection[str]:
        """The topics that any section subscribes to messages of this kind now."""

    def publish(self, kind: str, topics: Collection[str], about: str, text: str) -> Collection[str]:
        """Publish a message that is not about a single table. Returns the topics that accepted it."""


class Escalation:
    """An episode begins with the first failed check and ends with the next success.

    A message that could not be published is sent again after the next check.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._over = ""  # the message about the end of an episode,
        self._not_told: set[str] = set()  # and the topics that have not got it yet

    def note(self, checked: Checked, threshold: int, where: str, audience: Audience) -> None:
        """Count a check that has ended, and report failures; to topics after `threshold` failures in a row.

        `where`: which of several programs this is, for the reader of a message.
        """
        before = replace(self._record)
        self._record.note(checked)
        if checked.succeeded:
            self._end(before, threshold, where, audience)
            return
        self._tell_log(checked.ended)
        if self._record.failures >= threshold:
            self._tell_failing(checked, where, audience)

    def _tell_log(self, now: datetime) -> None:
        """Log at each power of two: a week of failures is a dozen lines. The first failure has its own lines."""
        failures, last = self._record.failures, self._record.last_success
        if failures > 1 and failures & (failures - 1) == 0:
            since = "no success yet" if last is None else f"last success {_local(last, now)}"
            log.error("%s failed check in a row, %s", ordinal(failures), since)

    def _tell_failing(self, checked: Checked, where: str, audience: Audience) -> None:
        self._not_told = set()  # a new episode has begun before these topics could learn that the last one is over
        failed = f"{count(self._record.failures, 'check')} in a row failed"
        why = checked.error or f"{count(checked.failed, 'table or index', 'tables and indexes')} failed"
        last = _last("The last success", self._record.last_success)
        text = f"{failed}: nothing is scaled. {last}\nLast error: {why}; see the log.\n{where}"
        topics = set(audience.topics(CHECK_FAILED)) - self._record.told
        self._record.told |= set(audience.publish(CHECK_FAILED, topics, failed, text))

    def _end(self, before: Record, threshold: int, where: str, audience: Audience) -> None:
        """After a success: report the end of the failures before it."""
        failed = count(before.failures, "failed check")
        if before.failures > 1:
            log.warning("the check succeeded after %s in a row", failed)
        self._record.told = set()
        topics = set(audience.topics(CHECK_FAILED))
        if before.failures >= threshold or before.told:
            last = _last("The last success before that", before.last_success)
            self._over = f"The check succeeded after {failed} in a row. {last}\n{where}"
            self._not_told = topics
        self._not_told &= topics
        self._not_told -= set(audience.publish(CHECK_FAILED, self._not_told, "recovered", self._over))


def _local(moment: datetime, now: datetime) -> str:
    """Local time, as in the log; with the date if it differs."""
    there, here = moment.astimezone(), now.astimezone()
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M}"


def _last(what: str, success: datetime | None) -> str:
    if success is None:
        return "No check succeeded before."
    return f"{what} was at {success.astimezone(timezone.utc):%Y-%m-%d %H:%M UTC}."
