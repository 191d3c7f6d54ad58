"""Tick events: what the ticker says on world.tick, world.tick.hourly and world.tick.daily, and what people paste there.
Lives here: their models. Not here: the sealed tick with its directives and facts (sealed), or fast reading (rings)."""

from typing import Annotated, Literal

from pydantic import Field

from worldtick.contracts.envelope import BaseEvent, Count, Name, Ordinal, UuidText, Wire
from worldtick.contracts.stamps import Stamp

TriggeredBy = Literal["scheduler", "manual", "system"]
GameHour = Annotated[int, Field(strict=True, ge=0, le=23)]
Consumers = Annotated[list[Name], Field(max_length=64)]


class CalendarMetadata(Wire):
    """Where a day lies: all count from 1 at the world's epoch, but for the year, which is the calendar's."""

    simulation_day: Ordinal
    simulation_week: Ordinal
    simulation_month: Ordinal
    simulation_year: Annotated[int, Field(strict=True, ge=1, le=9999)]


class _Sealed(Wire):
    """What ours say beyond a pasted tick; a record that has world, seq and kind_seq is sealed."""

    world: Name | None = Field(None, description="The world that the tick moves.")
    seq: Ordinal | None = Field(None, description="Ordinal among all ticks of the world, without a gap.")
    kind_seq: Ordinal | None = Field(None, description="Ordinal among the world's ticks of this kind.")
    from_us: Count | None = Field(None, description="World time at which the tick starts, us since the epoch.")
    slot_us: Count | None = Field(None, description="World time at which the tick ends: its slot, us since the epoch.")
    hours: Count | None = Field(None, description="Game hours that it spans; more than 1 after a coalesced gap.")
    caused_by: Name | None = Field(None, description="For a pasted tick: topic/partition/offset and the id pasted.")
    snapshot: bool | None = Field(None, description="Of one rung again: that all services store their states after it.")


class HourlyTickData(_Sealed):
    """An hour of a world."""

    tick_id: UuidText
    tick_type: Literal["hourly"]
    game_hour: GameHour
    game_time: Stamp = Field(description="World time as a date: the tick's slot.")
    tick_timestamp: Stamp
    triggered_by: TriggeredBy
    consumers: Consumers = Field(description="The services that must finish this tick.")


class DailyTickData(_Sealed):
    """A midnight of a world."""

    tick_id: UuidText
    tick_type: Literal["daily"]
    game_day: Ordinal
    game_time: Stamp = Field(description="World time as a date: the tick's slot.")
    tick_timestamp: Stamp
    triggered_by: TriggeredBy
    consumers: Consumers = Field(description="The services that must finish this tick.")
    metadata: CalendarMetadata | None = None


class AnyTickData(_Sealed):
    """Any tick of a world; the stream world.tick has all kinds in order."""

    tick_id: UuidText
    tick_type: Literal["step", "hourly", "daily"]
    game_hour: GameHour | None = None
    game_day: Ordinal | None = None
    game_time: Stamp = Field(description="World time as a date: the tick's slot.")
    tick_timestamp: Stamp
    triggered_by: TriggeredBy
    consumers: Consumers = Field(description="The services that must finish this tick.")
    metadata: CalendarMetadata | None = None


class WorldTick(BaseEvent[AnyTickData]):
    """A tick of any kind, on world.tick."""

    event_type: Literal["world.tick"]


class WorldTickHourly(BaseEvent[HourlyTickData]):
    """An hourly tick, on world.tick.hourly."""

    event_type: Literal["world.tick.hourly"]


class WorldTickDaily(BaseEvent[DailyTickData]):
    """A daily tick, on world.tick.daily."""

    event_type: Literal["world.tick.daily"]


class SliceTickData(Wire):
    """A tick of a world, for one slice of a service that spreads a world over many workers."""

    tick_id: UuidText
    tick_type: Literal["step", "hourly", "daily"]
    world: Name
    slice: Count
    seq: Ordinal
    kind_seq: Ordinal
    game_time: Stamp = Field(description="World time as a date: the tick's slot.")
    snapshot: bool | None = Field(None, description="That the slice's state after it is to be stored.")


class SliceTick(BaseEvent[SliceTickData]):
    """A tick for one slice of the people, on npc.slice."""

    event_type: Literal["npc.slice"]


class PastedTickData(Wire):
    """What a person may say of a tick: as little as nothing, as much as the whole of one of ours."""

    tick_id: UuidText | None = None
    tick_type: Literal["hourly", "daily"] | None = None
    game_hour: GameHour | None = None
    game_day: Ordinal | None = None
    game_time: Stamp | None = None
    triggered_by: TriggeredBy | None = None
    world: Name | None = None


class PastedTick(Wire):
    """A tick pasted on a tick topic: the seed's JSON on one line, any part of it. Control seals it."""

    event_id: UuidText | None = None
    event_type: Literal["world.tick.hourly", "world.tick.daily"] | None = None
    timestamp: Stamp | None = None
    data: PastedTickData
