"""What a step said, as bytes to compare and as the records that the runtime would publish.
Lives here: canonical bytes of a step's outcome, its events on the wire. Not here: what is wrong with them (sayings)."""

from typing import Any

import msgspec
import xxhash

from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Event, Service, Step
from worldtick.runtime.speech import Speech

_encode = msgspec.json.Encoder().encode
PARTS = ("events", "facts", "effects", "used", "carried", "rows")


def parts_of(step: Step[Any]) -> dict[str, bytes]:
    """Each part of what a step said besides its state, as bytes; equal steps give equal bytes.

    Raises AssertionError on values that the runtime cannot write, such as numpy's numbers.
    """
    found = {}
    for part in PARTS:
        try:
            found[part] = _encode(getattr(step, part))
        except (TypeError, ValueError, OverflowError) as broken:
            raise AssertionError(
                f"{part} holds a value that cannot be written ({broken}): give plain int, str, dict, list or Decimal"
            ) from broken
    return found


def said_digest(step: Step[Any]) -> bytes:
    """A hash over all that a step said."""
    return xxhash.xxh3_128_digest(b"\0".join(parts_of(step).values()))


def record_of(service: Service[Any], event: Event, tick: SealedTick, slice_no: int, writer: EventWriter) -> bytes:
    """The record of one event as the runtime writes it. Raises what the runtime raises, which makes a step dead."""
    speech = Speech(service, writer, Rules().message_bytes_max)
    return decode_outputs(speech.applied(slice_no, tick, Step(None, events=[event]), bytes(16))).messages[0].value
