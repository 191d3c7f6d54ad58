"""The queue: all pending timers in order, in chunks that stay packed until they are touched.
Lives here: the persistent queue and the open one of a single step. Not here: what a timer is (timers), ids (register).

A step opens the chunks that it touches and packs them again, so that what it costs grows with what is fired and added
(times the logarithm of what waits), and the far future is never decoded. The packed chunks one after another are the
queue's own bytes: a snapshot is one join.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from worldtick.agenda.timers import Key, Timer

CHUNK: Final = 64  # timers of a new chunk, one of twice as many is halved; larger ones make lone additions dear

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Timer]).decode
_key = attrgetter("at_us", "priority", "order")


class Chunk(NamedTuple):
    """Timers that lie together, packed."""

    first: Key
    size: int  # timers
    body: bytes  # their msgpack, one after another, without a header


@dataclass(frozen=True, slots=True)
class Queue:
    """All pending timers. Immutable: a step makes another one."""

    chunks: tuple[Chunk, ...]
    lasts: tuple[Key, ...]  # of each chunk the key of its last timer
    count: int

    @property
    def first(self) -> Key | None:
        """The key of the timer that is next; None: there is none."""
        return self.chunks[0].first if self.chunks else None

    def body(self) -> bytes:
        """All timers as one msgpack array; equal queues give equal bytes, however they are cut into chunks."""
        return b"".join((_header(self.count), *(chunk.body for chunk in self.chunks)))

    def __iter__(self) -> Iterator[Timer]:
        return (timer for chunk in self.chunks for timer in _timers(chunk))

    def due(self, until_us: int) -> int:
        """How many are due at or before a world time."""
        bound = (until_us + 1, -(2**63), -1)
        at = bisect_left(self.lasts, bound)
        whole = sum(chunk.size for chunk in self.chunks[:at])
        if at == len(self.chunks) or self.chunks[at].first >= bound:
            return whole
        return whole + bisect_left(_timers(self.chunks[at]), bound, key=_key)


EMPTY: Final = Queue((), (), 0)


def queue_of(timers: Iterable[Timer]) -> Queue:
    """A queue of these timers, in whatever order they come."""
    ordered = sorted(timers, key=_key)
    parts = [ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)]
    return Queue(tuple(map(_packed, parts)), tuple(part[-1].key for part in parts), len(ordered))


def read(body: bytes) -> Queue:
    """The inverse of `Queue.body`. Raises msgspec.DecodeError."""
    return queue_of(unpacked(body))


class Open:
    """A queue that one step works on; `closed` gives the queue after it."""

    def __init__(self, queue: Queue) -> None:
        self._parts: list[Chunk | list[Timer]] = list(queue.chunks)
        self._lasts = list(queue.lasts)
        self.count = queue.count

    def peek(self) -> Timer | None:
        """The timer that is next."""
        return self._opened(0)[0] if self._parts else None

    def pop(self) -> Timer:
        """Take out the timer that is next. IndexError if there is none."""
        timer = self._opened(0)[0]
        self._take(0, 0)
        return timer

    def add(self, timer: Timer) -> None:
        """Put in a timer; its key is nobody else's."""
        self.count += 1
        if not self._parts:
            self._parts.append([timer])
            self._lasts.append(timer.key)
            return
        at = min(bisect_left(self._lasts, timer.key), len(self._parts) - 1)
        part = self._opened(at)
        insort(part, timer, key=_key)
        self._lasts[at] = part[-1].key
        if len(part) > 2 * CHUNK:
            half = len(part) // 2
            self._parts[at : at + 1] = [part[:half], part[half:]]
            self._lasts[at : at + 1] = [part[half - 1].key, part[-1].key]

    def find(self, key: Key) -> Timer:
        """The timer with this key. KeyError if there is none."""
        at, place = self._place(key)
        return self._opened(at)[place]

    def remove(self, key: Key) -> Timer:
        """Take out the timer with this key. KeyError if there is none."""
        at, place = self._place(key)
        timer = self._opened(at)[place]
        self._take(at, place)
        return timer

    def closed(self) -> Queue:
        """The queue as it is now."""
        chunks = tuple(part if isinstance(part, Chunk) else _packed(part) for part in self._parts)
        return Queue(chunks, tuple(self._lasts), self.count)

    def _place(self, key: Key) -> tuple[int, int]:
        at = bisect_left(self._lasts, key)
        if at < len(self._parts):
            part = self._opened(at)
            place = bisect_left(part, key, key=_key)
            if place < len(part) and part[place].key == key:
                return at, place
        raise KeyError(key)

    def _take(self, at: int, place: int) -> None:
        part = self._opened(at)
        del part[place]
        self.count -= 1
        if part:
            self._lasts[at] = part[-1].key
        else:
            del self._parts[at], self._lasts[at]

    def _opened(self, at: int) -> list[Timer]:
        part = self._parts[at]
        if isinstance(part, Chunk):
            part = self._parts[at] = _timers(part)
        return part


def packed(timers: Sequence[Timer]) -> bytes:
    """Timers as one msgpack array."""
    return _encode(timers)


def unpacked(body: bytes) -> list[Timer]:
    """The inverse of `packed`. Raises msgspec.DecodeError."""
    return _decode(body)


def _timers(chunk: Chunk) -> list[Timer]:
    return _decode(_header(chunk.size) + chunk.body)


def _packed(timers: list[Timer]) -> Chunk:
    return Chunk(timers[0].key, len(timers), b"".join(map(_encode, timers)))


def _header(count: int) -> bytes:
    """msgpack's head of an array, always of 32 bits: so no length has two forms."""
    return b"\xdd" + count.to_bytes(4, "big")
