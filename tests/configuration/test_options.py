"""The declaration of the options against the contract's table, and what derives from it."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from dynamic_dynamodb import cli
from dynamic_dynamodb.configuration import loader, options, sections
from dynamic_dynamodb.configuration.options import OPTIONS, Option
from dynamic_dynamodb.decisions import model
from dynamic_dynamodb.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example-config.conf"
with (ROOT / "tests/data/options.tsv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
BY_NAME = {option.name: option for option in OPTIONS}


# The contract's table


def test_every_option_of_the_contract_is_declared_in_its_order_and_no_other() -> None:
    assert [option.name for option in OPTIONS if option.name in BY_NAME] == [option.name for option in OPTIONS]
    assert sorted(BY_NAME) == sorted(row["name"] for row in ROWS)
    assert len(BY_NAME) == len(OPTIONS) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_row(row: dict[str, str]) -> None:
    option = BY_NAME[row["name"]]
    default = option.fallback or ("" if option.default is None else str(option.default))
    assert ", ".join(option.sections) == row["section"]
    assert (option.flag or "") == row["flag"]
    assert (option.short or "") == row["short"]
    assert option.type == row["type"]
    assert (default.lower() if isinstance(option.default, bool) else default) == row["default"]
    assert option.since == row["since"]
    assert option.help == (row["meaning"] or option.help)


def test_every_option_says_what_it_means() -> None:
    assert [option.name for option in OPTIONS if not option.help] == []


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_has_an_example_other_than_its_default(option: Option) -> None:
    assert option.example
    assert option.example != str(option.default).lower()


# Reads and writes


def _as_writes(text: str | None) -> str | None:
    return text and text.replace("reads", "writes").replace("num-read-", "num-write-").replace(
        "num_read_", "num_write_"
    )


def _facts(option: Option) -> dict[str, object]:
    return {name: getattr(option, name) for name in (*Option.__annotations__, "key", "flag", "type")}


def test_reads_and_writes_have_the_same_options() -> None:
    for_reads = [option for option in OPTIONS if option.axis == "reads"]
    for_writes = [option for option in OPTIONS if option.axis == "writes"]
    assert len(for_reads) == len(for_writes) == 31
    for reads, writes in zip(for_reads, for_writes, strict=True):
        texts = {name: _as_writes(getattr(reads, name)) for name in ("name", "key", "help", "fallback", "flag", "axis")}
        group = reads.group and options.WRITES_GROUP
        assert _facts(writes) == {**_facts(reads), **texts, "group": group}


@pytest.mark.parametrize("axis", model.AXES)
def test_the_fields_of_a_policy_are_the_options_of_an_axis(axis: model.Axis) -> None:
    fields = {option.field: option for option in OPTIONS if option.axis == axis}
    assert list(fields) == [
        field.name for field in dataclasses.fields(model.Policy) if field.name not in ("axis", "min_told", "max_told")
    ]


def test_the_defaults_of_a_policy_are_those_of_the_options() -> None:
    tables = loader.load({"table-name": "t"}).config["tables"]
    for axis in model.AXES:
        assert sections.policy(tables["t"], axis) == model.Policy(axis)


# Flags


def test_every_flag_is_in_its_group_of_the_help_in_the_declared_order() -> None:
    text = cli.parser().format_help()
    titles = list(options.GROUPS)
    places = [text.index(f"\n{title}:\n") for title in titles]
    assert places == sorted(places)
    for title, start, end in zip(titles, places, [*places[1:], text.index("\nexamples:")], strict=True):
        shown = re.findall(r"^  (?:-\w(?: [\w{},|]+)?, )?(--[\w-]+)", text[start:end], re.MULTILINE)
        declared = [option.flag for option in OPTIONS if option.flag and option.group == title]
        assert shown == (["--help", *declared] if title == "general options" else declared)


def test_every_flag_has_a_group_and_says_its_default() -> None:
    text = " ".join(cli.parser().format_help().split())
    for option in OPTIONS:
        assert (option.flag is None) == (option.group is None)
        if option.flag and option.default is not None and option.kind != "switch":
            assert f"{option.help} [{option.default}]" in text


def test_the_help_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli.parser().format_help().split("\nexamples:")[0].splitlines()
    assert [line for line in lines if len(line) > 80] == []


# example-config.conf

TEXT = EXAMPLE.read_text(encoding="utf-8")
LINES = TEXT.splitlines()
COMMENTED_OUT = [number for number, line in enumerate(LINES) if re.match(r"#[a-z]", line)]
PAIR = [number for number in COMMENTED_OUT if "access-key" in LINES[number]]


def _load(path: Path, text: str) -> loader.Configuration:
    path.touch(mode=0o600)  # it may hold secrets, and others who can read it are warned of
    path.write_text(text, encoding="utf-8")
    return loader.load({"config": str(path)})


def _uncommented(*numbers: int) -> str:
    return "\n".join(line[1:] if number in numbers else line for number, line in enumerate(LINES))


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generator().main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_a_stale_file_is_named_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = _generator()
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "example-config.conf").write_text(f"{TEXT}\n", encoding="utf-8")
    assert generator.main(["--check"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == list(generator.FILES)
    assert generator.main([]) == 0
    for name in generator.FILES:
        assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")
    assert generator.main(["--check"]) == 0


def test_the_example_loads_without_a_warning_and_changes_no_default(tmp_path: Path) -> None:
    loaded = _load(tmp_path / "example.conf", TEXT)
    bare = loader.load({"table-name": "t"})
    assert loaded.warnings == ()
    assert loaded.config["global"] == bare.config["global"]
    assert loaded.config["logging"] == bare.config["logging"]
    table = loaded.config["tables"]["^my_table$"]
    limits = {
        f"{end}_provisioned_{axis}": {"min": 10, "max": 1000}[end] for end in ("min", "max") for axis in model.AXES
    }
    assert {**table, "gsis": {}} == {**bare.config["tables"]["t"], **limits}
    assert table["gsis"]["^my_index$"] == {**{k: v for k, v in table.items() if k != "gsis"}}


@pytest.mark.parametrize("number", COMMENTED_OUT, ids=lambda number: LINES[number].split(":")[0].strip("#"))
def test_each_commented_out_line_is_valid(tmp_path: Path, number: int) -> None:
    numbers = PAIR if number in PAIR else [number]  # half a key pair is an error
    warnings = _load(tmp_path / "example.conf", _uncommented(*numbers)).warnings
    assert [line for line in warnings if "without sns-message-types" not in line] == []


def test_all_commented_out_lines_are_valid_together(tmp_path: Path) -> None:
    warnings = _load(tmp_path / "example.conf", _uncommented(*COMMENTED_OUT)).warnings
    assert len(warnings) == 1
    assert "the static key pair is used, not the profile" in warnings[0]


def test_the_example_holds_every_option_of_its_sections() -> None:
    held: dict[str, list[str]] = {}
    section: list[str] = []
    for line in LINES:
        if header := re.fullmatch(r"\[(.+)\]", line):
            held[header[1]] = section = []
        elif setting := re.match(r"#?([a-z][a-z0-9-]+): \S", line):
            section.append(setting[1])
    assert list(held) == [
        "global",
        "logging",
        "default_options",
        "table: ^my_table$",
        "gsi: ^my_index$ table: ^my_table$",
    ]
    for name, kind in (("global", "global"), ("logging", "logging"), ("default_options", "table")):
        assert held[name] == [option.name for option in OPTIONS if kind in option.sections]


def test_the_schedule_of_the_example_is_valid(tmp_path: Path) -> None:
    first = LINES.index("#     [schedule: rush-hour table: ^my_table$]")
    text = TEXT + "\n" + "\n".join(line[6:] for line in LINES[first : first + 4])
    (schedule,) = _load(tmp_path / "example.conf", text).config["tables"]["^my_table$"]["schedules"].values()
    assert schedule["min_provisioned_reads"] == 800


def test_the_example_is_wrapped_at_80_columns() -> None:
    assert [line for line in LINES if len(line) > 80] == []


def test_a_wrong_example_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check-interval"):
        _load(tmp_path / "example.conf", TEXT.replace("check-interval: 300", "check-interval: soon"))
