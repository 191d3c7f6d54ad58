"""Diplomacy bound to ticks: what a tick tells it, and what is said of a day.
Lives here: directives, facts, events, rows of diplomacy. Not here: its arithmetic (diplomacy/), the service."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from worldtick.clock.calendar import simulation_day
from worldtick.clock.worldtime import DAY_US
from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Event, Step
from worldtick.society.diplomacy import relations
from worldtick.society.diplomacy.days import (
    Breach,
    Changed,
    DiplomacyDay,
    DiplomacyLived,
    Incident,
    Proposal,
    TreatyNote,
    score,
    step,
)
from worldtick.society.diplomacy.plan import Plan
from worldtick.society.diplomacy.relations import Relations
from worldtick.society.diplomacy.rules import POINT, Change, Relation
from worldtick.society.diplomacy.scenario import IncidentArgs, TreatyBreach, TreatyProposal, treaty_of
from worldtick.society.names import AT_WAR, NAME, PAIRS, PRICES, RELATION, UNREST
from worldtick.society.scenario import SocietyScenario

Told = Incident | Proposal | Breach


@dataclass(frozen=True, slots=True, eq=False)
class Diplomacy:
    """A slice's state."""

    plan: Plan
    relations: Relations


def genesis(section: SocietyScenario, seed: int) -> Diplomacy:
    """The first day's relations."""
    plan = _plan(section)
    return Diplomacy(plan, relations.genesis(plan, seed))


def encode(state: Diplomacy) -> bytes:
    """Canonical bytes."""
    return relations.encode(state.relations)


def decode(body: bytes, section: SocietyScenario) -> Diplomacy:
    """The inverse of `encode`. Raises ValueError."""
    plan = _plan(section)
    return Diplomacy(plan, relations.decode(body, plan))


def live(state: Diplomacy, tick: SealedTick) -> Step[Any]:
    """One day, as a step."""
    plan = state.plan
    day = DiplomacyDay(
        seed=tick.seed,
        seq=tick.seq,
        now_us=tick.to_us,
        pairs=tick.budget(NAME, PAIRS),
        prices=tick.fact(PRICES),
        unrest_ppm=tick.fact(UNREST),
        told=tuple(_told(plan, tick)),
    )
    lived = step(plan, state.relations, day)
    game_day = simulation_day(max(0, tick.to_us - 1), tick.epoch_s)  # midnight ends the day before it
    return Step(
        state=Diplomacy(plan, lived.relations),
        events=list(_events(plan, lived, tick, game_day)),
        facts={AT_WAR: _at_war(plan, lived.relations)},
        used={PAIRS: lived.evaluated},
        carried={PAIRS: lived.carried},
        rows={RELATION: _rows(plan, lived, tick)},
    )


def _plan(section: SocietyScenario) -> Plan:
    if section.diplomacy is None:
        raise ValueError("the section has no diplomacy")
    return section.diplomacy.plan


def _told(plan: Plan, tick: SealedTick) -> Iterator[Told]:
    """The tick's directives to diplomacy. One that names a faction that the world has not acts on nothing."""
    number = _numbers(plan)
    for directive in tick.directives_of(NAME):
        match directive.name:
            case "incident":
                harm = IncidentArgs.model_validate(directive.args)
                if {harm.by, harm.to} <= set(number):
                    yield Incident(number[harm.by], number[harm.to], harm.severity)
            case "treaty_propose":
                offer = TreatyProposal.model_validate(directive.args)
                if {offer.one, offer.other} <= set(number):
                    until_us = tick.to_us + offer.days * DAY_US
                    pair = number[offer.one], number[offer.other]
                    yield Proposal(*pair, treaty_of(offer.kind), until_us, offer.price * POINT)
            case "treaty_break":
                breach = TreatyBreach.model_validate(directive.args)
                if {breach.by, breach.to} <= set(number):
                    yield Breach(number[breach.by], number[breach.to], treaty_of(breach.kind))


@lru_cache(maxsize=256)
def _numbers(plan: Plan) -> dict[str, int]:
    return {name: number for number, name in enumerate(plan.factions)}


def _pair(plan: Plan, pair: int) -> tuple[str, str]:
    first, second = plan.sides[pair].tolist()
    return plan.factions[first], plan.factions[second]


def _events(plan: Plan, lived: DiplomacyLived, tick: SealedTick, game_day: int) -> Iterator[Event]:
    for changed in lived.changed:
        yield _update(plan, changed, tick, game_day)
    for note in lived.treaties:
        yield _treaty(plan, lived.relations, note, tick, game_day)
    counts = lived.relations.state.tolist()
    yield Event(
        "diplomacy_summary",
        {
            "tick_id": tick.tick_id,
            "game_day": game_day,
            "evaluated": lived.evaluated,
            "changed": len(lived.changed),
            "states": {state.name: counts.count(state) for state in Relation},
        },
    )


def _update(plan: Plan, changed: Changed, tick: SealedTick, game_day: int) -> Event:
    first, second = _pair(plan, changed.pair)
    return Event(
        "diplomacy_update",
        {
            "faction_a_id": first,
            "faction_b_id": second,
            "new_relation_state": changed.new.name,
            "score_change": changed.score_change / POINT,
            "reason": changed.reason,
            "tick_id": tick.tick_id,
            "old_relation_state": changed.old.name,
            "game_day": game_day,
            "contributions": changed.gained,
        },
    )


def _treaty(plan: Plan, now: Relations, note: TreatyNote, tick: SealedTick, game_day: int) -> Event:
    first, second = _pair(plan, note.pair)
    data: dict[str, Any] = {
        "faction_a_id": first,
        "faction_b_id": second,
        "treaty": note.kind.name.lower(),
        "change": note.change.name.lower(),
        "tick_id": tick.tick_id,
        "game_day": game_day,
    }
    until_us = int(now.until[note.pair, note.kind])
    if note.change is Change.SIGNED and until_us:
        data["until"] = tick.date(until_us)
    if note.change is Change.BROKEN:
        data["broken_by"] = (first, second)[note.side]
    return Event("treaty_update", data)


def _at_war(plan: Plan, now: Relations) -> dict[str, int]:
    """Faction -> wars that it is in, of those that are in any."""
    wars = [0] * len(plan.factions)
    for pair, state in enumerate(now.state.tolist()):
        if state == Relation.WAR:
            for faction in plan.sides[pair].tolist():
                wars[faction] += 1
    return {name: count for name, count in zip(plan.factions, wars, strict=True) if count}


def _rows(plan: Plan, lived: DiplomacyLived, tick: SealedTick) -> list[tuple[Any, ...]]:
    """A pair's newest row is how it stands: all pairs on the first day, then those that changed."""
    now = lived.relations
    first_day = int(now.day[0]) == 1
    pairs = range(plan.pairs) if first_day else [changed.pair for changed in lived.changed]
    reasons = {changed.pair: changed.reason for changed in lived.changed}
    scores = score(now)
    return [
        (
            *_pair(plan, pair),
            Relation(int(now.state[pair])).name,
            int(scores[pair]),
            reasons.get(pair, "genesis"),
            tick.to_us,
        )
        for pair in pairs
    ]
