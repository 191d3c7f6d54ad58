"""Retention: what grows, what of it may go, and the rows that hold it back.
Lives here: the policy (pure), pruning one page of worlds, table sizes. Not here: when it runs (ticker), verify.

A slice's *base* is the snapshot from which its history can be stepped again. Ledger rows up to the base, and ticks
before the bases of all of a world's slices, may go if they are published and counted. So recovery, verify and accounts
find what they need, and a slice that is behind, parked or unpublished holds back its own world and no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import sql

from worldtick.store.accounts import count_ledger
from worldtick.store.commands import delete_old
from worldtick.store.db import Connection, Pool, transaction

PRUNER: Final = "prune"  # its place among the worlds stands in `position`
PROJECTIONS: Final = ("market_state", "timer_fate")  # tables that services fill for SQL readers, by world_key and seq
_PRUNING_LOCK: Final = 0x7072756E  # any fixed number: "prun"


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is kept. All bounds are counts, so a fast world and a slow one keep the same history."""

    ticks: int = 720  # of each slice's stream and world at least: 30 game days of hours
    pastes: int = 10_000  # of each world
    paste_days: int = 30  # wall time; no topic keeps a record as long, so none is read again
    worker_days: int = 30  # wall time after which a worker that is gone is forgotten
    worlds_per_page: int = 100
    slices_per_page: int = 2_000
    rows_per_page: int = 20_000  # deleted at most of each table in one transaction
    rows_per_run: int = 100_000  # about so many, of all tables

    @property
    def spacing(self) -> int:
        """Ticks between two snapshots that are kept: what is kept over `ticks` at most, beside what holds back."""
        return max(1, self.ticks // 2)


class Kept(NamedTuple):
    """A slice and the versions of its older snapshots that are kept."""

    slice_key: int
    world_key: int
    version: int
    genesis_version: int
    snapshot_version: int | None
    kept: tuple[int, ...]  # ascending


class Verdict(NamedTuple):
    """What becomes of a slice's history."""

    keep_now: bool  # keep a copy of its newest snapshot
    base: int | None  # ledger rows up to it may go; None: none may
    drop: tuple[int, ...]  # kept snapshots that nothing starts from any more


def judge(row: Kept, policy: Policy) -> Verdict:
    """Keep a snapshot every `spacing` ticks; the base is the newest kept one that leaves `ticks` ticks after it."""
    newest = row.kept[-1] if row.kept else row.genesis_version
    keep_now = row.snapshot_version is not None and row.snapshot_version - newest >= policy.spacing
    bases = [version for version in row.kept if version <= row.version - policy.ticks]
    base = bases[-1] if bases else None
    return Verdict(keep_now, base, tuple(bases[:-1]))


class Pruned(NamedTuple):
    """What a run did: table -> rows deleted; worlds looked at; whether it went through all of them."""

    rows: dict[str, int]
    worlds: int
    complete: bool


def prune(pool: Pool, policy: Policy = Policy(), projections: Sequence[str] = PROJECTIONS) -> Pruned:
    """Go on from where the last run ended until all worlds were looked at, or enough rows are gone.

    One transaction a page, and one process at a time: where another one prunes, nothing is done. Raises DatabaseAway,
    DatabaseBusy; then the page stays as it was.
    """
    while True:
        with transaction(pool) as conn:
            if not count_ledger(conn):
                break
    rows: dict[str, int] = {}
    worlds = 0
    while True:
        with transaction(pool) as conn:
            page = _prune_page(conn, policy, projections)
        if page is None:
            return Pruned(rows, worlds, False)
        for table, number in page.rows.items():
            rows[table] = rows.get(table, 0) + number
        worlds += page.worlds
        if page.complete or sum(rows.values()) >= policy.rows_per_run:
            return Pruned(rows, worlds, page.complete)


def _prune_page(conn: Connection, policy: Policy, projections: Sequence[str]) -> Pruned | None:
    """One page of worlds; complete at the last one. None where another process prunes."""
    locked = conn.execute("select pg_try_advisory_xact_lock(%s)", (_PRUNING_LOCK,)).fetchone()
    if not locked or not locked[0]:
        return None
    worlds, complete = _next_worlds(conn, policy)
    rows: dict[str, int] = {}
    if worlds:
        slices = _slices(conn, worlds)
        verdicts = {row.slice_key: judge(row, policy) for row in slices}
        _keep(conn, [key for key, verdict in verdicts.items() if verdict.keep_now])
        rows["ledger"] = _delete_ledger(conn, verdicts, policy)
        rows["snapshot"] = _delete_snapshots(conn, verdicts)
        rows["tick"] = _delete_ticks(conn, worlds, policy)
        rows |= _delete_of_worlds(conn, worlds, policy)
        rows |= {table: _delete_projection(conn, table, worlds, policy) for table in projections}
    if any(number >= policy.rows_per_page for number in rows.values()):
        return Pruned(rows, 0, False)  # the same page once more
    if complete:
        rows["worker"] = _delete_workers(conn, policy)
        rows["command"] = delete_old(conn)
    _move(conn, 0 if complete else worlds[-1])
    return Pruned(rows, len(worlds), complete)


def _next_worlds(conn: Connection, policy: Policy) -> tuple[list[int], bool]:
    found = conn.execute(
        "select w.world_key, (select count(*) from slice s where s.world_key = w.world_key) from world w"
        " where w.world_key > coalesce((select \"offset\" from position where projection = %s and topic = 'world'), 0)"
        " order by w.world_key limit %s",
        (PRUNER, policy.worlds_per_page),
    ).fetchall()
    worlds: list[int] = []
    slices = 0
    for world_key, count in found:
        if worlds and slices + count > policy.slices_per_page:
            return worlds, False
        worlds.append(world_key)
        slices += count
    return worlds, len(found) < policy.worlds_per_page


def _move(conn: Connection, world_key: int) -> None:
    conn.execute(
        "insert into position (projection, topic, partition, \"offset\") values (%s, 'world', 0, %s)"
        ' on conflict (projection, topic, partition) do update set "offset" = excluded."offset"',
        (PRUNER, world_key),
    )


def _slices(conn: Connection, worlds: Sequence[int]) -> list[Kept]:
    rows = conn.execute(
        "select s.slice_key, s.world_key, s.version, s.genesis_version, s.snapshot_version,"
        " array(select version from snapshot k where k.slice_key = s.slice_key order by version)"
        " from slice s where s.world_key = any(%s)",
        (list(worlds),),
    ).fetchall()
    return [Kept(key, world, at, genesis, newest, tuple(kept)) for key, world, at, genesis, newest, kept in rows]


def _keep(conn: Connection, slice_keys: Sequence[int]) -> None:
    conn.execute(
        "insert into snapshot (slice_key, version, step_version, digest, body)"
        " select s.slice_key, s.snapshot_version, coalesce(l.step_version, s.step_version),"
        " coalesce(l.digest, s.digest), s.snapshot from slice s"
        " left join ledger l on l.slice_key = s.slice_key and l.version = s.snapshot_version"
        " where s.slice_key = any(%s) and s.snapshot is not null and coalesce(l.digest, s.digest) is not null"
        " on conflict do nothing",
        (list(slice_keys),),
    )


def _delete_ledger(conn: Connection, verdicts: dict[int, Verdict], policy: Policy) -> int:
    """Rows up to the base, published for good and counted: their origin lies below both places."""
    pairs = [(key, verdict.base) for key, verdict in verdicts.items() if verdict.base is not None]
    return conn.execute(
        "delete from ledger where ctid = any(array("
        "select l.ctid from unnest(%s::int[], %s::bigint[]) as n (slice_key, base)"
        " join ledger l on l.slice_key = n.slice_key and l.version <= n.base"
        " join published p on p.reader_key = l.reader_key and p.partition = l.origin_partition"
        " join position q on q.projection = 'ledger' and q.topic = l.reader_key::text"
        " and q.partition = l.origin_partition"
        ' where l.origin_offset < least(p.next_offset, q."offset") limit %s))',
        ([key for key, _ in pairs], [base for _, base in pairs], policy.rows_per_page),
    ).rowcount


def _delete_snapshots(conn: Connection, verdicts: dict[int, Verdict]) -> int:
    pairs = [(key, version) for key, verdict in verdicts.items() for version in verdict.drop]
    return conn.execute(
        "delete from snapshot k using unnest(%s::int[], %s::bigint[]) as n (slice_key, version)"
        " where k.slice_key = n.slice_key and k.version = n.version",
        ([key for key, _ in pairs], [version for _, version in pairs]),
    ).rowcount


# A slice needs the ticks after its oldest kept snapshot (none: after its genesis), and after what its ledger still has.
# The tick at that place stays too, so that the place can be found again. A world without slices needs only the newest.
_TICK_FLOORS = """
with needs as (
    select s.world_key, s.stream,
           least(coalesce((select min(k.version) from snapshot k where k.slice_key = s.slice_key), s.genesis_version),
                 (select min(l.version) - 1 from ledger l where l.slice_key = s.slice_key)) as place
      from slice s where s.world_key = any(%(worlds)s)),
floors as (
    select n.world_key, min(case when n.place = 0 then 0 when n.stream = 'all' then n.place else coalesce(
               (select t.seq from tick t where t.world_key = n.world_key
                   and t.kind = case n.stream when 'hourly' then 2 else 3 end and t.kind_seq = n.place), 0) end) as seq
      from needs n group by n.world_key)
delete from tick where ctid = any(array(
    select t.ctid from clock c left join floors f using (world_key) join tick t using (world_key)
     where c.world_key = any(%(worlds)s) and t.seq < least(coalesce(f.seq, c.seq), c.published_seq, c.seq - %(ticks)s)
     limit %(rows)s))
"""


def _delete_ticks(conn: Connection, worlds: Sequence[int], policy: Policy) -> int:
    about = {"worlds": list(worlds), "ticks": policy.ticks, "rows": policy.rows_per_page}
    return conn.execute(_TICK_FLOORS, about).rowcount


# What a future tick may carry is each slice's newest fact up to the bound of the next seal; the older ones may go.
_FACTS: LiteralString = """
delete from fact f using (
    select f.world_key, f.service, f.slice_no, max(f.seq) as newest
      from fact f join clock c using (world_key)
     where f.world_key = any(%(worlds)s) and f.seq <= c.seq + 1 - c.lag_ticks
     group by f.world_key, f.service, f.slice_no) n
 where f.world_key = n.world_key and f.service = n.service and f.slice_no = n.slice_no and f.seq < n.newest
"""
_PASTES: LiteralString = """
delete from paste p using (
    select topic, partition, "offset", stamp_ms,
           row_number() over (partition by world_key order by sealed_at desc) > %(pastes)s
           or sealed_at < clock_timestamp() - make_interval(days => %(paste_days)s) as old
      from paste where world_key = any(%(worlds)s)) n
 where n.old and p.topic = n.topic and p.partition = n.partition and p."offset" = n."offset" and p.stamp_ms = n.stamp_ms
   and p.sealed_at < clock_timestamp() - make_interval(days => 1)
"""
# A pair's newest row is how it stands, so it stays however old it is.
_RELATIONS: LiteralString = """
delete from relation r using clock c
 where c.world_key = any(%(worlds)s) and r.world_key = c.world_key and r.seq < c.seq - %(ticks)s
   and exists (select from relation n where n.world_key = r.world_key and n.faction_a = r.faction_a
                  and n.faction_b = r.faction_b and n.seq > r.seq)
"""
_ATTEMPTS: LiteralString = """
delete from attempt a using slice s
 where s.world_key = any(%(worlds)s) and a.slice_key = s.slice_key and a.version <= s.version
"""


def _delete_of_worlds(conn: Connection, worlds: Sequence[int], policy: Policy) -> dict[str, int]:
    about = {
        "worlds": list(worlds),
        "pastes": policy.pastes,
        "paste_days": policy.paste_days,
        "ticks": policy.ticks,
    }
    statements = (("fact", _FACTS), ("paste", _PASTES), ("attempt", _ATTEMPTS), ("relation", _RELATIONS))
    return {table: conn.execute(statement, about).rowcount for table, statement in statements}


def _delete_projection(conn: Connection, table: str, worlds: Sequence[int], policy: Policy) -> int:
    statement = sql.SQL(
        "delete from {table} where ctid = any(array(select p.ctid from clock c join {table} p using (world_key)"
        " where c.world_key = any(%s) and p.seq < c.seq - %s limit %s))"
    )
    about = (list(worlds), policy.ticks, policy.rows_per_page)
    return conn.execute(statement.format(table=sql.Identifier(table)), about).rowcount


def _delete_workers(conn: Connection, policy: Policy) -> int:
    return conn.execute(
        "delete from worker w where coalesce(w.ended_at, w.seen_at) < clock_timestamp() - make_interval(days => %s)"
        " and not exists (select from claim c where c.worker_key = w.worker_key)",
        (policy.worker_days,),
    ).rowcount


class TableSize(NamedTuple):
    """One table as it is."""

    table: str
    rows: int  # as the database estimates, or counted where it has not looked yet
    size_bytes: int  # with indexes


def table_sizes(conn: Connection) -> list[TableSize]:
    """Every table of ours."""
    found = conn.execute(
        "select relname, reltuples::bigint, pg_total_relation_size(oid) from pg_class"
        " where relkind = 'r' and relnamespace = current_schema()::regnamespace order by relname"
    ).fetchall()
    return [TableSize(name, _counted(conn, name) if rows < 0 else rows, size) for name, rows, size in found]


def _counted(conn: Connection, table: str) -> int:
    row = conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


class Held(NamedTuple):
    """A slice whose history is longer than the policy's bound, and what holds it back."""

    world: str
    service: str
    slice_no: int
    ledger_rows: int
    behind: int
    status: int
    unpublished: int  # of its ledger rows
    uncounted: int
    snapshot_behind: int  # ticks since its newest snapshot


def held_back(conn: Connection, policy: Policy, limit: int) -> list[Held]:
    """The slices with the longest history, of those beyond the bound."""
    rows: list[Any] = conn.execute(
        """
        select w.world_id, s.service, s.slice_no, l.rows,
               case s.stream when 'all' then c.seq when 'hourly' then c.hourly_seq else c.daily_seq end - s.version,
               s.status, l.unpublished, l.uncounted, s.version - coalesce(s.snapshot_version, s.genesis_version)
          from slice s join world w using (world_key) join clock c using (world_key)
         cross join lateral (
              select count(*) as rows,
                     count(*) filter (where p.next_offset is null or l.origin_offset >= p.next_offset) as unpublished,
                     count(*) filter (where q."offset" is null or l.origin_offset >= q."offset") as uncounted
                from ledger l
                left join published p on p.reader_key = l.reader_key and p.partition = l.origin_partition
                left join position q on q.projection = 'ledger' and q.topic = l.reader_key::text
                 and q.partition = l.origin_partition
               where l.slice_key = s.slice_key) l
         where s.version - s.genesis_version > %(bound)s and l.rows > %(bound)s
         order by l.rows desc, w.world_id limit %(limit)s
        """,
        {"bound": 2 * policy.ticks + policy.spacing, "limit": limit},
    ).fetchall()
    return [Held(*row) for row in rows]
