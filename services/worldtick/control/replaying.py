"""Replaying a dead letter: the record goes back to its topic as it was; of a dead step only the directives come again.
Lives here: what a letter is, doing it once. Not here: reading topics (runtime), rows (store)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from worldtick.contracts.codec import decode
from worldtick.contracts.deadletter import SUFFIX, DeadLetter, read_dead_letter
from worldtick.contracts.errors import Faulty, Refused, Unavailable, Unreadable
from worldtick.contracts.headers import Headers
from worldtick.contracts.letters import CUT_HEADER, PRODUCER
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.sealed import decode_sealed
from worldtick.contracts.topics import topic_specs
from worldtick.control.desk import Outgoing
from worldtick.control.faults import near
from worldtick.control.naming import named_world
from worldtick.runtime.clients import new_producer
from worldtick.runtime.fetching import fetch_record
from worldtick.store.clocks import wake_clocks
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.pastes import Place
from worldtick.store.replays import begin_replay, begin_requeue, end_replay, find_replay, requeue_directives
from worldtick.store.ticks import read_bodies

STEP_FAILED: Final = "simulation.event.step_failed"
SEND_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of a dead-letter topic; the topic's name is the whole one."""

    topic: str
    partition: int
    offset: int
    stamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def place(self) -> Place:
        """What identifies it."""
        return Place(self.topic, self.partition, self.offset, self.stamp_ms)

    @property
    def dead(self) -> DeadLetter:
        """What it says of itself."""
        return read_dead_letter(self.key, self.value, self.headers)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Sent:
    """A record is back on its topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """Directives of a dead step wait again."""

    world: str
    service: str
    seq: int
    directive_ids: tuple[int, ...]


def letters_topic(topic: str, prefix: str) -> str:
    """The whole name of a dead-letter topic, named with or without `.dlq` and the prefix. Raises Faulty."""
    names = {spec.base: spec.name for spec in topic_specs(prefix) if spec.base.endswith(SUFFIX)}
    given = topic if topic.endswith(SUFFIX) else topic + SUFFIX
    if given in names.values():
        return given
    if given not in names:
        sources = [name.removesuffix(SUFFIX) for name in names]
        meant = near(topic.removesuffix(SUFFIX), sources)
        raise Faulty("dead letters", [f"no topic {topic!r} has dead letters{meant}"])
    return names[given]


def letter_of(message: Message) -> Letter:
    """A record of a dead-letter topic: nothing of it is lost on the way."""
    return Letter(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        list(message.headers() or ()),
    )


def fetch_letter(kafka: Mapping[str, Any], prefix: str, topic: str, partition: int, offset: int) -> Letter:
    """The dead letter at a place. Raises Faulty for no such topic, Refused if it is not there, Unavailable."""
    return letter_of(fetch_record(kafka, prefix, letters_topic(topic, prefix), partition, offset))


def replay_in(
    conn: Connection, prefix: str, letter: Letter, again: bool, registry: SchemaRegistry | None = None
) -> Sent | Requeued:
    """Replay one letter within the caller's transaction; of `Sent` the caller sends `record_in` the letter, in the
    Kafka transaction that follows. Raises Refused where it was replayed before, or cannot be.
    """
    done = _begun(conn, prefix, letter, again, registry)
    if isinstance(done, Sent):
        end_replay(conn, letter.place, sent=True)
    return done


def record_in(letter: Letter, prefix: str, registry: SchemaRegistry | None = None) -> tuple[Outgoing, ...]:
    """The record that was dead, as it was, for its own topic; none of a dead step's letter."""
    if _step_failed(letter, registry) is not None:
        return ()
    return (Outgoing(_home(letter, prefix).removeprefix(prefix), letter.key, letter.value, letter.dead.headers),)


def replay(
    pool: Pool,
    kafka: Mapping[str, str],
    prefix: str,
    letter: Letter,
    again: bool = False,
    registry: SchemaRegistry | None = None,
) -> Sent | Requeued:
    """Replay one letter, once: a second time is Refused unless it is asked for. Raises Refused, Unavailable.

    A replay that began and did not report is not repeated either: its record may be there.
    """
    with transaction(pool) as conn:
        done = _begun(conn, prefix, letter, again, registry)
    if isinstance(done, Requeued):
        return done
    try:
        _send(kafka, done.topic, letter)
    except Refused:
        with transaction(pool) as conn:
            end_replay(conn, letter.place, sent=False)
        raise
    with transaction(pool) as conn:
        end_replay(conn, letter.place, sent=True)
    return done


def _begun(
    conn: Connection, prefix: str, letter: Letter, again: bool, registry: SchemaRegistry | None
) -> Sent | Requeued:
    """What a replay comes to: directives that wait again now, or a record that is noted as about to be sent."""
    if (failed := _step_failed(letter, registry)) is not None:
        return _requeue(conn, failed, again)
    topic = _home(letter, prefix)
    if not begin_replay(conn, letter.place, again):
        raise Refused(_twice(conn, letter))
    return Sent(topic)


def _step_failed(letter: Letter, registry: SchemaRegistry | None) -> dict[str, Any] | None:
    """The data of a dead step's letter; None if the letter is a record that was dead."""
    if letter.dead.reason != "step_failed":
        return None
    try:
        record = decode(letter.value, registry)
    except Unreadable:
        return None
    data = record.get("data")
    return data if record.get("event_type") == STEP_FAILED and isinstance(data, dict) else None


def _requeue(conn: Connection, failed: Mapping[str, Any], again: bool) -> Requeued:
    world_id, service, seq = str(failed["world"]), str(failed["service"]), int(failed["seq"])
    world = named_world(conn, world_id, active=True)
    bodies = read_bodies(conn, world.world_key, seq, seq)
    if not bodies:
        raise Refused(f"tick {seq} of {world_id!r} is no longer kept, and its directives with it; add them anew")
    directives = decode_sealed(bodies[0]).directives_of(service)
    if not directives:
        raise Refused(f"tick {seq} of {world_id!r} carried no directive for {service!r}: there is nothing to replay")
    if not begin_requeue(conn, world.world_key, service, seq, again):
        raise Refused(f"the directives of tick {seq} of {world_id!r} for {service!r} were queued again before: --again")
    wake_clocks(conn, [world.world_key], time.time_ns() // 1_000)  # a world that goes by its timers may be at rest
    return Requeued(world_id, service, seq, tuple(requeue_directives(conn, world.world_key, seq, directives)))


def _home(letter: Letter, prefix: str) -> str:
    """The whole name of the topic that the record came from. Raises Refused."""
    said = letter.dead.topic or letter.topic.removesuffix(SUFFIX)
    known = {spec.base: spec.name for spec in topic_specs(prefix) if not spec.base.endswith(SUFFIX)}
    if said not in known and said not in known.values():
        raise Refused(f"{letter} says that it came from {said!r}, which is none of our topics")
    if any(name == CUT_HEADER for name, _ in letter.headers):
        raise Refused(f"{letter} was cut to fit its topic: the record is no longer whole")
    return known.get(said, said)


def _twice(conn: Connection, letter: Letter) -> str:
    known = find_replay(conn, letter.place)
    if known is None or known.sent_at is not None:
        when = f" at {known.sent_at.isoformat()}" if known is not None and known.sent_at is not None else ""
        return f"{letter} was replayed before{when}; --again sends it once more"
    return (
        f"a replay of {letter} began at {known.begun_at.isoformat()} and did not report: its record may be there;"
        " look with `worldtick tail`, and send it with --again if it is not"
    )


def _send(kafka: Mapping[str, str], topic: str, letter: Letter) -> None:
    """Produce the record. Refused: surely not sent; Unavailable: not known to be."""
    producer = new_producer(
        {
            **kafka,
            "client.id": "worldtick.dlq",
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            **PRODUCER,
            "delivery.timeout.ms": int(SEND_S_MAX * 1_000),
        }
    )
    answers: list[KafkaError | None] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        answers.append(error)

    dead = letter.dead
    former = _partition(producer, topic, dead.partition)  # asked of every letter: a broker that is away sends nothing
    where = {} if letter.key is not None else {"partition": former}
    try:
        producer.produce(topic, letter.value, letter.key, headers=list(dead.headers), on_delivery=delivered, **where)
    except (KafkaException, BufferError) as refused:
        raise Refused(f"{letter} cannot be sent to {topic}: {refused}") from refused
    deadline = time.monotonic() + SEND_S_MAX + 1
    while not answers and time.monotonic() < deadline:
        producer.poll(0.1)
    if not answers or (answers[0] is not None and answers[0].code() == KafkaError._MSG_TIMED_OUT):
        raise Unavailable(f"Kafka did not say whether it took {letter} back to {topic}; look with `worldtick tail`")
    if answers[0] is not None:
        raise Refused(f"{letter} was not taken back to {topic}: {answers[0].str()}")


def _partition(producer: Producer, topic: str, partition: int) -> int:
    """A record without key goes back to where it was, if that is still there (-1: any)."""
    try:
        there = producer.list_topics(topic, timeout=SEND_S_MAX).topics[topic].partitions
    except KafkaException as away:
        raise Refused(f"Kafka does not answer, and nothing was sent: {away.args[0].str()}") from away
    return partition if partition in there else -1
