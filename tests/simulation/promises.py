"""What must hold whatever happens: one checker for each promise, each with its own account of what it saw.
Lives here: laws 3, 4 and 6 as checks of every seal, SQL commit and Kafka commit. Not here: how they come about."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import xxhash

from tests.simulation.kafka import Entry, Group, Log
from tests.simulation.plan import Plan
from tests.simulation.service import Roll, Weather, encode, genesis, roll, said_by
from tests.simulation.store import Store
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.ids import home_partition, slice_key, tick_id
from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.rings import Ring, decode_ring
from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.effects import APPLIED, DEAD, WELL, LedgerRow, Record, Writes

_args = msgspec.json.Encoder(order="deterministic").encode
_facts = msgspec.msgpack.Encoder(order="deterministic").encode
Done = tuple[int, int]  # slice, version


class Broken(AssertionError):
    """A promise is broken. Its text opens with the promise's name."""


class Moved(NamedTuple):
    """An offset that a transaction moved: from `first` to `end`, having read `records`."""

    partition: int
    first: int
    end: int
    account: str
    records: Sequence[Record]


class OneTick:
    """Law 3: a world's ticks are numbered without a gap, one for each slot, with derived ids; time only goes on."""

    def __init__(self) -> None:
        self._last: dict[int, SealedTick] = {}
        self._kinds: dict[tuple[int, str], int] = {}
        self._taken: set[int] = set()

    def sealed(self, world_key: int, tick: SealedTick) -> None:
        """A tick was added to the log."""
        last = self._last.get(world_key)
        self._last[world_key] = tick
        if tick.seq != (last.seq if last else 0) + 1:
            raise Broken(f"OneTick: seq {tick.seq} of {tick.world} after {last and last.seq}")
        kind = (world_key, tick.kind)
        if tick.kind_seq != self._kinds.get(kind, 0) + 1:
            raise Broken(f"OneTick: kind_seq {tick.kind_seq} of {tick.world} {tick.kind}")
        self._kinds[kind] = tick.kind_seq
        if last and (tick.to_us, tick.kind == "daily") <= (last.to_us, last.kind == "daily"):
            raise Broken(f"OneTick: {tick.world} {tick.kind} at {tick.to_us} after {last.kind} at {last.to_us}")
        if tick.tick_id != tick_id(tick.world, tick.kind, tick.to_us):
            raise Broken(f"OneTick: id of {tick.world} {tick.seq} is not derived")
        for directive in tick.directives:
            if directive.directive_id in self._taken:
                raise Broken(f"OneTick: directive {directive.directive_id} is in two ticks")
            self._taken.add(directive.directive_id)

    def at_end(self, store: Store) -> None:
        """Every directive waits or was taken."""
        waiting = {row.directive_id for row in store.directives}
        if waiting & self._taken or len(waiting) + len(self._taken) != store.directives_queued:
            raise Broken("OneTick: a directive is lost or doubled")


class OneHistory:
    """Each slice steps each tick once, in order, on the state that the one before left; a dead one leaves it."""

    def __init__(self, store: Store, plan: Plan, weather: Weather) -> None:
        self._store, self._plan, self._weather = store, plan, weather
        self.at: dict[int, tuple[int, Roll]] = {}
        self.outcomes: dict[Done, int] = {}

    def state_of(self, slice_key: int) -> tuple[int, Roll]:
        """(version, state) that the slice must have."""
        if slice_key not in self.at:
            row = self._store.slices[slice_key]
            self.at[slice_key] = (0, genesis(self._store.worlds[row.world_key].clock.seed, row.slice_no))
        return self.at[slice_key]

    def committed(self, writes: Writes) -> None:
        """A SQL transaction is about to be visible."""
        facts: list[tuple[int, str, int, int, bytes]] = []
        effects: list[tuple[int, str, str, str]] = []
        for done in writes.ledger:
            self._stepped(done, facts, effects)
        if sorted(writes.facts) != sorted(facts):
            raise Broken(f"OneHistory: facts {writes.facts} instead of {facts}")
        if sorted((key, to, name, args) for key, to, name, args, *_ in writes.effects) != sorted(effects):
            raise Broken(f"OneHistory: effects {writes.effects} instead of {effects}")
        for moved in writes.raises:
            version, state = self.state_of(moved.slice_key)
            body = encode(state)
            if moved.version != version or moved.digest != xxhash.xxh3_128_digest(body):
                raise Broken(
                    f"OneHistory: slice {moved.slice_key} is raised to {moved.version}, its ledger to {version}"
                )
            if moved.snapshot is not None and moved.snapshot != body:
                raise Broken(f"OneHistory: snapshot of slice {moved.slice_key} at {version} is another state's")

    def _stepped(
        self, done: LedgerRow, facts: list[tuple[int, str, int, int, bytes]], effects: list[tuple[int, str, str, str]]
    ) -> None:
        row = self._store.slices[done.slice_key]
        version, state = self.state_of(done.slice_key)
        if done.version != version + 1:
            raise Broken(f"OneHistory: slice {done.slice_key} applies {done.version} on {version}")
        world = self._store.worlds[row.world_key]
        seq = done.version if row.stream == "all" else world.seq_by_place.get((row.stream, done.version), 0)
        tick = world.ticks.get(seq)
        if tick is None:
            raise Broken(f"OneHistory: slice {done.slice_key} applies {done.version}, which is not sealed")
        key = (row.service, tick.world, done.version)
        self._weather.settled.add(key)
        self.outcomes[done.slice_key, done.version] = done.outcome
        if done.outcome == DEAD:
            self._dead(done, key, state)
        else:
            state = roll(row.service, state, tick)
            said = said_by(row.service, self._plan.services, state)
            if said.facts is not None:
                facts.append((row.world_key, row.service, row.slice_no, tick.seq, _facts(said.facts)))
            effects += [(row.world_key, to.service, to.name, _args(to.args).decode()) for to in said.effects]
        if done.digest != xxhash.xxh3_128_digest(encode(state)):
            raise Broken(f"OneHistory: slice {done.slice_key} at {done.version} has another state's digest")
        self.at[done.slice_key] = (done.version, state)

    def _dead(self, done: LedgerRow, key: tuple[str, str, int], state: Roll) -> None:
        kind = self._weather.bad.get(key)
        if kind not in ("poison", "flaky", "deadly"):
            raise Broken(f"OneHistory: {key} is dead, and is {kind or 'well'}")
        if kind == "deadly" and self._weather.kills.get(key, 0) < 3:
            raise Broken(f"OneHistory: {key} is dead after {self._weather.kills.get(key, 0)} attempts")
        letters = [said for said in decode_outputs(done.outputs).messages if said.topic.endswith(".dlq")]
        if len(letters) != 1:
            raise Broken(f"OneHistory: {key} is dead with {len(letters)} letters")


class ClaimsHold:
    """Whoever commits is the last to have claimed the partition under whose record it steps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def committed(self, writes: Writes) -> None:
        """A SQL transaction is about to be visible."""
        for partition in {row.origin_partition for row in writes.ledger} | set(writes.partitions):
            claim = self._store.claims.get((writes.reader_key, partition))
            if claim is None or claim.worker_key != writes.worker_key:
                raise Broken(f"ClaimsHold: worker {writes.worker_key} commits on partition {partition} of {claim}")


class PublishedOnce:
    """What a read_committed reader sees of a slice are the ledger's outputs: each once, in order, none left out."""

    def __init__(self) -> None:
        self._by_body: dict[bytes, Done] = {}
        self._out: dict[int, int] = {}  # slice -> last version that is out
        self.waiting: dict[tuple[int, int], dict[int, set[Done]]] = {}  # reader, partition -> offset -> rows not out
        self._origins: dict[Done, tuple[int, int, int]] = {}

    def committed(self, writes: Writes, group: Group) -> None:
        """A SQL transaction is about to be visible."""
        for row in writes.ledger:
            done = (row.slice_key, row.version)
            if group.committed.get(row.origin_partition, (0, ""))[0] > row.origin_offset:
                raise Broken(f"PublishedOnce: {done} hangs on a record that the offset has passed: never published")
            self._by_body[row.outputs] = done
            self._origins[done] = (row.reader_key, row.origin_partition, row.origin_offset)
            places = self.waiting.setdefault((row.reader_key, row.origin_partition), {})
            places.setdefault(row.origin_offset, set()).add(done)

    def said(self, entry: Entry) -> None:
        """A record of the event log was committed."""
        done = self._by_body.get(entry.value or b"")
        if done is None:
            raise Broken("PublishedOnce: an output is in no ledger row")
        reader, partition, offset = self._origins[done]
        rows = self.waiting[reader, partition]
        if done not in rows.get(offset, ()):
            raise Broken(f"PublishedOnce: {done} is published a second time")
        rows[offset].remove(done)
        if not rows[offset]:
            del rows[offset]

    def read(self, entry: Entry) -> None:
        """A read_committed reader has come to a record of the event log."""
        slice_key, version = self._by_body[entry.value or b""]
        if version != self._out.get(slice_key, 0) + 1:
            raise Broken(f"PublishedOnce: slice {slice_key} says {version} after {self._out.get(slice_key, 0)}")
        self._out[slice_key] = version

    def moved(self, reader: int, move: Moved) -> None:
        """An offset moved."""
        lost = [rows for at, rows in self.waiting.get((reader, move.partition), {}).items() if at < move.end]
        if lost:
            raise Broken(f"PublishedOnce: partition {move.partition} moves to {move.end}, {lost[0]} is not out")

    def at_end(self) -> None:
        """Nothing waits."""
        left = {place: rows for place, rows in self.waiting.items() if rows}
        if left:
            raise Broken(f"PublishedOnce: never published: {left}")


class Rings:
    """What records say, read once each."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._read: dict[bytes | None, Ring | None] = {}

    def of(self, partition: int, value: bytes | None) -> Ring | None:
        """The ring in a record; None if it is none that counts here."""
        if value not in self._read:
            try:
                self._read[value] = decode_ring(value)
            except Unreadable:
                self._read[value] = None
        ring = self._read[value]
        if ring is None:
            return None
        key = ring.world if ring.slice is None else slice_key(ring.world, ring.slice)
        return ring if home_partition(key, self._partitions) == partition else None


class NothingPassed:
    """The offset passes a ring only when its tick is done, or a later record rings it again."""

    def __init__(self, store: Store, service: str, rings: Rings, logs: Sequence[Log]) -> None:
        self._store, self._service, self._rings, self._logs = store, service, rings, logs

    def moved(self, move: Moved) -> None:
        """An offset moved."""
        if move.end < move.first:
            raise Broken(f"NothingPassed: partition {move.partition} goes back from {move.first} to {move.end}")
        for record in move.records:
            ring = self._rings.of(record.partition, record.value)
            if ring is None:
                continue
            for row in self._store.slices.values():
                if row.service != self._service or self._store.worlds[row.world_key].clock.world != ring.world:
                    continue
                if ring.slice not in (None, row.slice_no):
                    continue
                place = ring.seq if row.stream == "all" else ring.kind_seq
                parked = row.status != WELL or row.resumed_at is not None  # passed while parked: a ticker rings again
                if row.version < place and not parked and not self._rung_later(move, ring):
                    raise Broken(
                        f"NothingPassed: {ring.world} {place} was rung at {record.partition}/{record.offset}; slice"
                        f" {row.slice_key} is at {row.version}, and the offset at {move.end}"
                    )

    def _rung_later(self, move: Moved, ring: Ring) -> bool:
        log = self._logs[move.partition]
        for entry in log.visible(move.end, log.end):
            later = self._rings.of(move.partition, entry.value)
            if later is not None and (later.world, later.slice) == (ring.world, ring.slice) and later.seq >= ring.seq:
                return True
        return False


class ExactAccounts:
    """Law 6: records read = rang + duplicate + passed, and each is what it is counted as."""

    def __init__(self, store: Store, service: str, rings: Rings) -> None:
        self._rings = rings
        self._store, self._service = store, service
        self._origins: set[tuple[int, int]] = set()
        self._counts: dict[int, dict[str, int]] = {}

    def committed(self, writes: Writes) -> None:
        """A SQL transaction is about to be visible."""
        self._origins |= {(row.origin_partition, row.origin_offset) for row in writes.ledger}

    def moved(self, move: Moved) -> None:
        """An offset moved."""
        count = self._counts.setdefault(move.partition, {"rang": 0, "duplicate": 0, "passed": 0, "dead": 0})
        for record in move.records:
            count[self._fate(record)] += 1
        said = msgspec.json.decode(move.account.encode())
        if said != count:
            raise Broken(f"ExactAccounts: partition {move.partition} at {move.end} says {said}; read were {count}")

    def _fate(self, record: Record) -> str:
        ring = self._rings.of(record.partition, record.value)
        if ring is None or not self._known(ring.world):
            return "passed"
        return "rang" if (record.partition, record.offset) in self._origins else "duplicate"

    def _known(self, world: str) -> bool:
        return any(
            row.service == self._service and self._store.worlds[row.world_key].clock.world == world
            for row in self._store.slices.values()
        )


class AllDone:
    """Once faults have ended, all that is sealed is applied or dead, and published; nothing hangs."""

    def __init__(self, store: Store, history: OneHistory) -> None:
        self._store, self._history = store, history

    def at_end(self) -> None:
        """The installation is quiet."""
        store = self._store
        for key, row in store.slices.items():
            newest = store.newest(store.worlds[row.world_key], row.stream)
            applied = sum(1 for (at, _), outcome in self._history.outcomes.items() if at == key and outcome == APPLIED)
            dead = sum(1 for (at, _), outcome in self._history.outcomes.items() if at == key and outcome == DEAD)
            if row.status != WELL or row.version != newest or newest != applied + dead:
                raise Broken(
                    f"AllDone: slice {key} has status {row.status} and version {row.version} of {newest}:"
                    f" {applied} applied, {dead} dead"
                )
        if store.hanging:
            raise Broken("AllDone: a SQL transaction hangs")
