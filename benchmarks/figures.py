"""What a benchmark says: figures with their goal, and what a module is given to take them.
Lives here: Figure, Place, goals, median and spread. Not here: running (run.py) or any measuring."""

import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. Each bench module has `measure(place) -> list[Figure]`.

    against, ratio: the rival's name and value / the rival's value; None where there is no rival.
    goal: "ratio >= 1.2" or "value <= 0.2"; None for a figure that is only reported (a rival's own).
    """

    name: str  # words joined by _; the unit is last, as everywhere
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    goal: str | None = None
    runs: int = 1
    low: float | None = None  # of the runs whose median `value` is
    high: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        what, compare, bound = self.goal.split()
        value = {"ratio": self.ratio, "value": self.value}[what]
        if value is None:
            raise ValueError(f"{self.name}: the goal {self.goal!r} speaks of a ratio, and there is none")
        return bool(COMPARE[compare](value, float(bound)))

    def row(self) -> dict[str, Any]:
        """The entry of results.json."""
        return {
            "name": self.name,
            "value": _short(self.value),
            "unit": self.unit,
            "against": self.against,
            "ratio": None if self.ratio is None else _short(self.ratio),
            "goal": self.goal,
            "met": self.met,
            "runs": self.runs,
            "low": None if self.low is None else _short(self.low),
            "high": None if self.high is None else _short(self.high),
        }


@dataclass(slots=True)
class Place:
    """Where a module measures: its sizes, a scratch directory, and broker and database for those that ask.

    smoke: sizes so small that the module runs in seconds; its figures mean nothing, its checks all hold.
    """

    smoke: bool
    scratch: Path
    runs: int = 3
    connect: Callable[[], tuple[str, str]] | None = None  # -> (bootstrap servers, database URL)
    say: Callable[[str], None] = print
    _connected: tuple[str, str] | None = field(default=None, init=False)

    def _services(self) -> tuple[str, str]:
        if self._connected is None:
            if self.connect is None:
                raise LookupError("this benchmark needs a broker, and was started without one")
            self._connected = self.connect()
        return self._connected

    @property
    def kafka(self) -> str:
        """Bootstrap servers; the first call starts the local stack if nothing else was named."""
        return self._services()[0]

    @property
    def database_url(self) -> str:
        """A database that the module may fill; the first call starts the local stack if nothing else was named."""
        return self._services()[1]


def from_runs(
    name: str,
    unit: str,
    runs: Sequence[float],
    *,
    against: str | None = None,
    rival: float | None = None,
    goal: str | None = None,
) -> Figure:
    """The median of several runs, with the lowest and highest; `rival` is the rival's median in the same unit."""
    value = statistics.median(runs)
    ratio = None if rival is None else value / rival
    return Figure(name, value, unit, against, ratio, goal, len(runs), min(runs), max(runs))


def _short(value: float) -> float:
    """Four significant digits: more would be noise. Whole numbers of four digits and more stay whole."""
    short = float(f"{value:.4g}")
    return int(short) if abs(short) >= 1000 else short
