"""All events there are: event type -> model.
Lives here: the list, and reading a record as its model. Not here: bytes (codec) or schema files (release)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from pydantic import ValidationError

from worldtick.contracts import commands, events, ticks, timings
from worldtick.contracts.envelope import BaseEvent
from worldtick.contracts.errors import Unreadable

_ALL: tuple[type[BaseEvent[Any]], ...] = (
    ticks.WorldTick,
    ticks.WorldTickHourly,
    ticks.WorldTickDaily,
    events.MarketCleared,
    events.StepCompleted,
    events.StepFailed,
    events.CrowdSignal,
    events.DiplomacyUpdate,
    events.DiplomacySummary,
    events.AgentAction,
    events.AggregatedStats,
    events.DemandSignal,
    events.PopulationMovement,
    events.CrowdSignalEnded,
    events.CrowdSummary,
    events.TreatyUpdate,
    timings.TimerFired,
    timings.TimerSkipped,
    timings.TimerCancelled,
    timings.TimerDisabled,
    timings.TimerEnabled,
    timings.TimerRefused,
    timings.SimulationComplete,
    timings.HoursSkipped,
    ticks.SliceTick,
    events.NpcIntent,
    commands.ControlReply,
)


def type_of(model: type[BaseEvent[Any]]) -> str:
    """The event type that a model declares."""
    (event_type,) = get_args(model.model_fields["event_type"].annotation)
    return str(event_type)


MODELS: Mapping[str, type[BaseEvent[Any]]] = MappingProxyType({type_of(model): model for model in _ALL})


def as_event(record: Mapping[str, Any]) -> BaseEvent[Any]:
    """A decoded record as its model. Raises Unreadable: unknown_type, or wrong_schema naming every fault."""
    event_type = record.get("event_type")
    model = MODELS.get(event_type) if isinstance(event_type, str) else None
    if model is None:
        raise Unreadable("unknown_type", f"event_type {str(event_type)[:80]!r} is none that this build knows")
    try:
        return model.model_validate(record)
    except ValidationError as broken:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in broken.errors()[:20])
        raise Unreadable("wrong_schema", f"{event_type} does not fit its schema: {faults}") from broken
