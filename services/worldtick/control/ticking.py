"""Ticks by command: the next boundary, or a slot that is named, sealed now in the command's own transaction.
Lives here: their arguments, what is refused. Not here: what a slot means (pasted), sealing up to it (bridging)."""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from worldtick.clock.moves import BoundaryKind
from worldtick.contracts.envelope import Ordinal
from worldtick.contracts.errors import Refused, Unreadable
from worldtick.contracts.ids import tick_id
from worldtick.contracts.sealed import KIND_NUMBER
from worldtick.contracts.stamps import Stamp
from worldtick.contracts.ticks import GameHour, PastedTick
from worldtick.control.bridging import bridge, refuse_missing
from worldtick.control.pasted import GAP_SLOTS_MAX, Target, is_past, past_sentence, refuse_gap, target_of
from worldtick.sealing.draft import Catalogue
from worldtick.sealing.seal import standing_of
from worldtick.store.clocks import Clock
from worldtick.store.db import Connection
from worldtick.store.ticks import find_slot


class Force(BaseModel):
    """Seal the next boundary's tick now, paused or not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: BoundaryKind = "hourly"


class Manual(BaseModel):
    """Seal the tick of a slot, and what lies before it, as a pasted tick does; no slot: the next one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick_type: BoundaryKind = "hourly"
    game_time: Stamp | None = Field(None, description="World time as a date: the slot.")
    game_day: Ordinal | None = Field(None, description="The slot's day from 1, with game_hour.")
    game_hour: GameHour | None = None


class SealedNow(NamedTuple):
    """The tick that was asked for."""

    kind: BoundaryKind
    tick_id: str
    seq: int
    fresh: bool  # False: that slot was sealed before


def seal_asked(conn: Connection, catalogue: Catalogue, clock: Clock, asked: Force | Manual) -> SealedNow:
    """Seal the tick that is asked for, for a locked clock, with every tick on the way to it.

    A slot that is sealed already is that tick. Raises Refused: for a slot in the past or too far ahead, or where
    services must finish first; then the caller rolls back what was sealed on the way.
    """
    paste = PastedTick.model_validate({"data": asked.model_dump(exclude={"kind"}, exclude_none=True)})
    kind = asked.kind if isinstance(asked, Force) else asked.tick_type
    try:
        refuse_missing(clock, catalogue)
        standing = standing_of(clock)
        target = target_of(standing, kind, paste, clock.paused)
        if is_past(standing, target):
            return _before(conn, clock, target)
        refuse_gap(standing, target, GAP_SLOTS_MAX)
    except Unreadable as refused:
        raise Refused(str(refused)) from refused
    late = bridge(conn, catalogue, clock, target)
    if late is not None:
        raise Refused(
            f"{', '.join(late)} must finish first: try again under another id, or let the clock advance, which waits"
        )
    return SealedNow(kind, tick_id(clock.world, target.kind, target.slot_us), clock.seq, True)


def _before(conn: Connection, clock: Clock, target: Target) -> SealedNow:
    seq = find_slot(conn, clock.world_key, KIND_NUMBER[target.kind], target.slot_us)
    if seq is None:
        raise Refused(past_sentence(standing_of(clock), target))
    return SealedNow(target.kind, tick_id(clock.world, target.kind, target.slot_us), seq, False)
