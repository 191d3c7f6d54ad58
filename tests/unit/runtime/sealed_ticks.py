"""Sealed ticks for tests of the runtime and of what looks at it.
Lives here: one hourly tick, with what a test changes of it. Not here: sealing (sealing)."""

from typing import Any

from worldtick.contracts.ids import tick_id
from worldtick.contracts.sealed import SealedTick

HOUR_US = 3_600_000_000
EPOCH_S = 1_577_836_800


def sealed(seq: int = 1, world: str = "w", **more: Any) -> SealedTick:
    """The tick of a world's seq-th hour."""
    fields: dict[str, Any] = {
        "world": world,
        "seed": 1,
        "epoch_s": EPOCH_S,
        "seq": seq,
        "kind": "hourly",
        "kind_seq": seq,
        "tick_id": tick_id(world, "hourly", seq * HOUR_US),
        "from_us": (seq - 1) * HOUR_US,
        "to_us": seq * HOUR_US,
        "hours": 1,
        "triggered_by": "scheduler",
        "caused_by": None,
        "traceparent": None,
        "facts_as_of": 0,
        "consumers": ("count",),
        "budgets": {},
        "directives": (),
        "facts": {},
    }
    return SealedTick(**{**fields, **more})
