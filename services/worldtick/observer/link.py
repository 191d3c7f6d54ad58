"""The link to Kafka: what the observer reads; its dead letters and offsets out in one short transaction.
Lives here: consumer, transactional producer, places. Not here: what is counted (counting), in which order (room)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)

from worldtick.contracts.deadletter import SUFFIX, DeadLetter
from worldtick.contracts.letters import PRODUCER, fitted
from worldtick.contracts.topics import topic_spec
from worldtick.observer.counting import Dead, Seen
from worldtick.runtime.errors import Fenced
from worldtick.runtime.members import CALL_S, Moves, fetched, new_member, new_press, put
from worldtick.runtime.topics import admin_client

BATCH_MAX: Final = 1_000
POLL_S: Final = 0.5
GROUP: Final = "worldtick.observer"
SESSION_TIMEOUT_MS: Final = 6_000

Place = tuple[str, int]  # topic without prefix, partition


class Batch(NamedTuple):
    """Records with the group's metadata as it was when they were read: what fences a former owner."""

    records: list[Seen]
    group: Any
    rebalanced: bool  # partitions came or went since the last batch


class Link:
    """One member of the observer's group."""

    def __init__(self, kafka: Mapping[str, Any], prefix: str, topics: Sequence[str]) -> None:
        self._kafka = dict(kafka)
        self._prefix = prefix
        self._topics = tuple(topics)
        self._moves = Moves()
        settings = {
            "max.poll.interval.ms": 120_000,
            "topic.metadata.refresh.interval.ms": 5_000,  # a topic made later is found soon
        }
        self._consumer = new_member(self._kafka, f"{prefix}{GROUP}", SESSION_TIMEOUT_MS, settings)
        self._producer: Producer | None = None
        names = [prefix + topic for topic in topics]
        self._moves.subscribe(self._consumer, names)

    def poll(self) -> Batch:
        """Up to BATCH_MAX records, as soon as there is one; none after POLL_S. Raises Fenced on a fatal error."""
        messages = fetched(self._consumer, BATCH_MAX, POLL_S)
        group = self._consumer.consumer_group_metadata()
        rebalanced = self._moves.moved
        self._moves.take()
        return Batch([self._seen(message) for message in messages], group, rebalanced)

    def _seen(self, message: Message) -> Seen:
        kind, stamp_ms = message.timestamp()
        key, value = message.key(), message.value()
        return Seen(
            topic=self._bare(message.topic()),
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            stamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms,
            key=key.encode() if isinstance(key, str) else key,
            value=value.encode() if isinstance(value, str) else value,
            headers=[(name, text) for name, text in message.headers() or [] if isinstance(text, bytes)],
        )

    def committed(self) -> dict[Place, tuple[int, str]]:
        """Every partition that is assigned: the committed offset (-1: none) and its metadata. Raises Fenced."""
        try:
            held = self._consumer.assignment()
            found = self._consumer.committed(held, timeout=CALL_S) if held else []
        except KafkaException as failed:
            raise Fenced(f"the committed offsets cannot be read: {failed}") from failed
        return {(self._bare(p.topic), p.partition): (max(p.offset, -1), p.metadata or "") for p in found}

    def incarnations(self) -> dict[str, str]:
        """topic -> the id of its present incarnation, of those that exist. Raises Fenced."""
        names = [self._prefix + topic for topic in self._topics]
        found: dict[str, str] = {}
        admin = admin_client(self._kafka)  # held until the answers are there
        for name, described in admin.describe_topics(TopicCollection(names), request_timeout=CALL_S).items():
            try:
                found[self._bare(name)] = str(described.result(CALL_S).topic_id)
            except KafkaException as failed:
                if failed.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise Fenced(f"the topics cannot be described: {failed}") from failed
        return found

    def seek(self, place: Place, offset: int | None) -> None:
        """Read on from an offset; None: from the beginning. Raises Fenced if the partition is no longer ours."""
        try:
            start = OFFSET_BEGINNING if offset is None else offset
            self._consumer.seek(TopicPartition(self._prefix + place[0], place[1], start))
        except KafkaException as failed:
            raise Fenced(f"{place[0]}/{place[1]} cannot be read from {offset}: {failed}") from failed

    def publish(self, dead: Sequence[Dead], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """One Kafka transaction: dead letters, and where the group goes on. Fenced unless it surely committed."""
        moved = [
            TopicPartition(self._prefix + topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in offsets.items()
        ]
        producer = self._producer
        if producer is None:
            raise Fenced("the observer has no producer: begin again")
        try:
            producer.begin_transaction()
            for one in dead:
                letter = fitted(self._letter(one), topic_spec(one.seen.topic).max_message_bytes)
                topic = self._prefix + one.seen.topic + SUFFIX
                put(producer, topic, letter.key, letter.value, letter.headers)
            producer.send_offsets_to_transaction(moved, group, CALL_S)
            producer.commit_transaction(CALL_S)
        except (KafkaException, BufferError) as failed:
            raise Fenced(f"the observer's Kafka transaction did not surely commit: {failed}") from failed

    def _letter(self, dead: Dead) -> DeadLetter:
        seen = dead.seen
        return DeadLetter(
            reason=dead.fault.reason,
            error=str(dead.fault),
            topic=self._prefix + seen.topic,
            partition=seen.partition,
            offset=seen.offset,
            timestamp_ms=seen.stamp_ms,
            key=seen.key,
            value=seen.value,
            headers=seen.headers,
        )

    def renew(self, slot: int) -> None:
        """A new producer, by a name that a dead process of this slot had too: its open transaction ends at once.

        Else the offsets in it could not be read before it times out. Raises Fenced if Kafka is away.
        """
        self._forget_producer()
        try:
            self._producer = new_press(self._kafka, f"{self._prefix}{GROUP}.{slot}", {"linger.ms": 0, **PRODUCER})
        except KafkaException as away:
            raise Fenced(f"Kafka does not let the observer begin transactions: {away}") from away

    def _forget_producer(self) -> None:
        """What its last transaction became is told by the committed offsets."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.abort_transaction(CALL_S)
            except KafkaException:
                producer.purge()  # fenced, away or outcome unknown: it times out by itself

    def close(self) -> None:
        """Leave the group at once."""
        self._consumer.close()

    def _bare(self, topic: str | None) -> str:
        return (topic or "").removeprefix(self._prefix)
