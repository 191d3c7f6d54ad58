"""A crowd's days: agent-steps under a budget, what was counted in a day, what of it is news, what it wants.
Lives here: the state of a crowd, its first state and its step. Not here: rules (kernel), the test (news), events.

A crowd owes 24 steps of each person for every day. What the budget does not allow stays owed and is done first in the
next tick, from the very person and hour where it stopped. A day that is whole is closed: its counts are judged and
begin anew. Random words are named by the crowd's own day and hour, so a crowd that lags lives the same life later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK
from worldtick.society.crowd import brought, kernel, people, places
from worldtick.society.crowd.news import News, Passed, Series, Signal, demand_ppm, first_news, floors_of, judge
from worldtick.society.crowd.rules import (
    HOURS_A_DAY,
    KEEP_H,
    LEVEL_DAYS,
    LEVEL_SCALE,
    PROTEST_H,
    TALLIES,
    TELL_H,
    Rumour,
    Tally,
)
from worldtick.society.crowd.town import Town

PEOPLE = "people"
DEMAND_LOW_PPM, DEMAND_HIGH_PPM = 500_000, 2_000_000
UNREST_OF_DISCONTENT, UNREST_OF_PROTEST = 600, 400_000 // PROTEST_H  # ppm per thousandth, per hour of a resident
PPM = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """A crowd between two ticks. k sectors."""

    town: Town
    arrays: dict[str, NDArray[Any]]  # {"people": (n,) PERSON}, or what a Mesa model gave
    tallies: NDArray[np.int64]  # (k, TALLIES), of the day that is not over
    present: NDArray[np.int64]  # (k, k), who lives where and is where in the evening
    news: News
    owed: int = 0  # agent-steps
    hour: int = 0  # of its life, in which the next person acts
    agent: int = 0  # who acts next
    level: int = 0  # the usual price of a ration, in 256ths of a price tick


class Planted(NamedTuple):
    """A rumour that somebody from outside tells in a sector."""

    sector: int
    kind: int
    tellers: int


class CrowdDay(NamedTuple):
    """What a tick tells a crowd."""

    seed: int
    agent_steps: int  # the budget
    prices: Mapping[str, int]  # district/commodity -> price ticks
    planted: tuple[Planted, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """A day that is over, by sector: what the daily summary says."""

    day: int
    residents: list[int]
    present: list[list[int]]  # who lives where and was where in the evening
    values: NDArray[np.int64]  # (SERIES, k + 1)


@dataclass(frozen=True, slots=True)
class CrowdLived:
    """A crowd after a tick, and what came of it."""

    crowd: Crowd
    used: int
    owed: int
    counted: Counted | None = None  # the last day that ended in this tick
    signals: list[Signal] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    demand_ppm: dict[str, int] | None = None  # district/commodity/crowd -> factor; None: nothing new
    unrest_ppm: dict[str, int] | None = None  # district -> ppm


def genesis(town: Town, seed: int) -> Crowd:
    """A crowd at the first midnight."""
    arrays = {PEOPLE: people.genesis(town, seed)} if town.model == brought.BUILT_IN else brought.genesis(town, seed)
    return empty(town, arrays)


def empty(town: Town, arrays: dict[str, NDArray[Any]]) -> Crowd:
    """A crowd of these people that has no past."""
    k = len(town.sectors)
    return Crowd(
        town,
        arrays,
        np.zeros((k, TALLIES), np.int64),
        np.zeros((k, k), np.int64),
        first_news(k + 1),
        level=town.food_price_ticks * LEVEL_SCALE,
    )


def step(crowd: Crowd, day: CrowdDay) -> CrowdLived:
    """One tick: a day more is owed, and as much of what is owed is lived as the budget allows."""
    town = crowd.town
    owed = crowd.owed + town.day_steps
    prices = prices_of(town, day.prices)
    lived = replace(
        crowd,
        arrays={name: array.copy() for name, array in crowd.arrays.items()},
        tallies=crowd.tallies.copy(),
        present=crowd.present.copy(),
    )
    for planted in day.planted:
        _plant(lived, planted)
    left = min(owed, day.agent_steps)
    result = CrowdLived(lived, 0, owed)
    while left > 0:
        wanted = min(left, town.day_steps - (result.crowd.hour % HOURS_A_DAY * town.agents + result.crowd.agent))
        moved, used = _advance(result.crowd, day.seed, prices, wanted)
        if used == 0:  # less than one whole step of a model that cannot be cut
            break
        left -= used
        owed -= used
        result = replace(result, crowd=replace(moved, owed=owed), used=result.used + used, owed=owed)
        if moved.agent == 0 and moved.hour % HOURS_A_DAY == 0:
            result = _close(result, prices, last=left < town.day_steps)
    return replace(result, crowd=replace(result.crowd, owed=owed))


def prices_of(town: Town, prices: Mapping[str, int]) -> NDArray[np.int64]:
    """(k,) price ticks of a ration in each sector; the scenario's where there is no market."""
    found = [prices.get(f"{sector}/{town.food}", town.food_price_ticks) for sector in town.sectors]
    return np.maximum(np.array(found, np.int64), 1)


def _advance(crowd: Crowd, seed: int, prices: NDArray[np.int64], steps: int) -> tuple[Crowd, int]:
    """So many agent-steps at most, within one day; the crowd's arrays change in place."""
    town = crowd.town
    if town.model != brought.BUILT_IN:
        arrays, counts, done = brought.advance(town, crowd.arrays, seed, crowd.hour, steps // town.agents, prices)
        crowd.tallies[:] += counts
        return replace(crowd, arrays=arrays, hour=crowd.hour + done), done * town.agents
    body = crowd.arrays[PEOPLE]
    shape = town.shape
    head = np.empty(shape.width * shape.height, np.int32)
    places.find_heads(body, shape.width, head)
    protesters = np.zeros(shape.places_x * shape.places_y, np.int64)
    places.count_protesters(shape, body, protesters)
    hour, agent = kernel.live(
        shape, body, head, town.sector_of, prices, crowd.level // LEVEL_SCALE, crowd.tallies, crowd.present,
        protesters, np.uint64(seed & WORD_MASK), crowd.hour, crowd.agent, steps,
    )  # fmt: skip
    return replace(crowd, hour=hour, agent=agent), steps


def _close(result: CrowdLived, prices: NDArray[np.int64], last: bool) -> CrowdLived:
    """Judge the day that is over, and begin the next. Only the last one of a tick is spoken of."""
    crowd = result.crowd
    town = crowd.town
    census = census_of(crowd)
    values = values_of(census, crowd.tallies, crowd.present)
    residents = np.maximum(_with_all(census[0]), 1)
    peopled = _with_all(census[0]) > 0
    news, signals, passed = judge(crowd.news, values, floors_of(residents), peopled, last)
    demand = demand_ppm(crowd.news, values, DEMAND_LOW_PPM, DEMAND_HIGH_PPM)
    level = crowd.level + (int(prices.sum()) * LEVEL_SCALE // len(prices) - crowd.level) // LEVEL_DAYS
    counted = Counted(news.day, census[0].tolist(), crowd.present.tolist(), values)
    begun = replace(
        crowd, tallies=np.zeros_like(crowd.tallies), present=np.zeros_like(crowd.present), news=news, level=level
    )
    return replace(
        result,
        crowd=begun,
        counted=counted,
        signals=signals,
        passed=[*result.passed, *passed],
        demand_ppm={f"{name}/{town.food}/crowd": demand[i] for i, name in enumerate(town.sectors)},
        unrest_ppm={name: int(values[Series.UNREST, i]) for i, name in enumerate(town.sectors)},
    )


def census_of(crowd: Crowd) -> NDArray[np.int64]:
    """(3, k): residents of each sector, sum of their moods, sum of their discontent."""
    town = crowd.town
    if town.model != brought.BUILT_IN:
        return brought.census(town, crowd.arrays)
    census = np.zeros((3, len(town.sectors)), np.int64)
    places.census(town.shape, crowd.arrays[PEOPLE], town.sector_of, census)
    return census


def _with_all(row: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.append(row, row.sum())


def values_of(census: NDArray[np.int64], tallies: NDArray[np.int64], present: NDArray[np.int64]) -> NDArray[np.int64]:
    """(SERIES, k + 1): the day's numbers of each sector, and of all in the last column."""
    residents, moods, anger = (np.maximum(_with_all(row), floor) for row, floor in zip(census, (1, 0, 0), strict=True))
    counts = np.vstack([tallies, tallies.sum(axis=0)]).T
    own = np.diagonal(present)
    visitors = np.append(present.sum(axis=0) - own, present.sum() - own.sum())
    return np.stack(
        [
            counts[Tally.BOUGHT] * 1000 // residents,
            counts[Tally.HEARD] * 1000 // residents,
            np.minimum(PPM, (anger * UNREST_OF_DISCONTENT + counts[Tally.PROTESTED] * UNREST_OF_PROTEST) // residents),
            counts[Tally.GATHERED] * 1000 // residents,
            moods // residents,
            visitors * 1000 // residents,
            counts[Tally.TALKS] * 1000 // residents,
        ]
    )


def _plant(crowd: Crowd, planted: Planted) -> None:
    """The first so many residents of a sector who believe nothing yet begin to tell; a Mesa model hears nothing."""
    if PEOPLE not in crowd.arrays or crowd.town.model != brought.BUILT_IN:
        return
    body = crowd.arrays[PEOPLE]
    shape = crowd.town.shape
    home = body["home_y"].astype(np.int64) * shape.width + body["home_x"]
    open_to = (crowd.town.sector_of[home] == planted.sector) & (body["rumour"] == Rumour.NONE)
    tellers = np.nonzero(open_to)[0][: planted.tellers]
    for teller in tellers.tolist():
        person = body[teller]
        person["rumour"] = planted.kind
        person["tell_h"], person["keep_h"] = TELL_H, KEEP_H
        person["meet"] = places.place_of(int(person["home_x"]), int(person["home_y"]), shape.places_x, shape.places_y)
