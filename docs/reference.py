"""Generates docs/configuration.md and docs/command-line.md: every option and every flag."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

from facts import default_text, named, short_type

from dynamic_dynamodb import cli
from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.options import (
    COMMAND_LINE,
    GLOBAL,
    GSI,
    LOGGING,
    OPTIONS,
    SCHEDULE,
    TABLE,
    Option,
)
from dynamic_dynamodb.output import terminal

_NOTE = """\
<!-- Written by docs/generate.py from dynamic_dynamodb/configuration/options.py; `make generated` writes it again. -->
"""

# docs/configuration.md

_CONFIGURATION = f"""\
{_NOTE}
# Configuration reference

Every option of a configuration file, with its values, its default and its flag. The same options, ready to copy, are in
[example-config.conf](../example-config.conf). The flags are also in [Command line](command-line.md).

```ini
[global]
region: eu-west-1

[default_options]
max-provisioned-reads: 1000
max-provisioned-writes: 500

[table: ^orders$]
reads-upper-threshold: 80

[gsi: ^by-customer$ table: ^orders$]
max-provisioned-writes: 200
```

| section | what it sets |
|---|---|
| `[global]` | the whole program; flags take precedence |
| `[logging]` | the log; flags take precedence |
| `[default_options]` | all tables and indexes, unless their own section sets the option |
| `[table: REGEX]` | each table whose name matches the regular expression from its start |
| `[gsi: REGEX table: REGEX]` | each matching index of these tables |
| `[schedule: NAME table: REGEX]` | other values for these tables [at certain times](schedules.md) |
| `[schedule: NAME gsi: REGEX table: REGEX]` | other values for these indexes at certain times |

A table belongs to the first section that matches it. A `gsi` or `schedule` section repeats the expressions of the
section that it belongs to, character for character. An index inherits from `[default_options]` only, not from the
section of its table.

A line is `name: value` or `name = value`. A line that starts with `#` or `;` is a comment; after a value, ` ;` starts
one. All mistakes are reported at once, before anything else happens. `dynamic-dynamodb --config FILE --show-config`
prints the result. The exact rules are in [section 1 of the behaviour](behaviour.md#1-configuration).

In the tables, an option for reads and its counterpart for writes share a row, which describes the one for reads.
*Default* is the value if the option is not set; *as* another option is the value of that one. *Flag*: *yes* means `--`
and the name of the option. *Since* is the release of the original that introduced the option; *new*: the original does
not have it. Numbers are integers, except percentages, milliseconds and those called *number*. In a path, `~` and
`$VARIABLES` are expanded.
"""

# The chapter that begins with an option, in the order of the declaration.
_CHAPTERS = {
    "profile": "The whole program",
    "metrics-port": "Metrics",
    "circuit-breaker-url": "Circuit breaker",
    "log-level": "Log",
    "scaling-policy": "Scaling policy and target tracking",
    "reads-upper-threshold": "When to scale, how much, and limits",
    "num-read-checks-before-scale-down": "Decreases and switches",
    "increase-consumed-reads-unit": "Granular scaling",
    "reads-upper-alarm-threshold": "Alarms and notifications",
    "reads-scaling-policy": "Scaling policy and target tracking",
    "always-decrease-rw-together": "Decreases and switches",
    "maintenance-windows": "Maintenance windows",
    "lookback-window-start": "Look-back window",
    "sns-topic-arn": "Alarms and notifications",
    "when": "Schedules",
}
# The pages that explain a chapter.
_MORE = {
    "The whole program": "[Permissions and credentials](iam.md)",
    "Metrics": "[Metrics](metrics.md)",
    "Circuit breaker": "[Circuit breaker](guards.md#circuit-breaker)",
    "Log": "[rotation](running.md#logs), [what each line means](troubleshooting.md)",
    "Scaling policy and target tracking": "[Target tracking](target-tracking.md)",
    "When to scale, how much, and limits": "[How a decision is made](decisions.md), with worked numbers",
    "Decreases and switches": "[several checks in a row](decisions.md#several-checks-in-a-row), "
    "[switches](decisions.md#limits-and-switches), [reads and writes together](decisions.md#reads-and-writes-together)",
    "Granular scaling": "[Granular scaling](granular-scaling.md), with worked numbers",
    "Alarms and notifications": "[Notifications](notifications.md)",
    "Maintenance windows": "[Maintenance windows](guards.md#maintenance-windows)",
    "Look-back window": "[why it ends in the past](decisions.md#what-is-compared)",
    "Schedules": "[Schedules](schedules.md). A schedule can also set any option of its table or index",
}
# The options whose values need an example, by the chapter that shows them.
_SHOWN = {
    "Granular scaling": ("increase-consumed-reads-scale", "decrease-consumed-reads-scale"),
    "Maintenance windows": ("maintenance-windows",),
    "Alarms and notifications": ("sns-topic-arn", "sns-message-types"),
    "Schedules": ("when", "time-zone", "min-provisioned-reads"),
}
_HEADERS = {"Schedules": ("[table: ^orders$]", "[schedule: sales-hours table: ^orders$]")}
_SECTIONS = {
    (GLOBAL,): "Section: `[global]`.",
    (LOGGING,): "Section: `[logging]`.",
    (TABLE, GSI): "Sections: `[default_options]`, `[table:]`, `[gsi:]`.",
    (GLOBAL, TABLE, GSI): "Sections: `[global]`, and `[default_options]`, `[table:]`, `[gsi:]`, which take precedence.",
    (SCHEDULE,): "Section: `[schedule:]`.",
}


def configuration() -> str:
    """The whole of docs/configuration.md."""
    chapters: dict[str, list[Option]] = {}
    title = ""
    for option in OPTIONS:
        title = _CHAPTERS.get(option.name, title)
        if COMMAND_LINE not in option.sections and option.axis != "writes":
            chapters.setdefault(title, []).append(option)
    lines = [_CONFIGURATION, *(line for title, held in chapters.items() for line in _chapter(title, held))]
    return "\n".join(lines).rstrip() + "\n"


def _chapter(title: str, held: Sequence[Option]) -> Iterator[str]:
    (sections,) = {option.sections for option in held}
    yield f"## {title}\n"
    yield f"{_SECTIONS[sections]} More: {_MORE[title]}.\n"
    yield "| option | what it does | value | default | flag | since |"
    yield "|---|---|---|---|---|---|"
    yield from map(_row, held)
    yield ""
    if title in _SHOWN:
        shown = [named(name) for name in _SHOWN[title]]
        yield from _block("ini", [*_HEADERS.get(title, ()), *(f"{one.name}: {one.example}" for one in shown)])


def _row(option: Option) -> str:
    both = _both(option)
    names = "<br>".join(f"{_anchor(one.name)}[`{one.name}`](#{one.name})" for one in both)
    cells = (names, _marked(option.help, both), short_type(option), _default(option), _flag(option), option.since)
    return f"| {' | '.join(cells)} |"


def _anchor(name: str) -> str:
    """A target for links: in a table there are no headings."""
    return f'<a id="{name}"></a>'


def _default(option: Option) -> str:
    if option.fallback:
        return f"as {_link(option.fallback)}"
    return default_text(option) or "none"


def _flag(option: Option) -> str:
    if option.flag is None:
        return "no"
    if option.flag != f"--{option.name}":
        return "yes, without `-id`"
    return f"yes, `{option.short}`" if option.short else "yes"


# docs/command-line.md

_REFERENCE = "configuration.md"
_COMMAND_LINE = f"""\
{_NOTE}
# Command line

Every flag and every exit code.

{{usage}}
A flag may be shortened to any unambiguous beginning. A flag takes precedence over `[global]` and `[logging]` of the
file. The flags that configure a table need [`--table-name`](#--table-name); the table sections of the file are then not
used. A flag that is also an option of the file links to its entry in the [configuration reference](configuration.md).

*Since* is the release of the original that introduced the flag; *new*: the original does not have it.
"""
_EXIT_CODES = f"""\
## Exit codes

| code | meaning |
|---|---|
| 0 | success, or ended by SIGTERM |
| {cli.FAILED} | failed: start, stop, `--max-age`, a table or index of `--run-once`, or unexpected error (see the log) |
| {cli.MISUSED} | the flags or the configuration cannot be used; nothing was done |
| 3 | `--daemon status`: not running |
| 4 | `--daemon status`: unknown; the message says why |
| {cli.INTERRUPTED} | ended by SIGINT (Ctrl-C) |
| 143 | ended at once by a second SIGTERM, at least 2 s after the first |

With `--run-once`, 1 means that a table or index could not be handled, or that none matches. A skipped table or index
counts as handled: on demand, not ACTIVE, open circuit breaker, outside its maintenance windows, or a decrease that
DynamoDB refused. Without `--run-once`, a failed check is logged and the next one runs as usual; only a signal ends the
loop.

A log file that cannot be written and an AWS configuration that cannot be used count as configuration: exit code 2.
Under `--daemon` the daemon itself finds them, after the flags have been checked: exit code 1.
"""


def command_line() -> str:
    """The whole of docs/command-line.md."""
    usage = "\n".join(_block("text", [cli.parser().format_usage().rstrip()]))
    lines = [_COMMAND_LINE.format(usage=usage)]
    for group in options.GROUPS:
        if group != options.WRITES_GROUP:  # flags for writes share the rows of those for reads
            lines += _table(group, [option for option in OPTIONS if option.group == group])
    return "\n".join([*lines, _EXIT_CODES])


def _table(group: str, held: Sequence[Option]) -> Iterator[str]:
    title = "Read units and write units" if group == options.READS_GROUP else f"{group[0].upper()}{group[1:]}"
    yield f"## {title}\n"
    yield "| flag | what it does | default | since |"
    yield "|---|---|---|---|"
    yield from map(_flag_row, held)
    yield ""
    examples = [option.example for option in held if COMMAND_LINE in option.sections]
    if examples:
        yield from _block("console", [f"$ {terminal.PROGRAM} {example}" for example in examples])


def _flag_row(option: Option) -> str:
    flags = "<br>".join(
        f"{_flag_anchor(one)}[`{spelling}`]({_flag_link(one)})" if spelling.startswith("--") else f"`{spelling}`"
        for one in _both(option)
        for spelling in _flags()[one.name]
    )
    default = "" if option.kind == "switch" else default_text(option) or ""
    return f"| {flags} | {_marked(option.help, _both(option), _REFERENCE)} | {default} | {option.since} |"


def _flag_anchor(option: Option) -> str:
    return _anchor(str(option.flag)) if COMMAND_LINE in option.sections else ""


def _flag_link(option: Option) -> str:
    return f"#{option.flag}" if COMMAND_LINE in option.sections else f"{_REFERENCE}#{option.name}"


# Both


def _both(option: Option) -> list[Option]:
    """The option, and for one of reads its counterpart for writes."""
    return [option, *(one for one in OPTIONS if one.axis == "writes" and one.field == option.field)]


def _flags() -> dict[str, list[str]]:
    """The spellings of each option's flag, each with its value as the parser shows it."""
    return {
        action.dest: [f"{flag} {_value_of(action)}".rstrip() for flag in action.option_strings]
        for action in cli.parser()._actions
    }


def _value_of(action: argparse.Action) -> str:
    shown = str(action.metavar or "")
    return f"[{shown}]" if action.nargs == "?" else shown


_NAMES = {option.name for option in OPTIONS if COMMAND_LINE not in option.sections and "-" in option.name}
_CODE = {
    *_NAMES,
    *(alias for option in OPTIONS for alias in option.aliases),
    *options.MESSAGE_TYPES,
    *("target-tracking", "prometheus-client", "x-table-name", "x-gsi-name", "sales-day", "sales-week"),
    *("thresholds", "true", "false", "off", "cloudwatch"),
}
_WORDS = re.compile(
    r"--daemon status|--[a-z-]+|\b(?:thresholds|true|false|off)(?=:)|\bcloudwatch\b"
    r"|\[\w+:?\](?= )|[A-Z_]+/\S+[a-z]|(?<= )/[a-z]+|user:password@"
    r"|\b[A-Za-z]+(?:_[A-Za-z]+)+\b|\b[a-z]+(?:-[a-z0-9]+)+\b"
)


def _marked(text: str, own: Sequence[Option], page: str = "") -> str:
    """The text with flags, sections, paths and names as code, and names of other options as links to their entries."""
    names = _NAMES - {option.name for option in own}

    def mark(match: re.Match[str]) -> str:
        word = match[0]
        if word in names:
            return _link(word, page)
        return f"`{word}`" if word in _CODE or not re.fullmatch("[a-z0-9-]+", word) or word[0] == "-" else word

    return _WORDS.sub(mark, text)


def _link(name: str, page: str = "") -> str:
    return f"[{name}]({page}#{name})"


def _block(language: str, lines: Sequence[str]) -> list[str]:
    return [f"```{language}", *lines, "```\n"]
