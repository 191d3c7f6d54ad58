"""The catalogue: every service that this installation has, one line each, loaded when it is first asked for.
Lives here: our own services, and those that other packages bring. Not here: which of them a world has (its row).

Another package brings a service by an entry point of the group `worldtick.services`, named like the service:
    [project.entry-points."worldtick.services"]
    weather = "my_package.weather.service:SERVICE"
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from worldtick.contracts.errors import Faulty
from worldtick.runtime.service import Service

GROUP = "worldtick.services"
OURS: Mapping[str, str] = MappingProxyType(
    {
        "agenda": "worldtick.agenda.service:SERVICE",
        "economy": "worldtick.economy.service:SERVICE",
        "npc": "worldtick.npc.service:SERVICE",
        "society": "worldtick.society.service:SERVICE",
    }
)


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Service[Any]]:
    """All services by name. Raises Faulty naming every one that cannot be loaded, or whose name is taken."""
    return load(OURS, entry_points(group=GROUP))


def load(ours: Mapping[str, str], brought: Iterable[EntryPoint]) -> Mapping[str, Service[Any]]:
    """The services at these places (`module:attribute`) and entry points."""
    places = [(name, place) for name, place in ours.items()] + [(entry.name, entry.value) for entry in brought]
    found: dict[str, Service[Any]] = {}
    faults: list[str] = []
    for name, place in places:
        try:
            service = _load(place)
        except (ImportError, AttributeError, ValueError) as broken:
            faults.append(f"{name} ({place}) cannot be loaded: {broken}")
            continue
        if name in found:
            faults.append(f"{name} ({place}) has the name of another service: rename its entry point and the service")
        elif not isinstance(service, Service) or service.name != name:
            faults.append(f"{name} ({place}) is no worldtick Service of that name: mend its entry point")
        else:
            found[name] = service
    if faults:
        raise Faulty("the catalogue of services", faults)
    return MappingProxyType(dict(sorted(found.items())))


def _load(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(import_module(module), attribute)
