"""Reads the state file at the start of a process, and writes it after each check.

It has the remembered state of tables and indexes, whose tables these are, and the heartbeat.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dynamic_dynamodb import __version__
from dynamic_dynamodb.checks import remembered
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.state import State
from dynamic_dynamodb.checks.tally import Checked
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.daemon import files, statefile
from dynamic_dynamodb.daemon.files import DaemonError
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.output.masking import mask_url, safe

log = logging.getLogger(logs.NAME)

_LONG_AGO = 366 * 86_400.0  # seconds: a clock that has not been set shows 1970
_MUCH = 2  # a rhythm of more than twice, or less than half of, the check-interval draws a warning


@dataclass(frozen=True)
class Place:
    """Where the state file is. `told`: `status` reads it, so a dry run writes its heartbeat too."""

    path: Path | None = None
    told: bool = False

    @property
    def advice(self) -> str:
        """The option to look at if there is a problem."""
        return "see --pid-file-dir" if self.told else "see --state-file"


NOWHERE = Place()


class Keeping:
    """The state file, held by this process. Problems with it are logged and do not stop checks."""

    def __init__(self, place: Place, configuration: Configuration) -> None:
        command = configuration.command
        self._path, self._advice = place.path, place.advice
        self._once, self._dry_run = command["run_once"], command["dry_run"]
        self._writes = place.told or not self._dry_run
        self._lock: statefile.Lock | None = None
        self._failing = False  # whether it cannot be written, which has been logged
        self._begun: datetime | None = None  # when the previous run began
        self._found: dict[str, Any] = {}  # the parts that a dry run leaves unchanged
        self._whose: dict[str, str | None] = {}
        self.heartbeat = Heartbeat(
            instance=command["instance"],
            pid=os.getpid(),
            version=__version__,
            started=datetime.now(timezone.utc),
            interval=0,
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock it against other processes. Raises DaemonError if another one has it."""
        if self._path is None or not self._writes:
            yield
            return
        with statefile.held(self._path, self._advice) as self._lock:
            yield

    # At the start

    def begin(self, configuration: Configuration, record: Record) -> State:
        """The state that an earlier process has written; the results of its checks go into the record."""
        state = State()
        self.go_by(configuration)
        try:
            self._recall(state, record)
        except DaemonError as error:
            log.warning("%s; earlier checks are not remembered", error)
        self._begun = state.began
        if self._once:
            self._tell_rhythm(state.rhythm)
        else:
            state.rhythm = 0.0
        return state

    def go_by(self, configuration: Configuration) -> None:
        """Use this configuration from now on. Its region must be known."""
        general = configuration.config["global"]
        self._whose = whose(general)
        self.heartbeat = replace(
            self.heartbeat,
            interval=general["check_interval"],
            configuration=configuration.command["config"],
            configuration_digest=configuration.digest,
        )

    def _recall(self, state: State, record: Record) -> None:
        """Raises DaemonError."""
        document = None if self._path is None else statefile.read(self._path, os.geteuid(), self._advice)
        if self._path is None or document is None:
            return
        self._found = {name: document[name] for name in ("of", "remembered") if name in document}
        if not self._found:  # a dry run's heartbeat
            return
        if document.get("of") != self._whose:
            log.info("%s is for another region, endpoint or account: its content is discarded", self._path)
            return
        try:
            remembered.recall(document.get("remembered"), state, record, datetime.now(timezone.utc))
        except ValueError as error:
            raise files.problem(self._path, f"is damaged: {error}") from error
        if state.ended is not None:
            log.info(
                "%s: continues from the check that ended at %s", self._path, f"{state.ended:%Y-%m-%d %H:%M:%S UTC}"
            )

    def _tell_rhythm(self, rhythm: float) -> None:
        interval = self.heartbeat.interval
        if rhythm and not interval / _MUCH <= rhythm <= interval * _MUCH:
            log.warning(
                "the last two runs began %.0f s apart, but check-interval is %d s; set it to the time between two runs",
                rhythm,
                interval,
            )

    # After each check

    def note(self, checked: Checked, state: State, record: Record, next_due: datetime | None) -> None:
        """A check has ended."""
        if self._once and self._begun is not None:
            state.rhythm = min(max(0.0, (checked.began - self._begun).total_seconds()), _LONG_AGO)
        state.began, state.ended = checked.began, checked.ended
        self.heartbeat = replace(
            self.heartbeat,
            last_began=checked.began,
            last_ended=checked.ended,
            last_took=checked.took,
            last_succeeded=checked.succeeded,
            last_error=safe(checked.error),
            looked_at=checked.looked_at,
            changed=checked.changed,
            left_alone=checked.left_alone,
            failed=checked.failed,
            failures_in_a_row=record.failures,
            last_success=record.last_success,
            changes=record.changes,
            next_due=next_due,
        )
        self.write(state, record)

    def write(self, state: State, record: Record) -> None:
        """Write the state file."""
        if self._path is None or self._lock is None:
            return
        kept = self._found if self._dry_run else {"of": self._whose, "remembered": remembered.plain(state, record)}
        try:
            self._lock.check()
            statefile.write(self._path, {"heartbeat": self.heartbeat.plain(), **kept})
            self._failing = False
        except DaemonError as error:
            self._fail(error)

    def renew(self) -> None:
        """Before a check: keep the lock file fresh, and put it back if it was removed, as old files in /tmp are."""
        try:
            if self._lock is not None:
                self._lock.renew()
        except DaemonError as error:
            self._fail(error)

    def _fail(self, error: DaemonError) -> None:
        if not self._failing:
            log.warning("%s; the state is lost when this process ends", error)
        self._failing = True


def whose(general: Mapping[str, Any]) -> dict[str, str | None]:
    """What identifies the owner of the tables, from the [global] part and the environment, without secrets.

    In another region, endpoint or account, the same name is another table.
    """
    endpoint = general["endpoint_url"] or _set("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
    # A key with a session token belongs to a role and changes every few hours.
    key = general["aws_access_key_id"] or (None if _set("AWS_SESSION_TOKEN") else _set("AWS_ACCESS_KEY_ID"))
    return {
        "region": general["region"],
        "endpoint": endpoint and mask_url(endpoint),
        "profile": general["profile"] or _set("AWS_DEFAULT_PROFILE", "AWS_PROFILE"),
        "key": key and hashlib.sha256(key.encode(errors="replace")).hexdigest()[:16],
    }


def _set(*names: str) -> str | None:
    """The value of the first of these variables that is set."""
    return next((value for name in names if (value := os.environ.get(name))), None)
