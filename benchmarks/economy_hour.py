"""A game hour of a thousand market economies, end to end and durable.

Question: 1000 worlds x 5 commodities x 100 people, one worker: how long from the rings of one hourly tick of all of
them (already sealed) to the last of their 6000 events visible to a read_committed reader, with state, ledger, facts
and market_state committed in PostgreSQL?
Rival: none; the goal is about a second. The step alone is economy_step's.
Not asked: sealing and ringing, start-up, compilation."""

import json
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import durable
from benchmarks.economy_step import one_district
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.race import START_S_MAX, Reader
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.control.creation import Plan, create_world
from worldtick.economy.service import SERVICE
from worldtick.runtime.service import Service
from worldtick.store.db import Pool
from worldtick.ticker.orders import Order

WORLDS, SMOKE_WORLDS = 1000, 10
HOURS, SMOKE_HOURS = 8, 2
EVENTS_A_TICK = 6  # five markets and step_completed
FIRST = WallTime(1_700_000_000_000_000 // HOUR_US * HOUR_US)
CATALOGUE: Mapping[str, Service[Any]] = {"economy": SERVICE}


def measure(place: Place) -> list[Figure]:
    """Hour after hour, each rung only when the last one's events are all there; the first is not counted."""
    worlds, hours = (SMOKE_WORLDS, SMOKE_HOURS) if place.smoke else (WORLDS, HOURS)
    with durable.stage(place, "hour", "economy") as (pool, prefix, reader):
        seconds = _hours(place, pool, prefix, reader, worlds, hours)
    place.say(f"  hours: {', '.join(f'{each:.2f}' for each in seconds)} s")
    goal = "value <= 1.2"
    return [from_runs("economy_hour_1000_worlds_durable_s", "s", seconds[1:], goal=None if place.smoke else goal)]


def _hours(place: Place, pool: Pool, prefix: str, reader: Reader, worlds: int, hours: int) -> list[float]:
    section = one_district()
    scenario = json.dumps({"services": {"economy": section.model_dump(mode="json")}})
    for number in range(worlds):
        name = f"hour-{number:04d}"
        plan = Plan(name, scenario, {"economy": section}, FIRST, seed=number, daily=False)
        create_world(pool, plan, CATALOGUE)
    seconds = []
    for hour in range(1, hours + 1):
        rung = durable.sealed(pool, Order("hourly", WallTime(FIRST + (hour - 1) * HOUR_US), HOUR_US), CATALOGUE)
        began = time.perf_counter()
        durable.ring(place, prefix, rung)
        ended = reader.read_to(worlds * hour * EVENTS_A_TICK, START_S_MAX, lambda: None)
        seconds.append(ended - began)
    return seconds
