"""Dead letters of control: the record as it was, within what its dead-letter topic takes.
Lives here: making one of a record and its verdict. Not here: headers of any dead letter (contracts/deadletter)."""

import zlib
from typing import Final

from worldtick.contracts.deadletter import SUFFIX, DeadLetter
from worldtick.contracts.headers import Headers
from worldtick.contracts.topics import topic_spec
from worldtick.control.desk import Dead, Incoming
from worldtick.control.link import Outgoing

CUT_HEADER: Final = "dlq.cut"  # says how many bytes the value had; such a letter cannot be replayed
EXTRAS_BYTES_MAX: Final = 8_192  # of a key, or of headers, where a letter must be cut


def dead_letter(record: Incoming, verdict: Dead, prefix: str) -> Outgoing:
    """The letter. Its bytes are the original's unless even compressed they are over the source topic's limit.

    That limit is of compressed bytes: a record of some megabytes may have come in under it, and goes out again as it
    came. What another codec packed better than ours does is cut, and a header says so.
    """
    letter = DeadLetter(
        reason=verdict.reason,
        error=verdict.error,
        topic=prefix + record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.stamp_ms,
        key=record.key,
        value=record.value,
        headers=[(name, value) for name, value in record.headers or () if name != CUT_HEADER],
    )
    limit = topic_spec(record.topic).max_message_bytes
    if _fits(letter, limit):
        return Outgoing(record.topic + SUFFIX, letter.key, letter.value, letter.wire_headers())
    return _cut(record, letter, limit)


def _fits(letter: DeadLetter, limit: int) -> bool:
    whole = b"".join([letter.key or b"", letter.value or b"", *(value or b"" for _, value in letter.headers)])
    return len(whole) <= limit or len(zlib.compress(whole)) <= limit


def _cut(record: Incoming, letter: DeadLetter, limit: int) -> Outgoing:
    value = (letter.value or b"")[: limit // 2]
    few = sum(len(name) + len(text or b"") for name, text in letter.headers) <= EXTRAS_BYTES_MAX
    said: Headers = letter.wire_headers()
    if not few:
        said = said[len(letter.headers) :]
    key = letter.key if len(letter.key or b"") <= EXTRAS_BYTES_MAX else None
    return Outgoing(record.topic + SUFFIX, key, value, [*said, (CUT_HEADER, str(len(letter.value or b"")).encode())])
