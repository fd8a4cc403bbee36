"""What a user installs: the sdist and the wheel, their contents, and the wheel at work outside the checkout.

With DIST=folder in the environment the files in that folder are looked at, and
the wheel is installed with its dependencies, over the network: `make release`.
Otherwise they are built here, and the dependencies of this environment serve.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest

from dynamic_dynamodb import __version__

pytestmark = pytest.mark.xdist_group("packaging")  # built once, by one worker

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
DIST = os.environ.get("DIST")


class Built(NamedTuple):
    sdist: Path
    wheel: Path


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        [str(word) for word in command],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if DIST:
        folder = ROOT / DIST
    else:
        # From a copy, because a build leaves things behind, and picks up what earlier ones left.
        checkout = tmp_path_factory.mktemp("source") / "checkout"
        shutil.copytree(ROOT, checkout, ignore=LEFT_OUT)
        folder = tmp_path_factory.mktemp("dist")
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, cwd=checkout)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="module")
def wheel(built: Built) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built.wheel) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(wheel.read(f"dynamic_dynamodb-{__version__}.dist-info/METADATA").decode())


@pytest.fixture(scope="module")
def scripts(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripts of a new environment that the wheel is installed into."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", *([] if DIST else ["--without-pip"]), environment, cwd=environment)
    folder = environment / "bin"
    python = folder / "python"
    if DIST:
        run(python, "-m", "pip", "--quiet", "install", built.wheel, cwd=environment)
    else:
        pip = (sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check")
        run(*pip, "install", "--no-deps", "--no-index", built.wheel, cwd=environment)
        site = Path(
            run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment).strip()
        )
        # Lines of a .pth file are followed, the .pth files found there are not: our own editable install stays out.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    return folder


# Contents


def test_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "dynamic_dynamodb").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"dynamic_dynamodb-{__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == expected
    assert "dynamic_dynamodb/py.typed" in names
    assert "dynamic_dynamodb/simulation/world.py" in names
    assert f"{info}licenses/LICENSE" in names
    assert wheel.read(f"{info}top_level.txt").decode().split() == ["dynamic_dynamodb"]


def test_sdist_holds_what_a_packager_needs(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    top = {"LICENSE", "README.md", "CHANGELOG.md", "example-config.conf", "setup.py", "pyproject.toml", "Makefile"}
    inside = {
        "dynamic_dynamodb/cli.py",
        "dynamic_dynamodb/py.typed",
        "docs/behaviour.md",
        "docs/demo/demo.conf",
        "docs/demo/demo.py",
        "docs/demo/requirements.txt",
        "tests/conftest.py",
        "tests/data/options.tsv",
        "tests/requirements.txt",
        "tests/test_packaging.py",
    }
    assert (top | inside) - names == set()
    assert not [name for name in names if re.search(r"\.pyc$|__pycache__|^\.venv|^\.git/", name)]


def test_metadata_says_what_this_is(metadata: Message) -> None:
    assert metadata["Name"] == "dynamic-dynamodb"
    assert metadata["Version"] == __version__
    assert (metadata["License-Expression"] or metadata["License"]) == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    requirements = {re.split(r"[<>=!~ ]", text)[0] for text in metadata.get_all("Requires-Dist", [])}
    assert requirements == {"boto3", "urllib3", "python-daemon", "lockfile"}
    description = metadata.get_payload()
    assert isinstance(description, str)
    assert description.startswith("# Dynamic DynamoDB")


def test_version_stands_in_one_place() -> None:
    sources = [
        ROOT / "setup.py",
        ROOT / "pyproject.toml",
        ROOT / "Makefile",
        *(ROOT / "dynamic_dynamodb").rglob("*.py"),
    ]
    found = [path.relative_to(ROOT) for path in sources if f'"{__version__}"' in path.read_text("utf-8")]
    assert found == [Path("dynamic_dynamodb/__init__.py")]


# At work


def test_installed_script_tells_its_version(scripts: Path, tmp_path: Path) -> None:
    assert run(scripts / "dynamic-dynamodb", "--version", cwd=tmp_path) == f"Dynamic DynamoDB version: {__version__}\n"
    module = run(scripts / "python", "-m", "dynamic_dynamodb", "--version", cwd=tmp_path)
    assert module == f"Dynamic DynamoDB version: {__version__}\n"


def test_installed_package_is_whole(scripts: Path, tmp_path: Path) -> None:
    """Every module can be imported, and from the new environment, not from the checkout."""
    code = (
        "import importlib, pkgutil, dynamic_dynamodb as package\n"
        "for found in pkgutil.walk_packages(package.__path__, 'dynamic_dynamodb.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "print(package.__file__)"
    )
    place = Path(run(scripts / "python", "-c", code, cwd=tmp_path).strip())
    assert place.is_relative_to(scripts.parent)


def test_installed_script_reads_a_configuration(scripts: Path, tmp_path: Path) -> None:
    demo = ROOT / "docs" / "demo" / "demo.conf"
    shown = run(scripts / "dynamic-dynamodb", "--config", demo, "--show-config", cwd=tmp_path)
    assert '"^orders$"' in shown
