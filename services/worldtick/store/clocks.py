"""Clocks: where each world stands, and the lock under which it is moved.
Lives here: rows of `clock`, and how far the services are behind them. Not here: which tick comes next (clock)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worldtick.store.db import Connection

_STANDS = """
select c.epoch_s, c.driver, c.paused, c.hourly, c.daily, c.period_us, c.last_firing_us, c.catch_up, c.catch_up_max,
       c.facts, c.lag_ticks, c.now_us, c.daily_us, c.seq, c.hourly_seq, c.daily_seq,
"""
_SEALING = (
    _STANDS
    + "w.world_key, w.world_id, w.status, w.seed, w.services, w.budgets, w.settings"
    + " from clock c join world w using (world_key)"
)
_VIEWS = _STANDS + "c.published_seq, c.rung_at, c.world_key from clock c where c.world_key = any(%s)"
_FIND = _SEALING + " where w.status = 'active' and c.driver = 'scheduled' and not c.paused"
_FIND_ALL = _FIND + " and c.world_key > %(after)s order by c.world_key limit %(limit)s"
_FIND_SOME = _FIND + " and c.world_key = any(%(keys)s) and c.world_key > %(after)s order by c.world_key limit %(limit)s"
_LOCK = _SEALING + " where c.world_key = any(%s) order by c.world_key for update of c"


@dataclass(slots=True)
class Stands:
    """Where a clock stands and what drives it. World times in us since the epoch, firings in Unix us."""

    epoch_s: int
    driver: str
    paused: bool
    hourly: bool
    daily: bool
    period_us: int
    last_firing_us: int
    catch_up: str
    catch_up_max: int
    facts: str
    lag_ticks: int
    now_us: int
    daily_us: int
    seq: int
    hourly_seq: int
    daily_seq: int


@dataclass(slots=True)
class Clock(Stands):
    """One world as whoever seals it needs it."""

    world_key: int
    world: str
    status: str
    seed: int
    services: list[str]
    budgets: dict[str, dict[str, int]]
    settings: dict[str, dict[str, Any]]


@dataclass(slots=True)
class ClockView(Stands):
    """What people see of a clock."""

    published_seq: int
    rung_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewClock:
    """What a world's clock is created from."""

    epoch_s: int
    driver: str
    hourly: bool
    daily: bool
    period_us: int
    last_firing_us: int
    catch_up: str
    catch_up_max: int
    facts: str
    lag_ticks: int


def insert_clock(conn: Connection, world_key: int, new: NewClock) -> None:
    """A clock at world time 0, seq 0."""
    conn.execute(
        "insert into clock (world_key, epoch_s, driver, hourly, daily, period_us, last_firing_us, catch_up,"
        " catch_up_max, facts, lag_ticks) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            world_key,
            new.epoch_s,
            new.driver,
            new.hourly,
            new.daily,
            new.period_us,
            new.last_firing_us,
            new.catch_up,
            new.catch_up_max,
            new.facts,
            new.lag_ticks,
        ),
    )


def find_view(conn: Connection, world_key: int) -> ClockView | None:
    """One clock, unlocked, for display."""
    return find_views(conn, [world_key]).get(world_key)


def find_views(conn: Connection, keys: Sequence[int]) -> dict[int, ClockView]:
    """Clocks by their worlds' keys, unlocked, for display."""
    rows = conn.execute(_VIEWS, (list(keys),)).fetchall()
    return {row[-1]: ClockView(*row[:-1]) for row in rows}


def find_driven(conn: Connection, keys: Sequence[int] | None, after: int, limit: int) -> list[Clock]:
    """Clocks that tickers drive: active, scheduled, not paused; a page in order of their keys, unlocked."""
    parameters = {"keys": list(keys or ()), "after": after, "limit": limit}
    rows = conn.execute(_FIND_ALL if keys is None else _FIND_SOME, parameters).fetchall()
    return [Clock(*row) for row in rows]


def lock_clocks(conn: Connection, keys: Sequence[int]) -> list[Clock]:
    """The clocks of these worlds, locked in order of their keys until the transaction ends."""
    return [Clock(*row) for row in conn.execute(_LOCK, (list(keys),)).fetchall()]


def save_clocks(conn: Connection, clocks: Sequence[Clock]) -> None:
    """Write back the positions of clocks that this transaction has locked."""
    conn.execute(
        "update clock c set now_us = n.now_us, daily_us = n.daily_us, seq = n.seq, hourly_seq = n.hourly_seq,"
        " daily_seq = n.daily_seq, period_us = n.period_us, last_firing_us = n.last_firing_us"
        " from unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],"
        " %s::bigint[]) as n (world_key, now_us, daily_us, seq, hourly_seq, daily_seq, period_us, last_firing_us)"
        " where c.world_key = n.world_key",
        (
            [clock.world_key for clock in clocks],
            [clock.now_us for clock in clocks],
            [clock.daily_us for clock in clocks],
            [clock.seq for clock in clocks],
            [clock.hourly_seq for clock in clocks],
            [clock.daily_seq for clock in clocks],
            [clock.period_us for clock in clocks],
            [clock.last_firing_us for clock in clocks],
        ),
    )


def unfinished(conn: Connection, keys: Sequence[int]) -> list[tuple[int, str, int]]:
    """(world key, service, seq of the first tick of its stream that it has not finished), one row a service.

    A service that has finished all there is has no row. Dead counts as finished: it raises the version.
    """
    return conn.execute(
        """
        select s.world_key, s.service, min(t.seq)
          from slice s
          join clock c using (world_key)
          join lateral (
              select t.seq from tick t
               where t.world_key = s.world_key
                 and case s.stream when 'all' then t.seq = s.version + 1
                     when 'hourly' then t.kind = 2 and t.kind_seq = s.version + 1
                     else t.kind = 3 and t.kind_seq = s.version + 1 end
               limit 1) t on true
         where s.world_key = any(%s)
           and s.version < case s.stream when 'all' then c.seq when 'hourly' then c.hourly_seq else c.daily_seq end
         group by s.world_key, s.service
         order by s.world_key, s.service
        """,
        (list(keys),),
    ).fetchall()
