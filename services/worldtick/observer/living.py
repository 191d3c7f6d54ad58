"""A slice as it stands: its newest snapshot, and the ticks since stepped again, digest by digest.
Lives here: reading one slice's state without a worker. Not here: comparing histories (verifying), showing (cli)."""

from collections import deque
from typing import Any

from worldtick.contracts.errors import Refused
from worldtick.contracts.sealed import decode_sealed
from worldtick.runtime.effects import SliceRow
from worldtick.runtime.memory import section_of
from worldtick.runtime.recovery import replay
from worldtick.runtime.service import Service
from worldtick.store.db import Pool
from worldtick.store.slices import load_outcomes, load_single_slices, load_ticks
from worldtick.store.standing import one_moment


def living_slice(pool: Pool, service: Service[Any], world: str, number: int) -> tuple[Any, int]:
    """(state, place in the stream) of a slice after its last finished tick.

    Raises Refused where the world has no such slice, or what is stepped again is not what was recorded.
    """
    with one_moment(pool) as conn:
        rows = [SliceRow(*row) for row in load_single_slices(conn, service.name, [(world, number)])]
        if not rows:
            raise Refused(f"world {world!r} has no slice {number} of {service.name}; see `worldtick slice list`")
        row = rows[0]
        start = row.genesis_version if row.snapshot_version is None else row.snapshot_version
        bodies, outcomes = [], dict[int, int]()
        if start < row.version:
            bodies = load_ticks(conn, service.stream, [(row.world_key, start + 1, row.version)])
            known = load_outcomes(conn, [(row.slice_key, start + 1, row.version)])
            outcomes = {version: outcome for _, version, outcome, _ in known}
    section = section_of(service, row.scenario)
    ticks = [decode_sealed(body) for _, _, body in bodies]
    lived = deque(replay(service, section, row.seed, number, row.snapshot, ticks, outcomes), maxlen=1)
    _, state, digest = lived[0]
    if row.digest is not None and digest != row.digest:
        raise Refused(
            f"slice {number} of {service.name} in {world} is not what was recorded: run `worldtick verify {world}`"
        )
    return state, row.version
