"""Commands: one row for each record of world.control, its reply, and what is owed of it.
Lives here: rows of `command`. Not here: what a command does (control), the directives that it queues (directives)."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import NamedTuple

from worldtick.store.db import Connection
from worldtick.store.pastes import Place

LIST_MAX = 1_000
KEEP_DAYS = 30  # well beyond the longest life of a command, so that no replay finds its row gone
DELETE_MAX = 10_000
# A slice that is well and whose stored state is older than the tick of c.stored_seq. What is pruned counts as none.
_UNSTORED = (
    "select from slice s where s.world_key = c.world_key and s.status = 0"
    " and coalesce(s.snapshot_version, s.genesis_version) < case s.stream when 'all' then c.stored_seq"
    "  else coalesce((select t.kind_seq from tick t where t.world_key = c.world_key"
    "        and t.kind = case s.stream when 'hourly' then 2 else 3 end and t.seq <= c.stored_seq"
    "        order by t.kind_seq desc limit 1), 0) end"
)
_READY = (
    "select c.command_key, c.actor, c.id, c.name, c.world_id, c.world_key, c.from_seq, c.seq, c.until_us,"  # noqa: S608
    " w.status, k.seq, k.now_us, k.epoch_s, c.stored_seq from command c join world w using (world_key)"
    " join clock k using (world_key) where c.pending"
    " and (w.status <> 'active' or (c.seq is not null and k.seq >= c.seq)"
    "      or (c.seq is null and c.until_us is not null and k.now_us >= c.until_us)"
    f"      or (c.stored_seq is not null and not exists ({_UNSTORED})))"
    " order by c.command_key limit %s for update of c skip locked"
)
_ANSWER = "command_key, actor, id, name, world_id, world_key, sha256, fate, reply, reply_id, said_at"
_INSERT_JUDGED = """
insert into command (topic, partition, "offset", stamp_ms, actor, id, name, world_id, sha256, decisive, fate, code,
  sentence, reply, reply_id, said_at, world_key)
select * from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::bytea[], %s::boolean[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::int[])
on conflict do nothing returning topic, partition, "offset", stamp_ms"""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a record said of itself; None where it could not be read."""

    actor: str | None
    command_id: str | None
    name: str | None
    world_id: str | None
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Owed:
    """What `completed` waits for: a tick, or first a world time or a directive; or states stored after a tick."""

    from_seq: int
    seq: int | None = None
    until_us: int | None = None
    directive_id: int | None = None
    stored_seq: int | None = None


class Answer(NamedTuple):
    """A row that has a reply; or None where the record was dead-lettered."""

    command_key: int
    actor: str | None
    command_id: str | None
    name: str | None
    world_id: str | None
    world_key: int | None
    sha256: bytes
    fate: str
    reply: bytes | None
    reply_id: str | None
    said_at: str | None


class Judged(NamedTuple):
    """A whole row of a record that asks nothing of any world."""

    place: Place
    heard: Heard
    decisive: bool
    fate: str
    code: str | None
    sentence: str | None
    reply: tuple[bytes, str, str] | None  # value, event id, timestamp
    world_key: int | None = None


class Pending(NamedTuple):
    """A command that was accepted and is not completed, with where its world stands."""

    command_key: int
    actor: str
    command_id: str
    name: str
    world_id: str
    world_key: int
    from_seq: int
    seq: int | None
    until_us: int | None
    status: str
    clock_seq: int
    now_us: int
    epoch_s: int
    stored_seq: int | None


class Audited(NamedTuple):
    """A row for people."""

    command_key: int
    heard_at: datetime
    actor: str | None
    command_id: str | None
    name: str | None
    world_id: str | None
    fate: str
    code: str | None
    sentence: str | None
    pending: bool
    seq: int | None


def find_answer(conn: Connection, place: Place) -> Answer | None:
    """What this very record was answered."""
    row = conn.execute(
        f"select {_ANSWER} from command"  # noqa: S608
        ' where topic = %s and partition = %s and "offset" = %s and stamp_ms = %s',
        place,
    ).fetchone()
    return Answer(*row) if row else None


def find_all_decided(conn: Connection, named: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Answer]:
    """The one answer to each of these (actor, id) that was decided."""
    rows = conn.execute(
        f"select {_ANSWER} from command join unnest(%s::text[], %s::text[]) as n (actor, id) using (actor, id)"  # noqa: S608
        " where decisive",
        ([actor for actor, _ in named], [command_id for _, command_id in named]),
    ).fetchall()
    return {(answer.actor or "", answer.command_id or ""): answer for answer in (Answer(*row) for row in rows)}


def find_decided(conn: Connection, actor: str, command_id: str) -> Answer | None:
    """The one answer to an actor's id."""
    row = conn.execute(
        f"select {_ANSWER} from command where actor = %s and id = %s and decisive",  # noqa: S608
        (actor, command_id),
    ).fetchone()
    return Answer(*row) if row else None


def insert_heard(conn: Connection, place: Place, heard: Heard, decisive: bool) -> int | None:
    """The row of a record, to be judged; None if this record, or a decisive one of this id, has a row.

    One of this id that is being judged elsewhere is waited for.
    """
    row = conn.execute(
        'insert into command (topic, partition, "offset", stamp_ms, actor, id, name, world_id, sha256, decisive, fate)'
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'judging') on conflict do nothing returning command_key",
        (*place, heard.actor, heard.command_id, heard.name, heard.world_id, heard.sha256, decisive),
    ).fetchone()
    return row[0] if row else None


def save_fate(
    conn: Connection,
    command_key: int,
    fate: str,
    code: str | None,
    sentence: str | None,
    reply: tuple[bytes, str, str] | None,
    world_key: int | None = None,
    owed: Owed | None = None,
) -> None:
    """What came of a record. reply: (value, event id, timestamp)."""
    value, reply_id, said_at = reply or (None, None, None)
    waits = astuple(owed) if owed else (None,) * len(fields(Owed))
    conn.execute(
        "update command set fate = %s, code = %s, sentence = %s, reply = %s, reply_id = %s, said_at = %s,"
        " world_key = %s, from_seq = %s, seq = %s, until_us = %s, directive_id = %s, stored_seq = %s, pending = %s"
        " where command_key = %s",
        (fate, code, sentence, value, reply_id, said_at, world_key, *waits, owed is not None, command_key),
    )


def insert_judged(conn: Connection, judged: Sequence[Judged]) -> set[Place]:
    """Records with what came of them, all at once; those that are in now. Others had a row, or their id had one."""
    rows = [
        (
            *(*row.place, row.heard.actor, row.heard.command_id, row.heard.name, row.heard.world_id, row.heard.sha256),
            *(row.decisive, row.fate, row.code, row.sentence, *(row.reply or (None, None, None)), row.world_key),
        )
        for row in judged
    ]
    found = conn.execute(_INSERT_JUDGED, [list(column) for column in zip(*rows, strict=True)]).fetchall()
    return {Place(*row) for row in found}


def note_carried(conn: Connection, carried: Sequence[tuple[int, int]]) -> None:
    """(directive, seq of the tick that carries it): commands that queued one of them now wait for that tick."""
    conn.execute(
        "update command c set seq = n.seq from unnest(%s::bigint[], %s::bigint[]) as n (directive_id, seq)"
        " where c.directive_id = n.directive_id and c.pending and c.directive_id is not null and c.seq is null",
        ([directive for directive, _ in carried], [seq for _, seq in carried]),
    )


def take_pending(conn: Connection, limit: int) -> list[Pending]:
    """The longest owed, locked; those that another process looks at are left to it."""
    rows = conn.execute(_READY, (limit,)).fetchall()
    return [Pending(*row) for row in rows]


def seq_reaching(conn: Connection, world_key: int, until_us: int, after: int) -> int | None:
    """The first tick beyond seq `after` that ends at a world time or later."""
    row = conn.execute(
        "select min(seq) from tick where world_key = %s and seq > %s and slot_us >= %s", (world_key, after, until_us)
    ).fetchone()
    return row[0] if row else None


def save_completed(conn: Connection, completed: Sequence[tuple[int, int | None]]) -> None:
    """(command, seq of the tick that completed it): nothing is owed any more."""
    conn.execute(
        "update command c set pending = false, completed_at = now(), seq = coalesce(n.seq, c.seq)"
        " from unnest(%s::bigint[], %s::bigint[]) as n (command_key, seq) where c.command_key = n.command_key",
        ([key for key, _ in completed], [seq for _, seq in completed]),
    )


def list_commands(
    conn: Connection, world_id: str | None, actor: str | None, fate: str | None, before: int | None, limit: int
) -> list[Audited]:
    """The newest first; at most LIST_MAX."""
    given = {"world": world_id, "actor": actor, "fate": fate, "before": before, "limit": min(limit, LIST_MAX)}
    rows = conn.execute(
        "select command_key, heard_at, actor, id, name, world_id, fate, code, sentence, pending, seq from command"
        " where (%(world)s::text is null or world_id = %(world)s) and (%(actor)s::text is null or actor = %(actor)s)"
        " and (%(fate)s::text is null or fate = %(fate)s)"
        " and (%(before)s::bigint is null or command_key < %(before)s)"
        " order by command_key desc limit %(limit)s",
        given,
    ).fetchall()
    return [Audited(*row) for row in rows]


def count_fates(conn: Connection) -> dict[str, int]:
    """fate -> number of records."""
    return dict(conn.execute("select fate, count(*) from command group by fate").fetchall())


def delete_old(conn: Connection) -> int:
    """Remove some of what is older than KEEP_DAYS and owed nothing; how many rows."""
    return conn.execute(
        "delete from command where command_key in (select command_key from command"
        " where heard_at < now() - make_interval(days => %s) and not pending order by heard_at limit %s)",
        (KEEP_DAYS, DELETE_MAX),
    ).rowcount
