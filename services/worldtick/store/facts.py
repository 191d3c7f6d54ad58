"""Facts: small published results that later ticks carry.
Lives here: which facts a tick may take. Not here: how a step's facts are written (ledger's commit)."""

from collections.abc import Sequence

from worldtick.store.db import Connection


def newest_facts(
    conn: Connection, keys: Sequence[int], bounds: Sequence[int | None]
) -> list[tuple[int, str, int, int, bytes]]:
    """(world key, service, slice, seq, body) of each slice's newest facts up to its world's bound (None: any)."""
    return conn.execute(
        "select f.world_key, f.service, f.slice_no, f.seq, f.body"
        " from unnest(%s::int[], %s::bigint[]) as b (world_key, bound)"
        " cross join lateral (select distinct on (service, slice_no) * from fact"
        " where world_key = b.world_key and (b.bound is null or seq <= b.bound)"
        " order by service, slice_no, seq desc) f order by f.world_key, f.service, f.slice_no",
        (list(keys), list(bounds)),
    ).fetchall()


def facts_of_service(conn: Connection, keys: Sequence[int], service: str) -> list[tuple[int, bytes]]:
    """(world key, body) of the newest facts of each slice that one service has in these worlds."""
    return conn.execute(
        "select distinct on (world_key, slice_no) world_key, body from fact"
        " where world_key = any(%s) and service = %s order by world_key, slice_no, seq desc",
        (list(keys), service),
    ).fetchall()
