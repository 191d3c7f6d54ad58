"""Reading a topic from outside any group: read_committed, from a place to its end or on and on.
Lives here: a bounded look at a topic. Not here: rendering (cli), consuming as a service (the worker)."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from worldtick.contracts.errors import Faulty, Unavailable
from worldtick.runtime.clients import new_reader

_ASK_S: Final = 10.0
_POLL_S: Final = 0.5
_BATCH: Final = 500
_SILENCE_S_MAX: Final = 30.0  # of a broker that still owes us records


def tail_topic(
    kafka: Mapping[str, Any],
    topic: str,
    *,
    prefix: str = "",
    last: int | None,
    follow: bool,
    timeout_s: float = _ASK_S,
    begin: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Committed records of `topic`, in order within each partition.

    kafka: client settings such as bootstrap.servers. prefix: the deployment's, which `topic` has already. last: at most
    so many offsets before each partition's end (markers of transactions count too); None: from the beginning. begin:
    offsets of partitions to begin at instead, where the log still has them. Without `follow` it ends at the end that
    the log has at the start. Raises Faulty if there is no such topic, Unavailable if Kafka is away.
    """
    consumer = new_reader(kafka, prefix, "tail", {"enable.partition.eof": True})
    try:
        starts, left = _bounds(consumer, topic, last, timeout_s, begin or {})
        consumer.assign(starts)
        yield from _read(consumer, left, follow)
    except KafkaException as away:
        raise Unavailable(f"Kafka does not answer: {away.args[0].str()}") from away
    finally:
        consumer.close()


def _bounds(
    consumer: Consumer, topic: str, last: int | None, timeout_s: float, begin: Mapping[int, int]
) -> tuple[list[TopicPartition], dict[int, int]]:
    """Where each partition is read from, and the offset before which it ends now (partitions with anything to read)."""
    there = consumer.list_topics(timeout=timeout_s).topics
    if topic not in there:
        absent = "does not exist on this cluster, or we may not see it: run `worldtick topics apply`, mend its name, or"
        raise Faulty(f"topic {topic}", [f"{absent} ask for the right to read it (`worldtick topics acls`)"])
    starts: list[TopicPartition] = []
    left: dict[int, int] = {}
    for partition in sorted(there[topic].partitions):
        low, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
        start = low if last is None else max(low, end - last)
        if low <= begin.get(partition, -1) <= end:
            start = begin[partition]
        starts.append(TopicPartition(topic, partition, start))
        if start < end:
            left[partition] = end
    return starts, left


def _read(consumer: Consumer, left: dict[int, int], follow: bool) -> Iterator[Message]:
    heard_at = time.monotonic()
    while follow or left:
        batch = consumer.consume(1, _POLL_S)
        batch += consumer.consume(_BATCH, 0) if batch else []  # asking for many at once waits the whole time for them
        if batch:
            heard_at = time.monotonic()
        elif not follow and time.monotonic() - heard_at > _SILENCE_S_MAX:
            raise Unavailable(f"Kafka has said nothing for {_SILENCE_S_MAX:.0f} s; is it up, and the address right?")
        for message in batch:
            yield from _committed(message, left, follow)


def _committed(message: Message, left: dict[int, int], follow: bool) -> Iterator[Message]:
    """The message if it is one to show; takes its partition out of `left` at its end."""
    error, partition, offset = message.error(), message.partition(), message.offset()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    end = left.get(partition, 0) if partition is not None else 0
    if error is None and (follow or (offset or 0) < end):
        yield message
    if partition is not None and (error is not None or (offset or 0) + 1 >= end):
        left.pop(partition, None)
