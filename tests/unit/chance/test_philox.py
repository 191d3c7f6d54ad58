"""Invariant: a word depends on its name alone, and numpy gives the same one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldtick.chance.philox import below, block, scaled, words
from worldtick.chance.streams import ChanceStream

U64 = st.integers(0, 2**64 - 1)


def numpy_block(key: tuple[int, int], counter: tuple[int, int, int]) -> list[int]:
    generator = np.random.Philox(key=np.array(key, np.uint64), counter=np.array([*counter, 0], np.uint64))
    return [int(word) for word in generator.random_raw(4)]


@settings(deadline=None)  # the first call compiles
@given(U64, U64, U64, U64, U64)
def test_a_block_equals_numpys(key0: int, key1: int, entity: int, stream: int, page: int) -> None:
    ours = block(*(np.uint64(part) for part in (key0, key1, entity, stream, page)))
    assert [int(word) for word in ours] == numpy_block((key0, key1), (entity, stream, page))


@pytest.mark.parametrize(("entity", "stream", "page"), [(2**64 - 1, 5, 0), (2**64 - 1, 2**64 - 1, 2**64 - 1)])
def test_the_counters_carry_equals_numpys(entity: int, stream: int, page: int) -> None:
    ours = block(np.uint64(1), np.uint64(2), np.uint64(entity), np.uint64(stream), np.uint64(page))
    assert [int(word) for word in ours] == numpy_block((1, 2), (entity, stream, page))


def test_bulk_words_do_not_depend_on_the_slicing() -> None:
    entities = np.arange(1000, dtype=np.uint64)
    whole = words(-7, 3, entities, ChanceStream.TEST_KIT)
    parts = [words(-7, 3, part, ChanceStream.TEST_KIT) for part in np.array_split(entities, 7)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert [int(word) for word in whole[41]] == numpy_block(((-7) % 2**64, 3), (41, ChanceStream.TEST_KIT, 0))


@settings(deadline=None)  # the first call compiles
@given(U64, st.integers(1, 2**63))
def test_scaled_is_the_integer_product(word: int, bound: int) -> None:
    assert int(scaled(np.uint64(word), np.uint64(bound))) == word * bound >> 64


def test_below_is_even() -> None:
    draws = [int(below(np.uint64(9), np.uint64(1), np.uint64(i), np.uint64(0xF000), np.uint64(6))) for i in range(6000)]
    counts = np.bincount(draws, minlength=6)
    assert counts.shape == (6,)
    assert int(((counts - 1000) ** 2).sum()) / 1000 < 20.5  # chi-square, 5 degrees, p = 0.001; the seed is fixed


def test_below_draws_again_where_multiply_shift_is_uneven() -> None:
    bound = 2**63 + 1  # here the plain product would make half of all values twice as likely
    again = 0
    for i in range(200):
        first = int(words(1, 1, np.array([i], np.uint64), 0xF000)[0, 0])
        value = int(below(np.uint64(1), np.uint64(1), np.uint64(i), np.uint64(0xF000), np.uint64(bound)))
        assert 0 <= value < bound
        again += value != first * bound >> 64
    assert 70 < again < 130


def test_stream_numbers_are_unique() -> None:
    assert len({stream.value for stream in ChanceStream}) == len(ChanceStream.__members__)
