"""Two services to torment: `tally` counts, sums and hashes; `echo` hears tally's effects and facts. Faults on demand.
Lives here: their steps and how a scenario asks for a fault. Not here: processes (worker), recomputing (reckoning)."""

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import xxhash
from pydantic import BaseModel

from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Effect, Event, Service, Step

log = logging.getLogger("worldtick.chaos")  # below the one whose lines are shown

LONG_MS = 1_000.0  # a pause that is told, so that a test may strike within it
SHOUT_BYTES = 600_000  # beyond what a record of simulation.event may hold
FACTS_EVERY = 3  # ticks
EFFECTS_EVERY = 4


class Fault(BaseModel):
    """What goes wrong in one tick of one slice, each time that it is stepped."""

    seq: int
    what: Literal["raise", "hang", "exit", "kill", "shout"]
    slice: int = 0


class Section(BaseModel):
    """A world's section, the same for both services."""

    slices: int = 1
    pause_ms: float = 0.0  # what a step takes
    effects: bool = False
    state_bytes: int = 0  # beside the three numbers, so that snapshots are not due at every tick
    faults: list[Fault] = []


class Add(BaseModel):
    """An admin's directive to tally."""

    by: int


class Heard(BaseModel):
    """Tally's effect on echo."""

    seq: int
    slice: int
    total: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A slice's state; `section` and `slice_no` are not encoded."""

    count: int
    total: int
    mark: int  # 64 bits; depends on all ticks and their order
    section: Section
    slice_no: int


def strike(section: Section, slice_no: int, seq: int) -> None:
    """Do what the scenario asks for in this tick."""
    for fault in section.faults:
        if (fault.seq, fault.slice) != (seq, slice_no):
            continue
        if fault.what == "raise":
            raise RuntimeError(f"tick {seq} is poison")
        if fault.what == "hang":
            threading.Event().wait()
        if fault.what == "exit":
            os._exit(3)
        if fault.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    if section.pause_ms >= LONG_MS:
        log.info("step_pauses", extra={"seq": seq})
    if section.pause_ms:
        time.sleep(section.pause_ms / 1_000)


def step_tally(state: Tally, tick: SealedTick) -> Step[Tally]:
    """Count the tick, sum its seq and what its directives add, hash its id."""
    strike(state.section, state.slice_no, tick.seq)
    added = sum(directive.args["by"] for directive in tick.directives_of("tally"))
    count, total = state.count + 1, state.total + tick.seq + added
    mark = _hash(f"{tick.tick_id}/{total}", state.mark)
    after = Tally(count, total, mark, state.section, state.slice_no)
    said: dict[str, Any] = {"slice": state.slice_no, "count": count, "total": total}
    said |= {"mark": f"{mark:016x}", "added": added}
    if any((fault.seq, fault.what) == (tick.seq, "shout") for fault in state.section.faults):
        said["noise"] = "x" * SHOUT_BYTES
    heard = {"seq": tick.seq, "slice": state.slice_no, "total": total}
    speaks = state.section.effects and tick.seq % EFFECTS_EVERY == 0
    return Step(
        after,
        (Event("tallied", said),),
        facts={"total": {"all": total}} if tick.seq % FACTS_EVERY == 0 else None,
        effects=(Effect("echo", "heard", heard),) if speaks else (),
        used={"ops": 1},
    )


def step_echo(state: Tally, tick: SealedTick) -> Step[Tally]:
    """Count what was heard, and hash it with the facts that the tick carries."""
    strike(state.section, state.slice_no, tick.seq)
    heard = [directive.args for directive in tick.directives_of("echo")]
    facts = {number: keys["all"] for number, keys in sorted(tick.facts.get("total", {}).get("tally", {}).items())}
    mark = state.mark
    for args in heard:
        mark = _hash(f"{args['seq']}/{args['slice']}/{args['total']}", mark)
    mark = _hash(f"{tick.tick_id}/{facts}", mark)
    count, total = state.count + len(heard), state.total + sum(facts.values())
    said = {"slice": state.slice_no, "count": count, "total": total, "mark": f"{mark:016x}", "heard": len(heard)}
    return Step(Tally(count, total, mark, state.section, state.slice_no), (Event("echoed", said),))


def _hash(text: str, before: int) -> int:
    return xxhash.xxh3_64_intdigest(text.encode(), before)


def _encode(state: Tally) -> bytes:
    numbers = state.count.to_bytes(8, "big") + state.total.to_bytes(16, "big", signed=True)
    return numbers + state.mark.to_bytes(8, "big") + bytes(state.section.state_bytes)


def _decode(body: bytes, section: Any, slice_no: int) -> Tally:
    if len(body) != 32 + section.state_bytes:
        raise ValueError(f"a tally has {32 + section.state_bytes} bytes, this has {len(body)}")
    total = int.from_bytes(body[8:24], "big", signed=True)
    return Tally(int.from_bytes(body[:8], "big"), total, int.from_bytes(body[24:32], "big"), section, slice_no)


def _genesis(section: Any, seed: int, slice_no: int) -> Tally:
    return Tally(0, seed, slice_no, section, slice_no)


def _service(name: str, stream: Any, step: Any, **more: Any) -> Service[Tally]:
    return Service(
        name=name,
        stream=stream,
        step_version=1,
        scenario_model=Section,
        slices=lambda section: section.slices,
        genesis=_genesis,
        step=step,
        encode=_encode,
        decode=_decode,
        **more,
    )


TALLY = _service("tally", "all", step_tally, directives={"add": Add}, writes_facts=("total",))
ECHO = _service("echo", "hourly", step_echo, directives={"heard": Heard}, reads_facts=("total",))
SERVICES: Mapping[str, Service[Any]] = {"tally": TALLY, "echo": ECHO}
