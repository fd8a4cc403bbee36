"""The built wheel in a new environment of each Python that it is for, at the sdist's own demo. `make release` runs it.

    python tests/release.py dist

Of the Pythons that the wheel's classifiers name, those count that are on PATH
as python3.X; the others are named, and not tried. The exit code is 1 where one
fails, or none is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LONG = 600  # seconds; an index may be slow
# Nothing of this checkout, and nobody's AWS account.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_", "VIRTUAL_ENV"))}


class FailedError(Exception):
    """What a command said that failed."""


def main(folder: Path) -> int:
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        source = unpacked(sdist, Path(name))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tried = list(pool.map(lambda version: attempt(version, wheel, source), pythons(wheel)))
    if not any(tried):
        sys.stderr.write("none of these Pythons is here; with pyenv, PYENV_VERSION puts several on PATH\n")
    return 0 if any(tried) and False not in tried else 1


def pythons(wheel: Path) -> Iterator[str]:
    """The versions that the wheel says it is for: "3.10"."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        yield from re.findall(
            r"^Classifier: Programming Language :: Python :: (3\.\d+)$", archive.read(name).decode(), re.M
        )


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        # Python 3.12 wants a filter to be named, and early patch releases of 3.10 and 3.11 have none.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        archive.extractall(folder)  # noqa: S202 - our own
    (source,) = folder.iterdir()
    return source


def attempt(version: str, wheel: Path, source: Path) -> bool | None:
    """Whether the demo works there; None: there is no such Python."""
    python, began = shutil.which(f"python{version}"), time.monotonic()
    try:
        found = run(python, "-c", "import platform; print(platform.python_version())").strip() if python else ""
    except FailedError:  # pyenv's stand-in for a Python that is not chosen
        found = ""
    if not python or not found:
        tell(f"python{version}: not on PATH, not tried")
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            demonstrate(python, wheel, source, Path(folder))
    except FailedError as error:
        tell(f"python{version} ({found}): FAILED\n{error}")
        return False
    tell(f"python{version} ({found}): installed, and the demo does what it should ({time.monotonic() - began:.0f} s)")
    return True


def demonstrate(python: str, wheel: Path, source: Path, folder: Path) -> None:
    """Raises FailedError."""
    run(python, "-m", "venv", folder)
    own, demo = folder / "bin" / "python", source / "docs" / "demo"
    pip = (own, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    run(*pip, "install", "-r", demo / "requirements.txt", wheel.resolve())
    run(*pip, "check")
    run(own, demo / "demo.py")


def run(*command: str | Path) -> str:
    """Run it far from any checkout; its output. Raises FailedError."""
    done = subprocess.run(  # noqa: S603 - our own words
        [str(word) for word in command],
        cwd=tempfile.gettempdir(),
        env=CLEAN,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    if done.returncode != 0:
        raise FailedError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
