"""Control in a thread, for tests: it runs while a block runs, and people paste.
Lives here: what tests of pastes and poison share. Not here: fixtures (conftest), worlds (small_worlds)."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer

from tests.small_worlds import CATALOGUE, TICK_TOPICS, read_topic
from tests.waiting import running
from worldtick.cli.settings import load
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Desk, Rules
from worldtick.control.link import Link
from worldtick.control.room import Room
from worldtick.local.kafka_jars import CACHE_DIR, classpath, java, tool_command
from worldtick.runtime.service import Service
from worldtick.store.db import Pool


@contextmanager
def running_control(
    kafka: str,
    prefix: str,
    pool: Pool,
    link: type[Link] = Link,
    catalogue: Mapping[str, Service[Any]] = CATALOGUE,
    **rules: Any,
) -> Iterator[Room]:
    """A control room that works as long as the block runs."""
    member = link({"bootstrap.servers": kafka}, prefix, TICK_TOPICS)
    room = Room(member, Desk(pool, catalogue, Rules(prefix=prefix, **rules)), pool, EventWriter())
    with running(room.run_until):
        yield room


def paste(kafka: str, topic: str, *values: Any, **settings: Any) -> None:
    """Produce values (bytes, None, or an object as JSON) as a console does: without a key."""
    producer = Producer(
        {"bootstrap.servers": kafka, "batch.num.messages": 1, **settings}
    )  # a topic's limit is a batch's
    failed: list[Any] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error)

    for value in values:
        raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        producer.produce(topic, raw, on_delivery=delivered)
    assert producer.flush(10) == 0
    assert not failed


def console(kafka: str, topic: str, text: str) -> None:
    """Kafka's own console producer, fed as a person does: lines on standard input, no key."""
    settings = load()
    jars = classpath(settings.cache_dir or CACHE_DIR, lambda _line: None)
    tool = tool_command(java(settings.java_home), jars, "org.apache.kafka.tools.ConsoleProducer")
    argv = [*tool, "--bootstrap-server", kafka, "--topic", topic]
    subprocess.run(argv, input=text.encode(), check=True, timeout=60, capture_output=True)


def rung(kafka: str, prefix: str, topic: str = "world.tick") -> list[int]:
    """The seqs of the rings on a topic."""
    return [json.loads(record.value())["data"]["seq"] for record in read_topic(kafka, prefix + topic) if record.key()]
