"""The files of `--report` and `--chart`: checked before a long rehearsal, and written after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.rehearsal.demand import Demand
from dynamic_dynamodb.rehearsal.rehearse import Rehearsal

_ENDINGS = {"report": (".html", ".htm"), "chart": (".png", ".svg")}
_SHOWN = 3  # names of tables in a message


def wanted(command: Mapping[str, Any]) -> bool:
    return any(command[name] for name in _ENDINGS)


def check(command: Mapping[str, Any]) -> None:
    """Raises ConfigError for a wrong ending, a file that cannot be written, or a missing matplotlib."""
    problems = [
        f"--{name}: {command[name]}: the name must end in {' or '.join(endings)}"
        for name, endings in _ENDINGS.items()
        if command[name] and Path(command[name]).suffix.lower() not in endings
    ]
    if problems:
        raise ConfigError(problems)
    for name in (name for name in _ENDINGS if command[name]):
        from dynamic_dynamodb.rehearsal import chart  # noqa: PLC0415 - only if pictures are wanted

        chart.require(f"--{name}")
        _try(name, command[name])


def check_number(command: Mapping[str, Any], demand: Demand) -> None:
    """Raises ConfigError if `--chart`, which draws one table or index, would have to draw several."""
    if not command["chart"] or len(demand.loads) == 1:
        return
    names = [str(load.target) for load in demand.loads[:_SHOWN]]
    more = ", ..." if len(demand.loads) > _SHOWN else ""
    raise ConfigError(
        [
            f"--chart: draws one table or index, and this demand has {len(demand.loads)}: {', '.join(names)}{more}; "
            "--report shows all of them"
        ]
    )


def draw(command: Mapping[str, Any], rehearsal: Rehearsal, progress: Callable[[float], None]) -> None:
    """Write the files. Raises ConfigError if one cannot be written."""
    if not wanted(command):
        return
    from dynamic_dynamodb.rehearsal import chart, report  # noqa: PLC0415

    for name, write in (("report", report.write), ("chart", chart.write)):
        if command[name]:
            try:
                write(command[name], rehearsal, progress)
            except OSError as error:
                raise _cannot(name, command[name], error) from error


def _try(name: str, path: str) -> None:
    """Raises ConfigError if the file cannot be written. A file that did not exist does not exist afterwards."""
    file = Path(path)
    there = file.exists()
    try:
        with file.open("ab"):
            pass
        if not there:
            file.unlink()
    except OSError as error:
        raise _cannot(name, path, error) from error


def _cannot(name: str, path: str, error: OSError) -> ConfigError:
    return ConfigError([f"--{name}: {safe(path)}: cannot be written: {error.strerror}"])
