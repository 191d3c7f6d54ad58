"""What a step said, as bytes to compare and as the records that the runtime would publish.
Lives here: canonical bytes of a step's outcome, its events on the wire. Not here: what is wrong with them (sayings)."""

from typing import Any

import msgspec
import xxhash

from worldtick.contracts.ids import event_id
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.stamps import rfc3339
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.service import Event, Step

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


def record_of(event: Event, ordinal: int, tick: SealedTick, service: str, slice_no: int, writer: EventWriter) -> bytes:
    """The record of one event, with world, seq and tick_id added as the runtime adds them."""
    common = {"world": tick.world, "seq": tick.seq, "tick_id": tick.tick_id}
    return writer.event(
        event_id(tick.tick_id, service, slice_no, ordinal),
        event.type,
        rfc3339(tick.epoch_s * 1_000_000 + tick.to_us),
        f"simulation.{service}",
        event.data,
        common,
    )
