"""The command line: flags in, exit code out.

`--help` and `--version` are answered here, before anything slow is imported.
Everything else is in commands.py.
"""

import argparse
import os
import re
import sys

from dynamic_dynamodb import __version__
from dynamic_dynamodb.configuration import options
from dynamic_dynamodb.output.terminal import PROGRAM, tell

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

FAILED, MISUSED, INTERRUPTED = 1, 2, 130  # exit codes

_USAGE = f"""\
{PROGRAM} --table-name NAME [options]
       {PROGRAM} --config FILE [options]
"""
_EXAMPLES = f"""\
examples:
  {PROGRAM} --table-name '^my-table$' --dry-run --run-once
      show what one check would do
  {PROGRAM} --config dynamic-dynamodb.conf
      scale the tables in a file
"""


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run the program and return its exit code. Raises SystemExit for --help and for misused flags."""
    _open_missing_streams()
    try:
        try:
            return _main(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()  # now, while a full disk can still be reported, not when Python ends
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has closed it
        _discard_output()
        return 0
    except OSError as error:
        # Code that opens files handles their errors. What arrives here is a full disk.
        _discard_output()
        tell(_reason(error), "error")
        return FAILED


def _reason(error: OSError) -> str:
    try:
        os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    except OSError:
        return "the current folder no longer exists; change to another one and try again"
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _open_missing_streams() -> None:
    """Open /dev/null for a stream that the caller has closed (`2>&-`): the next opened file would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - for the life of the program


def _discard_output() -> None:
    """Redirect stdout to /dev/null, so that Python does not try to write the rest, and complain, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _main(argv: "Sequence[str]") -> int:
    flags, files, unknown = _parse(argv)
    if flags.get("version"):
        sys.stdout.write(f"Dynamic DynamoDB version: {__version__}\n")
        return 0
    if not argv:
        sys.stderr.write(f"usage: {_USAGE}       {PROGRAM} --help\n\n{_EXAMPLES}\n")
    from dynamic_dynamodb import commands  # noqa: PLC0415 - slow, and not for --help and --version

    return commands.run(flags, unknown, files)


# Flags


class _Parser(argparse.ArgumentParser):
    def print_help(self, file: "Any" = None) -> None:
        # The one of argparse ignores a full disk.
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> "NoReturn":
        tell(_reworded(message), "error")
        sys.exit(MISUSED)


def parser() -> argparse.ArgumentParser:
    """The parser of all declared flags. It neither checks nor converts values: the loader does, for flags and file."""
    made = _Parser(
        prog=PROGRAM,
        usage=_USAGE.rstrip(),
        description="Scales the provisioned throughput of DynamoDB tables and their global secondary indexes "
        "up and down, according to the consumption and throttling that CloudWatch reports.",
        epilog=_EXAMPLES,
        formatter_class=_Formatter,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    groups = {title: made.add_argument_group(title) for title in options.GROUPS}
    groups[options.GENERAL_GROUP].add_argument("-h", "--help", action="help", help="Show this help and exit.")
    for option in options.OPTIONS:
        if option.flag is not None and option.group is not None:
            _add_flag(groups[option.group], option)
    return made


def _reworded(message: str) -> str:
    """An error message of argparse in our words; other messages are kept."""
    if found := re.fullmatch(r"argument (?:-\w/)?(--\S+): expected one argument", message):
        option = next(option for option in options.OPTIONS if option.flag == found[1])
        return f"{found[1]}: has no value; write {found[1]} {_metavar(option)}"
    if found := re.fullmatch(r"argument (?:-\w/)?(--\S+): ignored explicit argument .*", message, re.DOTALL):
        return f"{found[1]}: takes no value"
    # A --flag=value is quoted whole, and the value may be a secret.
    if found := re.fullmatch(r"ambiguous option: (--[\w-]+)(?:=.*)? could match (.*)", message, re.DOTALL):
        return f"{found[1]}: is ambiguous; write one of {found[2]}"
    return f"{message.partition('=')[0]}; {PROGRAM} --help lists the flags"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Wraps texts, but keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _add_flag(group: "Any", option: options.Option) -> None:
    names = [option.short, option.flag] if option.short else [option.flag]
    help_text = _help(option).replace("%", "%%")
    if option.kind == "switch":
        group.add_argument(*names, dest=option.name, action="store_true", help=help_text)
        return
    more: dict[str, Any] = {"nargs": "?", "const": option.alone} if option.alone else {}
    if option.name == "config":  # --simulate takes several
        more = {"action": "append"}
    group.add_argument(*names, dest=option.name, metavar=_metavar(option), help=help_text, **more)


def _metavar(option: options.Option) -> str:
    if option.name == "simulate":
        return "SOURCE"
    if option.kind == "choice":
        return "{" + ",".join(option.choices) + "}"
    return {"%": "PERCENT", "events": "EVENTS", "seconds": "SECONDS", "days": "DAYS"}.get(option.unit) or {
        "int": "N",
        "number or off": "MINUTES",
        "path": "PATH",
        "regex": "NAME",
        "url": "URL",
        "secret": "SECRET",
    }.get(option.kind, option.name.rsplit("-", 1)[-1].upper())


def _help(option: options.Option) -> str:
    if option.default is None or option.kind == "switch":
        return option.help
    return f"{option.help} [{option.default}]"


def _parse(argv: "Sequence[str]") -> "tuple[dict[str, str | bool], list[str], list[str]]":
    """The given flags by option name, all files of --config, and the unknown words."""
    namespace, unknown = parser().parse_known_args(argv)
    flags = vars(namespace)
    files = flags.pop("config", [])
    return {**flags, "config": files[-1]} if files else flags, files, unknown
