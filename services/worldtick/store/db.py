"""The way in to PostgreSQL: pools with bounds, one explicit transaction at a time, migrations.
Lives here: connections and the migration table. Not here: what is asked of the other tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from worldtick.store.errors import DatabaseAway, DatabaseBusy, MigrationAltered

Connection = psycopg.Connection[TupleRow]
Pool = ConnectionPool[Connection]

STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 10.0
MIGRATION_LOCK = 0x776F726C64746963  # any fixed number: "worldtic"
# A process frozen within a transaction keeps what it locked from its successor for so long. The longest that is meant
# to idle is a ticker's while Kafka takes its rings, which has a bound of 11 s.
IDLE_TRANSACTION_MS = 20_000
MIGRATION_TIMEOUT_MS = 600_000  # a migration may rewrite a large table

_BUSY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
_MIGRATION_TABLE = """
create table if not exists migration (
    name       text primary key,
    sha256     text not null,
    applied_at timestamptz not null default clock_timestamp()
)"""


def open_pool(
    url: str, size: int, application_name: str, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS, min_size: int = 1
) -> Pool:
    """A pool of at most `size` connections; each statement, lock and connection attempt has a bound.

    Raises DatabaseAway if the database does not answer within CONNECT_TIMEOUT_S.
    """
    pool: Pool = ConnectionPool(
        url,
        kwargs=_connect_arguments(application_name, statement_timeout_ms),
        min_size=min(min_size, size),
        max_size=size,
        timeout=POOL_TIMEOUT_S,
        reconnect_timeout=POOL_TIMEOUT_S,
        name=application_name,
        open=False,
        check=ConnectionPool.check_connection,  # a restarted server costs one retry, not one failed run
    )
    try:
        _probe(url, application_name)
        pool.open(wait=True, timeout=POOL_TIMEOUT_S)
    except (psycopg.OperationalError, PoolTimeout) as cause:
        pool.close()
        raise DatabaseAway(_away(cause)) from cause
    return pool


def _connect_arguments(application_name: str, statement_timeout_ms: int) -> dict[str, Any]:
    return {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": f"-c statement_timeout={statement_timeout_ms} -c lock_timeout={LOCK_TIMEOUT_MS}"
        f" -c idle_in_transaction_session_timeout={IDLE_TRANSACTION_MS} -c timezone=UTC",
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }


def _probe(url: str, application_name: str) -> None:
    """One direct attempt first: it says why it failed, a pool only says that it waited."""
    psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name=application_name).close()


def _first_line(cause: BaseException) -> str:
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _away(cause: BaseException) -> str:
    return f"PostgreSQL is away ({_first_line(cause)}); start it, or correct DATABASE_URL, and run again"


def connect(url: str, application_name: str, *, autocommit: bool = False) -> Connection:
    """One connection with the bounds that a pool's have. Raises DatabaseAway."""
    try:
        return psycopg.connect(url, autocommit=autocommit, **_connect_arguments(application_name, STATEMENT_TIMEOUT_MS))
    except psycopg.OperationalError as cause:
        raise DatabaseAway(_away(cause)) from cause


@contextmanager
def transaction(pool: Pool) -> Iterator[Connection]:
    """One connection, one transaction: left normally it commits, left by an exception it rolls back.

    Raises DatabaseAway when the connection breaks; the outcome of a commit is then unknown: read again.
    """
    with translated(), pool.connection() as conn:
        # connection() commits or rolls back on the way out, and gives the connection back
        yield conn


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's ways to say "the server is away" into DatabaseAway; all others pass."""
    try:
        yield
    except (PoolTimeout, PoolClosed) as cause:
        raise DatabaseAway(_away(cause)) from cause
    except _BUSY as cause:
        raise DatabaseBusy(
            f"PostgreSQL did not do it in time ({_first_line(cause)}); nothing changed: try again"
        ) from cause
    except psycopg.OperationalError as cause:
        raise DatabaseAway(_away(cause)) from cause


def migrations() -> list[tuple[str, str]]:
    """(name, text) of every migration that this release carries, in order."""
    folder = files("worldtick.store").joinpath("migrations")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(entry.name, entry.read_text(encoding="utf-8")) for entry in sorted(found, key=lambda entry: entry.name)]


def migrate(url: str) -> list[str]:
    """Apply what is missing, each migration once, however many processes try; names of those applied now.

    Raises MigrationAltered if an applied file has other text now, DatabaseAway if the server is.
    """
    with translated(), psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name="migrate") as conn:
        conn.execute(sql.SQL("set statement_timeout = {}").format(MIGRATION_TIMEOUT_MS))
        conn.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        conn.execute(_MIGRATION_TABLE)
        rows = conn.execute("select name, sha256 from migration").fetchall()
        applied: dict[str, str] = dict(rows)
        return [name for name, text in migrations() if _apply(conn, name, text, applied)]


def _apply(conn: psycopg.Connection[TupleRow], name: str, text: str, applied: dict[str, str]) -> bool:
    digest = sha256(text.encode()).hexdigest()
    if name in applied:
        if applied[name] != digest:
            raise MigrationAltered(
                f"migration {name} was applied with other text than it has now;"
                " restore the file and put the change in a new migration"
            )
        return False
    conn.execute(text.encode(), prepare=False)
    conn.execute("insert into migration (name, sha256) values (%s, %s)", (name, digest))
    return True
