"""Peer: a bare confluent-kafka transactional loop with the standard library's json, totals in memory.

Lives here: consume a batch, count and sum, one Kafka transaction. Not here: durable totals, a ledger, recovery:
it has none, so it is the bound of what Python and this broker can do, not a product."""

import json
import sys
from typing import Any

from confluent_kafka import Consumer, Message, Producer

BATCH = 2000


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
    producer = Producer(
        {
            "bootstrap.servers": course["bootstrap"],
            "transactional.id": course["group"],
            "retry.backoff.ms": 2,  # at 100 the next transaction waits 93 ms for the last one's markers
        }
    )
    producer.init_transactions()
    consumer.subscribe([course["input"]])
    totals: dict[str, tuple[int, int]] = {}
    while True:
        batch = consumer.consume(1, 1.0)  # consume(N, t) would wait the whole t
        if batch:
            batch += consumer.consume(BATCH - 1, 0)
            pass_on(consumer, producer, batch, totals, course["output"])


def pass_on(
    consumer: Consumer, producer: Producer, batch: list[Message], totals: dict[str, tuple[int, int]], output: str
) -> None:
    """One batch in one transaction: outputs and offsets."""
    producer.begin_transaction()
    for record in batch:
        if record.error():
            raise SystemExit(f"bare loop: {record.error()}")
        tick = json.loads(record.value())["data"]
        world = tick["world"]
        count, total = totals.get(world, (0, 0))
        totals[world] = count, total = count + 1, total + tick["seq"]
        producer.produce(output, json.dumps(event(tick, count, total)), record.key())
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
    producer.commit_transaction()


def event(tick: dict[str, Any], count: int, total: int) -> dict[str, Any]:
    """What every contestant says of a tick."""
    return {
        "event_id": tick["tick_id"],
        "event_type": "simulation.event.counted",
        "timestamp": tick["game_time"],
        "version": "1.0.0",
        "source": "simulation.counter",
        "data": {"world": tick["world"], "seq": tick["seq"], "count": count, "sum": total},
    }


if __name__ == "__main__":
    main()
