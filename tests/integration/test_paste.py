"""Pasted ticks on a real broker: sealed once however often read or pasted, garbage dead-lettered once with its bytes.
Lives here: control's room from topic to topic. Not here: which slot a paste means (tests/unit/control)."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.control_rooms import paste, rung, running_control
from tests.small_worlds import CATALOGUE, history, make_topics, make_world, read_topic, shape
from tests.waiting import until
from worldtick.clock.worldtime import EPOCH_S, HOUR_US
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import archive_world
from worldtick.control.desk import Again, Dead, Desk, Incoming, Rules, Sealed, Verdict, Waits
from worldtick.control.link import Link
from worldtick.runtime.errors import Fenced
from worldtick.store.db import Pool, transaction
from worldtick.ticker.publishing import Publisher

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

HOURLY = {
    "event_id": "550e8400-e29b-41d4-a716-446655440000",
    "event_type": "world.tick.hourly",
    "timestamp": "2020-01-01T01:00:00Z",
    "version": "1.0.0",
    "source": "simulation.ticker",
    "data": {
        "tick_id": "660e8400-e29b-41d4-a716-446655440001",
        "tick_type": "hourly",
        "game_hour": 1,
        "game_time": "2020-01-01T01:00:00Z",
        "tick_timestamp": "2020-01-01T01:00:00Z",
        "triggered_by": "manual",
        "consumers": ["economy-service", "analytics-service"],
    },
}
NAMELESS = {"event_type": "world.tick.hourly", "data": {"tick_type": "hourly", "triggered_by": "manual"}}


def _record(value: Any, offset: int = 0, **more: Any) -> Incoming:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    fields = {"topic": "world.tick.hourly", "partition": 0, "stamp_ms": 1, "key": None, "headers": None, **more}
    return Incoming(value=raw, offset=offset, **fields)


def _desk(pool: Pool, **rules: Any) -> Desk:
    return Desk(pool, CATALOGUE, Rules(**rules))


def _reason(verdict: Verdict) -> str:
    assert isinstance(verdict, Dead), verdict
    return verdict.reason


def test_a_paste_is_sealed_once_by_record_and_by_name(pool: Pool) -> None:
    key = make_world(pool, "w")
    desk = _desk(pool)
    assert desk.judge(_record(HOURLY)) == Sealed(key, 1)
    assert desk.judge(_record(HOURLY)) == Sealed(key, 1)  # the same record, read again
    assert desk.judge(_record(HOURLY, 1)) == Again(key, 1)  # pasted again
    (tick,) = history(pool, key)
    assert (tick.triggered_by, tick.consumers) == ("manual", ("count", "market"))
    assert tick.caused_by == "world.tick.hourly/0/0 660e8400-e29b-41d4-a716-446655440001"
    own = {"data": {"tick_id": tick.tick_id, "tick_type": "hourly"}}
    assert desk.judge(_record(own, 2)) == Again(key, 1)  # our own tick's id is known before it is past
    other = {"data": {**HOURLY["data"], "tick_id": "660e8400-e29b-41d4-a716-446655440009"}}  # type: ignore[dict-item]
    assert _reason(desk.judge(_record(other, 3))) == "past"
    assert desk.judge(_record({"data": {"game_time": "2020-01-01T01:00:00Z"}}, 4)) == Again(key, 1)


def test_a_paste_without_name_is_one_advance_each(pool: Pool) -> None:
    key = make_world(pool, "w")
    desk = _desk(pool)
    for offset in (0, 1, 1, 2, 0):
        desk.judge(_record(NAMELESS, offset))
    assert shape(history(pool, key)) == [(n, "hourly", n, n) for n in (1, 2, 3)]


def test_a_gap_is_bridged_and_only_its_end_is_the_pasted_tick(pool: Pool) -> None:
    key = make_world(pool, "w")
    named = {"data": {"game_time": "2020-01-02T01:00:00Z"}}
    assert desk_judges(pool, named) == Sealed(key, 26)
    ticks = history(pool, key)
    assert [tick.triggered_by for tick in ticks] == ["system"] * 25 + ["manual"]
    assert shape(ticks)[23:] == [(24, "hourly", 24, 24), (25, "daily", 1, 24), (26, "hourly", 25, 25)]


def desk_judges(pool: Pool, value: Any, **rules: Any) -> Verdict:
    """One verdict of a fresh desk."""
    return _desk(pool, **rules).judge(_record(value))


def test_which_world(pool: Pool) -> None:
    assert _reason(desk_judges(pool, NAMELESS)) == "no_world"
    first, second = make_world(pool, "a"), make_world(pool, "b")
    assert _reason(desk_judges(pool, NAMELESS)) == "which_world"
    assert desk_judges(pool, NAMELESS, default_world="b") == Sealed(second, 1)
    desk = _desk(pool)
    assert desk.judge(_record({"data": {"world": "a", **NAMELESS["data"]}}, 1)) == Sealed(first, 1)  # type: ignore[dict-item]
    assert desk.judge(_record(NAMELESS, 2, key=b"a")) == Sealed(first, 2)
    assert _reason(desk.judge(_record({"data": {"world": "\0"}}, 3))) == "unknown_world"
    archive_world(pool, "b")
    assert desk.judge(_record(NAMELESS, 4)) == Sealed(first, 3)
    assert _reason(desk.judge(_record({"data": {"world": "b"}}, 5))) == "archived"


@pytest.mark.parametrize(
    ("value", "rules", "reason"),
    [
        (b"{broken", {}, "not_json"),
        (b"", {}, "empty"),
        (None, {}, "null_value"),
        (b"\xff\xfe\x00", {}, "bad_utf8"),
        (b'  "data": {', {}, "not_json"),
        ({"data": {"game_time": "2020-01-01T01:00:00"}}, {}, "wrong_schema"),
        ({"data": {"game_time": "2020-01-01T01:30:00Z"}}, {}, "not_a_slot"),
        ({"data": {"game_time": "2024-01-15T14:00:00Z"}}, {}, "gap"),
        ({"data": {"tick_type": "daily"}}, {}, "wrong_topic"),
        (NAMELESS, {"pastes": False}, "pastes_off"),
        (NAMELESS, {"default_world": "nobody"}, "unknown_world"),
    ],
)
def test_what_is_dead(pool: Pool, value: Any, rules: dict[str, Any], reason: str) -> None:
    key = make_world(pool, "w")
    assert _reason(desk_judges(pool, value, **rules)) == reason
    assert history(pool, key) == []


def test_a_world_whose_service_is_not_installed(pool: Pool) -> None:
    key = make_world(pool, "w")
    with transaction(pool) as conn:
        conn.execute("update world set services = services || '{weather}'")
    assert _reason(desk_judges(pool, NAMELESS)) == "missing_services"
    assert history(pool, key) == []


def test_a_paste_waits_for_services_where_facts_lag(pool: Pool) -> None:
    key = make_world(pool, "w", services=("count",), facts="lag")
    desk = _desk(pool)
    target = _record({"data": {"game_time": "2020-01-01T03:00:00Z"}})
    for seq in (1, 2):
        assert desk.judge(target) == Waits(key, ("count",))
        assert len(history(pool, key)) == seq
        with transaction(pool) as conn:
            conn.execute("update slice set version = %s", (seq,))
    assert desk.judge(target) == Sealed(key, 3)
    assert [tick.triggered_by for tick in history(pool, key)] == ["system", "system", "manual"]


def test_racing_desks_seal_a_paste_once(pool: Pool) -> None:
    key = make_world(pool, "w")
    verdicts: list[Verdict] = []
    threads = [threading.Thread(target=lambda: verdicts.append(desk_judges(pool, NAMELESS))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [Sealed(key, 1)] * 5
    assert len(history(pool, key)) == 1


# From here on: through Kafka.


@pytest.fixture
def produce(kafka: str, topic_prefix: str) -> Callable[..., None]:
    """Produce values to a tick topic as a console does: no key."""
    make_topics(kafka, topic_prefix)

    def send(*values: Any, topic: str = "world.tick.hourly") -> None:
        paste(kafka, topic_prefix + topic, *values)

    return send


def test_from_console_to_ring(pool: Pool, kafka: str, topic_prefix: str, produce: Callable[..., None]) -> None:
    key = make_world(pool, "w")
    pretty = json.dumps(HOURLY, indent=2).encode().splitlines()
    produce(HOURLY, HOURLY, b"{broken", *pretty)
    with running_control(kafka, topic_prefix, pool):
        until(lambda: len(read_topic(kafka, topic_prefix + "world.tick.hourly.dlq")) == 1 + len(pretty))
        produce({"data": {"tick_type": "daily"}}, topic="world.tick.daily")  # between topics there is no order
        until(lambda: len(read_topic(kafka, topic_prefix + "world.tick.daily")) == 2)
    ticks = history(pool, key)
    assert shape(ticks)[-1] == (25, "daily", 1, 24)
    assert sorted(rung(kafka, topic_prefix)) == list(range(1, 26))
    letters = read_topic(kafka, topic_prefix + "world.tick.hourly.dlq")
    assert {letter.value() for letter in letters} == {b"{broken", *pretty}
    for letter in letters:
        headers = dict(letter.headers())
        assert headers["dlq.topic"].decode() == topic_prefix + "world.tick.hourly"
        assert b"one line" in headers["dlq.error"] or headers["dlq.reason"] != b"not_json"
    with running_control(kafka, topic_prefix, pool):  # a second life starts from the committed offsets
        produce(NAMELESS)
        until(lambda: len(history(pool, key)) == 26)
    assert len(read_topic(kafka, topic_prefix + "world.tick.hourly.dlq")) == 1 + len(pretty)


class _DiesOnce(Link):
    """Fails once after the SQL commit and before the Kafka transaction, as a killed process does."""

    died = False

    def publish(self, records: Any, offsets: Any, group: Any) -> None:
        """Fail the first time."""
        if not _DiesOnce.died:
            _DiesOnce.died = True
            raise Fenced("killed between sealing and publishing")
        super().publish(records, offsets, group)


def test_killed_between_sealing_and_publishing(
    pool: Pool, kafka: str, topic_prefix: str, produce: Callable[..., None]
) -> None:
    key = make_world(pool, "w")
    produce(NAMELESS, b"garbage")
    _DiesOnce.died = False
    with running_control(kafka, topic_prefix, pool, _DiesOnce):
        until(lambda: rung(kafka, topic_prefix) == [1])
    assert _DiesOnce.died
    assert len(history(pool, key)) == 1
    assert len(read_topic(kafka, topic_prefix + "world.tick.hourly.dlq")) == 1


def test_a_ticker_beside_it_makes_one_history(
    pool: Pool, kafka: str, topic_prefix: str, produce: Callable[..., None]
) -> None:
    key = make_world(pool, "w")
    publisher = Publisher(kafka, EventWriter(), topic_prefix)
    with running_control(kafka, topic_prefix, pool):
        for _ in range(10):
            produce(NAMELESS)
            publisher.publish(pool, None)
        until(lambda: len(history(pool, key)) == 10)
        until(lambda: set(rung(kafka, topic_prefix)) == set(range(1, 11)))
    assert history(pool, key)[-1].to_us == 10 * HOUR_US
    assert history(pool, key)[-1].epoch_s == EPOCH_S
    publisher.close()


def test_two_controls_share_the_work(pool: Pool, kafka: str, topic_prefix: str, produce: Callable[..., None]) -> None:
    key = make_world(pool, "w")
    with running_control(kafka, topic_prefix, pool), running_control(kafka, topic_prefix, pool):
        for number in range(20):
            produce(NAMELESS, b"garbage %d" % number)
        until(lambda: len(read_topic(kafka, topic_prefix + "world.tick.hourly.dlq")) >= 20)
        until(lambda: len(history(pool, key)) == 20)
    letters = [letter.value() for letter in read_topic(kafka, topic_prefix + "world.tick.hourly.dlq")]
    assert sorted(letters) == sorted(b"garbage %d" % number for number in range(20))
