"""docs/configuration.md and docs/command-line.md: every option, and every flag."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

from facts import default_text, type_of

from dynamic_dynamodb import cli
from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.options import COMMAND_LINE, GLOBAL, LOGGING, OPTIONS, SCHEDULE, TABLE, Option
from dynamic_dynamodb.output import terminal

_NOTE = """\
<!-- Written by docs/generate.py from dynamic_dynamodb/configuration/options.py; `make generated` writes it anew. -->
"""

# docs/configuration.md

_CONFIGURATION = f"""\
{_NOTE}
# Configuration reference

Every option that a configuration file may hold. [example-config.conf](../example-config.conf) has them all in one
file with their defaults, ready to copy; the flags are in [Command line](command-line.md).

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

| section | what it holds |
|---|---|
| `[global]` | what holds for the whole program; flags outrank it |
| `[logging]` | where the log goes, and how much of it; flags outrank it |
| `[default_options]` | what holds for all tables and indexes that do not say otherwise |
| `[table: REGEX]` | one table, or all whose names the regular expression matches from their start |
| `[gsi: REGEX table: REGEX]` | the same for indexes of such a table, whose expression is repeated letter for letter |
| `[schedule: NAME table: REGEX]` | options that hold at certain times, above that section's ([why](schedules.md)) |
| `[schedule: NAME gsi: REGEX table: REGEX]` | the same above those of a `gsi` section |

A table belongs to the first section that matches it. An index takes nothing over from its table's section, only from
`[default_options]`. Lines are `name: value` or `name = value`; `#` and `;` begin a comment on a line of its own, and
` ;` one after a value. All mistakes are reported at once, before anything happens;
`dynamic-dynamodb --config FILE --show-config` prints what a file means. The exact rules are
[section 1 of the behaviour](behaviour.md#1-configuration).

What is said of reads holds for writes in the same way: each such option is explained once, under both of its names.
"Since" names the release of the original that brought an option.
"""

# Chapters, by the option that each begins with, in the order of the declaration.
_CHAPTERS = {
    "profile": "The whole program",
    "metrics-port": "Metrics",
    "circuit-breaker-url": "Circuit breaker",
    "log-level": "Log",
    "reads-upper-threshold": "When to scale, and how much",
    "min-provisioned-reads": "How far",
    "throttled-reads-upper-threshold": "Throttled events",
    "num-read-checks-before-scale-down": "Before a decrease",
    "enable-reads-autoscaling": "Switches",
    "increase-consumed-reads-unit": "Granular scaling",
    "reads-upper-alarm-threshold": "Alarms",
    "always-decrease-rw-together": "Reads and writes together",
    "maintenance-windows": "Maintenance windows",
    "lookback-window-start": "Look-back window",
    "sns-topic-arn": "Notifications",
    "when": "Schedules",
}
# What a chapter's page has beyond the entries.
_MORE = {
    "The whole program": "[Permissions and credentials](iam.md), [troubleshooting](troubleshooting.md).",
    "Metrics": "[What there is, how to scrape it, a dashboard and alerts](metrics.md).",
    "Circuit breaker": "[What is asked, and what an answer means](guards.md#circuit-breaker).",
    "Log": "[Rotation](running.md#logs), [each line explained](troubleshooting.md).",
    "When to scale, and how much": "[How a decision is made](decisions.md), with worked numbers.",
    "How far": "[Limits and switches](decisions.md#limits-and-switches), with worked numbers.",
    "Throttled events": "[Throttled events](decisions.md#throttled-events), with worked numbers.",
    "Before a decrease": "[Several checks in a row](decisions.md#several-checks-in-a-row), check by check.",
    "Switches": "[Limits and switches](decisions.md#limits-and-switches), with worked numbers.",
    "Granular scaling": "[Granular scaling](granular-scaling.md), with worked numbers.",
    "Alarms": "[What is sent, and when](notifications.md#alarms).",
    "Reads and writes together": "[Check by check](decisions.md#reads-and-writes-together).",
    "Maintenance windows": "[Check by check](guards.md#maintenance-windows).",
    "Look-back window": "[Why so late](decisions.md#what-is-compared).",
    "Notifications": "[What is sent, and when](notifications.md).",
    "Schedules": "[How they work, with recipes](schedules.md). A schedule may also hold any option of its section.",
}
_SECTIONS = {
    GLOBAL: "`[global]`",
    LOGGING: "`[logging]`",
    TABLE: "`[default_options]`, `[table:]`, `[gsi:]`",
    SCHEDULE: "`[schedule:]`",
}


def configuration() -> str:
    """The whole of docs/configuration.md."""
    lines = [_CONFIGURATION]
    for option in OPTIONS:
        if COMMAND_LINE in option.sections or option.axis == "writes":
            continue
        if option.name in _CHAPTERS:
            lines.append(f"## {_CHAPTERS[option.name]}\n\n{_MORE[_CHAPTERS[option.name]]}\n")
        lines += _entry(option)
    return "\n".join(lines).rstrip() + "\n"


def _entry(option: Option) -> Iterator[str]:
    both = _both(option)
    yield from (f"### `{one.name}`\n" for one in both)
    yield _marked(option.help, both) + "\n"
    yield f"- Type: {type_of(option)}"
    yield f"- Default: {_default(option)}"
    yield f"- Section: {', '.join(text for section, text in _SECTIONS.items() if section in option.sections)}"
    flags = [f"`{flag}`" for one in both if one.flag for flag in _flags()[one.name]]
    yield f"- Flag: {', '.join(flags) or 'none'}"
    yield f"- Since: {_since(option)}\n"
    yield from _block("ini", [*_header(option), *(f"{one.name}: {one.example}" for one in _needed(both))])


def _both(option: Option) -> list[Option]:
    """The option, and where it speaks of reads its counterpart of writes."""
    return [option, *(one for one in OPTIONS if one.axis == "writes" and one.field == option.field)]


def _needed(both: list[Option]) -> list[Option]:
    """What an example has to set: half a key pair, and messages without a topic, are mistakes."""
    together = [
        {"aws-access-key-id", "aws-secret-access-key-id"},
        {"sns-topic-arn", "sns-message-types"},
        {"when", "time-zone", "min-provisioned-reads"},
    ]
    if both[0].name == "min-provisioned-reads":
        return both
    return next(([one for one in OPTIONS if one.name in names] for names in together if both[0].name in names), both)


def _header(option: Option) -> list[str]:
    if SCHEDULE in option.sections:
        return ["[table: ^orders$]", "[schedule: sales-hours table: ^orders$]"]
    return [f"[{section}]" for section in (GLOBAL, LOGGING) if section in option.sections]


def _default(option: Option) -> str:
    if option.fallback:
        return f"that of {_link(option.fallback)}"
    inherited = {GLOBAL, TABLE} <= set(option.sections)
    return (default_text(option) or "none") + ("; for tables and indexes that of `[global]`" if inherited else "")


def _since(option: Option) -> str:
    return "new, not in the original" if option.since == "new" else option.since


# docs/command-line.md

_REFERENCE = "configuration.md"
_COMMAND_LINE = f"""\
{_NOTE}
# Command line

{{usage}}
Flags may be shortened as long as they stay unambiguous. They outrank `[global]` and `[logging]` of the file. Flags of
a table make one table section together with [`--table-name`](#--table-name), and the file's table sections are then
not used.
"""
_ONLY_HERE = "## Flags that no file can set\n"
_ALSO_IN_A_FILE = """\
## Flags of options that a file may set, too

Each leads to its entry in the [configuration reference](configuration.md), with its type, range and an example.
"""
_EXIT_CODES = f"""\
## Exit codes

| code | meaning |
|---|---|
| 0 | done; or ended by SIGTERM |
| {cli.FAILED} | something failed: the start, the stop, `--max-age`, a resource of `--run-once`; or unforeseen (log) |
| {cli.MISUSED} | flags or configuration cannot be used; nothing was done |
| 3 | `--daemon status`: not running |
| 4 | `--daemon status`: cannot be told |
| {cli.INTERRUPTED} | ended by SIGINT (Ctrl-C) |
| 143 | ended at once by a second SIGTERM, at least 2 s after the first |

With `--run-once`, 1 says that a table or index could not be handled, or that there is none. What is left alone on
purpose (on demand, not ACTIVE, an open circuit breaker, outside its maintenance windows, a decrease that DynamoDB
refused) counts as handled. Without `--run-once` a failed check is logged and the next one runs as usual: the loop
ends on a signal only.

The plain loop counts a log file that cannot be written, and an AWS configuration that cannot be used, as
configuration: 2. Under `--daemon` they are found later, by the daemon itself: 1.
"""


def command_line() -> str:
    """The whole of docs/command-line.md."""
    usage = "\n".join(_block("text", [cli.parser().format_usage().rstrip()]))
    lines = [_COMMAND_LINE.format(usage=usage), _ONLY_HERE]
    for option in OPTIONS:
        if COMMAND_LINE in option.sections:
            lines += _flag_entry(option)
    lines.append(_ALSO_IN_A_FILE)
    for group in options.GROUPS:
        held = [option for option in OPTIONS if option.group == group and COMMAND_LINE not in option.sections]
        lines += _table(group, held) if held else []
    return "\n".join([*lines, _EXIT_CODES])


def _flag_entry(option: Option) -> Iterator[str]:
    yield f"### `{option.flag}`\n"
    yield f"{_marked(option.help, [option], _REFERENCE)}\n"
    yield f"- Written: {', '.join(f'`{spelling}`' for spelling in _flags()[option.name])}"
    if option.kind != "switch" and option.default is not None:
        yield f"- Default: {default_text(option)}"
    yield f"- Since: {_since(option)}\n"
    yield from _block("console", [f"$ {terminal.PROGRAM} {option.example}"])


def _table(group: str, held: Sequence[Option]) -> Iterator[str]:
    yield f"### {group[0].upper()}{group[1:]}\n"
    yield "| flag | what it does | default |"
    yield "|---|---|---|"
    for option in held:
        shown = "<br>".join(f"[`{spelling}`]({_REFERENCE}#{option.name})" for spelling in _flags()[option.name])
        yield f"| {shown} | {_marked(option.help, [option], _REFERENCE)} | {default_text(option) or ''} |"
    yield ""


# Both


def _flags() -> dict[str, list[str]]:
    """By option: its spellings, with what follows them, as the parser has them."""
    return {
        action.dest: [f"{flag} {_value_of(action)}".rstrip() for flag in action.option_strings]
        for action in cli.parser()._actions
    }


def _value_of(action: argparse.Action) -> str:
    shown = str(action.metavar or "")
    return f"[{shown}]" if action.nargs == "?" else shown


_NAMES = {option.name for option in OPTIONS if COMMAND_LINE not in option.sections and "-" in option.name}
_WORDS = re.compile(r"--[a-z-]+|\[\w+:?\](?= )|\b[a-z]+(?:-[a-z0-9]+)+\b")


def _marked(text: str, own: Sequence[Option], page: str = "") -> str:
    """The text with flags and sections as code, and names of other options as links to their entries."""
    names = _NAMES - {option.name for option in own}

    def mark(match: re.Match[str]) -> str:
        word = match[0]
        if word in names:
            return _link(word, page)
        return f"`{word}`" if word[0] in "-[" else word

    return _WORDS.sub(mark, text)


def _link(name: str, page: str = "") -> str:
    return f"[{name}]({page}#{name})"


def _block(language: str, lines: Sequence[str]) -> list[str]:
    return [f"```{language}", *lines, "```\n"]
