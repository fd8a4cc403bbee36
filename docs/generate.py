"""Generates the files that derive from the declaration of the options (dynamic_dynamodb/configuration/options.py).

`python docs/generate.py` writes the files; with `--check` it names those that
are not current and exits 1. To add a file, write a function that returns its
text, and add a line to FILES.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]  # the checkout's own package, installed or not

import fault_matrix  # noqa: E402
from example_config import example_config  # noqa: E402
from reference import command_line, configuration  # noqa: E402

FILES: dict[str, Callable[[], str]] = {
    "example-config.conf": example_config,
    "docs/configuration.md": configuration,
    "docs/command-line.md": command_line,
    "docs/reliability.md": fault_matrix.page,
}


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with --check only compare them; returns the exit code."""
    stale = [name for name, text in FILES.items() if _read(ROOT / name) != text()]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"{name} is not current; run: python docs/generate.py\n")
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(FILES[name](), encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
