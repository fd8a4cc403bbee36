"""Runs the scaler with everything that it needs: signals, log, clients, and a new configuration on SIGHUP."""

from __future__ import annotations

import contextlib
import gc
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from dynamic_dynamodb.aws.calls import StoppedError, Workers
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.checks import loop
from dynamic_dynamodb.checks.backfill import Backfill
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.escalation import Escalation
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.state import State
from dynamic_dynamodb.checks.tally import Checked
from dynamic_dynamodb.configuration import announcement, changes
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.daemon import systemd
from dynamic_dynamodb.daemon.signals import Signals
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.keeping import NOWHERE, Keeping, Place, whose
from dynamic_dynamodb.metrics.publisher import Publisher
from dynamic_dynamodb.metrics.server import ListenError
from dynamic_dynamodb.output import events, logs
from dynamic_dynamodb.output.wording import one_line

if TYPE_CHECKING:
    from dynamic_dynamodb.daemon.pidfile import Hold  # it brings a package that only daemon mode needs

log = logging.getLogger(logs.NAME)

OK, FAILED = 0, 1
_NEW_OBJECTS = 20_000  # that start the garbage collector
_LOOKS_AT_CLOCK = 60.0  # seconds: schedules follow the wall clock, which may be set at any time


class Runner:
    """Checks once, or until a signal ends it.

    `connect` makes clients from the [global] part of a config dict; they do not repeat calls while its `stopping` is
    true. `reload` reads the configuration again on SIGHUP; without it SIGHUP ends the program. Both raise ConfigError.
    `attached`: stderr may have a reader. `place`: where the state file is.
    """

    def __init__(
        self,
        configuration: Configuration,
        connect: Callable[..., Clients],
        *,
        reload: Callable[[], Configuration] | None = None,
        attached: bool = True,
        place: Place = NOWHERE,
    ) -> None:
        self._configuration = configuration
        self._load = reload
        self._connect = connect
        self._attached = attached
        self._signals = Signals(reloads=reload is not None)
        self._watchdog = systemd.Watchdog()
        self._workers = Workers(self._signals.stopping, alive=self._watchdog.alive)
        self._connector = Workers(self._signals.stopping, threads=1)
        self._moved = False  # whether the scaler of the running loop has been replaced
        self._place = place
        self._publisher = Publisher(_now)
        self._account: str | None = None
        self._record = Record()
        self._escalation = Escalation(self._record)

    @property
    def abandoned(self) -> bool:
        """Whether threads may still be busy with abandoned reads."""
        return self._workers.abandoned or self._connector.abandoned

    def run(
        self,
        ready: Callable[[], None] = lambda: None,
        hold: Callable[[], AbstractContextManager[Hold | None]] = contextlib.nullcontext,
    ) -> int:
        """Returns the exit code. `hold` takes the pid file; `ready` is called when everything is set up.

        Before `ready`, raises ConfigError, DaemonError if another process has the state file, and the exceptions of
        `hold`; later, HeldError if another daemon has taken the name.
        """
        handled = True
        # The order matters: the pid file appears after the signal handlers, and is removed when the work has ended.
        with self._signals, hold() as self._held, self._have_state_file():
            if self._held is not None:
                self._signals.last_act = self._held.unlink
            try:
                with contextlib.suppress(StoppedError):  # the signal ends the program and sets its exit code
                    self._set_up(ready)
                    try:
                        handled = self._check()
                    finally:
                        self._keep_unfinished()
                        self._open.end()
                systemd.sd_notify(systemd.STOPPING)
            finally:
                self._publisher.close()
                self._workers.close()
                self._connector.close()
            stopping = self._signals.stopping()
            if stopping:
                log.info("ended by a signal", extra=events.about("stop"))
        return self._signals.exit_code if stopping else OK if handled else FAILED

    def _have_state_file(self) -> AbstractContextManager[None]:
        self._keeping = Keeping(self._place, self._configuration)
        return self._keeping.held()

    def _set_up(self, ready: Callable[[], None]) -> None:
        command = self._configuration.command
        self._open_log(self._configuration)
        self._publisher.go_by(self._configuration)
        self._open = self._clients(self._configuration)
        _tell_header(self._configuration, "start")
        _tell_settings(self._configuration)
        self._state = self._keeping.begin(self._configuration, self._record)
        self._scaler = self._new_scaler()
        settle()
        if not command["run_once"]:
            self._keeping.write(self._state, self._record)
        self._publish()
        ready()
        systemd.sd_notify(systemd.READY)

    def _open_log(self, configuration: Configuration) -> None:
        """Raises ConfigError; the log is unchanged then."""
        command, header = configuration.command, partial(announcement.header, configuration)
        events.share(instance=command["instance"], dry_run=command["dry_run"])
        places = configuration.config["logging"]
        logs.set_up(places, dry_run=command["dry_run"], console=self._attached, header=header)

    def _clients(self, configuration: Configuration) -> Clients:
        # In a worker: importing boto3 takes a while, and a signal must be able to end that too. Always in the same one:
        # the C library gives each thread its own memory arena, and clients made in all of them would fill them all.
        connect = partial(self._connect, stopping=self._signals.stopping)
        (clients,) = self._connector.map(connect, [configuration.config["global"]])
        return clients

    def _new_scaler(self) -> Scaler:
        command, merged = self._configuration.command, self._configuration.config
        on_and_on = not command["run_once"]
        return Scaler(
            merged,
            self._open,
            self._workers,
            _now,
            dry_run=command["dry_run"],
            lookout=on_and_on,
            once=not on_and_on,
            backfill=Backfill(self._signals.stopping) if on_and_on else None,
            state=self._state,
        )

    def _check(self) -> bool:
        if self._configuration.command["run_once"]:
            checked = loop.attempt(self._scaler)
            self._after(checked)
            return checked.handled
        while not self._signals.stopping():
            self._moved = False
            loop.run(self._scaler, self, after=self._after)
        return True

    def _after(self, checked: Checked) -> None:
        """The work after a check, before the sleep. No error in it prevents the next check."""
        try:
            self._leave_behind(checked)
        except StoppedError:
            raise
        except Exception:
            log.exception("unexpected error after the check", extra=events.about("failure"))

    def _leave_behind(self, checked: Checked) -> None:
        command = self._configuration.command
        following = "" if command["run_once"] else self._scaler.next_check()
        self._tell_account()
        pause = None if command["run_once"] else max(0.0, self._scaler.pause())
        loop.tell(checked, dry_run=command["dry_run"], following=following, pause=pause)
        events.share(check=None)
        merged = self._configuration.config["global"]
        where = f"instance {self._configuration.command['instance']}, region {merged['region']}"
        self._escalation.note(checked, merged["failures_before_notification"], where, self._scaler)
        once = self._configuration.command["run_once"]
        due = None if once else _now() + timedelta(seconds=max(0.0, self._scaler.pause()))
        self._keeping.note(checked, self._state, self._record, due)
        self._publish()

    def _tell_account(self) -> None:
        """Log the account once it is known from the first described tables."""
        account = events.shared().get("account")
        if account and account != self._account:
            log.info("the tables belong to account %s", account)
        self._account = account

    def _keep_unfinished(self) -> None:
        """Write the changes and messages of a check that a signal has ended, unless it had only begun to count."""
        if self._state.tally.decided:
            self._keeping.write(self._state, self._record)

    def _publish(self) -> None:
        number, targets = self._scaler.observed()
        self._publisher.note(self._keeping.heartbeat, self._record, number, targets)

    # Called by the loop

    def stopping(self) -> bool:
        """Whether this loop has to end: because of a signal, or because another loop continues with a new scaler."""
        return self._signals.stopping() or self._moved

    def sleep(self, seconds: float) -> None:
        """Sleep until the next check is due, and reload the configuration on SIGHUP.

        Then renew the pid file: no check is made while another daemon has the name.
        """
        ended, left = time.monotonic(), seconds
        while left > 0 and not self._signals.stopping():
            self._watchdog.alive()
            self._signals.sleep(min(left, _LOOKS_AT_CLOCK, self._watchdog.every))
            if self._load is not None and self._signals.reload_asked():
                self._reload(self._load)
            left = self._scaler.pause(time.monotonic() - ended)
        if self._held is not None and not self._signals.stopping():
            self._held.renew()  # first: the process that has taken the name has the state file too
        if not self._signals.stopping():
            self._keeping.renew()

    # SIGHUP

    def _reload(self, load: Callable[[], Configuration]) -> None:
        """Use a new configuration from the next check on; an invalid one is reported, and the old one stays in use."""
        systemd.sd_notify(systemd.RELOADING)
        try:
            new = load()
            clients = self._clients(new)
            self._open_log(new)
            self._publisher.go_by(new)
        except StoppedError:
            raise
        except ListenError as error:
            self._stay([str(error)])
        except ConfigError as error:
            self._stay(error.problems)
        except Exception as error:
            log.exception("SIGHUP: unexpected error")
            self._stay([f"{type(error).__name__}: {one_line(str(error))}"])
        else:
            self._take_over(new, clients)
            settle()
        systemd.sd_notify(systemd.READY)

    def _stay(self, problems: Sequence[str]) -> None:
        """Keep the old configuration, but open its log files again."""
        old, more = self._configuration, tuple[str, ...]()
        try:
            self._open_log(old)
            _tell_header(old, "message")
        except ConfigError as error:  # the log continues as it is
            more = tuple(problem for problem in error.problems if problem not in problems)
        for problem in (*problems, *more):
            log.error("%s", problem, extra=events.about("reload"))
        log.error("SIGHUP: the new configuration cannot be used, the old one stays", extra=events.about("reload"))

    def _take_over(self, new: Configuration, clients: Clients) -> None:
        old, self._configuration = self._configuration, new
        replaced, self._open = self._open, clients
        elsewhere = whose(old.config["global"]) != whose(new.config["global"])
        if elsewhere:
            events.share(account=None)  # until tables have been described
            self._account = None
        _tell_header(new, "message")  # the first line of a newly opened file
        log.info("SIGHUP: the configuration was read again", extra=events.about("reload"))
        for difference in changes.differences(old.config, new.config):
            log.info("SIGHUP: %s", difference, extra=events.about("reload"))
        _tell_settings(new)
        if elsewhere:
            log.info("another region, endpoint or account: the state of tables and indexes is discarded")
            self._scaler.close()
            self._state = State()
            self._scaler, self._moved = self._new_scaler(), True
        else:
            self._scaler.reconfigure(new.config, clients)
        self._keeping.go_by(new)
        self._keeping.write(self._state, self._record)
        self._publish()
        replaced.close()  # no call is running between two checks


def settle() -> None:
    """Exempt the present objects from garbage collection: they live as long as the configuration.

    There are about 70,000, most of them botocore's models of the services, and each full collection would walk them
    all. Garbage of an earlier configuration is collected first. A check of many tables makes hundreds of thousands of
    objects, few of them in cycles; collecting after every 700 of them took a quarter of its time.
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _tell_header(configuration: Configuration, event: events.Event) -> None:
    events.share(region=configuration.config["global"]["region"])
    about = events.about(event, more=partial(announcement.facts, configuration))
    log.info("%s", announcement.header(configuration), extra=about)


def _tell_settings(configuration: Configuration) -> None:
    for line in announcement.lines(configuration):
        log.info("%s", line)
    for warning in configuration.warnings:
        log.warning("%s", warning)
