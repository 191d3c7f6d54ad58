"""Speech: what a step said, as the bytes that the ledger stores and Kafka gets.
Lives here: ids, envelopes, step_completed, the letter of a dead step. Not here: their layout (contracts/outputs)."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from worldtick.contracts.deadletter import DeadLetter
from worldtick.contracts.errors import WorldtickError
from worldtick.contracts.events import ERROR_MAX_CHARS
from worldtick.contracts.headers import derived_traceparent
from worldtick.contracts.ids import event_id
from worldtick.contracts.outputs import Message, Outputs, encode_outputs
from worldtick.contracts.said import StepCompleted, StepFailed
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.stamps import rfc3339
from worldtick.contracts.topics import SIMULATION_EVENT, dead_letter_topic
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.service import Event, Service, Step

_EVENT: Final = "simulation.event."
_FAILED: Final = _EVENT + "step_failed"
_slot = lru_cache(maxsize=4_096)(rfc3339)  # a batch has many worlds at the same slot


class OversizedEvent(WorldtickError):
    """An event that no record may hold: say less, or in several events. The step that said it is dead."""


class Failure(NamedTuple):
    """Why a step is dead."""

    reason: str  # raised | killed | hung
    error: str
    attempts: int


class Speech:
    """Turns the steps of one service into stored outputs."""

    def __init__(self, service: Service[Any], writer: EventWriter, message_bytes_max: int, prefix: str = "") -> None:
        self._service = service
        self._source = f"simulation.{service.name}"
        self._writer = writer
        self._bytes_max = message_bytes_max
        topic = service.topic
        self._tick_topic = prefix + topic  # a letter names the whole one; outputs are published under the prefix
        self._letters = dead_letter_topic(topic)

    def applied(self, slice_no: int, tick: SealedTick, step: Step[Any], digest: bytes) -> bytes:
        """The outputs of a step. Raises OversizedEvent; KeyError or ValueError for an event that fits no schema."""
        slot = _slot(tick.epoch_s * 1_000_000 + tick.to_us)
        messages: list[Message] = []
        if step.events:
            common = {"world": tick.world, "seq": tick.seq, "tick_id": tick.tick_id}
            messages = [self._message(event, at, slice_no, tick, slot, common) for at, event in enumerate(step.events)]
        if self._service.says_completed:
            done = self._completed(slice_no, tick, slot, "applied", digest, step, len(messages))
            messages.append(self._message(done, len(messages), slice_no, tick, slot, None))
        return self._encoded(tick, slot, messages)

    def dead(self, slice_no: int, tick: SealedTick, digest: bytes, failure: Failure, origin: tuple[int, int]) -> bytes:
        """The outputs of a dead step: its letter on the dead-letter topic of its tick's, and step_completed."""
        slot = _slot(tick.epoch_s * 1_000_000 + tick.to_us)
        data = StepFailed(
            service=self._service.name,
            slice=slice_no,
            seq=tick.seq,
            version=self._service.place(tick),
            world=tick.world,
            tick_id=tick.tick_id,
            slot=slot,
            reason=failure.reason,
            error=failure.error[:ERROR_MAX_CHARS],
            attempts=failure.attempts,
            directives=len(tick.directives_of(self._service.name)),
        )
        name = event_id(tick.tick_id, self._service.name, slice_no, 0)
        value = self._writer.event(name, _FAILED, slot, self._source, data)
        letter = DeadLetter("step_failed", failure.error, self._tick_topic, *origin, -1, None, None, [])
        messages = [Message(self._letters, name, _FAILED, value, letter.wire_headers())]
        done = self._completed(slice_no, tick, slot, "dead", digest, Step(None), 0)
        messages.append(self._message(done, 1, slice_no, tick, slot, None))
        return self._encoded(tick, slot, messages)

    def _completed(
        self, slice_no: int, tick: SealedTick, slot: str, outcome: str, digest: bytes, step: Step[Any], events: int
    ) -> Event:
        data = StepCompleted(
            service=self._service.name,
            slice=slice_no,
            seq=tick.seq,
            version=self._service.place(tick),
            world=tick.world,
            tick_id=tick.tick_id,
            slot=slot,
            outcome=outcome,
            digest=digest.hex(),
            used=dict(step.used),
            carried=dict(step.carried),
            events=events,
        )
        return Event("step_completed", data)

    def _message(
        self, event: Event, ordinal: int, slice_no: int, tick: SealedTick, slot: str, common: dict[str, Any] | None
    ) -> Message:
        name = event_id(tick.tick_id, self._service.name, slice_no, ordinal)
        kind = _EVENT + event.type
        value = self._writer.event(name, kind, slot, self._source, event.data, common)
        if len(value) > self._bytes_max:
            raise OversizedEvent(f"event {event.type} has {len(value)} bytes; a record holds {self._bytes_max}")
        return Message(SIMULATION_EVENT, name, kind, value)

    def _encoded(self, tick: SealedTick, slot: str, messages: list[Message]) -> bytes:
        trace = tick.traceparent or derived_traceparent(tick.tick_id)
        return encode_outputs(Outputs(tick.world, slot, self._source, trace, messages))
