"""CloudWatch's answers, good and bad, against small clients that are written here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.aws.cloudwatch import Measured, Request, Statistics
from dynamic_dynamodb.aws.errors import AwsError
from dynamic_dynamodb.aws.series import Metrics
from dynamic_dynamodb.decisions.calculator import decide
from dynamic_dynamodb.decisions.model import AXES, Axis, Policy, Resource, Target, Throughput, Usage, minute_of

NOW = datetime(2026, 1, 31, 12, 0, 42, 987654, tzinfo=timezone.utc)
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
START = NOON - timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
MINUTES = [START + minute * MINUTE for minute in range(5)]
TABLE, OTHER = Target("my_table"), Target("other")
INDEX = Target("my_table", "my_index")
READS, WRITES = "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"
READS_THROTTLED, WRITES_THROTTLED = "ReadThrottleEvents", "WriteThrottleEvents"

NAN, INFINITY = float("nan"), float("inf")

Answer = dict[str, Any]
Key = tuple[Target, str]  # which metric of which target


class RefusedError(Exception):
    """What botocore's ClientError looks like."""

    def __init__(self, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


class CloudWatch:
    """Every metric is a list of sums from the window's begin; `results` replaces what is said of one of them."""

    def __init__(self, series: dict[Key, Sequence[Any]] | None = None) -> None:
        self.series = series or {}
        self.results: dict[Key, list[Any]] = {}  # one a page
        self.refusal: Exception | None = None
        self.data: list[Answer] = []  # the calls
        self.statistics: list[Answer] = []
        self.statistics_refusal: Exception | None = None
        self.statistics_answer: Any = None

    def get_metric_data(self, **arguments: Any) -> Answer:
        self.data.append(arguments)
        if self.refusal:
            raise self.refusal
        page = int(arguments.get("NextToken", "page 0")[5:])
        answer: Answer = {"MetricDataResults": []}
        for query in arguments["MetricDataQueries"]:
            pages = self.results.get(key_of(query["MetricStat"]["Metric"]))
            if pages is None:
                pages = [complete(self._sums(query["MetricStat"]["Metric"]), minutes_from(arguments["StartTime"]))]
            if page < len(pages) and pages[page] is not None:
                result = pages[page]
                answer["MetricDataResults"].append(
                    {"Id": query["Id"], **result} if isinstance(result, dict) else result
                )
            if page + 1 < len(pages):
                answer["NextToken"] = f"page {page + 1}"
        return answer

    def get_metric_statistics(self, **arguments: Any) -> Any:
        self.statistics.append(arguments)
        if self.statistics_refusal:
            raise self.statistics_refusal
        if self.statistics_answer is not None:
            return self.statistics_answer
        points = [
            {"Timestamp": at, "Sum": value, "Unit": "Count"}
            for at, value in zip(minutes_from(arguments["StartTime"]), self._sums(arguments), strict=False)
        ]
        return {"Datapoints": points[::-1]}  # in no order, as AWS does

    def _sums(self, metric: Answer) -> Sequence[Any]:
        return self.series.get(key_of(metric), ())


def minutes_from(start: datetime) -> list[datetime]:
    return [start + timedelta(minutes=minute) for minute in range(5)]


def key_of(metric: Answer) -> Key:
    names = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
    return Target(names["TableName"], names.get("GlobalSecondaryIndexName")), metric["MetricName"]


def complete(values: Sequence[Any], times: Sequence[Any] = MINUTES, status: str = "Complete") -> Answer:
    return {"StatusCode": status, "Timestamps": list(times[: len(values)]), "Values": list(values)}


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(threads=4)
    yield pool
    pool.close()


def of_all(measured: Mapping[Target, Measured | AwsError]) -> dict[Target, tuple[Usage, Usage] | AwsError]:
    return {target: one if isinstance(one, AwsError) else one.usages for target, one in measured.items()}


@pytest.fixture
def measure(workers: Workers) -> Callable[..., dict[Target, tuple[Usage, Usage] | AwsError]]:
    def measure(cloudwatch: Any, *requests: Request) -> dict[Target, tuple[Usage, Usage] | AwsError]:
        return of_all(Statistics(Metrics(cloudwatch, workers)).measure(requests, NOW))

    return measure


Measure = Callable[..., dict[Target, Any]]


def request(
    target: Target = TABLE,
    start: int = 15,
    period: int = 5,
    throttled: tuple[Axis, ...] = (),
    last_increase: datetime | None = None,
) -> Request:
    return Request(Resource(target, "ACTIVE", Throughput(100, 50), last_increase), start, period, throttled)


# What is asked for


def test_one_call_with_the_window_and_the_metrics(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    measure(cloudwatch, request())
    (call,) = cloudwatch.data
    assert (call["StartTime"], call["EndTime"]) == (NOON - timedelta(minutes=15), NOON - timedelta(minutes=10))
    assert set(call) == {"StartTime", "EndTime", "MetricDataQueries"}
    dimensions = [{"Name": "TableName", "Value": "my_table"}]
    assert [query["MetricStat"] for query in call["MetricDataQueries"]] == [
        {
            "Metric": {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions},
            "Period": 60,
            "Stat": "Sum",
        }
        for metric in (READS, WRITES)
    ]
    ids = [query["Id"] for query in call["MetricDataQueries"]]
    assert len(set(ids)) == 2
    assert all(one[0].islower() and one.isalnum() for one in ids)  # what CloudWatch demands of an Id


@pytest.mark.parametrize(
    "now",
    [NOON, NOON.replace(second=59, microsecond=999999), NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))],
)
def test_now_is_rounded_down_to_the_minute(workers: Workers, now: datetime) -> None:
    cloudwatch = CloudWatch()
    of_all(Statistics(Metrics(cloudwatch, workers)).measure([request(start=5, period=5)], now))
    assert (cloudwatch.data[0]["StartTime"], cloudwatch.data[0]["EndTime"]) == (NOON - timedelta(minutes=5), NOON)


def test_an_index_has_both_dimensions(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    measure(cloudwatch, request(INDEX))
    assert cloudwatch.data[0]["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"] == [
        {"Name": "TableName", "Value": "my_table"},
        {"Name": "GlobalSecondaryIndexName", "Value": "my_index"},
    ]


@pytest.mark.parametrize(
    ("axes", "metrics"),
    [
        ((), [READS, WRITES]),
        (("reads",), [READS, WRITES, READS_THROTTLED]),
        (("writes",), [READS, WRITES, WRITES_THROTTLED]),
        (AXES, [READS, WRITES, READS_THROTTLED, WRITES_THROTTLED]),
    ],
    ids=["none", "reads", "writes", "both"],
)
def test_throttled_events_only_where_they_are_used(
    measure: Measure, axes: tuple[Axis, ...], metrics: list[str]
) -> None:
    cloudwatch = CloudWatch()
    measure(cloudwatch, request(throttled=axes))
    asked = [query["MetricStat"]["Metric"]["MetricName"] for query in cloudwatch.data[0]["MetricDataQueries"]]
    assert asked == metrics


@pytest.mark.parametrize(
    ("resources", "axes", "sizes"),
    [
        (0, AXES, []),
        (1, AXES, [4]),
        (100, AXES, [400]),
        (125, AXES, [500]),
        (126, AXES, [500, 4]),
        (250, (), [500]),
        (2000, AXES, [500] * 16),
    ],
)
def test_500_queries_a_call(measure: Measure, resources: int, axes: tuple[Axis, ...], sizes: list[int]) -> None:
    targets = [Target(f"table_{number}") for number in range(resources)]
    cloudwatch = CloudWatch({(target, READS): [number] for number, target in enumerate(targets)})
    measured = measure(cloudwatch, *(request(target, throttled=axes) for target in targets))
    assert sorted((len(call["MetricDataQueries"]) for call in cloudwatch.data), reverse=True) == sizes
    assert [measured[target][0].consumed for target in targets] == list(range(resources))


def test_different_windows_in_different_calls(measure: Measure) -> None:
    cloudwatch = CloudWatch({(TABLE, READS): [1], (OTHER, READS): [2], (INDEX, READS): [3]})
    later = request(OTHER, start=10, period=10)
    longer = request(Target("third"), period=6)  # begins with the first, ends after it
    measured = measure(cloudwatch, request(), later, request(INDEX), longer)
    calls = {(call["StartTime"], call["EndTime"]): len(call["MetricDataQueries"]) for call in cloudwatch.data}
    ten = timedelta(minutes=10)
    assert calls == {(START, NOON - ten): 4, (NOON - ten, NOON): 2, (START, NOON - timedelta(minutes=9)): 2}
    assert [(measured[one][0].consumed, measured[one][0].seconds) for one in (TABLE, OTHER, INDEX)] == [
        (1, 300),
        (2, 600),
        (3, 300),
    ]


# Windows of a day or more


def asked(cloudwatch: CloudWatch, metric: str) -> list[tuple[str, str, int]]:
    """Begin, end and period of each query of a metric."""
    return [
        (f"{call['StartTime']:%d %H:%M}", f"{call['EndTime']:%d %H:%M}", query["MetricStat"]["Period"])
        for call in cloudwatch.data
        for query in call["MetricDataQueries"]
        if query["MetricStat"]["Metric"]["MetricName"] == metric
    ]


@pytest.mark.parametrize(
    ("now", "start", "period", "consumed", "throttled", "minutes"),
    [
        ("12:07", 1439, 1439, ("30 12:08", "31 12:07", 60), ("30 12:08", "31 12:07", 60), 1439),
        ("12:00", 1440, 1440, ("30 12:00", "31 12:00", 300), ("30 12:00", "31 12:00", 60), 1440),
        ("12:07", 1440, 1440, ("30 12:05", "31 12:05", 300), ("30 12:07", "31 12:07", 60), 1440),
        ("12:09", 1443, 1443, ("30 12:05", "31 12:05", 300), ("30 12:06", "31 12:09", 60), 1440),
        ("12:06", 1443, 1443, ("30 12:00", "31 12:05", 300), ("30 12:03", "31 12:06", 60), 1445),
        ("12:07", 1728, 1728, ("30 07:18", "31 12:06", 360), ("30 07:19", "31 12:07", 60), 1728),
        ("12:59", 20160, 20160, ("17 12:00", "31 12:00", 3600), ("17 12:59", "31 12:59", 60), 20160),
        ("12:07", 20160, 5, ("17 12:07", "17 12:12", 60), ("17 12:07", "17 12:12", 60), 5),
    ],
)
def test_windows_of_a_day_or_more_in_longer_steps(
    workers: Workers,
    now: str,
    start: int,
    period: int,
    consumed: tuple[str, str, int],
    throttled: tuple[str, str, int],
    minutes: int,
) -> None:
    """Consumption, both ends rounded down to whole steps. Throttled events keep their minutes."""
    cloudwatch = CloudWatch()
    moment = NOON.replace(hour=int(now[:2]), minute=int(now[3:]))
    measured = of_all(
        Statistics(Metrics(cloudwatch, workers)).measure([request(start=start, period=period, throttled=AXES)], moment)
    )
    assert asked(cloudwatch, READS) == asked(cloudwatch, WRITES) == [consumed]
    assert asked(cloudwatch, READS_THROTTLED) == asked(cloudwatch, WRITES_THROTTLED) == [throttled]
    usages = measured[TABLE]
    assert not isinstance(usages, AwsError)
    assert [usage.seconds for usage in usages] == [60 * minutes] * 2


WEEKS = st.integers(1440, 21600)


@given(WEEKS, WEEKS, st.integers(0, 59))
def test_steps_divide_both_ends_and_shift_them_by_a_288th(start: int, period: int, minute: int) -> None:
    start, period = max(start, period), min(start, period)
    now = minute_of(NOON) + minute
    query = next(iter(request(start=start, period=period).queries(now)))
    exact = now - start
    assert query.step in {5, 6, 10, 12, 15, 20, 30, 60}
    for rounded, end in ((query.start, exact), (query.end, exact + period)):
        assert rounded % query.step == 0
        assert 0 <= end - rounded < period / 288
    assert 287 <= query.points <= 577


class Steady(CloudWatch):
    """Each minute has a sum of 1, as the model has it: each period the sum of its minutes, on pages of its own size."""

    def get_metric_data(self, **arguments: Any) -> Answer:
        self.data.append(arguments)
        start, minutes = arguments["StartTime"], (arguments["EndTime"] - arguments["StartTime"]) // MINUTE
        results = []
        for query in arguments["MetricDataQueries"]:
            step = query["MetricStat"]["Period"] // 60
            hot = "KeyRange" in query["MetricStat"]["Metric"]["MetricName"]
            times = [] if hot else [start + minute * MINUTE for minute in range(0, minutes, step)]
            results.append({"Id": query["Id"], **complete([step] * len(times), times)})
        return {"MetricDataResults": results}


def test_no_call_asks_for_more_than_50000_points_and_none_is_lost(measure: Measure) -> None:
    cloudwatch = Steady()
    tables = [Target(f"table_{number}") for number in range(60)]
    measured = measure(cloudwatch, *(request(table, start=1439, period=1439) for table in tables))
    assert [usages[0].consumed for usages in measured.values()] == [1439] * 60
    assert sorted(len(call["MetricDataQueries"]) for call in cloudwatch.data) == [18, 34, 34, 34]


def test_a_fortnight_keeps_few_points(measure: Measure) -> None:
    cloudwatch = Steady()
    usage = measure(cloudwatch, request(start=20160, period=20160, throttled=("writes",), last_increase=START))[TABLE]
    assert (usage[0].consumed, usage[0].rate) == (20160, Fraction(1, 60))
    assert (usage[1].throttled, usage[1].answered) == (15, 20145)
    points = {READS: 336, WRITES: 336, WRITES_THROTTLED: 20160}
    for metric, count in points.items():
        (_, _, period), = asked(cloudwatch, metric)  # fmt: skip
        assert 20160 * 60 / period == count


# What is made of it


def test_usage_of_both_axes(measure: Measure) -> None:
    cloudwatch = CloudWatch(
        {
            (TABLE, READS): [300.0, 600.0, 0.0],
            (TABLE, WRITES): [10],
            (TABLE, READS_THROTTLED): [1.0, 2.0],
            (TABLE, WRITES_THROTTLED): [7.0],
        }
    )
    reads, writes = measure(cloudwatch, request(throttled=AXES))[TABLE]
    assert reads == Usage(100, Fraction(900), Fraction(3), 300)
    assert writes == Usage(50, Fraction(10), Fraction(7), 300)
    assert (reads.rate, reads.consumed_percent) == (3, 3)


def test_no_datapoint_is_nothing_consumed(measure: Measure) -> None:
    assert measure(CloudWatch(), request(throttled=AXES))[TABLE] == (Usage(100, Fraction(0), Fraction(0), 300), Usage(50, Fraction(0), Fraction(0), 300))  # fmt: skip # noqa: E501


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([0.1] * 3, "0.3"),
        ([0.1, 0.2], "0.3"),
        ([1e16, 0.1, 1e-16], "10000000000000000.1000000000000001"),
        ([659.9, 660.1, 659.3, 660.7, 660.0], "3300"),
        ([1e308] * 5, "5e308"),
        ([5e-324], "5e-324"),
        ([10**40, 1], str(10**40 + 1)),
        ([0, 0.0], "0"),
    ],
)
def test_sums_are_exact(measure: Measure, values: list[float], total: str) -> None:
    assert measure(CloudWatch({(TABLE, READS): values}), request())[TABLE][0].consumed == Fraction(total)


def test_a_threshold_that_five_float_minutes_reach_exactly(measure: Measure) -> None:
    """27.5 % of 40 is 11 a second; as floats these minutes add up to less."""
    minutes = [659.9, 660.1, 659.3, 660.7, 660.0]
    usage = measure(CloudWatch({(TABLE, READS): minutes}), request())[TABLE][0]
    policy = Policy("reads", upper_threshold=Fraction("27.5"), lower_threshold=Fraction(0))
    assert decide(policy, Usage(40, usage.consumed, usage.throttled, usage.seconds), 0).units == 60


@pytest.mark.parametrize(
    ("last_increase", "events"),
    [
        (None, 31),
        (START - timedelta(days=1), 31),
        (MINUTES[0], 31),
        (MINUTES[0] + timedelta(microseconds=1), 30),
        (MINUTES[2] - timedelta(seconds=1), 28),
        (MINUTES[2], 28),  # this minute began with the increase, not before it
        (MINUTES[2] + timedelta(seconds=1), 24),
        (NOON, 0),
        (MINUTES[2].astimezone(timezone(timedelta(hours=-8))), 28),
    ],
)
@pytest.mark.parametrize("axis", [0, 1], ids=AXES)
def test_events_before_the_last_increase_are_answered(
    measure: Measure, axis: int, last_increase: datetime | None, events: int
) -> None:
    metrics = ((READS, READS_THROTTLED), (WRITES, WRITES_THROTTLED))[axis]
    cloudwatch = CloudWatch({(TABLE, metrics[0]): [100] * 5, (TABLE, metrics[1]): [1, 2, 4, 8, 16]})
    usage = measure(cloudwatch, request(throttled=AXES, last_increase=last_increase))[TABLE][axis]
    assert (usage.throttled, usage.consumed, usage.seconds) == (events, 500, 300)
    assert usage.throttled_all == 31


@pytest.mark.parametrize(
    ("last_increase", "increased", "events"),
    [
        (None, {"reads": MINUTES[2]}, (28, 31)),  # each axis its own
        (None, {"reads": MINUTES[2], "writes": MINUTES[4]}, (28, 16)),
        (MINUTES[1], {"reads": MINUTES[2], "writes": MINUTES[4]}, (30, 30)),  # what DescribeTable says comes first
    ],
)
def test_our_own_increases_count_where_describe_table_tells_of_none(
    measure: Measure, last_increase: datetime | None, increased: dict[Axis, datetime], events: tuple[int, int]
) -> None:
    cloudwatch = CloudWatch({(TABLE, metric): [1, 2, 4, 8, 16] for metric in (READS_THROTTLED, WRITES_THROTTLED)})
    asked = replace(request(throttled=AXES, last_increase=last_increase), increased=increased)
    usages = measure(cloudwatch, asked)[TABLE]
    assert tuple(usage.throttled for usage in usages) == events
    assert [usage.throttled_all for usage in usages] == [31, 31]


# One point a minute, of the window

SECOND = timedelta(seconds=1)
POINTS: list[tuple[list[tuple[datetime, float]], int]] = [
    ([(MINUTES[0], 7), (MINUTES[0], 7)], 7),
    ([(MINUTES[0], 3), (MINUTES[0], 9), (MINUTES[0], 5)], 9),
    ([(MINUTES[1], 0), (MINUTES[1], 4)], 4),
    ([(MINUTES[2], 6), (MINUTES[2] + 30 * SECOND, 8)], 8),
    ([(MINUTES[0], 6), (MINUTES[0].astimezone(timezone(timedelta(hours=9))), 8)], 8),
    ([(MINUTES[0] - MINUTE, 100), (MINUTES[0], 1), (MINUTES[4], 2), (MINUTES[4] + MINUTE, 100)], 3),
    ([(MINUTES[0] - SECOND, 100), (MINUTES[4] + 59 * SECOND, 2)], 2),
    ([(NOON, 100), (NOON + timedelta(days=9000), 100), (NOON - timedelta(days=9000), 100)], 0),
    ([(datetime.min.replace(tzinfo=timezone.utc), 100), (datetime.max.replace(tzinfo=timezone.utc), 100)], 0),
]


@pytest.mark.parametrize("older", [False, True], ids=["GetMetricData", "GetMetricStatistics"])
@pytest.mark.parametrize(("points", "total"), POINTS)
def test_one_point_a_minute_of_the_window(
    measure: Measure, points: list[tuple[datetime, float]], total: int, older: bool
) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied() if older else None
    times, values = [at for at, _ in points], [value for _, value in points]
    cloudwatch.results[(TABLE, READS)] = [complete(values, times)]
    cloudwatch.statistics_answer = {"Datapoints": [{"Timestamp": at, "Sum": value} for at, value in points]}
    assert measure(cloudwatch, request())[TABLE][0].consumed == total


def test_a_minute_on_two_pages_counts_once(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    both = [complete([1, 2], status="PartialData"), complete([9, 4], MINUTES[1:])]
    cloudwatch.results.update({(TABLE, READS): both, (TABLE, READS_THROTTLED): both})
    usage = measure(cloudwatch, request(throttled=("reads",), last_increase=MINUTES[1]))[TABLE][0]
    assert (usage.consumed, usage.answered, usage.throttled) == (14, 1, 13)


# Hot key ranges

HOT = {"reads": "ReadKeyRangeThroughputThrottleEvents", "writes": "WriteKeyRangeThroughputThrottleEvents"}


@pytest.mark.parametrize(
    ("events", "hot", "last_increase", "throttled", "answered", "by_a_hot_range"),
    [
        ([100, 0, 0, 0, 0], [80, 0, 0, 0, 0], None, 20, 0, 80),
        ([100, 50], [100, 20], None, 30, 0, 120),
        ([100, 50], [120, 20], None, 30, 0, 120),  # never below 0 in a minute
        ([100, 50], [0, 70], None, 100, 0, 50),
        ([100, 50], [], None, 150, 0, 0),
        ([0.3], [0.1], None, Fraction(1, 5), 0, Fraction(1, 10)),
        ([10, 20, 40, 80, 160], [1, 2, 4, 8, 16], MINUTES[2], 252, 27, 31),
    ],
)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("older", [False, True], ids=["GetMetricData", "GetMetricStatistics"])
def test_what_a_hot_key_range_throttled_counts_apart(
    measure: Measure,
    events: list[float],
    hot: list[float],
    last_increase: datetime | None,
    throttled: Any,
    answered: int,
    by_a_hot_range: Any,
    axis: Axis,
    older: bool,
) -> None:
    number = AXES.index(axis)
    cloudwatch = CloudWatch({(TABLE, (READS_THROTTLED, WRITES_THROTTLED)[number]): events, (TABLE, HOT[axis]): hot})
    cloudwatch.refusal = denied() if older else None
    usages = measure(cloudwatch, request(throttled=AXES, last_increase=last_increase))[TABLE]
    assert (usages[number].throttled, usages[number].answered, usages[number].hot) == (
        throttled,
        answered,
        by_a_hot_range,
    )
    assert usages[number].throttled_ever == sum(map(Fraction, map(str, events)))
    assert usages[1 - number].throttled_ever == 0


def test_hot_key_ranges_are_asked_for_where_something_was_throttled(measure: Measure) -> None:
    cloudwatch = CloudWatch({(TABLE, READS_THROTTLED): [0, 1], (INDEX, WRITES_THROTTLED): [2], (OTHER, READS): [3]})
    cloudwatch.series[OTHER, READS_THROTTLED] = [0]
    measure(cloudwatch, *(request(target, throttled=AXES) for target in (TABLE, INDEX, OTHER)))
    first, second = cloudwatch.data
    assert len(first["MetricDataQueries"]) == 12
    asked = [key_of(query["MetricStat"]["Metric"]) for query in second["MetricDataQueries"]]
    assert asked == [(TABLE, HOT["reads"]), (INDEX, HOT["writes"])]
    assert (second["StartTime"], second["EndTime"]) == (first["StartTime"], first["EndTime"])


@pytest.mark.parametrize("bad", [None, complete([NAN]), complete([1], status="InternalError")])
def test_hot_key_ranges_that_are_not_known_are_a_failure_of_that_resource(measure: Measure, bad: Any) -> None:
    """Without them a hot key would look like lack of capacity, which costs."""
    cloudwatch = CloudWatch({(TABLE, READS_THROTTLED): [1], (INDEX, READS_THROTTLED): [1]})
    cloudwatch.results[TABLE, HOT["reads"]] = [bad]
    measured = measure(cloudwatch, request(throttled=AXES), request(INDEX, throttled=AXES))
    assert isinstance(measured[TABLE], AwsError)
    assert measured[INDEX][0].throttled == 1


# Pages


def test_pages_are_put_together(measure: Measure) -> None:
    cloudwatch = CloudWatch({(TABLE, WRITES): [5]})
    cloudwatch.results[(TABLE, READS)] = [
        complete([1, 2], status="PartialData"),
        None,
        complete([4, 8], MINUTES[2:]),
    ]
    assert measure(cloudwatch, request())[TABLE][0].consumed == 15
    assert [call.get("NextToken") for call in cloudwatch.data] == [None, "page 1", "page 2"]
    first, *later = [{key: value for key, value in call.items() if key != "NextToken"} for call in cloudwatch.data]
    assert later == [first, first]


def test_still_partial_is_a_failure_of_that_resource_alone(measure: Measure) -> None:
    cloudwatch = CloudWatch({(OTHER, READS): [7]})
    cloudwatch.results[(TABLE, READS)] = [complete([1], status="PartialData")] * 2
    measured = measure(cloudwatch, request(), request(OTHER))
    assert isinstance(measured[TABLE], AwsError)
    assert "GetMetricData failed: PartialData" in str(measured[TABLE])
    assert measured[OTHER][0].consumed == 7


# What is not complete is asked for once more


class Mending(CloudWatch):
    """Says of one metric another thing each time it is asked for it."""

    def __init__(self, key: Key, *statuses: str) -> None:
        super().__init__({key: [5], (OTHER, READS): [7]})
        self.key, self.statuses = key, list(statuses)

    def get_metric_data(self, **arguments: Any) -> Answer:
        self.results.pop(self.key, None)
        if any(key_of(query["MetricStat"]["Metric"]) == self.key for query in arguments["MetricDataQueries"]):
            self.results[self.key] = [complete([5], status=self.statuses.pop(0))]
        return super().get_metric_data(**arguments)

    @property
    def asked(self) -> list[list[Key]]:
        """The metrics of each call."""
        return [[key_of(query["MetricStat"]["Metric"]) for query in call["MetricDataQueries"]] for call in self.data]


@pytest.mark.parametrize("key", [(TABLE, READS), (TABLE, WRITES_THROTTLED), (INDEX, WRITES)])
@pytest.mark.parametrize("status", ["InternalError", "PartialData"])
def test_what_is_not_complete_is_asked_for_once_more(measure: Measure, key: Key, status: str) -> None:
    cloudwatch = Mending(key, status, "Complete")
    measured = measure(cloudwatch, request(throttled=AXES), request(INDEX), request(OTHER))
    assert not any(isinstance(one, AwsError) for one in measured.values())
    first, second = cloudwatch.asked[:2]
    assert (len(first), second) == (8, [key])
    assert measured[OTHER][0].consumed == 7
    assert key[1] != READS or measured[TABLE][0].consumed == 5


def test_not_more_than_once_more(measure: Measure) -> None:
    cloudwatch = Mending((TABLE, READS), "InternalError", "PartialData", "Complete")
    assert "GetMetricData failed: PartialData" in str(measure(cloudwatch, request())[TABLE])
    assert len(cloudwatch.data) == 2


@pytest.mark.parametrize("status", ["Forbidden", "SLEEPING"])
def test_what_asking_again_cannot_mend_is_not_asked_for_again(measure: Measure, status: str) -> None:
    cloudwatch = Mending((TABLE, READS), status, "Complete")
    assert f"GetMetricData failed: {status}" in str(measure(cloudwatch, request())[TABLE])
    assert len(cloudwatch.data) == 1


class Circling(CloudWatch):
    """Never says the last page."""

    def __init__(self, tokens: Callable[[int], str]) -> None:
        super().__init__()
        self.tokens = tokens

    def get_metric_data(self, **arguments: Any) -> Answer:
        self.data.append(arguments)
        results = [{"Id": query["Id"], **complete([1])} for query in arguments["MetricDataQueries"]]
        return {"MetricDataResults": results, "NextToken": self.tokens(len(self.data))}


@pytest.mark.parametrize(
    ("tokens", "calls"),
    [
        (lambda _call: "again", 2),
        (lambda call: "ab"[call % 2], 3),
        (lambda call: f"page {call}", 1000),
    ],
    ids=["one token", "two tokens in turn", "ever new tokens"],
)
def test_pages_without_end_are_a_failure(measure: Measure, tokens: Callable[[int], str], calls: int) -> None:
    cloudwatch = Circling(tokens)
    assert "no usable end of pages" in str(measure(cloudwatch, request())[TABLE])
    assert len(cloudwatch.data) == calls


# Bad answers

BAD_RESULTS: dict[str, Any] = {
    "missing": None,
    "no dict": "Complete",
    "a list": [1],
    "an Id that is a list": complete([1]) | {"Id": []},
    "another Id": complete([1]) | {"Id": "m99"},
    "no status": {"Timestamps": [], "Values": []},
    "an unknown status": complete([], status="InternalError"),
    "a status that is a list": {"StatusCode": [], "Timestamps": [], "Values": []},
    "no timestamps": {"StatusCode": "Complete", "Values": []},
    "no values": {"StatusCode": "Complete", "Timestamps": []},
    "values null": {"StatusCode": "Complete", "Timestamps": [], "Values": None},
    "more values": {"StatusCode": "Complete", "Timestamps": MINUTES[:1], "Values": [1, 2]},
    "more timestamps": {"StatusCode": "Complete", "Timestamps": MINUTES[:2], "Values": [1]},
    "NaN": complete([NAN]),
    "an integer beyond all floats": complete([10**400]),
    "infinite": complete([INFINITY]),
    "negative": complete([-0.1]),
    "text": complete(["1"]),
    "true": complete([True]),
    "null": complete([None]),
    "a timestamp that is text": complete([1], ["2026-01-31T12:00:00Z"]),
    "a timestamp without a zone": complete([1], [MINUTES[0].replace(tzinfo=None)]),
    "a timestamp null": complete([1], [None]),
}


@pytest.mark.parametrize("metric", [READS, WRITES, READS_THROTTLED, WRITES_THROTTLED])
@pytest.mark.parametrize("bad", BAD_RESULTS.values(), ids=BAD_RESULTS)
def test_a_bad_result_spoils_its_resource_alone(measure: Measure, bad: Any, metric: str) -> None:
    cloudwatch = CloudWatch({(OTHER, READS): [7]})
    cloudwatch.results[(TABLE, metric)] = [bad]
    measured = measure(cloudwatch, request(throttled=AXES), request(OTHER, throttled=AXES), request(INDEX))
    assert isinstance(measured[TABLE], AwsError)
    assert measured[TABLE].operation == "GetMetricData"
    assert measured[OTHER][0].consumed == 7
    assert measured[INDEX][0].consumed == 0


def test_a_bad_page_is_not_mended_by_a_good_one(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.results[(TABLE, READS)] = [complete([NAN], status="PartialData"), complete([1])]
    assert isinstance(measure(cloudwatch, request())[TABLE], AwsError)


class Answering:
    """Gives one answer, whatever it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_metric_data(self, **_arguments: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, "no usable MetricDataResults"),
        ([], "no usable MetricDataResults"),
        ({}, "no usable MetricDataResults"),
        ({"MetricDataResults": {}}, "no usable MetricDataResults"),
        ({"MetricDataResults": []}, "no usable result for a requested metric"),
        (RefusedError("Throttling", "Rate exceeded"), "GetMetricData failed: Throttling: Rate exceeded"),
        (KeyError("parser"), "GetMetricData failed: bad answer: boto3 cannot read it (KeyError: 'parser')"),
    ],
    ids=["null", "list", "empty", "dict", "no result", "refused", "unforeseen"],
)
def test_an_unusable_answer_fails_all_it_was_asked_for(measure: Measure, answer: Any, text: str) -> None:
    measured = measure(Answering(answer), request(), request(INDEX))
    assert all(text in str(measured[target]) for target in (TABLE, INDEX))


class FailingOnce(CloudWatch):
    """Refuses the call that asks for one table."""

    def get_metric_data(self, **arguments: Any) -> Answer:
        if any(key_of(query["MetricStat"]["Metric"])[0] == OTHER for query in arguments["MetricDataQueries"]):
            raise RefusedError("InternalServiceFault")
        return super().get_metric_data(**arguments)


def test_a_failed_call_leaves_the_others(measure: Measure) -> None:
    measured = measure(FailingOnce({(TABLE, READS): [3]}), request(), request(OTHER, start=5))
    assert measured[TABLE][0].consumed == 3
    assert isinstance(measured[OTHER], AwsError)


class Choosy(CloudWatch):
    """Takes no call that asks for one of these."""

    def __init__(self, bad: Collection[Target], code: str = "ValidationError") -> None:
        super().__init__()
        self.bad = bad
        self.code = code

    def get_metric_data(self, **arguments: Any) -> Answer:
        answer = super().get_metric_data(**arguments)
        if any(key_of(query["MetricStat"]["Metric"])[0] in self.bad for query in arguments["MetricDataQueries"]):
            raise RefusedError(self.code, "The value for parameter Dimensions is not valid")
        return answer


@pytest.mark.parametrize("code", ["ValidationError", "ValidationException", "InvalidParameterValue"])
@pytest.mark.parametrize("bad", [{0}, {249}, {100, 101}, {3, 77, 140, 200}, set(range(600, 607))])
def test_one_bad_query_spoils_its_resource_alone(measure: Measure, bad: set[int], code: str) -> None:
    """A call that CloudWatch does not take is made again in halves."""
    targets = [Target(f"table_{number}") for number in range(1000)]
    cloudwatch = Choosy({targets[number] for number in bad}, code)
    measured = measure(cloudwatch, *(request(one) for one in targets))
    failed = {number for number, one in enumerate(targets) if isinstance(measured[one], AwsError)}
    assert failed == bad
    assert len(cloudwatch.data) <= 4 + 16 * len(bad)
    assert all(f"GetMetricData failed: {code}: The value for" in str(measured[targets[number]]) for number in bad)


def test_where_no_query_is_taken_the_halving_has_an_end(measure: Measure) -> None:
    targets = [Target(f"table_{number}") for number in range(1000)]
    cloudwatch = Choosy(targets)
    measured = measure(cloudwatch, *(request(one) for one in targets))
    assert all(isinstance(one, AwsError) for one in measured.values())
    assert len(cloudwatch.data) <= 4 + 128


@pytest.mark.parametrize("code", ["InternalServiceFault", "Throttling", "AccessDenied"])
def test_other_refusals_are_not_asked_in_halves(measure: Measure, code: str) -> None:
    targets = [Target(f"table_{number}") for number in range(250)]
    cloudwatch = Choosy({targets[7]}, code)
    measure(cloudwatch, *(request(one) for one in targets))
    assert len(cloudwatch.data) == 1


# GetMetricStatistics, where GetMetricData is denied


def denied(code: str = "AccessDenied") -> RefusedError:
    return RefusedError(code, "User: x is not authorized to perform: cloudwatch:GetMetricData")


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_denied_is_noticed_once_and_remembered(workers: Workers, caplog: pytest.LogCaptureFixture, code: str) -> None:
    cloudwatch = CloudWatch({(TABLE, READS): [0.1, 0.2], (INDEX, WRITES): [5], (TABLE, READS_THROTTLED): [1, 2]})
    cloudwatch.refusal = denied(code)
    statistics = Statistics(Metrics(cloudwatch, workers))
    requests = [request(throttled=("reads",), last_increase=MINUTES[1]), request(INDEX)]
    with caplog.at_level(logging.DEBUG):
        for _check in range(3):
            measured = of_all(statistics.measure(requests, NOW))
            assert measured[TABLE] == (Usage(100, Fraction("0.3"), Fraction(2), 300, Fraction(1), increased=MINUTES[1]), Usage(50, Fraction(0), Fraction(0), 300))  # fmt: skip # noqa: E501
            assert measured[INDEX] == (Usage(100, Fraction(0), Fraction(0), 300), Usage(50, Fraction(5), Fraction(0), 300))  # fmt: skip # noqa: E501
    assert len(cloudwatch.data) == 1
    assert len(cloudwatch.statistics) == 3 * 6  # the sixth is of hot key ranges, since something was throttled
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "cloudwatch:GetMetricData" in record.message
    assert "GetMetricStatistics" in record.message


def checks(statistics: Statistics, cloudwatch: CloudWatch, *minutes: float) -> list[tuple[int, int, bool]]:
    """Calls of GetMetricData and GetMetricStatistics, and whether it was measured, of checks so many minutes on."""
    seen = []
    for minute in minutes:
        cloudwatch.data.clear()
        cloudwatch.statistics.clear()
        measured = of_all(statistics.measure([request()], NOW + timedelta(minutes=minute)))
        seen.append((len(cloudwatch.data), len(cloudwatch.statistics), not isinstance(measured[TABLE], AwsError)))
    return seen


def test_denied_is_asked_for_again_each_hour(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    statistics = Statistics(Metrics(cloudwatch, workers))
    with caplog.at_level(logging.INFO):
        seen = checks(statistics, cloudwatch, 0, 5, 59, 60, 65, 119, 125)
        assert seen == [(1, 2, True), *[(0, 2, True)] * 2, (1, 2, True), *[(0, 2, True)] * 2, (1, 2, True)]
        assert len(caplog.records) == 1
        cloudwatch.refusal = None
        assert checks(statistics, cloudwatch, 130, 185, 190) == [(0, 2, True), (1, 0, True), (1, 0, True)]
        assert [record.getMessage() for record in caplog.records[1:]] == [
            "GetMetricData is no longer denied: it is used again"
        ]
        cloudwatch.refusal = denied()
        assert checks(statistics, cloudwatch, 195) == [(1, 2, True)]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


def test_denied_both_ways_is_asked_for_again_in_the_next_check(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal, cloudwatch.statistics_refusal = denied(), RefusedError("AccessDenied")
    statistics = Statistics(Metrics(cloudwatch, workers))
    assert checks(statistics, cloudwatch, 0, 5) == [(1, 2, False)] * 2
    cloudwatch.refusal = None
    assert checks(statistics, cloudwatch, 10, 15) == [(1, 0, True)] * 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_clock_set_back_does_not_put_it_off(workers: Workers) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    assert checks(Statistics(Metrics(cloudwatch, workers)), cloudwatch, 0, -1440, -1439) == [
        (1, 2, True),
        (1, 2, True),
        (0, 2, True),
    ]


def test_nothing_asked_tells_nothing_of_the_permission(workers: Workers) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    statistics = Statistics(Metrics(cloudwatch, workers))
    checks(statistics, cloudwatch, 0)
    assert of_all(statistics.measure([], NOW + timedelta(hours=2))) == {}
    assert checks(statistics, cloudwatch, 30) == [(0, 2, True)]


def test_denied_in_several_calls_at_once_is_said_once(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    requests = [request(Target(f"table_{number}")) for number in range(2000)]
    measured = of_all(Statistics(Metrics(cloudwatch, workers)).measure(requests, NOW))
    assert len(caplog.records) == 1
    assert not any(isinstance(one, AwsError) for one in measured.values())


def test_the_arguments_of_statistics(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    measure(cloudwatch, request(INDEX))
    assert sorted(cloudwatch.statistics, key=lambda call: str(call["MetricName"])) == [
        {
            "Namespace": "AWS/DynamoDB",
            "MetricName": metric,
            "Dimensions": [
                {"Name": "TableName", "Value": "my_table"},
                {"Name": "GlobalSecondaryIndexName", "Value": "my_index"},
            ],
            "StartTime": START,
            "EndTime": NOON - timedelta(minutes=10),
            "Period": 60,
            "Statistics": ["Sum"],
        }
        for metric in (READS, WRITES)
    ]


def day_of(call: Answer) -> tuple[timedelta, timedelta]:
    """The window of a call, against noon."""
    return call["StartTime"] - NOON, call["EndTime"] - NOON


@pytest.mark.parametrize(
    ("start", "period", "calls"),
    [
        (1439, 1439, [(-1439, 0)]),
        (1440, 1, [(-1440, -1439)]),
        (1500, 1439, [(-1500, -61)]),
        (20160, 5, [(-20160, -20155)]),
    ],
)
def test_a_window_of_up_to_1440_minutes_is_one_call_of_statistics(
    measure: Measure, start: int, period: int, calls: list[tuple[int, int]]
) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    measure(cloudwatch, request(start=start, period=period))
    windows = [(begin * MINUTE, end * MINUTE) for begin, end in calls]
    assert sorted(map(day_of, cloudwatch.statistics)) == sorted(windows * 2)


class Hour(CloudWatch):
    """GetMetricStatistics as AWS has it: a call that asks for too much is refused, and each minute has a sum of 1."""

    def get_metric_statistics(self, **arguments: Any) -> Any:
        super().get_metric_statistics(**arguments)
        start, count = arguments["StartTime"], (arguments["EndTime"] - arguments["StartTime"]) // MINUTE
        if count * 60 / arguments["Period"] > 1440:
            raise RefusedError("InvalidParameterCombination", "You have requested up to N datapoints")
        if "KeyRange" in arguments["MetricName"]:
            count = 0
        return {"Datapoints": [{"Timestamp": start + minute * MINUTE, "Sum": 1} for minute in range(count)]}


@pytest.mark.parametrize("period", [1440, 1441, 2880, 20160])
def test_more_than_1440_points_take_several_calls_of_statistics(measure: Measure, period: int) -> None:
    cloudwatch = Hour()
    cloudwatch.refusal = denied()
    increase = NOON - timedelta(hours=1)  # throttled events keep their minutes
    usage = measure(cloudwatch, request(start=period, period=period, throttled=AXES, last_increase=increase))[TABLE][0]
    assert (usage.throttled, usage.throttled_all) == (60, period)


def test_one_of_several_calls_of_statistics_that_fails_fails_the_metric(measure: Measure) -> None:
    class Once(Hour):
        def get_metric_statistics(self, **arguments: Any) -> Any:
            if arguments["StartTime"] == NOON - timedelta(days=2):
                raise RefusedError("Throttling")
            return super().get_metric_statistics(**arguments)

    cloudwatch = Once()
    cloudwatch.refusal = denied()
    error = measure(cloudwatch, request(start=4320, period=4320, throttled=("reads",)))[TABLE]
    assert "GetMetricStatistics failed: Throttling" in str(error)


def test_denied_both_ways_names_the_better_permission(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    cloudwatch.statistics_refusal = RefusedError("AccessDenied", "GetMetricStatistics, neither")
    error = measure(cloudwatch, request())[TABLE]
    assert error.denied
    assert "cloudwatch:GetMetricData" in str(error)
    assert "GetMetricStatistics" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"Datapoints": None},
        {"Datapoints": [None]},
        {"Datapoints": [{"Sum": 1.0}]},
        {"Datapoints": [{"Timestamp": MINUTES[0]}]},
        {"Datapoints": [{"Timestamp": MINUTES[0], "Sum": NAN}]},
        {"Datapoints": [{"Timestamp": "noon", "Sum": 1.0}]},
    ],
)
def test_bad_statistics(measure: Measure, answer: Any) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    cloudwatch.statistics_answer = answer
    error = measure(cloudwatch, request())[TABLE]
    assert isinstance(error, AwsError)
    assert (error.operation, error.code) == ("GetMetricStatistics", "bad answer")


def test_statistics_throttled(measure: Measure) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = denied()
    cloudwatch.statistics_refusal = RefusedError("Throttling", "Rate exceeded")
    assert "GetMetricStatistics failed: Throttling" in str(measure(cloudwatch, request())[TABLE])


def test_another_refusal_is_no_denial(workers: Workers) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.refusal = RefusedError("InternalServiceFault")
    statistics = Statistics(Metrics(cloudwatch, workers))
    assert isinstance(of_all(statistics.measure([request()], NOW))[TABLE], AwsError)
    cloudwatch.refusal = None
    assert not isinstance(of_all(statistics.measure([request()], NOW))[TABLE], AwsError)
    assert len(cloudwatch.data) == 2
    assert not cloudwatch.statistics


# Described anew


def test_the_same_measurements_of_a_target_that_another_hand_has_increased() -> None:
    """What was throttled before that increase has been answered by it, minute by minute; the rest is as it was."""
    asked = request(throttled=AXES, last_increase=MINUTES[0])
    cloudwatch = CloudWatch({(TABLE, READS): [10, 20, 30, 40, 50], (TABLE, "ReadThrottleEvents"): [1, 2, 4, 8, 16]})
    workers = Workers(threads=1)
    measured = Statistics(Metrics(cloudwatch, workers)).measure([asked], NOW)[TABLE]
    workers.close()
    assert isinstance(measured, Measured)
    before, _ = measured.usages
    resource = replace(asked.resource, provisioned=Throughput(5000, 60), last_increase=MINUTES[3])
    reads, writes = measured.described(resource).usages
    assert (reads.provisioned, writes.provisioned, reads.consumed) == (5000, 60, before.consumed)
    assert [before.throttled, before.answered] == [31, 0]
    assert [reads.throttled, reads.answered] == [24, 7]
