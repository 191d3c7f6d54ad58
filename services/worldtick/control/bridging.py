"""Bridging: every tick between where a clock stands and a target, sealed, or as many as may be now.
Lives here: the loop that pastes and commands share. Not here: what a target is (pasted), who may ask."""

from typing import Final

from worldtick.contracts.errors import Unreadable
from worldtick.control.pasted import GAP_SLOTS_MAX, Target, move_towards, reached
from worldtick.sealing.draft import Catalogue, Draft
from worldtick.sealing.seal import admissible, behind, missing_services, seal_round, standing_of
from worldtick.store.clocks import Clock, save_clocks
from worldtick.store.db import Connection

ROUNDS_MAX: Final = 2 * GAP_SLOTS_MAX + 2  # each hour of the gap, its midnights, and one that is owed


def refuse_missing(clock: Clock, catalogue: Catalogue) -> None:
    """Unreadable: missing_services, unless all services of the world are installed here."""
    if missing := missing_services(clock, catalogue):
        said = f"control has no service {', '.join(missing)} of {clock.world!r}: install it here"
        raise Unreadable("missing_services", said)


def bridge(
    conn: Connection,
    catalogue: Catalogue,
    clock: Clock,
    target: Target,
    by: str = "manual",
    cause: str | None = None,
    trace: str | None = None,
) -> tuple[str, ...] | None:
    """Seal every tick up to the target, for a locked clock. None: it is reached; else the services that must finish
    before more may be sealed.

    by: who triggered the target's own tick; those on the way are the system's.
    """
    late = behind(conn, [clock]).get(clock.world_key, {})
    for _ in range(ROUNDS_MAX):
        move = move_towards(standing_of(clock), target)
        if move is None or not admissible(clock, late):
            break
        own = move.kind == target.kind and move.to_us == target.slot_us
        draft = Draft(clock, move.kind, move.from_us, move.to_us, move.hours, by if own else "system", cause, trace)
        (tick,) = seal_round(conn, [draft], catalogue)
        for service in tick.consumers:
            late.setdefault(service, tick.seq)
    save_clocks(conn, [clock])
    return None if reached(standing_of(clock), target) else tuple(sorted(late))
