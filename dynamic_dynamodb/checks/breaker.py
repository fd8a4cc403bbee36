"""The circuit breaker: a URL that says whether a table or an index may be scaled now.

HTTP 2xx means closed: go on. Everything else means open: leave the resource
alone. So whatever goes wrong here is a reason, never an exception.

The time-out is for the whole exchange, name lookup and redirects included.
urllib3 has one for each read: a server that sends a byte now and then would
hold it for ever, and no library can interrupt the system's name lookup. Hence
an exchange is a call that the workers give up at the end of its time.
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
_HANGS = 0.1  # seconds; a sound service has answered by then, and many dead ones shall not wait for each other


@dataclass(frozen=True)
class Breaker:
    """The circuit breaker of one resource."""

    target: Target
    url: str  # http or https; may hold user:password@, percent-encoded where need be
    timeout: float  # seconds, for the whole exchange

    def __repr__(self) -> str:
        """Without the password: this text ends up in logs and tracebacks."""
        return f"Breaker(target={self.target!r}, url={mask_url(self.url)!r}, timeout={self.timeout!r})"


def poll(breakers: Iterable[Breaker], workers: Workers) -> dict[Target, str]:
    """Ask all breakers, side by side; the open ones, each with its reason in a few words.

    One request per breaker, none repeated. Each URL is first asked for one of
    its breakers; where that has timed out, its other breakers are open without
    being asked. So dead URLs cost the greatest of their time-outs, and one
    request each. No reason holds a password.

    Raises what `workers.run` raises of itself; whatever goes wrong with a breaker is a reason.
    """
    first: dict[str, Breaker] = {}
    rest: list[Breaker] = []
    for breaker in sorted(breakers, key=lambda breaker: -breaker.timeout):  # the most patient one speaks for all
        if first.setdefault(breaker.url, breaker) is not breaker:
            rest.append(breaker)
    ask = _Poll(workers).ask
    return ask("circuit breakers, each URL", first.values()) | ask("circuit breakers, the rest", rest)


class _Poll:
    """What the requests of one call of poll() share."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._dead: dict[str, str] = {}  # URLs that timed out or were not asked, and what to say of them
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
        """Why a breaker is open, or None when it is closed. Raises AwsError where time was lost."""
        breaker = exchange.breaker
        if breaker.url in self._dead:
            return self._dead[breaker.url]
        try:
            return exchange.verdict()
        except Exception as raised:  # noqa: BLE001 - an answer that we cannot make out means open, too
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
        """The system's trust store, or SSL_CERT_FILE and SSL_CERT_DIR; read anew in each poll, but once."""
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
            return self._context


class _UnusableProxyError(ValueError):
    """The URL of a proxy in the environment is none, or not of http or https."""


_PROXY_ERRORS = (urllib3.exceptions.ProxyError, _UnusableProxyError)


def _timed_out(error: Exception) -> bool:
    """Whether time was lost that would be lost again; EAI_AGAIN: the name servers did not answer."""
    return isinstance(error, TimeoutError) or (
        isinstance(error, socket.gaierror) and error.errno == getattr(socket, "EAI_AGAIN", None)
    )


# The first that fits counts. The text of an exception may quote the URL or
# what the server sent, so only what the operating system and OpenSSL say is
# passed on. (A bad certificate is a ValueError as well, a missing answer an OSError.)
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
    """An error in a few words; `timeout` in seconds."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    return next(words(error) for kind, words in _REASONS if isinstance(error, kind))


def _refused_tunnel(error: OSError) -> str:
    """The status with which a proxy refuses a tunnel; http.client has it in the text alone."""
    status = re.match("Tunnel connection failed: ([0-9]{3})", str(error))
    return f"HTTP {status[1]}" if status else ""


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


class _Url(NamedTuple):
    """Where to send a request; no user and no password in it."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def joined(self, location: str) -> _Url:
        """Where a redirect from here leads. Raises ValueError when that is no http(s) URL."""
        # http.client hands out the bytes of a header as Latin-1.
        return _parse(urljoin(f"{self.origin}{self.path}", _quote(location, "latin-1")))


def _quote(text: str, encoding: str = "utf-8") -> str:
    """Percent-encode what must not stand in a request line, and nothing else."""
    return quote(text, safe=string.punctuation, encoding=encoding)


def _parse(url: str) -> _Url:
    """Take a URL apart, without its user and password. Raises ValueError when it is no http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    path = _quote(parts.path or "/") + (f"?{_quote(parts.query)}" if parts.query else "")
    return _Url(parts.scheme, host, port, path)


def _authorization(url: str) -> dict[str, str]:
    """The header for the user and password of a URL; empty when there are none."""
    # Not urllib3.make_headers: it encodes in Latin-1, which has not all characters.
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
        self.late = ""  # what to say where it got no answer in time
        self._tls = tls
        self._connection: Any = None  # urllib3's, while one is open

    def hang_up(self) -> None:
        """Wake the thread, if it is reading; a name lookup ends when the system's resolver gives up."""
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):  # it has been closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def verdict(self) -> str | None:
        """Why the breaker is open, or None when it is closed. Raises TimeoutError at the end of its time, and more."""
        first = url = _parse(self.breaker.url)
        authorization = _authorization(self.breaker.url)
        for _ in range(1 + _MAX_REDIRECTS):
            # To the same host only, and never in the clear after TLS, which urllib3's own redirects do not see to.
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
        """One request on a connection of its own: the status and, if there is one, the Location.

        The body is not read: the status says all, and the connection is closed.
        """
        left = min(seconds_left(), _MAX_TIMEOUT)
        if left <= 0:
            raise TimeoutError
        with self._pool(url) as pool:
            # A proxy is told the whole URL; to https there is a tunnel through it, in which it hears nothing.
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

        pool.ConnectionCls = remembered  # type: ignore[assignment]  # a callable is all that urllib3 needs
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
    """The error of the socket, of TLS or of http.client that one of urllib3's wraps."""
    while isinstance(error, urllib3.exceptions.HTTPError):
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which urllib3 counts as a time-out
        if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
            return TimeoutError()
        wrapped = [*(argument for argument in error.args if isinstance(argument, Exception)), error.__cause__]
        inner = next((one for one in wrapped if isinstance(one, Exception)), None)
        if inner is None:
            break
        error = inner
    return error


def _verdict(status: int, *, withheld: bool) -> str | None:
    """What a final status means; `withheld`: the credentials were not sent there."""
    if 200 <= status < 300:
        return None
    if status == http.client.UNAUTHORIZED and withheld:
        return "HTTP 401 after a redirect to another host, or from https to http: credentials are not sent there"
    return f"HTTP {status}"
