"""Which section of the configuration a table or index belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

# A name as DynamoDB has them, perhaps anchored, its dots perhaps escaped.
_NAME = re.compile(r"\^?((?:[A-Za-z0-9_-]|\\?\.)+)\$?")
_WITHOUT_SPECIAL_CHARACTERS = re.compile(r"[A-Za-z0-9_-]+")


class Match(NamedTuple):
    """The section that a name belongs to, and the later ones that match it too."""

    section: str
    also: tuple[str, ...]


class Undecided(NamedTuple):
    """It cannot be told whether this expression matches: the answer takes too long.

    Not `final`: it was tried briefly, and may be tried again.
    """

    expression: str
    final: bool


class TriedBrieflyError(TimeoutError):
    """The expression took too long for another name, so this one was given but a moment."""


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return pattern.match(name) is not None


class Matcher:
    """First match in file order, `re.match`; answers are remembered, so a check without new names matches nothing."""

    def __init__(self, expressions: Iterable[str]) -> None:
        self._patterns = [(expression, re.compile(expression)) for expression in expressions]
        self._known: dict[str, Match | Undecided | None] = {}
        self._put_off: list[str] = []

    def match(self, name: str) -> Match | None:
        """The section of this name, or None."""
        answer = self.ask(name)
        return answer if isinstance(answer, Match) else None

    def ask(self, name: str, matches: Callable[[re.Pattern[str], str], bool] = _matches) -> Match | Undecided | None:
        """Like match. Undecided where `matches` raises TimeoutError before an expression has matched."""
        if name not in self._known:
            answer = self._known[name] = self._ask(name, matches)
            if isinstance(answer, Undecided) and not answer.final:
                self._put_off.append(name)
        return self._known[name]

    def try_again(self) -> None:
        """One of the names that were tried briefly is tried again, when it is asked for."""
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
                if not found:  # a later one changes nothing
                    return Undecided(expression, final=not isinstance(error, TriedBrieflyError))
        return Match(found[0], tuple(found[1:])) if found else None

    def keep(self, names: Collection[str]) -> None:
        """Forget all but these names, so that months of tables coming and going leave nothing behind."""
        if len(self._known) > len(names):
            self._known = {name: match for name, match in self._known.items() if name in names}


def named_in_full(expression: str) -> bool:
    """Whether the expression is a plain name with an end, and so takes no longer names."""
    return plain_name(expression) is not None and expression.endswith("$")


def plain_name(expression: str) -> str | None:
    r"""The one name that an expression spells out, or None for a real expression.

    `my_table`, `^my_table$` and `my\.table` are plain: they can be used
    where ListTables is not permitted.
    """
    match = _NAME.fullmatch(expression)
    return match.group(1).replace("\\", "") if match else None


def wildcards(expression: str) -> list[str]:
    """All that an expression can match, with `*` for what is not spelled out: `^events-.*` is `events-*`.

    One for each of its alternatives. Flags such as `(?i)` may change what letters mean: `*`.
    """
    if expression.startswith("(?"):
        return ["*"]
    return list(dict.fromkeys(map(_wildcard, _alternatives(expression))))


def _wildcard(alternative: str) -> str:
    if named_in_full(alternative):
        return str(plain_name(alternative))
    beginning = _LITERAL.match(alternative)
    return f"{beginning[1] if beginning else ''}*".replace("\\", "")


# Plain characters, all but the last one before a quantifier that lets it be absent.
_LITERAL = re.compile(r"\^?((?:(?:[A-Za-z0-9_-]|\\[.-])(?![*?{]))*)")
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.", re.DOTALL)  # an escape, a set of characters, or a character


def _alternatives(expression: str) -> list[str]:
    """The parts between those `|` that are in no group."""
    found, depth = [""], 0
    for piece in _PIECE.findall(expression):
        if piece == "|" and depth == 0:
            found.append("")
            continue
        depth += {"(": 1, ")": -1}.get(piece, 0)
        found[-1] += piece
    return found


def longer_names(expression: str, names: Iterable[str]) -> list[str]:
    """The names beyond itself that an expression without any special character takes too."""
    if not _WITHOUT_SPECIAL_CHARACTERS.fullmatch(expression):
        return []
    return [name for name in names if name != expression]
