"""Clocks: how fast one small world may be driven, and how punctual ten thousand are.

Question 1: one economy of a hundred people is told to advance ten days: game ticks a second from the command until the
last one is sealed, rung, stepped and committed by a worker in another process, and its events are visible to a reader;
once with facts that lag by one tick (each waits for the one before) and once with up to 16 ticks in flight.
Rival: a bare chain of the same durable calls, one after the other and in one process: insert a tick and commit, produce
and wait for the acknowledgement, consume it, write a result and commit. It seals nothing and steps nothing.
Question 2: ten thousand automatic worlds, an hour each per 30 s of the wall, their boundaries spread evenly, and one
ticker: how late is a tick on Kafka, from the moment at which its world was due to the acknowledgement?
Rival: none; the goal is a second at the 99th percentile. Not asked: services of those worlds, start-up."""

import json
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import pairwise

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks import durable
from benchmarks.economy_hour import CATALOGUE, FIRST
from benchmarks.economy_step import one_district
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.race import Reader
from worldtick.clock.course import Course, Pace, advance
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import DAY_US, HOUR_US, SECOND_US, WallTime
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import Plan, create_world
from worldtick.sealing.steering import course_of, steer
from worldtick.store.clocks import Clock, lock_clocks, save_course, stop_clock, unfinished
from worldtick.store.db import Pool, open_pool, transaction
from worldtick.store.worlds import keys_of
from worldtick.ticker.pacer import Pacer
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.turns import Pacing, Turn

DAYS, SMOKE_DAYS = 10, 1
WORLDS, SMOKE_WORLDS = 10_000, 60
SPREAD_S, SMOKE_SPREAD_S = 30, 2
WAIT_S = 120.0
BARE_TICKS, SMOKE_BARE_TICKS = 300, 20


def measure(place: Place) -> list[Figure]:
    """Both questions; each run of the first has a world of its own."""
    pool = open_pool(place.database_url, 6, "bench")
    try:
        with (
            durable.topics(place, "clock") as prefix,
            closing(Publisher(place.kafka, EventWriter(), prefix)) as publisher,
        ):
            figures = _fast(place, pool, publisher, prefix)
            return [*figures, *_punctual(place, pool, publisher)]
    finally:
        pool.close()


def _fast(place: Place, pool: Pool, publisher: Publisher, prefix: str) -> list[Figure]:
    days = SMOKE_DAYS if place.smoke else DAYS
    bare: list[float] = []
    found: dict[str, list[float]] = {"lag": [], "latest": []}
    steps = 0
    with durable.working(place, prefix, "economy"), durable.reading(place, prefix) as reader:
        for run in range(place.runs + 1):
            for facts, rates in found.items():
                span = 1 if run == 0 else days
                steps += span * 24 + 1
                rates.append(_driven(pool, publisher, f"fast-{facts}-{run}", facts, span, reader, steps))
            bare.append(_bare(place, prefix))
    figures = [from_runs("clock_bare_chain_ticks_per_s", "ticks/s", bare[1:])]
    rival = statistics.median(bare[1:])
    for facts, rates in found.items():
        name = {"lag": "clock_fast_forward_lag_1", "latest": "clock_fast_forward_16_in_flight"}[facts]
        goal = "value >= 100" if facts == "latest" and not place.smoke else None
        name = f"{name}_ticks_per_s"
        figures.append(from_runs(name, "ticks/s", rates[1:], against="bare chain", rival=rival, goal=goal))
        place.say(f"  {facts}: {', '.join(f'{rate:.0f}' for rate in rates[1:])} ticks/s")
    return figures


def _driven(pool: Pool, publisher: Publisher, world: str, facts: str, days: int, reader: Reader, steps: int) -> float:
    """Ticks a second of one advance, until the reader has seen so many steps completed in all.

    A world's first hour, with its genesis, is not in it.
    """
    section = one_district()
    scenario = json.dumps({"services": {"economy": section.model_dump(mode="json")}})
    plan = Plan(world, scenario, {"economy": section}, FIRST, facts=facts, pace=Pace("manual"))
    create_world(pool, plan, CATALOGUE)
    with transaction(pool) as conn:
        key = keys_of(conn, [world])[world][0]
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE), [key])
    _advance(pool, key, HOUR_US)
    _drive(pool, pacer, key, HOUR_US)
    begun = time.perf_counter()
    _advance(pool, key, days * DAY_US)
    ticks = _drive(pool, pacer, key, HOUR_US + days * DAY_US)
    return ticks / (durable.await_finished(reader, steps) - begun)


def _advance(pool: Pool, key: int, span_us: int) -> None:
    _change(pool, key, partial(advance, delta_us=span_us, wall_us=time.time_ns() // 1_000))


def _change(pool: Pool, key: int, change: Callable[[Course], Course]) -> None:
    with transaction(pool) as conn:
        (clock,) = lock_clocks(conn, [key])
        if steer(clock, change(course_of(clock))):
            save_course(conn, clock)


def _drive(pool: Pool, pacer: Pacer, key: int, to_us: int) -> int:
    """Until the world is somewhere and its services have finished all; the ticks that it took."""
    before, stop, deadline = _clock(pool, key).seq, threading.Event(), time.monotonic() + WAIT_S

    def look() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("a world was not driven to its target")
        with transaction(pool) as conn:
            if lock_clocks(conn, [key])[0].now_us >= to_us and not unfinished(conn, [key]):
                stop.set()

    pacer.on_pass = look
    pacer.run_until(stop)
    return _clock(pool, key).seq - before


def _clock(pool: Pool, key: int) -> Clock:
    with transaction(pool) as conn:
        return lock_clocks(conn, [key])[0]


def _bare(place: Place, prefix: str) -> float:
    """Links of the bare chain in a second."""
    count = SMOKE_BARE_TICKS if place.smoke else BARE_TICKS
    topic = f"{prefix}simulation.event"
    producer = Producer({"bootstrap.servers": place.kafka, "acks": "all", "enable.idempotence": True, "linger.ms": 0})
    consumer = Consumer({"bootstrap.servers": place.kafka, "group.id": f"{prefix}bare", "fetch.wait.max.ms": 5})
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, max(low, high))])
    body = b"x" * 600
    with psycopg.connect(place.database_url) as conn:
        conn.execute("create temp table link (n int primary key, body bytea, done boolean)")
        conn.commit()
        begun = time.perf_counter()
        for number in range(count):
            conn.execute("insert into link values (%s, %s, false)", (number, body))
            conn.commit()
            producer.produce(topic, body, partition=0)
            producer.flush(10)
            _next(consumer)
            conn.execute("update link set done = true where n = %s", (number,))
            conn.commit()
        took_s = time.perf_counter() - begun
    consumer.close()
    return count / took_s


def _next(consumer: Consumer) -> None:
    message = consumer.poll(10)
    if message is None or message.error() is not None:
        raise TimeoutError("a record of the bare chain did not come back")


def _punctual(place: Place, pool: Pool, publisher: Publisher) -> list[Figure]:
    count, spread_s = (SMOKE_WORLDS, SMOKE_SPREAD_S) if place.smoke else (WORLDS, SPREAD_S)
    keys = _spread(pool, count, spread_s)
    late_s: list[float] = []
    seals: dict[str, list[int]] = {}

    def note(turn: Turn) -> None:
        now_us = pacer.wall.now_us()
        for tick, late_us in zip(turn.ticks, turn.late_us, strict=True):
            seals.setdefault(tick.world, []).append(tick.to_us)
            late_s.append((now_us - turn.at_us + late_us) / SECOND_US)

    def look() -> None:
        if time.monotonic() > end:
            stop.set()

    end, stop = time.monotonic() + spread_s * 2.5, threading.Event()
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE), on_turn=note, on_pass=look)
    try:
        pacer.run_until(stop)
    finally:
        with transaction(pool) as conn:
            for key in keys:
                stop_clock(conn, key)
    _prove(seals, count)
    late_s = sorted(late_s[count // 2 :])  # without the first half-round, while caches are cold
    p99 = late_s[int(len(late_s) * 0.99)]
    place.say(f"  {len(late_s)} ticks, late by p50 {statistics.median(late_s) * 1e3:.0f}, p99 {p99 * 1e3:.0f} ms")
    goal = None if place.smoke else "value <= 1"
    return [from_runs("clock_10000_worlds_lateness_p99_s", "s", [p99], goal=goal)]


def _spread(pool: Pool, count: int, spread_s: int) -> list[int]:
    """Worlds of an hour per `spread_s`, due one after the other; their first boundaries lie a round ahead."""
    section = one_district()
    scenario = json.dumps({"services": {"economy": section.model_dump(mode="json")}})
    pace = Pace("auto", HOUR_US * PPB // (spread_s * SECOND_US), spread_s * SECOND_US, in_flight_max=1_000_000)
    names = [f"punctual-{spread_s}-{number}" for number in range(count)]
    for name in names:
        plan = Plan(name, scenario, {"economy": section}, FIRST, daily=False, pace=pace)
        create_world(pool, plan, CATALOGUE)
    begin_us = time.time_ns() // 1_000 + 3 * SECOND_US
    with transaction(pool) as conn:
        keys = [key for key, _ in keys_of(conn, names).values()]
        for place_no, clock in enumerate(lock_clocks(conn, keys)):
            anchor_us = begin_us + place_no * spread_s * SECOND_US // count - spread_s * SECOND_US
            clock.anchor_us, clock.due_us = anchor_us, WallTime(anchor_us + spread_s * SECOND_US)
            save_course(conn, clock)
    return keys


def _prove(seals: dict[str, list[int]], count: int) -> None:
    """Each world has its hours, one after the other."""
    for world, slots in seals.items():
        if slots[0] != HOUR_US or any(after - before != HOUR_US for before, after in pairwise(slots)):
            raise ValueError(f"{world} missed an hour: {slots}")
    if len(seals) != count:
        raise ValueError(f"{len(seals)} of {count} worlds moved")
