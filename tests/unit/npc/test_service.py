"""Inhabitants as a service: the laws, the same life however they are cut, what directives do, what is said.
Lives here: steps as the runtime sees them. Not here: decisions (the core's own tests)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.npc.cities import city
from worldtick.contracts.errors import Faulty
from worldtick.kit.bench import Bench
from worldtick.kit.budgets import check_budget
from worldtick.kit.golden import check_golden
from worldtick.kit.laws import check_laws
from worldtick.npc.codec import columns
from worldtick.npc.people import Slice
from worldtick.npc.service import SERVICE
from worldtick.npc.shares import tier_shares
from worldtick.npc.units import TIERS, Tier
from worldtick.npc.words import DECISIONS, DEMAND, DUE, EVENTS, INTENTS

GOLDEN = Path(__file__).with_name("npc.golden.json")
AMPLE = {DECISIONS: 1_000_000, EVENTS: 1_000_000, INTENTS: 0}
WIDE = {f"{tier}_limit": 1_000_000 for tier in TIERS[:-1]}


def _bench(seed: int = 1, budgets: dict[str, int] | None = None, settings: Any = None, **changes: Any) -> Bench[Slice]:
    return Bench(SERVICE, city(**changes), seed=seed, budgets=budgets, settings=settings)


def _eventful(seed: int = 1, **more: Any) -> Bench[Slice]:
    """A history with everything in it that the step can meet."""
    bench = _bench(seed, **more)
    bench.run(3)
    bench.direct("focus", npc=5, minutes=90)
    bench.direct("focus", group=bench.section.plan.groups[0], minutes=200)  # type: ignore[attr-defined]
    bench.direct("focus", place="nowhere")
    bench.direct("edit", npc=7, levels={"hunger": 0, "valence": 90})
    bench.direct("meeting", npc=9, by=11, points=[10, 20, -3, 0])
    bench.run(2)
    bench.part(1_800_000_000)
    bench.direct("demote", npc=5, tier="asleep")
    bench.run(24)
    return bench


def test_keeps_the_laws() -> None:
    check_laws(
        _eventful(),
        _eventful(seed=-5, slice_npcs=300, budgets={DECISIONS: 1_000}),
        place="worldtick.npc.service:SERVICE",
    )
    check_budget(_eventful(budgets={DECISIONS: 2}))


def test_gives_the_agreed_bytes(request: pytest.FixtureRequest) -> None:
    check_golden(_eventful(), GOLDEN, bool(request.config.getoption("--update-golden")))


def _world(bench: Bench[Slice]) -> dict[str, Any]:
    """Every column of the world's people, in entity order."""
    joined: dict[str, list[Any]] = {}
    for state in bench.states:
        for name, values in columns(state):
            joined.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in joined.items()}


def test_a_world_is_the_same_in_one_slice_and_in_many() -> None:
    whole = _bench(budgets=AMPLE, settings=WIDE)
    count = whole.section.plan.count  # type: ignore[attr-defined]
    cut = _bench(budgets=AMPLE, settings=WIDE, slice_npcs=-(-count // 37))
    assert len(whole.states) == 1
    assert len(cut.states) >= 36
    for bench in (whole, cut):
        bench.run(6)
        bench.direct("focus", npc=count - 1, minutes=120)
        bench.direct("edit", npc=3, levels={"energy": 1})
        bench.run(6)
    one, many = _world(whole), _world(cut)
    assert one.keys() == many.keys()
    for name, values in one.items():
        assert np.array_equal(values, many[name]), name


def test_a_budget_is_divided_and_nobody_waits_for_ever() -> None:
    """Far too little for what is due: no slice starves, all is used, the oldest wait stays bounded."""
    bench = _bench(budgets={DECISIONS: 2, EVENTS: 0, INTENTS: 0}, slice_npcs=100)
    waits, used = [], []
    for lived in bench.run(72):
        if lived.tick.kind != "hourly":
            continue
        used.append(sum(part.step.used[DECISIONS] for part in lived.slices))
        waits.append(max((part.step.facts or {})[DUE]["wait_s"] for part in lived.slices))
        assert used[-1] <= 120
    assert min(used[2:]) >= 100, "what is granted is used"
    people = bench.section.plan.count  # type: ignore[attr-defined]
    assert max(waits) <= (2 * people // 100 + len(bench.states)) * 3_600
    seen = np.concatenate([state.people.seen_s[state.people.tier != Tier.ASLEEP] for state in bench.states])
    assert (seen > 0).mean() > 0.9


def test_directives_reach_whom_they_name_and_change_nothing_else() -> None:
    bench = _bench(slice_npcs=500)
    bench.run(2)
    bench.direct("edit", npc=503, levels={"hunger": 77})
    bench.direct("focus", npc=503, minutes=600)
    before = bench.states[1].people
    bench.part(1_000_000)  # a second: hardly anybody decides
    after = bench.states[1].people
    assert after.tier[3] == Tier.DETAILED
    assert after.level[1, 3] == pytest.approx(77 * 600, abs=600)
    for name in ("trait", "preference", "home", "work", "group", "tie"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    bench.run(12)
    assert bench.states[1].people.tier[3] != Tier.DETAILED, "the lease is over"


def test_hunger_is_a_demand() -> None:
    demand = {"Food": {"need": "hunger", "usual": 60, "ppm_per_point": 10_000}}
    bench = _bench(demand=demand)
    bench.run(3)
    calm = dict((bench.history[-1].slices[0].step.facts or {})[DEMAND])
    for npc in range(200):
        bench.direct("edit", npc=npc, levels={"hunger": 0})
    bench.run(3)
    hungry = (bench.history[-2].slices[0].step.facts or {})[DEMAND]
    assert any(hungry[key] > calm[key] for key in calm)
    assert all(key.endswith("/Food/npc") for key in calm)


def test_events_are_bounded_and_the_rest_is_counted() -> None:
    bench = _bench(budgets={EVENTS: 5, DECISIONS: 100_000}, settings={"detailed_limit": 500})
    bench.direct("focus", group=bench.section.plan.groups[0], minutes=600)  # type: ignore[attr-defined]
    lived = bench.tick()
    said = [event for event in lived.slices[0].step.events if event.type == "agent_action"]
    (stats,) = (event.data for event in lived.slices[0].step.events if event.type == "aggregated_stats")
    assert len(said) == 5
    assert stats["unsaid"] > 0
    assert sum(stats["tiers"].values()) == stats["agents"]


@pytest.mark.parametrize("slices", [1, 7])
def test_tier_limits_hold_for_the_world(slices: int) -> None:
    claims = [[30 + number, 5, 400, 1_000] for number in range(slices)]
    shares = tier_shares([20, 100, 500, 5_000], claims)
    assert [sum(row[tier] for row in shares) for tier in range(4)] == [20, 100, 500, 5_000]


def test_a_directive_names_exactly_one() -> None:
    bench = _bench()
    for args in ({}, {"npc": 1, "group": "x"}, {"npc": -1}):
        with pytest.raises(Faulty):
            bench.direct("focus", **args)
