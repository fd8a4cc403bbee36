"""The server of metrics, by real sockets: what it answers, and that nobody can make it hang."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from place import until
from scraper import LONG, free_port, get

from dynamic_dynamodb.metrics.server import MOST, Answer, ListenError, Server

LARGE = b"x" * 8_000_000  # more than the buffers of a connection hold


def answer(path: str) -> Answer:
    if path == "/fails":
        raise RuntimeError("nobody foresaw it")
    found = {"/metrics": b"text\n", "/large": LARGE}.get(path)
    return Answer(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND, "text/plain", found or b"no\n")


@pytest.fixture
def served() -> Iterator[Server]:
    with closing(Server("127.0.0.1", free_port(), answer)) as made:
        yield made


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=LONG)


def said(port: int, request: bytes) -> bytes:
    """What comes back until the server has hung up; nothing where it has done so without a word."""
    with connected(port) as made:
        made.sendall(request)
        return rest(made)


def rest(connection: socket.socket) -> bytes:
    """All that still comes."""
    parts: list[bytes] = []
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n", b"200 OK", b"text\n"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200 OK", b"text\n"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200 OK", b""),
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404 Not Found", b"no\n"),
        (b"GET \xff\xfe HTTP/1.1\r\n\r\n", b"404 Not Found", b"no\n"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed", b"GET only\n"),
        (b"PRI * HTTP/2.0\r\n\r\n", b"400 Bad Request", b"not a request\n"),
        (b"\r\n\r\n", b"400 Bad Request", b"not a request\n"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400 Bad Request", b"not a request\n"),
        (b"x" * 8192, b"400 Bad Request", b"not a request\n"),
        (b"GET /fails HTTP/1.1\r\n\r\n", b"500 Internal Server Error", b"failed\n"),
    ],
)
def test_what_it_answers(served: Server, request_: bytes, status: bytes, body: bytes) -> None:
    head, _, rest = said(served.port, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert rest == body
    assert b"Connection: close" in head
    assert get(served.port).text == "text\n"


@given(st.binary(max_size=300), st.sampled_from([b"", b"\r\n\r\n", b" HTTP/1.1\r\n\r\n"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_it_answers_or_waits_for_more(served: Server, begin: bytes, end: bytes) -> None:
    with connected(served.port) as made:
        made.sendall(begin + end)
        made.shutdown(socket.SHUT_WR)
        head = rest(made)
        assert head == b"" or head.startswith(b"HTTP/1.1 ")
    assert get(served.port).text == "text\n"


def test_a_request_may_come_in_pieces(served: Server) -> None:
    with connected(served.port) as made:
        for part in (b"GET /met", b"rics HTTP/1.1\r\n", b"Host: h\r\n", b"\r\n"):
            made.sendall(part)
            time.sleep(0.02)
        assert made.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_a_large_answer_arrives_whole(served: Server) -> None:
    assert get(served.port, "/large").text.encode() == LARGE


def test_a_scraper_that_never_reads_is_in_nobodys_way() -> None:
    """And is hung up on, when its time is over."""
    with closing(Server("127.0.0.1", free_port(), answer, patience=2)) as served, connected(served.port) as silent:
        silent.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert get(served.port).text == "text\n"
        until(lambda: not served._connections)
        assert get(served.port).text == "text\n"
        assert len(rest(silent)) < len(LARGE)


def test_more_connections_than_it_takes_at_a_time() -> None:
    """They say nothing and wait to be closed; others are answered then."""
    with closing(Server("127.0.0.1", free_port(), answer, patience=2)) as served, ExitStack() as stack:
        for _ in range(MOST + 8):
            stack.enter_context(connected(served.port))
        until(lambda: len(served._connections) == MOST)
        assert get(served.port).text == "text\n"


def test_many_scrapers_at_once(served: Server) -> None:
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(get(served.port, "/large").text.encode())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(got) == 20
    assert set(got) == {LARGE}


def test_whoever_hangs_up_is_forgotten(served: Server) -> None:
    for _ in range(100):
        with connected(served.port) as made:
            made.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    assert get(served.port).text == "text\n"


def test_it_ends_at_once_and_the_port_is_free_again() -> None:
    made = Server("127.0.0.1", free_port(), answer)
    with connected(made.port) as silent:
        silent.sendall(b"GET /lar")
        began = time.monotonic()
        made.close()
        assert time.monotonic() - began < 2
        assert rest(silent) == b""
    with closing(Server("127.0.0.1", made.port, answer)) as again:
        assert get(again.port).text == "text\n"


def test_a_port_that_is_taken(served: Server) -> None:
    with pytest.raises(
        ListenError, match=rf"cannot listen on 127.0.0.1:{served.port}: Address already in use; choose another"
    ):
        Server("127.0.0.1", served.port, answer)


def test_an_address_that_is_not_this_machines() -> None:
    text = r"cannot listen on 192.0.2.1:\d+: Cannot assign requested address; set metrics-address to an address of this"
    with pytest.raises(ListenError, match=text):
        Server("192.0.2.1", free_port(), answer)


def test_no_socket_can_be_made() -> None:
    """As where there is no IPv6: the error comes before there is anything to bind."""
    port = free_port()
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        with pytest.raises(ListenError, match=r"cannot listen on \[::1\]:\d+: Too many open files$"):
            Server("::1", port, answer)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
