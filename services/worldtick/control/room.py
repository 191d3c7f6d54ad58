"""Control's loop: read the tick topics, judge each record, publish rings, dead letters and offsets together.
Lives here: batches, the account, waiting for services. Not here: verdicts (desk), Kafka calls (link)."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from worldtick.contracts.deadletter import SUFFIX, DeadLetter
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.sealed import decode_sealed
from worldtick.contracts.wire import EventWriter
from worldtick.control.desk import Again, Dead, Desk, Incoming, Passed, Sealed, Verdict, Waits, worlds_to_ring
from worldtick.control.errors import Rewind
from worldtick.control.link import Link, Outgoing, Place
from worldtick.sealing.rings import rings_of
from worldtick.store.db import Pool, transaction
from worldtick.store.notices import wait_for_slices
from worldtick.store.ticks import raise_published, unpublished

log = logging.getLogger(__name__)

TICK_TOPICS = ("world.tick", "world.tick.hourly", "world.tick.daily")
RINGS_MAX = 2_000  # ticks rung in one transaction; a ticker rings the rest
WAIT_S_MAX = 60.0  # how long a paste waits for services before it is dead
WAIT_POLL_S = 0.25
BACKOFF_S = (0.25, 0.5, 1.0, 2.0, 5.0)


class Account(msgspec.Struct):
    """What became of the records read of one partition; it is committed with the offset."""

    passed: int = 0
    sealed: int = 0
    again: int = 0
    dead: int = 0

    def count(self, verdict: Verdict) -> None:
        """Add one record."""
        match verdict:
            case Passed():
                self.passed += 1
            case Sealed():
                self.sealed += 1
            case Again():
                self.again += 1
            case Dead():
                self.dead += 1


@dataclass(slots=True)
class _Round:
    """One batch's outcome."""

    verdicts: list[Verdict] = field(default_factory=list)
    dead: list[Outgoing] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)
    held: dict[Place, int] = field(default_factory=dict)  # partitions whose paste waits for services


class Room:
    """Reads, judges, publishes. One thread; any number of processes."""

    def __init__(self, link: Link, desk: Desk, pool: Pool, writer: EventWriter) -> None:
        self._link = link
        self._desk = desk
        self._pool = pool
        self._writer = writer
        self._accounts: dict[Place, Account] = {}
        self._waiting_since: dict[tuple[str, int, int], float] = {}
        self.beat = time.monotonic()  # when the loop last came round: a stuck one is not ready

    def run_until(self, stop: threading.Event) -> None:
        """Work until `stop` is set; away parts are waited for, the group is left at the end."""
        failures = 0
        try:
            while not stop.is_set():
                self.beat = time.monotonic()
                try:
                    if failures:
                        self._accounts.clear()
                        self._link.rewind()
                    self.turn()
                    failures = 0
                except (Rewind, Unavailable) as failed:
                    pause_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                    failures += 1
                    log.warning("control_rewinds", extra={"error": str(failed), "again_in_s": pause_s})
                    stop.wait(pause_s)
        finally:
            self._link.close()

    def turn(self) -> int:
        """One batch; the number of records done. Raises Rewind, DatabaseAway, DatabaseBusy."""
        batch = self._link.poll()
        if batch.rebalanced:  # another member may have gone on with what was ours
            self._accounts.clear()
            self._waiting_since.clear()
        if not batch.records:
            return 0
        done = self._judge(batch.records)
        rings, reached = self._rings(done.verdicts)
        if rings or done.offsets:
            self._link.publish([*rings, *done.dead], self._with_accounts(done), batch.group)
        if reached:
            with transaction(self._pool) as conn:
                raise_published(conn, sorted(reached.items()))
        for place, offset in done.held.items():
            self._link.seek(place, offset)
        if done.held:
            wait_for_slices(self._pool, WAIT_POLL_S)
        return len(done.verdicts)

    def _judge(self, records: Sequence[Incoming]) -> _Round:
        done = _Round()
        self._load_accounts({(record.topic, record.partition) for record in records})
        for record in records:
            place = (record.topic, record.partition)
            if place in done.held:
                continue
            verdict = self._in_time(record, self._desk.judge(record))
            done.verdicts.append(verdict)
            if isinstance(verdict, Waits):
                done.held[place] = record.offset
                continue
            done.offsets[place] = record.offset + 1
            self._accounts[place].count(verdict)
            self._note(record, verdict)
            if isinstance(verdict, Dead):
                done.dead.append(_dead_letter(record, verdict, self._link.prefix))
        return done

    def _in_time(self, record: Incoming, verdict: Verdict) -> Verdict:
        """A paste that waits too long is dead; what was sealed on the way to it stays."""
        key = (record.topic, record.partition, record.offset)
        if not isinstance(verdict, Waits):
            self._waiting_since.pop(key, None)
            return verdict
        now = time.monotonic()
        if now - self._waiting_since.setdefault(key, now) < WAIT_S_MAX:
            return verdict
        del self._waiting_since[key]
        return Dead("services_behind", f"waited {WAIT_S_MAX:.0f} s for {', '.join(verdict.services)}; try again")

    def _rings(self, verdicts: Sequence[Verdict]) -> tuple[list[Outgoing], dict[int, int]]:
        """Rings of all that the pastes' worlds have in the table and not surely on Kafka; how far that is."""
        keys = worlds_to_ring(verdicts)
        if not keys:
            return [], {}
        with transaction(self._pool) as conn:
            page = unpublished(conn, keys, RINGS_MAX)
        rings = [Outgoing(*ring) for _, _, body in page for ring in rings_of(decode_sealed(body), self._writer)]
        return rings, {world_key: seq for world_key, seq, _ in page}

    def _load_accounts(self, places: set[Place]) -> None:
        unknown = sorted(places - set(self._accounts))
        found = self._link.committed(unknown) if unknown else {}
        for place in unknown:
            self._accounts[place] = _account(found.get(place))

    def _with_accounts(self, done: _Round) -> Mapping[Place, tuple[int, str]]:
        return {
            place: (offset, msgspec.json.encode(self._accounts[place]).decode())
            for place, offset in done.offsets.items()
        }

    def _note(self, record: Incoming, verdict: Verdict) -> None:
        if isinstance(verdict, Passed):
            return
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        if isinstance(verdict, Dead):
            log.warning("record_dead_lettered", extra={**where, "reason": verdict.reason, "error": verdict.error})
        elif isinstance(verdict, Sealed):
            log.info("paste_sealed", extra={**where, "world_key": verdict.world_key, "seq": verdict.seq})
        elif isinstance(verdict, Again):
            log.info("paste_known", extra={**where, "world_key": verdict.world_key, "seq": verdict.seq})


def _account(text: str | None) -> Account:
    """A former account; one that cannot be read begins anew, loudly."""
    if not text:
        return Account()
    try:
        return msgspec.json.decode(text.encode(), type=Account)
    except msgspec.MsgspecError as broken:
        log.warning("account_lost", extra={"error": str(broken)})
        return Account()


def _dead_letter(record: Incoming, verdict: Dead, prefix: str) -> Outgoing:
    letter = DeadLetter(
        reason=verdict.reason,
        error=verdict.error,
        topic=prefix + record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.stamp_ms,
        key=record.key,
        value=record.value,
        headers=list(record.headers or ()),
    )
    return Outgoing(record.topic + SUFFIX, letter.key, letter.value, letter.wire_headers())
