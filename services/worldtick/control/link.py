"""The link to Kafka: batches of records in; rings, dead letters and offsets out in one short transaction.
Lives here: consumer, transactional producer, rewinding. Not here: what becomes of a record (desk, room)."""

import itertools
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from worldtick.control.desk import Incoming
from worldtick.control.errors import Rewind

BATCH_MAX = 500
POLL_S = 0.2
TRANSACTION_TIMEOUT_MS = 15_000
BATCH_BYTES = 65_536  # a topic's max.message.bytes bounds a whole batch
_CALL_S = 10.0
_numbers = itertools.count(1)


class Outgoing(NamedTuple):
    """A record to publish; the topic is named without the deployment's prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Batch(NamedTuple):
    """Records with the group's metadata as it was when they were read: what fences a former owner."""

    records: list[Incoming]
    group: Any
    rebalanced: bool  # partitions came or went since the last batch


Place = tuple[str, int]  # topic without prefix, partition


class Link:
    """One member of control's group on the tick topics."""

    def __init__(
        self, bootstrap: str, prefix: str, topics: Sequence[str], settings: Mapping[str, str] | None = None
    ) -> None:
        self.prefix = self._prefix = prefix
        self._rebalanced = False
        self._base: dict[str, Any] = {"bootstrap.servers": bootstrap, **(settings or {})}
        self._consumer = Consumer(
            {
                **self._base,
                "group.id": f"{prefix}worldtick.control",
                "client.id": "worldtick.control",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",  # a paste made before the first start is sealed too
                "partition.assignment.strategy": "cooperative-sticky",
                "max.poll.interval.ms": 120_000,
                "session.timeout.ms": 10_000,
            }
        )
        self._producer = self._new_producer()
        names = [prefix + topic for topic in topics]
        self._consumer.subscribe(names, on_assign=self._moved, on_revoke=self._moved, on_lost=self._moved)

    def _new_producer(self) -> Producer:
        """A producer with a name of its own: the group's generation fences, not the name."""
        name = f"{self._prefix}worldtick.control.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        producer = Producer(
            {
                **self._base,
                "transactional.id": name,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "acks": "all",
                "partitioner": "murmur2_random",
                "batch.size": BATCH_BYTES,
                "linger.ms": 0,
                "retry.backoff.ms": 2,  # at 100 the next transaction waits 93 ms for the last one's markers
            }
        )
        try:
            producer.init_transactions(_CALL_S)
        except KafkaException as away:
            raise Rewind(f"Kafka does not let control begin transactions: {away}") from away
        return producer

    def poll(self) -> Batch:
        """Up to BATCH_MAX records, as soon as there is one; none after POLL_S. Raises Rewind on a fatal error."""
        messages = self._consumer.consume(1, POLL_S)
        if messages:
            messages += self._consumer.consume(BATCH_MAX - 1, 0)
        group = self._consumer.consumer_group_metadata()
        rebalanced, self._rebalanced = self._rebalanced, False
        records = [self._incoming(message) for message in messages if self._is_record(message)]
        return Batch(records, group, rebalanced)

    def _moved(self, _consumer: Consumer, _places: list[TopicPartition]) -> None:
        """Callbacks only record, within poll; no batch is in hand then."""
        self._rebalanced = True

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() == KafkaError._MAX_POLL_EXCEEDED:
            raise Rewind(f"reading the tick topics failed: {error}")
        return False  # librdkafka retries by itself

    def _incoming(self, message: Message) -> Incoming:
        kind, stamp_ms = message.timestamp()
        return Incoming(
            topic=str(message.topic()).removeprefix(self._prefix),
            partition=int(message.partition() or 0),
            offset=int(message.offset() or 0),
            stamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms,
            key=message.key(),
            value=message.value(),
            headers=message.headers(),
        )

    def committed(self, places: Sequence[Place]) -> dict[Place, str]:
        """The metadata that stand with the committed offsets; nothing for partitions without."""
        wanted = [TopicPartition(self._prefix + topic, partition) for topic, partition in places]
        found = self._consumer.committed(wanted, timeout=_CALL_S)
        return {(self._bare(p.topic), p.partition): p.metadata for p in found if p.offset >= 0 and p.metadata}

    def publish(self, records: Sequence[Outgoing], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """One Kafka transaction: the records, and where the group goes on. Raises Rewind unless it surely committed."""
        moved = [
            TopicPartition(self._prefix + topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in offsets.items()
        ]
        try:
            self._producer.begin_transaction()
            for record in records:
                self._producer.produce(
                    self._prefix + record.topic, key=record.key, value=record.value, headers=list(record.headers)
                )
            self._producer.send_offsets_to_transaction(moved, group, _CALL_S)
            self._producer.commit_transaction(_CALL_S)
        except (KafkaException, BufferError) as failed:
            raise Rewind(f"control's Kafka transaction did not surely commit: {failed}") from failed

    def rewind(self) -> None:
        """After anything that failed: a new producer, and back to the committed offsets of what we hold."""
        self._drop_producer()
        self._producer = self._new_producer()
        try:
            held = self._consumer.assignment()
            for place in self._consumer.committed(held, timeout=_CALL_S) if held else ():
                self._consumer.seek(TopicPartition(place.topic, place.partition, _start(place.offset)))
        except KafkaException as failed:
            raise Rewind(f"the committed offsets cannot be read: {failed}") from failed

    def _drop_producer(self) -> None:
        try:
            self._producer.abort_transaction(_CALL_S)
        except KafkaException:
            self._producer.purge()  # fenced, away or outcome unknown: its open transaction times out by itself

    def seek(self, place: Place, offset: int) -> None:
        """Read on from an offset."""
        try:
            self._consumer.seek(TopicPartition(self._prefix + place[0], place[1], offset))
        except KafkaException as failed:
            raise Rewind(f"{place} is no longer ours: {failed}") from failed

    def close(self) -> None:
        """Leave the group at once."""
        self._consumer.close()

    def _bare(self, topic: str) -> str:
        return topic.removeprefix(self._prefix)


def _start(offset: int) -> int:
    return offset if offset >= 0 else -2  # OFFSET_BEGINNING
