"""A new producer's sweep: what hangs of its name's former transactions ends as aborted, and nothing else is touched.
Lives here: the sweep on a real broker. Not here: brokers that make transactions hang (chaos)."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.small_worlds import make_topics
from tests.waiting import until
from worldtick.contracts.errors import Unavailable
from worldtick.runtime.clients import new_consumer
from worldtick.runtime.members import new_press, spans, sweep
from worldtick.runtime.topics import admin_client

pytestmark = pytest.mark.kafka

TOPIC = "simulation.event"


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    make_topics(kafka, topic_prefix)
    admin = admin_client({"bootstrap.servers": kafka})
    places = [TopicPartition(topic_prefix + TOPIC, number) for number in range(8)]

    def led() -> bool:
        """A topic that was just made has no leader for a moment."""
        try:
            return len(spans(admin, places)) == len(places)
        except Unavailable:
            return False

    until(led)
    return topic_prefix + TOPIC


def _member(kafka: str, topic: str) -> Consumer:
    member = new_consumer(
        {"bootstrap.servers": kafka, "group.id": f"{topic}.sweep", "isolation.level": "read_committed"}
    )
    member.subscribe([topic])

    def assigned() -> bool:
        member.poll(0.1)
        return bool(member.assignment())

    until(assigned)
    return member


def _press(kafka: str, name: str) -> Producer:
    return new_press({"bootstrap.servers": kafka}, name, {"linger.ms": 0})


def _say(producer: Producer, topic: str, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    producer.commit_transaction(10)


def _heard(kafka: str, topic: str, level: str) -> list[bytes]:
    reader = new_consumer({"bootstrap.servers": kafka, "group.id": f"{topic}.{level}", "isolation.level": level})
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    reader.assign([TopicPartition(topic, 0, low)])
    heard: list[bytes] = []
    reached = low

    def all_read() -> bool:
        nonlocal reached
        read = [message.value() for message in reader.consume(100, 0.2) if message.error() is None]
        heard.extend(value for value in read if value is not None)
        reached = max(reached, int(reader.position([TopicPartition(topic, 0)])[0].offset))
        return bool(reached >= high)

    until(all_read)
    reader.close()
    return heard


def test_what_was_committed_stays_and_the_group_keeps_its_offset(kafka: str, topic: str) -> None:
    member = _member(kafka, topic)
    producer = _press(kafka, f"{topic}.one")
    producer.begin_transaction()
    producer.produce(topic, b"said", partition=0)
    group = member.consumer_group_metadata()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 7)], group, 10)
    producer.commit_transaction(10)
    heir = _press(kafka, f"{topic}.one")
    admin = admin_client({"bootstrap.servers": kafka})
    assert sweep(heir, admin, [topic], TopicPartition(topic, 0, 0), group) == []
    assert member.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == 7
    _say(heir, topic, b"and more")
    assert _heard(kafka, topic, "read_committed") == [b"said", b"and more"]
    member.close()


def test_a_transaction_of_another_name_goes_on(kafka: str, topic: str) -> None:
    """It is open while the sweep looks, so its partition is swept too; it commits all the same."""
    member = _member(kafka, topic)
    other = _press(kafka, f"{topic}.other")
    other.begin_transaction()
    other.produce(topic, b"under way", partition=0)
    other.flush(10)
    admin = admin_client({"bootstrap.servers": kafka})
    swept = sweep(
        _press(kafka, f"{topic}.one"), admin, [topic], TopicPartition(topic, 0, 0), member.consumer_group_metadata()
    )
    assert swept == [(topic, 0)]
    other.commit_transaction(10)
    assert _heard(kafka, topic, "read_committed") == [b"under way"]
    member.close()
