"""A game hour of a thousand market economies, end to end and durable.

Question: 1000 worlds x 5 commodities x 100 people, one worker: how long from the rings of one hourly tick of all of
them (already sealed) to the last of their 6000 events visible to a read_committed reader, with state, ledger, facts
and market_state committed in PostgreSQL?
Rival: none; the goal is about a second. The step alone is economy_step's.
Not asked: sealing and ringing, start-up, compilation."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.economy_step import one_district
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.race import OUTPUT_PARTITIONS, START_S_MAX, Reader
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.topics import topic_specs
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import Plan, create_world
from worldtick.economy.service import SERVICE
from worldtick.runtime import logs
from worldtick.runtime.service import Service
from worldtick.runtime.topics import apply, for_brokers
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place as WorkerPlace
from worldtick.runtime.worker import Worker, tame_collector
from worldtick.sealing.rings import rings_of
from worldtick.store.db import Pool, open_pool
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import BATCH_BYTES
from worldtick.ticker.seals import Progress, seal_pass
from worldtick.ticker.serve import until_signal

WORLDS, SMOKE_WORLDS = 1000, 10
HOURS, SMOKE_HOURS = 8, 2
EVENTS_A_TICK = 6  # five markets and step_completed
FIRST = WallTime(1_700_000_000_000_000 // HOUR_US * HOUR_US)
CATALOGUE: Mapping[str, Service[Any]] = {"economy": SERVICE}


def measure(place: Place) -> list[Figure]:
    """Hour after hour, each rung only when the last one's events are all there; the first is not counted."""
    worlds, hours = (SMOKE_WORLDS, SMOKE_HOURS) if place.smoke else (WORLDS, HOURS)
    prefix = f"bench{time.time_ns() // 1_000_000}-hour."
    admin = AdminClient({"bootstrap.servers": place.kafka})
    names = {"world.tick", "world.tick.hourly", "world.tick.daily", "simulation.event"}
    wanted = [spec for spec in topic_specs(prefix) if spec.base.removesuffix(".dlq") in names]
    apply(admin, for_brokers(wanted, 1))
    pool = open_pool(place.database_url, 4, "bench")
    try:
        with _worker(place, prefix), _reader(place.kafka, prefix) as reader:
            seconds = _hours(place, pool, prefix, reader, worlds, hours)
    finally:
        pool.close()
        for deleted in admin.delete_topics([spec.name for spec in wanted], operation_timeout=30).values():
            deleted.result(60)
    place.say(f"  hours: {', '.join(f'{each:.2f}' for each in seconds)} s")
    goal = "value <= 1.2"
    return [from_runs("economy_hour_1000_worlds_durable_s", "s", seconds[1:], goal=None if place.smoke else goal)]


def _hours(place: Place, pool: Pool, prefix: str, reader: Reader, worlds: int, hours: int) -> list[float]:
    section = one_district()
    scenario = json.dumps({"services": {"economy": section.model_dump(mode="json")}})
    for number in range(worlds):
        name = f"hour-{number:04d}"
        plan = Plan(name, scenario, {"economy": section}, FIRST, seed=number, daily=False)
        create_world(pool, plan, CATALOGUE)
    seconds = []
    settings = {"bootstrap.servers": place.kafka, "partitioner": "murmur2_random", "linger.ms": 5}
    producer = Producer({**settings, "batch.size": BATCH_BYTES})
    for hour in range(1, hours + 1):
        rung = _sealed(pool, hour, prefix)
        began = time.perf_counter()
        for topic, key, value, headers in rung:
            producer.produce(prefix + topic, value, key, headers=headers)
            producer.poll(0)
        if producer.flush(START_S_MAX):
            raise TimeoutError("the rings of an hour were not taken")
        ended = reader.read_to(worlds * hour * EVENTS_A_TICK, START_S_MAX, lambda: None)
        seconds.append(ended - began)
    return seconds


def _sealed(pool: Pool, hour: int, prefix: str) -> list[tuple[str, bytes, bytes, Any]]:
    """Seal an hour of all worlds; its rings, for the hourly topic."""
    progress = Progress()
    order = Order("hourly", WallTime(FIRST + (hour - 1) * HOUR_US), HOUR_US)
    sealed = sum(seal_pass(pool, CATALOGUE, order, None, progress))
    if sealed != len(progress.newest):
        raise ValueError(f"{sealed} ticks of {len(progress.newest)} worlds in one hour")
    writer = EventWriter()
    rings = (ring for tick in progress.newest.values() for ring in rings_of(tick, writer))
    return [(ring.topic, ring.key, ring.value, list(ring.headers)) for ring in rings if ring.topic.endswith("hourly")]


@contextmanager
def _reader(kafka: str, prefix: str) -> Iterator[Reader]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"{prefix}reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(f"{prefix}simulation.event", number, 0) for number in range(OUTPUT_PARTITIONS)])
    try:
        yield Reader(consumer)
    finally:
        consumer.close()


@contextmanager
def _worker(place: Place, prefix: str) -> Iterator[None]:
    """One worker in a process of its own, output to a log in scratch."""
    told = {"bootstrap": place.kafka, "database_url": place.database_url, "prefix": prefix}
    with (place.scratch / "economy_hour.log").open("wb") as log:
        command = [sys.executable, "-m", "benchmarks.economy_hour", json.dumps(told)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def main() -> None:
    """The worker's process. Argument: a JSON object with bootstrap, database_url, prefix."""
    told = json.loads(sys.argv[1])
    logs.setup("warning", "console")
    tame_collector()
    at = WorkerPlace({"bootstrap.servers": told["bootstrap"]}, told["database_url"], told["prefix"])
    with until_signal() as stop:
        Worker(SERVICE, at, Vitals("economy")).run_until(stop)


if __name__ == "__main__":
    main()
