"""Where a world's inhabitants stand, by what its slices last said of themselves: committed with their steps.
Lives here: sums over slices. Not here: the rows (store), who is simulated how closely (npc)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from worldtick.observer.counting import TIERS
from worldtick.store.db import Connection
from worldtick.store.facts import facts_of_service

SERVICE: Final = "npc"
HELD: Final = "npc_tiers"  # its facts: people in each tier
DUE: Final = "npc_due"  # and what is left over


class Inhabitants(msgspec.Struct, frozen=True):
    """A world's inhabitants after the steps that are committed."""

    tiers: dict[str, int]  # every tier -> people in it
    carried: int  # decisions due and not made
    oldest_wait_s: int  # world seconds that the oldest of them waits


_decode = msgspec.msgpack.Decoder(dict[str, dict[str, int]]).decode


def inhabitants_of(conn: Connection, keys: Sequence[int]) -> dict[int, Inhabitants]:
    """World key -> its inhabitants; nothing for worlds that have none. One small row is read for each slice."""
    said: dict[int, list[dict[str, dict[str, int]]]] = {}
    for key, body in facts_of_service(conn, keys, SERVICE):
        said.setdefault(key, []).append(_decode(body))
    return {key: _summed(facts) for key, facts in said.items()}


def _summed(slices: Sequence[dict[str, dict[str, int]]]) -> Inhabitants:
    held, due = ([each.get(name, {}) for each in slices] for name in (HELD, DUE))
    return Inhabitants(
        tiers={tier: sum(each.get(tier, 0) for each in held) for tier in TIERS},
        carried=sum(each.get("carried", 0) for each in due),
        oldest_wait_s=max((each.get("wait_s", 0) for each in due), default=0),
    )
