"""The bench: one world of one service in memory, tick after tick, sealed as the ticker seals.
Lives here: ticks with directives, facts and lag, and the record of what was lived. Not here: checks, any I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from worldtick.clock.moves import Standing, next_move
from worldtick.clock.worldtime import EPOCH_S, HOUR_US, WorldTime
from worldtick.contracts.errors import Faulty
from worldtick.contracts.sealed import SealedTick, decode_sealed, encode_sealed
from worldtick.runtime.recovery import digest_of
from worldtick.runtime.service import Effect, Service, Step
from worldtick.sealing.draft import Draft, carried_facts, consumers_of, fill, fitting
from worldtick.store.clocks import Clock
from worldtick.store.directives import Waiting

State = TypeVar("State")
SILENT_TICKS_MAX = 10_000  # of other streams, one after another, before a bench says that its service gets none

_encode_facts = msgspec.msgpack.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class SliceStep(Generic[State]):
    """One slice's step: its encoded state before and after, and all that it said."""

    slice_no: int
    before: bytes
    step: Step[State]
    after: bytes

    @property
    def digest(self) -> bytes:
        """What the ledger would hold of the state after."""
        return digest_of(self.after)


@dataclass(frozen=True, slots=True)
class Lived(Generic[State]):
    """One tick and what each slice made of it."""

    tick: SealedTick
    slices: tuple[SliceStep[State], ...]


class Bench(Generic[State]):
    """One service's world. It has an hourly and a daily grid; its service steps the ticks of its own stream.

    scenario: the service's section, as a mapping or as its model. budgets: operations that override the defaults.
    settings: those of the service that differ from its defaults.
    lag_ticks: facts and effects of tick n are carried from tick n + lag_ticks on.
    Raises Faulty where the scenario does not validate or a budget is none of the service's.
    """

    def __init__(
        self,
        service: Service[State],
        scenario: Mapping[str, Any] | BaseModel,
        *,
        seed: int = 1,
        world: str = "bench",
        budgets: Mapping[str, int] | None = None,
        settings: Mapping[str, Any] | None = None,
        lag_ticks: int = 1,
        epoch_s: int = EPOCH_S,
    ) -> None:
        self.service = service
        self.section = section_of(service, scenario)
        self.seed = seed
        self.history: list[Lived[State]] = []
        self.effects: list[tuple[int, int, Effect]] = []  # (seq, slice, effect), those on other services too
        self.clock = _clock(service, world, seed, epoch_s, lag_ticks, dict(budgets or {}))
        self.clock.settings = _settings(service, dict(settings or {}))
        self._catalogue = {service.name: service}
        self._waiting: list[Waiting] = []
        self._facts: list[tuple[str, int, int, dict[str, dict[str, int]]]] = []  # (service, slice, seq, names)
        self._directives_made = 0
        self.states = [service.genesis(self.section, seed, number) for number in range(service.slices(self.section))]
        if not self.states:
            raise Faulty(f"service {service.name}", ["slices(scenario) gives none; a world needs at least one"])
        if service.first_facts is not None:
            for number in range(len(self.states)):
                first = service.first_facts(self.section, seed, number)
                self._facts.append((service.name, number, 0, {name: dict(said) for name, said in first.items()}))

    def direct(self, name: str, **args: Any) -> None:
        """Queue a directive as an admin does; the next tick of the service's stream takes it. Raises Faulty."""
        model = self.service.directives.get(name)
        if model is None:
            known = ", ".join(self.service.directives) or "none"
            raise Faulty(f"directive {name!r}", [f"{self.service.name} declares {known}"])
        try:
            model.model_validate(args)
        except ValidationError as broken:
            raise Faulty(f"directive {name!r}", _faults(broken)) from broken
        self._queue(name, args, "admin", None, 0)

    def fact(self, name: str, values: Mapping[str, int], *, service: str = "other", slice_no: int = 0) -> None:
        """A fact that another service said in the newest tick: carried lag_ticks later, until it says another."""
        older = [names for by, number, _, names in self._facts if (by, number) == (service, slice_no)]
        names = {**(older[-1] if older else {}), name: dict(values)}
        self._facts.append((service, slice_no, self.clock.seq, names))

    def run(self, ticks: int) -> list[Lived[State]]:
        """Live through so many more ticks of the service's stream; the ticks of other streams pass by."""
        return [self.tick() for _ in range(ticks)]

    def lived(self, ticks: int) -> "Bench[State]":
        """The same bench after so many more ticks."""
        self.run(ticks)
        return self

    def tick(self, hours: int = 1) -> Lived[State]:
        """The next tick of the service's stream. An hourly one spans `hours` at most, as `coalesce` makes them."""
        for _ in range(SILENT_TICKS_MAX):
            draft = self._draft(hours)
            consumed = bool(consumers_of(draft, self._catalogue))
            tick = self._seal(draft, consumed)
            if consumed:
                return self._step(tick)
        raise Faulty(f"service {self.service.name}", [f"no tick of {SILENT_TICKS_MAX} is of its stream"])

    def part(self, us: int) -> Lived[State]:
        """A tick of kind `step` to a moment between boundaries, `us` of world time on; only stream `all` has them."""
        if self.service.stream != "all" or not 0 < us < HOUR_US:
            raise Faulty(f"service {self.service.name}", ["a step tick is for stream `all` and shorter than an hour"])
        draft = Draft(self.clock, "step", self.clock.now_us, self.clock.now_us + us, 0)
        return self._step(self._seal(draft, True))

    def restart(self) -> None:
        """Take every slice over: its state is decoded from its bytes, as a worker does that has just begun."""
        service = self.service
        self.states = [
            service.decode(service.encode(state), self.section, number) for number, state in enumerate(self.states)
        ]

    def digests(self) -> list[tuple[int, int, str]]:
        """(seq, slice, digest in hex) of all that was lived."""
        return [(lived.tick.seq, each.slice_no, each.digest.hex()) for lived in self.history for each in lived.slices]

    def steps(self) -> Iterator[tuple[SealedTick, SliceStep[State]]]:
        """Every tick with every slice's step, in order."""
        for lived in self.history:
            for each in lived.slices:
                yield lived.tick, each

    def _draft(self, hours: int) -> Draft:
        clock = self.clock
        standing = Standing(WorldTime(clock.now_us), WorldTime(clock.daily_us), clock.epoch_s, True, True, "coalesce")
        move = next_move(standing, "hourly", max(1, hours))
        if move is None:
            raise Faulty("the bench", [f"no tick follows world time {clock.now_us}"])
        return Draft(clock, move.kind, move.from_us, move.to_us, move.hours)

    def _seal(self, draft: Draft, consumed: bool) -> SealedTick:
        bound = draft.bound or 0
        due = [row for row in self._waiting if row.made_seq is None or row.made_seq <= bound] if consumed else []
        directives = fitting(draft.seq, due)
        taken = {directive.directive_id for directive in directives}
        self._waiting = [row for row in self._waiting if row.directive_id not in taken]
        facts, newest = carried_facts(self._fact_rows(bound), frozenset(self.service.reads_facts if consumed else ()))
        return fill(draft, self._catalogue, directives, facts, newest)

    def _fact_rows(self, bound: int) -> list[tuple[str, int, int, bytes]]:
        """The newest facts of each service and slice that a tick may carry."""
        newest = {(by, number): (seq, names) for by, number, seq, names in self._facts if seq <= bound}
        return [(by, number, seq, _encode_facts(names)) for (by, number), (seq, names) in sorted(newest.items())]

    def _step(self, tick: SealedTick) -> Lived[State]:
        service = self.service
        sealed = decode_sealed(encode_sealed(tick))  # kept apart: a bad step may change its tick
        before = [service.encode(state) for state in self.states]
        steps = service.steps(self.states, [tick] * len(self.states))
        self.states = [step.state for step in steps]
        lived = Lived(
            sealed,
            tuple(
                SliceStep(number, before[number], step, service.encode(step.state)) for number, step in enumerate(steps)
            ),
        )
        self.history.append(lived)
        for number, step in enumerate(steps):
            self._take_in(tick, number, step)
        return lived

    def _take_in(self, tick: SealedTick, slice_no: int, step: Step[State]) -> None:
        """Facts and effects of a step, as the runtime commits them; those that are none wait for check_declared."""
        if step.facts is not None and _writable(step.facts):
            names = {name: dict(values) for name, values in step.facts.items()}
            self._facts.append((self.service.name, slice_no, tick.seq, names))
        for ordinal, effect in enumerate(step.effects):
            self.effects.append((tick.seq, slice_no, effect))
            if effect.service == self.service.name and _valid(self.service, effect):
                source = f"effect:{self.service.name}/{slice_no}@{tick.seq}"
                self._queue(effect.name, effect.args, source, tick.seq, slice_no << 32 | ordinal)

    def _queue(self, name: str, args: Mapping[str, Any], source: str, made_seq: int | None, made_order: int) -> None:
        self._directives_made += 1
        row = (self.clock.world_key, self._directives_made, self.service.name, name, dict(args), source)
        self._waiting.append(Waiting(*row, made_seq, made_order))


def section_of(service: Service[Any], scenario: Mapping[str, Any] | BaseModel) -> BaseModel:
    """The validated section of a service. Raises Faulty naming every fault."""
    if isinstance(scenario, BaseModel):
        return scenario
    try:
        return service.scenario_model.model_validate(dict(scenario))
    except ValidationError as broken:
        raise Faulty(f"scenario section {service.name}", _faults(broken)) from broken


def _writable(facts: Mapping[str, Mapping[str, int]]) -> bool:
    return all(isinstance(value, int) for values in facts.values() for value in values.values())


def _valid(service: Service[Any], effect: Effect) -> bool:
    model = service.directives.get(effect.name)
    try:
        return model is not None and model.model_validate(effect.args) is not None
    except ValidationError:
        return False


def _faults(broken: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}" for fault in broken.errors()]


def _settings(service: Service[Any], given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if not given:
        return {}
    try:
        if service.settings is not None:
            service.settings.model_validate(given)
            return {service.name: given}
    except ValidationError as broken:
        raise Faulty(f"settings of {service.name}", _faults(broken)) from broken
    raise Faulty(f"settings of {service.name}", ["the service declares none"])


def _clock(
    service: Service[Any], world: str, seed: int, epoch_s: int, lag_ticks: int, budgets: dict[str, int]
) -> Clock:
    unknown = sorted(set(budgets) - set(service.budgets))
    if unknown:
        raise Faulty(f"budgets of {service.name}", [f"{name!r} is none of its budgets" for name in unknown])
    return Clock(
        world_key=1,
        world=world,
        status="active",
        seed=seed,
        services=[service.name],
        budgets={service.name: budgets},
        settings={},
        epoch_s=epoch_s,
        driver="scheduled",
        paused=False,
        hourly=True,
        daily=True,
        period_us=HOUR_US,
        last_firing_us=0,
        catch_up="coalesce",
        catch_up_max=24,
        facts="lag",
        lag_ticks=lag_ticks,
        now_us=0,
        daily_us=0,
        seq=0,
        hourly_seq=0,
        daily_seq=0,
    )
