"""Text made safe to show, in logs, error messages and `--show-config`: no secret in it, no control character.

A secret is known by its value, wherever the program has met one (`hide`), or
by its place, between the user and the host of a URL.
"""

from __future__ import annotations

import functools
import re

_MASK = "***"
_SHORTEST = 8  # characters; what is shorter stands in other words as well, and is known by its place only
_LONGEST = 10_000  # characters of somebody else's text
_IN_TEXT = re.compile(r"(://[^\s:]*:)\S*@")
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")

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
    """The password in a URL; any text will do, it need not be a valid URL.

    It is taken to reach from the first colon after the scheme to the LAST
    at-sign. A password may hold a bare `/` or `@` that no parser would take as
    part of it, and that makes the URL a bad one, which is just when it is
    quoted in an error message. The price: in the rare `http://host:80/a@b`,
    which has no password, `80/a` is taken for one.
    """
    begin, end = _password(url)
    return url[begin:end]


def _password(url: str) -> tuple[int, int]:
    scheme = _SCHEME.match(url)
    colon = url.find(":", scheme.end() if scheme else 0)
    at = url.rfind("@")
    return (colon + 1, at) if 0 <= colon < at else (0, 0)


def mask_url(url: str) -> str:
    """The URL with `***` in place of its password."""
    begin, end = _password(url)
    return f"{url[:begin]}{_MASK}{url[end:]}" if end else url


def mask_text(text: str) -> str:
    """Somebody else's text with `***` in place of the password of each URL in it; a password has no blanks here."""
    return _IN_TEXT.sub(rf"\1{_MASK}@", text)


def printable(line: str) -> str:
    """The same line with what no terminal and no log shall obey escaped: control characters, line separators."""
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)
