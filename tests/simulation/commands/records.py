"""Rows as the promises read them: the audit with its replies, and the tick log.
Lives here: their SQL. Not here: what must hold of them (promises, effects)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.store.db import Connection


@dataclass(frozen=True, slots=True)
class Heard:
    """A row of `command`."""

    command_key: int
    partition: int
    offset: int
    actor: str | None
    command_id: str | None
    name: str | None
    world: str | None
    decisive: bool
    fate: str
    code: str | None
    reply: bytes | None
    reply_id: str | None
    from_seq: int | None
    until_us: int | None
    directive_id: int | None
    pending: bool
    said: Mapping[str, Any] = field(compare=False)  # the reply's data


def heard_of(conn: Connection) -> list[Heard]:
    """All of it, in the order in which it was judged."""
    rows = conn.execute(
        'select command_key, partition, "offset", actor, id, name, world_id, decisive, fate, code, reply, reply_id,'
        " from_seq, until_us, directive_id, pending from command order by command_key"
    ).fetchall()
    return [Heard(*(*row, _said(row[10]))) for row in rows]


def _said(reply: bytes | None) -> Mapping[str, Any]:
    return {} if reply is None else dict(json.loads(reply)["data"])


def ticks_of(conn: Connection, world_key: int) -> list[SealedTick]:
    """A world's ticks, in order."""
    rows = conn.execute("select body from tick where world_key = %s order by seq", (world_key,)).fetchall()
    return [decode_sealed(row[0]) for row in rows]


def keys_of_all(conn: Connection) -> dict[str, int]:
    """world -> key, of all that there are."""
    return dict(conn.execute("select world_id, world_key from world order by world_key").fetchall())


def positions(conn: Connection) -> dict[str, tuple[int, ...]]:
    """world -> what of its clock may only rise."""
    rows = conn.execute(
        "select world_id, now_us, seq, hourly_seq, daily_seq, daily_us, c.version, published_seq"
        " from clock c join world using (world_key)"
    ).fetchall()
    return {world: tuple(values) for world, *values in rows}


def owed_in(conn: Connection) -> tuple[list[Any], list[Any], list[Any]]:
    """Commands that wait for `completed`, directives that wait for a tick, worlds with ticks that are not rung."""
    pending = conn.execute("select actor, id from command where pending").fetchall()
    waiting = conn.execute(
        "select world_id, d.name from directive d join world using (world_key)"
        " where status = 'active' and service = 'count'"
    ).fetchall()
    unrung = conn.execute("select world_key from clock where published_seq < seq").fetchall()
    return pending, waiting, unrung
