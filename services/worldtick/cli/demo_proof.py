"""The demo's proof: what ledger, topics, tables and metrics say of a world, put side by side. Pure.
Lives here: evidence as plain data, one check a promise. Not here: gathering (demo_evidence), printing (demo_screen)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

APPLIED = 1  # ledger.outcome
FAULTS_SHOWN = 3


class Tick(NamedTuple):
    """A sealed tick, as the tick table or the undisturbed run has it."""

    seq: int
    kind: str
    slot_us: int
    tick_id: str
    by: str  # triggered_by


class Done(NamedTuple):
    """A row of the ledger."""

    seq: int
    slice_no: int
    outcome: int
    digest: str
    pid: int | None
    published: bool
    events: tuple[tuple[str, bytes], ...]  # (event id, bytes) that the step said on simulation.event


class Said(NamedTuple):
    """A record of simulation.event, as a read_committed reader sees it, in order."""

    event_id: str
    type: str
    value: bytes
    data: Mapping[str, Any]


class Reading(NamedTuple):
    """What a group says of a topic, beside what a reader counts there."""

    group: str
    topic: str
    account: Mapping[str, int]  # fate -> records
    records: int


class Stocks(NamedTuple):
    """All the money and goods of a world."""

    money_ticks: int
    units: Mapping[str, int]  # commodity -> units


class History(NamedTuple):
    """A run of the same seed: its ticks, and slice 0's digest after each tick of the service."""

    ticks: Sequence[Tick]
    digests: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the proof looks at, of one world and its one service with one slice."""

    world: str
    hours: int  # asked of the ticker; one more where the paste came late
    pasted: int  # by hand, beside them
    markets: int
    ticks: Sequence[Tick]
    ledger: Sequence[Done]
    events: Sequence[Said]
    rows: Mapping[tuple[int, str], tuple[int, int]]  # market_state: (seq, market) -> (price ticks, volume)
    metrics: Mapping[str, tuple[int, int]]  # what -> (by the observer's metrics, by counting)
    readings: Sequence[Reading]
    begun: Stocks  # at genesis
    ended: Stocks  # of the state that the ledger's last digest names
    ended_digest: str
    undisturbed: History
    killed_pid: int | None = None
    killed_seq: int = 0  # the last tick finished before
    pause_s: float = 0.0  # from the kill to the next tick's commit
    days: Sequence[Done] = ()  # society's steps
    said: Sequence[Said] = ()  # and what it said


@dataclass(frozen=True, slots=True)
class Line:
    """One promise and whether it was kept."""

    name: str
    text: str  # with its numbers
    figures: Mapping[str, Any]
    faults: Sequence[str] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults


def prove(evidence: Evidence) -> list[Line]:
    """Every promise, in the order in which a tick lives."""
    return [
        _ticks(evidence),
        _steps(evidence),
        _delivery(evidence),
        _per_tick(evidence),
        _table(evidence),
        _metrics(evidence),
        _records(evidence),
        _money(evidence),
        _goods(evidence),
        _digests(evidence),
        _days(evidence),
        _takeover(evidence),
    ]


def _ticks(e: Evidence) -> Line:
    kinds = Counter(tick.kind for tick in e.ticks)
    by_hand = [tick.seq for tick in e.ticks if tick.by == "manual"]
    faults = []
    if [tick.seq for tick in e.ticks] != list(range(1, len(e.ticks) + 1)):
        faults.append("seq has a gap or stands twice")
    if [tick[:4] for tick in e.ticks] != [tick[:4] for tick in e.undisturbed.ticks]:
        faults.append("kinds, slots or ids are not those of the undisturbed run")
    by_ticker = kinds["hourly"] - len(by_hand)
    if by_ticker < e.hours:
        faults.append(f"{e.hours} hours were asked of the ticker")
    if len(by_hand) != e.pasted:
        faults.append(f"{e.pasted} was pasted, and {len(by_hand)} say so")
    text = (
        f"{kinds['hourly']} hourly ({by_ticker} by the ticker, {len(by_hand)} pasted: {', '.join(map(str, by_hand))})"
        f" and {kinds['daily']} daily sealed, seq 1 to {len(e.ticks)} without a gap"
    )
    return Line("ticks", text, {"hourly": kinds["hourly"], "daily": kinds["daily"], "pasted": len(by_hand)}, faults)


def _steps(e: Evidence) -> Line:
    sealed = [tick.seq for tick in e.ticks if tick.kind == "hourly"]
    done = Counter(row.seq for row in e.ledger)
    applied = sum(row.outcome == APPLIED for row in e.ledger)
    faults = [f"tick {seq} was never applied" for seq in sealed if not done[seq]]
    faults += [f"tick {seq} was applied {times} times" for seq, times in done.items() if times > 1]
    faults += [f"tick {row.seq} is dead" for row in e.ledger if row.outcome != APPLIED]
    faults += [f"tick {row.seq} is not for the economy" for row in e.ledger if row.seq not in set(sealed)]
    text = f"{len(sealed)} sealed for the economy = {applied} applied + {len(e.ledger) - applied} dead + 0 in flight"
    return Line("ledger", text, {"sealed": len(sealed), "applied": applied}, faults)


def _delivery(e: Evidence) -> Line:
    """The ledger's stored outputs against what a read_committed reader sees: ids and bytes."""
    faults, text, figures = _delivered(e.ledger, e.events)
    seqs = [said.data["seq"] for said in e.events]
    if seqs != sorted(seqs):
        faults.append("events are not in the order of their ticks")
    return Line("events", text, figures, faults)


def _delivered(ledger: Sequence[Done], events: Sequence[Said]) -> tuple[list[str], str, dict[str, int]]:
    """(faults, what to say, figures) of stored outputs against those on the topic."""
    stored = {name: value for row in ledger for name, value in row.events}
    seen = Counter(said.event_id for said in events)
    lost = [name for name in stored if name not in seen]
    doubled = [name for name, times in seen.items() if times > 1]
    strange = [said.event_id for said in events if stored.get(said.event_id) != said.value]
    faults = [f"event {name} is lost" for name in lost]
    faults += [f"event {name} stands {seen[name]} times" for name in doubled]
    faults += [f"event {name} is none of the ledger's, or has other bytes" for name in strange]
    text = f"{len(events)} events on the topic, {len(stored)} in the ledger: {len(lost)} lost, {len(doubled)} doubled"
    return faults, text, {"events": len(events), "stored": len(stored), "lost": len(lost), "doubled": len(doubled)}


def _days(e: Evidence) -> Line:
    """Society's days: each part finished each daily tick once, and what it said is there."""
    faults, text, figures = _delivered(e.days, e.said)
    midnights = [tick.seq for tick in e.ticks if tick.kind == "daily"]
    steps = Counter((row.seq, row.slice_no) for row in e.days)
    faults += [
        f"slice {part} did not finish tick {seq}" for seq in midnights for part in (0, 1) if not steps[seq, part]
    ]
    faults += [f"slice {part} finished tick {seq} {n} times" for (seq, part), n in steps.items() if n > 1]
    states = [said.data["states"] for said in e.said if said.type == "diplomacy_summary"]
    last = ", ".join(f"{pairs} {state}" for state, pairs in states[-1].items() if pairs) if states else "none"
    signals = sum(said.type == "crowd_signal" for said in e.said)
    told = f"{len(midnights)} days; relations: {last}; {signals} crowd signals; {text}"
    return Line("society", told, {**figures, "days": len(midnights), "signals": signals}, faults)


def _per_tick(e: Evidence) -> Line:
    said: dict[int, Counter[str]] = {}
    for event in e.events:
        said.setdefault(event.data["seq"], Counter())[event.type] += 1
    wanted = {"market_cleared": e.markets, "step_completed": 1}
    hourly = [tick.seq for tick in e.ticks if tick.kind == "hourly"]
    faults = [
        f"tick {seq} said {dict(said.get(seq, {}))}" for seq in hourly if dict(said.get(seq, Counter[str]())) != wanted
    ]
    faults += [f"events of tick {seq}, which is not hourly" for seq in sorted(set(said) - set(hourly))]
    text = f"each hourly tick said {e.markets} market_cleared + 1 step_completed"
    return Line("events per tick", text, {"markets": e.markets}, faults)


def _table(e: Evidence) -> Line:
    said = {
        (event.data["seq"], event.data["market_id"]): (event.data["price_ticks"], event.data["volume"])
        for event in e.events
        if event.type == "market_cleared"
    }
    places = sorted({*said, *e.rows})
    faults = [
        f"market {market} at tick {seq}: table {e.rows.get((seq, market))}, event {said.get((seq, market))}"
        for seq, market in places
        if said.get((seq, market)) != e.rows.get((seq, market))
    ]
    text = f"{len(e.rows)} rows of market_state, price and volume as in {len(said)} events"
    return Line("market_state", text, {"rows": len(e.rows)}, faults)


def _metrics(e: Evidence) -> Line:
    faults = [
        f"{what}: metrics say {counted}, counting says {true}"
        for what, (counted, true) in e.metrics.items()
        if counted != true
    ]
    said = ", ".join(f"{counted} {what}" for what, (counted, _) in e.metrics.items())
    return Line("metrics", f"the observer counted {said}", {k: v[0] for k, v in e.metrics.items()}, faults)


def _records(e: Evidence) -> Line:
    faults = [
        f"{one.group} on {one.topic}: {one.records} read, its account says {dict(one.account)}"
        for one in e.readings
        if sum(one.account.values()) != one.records
    ]
    parts = [
        f"{one.group} {one.records} = "
        + " + ".join(f"{number} {fate}" for fate, number in one.account.items() if number)
        for one in e.readings
        if one.records and one.topic == "world.tick.hourly"
    ]
    if not parts:
        faults.append("no group has an account of world.tick.hourly")
    figures = {f"{one.group} {one.topic}": one.records for one in e.readings}
    return Line("records", f"{len(e.readings)} accounts balance; of hourly ticks {'; '.join(parts)}", figures, faults)


def _flows(e: Evidence) -> Iterator[tuple[str, str, int]]:
    """(commodity, flow, units), sources positive and sinks negative, out of the events."""
    for event in e.events:
        if event.type == "market_cleared":
            for name, units in event.data["sources"].items():
                yield event.data["commodity"], name, units
            for name, units in event.data["sinks"].items():
                yield event.data["commodity"], name, -units


def _money(e: Evidence) -> Line:
    flows = {name for _, name, _ in _flows(e)}
    faults = [
        f"{name} is no declared flow of goods" for name in sorted(flows - {"production", "inputs", "consumption"})
    ]
    if e.begun.money_ticks != e.ended.money_ticks:
        faults.append(f"it was {e.begun.money_ticks} at genesis")
    traded = sum(said.data["price_ticks"] * said.data["volume"] for said in e.events if said.type == "market_cleared")
    text = f"{_money_text(e.ended.money_ticks)} as at genesis, after {_money_text(traded)} changed hands"
    return Line("money", text, {"begun": e.begun.money_ticks, "ended": e.ended.money_ticks, "traded": traded}, faults)


def _goods(e: Evidence) -> Line:
    net: Counter[str] = Counter()
    made = used = 0
    for commodity, _, units in _flows(e):
        net[commodity] += units
        made, used = made + max(0, units), used - min(0, units)
    faults = [
        f"{commodity}: {begun} + {net[commodity]} by the events, and {e.ended.units.get(commodity)} are there"
        for commodity, begun in e.begun.units.items()
        if begun + net[commodity] != e.ended.units.get(commodity)
    ]
    begun, ended = sum(e.begun.units.values()), sum(e.ended.units.values())
    text = f"{begun} units + {made} made - {used} used = {ended}, for each of {len(e.begun.units)} commodities"
    return Line("goods", text, {"begun": begun, "made": made, "used": used, "ended": ended}, faults)


def _digests(e: Evidence) -> Line:
    wanted = e.undisturbed.digests
    faults = [
        f"tick {row.seq}: {row.digest}, undisturbed {wanted.get(row.seq)}"
        for row in e.ledger
        if wanted.get(row.seq) != row.digest
    ]
    faults += [f"tick {seq} has no digest" for seq in sorted(set(wanted) - {row.seq for row in e.ledger})]
    told = {said.data["seq"]: said.data["digest"] for said in e.events if said.type == "step_completed"}
    faults += [
        f"tick {row.seq}: its event says {told.get(row.seq)}" for row in e.ledger if told.get(row.seq) != row.digest
    ]
    if not e.ledger or e.ended_digest != e.ledger[-1].digest:
        faults.append("the stored ticks lead to another state than the ledger's last")
    same = sum(wanted.get(row.seq) == row.digest for row in e.ledger)
    text = f"{same} of {len(wanted)} equal those of an undisturbed run; the last is {e.ended_digest}"
    return Line("digests", text, {"equal": same, "of": len(wanted)}, faults)


def _takeover(e: Evidence) -> Line:
    after = [row.pid for row in e.ledger if row.seq > e.killed_seq]
    faults = []
    if e.killed_pid is None:
        faults.append("no worker was killed")
    elif e.killed_pid in after or not after:
        faults.append("nobody else took over")
    if unpublished := [row.seq for row in e.ledger if not row.published]:
        faults.append(f"ticks {unpublished[:FAULTS_SHOWN]} are not known to be published")
    others = ", ".join(str(pid) for pid in dict.fromkeys(after)) or "nobody"
    text = f"{e.killed_pid} was killed after tick {e.killed_seq}; {others} went on after {e.pause_s:.1f} s"
    return Line(
        "killed worker", text, {"pid": e.killed_pid, "seq": e.killed_seq, "pause_s": round(e.pause_s, 2)}, faults
    )


def _money_text(ticks: int) -> str:
    return f"{ticks // 100:,}.{ticks % 100:02d}"
