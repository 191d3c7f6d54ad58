"""Worlds by the ids that people give: found, or refused with the one that was meant.
Lives here: that lookup. Not here: what is done with a world (creation, asking)."""

from collections.abc import Sequence

from worldtick.contracts.errors import Refused
from worldtick.control.faults import near
from worldtick.store.db import Connection
from worldtick.store.worlds import LIST_MAX, World, find_world, list_worlds


def named_world(conn: Connection, world_id: str, active: bool = False) -> World:
    """The world of an id. Refused if there is none or, where it must be active, if it is archived."""
    world = None if "\0" in world_id else find_world(conn, world_id)  # PostgreSQL's text holds no NUL
    if world is None:
        known = [found.world_id for found in list_worlds(conn, None, "", LIST_MAX)]
        raise Refused(f"there is no world {world_id!r}{near(world_id, known)}; see `worldtick world list`")
    if active and world.status != "active":
        raise Refused(f"world {world_id!r} is {world.status}: nothing moves it any more")
    return world


def named_keys(conn: Connection, world_ids: Sequence[str]) -> list[int]:
    """The keys of active worlds, each once, in the order given. Refused at the first that is none."""
    return list({named_world(conn, world_id, active=True).world_key: None for world_id in world_ids})
