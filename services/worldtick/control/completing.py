"""Completing: what was accepted and needed a tick is said to be done, once its services have finished that tick.
Lives here: which commands are, and their reply. Not here: accepting (hearing), when this is looked at (room)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from worldtick.clock.worldtime import format_world_time
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Outgoing
from worldtick.control.replies import outgoing, reply_of
from worldtick.sealing.draft import AGENDA
from worldtick.sealing.timers import said_by
from worldtick.store.clocks import unfinished
from worldtick.store.commands import Pending, save_completed, seq_reaching, take_pending
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.timers import agendas_of, count_fates

PENDING_MAX: Final = 500  # looked at together


def complete(pool: Pool, writer: EventWriter, wall_us: int, publish: Callable[[Sequence[Outgoing]], None]) -> int:
    """Publish what is owed of commands whose ticks are finished; how many. Raises what `publish` raises.

    The rows are locked until it is published: one process says each. If it dies between the two commits, it is said
    again, with the same event id.
    """
    with transaction(pool) as conn:
        done: list[tuple[int, int | None]] = []
        records: list[Outgoing] = []
        pending = take_pending(conn, PENDING_MAX)
        late: dict[int, int] = {}
        for key, _, first in unfinished(conn, sorted({row.world_key for row in pending})) if pending else ():
            late[key] = min(first, late.get(key, first))
        for row in pending:
            seq = row.seq if row.seq is not None else _reached(conn, row)
            if row.status == "active" and row.stored_seq is None and _is_late(row, seq, late):
                continue
            records.append(_completed(conn, row, seq, writer, wall_us))
            done.append((row.command_key, seq))
        if done:
            publish(records)
            save_completed(conn, done)
    return len(done)


def _is_late(row: Pending, seq: int | None, late: Mapping[int, int]) -> bool:
    """Whether some service has not finished the tick yet."""
    return seq is None or late.get(row.world_key, seq + 1) <= seq


def _reached(conn: Connection, row: Pending) -> int | None:
    if row.stored_seq is not None:
        return row.stored_seq
    if row.until_us is None:
        return None
    seq = seq_reaching(conn, row.world_key, row.until_us, row.from_seq)
    return seq if seq is not None else row.clock_seq  # its tick was pruned meanwhile: it is long done


def _completed(conn: Connection, row: Pending, seq: int | None, writer: EventWriter, wall_us: int) -> Outgoing:
    ended = row.status != "active"
    fates = count_fates(conn, row.world_key, row.from_seq + 1, seq or row.clock_seq)
    data = {
        "command_id": row.command_id,
        "actor": row.actor,
        "name": row.name,
        "status": "completed",
        "world": row.world_id,
        "message": f"the world is {row.status}" if ended else _said(row),
        "tick": seq,
        "game_time": format_world_time(row.now_us, row.epoch_s),
        "events_executed": fates["fired"],
        "events_skipped": fates["skipped"],
        "next_event_time": _next_event(conn, row),
    }
    reply = reply_of(writer, f"{row.actor}/{row.command_id}/completed", wall_us, data)
    return outgoing(reply, row.world_id, row.actor, row.command_id)


def _said(row: Pending) -> str:
    if row.stored_seq is not None:
        return "the states of all slices that are well are stored"
    return "all services have finished its tick"


def _next_event(conn: Connection, row: Pending) -> str | None:
    for agenda in agendas_of(conn, [row.world_key], AGENDA):
        if (next_us := said_by(agenda).get("us")) is not None:
            return format_world_time(next_us, row.epoch_s)
    return None
