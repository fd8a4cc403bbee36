"""What keeps a change from being made: maintenance windows, circuit breakers, decreases that have run out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from scripts import Scene, Step, Units, target

from dynamic_dynamodb.aws.calls import Workers
from dynamic_dynamodb.simulation.account import START
from dynamic_dynamodb.simulation.rules import Rules
from dynamic_dynamodb.simulation.world import World

UP, DOWN, BOTH = (95, 30), (20, 30), (95, 5)  # loads on 100 reads and 50 writes


# Maintenance windows (5.1)

WINDOWS = """
    [table: ^orders$]
    maintenance-windows: {windows}
    scale-up-outside-maintenance-windows: {anyway}
"""


@pytest.mark.parametrize(
    ("time", "windows", "anyway", "load", "sent"),
    [
        pytest.param("21:59", "22:00-23:59", "no", UP, None, id="a minute before"),
        pytest.param("21:59:59", "22:00-23:59", "no", UP, None, id="a second before"),
        pytest.param("22:00", "22:00-23:59", "no", UP, (150, 50), id="the first minute"),
        pytest.param("23:59", "22:00-23:59", "no", UP, (150, 50), id="the last minute of the day"),
        pytest.param("12:30:59", "12:00-12:30", "no", UP, (150, 50), id="the last second of the last minute"),
        pytest.param("12:31", "12:00-12:30", "no", UP, None, id="a minute after"),
        pytest.param("22:00", "22:00-06:00", "no", UP, (150, 50), id="across midnight: the first minute"),
        pytest.param("00:00", "22:00-06:00", "no", UP, (150, 50), id="across midnight: midnight"),
        pytest.param("06:00", "22:00-06:00", "no", UP, (150, 50), id="across midnight: the last minute"),
        pytest.param("06:01", "22:00-06:00", "no", UP, None, id="across midnight: a minute after"),
        pytest.param("21:59", "22:00-06:00", "no", UP, None, id="across midnight: a minute before"),
        pytest.param("23:59", "22:00-24:00", "no", UP, (150, 50), id="24:00 as an end"),
        pytest.param("12:00", "12:00-12:00", "no", UP, (150, 50), id="one minute"),
        pytest.param("12:01", "12:00-12:00", "no", UP, None, id="after one minute"),
        pytest.param("13:30", "12:00-13:00, 13:30-14:00", "no", UP, (150, 50), id="the second of two"),
        pytest.param("13:15", "12:00-13:00, 13:30-14:00", "no", UP, None, id="between two"),
        pytest.param("12:30", "12:00-13:00", "no", DOWN, (50, 50), id="inside: decrease"),
        pytest.param("13:01", "12:00-13:00", "no", DOWN, None, id="outside: decrease"),
        pytest.param("13:01", "12:00-13:00", "no", BOTH, None, id="outside: both"),
        pytest.param("12:30", "12:00-13:00", "yes", BOTH, (150, 25), id="inside, increases anyway: both"),
        pytest.param("13:01", "12:00-13:00", "yes", UP, (150, 50), id="outside, increases anyway: increase"),
        pytest.param("13:01", "12:00-13:00", "yes", DOWN, None, id="outside, increases anyway: decrease"),
        pytest.param("13:01", "12:00-13:00", "yes", BOTH, (150, 50), id="outside, increases anyway: both"),
    ],
)
def test_windows(time: str, windows: str, anyway: str, load: Units, sent: Units | None) -> None:
    scene = Scene(WINDOWS.format(windows=windows, anyway=anyway), {"orders": (100, 50)})
    outside = sent is None or (anyway == "yes" and time == "13:01")
    warns = [f"orders - outside the maintenance windows {windows} UTC"] if outside else []
    scene.play(Step(at=time, load={"orders": load}, sent=[{"orders": sent}] if sent else [], warns=warns))


# DynamoDB's older rule: after the first 4, one an hour if there was none in the hour before.
SPACED = Rules(capped=False, decrease_rule="spaced")


def test_a_window_that_closes_is_said_once_and_again_when_it_closes_again() -> None:
    scene = Scene(WINDOWS.format(windows="12:00-12:04", anyway="no"), {"orders": (100, 50)})
    closes = "orders - outside the maintenance windows 12:00-12:04 UTC: nothing is changed"
    held = "not changed, outside the maintenance windows"
    scene.play(
        Step(at="12:00", load={"orders": (50, 25)}),
        Step(at="12:05", load={"orders": UP}, warns=[closes], says=[held], whispers=[held]),
        Step(at="12:10", unsaid=["outside"], whispers=[held]),
        Step(at="12:15", load={"orders": (50, 25)}, unsaid=["outside"]),  # nothing wanted, nothing to say
        Step(at="12:04", load={"orders": UP}, sent=[{"orders": (150, 50)}], unsaid=["outside"]),
        Step(at="12:09", load={"orders": (50, 25)}, warns=[closes]),
    )


def test_a_table_and_its_index_have_windows_of_their_own() -> None:
    scene = Scene(
        """
        [table: ^orders$]
        maintenance-windows: 12:00-13:00
        [gsi: by-date table: ^orders$]
        maintenance-windows: 14:00-15:00
        """,
        {"orders": (100, 50), "orders/by-date": (100, 50)},
    )
    scene.play(
        Step(
            at="12:30",
            load={"orders": UP, "orders/by-date": UP},
            sent=[{"orders": (150, 50)}],
            warns=["orders - GSI: by-date - outside the maintenance windows 14:00-15:00 UTC"],
        ),
        Step(at="14:30", sent=[{"orders/by-date": (150, 50)}], warns=["orders - outside"]),
    )


def test_a_cut_to_max_waits_for_the_window() -> None:
    scene = Scene(
        WINDOWS.format(windows="12:00-13:00", anyway="yes") + "    max-provisioned-reads: 80\n", {"orders": (100, 50)}
    )
    scene.play(
        Step(at="11:59", load={"orders": (50, 25)}, warns=["outside"], says=["100 -> 80", "not decreased, outside"]),
        Step(at="12:00", sent=[{"orders": (80, 50)}]),
    )


def test_a_streak_that_fills_outside_the_windows_is_used_when_they_open() -> None:
    scene = Scene(
        WINDOWS.format(windows="12:00-13:00", anyway="no") + "    num-read-checks-before-scale-down: 3\n",
        {"orders": (100, 50)},
    )
    scene.play(
        Step(at="11:40", load={"orders": DOWN}, streaks={"orders": (1, 0)}, warns=["outside"]),
        Step(streaks={"orders": (2, 0)}),
        Step(streaks={"orders": (3, 0)}, says=["not changed, outside"]),
        Step(streaks={"orders": (3, 0)}),
        Step(at="12:00", sent=[{"orders": (50, 50)}], streaks={"orders": (0, 0)}),
    )


# Circuit breakers (2.2)


class Service:
    """A breaker's server on loopback. It answers by path: `/slow` never, unknown ones with 200."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []  # path, table, index
        self.ended = threading.Event()
        asked, statuses, ended = self.asked, self.statuses, self.ended

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path
                asked.append((path, self.headers["x-table-name"], self.headers["x-gsi-name"]))
                if path == "/slow":
                    ended.wait()
                self.send_response(statuses.get(path, 200))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = False  # joined when it closes: no test leaves a thread behind
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


def switch(service: Service, path: str, status: int, _world: World) -> None:
    service.statuses[path] = status


def test_an_open_breaker_changes_nothing_and_is_said_once_a_change_of_state(service: Service) -> None:
    scene = Scene(
        f"""
        [global]
        circuit-breaker-url: http://{service.address}/all
        [table: ^orders$]
        num-write-checks-before-scale-down: 3
        """,
        {"orders": (100, 50)},
    )
    opened = partial(switch, service, "/all", 503)
    closed = partial(switch, service, "/all", 204)
    scene.play(
        Step(load={"orders": (50, 5)}, streaks={"orders": (0, 1)}),
        Step(streaks={"orders": (0, 2)}),
        Step(
            do=opened,
            load={"orders": (95, 5)},
            streaks={"orders": (0, 0)},
            warns=["orders - circuit breaker open (HTTP 503): nothing is changed"],
            unsaid=["orders - reads"],
        ),
        Step(streaks={"orders": (0, 0)}, whispers=["orders - circuit breaker open"]),
        Step(
            do=closed,
            warns=["orders - circuit breaker closed again"],
            sent=[{"orders": (150, 50)}],
            streaks={"orders": (0, 1)},
        ),
        Step(load={"orders": (95, 5)}, streaks={"orders": (0, 2)}),
        Step(do=opened, warns=["orders - circuit breaker open"]),
    )
    assert service.asked == [("/all", "orders", None)] * 7
    assert scene.world.calls["GetMetricData"] == 4  # an open breaker is not even measured


def test_a_tables_breaker_does_not_speak_for_its_indexes(service: Service) -> None:
    scene = Scene(
        f"""
        [table: ^orders$]
        circuit-breaker-url: http://{service.address}/table
        [gsi: ^by-date$ table: ^orders$]
        """,
        {"orders": (100, 50), "orders/by-date": (100, 50)},
    )
    service.statuses["/table"] = 500
    load = {"orders": UP, "orders/by-date": UP}
    scene.play(Step(load=load, sent=[{"orders/by-date": (150, 50)}], warns=["orders - circuit breaker open"]))
    assert service.asked == [("/table", "orders", None)]


def test_a_breaker_of_its_own_goes_before_the_global_one(service: Service) -> None:
    scene = Scene(
        f"""
        [global]
        circuit-breaker-url: http://{service.address}/all
        [table: ^orders$]
        circuit-breaker-url: http://{service.address}/orders
        [gsi: ^by-date$ table: ^orders$]
        circuit-breaker-url: http://{service.address}/by-date
        [gsi: ^by-name$ table: ^orders$]
        [table: ^users$]
        """,
        {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50), "users": (100, 50)},
    )
    service.statuses |= {"/all": 404, "/by-date": 500}
    load = dict.fromkeys(("orders", "orders/by-date", "orders/by-name", "users"), UP)
    scene.play(
        Step(
            load=load,
            sent=[{"orders": (150, 50)}],
            warns=["by-date - circuit breaker open (HTTP 500)", "by-name - circuit", "users - circuit breaker open"],
        )
    )
    assert sorted(service.asked, key=str) == [
        ("/all", "orders", "by-name"),
        ("/all", "users", None),
        ("/by-date", "orders", "by-date"),
        ("/orders", "orders", None),
    ]


def test_a_breaker_that_refuses_connections_is_open_and_its_password_is_in_no_line(service: Service) -> None:
    text = """
        [table: ^orders$]
        circuit-breaker-url: http://me:s3cret@{}/
    """
    service.statuses["/"] = 401
    for address, reason in ((service.address, "HTTP 401"), ("127.0.0.1:1", "onnection refused")):
        scene = Scene(text.format(address), {"orders": (100, 50)})
        scene.load("orders", *UP)
        scene.world.advance(300)
        seen = scene.check()
        assert seen.ok  # left alone on purpose
        assert seen.sent == []
        (warning,) = seen.texts(logging.WARNING)
        assert reason in warning
        assert not any("s3cret" in text for text in seen.texts(logging.DEBUG))


def test_the_time_out_is_in_milliseconds_and_a_url_that_timed_out_is_asked_once_a_check(service: Service) -> None:
    workers = Workers(threads=1)
    scene = Scene(
        f"""
        [global]
        circuit-breaker-url: http://{service.address}/slow
        circuit-breaker-timeout: 60
        [table: .*]
        """,
        {"orders": (100, 50), "users": (100, 50)},
        workers=workers,
    )
    scene.play(Step(load={"orders": UP, "users": UP}, warns=["no answer within 0.06 s"] * 2), Step())
    assert len(service.asked) == 2
    workers.close()


def test_a_resource_that_is_not_active_is_not_asked_about(service: Service) -> None:
    scene = Scene(
        f"""
        [table: ^orders$]
        circuit-breaker-url: http://{service.address}/
        """,
        {"orders": (100, 50)},
    )
    scene.world.set_status(target("orders"), "UPDATING")
    scene.play(Step(load={"orders": UP}, warns=["orders - status UPDATING"]))
    assert service.asked == []


# Decreases run out (5.3)

THREE = """
    [table: ^orders$]
    [gsi: .* table: ^orders$]
"""
ALL = {"orders": (100, 50), "orders/by-date": (100, 50), "orders/by-name": (100, 50)}


def decreased(world: World, *, minutes_ago: int = 10, **today: int) -> None:
    """So many decreases were made today: `orders`, or `by_date` of it."""
    for name, count in today.items():
        one = target(name if name == "orders" else f"orders/{name.replace('_', '-')}")
        world.set_decreases(one, count, world.now - timedelta(minutes=minutes_ago))


def test_everything_first_then_the_increases_alone_in_one_call() -> None:
    scene = Scene(THREE, ALL)
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=4, by_name=1),
            load={"orders": BOTH, "orders/by-date": UP, "orders/by-name": DOWN},
            sent=[
                {"orders": (150, 25), "orders/by-date": (150, 50), "orders/by-name": (50, 50)},
                {"orders": (150, 50), "orders/by-date": (150, 50)},
            ],
            has={"orders": (150, 50), "orders/by-date": (150, 50), "orders/by-name": (100, 50)},
            says=["orders - GSI: by-date - reads"],
            warns=[
                "orders - decrease refused by DynamoDB, retried from 11:00 UTC; reads 95.0 % of 100",
                "by-name - decrease refused by DynamoDB, retried in the next check; "
                "reads 20.0 % of 100 <= 30 %: 100 -> 50 (-50 %)",
            ],
        ),
        # by-name was refused along with orders, and has decreases left: it is asked for at once
        Step(
            load={"orders": (75, 5), "orders/by-date": (75, 30)},
            sent=[{"orders/by-name": (50, 50)}],
            says=["orders - not decreased, decreases have run out: retried from 11:00 UTC; reads 50.0 % of 150"],
        ),
    )


def test_what_has_no_decrease_left_waits_as_long_as_dynamodb_says_and_no_longer() -> None:
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50)}, rules=SPACED)
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=4, minutes_ago=5),
            load={"orders": DOWN},
            sent=[{"orders": (50, 50)}],
            has={"orders": (100, 50)},
            warns=["refused by DynamoDB, retried from 11:15 UTC"],
        ),
        Step(at="10:50", says=["retried from 11:15 UTC", "decreases today so far: 4"]),
        Step(at="10:55", load={"orders": UP}, sent=[{"orders": (150, 50)}]),  # an increase never waits
        Step(at="11:14:59", load={"orders": DOWN}, says=["from 11:15 UTC"]),
        Step(at="11:15", sent=[{"orders": (75, 50)}], has={"orders": (75, 50)}, says=["so far: 4"]),
        Step(
            at="11:20:30",
            load={"orders": (10, 30)},
            sent=[{"orders": (38, 50)}],
            has={"orders": (75, 50)},
            warns=[
                "orders - decrease refused by DynamoDB, retried from 12:15 UTC; reads",
            ],
        ),
    )


def test_a_full_hour_brings_one_more() -> None:
    """AWS's present rule: 4 at a time, and one more each hour, also if none was made in the hour before."""
    scene = Scene("[table: ^orders$]\n", {"orders": (1000, 50)})
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=4, minutes_ago=5),
            load={"orders": (20, 30)},
            sent=[{"orders": (500, 50)}],
            has={"orders": (1000, 50)},
            warns=["refused by DynamoDB, retried from 11:00 UTC"],
        ),
        Step(at="10:59:59", says=["from 11:00 UTC"]),
        Step(at="11:00", sent=[{"orders": (500, 50)}], has={"orders": (500, 50)}),
        Step(at="11:05", sent=[{"orders": (250, 50)}], has={"orders": (500, 50)}, warns=["from 12:00 UTC"]),
        # Nothing is asked for in the afternoon: four have come together by then, and no more.
        Step(at="11:55", load={"orders": (250, 30)}),
        Step(at="20:00", load={"orders": (20, 30)}, sent=[{"orders": (250, 50)}]),
        Step(sent=[{"orders": (125, 50)}]),
        Step(sent=[{"orders": (63, 50)}]),
        Step(load={"orders": (10, 30)}, sent=[{"orders": (32, 50)}], has={"orders": (32, 50)}),
        Step(load={"orders": (5, 30)}, sent=[{"orders": (16, 50)}], warns=["from 21:00 UTC"]),
    )


def test_all_wait_where_none_has_made_as_many_as_a_day_begins_with() -> None:
    """The account's quota is another one, and DynamoDB does not say whose decreases have run out."""
    scene = Scene(THREE, ALL, rules=Rules(capped=False, decreases_at_once=2))
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=2, by_date=1),
            load={"orders": DOWN, "orders/by-date": DOWN, "orders/by-name": (50, 48)},
            sent=[
                {"orders": (50, 50), "orders/by-date": (50, 50), "orders/by-name": (100, 75)},
                {"orders/by-name": (100, 75)},
            ],
            says=["by-name - reads 50.0 % of 100"],
            warns=[
                "orders - decrease refused by DynamoDB, retried from 11:00 UTC",
                "by-date - decrease refused by DynamoDB, retried from 11:00 UTC",
            ],
        ),
        Step(load={"orders/by-name": DOWN}, sent=[{"orders/by-name": (50, 75)}]),  # it was in no decrease
        Step(at="11:00", load={"orders/by-name": (20, 40)}, sent=[{"orders": (50, 50), "orders/by-date": (50, 50)}]),
    )


def test_a_raised_quota_of_decreases_is_used() -> None:
    scene = Scene("[table: ^orders$]\n", {"orders": (1000, 50)}, rules=Rules(capped=False, decreases_at_once=8))
    scene.play(
        Step(at="10:20", do=partial(decreased, orders=6), load={"orders": (20, 30)}, sent=[{"orders": (500, 50)}]),
        Step(sent=[{"orders": (250, 50)}], says=["decreases today so far: 7"]),
        Step(sent=[{"orders": (125, 50)}], warns=["retried from 11:00 UTC"]),
    )


NAMED = "LimitExceededException: Provisioned throughput decreases are limited. Next decrease can be made at {}"


@pytest.mark.parametrize(
    ("text", "from_", "waits", "asks"),
    [
        ("Monday, January 5, 2026 at 10:48:28 AM Coordinated Universal Time", "10:48:28 UTC", "10:48:27", "10:48:28"),
        ("Monday, January 5, 2026 at 3:00:00 PM Coordinated Universal Time", "15:00 UTC", "14:59:59", "15:00"),
        # What names no instant that a decrease could wait for: the next full hour.
        ("the next full moon", "11:00 UTC", "10:59:59", "11:00"),
        ("Tuesday, January 6, 2026 at 10:20:01 AM Coordinated Universal Time", "11:00 UTC", "10:59:59", "11:00"),
    ],
)
def test_decreases_wait_until_the_instant_that_dynamodb_names(text: str, from_: str, waits: str, asks: str) -> None:
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50)})
    until = f"retried from {from_}"
    scene.play(
        Step(
            at="10:20",
            load={"orders": DOWN},
            refuses={"UpdateTable orders": NAMED.format(text)},
            sent=[{"orders": (50, 50)}],
            warns=[f"orders - decrease refused by DynamoDB, {until}; reads"],
        ),
        Step(at=waits, says=[f"orders - not decreased, decreases have run out: {until}; reads"]),
        Step(at=asks, sent=[{"orders": (50, 50)}], has={"orders": (50, 50)}),
    )


def test_an_instant_that_is_past_keeps_nothing_waiting() -> None:
    """The clocks differ a little."""
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50)})
    past = NAMED.format("Monday, January 5, 2026 at 10:19:58 AM Coordinated Universal Time")
    scene.play(
        Step(
            at="10:20",
            load={"orders": DOWN},
            refuses={"UpdateTable orders": past},
            sent=[{"orders": (50, 50)}],
            warns=["from 10:19:58 UTC"],
        ),
        Step(sent=[{"orders": (50, 50)}], has={"orders": (50, 50)}),
    )


def test_nothing_is_sent_again_when_nothing_increases() -> None:
    scene = Scene(THREE, ALL)
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=4),
            load={"orders": DOWN, "orders/by-date": DOWN},
            sent=[{"orders": (50, 50), "orders/by-date": (50, 50)}],
            has={"orders": (100, 50), "orders/by-date": (100, 50)},
            warns=["orders - decrease refused", "by-date - decrease refused"],
        ),
        Step(sent=[{"orders/by-date": (50, 50)}]),
    )


def test_a_cut_to_max_waits_as_well_and_increases_of_the_other_axis_go_on() -> None:
    scene = Scene("[table: ^orders$]\nmax-provisioned-reads: 80\n", {"orders": (100, 50)})
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=4),
            load={"orders": (50, 48)},
            sent=[{"orders": (80, 75)}, {"orders": (100, 75)}],
            warns=["from 11:00 UTC"],
        ),
        Step(load={"orders": (50, 50)}, says=["100 -> 80", "not decreased, decreases have run out"]),
        Step(load={"orders": (50, 70)}, sent=[{"orders": (100, 113)}]),
    )


def test_the_streak_of_a_refused_decrease_stays_until_it_is_made() -> None:
    scene = Scene("[table: ^orders$]\nnum-read-checks-before-scale-down: 2\n", {"orders": (100, 50)}, rules=SPACED)
    scene.play(
        Step(at="10:20", load={"orders": DOWN}, streaks={"orders": (1, 0)}),
        Step(
            do=partial(decreased, orders=4, minutes_ago=50),
            sent=[{"orders": (50, 50)}],
            streaks={"orders": (2, 0)},
            warns=["from 10:35 UTC"],
        ),
        Step(at="10:35", sent=[{"orders": (50, 50)}], streaks={"orders": (0, 0)}),
    )


def test_the_repeat_may_fail_as_well() -> None:
    scene = Scene(THREE, ALL, rules=Rules(capped=False, account_quota=310))
    scene.play(
        Step(
            at="10:20",
            do=partial(decreased, orders=4),
            load={"orders": DOWN, "orders/by-date": UP},
            sent=[{"orders": (50, 50), "orders/by-date": (150, 50)}, {"orders/by-date": (150, 50)}],
            has={"orders": (100, 50), "orders/by-date": (100, 50)},
            ok=False,
            says=["by-date - not changed; reads 95.0 % of 100 >= 90 %: 100 -> 150 (+50 %)"],
            warns=["orders - UpdateTable failed: LimitExceededException", "decrease refused by DynamoDB"],
        )
    )


def test_too_many_tables_updating_at_once_is_something_else() -> None:
    scene = Scene("[table: ^orders$]\n", {"orders": (100, 50), "other": (1, 1)}, rules=Rules(most_updating=1))
    scene.play(
        Step(
            do=lambda world: world.set_status(target("other"), "UPDATING"),
            load={"orders": DOWN},
            sent=[{"orders": (50, 50)}],
            has={"orders": (100, 50)},
            ok=False,
            warns=["orders - UpdateTable failed: LimitExceededException: Subscriber limit exceeded: Only 1 tables"],
        ),
        Step(do=lambda world: world.set_status(target("other"), "ACTIVE"), sent=[{"orders": (50, 50)}]),
    )


@pytest.mark.parametrize("rules", [SPACED, Rules(capped=False)], ids=["the older rule", "the present rule"])
def test_two_days_that_never_stop_asking_for_less(rules: Rules) -> None:
    """4 decreases at once, then one an hour, which is all that DynamoDB grants; and one refusal an hour."""
    scene = Scene(
        "[table: ^orders$]\ndecrease-reads-unit: units\ndecrease-reads-with: 1\nreads-lower-threshold: 80\n",
        {"orders": (1000, 50)},
        rules=rules,
    )
    scene.load("orders", 300, 25)
    made, refused = [0, 0], [0, 0]  # a day
    for _ in range(288 * 2):
        day = (scene.world.now - START).days
        before = scene.provisioned("orders")
        seen = scene.check()
        made[day] += scene.provisioned("orders") != before
        refused[day] += len(seen.sent) - (scene.provisioned("orders") != before)
        assert seen.ok
        scene.world.advance(300)
    assert made == [4 + 23, 4 + 23]
    assert max(refused) <= 24
