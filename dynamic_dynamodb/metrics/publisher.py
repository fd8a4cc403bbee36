"""The metrics of a process: rendered once per check, served over HTTP and written to a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from dynamic_dynamodb.aws.errors import CALLS
from dynamic_dynamodb.checks.observed import Observed
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration import prices
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.daemon import files
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.errors import ConfigError, DynamicDynamoDBError
from dynamic_dynamodb.metrics import exposition
from dynamic_dynamodb.metrics.families import Situation
from dynamic_dynamodb.metrics.server import Answer, Server

log = logging.getLogger("dynamic-dynamodb")

_READABLE = 0o644  # the node exporter is another user
_PATHS = ("/metrics", "/healthz")
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


def require(configuration: Configuration) -> None:
    """Raises ConfigError if metrics are configured but cannot be made."""
    general = configuration.config["global"]
    for option in ("metrics-port", "metrics-file"):
        if general[option.replace("-", "_")]:
            exposition.require(option)
            break
    if general["metrics_prices"]:
        try:
            prices.read(general["metrics_prices"])
        except ConfigError as error:
            raise ConfigError([f"metrics-prices: {problem}" for problem in error.problems]) from None


class Publisher:
    """Publishes metrics. Without metrics in the configuration, it renders nothing and opens no port."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._server: Server | None = None
        self._text = b""
        self._heartbeat: Heartbeat | None = None
        self._failing = False  # to write the file
        self._general: Mapping[str, Any] = {}

    def go_by(self, configuration: Configuration) -> None:
        """Apply this configuration. Raises ListenError if the port is not available; the old one stays in use then."""
        general = configuration.config["global"]
        once = configuration.command["run_once"]
        self._listen(general["metrics_address"], None if once else general["metrics_port"])
        self._general, self._dry_run = general, configuration.command["dry_run"]
        path = general["metrics_prices"]
        self._prices = prices.read(path) if path else prices.BUILT_IN

    def note(self, heartbeat: Heartbeat, record: Record, check: int, targets: Mapping[Target, Observed]) -> None:
        """Publish these values from now on. `check` is the number of the last check."""
        self._heartbeat = heartbeat
        if self._server is None and not self._general["metrics_file"]:
            return
        try:
            self._render(heartbeat, record, check, targets)
        except Exception:  # no error here may stop the checks
            log.exception("the metrics were not updated: unexpected error")

    def _render(self, heartbeat: Heartbeat, record: Record, check: int, targets: Mapping[Target, Observed]) -> None:
        now = Situation(
            heartbeat,
            record,
            targets,
            check,
            CALLS.counts(),
            self._general,
            self._dry_run,
            self._prices,
        )
        self._text = exposition.render(now)
        if heartbeat.last_ended is not None:  # before that, the file of an earlier process says more
            self._write()

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _listen(self, address: str, port: int | None) -> None:
        old = self._server
        if (old and (old.address, old.port)) == (port and (address, port)):
            return
        if old is not None and port == old.port:  # another address: our own socket may block it
            old.close()
            try:
                self._server = Server(address, port, self._answer)
            except DynamicDynamoDBError:
                self._server = Server(old.address, old.port, self._answer)
                raise
            return
        self._server = Server(address, port, self._answer) if port else None
        if old is not None:
            old.close()

    def _write(self) -> None:
        path = self._general["metrics_file"]
        if not path:
            return
        try:
            files.replace(Path(path), self._text, _READABLE, "metrics")
            self._failing = False
        except DynamicDynamoDBError as error:
            if not self._failing:
                log.warning("%s; tried again after each check", error)
            self._failing = True

    # In the server's thread

    def _answer(self, path: str) -> Answer:
        if path == "/metrics" and self._text:
            return Answer(HTTPStatus.OK, exposition.CONTENT_TYPE, self._text)
        if path == "/healthz" and self._heartbeat is not None:
            well = not self._heartbeat.too_old(self._clock())
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            return Answer(status, _JSON, json.dumps(self._heartbeat.plain()).encode() + b"\n")
        if path in _PATHS:  # the port is opened first of all, so that `--daemon start` can report that it is in use
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"starting\n")
        return Answer(HTTPStatus.NOT_FOUND, _TEXT, b"/metrics and /healthz\n")
