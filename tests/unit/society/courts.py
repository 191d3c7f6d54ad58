"""Factions for tests, and years of their diplomacy.
Lives here: plans, days, a year's record. Not here: assertions."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from worldtick.clock.worldtime import DAY_US
from worldtick.control.scenario import load_scenario
from worldtick.society.diplomacy.days import DiplomacyDay, DiplomacyLived, step
from worldtick.society.diplomacy.plan import Plan
from worldtick.society.diplomacy.relations import Relations, genesis
from worldtick.society.diplomacy.scenario import DiplomacyScenario
from worldtick.society.scenario import SocietyScenario
from worldtick.society.service import SERVICE

EVERY_PAIR = 1_000_000


def night_city() -> SocietyScenario:
    """The society that comes with worldtick."""
    from worldtick.cli.catalogue import catalogue

    section = load_scenario("night_city", catalogue()).sections[SERVICE.name]
    assert isinstance(section, SocietyScenario)
    return section


def plan_of(count: int, **more: Any) -> Plan:
    """So many equal factions."""
    return DiplomacyScenario.model_validate(
        {"factions": {f"f{n}": {"home": "Port"} for n in range(count)}, **more}
    ).plan


def days(
    plan: Plan,
    count: int,
    seed: int = 1,
    start: Relations | None = None,
    told: Mapping[int, Any] | None = None,
    **more: Any,
) -> Iterator[DiplomacyLived]:
    """So many days. told: day -> what directives tell it; more: fields of every day."""
    relations = genesis(plan, seed) if start is None else start
    first = int(relations.day[0]) + 1
    for number in range(first, first + count):
        fields = {"seed": seed, "seq": number, "now_us": number * DAY_US, "pairs": EVERY_PAIR, **more}
        lived = step(plan, relations, DiplomacyDay(**fields, told=(told or {}).get(number, ())))
        relations = lived.relations
        yield lived


def calm(plan: Plan, pair: int = 0, **fields: Any) -> Relations:
    """A first day on which one pair's arrays hold other values in every place."""
    relations = genesis(plan, 1)
    for name, value in fields.items():
        getattr(relations, name)[pair] = np.asarray(value)
    return relations
