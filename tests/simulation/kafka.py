"""A simulated Kafka: partition logs with transactions, and consumer groups that fence by generation.
Lives here: what the protocol relies on of a broker, no more. Not here: who reads or writes (worker, sealers)."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Fate(Enum):
    """What has become of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Entry:
    """One record of a partition."""

    offset: int
    value: bytes | None
    transaction: "Transaction | None" = None
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    stamp_ms: int = 0

    @property
    def visible(self) -> bool:
        """Whether a read_committed reader may ever see it."""
        return self.transaction is None or self.transaction.fate is Fate.COMMITTED


@dataclass(slots=True, eq=False)
class Transaction:
    """What one producer has under way: records in logs and offsets of one group."""

    owner: str  # the transactional id's present holder
    fate: Fate = Fate.OPEN
    logs: "list[Log]" = field(default_factory=list)
    said: "list[tuple[Log, Entry]]" = field(default_factory=list)
    group: "Group | None" = None
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)

    def append(self, log: "Log", value: bytes | None) -> Entry:
        """Produce one record: it has its offset now, and is visible once committed."""
        if log not in self.logs:
            self.logs.append(log)
        entry = log.append(value, self)
        self.said.append((log, entry))
        return entry

    def send_offsets(
        self, group: "Group", member: int, generation: int, offsets: Mapping[int, tuple[int, str]]
    ) -> bool:
        """TxnOffsetCommit: refused unless the member belongs to the group's present generation."""
        if not group.knows(member, generation):
            return False
        self.group = group
        self.offsets = dict(offsets)
        for partition in offsets:
            group.pending.setdefault(partition, []).append(self)
        return True

    def end(self, commit: bool) -> None:
        """EndTxn: all becomes visible, or nothing; each log gets a marker, which takes an offset."""
        self.fate = Fate.COMMITTED if commit else Fate.ABORTED
        for log in self.logs:
            log.end += 1
            log.opened.pop(id(self), None)
        if self.group is None:
            return
        for partition, said in self.offsets.items():
            self.group.pending[partition].remove(self)
            if commit:
                self.group.committed[partition] = said


class Log:
    """One partition."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.entries: list[Entry] = []
        self.start = 0
        self.end = 0
        self.opened: dict[int, int] = {}  # open transaction -> its first offset here

    def append(self, value: bytes | None, transaction: Transaction | None = None) -> Entry:
        """Add a record at the end."""
        entry = Entry(self.end, value, transaction)
        self.entries.append(entry)
        if transaction is not None:
            self.opened.setdefault(id(transaction), self.end)
        self.end += 1
        return entry

    @property
    def stable_end(self) -> int:
        """Up to where a read_committed reader reads."""
        return min(self.opened.values(), default=self.end)

    def read(self, position: int, limit: int) -> list[Entry]:
        """Up to `limit` committed records from `position` on. A position before the start reads from the start."""
        found: list[Entry] = []
        end = self.stable_end
        entries = self.entries
        at = bisect_left(entries, max(position, self.start), key=_offset)
        while at < len(entries) and len(found) < limit and entries[at].offset < end:
            if entries[at].visible:
                found.append(entries[at])
            at += 1
        return found

    def has_more(self, position: int) -> bool:
        """Whether a reader at `position` would get a record."""
        return bool(self.read(position, 1))

    def visible(self, first: int, last: int) -> Iterable[Entry]:
        """Committed records with offset in [first, last), retained or not."""
        for at in range(bisect_left(self.entries, first, key=_offset), len(self.entries)):
            entry = self.entries[at]
            if entry.offset >= last:
                return
            if entry.visible:
                yield entry

    def cut(self, start: int) -> None:
        """Retention: records before `start` are gone."""
        self.start = max(self.start, min(start, self.stable_end))


def _offset(entry: Entry) -> int:
    return entry.offset


class Group:
    """A consumer group with cooperative rebalancing: a partition moves once its holder gave it up or was expelled."""

    def __init__(self, name: str, partitions: int) -> None:
        self.name = name
        self.partitions = partitions
        self.generation = 0
        self.committed: dict[int, tuple[int, str]] = {}
        self.pending: dict[int, list[Transaction]] = {}
        self._members: dict[int, int] = {}  # member -> generation up to which it has noticed
        self._holders: dict[int, int] = {}  # partition -> member that reads it, or has yet to give it up
        self._target: dict[int, int] = {}  # partition -> member that is to have it

    @property
    def members(self) -> list[int]:
        """Who belongs to the group, oldest first."""
        return list(self._members)

    def knows(self, member: int, generation: int) -> bool:
        """Whether a commit with these credentials is not fenced."""
        return member in self._members and generation == self.generation

    def stands_still(self) -> bool:
        """Whether nobody has anything to notice."""
        return self._holders == self._target and all(seen == self.generation for seen in self._members.values())

    def join(self, member: int) -> None:
        """A new member; it holds nothing until a rebalance gives it something."""
        self._members[member] = self.generation
        self.generation += 1

    def expel(self, member: int) -> None:
        """The member's session has ended: its partitions are free at once."""
        self._members.pop(member, None)
        self._holders = {p: who for p, who in self._holders.items() if who != member}
        self._target = {p: who for p, who in self._target.items() if who != member}
        self.generation += 1
        self._settle()

    def rebalance(self, choose: Callable[[list[int]], int]) -> None:
        """A new generation whose every partition goes where `choose` says."""
        members = self.members
        self._target = {p: choose(members) for p in range(self.partitions)} if members else {}
        self.generation += 1
        self._settle()

    def balanced(self) -> bool:
        """Whether each partition has a member that reads it."""
        return not self._members or len(self._target) == self.partitions

    def assignment(self, member: int) -> frozenset[int] | None:
        """What the member may read in the present generation; None: it was expelled."""
        if member not in self._members:
            return None
        return frozenset(p for p, who in self._holders.items() if who == member and self._target.get(p) == member)

    def unseen(self, member: int) -> bool:
        """Whether the member has not noticed the present generation."""
        return self._members.get(member) != self.generation

    def notice(self, member: int) -> tuple[int, frozenset[int]] | None:
        """The member joins the present generation, giving up what is to move. None: it was expelled."""
        assignment = self.assignment(member)
        if assignment is None:
            return None
        generation = self.generation
        self._members[member] = generation
        freed = [p for p, who in self._holders.items() if who == member and self._target.get(p) != member]
        for partition in freed:
            del self._holders[partition]
        if freed:
            self._settle()
        return generation, assignment

    def _settle(self) -> None:
        """Give partitions that nobody holds to whom they are for: a generation of its own."""
        free = {p: who for p, who in self._target.items() if p not in self._holders}
        if free:
            self._holders.update(free)
            self.generation += 1

    def fetch(self, partitions: Iterable[int], stable: bool = True) -> dict[int, tuple[int, str]] | None:
        """Committed offsets; None while a transaction with offsets on one of the partitions is pending."""
        wanted = list(partitions)
        if stable and any(self.pending.get(p) for p in wanted):
            return None
        return {p: self.committed.get(p, (0, "")) for p in wanted}

    def commit(self, member: int, generation: int, offsets: Mapping[int, tuple[int, str]]) -> bool:
        """OffsetCommit outside a transaction: refused unless the member belongs to the present generation."""
        if not self.knows(member, generation):
            return False
        self.committed.update({p: said for p, said in offsets.items() if p in self.committed or said != (0, "")})
        return True


class Broker:
    """All logs, and the transactions that are open."""

    def __init__(self, partitions: int, topics: Iterable[str]) -> None:
        self.partitions = partitions
        self.topics = {topic: [Log(topic, p) for p in range(partitions)] for topic in topics}
        self.open: list[Transaction] = []

    def begin(self, owner: str) -> Transaction:
        """A transaction of this transactional id's holder."""
        transaction = Transaction(owner)
        self.open.append(transaction)
        return transaction

    def end(self, transaction: Transaction, commit: bool) -> None:
        """Commit or abort one that is open."""
        transaction.end(commit)
        self.open.remove(transaction)

    def fence(self, owner: str) -> None:
        """InitTransactions of a new producer with the same id: what the old one has open is aborted."""
        for transaction in [found for found in self.open if found.owner == owner]:
            self.end(transaction, commit=False)
