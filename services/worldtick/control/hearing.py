"""The hearing: one record of world.control after another, each proved, judged, done and answered in one transaction.
Lives here: the order of the checks, the row that makes each command once. Not here: what commands do (commands)."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from psycopg import ProgrammingError

from worldtick.clock.course import mode_of
from worldtick.clock.worldtime import format_world_time
from worldtick.contracts.commands import Command, read_command
from worldtick.contracts.errors import Faulty, Refused, Unavailable, Unreadable
from worldtick.control.admitting import (
    Auth,
    Coded,
    Unproved,
    columns,
    first_name,
    heard_nothing,
    heard_of,
    name_of,
    refusal,
    refuse_late,
    role_of,
    stored,
    taken,
    too_many,
)
from worldtick.control.commands import (
    Call,
    CommandKind,
    Done,
    Reach,
    Role,
    commands_of,
    kind_named,
    perform,
    refuse_unallowed,
    sent_by,
)
from worldtick.control.desk import Answered, Dead, Incoming
from worldtick.control.hurry import Hurry
from worldtick.control.rates import Rates
from worldtick.control.replies import outgoing, reply_of
from worldtick.control.scenario import NO_DEFAULTS, Defaults
from worldtick.control.sifting import Sieve
from worldtick.sealing.draft import Catalogue
from worldtick.sealing.steering import course_of
from worldtick.store.clocks import Clock, lock_clocks
from worldtick.store.commands import Answer, Heard, Owed, find_answer, find_decided, insert_heard, save_fate
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.keys import KeyRow, find_key
from worldtick.store.pastes import Place
from worldtick.store.worlds import World, find_world

log = logging.getLogger(__name__)

SIFTED_MIN: Final = 2  # one record alone is judged sooner than sifted
BURST_PER_MINUTE: Final = 6  # a minute's commands over this: so many may come at once


@dataclass(frozen=True, slots=True)
class Manners:
    """What a deployment says of commands."""

    auth: Auth = "none"
    per_minute: int = 6_000  # of one actor
    defaults: Defaults = field(default_factory=lambda: NO_DEFAULTS)


class Hearing:
    """Answers commands. One for each process of control."""

    def __init__(self, pool: Pool, catalogue: Catalogue, manners: Manners, reach: Reach | None = None) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._manners = manners
        self._reach = reach or Reach()
        self._writer = self._reach.writer
        self._known = commands_of(catalogue)
        self._rates = Rates(manners.per_minute, max(1, manners.per_minute // BURST_PER_MINUTE))
        self._hurry = Hurry(manners.auth)

    def sift(self, records: Sequence[Incoming]) -> Mapping[tuple[int, int], Answered | Dead]:
        """The verdicts, by partition and offset, that need no world: of a flood, nearly all. Raises as judge does."""
        if len(records) < SIFTED_MIN:
            return {}
        sieve = Sieve(self._writer, self._manners.auth, self._rates, self._known, self._hurry)
        try:
            return sieve.sift(self._pool, [(record, self._place(record)) for record in records])
        except (Unavailable, ProgrammingError):
            raise
        except Exception:  # each is judged by itself then, so that what is at fault is found
            log.exception("sifting_failed", extra={"records": len(records)})
            return {}

    def hurries(self, record: Incoming) -> bool:
        """Whether it should be judged at once: it seems to be a command that may be done."""
        return self._hurry.may_be_done(record)

    def judge(self, record: Incoming) -> Answered | Dead:
        """Answer a command, or say why its record is dead. Raises DatabaseAway, DatabaseBusy."""
        for last in (False, True):
            try:
                return self._judge(record)
            except (Unavailable, ProgrammingError):
                raise
            except Exception as fault:  # one command that meets a fault of ours must not stop all others
                if last:
                    log.exception("judging_failed", extra={"topic": record.topic, "offset": record.offset})
                    said = f"a fault of worldtick, twice: {type(fault).__name__}: {fault}".replace("\0", "?")
                    self._audit_dead(record, Unreadable("fault", said))
                    return Dead("fault", said)
        raise AssertionError("two tries, and neither ended")

    def _judge(self, record: Incoming) -> Answered | Dead:
        place = self._place(record)
        try:
            command = read_command(record.value)
        except Unreadable as dead:
            self._audit_dead(record, dead)
            return Dead(dead.reason, str(dead))
        with transaction(self._pool) as conn:
            if (known := find_answer(conn, place)) is not None:
                return self._again(conn, known, command)
            return self._hear(conn, record, place, command)

    def _place(self, record: Incoming) -> Place:
        return Place(self._reach.prefix + record.topic, record.partition, record.offset, record.stamp_ms)

    def _audit_dead(self, record: Incoming, dead: Unreadable) -> None:
        with transaction(self._pool) as conn:
            key = insert_heard(conn, self._place(record), heard_nothing(record), False)
            if key is not None:
                save_fate(conn, key, "dead", dead.reason, str(dead)[:1_000], None)

    def _hear(self, conn: Connection, record: Incoming, place: Place, command: Command) -> Answered:
        heard = heard_of(command)
        try:
            role = self._proved(conn, record, command)
        except Unproved as unproved:
            refused = _inserted(insert_heard(conn, place, heard, False))
            return self._refuse(conn, refused, command, name_of(place), unproved.code, str(unproved), ())
        self._hurry.met_decided(command.actor, command.id)
        key = insert_heard(conn, place, heard, True)
        if key is None:
            return self._repeated(conn, place, heard, command)
        return self._decide(conn, key, record, command, role)

    def _proved(self, conn: Connection, record: Incoming, command: Command) -> Role:
        """What the sender may do. Raises Unproved."""
        role: Role = "admin"
        if self._manners.auth == "signed":
            role = role_of(partial(self._key, conn), record, command)
        if not self._rates.allows(command.actor, time.monotonic()):
            raise too_many(command.actor, self._manners.per_minute)
        return role

    def _key(self, conn: Connection, key_id: str) -> KeyRow | None:
        if (key := find_key(conn, key_id)) is not None:
            self._hurry.met_keys({key_id: key})
        return key

    def _repeated(self, conn: Connection, place: Place, heard: Heard, command: Command) -> Answered:
        """The id was decided before: the same reply, and nothing is done; another command under it is refused."""
        first = find_decided(conn, command.actor, command.id)
        if first is None:  # the row in the way was this very record's, from another member: the group moves us on
            raise Refused("this record was just judged elsewhere")
        key = _inserted(insert_heard(conn, place, heard, False))
        if first.sha256 != heard.sha256:
            return self._refuse(conn, key, command, name_of(place), "id_taken", taken(command), ())
        said_before = stored(first)
        save_fate(conn, key, "duplicate", None, None, columns(said_before), first.world_key)
        return Answered("duplicate", outgoing(said_before, command.world, command.actor, command.id, again=True))

    def _decide(self, conn: Connection, key: int, record: Incoming, command: Command, role: Role) -> Answered:
        wall_us = time.time_ns() // 1_000
        name = first_name(command)
        world: World | None = None
        try:
            refuse_late(command, record, wall_us, self._manners.auth)
            kind = kind_named(self._known, command.name)
            world = find_world(conn, command.world) if command.world else None
            with self._hurry.noting_strangers(command):
                refuse_unallowed(kind, command.actor, role, world)
            call = self._call(conn, kind, command, role, world, wall_us)
            with conn.transaction(force_rollback=command.dry_run):  # a refusal half-way leaves nothing behind
                before = call.clock.seq if call.clock else 0
                done = perform(kind, call, command.args)
        except Faulty as faulty:
            return self._refuse(conn, key, command, name, "invalid", str(faulty), faulty.faults)
        except Refused as refused:
            return self._refuse(conn, key, command, name, getattr(refused, "code", "refused"), str(refused), ())
        return self._accept(conn, key, command, call, done, before, name)

    def _call(
        self, conn: Connection, kind: CommandKind, command: Command, role: Role, world: World | None, wall_us: int
    ) -> Call:
        clock: Clock | None = None
        if kind.needs_world:
            if command.world is None or world is None:
                raise Coded("unknown_world", f"{kind.name} is about a world, and there is none {command.world or ''!r}")
            (clock,) = lock_clocks(conn, [world.world_key])
            if clock.status != "active":
                raise Coded("archived", f"world {world.world_id!r} is {clock.status}: nothing moves it any more")
            if command.expected_version not in (None, clock.version):
                said = f"the clock has version {clock.version}, and {command.expected_version} was expected"
                raise Coded("version_conflict", said)
        elif kind.name == "world.create" and command.world is None:
            raise Coded("unknown_world", "world.create needs the id of the world to be")
        return self._call_by(conn, kind, command, role, world, wall_us, clock)

    def _call_by(
        self,
        conn: Connection,
        kind: CommandKind,
        command: Command,
        role: Role,
        world: World | None,
        wall_us: int,
        clock: Clock | None = None,
    ) -> Call:
        defaults, about = self._manners.defaults, command.world or ""
        return Call(
            conn, self._catalogue, kind.name, about, command.actor, role, wall_us, world, clock, defaults, self._reach
        )

    def _again(self, conn: Connection, known: Answer, command: Command) -> Answered | Dead:
        """What this very record was answered before, and what went out with that: neither did surely."""
        if known.reply is None:
            return Dead("fault", "the record was judged before and has no reply")
        reply = outgoing(stored(known), command.world, command.actor, command.id, known.fate == "duplicate")
        if known.fate != "accepted" or command.dry_run or command.name not in self._known:
            return Answered("again", reply)
        kind = self._known[command.name]
        world = find_world(conn, command.world) if command.world else None
        call = self._call_by(conn, kind, command, "admin", world, time.time_ns() // 1_000)
        try:
            return Answered("again", reply, known.world_key, sent_by(kind, call, command.args))
        except Refused as gone:
            log.error("not_sent_again", extra={"command_id": command.id, "actor": command.actor, "error": str(gone)})
            return Answered("again", reply, known.world_key)

    def _accept(
        self, conn: Connection, key: int, command: Command, call: Call, done: Done, before: int, name: str
    ) -> Answered:
        clock = call.clock
        waits = (done.seq, done.until_us, done.directive_id, done.stored_seq)
        owed = None
        if any(each is not None for each in waits) and clock is not None and not command.dry_run:
            owed = Owed(before, *waits)
        data = {
            "command_id": command.id,
            "actor": command.actor,
            "name": command.name,
            "status": "accepted",
            "world": command.world,
            "message": done.message,
            "dry_run": command.dry_run,
            "changed": done.changed,
            "version": clock.version if clock else None,
            "tick": done.seq,
            "tick_id": done.tick_id,
            "directive_id": None if command.dry_run else done.directive_id,
            "completes": owed is not None,
            "simulation_complete": done.complete,
            **(_standing(clock) if clock else {}),
        }
        reply = reply_of(self._writer, name, call.wall_us, data)
        world_key = clock.world_key if clock else None
        save_fate(conn, key, "accepted", None, done.message, columns(reply), world_key, owed)
        said = outgoing(reply, command.world, command.actor, command.id)
        if command.dry_run:
            return Answered("accepted", said)
        return Answered("accepted", said, world_key if done.seals else None, done.sends)

    def _refuse(
        self,
        conn: Connection,
        key: int,
        command: Command,
        name: str,
        code: str,
        sentence: str,
        faults: tuple[str, ...],
    ) -> Answered:
        reply = refusal(self._writer, command, name, code, sentence, faults)
        save_fate(conn, key, "refused", code, sentence[:1_000], columns(reply))
        return Answered("refused", outgoing(reply, command.world, command.actor, command.id))


def _standing(clock: Clock) -> dict[str, Any]:
    """What a reply says of a clock."""
    target_us = clock.target_us
    return {
        "game_time": format_world_time(clock.now_us, clock.epoch_s),
        "mode": mode_of(course_of(clock)).value,
        "target": None if target_us is None else format_world_time(target_us, clock.epoch_s),
    }


def _inserted(key: int | None) -> int:
    if key is None:
        raise LookupError("this record was just judged by another member")
    return key
