"""Merges flags, INI file and defaults into the config dict, and collects every problem.

Nothing here stops at the first mistake: whoever fixes a file wants to see all
of them. Values are exact: numbers with a decimal point are Fractions.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeAlias

from dynamic_dynamodb.configuration import doubts, inifile, options, regions, schedules
from dynamic_dynamodb.configuration.converters import (
    check_regex,
    convert,
    did_you_mean,
    not_set,
    quote,
    secret_in,
    show_value,
)
from dynamic_dynamodb.configuration.merging import merge, plan
from dynamic_dynamodb.configuration.options import Option
from dynamic_dynamodb.configuration.regions import AskBoto
from dynamic_dynamodb.decisions.model import AXES
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.masking import hide, safe

Values: TypeAlias = dict[str, Any]  # option name -> checked value; None if the value was invalid

_FEW = 100  # problems; after them, thousands of names are not compared with thousands of others

_DEFAULT = "DEFAULT"
_DEFAULT_OPTIONS = "default_options"
_EXPRESSION = re.compile(r"(table|gsi)\s*:")
_SCHEDULE = re.compile(r"schedule\s*:")
_OF_TABLE, _OF_INDEX = re.compile(r"table\s*:\s*(.*)", re.DOTALL), re.compile(r"gsi\s*:\s*(.*)", re.DOTALL)
_SCHEDULE_NAME = re.compile(r"[A-Za-z0-9._-]+")
# A run of blanks matches from its beginning only: from each blank would take time with the square of their number.
_INDEX_AFTER_TABLE = re.compile(r"(\S.*?)(?<![\s,])[\s,]+gsi\s*:\s*(\S.*)", re.DOTALL)  # no name has blank and colon
_TABLE_AFTER_INDEX = re.compile(r"(?:^|(?<!\s)\s)\s*table\s*:")
_MOST_SPLITS = 100  # of one header; each takes as much memory as the header
_PLAIN_SECTIONS = {"global": options.GLOBAL, "logging": options.LOGGING, _DEFAULT_OPTIONS: options.TABLE}
# [default_options] is for indexes too; every option of a table is also an option of an index.


@dataclass(frozen=True)
class Configuration:
    """The merged and checked configuration of flags and file.

    `command` has the options of the command line only, by key. `config` is the config dict:
    `{"global", "logging", "tables": {regex: {..., "gsis": {regex: {...}}}}}`. `never` of a table or index are the keys
    of the switches that are shown as false because amounts of 0 leave nothing to switch on. In the [global] part,
    `region_from` is the source of the region; both are None if boto3 has to find the region. `digest` is the SHA-256 of
    the file.
    """

    command: dict[str, Any]
    config: dict[str, Any]
    warnings: tuple[str, ...]
    digest: str | None = None


def _unknown_to_boto(_profile: str | None) -> tuple[Collection[str], bool]:
    return (), False


def load(
    flags: Mapping[str, str | bool],
    problems: Sequence[str] = (),
    ask_boto: AskBoto = _unknown_to_boto,
    now: datetime | None = None,
) -> Configuration:
    """Merge the flags that were given (option name -> text) with the file that they name.

    `problems` are those that the caller has found already. `ask_boto` is asked about a region that is not in our list.
    `now`: the time from which the schedules are checked; unset: the present.
    Raises ConfigError with all problems of flags and file.
    """
    loader = _Loader(problems, ask_boto, now)
    configuration = loader.load(flags)
    if loader.problems:
        raise ConfigError(loader.in_order(loader.problems))
    return configuration


def check_flags(flags: Mapping[str, str | bool]) -> dict[str, Any]:
    """The options of the command line only, by key, for commands that read no configuration.

    Raises ConfigError.
    """
    loader = _Loader((), _unknown_to_boto)
    command = loader.command(flags)
    if loader.problems:
        raise ConfigError(_lines(loader.problems))
    return command


def show(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config dict as `--show-config` prints it: JSON types, secrets masked."""
    return {
        "global": _show_section(config["global"], options.GLOBAL),
        "logging": _show_section(config["logging"], options.LOGGING),
        "tables": {
            regex: {
                **_show_section(table, options.TABLE),
                "schedules": _show_schedules(table),
                "gsis": {
                    index: {**_show_section(gsi, options.GSI), "schedules": _show_schedules(gsi)}
                    for index, gsi in table["gsis"].items()
                },
            }
            for regex, table in config["tables"].items()
        },
    }


def _show_section(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    never = values.get("never", ())  # true for the limits, but nothing can ask for a change: shown as false
    return {key: False if key in never else show_value(option, values[key]) for key, option in _keyed(section)}


@functools.cache
def _keyed(section: str) -> tuple[tuple[str, Option], ...]:
    """The options of a kind of section with their keys, worked out once for thousands of sections."""
    return tuple((option.key, option) for option in options.of_section(section))


def _show_schedules(section: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: show_value(_BY_KEY[key], value) for key, value in values.items()}
        for name, values in section["schedules"].items()
    }


def changed(kind: str, values: Mapping[str, Any], above: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The options of a section of the config dict that are not at their default, by name, each as `show` has it.

    `above`: the [global] part, where some defaults of tables and indexes come from.
    """
    inherited = above or {}
    return {
        name: show_value(option, values[key])
        for option, name, key, fallback, default in plan(kind)
        if values[key] != (values[fallback] if fallback else inherited.get(key, default))
    }


def _unknown_option(name: str, known: Sequence[str]) -> str:
    home = next((option.sections[0] for option in options.OPTIONS if name in (option.name, *option.aliases)), None)
    if home is None:
        return f"unknown option{_meant(name, known)}"
    if home == options.COMMAND_LINE:
        return "cannot be set in a file; give it on the command line"
    if home == options.SCHEDULE:
        return "is for schedules only; move it into a [schedule: NAME table: TABLE] section"
    where = "a [table:], [gsi:] or [default_options]" if home == options.TABLE else f"the [{home}]"
    return f"does not belong here; move it into {where} section"


def _meant(name: str, known: Sequence[str]) -> str:
    """What was perhaps meant by an unknown option. With dashes, it may belong elsewhere, or never have been read."""
    dashed = name.replace("_", "-")
    if dashed in options.NEVER_READ:
        return f"; write {options.NEVER_READ[dashed]} instead"
    return did_you_mean(name, known if dashed not in _OPTIONS else [dashed])


def unknown_flag(flag: str) -> str:
    """The problem with an unknown flag, and the flag that was perhaps meant."""
    flags = [option.flag for option in options.OPTIONS if option.flag]
    name = flag.removeprefix("--")
    if any(option.name == name for option in options.OPTIONS if not option.flag):
        return f"{flag}: not a flag, but an option of the file; write {name}: VALUE there"
    # A flag may be shortened, and a shortened flag may be mistyped.
    shortened = {known[: len(flag)]: f"; did you mean {known}?" for known in reversed(flags)}
    close = get_close_matches(flag.lower(), shortened, n=1, cutoff=0.7)
    meant = did_you_mean(flag, flags) or "".join(shortened[match] for match in close)
    return f"{flag}: unknown flag{meant or '; --help lists them'}"


@dataclass(frozen=True)
class _Section:
    """One section of the file, or the flags: where it is, and what it sets itself."""

    path: str = ""  # "" for the flags
    header: str = ""
    line: int = 0
    after: str = ""  # the text after the header's closing bracket
    values: Values = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # the lines where the values begin

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"{self.path}:{self.line}: [{self.header}]"

    def at(self, *names: str) -> str:
        """How messages name its options, of which it sets at least one; with the line of the last one."""
        if not self.path:
            return " and ".join(str(_FLAGS[name]) for name in names)
        line = max(self.lines[name] for name in names if name in self.lines)
        return f"{self.path}:{line}: [{self.header}] {' and '.join(names)}"


_NOTHING = _Section()
_FLAGS = {option.name: option.flag for option in options.OPTIONS}
_OPTIONS = {option.name: option for option in options.OPTIONS}
_BY_KEY = {option.key: option for option in options.OPTIONS}

# The options of each kind of section, by all their names.
_KNOWN = {
    section: {name: option for option in options.of_section(section) for name in (option.name, *option.aliases)}
    for section in (options.GLOBAL, options.LOGGING, options.TABLE, options.SCHEDULE)
}
_KNOWN[_DEFAULT] = {
    name: option for kind, known in _KNOWN.items() if kind != options.SCHEDULE for name, option in known.items()
}
_KNOWN[options.SCHEDULE] |= _KNOWN[options.TABLE]


def _known(header: str) -> Mapping[str, Option] | None:
    """The options of a section; None if there is no such section."""
    if header == _DEFAULT or header in _PLAIN_SECTIONS:
        return _KNOWN[_PLAIN_SECTIONS.get(header, _DEFAULT)]
    if _SCHEDULE.match(header):
        return _KNOWN[options.SCHEDULE]
    return _KNOWN[options.TABLE] if _EXPRESSION.match(header) else None


def _unclosed(section: _Section) -> str:
    """A hint for a header that cannot be used: its last bracket may belong to the expression."""
    after = section.after.strip()
    return "; does the header lack its closing ]?" if after and after[0] not in "#;" else ""


class _Loader:
    """One reading of flags and file; `problems` and `warnings` fill on the way."""

    def __init__(self, problems: Sequence[str], ask_boto: AskBoto, now: datetime | None = None) -> None:
        self.problems = list(problems)
        self._now = now or datetime.now(timezone.utc)
        self._ask_boto = ask_boto
        self.warnings: list[str] = []
        self.path = ""
        self.digest: str | None = None
        self._homes: dict[tuple[str | None, str], _Section] = {}  # by the table of an index, and the expression
        self._scheduled: dict[tuple[str | None, str], dict[str, _Section]] = {}  # their schedules, by name

    def load(self, flags: Mapping[str, str | bool]) -> Configuration:
        command = self.command(flags)
        flags = self._set(flags)
        given = _Section(values=self._flag_values(flags))
        sections = self._sections(command["config"])
        inherited, shared, general, logging = (
            sections.pop(name, _NOTHING) for name in (_DEFAULT, _DEFAULT_OPTIONS, "global", "logging")
        )
        config: dict[str, Any] = {
            "global": _merge(options.GLOBAL, [given, general, inherited]),
            "logging": _merge(options.LOGGING, [given, logging, inherited]),
        }
        self._find_region(config["global"], [given, general, inherited])
        self._check_credentials([given, general, inherited])
        self._check_files(command, config, [given, general, inherited])
        tables = self._tables(sections, [inherited, shared], config["global"])
        self._schedules(sections, tables, [inherited, shared], config["global"])
        config["tables"] = self._flag_table(command["table_name"], given, config["global"]) or tables
        if not config["tables"] and not self.problems:
            self.problems.append(
                f"{self.path}: there is no [table: NAME] section, so there is nothing to scale"
                if self.path
                else "nothing to scale: give --table-name NAME, or --config FILE with a [table: NAME] section"
            )
        if not self.problems:
            self.warnings += doubts.of_process(command, config)
        return Configuration(command, config, self.in_order(self.warnings), self.digest)

    def in_order(self, found: Sequence[str]) -> tuple[str, ...]:
        """What was found, without repetitions: of the flags and the whole file first, then by line."""
        numbered = re.compile(rf"{re.escape(self.path)}:(\d+): ")
        return _lines(sorted(found, key=lambda text: int(place[1]) if (place := numbered.match(text)) else 0))

    # Flags

    def command(self, flags: Mapping[str, str | bool]) -> dict[str, Any]:
        values = self._convert_flags(flags, options.of_section(options.COMMAND_LINE))
        return _merge(options.COMMAND_LINE, [_Section(values=values)])

    def _set(self, flags: Mapping[str, str | bool]) -> dict[str, str | bool]:
        """The flags without those whose text means not set."""
        reasons = {name: not_set(_OPTIONS[name], text) for name, text in flags.items() if isinstance(text, str)}
        self.warnings += [f"{_FLAGS[name]}: {reason}" for name, reason in reasons.items() if reason]
        return {name: value for name, value in flags.items() if not reasons.get(name)}

    def _flag_values(self, flags: Mapping[str, str | bool]) -> Values:
        known = [option for option in options.OPTIONS if options.COMMAND_LINE not in option.sections]
        if "aws-secret-access-key-id" in flags:
            self.warnings.append(
                "--aws-secret-access-key: others can see the secret in the process list; "
                "put it into the [global] section of a file, or use a profile"
            )
        if "table-name" not in flags:
            self.problems += [
                f"{option.flag}: needs --table-name; configure the tables of a file in the file"
                for option in known
                if option.name in flags and options.TABLE in option.sections
            ]
        return self._convert_flags(flags, known)

    def _convert_flags(self, flags: Mapping[str, str | bool], known: Sequence[Option]) -> Values:
        given = [(option, flags[option.name]) for option in known if option.name in flags]
        return {
            option.name: value if isinstance(value, bool) else self._convert(option, value, str(option.flag))
            for option, value in given
        }

    def _flag_table(self, regex: str | None, given: _Section, general: Mapping[str, Any]) -> dict[str, Any]:
        if regex is None:
            return {}
        table = _merge(options.TABLE, [given], general)
        self._cross_check(table, [given])
        return {regex: {**table, "gsis": {}, "schedules": {}}}

    # File

    def _sections(self, path: str | None) -> dict[str, _Section]:
        if path is None:
            return {}
        self.path = path
        sections: dict[str, _Section] = {}
        read = inifile.read(path)
        self.problems += read.problems
        self.digest = read.digest
        for one in read.sections:
            known = _known(one.header)
            section = _Section(path, one.header, one.line, one.after or "")
            if known is None:
                if one.after is not None:  # if it is None, the section is a problem already
                    self.problems.append(f"{section.where}: unknown section{_did_you_mean_section(one.header)}")
                continue
            self._read_values(section, one.settings, known)
            first = sections.setdefault(one.header, section)
            if first is not section:
                self.problems.append(f"{section.where}: appears twice in this file, first on line {first.line}")
        self._check_readers(path, sections)
        return sections

    def _check_readers(self, path: str, sections: Mapping[str, _Section]) -> None:
        secrets = (
            section.at(name)
            for section in sections.values()
            for name, value in section.values.items()
            if value is not None and secret_in(_OPTIONS[name], value)
        )
        mode, secret = inifile.exposed(path), next(secrets, None)
        if secret and mode is not None:
            self.warnings.append(f"{secret}: holds a secret that others can read (mode {mode:04o}); chmod 600 {path}")

    def _read_values(self, into: _Section, settings: Sequence[inifile.Setting], known: Mapping[str, Option]) -> None:
        first: dict[str, inifile.Setting] = {}  # by the option's own name
        for setting in settings:
            option = known.get(setting.name)
            own = option.name if option else setting.name
            where = f"{into.path}:{setting.line}: [{into.header}] {inifile.shown(setting.name)}"
            earlier = first.setdefault(own, setting)
            if earlier is not setting:
                spelled = "" if earlier.name == setting.name else f" as {earlier.name}"
                self.problems.append(f"{where}: is set twice in this section, first on line {earlier.line}{spelled}")
            if option is None:
                self._refuse(setting.name, known, where)
                into.lines.setdefault(own, setting.line)
            elif reason := not_set(option, setting.text):
                self.warnings.append(f"{where}: {reason}")
            else:
                if setting.name in option.aliases:
                    self.warnings.append(f"{where}: is used, although the original ignored this spelling")
                value = self._convert(option, setting.text, where, in_file=True)
                into.values.setdefault(own, value)
                into.lines.setdefault(own, setting.line)

    def _refuse(self, name: str, known: Iterable[str], where: str) -> None:
        if name in options.NEVER_READ:
            self.warnings.append(
                f"{where}: no release has ever read this option, and it has no effect; "
                f"write {options.NEVER_READ[name]} instead"
            )
        else:
            self.problems.append(f"{where}: {_unknown_option(name, tuple(known))}")

    def _tables(
        self, sections: Mapping[str, _Section], below: Sequence[_Section], general: Mapping[str, Any]
    ) -> dict[str, Any]:
        tables: dict[str, Any] = {}
        for kind in (options.TABLE, options.GSI):  # a gsi section may precede that of its table
            for header, section in sections.items():
                word, expression = header.split(":", 1)
                if word.strip() != kind:
                    continue
                layers = [section, *below]
                values = {**_merge(kind, layers, general), "schedules": {}}
                self._cross_check(values, layers)
                if kind == options.TABLE:
                    self._add(tables, expression.strip(), {**values, "gsis": {}}, section)
                else:
                    self._add_gsi(tables, expression.strip(), values, section)
        return tables

    def _add_gsi(self, tables: dict[str, Any], expression: str, values: dict[str, Any], section: _Section) -> None:
        splits = _splits(expression)
        if not splits:
            self.problems.append(f"{section.where}: names no table; write [gsi: INDEX table: NAME]{_unclosed(section)}")
            return
        index, table = next((split for split in splits if split[1] in tables), splits[0])
        if table not in tables:
            self._miss(section, "", table, tables)
        self._add(tables[table]["gsis"] if table in tables else {}, index, values, section, table)

    def _add(
        self, into: dict[str, Any], regex: str, values: dict[str, Any], section: _Section, table: str | None = None
    ) -> None:
        if not regex:
            self.problems.append(f"{section.where}: has no name; write a regular expression after the colon")
            return
        if table is None and (index := _INDEX_AFTER_TABLE.fullmatch(regex)):
            self.problems.append(
                f"{section.where}: cannot match anything; for an index, write [gsi: {index[2]} table: {index[1]}]"
            )
        try:
            check_regex(regex)
        except ValueError as error:
            self.problems.append(f"{section.where}: {error}{_unclosed(section)}")
        first = self._homes.setdefault((table, regex), section)
        if first is not section:  # "[table: x]" and "[table:x]"
            self.problems.append(f"{section.where}: appears twice in this file, first on line {first.line}")
        into[regex] = values

    def _miss(self, section: _Section, begun: str, name: str, there_are: Iterable[str], end: str = "") -> None:
        known = list(there_are) if len(self.problems) < _FEW else []
        form = f"[{begun or 'table: '}{{}}{end}]"
        self.problems.append(
            f"{section.where}: there is no section {form.replace('{}', name)}{did_you_mean(name, known, form)} "
            "(the name must be repeated exactly)"
        )

    # Schedules

    def _schedules(
        self,
        sections: Mapping[str, _Section],
        tables: Mapping[str, Any],
        below: Sequence[_Section],
        general: Mapping[str, Any],
    ) -> None:
        for header, section in sections.items():
            if _SCHEDULE.match(header):
                self._add_schedule(header.split(":", 1)[1].strip(), section, tables)
        for (table, expression), own in self._scheduled.items():
            values = tables[expression] if table is None else tables[table]["gsis"][expression]
            layers = [self._homes[table, expression], *below]
            values["unresolved"] = schedules.unresolved([layer.values for layer in layers], values)
            for name, section in own.items():
                given = {_OPTIONS[option].key: value for option, value in section.values.items()}
                values["schedules"][name] = {"when": None, "time_zone": "UTC", **given}
            self._check_schedules(list(own.values()), layers, general)

    def _add_schedule(self, words: str, section: _Section, tables: Mapping[str, Any]) -> None:
        self._check_own(section)
        name, rest = [*words.split(maxsplit=1), "", ""][:2]
        of_table, of_index = _OF_TABLE.match(rest), _OF_INDEX.match(rest)
        splits = _splits(of_index[1]) if of_index else []
        if not _SCHEDULE_NAME.fullmatch(name) or not (of_table or splits):
            self.problems.append(
                f"{section.where}: is not a valid header; write [schedule: NAME table: TABLE] or "
                "[schedule: NAME gsi: INDEX table: TABLE]; "
                f"a NAME has letters, digits, dots, dashes and underscores{_unclosed(section)}"
            )
        elif home := self._home(of_table[1] if of_table else None, splits, section, tables):
            first = self._scheduled.setdefault(home, {}).setdefault(name, section)
            if first is not section:
                self.problems.append(
                    f"{section.where}: there are two schedules {name} of this section, the first on line {first.line}"
                )

    def _home(
        self, table: str | None, splits: Sequence[tuple[str, str]], section: _Section, tables: Mapping[str, Any]
    ) -> tuple[str | None, str] | None:
        """The section that a schedule names; None if there is no such section, which is a problem."""
        if table is not None:
            if table in tables:
                return None, table
            self._miss(section, "", table, tables)
            return None
        index, of_table = next((split for split in splits if split[1] in tables), splits[0])
        index, of_table = next(
            (split for split in splits if split[0] in tables.get(split[1], _NO_TABLE)["gsis"]), (index, of_table)
        )
        if of_table not in tables:
            self._miss(section, "", of_table, tables)
        elif index not in tables[of_table]["gsis"]:
            self._miss(section, "gsi: ", index, tables[of_table]["gsis"], f" table: {of_table}")
        else:
            return of_table, index
        return None

    def _check_own(self, section: _Section) -> None:
        """Reports what a schedule lacks."""
        if "when" not in section.values:
            self.problems.append(f"{section.where}: has no when; write when: Mon-Fri 15:45-22:00, or dates")
        if not section.lines.keys() - set(schedules.OWN):
            self.problems.append(f"{section.where}: sets no option; add those that it changes")

    def _check_schedules(self, own: Sequence[_Section], layers: Sequence[_Section], general: Mapping[str, Any]) -> None:
        """Checks the options of a section while its schedules hold, for all combinations of schedules."""
        written = list(self._written(own))
        windows = any("maintenance-windows" in layer.values for layer in (*own, *layers))
        course = schedules.turns(written, self._now, alone=not windows)
        merged: dict[tuple[int, ...], dict[str, Any]] = {}
        told: dict[schedules.Finding, str] = {}  # the text has the first time at which it applies
        for at, holding in course:
            if holding in merged:
                continue
            held = [written[place] for place in holding]
            merged[holding] = self._check_turn(held, layers, general, at, told)
        self.warnings += told.values()
        if windows:
            self.warnings += schedules.unheard(written, course, merged)

    def _check_turn(
        self,
        held: Sequence[schedules.Written],
        layers: Sequence[_Section],
        general: Mapping[str, Any],
        at: datetime,
        told: dict[schedules.Finding, str],
    ) -> dict[str, Any]:
        """The checked options while these schedules hold."""
        layers = [*(one.source for one in held if isinstance(one.source, _Section)), *layers]
        values = _merge(options.TABLE, layers, general)
        found = dict(schedules.clashes(values, held, at))
        for finding, text in (*schedules.lower_minimums(held, at), *found.items()):
            told.setdefault(finding, text)
        self._cross_check(values, layers, told=[name for name, *_ in found])
        return values

    def _written(self, own: Sequence[_Section]) -> Iterator[schedules.Written]:
        """The schedules with times that can be read."""
        for section in own:
            zone = section.values.get("time-zone", "UTC")
            if section.values.get("when") is None or zone is None:  # a problem already
                continue
            try:
                one = schedules.Written(section, schedules.read(section.values["when"], zone))
            except ValueError as error:
                self.problems.append(f"{section.at('when')}: {error}")
                continue
            if ended := one.when.ended(self._now):
                self.warnings.append(
                    f"{section.at('when')}: is in the past: it ended at {one.moment(ended)}; "
                    "remove the schedule, or change its dates"
                )
            yield one

    # Values

    def _convert(self, option: Option, text: str, where: str, *, in_file: bool = False) -> Any:
        """The checked value; None if it is invalid."""
        try:
            value = convert(option, text)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None
        if secret := secret_in(option, value):
            hide(where, secret)
        self.warnings += [f"{where}: {doubt}" for doubt in doubts.of_text(option, text, in_file=in_file)]
        return value

    def _find_region(self, general: dict[str, Any], layers: Sequence[_Section]) -> None:
        home = next((layer for layer in layers if "region" in layer.values), None)
        if home is not None:
            self._check_region(general, home.at("region"), "the file" if home.path else "--region")
        elif found := regions.in_environment():
            region, name = found
            general["region"] = self._convert(_OPTIONS["region"], region, name)
            if region != region.strip():  # most likely a line break, which makes boto3 fail
                self.problems.append(f"{name}: {quote(region)} starts or ends with a space or a line break")
            self._check_region(general, name, name)
        else:
            general |= {"region": None, "region_from": None}

    def _check_region(self, general: dict[str, Any], where: str, source: str) -> None:
        general["region_from"] = source
        doubt = None if general["region"] is None else regions.doubt(general, self._ask_boto)
        if doubt is not None:
            (self.problems if doubt.wrong else self.warnings).append(f"{where}: {doubt.text}")

    def _check_credentials(self, layers: Sequence[_Section]) -> None:
        halves = ("aws-access-key-id", "aws-secret-access-key-id")
        homes = [next((layer for layer in layers if name in layer.values), None) for name in halves]
        for name, home, other, missing in zip(halves, homes, reversed(halves), reversed(homes), strict=True):
            if home is not None and missing is None:
                other_name = other if home.path else _FLAGS[other]
                self.problems.append(f"{home.at(name)}: is half of a key pair; set {other_name} too, or neither")
        profile = next((layer for layer in layers if "profile" in layer.values), None)
        if all(homes) and profile:
            self.warnings.append(f"{profile.at('profile')}: the static key pair is used, not the profile")

    def _check_files(self, command: Mapping[str, Any], config: Mapping[str, Any], layers: Sequence[_Section]) -> None:
        """The files that each check replaces as a whole must be files, and not used for anything else."""
        general, logging = config["global"], config["logging"]
        others = {
            "--config": command["config"],
            "log-file": logging["log_file"],
            "log-config-file": logging["log_config_file"],
            "metrics-prices": general["metrics_prices"],
        }
        users = {os.path.realpath(path): name for name, path in others.items() if path}
        for name in ("state-file", "metrics-file"):
            path = general[_OPTIONS[name].key]
            if not path:
                continue
            home = next(layer for layer in layers if name in layer.values)
            if (user := users.setdefault(os.path.realpath(path), name)) != name:
                self.problems.append(f"{home.at(name)}: names the same file as {user}; name another one")
            elif os.path.isdir(path):  # noqa: PTH112 - False for any name that cannot be one
                self.problems.append(f"{home.at(name)}: {safe(path)} is a folder; name a file")

    def _cross_check(self, values: dict[str, Any], layers: Sequence[_Section], told: Collection[str] = ()) -> None:
        """Checks options against each other. Each finding names the strongest layer that sets one of its options.

        `told`: minimums above a maximum that have been reported already.
        """
        given = {name for layer in layers for name in layer.values}
        values["never"] = tuple(key for key, _names, _message in doubts.never(values, given))
        for found, into in (
            (_contradictions(values), self.problems),
            (doubts.of_section(values, given, own=layers[0].values), self.warnings),
        ):
            for names, message in found:
                if names[0] in told:
                    continue
                home = next(layer for layer in layers if any(name in layer.values for name in names))
                into.append(f"{home.at(*names)}: {message}")


_NO_TABLE: Mapping[str, Any] = {"gsis": {}}


def _splits(expression: str) -> list[tuple[str, str]]:
    """The expressions of an index and of its table.

    Either may contain " table: ", so each occurrence is a possible end of the first.
    """
    return [
        (expression[: match.start()].strip(), expression[match.end() :].strip())
        for match in islice(_TABLE_AFTER_INDEX.finditer(expression), _MOST_SPLITS)
    ]


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for axis in AXES:
        least, most = values[f"min_provisioned_{axis}"], values[f"max_provisioned_{axis}"]
        if least is not None and most is not None and least > most:
            yield (
                (f"min-provisioned-{axis}", f"max-provisioned-{axis}"),
                f"the minimum {least} is above the maximum {most}",
            )
    start, period = values["lookback_window_start"], values["lookback_period"]
    if start is not None and period is not None and period > start:
        names = ("lookback-period", "lookback-window-start")
        yield names, f"a window of {period} minutes that begins {start} minutes ago extends past now"


def _merge(kind: str, layers: Sequence[_Section], above: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return merge(kind, [layer.values for layer in layers], above)


def _lines(found: Sequence[str]) -> tuple[str, ...]:
    """Without repetitions (a problem in [default_options] is found for each table), each on one line."""
    return tuple(dict.fromkeys(safe(line) for line in found))


def _did_you_mean_section(name: str) -> str:
    return _closest_section(name.split(":", 1)[0].strip().lower())


@functools.lru_cache  # a file may have the same mistake many times
def _closest_section(word: str) -> str:
    sections = (*_PLAIN_SECTIONS, "table: NAME", "gsi: INDEX table: NAME", "schedule: NAME table: TABLE")
    words = {section.split(":", 1)[0]: section for section in sections}
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    return (
        f"; did you mean [{words[close[0]]}]?" if close else f"; there are {', '.join(f'[{one}]' for one in sections)}"
    )
