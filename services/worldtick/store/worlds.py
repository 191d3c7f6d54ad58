"""Worlds: what they are made of, and the empty slices that workers will build.
Lives here: rows of `world`, and the first rows of `slice`. Not here: their clocks (clocks) or what slices become."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from worldtick.store.db import Connection

LIST_MAX = 1_000

_COLUMNS = "world_key, world_id, owner, status, seed, scenario, services, budgets, settings, created_at, version"


@dataclass(frozen=True, slots=True)
class NewWorld:
    """What a world is created from."""

    world_id: str
    owner: str
    seed: int
    scenario: str  # canonical JSON
    services: tuple[str, ...]
    budgets: Mapping[str, Mapping[str, int]]
    settings: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class World:
    """A row of `world`."""

    world_key: int
    world_id: str
    owner: str
    status: str
    seed: int
    scenario: str
    services: list[str]
    budgets: dict[str, dict[str, int]]
    settings: dict[str, dict[str, Any]]
    created_at: datetime
    version: int


def insert_world(conn: Connection, new: NewWorld) -> int | None:
    """The new world's key, or None if the id is taken. A racing creation of the same id is waited for."""
    row = conn.execute(
        "insert into world (world_id, owner, seed, scenario, services, budgets, settings)"
        " values (%s, %s, %s, %s, %s, %s, %s)"
        " on conflict (world_id) do nothing returning world_key",
        (
            new.world_id,
            new.owner,
            new.seed,
            new.scenario,
            list(new.services),
            Jsonb(_plain(new.budgets)),
            Jsonb(_plain(new.settings)),
        ),
    ).fetchone()
    return row[0] if row else None


def insert_slices(conn: Connection, world_key: int, slices: Iterable[tuple[str, int, str]]) -> None:
    """Empty rows, one for each (service, slice number, stream): workers build the state with their first tick."""
    rows = list(slices)
    conn.execute(
        "insert into slice (world_key, service, slice_no, stream)"
        " select %s, s.service, s.slice_no, s.stream from unnest(%s::text[], %s::int[], %s::text[])"
        " as s (service, slice_no, stream)",
        (world_key, [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]),
    )


def find_world(conn: Connection, world_id: str) -> World | None:
    """One world by its id."""
    row = conn.execute(f"select {_COLUMNS} from world where world_id = %s", (world_id,)).fetchone()  # noqa: S608
    return World(*row) if row else None


def find_worlds(conn: Connection, world_ids: Sequence[str]) -> dict[str, World]:
    """Those of these worlds that there are."""
    rows = conn.execute(f"select {_COLUMNS} from world where world_id = any(%s)", (list(world_ids),))  # noqa: S608
    return {world.world_id: world for world in (World(*row) for row in rows)}


def list_worlds(conn: Connection, status: str | None, after: str, limit: int) -> list[World]:
    """Worlds in order of their ids, those after `after`; at most `limit` (LIST_MAX)."""
    rows = conn.execute(
        f"select {_COLUMNS} from world where (%s::text is null or status = %s) and world_id > %s"  # noqa: S608
        " order by world_id limit %s",
        (status, status, after, min(limit, LIST_MAX)),
    ).fetchall()
    return [World(*row) for row in rows]


def count_worlds(conn: Connection, status: str | None) -> int:
    """How many worlds there are."""
    row = conn.execute("select count(*) from world where %s::text is null or status = %s", (status, status)).fetchone()
    return int(row[0]) if row else 0


def keys_of(conn: Connection, world_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """world id -> (key, status) of those that exist."""
    rows = conn.execute(
        "select world_id, world_key, status from world where world_id = any(%s)", (list(world_ids),)
    ).fetchall()
    return {world_id: (world_key, status) for world_id, world_key, status in rows}


def active_ids(conn: Connection, limit: int) -> list[str]:
    """Ids of the first `limit` active worlds."""
    rows = conn.execute(
        "select world_id from world where status = 'active' order by world_key limit %s", (limit,)
    ).fetchall()
    return [row[0] for row in rows]


def set_archived(conn: Connection, world_key: int) -> bool:
    """Archive a world whose clock the caller has locked; False if it was so already."""
    return (
        conn.execute(
            "update world set status = 'archived', version = version + 1 where world_key = %s and status = 'active'",
            (world_key,),
        ).rowcount
        == 1
    )


def save_configuration(
    conn: Connection,
    world_key: int,
    budgets: Mapping[str, Mapping[str, int]],
    settings: Mapping[str, Mapping[str, Any]],
) -> None:
    """What a world grants and sets from its next tick on; its clock is locked by the caller."""
    conn.execute(
        "update world set budgets = %s, settings = %s, version = version + 1 where world_key = %s",
        (Jsonb(_plain(budgets)), Jsonb(_plain(settings)), world_key),
    )


def slice_positions(conn: Connection, world_key: int) -> list[tuple[str, int, str, int, int, int, bytes | None]]:
    """(service, slice, stream, genesis version, version, status, digest) of a world's slices."""
    return conn.execute(
        "select service, slice_no, stream, genesis_version, version, status, digest from slice"
        " where world_key = %s order by service, slice_no",
        (world_key,),
    ).fetchall()


def _plain(by_service: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {service: dict(sorted(named.items())) for service, named in sorted(by_service.items())}
