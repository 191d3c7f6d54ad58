"""Whether a Mesa model can be a world's crowd: what its author's test calls.
Lives here: the checks. Not here: running one (brought)."""

from typing import Any

import numpy as np

from worldtick.society.crowd.brought import LEVELS, Arrays, checked, live_hour
from worldtick.society.crowd.rules import Tally
from worldtick.society.crowd.town import sectors_of

SEED = 20_200_101


def check_crowd(
    model: type[Any], *, agents: int = 40, width: int = 10, height: int = 12, hours: int = 48, **options: int
) -> None:
    """A model's life is in its arrays: taken apart and put together after every hour it lives as the untouched one.

    Raises AssertionError that names the hour and the arrays that differ (what differs was kept in memory, or is drawn
    from a generator that is not the model's), or what `observe` says that cannot be.
    """
    name = model.__name__
    whole, again = (model(agents=agents, width=width, height=height, seed=SEED, **options) for _ in range(2))
    _compare(name, 0, checked(name, whole.to_arrays()), checked(name, again.to_arrays()))
    sector_of = sectors_of(("west", "east", "south"), width, height).reshape(height, width)
    prices = np.full(3, 300, np.int64)
    for hour in range(hours):
        arrays = checked(name, again.to_arrays())
        again = model.from_arrays(arrays, agents=agents, width=width, height=height, **options)
        for each in (whole, again):
            live_hour(each, SEED, hour, prices)
        _compare(name, hour + 1, checked(name, whole.to_arrays()), checked(name, again.to_arrays()))
        _check_observed(name, whole.observe(3, sector_of), again.observe(3, sector_of))


def _compare(name: str, hour: int, whole: Arrays, again: Arrays) -> None:
    assert whole.keys() == again.keys(), f"{name}: after hour {hour} to_arrays has other names: {sorted(again)}"
    differing = [
        part
        for part in whole
        if (whole[part].dtype, whole[part].shape) != (again[part].dtype, again[part].shape)
        or whole[part].tobytes() != again[part].tobytes()
    ]
    assert not differing, f"{name}: after hour {hour} a model made from its arrays differs in {', '.join(differing)}"


def _check_observed(name: str, whole: Any, again: Any) -> None:
    known = {*LEVELS, *(tally.name.lower() for tally in Tally)}
    unknown = sorted(set(whole) - known)
    assert not unknown, f"{name}: observe says {', '.join(unknown)}; there are {', '.join(sorted(known))}"
    assert "residents" in whole, f"{name}: observe does not say residents"
    for part, row in whole.items():
        numbers = np.asarray(row)
        assert numbers.shape == (3,), f"{name}: observe says {part} of {numbers.shape} sectors; there are 3"
        counts = numbers.dtype.kind in "iu" and bool((numbers >= 0).all())
        assert counts, f"{name}: {part} is to be counts, not {row}"
        assert np.array_equal(numbers, again[part]), f"{name}: {part} differs in a model made from its arrays"
