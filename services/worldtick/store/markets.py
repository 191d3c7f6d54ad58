"""Markets as SQL readers see them: rows of `market_state`.
Lives here: the newest of each market, a world's whole table. Not here: writing them (the ledger's commit)."""

from typing import NamedTuple

from worldtick.store.db import Connection

ROWS_MAX = 200_000


class MarketRow(NamedTuple):
    """One market after one tick; prices in price ticks of 0.01."""

    seq: int
    slot_us: int  # world time
    market_id: str
    commodity: str
    district: str
    price_ticks: int
    volume: int


def newest_markets(conn: Connection, world_key: int) -> list[MarketRow]:
    """The markets of a world after the last tick that has any, in order."""
    rows = conn.execute(
        "select seq, slot_us, market_id, commodity, district, price_ticks, volume from market_state"
        " where world_key = %s and seq = (select max(seq) from market_state where world_key = %s) order by market_id",
        (world_key, world_key),
    ).fetchall()
    return [MarketRow(*row) for row in rows]


def all_markets(conn: Connection, world_key: int) -> list[MarketRow]:
    """A world's rows in order of ticks and markets; at most ROWS_MAX."""
    rows = conn.execute(
        "select seq, slot_us, market_id, commodity, district, price_ticks, volume from market_state"
        " where world_key = %s order by seq, market_id limit %s",
        (world_key, ROWS_MAX),
    ).fetchall()
    return [MarketRow(*row) for row in rows]
