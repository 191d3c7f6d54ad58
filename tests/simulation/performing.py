"""Effects performed: what a worker asks for happens in the simulated Kafka and PostgreSQL, or fails to.
Lives here: one effect after another, a Kafka transaction in its parts. Not here: which worker asks, and when."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.simulation.kafka import Fate, Transaction
from tests.simulation.store import Fault
from worldtick.contracts.ids import home_partition
from worldtick.contracts.outputs import decode_outputs
from worldtick.runtime.batches import Prepared
from worldtick.runtime.effects import Commit, Diverge, Published, Record, Transact

if TYPE_CHECKING:
    from tests.simulation.worker import Worker

Work = Generator[Any, Any, Any]


class Credentials(NamedTuple):
    """Group metadata: what fences a former owner."""

    member: int
    generation: int


class Fetch(NamedTuple):
    """-> committed offsets of these partitions, once no transaction is pending on them."""

    partitions: tuple[int, ...]


class Renew(NamedTuple):
    """-> None: a new producer of the same name; what the old one left open is aborted."""


class Member(NamedTuple):
    """-> whether the membership is current: the committed offsets are committed as they are, which the group fences."""

    committed: dict[int, tuple[int, str]]


class Away(Exception):
    """A server does not answer."""


WAITS = object()  # an effect cannot be done yet


@dataclass(slots=True, eq=False)
class Stage:
    """A generator under way and the effect that it waits for."""

    name: str
    work: Work
    effect: Any
    records: Sequence[Record] = ()
    batch: Prepared | None = None
    transaction: Generator[None, None, Published] | None = None
    open: Transaction | None = None


class Hands:
    """Performs the effects of one worker."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._house = worker.house
        self.producer_broken = False

    def perform(self, stage: Stage) -> Any:
        """Do what a stage waits for; its answer, WAITS if it cannot be done yet, None while it goes on. Raises Away."""
        effect = stage.effect
        if isinstance(effect, Transact):
            return self._transact(stage, effect)
        if stage.name != "main" and self._house.befalls("load", 0.2):
            raise Away
        match effect:
            case Diverge():
                return self._house.diverged(effect)
            case Commit():
                return self._worker.database.perform(effect, self._fault())
            case Fetch():
                committed = self._worker.group.fetch(effect.partitions, self._house.habits.stable)
                return WAITS if committed is None else committed
            case Renew():
                self._house.broker.fence(self._worker.name)
                self.producer_broken = False
                return None
            case Member():
                group = self._worker.group
                return group.commit(self._worker.member, self._worker.generation, effect.committed)
        return self._worker.database.perform(effect)

    def _fault(self) -> Fault:
        if not self._house.befalls("sql", 0.5):
            return Fault.NONE
        fault = self._house.rng.choice((Fault.REPLY_LOST, Fault.ABORTED, Fault.LATE))
        self._house.say("%s: COMMIT %s", self._worker.name, fault.value)
        return fault

    def _transact(self, stage: Stage, effect: Transact) -> Published | None:
        """One part of a transaction a time; None while it goes on."""
        if stage.transaction is None:
            stage.transaction = self._transaction(stage, effect)
        try:
            next(stage.transaction)
        except StopIteration as ended:
            outcome: Published = ended.value
            self.producer_broken = outcome is Published.NO
            return outcome
        return None

    def _transaction(self, stage: Stage, effect: Transact) -> Generator[None, None, Published]:
        broker = self._house.broker
        transaction = stage.open = broker.begin(self._worker.name)
        for ring in effect.rings:
            transaction.append(self._worker.logs[ring.partition], ring.value)
        for body in effect.outputs:
            world = decode_outputs(body).world
            transaction.append(self._house.event_logs[home_partition(world, len(self._house.event_logs))], body)
        self._house.say("%s produces %d outputs, %d rings", self._worker.name, len(effect.outputs), len(effect.rings))
        yield
        if transaction.fate is not Fate.OPEN:
            return Published.NO
        said: Credentials = effect.group
        if self._house.habits.late_metadata:
            said = Credentials(self._worker.member, self._worker.group.generation)
        if not transaction.send_offsets(self._worker.group, said.member, said.generation, effect.offsets):
            self._house.say("%s is fenced", self._worker.name)
            if self._house.rng.random() < 0.7:  # else the abort is lost too, and the coordinator's timeout does it
                broker.end(transaction, commit=False)
            return Published.NO
        self._house.expect(transaction, self._worker.service.name, self._worker.reader, stage.records)
        yield
        return self._end(transaction)

    def _end(self, transaction: Transaction) -> Published:
        if transaction.fate is not Fate.OPEN:
            return Published.NO
        if not self._house.befalls("end", 0.5):
            self._house.end(transaction, commit=True)
            return Published.YES
        fate = self._house.rng.choice(("reply lost", "delayed", "aborted"))
        self._house.say("%s: EndTxn %s", self._worker.name, fate)
        if fate == "delayed":
            self._house.delayed.append(transaction)
        else:
            self._house.end(transaction, commit=fate == "reply lost")
        return Published.NO
