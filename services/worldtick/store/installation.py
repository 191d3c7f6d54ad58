"""The installation as the database sees it: its migrations, its clock, rings that are owed.
Lives here: reads for the doctor. Not here: applying migrations (db), ringing (ticks)."""

from datetime import datetime

from worldtick.store.db import Connection


def applied_migrations(conn: Connection) -> dict[str, str]:
    """Name -> sha256 of each migration that was applied; nothing in a database that is not ours yet."""
    there = conn.execute("select to_regclass('migration') is not null").fetchone()
    if not there or not there[0]:
        return {}
    return dict(conn.execute("select name, sha256 from migration").fetchall())


def database_clock(conn: Connection) -> tuple[datetime, str]:
    """(its present moment, its version)."""
    row = conn.execute("select clock_timestamp(), split_part(current_setting('server_version'), ' ', 1)").fetchone()
    if row is None:
        raise LookupError("select gave no row")
    return row[0], row[1]


def rings_owed(conn: Connection, older_s: int) -> tuple[int, float] | None:
    """(worlds, seconds since the oldest seal) where a sealed tick was not rung for so long; None: nowhere."""
    row = conn.execute(
        "select count(distinct c.world_key), extract(epoch from clock_timestamp() - min(t.sealed_at))::float8"
        " from clock c join tick t on t.world_key = c.world_key and t.seq = c.published_seq + 1"
        " where c.published_seq < c.seq and t.sealed_at < clock_timestamp() - make_interval(secs => %s)",
        (older_s,),
    ).fetchone()
    return (row[0], row[1]) if row and row[0] else None
