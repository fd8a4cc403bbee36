"""A small HTTP server in one thread that answers scrapers, and that no client can make hang."""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from dynamic_dynamodb.errors import DynamicDynamoDBError
from dynamic_dynamodb.output.wording import reason

log = logging.getLogger("dynamic-dynamodb")

PATIENCE = 10.0  # seconds that a connection may take in total
MOST = 32  # connections at a time; others wait until one of them has ended
_LONGEST = 8192  # bytes of a request
_QUEUE = 64  # connections that wait in the system
_PAUSE = 1.0  # seconds without accepting connections after the system had no file descriptor for one
_TO_END = 2.0  # seconds that the thread may take to end
_OTHER_PORT, _OTHER_ADDRESS = "; choose another port", "; set metrics-address to an address of this machine"
_REMEDIES = {
    errno.EADDRINUSE: _OTHER_PORT,
    errno.EACCES: _OTHER_PORT,
    errno.EADDRNOTAVAIL: _OTHER_ADDRESS,
    errno.EAFNOSUPPORT: _OTHER_ADDRESS,  # no IPv6
}


class ListenError(DynamicDynamoDBError):
    """The port is not available, or no thread can be started for it."""


@dataclass(frozen=True)
class Answer:
    status: HTTPStatus
    kind: str  # Content-Type
    body: bytes


@dataclass
class _Connection:
    socket: socket.socket
    end: float  # when it is closed at the latest, on the monotonic clock
    asked: bytes = b""
    left: list[memoryview] = field(default_factory=list)  # of the answer


class Server:
    """Listens once it is made. `answer` gets the path of a GET, in the server's own thread."""

    def __init__(self, address: str, port: int, answer: Callable[[str], Answer], *, patience: float = PATIENCE) -> None:
        """Raises ListenError."""
        self._patience = patience
        self.address, self.port = address, port
        self._answer = answer
        self._connections: dict[int, _Connection] = {}
        self._accepts_from = 0.0
        self._closing = False
        self._listener = _listener(address, port)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._close_all()
            raise ListenError(f"metrics-port: the system cannot start a thread for it: {error}") from error

    def close(self) -> None:
        """Stop answering, and release the port."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._wake.send(b".")
        self._thread.join(_TO_END)

    # In the thread

    def _serve(self) -> None:
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._woken, selectors.EVENT_READ)
            try:
                while not self._closing:
                    self._round()
            except Exception:
                log.exception("the metrics are no longer served: unexpected error")
            finally:
                self._close_all()

    def _round(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if one.end <= now]:
            self._drop(connection)
        self._listen(now >= self._accepts_from and len(self._connections) < MOST)
        ends = [one.end for one in self._connections.values()]
        if self._accepts_from > now:
            ends.append(self._accepts_from)
        for key, _ in self._selector.select(max(0.0, min(ends) - now) if ends else None):
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.data, _Connection):
                self._go_on(key.data)

    def _listen(self, wanted: bool) -> None:
        if wanted and self._listener not in self._selector.get_map():
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif not wanted and self._listener in self._selector.get_map():
            self._selector.unregister(self._listener)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except BlockingIOError:  # the client is gone already
            return
        except OSError as error:
            log.debug("metrics: no connection accepted: %s", reason(error))
            self._accepts_from = time.monotonic() + _PAUSE
            return
        accepted.setblocking(False)
        connection = _Connection(accepted, time.monotonic() + self._patience)
        self._connections[accepted.fileno()] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _go_on(self, connection: _Connection) -> None:
        try:
            done = self._send(connection) if connection.left else self._receive(connection)
        except BlockingIOError:
            return
        except OSError:  # the client is gone
            done = True
        if done:
            self._drop(connection)

    def _receive(self, connection: _Connection) -> bool:
        """Read what has arrived. Returns whether the connection is finished."""
        got = connection.socket.recv(_LONGEST)
        connection.asked += got
        if b"\r\n\r\n" in connection.asked or len(connection.asked) >= _LONGEST:
            connection.left = [memoryview(part) for part in self._answered(connection.asked) if part]
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        return not got

    def _send(self, connection: _Connection) -> bool:
        """Send what the system accepts. Returns whether that was the rest."""
        first = connection.left[0]
        sent = connection.socket.send(first)
        connection.left = [part for part in (first[sent:], *connection.left[1:]) if len(part)]
        return not connection.left

    def _answered(self, asked: bytes) -> tuple[bytes, bytes]:
        """Head and body. The body is shared by all connections, and not copied."""
        words = asked.partition(b"\r\n")[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            answer, method = Answer(HTTPStatus.BAD_REQUEST, "text/plain", b"not a request\n"), b""
        elif (method := words[0]) not in (b"GET", b"HEAD"):
            answer = Answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET only\n")
        else:
            answer = self._safely(words[1].partition(b"?")[0].decode("ascii", "replace"))
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\nContent-Type: {answer.kind}\r\n"
            f"Content-Length: {len(answer.body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode(), b"" if method == b"HEAD" else answer.body

    def _safely(self, path: str) -> Answer:
        try:
            return self._answer(path)
        except Exception:
            log.exception("metrics: unexpected error")
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"failed\n")

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection.socket.fileno(), None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        connection.socket.close()

    def _close_all(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)
        for one in (self._listener, self._wake, self._woken):
            one.close()


def _listener(address: str, port: int) -> socket.socket:
    try:
        return _bound(address, port)
    except OSError as error:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        remedy = _REMEDIES.get(error.errno or 0, "")
        raise ListenError(f"metrics-port: cannot listen on {where}: {reason(error)}{remedy}") from error


def _bound(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind((address, port))
        made.listen(_QUEUE)
    except OSError:
        made.close()
        raise
    return made
