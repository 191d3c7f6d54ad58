"""The link to Kafka: batches of records in; rings, dead letters and offsets out in one short transaction.
Lives here: consumer, transactional producer, positions set by hand. Not here: what becomes of a record (desk, room)."""

import itertools
import logging
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from worldtick.contracts.errors import Unavailable
from worldtick.contracts.letters import PRODUCER
from worldtick.control.desk import Incoming, Outgoing
from worldtick.runtime.errors import Fenced
from worldtick.runtime.members import CALL_S, Moves, fetched, new_member, new_press, put, seek, spans
from worldtick.runtime.topics import admin_client

log = logging.getLogger(__name__)

BATCH_MAX: Final = 2_000
POLL_S: Final = 0.2
SESSION_TIMEOUT_MS: Final = 10_000  # a member that says nothing for so long is out
QUEUED_KBYTES_MAX: Final = 16_384
_numbers = itertools.count(1)


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
        self._moves = Moves()
        self._paused: set[Place] = set()
        self._producer: Producer | None = None
        self._admin: AdminClient | None = None
        # one name for the link's life: a new producer of this name ends what the one before left open
        self._name = f"{prefix}worldtick.control.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        settings = {"max.poll.interval.ms": 120_000, "queued.max.messages.kbytes": QUEUED_KBYTES_MAX}
        self._consumer = new_member(self._kafka, f"{prefix}worldtick.control", session_timeout_ms, settings)
        names = [prefix + topic for topic in topics]
        self._moves.subscribe(self._consumer, names)

    def poll(self, wait_s: float = POLL_S) -> Batch:
        """Up to BATCH_MAX records, as soon as there is one; none after `wait_s`.

        When partitions came or went meanwhile, what was read is dropped and all that we hold is read on from its
        committed offset: a batch never outlives the generation that it was read in. Raises Fenced.
        """
        messages = fetched(self._consumer, BATCH_MAX, wait_s)
        if self._moves.moved:
            self.reposition()
            return Batch([], None, True)
        group = self._consumer.consumer_group_metadata()
        return Batch([self._incoming(message) for message in messages], group, False)

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
        self._moves.take()
        try:
            held = self._consumer.assignment()
            self._consumer.resume(held)
            self._paused.clear()
            places = self._consumer.committed(held, timeout=2 * CALL_S) if held else []
            self._admin = self._admin or admin_client(self._kafka)
            found = spans(self._admin, held)
        except (KafkaException, Unavailable) as failed:
            raise Fenced(f"the committed offsets cannot be read: {failed}") from failed
        for place in places:
            key = (place.topic, place.partition)
            seek(self._consumer, TopicPartition(*key, _start(place, *found[key])), lambda: self._moves.moved)

    def pause(self, places: Collection[Place]) -> None:
        """Bring nothing from these partitions, and again from all others. Raises Fenced."""
        if self._paused == set(places):
            return
        wanted = {(self.prefix + topic, partition) for topic, partition in places}
        held = {(place.topic, place.partition) for place in self._consumer.assignment()}
        try:
            self._consumer.resume([TopicPartition(*place) for place in held - wanted])
            self._consumer.pause([TopicPartition(*place) for place in held & wanted])
        except KafkaException as failed:
            raise Fenced(f"partitions cannot be paused: {failed}") from failed
        self._paused = set(places)

    def committed(self, places: Sequence[Place]) -> dict[Place, str]:
        """The metadata that stand with the committed offsets; nothing for partitions without. Raises Fenced."""
        wanted = [TopicPartition(self.prefix + topic, partition) for topic, partition in places]
        try:
            found = self._consumer.committed(wanted, timeout=2 * CALL_S)
        except KafkaException as failed:
            raise Fenced(f"the committed offsets cannot be read: {failed}") from failed
        return {
            (place.topic.removeprefix(self.prefix), place.partition): place.metadata
            for place in found
            if place.offset >= 0 and place.metadata
        }

    def publish(self, records: Sequence[Outgoing], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """One Kafka transaction: the records, and where the group goes on. Raises Fenced unless it surely committed."""
        moved = [
            TopicPartition(self.prefix + topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in offsets.items()
        ]
        try:
            producer = self._producer = self._producer or self._new_producer()
            producer.begin_transaction()
            for record in records:
                put(producer, self.prefix + record.topic, record.key, record.value, list(record.headers))
            if moved:
                producer.send_offsets_to_transaction(moved, group, CALL_S)
            producer.commit_transaction(CALL_S)
        except (KafkaException, BufferError) as failed:
            raise Fenced(f"control's Kafka transaction did not surely commit: {failed}") from failed

    def _new_producer(self) -> Producer:
        return new_press(self._kafka, self._name, {"linger.ms": 0, **PRODUCER})

    def rewind(self) -> None:
        """After anything that failed: a new producer, then back to the committed offsets. Raises Fenced."""
        former, self._producer = self._producer, None
        try:
            if former is not None:
                former.purge()
                self._producer = self._new_producer()  # before the offsets are read: an open transaction may move them
        except KafkaException as failed:
            self._producer = former
            raise Fenced(f"Kafka does not let control begin transactions: {failed}") from failed
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
