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
    said: Mapping[str, Any] = field(default_factory=dict, compare=False)  # the reply's data


def heard_of(conn: Connection) -> list[Heard]:
    """All of it, in the order in which it was judged."""
    rows = conn.execute(
        'select command_key, partition, "offset", actor, id, name, world_id, decisive, fate, code, reply, reply_id,'
        " from_seq, until_us, directive_id, pending from command order by command_key"
    ).fetchall()
    return [Heard(*row, said=json.loads(row[10])["data"] if row[10] is not None else {}) for row in rows]


def ticks_of(conn: Connection, world_key: int) -> list[SealedTick]:
    """A world's ticks, in order."""
    rows = conn.execute("select body from tick where world_key = %s order by seq", (world_key,)).fetchall()
    return [decode_sealed(row[0]) for row in rows]
