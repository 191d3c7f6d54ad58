"""Crowds that somebody brings: a Mesa model lives as a world's crowd and keeps the laws.
Lives here: the shipped example and faulty models. Not here: the built-in crowd."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import mesa
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.society.crowds import ALONE, SECTORS, priced, town
from worldtick.kit.batch import check_batch
from worldtick.kit.bench import Bench
from worldtick.kit.budgets import check_budget
from worldtick.kit.elsewhere import check_elsewhere
from worldtick.kit.purity import check_codec, check_takeover
from worldtick.kit.sayings import check_declared, check_events
from worldtick.society.crowd import brought, days
from worldtick.society.crowd.days import Crowd, CrowdDay
from worldtick.society.crowd.errors import BadCrowd
from worldtick.society.crowd.news import Series
from worldtick.society.crowd.proving import check_crowd
from worldtick.society.crowd.schelling import Schelling
from worldtick.society.names import AGENT_STEPS

SECTION: dict[str, Any] = {"model": "schelling", "agents": 120, "width": 14, "height": 12, "sectors": SECTORS}
DAY = 24 * 120


class Tally(mesa.Model):  # type: ignore[misc]  # Mesa has no types
    """A model that adds up what its generators and its prices say."""

    prices: ClassVar[Any] = None

    def __init__(self, agents: int = 1, width: int = 5, height: int = 5, seed: int | None = None) -> None:
        super().__init__(rng=seed)
        self.sum = np.zeros(3, np.int64)

    def step(self) -> None:
        self.sum += [self.random.randrange(1_000), int(self.rng.integers(1_000)), int(sum(self.prices))]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {"sum": self.sum}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], agents: int, width: int, height: int) -> "Tally":
        model = cls(agents, width, height, seed=0)
        model.sum = arrays["sum"]
        return model

    def observe(self, sectors: int, sector_of: NDArray[np.int32]) -> Mapping[str, Any]:
        return {"residents": [1] * sectors, "talks": [2] * sectors}


class Words(Tally):
    """A model that says its state in words."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {"words": np.array(["a", "bc"])}


class Half:
    """No model at all."""


@pytest.fixture
def more_models(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name, f"{__name__}:{name.title()}", brought.GROUP) for name in ("tally", "words", "half")]
    points.append(EntryPoint("gone", "no.such.module:Model", brought.GROUP))
    monkeypatch.setattr(brought, "entry_points", lambda group: points)
    brought.model_class.cache_clear()


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    brought.model_class.cache_clear()


def _bench(seed: int = 1, steps: int | None = None) -> Bench[Crowd]:
    return Bench(ALONE, SECTION, seed=seed, budgets={} if steps is None else {AGENT_STEPS: steps})


def test_schelling_keeps_the_laws() -> None:
    """All but check_pure: it cannot know that Mesa's generators were seeded from the tick."""
    benches = [_bench().lived(5), _bench(seed=-3, steps=DAY // 2 + 7).lived(4)]
    for bench in benches:
        check_codec(bench)
        check_takeover(bench)
        check_budget(bench, largest=120)
        check_declared(bench)
        check_events(bench)
    check_batch(*benches)
    check_elsewhere(*benches, place="tests.unit.society.crowds:ALONE", hash_seeds=(1, 2))


def test_the_same_days_are_lived_again_and_another_seed_lives_others() -> None:
    assert _bench().lived(3).digests() == _bench().lived(3).digests()
    assert _bench().lived(3).digests() != _bench(seed=2).lived(3).digests()


def test_a_short_budget_only_delays_a_model_that_comes_back_whole() -> None:
    place = days.genesis(town(**SECTION), 7)
    whole = short = place
    for _ in range(2):
        whole = days.step(whole, CrowdDay(7, DAY, {})).crowd
    for grant, used in ((1_000, 960), (0, 0), (DAY, DAY), (2 * DAY - 960 - DAY, DAY - 960)):
        result = days.step(short, CrowdDay(7, grant, {}))
        assert result.used == used, "whole hours only"
        short = result.crowd
    assert short.hour == whole.hour == 48
    for name, array in whole.arrays.items():
        assert array.tobytes() == short.arrays[name].tobytes()


def test_schelling_segregates_and_its_numbers_are_watched() -> None:
    *_, lived = Bench(ALONE, {**SECTION, "options": {"turnover_ppm": 0}}, seed=2).run(4)
    counted = lived.slices[0].step.events[-1].data
    assert sum(counted["residents"].values()) == 120
    model = Schelling(agents=120, width=14, height=12, seed=2, turnover_ppm=0)
    before = sum(each.is_happy for each in model.agents)
    for _ in range(40):
        model.step()
    assert sum(each.is_happy for each in model.agents) > before
    crowd = days.genesis(town(**SECTION), 2)
    result = days.step(crowd, CrowdDay(2, DAY, {}))
    assert result.counted is not None
    assert 300 <= result.counted.values[Series.MOOD, -1] <= 700


def test_schelling_says_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="a tenth of them empty"):
        Schelling(agents=100, width=10, height=10)


@pytest.mark.usefixtures("more_models")
def test_a_model_hears_prices_and_draws_from_the_worlds_seed() -> None:
    place = town(model="tally", agents=1)
    one, two = (days.step(days.genesis(place, 9), CrowdDay(9, 24, priced(400))).crowd for _ in range(2))
    other = days.step(days.genesis(place, 10), CrowdDay(10, 24, priced(400))).crowd
    assert one.arrays["sum"].tolist() == two.arrays["sum"].tolist()
    assert one.arrays["sum"][2] == other.arrays["sum"][2] == 24 * 4 * 400
    assert one.arrays["sum"][0] != other.arrays["sum"][0]
    assert one.arrays["sum"][1] != other.arrays["sum"][1]


@pytest.mark.usefixtures("more_models")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("gone", "cannot be loaded: No module named 'no'"),
        ("half", "has no step, to_arrays, from_arrays, observe"),
        ("none", "there are city, gone, half, schelling, tally, words"),
    ],
)
def test_a_model_that_is_none_is_refused(name: str, fault: str) -> None:
    with pytest.raises(BadCrowd, match=fault):
        brought.model_class(name)


@pytest.mark.usefixtures("more_models")
def test_arrays_without_one_form_in_bytes_are_refused() -> None:
    with pytest.raises(BadCrowd, match="gave 'words' as <U2"):
        days.genesis(town(model="words", agents=1), 1)


def test_the_shipped_example_lives_in_its_arrays() -> None:
    check_crowd(Schelling, agents=60)


@pytest.mark.parametrize(
    ("kept", "fault"),
    [
        ("memory", "after hour 2 a model made from its arrays differs in sum"),
        ("observed", "observe says joy; there are bought"),
        ("residents", "observe does not say residents"),
        ("shape", r"observe says residents of \(1,\) sectors"),
        ("kind", "residents is to be counts"),
    ],
)
def test_what_an_author_gets_wrong_is_named(kept: str, fault: str) -> None:
    class Faulty(Tally):
        def __init__(self, agents: int = 1, width: int = 5, height: int = 5, seed: int | None = None) -> None:
            super().__init__(agents, width, height, seed)
            self.hidden = 0

        def step(self) -> None:
            super().step()
            if kept == "memory":
                self.sum += self.hidden
                self.hidden += 1

        def observe(self, sectors: int, sector_of: NDArray[np.int32]) -> Mapping[str, Any]:
            said: dict[str, dict[str, Any]] = {
                "observed": {"residents": [1] * sectors, "joy": [1] * sectors},
                "residents": {"mood": [1] * sectors},
                "shape": {"residents": [1]},
                "kind": {"residents": [0.5] * sectors},
            }
            return said.get(kept, {"residents": [1] * sectors})

    with pytest.raises(AssertionError, match=fault):
        check_crowd(Faulty)
