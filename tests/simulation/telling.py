"""Effects and answers in a line of a trace.
Lives here: what of them a reader of a failed schedule needs. Not here: when a line is written (worker)."""

from typing import Any

from worldtick.runtime.effects import (
    DEAD,
    Attempt,
    Claim,
    Commit,
    LastOrigins,
    LoadLedger,
    LoadOutputs,
    LoadSlices,
    LoadTicks,
    Release,
    Transact,
)


def told(effect: Any, answer: Any) -> str:
    """One effect and what came of it."""
    match effect:
        case Claim() | Release():
            return f"{type(effect).__name__} {list(effect.partitions)} -> {answer}"
        case LoadSlices():
            rows = [f"{row.slice_key}@{row.version}({row.status}, snapshot {row.snapshot_version})" for row in answer]
            return f"LoadSlices {list(effect.worlds)} -> {' '.join(rows)}"
        case LoadTicks() | LoadLedger():
            return f"{type(effect).__name__} {list(effect.ranges)} -> {[row[:2] for row in answer]}"
        case Attempt():
            return f"Attempt slice {effect.slice_key} at {effect.version} -> {answer}"
        case Commit():
            return f"Commit {_writes(effect.writes)} -> {answer.name}"
        case LastOrigins():
            return f"LastOrigins {list(effect.partitions)} -> {answer}"
        case LoadOutputs():
            return f"LoadOutputs {list(effect.ranges)} -> of {[row[:2] for row in answer]}"
        case Transact():
            offsets = {partition: offset for partition, (offset, _) in effect.offsets.items()}
            return f"Transact {len(effect.outputs)} outputs, {len(effect.rings)} rings, {offsets} -> {answer.name}"
    return f"{effect} -> {answer}"


def _writes(writes: Any) -> str:
    steps = [
        f"{row.slice_key}@{row.version}{' dead' * (row.outcome == DEAD)} of {row.origin_partition}/{row.origin_offset}"
        for row in writes.ledger
    ]
    saved = [f"{row.slice_key}@{row.version}" for row in writes.raises if row.snapshot is not None]
    return f"[{', '.join(steps)}] snapshots {saved} on {writes.partitions}"
