"""Secrets made safe to show, in logs, error messages and `--show-config`."""

from __future__ import annotations

import re

_IN_TEXT = re.compile(r"(://[^/\s:@]*:)[^\s\"']*@")
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")


def mask_url(url: str) -> str:
    """The URL with `***` in place of its password; any text will do, it need not be a valid URL.

    The password is taken to reach from the first colon after the scheme to
    the LAST at-sign. A password may hold a bare `/` or `@` that no parser
    would take as part of it, and that makes the URL a bad one, which is
    just when it is quoted in an error message. The price: in the rare
    `http://host:80/a@b`, which has no password, `80/a` is hidden.
    """
    scheme = _SCHEME.match(url)
    colon = url.find(":", scheme.end() if scheme else 0)
    at = url.rfind("@")
    return f"{url[: colon + 1]}***{url[at:]}" if 0 <= colon < at else url


def mask_text(text: str) -> str:
    """Somebody else's text with `***` in place of the password of each URL in it; a password has no blanks here."""
    return _IN_TEXT.sub(r"\1***@", text)
