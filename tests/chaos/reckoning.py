"""What tally and echo must have said and become, reckoned from the tick log alone, without their steps or the runtime.
Lives here: the same arithmetic a second time, event by event. Not here: what was really said (checker)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import xxhash

from tests.chaos.counting import EFFECTS_EVERY, FACTS_EVERY, Section
from worldtick.contracts.ids import event_id
from worldtick.contracts.sealed import SealedTick

_EVENT = "simulation.event."


@dataclass(slots=True)
class Reckoned:
    """One slice's life."""

    digests: list[str] = field(default_factory=list)  # by place, first is 1
    events: list[dict[str, Any]] = field(default_factory=list)  # what simulation.event holds of it, in order
    letters: list[dict[str, Any]] = field(default_factory=list)  # of dead steps
    effects: list[tuple[int, dict[str, int]]] = field(default_factory=list)  # (seq, arguments)
    facts: list[tuple[int, int]] = field(default_factory=list)  # (seq, total)


def reckon(
    service: str, section: Section, seed: int, slice_no: int, ticks: Sequence[SealedTick], dead: Collection[int]
) -> Reckoned:
    """A slice's life through the ticks of its stream; `dead`: the seqs of steps that must have died."""
    life = Reckoned()
    numbers = (0, seed, slice_no)
    filler = bytes(section.state_bytes)
    for place, tick in enumerate(ticks, start=1):
        said: list[tuple[str, dict[str, Any]]] = []
        if tick.seq not in dead:
            reckoned = _tally if service == "tally" else _echo
            numbers, data = reckoned(numbers, tick)
            said = [("tallied" if service == "tally" else "echoed", {"slice": slice_no, **data})]
            if service == "tally":
                _lasting(life, section, slice_no, tick.seq, numbers[1])
        count, total, mark = numbers
        body = count.to_bytes(8, "big") + total.to_bytes(16, "big", signed=True) + mark.to_bytes(8, "big") + filler
        life.digests.append(xxhash.xxh3_128_hexdigest(body))
        said.append(("step_completed", _completed(service, slice_no, place, tick, life.digests[-1], dead)))
        first = 1 if tick.seq in dead else 0  # a dead step's letter has ordinal 0
        for ordinal, (kind, data) in enumerate(said, start=first):
            life.events.append(_event(service, slice_no, tick, ordinal, kind, data))
        if tick.seq in dead:
            life.letters.append(_event(service, slice_no, tick, 0, "step_failed", {}))
    return life


def _tally(numbers: tuple[int, int, int], tick: SealedTick) -> tuple[tuple[int, int, int], dict[str, Any]]:
    added = 0
    for directive in tick.directives:
        added += directive.args["by"] if directive.service == "tally" else 0
    count, total = numbers[0] + 1, numbers[1] + tick.seq + added
    mark = xxhash.xxh3_64(f"{tick.tick_id}/{total}".encode(), seed=numbers[2]).intdigest()
    return (count, total, mark), {"count": count, "total": total, "mark": f"{mark:016x}", "added": added}


def _echo(numbers: tuple[int, int, int], tick: SealedTick) -> tuple[tuple[int, int, int], dict[str, Any]]:
    count, total, mark = numbers
    heard = 0
    for directive in tick.directives:
        if directive.service == "echo":
            text = f"{directive.args['seq']}/{directive.args['slice']}/{directive.args['total']}"
            mark = xxhash.xxh3_64(text.encode(), seed=mark).intdigest()
            heard += 1
    facts = {}
    for number, keys in sorted(tick.facts.get("total", {}).get("tally", {}).items()):
        facts[number] = keys["all"]
        total += keys["all"]
    mark = xxhash.xxh3_64(f"{tick.tick_id}/{facts}".encode(), seed=mark).intdigest()
    data = {"count": count + heard, "total": total, "mark": f"{mark:016x}", "heard": heard}
    return (count + heard, total, mark), data


def _lasting(life: Reckoned, section: Section, slice_no: int, seq: int, total: int) -> None:
    if section.effects and seq % EFFECTS_EVERY == 0:
        life.effects.append((seq, {"seq": seq, "slice": slice_no, "total": total}))
    if seq % FACTS_EVERY == 0:
        life.facts.append((seq, total))


def _completed(
    service: str, slice_no: int, place: int, tick: SealedTick, digest: str, dead: Collection[int]
) -> dict[str, Any]:
    gone = tick.seq in dead
    return {
        "service": service,
        "slice": slice_no,
        "version": place,
        "slot": _stamp(tick),
        "outcome": "dead" if gone else "applied",
        "digest": digest,
        "used": {"ops": 1} if service == "tally" and not gone else {},
        "carried": {},
        "events": 0 if gone else 1,
    }


def _event(
    service: str, slice_no: int, tick: SealedTick, ordinal: int, kind: str, data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "event_id": event_id(tick.tick_id, service, slice_no, ordinal),
        "event_type": _EVENT + kind,
        "timestamp": _stamp(tick),
        "version": "1.0.0",
        "source": f"simulation.{service}",
        "data": {**data, "world": tick.world, "seq": tick.seq, "tick_id": tick.tick_id},
    }


def _stamp(tick: SealedTick) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=tick.epoch_s, microseconds=tick.to_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
