"""The protocol's SQL effects on a real PostgreSQL, over one connection that is opened again when it broke.
Lives here: which effect is which transaction, outcomes. Not here: statements (store), when (protocol)."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow

from worldtick.runtime.effects import (
    Attempt,
    Claim,
    Commit,
    Committed,
    Diverge,
    LastOrigins,
    LoadLedger,
    LoadOutputs,
    LoadSlices,
    LoadTicks,
    Release,
    SliceRow,
    Survived,
    Writes,
)
from worldtick.runtime.service import Service
from worldtick.store.claims import (
    begin_attempt,
    claim_partitions,
    end_attempt,
    note_published,
    release_partitions,
    see_worker,
    take_slot,
)
from worldtick.store.db import connect, translated
from worldtick.store.errors import DatabaseAway
from worldtick.store.ledger import (
    commit_lone,
    copy_facts,
    copy_ledger,
    copy_projection,
    insert_effects,
    keep_snapshots,
    last_origins,
    load_outputs,
    raise_slices,
)
from worldtick.store.slices import load_outcomes, load_single_slices, load_slices, load_ticks, set_diverged

CALL_S: Final = 8.0  # the server's own bounds are 5 s; beyond this it does not answer at all


log = logging.getLogger(__name__)


class _Stale(Exception):
    """Rolls back a commit that another owner made pointless."""


class Postgres:
    """Performs SQL effects of one worker; used by one thread at a time."""

    def __init__(self, url: str, service: Service[Any], reader_key: int, worker_key: int) -> None:
        self._url = url
        self._service = service
        self._reader_key = reader_key
        self._worker_key = worker_key
        self._conn: psycopg.Connection[TupleRow] | None = None
        self._called_at = 0.0  # of the monotonic clock, while a call is under way
        self.opened = 0  # connections so far: what a session held is gone with it
        self._projections = {shape.table: (shape.columns, shape.types) for shape in service.projections}
        self._performers: Mapping[type, Callable[[Any], Any]] = {
            Claim: self._claim,
            Release: self._release,
            LoadSlices: self._load_slices,
            LoadTicks: lambda effect: load_ticks(self._connection(), service.stream, effect.ranges),
            LoadLedger: lambda effect: load_outcomes(self._connection(), effect.ranges),
            Attempt: self._attempt,
            Survived: self._survived,
            Diverge: lambda effect: set_diverged(self._connection(), effect.slice_key, effect.reason),
            Commit: lambda effect: self._commit(effect.writes),
            LastOrigins: lambda effect: last_origins(self._connection(), effect.reader_key, effect.partitions),
            LoadOutputs: lambda effect: load_outputs(self._connection(), effect.reader_key, effect.ranges),
        }

    def perform(self, effect: Any) -> Any:
        """Do one effect and answer it. Raises DatabaseAway, DatabaseBusy; a commit answers instead."""
        with self._call():
            return self._performers[type(effect)](effect)

    def note_published(self, offsets: Mapping[int, int]) -> None:
        """Note how far the reader has surely published. Raises DatabaseAway, DatabaseBusy."""
        with self._call():
            note_published(self._connection(), self._reader_key, offsets)

    def see_worker(self, *, ended: bool = False) -> None:
        """Note that this worker lives, or that it ended cleanly. Raises DatabaseAway, DatabaseBusy."""
        with self._call():
            see_worker(self._connection(), self._worker_key, ended=ended)

    def take_slot(self, group: str, before: int | None) -> int | None:
        """Hold a number among a group's workers for as long as this connection lasts; see store/claims."""
        with self._call():
            return take_slot(self._connection(), group, before)

    def cut_overdue(self) -> None:
        """End a call that the server does not answer, from another thread: the caller gets DatabaseAway."""
        called_at, conn = self._called_at, self._conn
        if called_at and conn is not None and time.monotonic() - called_at > CALL_S:
            try:
                with socket.socket(fileno=os.dup(conn.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
            except (OSError, psycopg.Error):
                return  # it ended by itself

    @contextmanager
    def _call(self) -> Iterator[None]:
        self._called_at = time.monotonic()
        try:
            with translated():
                yield
        except DatabaseAway:
            self.close()
            raise
        finally:
            self._called_at = 0.0

    def close(self) -> None:
        """Let go of the connection; the next effect opens another."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _connection(self) -> psycopg.Connection[TupleRow]:
        """An autocommit connection: a single statement is a transaction, and what needs several says so."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._url, f"worldtick.{self._service.name}", autocommit=True)
            self.opened += 1
        return self._conn

    def _claim(self, effect: Claim) -> dict[int, bool]:
        conn = self._connection()
        with conn.transaction():
            return claim_partitions(conn, self._reader_key, self._worker_key, effect.partitions)

    def _release(self, effect: Release) -> None:
        release_partitions(self._connection(), self._reader_key, self._worker_key, effect.partitions)

    def _load_slices(self, effect: LoadSlices) -> list[SliceRow]:
        conn, service = self._connection(), self._service.name
        rows = load_slices(conn, service, effect.worlds) if effect.worlds else []
        rows += load_single_slices(conn, service, effect.slices) if effect.slices else []
        return [SliceRow(*row) for row in rows]

    def _attempt(self, effect: Attempt) -> int:
        return begin_attempt(self._connection(), effect.slice_key, effect.version)

    def _survived(self, effect: Survived) -> None:
        end_attempt(self._connection(), effect.slice_key, effect.version)

    def _commit(self, writes: Writes) -> Committed:
        """All or nothing. What breaks the connection leaves the outcome unknown, whenever it came."""
        conn = self._connection()
        try:
            if _is_lone(writes):
                return Committed.YES if commit_lone(conn, writes.raises[0], writes.ledger[0]) else Committed.STALE
            with conn.transaction():
                self._write(conn, writes)
        except _Stale:
            return Committed.STALE
        except psycopg.OperationalError:
            if not conn.closed and not conn.broken:
                raise  # a lock or time bound: surely rolled back
            self.close()
            return Committed.UNKNOWN
        return Committed.YES

    def _write(self, conn: psycopg.Connection[TupleRow], writes: Writes) -> None:
        if not raise_slices(conn, writes.reader_key, writes.worker_key, writes.partitions, writes.raises):
            raise _Stale
        if writes.ledger:
            copy_ledger(conn, writes.ledger)
        if writes.kept:
            keep_snapshots(conn, writes.kept)
        if writes.facts:
            copy_facts(conn, writes.facts)
        if writes.effects:
            left = len(writes.effects) - insert_effects(conn, writes.effects)
            if left:
                log.info("effects_without_service", extra={"service": self._service.name, "effects": left})
        for table, rows in writes.rows.items():
            copy_projection(conn, table, *self._projections[table], rows)


def _is_lone(writes: Writes) -> bool:
    """Whether one statement does it all."""
    return len(writes.ledger) == len(writes.raises) == len(writes.partitions) == 1 and not (
        writes.facts or writes.effects or writes.rows or writes.kept
    )
