"""The link to Kafka: batches of records in; rings, dead letters and offsets out in one short transaction.
Lives here: consumer, transactional producer, positions set by hand. Not here: what becomes of a record (desk, room)."""

import itertools
import logging
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from worldtick.contracts.letters import PRODUCER
from worldtick.control.desk import Incoming
from worldtick.control.errors import Rewind
from worldtick.runtime.clients import new_consumer, new_producer
from worldtick.runtime.topics import admin_client

log = logging.getLogger(__name__)

BATCH_MAX: Final = 2_000
POLL_S: Final = 0.2
SESSION_TIMEOUT_MS: Final = 10_000  # a member that says nothing for so long is out
TRANSACTION_TIMEOUT_MS: Final = 15_000
QUEUED_KBYTES_MAX: Final = 16_384
SEEK_TRIES: Final = 100  # a partition just assigned refuses to seek for some milliseconds
PRODUCE_TRIES: Final = 100
_CALL_S: Final = 10.0
_numbers = itertools.count(1)


class Outgoing(NamedTuple):
    """A record to publish; the topic is named without the deployment's prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Batch(NamedTuple):
    """Records with the group's metadata as it was when they were read: what fences a former owner."""

    records: list[Incoming]
    group: Any
    rebalanced: bool  # partitions came or went since the last batch: what is not committed is read again


Place = tuple[str, int]  # topic without prefix, partition


class Link:
    """One member of control's group on the tick topics. Making it does not need the broker to be up."""

    def __init__(
        self, kafka: Mapping[str, str], prefix: str, topics: Sequence[str], session_timeout_ms: int = SESSION_TIMEOUT_MS
    ) -> None:
        self.prefix = prefix
        self._kafka = dict(kafka)
        self._moved = False
        self._paused: set[Place] = set()
        self._producer: Producer | None = None
        self._admin: AdminClient | None = None
        # one name for the link's life: a new producer of this name ends what the one before left open
        self._name = f"{prefix}worldtick.control.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._consumer = new_consumer(
            {
                **self._kafka,
                "group.id": f"{prefix}worldtick.control",
                "client.id": "worldtick.control",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",  # and so offsets are fetched stable
                "auto.offset.reset": "earliest",  # a paste made before the first start is sealed too
                "partition.assignment.strategy": "cooperative-sticky",
                "max.poll.interval.ms": 120_000,
                "session.timeout.ms": session_timeout_ms,
                "heartbeat.interval.ms": max(200, session_timeout_ms // 4),
                "queued.max.messages.kbytes": QUEUED_KBYTES_MAX,
            }
        )
        names = [prefix + topic for topic in topics]
        self._consumer.subscribe(names, on_assign=self._note, on_revoke=self._note, on_lost=self._note)

    def _note(self, _consumer: Consumer, _places: list[TopicPartition]) -> None:
        """Callbacks only record; poll() acts."""
        self._moved = True

    def poll(self, wait_s: float = POLL_S) -> Batch:
        """Up to BATCH_MAX records, as soon as there is one; none after `wait_s`.

        When partitions came or went meanwhile, what was read is dropped and all that we hold is read on from its
        committed offset: a batch never outlives the generation that it was read in. Raises Rewind.
        """
        messages = self._consumer.consume(1, wait_s)
        if messages and not self._moved:
            messages += self._consumer.consume(BATCH_MAX - 1, 0)
        if self._moved:
            self.reposition()
            return Batch([], None, True)
        group = self._consumer.consumer_group_metadata()
        return Batch([self._incoming(message) for message in messages if self._is_record(message)], group, False)

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
            topic=str(message.topic()).removeprefix(self.prefix),
            partition=int(message.partition() or 0),
            offset=int(message.offset() or 0),
            stamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms,
            key=message.key(),
            value=message.value(),
            headers=message.headers(),
        )

    def reposition(self) -> None:
        """Read on from the committed offset of all that we hold; from the first record there is where that is gone."""
        self._moved = False
        try:
            held = self._consumer.assignment()
            self._consumer.resume(held)
            self._paused.clear()
            places = self._consumer.committed(held, timeout=2 * _CALL_S) if held else []
            firsts, ends = self._bounds(held, OffsetSpec.earliest()), self._bounds(held, OffsetSpec.latest())
        except KafkaException as failed:
            raise Rewind(f"the committed offsets cannot be read: {failed}") from failed
        for place in places:
            key = (place.topic, place.partition)
            self._seek(TopicPartition(*key, _start(place, firsts[key], ends[key])))

    def _bounds(self, places: Sequence[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        """Where the logs begin or end, of all at once: asked by the consumer, each would wait behind a long poll."""
        bare = [TopicPartition(place.topic, place.partition) for place in places]
        if not bare:
            return {}
        self._admin = self._admin or admin_client(self._kafka)
        asked = self._admin.list_offsets(dict.fromkeys(bare, spec), request_timeout=_CALL_S)
        return {(place.topic, place.partition): future.result(_CALL_S + 5).offset for place, future in asked.items()}

    def _seek(self, place: TopicPartition) -> None:
        for _ in range(SEEK_TRIES):
            try:
                self._consumer.seek(place)
            except KafkaException as refused:
                if refused.args[0].code() != KafkaError._STATE or self._moved:
                    raise Rewind(f"{place.topic}/{place.partition} is no longer ours: {refused}") from refused
                self._consumer.poll(0.02)  # serves the assignment; what it brings is read again after the seek
            else:
                return
        raise Rewind(f"{place.topic}/{place.partition} does not take a position")

    def pause(self, places: Collection[Place]) -> None:
        """Bring nothing from these partitions, and again from all others. Raises Rewind."""
        if self._paused == set(places):
            return
        wanted = {(self.prefix + topic, partition) for topic, partition in places}
        held = {(place.topic, place.partition) for place in self._consumer.assignment()}
        try:
            self._consumer.resume([TopicPartition(*place) for place in held - wanted])
            self._consumer.pause([TopicPartition(*place) for place in held & wanted])
        except KafkaException as failed:
            raise Rewind(f"partitions cannot be paused: {failed}") from failed
        self._paused = set(places)

    def committed(self, places: Sequence[Place]) -> dict[Place, str]:
        """The metadata that stand with the committed offsets; nothing for partitions without. Raises Rewind."""
        wanted = [TopicPartition(self.prefix + topic, partition) for topic, partition in places]
        try:
            found = self._consumer.committed(wanted, timeout=2 * _CALL_S)
        except KafkaException as failed:
            raise Rewind(f"the committed offsets cannot be read: {failed}") from failed
        return {
            (place.topic.removeprefix(self.prefix), place.partition): place.metadata
            for place in found
            if place.offset >= 0 and place.metadata
        }

    def publish(self, records: Sequence[Outgoing], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """One Kafka transaction: the records, and where the group goes on. Raises Rewind unless it surely committed."""
        moved = [
            TopicPartition(self.prefix + topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in offsets.items()
        ]
        try:
            producer = self._producer = self._producer or self._new_producer()
            producer.begin_transaction()
            for record in records:
                self._put(producer, record)
            producer.send_offsets_to_transaction(moved, group, _CALL_S)
            producer.commit_transaction(_CALL_S)
        except (KafkaException, BufferError) as failed:
            raise Rewind(f"control's Kafka transaction did not surely commit: {failed}") from failed

    def _new_producer(self) -> Producer:
        producer = new_producer(
            {
                **self._kafka,
                "transactional.id": self._name,
                "client.id": "worldtick.control",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 0,
                **PRODUCER,
                "retry.backoff.ms": 2,  # at 100 the next transaction waits 93 ms for the last one's markers
            }
        )
        producer.init_transactions(_CALL_S)  # ends what a producer before it left open
        return producer

    def _put(self, producer: Producer, record: Outgoing) -> None:
        for _ in range(PRODUCE_TRIES):
            try:
                producer.produce(
                    self.prefix + record.topic, key=record.key, value=record.value, headers=list(record.headers)
                )
            except BufferError:
                producer.poll(0.1)  # what is under way makes room
            else:
                return
        raise BufferError("Kafka takes nothing more")

    def rewind(self) -> None:
        """After anything that failed: a new producer, then back to the committed offsets. Raises Rewind."""
        former, self._producer = self._producer, None
        try:
            if former is not None:
                former.purge()
                self._producer = self._new_producer()  # before the offsets are read: an open transaction may move them
        except KafkaException as failed:
            self._producer = former
            raise Rewind(f"Kafka does not let control begin transactions: {failed}") from failed
        self.reposition()

    def close(self) -> None:
        """Leave the group at once."""
        self._consumer.close()


def _start(place: TopicPartition, first: int, end: int) -> int:
    """Where to read on. Beyond the end there is another topic of this name, or a log that lost its end."""
    if first <= place.offset <= end:
        return int(place.offset)
    if place.offset >= 0:
        where = {"topic": place.topic, "partition": place.partition, "committed": place.offset}
        log.warning("offset_out_of_range", extra={**where, "first": first, "end": end})
    return first
