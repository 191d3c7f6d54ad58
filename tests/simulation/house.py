"""One simulated installation: everything that a seed stands for, put together and run to its end.
Lives here: the scheduler, faults while they last, quiet afterwards. Not here: what each part does, what must hold."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any
from typing import Protocol as Structure

import msgspec

from tests.simulation.kafka import Broker, Fate, Group, Transaction
from tests.simulation.misfortune import Misfortune
from tests.simulation.plan import SLICE_TOPIC, STREAMS, Plan, clock_of, services_of
from tests.simulation.promises import (
    AllDone,
    Broken,
    ClaimsHold,
    ExactAccounts,
    Moved,
    NothingPassed,
    OneHistory,
    OneTick,
    PublishedOnce,
    Rings,
)
from tests.simulation.sealers import Control, Ticker, ring_overdue
from tests.simulation.service import Weather, make_service
from tests.simulation.store import Slice, Store, World
from tests.simulation.worker import Worker
from worldtick.clock.worldtime import HOUR_US
from worldtick.contracts.ids import home_partition, slice_key
from worldtick.contracts.rings import Ring
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.stamps import rfc3339
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.effects import Diverge, Record, Writes
from worldtick.runtime.protocol import Protocol
from worldtick.runtime.service import Service
from worldtick.runtime.splitting import slice_ring
from worldtick.sealing.draft import Catalogue

FAULTY_STEPS = 400  # while faults may come
QUIET_STEPS_MAX = 6_000  # within which all must be done once they end
MakeProtocol = Callable[[Service[Any], int, int, "House"], Protocol]


class Actor(Structure):
    """Something that acts, one step a time."""

    def act(self) -> bool:
        """Whether there was anything to do."""


@dataclass(slots=True)
class Habits:
    """What a driver, a ticker and retention do rightly; a mutant turns one off."""

    stable: bool = True  # committed offsets are fetched stable
    late_metadata: bool = False  # group metadata are captured with the batch
    drops_on_revoke: bool = True
    claims_again: bool = True  # after a commit that did not surely succeed
    proves_membership: bool = True  # after a claim
    rings_again: bool = True  # a ticker rings what is silent and lags
    prunes_published_only: bool = True


class House:
    """The installation and all that acts in it."""

    def __init__(self, plan: Plan, make: MakeProtocol, trace: list[str] | None = None) -> None:
        self.plan = plan
        self.rng = Random(plan.seed ^ 0x5EED)
        self.trace = trace
        self.habits = Habits()
        self.faulty = True
        self.budget = Counter(plan.faults)
        self.writer = EventWriter()
        self.delayed: list[Transaction] = []
        self.steps = 0
        self._make = make
        self._numbers = count(1)
        self._expected: dict[int, tuple[str, int, Sequence[Record]]] = {}
        self._build()

    def _build(self) -> None:
        plan = self.plan
        self.broker = Broker(plan.partitions, [*TICK_TOPIC_OF_STREAM.values(), SLICE_TOPIC])
        self.event_logs = Broker(plan.partitions, ["simulation.event"]).topics["simulation.event"]
        self._event_reads = [0] * plan.partitions
        self.groups = {name: Group(name, plan.partitions) for name in plan.services}
        self.store = Store(self._committed, self._sealed)
        self.weather = Weather(
            {(service, world, place): kind for service, world, place, kind in plan.bad},
            lambda: self.rng.random() < 0.5,
        )
        self.catalogue: Catalogue = {
            name: make_service(name, STREAMS[name], plan.services, self.weather, plan.batched, self._slice_topic(name))
            for name in plan.services
        }
        self._settle_worlds()
        rings = Rings(plan.partitions)
        self.ticks = OneTick()
        self.history = OneHistory(self.store, plan, self.weather)
        self.claims = ClaimsHold(self.store)
        self.outputs = PublishedOnce()
        self.passed = {
            name: NothingPassed(self.store, name, rings, self.broker.topics[self.catalogue[name].topic])
            for name in plan.services
        }
        self.accounts = {name: ExactAccounts(self.store, name, rings) for name in plan.services}
        self.workers = [
            Worker(self, self.catalogue[name], reader, slot)
            for reader, name in enumerate(plan.services)
            for slot in range(plan.workers)
        ]
        self.control = Control(self)
        hours = sorted({self.rng.randint(1, plan.hours) for _ in range(3)} | {plan.hours})
        self.tickers = [Ticker(self, f"ticker{number}", hours) for number in range(plan.tickers)]
        self.misfortune = Misfortune(self)

    def _settle_worlds(self) -> None:
        sections = {name: {"slices": self.plan.slices} for name in self.plan.services}
        scenario = msgspec.json.encode({"services": sections}).decode()
        keys = count(1)
        for world_key, name in enumerate(self.plan.worlds, start=1):
            self.store.worlds[world_key] = World(clock_of(self.plan, world_key, name), scenario)
            for service in services_of(self.plan, name):
                for slice_no in range(self.plan.slices):
                    key = next(keys)
                    self.store.slices[key] = Slice(key, world_key, service, slice_no, STREAMS[service])

    # ---- what the parts ask of each other

    def say(self, text: str, *said: Any) -> None:
        """A line of the trace, if there is one."""
        if self.trace is not None:
            self.trace.append(f"{self.steps:5} " + text % said)

    def befalls(self, kind: str, chance: float) -> bool:
        """Whether a misfortune of this kind happens here and now."""
        if not self.faulty or not self.budget[kind] or self.rng.random() >= chance:
            return False
        self.budget[kind] -= 1
        return True

    def make_protocol(self, service: Service[Any], reader: int, worker: int) -> Protocol:
        """A new process's protocol."""
        return self._make(service, reader, worker, self)

    def new_member(self) -> int:
        """An id for a member of a group."""
        return next(self._numbers)

    def _slice_topic(self, service: str) -> str | None:
        return SLICE_TOPIC if self.plan.fanned and service == self.plan.services[0] else None

    def ring(self, who: str, topic: str, tick: SealedTick, value: bytes) -> None:
        """Produce a ring on its home partition."""
        home = home_partition(tick.world, self.plan.partitions)
        entry = self.broker.topics[topic][home].append(value)
        self.say("%s rings %s %d on %s/%d at %d", who, tick.world, tick.seq, topic, home, entry.offset)
        if self.plan.fanned and topic == TICK_TOPIC_OF_STREAM[STREAMS[self.plan.services[0]]]:
            self._split(tick)

    def _split(self, tick: SealedTick) -> None:
        """What the splitter makes of a ring, once at least: a ring for each slice."""
        service = self.plan.services[0]
        for row in self.store.slices.values():
            if row.service != service or self.store.worlds[row.world_key].clock.world != tick.world:
                continue
            for _ in range(2 if self.rng.random() < 0.2 else 1):
                key, value = slice_key(tick.world, row.slice_no), self._slice_ring(tick, row.slice_no)
                home = home_partition(key, self.plan.partitions)
                entry = self.broker.topics[SLICE_TOPIC][home].append(value)
                self.say("the splitter rings %s %d on %s/%d at %d", key, tick.seq, SLICE_TOPIC, home, entry.offset)

    def _slice_ring(self, tick: SealedTick, slice_no: int) -> bytes:
        ring = Ring(tick.world, tick.seq, tick.kind_seq, tick.tick_id, tick.kind)  # type: ignore[arg-type]
        stamp = rfc3339(tick.epoch_s * 1_000_000 + tick.to_us)
        return slice_ring(ring, self.plan.services[0], slice_no, stamp, SLICE_TOPIC, self.writer)[1]

    def diverged(self, effect: Diverge) -> None:
        """No step of ours is impure: a slice that diverges was recovered wrongly."""
        raise Broken(f"OneHistory: slice {effect.slice_key} diverges: {effect.reason}")

    def expect(self, transaction: Transaction, service: str, reader: int, records: Sequence[Record]) -> None:
        """Whose offsets a transaction moves, and what was read for it."""
        self._expected[id(transaction)] = (service, reader, records)

    def end(self, transaction: Transaction, commit: bool) -> None:
        """End a transaction, and check what becomes visible by it."""
        group = transaction.group
        before = dict(group.committed) if group else {}
        self.broker.end(transaction, commit)
        if commit:
            for log, entry in transaction.said:
                if log.topic == "simulation.event":
                    self.outputs.said(entry)
            if group is not None:
                self._check_moves(transaction, before)
        self._read_events()

    def _check_moves(self, transaction: Transaction, before: dict[int, tuple[int, str]]) -> None:
        service, reader, records = self._expected.pop(id(transaction))
        for partition, (end, account) in transaction.offsets.items():
            mine = [record for record in records if record.partition == partition]
            move = Moved(partition, before.get(partition, (0, ""))[0], end, account, mine)
            self.say("%s moves %d from %d to %d, %s", service, partition, move.first, end, account)
            self.outputs.moved(reader, move)
            self.passed[service].moved(move)
            self.accounts[service].moved(move)

    def _read_events(self) -> None:
        """A read_committed reader of the event log."""
        for log in self.event_logs:
            for entry in log.read(self._event_reads[log.partition], 1_000):
                self._event_reads[log.partition] = entry.offset + 1
                self.outputs.read(entry)

    def _committed(self, writes: Writes) -> None:
        service = self.plan.services[writes.reader_key]
        self.claims.committed(writes)
        self.history.committed(writes)
        self.outputs.committed(writes, self.groups[service])
        self.accounts[service].committed(writes)

    def _sealed(self, world_key: int, tick: SealedTick) -> None:
        self.ticks.sealed(world_key, tick)

    # ---- the run

    def run(self) -> None:
        """Faults first, then quiet; then a takeover by new processes. Raises Broken."""
        if self.plan.backlog:
            self._lie_idle()
        for worker in self.workers:
            worker.boot()
        actors: list[Actor] = [*self.workers, *self.workers, *self.tickers, self.control, self.misfortune]
        actor = actors[0]
        for _ in range(FAULTY_STEPS):
            self.steps += 1
            if self.rng.random() >= self.plan.burst:
                actor = self.rng.choice(actors)
            if actor.act():
                continue
            actor = self.rng.choice(actors)
            if self.tickers_done() and self._resting():
                break
        self.misfortune.end()
        self._until_quiet()
        self._take_over()

    def _lie_idle(self) -> None:
        """Tickers alone, until retention deletes."""
        for _ in range(self.rng.randint(10, 80)):
            self.rng.choice(self.tickers).act()
        for logs in self.broker.topics.values():
            for log in logs:
                log.cut(self.rng.randint(0, log.end))
        self.say("SERVICES ARE INSTALLED; logs begin at %s", [log.start for log in self.broker.topics["world.tick"]])

    def tickers_done(self) -> bool:
        """Whether all runs are over."""
        return all(ticker.done for ticker in self.tickers)

    def _resting(self) -> bool:
        return not any(self.budget.values()) and not self.misfortune.inputs

    def _until_quiet(self) -> None:
        """Without faults, all that is under way comes to its end, within a bound."""
        idle: set[int] = set()
        actors: list[Actor] = [*self.workers, *self.tickers, self.control, self.misfortune]
        bound = QUIET_STEPS_MAX * (3 if self.plan.fanned else 1)  # two slices, and some of their rings twice
        for _ in range(bound):
            self.steps += 1
            at = self.rng.randrange(len(actors))
            if actors[at].act():
                idle.clear()
                continue
            idle.add(at)
            if len(idle) == len(actors) and not self._time_passes():
                break
        else:
            raise Broken(f"AllDone: not quiet after {bound} steps without a fault")
        self._check_end()

    def _time_passes(self) -> bool:
        """Everybody waits: a ticker's later run rings what is silent, an operator resumes what is parked."""
        moved = self.misfortune.resume()
        if self.habits.rings_again:
            for key in self.store.worlds:
                moved = ring_overdue(self, key) or moved
        return moved

    def _take_over(self) -> None:
        """New processes recover all slices and finish one more hour."""
        self.say("TAKEOVER")
        for worker in self.workers:
            worker.crash("takeover")
            self.groups[worker.service.name].expel(worker.member)
        if self.rng.random() < 0.5:
            self.store.prune(self.habits.prunes_published_only)
        newest_us = max(world.clock.now_us for world in self.store.worlds.values())
        self.tickers[0] = Ticker(self, "ticker", [newest_us // HOUR_US + 1])
        self._until_quiet()

    def _check_end(self) -> None:
        if any(transaction.fate is Fate.OPEN for transaction in self.broker.open):
            raise Broken("AllDone: a transaction stays open")
        AllDone(self.store, self.history).at_end()
        self.outputs.at_end()
        self.ticks.at_end(self.store)
        self.misfortune.check_end()
