"""The checker: reads all that was published as a read_committed reader, and all that was stored, and reckons it again.
Lives here: the proof that every effect happened once, in order, and nothing beyond. Not here: arithmetic (reckoning).

It trusts the tick table, which is the worlds' history, and nothing else of the worker: not its ledger, offsets, log."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import psycopg
from confluent_kafka import Consumer, TopicPartition

from tests.chaos.counting import SERVICES, Section
from tests.chaos.reckoning import Reckoned, reckon
from tests.small_worlds import read_topic
from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.sealed import SealedTick, decode_sealed
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.runtime.recovery import digest_of

Dead = Collection[tuple[str, str, int, int]]  # (world, service, slice, seq) of steps that must have died


class SliceName(NamedTuple):
    """A slice, as its events name it."""

    world: str
    service: str
    slice_no: int


@dataclass(slots=True)
class Stored:
    """What PostgreSQL holds."""

    sections: dict[str, Section]
    seeds: dict[str, int]
    ticks: dict[str, list[SealedTick]]
    versions: dict[SliceName, int]
    keys: dict[SliceName, int]
    ledger: dict[int, list[tuple[int, int, bytes, bytes]]]  # slice key -> (version, outcome, digest, outputs), in order
    waiting: Counter[tuple[str, str]]  # (world, source) of effects that no tick has taken yet


@dataclass(slots=True)
class Checked:
    """What was found right."""

    slices: int = 0
    steps: int = 0
    dead: int = 0
    events: int = 0
    effects: int = 0
    records: dict[str, int] = field(default_factory=dict)  # fate -> records of all partitions


def check(
    database_url: str, bootstrap: str, prefix: str, dead: Dead = (), accounts: bool = True, repeats: bool = False
) -> Checked:
    """Compare everything with what it must be. AssertionError says what differs first.

    accounts: also the records' fates against the tick topics; False where records were deleted.
    repeats: events may come again, byte for byte, as they do after somebody has reset the group's offsets.
    """
    with psycopg.connect(database_url, autocommit=True) as conn:
        stored = _stored(conn)
        lives = {name: _life(name, stored, dead) for name in stored.versions}
        checked = Checked(slices=len(lives))
        for name, life in lives.items():
            _check_ledger(name, life, stored, dead, checked)
        records = read_topic(bootstrap, prefix + "simulation.event")
        _check_events(_firsts(records) if repeats else records, lives, stored, checked)
        _check_letters(bootstrap, prefix, lives)
        _check_effects(lives, stored, checked)
        if accounts:
            _check_accounts(conn, bootstrap, prefix, {name.service for name in lives}, checked)
    return checked


def _stored(conn: psycopg.Connection[Any]) -> Stored:
    worlds = conn.execute("select world_key, world_id, scenario, seed from world").fetchall()
    names = {key: world for key, world, _, _ in worlds}
    slices = conn.execute("select slice_key, world_key, service, slice_no, version from slice").fetchall()
    keys = {SliceName(names[world], service, number): key for key, world, service, number, _ in slices}
    ledger: dict[int, list[tuple[int, int, bytes, bytes]]] = {}
    for key, *row in conn.execute(
        "select slice_key, version, outcome, digest, outputs from ledger order by slice_key, version"
    ):
        ledger.setdefault(key, []).append((row[0], row[1], bytes(row[2]), bytes(row[3])))
    ticks: dict[str, list[SealedTick]] = {name: [] for name in names.values()}
    for key, body in conn.execute("select world_key, body from tick order by world_key, seq"):
        ticks[names[key]].append(decode_sealed(bytes(body)))
    waiting = conn.execute("select world_key, source from directive where made_seq is not null")
    return Stored(
        sections={world: _section(scenario) for _, world, scenario, _ in worlds},
        seeds={world: seed for _, world, _, seed in worlds},
        ticks={world: [tick for tick in log if tick.kind != "genesis"] for world, log in ticks.items()},
        versions={SliceName(names[world], service, number): version for _, world, service, number, version in slices},
        keys=keys,
        ledger=ledger,
        waiting=Counter((names[key], source) for key, source in waiting),
    )


def _section(scenario: str) -> Section:
    return Section.model_validate(next(iter(msgspec.json.decode(scenario)["services"].values())))


def _life(name: SliceName, stored: Stored, dead: Dead) -> Reckoned:
    seqs = {seq for *of, seq in dead if tuple(of) == name}
    ticks = _stream(name, stored)[: stored.versions[name]]
    return reckon(name.service, stored.sections[name.world], stored.seeds[name.world], name.slice_no, ticks, seqs)


def _stream(name: SliceName, stored: Stored) -> list[SealedTick]:
    log, stream = stored.ticks[name.world], SERVICES[name.service].stream
    assert [tick.seq for tick in log] == list(range(1, len(log) + 1)), f"{name.world}: the tick log has a gap"
    return [tick for tick in log if stream in ("all", tick.kind)]


def _check_ledger(name: SliceName, life: Reckoned, stored: Stored, dead: Dead, checked: Checked) -> None:
    """One row for each tick, with the digest that the pure service and the reckoning agree upon."""
    rows = stored.ledger.get(stored.keys[name], [])
    assert [row[0] for row in rows] == list(range(1, stored.versions[name] + 1)), (
        f"{name}: ledger rows, slice's version"
    )
    service, section = SERVICES[name.service], stored.sections[name.world].model_copy(update={"pause_ms": 0.0})
    state = service.genesis(section, stored.seeds[name.world], name.slice_no)
    for tick, row, digest in zip(_stream(name, stored), rows, life.digests, strict=False):
        gone = (*name, tick.seq) in dead
        assert row[1] == (2 if gone else 1), f"{name} seq {tick.seq}: outcome {row[1]}"
        state = state if gone else service.step(state, tick).state
        assert digest_of(service.encode(state)).hex() == digest, f"{name} seq {tick.seq}: step and reckoning differ"
        assert row[2].hex() == digest, f"{name} seq {tick.seq}: the ledger's digest"
        checked.dead += gone
    checked.steps += len(rows)


def _check_events(records: list[Any], lives: Mapping[SliceName, Reckoned], stored: Stored, checked: Checked) -> None:
    """Every event once, in order, at its world's home, byte for byte what the ledger holds; and no other."""
    said: dict[SliceName, list[Any]] = {name: [] for name in lives}
    for record in records:
        event = msgspec.json.decode(record.value())
        name = SliceName(event["data"]["world"], event["source"].removeprefix("simulation."), event["data"]["slice"])
        assert name in said, f"an event of a slice that there is not: {event}"
        said[name].append(record)
        assert record.key().decode() == name.world, f"{event}: key {record.key()}"
        assert dict(record.headers())["ce_id"].decode() == event["event_id"], f"{event}: header ce_id"
    homes = {(record.key(), record.partition()) for record in records}
    assert len(homes) == len({key for key, _ in homes}), "a world's events are on several partitions"
    for name, life in lives.items():
        found = [msgspec.json.decode(record.value()) for record in said[name]]
        _same(name, life.events, found)
        rows = stored.ledger.get(stored.keys[name], [])
        bodies = [m.value for row in rows for m in decode_outputs(row[3]).messages if m.topic == "simulation.event"]
        assert bodies == [record.value() for record in said[name]], f"{name}: bytes differ from the ledger's"
        checked.events += len(found)


def _firsts(records: list[Any]) -> list[Any]:
    """Each event's first record; the others are as it is."""
    firsts: dict[str, Any] = {}
    for record in records:
        first = firsts.setdefault(msgspec.json.decode(record.value())["event_id"], record)
        assert first.value() == record.value(), f"one id, two events: {first.value()} and {record.value()}"
    return list(firsts.values())


def _same(name: SliceName, wanted: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    ids = Counter(event["event_id"] for event in found)
    doubled = [event["data"]["seq"] for event in found if ids[event["event_id"]] > 1]
    assert not doubled, f"{name}: said more than once, seqs {doubled[:10]}"
    lost = [event["data"]["seq"] for event in wanted if event["event_id"] not in ids]
    assert not lost, f"{name}: lost, seqs {lost[:10]} ({len(lost)} events)"
    for at, (want, have) in enumerate(zip(wanted, found, strict=False)):
        assert want == have, f"{name}: event {at} must be {want} and is {have}"
    assert len(wanted) == len(found), f"{name}: beyond what there is to say: {found[len(wanted) :][:3]}"


def _check_letters(bootstrap: str, prefix: str, lives: Mapping[SliceName, Reckoned]) -> None:
    """Each dead step has one letter, on the dead-letter topic of its tick's topic."""
    for topic in sorted({TICK_TOPIC_OF_STREAM[SERVICES[name.service].stream] for name in lives}):
        found = read_topic(bootstrap, f"{prefix}{topic}.dlq")
        wanted = [
            letter["event_id"]
            for name, life in lives.items()
            if TICK_TOPIC_OF_STREAM[SERVICES[name.service].stream] == topic
            for letter in life.letters
        ]
        ids = [event["event_id"] for event in map(_letter, found) if event["event_type"].endswith(".step_failed")]
        assert sorted(ids) == sorted(wanted), f"{topic}.dlq holds {len(ids)} letters of dead steps, not {len(wanted)}"


def _letter(record: Any) -> dict[str, Any]:
    """A letter of a dead step; other dead letters keep the bytes that could not be read."""
    try:
        event = msgspec.json.decode(record.value())
    except (msgspec.DecodeError, TypeError):
        return {"event_type": ""}
    return event if isinstance(event, dict) and "event_type" in event else {"event_type": ""}


def _check_effects(lives: Mapping[SliceName, Reckoned], stored: Stored, checked: Checked) -> None:
    """Each effect is a directive of one later tick, or still waits; and no other tick carries one."""
    wanted = Counter(
        (name.world, f"effect:{name.service}/{name.slice_no}@{seq}", msgspec.json.encode(args))
        for name, life in lives.items()
        for seq, args in life.effects
    )
    carried: Counter[tuple[str, str, bytes]] = Counter()
    for world, log in stored.ticks.items():
        for tick in log:
            effects = [directive for directive in tick.directives if directive.source.startswith("effect:")]
            for effect in effects:
                made = int(effect.source.rpartition("@")[2])
                assert made < tick.seq, f"{world} seq {tick.seq} carries {effect.source}"
                carried[world, effect.source, msgspec.json.encode(effect.args)] += 1
            made_at = [int(effect.source.rpartition("@")[2]) for effect in effects]
            assert made_at == sorted(made_at), f"{world} seq {tick.seq}: effects out of order, made at {made_at}"
    for (world, source), count in stored.waiting.items():
        carried.update({key: count for key in wanted if key[:2] == (world, source)})
    assert carried == wanted, f"effects lost: {list(wanted - carried)[:5]}; beyond: {list(carried - wanted)[:5]}"
    checked.effects = sum(wanted.values())


def check_lagging_facts(database_url: str, dead: Dead = ()) -> int:
    """In worlds whose facts lag one tick, each tick carries what tally last said before it; how many ticks."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        stored = _stored(conn)
    checked = 0
    for world, log in stored.ticks.items():
        tallies = {
            name.slice_no: _life(name, stored, dead).facts for name in stored.versions if name[:2] == (world, "tally")
        }
        for tick in log:
            if "echo" not in tick.consumers:
                continue
            wanted = {}
            for number, facts in tallies.items():
                known = [total for seq, total in facts if seq < tick.seq]
                if known:
                    wanted[number] = {"all": known[-1]}
            found = tick.facts.get("total", {}).get("tally", {})
            assert found == wanted, f"{world} seq {tick.seq} carries facts {found}, not {wanted}"
            checked += 1
    return checked


def _check_accounts(
    conn: psycopg.Connection[Any], bootstrap: str, prefix: str, services: Iterable[str], checked: Checked
) -> None:
    """Records read = rang + duplicate + passed, partition by partition, as kept with the committed offsets."""
    for service in sorted(services):
        topic = prefix + TICK_TOPIC_OF_STREAM[SERVICES[service].stream]
        offsets = [(record.partition(), record.offset()) for record in read_topic(bootstrap, topic)]
        group = f"{prefix}worldtick.{service}"
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_committed"})
        try:
            partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
            committed = consumer.committed([TopicPartition(topic, number) for number in partitions], timeout=20)
        finally:
            consumer.close()
        origins = conn.execute(
            "select l.origin_partition, count(distinct l.origin_offset) from ledger l join reader r using (reader_key)"
            " where r.grp = %s group by 1",
            (group,),
        ).fetchall()
        rang = {int(partition): int(count) for partition, count in origins}
        for place in committed:
            account = msgspec.json.decode(place.metadata) if place.metadata else {}
            read = sum(partition == place.partition and offset < place.offset for partition, offset in offsets)
            assert sum(account.values()) == read, f"{group}/{place.partition}: {account} of {read} records"
            assert account.get("rang", 0) == rang.get(place.partition, 0), f"{group}/{place.partition}: {account}"
            for fate, count in account.items():
                checked.records[fate] = checked.records.get(fate, 0) + count
