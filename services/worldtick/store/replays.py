"""Replays: which dead letters were sent back, and which dead steps' directives were queued again.
Lives here: rows of `replay` and `requeue`; they go when no letter is as old. Not here: sending (control)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.types.json import Jsonb

from worldtick.contracts.sealed import Directive
from worldtick.store.db import Connection
from worldtick.store.pastes import Place

KEPT_DAYS = 60  # twice as long as dead-letter topics keep letters


class Replay(NamedTuple):
    """What is known of a letter's replays."""

    begun_at: datetime
    sent_at: datetime | None  # None: it began and did not report; its record may be there or not
    times: int


def find_replay(conn: Connection, letter: Place) -> Replay | None:
    """The latest replay of a letter."""
    row = conn.execute(
        "select begun_at, sent_at, times from replay"
        ' where topic = %s and partition = %s and "offset" = %s and stamp_ms = %s',
        letter,
    ).fetchone()
    return Replay(*row) if row else None


def begin_replay(conn: Connection, letter: Place, again: bool) -> bool:
    """Note that a letter is about to be sent; False if it was noted before and this is not `again`."""
    conn.execute("delete from replay where begun_at < clock_timestamp() - make_interval(days => %s)", (KEPT_DAYS,))
    done = conn.execute(
        'insert into replay (topic, partition, "offset", stamp_ms) values (%s, %s, %s, %s)'
        ' on conflict (topic, partition, "offset", stamp_ms) do update'
        " set begun_at = clock_timestamp(), sent_at = null, times = replay.times + 1 where %s",
        (*letter, again),
    )
    return done.rowcount == 1


def end_replay(conn: Connection, letter: Place, sent: bool) -> None:
    """Note that it was sent; or that it surely was not, as if this time had not been."""
    if sent:
        conn.execute(
            "update replay set sent_at = clock_timestamp()"
            ' where topic = %s and partition = %s and "offset" = %s and stamp_ms = %s',
            letter,
        )
        return
    conn.execute(
        'delete from replay where topic = %s and partition = %s and "offset" = %s and stamp_ms = %s and times = 1',
        letter,
    )


def begin_requeue(conn: Connection, world_key: int, service: str, seq: int, again: bool) -> bool:
    """Note that a tick's directives for a service are queued again; False if they were and this is not `again`."""
    conn.execute("delete from requeue where queued_at < clock_timestamp() - make_interval(days => %s)", (KEPT_DAYS,))
    done = conn.execute(
        "insert into requeue (world_key, service, seq) values (%s, %s, %s)"
        " on conflict (world_key, service, seq) do update"
        " set queued_at = clock_timestamp(), times = requeue.times + 1 where %s",
        (world_key, service, seq, again),
    )
    return done.rowcount == 1


def requeue_directives(conn: Connection, world_key: int, seq: int, directives: Sequence[Directive]) -> list[int]:
    """Queue directives that tick `seq` carried, as admins'; their new ids, in the same order."""
    ids = []
    for directive in directives:
        row = conn.execute(
            "insert into directive (world_key, service, name, args, source) values (%s, %s, %s, %s, %s)"
            " returning directive_id",
            (
                world_key,
                directive.service,
                directive.name,
                Jsonb(directive.args),
                f"replay:{seq}/{directive.directive_id}",
            ),
        ).fetchone()
        assert row is not None, "insert .. returning gave no row"
        ids.append(int(row[0]))
    return ids
