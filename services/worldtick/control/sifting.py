"""Sifting: of many records at once, those whose fate no world has a say in, audited and answered in one transaction.
Lives here: the dead, the unproved, the repeated, the late, those who may not. Not here: one record, deeds (hearing)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from worldtick.contracts.commands import Command, read_command
from worldtick.contracts.errors import Refused, Unreadable
from worldtick.contracts.wire import EventWriter
from worldtick.control.admitting import (
    Auth,
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
from worldtick.control.commands import CommandKind, Role, kind_named, refuse_unallowed
from worldtick.control.desk import Answered, Dead, Incoming
from worldtick.control.hurry import Hurry
from worldtick.control.proving import signature_in
from worldtick.control.rates import Rates
from worldtick.control.replies import Reply, outgoing
from worldtick.store.commands import Answer, Heard, Judged, find_all_decided, insert_judged
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.keys import KeyRow, find_keys
from worldtick.store.pastes import Place
from worldtick.store.worlds import World, find_worlds

TOGETHER_MIN: Final = 2  # one proved command alone is judged by itself sooner

Verdict = Answered | Dead


@dataclass(frozen=True, slots=True)
class _Read:
    """A record that is a command."""

    record: Incoming
    place: Place
    command: Command
    heard: Heard


@dataclass(slots=True)
class Sieve:
    """One batch. The order of the checks is the hearing's; what it does not keep is judged there, after it."""

    writer: EventWriter
    auth: Auth
    rates: Rates
    kinds: Mapping[str, CommandKind]
    hurry: Hurry
    _verdicts: dict[Place, Verdict] = field(default_factory=dict)
    _rows: list[Judged] = field(default_factory=list)

    def sift(self, pool: Pool, records: Sequence[tuple[Incoming, Place]]) -> Mapping[tuple[int, int], Verdict]:
        """Verdicts by partition and offset. Raises DatabaseAway, DatabaseBusy; then nothing is kept."""
        read = [each for record, place in records if (each := self._read(record, place)) is not None]
        with transaction(pool) as conn:
            keys = find_keys(conn, key_ids) if (key_ids := _key_ids(read)) else {}
            self.hurry.met_keys(keys)
            proved = [(each, role) for each in read if (role := self._proved(each, keys)) is not None]
            if len(proved) >= TOGETHER_MIN:
                self._check(conn, proved)
            self._insert(conn)
        return {(place.partition, place.offset): verdict for place, verdict in self._verdicts.items()}

    def _read(self, record: Incoming, place: Place) -> _Read | None:
        try:
            command = read_command(record.value)
        except Unreadable as dead:
            self._rows.append(Judged(place, heard_nothing(record), False, "dead", dead.reason, str(dead)[:1_000], None))
            self._verdicts[place] = Dead(dead.reason, str(dead))
            return None
        return _Read(record, place, command, heard_of(command))

    def _proved(self, each: _Read, keys: Mapping[str, KeyRow]) -> Role | None:
        """What its sender may do; of what is not proved, or beyond its sender's rate, none."""
        command = each.command
        try:
            role = role_of(keys.get, each.record, command) if self.auth == "signed" else "admin"
            if not self.rates.has(command.actor, time.monotonic()):
                raise too_many(command.actor, self.rates.per_minute)
        except Unproved as unproved:
            self._refuse(each, unproved.code, str(unproved), decisive=False)
            return None
        return role

    def _check(self, conn: Connection, proved: Sequence[tuple[_Read, Role]]) -> None:
        """Verdicts on what was decided before or is refused for certain."""
        commands = [each.command for each, _ in proved]
        decided = find_all_decided(conn, sorted({(command.actor, command.id) for command in commands}))
        worlds = find_worlds(conn, sorted({command.world for command in commands if command.world is not None}))
        seen: set[tuple[str, str]] = set()  # the first of an id decides
        for each, role in proved:
            named = (each.command.actor, each.command.id)
            if (first := decided.get(named)) is not None:
                self.hurry.met_decided(*named)
                self.rates.allows(each.command.actor, time.monotonic())
                self._repeat(each, first)
            elif named not in seen and (refused := self._refused(each, role, worlds)) is not None:
                self.rates.allows(each.command.actor, time.monotonic())
                self._refuse(each, getattr(refused, "code", "refused"), str(refused), decisive=True)
            seen.add(named)

    def _refused(self, each: _Read, role: Role, worlds: Mapping[str, World]) -> Refused | None:
        """What is certain whatever other commands do: a world that is there keeps its owner."""
        command = each.command
        try:
            refuse_late(command, each.record, time.time_ns() // 1_000, self.auth)
            world = worlds.get(command.world) if command.world is not None else None
            kind = kind_named(self.kinds, command.name)
            with self.hurry.noting_strangers(command):
                refuse_unallowed(kind, command.actor, role, world)
        except Refused as refused:
            return refused
        return None

    def _repeat(self, each: _Read, first: Answer) -> None:
        command = each.command
        if first.sha256 != each.heard.sha256:
            self._refuse(each, "id_taken", taken(command), decisive=False)
            return
        before = stored(first)
        self._rows.append(
            Judged(each.place, each.heard, False, "duplicate", None, None, columns(before), first.world_key)
        )
        reply = outgoing(before, command.world, command.actor, command.id, again=True)
        self._verdicts[each.place] = Answered("duplicate", reply)

    def _refuse(self, each: _Read, code: str, sentence: str, *, decisive: bool) -> None:
        command = each.command
        name = first_name(command) if decisive else name_of(each.place)
        reply: Reply = refusal(self.writer, command, name, code, sentence)
        row = Judged(each.place, each.heard, decisive, "refused", code, sentence[:1_000], columns(reply))
        self._rows.append(row)
        self._verdicts[each.place] = Answered("refused", outgoing(reply, command.world, command.actor, command.id))

    def _insert(self, conn: Connection) -> None:
        """What finds a row in its way was judged before, here or elsewhere: the hearing says it again."""
        inside = insert_judged(conn, self._rows) if self._rows else set()
        for row in self._rows:
            if row.fate != "dead" and row.place not in inside:
                del self._verdicts[row.place]


def _key_ids(read: Sequence[_Read]) -> list[str]:
    given = (signature_in(each.record.headers) for each in read)
    return sorted({signature.key_id for signature in given if signature is not None})
