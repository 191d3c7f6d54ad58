"""The proof that a race ends with: every way of being wrong is seen.
Lives here: prove() against losses, doubles, disorder. Not here: real contestants (tests/integration)."""

import json

import pytest

from benchmarks.peers.bare_loop import event
from benchmarks.rings import Unequal, prove, ring, rings

WORLDS = ("a", "b")


def _outputs(last: int) -> list[bytes]:
    totals: dict[str, tuple[int, int]] = {}
    said = []
    for world, record in rings(WORLDS, 1, last):
        tick = json.loads(record)["data"]
        count, total = totals.get(world, (0, 0))
        totals[world] = count + 1, total + tick["seq"]
        said.append(json.dumps(event(tick, *totals[world])).encode())
    return said


def test_right_outputs_are_proved_and_other_totals_have_another_digest() -> None:
    four = prove("x", _outputs(4), {"a": 4, "b": 4})
    assert four == prove("y", sorted(_outputs(4), key=lambda value: b'"world": "a"' in value), {"a": 4, "b": 4})
    assert four != prove("x", _outputs(5), {"a": 5, "b": 5})


@pytest.mark.parametrize("fault", ["lost", "lost last", "doubled", "disorder", "miscounted"])
def test_faults_are_seen(fault: str) -> None:
    said = _outputs(4)
    if fault == "lost":
        del said[2]
    elif fault == "lost last":
        del said[-1]
    elif fault == "doubled":
        said.append(said[-1])
    elif fault == "disorder":
        said[2], said[4] = said[4], said[2]
    else:
        said[3] = said[3].replace(b'"sum": 3', b'"sum": 4')
    with pytest.raises(Unequal):
        prove("x", said, {"a": 4, "b": 4})


def test_a_ring_is_as_large_as_a_real_one_and_always_the_same() -> None:
    assert ring("bench-0001", 7) == ring("bench-0001", 7)
    assert 500 <= len(ring("bench-0001", 200)) <= 800
