"""Services as control sees them: slices that finish ticks, sooner or later, and an agenda that says its next timer.
Lives here: stand-ins. Not here: steps, events, workers, which the other simulation has."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from pydantic import BaseModel

from tests.small_worlds import COUNT
from worldtick.clock.worldtime import HOUR_US
from worldtick.sealing.timers import NEXT_TIMER
from worldtick.store.db import Connection
from worldtick.store.ledger import copy_facts

TIMER_EVERY_US = 5 * HOUR_US
LAST_TIMER_US = 40 * HOUR_US


class Skip(BaseModel):
    """Arguments of what sealing asks of an agenda."""

    before_us: int = 0


def next_timer(now_us: int) -> Mapping[str, Mapping[str, int]]:
    """The agenda's fact at a world time."""
    next_us = (now_us // TIMER_EVERY_US + 1) * TIMER_EVERY_US
    return {NEXT_TIMER: {"us": next_us} if next_us <= LAST_TIMER_US else {"over": 1}}


AGENDA = replace(
    COUNT,
    name="agenda",
    directives={"timer_skip": Skip, "complete": Skip},
    reads_facts=(),
    writes_facts=(NEXT_TIMER,),
    first_facts=lambda section, seed, slice_no: next_timer(0),
)


def finish(conn: Connection, share: float) -> None:
    """Every slice finishes this share of what it has before it; agendas say what is next."""
    rows = conn.execute(
        "update slice s set version = s.version + ceil(%s * (case s.stream when 'all' then c.seq"
        " when 'hourly' then c.hourly_seq else c.daily_seq end - s.version)) from clock c"
        " where c.world_key = s.world_key and s.version < case s.stream when 'all' then c.seq"
        " when 'hourly' then c.hourly_seq else c.daily_seq end returning s.world_key, s.service, s.version",
        (share,),
    ).fetchall()
    copy_facts(conn, [_fact(conn, key, version) for key, service, version in sorted(rows) if service == AGENDA.name])


def _fact(conn: Connection, world_key: int, version: int) -> tuple[int, str, int, int, bytes]:
    row: Any = conn.execute(
        "select slot_us from tick where world_key = %s and seq = %s", (world_key, version)
    ).fetchone()
    return world_key, AGENDA.name, 0, version, msgspec.msgpack.encode(next_timer(row[0]))
