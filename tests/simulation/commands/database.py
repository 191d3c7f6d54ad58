"""A real PostgreSQL, reached over connections that break where a schedule says so.
Lives here: statements and COMMIT as seams, answers that are lost, COMMITs that land late. Not here: what is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow

from tests.simulation.commands.seams import Seams
from worldtick.store.db import Connection, Pool, translated

LOCK_MS = 20  # whoever holds a lock is held up itself and lets go of nothing: waiting longer tells no more
TABLES = ("command", "paste", "directive", "fact", "tick", "slice", "clock", "world")


class SeamConnection(psycopg.Connection[TupleRow]):
    """A connection whose every statement is a seam."""

    seams: Seams | None = None

    def execute(self, *args: Any, **more: Any) -> Any:
        """The statement, if the process lives to send it."""
        if self.seams is not None:
            self.seams.reach("statement")
        return super().execute(*args, **more)


class SimPool:
    """A pool's face for the product: connections of one schedule after another, each from the same database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[SeamConnection] = []
        self._late: list[SeamConnection] = []  # COMMIT is on its way, and whoever sent it has given up waiting
        self.watch = psycopg.connect(url, autocommit=True)  # of whoever only looks
        self.seams: Seams | None = None

    @property
    def face(self) -> Pool:
        """As the product takes it."""
        return cast(Pool, self)

    def begin(self, seams: Seams) -> None:
        """A schedule begins: with empty tables, and keys counted anew."""
        self.settle(commit=False)
        self.seams = None
        with self.connection() as conn:
            for table in TABLES:
                conn.execute(f"delete from {table}")  # noqa: S608 - small tables: far quicker than truncate
        self.seams = seams

    def close(self) -> None:
        """Close what is open."""
        for conn in (*self._free, *self._late, self.watch):
            conn.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One transaction, as a real pool has it: committed at the end, rolled back by an exception."""
        conn = self._free.pop() if self._free else self._open()
        conn.seams = self.seams
        try:
            yield conn
            mishap = self.seams.reach("before COMMIT", "away", "late") if self.seams else None
            if mishap == "late":
                self._late.append(conn)
                raise _lost()
            if mishap == "away":
                raise _lost()
            conn.commit()
        except BaseException:
            if conn not in self._late:
                conn.rollback()
            raise
        finally:
            if conn not in self._late:
                self._free.append(conn)
        if self.seams is not None and self.seams.reach("after COMMIT", "lost"):
            raise _lost()

    @contextmanager
    def calm(self) -> Iterator[Connection]:
        """A transaction of somebody whom nothing befalls. Raises DatabaseBusy where another holds a lock."""
        seams, self.seams = self.seams, None
        try:
            with translated(), self.connection() as conn:
                yield conn
        finally:
            self.seams = seams

    @property
    def owes(self) -> bool:
        """Whether a COMMIT is on its way."""
        return bool(self._late)

    def settle(self, *, commit: bool) -> None:
        """What is on its way arrives, or never does."""
        for conn in self._late:
            conn.commit() if commit else conn.rollback()
        self._free += self._late
        self._late.clear()

    def _open(self) -> SeamConnection:
        return SeamConnection.connect(self._url, options=f"-c lock_timeout={LOCK_MS} -c timezone=UTC")


def _lost() -> psycopg.OperationalError:
    return psycopg.OperationalError("the connection was lost (simulated)")
