"""Deliberate bugs in control: each takes out one clause of how a command is done once and answered once.
Lives here: what each changes. Not here: how soon it is found (test_command_mutants), what finds it (promises)."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast
from unittest.mock import patch

from tests.simulation.commands.plan import crowded, forced, interleaved, unlucky
from tests.simulation.commands.run import Mutant
from tests.simulation.commands.seams import Seams
from tests.simulation.kafka import Group, Transaction
from worldtick.contracts.wire import EventWriter
from worldtick.control import admitting, completing, hearing, room
from worldtick.control.desk import Answered, Incoming, Outgoing, Verdict, worlds_to_ring
from worldtick.control.hearing import Hearing
from worldtick.control.link import Place as LogPlace
from worldtick.control.room import Account, Room
from worldtick.sealing import seal
from worldtick.store import commands
from worldtick.store.clocks import Clock, lock_clocks
from worldtick.store.commands import Answer, Heard, Owed, Pending, insert_heard, take_pending
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.pastes import Place

Spoil = Callable[[], AbstractContextManager[Any]]


class Altered:
    """A connection whose statements or savepoints are other ones."""

    def __init__(self, conn: Connection, rewrite: Callable[[str], str] = lambda text: text, keep: bool = False) -> None:
        self._conn, self._rewrite, self._keep = conn, rewrite, keep

    def execute(self, text: str, *args: Any) -> Any:
        """The statement, rewritten."""
        return self._conn.execute(self._rewrite(text).encode(), *args)

    def transaction(self, force_rollback: bool = False) -> Any:
        """A savepoint; `keep`: one that is never rolled back to."""
        return nullcontext() if self._keep else self._conn.transaction(force_rollback=force_rollback)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)


def replaced(owner: Any, name: str, other: Any) -> Spoil:
    """One name of a module or class stands for something else."""
    return lambda: patch.object(owner, name, other)


def _records_not_keyed() -> AbstractContextManager[Any]:
    """The row has a number of its own instead of its record's place."""
    numbers = itertools.count()

    def place(self: Hearing, record: Incoming) -> Place:
        return Place(record.topic, record.partition, record.offset, next(numbers))

    return patch.object(Hearing, "_place", place)


def _undecisive(conn: Connection, place: Place, heard: Heard, decisive: bool) -> int | None:
    return insert_heard(conn, place, heard, False)


def _own_id_only(command: Any) -> bytes:
    return b"the same whatever it asks"


def _effect_apart() -> AbstractContextManager[Any]:
    """The effect is committed before its fate."""
    accept = Hearing._accept

    def apart(self: Hearing, conn: Connection, *rest: Any) -> Answered:
        conn.commit()
        seams_of(self._pool).reach("effect apart")
        return accept(self, conn, *rest)

    return patch.object(Hearing, "_accept", apart)


def seams_of(pool: Pool) -> Seams:
    """The seams of a simulated pool."""
    seams = cast(Any, pool).seams
    assert isinstance(seams, Seams)
    return seams


def _dry_run_kept() -> AbstractContextManager[Any]:
    """A dry run rolls nothing back."""
    decide = Hearing._decide

    def kept(self: Hearing, conn: Connection, key: int, record: Incoming, command: Any, role: Any) -> Answered:
        altered = cast(Connection, Altered(conn, keep=True)) if command.dry_run else conn
        return decide(self, altered, key, record, command, role)

    return patch.object(Hearing, "_decide", kept)


def _half_a_refusal() -> AbstractContextManager[Any]:
    """A command that is refused half-way leaves the first half."""
    decide = Hearing._decide

    def kept(self: Hearing, conn: Connection, key: int, record: Incoming, command: Any, role: Any) -> Answered:
        return decide(self, cast(Connection, Altered(conn, keep=not command.dry_run)), key, record, command, role)

    return patch.object(Hearing, "_decide", kept)


def _unlocked(conn: Connection, keys: Sequence[int]) -> list[Clock]:
    return lock_clocks(cast(Connection, Altered(conn, lambda text: text.replace(" for update of c", ""))), keys)


def _take_unlocked(conn: Connection, limit: int) -> list[Pending]:
    bare = Altered(conn, lambda text: text.replace(" for update of c skip locked", ""))
    return take_pending(cast(Connection, bare), limit)


def _marked_first(pool: Pool, writer: EventWriter, wall_us: int, publish: Callable[[Sequence[Outgoing]], None]) -> int:
    """`completed` is published after the commit that says it was."""
    kept: list[Outgoing] = []
    said = completing.complete(pool, writer, wall_us, kept.extend)
    if kept:
        publish(kept)
    return said


def _without_version(command: Any) -> Any:
    return command.model_copy(update={"expected_version": None})


def _version_ignored() -> AbstractContextManager[Any]:
    call = Hearing._call

    def any_version(self: Hearing, conn: Connection, kind: Any, command: Any, *rest: Any) -> Any:
        return call(self, conn, kind, _without_version(command), *rest)

    return patch.object(Hearing, "_call", any_version)


def _rings_of_pastes(verdicts: Sequence[Verdict]) -> list[int]:
    return worlds_to_ring([verdict for verdict in verdicts if not isinstance(verdict, Answered)])


def _again_unrung() -> AbstractContextManager[Any]:
    again = Hearing._again

    def unrung(self: Hearing, conn: Connection, known: Answer, command: Any) -> Any:
        verdict = again(self, conn, known, command)
        return replace(verdict, rings=None) if isinstance(verdict, Answered) else verdict

    return patch.object(Hearing, "_again", unrung)


class OffsetsFirst(Room):
    """Offsets in a transaction before that of the replies."""

    def _publish(self, rings: Sequence[Outgoing]) -> None:
        said, self._unsaid = [*rings, *self._unsaid], []
        super()._publish([])
        if said:
            self._link.publish(said, {}, None)


class RepliesFirst(Room):
    """Replies in a transaction before that of the offsets."""

    def _publish(self, rings: Sequence[Outgoing]) -> None:
        said, self._unsaid = [*rings, *self._unsaid], []
        if said:
            self._link.publish(said, {}, None)
        super()._publish([])


class SqlLast(Room):
    """Replies and offsets go out before the SQL transaction of their commands commits."""

    def __init__(self, link: Any, desk: Any, pool: Pool, writer: Any, hearing: Hearing) -> None:
        super().__init__(link, desk, pool, writer, hearing=hearing)
        self._held_back = HeldBack(pool)
        hearing._pool = cast(Pool, self._held_back)

    def _turn(self, wait: Any) -> int:
        with self._held_back.until_the_end():
            return super()._turn(wait)


class HeldBack:
    """A pool whose transactions are one, committed at the end of a turn."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._conn: Connection | None = None

    @contextmanager
    def until_the_end(self) -> Iterator[None]:
        """A turn."""
        with transaction(self._pool) as self._conn:
            self._conn.execute("select 1")  # so that what comes within is a savepoint
            yield

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """What is a transaction otherwise: a savepoint."""
        assert self._conn is not None
        with self._conn.transaction():
            yield self._conn


class NothingForgotten(Room):
    """What a failed turn had in hand is kept."""

    def _forget(self) -> None:
        pass


class AccountsInMemory(Room):
    """Accounts begin anew with each process."""

    def _load_accounts(self, places: set[LogPlace]) -> None:
        for place in places:
            self._accounts.setdefault(place, Account())


def _any_generation(transaction: Transaction, group: Group, member: int, generation: int, offsets: Any) -> bool:
    return sends(transaction, group, group.members[0], group.generation, offsets) if group.members else False


sends = Transaction.send_offsets


def _nothing_unfinished(conn: Connection, keys: Sequence[int]) -> list[tuple[int, str, int]]:
    return []


def _nothing_noted(conn: Connection, carried: Sequence[tuple[int, int]]) -> None:
    pass


def _never_owed() -> AbstractContextManager[Any]:
    """A refused or dry run owes nothing; here nothing is owed at all."""
    save_fate = commands.save_fate

    def save(conn: Connection, key: int, fate: str, code: Any, sentence: Any, reply: Any, *rest: Any) -> None:
        kept: Mapping[bool, Sequence[Any]] = {True: (*rest[:1], None), False: rest}
        save_fate(conn, key, fate, code, sentence, reply, *kept[len(rest) > 1 and isinstance(rest[1], Owed)])

    return patch.object(hearing, "save_fate", save)


MUTANTS = (
    Mutant("records_not_keyed", "a command's row is keyed by its record", _records_not_keyed),
    Mutant("id_not_decisive", "one id of an actor is done once", replaced(hearing, "insert_heard", _undecisive)),
    Mutant("meaning_ignored", "an id is refused to another command", replaced(admitting, "meaning", _own_id_only)),
    Mutant("effect_apart", "effect, row and reply are one SQL transaction", _effect_apart),
    Mutant("sql_last", "that transaction commits before the reply goes out", room=SqlLast),
    Mutant("offsets_first", "replies and offsets are one Kafka transaction", room=OffsetsFirst),
    Mutant("replies_first", "the same, the other way round", room=RepliesFirst),
    Mutant(
        "not_fenced",
        "a former owner commits nothing",
        replaced(Transaction, "send_offsets", _any_generation),
        circumstances=crowded,
    ),
    Mutant("nothing_forgotten", "after a failure all that is in hand is dropped", room=NothingForgotten),
    Mutant("accounts_in_memory", "the account goes with the offset", room=AccountsInMemory),
    Mutant(
        "marked_first",
        "`completed` is published before it is marked",
        replaced(room, "complete", _marked_first),
        circumstances=unlucky,
    ),
    Mutant(
        "two_complete",
        "one process says each `completed`",
        replaced(completing, "take_pending", _take_unlocked),
        circumstances=crowded,
    ),
    Mutant(
        "early", "services have finished what is completed", replaced(completing, "unfinished", _nothing_unfinished)
    ),
    Mutant(
        "carried_not_noted", "sealing notes who waits for a directive", replaced(seal, "note_carried", _nothing_noted)
    ),
    Mutant("never_owed", "what needs a tick owes `completed`", _never_owed),
    Mutant("dry_run_kept", "a dry run changes nothing", _dry_run_kept),
    Mutant("half_a_refusal", "a refused command changes nothing", _half_a_refusal),
    Mutant("version_ignored", "expected_version is what the clock has", _version_ignored),
    Mutant(
        "unlocked",
        "commands wait for the world's lock",
        replaced(hearing, "lock_clocks", _unlocked),
        circumstances=interleaved,
    ),
    Mutant(
        "force_not_rung", "a forced tick is rung with its reply", replaced(room, "worlds_to_ring", _rings_of_pastes)
    ),
    Mutant("again_not_rung", "also when it is said again", _again_unrung, circumstances=forced),
)
