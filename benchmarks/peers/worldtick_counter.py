"""Contestant: worldtick's own worker with a count-and-sum service, its state in PostgreSQL.

Lives here: the service, its worlds with their ticks sealed beforehand, the worker's process. Not here: the race."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import BaseModel

from benchmarks.race import Course
from benchmarks.rings import EPOCH, HOUR_US, world_names
from worldtick.clock.worldtime import WallTime
from worldtick.contracts.ids import tick_id
from worldtick.contracts.sealed import SealedTick
from worldtick.control.creation import Plan, create_world
from worldtick.runtime import logs
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Event, Service, Step
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place, Worker, tame_collector
from worldtick.store.db import open_pool, transaction
from worldtick.store.erasing import erase_all
from worldtick.store.ticks import copy_ticks
from worldtick.store.worlds import keys_of
from worldtick.ticker.serve import until_signal

State = tuple[int, int]  # count, sum
EPOCH_S = int(EPOCH.timestamp())
LONE_TICKS = 1  # of a world, after the backlog
COPIED_TICKS = 20_000  # in one transaction


class Section(BaseModel):
    """Nothing to say."""


class Counted(msgspec.Struct, gc=False):
    """What it says of each tick."""

    world: str
    seq: int
    count: int
    sum: int
    tick_id: str


def step(state: State, tick: SealedTick) -> Step[State]:
    """Count the ticks and sum their seqs."""
    count, total = state[0] + 1, state[1] + tick.seq
    return Step((count, total), (Event("counted", Counted(tick.world, tick.seq, count, total, tick.tick_id)),))


COUNTER: Service[State] = Service(
    name="counter",
    stream="hourly",
    step_version=1,
    scenario_model=Section,
    slices=lambda section: 1,
    genesis=lambda section, seed, slice_no: (0, 0),
    step=step,
    encode=lambda state: state[0].to_bytes(8, "big") + state[1].to_bytes(8, "big"),
    decode=lambda body, section, slice_no: (int.from_bytes(body[:8], "big"), int.from_bytes(body[8:], "big")),
    says_completed=False,  # its event says all that there is to say: one record, one output
)


def prepare(course: Course) -> None:
    """Make the course's worlds, and seal all ticks that will be rung, before the clock runs."""
    load = course.load
    pool = open_pool(course.database_url, 2, "bench")
    names = world_names(load.worlds)
    with transaction(pool) as conn:
        erase_all(conn)
    for name in names:
        plan = Plan(name, "{}", {"counter": Section()}, WallTime(EPOCH_S * 1_000_000), daily=False)
        create_world(pool, plan, {"counter": COUNTER})
    with transaction(pool) as conn:
        keys = {name: key for name, (key, _) in keys_of(conn, names).items()}
    page: list[tuple[int, SealedTick]] = []
    for world, tick in _ticks(names, load.last_ticks + LONE_TICKS):
        page.append((keys[world], tick))
        if len(page) == COPIED_TICKS:
            _copy(pool, page)
    _copy(pool, page)
    pool.close()


def _copy(pool: Any, page: list[tuple[int, SealedTick]]) -> None:
    with transaction(pool) as conn:
        copy_ticks(conn, page)
    page.clear()


def _ticks(names: list[str], last: int) -> Iterator[tuple[str, SealedTick]]:
    for seq in range(1, last + 1):
        for world in names:
            yield world, _sealed(world, seq)


def _sealed(world: str, seq: int) -> SealedTick:
    return SealedTick(
        world=world,
        seed=1,
        epoch_s=EPOCH_S,
        seq=seq,
        kind="hourly",
        kind_seq=seq,
        tick_id=tick_id(world, "hourly", seq * HOUR_US),
        from_us=(seq - 1) * HOUR_US,
        to_us=seq * HOUR_US,
        hours=1,
        triggered_by="scheduler",
        caused_by=None,
        traceparent=None,
        facts_as_of=seq - 1,
        consumers=("counter",),
        budgets={"counter": {}},
        directives=(),
        facts={},
    )


def main() -> None:
    """Argument: a JSON object with bootstrap, database_url, prefix and batch. Runs until it is terminated."""
    told = json.loads(sys.argv[1])
    logs.setup("warning", "console")
    rules = Rules(batch_records=told.get("batch", Rules().batch_records))
    place = Place({"bootstrap.servers": told["bootstrap"]}, told["database_url"], told["prefix"], rules=rules)
    tame_collector()
    with until_signal() as stop:
        Worker(COUNTER, place, Vitals("counter")).run_until(stop)


if __name__ == "__main__":
    main()
