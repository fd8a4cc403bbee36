"""Who may import whom: the rooms of docs/architecture.md, held by a walk over the imports of each module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "dynamic_dynamodb"
ROOT = Path(__file__).parent.parent / PACKAGE

# A module may import those of a lower layer, not its neighbours. Every module
# has its row; those of the simulation have one together and may import each other.
LAYERS = {
    "__init__": 0,
    "options": 1,
    "errors": 1,
    "model": 1,
    "masking": 0,
    "terminal": 1,
    "matching": 1,
    "windows": 1,
    "signals": 1,
    "inifile": 1,
    "service": 1,
    "calculator": 2,
    "iam": 2,
    "converters": 2,
    "workers": 2,
    "state": 2,
    "config": 3,
    "stats": 3,
    "updater": 3,
    "notifier": 3,
    "breaker": 3,
    "logs": 3,
    "pidfile": 2,
    "daemonizer": 3,
    "inventory": 4,
    "announcement": 4,
    "guards": 5,
    "loop": 6,
    "aws": 7,
    "runner": 7,
    "simulation": 7,
    "program": 8,
    "cli": 9,
    "__main__": 10,
}

# Beyond the standard library.
PACKAGES = {"aws": {"boto3", "botocore"}, "breaker": {"urllib3"}, "daemonizer": {"daemon"}, "pidfile": {"lockfile"}}

# Of this package, where a layer is too wide.
ONLY = {
    "logs": {"errors", "masking", "terminal"},
    "daemonizer": {"errors", "masking", "pidfile", "terminal"},
    "pidfile": {"errors"},
    "aws": {"__init__", "errors", "loop", "masking", "workers"},
}

# At the top of a module, where it costs start-up time; `--help` and `--version` need no more than this.
AT_THE_TOP = {
    "__init__": set[str](),
    "options": set[str](),
    "terminal": {"os", "sys"},
    "cli": {"argparse", "os", "re", "sys", f"{PACKAGE}.__init__", f"{PACKAGE}.options", f"{PACKAGE}.terminal"},
}
SLOW = ("boto3", "botocore", "logging", "configparser", "dataclasses", "typing", "json", f"{PACKAGE}.program")

# These compute and do nothing else: no logging, no clock, no input or output.
PURE = {"options", "model", "matching", "calculator", "windows", "iam"}
PURE_IMPORTS = {
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
    return module.split(".", 1)[0]


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
    if node.module != PACKAGE:
        return {str(node.module)}
    modules = {room(module) for module in module_names()}
    return {f"{PACKAGE}.{alias.name if alias.name in modules else '__init__'}" for alias in node.names}


def violations(module: str, source: ast.Module) -> list[str]:
    """What a module does that its room may not, each as a sentence."""
    found: list[str] = []
    for one in imports(source):
        why = _why_not(room(module), one)
        if why:
            found.append(f"{PACKAGE}/{module.replace('.', '/')}.py:{one.line}: imports {one.name}: {why}")
    if room(module) in PURE:
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
    other = room(rest or "__init__")
    if other == "aws" and not one.lazy:
        return "boto3 is slow: import aws within the function that needs it"
    if other == mine == "simulation":
        return ""
    if other not in LAYERS or LAYERS[other] >= LAYERS[mine]:
        return (
            f"{mine} is of layer {LAYERS[mine]}, {other} of layer {LAYERS.get(other)}; only lower ones may be imported"
        )
    if other not in ONLY.get(mine, {other}):
        return f"{mine} may import {', '.join(sorted(ONLY[mine]))} only"
    return ""


def _why_not_outside(mine: str, top: str) -> str:
    if mine in PURE and top not in PURE_IMPORTS:
        return f"{mine} is to be pure: no logging, clock, input or output"
    if top in sys.stdlib_module_names or top in PACKAGES.get(mine, ()):
        return ""
    owners = [owner for owner, packages in PACKAGES.items() if top in packages]
    return f"only {owners[0]} may" if owners else "no package that this project depends on"


def test_every_module_has_a_layer() -> None:
    rooms = {room(module) for module in module_names()}
    missing = sorted(rooms - LAYERS.keys())
    assert not missing, (
        f"{missing} in {PACKAGE}/ has no layer: give it one in LAYERS of tests/test_layers.py, "
        "and a row in docs/architecture.md"
    )
    gone = sorted(LAYERS.keys() - rooms)
    assert not gone, f"{gone} in LAYERS of tests/test_layers.py is no module of {PACKAGE}/"


def test_the_architecture_page_shows_these_layers() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.M)
    assert {name: int(layer) for layer, names in rows for name in re.findall(r"`(\w+)`", names)} == LAYERS


@pytest.mark.parametrize("module", module_names())
def test_module_imports_only_what_its_room_may(module: str) -> None:
    if room(module) not in LAYERS:
        pytest.fail(f"{module} has no layer; see test_every_module_has_a_layer")
    assert violations(module, tree(module)) == []


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("calculator", "import logging", "to be pure"),
        ("calculator", "from dynamic_dynamodb.config import policy", "layer 3"),
        ("calculator", "def f():\n    from dynamic_dynamodb import config", "layer 3"),
        ("windows", "import time", "to be pure"),
        ("windows", "def f(d):\n    return d.now()", "to be pure"),
        ("windows", "text = open('x').read()", "to be pure"),
        ("model", "from dynamic_dynamodb.errors import AwsError", "layer 1"),
        ("stats", "from dynamic_dynamodb import config", "layer 3"),
        ("loop", "import boto3", "only aws may"),
        ("loop", "from botocore.config import Config", "only aws may"),
        ("updater", "import botocore.exceptions", "only aws may"),
        ("config", "import requests", "no package that this project depends on"),
        ("daemonizer", "from dynamic_dynamodb.state import State", "errors, masking, pidfile, terminal only"),
        ("program", "from dynamic_dynamodb import aws", "within the function"),
        ("program", "from dynamic_dynamodb.aws import clients", "within the function"),
        ("cli", "import logging", "would wait for it"),
        ("cli", "from dynamic_dynamodb import program", "would wait for it"),
        ("cli", "try:\n    import json\nexcept ImportError:\n    pass", "would wait for it"),
        ("options", "import re", "would wait for it"),
        ("loop", "from . import config", "no package"),
        ("simulation.world", "import boto3", "only aws may"),
        ("simulation.world", "from dynamic_dynamodb.program import run", "layer 8"),
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
        ("cli", "def f():\n    from dynamic_dynamodb import program"),
        ("program", "def f():\n    from dynamic_dynamodb import aws"),
        ("breaker", "import urllib3"),
        ("aws", "import botocore.session"),
        ("loop", "from dynamic_dynamodb import calculator, updater"),
        ("cli", "from dynamic_dynamodb import __version__, options"),
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
