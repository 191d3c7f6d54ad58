"""History: what a slice's past can be stepped again from, and where two slices' pasts part.
Lives here: reads for verify and diff over ledger, ticks and snapshots. Not here: what a worker loads (slices)."""

from typing import NamedTuple

from worldtick.store.db import Connection


class Past(NamedTuple):
    """A slice and how much of its past is there."""

    slice_key: int
    world_key: int
    service: str
    slice_no: int
    stream: str
    genesis_version: int
    version: int
    digest: bytes | None
    status: int
    reason: str | None
    step_version: int


class Start(NamedTuple):
    """A state that a replay may start from."""

    version: int
    body: bytes | None  # None: genesis
    digest: bytes | None


def pasts_of(conn: Connection, world_key: int, service: str | None = None) -> list[Past]:
    """The slices of a world, or of one of its services, in order."""
    rows = conn.execute(
        "select slice_key, world_key, service, slice_no, stream, genesis_version, version, digest, status, reason,"
        " step_version from slice where world_key = %s and (%s::text is null or service = %s)"
        " order by service, slice_no",
        (world_key, service, service),
    ).fetchall()
    return [Past(*row) for row in rows]


def first_kept(conn: Connection, past: Past) -> int:
    """The version after which the ledger has every row up to the slice's version; its version where it has none."""
    row = conn.execute(
        "select coalesce(min(version) - 1, %s) from (select version,"
        " version + row_number() over (order by version desc) as level from ledger"
        " where slice_key = %s and version <= %s) r where level = %s + 1",
        (past.version, past.slice_key, past.version, past.version),
    ).fetchone()
    return int(row[0]) if row else past.version


def starts_of(conn: Connection, slice_key: int) -> list[int]:
    """The versions of the snapshots that are kept, the newest one included, oldest first."""
    rows = conn.execute(
        "select version from snapshot where slice_key = %s"
        " union select snapshot_version from slice where slice_key = %s and snapshot is not null order by 1",
        (slice_key, slice_key),
    ).fetchall()
    return [row[0] for row in rows]


def load_start(conn: Connection, slice_key: int, version: int) -> Start | None:
    """The snapshot at a version, and the digest that it was stored with (None: the ledger's row of it is gone)."""
    row = conn.execute(
        "select version, body, digest from snapshot where slice_key = %s and version = %s"
        " union all select s.snapshot_version, s.snapshot, l.digest from slice s"
        " left join ledger l on l.slice_key = s.slice_key and l.version = s.snapshot_version"
        " where s.slice_key = %s and s.snapshot_version = %s limit 1",
        (slice_key, version, slice_key, version),
    ).fetchone()
    return Start(*row) if row else None


def step_versions(conn: Connection, slice_key: int, first: int, last: int) -> list[int]:
    """The step versions that made the ledger's rows in [first, last]."""
    rows = conn.execute(
        "select distinct step_version from ledger where slice_key = %s and version between %s and %s order by 1",
        (slice_key, first, last),
    ).fetchall()
    return [row[0] for row in rows]


def first_parting(conn: Connection, one: int, other: int) -> tuple[int, int | None]:
    """(places compared, the first place at which two slices' ledgers differ in digest or outcome)."""
    row = conn.execute(
        "select count(*), min(a.version) filter (where a.digest <> b.digest or a.outcome <> b.outcome)"
        " from ledger a join ledger b on b.version = a.version where a.slice_key = %s and b.slice_key = %s",
        (one, other),
    ).fetchone()
    return (int(row[0]), row[1]) if row else (0, None)


def outputs_at(conn: Connection, slice_key: int, version: int) -> tuple[int, bytes] | None:
    """(outcome, outputs) of one row of the ledger."""
    return conn.execute(
        "select outcome, outputs from ledger where slice_key = %s and version = %s", (slice_key, version)
    ).fetchone()


def tick_span(conn: Connection, world_key: int) -> tuple[int, int] | None:
    """The first and last seq that the tick log has of a world; None if it has none."""
    row = conn.execute("select min(seq), max(seq) from tick where world_key = %s", (world_key,)).fetchone()
    return (row[0], row[1]) if row and row[0] is not None else None
