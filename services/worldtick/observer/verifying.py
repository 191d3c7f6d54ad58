"""Verifying: a slice's past is stepped again, tick by tick, and every digest compared with the ledger's.
Lives here: where a replay starts, the comparison, the verdict. Not here: stepping (runtime/recovery), rows (store)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from worldtick.contracts.errors import Refused
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.observer.hashing import Joined
from worldtick.runtime.memory import section_of
from worldtick.runtime.recovery import digest_of, replay
from worldtick.runtime.service import Service
from worldtick.store.db import Pool, transaction
from worldtick.store.history import Past, Start, first_kept, load_start, pasts_of, starts_of, step_versions
from worldtick.store.slices import load_outcomes, load_ticks
from worldtick.store.worlds import World

PAGE_TICKS: Final = 500
From = Literal["auto", "genesis", "snapshot"]
GENESIS: Final = "genesis"


class Difference(msgspec.Struct, frozen=True):
    """The first tick at which a replay gives something else than was recorded."""

    place: int  # in the slice's stream
    seq: int | None
    slot: str | None  # world time
    recorded: str | None
    replayed: str | None
    why: str


class SliceVerdict(msgspec.Struct, frozen=True):
    """What came of one slice."""

    service: str
    slice: int
    start: str  # genesis, or snapshot@VERSION
    first: int  # the places stepped again, both included; first > last: none
    last: int
    dead: int
    digest: str | None  # at the end
    difference: Difference | None

    @property
    def ok(self) -> bool:
        """Whether all digests agree."""
        return self.difference is None

    @property
    def ticks(self) -> int:
        """How many were stepped again."""
        return max(0, self.last - self.first + 1)


@dataclass(slots=True)
class _Pages:
    """Ticks and what the ledger says of them, read a page at a time while a replay asks for them."""

    pool: Pool
    service: Service[Any]
    past: Past
    outcomes: dict[int, int]
    digests: dict[int, bytes]

    def ticks(self, first: int, last: int) -> Iterator[SealedTick]:
        """The ticks of the slice's stream at places first..last. Raises Refused if one is not there."""
        for begin in range(first, last + 1, PAGE_TICKS):
            end = min(last, begin + PAGE_TICKS - 1)
            with transaction(self.pool) as conn:
                rows = load_ticks(conn, self.service.stream, [(self.past.world_key, begin, end)])
                facts = load_outcomes(conn, [(self.past.slice_key, begin, end)])
            self.outcomes.clear()  # the replay is past them
            self.digests.clear()
            for _, version, outcome, digest in facts:
                self.outcomes[version], self.digests[version] = outcome, bytes(digest)
            expected = begin
            for _, place, body in rows:
                if place != expected:
                    break
                expected += 1
                yield decode_sealed(bytes(body))
            if expected <= end:
                raise Refused(f"the tick log lacks place {expected} of {self.past.service}'s stream: it was pruned")


def verify_world(
    pool: Pool,
    world: World,
    catalogue: Mapping[str, Service[Any]],
    service: str | None = None,
    begin: From = "auto",
    joined: Joined | None = None,
) -> Iterator[SliceVerdict]:
    """Replay every slice of a world (or of one of its services) up to where it stands; one verdict each.

    begin: genesis, the oldest snapshot from which the ledger is whole, or (auto) genesis where that can be. joined: is
    given each slice's columns. Raises Refused if a slice cannot be replayed at all: its service is not installed, or
    its past was pruned or stepped by another version of it.
    """
    with transaction(pool) as conn:
        pasts = pasts_of(conn, world.world_key, service)
    if service is not None and not pasts:
        raise Refused(f"world {world.world_id!r} has no service {service!r}; it has {', '.join(world.services)}")
    for past in pasts:
        if past.service not in catalogue:
            raise Refused(f"service {past.service!r} is not installed here, so its steps cannot be repeated")
        verdict, state = verify_slice(pool, world, catalogue[past.service], past, begin)
        if joined is not None:
            joined.take(catalogue[past.service], past, state)
        yield verdict


def verify_slice(
    pool: Pool, world: World, service: Service[Any], past: Past, begin: From = "auto"
) -> tuple[SliceVerdict, Any | None]:
    """One slice's verdict, and the state in which it stands if nothing differs. Raises Refused as verify_world does."""
    start = choose_start(pool, service, past, begin)
    pages = _Pages(pool, service, past, {}, {})
    first, last = start.version + 1, past.version
    section = section_of(service, world.scenario)
    name = GENESIS if start.body is None else f"snapshot@{start.version}"
    dead, digest, difference, state = _replay(world, service, past, section, start, pages)
    if difference is None and past.digest is not None and digest != past.digest and first <= last:
        difference = Difference(last, None, None, past.digest.hex(), (digest or b"").hex(), "the slice's own digest")
    shown = digest.hex() if digest is not None else None
    verdict = SliceVerdict(past.service, past.slice_no, name, first, last, dead, shown, difference)
    return verdict, state if difference is None else None


def _replay(
    world: World, service: Service[Any], past: Past, section: Any, start: Start, pages: _Pages
) -> tuple[int, bytes | None, Difference | None, Any]:
    """(dead ticks, last digest, first difference, last state)."""
    if start.body is not None and start.digest is not None and digest_of(start.body) != start.digest:
        why = "the snapshot's bytes are not what was stored"
        return 0, None, _difference(start.version, None, start.digest, digest_of(start.body), why), None
    dead, at = 0, start.version
    after: Any = None
    digest: bytes | None = None
    ticks = _remembered(pages.ticks(start.version + 1, past.version))
    try:
        steps = replay(service, section, world.seed, past.slice_no, start.body, ticks, pages.outcomes)
        for place, state, digest in steps:
            after = state
            if place is None:
                continue
            at = place
            dead += pages.outcomes.get(place) == 2
            recorded = pages.digests.get(place)
            if recorded != digest:
                why = "its ledger row is missing" if recorded is None else "the step gives other bytes now"
                return dead, digest, _difference(at, ticks.tick, recorded, digest, why), None
    except Refused:
        raise
    except Exception as broken:  # noqa: BLE001 - a step or a codec that raises is what we look for
        why = f"the replay raises {type(broken).__name__}: {broken}"
        return dead, digest, _difference(at + 1, ticks.tick, pages.digests.get(at + 1), None, why), None
    return dead, digest, None, after


class _remembered:  # noqa: N801 - reads as a verb: an iterator that remembers
    """Passes ticks on and remembers the last one."""

    def __init__(self, ticks: Iterator[SealedTick]) -> None:
        self._ticks = ticks
        self.tick: SealedTick | None = None

    def __iter__(self) -> Iterator[SealedTick]:
        return self

    def __next__(self) -> SealedTick:
        self.tick = next(self._ticks)
        return self.tick


def _difference(
    place: int, tick: SealedTick | None, recorded: bytes | None, replayed: bytes | None, why: str
) -> Difference:
    slot = tick.date(tick.to_us) if tick is not None else None
    one, other = (None if digest is None else digest.hex() for digest in (recorded, replayed))
    return Difference(place, tick.seq if tick is not None else None, slot, one, other, why)


def choose_start(pool: Pool, service: Service[Any], past: Past, begin: From, upto: int | None = None) -> Start:
    """Where a replay starts that reaches `upto` (default: where the slice stands). Raises Refused."""
    last = past.version if upto is None else upto
    with transaction(pool) as conn:
        whole_after = first_kept(conn, past)
        mine_after = _own_steps_after(service, step_versions(conn, past.slice_key, whole_after + 1, past.version))
        snapshots = [version for version in starts_of(conn, past.slice_key) if whole_after <= version <= last]
        who = f"{past.service}/{past.slice_no}"
        if not mine_after:
            raise Refused(
                f"{who}: its ticks were stepped by other step versions than this build's {service.step_version};"
                " verify it with the build that made them"
            )
        if whole_after <= past.genesis_version and begin != "snapshot":
            return Start(past.genesis_version, None, None)
        if begin == "genesis":
            raise Refused(f"{who}: its past before tick {whole_after + 1} was pruned; verify it with --from snapshot")
        for version in snapshots:
            start = load_start(conn, past.slice_key, version)
            if start is not None and start.body is not None:
                return start
    if whole_after <= past.genesis_version:
        return Start(past.genesis_version, None, None)  # so young that no snapshot was kept
    raise Refused(f"{who}: there is no snapshot from which its ledger is whole")


def _own_steps_after(service: Service[Any], made_by: list[int]) -> bool:
    return all(version == service.step_version for version in made_by)
