"""Deletes all that a topic holds, as retention does: `python -m tests.chaos.deleting BOOTSTRAP TOPIC`.
Lives here: that, in a process of its own: the client's delete_records spoils its process. Not here: when (fleet)."""

import os
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient


def main() -> None:
    """Delete, say on standard output how many offsets are gone, and end at once."""
    bootstrap, name = sys.argv[1:]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "deleting"})
    places = []
    for number in consumer.list_topics(name, timeout=10).topics[name].partitions:
        end = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=10)[1]
        places.append(TopicPartition(name, number, end))
    ends = sum(place.offset for place in places)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for answer in admin.delete_records(places).values():
        answer.result(10)
    os.write(1, str(ends).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
