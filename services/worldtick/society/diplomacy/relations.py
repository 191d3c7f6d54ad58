"""The state of a world's diplomacy: feelings, grievances, memories, treaties, states, powers.
Lives here: its arrays, their first values, their bytes. Not here: what a day does to them (kernel, days)."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import scaled_high, words
from worldtick.chance.streams import ChanceStream
from worldtick.society.diplomacy.plan import Plan
from worldtick.society.diplomacy.rules import CAUSES, GRIEVANCES, MEMORY, POWERS, TREATIES, Relation

LOVE_SPAN, LOVE_LOW = 90_000, -42_000  # what pairs feel by nature, uniform


class Relations(NamedTuple):
    """f factions, p pairs; axis of length 2: what the pair's first feels towards its second, and the reverse. Milli."""

    state: NDArray[np.int8]  # (p,) Relation
    since: NDArray[np.int32]  # (p,) day of its last change
    seen: NDArray[np.int32]  # (p,) day of its last evaluation
    part: NDArray[np.int32]  # (p, 11) the score's parts, by Cause
    mark: NDArray[np.int32]  # (p, 11) as they were at its last change
    love: NDArray[np.int32]  # (p, 2) -100,000 .. 100,000
    fear: NDArray[np.int32]  # (p, 2) 0 .. 100,000
    trust: NDArray[np.int32]  # (p, 2) -100,000 .. 100,000
    grievance: NDArray[np.int32]  # (p, 2, 5) 0 .. 100,000, by Grievance
    deed: NDArray[np.int8]  # (p, 2, 8) Deed, a ring
    deed_day: NDArray[np.int32]  # (p, 2, 8)
    deed_at: NDArray[np.int8]  # (p, 2) where the ring goes on
    until: NDArray[np.int64]  # (p, 3) world time at which each Treaty ends; 0: none
    price: NDArray[np.int32]  # (p, 3) trust that breaking it costs
    nature: NDArray[np.int32]  # (p, 2) what love comes back to
    power: NDArray[np.int32]  # (f, 5) 0 .. 100,000, by Power
    usual: NDArray[np.int64]  # (homes,) the staples' usual price, 256ths of a price tick; 0: none seen yet
    day: NDArray[np.int32]  # (1,) days lived


def layout(plan: Plan) -> list[tuple[str, str, tuple[int, ...]]]:
    """(field, dtype, shape) in the order of the bytes."""
    p, f = plan.pairs, len(plan.factions)
    shapes: dict[str, tuple[int, ...]] = {
        "part": (p, CAUSES),
        "mark": (p, CAUSES),
        "love": (p, 2),
        "fear": (p, 2),
        "trust": (p, 2),
        "grievance": (p, 2, GRIEVANCES),
        "deed": (p, 2, MEMORY),
        "deed_day": (p, 2, MEMORY),
        "deed_at": (p, 2),
        "until": (p, TREATIES),
        "price": (p, TREATIES),
        "nature": (p, 2),
        "power": (f, POWERS),
        "usual": (len(plan.homes),),
        "day": (1,),
    }
    types = {"state": "<i1", "deed": "<i1", "deed_at": "<i1", "until": "<i8", "usual": "<i8"}
    return [(name, types.get(name, "<i4"), shapes.get(name, (p,))) for name in Relations._fields]


def genesis(plan: Plan, seed: int) -> Relations:
    """The first day: at peace, or in a cold war where both by nature dislike each other; feelings as by nature."""
    arrays = {name: np.zeros(shape, dtype) for name, dtype, shape in layout(plan)}
    drawn = words(seed, 0, np.arange(plan.pairs, dtype=np.uint64), ChanceStream.DIPLOMACY_GENESIS)
    common = scaled_high(drawn[:, 0], LOVE_SPAN) + LOVE_LOW
    for side in (0, 1):
        own = scaled_high(drawn[:, 1 + side], LOVE_SPAN) + LOVE_LOW
        arrays["nature"][:, side] = (3 * common + own) // 4
    arrays["love"][:] = arrays["nature"]
    arrays["power"][:] = plan.power
    disliked = arrays["nature"].sum(axis=1) < 2 * -20_000
    arrays["state"][:] = np.where(disliked, Relation.COLD_WAR, Relation.PEACE)
    arrays["part"][:, 0] = arrays["nature"].sum(axis=1) // 2
    arrays["mark"][:] = arrays["part"]
    return Relations(**arrays)


def copied(relations: Relations) -> Relations:
    """The same in arrays of its own."""
    return Relations(**{name: array.copy() for name, array in relations._asdict().items()})


def encode(relations: Relations) -> bytes:
    """Canonical bytes: the arrays one after the other, little-endian."""
    return b"".join(array.tobytes() for array in relations)


def decode(body: bytes, plan: Plan) -> Relations:
    """The inverse of `encode`. Raises ValueError if the bytes are none of this plan."""
    arrays: list[NDArray[Any]] = []
    at = 0
    for _, dtype, shape in layout(plan):
        count = int(np.prod(shape, dtype=np.int64))
        size = count * np.dtype(dtype).itemsize
        if at + size > len(body):
            break
        arrays.append(np.frombuffer(body, dtype, count, at).reshape(shape).copy())
        at += size
    if len(arrays) != len(Relations._fields) or at != len(body):
        raise ValueError(f"{len(body)} bytes are no relations of {len(plan.factions)} factions")
    return Relations(*arrays)
