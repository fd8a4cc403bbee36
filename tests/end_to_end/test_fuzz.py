"""Input that nobody would write: files and flags of any kind, and answers of AWS with anything in them.

Whatever it is, the program ends with 0, 1 or 2 or goes on, says why in lines that a person can read, and one
table's nonsense is not another's. `make soak` tries 10,000 of each. In process, a sample of it through the script.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import itertools
import json
import logging
import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aws_server import AwsFault, AwsServer, Body, Fault, MutateFault, RawFault
from conftest import ACCOUNT, Run
from hypothesis import event, given
from hypothesis import strategies as st
from scripts import LOOKBACK, TOPIC, WORKERS, Line, captured, configuration, target
from trials import PATIENCE, trials

from dynamic_dynamodb import cli
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.connection import connect
from dynamic_dynamodb.checks import remembered
from dynamic_dynamodb.checks.check import Scaler
from dynamic_dynamodb.checks.loop import attempt
from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.checks.state import State
from dynamic_dynamodb.configuration import loader, options
from dynamic_dynamodb.configuration.options import Option
from dynamic_dynamodb.configuration.regions import KNOWN
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.daemon.pidfile import Instance
from dynamic_dynamodb.decisions.learning import Learned
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.keeping import Keeping, Place, whose
from dynamic_dynamodb.output import masking
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

pytestmark = pytest.mark.timeout(PATIENCE)

TESTS = Path(__file__).parents[1]


# Files and flags


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)


def main(*argv: str) -> Done:
    """The command line in this process."""
    masking._hidden.clear()  # a secret of an earlier case may be a word of this one
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(argv)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def arguments(folder: Path, *flags: str) -> tuple[str, ...]:
    """These flags, and others that keep the program from AWS and from the daemons of this machine."""
    return ("--show-config", *flags, "--pid-file-dir", str(folder))


def check_said(done: Done) -> None:
    """An exit code of ours, and lines of ours that a person can read."""
    assert done.code in (0, 1, 2)
    lines = done.err.split("\n")
    assert lines.pop() == ""
    for line in lines:
        assert line.startswith("dynamic-dynamodb: "), done.err
        assert line.isprintable(), line
        assert "Traceback" not in line
    assert done.code == 0 or any("error: " in line for line in lines)


_TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: f"{time[0]:02}:{time[1]:02}")
_DAYS = ("Mon", "tuesday", "Wed-Fri", "Sat-mon", "Sun, Tue", "daily")
_RANGES = st.one_of(
    st.tuples(st.sampled_from(_DAYS), _TIMES, _TIMES)
    .filter(lambda parts: parts[1] != parts[2])
    .map(lambda parts: f"{parts[0]} {parts[1]}-{parts[2]}"),
    st.dates(date(2026, 1, 1), date(2030, 1, 1)).map(str),
    st.dates(date(2026, 1, 1), date(2030, 1, 1)).map(lambda day: f"{day} 12:00 - {day}"),
)
_WORDS = st.text(string.ascii_letters + string.digits + "_.%#=:[]~ -", min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)


def _texts(option: Option) -> st.SearchStrategy[str]:
    """Valid texts of an option."""
    if option.name == "region":
        return st.sampled_from(sorted(KNOWN))
    if option.kind == "int":
        return st.integers(1, 1440).map(str)
    if option.kind == "float":
        return st.decimals(option.minimum or 1, min(option.maximum or 10**6, 10**6), places=3, allow_nan=False).map(str)
    if option.kind == "list":
        return st.lists(st.sampled_from(option.choices), min_size=1, unique=True).map(", ".join)
    scale = st.dictionaries(st.decimals(0, 200, places=2), st.decimals(0, 200, places=2), min_size=1, max_size=4)
    return {
        "choice": st.sampled_from(option.choices or ("-",)),
        "bool": st.sampled_from(["true", "false", "Yes", "no", "ON", "off", "1", "0"]),
        "number or off": st.sampled_from(["off", "OFF", "0.5", "1440"]),
        "scale": scale.map(lambda steps: "{" + ", ".join(f"{key}: {value}" for key, value in steps.items()) + "}"),
        "when": st.lists(_RANGES, min_size=1, max_size=3).map(", ".join),
        "zone": st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
        "windows": st.lists(st.tuples(_TIMES, _TIMES).map("-".join), min_size=1, max_size=3).map(",".join),
        "arn": st.just("arn:aws:sns:eu-west-1:123456789012:topic"),
        "url": st.sampled_from(["http://a", "https://a:8443/b?c=%20#d", "http://[::1]/", "http://u:p/?#%41q@a/b"]),
        "path": st.sampled_from(["/var/log/a.log", "a b", "%d"]),
        "str": _WORDS,
        "secret": _WORDS,
        "regex": st.sampled_from(["my_table", "^a.*$", "[ab]{2}"]),
    }[option.kind]


def _bodies(section: str) -> st.SearchStrategy[dict[str, str]]:
    known = [option for option in options.of_section(section) if "access-key" not in option.name]
    pairs = st.sampled_from(known).flatmap(lambda option: st.tuples(st.just(option.name), _texts(option)))
    return st.lists(pairs, max_size=8).map(dict).map(_consistent)


def _consistent(body: dict[str, str]) -> dict[str, str]:
    for name in ("min-provisioned-reads", "min-provisioned-writes", "lookback-window-start", "lookback-period"):
        body.pop(name, None)
    return body


def _ini(sections: dict[str, dict[str, str]]) -> str:
    return "".join(
        f"[{header}]\n" + "".join(f"{name}: {text}\n" for name, text in body.items())
        for header, body in sections.items()
    )


def _written_back(printed: dict[str, Any]) -> str:
    """What --show-config prints, as an INI file: each value in the notation of the option's type."""
    names = {option.key: option.name for option in options.OPTIONS}

    def body(values: dict[str, Any]) -> dict[str, str]:
        return {
            names[key]: _text(value)
            for key, value in values.items()
            if key not in ("gsis", "schedules", *_KEY_PAIR) and value is not None
        }

    sections = {"global": body(printed["global"]), "logging": body(printed["logging"])}
    for regex, table in printed["tables"].items():
        own = {f"table: {regex}": table}
        own |= {f"gsi: {index} table: {regex}": gsi for index, gsi in table["gsis"].items()}
        for header, values in own.items():
            sections[header] = body(values)
            scheduled = values["schedules"].items()
            sections |= {f"schedule: {name} {header}": body(schedule) for name, schedule in scheduled}
    return _ini(sections)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {amount}" for key, amount in value.items()) + "}"
    if isinstance(value, list):
        return ", ".join(value) or ","  # none: of the types that were given none is known
    return str(value).replace("\n", "\n ")


_KEY_PAIR = ("aws_access_key_id", "aws_secret_access_key")


_PIECES = st.sampled_from(
    [
        "[global]", "[DEFAULT]", "[default_options]", "[table: t]", "[table:t]", "[gsi: i table: t]", "[gsi: table: ]",
        "[schedule: s table: t]", "[schedule: s gsi: i table: t]", "when: Mon-Fri 15:45-22:00", "time-zone: ", "daily ",
        "[", "]", "\n", "\n ", "\n\t", " ;", "#", "rem ", ":", "=", ": ", "{", "}", "{0: 1}", "reads-upper-threshold",
        "increase-consumed-reads-scale: ", "circuit-breaker-url: ", "maintenance-windows: ", "duplicate", "duplicate 2",
        "log-file: ~x/", "$", "\0", "\x0b", "\x1c", "\x85", "\u2028", "\ufeff", "%", "(", "(?i)", "-", "1e5", "\ud800",
    ]
)  # fmt: skip


def _real_files() -> list[str]:
    """The configurations that this repository holds, those inside its tests among them."""
    found = [
        (TESTS.parent / name).read_text(encoding="utf-8") for name in ("example-config.conf", "docs/demo/demo.conf")
    ]
    lines = found[0].splitlines()  # with all that it has commented out
    found[0] = "\n".join(line[1:] if re.match("#[a-z]", line) else line for line in lines if line[:2] != "# ")
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "[table:" in node.value[:2000]:
                found.append(node.value)
    return found


REAL_FILES = _real_files()


def _mutated(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.randint(1, 6)):
        first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
        place = chance.randrange(len(lines[first]) + 1)
        lines[first] = chance.choice(
            [
                lines[second],
                lines[first][:place] + lines[second][place:],
                lines[first][:place],
                lines[first][:place] + chance.choice("[]{}:;#=%\n \t\0\xe4()9-") + lines[first][place:],
                " " + lines[first],
            ]
        )
    return "\n".join(lines)


_NAMES = {option.name: option for option in options.OPTIONS}


def _schedules() -> st.SearchStrategy[dict[str, str]]:
    held = st.tuples(_bodies("schedule"), _bodies("table"), _texts(_NAMES["when"]))
    return held.map(lambda parts: {"when": parts[2], "enable-reads-up-scaling": "true", **parts[0], **parts[1]})


@st.composite
def _generated_files(draw: st.DrawFn) -> str:
    """Files of valid options, one of them perhaps with another text."""
    sections = {
        "global": draw(_bodies("global")),
        "logging": draw(_bodies("logging")),
        "default_options": draw(_bodies("table")),
        "gsi: ^i:]$ table: ^t[ab]$": draw(_bodies("gsi")),
        "table: ^t[ab]$": draw(_bodies("table")),
        "schedule: a table: ^t[ab]$": draw(_schedules()),
        "schedule: b table: ^t[ab]$": draw(_schedules()),
        "schedule: a gsi: ^i:]$ table: ^t[ab]$": draw(_schedules()),
        "table: u": {},
    }
    if draw(st.integers(0, 3)) == 0:
        section = sections[draw(st.sampled_from(list(sections)))]
        section[draw(st.sampled_from(list(_NAMES)))] = draw(_PIECES | st.text(max_size=10))
    return _ini(sections)


_FILES = st.one_of(
    _generated_files(),
    st.builds(_mutated, st.sampled_from(REAL_FILES), st.randoms(use_true_random=False)),
    st.lists(_PIECES | st.text(max_size=3), max_size=40).map("".join),
).map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=200)


@trials(test=200, soak=10_000)
@given(_FILES)
def test_any_file_is_accepted_or_refused(tmp_path: Path, content: bytes) -> None:
    """And what an accepted one means, written back as a file, means the same."""
    path = tmp_path / "a.conf"
    path.write_bytes(content)
    done = main(*arguments(tmp_path, "--config", str(path)))
    check_said(done)
    event(f"exit code {done.code}")
    if done.code == 0:
        printed = json.loads(done.out)
        path.write_bytes(_written_back(printed).encode())
        again = main(*arguments(tmp_path, "--config", str(path)))
        check_said(again)
        assert again.code == 0, again.err
        assert without_keys(json.loads(again.out)) == without_keys(printed)


def without_keys(printed: dict[str, Any]) -> dict[str, Any]:
    """The secret half is masked, and one half alone is an error."""
    return {**printed, "global": {key: value for key, value in printed["global"].items() if key not in _KEY_PAIR}}


_FLAGS = [option for option in options.OPTIONS if option.flag]


def _words(option: Option) -> st.SearchStrategy[list[str]]:
    flags = st.sampled_from([name for name in (option.flag, option.short) if name])
    if option.kind == "switch":
        return flags.map(lambda flag: [flag])
    wild = st.text(max_size=20) | _PIECES
    texts = st.integers(0, 9).flatmap(lambda number: _texts(option) if number else wild)
    apart = st.builds(lambda flag, text: [flag, text], flags, texts)
    return apart | texts.map(lambda text: [f"{option.flag}={text}"])


_STRAY = st.text(max_size=8).map(lambda word: [word])
_FLAG_LISTS = st.builds(
    lambda table, lists: [*table, *itertools.chain.from_iterable(lists)],
    st.sampled_from([["--table-name", "t"], ["-t", "^a.*"], []]),
    st.lists(st.integers(0, 9).flatmap(lambda n: st.sampled_from(_FLAGS).flatmap(_words) if n else _STRAY), max_size=6),
)


@trials(test=200, soak=10_000)
@given(_FLAG_LISTS)
def test_any_flags_are_accepted_or_refused(tmp_path: Path, flags: list[str]) -> None:
    done = main(*arguments(tmp_path, *flags))
    event(f"exit code {done.code}")
    if done.code == 3:  # --daemon status
        assert "is not running" in done.out or not any(one["running"] for one in json.loads(done.out))
    elif not done.out.startswith("usage: "):  # --help
        check_said(done)
    if done.code == 0 and done.out.startswith("{"):
        json.loads(done.out)


@pytest.mark.parametrize(
    "flags",
    [
        ("--show-config", "--config"),
        ("--table-name", "table", "--show-config", "--log-file"),
        ("--table-name", "table", "--show-config", "--log-config-file"),
        ("--daemon", "status", "--pid-file-dir"),
        ("--daemon", "stop", "--pid-file-dir"),
        ("--daemon", "foreground", "--table-name", "table", "--run-once", "--pid-file-dir"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["\ud800", "a\ud800b/c", "a\0b"])
def test_a_name_that_no_file_can_have(flags: tuple[str, ...], name: str) -> None:
    done = main(*flags, name)
    shown = name.encode("unicode_escape").decode()
    error = f"{flags[-1]}: '{shown}' contains a character that a path cannot contain"
    assert done == Done(2, "", f"dynamic-dynamodb: error: {error}\n")


@trials(test=5, soak=200)
@given(_FILES, _FLAG_LISTS)
def test_the_script_says_what_the_function_says(tmp_path: Path, run: Run, content: bytes, flags: list[str]) -> None:
    """Twice: with a file, and with flags alone."""
    path = tmp_path / "a.conf"
    path.write_bytes(content)
    flags = [flag for flag in flags if flag.isascii() and "\0" not in flag]  # what any locale can hand over
    for words in (arguments(tmp_path, "--config", str(path)), arguments(tmp_path, *flags)):
        done = run(*words, cwd=tmp_path)
        assert Done(done.returncode, done.stdout, done.stderr) == main(*words)


# State files


def _state_file() -> bytes:
    state = State()
    memory = state.memory(Target("orders", "by-date"))
    memory.streaks, memory.waits_until = {"reads": 2, "writes": 0}, START
    memory.increased, memory.learned = {"reads": START}, {"reads": Learned(1.1)}
    heartbeat = Heartbeat("default", 4711, "3.1.0", START, 300, last_ended=START, last_took=0.5, last_succeeded=True)
    general = loader.load({"table-name": "t", "region": "us-east-1"}).config["global"]
    document = {"heartbeat": heartbeat.plain(), "of": whose(general), "remembered": remembered.plain(state, Record())}
    return json.dumps({"version": 1, **document}).encode()


@st.composite
def _spoilt_state(draw: st.DrawFn) -> bytes:
    """A good one of which a piece was cut out, doubled, or replaced by another, perhaps one of its own words."""
    content = _state_file()
    begin = draw(st.integers(0, len(content)))
    end = min(len(content), begin + draw(st.integers(0, 40)))
    piece = st.binary(max_size=8) | st.sampled_from([b"null", b"-1", b"1e999", b"[]", b"{}", b'"', b"9" * 50, b"true"])
    return content[:begin] + draw(piece) + content[draw(st.sampled_from([begin, end])) :]


@trials(test=300, soak=20_000)
@given(st.binary(max_size=60) | _spoilt_state())
def test_any_state_file_is_used_or_refused(tmp_path: Path, content: bytes) -> None:
    """By the next process, which says so in one line, and by `status`."""
    path = Instance("default", tmp_path).state_path
    path.write_bytes(content)
    path.chmod(0o600)
    configuration = loader.load({"table-name": "t", "region": "us-east-1", "run-once": True})
    record = Record()
    state = Keeping(Place(path), configuration).begin(configuration, record)
    json.dumps(remembered.plain(state, record), allow_nan=False)
    for words in ((), ("--json",)):
        done = main("--daemon", "status", "--pid-file-dir", str(tmp_path), *words)
        assert (done.code, done.err) == (3, "")


# Answers of AWS

CONFIGURATION = f"""
{LOOKBACK}
sns-topic-arn: {TOPIC}
sns-message-types: scale-up, high-throughput-alarm
reads-upper-alarm-threshold: 80
throttled-writes-upper-threshold: 10
[table: .*]
[gsi: .* table: .*]
"""
VICTIM = "victim"
OTHERS = ("another", "zebra")
UNITS, LOAD = (100, 50), (95, 20)  # the reads go up to 150, the writes stay
SERVED = 143  # fewer units than that go up again

Json = Any


def _nested(depth: int) -> Json:
    made: Json = "x"
    for level in range(depth):
        made = [made] if level % 2 else {"Table": made}
    return made


# What may stand where something else is expected.
GARBAGE: list[Json] = [
    *(None, True, False, 0, -1, 1, 2, 99, 2**31, 2**63, 10**30, 0.5, -0.0, 1e-320, 1e300, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf"), "", " ", "NaN", "0", "12", "ACTIVE", "BOGUS", "PAY_PER_REQUEST"),
    *("two\nlines", "\u2028", "\x1b[31m", "\ud800", "\0", "\xe4" * 300, "x" * 5000, "2026-01-01T00:00:00Z", "Partial"),
    *([], {}, [[]], [None], [{}], {"": None}, [0, "1", None], {"a": {"b": [1]}}, list(range(1000)), _nested(60)),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


class Mutation(NamedTuple):
    """One thing that is different in an answer, at the place with this number."""

    place: int
    how: str  # "replace", "drop", "rename", "double"
    garbage: Json

    def apply(self, answer: Body) -> None:
        places = [(answer, key) for key in answer] + [
            (node, key) for key in answer for node in _nodes(answer[key]) for key in _keys(node)
        ]
        if not places:
            return
        node, key = places[self.place % len(places)]
        if self.how == "drop":
            del node[key]
        elif self.how == "double" and isinstance(node, list):
            node.append(node[key])
        elif self.how == "rename" and isinstance(node, dict):
            node[f"{key}x"] = node.pop(key)
        else:
            node[key] = copy.deepcopy(self.garbage)  # a later mutation may change it


def _nodes(value: Json) -> list[Any]:
    """All lists and dicts in it."""
    found, left = [], [value]
    while left:
        node = left.pop()
        if isinstance(node, dict | list):
            found.append(node)
            left += node.values() if isinstance(node, dict) else node
    return found


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


@dataclass(frozen=True)
class Spoilt:
    """What is done to the answers of one operation in one check: to those that are about the victim."""

    operation: str
    mutations: tuple[Mutation, ...]
    raw: bytes | None  # instead of an answer
    status: int  # of what is raw

    def __call__(self, operation: str, body: Body) -> Fault | None:
        if operation == "GetMetricData" and self.operation == "GetMetricStatistics":
            return AwsFault("AccessDenied")
        if operation != self.operation or not self._about_victim(body):
            return None
        return MutateFault(self._change) if self.raw is None else RawFault(self.status, self.raw)

    @staticmethod
    def _about_victim(body: Body) -> bool:
        names = [body.get("TableName"), *(one["Value"] for one in body.get("Dimensions", ()))]
        return VICTIM in names or not any(name in OTHERS for name in names)

    def _change(self, answer: Body) -> None:
        for mutation in self.mutations:
            mutation.apply(answer)


OPERATIONS = ("ListTables", "DescribeTable", "GetMetricData", "GetMetricStatistics", "UpdateTable", "Publish")
RAW = st.one_of(
    st.none(),
    st.none(),
    st.none(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(lambda code, text: json.dumps({"__type": code, "message": text}).encode(), JSON, JSON),
    st.binary(max_size=50),
    st.sampled_from([b"[" * 100_000, b'{"Table": {"TableStatus": ', b"<html><body>503</body></html>", b"<a><b/>"]),
)
SPOILT = st.builds(
    Spoilt,
    st.sampled_from(OPERATIONS),
    st.lists(
        st.builds(
            Mutation,
            st.integers(0, 200),
            st.sampled_from(["replace", "replace", "replace", "drop", "rename", "double"]),
            st.sampled_from(GARBAGE) | JSON,
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    RAW,
    st.sampled_from([200, 400, 403, 404, 413]),  # what is not repeated, after a pause, by botocore
)


class Stage:
    """One server and its clients; for each case a world and a scaler of their own."""

    def __init__(self, server: AwsServer, clients: Clients) -> None:
        self.server = server
        self.clients = clients
        self.config = configuration(CONFIGURATION)

    def open(self) -> Scaler:
        self.world = self.server.world = small_world()
        return Scaler(self.config, self.clients, WORKERS, self.world.clock)

    def reads(self, table: str) -> int:
        self.world.advance(300)
        found = self.world.find(target(table))
        assert found is not None
        return found.provisioned(self.world.now).reads

    def check(self, scaler: Scaler) -> tuple[bool, list[Line]]:
        with captured() as lines:
            ok = attempt(scaler).handled
        return ok, list(lines)


def small_world(**more: Any) -> World:
    """Three tables, an index of each, that all have to go up."""
    world = World(rules=Rules(capped=False), **more)
    for table in (VICTIM, *OTHERS):
        world.add_table(table, *UNITS, indexes={"by-date": UNITS})
        for name in (table, f"{table}/by-date"):
            world.set_load(target(name), "reads", LOAD[0])
            world.set_load(target(name), "writes", LOAD[1])
    return world


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with AwsServer() as server:
        general = {
            "aws_access_key_id": "AKIDTEST",
            "aws_secret_access_key": "secret-of-the-tests",
            "region": "us-east-1",
            "profile": None,
            "endpoint_url": server.url,
        }
        clients = connect(general)
        yield Stage(server, clients)
        clients.close()


@trials(test=100, soak=10_000)
@given(SPOILT)
def test_any_answer_is_used_or_reported(stage: Stage, spoilt: Spoilt) -> None:
    """Real botocore, over HTTP. The other tables are handled in the same check, all tables in the next one."""
    scaler = stage.open()
    stage.server.faults = [spoilt]
    ok, lines = stage.check(scaler)
    check_lines(lines)
    assert ok or any(line.level >= logging.WARNING and "alarm" not in line.text for line in lines), "nobody was told"
    if spoilt.operation != "ListTables":
        assert any(line.text.startswith(VICTIM) for line in lines), "neither used nor reported"
    for table in OTHERS:
        if spoilt.operation not in ("ListTables", "GetMetricData"):  # whose answer is about all of them
            assert stage.reads(table) >= SERVED - 1, table
    stage.server.faults = []
    stage.world.advance(300)
    ok, lines = stage.check(scaler)
    check_lines(lines)
    assert ok, lines
    for table in (VICTIM, *OTHERS):
        assert stage.reads(table) >= LOAD[0], table


def check_lines(lines: list[Line]) -> None:
    for line in (one.text for one in lines):
        assert line.isprintable(), line
        assert len(line) < 5000
        assert "Traceback" not in line
        assert "unexpected error" not in line
