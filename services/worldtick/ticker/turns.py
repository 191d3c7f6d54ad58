"""A turn: what one look at a page of paced worlds seals, in one transaction, a bounded number of ticks each.
Lives here: pace, targets and timers become drafts; when to look again. Not here: the loop (pacer), firings (seals).

Worlds are claimed with their rows locked, those of another ticker skipped: any number of tickers share them, and one
that dies lets go of its claim with its transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from worldtick.clock.course import lag_us, lags, limit_us, next_due_us, paced, relieved, skips
from worldtick.clock.moves import Move, next_paced
from worldtick.clock.worldtime import SECOND_US, WallTime, WorldTime
from worldtick.contracts.sealed import SealedTick
from worldtick.sealing.draft import Catalogue, Draft
from worldtick.sealing.seal import behind, in_flight_room, missing_services, seal_round, standing_of
from worldtick.sealing.steering import course_of, steer
from worldtick.sealing.timers import Ahead, ahead_of, event_limit_us, queue_complete
from worldtick.store.clocks import Clock, save_clocks
from worldtick.store.db import Connection

TURN_TICKS: Final = 16  # of one world in one turn; then the others come first
AGAIN_US: Final = 250_000  # a world that waits for services is looked at so often, unless one is heard to finish
ASTRAY_US: Final = 5 * SECOND_US  # one that cannot be moved here, or has nothing to go for

Late = dict[int, dict[str, int]]  # world key -> service -> seq of the first tick that it has not finished


@dataclass(frozen=True, slots=True)
class Pacing:
    """What turns are made with."""

    catalogue: Catalogue
    until_unix_us: int | None = None  # a world time as a date that no world is moved beyond


@dataclass(slots=True)
class Turn:
    """What a turn did."""

    at_us: WallTime  # the wall time that it was for
    ticks: list[SealedTick] = field(default_factory=list)
    late_us: list[int] = field(default_factory=list)  # of each tick: since its world was due
    keys: set[int] = field(default_factory=set)  # worlds that got a tick
    waiting: set[int] = field(default_factory=set)  # worlds that go on when services finish
    missing: dict[str, list[str]] = field(default_factory=dict)  # world -> its services that this ticker does not have
    lagging: dict[str, str] = field(default_factory=dict)  # world -> its policy, where it lags beyond its bound
    lag_us_max: int = 0  # wall time that the slowest of them is behind its pace


def take_turn(conn: Connection, pacing: Pacing, clocks: Sequence[Clock], at_us: WallTime) -> Turn:
    """Seal what these worlds may have by a wall time. Their clocks are locked; this saves them."""
    turn = Turn(at_us)
    due = {clock.world_key: clock.due_us if clock.due_us is not None else at_us for clock in clocks}
    ours = [clock for clock in clocks if _is_ours(clock, pacing, turn, at_us)]
    for clock in ours:
        _earn(clock, turn, at_us)
    late = behind(conn, ours, paced=True)
    ahead = ahead_of(conn, ours)
    for _ in range(TURN_TICKS):
        drafts = [draft for clock in ours if (draft := _draft(conn, clock, pacing, ahead, late)) is not None]
        if not drafts:
            break
        for draft, tick in zip(drafts, seal_round(conn, drafts, pacing.catalogue), strict=True):
            unfinished = late.setdefault(draft.clock.world_key, {})
            for service in tick.consumers:
                unfinished.setdefault(service, tick.seq)
            if (before := ahead.get(draft.clock.world_key)) is not None:
                ahead[draft.clock.world_key] = before.after(tick)
            turn.keys.add(draft.clock.world_key)
            turn.ticks.append(tick)
            turn.late_us.append(max(0, at_us - due[draft.clock.world_key]))
    for clock in ours:
        _look_again(clock, pacing, ahead, late, turn, at_us)
    save_clocks(conn, clocks)
    return turn


def _is_ours(clock: Clock, pacing: Pacing, turn: Turn, at_us: int) -> bool:
    if missing := missing_services(clock, pacing.catalogue):
        turn.missing[clock.world] = missing
        clock.due_us = at_us + ASTRAY_US
        return False
    return True


def _earn(clock: Clock, turn: Turn, at_us: int) -> None:
    course = paced(course_of(clock), at_us)
    if lags(course):
        turn.lagging[clock.world] = course.lag_policy
    steer(clock, relieved(course))


def _move(clock: Clock, pacing: Pacing, ahead: Ahead | None) -> Move | None:
    course, standing = course_of(clock), standing_of(clock)
    if skips(course):
        standing = replace(standing, catch_up="coalesce")
    elif course.target_us is not None or course.driver != "auto":
        standing = replace(standing, catch_up="each")  # what was asked for is cut at every boundary; nothing was missed
    limit = _reach(clock, ahead)
    if pacing.until_unix_us is not None:
        limit = min(limit, WorldTime(pacing.until_unix_us - clock.epoch_s * SECOND_US))
    return next_paced(standing, limit, ahead.timer_us if ahead is not None else None)


def _reach(clock: Clock, ahead: Ahead | None) -> WorldTime:
    """Up to where the world may go by its pace, its target or its timers."""
    limit = limit_us(course_of(clock))
    return max(limit, event_limit_us(clock, ahead)) if clock.driver == "event" else limit


def _room(clock: Clock, ahead: Ahead | None, late: dict[str, int]) -> bool:
    """Whether the world may have its next tick now; if not, it may once services have finished."""
    if ahead is None:
        return in_flight_room(clock, late)
    return ahead.settled and in_flight_room(clock, late) and not (late and _is_over(clock, ahead))


def _is_over(clock: Clock, ahead: Ahead) -> bool:
    """Whether the world goes by its timers and none is left, which is to be said, after all services' last word."""
    return clock.driver == "event" and ahead.empty and not ahead.over and limit_us(course_of(clock)) <= clock.now_us


def _draft(conn: Connection, clock: Clock, pacing: Pacing, aheads: dict[int, Ahead], late: Late) -> Draft | None:
    ahead = aheads.get(clock.world_key)
    if not _room(clock, ahead, late.get(clock.world_key, {})):
        return None
    move = _move(clock, pacing, ahead)
    if move is None:
        return None
    if ahead is not None and _is_over(clock, ahead):
        ahead = aheads[clock.world_key] = queue_complete(conn, clock, ahead)
    asked = clock.target_us is not None and move.to_us <= clock.target_us
    by = "manual" if asked else "scheduler"
    known = ahead.known if ahead is not None else None
    return Draft(clock, move.kind, move.from_us, move.to_us, move.hours, by, known=known)


def _look_again(clock: Clock, pacing: Pacing, aheads: Mapping[int, Ahead], late: Late, turn: Turn, at_us: int) -> None:
    """When a ticker has to look at it next: those with more to do go behind all that have waited longer."""
    course, ahead = course_of(clock), aheads.get(clock.world_key)
    turn.lag_us_max = max(turn.lag_us_max, lag_us(course))
    move, room = _move(clock, pacing, ahead), _room(clock, ahead, late.get(clock.world_key, {}))
    if not room and (move is not None or (ahead is not None and course.driver == "event")):
        clock.due_us = at_us + AGAIN_US
        turn.waiting.add(clock.world_key)
    elif move is not None:
        clock.due_us = at_us + 1
    elif _reach(clock, ahead) > course.now_us:  # held by --until
        clock.due_us = at_us + ASTRAY_US
    else:
        clock.due_us = next_due_us(course, at_us)
