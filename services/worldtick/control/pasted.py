"""What a pasted tick means: its kind, its name, its slot. Pure.
Lives here: the policy of pastes, and the reasons why one is dead. Not here: locks, SQL, Kafka (desk, room)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worldtick.clock.moves import BoundaryKind, Move, Standing, next_move, owes_daily, slots_until
from worldtick.clock.slots import is_hour, is_midnight, last_midnight, next_hour, next_midnight
from worldtick.clock.worldtime import DAY_US, HOUR_US, SECOND_US, UNIX_MAX_S, WorldTime, format_world_time
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.ticks import PastedTick

KIND_OF_TOPIC: dict[str, BoundaryKind] = {"world.tick.hourly": "hourly", "world.tick.daily": "daily"}
GAP_SLOTS_MAX = 240  # slots that one paste may bridge
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "`worldtick tick template hourly` prints a line to paste"


@dataclass(frozen=True, slots=True)
class Target:
    """The tick that a paste asks for."""

    kind: BoundaryKind
    slot_us: WorldTime
    slot_named: bool  # False: the next one, whichever it is


def kind_of(topic: str, paste: PastedTick) -> BoundaryKind:
    """The kind of a paste on a topic (without prefix). Unreadable: wrong_topic, no_kind."""
    said: set[BoundaryKind] = set()
    if paste.data.tick_type is not None:
        said.add(paste.data.tick_type)
    if paste.event_type is not None:
        said.add(KIND_OF_TOPIC[paste.event_type])
    if (own := KIND_OF_TOPIC.get(topic)) is not None:
        said.add(own)
    if len(said) > 1:
        raise Unreadable("wrong_topic", f"topic {topic}, event_type and tick_type name both kinds; {_HINT}")
    if not said:
        raise Unreadable("no_kind", f"on {topic} a tick says its tick_type, hourly or daily; {_HINT}")
    return said.pop()


def name_of(paste: PastedTick) -> str | None:
    """The id by which a second paste of the same tick is known."""
    return paste.data.tick_id or paste.event_id


def target_of(standing: Standing, kind: BoundaryKind, paste: PastedTick, paused: bool = False) -> Target:
    """Which slot a paste means: game_time, else day and hour, else the next one. A paused world moves one slot.

    Unreadable: no_such_grid, not_a_slot. A slot in the past is returned as it is: see `is_past`.
    """
    if not (standing.hourly if kind == "hourly" else standing.daily):
        raise Unreadable("no_such_grid", f"the world has no {kind} ticks")
    upcoming = next_slot(standing, kind)
    slot = _named_slot(standing, kind, paste)
    if slot is not None and slot + standing.epoch_s * SECOND_US > UNIX_MAX_S * SECOND_US:
        raise Unreadable("not_a_slot", "the day lies beyond the year 9999")
    if slot is None:
        return Target(kind, upcoming, False)
    if paused and slot > upcoming:
        return Target(kind, upcoming, True)
    return Target(kind, slot, True)


def next_slot(standing: Standing, kind: BoundaryKind) -> WorldTime:
    """The slot of the next tick of a kind: for a daily that is owed, the midnight that it is owed for."""
    if kind == "hourly":
        return next_hour(standing.now_us, standing.epoch_s)
    return standing.now_us if owes_daily(standing) else next_midnight(standing.now_us, standing.epoch_s)


def _named_slot(standing: Standing, kind: BoundaryKind, paste: PastedTick) -> WorldTime | None:
    epoch_s, data = standing.epoch_s, paste.data
    if data.game_time is not None:
        slot = WorldTime((data.game_time - _UNIX) // timedelta(microseconds=1) - epoch_s * SECOND_US)
        if not (is_hour if kind == "hourly" else is_midnight)(slot, epoch_s):
            raise Unreadable("not_a_slot", f"game_time {data.game_time.isoformat()} is no {kind} boundary")
        return slot
    first_midnight = last_midnight(0, epoch_s)
    if data.game_day is not None:
        day = WorldTime(first_midnight + (data.game_day - 1) * DAY_US)
        return WorldTime(day + (data.game_hour or 0) * HOUR_US) if kind == "hourly" else day
    if data.game_hour is None or kind == "daily":
        return None
    today = WorldTime(last_midnight(standing.now_us, epoch_s) + data.game_hour * HOUR_US)
    return today if today > standing.now_us else WorldTime(today + DAY_US)


def is_past(standing: Standing, target: Target) -> bool:
    """Whether world time would have to run back, or stand still, for this target."""
    if target.kind == "daily" and target.slot_us == standing.now_us:
        return not owes_daily(standing)
    return target.slot_us <= standing.now_us


def past_sentence(standing: Standing, target: Target) -> str:
    """Why a target in the past is dead."""
    slot, now = (format_world_time(at, standing.epoch_s) for at in (target.slot_us, standing.now_us))
    return (
        f"the {target.kind} slot {slot} lies in the past of the world, whose time is {now}; world time never runs back"
    )


def refuse_gap(standing: Standing, target: Target, gap_slots_max: int) -> None:
    """Unreadable: gap, if more slots than allowed lie between the clock and the target."""
    gap = slots_until(standing, _run(standing), target.slot_us)
    if gap > gap_slots_max:
        slot = format_world_time(target.slot_us, standing.epoch_s)
        raise Unreadable(
            "gap", f"{slot} is {gap} slots ahead of the world; one paste bridges {gap_slots_max}: run the ticker --slot"
        )


def reached(standing: Standing, target: Target) -> bool:
    """Whether the target's own tick has been sealed by these moves."""
    if target.kind == "daily":
        return standing.daily_us >= target.slot_us
    return standing.now_us >= target.slot_us


def move_towards(standing: Standing, target: Target) -> Move | None:
    """The next tick on the way to a target, under the world's catch-up policy; None once it is reached."""
    if reached(standing, target):
        return None
    run = _run(standing)
    return next_move(standing, run, slots_until(standing, run, target.slot_us))


def _run(standing: Standing) -> BoundaryKind:
    return "hourly" if standing.hourly else "daily"
