"""A tick's records on Kafka: where and when it was rung.
Lives here: looking for them, bounded. Not here: what a ring means (runtime), the tick's rows (lives)."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from worldtick.contracts.errors import Unavailable, Unreadable
from worldtick.contracts.ids import home_partition
from worldtick.contracts.rings import decode_ring
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.stamps import rfc3339
from worldtick.runtime.clients import new_reader

RECORDS_MAX: Final = 20_000  # looked through
SECONDS_MAX: Final = 10.0
RINGS_MAX: Final = 20
EARLY_MS: Final = 5_000  # the broker's clock may be behind the database's
_CALL_S: Final = 10.0


class Ring(msgspec.Struct, frozen=True):
    """One record that rings a tick."""

    topic: str
    partition: int
    offset: int
    at: str  # wall time, the record's own


def rings_of(
    kafka: Mapping[str, Any],
    prefix: str,
    topic: str,
    world: str,
    seq: int,
    sealed_at: datetime,
    registry: SchemaRegistry | None = None,
) -> list[Ring]:
    """The records on `topic` that ring this tick, oldest first; from its seal on, as far as they are still there.

    A tick that was rung again has several. Raises Unavailable if Kafka is away.
    """
    consumer = new_reader(kafka, prefix, "trail")
    try:
        return list(_look(consumer, prefix + topic, world, seq, sealed_at, registry))
    except KafkaException as away:
        raise Unavailable(f"Kafka does not answer: {away.args[0].str()}") from away
    finally:
        consumer.close()


def _look(
    consumer: Consumer, topic: str, world: str, seq: int, sealed_at: datetime, registry: SchemaRegistry | None
) -> list[Ring]:
    described = consumer.list_topics(topic, timeout=_CALL_S).topics[topic]
    if not described.partitions:
        return []
    partition = home_partition(world, len(described.partitions))
    start_ms = int(sealed_at.timestamp() * 1_000) - EARLY_MS
    (start,) = consumer.offsets_for_times([TopicPartition(topic, partition, start_ms)], timeout=_CALL_S)
    if start.offset < 0:
        return []
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_CALL_S)
    consumer.assign([TopicPartition(topic, partition, start.offset)])
    found: list[Ring] = []
    read, deadline = 0, time.monotonic() + SECONDS_MAX
    while read < RECORDS_MAX and len(found) < RINGS_MAX and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        (at,) = consumer.position([TopicPartition(topic, partition)])
        if message is not None and message.error() is None:
            read += 1
            if _rings(message.value(), world, seq, registry):
                moment = rfc3339(message.timestamp()[1] * 1_000)
                found.append(Ring(topic, partition, message.offset() or 0, moment))
        if at.offset >= end:
            break
    return found


def _rings(value: bytes | str | None, world: str, seq: int, registry: SchemaRegistry | None) -> bool:
    try:
        ring = decode_ring(value.encode() if isinstance(value, str) else value, registry)
    except Unreadable:
        return False
    return ring.world == world and ring.seq == seq
