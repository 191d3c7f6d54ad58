"""Dead letters: a record that cannot be used, kept with its original bytes and the reason.
Lives here: their headers, written and read. Not here: who dead-letters what (topics), replay (cli)."""

from dataclasses import dataclass
from typing import Final

from worldtick.contracts.headers import Headers

SUFFIX: Final = ".dlq"
ROOM_BYTES: Final = 16_384  # a dead-letter topic's limit is its source's plus this
ERROR_BYTES_MAX: Final = 2_048
_OURS: Final = ("dlq.reason", "dlq.error", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record and why it is dead. timestamp_ms is the original record's own; -1 in a number: not known."""

    reason: str  # a short code, such as not_json
    error: str  # a sentence; cut to ERROR_BYTES_MAX
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers  # the original ones

    def wire_headers(self) -> Headers:
        """The original headers, then ours; those of an earlier death are dropped."""
        kept = [(name, value) for name, value in self.headers if name not in _OURS]
        texts = (self.reason, bounded(self.error), self.topic, self.partition, self.offset, self.timestamp_ms)
        return kept + [(name, str(text).encode()) for name, text in zip(_OURS, texts, strict=True)]


def bounded(error: str) -> str:
    """An error's text in at most ERROR_BYTES_MAX bytes of UTF-8, on one line."""
    raw = " ".join(error.split()).encode("utf-8", "backslashreplace")
    if len(raw) <= ERROR_BYTES_MAX:
        return raw.decode()
    return raw[: ERROR_BYTES_MAX - 3].decode("utf-8", "ignore") + "…"


def read_dead_letter(key: bytes | None, value: bytes | None, headers: Headers | None) -> DeadLetter:
    """The dead letter in a record of a dead-letter topic; what it does not say is empty or -1."""
    said = {name: (text or b"").decode("utf-8", "replace") for name, text in headers or () if name in _OURS}
    kept = [(name, text) for name, text in headers or () if name not in _OURS]
    partition, offset, stamp_ms = (
        _number(said.get(name, "")) for name in ("dlq.partition", "dlq.offset", "dlq.timestamp")
    )
    reason, error, topic = (said.get(name, "") for name in ("dlq.reason", "dlq.error", "dlq.topic"))
    return DeadLetter(reason, error, topic, partition, offset, stamp_ms, key, value, kept)


def _number(text: str) -> int:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else -1
