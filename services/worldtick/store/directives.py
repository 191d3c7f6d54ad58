"""Directives that wait for a tick.
Lives here: queueing them, and taking them. Not here: which of them fit (sealing), or effects' rows (ledger)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from worldtick.store.db import Connection

LIST_MAX = 1_000


class Waiting(NamedTuple):
    """A row of `directive`."""

    world_key: int
    directive_id: int
    service: str
    name: str
    args: dict[str, Any]
    source: str
    made_seq: int | None
    made_order: int


def queue_directive(conn: Connection, world_key: int, service: str, name: str, args: Mapping[str, Any]) -> int:
    """Queue what an admin asks; its id."""
    row = conn.execute(
        "insert into directive (world_key, service, name, args, source) values (%s, %s, %s, %s, 'admin')"
        " returning directive_id",
        (world_key, service, name, Jsonb(dict(args))),
    ).fetchone()
    if row is None:
        raise LookupError("insert .. returning gave no row")
    return int(row[0])


def waiting_directives(
    conn: Connection, keys: Sequence[int], services: Sequence[Sequence[str]], bounds: Sequence[int | None], limit: int
) -> list[Waiting]:
    """For each world the oldest `limit` of admins and the oldest `limit` effects that its services may take.

    bounds: an effect enters only if made at or before this seq (None: any).
    """
    rows = conn.execute(
        """
        select d.*
          from unnest(%(keys)s::int[], %(services)s::text[], %(bounds)s::bigint[]) as b (world_key, services, bound)
         cross join lateral (
            (select world_key, directive_id, service, name, args, source, made_seq, made_order from directive
              where world_key = b.world_key and made_seq is null and service = any(string_to_array(b.services, ','))
              order by directive_id limit %(limit)s)
            union all
            (select world_key, directive_id, service, name, args, source, made_seq, made_order from directive
              where world_key = b.world_key and made_seq is not null and (b.bound is null or made_seq <= b.bound)
                and service = any(string_to_array(b.services, ','))
              order by made_seq, made_order, directive_id limit %(limit)s)) d
        """,
        {
            "keys": list(keys),
            "services": [",".join(names) for names in services],
            "bounds": list(bounds),
            "limit": limit,
        },
    ).fetchall()
    return [Waiting(*row) for row in rows]


def take_directives(conn: Connection, ids: Sequence[int]) -> None:
    """Remove those that a tick of this transaction carries."""
    conn.execute("delete from directive where directive_id = any(%s)", (list(ids),))


def list_directives(
    conn: Connection, world_key: int, after: int, limit: int
) -> list[tuple[int, str, str, dict[str, Any], str, int | None, datetime]]:
    """(id, service, name, args, source, made by tick, queued at) of what waits, by id; at most LIST_MAX."""
    return conn.execute(
        "select directive_id, service, name, args, source, made_seq, queued_at from directive"
        " where world_key = %s and directive_id > %s order by directive_id limit %s",
        (world_key, after, min(limit, LIST_MAX)),
    ).fetchall()


def count_directives(conn: Connection, world_key: int) -> int:
    """How many wait."""
    row = conn.execute("select count(*) from directive where world_key = %s", (world_key,)).fetchone()
    return int(row[0]) if row else 0
