"""Asking: an admin's directive, checked against its service's own model and queued for the world's next tick.
Lives here: what may be queued. Not here: which tick takes it (sealing), reading arguments (cli)."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from worldtick.contracts.errors import Faulty, Refused
from worldtick.contracts.sealed import Directive
from worldtick.control.documents import unfit
from worldtick.control.faults import asked, near
from worldtick.control.naming import named_world
from worldtick.runtime.memory import section_of
from worldtick.runtime.service import Service
from worldtick.sealing.draft import DIRECTIVE_BYTES_MAX, Catalogue, directive_bytes
from worldtick.store.clocks import wake_clocks
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.directives import count_directives, queue_directive
from worldtick.store.worlds import World

WAITING_MAX = 100_000  # of one world: 400 ticks' worth; a queue without a bound is a leak


def ask(
    pool: Pool, catalogue: Catalogue, world_id: str, service: str, name: str, args: Mapping[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Queue a directive; its id, and its arguments as they are stored, with every default.

    Raises Refused for a world, service or directive that there is not, Faulty naming every fault of the arguments.
    The model may ask for the world's section: it is validated with context {"section": …}.
    """
    with transaction(pool) as conn:
        return ask_in(conn, catalogue, named_world(conn, world_id, active=True), service, name, args)


def ask_in(
    conn: Connection, catalogue: Catalogue, world: World, service: str, name: str, args: Mapping[str, Any]
) -> tuple[int, dict[str, Any]]:
    """The same within a transaction of the caller's, for an active world."""
    if service not in world.services or service not in catalogue:
        raise Refused(f"world {world.world_id!r} has no service {service!r}{near(service, world.services)}")
    stored = _checked(catalogue[service], name, args, world.scenario)
    if count_directives(conn, world.world_key) >= WAITING_MAX:
        raise Refused(f"{WAITING_MAX} directives wait for world {world.world_id!r} already; let it tick first")
    wake_clocks(conn, [world.world_key], time.time_ns() // 1_000)  # a world that goes by its timers may be at rest
    return queue_directive(conn, world.world_key, service, name, stored), stored


def _checked(service: Service[Any], name: str, args: Mapping[str, Any], scenario: str) -> dict[str, Any]:
    if name not in service.directives:
        raise Refused(f"service {service.name!r} has no directive {name!r}{near(name, service.directives)}")
    what = f"directive {service.name}.{name}"
    model = asked(service.directives[name], what, args, {"section": section_of(service, scenario)})
    stored = model.model_dump(mode="json")
    if any(unfit(text) for text in _texts(stored)):
        raise Faulty(what, ["holds characters that no text may hold: NUL or half a surrogate pair"])
    size = directive_bytes(Directive(service.name, name, stored, "admin", 0))
    if size > DIRECTIVE_BYTES_MAX:
        raise Faulty(what, [f"takes {size} bytes of a tick; at most {DIRECTIVE_BYTES_MAX}"])
    return stored


def _texts(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
