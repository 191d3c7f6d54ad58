"""Pasted ticks, by the record that each came in: reading that record again seals nothing.
Lives here: rows of `paste`. Not here: what a paste means (control)."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from worldtick.store.db import Connection


class Place(NamedTuple):
    """Where a record lies; the stamp tells one incarnation of a topic from the next."""

    topic: str
    partition: int
    offset: int
    stamp_ms: int


class Paste(NamedTuple):
    """What a paste became."""

    world_key: int
    seq: int


def find_paste(conn: Connection, place: Place) -> Paste | None:
    """What this very record became."""
    row = conn.execute(
        'select world_key, seq from paste where topic = %s and partition = %s and "offset" = %s and stamp_ms = %s',
        place,
    ).fetchone()
    return Paste(*row) if row else None


def find_named(conn: Connection, world_key: int, names: Sequence[UUID]) -> Paste | None:
    """What an earlier paste with one of these ids became in this world."""
    row = conn.execute(
        "select world_key, seq from paste where world_key = %s and named_id = any(%s) order by seq limit 1",
        (world_key, list(names)),
    ).fetchone()
    return Paste(*row) if row else None


def insert_paste(conn: Connection, place: Place, paste: Paste, named: UUID | None) -> None:
    """Note what a record became, in the transaction that sealed it."""
    conn.execute(
        'insert into paste (topic, partition, "offset", stamp_ms, world_key, named_id, seq)'
        " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (*place, paste.world_key, named, paste.seq),
    )
