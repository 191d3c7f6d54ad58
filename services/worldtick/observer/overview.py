"""The overview: worlds, services, groups and workers at one moment, and whether anything is wrong.
Lives here: putting it together and judging it. Not here: rows (store), groups (groups), printing (cli)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from worldtick.contracts.errors import Unavailable
from worldtick.contracts.stamps import calendar_numbers, rfc3339, stamp_text
from worldtick.observer.groups import Reading, read_groups, summed
from worldtick.observer.inhabitants import Inhabitants, inhabitants_of
from worldtick.observer.ticks import Tallies, TickAccount, tick_accounts
from worldtick.runtime.topics import admin_client
from worldtick.store.db import Connection, Pool
from worldtick.store.standing import (
    ServiceStanding,
    WorldStanding,
    list_slices,
    list_standing,
    list_workers,
    one_moment,
    sealed_totals,
    seqs_of,
)

WELL, BEHIND, RED = "well", "behind", "red"
STATES: Final = {0: "well", 1: "parked", 2: "diverged"}
STOPPED_MAX: Final = 50
HOUR_US: Final = 3_600_000_000
KAFKA_S: Final = 5.0


class World(msgspec.Struct, frozen=True):
    """A world and its clock."""

    world: str
    status: str  # active, paused or archived
    world_time: str
    day: int
    hour: int
    seq: int
    unpublished: int  # ticks sealed and not known to be on Kafka
    sealed_at: str | None
    behind: int  # ticks that services have not finished, summed over services
    stopped: int  # slices parked or diverged
    inhabitants: Inhabitants | None  # None: it has none


class ServiceLine(msgspec.Struct, frozen=True):
    """A service, and its account of ticks: sealed = applied + dead + in_flight."""

    service: str
    worlds: int
    slices: int
    sealed: int
    applied: int
    dead: int
    in_flight: int
    balances: bool
    worlds_behind: int
    behind_hours: float  # of world time, the slowest slice
    parked: int
    diverged: int
    carried: int
    snapshot_bytes: int
    workers: int  # processes seen lately


class Records(msgspec.Struct, frozen=True):
    """A group's account of records on one topic: read = the sum of its fates."""

    group: str
    topic: str
    read: int
    fates: dict[str, int]
    lag: int


class Stopped(msgspec.Struct, frozen=True):
    """A slice that does not go on."""

    world: str
    service: str
    slice: int
    state: str
    at: int
    reason: str | None


class Worker(msgspec.Struct, frozen=True):
    """A worker process."""

    worker: int
    group: str
    host: str
    pid: int
    started_at: str
    seen_at: str
    partitions: list[int]


class Overview(msgspec.Struct, frozen=True):
    """All of it."""

    state: str  # well, behind or red
    why: list[str]
    total_worlds: int
    active_worlds: int
    sealed: dict[str, int]  # kind -> ticks ever
    worlds: list[World]
    services: list[ServiceLine]
    stopped: list[Stopped]
    records: list[Records] | None  # None: Kafka does not answer
    workers: list[Worker]


def look(pool: Pool, kafka: Mapping[str, Any], prefix: str, limit: int, world: str | None = None) -> Overview:
    """Look at everything, `limit` worlds of it. Raises DatabaseAway; Kafka away is part of what is seen."""
    with one_moment(pool) as conn:
        totals = sealed_totals(conn)
        standing = list_standing(conn, "", limit, world)
        people = inhabitants_of(conn, [row.world_key for row in standing])
        worlds = [_world(row, people.get(row.world_key)) for row in standing]
        services, accounts, tallies = tick_accounts(conn)
        stopped = [
            Stopped(row.world, row.service, row.slice_no, STATES[row.status], row.version, row.reason)
            for row in list_slices(conn, world, None, True, STOPPED_MAX)
        ]
        lost = _lost(conn, tallies)
        workers = [
            Worker(
                w.worker_key,
                w.grp.removeprefix(prefix),
                w.host,
                w.pid,
                stamp_text(w.started_at),
                stamp_text(w.seen_at),
                w.partitions,
            )
            for w in list_workers(conn)
        ]
    readings, away = _readings(kafka, prefix)
    lines = [_line(row, account, workers) for row, account in zip(services, accounts, strict=True)]
    why = lost + _wrong(lines, stopped) + ([away] if away else [])
    state = RED if why else BEHIND if any(line.in_flight for line in lines) else WELL
    kinds = dict(zip(("step", "hourly", "daily"), totals[2:], strict=True))
    records = None if readings is None else _records(readings)
    return Overview(state, why, totals[0], totals[1], kinds, worlds, lines, stopped, records, workers)


def _world(row: WorldStanding, inhabitants: Inhabitants | None) -> World:
    numbers = calendar_numbers(row.now_us, row.epoch_s)
    return World(
        world=row.world,
        status="paused" if row.paused and row.status == "active" else row.status,
        world_time=rfc3339(row.epoch_s * 1_000_000 + row.now_us),
        day=numbers.day,
        hour=numbers.hour,
        seq=row.seq,
        unpublished=row.seq - row.published_seq,
        sealed_at=stamp_text(row.sealed_at) if row.sealed_at is not None else None,
        behind=row.behind,
        stopped=row.stopped,
        inhabitants=inhabitants,
    )


def _line(row: ServiceStanding, account: TickAccount, workers: list[Worker]) -> ServiceLine:
    return ServiceLine(
        service=row.service,
        worlds=row.worlds,
        slices=row.slices,
        sealed=account.sealed,
        applied=account.applied,
        dead=account.dead,
        in_flight=account.in_flight,
        balances=account.balances,
        worlds_behind=row.worlds_behind,
        behind_hours=row.behind_us / HOUR_US,
        parked=row.parked,
        diverged=row.diverged,
        carried=row.carried,
        snapshot_bytes=row.snapshot_bytes,
        workers=sum(worker.group == f"worldtick.{row.service}" for worker in workers),
    )


def _lost(conn: Connection, tallies: Tallies) -> list[str]:
    """Worlds whose rings lie beyond the tick table: it was restored from before."""
    rung = {labels["world"]: int(value) for labels, value in tallies.get("rung_beyond", ())}
    sealed = seqs_of(conn, list(rung))
    return [
        f"world {world}: tick {seq} was rung, but the table ends at {sealed.get(world, 0)}: it is behind Kafka"
        for world, seq in sorted(rung.items())
        if seq > sealed.get(world, 0)
    ]


def _wrong(services: list[ServiceLine], stopped: list[Stopped]) -> list[str]:
    found = [
        f"{line.service}: {line.sealed} ticks sealed are not {line.applied} applied + {line.dead} dead"
        f" + {line.in_flight} in flight"
        for line in services
        if not line.balances
    ]
    for state in ("parked", "diverged"):
        slices = [f"{each.service}/{each.slice} of {each.world}" for each in stopped if each.state == state]
        if slices:
            found.append(f"{state}: {', '.join(slices[:5])}{' …' if len(slices) > 5 else ''}")
    return found


def _readings(kafka: Mapping[str, Any], prefix: str) -> tuple[list[Reading] | None, str | None]:
    admin = admin_client({**kafka, "reconnect.backoff.max.ms": 1_000})
    try:
        return read_groups(admin, prefix, KAFKA_S), None
    except Unavailable as away:
        return None, str(away)


def _records(readings: list[Reading]) -> list[Records]:
    return [
        Records(row.group, row.topic, sum(row.account.values()), dict(row.account), row.lag) for row in summed(readings)
    ]
