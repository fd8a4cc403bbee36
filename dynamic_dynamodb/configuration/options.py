"""THE table of options: each is declared here once.

Flags, INI keys, defaults, types, checks, `--help`, example-config.conf and the
reference in the docs derive from it. An option of an axis is written once,
with `{reads}` (or `{read}`) in its texts, and expands to reads and writes.

A declaration gives only what differs from its class. A new option of tables
and indexes is `Percent("name", example="80").means("What it does.")`.

`--help` and `--version` import this module, so it imports nothing: importing
dataclasses takes as much time as starting Python.
"""

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any, TypeVar

    _Declared = TypeVar("_Declared", bound="Option")
else:

    def dataclass(declared):
        """The part of a dataclass that the declarations need; the type checker sees the real one."""

        def begin(self, name, **given):
            self.name = name
            self.__dict__.update(given)

        declared.__init__ = begin
        return declared


# The sections that accept an option. [default_options] is for tables and indexes.
COMMAND_LINE = "command line"
GLOBAL = "global"
LOGGING = "logging"
TABLE = "table"
GSI = "gsi"
RESOURCE = (TABLE, GSI)
SCHEDULE = "schedule"  # accepts the options of tables and indexes too

# The groups of --help, in order.
GENERAL_GROUP = "general options"
DAEMON_GROUP = "daemon options"
DYNAMODB_GROUP = "DynamoDB options"
SIMULATION_GROUP = "simulation options"
READS_GROUP = "read units"
WRITES_GROUP = "write units"
GROUPS = (GENERAL_GROUP, DAEMON_GROUP, DYNAMODB_GROUP, SIMULATION_GROUP, READS_GROUP, WRITES_GROUP)

MESSAGE_TYPES = (
    "scale-up",
    "scale-down",
    "high-throughput-alarm",
    "low-throughput-alarm",
    "at-maximum",
    "check-failed",
)
UNITS = ("percent", "units")

# No sensible number in a configuration is larger (a year has 31,536,000
# seconds, the largest account quota is far smaller). The bound keeps arithmetic
# on dates and timeouts from overflowing.
LARGEST = 1_000_000_000


@dataclass
class Option:
    """One option. The defaults are what most options have; the classes of kinds below change some."""

    name: str
    # "switch", "str", "path", "regex", "url", "secret", "choice", "int", "float", "bool", "scale", "windows", "arn",
    # "list", "number or off", "when" or "zone".
    kind: str = "str"
    sections: tuple[str, ...] = RESOURCE
    since: str = "new"  # the release of the original that introduced it
    help: str = ""
    default: bool | int | str | None = None  # as JSON shows it
    fallback: str | None = None  # if it is not set, it has the effective value of the option of this name
    unit: str = ""  # of a number
    choices: tuple[str, ...] = ()
    minimum: int | None = None  # inclusive
    maximum: int | None = None  # inclusive
    zero_unsets: bool = False  # 0 means not set, as in the original
    group: str | None = None  # of --help; None: it has no flag, and only a file can set it
    short: str | None = None  # a second spelling of the flag
    alone: str = ""  # the value if the flag has none; "": the flag needs a value
    aliases: tuple[str, ...] = ()
    axis: str | None = None  # "reads" or "writes", if it is an option of one
    field: str | None = None  # its name in decisions.model.Policy, if it is an option of an axis
    # A value other than the default; for an option of the command line only, the words after the program's name.
    example: str = ""

    def means(self: "_Declared", text: str) -> "_Declared":
        """Set the text for --help and the reference; returns the option itself."""
        self.help = text
        return self

    @property
    def key(self) -> str:
        """The name in the config dict and in --show-config."""
        return self._plain_name.replace("-", "_")

    @property
    def flag(self) -> str | None:
        """The flag on the command line, if it has one."""
        return f"--{self._plain_name}" if self.group else None

    @property
    def _plain_name(self) -> str:
        # The INI name of the secret key ends in -id, although it is not an id.
        return self.aliases[0] if self.aliases else self.name

    @property
    def type(self) -> str:
        """The type as the contract's table names it: "int seconds", "percent|units"."""
        if self.choices and self.kind == "choice":
            return "|".join(self.choices)
        return f"{self.kind} {self.unit}".strip()


# Kinds


class Switch(Option):
    kind = "switch"
    sections = (COMMAND_LINE,)
    default = False
    group = GENERAL_GROUP


class Path(Option):
    kind = "path"


class Url(Option):
    kind = "url"


class Choice(Option):
    kind = "choice"


class Bool(Option):
    kind = "bool"


class Whole(Option):
    kind = "int"
    minimum = 1
    maximum = LARGEST


class Amount(Whole):
    zero_unsets = True


class Number(Option):
    kind = "float"
    minimum = 0
    maximum = LARGEST


class Percent(Number):
    unit = "%"


class Unit(Choice):
    choices = UNITS
    example = "units"


class Scale(Option):
    kind = "scale"
    example = "{0: 0, 70: 30, 90: 50}"


# Declarations

_COMMAND_LINE_OPTIONS = (
    Path(
        "config",
        sections=(COMMAND_LINE,),
        since="0.3.0",
        short="-c",
        group=GENERAL_GROUP,
        example="--config dynamic-dynamodb.conf",
    ).means("INI file to read. With --table-name, only its [global] and [logging] sections are used."),
    Switch("dry-run", since="0.2.0", example="--config dynamic-dynamodb.conf --dry-run --run-once").means(
        "Decide and log, but change nothing at AWS: no UpdateTable, no SNS message."
    ),
    Switch("run-once", since="1.13.0", example="--config dynamic-dynamodb.conf --run-once").means(
        "Check every table once, then exit."
    ),
    Switch("show-config", since="2.4.0", example="--config dynamic-dynamodb.conf --show-config").means(
        "Print the merged and checked configuration as JSON on stdout and exit, without contacting AWS. Secrets "
        "are masked."
    ),
    Whole(
        "show-schedule",
        sections=(COMMAND_LINE,),
        unit="days",
        maximum=366,
        group=GENERAL_GROUP,
        alone="7",
        example="--config dynamic-dynamodb.conf --show-schedule 14",
    ).means(
        "Print the schedules that hold now and those that begin or end in the next DAYS days (7 if left out), with"
        " the options that they set, and exit."
    ),
    Switch("version", since="0.4.0", example="--version").means("Print the version and exit."),
    Choice(
        "daemon",
        sections=(COMMAND_LINE,),
        since="0.4.0",
        choices=("start", "stop", "restart", "status", "foreground", "fg"),
        group=DAEMON_GROUP,
        example="--daemon start --config dynamic-dynamodb.conf",
    ).means("Daemon mode: start, stop, restart or query an instance, or run it in the foreground (fg for short)."),
    Option(
        "instance",
        sections=(COMMAND_LINE,),
        since="1.3.0",
        default="default",
        group=DAEMON_GROUP,
        example="--daemon start --instance orders --config orders.conf",
    ).means("Name of the instance. Its pid file is PID_FILE_DIR/dynamic-dynamodb.INSTANCE.pid."),
    Path(
        "pid-file-dir",
        sections=(COMMAND_LINE,),
        since="1.11.0",
        default="/tmp",  # noqa: S108 - the contract's default
        group=DAEMON_GROUP,
        example="--daemon status --pid-file-dir /var/lib/dynamic-dynamodb",
    ).means("Folder of the pid file."),
    Switch("json", group=DAEMON_GROUP, example="--daemon status --json").means(
        "With --daemon status: print JSON, always a list of instances."
    ),
    Whole(
        "max-age",
        sections=(COMMAND_LINE,),
        unit="seconds",
        minimum=0,
        group=DAEMON_GROUP,
        alone="0",
        example="--daemon status --max-age",
    ).means(
        "With --daemon status: exit with 1 if the last successful check ended more than SECONDS ago. Without a "
        "number, or with 0, the limit is three times check-interval plus the duration of the last check."
    ),
    Option(
        "table-name",
        kind="regex",
        sections=(COMMAND_LINE,),
        since="0.1.0",
        short="-t",
        group=DYNAMODB_GROUP,
        example="--table-name '^orders$' --reads-upper-threshold 80",
    ).means(
        "Table to scale, configured by flags only. A regular expression that is matched from the start of the "
        "name, so it may match several tables."
    ),
    Option(
        "simulate",
        sections=(COMMAND_LINE,),
        group=SIMULATION_GROUP,
        example="--table-name '^orders$' --simulate sales-week",
    ).means(
        "Run this configuration against a model of AWS, and print what it would have done and cost. SOURCE is a "
        "CSV file with the demand, cloudwatch for the demand that CloudWatch recorded, or sales-day or sales-week,"
        " which are made up. Changes nothing at AWS. Give --config several times to compare configurations."
    ),
    Whole(
        "simulate-days",
        sections=(COMMAND_LINE,),
        default=14,
        maximum=15,
        unit="days",
        group=SIMULATION_GROUP,
        example="--config dynamic-dynamodb.conf --simulate cloudwatch --simulate-days 7",
    ).means("How many days of CloudWatch metrics to simulate. CloudWatch keeps 1-minute sums for 15 days."),
    Choice(
        "simulate-axis",
        sections=(COMMAND_LINE,),
        choices=("reads", "writes"),
        group=SIMULATION_GROUP,
        example="--table-name '^orders$' --simulate sales-day --simulate-axis reads",
    ).means("The axis that a single series of demand applies to. Unset: both."),
    Path(
        "save-trace",
        sections=(COMMAND_LINE,),
        group=SIMULATION_GROUP,
        example="--config dynamic-dynamodb.conf --simulate cloudwatch --save-trace orders.csv",
    ).means("Write the demand to this CSV file. --simulate can read it again without AWS."),
    Path(
        "prices",
        sections=(COMMAND_LINE,),
        group=SIMULATION_GROUP,
        example="--table-name '^orders$' --simulate sales-day --prices prices.ini",
    ).means("INI file with the prices of your region. Unset: the prices of us-east-1."),
    Choice(
        "output",
        sections=(COMMAND_LINE,),
        default="text",
        choices=("text", "json"),
        group=SIMULATION_GROUP,
        example="--table-name '^orders$' --simulate sales-day --output json",
    ).means("Format in which --simulate prints its result: text for a table, or json."),
    Path(
        "report",
        sections=(COMMAND_LINE,),
        group=SIMULATION_GROUP,
        example="--config dynamic-dynamodb.conf --simulate cloudwatch --report report.html",
    ).means("Write the result, with a chart of each table and index, to this HTML file. Needs matplotlib."),
    Path(
        "chart",
        sections=(COMMAND_LINE,),
        group=SIMULATION_GROUP,
        example="--table-name '^orders$' --simulate sales-day --chart orders.png",
    ).means("Draw the chart of one table or index to this .png or .svg file. Needs matplotlib."),
)

_GLOBAL_OPTIONS = (
    Option("profile", sections=(GLOBAL,), group=GENERAL_GROUP, example="production").means(
        "Named profile of the AWS configuration, as in the AWS CLI."
    ),
    Url("endpoint-url", sections=(GLOBAL,), group=GENERAL_GROUP, example="http://127.0.0.1:5000").means(
        "Endpoint for all three AWS services, as in the AWS CLI. The variable AWS_ENDPOINT_URL works too."
    ),
    Switch("print-iam-policy", example="--config dynamic-dynamodb.conf --print-iam-policy").means(
        "Print the least-privilege IAM policy for this configuration as JSON and exit."
    ),
    Option(
        "region",
        sections=(GLOBAL,),
        since="0.1.0",
        default="us-east-1",
        short="-r",
        group=GENERAL_GROUP,
        example="eu-west-1",
    ).means("AWS region. Unset: the region of the environment, else of the profile, else this default."),
    Option("aws-access-key-id", sections=(GLOBAL,), since="0.3.0", group=GENERAL_GROUP, example="AKIDEXAMPLE").means(
        "Static AWS access key. Without a key pair, boto3 finds credentials as usual."
    ),
    Option(
        "aws-secret-access-key-id",
        kind="secret",
        sections=(GLOBAL,),
        since="0.3.0",
        group=GENERAL_GROUP,
        aliases=("aws-secret-access-key",),
        example="the-secret-of-that-key",
    ).means(
        "Static AWS secret key. In a file the option is aws-secret-access-key-id; aws-secret-access-key works too. "
        "--show-config masks it and names it aws_secret_access_key."
    ),
    Whole(
        "check-interval",
        sections=(GLOBAL,),
        since="0.1.0",
        default=300,
        unit="seconds",
        group=GENERAL_GROUP,
        example="60",
    ).means("Pause between two checks."),
    Whole(
        "refresh-interval",
        sections=(GLOBAL,),
        default=300,
        unit="seconds",
        group=GENERAL_GROUP,
        example="3600",
    ).means(
        "How long the description of a table is used before the table is described again. Before a change, a table"
        " is always described. At check-interval or below, every check describes every table."
    ),
    Path("state-file", sections=(GLOBAL,), group=GENERAL_GROUP, example="/var/lib/dynamic-dynamodb/orders.state").means(
        "With --run-once: the file that keeps consecutive checks before a decrease, alarms already sent, delayed "
        "decreases, and what target tracking has learned, from one run to the next. A daemon has its own, next to "
        "its pid file."
    ),
    Whole("failures-before-notification", sections=(GLOBAL,), default=3, unit="checks", example="5").means(
        "How many checks must fail in a row before a notification is sent to topics with check-failed in their "
        "sns-message-types."
    ),
    Whole("metrics-port", sections=(GLOBAL,), maximum=65535, group=GENERAL_GROUP, example="9190").means(
        "Serve metrics for Prometheus at /metrics, and the health of the program at /healthz, on this port. Unset:"
        " not served. Needs prometheus-client."
    ),
    Option(
        "metrics-address",
        sections=(GLOBAL,),
        default="127.0.0.1",
        group=GENERAL_GROUP,
        example="192.0.2.10",
    ).means(
        "IP address on which metrics-port is served. There is no password, so make it reachable only for those who"
        " may read the metrics."
    ),
    Path(
        "metrics-file",
        sections=(GLOBAL,),
        group=GENERAL_GROUP,
        example="/var/lib/node_exporter/dynamic-dynamodb.prom",
    ).means(
        "Write the same metrics to this file after each check, for the textfile collector of the node exporter. "
        "Needs prometheus-client."
    ),
    Path("metrics-prices", sections=(GLOBAL,), example="/etc/dynamic-dynamodb/prices.ini").means(
        "INI file with the prices of your region, as for --prices, for the metric of dollars per hour. Unset: the "
        "prices of us-east-1."
    ),
)

_BREAKER_OPTIONS = (
    Url(
        "circuit-breaker-url",
        sections=(GLOBAL, *RESOURCE),
        since="1.2.0",
        example="http://user:password@127.0.0.1:8080/healthy",
    ).means(
        "Requested before each table or index is scaled. Unless the answer is HTTP 2xx, the table or index is "
        "skipped. May contain user:password@. The request has the headers x-table-name and, for an index, "
        "x-gsi-name."
    ),
    Number(
        "circuit-breaker-timeout",
        sections=(GLOBAL, *RESOURCE),
        since="1.2.0",
        default=10000,
        unit="ms",
        minimum=1,
        example="2000",
    ).means("Timeout of the request to circuit-breaker-url, in milliseconds."),
)

_LOGGING_OPTIONS = (
    Choice(
        "log-level",
        sections=(LOGGING,),
        since="0.4.0",
        default="info",
        choices=("debug", "info", "warning", "error"),
        group=GENERAL_GROUP,
        example="debug",
    ).means("Log level, in upper or lower case."),
    Path(
        "log-file",
        sections=(LOGGING,),
        since="0.4.0",
        group=GENERAL_GROUP,
        example="/var/log/dynamic-dynamodb.log",
    ).means("Also log to this file, which is rotated at midnight."),
    Whole(
        "log-backup-count",
        sections=(LOGGING,),
        default=5,
        minimum=1,
        unit="files",
        group=GENERAL_GROUP,
        example="14",
    ).means("How many rotated log files to keep."),
    Choice(
        "log-format",
        sections=(LOGGING,),
        default="text",
        choices=("text", "json"),
        group=GENERAL_GROUP,
        example="json",
    ).means("Format of log-file and stderr: text for people, or json for one JSON object per line."),
    Path(
        "log-config-file",
        sections=(LOGGING,),
        since="1.9.0",
        group=GENERAL_GROUP,
        example="/etc/dynamic-dynamodb-logging.conf",
    ).means("Logging configuration file in the format of Python's logging.config. Replaces all other logging options."),
)

_POLICIES = ("thresholds", "target-tracking")
_FLAG = "{read} units"  # the group of an option of an axis that has a flag

# Each sets both axes; the option of one axis, below, takes precedence.
_POLICY_OPTIONS = (
    Choice(
        "scaling-policy", default="thresholds", choices=_POLICIES, group=DYNAMODB_GROUP, example="target-tracking"
    ).means(
        "thresholds: change capacity by set amounts at set thresholds. target-tracking: size it for a target "
        "utilization."
    ),
    Percent("burst-credit", default=0, maximum=100, group=DYNAMODB_GROUP, example="50").means(
        "Target tracking: the part of the estimated burst credit to count on. AWS calls burst capacity best effort."
    ),
    Option(
        "throttled-minutes-per-day", kind="number or off", default=1, maximum=1440, group=DYNAMODB_GROUP, example="3"
    ).means(
        "Target tracking: learn how much headroom keeps throttling to about this many minutes per day. off: do not"
        " learn."
    ),
)

_AXIS_OPTIONS = (
    Percent("{reads}-upper-threshold", since="0.1.0", default=90, group=_FLAG, example="80").means(
        "Scale {reads} up when consumption is at or above this percentage of the provisioned units."
    ),
    Percent("{reads}-lower-threshold", since="0.1.0", default=30, group=_FLAG, example="40").means(
        "Scale {reads} down when consumption is at or below this percentage of the provisioned units."
    ),
    Whole("increase-{reads}-with", since="0.1.0", default=50, minimum=0, group=_FLAG, example="30").means(
        "Amount of an increase, in increase-{reads}-unit. 0: never."
    ),
    Whole("decrease-{reads}-with", since="0.1.0", default=50, minimum=0, group=_FLAG, example="20").means(
        "Amount of a decrease, in decrease-{reads}-unit. 0: never."
    ),
    Unit("increase-{reads}-unit", since="1.1.0", default="percent", group=_FLAG).means(
        "Unit of increase-{reads}-with."
    ),
    Unit("decrease-{reads}-unit", since="1.1.0", default="percent", group=_FLAG).means(
        "Unit of decrease-{reads}-with."
    ),
    Whole("min-provisioned-{reads}", since="0.2.0", zero_unsets=True, group=_FLAG, example="10").means(
        "Minimum to provision. A table or index below it is increased to it. Unset: 1."
    ),
    Whole("max-provisioned-{reads}", since="0.2.0", group=_FLAG, example="1000").means(
        "Maximum to provision. A table or index above it is decreased to it. Unset: no limit."
    ),
    Whole(
        "throttled-{reads}-upper-threshold",
        since="1.10.0",
        default=0,
        unit="events",
        minimum=0,
        group=_FLAG,
        example="10",
    ).means(
        "Scale {reads} up, and never down, when more {reads} than this were throttled in the look-back window. 0: off."
    ),
    Whole("num-{read}-checks-before-scale-down", since="1.13.0", default=1, group=_FLAG, example="3").means(
        "How many consecutive checks must ask for a decrease before {reads} are scaled down."
    ),
    Percent("num-{read}-checks-reset-percent", since="1.13.0", default=0, group=_FLAG, example="60").means(
        "Consumption at or above this percentage resets the count of checks that ask for a decrease to 0. 0: off."
    ),
    Bool("allow-scaling-down-{reads}-on-0-percent", since="0.5.0", default=False, example="true").means(
        "Also scale {reads} down when none were consumed."
    ),
    Bool("enable-{reads}-autoscaling", since="1.11.0", default=True, example="false").means(
        "Deprecated. false: {reads} are neither scaled up nor down."
    ),
    Bool("enable-{reads}-up-scaling", since="1.18.0", default=True, example="false").means(
        "false: {reads} are never increased."
    ),
    Bool("enable-{reads}-down-scaling", since="1.18.0", default=True, example="false").means(
        "false: {reads} are never decreased."
    ),
    Unit("increase-consumed-{reads}-unit", since="2.0.0", fallback="increase-{reads}-unit").means(
        "Unit of an increase that consumption triggers."
    ),
    Amount("increase-consumed-{reads}-with", since="2.0.0", fallback="increase-{reads}-with", example="100").means(
        "Amount of an increase that consumption triggers."
    ),
    Scale("increase-consumed-{reads}-scale", since="2.0.0").means(
        "Granular increase by consumption. Replaces {reads}-upper-threshold and increase-consumed-{reads}-with."
    ),
    Unit("increase-throttled-by-provisioned-{reads}-unit", since="2.0.0", fallback="increase-{reads}-unit").means(
        "Unit of the amounts in increase-throttled-by-provisioned-{reads}-scale."
    ),
    Scale("increase-throttled-by-provisioned-{reads}-scale", since="2.0.0").means(
        "Granular increase by throttled events per second as a percentage of provisioned units."
    ),
    Unit("increase-throttled-by-consumed-{reads}-unit", since="2.0.0", fallback="increase-{reads}-unit").means(
        "Unit of the amounts in increase-throttled-by-consumed-{reads}-scale."
    ),
    Scale("increase-throttled-by-consumed-{reads}-scale", since="2.0.0").means(
        "Granular increase by throttled events as a percentage of consumed units."
    ),
    Unit("decrease-consumed-{reads}-unit", since="2.1.0", fallback="decrease-{reads}-unit").means(
        "Unit of a decrease that low consumption triggers."
    ),
    Amount("decrease-consumed-{reads}-with", since="2.1.0", fallback="decrease-{reads}-with", example="25").means(
        "Amount of a decrease that low consumption triggers."
    ),
    Scale("decrease-consumed-{reads}-scale", since="2.1.0", example="{10: 50, 30: 20}").means(
        "Granular decrease by consumption. Replaces {reads}-lower-threshold and decrease-consumed-{reads}-with."
    ),
    Percent("{reads}-upper-alarm-threshold", since="1.16.0", default=0, example="95").means(
        "Send high-throughput-alarm when consumption is at or above this percentage. 0: off."
    ),
    Percent("{reads}-lower-alarm-threshold", since="1.16.0", default=0, example="5").means(
        "Send low-throughput-alarm when consumption is below this percentage. 0: off."
    ),
    Choice(
        "{reads}-scaling-policy", fallback="scaling-policy", choices=_POLICIES, group=_FLAG, example="target-tracking"
    ).means("scaling-policy for {reads} only."),
    Percent("target-{reads}-utilization", default=90, minimum=20, maximum=100, group=_FLAG, example="95").means(
        "Target tracking: provision so that about this percentage is consumed."
    ),
    Percent("{reads}-burst-credit", fallback="burst-credit", maximum=100, group=_FLAG, example="100").means(
        "burst-credit for {reads} only."
    ),
    Option(
        "{reads}-throttled-minutes-per-day",
        kind="number or off",
        fallback="throttled-minutes-per-day",
        maximum=1440,
        group=_FLAG,
        example="off",
    ).means("throttled-minutes-per-day for {reads} only."),
)

_SHARED_RESOURCE_OPTIONS = (
    Bool("always-decrease-rw-together", since="0.5.0", default=False, example="true").means(
        "Scale down only when reads and writes both ask for a decrease, or one asks and the other cannot be decreased."
    ),
    Option(
        "maintenance-windows", kind="windows", since="0.3.0", unit="(UTC)", example="22:00-06:00, 12:00-13:00"
    ).means("Change capacity only in these windows: HH:MM-HH:MM, separated by commas."),
    Bool("scale-up-outside-maintenance-windows", default=False, example="true").means(
        "true: increase capacity outside the windows too, as releases 1.12.0 and later did."
    ),
    # CloudWatch keeps 1-minute datapoints for 15 days.
    Whole(
        "lookback-window-start", since="1.18.0", default=15, unit="minutes", maximum=15 * 24 * 60, example="20"
    ).means("How many minutes before now the look-back window begins."),
    Whole("lookback-period", since="2.1.0", default=5, unit="minutes", maximum=15 * 24 * 60, example="10").means(
        "Length of the look-back window. It must not extend past now."
    ),
    Option(
        "sns-topic-arn", kind="arn", since="1.10.0", example="arn:aws:sns:us-east-1:123456789012:dynamic-dynamodb"
    ).means("SNS topic for notifications."),
    Option(
        "sns-message-types", kind="list", since="1.10.0", choices=MESSAGE_TYPES, example="scale-up, scale-down"
    ).means(
        f"Messages to send, separated by commas: {', '.join(MESSAGE_TYPES)}. An unknown type is ignored with a warning."
    ),
)

_SCHEDULE_OPTIONS = (
    Option("when", kind="when", sections=(SCHEDULE,), example="Mon-Fri 15:45-22:00, Sat 10:00-18:00").means(
        "When the schedule holds: weekdays with times, or dates, separated by commas. The end is excluded."
    ),
    Option("time-zone", kind="zone", sections=(SCHEDULE,), default="UTC", example="America/New_York").means(
        "IANA name of the time zone of these times."
    ),
)


def _for_axis(declared: Option, axis: str) -> Option:
    """The option of one axis, with its name in place of `{reads}` and `{read}` in all texts."""
    own: dict[str, Any] = {
        name: text.replace("{reads}", axis).replace("{read}", axis.removesuffix("s")) if isinstance(text, str) else text
        for name, text in vars(declared).items()
    }
    words = [word for word in declared.name.split("-") if word not in ("{reads}", "{read}")]
    return type(declared)(**own, axis=axis, field="_".join(words))


OPTIONS: tuple[Option, ...] = (
    *_COMMAND_LINE_OPTIONS,
    *_GLOBAL_OPTIONS,
    *_BREAKER_OPTIONS,
    *_LOGGING_OPTIONS,
    *_POLICY_OPTIONS,
    *(_for_axis(option, "reads") for option in _AXIS_OPTIONS),
    *(_for_axis(option, "writes") for option in _AXIS_OPTIONS),
    *_SHARED_RESOURCE_OPTIONS,
    *_SCHEDULE_OPTIONS,
)

# Names in old example files that no release has ever read, and the options to
# use instead.
NEVER_READ = {
    f"disable-{axis}-{direction}-scaling": f"enable-{axis}-{direction}-scaling: false"
    for axis in ("reads", "writes")
    for direction in ("up", "down")
}


def of_section(section: str) -> tuple[Option, ...]:
    """The options of a section of this kind, in the order of the reference."""
    if section not in _OF_SECTION:  # there may be thousands of sections of few kinds
        _OF_SECTION[section] = tuple(option for option in OPTIONS if section in option.sections)
    return _OF_SECTION[section]


_OF_SECTION: "dict[str, tuple[Option, ...]]" = {}
