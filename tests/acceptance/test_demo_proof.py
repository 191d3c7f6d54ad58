"""The demo's proof can fail: each way in which a history can be wrong is found, by the line that is about it.
Lives here: a small evidence without fault, and what each tampering does to it. Not here: a real one (test_demo)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from worldtick.cli.demo_proof import Done, Evidence, History, Reading, Said, Stocks, Tick, prove

HOURS = 3
MARKETS = ("Watson/Food", "Watson/Wood")
STARTED = {"Food": 50, "Wood": 20}
MADE, INPUTS, EATEN = 7, 1, 2  # of each market in each hour


def _digest(seq: int) -> str:
    return f"{seq:032x}"


def _cleared(seq: int, number: int) -> Said:
    data: dict[str, Any] = {"seq": seq, "market_id": MARKETS[number], "commodity": MARKETS[number].split("/")[1]}
    data |= {"price_ticks": 300 + seq, "volume": 10 * seq, "sources": {"production": MADE}}
    data |= {"sinks": {"inputs": INPUTS, "consumption": EATEN}}
    return Said(f"event-{seq}-{number}", "market_cleared", f"{data}".encode(), data)


def _completed(seq: int) -> Said:
    data = {"seq": seq, "digest": _digest(seq)}
    return Said(f"event-{seq}-done", "step_completed", f"{data}".encode(), data)


def _said(seq: int) -> list[Said]:
    return [*(_cleared(seq, number) for number in range(len(MARKETS))), _completed(seq)]


def _done(seq: int) -> Done:
    pid = 11 if seq == 1 else 22
    return Done(seq, 0, 1, _digest(seq), pid, True, tuple((said.event_id, said.value) for said in _said(seq)))


def sound() -> Evidence:
    """Three hours, the second pasted; the first worker killed after the first."""
    seqs = range(1, HOURS + 1)
    ticks = [Tick(seq, "hourly", seq * 3_600, f"tick-{seq}", "manual" if seq == 2 else "scheduler") for seq in seqs]
    events = [said for seq in seqs for said in _said(seq)]
    rows = {(s.data["seq"], s.data["market_id"]): (s.data["price_ticks"], s.data["volume"]) for s in events[:]
            if s.type == "market_cleared"}  # fmt: skip
    ended = {commodity: units + HOURS * (MADE - INPUTS - EATEN) for commodity, units in STARTED.items()}
    return Evidence(
        world="demo-1",
        hours=HOURS - 1,
        pasted=1,
        markets=len(MARKETS),
        ticks=ticks,
        ledger=[_done(seq) for seq in seqs],
        events=events,
        rows=rows,
        metrics={"market_cleared": (6, 6), "step_completed": (3, 3)},
        readings=[Reading("worldtick.economy", "world.tick.hourly", {"rang": 2, "duplicate": 1, "passed": 1}, 4)],
        begun=Stocks(1_000, STARTED),
        ended=Stocks(1_000, ended),
        ended_digest=_digest(HOURS),
        undisturbed=History([tick._replace(by="") for tick in ticks], {seq: _digest(seq) for seq in seqs}),
        killed_pid=11,
        killed_seq=1,
        pause_s=2.0,
    )


def _without(things: Any, at: int) -> list[Any]:
    return [thing for number, thing in enumerate(things) if number != at]


def _with(things: Any, at: int, thing: Any) -> list[Any]:
    return [*things[:at], thing, *things[at + 1 :]]


def _flow(said: Said, **data: Any) -> Said:
    return said._replace(data={**said.data, **data})


Tampering = Callable[[Evidence], Evidence]
TAMPERINGS: dict[str, tuple[set[str], Tampering]] = {
    "an event doubled": (
        {"events", "events per tick", "goods"},
        lambda e: replace(e, events=[*e.events[:1], *e.events]),
    ),
    "a step_completed lost": (
        {"events", "events per tick", "digests"},
        lambda e: replace(e, events=_without(e.events, 2)),
    ),
    "a market's event lost": (
        {"events", "events per tick", "market_state", "goods"},
        lambda e: replace(e, events=_without(e.events, 0)),
    ),
    "an event of other bytes": (
        {"events"},
        lambda e: replace(e, events=_with(e.events, 0, e.events[0]._replace(value=b"other"))),
    ),
    "events out of order": ({"events"}, lambda e: replace(e, events=[*e.events[3:], *e.events[:3]])),
    "a ledger row deleted": (
        {"ledger", "events", "digests"},
        lambda e: replace(e, ledger=_without(e.ledger, 1)),
    ),
    "a ledger row doubled": ({"ledger"}, lambda e: replace(e, ledger=[e.ledger[0], *e.ledger])),
    "a dead step": ({"ledger"}, lambda e: replace(e, ledger=_with(e.ledger, 1, e.ledger[1]._replace(outcome=2)))),
    "another digest": (
        {"digests"},
        lambda e: replace(e, ledger=_with(e.ledger, 1, e.ledger[1]._replace(digest=_digest(99)))),
    ),
    "an undisturbed run of another seed": (
        {"digests"},
        lambda e: replace(e, undisturbed=History(e.undisturbed.ticks, {1: "a", 2: "b", 3: "c"})),
    ),
    "a state that is not the ledger's": ({"digests"}, lambda e: replace(e, ended_digest=_digest(99))),
    "a tick missing": (
        {"ticks", "ledger", "events per tick"},
        lambda e: replace(e, ticks=_without(e.ticks, 1)),
    ),
    "a tick at another slot": (
        {"ticks"},
        lambda e: replace(e, ticks=_with(e.ticks, 2, e.ticks[2]._replace(slot_us=1))),
    ),
    "nothing pasted": (
        {"ticks"},
        lambda e: replace(e, ticks=_with(e.ticks, 1, e.ticks[1]._replace(by="scheduler"))),
    ),
    "an hour too few": ({"ticks"}, lambda e: replace(e, hours=e.hours + 1)),
    "a table row missing": ({"market_state"}, lambda e: replace(e, rows=dict(list(e.rows.items())[1:]))),
    "a table row too many": ({"market_state"}, lambda e: replace(e, rows={**e.rows, (9, "Watson/Food"): (1, 1)})),
    "a price that differs": (
        {"market_state"},
        lambda e: replace(e, rows={**e.rows, (1, MARKETS[0]): (999, 10)}),
    ),
    "metrics that count twice": ({"metrics"}, lambda e: replace(e, metrics={"market_cleared": (12, 6)})),
    "a record unaccounted for": (
        {"records"},
        lambda e: replace(e, readings=[e.readings[0]._replace(records=5)]),
    ),
    "no account at all": ({"records"}, lambda e: replace(e, readings=[])),
    "money made": ({"money"}, lambda e: replace(e, ended=e.ended._replace(money_ticks=1_001))),
    "a source of money": (
        {"money", "goods"},
        lambda e: replace(e, events=_with(e.events, 0, _flow(e.events[0], sources={"production": MADE, "mint": 5}))),
    ),
    "goods lost": ({"goods"}, lambda e: replace(e, ended=e.ended._replace(units={**e.ended.units, "Food": 1}))),
    "a sink that lies": (
        {"goods"},
        lambda e: replace(e, events=_with(e.events, 0, _flow(e.events[0], sinks={"inputs": 0, "consumption": 0}))),
    ),
    "nobody killed": ({"killed worker"}, lambda e: replace(e, killed_pid=None)),
    "nobody took over": (
        {"killed worker"},
        lambda e: replace(e, killed_seq=HOURS),
    ),
    "outputs unpublished": (
        {"killed worker"},
        lambda e: replace(e, ledger=_with(e.ledger, 2, e.ledger[2]._replace(published=False))),
    ),
}


def test_a_sound_history_passes() -> None:
    """No line of the proof speaks against it; each has its numbers."""
    lines = prove(sound())
    assert [line.name for line in lines if not line.ok] == []
    assert all(line.figures for line in lines)
    assert len({line.name for line in lines}) == len(lines) == 12


@pytest.mark.parametrize("name", list(TAMPERINGS))
def test_a_tampered_history_fails(name: str) -> None:
    """Exactly the lines that are about it."""
    wanted, tamper = TAMPERINGS[name]
    assert {line.name for line in prove(tamper(sound())) if not line.ok} == wanted
