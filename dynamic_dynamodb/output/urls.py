"""User and password in the text of a URL: the one place that knows where they begin and end."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_RAW = re.compile(r"[/?#]")  # ends the host in any URL
_ENCODED = {ord(character): f"%{ord(character):02X}" for character in "/?#[]"}


def authority(url: str) -> tuple[int, int]:
    """From where to where the part before the path reaches, as any parser of URLs sees it."""
    scheme = _SCHEME.match(url)
    begin = scheme.end() if scheme else 0
    raw = _RAW.search(url, begin)
    return begin, raw.start() if raw else len(url)


def names_port(host: str) -> bool:
    """Whether what follows the first colon, outside the brackets of an IPv6 address, is the number of a port."""
    _, _, port = host.rpartition(":") if host.startswith("[") else host.partition(":")
    return re.fullmatch("[0-9]{1,5}", port) is not None and int(port) < 2**16


def user_information(url: str) -> tuple[int, int]:
    """From where to where, its @ excluded, user and password reach: (0, 0) where there are none.

    They end at the last @ before the first / ? #. Release 1.6.0 and 2.5.1 took
    these raw in a password, too. Hence, where there is no such @, they end at
    the only one in the rest, if there is a colon before and no port behind it.
    Raises ValueError where a password may end at another @ as well: what
    seems to be the host may be a part of it.
    """
    begin, end = authority(url)
    at = url.rfind("@", begin, end)
    host = url[begin:end]
    if at >= 0:
        secret = ":" in url[begin:at]
    elif secret := ":" in host and not host.startswith("[") and not names_port(host):
        at = url.find("@", end)
    if secret and url.find("@", max(at + 1, end)) >= 0 <= at:
        raise ValueError("it is not clear which @ ends its user information")
    return (begin, at) if at >= 0 else (0, 0)


def well_formed(url: str) -> str:
    """The URL with what is raw, where it may not be, percent-encoded: / ? # in user and password, blanks in the path.

    Raises ValueError as user_information does.
    """
    begin, end = user_information(url)
    url = f"{url[:begin]}{url[begin:end].translate(_ENCODED)}{url[end:]}"
    _, path = authority(url)
    return url[:path] + url[path:].replace(" ", "%20")
