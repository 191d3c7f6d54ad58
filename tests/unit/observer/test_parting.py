"""Where two values part: the first field, by its path, in any kind of value.
Lives here: walking two values. Not here: histories (tests/integration/test_history)."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from tests.unit.runtime.sealed_ticks import sealed
from worldtick.observer.parting import first_difference


class _Pair(NamedTuple):
    left: int
    right: Any


class _Struct(msgspec.Struct):
    name: str
    price: int


@dataclass
class _Slots:
    __slots__ = ("x",)
    x: int


@dataclass
class _State:
    hour: int = 0
    markets: dict[str, _Struct] = field(default_factory=dict)
    prices: Any = None


class _Plain:
    def __init__(self, x: int) -> None:
        self.x = x


def _markets(price: int) -> dict[str, _Struct]:
    return {"a/Food": _Struct("Food", 1), "b/Food": _Struct("Food", price)}


@pytest.mark.parametrize(
    ("one", "other", "path", "values"),
    [
        (_State(markets=_markets(2)), _State(markets=_markets(3)), ".markets['b/Food'].price", ("2", "3")),
        (
            _State(prices=np.arange(6).reshape(2, 3)),
            _State(prices=np.array([[0, 1, 2], [3, 9, 9]])),
            ".prices[1][1]",
            None,
        ),
        (np.zeros(2), np.zeros(3), "", ("float64[2]", "float64[3]")),
        (np.zeros(2, np.int32), np.zeros(2, np.int64), "", ("int32[2]", "int64[2]")),
        ([1, 2, 3], [1, 2], "[2]", ("3", "(absent)")),
        ({"a": 1}, {"b": 1}, ".a", ("1", "(absent)")),
        (_Pair(1, [_Slots(1)]), _Pair(1, [_Slots(2)]), ".right[0].x", ("1", "2")),
        (_Plain(1), _Plain(2), ".x", ("1", "2")),
        (1, 1.0, "", ("1", "1.0")),
        (True, 1, "", ("True", "1")),
        (b"\x01", b"\x02", "", ("01", "02")),
        ({1, 2}, {1, 3}, "[2]", ("2", "(absent)")),
        (sealed(3), sealed(3, budgets={"count": {"ops": 5}}), ".budgets.count", None),
    ],
)
def test_the_first_field_is_named(one: Any, other: Any, path: str, values: tuple[str, str] | None) -> None:
    part = first_difference(one, other, "state")
    assert part is not None
    assert part.path == "state" + path
    if values is not None:
        assert (part.one, part.other) == values


@pytest.mark.parametrize(
    "value",
    [1, "x", None, b"", [], {"a": [1, {"b": 2}]}, np.array([1.0, np.nan]), float("nan"), _State(markets=_markets(1))],
    ids=repr,
)
def test_equal_values_do_not_part(value: Any) -> None:
    assert first_difference(value, value, "state") is None
