"""Peer: a bare confluent-kafka loop that answers each record with its own bytes, in a transaction or without one.

Lives here: consume one, produce the reply with its offset. Not here: proof, judgement, a database: it has none, so
it is the bound of a round trip through this broker, not a product."""

import json
import sys

from confluent_kafka import Consumer, Message, Producer, TopicPartition

PLAIN = b"plain"  # the key of what is to be answered without a transaction


def main() -> None:
    """Argument: a JSON object with bootstrap, group, input, output. Runs until it is terminated."""
    course = json.loads(sys.argv[1])
    consumer = Consumer(
        {
            "bootstrap.servers": course["bootstrap"],
            "group.id": course["group"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    settings = {"bootstrap.servers": course["bootstrap"], "acks": "all", "linger.ms": 0}
    plain = Producer(settings)
    producer = Producer(
        settings
        | {
            "transactional.id": course["group"],
            "retry.backoff.ms": 2,  # at 100 the next transaction waits 93 ms for the last one's markers
        }
    )
    producer.init_transactions()
    consumer.subscribe([course["input"]])
    while True:
        record = consumer.poll(1.0)
        if record is None:
            continue
        if (error := record.error()) is not None:
            if error.fatal():
                raise SystemExit(f"bare echo: {error}")
            continue  # such as a topic that was just made, which not every broker thread knows yet
        after = [TopicPartition(str(record.topic()), record.partition() or 0, (record.offset() or 0) + 1)]
        if record.key() == PLAIN:
            plain.produce(course["output"], record.value(), record.key())
            plain.flush()
            consumer.commit(offsets=after, asynchronous=True)
        else:
            answer(consumer, producer, record, after, course["output"])


def answer(consumer: Consumer, producer: Producer, record: Message, after: list[TopicPartition], output: str) -> None:
    """One record in one transaction: reply and offset."""
    producer.begin_transaction()
    producer.produce(output, record.value(), record.key())
    producer.send_offsets_to_transaction(after, consumer.consumer_group_metadata())
    producer.commit_transaction()


if __name__ == "__main__":
    main()
