"""The files in deploy/, at work: only paths in them are replaced, and the name of the user."""

from __future__ import annotations

import configparser
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pages
import pytest
from conftest import SCRIPT, Program, environment, lives
from containers import DEPLOY, UNSHARE, Image, namespaces, offline
from place import LONG, Place, placed, until
from service_manager import Manager

from dynamic_dynamodb import __version__

Spawn = Callable[..., Program]

ROOT = Path(__file__).parents[2]
UNITS = ("dynamic-dynamodb.service", "dynamic-dynamodb@.service")
PROGRAM = "/usr/local/bin/dynamic-dynamodb"
HADOLINT = SCRIPT.parent / "hadolint"  # no wheel of it for some machines


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


# supervisord


class Supervisor:
    """supervisord on the shipped file."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.home / "dynamic-dynamodb.log"
        self.conf = place.home / "supervisord.conf"
        self.conf.write_text(self.replaced((DEPLOY / "supervisord.conf").read_text()))
        tool = Path(sys.executable).parent / "supervisord"
        self.words = [str(SCRIPT.parent / "supervisorctl"), "-c", str(self.conf)]
        self.process = subprocess.Popen(  # noqa: S603
            [str(tool), "--nodaemon", "--configuration", str(self.conf)],
            env=environment(**place.env()),
            cwd=place.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def replaced(self, text: str) -> str:
        home = self.place.home
        for old, new in (
            (PROGRAM, SCRIPT),
            ("/etc/dynamic-dynamodb/dynamic-dynamodb.conf", self.place.conf),
            ("/var/lib/dynamic-dynamodb", self.place.folder),
            ("/var/log/dynamic-dynamodb/", f"{home}/"),
            ("/var/log/", f"{home}/"),
            ("/run/supervisor", f"{home}/supervisor"),
            ("user=dynamic-dynamodb", f"user={pwd.getpwuid(os.geteuid()).pw_name}"),
        ):
            assert old in text, old
            text = text.replace(old, str(new))
        return text

    def tell(self, *words: str) -> str:
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        return done.stdout + done.stderr

    def pid(self) -> int:
        """Of a program that has been running for as long as it takes to count as started; or 0."""
        found = re.match(r"dynamic-dynamodb +RUNNING +pid (\d+)", self.tell("status"))
        return int(found[1]) if found else 0

    def wait_for_pid(self, old: int = 0) -> int:
        until(lambda: self.pid() not in {0, old}, lambda: self.tell("status"))
        return self.pid()

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(LONG)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def supervisor(place: Place) -> Iterator[Supervisor]:
    pytest.importorskip("supervisor", reason="supervisor is not installed: pip install -r tests/requirements.txt")
    place.configure(interval=1, logging="log-level: info")
    made = Supervisor(place)
    yield made
    made.end()


def test_supervisord(supervisor: Supervisor, place: Place) -> None:
    first = supervisor.wait_for_pid()
    assert place.pid("default") == first
    until(lambda: "my-table - reads 50.0 % of 100: stays" in supervisor.log.read_text())

    os.kill(first, signal.SIGKILL)
    second = supervisor.wait_for_pid(first)
    assert (lives(first), place.pid("default")) == (False, second)

    assert "signalled" in supervisor.tell("signal", "HUP", "dynamic-dynamodb")
    until(lambda: "SIGHUP: the configuration was read again" in supervisor.log.read_text())
    assert supervisor.pid() == second

    began = time.monotonic()
    assert "stopped" in supervisor.tell("stop", "dynamic-dynamodb")
    assert time.monotonic() - began < LONG  # supervisord would kill it after 120 s
    assert not lives(second)
    assert not list(place.folder.glob("*.pid"))
    assert supervisor.log.read_text().endswith("ended by a signal\n")
    own = (place.home / "supervisord.log").read_text()
    assert "terminated by SIGKILL; not expected" in own
    assert own.rstrip().endswith("stopped: dynamic-dynamodb (exit status 0)")

    assert "started" in supervisor.tell("start", "dynamic-dynamodb")
    assert place.run("stop", instance="default").returncode == 0  # asked for: no new start
    until(lambda: "EXITED" in supervisor.tell("status"))
    assert "(exit status 0; expected)" in (place.home / "supervisord.log").read_text()


# systemd


systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here (Debian: systemd)")


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit file, in all sections."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def installed(name: str, folder: Path) -> Path:
    """The unit as it stands, but for where the program is: one that is not there is an error to systemd."""
    path = folder / name
    path.write_text((DEPLOY / name).read_text().replace(PROGRAM, str(SCRIPT)))
    return path


@systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    def verify(path: Path) -> tuple[int, str]:
        command = ["systemd-analyze", "verify", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        return done.returncode, done.stderr

    path = installed(name, tmp_path)
    assert verify(path) == (0, "")
    path.write_text(path.read_text().replace("KillMode=", "KilMode="))  # it answers 0 to that, too
    assert "KilMode" in verify(path)[1]


@systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_it_hardened(name: str, tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed(name, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) < 3


@pytest.mark.parametrize("name", UNITS)
def test_the_units_own_commands(name: str, place: Place, spawn: Spawn) -> None:
    """Start, reload and stop as systemd does, which does not run here."""
    settings = unit(name)
    (start,), (reload,) = settings["ExecStart"], settings["ExecReload"]
    instance = "orders" if "@" in name else "default"
    (folder,) = settings["RuntimeDirectory"]
    program, *flags = shlex.split(start.replace("%i", instance))
    assert program == PROGRAM
    replaced = {
        "/run/" + folder.replace("%i", instance): str(place.folder),
        f"/etc/dynamic-dynamodb/{'orders' if '@' in name else 'dynamic-dynamodb'}.conf": str(place.conf),
    }
    assert set(replaced) <= set(flags)
    manager = Manager(str(place.home / "notify"))
    with manager.socket:
        env = place.env(NOTIFY_SOCKET=manager.address)
        service = spawn(*(replaced.get(flag, flag) for flag in flags), env=env)
        assert settings["Type"] == ["notify"]
        assert manager.next() == ["READY=1"]
        assert place.pid(instance) == service.process.pid
        words = shlex.split(reload.replace("$MAINPID", str(service.process.pid)))
        assert subprocess.run(words, check=False).returncode == 0  # noqa: S603
        assert manager.next()[0] == "RELOADING=1"
        assert manager.next() == ["READY=1"]
        service.process.send_signal(getattr(signal, settings["KillSignal"][0]))
        assert service.process.wait(LONG) == 0
        assert manager.next() == ["STOPPING=1"]


@pytest.mark.parametrize("name", UNITS)
def test_a_restart_finds_the_state_file(name: str) -> None:
    """It is beside the pid file, in a folder that systemd removes at each stop unless it is told to keep it."""
    settings = unit(name)
    (folder,) = settings["RuntimeDirectory"]
    assert f"--pid-file-dir /run/{folder} " in settings["ExecStart"][0]
    assert settings["RuntimeDirectoryPreserve"] == ["yes"]


def test_the_units_differ_in_the_instance_alone() -> None:
    one, many = (unit(name) for name in UNITS)
    assert one.keys() == many.keys()
    differing = {key for key in one if one[key] != many[key]}
    assert differing == {"Description", "ExecStart", "RuntimeDirectory", "EnvironmentFile"}


# Container


def test_the_image_is_small_and_safe() -> None:
    image = Image()
    assert [rest.split()[0] for word, rest in image.all if word == "FROM"] == ["python:3.13-slim"] * 2
    user, group = image.final["USER"].split(":")
    assert min(int(user), int(group)) > 0
    assert image.final["STOPSIGNAL"] == "SIGTERM"
    text = "\n".join(f"{word} {rest}" for word, rest in image.all)
    assert not re.search(r"apt|gcc|build-essential|^(ARG|ADD|EXPOSE)\b|AKIA", text, re.M)
    assert not re.search(r"SECRET|TOKEN|PASSWORD", text, re.I)


def test_what_is_copied_passes_the_ignore_file() -> None:
    allowed = re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M)
    assert sorted(allowed) == sorted(Image().sources())


def test_the_first_stage_of_the_image(tmp_path: Path) -> None:
    """Its instructions, carried out in a folder, since there may be no Docker; the dependencies apart."""
    image, env, here = Image(), offline(tmp_path / "tools"), tmp_path
    for word, rest in image.first():
        if word == "WORKDIR":
            here = tmp_path / rest.lstrip("/")
            here.mkdir(parents=True)
        elif word == "COPY":
            *sources, to = rest.split()
            for source in (ROOT / name for name in sources):
                if source.is_dir():
                    shutil.copytree(source, here / to, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, here / to)
        else:
            assert word == "RUN"
            line = rest.replace("/opt/", f"{tmp_path}/opt/")
            done = subprocess.run(  # noqa: S602 - as Docker does
                line, shell=True, cwd=here, env=env, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stderr
    path = tmp_path / re.sub(r"^PATH=/(.*):\$PATH$", r"\1", image.final["ENV"])
    version = subprocess.run([str(path / image.entry[0]), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    assert version.stdout == f"Dynamic DynamoDB version: {__version__}\n"
    assert not list(path.glob("pip*"))


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not installed: pip install -r tests/requirements.txt")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([str(HADOLINT), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(not namespaces(), reason="unshare --pid is not permitted here, or not installed")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_process_1_of_a_container(place: Place, number: int, code: int) -> None:
    image = Image()
    replaced = {
        "dynamic-dynamodb": str(SCRIPT),
        "/run/dynamic-dynamodb": str(place.folder),
        "/etc/dynamic-dynamodb/dynamic-dynamodb.conf": str(place.conf),
    }
    entry, command, health = (
        [replaced.get(word, word) for word in words] for words in (image.entry, image.command, image.health)
    )
    place.configure(interval=1)
    env = environment(**place.env())
    outside = subprocess.Popen(  # noqa: S603
        [*UNSHARE, *entry, *command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        place.wait_for("my-table - reads 50.0 % of 100: stays")
        assert place.pid("default") == 1
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
        inside = int(children.read_text().split()[0])
        enter = ["nsenter", "--target", str(inside), "--pid", "--mount", *health]
        done = subprocess.run(enter, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        assert (done.returncode, "instance default is running: process 1, since" in done.stdout) == (0, True)
        place.hang_up(inside)
        place.end(inside, number)
        assert outside.wait(LONG) == code
        assert not list(place.folder.glob("*.pid"))
        assert place.run("status", instance="default").returncode == 3
    finally:
        outside.kill()
        outside.wait()


# The document


def test_what_the_document_names_exists() -> None:
    text = (ROOT / "docs" / "running.md").read_text()
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert (ROOT / "docs" / link).exists(), link
    for name in re.findall(r"\b(deploy/[\w.@-]+\w)", text):
        assert (ROOT / name).exists(), name
    for path in DEPLOY.iterdir():
        assert path.name in text, path
    help_text = subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    for flag in re.findall(r"dynamic-dynamodb [^\n`]*?(--[a-z-]+)", text):
        assert flag in help_text, flag


def test_each_situation_of_the_document_has_its_tests() -> None:
    """They are in docs/architecture.md, in the same order; test_docs.py looks whether they exist."""
    (shown,) = pages.tables("running.md", "situation", "what you see")
    (tested,) = pages.tables("architecture.md", "situation", "tests")
    assert [row["situation"] for row in shown.rows] == [row["situation"] for row in tested.rows]
    assert [row for row in tested.rows if not re.search(r"`test_\w+\.py::test_\w+`", row["tests"])] == []


def test_supervisords_file_can_be_read() -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read(DEPLOY / "supervisord.conf")
    assert parser["program:dynamic-dynamodb"]["stopsignal"] == "TERM"
