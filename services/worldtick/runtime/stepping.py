"""Stepping: planned ticks become rows to be written. Raising steps are tried again, then dead; nothing here does I/O.
Lives here: one round over many slices, retries, what a tick adds to a transaction. Not here: which ticks (protocol)."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.declared import encoded_effects, encoded_facts
from worldtick.runtime.effects import APPLIED, DEAD, PARKED, WELL, LedgerRow, Raise, Writes
from worldtick.runtime.memory import Held
from worldtick.runtime.recovery import digest_of
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Service, Step
from worldtick.runtime.speech import Failure, Speech

TRIES: Final = 2
STEP_US_MAX: Final = 2**31 - 1
UNREAD: Any = None
_SLICE_BITS, _ORDINAL_BITS = 19, 20  # of directive.made_order, below 24 of the service's name


class Planned(msgspec.Struct, gc=False):
    """One tick that a slice is to be stepped through, and the record under which it is."""

    held: Held
    version: int
    partition: int
    offset: int
    tick: SealedTick = UNREAD  # set once it is loaded


class Done(msgspec.Struct, gc=False):
    """A step that went well, ready to be written."""

    step: Step[Any]
    body: bytes  # the encoded new state
    digest: bytes
    outputs: bytes
    facts: bytes | None
    effects: Sequence[str]  # their arguments as JSON
    step_us: int


class Stepper:
    """Steps the slices of one service."""

    def __init__(
        self, service: Service[Any], writer: EventWriter, rules: Rules, timer_us: Callable[[], int], prefix: str = ""
    ) -> None:
        self._service = service
        self._rules = rules
        self._timer_us = timer_us
        self._speech = Speech(service, writer, rules.message_bytes_max, prefix)
        self._order_base = (zlib.crc32(service.name.encode()) & 0xFFFFFF) << (_SLICE_BITS + _ORDINAL_BITS)

    def round(self, tasks: Sequence[Planned]) -> list[Done | Failure]:
        """Step each task's slice by its tick, all at once; those that raise then singly. States are not touched."""
        if len(tasks) == 1:
            return [self.single(tasks[0])]
        began = self._timer_us()
        try:
            steps = self._service.steps([task.held.state for task in tasks], [task.tick for task in tasks])
        except Exception:  # noqa: BLE001 - which of them raised is found singly
            return [self.single(task) for task in tasks]
        share_us = (self._timer_us() - began) // len(tasks)
        found: list[Done | Failure] = []
        for task, step in zip(tasks, steps, strict=True):
            try:
                found.append(self._finish(task, step, share_us))
            except Exception:  # noqa: BLE001 - the same
                found.append(self.single(task))
        return found

    def single(self, task: Planned) -> Done | Failure:
        """Step one slice, twice if it raises."""
        error = ""
        for _ in range(TRIES):
            began = self._timer_us()
            try:
                step = self._service.step(task.held.state, task.tick)
                return self._finish(task, step, self._timer_us() - began)
            except Exception as raised:  # noqa: BLE001 - whatever a step raises makes its tick dead, not its worker
                error = f"{type(raised).__name__}: {raised}"
        return Failure("raised", error, TRIES)

    def _finish(self, task: Planned, step: Step[Any], step_us: int) -> Done:
        body = self._service.encode(step.state)
        digest = digest_of(body)
        outputs = self._speech.applied(task.held.slice_no, task.tick, step, digest)
        facts = encoded_facts(self._service, step.facts)
        effects = encoded_effects(step) if step.effects else ()
        return Done(step, body, digest, outputs, facts, effects, min(step_us, STEP_US_MAX))

    def write(self, writes: Writes, task: Planned, result: Done | Failure) -> None:
        """Add what came of a task to a transaction, and move the slice in memory on."""
        held = task.held
        held.version, held.origin = task.version, (task.partition, task.offset)
        if isinstance(result, Failure):
            self._write_dead(writes, task, result)
            return
        step, body = result.step, result.body
        held.state, held.digest, held.size_bytes, held.dead_in_row = step.state, result.digest, len(body), 0
        held.carried = sum(step.carried.values()) if step.carried else 0
        used = sum(step.used.values()) if step.used else 0
        row = LedgerRow(
            writes.reader_key,
            task.partition,
            task.offset,
            held.slice_key,
            task.version,
            APPLIED,
            writes.worker_key,
            self._service.step_version,
            result.step_us,
            used,
            held.carried,
            result.digest,
            result.outputs,
        )
        writes.ledger.append(row)
        if result.facts is not None:
            writes.facts.append((held.world_key, self._service.name, held.slice_no, task.tick.seq, result.facts))
        if step.effects:
            self._write_effects(writes, task, result)
        for projection in self._service.projections:
            rows = step.rows.get(projection.table, ())
            if rows:
                full = [(held.world_key, task.tick.seq, *row) for row in rows]
                writes.rows.setdefault(projection.table, []).extend(full)

    def _write_dead(self, writes: Writes, task: Planned, failure: Failure) -> None:
        held = task.held
        held.dead_in_row += 1
        if held.dead_in_row >= self._rules.parks_after:
            held.status = PARKED
            held.blocked = f"parked after {held.dead_in_row} dead steps in a row, the last: {failure.error}"
        origin = (task.partition, task.offset)
        outputs = self._speech.dead(held.slice_no, task.tick, held.digest, failure, origin)
        row = LedgerRow(
            writes.reader_key,
            task.partition,
            task.offset,
            held.slice_key,
            task.version,
            DEAD,
            writes.worker_key,
            self._service.step_version,
            0,
            0,
            held.carried,
            held.digest,
            outputs,
        )
        writes.ledger.append(row)

    def _write_effects(self, writes: Writes, task: Planned, result: Done) -> None:
        held, seq = task.held, task.tick.seq
        source = f"effect:{self._service.name}/{held.slice_no}@{seq}"
        base = self._order_base | held.slice_no << _ORDINAL_BITS
        writes.effects.extend(
            (held.world_key, effect.service, effect.name, args, source, seq, base | at)
            for at, (effect, args) in enumerate(zip(result.step.effects, result.effects, strict=True))
        )

    def write_move(
        self, writes: Writes, held: Held, from_version: int, body: bytes | None, stored: bool = False
    ) -> None:
        """Add a slice's move, with a snapshot where one is due or asked for. body: the encoded state, if at hand."""
        kept = self._rules.snapshot_kept(from_version, held.version)
        due = stored or self._rules.snapshot_due(
            held.size_bytes, held.version - held.snapshot_version, held.version + held.slice_key
        )
        if kept:
            writes.kept.append(held.slice_key)
        self._move(writes, held, from_version, (body or self._service.encode(held.state)) if due or kept else None)

    def write_snapshot(self, writes: Writes, held: Held) -> None:
        """Add a slice's snapshot where it stands."""
        self._move(writes, held, held.version, self._service.encode(held.state))

    def _move(self, writes: Writes, held: Held, from_version: int, snapshot: bytes | None) -> None:
        if snapshot is not None:
            held.snapshot_version = held.version
        row = Raise(
            slice_key=held.slice_key,
            from_version=from_version,
            version=held.version,
            digest=held.digest,
            step_version=self._service.step_version,
            status=held.status,
            dead_in_row=held.dead_in_row,
            carried=held.carried,
            reason=held.blocked if held.status != WELL else None,
            origin_partition=held.origin[0] if held.version > from_version else None,
            origin_offset=held.origin[1] if held.version > from_version else None,
            snapshot=snapshot,
        )
        writes.raises.append(row)
