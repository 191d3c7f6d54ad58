"""A crowd as bytes and back; equal crowds give equal bytes.
Lives here: the layout of snapshots. Not here: what the arrays hold (days, rules).

msgpack of: the layout's number; what is owed, the hour, who acts next, the usual price, the day; the arrays by name
(dtype, shape, bytes); tallies, present, the news' three arrays. All little-endian.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from worldtick.society.crowd.brought import BUILT_IN
from worldtick.society.crowd.days import PEOPLE, Crowd
from worldtick.society.crowd.news import PLANES, SERIES, TYPES, News
from worldtick.society.crowd.rules import PERSON, TALLIES
from worldtick.society.crowd.town import Town

LAYOUT = 1


class _Array(msgspec.Struct, frozen=True, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    body: bytes


class _Body(msgspec.Struct, frozen=True, array_like=True):
    layout: int
    owed: int
    hour: int
    agent: int
    level: int
    day: int
    arrays: list[_Array]
    tallies: bytes
    present: bytes
    planes: bytes
    week: bytes
    lasts: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


def encode(crowd: Crowd) -> bytes:
    """Canonical bytes."""
    return _encode(
        _Body(
            LAYOUT,
            crowd.owed,
            crowd.hour,
            crowd.agent,
            crowd.level,
            crowd.news.day,
            [_array(name, crowd.arrays[name]) for name in sorted(crowd.arrays)],
            crowd.tallies.tobytes(),
            crowd.present.tobytes(),
            crowd.news.planes.tobytes(),
            crowd.news.week.tobytes(),
            crowd.news.lasts.tobytes(),
        )
    )


def decode(body: bytes, town: Town) -> Crowd:
    """The inverse of `encode`. Raises ValueError if the bytes are none of this town's."""
    read = _decode(body)
    if read.layout != LAYOUT:
        raise ValueError(f"a crowd's bytes of layout {read.layout}; this build reads {LAYOUT}")
    k = len(town.sectors)
    arrays = {each.name: _numbers(each.body, _dtype(town, each), each.shape) for each in read.arrays}
    if town.model == BUILT_IN and (set(arrays) != {PEOPLE} or len(arrays[PEOPLE]) != town.agents):
        found = {name: len(array) for name, array in arrays.items()}
        raise ValueError(f"a crowd of {town.agents} people has one array of them, not {found}")
    news = News(
        _numbers(read.planes, "<i8", (PLANES, SERIES, k + 1)),
        _numbers(read.week, "<i8", (k + 1,)),
        _numbers(read.lasts, "<i8", (TYPES,)),
        read.day,
    )
    return Crowd(
        town,
        arrays,
        _numbers(read.tallies, "<i8", (k, TALLIES)),
        _numbers(read.present, "<i8", (k, k)),
        news,
        read.owed,
        read.hour,
        read.agent,
        read.level,
    )


def _array(name: str, array: NDArray[Any]) -> _Array:
    return _Array(name, "" if array.dtype == PERSON else array.dtype.str, array.shape, array.tobytes())


def _dtype(town: Town, array: _Array) -> Any:
    return PERSON if town.model == BUILT_IN else array.dtype


def _numbers(body: bytes, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.frombuffer(body, dtype).reshape(shape).copy()
