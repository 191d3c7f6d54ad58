"""Chance without a generator: Philox4x64-10 words named by key and counter.
Lives here: the raw words and bounded integers. Not here: which stream means what (streams.py), any float."""

# Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
# numpy raises its counter by one before the first block; so do we: a block here equals
# numpy.random.Philox(key=[k0, k1], counter=[entity, stream, page, 0]).random_raw(4), bit for bit.

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from worldtick.chance.compiled import compiled

ROUNDS = 10
_M0 = np.uint64(0xD2E7470EE14C6C93)
_M1 = np.uint64(0xCA5A826395121157)
_W0 = np.uint64(0x9E3779B97F4A7C15)
_W1 = np.uint64(0xBB67AE8584CAA73B)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)
RETRIES_MAX = 64  # blocks that `below` may read; each is refused with a chance under 2^-4, so none gets there
WORD_MASK = (1 << 64) - 1


@intrinsic
def _multiply_high(typing_context: Any, left: Any, right: Any) -> Any:
    """The upper 64 bits of a 64 x 64 bit product: one machine instruction instead of four multiplications."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    word: Any = types.uint64  # type: ignore[attr-defined]
    return word(word, word), generate


_high_product: Any = _multiply_high  # the decorator's type knows the typing context as an argument, callers do not


@compiled
def block(
    key0: np.uint64, key1: np.uint64, entity: np.uint64, stream: np.uint64, page: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Four words of (key0, key1) at counter (entity, stream, page, 0). All arguments and words are uint64."""
    c0 = entity + _ONE
    c1 = stream + (_ONE if c0 == _ZERO else _ZERO)
    c2 = page + (_ONE if c0 == _ZERO and c1 == _ZERO else _ZERO)
    c3 = _ONE if c0 == _ZERO and c1 == _ZERO and c2 == _ZERO else _ZERO
    for _ in range(ROUNDS):
        high0 = _high_product(_M0, c0)
        high1 = _high_product(_M1, c2)
        low0 = _M0 * c0
        low1 = _M1 * c2
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
        key0 = key0 + _W0
        key1 = key1 + _W1
    return c0, c1, c2, c3


@compiled
def scaled(word: np.uint64, bound: np.uint64) -> np.uint64:
    """An integer in [0, bound): the high half of word x bound.

    No division, no second draw; a value's chance is off by less than 2^-64, which is bound / 2^64 of itself:
    under 2^-32 for every bound that prices and counts have. `below` is exact where that matters.
    """
    return np.uint64(_high_product(word, bound))


@compiled
def below(key0: np.uint64, key1: np.uint64, entity: np.uint64, stream: np.uint64, bound: np.uint64) -> np.uint64:
    """An exactly uniform integer in [0, bound), bound > 0, by multiply-shift with rejection.

    Source: Lemire, "Fast random integer generation in an interval" (TOMACS 2019). The n-th refused block is
    followed by page n + 1 of the same counter, so that the result depends on the name alone.
    """
    refused_below = (_ZERO - bound) % bound
    word = _ZERO
    for page in range(RETRIES_MAX):
        for word in block(key0, key1, entity, stream, np.uint64(page)):
            if word * bound >= refused_below:
                return np.uint64(_high_product(word, bound))
    return np.uint64(_high_product(word, bound))


@compiled
def _fill(
    key0: np.uint64,
    key1: np.uint64,
    entities: NDArray[np.uint64],
    stream: np.uint64,
    page: np.uint64,
    out: NDArray[np.uint64],
) -> None:
    for i in range(entities.shape[0]):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = block(key0, key1, entities[i], stream, page)


def words(seed: int, seq: int, entities: NDArray[np.uint64], stream: int, page: int = 0) -> NDArray[np.uint64]:
    """(n, 4) uint64 words for n entities in one stream and page of one tick; the seed is taken modulo 2^64."""
    out = np.empty((len(entities), 4), np.uint64)
    numbers = entities.astype(np.uint64, copy=False)
    _fill(np.uint64(seed & WORD_MASK), np.uint64(seq), numbers, np.uint64(stream), np.uint64(page), out)
    return out


def scaled_high(word: NDArray[np.uint64], bound: Any) -> NDArray[np.int64]:
    """Integers in [0, bound) out of the upper halves of words; bound: below 2^31, one for all or one for each."""
    return ((word >> _HALF) * np.asarray(bound).astype(np.uint64) >> _HALF).astype(np.int64)


def scaled_low(word: NDArray[np.uint64], bound: Any) -> NDArray[np.int64]:
    """The same out of their lower halves."""
    return ((word & _LOW_HALF) * np.asarray(bound).astype(np.uint64) >> _HALF).astype(np.int64)
