"""Who may import whom: the rooms of docs/architecture.md, held by a walk over the imports of each module."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "dynamic_dynamodb"
ROOT = Path(__file__).parents[2] / PACKAGE

# Which rooms the modules of a room may import, beside their neighbours and what lies on the ground.
ROOMS = {
    "output": set[str](),
    "decisions": set[str](),
    "configuration": {"decisions", "output"},
    "aws": {"decisions", "output"},
    "checks": {"aws", "configuration", "decisions", "output"},
    "daemon": {"output"},
    "simulation": {"decisions"},
    "metrics": {"aws", "checks", "configuration", "daemon", "decisions", "output"},
    "rehearsal": {"aws", "checks", "configuration", "decisions", "output", "simulation"},
    "door": {"aws", "checks", "configuration", "daemon", "decisions", "metrics", "output", "rehearsal", "simulation"},
}
# In no room: what everybody may import, and who opens the door.
GROUND = {"__init__", "errors"}
DOOR = {"__main__", "cli", "commands", "keeping", "process"}

# Beyond the standard library.
PACKAGES = {
    "aws.connection": {"boto3", "botocore"},
    "aws.credentials": {"boto3", "botocore"},
    "aws.sources": {"boto3", "botocore"},
    "checks.breaker": {"urllib3"},
    "daemon.daemonizer": {"daemon"},
    "daemon.pidfile": {"lockfile"},
    "metrics.exposition": {"prometheus_client"},
    "rehearsal.chart": {"matplotlib"},
}
# They bring boto3, which takes longer to import than anything else.
SLOW_TO_IMPORT = {"aws.connection", "aws.credentials", "aws.sources"}

# At the top of a module, where it costs start-up time; `--help` and `--version` need no more than this.
AT_THE_TOP = {
    "__init__": set[str](),
    "configuration.__init__": set[str](),
    "configuration.options": set[str](),
    "output.__init__": set[str](),
    "output.terminal": {"os", "sys"},
    "cli": {"argparse", "os", "re", "sys"}
    | {f"{PACKAGE}.{name}" for name in ("__init__", "configuration.options", "output.terminal")},
}
SLOW = ("boto3", "botocore", "logging", "configparser", "dataclasses", "typing", "json", f"{PACKAGE}.commands")

# These compute and do nothing else: no logging, no clock, no input or output. A room stands for all its modules.
PURE = {"decisions", "configuration.options", "aws.iam"}
PURE_IMPORTS = {
    "array",
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "math",
    "re",
    "typing",
}
IMPURE_CALLS = {"open", "print", "input", ".now", ".utcnow", ".today"}


class Import(NamedTuple):
    name: str  # of a module; of ours with its full path, the package itself as dynamic_dynamodb.__init__
    line: int
    lazy: bool  # within a function
    typing: bool  # under `if TYPE_CHECKING`


def module_names() -> list[str]:
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py"))


def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text("utf-8"))


def room(module: str) -> str:
    """The room of a module; of what lies on the ground, its own name."""
    first = module.split(".", 1)[0]
    return "door" if first in DOOR else first


def pure(module: str) -> bool:
    return module in PURE or room(module) in PURE


def imports(node: ast.AST, *, lazy: bool = False, typing: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy, typing) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(name, child.lineno, lazy, typing) for name in _from(child))
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            types_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from imports(child, lazy=lazy or function, typing=typing or types_only)


def _from(node: ast.ImportFrom) -> set[str]:
    if node.level:
        return {"a relative import"}
    name = str(node.module)
    if name.split(".", 1)[0] != PACKAGE:
        return {name}
    modules = {f"{PACKAGE}.{module}" for module in module_names()}
    if name in modules:
        return {name}
    return {f"{name}.{alias.name if f'{name}.{alias.name}' in modules else '__init__'}" for alias in node.names}


def violations(module: str, source: ast.Module) -> list[str]:
    """What a module does that its room may not, each as a sentence."""
    found: list[str] = []
    for one in imports(source):
        why = _why_not(module, one)
        if why:
            found.append(f"{PACKAGE}/{module.replace('.', '/')}.py:{one.line}: imports {one.name}: {why}")
    if pure(module):
        called = {_called(node) for node in ast.walk(source) if isinstance(node, ast.Call)}
        found += [f"{PACKAGE}/{module}.py: {name}(): it is to be pure" for name in sorted(called & IMPURE_CALLS)]
    return found


def _called(node: ast.Call) -> str:
    return f".{node.func.attr}" if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def _why_not(mine: str, one: Import) -> str:
    top, _, rest = one.name.partition(".")
    if mine in AT_THE_TOP and not one.lazy and not one.typing and one.name not in AT_THE_TOP[mine]:
        return "--help and --version would wait for it; import it where it is needed"
    if top != PACKAGE:
        return _why_not_outside(mine, top)
    if rest in SLOW_TO_IMPORT and mine not in SLOW_TO_IMPORT and not one.lazy:
        return f"boto3 is slow: import {rest} within the function that needs it"
    here, there = room(mine), room(rest or "__init__")
    if there == here or there in GROUND:
        return ""
    if there not in ROOMS.get(here, set()):
        may = ", ".join(sorted(ROOMS.get(here, ()))) or "no other room"
        return f"{here} may import {may}"
    return ""


def _why_not_outside(mine: str, top: str) -> str:
    if pure(mine) and top not in PURE_IMPORTS:
        return f"{mine} is to be pure: no logging, clock, input or output"
    if top in sys.stdlib_module_names or top in PACKAGES.get(mine, ()):
        return ""
    owners = [owner for owner, packages in PACKAGES.items() if top in packages]
    return f"only {' and '.join(owners)} may" if owners else "no package that this project depends on"


def test_every_module_has_a_room() -> None:
    rooms = {room(module) for module in module_names()}
    assert rooms - GROUND == set(ROOMS), (
        f"a module of {PACKAGE}/ belongs into a room: see ROOMS, GROUND and DOOR in tests/project/test_layers.py, "
        "and docs/architecture.md"
    )


@pytest.mark.parametrize("name", sorted(ROOMS.keys() - {"door"}))
def test_the_docstring_of_a_room_says_what_it_may_import(name: str) -> None:
    text = ast.get_docstring(tree(f"{name}.__init__")) or ""
    found = re.search(r"^May import: (.+?)\.$", text, re.M)
    assert found, "it has no line that begins with `May import: `"
    assert set(re.findall(r"\w+", found[1])) - {"no", "other", "room"} == ROOMS[name]
    assert re.search(r"^Provides: ", text, re.M)


def test_the_architecture_page_shows_these_rooms() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| [^|]+ \| ([^|]+) \|", page, re.M)
    shown = {name: set(re.findall(r"`(\w+)`", names)) for name, names in rows}
    assert shown == {name: may for name, may in ROOMS.items() if name != "door"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        f"{PACKAGE}.{module}": {one.name for one in imports(tree(module)) if one.name.startswith(f"{PACKAGE}.")}
        for module in module_names()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the modules in it


@pytest.mark.parametrize("module", module_names())
def test_module_imports_only_what_its_room_may(module: str) -> None:
    assert violations(module, tree(module)) == []


@pytest.mark.parametrize("name", sorted(ROOMS.keys() - {"door"}))
def test_no_room_hands_on_what_is_not_its_own(name: str) -> None:
    """Nothing is imported in a room's own file for the convenience of others."""
    assert list(imports(tree(f"{name}.__init__"))) == []


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("decisions.calculator", "import logging", "to be pure"),
        ("decisions.calculator", "from dynamic_dynamodb.configuration.sections import policy", "no other room"),
        ("decisions.calculator", "def f():\n    from dynamic_dynamodb.aws import calls", "no other room"),
        ("decisions.windows", "import time", "to be pure"),
        ("decisions.windows", "def f(d):\n    return d.now()", "to be pure"),
        ("decisions.windows", "text = open('x').read()", "to be pure"),
        ("decisions.model", "from dynamic_dynamodb.output.masking import printable", "no other room"),
        ("aws.cloudwatch", "from dynamic_dynamodb.configuration import loader", "decisions, output"),
        ("aws.iam", "import os", "to be pure"),
        ("checks.loop", "import boto3", "only aws.connection and aws.credentials and aws.sources may"),
        (
            "checks.check",
            "from botocore.config import Config",
            "only aws.connection and aws.credentials and aws.sources may",
        ),
        ("checks.check", "from dynamic_dynamodb.daemon.signals import Signals", "aws, configuration"),
        ("aws.dynamodb", "import botocore.exceptions", "only aws.connection"),
        ("aws.dynamodb", "from dynamic_dynamodb.aws.connection import connect", "within the function"),
        ("configuration.loader", "import requests", "no package that this project depends on"),
        ("daemon.daemonizer", "from dynamic_dynamodb.checks.state import State", "daemon may import output"),
        ("commands", "from dynamic_dynamodb.aws import connection", "within the function"),
        ("commands", "from dynamic_dynamodb.aws.connection import connect", "within the function"),
        ("cli", "import logging", "would wait for it"),
        ("cli", "from dynamic_dynamodb import commands", "would wait for it"),
        ("cli", "try:\n    import json\nexcept ImportError:\n    pass", "would wait for it"),
        ("configuration.options", "import re", "would wait for it"),
        ("checks.loop", "from . import check", "no package"),
        ("simulation.world", "import boto3", "only aws.connection"),
        ("simulation.world", "from dynamic_dynamodb.commands import run", "simulation may import decisions"),
    ],
)
def test_what_a_room_may_not_is_found(module: str, source: str, why: str) -> None:
    found = violations(module, ast.parse(source))
    assert len(found) == 1
    assert why in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cli", "if TYPE_CHECKING:\n    from typing import Any"),
        ("cli", "def f():\n    from dynamic_dynamodb import commands"),
        ("commands", "def f():\n    from dynamic_dynamodb.aws import connection"),
        ("checks.breaker", "import urllib3"),
        ("aws.connection", "import botocore.session"),
        ("checks.check", "from dynamic_dynamodb.decisions import calculator"),
        ("checks.check", "from dynamic_dynamodb.errors import DynamicDynamoDBError"),
        ("cli", "from dynamic_dynamodb import __version__"),
        ("simulation.world", "from dynamic_dynamodb.simulation.account import Account"),
    ],
)
def test_what_a_room_may_is_not_complained_of(module: str, source: str) -> None:
    assert violations(module, ast.parse(source)) == []


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_slow(flag: str) -> None:
    """The walk sees our imports; this sees what they bring along."""
    code = (
        f"import sys; sys.argv[1:] = [{flag!r}]\n"
        "from dynamic_dynamodb import cli\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(' '.join(name for name in {SLOW!r} if name in sys.modules))"
    )
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-S", "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
