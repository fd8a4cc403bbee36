"""THE table of options: each is declared here once.

Flags, INI keys, defaults, types, checks, `--help`, example-config.conf and the
reference in the docs derive from it. An option that speaks of an axis is
written once, with `{reads}` (or `{read}`) in its name, and expands to reads
and writes.

`--help` and `--version` import this module, so it holds plain classes and
imports nothing: dataclasses alone cost as much time as starting Python.
"""

# Where an option may stand in a file. [default_options] serves tables and indexes.
COMMAND_LINE = "command line"
GLOBAL = "global"
LOGGING = "logging"
TABLE = "table"
GSI = "gsi"
RESOURCE = (TABLE, GSI)

# The groups of --help, in their order there.
GENERAL_GROUP = "general options"
DAEMON_GROUP = "daemon options"
DYNAMODB_GROUP = "DynamoDB options"
READS_GROUP = "read units"
WRITES_GROUP = "write units"
GROUPS = (GENERAL_GROUP, DAEMON_GROUP, DYNAMODB_GROUP, READS_GROUP, WRITES_GROUP)

MESSAGE_TYPES = ("scale-up", "scale-down", "high-throughput-alarm", "low-throughput-alarm")

# No number in a configuration is sensibly larger (a year has 31,536,000
# seconds, the largest account quota is far smaller), and a bound keeps
# arithmetic on dates and time-outs from overflowing.
LARGEST = 1_000_000_000


class Option:
    """One option.

    `kind` names the type: "switch", "str", "path", "regex", "url", "secret",
    "choice", "int", "float", "bool", "scale", "windows", "arn" or "list"; `unit` says
    what a number counts. `default` is the value as JSON shows it; an option
    with a `fallback` takes the effective value of the option of that name
    where it is not set. `minimum` and `maximum` are included in the range.
    `flag` is the flag on the command line, or None where only a file can set
    the option. `axis` is "reads" or "writes" and `field` the name of the
    [Policy][dynamic_dynamodb.decisions.model.Policy] field, for options that speak of an axis.
    `example` is a value other than the default, or, for an option of the
    command line alone, the words after the program's name.
    """

    __slots__ = (
        "aliases",
        "axis",
        "choices",
        "default",
        "example",
        "fallback",
        "field",
        "flag",
        "group",
        "help",
        "kind",
        "maximum",
        "minimum",
        "name",
        "sections",
        "short",
        "since",
        "unit",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        sections: tuple[str, ...],
        since: str,
        help: str,
        *,
        default: bool | int | str | None = None,
        unit: str = "",
        choices: tuple[str, ...] = (),
        minimum: int | None = None,
        maximum: int | None = None,
        fallback: str | None = None,
        flag: str | None = None,
        short: str | None = None,
        group: str | None = None,
        aliases: tuple[str, ...] = (),
        axis: str | None = None,
        field: str | None = None,
        example: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.sections = sections
        self.since = since
        self.help = help
        self.default = default
        self.unit = unit
        self.choices = choices
        self.minimum = minimum
        self.maximum = LARGEST if maximum is None and kind in ("int", "float") else maximum
        self.fallback = fallback
        self.flag = flag
        self.short = short
        self.group = group
        self.aliases = aliases
        self.axis = axis
        self.field = field
        self.example = example

    @property
    def key(self) -> str:
        """The name in the config dict and in --show-config."""
        # The INI name of the secret key ends in -id, which it is not.
        return (self.aliases[0] if self.aliases else self.name).replace("-", "_")

    @property
    def type(self) -> str:
        """The type as the reference names it: "int seconds", "percent|units"."""
        if self.choices and self.kind == "choice":
            return "|".join(self.choices)
        return f"{self.kind} {self.unit}".strip()


def _switch(name: str, since: str, help: str, example: str) -> Option:
    return Option(
        name,
        "switch",
        (COMMAND_LINE,),
        since,
        help,
        default=False,
        flag=f"--{name}",
        group=GENERAL_GROUP,
        example=example,
    )


_COMMAND_LINE_OPTIONS = (
    Option(
        "config",
        "path",
        (COMMAND_LINE,),
        "0.3.0",
        "INI file to read. Table options on the command line and the file's [table:] sections are never mixed: "
        "with --table-name the file gives only its [global] and [logging] values.",
        flag="--config",
        short="-c",
        group=GENERAL_GROUP,
        example="--config dynamic-dynamodb.conf",
    ),
    _switch(
        "dry-run",
        "0.2.0",
        "Decide and log, change nothing at AWS: no UpdateTable, no SNS publish.",
        "--config dynamic-dynamodb.conf --dry-run --run-once",
    ),
    _switch("run-once", "1.13.0", "One check of every table, then exit.", "--config dynamic-dynamodb.conf --run-once"),
    _switch(
        "show-config",
        "2.4.0",
        "Print the merged, validated configuration as JSON on stdout and exit, without touching AWS. "
        "Secrets are masked.",
        "--config dynamic-dynamodb.conf --show-config",
    ),
    _switch("version", "0.4.0", "Print the version and exit 0.", "--version"),
    Option(
        "daemon",
        "choice",
        (COMMAND_LINE,),
        "0.4.0",
        "Daemon mode. fg is short for foreground; status tells whether the instance runs.",
        choices=("start", "stop", "restart", "status", "foreground", "fg"),
        flag="--daemon",
        group=DAEMON_GROUP,
        example="--daemon start --config dynamic-dynamodb.conf",
    ),
    Option(
        "instance",
        "str",
        (COMMAND_LINE,),
        "1.3.0",
        "Name of this daemon; its pid file is PID_FILE_DIR/dynamic-dynamodb.INSTANCE.pid.",
        default="default",
        flag="--instance",
        group=DAEMON_GROUP,
        example="--daemon start --instance orders --config orders.conf",
    ),
    Option(
        "pid-file-dir",
        "path",
        (COMMAND_LINE,),
        "1.11.0",
        "Folder of the pid file.",
        default="/tmp",  # noqa: S108 - the contract's default
        flag="--pid-file-dir",
        group=DAEMON_GROUP,
        example="--daemon status --pid-file-dir /var/lib/dynamic-dynamodb",
    ),
    Option(
        "table-name",
        "regex",
        (COMMAND_LINE,),
        "0.1.0",
        "One table (or every table whose name the regular expression matches from its start) "
        "configured by flags alone.",
        flag="--table-name",
        short="-t",
        group=DYNAMODB_GROUP,
        example="--table-name '^orders$' --reads-upper-threshold 80",
    ),
)

_GLOBAL_OPTIONS = (
    Option(
        "profile",
        "str",
        (GLOBAL,),
        "new",
        "Named profile of the AWS configuration, as in the AWS CLI.",
        flag="--profile",
        group=GENERAL_GROUP,
        example="production",
    ),
    Option(
        "endpoint-url",
        "url",
        (GLOBAL,),
        "new",
        "Another endpoint for all three services, as in the AWS CLI (AWS_ENDPOINT_URL works too).",
        flag="--endpoint-url",
        group=GENERAL_GROUP,
        example="http://127.0.0.1:5000",
    ),
    _switch(
        "print-iam-policy",
        "new",
        "Print the least IAM policy for this configuration as JSON and exit.",
        "--config dynamic-dynamodb.conf --print-iam-policy",
    ),
    Option(
        "region",
        "str",
        (GLOBAL,),
        "0.1.0",
        "AWS region; unset: boto3's own (environment, profile), then this default.",
        default="us-east-1",
        flag="--region",
        short="-r",
        group=GENERAL_GROUP,
        example="eu-west-1",
    ),
    Option(
        "aws-access-key-id",
        "str",
        (GLOBAL,),
        "0.3.0",
        "Static AWS access key. Without the pair, boto3's own credential chain decides.",
        flag="--aws-access-key-id",
        group=GENERAL_GROUP,
        example="AKIDEXAMPLE",
    ),
    Option(
        "aws-secret-access-key-id",
        "secret",
        (GLOBAL,),
        "0.3.0",
        "Static AWS secret key. The INI name ends in -id, the flag does not; the INI also accepts "
        "aws-secret-access-key; in --show-config it is aws_secret_access_key, masked.",
        flag="--aws-secret-access-key",
        group=GENERAL_GROUP,
        aliases=("aws-secret-access-key",),
        example="the-secret-of-that-key",
    ),
    Option(
        "check-interval",
        "int",
        (GLOBAL,),
        "0.1.0",
        "Pause between two checks.",
        default=300,
        unit="seconds",
        minimum=1,
        flag="--check-interval",
        group=GENERAL_GROUP,
        example="60",
    ),
)

_BREAKER_OPTIONS = (
    Option(
        "circuit-breaker-url",
        "url",
        (GLOBAL, *RESOURCE),
        "1.2.0",
        "Polled before each table or index is scaled; anything but HTTP 2xx means nothing is scaled. "
        "May carry user:password@. A table's or index's own value overrides the global one. "
        "The request carries the headers x-table-name and, for an index, x-gsi-name.",
        example="http://user:password@127.0.0.1:8080/healthy",
    ),
    Option(
        "circuit-breaker-timeout",
        "float",
        (GLOBAL, *RESOURCE),
        "1.2.0",
        "Time-out of that request, in milliseconds.",
        default=10000,
        unit="ms",
        minimum=1,
        example="2000",
    ),
)

_LOGGING_OPTIONS = (
    Option(
        "log-level",
        "choice",
        (LOGGING,),
        "0.4.0",
        "Log level, in any letter case.",
        default="info",
        choices=("debug", "info", "warning", "error"),
        flag="--log-level",
        group=GENERAL_GROUP,
        example="debug",
    ),
    Option(
        "log-file",
        "path",
        (LOGGING,),
        "0.4.0",
        "Also log to this file; rotated at midnight, five old files kept.",
        flag="--log-file",
        group=GENERAL_GROUP,
        example="/var/log/dynamic-dynamodb.log",
    ),
    Option(
        "log-config-file",
        "path",
        (LOGGING,),
        "1.9.0",
        "A standard Python logging configuration file; it replaces log-level and log-file.",
        flag="--log-config-file",
        group=GENERAL_GROUP,
        example="/etc/dynamic-dynamodb-logging.conf",
    ),
)

UNITS = ("percent", "units")
_SCALE_EXAMPLE = "{0: 0, 70: 30, 90: 50}"


def _resource_options(axis: str) -> tuple[Option, ...]:
    """The options of one axis, `{reads}` and `{read}` replaced by its name."""
    singular = axis.removesuffix("s")
    group = READS_GROUP if axis == "reads" else WRITES_GROUP

    def option(
        name: str,
        kind: str,
        since: str,
        help: str,
        *,
        flag: bool = False,
        default: bool | int | str | None = None,
        unit: str = "",
        minimum: int | None = None,
        fallback: str | None = None,
        example: str = "",
    ) -> Option:
        full = name.format(reads=axis, read=singular)
        field = "-".join(part for part in name.split("-") if part not in ("{reads}", "{read}")).replace("-", "_")
        return Option(
            full,
            kind,
            RESOURCE,
            since,
            help.format(reads=axis, read=singular),
            default=default,
            unit=unit,
            choices=UNITS if kind == "choice" else (),
            minimum=minimum,
            fallback=fallback and fallback.format(reads=axis),
            flag=f"--{full}" if flag else None,
            group=group if flag else None,
            axis=axis,
            field=field,
            example=example,
        )

    return (
        option(
            "{reads}-upper-threshold",
            "float",
            "0.1.0",
            "Scale {reads} up when consumption reaches this many percent of what is provisioned.",
            flag=True,
            default=90,
            unit="%",
            minimum=0,
            example="80",
        ),
        option(
            "{reads}-lower-threshold",
            "float",
            "0.1.0",
            "Scale {reads} down when consumption is as low as this.",
            flag=True,
            default=30,
            unit="%",
            minimum=0,
            example="40",
        ),
        option(
            "increase-{reads}-with",
            "int",
            "0.1.0",
            "How much to add, in increase-{reads}-unit.",
            flag=True,
            default=50,
            minimum=1,
            example="30",
        ),
        option(
            "decrease-{reads}-with",
            "int",
            "0.1.0",
            "How much to take away, in decrease-{reads}-unit.",
            flag=True,
            default=50,
            minimum=1,
            example="20",
        ),
        option(
            "increase-{reads}-unit",
            "choice",
            "1.1.0",
            "Unit of increase-{reads}-with.",
            flag=True,
            default="percent",
            example="units",
        ),
        option(
            "decrease-{reads}-unit",
            "choice",
            "1.1.0",
            "Unit of decrease-{reads}-with.",
            flag=True,
            default="percent",
            example="units",
        ),
        option(
            "min-provisioned-{reads}",
            "int",
            "0.2.0",
            "Never provision fewer; a table below it is raised to it. Unset: 1.",
            flag=True,
            minimum=1,
            example="10",
        ),
        option(
            "max-provisioned-{reads}",
            "int",
            "0.2.0",
            "Never provision more; a table above it is brought down to it. Unset: no limit.",
            flag=True,
            minimum=1,
            example="1000",
        ),
        option(
            "throttled-{reads}-upper-threshold",
            "int",
            "1.10.0",
            "Scale {reads} up when more {reads} than this were throttled in the look-back period; "
            "{reads} are not scaled down then either. 0: off.",
            flag=True,
            default=0,
            unit="events",
            minimum=0,
            example="10",
        ),
        option(
            "num-{read}-checks-before-scale-down",
            "int",
            "1.13.0",
            "Consecutive checks that must ask for less before {reads} are scaled down.",
            flag=True,
            default=1,
            minimum=1,
            example="3",
        ),
        option(
            "num-{read}-checks-reset-percent",
            "float",
            "1.13.0",
            "Consumption at or above this sets that count back to 0. 0: off.",
            flag=True,
            default=0,
            unit="%",
            minimum=0,
            example="60",
        ),
        option(
            "allow-scaling-down-{reads}-on-0-percent",
            "bool",
            "0.5.0",
            "Also scale down when nothing at all was consumed.",
            default=False,
            example="true",
        ),
        option(
            "enable-{reads}-autoscaling",
            "bool",
            "1.11.0",
            "Deprecated: false switches both directions of {reads} off.",
            default=True,
            example="false",
        ),
        option(
            "enable-{reads}-up-scaling",
            "bool",
            "1.18.0",
            "false: {reads} are never increased.",
            default=True,
            example="false",
        ),
        option(
            "enable-{reads}-down-scaling",
            "bool",
            "1.18.0",
            "false: {reads} are never decreased.",
            default=True,
            example="false",
        ),
        option(
            "increase-consumed-{reads}-unit",
            "choice",
            "2.0.0",
            "Unit of the increase that consumption asks for.",
            fallback="increase-{reads}-unit",
            example="units",
        ),
        option(
            "increase-consumed-{reads}-with",
            "int",
            "2.0.0",
            "Amount of the increase that consumption asks for.",
            fallback="increase-{reads}-with",
            minimum=1,
            example="100",
        ),
        option(
            "increase-consumed-{reads}-scale",
            "scale",
            "2.0.0",
            "Granular increase by consumption; replaces the upper threshold and increase-consumed-{reads}-with.",
            example=_SCALE_EXAMPLE,
        ),
        option(
            "increase-throttled-by-provisioned-{reads}-unit",
            "choice",
            "2.0.0",
            "Unit of the amounts in increase-throttled-by-provisioned-{reads}-scale.",
            fallback="increase-{reads}-unit",
            example="units",
        ),
        option(
            "increase-throttled-by-provisioned-{reads}-scale",
            "scale",
            "2.0.0",
            "Granular increase by throttled events per second as a percentage of provisioned units.",
            example=_SCALE_EXAMPLE,
        ),
        option(
            "increase-throttled-by-consumed-{reads}-unit",
            "choice",
            "2.0.0",
            "Unit of the amounts in increase-throttled-by-consumed-{reads}-scale.",
            fallback="increase-{reads}-unit",
            example="units",
        ),
        option(
            "increase-throttled-by-consumed-{reads}-scale",
            "scale",
            "2.0.0",
            "Granular increase by throttled events as a percentage of consumed units.",
            example=_SCALE_EXAMPLE,
        ),
        option(
            "decrease-consumed-{reads}-unit",
            "choice",
            "2.1.0",
            "Unit of the decrease that low consumption asks for.",
            fallback="decrease-{reads}-unit",
            example="units",
        ),
        option(
            "decrease-consumed-{reads}-with",
            "int",
            "2.1.0",
            "Amount of the decrease that low consumption asks for.",
            fallback="decrease-{reads}-with",
            minimum=1,
            example="25",
        ),
        option(
            "decrease-consumed-{reads}-scale",
            "scale",
            "2.1.0",
            "Granular decrease by consumption; replaces the lower threshold and decrease-consumed-{reads}-with.",
            example="{10: 50, 30: 20}",
        ),
        option(
            "{reads}-upper-alarm-threshold",
            "float",
            "1.16.0",
            "At or above: SNS high-throughput-alarm. 0: off.",
            default=0,
            unit="%",
            minimum=0,
            example="95",
        ),
        option(
            "{reads}-lower-alarm-threshold",
            "float",
            "1.16.0",
            "Below: SNS low-throughput-alarm. 0: off.",
            default=0,
            unit="%",
            minimum=0,
            example="5",
        ),
    )


_SHARED_RESOURCE_OPTIONS = (
    Option(
        "always-decrease-rw-together",
        "bool",
        RESOURCE,
        "0.5.0",
        "Scale down only when reads and writes both ask for less, or the other is at its minimum already.",
        default=False,
        example="true",
    ),
    Option(
        "maintenance-windows",
        "windows",
        RESOURCE,
        "0.3.0",
        "HH:MM-HH:MM, several with commas. Outside them provisioning is not changed.",
        unit="(UTC)",
        example="22:00-06:00, 12:00-13:00",
    ),
    Option(
        "scale-up-outside-maintenance-windows",
        "bool",
        RESOURCE,
        "new",
        "true: outside the windows, increases still happen (what releases 1.12.0 and later did).",
        default=False,
        example="true",
    ),
    Option(
        "lookback-window-start",
        "int",
        RESOURCE,
        "1.18.0",
        "The look-back window begins this many minutes before now.",
        # CloudWatch keeps 1-minute datapoints for 15 days.
        default=15,
        unit="minutes",
        minimum=1,
        maximum=15 * 24 * 60,
        example="20",
    ),
    Option(
        "lookback-period",
        "int",
        RESOURCE,
        "2.1.0",
        "Length of that window; it may not reach past now.",
        default=5,
        unit="minutes",
        minimum=1,
        maximum=15 * 24 * 60,
        example="10",
    ),
    Option(
        "sns-topic-arn",
        "arn",
        RESOURCE,
        "1.10.0",
        "Topic for notifications.",
        example="arn:aws:sns:us-east-1:123456789012:dynamic-dynamodb",
    ),
    Option(
        "sns-message-types",
        "list",
        RESOURCE,
        "1.10.0",
        "Comma separated: scale-up, scale-down, high-throughput-alarm, low-throughput-alarm. "
        "An unknown one is a warning and is dropped.",
        choices=MESSAGE_TYPES,
        example="scale-up, scale-down",
    ),
)

OPTIONS: tuple[Option, ...] = (
    *_COMMAND_LINE_OPTIONS,
    *_GLOBAL_OPTIONS,
    *_BREAKER_OPTIONS,
    *_LOGGING_OPTIONS,
    *_resource_options("reads"),
    *_resource_options("writes"),
    *_SHARED_RESOURCE_OPTIONS,
)

# Names that stand in old example files though no release ever read them,
# and what switches off what they name.
NEVER_READ = {
    f"disable-{axis}-{direction}-scaling": f"enable-{axis}-{direction}-scaling: false"
    for axis in ("reads", "writes")
    for direction in ("up", "down")
}


def of_section(section: str) -> tuple[Option, ...]:
    """The options that a section of this kind may hold, in the order of the reference."""
    return tuple(option for option in OPTIONS if section in option.sections)
