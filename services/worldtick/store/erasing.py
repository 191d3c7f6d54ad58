"""Erasing: an empty database again, its tables kept.
Lives here: what benchmarks and demos begin with. Not here: retention."""

from worldtick.store.db import Connection


def erase_all(conn: Connection) -> None:
    """Empty every table of ours but the list of migrations, numbering from 1 again."""
    names = conn.execute(
        "select string_agg(quote_ident(tablename), ', ') from pg_tables"
        " where schemaname = current_schema() and tablename <> 'migration'"
    ).fetchone()
    if names and names[0]:
        conn.execute(f"truncate {names[0]} restart identity cascade")
