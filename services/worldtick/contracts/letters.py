"""Dead letters that fit: a record as it was, within what its dead-letter topic takes.
Lives here: cutting what no topic would take. Not here: a letter's headers (deadletter), who writes letters."""

import zlib
from dataclasses import replace
from typing import Final, NamedTuple

from worldtick.contracts.deadletter import DeadLetter
from worldtick.contracts.headers import Headers

CUT_HEADER: Final = "dlq.cut"  # says how many bytes the value had; such a letter cannot be replayed
EXTRAS_BYTES_MAX: Final = 8_192  # of a key, or of headers, where a letter must be cut
# What a producer of letters is set to: the source's limit is of compressed bytes, so a letter may be many times that,
# and goes out compressed again. A topic's limit bounds a whole batch.
PRODUCER: Final = {"compression.type": "gzip", "message.max.bytes": 100_000_000, "batch.size": 65_536}


class Fitted(NamedTuple):
    """A letter as it is produced."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def fitted(letter: DeadLetter, source_bytes_max: int) -> Fitted:
    """The letter, whole if it fits even only when compressed; else cut, with a header that says so.

    source_bytes_max: max.message.bytes of the topic that the record is of; its dead-letter topic takes a little more.
    What another codec packed better than ours does is cut. What a record itself says of being cut is dropped.
    """
    letter = replace(letter, headers=[header for header in letter.headers if header[0] != CUT_HEADER])
    whole = b"".join([letter.key or b"", letter.value or b"", *(value or b"" for _, value in letter.headers)])
    if len(whole) <= source_bytes_max or len(zlib.compress(whole)) <= source_bytes_max:
        return Fitted(letter.key, letter.value, letter.wire_headers())
    value = (letter.value or b"")[: source_bytes_max // 2]
    few = sum(len(name) + len(text or b"") for name, text in letter.headers) <= EXTRAS_BYTES_MAX
    said = letter.wire_headers() if few else letter.wire_headers()[len(letter.headers) :]
    key = letter.key if len(letter.key or b"") <= EXTRAS_BYTES_MAX else None
    return Fitted(key, value, [*said, (CUT_HEADER, str(len(letter.value or b"")).encode())])
