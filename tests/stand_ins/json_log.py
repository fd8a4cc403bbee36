"""The log in JSON: each line is held against its schema, docs/_static/log.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "_static" / "log.schema.json").read_text("utf-8"))
_VALIDATOR = Draft202012Validator(SCHEMA)


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The lines of a log. Raises ValueError where one is no object, and AssertionError where it is none of ours."""
    assert text == "" or text.endswith("\n"), f"a line without an end: {text[-200:]!r}"
    for line in text.split("\n")[:-1]:
        found = json.loads(line, object_pairs_hook=_once)
        errors = [f"{error.json_path}: {error.message}" for error in _VALIDATOR.iter_errors(found)]
        assert errors == [], f"{errors}: {line}"
        yield found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), f"a key that comes twice: {pairs}"
    return found


def as_text(log: str) -> str:
    """The same log as `log-format: text` would have it, but for the time, which is UTC."""
    return "".join(f"{_line(one)}\n" for one in objects(log))


def _line(one: dict[str, Any]) -> str:
    time = one["time"].replace("T", " ").replace(".", ",").removesuffix("Z")
    mark = "dryrun - " if one.get("dry_run") else ""
    traceback = f"\n{one['traceback']}" if "traceback" in one else ""
    return f"{time} - dynamic-dynamodb - {one['level'].upper()} - {mark}{one['message']}{traceback}"
