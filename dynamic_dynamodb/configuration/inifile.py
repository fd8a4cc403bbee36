"""An INI file -> its sections in their order, with every problem collected.

Python 3's configparser, with the grammar of Python 2's, which the old files were written for.
"""

from __future__ import annotations

import configparser
import io
import re
import stat
from pathlib import Path
from typing import NamedTuple

_REM = re.compile(r"(?i)^rem(?=\s|$)")  # a comment, too
_LARGEST = 10_000_000  # bytes of a file; 2,000 sections have 200,000
_MOST_DUPLICATES = 100  # the file is read again for each


class Section(NamedTuple):
    """One section: what stands between its brackets, and its options' texts by name in lower case.

    `repeated` are the options that stood in it before, and are to be looked at for further mistakes only;
    as is the whole section where its `header` stood in the file before.
    """

    header: str
    items: dict[str, str]
    repeated: list[tuple[str, str]]
    again: bool


def read(path: str) -> tuple[list[Section], list[str]]:
    """The sections of a file, and what is wrong with it; no message holds the text of a value."""
    try:
        text = _decode(_content(path))
    except (OSError, ValueError) as error:
        return [], [f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"]
    lines = [_REM.sub("#rem", line) for line in io.StringIO(text, newline=None)]
    marker = "duplicate"  # what duplicates are renamed to: something that is not in the file
    while marker in text.lower():
        marker += "'"
    parser, problems = _parse(path, lines, marker)
    if parser is None:
        return [], problems
    return [_section(header, parser.items(header), marker) for header in parser.sections()], problems


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
    except OSError:
        return None
    mode = stat.S_IMODE(found.st_mode)
    return mode if stat.S_ISREG(found.st_mode) and mode & (stat.S_IRGRP | stat.S_IROTH) else None


def _section(header: str, items: list[tuple[str, str]], marker: str) -> Section:
    return Section(
        header.partition(" of ")[2] if header.startswith(marker) else header,
        {name: value for name, value in items if not name.startswith(marker)},
        [(name.partition(" of ")[2], value) for name, value in items if name.startswith(marker)],
        header.startswith(marker),
    )


def _parse(path: str, lines: list[str], marker: str) -> tuple[_Parser | None, list[str]]:
    # configparser can refuse a duplicate but stops there: each one is noted,
    # renamed, and the file read again.
    problems: list[str] = []
    while True:
        if len(problems) == _MOST_DUPLICATES:
            return None, [*problems, f"{path}: and perhaps more; this is where the reading ends"]
        parser = _Parser()
        try:
            parser.read_file(lines, source=path)
        except configparser.DuplicateSectionError as error:
            problems.append(f"{path}: line {error.lineno}: [{error.section}]: stands twice in this file")
            _rename(lines, error.lineno, f"[{marker} {error.lineno} of {error.section}]\n", keep=False)
        except configparser.DuplicateOptionError as error:
            name = shown(error.option)
            problems.append(f"{path}: line {error.lineno}: [{error.section}] {name}: stands twice in this section")
            _rename(lines, error.lineno, f"{marker} {error.lineno} of ", keep=True)
        except configparser.MissingSectionHeaderError as error:
            problems.append(f"{path}: line {error.lineno}: stands before the first [section]")
            return None, problems
        except configparser.ParsingError as error:
            # The line itself is not quoted: it may hold a secret.
            problems += [
                f"{path}: line {number}: is no section, no 'option: value' and no comment"
                for number, _line in error.errors
            ]
            return None, problems
        else:
            return parser, problems


def _rename(lines: list[str], number: int | None, text: str, *, keep: bool) -> None:
    # The indentation stays: it tells which of the next lines are continuations.
    index = (number or 1) - 1
    content = lines[index].lstrip()
    indentation = lines[index][: len(lines[index]) - len(content)]
    lines[index] = indentation + text + (content if keep else "")


def shown(name: str) -> str:
    """The name of an option as a message may show it.

    Where somebody forgot the colon after a name, all up to a `=` in the value is taken as the name.
    """
    word = re.split(r"\s", name, maxsplit=1)[0]  # "" where nothing stands before the colon
    return word if word == name else f"{word} ..."


class _Parser(configparser.RawConfigParser):
    # The expression in a header may hold "]". Python 2 did not mind what follows the header.
    SECTCRE = re.compile(r"\[(?P<header>.+?)\](?:\s+[#;].*|[^]]*)$")
    # Python's own takes time with the square of the blanks in a line.
    OPTCRE = re.compile(r"(?P<option>[^:=]*)(?P<vi>[:=])\s*(?P<value>.*)$")

    def __init__(self) -> None:
        super().__init__(
            comment_prefixes=("#", ";"),
            inline_comment_prefixes=(";",),
            default_section="",  # [DEFAULT] is config.py's: its options are checked once
            interpolation=None,
        )


def _decode(content: bytes) -> str:
    """Text of a file in UTF-8, or else in Latin-1: Python 2 did not mind, and old comments have any encoding."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
