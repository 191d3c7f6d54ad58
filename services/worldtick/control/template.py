"""A tick to paste: one line of JSON in the shape that people know, for a world's next slot or for whichever comes.
Lives here: its fields. Not here: what a paste means (pasted), printing it (cli)."""

from typing import Any

import msgspec

from worldtick.clock.moves import BoundaryKind, Standing
from worldtick.clock.worldtime import format_world_time
from worldtick.contracts.envelope import VERSION
from worldtick.contracts.errors import Refused
from worldtick.contracts.ids import ring_id, tick_id
from worldtick.contracts.stamps import calendar_numbers
from worldtick.contracts.wire import TICKER
from worldtick.control.pasted import KIND_OF_TOPIC, next_slot

TOPIC_OF_KIND: dict[BoundaryKind, str] = {kind: topic for topic, kind in KIND_OF_TOPIC.items()}


def nameless_line(kind: BoundaryKind) -> str:
    """A tick that names no world and no slot: each time it is pasted, the world moves to its next slot."""
    data = {"tick_type": kind, "triggered_by": "manual"}
    return _line({"event_type": TOPIC_OF_KIND[kind], "version": VERSION, "source": TICKER, "data": data})


def next_line(world: str, kind: BoundaryKind, standing: Standing) -> str:
    """The next tick of a world, under the id that it will have: pasted twice, or sealed meanwhile, it is the same.

    Raises Refused if the world has no such ticks.
    """
    if not (standing.hourly if kind == "hourly" else standing.daily):
        raise Refused(f"world {world!r} has no {kind} ticks")
    slot = next_slot(standing, kind)
    stamp, numbers = format_world_time(slot, standing.epoch_s), calendar_numbers(slot, standing.epoch_s)
    topic, name = TOPIC_OF_KIND[kind], tick_id(world, kind, slot)
    data: dict[str, Any] = {"tick_id": name, "tick_type": kind}
    data.update({"game_hour": numbers.hour} if kind == "hourly" else {"game_day": numbers.day})
    data.update(game_time=stamp, tick_timestamp=stamp, triggered_by="manual", world=world)
    head = {"event_id": ring_id(name, topic), "event_type": topic, "timestamp": stamp}
    return _line({**head, "version": VERSION, "source": TICKER, "data": data})


def _line(record: dict[str, Any]) -> str:
    return msgspec.json.encode(record).decode()
