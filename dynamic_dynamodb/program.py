"""What the command line asked for: load the configuration, compose the rooms, run them.

Exit codes: 0; 1 something failed; 2 flags or configuration; 130 on Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NoReturn

from dynamic_dynamodb import __version__, config, iam, logs, loop, options
from dynamic_dynamodb.config import Configuration
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.signals import Signals
from dynamic_dynamodb.workers import StoppedError, Workers

OK, FAILED, MISUSED = 0, 1, 2
_PROGRAM = "dynamic-dynamodb"


def run(flags: Mapping[str, str | bool], unknown: Sequence[str]) -> int:
    """Do what the flags (option name -> value) say; returns the exit code.

    `unknown` are the words of the command line that are no flags.
    """
    try:
        return _run(flags, unknown)
    except ConfigError as error:
        for problem in error.problems:
            _say(f"error: {problem}")
        return MISUSED


def _run(flags: Mapping[str, str | bool], unknown: Sequence[str]) -> int:
    configuration = config.load(flags, _problems(unknown))
    if configuration.command["daemon"] is not None:
        raise ConfigError(["--daemon: not in this version yet; leave it out and let a service manager run the program"])
    if configuration.command["show_config"]:
        return _print(configuration, config.show)
    if configuration.command["print_iam_policy"]:
        return _print(configuration, iam.policy)
    return _scale(configuration)


def _print(configuration: Configuration, document: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    general = configuration.config["global"]
    general["region"] = general["region"] or _own_region(general["profile"])
    for warning in configuration.warnings:
        _say(f"warning: {warning}")
    sys.stdout.write(json.dumps(document(configuration.config), indent=2) + "\n")
    return OK


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a reader who has gone; the exit code tells all the same
        sys.stderr.write(f"{_PROGRAM}: {text}\n")


def _problems(unknown: Sequence[str]) -> list[str]:
    """What to say of words that are no flags of ours.

    A word after a mistyped flag is its value, and may be a secret: it is not repeated.
    """
    problems: list[str] = []
    for word in unknown:
        if word.startswith("-"):
            problems.append(config.unknown_flag(word.split("=", 1)[0]))
        elif not problems:
            problems.append(f"{word!r}: unexpected; a table is named with --table-name")
    return problems


def _own_region(profile: str | None) -> str:
    """boto3's own region, which is the AWS CLI's too: the environment, the profile; then the default."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")  # boto3 does not read AWS_REGION
    if not region:
        from dynamic_dynamodb import aws  # noqa: PLC0415 - slow, and most have a region in file or environment

        region = aws.profile_region(profile)
    return region or str(next(option.default for option in options.OPTIONS if option.name == "region"))


def _scale(configuration: Configuration) -> int:
    logs.set_up(configuration.config["logging"], dry_run=configuration.command["dry_run"])
    with Signals() as signals:
        workers = Workers(signals.stopping)
        handled = True
        with contextlib.suppress(StoppedError):  # the signal is what ends the program, and tells its exit code
            handled = _check(configuration, signals, workers)
        workers.close()
        if signals.stopping():
            logging.getLogger(logs.NAME).info("told to end by a signal: ended")
        code = signals.exit_code if signals.stopping() else OK if handled else FAILED
        if workers.abandoned:
            _leave(code)
    return code


def _check(configuration: Configuration, signals: Signals, workers: Workers) -> bool:
    """Once or until told to end. Returns whether every resource was handled; raises StoppedError."""
    command, merged = configuration.command, configuration.config
    # By a worker: importing boto3 takes a while, and a signal shall end that, too.
    (clients,) = workers.map(_clients, [merged["global"]])
    _announce(configuration)
    scaler = loop.Scaler(merged, clients, workers, _now, dry_run=command["dry_run"])
    if command["run_once"]:
        return loop.attempt(scaler)
    loop.run(scaler, merged["global"]["check_interval"], signals)
    return True


def _clients(general: dict[str, Any]) -> loop.Clients:
    from dynamic_dynamodb import aws  # noqa: PLC0415 - slow, and not for --show-config

    general["region"] = general["region"] or _own_region(general["profile"])
    return aws.clients(general)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _leave(code: int) -> NoReturn:
    """Exit without waiting for the reads that nobody waits for: Python would join their threads."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _announce(configuration: Configuration) -> None:
    """Version, what will be checked, how often, and whether for real."""
    log = logging.getLogger(logs.NAME)
    command, merged = configuration.command, configuration.config
    tables = merged["tables"]
    indexes = sum(len(table["gsis"]) for table in tables.values())
    rhythm = "one check" if command["run_once"] else f"a check every {merged['global']['check_interval']} s"
    dry = "; dry run: nothing is changed" if command["dry_run"] else ""
    log.info(
        "Dynamic DynamoDB %s: region %s, %s, %s, %s%s",
        __version__,
        merged["global"]["region"],
        _count(len(tables), "table section"),
        _count(indexes, "gsi section"),
        rhythm,
        dry,
    )
    for warning in configuration.warnings:
        log.warning("%s", warning)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
