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

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
DIST = os.environ.get("DIST")
LED_ASTRAY = ("PYTHON", "AWS_", "MAKE", "MFLAGS", "UPLOAD", "TWINE_")  # how variables begin that stay outside


class Built(NamedTuple):
    sdist: Path
    wheel: Path


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        [str(word) for word in command],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith(LED_ASTRAY)} | env,
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
    top = {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "example-config.conf",
        "setup.py",
        "pyproject.toml",
        "Makefile",
    }
    inside = {
        "dynamic_dynamodb/cli.py",
        "dynamic_dynamodb/py.typed",
        "docs/behaviour.md",
        "docs/conf.py",
        "docs/demo/demo.conf",
        "docs/demo/demo.py",
        "docs/demo/requirements.txt",
        "docs/demo/thresholds.conf",
        "docs/demo/tracking.conf",
        "tests/conftest.py",
        "tests/data/options.tsv",
        "tests/requirements.txt",
        "tests/project/test_packaging.py",
    }
    assert (top | inside) - names == set()
    assert not [name for name in names if re.search(r"\.pyc$|__pycache__|^\.venv|^\.git/|^docs/_build/.", name)]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout: nothing to compare with")
def test_sdist_holds_what_git_has(built: Built) -> None:
    """Files of git's own and CI's apart; and, in a release, nothing else."""
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    tracked = {name for name in run("git", "ls-files", cwd=ROOT).splitlines() if not name.startswith(".")}
    assert tracked - names == set()
    if DIST:
        made = {"PKG-INFO", "setup.cfg"}
        assert {name for name in names - tracked - made if not name.startswith("dynamic_dynamodb.egg-info/")} == set()


def test_metadata_says_what_this_is(metadata: Message) -> None:
    assert metadata["Name"] == "dynamic-dynamodb"
    assert metadata["Version"] == __version__
    assert (metadata["License-Expression"] or metadata["License"]) == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    needed = {re.split(r"[<>=!~ ;]", text)[0]: "extra" in text for text in metadata.get_all("Requires-Dist", [])}
    always = {"boto3", "urllib3", "python-daemon", "lockfile", "tzdata"}
    assert needed == {**dict.fromkeys(always, False), "matplotlib": True, "prometheus-client": True}
    assert metadata.get_all("Provides-Extra") == ["report", "metrics"]
    description = metadata.get_payload()
    assert isinstance(description, str)
    assert description.startswith("# Dynamic DynamoDB")


def test_the_index_gets_no_link_into_the_checkout(metadata: Message) -> None:
    description = str(metadata.get_payload())
    targets = re.findall(r"\]\(([^)]*)\)|(?:src|srcset|href)=\"([^\"]*)\"", description)
    assert [target for pair in targets for target in pair if target and not target.startswith("http")] == []
    words = re.findall(r"[^!]\[([^]]+)\]\((?!http)[^)]+\)", (ROOT / "README.md").read_text("utf-8"))
    assert words
    assert [text for text in words if text not in description] == []


def sources() -> Iterator[Path]:
    """The files of the project, without prose, which may show what `--version` prints, and npm's list of packages."""
    tops = [path for path in ROOT.iterdir() if path.name in {"dynamic_dynamodb", "tests", "docs", "deploy"}]
    for path in [*ROOT.glob("*"), *(inside for top in tops for inside in top.rglob("*"))]:
        left_out = {"__pycache__", "_build"} & {*path.parts}
        if path.is_file() and path.suffix != ".md" and path.name != "package-lock.json" and not left_out:
            yield path


def test_version_stands_in_one_place() -> None:
    version = re.compile(rf"(?<![\w.=]){re.escape(__version__)}(?![\w.])".encode())
    found = [path.relative_to(ROOT) for path in sources() if version.search(path.read_bytes())]
    assert found == [Path("dynamic_dynamodb/__init__.py")]


def test_the_change_log_begins_with_this_version() -> None:
    """With its day, where it is uploaded."""
    found = re.search(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert found
    assert found[1] == __version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\d" if os.environ.get("UPLOAD") else r"unreleased|\d{4}-\d\d-\d\d", found[2])


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


# What `make release` does


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_nothing_is_uploaded_unless_asked() -> None:
    """Not by credentials alone, which may be in the environment for something else; and they are asked for first."""
    credentials = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "secret", "TWINE_REPOSITORY_URL": "http://127.0.0.1:9"}
    plan = run("make", "--dry-run", "release", cwd=ROOT, **credentials)
    assert "twine --no-color check" in plan
    assert "twine upload" not in plan
    asked = run("make", "--dry-run", "release", "UPLOAD=1", cwd=ROOT)
    steps = [asked.index(step) for step in ("UPLOAD needs TWINE_USERNAME", " -m build ", "SHA256SUMS", "twine upload")]
    assert steps == sorted(steps)


# In new environments, as `make release` has it: what it says of the Pythons it finds

ANSWERS = 'case "$1 $2" in "-c "*) echo 3.12.9 && exit;; "-m venv")'


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("exit 127", 1, "python3.12: not on PATH, not tried\n"),  # a stand-in of pyenv's
        (f"{ANSWERS} echo no ensurepip >&2 && exit 1;; esac", 1, "no ensurepip\n"),
        (f'{ANSWERS} mkdir -p "$3/bin" && cp "$0" "$3/bin/python";; esac', 0, "does what it should"),
    ],
    ids=["none", "failing", "working"],
)
def test_each_python_is_tried_or_named(script: str, code: int, said: str, built: Built, tmp_path: Path) -> None:
    fake = tmp_path / "python3.12"
    fake.write_text(f"#!/bin/sh\nPATH={os.defpath}\n{script}\n")
    fake.chmod(0o755)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(ROOT / "tests" / "release.py"), str(built.wheel.parent)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr
    assert "python3.13: not on PATH, not tried\n" in done.stdout
