"""The circuit breaker's URL as old files have it, through the console script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

RAW = "a raw /, ? or # in user or password is percent-encoded; write %2F, %3F or %23: "
DECODED = "%XX in a password is decoded before it is sent, which the original did not; write % itself as %25"
COMMENT = "the # and what follows it are part of the value; only ' ;' starts a comment there"
UNCLEAR = "it is not clear which @ ends its user information; write / as %2F, ? as %3F, # as %23 and @ as %40 in it"


@pytest.mark.parametrize(
    ("url", "shown", "warnings"),
    [
        ("http://me:s3/cr#et?1@h/", "http://me:***@h/", [RAW + "'http://me:***@h/'"]),
        ("http://m/e:s3cret12@h/", "http://m/e:***@h/", []),  # no colon before the /: a host m
        ("http://me:s3@cret12@h/", "http://me:***@h/", []),
        ("http://me:s3%63ret12@h/", "http://me:***@h/", [DECODED]),
        ("http://me:s3/%63ret12@h/", "http://me:***@h/", [RAW + "'http://me:***@h/'", DECODED]),
        ("http://me:s3%zret12@h/", "http://me:***@h/", []),
        ("http://m%65@h/%63", "http://m%65@h/%63", []),
        ("http://h:8080/x?m=a@b", "http://h:8080/x?m=a@b", []),
        ("http://h/a b?c d", "http://h/a%20b?c%20d", []),
        ("http://h/a # b", "http://h/a%20#%20b", [COMMENT]),
    ],
)
def test_accepted(url: str, shown: str, warnings: list[str], tmp_path: Path, run: Run) -> None:
    file = tmp_path / "a.conf"
    file.write_text(f"[table: t]\ncircuit-breaker-url: {url}\n")
    file.chmod(0o600)
    done = run("--config", str(file), "--show-config")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tables"]["t"]["circuit_breaker_url"] == shown
    where = f"dynamic-dynamodb: warning: {file}:2: [table: t] circuit-breaker-url: "
    assert [line.removeprefix(where) for line in done.stderr.splitlines()] == warnings


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://me:s3/cr@et@h/", f"'http://me:***@h/': {UNCLEAR}"),
        ("http://me:s3@cr/et@h/", f"'http://me:***@h/': {UNCLEAR}"),
        ("http://me:s3#cret@h/?m=a@b", f"'http://me:***@b': {UNCLEAR}"),
        ("http://me:s3 cret@h/", "'http://me:***@h/' is not an http:// or https:// URL"),
        ("http://me:s3cret@h h/", "'http://me:***@h h/' is not an http:// or https:// URL"),
    ],
)
def test_refused(url: str, error: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.conf").write_text(f"[table: t]\ncircuit-breaker-url: {url}\n")
    done = run("--config", "a.conf", "--show-config", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"dynamic-dynamodb: error: a.conf:2: [table: t] circuit-breaker-url: {error}\n"


def test_an_endpoint_says_nothing_of_the_original(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "a.conf"
    file.write_text("[global]\nendpoint-url: http://me:s3%2Fcret@127.0.0.1:1\n[table: t]\n")
    file.chmod(0o600)
    assert run("--config", str(file), "--show-config").stderr == ""


def test_blanks_in_an_endpoint_are_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.conf").write_text("[global]\nendpoint-url: http://127.0.0.1:1/ # here\n[table: t]\n")
    done = run("--config", "a.conf", "--show-config", cwd=tmp_path)
    assert (done.returncode, "is not an http:// or https:// URL" in done.stderr) == (2, True)
