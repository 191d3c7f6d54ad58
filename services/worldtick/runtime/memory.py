"""Slices in a worker's memory: built from genesis or snapshot, kept between batches, forgotten at any doubt.
Lives here: what is known of a slice, loading and its recovery, the bound on memory. Not here: new ticks (stepping)."""

import logging
from collections import OrderedDict
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from worldtick.contracts.ids import slice_key
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.runtime.batches import Note
from worldtick.runtime.effects import PARKED, WELL, Diverge, Effect, LoadLedger, LoadSlices, LoadTicks, SliceRow
from worldtick.runtime.errors import Diverged
from worldtick.runtime.recovery import digest_of, replay
from worldtick.runtime.service import Service

NOWHERE = (-1, -1)
TOLD_MAX = 10_000  # slices whose trouble is remembered as told
SECTIONS_MAX = 4_096  # parsed scenario sections kept; worlds of one scenario share theirs


@dataclass(slots=True)
class Held:
    """A slice in memory. `blocked` says why its ticks are not applied now; None: they are."""

    slice_key: int
    world_key: int
    world: str
    slice_no: int
    version: int
    state: Any
    digest: bytes
    size_bytes: int
    snapshot_version: int
    status: int
    dead_in_row: int
    carried: int  # operations left for later ticks
    address: str  # under which it is rung: its world, or itself
    origin: tuple[int, int]  # partition and offset of the record under which it was stepped last; NOWHERE: none
    blocked: str | None = None

    def hangs_later(self, partition: int, offset: int) -> bool:
        """Whether its last row hangs on a later record of this partition; offsets of another one say nothing."""
        return self.origin[1] > offset and self.origin[0] == partition


class Memory:
    """The slices of one service, by address: a world's all together, or each by itself where it is rung by itself."""

    def __init__(self, service: Service[Any], reader_key: int, bytes_max: int) -> None:
        self._service = service
        self._reader_key = reader_key
        self._bytes_max = bytes_max
        self._at: OrderedDict[str, list[Held]] = OrderedDict()
        self._bytes = 0
        self.slices = 0  # held now
        self._sections: dict[str, Any] = {}
        self._told: dict[int, str] = {}
        self.notes: list[Note] = []  # of slices that cannot go on; the protocol takes them

    def of(self, address: str) -> list[Held]:
        """The slices at a loaded address; none of a world that does not have this service."""
        return self._at[address]

    def all(self) -> Iterable[Held]:
        """Every slice in memory."""
        return (held for slices in self._at.values() for held in slices)

    def forget(self, addresses: Iterable[str] | None = None) -> None:
        """Drop what is at some addresses, or all."""
        if addresses is None:
            self._at.clear()
            self._bytes = self.slices = 0
            return
        for address in addresses:
            gone = self._at.pop(address, [])
            self._bytes -= sum(held.size_bytes for held in gone)
            self.slices -= len(gone)

    def shrink(self, keep: Collection[str]) -> None:
        """Forget addresses without a slice, and those longest unused beyond the bound; of `keep` none that has any."""
        self.forget([address for address, slices in self._at.items() if not slices])
        self._bytes = sum(held.size_bytes for held in self.all()) if self._bytes > self._bytes_max else self._bytes
        for address in list(self._at):
            if self._bytes <= self._bytes_max:
                return
            if address not in keep:
                self.forget([address])

    def load(self, addresses: Iterable[str]) -> Generator[Effect, Any, None]:
        """Bring into memory what is not there. Diverged slices are blocked, and said to be so."""
        missing = [address for address in addresses if not self._touch(address)]
        if not missing:
            return
        rows: list[SliceRow] = yield self._asking(missing)
        ticks, outcomes, digests = yield from self._history(rows)
        for address in missing:
            self._at[address] = []
        for row in rows:
            held = yield from self._build(row, ticks, outcomes, digests)
            self._at[held.address].append(held)
            self._bytes += held.size_bytes
            self.slices += 1

    def _asking(self, addresses: Sequence[str]) -> LoadSlices:
        if self._service.slice_topic is None:
            return LoadSlices(addresses)
        parts = (address.rsplit("/", 1) for address in addresses)
        return LoadSlices(slices=[(world, int(number)) for world, number in parts])

    def _touch(self, address: str) -> bool:
        if address not in self._at:
            return False
        for held in self._at[address]:
            if held.blocked is not None:  # look again: an operator may have resumed it
                self.forget([address])
                return False
        self._at.move_to_end(address)
        return True

    def _history(
        self, rows: Sequence[SliceRow]
    ) -> Generator[
        Effect, Any, tuple[dict[tuple[int, int], SealedTick], dict[int, dict[int, int]], dict[int, dict[int, bytes]]]
    ]:
        """Ticks, outcomes and digests that lie between the rows' snapshots and their versions."""
        behind = [row for row in rows if self._first(row) <= row.version]
        ticks: dict[tuple[int, int], SealedTick] = {}
        outcomes: dict[int, dict[int, int]] = {}
        digests: dict[int, dict[int, bytes]] = {}
        if behind:
            ranges: dict[int, tuple[int, int]] = {}
            for row in behind:
                first, last = ranges.get(row.world_key, (self._first(row), row.version))
                ranges[row.world_key] = min(first, self._first(row)), max(last, row.version)
            for world_key, version, body in (yield LoadTicks([(key, *span) for key, span in ranges.items()])):
                ticks[world_key, version] = decode_sealed(body)
            spans = [(row.slice_key, self._first(row), row.version) for row in behind]
            for slice_key, version, outcome, digest in (yield LoadLedger(spans)):
                outcomes.setdefault(slice_key, {})[version] = outcome
                digests.setdefault(slice_key, {})[version] = digest
        return ticks, outcomes, digests

    def _first(self, row: SliceRow) -> int:
        """The first tick that recovery steps again."""
        return (row.genesis_version if row.snapshot_version is None else row.snapshot_version) + 1

    def _build(
        self,
        row: SliceRow,
        ticks: Mapping[tuple[int, int], SealedTick],
        outcomes: Mapping[int, Mapping[int, int]],
        digests: Mapping[int, Mapping[int, bytes]],
    ) -> Generator[Effect, Any, Held]:
        start = row.genesis_version if row.snapshot_version is None else row.snapshot_version
        blocked = self._blocked(row, start)
        if blocked is not None:
            self._tell(row, blocked)
            return self._held(row, None, row.digest or b"", 0, start, blocked)
        try:
            section = self._section(row.scenario)
            span = [ticks[row.world_key, version] for version in range(start + 1, row.version + 1)]
            state, digest, size = self._recover(row, section, span, outcomes, digests)
        except KeyError as missing:
            blocked = f"the tick log lacks a tick since its snapshot: {missing}"
        except Diverged as diverged:
            blocked = str(diverged)
            yield Diverge(row.slice_key, blocked)
        if blocked is not None:
            self._tell(row, blocked)
            return self._held(row, None, row.digest or b"", 0, start, blocked)
        return self._held(row, state, digest, size, start, None)

    def _tell(self, row: SliceRow, blocked: str) -> None:
        """Say why a slice is blocked, once as long as the reason is the same."""
        if self._told.get(row.slice_key) != blocked:
            if len(self._told) >= TOLD_MAX:
                self._told.clear()
            self._told[row.slice_key] = blocked
            fields = {"world": row.world, "slice": row.slice_no, "version": row.version, "reason": blocked}
            self.notes.append(Note("slice_blocked", fields, logging.ERROR))

    def _blocked(self, row: SliceRow, start: int) -> str | None:
        if row.status != WELL:
            return "parked after dead steps" if row.status == PARKED else "diverged"
        mine = self._service.step_version
        if row.digest is not None and row.step_version != mine and start != row.version:
            return (
                f"its snapshot is older than its last tick, which step version {row.step_version} made; this build has"
                f" {mine}: run a worker of version {row.step_version} once, whose drain takes a snapshot"
            )
        return None

    def _recover(
        self,
        row: SliceRow,
        section: Any,
        span: Sequence[SealedTick],
        outcomes: Mapping[int, Mapping[int, int]],
        digests: Mapping[int, Mapping[int, bytes]],
    ) -> tuple[Any, bytes, int]:
        """(state, digest, encoded size) at row.version. Raises Diverged."""
        service = self._service
        said = digests.get(row.slice_key, {})
        try:
            known = outcomes.get(row.slice_key, {})
            states = replay(service, section, row.seed, row.slice_no, row.snapshot, span, known)
            _, state, digest = next(states)
            for place, state, digest in states:  # noqa: B007 - the last state is what we are after
                if said.get(place or 0, digest) != digest:
                    raise Diverged(f"tick {place}: recovery gives {digest.hex()}, the ledger has another digest")
            body = service.encode(state)
        except Diverged:
            raise
        except Exception as broken:
            raise Diverged(f"recovery raised {type(broken).__name__}: {broken}") from broken
        digest = digest_of(body)
        if row.digest is not None and row.digest != digest and row.step_version == service.step_version:
            raise Diverged(f"recovery gives {digest.hex()} at {row.version}, the slice has {row.digest.hex()}")
        return state, digest, len(body)

    def _held(
        self, row: SliceRow, state: Any, digest: bytes, size: int, snapshot_version: int, blocked: str | None
    ) -> Held:
        origin = NOWHERE
        if row.reader_key == self._reader_key and row.origin_partition is not None and row.origin_offset is not None:
            origin = (row.origin_partition, row.origin_offset)
        return Held(
            slice_key=row.slice_key,
            world_key=row.world_key,
            world=row.world,
            slice_no=row.slice_no,
            version=row.version,
            state=state,
            digest=digest,
            size_bytes=size,
            snapshot_version=snapshot_version,
            status=row.status,
            dead_in_row=row.dead_in_row,
            carried=row.carried,
            address=row.world if self._service.slice_topic is None else slice_key(row.world, row.slice_no),
            origin=origin,
            blocked=blocked,
        )

    def _section(self, scenario: str) -> Any:
        """The service's section of a scenario; the same object for the same text."""
        if scenario not in self._sections:
            if len(self._sections) >= SECTIONS_MAX:
                self._sections.clear()
            self._sections[scenario] = section_of(self._service, scenario)
        return self._sections[scenario]


def section_of(service: Service[Any], scenario: str) -> Any:
    """The section of one service in a world's stored scenario, as its model."""
    services = msgspec.json.decode(scenario.encode()).get("services", {})
    return service.scenario_model.model_validate(services.get(service.name, {}))
