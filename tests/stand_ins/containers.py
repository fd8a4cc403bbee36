"""What a container of the Dockerfile is, as far as a machine without an engine can tell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from conftest import SCRIPT, environment

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


class Image:
    """What deploy/Dockerfile says, instruction by instruction."""

    def __init__(self) -> None:
        text = (DEPLOY / "Dockerfile").read_text()
        lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
        self.all = [
            (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines.splitlines() if line)
        ]
        last = max(number for number, (word, _) in enumerate(self.all) if word == "FROM")
        self.final = dict(self.all[last:])
        self.entry: list[str] = json.loads(self.final["ENTRYPOINT"])
        self.command: list[str] = json.loads(self.final["CMD"])
        self.health: list[str] = json.loads(self.final["HEALTHCHECK"].partition("CMD")[2])

    def sources(self) -> list[str]:
        """The files of the project that are copied."""
        return [source for words in self.copies() for source in words[:-1]]

    def copies(self) -> list[list[str]]:
        return [rest.split() for word, rest in self.all if word == "COPY" and "--from" not in rest]

    def first(self) -> list[tuple[str, str]]:
        """The instructions of the first stage, FROM apart."""
        return self.all[1 : next(number for number, (word, _) in enumerate(self.all) if number and word == "FROM")]


def offline(folder: Path) -> dict[str, str]:
    """An environment in which pip builds and installs this package without any index, by this one's setuptools."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if re.match(r"(_distutils_hack|setuptools|wheel)\b", path.name):
            (folder / path.name).symlink_to(path)
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return environment(PYTHONPATH=str(folder), PATH=f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}", **pip)


UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def namespaces() -> bool:
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, timeout=30, check=False).returncode == 0  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
