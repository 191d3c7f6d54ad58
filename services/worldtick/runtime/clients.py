"""Kafka's clients: what every consumer and producer of ours has.
Lives here: making them. Not here: their settings (each room's own), the admin client (topics)."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, Producer

from worldtick.runtime.logs import KAFKA_LOG


def new_consumer(settings: Mapping[str, Any]) -> Consumer:
    """A consumer whose own lines come through our logs. Raises KafkaException for settings that contradict."""
    return Consumer(dict(settings), logger=KAFKA_LOG)


def new_reader(kafka: Mapping[str, Any], prefix: str, name: str, more: Mapping[str, Any] | None = None) -> Consumer:
    """A consumer outside any group, for a look at what was committed: assigned by hand, committing nothing.

    prefix: the deployment's.
    """
    settings = {
        **kafka,
        "group.id": f"{prefix}worldtick.{name}",  # never joined, though the client asks who coordinates it
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }
    return new_consumer({**settings, **(more or {})})


def new_producer(settings: Mapping[str, Any]) -> Producer:
    """A producer whose own lines come through our logs. Raises KafkaException for settings that contradict."""
    return Producer(dict(settings), logger=KAFKA_LOG)
