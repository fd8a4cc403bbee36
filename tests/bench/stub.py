"""A fast stand-in for DynamoDB and CloudWatch over HTTP: canned answers, nothing is remembered but what was asked.

`stub.py TABLES INDEXES PERCENT` serves so many tables with so many indexes each, all of them with this much of
their units consumed, prints its port, and ends with its standard input. GET /?latency=SECONDS delays the answers
from then on, and tells what was asked since the last GET; see [Asked][].

tests/stand_ins/aws_server.py checks what it is asked and keeps state, and so
needs more time for a call than the client:
it would be what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from bisect import bisect_left
from typing import Any
from urllib.parse import parse_qs, urlsplit

_UNITS = 100
_MINUTES = 5
_SINCE = 1_700_000_000
_NONE = '"Timestamps":[],"Values":[]'  # nothing was throttled
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_TARGET = re.compile(rb"\r\nx-amz-target: *\w+\.(\w+)", re.I)


class Asked:
    """Calls by operation, the metrics in them, and the most calls of an operation within a second."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}
        self._metrics = 0

    def add(self, operation: str, now: float, metrics: int) -> None:
        self._times.setdefault(operation, []).append(now)
        self._metrics += metrics

    def told(self) -> dict[str, Any]:
        calls = {operation: len(times) for operation, times in self._times.items()}
        peaks = {
            operation: max(bisect_left(times, time + 1) - number for number, time in enumerate(times))
            for operation, times in self._times.items()
        }
        return {"calls": calls, "peaks": peaks, "metrics": self._metrics}


class Service:
    """What the connections share."""

    def __init__(self, tables: int, indexes: int, percent: float) -> None:
        self.latency = 0.0
        self.asked = Asked()
        self._names = [f"table-{number:05}" for number in range(tables)]
        self._indexes = indexes
        self._sum = _UNITS * 60 * percent / 100
        self._table, self._after = json.dumps(self._description("NAME")).split("NAME", 1)

    def answer(self, operation: str, body: bytes, now: float) -> bytes:
        arguments = json.loads(body)
        self.asked.add(operation, now, len(arguments.get("MetricDataQueries", ())))
        if operation == "ListTables":
            return self._list(arguments.get("ExclusiveStartTableName"))
        if operation == "GetMetricData":
            return self._metric_data(arguments)
        key = "Table" if operation == "DescribeTable" else "TableDescription"
        name = arguments["TableName"]
        return f'{{"{key}": {self._table}{name}{self._after.replace("NAME", name)}}}'.encode()

    def _list(self, after: str | None) -> bytes:
        first = 0 if after is None else self._names.index(after) + 1
        page = self._names[first : first + 100]
        more = {"LastEvaluatedTableName": page[-1]} if first + 100 < len(self._names) else {}
        return json.dumps({"TableNames": page, **more}).encode()

    def _metric_data(self, arguments: dict[str, Any]) -> bytes:
        start = arguments["StartTime"]
        times = json.dumps([float(start + 60 * minute) for minute in range(_MINUTES)])
        values = json.dumps([self._sum] * _MINUTES)
        points = f'"Timestamps":{times},"Values":{values}'
        results = ",".join(
            f'{{"Id":"{query["Id"]}","Label":"{metric}",{_NONE if "Throttle" in metric else points},'
            '"StatusCode":"Complete"}'
            for query in arguments["MetricDataQueries"]
            for metric in [query["MetricStat"]["Metric"]["MetricName"]]
        )
        return f'{{"MetricDataResults":[{results}],"Messages":[]}}'.encode()

    def _description(self, name: str) -> dict[str, Any]:
        arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}"
        throughput = {
            "ReadCapacityUnits": _UNITS,
            "WriteCapacityUnits": _UNITS,
            "NumberOfDecreasesToday": 0,
            "LastIncreaseDateTime": _SINCE + 0.5,
            "LastDecreaseDateTime": _SINCE + 1.5,
        }
        schema = [{"AttributeName": "id", "KeyType": "HASH"}]
        sizes = {"ItemCount": 12_345_678, "KeySchema": schema, "ProvisionedThroughput": throughput}
        indexes = [
            {
                "IndexName": f"index-{number}",
                "IndexArn": f"{arn}/index/index-{number}",
                "IndexStatus": "ACTIVE",
                "IndexSizeBytes": 123_456_789,
                "Projection": {"ProjectionType": "ALL"},
                **sizes,
            }
            for number in range(self._indexes)
        ]
        return {
            "TableName": name,
            "TableArn": arn,
            "TableId": "01234567-89ab-cdef-0123-456789abcdef",
            "TableStatus": "ACTIVE",
            "TableSizeBytes": 1_234_567_890,
            "CreationDateTime": _SINCE + 0.25,
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "DeletionProtectionEnabled": False,
            **sizes,
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        }

    def control(self, path: str) -> bytes:
        self.latency = float(parse_qs(urlsplit(path).query)["latency"][0])
        told, self.asked = self.asked.told(), Asked()
        return json.dumps(told).encode()


class Connection(asyncio.Protocol):
    """Keeps alive; one request after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, begin = bytes(self._received[:end]), end + 4
        found = _LENGTH.search(head)
        size = begin + int(found[1] if found else 0)
        if len(self._received) < size:
            return
        body = bytes(self._received[begin:size])
        del self._received[:size]
        target = _TARGET.search(head)
        if target is None:
            self._write(self._service.control(head.split()[1].decode()))
        else:
            answer = self._service.answer(target[1].decode(), body, self._loop.time())
            self._loop.call_later(self._service.latency, self._write, answer)

    def _write(self, body: bytes) -> None:
        kind = b"application/x-amz-json-1.0"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nx-amzn-RequestId: 1\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (kind, len(body)) + body)


async def main(tables: int, indexes: int, percent: float) -> None:
    service = Service(tables, indexes, percent)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
