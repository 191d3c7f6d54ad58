"""Services that each break one law, so that each check of the kit has something to catch.
Lives here: bad steps and codecs around errands. Not here: the checks."""

import datetime
import math
import os
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tests.unit.kit import errands
from tests.unit.kit.errands import SERVICE, Line
from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Effect, Event, Service, Step

now = datetime.datetime.now  # noqa: TID251 - bound early, as a careless author would
drawn = np.random.default_rng  # noqa: TID251 - the same
_seen: list[int] = []


def touching(touch: Callable[[], Any]) -> Service[Line]:
    """A step that touches the outside world and throws away what it got."""

    def step(line: Line, tick: SealedTick) -> Step[Line]:
        touch()
        return errands.step(line, tick)

    return replace(SERVICE, step=step, step_batch=None)


def saying(**parts: Any) -> Service[Line]:
    """A step that says something else than declared."""

    def step(line: Line, tick: SealedTick) -> Step[Line]:
        return msgspec.structs.replace(errands.step(line, tick), **parts)

    return replace(SERVICE, step=step, step_batch=None)


def says_event(event_type: str, data: Any) -> Service[Line]:
    """A step that says one event."""
    return saying(events=[Event(event_type, data)])


def has_effect(service: str, name: str, **args: Any) -> Service[Line]:
    """A step that asks something of a service."""
    return saying(effects=[Effect(service, name, args)])


TOUCHES: dict[str, Callable[[], Any]] = {
    "time.time": time.time,
    "time.monotonic": time.monotonic,
    "datetime.datetime.now": now,
    "random.random": random.random,
    "random.getrandbits": lambda: random.randint(1, 6),
    "posix.urandom": uuid.uuid4,
    "a global random generator": lambda: np.random.rand(),  # noqa: NPY002 - that is the fault
    "posix.urandom ": lambda: drawn().random(),
    "os.environ": lambda: os.getenv("HOME"),  # noqa: TID251 - that is the fault
    "io.open": lambda: Path(__file__).read_bytes(),
    "builtins.print": lambda: print(end=""),  # noqa: T201 - that is the fault
    "math.exp": lambda: math.exp(1.0),
}


def _remembering(line: Line, tick: SealedTick) -> Step[Line]:
    """Says how often it was called: a global of the module."""
    _seen.append(tick.seq)
    return errands.step(replace(line, next_number=line.next_number + len(_seen)), tick)


def _editing(line: Line, tick: SealedTick) -> Step[Line]:
    """Writes in the dict of the state that it was given."""
    done = errands.step(line, tick)
    line.served.update(done.state.served)
    return done


def _spoiling(line: Line, tick: SealedTick) -> Step[Line]:
    """Writes in the tick."""
    tick.budgets["errands"]["visits"] += 1
    return errands.step(line, tick)


def _hashing(line: Line, tick: SealedTick) -> Step[Line]:
    """Follows the order of a set of texts."""
    first = next(iter({"north", "south", "east", "west", "up", "down"}))
    return errands.step(replace(line, next_number=line.next_number + len(first)), tick)


def _hashing_words(line: Line, tick: SealedTick) -> Step[Line]:
    """Says something that follows the order of a set."""
    done = errands.step(line, tick)
    names = dict.fromkeys({"north", "south", "east", "west", "up", "down"}, 1)
    return msgspec.structs.replace(done, facts={"line_length": names})


def _zoned(line: Line, tick: SealedTick) -> Step[Line]:
    """Follows the machine's time zone."""
    hour = datetime.datetime.fromtimestamp(tick.to_us // 1_000_000).hour  # noqa: DTZ006 - that is the fault
    return errands.step(replace(line, next_number=line.next_number + hour), tick)


def _overspending(line: Line, tick: SealedTick) -> Step[Line]:
    done = errands.step(line, tick)
    return msgspec.structs.replace(done, used={"visits": tick.budget("errands", "visits") + 1})


def _idling(line: Line, tick: SealedTick) -> Step[Line]:
    """Serves one less than it could."""
    granted = tick.budget("errands", "visits")
    less = msgspec.structs.replace(tick, budgets={"errands": {"visits": granted - 1}})
    return errands.step(line, less)


def _newest_first(line: Line, tick: SealedTick) -> Step[Line]:
    """Serves those who came last."""
    turned = replace(line, waiting=line.waiting[::-1])
    done = errands.step(turned, tick)
    return msgspec.structs.replace(done, state=replace(done.state, waiting=tuple(sorted(done.state.waiting))))


def _newcomers_first(line: Line, tick: SealedTick) -> Step[Line]:
    """Serves who comes in this very tick and lets the old ones wait."""
    done = errands.step(replace(line, waiting=()), tick)
    waiting = line.waiting + done.state.waiting
    return msgspec.structs.replace(done, state=replace(done.state, waiting=waiting), carried={"visits": len(waiting)})


def _stepping(step: Callable[[Line, SealedTick], Step[Line]]) -> Service[Line]:
    return replace(SERVICE, step=step, step_batch=None)


REMEMBERING, EDITING, SPOILING = _stepping(_remembering), _stepping(_editing), _stepping(_spoiling)
HASHING, HASHING_WORDS, ZONED = _stepping(_hashing), _stepping(_hashing_words), _stepping(_zoned)
OVERSPENDING, IDLING = _stepping(_overspending), _stepping(_idling)
NEWEST_FIRST, NEWCOMERS_FIRST = _stepping(_newest_first), _stepping(_newcomers_first)


def _encode_as_inserted(line: Line) -> bytes:
    return msgspec.msgpack.encode((line.waiting, line.next_number, list(line.served.items()), line.arrivals))


def _encode_without_arrivals(line: Line) -> bytes:
    return msgspec.msgpack.encode((line.waiting, line.next_number, sorted(line.served.items()), 0))


def _decode_one_less(body: bytes, section: Any, slice_no: int) -> Line:
    line = errands.decode(body, section, slice_no)
    return replace(line, waiting=line.waiting[1:])


UNSORTED = replace(SERVICE, encode=_encode_as_inserted)
FORGETFUL = replace(SERVICE, encode=_encode_without_arrivals, step_batch=None)
LOSSY = replace(SERVICE, decode=_decode_one_less, step_batch=None)


def _batch_of_one_mind(states: Sequence[Line], ticks: Sequence[SealedTick]) -> list[Step[Line]]:
    """Takes the first tick for all."""
    return [errands.step(state, ticks[0]) for state in states]


def _batch_too_short(states: Sequence[Line], ticks: Sequence[SealedTick]) -> list[Step[Line]]:
    return errands.step_batch(states[:-1], ticks[:-1])


def _batch_editing(states: Sequence[Line], ticks: Sequence[SealedTick]) -> list[Step[Line]]:
    return [_editing(state, tick) for state, tick in zip(states, ticks, strict=True)]


ONE_MIND = replace(SERVICE, step_batch=_batch_of_one_mind)
TOO_SHORT = replace(SERVICE, step_batch=_batch_too_short)
BATCH_EDITING = replace(SERVICE, step_batch=_batch_editing)


def _drawn_genesis(section: errands.Section, seed: int, slice_no: int) -> Line:
    return replace(errands.genesis(section, seed, slice_no), next_number=random.randint(0, 1 << 40))


DRAWN = replace(SERVICE, genesis=_drawn_genesis)
