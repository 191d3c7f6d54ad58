"""An hourly tick of a million inhabitants, durable, shared by two workers.

Question: 1,000,000 inhabitants in 100 slices, 16 activities, nearly all dormant (each due every second hour): how long
from the ring of one hourly tick on world.tick to the last slice's step_completed visible to a read_committed reader?
Splitter, two workers, ledger, facts, snapshots at the usual policy all included; the same with 100,000 in 10 slices.
Rival: none of its kind; cost per inhabitant at 1e6 stands beside that at 1e5. Also: what a worker keeps in memory
beside the stored state, and how long a killed worker's slices take to be stepped on by the other.
Not asked: sealing, start-up, compilation; the step alone is npc_step's."""

import json
import signal
import statistics
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import psutil

from benchmarks import durable
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.npc_step import section
from benchmarks.race import Reader
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.control.creation import Plan, create_world
from worldtick.npc.scenario import NpcScenario
from worldtick.npc.service import SERVICE
from worldtick.npc.words import DECISIONS
from worldtick.runtime.service import Service
from worldtick.store.db import Pool, open_pool, transaction
from worldtick.ticker.orders import Order

MILLION, SLICE, SMOKE = 1_000_000, 10_000, 400
HOURS, SMOKE_HOURS = 40, 3
WARM_HOURS = 4  # genesis and first snapshots
FIRST = WallTime(1_700_000_000_000_000 // HOUR_US * HOUR_US)
CATALOGUE: Mapping[str, Service[Any]] = {"npc": SERVICE}


def measure(place: Place) -> list[Figure]:
    """Hour after hour, each rung only when the last one is finished."""
    sizes = (SMOKE,) if place.smoke else (MILLION // 10, MILLION)
    medians: dict[int, float] = {}
    figures: list[Figure] = []
    for count in sizes:
        seconds, memory, recovery_s = _course(place, count)
        medians[count] = statistics.median(seconds)
        figures += _figures(place, count, seconds, medians)
        if count == MILLION:
            figures.append(_figure(place, "npc_worker_memory_of_state", memory, "x", "value <= 2.5"))
            figures.append(_figure(place, "npc_recovery_of_50_slices_s", recovery_s, "s", "value <= 5"))
    return figures


def _figures(place: Place, count: int, seconds: list[float], medians: Mapping[int, float]) -> list[Figure]:
    name = f"npc_tick_{count}_durable"
    bound = {MILLION: 0.2, MILLION // 10: 0.05}.get(count)
    goal = None if place.smoke or bound is None else f"value <= {bound}"
    figures = [from_runs(f"{name}_p50_s", "s", seconds, goal=goal)]
    if count == MILLION:
        p99 = statistics.quantiles(seconds, n=100)[98]
        figures.append(_figure(place, f"{name}_p99_s", p99, "s", "value <= 0.4"))
        each, small = medians[count] / count * 1e9, medians[MILLION // 10] / (MILLION // 10) * 1e9
        goal = "ratio <= 1.5"
        figures.append(Figure("npc_tick_cost_of_one_ns", each, "ns", "at 100,000", each / small, goal))
    return figures


def _figure(place: Place, name: str, value: float, unit: str, goal: str) -> Figure:
    return Figure(name, value, unit, goal=None if place.smoke else goal)


def _course(place: Place, count: int) -> tuple[list[float], float, float]:
    """(seconds of each hour, worker's memory over its base / stored state, seconds of a takeover)."""
    hours = SMOKE_HOURS if place.smoke else HOURS
    slices = max(2, count // SLICE)
    pool = open_pool(place.database_url, 4, "bench")
    try:
        with durable.topics(place, f"npc{count}") as prefix, durable.reading(place, prefix) as reader:
            world = f"people-{count}"
            _create(pool, world, count, -(-count // slices))
            with (
                durable.working(place, prefix, "npc", joined=True) as first,
                durable.working(place, prefix, "npc", joined=True) as second,
            ):
                bases = [_resident(process) for process in (first, second)]
                seconds = [_hour(place, pool, prefix, reader, hour, slices) for hour in range(hours)]
                grown = sum(_resident(process) for process in (first, second)) - sum(bases)
                recovery_s = _takeover(place, pool, prefix, reader, second, hours, slices)
            with transaction(pool) as conn:
                stored = conn.execute("select sum(octet_length(snapshot)) from slice where service = 'npc'").fetchone()
    finally:
        pool.close()
    place.say(f"  {count}: {', '.join(f'{each:.3f}' for each in seconds)} s; takeover {recovery_s:.2f} s")
    return seconds[WARM_HOURS:] or seconds, grown / max(1, int(stored[0] or 0) if stored else 1), recovery_s


def _create(pool: Pool, world: str, count: int, slice_npcs: int) -> None:
    given = {**section(count), "slice_npcs": slice_npcs}
    scenario = json.dumps({"services": {"npc": given}})
    plan = Plan(
        world,
        scenario,
        {"npc": NpcScenario.model_validate(given)},
        FIRST,
        daily=False,
        budgets={"npc": {DECISIONS: count}},
        settings={"npc": {"dormant_limit": count}},
    )
    create_world(pool, plan, CATALOGUE)


def _hour(place: Place, pool: Pool, prefix: str, reader: Reader, hour: int, slices: int) -> float:
    rung = durable.sealed(pool, Order("hourly", WallTime(FIRST + hour * HOUR_US), HOUR_US), CATALOGUE, "world.tick")
    reader.values.clear()  # what was said before is of no interest, and would be looked at again and again
    began = time.perf_counter()
    durable.ring(place, prefix, rung)
    return durable.await_finished(reader, slices) - began


def _takeover(
    place: Place, pool: Pool, prefix: str, reader: Reader, victim: "subprocess.Popen[bytes]", hour: int, slices: int
) -> float:
    """From the kill of one worker of two until a tick sealed then is finished by the other, its session included."""
    victim.send_signal(signal.SIGKILL)
    victim.wait(30)
    return _hour(place, pool, prefix, reader, hour, slices)


def _resident(process: "subprocess.Popen[bytes]") -> int:
    return int(psutil.Process(process.pid).memory_info().rss)
