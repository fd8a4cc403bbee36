"""The circuit breaker: a URL that decides whether a table or an index may be scaled now.

HTTP 2xx means closed: scale. Anything else means open: skip the resource. So every failure here is a reason, never an
exception.

The time-out covers the whole exchange, including name look-up and redirects. urllib3's time-out applies to each read: a
server that sends a byte now and then could keep the connection open for ever, and no library can interrupt the system's
name look-up. So an exchange is a call that the workers give up at the end of its time.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import ssl
import string
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from dynamic_dynamodb.aws.calls import Workers, seconds_left
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.checks.proxies import proxy_for
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.output.masking import mask_url
from dynamic_dynamodb.output.urls import user_information

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_MAX_TIMEOUT = 86_400.0  # seconds; sockets refuse numbers above 24 days
_HANGS = 0.1  # seconds; a healthy service has answered by then, and dead ones must not wait for each other


@dataclass(frozen=True)
class Breaker:
    """The circuit breaker of one resource."""

    target: Target
    url: str  # http or https; may contain user:password@, percent-encoded if necessary
    timeout: float  # seconds, for the whole exchange

    def __repr__(self) -> str:
        """Without the password, because this text gets into logs and tracebacks."""
        return f"Breaker(target={self.target!r}, url={mask_url(self.url)!r}, timeout={self.timeout!r})"


def poll(breakers: Iterable[Breaker], workers: Workers) -> dict[Target, str]:
    """Ask all breakers in parallel. Returns the open ones, each with its reason in a few words.

    There is one request per breaker, without retries. Each URL is first asked for one of its breakers. If that request
    times out, the other breakers of the URL are open without a request. So dead URLs cost one request each, and all of
    them together the greatest of their time-outs. No reason contains a password.

    Raises what `workers.read` itself raises. A failure of a breaker is a reason.
    """
    first: dict[str, Breaker] = {}
    rest: list[Breaker] = []
    for breaker in sorted(breakers, key=lambda breaker: -breaker.timeout):  # the most patient breaker goes first
        if first.setdefault(breaker.url, breaker) is not breaker:
            rest.append(breaker)
    ask = _Poll(workers).ask
    return ask("circuit breakers, each URL", first.values()) | ask("circuit breakers, the rest", rest)


class _Poll:
    """The state that the requests of one poll() share."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._dead: dict[str, str] = {}  # URLs that timed out or were not asked, each with its reason
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def ask(self, what: str, breakers: Iterable[Breaker]) -> dict[Target, str]:
        """The open ones, each with its reason."""
        exchanges = [_Exchange(breaker, self._tls) for breaker in breakers]
        answers = self._workers.read(
            what,
            self._ask,
            exchanges,
            patience=lambda exchange: exchange.breaker.timeout,
            hangs=_HANGS,
            give_up=self._give_up,
        )
        opened: dict[Target, str] = {}
        for exchange, answer in zip(exchanges, answers, strict=True):
            if isinstance(answer, AwsError) and not exchange.late:
                self._dead[exchange.breaker.url] = exchange.late = f"not asked: {answer.message}"
            reason = exchange.late if isinstance(answer, AwsError) else answer
            if reason is not None:
                opened[exchange.breaker.target] = reason
        return opened

    def _ask(self, exchange: _Exchange) -> str | None:
        """Why a breaker is open, or None if it is closed. Raises AwsError after a time-out."""
        breaker = exchange.breaker
        if breaker.url in self._dead:
            return self._dead[breaker.url]
        try:
            return exchange.verdict()
        except Exception as raised:  # noqa: BLE001 - an unreadable answer means open, too
            error = _cause(raised)
            of_proxy = isinstance(raised, _PROXY_ERRORS)
        reason = _reason(error, breaker.timeout)
        if of_proxy:
            reason = f"proxy: {reason}"
        if not _timed_out(error):
            return reason
        self._late(exchange, reason)
        raise AwsError("circuit breaker", "no answer", reason, answered=False)

    def _give_up(self, exchange: _Exchange) -> None:
        self._late(exchange, _reason(TimeoutError(), exchange.breaker.timeout))
        exchange.hang_up()

    def _late(self, exchange: _Exchange, reason: str) -> None:
        exchange.late = reason
        self._dead[exchange.breaker.url] = f"{reason} when asked about {exchange.breaker.target}"

    def _tls(self) -> ssl.SSLContext:
        """The system's trust store, or SSL_CERT_FILE and SSL_CERT_DIR; read once per poll."""
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
            return self._context


class _UnusableProxyError(ValueError):
    """The proxy in the environment is not a valid http or https URL."""


_PROXY_ERRORS = (urllib3.exceptions.ProxyError, _UnusableProxyError)


def _timed_out(error: Exception) -> bool:
    """Whether it was a time-out that another request would meet again; EAI_AGAIN: no answer from the name servers."""
    return isinstance(error, TimeoutError) or (
        isinstance(error, socket.gaierror) and error.errno == getattr(socket, "EAI_AGAIN", None)
    )


# The first match counts. The text of an exception may quote the URL or the server's answer, so only the words of the
# operating system and of OpenSSL are used. (A bad certificate is also a ValueError, a missing answer an OSError.)
_REASONS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (ssl.SSLCertVerificationError, lambda error: f"certificate not trusted: {error.verify_message}"),
    (ssl.SSLError, lambda error: f"TLS failed: {error.reason or error.strerror}"),
    (socket.gaierror, lambda error: f"host name not found: {error.strerror}"),
    (http.client.RemoteDisconnected, lambda _: "connection closed without a response"),
    (http.client.HTTPException, lambda _: "not a valid HTTP response"),
    (OSError, lambda error: _refused_tunnel(error) or _uncapitalized(error.strerror or "Connection failed")),
    (ValueError, lambda _: "unusable URL"),
    (Exception, lambda error: f"failed: {type(error).__name__}"),
)


def _reason(error: Exception, timeout: float) -> str:
    """The reason for an error, in a few words; `timeout` is in seconds."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    return next(words(error) for kind, words in _REASONS if isinstance(error, kind))


def _refused_tunnel(error: OSError) -> str:
    """The status with which a proxy refuses a tunnel; http.client has it only in the text."""
    status = re.match("Tunnel connection failed: ([0-9]{3})", str(error))
    return f"HTTP {status[1]}" if status else ""


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


class _Url(NamedTuple):
    """Where to send a request; without user and password."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the port unless it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def joined(self, location: str) -> _Url:
        """The target of a redirect from here. Raises ValueError if it is not an http(s) URL."""
        # http.client decodes the bytes of a header as Latin-1.
        return _parse(urljoin(f"{self.origin}{self.path}", _quote(location, "latin-1")))


def _quote(text: str, encoding: str = "utf-8") -> str:
    """Percent-encode only the characters that are not allowed in a request line."""
    return quote(text, safe=string.punctuation, encoding=encoding)


def _parse(url: str) -> _Url:
    """Parse a URL, and drop user and password. Raises ValueError if it is not an http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    path = _quote(parts.path or "/") + (f"?{_quote(parts.query)}" if parts.query else "")
    return _Url(parts.scheme, host, port, path)


def _authorization(url: str) -> dict[str, str]:
    """The header for the user and password of a URL; empty if there are none."""
    # Not urllib3.make_headers: it encodes in Latin-1, which lacks many characters.
    begin, end = user_information(url)
    userinfo = url[begin:end]
    if not userinfo:
        return {}
    user, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


class _Exchange:
    """One breaker's request, with its redirects."""

    def __init__(self, breaker: Breaker, tls: Callable[[], ssl.SSLContext]) -> None:
        self.breaker = breaker
        self._headers = {"x-table-name": breaker.target.table, "User-Agent": "dynamic-dynamodb"}
        if breaker.target.index is not None:
            self._headers["x-gsi-name"] = breaker.target.index
        self.late = ""  # the reason if there was no answer in time
        self._tls = tls
        self._connection: Any = None  # urllib3's, while one is open

    def hang_up(self) -> None:
        """Wake the thread if it is reading. A name look-up ends when the system's resolver gives up."""
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):  # it has been closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def verdict(self) -> str | None:
        """Why the breaker is open, or None if it is closed. Raises TimeoutError at the end of its time, and others."""
        first = url = _parse(self.breaker.url)
        authorization = _authorization(self.breaker.url)
        for _ in range(1 + _MAX_REDIRECTS):
            # Only the first host gets credentials, and never in the clear after TLS. urllib3's redirects ignore that.
            trusted = url.host == first.host and (url.scheme, first.scheme) != ("http", "https")
            status, location = self._get(url, self._headers | authorization if trusted else self._headers)
            if status not in _REDIRECTS or location is None:
                return _verdict(status, withheld=bool(authorization) and not trusted)
            try:
                url = url.joined(location)
            except ValueError:
                return f"HTTP {status} to a URL that is not http(s)"
        return f"more than {_MAX_REDIRECTS} redirects"

    def _get(self, url: _Url, headers: dict[str, str]) -> tuple[int, str | None]:
        """Make one request on a new connection. Returns the status and, if there is one, the Location.

        The body is not read, because the status is enough. The connection is closed.
        """
        left = min(seconds_left(), _MAX_TIMEOUT)
        if left <= 0:
            raise TimeoutError
        with self._pool(url) as pool:
            # A proxy needs the whole URL. For https it only provides a tunnel.
            proxied = pool.proxy is not None and url.scheme == "http"
            response = pool.urlopen(
                "GET",
                f"{url.origin}{url.path}" if proxied else url.path,
                headers=headers,
                redirect=False,
                retries=False,
                assert_same_host=False,
                preload_content=False,
                timeout=urllib3.Timeout(total=left),
            )
            try:
                return response.status, response.headers.get("Location")
            finally:
                self._connection.close()
                response.close()

    def _pool(self, url: _Url) -> HTTPConnectionPool:
        pool = self._manager(url).connection_from_host(url.host, url.port, url.scheme)
        connect: Any = pool.ConnectionCls

        def remembered(*arguments: Any, **options: Any) -> Any:
            self._connection = connect(*arguments, **options)
            return self._connection

        pool.ConnectionCls = remembered  # type: ignore[assignment]  # urllib3 needs only a callable
        return pool

    def _manager(self, url: _Url) -> urllib3.PoolManager:
        try:
            proxy = proxy_for(url.scheme, url.authority, url.host)
            via = _parse(proxy) if proxy else None
        except ValueError as error:
            raise _UnusableProxyError from error
        tls = self._tls() if "https" in (url.scheme, via and via.scheme) else None
        if proxy is None or via is None:
            return urllib3.PoolManager(ssl_context=tls)
        headers = {f"Proxy-{name}": value for name, value in _authorization(proxy).items()}
        return urllib3.ProxyManager(via.origin, proxy_headers=headers, proxy_ssl_context=tls, ssl_context=tls)


def _cause(error: Exception) -> Exception:
    """The error of the socket, of TLS or of http.client that an error of urllib3 wraps."""
    while isinstance(error, urllib3.exceptions.HTTPError):
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # urllib3 counts it as a time-out
        if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
            return TimeoutError()
        wrapped = [*(argument for argument in error.args if isinstance(argument, Exception)), error.__cause__]
        inner = next((one for one in wrapped if isinstance(one, Exception)), None)
        if inner is None:
            break
        error = inner
    return error


def _verdict(status: int, *, withheld: bool) -> str | None:
    """Why a final status means open, or None for closed; `withheld`: the credentials were not sent there."""
    if 200 <= status < 300:
        return None
    if status == http.client.UNAUTHORIZED and withheld:
        return "HTTP 401 after a redirect to another host, or from https to http: credentials are not sent there"
    return f"HTTP {status}"
