"""Control's link and the tickers' producer, on the simulated Kafka.
Lives here: what control/link and ticker/publishing do of Kafka, with its seams. Not here: the broker itself (kafka)."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from tests.simulation.commands.seams import Seams
from tests.simulation.kafka import Broker, Entry, Group, Log, Transaction
from worldtick.contracts.commands import CONTROL_TOPIC, REPLY_TOPIC
from worldtick.contracts.topics import SIMULATION_EVENT
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Incoming, Outgoing
from worldtick.control.link import Batch, Place
from worldtick.control.room import TICK_TOPICS
from worldtick.runtime.errors import Fenced
from worldtick.ticker.publishing import Publisher

READ: Final = (*TICK_TOPICS, CONTROL_TOPIC)
BATCH_MAX: Final = 8  # while anything may happen


class Bus:
    """The broker with control's topics and group, and who looks at what becomes visible."""

    def __init__(self, partitions: int, seams: Seams) -> None:
        self.seams = seams
        self.broker = Broker(1, (*READ, REPLY_TOPIC, SIMULATION_EVENT, *(f"{topic}.dlq" for topic in READ)))
        self.broker.topics[CONTROL_TOPIC] = [Log(CONTROL_TOPIC, number) for number in range(partitions)]
        self.places: list[Place] = [(topic, log.partition) for topic in READ for log in self.broker.topics[topic]]
        self.group = Group("control", len(self.places))
        self.stamp_ms: Callable[[], int] = lambda: 0
        self.seen: Callable[[Sequence[Outgoing]], None] = lambda records: None  # told of all that becomes visible
        self._names = itertools.count(1)

    def new_name(self) -> int:
        """Of a member, or of a producer."""
        return next(self._names)

    def log(self, place: Place) -> Log:
        """One partition."""
        return self.broker.topics[place[0]][place[1]]

    def say(self, record: Outgoing, partition: int = 0, transaction: Transaction | None = None) -> Entry:
        """Produce a record."""
        log = self.log((record.topic, partition))
        entry = log.append(record.value, transaction) if transaction is None else transaction.append(log, record.value)
        entry.key, entry.stamp_ms = record.key, self.stamp_ms()
        entry.headers = [(name, value or b"") for name, value in record.headers]
        return entry

    def balance(self) -> None:
        """A new generation: members take turns, so that two share world.control's partitions."""
        turn = itertools.count(self.seams.rng.randrange(2))
        self.group.rebalance(lambda members: members[next(turn) % len(members)])

    def visible(self, topic: str) -> list[Entry]:
        """What a read_committed reader sees of a topic."""
        return [entry for log in self.broker.topics[topic] for entry in log.read(0, len(log.entries) or 1)]


class SimLink:
    """One member of control's group, as control/link is."""

    prefix = ""

    def __init__(self, bus: Bus) -> None:
        self.member = bus.new_name()
        self.name = f"control {self.member}"  # of its transactions
        self.alone: list[str] = []  # event ids that became visible in transactions without offsets, in this turn
        self._bus, self._seams = bus, bus.seams
        self._generation = -1
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        bus.group.join(self.member)
        bus.balance()

    def poll(self, wait_s: float = 0.0) -> Batch:
        """Some records of what it holds; none when partitions came or went."""
        self._seams.reach("poll")
        if self._bus.group.unseen(self.member) or self._generation < 0:
            self._notice()
            self.reposition()
            return Batch([], None, True)
        limit = 2_000 if self._seams.still else self._seams.rng.randint(1, BATCH_MAX)
        records = [self._incoming(place, entry) for place, entry in self._fetch(limit)]
        return Batch(records, (self.member, self._generation), False)

    def _notice(self) -> None:
        noticed = self._bus.group.notice(self.member)
        if noticed is None:  # expelled: it joins as another member
            self.member = self._bus.new_name()
            self._bus.group.join(self.member)
            self._bus.balance()
            noticed = self._bus.group.notice(self.member)
        assert noticed is not None
        self._generation, held = noticed
        self._positions = {self._bus.places[number]: 0 for number in sorted(held)}

    def _fetch(self, limit: int) -> list[tuple[Place, Entry]]:
        found: list[tuple[Place, Entry]] = []
        for place in self._positions:
            if place not in self._paused:
                for entry in self._bus.log(place).read(self._positions[place], limit - len(found)):
                    found.append((place, entry))
                    self._positions[place] = entry.offset + 1
        return found

    def _incoming(self, place: Place, entry: Entry) -> Incoming:
        return Incoming(*place, entry.offset, entry.stamp_ms, entry.key, entry.value, entry.headers)

    def reposition(self) -> None:
        """Read on from the committed offsets."""
        self._seams.reach("reposition")
        self._paused.clear()
        for place, (offset, _) in self._committed(list(self._positions)).items():
            self._positions[place] = offset

    def _committed(self, places: Sequence[Place]) -> dict[Place, tuple[int, str]]:
        found = self._bus.group.fetch([self._bus.places.index(place) for place in places])
        if found is None:
            raise Fenced("the committed offsets cannot be read: a transaction is open (simulated)")
        return {self._bus.places[number]: said for number, said in found.items()}

    def committed(self, places: Sequence[Place]) -> dict[Place, str]:
        """Metadata of committed offsets."""
        return {place: said for place, (_, said) in self._committed(places).items() if said}

    def pause(self, places: Collection[Place]) -> None:
        """Bring nothing from these, and again from all others."""
        self._paused = set(places)

    def publish(self, records: Sequence[Outgoing], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """One Kafka transaction. Raises Fenced unless it surely committed."""
        self._seams.reach("before Kafka")
        transaction = self._bus.broker.begin(self.name)
        for record in records:
            self._bus.say(record, 0, transaction)
        if offsets:
            member, generation = group
            moved = {self._bus.places.index(place): said for place, said in offsets.items()}
            if not transaction.send_offsets(self._bus.group, member, generation, moved):
                raise Fenced("another generation (simulated)")
        mishap = self._seams.reach("before EndTxn", "refused", "lost")
        if mishap == "refused" or transaction not in self._bus.broker.open:
            raise Fenced("the transaction was aborted (simulated)")
        self._bus.broker.end(transaction, commit=True)
        self._bus.seen(records)
        if not offsets:
            self.alone += [event_id(record.headers) for record in records]
        if mishap == "lost":
            raise Fenced("the answer to EndTxn was lost (simulated)")
        self._seams.reach("after EndTxn")

    def rewind(self) -> None:
        """A new producer of the same name; then back to the committed offsets."""
        self._seams.reach("rewind")
        self._bus.broker.fence(self.name)
        self.reposition()

    def close(self) -> None:
        """Leave the group."""
        self._bus.group.expel(self.member)
        self._bus.balance()


def event_id(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Of a record's headers."""
    return (dict(headers).get("ce_id") or b"").decode()


class SimPublisher(Publisher):
    """The tickers' own publisher, with a producer on the bus."""

    def __init__(self, bus: Bus, writer: EventWriter) -> None:
        self._bus = bus
        super().__init__("simulated", writer)

    def _connect(self) -> Any:
        return _Press(self._bus)


class _Press:
    """An idempotent producer: what it flushes is visible at once, or perhaps though no answer came."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._queue: list[Outgoing] = []

    def produce(self, topic: str, key: bytes, value: bytes, headers: Any, on_delivery: Any) -> None:
        """Queue a record."""
        self._queue.append(Outgoing(topic, key, value, headers))

    def flush(self, timeout: float) -> int:
        """Send what is queued; how many are not acknowledged."""
        mishap = self._bus.seams.reach("ring", "lost", "half")
        sent = self._queue[: len(self._queue) // 2] if mishap == "half" else self._queue
        for record in sent:
            self._bus.say(record)
        self._bus.seen(sent)
        left, self._queue = self._queue if mishap else [], []
        return len(left)

    def purge(self) -> None:
        """Give up what is queued."""
        self._queue.clear()
