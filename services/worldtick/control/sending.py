"""Sending: a command onto its topic, and its replies back, for whoever is not control.
Lives here: the bytes that are signed and sent, waiting for replies. Not here: reading files and keys (cli)."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from worldtick.contracts.codec import decode
from worldtick.contracts.commands import CONTROL_TOPIC, REPLY_TOPIC, Command, read_command
from worldtick.contracts.errors import Faulty, Unavailable, Unreadable
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.control.proving import SIGNATURE_HEADER
from worldtick.runtime.clients import new_producer, new_reader
from worldtick.runtime.members import spans
from worldtick.runtime.topics import admin_client

CALL_S: Final = 10.0
_POLL_S: Final = 0.2
_LEADER_TRIES: Final = 15


class NotYet(Unavailable):
    """No reply came in time: it may still be done. Send the same again, under the same id."""


def line_of(command: Mapping[str, Any]) -> bytes:
    """A command as one line of JSON: the bytes that are signed. Raises Faulty where it is no command."""
    value = msgspec.json.encode(dict(command))
    try:
        read_command(value)
    except Unreadable as wrong:
        raise Faulty("command", [str(wrong)]) from wrong
    return value


class Courier:
    """Sends commands, and hears what is said of them from then on. Close it after use."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, registry: SchemaRegistry | None = None) -> None:
        self._prefix = prefix
        self._kafka = dict(kafka)
        self._registry = registry
        self._producer = new_producer({**kafka, "acks": "all", "linger.ms": 0, "partitioner": "murmur2_random"})
        self._consumer: Consumer = new_reader(kafka, prefix, "courier", {"auto.offset.reset": "latest"})
        try:
            self._listen(prefix + REPLY_TOPIC)
        except KafkaException as away:
            self._consumer.close()
            raise Unavailable(f"Kafka does not answer: {away.args[0].str()}") from away

    def _listen(self, topic: str) -> None:
        there = self._consumer.list_topics(topic, timeout=CALL_S).topics[topic]
        if there.error is not None and there.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise Unavailable(f"we may not read {topic}: ask for the right to (`worldtick topics acls`)")
        if there.error is not None:
            raise Unavailable(f"there is no topic {topic}: run `worldtick topics apply`")
        places = [TopicPartition(topic, number) for number in sorted(there.partitions)]
        ends = _ends(self._kafka, places)
        self._consumer.assign([TopicPartition(*place, end) for place, (_, end) in ends.items()])

    def send(self, value: bytes, command: Command, signature: str | None) -> None:
        """Put it onto world.control. Raises Unavailable unless Kafka has it."""
        headers = [(SIGNATURE_HEADER, signature.encode())] if signature else []
        failed: list[str] = []

        def delivered(error: Any, _message: Message) -> None:
            if error is not None:
                failed.append(str(error))

        key = (command.world or command.actor).encode()
        self._producer.produce(self._prefix + CONTROL_TOPIC, value, key, headers=headers, on_delivery=delivered)
        if self._producer.flush(CALL_S) or failed:
            raise Unavailable(f"Kafka did not take the command: {failed[0] if failed else 'no answer'}")

    def replies(self, command: Command, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Each reply to a command as it comes: the first, and `completed` where it follows. Raises NotYet."""
        deadline, accepted = time.monotonic() + timeout_s, False
        wanted = [("command_id", command.id.encode()), ("actor", command.actor.encode())]
        while (left := deadline - time.monotonic()) > 0:
            message = self._consumer.poll(min(_POLL_S, left))
            if message is None or message.error() is not None:
                continue
            headers = dict(message.headers() or [])
            if any(headers.get(name) != value for name, value in wanted):
                continue
            data: dict[str, Any] = decode(message.value(), self._registry)["data"]
            yield data
            if data["status"] != "accepted" or not data.get("completes"):
                return
            accepted = True
        raise NotYet(_silence(command, timeout_s, accepted))

    def close(self) -> None:
        """Let go of both clients."""
        self._consumer.close()


def _silence(command: Command, timeout_s: float, accepted: bool) -> str:
    """What it may mean that nothing more came."""
    if accepted:
        return (
            f"command {command.id} is accepted, and was not completed within {timeout_s:g} s; it will be. Are a ticker"
            " and the world's services at work? --no-wait does not wait, --timeout waits longer"
        )
    return (
        f"no reply to command {command.id} of {command.actor} within {timeout_s:g} s; it may still be done:"
        " is `worldtick run control` at work? Sent again under the same id it is done once"
    )


def _ends(kafka: Mapping[str, str], places: list[TopicPartition]) -> dict[tuple[str, int], tuple[int, int]]:
    """Where the logs begin and end. A topic that was just made has no leader for a moment."""
    admin = admin_client(kafka)
    for _ in range(_LEADER_TRIES):
        try:
            return spans(admin, places)
        except Unavailable:
            time.sleep(_POLL_S)
    return spans(admin, places)
