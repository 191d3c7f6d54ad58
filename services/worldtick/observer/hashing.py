"""Columns: a world's entities as one service has them, hashed in entity order, whatever slices the world is cut into.
Lives here: joining slices' columns, what is told of them. Not here: stepping (verifying), the columns (each service).

Two worlds of one seed that were cut differently have other digests slice by slice; their columns can be compared."""

from typing import Any

import msgspec
import xxhash

from worldtick.runtime.service import Service
from worldtick.store.history import Past


class Columns(msgspec.Struct, frozen=True):
    """What a service's columns come to over all of a world's slices."""

    service: str
    place: int | None  # in the service's stream, at which all slices stand
    digest: str | None  # over all columns; None: see why
    columns: dict[str, str]  # name -> xxh3_128 of its values in entity order
    why: str | None  # there is no digest


class Joined:
    """Takes a world's slices one by one, in order, and keeps none of them."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, xxhash.xxh3_128]] = {}  # service -> column -> hash so far
        self._places: dict[str, set[int | None]] = {}  # None: of a slice that differs

    def take(self, service: Service[Any], past: Past, state: Any | None) -> None:
        """One slice as it stands; None in place of a state that cannot be vouched for."""
        if service.columns is None:
            return
        self._places.setdefault(service.name, set()).add(None if state is None else past.version)
        hashes = self._columns.setdefault(service.name, {})
        for name, values in () if state is None else service.columns(state):
            hashes.setdefault(name, xxhash.xxh3_128()).update(values)

    def told(self) -> list[Columns]:
        """Of each service that has columns, in order."""
        return [self._of(service) for service in sorted(self._places)]

    def _of(self, service: str) -> Columns:
        places = self._places[service]
        place, *others = places
        if None in places:
            return Columns(service, None, None, {}, "a slice differs")
        if others:
            return Columns(service, None, None, {}, "its slices stand at different ticks: let it finish them")
        columns = {name: found.hexdigest() for name, found in self._columns[service].items()}
        whole = xxhash.xxh3_128_hexdigest("\n".join(f"{name} {each}" for name, each in columns.items()).encode())
        return Columns(service, place, whole, columns, None)
