"""Rings: on which topics a sealed tick is announced, and in which bytes; what else its sealing says.
Lives here: topics of a kind, one record each, skipped hours. Not here: producing (ticker), bytes (contracts)."""

from typing import Final, NamedTuple

from worldtick.contracts.headers import Headers, cloudevent_headers, derived_traceparent
from worldtick.contracts.ids import ring_id
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.topics import SIMULATION_EVENT, TICK_TOPIC_OF_STREAM, WORLD_TICK
from worldtick.contracts.wire import TICKER, EventWriter

HOURS_SKIPPED: Final = "simulation.event.hours_skipped"


class RingRecord(NamedTuple):
    """One record that says how far a world is sealed, or what came of its sealing."""

    topic: str  # without the deployment's prefix
    key: bytes
    value: bytes
    headers: Headers


def topics_of(kind: str) -> tuple[str, ...]:
    """The topics that a tick of this kind rings on: that of all, then its own."""
    return (WORLD_TICK, TICK_TOPIC_OF_STREAM[kind]) if kind in TICK_TOPIC_OF_STREAM else (WORLD_TICK,)


def ring_on(topic: str, tick: SealedTick, writer: EventWriter, snapshot: bool = False) -> RingRecord:
    """The record of a tick on one topic. snapshot: it asks the services to store their states, too."""
    value = writer.ring(tick, topic, snapshot)
    stamp = tick.date(tick.to_us)
    trace = tick.traceparent or derived_traceparent(tick.tick_id)
    headers = cloudevent_headers(ring_id(tick.tick_id, topic), topic, stamp, TICKER, tick.world, trace, value)
    return RingRecord(topic, tick.world.encode(), value, headers)


def rings_of(tick: SealedTick, writer: EventWriter) -> list[RingRecord]:
    """All records of one tick."""
    return [ring_on(topic, tick, writer) for topic in topics_of(tick.kind)]


def announced(tick: SealedTick, writer: EventWriter) -> list[RingRecord]:
    """All that goes out when a tick is sealed: its rings, and where it spans several hours what was skipped."""
    if tick.kind != "hourly" or tick.hours <= 1:
        return rings_of(tick, writer)
    return [*rings_of(tick, writer), _skipped(tick, writer)]


def _skipped(tick: SealedTick, writer: EventWriter) -> RingRecord:
    since, until = tick.date(tick.from_us), tick.date(tick.to_us)
    data = {"tick_id": tick.tick_id, "hours": tick.hours - 1, "since": since, "until": until}
    event_id, of = ring_id(tick.tick_id, HOURS_SKIPPED), {"world": tick.world, "seq": tick.seq}
    value = writer.event(event_id, HOURS_SKIPPED, until, TICKER, data, of)
    trace = tick.traceparent or derived_traceparent(tick.tick_id)
    headers = cloudevent_headers(event_id, HOURS_SKIPPED, until, TICKER, tick.world, trace, value)
    return RingRecord(SIMULATION_EVENT, tick.world.encode(), value, headers)
