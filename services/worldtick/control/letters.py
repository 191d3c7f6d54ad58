"""Dead letters of control: of a record and its verdict.
Lives here: what they say. Not here: making them fit their topic (contracts/letters), their headers (deadletter)."""

from worldtick.contracts.deadletter import SUFFIX, DeadLetter
from worldtick.contracts.letters import fitted
from worldtick.contracts.topics import topic_spec
from worldtick.control.desk import Dead, Incoming, Outgoing


def dead_letter(record: Incoming, verdict: Dead, prefix: str) -> Outgoing:
    """The letter, as it is published."""
    letter = DeadLetter(
        reason=verdict.reason,
        error=verdict.error,
        topic=prefix + record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.stamp_ms,
        key=record.key,
        value=record.value,
        headers=list(record.headers or ()),
    )
    return Outgoing(record.topic + SUFFIX, *fitted(letter, topic_spec(record.topic).max_message_bytes))
