"""The values and defaults of options in words, for the example file and the reference."""

from __future__ import annotations

from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.configuration.options import Option

_TYPES = {
    "arn": "ARN of an SNS topic",
    "bool": "true or false",
    "float": "Number",
    "int": "Whole number",
    "list": "List of words, separated by commas",
    "number or off": "Number above 0, or off",
    "path": "Path; ~ and $VARIABLES are expanded",
    "scale": "Scale, {percent: amount, ...}",
    "secret": "Text",
    "str": "Text",
    "url": "http:// or https:// URL",
    "when": "Weekdays with times, or dates; several with commas",
    "windows": "Times of the day, UTC",
    "zone": "IANA name of a time zone",
}
_UNITS = {"%": " in %", "": "", "(UTC)": ""}


def type_of(option: Option) -> str:
    """The values that an option accepts: "Number in %, 0 or more"."""
    if option.kind == "choice":
        return " or ".join(filter(None, (", ".join(option.choices[:-1]), option.choices[-1])))
    name = _TYPES[option.kind] + _UNITS.get(option.unit, f" of {option.unit}")
    if option.minimum is None:
        return name
    if option.maximum == options.LARGEST:
        return f"{name}, {option.minimum} or more"
    return f"{name}, {option.minimum} to {option.maximum}"


_SHORT = {
    "arn": "topic ARN",
    "bool": "true, false",
    "list": "message types, separated by commas",
    "number or off": "number > 0, `off`",
    "path": "path",
    "scale": "`{percent: amount}`",
    "secret": "text",
    "str": "text",
    "url": "URL",
    "when": "times or dates",
    "windows": "times, UTC",
    "zone": "IANA name",
}


def short_type(option: Option) -> str:
    """The same for a cell of a table: "seconds ≥ 1"."""
    if option.kind == "choice":
        return ", ".join(f"`{choice}`" for choice in option.choices)
    if option.kind not in ("int", "float"):
        return _SHORT[option.kind]
    unbounded = option.maximum == options.LARGEST
    bounds = f"≥\N{NO-BREAK SPACE}{option.minimum}" if unbounded else f"{option.minimum} to {option.maximum}"
    return f"{option.unit or 'integer'} {bounds}"


def default_text(option: Option) -> str | None:
    """The default as it would be in a file, or that of the option it falls back to; None if there is none."""
    if option.fallback:
        return default_text(named(option.fallback))
    if option.default is None:
        return None
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def named(name: str) -> Option:
    """The option of that name."""
    return next(option for option in options.OPTIONS if option.name == name)
