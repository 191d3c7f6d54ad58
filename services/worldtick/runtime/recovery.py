"""Recovery: the same states again, out of a start and the ticks since. Pure.
Lives here: digests, stepping through known ticks. Not here: where ticks and snapshots come from (memory, verify)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import xxhash

from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.effects import DEAD
from worldtick.runtime.service import Service


def digest_of(body: bytes) -> bytes:
    """The 16 bytes by which a state is known: xxh3_128 of its encoding."""
    return xxhash.xxh3_128_digest(body)


def replay(
    service: Service[Any],
    section: Any,
    seed: int,
    slice_no: int,
    start: bytes | None,
    ticks: Iterable[SealedTick],
    outcomes: Mapping[int, int],
) -> Iterator[tuple[int | None, Any, bytes]]:
    """(place in the stream, state, digest): first the start itself, whose place is None, then after each tick.

    start: an encoded state, None for genesis. outcomes: place -> ledger outcome; a dead step left its state as it was.
    Raises what the service raises.
    """
    state = service.genesis(section, seed, slice_no) if start is None else service.decode(start, section, slice_no)
    digest = digest_of(service.encode(state))
    yield None, state, digest
    for tick in ticks:
        place = service.place(tick)
        if outcomes.get(place) != DEAD:
            state = service.step(state, tick).state
            digest = digest_of(service.encode(state))
        yield place, state, digest
