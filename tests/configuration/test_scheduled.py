"""Schedules in a file: what is refused, what draws a warning, and what is told of them."""

from __future__ import annotations

import textwrap
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from dynamic_dynamodb.aws import iam
from dynamic_dynamodb.configuration import announcement, loader, timetable
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.configuration.sections import Section
from dynamic_dynamodb.errors import ConfigError

NOW = datetime(2026, 11, 25, 21, 0, tzinfo=timezone.utc)  # a Wednesday; 16:00 in New York

ISSUE = """
[table: ^orders$]
[gsi: .* table: ^orders$]

[schedule: black-friday table: ^orders$]
when: 2026-11-27 00:00 - 2026-11-30 24:00
time-zone: America/New_York
min-provisioned-reads: 5000
reads-lower-threshold: 20

[schedule: rush-hour table: ^orders$]
when: Mon-Fri 15:45-22:00
time-zone: America/New_York
min-provisioned-reads: 800
min-provisioned-writes: 200

[schedule: nights gsi: .* table: ^orders$]
when: daily 23:00-05:00, Sat 00:00-24:00
enable-reads-down-scaling: true
"""


class Files:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.conf"

    def load(self, text: str, now: datetime = NOW) -> Configuration:
        self.path.write_text(textwrap.dedent(text), encoding="utf-8")
        return loader.load({"config": str(self.path)}, now=now)

    def problems(self, text: str, now: datetime = NOW) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            self.load(text, now)
        return [line.removeprefix(f"{self.path}:") for line in refused.value.problems]

    def warnings(self, text: str, now: datetime = NOW) -> list[str]:
        return [line.removeprefix(f"{self.path}:") for line in self.load(text, now).warnings]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def schedule(*lines: str, name: str = "s", of: str = "table: t") -> str:
    return "\n".join([f"[schedule: {name} {of}]", *lines, ""])


TABLE = "[table: t]\n[gsi: i table: t]\n"
MONDAYS = "when: Mon 10:00-12:00"


def test_the_example_of_the_issue(files: Files) -> None:
    loaded = files.load(ISSUE)
    assert loaded.warnings == ()
    table = loader.show(loaded.config)["tables"]["^orders$"]
    assert list(table["schedules"].items()) == [
        (
            "black-friday",
            {
                "when": "2026-11-27 00:00 - 2026-11-30 24:00",
                "time_zone": "America/New_York",
                "min_provisioned_reads": 5000,
                "reads_lower_threshold": 20,
            },
        ),
        (
            "rush-hour",
            {
                "when": "Mon-Fri 15:45-22:00",
                "time_zone": "America/New_York",
                "min_provisioned_reads": 800,
                "min_provisioned_writes": 200,
            },
        ),
    ]
    assert table["gsis"][".*"]["schedules"] == {
        "nights": {
            "when": "daily 23:00-05:00, Sat 00:00-24:00",
            "time_zone": "UTC",
            "enable_reads_down_scaling": True,
        }
    }


REFUSED: dict[str, tuple[str, list[str]]] = {
    "no when": (schedule("min-provisioned-reads: 5"), ["3: [schedule: s table: t]: has no when"]),
    "no option": (schedule(MONDAYS, "time-zone: Asia/Kolkata"), ["3: [schedule: s table: t]: sets no option"]),
    "neither": (schedule(), ["3: [schedule: s table: t]: has no when", "3: [schedule: s table: t]: sets no option"]),
    "zone in another letter case": (
        schedule(MONDAYS, "time-zone: america/new_york", "min-provisioned-reads: 5"),
        ["5: [schedule: s table: t] time-zone: 'america/new_york' is not a time zone; did you mean America/New_York?"],
    ),
    "a city": (
        schedule(MONDAYS, "time-zone: New York", "min-provisioned-reads: 5"),
        ["time-zone: 'New York' is not a time zone; did you mean America/New_York?"],
    ),
    "a mistyped zone": (
        schedule(MONDAYS, "time-zone: Europe/Berlim", "min-provisioned-reads: 5"),
        ["did you mean Europe/Berlin?"],
    ),
    "nothing like a zone": (
        schedule(MONDAYS, "time-zone: ../etc/passwd", "min-provisioned-reads: 5"),
        ["time-zone: '../etc/passwd' is not a time zone; write an IANA name, like America/New_York"],
    ),
    "a folder": (schedule(MONDAYS, "time-zone: America", "min-provisioned-reads: 5"), ["'America' is not a time zone"]),
    "zones with leap seconds": (
        schedule(MONDAYS, "time-zone: right/UTC", "min-provisioned-reads: 5"),
        ["'right/UTC' is not a time zone"],
    ),
    "weekday": (
        schedule("when: Mo 10:00-12:00", "min-provisioned-reads: 5"),
        ["4: [schedule: s table: t] when: 'mo' in 'mo 10:00-12:00' is not a weekday; did you mean Mon?"],
    ),
    "never holds": (
        schedule("when: 2026-03-08 02:10 - 2026-03-08 02:50", "time-zone: America/New_York", "reads-burst-credit: 5"),
        ["when: '2026-03-08 02:10 - 2026-03-08 02:50' can never hold: the clocks in America/New_York skip it"],
    ),
    "no such table": (
        "[table: ^orders$]\n" + schedule(MONDAYS, "min-provisioned-reads: 5", of="table: ^ordres$"),
        ["there is no section [table: ^ordres$]; did you mean [table: ^orders$]? (the name must be repeated exactly)"],
    ),
    "no such index": (
        schedule(MONDAYS, "min-provisioned-reads: 5", of="gsi: j table: t"),
        ["[schedule: s gsi: j table: t]: there is no section [gsi: j table: t]"],
    ),
    "an index of no such table": (
        schedule(MONDAYS, "min-provisioned-reads: 5", of="gsi: i table: u"),
        ["[schedule: s gsi: i table: u]: there is no section [table: u]"],
    ),
    "no table": (
        schedule(MONDAYS, "min-provisioned-reads: 5", of=""),
        ["is not a valid header; write [schedule: NAME table: TABLE] or [schedule: NAME gsi: INDEX table: TABLE]"],
    ),
    "no name": ("[schedule: table: t]\n" + MONDAYS + "\nmin-provisioned-reads: 5\n", ["is not a valid header"]),
    "a name with other characters": (
        schedule(MONDAYS, "min-provisioned-reads: 5", name="a/b"),
        ["a NAME has letters, digits, dots, dashes and underscores"],
    ),
    "twice": (
        schedule(MONDAYS, "min-provisioned-reads: 5") + schedule(MONDAYS, "min-provisioned-reads: 5", of=" table:t"),
        ["6: [schedule: s  table:t]: there are two schedules s of this section, the first on line 3"],
    ),
    "an option of [global]": (
        schedule(MONDAYS, "check-interval: 5"),
        ["[schedule: s table: t] check-interval: does not belong here; move it into the [global] section"],
    ),
    "a mistyped option": (schedule(MONDAYS, "min-provisioned-read: 5"), ["did you mean min-provisioned-reads?"]),
    "when in a table": ("[table: u]\n" + MONDAYS + "\n", ["4: [table: u] when: is for schedules only"]),
    "a minimum above its own maximum": (
        schedule(MONDAYS, "min-provisioned-reads: 9", "max-provisioned-reads: 8"),
        ["6: [schedule: s table: t] min-provisioned-reads and max-provisioned-reads: the minimum 9 is above the max"],
    ),
    "a minimum above the section's maximum": (
        "[table: u]\nmax-provisioned-reads: 8\n" + schedule(MONDAYS, "min-provisioned-reads: 9", of="table: u"),
        ["7: [schedule: s table: u] min-provisioned-reads and max-provisioned-reads: the minimum 9 is above the max"],
    ),
    "a maximum below the section's minimum": (
        "[table: u]\nmin-provisioned-reads: 9\n" + schedule(MONDAYS, "max-provisioned-reads: 8", of="table: u"),
        ["7: [schedule: s table: u] min-provisioned-reads and max-provisioned-reads: the minimum 9 is above the max"],
    ),
    "a look-back window past now": (
        schedule(MONDAYS, "lookback-period: 16"),
        ["5: [schedule: s table: t] lookback-period and lookback-window-start: a window of 16 minutes"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(files: Files, case: str) -> None:
    text, expected = REFUSED[case]
    found = files.problems(TABLE + text)
    assert len(found) == len(expected), found
    for problem, part in zip(found, expected, strict=True):
        assert part in problem


def test_all_problems_are_told_at_once_in_the_order_of_the_file(files: Files) -> None:
    found = files.problems(TABLE + "".join(REFUSED[case][0] for case in ("no when", "weekday", "a folder")))
    assert [problem.split(":")[0] for problem in found] == ["3", "5", "6", "8", "10"]


WARNED: dict[str, tuple[str, list[str]]] = {
    "in the past": (
        schedule("when: 2026-11-01 - 2026-11-03", "time-zone: America/New_York", "min-provisioned-reads: 5"),
        ["4: [schedule: s table: t] when: is in the past: it ended at 2026-11-04 00:00 America/New_York; "
         "remove the schedule, or change its dates"],
    ),
    "partly in the past": (schedule("when: 2026-11-01, 2026-12-01", "min-provisioned-reads: 5"), []),
    "a lower minimum before a higher one": (
        schedule("when: daily 10:00-12:00", "min-provisioned-reads: 5")
        + schedule("when: Fri 11:00-13:00", "min-provisioned-reads: 8", name="r"),
        ["5: [schedule: s table: t] min-provisioned-reads: 5 is lower than 8 of [schedule: r table: t] (line 6), which "
         "comes later: the lower one counts while both hold, first at 2026-11-27 11:00 UTC"],
    ),
    "a higher minimum before a lower one": (
        schedule("when: daily 10:00-12:00", "min-provisioned-reads: 8")
        + schedule("when: daily 10:00-12:00", "min-provisioned-reads: 5", name="r"),
        [],
    ),
    "minimums that never meet": (
        schedule("when: daily 10:00-11:00", "min-provisioned-reads: 5")
        + schedule("when: daily 11:00-12:00", "min-provisioned-reads: 8", name="r"),
        [],
    ),
    "minimums that meet in a few years": (
        schedule("when: daily 10:00-11:00", "time-zone: Asia/Kolkata", "min-provisioned-reads: 5")
        + schedule("when: 2030-01-01", "min-provisioned-reads: 8", name="r"),
        ["first at 2030-01-01 10:00 Asia/Kolkata"],
    ),
    "a minimum above another's maximum": (
        schedule("when: daily 10:00-12:00", "min-provisioned-writes: 9")
        + schedule("when: daily 11:30-13:00", "max-provisioned-writes: 8", name="r"),
        ["5: [schedule: s table: t] min-provisioned-writes: 9 is above max-provisioned-writes: 8 of "
         "[schedule: r table: t] (line 6): the maximum wins while both hold, first at 2026-11-26 11:30 UTC"],
    ),
    "a minimum above another's maximum, neither at the same time": (
        schedule("when: daily 10:00-12:00", "min-provisioned-writes: 9")
        + schedule("when: daily 12:00-13:00", "max-provisioned-writes: 8", name="r"),
        [],
    ),
    "a maximum of its own that comes first": (
        schedule("when: daily 10:00-12:00", "min-provisioned-writes: 9", "max-provisioned-writes: 10")
        + schedule("when: daily 10:00-12:00", "max-provisioned-writes: 8", name="r"),
        [],
    ),
    "outside the windows": (
        schedule(MONDAYS, "time-zone: America/New_York", "min-provisioned-reads: 5", of="table: w")
        + "[table: w]\nmaintenance-windows: 22:00-06:00\n",
        ["4: [schedule: s table: w] when: begins outside the maintenance windows 22:00-06:00 UTC (first at "
         "2026-11-30 10:00 America/New_York, 15:00 UTC) and has no effect until they open"],
    ),
    "within the windows": (
        schedule(MONDAYS, "min-provisioned-reads: 5", of="table: w")
        + "[table: w]\nmaintenance-windows: 09:00-10:00\n",
        [],
    ),
    "outside windows that let increases through": (
        schedule(MONDAYS, "min-provisioned-reads: 5", of="table: w")
        + "[table: w]\nmaintenance-windows: 12:00-13:00\nscale-up-outside-maintenance-windows: true\n",
        [],
    ),
    "windows that the schedule itself opens": (
        schedule(MONDAYS, "min-provisioned-reads: 5", "maintenance-windows: 10:00-11:00", of="table: w")
        + "[table: w]\nmaintenance-windows: 12:00-13:00\n",
        [],
    ),
    "what any section draws": (
        schedule(MONDAYS, "reads-lower-threshold: 95"),
        ["the lower threshold, 95 %, is not below the upper, 90 %"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNED)
def test_what_draws_a_warning(files: Files, case: str) -> None:
    text, expected = WARNED[case]
    found = files.warnings(TABLE + text)
    assert len(found) == len(expected), found
    for warning, part in zip(found, expected, strict=True):
        assert part in warning


def test_a_minimum_above_the_maximum_of_its_section_is_fine_where_another_schedule_raises_that(files: Files) -> None:
    """What counts is the maximum that holds with it."""
    text = "[table: t]\nmax-provisioned-reads: 8\n" + schedule(MONDAYS, "min-provisioned-reads: 9")
    assert files.warnings(text + schedule("when: Mon 09:00-12:00", "max-provisioned-reads: 10", name="r")) == []
    (problem,) = files.problems(text + schedule("when: Mon 10:30-12:00", "max-provisioned-reads: 10", name="r"))
    assert "the minimum 9 is above the maximum 8" in problem


def test_the_expressions_may_hold_the_words_of_a_header(files: Files) -> None:
    index, table = "a table: b", "c] table: d"
    text = f"[table: {table}]\n[gsi: {index} table: {table}]\n"
    text += schedule(MONDAYS, "min-provisioned-reads: 5", of=f"gsi: {index} table: {table}")
    text += schedule(MONDAYS, "min-provisioned-reads: 6", of=f"table: {table}")
    tables = files.load(text).config["tables"]
    assert tables[table]["schedules"]["s"]["min_provisioned_reads"] == 6
    assert tables[table]["gsis"][index]["schedules"]["s"]["min_provisioned_reads"] == 5


def test_a_schedule_may_come_before_its_section_and_inherits_nothing(files: Files) -> None:
    text = schedule("when: daily 00:00-24:00", "min-provisioned-reads: 5") + (
        "[DEFAULT]\nincrease-reads-with: 7\n[default_options]\nincrease-writes-with: 8\n"
        "[table: t]\nincrease-reads-with: 9\n"
    )
    table = files.load(text).config["tables"]["t"]
    assert table["schedules"]["s"] == {
        "when": "daily 00:00-24:00", "time_zone": "UTC", "min_provisioned_reads": 5,
    }  # fmt: skip
    now = Section.of(table).at(NOW).values
    assert (now["increase_reads_with"], now["increase_writes_with"], now["min_provisioned_reads"]) == (9, 8, 5)


def test_with_table_name_schedules_are_ignored(files: Files) -> None:
    files.path.write_text(ISSUE, encoding="utf-8")
    config = loader.load({"config": str(files.path), "table-name": "^orders$"}, now=NOW).config
    assert config["tables"]["^orders$"]["schedules"] == {}


# What holds


def at(section: Section, text: str) -> dict[str, Any]:
    return dict(section.at(datetime.fromisoformat(text).replace(tzinfo=timezone.utc)).values)


def test_it_is_merged_above_its_section_before_options_fall_back_to_others(files: Files) -> None:
    text = """
    [table: t]
    increase-reads-with: 10
    increase-writes-with: 10
    increase-consumed-writes-with: 20
    circuit-breaker-timeout: 7
    [global]
    circuit-breaker-timeout: 5
    [schedule: s table: t]
    when: Mon 10:00-12:00
    increase-reads-with: 30
    increase-writes-with: 30
    """
    section = Section.of(files.load(text).config["tables"]["t"])
    keys = (
        "increase_reads_with",
        "increase_consumed_reads_with",
        "increase_writes_with",
        "increase_consumed_writes_with",
    )
    for moment, expected in (
        ("2026-11-30 09:59:59.999999", (10, 10, 10, 20)),
        ("2026-11-30 10:00", (30, 30, 30, 20)),
        ("2026-11-30 11:59:59.999999", (30, 30, 30, 20)),
        ("2026-11-30 12:00", (10, 10, 10, 20)),
    ):
        values = at(section, moment)
        assert tuple(values[key] for key in keys) == expected
        assert values["circuit_breaker_timeout"] == 7


def test_the_first_in_file_order_wins_option_by_option(files: Files) -> None:
    text = TABLE + schedule("when: Mon 10:00-12:00", "min-provisioned-reads: 50", "reads-upper-threshold: 70")
    text += schedule("when: Mon 11:00-13:00", "min-provisioned-reads: 5", "reads-lower-threshold: 20", name="r")
    section = Section.of(files.load(text).config["tables"]["t"])
    keys = ("min_provisioned_reads", "reads_upper_threshold", "reads_lower_threshold")
    for moment, expected in (
        ("2026-11-30 13:00", (None, 90, 30)),
        ("2026-11-30 12:59", (5, 90, 20)),  # in any order: the clock may be set back
        ("2026-11-30 11:30", (50, 70, 20)),
        ("2026-11-30 10:30", (50, 70, 30)),
        ("2026-11-30 11:30", (50, 70, 20)),
    ):
        values = at(section, moment)
        assert tuple(values[key] for key in keys) == expected


def test_the_policy_says_which_schedule_sets_its_limits(files: Files) -> None:
    table = files.load(ISSUE.replace("min-provisioned-writes", "max-provisioned-writes")).config["tables"]["^orders$"]
    reads, writes = Section.of(table).at(NOW).policies
    assert reads.min_told == writes.max_told == "schedule rush-hour until 22:00 America/New_York"
    assert reads.max_told == writes.min_told == ""
    reads, _ = Section.of(table).at(datetime(2026, 11, 28, 12, tzinfo=timezone.utc)).policies
    assert reads.min_told == "schedule black-friday until 2026-12-01 00:00 America/New_York"


def test_a_schedule_without_an_end_is_told_without(files: Files) -> None:
    table = files.load(TABLE + schedule("when: daily 00:00-24:00", "min-provisioned-reads: 5")).config["tables"]["t"]
    assert Section.of(table).at(NOW).policies[0].min_told == "schedule s"


# What is told


def test_the_announcement(files: Files) -> None:
    loaded = files.load(ISSUE)
    loaded.config["global"]["region"] = "us-east-1"
    assert list(announcement.lines(loaded)) == [
        "[schedule: black-friday table: ^orders$] 2026-11-27 00:00 - 2026-11-30 24:00 America/New_York: "
        "reads-lower-threshold: 20, min-provisioned-reads: 5000",
        "[schedule: rush-hour table: ^orders$] Mon-Fri 15:45-22:00 America/New_York: min-provisioned-reads: 800, "
        "min-provisioned-writes: 200",
        "[schedule: nights gsi: .* table: ^orders$] daily 23:00-05:00, Sat 00:00-24:00 UTC: "
        "enable-reads-down-scaling: true",
        "the schedules of a table do not change its indexes; [schedule: NAME gsi: INDEX table: TABLE] does",
    ]


def test_the_timetable(files: Files) -> None:
    found = timetable.lines(files.load(ISSUE).config["tables"], NOW, 2)
    rush = "[schedule: rush-hour table: ^orders$]       min-provisioned-reads: 800, min-provisioned-writes: 200"
    friday = "[schedule: black-friday table: ^orders$]    min-provisioned-reads: 5000, reads-lower-threshold: 20"
    nights = "[schedule: nights gsi: .* table: ^orders$]  enable-reads-down-scaling: true"
    assert list(found) == [
        f"in its zone{' ' * 29}in UTC{' ' * 27}schedule{' ' * 36}options",
        f"Wed 2026-11-25 16:00  America/New_York  2026-11-25 21:00 UTC  holds now  {rush}",
        f"Wed 2026-11-25 23:00  UTC               2026-11-25 23:00 UTC  begins     {nights}",
        f"Wed 2026-11-25 22:00  America/New_York  2026-11-26 03:00 UTC  ends       {rush}",
        f"Thu 2026-11-26 05:00  UTC               2026-11-26 05:00 UTC  ends       {nights}",
        f"Thu 2026-11-26 15:45  America/New_York  2026-11-26 20:45 UTC  begins     {rush}",
        f"Thu 2026-11-26 23:00  UTC               2026-11-26 23:00 UTC  begins     {nights}",
        f"Thu 2026-11-26 22:00  America/New_York  2026-11-27 03:00 UTC  ends       {rush}",
        f"Fri 2026-11-27 05:00  UTC               2026-11-27 05:00 UTC  ends       {nights}",
        f"Fri 2026-11-27 00:00  America/New_York  2026-11-27 05:00 UTC  begins     {friday}",
        f"Fri 2026-11-27 15:45  America/New_York  2026-11-27 20:45 UTC  begins     {rush}",
    ]  # fmt: skip


def test_days_of_the_timetable_have_24_hours(files: Files) -> None:
    text = TABLE + schedule("when: Mon 10:00-12:00", "min-provisioned-reads: 5")
    monday = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
    config = files.load(text, monday).config
    assert list(timetable.lines(config["tables"], monday, 6)) == [
        "no schedule begins, ends or holds from 2026-11-23 12:00 to 2026-11-29 12:00 UTC"
    ]
    assert ["begins" in line for line in timetable.lines(config["tables"], monday, 7)] == [False, True]


def test_the_policy_for_iam_names_the_topics_of_schedules(files: Files) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:sales"
    text = TABLE + schedule(MONDAYS, f"sns-topic-arn: {topic}", "sns-message-types: scale-up")
    config = files.load(text).config
    config["global"]["region"] = "us-east-1"
    (statement,) = [one for one in iam.policy(config)["Statement"] if one["Sid"] == "Notify"]
    assert statement["Resource"] == [topic]


def test_secrets_in_schedules_are_masked(files: Files) -> None:
    text = TABLE + schedule(MONDAYS, "circuit-breaker-url: http://me:pass-word@h/")
    files.path.touch(mode=0o600)
    shown = loader.show(files.load(text).config)["tables"]["t"]["schedules"]["s"]
    assert shown["circuit_breaker_url"] == "http://me:***@h/"
