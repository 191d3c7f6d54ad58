"""Keys of those who may command.
Lives here: rows of `control_key`. Not here: making keys and checking signatures (control/proving)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from worldtick.store.db import Connection

LIST_MAX = 1_000
_COLUMNS = "key_id, actor, role, public_key, created_at, revoked_at"


class KeyRow(NamedTuple):
    """A public key and what its holder may do."""

    key_id: str
    actor: str
    role: str
    public_key: bytes
    created_at: datetime
    revoked_at: datetime | None


def insert_key(conn: Connection, key_id: str, actor: str, role: str, public_key: bytes) -> None:
    """A new key."""
    conn.execute(
        "insert into control_key (key_id, actor, role, public_key) values (%s, %s, %s, %s)",
        (key_id, actor, role, public_key),
    )


def find_key(conn: Connection, key_id: str) -> KeyRow | None:
    """One key, revoked or not."""
    row = conn.execute(
        f"select {_COLUMNS} from control_key where key_id = %s",  # noqa: S608
        (key_id,),
    ).fetchone()
    return KeyRow(*row) if row else None


def find_keys(conn: Connection, key_ids: Sequence[str]) -> dict[str, KeyRow]:
    """Those of these keys that there are, revoked or not."""
    rows = conn.execute(f"select {_COLUMNS} from control_key where key_id = any(%s)", (list(key_ids),))  # noqa: S608
    return {row[0]: KeyRow(*row) for row in rows}


def list_keys(conn: Connection, actor: str | None) -> list[KeyRow]:
    """Keys by actor, oldest first; at most LIST_MAX."""
    rows = conn.execute(
        f"select {_COLUMNS} from control_key where %s::text is null or actor = %s"  # noqa: S608
        " order by actor, created_at, key_id limit %s",
        (actor, actor, LIST_MAX),
    ).fetchall()
    return [KeyRow(*row) for row in rows]


def revoke_key(conn: Connection, key_id: str) -> bool:
    """From now on nothing signed with it counts; False if it was revoked already, or there is none."""
    return (
        conn.execute(
            "update control_key set revoked_at = now() where key_id = %s and revoked_at is null", (key_id,)
        ).rowcount
        == 1
    )
