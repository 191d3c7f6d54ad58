"""The desk: one record of a tick topic after another, each with its verdict; pastes are sealed here, in SQL.
Lives here: records, verdicts, the paste's transaction. Not here: a paste's meaning (pasted), commands (hearing)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from psycopg import ProgrammingError

from worldtick.clock.moves import Standing
from worldtick.contracts.errors import Unavailable, Unreadable
from worldtick.contracts.headers import Headers, traceparent_in
from worldtick.contracts.rings import Unsealed, decode_paste, decode_ring
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.sealed import KIND_NUMBER
from worldtick.contracts.ticks import PastedTick
from worldtick.control.bridging import bridge, refuse_missing
from worldtick.control.pasted import (
    GAP_SLOTS_MAX,
    Target,
    is_past,
    kind_of,
    name_of,
    past_sentence,
    refuse_gap,
    target_of,
)
from worldtick.sealing.draft import Catalogue
from worldtick.sealing.seal import standing_of
from worldtick.store.clocks import Clock, lock_clocks
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.pastes import Paste, Place, find_named, find_paste, insert_paste
from worldtick.store.ticks import find_slot, find_tick
from worldtick.store.worlds import active_ids, keys_of

log = logging.getLogger(__name__)


class Incoming(NamedTuple):
    """A record as control reads it; the topic is named without the deployment's prefix."""

    topic: str
    partition: int
    offset: int
    stamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None


@dataclass(frozen=True, slots=True)
class Passed:
    """A sealed ring: not control's."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A paste that is in the tick log; what of its world is not on Kafka is rung with the offset."""

    world_key: int
    seq: int


@dataclass(frozen=True, slots=True)
class Again:
    """A paste that was sealed before, under another offset: nothing more happens."""

    world_key: int
    seq: int


@dataclass(frozen=True, slots=True)
class Dead:
    """A record for the dead-letter topic."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A paste that must wait until services have finished; ticks on the way to it may have been sealed."""

    world_key: int
    services: tuple[str, ...]


class Outgoing(NamedTuple):
    """A record to publish; the topic is named without the deployment's prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Answered:
    """A command with its reply."""

    fate: str  # accepted, refused, duplicate; again: this very record was answered before
    reply: Outgoing
    rings: int | None = None  # the world of which it sealed ticks
    sends: Sequence[Outgoing] = ()  # what goes out with the reply


Verdict = Passed | Sealed | Again | Dead | Waits | Answered


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment says of pastes."""

    pastes: bool = True
    default_world: str | None = None
    gap_slots_max: int = GAP_SLOTS_MAX
    prefix: str = ""


class Desk:
    """Gives each record its verdict."""

    def __init__(self, pool: Pool, catalogue: Catalogue, rules: Rules, registry: SchemaRegistry | None = None) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._rules = rules
        self._registry = registry

    def judge(self, record: Incoming) -> Verdict:
        """Pass a sealed ring, seal a paste, or say why a record is dead. Raises DatabaseAway, DatabaseBusy."""
        try:
            decode_ring(record.value, self._registry)
        except Unsealed:
            return self._judge_paste(record)
        except Unreadable as dead:
            return Dead(dead.reason, str(dead))
        return Passed()

    def _judge_paste(self, record: Incoming) -> Verdict:
        for last in (False, True):
            try:
                return self._judge_once(record)
            except (
                Unavailable,
                ProgrammingError,
            ):  # the second: tables that are missing or old, for every record alike
                raise
            except Unreadable as dead:  # left the transaction by rolling back: nothing of it was sealed
                return Dead(dead.reason, str(dead))
            except Exception as fault:  # one record that meets a fault of ours must not stop all others
                if last:
                    log.exception("judging_failed", extra={"topic": record.topic, "offset": record.offset})
                    return Dead("fault", f"a fault of worldtick, twice: {type(fault).__name__}: {fault}")
        raise AssertionError("two tries, and neither ended")

    def _judge_once(self, record: Incoming) -> Verdict:
        if not self._rules.pastes:
            raise Unreadable("pastes_off", "pasted ticks are off here (WORLDTICK_PASTE); send a command instead")
        paste = decode_paste(record.value, self._registry)
        kind_of(record.topic, paste)
        with transaction(self._pool) as conn:
            return self._seal(conn, record, paste)

    def _seal(self, conn: Connection, record: Incoming, paste: PastedTick) -> Verdict:
        place = Place(self._rules.prefix + record.topic, record.partition, record.offset, record.stamp_ms)
        if (known := find_paste(conn, place)) is not None:
            return Sealed(*known)
        clock = self._locked(conn, record, paste)
        if (known := find_paste(conn, place)) is not None:  # sealed while we waited for the lock
            return Sealed(*known)
        refuse_missing(clock, self._catalogue)
        named = UUID(name) if (name := name_of(paste)) else None
        if named is not None and (same := _sealed_as(conn, clock.world_key, named)) is not None:
            return Again(*same)
        standing = standing_of(clock)
        target = target_of(standing, kind_of(record.topic, paste), paste, clock.paused)
        if is_past(standing, target):
            return _past(conn, clock, standing, target, named)
        refuse_gap(standing, target, self._rules.gap_slots_max)
        cause = f"{place.topic}/{place.partition}/{place.offset}" + (f" {name}" if name else "")
        return self._advance(conn, clock, target, paste, record, place, cause, named)

    def _advance(
        self,
        conn: Connection,
        clock: Clock,
        target: Target,
        paste: PastedTick,
        record: Incoming,
        place: Place,
        cause: str,
        named: UUID | None,
    ) -> Verdict:
        """Seal every tick up to the target, or as many as may be now."""
        by = paste.data.triggered_by or "manual"
        late = bridge(conn, self._catalogue, clock, target, by, cause, traceparent_in(record.headers))
        if late is not None:
            return Waits(clock.world_key, late)
        insert_paste(conn, place, Paste(clock.world_key, clock.seq), named)
        return Sealed(clock.world_key, clock.seq)

    def _locked(self, conn: Connection, record: Incoming, paste: PastedTick) -> Clock:
        """The clock of the paste's world, locked. Unreadable: unknown_world, archived, no_world, which_world."""
        world = paste.data.world or _world_in_key(conn, record.key) or self._default(conn)
        found = None if "\0" in world else keys_of(conn, [world]).get(world)  # PostgreSQL's text holds no NUL
        if found is None:
            raise Unreadable("unknown_world", f"there is no world {world!r}")
        clocks = lock_clocks(conn, [found[0]])
        if not clocks or clocks[0].status != "active":
            raise Unreadable("archived", f"world {world!r} is archived")
        return clocks[0]

    def _default(self, conn: Connection) -> str:
        if self._rules.default_world is not None:
            return self._rules.default_world
        active = active_ids(conn, 2)
        if not active:
            raise Unreadable("no_world", "there is no active world; `worldtick world create` makes one")
        if len(active) > 1:
            raise Unreadable(
                "which_world", 'there are several worlds: say "world" in data, or set WORLDTICK_DEFAULT_WORLD'
            )
        return active[0]


def _world_in_key(conn: Connection, key: bytes | None) -> str | None:
    """The world that a record's key names; a key that names none says nothing."""
    try:
        text = (key or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text and "\0" not in text and keys_of(conn, [text]) else None


def _sealed_as(conn: Connection, world_key: int, named: UUID) -> Paste | None:
    """What a paste or tick of this id is in the log: ids are checked before "past"."""
    if (paste := find_named(conn, world_key, [named])) is not None:
        return paste
    seq = find_tick(conn, world_key, named)
    return Paste(world_key, seq) if seq is not None else None


def _past(conn: Connection, clock: Clock, standing: Standing, target: Target, named: UUID | None) -> Verdict:
    """A paste known by its slot alone is the tick that stands there; any other is dead."""
    seq = find_slot(conn, clock.world_key, KIND_NUMBER[target.kind], target.slot_us) if named is None else None
    return Again(clock.world_key, seq) if seq is not None else Dead("past", past_sentence(standing, target))


def worlds_to_ring(verdicts: Sequence[Verdict]) -> list[int]:
    """Keys of worlds with ticks that may not be on Kafka."""
    keys = {verdict.world_key for verdict in verdicts if isinstance(verdict, Sealed | Waits)}
    answered = {verdict.rings for verdict in verdicts if isinstance(verdict, Answered) and verdict.rings is not None}
    return sorted(keys | answered)
