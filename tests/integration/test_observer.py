"""The observer on real parts: what it counts, that restarts lose and double nothing, dead letters, its series.
Lives here: topics and ledger to tallies and /metrics. Not here: status and lists (tests/integration/cli)."""

import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from tests.observed import all_topics, finished, tick_hours, worker
from tests.small_worlds import CATALOGUE, COUNT, MARKET, make_world, read_topic
from tests.unit.contracts.samples import DATA
from tests.waiting import running, until
from worldtick.clock.course import Pace
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import SECOND_US, WallTime
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import archive_world
from worldtick.observer.counting import TOPICS
from worldtick.observer.link import Link
from worldtick.observer.room import Room
from worldtick.observer.service import run_observer
from worldtick.runtime.errors import Fenced
from worldtick.runtime.vitals import Vitals
from worldtick.store.accounts import read_tallies
from worldtick.store.clocks import claim_due
from worldtick.store.db import Pool, transaction
from worldtick.ticker.turns import Pacing, take_turn

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

EVENTS = "simulation.event"


@pytest.fixture
def topics(kafka: str, topic_prefix: str) -> str:
    """All topics are there; their prefix."""
    all_topics(kafka, topic_prefix)
    return topic_prefix


def _room(kafka: str, prefix: str, pool: Pool) -> Room:
    return Room(Link({"bootstrap.servers": kafka}, prefix, TOPICS), pool, None, Vitals("observer"))


def _produce(kafka: str, topic: str, *values: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for number, value in enumerate(values):
        producer.produce(topic, value, key=b"w", headers=[("n", str(number).encode())])
    assert producer.flush(10) == 0


def _tallies(pool: Pool, name: str) -> dict[str, float]:
    """The last label's value -> number."""
    with transaction(pool) as conn:
        rows = read_tallies(conn).get(name, [])
    return {"/".join(labels.values()): value for labels, value in rows}


def _reads(pool: Pool, fates: Mapping[str, float]) -> Any:
    return lambda: _tallies(pool, "records") == fates


def cleared(price: int = 10) -> bytes:
    """A market_cleared event."""

    data = {**DATA["simulation.event.market_cleared"], "price_ticks": price}
    name = "550e8400-e29b-41d4-a716-446655440000"
    return EventWriter().event(name, "market_cleared", "2020-01-01T14:00:00Z", "simulation.economy", data)


def test_a_restart_loses_and_doubles_nothing(pool: Pool, kafka: str, topics: str) -> None:
    _produce(kafka, topics + EVENTS, cleared(), b"{broken", cleared())
    with running(_room(kafka, topics, pool).run_until):
        until(_reads(pool, {"read/" + EVENTS: 2, "dead/" + EVENTS: 1}), what="three records are counted")
    _produce(kafka, topics + EVENTS, cleared(), None)
    with running(_room(kafka, topics, pool).run_until):
        until(_reads(pool, {"read/" + EVENTS: 3, "dead/" + EVENTS: 2}), what="two more are counted")
    assert _tallies(pool, "events") == {"market_cleared": 3}
    letters = read_topic(kafka, topics + EVENTS + ".dlq")
    assert [letter.value() for letter in letters] == [b"{broken", None]
    assert [dict(letter.headers())["dlq.reason"] for letter in letters] == [b"not_json", b"null_value"]
    assert dict(letters[0].headers())["n"] == b"1"


def test_a_crash_between_the_two_commits(pool: Pool, kafka: str, topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka has dead letter and offset, PostgreSQL nothing: read again, counted once, not dead-lettered again."""
    _produce(kafka, topics + EVENTS, cleared(), b"{broken")
    crashing = _room(kafka, topics, pool)
    crashed = threading.Event()

    def crash(*_: Any) -> None:
        crashed.set()
        raise Fenced("the process dies here")

    monkeypatch.setattr(crashing, "_store", crash)
    with running(crashing.run_until):
        assert crashed.wait(40)
    assert _tallies(pool, "records") == {}
    with running(_room(kafka, topics, pool).run_until):
        until(_reads(pool, {"read/" + EVENTS: 1, "dead/" + EVENTS: 1}), what="both are counted")
    assert len(read_topic(kafka, topics + EVENTS + ".dlq")) == 1


def test_two_observers_count_together(pool: Pool, kafka: str, topics: str) -> None:
    with running(_room(kafka, topics, pool).run_until):
        _produce(kafka, topics + EVENTS, *[cleared()] * 200)
        with running(_room(kafka, topics, pool).run_until):
            for _ in range(5):
                _produce(kafka, topics + EVENTS, *[cleared()] * 20, b"poison")
            until(_reads(pool, {"read/" + EVENTS: 300, "dead/" + EVENTS: 5}), what="all are counted once")
    assert len(read_topic(kafka, topics + EVENTS + ".dlq")) == 5


def test_what_is_not_ours_is_counted_and_left(pool: Pool, kafka: str, topics: str) -> None:
    newer = b'{"event_id":"x","event_type":"simulation.event.of_tomorrow","data":{"a":1}}'
    _produce(kafka, topics + EVENTS, newer, b'{"event_type":"simulation.event.market_cleared","data":{}}')
    _produce(kafka, topics + "world.tick.hourly", b"{broken", b'{"data":{"tick_type":"hourly"}}')
    expected = {"read/" + EVENTS: 1.0, "dead/" + EVENTS: 1.0}
    expected |= {"unreadable/world.tick.hourly": 1.0, "pasted/world.tick.hourly": 1.0}
    with running(_room(kafka, topics, pool).run_until):
        until(_reads(pool, expected), what="all four are counted")
    assert _tallies(pool, "events") == {"other": 1}
    assert read_topic(kafka, topics + "world.tick.hourly.dlq") == []
    (letter,) = read_topic(kafka, topics + EVENTS + ".dlq")
    assert dict(letter.headers())["dlq.reason"] == b"wrong_schema"


def test_a_huge_record_does_not_hold_it_up(pool: Pool, kafka: str, topics: str) -> None:
    """A topic's limit is of compressed bytes: what came in small goes out again as it came."""
    producer = Producer({"bootstrap.servers": kafka, "compression.type": "gzip", "message.max.bytes": 9_000_000})
    dull = bytes(3_000_000)
    for value in (dull, cleared()):
        producer.produce(topics + EVENTS, value)
        assert producer.flush(10) == 0
    with running(_room(kafka, topics, pool).run_until):
        until(_reads(pool, {"read/" + EVENTS: 1, "dead/" + EVENTS: 1}), what="the one behind it is counted")
    (letter,) = read_topic(kafka, topics + EVENTS + ".dlq")
    assert letter.value() == dull
    assert dict(letter.headers())["dlq.reason"] == b"too_large"


def test_rings_beyond_the_table_are_seen(pool: Pool, kafka: str, topics: str, caplog: pytest.LogCaptureFixture) -> None:
    key = make_world(pool, "w", services=("count",))
    tick_hours(pool, kafka, topics, 5)
    with transaction(pool) as conn:  # as if the database had been restored from before
        conn.execute("delete from tick where world_key = %s and seq > 2", (key,))
        conn.execute("update clock set seq = 2, hourly_seq = 2, published_seq = 2 where world_key = %s", (key,))
    with running(_room(kafka, topics, pool).run_until):
        until(lambda: _tallies(pool, "rung_beyond") == {"w": 5}, what="the lost ticks are seen")
    assert any(record.message == "ring_beyond_table" for record in caplog.records)


# From here on: with workers, through /metrics.


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """All series of an observer: (name without its beginning, label values in order of their names) -> value."""
    client = HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/metrics")
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    assert answer.status == 200, text
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        for row in family.samples:
            key = (row.name.removeprefix("worldtick_"), *(row.labels[name] for name in sorted(row.labels)))
            assert key not in found, key
            found[key] = row.value
    return found


def observing(kafka: str, url: str, prefix: str, ports: list[int]) -> Any:
    """An observer in a thread; its port comes into `ports`."""

    def observe(stop: threading.Event) -> None:
        run_observer({"bootstrap.servers": kafka}, url, prefix, 0, stop, host="127.0.0.1", on_serving=ports.append)

    return running(observe)


def test_series_of_a_day(pool: Pool, kafka: str, topics: str, postgres_url: str) -> None:
    for number in range(3):
        make_world(pool, f"w{number}", services=("count", "market"))
    ports: list[int] = []
    with observing(kafka, postgres_url, topics, ports), worker(COUNT, kafka, postgres_url, topics):
        tick_hours(pool, kafka, topics, 10)
        with worker(MARKET, kafka, postgres_url, topics):
            tick_hours(pool, kafka, topics, 24)
            until(finished(pool, "count"), what="count is done")
            until(finished(pool, "market"), what="market is done")
        until(lambda: bool(ports), what="the observer listens")
        expected = 3 * 25 + 3 * 24
        counted = lambda: scrape(ports[0]).get(("events_total", "step_completed")) == expected  # noqa: E731
        until(counted, what="all steps are counted")
        until(lambda: ("step_seconds_count", "count") in scrape(ports[0]), what="the ledger is counted for once")
        series = scrape(ports[0])
    assert series["ticks_sealed_total", "hourly"] == 72
    assert series["ticks_sealed_total", "daily"] == 3
    for service, ticks in (("count", 75), ("market", 72)):
        assert series["ticks_finished_total", "applied", service] == ticks
        assert series["ticks_for_service_total", service] == ticks
        assert (series["ticks_in_flight", service], series["ticks_balance", service]) == (0, 1)
        assert series["lag_world_seconds", service] == 0
        assert series["slices", service, "well"] == 3
    assert series["step_seconds_count", "count"] <= 75
    assert series["event_bytes_count", "step_completed"] == expected
    assert series["group_lag_records", "worldtick.market", "world.tick.hourly"] == 0
    rang = series["group_records_total", "rang", "worldtick.market", "world.tick.hourly"]
    assert 0 < rang <= 72
    assert ("observed", "database") in series


def test_lag_in_records_and_world_hours(pool: Pool, kafka: str, topics: str, postgres_url: str) -> None:
    make_world(pool, "w", services=("market",))
    ports: list[int] = []
    with observing(kafka, postgres_url, topics, ports):
        with worker(MARKET, kafka, postgres_url, topics):
            tick_hours(pool, kafka, topics, 1)
            until(finished(pool, "market"), what="market is done")
        tick_hours(pool, kafka, topics, 11)
        series = scrape(ports[0])
        assert series["lag_world_seconds", "market"] == 36_000
        assert series["group_lag_records", "worldtick.market", "world.tick.hourly"] == 10
        assert series["worlds_behind", "market"] == 1
        assert (series["ticks_in_flight", "market"], series["ticks_balance", "market"]) == (10, 1)
        with worker(MARKET, kafka, postgres_url, topics):
            until(lambda: scrape(ports[0])["lag_world_seconds", "market"] == 0, what="it has caught up")
        until(
            lambda: scrape(ports[0])["group_lag_records", "worldtick.market", "world.tick.hourly"] == 0,
            what="no records left",
        )


def test_worlds_that_no_ticker_drives_lag_behind_the_wall(
    pool: Pool, kafka: str, topics: str, postgres_url: str
) -> None:
    pace = Pace("auto", 60 * PPB, SECOND_US)
    first_us = time.time_ns() // 1_000 - 100 * SECOND_US
    make_world(pool, "w", services=("count",), pace=pace, first_us=first_us)
    make_world(pool, "still", services=("count",), pace=Pace("manual"), first_us=first_us)
    ports: list[int] = []
    with observing(kafka, postgres_url, topics, ports):
        until(lambda: bool(ports), what="the observer listens")
        series = scrape(ports[0])
        assert 100 <= series["pace_lag_seconds",] < 600
        assert 99 <= series["overdue_seconds",] < 600
        with transaction(pool) as conn:
            at_us = WallTime(time.time_ns() // 1_000)
            turn = take_turn(conn, Pacing(CATALOGUE), claim_due(conn, at_us, None, 10), at_us)
        assert [tick.kind for tick in turn.ticks][:2] == ["hourly", "step"]
        until(lambda: scrape(ports[0])["pace_lag_seconds",] < 50, what="it has caught up")
        assert scrape(ports[0])["overdue_seconds",] < 50
        archive_world(pool, "w")
        until(lambda: scrape(ports[0])["pace_lag_seconds",] == 0, what="an archived world does not lag")


def test_its_sessions_are_cut_again_and_again(pool: Pool, kafka: str, topics: str, postgres_url: str) -> None:
    """The one that holds its slot too: it counts everything once all the same, and is fit again."""
    ports: list[int] = []
    with observing(kafka, postgres_url, topics, ports):
        for round_no in range(1, 6):
            _produce(kafka, topics + EVENTS, *[cleared()] * 40, b"poison")
            with transaction(pool) as conn:
                conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and application_name = 'worldtick-observer'"
                )
            fates = {"read/" + EVENTS: 40 * round_no, "dead/" + EVENTS: round_no}
            until(_reads(pool, fates), what=f"round {round_no} is counted once")
        until(lambda: _status(ports[0], "/health") == 200, what="it is fit again")
    assert len(read_topic(kafka, topics + EVENTS + ".dlq")) == 5


def _status(port: int, path: str) -> int:
    client = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("GET", path)
        return client.getresponse().status
    finally:
        client.close()
