"""Fetching one record by its place.
Lives here: that look. Not here: reading on (tailing), rendering (cli)."""

import time
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from worldtick.contracts.errors import Faulty, Refused, Unavailable
from worldtick.runtime.clients import new_reader

_ASK_S: Final = 10.0
_NOT_YET: Final = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


def fetch_record(kafka: Mapping[str, Any], prefix: str, topic: str, partition: int, offset: int) -> Message:
    """The committed record at an offset. Raises Faulty without such a topic or partition, Refused if it is not there
    (any more), Unavailable if Kafka is away.
    """
    consumer = new_reader(kafka, prefix, "fetch", {"auto.offset.reset": "error", "enable.partition.eof": True})
    place = TopicPartition(topic, partition, offset)
    try:
        there = consumer.list_topics(timeout=_ASK_S).topics
        if topic not in there or partition not in there[topic].partitions:
            raise Faulty(f"{topic}/{partition}", ["there is no such topic or partition on this cluster"])
        low, end = _span(consumer, TopicPartition(topic, partition))
        if not low <= offset < end:
            raise Refused(f"{topic}/{partition} holds offsets {low} to {end - 1}, and {offset} is none of them")
        consumer.assign([place])
        return _at(consumer, place)
    except KafkaException as away:
        raise Unavailable(f"Kafka does not answer: {away.args[0].str()}") from away
    finally:
        consumer.close()


def _span(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Where the log begins and ends; a topic that was just made may not say so at once."""
    deadline = time.monotonic() + _ASK_S
    while True:
        try:
            low, end = consumer.get_watermark_offsets(place, timeout=_ASK_S)
        except KafkaException as refused:
            if time.monotonic() > deadline or refused.args[0].code() not in _NOT_YET:
                raise
            time.sleep(0.1)
            consumer.list_topics(place.topic, timeout=_ASK_S)  # learns who leads by now
        else:
            return low, end


def _at(consumer: Consumer, place: TopicPartition) -> Message:
    deadline = time.monotonic() + _ASK_S
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is None and message.offset() == place.offset:
            return message
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            raise Refused(
                f"{place.topic}/{place.partition} has no record at {place.offset}: a transaction's marker is there"
            )
        raise KafkaException(error)
    raise Unavailable(f"Kafka has said nothing of {place.topic}/{place.partition} for {_ASK_S:.0f} s")
