"""Makes text safe to show in logs, error messages and `--show-config`: without secrets and control characters.

A secret is recognised by its value, if the program has met it (`hide`), or by
its place between the user and the host of a URL.
"""

from __future__ import annotations

import functools
import re

from dynamic_dynamodb.output.urls import authority, names_port, user_information

_MASK = "***"
_SHORTEST = 8  # characters; shorter secrets occur in other words too, and are recognised by their place only
_LONGEST = 10_000  # characters of text from elsewhere
_IN_TEXT = re.compile(r"(://[^\s:]*:)\S*@")

_hidden: dict[str, tuple[str, ...]] = {}


def hide(place: str, secret: str) -> None:
    """Make `safe` mask this secret from now on, instead of the previous one from the same place.

    White space in shown text is folded or escaped, so the secret is masked with folded white space, and word by word.
    """
    words = secret.split()
    _hidden[place] = tuple(word for word in (" ".join(words), *words) if len(word) >= _SHORTEST)


def safe(text: str) -> str:
    """Any text as one line that may be shown: no secret, no control character, at most 10,000 characters."""
    for word in _longest_first(tuple(_hidden.values())):
        text = text.replace(word, _MASK)
    if len(text) > _LONGEST:  # cut in the middle: the end says what is wrong
        text = f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
    return printable(mask_text(text))


@functools.lru_cache(maxsize=1)  # called for each line of the log
def _longest_first(found: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The words to mask, the longest first, because one may contain another."""
    return tuple(sorted({word for words in found for word in words}, key=len, reverse=True))


def password(url: str) -> str:
    """The password in a URL. The text need not be a valid URL."""
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
    """The range that may contain a password: from the first colon after the scheme to the LAST at-sign.

    That is more than the password if another @ follows it, but text that is quoted in an error message need not be a
    valid URL. A port is not a password.
    """
    begin, end = authority(url)
    colon, at = url.find(":", begin), url.rfind("@")
    return (colon + 1, at) if 0 <= colon < at and not names_port(url[begin:end]) else (0, 0)


def mask_text(text: str) -> str:
    """Text from elsewhere with `***` in place of the password of each URL; a password has no blanks here."""
    return _IN_TEXT.sub(rf"\1{_MASK}@", text)


def printable(line: str) -> str:
    """The same line with control characters and line separators escaped, so that no terminal or log obeys them."""
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)
