"""Clocks: where each world stands, and the lock under which it is moved.
Lives here: rows of `clock`, and how far the services are behind them. Not here: which tick comes next (clock)."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, astuple, dataclass, fields
from datetime import datetime
from typing import Any

from worldtick.store.db import Connection
from worldtick.store.notices import CLOCKS_CHANNEL


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
    _: KW_ONLY
    scale_ppb: int = 1_000_000_000
    interval_us: int = 1_000_000
    turn_us: int | None = None
    in_flight_max: int = 16
    lag_policy: str = "wait"
    lag_us_max: int = 60_000_000
    pace_us: int = 0
    owed_ppb: int = 0
    anchor_us: int = 0
    target_us: int | None = None
    due_us: int | None = None
    version: int = 1


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
    """What a world's clock is created from; the same names as the columns."""

    epoch_s: int
    hourly: bool
    daily: bool
    period_us: int
    last_firing_us: int
    catch_up: str
    catch_up_max: int
    facts: str
    lag_ticks: int
    driver: str
    scale_ppb: int
    interval_us: int
    turn_us: int | None
    in_flight_max: int
    lag_policy: str
    lag_us_max: int
    anchor_us: int
    due_us: int | None


def _names(record: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _columns(names: Sequence[str]) -> str:
    return ", ".join(f"c.{name}" for name in names)


_STANDS = _names(Stands)
_CLOCK = (*_STANDS, "world_key", "world", "status", "seed", "services", "budgets", "settings")
_SEALING = (
    f"select {_columns(_STANDS)}, w.world_key, w.world_id, w.status, w.seed, w.services, w.budgets, w.settings"  # noqa: S608
    " from clock c join world w using (world_key)"
)
_VIEW = (*_STANDS, "published_seq", "rung_at")
_VIEWS = f"select {_columns(_VIEW)}, c.world_key from clock c where c.world_key = any(%s)"  # noqa: S608
_FIND = _SEALING + " where w.status = 'active' and c.driver = 'scheduled' and not c.paused"
_FIND_ALL = _FIND + " and c.world_key > %(after)s order by c.world_key limit %(limit)s"
_FIND_SOME = _FIND + " and c.world_key = any(%(keys)s) and c.world_key > %(after)s order by c.world_key limit %(limit)s"
_LOCK = _SEALING + " where c.world_key = any(%s) order by c.world_key for update of c"
_CLAIM = (
    _SEALING
    + " where c.due_us <= %(at)s and w.status = 'active' and not c.paused"
    + " and (%(keys)s::int[] is null or c.world_key = any(%(keys)s))"
    + " order by c.due_us limit %(limit)s for update of c skip locked"
)
_CLAIM_THESE = (
    _SEALING
    + " where c.world_key = any(%s) and c.due_us is not null and w.status = 'active' and not c.paused"
    + " for update of c skip locked"
)
_NEW = _names(NewClock)
_INSERT = f"insert into clock (world_key, {', '.join(_NEW)}) values (%s{', %s' * len(_NEW)})"  # noqa: S608
_POSITION = (  # what ticks move
    "now_us", "daily_us", "seq", "hourly_seq", "daily_seq", "period_us", "last_firing_us", "pace_us", "owed_ppb",
    "anchor_us", "target_us", "due_us",
)  # fmt: skip
_SAVE = (
    f"update clock c set {', '.join(f'{name} = n.{name}' for name in _POSITION)}"  # noqa: S608
    f" from unnest(%s::int[]{', %s::bigint[]' * len(_POSITION)}) as n (world_key, {', '.join(_POSITION)})"
    " where c.world_key = n.world_key"
)
_COURSE = (  # what commands change
    "driver", "paused", "last_firing_us", "scale_ppb", "interval_us", "turn_us", "in_flight_max", "lag_policy",
    "lag_us_max", "pace_us", "owed_ppb", "anchor_us", "target_us", "due_us", "version",
)  # fmt: skip
_STEER = f"update clock set {', '.join(f'{name} = %s' for name in _COURSE)} where world_key = %s"  # noqa: S608


def insert_clock(conn: Connection, world_key: int, new: NewClock) -> None:
    """A clock at world time 0, seq 0."""
    conn.execute(_INSERT, (world_key, *astuple(new)))


def find_view(conn: Connection, world_key: int) -> ClockView | None:
    """One clock, unlocked, for display."""
    return find_views(conn, [world_key]).get(world_key)


def epoch_of(conn: Connection, world_key: int) -> int:
    """Unix seconds of a world's time 0; 0 if the world was just removed."""
    view = find_view(conn, world_key)
    return view.epoch_s if view is not None else 0


def find_views(conn: Connection, keys: Sequence[int]) -> dict[int, ClockView]:
    """Clocks by their worlds' keys, unlocked, for display."""
    rows = conn.execute(_VIEWS, (list(keys),)).fetchall()
    return {row[-1]: ClockView(**dict(zip(_VIEW, row[:-1], strict=True))) for row in rows}


def find_driven(conn: Connection, keys: Sequence[int] | None, after: int, limit: int) -> list[Clock]:
    """Clocks that tickers drive: active, scheduled, not paused; a page in order of their keys, unlocked."""
    parameters = {"keys": list(keys or ()), "after": after, "limit": limit}
    rows = conn.execute(_FIND_ALL if keys is None else _FIND_SOME, parameters).fetchall()
    return [_clock(row) for row in rows]


def lock_clocks(conn: Connection, keys: Sequence[int]) -> list[Clock]:
    """The clocks of these worlds, locked in order of their keys until the transaction ends."""
    return [_clock(row) for row in conn.execute(_LOCK, (list(keys),)).fetchall()]


def claim_due(conn: Connection, at_us: int, keys: Sequence[int] | None, limit: int) -> list[Clock]:
    """Clocks that a ticker has to look at by a wall time, longest due first, locked; those locked by others are left
    to them. keys: only of these worlds; None: of all."""
    parameters = {"at": at_us, "keys": keys if keys is None else list(keys), "limit": limit}
    return [_clock(row) for row in conn.execute(_CLAIM, parameters).fetchall()]


def claim_these(conn: Connection, keys: Sequence[int]) -> list[Clock]:
    """The same of named worlds, whenever they are due."""
    return [_clock(row) for row in conn.execute(_CLAIM_THESE, (list(keys),)).fetchall()]


def first_due_us(conn: Connection, keys: Sequence[int] | None) -> int | None:
    """The wall time at which the next world is due, of these or of all; None: none is."""
    row = conn.execute(
        "select min(due_us) from clock where due_us is not null and (%s::int[] is null or world_key = any(%s))",
        (keys if keys is None else list(keys), keys if keys is None else list(keys)),
    ).fetchone()
    return row[0] if row else None


def _clock(row: Sequence[Any]) -> Clock:
    return Clock(**dict(zip(_CLOCK, row, strict=True)))


def save_clocks(conn: Connection, clocks: Sequence[Clock]) -> None:
    """Write back the positions of clocks that this transaction has locked."""
    conn.execute(_SAVE, [[getattr(clock, name) for clock in clocks] for name in ("world_key", *_POSITION)])


def save_course(conn: Connection, clock: Clock) -> None:
    """Write back how a locked clock runs, after a command, and tell the tickers."""
    conn.execute(_STEER, [*(getattr(clock, name) for name in _COURSE), clock.world_key])
    conn.execute(f"notify {CLOCKS_CHANNEL}")


def wake_clocks(conn: Connection, keys: Sequence[int], at_us: int) -> None:
    """Let a ticker look at these worlds at a wall time (Unix us), or before, as something new waits for them."""
    conn.execute(
        "update clock set due_us = least(due_us, %s) where world_key = any(%s) and driver = 'event' and not paused",
        (at_us, list(keys)),
    )
    conn.execute(f"notify {CLOCKS_CHANNEL}")


def stop_clock(conn: Connection, world_key: int) -> None:
    """No ticker has to look at this world any more; it was archived."""
    conn.execute("update clock set due_us = null where world_key = %s", (world_key,))


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
