"""Expressions that try all ways through a name: the name is left alone, and everything else goes on."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import seconds_of_processor
from place import CHECKED, SOON, Place, Spawn, placed, table, until

from dynamic_dynamodb.checks import backtracking

HANGS = "a" * 50 + "b"  # with ^(a+)+$: years
ERROR = "skipped: matching this name against {} took more than 2 s; rewrite the expression without nested repetition"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def test_the_others_go_on(place: Place) -> None:
    table(place.server, HANGS, 95)
    table(place.server, "my-hot-table", 95)
    place.configure(name="^(a+)+$")
    with place.conf.open("a") as file:
        file.write("[table: .*]\n")
    done = place.run("foreground", "--run-once")
    assert done.returncode == 1
    assert len(place.lines(f"ERROR - {HANGS} - {ERROR.format('[table: ^(a+)+$]')}")) == 1
    assert "Traceback" not in done.stderr
    place.wait_for("my-hot-table - reads 95.0 % of 100 >= 90 %: 100 -> 150")
    assert [update["TableName"] for update in place.server.world.updates] == ["my-hot-table"]
    assert "matches nothing" not in done.stderr, "which cannot be told either"


def test_each_check_has_patience_with_one_name(place: Place) -> None:
    """What an expression costs does not grow with the number of names; each has its turn."""
    section = "[table: ^(a+)+$]"
    names = sorted(f"{HANGS}{number}" for number in range(3))
    for name in names:
        table(place.server, name, 95)
    table(place.server, "my-hot-table", 95)
    place.configure(name="^(a+)+$", interval=1)
    with place.conf.open("a") as file:
        file.write("[table: .*]\n")
    place.start()
    given_up = f"{section} takes too long with other names too; skipped in this check: "
    place.wait_for("my-hot-table - reads 95.0 % of 100 >= 90 %: 100 -> 150")
    first_check = place.text().partition("100 -> 150")[0]
    assert first_check.count(ERROR.format(section)) == 1, "the others were not tried for long"
    assert f"ERROR - {given_up}{names[1]}, {names[2]}" in first_check
    for name in names:
        place.wait_for(re.escape(f"{name} - {ERROR.format(section)}"))
    place.wait_for(CHECKED, count=4)
    assert len(place.lines(given_up)) == 2, "in the first two checks"
    assert "matches nothing" not in place.text(), "which cannot be told"


def test_an_index(place: Place) -> None:
    place.server.world.add_index("my-table", HANGS, 100, 100)
    place.configure(name="^my-table$", interval=1)
    with place.conf.open("a") as file:
        file.write("[gsi: ^(a+)+$ table: ^my-table$]\n")
    place.start()
    error = ERROR.format("[gsi: ^(a+)+$ table: ^my-table$]")
    place.wait_for(re.escape(f"my-table - GSI: {HANGS} - {error}"))
    before = seconds_of_processor(place.pid())
    place.wait_for(CHECKED, count=3)
    assert len(place.lines(error)) >= 3, "at each check"
    assert seconds_of_processor(place.pid()) - before < 6, "but matched once in each: 2 s"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_told_to_end_meanwhile(place: Place, spawn: Spawn, number: int, code: int) -> None:
    """At the end of the match, and not when the last of many names has been tried."""
    for index in range(30):
        table(place.server, f"{HANGS}{index}")
    place.configure(name="^(a+)+$")
    attached = spawn(*place.flags("fg"), "--config", str(place.conf), env=place.env())
    until(lambda: place.server.calls["ListTables"])
    time.sleep(0.5)
    ended, took = attached.end(number)
    assert (ended, took < SOON) == (code, True)


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("^(a+)+$", HANGS),
        ("(x+x+)+y", "x" * 60),
        ("^(a|aa)+$", "a" * 90 + "b"),
        ("(?=(a+)+$)x", HANGS),
        ("(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)!", "a" * 250),
    ],
)
def test_the_timer_ends_every_kind(expression: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtracking, "PATIENCE", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError):
        backtracking.matches(re.compile(expression), name)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert backtracking.matches(re.compile("^a"), "ab")
    assert not backtracking.matches(re.compile("^a"), "b")
