"""A member of a group that is placed by hand, and the transactions in which it publishes and moves the group on.
Lives here: what each call to Kafka needs, and what its errors mean. Not here: when it is called (each loop's own)."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from worldtick.contracts.errors import Unavailable
from worldtick.runtime.clients import new_consumer, new_producer
from worldtick.runtime.errors import Fenced

CALL_S: Final = 10.0  # of one call to a broker
TRANSACTION_TIMEOUT_MS: Final = 15_000
Place = tuple[str, int]  # topic, partition
SEEK_TRIES: Final = 100  # a partition just assigned refuses to seek for some milliseconds
PRODUCE_TRIES: Final = 100


def new_member(kafka: Mapping[str, Any], group: str, session_timeout_ms: int, more: Mapping[str, Any]) -> Consumer:
    """A consumer that commits nothing by itself and sees only what was committed. `more`: settings of its own."""
    return new_consumer(
        {
            **kafka,
            "group.id": group,
            "client.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",  # and so offsets are fetched stable
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session_timeout_ms,
            "heartbeat.interval.ms": max(200, session_timeout_ms // 4),
            **more,
        }
    )


@dataclass(slots=True)
class Moves:
    """Which partitions came and went. Callbacks only note it, within poll; the loop acts.

    It holds no client: one that its own callbacks hold is a cycle, and would be ended in whatever thread collects it.
    """

    held: set[Place] = field(default_factory=set)
    revoked: set[Place] = field(default_factory=set)  # since the loop last took them
    lost: set[Place] = field(default_factory=set)
    moved: bool = False

    def subscribe(self, consumer: Consumer, topics: Sequence[str]) -> None:
        """Join the group for these topics."""
        consumer.subscribe(list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def take(self) -> tuple[set[Place], set[Place]]:
        """(revoked, lost) since the last time."""
        taken = self.revoked, self.lost
        self.revoked, self.lost, self.moved = set(), set(), False
        return taken

    def _assigned(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        self.held |= _places(places)
        self.moved = True

    def _revoked(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        self.held -= _places(places)
        self.revoked |= _places(places)
        self.moved = True

    def _lost(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        self.held -= _places(places)
        self.lost |= _places(places)
        self.moved = True


def _places(places: Sequence[TopicPartition]) -> set[Place]:
    return {(str(place.topic), int(place.partition)) for place in places}


def new_press(kafka: Mapping[str, Any], name: str, more: Mapping[str, Any]) -> Producer:
    """A producer ready for transactions; one before it of this name is over, with what it left open.

    `more`: settings of its own. Raises KafkaException.
    """
    producer = new_producer(
        {
            **kafka,
            "transactional.id": name,
            "client.id": name,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "acks": "all",
            "partitioner": "murmur2_random",
            "retry.backoff.ms": 2,  # at 100 the next transaction waits 93 ms for the last one's markers
            **more,
        }
    )
    producer.init_transactions(CALL_S)
    return producer


def sweep(
    producer: Producer, admin: AdminClient, topics: Sequence[str], offset: TopicPartition, group: Any
) -> list[Place]:
    """Make sure that nothing of a former transaction of this producer's name is left open; the partitions swept.

    A broker that was killed or stopped may skip the markers of a transaction that it ends while its partitions have no
    leader (Kafka 4.3: "these partitions are likely deleted already"). Offsets then stay pending, readers stop there,
    and the next transaction of the name would commit what hangs together with its own. An aborted transaction over
    the same partitions ends it; where nothing hangs it does nothing. Raises KafkaException.
    """
    hanging = _unstable(admin, topics)
    producer.begin_transaction()
    for topic, partition in hanging:  # others' transactions under way look the same: to those a record more is nothing
        put(producer, topic, None, None, [], partition)
    if producer.flush(CALL_S):  # an abort drops what was not sent, and then would end nothing
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    producer.send_offsets_to_transaction([offset], group, CALL_S)
    producer.abort_transaction(CALL_S)
    return hanging


def _unstable(admin: AdminClient, topics: Sequence[str]) -> list[Place]:
    """Partitions whose last stable offset lies before their end: a transaction is open there. Raises KafkaException."""
    found = {topic: admin.list_topics(topic, timeout=CALL_S).topics[topic] for topic in topics}
    places = [TopicPartition(topic, number) for topic, told in found.items() for number in sorted(told.partitions)]
    if not places:
        return []
    stable, end = (
        admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), isolation_level=level, request_timeout=CALL_S)
        for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    )
    return [(place.topic, place.partition) for place in places if _offset(stable[place]) < _offset(end[place])]


def commit(consumer: Consumer, places: Sequence[TopicPartition]) -> None:
    """Commit offsets with their metadata, as a member of the group. Raises Fenced unless the group takes all."""
    try:
        answers = consumer.commit(offsets=list(places), asynchronous=False) if places else []
    except KafkaException as refused:
        raise Fenced(f"the group does not know us as a member: {refused}") from refused
    failed = [place.error for place in answers or [] if place.error is not None]
    if failed:
        raise Fenced(f"the group does not know us as a member: {failed[0]}")


def fetched(consumer: Consumer, records_max: int, wait_s: float) -> list[Message]:
    """Up to `records_max` records as soon as there is one; none after `wait_s`. Raises Fenced."""
    messages = consumer.consume(1, wait_s)  # asking for many at once would wait the whole time for them
    if messages and records_max > 1:
        messages += consumer.consume(records_max - 1, 0)
    return [message for message in messages if message.error() is None or _passes(message.error())]


def _passes(error: KafkaError) -> bool:
    """Never; for a fatal error Fenced is raised, the others librdkafka retries by itself."""
    if error.fatal() or error.code() == KafkaError._MAX_POLL_EXCEEDED:
        raise Fenced(f"reading failed: {error.str()}")
    return False


def seek(consumer: Consumer, place: TopicPartition, moved: Callable[[], bool]) -> None:
    """Read on from a place. Raises Fenced if the partition is not ours, or partitions move meanwhile."""
    for _ in range(SEEK_TRIES):
        try:
            consumer.seek(place)
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError._STATE or moved():
                raise Fenced(f"{place.topic}/{place.partition} is not ours to read: {refused}") from refused
            consumer.poll(0.02)  # serves the assignment; what it brings is read again after the seek
        else:
            return
    raise Fenced(f"{place.topic}/{place.partition} does not take a position")


def spans(admin: AdminClient, places: Sequence[TopicPartition]) -> dict[tuple[str, int], tuple[int, int]]:
    """(topic, partition) -> where its log begins and ends, of all at once. Raises Unavailable.

    Over the admin's own connection: on a consumer's each question would wait behind a fetch, half a second.
    """
    bare = [TopicPartition(place.topic, place.partition) for place in places]
    if not bare:
        return {}
    try:
        first, end = (
            admin.list_offsets(dict.fromkeys(bare, spec), request_timeout=CALL_S)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
        return {(p.topic, p.partition): (_offset(first[p]), _offset(end[p])) for p in bare}
    except (KafkaException, TimeoutError) as away:
        raise Unavailable(f"Kafka does not tell how far its logs go: {away}") from away


def _offset(answer: "Future[Any]") -> int:
    return int(answer.result(CALL_S + 5).offset)  # the call has a bound of its own, which says why


def put(
    producer: Producer,
    topic: str,
    key: str | bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],  # a list, as the client wants it
    partition: int = -1,
) -> None:
    """Add a record to the transaction; -1: its key's partition. Raises BufferError if Kafka takes nothing."""
    for _ in range(PRODUCE_TRIES):
        try:
            producer.produce(topic, value, key, partition, headers=headers)
        except BufferError:
            producer.poll(0.1)  # what is under way makes room
        else:
            return
    raise BufferError("Kafka takes nothing more")
