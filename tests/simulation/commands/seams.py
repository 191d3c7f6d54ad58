"""Seams: the places at which a process can be cut, and what is drawn to befall it there.
Lives here: killed, held up while others act, or one of the seam's own mishaps. Not here: what a mishap does (database,
link), who the others are (house)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.commands.plan import Plan

DEPTH_MAX = 2  # one held up while another is
RATES = {  # of what befalls at a seam: rare ones are worth as much as common ones
    "statement": 0.3,
    "before COMMIT": 0.5,
    "after COMMIT": 0.5,
    "poll": 0.3,
    "reposition": 0.3,
    "before Kafka": 3.0,
    "before EndTxn": 4.0,
    "after EndTxn": 3.0,
    "ring": 2.0,
}
OTHERS_MAX = 6  # actions of others while one is held up


class Killed(BaseException):
    """The process ends here. No process catches it: whoever runs processes does."""


@dataclass(slots=True)
class Seams:
    """What befalls all processes of one schedule."""

    rng: Random
    plan: Plan
    others: Callable[[], None] = lambda: None
    tell: Callable[[str], None] = lambda line: None
    still: bool = False  # from the end on nothing befalls anybody
    depth: int = 0
    faults: int = field(init=False)
    pauses: int = field(init=False)

    def __post_init__(self) -> None:
        self.faults, self.pauses = self.plan.faults_max, self.plan.pauses_max

    def reach(self, where: str, *mishaps: str) -> str | None:
        """One of the mishaps, or None as mostly. Raises Killed. Others may have acted meanwhile."""
        if self.still:
            return None
        drawn, rate = self.rng.random(), RATES.get(where, 1.0)
        if drawn < self.plan.pauses * rate and self.plan.pauses_at in ("", where):
            self._hold_up(where)
        elif drawn > 1 - self.plan.faults * rate and self.faults:
            self.faults -= 1
            mishap = self.rng.choice(("killed", *mishaps))
            self.tell(f"{where}: {mishap}")
            if mishap == "killed":
                raise Killed(where)
            return mishap
        return None

    def _hold_up(self, where: str) -> None:
        if self.depth == DEPTH_MAX or not self.pauses:
            return
        self.pauses -= 1
        self.depth += 1
        self.tell(f"{where}: held up")
        try:
            for _ in range(self.rng.randint(1, OTHERS_MAX)):
                self.others()
        finally:
            self.depth -= 1
        self.tell(f"{where}: goes on")
