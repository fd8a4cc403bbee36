"""The warnings about values that are valid, but were perhaps meant otherwise."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.converters import did_you_mean, plain, quote, scale_steps, words
from dynamic_dynamodb.configuration.options import Option
from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.output.masking import mask_url, password
from dynamic_dynamodb.output.urls import user_information, well_formed

TABLE_QUOTA = 40_000  # capacity units per table by default (AWS service quotas); AWS raises it on request

_PERCENT_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
TRACKING = "target-tracking"
# Options of an axis, by their fields in a policy: those of target tracking only, and those of both scaling policies.
_TRACKING = frozenset({"target_utilization", "burst_credit", "throttled_minutes_per_day"})
_ALWAYS = frozenset(
    {
        "scaling_policy",
        "min_provisioned",
        "max_provisioned",
        "allow_scaling_down_on_0_percent",
        "enable_autoscaling",
        "enable_up_scaling",
        "enable_down_scaling",
        "upper_alarm_threshold",
        "lower_alarm_threshold",
    }
)
_SHARED_OF_TRACKING = ("burst-credit", "throttled-minutes-per-day")

_COMMENT = re.compile(r"\s#")


def of_text(option: Option, text: str, *, in_file: bool) -> Iterator[str]:
    """Warnings about one valid value: each is the rest of a sentence that begins with the option."""
    if in_file and option.kind in ("path", "str", "url") and _COMMENT.search(text):
        yield "the # and what follows it are part of the value; only ' ;' starts a comment there"
    if option.kind == "url":
        yield from _of_url(option, text.strip())
    if option.kind == "scale":
        found = Counter(threshold for threshold, _amount in scale_steps(text))
        for threshold in (one for one, times in found.items() if times > 1):
            yield f"the scale has the threshold {plain(threshold)} twice; the last amount is used"
    if option.kind == "list":
        for word in words(text):
            if word not in option.choices:
                yield _of_choice(word, option)


def _of_choice(word: str, option: Option) -> str:
    if set(word.split()) <= set(option.choices):
        return f"{quote(word)} is not a message type and is ignored; separate message types with commas"
    return f"{quote(word)} is not a message type and is ignored{did_you_mean(word, option.choices)}"


def _of_url(option: Option, text: str) -> Iterator[str]:
    begin, end = user_information(text)
    if set("/?#") & set(text[begin:end]):
        encoded = mask_url(well_formed(text))
        yield f"a raw /, ? or # in user or password is percent-encoded; write %2F, %3F or %23: {quote(encoded)}"
    if option.name == "circuit-breaker-url" and _PERCENT_ENCODED.search(password(text)):
        yield "%XX in a password is decoded before it is sent, which the original did not; write % itself as %25"


def of_section(
    values: Mapping[str, Any], given: Collection[str], own: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Warnings about the effective values of a table or gsi section: the names of the options, and the text.

    `given` are the names of the options that are set anywhere, `own` those that are set in the section itself.
    """
    yield from _of_policy(values, own)
    for axis in AXES:
        if values[f"{axis}_scaling_policy"] != TRACKING:
            yield from _of_thresholds(values, axis)
            yield from _of_decrease(values, given, axis)
        yield from ((names, message) for _key, names, message in _never(values, given, axis))
        most = values[f"max_provisioned_{axis}"]
        if most is not None and most > TABLE_QUOTA:
            yield (f"max-provisioned-{axis}",), f"{most} is above DynamoDB's default quota of {TABLE_QUOTA} per table"
    topic, types = values["sns_topic_arn"], values["sns_message_types"]
    if topic and not types:
        yield ("sns-topic-arn",), "nothing is sent without sns-message-types"


def of_process(command: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Warnings about options that do not fit the way in which the program is run."""
    state_file, runs_once = config["global"]["state_file"], command["run_once"] and not command["dry_run"]
    if state_file and command["daemon"] is not None:
        yield "state-file: has no effect with --daemon, which keeps its state file next to its pid file"
    if command["run_once"] and config["global"]["metrics_port"] is not None:
        yield "metrics-port: has no effect with --run-once; use metrics-file instead"
    if runs_once and not state_file and command["daemon"] is None and (lost := list(dict.fromkeys(_lost(config)))):
        yield (f"--run-once: each run forgets the earlier runs, so {', '.join(lost)}; set --state-file PATH")


def _lost(config: Mapping[str, Any]) -> Iterator[str]:
    """What does not work if nothing is remembered, section by section."""
    episode = config["global"]["failures_before_notification"]
    for section in (one for table in config["tables"].values() for one in (table, *table["gsis"].values())):
        for axis in AXES:
            name = f"num-{axis.removesuffix('s')}-checks-before-scale-down"
            for values in (section, *section["schedules"].values()):
                checks = values.get(name.replace("-", "_")) or 1
                if checks > 1 and section[f"{axis}_scaling_policy"] != TRACKING:
                    yield f"{name}: {checks} is never reached"
        if any(section[f"{axis}_{side}_alarm_threshold"] for axis in AXES for side in ("upper", "lower")):
            yield "alarms repeat in every run"
        if any(section[f"{axis}_scaling_policy"] == TRACKING for axis in AXES):
            yield "target tracking learns nothing"
        if episode > 1 and "check-failed" in (section["sns_message_types"] or ()):
            yield f"failures-before-notification: {episode} is never reached"


def _of_policy(values: Mapping[str, Any], own: Collection[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Options of the scaling policy that the section does not use."""
    tracking = [axis for axis in AXES if values[f"{axis}_scaling_policy"] == TRACKING]
    alarms = any(values[f"{axis}_{side}_alarm_threshold"] for axis in AXES for side in ("upper", "lower"))
    for option in options.of_section(options.TABLE):
        if option.name not in own:
            continue
        if option.axis in tracking and option.field not in _ALWAYS | _TRACKING:
            yield (option.name,), f"has no effect: {option.axis} follow a target utilization ({TRACKING})"
        elif option.field in _TRACKING - _ALWAYS and option.axis not in tracking:
            yield (option.name,), f"has no effect: {option.axis} follow thresholds; set scaling-policy: {TRACKING}"
        elif option.name in _SHARED_OF_TRACKING and not tracking:
            yield (option.name,), f"has no effect without scaling-policy: {TRACKING}"
        elif option.name.startswith("lookback-") and len(tracking) == len(AXES) and not alarms:
            yield (option.name,), f"has no effect: {TRACKING} uses the last minutes that CloudWatch has"


def never(values: Mapping[str, Any], given: Collection[str]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """The switches, by key, that amounts of 0 make false, because nothing is left that could ask for a change.

    With the names of the options and the text of the warning. A switch that is set explicitly is not affected.
    """
    for axis in AXES:
        yield from _never(values, given, axis)


def _never(values: Mapping[str, Any], given: Collection[str], axis: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    if values[f"{axis}_scaling_policy"] == TRACKING:
        return
    for verb, direction, limit in (("increase", "up", "min"), ("decrease", "down", "max")):
        switch = f"enable-{axis}-{direction}-scaling"
        if switch not in given and not _asks(values, verb, axis):
            text = f"0 means never, as if {switch} were false; {limit}-provisioned-{axis} still holds"
            yield switch.replace("-", "_"), (_nothing(values, verb, axis),), text


def _asks(values: Mapping[str, Any], verb: str, axis: str) -> bool:
    """Whether anything can ask for a change in this direction: a trigger with an amount above 0."""
    by_consumption = values[f"{verb}_consumed_{axis}_scale"]
    scales = [values[key] for key in _scales(verb, axis)]
    by_events = verb == "increase" and values[f"throttled_{axis}_upper_threshold"] and values[f"increase_{axis}_with"]
    by_one_amount = by_consumption is None and values[f"{verb}_consumed_{axis}_with"] != 0  # None: invalid, a problem
    return bool(by_events or by_one_amount) or any(
        amount > 0 for scale in scales if scale for _threshold, amount in scale
    )


@cache
def _scales(verb: str, axis: str) -> tuple[str, ...]:
    """The keys of all scales that may ask for a change in this direction."""
    keys = (option.key for option in options.of_section(options.TABLE) if option.axis == axis)
    return tuple(key for key in keys if key.startswith(f"{verb}_") and key.endswith("_scale"))


def _nothing(values: Mapping[str, Any], verb: str, axis: str) -> str:
    """The option that is 0; the amount for consumption may be in a scale that has only amounts of 0."""
    alone = values[f"{verb}_{axis}_with"] == 0
    return f"{verb}-{axis}-with" if alone else f"{verb}-consumed-{axis}-scale"


def _of_thresholds(values: Mapping[str, Any], axis: str) -> Iterator[tuple[tuple[str, ...], str]]:
    lower, upper = values[f"{axis}_lower_threshold"], values[f"{axis}_upper_threshold"]
    scaled = values[f"increase_consumed_{axis}_scale"] or values[f"decrease_consumed_{axis}_scale"]
    if lower is not None and upper is not None and lower >= upper and not scaled:
        names = (f"{axis}-lower-threshold", f"{axis}-upper-threshold")
        yield names, f"the lower threshold, {plain(lower)} %, is not below the upper, {plain(upper)} %"


def _of_decrease(values: Mapping[str, Any], given: Collection[str], axis: str) -> Iterator[tuple[tuple[str, ...], str]]:
    if values[f"decrease_consumed_{axis}_unit"] != "percent":
        return
    scale = values[f"decrease_consumed_{axis}_scale"]
    amount = max(step[1] for step in scale) if scale else values[f"decrease_consumed_{axis}_with"]
    if amount is not None and amount > 100:
        names = [f"decrease-consumed-{axis}-{end}" for end in ("scale", "with")] + [f"decrease-{axis}-with"]
        name = next(name for name in names if name in given and (name.endswith("scale") or not scale))
        text = f"a decrease of {plain(amount)} % is above 100 %: it always goes to the minimum or the load floor"
        yield (name,), text
