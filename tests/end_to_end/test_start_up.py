"""How the program starts: what it imports, what it says without doing anything, and flags that it does not know."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ACCOUNT, SCRIPT, Run, environment

from dynamic_dynamodb import __version__, cli
from dynamic_dynamodb.configuration import options

SLOW = {"boto3", "botocore", "logging", "configparser", "dataclasses"}


def imported(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> set[str]:
    """The modules in memory when the program has done what these arguments say."""
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: sys.stderr.write('\\nmodules: ' + ' '.join(sys.modules)))\n"
        "from dynamic_dynamodb.cli import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, *arguments],
        env=environment(**(env or {})),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rsplit("modules: ", 1)[1].split())


# What is imported


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("--version",), ("--version", "--table-name", "t")])
def test_help_and_version_import_nothing_slow(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    modules = imported(*arguments, cwd=tmp_path)
    assert "dynamic_dynamodb.configuration.options" in modules
    assert modules & SLOW == set()


@pytest.mark.parametrize("env", [{"AWS_REGION": "eu-west-1"}, {"AWS_DEFAULT_REGION": "eu-west-1"}, {}])
def test_show_config_imports_no_boto3_when_the_region_is_known(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "a.conf").write_text(f"[global]\n{'' if env else 'region: eu-west-1'}\n[table: t]\n")
    modules = imported("--config", "a.conf", "--show-config", cwd=tmp_path, env=env)
    assert "dynamic_dynamodb.configuration.loader" in modules
    assert modules & {"boto3", "botocore"} == set()


# --version, --help


def test_version(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Dynamic DynamoDB version: {__version__}\n", "")
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_version_stands_in_the_package_as_a_literal() -> None:
    text = (Path(cli.__file__).parent / "__init__.py").read_text()
    assert f'__version__ = "{__version__}"' in text


def test_help(run: Run) -> None:
    done = run("--help", env={"COLUMNS": "100"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: dynamic-dynamodb --table-name NAME [options]\n")
    assert "%%" not in done.stdout
    for option in options.OPTIONS:
        assert option.flag is None or f"{option.flag}" in done.stdout


def test_help_does_not_read_the_configuration(run: Run) -> None:
    assert run("--help", "--config", "/no/such.conf").returncode == 0
    assert run("--config", "/no/such.conf", "--version").returncode == 0


def test_python_m(run: Run, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dynamic_dynamodb", "--version"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, run("--version").stdout)


# Wrong flags


def test_without_arguments_a_short_usage(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "usage: dynamic-dynamodb --table-name NAME [options]"
    assert "       dynamic-dynamodb --help" in lines
    assert "  dynamic-dynamodb --table-name '^my-table$' --dry-run --run-once" in lines
    assert "  dynamic-dynamodb --config dynamic-dynamodb.conf" in lines
    assert lines[-1].startswith("dynamic-dynamodb: error: nothing to scale: give --table-name NAME, or --config FILE")
    assert len(lines) <= 11


def test_the_examples_of_the_usage_are_understood(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dynamic-dynamodb.conf").write_text("[table: t]\n")
    examples = re.findall(r"^  dynamic-dynamodb (.*)$", run().stderr, re.M)
    assert len(examples) == 2
    for example in examples:
        done = run(*shlex.split(example), "--show-config", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--tabel-name", "t"), ["--tabel-name: unknown flag; did you mean --table-name?"]),
        (
            ("--reads-uper-threshold=9", "-t", "t"),
            ["--reads-uper-threshold: unknown flag; did you mean --reads-upper-threshold?"],
        ),
        (("--chek", "3", "-t", "t"), ["--chek: unknown flag; did you mean --check-interval?"]),
        (("--Dry-Run", "-t", "t"), ["--Dry-Run: unknown flag; did you mean --dry-run?"]),
        (("--colour", "-t", "t"), ["--colour: unknown flag; --help lists them"]),
        (("-x", "-t", "t"), ["-x: unknown flag; --help lists them"]),
        (
            ("--maintenance-windows", "22:00-06:00", "-t", "t"),
            ["--maintenance-windows: not a flag, but an option of the file; write maintenance-windows: VALUE there"],
        ),
        (("my-table",), ["'my-table': unexpected; name a table with --table-name, a file with --config"]),
        (
            ("-t", "t", "--log-level", "inf"),
            ["--log-level: 'inf' is not one of debug, info, warning, error; did you mean info?"],
        ),
        (
            ("-t", "t", "--increase-reads-unit", "percnt"),
            ["--increase-reads-unit: 'percnt' is not one of percent, units; did you mean percent?"],
        ),
        (
            ("--tabel-name", "t", "--chek", "3", "--log-level", "loud"),
            [
                "--tabel-name: unknown flag; did you mean --table-name?",
                "--chek: unknown flag; did you mean --check-interval?",
                "--log-level: 'loud' is not one of debug, info, warning, error",
            ],
        ),
        (
            ("-t", "t", "--reads-upper-threshold", "90%", "--increase-reads-with", "50 %"),
            [
                "--reads-upper-threshold: '90%' is not a number; leave the % out",
                "--increase-reads-with: '50 %' is not a whole number; leave the % out",
            ],
        ),
        (("-t", "t", "--check-interval"), ["--check-interval: has no value; write --check-interval SECONDS"]),
        (("-t", "--run-once"), ["--table-name: has no value; write --table-name NAME"]),
        (("-t", "t", "--reads-up"), ["--reads-upper-threshold: has no value; write --reads-upper-threshold PERCENT"]),
        (
            ("--daemon",),
            ["--daemon: has no value; write --daemon {start,stop,restart,status,foreground,fg}"],
        ),
        (("-t", "t", "--dry-run=s3cret\nword"), ["--dry-run: takes no value"]),
        (
            ("-t", "t", "--reads", "5"),
            [
                "--reads: is ambiguous; write one of --reads-upper-threshold, --reads-lower-threshold, "
                "--reads-scaling-policy, --reads-burst-credit, --reads-throttled-minutes-per-day"
            ],
        ),
        (
            ("-t", "t", "--aws=s3 could match cret"),
            ["--aws: is ambiguous; write one of --aws-access-key-id, --aws-secret-access-key"],
        ),
    ],
)
def test_a_wrong_flag(run: Run, arguments: tuple[str, ...], expected: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"dynamic-dynamodb: error: {line}" for line in expected]


def test_flags_may_be_shortened(run: Run) -> None:
    done = run("--table", "t", "--reads-up", "70", "--check-int=60", "--log-l", "DEBUG", "--show-c")
    assert done.returncode == 0
    assert '"reads_upper_threshold": 70' in done.stdout
    assert '"check_interval": 60' in done.stdout
    assert '"log_level": "debug"' in done.stdout


def test_short_flags(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("[table: t]\n")
    done = run("-c", "a.conf", "-r", "eu-west-1", "--show-config", cwd=tmp_path)
    assert '"region": "eu-west-1"' in done.stdout
    assert '"t": {' in run("-t", "t", "--show-config").stdout


# A reader that has seen enough


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("--show-config", "--table-name", "t")])
def test_a_closed_pipe_gives_no_traceback(arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [str(SCRIPT), *arguments],
        env=environment(**ACCOUNT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    process.stdout.close()  # before the program has begun to write
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
