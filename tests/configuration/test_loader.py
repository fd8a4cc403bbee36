"""Section 1 of docs/behaviour.md: flags and files in, the config dict or problem lines out.

Most cases are literal: the text of a file, and the values or the lines that follow. In lines, FILE stands for its path.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

from dynamic_dynamodb.configuration import loader, options, sections
from dynamic_dynamodb.configuration.loader import Configuration
from dynamic_dynamodb.configuration.options import Option
from dynamic_dynamodb.errors import ConfigError

ROOT = Path(__file__).parents[2]
T = "[table: t]\n"
KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Files:
    """Loads texts as configuration files."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "test.conf"
        self.path.touch(0o600)  # some hold secrets

    def load(self, text: str | bytes, **flags: str) -> Configuration:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return loader.load({"config": str(self.path), **{name.replace("_", "-"): flags[name] for name in flags}})

    def tables(self, text: str | bytes, **flags: str) -> dict[str, Any]:
        tables: dict[str, Any] = self.load(text, **flags).config["tables"]
        return tables

    def table(self, text: str) -> dict[str, Any]:
        """The config of the one table section `t` that holds this text."""
        table: dict[str, Any] = self.tables(T + text)["t"]
        return table

    def warnings(self, text: str, **flags: str) -> list[str]:
        return self._shown(self.load(text, **flags).warnings)

    def problems(self, text: str | bytes, **flags: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, **flags)
        return self._shown(caught.value.problems)

    def _shown(self, lines: tuple[str, ...]) -> list[str]:
        """Without the numbers of lines, which LINES below has."""
        assert all(line.isprintable() for line in lines)
        return [re.sub(rf"{re.escape(str(self.path))}(:\d+)?(?=: | )", "FILE", line) for line in lines]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def shown(configuration: Configuration) -> dict[str, Any]:
    """What --show-config prints, with FILE for nothing in it."""
    return loader.show(configuration.config)


def flag_problems(**flags: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loader.load({name.replace("_", "-"): flags[name] for name in flags})
    return list(caught.value.problems)


# 1.1 Sources


def test_defaults() -> None:
    values = loader.load({"table-name": "t"}).config
    for kind, section in (
        ("global", values["global"]),
        ("logging", values["logging"]),
        ("table", values["tables"]["t"]),
    ):
        for option in options.of_section(kind):
            expected = values["tables"]["t"][option.fallback.replace("-", "_")] if option.fallback else option.default
            assert section[option.key] == (None if option.name == "region" else expected), option.name


LAYERS = {
    "default": ("", 90),
    "default_options": ("[default_options]\nreads-upper-threshold: 80\n", 80),
    "DEFAULT": ("[DEFAULT]\nreads-upper-threshold: 75\n[default_options]\nreads-upper-threshold: 80\n", 75),
    "section": (
        "[DEFAULT]\nreads-upper-threshold: 75\n[default_options]\nreads-upper-threshold: 80\n"
        "{header}\nreads-upper-threshold: 70\n",
        70,
    ),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("header", ["[table: t]", "[gsi: i table: t]"])
def test_the_strongest_layer_of_a_section_wins(files: Files, layer: str, header: str) -> None:
    text, expected = LAYERS[layer]
    body = text.format(header=header)
    for one in ("[table: t]", "[gsi: i table: t]"):
        body += "" if one in body else f"{one}\n"
    table = files.tables(body)["t"]
    assert (table if header == "[table: t]" else table["gsis"]["i"])["reads_upper_threshold"] == expected


def test_an_index_takes_nothing_over_from_its_table(files: Files) -> None:
    table = files.tables(T + "reads-upper-threshold: 70\n[gsi: i table: t]\n")["t"]
    assert (table["reads_upper_threshold"], table["gsis"]["i"]["reads_upper_threshold"]) == (70, 90)


@pytest.mark.parametrize(
    ("section", "name", "in_file", "on_the_command_line", "expected"),
    [
        ("global", "region", "eu-west-1", "eu-north-1", "eu-north-1"),
        ("global", "check-interval", "60", "30", 30),
        ("global", "profile", "file", "flag", "flag"),
        ("global", "endpoint-url", "http://file", "http://flag", "http://flag"),
        ("global", "aws-access-key-id", "FILE", "FLAG", "FLAG"),
        ("logging", "log-level", "debug", "error", "error"),
        ("logging", "log-file", "/file", "/flag", "/flag"),
        ("logging", "log-config-file", "/file", "/flag", "/flag"),
    ],
)
def test_a_flag_outranks_the_file(
    files: Files, section: str, name: str, in_file: str, on_the_command_line: str, expected: Any
) -> None:
    more = "aws-secret-access-key: s\n" if name.startswith("aws") else ""
    text = f"[{section}]\n{name}: {in_file}\n{more}[table: t]\n"
    key = name.replace("-", "_")
    assert str(files.load(text).config[section][key]) == in_file
    assert files.load(text, **{key: on_the_command_line}).config[section][key] == expected


def test_a_secret_flag_outranks_the_file(files: Files) -> None:
    text = "[global]\naws-access-key-id: a\naws-secret-access-key-id: file\n" + T
    flags = {"aws-secret-access-key-id": KEY}
    assert files.load(text, **flags).config["global"]["aws_secret_access_key"] == KEY


def test_table_name_makes_one_table_of_the_flags_alone(files: Files) -> None:
    text = (
        "[global]\ncheck-interval: 60\n[logging]\nlog-level: debug\n"
        "[DEFAULT]\nreads-lower-threshold: 1\n[default_options]\nreads-lower-threshold: 2\n"
        "[table: file]\nreads-lower-threshold: 3\n[gsi: i table: file]\n"
    )
    loaded = files.load(text, table_name="flag", reads_upper_threshold="70").config
    assert list(loaded["tables"]) == ["flag"]
    table = loaded["tables"]["flag"]
    assert (table["reads_upper_threshold"], table["reads_lower_threshold"], table["gsis"]) == (70, 30, {})
    assert (loaded["global"]["check_interval"], loaded["logging"]["log_level"]) == (60, "debug")


def test_table_name_takes_over_the_global_breaker(files: Files) -> None:
    text = "[global]\ncircuit-breaker-url: http://b/\ncircuit-breaker-timeout: 250.5\n"
    table = files.tables(text, table_name="t")["t"]
    assert (table["circuit_breaker_url"], table["circuit_breaker_timeout"]) == ("http://b/", Fraction("250.5"))


@pytest.mark.parametrize(
    "value", [option for option in options.OPTIONS if option.flag and option.axis], ids=lambda o: o.name
)
def test_every_table_flag_reaches_the_table(value: Option) -> None:
    text = value.choices[-1] if value.choices else "27"
    table = loader.load({"table-name": "t", value.name: text}).config["tables"]["t"]
    assert str(table[value.key]) == text


def test_the_problems_of_ignored_table_sections_are_still_told(files: Files) -> None:
    assert files.problems(T + "reads-upper-threshold: x\n", table_name="flag") == [
        "FILE: [table: t] reads-upper-threshold: 'x' is not a number"
    ]


def test_nothing_to_scale(files: Files) -> None:
    assert files.problems("[global]\nregion: eu-west-1\n") == [
        "FILE: there is no [table: NAME] section, so there is nothing to scale"
    ]
    assert files.problems("") == ["FILE: there is no [table: NAME] section, so there is nothing to scale"]
    assert flag_problems(region="eu-west-1") == [
        "nothing to scale: give --table-name NAME, or --config FILE with a [table: NAME] section"
    ]


def test_a_region_that_nobody_set_is_left_to_boto3(files: Files) -> None:
    assert files.load(T).config["global"]["region"] is None
    assert files.load(f"[DEFAULT]\nregion: eu-west-1\n{T}").config["global"]["region"] == "eu-west-1"


REGION_SOURCES = [
    (("--region", "eu-north-1"), "region: eu-west-1", {"AWS_REGION": "sa-east-1"}, "eu-north-1"),
    ((), "region: eu-west-1", {"AWS_REGION": "sa-east-1"}, "eu-west-1"),
    ((), "", {"AWS_REGION": "sa-east-1", "AWS_DEFAULT_REGION": "us-west-2"}, "sa-east-1"),
    ((), "", {"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
    ((), "", {"AWS_CONFIG_FILE": "profiles"}, "ca-central-1"),
    ((), "profile: other", {"AWS_CONFIG_FILE": "profiles"}, "ap-south-1"),
    ((), "", {}, "us-east-1"),
]


@pytest.mark.parametrize(
    ("flags", "in_file", "env", "expected"),
    REGION_SOURCES,
    ids=["flag", "file", "AWS_REGION", "AWS_DEFAULT_REGION", "profile", "another profile", "default"],
)
def test_region(
    tmp_path: Path, run: Run, flags: tuple[str, ...], in_file: str, env: dict[str, str], expected: str
) -> None:
    (tmp_path / "profiles").write_text("[default]\nregion=ca-central-1\n[profile other]\nregion=ap-south-1\n")
    (tmp_path / "a.conf").write_text(f"[global]\n{in_file}\n{T}")
    done = run("--config", "a.conf", "--show-config", *flags, env=env, cwd=tmp_path)
    assert json.loads(done.stdout)["global"]["region"] == expected


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        (
            "[global]\naws-access-key-id: a\n",
            {},
            ["FILE: [global] aws-access-key-id: is half of a key pair; set aws-secret-access-key-id too, or neither"],
        ),
        (
            "[global]\naws-secret-access-key: s\n",
            {},
            ["FILE: [global] aws-secret-access-key-id: is half of a key pair; set aws-access-key-id too, or neither"],
        ),
        (
            "[DEFAULT]\naws-access-key-id: a\n",
            {},
            ["FILE: [DEFAULT] aws-access-key-id: is half of a key pair; set aws-secret-access-key-id too, or neither"],
        ),
        (
            "",
            {"aws_access_key_id": "a"},
            ["--aws-access-key-id: is half of a key pair; set --aws-secret-access-key too, or neither"],
        ),
        (
            "",
            {"aws_secret_access_key_id": "s"},
            ["--aws-secret-access-key: is half of a key pair; set --aws-access-key-id too, or neither"],
        ),
        (
            "[global]\naws-access-key-id:\naws-secret-access-key-id: s\n",
            {},
            ["FILE: [global] aws-secret-access-key-id: is half of a key pair; set aws-access-key-id too, or neither"],
        ),
    ],
)
def test_half_a_key_pair(files: Files, text: str, flags: dict[str, str], expected: list[str]) -> None:
    assert files.problems(text + T, **flags) == expected


def test_a_pair_may_come_from_flags_and_file_together(files: Files) -> None:
    loaded = files.load("[global]\naws-secret-access-key: s\n" + T, aws_access_key_id="a").config["global"]
    assert (loaded["aws_access_key_id"], loaded["aws_secret_access_key"]) == ("a", "s")


def test_a_static_pair_beats_a_profile_and_says_so(files: Files) -> None:
    pair = "aws-access-key-id: a\naws-secret-access-key-id: s\n"
    assert files.warnings(f"[global]\nprofile: p\n{pair}{T}") == [
        "FILE: [global] profile: the static key pair is used, not the profile"
    ]
    assert files.warnings(f"[global]\n{pair}{T}", profile="p") == [
        "--profile: the static key pair is used, not the profile"
    ]
    assert files.warnings(f"[global]\n{pair}{T}") == []
    assert files.warnings(f"[global]\nprofile: p\n{T}") == []


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        (
            "[global]\nstate-file: FILE\n",
            {},
            ["FILE: [global] state-file: names the same file as --config; name another one"],
        ),
        ("", {"state_file": "FILE"}, ["--state-file: names the same file as --config; name another one"]),
        (
            "[global]\nstate-file: ./here\nmetrics-file: here\n",
            {},
            ["FILE: [global] metrics-file: names the same file as state-file; name another one"],
        ),
        (
            "[logging]\nlog-file: a/../here\n[global]\nstate-file: here\nmetrics-file: here\n",
            {},
            [
                "FILE: [global] state-file: names the same file as log-file; name another one",
                "FILE: [global] metrics-file: names the same file as log-file; name another one",
            ],
        ),
        (
            "[global]\nmetrics-prices: here\n",
            {"metrics_file": "here"},
            ["--metrics-file: names the same file as metrics-prices; name another one"],
        ),
        (
            "[logging]\nlog-config-file: here\n[DEFAULT]\nstate-file: here\n",
            {},
            ["FILE: [DEFAULT] state-file: names the same file as log-config-file; name another one"],
        ),
        ("[global]\nmetrics-file: /\n", {}, ["FILE: [global] metrics-file: / is a folder; name a file"]),
        ("", {"state_file": "/"}, ["--state-file: / is a folder; name a file"]),
    ],
)
def test_a_file_that_each_check_replaces_is_nothing_else(
    files: Files, text: str, flags: dict[str, str], expected: list[str]
) -> None:
    there = str(files.path)
    given = {name: value.replace("FILE", there) for name, value in flags.items()}
    assert files.problems(text.replace("FILE", there) + T, **given) == expected


def test_files_of_their_own(files: Files) -> None:
    names = "[logging]\nlog-file: a\n[global]\nstate-file: b\nmetrics-file: c\nmetrics-prices: d\n"
    assert files.warnings(names + T) == []


def test_a_secret_as_a_flag_draws_a_warning(files: Files) -> None:
    pair = {"aws_access_key_id": "a", "aws_secret_access_key_id": KEY}
    (warning,) = files.warnings(T, **pair)
    assert warning.startswith("--aws-secret-access-key: others can see the secret in the process list")
    assert KEY not in warning


# 1.2 Sections


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("[table: ^my_table$]", "^my_table$"),
        ("[table:^my_table$]", "^my_table$"),
        ("[ table:  ^my_table$\t]", "^my_table$"),
        ("[table : ^my_table$]", "^my_table$"),
        ("[\ttable\t:\t^my_table$\t]", "^my_table$"),
        ("[table: ^[a-z]+$]", "^[a-z]+$"),
        ("[table: [a]]", "[a]"),
        ("[table: []]]", "[]]"),
        ("[table: a:b]", "a:b"),
        ("[table: (?:a|b):c]", "(?:a|b):c"),
        ("[table: a b]", "a b"),
        ("[table: 100%]", "100%"),
        ("[table: %(x)s]", "%(x)s"),
        ("[table: a=b]", "a=b"),
        ("[table: #a]", "#a"),
        ("[table: [#;]a]", "[#;]a"),
        ("[table: table: a]", "table: a"),
        ("[table: a]  ", "a"),
        ("[table: a] ; a comment", "a"),
        ("[table: a]  # a comment [with brackets]", "a"),
        ("[table: [a]] # why", "[a]"),
        ("[table: a]# a comment", "a"),
        ("[table: a] as Python 2 let it pass", "a"),
        ("[table: (?i)MY]", "(?i)MY"),
        ("  [table: indented]", "indented"),
        ("[table: a ;b]", "a ;b"),
        ("[table:; a]", "; a"),
        ("[table: ; a] ; why", "; a"),
        ("  [table: a ;b]", "a ;b"),
    ],
)
def test_table_header(files: Files, header: str, expected: str) -> None:
    tables = files.tables(f"{header}\nreads-upper-threshold: 70\n")
    assert {regex: table["reads_upper_threshold"] for regex, table in tables.items()} == {expected: 70}


@pytest.mark.parametrize(
    ("header", "table", "index"),
    [
        ("[gsi: ^i$ table: ^t$]", "^t$", "^i$"),
        ("[gsi:^i$ table:^t$]", "^t$", "^i$"),
        ("[ gsi :  ^i$   table :  ^t$ ]", "^t$", "^i$"),
        ("[\tgsi:\t^i$\ttable:\t^t$\t]", "^t$", "^i$"),
        ("[gsi: [a]]: table: [b]]", "[b]", "[a]]:"),
        ("[gsi: a:b table: c:d]", "c:d", "a:b"),
        ("[gsi: a b table: c d]", "c d", "a b"),
        ("[gsi: a table: b table: c]", "c", "a table: b"),
        ("[gsi: a table: b table: c]", "b table: c", "a"),
        ("[gsi: table table: t]", "t", "table"),
        ("[gsi: i table: table: t]", "table: t", "i"),
    ],
)
@pytest.mark.parametrize("order", ["after", "before"])
def test_gsi_header(files: Files, header: str, table: str, index: str, order: str) -> None:
    sections = [f"[table: {table}]\n", f"{header}\nreads-upper-threshold: 70\n"]
    tables = files.tables("".join(sections if order == "after" else reversed(sections)))
    assert list(tables) == [table]
    assert {regex: gsi["reads_upper_threshold"] for regex, gsi in tables[table]["gsis"].items()} == {index: 70}


def test_sections_keep_the_order_of_the_file(files: Files) -> None:
    text = "[gsi: z table: b]\n[table: c]\n[gsi: i table: a]\n[table: b]\n[table: a]\n[gsi: y table: b]\n"
    tables = files.tables(text)
    assert list(tables) == ["c", "b", "a"]
    assert list(tables["b"]["gsis"]) == ["z", "y"]


def test_the_same_index_of_two_tables(files: Files) -> None:
    tables = files.tables("[table: a]\n[table: b]\n[gsi: i table: a]\n[gsi: i table: b]\n")
    assert [list(table["gsis"]) for table in tables.values()] == [["i"], ["i"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reads-upper-threshold: 70", 70),
        ("reads-upper-threshold = 70", 70),
        ("reads-upper-threshold=70", 70),
        ("reads-upper-threshold:70", 70),
        ("reads-upper-threshold   :   70   ", 70),
        ("READS-Upper-Threshold: 70", 70),
        ("reads-upper-threshold:\n  70", 70),
        ("reads-upper-threshold: 70 ; a comment", 70),
        ("reads-upper-threshold: 70\t; a comment", 70),
        ("# reads-upper-threshold: 70", 90),
        ("; reads-upper-threshold: 70", 90),
        ("rem reads-upper-threshold: 70", 90),
        ("REM reads-upper-threshold: 70", 90),
        ("Rem\treads-upper-threshold: 70", 90),
        ("rem", 90),
        ("reads-upper-threshold: 70\n# a comment\n; another\n\n\nrem a third\n", 70),
    ],
)
def test_a_line(files: Files, text: str, expected: int) -> None:
    assert files.table(text)["reads_upper_threshold"] == expected


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("circuit-breaker-url: http://a/#b", "circuit_breaker_url", "http://a/#b"),
        ("circuit-breaker-url: http://a/;b", "circuit_breaker_url", "http://a/;b"),
        ("circuit-breaker-url: http://a/?b=c&d=%(e)s%20", "circuit_breaker_url", "http://a/?b=c&d=%(e)s%20"),
        ("circuit-breaker-url = http://a:80/", "circuit_breaker_url", "http://a:80/"),
        ("maintenance-windows: 01:00-02:00,\n  03:00-04:00", "maintenance_windows", "01:00-02:00,\n03:00-04:00"),
        (
            "increase-consumed-reads-scale: {\n  0: 0,\n  # half\n  50: 10,\n  90: 50}\n",
            "increase_consumed_reads_scale",
            ((0, 0), (50, 10), (90, 50)),
        ),
        (
            "sns-topic-arn: arn:aws:sns:r:1:t\nsns-message-types: scale-up,\n  scale-down",
            "sns_message_types",
            ("scale-up", "scale-down"),
        ),
    ],
)
def test_a_value(files: Files, text: str, key: str, expected: Any) -> None:
    assert files.table(text)[key] == expected


def test_a_number_sign_after_a_value_is_part_of_it(files: Files) -> None:
    assert files.load(f"[global]\nprofile: a # b\n{T}").config["global"]["profile"] == "a # b"
    assert files.problems(T + "reads-upper-threshold: 70 # high\n") == [
        "FILE: [table: t] reads-upper-threshold: '70 # high' is not a number"
    ]


def test_percent_is_a_plain_character(files: Files) -> None:
    text = f"[global]\nprofile: 100%% %(region)s %s\nregion: eu-west-1\n{T}"
    assert files.load(text).config["global"]["profile"] == "100%% %(region)s %s"


def test_default_is_inherited_by_every_section_that_knows_the_option(files: Files) -> None:
    text = (
        "[DEFAULT]\nregion: eu-west-1\nlog-level: debug\ncircuit-breaker-timeout: 5\nwrites-upper-threshold: 60\n"
        "aws-access-key-id: a\naws-secret-access-key: " + KEY + "\n"
        "[table: a]\n[table: b]\nwrites-upper-threshold: 65\n[gsi: i table: b]\n[global]\n[logging]\n"
    )
    loaded = files.load(text).config
    assert loaded["global"]["region"] == "eu-west-1"
    assert loaded["global"]["aws_secret_access_key"] == KEY
    assert loaded["global"]["circuit_breaker_timeout"] == 5
    assert loaded["logging"]["log_level"] == "debug"
    a, b = loaded["tables"]["a"], loaded["tables"]["b"]
    assert (a["writes_upper_threshold"], b["writes_upper_threshold"]) == (60, 65)
    assert b["gsis"]["i"]["writes_upper_threshold"] == 60
    assert a["circuit_breaker_timeout"] == 5


def test_default_may_hold_no_unknown_option(files: Files) -> None:
    assert files.problems("[DEFAULT]\nreads-uper-threshold: 60\nregio: x\nlog-levl: x\nlog-level: loud\n" + T) == [
        "FILE: [DEFAULT] reads-uper-threshold: unknown option; did you mean reads-upper-threshold?",
        "FILE: [DEFAULT] regio: unknown option; did you mean region?",
        "FILE: [DEFAULT] log-levl: unknown option; did you mean log-level?",
        "FILE: [DEFAULT] log-level: 'loud' is not one of debug, info, warning, error",
    ]


@pytest.mark.parametrize("option", options.of_section("table"), ids=lambda option: option.name)
def test_default_options_hold_what_tables_and_indexes_may(files: Files, option: Option) -> None:
    text = _valid_text(option)
    body = f"{option.name}: {text}\n" + ("sns-topic-arn: arn:aws:sns:r:1:t\n" if option.kind == "list" else "")
    everywhere = files.tables(f"[default_options]\n{body}[table: t]\n[gsi: i table: t]\n")["t"]
    own = files.tables(f"[table: t]\n{body}[gsi: i table: t]\n{body}")["t"]
    assert everywhere == own
    assert (
        everywhere[option.key]
        == everywhere["gsis"]["i"][option.key]
        != loader.load({"table-name": "t"}).config["tables"]["t"][option.key]
    )


def _valid_text(option: Option) -> str:
    """A valid text other than the default."""
    if option.kind == "bool":
        return "no" if option.default else "yes"
    return option.example


@pytest.mark.parametrize("key", ["log-file", "log-config-file"])
def test_home_and_environment_in_paths(files: Files, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("PLACE", "logs")
    for text, expected in (
        ("~/a", "/home/me/a"),
        ("/x/$PLACE/a", "/x/logs/a"),
        ("/x/${PLACE}.d", "/x/logs.d"),
        ("/x/$NOT_THERE/a", "/x/$NOT_THERE/a"),
        ("$PLACE/~", "logs/~"),
    ):
        loaded = files.load(f"[logging]\n{key}: {text}\n{T}").config["logging"]
        assert loaded[key.replace("-", "_")] == expected


def test_home_and_environment_in_paths_of_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.conf").write_text(T)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path))
    for flags in ({"config": "~/a.conf"}, {"config": "$PLACE/a.conf"}):
        assert list(loader.load(flags).config["tables"]) == ["t"]
    assert loader.check_flags({"pid-file-dir": "~/run"})["pid_file_dir"] == f"{tmp_path}/run"


def test_the_home_of_nobody() -> None:
    assert flag_problems(table_name="t", log_file="~no-such-user/log") == [
        "--log-file: '~no-such-user/log' names a home directory that does not exist"
    ]


# 1.3 Names are regular expressions


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("[", "unterminated character set"),
        ("(", "missing ), unterminated subpattern"),
        ("*", "nothing to repeat"),
        ("a{99999999999999999999}", "the repetition number is too large"),
        ("(?P<a", "missing >, unterminated name"),
        ("a(?i)b", "Python 3.11 and later require flags such as (?i) at the start of the expression"),
        ("(?z)a", "unknown extension"),
        ("\\8", "invalid group reference"),
    ],
)
@pytest.mark.parametrize("place", ["[table: X]", "[gsi: X table: t]", "--table-name"])
def test_an_expression_that_does_not_compile(files: Files, expression: str, reason: str, place: str) -> None:
    if place.startswith("--"):
        (problem,) = flag_problems(table_name=expression)
        where = place
    else:
        header = place.replace("X", expression)
        (problem,) = files.problems(T + header + "\n")
        where = f"FILE: {header}"
    assert problem.startswith(f"{where}: the regular expression {expression!r} does not compile: ")
    assert reason in problem


def test_an_expression_of_absurd_depth(files: Files) -> None:
    (problem,) = files.problems(f"[table: {'(' * 5000}{')' * 5000}]\n")
    assert "does not compile" in problem


@pytest.mark.parametrize("expression", ["^my_table$", "my.*", "(?i)MY_TABLE", "a|b", "[[a]", "(a{1,2}){2,3}"])
def test_expressions_are_kept_as_written(files: Files, expression: str) -> None:
    assert list(files.tables(f"[table: {expression}]\n")) == [expression]


# 1.4 Scales

SCALES = {
    "{0: 0, 70: 30, 90: 50}": ((0, 0), (70, 30), (90, 50)),
    "{90: 50, 0: 0, 70: 30}": ((0, 0), (70, 30), (90, 50)),
    "{10: 5}": ((10, 5),),
    "  { 10 :5 , }  ": ((10, 5),),
    "{0.1: 27.5, 1e2: .5}": ((Fraction("0.1"), Fraction("27.5")), (100, Fraction("0.5"))),
    "{-0: 1, +5: 2}": ((0, 1), (5, 2)),
    "{150: 300}": ((150, 300),),
    "{1_0: 2}": ((10, 2),),
    "{0x10: 1}": ((16, 1),),
}


@pytest.mark.parametrize("text", SCALES)
def test_scale(files: Files, text: str) -> None:
    scale = files.table(f"decrease-consumed-writes-scale: {text}")["decrease_consumed_writes_scale"]
    assert scale == SCALES[text]
    assert all(isinstance(number, Fraction) for step in scale for number in step)


NO_SCALES = {
    "list": "[1, 2]",
    "set": "{1, 2}",
    "pairs": "[(0, 0)]",
    "number": "50",
    "word": "high",
    "open": "{0: 0",
    "no colon": "{0 0}",
    "text key": "{'0': 0}",
    "text amount": "{0: '0'}",
    "bytes": "{b'a': 0}",
    "boolean key": "{True: 0}",
    "boolean amount": "{0: False}",
    "none": "{0: None}",
    "ellipsis": "{0: ...}",
    "complex": "{0: 1j}",
    "complex sum": "{0: 1+2j}",
    "sum": "{0: 1 + 1}",
    "power": "{0: 9**9**9}",
    "tuple key": "{(0, 1): 0}",
    "nested": "{0: {0: 0}}",
    "unpacked": "{**{0: 0}}",
    "comprehension": "{x: x for x in (1, 2)}",
    "call": "__import__('os').system('touch /tmp/never')",
    "call in it": "{0: __import__('os').getpid()}",
    "lambda": "{0: lambda: 0}",
    "name": "{0: inf}",
    "infinite": "{0: 1e999}",
    "minus infinite": "{-1e999: 0}",
    "not": "{0: not 1}",
    "inverted": "{0: ~1}",
    "two signs": "{0: --1}",
    "assignment": "x = {0: 0}",
    "walrus": "(x := {0: 0})",
    "statement": "import os",
    "two": "{0: 0}, {1: 1}",
    "huge number": "{0: " + "9" * 5000 + "}",
    "huge hexadecimal": "{0: 0x" + "f" * 5000 + "}",
    "too large": "{0: 1e10}",
    "deep signs": "{0: " + "-" * 3000 + "1}",
    "deep brackets": "[" * 5000,
    "deep dicts": "{0:" * 3000,
    "deep attribute": "a" + ".a" * 4000,
    "null byte": "{0: 0}\0",
    "unit": "{0: 5in}",
}


@pytest.mark.parametrize("name", NO_SCALES)
def test_what_is_no_scale(files: Files, name: str) -> None:
    (problem,) = files.problems(f"{T}increase-consumed-reads-scale: {NO_SCALES[name]}\n")
    assert re.match("FILE: \\[table: t\\] increase-consumed-reads-scale: ['\"]", problem)
    assert problem.endswith(" is not a scale; write threshold: amount pairs of numbers, like {0: 0, 70: 30, 90: 50}")
    assert len(problem) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{0: -1}", "the scale has a negative amount, -1"),
        ("{-5: 50}", "the scale has a negative threshold, -5"),
        ("{0: 0, -0.5: 50}", "the scale has a negative threshold, -0.5"),
        ("none", "'none' is not a scale; write threshold: amount pairs of numbers, like {0: 0, 70: 30, 90: 50}"),
        ("{0: 0}" + " " * 20_000 + "#", "is longer than 10000 characters"),
    ],
)
def test_a_bad_scale(files: Files, text: str, expected: str) -> None:
    assert files.problems(f"{T}increase-consumed-reads-scale: {text}\n") == [
        f"FILE: [table: t] increase-consumed-reads-scale: {expected}"
    ]


# 1.5, 1.6 Every value is checked, and all problems are reported at once

BAD_VALUES = [
    ("[global]", "check-interval: soon", "check-interval: 'soon' is not a whole number of seconds"),
    ("[global]", "check-interval: 1.5", "check-interval: '1.5' is not a whole number of seconds"),
    ("[global]", "check-interval: 0", "check-interval: 0 is too small; the minimum is 1"),
    ("[global]", "check-interval: -5", "check-interval: -5 is too small; the minimum is 1"),
    ("[global]", "check-interval: 1000000001", "check-interval: 1000000001 is too large; the maximum is 1000000000"),
    ("[global]", "check-interval: 1_0", "check-interval: '1_0' is not a whole number of seconds"),
    ("[global]", "check-interval: \u0663", "check-interval: '\u0663' is not a whole number of seconds"),
    ("[global]", f"check-interval: {'9' * 5000}", f"check-interval: '{'9' * 57}...' is not a whole number of seconds"),
    (
        "[global]",
        "region: eu-west-1 # here",
        "region: 'eu-west-1 # here' is not a region; write one like eu-west-1; "
        "only ' ;' starts a comment after a value",
    ),
    ("[global]", "region: eu west 1", "region: 'eu west 1' is not a region; write one like eu-west-1"),
    ("[global]", "region: eu-west-1.", "region: 'eu-west-1.' is not a region; write one like eu-west-1"),
    ("[global]", "region: https://x", "region: 'https://x' is not a region; write one like eu-west-1"),
    (
        "[global]",
        f"aws-access-key-id: {KEY} # mine\naws-secret-access-key: s",
        "aws-access-key-id: contains a space, which keys do not have; only ' ;' starts a comment after a value",
    ),
    (
        "[global]",
        f"aws-access-key-id: a\naws-secret-access-key: {KEY} #",
        "aws-secret-access-key: contains a space, which keys do not have; only ' ;' starts a comment after a value",
    ),
    (
        "[global]",
        f"aws-access-key-id: a b\naws-secret-access-key: {KEY}",
        "aws-access-key-id: contains a space, which keys do not have",
    ),
    ("[global]", "endpoint-url: localhost:8000", "endpoint-url: 'localhost:8000' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: ftp://a", "endpoint-url: 'ftp://a' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://", "endpoint-url: 'http://' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://:80", "endpoint-url: 'http://:80' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://a:b", "endpoint-url: 'http://a:b' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://a:0", "endpoint-url: 'http://a:0' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://a:70000", "endpoint-url: 'http://a:70000' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://[a", "endpoint-url: 'http://[a' is not an http:// or https:// URL"),
    ("[global]", "endpoint-url: http://a b", "endpoint-url: 'http://a b' is not an http:// or https:// URL"),
    (
        "[global]",
        "circuit-breaker-url: htp://me:pass@word@host/",
        "circuit-breaker-url: 'htp://me:***@host/' is not an http:// or https:// URL",
    ),
    ("[global]", "circuit-breaker-timeout: 0", "circuit-breaker-timeout: 0 is too small; the minimum is 1"),
    ("[global]", "circuit-breaker-timeout: 0.5", "circuit-breaker-timeout: 0.5 is too small; the minimum is 1"),
    ("[global]", "circuit-breaker-timeout: 10s", "circuit-breaker-timeout: '10s' is not a number"),
    ("[logging]", "log-level: loud", "log-level: 'loud' is not one of debug, info, warning, error"),
    (
        "[logging]",
        "log-level: warn",
        "log-level: 'warn' is not one of debug, info, warning, error; did you mean warning?",
    ),
    (
        "[logging]",
        "log-level: INFO,",
        "log-level: 'INFO,' is not one of debug, info, warning, error; did you mean info?",
    ),
    *(
        (section, f"{text}", problem)
        for section in ("[default_options]", "[table: x]", "[gsi: i table: t]", "[DEFAULT]")
        for text, problem in (
            ("reads-upper-threshold: high", "reads-upper-threshold: 'high' is not a number"),
            ("reads-upper-threshold: 90%", "reads-upper-threshold: '90%' is not a number; leave the % out"),
            ("reads-upper-threshold: nan", "reads-upper-threshold: 'nan' is not a number"),
            ("reads-upper-threshold: inf", "reads-upper-threshold: 'inf' is not a number"),
            ("reads-upper-threshold: 1e", "reads-upper-threshold: '1e' is not a number"),
            ("reads-upper-threshold: -0.1", "reads-upper-threshold: -0.1 is too small; the minimum is 0"),
            (
                "reads-upper-threshold: 1e10",
                "reads-upper-threshold: 1e10 is too large; the maximum is 1000000000",
            ),
            ("increase-writes-with: -1", "increase-writes-with: -1 is too small; the minimum is 0"),
            ("decrease-writes-with: 0.0", "decrease-writes-with: '0.0' is not a whole number"),
            ("decrease-consumed-reads-with: -1", "decrease-consumed-reads-with: -1 is too small; the minimum is 1"),
            ("min-provisioned-reads: -1", "min-provisioned-reads: -1 is too small; the minimum is 1"),
            (
                "sns-message-types: scale-up\nsns-topic-arn: off",
                "sns-topic-arn: 'off' is not the ARN of a topic; write arn:aws:sns:REGION:ACCOUNT:NAME",
            ),
            (
                "maintenance-windows: 2200-2360",
                "maintenance-windows: '2200-2360' has an invalid time; "
                "times run from 00:00 to 23:59, and an end may be 24:00",
            ),
            (
                "maintenance-windows: 220-2359",
                "maintenance-windows: '220-2359' is not a window; write HH:MM-HH:MM, like 22:00-06:00",
            ),
            (
                "max-provisioned-writes: 0",
                "max-provisioned-writes: 0 is too small; the minimum is 1; leave it out for no limit",
            ),
            (
                "num-read-checks-before-scale-down: 0",
                "num-read-checks-before-scale-down: 0 is too small; the minimum is 1",
            ),
            (
                "throttled-reads-upper-threshold: -1",
                "throttled-reads-upper-threshold: -1 is too small; the minimum is 0",
            ),
            (
                "increase-reads-unit: percents",
                "increase-reads-unit: 'percents' is not one of percent, units; did you mean percent?",
            ),
            ("increase-reads-unit: %", "increase-reads-unit: '%' is not one of percent, units"),
            (
                "enable-reads-up-scaling: maybe",
                "enable-reads-up-scaling: 'maybe' is neither true (yes, on, 1) nor false (no, off, 0)",
            ),
            (
                "maintenance-windows: 25:00-26:00",
                "maintenance-windows: '25:00-26:00' has an invalid time; "
                "times run from 00:00 to 23:59, and an end may be 24:00",
            ),
            (
                "maintenance-windows: 8-9",
                "maintenance-windows: '8-9' is not a window; write HH:MM-HH:MM, like 22:00-06:00",
            ),
            (
                "circuit-breaker-url: example.com",
                "circuit-breaker-url: 'example.com' is not an http:// or https:// URL",
            ),
            ("lookback-window-start: 0", "lookback-window-start: 0 is too small; the minimum is 1"),
            ("lookback-window-start: 21601", "lookback-window-start: 21601 is too large; the maximum is 21600"),
            ("lookback-period: 0", "lookback-period: 0 is too small; the minimum is 1"),
            ("lookback-period: 0.5", "lookback-period: '0.5' is not a whole number of minutes"),
            (
                "sns-topic-arn: my-topic",
                "sns-topic-arn: 'my-topic' is not the ARN of a topic; write arn:aws:sns:REGION:ACCOUNT:NAME",
            ),
            (
                "sns-topic-arn: arn:aws:sqs:us-east-1:1:q",
                "sns-topic-arn: 'arn:aws:sqs:us-east-1:1:q' is not the ARN of a topic; "
                "write arn:aws:sns:REGION:ACCOUNT:NAME",
            ),
        )
    ),
]


@pytest.mark.parametrize(("section", "text", "expected"), BAD_VALUES, ids=lambda value: value[:60])
def test_a_bad_value(files: Files, section: str, text: str, expected: str) -> None:
    assert files.problems(f"{section}\n{text}\n{T}") == [f"FILE: {section} {expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "reads-upper-threshold: 80\n  reads-lower-threshold: 20",
            "reads-upper-threshold: has a value of several lines; an indented line continues the one above it",
        ),
        (
            "increase-reads-unit: percent\n ,units",
            "increase-reads-unit: has a value of several lines; an indented line continues the one above it",
        ),
    ],
)
def test_a_value_of_several_lines(files: Files, text: str, expected: str) -> None:
    assert files.problems(f"{T}{text}\n") == [f"FILE: [table: t] {expected}"]


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("enable-reads-up-scaling", "true True TRUE yes Yes on ON 1", True),
        ("enable-reads-up-scaling", "false False no NO off Off 0", False),
        ("increase-reads-with", "7 +7 007", 7),
        ("reads-upper-threshold", "70 70.0 70. +70 7e1 7E1 0.7e2 700e-1", 70),
        ("reads-upper-threshold", "0.5 .5 5e-1", Fraction(1, 2)),
        ("reads-upper-threshold", "0 0.0 -0", 0),
        ("increase-reads-with", "250", 250),
        ("decrease-reads-with", "250", 250),
        ("reads-upper-threshold", "250", 250),
        ("circuit-breaker-timeout", "1 1.0", 1),
        ("lookback-window-start", "21600", 21600),
        ("circuit-breaker-url", "http://h", "http://h"),
        ("circuit-breaker-url", "HTTPS://h/", "HTTPS://h/"),
        ("circuit-breaker-url", "https://u:p@h:8443/x?y=z#f", "https://u:p@h:8443/x?y=z#f"),
        ("circuit-breaker-url", "http://[::1]:80/", "http://[::1]:80/"),
        (
            "sns-topic-arn",
            "arn:aws:sns:us-east-1:123456789012:T_o-1.fifo",
            "arn:aws:sns:us-east-1:123456789012:T_o-1.fifo",
        ),
        ("sns-topic-arn", "arn:aws-cn:sns:cn-north-1:123456789012:t", "arn:aws-cn:sns:cn-north-1:123456789012:t"),
        ("sns-topic-arn", "arn:aws-us-gov:sns:us-gov-west-1:1:t", "arn:aws-us-gov:sns:us-gov-west-1:1:t"),
        ("maintenance-windows", "22:00-24:00", "22:00-24:00"),
        ("maintenance-windows", "2200-2359", "2200-2359"),
    ],
)
def test_spellings(files: Files, name: str, texts: str, expected: Any) -> None:
    for text in texts.split():
        assert files.table(f"{name}: {text}\n")[name.replace("-", "_")] == expected


@pytest.mark.parametrize("text", ["DEBUG", "Info", "warning", "eRRoR"])
def test_the_log_level_in_any_letter_case(files: Files, text: str) -> None:
    assert files.load(f"[logging]\nlog-level: {text}\n{T}").config["logging"]["log_level"] == text.lower()


@pytest.mark.parametrize("limits", [(None, None), (5, None), (None, 5), (5, 5), (5, 6)])
def test_min_and_max_may_be_unset_each_on_its_own(files: Files, limits: tuple[int | None, int | None]) -> None:
    least, most = limits
    text = (f"min-provisioned-reads: {least}\n" if least else "") + (f"max-provisioned-reads: {most}\n" if most else "")
    table = files.table(text)
    assert (table["min_provisioned_reads"], table["max_provisioned_reads"]) == limits


CROSS_CHECKS = {
    "min above max": (
        "[table: t]\nmin-provisioned-reads: 6\nmax-provisioned-reads: 5\n",
        "FILE: [table: t] min-provisioned-reads and max-provisioned-reads: the minimum 6 is above the maximum 5",
    ),
    "min above max, of an index": (
        "[table: t]\n[gsi: i table: t]\nmin-provisioned-writes: 6\nmax-provisioned-writes: 5\n",
        "FILE: [gsi: i table: t] min-provisioned-writes and max-provisioned-writes: "
        "the minimum 6 is above the maximum 5",
    ),
    "min of the section, max of the defaults": (
        "[default_options]\nmax-provisioned-reads: 5\n[table: t]\nmin-provisioned-reads: 6\n[table: u]\n",
        "FILE: [table: t] min-provisioned-reads and max-provisioned-reads: the minimum 6 is above the maximum 5",
    ),
    "both of the defaults, told once": (
        "[default_options]\nmin-provisioned-reads: 6\nmax-provisioned-reads: 5\n[table: t]\n[table: u]\n",
        "FILE: [default_options] min-provisioned-reads and max-provisioned-reads: the minimum 6 is above the maximum 5",
    ),
    "both of DEFAULT, told once": (
        "[DEFAULT]\nmin-provisioned-reads: 6\nmax-provisioned-reads: 5\n[table: t]\n[table: u]\n",
        "FILE: [DEFAULT] min-provisioned-reads and max-provisioned-reads: the minimum 6 is above the maximum 5",
    ),
    "period longer than start": (
        "[table: t]\nlookback-window-start: 10\nlookback-period: 11\n",
        "FILE: [table: t] lookback-period and lookback-window-start: "
        "a window of 11 minutes that begins 10 minutes ago extends past now",
    ),
    "default period longer than start": (
        "[table: t]\nlookback-window-start: 4\n",
        "FILE: [table: t] lookback-period and lookback-window-start: "
        "a window of 5 minutes that begins 4 minutes ago extends past now",
    ),
}


@pytest.mark.parametrize("name", CROSS_CHECKS)
def test_options_that_contradict_each_other(files: Files, name: str) -> None:
    text, expected = CROSS_CHECKS[name]
    assert files.problems(text) == [expected]


def test_flags_that_contradict_each_other() -> None:
    assert flag_problems(table_name="t", min_provisioned_reads="6", max_provisioned_reads="5") == [
        "--min-provisioned-reads and --max-provisioned-reads: the minimum 6 is above the maximum 5"
    ]


def test_a_window_that_ends_now_is_valid(files: Files) -> None:
    assert files.table("lookback-window-start: 5\nlookback-period: 5\n")["lookback_period"] == 5
    assert files.table("lookback-window-start: 1\nlookback-period: 1\n")["lookback_window_start"] == 1


WARNINGS = {
    "lower above upper": (
        "[table: t]\nreads-lower-threshold: 95.5\n",
        [
            "FILE: [table: t] reads-lower-threshold and reads-upper-threshold: "
            "the lower threshold, 95.5 %, is not below the upper, 90 %"
        ],
    ),
    "lower at upper": (
        "[gsi: i table: t]\nwrites-upper-threshold: 30\n[table: t]\n",
        [
            "FILE: [gsi: i table: t] writes-lower-threshold and writes-upper-threshold: "
            "the lower threshold, 30 %, is not below the upper, 30 %"
        ],
    ),
    "lower just below upper": ("[table: t]\nreads-lower-threshold: 89.999\n", []),
    "max above the quota": (
        "[default_options]\nmax-provisioned-reads: 40001\n[table: t]\n[table: u]\n[gsi: i table: t]\n",
        ["FILE: [default_options] max-provisioned-reads: 40001 is above DynamoDB's default quota of 40000 per table"],
    ),
    "max at the quota": ("[table: t]\nmax-provisioned-writes: 40000\n", []),
    "a decrease of more than 100 %": (
        "[table: t]\ndecrease-reads-with: 101\n[gsi: i table: t]\ndecrease-reads-with: 100\n",
        [
            "FILE: [table: t] decrease-reads-with: a decrease of 101 % is above 100 %: "
            "it always goes to the minimum or the load floor"
        ],
    ),
    "a decrease of more than 100 %, of consumption": (
        "[default_options]\ndecrease-writes-with: 20\ndecrease-consumed-writes-with: 200\n[table: t]\n[table: u]\n",
        [
            "FILE: [default_options] decrease-consumed-writes-with: a decrease of 200 % is above 100 %: "
            "it always goes to the minimum or the load floor"
        ],
    ),
    "a decrease of more than 100 %, in a scale": (
        "[table: t]\ndecrease-consumed-reads-scale: {10: 150.5, 20: 50}\n",
        [
            "FILE: [table: t] decrease-consumed-reads-scale: a decrease of 150.5 % is above 100 %: "
            "it always goes to the minimum or the load floor"
        ],
    ),
    "a decrease of more than 100 %, but for its scale": (
        "[table: t]\ndecrease-reads-with: 150\ndecrease-consumed-reads-scale: {10: 50}\n",
        [],
    ),
    "a decrease of more than 100 units": (
        "[table: t]\ndecrease-reads-with: 150\ndecrease-reads-unit: units\n"
        "[gsi: i table: t]\ndecrease-reads-with: 150\ndecrease-consumed-reads-unit: units\n",
        [],
    ),
    "an increase of more than 100 %": ("[table: t]\nincrease-reads-with: 150\n", []),
    "a comment that is none": (
        "[global]\nprofile: a # b\n[logging]\nlog-file: /var/log/x\t# why\nlog-config-file: x# ; why\n[table: t]\n",
        [
            "FILE: [global] profile: the # and what follows it are part of the value; only ' ;' starts a comment there",
            "FILE: [logging] log-file: the # and what follows it are part of the value; "
            "only ' ;' starts a comment there",
        ],
    ),
    "topic without types": (
        "[table: t]\nsns-topic-arn: arn:aws:sns:r:1:t\n",
        ["FILE: [table: t] sns-topic-arn: nothing is sent without sns-message-types"],
    ),
    "unknown type": (
        "[table: t]\nsns-topic-arn: arn:aws:sns:r:1:t\n"
        "sns-message-types: scale-up, scale-dwn,,error, scale-down at-maximum\n",
        [
            "FILE: [table: t] sns-message-types: 'scale-dwn' is not a message type and is ignored; "
            "did you mean scale-down?",
            "FILE: [table: t] sns-message-types: 'error' is not a message type and is ignored",
            "FILE: [table: t] sns-message-types: 'scale-down at-maximum' is not a message type and is ignored; "
            "separate message types with commas",
        ],
    ),
    **{
        f"disable-{axis}-{direction}-scaling": (
            f"[table: t]\ndisable-{axis}-{direction}-scaling: true\n",
            [
                f"FILE: [table: t] disable-{axis}-{direction}-scaling: no release has ever read this option, and "
                f"it has no effect; write enable-{axis}-{direction}-scaling: false instead"
            ],
        )
        for axis in ("reads", "writes")
        for direction in ("up", "down")
    },
    "disable in default_options": (
        "[default_options]\ndisable-reads-up-scaling: true\n[table: t]\n",
        [
            "FILE: [default_options] disable-reads-up-scaling: no release has ever read this option, and "
            "it has no effect; write enable-reads-up-scaling: false instead"
        ],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings(files: Files, name: str) -> None:
    text, expected = WARNINGS[name]
    assert files.warnings(text) == expected


def test_what_draws_a_warning_works_as_written(files: Files) -> None:
    table = files.table(
        "reads-lower-threshold: 95\nmax-provisioned-reads: 50000\ndisable-reads-up-scaling: true\n"
        "sns-topic-arn: arn:aws:sns:r:1:t\nsns-message-types: nonsense, scale-up, scale-up\n"
    )
    assert (table["reads_lower_threshold"], table["max_provisioned_reads"]) == (95, 50000)
    assert table["enable_reads_up_scaling"] is True
    assert table["sns_message_types"] == ("scale-up",)


UNKNOWN = {
    "unknown option": (
        "[table: t]\nreads-uper-threshold: 70\n",
        "FILE: [table: t] reads-uper-threshold: unknown option; did you mean reads-upper-threshold?",
    ),
    "underscores": (
        "[table: t]\nmax_provisioned_reads: 70\n",
        "FILE: [table: t] max_provisioned_reads: unknown option; did you mean max-provisioned-reads?",
    ),
    "underscores elsewhere": (
        "[global]\nlog_level: info\n[table: t]\n",
        "FILE: [global] log_level: unknown option; did you mean log-level?",
    ),
    "underscores and dashes": (
        "[table: t]\nnum_read-checks_before_scale_down: 2\n",
        "FILE: [table: t] num_read-checks_before_scale_down: unknown option; "
        "did you mean num-read-checks-before-scale-down?",
    ),
    "underscores in what was never read": (
        "[table: t]\ndisable_reads_up_scaling: true\n",
        "FILE: [table: t] disable_reads_up_scaling: unknown option; write enable-reads-up-scaling: false instead",
    ),
    "the beginning of an option": (
        "[table: t]\nmaintenance: 22:00-06:00\n",
        "FILE: [table: t] maintenance: unknown option; did you mean maintenance-windows?",
    ),
    "underscores in a table": (
        "[table: my_table]\n[gsi: i table: my_tabel]\n",
        "FILE: [gsi: i table: my_tabel]: there is no section [table: my_tabel]; did you mean [table: my_table]? "
        "(the name must be repeated exactly)",
    ),
    "nothing like it": ("[table: t]\ncolour: red\n", "FILE: [table: t] colour: unknown option"),
    "option of a table in global": (
        "[global]\nmin-provisioned-reads: 5\n[table: t]\n",
        "FILE: [global] min-provisioned-reads: does not belong here; "
        "move it into a [table:], [gsi:] or [default_options] section",
    ),
    "option of global in a table": (
        "[table: t]\ncheck-interval: 5\n",
        "FILE: [table: t] check-interval: does not belong here; move it into the [global] section",
    ),
    "option of global in logging": (
        "[logging]\naws-secret-access-key: s\n[table: t]\n",
        "FILE: [logging] aws-secret-access-key: does not belong here; move it into the [global] section",
    ),
    "option of logging in global": (
        "[global]\nlog-level: info\n[table: t]\n",
        "FILE: [global] log-level: does not belong here; move it into the [logging] section",
    ),
    "option of the command line": (
        "[global]\ndry-run: true\n[table: t]\n",
        "FILE: [global] dry-run: cannot be set in a file; give it on the command line",
    ),
    "unknown section": (
        "[globl]\n[table: t]\n",
        "FILE: [globl]: unknown section; did you mean [global]?",
    ),
    "letter case of a section": ("[Global]\n[table: t]\n", "FILE: [Global]: unknown section; did you mean [global]?"),
    "default in small letters": (
        "[default]\n[table: t]\n",
        "FILE: [default]: unknown section; did you mean [default_options]?",
    ),
    "table without colon": ("[table t]\n[table: t]\n", "FILE: [table t]: unknown section; did you mean [table: NAME]?"),
    "tabel": ("[tabel: x]\n[table: t]\n", "FILE: [tabel: x]: unknown section; did you mean [table: NAME]?"),
    "gis": (
        "[gis: x table: t]\n[table: t]\n",
        "FILE: [gis: x table: t]: unknown section; did you mean [gsi: INDEX table: NAME]?",
    ),
    "no section at all like it": (
        "[x]\n[table: t]\n",
        "FILE: [x]: unknown section; there are [global], [logging], [default_options], [table: NAME], "
        "[gsi: INDEX table: NAME], [schedule: NAME table: TABLE]",
    ),
    "gsi without its table": (
        "[table: ^t$]\n[gsi: i table: t]\n",
        "FILE: [gsi: i table: t]: there is no section [table: t] (the name must be repeated exactly)",
    ),
    "gsi with a mistyped table": (
        "[table: my_table]\n[gsi: i table: my_tabel]\n",
        "FILE: [gsi: i table: my_tabel]: there is no section [table: my_tabel]; did you mean [table: my_table]? "
        "(the name must be repeated exactly)",
    ),
    "gsi that names no table": (
        "[table: t]\n[gsi: i]\n",
        "FILE: [gsi: i]: names no table; write [gsi: INDEX table: NAME]",
    ),
    "gsi that names no index": (
        "[table: t]\n[gsi: table: t]\n",
        "FILE: [gsi: table: t]: has no name; write a regular expression after the colon",
    ),
    "index after its table": (
        "[table:T gsi:^i$]\n",
        "FILE: [table:T gsi:^i$]: cannot match anything; for an index, write [gsi: ^i$ table: T]",
    ),
    "index after its table, with blanks": (
        "[table: ^t$]\n[table : ^t$ , gsi :  ^i$ ]\n",
        "FILE: [table : ^t$ , gsi :  ^i$]: cannot match anything; for an index, write [gsi: ^i$ table: ^t$]",
    ),
    "table that names nothing": (
        "[table:]\n[table: t]\n",
        "FILE: [table:]: has no name; write a regular expression after the colon",
    ),
    "duplicate section": ("[table: t]\n[table: t]\n", "FILE: [table: t]: appears twice in this file, first on line 1"),
    "duplicate global": (
        "[global]\n[table: t]\n[global]\n",
        "FILE: [global]: appears twice in this file, first on line 1",
    ),
    "duplicate DEFAULT": (
        "[DEFAULT]\n[table: t]\n[DEFAULT]\n",
        "FILE: [DEFAULT]: appears twice in this file, first on line 1",
    ),
    "duplicate with other blanks": (
        "[global]\n[ global ]\n[table: t]\n",
        "FILE: [global]: appears twice in this file, first on line 1",
    ),
    "duplicate table with other blanks": (
        "[table: t]\n[table:t]\n",
        "FILE: [table:t]: appears twice in this file, first on line 1",
    ),
    "duplicate index": (
        "[table: t]\n[gsi: i table: t]\n[gsi:i table:t]\n",
        "FILE: [gsi:i table:t]: appears twice in this file, first on line 2",
    ),
    "duplicate option": (
        "[table: t]\nreads-upper-threshold: 70\nreads-upper-threshold: 80\n",
        "FILE: [table: t] reads-upper-threshold: is set twice in this section, first on line 2",
    ),
    "duplicate option in other letters": (
        "[table: t]\nreads-upper-threshold: 70\nREADS-upper-threshold = 70\n",
        "FILE: [table: t] reads-upper-threshold: is set twice in this section, first on line 2",
    ),
    "both names of the secret": (
        f"[global]\naws-access-key-id: a\naws-secret-access-key: {KEY}\naws-secret-access-key-id: {KEY}\n[table: t]\n",
        "FILE: [global] aws-secret-access-key-id: is set twice in this section, "
        "first on line 3 as aws-secret-access-key",
    ),
    "syntax": (
        "[table: t]\nreads-upper-threshold 70\n",
        "FILE: is neither a [section], nor 'option: value', nor a comment",
    ),
    "no name": ("[table: t]\n: 70\n", "FILE: is neither a [section], nor 'option: value', nor a comment"),
    "no closing bracket": ("[table: t\n", "FILE: is the header of a section, but has no closing ]"),
    "no closing bracket, of an index": (
        "[table: t]\n[gsi: i table: t\n",
        "FILE: is the header of a section, but has no closing ]",
    ),
    "no closing bracket, of nothing known": (
        f"[table: t]\n[aws-secret-access-key: {KEY}\n",
        "FILE: is the header of a section, but has no closing ]",
    ),
    "no closing bracket but that of the expression": (
        "[table: ^[a-z]+$\n",
        "FILE: [table: ^[a-z]: the regular expression '^[a-z' does not compile: "
        "unterminated character set at position 1; does the header lack its closing ]?",
    ),
    "no closing bracket but that of an index's expression": (
        "[table: t]\n[gsi: ^[a-z]+$ table: t\n",
        "FILE: [gsi: ^[a-z]: names no table; write [gsi: INDEX table: NAME]; does the header lack its closing ]?",
    ),
    "a comment after an expression that does not compile": (
        "[table: (] # why\n",
        "FILE: [table: (]: the regular expression '(' does not compile: "
        "missing ), unterminated subpattern at position 0",
    ),
    "before the first section": (
        "region: x\n[table: t]\n",
        "FILE: this line comes before the first [section]; put it below one, such as [global]",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_bad_file(files: Files, name: str) -> None:
    text, expected = UNKNOWN[name]
    assert files.problems(text) == [expected]


def test_duplicates_hide_nothing_else(files: Files) -> None:
    text = (
        "[table: t]\n"
        "  reads-upper-threshold: 70\n"
        "  reads-upper-threshold: 80\n"
        "    and more\n"
        "  duplicate on line 3: x\n"
        "  colour: red\n"
        "[table: t]\n"
        "shape: round\n"
        "writes-upper-threshold: x\n"
        "[global]\n"
        "check-interval: soon\n"
        "check-interval: now\n"
    )
    assert files.problems(text) == [
        "FILE: [table: t] reads-upper-threshold: is set twice in this section, first on line 2",
        "FILE: [table: t] reads-upper-threshold: has a value of several lines; "
        "an indented line continues the one above it",
        "FILE: [table: t] duplicate ...: unknown option",
        "FILE: [table: t] colour: unknown option",
        "FILE: [table: t]: appears twice in this file, first on line 1",
        "FILE: [table: t] shape: unknown option",
        "FILE: [table: t] writes-upper-threshold: 'x' is not a number",
        "FILE: [global] check-interval: 'soon' is not a whole number of seconds",
        "FILE: [global] check-interval: is set twice in this section, first on line 11",
        "FILE: [global] check-interval: 'now' is not a whole number of seconds",
    ]


def test_every_syntax_error_is_told(files: Files) -> None:
    assert files.problems("[table: t]\nreads\n\nwrites\n") == [
        "FILE: is neither a [section], nor 'option: value', nor a comment",
        "FILE: is neither a [section], nor 'option: value', nor a comment",
    ]


def test_options_without_a_name(files: Files) -> None:
    assert (
        files.problems("[table: t]\n: 1\n= 2\n")
        == ["FILE: is neither a [section], nor 'option: value', nor a comment"] * 2
    )


def test_all_problems_of_flags_and_file_at_once(files: Files) -> None:
    text = (
        "[global]\ncheck-interval: soon\n[loging]\n[default_options]\nreads-upper-threshold: x\n"
        "[table: (]\nmin-provisioned-reads: 9\nmax-provisioned-reads: 8\n[gsi: i table: u]\ncolour: red\n"
    )
    flags = {"log_level": "loud", "instance": "a/b", "reads_upper_threshold": "y", "daemon": "begin"}
    assert sorted(files.problems(text, **flags)) == sorted(
        [
            "--daemon: 'begin' is not one of start, stop, restart, status, foreground, fg",
            "--instance: 'a/b' is not a name of letters, digits, '.', '_' and '-'",
            "--reads-upper-threshold: needs --table-name; configure the tables of a file in the file",
            "--log-level: 'loud' is not one of debug, info, warning, error",
            "--reads-upper-threshold: 'y' is not a number",
            "FILE: [global] check-interval: 'soon' is not a whole number of seconds",
            "FILE: [loging]: unknown section; did you mean [logging]?",
            "FILE: [default_options] reads-upper-threshold: 'x' is not a number",
            "FILE: [gsi: i table: u] colour: unknown option",
            "FILE: [table: (] min-provisioned-reads and max-provisioned-reads: the minimum 9 is above the maximum 8",
            "FILE: [table: (]: the regular expression '(' does not compile: "
            "missing ), unterminated subpattern at position 0",
            "FILE: [gsi: i table: u]: there is no section [table: u] (the name must be repeated exactly)",
        ]
    )


@pytest.mark.parametrize("option", [o for o in options.OPTIONS if o.flag and o.axis], ids=lambda option: option.name)
def test_a_table_flag_without_table_name(option: Option) -> None:
    assert flag_problems(**{option.name: _valid_text(option)}) == [
        f"--{option.name}: needs --table-name; configure the tables of a file in the file"
    ]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            {"table_name": "("},
            "--table-name: the regular expression '(' does not compile: "
            "missing ), unterminated subpattern at position 0",
        ),
        (
            {"table_name": "t", "daemon": "stat"},
            "--daemon: 'stat' is not one of start, stop, restart, status, foreground, fg; did you mean status?",
        ),
        (
            {"table_name": "t", "daemon": "strat"},
            "--daemon: 'strat' is not one of start, stop, restart, status, foreground, fg; did you mean start?",
        ),
        (
            {"table_name": "t", "daemon": "fore"},
            "--daemon: 'fore' is not one of start, stop, restart, status, foreground, fg; did you mean foreground?",
        ),
        ({"table_name": ""}, "--table-name: has no value; set one, or remove the option"),
        ({"table_name": "t", "check_interval": "0"}, "--check-interval: 0 is too small; the minimum is 1"),
        ({"table_name": "t", "endpoint_url": "x"}, "--endpoint-url: 'x' is not an http:// or https:// URL"),
        ({"table_name": "t", "config": "/no/such.conf"}, "/no/such.conf: cannot be read: No such file or directory"),
        ({"table_name": "t", "config": "/"}, "/: cannot be read: Is a directory"),
        ({"config": ""}, "--config: has no value; set one, or remove the option"),
    ],
)
def test_a_bad_flag(flags: dict[str, str], expected: str) -> None:
    assert flag_problems(**flags) == [expected]


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "..."])
def test_instance(name: str) -> None:
    assert loader.check_flags({"instance": name})["instance"] == name


@pytest.mark.parametrize("name", ["a b", "a/b", "\u00e4", "a\x07", "../a", "*"])
def test_a_bad_instance(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^--instance: .* is not a name of letters, digits"):
        loader.check_flags({"instance": name})


# The file itself


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(files: Files) -> None:
    files.path.write_text(T)
    files.path.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        loader.load({"config": str(files.path)})


@pytest.mark.parametrize(
    "content",
    [
        f"# Gr\u00fc\u00dfe\n{T}reads-upper-threshold: 70\n".encode(),
        f"# Gr\u00fc\u00dfe\n{T}reads-upper-threshold: 70\n".encode("latin-1"),
        f"\ufeff{T}reads-upper-threshold: 70\n".encode(),
        f"{T}reads-upper-threshold: 70\n".replace("\n", "\r\n").encode(),
        f"{T}reads-upper-threshold: 70\n".replace("\n", "\r").encode(),
        f"\ufeff\n\n{T}\nreads-upper-threshold:\n\t70".replace("\n", "\r\n").encode(),
        f"{T}reads-upper-threshold: 70".encode(),
    ],
    ids=["UTF-8", "Latin-1", "BOM", "CRLF", "CR", "all of it", "no line end"],
)
def test_encodings_and_line_ends(files: Files, content: bytes) -> None:
    assert files.tables(content)["t"]["reads_upper_threshold"] == 70


@pytest.mark.parametrize("content", [b"\0" * 100, bytes(range(256)), b"\x7fELF\x02\x01", b"\0", b""])
def test_a_file_that_is_no_text(files: Files, content: bytes) -> None:
    (problem,) = files.problems(content)
    assert re.fullmatch(r"FILE: (this line comes before the first \[section\]; .*|there is no .*)", problem)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [T, f"# Gr\u00fc\u00dfe\r\n{T}", "[g]\n"])
def test_utf_16(files: Files, encoding: str, text: str) -> None:
    assert files.problems(text.encode(encoding)) == ["FILE: cannot be read: it is encoded in UTF-16; save it as UTF-8"]


def test_control_characters_of_a_file_reach_no_terminal(files: Files) -> None:
    assert files.problems("[table: t]\n[x\x1b[2J\x7f]\n")[0].startswith(r"FILE: [x\x1b[2J\x7f]: unknown section")


def test_two_thousand_sections_load_fast(files: Files) -> None:
    held = [option for option in options.of_section("table") if option.default is not None and option.kind != "bool"][
        :20
    ]
    body = "".join(f"{option.name}: {_valid_text(option)}\n" for option in held)
    text = "".join(f"[table: ^t{number}$]\n{body}" for number in range(2000))
    begin = time.process_time()
    assert len(files.tables(text)) == 2000
    assert time.process_time() - begin < 3  # takes about 0.4; the bound only catches what grows with the square


BLANKS = " " * 90_000


@pytest.mark.parametrize(
    "text",
    [
        f"[table: a{BLANKS}b]\n",
        f"[table: a{',' * 90_000}b]\n",
        f"[table: a]\n[gsi: i{BLANKS}table: a]\n",
        f"[table: a{BLANKS}b]\n[gsi: i{BLANKS}table: a{BLANKS}b]\n",
        f"[table: a]\n[gsi: i{' table:' * 14_000}]\n",  # one that there is not
        f"[table: a]\n[gsi: i table: a]\n[schedule: s{BLANKS}gsi: i{BLANKS}table: a]\nwhen: daily 10:00-11:00\n"
        "min-provisioned-reads: 2\n",
        f"[table: a]{BLANKS}x\n",
    ],
    ids=["table", "commas", "gsi", "both", "tables", "schedule", "after"],
)
def test_long_headers_load_fast(files: Files, text: str) -> None:
    begin = time.process_time()
    with contextlib.suppress(ConfigError):
        files.load(text)
    assert time.process_time() - begin < 3  # takes 0.2 at most; what grows with the square takes 4 to 30


# What templates make of "not set"

EMPTY = "is empty, which means not set"
NOT_SET = {
    "nothing": ("reads-upper-threshold", "", EMPTY),
    "a pair of quotes": ("reads-upper-threshold", '""', EMPTY),
    "a comment": ("reads-upper-threshold", " ; later", EMPTY),
    "an empty minimum": ("min-provisioned-reads", "", EMPTY),
    "an empty maximum": (
        "max-provisioned-writes",
        "",
        f"{EMPTY}; unless another section sets a maximum, cost has no limit",
    ),
    "a topic": ("sns-topic-arn", "false", "false means not set"),
    "a topic in other letters": ("sns-topic-arn", "FALSE", "FALSE means not set"),
    "a minimum": ("min-provisioned-writes", "0", "0 means not set"),
    "an amount": ("increase-consumed-reads-with", "0", "0 means not set"),
    "another amount": ("decrease-consumed-writes-with", "00", "00 means not set"),
    "an empty scale": ("increase-consumed-reads-scale", "{ }", "{ } means not set"),
    "no scale": ("decrease-consumed-writes-scale", "None", "None means not set"),
    "an empty scale over lines": ("increase-consumed-reads-scale", "{\n  }", r"{\n} means not set"),
}


@pytest.mark.parametrize("header", ["[table: t]", "[gsi: i table: t]", "[default_options]", "[DEFAULT]"])
@pytest.mark.parametrize("name", NOT_SET)
def test_what_counts_as_not_set(files: Files, name: str, header: str) -> None:
    option, text, why = NOT_SET[name]
    sections = "".join(f"{one}\n" for one in ("[table: t]", "[gsi: i table: t]") if one != header)
    loaded = files.load(f"{header}\n{option}: {text}\n{sections}")
    assert [line.replace(str(files.path), "FILE") for line in loaded.warnings] == [f"FILE:2: {header} {option}: {why}"]
    bare = loader.load({"table-name": "t"}).config["tables"]["t"]
    table = loaded.config["tables"]["t"]
    assert {**table, "gsis": {}} == bare
    assert table["gsis"]["i"] == {key: value for key, value in bare.items() if key != "gsis"}


@pytest.mark.parametrize(
    ("section", "option"),
    [(section, option) for section in ("global", "logging", "table") for option in options.of_section(section)],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_option_may_be_empty(files: Files, section: str, option: Option) -> None:
    header = {"table": "[default_options]"}.get(section, f"[{section}]")
    loaded = files.load(f"{header}\n{option.name}:\n{T}")
    assert len(loaded.warnings) == 1
    bare = loader.load({"table-name": "t"}).config
    assert {**loaded.config, "tables": {}} == {**bare, "tables": {}}
    assert loaded.config["tables"] == bare["tables"]


def test_what_is_not_set_leaves_the_value_of_a_weaker_section(files: Files) -> None:
    text = "[default_options]\nreads-upper-threshold: 70\nmin-provisioned-reads: 5\n"
    table = files.tables(f"{text}{T}reads-upper-threshold:\nmin-provisioned-reads: 0\n")["t"]
    assert (table["reads_upper_threshold"], table["min_provisioned_reads"]) == (70, 5)


def test_an_amount_of_consumption_that_is_not_set_falls_back(files: Files) -> None:
    assert files.table("increase-reads-with: 7\nincrease-consumed-reads-with: 0\n")["increase_consumed_reads_with"] == 7


def test_what_is_not_set_twice_is_still_twice(files: Files) -> None:
    assert files.problems(f"{T}reads-upper-threshold:\nreads-upper-threshold: 70\n") == [
        "FILE: [table: t] reads-upper-threshold: is set twice in this section, first on line 2"
    ]


def test_empty_flags_count_as_not_set(files: Files) -> None:
    flags = {option.name.replace("-", "_"): "" for option in options.OPTIONS if option.flag and option.kind != "switch"}
    given = {name: text for name, text in flags.items() if options.COMMAND_LINE not in _BY_KEY[name].sections}
    loaded = files.load(f"[global]\ncheck-interval: 60\n{T}", **given)
    assert loaded.config["global"]["check_interval"] == 60
    assert len(loaded.warnings) == len(given) > 20
    assert loaded.warnings[0] == "--profile: is empty, which means not set"


_BY_KEY = {option.name.replace("-", "_"): option for option in options.OPTIONS}


@pytest.mark.parametrize("name", ["daemon", "instance", "pid_file_dir", "table_name", "config"])
def test_empty_flags_that_stay_errors(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.load({"table-name": "t", name.replace("_", "-"): ""})
    assert caught.value.problems == (f"--{name.replace('_', '-')}: has no value; set one, or remove the option",)


def test_of_a_doubled_threshold_the_last_counts(files: Files) -> None:
    text = f"{T}increase-consumed-reads-scale: {{70: 1, 0: 0, 70.0: 2, 0: 0}}\n"
    assert files.tables(text)["t"]["increase_consumed_reads_scale"] == ((0, 0), (70, 2))
    assert files.warnings(text) == [
        f"FILE: [table: t] increase-consumed-reads-scale: the scale has the threshold {threshold} twice; "
        "the last amount is used"
        for threshold in (70, 0)
    ]


# Amounts of 0 mean never

UP, DOWN = "enable_reads_up_scaling", "enable_reads_down_scaling"
NEVER = {
    "an increase": ("increase-reads-with: 0", {UP: False}, ["increase"]),
    "a decrease": ("decrease-reads-with: 0", {DOWN: False}, ["decrease"]),
    "both": ("increase-reads-with: 0\ndecrease-reads-with: 0", {UP: False, DOWN: False}, ["increase", "decrease"]),
    "in units": ("increase-reads-with: 0\nincrease-reads-unit: units", {UP: False}, ["increase"]),
    "with throttled events, which add the same": (
        "increase-reads-with: 0\nthrottled-reads-upper-threshold: 10",
        {UP: False},
        ["increase"],
    ),
    "with an amount for consumption": ("increase-reads-with: 0\nincrease-consumed-reads-with: 5", {UP: True}, []),
    "with a scale for consumption": (
        "increase-reads-with: 0\nincrease-consumed-reads-scale: {0: 0, 90: 50}",
        {UP: True},
        [],
    ),
    "with a scale of nothing": (
        "increase-reads-with: 0\nincrease-consumed-reads-scale: {90: 0}",
        {UP: False},
        ["increase"],
    ),
    "a scale of nothing alone": ("increase-consumed-reads-scale: {70: 0, 90: 0}", {UP: False}, ["increase scale"]),
    "a scale of nothing beside throttled events": (
        "increase-consumed-reads-scale: {90: 0}\nthrottled-reads-upper-threshold: 10",
        {UP: True},
        [],
    ),
    "a decrease by a scale of nothing": ("decrease-consumed-reads-scale: {50: 0}", {DOWN: False}, ["decrease scale"]),
    "a decrease by a scale of nothing, switched on": (
        "decrease-consumed-reads-scale: {50: 0}\nenable-reads-down-scaling: true",
        {DOWN: True},
        [],
    ),
    "with a scale for throttling": (
        "increase-reads-with: 0\nincrease-throttled-by-consumed-reads-scale: {0: 10}",
        {UP: True},
        [],
    ),
    "with a scale for throttling by provisioned": (
        "increase-reads-with: 0\nincrease-throttled-by-provisioned-reads-scale: {0: 10}",
        {UP: True},
        [],
    ),
    "of the writes": (
        "increase-reads-with: 0\nincrease-throttled-by-provisioned-writes-scale: {0: 10}",
        {UP: False},
        ["increase"],
    ),
    "a decrease with an amount for consumption": (
        "decrease-reads-with: 0\ndecrease-consumed-reads-with: 5",
        {DOWN: True},
        [],
    ),
    "a decrease with a scale": ("decrease-reads-with: 0\ndecrease-consumed-reads-scale: {30: 5}", {DOWN: True}, []),
    "switched on": ("increase-reads-with: 0\nenable-reads-up-scaling: true", {UP: True}, []),
    "switched off": ("increase-reads-with: 0\nenable-reads-up-scaling: false", {UP: False}, []),
}
SAID = {
    "increase scale": "FILE: [table: t] increase-consumed-reads-scale: 0 means never, "
    "as if enable-reads-up-scaling were false; min-provisioned-reads still holds",
    "decrease scale": "FILE: [table: t] decrease-consumed-reads-scale: 0 means never, "
    "as if enable-reads-down-scaling were false; max-provisioned-reads still holds",
    "increase": "FILE: [table: t] increase-reads-with: 0 means never, as if enable-reads-up-scaling were false; "
    "min-provisioned-reads still holds",
    "decrease": "FILE: [table: t] decrease-reads-with: 0 means never, as if enable-reads-down-scaling were false; "
    "max-provisioned-reads still holds",
}


@pytest.mark.parametrize("name", NEVER)
def test_an_amount_of_0_means_never(files: Files, name: str) -> None:
    text, switches, said = NEVER[name]
    loaded = files.load(f"{T}{text}\n")
    table = loader.show(loaded.config)["tables"]["t"]
    assert {key: table[key] for key in switches} == switches
    assert files.warnings(f"{T}{text}\n") == [SAID[one] for one in said]


def test_target_tracking_has_no_amounts(files: Files) -> None:
    text = f"[default_options]\nincrease-reads-with: 0\nscaling-policy: target-tracking\n{T}"
    assert files.warnings(text) == []
    assert loader.show(files.load(text).config)["tables"]["t"][UP] is True


def test_an_amount_of_0_in_the_defaults_is_said_once(files: Files) -> None:
    text = (
        f"[default_options]\nincrease-reads-with: 0\n{T}"
        "[table: u]\nincrease-consumed-reads-with: 5\n[gsi: i table: t]\n"
    )
    assert files.warnings(text) == [SAID["increase"].replace("[table: t]", "[default_options]")]
    tables = loader.show(files.load(text).config)["tables"]
    assert (tables["t"][UP], tables["t"]["gsis"]["i"][UP], tables["u"][UP]) == (False, False, True)


# Each problem and warning has its line

PAIR = "aws-access-key-id: a\naws-secret-access-key-id: s\n"
LINES = {
    "a value": ("\n[table: t]\n\n# why\nreads-upper-threshold: x\n", ["5: [table: t] reads-upper-threshold"]),
    "the first line of a value": (f"{T}maintenance-windows: 01:00-02:00,\n  8-9\n", ["2: [table: t] maintenance"]),
    "below a value of several lines": (
        f"{T}maintenance-windows:\n  01:00-02:00,\n\n  # more\n  03:00-04:00\ncolour: red\n",
        ["7: [table: t] colour"],
    ),
    "carriage returns": ("[table: t]\r\n\r\ncolour: red\r\n", ["3: [table: t] colour"]),
    "of two options the later": (
        f"{T}max-provisioned-reads: 1\n\nmin-provisioned-reads: 2\n",
        ["4: [table: t] min-provisioned-reads and max-provisioned-reads"],
    ),
    "of two options the only one": (f"{T}\nlookback-window-start: 4\n", ["3: [table: t] lookback-period and"]),
    "of two options the one of the section": (
        f"{T}min-provisioned-reads: 2\n[default_options]\nmax-provisioned-reads: 1\n",
        ["2: [table: t] min-provisioned-reads and"],
    ),
    "of two options those of the defaults": (
        f"[default_options]\nmin-provisioned-reads: 2\nmax-provisioned-reads: 1\n{T}[table: u]\n",
        ["3: [default_options] min-provisioned-reads and"],
    ),
    "a doubled option": (f"{T}lookback-period: 5\nlookback-period: 5\n", ["3: [table: t] lookback-period: is set"]),
    "an option doubled twice": (
        f"{T}lookback-period: 5\nlookback-period: 5\nlookback-period: x\n",
        [
            "3: [table: t] lookback-period: is set twice in this section, first on line 2",
            "4: [table: t] lookback-period: is set twice in this section, first on line 2",
            "4: [table: t] lookback-period: 'x' is not",
        ],
    ),
    "an option of DEFAULT": (f"[DEFAULT]\nregio: x\n{T}", ["2: [DEFAULT] regio"]),
    "an option that nothing ever read": (f"{T}\ndisable-reads-up-scaling: true\n", ["3: [table: t] disable"]),
    "a doubled section": (f"{T}\n\n{T}", ["4: [table: t]: appears twice in this file, first on line 1"]),
    "in a doubled section": (f"{T}{T}colour: red\n", ["2: [table: t]: appears twice", "3: [table: t] colour"]),
    "an unknown section": (f"{T}\n[tabel: t]\n", ["3: [tabel: t]: unknown"]),
    "an index without its table": (f"{T}[gsi: i table: u]\n", ["2: [gsi: i table: u]: there is no"]),
    "an expression": (f"{T}[table: (]\n", ["2: [table: (]: the regular"]),
    "a header": (f"{T}\n[table: u\nreads-upper-threshold: x\n", ["3: is the header", "4: [table: u] reads-upper"]),
    "syntax": (f"{T}reads-upper-threshold 80\n\nwrites\n", ["2: is neither", "4: is neither"]),
    "no section": ("\nregion: eu-west-1\n", ["2: this line comes before"]),
    "half a pair": (f"[global]\n\naws-access-key-id: a\n{T}", ["3: [global] aws-access-key-id: is half"]),
    "the whole file": ("[global]\n", [" there is no [table: NAME]"]),
    "in the order of the file": (
        "[gsi: i table: u]\nlookback-window-start: 4\n[table: (]\ncolour: red\n[loging]\n[global]\nregio: x\n",
        ["1: [gsi", "2: [gsi", "3: [table", "4: [table", "5: [loging]", "7: [global]"],
    ),
    "warning: a threshold": (f"{T}\nreads-lower-threshold: 95\n", ["3: [table: t] reads-lower-threshold and"]),
    "warning: a quota": (f"{T}\nmax-provisioned-reads: 50000\n", ["3: [table: t] max-provisioned-reads"]),
    "warning: a topic": (f"{T}sns-topic-arn: arn:aws:sns:r:1:t\n", ["2: [table: t] sns-topic-arn"]),
    "warning: message types": (
        f"{T}sns-message-types: x\nsns-topic-arn: arn:aws:sns:r:1:t\n",
        ["2: [table: t] sns-message-types: 'x'", "3: [table: t] sns-topic-arn: nothing is sent"],
    ),
    "warning: a profile": (f"[global]\nprofile: p\n{PAIR}{T}", ["2: [global] profile: the static"]),
}


@pytest.mark.parametrize("name", LINES)
def test_each_problem_and_warning_has_its_line(files: Files, name: str) -> None:
    text, expected = LINES[name]
    files.path.write_text(text, newline="")
    try:
        found = list(loader.load({"config": str(files.path)}).warnings)
    except ConfigError as error:
        found = list(error.problems)
    assert len(found) == len(expected)
    for line, begin in zip(found, expected, strict=True):
        assert line.startswith(f"{files.path}:{begin}")


def test_the_line_of_a_secret_that_others_can_read(files: Files) -> None:
    files.path.chmod(0o644)
    files.path.write_text(f"[global]\naws-access-key-id: a\n\naws-secret-access-key-id: s\n{T}")
    (warning,) = loader.load({"config": str(files.path)}).warnings
    assert warning.startswith(f"{files.path}:4: [global] aws-secret-access-key-id: holds a secret")


@pytest.mark.parametrize("line", ["lookback-period: 5\n", "[table: t]\n", "colour: red\n", "[colour]\n"])
def test_a_file_of_doubled_lines_is_read_once(files: Files, line: str) -> None:
    number = 500_000 // len(line)
    begin = time.process_time()
    assert len(files.problems(T + line * number)) >= number - 1
    assert time.process_time() - begin < 6  # takes about 1; read again for each, minutes


# 1.7 Files of the original's releases


def test_a_file_as_release_1_6_0_had_it(files: Files) -> None:
    text = """
[global]
# AWS access keys
aws-access-key-id: AKID
aws-secret-access-key-id: KEY
region: us-east-1
check-interval: 300
circuit-breaker-url: http://my.service.com/v1/is_up
circuit-breaker-timeout: 500

[logging]
log-level: INFO
log-file: /var/log/dynamic-dynamodb.log

[table: ^my_table$]
# Read provisioning configuration
reads-upper-threshold: 90
reads-lower-threshold: 30
increase-reads-with: 50
decrease-reads-with: 50
increase-reads-unit: percent
decrease-reads-unit: percent
min-provisioned-reads: 1
max-provisioned-reads: 500
writes-upper-threshold: 90
min-provisioned-writes: 1
max-provisioned-writes: 500
maintenance-windows: 22:00-23:59,00:00-06:00
allow-scaling-down-reads-on-0-percent: true
always-decrease-rw-together: true

[gsi: ^my_gsi$ table: ^my_table$]
reads-upper-threshold: 85
min-provisioned-reads: 1
"""
    loaded = files.load(text)
    assert loaded.warnings == ()
    assert loaded.config["global"]["aws_secret_access_key"].startswith("KEY")
    table = loaded.config["tables"]["^my_table$"]
    assert (table["circuit_breaker_timeout"], table["allow_scaling_down_reads_on_0_percent"]) == (500, True)
    assert table["gsis"]["^my_gsi$"]["reads_upper_threshold"] == 85


# What the original passed over counts here: rows of section 9


def test_the_secret_without_id_counts_and_says_so(files: Files) -> None:
    text = f"[global]\naws-access-key-id: a\naws-secret-access-key: {KEY}\n{T}"
    assert files.load(text).config["global"]["aws_secret_access_key"] == KEY
    assert files.warnings(text) == [
        "FILE: [global] aws-secret-access-key: is used, although the original ignored this spelling"
    ]
    assert files.warnings(text.replace("key:", "key-id:")) == []


def test_spellings_that_the_original_passed_over_count(files: Files) -> None:
    table = files.tables(
        "[table: y ]\nReads-Upper-Threshold: 70\nmaintenance-windows: 22:00 - 06:00\n"
        "[gsi:x table:y]\nwrites-upper-threshold: 71\n[gsi:  z  table:  y ]\nwrites-upper-threshold: 72\n"
    )["y"]
    assert (table["reads_upper_threshold"], table["maintenance_windows"]) == (70, "22:00 - 06:00")
    assert {index: gsi["writes_upper_threshold"] for index, gsi in table["gsis"].items()} == {"x": 71, "z": 72}


@pytest.mark.parametrize("axis", ["reads", "writes"])
def test_decrease_consumed_options_are_those_of_an_index_too(files: Files, axis: Any) -> None:
    text = f"decrease-consumed-{axis}-unit: units\ndecrease-consumed-{axis}-with: 7\n"
    scale = f"decrease-consumed-{axis}-scale: {{10: 3}}\n"
    index = files.tables(f"{T}[gsi: i table: t]\n{text}{scale}")["t"]["gsis"]["i"]
    policy = sections.policy(index, axis)
    assert (policy.decrease_consumed_unit, policy.decrease_consumed_with) == ("units", 7)
    assert policy.decrease_consumed_scale == ((Fraction(10), Fraction(3)),)


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        ("[table: t]\n", 10000),
        ("circuit-breaker-timeout: 1\n[table: t]\n", 1),
        ("circuit-breaker-timeout: 1\n[default_options]\ncircuit-breaker-timeout: 2\n[table: t]\n", 2),
        ("circuit-breaker-timeout: 1\n[table: t]\ncircuit-breaker-timeout: 3\n", 3),
    ],
)
@pytest.mark.parametrize("own", ["", "circuit-breaker-url: http://own/\n"])
def test_the_timeout_of_a_breaker_is_that_of_the_nearest_section(
    files: Files, timeouts: str, expected: int, own: str
) -> None:
    table = files.tables(f"[global]\ncircuit-breaker-url: http://global/\n{timeouts}{own}")["t"]
    assert table["circuit_breaker_timeout"] == expected
    assert table["circuit_breaker_url"] == ("http://own/" if own else "http://global/")


# 1.8 --show-config


def test_show_config(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.conf").touch(0o600)
    (tmp_path / "a.conf").write_text(
        "[global]\nregion: eu-west-1\naws-access-key-id: AKID\naws-secret-access-key-id: " + KEY + "\n"
        "circuit-breaker-url: http://me:hunter2@h/\n[logging]\nlog-level: DEBUG\n"
        "[table: ^t]\nreads-upper-threshold: 87.5\nincrease-reads-with: 70\n"
        "increase-consumed-writes-scale: {0: 0, 70.5: 30, 90: 50.25}\nalways-decrease-rw-together: yes\n"
        "maintenance-windows: 22:00 - 06:00\n"
        "sns-topic-arn: arn:aws:sns:r:1:t\nsns-message-types: scale-down, scale-up\n"
        "[gsi: ^i table: ^t]\ncircuit-breaker-timeout: 1.5\n"
    )
    done = run("--config", "a.conf", "--show-config", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert KEY not in done.stdout
    assert "hunter2" not in done.stdout
    printed = json.loads(done.stdout)
    assert list(printed) == ["global", "logging", "tables"]
    assert printed["global"] == {
        "profile": None,
        "endpoint_url": None,
        "region": "eu-west-1",
        "aws_access_key_id": "AKID",
        "aws_secret_access_key": "********",
        "check_interval": 300,
        "refresh_interval": 300,
        "state_file": None,
        "failures_before_notification": 3,
        "metrics_port": None,
        "metrics_address": "127.0.0.1",
        "metrics_file": None,
        "metrics_prices": None,
        "circuit_breaker_url": "http://me:***@h/",
        "circuit_breaker_timeout": 10000,
    }
    assert printed["logging"] == {
        "log_level": "debug",
        "log_file": None,
        "log_backup_count": 5,
        "log_format": "text",
        "log_config_file": None,
    }
    table = printed["tables"]["^t"]
    assert list(table) == [*(option.key for option in options.of_section("table")), "schedules", "gsis"]
    expected = {
        "reads_upper_threshold": 87.5,
        "writes_upper_threshold": 90,
        "increase_reads_with": 70,
        "increase_consumed_reads_with": 70,
        "increase_consumed_reads_unit": "percent",
        "increase_consumed_writes_scale": {"0": 0, "70.5": 30, "90": 50.25},
        "increase_consumed_reads_scale": None,
        "always_decrease_rw_together": True,
        "enable_reads_up_scaling": True,
        "min_provisioned_reads": None,
        "maintenance_windows": "22:00 - 06:00",
        "sns_message_types": ["scale-down", "scale-up"],
        "circuit_breaker_url": "http://me:***@h/",
        "circuit_breaker_timeout": 10000,
    }
    assert {key: table[key] for key in expected} == expected
    index = table["gsis"]["^i"]
    assert (index["circuit_breaker_timeout"], index["reads_upper_threshold"]) == (1.5, 90)
    assert list(index) == [*(option.key for option in options.of_section("gsi")), "schedules"]


def test_defaults_that_fall_back_to_another_option_are_resolved(files: Files) -> None:
    table = files.table(
        "increase-reads-unit: units\ndecrease-reads-unit: units\nincrease-reads-with: 3\ndecrease-reads-with: 4\n"
        "increase-throttled-by-consumed-reads-unit: percent\n"
    )
    expected = {
        "increase_consumed_reads_unit": "units",
        "increase_consumed_reads_with": 3,
        "increase_throttled_by_provisioned_reads_unit": "units",
        "increase_throttled_by_consumed_reads_unit": "percent",
        "decrease_consumed_reads_unit": "units",
        "decrease_consumed_reads_with": 4,
        "increase_consumed_writes_unit": "percent",
        "increase_consumed_writes_with": 50,
    }
    assert {key: table[key] for key in expected} == expected


def test_an_option_of_the_defaults_outranks_one_it_falls_back_to(files: Files) -> None:
    text = "[default_options]\nincrease-consumed-reads-with: 5\n[table: t]\nincrease-reads-with: 7\n"
    assert files.tables(text)["t"]["increase_consumed_reads_with"] == 5


SECRETS_IN_ERRORS = {
    "bad URL": f"[global]\ncircuit-breaker-url: htp://user:{KEY}@host/\n",
    "bad URL with a bad port": f"[global]\nendpoint-url: http://user:{KEY}@host:port/\n",
    "URL without a scheme": f"[default_options]\ncircuit-breaker-url: user:{KEY}@host\n",
    "no colon": f"[global]\naws-secret-access-key-id {KEY}\n",
    "no colon, and an equals sign at its end": f"[global]\naws-secret-access-key-id {KEY}=\n",
    "twice": f"[global]\naws-secret-access-key-id: {KEY}\naws-secret-access-key-id: {KEY}\n",
    "twice without colon": f"[global]\naws-secret {KEY}=\naws-secret {KEY}=\n",
    "by both names": f"[global]\naws-secret-access-key: {KEY}\naws-secret-access-key-id: {KEY}\n",
    "mistyped": f"[global]\naws-secret-acess-key: {KEY}\n",
    "in another section": f"[logging]\naws-secret-access-key: {KEY}\n",
    "half a pair": f"[global]\naws-secret-access-key: {KEY}\n",
    "before the first section": f"aws-secret-access-key: {KEY}\n",
    "indented": f"[global]\naws-access-key-id: a\n  aws-secret-access-key: {KEY}\n",
    "indented below a number": f"[global]\ncheck-interval: 300\n  aws-secret-access-key: {KEY}\n",
    "indented below a choice": f"[logging]\nlog-level: info\n  aws-secret-access-key: {KEY}\n",
}


@pytest.mark.parametrize("name", SECRETS_IN_ERRORS)
def test_no_message_repeats_a_secret(files: Files, name: str) -> None:
    lines = "\n".join(files.problems(SECRETS_IN_ERRORS[name] + T))
    assert KEY.lower() not in lines.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--aws-secret-acess-key", KEY),
        (f"--aws-secret-acess-key={KEY}",),
        (f"--aws={KEY}",),
        ("--aws-secret-access-key", KEY),
        ("--aws-secret-access-key", KEY, "--table-name", "t", "--check-interval", "x"),
        ("--table-name", "t", "--endpoint-url", f"http://u:{KEY}@h:p/"),
    ],
)
def test_no_message_about_flags_repeats_a_secret(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert KEY not in done.stderr


# At the edge that users have


def test_errors_are_one_line_each_and_the_exit_code_is_2(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.conf").write_text("[global]\ncheck-interval: soon\n[table: (]\ncolour: red\n")
    done = run("--config", "a.conf", "--show-config", "--log-level", "loud", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "dynamic-dynamodb: error: --log-level: 'loud' is not one of debug, info, warning, error",
        "dynamic-dynamodb: error: a.conf:2: [global] check-interval: 'soon' is not a whole number of seconds",
        "dynamic-dynamodb: error: a.conf:3: [table: (]: the regular expression '(' does not compile: "
        "missing ), unterminated subpattern at position 0",
        "dynamic-dynamodb: error: a.conf:4: [table: (] colour: unknown option",
    ]


def test_warnings_go_to_stderr_and_leave_the_json_alone(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.conf").write_text(T + "disable-reads-up-scaling: true\n")
    done = run("--config", "a.conf", "--show-config", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["tables"]["t"]["enable_reads_up_scaling"] is True
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "dynamic-dynamodb: warning: a.conf:2: [table: t] disable-reads-up-scaling: no release has ever"
    )


def test_bad_configuration_is_told_before_anything_else_happens(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.conf").write_text(f"[logging]\nlog-file: {tmp_path}/log\n{T}reads-upper-threshold: x\n")
    done = run("--config", "a.conf", "--run-once", "--endpoint-url", "http://127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("path", ["missing.conf", ".", "a.conf/b"])
def test_a_file_that_cannot_be_read(tmp_path: Path, run: Run, path: str) -> None:
    (tmp_path / "a.conf").write_text(T)
    done = run("--config", path, "--show-config", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"dynamic-dynamodb: error: {re.escape(path)}: cannot be read: [\w ]+\n", done.stderr)


# Exactness


@trials(test=100, soak=1000)
@given(st.decimals(0, 1_000_000, allow_nan=False, places=9))
def test_exact_decimals_survive(files: Files, number: Decimal) -> None:
    table = files.table(
        f"reads-upper-threshold: {number:f}\nreads-lower-threshold: 0\n"
        f"increase-consumed-writes-scale: {{0: {number:f}}}\n"
    )
    assert table["reads_upper_threshold"] == Fraction(number)
    if len(number.as_tuple().digits) <= 15:  # a scale is a Python literal, with Python's floats
        assert table["increase_consumed_writes_scale"] == ((0, Fraction(number)),)
