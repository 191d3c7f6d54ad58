"""The ticker on a real broker and database: one tick per slot whatever happens, caught up with a bound, all of it rung.
Lives here: runs, races, leftovers. Not here: pasted ticks (test_paste), the pure policy (tests/unit/clock)."""

import json
import multiprocessing
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.small_worlds import CATALOGUE, T0, TICK_TOPICS, history, make_world, read_topic, shape
from tests.waiting import running, until
from worldtick.clock.moves import BoundaryKind
from worldtick.clock.worldtime import DAY_US, EPOCH_S, HOUR_US, SECOND_US, WallTime
from worldtick.contracts.ids import home_partition
from worldtick.contracts.wire import EventWriter
from worldtick.store.db import Pool, open_pool, transaction
from worldtick.store.directives import count_directives, queue_directive
from worldtick.ticker.errors import KafkaAway
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import Report, run_ticker
from worldtick.ticker.seals import Progress, seal_pass
from worldtick.ticker.serve import Loop

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def _order(hours: int, run: BoundaryKind = "hourly") -> Order:
    """The firing `hours` after the first."""
    return Order(run, WallTime(T0 + hours * HOUR_US), HOUR_US if run == "hourly" else DAY_US)


def _run(pool: Pool, publisher: Publisher, order: Order, wait_s: float = 0.0) -> Report:
    return run_ticker(pool, publisher, CATALOGUE, order, wait_s=wait_s)


def _finish(pool: Pool, seqs: dict[str, int]) -> None:
    """Play the services: each has finished its stream up to a place."""
    with transaction(pool) as conn:
        for service, version in seqs.items():
            conn.execute("update slice set version = %s where service = %s", (version, service))
        conn.execute("notify worldtick_slices")


def test_a_late_second_run_adds_nothing(pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str) -> None:
    worlds = {f"w{number}": make_world(pool, f"w{number}") for number in range(3)}
    assert _run(pool, publisher, _order(0)).published == 3
    late = Order("hourly", WallTime(T0 + 40 * 60 * SECOND_US), HOUR_US)
    assert _run(pool, publisher, late).sealed == 0
    for key in worlds.values():
        assert shape(history(pool, key)) == [(1, "hourly", 1, 1)]
    for topic, count in (("world.tick", 3), ("world.tick.hourly", 3), ("world.tick.daily", 0)):
        records = read_topic(kafka, topic_prefix + topic)
        assert len(records) == count
        for record in records:
            data = json.loads(record.value())["data"]
            assert (data["game_time"], data["game_hour"], data["seq"]) == ("2020-01-01T01:00:00Z", 1, 1)
            assert record.key().decode() == data["world"]
            if topic != "world.tick.daily":
                partitions = 3 if topic == "world.tick.hourly" else None
                assert partitions is None or record.partition() == home_partition(data["world"], partitions)


def test_eight_tickers_at_once_two_of_them_three_hours_off(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str
) -> None:
    keys = [make_world(pool, f"w{number}") for number in range(5)]
    slot = EPOCH_S * SECOND_US + HOUR_US
    skews = [0, 0, 0, -3, 0, 3, 0, 0]
    orders = [Order("hourly", WallTime(T0 + skew * HOUR_US), HOUR_US, slot) for skew in skews]
    with ThreadPoolExecutor(8) as threads:
        reports = list(threads.map(lambda order: _run(pool, publisher, order), orders))
    assert sum(report.sealed for report in reports) == 5
    for key in keys:
        assert shape(history(pool, key)) == [(1, "hourly", 1, 1)]
    ids = {
        (record.key(), json.loads(record.value())["data"]["tick_id"])
        for record in read_topic(kafka, topic_prefix + "world.tick")
    }
    assert len(ids) == 5


def _race(url: str, kafka: str, prefix: str, barrier: "threading.Barrier", slots: int) -> None:
    pool = open_pool(url, 2, "test-racer")
    publisher = Publisher(kafka, EventWriter(), prefix)
    barrier.wait(30)
    for hours in range(slots):
        _run(pool, publisher, _order(hours))
    publisher.close()
    pool.close()


def test_a_hundred_slots_raced_by_ten_processes(
    pool: Pool, publisher: Publisher, postgres_url: str, kafka: str, topic_prefix: str
) -> None:
    key = make_world(pool, "w", daily=False)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(10)
    racers = [spawn.Process(target=_race, args=(postgres_url, kafka, topic_prefix, barrier, 100)) for _ in range(10)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0] * 10
    ticks = history(pool, key)
    assert [tick.seq for tick in ticks] == list(range(1, 101))
    assert ticks[-1].to_us == 100 * HOUR_US
    rung = [json.loads(record.value())["data"]["seq"] for record in read_topic(kafka, topic_prefix + "world.tick")]
    assert sorted(set(rung)) == list(range(1, 101))


def test_killed_between_sealing_and_publishing_the_next_run_rings(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str
) -> None:
    make_world(pool, "w")
    assert sum(seal_pass(pool, CATALOGUE, _order(2), None, Progress())) == 3  # and here it is killed
    assert read_topic(kafka, topic_prefix + "world.tick") == []
    report = _run(pool, publisher, _order(2))
    assert (report.sealed, report.published) == (0, 3)
    rung = [json.loads(record.value())["data"]["seq"] for record in read_topic(kafka, topic_prefix + "world.tick")]
    assert rung == [1, 2, 3]


def test_each_takes_the_oldest_and_leaves_the_rest(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", daily=False)
    report = _run(pool, publisher, _order(29))
    assert (report.progress.sealed, report.progress.left) == ({"w": {"hourly": 24}}, {"w": 6})
    assert not report.progress.waiting
    report = _run(pool, publisher, _order(29))
    assert (report.progress.sealed, report.progress.left) == ({"w": {"hourly": 6}}, {})
    assert [tick.to_us // HOUR_US for tick in history(pool, key)] == list(range(1, 31))


def test_coalesce_makes_one_tick_a_day(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", catch_up="coalesce")
    _run(pool, publisher, _order(29))
    ticks = history(pool, key)
    assert shape(ticks) == [(1, "hourly", 1, 24), (2, "daily", 1, 24), (3, "hourly", 2, 30)]
    assert [tick.hours for tick in ticks] == [24, 24, 6]
    assert _run(pool, publisher, _order(29)).sealed == 0


def test_midnight_in_either_order_is_the_same_history(pool: Pool, publisher: Publisher) -> None:
    hourly_first, daily_first = make_world(pool, "a"), make_world(pool, "b")
    _run(pool, publisher, _order(22))
    midnight = _order(23)
    with transaction(pool) as conn:
        conn.execute("update clock set paused = true where world_key = %s", (daily_first,))
    _run(pool, publisher, midnight)
    assert _run(pool, publisher, _order(23, "daily")).sealed == 0  # it is there already
    with transaction(pool) as conn:
        conn.execute("update clock set paused = (world_key = %s)", (hourly_first,))
    waits = _run(pool, publisher, _order(23, "daily"))
    assert (waits.sealed, waits.progress.hours_first) == (0, {"b"})
    _run(pool, publisher, midnight)
    assert not _run(pool, publisher, _order(23, "daily")).progress.waiting
    assert shape(history(pool, hourly_first)) == shape(history(pool, daily_first))
    assert shape(history(pool, daily_first))[-2:] == [(24, "hourly", 24, 24), (25, "daily", 1, 24)]


def test_a_daily_run_never_writes_an_hourly_tick(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str
) -> None:
    make_world(pool, "both")
    days = make_world(pool, "days", hourly=True, daily=False)
    only = make_world(pool, "only", hourly=False, daily=True)
    for day in range(3):
        _run(pool, publisher, Order("daily", WallTime(T0 + day * DAY_US), DAY_US))
    assert history(pool, days) == []
    assert shape(history(pool, only)) == [(1, "daily", 1, 24), (2, "daily", 2, 48), (3, "daily", 3, 72)]
    assert read_topic(kafka, topic_prefix + "world.tick.hourly") == []
    assert len(read_topic(kafka, topic_prefix + "world.tick.daily")) == 3


def test_facts_that_lag_wait_for_every_service(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", facts="lag")
    report = _run(pool, publisher, _order(1))
    assert report.progress.sealed == {"w": {"hourly": 1}}
    assert (report.progress.behind, report.progress.left) == ({"w": ["count", "market"]}, {"w": 1})
    _finish(pool, {"count": 1})
    assert _run(pool, publisher, _order(1)).progress.behind == {"w": ["market"]}
    _finish(pool, {"market": 1})
    assert _run(pool, publisher, _order(1)).progress.sealed == {"w": {"hourly": 1}}
    assert [tick.facts_as_of for tick in history(pool, key)] == [0, 1]


def test_a_one_shot_waits_while_services_finish(pool: Pool, publisher: Publisher, postgres_url: str) -> None:
    key = make_world(pool, "w", services=("count",), facts="lag")

    def serve(stop: threading.Event) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as conn:
            while not stop.wait(0.005):
                conn.execute("update slice s set version = c.seq from clock c where c.world_key = s.world_key")
                conn.execute("notify worldtick_slices")

    with running(serve):
        report = _run(pool, publisher, _order(25), wait_s=60)
    assert report.progress.sealed == {"w": {"hourly": 24, "daily": 1}}
    assert report.progress.left == {"w": 2}  # the bound of `each`
    assert [tick.seq for tick in history(pool, key)] == list(range(1, 26))


def test_a_tick_carries_facts_budgets_and_directives(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", budgets={"market": {"orders": 9}}, settings={"market": {"closed": True}})
    with transaction(pool) as conn:
        conn.execute("insert into fact values (%s, 'market', 0, 0, %s)", (key, b"\x81\xa4heat\x81\xa1x\x07"))
        for number in range(300):
            queue_directive(conn, key, "count", "nudge", {"by": number})
        queue_directive(conn, key, "council", "meet", {})
    _run(pool, publisher, _order(0))
    (tick,) = history(pool, key)
    assert tick.consumers == ("count", "market")
    assert tick.budgets == {"count": {}, "market": {"orders": 9, "bids": 120}}  # 2 a world minute, for an hour
    assert tick.settings == {"market": {"opens_hour": 8, "closed": True}}
    assert tick.facts == {"heat": {"market": {0: {"x": 7}}}}
    assert [directive.args["by"] for directive in tick.directives] == list(range(256))
    with transaction(pool) as conn:
        assert count_directives(conn, key) == 45
    _run(pool, publisher, _order(1))
    assert [directive.args["by"] for directive in history(pool, key)[1].directives] == list(range(256, 300))


def test_a_lagging_world_is_rung_again_after_a_while(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str
) -> None:
    make_world(pool, "w")
    _run(pool, publisher, _order(0))
    assert _run(pool, publisher, _order(0)).rung_again == 0
    with transaction(pool) as conn:
        conn.execute("update clock set rung_at = rung_at - interval '61 s'")
        conn.execute("update slice set version = 1 where service = 'count'")
    assert _run(pool, publisher, _order(0)).rung_again == 1
    assert _run(pool, publisher, _order(0)).rung_again == 0
    assert Counter(topic for topic in TICK_TOPICS for _ in read_topic(kafka, topic_prefix + topic)) == {
        "world.tick": 1,
        "world.tick.hourly": 2,
    }


def test_a_broker_that_is_away_is_one_sentence_and_nothing_is_noted(pool: Pool) -> None:
    make_world(pool, "w")
    nowhere = Publisher("127.0.0.1:1", EventWriter(), "x.", {"delivery.timeout.ms": "300", "log_level": "0"})
    with pytest.raises(KafkaAway, match="KAFKA_BOOTSTRAP_SERVERS"):
        _run(pool, nowhere, _order(0))
    with transaction(pool) as conn:
        assert conn.execute("select seq, published_seq from clock").fetchone() == (1, 0)


def test_two_loops_make_one_history(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w")
    one, other = (Loop(pool, publisher, CATALOGUE, 50_000) for _ in range(2))
    with running(one.run_until), running(other.run_until):
        until(lambda: len(history(pool, key)) >= 30)
    ticks = history(pool, key)
    assert [tick.seq for tick in ticks] == list(range(1, len(ticks) + 1))
    hours = [tick.to_us // HOUR_US for tick in ticks if tick.kind == "hourly"]
    assert hours == list(range(1, len(hours) + 1))


def test_no_firing_moves_a_world_beyond_until(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", services=("council",))
    until_us = EPOCH_S * SECOND_US + 25 * HOUR_US
    order = Order("hourly", WallTime(T0 + 40 * HOUR_US), HOUR_US, until_unix_us=until_us)
    for _ in range(3):  # each up to 24 hours: without a bound the second would reach the 41st
        assert not _run(pool, publisher, order).progress.behind
    assert [tick.to_us // HOUR_US for tick in history(pool, key) if tick.kind == "hourly"] == list(range(1, 26))


def test_a_thousand_worlds_at_once(pool: Pool, publisher: Publisher) -> None:
    for number in range(1_000):
        make_world(pool, f"w{number}", services=("count", "market"))
    begun = time.perf_counter()
    assert sum(seal_pass(pool, CATALOGUE, _order(0), None, Progress())) == 1_000
    sealed = time.perf_counter()
    assert publisher.publish(pool, None) == 1_000
    print(f"1000 worlds: sealed in {sealed - begun:.3f} s, rung in {time.perf_counter() - sealed:.3f} s")  # noqa: T201


def test_worlds_that_it_cannot_move_are_told_when_they_change(
    pool: Pool, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    make_world(pool, "w", services=("count",))
    stop, runs = threading.Event(), [0]

    def count(_report: Report) -> None:
        runs[0] += 1
        if runs[0] == 4:
            make_world(pool, "x", services=("market",))
        if runs[0] == 8:
            stop.set()

    Loop(pool, publisher, {}, 50_000, on_report=count).run_until(stop)
    told = [vars(record)["missing"] for record in caplog.records if record.getMessage() == "worlds_not_moved"]
    assert told == [["count"], ["count", "market"]]
