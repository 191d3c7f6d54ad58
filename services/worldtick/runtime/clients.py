"""Kafka's clients: what every consumer and producer of ours has.
Lives here: making them. Not here: their settings (each room's own), the admin client (topics)."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, Producer

from worldtick.runtime.logs import KAFKA_LOG


def new_consumer(settings: Mapping[str, Any]) -> Consumer:
    """A consumer whose own lines come through our logs. Raises KafkaException for settings that contradict."""
    return Consumer(dict(settings), logger=KAFKA_LOG)


def new_producer(settings: Mapping[str, Any]) -> Producer:
    """A producer whose own lines come through our logs. Raises KafkaException for settings that contradict."""
    return Producer(dict(settings), logger=KAFKA_LOG)
