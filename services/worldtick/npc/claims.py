"""Rules by which inhabitants come to claim another tier: looked at as a tick begins, after its directives.
Lives here: which rule holds for whom, what becomes of its claim. Not here: limits (tiers), what a rule says (scenario).
"""

from typing import Any

import numpy as np

from worldtick.chance.compiled import compiled
from worldtick.npc import brought
from worldtick.npc.acting import holds
from worldtick.npc.kernel import LANES, LEVELS, Hand, Scratch, truths
from worldtick.npc.people import People
from worldtick.npc.plan import Plan

NONE = np.uint8(255)  # no rule holds


def ruled(plan: Plan, people: People, hand: Hand, scratch: Scratch) -> People:
    """The people with the claims that rules give them as the tick begins; `claim` and `claimed_s` are new if any do.

    The first rule that holds decides; for whom none does, and who is in focus, keeps its claim. Conditions see levels
    as they were at the last decision. Raises BadPart if a third-party condition is missing or misbehaves.
    """
    if len(plan.rules.tier) == 0:
        return people
    index = np.arange(len(people.flags), dtype=np.int32)
    bits = brought.bits(plan.brought, people, index, np.full(len(index), hand.from_s))
    tier = np.empty(len(index), np.uint8)
    _first_held(plan.tables, plan.rules, people, index, bits, hand, scratch, tier)
    turned = np.flatnonzero((tier != NONE) & (tier != people.claim) & (people.focus_s <= hand.from_s))
    claim, claimed_s = people.claim.copy(), people.claimed_s.copy()
    claim[turned] = tier[turned]
    claimed_s[turned] = hand.from_s
    return people._replace(claim=claim, claimed_s=claimed_s)


@compiled
def _first_held(
    plan: Any, rules: Any, people: Any, index: Any, brought: Any, hand: Any, scratch: Any, tier: Any
) -> None:
    """Into `tier` (n,): what the first rule says that holds, NONE where none does."""
    for base in range(0, index.shape[0], LANES):
        lanes = min(LANES, index.shape[0] - base)
        who = index[base : base + lanes]
        for lane in range(lanes):
            scratch.at[lane] = hand.from_s
            for k in range(LEVELS):
                scratch.level[k, lane] = people.level[k, who[lane]]
        truths(plan, people, who, brought[base : base + lanes], hand, scratch, lanes)
        for lane in range(lanes):
            tier[base + lane] = _ruling(rules, people.group[who[lane]], scratch.truth[lane])


@compiled
def _ruling(rules: Any, group: Any, truth: Any) -> Any:
    for rule in range(rules.tier.shape[0]):
        first, after = rules.clause_start[rule], rules.clause_start[rule + 1]
        if rules.group[rule, group] and holds(truth, rules.must, rules.never, first, after):
            return rules.tier[rule]
    return NONE
