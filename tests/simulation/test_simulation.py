"""The rules that the model of AWS holds its callers to, one literal case each."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dynamic_dynamodb.decisions.model import Axis, Target, Throughput
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.rules import DecreaseRule, Rules
from dynamic_dynamodb.simulation.world import World

MINUTE = timedelta(minutes=1)
TOPIC = "arn:aws:sns:us-east-1:123456789012:scaling"
TABLE = Target("table")
INDEX = Target("table", "index")
CONSUMED, THROTTLED = "ConsumedReadCapacityUnits", "ReadThrottleEvents"


@pytest.fixture
def world() -> World:
    """A table of 100 reads and 50 writes, with an index of 20 and 10."""
    made = World()
    made.add_table("table", 100, 50, indexes={"index": (20, 10)})
    return made


def units(reads: int, writes: int) -> dict[str, int]:
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}


def index_update(reads: int, writes: int, index: str = "index") -> dict[str, Any]:
    return {"Update": {"IndexName": index, "ProvisionedThroughput": units(reads, writes)}}


def update(world: World, reads: int, writes: int, table: str = "table") -> None:
    world.dynamodb.update_table(TableName=table, ProvisionedThroughput=units(reads, writes))


def settle(world: World) -> None:
    """Let an update finish."""
    world.advance(30)


def lower(world: World, times: int) -> None:
    """Lower the table's reads by 1, again and again."""
    for _ in range(times):
        present = world.provisioned(TABLE)
        update(world, present.reads - 1, present.writes)
        settle(world)


def refused(call: Callable[[], object]) -> tuple[str, str]:
    """The code and the message of the refusal."""
    with pytest.raises(RefusedError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def describe(world: World, table: str = "table") -> dict[str, Any]:
    found: dict[str, Any] = world.dynamodb.describe_table(TableName=table)["Table"]
    return found


def query(metric: str = CONSUMED, target: Target = TABLE, name: str = "m", period: int = 60) -> dict[str, Any]:
    dimensions = [{"Name": "TableName", "Value": target.table}]
    if target.index is not None:
        dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": target.index})
    stat = {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": stat, "Period": period, "Stat": "Sum"}}


def get(world: World, *queries: dict[str, Any], minutes: int = 5, **more: Any) -> dict[str, Any]:
    """GetMetricData over the last minutes."""
    return world.cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=world.now - minutes * MINUTE, EndTime=world.now, **more
    )


def values(
    world: World, metric: str = CONSUMED, target: Target = TABLE, minutes: int = 5, period: int = 60
) -> list[float]:
    """The sums of the last minutes, oldest first."""
    answer = get(world, query(metric, target, period=period), minutes=minutes, ScanBy="TimestampAscending")
    found: list[float] = answer["MetricDataResults"][0]["Values"]
    return found


# The clock


def test_time_stands_still_but_for_advance_and_sleep() -> None:
    world = World()
    assert world.now == world.clock() == datetime(2026, 1, 5, tzinfo=timezone.utc)
    world.advance(90)
    world.sleep(0.5)
    assert world.clock() - START == timedelta(seconds=90.5)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        World().advance(-1)


def test_a_start_must_be_in_utc() -> None:
    with pytest.raises(ValueError, match="UTC"):
        World(datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=1))))


def test_a_world_on_another_clock_cannot_be_advanced() -> None:
    moments = [START, START + MINUTE]
    world = World(clock=lambda: moments[0])
    moments.pop(0)
    assert world.now == START + MINUTE
    with pytest.raises(RuntimeError, match="clock"):
        world.advance(1)


# Calls


def test_calls_are_counted_refused_ones_too(world: World) -> None:
    describe(world)
    refused(lambda: world.dynamodb.describe_table(TableName="missing"))
    world.dynamodb.list_tables()
    assert world.calls == {"DescribeTable": 2, "ListTables": 1}


def test_only_successful_updates_are_recorded(world: World) -> None:
    refused(lambda: update(world, 100, 50))
    update(world, 110, 50)
    assert world.updates == [{"TableName": "table", "ProvisionedThroughput": units(110, 50)}]


def test_a_refusal_looks_like_botocores(world: World) -> None:
    with pytest.raises(RefusedError) as caught:
        world.dynamodb.describe_table(TableName="missing")
    assert caught.value.operation_name == "DescribeTable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert str(caught.value) == (
        "An error occurred (ResourceNotFoundException) when calling the DescribeTable operation: "
        "Requested resource not found: Table: missing not found"
    )


def test_none_is_not_the_same_as_not_given(world: World) -> None:
    with pytest.raises(TypeError, match="Limit"):
        world.dynamodb.list_tables(Limit=None)  # type: ignore[arg-type]  # what boto3 refuses
    with pytest.raises(TypeError, match="Limit"):
        world.dynamodb.list_tables(Limit=True)
    with pytest.raises(TypeError, match="TableName"):
        world.dynamodb.describe_table(TableName=7)  # type: ignore[arg-type]


def test_a_fault_comes_instead_of_the_answer_and_has_no_effect(world: World) -> None:
    def fault(operation: str, arguments: Mapping[str, Any]) -> Exception | None:
        denied = operation == "UpdateTable" and arguments["TableName"] == "table"
        return RefusedError("AccessDeniedException", "no") if denied else None

    world.fault = fault
    assert refused(lambda: update(world, 110, 50)) == ("AccessDeniedException", "no")
    assert describe(world)["TableStatus"] == "ACTIVE"
    assert world.calls["UpdateTable"] == 1


def test_clients_may_be_called_from_many_threads() -> None:
    world = World()
    for number in range(16):
        world.add_table(f"table-{number:02}", 1, 1)

    def work(number: int) -> None:
        for _ in range(50):
            describe(world, f"table-{number:02}")
        update(world, 2, 2, f"table-{number:02}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.calls == {"DescribeTable": 800, "UpdateTable": 16}
    assert len(world.updates) == 16


# ListTables


def test_tables_are_listed_by_name_a_hundred_a_page() -> None:
    world = World()
    for number in reversed(range(101)):
        world.add_table(f"table-{number:03}", 1, 1)
    first = world.dynamodb.list_tables()
    assert first["TableNames"] == [f"table-{number:03}" for number in range(100)]
    assert first["LastEvaluatedTableName"] == "table-099"
    second = world.dynamodb.list_tables(ExclusiveStartTableName="table-099")
    assert second["TableNames"] == ["table-100"]
    assert "LastEvaluatedTableName" not in second


def test_a_full_last_page_ends_the_list(world: World) -> None:
    assert "LastEvaluatedTableName" not in world.dynamodb.list_tables(Limit=1)


def test_a_list_goes_on_after_a_table_that_was_deleted(world: World) -> None:
    world.add_table("aaa", 1, 1)
    world.add_table("bbb", 1, 1)
    world.delete_table("bbb")
    assert world.dynamodb.list_tables(ExclusiveStartTableName="bbb")["TableNames"] == ["table"]


@pytest.mark.parametrize("limit", [0, 101])
def test_list_limits(world: World, limit: int) -> None:
    assert refused(lambda: world.dynamodb.list_tables(Limit=limit))[0] == "ValidationException"


# DescribeTable


def test_a_table_and_its_index_described(world: World) -> None:
    table = describe(world)
    assert table["TableStatus"] == "ACTIVE"
    assert table["CreationDateTime"] == START
    assert table["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **units(100, 50)}
    (index,) = table["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["IndexStatus"]) == ("index", "ACTIVE")
    assert index["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **units(20, 10)}
    assert not {"BillingModeSummary", "Replicas"} & set(table)
    assert "Backfilling" not in index


def test_a_table_without_indexes_has_no_list_of_them(world: World) -> None:
    world.delete_index("table", "index")
    assert "GlobalSecondaryIndexes" not in describe(world)


@pytest.mark.parametrize("name", ["ab", "x" * 256, "a table", "täble"])
def test_bad_names(world: World, name: str) -> None:
    assert refused(lambda: world.dynamodb.describe_table(TableName=name))[0] == "ValidationException"
    with pytest.raises(ValueError, match="name"):
        world.add_table(name, 1, 1)


def test_on_demand_tables() -> None:
    world = World()
    world.add_table("table", billing_mode="PAY_PER_REQUEST", indexes={"index": (5, 5)})
    table = describe(world)
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    nothing = {"NumberOfDecreasesToday": 0, **units(0, 0)}
    assert table["ProvisionedThroughput"] == table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] == nothing
    code, message = refused(lambda: update(world, 5, 5))
    assert code == "ValidationException"
    assert "PAY_PER_REQUEST" in message


def test_a_table_that_was_on_demand_once_says_so(world: World) -> None:
    world.set_billing_mode("table", "PAY_PER_REQUEST")
    assert describe(world)["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    world.set_billing_mode("table", "PROVISIONED", 7, 8)
    assert describe(world)["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert world.provisioned(INDEX) == world.provisioned(TABLE) == (7, 8)


def test_a_global_table_lists_its_replicas() -> None:
    world = World()
    world.add_table("table", 5, 5, replicas=["eu-west-1"])
    assert describe(world)["Replicas"] == [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}]
    world.set_replicas("table", [])
    assert "Replicas" not in describe(world)


def test_an_index_that_is_being_built(world: World) -> None:
    world.add_index("table", "second", 3, 4, status="CREATING", backfilling=True)
    index = describe(world)["GlobalSecondaryIndexes"][1]
    assert (index["IndexStatus"], index["Backfilling"]) == ("CREATING", True)
    world.set_status(Target("table", "second"), "ACTIVE")
    index = describe(world)["GlobalSecondaryIndexes"][1]
    assert index["IndexStatus"] == "ACTIVE"
    assert "Backfilling" not in index


def test_a_name_can_be_used_once_and_again_after_its_deletion(world: World) -> None:
    first = describe(world)["TableId"]
    with pytest.raises(ValueError, match="exists"):
        world.add_table("table", 1, 1)
    with pytest.raises(ValueError, match="already"):
        world.add_index("table", "index", 1, 1)
    world.delete_table("table")
    world.add_table("table", 1, 1)
    assert describe(world)["TableId"] != first


# UpdateTable: what happens


def test_an_update_takes_its_time(world: World) -> None:
    answer = world.dynamodb.update_table(TableName="table", ProvisionedThroughput=units(150, 50))
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"
    assert answer["TableDescription"]["ProvisionedThroughput"]["ReadCapacityUnits"] == 100
    world.advance(29)
    assert describe(world)["TableStatus"] == "UPDATING"
    assert describe(world)["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    world.advance(1)
    assert describe(world)["TableStatus"] == "ACTIVE"
    assert world.provisioned(TABLE) == (150, 50)


def test_how_long_is_configurable() -> None:
    world = World(rules=Rules(update_seconds=0))
    world.add_table("table", 1, 1)
    update(world, 2, 1)
    assert describe(world)["TableStatus"] == "ACTIVE"
    assert world.provisioned(TABLE) == (2, 1)


def test_an_update_of_an_index_makes_its_table_updating_too(world: World) -> None:
    world.dynamodb.update_table(TableName="table", GlobalSecondaryIndexUpdates=[index_update(30, 10)])
    table = describe(world)
    assert table["TableStatus"] == table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "UPDATING"
    assert refused(lambda: update(world, 110, 50))[0] == "ResourceInUseException"
    settle(world)
    assert world.provisioned(INDEX) == (30, 10)
    assert world.provisioned(TABLE) == (100, 50)


def test_one_call_may_change_a_table_and_its_indexes(world: World) -> None:
    world.dynamodb.update_table(
        TableName="table", ProvisionedThroughput=units(110, 50), GlobalSecondaryIndexUpdates=[index_update(30, 10)]
    )
    settle(world)
    assert (world.provisioned(TABLE), world.provisioned(INDEX)) == ((110, 50), (30, 10))


def test_when_the_last_increase_and_decrease_were(world: World) -> None:
    world.advance(7)
    update(world, 110, 40)
    throughput = describe(world)["ProvisionedThroughput"]
    assert throughput["LastIncreaseDateTime"] == throughput["LastDecreaseDateTime"] == START + timedelta(seconds=7)
    assert throughput["NumberOfDecreasesToday"] == 1
    index = describe(world)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
    assert index == {"NumberOfDecreasesToday": 0, **units(20, 10)}


def test_an_increase_is_no_decrease(world: World) -> None:
    update(world, 110, 50)
    throughput = describe(world)["ProvisionedThroughput"]
    assert throughput["NumberOfDecreasesToday"] == 0
    assert "LastDecreaseDateTime" not in throughput


def test_lowering_both_axes_is_one_decrease(world: World) -> None:
    update(world, 90, 40)
    assert describe(world)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1
    assert "LastIncreaseDateTime" not in describe(world)["ProvisionedThroughput"]


# UpdateTable: what is refused


def test_unknown_tables_and_indexes(world: World) -> None:
    code, message = refused(lambda: update(world, 1, 1, "missing"))
    assert (code, "missing" in message) == ("ResourceNotFoundException", True)
    code, message = refused(
        lambda: world.dynamodb.update_table(TableName="table", GlobalSecondaryIndexUpdates=[index_update(1, 1, "gone")])
    )
    assert (code, "gone" in message) == ("ResourceNotFoundException", True)


def test_an_update_during_an_update(world: World) -> None:
    update(world, 110, 50)
    code, message = refused(lambda: update(world, 120, 50))
    assert code == "ResourceInUseException"
    assert message == "Attempt to change a resource which is still in use: Table is being updated: table"
    settle(world)
    update(world, 120, 50)


@pytest.mark.parametrize("target", [TABLE, INDEX])
def test_a_status_set_by_hand_holds(world: World, target: Target) -> None:
    world.set_status(target, "ARCHIVED")
    world.advance(3600)

    def both() -> None:
        world.dynamodb.update_table(
            TableName="table", ProvisionedThroughput=units(110, 50), GlobalSecondaryIndexUpdates=[index_update(30, 10)]
        )

    code, message = refused(both)
    assert (code, "ARCHIVED" in message) == ("ResourceInUseException", True)
    world.set_status(target, "ACTIVE")
    both()


def test_active_by_hand_ends_an_update(world: World) -> None:
    update(world, 110, 50)
    world.set_status(TABLE, "ACTIVE")
    assert describe(world)["TableStatus"] == "ACTIVE"
    assert world.provisioned(TABLE) == (110, 50)


def test_an_update_that_changes_nothing(world: World) -> None:
    code, message = refused(lambda: update(world, 100, 50))
    assert code == "ValidationException"
    assert message.startswith("The provisioned throughput for the table will not change.")
    code, message = refused(
        lambda: world.dynamodb.update_table(
            TableName="table", ProvisionedThroughput=units(110, 50), GlobalSecondaryIndexUpdates=[index_update(20, 10)]
        )
    )
    assert code == "ValidationException"
    assert message.startswith("The provisioned throughput for the index index will not change.")
    assert world.updates == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"GlobalSecondaryIndexUpdates": []},
        {"ProvisionedThroughput": units(0, 50)},
        {"ProvisionedThroughput": units(110, -1)},
        {"ProvisionedThroughput": {"ReadCapacityUnits": 110}},
        {"ProvisionedThroughput": {**units(110, 50), "Units": 1}},
        {"GlobalSecondaryIndexUpdates": [index_update(0, 10)]},
        {"GlobalSecondaryIndexUpdates": [index_update(30, 10), index_update(40, 10)]},
        {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "index"}}]},
        {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "index"}}]},
        {"GlobalSecondaryIndexUpdates": [index_update(30, 10, "no name")]},
    ],
)
def test_malformed_updates(world: World, arguments: dict[str, Any]) -> None:
    assert refused(lambda: world.dynamodb.update_table(TableName="table", **arguments))[0] == "ValidationException"
    assert describe(world)["TableStatus"] == "ACTIVE"


@pytest.mark.parametrize("reads", [110.0, "110", True])
def test_units_are_whole_numbers(world: World, reads: Any) -> None:
    assert refused(lambda: update(world, reads, 50))[0] == "SerializationException"


@pytest.mark.parametrize("reads", [40_000, 1])
def test_the_quota_of_a_table_and_of_each_index_is_its_own(reads: int) -> None:
    world = World()
    world.add_table("table", 39_999, 1, indexes={"index": (39_999, 1)})
    code, message = refused(lambda: update(world, 40_001, 1))
    assert code == "LimitExceededException"
    assert "Table-level quota of 40000 ReadCapacityUnits" in message
    assert "decrease" not in message
    code, message = refused(
        lambda: world.dynamodb.update_table(TableName="table", GlobalSecondaryIndexUpdates=[index_update(40_001, 1)])
    )
    assert (code, "for index index of table" in message) == ("LimitExceededException", True)
    update(world, reads, 1)
    settle(world)
    world.dynamodb.update_table(TableName="table", GlobalSecondaryIndexUpdates=[index_update(40_000, 1)])


@pytest.mark.parametrize(("axis", "field"), [(0, "ReadCapacityUnits"), (1, "WriteCapacityUnits")])
def test_the_quota_of_the_account_is_80_000_of_all_tables_and_indexes(axis: int, field: str) -> None:
    def of_axis(number: int) -> tuple[int, int]:
        return (number, 1) if axis == 0 else (1, number)

    world = World()
    world.add_table("table", *of_axis(30_000), indexes={"index": of_axis(30_000)})
    world.add_table("other", *of_axis(19_000))
    code, message = refused(lambda: update(world, *of_axis(20_001), "other"))
    assert code == "LimitExceededException"
    assert f"Account-level quota of 80000 {field} exceeded: this request would provision 80001" in message
    update(world, *of_axis(20_000), "other")


def test_a_quota_stops_nobody_who_comes_down(world: World) -> None:
    world.set_throughput(TABLE, 50_000, 50)
    update(world, 45_000, 50)


def test_the_quota_of_the_account() -> None:
    world = World(rules=Rules(account_quota=150))
    world.add_table("first", 100, 1)
    world.add_table("second", 40, 1)
    code, message = refused(lambda: update(world, 51, 1, "second"))
    assert (code, "Account" in message) == ("LimitExceededException", True)
    update(world, 50, 1, "second")


def test_tables_updating_at_once() -> None:
    world = World()
    for number in range(501):
        world.add_table(f"table-{number}", 1, 1)
    for number in range(500):
        update(world, 2, 2, f"table-{number}")
    code, message = refused(lambda: update(world, 2, 2, "table-500"))
    assert (code, "simultaneously" in message, "decrease" in message) == ("LimitExceededException", True, False)
    settle(world)
    update(world, 2, 2, "table-500")


def test_a_status_set_by_hand_counts_among_them() -> None:
    world = World(rules=Rules(most_updating=1))
    world.add_table("table", 1, 1)
    world.add_table("other", 1, 1)
    update(world, 2, 2)
    settle(world)
    world.set_status(Target("other"), "DELETING")
    assert refused(lambda: update(world, 3, 3))[0] == "LimitExceededException"
    world.set_status(Target("other"), "ARCHIVED")
    update(world, 3, 3)


# Decreases


# How long after the start of a UTC day a decrease is asked for, in minutes, and whether it is accepted.
REFILLED: list[list[tuple[int, bool]]] = [
    # The day begins with 4, and each full hour adds one.
    [(0, True), (1, True), (2, True), (3, True), (4, False), (59, False), (60, True), (61, False), (120, True)],
    # Never more than 4 at a time, however long none was made.
    [(300, True), (301, True), (302, True), (303, True), (304, False), (360, True), (361, False)],
    # Two that were not made in their hours can be made in a later one.
    [(0, True), (1, True), (2, True), (3, True), (185, True), (186, True), (187, True), (188, False)],
    # A full hour adds one although one was made a minute before it.
    [(56, True), (57, True), (58, True), (59, True), (60, True), (61, False)],
    # The next day begins with 4 again, also a minute after midnight.
    [(1436, True), (1437, True), (1438, True), (1439, True), (1440, True), (1441, True), (1442, True), (1443, True)],
    [*((1435 + minute, True) for minute in range(4)), (1439, False), (1440, True)],
]
SPACED: list[list[tuple[int, bool]]] = [
    # 4 at any time, each later one if there was none in the hour before.
    [(0, True), (1, True), (2, True), (3, True), (4, False), (60, False), (62, False), (63, True), (122, False)],
    [(300, True), (301, True), (302, True), (303, True), (362, False), (363, True)],
    [(0, True), (1, True), (2, True), (3, True), (185, True), (186, False), (245, True)],
    [(0, True), (300, True), (600, True), (900, True), (959, False), (960, True)],
    [(1436, True), (1437, True), (1438, True), (1439, True), (1440, True), (1441, True), (1442, True), (1443, True)],
]


@pytest.mark.parametrize(
    ("rule", "asked"), [*(("refilled", one) for one in REFILLED), *(("spaced", one) for one in SPACED)]
)
def test_when_a_decrease_is_accepted(rule: DecreaseRule, asked: list[tuple[int, bool]]) -> None:
    world = World(rules=Rules(decrease_rule=rule, update_seconds=0))
    world.add_table("table", 100, 50)
    for minute, accepted in asked:
        world.advance((START + minute * MINUTE - world.now).total_seconds())
        present = world.provisioned(TABLE)
        if accepted:
            update(world, present.reads - 1, present.writes)
        else:
            assert refused(lambda: update(world, 1, 1))[0] == "LimitExceededException"


@pytest.mark.parametrize(("rule", "following"), [("refilled", "1:00:00"), ("spaced", "1:01:30")])
def test_the_refusal_of_a_decrease_says_when_the_next_one_can_be_made(rule: DecreaseRule, following: str) -> None:
    world = World(rules=Rules(decrease_rule=rule, update_seconds=30))
    world.add_table("table", 100, 50)
    lower(world, 4)
    assert describe(world)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 4
    code, message = refused(lambda: update(world, 1, 1))
    assert code == "LimitExceededException"
    assert message == (
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the "
        "first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 "
        "seconds. Number of decreases today: 4. Last decrease at Monday, January 5, 2026 at 12:01:30 AM Coordinated "
        f"Universal Time. Next decrease can be made at Monday, January 5, 2026 at {following} AM Coordinated "
        "Universal Time"
    )


@pytest.mark.parametrize("rule", ["refilled", "spaced"])
def test_how_many_decreases_is_an_option(rule: DecreaseRule) -> None:
    world = World(rules=Rules(decrease_rule=rule, decreases_at_once=2, most_decreases=3))
    world.add_table("table", 100, 50)
    lower(world, 2)
    refused(lambda: update(world, 1, 1))
    world.advance(3600)
    lower(world, 1)
    world.advance(7200)
    _, message = refused(lambda: update(world, 1, 1))
    assert "first 2 decreases" in message
    assert "at Tuesday, January 6, 2026 at 12:00:00 AM" in message


def test_increases_are_not_limited(world: World) -> None:
    world.set_decreases(TABLE, 27)
    update(world, 110, 50)


def test_the_count_starts_over_at_midnight_utc(world: World) -> None:
    world.set_decreases(TABLE, 27, START + timedelta(hours=23, minutes=59))
    world.advance(86_399)
    assert refused(lambda: update(world, 99, 50))[0] == "LimitExceededException"
    world.advance(1)
    assert describe(world)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0
    lower(world, 4)
    assert describe(world)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 4


def test_27_a_day_in_all(world: World) -> None:
    world.set_decreases(TABLE, 26, START - timedelta(hours=2))
    lower(world, 1)
    world.advance(7200)
    code, message = refused(lambda: update(world, 1, 1))
    assert code == "LimitExceededException"
    assert "decreases today: 27" in message
    assert "at Tuesday, January 6, 2026 at 12:00:00 AM" in message


def test_an_hour_that_crosses_midnight_ends_there(world: World) -> None:
    world.advance(86_400 - 600)
    world.set_decreases(TABLE, 4)
    _, message = refused(lambda: update(world, 99, 50))
    assert message.endswith("made at Tuesday, January 6, 2026 at 12:00:00 AM Coordinated Universal Time")
    world.advance(600)
    update(world, 99, 50)


@pytest.mark.parametrize("rule", ["refilled", "spaced"])
def test_a_day_of_hourly_decreases_makes_27(rule: DecreaseRule) -> None:
    world = World(rules=Rules(decrease_rule=rule))
    world.add_table("table", 100, 50)
    lower(world, 4)
    for hour in range(1, 24):
        world.advance((START + timedelta(hours=hour, minutes=10) - world.now).total_seconds())
        lower(world, 1)
    assert describe(world)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 27


def test_tables_and_indexes_are_counted_apart(world: World) -> None:
    lower(world, 4)
    world.dynamodb.update_table(TableName="table", GlobalSecondaryIndexUpdates=[index_update(19, 10)])
    index = describe(world)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
    assert index["NumberOfDecreasesToday"] == 1


def test_one_refused_part_refuses_the_whole_call(world: World) -> None:
    world.set_decreases(INDEX, 4)
    code, _ = refused(
        lambda: world.dynamodb.update_table(
            TableName="table", ProvisionedThroughput=units(200, 50), GlobalSecondaryIndexUpdates=[index_update(19, 10)]
        )
    )
    assert code == "LimitExceededException"
    assert describe(world)["TableStatus"] == "ACTIVE"
    settle(world)
    assert world.provisioned(TABLE) == (100, 50)


# Metrics


def test_consumption_is_summed_by_the_minute(world: World) -> None:
    world.set_load(TABLE, "reads", 95)
    world.set_load(TABLE, "writes", 2.5)
    assert values(world) == [5700.0] * 5
    assert values(world, "ConsumedWriteCapacityUnits") == [150.0] * 5


def test_nothing_is_published_without_traffic(world: World) -> None:
    world.set_load(TABLE, "reads", 0)
    assert values(world) == values(world, THROTTLED) == values(world, "ConsumedWriteCapacityUnits") == []


def test_what_is_above_the_provisioned_units_is_throttled(world: World) -> None:
    world.set_load(TABLE, "reads", 110)
    assert values(world) == [6000.0] * 5
    assert values(world, THROTTLED) == [600.0] * 5


def test_or_served_as_by_burst_capacity() -> None:
    world = World(rules=Rules(capped=False))
    world.add_table("table", 100, 50)
    world.set_load(TABLE, "writes", 60)
    assert values(world, "ConsumedWriteCapacityUnits") == [3600.0] * 5
    assert values(world, "WriteThrottleEvents") == []


def test_on_demand_is_never_throttled() -> None:
    world = World()
    world.add_table("table", billing_mode="PAY_PER_REQUEST")
    world.set_load(TABLE, "reads", 1000)
    assert values(world) == [60_000.0] * 5
    assert values(world, THROTTLED) == []


def test_an_index_has_metrics_of_its_own(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.set_load(INDEX, "reads", 30)
    assert values(world) == [600.0] * 5
    assert values(world, target=INDEX) == [1200.0] * 5
    assert values(world, THROTTLED, INDEX) == [600.0] * 5


@pytest.mark.parametrize("change", [{"Namespace": "Other"}, {"Dimensions": []}, {"MetricName": "Other"}])
def test_other_metrics_have_no_datapoints(world: World, change: dict[str, Any]) -> None:
    world.set_load(TABLE, "reads", 10)
    asked = query()
    asked["MetricStat"]["Metric"].update(change)
    (result,) = get(world, asked)["MetricDataResults"]
    assert (result["Values"], result["StatusCode"]) == ([], "Complete")


@pytest.mark.parametrize("more", [["Operation"], ["Operation", "StreamLabel"]])
def test_dimensions_match_exactly(world: World, more: list[str]) -> None:
    world.set_load(TABLE, "reads", 10)
    asked = query()
    asked["MetricStat"]["Metric"]["Dimensions"] += [{"Name": name, "Value": "any"} for name in more]
    assert get(world, asked)["MetricDataResults"][0]["Values"] == []


def test_what_was_provisioned_then_counts(world: World) -> None:
    world.set_load(TABLE, "reads", 200)
    world.advance(30)
    update(world, 150, 50)
    world.advance(150)  # 30 s of it until 150 are provisioned, at 00:01:00
    assert values(world, minutes=3) == [6000.0, 9000.0, 9000.0]
    update(world, 200, 50)
    world.advance(60)
    assert values(world, minutes=1) == [30 * 150.0 + 30 * 200.0]
    assert values(world, THROTTLED, minutes=1) == [30 * 50.0]


def test_a_load_may_follow_the_time(world: World) -> None:
    world.set_load(TABLE, "reads", lambda minute: minute.minute)
    world.advance(180)
    assert values(world, minutes=3) == [60.0, 120.0]


def test_a_new_load_leaves_the_past_alone(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.advance(60)
    world.set_load(TABLE, "reads", 20)
    world.advance(60)
    assert values(world, minutes=2) == [600.0, 1200.0]


def test_a_hot_key_is_throttled_whatever_is_provisioned(world: World) -> None:
    world.set_load(TABLE, "reads", 110)
    world.set_hot_key(TABLE, "reads", 30)
    assert values(world) == [4800.0] * 5
    assert values(world, THROTTLED) == values(world, "ReadKeyRangeThroughputThrottleEvents") == [1800.0] * 5
    assert values(world, "ReadProvisionedThroughputThrottleEvents") == []
    assert values(world, "WriteKeyRangeThroughputThrottleEvents") == []


def test_metrics_of_throttling_by_cause(world: World) -> None:
    world.set_load(TABLE, "writes", 70)
    world.set_hot_key(TABLE, "writes", 5)
    assert values(world, "ConsumedWriteCapacityUnits") == [3000.0] * 5
    assert values(world, "WriteKeyRangeThroughputThrottleEvents") == [300.0] * 5
    assert values(world, "WriteProvisionedThroughputThrottleEvents") == [900.0] * 5
    assert values(world, "WriteThrottleEvents") == [1200.0] * 5


def test_a_hot_key_is_no_load_of_its_own(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.set_hot_key(TABLE, "reads", 30)
    assert values(world, THROTTLED) == [600.0] * 5
    assert values(world) == []
    world.set_hot_key(TABLE, "reads", 0)
    world.advance(60)
    assert values(world, minutes=1) == [600.0]


@pytest.mark.parametrize("demand", [-1, float("inf"), float("nan")])
def test_impossible_loads(world: World, demand: float) -> None:
    with pytest.raises(ValueError, match="not a load"):
        world.set_load(TABLE, "reads", demand)


def test_a_literal_datapoint_overrides_the_load(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.put_metric(TABLE, CONSUMED, START - 2 * MINUTE, 7.5)
    world.put_metric(TABLE, CONSUMED, START - MINUTE, None)
    world.put_metric(INDEX, CONSUMED, START - MINUTE, 0)
    assert values(world, minutes=3) == [600.0, 7.5]
    assert values(world, target=INDEX) == [0]
    with pytest.raises(ValueError, match="minute"):
        world.put_metric(TABLE, CONSUMED, START + timedelta(seconds=1), 1)


def test_a_minute_shows_when_it_has_ended_and_the_delay_has_passed() -> None:
    world = World(rules=Rules(metric_delay=120))
    world.add_table("table", 100, 50)
    world.set_load(TABLE, "reads", 10)
    world.advance(179)
    asked: dict[str, Any] = {"MetricDataQueries": [query()], "StartTime": START, "EndTime": START + MINUTE}
    assert world.cloudwatch.get_metric_data(**asked)["MetricDataResults"][0]["Values"] == []
    world.advance(1)
    assert world.cloudwatch.get_metric_data(**asked)["MetricDataResults"][0]["Values"] == [600.0]


def test_old_metrics_are_forgotten_and_memory_stays_small() -> None:
    world = World(rules=Rules(retention=600, update_seconds=30))
    world.add_table("table", 1, 1)
    world.set_load(TABLE, "reads", 10)
    for step in range(1000):
        world.put_metric(TABLE, THROTTLED, START + step * MINUTE, 1)
        world.set_load(TABLE, "writes", step)
        update(world, step + 2, 1)
        world.advance(60)
    assert len(values(world, minutes=60)) == 10
    assert len(world.tables["table"].own.units._since) <= 12
    assert len(world.loads[TABLE, "writes"]._since) <= 12
    assert len(world.literals[TABLE, THROTTLED]) <= 12


def test_what_was_served_stays_so_however_old() -> None:
    world = World(rules=Rules(retention=60))
    world.add_table("table", 1, 1)
    world.set_load(TABLE, "reads", 10)
    for reads in (2, 3, 4):
        update(world, reads, 1)
        world.advance(120)
    assert world.served(TABLE, "reads", START).consumed == 30 * 1 + 30 * 2


def test_a_deleted_table_has_no_metrics(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.delete_table("table")
    assert values(world) == []


def test_months_of_changes_leave_no_history_behind(world: World) -> None:
    for number in range(50):
        world.set_throughput(INDEX, 1 + number, 1)
        world.set_billing_mode("table", "PAY_PER_REQUEST")
        world.advance(3600)
        world.set_billing_mode("table", "PROVISIONED", 5, 5)
        world.set_load(TABLE, "reads", number)
    kept = [len(capacity.units) for capacity in world.tables["table"].capacities()]
    assert max(*kept, len(world.loads[TABLE, "reads"])) <= 4 * 24  # a day's


@pytest.mark.parametrize("axis", ["reads", "writes"])
def test_a_scenario_sees_what_became_of_a_load(world: World, axis: Axis) -> None:
    world.set_load(INDEX, axis, 25)
    granted = world.provisioned(INDEX)._asdict()[axis]
    assert world.served(INDEX, axis, world.now) == (granted * 60.0, (25 - granted) * 60, 0)


# GetMetricData


def test_results_are_newest_first_unless_asked_otherwise(world: World) -> None:
    world.set_load(TABLE, "reads", lambda minute: minute.minute)
    world.advance(180)
    asked: dict[str, Any] = {"MetricDataQueries": [query()], "StartTime": START, "EndTime": START + 3 * MINUTE}
    (result,) = world.cloudwatch.get_metric_data(**asked)["MetricDataResults"]
    assert result == {
        "Id": "m",
        "Label": CONSUMED,
        "Timestamps": [START + 2 * MINUTE, START + MINUTE],
        "Values": [120.0, 60.0],
        "StatusCode": "Complete",
    }
    (result,) = world.cloudwatch.get_metric_data(**asked, ScanBy="TimestampAscending")["MetricDataResults"]
    assert result["Values"] == [60.0, 120.0]


def test_periods_add_up_from_the_start_of_the_window(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.advance(60)
    assert values(world, minutes=5, period=120) == [1200.0, 1200.0, 600.0]


def test_a_start_within_a_minute_is_rounded_down_and_the_end_is_excluded(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    answer = world.cloudwatch.get_metric_data(
        MetricDataQueries=[query()], StartTime=START - timedelta(seconds=150), EndTime=START - MINUTE
    )
    assert answer["MetricDataResults"][0]["Timestamps"] == [START - 2 * MINUTE, START - 3 * MINUTE]


def test_500_queries_at_most(world: World) -> None:
    queries = [query(name=f"m{number}") for number in range(501)]
    assert len(get(world, *queries[:500])["MetricDataResults"]) == 500
    assert refused(lambda: get(world, *queries))[0] == "ValidationError"
    assert refused(lambda: get(world))[0] == "ValidationError"


@pytest.mark.parametrize(
    "bad",
    [
        {"Id": "m"},
        {**query(), "Id": "M"},
        {**query(), "Unit": "Count"},
        query(period=90),
        {"Id": "m", "MetricStat": {**query()["MetricStat"], "Stat": "Average"}},
    ],
)
def test_malformed_queries(world: World, bad: dict[str, Any]) -> None:
    assert refused(lambda: get(world, bad))[0] == "ValidationError"


def test_ids_must_differ(world: World) -> None:
    code, message = refused(lambda: get(world, query(), query(THROTTLED)))
    assert (code, "not unique" in message) == ("ValidationError", True)


def test_a_window_must_have_a_length_and_a_time_zone(world: World) -> None:
    assert refused(lambda: get(world, query(), minutes=0))[0] == "ValidationError"
    with pytest.raises(TypeError, match="naive"):
        world.cloudwatch.get_metric_data(
            MetricDataQueries=[query()], StartTime=world.now - MINUTE, EndTime=world.now.replace(tzinfo=None)
        )


def test_pages_of_so_many_results() -> None:
    world = World(rules=Rules(results_per_page=2))
    queries = [query(name=f"m{number}") for number in range(3)]
    first = get(world, *queries)
    assert [result["Id"] for result in first["MetricDataResults"]] == ["m0", "m1"]
    second = get(world, *queries, NextToken=first["NextToken"])
    assert [result["Id"] for result in second["MetricDataResults"]] == ["m2"]
    assert "NextToken" not in second


def test_pages_of_so_many_datapoints_cut_a_series(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.set_load(TABLE, "writes", 10)
    asked = (query(name="reads"), query("ConsumedWriteCapacityUnits", name="writes"))
    pages = []
    more: dict[str, Any] = {}
    while True:
        answer = get(world, *asked, minutes=5, MaxDatapoints=3, **more)
        pages.append([(r["Id"], len(r["Values"]), r["StatusCode"]) for r in answer["MetricDataResults"]])
        if "NextToken" not in answer:
            break
        more = {"NextToken": answer["NextToken"]}
    assert pages == [
        [("reads", 3, "PartialData")],
        [("reads", 2, "Complete"), ("writes", 1, "PartialData")],
        [("writes", 3, "PartialData")],
        [("writes", 1, "Complete")],
    ]


def test_a_token_is_good_for_its_own_request_only() -> None:
    world = World(rules=Rules(results_per_page=1))
    token = get(world, query(name="a"), query(name="b"))["NextToken"]
    assert refused(lambda: get(world, query(name="a"), query(name="c"), NextToken=token))[0] == "InvalidNextToken"
    assert refused(lambda: get(world, query(name="a"), NextToken="forged"))[0] == "InvalidNextToken"


def test_an_answer_may_stay_partial(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.metric_status[INDEX] = "PartialData"
    world.metric_messages.append({"Code": "Slow", "Value": "try later"})
    answer = get(world, query(name="a"), query(target=INDEX, name="b"))
    assert [result["StatusCode"] for result in answer["MetricDataResults"]] == ["Complete", "PartialData"]
    assert answer["Messages"] == [{"Code": "Slow", "Value": "try later"}]


def test_what_is_provisioned_is_published_every_five_minutes(world: World) -> None:
    world.set_throughput(TABLE, 120, 60)
    world.advance(600)
    asked = query("ProvisionedReadCapacityUnits")
    asked["MetricStat"]["Stat"] = "Maximum"
    (result,) = get(world, asked, minutes=11, ScanBy="TimestampAscending")["MetricDataResults"]
    assert result["Timestamps"] == [START, START + 5 * MINUTE]
    assert result["Values"] == [120.0, 120.0]
    world.set_billing_mode("table", "PAY_PER_REQUEST")
    world.advance(600)
    (result,) = get(world, asked, minutes=6)["MetricDataResults"]
    assert result["Values"] == []


def test_the_maximum_of_a_period(world: World) -> None:
    world.set_load(TABLE, "reads", lambda minute: minute.minute)
    world.advance(300)
    asked = query(period=300)
    asked["MetricStat"]["Stat"] = "Maximum"
    assert get(world, asked, minutes=5)["MetricDataResults"][0]["Values"] == [240.0]


# GetMetricStatistics


def statistics(world: World, **changes: Any) -> dict[str, Any]:
    metric = query()["MetricStat"]["Metric"]
    window = {"StartTime": world.now - 2 * MINUTE, "EndTime": world.now}
    return world.cloudwatch.get_metric_statistics(
        **{**metric, **window, "Period": 60, "Statistics": ["Sum"], **changes}
    )


def test_statistics_of_one_metric(world: World) -> None:
    world.set_load(TABLE, "reads", 10)
    world.set_load(INDEX, "reads", 10)
    answer = statistics(world)
    assert answer["Label"] == CONSUMED
    assert answer["Datapoints"] == [
        {"Timestamp": START - 2 * MINUTE, "Sum": 600.0, "Unit": "Count"},
        {"Timestamp": START - MINUTE, "Sum": 600.0, "Unit": "Count"},
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Period": 30}, "ValidationError"),
        ({"Statistics": ["Average"]}, "ValidationError"),
        ({"Statistics": ["Sum", "Maximum"]}, "ValidationError"),
        ({"StartTime": START}, "ValidationError"),
        ({"StartTime": START - 1441 * MINUTE}, "InvalidParameterCombination"),
    ],
)
def test_malformed_statistics(world: World, changes: dict[str, Any], code: str) -> None:
    assert refused(lambda: statistics(world, **changes))[0] == code


# SNS


def test_messages_are_kept(world: World) -> None:
    answer = world.sns.publish(TopicArn=TOPIC, Message="100 -> 150\nä", Subject="Scaled table up")
    assert answer["MessageId"]
    world.sns.publish(TopicArn=TOPIC, Message="m")
    assert world.messages == [(TOPIC, "Scaled table up", "100 -> 150\nä"), (TOPIC, None, "m")]


@pytest.mark.parametrize("subject", ["", "x" * 101, "two\nlines", "ends\n", "tab\t", "ä", " x"])
def test_subjects_that_sns_refuses(world: World, subject: str) -> None:
    code, message = refused(lambda: world.sns.publish(TopicArn=TOPIC, Message="m", Subject=subject))
    assert (code, message) == ("InvalidParameter", "Invalid parameter: Subject")
    assert world.messages == []


def test_the_longest_subject(world: World) -> None:
    world.sns.publish(TopicArn=TOPIC, Message="m", Subject="x" * 100)


@pytest.mark.parametrize("arguments", [{"TopicArn": "topic"}, {"Message": ""}, {"Message": "x" * 262_145}])
def test_malformed_messages(world: World, arguments: dict[str, str]) -> None:
    given = {"TopicArn": TOPIC, "Message": "m", **arguments}
    assert refused(lambda: world.sns.publish(**given))[0] == "InvalidParameter"


def test_a_topic_that_does_not_exist(world: World) -> None:
    world.topics = {TOPIC}
    world.sns.publish(TopicArn=TOPIC, Message="m")
    assert refused(lambda: world.sns.publish(TopicArn=TOPIC + "2", Message="m"))[0] == "NotFound"


# The scenario's own mistakes


def test_scenarios_may_set_throughput_at_once(world: World) -> None:
    world.set_throughput(INDEX, 3, 4)
    assert world.provisioned(INDEX) == Throughput(3, 4)
    assert describe(world)["TableStatus"] == "ACTIVE"
    with pytest.raises(ValueError, match="1 unit"):
        world.set_throughput(INDEX, 0, 4)


def test_a_last_increase_set_by_hand(world: World) -> None:
    world.set_last_increase(INDEX, START - MINUTE)
    index = describe(world)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
    assert index["LastIncreaseDateTime"] == START - MINUTE


def test_unknown_targets_are_key_errors(world: World) -> None:
    with pytest.raises(KeyError):
        world.provisioned(Target("table", "missing"))
    with pytest.raises(KeyError):
        world.add_index("missing", "index", 1, 1)


def test_the_figures_of_the_rules() -> None:
    rules = Rules()
    assert (rules.decrease_rule, rules.decreases_at_once, rules.most_decreases) == ("refilled", 4, 27)
    assert (rules.table_quota, rules.account_quota, rules.most_updating) == (40_000, 80_000, 500)
    assert rules.results_per_page == 500


def test_each_rule_is_explained_with_its_source() -> None:
    text = inspect.cleandoc(Rules.__doc__ or "")  # Python 3.13 has taken the indentation away already
    for field in fields(Rules):
        explanation = re.search(rf"^{field.name}: (.*?)(?=^\w+: |\Z)", text, re.M | re.S)
        assert explanation, field.name
        assert re.search(r"\[(Q|B|U|M|CW|-)\]", explanation[1]), field.name


def test_rules_that_cannot_hold() -> None:
    with pytest.raises(ValueError, match="rules"):
        Rules(results_per_page=0)
