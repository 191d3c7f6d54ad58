"""A batch is its single steps: stepping many worlds at once changes none of them.
Lives here: that check. Not here: single steps (purity)."""

from typing import Any

import msgspec

from worldtick.contracts.sealed import SealedTick
from worldtick.kit.bench import Bench, SliceStep
from worldtick.kit.said import parts_of
from worldtick.runtime.service import Step

SIZES = (2, 3, 7, 64)  # of the batches that are tried
ITEMS_MAX = 256  # steps that are tried in each size

Item = tuple[Bench[Any], SealedTick, SliceStep[Any]]


def check_batch(*benches: Bench[Any]) -> None:
    """`step_batch` gives what `step` gives, for batches of several sizes, forwards and backwards.

    Each lived step of the benches is taken as a world of its own, so a batch has worlds at different moments, and of
    different scenarios if the benches are. Nothing to do where a service has no step_batch.
    """
    service = benches[0].service
    if service.step_batch is None:
        return
    items = [(bench, tick, lived) for bench in benches for tick, lived in bench.steps()]
    items = items[:: max(1, len(items) // ITEMS_MAX)][:ITEMS_MAX]
    renamed = [(b, msgspec.structs.replace(t, world=f"w{n:04}"), s) for n, (b, t, s) in enumerate(items)]
    single = [_outcome(bench, service.step(_state(bench, s), tick)) for bench, tick, s in renamed]
    for size in SIZES:
        for order in (range(len(renamed)), range(len(renamed) - 1, -1, -1)):
            for start in range(0, len(renamed), size):
                places = list(order[start : start + size])
                _check([renamed[n] for n in places], [single[n] for n in places], size)


def _check(items: list[Item], single: list[dict[str, bytes]], size: int) -> None:
    service = items[0][0].service
    assert service.step_batch is not None
    states = [_state(bench, lived) for bench, _, lived in items]
    steps = service.step_batch(states, [tick for _, tick, _ in items])
    assert len(steps) == len(items), (
        f"step_batch of {service.name} gives {len(steps)} steps for {len(items)} states: one each, in their order"
    )
    for (bench, tick, lived), step, expected, state in zip(items, steps, single, states, strict=True):
        where = f"{service.name}, slice {lived.slice_no} at {tick.kind} tick {tick.seq}, in a batch of {size}"
        found = _outcome(bench, step)
        other = [part for part in found if found[part] != expected[part]]
        assert not other, f"step_batch gives other {', '.join(other)} than step for {where}"
        assert bench.service.encode(state) == lived.before, f"step_batch changed the state that it was given: {where}"


def _state(bench: Bench[Any], lived: SliceStep[Any]) -> Any:
    return bench.service.decode(lived.before, bench.section, lived.slice_no)


def _outcome(bench: Bench[Any], step: Step[Any]) -> dict[str, bytes]:
    return {"state": bench.service.encode(step.state), **parts_of(step)}
