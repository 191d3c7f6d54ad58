"""Control on a real broker: Kafka's own console, poison of every kind, positions that are gone, unknown outcomes.
Lives here: what reaches the dead-letter topics, and how often. Not here: what a paste means (test_paste)."""

import json
import secrets
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.control_rooms import console, paste, rung, running_control
from tests.small_worlds import history, make_topics, make_world, read_topic, shape
from tests.waiting import until
from worldtick.control.link import Link
from worldtick.runtime.errors import Fenced
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

HOURLY = "world.tick.hourly"
SEED = (Path(__file__).parents[1] / "fixtures/seed/world.tick.hourly.json").read_text()
NEAR_SEED_S = 1_705_190_400  # 2024-01-14T00:00Z: the seed's slot is 38 hours ahead
NEXT = {"event_type": HOURLY, "data": {"tick_type": "hourly", "triggered_by": "manual"}}


@pytest.fixture
def prefix(kafka: str, topic_prefix: str) -> str:
    """The test's prefix, its topics made."""
    make_topics(kafka, topic_prefix)
    return topic_prefix


def _letters(kafka: str, prefix: str, topic: str = HOURLY) -> list[Any]:
    return read_topic(kafka, f"{prefix}{topic}.dlq")


def _reasons(kafka: str, prefix: str, topic: str = HOURLY) -> Counter[str]:
    return Counter(dict(letter.headers())["dlq.reason"].decode() for letter in _letters(kafka, prefix, topic))


def test_the_seeds_tick_through_kafkas_own_console(kafka: str, prefix: str, pool: Pool) -> None:
    key = make_world(pool, "w", epoch_s=NEAR_SEED_S)
    line, pretty = json.dumps(json.loads(SEED)), json.dumps(json.loads(SEED), indent=2)
    with running_control(kafka, prefix, pool):
        console(kafka, prefix + HOURLY, f"{line}\n{line}\n{pretty}\n")
        until(lambda: len(_letters(kafka, prefix)) == len(pretty.splitlines()))
        until(lambda: len(history(pool, key)) == 39)
        console(kafka, prefix + HOURLY, line)
        paste(kafka, prefix + HOURLY, NEXT)  # behind it in no order, but the service lives on
        until(lambda: len(history(pool, key)) == 40)
    ticks = history(pool, key)
    assert shape(ticks)[38] == (39, "hourly", 38, 38)
    assert ticks[38].caused_by is not None
    assert ticks[38].caused_by.endswith("660e8400-e29b-41d4-a716-446655440001")
    assert sorted(set(rung(kafka, prefix))) == list(range(1, 41))
    hints = [dict(letter.headers())["dlq.error"] for letter in _letters(kafka, prefix)]
    assert any(b"on a single line before pasting it" in hint for hint in hints)


def test_several_worlds_and_no_default(kafka: str, prefix: str, pool: Pool) -> None:
    keys = [make_world(pool, name) for name in ("a", "b")]
    with running_control(kafka, prefix, pool):
        paste(kafka, prefix + HOURLY, NEXT)
        until(lambda: _reasons(kafka, prefix) == {"which_world": 1})
    assert [history(pool, key) for key in keys] == [[], []]
    with running_control(kafka, prefix, pool, default_world="b"):
        paste(kafka, prefix + HOURLY, NEXT)
        until(lambda: len(history(pool, keys[1])) == 1)


def _poison() -> dict[bytes | None, str]:
    golden = Path(__file__).parents[1] / "fixtures/golden/world.tick.hourly/1.0.0.avro"
    avro = golden.read_bytes()
    return {
        secrets.token_bytes(1_000).replace(b"\0", b"\1"): "",  # whatever it is taken for
        b'{"data": 5}': "wrong_schema",
        b'{"data": {"game_hour": 25}}': "wrong_schema",
        b'{"data": {"tick_type": "weekly", "world": "w", "seq": 1, "kind_seq": 1}}': "wrong_schema",
        b'{"data": {"game_day": 4611686018427387904}}': "not_a_slot",
        avro[: len(avro) // 2]: "truncated_avro",
        b"\xc3\x01" + b"\7" * 30: "no_such_schema",
        b"\0" + struct.pack(">I", 77) + b"abc": "no_such_schema",
        b"\xff\xfe{}": "bad_utf8",
        b'{"data": {"world": "' + b"\xff" + b'"}}': "bad_utf8",
        b"x" * 130_000: "not_json",
        b"[" * 100_000: "too_deep",
        b'{"data": {"world": "nobody"}}': "unknown_world",
        b'{"data": {"world": "\\u0000"}}': "unknown_world",
        b"": "empty",
        b"   ": "empty",
        None: "null_value",
        b"[1, 2]": "not_an_object",
    }


def test_poison_is_dead_once_with_its_bytes_and_blocks_nobody(kafka: str, prefix: str, pool: Pool) -> None:
    key = make_world(pool, "w")
    poison = _poison()
    for topic in (HOURLY, "world.tick", "world.tick.daily"):
        paste(kafka, prefix + topic, *poison, {"data": {"tick_type": "daily" if "daily" in topic else "hourly"}})
    with running_control(kafka, prefix, pool):
        for topic in (HOURLY, "world.tick", "world.tick.daily"):
            until(lambda topic=topic: len(_letters(kafka, prefix, topic)) == len(poison))  # type: ignore[misc]
        until(lambda: {tick.kind for tick in history(pool, key)} == {"hourly", "daily"})
    with running_control(kafka, prefix, pool):  # a second life reads none of it again
        before = len(history(pool, key))
        paste(kafka, prefix + HOURLY, NEXT)
        until(lambda: len(history(pool, key)) > before)
    for letter in _letters(kafka, prefix):
        said = dict(letter.headers())
        assert letter.value() in poison
        assert poison[letter.value()] in ("", said["dlq.reason"].decode())
        assert said["dlq.topic"].decode() == prefix + HOURLY
    assert len(_letters(kafka, prefix)) == len({letter.value() for letter in _letters(kafka, prefix)}) == len(poison)


def test_a_record_that_is_huge_once_unpacked(kafka: str, prefix: str, pool: Pool) -> None:
    """Its compressed batch is under the topic's limit, so its letter's is too; what is behind it is sealed."""
    key = make_world(pool, "w")
    huge, noise = b"A" * 8_000_000, b"x" + secrets.token_bytes(250_000) + b"\1" * 2_000_000
    daily = {"data": {"tick_type": "daily"}}
    paste(
        kafka,
        prefix + "world.tick.daily",
        huge,
        noise,
        daily,
        **{"compression.type": "gzip", "message.max.bytes": 10**7},
    )
    with running_control(kafka, prefix, pool):
        until(lambda: len(_letters(kafka, prefix, "world.tick.daily")) == 2)
        until(lambda: len(history(pool, key)) == 25)
    assert [letter.value() for letter in _letters(kafka, prefix, "world.tick.daily")] == [huge, noise]


class _Unsure(Link):
    """Each transaction commits, and then its answer is lost."""

    lost = 0

    def publish(self, records: Any, offsets: Any, group: Any) -> None:
        """Commit, then fail, three times."""
        super().publish(records, offsets, group)
        if _Unsure.lost < 3:
            _Unsure.lost += 1
            raise Fenced("the answer to the commit was lost")


def test_an_unknown_outcome_is_read_not_repeated(kafka: str, prefix: str, pool: Pool) -> None:
    key = make_world(pool, "w")
    _Unsure.lost = 0
    paste(kafka, prefix + HOURLY, b"one", NEXT, b"two")
    with running_control(kafka, prefix, pool, _Unsure):
        until(lambda: len(history(pool, key)) == 1)
        until(lambda: len(_letters(kafka, prefix)) == 2)
        paste(kafka, prefix + HOURLY, b"three", b"four", NEXT)
        until(lambda: len(history(pool, key)) == 2)
        until(lambda: len(_letters(kafka, prefix)) == 4)
    assert _Unsure.lost > 0
    assert Counter(letter.value() for letter in _letters(kafka, prefix)) == dict.fromkeys(
        (b"one", b"two", b"three", b"four"), 1
    )
    assert sorted(set(rung(kafka, prefix))) == [1, 2]


def _commit(kafka: str, prefix: str, offset: int) -> None:
    """Put the group somewhere on every partition of the hourly topic."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{prefix}worldtick.control"})
    places = [TopicPartition(prefix + HOURLY, partition, offset) for partition in range(3)]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


@pytest.mark.parametrize("beyond", [True, False])
def test_a_position_that_is_gone_is_begun_anew_and_said(
    kafka: str, prefix: str, pool: Pool, beyond: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the end: the topic was made anew. Before the first record: retention was faster than we were."""
    key = make_world(pool, "w")
    paste(kafka, prefix + HOURLY, *[b"old"] * 30)
    if beyond:
        _commit(kafka, prefix, 1_000)
    else:
        _commit(kafka, prefix, 1)
        admin = AdminClient({"bootstrap.servers": kafka})
        places = [TopicPartition(prefix + HOURLY, partition, -1) for partition in range(3)]
        for done in admin.delete_records(places).values():
            done.result(10)
    paste(kafka, prefix + HOURLY, NEXT)
    with running_control(kafka, prefix, pool):
        until(lambda: len(history(pool, key)) == 1)
        until(lambda: len(_letters(kafka, prefix)) >= (30 if beyond else 0))  # partitions come one after another
    assert len(_letters(kafka, prefix)) == (30 if beyond else 0)
    assert "offset_out_of_range" in {record.message for record in caplog.records}


def test_the_account_is_kept_with_the_offset(kafka: str, prefix: str, pool: Pool) -> None:
    make_world(pool, "w")
    paste(kafka, prefix + HOURLY, NEXT, b"garbage", b"garbage", NEXT)
    with running_control(kafka, prefix, pool):
        until(lambda: len(_letters(kafka, prefix)) == 2)
        until(lambda: len(rung(kafka, prefix, HOURLY)) >= 2)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{prefix}worldtick.control"})
    total: Counter[str] = Counter()
    for place in consumer.committed([TopicPartition(prefix + HOURLY, partition) for partition in range(3)], timeout=10):
        if place.metadata:
            total.update(json.loads(place.metadata))
    consumer.close()
    assert (total["sealed"], total["dead"], total["again"]) == (2, 2, 0)
    assert total["passed"] <= 2  # our own rings, as far as they were read before the end


def test_what_is_behind_a_paste_that_waits_comes_after_it_once(kafka: str, prefix: str, pool: Pool) -> None:
    """Its partition is held while services work, and others go on; then all behind it is judged, in order, once."""
    lagging, free = make_world(pool, "lagging", services=("count",), facts="lag"), make_world(pool, "free")
    producer = Producer({"bootstrap.servers": kafka})
    far = {"data": {"world": "lagging", "game_time": "2020-01-01T04:00:00Z"}}
    for value in (far, {"data": {"world": "free"}}, "garbage", {"data": {"world": "free"}}):
        producer.produce(prefix + HOURLY, json.dumps(value).encode(), partition=0)
    assert producer.flush(10) == 0
    with running_control(kafka, prefix, pool):
        until(lambda: len(history(pool, lagging)) == 1)
        producer.produce(prefix + HOURLY, b"other", partition=1)
        producer.produce(prefix + HOURLY, b"more", partition=0)
        producer.flush(10)
        until(lambda: len(_letters(kafka, prefix)) == 1)  # the other partition is not held
        assert history(pool, free) == []
        for seq in (1, 2, 3):
            with transaction(pool) as conn:
                conn.execute("update slice set version = %s where world_key = %s", (seq, lagging))
                conn.execute("notify worldtick_slices")
            until(lambda seq=seq: len(history(pool, lagging)) == seq + 1)  # type: ignore[misc]
        until(lambda: len(_letters(kafka, prefix)) == 3)
    assert len(history(pool, free)) == 2
    assert Counter(letter.value() for letter in _letters(kafka, prefix)) == {b"other": 1, b'"garbage"': 1, b"more": 1}
    with transaction(pool) as conn:
        offsets = conn.execute('select "offset", seq from paste where world_key = %s order by 1', (free,)).fetchall()
    assert offsets == [(1, 1), (3, 2)]
