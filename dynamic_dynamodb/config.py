"""Flags + INI file + defaults -> the config dict, with every problem collected.

Nothing here stops at the first mistake: a person who mends a file wants to
see all of them. Values are exact: numbers with a point are Fractions.
"""

from __future__ import annotations

import ast
import configparser
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from dynamic_dynamodb import options, windows
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.masking import mask_url
from dynamic_dynamodb.model import AXES, Axis, Policy, Scale
from dynamic_dynamodb.options import Option

Values: TypeAlias = dict[str, Any]  # option name -> checked value; None where the value given was bad

MASK = "********"
TABLE_QUOTA = 40_000  # capacity units a table by default (AWS service quotas); more needs AWS's consent

_DEFAULT = "DEFAULT"
_DEFAULT_OPTIONS = "default_options"
_PLAIN_SECTIONS = {"global": options.GLOBAL, "logging": options.LOGGING, _DEFAULT_OPTIONS: options.TABLE}
# [default_options] serves indexes too, but whatever a table may hold an index may hold.

_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_INSTANCE = re.compile(r"[A-Za-z0-9._-]+")
_TOPIC = re.compile(r"arn:[a-z0-9-]+:sns:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_.-]+")
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_LONGEST_SCALE = 10_000  # characters; the parser's memory is not for a file to exhaust


@dataclass(frozen=True)
class Configuration:
    """What flags and file say, merged and checked.

    `command` holds the options of the command line alone by key; `config` is
    the config dict: `{"global", "logging", "tables": {regex: {..., "gsis": {regex: {...}}}}}`.
    Its region is None where neither flag nor file sets one.
    """

    command: dict[str, Any]
    config: dict[str, Any]
    warnings: tuple[str, ...]


def load(flags: Mapping[str, str | bool], problems: Sequence[str] = ()) -> Configuration:
    """Merge the flags that were given (option name -> text) with the file that they name.

    `problems` are those the caller found already. Raises ConfigError with
    every problem of flags and file together.
    """
    loader = _Loader(problems)
    configuration = loader.load(flags)
    if loader.problems:
        raise ConfigError(list(dict.fromkeys(loader.problems)))
    return configuration


def check_flags(flags: Mapping[str, str | bool]) -> dict[str, Any]:
    """The options of the command line alone, by key, for commands that read no configuration.

    Raises ConfigError.
    """
    loader = _Loader(())
    command = loader.command(flags)
    if loader.problems:
        raise ConfigError(loader.problems)
    return command


def policy(section: Mapping[str, Any], axis: Axis) -> Policy:
    """What a table or gsi section of the config dict says about one axis."""
    return Policy(axis=axis, **{field: section[key] for field, key in _POLICY_KEYS[axis]})


_POLICY_KEYS = {
    axis: tuple((option.field, option.key) for option in options.OPTIONS if option.field and option.axis == axis)
    for axis in AXES
}


def show(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config dict as `--show-config` prints it: JSON types, secrets masked."""
    return {
        "global": _show_section(config["global"], options.GLOBAL),
        "logging": _show_section(config["logging"], options.LOGGING),
        "tables": {
            regex: {
                **_show_section(table, options.TABLE),
                "gsis": {index: _show_section(gsi, options.GSI) for index, gsi in table["gsis"].items()},
            }
            for regex, table in config["tables"].items()
        },
    }


def _show_section(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    return {option.key: show_value(option, values[option.key]) for option in options.of_section(section)}


def show_value(option: Option, value: Any) -> Any:
    """One checked value as JSON shows it; secrets masked."""
    if value is None:
        return None
    if option.kind == "secret":
        return MASK
    if option.kind == "url":
        return mask_url(value)
    if option.kind == "scale":
        return {str(_plain(threshold)): _plain(amount) for threshold, amount in value}
    if option.kind == "list":
        return list(value)
    return _plain(value) if isinstance(value, Fraction) else value


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


# One converter a kind. Each takes the option and the text, never empty, and
# returns the value or raises ValueError with the rest of a sentence.


def _to_whole(option: Option, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{_quote(text)} is not a whole number")
    number = int(text)
    _check_range(option, Fraction(number), text)
    return number


def _to_number(option: Option, text: str) -> Fraction:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{_quote(text)} is not a number")
    number = Fraction(Decimal(text))
    _check_range(option, number, text)
    return number


def _check_range(option: Option, number: Fraction, text: str) -> None:
    if option.minimum is not None and number < option.minimum:
        unset = "; leave it out for no limit" if option.name.startswith("max-") else ""
        raise ValueError(f"{text} is below the least value, {option.minimum}{unset}")
    if option.maximum is not None and number > option.maximum:
        raise ValueError(f"{text} is above the greatest value, {option.maximum}")


def _to_choice(option: Option, text: str) -> str:
    value = text.lower() if option.name == "log-level" else text
    if value not in option.choices:
        raise ValueError(f"{_quote(text)} is none of {', '.join(option.choices)}{_did_you_mean(text, option.choices)}")
    return value


def _to_bool(_option: Option, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"{_quote(text)} is neither true (yes, on, 1) nor false (no, off, 0)")
    return _BOOLEANS[text.lower()]


def _to_text(option: Option, text: str) -> str:
    if option.name == "instance" and not _INSTANCE.fullmatch(text):
        raise ValueError(f"{_quote(text)} is not a name of letters, digits, '.', '_' and '-'")
    return text


def _to_path(_option: Option, text: str) -> str:
    return str(Path(os.path.expandvars(text)).expanduser())


def _to_regex(_option: Option, text: str) -> str:
    check_regex(text)
    return text


def check_regex(text: str) -> None:
    """Raises ValueError, with the rest of a sentence, where `text` is no regular expression."""
    try:
        with warnings.catch_warnings():
            # Python 3.10 only deprecates what 3.11 refuses ("(?i)" in the
            # middle); the same file shall mean the same on both.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DeprecationWarning)
            re.compile(text)
    except (re.error, OverflowError, RecursionError, DeprecationWarning) as error:
        hint = ""
        if "global flags" in str(error) or "Flags not at the start" in str(error):
            hint = "; Python 3.11 and later want (?i) and the like at the start of the expression"
        raise ValueError(f"the regular expression {_quote(text)} does not compile: {error}{hint}") from error


def _to_url(_option: Option, text: str) -> str:
    shown = _quote(mask_url(text))
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a bad port, brackets that do not close
        valid = False
    if not valid or not text.isprintable() or " " in text:
        raise ValueError(f"{shown} is not an http:// or https:// URL")
    return text


def _to_scale(_option: Option, text: str) -> Scale:
    """A literal dict, threshold -> amount. Never evaluated: its syntax tree is read, and may hold numbers alone."""
    if len(text) > _LONGEST_SCALE:
        raise ValueError(f"the scale is longer than {_LONGEST_SCALE} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "5in": a SyntaxWarning on the way to our own error
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(_not_a_scale(text)) from error
    if not isinstance(tree, ast.Dict) or not tree.keys:
        raise ValueError(_not_a_scale(text))
    steps: dict[Fraction, Fraction] = {}
    for key, value in zip(tree.keys, tree.values, strict=True):
        threshold, amount = _literal_number(key), _literal_number(value)
        if threshold is None or amount is None:
            raise ValueError(_not_a_scale(text))
        if amount < 0:
            raise ValueError(f"the scale has a negative amount, {_plain(amount)}")
        if threshold in steps:
            raise ValueError(f"the scale has the threshold {_plain(threshold)} twice")
        steps[threshold] = amount
    return tuple(sorted(steps.items()))


def _literal_number(node: ast.expr | None) -> Fraction | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _literal_number(node.operand)
        return number if number is None or isinstance(node.op, ast.UAdd) else -number
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    text = repr(node.value)  # the shortest decimal that reads back as this float: what was written
    number = Fraction(Decimal(text)) if _NUMBER.fullmatch(text) else None
    return number if number is not None and abs(number) <= options.LARGEST else None


def _not_a_scale(text: str) -> str:
    return f"{_quote(text)} is not a scale; write threshold: amount pairs of numbers, like {{0: 0, 70: 30, 90: 50}}"


def _to_windows(_option: Option, text: str) -> str:
    windows.parse(text)
    return text


def _to_arn(_option: Option, text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise ValueError(f"{_quote(text)} is not the ARN of a topic, like arn:aws:sns:REGION:ACCOUNT:NAME")
    return text


_CONVERTERS: dict[str, Callable[[Option, str], Any]] = {
    "arn": _to_arn,
    "bool": _to_bool,
    "choice": _to_choice,
    "float": _to_number,
    "int": _to_whole,
    "path": _to_path,
    "regex": _to_regex,
    "scale": _to_scale,
    "secret": _to_text,
    "str": _to_text,
    "url": _to_url,
    "windows": _to_windows,
}


def _quote(text: str, longest: int = 60) -> str:
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _unknown_option(name: str, section: str) -> str:
    homes = [option.sections for option in options.OPTIONS if name in (option.name, *option.aliases)]
    if homes:
        home = "the command line" if homes[0][0] == options.COMMAND_LINE else f"[{homes[0][0]}]"
        home = "a [table:], [gsi:] or [default_options] section" if homes[0][0] == options.TABLE else home
        return f"does not belong here but in {home}"
    known = [name for option in options.of_section(section) for name in (option.name, *option.aliases)]
    return f"unknown option{_did_you_mean(name, known)}"


def unknown_flag(flag: str) -> str:
    """The problem with a flag that there is not, and the flag that was perhaps meant."""
    return f"{flag}: unknown flag{_did_you_mean(flag, [option.flag for option in options.OPTIONS if option.flag])}"


@dataclass(frozen=True)
class _Section:
    """One section of the file, or the table flags: where it stands, what it sets itself."""

    where: str
    values: Values

    def at(self, *names: str) -> str:
        """How messages name an option of it."""
        if not self.where:
            return " and ".join(f"--{name}" for name in names)
        return f"{self.where} {' and '.join(names)}"


class _Loader:
    """One reading of flags and file; `problems` and `warnings` fill on the way."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        self.warnings: list[str] = []
        self.path = ""

    def load(self, flags: Mapping[str, str | bool]) -> Configuration:
        command = self.command(flags)
        flag_values = self._flag_values(flags)
        sections = self._sections(command["config"])
        inherited = sections.pop(_DEFAULT, _Section("", {})).values
        config: dict[str, Any] = {}
        general = sections.pop("global", _Section("", {})).values
        logging = sections.pop("logging", _Section("", {})).values
        config["global"] = _merge(options.of_section(options.GLOBAL), [flag_values, general, inherited], {})
        config["logging"] = _merge(options.of_section(options.LOGGING), [flag_values, logging, inherited], {})
        if not any("region" in layer for layer in (flag_values, inherited, general)):
            config["global"]["region"] = None  # boto3's own, which only boto3 can tell, or else the default
        self._check_credentials(config["global"])
        shared = sections.pop(_DEFAULT_OPTIONS, _Section("", {}))
        tables = self._tables(sections, shared, inherited, config["global"])
        config["tables"] = self._flag_table(command["table_name"], flag_values, config["global"]) or tables
        if not config["tables"] and not self.problems:
            self.problems.append(
                f"{self.path}: there is no [table: NAME] section, so there is nothing to scale"
                if self.path
                else "nothing to scale: give --table-name NAME, or --config FILE with a [table: NAME] section"
            )
        return Configuration(command, config, tuple(dict.fromkeys(self.warnings)))

    # Flags

    def command(self, flags: Mapping[str, str | bool]) -> dict[str, Any]:
        values = self._convert_flags(flags, options.of_section(options.COMMAND_LINE))
        return _merge(options.of_section(options.COMMAND_LINE), [values], {})

    def _flag_values(self, flags: Mapping[str, str | bool]) -> Values:
        known = [option for option in options.OPTIONS if options.COMMAND_LINE not in option.sections]
        if "aws-secret-access-key-id" in flags:
            self.warnings.append(
                "--aws-secret-access-key: others can see the secret in the process list; "
                "put it into the [global] section of a file, or use a profile"
            )
        if "table-name" not in flags:
            self.problems += [
                f"{option.flag}: needs --table-name; a file's tables are configured in the file alone"
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

    def _flag_table(self, regex: str | None, flags: Values, general: Mapping[str, Any]) -> dict[str, Any]:
        if regex is None:
            return {}
        table = _merge(options.of_section(options.TABLE), [flags], _general(general))
        self._cross_check(table, _Section("", flags), _Section("", {}))
        return {regex: {**table, "gsis": {}}}

    # File

    def _sections(self, path: str | None) -> dict[str, _Section]:
        if path is None:
            return {}
        self.path = path
        sections: dict[str, _Section] = {}
        for header, items in self._read(path):
            name = header.strip()
            if name in sections:  # "[global]" and "[ global ]"
                self.problems.append(f"{path}: [{name}]: stands twice in this file")
            elif name == _DEFAULT:
                sections[name] = self._inherited(items)
            elif name in _PLAIN_SECTIONS or re.match(r"(table|gsi)\s*:", name):
                where = f"{path}: [{name}]"
                values = self._section_values(items, _PLAIN_SECTIONS.get(name, options.TABLE), where)
                sections[name] = _Section(where, values)
            else:
                known = (*_PLAIN_SECTIONS, "table: NAME", "gsi: INDEX table: NAME")
                self.problems.append(f"{path}: [{name}]: unknown section{_did_you_mean_section(name, known)}")
        return sections

    def _read(self, path: str) -> Iterator[tuple[str, dict[str, str]]]:
        """The sections of an INI file in their order, duplicates reported and left out."""
        try:
            lines = io.StringIO(_decode(Path(path).read_bytes()), newline=None).readlines()
        except (OSError, ValueError) as error:
            self.problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
            return
        parser = self._parse(path, lines)
        if parser is None:
            return
        for header in parser.sections():
            if not header.startswith(_DUPLICATE):
                items = {name: value for name, value in parser.items(header) if not name.startswith(_DUPLICATE)}
                yield header, items

    def _parse(self, path: str, lines: list[str]) -> _Parser | None:
        # configparser can refuse a duplicate but stops there: each one is
        # noted, renamed to something that stands for nothing, and the file read again.
        while True:
            parser = _Parser()
            try:
                parser.read_file(lines, source=path)
            except configparser.DuplicateSectionError as error:
                self.problems.append(f"{path}: line {error.lineno}: [{error.section}]: stands twice in this file")
                lines[_index(error.lineno)] = f"[{_DUPLICATE}{error.lineno}]\n"
            except configparser.DuplicateOptionError as error:
                self.problems.append(
                    f"{path}: line {error.lineno}: [{error.section}] {error.option}: stands twice in this section"
                )
                lines[_index(error.lineno)] = f"{_DUPLICATE}{error.lineno}: {lines[_index(error.lineno)]}"
            except configparser.MissingSectionHeaderError as error:
                self.problems.append(f"{path}: line {error.lineno}: stands before the first [section]")
                return None
            except configparser.ParsingError as error:
                # The line itself is not quoted: it may hold a secret.
                self.problems += [
                    f"{path}: line {number}: is no section, no 'option: value' and no comment"
                    for number, _line in error.errors
                ]
                return None
            else:
                return parser

    def _section_values(self, items: Mapping[str, str], section: str, where: str) -> Values:
        known = {name: option for option in options.of_section(section) for name in (option.name, *option.aliases)}
        values: Values = {}
        for name, text in items.items():
            option = known.get(name)
            if option is None:
                self._refuse(name, section, where)
            elif option.name in values:
                self.problems.append(f"{where} {name}: stands twice in this section, as {option.name} too")
            else:
                values[option.name] = self._convert(option, text, f"{where} {name}")
        return values

    def _refuse(self, name: str, section: str, where: str) -> None:
        if name in options.NEVER_READ:
            self.warnings.append(
                f"{where} {name}: no release ever read this option; write {options.NEVER_READ[name]} instead"
            )
        else:
            self.problems.append(f"{where} {name}: {_unknown_option(name, section)}")

    def _inherited(self, items: Mapping[str, str]) -> _Section:
        """[DEFAULT]: ConfigParser's own section, inherited by all others for the options that they know."""
        where = f"{self.path}: [{_DEFAULT}]"
        values: Values = {}
        homes = {
            name: section
            for section in (options.TABLE, options.LOGGING, options.GLOBAL)
            for option in options.of_section(section)
            for name in (option.name, *option.aliases)
        }
        for name, text in items.items():
            values.update(self._section_values({name: text}, homes.get(name, options.TABLE), where))
        return _Section(where, values)

    def _tables(
        self, sections: Mapping[str, _Section], shared: _Section, inherited: Values, general: Mapping[str, Any]
    ) -> dict[str, Any]:
        tables: dict[str, Any] = {}
        for kind in ("table", "gsi"):  # a gsi section may come before its table's
            for header, section in sections.items():
                word, expression = header.split(":", 1)
                if word.strip() != kind:
                    continue
                layers = [section.values, inherited, shared.values]
                values = _merge(options.of_section(kind), layers, _general(general))
                self._cross_check(values, _Section(section.where, {**inherited, **section.values}), shared)
                if kind == "table":
                    self._add(tables, expression.strip(), {**values, "gsis": {}}, section.where)
                else:
                    self._add_gsi(tables, expression.strip(), values, section.where)
        return tables

    def _add_gsi(self, tables: dict[str, Any], expression: str, values: dict[str, Any], where: str) -> None:
        # Either expression may hold " table: ", so every place where it stands is tried.
        splits = [
            (expression[: match.start()].strip(), expression[match.end() :].strip())
            for match in re.finditer(r"(?:^|\s)\s*table\s*:", expression)
        ]
        if not splits:
            self.problems.append(f"{where}: names no table; write [gsi: INDEX table: NAME]")
            return
        index, table = next((split for split in splits if split[1] in tables), splits[0])
        if table not in tables:
            self.problems.append(
                f"{where}: there is no section [table: {table}]{_did_you_mean(table, list(tables))} "
                "(it must be named letter for letter)"
            )
        self._add(tables[table]["gsis"] if table in tables else {}, index, values, where)

    def _add(self, into: dict[str, Any], regex: str, values: dict[str, Any], where: str) -> None:
        if not regex:
            self.problems.append(f"{where}: names nothing; a regular expression follows the colon")
            return
        try:
            check_regex(regex)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
        if regex in into:
            self.problems.append(f"{where}: stands twice in this file")
        into[regex] = values

    # Values

    def _convert(self, option: Option, text: str, where: str) -> Any:
        text = text.strip()
        if text in ("", '""'):  # Python 2's ConfigParser read "" as empty
            self.problems.append(f"{where}: has no value; leave the option out, or give it one")
            return None
        if option.kind == "list":
            return self._to_message_types(option, text, where)
        try:
            return _CONVERTERS[option.kind](option, text)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _to_message_types(self, option: Option, text: str, where: str) -> tuple[str, ...]:
        words = [word.strip() for word in text.split(",") if word.strip()]
        self.warnings += [
            f"{where}: {_quote(word)} is no message type and is dropped{_did_you_mean(word, option.choices)}"
            for word in words
            if word not in option.choices
        ]
        return tuple(dict.fromkeys(word for word in words if word in option.choices))

    def _check_credentials(self, general: Mapping[str, Any]) -> None:
        pair = ("aws_access_key_id", "aws_secret_access_key")
        names = ("aws-access-key-id", "aws-secret-access-key")
        given = [general[key] is not None for key in pair]
        if any(given) and not all(given):
            missing = names[given.index(False)]
            self.problems.append(f"{missing}: half a key pair is given; give both halves, or neither")
        if all(given) and general["profile"] is not None:
            self.warnings.append("profile: the static key pair is used, not the profile")

    def _cross_check(self, values: Mapping[str, Any], own: _Section, shared: _Section) -> None:
        """What no option can be asked alone. Each finding is told where one of its options is set."""
        for check in (_contradictions, _doubts):
            for names, message in check(values):
                section = own if any(name in own.values for name in names) or not shared.where else shared
                line = f"{section.at(*names)}: {message}"
                into = self.problems if check is _contradictions else self.warnings
                if line not in into:
                    into.append(line)


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
        yield names, f"a window of {period} minutes that began {start} minutes ago would reach past now"


def _doubts(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for axis in AXES:
        lower, upper, most = (
            values[f"{axis}_lower_threshold"],
            values[f"{axis}_upper_threshold"],
            values[f"max_provisioned_{axis}"],
        )
        scaled = values[f"increase_consumed_{axis}_scale"] or values[f"decrease_consumed_{axis}_scale"]
        if lower is not None and upper is not None and lower >= upper and not scaled:
            names = (f"{axis}-lower-threshold", f"{axis}-upper-threshold")
            yield names, f"the lower threshold, {_plain(lower)} %, is not below the upper, {_plain(upper)} %"
        if most is not None and most > TABLE_QUOTA:
            yield (f"max-provisioned-{axis}",), f"{most} is above DynamoDB's default quota of {TABLE_QUOTA} a table"
    topic, types = values["sns_topic_arn"], values["sns_message_types"]
    if topic and not types:
        yield ("sns-topic-arn",), "without sns-message-types nothing is sent"
    if types and not topic:
        yield ("sns-message-types",), "without sns-topic-arn nothing is sent"


def _merge(known: Sequence[Option], layers: Sequence[Values], above: Mapping[str, Any]) -> dict[str, Any]:
    """Each option's effective value by key.

    That is the strongest layer's, else the option's that it falls back to, else `above`'s, else the default.
    """
    values: dict[str, Any] = {}
    by_name = {option.name: option for option in known}
    for option in known:
        layer = next((layer for layer in layers if option.name in layer), None)
        if layer is not None:
            values[option.key] = layer[option.name]
        elif option.fallback:
            values[option.key] = values[by_name[option.fallback].key]
        else:
            values[option.key] = above.get(option.key, _default(option))
    return values


def _default(option: Option) -> Any:
    return Fraction(int(option.default)) if option.kind == "float" and option.default is not None else option.default


def _general(general: Mapping[str, Any]) -> dict[str, Any]:
    """The values of [global] that a table or index takes over where it sets none."""
    keys = {option.key for option in options.of_section(options.GLOBAL) if options.TABLE in option.sections}
    return {key: general[key] for key in keys}


def _did_you_mean_section(name: str, known: Sequence[str]) -> str:
    word = name.split(":", 1)[0].strip()
    words = {section.split(":", 1)[0]: section for section in known}
    close = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f"; did you mean [{words[close[0]]}]?" if close else f"; there are {', '.join(f'[{one}]' for one in known)}"


# A name that no file can hold: configparser strips white space.
_DUPLICATE = "duplicate on line "


class _Parser(configparser.RawConfigParser):
    """Python 3's parser, with the grammar of Python 2's, which the old files were written for."""

    # The expression in a header may hold "]"; what follows the header may be a comment.
    SECTCRE = re.compile(r"\[(?P<header>.+?)\]\s*(?:[#;].*)?$")

    def __init__(self) -> None:
        super().__init__(
            comment_prefixes=("#", ";", "rem ", "REM "),
            inline_comment_prefixes=(";",),
            default_section="",  # [DEFAULT] is handled here: its options are checked once
            interpolation=None,
        )


def _index(line_number: int | None) -> int:
    return (line_number or 1) - 1


def _decode(content: bytes) -> str:
    """Text of a file in UTF-8, or else in Latin-1: Python 2 did not mind, and old comments have any encoding."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
