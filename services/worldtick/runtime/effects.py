"""What the worker's protocol asks of the world outside, and what it is answered.
Lives here: the vocabulary between protocol.py and its two drivers (Kafka and PostgreSQL; the simulation).
Not here: how an effect is performed, or when it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

APPLIED, DEAD = 1, 2  # ledger.outcome
WELL, PARKED, DIVERGED = 0, 1, 2  # slice.status


class Record(NamedTuple):
    """One record as read."""

    partition: int
    offset: int
    value: bytes | None
    source: Any = None  # the driver's own: a Kafka message, whose headers are read only where they are needed


class Again(NamedTuple):
    """A ring to be published again: the same bytes on the same partition."""

    partition: int
    key: str
    value: bytes | None
    source: Any


class Unread(NamedTuple):
    """A record that nobody can read, and why: it goes to its topic's dead letters."""

    record: Record
    reason: str
    error: str


class SliceRow(NamedTuple):
    """A row of `slice` joined to its world."""

    slice_key: int
    world_key: int
    world: str
    slice_no: int
    seed: int
    scenario: str
    genesis_version: int
    version: int
    digest: bytes | None  # None until a first tick is done
    step_version: int
    status: int
    dead_in_row: int
    carried: int
    snapshot_version: int | None
    snapshot: bytes | None
    reader_key: int | None  # these three: the origin of its last ledger row
    origin_partition: int | None
    origin_offset: int | None


class Raise(NamedTuple):
    """A slice's guarded move from one version to another, all in one transaction with the rest."""

    slice_key: int
    from_version: int
    version: int
    digest: bytes
    step_version: int
    status: int
    dead_in_row: int
    carried: int
    reason: str | None
    origin_partition: int | None  # of its last ledger row under the worker's reader; None keeps the stored one
    origin_offset: int | None
    snapshot: bytes | None  # of the state at `version`; None keeps the stored one


class LedgerRow(NamedTuple):
    """A row of `ledger`, in column order; committed_at is the database's."""

    reader_key: int
    origin_partition: int
    origin_offset: int
    slice_key: int
    version: int
    outcome: int
    worker_key: int
    step_version: int
    step_us: int
    used: int
    carried: int
    digest: bytes
    outputs: bytes


@dataclass(slots=True)
class Writes:
    """All that one SQL transaction of a batch writes; only while the claims on `partitions` are the worker's."""

    reader_key: int
    worker_key: int
    partitions: tuple[int, ...] = ()
    raises: list[Raise] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    facts: list[tuple[int, str, int, int, bytes]] = field(default_factory=list)  # world, service, slice, seq, body
    effects: list[tuple[int, str, str, str, str, int, int]] = field(default_factory=list)  # rows of `directive`
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)  # projection table -> full rows
    kept: list[int] = field(default_factory=list)  # slices whose new snapshot is kept beside those to come

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.raises or self.ledger)


class Committed(Enum):
    """How a SQL transaction ended."""

    YES = "yes"
    STALE = "stale"  # another owner moved a slice or claimed a partition: nothing was written
    UNKNOWN = "unknown"  # the answer to COMMIT was lost: read again


class Published(Enum):
    """How a Kafka transaction ended."""

    YES = "yes"
    NO = "no"  # aborted, fenced or unknown: a new producer, then the committed offsets tell


@dataclass(frozen=True, slots=True)
class Claim:
    """-> dict[partition, bool]: take these partitions from whoever had them; True where that one had let go cleanly.

    True too where it was this very worker. Waits for a commit under way, whoever's, and from then on none of a former
    owner succeeds. It proves nothing of the group: the driver then makes a call that the group fences by generation.
    """

    partitions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Release:
    """-> None. Nothing of ours is under way on these partitions any more; claims that others took meanwhile stay."""

    partitions: Sequence[int]


@dataclass(frozen=True, slots=True)
class LoadSlices:
    """-> list[SliceRow] of this service: whole worlds, or single slices where it is rung slice by slice."""

    worlds: Sequence[str] = ()
    slices: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class LoadTicks:
    """-> list[(world_key, version, body)] of this service's stream; ranges are (world_key, first, last)."""

    ranges: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class LoadLedger:
    """-> list[(slice_key, version, outcome, digest)]; ranges are (slice_key, first, last)."""

    ranges: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """-> int, how often this step was begun and its process not seen to the end of it; committed before it returns."""

    slice_key: int
    version: int


@dataclass(frozen=True, slots=True)
class Survived:
    """-> None. The process has come to the end of an attempted step, well or not: the attempt is forgotten."""

    slice_key: int
    version: int


@dataclass(frozen=True, slots=True)
class Diverge:
    """-> None. The slice's recovery gave other bytes than its ledger: stop it, loudly."""

    slice_key: int
    reason: str


@dataclass(frozen=True, slots=True)
class Commit:
    """-> Committed."""

    writes: Writes


@dataclass(frozen=True, slots=True)
class LastOrigins:
    """-> dict[partition, int]: the highest offset under which the ledger has a row; none of those without rows."""

    reader_key: int
    partitions: Sequence[int]


@dataclass(frozen=True, slots=True)
class LoadOutputs:
    """-> list[(origin_partition, origin_offset, outputs)] in (world, place in the stream) order.

    Ledger rows whose origin lies in one of the ranges (partition, from, to), `to` excluded.
    """

    reader_key: int
    ranges: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Transact:
    """-> Published. One Kafka transaction: outputs, continuation rings, letters, offsets with their account."""

    outputs: Sequence[bytes]  # ledger.outputs, in order
    rings: Sequence[Again]
    offsets: Mapping[int, tuple[int, str]]  # partition -> (next offset, metadata)
    group: Any  # group metadata as it was when the batch was read
    unread: Sequence[Unread] = ()


Effect = (
    Claim
    | Release
    | LoadSlices
    | LoadTicks
    | LoadLedger
    | Attempt
    | Survived
    | Diverge
    | Commit
    | LastOrigins
    | LoadOutputs
    | Transact
)
