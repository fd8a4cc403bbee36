"""Text made safe to show, in logs, error messages and `--show-config`: no secret in it, no control character.

A secret is known by its value, wherever the program has met one (`hide`), or
by its place, between the user and the host of a URL.
"""

from __future__ import annotations

import functools
import re

from dynamic_dynamodb.output.urls import authority, names_port, user_information

_MASK = "***"
_SHORTEST = 8  # characters; what is shorter stands in other words as well, and is known by its place only
_LONGEST = 10_000  # characters of somebody else's text
_IN_TEXT = re.compile(r"(://[^\s:]*:)\S*@")

_hidden: dict[str, tuple[str, ...]] = {}


def hide(place: str, secret: str) -> None:
    """Have `safe` mask this secret from now on, in place of the one that was found in this place before.

    Text that is shown has its white space folded or escaped, hence so has the secret, and each word of it is one.
    """
    words = secret.split()
    _hidden[place] = tuple(word for word in (" ".join(words), *words) if len(word) >= _SHORTEST)


def safe(text: str) -> str:
    """Any text as one line that may be shown: no secret, no control character, and no more than 10,000 characters."""
    for word in _longest_first(tuple(_hidden.values())):
        text = text.replace(word, _MASK)
    if len(text) > _LONGEST:  # in the middle: what is wrong stands at the end
        text = f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
    return printable(mask_text(text))


@functools.lru_cache(maxsize=1)  # asked for each line of the log
def _longest_first(found: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The words to mask: one may hold another."""
    return tuple(sorted({word for words in found for word in words}, key=len, reverse=True))


def password(url: str) -> str:
    """The password in a URL; any text will do, it need not be a valid URL."""
    try:
        begin, end = user_information(url)
    except ValueError:
        begin, end = _masked(url)
        return url[begin:end]
    return url[begin:end].partition(":")[2]


def mask_url(url: str) -> str:
    """The URL with `***` in place of its password."""
    begin, end = _masked(url)
    return f"{url[:begin]}{_MASK}{url[end:]}" if end else url


def _masked(url: str) -> tuple[int, int]:
    """From where to where a password may reach: from the first colon after the scheme to the LAST at-sign.

    That is more than a password, where there is an @ behind it; but what is
    quoted in an error message need not be a valid URL. A port is no password.
    """
    begin, end = authority(url)
    colon, at = url.find(":", begin), url.rfind("@")
    return (colon + 1, at) if 0 <= colon < at and not names_port(url[begin:end]) else (0, 0)


def mask_text(text: str) -> str:
    """Somebody else's text with `***` in place of the password of each URL in it; a password has no blanks here."""
    return _IN_TEXT.sub(rf"\1{_MASK}@", text)


def printable(line: str) -> str:
    """The same line with what no terminal and no log shall obey escaped: control characters, line separators."""
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)
