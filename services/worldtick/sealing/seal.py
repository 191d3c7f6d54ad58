"""The seal: drafts become ticks, one of each world at a time, in the caller's transaction and under the worlds' locks.
Lives here: law 3's order (lock, then facts and directives, then insert and advance). Not here: what is due."""

from collections import defaultdict
from collections.abc import Sequence

from worldtick.clock.moves import CatchUp, Standing
from worldtick.clock.worldtime import WorldTime
from worldtick.contracts.sealed import SealedTick
from worldtick.sealing.draft import (
    DIRECTIVES_MAX,
    Catalogue,
    Draft,
    Facts,
    carried_facts,
    considered,
    consumers_of,
    fill,
    fitting,
)
from worldtick.store.clocks import Clock, unfinished
from worldtick.store.commands import note_carried
from worldtick.store.db import Connection
from worldtick.store.directives import Waiting, take_directives, waiting_directives
from worldtick.store.facts import newest_facts
from worldtick.store.ticks import copy_ticks

ADMIN = "admin"  # the source of a directive that a command may have queued


def seal_round(conn: Connection, drafts: Sequence[Draft], catalogue: Catalogue) -> list[SealedTick]:
    """Seal one tick of each draft's world. The clocks are locked by the caller, who also saves them (save_clocks)."""
    if not drafts:
        return []
    facts = _facts(conn, drafts, catalogue)
    waiting = _waiting(conn, drafts, catalogue)
    sealed: list[tuple[int, SealedTick]] = []
    taken: list[int] = []
    carried_by: list[tuple[int, int]] = []
    for draft in drafts:
        key = draft.clock.world_key
        directives = fitting(draft.seq, considered(waiting[key], draft.known))
        taken += [directive.directive_id for directive in directives]
        carried_by += [(each.directive_id, draft.seq) for each in directives if each.source == ADMIN]
        carried, newest = facts.get(key, ({}, 0))
        sealed.append((key, fill(draft, catalogue, directives, carried, newest)))
    if taken:
        take_directives(conn, taken)
    if carried_by:
        note_carried(conn, carried_by)
    copy_ticks(conn, sealed)
    return [tick for _, tick in sealed]


def _facts(conn: Connection, drafts: Sequence[Draft], catalogue: Catalogue) -> dict[int, tuple[Facts, int]]:
    wanted: dict[int, frozenset[str]] = {}
    bounds: list[int | None] = []
    for draft in drafts:
        names = frozenset(name for service in consumers_of(draft, catalogue) for name in catalogue[service].reads_facts)
        if names:
            wanted[draft.clock.world_key] = names
            bounds.append(draft.bound)
    if not wanted:
        return {}
    rows: dict[int, list[tuple[str, int, int, bytes]]] = defaultdict(list)
    for key, service, slice_no, seq, body in newest_facts(conn, list(wanted), bounds):
        rows[key].append((service, slice_no, seq, body))
    return {key: carried_facts(found, wanted[key]) for key, found in rows.items()}


def _waiting(conn: Connection, drafts: Sequence[Draft], catalogue: Catalogue) -> dict[int, list[Waiting]]:
    found: dict[int, list[Waiting]] = defaultdict(list)
    keys = [draft.clock.world_key for draft in drafts]
    consumers = [consumers_of(draft, catalogue) for draft in drafts]
    bounds = [draft.bound for draft in drafts]
    for row in waiting_directives(conn, keys, consumers, bounds, DIRECTIVES_MAX):
        found[row.world_key].append(row)
    return found


def behind(conn: Connection, clocks: Sequence[Clock], paced: bool = False) -> dict[int, dict[str, int]]:
    """world key -> service -> seq of the first tick that it has not finished, for worlds whose facts lag; for all
    where they are paced."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    keys = [clock.world_key for clock in clocks if paced or clock.facts == "lag"]
    for key, service, seq in unfinished(conn, keys) if keys else ():
        found[key][service] = seq
    return found


def admissible(clock: Clock, behind_services: dict[str, int]) -> bool:
    """Whether the world's next tick may be sealed: all that it reads of is finished."""
    if clock.facts != "lag" or not behind_services:
        return True
    return clock.seq + 1 - clock.lag_ticks < min(behind_services.values())


def in_flight_room(clock: Clock, behind_services: dict[str, int]) -> bool:
    """Whether a paced world may have one tick more in flight: its facts' lag says how many, else its own bound."""
    bound = clock.lag_ticks if clock.facts == "lag" else clock.in_flight_max
    return not behind_services or clock.seq - min(behind_services.values()) + 1 < bound


def missing_services(clock: Clock, catalogue: Catalogue) -> list[str]:
    """The world's services that this installation does not have. Whoever cannot say what a service consumes and may
    spend must not seal for it: the tick would leave it out, or starve it."""
    return sorted(set(clock.services) - set(catalogue))


def standing_of(clock: Clock) -> Standing:
    """What planning needs of a clock."""
    policy: CatchUp = "coalesce" if clock.catch_up == "coalesce" else "each"
    return Standing(
        WorldTime(clock.now_us), WorldTime(clock.daily_us), clock.epoch_s, clock.hourly, clock.daily, policy
    )
