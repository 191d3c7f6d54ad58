"""Publishing: what the tick table holds and Kafka may not, rung in seq order; then noted as rung.
Lives here: the idempotent producer, leftovers, overdue rings. Not here: sealing, the records' bytes (sealing/rings)."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from worldtick.contracts.sealed import decode_sealed
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.clients import new_producer
from worldtick.sealing.rings import RingRecord, announced, ring_on
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.ticks import overdue_rings, raise_published, try_publishing_lock, unpublished
from worldtick.ticker.errors import KafkaAway

DELIVERY_TIMEOUT_MS = 10_000
BATCH_BYTES = 65_536  # a topic's max.message.bytes bounds a whole batch, and the hourly topic's is 131,072
PAGE_TICKS = 2_000  # read, produced and noted together
OVERDUE_S = 60
OVERDUE_WORLDS_MAX = 1_000  # rung again by one run
LOCK_WAIT_S = 12.0  # a publisher that died or hangs lets go within its own delivery timeout
LOCK_POLL_S = 0.02


class Publisher:
    """Rings sealed ticks on Kafka."""

    def __init__(self, bootstrap: str, writer: EventWriter, prefix: str = "", settings: dict[str, str] | None = None):
        self._writer = writer
        self._prefix = prefix
        self._bootstrap = bootstrap
        self._failed: KafkaError | None = None
        self._settings = settings or {}
        self._producer = self._connect()

    def _connect(self) -> Producer:
        return new_producer(
            {
                "client.id": "worldtick.ticker",
                "bootstrap.servers": self._bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
                "request.timeout.ms": 5_000,
                "linger.ms": 2,
                "batch.size": BATCH_BYTES,
                "queue.buffering.max.messages": 4 * PAGE_TICKS,
                "log.connection.close": False,
                **self._settings,
            }
        )

    def publish(self, pool: Pool, keys: Sequence[int] | None) -> int:
        """Ring every tick that is not known to be rung, of these worlds or of all; how many.

        Raises KafkaAway if any is not acknowledged; then nothing of its page is noted, and a later run rings again.
        """
        count = 0
        while True:
            with self._alone(pool) as conn:
                page = unpublished(conn, keys, PAGE_TICKS)
                if not page:
                    return count
                reached: dict[int, int] = {}
                for world_key, seq, body in page:
                    self._produce(announced(decode_sealed(body), self._writer))
                    reached[world_key] = seq
                self._flush()
                raise_published(conn, sorted(reached.items()))
            count += len(page)
            if len(page) < PAGE_TICKS:
                return count

    def ring_overdue(self, pool: Pool, older_s: int = OVERDUE_S) -> int:
        """Ring again the newest tick of worlds whose services lag and that were silent for a while; how many rings."""
        with self._alone(pool) as conn:
            rows = overdue_rings(conn, older_s, OVERDUE_WORLDS_MAX)
            for _, stream, _, body in rows:
                self._produce([ring_on(TICK_TOPIC_OF_STREAM[stream], decode_sealed(body), self._writer)])
            self._flush()
            raise_published(conn, sorted({world_key: 0 for world_key, _, _, _ in rows}.items()))
        return len(rows)

    def close(self) -> None:
        """Wait, within the delivery timeout, for what is still on its way."""
        self._producer.flush(DELIVERY_TIMEOUT_MS / 1_000)

    @contextmanager
    def _alone(self, pool: Pool) -> Iterator[Connection]:
        """A transaction, alone among publishers where that can be had in time: a second ring does no harm."""
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            with transaction(pool) as conn:
                if try_publishing_lock(conn) or time.monotonic() > deadline:
                    yield conn
                    return
            time.sleep(LOCK_POLL_S)

    def _produce(self, records: Sequence[RingRecord]) -> None:
        for record in records:
            self._produce_one(record)

    def _produce_one(self, record: RingRecord) -> None:
        while True:  # bounded: poll() makes room, or the delivery timeout reports failures, which make room
            try:
                self._producer.produce(
                    self._prefix + record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    on_delivery=self._delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as refused:
                raise KafkaAway(self._sentence(refused.args[0])) from refused
            else:
                return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failed = self._failed or error

    def _flush(self) -> None:
        left = self._producer.flush(DELIVERY_TIMEOUT_MS / 1_000 + 1)
        failed, self._failed = self._failed, None
        if failed is not None or left:
            self._producer.purge()
            self._producer = self._connect()  # a purged idempotent producer has a gap in its sequence
            raise KafkaAway(self._sentence(failed))

    def _sentence(self, error: KafkaError | None) -> str:
        why = error.str() if error is not None else "no answer in time"
        return (
            f"Kafka at {self._bootstrap} did not take the rings ({why}); sealed ticks are safe in the database"
            " and the next run rings them: start the broker, or correct KAFKA_BOOTSTRAP_SERVERS, and run again"
        )
