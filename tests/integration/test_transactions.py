"""Every operation of several statements is one transaction: a backend that ends in the middle of it leaves nothing.
Lives here: each kind of operation, ended at each table that it writes; processes killed while they create worlds.
Not here: what the operations do (their own tests)."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest

from tests.small_worlds import CATALOGUE, T0, Section, make_world
from tests.waiting import until
from worldtick.clock.worldtime import HOUR_US
from worldtick.control.asking import ask
from worldtick.control.creation import Plan, archive_world, create_world
from worldtick.control.desk import Desk, Incoming, Rules
from worldtick.control.replaying import Letter, replay
from worldtick.store.db import Pool, open_pool
from worldtick.store.errors import DatabaseAway
from worldtick.ticker.orders import Order
from worldtick.ticker.seals import Progress, seal_pass

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

Operation = Callable[[Pool], Any]


def _plan(world_id: str) -> Plan:
    return Plan(world_id, "{}", {"count": Section(slices=50), "market": Section()}, T0)


def _create(pool: Pool) -> Any:
    return create_world(pool, _plan("new"), CATALOGUE)


def _archive(pool: Pool) -> Any:
    return archive_world(pool, "w")


def _ask(pool: Pool) -> Any:
    return ask(pool, CATALOGUE, "w", "count", "nudge", {"by": 1})


def _tick(pool: Pool) -> Any:
    return list(seal_pass(pool, CATALOGUE, Order("hourly", T0, HOUR_US), None, Progress()))


def _paste(pool: Pool) -> Any:
    """A paste three hours ahead: three ticks, directives, the clock and the paste's own row."""
    value = b'{"data": {"game_time": "2020-01-01T03:00:00Z"}}'
    return Desk(pool, CATALOGUE, Rules()).judge(Incoming("world.tick.hourly", 0, 0, 1, None, value, None))


def _replay(pool: Pool) -> Any:
    data = {"world": "w", "service": "count", "seq": 1}
    value = msgspec.json.encode({"event_type": "simulation.event.step_failed", "data": data})
    return replay(pool, {}, "", Letter("world.tick.dlq", 0, 0, 1, b"w", value, [("dlq.reason", b"step_failed")]))


def _prepare_replay(pool: Pool) -> None:
    _tick(pool)


CASES: list[tuple[Operation, str, str]] = [
    (_create, "world", "insert"),
    (_create, "clock", "insert"),
    (_create, "slice", "insert"),
    (_archive, "world", "update"),
    (_ask, "directive", "insert"),
    (_tick, "directive", "delete"),
    (_tick, "tick", "insert"),
    (_tick, "clock", "update"),
    (_paste, "tick", "insert"),
    (_paste, "clock", "update"),
    (_paste, "paste", "insert"),
    (_replay, "requeue", "insert"),
    (_replay, "directive", "insert"),
]


def _state(admin: "psycopg.Connection[Any]") -> dict[str, list[str]]:
    """Every row of every table, as text."""
    tables = admin.execute("select tablename from pg_tables where schemaname = 'public' order by 1").fetchall()
    return {
        name: sorted(row[0] for row in admin.execute(f"select t::text from {name} t").fetchall())  # noqa: S608
        for (name,) in tables
    }


@pytest.mark.parametrize(
    ("operation", "table", "event"), CASES, ids=[f"{each.__name__}-{table}-{event}" for each, table, event in CASES]
)
def test_ended_in_the_middle_it_is_as_before(
    pool: Pool, postgres_url: str, operation: Operation, table: str, event: str
) -> None:
    make_world(pool, "w")
    _ask(pool)
    if operation is _replay:
        _prepare_replay(pool)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "create function die() returns trigger language plpgsql as"
            " 'begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end'"
        )
        before = _state(admin)
        admin.execute(f"create trigger die after {event} on {table} for each row execute function die()")
        with pytest.raises(DatabaseAway):
            operation(pool)
        assert _state(admin) == before
        admin.execute("drop function die() cascade")
        assert operation(pool)
        assert _state(admin) != before


def _create_until_killed(url: str, name: str, started: Any) -> None:
    pool = open_pool(url, 1, "test-killed")
    started.set()
    create_world(pool, _plan(name), CATALOGUE)


def test_killed_at_a_hundred_random_moments_of_creation(pool: Pool, postgres_url: str) -> None:
    """No world without a clock, none with some of its slices; a second try then succeeds, whatever the first did."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.small_worlds", "worldtick.control.creation"])
    pauses_s = np.random.Generator(np.random.Philox(57)).uniform(0.0, 0.03, 100)
    killed = 0
    for number, pause_s in enumerate(pauses_s):
        started = context.Event()
        child = context.Process(target=_create_until_killed, args=(postgres_url, f"w{number}", started))
        child.start()
        assert started.wait(30)
        child.join(float(pause_s))
        if child.is_alive() and child.pid is not None:
            child.kill()  # does nothing to one that has just ended
            killed += 1
        child.join(30)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        busy = "select count(*) from pg_stat_activity where application_name = 'test-killed'"
        until(lambda: admin.execute(busy).fetchone() == (0,))  # backends of killed processes end a moment later
        whole = "select count(*), (select count(*) from clock), (select count(*) from slice) from world"
        worlds, clocks, slices = admin.execute(whole).fetchone() or (0, 0, 0)
        assert (clocks, slices) == (worlds, 51 * worlds)
        assert killed > 10
        for number in range(100):
            create_world(pool, _plan(f"w{number}"), CATALOGUE)
        assert admin.execute(whole).fetchone() == (100, 100, 5_100)
