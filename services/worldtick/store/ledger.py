"""The ledger: which step was done, under which record, and the bytes it said; with all that its commit writes.
Lives here: a batch's one SQL transaction, reading outputs back. Not here: when that is done (runtime)."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from worldtick.store.db import Connection

_COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
# A binary row by hand: 13 fields, each with its length before it; the digest has 16 bytes, the outputs' length is last.
_ROW = struct.Struct(">h ii ii iq ii iq ih ii ii ii iq iq i16s i")
_COLUMNS = (
    "reader_key, origin_partition, origin_offset, slice_key, version, outcome, worker_key, step_version, step_us,"
    " used, carried, digest, outputs"
)
_COPY_LEDGER = f"copy ledger ({_COLUMNS}) from stdin (format binary)"

# The claims are locked before the first slice is touched, and the count over them decides whether any is.
_RAISES = """
with held as materialized (
    select 1 from claim where reader_key = %b::int and partition = any(%b::int[]) and worker_key = %b::int
     order by partition for share),
raised as (
    update slice s set version = n.version, digest = n.digest, step_version = n.step_version, status = n.status,
           dead_in_row = n.dead_in_row, carried = n.carried, reason = n.reason,
           reader_key = case when n.origin_offset is null then s.reader_key else %b::int end,
           origin_partition = coalesce(n.origin_partition, s.origin_partition),
           origin_offset = coalesce(n.origin_offset, s.origin_offset),
           snapshot_version = case when n.snapshot is null then s.snapshot_version else n.version end,
           snapshot = coalesce(n.snapshot, s.snapshot)
      from unnest(%b::int[], %b::bigint[], %b::bigint[], %b::bytea[], %b::int[], %b::smallint[], %b::int[],
                  %b::bigint[], %b::text[], %b::int[], %b::bigint[], %b::bytea[])
           as n (slice_key, from_version, version, digest, step_version, status, dead_in_row, carried, reason,
                 origin_partition, origin_offset, snapshot)
     where s.slice_key = n.slice_key and s.version = n.from_version and s.status <> 2
       and (select count(*) from held) = %b::int
    returning 1)
select count(*), pg_notify('worldtick_slices', '') from raised
"""
_KEPT = """
insert into snapshot (slice_key, version, step_version, digest, body)
select slice_key, snapshot_version, step_version, digest, snapshot from slice
 where slice_key = any(%b::int[]) and snapshot is not null on conflict do nothing
"""
_LONE = """
with held as materialized (
    select 1 from claim where reader_key = %b::int and partition = %b::int and worker_key = %b::int for share),
raised as (
    update slice s set version = %b::bigint, digest = %b::bytea, step_version = %b::int, status = %b::smallint,
           dead_in_row = %b::int, carried = %b::bigint, reason = %b::text,
           reader_key = %b::int, origin_partition = %b::int, origin_offset = %b::bigint,
           snapshot_version = case when %b::bytea is null then s.snapshot_version else %b::bigint end,
           snapshot = coalesce(%b::bytea, s.snapshot)
     where s.slice_key = %b::int and s.version = %b::bigint and s.status <> 2 and exists (select from held)
    returning 1)
insert into ledger (reader_key, origin_partition, origin_offset, slice_key, version, outcome, worker_key, step_version,
                    step_us, used, carried, digest, outputs)
select %b::int, %b::int, %b::bigint, %b::int, %b::bigint, %b::smallint, %b::int, %b::int, %b::int, %b::bigint,
       %b::bigint, %b::bytea, %b::bytea
  from raised returning pg_notify('worldtick_slices', '')
"""


def raise_slices(
    conn: Connection, reader_key: int, worker_key: int, partitions: Sequence[int], raises: Sequence[tuple[Any, ...]]
) -> bool:
    """Move slices from the versions they were stepped from (runtime/effects.Raise), while all claims are the worker's.

    The claims stay so until this transaction ends. False if one is another's, or a slice stands elsewhere: roll back.
    """
    columns = [list(column) for column in zip(*raises, strict=True)]
    claims = (reader_key, list(partitions), worker_key)
    row = conn.execute(_RAISES, (*claims, reader_key, *columns, len(partitions))).fetchone()
    return bool(row and row[0] == len(raises))


def keep_snapshots(conn: Connection, slice_keys: Sequence[int]) -> None:
    """Keep the snapshots that these slices have now beside the newer ones to come."""
    conn.execute(_KEPT, (list(slice_keys),))


def copy_ledger(conn: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add ledger rows (runtime/effects.LedgerRow) by binary COPY. UniqueViolation if a step is there already."""
    pack = _ROW.pack
    parts = [_COPY_BEGIN]
    for r in rows:
        parts.append(
            pack(
                13, 4, r[0], 4, r[1], 8, r[2], 4, r[3], 8, r[4], 2, r[5], 4, r[6], 4, r[7], 4, r[8], 8, r[9], 8, r[10],
                16, r[11], len(r[12]),
            )
        )  # fmt: skip
        parts.append(r[12])
    parts.append(_COPY_END)
    with conn.cursor() as cursor, cursor.copy(_COPY_LEDGER) as copy:
        copy.write(b"".join(parts))


def commit_lone(conn: Connection, raised: tuple[Any, ...], row: tuple[Any, ...]) -> bool:
    """One slice's one step in one statement, under its claim and version guard; False if either does not hold."""
    slice_key, from_version, version, digest, step_version, status, dead_in_row, carried, reason, _, _, snapshot = (
        raised
    )
    reader_key, partition, offset, worker_key = row[0], row[1], row[2], row[6]
    parameters = (reader_key, partition, worker_key, version, digest, step_version, status, dead_in_row, carried)
    parameters += (reason, reader_key, partition, offset, snapshot, version, snapshot, slice_key, from_version, *row)
    return conn.execute(_LONE, parameters).rowcount == 1


def copy_facts(conn: Connection, rows: Iterable[tuple[int, str, int, int, bytes]]) -> None:
    """Add facts: (world key, service, slice, seq, body)."""
    _copy(conn, "fact", ("world_key", "service", "slice_no", "seq", "body"), _FACT_TYPES, rows)


_FACT_TYPES = ("int4", "text", "int4", "int8", "bytea")


def insert_effects(conn: Connection, rows: Sequence[tuple[int, str, str, str, str, int, int]]) -> int:
    """Queue effects as directives: (world key, service, name, args as JSON, source, made seq, made order); how many.

    One on a service that its world does not have would wait for ever: it is left out.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    return conn.execute(
        "insert into directive (world_key, service, name, args, source, made_seq, made_order)"
        " select n.world_key, n.service, n.name, n.args::jsonb, n.source, n.made_seq, n.made_order from unnest("
        "%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])"
        " as n (world_key, service, name, args, source, made_seq, made_order)"
        " where exists (select from slice s where s.world_key = n.world_key and s.service = n.service)",
        columns,
    ).rowcount


def copy_projection(
    conn: Connection, table: str, columns: Sequence[str], types: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Add rows to a service's table for SQL readers; world_key and seq stand before its own columns."""
    _copy(conn, table, ("world_key", "seq", *columns), ("int4", "int8", *types), rows)


def _copy(
    conn: Connection, table: str, columns: Sequence[str], types: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    query = f"copy {table} ({', '.join(columns)}) from stdin (format binary)"
    with conn.cursor() as cursor, cursor.copy(query.encode()) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def load_outputs(
    conn: Connection, reader_key: int, ranges: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, bytes]]:
    """(origin partition, origin offset, outputs) of rows whose origin lies in a range (partition, from, to).

    In order of the place in the stream, so that each world's come in the order of its ticks.
    """
    partitions, firsts, ends = (list(column) for column in zip(*ranges, strict=True))
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(
            "select l.origin_partition, l.origin_offset, l.outputs"
            " from unnest(%b::int[], %b::bigint[], %b::bigint[]) as r (partition, first, until)"
            " cross join lateral (select origin_partition, origin_offset, version, slice_key, outputs from ledger"
            " where reader_key = %b::int and origin_partition = r.partition and origin_offset >= r.first"
            " and origin_offset < r.until) l order by l.version, l.slice_key",
            (partitions, firsts, ends, reader_key),
        ).fetchall()


def last_origins(conn: Connection, reader_key: int, partitions: Sequence[int]) -> dict[int, int]:
    """partition -> the highest offset under which a row was written; partitions without rows are absent."""
    rows = conn.execute(
        "select p.partition, l.origin_offset from unnest(%s::int[]) as p (partition)"
        " cross join lateral (select origin_offset from ledger where reader_key = %s and origin_partition = p.partition"
        " order by origin_offset desc limit 1) l",
        (list(partitions), reader_key),
    ).fetchall()
    return dict(rows)
