"""The options of target tracking: what each axis gets, what is refused, and what draws a warning."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dynamic_dynamodb.configuration import announcement, loader, sections
from dynamic_dynamodb.decisions.model import OFF, Policy
from dynamic_dynamodb.errors import ConfigError

TRACKED = "[table: ^orders$]\nscaling-policy: target-tracking\n"
ALARM = "reads-upper-alarm-threshold: 90\n"


def load(folder: Path, text: str, **flags: str | bool) -> loader.Configuration:
    path = folder / "dd.conf"
    path.write_text(text)
    given = {name.replace("_", "-"): value for name, value in flags.items()}
    return loader.load({"config": str(path), "region": "eu-west-1", **given})


def policies(table: Mapping[str, Any]) -> tuple[Policy, Policy]:
    return sections.policy(table, "reads"), sections.policy(table, "writes")


def facts(policy: Policy) -> tuple[str, int, int, object]:
    """The policy, its target, how much of the burst credit, and the throttled minutes that are allowed."""
    return (
        policy.scaling_policy,
        int(policy.target_utilization),
        int(policy.burst_credit),
        policy.throttled_minutes_per_day,
    )


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("[table: ^orders$]\n", ("thresholds", 90, 0, 1), ("thresholds", 90, 0, 1)),
        (TRACKED, ("target-tracking", 90, 0, 1), ("target-tracking", 90, 0, 1)),
        (
            TRACKED + "burst-credit: 50\nthrottled-minutes-per-day: 2.5\n",
            ("target-tracking", 90, 50, Fraction("2.5")),
            ("target-tracking", 90, 50, Fraction("2.5")),
        ),
        (
            TRACKED + "burst-credit: 50\nreads-burst-credit: 20\nwrites-throttled-minutes-per-day: OFF\n",
            ("target-tracking", 90, 20, 1),
            ("target-tracking", 90, 50, OFF),
        ),
        (
            TRACKED + "target-reads-utilization: 20\ntarget-writes-utilization: 100\n",
            ("target-tracking", 20, 0, 1),
            ("target-tracking", 100, 0, 1),
        ),
        (
            "[table: ^orders$]\nreads-scaling-policy: target-tracking\n",
            ("target-tracking", 90, 0, 1),
            ("thresholds", 90, 0, 1),
        ),
        (TRACKED + "writes-scaling-policy: thresholds\n", ("target-tracking", 90, 0, 1), ("thresholds", 90, 0, 1)),
        (
            "[default_options]\nscaling-policy: target-tracking\nburst-credit: 9\n[table: ^orders$]\nburst-credit: 0\n",
            ("target-tracking", 90, 0, 1),
            ("target-tracking", 90, 0, 1),
        ),
    ],
)
def test_what_each_axis_gets(tmp_path: Path, text: str, reads: object, writes: object) -> None:
    table = load(tmp_path, text).config["tables"]["^orders$"]
    assert tuple(map(facts, policies(table))) == (reads, writes)


def test_an_index_has_its_own(tmp_path: Path) -> None:
    text = TRACKED + "[gsi: ^by-date$ table: ^orders$]\n[gsi: .* table: ^orders$]\nscaling-policy: target-tracking\n"
    gsis = load(tmp_path, text).config["tables"]["^orders$"]["gsis"]
    assert [policies(gsi)[0].scaling_policy for gsi in gsis.values()] == ["thresholds", "target-tracking"]


def test_by_flags_alone() -> None:
    flags = {"scaling-policy": "target-tracking", "target-reads-utilization": "80", "throttled-minutes-per-day": "off"}
    table = loader.load({"table-name": "^orders$", **flags}).config["tables"]["^orders$"]
    assert facts(policies(table)[0]) == ("target-tracking", 80, 0, OFF)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("scaling-policy: target", "'target' is not one of thresholds, target-tracking"),
        ("scaling-policy: target_tracking", "did you mean target-tracking?"),
        ("target-reads-utilization: 19", "19 is too small; the minimum is 20"),
        ("target-reads-utilization: 101", "101 is too large; the maximum is 100"),
        ("target-reads-utilization: 90%", "'90%' is not a number; leave the % out"),
        ("burst-credit: -1", "-1 is too small; the minimum is 0"),
        ("burst-credit: 101", "101 is too large; the maximum is 100"),
        ("throttled-minutes-per-day: 0", "0 is not above 0; off switches it off"),
        ("throttled-minutes-per-day: -1", "-1 is not above 0; off switches it off"),
        ("throttled-minutes-per-day: 1441", "1441 is too large; the maximum is 1440"),
        ("throttled-minutes-per-day: never", "'never' is not a number"),
        ("target-utilization: 90", "unknown option; did you mean target-reads-utilization?"),
    ],
)
def test_bad_values(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"[table: ^orders$]\n{line}\n")
    (found,) = caught.value.problems
    assert found.startswith(f"{tmp_path}/dd.conf:2: [table: ^orders$] {line.partition(':')[0]}: ")
    assert problem in found


NO_THRESHOLDS = "reads follow a target utilization"
NO_TRACKING = "reads follow thresholds"


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (TRACKED + "min-provisioned-reads: 5\nmax-provisioned-reads: 10\nenable-reads-up-scaling: false\n", []),
        (TRACKED + "allow-scaling-down-reads-on-0-percent: true\n" + ALARM, []),
        (TRACKED + "reads-upper-threshold: 80\n", [("reads-upper-threshold", NO_THRESHOLDS)]),
        (TRACKED + "increase-reads-with: 80\n", [("increase-reads-with", NO_THRESHOLDS)]),
        (TRACKED + "num-read-checks-before-scale-down: 3\n", [("num-read-checks-before-scale-down", NO_THRESHOLDS)]),
        (TRACKED + "decrease-consumed-reads-scale: {10: 50}\n", [("decrease-consumed-reads-scale", NO_THRESHOLDS)]),
        (TRACKED + "throttled-reads-upper-threshold: 3\n", [("throttled-reads-upper-threshold", NO_THRESHOLDS)]),
        (TRACKED + "lookback-period: 3\n", [("lookback-period", "the last minutes that CloudWatch has")]),
        (TRACKED + "lookback-period: 3\n" + ALARM, []),  # alarms look at it
        (TRACKED + "writes-scaling-policy: thresholds\nwrites-upper-threshold: 80\nlookback-period: 3\n", []),
        ("[default_options]\nreads-upper-threshold: 80\n" + TRACKED, []),  # for the other tables
        ("[table: ^orders$]\ntarget-reads-utilization: 80\n", [("target-reads-utilization", NO_TRACKING)]),
        ("[table: ^orders$]\nreads-burst-credit: 80\n", [("reads-burst-credit", NO_TRACKING)]),
        ("[table: ^orders$]\nburst-credit: 80\n", [("burst-credit", "without scaling-policy: target-tracking")]),
        (
            "[table: ^orders$]\nthrottled-minutes-per-day: off\n",
            [("throttled-minutes-per-day", "without scaling-policy")],
        ),
    ],
)
def test_what_has_no_effect_draws_a_warning(tmp_path: Path, text: str, warned: list[tuple[str, str]]) -> None:
    found = load(tmp_path, text).warnings
    assert len(found) == len(warned), found
    for line, (name, why) in zip(found, warned, strict=True):
        assert f" {name}: has no effect" in line
        assert why in line


@pytest.mark.parametrize(
    ("text", "flags", "said"),
    [
        (
            TRACKED,
            {},
            ["target-tracking follows the load minute by minute; set check-interval to 60 instead of 300"],
        ),
        (TRACKED, {"check_interval": "60"}, []),
        (
            TRACKED,
            {"run_once": True},
            [
                "target-tracking does not learn recurring loads with --run-once: "
                "no process runs long enough to read the past"
            ],
        ),
        ("[table: ^orders$]\n", {}, []),
        (
            "[table: a]\n[gsi: b table: a]\nwrites-scaling-policy: target-tracking\n",
            {"check_interval": "61"},
            ["instead of 61"],
        ),
    ],
)
def test_what_the_announcement_recommends(
    tmp_path: Path, text: str, flags: dict[str, str | bool], said: list[str]
) -> None:
    lines = [line for line in announcement.lines(load(tmp_path, text, **flags)) if line.startswith("target-tracking")]
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))
