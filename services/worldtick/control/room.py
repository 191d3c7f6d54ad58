"""Control's loop: read tick topics and commands, judge each record, publish what comes of it and offsets together.
Lives here: batches, the account, waiting for services. Not here: verdicts (desk, hearing), Kafka (link)."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from worldtick.contracts.commands import CONTROL_TOPIC
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.sealed import decode_sealed
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.contracts.wire import EventWriter
from worldtick.control.completing import complete
from worldtick.control.desk import (
    Again,
    Answered,
    Dead,
    Desk,
    Incoming,
    Outgoing,
    Passed,
    Sealed,
    Verdict,
    Waits,
    worlds_to_ring,
)
from worldtick.control.hearing import Hearing
from worldtick.control.letters import dead_letter
from worldtick.control.link import POLL_S, Link, Place
from worldtick.runtime.backoff import backoff_s
from worldtick.runtime.errors import Fenced
from worldtick.runtime.metrics import COMMANDS, DEPENDENCY_ERRORS, PASTES
from worldtick.runtime.vitals import Vitals
from worldtick.sealing.rings import announced
from worldtick.store.db import Pool, transaction
from worldtick.store.notices import listening
from worldtick.store.ticks import raise_published, unpublished

log = logging.getLogger(__name__)

TICK_TOPICS: Final = tuple(TICK_TOPIC_OF_STREAM.values())
RINGS_MAX: Final = 2_000  # ticks rung in one transaction; a ticker rings the rest
JUDGE_S_MAX: Final = 20.0  # of one batch; what is left is read again
WAIT_S_MAX: Final = 60.0  # how long a paste waits for services before it is dead
WAIT_POLL_S: Final = 0.25
NOTICE_EVERY_S: Final = 0.005  # meanwhile
COMPLETE_EVERY_S: Final = 0.1  # how often it is looked which commands are completed
SAID_EVERY_S: Final = 0.1  # so often refusals and dead letters go out; what was done is said at once, and they with it
SAID_MAX: Final = 2_000  # of them wait at most
OWED_S_MAX: Final = 0.5  # offsets of records that were only passed are committed this often
UNHURRIED: Final = ("refused", "duplicate")  # fates of commands
STALE_AFTER_S: Final = 60.0  # a turn may wait for a broker's and a database's own bounds, one after the other


class Account(msgspec.Struct):
    """What became of the records read of one partition; it is committed with the offset."""

    passed: int = 0
    sealed: int = 0
    again: int = 0
    dead: int = 0
    answered: int = 0

    def count(self, verdict: Verdict) -> None:
        """Add one record."""
        fate = fate_of(verdict)
        setattr(self, fate, getattr(self, fate) + 1)


def fate_of(verdict: Verdict) -> str:
    """passed, sealed, again, dead or answered."""
    match verdict:
        case Answered():
            return "answered"
        case Passed():
            return "passed"
        case Sealed():
            return "sealed"
        case Again():
            return "again"
        case Dead():
            return "dead"
        case Waits():
            raise AssertionError("a paste that waits has no fate yet")


@dataclass(slots=True)
class _Round:
    """One batch's outcome."""

    verdicts: list[Verdict] = field(default_factory=list)
    said: list[Outgoing] = field(default_factory=list)  # replies and dead letters
    urgent: bool = False  # something was done, and is said at once
    held: list[Incoming] = field(default_factory=list)  # judged again in the next turn, with all behind them
    waits: bool = False


class Room:
    """Reads, judges, publishes. One thread; any number of processes."""

    def __init__(
        self,
        link: Link,
        desk: Desk,
        pool: Pool,
        writer: EventWriter,
        vitals: Vitals | None = None,
        hearing: Hearing | None = None,
    ) -> None:
        self._link = link
        self._desk = desk
        self._hearing = hearing
        self._failed = False  # the last turn: what it read is read again
        self._completed_at = 0.0  # when it was last looked whether commands are completed
        self._pool = pool
        self._writer = writer
        self._vitals = vitals
        self._accounts: dict[Place, Account] = {}
        self._later: list[Incoming] = []  # read, and judged with what comes next
        self._unsaid: list[Outgoing] = []  # replies and letters of judged records, whose offsets are owed with them
        self._said_at = 0.0
        self._owed: dict[Place, int] = {}  # offsets of judged records that are not committed yet
        self._owed_since = 0.0
        self._group: Any = None  # as it was when the owed records were read
        self._held: list[Incoming] = []  # their partitions are paused, so they are bounded
        self._waiting_since: dict[tuple[str, int, int], float] = {}

    def run_until(self, stop: threading.Event) -> None:
        """Work until `stop` is set; away parts are waited for, the group is left at the end."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    self.go_on()
                    self._say(None)
                    failures = 0
                except (Fenced, Unavailable) as failed:
                    pause_s = backoff_s(failures)
                    failures += 1
                    self._say(failed)
                    log.warning("control_rewinds", extra={"error": str(failed), "again_in_s": pause_s})
                    stop.wait(pause_s)
            self.leave()
        finally:
            self._link.close()
            if self._vitals is not None:
                self._vitals.ended("control")

    def go_on(self) -> None:
        """One turn; after one that failed, from the committed offsets on. Raises Fenced, DatabaseAway, DatabaseBusy."""
        if self._failed:
            self._forget()
            self._link.rewind()
        self._failed = True
        self.turn()
        self._failed = False

    def leave(self) -> None:
        """Commit what is owed, so that the next one does not read it again."""
        if self._failed:
            return
        try:
            self._publish([])
        except Fenced as failed:
            log.warning("control_leaves_uncommitted", extra={"error": str(failed)})

    def _say(self, failed: Fenced | Unavailable | None) -> None:
        if self._vitals is None:
            return
        self._vitals.beat("control", STALE_AFTER_S)
        if failed is None:
            self._vitals.part("kafka", True)
            self._vitals.part("database", True)
            return
        part = "kafka" if isinstance(failed, Fenced) else "database"
        self._vitals.part(part, False, str(failed))
        DEPENDENCY_ERRORS.labels(part, "control").inc()

    def turn(self) -> int:
        """One batch; the number of records done. Raises Fenced, DatabaseAway, DatabaseBusy."""
        self._complete()
        if not self._held:
            return self._turn(None)
        with listening(self._pool) as wait:  # begun before judging, so that no service finishes unheard
            return self._turn(wait)

    def _turn(self, wait: Callable[[float], bool] | None) -> int:
        batch = self._link.poll((SAID_EVERY_S if self._unsaid or self._later else POLL_S) if wait is None else 0.0)
        if batch.rebalanced:  # another member may have gone on with what was ours
            self._forget()
        self._later += batch.records
        if self._may_wait(batch.records):
            return 0
        records, self._later = [*self._held, *self._later], []
        if not records:
            self._publish_if_due([], urgent=False)
            return 0
        self._group = batch.group
        done = self._judge(records)
        rings, reached = self._rings(done.verdicts)
        self._unsaid += done.said
        self._publish_if_due(rings, done.urgent)
        if reached:
            with transaction(self._pool) as conn:
                raise_published(conn, sorted(reached.items()))
        self._held = done.held
        self._link.pause({(record.topic, record.partition) for record in done.held})
        if done.waits and wait is not None:
            self._rest(wait)
        return len(done.verdicts)

    def _may_wait(self, read: Sequence[Incoming]) -> bool:
        """Whether all of it can wait a moment for more of its kind, which together cost little more than one."""
        if self._hearing is None or self._held or not self._later or len(self._later) >= SAID_MAX:
            return False
        if time.monotonic() - self._said_at >= SAID_EVERY_S:
            return False
        return not any(record.topic != CONTROL_TOPIC or self._hearing.hurries(record) for record in read)

    def _rest(self, wait: Callable[[float], bool]) -> None:
        """Until a service has finished, a while is over, or something else has come, which pastes must not delay."""
        until = time.monotonic() + WAIT_POLL_S
        while time.monotonic() < until and not wait(0):
            batch = self._link.poll(NOTICE_EVERY_S)
            if batch.rebalanced:
                return self._forget()
            if batch.records:
                self._held += batch.records
                return None
        return None

    def _complete(self) -> None:
        """Say what is owed of commands, now and then."""
        now = time.monotonic()
        if self._hearing is None or now - self._completed_at < COMPLETE_EVERY_S:
            return
        self._completed_at = now
        said = complete(
            self._pool, self._writer, time.time_ns() // 1_000, lambda records: self._link.publish(records, {}, None)
        )
        if said:
            COMMANDS.labels("completed").inc(said)

    def _sifted(self, records: Sequence[Incoming]) -> Mapping[tuple[int, int], Verdict]:
        """Verdicts on commands, by partition and offset, that are cheaper found together."""
        if self._hearing is None:
            return {}
        return self._hearing.sift([record for record in records if record.topic == CONTROL_TOPIC])

    def _verdict(self, record: Incoming, sifted: Mapping[tuple[int, int], Verdict]) -> Verdict:
        if record.topic == CONTROL_TOPIC and self._hearing is not None:
            return sifted.get((record.partition, record.offset)) or self._hearing.judge(record)
        return self._desk.judge(record)

    def _forget(self) -> None:
        self._accounts.clear()
        self._owed.clear()
        self._unsaid.clear()
        self._later.clear()
        self._held.clear()
        self._waiting_since.clear()

    def _judge(self, records: Sequence[Incoming]) -> _Round:
        done = _Round()
        self._load_accounts({(record.topic, record.partition) for record in records})
        deadline = time.monotonic() + JUDGE_S_MAX
        waiting: set[Place] = set()
        sifted = self._sifted(records)
        for record in records:
            place = (record.topic, record.partition)
            if place in waiting or time.monotonic() > deadline:
                done.held.append(record)
                continue
            verdict = self._in_time(record, self._verdict(record, sifted))
            done.verdicts.append(verdict)
            if isinstance(verdict, Waits):
                waiting.add(place)
                done.held.append(record)
                done.waits = True
                continue
            self._note(place, record, verdict)
            if isinstance(verdict, Dead):
                done.said.append(dead_letter(record, verdict, self._link.prefix))
            elif isinstance(verdict, Answered):
                done.said += [verdict.reply, *verdict.sends]
                done.urgent |= verdict.fate not in UNHURRIED
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
        rings = [Outgoing(*ring) for _, _, body in page for ring in announced(decode_sealed(body), self._writer)]
        return rings, {world_key: seq for world_key, seq, _ in page}

    def _publish_if_due(self, rings: Sequence[Outgoing], urgent: bool) -> None:
        """What was done at once, all else after a while: a flood's refusals must not take turns from who is served."""
        now = time.monotonic()
        full = len(self._unsaid) >= SAID_MAX
        said = full or (self._unsaid and now - self._said_at >= SAID_EVERY_S)
        if rings or urgent or said or (self._owed and now - self._owed_since >= OWED_S_MAX):
            self._publish(rings)

    def _publish(self, rings: Sequence[Outgoing]) -> None:
        if rings or self._unsaid or self._owed:
            self._link.publish([*rings, *self._unsaid], self._with_accounts(), self._group)
            self._owed.clear()
            self._unsaid.clear()
            self._said_at = time.monotonic()

    def _load_accounts(self, places: set[Place]) -> None:
        unknown = sorted(places - set(self._accounts))
        found = self._link.committed(unknown) if unknown else {}
        for place in unknown:
            self._accounts[place] = _account(found.get(place))

    def _with_accounts(self) -> Mapping[Place, tuple[int, str]]:
        return {
            place: (offset, msgspec.json.encode(self._accounts[place]).decode()) for place, offset in self._owed.items()
        }

    def _note(self, place: Place, record: Incoming, verdict: Verdict) -> None:
        if not self._owed:
            self._owed_since = time.monotonic()
        self._owed[place] = record.offset + 1
        self._accounts[place].count(verdict)
        PASTES.labels(fate_of(verdict)).inc()
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        match verdict:
            case Dead(reason, error):
                log.warning("record_dead_lettered", extra={**where, "reason": reason, "error": error})
            case Sealed(world_key, seq):
                log.info("paste_sealed", extra={**where, "world_key": world_key, "tick": seq})
            case Answered(fate, reply):
                COMMANDS.labels(fate).inc()
                told = {name: value.decode("utf-8", "replace") for name, value in reply.headers if value is not None}
                what = {"actor": told["actor"], "command_id": told["command_id"]}
                log.info("command_answered", extra={**where, **what, "fate": fate})
            case Again(world_key, seq):
                log.info("paste_known", extra={**where, "world_key": world_key, "tick": seq})
            case _:
                pass


def _account(text: str | None) -> Account:
    """A former account; one that cannot be read begins anew, loudly."""
    if not text:
        return Account()
    try:
        return msgspec.json.decode(text.encode(), type=Account)
    except msgspec.MsgspecError as broken:
        log.warning("account_lost", extra={"error": str(broken)})
        return Account()
