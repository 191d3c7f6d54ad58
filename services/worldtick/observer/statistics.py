"""Statistics of worlds: what the last tick did and how long ticks take; of one world, or of all together.
Lives here: reading them out of ledger and events. Not here: metrics (exposition), lists (lives)."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from worldtick.contracts.codec import decode
from worldtick.contracts.outputs import Message, decode_outputs
from worldtick.store.clocks import find_view, unfinished
from worldtick.store.db import Connection
from worldtick.store.durations import tick_durations
from worldtick.store.standing import finishes
from worldtick.store.worlds import World

ROLLING_TICKS: Final = 100
_INHABITANTS: Final = "simulation.event.aggregated_stats"
_REQUESTS: Final = "generation.request"


class Statistics(msgspec.Struct):
    """Durations are the services' steps, one after the other, in ms."""

    ticks_processed: int = 0  # finished by every service
    npcs_simulated_last_tick: int = 0  # that decided
    jobs_enqueued_last_tick: int = 0
    npcs_per_tier: dict[str, int] = {}
    last_tick_duration_ms: float = 0.0
    average_tick_duration_ms: float = 0.0  # over the last ROLLING_TICKS


def statistics_of(conn: Connection, world: World) -> Statistics:
    """One world's."""
    view = find_view(conn, world.world_key)
    seq = view.seq if view is not None else 0
    behind = [first for _, _, first in unfinished(conn, [world.world_key])]
    done = min([seq, *(first - 1 for first in behind)])
    found = Statistics(ticks_processed=done)
    durations = tick_durations(conn, world.world_key, max(1, done - ROLLING_TICKS + 1), done)
    if durations:
        found.last_tick_duration_ms = durations[-1][1] / 1_000
        found.average_tick_duration_ms = sum(us for _, us in durations) / len(durations) / 1_000
    for row in finishes(conn, world.world_key, done, done) if done else ():
        for message in decode_outputs(row.outputs).messages if row.outputs else ():
            _add(found, message)
    return found


def _add(found: Statistics, message: Message) -> None:
    if message.topic == _REQUESTS:
        found.jobs_enqueued_last_tick += 1
    elif message.event_type == _INHABITANTS:
        data: dict[str, Any] = decode(message.value)["data"]
        found.npcs_simulated_last_tick += int(data["decisions"])
        found.npcs_per_tier = _summed(found.npcs_per_tier, data["tiers"])


def _summed(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in dict.fromkeys([*one, *other])}


def together(worlds: Iterable[Statistics]) -> Statistics:
    """The sum over worlds, field by field."""
    total = Statistics()
    for each in worlds:
        total.ticks_processed += each.ticks_processed
        total.npcs_simulated_last_tick += each.npcs_simulated_last_tick
        total.jobs_enqueued_last_tick += each.jobs_enqueued_last_tick
        total.npcs_per_tier = _summed(total.npcs_per_tier, each.npcs_per_tier)
        total.last_tick_duration_ms += each.last_tick_duration_ms
        total.average_tick_duration_ms += each.average_tick_duration_ms
    return total
