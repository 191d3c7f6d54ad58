"""Simulation events: what services say on simulation.event, past tense.
Lives here: their models. Not here: the fast structs that the hot path writes (said), or the list of all (registry)."""

from typing import Annotated, Literal

from pydantic import Field

from worldtick.contracts.envelope import BaseEvent, Count, Name, Ordinal, Price, UuidText, Whole, Wire
from worldtick.contracts.stamps import Stamp
from worldtick.contracts.ticks import GameHour

Ppm = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Relation = Literal["WAR", "COLD_WAR", "PEACE", "ALLIANCE"]
ERROR_MAX_CHARS = 2_000  # of an error's text on the wire: readers log it


class OfTick(Wire):
    """Where an event belongs; the flat samples of old have none of it."""

    world: Name | None = None
    seq: Ordinal | None = Field(None, description="The tick's ordinal in its world.")


class MarketClearedData(OfTick):
    """One market cleared in one tick at one price."""

    commodity: Name
    price: Price = Field(description="Exact decimal with two digits; compute with price_ticks.")
    volume: Count = Field(description="Units traded.")
    timestamp: Stamp = Field(description="World time.")
    market_id: Name
    period: Literal["hourly", "daily"]
    tick_id: UuidText
    game_hour: GameHour
    price_ticks: Count | None = Field(None, description="The price as an integer, in ticks of 0.01.")
    district: Name | None = None
    efficiency_ppm: Ppm | None = Field(None, description="Gains from trade realised, of those possible, in ppm.")
    unmatched: Count | None = Field(None, description="Units bid or asked that did not trade.")
    demand: Count | None = Field(None, description="Units bid for.")
    supply: Count | None = Field(None, description="Units asked for sale.")
    orders: Count | None = None
    sources: dict[str, Whole] | None = Field(None, description="Declared creation of goods and money, by name.")
    sinks: dict[str, Whole] | None = Field(None, description="Declared destruction of goods and money, by name.")


class StepCompletedData(Wire):
    """A service finished a tick for one slice."""

    service: Name
    slice: Count
    seq: Ordinal
    version: Ordinal = Field(description="Place in the service's stream: seq or kind_seq.")
    world: Name
    tick_id: UuidText
    slot: Stamp = Field(description="World time at which the tick ended.")
    outcome: Literal["applied", "dead"]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] = Field(description="xxh3_128 of the slice's state after.")
    used: dict[str, Count] = Field(description="Budget -> operations spent.")
    carried: dict[str, Count] = Field(description="Budget -> operations left for later ticks.")
    events: Count = Field(description="Events that the step said, this one not counted.")


class StepFailedData(Wire):
    """A step that died: its state is unchanged and its directives were not applied. On the tick's dead-letter topic."""

    service: Name
    slice: Count
    seq: Ordinal
    version: Ordinal
    world: Name
    tick_id: UuidText
    slot: Stamp
    reason: Literal["raised", "killed", "hung"]
    error: Annotated[str, Field(max_length=ERROR_MAX_CHARS)]
    attempts: Ordinal
    directives: Count = Field(description="Directives of the tick for this service, which `dlq replay` queues again.")


class CrowdSignalData(OfTick):
    """A crowd's behaviour that is significant against its own history."""

    signal_type: Name = Field(description="Such as food_demand_rising, gathering, mood_shift, social_trend.")
    location: Name
    magnitude: float
    change_percent: float
    agent_count: Count
    aggregation_timestamp: Stamp
    time_window_minutes: Count
    predicted_duration_minutes: Count
    tick_id: UuidText | None = None
    game_day: Ordinal | None = Field(None, description="The day of the crowd's life that was counted.")
    value: Whole | None = Field(None, description="The number that is news; its unit is the signal type's.")
    usual: Whole | None = Field(None, description="Its running mean until then.")
    origin: Name | None = Field(None, description="Of a population_movement: where most of them live.")
    destination: Name | None = Field(None, description="Of a population_movement: where they are.")


class DiplomacyUpdateData(OfTick):
    """Two factions changed their relation."""

    faction_a_id: Name
    faction_b_id: Name
    new_relation_state: Relation
    score_change: float
    reason: Name
    tick_id: UuidText | None = None
    old_relation_state: Relation | None = None
    game_day: Ordinal | None = None
    contributions: dict[str, Whole] | None = Field(None, description="What moved the score, by cause, in milli-points.")


class DiplomacySummaryData(OfTick):
    """A day's diplomacy over all pairs."""

    tick_id: UuidText
    game_day: Ordinal
    evaluated: Count = Field(description="Pairs evaluated.")
    changed: Count = Field(description="Pairs whose state changed.")
    states: dict[str, Count] = Field(description="Relation state -> pairs in it.")


class AgentActionData(OfTick):
    """One inhabitant began or ended an activity."""

    agent_id: Count
    action: Name
    phase: Literal["started", "finished"]
    location: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time of the decision, which may lie within the tick.")
    tier: Name | None = None
    target: Name | None = None


class AggregatedStatsData(OfTick):
    """What one slice of inhabitants did in one tick, counted."""

    slice: Count
    tick_id: UuidText
    agents: Count
    decisions: Count
    unsaid: Count = Field(description="agent_action events that the event budget left unsaid, counted here.")
    activities: dict[str, Count] = Field(description="Activity -> inhabitants in it.")
    tiers: dict[str, Count] = Field(description="Tier -> inhabitants in it.")
    simulated: dict[str, Count] | None = Field(None, description="Tier -> decisions in this tick.")
    carried: Count | None = Field(None, description="Decisions that were due and wait for a later tick.")
    oldest_wait_s: Count | None = Field(None, description="World seconds that the oldest of them waits.")
    intents_unsaid: Count | None = Field(None, description="Intents that their budget left unsaid, counted here.")


class DemandSignalData(OfTick):
    """How a group's wants act on a commodity in a district."""

    commodity: Name
    district: Name
    demand_ppm: Count = Field(description="Factor on consumption, 1000000 = unchanged.")
    origin: Name = Field(description="Who wants: such as crowd or npc.")
    tick_id: UuidText


class PopulationMovementData(OfTick):
    """People moved from one place to another."""

    origin: Name
    destination: Name
    agent_count: Ordinal
    tick_id: UuidText
    reason: Name | None = None


class TreatyUpdateData(OfTick):
    """What became of a treaty between two factions."""

    faction_a_id: Name
    faction_b_id: Name
    treaty: Literal["alliance", "trade", "non_aggression"]
    change: Literal["signed", "refused", "expired", "broken"]
    tick_id: UuidText
    game_day: Ordinal
    until: Stamp | None = Field(None, description="World time at which it ends, where it was signed.")
    broken_by: Name | None = None


class NpcIntentData(OfTick):
    """One inhabitant wants something of another, which hears of it at a later tick."""

    agent_id: Count
    target_id: Count
    intent: Literal["talk", "trade", "give"]
    activity: Name
    tick_id: UuidText
    at: Stamp = Field(description="World time of the decision, which may lie within the tick.")
    item: Name | None = None


class MarketCleared(BaseEvent[MarketClearedData]):
    """A market cleared."""

    event_type: Literal["simulation.event.market_cleared"]


class StepCompleted(BaseEvent[StepCompletedData]):
    """A service finished a tick for one slice; the last of a step's events."""

    event_type: Literal["simulation.event.step_completed"]


class StepFailed(BaseEvent[StepFailedData]):
    """A step died."""

    event_type: Literal["simulation.event.step_failed"]


class CrowdSignal(BaseEvent[CrowdSignalData]):
    """A crowd signal was raised."""

    event_type: Literal["simulation.event.crowd_signal"]


class DiplomacyUpdate(BaseEvent[DiplomacyUpdateData]):
    """Two factions changed their relation."""

    event_type: Literal["simulation.event.diplomacy_update"]


class DiplomacySummary(BaseEvent[DiplomacySummaryData]):
    """A day's diplomacy was evaluated."""

    event_type: Literal["simulation.event.diplomacy_summary"]


class AgentAction(BaseEvent[AgentActionData]):
    """An inhabitant acted."""

    event_type: Literal["simulation.event.agent_action"]


class AggregatedStats(BaseEvent[AggregatedStatsData]):
    """A slice's inhabitants were counted."""

    event_type: Literal["simulation.event.aggregated_stats"]


class DemandSignal(BaseEvent[DemandSignalData]):
    """Wants changed a commodity's demand."""

    event_type: Literal["simulation.event.demand_signal"]


class PopulationMovement(BaseEvent[PopulationMovementData]):
    """People moved."""

    event_type: Literal["simulation.event.population_movement"]


class CrowdSignalEndedData(OfTick):
    """A crowd signal that is over: how long it was predicted to last and how long it did."""

    signal_type: Name
    location: Name
    predicted_duration_minutes: Count
    lasted_minutes: Count
    tick_id: UuidText
    game_day: Ordinal


class CrowdSummaryData(OfTick):
    """A crowd's day. The numbers are those that signals are raised about."""

    tick_id: UuidText
    game_day: Ordinal = Field(description="The day of the crowd's life; behind the world's where its budget is short.")
    agents: Count
    owed: Count = Field(description="Agent-steps that the budget left for later ticks.")
    residents: dict[str, Count] = Field(description="Sector -> people who live there; their sum is `agents`.")
    unrest_ppm: dict[str, Ppm] = Field(description="Sector -> unrest.")
    food_ppm: dict[str, Count] = Field(description="Sector -> demand for food against the usual; 1000000 = as usual.")
    mood: dict[str, Count] = Field(description="Sector -> mean mood, thousandths.")


class CrowdSignalEnded(BaseEvent[CrowdSignalEndedData]):
    """News of a crowd is over."""

    event_type: Literal["simulation.event.crowd_signal_ended"]


class CrowdSummary(BaseEvent[CrowdSummaryData]):
    """A crowd lived through a day."""

    event_type: Literal["simulation.event.crowd_summary"]


class TreatyUpdate(BaseEvent[TreatyUpdateData]):
    """A treaty was signed, refused, broken, or ended."""

    event_type: Literal["simulation.event.treaty_update"]


class NpcIntent(BaseEvent[NpcIntentData]):
    """An inhabitant wants something of another."""

    event_type: Literal["simulation.event.npc_intent"]
