"""Each supported Python can import each module: what newer Pythons accept is not always there in 3.10."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# As the classifiers of setup.py name them.
VERSIONS = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "setup.py").read_text(encoding="utf-8"))
MODULES = sorted((ROOT / "dynamic_dynamodb").rglob("*.py"))
# The Pythons of the machine may lack the dependencies; ours are pure Python.
IMPORT_ALL = """
import importlib, pkgutil, dynamic_dynamodb
for module in pkgutil.walk_packages(dynamic_dynamodb.__path__, "dynamic_dynamodb."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
"""


def installed(version: str) -> Iterator[str]:
    """The Pythons of this version on PATH and below pyenv's folder."""
    if found := shutil.which(f"python{version}"):
        yield found
    yield from map(
        str, Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python")
    )


def works(python: str) -> bool:
    """Not so pyenv's stand-in for a Python that is not chosen."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603


@pytest.mark.parametrize("version", VERSIONS)
def test_every_module_can_be_imported(version: str) -> None:
    python = next(filter(works, installed(version)), None)
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        python = sys.executable
    if python is None:
        pytest.skip(f"no python{version} on this machine")
    paths = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    done = subprocess.run(  # noqa: S603
        [python, "-W", "ignore", "-c", IMPORT_ALL],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_base_class_has_parameters_that_only_type_checkers_know(path: Path) -> None:
    """`StreamHandler[TextIO]` is an error in Python 3.10, and mypy does not say so."""
    bases = [
        base.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Subscript)
    ]
    assert {ast.unparse(base) for base in bases} <= {"Generic", "Protocol"}
