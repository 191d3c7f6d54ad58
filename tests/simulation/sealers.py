"""Who seals: tickers that race and die, and control that seals pastes; with the real pure parts of sealing and clock.
Lives here: their transactions and rings, step by step. Not here: what is due (clock), what a tick holds (sealing)."""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.kafka import Log
from tests.simulation.store import Store, World
from worldtick.clock.moves import next_move, slots_until
from worldtick.clock.slots import next_hour
from worldtick.clock.worldtime import HOUR_US, WorldTime
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.ids import home_partition
from worldtick.contracts.rings import Unsealed, decode_paste, decode_ring
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.sealing.draft import Catalogue, Draft, Facts, carried_facts, consumers_of, fill, fitting
from worldtick.sealing.rings import ring_on, rings_of
from worldtick.sealing.seal import admissible, standing_of
from worldtick.store.clocks import Clock

if TYPE_CHECKING:
    from tests.simulation.house import House

SEALED_AT_ONCE_MAX = 3


def seal_next(
    store: Store, catalogue: Catalogue, world_key: int, slot_us: WorldTime, by: str, read: Clock | None = None
) -> SealedTick | None:
    """Seal the next tick on the way to a slot, if there is one that may be sealed now.

    read: the clock as somebody saw it before the lock; None, as it should be, reads it under the lock.
    """
    if read is not None:
        store.worlds[world_key].clock = read
    clock = store.worlds[world_key].clock
    standing = standing_of(clock)
    move = next_move(standing, "hourly", slots_until(standing, "hourly", slot_us))
    if move is None or not admissible(clock, _behind(store, world_key)):
        return None
    draft = Draft(clock, move.kind, move.from_us, move.to_us, move.hours, by)
    wanted = consumers_of(draft, catalogue)
    bound = draft.bound
    mine = [
        row
        for row in store.directives
        if row.world_key == world_key
        and row.service in wanted
        and (row.made_seq is None or bound is None or row.made_seq <= bound)
    ]
    directives = fitting(draft.seq, mine)
    taken = {directive.directive_id for directive in directives}
    store.directives = [row for row in store.directives if row.directive_id not in taken]
    facts, newest = _facts(store, world_key, draft, catalogue)
    tick = fill(draft, catalogue, directives, facts, newest)
    store.insert_tick(world_key, tick)
    return tick


def _behind(store: Store, world_key: int) -> dict[str, int]:
    """service -> seq of the first tick that it has not finished."""
    found: dict[str, int] = {}
    world = store.worlds[world_key]
    for row in store.lagging(world_key):
        place = row.version + 1
        seq = place if row.stream == "all" else world.seq_by_place[row.stream, place]
        found[row.service] = min(seq, found.get(row.service, seq))
    return found


def _facts(store: Store, world_key: int, draft: Draft, catalogue: Catalogue) -> tuple[Facts, int]:
    names = frozenset(name for service in consumers_of(draft, catalogue) for name in catalogue[service].reads_facts)
    newest: dict[tuple[str, int], tuple[int, bytes]] = {}
    for (key, service, slice_no, seq), body in store.facts.items():
        if key == world_key and (draft.bound is None or seq <= draft.bound):
            newest[service, slice_no] = max((seq, body), newest.get((service, slice_no), (0, b"")))
    return carried_facts([(*who, seq, body) for who, (seq, body) in sorted(newest.items())], names)


def unpublished(world: World) -> list[SealedTick]:
    """Ticks that are not known to be on Kafka."""
    return [tick for seq, tick in world.ticks.items() if seq > world.published_seq]


class Ticker:
    """One ticker's runs, each up to an hour; a crash ends the run."""

    def __init__(self, house: "House", name: str, hours: list[int]) -> None:
        self.house = house
        self.name = name
        self.locks = True  # a mutant reads the clock before it takes the lock
        self._hours = list(reversed(hours))
        self._run: Generator[bool, None, None] | None = None

    @property
    def done(self) -> bool:
        """Whether all its runs are over."""
        return self._run is None and not self._hours

    def act(self) -> bool:
        """One transaction or one ring; False if it waits, or has nothing left to do."""
        if self._run is None:
            if not self._hours:
                return False
            self._run = self._go(self._hours.pop())
        moved = next(self._run, None)
        if moved is None:
            self._run = None
            return True
        return moved

    def crash(self) -> None:
        """The process dies; the next run is another's."""
        if self._run is not None:
            self.house.say("%s CRASHES", self.name)
            self._run = None

    def _go(self, hour: int) -> Generator[bool, None, None]:
        yield from self._publish()
        for key, world in self.house.store.worlds.items():
            slot = WorldTime(hour * HOUR_US)
            while standing_of(world.clock).now_us < slot:
                read = None if self.locks else replace(world.clock)
                if read is not None:
                    yield True
                sealed = []
                for _ in range(self.house.rng.randint(1, SEALED_AT_ONCE_MAX)):
                    tick = seal_next(self.house.store, self.house.catalogue, key, slot, "scheduler", read)
                    if tick is None:
                        break
                    sealed.append((tick.seq, tick.kind))
                if sealed:
                    self.house.say("%s seals %s %s", self.name, world.clock.world, sealed)
                yield bool(sealed)
                yield from self._publish()
        yield from self._publish()

    def _publish(self) -> Generator[bool, None, None]:
        for world in self.house.store.worlds.values():
            page = unpublished(world)
            for tick in page:
                for record in rings_of(tick, self.house.writer):
                    self.house.ring(self.name, record.topic, tick, record.value)
                yield True
            if page:
                world.published_seq = max(world.published_seq, page[-1].seq)
                yield True


def ring_overdue(house: "House", world_key: int) -> bool:
    """Ring the newest tick of each stream in which the world lags; whether there was any."""
    world = house.store.worlds[world_key]
    streams = sorted({row.stream for row in house.store.lagging(world_key)})
    for stream in streams:
        place = house.store.newest(world, stream)
        seq = place if stream == "all" else world.seq_by_place[stream, place]
        record = ring_on(TICK_TOPIC_OF_STREAM[stream], world.ticks[seq], house.writer)
        house.ring("overdue ring", record.topic, world.ticks[seq], record.value)
    return bool(streams)


class Control:
    """Seals pastes, once each, and dead-letters garbage, once each; one process that may die anywhere."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self.keyed = True  # a mutant seals a paste as often as it reads it
        self.dead: list[tuple[str, int, int]] = []
        self.places = [
            (topic, partition) for topic in TICK_TOPIC_OF_STREAM.values() for partition in range(house.plan.partitions)
        ]
        self.committed: dict[tuple[str, int], int] = dict.fromkeys(self.places, 0)
        self._read = dict(self.committed)
        self._at: Generator[bool, None, None] | None = None

    def crash(self) -> None:
        """The process dies and another begins at the committed offsets."""
        self.house.say("control CRASHES")
        self._at = None
        self._read = dict(self.committed)

    def act(self) -> bool:
        """Part of one record's work; False if there is none."""
        if self._at is None:
            place = next((p for p in self.places if self._log(p).has_more(self._read[p])), None)
            if place is None:
                return False
            self._at = self._judge(place)
        moved = next(self._at, None)
        if moved is None:
            self._at = None
            return True
        return moved

    def _log(self, place: tuple[str, int]) -> Log:
        return self.house.broker.topics[place[0]][place[1]]

    def _judge(self, place: tuple[str, int]) -> Generator[bool, None, None]:
        entry = self._log(place).read(self._read[place], 1)[0]
        where = (*place, entry.offset)
        keys: list[int] = []
        dead = False
        try:
            decode_ring(entry.value)
        except Unsealed:
            while (key := self._seal(where, entry.value)) is None:
                yield False  # services must finish first
            keys = [key]
            yield True
        except Unreadable:
            dead = True
        rings = [(key, tick) for key in keys for tick in unpublished(self.house.store.worlds[key])]
        if rings:
            yield True
        transaction = self.house.broker.begin("control")
        for _, tick in rings:
            for record in rings_of(tick, self.house.writer):
                home = home_partition(tick.world, self.house.plan.partitions)
                transaction.append(self.house.broker.topics[record.topic][home], record.value)
        self.house.end(transaction, commit=True)
        if dead:
            self.dead.append(where)
        self.committed[place] = self._read[place] = entry.offset + 1
        for key, tick in rings:
            world = self.house.store.worlds[key]
            world.published_seq = max(world.published_seq, tick.seq)

    def _seal(self, where: tuple[str, int, int], value: bytes | None) -> int | None:
        """One transaction: a paste that is known is not sealed again. None while its tick must wait."""
        store = self.house.store
        paste = decode_paste(value)
        key = next(key for key, world in store.worlds.items() if world.clock.world == paste.data.world)
        if where in store.pastes and self.keyed:
            return key
        clock = store.worlds[key].clock
        slot = next_hour(clock.now_us, clock.epoch_s)
        while clock.now_us < slot:
            tick = seal_next(store, self.house.catalogue, key, slot, "manual")
            if tick is None:
                return None
            self.house.say("control seals %s %d for paste %s", tick.world, tick.seq, where)
        store.pastes[where] = (key, clock.seq)
        return key
