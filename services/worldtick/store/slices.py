"""Slices as a worker reads them: rows with their worlds, and the ticks of their stream.
Lives here: loading. Not here: what a commit writes (ledger), lists for people (worlds)."""

from collections.abc import Sequence
from typing import Any

from worldtick.contracts.sealed import KIND_NUMBER
from worldtick.store.db import Connection

_ROWS = """
select s.slice_key, s.world_key, w.world_id, s.slice_no, w.seed, w.scenario, s.genesis_version, s.version, s.digest,
       s.step_version, s.status, s.dead_in_row, s.carried, s.snapshot_version, s.snapshot, s.reader_key,
       s.origin_partition, s.origin_offset
  from world w join slice s using (world_key)
"""
_WHOLE_WORLDS = _ROWS + " where w.world_id = any(%s) and s.service = %s order by w.world_id, s.slice_no"
_SINGLE_SLICES = (
    _ROWS
    + " join unnest(%s::text[], %s::int[]) as n (world_id, slice_no) on n.world_id = w.world_id"
    + " and n.slice_no = s.slice_no where s.service = %s order by w.world_id, s.slice_no"
)

DIVERGED = 2  # slice.status

_TICKS_OF_ALL = """
select r.world_key, t.seq, t.body from unnest(%b::int[], %b::bigint[], %b::bigint[]) as r (world_key, first, last)
 cross join lateral (select seq, body from tick
                      where world_key = r.world_key and seq between r.first and r.last order by seq) t
"""
_TICKS_OF_KIND = """
select r.world_key, t.kind_seq, t.body from unnest(%b::int[], %b::bigint[], %b::bigint[]) as r (world_key, first, last)
 cross join lateral (select kind_seq, body from tick where world_key = r.world_key and kind = {kind}
                        and kind_seq between r.first and r.last order by kind_seq) t
"""


def load_slices(conn: Connection, service: str, worlds: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows of this service's slices in these worlds, by world and slice; runtime/effects.SliceRow in column order."""
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(_WHOLE_WORLDS, (list(worlds), service)).fetchall()


def load_single_slices(conn: Connection, service: str, slices: Sequence[tuple[str, int]]) -> list[tuple[Any, ...]]:
    """Rows of these slices (world, number) of this service, as load_slices."""
    with conn.cursor(binary=True) as cursor:
        about = ([world for world, _ in slices], [number for _, number in slices], service)
        return cursor.execute(_SINGLE_SLICES, about).fetchall()


def count_slices(conn: Connection, service: str, worlds: Sequence[str]) -> dict[str, int]:
    """How many slices of this service each of these worlds has; worlds without any are not in it."""
    rows = conn.execute(
        "select w.world_id, count(*) from world w join slice s using (world_key)"
        " where w.world_id = any(%s) and s.service = %s group by w.world_id",
        (list(worlds), service),
    ).fetchall()
    return dict(rows)


def load_ticks(conn: Connection, stream: str, ranges: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, bytes]]:
    """(world key, place in the stream, body) for ranges of (world key, first, last), in order."""
    query = _TICKS_OF_ALL if stream == "all" else _TICKS_OF_KIND.format(kind=KIND_NUMBER[stream])
    keys, firsts, lasts = (list(column) for column in zip(*ranges, strict=True))
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(query.encode(), (keys, firsts, lasts)).fetchall()


def load_outcomes(conn: Connection, ranges: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int, bytes]]:
    """(slice key, version, outcome, digest) of the ledger for ranges of (slice key, first, last)."""
    keys, firsts, lasts = (list(column) for column in zip(*ranges, strict=True))
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(
            "select l.slice_key, l.version, l.outcome, l.digest"
            " from unnest(%b::int[], %b::bigint[], %b::bigint[]) as r (slice_key, first, last)"
            " join ledger l on l.slice_key = r.slice_key and l.version between r.first and r.last"
            " order by l.slice_key, l.version",
            (keys, firsts, lasts),
        ).fetchall()


def set_diverged(conn: Connection, slice_key: int, reason: str) -> None:
    """Stop a slice whose recovery gave other bytes than its ledger has."""
    conn.execute(
        "update slice set status = %s, reason = %s where slice_key = %s and status <> %s",
        (DIVERGED, reason, slice_key, DIVERGED),
    )
