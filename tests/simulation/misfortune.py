"""What befalls an installation while faults last: crashes, zombies, rebalances, holes, and what people send.
Lives here: which misfortune happens next, and mending all of it at the end. Not here: budgets (plan), lost answers."""

from typing import TYPE_CHECKING

import msgspec

from tests.simulation.promises import Broken
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.runtime.effects import PARKED, WELL
from worldtick.sealing.rings import ring_on, rings_of

if TYPE_CHECKING:
    from tests.simulation.house import House
    from tests.simulation.worker import Worker

CHANCE = 0.25  # that a turn of misfortune brings one


class Misfortune:
    """Draws what happens; also the broker's coordinator and the passing of time."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self.inputs = list(house.plan.inputs)
        self.garbage: set[tuple[str, int, int]] = set()
        self.pastes: set[tuple[str, int, int]] = set()

    def act(self) -> bool:
        """One thing that happens; False if nothing does."""
        house = self.house
        if self._time() or self._coordinate():
            return True
        if not house.faulty:
            return False
        if self.inputs and house.rng.random() < CHANCE:
            return self._input(self.inputs.pop())
        kinds = [kind for kind in _HAPPENS if house.budget[kind] > 0]
        if kinds and house.rng.random() < CHANCE:
            kind = house.rng.choice(kinds)
            if getattr(self, f"_{kind}")():
                house.budget[kind] -= 1
                return True
        return False

    def end(self) -> None:
        """Faults end: zombies wake; whatever was not sent is not sent any more."""
        self.house.say("FAULTS END")
        self.house.faulty = False
        while self.inputs:
            self._input(self.inputs.pop())
        for worker in self.house.workers:
            worker.paused = False

    def check_end(self) -> None:
        """Control has dead-lettered each piece of garbage once, and sealed each paste."""
        dead = self.house.control.dead
        if sorted(dead) != sorted(self.garbage):
            raise Broken(f"Garbage: dead-lettered {sorted(dead)}, sent {sorted(self.garbage)}")
        sealed = self.house.store.pastes
        if not self.pastes <= set(sealed) or len(set(sealed.values())) < len(sealed):
            raise Broken(f"Pastes: sealed {sealed}, sent {sorted(self.pastes)}")
        ticks = [tick for world in self.house.store.worlds.values() for tick in world.ticks.values()]
        manual = sum(tick.triggered_by == "manual" and tick.kind == "hourly" for tick in ticks)
        if manual != len(sealed):
            raise Broken(f"Pastes: {len(sealed)} became {manual} ticks")

    # ---- time and the coordinator

    def _time(self) -> bool:
        """What somebody waits for may end: a delayed EndTxn, a transaction's timeout, a late COMMIT."""
        house = self.house
        chance = 0.2 if house.faulty else 1.0
        if house.delayed and house.rng.random() < chance:
            transaction = house.delayed.pop(0)
            if transaction in house.broker.open:
                commit = house.rng.random() < 0.5
                house.say("delayed EndTxn of %s %s", transaction.owner, "commits" if commit else "times out")
                house.end(transaction, commit)
                return True
        if house.store.hanging and house.rng.random() < chance:
            house.say("a late COMMIT ends")
            house.store.settle(lambda hung: True)
            return True
        mine = {worker.name: worker for worker in house.workers}
        for transaction in list(house.broker.open):
            worker = mine.get(transaction.owner)
            if worker is None or worker.owns(transaction) or transaction in house.delayed:
                continue
            if house.rng.random() < chance:
                house.say("transaction of %s times out", transaction.owner)
                house.end(transaction, commit=False)
                return True
        return False

    def _coordinate(self) -> bool:
        """Dead members are expelled, dead processes start again, partitions without a reader get one."""
        house = self.house
        chance = 0.3 if house.faulty else 1.0
        for worker in house.workers:
            if not worker.up and house.rng.random() < chance:
                if worker.member in worker.group.members:
                    house.say("%s is expelled", worker.name)
                    worker.group.expel(worker.member)
                else:
                    worker.boot()
                return True
            if worker.paused and house.rng.random() < 0.1:
                house.say("%s goes on", worker.name)
                worker.paused = False
                return True
        if house.faulty and house.rng.random() < 0.05 and self.resume():
            return True
        for group in house.groups.values():
            if not group.balanced() and house.rng.random() < chance:
                group.rebalance(house.rng.choice)
                house.say("%s is balanced: generation %d", group.name, group.generation)
                return True
        return False

    def resume(self) -> bool:
        """An operator resumes what is parked; whether anything was."""
        parked = [row for row in self.house.store.slices.values() if row.status == PARKED]
        for row in parked:
            row.status, row.dead_in_row, row.resumed_at = WELL, 0, row.version
            self.house.say("slice %d is resumed", row.slice_key)
        return bool(parked)

    # ---- misfortunes

    def _worker(self) -> "Worker | None":
        running = [worker for worker in self.house.workers if worker.up and not worker.paused]
        return self.house.rng.choice(running) if running else None

    def _crash(self) -> bool:
        worker = self._worker()
        if worker is None:
            return False
        worker.crash("killed")
        return True

    def _pause(self) -> bool:
        """A process stands still: best of all between an assignment and its claim, or with a transaction to begin."""
        rng = self.house.rng
        running = [worker for worker in self.house.workers if worker.up and not worker.paused]
        ripe = [worker for worker in running if worker.settling or worker.publishes]
        if not running:
            return False
        worker = rng.choice(ripe or running)
        self.house.say("%s stands still", worker.name)
        worker.paused = True
        if rng.random() < (0.8 if worker.settling else 0.4):  # a zombie: its session ends
            worker.group.expel(worker.member)
        return True

    def _stop(self) -> bool:
        worker = self._worker()
        if worker is None:
            return False
        self.house.say("%s is asked to end", worker.name)
        worker.stopping = True
        return True

    def _rebalance(self) -> bool:
        group = self.house.rng.choice(list(self.house.groups.values()))
        group.rebalance(self.house.rng.choice)
        self.house.say("REBALANCE of %s: generation %d", group.name, group.generation)
        return True

    def _hole(self) -> bool:
        """Retention deletes the oldest records of a partition, read or not."""
        logs = [log for logs in self.house.broker.topics.values() for log in logs if log.stable_end > log.start]
        if not logs:
            return False
        log = self.house.rng.choice(logs)
        log.cut(self.house.rng.randint(log.start + 1, log.stable_end))
        self.garbage = {place for place in self.garbage if not self._unjudged(place)}
        self.pastes = {place for place in self.pastes if not self._unjudged(place)}
        self.house.say("RETENTION: %s/%d begins at %d", log.topic, log.partition, log.start)
        return True

    def _unjudged(self, place: tuple[str, int, int]) -> bool:
        topic, partition, offset = place
        control = self.house.control
        gone = offset < self.house.broker.topics[topic][partition].start
        return gone and control.committed[topic, partition] <= offset

    def _prune(self) -> bool:
        self.house.say("PRUNED %d rows", self.house.store.prune(self.house.habits.prunes_published_only))
        return True

    def _ticker_crash(self) -> bool:
        self.house.rng.choice(self.house.tickers).crash()
        return True

    def _control_crash(self) -> bool:
        self.house.control.crash()
        return True

    def _late_ring(self) -> bool:
        """A ticker publishes again what it published long ago."""
        world = self.house.rng.choice(list(self.house.store.worlds.values()))
        if not world.ticks:
            return False
        tick = world.ticks[self.house.rng.randint(1, len(world.ticks))]
        for record in rings_of(tick, self.house.writer):
            self.house.ring("LATE", record.topic, tick, record.value)
        return True

    # ---- what people send

    def _input(self, kind: str) -> bool:
        house = self.house
        topic = house.rng.choice(list(TICK_TOPIC_OF_STREAM.values()))
        partition = house.rng.randrange(house.plan.partitions)
        log = house.broker.topics[topic][partition]
        world_key = house.rng.choice(list(house.store.worlds))
        world = house.store.worlds[world_key]
        if kind == "directive":
            service = house.rng.choice(world.clock.services)
            house.store.queue(world_key, service, "nudge", '{"said":"admin"}')
        elif kind == "garbage":
            entry = log.append(house.rng.choice((None, b"", b"{", b"\xff\xfe", b'{"data":[]}')))
            self.garbage.add((topic, partition, entry.offset))
        elif kind == "paste":
            said = {"data": {"tick_type": "hourly", "world": world.clock.world}}
            log = house.broker.topics["world.tick.hourly"][partition]
            entry = log.append(msgspec.json.encode(said))
            self.pastes.add((log.topic, partition, entry.offset))
        elif world.ticks:
            tick = world.ticks[house.rng.randint(1, len(world.ticks))]
            log.append(ring_on(topic, tick, house.writer).value)
        house.say("somebody sends %s to %s/%d", kind, topic, partition)
        return True


_HAPPENS = (
    "crash",
    "pause",
    "stop",
    "rebalance",
    "hole",
    "prune",
    "ticker_crash",
    "control_crash",
    "late_ring",
)
