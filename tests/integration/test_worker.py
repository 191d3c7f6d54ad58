"""The worker on a real broker and database: from sealed ticks to published outputs, every effect once.
Lives here: the plain way, rebalances in one process, dead steps, recovery. Not here: killed processes (tests/chaos)."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import COUNT, MARKET, T0, make_world, read_topic
from tests.waiting import until
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.sealed import decode_sealed
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.metrics import REGISTRY
from worldtick.runtime.worker import Place
from worldtick.sealing.rings import ring_on
from worldtick.store.db import Pool, transaction
from worldtick.store.ticks import newest_of_streams
from worldtick.store.worlds import slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def _tick(pool: Pool, publisher: Publisher, hours: int, catalogue: Any) -> None:
    """Seal and ring every slot up to `hours` after the first."""
    run_ticker(pool, publisher, catalogue, Order("hourly", WallTime(T0 + (hours - 1) * HOUR_US), HOUR_US))


def _versions(pool: Pool, keys: Sequence[int]) -> list[int]:
    with transaction(pool) as conn:
        return [row[4] for key in keys for row in slice_positions(conn, key)]


def _events(place: Place) -> list[dict[str, Any]]:
    return [
        json.loads(m.value()) for m in read_topic(place.kafka["bootstrap.servers"], place.prefix + "simulation.event")
    ]


CATALOGUE = {"count": COUNT, "market": MARKET}


def test_ticks_become_events_once_and_in_order(
    pool: Pool, publisher: Publisher, place: Place, run_worker: RunWorker
) -> None:
    """Ten worlds, 48 slots: each slice says one step_completed a tick, in order, however its rings came."""
    keys = [make_world(pool, f"w{number}", ("count", "market"), daily=False, catch_up_max=100) for number in range(10)]
    _tick(pool, publisher, 24, CATALOGUE)
    with run_worker(COUNT), run_worker(MARKET):
        until(lambda: set(_versions(pool, keys)) == {24})
        until(lambda: REGISTRY.get_sample_value("worldtick_worker_slices", {"service": "count"}) == 10)
        _tick(pool, publisher, 48, CATALOGUE)
        until(lambda: set(_versions(pool, keys)) == {48})
    events = _events(place)
    seqs: dict[tuple[str, str], list[int]] = {}
    for event in events:
        assert event["event_type"] == "simulation.event.step_completed"
        data = event["data"]
        seqs.setdefault((data["world"], data["service"]), []).append(data["seq"])
    assert len(seqs) == 20
    assert all(said == list(range(1, 49)) for said in seqs.values())
    assert max(Counter(event["event_id"] for event in events).values()) == 1


def test_an_heir_notes_what_its_predecessor_published(
    pool: Pool, publisher: Publisher, place: Place, run_worker: RunWorker
) -> None:
    """Published, and killed before it was noted: what is committed on Kafka is noted by whoever comes next."""
    keys = [make_world(pool, "w", ("count",), daily=False)]
    _tick(pool, publisher, 3, CATALOGUE)
    with run_worker(COUNT):
        until(lambda: set(_versions(pool, keys)) == {3})
    noted = "select sum(next_offset) from published"
    with transaction(pool) as conn:
        before = conn.execute(noted).fetchone()
        conn.execute("delete from published")
    assert before is not None
    assert before[0] >= 3
    with run_worker(COUNT):
        until(lambda: _one(pool, noted) == before)


def test_a_state_is_stored_when_it_is_asked_for(
    pool: Pool, publisher: Publisher, place: Place, run_worker: RunWorker
) -> None:
    """A ring that asks for it stores each state where it stands, of which else only some would be."""
    key = make_world(pool, "w", ("count", "market"), daily=False)
    stored = "select min(snapshot_version), max(snapshot_version) from slice"
    with run_worker(COUNT, snapshot_bytes_per_tick=1), run_worker(MARKET, snapshot_bytes_per_tick=1):
        _tick(pool, publisher, 3, CATALOGUE)
        until(lambda: set(_versions(pool, [key])) == {3})
        assert _one(pool, stored) != (3, 3)
        with transaction(pool) as conn:
            newest = newest_of_streams(conn, key)
        writer = EventWriter()
        for stream, body in newest:
            ring = ring_on(TICK_TOPIC_OF_STREAM[stream], decode_sealed(bytes(body)), writer, snapshot=True)
            publisher._produce([ring])
        publisher._flush()
        until(lambda: _one(pool, stored) == (3, 3))
    assert [event["data"]["seq"] for event in _events(place)].count(3) == 2


def _one(pool: Pool, question: str) -> Any:
    with transaction(pool) as conn:
        return conn.execute(question).fetchone()
