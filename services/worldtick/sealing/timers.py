"""Timers as whoever seals sees them: up to where a world may be moved before its next one, and what is left at all.
Lives here: the agenda's fact and what waits for it as a bound on the next tick. Not here: timers themselves (agenda).

A plan must not depend on how fast services are. So it waits for the agenda wherever a tick not yet finished by it may
change what is next: one that reaches a timer, or brings directives of the agenda.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from worldtick.clock.dues import due_us
from worldtick.clock.errors import NotAMoment
from worldtick.clock.slots import next_hour, next_midnight
from worldtick.clock.worldtime import WorldTime
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.sealing.draft import AGENDA, DIRECTIVES_MAX
from worldtick.store.clocks import Clock
from worldtick.store.db import Connection
from worldtick.store.directives import Waiting, queue_directive, waiting_directives
from worldtick.store.timers import AgendaRow, agendas_of, bodies_after

NEXT_TIMER: Final = "next_timer"
UNSURE: Final = ("timer_cancel", "timer_disable", "timer_enable")  # after these only the agenda knows what is next

_decode = msgspec.msgpack.Decoder(dict[str, dict[str, int]]).decode


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a world has before it."""

    timer_us: WorldTime | None  # the next timer: no tick passes it; None: there is none
    known: frozenset[int]  # the agenda's directives that were considered: a tick takes no other
    settled: bool  # False: the agenda has to finish first
    waits: bool  # a directive waits for some service
    over: bool  # the agenda has said that nothing is left
    unsure: bool = False  # a timer is to be taken out or put back, perhaps the next one

    def after(self, tick: SealedTick) -> "Ahead":
        """What is known once one more tick is sealed."""
        reached = self.timer_us is not None and tick.to_us >= self.timer_us
        return replace(self, settled=self.settled and not self.known and not reached)

    @property
    def empty(self) -> bool:
        """Whether nothing at all is left to be done."""
        return self.timer_us is None and not self.waits


def ahead_of(conn: Connection, clocks: Sequence[Clock]) -> dict[int, Ahead]:
    """world key -> what it has before it, of those worlds that have an agenda; their clocks are locked."""
    ours = {clock.world_key: clock for clock in clocks if AGENDA in clock.services}
    if not ours:
        return {}
    rows = agendas_of(conn, list(ours), AGENDA)
    waiting = _waiting(conn, list(ours.values()))
    touched = _touched(conn, [(row.world_key, row.version) for row in rows if row.version < ours[row.world_key].seq])
    return {
        row.world_key: plan(ours[row.world_key], row, waiting[row.world_key], row.world_key in touched) for row in rows
    }


def said_by(row: AgendaRow) -> dict[str, int]:
    """The agenda's fact as it stands: us -> world time of the next pending timer; over -> 1."""
    return _decode(row.facts).get(NEXT_TIMER, {}) if row.facts is not None else {}


def plan(clock: Clock, row: AgendaRow, waiting: Collection[Waiting], touched: bool) -> Ahead:
    """What a world has before it, from what its agenda said last and what waits for it.

    touched: a tick that the agenda has not finished brings it directives.
    """
    said = said_by(row)
    next_us = said.get("us")
    in_flight = row.version < clock.seq
    settled = not touched and not (in_flight and next_us is not None and next_us <= clock.now_us)
    for directive in waiting:
        next_us = _told(next_us, directive, clock)
    timer_us = None if next_us is None else WorldTime(next_us)
    known = frozenset(directive.directive_id for directive in waiting)
    unsure = any(directive.name in UNSURE for directive in waiting)
    return Ahead(timer_us, known, settled, row.waits, "over" in said, unsure)


def _told(next_us: int | None, directive: Waiting, clock: Clock) -> int | None:
    """The next timer once a directive that waits has taken effect, as far as the tick that takes it may go."""
    if directive.name == "timer_add":
        try:
            at_us = due_us(directive.args, clock.now_us, clock.epoch_s)
        except (NotAMoment, TypeError, ValueError):
            return next_us  # the agenda refuses it
        return at_us if next_us is None else min(next_us, at_us)
    if directive.name == "timer_skip" and isinstance(before_us := directive.args.get("before_us"), int):
        return None if next_us is None else max(next_us, before_us)
    return next_us


def event_limit_us(clock: Clock, ahead: Ahead | None) -> WorldTime:
    """Up to where a world goes that is driven by its timers; its own time where nothing is left.

    To its next timer; one that is due already, and was beyond the budget, runs in the smallest step. So does what takes
    out timers or puts them back: only then it is known which one is next. While there is no timer but some directive
    waits, to the next boundary, which brings every service's directives.
    """
    now = WorldTime(clock.now_us)
    if ahead is None:
        return now
    if ahead.unsure:
        return WorldTime(now + 1)
    if ahead.timer_us is not None:
        return WorldTime(max(ahead.timer_us, now + 1))
    if not ahead.waits:
        return now if ahead.over else WorldTime(now + 1)
    return next_hour(now, clock.epoch_s) if clock.hourly else next_midnight(now, clock.epoch_s)


def queue_complete(conn: Connection, clock: Clock, ahead: Ahead) -> Ahead:
    """Have the agenda say that nothing is left, in the world's next tick; what is known then."""
    number = queue_directive(conn, clock.world_key, AGENDA, "complete", {})
    return replace(ahead, known=ahead.known | {number}, waits=True)


def queue_skip(conn: Connection, clock: Clock, before_us: int) -> None:
    """Have the agenda skip, in the world's next tick, all that is pending now and due before a world time.

    What `set` does that is not to execute what it passes: queued in the transaction that sets the clock's target.
    """
    queue_directive(conn, clock.world_key, AGENDA, "timer_skip", {"before_us": before_us})


def _waiting(conn: Connection, clocks: Sequence[Clock]) -> Mapping[int, list[Waiting]]:
    found: dict[int, list[Waiting]] = defaultdict(list)
    bounds = [max(0, clock.seq + 1 - clock.lag_ticks) if clock.facts == "lag" else None for clock in clocks]
    keys = [clock.world_key for clock in clocks]
    for row in waiting_directives(conn, keys, [[AGENDA]] * len(keys), bounds, DIRECTIVES_MAX):
        found[row.world_key].append(row)
    return found


def _touched(conn: Connection, lagging: Sequence[tuple[int, int]]) -> set[int]:
    """Worlds of which a tick beyond (world key, seq) has directives of the agenda."""
    found: set[int] = set()
    for key, body in bodies_after(conn, lagging) if lagging else ():
        if any(directive.service == AGENDA for directive in decode_sealed(bytes(body)).directives):
            found.add(key)
    return found
