"""Worlds come whole or not at all, and the same request again changes nothing.
Lives here: creation and archiving on a real database. Not here: ticking them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.small_worlds import CATALOGUE, T0, Section, make_world
from worldtick.contracts.errors import Faulty, Refused
from worldtick.control.creation import Plan, archive_world, create_world
from worldtick.store.db import Pool, transaction
from worldtick.store.errors import DatabaseAway
from worldtick.store.worlds import count_worlds, find_world, list_worlds, slice_positions

pytestmark = pytest.mark.postgres


def _plan(**more: Any) -> Plan:
    sections = {"count": Section(slices=3), "market": Section()}
    return Plan(**{"world_id": "w", "scenario": '{"a":1}', "sections": sections, "first_us": T0, **more})


def test_a_world_is_whole(pool: Pool) -> None:
    settings = {"market": {"closed": True}}
    assert create_world(pool, _plan(budgets={"market": {"orders": 7}}, settings=settings), CATALOGUE)
    with transaction(pool) as conn:
        world = find_world(conn, "w")
        assert world is not None
        assert (world.services, world.budgets) == (["count", "market"], {"market": {"orders": 7}})
        assert world.settings == settings
        slices = slice_positions(conn, world.world_key)
        assert [row[:5] for row in slices] == [
            ("count", 0, "all", 0, 0),
            ("count", 1, "all", 0, 0),
            ("count", 2, "all", 0, 0),
            ("market", 0, "hourly", 0, 0),
        ]


def test_the_same_again_is_the_same_and_other_content_is_refused(pool: Pool) -> None:
    assert create_world(pool, _plan(), CATALOGUE)
    assert not create_world(pool, _plan(first_us=T0 + 10**12), CATALOGUE)
    for other, name in (
        ({"seed": 2}, "seed"),
        ({"scenario": "{}"}, "scenario"),
        ({"facts": "lag"}, "facts"),
        ({"sections": {"count": Section()}}, "services"),
        ({"settings": {"market": {"closed": True}}}, "settings"),
    ):
        with pytest.raises(Refused, match=name):
            create_world(pool, _plan(**other), CATALOGUE)
    with transaction(pool) as conn:
        assert count_worlds(conn, None) == 1


def test_racing_creations_make_one_world(pool: Pool) -> None:
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _: create_world(pool, _plan(), CATALOGUE), range(6)))
    assert sorted(made) == [False] * 5 + [True]
    with transaction(pool) as conn:
        assert conn.execute("select count(*) from slice").fetchone() == (4,)


def test_all_faults_are_named_at_once(pool: Pool) -> None:
    with pytest.raises(Faulty) as caught:
        create_world(
            pool,
            _plan(
                sections={"nobody": Section()},
                hourly=False,
                daily=False,
                budgets={"market": {"wishes": 1}},
                settings={"market": {"opens_hour": 24, "closed": "no", "open": True}, "count": {"x": 1}},
            ),
            CATALOGUE,
        )
    assert len(caught.value.faults) == 7
    assert sum("market." in fault for fault in caught.value.faults) == 4


@pytest.mark.parametrize("table", ["world", "clock", "slice"])
def test_killed_at_any_statement_it_leaves_nothing(pool: Pool, postgres_url: str, table: str) -> None:
    """A trigger ends the backend in the middle of creation; a second try then succeeds."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "create function die() returns trigger language plpgsql as"
            " 'begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return new; end'"
        )
        admin.execute(f"create trigger die after insert on {table} for each row execute function die()")
        with pytest.raises(DatabaseAway):
            create_world(pool, _plan(), CATALOGUE)
        left = admin.execute(
            "select (select count(*) from world), (select count(*) from clock), (select count(*) from slice)"
        )
        assert left.fetchone() == (0, 0, 0)
        admin.execute("drop function die() cascade")
    assert create_world(pool, _plan(), CATALOGUE)


def test_archiving_ends_a_world_once(pool: Pool) -> None:
    make_world(pool, "w")
    assert archive_world(pool, "w")
    assert not archive_world(pool, "w")
    with pytest.raises(Refused, match="no world"):
        archive_world(pool, "x")
    with pytest.raises(Refused):
        make_world(pool, "w")


def test_lists_come_in_pages(pool: Pool) -> None:
    for number in range(5):
        make_world(pool, f"w{number}")
    archive_world(pool, "w3")
    with transaction(pool) as conn:
        assert [world.world_id for world in list_worlds(conn, None, "w1", 2)] == ["w2", "w3"]
        assert [world.world_id for world in list_worlds(conn, "active", "w1", 9)] == ["w2", "w4"]
