"""What the observer counts of a record, and which records are dead: a pure function of a batch.
Lives here: tallies of topics, events and markets, rings per world, dead letters. Not here: the ledger's (store)."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from worldtick.contracts.codec import decode
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.registry import as_event
from worldtick.contracts.rings import Unsealed, decode_ring
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.topics import SIMULATION_EVENT, TICK_TOPIC_OF_STREAM, WORLD_TICK
from worldtick.runtime.metrics import BYTES, OTHER, event_label

CONTROL_REPLY: Final = "world.control.reply"
TICK_TOPICS: Final = tuple(TICK_TOPIC_OF_STREAM.values())
TIERS: Final = ("detailed", "active", "ambient", "dormant", "asleep")  # of inhabitants; labels are bounded
INHABITANTS: Final = "inhabitants"  # stands for a market where series of worlds are bounded
TOPICS: Final = (*TICK_TOPICS, SIMULATION_EVENT, CONTROL_REPLY)
MINE: Final = (SIMULATION_EVENT, CONTROL_REPLY)  # whose garbage is ours to dead-letter: topics.yaml says so
MARKETS_MAX: Final = 600  # series of single markets, of all worlds together; the rest is in the sums by commodity
COMMODITIES_MAX: Final = 100
_EVENT: Final = "simulation.event."


class Seen(NamedTuple):
    """One record as read."""

    topic: str  # without the deployment's prefix
    partition: int
    offset: int
    stamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Dead(NamedTuple):
    """A record of a topic of ours that no reader can use."""

    seen: Seen
    fault: Unreadable


@dataclass(slots=True)
class Known:
    """Which labels have series already, and which worlds' markets get their own: what keeps their number bounded."""

    worlds: Collection[str] = ()
    markets: set[tuple[str, str]] = field(default_factory=set)
    commodities: set[str] = field(default_factory=set)

    def market(self, world: str, market: str) -> bool:
        """Whether this market has a series of its own."""
        if (world, market) in self.markets:
            return True
        if world not in self.worlds or len(self.markets) >= MARKETS_MAX:
            return False
        self.markets.add((world, market))
        return True

    def commodity(self, name: str) -> str:
        """The commodity's label."""
        if name not in self.commodities:
            if len(self.commodities) >= COMMODITIES_MAX:
                return OTHER
            self.commodities.add(name)
        return name


Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Counted:
    """What a batch adds: (name, labels) -> value."""

    added: Counter[tuple[str, Labels]] = field(default_factory=Counter)
    latest: dict[tuple[str, Labels], float] = field(default_factory=dict)
    rings: dict[str, int] = field(default_factory=dict)  # world -> highest seq rung
    dead: list[Dead] = field(default_factory=list)

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a tally."""
        self.added[name, tuple(sorted(labels.items()))] += value  # type: ignore[assignment]

    def set(self, name: str, value: float, **labels: str) -> None:
        """Say what a tally is now."""
        self.latest[name, tuple(sorted(labels.items()))] = value


def count(records: Iterable[Seen], known: Known, registry: SchemaRegistry | None = None) -> Counted:
    """Count a batch. Raises Unavailable if a record needs a schema registry that is away."""
    counted = Counted()
    for seen in records:
        try:
            if seen.topic in TICK_TOPICS:
                fate = _tick(seen, counted, registry)
            else:
                fate = _said(seen, known, counted, registry)
        except Unreadable as fault:
            fate = "unreadable"  # of a tick topic: control's to dead-letter
            if seen.topic in MINE:
                fate = "dead"
                counted.dead.append(Dead(seen, fault))
        counted.add("records", topic=seen.topic, fate=fate)
    return counted


def _tick(seen: Seen, counted: Counted, registry: SchemaRegistry | None) -> str:
    try:
        ring = decode_ring(seen.value, registry)
    except Unsealed:
        return "pasted"
    counted.add("rings", kind=ring.kind, topic=seen.topic)
    if seen.topic == WORLD_TICK:
        counted.rings[ring.world] = max(ring.seq, counted.rings.get(ring.world, 0))
    return "rang"


def _said(seen: Seen, known: Known, counted: Counted, registry: SchemaRegistry | None) -> str:
    record = decode(seen.value, registry)
    if seen.topic == CONTROL_REPLY:
        return "read"
    kind = _event_kind(record)
    counted.add("events", type=kind)
    size = len(seen.value or b"")
    counted.add("event_bytes_bucket", type=kind, le=next((str(most) for most in BYTES if size <= most), "+Inf"))
    counted.add("event_bytes_sum", size, type=kind)
    if kind == "market_cleared":
        _market(record["data"], known, counted)
    elif kind == "aggregated_stats":
        _inhabitants(record["data"], known, counted)
    return "read"


def _event_kind(record: dict[str, Any]) -> str:
    """The label of an event that fits its schema, or OTHER for one of a type that this build does not know."""
    event_type = record.get("event_type")
    unknown = isinstance(event_type, str) and event_type.startswith(_EVENT) and event_label(event_type) == OTHER
    if unknown and isinstance(record.get("data"), dict):
        return OTHER  # a newer writer's: not ours to refuse
    return event_label(as_event(record).event_type)


def _market(data: dict[str, Any], known: Known, counted: Counted) -> None:
    commodity = known.commodity(str(data["commodity"]))
    counted.add("markets_cleared", commodity=commodity)
    counted.add("market_volume", int(data["volume"]), commodity=commodity)
    efficiency = data.get("efficiency_ppm")
    if efficiency is not None:
        counted.add("market_efficiency_sum", int(efficiency) / 1e6, commodity=commodity)
        counted.add("market_efficiency_count", commodity=commodity)
    world, market = str(data.get("world") or "-"), str(data["market_id"])
    if known.market(world, market):
        counted.set("market_price", float(data["price"]), world=world, market=market)
        counted.set("market_last_volume", float(data["volume"]), world=world, market=market)
        if efficiency is not None:
            counted.set("market_efficiency", int(efficiency) / 1e6, world=world, market=market)


def _inhabitants(data: dict[str, Any], known: Known, counted: Counted) -> None:
    """What a slice of inhabitants did in a tick, by tier; how long its oldest due decision waits."""
    for tier, decisions in (data.get("simulated") or {}).items():
        if tier in TIERS:
            counted.add("npc_decisions", int(decisions), tier=tier)
    counted.add("npc_unsaid", int(data["unsaid"]))
    world = str(data.get("world") or "-")
    if data.get("oldest_wait_s") is not None and known.market(world, INHABITANTS):
        counted.set("npc_carried", float(data.get("carried") or 0), world=world)
        counted.set("npc_oldest_wait", float(data["oldest_wait_s"]), world=world)
