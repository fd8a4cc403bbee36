"""An HTTP proxy that works: plain requests are passed on, CONNECT makes a tunnel; it may want a user and password."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Handler(BaseHTTPRequestHandler):
    server: ProxyServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._admitted():
            return
        kept = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items() if name[:6].lower() != "proxy-")
        with socket.create_connection((str(url.hostname), url.port or 80), 10) as target:
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            target.sendall(f"GET {path} HTTP/1.1\r\n{kept}Connection: close\r\n\r\n".encode())
            _pump(target, self.connection)

    def do_CONNECT(self) -> None:
        if not self._admitted():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), 10) as target:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(target, self.connection))
            back.start()
            _pump(self.connection, target)
            back.join()

    def _admitted(self) -> bool:
        told = self.headers.get("Proxy-Authorization")
        self.server.asked.append((f"{self.command} {self.path}", told))
        wanted = self.server.user
        if wanted is None or told == "Basic " + base64.b64encode(wanted.encode()).decode():
            return True
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class ProxyServer(ThreadingHTTPServer):
    """What it was asked for stands in `asked`, with the Proxy-Authorization."""

    daemon_threads = False  # so that server_close() waits for them

    def __init__(self, user: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.user = user  # and password
        self.asked: list[tuple[str, str | None]] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def __enter__(self) -> ProxyServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
