"""Code that the console script's Python runs before everything else."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import ACCOUNT


def before_all(folder: Path, module: str, code: str) -> dict[str, str]:
    """An environment in which a module of this name is found in the folder, with this code."""
    (folder / f"{module}.py").write_text(code)
    path = os.environ.get("PYTHONPATH")
    return {**ACCOUNT, "PYTHONPATH": f"{folder}{os.pathsep}{path}" if path else str(folder)}
