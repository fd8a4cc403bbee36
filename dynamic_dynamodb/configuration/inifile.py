"""An INI file -> its sections in their order, each header and option with its line, with every problem collected.

Python 3's configparser, with the grammar of Python 2's, which the old files were written for.
"""

from __future__ import annotations

import configparser
import hashlib
import io
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_REM = re.compile(r"(?i)^rem(?=\s|$)")  # a comment, too
_LARGEST = 10_000_000  # bytes of a file; 2,000 sections have 200,000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # what such a file begins with, as Windows writes it


class Setting(NamedTuple):
    """One option of a section: its name in lower case, its text, and the line where it begins."""

    name: str
    text: str
    line: int


class Section(NamedTuple):
    """One section: what stands between its brackets, the line of that, and its options.

    Neither the header nor an option need be the only one of its name. `after` is what follows the closing bracket;
    None where there is no closing bracket, which is among the problems already.
    """

    header: str
    line: int
    settings: list[Setting]
    after: str | None


class Read(NamedTuple):
    """The sections of a file, what is wrong with it, and its SHA-256, where it could be read."""

    sections: list[Section]
    problems: list[str]
    digest: str | None = None


def read(path: str) -> Read:
    """Read a file; no message holds the text of a value."""
    try:
        content = _content(path)
        text = _decode(content)
    except (OSError, ValueError) as error:
        return Read([], [f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"])
    parser = _Parser()
    try:
        parser.read_file(parser.numbered(_REM.sub("#rem", line) for line in io.StringIO(text, newline=None)))
    except configparser.MissingSectionHeaderError as error:
        return Read([], [f"{path}:{error.lineno}: comes before the first [section]"])
    except configparser.ParsingError as error:
        # The line itself is not quoted: it may hold a secret.
        told = "is neither a [section], nor 'option: value', nor a comment"
        return Read([], [f"{path}:{number}: {told}" for number, _line in error.errors])
    sections = [_section(parser, name) for name in parser.sections()]
    problems = [
        f"{path}:{section.line}: is the header of a section, but has no closing ]"
        for section in sections
        if section.after is None
    ]
    return Read(sections, problems, hashlib.sha256(content).hexdigest())


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST // 10**6} MB")
    return content


def exposed(path: str) -> int | None:
    """The mode of a file that more users than its owner may read; None for any other, and for a pipe."""
    try:
        found = Path(path).stat()  # of the file that a link leads to
    except (OSError, ValueError):  # the latter: no file can have this name
        return None
    mode = stat.S_IMODE(found.st_mode)
    return mode if stat.S_ISREG(found.st_mode) and mode & (stat.S_IRGRP | stat.S_IROTH) else None


def shown(name: str) -> str:
    """The name of an option as a message may show it.

    Where somebody forgot the colon after a name, all up to a `=` in the value is taken as the name.
    """
    word = re.split(r"\s", name, maxsplit=1)[0]  # "" where nothing stands before the colon
    return word if word == name else f"{word} ..."


class _Parser(configparser.RawConfigParser):
    """Puts the number of its line before each name.

    So it keeps everything, and in the order of the file: no name is there twice, however often it is in the file.
    """

    # Python's own takes time with the square of the blanks in a line.
    OPTCRE = re.compile(r"(?P<option>[^:=]*)(?P<vi>[:=])\s*(?P<value>.*)$")

    def __init__(self) -> None:
        super().__init__(
            comment_prefixes=("#", ";"),
            inline_comment_prefixes=(";",),
            default_section="",  # [DEFAULT] is the loader's: its options are checked once
            interpolation=None,
        )
        self._line = 0
        self.after: dict[str, str | None] = {}  # by header
        self.SECTCRE: Any = self  # whatever has a `match`: what it says is the name of a section

    def numbered(self, lines: Iterable[str]) -> Iterator[str]:
        """The same lines; the parser takes one when it is done with the one before."""
        for self._line, line in enumerate(lines, 1):
            yield line

    def optionxform(self, optionstr: str) -> str:
        return f"{self._line}:{optionstr.lower()}"

    def match(self, text: str) -> re.Match[str] | None:
        """The header that a line is, or None: it is an option, then."""
        found = _HEADER.match(text)
        if found is None and (text[:1] != "[" or "]" in text):
            return None
        name = f"{self._line}:{found['header'] if found else text[1:]}"
        self.after[name] = found["after"] if found else None
        return re.match(r"(?s)(?P<header>.*)", name)


# The expression in a header may hold "]". Python 2 did not mind what follows the header.
_HEADER = re.compile(r"\[(?P<header>.+?)\](?P<after>\s+[#;].*|[^]]*)$")


def _section(parser: _Parser, name: str) -> Section:
    line, _, header = name.partition(":")
    settings = [(option.partition(":"), text) for option, text in parser.items(name)]
    return Section(
        header.strip(),
        int(line),
        [Setting(option, text, int(number)) for (number, _, option), text in settings],
        parser.after[name],
    )


def _decode(content: bytes) -> str:
    """Text of a file in UTF-8, or else in Latin-1: Python 2 did not mind, and old comments have any encoding."""
    if content.startswith(_UTF_16) or _every_other_is_null(content):
        raise ValueError("it is encoded in UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _every_other_is_null(content: bytes) -> bool:
    """Whether this is UTF-16 without a mark at its beginning, as far as it is ASCII."""
    return len(content) >= 4 and any(content[0:100:2]) != any(content[1:100:2])
