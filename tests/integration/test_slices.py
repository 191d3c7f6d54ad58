"""A world that is rung slice by slice: two workers share it, each slice steps each tick once, and garbage is buried.
Lives here: splitter and workers on real parts. Not here: schedules of faults (simulation), what people do (npc)."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, Nudge, Section, read_topic
from tests.waiting import running, until
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.ids import home_partition, slice_key
from worldtick.control.creation import Plan, create_world
from worldtick.runtime.service import Service, Step
from worldtick.runtime.splitting import Splitter
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

SLICES = 37
CROWD: Service[int] = Service(
    name="count",
    stream="all",
    step_version=1,
    scenario_model=Section,
    slices=lambda section: section.slices,
    genesis=lambda section, seed, slice_no: slice_no,
    step=lambda state, tick: Step(state * 31 % 1_000_003 + tick.seq),
    encode=lambda state: state.to_bytes(8, "big"),
    decode=lambda body, section, slice_no: int.from_bytes(body, "big"),
    directives={"nudge": Nudge},
    slice_topic="npc.slice",
)
CATALOGUE = {"count": CROWD}


@pytest.fixture
def world(pool: Pool) -> int:
    sections = {"count": Section(slices=SLICES)}
    create_world(pool, Plan(world_id="big", scenario=json.dumps({"services": {"count": {"slices": SLICES}}}),
                            sections=sections, first_us=T0), CATALOGUE)  # fmt: skip
    with transaction(pool) as conn:
        return keys_of(conn, ["big"])["big"][0]


@contextmanager
def _splitting(place: Place) -> Iterator[None]:
    with running(Splitter(CROWD, place, Vitals("test")).run_until):
        yield


def _tick(pool: Pool, publisher: Publisher, hours: int) -> None:
    at_us = WallTime(T0 + (hours - 1) * HOUR_US)
    run_ticker(pool, publisher, CATALOGUE, Order("hourly", at_us, HOUR_US))


def _versions(pool: Pool, key: int) -> set[int]:
    with transaction(pool) as conn:
        return {row[4] for row in slice_positions(conn, key)}


def _done(kafka: str, prefix: str) -> Counter[tuple[int, int]]:
    said = [json.loads(record.value()) for record in read_topic(kafka, prefix + "simulation.event")]
    return Counter((event["data"]["slice"], event["data"]["seq"]) for event in said)


def test_two_workers_share_one_world(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, place: Place, world: int, run_worker: RunWorker
) -> None:
    with ExitStack() as stack:
        stack.enter_context(_splitting(place))
        stack.enter_context(_splitting(place))
        workers = [stack.enter_context(run_worker(CROWD)) for _ in range(2)]
        _tick(pool, publisher, 1)
        until(lambda: _versions(pool, world) == {1}, 60)
        held = [worker._protocol.memory.slices for worker in workers]
        assert sum(held) >= SLICES
        assert all(0 < count < SLICES for count in held), "both work on the world"
        _tick(pool, publisher, 5)
        until(lambda: _versions(pool, world) == {5}, 60)
        wanted = {(slice_no, seq): 1 for slice_no in range(SLICES) for seq in range(1, 6)}
        until(lambda: len(_done(kafka, topic_prefix)) == len(wanted), 30)
    assert _done(kafka, topic_prefix) == wanted
    with transaction(pool) as conn:
        digests = dict(conn.execute("select slice_no, digest from slice where world_key = %s", (world,)).fetchall())
    assert len(set(digests.values())) == SLICES


def test_a_ring_for_a_slice_lies_at_its_home(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, place: Place, world: int
) -> None:
    with _splitting(place):
        _tick(pool, publisher, 3)
        until(lambda: len(read_topic(kafka, topic_prefix + "npc.slice")) >= SLICES, 30)
    for record in read_topic(kafka, topic_prefix + "npc.slice"):
        said = json.loads(record.value())["data"]
        key = slice_key("big", said["slice"])
        assert record.key() == key.encode()
        assert record.partition() == home_partition(key, 32)
        assert dict(record.headers() or [])["ce_type"] == b"npc.slice"


def test_what_nobody_can_read_is_buried_once_and_blocks_nothing(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, place: Place, world: int, run_worker: RunWorker
) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    garbage: list[bytes | None] = [b"{broken", b"\xff\xfe\x00", None, b'{"data": {"tick_type": "hourly"}}']
    for partition in (0, 17):
        for value in garbage:
            producer.produce(topic_prefix + "npc.slice", value, partition=partition)
    producer.flush(10)
    with _splitting(place), run_worker(CROWD):
        _tick(pool, publisher, 2)
        until(lambda: _versions(pool, world) == {2}, 60)
        letters = topic_prefix + "npc.slice.dlq"
        until(lambda: len(read_topic(kafka, letters)) == 2 * len(garbage), 30)
    buried = [record.value() for record in read_topic(kafka, letters)]
    assert Counter(buried) == Counter(garbage * 2)
    reasons: list[Any] = [dict(record.headers() or [])["dlq.reason"] for record in read_topic(kafka, letters)]
    assert b"unsealed" in reasons
    assert b"not_json" in reasons
