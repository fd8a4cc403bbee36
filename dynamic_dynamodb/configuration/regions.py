"""The source of the region, and whether AWS has the region."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

# The regions in botocore's list that have DynamoDB. Asking boto3 itself takes a tenth of a second; few have to.
KNOWN = frozenset(
    """
    af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
    ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
    cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-isoe-west-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1
    eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2
    us-gov-east-1 us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 us-isof-east-1
    us-isof-south-1 us-west-1 us-west-2
    """.split()  # noqa: SIM905 - a literal list has a line for each
)
DEFAULT_FROM = "the default; no region was set"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

# Given a profile: the regions that boto3 knows, and whether that profile sets an endpoint.
AskBoto: TypeAlias = Callable[[str | None], tuple[Collection[str], bool]]


class Doubt(NamedTuple):
    """A problem or warning about a region; `wrong` if the program must not start."""

    text: str
    wrong: bool


def in_environment() -> tuple[str, str] | None:
    """The region that the environment sets, and the name of the variable. boto3 itself does not read AWS_REGION."""
    found = ((os.environ.get(name), name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
    return next(((region, name) for region, name in found if region), None)


def described(general: Mapping[str, Any]) -> str:
    """The region of the [global] part of a config dict, and its source."""
    return f"{general['region']} ({general['region_from']})"


def doubt(general: Mapping[str, Any], ask: AskBoto) -> Doubt | None:
    """The problem, or possible problem, with the region of the [global] part; it may be newer than this boto3.

    With a custom endpoint the region may have any name.
    """
    region = general["region"]
    if region in KNOWN:
        return None
    known, endpoint = ask(general["profile"])
    if region in known:
        return None
    meant = _meant(region, KNOWN.union(known))
    if meant and not (endpoint or general["endpoint_url"] or _endpoint_in_environment()):
        return Doubt(f"{region} is not an AWS region; did you mean {meant}?", wrong=True)
    hint = f"; did you mean {meant}?" if meant else ""
    return Doubt(f"{region} is not a region that this release of boto3 knows; it may be newer{hint}", wrong=False)


def _endpoint_in_environment() -> bool:
    return any(value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL"))


def _meant(region: str, known: Collection[str]) -> str | None:
    """The known region that differs from this one by a single slip in its letters; the number is ignored.

    None if all its words occur in other regions: AWS names new regions this way.
    """
    words = {word for one in known for word in _without_number(one).split("-")}
    if set(_without_number(region).split("-")) <= words and re.search("-[0-9]+$", region):
        return None
    number = region[len(region.rstrip("0123456789")) :]
    slips = set(_slips(_without_number(region.lower()).replace("-", "")))
    near = sorted(one for one in known if _without_number(one).replace("-", "") in slips)
    return next((one for one in near if one.endswith(f"-{number}")), near[0] if near else None)


def _without_number(region: str) -> str:
    return region.rstrip("0123456789").rstrip("-")


def _slips(word: str) -> Iterator[str]:
    """The word itself, and the word with one letter removed, added, changed, or swapped with the next."""
    yield word
    for place in range(len(word) + 1):
        begin, end = word[:place], word[place:]
        yield begin + end[1:]
        yield begin + end[1:2] + end[:1] + end[2:]
        for letter in _LETTERS:
            yield begin + letter + end
            yield begin + letter + end[1:]
