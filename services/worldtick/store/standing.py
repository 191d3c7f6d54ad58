"""Standing: where worlds, services, slices and workers are, as people and metrics look at it.
Lives here: reads over several tables for status, explain and lists. Not here: anything that a step or seal reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from worldtick.store.db import Connection, Pool, transaction

LIST_MAX = 1_000
ALIVE_S = 45  # workers say that they live every 10 s

_PLACE = "case s.stream when 'all' then c.seq when 'hourly' then c.hourly_seq else c.daily_seq end"


class WorldStanding(NamedTuple):
    """One world's clock."""

    world_key: int
    world: str
    status: str
    paused: bool
    driver: str
    epoch_s: int
    now_us: int
    seq: int
    published_seq: int
    sealed_at: datetime | None  # of its newest tick
    behind: int  # ticks of its streams that slices have not finished, the slowest of each service
    stopped: int  # slices parked or diverged
    services: list[str]


class ServiceStanding(NamedTuple):
    """One service over all worlds. Ticks are counted per slice: sealed = finished + in flight."""

    service: str
    worlds: int
    slices: int
    sealed: int
    finished: int
    parked: int
    diverged: int
    carried: int  # operations left for later ticks
    snapshot_bytes: int
    worlds_behind: int
    behind_us: int  # world time, from the slowest slice to its stream's newest tick


class SliceStanding(NamedTuple):
    """One slice."""

    slice_key: int
    world: str
    service: str
    slice_no: int
    stream: str
    version: int
    place: int  # of its stream's newest tick
    status: int
    dead_in_row: int
    carried: int
    snapshot_version: int | None
    snapshot_bytes: int
    reason: str | None


@contextmanager
def one_moment(pool: Pool) -> Iterator[Connection]:
    """A transaction whose reads all see the same moment, and that writes nothing."""
    with transaction(pool) as conn:
        conn.execute("set transaction isolation level repeatable read, read only")
        yield conn


def seqs_of(conn: Connection, worlds: Sequence[str]) -> dict[str, int]:
    """world -> seq of its newest tick; nothing for worlds that there are not."""
    rows = conn.execute(
        "select w.world_id, c.seq from world w join clock c using (world_key) where w.world_id = any(%s)",
        (list(worlds),),
    ).fetchall()
    return dict(rows)


def sealed_totals(conn: Connection) -> tuple[int, int, int, int, int]:
    """(worlds, active worlds, step, hourly, daily ticks) ever sealed: by the clocks, so pruning takes none away."""
    row = conn.execute(
        "select count(*), count(*) filter (where w.status = 'active'),"
        " coalesce(sum(c.seq - c.hourly_seq - c.daily_seq), 0)::bigint, coalesce(sum(c.hourly_seq), 0)::bigint,"
        " coalesce(sum(c.daily_seq), 0)::bigint from clock c join world w using (world_key)"
    ).fetchone()
    return row if row else (0, 0, 0, 0, 0)


def pace_totals(conn: Connection) -> tuple[int, int]:
    """(wall us that the slowest automatic world is behind what it has earned, wall us since the longest due paced
    world should have been looked at); of active worlds that are not paused, by the database's wall clock.

    Earned is counted here up to this moment: a world that no ticker drives lags too.
    """
    row = conn.execute(
        """
        with paced as (
            select c.*, (extract(epoch from clock_timestamp()) * 1000000)::bigint as wall_us
              from clock c join world w using (world_key) where w.status = 'active' and not c.paused)
        select max((pace_us - greatest(now_us, target_us)) * 1000000000.0 / scale_ppb
                   + greatest(0, wall_us - anchor_us) / interval_us * interval_us) filter (where driver = 'auto'),
               max(wall_us - due_us)
          from paced
        """
    ).fetchone()
    lag_us, overdue_us = row if row else (None, None)
    return max(0, int(lag_us or 0)), max(0, overdue_us or 0)


def list_standing(conn: Connection, after: str, limit: int, world: str | None = None) -> list[WorldStanding]:
    """Worlds in order of their ids, those after `after`, or one; at most LIST_MAX."""
    rows = conn.execute(
        f"""
        select w.world_key, w.world_id, w.status, c.paused, c.driver, c.epoch_s, c.now_us, c.seq, c.published_seq,
               (select sealed_at from tick t where t.world_key = w.world_key and t.seq = c.seq),
               coalesce(b.behind, 0)::bigint, coalesce(b.stopped, 0)::bigint, w.services
          from world w join clock c using (world_key)
          left join lateral (
              select sum(behind) as behind, sum(stopped) as stopped from (
                  select max(greatest(0, {_PLACE} - s.version)) as behind,
                         count(*) filter (where s.status <> 0) as stopped
                    from slice s where s.world_key = w.world_key group by s.service) per_service) b on true
         where w.world_id > %s and (%s::text is null or w.world_id = %s) order by w.world_id limit %s
        """,  # noqa: S608 - of a constant
        (after, world, world, min(limit, LIST_MAX)),
    ).fetchall()
    return [WorldStanding(*row) for row in rows]


def service_standing(conn: Connection) -> list[ServiceStanding]:
    """Every service that a world has."""
    rows = conn.execute(
        f"""
        with at as (
            select s.*, c.now_us, {_PLACE} as place from slice s join clock c using (world_key)),
        late as (
            select a.service, count(distinct a.world_key) as worlds,
                   max(a.now_us - coalesce(t.slot_us, k.slot_us, 0)) as us
              from at a
              left join tick t on a.stream = 'all' and t.world_key = a.world_key and t.seq = a.version
              left join tick k on a.stream <> 'all' and k.world_key = a.world_key
               and k.kind = case a.stream when 'hourly' then 2 else 3 end and k.kind_seq = a.version
             where a.version < a.place group by a.service)
        select a.service, count(distinct a.world_key), count(*), sum(a.place - a.genesis_version)::bigint,
               sum(a.version - a.genesis_version)::bigint, count(*) filter (where a.status = 1),
               count(*) filter (where a.status = 2), sum(a.carried)::bigint,
               coalesce(sum(octet_length(a.snapshot)), 0)::bigint,
               coalesce(max(l.worlds), 0)::bigint, coalesce(max(l.us), 0)::bigint
          from at a left join late l using (service) group by a.service order by a.service
        """  # noqa: S608 - of a constant
    ).fetchall()
    return [ServiceStanding(*row) for row in rows]


def uncounted(conn: Connection) -> dict[tuple[str, int], int]:
    """(service, outcome) -> ledger rows that the accounts have not counted yet (store/accounts.count_ledger)."""
    rows = conn.execute(
        """
        select s.service, l.outcome, count(*) from claim c
          left join position q on q.projection = 'ledger' and q.topic = c.reader_key::text and q.partition = c.partition
         cross join lateral (
              select slice_key, outcome from ledger where reader_key = c.reader_key and origin_partition = c.partition
                 and origin_offset >= coalesce(q."offset", 0)) l
          join slice s using (slice_key) group by 1, 2
        """
    ).fetchall()
    return {(service, outcome): count for service, outcome, count in rows}


def list_slices(
    conn: Connection, world: str | None, service: str | None, stopped: bool, limit: int
) -> list[SliceStanding]:
    """Slices of a world or of all, of a service or of all, those parked or diverged or all; at most LIST_MAX."""
    rows = conn.execute(
        f"""
        select s.slice_key, w.world_id, s.service, s.slice_no, s.stream, s.version, {_PLACE}, s.status, s.dead_in_row,
               s.carried, s.snapshot_version, coalesce(octet_length(s.snapshot), 0), s.reason
          from slice s join world w using (world_key) join clock c using (world_key)
         where (%s::text is null or w.world_id = %s) and (%s::text is null or s.service = %s)
           and (not %s or s.status <> 0) order by w.world_id, s.service, s.slice_no limit %s
        """,  # noqa: S608 - of a constant
        (world, world, service, service, stopped, min(limit, LIST_MAX)),
    ).fetchall()
    return [SliceStanding(*row) for row in rows]


def resume_slice(conn: Connection, slice_key: int) -> bool:
    """Let a stopped slice go on; its recovery is checked again by digest. False if it is not stopped."""
    return (
        conn.execute(
            "update slice set status = 0, dead_in_row = 0, reason = null where slice_key = %s and status <> 0",
            (slice_key,),
        ).rowcount
        == 1
    )


class Finish(NamedTuple):
    """How one slice finished one tick, and by whom."""

    seq: int
    service: str
    slice_no: int
    version: int
    outcome: int
    step_us: int
    used: int
    carried: int
    digest: bytes
    committed_at: datetime
    worker_key: int
    host: str | None
    pid: int | None
    grp: str | None
    topic: str | None
    partition: int
    offset: int
    published: bool  # for good; False while it is not noted yet
    published_at: datetime | None  # when that was noted, at the latest
    outputs: bytes


def finishes(conn: Connection, world_key: int, first: int, last: int) -> list[Finish]:
    """The ledger's rows of a world's ticks with seq in [first, last], in order."""
    rows = conn.execute(
        """
        select t.seq, s.service, s.slice_no, l.version, l.outcome, l.step_us, l.used, l.carried, l.digest,
               l.committed_at, l.worker_key, k.host, k.pid, r.grp, r.topic, l.origin_partition, l.origin_offset,
               coalesce(p.next_offset > l.origin_offset, false),
               case when p.next_offset > l.origin_offset then p.noted_at end, l.outputs
          from tick t
          join slice s on s.world_key = t.world_key
          join ledger l on l.slice_key = s.slice_key and l.version = case s.stream when 'all' then t.seq
               when 'hourly' then case when t.kind = 2 then t.kind_seq end
               else case when t.kind = 3 then t.kind_seq end end
          left join worker k on k.worker_key = l.worker_key
          left join reader r on r.reader_key = l.reader_key
          left join published p on p.reader_key = l.reader_key and p.partition = l.origin_partition
         where t.world_key = %s and t.seq between %s and %s order by t.seq, s.service, s.slice_no
        """,
        (world_key, first, last),
    ).fetchall()
    return [Finish(*row) for row in rows]


class WorkerStanding(NamedTuple):
    """One worker process."""

    worker_key: int
    grp: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    partitions: list[int]


def list_workers(conn: Connection) -> list[WorkerStanding]:
    """Workers that were seen within ALIVE_S, with the partitions that they claim; at most LIST_MAX."""
    rows = conn.execute(
        "select w.worker_key, w.grp, w.host, w.pid, w.started_at, w.seen_at,"
        " coalesce(array_agg(c.partition order by c.partition) filter (where c.partition is not null), '{}')"
        " from worker w left join claim c on c.worker_key = w.worker_key and not c.clean"
        " where w.ended_at is null and w.seen_at > clock_timestamp() - make_interval(secs => %s)"
        " group by w.worker_key order by w.worker_key desc limit %s",
        (ALIVE_S, LIST_MAX),
    ).fetchall()
    return [WorkerStanding(*row) for row in rows]
