"""The pacer: the loop that looks at every world that is due by its own pace, target or timers.
Lives here: passes, waiting, notices, failures. Not here: what a world gets (turns), firings of schedules (serve)."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from worldtick.clock.worldtime import SECOND_US, WallTime
from worldtick.contracts.errors import Unavailable
from worldtick.runtime.backoff import backoff_s
from worldtick.store.clocks import Clock, claim_due, claim_these, first_due_us
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.notices import CLOCKS_CHANNEL, SLICES_CHANNEL, listening
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.turns import Pacing, Turn, take_turn

log = logging.getLogger(__name__)

PAGE_WORLDS: Final = 250  # locked in one transaction
RESOLUTION_S: Final = 0.01  # how finely due times are told apart while no world waits for services
IDLE_S_MAX: Final = 0.5  # without a notice for so long, look
WORLDS_TOLD: Final = 20


class SteadyWall:
    """Wall time that never runs back and never jumps: Unix time once, and from there the monotonic clock."""

    def __init__(self, unix_us: int | None = None) -> None:
        self._from_ns = time.monotonic_ns()
        self._unix_us = time.time_ns() // 1_000 if unix_us is None else unix_us

    def now_us(self) -> WallTime:
        """Unix microseconds."""
        return WallTime(self._unix_us + (time.monotonic_ns() - self._from_ns) // 1_000)


@dataclass(slots=True)
class Pacer:
    """Drives worlds until it is told to stop; any number of them, in any number of processes."""

    pool: Pool
    publisher: Publisher  # its own
    pacing: Pacing
    keys: Sequence[int] | None = None
    on_turn: Callable[[Turn], None] | None = None
    on_pass: Callable[[], None] | None = None  # after each look, whether there was a turn or not
    on_failure: Callable[[Unavailable], None] | None = None
    wall: SteadyWall = field(default_factory=SteadyWall)
    _due_us: WallTime | None = None
    _waiting: set[int] = field(default_factory=set)
    _missing: dict[str, object] = field(default_factory=dict)
    _lagging: dict[str, object] = field(default_factory=dict)

    def run_until(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Away parts are waited for; what was sealed meanwhile is rung first of all."""
        failures = 0
        while not stop.is_set():
            try:
                self.publisher.publish(self.pool, None)
                with listening(self.pool, (SLICES_CHANNEL, CLOCKS_CHANNEL)) as wait:
                    failures = 0
                    while not stop.is_set():
                        self._rest(self.look(), wait, stop)
            except Unavailable as away:
                pause_s = backoff_s(failures)
                failures += 1
                log.warning("pacer_failed", extra={"error": str(away), "again_in_s": pause_s})
                if self.on_failure is not None:
                    self.on_failure(away)
                stop.wait(pause_s)

    def look(self) -> WallTime | None:
        """One pass: a turn for each world that is due or may go on; when the next one is due.

        Raises KafkaAway, DatabaseAway, DatabaseBusy.
        """
        at_us = self.wall.now_us()
        waiting, self._waiting = sorted(self._waiting), set()
        for first in range(0, len(waiting), PAGE_WORLDS):
            these = waiting[first : first + PAGE_WORLDS]
            self._turn(partial(claim_these, keys=these), at_us)
        due = partial(claim_due, at_us=at_us, keys=self.keys, limit=PAGE_WORLDS)
        while self._turn(due, at_us):  # each world has one turn: it is due again after at_us
            pass
        if self.on_pass is not None:
            self.on_pass()
        return self._due_us

    def _turn(self, claim: Callable[[Connection], list[Clock]], at_us: WallTime) -> int:
        """One page, sealed and rung; how many worlds it had. After one that had none it is known what is due next."""
        with transaction(self.pool) as conn:
            clocks = claim(conn)
            if not clocks:
                due_us = first_due_us(conn, self.keys)
                self._due_us = None if due_us is None else WallTime(due_us)
                return 0
            turn = take_turn(conn, self.pacing, clocks, at_us)
        self._waiting |= turn.waiting
        if turn.keys:
            self.publisher.publish(self.pool, sorted(turn.keys))
        self._note(turn, [clock.world for clock in clocks])
        if self.on_turn is not None:
            self.on_turn(turn)
        return len(clocks)

    def _rest(self, due_us: WallTime | None, wait: Callable[[float], bool], stop: threading.Event) -> None:
        """Until a world is due, or a notice tells that one may go on."""
        left_s = IDLE_S_MAX if due_us is None else (due_us - self.wall.now_us()) / SECOND_US
        if not self._waiting:
            stop.wait(RESOLUTION_S)
            left_s -= RESOLUTION_S
        if left_s > 0:
            wait(min(left_s, IDLE_S_MAX))

    def _note(self, turn: Turn, worlds: Sequence[str]) -> None:
        """A line for each tick; what keeps worlds back is told when it begins and ends."""
        for tick, late_us in zip(turn.ticks, turn.late_us, strict=True):
            fields = {"world": tick.world, "tick": tick.seq, "kind": tick.kind, "delta_us": tick.to_us - tick.from_us}
            log.info("tick_sealed", extra={**fields, "late_ms": late_us // 1_000, "by": tick.triggered_by})
        _tell(self._missing, turn.missing, worlds, "worlds_not_moved", "worlds_move_again")
        _tell(self._lagging, turn.lagging, worlds, "worlds_lag", "worlds_keep_pace")


def _tell(known: dict[str, object], found: Mapping[str, object], looked_at: Sequence[str], new: str, over: str) -> None:
    begun = sorted(world for world in found if known.get(world) != found[world])
    ended = sorted(world for world in looked_at if world in known and world not in found)
    known.update(found)
    for world in ended:
        del known[world]
    if begun:
        why = sorted({str(found[world]) for world in begun})
        log.warning(new, extra={"worlds": begun[:WORLDS_TOLD], "count": len(begun), "why": why})
    if ended:
        log.info(over, extra={"worlds": ended[:WORLDS_TOLD], "count": len(ended)})
