"""The input of the exactly-once benches: tick records as they stand on `world.tick.hourly`.

Lives here: worlds, their hourly rings, what must come of them. Not here: topics, processes, clocks."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from worldtick.contracts.ids import ring_id, tick_id

TOPIC = "world.tick.hourly"
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
CONSUMERS = ("agenda", "counter", "economy", "generation", "npc", "society")


def world_names(worlds: int) -> list[str]:
    """Names in a fixed order."""
    return [f"bench-{number:04d}" for number in range(worlds)]


def ring(world: str, seq: int) -> bytes:
    """The record of a world's seq-th tick, all of whose ticks are hourly."""
    tick = tick_id(world, "hourly", seq * HOUR_US)
    at = EPOCH + timedelta(hours=seq)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    data = {
        "tick_id": tick,
        "tick_type": "hourly",
        "game_hour": at.hour,
        "game_day": (at - EPOCH).days + 1,
        "game_time": stamp,
        "tick_timestamp": stamp,
        "triggered_by": "scheduler",
        "consumers": CONSUMERS,
        "world": world,
        "seq": seq,
        "kind_seq": seq,
        "from_us": (seq - 1) * HOUR_US,
        "to_us": seq * HOUR_US,
        "hours": 1,
        "metadata": {"simulation_day": (at - EPOCH).days + 1, "simulation_year": at.year},
    }
    record = {
        "event_id": ring_id(tick, TOPIC),
        "event_type": TOPIC,
        "timestamp": stamp,
        "version": "1.0.0",
        "source": "simulation.ticker",
        "data": data,
    }
    return json.dumps(record, separators=(",", ":")).encode()


def rings(worlds: Iterable[str], first: int, last: int) -> Iterator[tuple[str, bytes]]:
    """(key, record) of ticks first to last of all worlds, hour by hour, as a ticker would ring them."""
    names = list(worlds)
    for seq in range(first, last + 1):
        for world in names:
            yield world, ring(world, seq)


class Unequal(Exception):
    """A contestant lost, doubled, reordered or miscounted: its figure is worth nothing."""


def prove(contestant: str, outputs: Iterable[bytes], last_seq: dict[str, int]) -> str:
    """Check every output of every world against its own arithmetic; returns the digest of the totals.

    outputs: values in the order read; last_seq: world -> the last tick rung. Raises Unequal.
    """
    seen: dict[str, int] = dict.fromkeys(last_seq, 0)
    for value in outputs:
        event = json.loads(value)
        if event["event_type"] != "simulation.event.counted":
            continue
        data = event["data"]
        world, n = data["world"], seen[data["world"]] + 1
        if (data["seq"], data["count"], data["sum"]) != (n, n, n * (n + 1) // 2):
            raise Unequal(f"{contestant}: output {n} of {world} is {data}")
        seen[world] = n
    if seen != last_seq:
        wrong = next(world for world in last_seq if seen[world] != last_seq[world])
        raise Unequal(f"{contestant}: {wrong} has {seen[wrong]} outputs, not {last_seq[wrong]}")
    totals = "".join(f"{world} {n} {n * (n + 1) // 2}\n" for world, n in sorted(seen.items()))
    return hashlib.sha256(totals.encode()).hexdigest()[:16]
