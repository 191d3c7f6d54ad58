"""Commands for tests: a hearing that is sent them, what it says, and the worlds they are about.
Lives here: what tests of commands share. Not here: control on Kafka (control_rooms), worlds (small_worlds)."""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.small_worlds import CATALOGUE
from worldtick.contracts.wire import EventWriter
from worldtick.control.commands import Reach
from worldtick.control.completing import complete
from worldtick.control.desk import Answered, Dead, Incoming, Outgoing
from worldtick.control.hearing import Hearing, Manners
from worldtick.control.proving import (
    SIGNATURE_HEADER,
    key_id_of,
    new_private_key,
    public_bytes,
    sign,
)
from worldtick.store.clocks import ClockView, find_view
from worldtick.store.db import Pool, transaction
from worldtick.store.keys import insert_key
from worldtick.store.worlds import World, find_world

T0_MS = 1_700_000_000_000
WRITER = EventWriter()


class Court:
    """A hearing that is sent commands, each a record of its own."""

    def __init__(self, pool: Pool, reach: Reach | None = None, **manners: Any) -> None:
        self.pool = pool
        self.hearing = Hearing(pool, CATALOGUE, Manners(**manners), reach)
        self.offset = 0

    def raw(self, value: bytes | None, headers: Any = None, offset: int | None = None) -> Answered | Dead:
        """What a record comes to."""
        self.offset += 1 if offset is None else 0
        at = self.offset if offset is None else offset
        return self.hearing.judge(Incoming("world.control", 0, at, T0_MS, None, value, headers))

    def ask(self, name: str, args: Any = None, key: Ed25519PrivateKey | None = None, **more: Any) -> dict[str, Any]:
        """The reply to a command."""
        value = command(name, args, **more)
        headers = [(SIGNATURE_HEADER, sign(key, value).encode())] if key else None
        return said(self.raw(value, headers))


def command(name: str, args: Any = None, **more: Any) -> bytes:
    """A command's bytes; issued now by ann, about w, under an id of its own."""
    fields = {"id": secrets.token_hex(8), "actor": "ann", "world": "w", "issued_at": datetime.now(UTC).isoformat()}  # noqa: TID251
    return json.dumps({**fields, "name": name, "args": args or {}, **more}).encode()


def said(verdict: Answered | Dead) -> dict[str, Any]:
    """A reply's data."""
    assert isinstance(verdict, Answered), verdict
    data = json.loads(verdict.reply.value or b"")["data"]
    assert isinstance(data, dict)
    return data


def world(pool: Pool) -> World:
    """The world w."""
    with transaction(pool) as conn:
        found = find_world(conn, "w")
    assert found is not None
    return found


def clock(pool: Pool) -> ClockView:
    """Its clock."""
    with transaction(pool) as conn:
        found = find_view(conn, world(pool).world_key)
    assert found is not None
    return found


def key_of(pool: Pool, actor: str, role: str) -> Ed25519PrivateKey:
    """A new key of an actor."""
    key = new_private_key()
    with transaction(pool) as conn:
        insert_key(conn, key_id_of(public_bytes(key)), actor, role, public_bytes(key))
    return key


def completed(pool: Pool) -> list[dict[str, Any]]:
    """What is said to be completed now."""
    found: list[dict[str, Any]] = []

    def publish(records: Sequence[Outgoing]) -> None:
        found.extend(json.loads(record.value or b"")["data"] for record in records)

    complete(pool, WRITER, T0_MS * 1_000, publish)
    return found


def finish(pool: Pool, seq: int) -> None:
    """All services of all worlds have finished what there is, for a world whose ticks are all hourly."""
    with transaction(pool) as conn:
        conn.execute("update slice set version = case stream when 'daily' then 0 else %s end", (seq,))
