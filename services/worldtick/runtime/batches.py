"""Batches: what a worker has in hand between reading records and having published what came of them.
Lives here: the batch, its rings, notes and account. Not here: what is done with it (protocol)."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from worldtick.runtime.effects import Again, Unread, Writes


class Account(msgspec.Struct, frozen=True):
    """What became of the records read of one partition; it is committed with the offset, so it is exact."""

    rang: int = 0  # origin of at least one ledger row
    duplicate: int = 0  # a ring at home that had nothing left to do
    passed: int = 0  # not sealed, not at home, or of a world without this service
    dead: int = 0  # dead-lettered: nobody could read it, on a topic that is this service's own


class Rung(msgspec.Struct, gc=False):
    """A ring that counts: a world is sealed up to `place` of this service's stream."""

    partition: int
    offset: int
    address: str  # what is rung: a world, or one slice of it
    place: int
    snapshot: bool  # the state after it is to be stored, due or not
    value: bytes | None
    source: Any


class Note(NamedTuple):
    """Something that the driver logs and counts; the fields are of the log line."""

    event: str
    fields: dict[str, Any]
    level: int = logging.INFO


@dataclass(slots=True)
class Prepared:
    """A batch on its way through the stages."""

    epoch: int
    group: Any
    writes: Writes
    ranges: list[tuple[int, int, int]]  # partition, first offset, the one after the last
    rung: dict[int, set[int]]  # partition -> offsets of rings that count
    passed: dict[int, int]
    unread: list[Unread] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)  # rings of slices that are not at their end yet
    beyond: set[str] = field(default_factory=set)  # addresses whose tick log ends before what was rung
    hangs: bool = True  # rows of others may hang in its ranges: they are read when it is published
    notes: list[Note] = field(default_factory=list)
    records: int = 0
    fates: Account = field(default_factory=Account)  # of this batch, once published


def account_in(text: str) -> Account:
    """The account in a committed offset's metadata."""
    try:
        return msgspec.json.decode(text.encode(), type=Account) if text else Account()
    except msgspec.MsgspecError:
        return Account()  # somebody reset the offsets by hand: the count begins anew with them


def sum_of(one: Account, other: Account) -> Account:
    """Both counts together."""
    return Account(
        one.rang + other.rang, one.duplicate + other.duplicate, one.passed + other.passed, one.dead + other.dead
    )


def accounted(
    batch: Prepared, before: Mapping[int, Account], origins: Collection[tuple[int, int]]
) -> dict[int, Account]:
    """Each partition's account once the batch is published; the batch's own fates are noted in it.

    origins: (partition, offset) of the records under which there are rows.
    """
    accounts: dict[int, Account] = {}
    total = Account()
    for partition, _, _ in batch.ranges:
        offsets = batch.rung.get(partition, set())
        rang = sum((partition, offset) in origins for offset in offsets)
        dead = sum(unread.record.partition == partition for unread in batch.unread)
        more = Account(rang, len(offsets) - rang, batch.passed.get(partition, 0), dead)
        accounts[partition] = sum_of(before.get(partition, Account()), more)
        total = sum_of(total, more)
    batch.fates = total
    return accounts
