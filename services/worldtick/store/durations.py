"""Durations: how long the services took for a world's ticks.
Lives here: that sum over the ledger. Not here: single steps (standing)."""

from worldtick.store.db import Connection


def tick_durations(conn: Connection, world_key: int, first: int, last: int) -> list[tuple[int, int]]:
    """(seq, microseconds that all slices' steps took together) of ticks first..last that the ledger has, in order."""
    return conn.execute(
        """
        select t.seq, sum(l.step_us)::bigint from tick t
          join slice s on s.world_key = t.world_key
          join ledger l on l.slice_key = s.slice_key and l.version = case s.stream when 'all' then t.seq
               when 'hourly' then case when t.kind = 2 then t.kind_seq end
               else case when t.kind = 3 then t.kind_seq end end
         where t.world_key = %s and t.seq between %s and %s group by t.seq order by t.seq
        """,
        (world_key, first, last),
    ).fetchall()
