"""A worker process: drives the real protocol, one effect at a time, against the simulated Kafka and PostgreSQL.
Lives here: three stages that interleave, rebalances, rewinds, crashes. Not here: the protocol, its effects."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.simulation.database import Database
from tests.simulation.kafka import Group, Transaction
from tests.simulation.performing import WAITS, Away, Credentials, Fetch, Hands, Member, Renew, Stage, Work
from tests.simulation.service import Killed, Roll
from tests.simulation.telling import told
from worldtick.runtime.batches import Prepared
from worldtick.runtime.effects import Record, Transact
from worldtick.runtime.protocol import Protocol
from worldtick.runtime.service import Service

if TYPE_CHECKING:
    from tests.simulation.house import House


class Worker:
    """One worker of one service; a new process each time it comes up."""

    def __init__(self, house: "House", service: Service[Roll], reader: int, slot: int) -> None:
        self.house = house
        self.service = service
        self.reader = reader
        self.group: Group = house.groups[service.name]
        self.logs = house.broker.topics[service.topic]
        self.name = f"{service.name}.{slot}"
        self.up = False
        self.paused = False
        self.stopping = False
        self.member = -1
        self.key = 0
        self.database: Database
        self.protocol: Protocol
        self._forget()

    def _forget(self) -> None:
        """What a process has in memory."""
        self.generation = -1
        self.hands = Hands(self)
        self._assigned: frozenset[int] = frozenset()
        self._revoked: frozenset[int] = frozenset()  # and not yet let go
        self._lost: frozenset[int] = frozenset()
        self._claimed: frozenset[int] = frozenset()
        self._positions: dict[int, int] = {}
        self._stages: dict[str, Stage] = {}
        self._ready: dict[str, list[tuple[Prepared, Sequence[Record]]]] = {"commit": [], "publish": []}
        self._failed = False
        self._moved = False
        self._unproved = False
        self._polling = False
        self._noted: dict[int, int] = {}

    # ---- the process

    def boot(self) -> None:
        """A new process takes the slot: it fences what its predecessor left open, and joins the group."""
        self._forget()
        self.up, self.paused, self.stopping = True, False, False
        self.key = self.house.store.new_worker()
        self.database = Database(self.house.store, self.service, self.reader, self.key)
        self.house.broker.fence(self.name)
        self.protocol = self.house.make_protocol(self.service, self.reader, self.key)
        self.member = self.house.new_member()
        self.group.join(self.member)
        self.house.say("%s boots as worker %d, member %d", self.name, self.key, self.member)

    def crash(self, why: str) -> None:
        """The process ends between two instructions."""
        self.house.say("%s CRASHES: %s", self.name, why)
        self.up, self.paused = False, False
        self._forget()

    @property
    def settling(self) -> bool:
        """Whether it is between partitions that moved and having claimed them."""
        return self._moved or "main" in self._stages

    @property
    def publishes(self) -> bool:
        """Whether its next Kafka transaction is about to begin, with outputs that were read."""
        stage = self._stages.get("publish")
        return stage is not None and isinstance(stage.effect, Transact) and stage.transaction is None

    def owns(self, transaction: Transaction) -> bool:
        """Whether the process still works on a transaction."""
        return self.up and any(stage.open is transaction for stage in self._stages.values())

    def act(self) -> bool:
        """One step of one of its threads; False if there is nothing to do."""
        if not self.up or self.paused:
            return False
        options = list(self._stages.values())
        if not self._stages.get("main"):
            if (self._failed or self._moved) and self._idle():
                return self._begin_again()
            unseen = self.group.unseen(self.member) and not self._moved
            if unseen and self.house.rng.random() < self.house.plan.alert:
                self._notice()
                return True
            if self._hand_over():
                return True
            if self._polling and (
                not options or self.house.rng.random() < 0.5
            ):  # it has looked for a failure before it waited for records
                self._polling = False
                if not self._moved:
                    self._read()
                return True
            if not (self._failed or self._moved or "prepare" in self._stages or self._ready["commit"]):
                if self.stopping and self._idle():
                    self._start("main", self._drain())
                    return True
                if not self.stopping and self._can_read() and (not options or self.house.rng.random() < 0.4):
                    self._polling = True
                    return True
                if self._idle() and self.protocol.hangs:
                    self.house.say("%s idles, and rows hang on records that do not come", self.name)
                    self._failed = True
                    return True
        while options:
            stage = options.pop(self.house.rng.randrange(len(options)))
            if self._advance(stage):
                return True
        if "main" not in self._stages and not self._moved and self.group.unseen(self.member):
            self._notice()
            return True
        return False

    def _idle(self) -> bool:
        return not (self._stages or self._polling or self._ready["commit"] or self._ready["publish"])

    def _notice(self) -> None:
        """A rebalance callback: it gives up at once, and records; what is under way is dropped."""
        noticed = self.group.notice(self.member)
        if noticed is None:
            self.house.say("%s hears that it was expelled", self.name)
            self._lost |= self._assigned
            self._revoked -= self._assigned
            self._assigned = frozenset()
            self.member = self.house.new_member()
            self.group.join(self.member)
            self.generation = -1
        else:
            before = self._assigned
            self.generation, self._assigned = noticed
            self._revoked = (self._revoked | before) - self._assigned
            self.house.say("%s hears: generation %d, partitions %s", self.name, self.generation, sorted(self._assigned))
        self._moved = True
        if self.house.habits.drops_on_revoke:
            self.protocol.fail()

    def _begin_again(self) -> bool:
        if self._unproved and self.group.unseen(self.member):
            self._notice()
        self._unproved = False
        work = self._reassigned() if self._moved else self._rewound()
        self._failed = self._moved = False
        self._start("main", work)
        return True

    # ---- stages

    def _hand_over(self) -> bool:
        """A free stage takes the batch that waits for it; whether there was one."""
        for name in ("publish", "commit"):
            if self._ready[name] and name not in self._stages:
                batch, records = self._ready[name].pop(0)
                work = self.protocol.publish(batch) if name == "publish" else self.protocol.commit(batch)
                self._start(name, work, records, batch)
                return True
        return False

    def _start(self, name: str, work: Work, records: Sequence[Record] = (), batch: Prepared | None = None) -> None:
        stage = Stage(name, work, None, records, batch)
        self._stages[name] = stage
        self._resume(stage, None)

    def _advance(self, stage: Stage) -> bool:
        """Perform the effect that a stage waits for, and answer it."""
        try:
            answer = self.hands.perform(stage)
        except Away:
            self.house.say("%s %s: no answer to %s", self.name, stage.name, type(stage.effect).__name__)
            stage.work.close()
            del self._stages[stage.name]
            self._failed = True
            self.protocol.fail()
            return True
        if answer is WAITS:
            return False
        if answer is not None or stage.transaction is None:
            if self.house.trace is not None:
                self.house.say("%s %s: %s", self.name, stage.name, told(stage.effect, answer))
            stage.transaction = None
            self._resume(stage, answer)
        return True

    def _resume(self, stage: Stage, answer: Any) -> None:
        try:
            stage.effect = stage.work.send(answer)
        except StopIteration as ended:
            del self._stages[stage.name]
            self._ended(stage, ended.value)
        except Killed:
            self.crash("a step has ended it")

    def _ended(self, stage: Stage, value: Any) -> None:
        if stage.name == "prepare":
            self._ready["commit"].append((value, stage.records))
        elif stage.name == "commit" and value and stage.batch is not None:
            self._ready["publish"].append((stage.batch, stage.records))
        elif stage.name == "publish" and value and stage.batch is not None:
            self._noted.update({p: end for p, _, end in stage.batch.ranges})
            self.house.store.note_published(self.reader, self._noted)
        elif stage.name in ("commit", "publish"):
            self._failed = True
        elif self.stopping and not self.up:
            self.group.expel(self.member)

    # ---- reading

    def _can_read(self) -> bool:
        return any(self.logs[p].has_more(at) for p, at in self._positions.items())

    def _read(self) -> None:
        """One poll: some records of some partitions, and the group metadata of now."""
        group = Credentials(self.member, self.generation)
        room = self.house.rng.randint(1, self.house.plan.rules.batch_records)
        records: list[Record] = []
        partitions = sorted(self._positions)
        self.house.rng.shuffle(partitions)
        for partition in partitions:
            for entry in self.logs[partition].read(self._positions[partition], room - len(records)):
                records.append(Record(partition, entry.offset, entry.value, entry))
                self._positions[partition] = entry.offset + 1
        self.house.say("%s reads %s", self.name, [(r.partition, r.offset) for r in records])
        self._start("prepare", self.protocol.prepare(records, group), records)

    def _pass_hole(self, partition: int) -> None:
        """A batch of what retention has deleted before it was read."""
        start = self.logs[partition].start
        self._positions[partition] = start
        self.house.say("%s sees the hole before %d/%d", self.name, partition, start)
        batch = self.protocol.hole(partition, start, Credentials(self.member, self.generation))
        self._ready["commit"].append((batch, ()))

    # ---- the main thread's own work

    def _reassigned(self) -> Work:
        """Give up, claim, read the offsets, go on there."""
        lost, revoked = sorted(self._lost), sorted(self._revoked)
        self._lost, self._revoked = frozenset(), frozenset()
        new = self._assigned - self._claimed
        yield from self.protocol.let_go(lost, lost=True)
        yield from self.protocol.let_go(revoked)
        yield from self._settled(self._assigned if self.house.habits.claims_again else new)

    def _rewound(self) -> Work:
        """After a failure: claim again, so that nobody else's claim and no COMMIT still under way is in the way."""
        yield from self._settled(self._assigned if self.house.habits.claims_again else frozenset())

    def _settled(self, claims: frozenset[int]) -> Work:
        """Nothing of ours stays open, all is claimed; then the committed offsets tell where to go on."""
        self._positions = {}
        if self.hands.producer_broken:
            yield Renew()
        self._claimed = self._assigned
        yield from self.protocol.claim(sorted(claims))
        committed = yield Fetch(tuple(sorted(self._assigned)))
        if self.house.habits.proves_membership and not (yield Member(committed)):
            self._failed = self._unproved = True  # a claim that came late, from one that is a member no more
            return
        self.protocol.place(committed)
        self._positions = {p: offset for p, (offset, _) in committed.items()}
        for partition, offset in self._positions.items():
            if offset < self.logs[partition].start:
                self._pass_hole(partition)
        yield from self.protocol.recall()

    def _drain(self) -> Work:
        yield from self.protocol.drain()
        self.house.say("%s ends", self.name)
        self.up = False
