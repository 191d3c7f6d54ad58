"""The first people of the built-in crowd.
Lives here: how they are drawn from the seed. Not here: what they do (kernel)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.compiled import compiled
from worldtick.chance.philox import scaled_high, scaled_low, words
from worldtick.chance.streams import ChanceStream
from worldtick.society.crowd.rules import (
    EVEN,
    HUNGRY,
    LARDER,
    LONELY,
    PATIENCE_LOW,
    PATIENCE_SPAN,
    PERSON,
    SAVINGS,
    WAGE_LOW,
    WAGE_SPAN,
    WORK_WITHIN,
)
from worldtick.society.crowd.town import Town

SOCIABLE_LOW, SOCIABLE_SPAN = 10, 21


def genesis(town: Town, seed: int) -> NDArray[Any]:
    """(n,) PERSON: everybody at home, with two rations and the price of six, work within ten cells."""
    width, height = town.shape.width, town.shape.height
    n = town.agents
    drawn = words(seed, 0, np.arange(n, dtype=np.uint64), ChanceStream.CROWD_GENESIS)
    people = np.zeros(n, PERSON)
    people["home_x"] = scaled_high(drawn[:, 0], width)
    people["home_y"] = scaled_low(drawn[:, 0], height)
    span = 2 * WORK_WITHIN + 1
    people["work_x"] = np.clip(people["home_x"] + scaled_high(drawn[:, 1], span) - WORK_WITHIN, 0, width - 1)
    people["work_y"] = np.clip(people["home_y"] + scaled_low(drawn[:, 1], span) - WORK_WITHIN, 0, height - 1)
    people["wage"] = WAGE_LOW + scaled_high(drawn[:, 2], WAGE_SPAN)
    people["patience"] = PATIENCE_LOW + scaled_low(drawn[:, 2], PATIENCE_SPAN)
    people["sociability"] = SOCIABLE_LOW + scaled_high(drawn[:, 3], SOCIABLE_SPAN)
    people["hunger"] = scaled_low(drawn[:, 3], HUNGRY)
    people["social"] = scaled_low(drawn[:, 3], LONELY)
    people["mood"] = EVEN
    people["food"] = LARDER
    people["money"] = SAVINGS // 2 * town.food_price_ticks
    people["x"], people["y"] = people["home_x"], people["home_y"]
    stand(people, width, np.full(width * height, -1, np.int32))
    return people


@compiled
def stand(people: Any, width: Any, head: Any) -> None:
    """Link those who stand in one cell, in the order of their numbers. head (cells,) int32, all -1 before."""
    for i in range(people.shape[0]):
        cell = people[i].y * width + people[i].x
        people[i].above = -1
        people[i].below = head[cell]
        if head[cell] >= 0:
            people[head[cell]].above = i
        head[cell] = i


def cells_of(people: NDArray[Any]) -> Iterator[tuple[int, tuple[int, int]]]:
    """(number, cell) of everybody, those in one cell in the order in which they came."""
    above = people["above"].tolist()
    xs, ys = people["x"].tolist(), people["y"].tolist()
    for first in np.nonzero(people["below"] < 0)[0].tolist():
        number = first
        while number >= 0:
            yield number, (xs[number], ys[number])
            number = above[number]
