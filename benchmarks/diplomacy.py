"""A day of diplomacy between a hundred factions.

Question: how long does one daily step take with 100 factions, so 4,950 pairs, all of them evaluated?
Rival: none of its kind; the limit beside it is what copying the state costs, which every pure step must pay.
Not asked: delivery (society_day)."""

import statistics
import time

from benchmarks.figures import Figure, Place, from_runs
from worldtick.clock.worldtime import DAY_US
from worldtick.society.diplomacy.days import DiplomacyDay, step
from worldtick.society.diplomacy.relations import copied, genesis
from worldtick.society.diplomacy.scenario import DiplomacyScenario

FACTIONS, SMOKE_FACTIONS = 100, 5
DAYS, SMOKE_DAYS = 120, 3


def measure(place: Place) -> list[Figure]:
    """Day after day of one world; the first ten are not counted."""
    count, days = (SMOKE_FACTIONS, SMOKE_DAYS) if place.smoke else (FACTIONS, DAYS)
    factions = {f"f{number}": {"military": 20 + number % 70, "home": f"d{number % 8}"} for number in range(count)}
    plan = DiplomacyScenario.model_validate({"factions": factions}).plan
    relations = genesis(plan, 1)
    steps, copies = [], []
    changes = 0
    for number in range(1, days + 1):
        began = time.perf_counter()
        lived = step(plan, relations, DiplomacyDay(1, number, number * DAY_US, plan.pairs))
        stepped = time.perf_counter()
        copied(relations)
        copies.append((time.perf_counter() - stepped) * 1_000)
        steps.append((stepped - began) * 1_000)
        relations = lived.relations
        changes += len(lived.changed)
        if lived.evaluated != plan.pairs:
            raise ValueError(f"{lived.evaluated} pairs of {plan.pairs} were evaluated")
    place.say(f"  {changes} changes of {plan.pairs} pairs in {days} days")
    counted = slice(10, None) if not place.smoke else slice(None)
    limit = statistics.median(copies[counted])
    goal = None if place.smoke else "value <= 5"
    name = "diplomacy_day_4950_pairs_ms"
    return [from_runs(name, "ms", steps[counted], against="copying the state", rival=limit, goal=goal)]
