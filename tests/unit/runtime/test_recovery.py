"""Recovery: stepping through known ticks gives the states and digests that were.
Lives here: replay from genesis and from a snapshot, dead ticks. Not here: reading rows, comparing with the ledger."""

from typing import Any

import pytest
from xxhash import xxh3_128_digest

from tests.small_worlds import CATALOGUE, COUNT, Section
from tests.unit.runtime.sealed_ticks import sealed
from worldtick.runtime.effects import APPLIED, DEAD
from worldtick.runtime.recovery import digest_of, replay

TICKS = [sealed(seq) for seq in (1, 2, 3)]
WELL = dict.fromkeys((1, 2, 3), APPLIED)


def _replay(start: bytes | None = None, ticks: Any = TICKS, outcomes: Any = WELL) -> list[Any]:
    return list(replay(COUNT, Section(), 10, 0, start, ticks, outcomes))


def test_from_genesis() -> None:
    assert [(place, state) for place, state, _ in _replay()] == [(None, 10), (1, 11), (2, 13), (3, 16)]
    assert _replay()[-1][2] == xxh3_128_digest((16).to_bytes(8, "big")) == digest_of(COUNT.encode(16))


def test_from_a_snapshot_the_end_is_the_same() -> None:
    assert _replay(COUNT.encode(11), TICKS[1:])[1:] == _replay()[2:]


def test_a_dead_tick_leaves_state_and_digest() -> None:
    _, first, dead, last = _replay(outcomes={**WELL, 2: DEAD})
    assert dead[1:] == first[1:]
    assert last[1] == 14


def test_what_a_service_raises_is_raised() -> None:
    with pytest.raises(OverflowError):
        _replay(start=COUNT.encode(2**63 - 1))


@pytest.mark.parametrize(("stream", "place"), [("all", 25), ("hourly", 24)])
def test_places_are_counted_in_the_stream(stream: str, place: int) -> None:
    service = next(service for service in CATALOGUE.values() if service.stream == stream)
    assert service.place(sealed(25, kind_seq=24)) == place
