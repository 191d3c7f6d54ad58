"""What of a crowd's day is news: a number that is far from its own history, and how long such news lasts.
Lives here: the history of each number at each location, the test, durations. Not here: who counts (days, a Mesa model).

Each number has, for each location, a running mean and a running mean deviation over about 32 days. It is news when it
lies at least four deviations from its mean, on a side that its kind has a word for, after eight days of history. The
news is over when the number is back within two deviations (or after 28 days), and for a week nothing else is said of
it. What goes into mean and deviation is cut off at three deviations, so that one wild day does not make later ones
ordinary.
All integers; means and deviations are in 256ths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SCALE = 256
WARM_DAYS, MEMORY_DAYS, WEEK_DAYS = 8, 32, 7
NEWS_TENTHS, OVER_TENTHS, CUT = 40, 20, 3
LONGEST_DAYS, QUIET_DAYS = 28, 7
FIRST_GUESS = 2 * SCALE  # days that news of a kind is expected to last before any has passed
LEARNS = 4  # of a new duration a quarter goes into the expectation
DAY_MINUTES = 1440
MAGNITUDE_MAX_TENTHS = 1000


class Series(IntEnum):
    """The numbers that are watched: rows."""

    FOOD = 0  # rations bought, per 1000 residents
    RUMOUR = 1  # people who came to believe a rumour, per 1000 residents
    UNREST = 2  # ppm
    GATHERED = 3  # person-hours at meeting places, per 1000 residents
    MOOD = 4  # thousandths
    VISITORS = 5  # people from other sectors in the evening, per 1000 residents
    TALK = 6  # conversations, per 1000 residents, over about a week


SERIES = len(Series)
NAMES: tuple[str, ...] = (
    "food_demand_rising", "food_demand_falling", "rumor_spread", "unrest", "gathering", "mood_shift",
    "population_movement", "social_trend",
)  # fmt: skip
TYPES = len(NAMES)
NO_WORD = -1
UPWARD = np.array([0, 2, 3, 4, 5, 6, 7], np.int64)  # series -> what it is called when its number is high
DOWNWARD = np.array([1, -1, -1, -1, 5, -1, 7], np.int64)

# Planes of a history, each (SERIES, locations) int64
MEAN, DEVIATION, DAYS, OPEN, SINCE, QUIET, EXPECTED = range(7)
PLANES = 7


class Signal(NamedTuple):
    """News of one number at one location."""

    name: str
    location: int
    value: int  # the series' unit
    usual: int
    score_tenths: int  # deviations from the mean
    change_tenths: int  # tenths of a percent, from the mean
    expected_minutes: int


class Passed(NamedTuple):
    """News that is over: what was expected and what happened."""

    name: str
    location: int
    expected_minutes: int
    lasted_minutes: int


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """What a crowd remembers of its numbers."""

    planes: NDArray[np.int64]  # (PLANES, SERIES, locations)
    week: NDArray[np.int64]  # (locations,) 256ths, conversations over about a week
    lasts: NDArray[np.int64]  # (TYPES,) 256ths of a day that news of a kind lasts
    day: int


def first_news(locations: int) -> News:
    """No history yet."""
    return News(
        np.zeros((PLANES, SERIES, locations), np.int64),
        np.zeros(locations, np.int64),
        np.full(TYPES, FIRST_GUESS, np.int64),
        0,
    )


def weekly(news: News, talks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The running week's conversations with today's in it, 256ths; the first day is its own week."""
    if news.day == 0:
        return talks * SCALE
    return news.week + (talks * SCALE - news.week) // WEEK_DAYS


def judge(
    news: News, values: NDArray[np.int64], floors: NDArray[np.int64], peopled: NDArray[np.bool_], speak: bool
) -> tuple[News, list[Signal], list[Passed]]:
    """The day's numbers against their history, and then part of it.

    values, floors (SERIES, locations) int64: the numbers (TALK's as conversations of the day), and the least deviation
    that counts, so that one person more is no news in a small place. peopled (locations,): where nobody lives nothing
    is judged. speak: False for a day that only enters history.
    """
    day = news.day + 1
    week = weekly(news, values[Series.TALK])
    values = values.copy()
    values[Series.TALK] = week // SCALE
    planes = news.planes.copy()
    lasts = news.lasts.copy()
    off = values * SCALE - planes[MEAN]
    limit = np.maximum(planes[DEVIATION], floors * SCALE)
    score = np.abs(off) * 10 // np.maximum(limit, 1)
    passed = _end(planes, lasts, off, score, day)
    word = np.where(off > 0, UPWARD[:, None], DOWNWARD[:, None])
    fresh = (
        (planes[OPEN] == 0) & (planes[DAYS] >= WARM_DAYS) & (day >= planes[QUIET]) & (score >= NEWS_TENTHS)
        & (word != NO_WORD) & peopled
    )  # fmt: skip
    signals: list[Signal] = []
    if speak and fresh.any():
        for series, location in zip(*np.nonzero(fresh), strict=True):
            kind = int(word[series, location])
            planes[OPEN, series, location] = kind + 1
            planes[SINCE, series, location] = day
            planes[EXPECTED, series, location] = lasts[kind]
            usual = int(planes[MEAN, series, location])
            signals.append(
                Signal(
                    NAMES[kind],
                    int(location),
                    int(values[series, location]),
                    usual // SCALE,
                    min(MAGNITUDE_MAX_TENTHS, int(score[series, location])),
                    int(off[series, location]) * 1000 // max(usual, SCALE),
                    int(lasts[kind]) * DAY_MINUTES // SCALE,
                )
            )
    _learn(planes, values, off, limit, peopled)
    return News(planes, week, lasts, day), signals, passed


def _end(
    planes: NDArray[np.int64], lasts: NDArray[np.int64], off: NDArray[np.int64], score: NDArray[np.int64], day: int
) -> list[Passed]:
    """End what is over, and learn how long it took."""
    going = planes[OPEN] > 0
    if not going.any():
        return []
    other_side = np.where(off > 0, UPWARD[:, None], DOWNWARD[:, None]) + 1 != planes[OPEN]
    over = going & ((score < OVER_TENTHS) | other_side | (day - planes[SINCE] >= LONGEST_DAYS))
    passed = []
    for series, location in zip(*np.nonzero(over), strict=True):
        kind = int(planes[OPEN, series, location]) - 1
        days = day - int(planes[SINCE, series, location])
        expected = int(planes[EXPECTED, series, location])
        lasts[kind] += (days * SCALE - int(lasts[kind])) // LEARNS
        planes[OPEN, series, location] = 0
        planes[QUIET, series, location] = day + QUIET_DAYS
        passed.append(Passed(NAMES[kind], int(location), expected * DAY_MINUTES // SCALE, days * DAY_MINUTES))
    return passed


def _learn(
    planes: NDArray[np.int64],
    values: NDArray[np.int64],
    off: NDArray[np.int64],
    limit: NDArray[np.int64],
    peopled: NDArray[np.bool_],
) -> None:
    """Put the day into mean and deviation; the first day is the mean, and a young history learns faster."""
    first = planes[DAYS] == 0
    window = np.minimum(planes[DAYS] + 1, MEMORY_DAYS)
    cut = np.where(planes[DAYS] >= WARM_DAYS, np.clip(off, -CUT * limit, CUT * limit), off)
    planes[MEAN] += np.where(peopled, cut // window, 0)
    spread = np.abs(cut) - planes[DEVIATION]
    planes[DEVIATION] += np.where(peopled & ~first, spread // window, 0)
    planes[DAYS] += np.where(peopled, 1, 0)


def floors_of(residents: NDArray[np.int64], unrest_ppm: int = 10_000, mood: int = 8) -> NDArray[np.int64]:
    """(SERIES, locations): the least deviation of each number. residents (locations,), at least 1.

    Of counts per 1000 residents it is half of what one person adds, and at least 2.
    """
    one = np.maximum(500 // residents, 2)
    floors: NDArray[np.int64] = np.empty((SERIES, len(residents)), np.int64)
    floors[:] = one
    floors[Series.UNREST] = unrest_ppm
    floors[Series.MOOD] = mood
    return floors


def demand_ppm(news: News, values: NDArray[np.int64], low_ppm: int, high_ppm: int) -> Sequence[int]:
    """What each location buys of food against the usual, as a factor; 1,000,000 while there is no history."""
    usual = np.maximum(news.planes[MEAN, Series.FOOD], 1)
    ppm = np.clip(values[Series.FOOD] * SCALE * 1_000_000 // usual, low_ppm, high_ppm)
    known = news.planes[DAYS, Series.FOOD] >= WARM_DAYS
    factors: list[int] = np.where(known, ppm, 1_000_000).tolist()
    return factors
