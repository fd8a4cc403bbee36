"""Metrics as a user has them: the console script, a real scraper, a real file."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aws_server import AwsFault, HoldFault, always
from conftest import CREDENTIALS, Program, Run
from place import Place, heat, placed, until
from scraper import LONG, free_port, get, parsed, sample

Spawn = Callable[..., Program]

REFUSED = AwsFault("InvalidParameterValueException", "no")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def configure(place: Place, port: int, *more: str, interval: int = 300) -> None:
    place.configure(interval=interval, general="\n".join([f"metrics-port: {port}", *more]))


def checks(port: int, outcome: str = "succeeded") -> float:
    return parsed(get(port).text)[sample("checks_total", outcome=outcome)]


def refused(port: int) -> bool:
    with socket.socket() as made:
        return made.connect_ex(("127.0.0.1", port)) != 0


def test_a_program_is_scraped(place: Place, spawn: Spawn) -> None:
    heat(place.server, "my-table", 95)
    configure(place, port := free_port())
    program = spawn("--config", str(place.conf), env=place.env())
    program.wait_for("INFO - check 1: ")
    until(lambda: checks(port))
    got = get(port)
    assert (got.status, got.kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = parsed(got.text)
    assert found[sample("checks_total", outcome="succeeded")] == 1
    assert found[sample("changes_total", table="my-table", axis="reads", direction="up")] == 1
    assert found[sample("aws_calls_total", operation="UpdateTable", outcome="succeeded")] == 1
    assert found[sample("aws_calls_total", operation="DescribeTable", outcome="refused")] == 0
    assert get(port, "/").status == 404
    well = get(port, "/healthz")
    assert (well.status, well.kind) == (200, "application/json")
    assert json.loads(well.text)["pid"] == program.process.pid
    code, took = program.end(signal.SIGTERM)
    assert code == 0
    assert took < 8
    assert refused(port)


def test_it_answers_before_the_first_check_and_within_one(place: Place, spawn: Spawn) -> None:
    place.server.faults.append(always("DescribeTable", held := HoldFault()))
    configure(place, port := free_port())
    program = spawn("--config", str(place.conf), env=place.env())
    until(lambda: place.server.calls["DescribeTable"])
    assert checks(port) == 0
    assert get(port, "/healthz").status == 200
    held.release()
    program.wait_for("INFO - check 1: ")
    until(lambda: checks(port) == 1)


def test_healthz_tells_of_checks_that_fail(place: Place, spawn: Spawn) -> None:
    configure(place, port := free_port(), interval=1)
    program = spawn("--config", str(place.conf), env=place.env())
    program.wait_for("my-table - reads 50.0 %")
    place.server.faults.append(always("GetMetricData", REFUSED))
    until(lambda: get(port, "/healthz").status == 503)
    beat = json.loads(get(port, "/healthz").text)
    assert beat["failures_in_a_row"] > 0
    assert checks(port, "failed") > 0
    place.server.faults.clear()
    until(lambda: get(port, "/healthz").status == 200)


def test_a_scraper_that_never_reads_holds_up_no_check(place: Place, spawn: Spawn) -> None:
    configure(place, port := free_port(), interval=1)
    program = spawn("--config", str(place.conf), env=place.env())
    program.wait_for("my-table - reads 50.0 %")
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as silent:
        silent.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        before = checks(port)
        until(lambda: checks(port) > before + 1)
        assert program.end(signal.SIGTERM)[1] < 8


def test_a_daemon(place: Place) -> None:
    """The socket is bound after it has detached, and before `start` returns."""
    configure(place, port := free_port())
    pid = place.start()
    assert json.loads(get(port, "/healthz").text)["pid"] == pid
    place.end(pid)
    assert refused(port)


@pytest.mark.parametrize("how", ["loop", "foreground", "start"])
def test_a_port_that_is_taken(place: Place, run: Run, how: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        configure(place, port := taken.getsockname()[1])
        done = run("--config", str(place.conf), env=place.env()) if how == "loop" else place.run(how)
    assert done.returncode == 1
    line = f"metrics-port: cannot listen on 127.0.0.1:{port}: Address already in use; choose another port"
    assert [text for text in done.stderr.splitlines() if "metrics-port:" in text and "cannot" in text] == [
        f"dynamic-dynamodb: error: {line}"
    ]
    assert not place.server.calls["UpdateTable"]


def test_sighup(place: Place) -> None:
    configure(place, first := free_port())
    pid = place.start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        configure(place, taken.getsockname()[1])
        place.hang_up(pid, "SIGHUP: the new configuration cannot be used, the old one stays")
        assert place.lines("ERROR - metrics-port: cannot listen on 127.0.0.1")
        assert get(first, "/healthz").status == 200
    configure(place, second := free_port())
    place.hang_up(pid)
    assert get(second).status == 200
    assert refused(first)
    configure(place, second, "metrics-address: 127.0.0.2")  # the same port at another address
    place.hang_up(pid)
    assert get(second, host="127.0.0.2").status == 200
    configure(place, second, "metrics-address: 0.0.0.0")
    place.hang_up(pid)
    assert get(second, host="127.0.0.3").status == 200
    configure(place, second, "metrics-address: 192.0.2.1")
    place.hang_up(pid, "SIGHUP: the new configuration cannot be used, the old one stays")
    assert get(second, host="127.0.0.3").status == 200
    place.configure()
    place.hang_up(pid)
    assert refused(second)
    place.end(pid)


# The file


def test_a_file_of_one_run(place: Place, run: Run) -> None:
    path = place.home / "metrics.prom"
    place.configure(general=f"metrics-file: {path}")
    done = run("--config", str(place.conf), "--run-once", "--metrics-port", str(free_port()), env=place.env())
    assert done.returncode == 0
    assert done.stderr.count("metrics-port: has no effect with --run-once") == 1
    found = parsed(path.read_text())
    assert found[sample("checks_total", outcome="succeeded")] == 1
    assert found[sample("provisioned_capacity_units", table="my-table", axis="reads")] == 100
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in place.home.iterdir() if "metrics" in one.name] == ["metrics.prom"]


def test_a_file_of_a_daemon_is_written_anew(place: Place) -> None:
    path = place.home / "metrics.prom"
    path.write_text("of an earlier process\n")
    place.configure(interval=1, general=f"metrics-file: {path.name}")
    pid = place.start(cwd=place.home)
    until(
        lambda: (
            path.read_text().startswith("#")
            and parsed(path.read_text())[sample("checks_total", outcome="succeeded")] > 1
        )
    )
    place.end(pid)


@pytest.mark.parametrize("what", ["no folder", "a folder later", "a pipe"])
def test_a_file_that_cannot_be_written_stops_no_check(place: Place, spawn: Spawn, what: str) -> None:
    path = place.home / "metrics.prom"
    if what == "no folder":
        path = place.home / "nowhere" / "metrics.prom"
    elif what == "a pipe":
        os.mkfifo(path)
    place.configure(interval=1, general=f"metrics-file: {path}")
    program = spawn("--config", str(place.conf), env=place.env())
    if what == "a folder later":
        until(path.exists)
        while not path.is_dir():  # a check may write the file again in between
            path.unlink(missing_ok=True)
            with suppress(FileExistsError):
                path.mkdir()
    program.wait_for("INFO - check 5: ")
    assert len(re.findall(rf"WARNING - metrics file {path}: .*; tried again after each check", program.log)) == 1


def test_a_link_is_replaced_and_not_followed(place: Place, run: Run) -> None:
    secret, path = place.home / "secret", place.home / "metrics.prom"
    secret.write_text("untouched")
    path.symlink_to(secret)
    place.configure(general=f"metrics-file: {path}")
    assert run("--config", str(place.conf), "--run-once", env=place.env()).returncode == 0
    assert secret.read_text() == "untouched"
    assert not path.is_symlink()


# What they need


@pytest.mark.parametrize("how", ["--run-once", "start", "restart", "SIGHUP"])
def test_without_prometheus_client(place: Place, run: Run, tmp_path: Path, how: str) -> None:
    """A module before the installed one is as good as none installed: it fails as Python does."""
    block = tmp_path / "block"
    block.mkdir()
    (block / "prometheus_client.py").write_text("raise ModuleNotFoundError('no', name='prometheus_client')\n")
    line = (
        r"metrics-port: needs prometheus-client, which is not installed: run `\S+ -m pip install prometheus-client`, "
        r"or `pip install '\.\[metrics\]'` in the checkout"
    )
    env = {"PYTHONPATH": str(block)}
    if how == "SIGHUP":
        pid = place.start(env=env)
        configure(place, free_port())
        place.hang_up(pid, "SIGHUP: the new configuration cannot be used, the old one stays")
        assert re.search(line, place.text())
        place.end(pid)
        return
    configure(place, free_port())
    if how == "--run-once":
        done = run("--config", str(place.conf), how, env=place.env(**env))
    else:
        done = place.run(how, env=env)
    assert done.returncode == 2
    assert re.fullmatch(f"dynamic-dynamodb: error: {line}\n", done.stderr)
    shown = run("--config", str(place.conf), "--show-config", env=place.env(**env))
    assert shown.returncode == 0
    assert re.search(f"^dynamic-dynamodb: warning: {line}$", shown.stderr, re.M)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("metrics-port: 0", "metrics-port: 0 is too small; the minimum is 1"),
        ("metrics-port: 65536", "metrics-port: 65536 is too large; the maximum is 65535"),
        ("metrics-port: http", "metrics-port: 'http' is not a whole number"),
        (
            "metrics-address: localhost",
            "metrics-address: 'localhost' is not an IP address; write one like 127.0.0.1 or 0.0.0.0",
        ),
        ("metrics-address: 127.0.0.1:9190", "metrics-address: '127.0.0.1:9190' is not an IP address"),
        ("metrics-prices: none.ini", "error: metrics-prices: none.ini: cannot be read: No such file or directory"),
        ("failures-before-notification: 0", "failures-before-notification: 0 is too small; the minimum is 1"),
    ],
)
def test_bad_values(place: Place, run: Run, line: str, problem: str) -> None:
    place.configure(general=line)
    done = run("--config", str(place.conf), "--run-once", env=place.env())
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert problem in done.stderr


def test_the_configuration_is_shown_with_a_warning_of_missing_prices(place: Place, run: Run) -> None:
    place.configure(general="metrics-prices: none.ini")
    done = run("--config", str(place.conf), "--show-config", env=place.env())
    assert (done.returncode, json.loads(done.stdout)["global"]["metrics_prices"]) == (0, "none.ini")
    assert "warning: metrics-prices: none.ini: cannot be read: No such file or directory" in done.stderr


def test_prices_of_a_region(place: Place, run: Run) -> None:
    table, path = place.home / "prices.ini", place.home / "metrics.prom"
    table.write_text("[standard]\nread-unit-hour: 1\nwrite-unit-hour: 2\nmillion-reads: 1\nmillion-writes: 1\n")
    place.configure(general=f"metrics-file: {path}\nmetrics-prices: {table}")
    assert run("--config", str(place.conf), "--run-once", env=place.env()).returncode == 0
    assert parsed(path.read_text())[sample("provisioned_dollars_per_hour", table="my-table")] == 300


def test_no_secret_is_exposed(place: Place, spawn: Spawn) -> None:
    configure(place, port := free_port(), "circuit-breaker-url: http://somebody:hunter2@127.0.0.1:9/")
    program = spawn("--config", str(place.conf), env=place.env())
    program.wait_for("INFO - check 1: ")
    until(lambda: checks(port))
    for path in ("/metrics", "/healthz"):
        text = get(port, path).text
        assert "hunter2" not in text
        assert not any(secret in text for secret in CREDENTIALS.values())
