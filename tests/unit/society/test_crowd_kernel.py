"""The kernel against its oracle, and what people do in the long run.
Lives here: one person after another. Not here: news (test_crowd_news), the service's laws (test_crowd_service)."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.society.crowds import PLENTY, SECTORS, lived, priced, town, wavy
from worldtick.society.crowd import days
from worldtick.society.crowd.city import CrowdModel
from worldtick.society.crowd.days import PEOPLE, CrowdDay
from worldtick.society.crowd.rules import FULL, HOURS_A_DAY, MONEY_MAX, PERSON, Activity, Rumour, Tally
from worldtick.society.crowd.town import rows_of, sectors_of


@pytest.mark.parametrize(
    ("seed", "more"),
    [(1, {}), (-7, {"agents": 140, "width": 30, "height": 61}), (2**63, {"agents": 9, "width": 5, "height": 7})],
)
def test_kernel_and_mesa_model_agree_bit_for_bit_for_60_days(seed: int, more: dict[str, int]) -> None:
    place = town(**more)
    crowd = days.genesis(place, seed)
    model = CrowdModel.from_people(place, seed, crowd.arrays[PEOPLE], 0, crowd.level)
    for day in range(60):
        if day == 30:  # nothing that counts lives only in the model
            model = CrowdModel.from_people(place, seed, model.to_people(), model.hour, model.level)
        prices = wavy(day)
        (result,) = lived(crowd, seed, 1, prices)
        crowd = result.crowd
        model.prices = [prices[f"{sector}/Food"] for sector in SECTORS]
        for _ in range(HOURS_A_DAY):
            model.step()
        _agree(crowd.arrays[PEOPLE], model.to_people(), day)
        assert result.counted is not None
        assert result.counted.present == model.present
        assert (days.values_of(days.census_of(crowd), np.array(model.tallies), np.array(model.present))
                == result.counted.values).all()  # fmt: skip
        assert crowd.level == model.level


def _agree(ours: NDArray[Any], theirs: NDArray[Any], day: int) -> None:
    differing = [name for name in PERSON.names or () if (ours[name] != theirs[name]).any()]
    assert not differing, f"day {day}: {', '.join(differing)}"
    assert ours.tobytes() == theirs.tobytes()


def test_the_model_runs_alone_and_collects() -> None:
    model = CrowdModel(agents=30, width=25, height=25, seed=3)
    for _ in range(48):
        model.step()
    collected = model.datacollector.get_model_vars_dataframe()
    assert len(collected) == 48
    assert collected["hunger"].between(0, FULL).all()
    assert collected["hunger"].nunique() > 10


def test_who_stands_in_a_cell_is_one_list() -> None:
    crowd = days.genesis(town(agents=300), 5)
    for result in lived(crowd, 5, 20):
        people = result.crowd.arrays[PEOPLE]
        for i, person in enumerate(people):
            if person["below"] >= 0:
                other = people[person["below"]]
                assert other["above"] == i
                assert (other["x"], other["y"]) == (person["x"], person["y"])
        tops = people[people["above"] < 0]
        cells = {(int(x), int(y)) for x, y in zip(people["x"], people["y"], strict=True)}
        assert len(tops) == len(cells), "each cell has one newest"


def test_660_days_bankrupt_nobody_and_everybody_still_acts() -> None:
    crowd = days.genesis(town(), 11)
    bought = protested = 0
    seen: set[int] = set()
    for day in range(660):
        (result,) = lived(crowd, 11, 1, wavy(day))
        crowd = result.crowd
        assert result.counted is not None
        if day >= 600:
            bought += int(result.counted.values[0, -1])
        for hour in (12, 19) if day % 10 == 0 else ():
            (halfway,) = lived(crowd, 11, 1, wavy(day), steps=hour * 100)
            seen |= set(halfway.crowd.arrays[PEOPLE]["activity"].tolist())
            protested += int(halfway.crowd.tallies[:, Tally.PROTESTED].sum())
    people = crowd.arrays[PEOPLE]
    ration = crowd.level // 256
    assert (people["money"] >= ration).mean() > 0.98, "who cannot pay for a ration is bankrupt"
    assert people["money"].min() >= 0
    assert people["money"].max() < 200 * ration < MONEY_MAX, "nor does money pile up"
    assert (people["hunger"] < FULL).mean() > 0.95
    assert 1200 < bought / 60 < 2200, "they eat about 1.7 rations a day as they did"
    assert seen == set(map(int, Activity))
    assert protested > 0


def test_traits_and_needs_stay_within_their_bounds() -> None:
    crowd = days.genesis(town(agents=500), 2)
    for result in lived(crowd, 2, 60, priced(900)):
        people = result.crowd.arrays[PEOPLE]
        for name in ("hunger", "social", "mood", "discontent"):
            assert people[name].min() >= 0
            assert people[name].max() <= FULL
        assert ((people["rumour"] == Rumour.NONE) == (people["keep_h"] == 0)).all()
        assert people["x"].max() < 50
        assert people["home_y"].max() < 50


def test_rumours_pass_from_one_to_another_and_die_out() -> None:
    quiet = town(agents=200)
    crowd = days.genesis(quiet, 4)
    people = crowd.arrays[PEOPLE]
    people["rumour"][:3], people["tell_h"][:3], people["keep_h"][:3] = Rumour.DREAD, 60, 288
    told = [int((r.crowd.arrays[PEOPLE]["rumour"] == Rumour.DREAD).sum()) for r in lived(crowd, 4, 12)]
    assert max(told) > 20, "three tell, many hear"
    tellers = [int((r.crowd.arrays[PEOPLE]["tell_h"] > 0).sum()) for r in lived(crowd, 4, 12)]
    assert tellers[-1] < max(tellers) / 2, "nobody is left who has not heard"


def test_dear_food_makes_unrest_and_cheap_food_ends_it() -> None:
    crowd = days.genesis(town(), 6)
    *_, calm = lived(crowd, 6, 30, priced(300))
    *_, dear = lived(calm.crowd, 6, 10, priced(800))
    *_, again = lived(dear.crowd, 6, 60, priced(300))
    unrest = [sum((result.unrest_ppm or {}).values()) / 4 for result in (calm, dear, again)]
    assert unrest[0] < 50_000 < 100_000 < unrest[1]
    assert unrest[2] < unrest[1] / 3
    food = [sum((result.demand_ppm or {}).values()) / 4 for result in (calm, dear)]
    assert food[1] != food[0]


def test_a_short_budget_only_delays_a_life() -> None:
    place = town(agents=40, width=30, height=30)
    first = days.genesis(place, 8)
    *_, plenty = lived(first, 8, 10)
    crowd, spent = first, 0
    for grant in (137, 0, 1, 900, 4_000, 9_600 - 137 - 1 - 900 - 4_000, 2_000):
        due = crowd.owed + place.day_steps
        result = days.step(crowd, CrowdDay(8, grant, {}))
        crowd, spent = result.crowd, spent + result.used
        assert (result.used, result.owed) == (min(grant, due), due - min(grant, due))
    assert (crowd.hour, crowd.agent, crowd.owed) == (7 * 24, 0, 0)
    assert spent == 7 * place.day_steps
    *_, seventh = lived(first, 8, 7)
    assert crowd.arrays[PEOPLE].tobytes() == seventh.crowd.arrays[PEOPLE].tobytes()
    assert (crowd.news.planes[0] == seventh.crowd.news.planes[0]).all()
    *_, tenth = lived(crowd, 8, 3)
    assert tenth.crowd.arrays[PEOPLE].tobytes() == plenty.crowd.arrays[PEOPLE].tobytes()


def test_sectors_tile_the_grid() -> None:
    assert rows_of(1) == (1,)
    assert rows_of(4) == (2, 2)
    assert rows_of(7) == (4, 3)
    for number in (1, 2, 4, 7, 12):
        grid = sectors_of([str(i) for i in range(number)], 50, 40).reshape(40, 50)
        assert set(grid.ravel().tolist()) == set(range(number))
        counts = np.bincount(grid.ravel())
        assert counts.max() < 2.5 * counts.min()


def test_prices_come_from_facts_else_from_the_scenario() -> None:
    place = town(food_price_ticks=250)
    assert days.prices_of(place, {"Harbor/Food": 410, "Harbor/Wood": 9}).tolist() == [250, 250, 410, 250]
    assert days.prices_of(place, {"Harbor/Food": 0}).min() == 1
    assert place.day_steps < PLENTY
