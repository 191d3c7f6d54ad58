"""The present: the state in which a slice stands, from its newest snapshot and the ticks since.
Lives here: reading it for people. Not here: what workers keep (runtime/memory), the past and its proof (verifying)."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from worldtick.contracts.errors import Refused
from worldtick.contracts.sealed import decode_sealed
from worldtick.runtime.memory import section_of
from worldtick.runtime.recovery import replay
from worldtick.runtime.service import Service
from worldtick.store.db import Pool
from worldtick.store.history import Start, load_start, pasts_of, starts_of
from worldtick.store.slices import load_outcomes, load_ticks
from worldtick.store.standing import one_moment
from worldtick.store.worlds import World


def present_state(
    pool: Pool, world: World, catalogue: Mapping[str, Service[Any]], service: str, slice_no: int = 0
) -> tuple[int, Any]:
    """(place in the service's stream, state) of a slice as it stands at one moment.

    Raises Refused where the world or this installation has no such service, or its ticks were pruned.
    """
    if service not in catalogue:
        raise Refused(f"service {service!r} is not installed here, so its states cannot be read")
    ours = catalogue[service]
    with one_moment(pool) as conn:
        past = next((each for each in pasts_of(conn, world.world_key, service) if each.slice_no == slice_no), None)
        if past is None:
            raise Refused(f"world {world.world_id!r} has no {service!r}; it has {', '.join(world.services)}")
        snapshots = [version for version in starts_of(conn, past.slice_key) if version <= past.version]
        start = load_start(conn, past.slice_key, snapshots[-1]) if snapshots else None
        start = start or Start(past.genesis_version, None, None)
        first = start.version + 1
        ticks = load_ticks(conn, ours.stream, [(past.world_key, first, past.version)]) if first <= past.version else []
        outcomes = load_outcomes(conn, [(past.slice_key, first, past.version)]) if ticks else []
    if len(ticks) != past.version - start.version:
        raise Refused(f"{service}/{slice_no}: the tick log lacks ticks since its snapshot at {start.version}")
    known = {version: outcome for _, version, outcome, _ in outcomes}
    body = None if start.body is None else bytes(start.body)
    bodies = (decode_sealed(bytes(row[2])) for row in ticks)
    steps = replay(ours, section_of(ours, world.scenario), world.seed, slice_no, body, bodies, known)
    (_, state, _), *_ = deque(steps, maxlen=1)
    return past.version, state
