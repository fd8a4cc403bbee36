"""A World behind HTTP: AWS's wire protocols on one port of 127.0.0.1, with the faults of aws_faults on demand.

DynamoDB and CloudWatch speak JSON 1.0 and are told apart by X-Amz-Target, SNS
speaks the query protocol and answers in XML. Signatures are not checked, but a key may be refused. A
hand-made reader of HTTP/1.1, because http.server parses headers as if they were
mail, which would be most of the work of a request.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from types import TracebackType
from typing import BinaryIO, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aws_faults import (
    AwsFault,
    Body,
    CutFault,
    Fault,
    FaultHook,
    HoldFault,
    MutateFault,
    RawFault,
    ResetFault,
    SilenceFault,
    SlowFault,
    always,
    times,
)

from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.world import World

_BACKLOG = 256
_MOST_CONNECTIONS = 512
_MOST_HEADERS = 100
_MOST_BYTES = 1_000_000  # of one header line or body
_IDLE_SECONDS = 60
_JSON = "application/x-amz-json-1.0"
_XML = "text/xml"
_SNS = "http://sns.amazonaws.com/doc/2010-03-31/"

__all__ = [
    "AwsFault",
    "AwsServer",
    "Body",
    "CutFault",
    "Fault",
    "FaultHook",
    "HoldFault",
    "MutateFault",
    "RawFault",
    "ResetFault",
    "SilenceFault",
    "SlowFault",
    "always",
    "times",
]


# Protocols


@dataclass(frozen=True)
class _Request:
    service: str  # "dynamodb", "cloudwatch", "sns"
    operation: str
    body: Body


@dataclass(frozen=True)
class _Response:
    status: int
    body: bytes
    kind: str = _JSON
    query_error: str = ""  # what CloudWatch, once a query service, adds for old clients
    delivery: CutFault | SlowFault | None = None


_TARGETS = {"DynamoDB_20120810": "dynamodb", "GraniteServiceVersion20100801": "cloudwatch"}
_METHODS = {
    "ListTables": "list_tables",
    "DescribeTable": "describe_table",
    "UpdateTable": "update_table",
    "GetMetricData": "get_metric_data",
    "GetMetricStatistics": "get_metric_statistics",
    "Publish": "publish",
}
_PREFIXES = {"dynamodb": "com.amazonaws.dynamodb.v20120810", "cloudwatch": "com.amazonaws.cloudwatch.v2010_08_01"}


def _parse(headers: Mapping[str, str], body: bytes) -> _Request:
    """Raises ValueError for what is no request of these services."""
    target = headers.get("x-amz-target")
    if target is None:
        fields: Body = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        operation = str(fields.pop("Action", ""))
        fields.pop("Version", None)
        return _Request("sns", operation, fields)
    prefix, _, operation = target.partition(".")
    arguments = json.loads(body)
    if prefix not in _TARGETS or not isinstance(arguments, dict):
        raise ValueError(f"no service at {target}")
    for name in ("StartTime", "EndTime"):
        if name in arguments:
            arguments[name] = datetime.fromtimestamp(arguments[name], timezone.utc)
    return _Request(_TARGETS[prefix], operation, arguments)


class Scope(NamedTuple):
    """What a request was signed with and for; empty where it was not signed."""

    key: str
    region: str
    service: str


def _scope(headers: Mapping[str, str]) -> Scope:
    key, _date, region, service, *_ = (headers.get("authorization", "").partition("Credential=")[2] + "/" * 4).split(
        "/"
    )
    return Scope(key, region, service)


def _epoch(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"not on the wire: {value!r}")


def _answer(request: _Request, answer: Body) -> _Response:
    if request.service != "sns":
        return _Response(200, json.dumps(answer, default=_epoch).encode())
    name = request.operation
    fields = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in answer.items())
    metadata = "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
    text = f'<{name}Response xmlns="{_SNS}"><{name}Result>{fields}</{name}Result>{metadata}</{name}Response>'
    return _Response(200, text.encode(errors="xmlcharrefreplace"), _XML)


def _refusal(service: str, code: str, message: str, status: int) -> _Response:
    sender = "Sender" if status < 500 else "Receiver"
    if service == "sns":
        error = f"<Error><Type>{sender}</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        text = f'<ErrorResponse xmlns="{_SNS}">{error}<RequestId>1</RequestId></ErrorResponse>'
        return _Response(status, text.encode(), _XML)
    body = json.dumps({"__type": f"{_PREFIXES[service]}#{code}", "message": message}).encode()
    return _Response(status, body, query_error=f"{code};{sender}" if service == "cloudwatch" else "")


# HTTP


class _ClosedError(Exception):
    """The connection is to be closed without an answer."""


class _ResetError(Exception):
    """The connection is to be reset."""


def _read(stream: BinaryIO) -> tuple[dict[str, str], bytes]:
    """One request's headers, names in lower case, and its body. Raises _ClosedError at the end of the stream."""
    line = stream.readline(_MOST_BYTES)
    if not line.startswith(b"POST "):
        raise _ClosedError
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = stream.readline(_MOST_BYTES)
        if line in {b"\r\n", b""}:
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _MOST_BYTES:
        raise _ClosedError
    return headers, stream.read(length)


def _bytes(response: _Response) -> bytes:
    extra = f"x-amzn-query-error: {response.query_error}\r\n" if response.query_error else ""
    head = (
        f"HTTP/1.1 {response.status} .\r\nContent-Type: {response.kind}\r\n"
        f"Content-Length: {len(response.body)}\r\nx-amzn-RequestId: 1\r\n{extra}\r\n"
    )
    return head.encode() + response.body


class AwsServer:
    """Serves `world` between `with` and its end; by default an empty one that runs on real time.

    `calls` counts all requests by operation, spoilt ones too. `faults` are
    asked in turn, the first that answers decides. `latency` is in seconds, of
    every answer. All three may be changed while it serves.
    """

    def __init__(self, world: World | None = None, *, latency: float = 0, faults: Iterable[FaultHook] = ()) -> None:
        self.world = world or World(clock=lambda: datetime.now(timezone.utc))
        self.latency = latency
        self.faults: list[FaultHook] = list(faults)
        self.refused: dict[str, AwsFault] = {}  # by access key ID
        self.signed: list[Scope] = []  # what each request was signed with and for, in their order
        self.calls: Counter[str] = Counter()
        self.errors: list[Exception] = []  # of ours, raised again at the end: a test must not miss them
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}  # the acceptor's; read when it has ended
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name="aws-server", daemon=True)

    def __enter__(self) -> AwsServer:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.errors:
            raise self.errors[0]

    def stop(self) -> None:
        """End every connection, answered or not, and wait for the threads."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        if self._acceptor.ident is not None:
            self._acceptor.join()
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # closed by its own thread
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._connections.values():
            thread.join()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # A thread does not strike itself off: it is still running then, and stop() would not wait for it.
            self._connections = {old: thread for old, thread in self._connections.items() if thread.is_alive()}
            if len(self._connections) >= _MOST_CONNECTIONS:
                connection.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), name="aws-connection", daemon=True)
            thread.start()
            self._connections[connection] = thread

    def _serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection, until either side ends it."""
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_IDLE_SECONDS)
            with connection.makefile("rb") as stream:
                while not self._stopping.is_set():
                    self._write(connection, self._respond(*_read(stream)))
        except (OSError, _ClosedError):
            pass  # the client has gone, or is to go
        except _ResetError:
            linger = struct.pack("ii", 1, 0)  # closing sends RST instead of FIN
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        except Exception as error:  # noqa: BLE001 - a fault of this server or of the world: shown at the end
            self.errors.append(error)
        finally:
            connection.close()

    def _write(self, connection: socket.socket, response: _Response) -> None:
        whole, delivery = _bytes(response), response.delivery
        if delivery is None:
            connection.sendall(whole)  # in one packet, as long as it fits
        elif isinstance(delivery, CutFault):
            connection.sendall(whole[: int(len(whole) * delivery.sent)])
            raise _ResetError if delivery.reset else _ClosedError
        else:
            size = math.ceil(len(whole) / delivery.pieces)
            for start in range(0, len(whole), size):
                connection.sendall(whole[start : start + size])
                if self._stopping.wait(delivery.pause):
                    raise _ClosedError

    def _respond(self, headers: Mapping[str, str], body: bytes) -> _Response:
        try:
            request = _parse(headers, body)
        except ValueError as error:
            return _refusal("dynamodb", "SerializationException", str(error), 400)
        fault = self._fault(request, _scope(headers))
        if self.latency:
            self._stopping.wait(self.latency)
        if isinstance(fault, AwsFault):
            return _refusal(request.service, fault.code, fault.message, fault.status)
        if isinstance(fault, RawFault):
            return _Response(fault.status, fault.body)
        if isinstance(fault, ResetFault) and not fault.performed:
            raise _ResetError
        response = self._perform(request, fault.change if isinstance(fault, MutateFault) else None)
        if isinstance(fault, ResetFault):
            raise _ResetError
        if isinstance(fault, SilenceFault):
            self._stopping.wait(fault.seconds)
        while isinstance(fault, HoldFault) and not self._stopping.is_set() and not fault.released.wait(0.05):
            pass
        return replace(response, delivery=fault) if isinstance(fault, (CutFault, SlowFault)) else response

    def _fault(self, request: _Request, scope: Scope) -> Fault | None:
        """Count the request, and ask the hooks."""
        with self._lock:
            self.calls[request.operation] += 1
            self.signed.append(scope)
            hooks = list(self.faults)
        if scope.key in self.refused:
            return self.refused[scope.key]
        answers = (hook(request.operation, request.body) for hook in hooks)
        return next((fault for fault in answers if fault is not None), None)

    def _perform(self, request: _Request, change: Callable[[Body], object] | None) -> _Response:
        client = getattr(self.world, request.service)
        method = getattr(client, _METHODS.get(request.operation, ""), None)
        if method is None:
            return _refusal(request.service, "UnknownOperationException", f"no {request.operation} here", 400)
        try:
            answer: Body = method(**request.body)
        except RefusedError as refused:
            error, metadata = refused.response["Error"], refused.response["ResponseMetadata"]
            return _refusal(request.service, error["Code"], error["Message"], metadata["HTTPStatusCode"])
        except TypeError as wrong:  # an argument that is missing, unknown, or of another type
            return _refusal(request.service, "SerializationException", str(wrong), 400)
        del answer["ResponseMetadata"]
        if change is not None:
            change(answer)
        return _answer(request, answer)
