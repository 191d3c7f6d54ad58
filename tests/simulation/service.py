"""Two tiny services whose state tells every order, gap and repetition, and the bad days of their steps.
Lives here: the state, its step, steps that raise or kill. Not here: when a bad day is planned (plan)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from worldtick.contracts.sealed import SealedTick, Stream
from worldtick.runtime.service import Effect, Event, Service, Step

PRIME = (1 << 61) - 1


class Killed(BaseException):
    """The step has ended its process; no handler of the runtime lives to see it."""


class Poisoned(Exception):
    """A step that raises."""


class Roll(NamedTuple):
    """A slice's state: how many ticks it has seen, and a hash in which their order counts."""

    ticks: int
    total: int


class Section(BaseModel):
    """A scenario section."""

    slices: int = 1


class Nudge(BaseModel):
    """A directive's arguments."""

    said: str


def roll(name: str, state: Roll, tick: SealedTick) -> Roll:
    """The next state: depends on all that a tick carries, and on the state before."""
    total = state.total
    words = [tick.seq, tick.kind_seq, tick.to_us, len(tick.directives)]
    for directive in tick.directives_of(name):
        words += [directive.directive_id, len(directive.source)]
    for fact, services in sorted(tick.facts.items()):
        for service, slices in sorted(services.items()):
            for slice_no, values in sorted(slices.items()):
                words += [len(fact), len(service), slice_no, *values.values()]
    for word in words:
        total = (total * 1_000_003 + word + 1) % PRIME
    return Roll(state.ticks + 1, total)


def said_by(name: str, others: Sequence[str], state: Roll) -> Step[Roll]:
    """What a step to this state says: an event always, facts and effects on some states."""
    events = [Event("rolled", {"ticks": state.ticks, "total": state.total})]
    facts = {f"{name}_heat": {"a": state.total % 97}} if state.total % 2 else None
    effects = []
    if state.total % 5 == 0:
        effects = [Effect(others[state.total % len(others)], "nudge", {"said": str(state.total % 89)})]
    return Step(state, events, facts, effects)


class Weather:
    """Which steps have a bad day: (service, world, place) -> poison, flaky or killing."""

    def __init__(self, bad: Mapping[tuple[str, str, int], str], raises: Callable[[], bool]) -> None:
        self.bad = dict(bad)
        self.left = {key: {"flaky": 3, "kills": 2, "deadly": 1_000}.get(kind, 0) for key, kind in bad.items()}
        self.kills: dict[tuple[str, str, int], int] = {}
        self.settled: set[tuple[str, str, int]] = set()  # done: it raises no more when it is stepped again
        self._raises = raises

    def strike(self, service: str, tick: SealedTick, place: int) -> None:
        """Raise or kill, if this step is to."""
        key = (service, tick.world, place)
        kind = self.bad.get(key)
        if kind is None:
            return
        if kind == "poison":
            raise Poisoned("poison")
        if self.left[key] > 0 and key not in self.settled and (kind == "deadly" or self._raises()):
            self.left[key] -= 1
            if kind == "flaky":
                raise Poisoned("flaky")
            self.kills[key] = self.kills.get(key, 0) + 1
            raise Killed


def make_service(
    name: str, stream: Stream, others: Sequence[str], weather: Weather, batched: bool, slice_topic: str | None
) -> Service[Roll]:
    """A service whose steps suffer from the weather."""

    def step(state: Roll, tick: SealedTick) -> Step[Roll]:
        weather.strike(name, tick, service.place(tick))
        return said_by(name, others, roll(name, state, tick))

    def step_batch(states: Sequence[Roll], ticks: Sequence[SealedTick]) -> list[Step[Roll]]:
        return [step(state, tick) for state, tick in zip(states, ticks, strict=True)]

    service: Service[Any] = Service(
        name=name,
        stream=stream,
        step_version=1,
        scenario_model=Section,
        slices=lambda section: section.slices,
        genesis=lambda section, seed, slice_no: genesis(seed, slice_no),
        step=step,
        encode=encode,
        decode=lambda body, section, slice_no: decode(body),
        step_batch=step_batch if batched else None,
        directives={"nudge": Nudge},
        reads_facts=tuple(f"{other}_heat" for other in others),
        writes_facts=(f"{name}_heat",),
        slice_topic=slice_topic,
        says_completed=name == "roll",
    )
    return service


def genesis(seed: int, slice_no: int) -> Roll:
    """The state at seq 0."""
    return Roll(0, seed * 31 + slice_no)


def encode(state: Roll) -> bytes:
    """16 bytes."""
    return state.ticks.to_bytes(8, "big") + state.total.to_bytes(8, "big")


def decode(body: bytes) -> Roll:
    """The inverse of `encode`."""
    return Roll(int.from_bytes(body[:8], "big"), int.from_bytes(body[8:], "big"))
