"""What a service is, and what its step says: plain data, no I/O.
Lives here: the contract between the runtime and every service. Not here: how steps are delivered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel

from worldtick.contracts.sealed import SealedTick, Stream
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM

State = TypeVar("State")


class Event(msgspec.Struct, frozen=True, gc=False):
    """What a service says on `simulation.event`, past tense: `type` is the last word of event_type.

    `data` is a mapping or msgspec struct of the event's own fields; the runtime adds world, seq, tick_id.
    """

    type: str
    data: Any


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What one service asks of another: it becomes a directive of a later tick."""

    service: str
    name: str
    args: dict[str, Any]


class Step(msgspec.Struct, Generic[State], frozen=True):
    """All that came of one step of one slice."""

    state: State
    events: Sequence[Event] = ()
    facts: Mapping[str, Mapping[str, int]] | None = (
        None  # name -> key -> value; replaces the slice's last; None keeps it
    )
    effects: Sequence[Effect] = ()
    used: Mapping[str, int] = {}  # budget -> operations spent
    carried: Mapping[str, int] = {}  # budget -> operations left for later ticks
    rows: Mapping[str, Sequence[tuple[Any, ...]]] = {}  # projection name -> rows in column order


@dataclass(frozen=True, slots=True)
class Projection:
    """A table for SQL readers that a service fills in the commit of its step.

    The runtime writes `world_key` and `seq` before each row's own columns.
    """

    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...]  # PostgreSQL type names, as binary COPY needs them


@dataclass(frozen=True, slots=True)
class Service(Generic[State]):
    """A service is data: pure functions over one slice's state, and what they need."""

    name: str
    stream: Stream  # the one tick stream that it reads and chains on
    step_version: int  # raise it when the same tick and state give other bytes than before
    scenario_model: type[BaseModel]  # the scenario section named like the service
    slices: Callable[[Any], int]  # (scenario section) -> number of slices
    genesis: Callable[[Any, int, int], State]  # (scenario section, seed, slice number) -> state
    step: Callable[[State, SealedTick], Step[State]]
    encode: Callable[[State], bytes]  # canonical: equal states give equal bytes; the digest is over these
    decode: Callable[[bytes, Any, int], State]  # (bytes, scenario section, slice number) -> state
    step_batch: Callable[[Sequence[State], Sequence[SealedTick]], list[Step[State]]] | None = None
    budgets: Mapping[str, int] = field(default_factory=dict)  # default operations per tick, or per minute where rated
    rated: frozenset[str] = (
        frozenset()
    )  # budgets that count operations per world minute: sealing takes them times the span
    settings: type[BaseModel] | None = None  # what admins may set for a world at run time; every field has a default
    directives: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    factions: Callable[[Any], Sequence[str]] | None = None  # ids that a section names: the scenario must have them
    reads_facts: tuple[str, ...] = ()
    writes_facts: tuple[str, ...] = ()
    first_facts: Callable[[Any, int, int], Mapping[str, Mapping[str, int]]] | None = (
        None  # as genesis: what the first state says, which stands as seq 0's from the world's creation on
    )
    projections: tuple[Projection, ...] = ()
    warm_up: Callable[[], None] | None = None  # what is slow once, such as compiling: done before a worker takes work
    slice_topic: str | None = None  # where its slices are rung one by one, so that many workers share a world
    columns: Callable[[State], Iterable[tuple[str, Any]]] | None = (
        None  # (name, contiguous array in entity order): joined over slices they are the world's, however it is cut
    )
    says_completed: bool = True  # False: each step says an event of its own that tells as much as step_completed

    @property
    def topic(self) -> str:
        """The topic whose rings its workers hear, without the deployment's prefix."""
        return self.slice_topic or TICK_TOPIC_OF_STREAM[self.stream]

    def place(self, tick: SealedTick) -> int:
        """The tick's place in this service's stream."""
        return tick.seq if self.stream == "all" else tick.kind_seq

    def steps(self, states: Sequence[State], ticks: Sequence[SealedTick]) -> list[Step[State]]:
        """Step each state with its own tick; the same results whether batched or single."""
        if self.step_batch is not None and len(states) > 1:
            return self.step_batch(states, ticks)
        return [self.step(state, tick) for state, tick in zip(states, ticks, strict=True)]
