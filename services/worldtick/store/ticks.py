"""The tick log: what was sealed, in order.
Lives here: rows of `tick`, and how far of them is on Kafka. Not here: how a tick is decided (sealing)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from worldtick.contracts.sealed import KIND_NUMBER, SealedTick, encode_sealed
from worldtick.store.db import Connection

LIST_MAX = 1_000
_PUBLISHING_LOCK = 0x72696E67  # any fixed number: "ring"


class TickRow(NamedTuple):
    """A tick as people look at it."""

    seq: int
    kind: int
    kind_seq: int
    slot_us: int
    tick_id: UUID
    triggered_by: str
    sealed_at: datetime
    body: bytes


def copy_ticks(conn: Connection, ticks: Sequence[tuple[int, SealedTick]]) -> None:
    """Add sealed ticks: (world key, tick), by COPY. UniqueViolation if a seq, slot or id is there."""
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "copy tick (world_key, seq, kind, kind_seq, slot_us, tick_id, triggered_by, body)"
            " from stdin (format binary)"
        ) as copy,
    ):
        copy.set_types(("int4", "int8", "int2", "int8", "int8", "uuid", "text", "bytea"))
        for world_key, tick in ticks:
            kind = KIND_NUMBER[tick.kind]
            name = UUID(tick.tick_id)
            copy.write_row(
                (world_key, tick.seq, kind, tick.kind_seq, tick.to_us, name, tick.triggered_by, encode_sealed(tick))
            )


def unpublished(conn: Connection, keys: Sequence[int] | None, limit: int) -> list[tuple[int, int, bytes]]:
    """(world key, seq, body) of ticks that are not known to be on Kafka, in order; of these worlds or of all."""
    return conn.execute(
        "select t.world_key, t.seq, t.body from clock c join tick t on t.world_key = c.world_key"
        " and t.seq > c.published_seq and t.seq <= c.seq where c.published_seq < c.seq"
        " and (%s::int[] is null or c.world_key = any(%s)) order by t.world_key, t.seq limit %s",
        (keys if keys is None else list(keys), keys if keys is None else list(keys), limit),
    ).fetchall()


def raise_published(conn: Connection, reached: Sequence[tuple[int, int]]) -> None:
    """Note that the ticks of each (world key, seq) and all before are on Kafka."""
    conn.execute(
        "update clock c set published_seq = greatest(c.published_seq, n.seq), rung_at = clock_timestamp()"
        " from unnest(%s::int[], %s::bigint[]) as n (world_key, seq) where c.world_key = n.world_key",
        ([key for key, _ in reached], [seq for _, seq in reached]),
    )


def try_publishing_lock(conn: Connection) -> bool:
    """Whether this transaction is the only one that publishes now; it only spares duplicates."""
    row = conn.execute("select pg_try_advisory_xact_lock(%s)", (_PUBLISHING_LOCK,)).fetchone()
    return bool(row and row[0])


def overdue_rings(conn: Connection, older_s: int, limit: int) -> list[tuple[int, str, int, bytes]]:
    """(world key, stream, seq, body) of the newest tick of each stream in which a slice lags, where the last ring
    is older than `older_s`; of at most `limit` worlds, longest silent first."""
    return conn.execute(
        """
        with silent as (
            select c.world_key, c.seq, c.hourly_seq, c.daily_seq from clock c join world w using (world_key)
             where w.status = 'active' and c.seq > 0 and c.published_seq = c.seq
               and (c.rung_at is null or c.rung_at < clock_timestamp() - make_interval(secs => %s))
               and exists (select 1 from slice s where s.world_key = c.world_key and s.version <
                   case s.stream when 'all' then c.seq when 'hourly' then c.hourly_seq else c.daily_seq end)
             order by c.rung_at nulls first, c.world_key limit %s)
        select q.world_key, q.stream, t.seq, t.body
          from (select distinct v.world_key, s.stream,
                       case s.stream when 'all' then v.seq when 'hourly' then v.hourly_seq else v.daily_seq end as place
                  from silent v join slice s using (world_key)
                 where s.version <
                       case s.stream when 'all' then v.seq when 'hourly' then v.hourly_seq else v.daily_seq end) q
          join tick t on t.world_key = q.world_key
           and case q.stream when 'all' then t.seq = q.place when 'hourly' then t.kind = 2 and t.kind_seq = q.place
               else t.kind = 3 and t.kind_seq = q.place end
         order by q.world_key, q.stream
        """,
        (older_s, limit),
    ).fetchall()


def newest_of_streams(conn: Connection, world_key: int) -> list[tuple[str, bytes]]:
    """(stream, body of its newest tick) for the streams that the world's services take; none of those without ticks."""
    return conn.execute(
        "select s.stream, t.body from (select distinct stream from slice where world_key = %s) s"
        " join clock c on c.world_key = %s join tick t on t.world_key = c.world_key"
        " and case s.stream when 'all' then t.seq = c.seq when 'hourly' then t.kind = 2 and t.kind_seq = c.hourly_seq"
        " else t.kind = 3 and t.kind_seq = c.daily_seq end order by s.stream",
        (world_key, world_key),
    ).fetchall()


def list_ticks(conn: Connection, world_key: int, before: int | None, limit: int) -> list[TickRow]:
    """The newest ticks of a world, newest first; those before seq `before`. At most LIST_MAX."""
    rows = conn.execute(
        "select seq, kind, kind_seq, slot_us, tick_id, triggered_by, sealed_at, body from tick"
        " where world_key = %s and (%s::bigint is null or seq < %s) order by seq desc limit %s",
        (world_key, before, before, min(limit, LIST_MAX)),
    ).fetchall()
    return [TickRow(*row) for row in rows]


def find_tick(conn: Connection, world_key: int, tick_id: UUID) -> int | None:
    """The seq of a tick of this world by its derived id."""
    row = conn.execute("select seq from tick where world_key = %s and tick_id = %s", (world_key, tick_id)).fetchone()
    return row[0] if row else None


def find_slot(conn: Connection, world_key: int, kind: int, slot_us: int) -> int | None:
    """The seq of the tick of one kind at a slot."""
    row = conn.execute(
        "select seq from tick where world_key = %s and kind = %s and slot_us = %s", (world_key, kind, slot_us)
    ).fetchone()
    return row[0] if row else None


def read_bodies(conn: Connection, world_key: int, first: int, last: int) -> list[bytes]:
    """The bodies of a world's ticks with seq in [first, last], in order."""
    rows = conn.execute(
        "select body from tick where world_key = %s and seq between %s and %s order by seq", (world_key, first, last)
    ).fetchall()
    return [row[0] for row in rows]
