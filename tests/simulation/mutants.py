"""Deliberate bugs: each takes one clause out of the protocol, or one habit out of those around it.
Lives here: what each changes, and which promise it breaks. Not here: how soon it is found (test_mutants)."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.house import Habits, House
from tests.simulation.plan import among_zombies
from tests.simulation.run import Mutant
from worldtick.runtime.batches import Prepared, account_in
from worldtick.runtime.effects import (
    APPLIED,
    Attempt,
    Commit,
    Committed,
    LoadLedger,
    LoadSlices,
    LoadTicks,
    Record,
    Survived,
    Transact,
)
from worldtick.runtime.protocol import Protocol

Work = Generator[Any, Any, Any]


def through(
    work: Work,
    ask: Callable[[Any], Any] = lambda effect: effect,
    hear: Callable[[Any, Any], Any] = lambda effect, answer: answer,
) -> Work:
    """The same work, with what it asks and hears altered. What it asks as None is not done at all."""
    try:
        effect = next(work)
        while True:
            asked = ask(effect)
            answer = None if asked is None else (yield asked)
            effect = work.send(hear(effect, answer))
    except StopIteration as ended:
        return ended.value


class OwnRowsOnly(Protocol):
    """Publishes what is in memory."""

    def publish(self, batch: Prepared) -> Work:
        """Outputs of the batch's own rows, whatever the ledger holds under its records."""

        def ask(effect: Any) -> Any:
            return replace(effect, outputs=_said(batch)) if isinstance(effect, Transact) else effect

        return through(super().publish(batch), ask)


def _said(batch: Prepared) -> list[bytes]:
    return [row.outputs for row in batch.writes.ledger]


class OffsetsFirst(Protocol):
    """Moves the offset before the SQL transaction."""

    def commit(self, batch: Prepared) -> Work:
        """What publish does."""
        return super().publish(batch)

    def publish(self, batch: Prepared) -> Work:
        """What commit does."""
        return super().commit(batch)


class NoContinuation(Protocol):
    """Does not ring again what the bound cut off."""

    def publish(self, batch: Prepared) -> Work:
        """Without rings."""
        return through(super().publish(batch), lambda e: replace(e, rings=[]) if isinstance(e, Transact) else e)


class HolesLeftOut(Protocol):
    """The range begins at the first record that is there, not at the committed offset."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """A batch whose ranges leave out what lies before its records."""
        batch = yield from super().prepare(records, group)
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
        batch.ranges = [(partition, first[partition], end) for partition, _, end in batch.ranges]
        return batch

    def hole(self, partition: int, until: int, group: Any) -> Prepared:
        """A hole that holds nothing."""
        batch = super().hole(partition, until, group)
        batch.ranges = [(partition, until, until)]
        return batch


class UnknownIsDone(Protocol):
    """Takes an unknown outcome of COMMIT for a success."""

    def commit(self, batch: Prepared) -> Work:
        """Without reading again."""
        return through(super().commit(batch), hear=lambda _, a: Committed.YES if a is Committed.UNKNOWN else a)


class StaleIsDone(Protocol):
    """Goes on after a refused COMMIT."""

    def commit(self, batch: Prepared) -> Work:
        """As if another owner's work were its own."""
        return through(super().commit(batch), hear=lambda _, a: Committed.YES if a is Committed.STALE else a)


class ForeignRings(Protocol):
    """Counts rings on any partition."""

    def _at_home(self, world: str, partition: int) -> bool:
        return True


class MemoryKept(Protocol):
    """Keeps slices in memory through a failure."""

    def place(self, committed: Mapping[int, tuple[int, str]]) -> None:
        """Without forgetting."""
        kept = dict(self.memory._at)
        super().place(committed)
        self.memory._at.update(kept)


class RecordsStepped(Protocol):
    """Steps the tick that was rung in the place of those before it."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """With the newest body at every place."""

        def hear(effect: Any, answer: Any) -> Any:
            if not isinstance(effect, LoadTicks):
                return answer
            newest = {key: body for key, _, body in answer}
            return [(key, place, newest[key]) for key, place, _ in answer]

        return through(super().prepare(records, group), hear=hear)


class DeadWithoutRow(Protocol):
    """Leaves no ledger row for a dead step."""

    def commit(self, batch: Prepared) -> Work:
        """Only what was applied."""
        batch.writes.ledger = [row for row in batch.writes.ledger if row.outcome == APPLIED]
        return super().commit(batch)


class AccountsInMemory(Protocol):
    """Counts records in memory, whatever the committed metadata say."""

    def place(self, committed: Mapping[int, tuple[int, str]]) -> None:
        """With the counts of before."""
        kept = {partition: account for partition, account in self._accounts.items() if partition in committed}
        super().place(committed)
        self._accounts.update(kept)

    def publish(self, batch: Prepared) -> Work:
        """Counted as soon as it is tried, and again when it is tried again."""

        def hear(effect: Any, answer: Any) -> Any:
            if isinstance(effect, Transact):
                self._accounts.update({p: account_in(text) for p, (_, text) in effect.offsets.items()})
            return answer

        return through(super().publish(batch), hear=hear)


class OriginsIgnored(Protocol):
    """Steps on under an earlier record than the slice's last row hangs on."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """Slices whose last origin is not known."""

        def hear(effect: Any, answer: Any) -> Any:
            if not isinstance(effect, LoadSlices):
                return answer
            return [row._replace(reader_key=None, origin_partition=None, origin_offset=None) for row in answer]

        return through(super().prepare(records, group), hear=hear)


class AttemptsNotCounted(Protocol):
    """A step that kills its process is always begun as if for the first time."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """With an answer of 1."""
        return through(super().prepare(records, group), hear=lambda e, a: 1 if isinstance(e, Attempt) else a)


class AttemptsNotEnded(Protocol):
    """An attempt that its process survived is counted all the same."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """Without noting that it ended."""
        return through(super().prepare(records, group), lambda e: None if isinstance(e, Survived) else e)


class DeadSteppedAgain(Protocol):
    """Recovery steps through dead ticks too."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """With a ledger that says applied everywhere."""

        def hear(effect: Any, answer: Any) -> Any:
            if not isinstance(effect, LoadLedger):
                return answer
            return [(key, version, APPLIED, digest) for key, version, _, digest in answer]

        return through(super().prepare(records, group), hear=hear)


class NothingDropped(Protocol):
    """A failure drops no batch that is under way."""

    def fail(self) -> None:
        """Nothing."""


class EpochOfNow(Protocol):
    """A batch that is read after a failure, and before the offsets are, counts as new."""

    def prepare(self, records: Sequence[Record], group: Any) -> Work:
        """As if it had been placed now."""
        self._placed_epoch = self.epoch
        return super().prepare(records, group)


class FactsApart(Protocol):
    """Facts and effects are not in the commit of the step that made them, but of the one after."""

    _late: tuple[list[Any], list[Any]] = ([], [])

    def commit(self, batch: Prepared) -> Work:
        """With what the batch before left."""

        def ask(effect: Any) -> Any:
            if isinstance(effect, Commit):
                writes = effect.writes
                mine = (writes.facts, writes.effects)
                writes.facts, writes.effects = self._late
                self._late = mine
            return effect

        return through(super().commit(batch), ask)


def _habits(**off: bool) -> Callable[[House], None]:
    def spoil(house: House) -> None:
        house.habits = Habits(**off)

    return spoil


def _no_claims(house: House) -> None:
    house.store.claim_checks = False


def _no_guards(house: House) -> None:
    house.store.claim_checks = house.store.version_guard = False


def _pastes_not_keyed(house: House) -> None:
    house.control.keyed = False


def _unlocked(house: House) -> None:
    for ticker in house.tickers:
        ticker.locks = False


MUTANTS = [
    Mutant("own_rows_only", "Publish: rows of predecessors under the same records", OwnRowsOnly),
    Mutant("offsets_first", "Commit before Publish", OffsetsFirst),
    Mutant("no_continuation", "Continue: the ring of what the bound cut off", NoContinuation),
    Mutant("holes_left_out", "Publish: holes and jumps belong to the range", HolesLeftOut),
    Mutant("unknown_is_done", "Commit: an unknown outcome is read again", UnknownIsDone),
    Mutant("stale_is_done", "Commit: a refused one drops the batch", StaleIsDone),
    Mutant("foreign_rings", "Doorbell: only rings at home count", ForeignRings),
    Mutant("memory_kept", "Commit: nothing in memory outlives a failure", MemoryKept),
    Mutant("records_stepped", "Doorbell and Chain: every tick from the table, none from its record", RecordsStepped),
    Mutant("dead_without_row", "Dead: a ledger row and a letter", DeadWithoutRow),
    Mutant("accounts_in_memory", "Law 6: the account goes with the offset", AccountsInMemory),
    Mutant("origins_ignored", "Publish: origins are in the order of versions", OriginsIgnored),
    Mutant("attempts_not_counted", "Dead: three attempts", AttemptsNotCounted),
    Mutant("attempts_not_ended", "Dead: an attempt is one that its process did not survive", AttemptsNotEnded),
    Mutant("dead_stepped_again", "Dead: recovery follows the ledger's outcomes", DeadSteppedAgain),
    Mutant("nothing_dropped", "Ownership: a failure drops what is under way", NothingDropped),
    Mutant("epoch_of_now", "Ownership: so are batches read since, until the offsets are read again", EpochOfNow),
    Mutant("facts_apart", "Commit: facts and effects are in the step's own", FactsApart),
    Mutant("no_claims", "Ownership: a former owner commits nothing", spoil=_no_claims),
    Mutant("no_guards", "Commit: neither claims nor versions are checked", spoil=_no_guards),
    Mutant(
        "offsets_unstable",
        "Ownership: offsets are fetched stable",
        spoil=_habits(stable=False),
        circumstances=among_zombies,
    ),
    Mutant(
        "late_metadata",
        "Ownership: group metadata are captured with the batch, which a revoke drops",
        spoil=_habits(late_metadata=True, drops_on_revoke=False),
    ),
    Mutant("no_second_claim", "Ownership: claims are renewed after a doubt", spoil=_habits(claims_again=False)),
    Mutant(
        "claim_not_proved",
        "Ownership: a claim is proved by the group",
        spoil=_habits(proves_membership=False),
        circumstances=among_zombies,
    ),
    Mutant("no_rings_again", "Ring: what is silent and lags is rung", spoil=_habits(rings_again=False)),
    Mutant("unpublished_pruned", "Prune: only what is published", spoil=_habits(prunes_published_only=False)),
    Mutant("pastes_not_keyed", "Law 3: a pasted tick is keyed by its record", spoil=_pastes_not_keyed),
    Mutant("unlocked", "Law 3: sealed under the world's row lock", spoil=_unlocked),
]
