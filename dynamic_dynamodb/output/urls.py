"""User and password in the text of a URL: the only module that finds where they begin and end."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_RAW = re.compile(r"[/?#]")  # ends the host in any URL
_ENCODED = {ord(character): f"%{ord(character):02X}" for character in "/?#[]"}


def authority(url: str) -> tuple[int, int]:
    """The range of the part between scheme and path, as any URL parser sees it."""
    scheme = _SCHEME.match(url)
    begin = scheme.end() if scheme else 0
    raw = _RAW.search(url, begin)
    return begin, raw.start() if raw else len(url)


def names_port(host: str) -> bool:
    """Whether the text after the first colon, outside the brackets of an IPv6 address, is a port number."""
    _, _, port = host.rpartition(":") if host.startswith("[") else host.partition(":")
    return re.fullmatch("[0-9]{1,5}", port) is not None and int(port) < 2**16


def user_information(url: str) -> tuple[int, int]:
    """The range of user and password, without the @; (0, 0) if there are none.

    They end at the last @ before the first / ? #. Releases 1.6.0 and 2.5.1 also
    accepted these characters raw in a password. So if there is no such @, they
    end at the only @ in the rest, if there is a colon before it that is not
    followed by a port. Raises ValueError if a password may also end at another
    @, so that the apparent host may be a part of it.
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
    """The URL with invalid raw characters percent-encoded: / ? # in user and password, blanks in the path.

    Raises ValueError as user_information does.
    """
    begin, end = user_information(url)
    url = f"{url[:begin]}{url[begin:end].translate(_ENCODED)}{url[end:]}"
    _, path = authority(url)
    return url[:path] + url[path:].replace(" ", "%20")
