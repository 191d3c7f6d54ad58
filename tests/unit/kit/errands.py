"""A small lawful service for the kit's own tests: people stand in line, a budget says how many are served in a tick.
Lives here: its core and SERVICE. Not here: the lawless ones (lawless)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel

from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Effect, Event, Projection, Service, Step


class Section(BaseModel):
    """The scenario: how many come in each tick, in each of how many lines."""

    arrivals: int = 3
    lines: int = 1


class Add(BaseModel):
    """A directive: so many people more."""

    count: int


@dataclass(frozen=True)
class Line:
    """Who waits, oldest first."""

    waiting: tuple[tuple[int, int], ...]  # (world time since, number)
    next_number: int
    served: dict[str, int]  # day -> people
    arrivals: int


def genesis(section: Section, seed: int, slice_no: int) -> Line:
    """An empty line."""
    return Line((), seed % 7, {}, section.arrivals + slice_no)


def step(line: Line, tick: SealedTick) -> Step[Line]:
    """People come, the oldest are served."""
    added = sum(Add.model_validate(directive.args).count for directive in tick.directives_of("errands"))
    numbers = range(line.next_number, line.next_number + line.arrivals + added)
    waiting = line.waiting + tuple((tick.to_us, number) for number in numbers)
    used = min(tick.budget("errands", "visits"), len(waiting))
    day = str(tick.to_us // 86_400_000_000)
    served = {**line.served, day: line.served.get(day, 0) + used}
    state = Line(waiting[used:], numbers.stop, served, line.arrivals)
    moved = {"origin": "line", "destination": "counter", "agent_count": used}
    return Step(
        state=state,
        events=[Event("population_movement", moved)] if used else [],
        facts={"line_length": {"all": len(state.waiting)}},
        effects=[Effect("errands", "add", {"count": 1})] if tick.seq % 5 == 0 else [],
        used={"visits": used},
        carried={"visits": len(state.waiting)},
        rows={"line": [(used, len(state.waiting))]},
    )


def step_batch(states: Sequence[Line], ticks: Sequence[SealedTick]) -> list[Step[Line]]:
    """One after another."""
    return [step(state, tick) for state, tick in zip(states, ticks, strict=True)]


def encode(line: Line) -> bytes:
    """Canonical: days in order."""
    served = sorted(line.served.items())
    return msgspec.msgpack.encode((line.waiting, line.next_number, served, line.arrivals))


def decode(body: bytes, section: Any, slice_no: int) -> Line:
    """The inverse."""
    waiting, number, served, arrivals = msgspec.msgpack.decode(body)
    return Line(tuple((since, who) for since, who in waiting), number, dict(served), arrivals)


SERVICE: Service[Line] = Service(
    name="errands",
    stream="hourly",
    step_version=1,
    scenario_model=Section,
    slices=lambda section: section.lines,
    genesis=genesis,
    step=step,
    encode=encode,
    decode=decode,
    step_batch=step_batch,
    budgets={"visits": 4},
    directives={"add": Add},
    reads_facts=("line_length", "weather"),
    writes_facts=("line_length",),
    projections=(Projection("line", ("served", "waiting"), ("int8", "int8")),),
)
