"""The demo's evidence, gathered where each thing is kept: database, topics, groups, the observer's metrics.
Lives here: reading them, the undisturbed run in this process. Not here: what must agree (demo_proof)."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from worldtick.cli.catalogue import catalogue
from worldtick.cli.demo_proof import Done, Evidence, History, Reading, Said, Stocks, Tick
from worldtick.cli.settings import Settings
from worldtick.cli.tail import seen_of
from worldtick.cli.writing import registry_of
from worldtick.clock.slots import is_midnight
from worldtick.clock.worldtime import WorldTime
from worldtick.contracts.codec import decode
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.ids import tick_id
from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.contracts.topics import SIMULATION_EVENT, WORLD_TICK, WORLD_TICK_DAILY, WORLD_TICK_HOURLY
from worldtick.economy.market import Market
from worldtick.economy.scenario import EconomyScenario
from worldtick.kit.bench import Bench
from worldtick.observer.groups import Reading as GroupReading
from worldtick.observer.groups import read_groups
from worldtick.observer.room import PROJECTION
from worldtick.observer.ticks import tick_accounts
from worldtick.runtime.recovery import replay
from worldtick.runtime.tailing import tail_topic
from worldtick.runtime.topics import admin_client
from worldtick.store.accounts import read_positions
from worldtick.store.db import Pool, transaction
from worldtick.store.markets import all_markets
from worldtick.store.standing import Finish, ServiceStanding, finishes, one_moment, sealed_totals, service_standing
from worldtick.store.ticks import read_bodies

SERVICE: Final = "economy"
EVENT: Final = "simulation.event."
TOPICS: Final = (WORLD_TICK, WORLD_TICK_HOURLY, WORLD_TICK_DAILY, SIMULATION_EVENT)
METRICS_S_MAX: Final = 30.0  # for the observer to count what is there
_SERIES: Final = re.compile(r"^worldtick_(\w+?)(?:_total)?\{([^}]*)\} (\S+)$", re.MULTILINE)

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Before:
    """What stood before the world was made: nothing that other worlds did counts for or against it."""

    places: Mapping[tuple[str, int], int]  # (topic, partition) -> the offset up to which the observer has counted
    counts: Counts  # what it had counted
    groups: Mapping[tuple[str, str, int], GroupReading]
    finished: int  # ticks that slices of the service had finished, by their rows
    sealed: int  # ticks of all worlds

    def reads_from(self, groups: Mapping[tuple[str, str, int], GroupReading]) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the first offset that any group, or the observer's counts, had not passed."""
        first = dict(self.places)
        for group, topic, partition in groups:
            old = self.groups.get((group, topic, partition))
            first[topic, partition] = min(first.get((topic, partition), 0), old.offset if old else 0)
        return first


def before(settings: Settings, pool: Pool) -> Before:
    """The state of all counts now."""
    with one_moment(pool) as conn:
        places = {key: place.offset for key, place in read_positions(conn, PROJECTION).items()}
        services, accounts, tallies = tick_accounts(conn)
        sealed = sum(sealed_totals(conn)[2:])
    counts: Counter[str] = Counter({f"{each.service} ticks": each.applied for each in accounts})
    for labels, value in tallies.get("events", ()):
        counts[labels["type"]] += int(value)
    for labels, value in tallies.get("rings", ()):
        counts[f"rings on {labels['topic']}"] += int(value)
    return Before(places, counts, _groups(settings), _finished(services), sealed)


def _finished(services: Sequence[ServiceStanding]) -> int:
    return sum(each.finished for each in services if each.service == SERVICE)


def _groups(settings: Settings) -> dict[tuple[str, str, int], GroupReading]:
    readings = read_groups(admin_client(settings.kafka), settings.topic_prefix)
    return {(each.group, each.topic, each.partition): each for each in readings}


def counted_by_metrics(text: str) -> Counter[str]:
    """The observer's counts out of what it answers to a scrape, under the names that `before` gives them."""
    counts: Counter[str] = Counter()
    for series, labelled, value in _SERIES.findall(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labelled))
        if series == "events":
            counts[labels["type"]] += int(float(value))
        elif series == "rings":
            counts[f"rings on {labels['topic']}"] += int(float(value))
        elif series == "ticks_finished" and labels["outcome"] == "applied":
            counts[f"{labels['service']} ticks"] += int(float(value))
    return counts


@dataclass(frozen=True, slots=True)
class Read:
    """The topics as a read_committed reader sees them, since `Before`."""

    events: Sequence[Said]  # of the world
    counts: Counts  # of all worlds, since the observer's counts in `Before`
    offsets: Mapping[tuple[str, int], Sequence[int]]  # (topic, partition) -> offsets of records, ascending


def read_topics(settings: Settings, pool: Pool, world: str, since: Before) -> Read:
    """Everything on the four topics that a tick's life touches."""
    registry = registry_of(settings)
    events: list[Said] = []
    counts: Counter[str] = Counter()
    offsets: dict[tuple[str, int], list[int]] = {}
    starts = since.reads_from(_groups(settings))
    for topic in TOPICS:
        begin = {partition: offset for (name, partition), offset in starts.items() if name == topic}
        prefix = settings.topic_prefix
        for message in tail_topic(settings.kafka, prefix + topic, prefix=prefix, last=None, follow=False, begin=begin):
            seen = seen_of(message)
            offsets.setdefault((topic, seen.partition), []).append(seen.offset)
            record = _record(seen.value, registry)
            what = f"rings on {topic}"
            if topic == SIMULATION_EVENT:
                what = str(record.get("event_type")).removeprefix(EVENT)
                if seen.key == world.encode():
                    events.append(Said(str(record["event_id"]), what, seen.value or b"", record["data"]))
            elif (record.get("data") or {}).get("seq") is None:
                continue  # pasted, or unreadable
            counts[what] += seen.offset >= since.places.get((topic, seen.partition), 0)
    with one_moment(pool) as conn:
        counts[f"{SERVICE} ticks"] = _finished(service_standing(conn)) - since.finished
    return Read(events, +counts, offsets)


def _record(value: bytes | None, registry: SchemaRegistry | None) -> dict[str, Any]:
    try:
        return decode(value, registry)
    except Unreadable:
        return {}


def await_metrics(
    scrape: Callable[[], str], since: Before, counted: Counts, wait: Callable[[float], None]
) -> dict[str, tuple[int, int]]:
    """what -> (counted by the observer since `Before`, by us), once they agree or the time is up."""
    deadline = time.monotonic() + METRICS_S_MAX
    while True:
        now = counted_by_metrics(scrape())
        compared = {what: (now[what] - since.counts.get(what, 0), number) for what, number in sorted(counted.items())}
        if all(said == number for said, number in compared.values()) or time.monotonic() > deadline:
            return compared
        wait(0.3)


def readings(settings: Settings, since: Before, read: Read) -> list[Reading]:
    """Each group's account of each topic since `Before`, beside the records that lie between its committed offsets."""
    sums: dict[tuple[str, str], tuple[Counter[str], int]] = {}
    for key, now in sorted(_groups(settings).items()):
        group, topic, partition = key
        if topic not in TOPICS:
            continue
        account, records = sums.setdefault((group, topic), (Counter(), 0))
        old = since.groups.get(key)
        account.update(now.account)
        account.subtract(old.account if old else {})
        first = old.offset if old else 0
        records += sum(first <= offset < now.offset for offset in read.offsets.get((topic, partition), ()))
        sums[group, topic] = (account, records)
    return [Reading(group, topic, dict(account), records) for (group, topic), (account, records) in sums.items()]


@dataclass(frozen=True, slots=True)
class Subject:
    """The world that the proof is about."""

    world: str
    world_key: int
    seed: int
    section: EconomyScenario
    epoch_s: int


def gather(
    pool: Pool,
    settings: Settings,
    subject: Subject,
    read: Read,
    since: Before,
    metrics: Mapping[str, tuple[int, int]],
    *,
    hours: int,
    killed_pid: int | None,
) -> Evidence:
    """Put everything together; steps the world twice in this process."""
    section, seed, world_key = subject.section, subject.seed, subject.world_key
    with transaction(pool) as conn:
        sealed = [decode_sealed(body) for body in read_bodies(conn, world_key, 1, 2**62)]
        everybody = finishes(conn, world_key, 1, 2**62)
        rows = {(row.seq, row.market_id): (row.price_ticks, row.volume) for row in all_markets(conn, world_key)}
    done = [row for row in everybody if row.service == SERVICE]
    own, others = _parted(read.events)
    hourly = [tick for tick in sealed if tick.kind == "hourly"]
    outcomes = {row.version: row.outcome for row in done}
    begun, ended, digest = _stepped(section, seed, hourly, outcomes)
    killed_seq, pause_s = _pause(done, killed_pid)
    return Evidence(
        world=subject.world,
        hours=hours,
        pasted=1,
        markets=section.plan.markets,
        ticks=[_tick(tick) for tick in sealed],
        ledger=[_done(row) for row in done],
        events=own,
        rows=rows,
        metrics=metrics,
        readings=readings(settings, since, read),
        begun=begun,
        ended=ended,
        ended_digest=digest,
        undisturbed=undisturbed(subject, len(hourly)),
        killed_pid=killed_pid,
        killed_seq=killed_seq,
        pause_s=pause_s,
        days=[_done(row) for row in everybody if row.service != SERVICE],
        said=others,
    )


def _parted(events: Sequence[Said]) -> tuple[list[Said], list[Said]]:
    """(what the economy said, what the others said)."""
    own = [said for said in events if said.type == "market_cleared" or said.data.get("service") == SERVICE]
    ids = {said.event_id for said in own}
    return own, [said for said in events if said.event_id not in ids]


def undisturbed(subject: Subject, hours: int) -> History:
    """The same seed and scenario lived through in this process alone: no database, no Kafka, no stored tick."""
    bench = Bench(
        catalogue()[SERVICE], subject.section, seed=subject.seed, world=subject.world, epoch_s=subject.epoch_s
    )
    hourly = [_tick(lived.tick) for lived in bench.run(hours)]
    digests = {seq: digest for seq, _, digest in bench.digests()}
    return History(_with_dailies(hourly, subject.world, subject.epoch_s), digests)


def _with_dailies(hourly: Sequence[Tick], world: str, epoch_s: int) -> list[Tick]:
    """The bench passes by what its service does not step: the daily tick that follows a midnight's hour."""
    ticks: list[Tick] = []
    for tick in hourly:
        ticks.append(tick)
        if is_midnight(WorldTime(tick.slot_us), epoch_s):
            ticks.append(Tick(tick.seq + 1, "daily", tick.slot_us, tick_id(world, "daily", tick.slot_us), ""))
    return ticks


def _stepped(
    section: EconomyScenario, seed: int, hourly: Sequence[SealedTick], outcomes: Mapping[int, int]
) -> tuple[Stocks, Stocks, str]:
    """The stored ticks once more: what there was at genesis, what there is at the end, and the end's digest."""
    states = list(replay(catalogue()[SERVICE], section, seed, 0, None, hourly, outcomes))
    (_, first, _), (_, last, digest) = states[0], states[-1]
    return _stocks(first), _stocks(last), digest.hex()


def _stocks(market: Market) -> Stocks:
    units = market.stock.sum(axis=0).tolist()
    return Stocks(int(market.money.sum()), dict(zip(market.plan.commodities, units, strict=True)))


def _pause(done: Sequence[Finish], pid: int | None) -> tuple[int, float]:
    """The last tick that a process finished, and the seconds until the next one's commit, by another."""
    own = [row for row in done if row.pid == pid]
    later = [row for row in done if own and row.seq > own[-1].seq]
    if not later:
        return (own[-1].seq if own else 0), 0.0
    return own[-1].seq, (later[0].committed_at - own[-1].committed_at).total_seconds()


def _tick(tick: SealedTick) -> Tick:
    return Tick(tick.seq, tick.kind, tick.to_us, tick.tick_id, tick.triggered_by)


def _done(row: Finish) -> Done:
    said = decode_outputs(row.outputs).messages if row.outputs else []
    events = tuple((message.event_id, message.value) for message in said if message.topic == SIMULATION_EVENT)
    return Done(row.seq, row.slice_no, row.outcome, row.digest.hex(), row.pid, row.published, events)
