"""What is said of a world's timers and of how its time passes.
Lives here: the models of these events. Not here: other events of services (events), ticks themselves (ticks)."""

from typing import Annotated, Literal

from pydantic import Field

from worldtick.contracts.envelope import BaseEvent, Name, Ordinal, UuidText, Whole
from worldtick.contracts.events import OfTick
from worldtick.contracts.stamps import Stamp


class TimerFiredData(OfTick):
    """A timer came up and was executed."""

    timer: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time at which it was due; the event's own is the tick's.")
    occurrence: Ordinal = Field(description="How often it has come up, this time included.")
    priority: Whole
    payload: Annotated[str, Field(min_length=1, max_length=4_096)] | None = Field(
        None, description="What was put in with it: JSON, as text."
    )
    then: Name | None = Field(None, description="What it asked for, as service.directive; a later tick carries it.")


class TimerSkippedData(OfTick):
    """A timer came up and was not executed."""

    timer: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time at which it was due.")
    reason: Name
    occurrence: Ordinal
    occurrences: Ordinal = Field(description="How many of its times were skipped at once.")
    priority: Whole


class TimerCancelledData(OfTick):
    """A timer was taken out before it came up."""

    timer: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time at which it would have been due.")


class TimerDisabledData(OfTick):
    """A timer does not come up until it is enabled again."""

    timer: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time at which it would have been due next.")


class TimerEnabledData(OfTick):
    """A timer comes up again."""

    timer: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time at which it is due next.")


class TimerRefusedData(OfTick):
    """Something was asked of the agenda that cannot be."""

    timer: Name = Field(description="Its name, or ? where it has none that can be.")
    tick_id: UuidText
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]


class HoursSkippedData(OfTick):
    """Hours of a world had no ticks of their own: one tick spans them, since the world lagged or nobody ticked it."""

    tick_id: UuidText
    hours: Ordinal = Field(description="Hours without a tick of their own.")
    since: Stamp = Field(description="World time at which the tick that spans them begins.")
    until: Stamp = Field(description="World time at which it ends.")


class SimulationCompleteData(OfTick):
    """A world that goes from timer to timer has none left."""

    at: Stamp = Field(description="World time at which it stands.")
    tick_id: UuidText


class TimerFired(BaseEvent[TimerFiredData]):
    """A timer was executed."""

    event_type: Literal["simulation.event.timer_fired"]


class TimerSkipped(BaseEvent[TimerSkippedData]):
    """A timer was skipped."""

    event_type: Literal["simulation.event.timer_skipped"]


class TimerCancelled(BaseEvent[TimerCancelledData]):
    """A timer was cancelled."""

    event_type: Literal["simulation.event.timer_cancelled"]


class TimerDisabled(BaseEvent[TimerDisabledData]):
    """A timer was disabled."""

    event_type: Literal["simulation.event.timer_disabled"]


class TimerEnabled(BaseEvent[TimerEnabledData]):
    """A timer was enabled again."""

    event_type: Literal["simulation.event.timer_enabled"]


class TimerRefused(BaseEvent[TimerRefusedData]):
    """A timer was refused."""

    event_type: Literal["simulation.event.timer_refused"]


class SimulationComplete(BaseEvent[SimulationCompleteData]):
    """Nothing is left to be done."""

    event_type: Literal["simulation.event.simulation_complete"]


class HoursSkipped(BaseEvent[HoursSkippedData]):
    """Hours were skipped under a world's lag or catch-up policy; said with the tick's ring, by whoever sealed it."""

    event_type: Literal["simulation.event.hours_skipped"]
