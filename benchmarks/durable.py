"""What durable ticks are timed with: a worker in a process of its own, a reader, rings of ticks sealed beforehand.
Lives here: these three, for every service. Not here: which worlds, how many ticks, goals (the modules that measure)."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.figures import Place
from benchmarks.race import OUTPUT_PARTITIONS, START_S_MAX, Reader
from worldtick.cli.catalogue import catalogue
from worldtick.contracts.topics import topic_specs
from worldtick.contracts.wire import EventWriter
from worldtick.runtime import logs
from worldtick.runtime.splitting import Splitter
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

SESSION_MS = 2_000  # a killed worker is missed after so long
FINISHED = b'"simulation.event.step_completed"'
Rung = tuple[str, bytes, bytes, Any]  # topic, key, value, headers


@contextmanager
def topics(place: Place, name: str, more: Sequence[str] = ()) -> Iterator[str]:
    """Topics under a prefix of their own, which is given; deleted at the end. `more`: beside the ticks' own."""
    prefix = f"bench{time.time_ns() // 1_000_000}-{name}."
    admin = AdminClient({"bootstrap.servers": place.kafka})
    names = {"world.tick", "world.tick.hourly", "world.tick.daily", "simulation.event", "npc.slice", *more}
    wanted = [spec for spec in topic_specs(prefix) if spec.base.removesuffix(".dlq") in names]
    apply(admin, for_brokers(wanted, 1))
    try:
        yield prefix
    finally:
        for deleted in admin.delete_topics([spec.name for spec in wanted], operation_timeout=30).values():
            deleted.result(60)


@contextmanager
def reading(place: Place, prefix: str) -> Iterator[Reader]:
    """A read_committed reader of all that is said."""
    consumer = Consumer(
        {
            "bootstrap.servers": place.kafka,
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


def await_finished(reader: Reader, steps: int) -> float:
    """Read until so many step_completed are here in all; the time at which the last one was."""
    counted = looked = 0
    while counted < steps:
        reader.read_to(len(reader.values) + 1, START_S_MAX, lambda: None)
        counted += sum(FINISHED in value for value in reader.values[looked:])
        looked = len(reader.values)
    return time.perf_counter()


@contextmanager
def working(place: Place, prefix: str, service: str, joined: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker of a service (and its splitter, if it has one) in a process of its own, output to a log in scratch.

    joined: it says more in its log, and has joined its group when this begins. Raises TimeoutError.
    """
    told = {"bootstrap": place.kafka, "database_url": place.database_url, "prefix": prefix, "service": service}
    path = place.scratch / f"{service}-{time.monotonic_ns()}.log"
    with path.open("wb") as log:
        told["level"] = "info" if joined else "warning"
        command = [sys.executable, "-m", "benchmarks.durable", json.dumps(told)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            if joined:
                _await_line(path, "partitions_moved", process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _await_line(path: Path, text: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S_MAX
    while text not in path.read_text("utf-8", "replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the worker did not come up:\n{path.read_text('utf-8', 'replace')[-2_000:]}")
        time.sleep(0.05)


@contextmanager
def stage(place: Place, name: str, service: str) -> Iterator[tuple[Pool, str, Reader]]:
    """(pool, prefix of topics of its own, reader) with one worker of a service at work."""
    pool = open_pool(place.database_url, 4, "bench")
    try:
        with (
            topics(place, name) as prefix,
            working(place, prefix, service),
            reading(place, prefix) as reader,
        ):
            yield pool, prefix, reader
    finally:
        pool.close()


def sealed(pool: Pool, order: Order, services: Any, topic: str = "") -> list[Rung]:
    """Seal what an order is worth in all worlds; the rings of each world's newest tick on a topic, or its kind's."""
    progress = Progress()
    for _ in seal_pass(pool, services, order, None, progress):
        pass
    writer = EventWriter()
    rings = (ring for tick in progress.newest.values() for ring in rings_of(tick, writer))
    return [
        (ring.topic, ring.key, ring.value, list(ring.headers))
        for ring in rings
        if ring.topic == (topic or f"world.tick.{order.run}")
    ]


def ring(place: Place, prefix: str, rung: Sequence[Rung]) -> None:
    """Produce rings and wait until they are taken. Raises TimeoutError."""
    settings = {"bootstrap.servers": place.kafka, "partitioner": "murmur2_random", "linger.ms": 5}
    producer = Producer({**settings, "batch.size": BATCH_BYTES})
    for topic, key, value, headers in rung:
        producer.produce(prefix + topic, value, key, headers=headers)
        producer.poll(0)
    if producer.flush(START_S_MAX):
        raise TimeoutError("the rings were not taken")


def main() -> None:
    """The worker's process. Argument: a JSON object with bootstrap, database_url, prefix, service, level."""
    told = json.loads(sys.argv[1])
    logs.setup(told["level"], "console")
    tame_collector()
    at = WorkerPlace(
        {"bootstrap.servers": told["bootstrap"]}, told["database_url"], told["prefix"], session_timeout_ms=SESSION_MS
    )
    service = catalogue()[told["service"]]
    with until_signal() as stop:
        vitals = Vitals(service.name)
        if service.slice_topic is not None:
            threading.Thread(target=Splitter(service, at, vitals).run_until, args=(stop,), daemon=True).start()
        Worker(service, at, vitals).run_until(stop)


if __name__ == "__main__":
    main()
