"""example-config.conf: every option with its explanation and default."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from facts import default_text, named, type_of

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.options import Option

_WIDTH = 80

_INTRODUCTION = """\
Example configuration of Dynamic DynamoDB: every option, with its default.

This file is valid. Name your tables at its end, and try it with

    dynamic-dynamodb --config example-config.conf --dry-run --run-once

Options are written "name: value" or "name = value". A line that starts with
"#" or ";" is a comment; after a value, " ;" starts one. An indented line
continues the value above it. An option without a default, or one that is
rarely needed, is commented out; remove the "#" to use it.
"""

_GLOBAL = "Options of the whole program. Flags on the command line take precedence."
_LOGGING = "Where the log goes, in addition to stderr, and how detailed it is."
_DEFAULT_OPTIONS = """\
Options of all tables and indexes, unless their own [table:] or [gsi:] section
sets the option. Those sections accept the same options as this one.
"""
_TABLE = r"""
One section for each table, or for each group of tables. The name is a regular
expression, which is matched from the start of a table's name: ^my_table$ is
one table, ^my_ is all tables whose names start with my_. A table belongs to
the first section that matches it.

An option that is not set here has its value from [default_options].
"""
_GSI = """
The same for global secondary indexes: the expression of the index, then that
of the table, exactly as in its [table:] section. An index does not inherit
from its table's section.
"""

_SCHEDULE = """
A schedule: options that hold at certain times, in preference to those of the
section that it names exactly. It accepts any option of that section. "when"
says when it holds, "time-zone" in which time zone (UTC if left out).

    [schedule: rush-hour table: ^my_table$]
    when: Mon-Fri 15:45-22:00
    time-zone: America/New_York
    min-provisioned-reads: 800

Dates are written 2026-11-27 00:00 - 2026-11-30 24:00. An index needs its own
schedules: [schedule: nights gsi: ^my_index$ table: ^my_table$].
--show-schedule prints what holds now and what comes next.
"""

# Headings before an option, by its name.
_HEADINGS = {
    "reads-upper-threshold": "Reads: when to scale, how much, and limits",
    "allow-scaling-down-reads-on-0-percent": "Reads: switches",
    "increase-consumed-reads-unit": "Reads: granular scaling, an amount for each degree of load",
    "reads-upper-alarm-threshold": "Reads: alarms",
    "reads-scaling-policy": "Reads: scaling policy and target tracking",
    "writes-upper-threshold": "Writes: the same options as for reads",
    "always-decrease-rw-together": "Reads and writes together",
}
_TABLE_SHOWS = ("min-provisioned-reads", "max-provisioned-reads", "min-provisioned-writes", "max-provisioned-writes")
_GSI_SHOWS = ("reads-upper-threshold", "writes-upper-threshold", *_TABLE_SHOWS)
# Commented out although they have a default: the region, because the environment and the profile may set it, and two
# deprecated options.
_LEFT_OUT = ("region", "enable-reads-autoscaling", "enable-writes-autoscaling")


def example_config() -> str:
    """The whole of example-config.conf."""
    lines = [
        *_comment(_INTRODUCTION),
        *_section("global", _GLOBAL, options.of_section(options.GLOBAL)),
        *_section("logging", _LOGGING, options.of_section(options.LOGGING)),
        *_section("default_options", _DEFAULT_OPTIONS, options.of_section(options.TABLE)),
        *_resource("table: ^my_table$", _TABLE, _TABLE_SHOWS),
        *_resource("gsi: ^my_index$ table: ^my_table$", _GSI, _GSI_SHOWS),
        "",
        "",
        *_comment(_SCHEDULE.strip("\n")),
    ]
    return "\n".join(lines) + "\n"


def _section(header: str, text: str, held: Sequence[Option]) -> Iterator[str]:
    yield from ("", "", f"[{header}]", *_comment(text))
    for option in held:
        if option.name in _HEADINGS:
            heading = f"--- {_HEADINGS[option.name]} "
            yield from ("", f"# {heading.ljust(_WIDTH - 2, '-')}")
            if option.axis == "writes":
                yield ""
        if option.axis != "writes":  # the options for reads explain those for writes
            yield from ("", *_explanation(option, header))
        yield _setting(option, header)


def _resource(header: str, text: str, names: Sequence[str]) -> Iterator[str]:
    yield from ("", "", *_comment(text.strip("\n")), f"[{header}]")
    for name in names:
        yield f"{name}: {_value(named(name))}"


def _explanation(option: Option, header: str) -> Iterator[str]:
    yield from _wrapped(option.help)
    facts = [type_of(option), _default(option, header)]
    facts.append("Not in the original" if option.since == "new" else f"Since {option.since}")
    yield from _wrapped(" ".join(f"{fact}." for fact in facts))


def _default(option: Option, header: str) -> str:
    if option.fallback:
        return f"Default: that of {option.fallback}"
    if _inherits_global(option, header):
        return "Default: that of [global]"
    return "No default" if option.default is None else f"Default: {_value(option)}"


def _setting(option: Option, header: str) -> str:
    # An option that falls back to another one is commented out: set to its default, it would hide the other one.
    live = option.default is not None and not _inherits_global(option, header) and option.name not in _LEFT_OUT
    return f"{'' if live else '#'}{option.name}: {_value(option)}"


def _inherits_global(option: Option, header: str) -> bool:
    return options.GLOBAL in option.sections and header != "global"


def _value(option: Option) -> str:
    return default_text(option) or option.example


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.rstrip("\n").split("\n")]
