"""Failed checks in a row: what the log says of them, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timezone

import pytest
from scripts import TOPIC, Scene, captured, configuration

from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.escalation import Escalation
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.output.wording import ordinal

DENIED = {"DescribeTable": "AccessDeniedException: you may not"}
OUTAGE = {"ListTables": "InternalServerError: it is ours"}
NO_TOPICS = {"Publish": "InternalServerError: it is ours"}
PLAIN = "[table: ^orders$]\n"
SUBSCRIBED = f"""
    [table: ^orders$]
    sns-topic-arn: {TOPIC}
    sns-message-types: check-failed
"""
WHERE = "instance default, region us-east-1"


class Watched:
    """A scene of one table, and what is said of its checks as a whole."""

    def __init__(self, text: str, record: Record | None = None, *, threshold: int = 3, dry_run: bool = False) -> None:
        # At noon in the time zone of whoever runs the tests, so that an hour of checks is one day.
        noon = datetime(2026, 3, 2, 12, 0).astimezone().astimezone(timezone.utc)
        self.scene = Scene(text, {"orders": (100, 50)}, start=noon, dry_run=dry_run)
        self.scene.load("orders", 50, 25)
        self.record = record or Record()
        self.escalation = Escalation(self.record)
        self.threshold = threshold

    def check(self, refuses: dict[str, str] | None = None, minutes: float = 5) -> tuple[list[str], list[str]]:
        """One more; the lines about failed checks, and the messages."""
        self.scene.world.advance(60 * minutes)
        self.scene.refuses = refuses or {}
        before = len(self.scene.world.messages)
        checked = loop.attempt(self.scene.scaler)
        with captured() as lines:
            self.escalation.note(checked, self.threshold, WHERE, self.scene.scaler)
        messages = self.scene.world.messages[before:]
        return (
            [line.text for line in lines if line.level >= logging.INFO],
            [f"{one.topic.rpartition(':')[2]} | {one.subject} | {one.message}" for one in messages],
        )

    def said(self, outcomes: str) -> list[list[str]]:
        """Lines and messages of several checks: + succeeds, - fails."""
        return [[*lines, *told] for lines, told in (self.check({} if one == "+" else DENIED) for one in outcomes)]


def test_the_log_says_it_at_each_power_of_two_and_when_it_is_over() -> None:
    watched = Watched(PLAIN)
    said = watched.said("+" + 16 * "-" + "++")
    assert {number: lines for number, lines in enumerate(said) if lines} == {
        2: ["2nd failed check in a row, last success 12:05"],
        4: ["4th failed check in a row, last success 12:05"],
        8: ["8th failed check in a row, last success 12:05"],
        16: ["16th failed check in a row, last success 12:05"],
        17: ["the check succeeded after 16 failed checks in a row"],
    }


@pytest.mark.parametrize("outcomes", ["+++", "+-+-+-+", "-+"])
def test_one_failed_check_has_lines_of_its_own(outcomes: str) -> None:
    assert not any(Watched(PLAIN).said(outcomes))


def test_before_the_first_success() -> None:
    assert Watched(PLAIN).said("--")[1] == ["2nd failed check in a row, no success yet"]


def test_the_day_is_named_where_it_is_another() -> None:
    watched = Watched(PLAIN)
    watched.check()
    watched.check(DENIED)
    lines, _ = watched.check(DENIED, minutes=24 * 60)
    assert lines == ["2nd failed check in a row, last success 2026-03-02 12:05"]


def test_a_restart_goes_on_counting() -> None:
    watched = Watched(SUBSCRIBED, Record(failures=6, told={TOPIC}))
    assert watched.said("---")[1] == ["8th failed check in a row, no success yet"]
    assert not watched.scene.world.messages


@pytest.mark.parametrize(
    ("number", "word"),
    [
        *((1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (22, "22nd")),
        *((101, "101st"), (111, "111th"), (1024, "1024th")),
    ],
)
def test_ordinals(number: int, word: str) -> None:
    assert ordinal(number) == word


# Topics


@pytest.mark.parametrize("threshold", [1, 3])
def test_a_topic_is_told_once_an_episode_and_when_it_is_over(threshold: int) -> None:
    watched = Watched(SUBSCRIBED, threshold=threshold)
    watched.said("+--------+++")
    began, over = watched.scene.world.messages
    utc = datetime(2026, 3, 2, 12, 5).astimezone().astimezone(timezone.utc)
    checks = "1 check" if threshold == 1 else "3 checks"
    assert began.subject == f"Dynamic DynamoDB: check-failed: {checks} in a row failed"
    assert began.message == (
        f"{checks} in a row failed: nothing is scaled. The last success was at {utc:%Y-%m-%d %H:%M} UTC.\n"
        f"Last error: 1 table or index failed; see the log.\n{WHERE}"
    )
    assert over.subject == "Dynamic DynamoDB: check-failed: recovered"
    assert over.message == (
        "The check succeeded after 8 failed checks in a row. "
        f"The last success before that was at {utc:%Y-%m-%d %H:%M} UTC.\n{WHERE}"
    )


def test_the_failure_of_a_check_as_a_whole_is_quoted() -> None:
    watched = Watched(SUBSCRIBED, threshold=1)
    _, (message,) = watched.check(OUTAGE)
    assert "Last error: ListTables failed: InternalServerError: it is ours; see the log.\n" in message
    assert "No check succeeded before." in message


def test_fewer_failures_are_told_to_nobody_and_another_episode_is() -> None:
    watched = Watched(SUBSCRIBED)
    watched.said("--+--+")
    assert not watched.scene.world.messages
    watched.said("---+---+")
    assert len(watched.scene.world.messages) == 4


TOPICS = f"""
    [default_options]
    sns-topic-arn: {TOPIC}-a
    sns-message-types: check-failed
    [table: ^orders$]
    sns-message-types: scale-up
    [gsi: one table: ^orders$]
    sns-topic-arn: {TOPIC}-b
    [gsi: two table: ^orders$]
    [table: ^users$]
    [table: ^carts$]
    sns-topic-arn: {TOPIC}-c
    sns-message-types: scale-up, scale-down
    [schedule: nights table: ^carts$]
    when: {{when}}
    sns-message-types: scale-up, check-failed
"""


@pytest.mark.parametrize(("when", "names"), [("daily 00:00-24:00", "abc"), ("2026-03-04", "ab")])
def test_each_topic_once_that_any_section_subscribes_now(when: str, names: Sequence[str]) -> None:
    watched = Watched(TOPICS.format(when=when), threshold=1)
    for refuses in (DENIED, DENIED, {}):
        watched.check(refuses)
    about = [(one.topic[-1], str(one.subject).rpartition(": ")[2]) for one in watched.scene.world.messages]
    assert about == [(name, text) for text in ("1 check in a row failed", "recovered") for name in names]


def test_what_could_not_be_published_is_tried_again_and_not_sent_twice() -> None:
    watched = Watched(TOPICS.format(when="daily 00:00-24:00"))
    watched.said("--")
    b_fails = {"Publish scaling-b": "InternalServerError: it is ours"}
    steps: list[tuple[dict[str, str], list[str], int]] = [
        (DENIED | NO_TOPICS, [], 3),
        (DENIED | b_fails, ["a", "c"], 1),
        (DENIED, ["b"], 0),
        (DENIED, [], 0),
        (b_fails, ["a", "c"], 1),
        (NO_TOPICS, [], 1),
        ({}, ["b"], 0),
        ({}, [], 0),
    ]
    for refuses, topics, failed in steps:
        lines, told = watched.check(refuses)
        assert [message.split(" | ")[0] for message in told] == [f"scaling-{topic}" for topic in topics]
        assert sum("check-failed - Publish failed" in line for line in lines) == failed


def test_an_end_that_nobody_heard_of_is_not_told_into_the_next_episode() -> None:
    watched = Watched(SUBSCRIBED)
    watched.said("---")
    watched.check(NO_TOPICS)
    watched.said("---")
    watched.check(NO_TOPICS)
    watched.said("++")
    told = [str(one.subject).rpartition(": ")[2] for one in watched.scene.world.messages]
    assert told == ["3 checks in a row failed", "3 checks in a row failed", "recovered"]


def test_a_new_configuration_may_name_others() -> None:
    watched = Watched(SUBSCRIBED, threshold=1)
    watched.check(DENIED)
    watched.scene.scaler.reconfigure(
        configuration(SUBSCRIBED.replace(TOPIC, f"{TOPIC}-new")), watched.scene.scaler._clients
    )
    assert [message.split(" | ")[0] for message in watched.check(DENIED)[1]] == ["scaling-new"]
    assert [message.split(" | ")[0] for message in watched.check()[1]] == ["scaling-new"]


def test_a_dry_run_tells_nobody_but_the_log() -> None:
    watched = Watched(SUBSCRIBED, dry_run=True)
    assert any(watched.said("----+"))
    assert not watched.scene.world.messages
