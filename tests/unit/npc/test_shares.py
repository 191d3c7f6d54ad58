"""How budgets are divided over slices, and that nobody starves by it.
Lives here: sums, ties, the bound on waiting with 37 slices. Not here: decisions within a slice (test_lives)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.npc.cities import HOUR_S, city, moment, plan_of
from worldtick.npc.hours import step
from worldtick.npc.people import genesis
from worldtick.npc.shares import Need, divided, granted

claims = st.lists(st.integers(0, 10_000), min_size=1, max_size=40)


@given(total=st.integers(0, 100_000), asked=claims)
def test_shares_are_whole_and_exact(total: int, asked: list[int]) -> None:
    shares = divided(total, asked)
    assert sum(shares) == min(total, sum(asked))
    assert all(0 <= share <= claim for share, claim in zip(shares, asked, strict=True))
    if sum(asked) > total:
        assert all(abs(s * sum(asked) - total * a) < sum(asked) for s, a in zip(shares, asked, strict=True))


@given(budget=st.integers(0, 100_000), due=claims)
def test_grants_spend_the_whole_budget_and_no_more(budget: int, due: list[int]) -> None:
    needs = [Need(count, count * 7 % 97) for count in due]
    grants = granted(budget, needs)
    assert sum(grants) == budget
    assert min(grants) >= 0
    if sum(due) <= budget:
        assert all(grant >= need.due for grant, need in zip(grants, needs, strict=True))


def test_the_longest_waiting_come_first() -> None:
    assert granted(10, [Need(100, 0), Need(4, 9), Need(100, 5)]) == [3, 4, 3]


@pytest.mark.parametrize("budget", [10, 83])
def test_nobody_waits_longer_than_the_bound_in_37_slices(budget: int) -> None:
    plan = plan_of(city(slice_npcs=55))
    half = (budget + 1) // 2
    bound = 1 + plan.slices + -(-plan.count // half)
    states = [genesis(plan, 7, number) for number in range(plan.slices)]
    needs = [Need(plan.span(number)[1], 0) for number in range(plan.slices)]
    worst = []
    for seq in range(1, min(bound, 120) + 1):
        grants = granted(budget, needs)
        lived = [
            step(state, moment(seq, decisions=grant, limits=(9_999,) * 4, intervals_s=(60,) * 4))
            for state, grant in zip(states, grants, strict=True)
        ]
        assert sum(each.used for each in lived) <= budget
        states = [each.slice for each in lived]
        needs = [Need(each.carried + each.rate_hour, each.wait_s) for each in lived]
        worst.append(max(each.wait_s for each in lived))
    assert max(worst) <= bound * HOUR_S
    if budget == 83:
        assert np.median(worst[60:]) == pytest.approx(float(max(worst)), rel=0.3), "it has come to rest"
