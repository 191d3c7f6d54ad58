"""Inhabitants as a service: what a tick tells each slice, and what is said of it.
Lives here: shares of budgets and limits, directives, facts, events. Not here: how anybody lives (hours)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from worldtick.clock.worldtime import HOUR_US, MINUTE_US, SECOND_US
from worldtick.contracts.sealed import SealedTick
from worldtick.npc import codec
from worldtick.npc.demand import SOURCE, demand_ppm
from worldtick.npc.edits import Edit, Focus, Meeting
from worldtick.npc.hours import Lived, Moment, step
from worldtick.npc.people import Slice, genesis
from worldtick.npc.plan import Plan
from worldtick.npc.scenario import NpcScenario
from worldtick.npc.shares import Need, even, granted, tier_shares
from worldtick.npc.units import LEVELS, POINT, TIERS, Intent, Phase, Tier
from worldtick.npc.warming import warm
from worldtick.npc.words import (
    CLAIMS,
    DECISIONS,
    DEMAND,
    DUE,
    EVENTS,
    HELD,
    INTENTS,
    NAME,
    TOPIC,
    WANTS,
    DemoteArgs,
    EditArgs,
    FocusArgs,
    MeetingArgs,
    NpcSettings,
    intervals_of,
    limits_of,
)
from worldtick.runtime.service import Effect, Event, Service, Step

MOVES_MAX = 64  # journeys between districts that one slice says in a tick, the largest
DEMAND_NEWS_PPM = 50_000  # a factor that changed by so much since it was last told is news
Facts = Mapping[int, Mapping[str, int]]  # slice -> key -> value


def _step(state: Slice, tick: SealedTick) -> Step[Slice]:
    moment = _moment(state, tick)
    lived = step(state, moment)
    demand = _demand(state.plan, tick) if _number(state) == 0 else None
    facts = _facts(state.plan, lived)
    if demand is not None:
        facts[DEMAND] = dict(demand)
    return Step(
        state=lived.slice,
        events=list(_events(state, lived, tick, demand or {})),
        facts=facts,
        effects=list(_effects(state, lived)),
        used={DECISIONS: lived.used, EVENTS: len(lived.log.who), INTENTS: len(lived.intents)},
        carried={DECISIONS: lived.carried},
    )


# ---- what a tick tells


def _number(state: Slice) -> int:
    return state.first // state.plan.slice_npcs


def _moment(state: Slice, tick: SealedTick) -> Moment:
    plan, number = state.plan, _number(state)
    settings = tick.settings[NAME]
    edits = _told(plan, tick)
    return Moment(
        seed=tick.seed,
        seq=tick.seq,
        from_us=tick.from_us,
        to_us=tick.to_us,
        epoch_s=tick.epoch_s,
        decisions=granted(tick.budget(NAME, DECISIONS), _needs(plan, tick))[number],
        events=even(tick.budget(NAME, EVENTS), plan.slices, number),
        intents=even(tick.budget(NAME, INTENTS), plan.slices, number),
        limits=tier_shares(limits_of(settings), _claims(plan, tick, edits))[number],
        intervals_s=intervals_of(settings),
        focuses=[each for each in edits if isinstance(each, Focus)],
        edits=[each for each in edits if isinstance(each, Edit)],
        meetings=[each for each in edits if isinstance(each, Meeting)],
    )


def _said(tick: SealedTick, name: str) -> Facts:
    return tick.facts.get(name, {}).get(NAME, {})


def _needs(plan: Plan, tick: SealedTick) -> list[Need]:
    """What each slice expects to be due in this tick, as it said after an earlier one."""
    said, span_us = _said(tick, DUE), tick.to_us - tick.from_us
    return [
        Need(each.get("carried", 0) + each.get("hourly", 0) * span_us // HOUR_US, each.get("wait_s", 0))
        for each in (said.get(number, {}) for number in range(plan.slices))
    ]


def _claims(plan: Plan, tick: SealedTick, told: Sequence[Focus | Edit | Meeting]) -> list[list[int]]:
    """(slices, tiers): who claims what, with those whom this very tick puts into focus by name."""
    said = _said(tick, CLAIMS)
    claims = [[said.get(number, {}).get(tier, 0) for tier in TIERS[:-1]] for number in range(plan.slices)]
    for each in told:
        if isinstance(each, Focus) and 0 <= each.npc < plan.count and each.until_s * SECOND_US > tick.from_us:
            claims[each.npc // plan.slice_npcs][Tier.DETAILED] += 1
    return claims


def _told(plan: Plan, tick: SealedTick) -> list[Focus | Edit | Meeting]:
    """The tick's directives; what names somebody or something that the world has not acts on nothing."""
    found: list[Focus | Edit | Meeting] = []
    for directive in tick.directives_of(NAME):
        try:
            match directive.name:
                case "focus":
                    look = FocusArgs.model_validate(directive.args)
                    found.append(
                        Focus(**_whom(plan, look), until_s=(tick.from_us + look.minutes * MINUTE_US) // SECOND_US)
                    )
                case "demote":
                    less = DemoteArgs.model_validate(directive.args)
                    claim = None if less.tier is None else TIERS.index(less.tier)
                    found.append(Focus(**_whom(plan, less), claim=claim))
                case "edit":
                    found.append(_edit(plan, EditArgs.model_validate(directive.args)))
                case "meeting":
                    met = MeetingArgs.model_validate(directive.args)
                    item = -1 if met.item is None else plan.items.index(met.item)
                    found.append(Meeting(met.npc, met.by, met.points, item, met.units))
        except ValueError:
            continue  # a name that this world does not have
    return found


def _whom(plan: Plan, told: FocusArgs | DemoteArgs) -> dict[str, int]:
    if told.npc is not None:
        return {"npc": told.npc}
    if told.place is not None:
        return {"place": plan.places.index(told.place)}
    return {"group": plan.groups.index(told.group or "")}


def _edit(plan: Plan, told: EditArgs) -> Edit:
    return Edit(
        npc=told.npc,
        levels={LEVELS.index(name): points * POINT for name, points in told.levels.items()},
        items={plan.items.index(name): units for name, units in told.items.items()},
        set_flags=sum(1 << plan.flags.index(name) for name in set(told.set_flags)),
        clear_flags=sum(1 << plan.flags.index(name) for name in set(told.clear_flags)),
        place=None if told.place is None else plan.places.index(told.place),
    )


# ---- what is said


def _facts(plan: Plan, lived: Lived) -> dict[str, dict[str, int]]:
    wants = {
        f"{answer.commodity}/{district}/{what}": int(lived.wants[row, d, column])
        for row, answer in enumerate(plan.answers)
        for d, district in enumerate(plan.districts)
        for column, what in enumerate(("people", "level"))
    }
    due = {"carried": lived.carried, "hourly": lived.rate_hour, "wait_s": lived.wait_s}
    claims, held = lived.claims.tolist(), lived.tiers.tolist()
    return {
        DUE: due,
        CLAIMS: dict(zip(TIERS[:-1], claims, strict=True)),
        WANTS: wants,
        HELD: dict(zip(TIERS, held, strict=True)),
    }


def _first_facts(section: NpcScenario, seed: int, number: int) -> dict[str, dict[str, int]]:
    """Who will claim what, of the plan alone: a million people need not be drawn for it."""
    plan = section.plan
    first, count = plan.span(number)
    claims = dict.fromkeys(TIERS, 0)
    for crew in plan.crews:
        inside = min(first + count, crew.first + crew.count) - max(first, crew.first)
        claims[TIERS[int(plan.group_tier[crew.group])]] += max(0, inside)
    del claims[TIERS[-1]]
    usual = NpcSettings().model_dump()
    hourly = sum(
        min(claims[tier], limit) * 3_600 // interval
        for tier, limit, interval in zip(TIERS[:-1], limits_of(usual), intervals_of(usual), strict=True)
    )
    return {CLAIMS: claims, DUE: {"carried": 0, "hourly": hourly, "wait_s": 0}, HELD: {TIERS[-1]: count}}


def _demand(plan: Plan, tick: SealedTick) -> Mapping[str, int] | None:
    """Factors out of what all slices said; None before they said anything."""
    said = _said(tick, WANTS)
    if not said:
        return None
    wants = np.zeros((len(plan.answers), len(plan.districts), 2), np.int64)
    for row, answer in enumerate(plan.answers):
        for d, district in enumerate(plan.districts):
            for column, what in enumerate(("people", "level")):
                key = f"{answer.commodity}/{district}/{what}"
                wants[row, d, column] = sum(each.get(key, 0) for each in said.values())
    return demand_ppm(plan, wants)


def _effects(state: Slice, lived: Lived) -> Iterator[Effect]:
    """What the other one of each intent will know of it, at a later tick, wherever it lives."""
    plan = state.plan
    for index, other, activity, item, _ in lived.intents.tolist():
        points = plan.tables.bond[activity].tolist()
        gives = item >= 0
        if other < 0 or not (gives or any(points)):
            continue
        args: dict[str, Any] = {"npc": other, "by": state.first + index, "points": points}
        if gives:
            args |= {"item": plan.items[item], "units": 1}
        yield Effect(NAME, "meeting", args)


def _events(state: Slice, lived: Lived, tick: SealedTick, demand: Mapping[str, int]) -> Iterator[Event]:
    yield from _actions(state, lived, tick)
    yield from _intents(state, lived, tick)
    yield from _journeys(state.plan, lived, tick)
    yield from _signals(tick, demand)
    people = lived.slice.people
    yield Event(
        "aggregated_stats",
        {
            "slice": _number(state),
            "tick_id": tick.tick_id,
            "agents": len(people.flags),
            "decisions": lived.used,
            "unsaid": lived.unsaid,
            "activities": {
                name: n for name, n in zip(state.plan.activities, lived.activities.tolist(), strict=True) if n
            },
            "tiers": {name: n for name, n in zip(TIERS, lived.tiers.tolist(), strict=True) if n},
            "simulated": {name: n for name, n in zip(TIERS, lived.simulated.tolist(), strict=True) if n},
            "carried": lived.carried,
            "oldest_wait_s": lived.wait_s,
            "intents_unsaid": lived.intents_unsaid,
        },
    )


def _actions(state: Slice, lived: Lived, tick: SealedTick) -> Iterator[Event]:
    plan, log, tier = state.plan, lived.log, lived.slice.people.tier
    rows = zip(log.who.tolist(), log.what.tolist(), log.phase.tolist(), log.at.tolist(), log.place.tolist(),
               log.partner.tolist(), strict=True)  # fmt: skip
    for who, what, phase, at_s, place, partner in rows:
        data: dict[str, Any] = {
            "agent_id": state.first + who,
            "action": plan.events[what] if phase == Phase.CUSTOM else plan.activities[what],
            "phase": "started" if phase == Phase.STARTED else "finished",
            "location": plan.places[place],
            "tick_id": tick.tick_id,
            "at": tick.date(at_s * SECOND_US),
            "tier": TIERS[tier[who]],
        }
        if partner >= 0:
            data["target"] = str(partner)
        yield Event("agent_action", data)


def _intents(state: Slice, lived: Lived, tick: SealedTick) -> Iterator[Event]:
    plan = state.plan
    for index, other, activity, item, at_s in lived.intents.tolist():
        data: dict[str, Any] = {
            "agent_id": state.first + index,
            "target_id": other,
            "intent": Intent(int(plan.tables.intent[activity])).name.lower(),
            "activity": plan.activities[activity],
            "tick_id": tick.tick_id,
            "at": tick.date(at_s * SECOND_US),
        }
        if item >= 0:
            data["item"] = plan.items[item]
        yield Event("npc_intent", data)


def _journeys(plan: Plan, lived: Lived, tick: SealedTick) -> Iterator[Event]:
    origins, destinations = np.nonzero(lived.moves)
    moves = sorted(
        (
            (-int(lived.moves[a, b]), a, b)
            for a, b in zip(origins.tolist(), destinations.tolist(), strict=True)
            if a != b
        )
    )
    for people, origin, destination in moves[:MOVES_MAX]:
        yield Event(
            "population_movement",
            {
                "origin": plan.districts[origin],
                "destination": plan.districts[destination],
                "agent_count": -people,
                "tick_id": tick.tick_id,
                "reason": "npc",
            },
        )


def _signals(tick: SealedTick, demand: Mapping[str, int]) -> Iterator[Event]:
    """Factors that changed since they were last told, so that readers need not follow the facts."""
    before = {key: ppm for values in _said(tick, DEMAND).values() for key, ppm in values.items()}
    for key, ppm in demand.items():
        if abs(ppm - before.get(key, 1_000_000)) >= DEMAND_NEWS_PPM:
            district, commodity, _ = key.split("/", 2)
            told = {"commodity": commodity, "district": district, "demand_ppm": ppm, "origin": SOURCE}
            yield Event("demand_signal", {**told, "tick_id": tick.tick_id})


SERVICE: Service[Slice] = Service(
    name=NAME,
    stream="all",
    step_version=1,
    scenario_model=NpcScenario,
    slices=lambda section: section.plan.slices,
    genesis=lambda section, seed, number: genesis(section.plan, seed, number),
    step=_step,
    encode=codec.encode,
    decode=lambda body, section, number: codec.decode(body, section.plan, number),
    warm_up=warm,
    budgets={DECISIONS: 120, EVENTS: 500, INTENTS: 64},
    rated=frozenset({DECISIONS}),
    settings=NpcSettings,
    directives={"focus": FocusArgs, "demote": DemoteArgs, "edit": EditArgs, "meeting": MeetingArgs},
    reads_facts=(DUE, CLAIMS, WANTS, DEMAND),
    writes_facts=(DUE, CLAIMS, WANTS, DEMAND, HELD),
    first_facts=_first_facts,
    slice_topic=TOPIC,
    columns=codec.columns,
)
