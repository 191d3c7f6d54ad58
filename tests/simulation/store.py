"""A simulated PostgreSQL: the tables that the protocol, tickers and control touch, each effect one transaction.
Lives here: rows, claim check, version guard, lost answers to COMMIT. Not here: what must hold of them (promises)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from worldtick.contracts.sealed import SealedTick, encode_sealed
from worldtick.runtime.effects import (
    DIVERGED,
    WELL,
    Committed,
    LedgerRow,
    LoadSlices,
    SliceRow,
    Writes,
)
from worldtick.store.clocks import Clock
from worldtick.store.directives import Waiting

Place = tuple[str, int, int]  # topic, partition, offset


class Fault(Enum):
    """What befalls a COMMIT."""

    NONE = "none"
    REPLY_LOST = "committed, reply lost"
    ABORTED = "aborted, reply lost"
    LATE = "committed after the connection was given up"


@dataclass(slots=True)
class World:
    """A row of `world` and of `clock`, with its tick log."""

    clock: Clock
    scenario: str
    published_seq: int = 0
    silent: bool = True  # no ring since its slices were last seen to lag
    ticks: dict[int, SealedTick] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    seq_by_place: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class Slice:
    """A row of `slice`."""

    slice_key: int
    world_key: int
    service: str
    slice_no: int
    stream: str
    version: int = 0
    digest: bytes | None = None
    step_version: int = 0
    status: int = WELL
    dead_in_row: int = 0
    carried: int = 0
    snapshot_version: int | None = None
    snapshot: bytes | None = None
    reader_key: int | None = None  # these three: the origin of its last ledger row
    origin_partition: int | None = None
    origin_offset: int | None = None
    resumed_at: int | None = None  # the version at which an operator last resumed it: no column, the promises' own


@dataclass(slots=True)
class Claimed:
    """A row of `claim`."""

    worker_key: int
    clean: bool = False


@dataclass(slots=True)
class Hanging:
    """A transaction that passed its checks and holds its locks, while nobody waits for its answer any more."""

    writes: Writes


class Store:
    """The database."""

    def __init__(self, on_commit: Callable[[Writes], None], on_seal: Callable[[int, SealedTick], None]) -> None:
        self.worlds: dict[int, World] = {}
        self.slices: dict[int, Slice] = {}
        self.ledger: dict[tuple[int, int], LedgerRow] = {}  # slice, version
        self.by_origin: dict[tuple[int, int], dict[int, list[LedgerRow]]] = {}  # reader, partition -> offset -> rows
        self.claims: dict[tuple[int, int], Claimed] = {}  # reader, partition
        self.published: dict[tuple[int, int], int] = {}  # reader, partition -> next offset
        self.attempts: dict[tuple[int, int], int] = {}  # slice, version
        self.facts: dict[tuple[int, str, int, int], bytes] = {}  # world, service, slice, seq
        self.directives: list[Waiting] = []
        self.pastes: dict[Place, tuple[int, int]] = {}  # -> world, seq
        self.directives_queued = 0
        self.hanging: list[Hanging] = []
        self.claim_checks = True  # a mutant takes them out
        self.version_guard = True
        self._on_commit = on_commit
        self._on_seal = on_seal
        self._workers = 0

    # ---- workers' own rows

    def new_worker(self) -> int:
        """A key for a worker process."""
        self._workers += 1
        return self._workers

    def claim(self, reader: int, worker: int, partitions: Sequence[int]) -> dict[int, bool]:
        """Take claims, waiting for transactions that hold them; True where the former owner let go cleanly."""
        self.settle(lambda hung: hung.reader_key == reader and bool(set(hung.partitions) & set(partitions)))
        clean: dict[int, bool] = {}
        for partition in partitions:
            former = self.claims.get((reader, partition))
            clean[partition] = former is None or former.clean or former.worker_key == worker
            self.claims[reader, partition] = Claimed(worker)
        return clean

    def release(self, reader: int, worker: int, partitions: Sequence[int]) -> None:
        """Let go of those claims that are still the worker's."""
        for partition in partitions:
            claim = self.claims.get((reader, partition))
            if claim is not None and claim.worker_key == worker:
                claim.clean = True

    def note_published(self, reader: int, offsets: Mapping[int, int]) -> None:
        """Note how far a reader has surely published."""
        for partition, offset in offsets.items():
            self.published[reader, partition] = max(offset, self.published.get((reader, partition), 0))

    def attempt(self, slice_key: int, version: int) -> int:
        """Count one more beginning of a step."""
        self.attempts[slice_key, version] = self.attempts.get((slice_key, version), 0) + 1
        return self.attempts[slice_key, version]

    def survived(self, slice_key: int, version: int) -> None:
        """The step's process has lived to its end."""
        self.attempts.pop((slice_key, version), None)

    def diverge(self, slice_key: int) -> None:
        """Stop a slice."""
        self.slices[slice_key].status = DIVERGED

    # ---- reading

    def load_slices(self, service: str, asked: LoadSlices) -> list[SliceRow]:
        """The service's slices that are asked for, as committed."""
        found: list[SliceRow] = []
        for row in self.slices.values():
            world = self.worlds[row.world_key]
            name = world.clock.world
            if row.service != service or not (name in asked.worlds or (name, row.slice_no) in asked.slices):
                continue
            fields = {name: getattr(row, name) for name in _COPIED}
            found.append(
                SliceRow(
                    world=world.clock.world,
                    seed=world.clock.seed,
                    scenario=world.scenario,
                    genesis_version=0,
                    **fields,
                )
            )
        return found

    def load_ticks(self, stream: str, ranges: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, bytes]]:
        """Bodies of ticks by their place in a stream."""
        found = []
        for world_key, first, last in ranges:
            world = self.worlds[world_key]
            for place in range(first, last + 1):
                seq = place if stream == "all" else world.seq_by_place.get((stream, place))
                if seq is not None and seq in world.bodies:
                    found.append((world_key, place, world.bodies[seq]))
        return found

    def load_ledger(self, ranges: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int, bytes]]:
        """Outcomes and digests of slices' ledger rows."""
        rows = [self.ledger.get((key, place)) for key, first, last in ranges for place in range(first, last + 1)]
        return [(row.slice_key, row.version, row.outcome, row.digest) for row in rows if row is not None]

    def last_origins(self, reader: int, partitions: Sequence[int]) -> dict[int, int]:
        """partition -> the highest offset under which a row stands."""
        found = {partition: self.by_origin.get((reader, partition), {}) for partition in partitions}
        return {partition: max(offsets) for partition, offsets in found.items() if offsets}

    def load_outputs(self, reader: int, ranges: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, bytes]]:
        """Outputs of rows by origin, in (world, place, slice) order."""
        rows = [
            row
            for partition, first, end in ranges
            for offset, rows in self.by_origin.get((reader, partition), {}).items()
            if first <= offset < end
            for row in rows
        ]
        rows.sort(key=lambda row: (self.slices[row.slice_key].world_key, row.version, row.slice_key))
        return [(row.origin_partition, row.origin_offset, row.outputs) for row in rows]

    # ---- a batch's transaction

    def commit(self, writes: Writes, fault: Fault) -> Committed:
        """One SQL transaction, and what its worker hears of it."""
        keys = {row.slice_key for row in writes.raises}
        self.settle(lambda hung: bool(keys & {row.slice_key for row in hung.raises}))
        if not self._holds(writes):
            return Committed.STALE
        if fault is Fault.ABORTED:
            return Committed.UNKNOWN
        if fault is Fault.LATE:
            self.hanging.append(Hanging(writes))
            return Committed.UNKNOWN
        self._write(writes)
        return Committed.YES if fault is Fault.NONE else Committed.UNKNOWN

    def settle(self, waits_for: Callable[[Writes], bool]) -> None:
        """Let late transactions end that somebody waits for."""
        for hung in [hung for hung in self.hanging if waits_for(hung.writes)]:
            self.hanging.remove(hung)
            self._write(hung.writes)

    def _holds(self, writes: Writes) -> bool:
        if self.claim_checks:
            for partition in writes.partitions:
                claim = self.claims.get((writes.reader_key, partition))
                if claim is None or claim.worker_key != writes.worker_key:
                    return False
        if self.version_guard:
            rows = [(self.slices[row.slice_key], row.from_version) for row in writes.raises]
            return all(row.version == version and row.status != DIVERGED for row, version in rows)
        return True

    def _write(self, writes: Writes) -> None:
        self._on_commit(writes)
        for moved in writes.raises:
            row = self.slices[moved.slice_key]
            row.version, row.digest, row.step_version = moved.version, moved.digest, moved.step_version
            row.status, row.dead_in_row, row.carried = moved.status, moved.dead_in_row, moved.carried
            if moved.origin_offset is not None:
                row.reader_key, row.origin_partition = writes.reader_key, moved.origin_partition
                row.origin_offset = moved.origin_offset
            if moved.snapshot is not None:
                row.snapshot_version, row.snapshot = moved.version, moved.snapshot
        for done in writes.ledger:
            self.ledger[done.slice_key, done.version] = done
            origins = self.by_origin.setdefault((done.reader_key, done.origin_partition), {})
            origins.setdefault(done.origin_offset, []).append(done)
        for world_key, service, slice_no, seq, body in writes.facts:
            self.facts[world_key, service, slice_no, seq] = body
        for world_key, service, name, args, source, made_seq, made_order in writes.effects:
            self.queue(world_key, service, name, args, source, made_seq, made_order)

    # ---- directives and seals

    def queue(
        self,
        world_key: int,
        service: str,
        name: str,
        args: str,
        source: str = "admin",
        made_seq: int | None = None,
        made_order: int = 0,
    ) -> int:
        """Queue a directive; its id."""
        self.directives_queued += 1
        self.directives.append(
            Waiting(
                world_key,
                self.directives_queued,
                service,
                name,
                msgspec.json.decode(args),
                source,
                made_seq,
                made_order,
            )
        )
        return self.directives_queued

    def insert_tick(self, world_key: int, tick: SealedTick) -> None:
        """Add to the tick log, under its unique indexes."""
        world = self.worlds[world_key]
        world.ticks[tick.seq] = tick
        world.bodies[tick.seq] = encode_sealed(tick)
        world.seq_by_place[tick.kind, tick.kind_seq] = tick.seq
        self._on_seal(world_key, tick)

    def newest(self, world: World, stream: str) -> int:
        """The newest place in a stream."""
        clock = world.clock
        return {"all": clock.seq, "hourly": clock.hourly_seq, "daily": clock.daily_seq}[stream]

    def lagging(self, world_key: int) -> list[Slice]:
        """Slices that have not finished all that is sealed."""
        world = self.worlds[world_key]
        return [
            row
            for row in self.slices.values()
            if row.world_key == world_key and row.version < self.newest(world, row.stream)
        ]

    # ---- retention

    def prune(self, published_only: bool = True) -> int:
        """Delete ledger rows that are published and covered by a snapshot, and ticks that every slice covers."""
        count = 0
        for (reader, partition), origins in self.by_origin.items():
            surely = self.published.get((reader, partition), 0)
            for offset in [offset for offset in origins if offset < surely or not published_only]:
                kept = [row for row in origins[offset] if not self._covered(row)]
                for row in origins[offset]:
                    if row not in kept:
                        del self.ledger[row.slice_key, row.version]
                        count += 1
                if kept:
                    origins[offset] = kept
                else:
                    del origins[offset]
        return count + sum(self._prune_ticks(key, world) for key, world in self.worlds.items())

    def _covered(self, row: LedgerRow) -> bool:
        return row.version <= (self.slices[row.slice_key].snapshot_version or 0)

    def _prune_ticks(self, world_key: int, world: World) -> int:
        mine = [row for row in self.slices.values() if row.world_key == world_key]
        gone = [
            seq
            for seq in world.bodies
            if seq < min(world.clock.seq, world.published_seq)
            and all((row.snapshot_version or 0) >= self._place(world, seq, row.stream) for row in mine)
        ]
        for seq in gone:
            del world.bodies[seq]
        return len(gone)

    @staticmethod
    def _place(world: World, seq: int, stream: str) -> int:
        """The place of a tick in a stream, or of the last one of that stream before it."""
        if stream == "all":
            return seq
        return max(
            (place for (kind, place), at in world.seq_by_place.items() if kind == stream and at <= seq), default=0
        )


_COPIED = tuple(name for name in Slice.__dataclass_fields__ if name not in ("service", "stream", "resumed_at"))
