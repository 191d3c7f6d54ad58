"""Two worlds' histories side by side: the first tick at which they part, and the first field.
Lives here: comparing ticks, digests, then states and events of the first parting. Not here: values (parting)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from worldtick.contracts.codec import decode
from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.observer.parting import Part, first_difference
from worldtick.observer.verifying import choose_start
from worldtick.runtime.memory import section_of
from worldtick.runtime.recovery import replay
from worldtick.runtime.service import Service
from worldtick.store.db import Pool, transaction
from worldtick.store.history import Past, first_parting, outputs_at, pasts_of, tick_span
from worldtick.store.slices import load_outcomes, load_ticks
from worldtick.store.ticks import read_bodies
from worldtick.store.worlds import World

PAGE_TICKS: Final = 500
_NAMES: Final = (
    "world",
    "tick_id",
    "traceparent",
    "caused_by",
)  # whose difference is the worlds' names', not history's


class Field(msgspec.Struct, frozen=True):
    """The first field that differs, with its value in each world."""

    path: str
    one: str
    other: str


class Parting(msgspec.Struct, frozen=True):
    """The first tick at which a service's slices part."""

    service: str
    slice: int
    place: int
    seq: int | None
    field: Field | None  # None: it cannot be found out; why says so
    event: Field | None  # the first difference in what was said
    why: str = ""


class Histories(msgspec.Struct, frozen=True):
    """What two worlds have in common."""

    one: str
    other: str
    ticks: int  # compared
    input_seq: int | None  # the first tick that carries something else
    input: Field | None
    places: int  # slices' ticks compared
    parting: Parting | None
    only: list[str]  # slices that only one of them has

    @property
    def same(self) -> bool:
        """Whether nothing that was compared differs."""
        return self.input is None and self.parting is None and not self.only


def compare(pool: Pool, one: World, other: World, catalogue: Mapping[str, Service[Any]]) -> Histories:
    """Compare two histories as far as both go and are kept."""
    ticks, seq, part = _inputs(pool, one, other)
    with transaction(pool) as conn:
        mine = {(past.service, past.slice_no): past for past in pasts_of(conn, one.world_key)}
        theirs = {(past.service, past.slice_no): past for past in pasts_of(conn, other.world_key)}
    places, partings = 0, []
    for key in sorted(mine.keys() & theirs.keys()):
        with transaction(pool) as conn:
            count, place = first_parting(conn, mine[key].slice_key, theirs[key].slice_key)
            at = _seq_at(pool, mine[key], place) if place is not None else None
        places += count
        if place is not None:
            partings.append((at if at is not None else place, key, place, at))
    parting = None
    if partings:
        _, key, place, at = min(partings)
        parting = _explain(pool, (one, mine[key]), (other, theirs[key]), place, at, catalogue)
    only = [f"{service}/{number}" for service, number in sorted(mine.keys() ^ theirs.keys())]
    field = Field(*part) if part is not None else None
    return Histories(one.world_id, other.world_id, ticks, seq, field, places, parting, only)


def _inputs(pool: Pool, one: World, other: World) -> tuple[int, int | None, Part | None]:
    """(ticks compared, the first that differs, its field): what ticks carry, not what their world is called."""
    with transaction(pool) as conn:
        spans = [span for world in (one, other) if (span := tick_span(conn, world.world_key)) is not None]
    if len(spans) < 2:
        return 0, None, None
    first, last = max(span[0] for span in spans), min(span[1] for span in spans)
    for begin in range(first, last + 1, PAGE_TICKS):
        end = min(last, begin + PAGE_TICKS - 1)
        with transaction(pool) as conn:
            pages = [
                [decode_sealed(body) for body in read_bodies(conn, key, begin, end)]
                for key in (one.world_key, other.world_key)
            ]
        for mine, theirs in zip(*pages, strict=False):
            part = first_difference(_nameless(mine), _nameless(theirs), "tick")
            if part is not None:
                return mine.seq - first + 1, mine.seq, part
    return max(0, last - first + 1), None, None


def _nameless(tick: SealedTick) -> dict[str, Any]:
    fields = {name: getattr(tick, name) for name in tick.__struct_fields__ if name not in _NAMES}
    fields["directives"] = [{"service": each.service, "name": each.name, "args": each.args} for each in tick.directives]
    return fields


def _seq_at(pool: Pool, past: Past, place: int) -> int | None:
    with transaction(pool) as conn:
        rows = load_ticks(conn, past.stream, [(past.world_key, place, place)])
    return decode_sealed(bytes(rows[0][2])).seq if rows else None


def _explain(
    pool: Pool,
    one: tuple[World, Past],
    other: tuple[World, Past],
    place: int,
    seq: int | None,
    catalogue: Mapping[str, Service[Any]],
) -> Parting:
    service, number = one[1].service, one[1].slice_no
    event = _first_event(pool, one[1], other[1], place)
    if service not in catalogue:
        return Parting(service, number, place, seq, None, event, f"service {service} is not installed here")
    try:
        mine = _state_at(pool, *one, catalogue[service], place)
        theirs = _state_at(pool, *other, catalogue[service], place)
    except Exception as broken:  # noqa: BLE001 - the tick is named all the same
        return Parting(service, number, place, seq, None, event, f"the states cannot be made again: {broken}")
    part = first_difference(mine, theirs, "state")
    why = (
        ""
        if part is not None
        else "the states made again are equal: one of the histories was not stepped by this build"
    )
    return Parting(service, number, place, seq, Field(*part) if part is not None else None, event, why)


def _state_at(pool: Pool, world: World, past: Past, service: Service[Any], place: int) -> Any:
    start = choose_start(pool, service, past, "auto", place)
    with transaction(pool) as conn:
        rows = load_ticks(conn, service.stream, [(past.world_key, start.version + 1, place)])
        outcomes = {row[1]: row[2] for row in load_outcomes(conn, [(past.slice_key, start.version + 1, place)])}
    ticks = [decode_sealed(bytes(body)) for _, _, body in rows]
    section = section_of(service, world.scenario)
    *_, last = replay(service, section, world.seed, past.slice_no, start.body, ticks, outcomes)
    return last[1]


def _first_event(pool: Pool, one: Past, other: Past, place: int) -> Field | None:
    with transaction(pool) as conn:
        rows = [outputs_at(conn, past.slice_key, place) for past in (one, other)]
    said = [_said(row[1]) if row is not None else [] for row in rows]
    part = first_difference(said[0], said[1], "events")
    return Field(*part) if part is not None else None


def _said(body: bytes) -> list[dict[str, Any]]:
    """Type and data of the events in a row's outputs, without what names the world."""
    events = []
    for message in decode_outputs(body).messages if body else ():
        data = dict(decode(message.value).get("data") or {})
        for name in _NAMES:
            data.pop(name, None)
        events.append({"type": message.event_type, **data})
    return events
