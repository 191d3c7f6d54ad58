"""What of a crowd is news: all kinds of it, not every day, within a month, and how long it was thought to last.
Lives here: signals over many days and seeds. Not here: what people do (test_crowd_kernel), events (test_crowd_service).
"""

from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np

from tests.unit.society.crowds import lived, town, wavy
from worldtick.society.crowd import days, news
from worldtick.society.crowd.days import CrowdLived
from worldtick.society.crowd.news import DEVIATION, MEAN, NAMES, QUIET_DAYS, SERIES, WARM_DAYS, Series, floors_of, judge

YEARS = 12
DAYS = 360


@lru_cache(maxsize=1)
def _years() -> tuple[tuple[CrowdLived, ...], ...]:
    """A year of each of some worlds, prices as they move in markets."""
    return tuple(_year(seed) for seed in range(YEARS))


def _year(seed: int) -> tuple[CrowdLived, ...]:
    crowd = days.genesis(town(), seed)
    year = []
    for day in range(DAYS):
        (result,) = lived(crowd, seed, 1, wavy(day))
        crowd = result.crowd
        year.append(result)
    return tuple(year)


def test_every_kind_of_news_comes() -> None:
    told = Counter(signal.name for year in _years() for result in year for signal in result.signals)
    assert set(told) == set(NAMES)
    assert min(told.values()) >= 5, told


def test_news_is_rare_and_comes_within_a_month() -> None:
    windows = silent = 0
    for year in _years():
        told = np.array([bool(result.signals) for result in year])
        assert 0.05 < told.mean() < 0.5, "neither every day nor hardly ever"
        spoken = np.convolve(told, np.ones(30), "valid") > 0
        windows, silent = windows + spoken.size, silent + int((~spoken).sum())
        assert told[:45].any()
    assert silent < windows / 100, f"{silent} of {windows} months without any"


def test_sector_counts_sum_to_the_crowd_every_day() -> None:
    for result in _years()[0]:
        assert result.counted is not None
        assert sum(result.counted.residents) == 100
        assert sum(map(sum, result.counted.present)) == 100
        assert [sum(row) for row in result.counted.present] == result.counted.residents


def test_what_was_expected_to_last_is_what_happened() -> None:
    """Over a year each kind's expectations come near what happened, and err less than the first guess would."""
    asked: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for year in _years():
        for result in year[120:]:
            for passed in result.passed:
                asked[passed.name].append((passed.expected_minutes, passed.lasted_minutes))
    error = guess = 0
    for name, pairs in asked.items():
        expected, lasted = np.array(pairs).T
        if len(pairs) >= 20:
            assert 2 / 3 < expected.mean() / lasted.mean() < 3 / 2, name
        error += int(np.abs(expected - lasted).sum())
        guess += int(np.abs(2 * news.DAY_MINUTES - lasted).sum())
    assert sum(map(len, asked.values())) > 200
    assert error < guess * 0.8


def test_news_is_far_from_what_was_usual_and_not_repeated() -> None:
    for year in _years()[:4]:
        going: dict[tuple[Series, int], int] = {}
        for day, result in enumerate(year):
            for passed in result.passed:
                going[Series(_series(passed.name)), passed.location] = day
            for signal in result.signals:
                assert signal.score_tenths >= news.NEWS_TENTHS
                key = Series(_series(signal.name)), signal.location
                assert day - going.get(key, -100) >= QUIET_DAYS, "a week's rest after the last"
                going[key] = 10**6  # none again before it has passed
                if signal.name.endswith("rising"):
                    assert signal.value > signal.usual
                if signal.name.endswith("falling"):
                    assert signal.value < signal.usual


def _series(name: str) -> int:
    kind = NAMES.index(name)
    return next(i for i in range(SERIES) if kind in (news.UPWARD[i], news.DOWNWARD[i]))


def _flat(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.full((SERIES, 2), value, np.int64)


def test_a_step_up_is_news_once_and_then_the_usual() -> None:
    history = news.first_news(2)
    floors, peopled = floors_of(np.array([500, 500])), np.array([True, False])
    told = []
    for day in range(200):
        values = _flat(1_000 + (day * 7) % 5 + (0 if day < 100 else 400))
        history, signals, passed = judge(history, values, floors, peopled, True)
        told += [(day, signal.name, signal.location) for signal in signals]
        assert all(each.lasted_minutes <= 28 * news.DAY_MINUTES for each in passed)
    assert {name for day, name, _ in told if day == 100} >= {"food_demand_rising", "rumor_spread", "gathering"}
    assert all(day >= 100 and location == 0 for day, _, location in told), "nobody lives at the other"
    assert len([1 for _, name, _ in told if name == "gathering"]) < 5
    assert history.planes[MEAN, Series.GATHERED, 0] > 1_300 * news.SCALE


def test_no_news_before_there_is_a_history_nor_when_nobody_speaks() -> None:
    history = news.first_news(2)
    floors, peopled = floors_of(np.array([100, 100])), np.array([True, True])
    for day in range(WARM_DAYS - 1):
        history, signals, _ = judge(history, _flat(1_000 + 700 * (day % 2)), floors, peopled, True)
        assert not signals
    for _ in range(30):
        history, signals, _ = judge(history, _flat(1_000), floors, peopled, True)
    history, signals, _ = judge(history, _flat(5_000), floors, peopled, False)
    assert not signals
    assert (history.planes[DEVIATION] >= 0).all()


def test_one_person_more_is_no_news_in_a_small_place() -> None:
    assert floors_of(np.array([10]))[Series.VISITORS, 0] == 50
    assert floors_of(np.array([100_000]))[Series.VISITORS, 0] == 2
