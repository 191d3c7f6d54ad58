"""The observer's loop: read, count, dead-letter; then positions and counts in one SQL transaction.
Lives here: the order of the two systems' commits and starting over. Not here: what is counted (counting), Kafka (link).

Kafka is committed first (dead letters with the group's offsets), PostgreSQL second (positions with tallies). Neither
forgets what it did: a record is dead-lettered only at or after both places, and counted only at or after
PostgreSQL's. So after a crash in between the records are read again, counted once and not dead-lettered again."""

import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from psycopg import OperationalError

from worldtick.contracts.errors import Unavailable
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.observer.counting import Counted, Known, Seen, count
from worldtick.observer.link import Batch, Link
from worldtick.observer.link import Place as At
from worldtick.runtime.backoff import backoff_s
from worldtick.runtime.errors import Fenced
from worldtick.runtime.vitals import Vitals
from worldtick.store.accounts import (
    Key,
    Place,
    add_tallies,
    count_ledger,
    key_of,
    move_positions,
    raise_tallies,
    read_positions,
    read_tallies,
    set_tallies,
)
from worldtick.store.claims import take_slot
from worldtick.store.db import Connection, Pool, transaction, translated
from worldtick.store.standing import seqs_of
from worldtick.store.worlds import active_ids

log = logging.getLogger(__name__)

PROJECTION: Final = "observer"
WORLDS_SHOWN: Final = 20  # worlds whose markets have series of their own: the first ones
BEYOND_MAX: Final = 100  # worlds named whose rings lie beyond the tick table
BEAT_STALE_S: Final = 60.0


class Account(msgspec.Struct):
    """What became of the records read of one partition; it is committed with the offset."""

    passed: int = 0
    dead: int = 0


class _Stand(NamedTuple):
    """Where one partition stands in both systems."""

    place: Place | None  # None: never counted
    uuid: str
    dead_from: int  # records before it were dead-lettered where they had to be
    account: Account


class Room:
    """Reads, counts, publishes. One thread; any number of processes."""

    def __init__(self, link: Link, pool: Pool, registry: SchemaRegistry | None, vitals: Vitals) -> None:
        self._link = link
        self._pool = pool
        self._registry = registry
        self._vitals = vitals
        self._known = Known()
        self._beyond: set[str] = set()
        self._stands: dict[At, _Stand] = {}
        self._settled = False
        self._named = False  # whether our producer is of a slot that is ours
        self._keeper: Connection | None = None  # its session holds the slot
        self._slot = 0

    def run_until(self, stop: threading.Event, on_turn: Callable[[int], None] | None = None) -> None:
        """Work until `stop` is set; parts that are away are waited for, the group is left at the end."""
        failures = 0
        try:
            while not stop.is_set():
                self._vitals.beat("loop", BEAT_STALE_S)
                try:
                    done = self.turn()
                    failures = 0
                except (Fenced, Unavailable) as failed:
                    pause_s = backoff_s(failures)
                    failures += 1
                    self._settled = self._named = False
                    self._vitals.part(_part_of(failed), False, str(failed))
                    log.warning("observer_rewinds", extra={"error": str(failed), "again_in_s": pause_s})
                    stop.wait(pause_s)
                else:
                    self._vitals.part("kafka", True)
                    self._vitals.part("database", True)
                    if on_turn is not None:
                        on_turn(done)
        finally:
            self._link.close()
            self._let_keeper_go()

    def turn(self) -> int:
        """One batch, then some of the ledger; how many records were counted. Raises Fenced or Unavailable."""
        batch = self._link.poll()
        if batch.rebalanced:
            self._settled = False
        if not self._settled:
            self._settle()
            return 0  # records read before are read again, from where each partition stands
        done = self._take(batch) if batch.records else 0
        if done:
            self._vitals.mark("last_record")
        with transaction(self._pool) as conn:
            count_ledger(conn)
        return done

    def _settle(self) -> None:
        """Learn where each assigned partition stands in both systems, and read on from there."""
        if not self._named:
            self._link.renew(self._take_slot())
            self._named = True
        uuids = self._link.incarnations()
        committed = self._link.committed()
        with transaction(self._pool) as conn:
            positions = read_positions(conn, PROJECTION)
            markets = read_tallies(conn)
        self._beyond = {row["world"] for row, _ in markets.get("rung_beyond", ())}
        self._known.markets = {(row["world"], row["market"]) for row, _ in markets.get("market_price", ())}
        self._known.commodities = {row["commodity"] for row, _ in markets.get("markets_cleared", ())}
        self._stands = {}
        for at, (offset, text) in committed.items():
            uuid = uuids.get(at[0], "")
            place = positions.get(at)
            counted = place.offset if place is not None and place.topic_uuid == uuid else None
            self._stands[at] = _Stand(place, uuid, max(offset, counted or 0, 0), _account(text))
            self._link.seek(at, counted)
        self._settled = True

    def _take_slot(self) -> int:
        """The lowest number that no other observer has, ours as long as its session lives. Raises DatabaseAway."""
        with translated():
            if self._keeper is not None:
                try:
                    self._keeper.execute("select 1")
                    self._keeper.commit()
                    return self._slot
                except OperationalError:
                    self._let_keeper_go()
            self._keeper = self._pool.getconn()
            slot = take_slot(self._keeper, PROJECTION)
            self._keeper.commit()  # the lock is the session's
        if slot is None:
            raise Fenced("there are too many observers")
        self._slot = slot
        return slot

    def _let_keeper_go(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()  # which lets the slot go
            self._pool.putconn(keeper)

    def _take(self, batch: Batch) -> int:
        records = [seen for seen in batch.records if (seen.topic, seen.partition) in self._stands]
        self._meet_worlds()
        counted = count(records, self._known, self._registry)
        ends = {(seen.topic, seen.partition): seen.offset + 1 for seen in records}
        dead = [one for one in counted.dead if one.seen.offset >= self._stand(one.seen).dead_from]
        for seen in records:
            stand = self._stand(seen)
            if seen.offset >= stand.dead_from:
                stand.account.passed += 1
        for one in dead:
            account = self._stand(one.seen).account
            account.passed, account.dead = account.passed - 1, account.dead + 1
            where = {"topic": one.seen.topic, "partition": one.seen.partition, "offset": one.seen.offset}
            log.warning("record_dead_lettered", extra={**where, "reason": one.fault.reason, "error": str(one.fault)})
        offsets = {
            at: (max(end, self._stands[at].dead_from), msgspec.json.encode(self._stands[at].account).decode())
            for at, end in ends.items()
        }
        self._link.publish(dead, offsets, batch.group)
        self._store(counted, ends)
        return len(records)

    def _meet_worlds(self) -> None:
        """Worlds made meanwhile get series of their own, up to the bound."""
        if len(self._known.worlds) < WORLDS_SHOWN:
            with transaction(self._pool) as conn:
                self._known.worlds = frozenset(active_ids(conn, WORLDS_SHOWN))

    def _store(self, counted: Counted, ends: dict[At, int]) -> None:
        moves = []
        for at, end in ends.items():
            stand = self._stands[at]
            moves.append((stand.place, Place(at[0], stand.uuid, at[1], end)))
        with transaction(self._pool) as conn:
            if not move_positions(conn, PROJECTION, moves):
                raise Fenced("another observer has counted these records: begin again where it stands")
            add_tallies(conn, {_key(key): value for key, value in counted.added.items()})
            set_tallies(conn, {_key(key): value for key, value in counted.latest.items()})
            raise_tallies(conn, self._lost(counted.rings, seqs_of(conn, list(counted.rings))))
        for _, new in moves:
            at = (new.topic, new.partition)
            stand = self._stands[at]
            self._stands[at] = stand._replace(place=new, dead_from=max(stand.dead_from, new.offset))

    def _lost(self, rings: dict[str, int], sealed: dict[str, int]) -> dict[Key, float]:
        """Rings of ticks that the table does not have: whoever rang had sealed them, so the table has lost them."""
        lost = sorted((world, seq) for world, seq in rings.items() if seq > sealed.get(world, 0))
        for world, seq in lost:
            log.error("ring_beyond_table", extra={"world": world, "tick": seq, "sealed": sealed.get(world)})
        new = [world for world, _ in lost if world not in self._beyond]
        self._beyond.update(new[: max(0, BEYOND_MAX - len(self._beyond))])
        return {key_of("rung_beyond", world=world): seq for world, seq in lost if world in self._beyond}

    def _stand(self, seen: Seen) -> _Stand:
        return self._stands[seen.topic, seen.partition]


def _key(key: tuple[str, tuple[tuple[str, str], ...]]) -> Key:
    return key_of(key[0], **dict(key[1]))


def _account(text: str) -> Account:
    try:
        return msgspec.json.decode(text.encode(), type=Account) if text else Account()
    except msgspec.MsgspecError:
        return Account()  # somebody reset the offsets by hand: the count begins anew with them


def _part_of(failed: Exception) -> str:
    return "database" if type(failed).__module__ == "worldtick.store.errors" else "kafka"
