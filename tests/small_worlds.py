"""Small worlds for tests: two services that a ticker or control needs to know, and quick ways to make and read worlds.
Lives here: what tests of several rooms share. Not here: fixtures (conftest)."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import BaseModel, ConfigDict, Field

from worldtick.clock.course import Course
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.contracts.topics import topic_specs
from worldtick.control.clocks import apply as apply_command
from worldtick.control.clocks import read_args
from worldtick.control.creation import Plan, create_world
from worldtick.runtime.service import Service, Step
from worldtick.runtime.topics import apply, for_brokers
from worldtick.sealing.steering import course_of
from worldtick.store.clocks import lock_clocks
from worldtick.store.db import Pool, transaction
from worldtick.store.ticks import list_ticks
from worldtick.store.worlds import keys_of

T0 = WallTime(1_700_000_000_000_000 // HOUR_US * HOUR_US)  # the first firing that counts
TICK_TOPICS = ("world.tick", "world.tick.hourly", "world.tick.daily")


class Section(BaseModel):
    """A scenario section that says nothing but how many slices there are."""

    slices: int = 1


class Nudge(BaseModel):
    """A directive's arguments."""

    by: int


class Writing(BaseModel):
    """Another directive's arguments."""

    text: str


def _service(name: str, stream: Any, **more: Any) -> Service[int]:
    return Service(
        name=name,
        stream=stream,
        step_version=1,
        scenario_model=Section,
        slices=lambda section: section.slices,
        genesis=lambda section, seed, slice_no: seed,
        step=lambda state, tick: Step(state + tick.seq),
        encode=lambda state: state.to_bytes(8, "big", signed=True),
        decode=lambda body, section, slice_no: int.from_bytes(body, "big", signed=True),
        **more,
    )


COUNT = _service("count", "all", directives={"nudge": Nudge, "write": Writing}, reads_facts=("heat",))


class Manners(BaseModel):
    """What admins may set for `market`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    opens_hour: int = Field(8, ge=0, le=23)
    closed: bool = False


MARKET = _service(
    "market",
    "hourly",
    budgets={"orders": 50, "bids": 2},
    rated=frozenset({"bids"}),
    settings=Manners,
    writes_facts=("heat",),
)
COUNCIL = _service("council", "daily")
CATALOGUE: Mapping[str, Service[Any]] = {"count": COUNT, "market": MARKET, "council": COUNCIL}


def make_world(
    pool: Pool,
    world: str,
    services: Sequence[str] = ("count", "market", "council"),
    catalogue: Mapping[str, Service[Any]] = CATALOGUE,
    **more: Any,
) -> int:
    """Create a world whose first firing is T0; its key."""
    sections = {name: Section() for name in services}
    create_world(
        pool, Plan(**{"world_id": world, "scenario": "{}", "sections": sections, "first_us": T0, **more}), catalogue
    )
    with transaction(pool) as conn:
        return keys_of(conn, [world])[world][0]


def command_clock(pool: Pool, world_id: str, name: str, args: Mapping[str, Any]) -> Course:
    """A command on a clock, in a transaction of its own; the course that the world then has."""
    with transaction(pool) as conn:
        (clock,) = lock_clocks(conn, [keys_of(conn, [world_id])[world_id][0]])
        apply_command(conn, clock, name, read_args(name, args), time.time_ns() // 1_000)
        return course_of(clock)


def history(pool: Pool, world_key: int) -> list[SealedTick]:
    """All ticks of a world, in order."""
    with transaction(pool) as conn:
        return [decode_sealed(row.body) for row in reversed(list_ticks(conn, world_key, None, 1_000))]


def shape(ticks: Sequence[SealedTick]) -> list[tuple[int, str, int, int]]:
    """(seq, kind, kind_seq, slot in hours) of ticks."""
    return [(tick.seq, tick.kind, tick.kind_seq, tick.to_us // HOUR_US) for tick in ticks]


def make_topics(bootstrap: str, prefix: str) -> None:
    """The tick topics, simulation.event, control's, and their dead letters, under a prefix."""
    wanted = [
        spec
        for spec in topic_specs(prefix)
        if spec.base.removesuffix(".dlq")
        in (*TICK_TOPICS, "simulation.event", "npc.slice", "world.control", "world.control.reply")
    ]
    apply(AdminClient({"bootstrap.servers": bootstrap}), for_brokers(wanted, 1))


def read_topic(bootstrap: str, topic: str) -> list[Any]:
    """All records of a topic as a read_committed reader sees them, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader-of-tests",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Any] = []
        ends = 0
        while ends < len(partitions):
            message = consumer.poll(10)
            assert message is not None, f"{topic} does not end within 10 s"
            if message.error() is None:
                found.append(message)
            else:
                ends += 1
        return found
    finally:
        consumer.close()
