"""The documentation: what its code blocks show is put to the program, and its links and lists are whole.

What a block is, its language says. `ini`: a configuration; one without a
table section gets one, options without any section stand in one. `console`:
lines after `$ ` are commands, the others what they print, shortened with
`...`. `sh`: a script. `json`, `yaml`, `python`: parsed. `text`: anything else.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pages
import pytest
import yaml
from aws_server import AwsServer
from conftest import ACCOUNT, Run
from mdit_py_plugins.anchors.index import slugify
from pages import DOCS, Block

from dynamic_dynamodb import __version__, cli
from dynamic_dynamodb.configuration.options import COMMAND_LINE, OPTIONS, SIMULATION_GROUP
from dynamic_dynamodb.daemon import daemonizer, status
from dynamic_dynamodb.decisions.model import Target
from dynamic_dynamodb.output import terminal
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
AT_THE_ROOT = [path for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md") if path.exists()]
PAGES = [*AT_THE_ROOT, *sorted(DOCS.glob("*.md"))]


BLOCKS = [block for path in PAGES for block in pages.fences(path)]


def of(*languages: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.place)


# Blocks


def test_every_block_says_what_it_is() -> None:
    known = re.compile(r"ini|console|sh|json|yaml|python|nginx|text|\{\w+\}.*")
    assert [block.place for block in BLOCKS if not known.fullmatch(block.language)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_line_is_taken_for_a_comment(path: Path) -> None:
    """MyST leaves out a line that begins with a percent sign, as one may where a sentence is wrapped."""
    text = re.sub(pages._FENCE, "", path.read_text("utf-8"), flags=re.M | re.S)
    assert re.findall(r"^ *%.*", text, re.M) == []


def whole(text: str) -> str:
    """The configuration that an excerpt is part of."""
    if not re.search(r"^\[", text, re.M):
        return f"[table: ^orders$]\n{text}"
    return text if has_table(text) else f"{text}\n[table: ^orders$]\n"


def has_table(text: str) -> bool:
    return re.search(r"^\[ *table", text, re.M) is not None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, of a user who has the profiles of the examples."""
    monkeypatch.chdir(tmp_path)
    profiles = "".join(f"[profile {name}]\nregion = eu-west-1\n" for name in ("production", "shop", "warehouse"))
    (tmp_path / "aws-config").write_text(profiles, "utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", "aws-config")
    return tmp_path


@of("ini")
def test_configuration(block: Block, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "excerpt.conf").write_text(whole(block.text), "utf-8")
    assert cli.main(["--config", "excerpt.conf", "--show-config"]) == 0, capsys.readouterr().err


@of("json", "yaml", "python")
def test_what_is_written_down_can_be_read(block: Block) -> None:
    """The short forms of CloudFormation's functions, `!Ref` and such, are taken for what they stand before."""
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    else:
        yaml.safe_load(re.sub(r"(?<=[:-] )![A-Za-z]+", "", block.text))


# Commands


class Command(NamedTuple):
    """A command of a console block, and the lines that it is shown to print."""

    text: str
    output: list[str]


def commands(text: str) -> list[Command]:
    """Of a console block; a command goes on where its line ends in a backslash."""
    found: list[Command] = []
    for line in text.splitlines():
        if found and found[-1].text.endswith("\\"):
            found[-1] = Command(f"{found[-1].text[:-1]} {line.removeprefix('> ')}", [])
        elif line.startswith("$ "):
            found.append(Command(line[2:], []))
        else:
            assert found, f"output before any command: {line}"
            found[-1].output.append(line)
    return found


# Commands of somebody else's.
FOREIGN = re.compile(
    "aws|cat|cd|chmod|chown|cp|crontab|curl|docker|git|grep|install|journalctl|kill|kubectl|less|mkdir|pip|pipx|pkill"
    "|python3|sha256sum|supervisorctl|supervisord|systemctl|tail|useradd|xdg-open"
)


def simple_commands(line: str) -> list[list[str]]:
    """A line of shell as its simple commands, each as its words: without comments and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if set(word) <= set("|&;()"):
            found.append([])
        elif set(word) <= set("<>&"):
            next(words, None)
        else:
            found[-1].append(word)
    return [command for command in map(_unprefixed, found) if command]


def _unprefixed(words: list[str]) -> list[str]:
    """Without variables set for this command only, and without `sudo` and `sudo -u USER`."""
    while words and (re.match(r"\w+=", words[0]) or (words[0] == "sudo" and len(words) > 1)):
        words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
    return words


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.M))


def own_words(words: list[str]) -> list[str]:
    """The words after the program's name; files lie in the present folder, wherever the page has them."""
    return [Path(word).name if word.endswith(".conf") else word for word in words[1:]]


def hold(line: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Raise AssertionError where a line of shell could not be typed as it stands."""
    syntax = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert syntax.returncode == 0, f"{place}: {line}\n{syntax.stderr}"
    for words in simple_commands(line):
        name = Path(words[0]).name
        if name == terminal.PROGRAM:
            hold_ours(own_words(words), place, capsys)
        elif name == "make":
            goals = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
            assert goals <= targets(), f"{place}: make {goals - targets()}: no such target"
        else:
            assert FOREIGN.fullmatch(name), f"{place}: {name} is no command that FOREIGN knows"


def hold_ours(words: list[str], place: str, capsys: pytest.CaptureFixture[str]) -> None:
    if {"--help", "--version"} & set(words) or {"stop", "status"} & set(words):
        _, unknown = cli.parser().parse_known_args([word for word in words if word != "--help"])
        assert unknown == [], place
    else:
        for one in with_one_configuration(words):
            code = cli.main(
                [*without_simulation(one), "--show-config"]
            )  # reads and checks everything, and does nothing
            assert code == 0, f"{place}: {one}\n{capsys.readouterr().err}"


def with_one_configuration(words: list[str]) -> list[list[str]]:
    """The command with each of its configurations: only --simulate takes several."""
    given = [number for number, word in enumerate(words) if word == "--config"]
    others = [word for number, word in enumerate(words) if not {number, number - 1} & set(given)]
    return [["--config", words[number + 1], *others] for number in given] or [words]


SIMULATED = {option.flag for option in OPTIONS if option.group == SIMULATION_GROUP}


def without_simulation(words: list[str]) -> list[str]:
    """The command without the flags of a simulation, which --show-config does not go with; they are parsed first."""
    _, unknown = cli.parser().parse_known_args(words)
    assert unknown == [], words
    flags = [number for number, word in enumerate(words) if word in SIMULATED]
    return [word for number, word in enumerate(words) if not {number, number - 1} & set(flags)]


def put_files(folder: Path, block: Block) -> None:
    """The files that commands name: those that the page shows with `cat`, as far down as this block.

    The names of the examples are the last whole configuration above on the page, or one of a table.
    """
    above = [other for other in BLOCKS if other.page == block.page and other.line < block.line]
    shown = [other.text for other in above if other.language != "console" and has_table(other.text)]
    for name in ("dynamic-dynamodb", "orders", "tracking", "users"):
        text = shown[-1] if shown else f"[table: ^{'users' if name == 'users' else 'orders'}$]\n"
        (folder / f"{name}.conf").write_text(text, "utf-8")
    for name, text in shown_files([*above, block]):
        (folder / name).write_text(text, "utf-8")


def shown_files(blocks: list[Block]) -> list[tuple[str, str]]:
    """Names and texts."""
    lines = [command for block in blocks if block.language == "console" for command in commands(block.text)]
    files = [(re.fullmatch(r"cat ([\w.-]+)", line.text), line.output) for line in lines if line.output]
    return [(match[1], "\n".join([*output, ""])) for match, output in files if match]


@of("console", "sh")
def test_commands(block: Block, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_files(folder, block)
    if block.language == "console":
        lines = [command.text for command in commands(block.text)]
        assert lines, "no command: `text` is for what is none"
    else:
        subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)  # noqa: S607
        lines = re.findall(rf"^(?:{terminal.PROGRAM}|make) .*", block.text.replace("\\\n", " "), re.M)
    for line in lines:
        hold(line, block.place, capsys)


WITHIN_TEXT = [
    (path.name, command)
    for path in PAGES
    for command in re.findall(
        rf"`((?:{terminal.PROGRAM}|make) [^`]+)`", re.sub(pages._FENCE, "", path.read_text("utf-8"), flags=re.M | re.S)
    )
]


@pytest.mark.parametrize(("page", "command"), WITHIN_TEXT)
def test_commands_within_text(page: str, command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dynamic-dynamodb.conf").write_text("[table: ^orders$]\n", "utf-8")
    hold(command.replace("FILE", "dynamic-dynamodb.conf"), page, capsys)


# What commands print

RUN = {"--version", "--help", "--show-config", "--print-iam-policy", "--run-once", "--simulate"}


def runs(command: Command) -> bool:
    """Whether the stand-in can show what this command of ours prints."""
    first = simple_commands(command.text)[:1]
    return any(Path(words[0]).name == terminal.PROGRAM and not RUN.isdisjoint(words) for words in first)


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    """The account of the examples: reads of orders are busy, its writes less so, its index is idle."""
    world = World(clock=lambda: datetime.now(timezone.utc), rules=Rules(update_seconds=0))
    for name, index in (("orders", "by-customer"), ("users", "by-email")):
        world.add_table(name, 100, 100, indexes={index: (50, 50)})
        for target, reads, writes in ((Target(name), 95, 40), (Target(name, index), 25, 5)):
            world.set_load(target, "reads", reads)
            world.set_load(target, "writes", writes)
    with AwsServer(world) as server:
        yield server


@of("console")
def test_output(block: Block, aws: AwsServer, run: Run, tmp_path: Path) -> None:
    put_files(tmp_path, block)
    env = {**ACCOUNT, "AWS_ENDPOINT_URL": aws.url, "COLUMNS": "80"}
    found = [command for command in commands(block.text) if runs(command)]
    if not any(command.output for command in found):
        return
    for command in found:
        words = simple_commands(command.text)[0]
        done = run(*own_words(words), cwd=tmp_path, env=env, stderr=subprocess.STDOUT, timeout=240)
        printed = iter([timeless(line) for line in done.stdout.splitlines()])
        missing = [line for line in command.output if line != "..." and timeless(line) not in printed]
        assert missing == [], f"{block.place}: {command.text} does not print this, or not here:\n{done.stdout}"


def timeless(line: str) -> str:
    dated = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME", line)
    return re.sub(r"failed, in \d+\.\d s", "failed, in SECONDS", dated).rstrip()


# The first screen


def test_the_readme_is_short_and_answers_first() -> None:
    """In under 150 lines; before the first block: why not what AWS has, in three points, with figures."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) < 150
    block = next(number for number, line in enumerate(lines) if line.startswith("```"))
    assert block < 25
    points = "\n".join(lines[:block]).partition("AWS has auto scaling and on-demand tables. Why this?")[2]
    assert len(re.findall(r"^- \*\*", points, re.M)) == 3
    assert [line.split("  ")[0] for line in lines[block + 1 : block + 3]] == ["make demo", "make test"]


# Lists that must be whole


def test_every_page_is_in_the_table_of_contents() -> None:
    trees = [block.text for block in BLOCKS if block.page == "index.md" and block.language == "{toctree}"]
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")


def headings(text: str) -> list[str]:
    """Outside of code blocks."""
    bare = re.sub(r"^( *)(`{3,}).*?^\1\2 *$", "", text, flags=re.M | re.S)
    return re.findall(r"^#+ (.+)$", bare, re.M)


def anchors(text: str) -> set[str]:
    """What a link to the page may name: headings, and what docs/conf.py takes for anchors in tables."""
    slugs = (slugify(re.sub(r"[`*]", "", heading)) for heading in headings(text))
    return {*slugs, *re.findall(r'<a id="([^"]+)"></a>', text)}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_and_flag_has_its_entry(option: Any) -> None:
    flags = (DOCS / "command-line.md").read_text("utf-8")
    assert option.flag is None or re.search(rf"`{option.flag}[ `]", flags)
    if COMMAND_LINE in option.sections:
        assert option.flag in anchors(flags)
    else:
        assert option.name in anchors((DOCS / "configuration.md").read_text("utf-8"))


def test_the_exit_codes() -> None:
    table = re.findall(r"^\| (\d+) \| ", (DOCS / "command-line.md").read_text("utf-8"), re.M)
    codes = {daemonizer.OK, cli.FAILED, cli.MISUSED, status.NOT_RUNNING, status.UNKNOWN, cli.INTERRUPTED}
    assert [int(code) for code in table] == sorted({*codes, 128 + signal.SIGTERM})


def missing_tests(text: str) -> list[str]:
    """The tests that a page names and that there are not."""
    named = re.findall(r"\b(test_\w+\.py)(?:::(test_\w+))?", text)
    return [f"{file}::{test}" for file, test in named if not _exists(file, test)]


def _exists(file: str, test: str) -> bool:
    return _path(file) is not None and (not test or test in _defined(file))


def _path(file: str) -> Path | None:
    return next((ROOT / "tests").rglob(file), None)


@cache
def _defined(file: str) -> set[str]:
    path = _path(file)
    assert path is not None
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_tests_that_a_page_names_exist(path: Path) -> None:
    assert missing_tests(path.read_text("utf-8")) == []


def test_a_test_that_is_not_there_would_be_noticed() -> None:
    text = "`test_docs.py::test_nothing`, tests/test_no_such.py and test_docs.py::test_commands"
    assert missing_tests(text) == ["test_docs.py::test_nothing", "test_no_such.py::"]


# Links; those of docs/ are followed by the build


def dead_links(path: Path) -> list[str]:
    """The links of a page to files and headings that are not there."""
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8"))
    return [target for target in targets if not re.match(r"https?:|mailto:", target) and not _leads(path, target)]


def _leads(path: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    aim = (path.parent / name).resolve() if name else path
    if not aim.exists() or not aim.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(aim.read_text("utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(path) == []


WRONG = {
    "no-page": "[a](none.md)",
    "no-file": "[a](../deploy/none)",
    "no-heading": "[a](#none)",
    "no-heading-there": "[a](right.md#none)",
    "no-such-listed": "```{toctree}\nnone\n```",
    "not-what-it-says": "```json\n{'a'}\n```",
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the build says to a page for each mistake, and to one without any."""
    folder = tmp_path_factory.mktemp("checkout") / "docs"
    shutil.copytree(DOCS / "_static", folder / "_static")
    shutil.copytree(ROOT / "dynamic_dynamodb", folder.parent / "dynamic_dynamodb")
    shutil.copy(DOCS / "conf.py", folder)
    for name, text in {**WRONG, "right": "[a](#a), [b](not-what-it-says.md#a)", "unlisted": ""}.items():
        (folder / f"{name}.md").write_text(f"# A\n\n{text}\n", "utf-8")
    (folder / "index.md").write_text("\n".join(["# A\n", "```{toctree}", *WRONG, "right", "```\n"]), "utf-8")
    build = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", folder, folder / "html")
    done = subprocess.run(build, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert done.returncode != 0
    return done.stderr


@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("name", [*WRONG, "unlisted"])
def test_a_mistake_fails_the_build(complaints: str, name: str) -> None:
    assert f"/{name}.md" in complaints


@pytest.mark.xdist_group("docs")
def test_what_is_right_passes_the_build(complaints: str) -> None:
    assert "/right.md" not in complaints
    assert complaints.count("WARNING") == len(WRONG) + 1


# Where it is built


def test_read_the_docs_builds_what_make_docs_builds() -> None:
    settings = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text("utf-8"))
    assert settings["sphinx"] == {"configuration": "docs/conf.py", "fail_on_warning": True}
    assert settings["python"]["install"] == [{"requirements": "docs/requirements.txt"}]
    assert " -W " in (ROOT / "Makefile").read_text("utf-8")


def test_the_version_is_that_of_the_package() -> None:
    assert __version__ not in (DOCS / "conf.py").read_text("utf-8")
