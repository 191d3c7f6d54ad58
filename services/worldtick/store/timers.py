"""Timers as others than the agenda see them: what it says is next, what waits for it, what became of some.
Lives here: rows that planning reads, and `timer_fate`. Not here: pending timers, which are the agenda's own state."""

from collections.abc import Sequence
from typing import NamedTuple

from worldtick.store.db import Connection

LIST_MAX = 1_000


class AgendaRow(NamedTuple):
    """An agenda as planning sees it."""

    world_key: int
    version: int  # the tick that it has finished
    facts: bytes | None  # what it said last; None: it never said anything
    waits: bool  # whether a directive waits for any service of the world


def agendas_of(conn: Connection, keys: Sequence[int], service: str) -> list[AgendaRow]:
    """The agendas of these worlds; none of a world that has no such service."""
    rows = conn.execute(
        """
        select s.world_key, s.version, f.body, exists (select from directive d where d.world_key = s.world_key)
          from slice s
          left join lateral (select body from fact where world_key = s.world_key and service = s.service
                                and slice_no = 0 order by seq desc limit 1) f on true
         where s.world_key = any(%s) and s.service = %s and s.slice_no = 0
        """,
        (list(keys), service),
    ).fetchall()
    return [AgendaRow(*row) for row in rows]


def bodies_after(conn: Connection, after: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
    """(world key, body) of all ticks beyond each (world key, seq)."""
    return conn.execute(
        "select t.world_key, t.body from unnest(%s::int[], %s::bigint[]) as n (world_key, seq)"
        " join tick t on t.world_key = n.world_key and t.seq > n.seq",
        ([key for key, _ in after], [seq for _, seq in after]),
    ).fetchall()


class FateRow(NamedTuple):
    """What became of a timer once."""

    seq: int
    ordinal: int
    timer: str
    fate: str
    at_us: int | None  # world time
    times: int
    reason: str | None


def list_fates(conn: Connection, world_key: int, limit: int, before: int | None = None) -> list[FateRow]:
    """The newest of a world, newest first; of ticks before seq `before`. At most LIST_MAX."""
    rows = conn.execute(
        "select seq, ordinal, timer, fate, at_us, times, reason from timer_fate"
        " where world_key = %s and (%s::bigint is null or seq < %s) order by seq desc, ordinal desc limit %s",
        (world_key, before, before, min(limit, LIST_MAX)),
    ).fetchall()
    return [FateRow(*row) for row in rows]


def count_fates(conn: Connection, world_key: int, first: int, last: int) -> dict[str, int]:
    """fate -> how often it befell a timer in the world's ticks with seq in [first, last].

    `fired` and `skipped`, which a reply counts as events executed and passed by a jump, are there at 0 too.
    """
    rows = conn.execute(
        "select fate, sum(times)::bigint from timer_fate where world_key = %s and seq between %s and %s group by fate",
        (world_key, first, last),
    ).fetchall()
    return {"fired": 0, "skipped": 0} | dict(rows)
