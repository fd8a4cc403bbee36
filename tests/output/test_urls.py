"""Where user and password of a URL begin and end: any parser's rules, and what releases of the original took raw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.output.masking import password
from dynamic_dynamodb.output.urls import user_information, well_formed

UNCLEAR = "it is not clear which @ ends its user information"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # The last @ before the first / ? #.
        ("http://user:secret@host/", "user:secret"),
        ("http://user@host/", "user"),
        ("http://:secret@host", ":secret"),
        ("http://user:se@cret@host/a%40b", "user:se@cret"),
        ("http://user@host/a@b?c@d#e@f", "user"),
        ("http://user:80@host:80/", "user:80"),
        ("http://us:er:secret@[::1]:80/", "us:er:secret"),
        ("http://@host/", ""),
        # The only one, where there is no port in its place.
        ("http://user:se/cret@host/", "user:se/cret"),
        ("http://user:se?cret@host/", "user:se?cret"),
        ("http://user:se#cret@host/", "user:se#cret"),
        ("http://user:/?#@host:80/", "user:/?#"),
        ("http://user:80a/cret@host/", "user:80a/cret"),
        ("http://user:65536/cret@host/", "user:65536/cret"),
        ("http://user:8:0/cret@host/", "user:8:0/cret"),
        # None.
        ("http://host/", None),
        ("http://host:8080/", None),
        ("http://host:8080/x?m=a@b", None),
        ("http://host:65535/x@y@z", None),
        ("http://host?m=a@b", None),
        ("http://host/a:b@c", None),
        ("http://host/a:b@c@d", None),
        ("http://[::1]/a@b", None),
        ("http://[::1]:80/a@b", None),
        ("", None),
    ],
)
def test_user_information(url: str, expected: str | None) -> None:
    begin, end = user_information(url)
    assert (url[begin:end] if end else None) == expected
    assert password(url) == (expected or "").partition(":")[2]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:se/cr@et@host/",
        "http://user:se#cret@host/a@b",
        "http://user:se?cret@host/?m=a@b",
        "http://user:se@cr/et@host/",
        "http://user:se@cr?et@host/",
        "http://user:se@cret@host/a@b?c@d#e@f",
        "http://user:secret@host:80/?m=a@b",
    ],
)
def test_several_that_may_end_it(url: str) -> None:
    with pytest.raises(ValueError, match=UNCLEAR):
        user_information(url)
    assert password(url) == url[url.index(":se") + 1 : url.rindex("@")]  # whatever may belong to it is masked


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://user:a/b?c#d[e]@host/p?q#r", "http://user:a%2Fb%3Fc%23d%5Be%5D@host/p?q#r"),
        ("http://user:%2F%@host/", "http://user:%2F%@host/"),
        ("http://user:p@host/a b?c d#e f", "http://user:p@host/a%20b?c%20d#e%20f"),
        ("http://user:p q@ho st/a b", "http://user:p q@ho st/a%20b"),
        ("http://host:8080/x?m=a@b c", "http://host:8080/x?m=a@b%20c"),
    ],
)
def test_well_formed(url: str, expected: str) -> None:
    assert well_formed(url) == expected
    assert well_formed(expected) == expected


@given(st.text(max_size=5), st.text("ab:@/?#%[] 8", max_size=20))
def test_any_text_has_some_or_none_or_is_unclear(start: str, rest: str) -> None:
    for url in (start + rest, f"http://{start}{rest}"):
        try:
            begin, end = user_information(url)
        except ValueError as error:
            assert str(error) == UNCLEAR
        else:
            assert (begin, end) == (0, 0) or url[end] == "@"
            assert well_formed(well_formed(url)) == well_formed(url)
