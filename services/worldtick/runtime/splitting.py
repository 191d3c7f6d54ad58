"""The splitter: a ring of a world becomes one ring for each of its slices, so that many workers share one world.
Lives here: the loop, what is rung where, its account. Not here: what a worker does with a slice's ring (protocol).

It keeps no state: what it rings is read off the slices that the world has. Its offsets move only after its rings were
taken, so a ring may be split twice and none is left out; a slice that is rung twice is stepped once."""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from msgspec.structs import replace

from worldtick.contracts.codec import decode
from worldtick.contracts.errors import Unavailable, Unreadable
from worldtick.contracts.headers import cloudevent_headers, derived_traceparent, traceparent_in
from worldtick.contracts.ids import home_partition, slice_key, slice_ring_id
from worldtick.contracts.rings import Ring, decode_ring
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.contracts.wire import EventWriter
from worldtick.runtime import metrics
from worldtick.runtime.backoff import backoff_s
from worldtick.runtime.clients import new_producer
from worldtick.runtime.errors import Fenced
from worldtick.runtime.kafka import topic_identity
from worldtick.runtime.members import CALL_S, Moves, commit, fetched, new_member, put, seek
from worldtick.runtime.service import Service
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import BACKOFF_S, STALE_S, Place
from worldtick.store.db import Pool, open_pool, transaction
from worldtick.store.slices import count_slices

log = logging.getLogger(__name__)

BATCH_MAX: Final = 2_000
POLL_S: Final = 0.2
WORLDS_MAX: Final = 100_000  # whose number of slices is remembered


class Account(msgspec.Struct):
    """What became of the records read of one partition; it is committed with the offset."""

    rang: int = 0  # split, or behind a later ring of its world in the same batch
    passed: int = 0  # not sealed, not at home, or of a world without this service


class Splitter:
    """Rings the slices of one service. Any number of them share the partitions of its stream's topic."""

    def __init__(self, service: Service[Any], place: Place, vitals: Vitals) -> None:
        if service.slice_topic is None:
            raise ValueError(f"{service.name} is not rung slice by slice")
        self._service = service
        self._place = place
        self._vitals = vitals
        self._name = f"{service.name}.split"
        self._group = f"{place.group(service.name)}.split"
        self._topic = place.prefix + TICK_TOPIC_OF_STREAM[service.stream]
        self._to = service.slice_topic
        self._slices: dict[str, int] = {}
        self._accounts: dict[int, Account] = {}
        self._moves = Moves()

    def run_until(self, stop: threading.Event) -> None:
        """Split until `stop` is set, then leave the group. Parts that are away are waited for."""
        failures = 0
        pool = open_pool(self._place.database_url, 1, self._group)
        consumer = self._member()
        producer = self._producer()
        try:
            while not stop.is_set():
                self._vitals.beat(self._name, STALE_S)
                try:
                    self._turn(consumer, producer, pool)
                    failures = 0
                except (Unavailable, Fenced, KafkaException, BufferError) as failed:
                    again_in_s = backoff_s(failures, BACKOFF_S)
                    log.warning("splitter_rewinds", extra={"error": str(failed), "again_in_s": again_in_s})
                    failures += 1
                    producer.purge()
                    producer = self._producer()
                    self._moves.moved = True  # whatever was read is read again
                    stop.wait(again_in_s)
        finally:
            consumer.close()
            pool.close()
            self._vitals.ended(self._name)

    def _member(self) -> Consumer:
        settings = {"max.poll.interval.ms": 300_000, "fetch.wait.max.ms": 500}
        consumer = new_member(self._place.kafka, self._group, self._place.session_timeout_ms, settings)
        self._moves.subscribe(consumer, [self._topic])
        return consumer

    def _producer(self) -> Producer:
        return new_producer(
            {
                **self._place.kafka,
                "client.id": self._group,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                "delivery.timeout.ms": int(CALL_S * 1_000),
                "request.timeout.ms": 5_000,
                "compression.type": "lz4",
            }
        )

    def _turn(self, consumer: Consumer, producer: Producer, pool: Pool) -> None:
        messages = fetched(consumer, BATCH_MAX, POLL_S)
        if self._moves.moved:
            self._settle(consumer)
            return
        if messages:
            self._split(messages, producer, pool)
            ends = {int(message.partition() or 0): int(message.offset() or 0) + 1 for message in messages}
            self._commit(consumer, ends)

    def _settle(self, consumer: Consumer) -> None:
        """Read on from the committed offsets of what we hold, with the accounts that stand there."""
        self._moves.take()
        held = consumer.assignment()
        found = consumer.committed(held, timeout=2 * CALL_S) if held else []
        self._accounts = {place.partition: _account_in(place.metadata) for place in found}
        self._partitions = topic_identity(self._place.kafka, self._topic)[1]
        for place in found:
            seek(consumer, TopicPartition(place.topic, place.partition, max(0, place.offset)), self._again)

    def _again(self) -> bool:
        return self._moves.moved

    def _split(self, messages: Sequence[Message], producer: Producer, pool: Pool) -> None:
        """Ring the slices of every world that was rung: once, for its newest ring, which covers the earlier ones."""
        newest: dict[str, tuple[Ring, Message]] = {}
        rings = [self._ring_in(message) for message in messages]
        for ring, message in zip(rings, messages, strict=True):
            if ring is not None and (ring.world not in newest or newest[ring.world][0].seq < ring.seq):
                newest[ring.world] = (ring, message)
        stored = {ring.world for ring in rings if ring is not None and ring.snapshot}
        self._count_slices(newest, pool)
        for ring, message in zip(rings, messages, strict=True):
            self._account(message, ring)
        for ring, message in newest.values():
            self._ring_slices(producer, replace(ring, snapshot=ring.world in stored), message)
        if producer.flush(CALL_S + 1):
            raise Unavailable(f"Kafka did not take the rings of {self._service.name}'s slices in time")

    def _ring_in(self, message: Message) -> Ring | None:
        """The sealed ring in a record, if it counts."""
        try:
            ring = decode_ring(message.value(), self._place.registry)
        except Unreadable:  # control's
            return None
        at_home = home_partition(ring.world, self._partitions) == message.partition()
        return ring if at_home and ring.slice is None else None

    def _count_slices(self, worlds: Mapping[str, object], pool: Pool) -> None:
        unknown = [world for world in worlds if world not in self._slices]
        if not unknown:
            return
        if len(self._slices) + len(unknown) > WORLDS_MAX:
            self._slices.clear()
            unknown = list(worlds)
        with transaction(pool) as conn:
            self._slices |= count_slices(conn, self._service.name, unknown)

    def _account(self, message: Message, ring: Ring | None) -> None:
        account = self._accounts.setdefault(int(message.partition() or 0), Account())
        if ring is not None and self._slices.get(ring.world):
            account.rang += 1
            metrics.RECORDS.labels(self._name, "rang").inc()
        else:
            account.passed += 1
            metrics.RECORDS.labels(self._name, "passed").inc()

    def _ring_slices(self, producer: Producer, ring: Ring, message: Message) -> None:
        service, topic = self._service.name, self._to
        slices = self._slices.get(ring.world, 0)
        if not slices:
            return
        game_time = self._game_time(message)
        trace = traceparent_in(message.headers()) or derived_traceparent(ring.tick_id)
        for slice_no in range(slices):
            event_id, value = slice_ring(ring, service, slice_no, game_time, topic, self._place.writer)
            headers = cloudevent_headers(event_id, topic, game_time, f"simulation.{service}", ring.world, trace, value)
            put(producer, self._place.prefix + topic, slice_key(ring.world, slice_no), value, headers)

    def _game_time(self, message: Message) -> str:
        """The slot, as the ring says it."""
        for name, value in message.headers() or ():
            if name == "ce_time" and value is not None:
                return bytes(value).decode()
        said = decode(message.value(), self._place.registry)
        return str(said["timestamp"])

    def _commit(self, consumer: Consumer, ends: Mapping[int, int]) -> None:
        places = [
            TopicPartition(self._topic, partition, end, msgspec.json.encode(self._accounts[partition]).decode())
            for partition, end in ends.items()
        ]
        commit(consumer, places)


def slice_ring(
    ring: Ring, service: str, slice_no: int, game_time: str, topic: str, writer: EventWriter
) -> tuple[str, bytes]:
    """(event id, value) of the record that rings one slice of what a ring rings."""
    data = {
        "tick_id": ring.tick_id,
        "tick_type": ring.kind,
        "world": ring.world,
        "slice": slice_no,
        "seq": ring.seq,
        "kind_seq": ring.kind_seq,
        "game_time": game_time,
        **({"snapshot": True} if ring.snapshot else {}),
    }
    event_id = slice_ring_id(ring.tick_id, service, slice_no)
    return event_id, writer.event(event_id, topic, game_time, f"simulation.{service}", data)


def _account_in(text: str | None) -> Account:
    try:
        return msgspec.json.decode((text or "").encode(), type=Account) if text else Account()
    except msgspec.MsgspecError:
        return Account()  # somebody reset the offsets by hand: the count begins anew with them
