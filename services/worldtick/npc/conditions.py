"""Conditions as people write them, and as bits: every single condition is an atom, an expression is clauses of atoms.
Lives here: the grammar, its check, the way to disjunctive form. Not here: whether an atom holds (kernel)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from worldtick.npc.units import ATOMS_MAX, AXES, CLAUSES_MAX, DAY_S, LEVELS, MOODS, NEEDS, POINT, WEEKDAYS, Atom

Need = Literal["energy", "hunger", "social", "fun", "comfort", "safety"]
Mood = Literal["valence", "arousal"]
Axis = Literal["affinity", "trust", "chemistry", "tension"]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-4]):[0-5]\d(:[0-5]\d)?$")]
HEADS = (
    "need", "mood", "relationship", "flag", "item", "location", "time", "days", "chance_percent", "custom", "all",
    "any", "not_",
)  # fmt: skip
RANGED = {"need", "mood", "relationship", "item"}
DRAWS_MAX = 16  # chance atoms of one scenario: as many as one block has quarter-words
PERCENT = 65_536


class Condition(BaseModel):
    """One condition: exactly one of the words below; `at_least` and `at_most` go with those that have a range."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    need: Need | None = None
    mood: Mood | None = Field(None, description="From -100 to 100.")
    relationship: Axis | None = Field(None, description="The best of its ties on this axis, 0 to 100.")
    flag: str | None = None
    item: str | None = None
    location: str | None = Field(None, description="A place, a kind of place, `home` or `work`.")
    time: tuple[Clock, Clock] | None = Field(None, description="From and until, may pass midnight.")
    days: tuple[Day, ...] | None = None
    chance_percent: Annotated[int, Field(strict=True, ge=1, le=99)] | None = None
    custom: str | None = Field(None, description="The entry point's name of somebody's own condition.")
    all: tuple["Condition", ...] | None = None
    any: tuple["Condition", ...] | None = None
    not_: "Condition | None" = Field(None, alias="not")
    at_least: Annotated[int, Field(strict=True)] | None = None
    at_most: Annotated[int, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Condition":
        heads = [head for head in HEADS if getattr(self, head) is not None]
        if len(heads) != 1:
            told = ", ".join(head.rstrip("_") for head in heads) or "nothing"
            raise ValueError(f"a condition says one thing, and this says {told}; join several with all or any")
        ranged = self.at_least is not None or self.at_most is not None
        if ranged != (heads[0] in RANGED):
            verb = "needs at_least or at_most" if heads[0] in RANGED else "has no range"
            raise ValueError(f"{heads[0].rstrip('_')} {verb}")
        if ranged:
            self._check_range(heads[0])
        if self.time is not None and seconds_of(self.time[0]) % DAY_S == seconds_of(self.time[1]) % DAY_S:
            raise ValueError("a window that ends when it begins; leave it out if it is always open")
        return self

    def _check_range(self, head: str) -> None:
        low, high = {"mood": (-100, 100), "item": (0, 65_535)}.get(head, (0, 100))
        first = low if self.at_least is None else self.at_least
        last = high if self.at_most is None else self.at_most
        if not low <= first <= last <= high:
            raise ValueError(f"{head} from {first} to {last} is impossible: it lies between {low} and {high}")


def seconds_of(clock: str) -> int:
    """Seconds of the day of a time such as 05:00 or 24:00."""
    parts = [int(part) for part in clock.split(":")]
    return min(DAY_S, parts[0] * 3_600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0))


Key = tuple[int, int, int, int]  # Atom, column, low, high
Clause = tuple[int, int]  # bits that must be set, bits that must not


@dataclass(slots=True)
class Names:
    """What a scenario's names stand for, and the atoms met so far."""

    flags: Sequence[str]
    items: Sequence[str]
    places: Sequence[str]
    kinds: Sequence[str]
    atoms: dict[Key, int] = field(default_factory=dict)
    brought: list[str] = field(default_factory=list)
    draws: int = 0

    def bit(self, kind: Atom, column: int, low: int, high: int) -> int:
        """The bit of an atom; equal ones share it."""
        key = (int(kind), column, low, high)
        if key not in self.atoms and len(self.atoms) >= ATOMS_MAX:
            raise ValueError(f"more than {ATOMS_MAX} different conditions in one scenario")
        return 1 << self.atoms.setdefault(key, len(self.atoms))


ALWAYS: tuple[Clause, ...] = ((0, 0),)


def clauses_of(condition: Condition | None, names: Names) -> tuple[Clause, ...]:
    """Disjunctive form: it holds if all set bits and no forbidden bit of one clause are there. ValueError by name."""
    if condition is None:
        return ALWAYS
    clauses = _form(condition, names, True)
    if len(clauses) > CLAUSES_MAX:
        raise ValueError(f"a condition that comes to {len(clauses)} clauses; at most {CLAUSES_MAX}: nest it less")
    return clauses


def _form(condition: Condition, names: Names, wanted: bool) -> tuple[Clause, ...]:
    if condition.not_ is not None:
        return _form(condition.not_, names, not wanted)
    parts = condition.all if condition.all is not None else condition.any
    if parts is None:
        bit = _atom(condition, names)
        return ((bit, 0),) if wanted else ((0, bit),)
    forms = [_form(part, names, wanted) for part in parts]
    if (condition.all is not None) == wanted:
        if (size := _size(forms)) > CLAUSES_MAX * CLAUSES_MAX:
            raise ValueError(f"a condition that comes to {size} clauses; at most {CLAUSES_MAX}: nest it less")
        joined = [_joined(chosen) for chosen in product(*forms)]
    else:
        joined = [clause for form in forms for clause in form]
    return tuple(sorted({clause for clause in joined if not clause[0] & clause[1]}))


def _size(forms: Sequence[Sequence[Clause]]) -> int:
    size = 1
    for form in forms:
        size *= len(form)
    return size


def _joined(chosen: Sequence[Clause]) -> Clause:
    must = never = 0
    for clause in chosen:
        must |= clause[0]
        never |= clause[1]
    return must, never


def _atom(condition: Condition, names: Names) -> int:
    low, high = condition.at_least, condition.at_most
    if condition.need is not None:
        return names.bit(Atom.LEVEL, NEEDS.index(condition.need), (low or 0) * POINT, _top(high, 100) * POINT)
    if condition.mood is not None:
        first, last = (-100 if low is None else low), _top(high, 100)
        row = len(NEEDS) + MOODS.index(condition.mood)
        return names.bit(Atom.LEVEL, row, (first + 100) * POINT // 2, (last + 100) * POINT // 2)
    if condition.relationship is not None:
        return names.bit(Atom.TIE, AXES.index(condition.relationship), low or 0, _top(high, 100))
    if condition.flag is not None:
        return names.bit(Atom.FLAG, _index(condition.flag, names.flags, "flag"), 0, 0)
    if condition.item is not None:
        return names.bit(Atom.ITEM, _index(condition.item, names.items, "item"), low or 0, _top(high, 65_535))
    if condition.location is not None:
        return _where(condition.location, names)
    if condition.time is not None:
        first, last = seconds_of(condition.time[0]) % DAY_S, seconds_of(condition.time[1])
        return names.bit(Atom.TIME, 0, first, last)
    if condition.days is not None:
        return names.bit(Atom.DAYS, 0, sum(1 << WEEKDAYS.index(day) for day in set(condition.days)), 0)
    if condition.chance_percent is not None:
        return _draw(condition.chance_percent, names)
    return _brought(str(condition.custom), names)


def _top(value: int | None, most: int) -> int:
    return most if value is None else value


def _index(name: str, known: Sequence[str], what: str) -> int:
    if name not in known:
        raise ValueError(f"there is no {what} {name!r}; there are {', '.join(known) or 'none'}")
    return list(known).index(name)


def _where(name: str, names: Names) -> int:
    if name in ("home", "work"):
        return names.bit(Atom.HOME if name == "home" else Atom.WORK, 0, 0, 0)
    if name in names.places:
        return names.bit(Atom.PLACE, list(names.places).index(name), 0, 0)
    return names.bit(Atom.KIND, _index(name, names.kinds, "place or kind of place"), 0, 0)


def _draw(percent: int, names: Names) -> int:
    """Each chance is a draw of its own: two of 50 percent are not the same coin."""
    if names.draws >= DRAWS_MAX:
        raise ValueError(f"more than {DRAWS_MAX} chances in one scenario")
    names.draws += 1
    return names.bit(Atom.CHANCE, names.draws - 1, percent * PERCENT // 100, 0)


def _brought(name: str, names: Names) -> int:
    if name not in names.brought:
        names.brought.append(name)
    return names.bit(Atom.BROUGHT, names.brought.index(name), 0, 0)


def mapping_of(levels: Mapping[Any, int]) -> list[int]:
    """Numbers by name of a level, as a row over all levels; absent ones are 0."""
    return [levels.get(name, 0) for name in LEVELS]
