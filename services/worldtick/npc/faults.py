"""What is wrong with a section of inhabitants, gathered so that all of it is told at once.
Lives here: names that are not there, conditions that come to nothing. Not here: what is laid out (compiling)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from worldtick.npc.conditions import Clause, Condition, Names, clauses_of


class Faults(list[str]):
    """What is wrong, with its place."""

    def index(self, place: str, name: str, known: Sequence[str], what: str) -> int:  # type: ignore[override]
        """The number of a name; a fault and 0 if there is none."""
        if name in known:
            return list(known).index(name)
        self.append(f"{place}: there is no {what} {name!r}; there are {', '.join(known) or 'none'}")
        return 0

    def clauses(self, place: str, condition: Condition | None, names: Names) -> tuple[Clause, ...]:
        """The clauses of a condition; faults and none where it cannot be compiled."""
        try:
            return clauses_of(condition, names)
        except ValueError as fault:
            each = [] if condition is None else [told for leaf in _leaves(condition) if (told := _fault(leaf, names))]
            self += [f"{place}: {told}" for told in each or [str(fault)]]
            return ()


def _leaves(condition: Condition) -> Iterator[Condition]:
    """The single conditions that an expression is made of."""
    parts = (condition.not_,) if condition.not_ is not None else (condition.all or condition.any)
    if parts is None:
        yield condition
    for part in parts or ():
        yield from _leaves(part)


def _fault(single: Condition, names: Names) -> str | None:
    """What is wrong with a single condition, whatever else was met so far."""
    try:
        clauses_of(single, replace(names, atoms={}, brought=[], draws=0))
    except ValueError as fault:
        return str(fault)
    return None
