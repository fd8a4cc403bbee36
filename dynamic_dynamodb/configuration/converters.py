"""Converts the texts of flags and files to checked values, and checked values to JSON.

Values are exact: numbers with a point are Fractions.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import timezone, tzinfo
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.options import Option
from dynamic_dynamodb.decisions import schedules, windows
from dynamic_dynamodb.decisions.model import OFF, Scale
from dynamic_dynamodb.output.masking import mask_text, mask_url, password
from dynamic_dynamodb.output.urls import well_formed

_MASK = "********"
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_INSTANCE = re.compile(r"[A-Za-z0-9._-]+")
_REGION = re.compile(r"(?=.{1,63}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*")  # a part of host names
_TOPIC = re.compile(r"arn:[a-z0-9-]+:sns:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_.-]+")
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_LONGEST, _LONGEST_REGEX = 10_000, 100_000  # characters; a file must not exhaust memory or time
_LONGEST_NAME = 100
_NO_ZONES = ("posix", "right", "posixrules", "localtime")  # not IANA names: with leap seconds, or the machine's zone
_EMPTY = ("", '""')  # Python 2's ConfigParser read "" as empty
_SEVERAL_LINES = ("scale", "windows", "list", "when")  # kinds whose values read well over several lines


def show_value(option: Option, value: Any) -> Any:
    """One checked value as JSON shows it; secrets masked."""
    if value is None:
        return None
    if option.kind == "secret":
        return _MASK
    if option.kind == "url":
        return mask_url(value)
    if option.kind == "scale":
        return {str(plain(threshold)): plain(amount) for threshold, amount in value}
    if option.kind == "list":
        return list(value)
    return plain(value) if isinstance(value, Fraction) else value


def show_text(value: Any) -> str:
    """The result of `show_value` for a line of several options: as in a file, but a list has no commas."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{threshold}: {amount}' for threshold, amount in value.items())}}}"
    return " ".join(value) if isinstance(value, list) else str(value)


def plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def secret_in(option: Option, value: Any) -> str:
    """The secret in a checked value, or ""."""
    if option.kind == "secret":
        return str(value)
    return password(value) if option.kind == "url" else ""


def not_set(option: Option, text: str) -> str:
    """Why this text means that the option is not set, as the rest of a sentence; "" if it is a value.

    Templates write such texts if there is nothing to set. Options of the command line only are never treated this way:
    an empty --instance or --config would then mean another daemon or another file.
    """
    text = text.strip()
    if options.COMMAND_LINE in option.sections:
        return ""
    if text in _EMPTY:
        if option.name.startswith("max-"):
            return "is empty, which means not set; unless another section sets a maximum, cost has no limit"
        return "is empty, which means not set"
    nothing = (
        (option.kind == "arn" and text.lower() == "false")
        or (option.kind == "scale" and (text == "None" or "".join(text.split()) == "{}"))
        or (option.zero_unsets and _WHOLE.fullmatch(text) and int(text) == 0)
    )
    return f"{text} means not set" if nothing else ""


def convert(option: Option, text: str) -> Any:
    """The checked value of a text.

    Raises ValueError with the rest of a sentence that begins with the option.
    """
    text = text.strip()
    if text in _EMPTY:
        raise ValueError("has no value; set one, or remove the option")
    if len(text) > _LONGEST and option.kind != "regex":
        raise ValueError(f"is longer than {_LONGEST} characters")
    if "\n" in text and option.kind not in _SEVERAL_LINES:
        # Not quoted: the second line may be another option with a secret as its value.
        raise ValueError("has a value of several lines; an indented line continues the one above it")
    return _CONVERTERS[option.kind](option, text)


# One converter for each kind. It takes the option and a text that is not empty,
# and returns the value or raises ValueError with the rest of a sentence.


_TIMES = {"seconds": "seconds", "minutes": "minutes", "days": "days", "ms": "milliseconds"}


def _to_whole(option: Option, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        of = f" of {_TIMES[option.unit]}" if option.unit in _TIMES else ""
        raise ValueError(_not(text, f"a whole number{of}"))
    number = int(text)
    _check_range(option, number, text)
    return number


def _to_number(option: Option, text: str) -> Fraction:
    if not _NUMBER.fullmatch(text):
        raise ValueError(_not(text, "a number"))
    number = Fraction(Decimal(text)) if not _WHOLE.fullmatch(text) else Fraction(int(text))
    _check_range(option, number, text)
    return number


def _to_number_or_off(option: Option, text: str) -> Fraction | str:
    """A number above 0, or `off`."""
    if text.lower() == OFF:
        return OFF
    number = _to_number(option, text)
    if number <= 0:
        raise ValueError(f"{text} is not above 0; {OFF} switches it off")
    return number


def _not(text: str, what: str) -> str:
    return f"{quote(text)} is not {what}{'; leave the % out' if text.endswith('%') else ''}"


def _check_range(option: Option, number: int | Fraction, text: str) -> None:
    if option.minimum is not None and number < option.minimum:
        unset = "; leave it out for no limit" if option.name.startswith("max-") else ""
        raise ValueError(f"{text} is too small; the minimum is {option.minimum}{unset}")
    if option.maximum is not None and number > option.maximum:
        raise ValueError(f"{text} is too large; the maximum is {option.maximum}")


def _to_choice(option: Option, text: str) -> str:
    value = text.lower() if option.name == "log-level" else text
    if value not in option.choices:
        raise ValueError(f"{quote(text)} is not one of {', '.join(option.choices)}{did_you_mean(text, option.choices)}")
    return value


def _to_bool(_option: Option, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"{quote(text)} is neither true (yes, on, 1) nor false (no, off, 0)")
    return _BOOLEANS[text.lower()]


def _to_text(option: Option, text: str) -> str:
    if option.name == "instance" and not _INSTANCE.fullmatch(text):
        raise ValueError(f"{quote(text)} is not a name of letters, digits, '.', '_' and '-'")
    if option.name.startswith("aws-") and re.search(r"\s", text):  # not quoted: it may be the secret
        raise ValueError(f"contains a space, which keys do not have{_no_comment(text)}")
    if option.name == "region" and not _REGION.fullmatch(text):
        raise ValueError(f"{quote(text)} is not a region; write one like eu-west-1{_no_comment(text)}")
    if option.name == "metrics-address" and not _is_address(text):
        raise ValueError(f"{quote(text)} is not an IP address; write one like 127.0.0.1 or 0.0.0.0{_no_comment(text)}")
    return text


def _is_address(text: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - few have one

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _no_comment(text: str) -> str:
    return "; only ' ;' starts a comment after a value" if re.search(r"\s#", text) else ""


def _to_path(_option: Option, text: str) -> str:
    try:
        possible = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half a surrogate pair
        possible = False
    if not possible:
        raise ValueError(f"{quote(text)} contains a character that a path cannot contain")
    try:
        return str(Path(os.path.expandvars(text)).expanduser())
    except RuntimeError as error:  # ~somebody: there is no such user
        raise ValueError(f"{quote(text)} names a home directory that does not exist") from error


def _to_regex(_option: Option, text: str) -> str:
    check_regex(text)
    return text


def check_regex(text: str) -> None:
    """Raises ValueError, with the rest of a sentence, if `text` is not a regular expression."""
    if len(text) > _LONGEST_REGEX:
        raise ValueError(f"the regular expression is longer than {_LONGEST_REGEX} characters")
    try:
        with warnings.catch_warnings():
            # Python 3.10 only deprecates what 3.11 rejects ("(?i)" in the
            # middle); the same file has to mean the same on both.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DeprecationWarning)
            re.compile(text)
    except (re.error, OverflowError, RecursionError, DeprecationWarning) as error:
        hint = ""
        if "global flags" in str(error) or "Flags not at the start" in str(error):
            hint = "; Python 3.11 and later require flags such as (?i) at the start of the expression"
        raise ValueError(f"the regular expression {quote(text)} does not compile: {error}{hint}") from error


def _to_url(option: Option, text: str) -> str:
    shown = quote(mask_url(text))
    try:
        url = well_formed(text)
    except ValueError as error:
        raise ValueError(f"{shown}: {error}; write / as %2F, ? as %3F, # as %23 and @ as %40 in it") from error
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a bad port, brackets that do not close
        valid = False
    blank = " " in (url if option.name == "circuit-breaker-url" else text)  # its path may have some
    if not valid or blank or not url.isprintable():
        raise ValueError(f"{shown} is not an http:// or https:// URL")
    return url


def _to_scale(_option: Option, text: str) -> Scale:
    """A literal dict, threshold -> amount. It is not evaluated: only numbers are accepted in its syntax tree."""
    return tuple(sorted(dict(scale_steps(text)).items()))  # if a threshold occurs twice, the last one counts


def scale_steps(text: str) -> list[tuple[Fraction, Fraction]]:
    """The steps of a scale as they are written. Raises ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "5in" is a SyntaxWarning before it is our own error
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(_not_a_scale(text)) from error
    if not isinstance(tree, ast.Dict) or not tree.keys:
        raise ValueError(_not_a_scale(text))
    steps = []
    for key, value in zip(tree.keys, tree.values, strict=True):
        threshold, amount = _literal_number(key), _literal_number(value)
        if threshold is None or amount is None:
            raise ValueError(_not_a_scale(text))
        for what, number in (("threshold", threshold), ("amount", amount)):
            if number < 0:
                raise ValueError(f"the scale has a negative {what}, {plain(number)}")
        steps.append((threshold, amount))
    return steps


def _literal_number(node: ast.expr | None) -> Fraction | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign, node = -1 if isinstance(node.op, ast.USub) else 1, node.operand
    if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float) or isinstance(node.value, bool):
        return None
    if abs(node.value) > options.LARGEST:
        return None
    # The shortest decimal that reads back as this float is the number that was written.
    return sign * Fraction(Decimal(repr(node.value)))


def _not_a_scale(text: str) -> str:
    return f"{quote(text)} is not a scale; write threshold: amount pairs of numbers, like {{0: 0, 70: 30, 90: 50}}"


def _to_windows(_option: Option, text: str) -> str:
    windows.parse(text)
    return text


def _to_when(_option: Option, text: str) -> str:
    schedules.parse(text, timezone.utc)  # problems that depend on the time zone are found later, with the zone
    return text


def _to_zone(_option: Option, text: str) -> str:
    if time_zone(text) is None:
        raise ValueError(f"{quote(text)} is not a time zone{did_you_mean_zone(text)}")
    return text


def time_zone(name: str) -> tzinfo | None:
    """The time zone of an IANA name; None if there is no such zone."""
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few have schedules

    if name.split("/", 1)[0] in _NO_ZONES:
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: a folder, or a name that is not possible for a file
        return None


@functools.lru_cache  # a file may hold the same mistake many times
def did_you_mean_zone(text: str) -> str:
    from zoneinfo import available_timezones  # noqa: PLC0415 - it looks into each of its files

    word = text[:_LONGEST_NAME].strip().replace(" ", "_").lower()
    zones = {zone.lower(): zone for zone in sorted(available_timezones())}
    cities = {lower.rsplit("/", 1)[-1]: zone for lower, zone in zones.items() if "/" in zone}
    meant = zones.get(word) or cities.get(word)
    close = get_close_matches(word, zones, 1, 0.7) or get_close_matches(word.rsplit("/", 1)[-1], cities, 1, 0.7)
    meant = meant or (zones.get(close[0]) or cities[close[0]] if close else None)
    return f"; did you mean {meant}?" if meant else "; write an IANA name, like America/New_York"


def _to_words(option: Option, text: str) -> tuple[str, ...]:
    return tuple(word for word in words(text) if word in option.choices)


def words(text: str) -> tuple[str, ...]:
    """The words of a list, each once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _to_arn(_option: Option, text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise ValueError(f"{quote(text)} is not the ARN of a topic; write arn:aws:sns:REGION:ACCOUNT:NAME")
    return text


_CONVERTERS: dict[str, Callable[[Option, str], Any]] = {
    "arn": _to_arn,
    "bool": _to_bool,
    "choice": _to_choice,
    "float": _to_number,
    "int": _to_whole,
    "list": _to_words,
    "number or off": _to_number_or_off,
    "path": _to_path,
    "regex": _to_regex,
    "scale": _to_scale,
    "secret": _to_text,
    "str": _to_text,
    "url": _to_url,
    "when": _to_when,
    "windows": _to_windows,
    "zone": _to_zone,
}


def quote(text: str, longest: int = 60) -> str:
    text = mask_text(text)  # before it is cut; any option may hold a URL by mistake
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")


def did_you_mean(word: str, known: Sequence[str], form: str = "{}") -> str:
    """A hint with the known word that was perhaps meant, written as in `form`; nothing if no word is near."""
    close = _closest(word[:_LONGEST_NAME].lower(), tuple(known))
    return f"; did you mean {form.replace('{}', close)}?" if close else ""


@functools.lru_cache  # a file may hold the same mistake many times
def _closest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that was perhaps meant: the only one with this beginning, or else the most similar one."""
    dashed = word.replace("_", "-")
    begun = [one for one in known if one.startswith(word)]
    close = [dashed] if dashed in known else begun if len(begun) == 1 else get_close_matches(word, known, 1, 0.7)
    return close[0] if close else None
