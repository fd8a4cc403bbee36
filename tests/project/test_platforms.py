"""The pages for Kubernetes, Lambda and cron: their manifest, handler, crontab and units, looked at and put to work."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
import yaml
from conftest import SCRIPT, environment
from containers import DEPLOY, Image
from place import LONG, TABLE, Place, heat, placed, until
from scraper import free_port, get

from dynamic_dynamodb import cli
from dynamic_dynamodb.decisions.model import Throughput


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


# Kubernetes

MANIFEST = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))}
POD: Any = MANIFEST["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
FILE = "/etc/dynamic-dynamodb/dynamic-dynamodb.conf"


def mounted() -> dict[str, Any]:
    """Volumes by the folder at which the container sees them."""
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in CONTAINER["volumeMounts"]}


def test_there_are_never_two_pods() -> None:
    assert MANIFEST.keys() == {"ServiceAccount", "ConfigMap", "Deployment"}
    spec = MANIFEST["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["selector"]["matchLabels"].items() <= POD["metadata"]["labels"].items()


def test_the_pod_is_that_of_the_image() -> None:
    image, context = Image(), POD["spec"]["securityContext"]
    assert "command" not in CONTAINER
    assert CONTAINER["args"][:2] == image.command == ["--config", FILE]
    assert image.final["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert json.loads(image.final["VOLUME"]) == ["/run/dynamic-dynamodb"]
    assert mounted()["/run/dynamic-dynamodb"]["emptyDir"] == {}
    assert mounted()[str(Path(FILE).parent)]["configMap"]["name"] == MANIFEST["ConfigMap"]["metadata"]["name"]
    assert Path(FILE).name in MANIFEST["ConfigMap"]["data"]
    unit = (DEPLOY / "dynamic-dynamodb.service").read_text("utf-8")
    assert f"TimeoutStopSec={POD['spec']['terminationGracePeriodSeconds']}\n" in unit
    assert POD["spec"]["serviceAccountName"] == MANIFEST["ServiceAccount"]["metadata"]["name"]


def test_the_ports_are_one() -> None:
    (port,) = CONTAINER["ports"]
    flags = dict(zip(CONTAINER["args"][::2], CONTAINER["args"][1::2], strict=True))
    notes = POD["metadata"]["annotations"]
    assert flags["--metrics-address"] == "0.0.0.0"  # noqa: S104 - the pod's own
    assert {flags["--metrics-port"], notes["prometheus.io/port"]} == {str(port["containerPort"])}
    assert CONTAINER["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    (monitor,) = [text for text in pages.blocks("kubernetes.md", "yaml") if "PodMonitor" in text]
    assert [one["port"] for one in yaml.safe_load(monitor)["spec"]["podMetricsEndpoints"]] == [port["name"]]
    assert f"on port {port['containerPort']}" in pages.read("kubernetes.md")


def test_the_probe_of_the_page_is_the_images() -> None:
    (probe,) = [text for text in pages.blocks("kubernetes.md", "yaml") if "livenessProbe" in text]
    assert yaml.safe_load(probe)["livenessProbe"]["exec"]["command"] == Image().health


def test_the_configuration_of_the_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dd.conf").write_text(MANIFEST["ConfigMap"]["data"][Path(FILE).name], "utf-8")
    assert cli.main(["--config", str(tmp_path / "dd.conf"), "--show-config"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert list(json.loads(shown.out)["tables"]["^orders$"]["gsis"]) == ["^by-customer$"]


def test_the_pods_command_at_work(place: Place) -> None:
    """It is live while its checks succeed, can be scraped, and ends when it is asked to."""
    place.configure(interval=1, logging="log-level: info")
    place.folder.chmod(0o2777)  # as Kubernetes makes an emptyDir
    port = str(free_port())
    changed = {FILE: str(place.conf), CONTAINER["args"][3]: port, "/run/dynamic-dynamodb": str(place.folder)}
    words = [changed.get(word, word) for word in (*Image().entry[1:], *CONTAINER["args"])]
    variables = {one["name"]: one["value"] for one in CONTAINER["env"]}
    with place.log.open("w") as log:
        env = environment(**place.env(**variables))
        process = subprocess.Popen([str(SCRIPT), *words], env=env, stdout=log, stderr=log)  # noqa: S603
    try:
        until(lambda: answer(int(port), CONTAINER["livenessProbe"]["httpGet"]["path"]) == 200, place.text)
        assert answer(int(port), POD["metadata"]["annotations"]["prometheus.io/path"]) == 200
        place.wait_for("my-table - reads 50.0 % of 100: stays")
        place.end(process.pid, signal.SIGTERM)
        assert process.wait(LONG) == 0
    finally:
        process.kill()
        process.wait()


def answer(port: int, path: str) -> int:
    """The status of the answer; 0 where nobody listens yet."""
    try:
        return get(port, path).status
    except urllib.error.URLError:
        return 0


# Lambda

# Lambda's own handler of log lines, and several runs in one process, as long as the instance lasts.
RUNTIME = """
import logging, sys
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
import handler
for _ in range(3):
    try:
        print("returned", handler.handler({}, None))
    except RuntimeError as error:
        print("failed:", error)
"""


def invoke(place: Place) -> subprocess.CompletedProcess[str]:
    """Three runs of the page's handler, with the page's configuration."""
    (code,), (conf,) = (pages.blocks("lambda.md", language) for language in ("python", "ini"))
    conf = conf.replace("/tmp/", f"{place.folder}/").replace("^orders$", "^my-table$")  # noqa: S108
    (place.home / "handler.py").write_text(code, "utf-8")
    (place.home / "dynamic-dynamodb.conf").write_text(conf, "utf-8")
    env = environment(**place.env(AWS_REGION="eu-west-1", PYTHONPATH=str(place.home)))
    words = [sys.executable, "-c", RUNTIME]
    return subprocess.run(words, cwd=place.home, env=env, capture_output=True, text=True, timeout=LONG, check=False)  # noqa: S603


def test_the_handler_scales(place: Place) -> None:
    heat(place.server, "my-table", 95)
    done = invoke(place)
    assert done.stdout.splitlines() == ["returned None"] * 3, done.stdout + done.stderr
    assert done.stderr.count("my-table - reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)") == 1
    assert done.stderr.count("my-table - reads 63.3 % of 150: stays") == 2
    assert place.server.world.provisioned(TABLE) == Throughput(150, 100)
    assert (place.folder / "dynamic-dynamodb.state").exists()
    assert "without --state-file" not in done.stderr


def test_the_handler_fails_where_the_check_does(place: Place) -> None:
    place.server.world.delete_table("my-table")
    done = invoke(place)
    assert done.stdout.splitlines() == ["failed: dynamic-dynamodb: exit code 1"] * 3
    assert "no table matches the configuration" in done.stderr


# Cron

CRONTAB = [
    line.partition(" dynamic-dynamodb ")
    for page in ("cron.md", "running.md")
    for text in pages.blocks(page, "text")
    for line in text.splitlines()
    if " dynamic-dynamodb --" in line and line.startswith("*")
]


def test_there_are_crontabs() -> None:
    assert len(CRONTAB) >= 2
    assert {when for when, _, _ in CRONTAB} == {"*/5 * * * *"}


@pytest.mark.parametrize("command", [f"dynamic-dynamodb {rest}" for _, _, rest in CRONTAB])
def test_a_crontabs_command(command: str, place: Place) -> None:
    """By the shell that cron takes; it prints what the page says when the check fails, and works when it does not."""
    place.configure()
    state, conf = place.folder / "cron.state", str(place.conf)
    line = command.replace(FILE, conf).replace("/var/lib/dynamic-dynamodb/cron.state", str(state))
    line = line.replace("/var/log/dynamic-dynamodb", str(place.home))
    path = f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"
    env = environment(**place.env(PATH=path))
    good = shell(line, env)
    assert (good.returncode, good.stdout, state.exists()) == (0, "", True)
    place.server.world.delete_table("my-table")
    bad = shell(line, env)
    assert (bad.returncode, bad.stdout) == ((0, "dynamic-dynamodb: exit code 1\n") if "echo" in line else (1, ""))


def shell(line: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["/bin/sh", "-c", line]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=LONG, check=False)  # noqa: S603


def test_the_timer(tmp_path: Path) -> None:
    units = [text for text in pages.blocks("cron.md", "text") if "[Unit]" in text]
    names = re.findall(r"`/etc/systemd/system/(\S+)`", pages.read("cron.md"))
    assert [Path(name).suffix for name in names] == [".service", ".timer"]
    for name, text in zip(names, units, strict=True):
        (tmp_path / name).write_text(text.replace("/usr/local/bin/dynamic-dynamodb", str(SCRIPT)), "utf-8")
    (start,) = re.findall(r"^ExecStart=(.+)$", units[0], re.M)
    _, unknown = cli.parser().parse_known_args(shlex.split(start)[1:])
    assert unknown == []
    if shutil.which("systemd-analyze"):
        verify = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)]
        done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, "")
