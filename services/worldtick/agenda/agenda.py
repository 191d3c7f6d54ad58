"""A world's agenda: what is pending, and what one tick makes of it.
Lives here: putting in, taking out, skipping and firing timers. Not here: who asks for it and what is said (service).

Timers run in the order (world time, priority, insertion). A tick works in that order through what is due at or before
its end, as far as its budget goes; what is left is due still, and runs first in the next one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from worldtick.agenda.queue import EMPTY, Open, Queue, queue_of
from worldtick.agenda.register import OpenRegister, Register, register_of
from worldtick.agenda.timers import Then, Timer, after, from_then_on, times_before

JUMPED: Final = "Time jumped past scheduled_time"
NOT_PENDING: Final = "no timer of this name is pending"


class Put(NamedTuple):
    """A timer is to be put in."""

    name: str
    at_us: int
    every_us: int
    left: int  # times; 0: without end
    priority: int
    payload: str
    then: Then | None
    source: str


class Cancel(NamedTuple):
    """A pending timer is to be taken out."""

    name: str


class Disable(NamedTuple):
    """A pending timer is not to come up until it is enabled again."""

    name: str


class Enable(NamedTuple):
    """A disabled timer is to come up again: one that recurs at its first time after `from_us`."""

    name: str
    from_us: int


class Skip(NamedTuple):
    """What is pending now and due before a world time is not to be executed."""

    before_us: int


class Complete(NamedTuple):
    """Whoever drives the world found nothing left: say so, if that is so."""


class Refuse(NamedTuple):
    """Something was asked for that cannot be."""

    name: str
    reason: str


Order = Put | Cancel | Disable | Enable | Skip | Complete | Refuse
What = Literal["fired", "skipped", "cancelled", "disabled", "enabled", "refused"]


class Fate(NamedTuple):
    """What became of a timer."""

    what: What
    name: str
    timer: Timer | None  # as it was when that befell it; None: it never was
    times: int = 1
    reason: str = ""


class Mark(NamedTuple):
    """Which timers are to be skipped: those put in before `order` and due before `before_us`."""

    before_us: int
    order: int

    def of(self, timer: Timer) -> bool:
        """Whether it is one of them."""
        return timer.at_us < self.before_us and timer.order < self.order


@dataclass(frozen=True, slots=True)
class Agenda:
    """The state of the one slice."""

    queue: Queue
    register: Register
    next_order: int  # insertion number of the next timer
    mark: Mark | None = None  # while a jump skips more than a tick's budget
    over: bool = False  # it was said that nothing is left, and nothing was put in since
    disabled: tuple[Timer, ...] = ()  # by name; they stand in neither queue nor register

    @property
    def next_us(self) -> int | None:
        """The world time of the next pending timer; at once, however many there are."""
        return None if self.queue.first is None else self.queue.first[0]


class Bounds(NamedTuple):
    """How much one tick may do, and how much may wait."""

    timers_fired: int  # the budget: timers that come up
    sends: int  # of these, timers that ask something of a service
    pending: int


class Lived(NamedTuple):
    """What a tick made of an agenda."""

    agenda: Agenda
    fates: Sequence[Fate]
    used: int
    carried: int  # due, and not done
    completed: bool  # nothing is left, for the first time since something was


NOTHING: Final = Agenda(EMPTY, register_of(()), 0)


def agenda_of(puts: Iterable[Put]) -> Agenda:
    """An agenda with these timers, whose names differ, put in in this order."""
    timers = [_timer(put, order) for order, put in enumerate(puts)]
    return Agenda(queue_of(timers), register_of(timers), len(timers))


def live(agenda: Agenda, orders: Sequence[Order], to_us: int, bounds: Bounds) -> Lived:
    """One tick: first what was asked for, in order, then what is due at or before its end."""
    first = agenda.queue.first
    if not orders and (first is None or first[0] > to_us) and agenda.mark is None:
        return Lived(agenda, (), 0, 0, False)
    day = _Day(agenda)
    for order in orders:
        day.take(order, bounds.pending)
    used = day.run(to_us, bounds)
    after_it = day.closed()
    carried = after_it.queue.due(to_us if after_it.mark is None else max(to_us, after_it.mark.before_us - 1))
    completed = Complete() in orders and after_it.queue.first is None and not after_it.over
    return Lived(replace(after_it, over=True) if completed else after_it, day.fates, used, carried, completed)


class _Day:
    """An agenda that one tick works on."""

    def __init__(self, agenda: Agenda) -> None:
        self._queue = Open(agenda.queue)
        self._register = OpenRegister(agenda.register)
        self._next_order = agenda.next_order
        self._mark = agenda.mark
        self._over = agenda.over
        self._disabled = {timer.name: timer for timer in agenda.disabled}
        self.fates: list[Fate] = []

    def take(self, order: Order, pending_max: int) -> None:
        """Do what was asked for."""
        if isinstance(order, Put):
            self._put(order, pending_max)
        elif isinstance(order, Cancel):
            self._cancel(order.name)
        elif isinstance(order, Disable):
            self._disable(order.name)
        elif isinstance(order, Enable):
            self._enable(order)
        elif isinstance(order, Skip):
            self._skip(order.before_us)
        elif isinstance(order, Refuse):
            self._refuse(order.name, order.reason)

    def run(self, to_us: int, bounds: Bounds) -> int:
        """Work through what is due or to be skipped, as far as the bounds go; how many came up."""
        used = sent = 0
        aside: list[Timer] = []  # put in during a jump and due later in it: these are neither skipped nor due yet
        while used < bounds.timers_fired and sent < bounds.sends:
            timer = self._queue.peek()
            if timer is not None and self._mark is not None and self._mark.of(timer):
                self._come_up(timer, times_before(timer, self._mark.before_us), "skipped", JUMPED)
            elif timer is not None and timer.at_us <= to_us:
                self._come_up(timer, 1, "fired", "")
                sent += timer.then is not None
            elif timer is not None and self._mark is not None and timer.at_us < self._mark.before_us:
                aside.append(self._queue.pop())
                continue
            else:
                self._mark = None
                break
            used += 1
        for timer in aside:
            self._queue.add(timer)
        return used

    def closed(self) -> Agenda:
        """The agenda as it is now."""
        disabled = tuple(self._disabled[name] for name in sorted(self._disabled))
        return Agenda(self._queue.closed(), self._register.closed(), self._next_order, self._mark, self._over, disabled)

    def _put(self, put: Put, pending_max: int) -> None:
        timer = _timer(put, self._next_order)
        known = self._known(put.name)
        if known is not None:
            if not _same(known, timer):
                self._refuse(put.name, "another timer of this name is pending: cancel it first, or take another name")
            return
        if self._queue.count + len(self._disabled) >= pending_max:
            self._refuse(put.name, f"{pending_max} timers are pending already, and no more may be")
            return
        self._next_order += 1
        self._over = False
        self._queue.add(timer)
        self._register.put(timer.name, timer.key)

    def _skip(self, before_us: int) -> None:
        if self._mark is not None and before_us < self._mark.before_us:
            self._refuse("?", "a jump to a later time is under way: what it passes is skipped already")
            return
        self._mark = Mark(before_us, self._next_order)

    def _cancel(self, name: str) -> None:
        timer = self._disabled.pop(name, None) or self._taken(name)
        if timer is not None:
            self.fates.append(Fate("cancelled", name, timer))

    def _disable(self, name: str) -> None:
        if name in self._disabled:
            return
        if (timer := self._taken(name)) is not None:
            self._disabled[name] = timer
            self.fates.append(Fate("disabled", name, timer))

    def _enable(self, order: Enable) -> None:
        if order.name not in self._disabled:
            if self._register.get(order.name) is None:
                self._refuse(order.name, NOT_PENDING)
            return
        timer = from_then_on(self._disabled.pop(order.name), order.from_us)
        self._over = False
        self._queue.add(timer)
        self._register.put(timer.name, timer.key)
        self.fates.append(Fate("enabled", order.name, timer))

    def _known(self, name: str) -> Timer | None:
        """The timer of this name, pending or disabled."""
        key = self._register.get(name)
        return self._disabled.get(name) if key is None else self._queue.find(key)

    def _taken(self, name: str) -> Timer | None:
        """The pending timer of this name, taken out; None, and said to be refused, if there is none."""
        key = self._register.get(name)
        if key is None:
            self._refuse(name, NOT_PENDING)
            return None
        self._register.drop(name)
        return self._queue.remove(key)

    def _refuse(self, name: str, reason: str) -> None:
        self.fates.append(Fate("refused", name, None, reason=reason))

    def _come_up(self, timer: Timer, times: int, what: What, reason: str) -> None:
        self._queue.pop()
        self.fates.append(Fate(what, timer.name, timer, times, reason))
        again = after(timer, times)
        if again is None:
            self._register.drop(timer.name)
        else:
            self._queue.add(again)
            self._register.put(again.name, again.key)


def _timer(put: Put, order: int) -> Timer:
    return Timer(put.at_us, put.priority, order, put.name, put.every_us, put.left, 0, put.payload, put.then, put.source)


def _same(pending: Timer, asked: Timer) -> bool:
    """Whether a timer that is asked for is the one that is pending: then it was asked for twice."""
    return all(
        getattr(pending, name) == getattr(asked, name)
        for name in ("at_us", "priority", "every_us", "left", "payload", "then")
    )
