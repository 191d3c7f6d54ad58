"""Rings: on which topics a sealed tick is announced, and in which bytes.
Lives here: topics of a kind, one record each. Not here: producing them (ticker, control), bytes (contracts/wire)."""

from typing import Final, NamedTuple

from worldtick.contracts.headers import Headers, cloudevent_headers, derived_traceparent
from worldtick.contracts.ids import ring_id
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.wire import TICKER, EventWriter

TOPIC_ALL: Final = "world.tick"
TOPIC_OF_STREAM: Final = {"all": TOPIC_ALL, "hourly": "world.tick.hourly", "daily": "world.tick.daily"}


class RingRecord(NamedTuple):
    """One record that says how far a world is sealed."""

    topic: str  # without the deployment's prefix
    key: bytes
    value: bytes
    headers: Headers


def topics_of(kind: str) -> tuple[str, ...]:
    """The topics that a tick of this kind rings on: that of all, then its own."""
    return (TOPIC_ALL, TOPIC_OF_STREAM[kind]) if kind in TOPIC_OF_STREAM else (TOPIC_ALL,)


def ring_on(topic: str, tick: SealedTick, writer: EventWriter) -> RingRecord:
    """The record of a tick on one topic."""
    value = writer.ring(tick, topic)
    stamp = tick.date(tick.to_us)
    trace = tick.traceparent or derived_traceparent(tick.tick_id)
    headers = cloudevent_headers(ring_id(tick.tick_id, topic), topic, stamp, TICKER, tick.world, trace, value)
    return RingRecord(topic, tick.world.encode(), value, headers)


def rings_of(tick: SealedTick, writer: EventWriter) -> list[RingRecord]:
    """All records of one tick."""
    return [ring_on(topic, tick, writer) for topic in topics_of(tick.kind)]
