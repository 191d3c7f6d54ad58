"""Dead letters that fit: whole where their topic takes them, cut and marked where it would not.
Lives here: the cut. Not here: a letter's headers (test_wire), who writes letters."""

from typing import Any

from numpy.random import Generator, Philox

from worldtick.contracts.deadletter import DeadLetter, read_dead_letter
from worldtick.contracts.letters import CUT_HEADER, fitted

LIMIT = 10_000


def _letter(**changed: Any) -> DeadLetter:
    fields = {"reason": "not_json", "error": "no", "topic": "t", "partition": 1, "offset": 2, "timestamp_ms": 3}
    return DeadLetter(**{**fields, "key": b"k", "value": b"v", "headers": [("h", b"x")], **changed})


def _noise(size: int, seed: int = 1) -> bytes:
    return Generator(Philox(seed)).bytes(size)


def test_what_fits_is_whole() -> None:
    for value in (None, b"", _noise(LIMIT - 10), bytes(1_000_000)):
        letter = _letter(value=value)
        found = fitted(letter, LIMIT)
        assert (found.key, found.value, found.headers) == (b"k", value, letter.wire_headers())


def test_what_no_topic_takes_is_cut_and_says_so() -> None:
    noise = _noise(3 * LIMIT)
    found = fitted(_letter(value=noise), LIMIT)
    assert found.value == noise[: LIMIT // 2]
    assert dict(found.headers)[CUT_HEADER] == b"30000"
    assert ("h", b"x") in found.headers
    read = read_dead_letter(found.key, found.value, found.headers)
    assert (read.reason, read.topic, read.partition, read.offset) == ("not_json", "t", 1, 2)


def test_keys_and_headers_are_bounded_too() -> None:
    found = fitted(_letter(key=_noise(9_000), headers=[("h", _noise(9_000, 2))]), LIMIT)
    assert found.key is None
    assert "h" not in dict(found.headers)
    assert dict(found.headers)["dlq.reason"] == b"not_json"


def test_a_record_that_says_it_was_cut_is_whole_all_the_same() -> None:
    found = fitted(_letter(headers=[("h", b"x"), (CUT_HEADER, b"9")]), LIMIT)
    assert CUT_HEADER not in dict(found.headers)
    assert ("h", b"x") in found.headers
