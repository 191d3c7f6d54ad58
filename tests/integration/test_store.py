"""The way in to PostgreSQL: migrations race and are refused when altered, pools and statements have bounds.
Lives here: db.py on a real server. Not here: the tables' nouns."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from worldtick.store import db
from worldtick.store.db import Connection, Pool, migrate, migrations, open_pool, transaction
from worldtick.store.errors import DatabaseAway, DatabaseBusy, MigrationAltered

pytestmark = pytest.mark.postgres


@pytest.fixture
def empty_url(postgres_url: str) -> str:
    """The fresh database, without any table."""
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute("drop schema public cascade")
        conn.execute("create schema public")
    return postgres_url


def test_migrations_race_and_each_is_applied_once(empty_url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        applied = list(threads.map(lambda _: migrate(empty_url), range(6)))
    names = [name for name, _ in migrations()]
    assert sorted(name for run in applied for name in run) == sorted(names)
    assert migrate(empty_url) == []
    with psycopg.connect(empty_url) as conn:
        assert conn.execute("select name from migration order by name").fetchall() == [(name,) for name in names]


def test_an_altered_migration_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(postgres_url)
    altered = [(name, text + "\n-- a word more") for name, text in migrations()]
    monkeypatch.setattr(db, "migrations", lambda: altered)
    with pytest.raises(MigrationAltered, match="0001_pre_spine"):
        migrate(postgres_url)


def test_a_broken_migration_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), ("9999_broken.sql", "create table half (n int); create table half (n int);")]
    monkeypatch.setattr(db, "migrations", lambda: broken)
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(empty_url)
    with psycopg.connect(empty_url) as conn:
        assert conn.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)


def _write(pool: Pool, name: str, then: Callable[[Connection], None]) -> None:
    with transaction(pool) as conn:
        conn.execute("insert into tally (name, labels, value) values (%s, '', 1)", (name,))
        then(conn)


def _fail(conn: Connection) -> None:
    raise RuntimeError(conn.info.dbname)


def _sleep(conn: Connection) -> None:
    conn.execute("select pg_sleep(30)")


def test_a_transaction_is_all_or_nothing(postgres_url: str) -> None:
    pool = open_pool(postgres_url, 2, "test-store")
    try:
        _write(pool, "a", lambda conn: None)
        with pytest.raises(RuntimeError):
            _write(pool, "b", _fail)
        with transaction(pool) as conn:
            assert conn.execute("select name from tally").fetchall() == [("a",)]
    finally:
        pool.close()


def test_a_killed_backend_is_away_and_the_pool_recovers(postgres_url: str) -> None:
    def kill(conn: Connection) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
        conn.execute("select 1")

    pool = open_pool(postgres_url, 1, "test-store")
    try:
        with pytest.raises(DatabaseAway):
            _write(pool, "half", kill)
        with transaction(pool) as conn:
            assert conn.execute("select count(*) from tally").fetchone() == (0,)
    finally:
        pool.close()


def test_a_statement_and_a_lock_run_into_their_bounds(postgres_url: str) -> None:
    pool = open_pool(postgres_url, 1, "test-store", statement_timeout_ms=100)
    try:
        with pytest.raises(DatabaseBusy):
            _write(pool, "slow", _sleep)
        with psycopg.connect(postgres_url) as holder:
            holder.execute(sql.SQL("lock table tally"))
            with pytest.raises(DatabaseBusy), transaction(pool) as conn:
                conn.execute("select * from tally")
    finally:
        pool.close()


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseAway, match="DATABASE_URL"):
        open_pool(f"postgresql://nobody@/none?host={tmp_path}", 1, "test-store")
    with pytest.raises(DatabaseAway):
        migrate("postgresql://nobody@127.0.0.1:1/none")
