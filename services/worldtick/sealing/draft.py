"""A draft: a tick that is decided but not yet sealed, and the pure work of filling it.
Lives here: consumers, budgets, which directives fit, facts, the clock's advance. Not here: locks and SQL (seal)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel

from worldtick.clock.worldtime import MINUTE_US
from worldtick.contracts.headers import derived_traceparent
from worldtick.contracts.ids import tick_id
from worldtick.contracts.sealed import Directive, Kind, SealedTick
from worldtick.runtime.service import Service
from worldtick.store.clocks import Clock
from worldtick.store.directives import Waiting

AGENDA = "agenda"  # the service whose timers cut ticks
DIRECTIVES_MAX = 256  # in one tick
OPERATIONS_MAX = 2**63 - 1  # of a rated budget in one tick
DIRECTIVE_BYTES_MAX = 32_768  # of them together, and so of a single one

Catalogue = Mapping[str, Service[Any]]
Facts = dict[str, dict[str, dict[int, dict[str, int]]]]

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_facts = msgspec.msgpack.Decoder(dict[str, dict[str, int]]).decode


@dataclass(frozen=True, slots=True)
class Draft:
    """One world's next tick."""

    clock: Clock  # locked; sealing moves it
    kind: Kind
    from_us: int
    to_us: int
    hours: int
    triggered_by: str = "scheduler"
    caused_by: str | None = None
    traceparent: str | None = None
    known: frozenset[int] | None = None  # the agenda's directives that the plan considered; None: it had no such plan

    @property
    def seq(self) -> int:
        """The place that the tick will have."""
        return self.clock.seq + 1

    @property
    def bound(self) -> int | None:
        """The newest tick whose facts and effects it may carry; None: any that there are."""
        return max(0, self.seq - self.clock.lag_ticks) if self.clock.facts == "lag" else None


def consumers_of(draft: Draft, catalogue: Catalogue) -> tuple[str, ...]:
    """The world's services whose stream takes this kind of tick."""
    return tuple(
        name
        for name in sorted(draft.clock.services)
        if name in catalogue and catalogue[name].stream in ("all", draft.kind)
    )


def budgets_of(draft: Draft, consumers: Iterable[str], catalogue: Catalogue) -> dict[str, dict[str, int]]:
    """The services' defaults, overridden by the world's own; those per world minute times the tick's span."""
    span_us = draft.to_us - draft.from_us
    return {
        name: {
            budget: min(OPERATIONS_MAX, number * span_us // MINUTE_US) if budget in catalogue[name].rated else number
            for budget, number in {**catalogue[name].budgets, **draft.clock.budgets.get(name, {})}.items()
        }
        for name in consumers
    }


def settings_of(draft: Draft, consumers: Iterable[str], catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """For each service that has settings its complete set: its defaults, overlaid with the world's own."""
    return {
        name: complete_settings(model, draft.clock.settings.get(name, {}))
        for name in consumers
        if (model := catalogue[name].settings) is not None
    }


def complete_settings(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """A service's settings with its defaults written out, in the order in which the model declares them.

    Raises pydantic.ValidationError; what stands in a world's row was validated when it was written.
    """
    return model.model_validate(given).model_dump(mode="json")


def considered(rows: Iterable[Waiting], known: frozenset[int] | None) -> list[Waiting]:
    """What of these a tick may take: of the agenda's, which move the next timer, only what its plan has considered."""
    return [row for row in rows if known is None or row.service != AGENDA or row.directive_id in known]


def fitting(seq: int, waiting: Sequence[Waiting]) -> list[Directive]:
    """Those that the tick `seq` takes, in the order in which they take effect: admins' first, then effects by origin.

    Oldest first, up to DIRECTIVES_MAX and DIRECTIVE_BYTES_MAX. On even seqs admins choose first and on odd ones
    effects, so that neither starves the other. One that is too large by itself goes alone.
    """
    admins = sorted((w for w in waiting if w.made_seq is None), key=lambda w: w.directive_id)
    effects = sorted(
        (w for w in waiting if w.made_seq is not None), key=lambda w: (w.made_seq or 0, w.made_order, w.directive_id)
    )
    taken: dict[bool, list[Directive]] = {True: [], False: []}
    count, size = 0, 0
    for admin in (True, False) if seq % 2 == 0 else (False, True):
        for row in admins if admin else effects:
            directive = Directive(row.service, row.name, row.args, row.source, row.directive_id)
            cost = directive_bytes(directive)
            if count == DIRECTIVES_MAX or (count and size + cost > DIRECTIVE_BYTES_MAX):
                break
            taken[admin].append(directive)
            count, size = count + 1, size + cost
    return taken[True] + taken[False]


def directive_bytes(directive: Directive) -> int:
    """What a directive takes of a tick's room."""
    return len(_encode(directive))


def carried_facts(rows: Iterable[tuple[str, int, int, bytes]], names: frozenset[str]) -> tuple[Facts, int]:
    """Facts of (service, slice, seq, body) rows whose name is wanted, and the newest seq among them (0: none)."""
    facts: Facts = {}
    newest = 0
    for service, slice_no, seq, body in rows:
        for name, values in _decode_facts(body).items():
            if name in names:
                facts.setdefault(name, {}).setdefault(service, {})[slice_no] = values
                newest = max(newest, seq)
    return facts, newest


def fill(
    draft: Draft, catalogue: Catalogue, directives: Sequence[Directive], facts: Facts, newest_fact: int
) -> SealedTick:
    """The sealed tick of a draft; its clock has moved when this returns."""
    clock, consumers = draft.clock, consumers_of(draft, catalogue)
    name = tick_id(clock.world, draft.kind, draft.to_us)
    facts_as_of = newest_fact if draft.bound is None else draft.bound
    seq, kind_seq = _advance(draft)
    return SealedTick(
        world=clock.world,
        seed=clock.seed,
        epoch_s=clock.epoch_s,
        seq=seq,
        kind=draft.kind,
        kind_seq=kind_seq,
        tick_id=name,
        from_us=draft.from_us,
        to_us=draft.to_us,
        hours=draft.hours,
        triggered_by=draft.triggered_by,
        caused_by=draft.caused_by,
        traceparent=draft.traceparent or derived_traceparent(name),
        facts_as_of=facts_as_of,
        consumers=consumers,
        budgets=budgets_of(draft, consumers, catalogue),
        directives=tuple(directives),
        facts=facts,
        settings=settings_of(draft, consumers, catalogue),
    )


def _advance(draft: Draft) -> tuple[int, int]:
    clock = draft.clock
    clock.seq += 1
    clock.now_us = draft.to_us
    clock.pace_us = max(clock.pace_us, clock.now_us)
    if clock.target_us is not None and clock.target_us <= clock.now_us:
        clock.target_us = None
    if draft.kind == "hourly":
        clock.hourly_seq += 1
        return clock.seq, clock.hourly_seq
    if draft.kind == "daily":
        clock.daily_seq += 1
        clock.daily_us = draft.to_us
        return clock.seq, clock.daily_seq
    return clock.seq, clock.seq - clock.hourly_seq - clock.daily_seq
