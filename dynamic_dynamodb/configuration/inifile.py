"""Reads an INI file into its sections in their order, each header and option with its line, and collects all problems.

It uses the configparser of Python 3 with the grammar of Python 2's, for which the old files were written.
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
_LARGEST = 10_000_000  # bytes per file; 2,000 sections take 200,000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the beginning of a file in UTF-16 as Windows writes it


class Setting(NamedTuple):
    """One option of a section: its name in lower case, its text, and the line where it begins."""

    name: str
    text: str
    line: int


class Section(NamedTuple):
    """One section: the text between its brackets, the line of the header, and its options.

    Headers and options may occur several times. `after` is the text after the closing bracket; None if there is no
    closing bracket, which is among the problems already.
    """

    header: str
    line: int
    settings: list[Setting]
    after: str | None


class Read(NamedTuple):
    """The sections of a file, its problems, and its SHA-256 if it could be read."""

    sections: list[Section]
    problems: list[str]
    digest: str | None = None


def read(path: str) -> Read:
    """Read a file. No message contains the text of a value."""
    try:
        content = _content(path)
        text = _decode(content)
    except (OSError, ValueError) as error:
        return Read([], [f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"])
    parser = _Parser()
    try:
        parser.read_file(parser.numbered(_REM.sub("#rem", line) for line in io.StringIO(text, newline=None)))
    except configparser.MissingSectionHeaderError as error:
        return Read(
            [],
            [f"{path}:{error.lineno}: this line comes before the first [section]; put it below one, such as [global]"],
        )
    except configparser.ParsingError as error:
        # The line itself is not quoted: it may contain a secret.
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
    """The mode of a file that other users than its owner may read; None for any other file, and for a pipe."""
    try:
        found = Path(path).stat()  # follows a link
    except (OSError, ValueError):  # ValueError: not a possible name of a file
        return None
    mode = stat.S_IMODE(found.st_mode)
    return mode if stat.S_ISREG(found.st_mode) and mode & (stat.S_IRGRP | stat.S_IROTH) else None


def shown(name: str) -> str:
    """The name of an option as a message may show it.

    If the colon after a name is missing, everything up to a `=` in the value is taken for the name.
    """
    word = re.split(r"\s", name, maxsplit=1)[0]  # "" if there is nothing before the colon
    return word if word == name else f"{word} ..."


class _Parser(configparser.RawConfigParser):
    """Prefixes each name with the number of its line.

    So it keeps everything in the order of the file: every name is unique, even if it is in the file several times.
    """

    # The time of Python's own grows with the square of the number of blanks in a line.
    OPTCRE = re.compile(r"(?P<option>[^:=]*)(?P<vi>[:=])\s*(?P<value>.*)$")

    def __init__(self) -> None:
        super().__init__(
            comment_prefixes=("#", ";"),
            inline_comment_prefixes=(";",),
            default_section="",  # the loader handles [DEFAULT], so that its options are checked once
            interpolation=None,
        )
        self._line = 0
        self._text = ""  # of that line
        self.after: dict[str, str | None] = {}  # by header
        self.SECTCRE: Any = self  # anything with a `match` that returns the name of a section

    def numbered(self, lines: Iterable[str]) -> Iterator[str]:
        """The same lines; the parser takes a line when it has finished the previous one."""
        for self._line, self._text in enumerate(lines, 1):
            yield self._text

    def optionxform(self, optionstr: str) -> str:
        return f"{self._line}:{optionstr.lower()}"

    def match(self, text: str) -> re.Match[str] | None:
        """The header if the line is one; None if it is an option."""
        if self._text.lstrip().startswith("["):
            # `text` ends before a ` ;`, which may be in the expression: Python 2 looked for comments only after values.
            text = self._text.strip()
        found = _HEADER.match(text)
        if found is None and (text[:1] != "[" or "]" in text):
            return None
        name = f"{self._line}:{found['header'] if found else text[1:]}"
        self.after[name] = found["after"] if found else None
        return re.match(r"(?s)(?P<header>.*)", name)


# The expression in a header may contain "]". Python 2 accepted anything after the header.
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
    """The text of a file in UTF-8 or else in Latin-1: Python 2 accepted both, and old comments have any encoding."""
    if content.startswith(_UTF_16) or _every_other_is_null(content):
        raise ValueError("it is encoded in UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _every_other_is_null(content: bytes) -> bool:
    """Whether this looks like ASCII text in UTF-16 without a mark at its beginning."""
    return len(content) >= 4 and any(content[0:100:2]) != any(content[1:100:2])
