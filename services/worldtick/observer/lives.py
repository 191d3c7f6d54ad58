"""The lives of ticks: sealed, rung, stepped, committed, published; by whom, when, and who has not finished.
Lives here: putting a tick's life together. Not here: its rows (store), its records on Kafka (trail), printing (cli)."""

from collections.abc import Mapping, Sequence

import msgspec
from xxhash import xxh3_128_hexdigest

from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.sealed import KIND_NAME, SealedTick, decode_sealed
from worldtick.contracts.stamps import stamp_text
from worldtick.contracts.topics import SIMULATION_EVENT
from worldtick.observer.overview import STATES
from worldtick.store.db import Connection
from worldtick.store.history import Past, pasts_of
from worldtick.store.standing import Finish, finishes
from worldtick.store.ticks import TickRow, list_ticks
from worldtick.store.worlds import World

OUTCOMES = {1: "applied", 2: "dead"}


class ServiceFinish(msgspec.Struct, frozen=True):
    """What one service made of a tick, all its slices together."""

    service: str
    state: str  # finished, dead, in_flight, stopped, or pruned: finished, and its rows are gone
    slices: int  # that the ledger has
    of: int
    step_ms: float  # of all slices, one after the other
    finish_ms: float | None  # from the seal to the last slice's commit
    used: int
    carried: int
    events: int
    digest: str | None  # of one slice; of several, that of their digests in order


class TickLife(msgspec.Struct, frozen=True):
    """One tick, and which of its services have finished it."""

    seq: int
    kind: str
    kind_seq: int
    slot: str  # world time
    tick_id: str
    triggered_by: str
    sealed_at: str
    finished: bool
    missing: list[str]  # services that have not finished
    services: list[ServiceFinish]


def lives_of(conn: Connection, world: World, before: int | None, limit: int) -> list[TickLife]:
    """A world's newest ticks, newest first; those before seq `before`."""
    ticks = list_ticks(conn, world.world_key, before, limit)
    if not ticks:
        return []
    done: dict[int, list[Finish]] = {}
    for row in finishes(conn, world.world_key, ticks[-1].seq, ticks[0].seq):
        done.setdefault(row.seq, []).append(row)
    pasts: dict[str, list[Past]] = {}
    for past in pasts_of(conn, world.world_key):
        pasts.setdefault(past.service, []).append(past)
    return [_life(tick, done.get(tick.seq, []), pasts) for tick in ticks]


def _life(row: TickRow, done: Sequence[Finish], pasts: Mapping[str, Sequence[Past]]) -> TickLife:
    tick = decode_sealed(row.body)
    services = [_finish(name, row, tick, done, pasts.get(name, ())) for name in tick.consumers]
    missing = [each.service for each in services if each.state in ("in_flight", "stopped")]
    return TickLife(
        seq=row.seq,
        kind=KIND_NAME[row.kind],
        kind_seq=row.kind_seq,
        slot=tick.date(tick.to_us),
        tick_id=str(row.tick_id),
        triggered_by=row.triggered_by,
        sealed_at=stamp_text(row.sealed_at),
        finished=not missing,
        missing=missing,
        services=services,
    )


def _finish(name: str, row: TickRow, tick: SealedTick, done: Sequence[Finish], pasts: Sequence[Past]) -> ServiceFinish:
    mine = [each for each in done if each.service == name]
    place_of = {past.slice_no: tick.seq if past.stream == "all" else tick.kind_seq for past in pasts}
    behind = [past for past in pasts if past.version < place_of[past.slice_no]]
    last = max((each.committed_at for each in mine), default=None)
    digests = [each.digest.hex() for each in mine]
    return ServiceFinish(
        service=name,
        state=_state(mine, behind),
        slices=len(mine),
        of=len(pasts),
        step_ms=sum(each.step_us for each in mine) / 1_000,
        finish_ms=(last - row.sealed_at).total_seconds() * 1_000 if last is not None else None,
        used=sum(each.used for each in mine),
        carried=sum(each.carried for each in mine),
        events=sum(events_in(each.outputs) for each in mine),
        digest=None
        if not digests
        else digests[0]
        if len(digests) == 1
        else xxh3_128_hexdigest("".join(digests).encode()),
    )


def _state(mine: Sequence[Finish], behind: Sequence[Past]) -> str:
    if any(past.status for past in behind):
        return "stopped"
    if behind:
        return "in_flight"
    if not mine:
        return "pruned"
    return "dead" if any(each.outcome == 2 for each in mine) else "finished"


def events_in(outputs: bytes) -> int:
    """How many events a step said on simulation.event, its step_completed included."""
    return sum(message.topic == SIMULATION_EVENT for message in decode_outputs(outputs).messages) if outputs else 0


class Step(msgspec.Struct, frozen=True):
    """One slice's step of a tick: stepped, committed, published."""

    service: str
    slice: int
    state: str  # applied, dead, in_flight, parked, diverged, pruned
    at: int  # where the slice stands now
    place: int  # of the tick in its stream
    worker: str | None  # host, pid and key
    step_ms: float | None
    committed_at: str | None
    under: str | None  # the record under which it was applied: topic/partition/offset
    published: bool | None
    published_by: str | None  # when that was known, at the latest
    events: int | None
    digest: str | None
    reason: str | None


class Sealing(msgspec.Struct, frozen=True):
    """How a tick came about, and what it carries."""

    world: str
    seq: int
    kind: str
    kind_seq: int
    tick_id: str
    from_time: str
    slot: str
    hours: int
    triggered_by: str
    caused_by: str | None
    sealed_at: str
    facts_as_of: int
    consumers: list[str]
    directives: list[str]


def sealing_of(world: World, row: TickRow) -> Sealing:
    """The seal of a tick."""
    tick = decode_sealed(row.body)
    return Sealing(
        world=world.world_id,
        seq=row.seq,
        kind=tick.kind,
        kind_seq=row.kind_seq,
        tick_id=tick.tick_id,
        from_time=tick.date(tick.from_us),
        slot=tick.date(tick.to_us),
        hours=tick.hours,
        triggered_by=tick.triggered_by,
        caused_by=tick.caused_by,
        sealed_at=stamp_text(row.sealed_at),
        facts_as_of=tick.facts_as_of,
        consumers=list(tick.consumers),
        directives=[
            f"{each.service} {each.name} {msgspec.json.encode(each.args).decode()}" for each in tick.directives
        ],
    )


def steps_of(conn: Connection, world: World, row: TickRow) -> list[Step]:
    """What every slice of the tick's consumers made of it."""
    tick = decode_sealed(row.body)
    done = {(each.service, each.slice_no): each for each in finishes(conn, world.world_key, row.seq, row.seq)}
    pasts = [past for past in pasts_of(conn, world.world_key) if past.service in tick.consumers]
    return [_step(past, tick, done.get((past.service, past.slice_no))) for past in pasts]


def _step(past: Past, tick: SealedTick, done: Finish | None) -> Step:
    place = tick.seq if past.stream == "all" else tick.kind_seq
    if done is None:
        state = "pruned" if past.version >= place else "in_flight" if past.status == 0 else STATES[past.status]
        nothing = (None,) * 8
        return Step(past.service, past.slice_no, state, past.version, place, *nothing, past.reason)
    return Step(
        service=past.service,
        slice=past.slice_no,
        state=OUTCOMES[done.outcome],
        at=past.version,
        place=place,
        worker=f"{done.host} pid {done.pid} (worker {done.worker_key})" if done.host else f"worker {done.worker_key}",
        step_ms=done.step_us / 1_000,
        committed_at=stamp_text(done.committed_at),
        under=f"{done.topic or '?'}/{done.partition}/{done.offset}",
        published=done.published,
        published_by=stamp_text(done.published_at) if done.published_at is not None else None,
        events=events_in(done.outputs),
        digest=done.digest.hex(),
        reason=past.reason,
    )
