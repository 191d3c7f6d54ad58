"""The kernel and plain Python side by side, tick after tick.
Lives here: the comparison. Not here: the oracle (plain), which worlds are compared (test_plain, test_brought)."""

from typing import Any

import numpy as np

from tests.unit.npc.cities import moment, plan_of
from tests.unit.npc.plain import Oracle
from worldtick.npc.hours import step
from worldtick.npc.people import LIVED, genesis


def compared(section: dict[str, Any], seed: int, ticks: int, **changes: Any) -> int:
    """Live some ticks both ways; the decisions compared."""
    plan = plan_of(section)
    state = genesis(plan, seed, 0)
    compared = 0
    start = 1 + seed * 1_117 % 1_000
    for seq in range(start, start + ticks):
        told = moment(seq, seed=seed, **changes)
        lived = step(state, told)
        quiet = step(state, moment(seq, seed=seed, **(changes | {"decisions": 0}))).slice  # tiers alone
        before = Oracle(state, told)
        claims = zip(quiet.people.claim.tolist(), quiet.people.claimed_s.tolist(), strict=True)
        assert list(claims) == [before.claim(i) for i in range(plan.count)], f"claims in tick {seq}"
        oracle = Oracle(quiet, told)
        oracle.live()
        for name in LIVED:
            ours = getattr(lived.slice.people, name)
            assert np.array_equal(ours, np.array(oracle.row[name], ours.dtype)), f"{name} in tick {seq}"
        log = lived.log
        lines = zip(log.at, log.who, log.what, log.phase, log.place, log.partner, strict=True)
        assert [tuple(map(int, line)) for line in lines] == sorted(oracle.lines, key=lambda line: line[:2])
        assert lived.intents.tolist() == [list(ask) for ask in sorted(oracle.asks, key=lambda ask: (ask[4], ask[0]))]
        assert lived.used == oracle.used
        compared += lived.used
        state = lived.slice
    return compared
