"""Columns of a world, joined over its slices: the same hash however it is cut, none where it would mean nothing.
Lives here: joining. Not here: verify on real histories (tests/integration/cli/test_npc)."""

from dataclasses import replace
from typing import Any, cast

import numpy as np

from tests.small_worlds import COUNT
from worldtick.observer.hashing import Columns, Joined
from worldtick.runtime.service import Service
from worldtick.store.history import Past

ROWS: Service[Any] = replace(cast(Service[Any], COUNT), columns=lambda state: state.items())


def _past(number: int, version: int = 5) -> Past:
    return Past(number, 1, "count", number, "all", 0, version, None, 0, None, 1)


def _told(*slices: Any, version: int = 5) -> list[Columns]:
    joined = Joined()
    for number, state in enumerate(slices):
        joined.take(ROWS, _past(number, version if number == 0 else 5), state)
    return joined.told()


def _cut(*at: int, dtype: str = "<i4") -> list[dict[str, Any]]:
    columns = {"age": np.arange(9, dtype=dtype), "gold": np.arange(9, 18, dtype=dtype)}
    parts = {name: np.split(values, at) for name, values in columns.items()}
    return [{name: parts[name][number] for name in columns} for number in range(len(at) + 1)]


def test_however_it_is_cut() -> None:
    (whole,) = _told(*_cut())
    assert (whole.service, whole.place, list(whole.columns)) == ("count", 5, ["age", "gold"])
    assert whole.digest is not None
    assert _told(*_cut(2, 2, 7)) == [whole]
    assert _told(*reversed(_cut(4))) != [whole]
    assert _told(*_cut(dtype="<i8")) != [whole]


def test_no_hash_of_slices_that_stand_apart_or_differ() -> None:
    (apart,) = _told(*_cut(4), version=6)
    assert (apart.digest, apart.place, "different ticks" in str(apart.why)) == (None, None, True)
    (broken,) = _told(_cut(4)[0], None)
    assert (broken.digest, broken.why) == (None, "a slice differs")


def test_a_service_without_columns_is_passed_over() -> None:
    joined = Joined()
    joined.take(COUNT, _past(0), 7)
    assert joined.told() == []
