"""What people are told: changes and alarms, through the loop, as SNS takes them."""

from __future__ import annotations

import logging

import pytest
from scripts import TOPIC, Scene, Step, target

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.checks.notifier import Notifier, change_text, subject
from dynamic_dynamodb.decisions.model import Change, Target, Throughput
from dynamic_dynamodb.simulation.account import START

EVERYTHING = "scale-up, scale-down, high-throughput-alarm, low-throughput-alarm"
TOLD = f"""
    [table: ^orders$]
    sns-topic-arn: {TOPIC}
    sns-message-types: {{types}}
"""
ALARMS = """
    reads-upper-alarm-threshold: 80
    reads-lower-alarm-threshold: 20
    writes-upper-alarm-threshold: 80
    writes-lower-alarm-threshold: 20
    enable-reads-autoscaling: false
    enable-writes-autoscaling: false
"""
BOTH = (95, 5)  # on 100 reads and 50 writes: up and down


# Changes


@pytest.mark.parametrize(
    ("types", "load", "told"),
    [
        ("scale-up", (95, 25), ["scaling | Dynamic DynamoDB: scale-up: orders | orders: reads scaled up from 100 to"]),
        ("scale-up", (20, 25), []),
        ("scale-down", (20, 25), ["scaling | Dynamic DynamoDB: scale-down: orders | orders: reads scaled down from"]),
        ("scale-down", (95, 25), []),
        ("scale-up", BOTH, ["scaling | Dynamic DynamoDB: scale-up and scale-down: orders | orders: reads scaled up"]),
        ("scale-down", BOTH, ["scaling | Dynamic DynamoDB: scale-up and scale-down: orders | orders: reads scaled up"]),
        ("scale-up, scale-down", BOTH, ["scale-up and scale-down"]),
        ("high-throughput-alarm, low-throughput-alarm", BOTH, []),
        (EVERYTHING, (50, 25), []),
    ],
)
def test_a_change_is_told_to_those_who_want_to_know(types: str, load: tuple[int, int], told: list[str]) -> None:
    scene = Scene(TOLD.format(types=types), {"orders": (100, 50)})
    scene.load("orders", *load)
    scene.world.advance(300)
    seen = scene.check()
    assert len(seen.told) == len(told)
    assert all(part in message for part, message in zip(told, seen.told, strict=True))


def test_one_message_has_a_line_an_axis_with_old_and_new_value_and_reason() -> None:
    scene = Scene(TOLD.format(types="scale-up, scale-down"), {"orders": (100, 50)})
    scene.load("orders", *BOTH)
    scene.world.advance(300)
    seen = scene.check()
    reads, writes = seen.told[0].rpartition(" | ")[2].split("\n")
    assert reads == "orders: reads scaled up from 100 to 150. reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)"
    assert writes == (
        "orders: writes scaled down from 50 to 25. writes 10.0 % of 50 <= 30 %: 50 -> 25 (-50 %); "
        "decreases today so far: 0"
    )


def test_only_what_dynamodb_accepted_is_told() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING), {"orders": (100, 50)})
    scene.play(
        Step(
            load={"orders": BOTH},
            refuses={"UpdateTable": "ValidationException: no"},
            sent=[{"orders": (150, 25)}],
            warns=["ValidationException"],
            ok=False,
        ),
        Step(
            do=lambda world: world.set_decreases(target("orders"), 4),
            sent=[{"orders": (150, 25)}, {"orders": (150, 50)}],
            warns=["decrease refused"],
            told=["Dynamic DynamoDB: scale-up: orders | orders: reads scaled up from 100 to 150."],
        ),
    )
    assert "writes" not in scene.world.messages[0].message


def test_a_table_and_its_index_have_topics_of_their_own() -> None:
    scene = Scene(
        f"""
        [table: ^orders$]
        sns-topic-arn: {TOPIC}-tables
        sns-message-types: scale-up
        [gsi: ^by-date$ table: ^orders$]
        sns-topic-arn: {TOPIC}-indexes
        sns-message-types: scale-up
        [gsi: ^by-name$ table: ^orders$]
        """,
        {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50)},
    )
    scene.play(
        Step(
            load=dict.fromkeys(("orders", "orders/by-date", "orders/by-name"), (95, 25)),
            sent=[{"orders": (150, 50), "orders/by-date": (150, 50), "orders/by-name": (150, 50)}],
            told=[
                "scaling-tables | Dynamic DynamoDB: scale-up: orders | orders: reads",
                "scaling-indexes | Dynamic DynamoDB: scale-up: orders - GSI: by-date | orders - GSI: by-date: reads",
            ],
        )
    )


# At maximum

CAPPED = f"""
    [table: ^orders$]
    max-provisioned-reads: 120
    max-provisioned-writes: 50
    increase-writes-with: 100
    increase-writes-unit: units
    sns-topic-arn: {TOPIC}
    sns-message-types: at-maximum
"""
READS = "at-maximum: orders | orders: reads need 150, max-provisioned-reads is 120"
STILL = "at-maximum: orders | orders: reads need 180, max-provisioned-reads is 120"
WRITES = "orders: writes need 150, max-provisioned-writes is 50"


@pytest.mark.parametrize("policy", ["", "    scaling-policy: target-tracking\n"])
def test_at_maximum_is_told_once_an_episode(policy: str) -> None:
    scene = Scene(CAPPED + policy, {"orders": (100, 50)})
    scene.load("orders", 50, 25)
    told = []
    for reads in (50, 119, 119, 119, 60, 60, 60, 60, 60, 60, 119, 119):
        scene.load("orders", reads, 25)
        scene.world.advance(300)
        seen = scene.check()
        assert sum("at-maximum: reads need" in line for line in seen.texts(logging.WARNING)) == len(seen.told)
        told.append(len(seen.told))
    assert sum(told) == 2
    assert told[1:4] in ([1, 0, 0], [0, 1, 0])  # as soon as it is known
    assert sum(told[10:]) == 1


def test_more_than_max_is_asked_for_by_one_axis_after_the_other() -> None:
    scene = Scene(CAPPED, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (95, 25)}, sent=[{"orders": (120, 50)}], warns=["orders - at-maximum"], told=[READS]),
        Step(load={"orders": (119, 25)}),  # a check later it is the whole window's
        Step(
            load={"orders": (119, 49)},
            warns=["reads need 180, max-provisioned-reads is 120; writes need 150"],
            told=[f"{STILL}\n{WRITES}"],
        ),
        Step(load={"orders": (60, 49)}),
        Step(load={"orders": (60, 25)}),
        Step(load={"orders": (60, 49)}, warns=["at-maximum: writes need 150"], told=[WRITES]),
    )


def test_max_of_a_schedule_is_named() -> None:
    scene = Scene(
        f"""
        [table: ^orders$]
        sns-topic-arn: {TOPIC}
        sns-message-types: at-maximum
        [schedule: nights table: ^orders$]
        when: daily 00:00-06:00
        max-provisioned-reads: 100
        """,
        {"orders": (100, 50)},
    )
    scene.play(
        Step(
            load={"orders": (95, 25)},
            warns=["reads need 150, max-provisioned-reads is 100 (schedule nights until 06:00 UTC)"],
            told=["reads need 150, max-provisioned-reads is 100 (schedule nights until 06:00 UTC)"],
        )
    )


def test_at_maximum_that_could_not_be_published_is_tried_again() -> None:
    scene = Scene(CAPPED, {"orders": (120, 50)})
    fails = {"Publish": "InternalError: no"}
    scene.play(
        Step(load={"orders": (119, 25)}, refuses=fails, warns=["at-maximum", "Publish failed"]),
        Step(warns=["at-maximum"], told=[STILL]),
        Step(),
    )


@pytest.mark.parametrize("where", ["dry run", "another type", "no topic"])
def test_at_maximum_is_in_the_log_once_whoever_is_told(where: str) -> None:
    text = {
        "another type": CAPPED.replace("types: at-maximum", "types: scale-up"),
        "no topic": CAPPED.partition("    sns-")[0],
    }
    scene = Scene(text.get(where, CAPPED), {"orders": (120, 50)}, dry_run=where == "dry run")
    scene.play(Step(load={"orders": (119, 25)}, warns=["at-maximum: reads need 180"]), Step())


def test_a_failing_topic_stops_nothing() -> None:
    scene = Scene(
        f"""
        [default_options]
        lookback-window-start: 5
        sns-message-types: scale-up
        [table: ^orders$]
        sns-topic-arn: {TOPIC}-gone
        [table: ^users$]
        sns-topic-arn: {TOPIC}
        """,
        {"orders": (100, 50), "users": (100, 50)},
    )
    scene.world.topics = {TOPIC}
    scene.play(
        Step(
            load={"orders": (95, 25), "users": (95, 25)},
            sent=[{"orders": (150, 50)}, {"users": (150, 50)}],
            warns=["orders - Publish failed: NotFound: Topic does not exist"],
            told=["scale-up: users"],
        )
    )


def test_a_topic_that_gives_no_answer_is_tried_once_a_check_and_no_more() -> None:
    names = [f"table-{number}" for number in range(9)]
    scene = Scene(
        f"""
        [default_options]
        lookback-window-start: 5
        sns-topic-arn: {TOPIC}
        sns-message-types: scale-up
        [table: table-.*]
        """,
        dict.fromkeys(names, (100, 50)),
        workers=(workers := Workers(threads=1)),
    )
    for name in names:
        scene.load(name, 95, 25)
    scene.world.advance(300)
    scene.refuses = {"Publish": TimeoutError("Connect timeout on endpoint URL")}
    seen = scene.check()
    assert seen.ok
    assert len(seen.sent) == 9
    assert scene.world.calls["Publish"] == 1
    assert all("Publish failed: TimeoutError" in text for text in seen.texts(logging.WARNING))
    assert len(seen.texts(logging.WARNING)) == 9
    scene.refuses = {}
    scene.load("table-0", 145, 25)
    scene.world.advance(300)
    assert len(scene.check().told) == 1  # the next check tries again
    workers.close()


def test_a_dry_run_tells_nobody() -> None:
    scene = Scene(
        TOLD.format(types=EVERYTHING) + "    reads-upper-alarm-threshold: 80\n", {"orders": (100, 50)}, dry_run=True
    )
    scene.play(
        Step(load={"orders": BOTH}, warns=["high-throughput-alarm"], says=["100 -> 150"]), Step(says=["50 -> 25"])
    )
    assert scene.world.calls["Publish"] == 0


# Subjects


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (Target("orders"), "Dynamic DynamoDB: scale-up: orders"),
        (Target("t" * 72), "Dynamic DynamoDB: scale-up: " + "t" * 72),
        (Target("a" * 40 + "z" * 40), "Dynamic DynamoDB: scale-up: " + "a" * 34 + "..." + "z" * 34),
        (Target("tablé\n\x00€"), "Dynamic DynamoDB: scale-up: tabl?\\n\\x00?"),
    ],
)
def test_a_subject_is_100_printable_ascii_characters_at_most(name: Target, expected: str) -> None:
    assert subject(("scale-up",), name) == expected
    assert len(expected) <= 100


def test_names_of_255_characters_end_up_in_a_subject_that_sns_takes() -> None:
    table, index = "t" * 250 + "-main", "i" * 250 + "-date"
    scene = Scene(
        f"""
        [table: t+]
        sns-topic-arn: {TOPIC}
        sns-message-types: scale-up
        [gsi: i+ table: t+]
        sns-topic-arn: {TOPIC}
        sns-message-types: scale-up, scale-down
        """,
        {table: (100, 50), f"{table}/{index}": (100, 50)},
    )
    scene.load(table, 95, 25)
    scene.load(f"{table}/{index}", 95, 5)
    scene.world.advance(300)
    assert len(scene.check().told) == 2
    subjects = [message.subject or "" for message in scene.world.messages]
    assert {len(text) for text in subjects} <= {99, 100}
    assert {text[-5:] for text in subjects} == {"-main", "-date"}  # what tells names apart is often at their end
    assert all(table in message.message for message in scene.world.messages)  # in full


def test_text_of_any_kind_reaches_sns() -> None:
    change = Change(Target("orders"), Throughput(1, 1), Throughput(2, 1), ("50 % → naïve ☃", ""))
    assert change_text(change) == "orders: reads scaled up from 1 to 2. 50 % → naïve ☃"


# Alarms (2.4)


def test_an_alarm_is_sent_when_it_begins_and_again_only_when_it_ended_in_between() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    text = "orders: reads consumed 80.0 % of 100 provisioned, at or above the alarm threshold of 80 %"
    told = f"scaling | Dynamic DynamoDB: high-throughput-alarm: orders | {text}"
    high = "orders - high-throughput-alarm: reads consumed"
    scene.play(
        Step(load={"orders": (79.9, 25)}),
        Step(load={"orders": (80, 25)}, warns=[high], told=[told]),
        Step(load={"orders": (90, 25)}),
        Step(load={"orders": (50, 25)}),
        Step(load={"orders": (80, 25)}, warns=[high], told=[told]),
    )


def test_below_the_lower_threshold_and_not_at_it() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (20, 25)}),
        Step(
            load={"orders": (19.9, 25)},
            warns=["low-throughput-alarm"],
            told=["low-throughput-alarm: orders | orders: reads consumed 19.9 % of 100 provisioned, below the alarm"],
        ),
        Step(load={"orders": (0, 25)}),
    )


def test_a_threshold_of_0_is_off() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING), {"orders": (100, 50)})
    scene.play(Step(load={"orders": (0, 0)}), Step(load={"orders": (85, 44)}))


def test_both_axes_are_named_in_one_message() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    scene.play(
        Step(
            load={"orders": (80, 45)},
            warns=[
                "reads consumed 80.0 % of 100 provisioned, at or above the alarm threshold of 80 %; writes consumed"
            ],
            told=["at or above the alarm threshold of 80 %\norders: writes consumed 90.0 % of 50 provisioned, at or"],
        )
    )


def test_an_axis_that_joins_an_alarm_is_told_and_one_that_leaves_it_is_not() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (80, 25)}, warns=["high"], told=["reads consumed 80.0 %"]),
        Step(load={"orders": (80, 45)}, warns=["high"], told=["orders: writes consumed 90.0 %"]),
        Step(load={"orders": (50, 45)}),
        Step(load={"orders": (80, 45)}, warns=["high"], told=["orders: reads consumed 80.0 %"]),
    )


def test_high_wins_and_low_is_told_in_the_check_after() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (5, 45)}, warns=["high"], told=["high-throughput-alarm: orders | orders: writes"]),
        Step(warns=["low"], told=["low-throughput-alarm: orders | orders: reads"]),
        Step(),
    )


def test_from_high_to_low_is_an_episode_that_ends_and_one_that_begins() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (85, 25)}, warns=["high"], told=["high"]),
        Step(load={"orders": (5, 25)}, warns=["low"], told=["low"]),
        Step(load={"orders": (85, 25)}, warns=["high"], told=["high"]),
    )


def test_an_alarm_that_could_not_be_published_is_tried_again_until_it_ends() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    fails = {"Publish": "InternalError: try again"}
    scene.play(
        Step(load={"orders": (85, 25)}, refuses=fails, warns=["high", "orders - Publish failed: InternalError"]),
        Step(refuses=fails, warns=["high", "orders - Publish failed"]),
        Step(warns=["high"], told=["high"]),
        Step(),
        Step(load={"orders": (5, 25)}, refuses=fails, warns=["low", "orders - Publish failed"]),
        Step(load={"orders": (50, 25)}),  # it ended: nothing to tell any more
    )


def test_an_alarm_shows_as_many_digits_as_it_takes_to_tell_the_sides_apart() -> None:
    scene = Scene(
        "[table: ^orders$]\nreads-lower-alarm-threshold: 30\nreads-lower-threshold: 1\n", {"orders": (100, 50)}
    )
    scene.play(
        Step(
            load={"orders": (29.96, 25)},
            warns=["reads consumed 29.96 % of 100 provisioned, below the alarm threshold of 30 %"],
        )
    )


def test_an_alarm_that_nobody_subscribed_to_is_logged_once() -> None:
    scene = Scene("[table: ^orders$]\n" + ALARMS, {"orders": (100, 50)})
    scene.play(Step(load={"orders": (85, 25)}, warns=["high"]), Step())


def test_an_alarm_lasts_while_the_table_is_updating() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + ALARMS, {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (85, 25)}, warns=["high"], told=["high"]),
        Step(do=lambda world: world.set_status(target("orders"), "UPDATING"), warns=["status UPDATING"]),
        Step(do=lambda world: world.set_status(target("orders"), "ACTIVE")),
    )


def test_a_table_and_its_index_have_alarms_of_their_own() -> None:
    scene = Scene(
        TOLD.format(types=EVERYTHING) + ALARMS + f"""
    [gsi: .* table: ^orders$]
    sns-topic-arn: {TOPIC}
    sns-message-types: high-throughput-alarm
    """ + ALARMS,
        {"orders": (100, 50), "orders/by-date": (100, 50)},
    )  # fmt: skip
    scene.play(
        Step(load={"orders": (50, 25), "orders/by-date": (85, 25)}, warns=["high"], told=["alarm: orders - GSI: by-d"]),
        Step(load={"orders": (85, 25)}, warns=["high"], told=["alarm: orders | orders: reads"]),
    )


def test_an_alarm_goes_with_a_change_in_a_message_of_its_own() -> None:
    scene = Scene(TOLD.format(types=EVERYTHING) + "    reads-upper-alarm-threshold: 80\n", {"orders": (100, 50)})
    scene.play(
        Step(load={"orders": (95, 25)}, warns=["high"], told=["high", "scale-up"], sent=[{"orders": (150, 50)}]),
        Step(),
    )


# The room itself


def test_a_refusal_of_one_message_does_not_silence_its_topic() -> None:
    scene = Scene(
        TOLD.format(types="scale-up").replace("^orders$", "orders-.*"), {"orders-a": (100, 50), "orders-b": (100, 50)}
    )
    scene.play(
        Step(
            load=dict.fromkeys(("orders-a", "orders-b"), (95, 25)),
            refuses={"Publish": "Throttled: slow down"},
            sent=[{"orders-a": (150, 50)}, {"orders-b": (150, 50)}],
            warns=["orders-a - Publish failed", "orders-b - Publish failed"],
        )
    )
    assert scene.world.calls["Publish"] == 2


def test_a_notifier_without_messages_calls_nobody() -> None:
    workers = Workers(threads=1)
    Notifier(None, workers, lambda: START, dry_run=False).send()
    workers.close()
