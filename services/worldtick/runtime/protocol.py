"""The worker's protocol: records in, effects out. Law 4, without I/O: one code for Kafka and for the simulation.
Lives here: claims, positions, the three stages of a batch, what drops one. Not here: stepping, performing effects.

A batch passes three stages, each strictly in order of batches, the three of them for consecutive batches at once:

    prepare   read rings, load what is not in memory, step     LoadSlices LoadTicks LoadLedger Diverge Attempt …
    commit    ONE SQL transaction: all that the steps wrote    Commit
    publish   ONE Kafka transaction: outputs, rings, offsets   LoadOutputs Transact

A stage that fails raises the epoch, which drops every batch under way; the driver then reads the committed offsets
and calls `place`. Nothing in memory outlives that."""

import logging
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any

import msgspec

from worldtick.contracts.errors import Unreadable
from worldtick.contracts.ids import home_partition, slice_key
from worldtick.contracts.rings import decode_ring
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.batches import Account, Note, Prepared, Rung, account_in, accounted
from worldtick.runtime.effects import (
    Again,
    Attempt,
    Claim,
    Commit,
    Committed,
    Effect,
    LastOrigins,
    LoadOutputs,
    LoadTicks,
    Published,
    Record,
    Release,
    Survived,
    Transact,
    Unread,
    Writes,
)
from worldtick.runtime.errors import Fenced
from worldtick.runtime.memory import Memory
from worldtick.runtime.notes import NOTED_RECORDS_MAX, notes_of
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Service
from worldtick.runtime.speech import Failure
from worldtick.runtime.stepping import Done, Planned, Stepper

HOMES_MAX = 100_000  # addresses whose home partition is remembered


class Protocol:
    """One worker of one service on the partitions of its tick topic."""

    def __init__(
        self,
        service: Service[Any],
        reader_key: int,
        worker_key: int,
        partitions: int,
        rules: Rules,
        writer: EventWriter,
        timer_us: Callable[[], int],
        registry: SchemaRegistry | None = None,
        prefix: str = "",
    ) -> None:
        self.epoch = 0
        self._placed_epoch = 0  # batches are of the epoch in which we were placed: after a failure none is begun well
        self.stepping: tuple[int, str, int] | None = None  # since (us of the timer), world, place: for the watchdog
        self.memory = Memory(service, reader_key, rules.memory_bytes_max)
        self._service = service
        self._reader_key = reader_key
        self._worker_key = worker_key
        self._partitions = partitions
        self._rules = rules
        self._timer_us = timer_us
        self._registry = registry
        self._stepper = Stepper(service, writer, rules, timer_us, prefix)
        self._homes: dict[str, int] = {}
        self._next: dict[int, int] = {}  # partition -> the offset at which the next batch's range begins
        self._accounts: dict[int, Account] = {}
        self._unclean: set[int] = set()  # claimed from one that did not let go cleanly, and not placed yet
        self._careful_until: dict[int, int] = {}  # partition -> offset below which ticks go singly
        self._claimed: set[int] = set()
        self._survived: set[tuple[int, int]] = set()  # attempted steps that ended, and are perhaps not noted so
        # Where others' rows end, committed before we claimed and perhaps not published. Since then nobody but us writes
        # rows, so that beyond it a batch's own are all that there are. None: not asked yet.
        self._hang_until: dict[int, int] | None = None

    # ---- partitions

    def claim(self, partitions: Collection[int]) -> Generator[Effect, Any, None]:
        """Take partitions, at an assignment and again after every failure: no former owner commits from now on.

        Then the driver reads the committed offsets, proves its membership by committing them as they are (the group
        fences that by generation), and calls `place`. A member expelled before its claim got through fails the proof,
        and the true owner, whose commits are refused meanwhile, claims again.
        """
        if partitions:
            clean: dict[int, bool] = yield Claim(sorted(partitions))
            self._claimed |= set(clean)
            self._unclean |= {partition for partition, was_clean in clean.items() if not was_clean}

    def place(self, committed: Mapping[int, tuple[int, str]]) -> None:
        """Begin at the committed offsets (0 where none is), as they are after an assignment or a failure."""
        self.memory.forget()
        self._next = {partition: offset for partition, (offset, _) in committed.items()}
        self._accounts = {partition: account_in(text) for partition, (_, text) in committed.items()}
        # What an unclean end had in hand: a batch in each of three stages and one waiting before two of them.
        window = 5 * self._rules.batch_records
        for partition in self._unclean & set(committed):
            self._careful_until[partition] = committed[partition][0] + window
            self._unclean.discard(partition)
        self._careful_until = {p: until for p, until in self._careful_until.items() if p in committed}
        self._hang_until = None
        self._placed_epoch = self.epoch

    def recall(self) -> Generator[Effect, Any, None]:
        """Ask how far there are rows committed before we claimed and perhaps not published; before the first commit."""
        if self._hang_until is None:
            last: dict[int, int] = (yield LastOrigins(self._reader_key, sorted(self._next))) if self._next else {}
            self._hang_until = {partition: offset + 1 for partition, offset in last.items()}

    @property
    def hangs(self) -> bool:
        """Whether rows wait to be published for records that were not read again yet. If none come, retention has
        deleted them since: the driver begins again at the committed offsets, and finds the hole."""
        until = self._hang_until or {}
        return any(offset < until.get(partition, 0) for partition, offset in self._next.items())

    def let_go(self, partitions: Collection[int], lost: bool = False) -> Generator[Effect, Any, None]:
        """Give partitions up; where they were not lost, say that nothing of ours is under way on them."""
        given = sorted(set(partitions) & self._claimed)
        self._claimed -= set(partitions)
        for partition in partitions:
            self._next.pop(partition, None)
            self._careful_until.pop(partition, None)
        if given and not lost:
            yield Release(given)

    def fail(self) -> None:
        """Drop all batches under way."""
        self.epoch += 1

    # ---- stage 1

    def prepare(self, records: Sequence[Record], group: Any) -> Generator[Effect, Any, Prepared]:
        """Read a batch's rings and step what they announce. Records are in order within each partition."""
        writes = Writes(self._reader_key, self._worker_key)
        batch = Prepared(self._placed_epoch, group, writes, [], {}, {}, records=len(records))
        yield from self.recall()
        rings = self._read(records, batch)
        until = self._hang_until or {}
        batch.hangs = any(first < until.get(partition, 0) for partition, first, _ in batch.ranges)
        yield from self.memory.load(dict.fromkeys(ring.address for ring in rings))
        batch.notes += self.memory.notes
        self.memory.notes.clear()
        rings = self._with_slices(rings, batch)
        planned = yield from self._plan(rings, batch)
        yield from self._step(planned, batch, asked := {ring.address for ring in rings if ring.snapshot})
        self._store(asked, batch)
        self._ring_again(rings, batch)
        self.memory.shrink({ring.address for ring in rings})
        return batch

    def _read(self, records: Sequence[Record], batch: Prepared) -> list[Rung]:
        rings: list[Rung] = []
        ends: dict[int, int] = {}
        stands, passed = self._next, batch.passed
        by_seq, by_slice = self._service.stream == "all", self._service.slice_topic is not None
        for record in records:
            partition, offset = record.partition, record.offset
            if offset < stands.get(partition, offset + 1):
                raise Fenced(f"record {partition}/{offset} lies before where we stand, or is not ours")
            ends[partition] = offset + 1
            try:
                ring = decode_ring(record.value, self._registry)
            except Unreadable as dead:
                if by_slice:  # its topic is ours
                    batch.unread.append(Unread(record, dead.reason, str(dead)))
                else:  # control's: it dead-letters garbage and seals pastes
                    passed[partition] = passed.get(partition, 0) + 1
                continue
            address = ring.world if ring.slice is None else slice_key(ring.world, ring.slice)
            if (ring.slice is not None) == by_slice and self._at_home(address, partition):
                place = ring.seq if by_seq else ring.kind_seq
                rings.append(Rung(partition, offset, address, place, ring.snapshot, record.value, record.source))
            else:
                passed[partition] = passed.get(partition, 0) + 1
        for partition, end in sorted(ends.items()):
            # From the last committed offset on, not from the first record: a hole may hide records of committed rows.
            batch.ranges.append((partition, self._next[partition], end))
            self._next[partition] = end
            if self._careful_until.get(partition, end) < batch.ranges[-1][1]:
                del self._careful_until[partition]
        batch.writes.partitions = tuple(sorted(ends))
        return rings

    def hole(self, partition: int, until: int, group: Any) -> Prepared:
        """A batch of no records: retention deleted all before `until`, where committed rows may hang."""
        batch = Prepared(self._placed_epoch, group, Writes(self._reader_key, self._worker_key), [], {}, {})
        batch.ranges.append((partition, self._next[partition], until))
        self._next[partition] = until
        return batch

    def _at_home(self, address: str, partition: int) -> bool:
        home = self._homes.get(address)
        if home is None:
            if len(self._homes) >= HOMES_MAX:
                self._homes.clear()
            home = self._homes[address] = home_partition(address, self._partitions)
        return home == partition

    def _with_slices(self, rings: Sequence[Rung], batch: Prepared) -> list[Rung]:
        """The rings of worlds that have this service; the others are passed."""
        kept = []
        for ring in rings:
            if self.memory.of(ring.address):
                kept.append(ring)
            else:
                batch.passed[ring.partition] = batch.passed.get(ring.partition, 0) + 1
        for partition, _, _ in batch.ranges:
            batch.rung[partition] = {ring.offset for ring in kept if ring.partition == partition}
        return kept

    def _plan(self, rings: Sequence[Rung], batch: Prepared) -> Generator[Effect, Any, list[list[Planned]]]:
        """For each slice the ticks that these rings make it step, in order: a queue of tasks, last first."""
        queues: dict[int, list[Planned]] = {}
        spans: dict[int, tuple[int, int]] = {}
        bound = self._rules.ticks_per_record
        of = self.memory.of
        for ring in rings:
            partition, offset = ring.partition, ring.offset
            for held in of(ring.address):
                if held.blocked is not None or held.hangs_later(partition, offset):
                    continue  # behind a later record's rows nothing may be stepped: outputs go out in order of origins
                queue = queues.get(held.slice_key)
                first = (queue[-1].version if queue else held.version) + 1
                if ring.place < first:
                    continue
                if queue is None:
                    queue = queues[held.slice_key] = []
                last = min(ring.place, first + bound - 1)
                for place in range(first, last + 1):
                    queue.append(Planned(held, place, partition, offset))
                span = spans.get(held.world_key)
                spans[held.world_key] = (first, last) if span is None else (min(span[0], first), max(span[1], last))
        if not spans:
            return []
        ticks: dict[tuple[int, int], SealedTick] = {}
        for world_key, place, body in (yield LoadTicks([(key, *span) for key, span in spans.items()])):
            ticks[world_key, place] = decode_sealed(body)
        for queue in queues.values():
            self._give_ticks(queue, ticks, batch)
        return [queue for queue in queues.values() if queue]

    def _give_ticks(self, queue: list[Planned], ticks: Mapping[tuple[int, int], SealedTick], batch: Prepared) -> None:
        """Put the ticks into a queue of tasks, cut where the tick log ends, and turn it round."""
        world_key = queue[0].held.world_key
        for at, task in enumerate(queue):
            tick = ticks.get((world_key, task.version))
            if tick is None:
                batch.beyond.add(task.held.address)
                fields = {"world": task.held.world, "slice": task.held.slice_no, "place": task.version}
                batch.notes.append(Note("ring_beyond_table", fields, logging.ERROR))
                del queue[at:]
                break
            task.tick = tick
        queue.reverse()

    def _step(
        self, queues: list[list[Planned]], batch: Prepared, stored: Collection[str]
    ) -> Generator[Effect, Any, None]:
        """Round by round: one tick of every slice that has any left. stored: addresses whose states are asked for."""
        moved = [(queue[0].held, queue[0].held.version) for queue in queues]
        bodies: dict[int, bytes] = {}
        while queues:
            together = [queue.pop() for queue in queues]
            if self._careful_until:
                together = yield from self._step_singly(together, batch, bodies)
            if together:
                self.stepping = (self._timer_us(), together[0].held.world, together[0].version)
                results = self._stepper.round(together)
                self.stepping = None
                for task, result in zip(together, results, strict=True):
                    self._take(batch, task, result, bodies)
            queues = [queue for queue in queues if queue and queue[-1].held.blocked is None]
        for held, from_version in moved:
            if held.version > from_version:
                asked, body = held.address in stored, bodies.get(held.slice_key)
                self._stepper.write_move(batch.writes, held, from_version, body, asked)

    def _store(self, asked: Collection[str], batch: Prepared) -> None:
        """Store the states that are asked for, of slices that no tick moved."""
        for held in (held for address in sorted(asked) for held in self.memory.of(address)):
            if held.blocked is None and held.snapshot_version < held.version:
                self._stepper.write_snapshot(batch.writes, held)

    def _step_singly(
        self, tasks: Sequence[Planned], batch: Prepared, bodies: dict[int, bytes]
    ) -> Generator[Effect, Any, list[Planned]]:
        """Step those that may be why a process ended, one by one; the others are left."""
        left: list[Planned] = []
        for task in tasks:
            if task.offset < self._careful_until.get(task.partition, 0):
                result = yield from self._attempt(task)
                self._take(batch, task, result, bodies)
            else:
                left.append(task)
        return left

    def _attempt(self, task: Planned) -> Generator[Effect, Any, Done | Failure]:
        """Step one tick after an unclean end: it is noted first, so that one which kills its process is found out."""
        step = (task.held.slice_key, task.version)
        if step in self._survived:
            yield Survived(*step)  # asked before, and the database gave no answer
            self._survived.discard(step)
        count: int = yield Attempt(*step)
        if count > self._rules.attempts_max:
            error = f"its process ended {count - 1} times while it was stepped"
            return Failure("killed", error, self._rules.attempts_max)
        self.stepping = (self._timer_us(), task.held.world, task.version)
        result = self._stepper.single(task)
        self.stepping = None
        self._survived.add(step)
        yield Survived(*step)
        self._survived.discard(step)
        return result

    def _take(self, batch: Prepared, task: Planned, result: Done | Failure, bodies: dict[int, bytes]) -> None:
        self._stepper.write(batch.writes, task, result)
        if isinstance(result, Failure):
            bodies.pop(task.held.slice_key, None)
            batch.notes += notes_of(task, result)
        else:
            bodies[task.held.slice_key] = result.body
            if batch.records <= NOTED_RECORDS_MAX:
                batch.notes += notes_of(task, result)

    def _ring_again(self, rings: Sequence[Rung], batch: Prepared) -> None:
        """One ring for each address that has a slice short of what was rung, under the bound of ticks per record."""
        behind: dict[str, Rung] = {}
        for ring in rings:
            for held in self.memory.of(ring.address):
                if held.version < ring.place and held.blocked is None:
                    known = behind.get(ring.address)
                    behind[ring.address] = ring if known is None or known.place < ring.place else known
        for address, ring in behind.items():
            if address not in batch.beyond:
                batch.again.append(Again(ring.partition, address, ring.value, ring.source))

    # ---- stage 2

    def commit(self, batch: Prepared) -> Generator[Effect, Any, bool]:
        """Write what the steps wrote. False: dropped, begin again at the committed offsets."""
        if batch.epoch != self.epoch:
            return False
        if batch.writes:
            outcome: Committed = yield Commit(batch.writes)
            if outcome is not Committed.YES:  # after an unknown outcome too: what is there is read again
                self.fail()
                return False
        return True

    # ---- stage 3

    def publish(self, batch: Prepared) -> Generator[Effect, Any, bool]:
        """Publish all rows whose origin lies in the batch's ranges, whoever wrote them, and move the offsets."""
        if batch.epoch != self.epoch:
            return False
        if batch.hangs:
            rows: list[tuple[int, int, bytes]] = yield LoadOutputs(self._reader_key, batch.ranges)
            if batch.epoch != self.epoch:
                return False
        else:
            rows = [(row.origin_partition, row.origin_offset, row.outputs) for row in batch.writes.ledger]
        accounts = accounted(batch, self._accounts, {(partition, offset) for partition, offset, _ in rows})
        offsets = {p: (end, msgspec.json.encode(accounts[p]).decode()) for p, _, end in batch.ranges}
        outputs = [body for _, _, body in rows if body]
        outcome: Published = yield Transact(outputs, batch.again, offsets, batch.group, batch.unread)
        if outcome is not Published.YES or batch.epoch != self.epoch:  # an answer after the next placing is none
            self.fail()
            return False
        self._accounts.update(accounts)
        return True

    # ---- the end

    def drain(self) -> Generator[Effect, Any, None]:
        """At a clean end, with nothing under way: store every slice as it is, and let all partitions go."""
        writes = Writes(self._reader_key, self._worker_key, tuple(sorted(self._claimed)))
        for held in self.memory.all():
            if held.blocked is None and held.snapshot_version < held.version:
                self._stepper.write_snapshot(writes, held)
        if writes.raises:
            yield Commit(writes)
        yield Release(sorted(self._claimed))
