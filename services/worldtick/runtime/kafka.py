"""The protocol's Kafka side on real brokers: a group member that reads, a transactional producer that publishes.
Lives here: consumer, producer, what their errors mean. Not here: when they are asked (worker), bytes (contracts)."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaException, Message, Producer, TopicCollection, TopicPartition

from worldtick.contracts.deadletter import DeadLetter
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.headers import cloudevent_headers
from worldtick.contracts.letters import fitted
from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.topics import SIMULATION_EVENT, dead_letter_topic, topic_spec
from worldtick.runtime.effects import Published, Record, Transact, Unread
from worldtick.runtime.members import CALL_S, Moves, commit, fetched, new_member, new_press, put, seek, spans, sweep
from worldtick.runtime.topics import admin_client

log = logging.getLogger(__name__)

PROBE_S: Final = 5.0  # of a sign of life
SOCKET_TIMEOUT_MS: Final = 10_000
MAX_POLL_MS: Final = 300_000
BATCH_BYTES: Final = 131_072


@dataclass(slots=True)
class Polled:
    """What one poll brought."""

    records: list[Record] = field(default_factory=list)
    group: Any = None  # metadata as they were when the records were read: what fences a former owner


def topic_identity(kafka: Mapping[str, Any], topic: str) -> tuple[str, int]:
    """(the id that a topic keeps until it is deleted, its partitions). Raises Unavailable."""
    admin = admin_client(kafka)  # held until the answer is there: a client must not end in a thread of its own
    try:
        asked = admin.describe_topics(TopicCollection([topic]), request_timeout=CALL_S)
        found = asked[topic].result(CALL_S + 5.0)
    except KafkaException as away:
        why = away.args[0].str()
        raise Unavailable(f"Kafka does not describe topic {topic} ({why}): run `worldtick topics apply`") from away
    return str(found.topic_id), len(found.partitions)


class Feed:
    """One member of a service's group on its tick topic. Rebalances are noted here; the worker acts on them."""

    def __init__(self, kafka: Mapping[str, Any], group: str, topic: str, session_timeout_ms: int) -> None:
        self._moves = Moves()
        self._topic = topic
        self._admin = admin_client(kafka)
        settings = {
            "max.poll.interval.ms": MAX_POLL_MS,
            "socket.timeout.ms": SOCKET_TIMEOUT_MS,
            "fetch.wait.max.ms": 500,
            "queued.max.messages.kbytes": 65_536,
        }
        self._consumer = new_member(kafka, group, session_timeout_ms, settings)
        self._moves.subscribe(self._consumer, [topic])

    @property
    def moved(self) -> bool:
        """Whether partitions came or went since `take_moves`."""
        return self._moves.moved

    @property
    def held(self) -> set[int]:
        """The partitions that are ours."""
        return {partition for _, partition in self._moves.held}

    def take_moves(self) -> tuple[set[int], set[int]]:
        """(revoked, lost) partitions since the last time."""
        revoked, lost = self._moves.take()
        return {partition for _, partition in revoked}, {partition for _, partition in lost}

    def poll(self, records_max: int, wait_s: float) -> Polled:
        """Records as soon as there is one, none after `wait_s`; none either if partitions moved meanwhile.

        Raises Fenced where reading has to begin again.
        """
        messages = fetched(self._consumer, records_max, wait_s)
        if self._moves.moved:
            return Polled()
        records = [Record(message.partition(), message.offset(), message.value(), message) for message in messages]
        return Polled(records, self._consumer.consumer_group_metadata()) if records else Polled()

    def serve(self) -> None:
        """Hear of partitions that came or went, while nothing may be read. What was fetched is read again later."""
        self._consumer.consume(1, 0)

    def committed(self, partitions: Collection[int]) -> dict[int, tuple[int, str]]:
        """The committed offset (0 where none is) and its metadata; waits for open transactions. Raises Unavailable."""
        places = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
        try:
            found = self._consumer.committed(places, timeout=2 * CALL_S) if places else []
        except KafkaException as away:
            raise Unavailable(f"Kafka does not tell committed offsets: {away.args[0].str()}") from away
        return {place.partition: (max(0, place.offset), place.metadata or "") for place in found}

    def prove_membership(self, committed: Mapping[int, tuple[int, str]]) -> None:
        """Commit the committed offsets as they are: the group refuses it to one that it has expelled. Raises Fenced.

        Nothing else tells: reading offsets is not fenced, and an expelled member may not have heard of it yet.
        """
        places = [
            TopicPartition(self._topic, partition, offset, metadata)
            for partition, (offset, metadata) in committed.items()
        ]
        commit(self._consumer, places)

    def spans(self, partitions: Collection[int]) -> dict[int, tuple[int, int]]:
        """Where the log of each partition begins and ends. Raises Unavailable."""
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        return {partition: span for (_, partition), span in spans(self._admin, places).items()}

    def probe(self) -> None:
        """Ask for a sign of life: a member that has nothing to read would not notice. Raises Unavailable."""
        try:
            self._admin.list_topics(self._topic, timeout=PROBE_S)
        except KafkaException as away:
            raise Unavailable(f"Kafka does not answer ({away.args[0].str()})") from away

    def group(self) -> Any:
        """The group's metadata now."""
        return self._consumer.consumer_group_metadata()

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Read on from these offsets. Raises Fenced if a partition is not ours any more."""
        for partition, offset in offsets.items():
            seek(self._consumer, TopicPartition(self._topic, partition, offset), lambda: self._moves.moved)

    def close(self) -> None:
        """Leave the group at once."""
        self._consumer.close()


class Press:
    """Publishes in transactions. After one that did not surely commit it takes a new producer of the same name."""

    def __init__(self, kafka: Mapping[str, Any], transactional_id: str, prefix: str, tick_topic: str) -> None:
        self.broken = False
        self.busy = False  # whether a transaction is under way
        self._prefix = prefix
        self._tick_topic = tick_topic
        self._kafka = kafka
        self.name = transactional_id
        self._settings = {
            "message.timeout.ms": SOCKET_TIMEOUT_MS,
            "socket.timeout.ms": SOCKET_TIMEOUT_MS,
            "linger.ms": 1,
            "batch.size": BATCH_BYTES,
            "batch.num.messages": 100_000,
            "queue.buffering.max.messages": 500_000,
            "compression.type": "lz4",  # as simulation.event declares; the broker need not do it again
        }
        self._admin = admin_client(kafka)
        self._producer = self._begin()

    def _begin(self) -> Producer:
        self._swept = False
        try:
            return new_press(self._kafka, self.name, self._settings)
        except KafkaException as away:
            raise Unavailable(f"Kafka does not let us begin transactions: {away.args[0].str()}") from away

    def sweep(self, group: Any) -> None:
        """Once for each producer, before committed offsets are read: end what hangs of the name's last transactions.

        Raises Unavailable; then a new producer is due.
        """
        if self._swept:
            return
        topics = [self._prefix + SIMULATION_EVENT, self._tick_topic, dead_letter_topic(self._tick_topic)]
        try:
            hung = sweep(self._producer, self._admin, topics, TopicPartition(self._tick_topic, 0, 0), group)
        except (KafkaException, BufferError) as failed:
            self.broken = True
            raise Unavailable(f"Kafka does not end what may hang of former transactions: {failed}") from failed
        self._swept = True
        if hung:
            log.info("transactions_swept", extra={"partitions": [f"{topic}/{number}" for topic, number in hung]})

    def renew(self) -> None:
        """A new producer, so that what the old one left open is surely over. Raises Unavailable."""
        if self.broken:
            self._producer.purge()
            self._producer = self._begin()
            self.broken = False

    def transact(self, effect: Transact) -> Published:
        """One short transaction: outputs, rings, offsets."""
        offsets = [
            TopicPartition(self._tick_topic, partition, offset, metadata)
            for partition, (offset, metadata) in effect.offsets.items()
        ]
        self.busy = True
        try:
            self._producer.begin_transaction()
            self._produce(effect)
            self._producer.send_offsets_to_transaction(offsets, effect.group, CALL_S)
            self._producer.commit_transaction(CALL_S)
        except (KafkaException, BufferError) as failed:
            self.broken = True
            log.warning("transaction_failed", extra={"error": str(failed)})
            return Published.NO
        finally:
            self.busy = False
        return Published.YES

    def _produce(self, effect: Transact) -> None:
        for ring in effect.rings:
            message: Message = ring.source
            put(self._producer, self._tick_topic, ring.key, ring.value, message.headers() or [], ring.partition)
        for unread in effect.unread:
            self._bury(unread)
        for body in effect.outputs:
            said = decode_outputs(body)
            for one in said.messages:
                headers = cloudevent_headers(
                    one.event_id, one.event_type, said.time, said.source, said.world, said.traceparent, one.value
                )
                put(self._producer, self._prefix + one.topic, said.world, one.value, headers + one.headers)

    def _bury(self, unread: Unread) -> None:
        """A dead letter of a record that nobody can read, with its original bytes."""
        record, message = unread.record, unread.record.source
        kind, stamp_ms = message.timestamp()
        letter = DeadLetter(
            reason=unread.reason,
            error=unread.error,
            topic=self._tick_topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms,
            key=message.key(),
            value=record.value,
            headers=message.headers() or [],
        )
        base = self._tick_topic.removeprefix(self._prefix)
        key, value, headers = fitted(letter, topic_spec(base).max_message_bytes)
        put(self._producer, dead_letter_topic(self._tick_topic), key, value, headers)
