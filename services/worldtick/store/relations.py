"""Relations between factions as SQL readers see them: rows of `relation`.
Lives here: how each pair stands, how it came there. Not here: writing them (the ledger's commit)."""

from typing import NamedTuple

from worldtick.store.db import Connection

ROWS_MAX = 20_000


class RelationRow(NamedTuple):
    """One pair after one of its changes; the score in thousandths of a point."""

    seq: int
    slot_us: int  # world time
    faction_a: str
    faction_b: str
    state: str
    score_milli: int
    reason: str


def standing_relations(conn: Connection, world_key: int) -> list[RelationRow]:
    """The newest row of each pair, in order; at most ROWS_MAX."""
    rows = conn.execute(
        "select distinct on (faction_a, faction_b) seq, slot_us, faction_a, faction_b, state, score_milli, reason"
        " from relation where world_key = %s order by faction_a, faction_b, seq desc limit %s",
        (world_key, ROWS_MAX),
    ).fetchall()
    return [RelationRow(*row) for row in rows]


def relation_history(conn: Connection, world_key: int, limit: int) -> list[RelationRow]:
    """A world's newest changes, oldest first; at most `limit`. First rows of pairs are no changes."""
    rows = conn.execute(
        "select seq, slot_us, faction_a, faction_b, state, score_milli, reason from relation"
        " where world_key = %s and reason <> 'genesis' order by seq desc, faction_a, faction_b limit %s",
        (world_key, limit),
    ).fetchall()
    return [RelationRow(*row) for row in reversed(rows)]
