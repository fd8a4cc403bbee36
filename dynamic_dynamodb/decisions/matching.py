"""Which section of the configuration a table or index belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

# A valid DynamoDB name, perhaps with anchors, and perhaps with escaped dots.
_NAME = re.compile(r"\^?((?:[A-Za-z0-9_-]|\\?\.)+)\$?")
_WITHOUT_SPECIAL_CHARACTERS = re.compile(r"[A-Za-z0-9_-]+")


class Match(NamedTuple):
    """The section that a name belongs to, and the later sections that match it too."""

    section: str
    also: tuple[str, ...]


class Undecided(NamedTuple):
    """It is not known whether this expression matches, because matching takes too long.

    If not `final`, it was tried only briefly, and may be tried again.
    """

    expression: str
    final: bool


class TriedBrieflyError(TimeoutError):
    """The expression took too long for another name, so this one was tried only briefly."""


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return pattern.match(name) is not None


class Matcher:
    """Finds the first match in file order with `re.match`. It caches answers, so only new names are matched."""

    def __init__(self, expressions: Iterable[str]) -> None:
        self._patterns = [(expression, re.compile(expression)) for expression in expressions]
        self._known: dict[str, Match | Undecided | None] = {}
        self._put_off: list[str] = []

    def match(self, name: str) -> Match | None:
        """The section of this name, or None."""
        answer = self.ask(name)
        return answer if isinstance(answer, Match) else None

    def ask(self, name: str, matches: Callable[[re.Pattern[str], str], bool] = _matches) -> Match | Undecided | None:
        """As match, but Undecided if `matches` raises TimeoutError before an expression has matched."""
        if name not in self._known:
            answer = self._known[name] = self._ask(name, matches)
            if isinstance(answer, Undecided) and not answer.final:
                self._put_off.append(name)
        return self._known[name]

    def try_again(self) -> None:
        """Allow one of the names that were tried briefly to be tried again."""
        self._put_off = [name for name in self._put_off if name in self._known]
        if self._put_off:
            del self._known[self._put_off.pop(0)]

    def _ask(self, name: str, matches: Callable[[re.Pattern[str], str], bool]) -> Match | Undecided | None:
        found: list[str] = []
        for expression, pattern in self._patterns:
            try:
                if matches(pattern, name):
                    found.append(expression)
            except TimeoutError as error:
                if not found:  # after a match, a later expression does not matter
                    return Undecided(expression, final=not isinstance(error, TriedBrieflyError))
        return Match(found[0], tuple(found[1:])) if found else None

    def keep(self, names: Collection[str]) -> None:
        """Forget all names except these, so that deleted tables do not use memory for ever."""
        if len(self._known) > len(names):
            self._known = {name: match for name, match in self._known.items() if name in names}


def named_in_full(expression: str) -> bool:
    """Whether the expression is a plain name that ends with `$`, so that it matches no longer names."""
    return plain_name(expression) is not None and expression.endswith("$")


def plain_name(expression: str) -> str | None:
    r"""The name that a plain expression consists of, or None for a real expression.

    `my_table`, `^my_table$` and `my\.table` are plain: they can be used if ListTables is denied.
    """
    match = _NAME.fullmatch(expression)
    return match.group(1).replace("\\", "") if match else None


def wildcards(expression: str) -> list[str]:
    """Wildcards for everything that an expression can match: `^events-.*` becomes `events-*`.

    There is one for each alternative. Flags such as `(?i)` can change the meaning of letters, so they give `*`.
    """
    if expression.startswith("(?"):
        return ["*"]
    return list(dict.fromkeys(map(_wildcard, _alternatives(expression))))


def _wildcard(alternative: str) -> str:
    if named_in_full(alternative):
        return str(plain_name(alternative))
    beginning = _LITERAL.match(alternative)
    return f"{beginning[1] if beginning else ''}*".replace("\\", "")


# Plain characters, without one that is followed by a quantifier that makes it optional.
_LITERAL = re.compile(r"\^?((?:(?:[A-Za-z0-9_-]|\\[.-])(?![*?{]))*)")
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.", re.DOTALL)  # an escape, a set of characters, or a character


def _alternatives(expression: str) -> list[str]:
    """The parts between those `|` that are not in a group."""
    found, depth = [""], 0
    for piece in _PIECE.findall(expression):
        if piece == "|" and depth == 0:
            found.append("")
            continue
        depth += {"(": 1, ")": -1}.get(piece, 0)
        found[-1] += piece
    return found


def longer_names(expression: str, names: Iterable[str]) -> list[str]:
    """The longer names that an expression without special characters also matches."""
    if not _WITHOUT_SPECIAL_CHARACTERS.fullmatch(expression):
        return []
    return [name for name in names if name != expression]
