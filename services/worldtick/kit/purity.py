"""A step is a pure function, its state a value with one encoding.
Lives here: the checks of laws 2 and 4 that need one process. Not here: other processes (elsewhere), batches (batch)."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import msgspec

from worldtick.contracts.sealed import SealedTick, decode_sealed, encode_sealed
from worldtick.kit.bench import Bench, SliceStep
from worldtick.kit.said import parts_of
from worldtick.kit.touches import Watch, watched
from worldtick.runtime.service import Service, Step

State = TypeVar("State")


def check_genesis(bench: Bench[Any]) -> None:
    """The same section, seed and slice give the same first state, and building it touches nothing outside."""
    service = bench.service
    for number in range(service.slices(bench.section)):
        first = service.encode(service.genesis(bench.section, bench.seed, number))
        with watched() as watch:
            state = service.genesis(bench.section, bench.seed, number)
        assert not watch.touches, f"genesis of {_at(service, number)} touches {'; '.join(watch.touches.values())}"
        assert service.encode(state) == first, (
            f"genesis of {_at(service, number)} gives other bytes the second time: it may depend on its arguments alone"
        )


def check_pure(bench: Bench[Any]) -> None:
    """Each lived step again, twice, newest first: same state, same sayings, arguments unchanged, nothing touched.

    So a step keeps nothing between calls: no global, no cache that changes what comes out, no state edited in place.
    Raises AssertionError naming slice and tick. `touches.watched` says what is seen; exp and log of compiled code,
    numpy's ufuncs and the order of float sums are not: integers are the safe way.
    """
    for tick, lived in reversed(list(bench.steps())):
        _check_step(bench, tick, lived)


def _check_step(bench: Bench[Any], tick: SealedTick, lived: SliceStep[Any]) -> None:
    service, where, sealed = bench.service, _at(bench.service, lived.slice_no, tick), encode_sealed(tick)
    for watching in (False, True):  # first unwatched: what is compiled at first use touches files
        state, given = service.decode(lived.before, bench.section, lived.slice_no), decode_sealed(sealed)
        with watched() if watching else nullcontext(Watch()) as watch:
            step = service.step(state, given)
        assert not watch.touches, f"step of {where} touches {'; '.join(watch.touches.values())}"
        assert encode_sealed(given) == sealed, f"step of {where} changed its tick: all services of the world share it"
        assert service.encode(state) == lived.before, (
            f"step of {where} changed the state that it was given: copy what you change, the old one may be needed"
        )
        _same(service, step, lived, where)


def _same(service: Service[Any], step: Step[Any], lived: SliceStep[Any], where: str) -> None:
    """Raises AssertionError if a repeated step gave other bytes than the lived one."""
    assert service.encode(step.state) == lived.after, (
        f"step of {where} gives another state when repeated from its encoded state:"
        " it may depend on state and tick alone, and encode must hold all that a later step reads"
    )
    said, before = parts_of(step), parts_of(lived.step)
    other = [part for part in said if said[part] != before[part]]
    assert not other, f"step of {where} says other {', '.join(other)} when repeated: the same tick, the same bytes"


def check_codec(bench: Bench[Any]) -> None:
    """decode(encode(state)) encodes to the same bytes for every lived state, and equal states have equal bytes.

    A state of dicts is also encoded with their keys in reversed order: an encoding that keeps insertion order is not
    canonical, since a decoded state may have another.
    """
    service = bench.service
    for tick, lived in bench.steps():
        where = _at(service, lived.slice_no, tick)
        state = service.decode(lived.after, bench.section, lived.slice_no)
        again = service.encode(state)
        assert isinstance(again, bytes), f"encode of {service.name} gives {type(again).__name__}, not bytes"
        assert again == lived.after, f"the state of {where} decodes to one that encodes to other bytes"
        assert service.encode(state) == again, f"encoding the state of {where} changes it"
        other = service.encode(_reordered(state))
        assert other == lived.after, (
            f"the state of {where} encodes to other bytes when its dicts have other insertion orders: sort their keys"
        )


def check_takeover(bench: Bench[Any]) -> None:
    """A slice that is taken over before every tick has the same history as one that never was."""
    service = bench.service
    states = [service.genesis(bench.section, bench.seed, number) for number in range(service.slices(bench.section))]
    for lived in bench.history:
        for each in lived.slices:
            state = service.decode(service.encode(states[each.slice_no]), bench.section, each.slice_no)
            step = service.step(state, lived.tick)
            _same(service, step, each, _at(service, each.slice_no, lived.tick))
            states[each.slice_no] = step.state


def _reordered(value: Any) -> Any:
    """The same value with all dicts' keys inserted in reversed order; arrays and foreign objects as they are."""
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_reordered, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_reordered, value))
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **_members(value, value.__struct_fields__))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **_members(value, (each.name for each in fields(value) if each.init)))
    return value


def _members(value: Any, names: Iterable[str]) -> Mapping[str, Any]:
    return {name: _reordered(getattr(value, name)) for name in names}


def _at(service: Service[Any], slice_no: int, tick: SealedTick | None = None) -> str:
    at = f" at {tick.kind} tick {tick.seq}" if tick is not None else ""
    return f"{service.name}, slice {slice_no}{at}"


def check_all_slices(benches: Sequence[Bench[Any]]) -> None:
    """Each bench lived at least one tick, so that the checks had something to look at."""
    assert benches, "no bench was given"
    for bench in benches:
        assert bench.history, f"the bench of {bench.service.name} has lived no tick: call run(ticks) first"
