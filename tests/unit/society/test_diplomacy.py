"""Diplomacy as people would believe it: years with every state, none for ever, true reasons; fear, war, treaties.
Lives here: the core alone. Not here: the service's laws (test_service)."""

import statistics
from typing import Any

import numpy as np
import pytest

from tests.unit.society.courts import calm, days, night_city, plan_of
from worldtick.clock.worldtime import DAY_US
from worldtick.society.diplomacy.days import Breach, Incident, Proposal, score
from worldtick.society.diplomacy.plan import Plan
from worldtick.society.diplomacy.relations import Relations, decode, encode, genesis
from worldtick.society.diplomacy.rules import (
    DWELL_DAYS,
    ENTER_WAR,
    FEARED_MILLI,
    Cause,
    Change,
    Deed,
    Power,
    Relation,
    Treaty,
)

SEEDS = 40
YEAR = 365


def _city() -> Plan:
    section = night_city().diplomacy
    assert section is not None
    return section.plan


def test_years_are_lively_and_no_state_is_for_ever() -> None:
    plan = _city()
    assert plan.pairs == 21
    dwells: list[int] = []
    left: set[Relation] = set()
    for seed in range(SEEDS):
        since = dict.fromkeys(range(plan.pairs), 0)
        seen = set(genesis(plan, seed).state.tolist())
        changes = 0
        for number, lived in enumerate(days(plan, YEAR, seed), 1):
            for changed in lived.changed:
                dwells.append(number - since[changed.pair])
                since[changed.pair] = number
                seen.add(int(changed.new))
                left.add(changed.old)
                changes += 1
        assert seen == set(Relation), f"seed {seed}"
        assert 0.2 <= changes / plan.pairs <= 4, f"seed {seed}: {changes} changes"
    assert left == set(Relation)
    assert statistics.median(dwells) >= 14
    assert min(dwells) >= DWELL_DAYS


def test_a_change_goes_to_a_neighbour_and_its_reason_is_the_largest_contribution() -> None:
    plan = _city()
    count = 0
    for seed in range(8):
        before = genesis(plan, seed)
        for lived in days(plan, YEAR, seed):
            for changed in lived.changed:
                assert abs(changed.new - changed.old) == 1
                assert before.state[changed.pair] == changed.old
                way = changed.new - changed.old
                assert changed.gained[changed.reason] * way == max(part * way for part in changed.gained.values())
                gained = int(score(lived.relations)[changed.pair]) - int(before.mark[changed.pair].sum())
                assert changed.score_change == gained
                assert gained * way > 0
                count += 1
            before = lived.relations
    assert count > 100


def test_twenty_years_end_in_no_eternal_state() -> None:
    plan = _city()
    last = dict.fromkeys(range(plan.pairs), 0)
    for number, lived in enumerate(days(plan, 20 * YEAR, 3), 1):
        for changed in lived.changed:
            last[changed.pair] = number
    assert min(last.values()) > 17 * YEAR
    power = lived.relations.power
    assert power[:, Power.TERRITORY].sum() == plan.power[:, Power.TERRITORY].sum(), "territory only changes hands"
    assert power.min() >= 0
    assert power.max() <= 100_000


def test_fear_deters_war_and_makes_no_friends() -> None:
    """The same hatred with and without fear: afraid, they stay out of war; and fear alone moves nobody to peace."""
    plan = plan_of(2)
    hating: dict[str, Any] = {"love": -66_000, "nature": -66_000, "state": Relation.COLD_WAR}
    hating["part"] = -55_000 * np.eye(1, len(Cause))[0]
    weak = plan_of(2)
    weak.power[1] = 0  # beside this one the other is overwhelming
    fearless = [lived.relations for lived in days(plan, 60, start=calm(plan, **hating))]
    afraid = [lived.relations for lived in days(weak, 60, start=calm(weak, **hating, fear=[0, 100_000]))]
    assert any(relations.state[0] == Relation.WAR for relations in fearless)
    deterred = [int(relations.part[0, Cause.DETERRENCE]) for relations in afraid]
    assert max(deterred) > max(int(relations.part[0, Cause.DETERRENCE]) for relations in fearless)
    for relations in afraid:
        feared = int(relations.part[0, Cause.DETERRENCE])
        assert feared == 0 or int(score(relations)[0]) <= FEARED_MILLI
        assert relations.state[0] == Relation.COLD_WAR


def test_a_war_costs_and_ends() -> None:
    plan = plan_of(2)
    start = calm(plan, love=-80_000, nature=-60_000, state=Relation.COLD_WAR, since=-30)
    start.part[0] = start.mark[0] = 0
    begun = ended = 0
    for number, lived in enumerate(days(plan, 300, start=start), 1):
        for changed in lived.changed:
            begun = begun or (number if changed.new is Relation.WAR else 0)
            ended = ended or (number if changed.old is Relation.WAR else 0)
        if begun == number:
            at_war = lived.relations.power.copy()
        if ended:
            break
    assert 0 < begun < ended < begun + 120
    for kind in (Power.MILITARY, Power.ECONOMY, Power.MORALE):
        assert (lived.relations.power[:, kind] < at_war[:, kind]).all()
    assert lived.treaties[-1].kind is Treaty.NON_AGGRESSION
    assert Deed.PEACE_MADE in lived.relations.deed[0]


def test_allies_are_called_in() -> None:
    """a and b are allies, b and c at war: what a has with c gets worse by allegiance, and by nothing without it."""
    plan = plan_of(3)
    ab, ac, bc = plan.pair(0, 1), plan.pair(0, 2), plan.pair(1, 2)

    def after(state: Relation) -> Relations:
        start = genesis(plan, 1)
        start.state[[ab, ac, bc]] = state, Relation.PEACE, Relation.WAR
        (lived,) = days(plan, 1, start=start)
        return lived.relations

    assert after(Relation.ALLIANCE).part[ac, Cause.ALLEGIANCE] < 0
    assert after(Relation.PEACE).part[ac, Cause.ALLEGIANCE] == 0


def test_dear_staples_and_unrest_at_home_worsen_relations() -> None:
    plan = plan_of(2)
    quiet = [lived.relations for lived in days(plan, 20, prices={"Port/Food": 300})][-1]
    (*_, dear) = days(plan, 5, start=quiet, prices={"Port/Food": 600}, unrest_ppm={"Port": 400_000})
    (*_, even) = days(plan, 5, start=quiet, prices={"Port/Food": 300})
    assert even.relations.part[0, Cause.SCARCITY] == even.relations.part[0, Cause.UNREST] == 0
    assert dear.relations.part[0, Cause.SCARCITY] < -3_000
    assert dear.relations.part[0, Cause.UNREST] < -3_000
    assert score(dear.relations)[0] < score(even.relations)[0]


def test_a_broken_treaty_has_its_price_and_an_expired_one_has_none() -> None:
    plan = plan_of(2)
    offer = Proposal(0, 1, Treaty.TRADE, 31 * DAY_US, 30_000)
    start = calm(plan, love=20_000, nature=20_000, part=np.eye(1, len(Cause))[0] * 20_000)
    kept = list(days(plan, 40, start=start, told={1: (offer,)}))
    notes = [note for lived in kept for note in lived.treaties if note.kind is Treaty.TRADE]
    assert [note.change for note in notes[:2]] == [Change.SIGNED, Change.EXPIRED]
    broken = list(days(plan, 5, start=start, told={1: (offer,), 5: (Breach(1, 0, Treaty.TRADE),)}))
    assert [(note.change, note.side) for note in broken[-1].treaties] == [(Change.BROKEN, 1)]
    assert broken[-1].relations.trust[0, 0] < kept[4].relations.trust[0, 0] - 25_000
    assert broken[-1].relations.until[0, Treaty.TRADE] == 0


def test_a_proposal_that_the_score_forbids_is_refused() -> None:
    plan = plan_of(2)
    hostile = calm(plan, part=-5_000)
    (lived,) = days(plan, 1, start=hostile, told={1: (Proposal(0, 1, Treaty.ALLIANCE, 9 * DAY_US, 0),)})
    assert [note.change for note in lived.treaties] == [Change.REFUSED]
    assert lived.relations.until[0, Treaty.ALLIANCE] == 0


def test_an_incident_is_remembered_and_fades() -> None:
    plan = plan_of(2)
    start = calm(plan, love=0, nature=0, trust=0)
    told = list(days(plan, 200, start=start, told={1: (Incident(0, 1, 60),)}))
    assert told[0].relations.grievance[0, 1].sum() > 50_000
    assert told[0].relations.grievance[0, 0].sum() < 20_000, "who did it holds nothing"
    assert Deed.INCIDENT in told[0].relations.deed[0, 1]
    assert told[-1].relations.grievance[0, 1, -1] < 5_000


@pytest.mark.parametrize("budget", [0, 1, 5, 21, 100])
def test_pairs_beyond_the_budget_wait_their_turn(budget: int) -> None:
    plan = _city()
    for number, lived in enumerate(days(plan, 50, pairs=budget), 1):
        assert lived.evaluated == min(budget, 21)
        assert lived.carried == 21 - lived.evaluated
        if budget:
            assert number - int(lived.relations.seen.min()) <= -(-21 // budget), "nobody waits for more than a round"


def test_bytes_are_whole() -> None:
    plan = plan_of(5)
    *_, lived = days(plan, 100)
    body = encode(lived.relations)
    again = decode(body, plan)
    assert encode(again) == body
    for name, array in lived.relations._asdict().items():
        assert np.array_equal(getattr(again, name), array)
    with pytest.raises(ValueError, match="no relations of 5 factions"):
        decode(body[:-1], plan)
    with pytest.raises(ValueError, match="no relations of 4 factions"):
        decode(body, plan_of(4))


def test_thresholds_lie_apart() -> None:
    """A score that hovers about one threshold changes a state once and not daily."""
    plan = plan_of(2)
    start = calm(plan, love=-70_000, nature=-70_000, state=Relation.COLD_WAR, since=-30)
    changed = [lived.changed for lived in days(plan, 30, start=start)]
    assert sum(map(len, changed)) <= 2
    assert ENTER_WAR < FEARED_MILLI
