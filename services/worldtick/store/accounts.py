"""Accounts: how far a projection has read, and what it counted up to there, in one transaction.
Lives here: rows of `position` and `tally`, counting the ledger in the order of its origins. Not here: what is counted
of topics (observer), what is shown (status)."""

from collections.abc import Mapping, Sequence
from typing import Final, LiteralString, NamedTuple

import msgspec

from worldtick.store.db import Connection

LEDGER: Final = "ledger"  # the projection of ledger rows; its topics are reader keys
OFFSETS_MAX: Final = 5_000  # origins of one partition counted by one call
STEP_BOUNDS_US: Final = (100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000)
FINISH_BOUNDS_MS: Final = (5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 15_000, 60_000, 600_000, 3_600_000)
RUN_BOUNDS_MS: Final = (10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
LATE_BOUNDS_MS: Final = (100, 500, 1_000, 5_000, 30_000, 60_000, 300_000, 1_800_000, 3_600_000, 21_600_000, 86_400_000)
_COUNTING_LOCK: Final = 0x74616C79  # any fixed number: "taly"
_encode = msgspec.json.Encoder(order="deterministic").encode

Key = tuple[str, str]  # name, labels


class Place(NamedTuple):
    """Where a projection stands in one partition: the next offset that it reads."""

    topic: str
    topic_uuid: str
    partition: int
    offset: int


def key_of(name: str, **labels: str | int) -> Key:
    """The key of a tally; labels in canonical JSON."""
    return name, _encode(labels).decode()


def read_positions(conn: Connection, projection: str) -> dict[tuple[str, int], Place]:
    """(topic, partition) -> where the projection stands."""
    rows = conn.execute(
        'select topic, topic_uuid, partition, "offset" from position where projection = %s', (projection,)
    ).fetchall()
    return {(row[0], row[2]): Place(*row) for row in rows}


def move_positions(conn: Connection, projection: str, moves: Sequence[tuple[Place | None, Place]]) -> bool:
    """Move each place from where it was read (None: nowhere) to where it is now; False if another has moved any.

    Then the caller rolls back: what it counted was counted by the other.
    """
    moved = 0
    for old, new in sorted(moves, key=lambda move: move[1]):
        if old is None:
            done = conn.execute(
                'insert into position (projection, topic, topic_uuid, partition, "offset") values (%s, %s, %s, %s, %s)'
                " on conflict do nothing",
                (projection, *new),
            )
        else:
            done = conn.execute(
                'update position set topic_uuid = %s, "offset" = %s'
                ' where projection = %s and topic = %s and partition = %s and topic_uuid = %s and "offset" = %s',
                (new.topic_uuid, new.offset, projection, old.topic, old.partition, old.topic_uuid, old.offset),
            )
        moved += done.rowcount
    return moved == len(moves)


def add_tallies(conn: Connection, deltas: Mapping[Key, float]) -> None:
    """Add to tallies; those that are not there begin at 0."""
    _write(conn, _UPSERT + "tally.value + excluded.value", deltas)


def set_tallies(conn: Connection, values: Mapping[Key, float]) -> None:
    """Overwrite tallies."""
    _write(conn, _UPSERT + "excluded.value", values)


def raise_tallies(conn: Connection, values: Mapping[Key, float]) -> None:
    """Raise tallies to these values; higher ones stay."""
    _write(conn, _UPSERT + "greatest(tally.value, excluded.value)", values)


_UPSERT: Final = (
    "insert into tally (name, labels, value) select * from unnest(%s::text[], %s::text[], %s::float8[])"
    " on conflict (name, labels) do update set value = "
)


def _write(conn: Connection, statement: LiteralString, values: Mapping[Key, float]) -> None:
    if values:
        rows = sorted(values.items())  # one order for all writers: no deadlock
        columns = [key[0] for key, _ in rows], [key[1] for key, _ in rows], [float(value) for _, value in rows]
        conn.execute(statement, columns)


def read_tallies(conn: Connection) -> dict[str, list[tuple[dict[str, str], float]]]:
    """name -> (labels, value) of every tally, in order."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, labels, value in conn.execute("select name, labels, value from tally order by name, labels"):
        found.setdefault(name, []).append((msgspec.json.decode(labels), value))
    return found


_SPAN = """
with stands as (
    select p.reader_key, p.partition, p.next_offset, coalesce(q."offset", 0) as stands
      from published p
      left join position q on q.projection = 'ledger' and q.topic = p.reader_key::text and q.partition = p.partition
     where p.next_offset > coalesce(q."offset", 0))
select reader_key, partition, next_offset, stands,
       (select min(origin_offset) from ledger l where l.reader_key = s.reader_key and l.origin_partition = s.partition
           and l.origin_offset >= s.stands)
  from stands s order by reader_key, partition
"""
_ROWS = """
  from unnest(%(readers)s::int[], %(partitions)s::int[], %(firsts)s::bigint[], %(untils)s::bigint[])
       as r (reader_key, partition, first, until)
  join ledger l on l.reader_key = r.reader_key and l.origin_partition = r.partition
   and l.origin_offset >= r.first and l.origin_offset < r.until
  join slice s on s.slice_key = l.slice_key
"""
_STEPS = (
    "select s.service, l.outcome, width_bucket(l.step_us, %(bounds)s::int[]), count(*), sum(l.step_us), sum(l.used),"
    " sum(octet_length(l.outputs))" + _ROWS + " group by 1, 2, 3"
)
_MS = """
select s.service, extract(epoch from l.committed_at - coalesce(a.sealed_at, k.sealed_at)) * 1000.0::float8 as ms
"""
_TICKS = """
  left join tick a on s.stream = 'all' and a.world_key = s.world_key and a.seq = l.version
  left join tick k on s.stream <> 'all' and k.world_key = s.world_key
   and k.kind = case s.stream when 'hourly' then 2 else 3 end and k.kind_seq = l.version
"""
_FINISHES: Final = (
    "with finished as (" + _MS + _ROWS + _TICKS + ")"  # noqa: S608 - of constants
    " select service, width_bucket(ms, %(bounds)s::float8[]), count(*), sum(ms) from finished"
    " where ms is not null group by 1, 2"
)


def count_ledger(conn: Connection, offsets_max: int = OFFSETS_MAX) -> bool:
    """Count ledger rows that are published for good and not counted yet; whether there may be more.

    Tallies: ticks{service, outcome}, used{service}, output_bytes{service}, and the histograms step_us{service} and
    finish_ms{service} (from the seal to the commit) as `_bucket` with `le` (not cumulated) and `_sum`.
    """
    locked = conn.execute("select pg_try_advisory_xact_lock(%s)", (_COUNTING_LOCK,)).fetchone()
    spans = conn.execute(_SPAN).fetchall() if locked and locked[0] else []
    if not spans:
        return False
    # From the first row there is on: offsets before it, however many, hold none.
    firsts = [until if first is None else min(first, until) for _, _, until, _, first in spans]
    untils = [min(span[2], first + offsets_max) for span, first in zip(spans, firsts, strict=True)]
    about = {"readers": [span[0] for span in spans], "partitions": [span[1] for span in spans]}
    about |= {"firsts": firsts, "untils": untils}
    deltas: dict[Key, float] = {}
    _count_steps(conn, about, deltas)
    _count_finishes(conn, about, deltas)
    add_tallies(conn, deltas)
    conn.execute(
        'insert into position (projection, topic, partition, "offset")'
        " select 'ledger', r.reader_key::text, r.partition, r.until"
        " from unnest(%(readers)s::int[], %(partitions)s::int[], %(untils)s::bigint[])"
        " as r (reader_key, partition, until)"
        ' on conflict (projection, topic, partition) do update set "offset" = excluded."offset"',
        about,
    )
    return any(until < span[2] for until, span in zip(untils, spans, strict=True))


def _count_steps(conn: Connection, about: Mapping[str, object], deltas: dict[Key, float]) -> None:
    outcomes = {1: "applied", 2: "dead"}
    rows = conn.execute(_STEPS, {**about, "bounds": list(STEP_BOUNDS_US)}).fetchall()
    for service, outcome, bucket, count, step_us, used, output_bytes in rows:
        _add(deltas, key_of("ticks", service=service, outcome=outcomes[outcome]), count)
        _add(deltas, key_of("step_us_bucket", service=service, le=_bound(STEP_BOUNDS_US, bucket)), count)
        _add(deltas, key_of("step_us_sum", service=service), float(step_us))
        _add(deltas, key_of("used", service=service), float(used))
        _add(deltas, key_of("output_bytes", service=service), float(output_bytes))


def _count_finishes(conn: Connection, about: Mapping[str, object], deltas: dict[Key, float]) -> None:
    rows = conn.execute(_FINISHES, {**about, "bounds": list(FINISH_BOUNDS_MS)}).fetchall()
    for service, bucket, count, total_ms in rows:
        _add(deltas, key_of("finish_ms_bucket", service=service, le=_bound(FINISH_BOUNDS_MS, bucket)), count)
        _add(deltas, key_of("finish_ms_sum", service=service), float(total_ms))


def _bound(bounds: Sequence[int], bucket: int) -> str:
    """width_bucket's number as the upper bound that it lies below; a value on a bound counts to the next."""
    return str(bounds[bucket]) if bucket < len(bounds) else "+Inf"


def _add(deltas: dict[Key, float], key: Key, value: float) -> None:
    deltas[key] = deltas.get(key, 0.0) + value
