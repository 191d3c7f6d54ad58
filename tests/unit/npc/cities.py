"""Inhabitants for tests of their room.
Lives here: the city that is shipped, small worlds, hours of them. Not here: any test."""

from collections.abc import Iterator
from typing import Any

import yaml

from worldtick.contracts.shipped import shipped
from worldtick.npc.hours import Lived, Moment, step
from worldtick.npc.people import Slice, genesis
from worldtick.npc.plan import Plan
from worldtick.npc.scenario import NpcScenario

HOUR_US = 3_600_000_000
HOUR_S = 3_600
SUNDAY_S = 1_705_190_400  # 2024-01-14T00:00Z, a Sunday


def city(**changes: Any) -> dict[str, Any]:
    """The city's section, with some of its words replaced."""
    text = shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8")
    section: dict[str, Any] = yaml.safe_load(text)["services"]["npc"]
    return section | changes


def small_city(people: int) -> dict[str, Any]:
    """So few in each group and district that plain Python keeps up; in every tier."""
    section = city()
    for group in section["groups"].values():
        group["people"] = dict.fromkeys(group["people"], people)
    section["groups"]["pilgrims"]["tier"] = "detailed"
    return section


def plan_of(section: dict[str, Any]) -> Plan:
    return NpcScenario.model_validate(section).plan


def village(people: int = 3, **changes: Any) -> dict[str, Any]:
    """One district, a home, a workplace, people who idle, rest and toil."""
    section: dict[str, Any] = {
        "places": {"hut": {"district": "Vale", "kind": "home"}, "field": {"district": "Vale", "kind": "field"}},
        "activities": {
            "idle": {"weight": 10},
            "rest": {"urgency": {"energy": 100}, "per_hour": {"energy": 20}, "location": "home", "minutes": 30},
            "toil": {"requires": {"need": "energy", "at_least": 30}, "per_hour": {"energy": -10}, "location": "work"},
        },
        "fallback": "idle",
        "groups": {"folk": {"people": {"Vale": people}, "work": "field"}},
    }
    return section | changes


def moment(seq: int, **changes: Any) -> Moment:
    """The seq-th hour; budgets that bind nobody."""
    told: dict[str, Any] = {
        "seed": 7,
        "seq": seq,
        "from_us": (seq - 1) * HOUR_US,
        "to_us": seq * HOUR_US,
        "epoch_s": SUNDAY_S,
        "decisions": 1_000_000,
        "events": 5_000,
        "intents": 1_000,
    }
    return Moment(**(told | changes))


def hours(plan: Plan, count: int, state: Slice | None = None, first: int = 1, **changes: Any) -> Iterator[Lived]:
    """So many hours of slice 0."""
    state = state or genesis(plan, 7, 0)
    for seq in range(first, first + count):
        lived = step(state, moment(seq, **changes))
        state = lived.slice
        yield lived
