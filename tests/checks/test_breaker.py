"""The circuit breaker, against real HTTP and HTTPS servers on the loopback interface."""

from __future__ import annotations

import base64
import contextlib
import datetime
import errno
import os
import re
import socket
import ssl
import string
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3.util.connection
from breaker_server import Behaviour, Handler, Server
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from proxy_server import ProxyServer

from dynamic_dynamodb.aws.calls import MOST_THREADS, MOST_UNANSWERED, StoppedError, Workers
from dynamic_dynamodb.checks.breaker import Breaker, poll
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.output.masking import mask_url

TABLE = Target("my_table")
PATIENT = 30.0  # seconds; where a test waits this long something is wrong
HASTY = 0.3  # seconds
PROMPT = 5.0  # seconds; far more than anything here takes, far less than PATIENT


# The servers


Serve = Callable[..., Server]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread survives a test; an unclosed socket is a ResourceWarning, hence an error, already."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PROMPT)
        assert not thread.is_alive(), thread


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(behaviour: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Server:
            server = Server(behaviour, tls, host)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(threads=4)
    yield made
    made.close()


def ask(url: str, workers: Workers, timeout: float = PATIENT, target: Target = TABLE) -> str | None:
    """The reason why one breaker is open, None when it is closed; and that in good time."""
    start = time.monotonic()
    opened = poll([Breaker(target, url, timeout)], workers)
    assert time.monotonic() - start < PROMPT
    assert set(opened) <= {target}
    return opened.get(target)


def answering(status: int, **headers: str) -> Behaviour:
    return lambda handler: handler.answer(status, **headers)


def redirecting(location: str, status: int = 302) -> Behaviour:
    """`/` leads to the location, everything else is 200."""
    return lambda handler: handler.answer(status, Location=location) if handler.path == "/" else handler.answer(200)


# What a status means


@pytest.mark.parametrize("status", [200, 201, 204, 206, 299])
def test_closed(status: int, serve: Serve, workers: Workers) -> None:
    assert ask(serve(answering(status)).url(), workers) is None


@pytest.mark.parametrize("status", [300, 302, 304, 400, 401, 404, 418, 500, 503, 999])
def test_open(status: int, serve: Serve, workers: Workers) -> None:
    assert ask(serve(answering(status)).url(), workers) == f"HTTP {status}"


def test_nothing_to_ask(workers: Workers) -> None:
    assert poll([], workers) == {}


# The request


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(Target("t-1.a_B"), {"x-table-name": "t-1.a_B"}, id="table"),
        pytest.param(Target("t", "i-1.a_B"), {"x-table-name": "t", "x-gsi-name": "i-1.a_B"}, id="index"),
    ],
)
def test_names_the_resource(target: Target, expected: dict[str, str], serve: Serve, workers: Workers) -> None:
    server = serve(answering(200))
    assert ask(server.url(), workers, target=target) is None
    (request,) = server.requests
    assert request.command == "GET"
    assert {name: value for name, value in request.headers.items() if name.startswith("x-")} == expected
    assert request.headers["host"] == f"127.0.0.1:{server.server_address[1]}"
    assert request.authorization is None


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        pytest.param("", "/", id="none"),
        pytest.param("/a/b?c=d&e=f%20g", "/a/b?c=d&e=f%20g", id="query"),
        pytest.param("?c", "/?c", id="query only"),
        pytest.param("/a#fragment", "/a", id="fragment is not sent"),
        pytest.param("/ä b?ö", "/%C3%A4%20b?%C3%B6", id="not ASCII"),
        pytest.param("/a@b", "/a@b", id="at-sign"),
        pytest.param("/a\x0bX-Evil: 1\x7f", "/a%0BX-Evil:%201%7F", id="control characters"),
    ],
)
def test_path(path: str, sent: str, serve: Serve, workers: Workers) -> None:
    server = serve(answering(200))
    assert ask(server.url(path), workers) is None
    assert [request.path for request in server.requests] == [sent]


@pytest.mark.parametrize(
    ("userinfo", "pair"),
    [
        pytest.param("user:password@", b"user:password", id="plain"),
        pytest.param("us%40er:p%3A%2F%40%25w@", b"us@er:p:/@%w", id="percent-encoded"),
        pytest.param("user:a:b@", b"user:a:b", id="colon in the password"),
        pytest.param("user:a@b@", b"user:a@b", id="at-sign in the password"),
        pytest.param("üser:pä%C3%9F@", "üser:päß".encode(), id="UTF-8"),
        pytest.param("user:a+b@", b"user:a+b", id="plus is plus"),
        pytest.param("user@", b"user:", id="user only"),
        pytest.param(":secret@", b":secret", id="password only"),
        pytest.param("@", None, id="empty"),
    ],
)
def test_basic_auth(userinfo: str, pair: bytes | None, serve: Serve, workers: Workers) -> None:
    server = serve(answering(200))
    assert ask(server.url("/", userinfo), workers) is None
    expected = pair and f"Basic {base64.b64encode(pair).decode()}"
    assert [request.authorization for request in server.requests] == [expected]
    assert "@" not in server.requests[0].headers["host"]


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/there", "there", "?there", "{url}/there", "//{authority}/there"])
def test_redirect_on_the_same_host(status: int, location: str, serve: Serve, workers: Workers) -> None:
    server = serve(answering(200))
    url = server.url("")
    server.behaviour = redirecting(location.format(url=url, authority=url.partition("//")[2]), status)
    assert ask(server.url("/", "user:password@"), workers, target=Target("t", "i")) is None
    first, second = server.requests
    assert second.path in {"/there", "/?there"}
    assert second.command == "GET"
    assert second.authorization == first.authorization == "Basic " + base64.b64encode(b"user:password").decode()
    assert (second.headers["x-table-name"], second.headers["x-gsi-name"]) == ("t", "i")


def test_redirect_to_an_error(serve: Serve, workers: Workers) -> None:
    server = serve(
        lambda handler: handler.answer(503) if handler.path == "/there" else handler.answer(302, Location="/there")
    )
    assert ask(server.url(), workers) == "HTTP 503"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_credentials_stay_on_their_host(host: str, serve: Serve, workers: Workers) -> None:
    """Another port of the same host gets them; another host does not, be it the very same server."""
    other = serve(answering(200))
    port = int(other.server_address[1])
    first = other if host == "localhost" else serve(answering(200))
    first.behaviour = redirecting(f"http://{host}:{port}/there")
    assert ask(first.url("/", "user:password@"), workers) is None
    assert first.requests[0].authorization is not None
    there = other.requests[-1]
    assert there.path == "/there"
    assert (there.authorization is None) == (host == "localhost")
    assert "password" not in str(there)
    assert there.headers["x-table-name"] == "my_table"
    assert there.headers["host"] == f"{host}:{port}"


def test_credentials_of_a_redirect_are_neither_sent_nor_told(serve: Serve, workers: Workers) -> None:
    other = serve(answering(401))
    first = serve(redirecting(f"http://mallory:s3cret@localhost:{other.server_address[1]}/there"))
    reason = ask(first.url("/", "user:password@"), workers)
    assert reason == "HTTP 401 after a redirect to another host, or from https to http: credentials are not sent there"
    assert other.requests[0].authorization is None
    assert "s3cret" not in str(other.requests)


def test_refused_credentials(serve: Serve, workers: Workers) -> None:
    server = serve(redirecting("/there"))
    server.behaviour = answering(401)
    assert ask(server.url("/", "user:password@"), workers) == "HTTP 401"


@pytest.mark.parametrize(("hops", "expected"), [(5, None), (6, "more than 5 redirects")])
def test_number_of_redirects(hops: int, expected: str | None, serve: Serve, workers: Workers) -> None:
    def count_down(handler: Handler) -> None:
        left = int(handler.path[1:])
        if left:
            handler.answer(302, Location=f"/{left - 1}")
        else:
            handler.answer(200)

    server = serve(count_down)
    assert ask(server.url(f"/{hops}"), workers) == expected
    assert len(server.requests) == 6


@pytest.mark.parametrize("location", ["/", "", "#", "{url}"])
def test_redirect_loop(location: str, serve: Serve, workers: Workers) -> None:
    server = serve(answering(200))
    server.behaviour = answering(301, Location=location.format(url=server.url()))
    assert ask(server.url(), workers) == "more than 5 redirects"
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    [
        "ftp://u:s3cret@127.0.0.1/",
        "file:///etc/passwd",
        "javascript:s3cret",
        "http://u:s3cret@127.0.0.1:notaport/",
        "http://u:s3/cret@127.0.0.1/",
        "http://[s3cret/",
        "http:///s3cret",
        "http://u:s3cret@a\u2100b/",
    ],
)
def test_redirect_elsewhere(location: str, serve: Serve, workers: Workers) -> None:
    def redirect(handler: Handler) -> None:
        handler.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())

    reason = ask(serve(redirect).url(), workers)
    assert reason in {"HTTP 302 to a URL that is not http(s)", "more than 5 redirects"} or (
        reason is not None and reason.startswith("host name not found")
    )
    assert "cret" not in reason


def test_redirect_to_a_path_that_is_not_ascii(serve: Serve, workers: Workers) -> None:
    def redirect(handler: Handler) -> None:
        if handler.path == "/":
            handler.wfile.write("HTTP/1.1 302 Found\r\nLocation: /ä b%20c\r\n\r\n".encode())
        else:
            handler.answer(200)

    server = serve(redirect)
    assert ask(server.url(), workers) is None
    assert server.requests[1].path == "/%C3%A4%20b%20c"


# Servers that misbehave


def silent(handler: Handler) -> None:
    handler.server.stopping.wait(PATIENT)


def trickling(head: bytes) -> Behaviour:
    """The head, and then one byte after the other, for ever."""

    def send(handler: Handler) -> None:
        handler.wfile.write(head)
        while not handler.server.stopping.wait(0.02):
            handler.wfile.write(b"a")

    return send


def saying(data: bytes, *, times: int = 1) -> Behaviour:
    def send(handler: Handler) -> None:
        for _ in range(times):
            handler.wfile.write(data)

    return send


def resetting(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


LATE = f"no answer within {HASTY} s"
INVALID = "not a valid HTTP response"
BROKEN = [
    pytest.param(silent, LATE, id="silent"),
    pytest.param(trickling(b""), LATE, id="trickling status"),
    pytest.param(trickling(b"HTTP/1.1 200 OK\r\nx: "), LATE, id="trickling header"),
    pytest.param(saying(b""), "connection closed without a response", id="empty reply"),
    pytest.param(saying(b"\r\n\r\n"), INVALID, id="blank"),
    pytest.param(saying(b"200 OK\r\n\r\n"), INVALID, id="garbage"),
    pytest.param(saying(b"\x16\x03\x01\x02\x00\xff\xfe\r\n\r\n"), INVALID, id="binary"),
    pytest.param(saying(b"HTTP/1.1 2000 OK\r\n\r\n"), INVALID, id="bad status"),
    pytest.param(saying(b"HTTP/9.9 200 OK\r\n\r\n"), INVALID, id="bad version"),
    pytest.param(saying(b"HTTP/1.1 2"), INVALID, id="cut off in the status"),
    pytest.param(saying(b"x" * 65536, times=100), INVALID, id="endless status"),
    pytest.param(saying(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000), INVALID, id="endless headers"),
]


@pytest.mark.parametrize(("behaviour", "expected"), BROKEN)
def test_broken(behaviour: Behaviour, expected: str, serve: Serve, workers: Workers) -> None:
    server = serve(behaviour)
    assert ask(server.url("/", "user:s3cret@"), workers, HASTY if expected == LATE else PATIENT) == expected
    assert server.connections == 1  # no second attempt


def test_slow_redirects_share_one_timeout(serve: Serve, workers: Workers) -> None:
    def dawdle(handler: Handler) -> None:
        handler.server.stopping.wait(0.2)
        handler.answer(302, Location="/")

    server = serve(dawdle)
    assert ask(server.url(), workers, 0.5) == "no answer within 0.5 s"
    assert len(server.requests) <= 3


def test_reset(serve: Serve, workers: Workers) -> None:
    assert ask(serve(resetting).url(), workers) == "connection reset by peer"


def test_refused(workers: Workers) -> None:
    with socket.socket() as bound:  # nobody listens, and nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        assert ask(f"http://127.0.0.1:{bound.getsockname()[1]}/", workers) == "connection refused"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse when the backlog is full")
def test_connection_is_never_accepted(workers: Workers) -> None:
    """A full backlog: Linux drops what comes then, as a firewall would."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        assert ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", workers, HASTY) == LATE


def test_endless_body(serve: Serve, workers: Workers) -> None:
    """Judged by its head; the body is not read, and the server is told so by a closed connection."""

    def pour(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while not handler.server.stopping.is_set():
                handler.server.written += handler.connection.send(b"4000\r\n" + b"x" * 16384 + b"\r\n")
        except ConnectionError:
            handler.server.hung_up.set()

    server = serve(pour)
    assert ask(server.url(), workers) is None
    assert server.hung_up.wait(PROMPT)
    assert server.written < 64 * 1024 * 1024  # what fits into the buffers of two sockets


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200", b"HTTP/1.1 204 \r\n", b"HTTP/1.1 302 x\r\nLocation:"]),
    st.binary(max_size=80),
)
def test_any_answer_gets_a_verdict(serve: Serve, workers: Workers, start: bytes, rest: bytes) -> None:
    """Whatever a server says: no exception, and closed only for a 2xx."""
    server = serve(saying(start + rest))
    try:
        reason = ask(server.url(), workers)
    finally:
        server.stop()
    if reason is None:
        assert (start + rest).split()[1][:1] == b"2"


# URLs that lead nowhere


@pytest.mark.parametrize(
    "url",
    [
        "",
        "user:s3cret@host",
        "ftp://user:s3cret@127.0.0.1/",
        "http://",
        "http://user:s3cret@",
        "http://user:s3cret@:80/",
        "http://user:s3/cret@127.0.0.1/",
        "http://user:s3#cret@127.0.0.1/",
        "http://user:s3cret@127.0.0.1:99999/",
        "http://user:s3cret@127.0.0.1:port/",
        "http://user:s3cret@[::1/",
        "http://user:s3cret@" + "x" * 64 + ".invalid/",
        "http://user:s3cret@a..invalid/",
        "http://user:s3cret@\u2100.invalid/",
        "http://user:\udcff@host.invalid/",
    ],
)
def test_unusable_url(url: str, workers: Workers) -> None:
    assert ask(url, workers) == "unusable URL"


def test_unresolvable_host(workers: Workers) -> None:
    reason = ask("http://user:s3cret@breaker.invalid/", workers, 2.0)
    assert reason is not None
    assert reason.startswith(
        ("host name not found: ", "no answer within 2 s")
    )  # the latter where name servers are away


def test_host_by_name(serve: Serve, workers: Workers) -> None:
    server = serve(answering(200))
    assert ask(server.url(host="localhost"), workers) is None


def test_hanging_name_lookup(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    original, release = socket.getaddrinfo, threading.Event()

    def hang(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "breaker.invalid" and not kwargs.get("flags"):
            release.wait(PATIENT)
        return original(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        assert ask("http://breaker.invalid/", workers, HASTY) == LATE
    finally:
        release.set()


@pytest.mark.parametrize(
    ("code", "lookups"),
    [
        pytest.param(socket.EAI_NONAME, 3, id="no such name: known at once"),
        pytest.param(socket.EAI_AGAIN, 1, id="name servers silent: time was lost"),
    ],
)
def test_failing_name_lookup(code: int, lookups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(host: Any, *_: Any, flags: int = 0, **__: Any) -> Any:
        if not flags:
            asked.append(host)
        raise socket.gaierror(code, "no luck")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with contextlib.closing(Workers(threads=1)) as one:
        opened = poll([Breaker(Target(f"t{i}"), "http://breaker.invalid/", PATIENT) for i in range(3)], one)
    assert opened[Target("t0")] == "host name not found: no luck"
    assert len(opened) == 3
    assert len(asked) == lookups


def test_ipv6_literal(serve: Serve, workers: Workers) -> None:
    try:
        server = serve(answering(200), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert ask(server.url(host="[::1]"), workers) is None
    assert server.requests[0].headers["host"] == f"[::1]:{server.server_address[1]}"


@pytest.mark.parametrize("code", [errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_network_errors(code: int, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(code, "Network says No")

    def fail(*_: Any, **__: Any) -> socket.socket:
        raise error

    monkeypatch.setattr(urllib3.util.connection, "create_connection", fail)
    assert ask("http://127.0.0.1/", workers) == "network says No"


def test_unforeseen_error(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a mistake of ours leaves the resource alone, and the others their turn."""

    def fail(*_: Any, **__: Any) -> socket.socket:
        raise KeyError("s3cret")

    monkeypatch.setattr(urllib3.util.connection, "create_connection", fail)
    assert ask("http://127.0.0.1/", workers) == "failed: KeyError"


@pytest.mark.parametrize("timeout", [float("inf"), 1e15])
def test_immense_timeout(timeout: float, serve: Serve, workers: Workers) -> None:
    assert ask(serve(answering(200)).url(host="localhost"), workers, timeout) is None


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority in the trust store."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return authority


def certified(by: trustme.CA, *names: str, days: int = 30) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    by.issue_cert(*names, not_before=end - datetime.timedelta(days=60), not_after=end).configure_cert(context)
    return context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_good_certificate(host: str, serve: Serve, workers: Workers, trusted: trustme.CA) -> None:
    server = serve(redirecting("/there"), certified(trusted, host))
    assert ask(server.url("/", "user:password@", host), workers) is None
    assert all(request.authorization for request in server.requests)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [
        pytest.param("example.com", 30, "Hostname mismatch", id="wrong name"),
        pytest.param("localhost", -1, "expired", id="expired"),
    ],
)
@pytest.mark.usefixtures("trusted")
def test_bad_certificate(name: str, days: int, words: str, serve: Serve, authority: trustme.CA) -> None:
    server = serve(answering(200), certified(authority, name, days=days))
    with contextlib.closing(Workers(threads=1)) as one:
        reason = ask(server.url("/", "user:s3cret@", "localhost"), one)
    assert reason is not None
    assert reason.startswith("certificate not trusted: ")
    assert words in reason
    assert server.requests == []  # so no password went out


def test_unknown_authority(serve: Serve, workers: Workers) -> None:
    server = serve(answering(200), certified(trustme.CA(), "localhost"))
    reason = ask(server.url(host="localhost"), workers)
    assert reason is not None
    assert reason.startswith("certificate not trusted: ")
    assert server.requests == []


def test_redirect_to_a_bad_certificate(serve: Serve, workers: Workers) -> None:
    other = serve(answering(200), certified(trustme.CA(), "localhost"))
    first = serve(redirecting(other.url(host="localhost")))
    reason = ask(first.url(), workers)
    assert reason is not None
    assert reason.startswith("certificate not trusted: ")


@pytest.mark.parametrize("schemes", [("http", "https"), ("https", "http")], ids=" to ".join)
def test_credentials_stay_in_their_scheme(
    schemes: tuple[str, str], serve: Serve, workers: Workers, trusted: trustme.CA
) -> None:
    """On the same host and the same port, even: in the clear after TLS they are not sent."""
    server = serve(answering(200), certified(trusted, "localhost"))
    before, after = (f"{scheme}://{{}}localhost:{server.server_address[1]}/" for scheme in schemes)
    server.behaviour = redirecting(after.format("") + "there")
    assert ask(before.format("user:password@"), workers) is None
    assert [request.path for request in server.requests] == ["/", "/there"]
    assert [request.authorization is None for request in server.requests] == [False, schemes == ("https", "http")]


@pytest.mark.parametrize(
    ("start", "then", "expected"),
    [
        pytest.param(b"", b"", LATE, id="silent"),
        pytest.param(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x03", LATE, id="trickling handshake"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", b"", "TLS failed: WRONG_VERSION_NUMBER", id="plain HTTP"),
    ],
)
def test_no_tls_where_it_is_due(start: bytes, then: bytes, expected: str, workers: Workers) -> None:
    """A server that sends the start, and then the rest again and again until the client has gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:  # on a busy machine its time was over before the client came
                return
            connection.settimeout(0.02)
            with connection, contextlib.suppress(ConnectionError):
                connection.sendall(start)
                while True:
                    with contextlib.suppress(TimeoutError):
                        if not connection.recv(65536):
                            break
                    connection.sendall(then)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        assert ask(url, workers, HASTY if expected == LATE else PATIENT) == expected
        listener.shutdown(socket.SHUT_RDWR)  # ends accept()
        thread.join()


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        pytest.param(silent, LATE, id="silent"),
        pytest.param(trickling(b"HTTP/1.1 200 OK\r\nx: "), LATE, id="trickling header"),
        pytest.param(saying(b"HTTP/1.1 2"), INVALID, id="cut off"),
    ],
)
def test_broken_over_tls(
    behaviour: Behaviour, expected: str, serve: Serve, workers: Workers, trusted: trustme.CA
) -> None:
    server = serve(behaviour, certified(trusted, "localhost"))
    assert ask(server.url(host="localhost"), workers, HASTY if expected == LATE else PATIENT) == expected


# Proxies


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_proxy(name: str, scheme: str, serve: Serve, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(redirecting("/there?a=%2F b"))
    with ProxyServer() as proxy:
        monkeypatch.setenv(name, f"{scheme}{proxy.address}")
        assert ask(server.url("/", "user:password@"), workers) is None
    url = server.url("")
    assert proxy.asked == [(f"GET {url}/", None), (f"GET {url}/there?a=%2F%20b", None)]
    first, second = server.requests
    assert second.path == "/there?a=%2F%20b"
    assert first.authorization == second.authorization == "Basic " + base64.b64encode(b"user:password").decode()
    assert first.headers["host"] == url.partition("//")[2]
    assert first.headers["x-table-name"] == "my_table"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_tunnel(
    name: str, serve: Serve, workers: Workers, trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For https the proxy learns host and port, and nothing else."""
    server = serve(answering(200), certified(trusted, "localhost"))
    with ProxyServer() as proxy:
        monkeypatch.setenv(name, f"http://{proxy.address}")
        assert ask(server.url("/a", "user:password@", host="localhost"), workers) is None
    assert proxy.asked == [(f"CONNECT localhost:{server.server_address[1]}", None)]
    assert [request.path for request in server.requests] == ["/a"]
    assert server.requests[0].authorization is not None


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("user", "expected"),
    [("me:s3cret%40@", None), ("me:s3/cret@", "HTTP 407"), ("me:wrong@", "HTTP 407"), ("", "HTTP 407")],
)
def test_proxy_with_a_password(
    tls: bool,
    user: str,
    expected: str | None,
    serve: Serve,
    workers: Workers,
    trusted: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes to the proxy alone, as the breaker's goes to its host."""
    server = serve(answering(200), certified(trusted, "localhost") if tls else None)
    with ProxyServer("me:s3cret@") as proxy:
        monkeypatch.setenv("HTTPS_PROXY" if tls else "HTTP_PROXY", f"http://{user}{proxy.address}")
        reason = ask(server.url("/", "user:password@", host="localhost"), workers)
    assert reason == (f"proxy: {expected}" if expected and tls else expected)
    ((_, told),) = proxy.asked
    decoded = user.rstrip("@").replace("%40", "@")
    assert told == (f"Basic {base64.b64encode(decoded.encode()).decode()}" if user else None)
    assert all("proxy-authorization" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    ("listed", "direct"),
    [
        ("*", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("a.invalid, localhost", True),
        ("localhost:{port}", True),
        (".localhost", True),
        ("localhost:1", False),
        ("host", False),
        ("127.0.0.1", False),
        (",", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy(
    name: str, listed: str, direct: bool, serve: Serve, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(200))
    with ProxyServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv(name, listed.format(port=server.server_address[1]))
        assert ask(server.url(host="localhost"), workers) is None
    assert len(proxy.asked) == (0 if direct else 1)


@pytest.mark.parametrize(
    ("listed", "direct"),
    [("127.0.0.0/8", True), ("127.0.0.1", True), ("10.0.0.0/8,::1", False), ("127.0.0.0/x", False)],
)
def test_no_proxy_for_addresses(
    listed: str, direct: bool, serve: Serve, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(200))
    with ProxyServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", listed)
        assert ask(server.url(), workers) is None
    assert len(proxy.asked) == (0 if direct else 1)


def test_an_own_proxy_for_each_scheme(
    serve: Serve, workers: Workers, trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen afresh for each redirect."""
    there = serve(answering(200), certified(trusted, "localhost"))
    here = serve(redirecting(there.url("/there", host="localhost")))
    with ProxyServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        assert ask(here.url(), workers) is None
    assert proxy.asked == [(f"CONNECT localhost:{there.server_address[1]}", None)]
    assert [request.path for request in there.requests] == ["/there"]


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("http://me:s3cret@127.0.0.1:{closed}", "proxy: connection refused"),
        ("ftp://me:s3cret@127.0.0.1:1", "proxy: unusable URL"),
        ("socks5://me:s3cret@127.0.0.1:1", "proxy: unusable URL"),
        ("http://me:s3/cr@et@127.0.0.1:1", "proxy: unusable URL"),
        ("http://", "proxy: unusable URL"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_unusable_proxy(
    scheme: str, proxy: str, reason: str, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv(f"{scheme}_proxy", proxy.format(closed=bound.getsockname()[1]))
        assert ask(f"{scheme}://breaker.invalid/", workers) == reason


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silent_proxy(scheme: str, serve: Serve, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", serve(trickling(b"HTTP/1.1 200 OK\r\nx: ")).url())
    assert ask(f"{scheme}://breaker.invalid/", workers, HASTY) == LATE


# Many breakers at once


def breakers(url: str, count: int, timeout: float = PATIENT, prefix: str = "t") -> list[Breaker]:
    return [Breaker(Target(f"{prefix}{i}"), url, timeout) for i in range(count)]


@pytest.mark.parametrize("apart", [True, False], ids=["URLs of their own", "one URL"])
def test_side_by_side(apart: bool, serve: Serve, workers: Workers) -> None:
    """Requests that are only answered when all four are there; one of each URL goes first."""
    meeting = threading.Barrier(4)

    def meet(handler: Handler) -> None:
        if apart or len(server.requests) > 1:
            meeting.wait(PROMPT)
        handler.answer(200)

    server = serve(meet)
    count = 4 if apart else 5
    asked = [Breaker(Target(f"t{i}"), server.url(f"/{i if apart else ''}"), PATIENT) for i in range(count)]
    assert poll(asked, workers) == {}
    assert len(server.requests) == count


def test_one_request_a_resource(serve: Serve) -> None:
    """Each resource speaks for itself, and one worker is enough for all."""
    server = serve(lambda handler: handler.answer(200 if handler.headers["x-table-name"] == "t1" else 500))
    with contextlib.closing(Workers(threads=1)) as one:
        opened = poll(breakers(server.url(), 5), one)
    assert opened == {Target(f"t{i}"): "HTTP 500" for i in (0, 2, 3, 4)}
    assert sorted(request.headers["x-table-name"] for request in server.requests) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_table_does_not_speak_for_its_index(serve: Serve, workers: Workers) -> None:
    server = serve(lambda handler: handler.answer(500 if "x-gsi-name" in handler.headers else 200))
    asked = [Breaker(target, server.url(), PATIENT) for target in (Target("t"), Target("t", "i"))]
    assert poll(asked, workers) == {Target("t", "i"): "HTTP 500"}


def test_a_dead_url_is_asked_once(serve: Serve, workers: Workers) -> None:
    """With the time-out of the most patient of its breakers."""
    dead, healthy = serve(silent), serve(answering(200))
    asked = [*breakers(dead.url(), 40, 0.01), Breaker(Target("last"), dead.url(), HASTY)]
    opened = poll([*asked, *breakers(healthy.url(), 10, PATIENT, "well")], workers)
    assert opened == {one.target: f"{LATE} when asked about last" for one in asked} | {Target("last"): LATE}
    assert len(dead.requests) == 1
    assert len(healthy.requests) == 10


def test_many_dead_urls_take_the_time_of_the_slowest(serve: Serve, workers: Workers) -> None:
    dead, healthy = serve(silent), serve(answering(200))
    urls = [dead.url(f"/{number}") for number in range(MOST_THREADS - 1)]
    asked = [Breaker(Target(f"t{number}"), url, 0.5) for number, url in enumerate([*urls, healthy.url()])]
    start = time.monotonic()
    opened = poll(asked, workers)
    assert time.monotonic() - start < 2 * PROMPT  # one after the other: 128 s; four at a time: 32 s
    assert opened == {breaker.target: "no answer within 0.5 s" for breaker in asked[:-1]}
    assert len(healthy.requests) == 1


def test_where_too_many_urls_are_dead_the_rest_is_not_asked(workers: Workers) -> None:
    """It is open all the same."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:  # takes none of them
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        asked = [Breaker(Target(f"t{number}"), f"{url}{number % 1000}", 0.2) for number in range(2000)]
        opened = poll(asked, workers)
    assert opened.keys() == {breaker.target for breaker in asked}
    counts = Counter(re.sub("[0-9]+ earlier calls| when asked .*", "", reason) for reason in opened.values())
    assert set(counts) == {"no answer within 0.2 s", "not asked:  got no answer"}
    assert counts["no answer within 0.2 s"] >= 2 * MOST_UNANSWERED  # and as many that share their URLs


def test_whoever_is_given_up_is_hung_up_on(serve: Serve, workers: Workers) -> None:
    """A peer that sends a byte now and then would keep socket and thread for ever."""

    def trickle(handler: Handler) -> None:
        try:
            trickling(b"HTTP/1.1 200 OK\r\nx: ")(handler)
        except ConnectionError:
            handler.server.hung_up.set()

    server = serve(trickle)
    assert ask(server.url(), workers, HASTY) == LATE
    assert server.hung_up.wait(PROMPT)


def test_a_dead_url_does_not_speak_for_another(serve: Serve) -> None:
    server = serve(lambda handler: silent(handler) if handler.path == "/dead" else handler.answer(200))
    asked = [Breaker(Target("a"), server.url("/dead"), HASTY), Breaker(Target("b"), server.url("/alive"), PATIENT)]
    with contextlib.closing(Workers(threads=1)) as one:
        assert poll(asked, one) == {Target("a"): LATE}


def test_a_dead_url_gets_another_chance_in_the_next_poll(serve: Serve, workers: Workers) -> None:
    server = serve(silent)
    assert ask(server.url(), workers, HASTY) == LATE
    server.behaviour = answering(200)
    assert ask(server.url(), workers, PATIENT) is None


def test_the_same_target_twice_is_open_when_one_is(serve: Serve, workers: Workers) -> None:
    bad, good = serve(answering(500)), serve(answering(200))
    assert poll([Breaker(TABLE, url, PATIENT) for url in (bad.url(), good.url())], workers) == {TABLE: "HTTP 500"}


def test_told_to_end(serve: Serve) -> None:
    """Whoever is being asked is hung up on, and nobody else is asked."""
    begun = threading.Event()

    def trickle(handler: Handler) -> None:
        begun.set()
        try:
            trickling(b"HTTP/1.1 200 OK\r\nx: ")(handler)
        except ConnectionError:
            handler.server.hung_up.set()

    server = serve(trickle)
    with contextlib.closing(Workers(begun.is_set, threads=1)) as stopped, pytest.raises(StoppedError):
        poll(breakers(server.url(), 3), stopped)
    assert server.hung_up.wait(PROMPT)
    assert len(server.requests) == 1


# Secrets


def test_repr_has_no_password() -> None:
    breaker = Breaker(TABLE, "http://user:s3cret@127.0.0.1/", 10.0)
    assert "s3cret" not in f"{breaker!r} {breaker}"
    assert "http://user:***@127.0.0.1/" in repr(breaker)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://user:secret@host:80/path?a=b", "http://user:***@host:80/path?a=b"),
        ("HTTPS://user:secret@host", "HTTPS://user:***@host"),
        ("http://user:se:cr:et@host/", "http://user:***@host/"),
        ("http://user:se@cr@et@host/", "http://user:***@host/"),
        ("http://user:se/cr?e#t@host/", "http://user:***@host/"),
        ("http://user:se://cr@host/", "http://user:***@host/"),
        ("http://user:%73ecret@host/", "http://user:***@host/"),
        ("http://user:se cr\net@host/", "http://user:***@host/"),
        ("http://us/er:secret@host/", "http://us/er:***@host/"),
        ("http://:secret@host/", "http://:***@host/"),
        ("http://user:@host/", "http://user:***@host/"),
        ("http://user:secret@", "http://user:***@"),
        ("htp://user:secret@host", "htp://user:***@host"),
        ("  http://user:secret@host", "  http://user:***@host"),
        ("user:secret@host", "user:***@host"),
        ("user:se://cret@host", "user:***@host"),
        ("http:/user:secret@host", "http:***@host"),
        ("http://user:secret@[::1]:80/", "http://user:***@[::1]:80/"),
        ("http://host:80/path", "http://host:80/path"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://user@host/", "http://user@host/"),
        ("http://user@host:80/", "http://user@host:80/"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("http://host:8080/x?m=a:b@c", "http://host:8080/x?m=a:b@c"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("http://host:65536/a@b", "http://host:***@b"),
        ("http://host:/a@b", "http://host:***@b"),
        ("http://user:secret@host/a@b", "http://user:***@b"),
        ("http://user:80@host/", "http://user:***@host/"),
        ("no URL", "no URL"),
        ("", ""),
    ],
)
def test_mask_url(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@settings(max_examples=60)
@given(
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "s3+x://"]),
    st.text(string.ascii_letters + string.digits + "-._%/ ", max_size=8),
    st.text() | st.text(string.punctuation + "ab", max_size=20),
)
def test_no_password_survives(scheme: str, user: str, password: str) -> None:
    assume(not re.match("[0-9]+([/?#]|$)", password))  # a port, and what follows is a path
    masked = mask_url(f"{scheme}{user}:{password}@host:80/path?query")
    assert masked == f"{scheme}{user}:***@host:80/path?query"
    assert mask_url(masked) == masked


@given(st.text())
def test_mask_url_takes_any_text(text: str) -> None:
    masked = mask_url(text)
    assert masked == text or "***" in masked


def test_reasons_quote_nothing_that_the_server_said(serve: Serve, workers: Workers) -> None:
    """An answer may echo the Authorization header, and a log line is not the server's to write."""

    def echo(handler: Handler) -> None:
        handler.wfile.write(f"{handler.headers['authorization']} s3cret\nfake log line\r\n\r\n".encode())

    assert ask(serve(echo).url("/", "user:s3cret@"), workers) == INVALID
