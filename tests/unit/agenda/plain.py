"""The agenda said plainly: a list that is sorted anew whenever something is wanted of it.
Lives here: the model that the real one is compared with, and orders made up for both. Not here: assertions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from worldtick.agenda.agenda import Bounds, Cancel, Disable, Enable, Order, Put, Skip

PENDING_MAX = 12
Said = tuple[str, str, int | None, int]  # what, name, due at, times


@dataclass
class Pending:
    """One timer."""

    put: Put
    order: int
    at_us: int
    left: int
    skip_before_us: int = 0
    off: bool = False


@dataclass
class Plain:
    """All timers of a world, in no order."""

    pending: list[Pending] = field(default_factory=list)
    made: int = 0
    jumps_to_us: int = -1
    jump_made: int = 0  # how many were made before the jump

    @property
    def waiting(self) -> list[Pending]:
        """Those that are not disabled."""
        return [each for each in self.pending if not each.off]

    def live(self, orders: Sequence[Order], to_us: int, bounds: Bounds) -> list[Said]:
        """One tick."""
        said = [line for order in orders for line in self._take(order)]
        used = sends = 0
        while used < bounds.timers_fired and sends < bounds.sends:
            ready = [each for each in self.waiting if each.at_us <= to_us or each.at_us < each.skip_before_us]
            if not ready:
                self.jumps_to_us = -1
                break
            first = min(ready, key=lambda each: (each.at_us, each.put.priority, each.order))
            used += 1
            at_us, times, skipped = first.at_us, 0, first.at_us < first.skip_before_us
            while times == 0 or (skipped and first in self.pending and first.at_us < first.skip_before_us):
                times += 1
                self._come_up(first)
            sends += not skipped and first.put.then is not None
            said.append(("skipped" if skipped else "fired", first.put.name, at_us, times))
        return said

    def _come_up(self, timer: Pending) -> None:
        timer.at_us += timer.put.every_us
        timer.left -= 1
        if not timer.put.every_us or timer.left == 0:
            self.pending.remove(timer)

    def _take(self, order: Order) -> list[Said]:
        named = {each.put.name: each for each in self.pending}
        if isinstance(order, Put):
            old = named.get(order.name)
            if old is not None:
                same = old.put._replace(at_us=old.at_us, left=max(0, old.left), source="") == order._replace(source="")
                return [] if same else [("refused", order.name, None, 1)]
            if len(self.pending) >= PENDING_MAX:
                return [("refused", order.name, None, 1)]
            self.pending.append(Pending(order, self.made, order.at_us, order.left or -1))
            self.made += 1
        elif isinstance(order, Cancel):
            if order.name not in named:
                return [("refused", order.name, None, 1)]
            self.pending.remove(named[order.name])
            return [("cancelled", order.name, named[order.name].at_us, 1)]
        elif isinstance(order, Disable | Enable):
            return self._turn(order, named.get(order.name))
        elif isinstance(order, Skip):
            if order.before_us < self.jumps_to_us:
                return [("refused", "?", None, 1)]
            self.jumps_to_us, self.jump_made = order.before_us, self.made
            for each in self.waiting:
                each.skip_before_us = max(each.skip_before_us, order.before_us)
        return []

    def _turn(self, order: Disable | Enable, timer: Pending | None) -> list[Said]:
        if timer is None:
            return [("refused", order.name, None, 1)]
        if timer.off == isinstance(order, Disable):
            return []
        timer.off = not timer.off
        if isinstance(order, Disable):
            return [("disabled", order.name, timer.at_us, 1)]
        while timer.put.every_us and timer.at_us <= order.from_us:
            timer.at_us += timer.put.every_us
        timer.skip_before_us = self.jumps_to_us if timer.order < self.jump_made else 0
        return [("enabled", order.name, timer.at_us, 1)]


NAMES = st.sampled_from([f"t{number}" for number in range(8)] + [f"u{number}" for number in range(30)])
PUTS = st.builds(
    Put,
    name=NAMES,
    at_us=st.integers(0, 60),
    every_us=st.sampled_from([0, 0, 3, 7]),
    left=st.integers(0, 4),
    priority=st.integers(-2, 2),
    payload=st.just(""),
    then=st.none(),
    source=st.just("admin"),
).map(lambda put: put if put.every_us else put._replace(left=1))
ORDERS = st.lists(
    st.one_of(
        PUTS,
        PUTS,
        PUTS,
        PUTS,
        st.builds(Cancel, NAMES),
        st.builds(Disable, NAMES),
        st.builds(Enable, NAMES, st.integers(0, 60)),
        st.builds(Skip, st.integers(0, 60)),
    ),
    max_size=8,
)
