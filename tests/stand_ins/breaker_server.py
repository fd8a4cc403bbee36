"""An HTTP server that answers circuit breakers in every way there is."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple


class Request(NamedTuple):
    command: str
    path: str
    headers: dict[str, str]  # names in lower case
    authorization: str | None


Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        """Record the request; every method is answered, so that a wrong one is seen."""
        if not super().parse_request():
            return False
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, headers.get("authorization")))
        self.close_connection = True
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.server.behaviour(self)
        return False

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 256
    daemon_threads = False  # so that server_close() waits for them

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None, host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.behaviour = behaviour
        self.tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.written = 0  # bytes of an endless answer
        self.hung_up = threading.Event()  # the client closed first
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str = "/", userinfo: str = "", host: str = "127.0.0.1") -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{userinfo}{host}:{self.server_address[1]}{path}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread; a server with TLS takes plain HTTP as well, on the same port."""
        self.connections += 1
        if self.tls is None or request.recv(1, socket.MSG_PEEK) != b"\x16":
            super().finish_request(request, client_address)
            return
        with contextlib.suppress(OSError), self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
