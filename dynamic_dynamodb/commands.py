"""Runs a command: loads the configuration, connects the rooms, and runs them.

Exit codes: 0 success; 1 failure; 2 flags or configuration; 130 Ctrl-C.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from dynamic_dynamodb.aws import iam
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.configuration import loader, options, regions, timetable
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.errors import ConfigError, DynamicDynamoDBError
from dynamic_dynamodb.keeping import NOWHERE, Place
from dynamic_dynamodb.metrics import publisher
from dynamic_dynamodb.output import logs
from dynamic_dynamodb.output.masking import hide, password
from dynamic_dynamodb.output.terminal import tell
from dynamic_dynamodb.process import Runner

OK, FAILED, MISUSED = 0, 1, 2
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")  # environment variables


def run(flags: Mapping[str, str | bool], unknown: Sequence[str], files: Sequence[str] = ()) -> int:
    """Run the command of the flags (option name -> value); returns the exit code.

    `unknown` are the words of the command line that are not flags, `files` all
    files of --config, of which the flags have the last one.
    """
    logs.make_safe()
    _hide_environment()
    try:
        return _run(flags, unknown, files)
    except ConfigError as error:
        for problem in error.problems:
            tell(problem, "error")
        return MISUSED
    except DynamicDynamoDBError as error:
        tell(str(error), "error")
        return FAILED
    except OSError:
        raise  # a full disk, which cli.py reports
    except Exception:
        logging.getLogger(logs.NAME).exception("ended by an unexpected error")
        return FAILED


def _hide_environment() -> None:
    """Mask the secrets of the environment in all messages, such as those about a proxy or a header."""
    for name, value in os.environ.items():
        if name in _SECRETS:
            hide(name, value)
        elif name.upper().endswith("_PROXY") or name.startswith("AWS_ENDPOINT_URL"):
            hide(name, password(value))


def _run(flags: Mapping[str, str | bool], unknown: Sequence[str], files: Sequence[str]) -> int:
    problems = _problems(unknown)
    if "simulate" in flags:
        return _simulate(flags, problems, files)
    problems += _only_simulated(flags, files)
    if flags.get("daemon") != "status":
        problems += [f"--{name}: works only with --daemon status" for name in ("json", "max-age") if name in flags]
    if flags.get("daemon") in ("stop", "status"):
        return _look_at_daemon(flags, problems)
    configuration = loader.load(flags, problems, _ask_boto)
    if configuration.command["show_config"]:
        _tell_what_is_missing(configuration)
        return _print(configuration, loader.show)
    if configuration.command["show_schedule"] is not None:
        return _show_schedule(configuration)
    if configuration.command["print_iam_policy"]:
        for expression in iam.narrowed(configuration.config):
            tell(
                f"[table: {expression}] also matches longer names, which this policy does not cover; "
                f"^{expression.removeprefix('^')}$ matches this name only",
                "warning",
            )
        return _print(configuration, _policy)
    if configuration.command["daemon"] is not None:
        base = Path.cwd()
        reload = partial(_load_from, base, flags, problems)
        return _daemon(_absolute(configuration, base), reload)
    return _scale(configuration)


def _tell_what_is_missing(configuration: Configuration) -> None:
    """Before a restart people look at --show-config, so it warns of what the start would refuse on this machine."""
    try:
        publisher.require(configuration)
    except ConfigError as error:
        for problem in error.problems:
            tell(problem, "warning")


def _print(configuration: Configuration, document: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    general = configuration.config["global"]
    _find_region(general, partial(tell, level="warning"))
    for warning in configuration.warnings:
        tell(warning, "warning")
    sys.stdout.write(json.dumps(document(configuration.config), indent=2) + "\n")
    return OK


def _policy(config: Mapping[str, Any]) -> dict[str, Any]:
    """The IAM policy. The default region does not restrict it, because no region was set."""
    general = config["global"]
    if general["region_from"] == regions.DEFAULT_FROM:
        general = {**general, "region": None}
    return iam.policy({**config, "global": general})


def _show_schedule(configuration: Configuration) -> int:
    for warning in configuration.warnings:
        tell(warning, "warning")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    for line in timetable.lines(configuration.config["tables"], now, configuration.command["show_schedule"]):
        sys.stdout.write(line + "\n")
    return OK


def _problems(unknown: Sequence[str]) -> list[str]:
    """The problems with unknown words of the command line.

    A word after a mistyped flag is its value and may be a secret, so it is not quoted.
    """
    problems: list[str] = []
    for word in unknown:
        if word.startswith("-"):
            problems.append(loader.unknown_flag(word.split("=", 1)[0]))
        elif not problems:
            problems.append(f"{word!r}: unexpected; name a table with --table-name, a file with --config")
    return problems


def _find_region(general: dict[str, Any], warn: Callable[[str], None]) -> None:
    """Set the region of the profile, or else the default, if neither flag, file nor environment has set one.

    Raises ConfigError if there is no such region.
    """
    if general["region"] is not None:
        return
    from dynamic_dynamodb.aws import connection  # noqa: PLC0415 - slow, and rarely needed

    region, profile = connection.profile_region(general["profile"])
    if region is None:
        default = next(option.default for option in options.OPTIONS if option.name == "region")
        general |= {"region": default, "region_from": regions.DEFAULT_FROM}
        return
    general |= {"region": region, "region_from": f"profile {profile}"}
    doubt = regions.doubt(general, _ask_boto)
    if doubt is not None and doubt.wrong:
        raise ConfigError([f"profile {profile}: {doubt.text}"])
    if doubt is not None:
        warn(f"profile {profile}: {doubt.text}")


def _ask_boto(profile: str | None) -> tuple[Collection[str], bool]:
    from dynamic_dynamodb.aws import connection  # noqa: PLC0415 - slow; most regions are known without it

    return connection.known_regions(), connection.sets_endpoint(profile)


def _connect(general: dict[str, Any], stopping: Callable[[], bool]) -> Clients:
    from dynamic_dynamodb.aws import connection  # noqa: PLC0415 - slow; --show-config does not need it

    _find_region(general, partial(logging.getLogger(logs.NAME).warning, "%s"))
    return connection.connect(general, stopping)


# Simulate

_WITHOUT_EFFECT = (
    *("daemon", "run-once", "dry-run", "show-config", "show-schedule", "print-iam-policy"),
    *("metrics-port", "metrics-address", "metrics-file"),
)


def _only_simulated(flags: Mapping[str, str | bool], files: Sequence[str]) -> list[str]:
    """Problems with flags that need --simulate."""
    of_group = [option for option in options.OPTIONS if option.group == options.SIMULATION_GROUP]
    given = [option for option in of_group if option.name in flags]
    problems = [f"{option.flag}: needs --simulate" for option in given]
    if len(files) > 1:
        problems.append("--config: given more than once; only --simulate compares configurations")
    return problems


def _simulate(flags: Mapping[str, str | bool], problems: list[str], files: Sequence[str]) -> int:
    from dynamic_dynamodb.rehearsal import command  # noqa: PLC0415 - slow; scaling does not need it
    from dynamic_dynamodb.rehearsal.rehearse import Scheme  # noqa: PLC0415

    problems += [f"--{name}: cannot be combined with --simulate" for name in _WITHOUT_EFFECT if name in flags]
    if "simulate-days" in flags and flags["simulate"] != command.CLOUDWATCH:
        problems.append("--simulate-days: works only with --simulate cloudwatch")
    loaded = _load_all(flags, problems, files)
    for warning in dict.fromkeys(warning for one in loaded for warning in one.warnings):
        tell(warning, "warning")
    alone = len(loaded) == 1 and (not files or "table-name" in flags)
    names = ["this configuration"] if alone else command.names(files)
    schemes = [Scheme(name, one.config) for name, one in zip(names, loaded, strict=True)]
    level = loaded[0].config["logging"]["log_level"] if "log-level" in flags else None
    return command.run(schemes, loaded[0].command, lambda general: _connect(general, lambda: False), level)


def _load_all(flags: Mapping[str, str | bool], problems: Sequence[str], files: Sequence[str]) -> list[Configuration]:
    """The configuration of each file, or that of the flags. Raises ConfigError with all their problems."""
    found: list[str] = []
    loaded = []
    for number, path in enumerate(files or [None]):
        try:
            loaded.append(loader.load(flags if path is None else {**flags, "config": path}, () if number else problems))
        except ConfigError as error:
            found += error.problems
    if found:
        raise ConfigError(list(dict.fromkeys(found)))
    return loaded


# Run


def _scale(configuration: Configuration) -> int:
    publisher.require(configuration)
    state_file = configuration.config["global"]["state_file"]
    place = Place(Path(state_file).absolute()) if state_file else NOWHERE
    return _end(runner := Runner(configuration, _connect, place=place), runner.run())


def _end(runner: Runner, code: int) -> int:
    if runner.abandoned:
        _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """Exit without joining threads with abandoned reads, which Python would wait for."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


# Daemon mode


def _look_at_daemon(flags: Mapping[str, str | bool], problems: Sequence[str]) -> int:
    """Stop and status. They do not read the configuration, which may be invalid by now."""
    from dynamic_dynamodb.daemon import (  # noqa: PLC0415 - bring packages that only daemon mode needs
        daemonizer,
        pidfile,
        status,
    )

    if problems:
        raise ConfigError(problems)
    command = loader.check_flags(flags)
    instance = pidfile.Instance(command["instance"], command["pid_file_dir"])
    if command["daemon"] == "stop":
        return daemonizer.stop(instance)
    name = command["instance"] if "instance" in flags else None
    return status.status(Path(command["pid_file_dir"]), name, max_age=command["max_age"], as_json=command["json"])


def _daemon(configuration: Configuration, reload: Callable[[], Configuration]) -> int:
    """start, restart and foreground. The configuration is checked before a running daemon is stopped."""
    from dynamic_dynamodb.daemon import daemonizer, pidfile  # noqa: PLC0415 - bring packages that only daemon mode needs

    publisher.require(configuration)
    command = configuration.command
    attached = command["daemon"] in ("foreground", "fg")
    if command["run_once"] and not attached:
        raise ConfigError(
            [
                f"--run-once: works with --daemon foreground, not with {command['daemon']}, "
                "which cannot report how the run ended"
            ]
        )
    instance = pidfile.Instance(command["instance"], command["pid_file_dir"])

    def body(ready: Callable[[], None]) -> int:
        place = Place(instance.state_path, told=True)
        runner = Runner(configuration, _connect, reload=reload, attached=attached, place=place)
        code = runner.run(ready, instance.hold)
        return _end(runner, code) if attached else code

    if attached:
        return daemonizer.foreground(body)
    _warn(configuration)
    begin = daemonizer.restart if command["daemon"] == "restart" else daemonizer.start
    return begin(instance, body, log=_log_of(configuration.config["logging"]))


def _log_of(places: Mapping[str, Any]) -> str:
    """Where a daemon logs to, for a message."""
    if places["log_config_file"]:
        return f"logging as configured in {places['log_config_file']}"
    return f"logging to {places['log_file']}" if places["log_file"] else "nothing is logged"


def _load_from(base: Path, flags: Mapping[str, str | bool], problems: Sequence[str]) -> Configuration:
    """The configuration as seen from the folder where the daemon was started. Raises ConfigError."""
    path = flags.get("config")
    if isinstance(path, str):
        flags = {**flags, "config": str(base / Path(os.path.expandvars(path)).expanduser())}
    configuration = _absolute(loader.load(flags, problems, _ask_boto), base)
    publisher.require(configuration)
    return configuration


def _absolute(configuration: Configuration, base: Path) -> Configuration:
    """Make the paths absolute, because a daemon changes its folder."""
    command, places, general = configuration.command, configuration.config["logging"], configuration.config["global"]
    paths = [(command, "config"), (places, "log_file"), (places, "log_config_file")]
    for values, key in [*paths, (general, "metrics_file"), (general, "metrics_prices")]:
        if values[key]:
            values[key] = str(base / values[key])
    return configuration


def _warn(configuration: Configuration) -> None:
    """Print the warnings on stderr too: the daemon's log may not exist, or not be read."""
    for warning in configuration.warnings:
        tell(warning, "warning")
    places = configuration.config["logging"]
    if not places["log_file"] and not places["log_config_file"]:
        tell("nothing will be logged; set log-file in the [logging] section, or give --log-file PATH", "warning")
    for doubt in logs.doubts(places):
        tell(doubt, "warning")
