"""The register: which timers are pending, by name, and where in the queue each stands.
Lives here: a persistent map in buckets that are copied when they change. Not here: the timers themselves (queue).

It is no part of a state's bytes: it follows from the queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from worldtick.agenda.timers import Key, Timer

BUCKET: Final = (
    32  # names of a bucket on average when a register is laid out; at four times as many it is laid out anew
)

Names = dict[str, Key]


@dataclass(frozen=True, slots=True)
class Register:
    """name -> key. Immutable: a step makes another one."""

    buckets: tuple[Names, ...]  # a power of two of them
    count: int

    def get(self, name: str) -> Key | None:
        """Where the timer of this name stands; None: it is not pending."""
        return self.buckets[_home(name, len(self.buckets))].get(name)


def register_of(timers: Iterable[Timer]) -> Register:
    """The register of these timers, whose names differ."""
    return _laid_out({timer.name: timer.key for timer in timers})


class OpenRegister:
    """A register that one step works on; `closed` gives the register after it."""

    def __init__(self, register: Register) -> None:
        self._before = register
        self._buckets: list[Names] | None = None  # a copy from the first change on
        self._own: set[int] = set()  # buckets that are ours to change
        self._count = register.count

    def get(self, name: str) -> Key | None:
        """Where the timer of this name stands now."""
        buckets = self._before.buckets if self._buckets is None else self._buckets
        return buckets[_home(name, len(buckets))].get(name)

    def put(self, name: str, key: Key) -> None:
        """Note where a timer stands."""
        names = self._names(name)
        self._count += name not in names
        names[name] = key

    def drop(self, name: str) -> None:
        """Forget a timer. KeyError if it is not pending."""
        del self._names(name)[name]
        self._count -= 1

    def closed(self) -> Register:
        """The register as it is now."""
        if self._buckets is None:
            return self._before
        if self._count > 4 * BUCKET * len(self._buckets):
            return _laid_out({name: key for names in self._buckets for name, key in names.items()})
        return Register(tuple(self._buckets), self._count)

    def _names(self, name: str) -> Names:
        if self._buckets is None:
            self._buckets = list(self._before.buckets)
        home = _home(name, len(self._buckets))
        if home not in self._own:
            self._buckets[home] = dict(self._buckets[home])
            self._own.add(home)
        return self._buckets[home]


def _home(name: str, buckets: int) -> int:
    return crc32(name.encode()) & (buckets - 1)


def _laid_out(names: Names) -> Register:
    buckets: list[Names] = [{} for _ in range(1 << max(0, (len(names) // BUCKET).bit_length()))]
    for name, key in names.items():
        buckets[_home(name, len(buckets))][name] = key
    return Register(tuple(buckets), len(names))
