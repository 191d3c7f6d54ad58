"""A game day of five hundred societies, end to end and durable.

Question: 500 worlds, each with 7 factions and a crowd of 100, one worker: how long from the rings of one daily tick of
all of them (already sealed) to the last of their step_completed visible to a read_committed reader, with both slices'
state, ledger, facts and relations committed in PostgreSQL?
Rival: none; the goal is five seconds.
Not asked: sealing and ringing, start-up, compilation."""

import json
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import durable
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.race import Reader
from worldtick.clock.worldtime import DAY_US, WallTime
from worldtick.control.creation import Plan, create_world
from worldtick.runtime.service import Service
from worldtick.society.scenario import SocietyScenario
from worldtick.society.service import SERVICE
from worldtick.store.db import Pool
from worldtick.ticker.orders import Order

WORLDS, SMOKE_WORLDS = 500, 4
DAYS, SMOKE_DAYS = 6, 2
FIRST = WallTime(1_700_000_000_000_000 // DAY_US * DAY_US)
CATALOGUE: Mapping[str, Service[Any]] = {"society": SERVICE}


def measure(place: Place) -> list[Figure]:
    """Day after day, each rung only when the last one is finished; the first is not counted."""
    worlds, days = (SMOKE_WORLDS, SMOKE_DAYS) if place.smoke else (WORLDS, DAYS)
    with durable.stage(place, "day", "society") as (pool, prefix, reader):
        seconds = _days(place, pool, prefix, reader, worlds, days)
    place.say(f"  days: {', '.join(f'{each:.2f}' for each in seconds)} s")
    goal = None if place.smoke else "value <= 5"
    return [from_runs("society_day_500_worlds_durable_s", "s", seconds[1:], goal=goal)]


def _section() -> SocietyScenario:
    factions = {f"f{number}": {"home": "town", "military": 30 + 7 * number} for number in range(7)}
    return SocietyScenario.model_validate({"diplomacy": {"factions": factions}, "crowd": {"agents": 100}})


def _days(place: Place, pool: Pool, prefix: str, reader: Reader, worlds: int, days: int) -> list[float]:
    section = _section()
    scenario = json.dumps({"services": {"society": section.model_dump(mode="json")}})
    for number in range(worlds):
        plan = Plan(f"day-{number:04d}", scenario, {"society": section}, FIRST, seed=number, hourly=False)
        create_world(pool, plan, CATALOGUE)
    seconds = []
    for day in range(1, days + 1):
        rung = durable.sealed(pool, Order("daily", WallTime(FIRST + (day - 1) * DAY_US), DAY_US), CATALOGUE)
        if len(rung) != worlds:
            raise ValueError(f"{len(rung)} daily ticks of {worlds} worlds")
        began = time.perf_counter()
        durable.ring(place, prefix, rung)
        seconds.append(durable.await_finished(reader, worlds * day * len(section.parts)) - began)
    return seconds
