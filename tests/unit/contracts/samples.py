"""One full example of every event, and strategies that make any other.
Lives here: what the tests of this room feed. Not here: any check."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from worldtick.contracts.envelope import price_of
from worldtick.contracts.ids import tick_id
from worldtick.contracts.registry import MODELS
from worldtick.contracts.schemas import json_schema_of
from worldtick.contracts.sealed import Directive, Kind, SealedTick
from worldtick.contracts.stamps import RFC3339

EPOCH_S = 1_577_836_800
TICK = tick_id("night_city", "hourly", 50_400_000_000)
STAMP = "2020-01-01T14:00:00Z"
COMMON = {"world": "night_city", "seq": 15, "tick_id": TICK}
_STEP = {"service": "economy", "slice": 0, "version": 14, "slot": STAMP, **COMMON}
_TICK = {
    "tick_id": TICK,
    "game_time": STAMP,
    "tick_timestamp": STAMP,
    "triggered_by": "scheduler",
    "consumers": ["economy"],
    "world": "night_city",
    "seq": 15,
    "kind_seq": 14,
    "from_us": 46_800_000_000,
    "slot_us": 50_400_000_000,
    "hours": 1,
    "caused_by": "world.tick.hourly/2/17",
    "snapshot": True,
}
_DAY = {"simulation_day": 2, "simulation_week": 1, "simulation_month": 1, "simulation_year": 2020}

DATA: dict[str, dict[str, Any]] = {
    "world.control.reply": {
        "command_id": "c-17",
        "actor": "ann",
        "name": "clock.advance",
        "status": "completed",
        "world": "night_city",
        "code": "none",
        "message": "all services have finished its tick",
        "faults": ["args duration: is missing"],
        "dry_run": False,
        "changed": True,
        "version": 3,
        "tick": 15,
        "tick_id": TICK,
        "directive_id": 9,
        "completes": False,
        "game_time": STAMP,
        "events_executed": 2,
        "events_skipped": 0,
        "next_event_time": "2020-01-01T15:00:00Z",
        "mode": "paused",
        "target": "2020-01-01T16:00:00Z",
        "simulation_complete": False,
    },
    "world.tick": {**_TICK, "tick_type": "daily", "game_hour": 0, "game_day": 2, "metadata": _DAY},
    "world.tick.hourly": {**_TICK, "tick_type": "hourly", "game_hour": 14},
    "world.tick.daily": {**_TICK, "tick_type": "daily", "game_day": 2, "metadata": _DAY},
    "simulation.event.market_cleared": {
        **COMMON,
        "commodity": "Food",
        "price": price_of(1050),
        "volume": 150,
        "timestamp": STAMP,
        "market_id": "watson/Food",
        "period": "hourly",
        "game_hour": 14,
        "price_ticks": 1050,
        "district": "watson",
        "efficiency_ppm": 1_000_000,
        "unmatched": 7,
        "demand": 157,
        "supply": 150,
        "orders": 40,
        "sources": {"food_grown": 200},
        "sinks": {"food_eaten": 180, "debt": -3},
    },
    "simulation.event.step_completed": {
        **_STEP,
        "outcome": "applied",
        "digest": "0123456789abcdef0123456789abcdef",
        "used": {"market_orders": 40},
        "carried": {"market_orders": 0},
        "events": 5,
    },
    "simulation.event.step_failed": {
        **_STEP,
        "reason": "raised",
        "error": "ZeroDivisionError: division by zero",
        "attempts": 2,
        "directives": 1,
    },
    "simulation.event.crowd_signal": {
        **COMMON,
        "signal_type": "food_demand_rising",
        "location": "night_city_sector_4",
        "magnitude": 75.5,
        "change_percent": 15.2,
        "agent_count": 150,
        "aggregation_timestamp": STAMP,
        "time_window_minutes": 60,
        "predicted_duration_minutes": 120,
        "game_day": 2,
        "value": 1_920,
        "usual": 1_667,
        "origin": "watson",
        "destination": "harbor",
    },
    "simulation.event.crowd_signal_ended": {
        **COMMON,
        "signal_type": "food_demand_rising",
        "location": "watson",
        "predicted_duration_minutes": 4_320,
        "lasted_minutes": 2_880,
        "game_day": 5,
    },
    "simulation.event.crowd_summary": {
        **COMMON,
        "game_day": 2,
        "agents": 100,
        "owed": 0,
        "residents": {"watson": 60, "harbor": 40},
        "unrest_ppm": {"watson": 14_000, "harbor": 0},
        "food_ppm": {"watson": 1_000_000, "harbor": 970_000},
        "mood": {"watson": 560, "harbor": 555},
    },
    "simulation.event.timer_fired": {
        **COMMON,
        "timer": "market_day",
        "at": "2020-01-01T13:10:00.000001Z",
        "occurrence": 3,
        "priority": -1,
        "payload": '{"square":"Watson"}',
        "then": "economy.demand_shift",
    },
    "simulation.event.timer_skipped": {
        **COMMON,
        "timer": "tax_day",
        "at": "2020-01-01T13:30:00Z",
        "reason": "Time jumped past scheduled_time",
        "occurrence": 2,
        "occurrences": 5,
        "priority": 0,
    },
    "simulation.event.timer_cancelled": {**COMMON, "timer": "tax_day", "at": STAMP},
    "simulation.event.timer_disabled": {**COMMON, "timer": "tax_day", "at": STAMP},
    "simulation.event.timer_enabled": {**COMMON, "timer": "tax_day", "at": STAMP},
    "simulation.event.timer_refused": {**COMMON, "timer": "tax_day", "reason": "no timer of this name is pending"},
    "simulation.event.hours_skipped": {**COMMON, "hours": 5, "since": "2020-01-01T08:00:00Z", "until": STAMP},
    "simulation.event.simulation_complete": {**COMMON, "at": STAMP},
    "simulation.event.diplomacy_update": {
        **COMMON,
        "faction_a_id": "arasaka",
        "faction_b_id": "militech",
        "new_relation_state": "COLD_WAR",
        "score_change": -15.5,
        "reason": "Territorial dispute escalation",
        "old_relation_state": "PEACE",
        "game_day": 2,
        "contributions": {"grievance": -15_500},
    },
    "simulation.event.diplomacy_summary": {
        **COMMON,
        "game_day": 2,
        "evaluated": 21,
        "changed": 1,
        "states": {"PEACE": 20, "COLD_WAR": 1},
    },
    "simulation.event.agent_action": {
        **COMMON,
        "agent_id": 42,
        "action": "eat",
        "phase": "started",
        "location": "watson",
        "at": "2020-01-01T13:31:07.250000Z",
        "tier": "detailed",
        "target": "43",
    },
    "simulation.event.aggregated_stats": {
        **COMMON,
        "slice": 3,
        "agents": 10_000,
        "decisions": 812,
        "unsaid": 12,
        "activities": {"sleep": 9_188, "eat": 812},
        "tiers": {"dormant": 10_000},
        "simulated": {"dormant": 812},
        "carried": 3,
        "oldest_wait_s": 40,
        "intents_unsaid": 1,
    },
    "simulation.event.demand_signal": {
        **COMMON,
        "commodity": "Food",
        "district": "watson",
        "demand_ppm": 1_150_000,
        "origin": "crowd",
    },
    "simulation.event.population_movement": {
        **COMMON,
        "origin": "watson",
        "destination": "heywood",
        "agent_count": 30,
        "reason": "unrest",
    },
    "simulation.event.npc_intent": {
        **COMMON,
        "agent_id": 42,
        "target_id": 43,
        "intent": "give",
        "activity": "share a meal",
        "at": "2020-01-01T13:31:07.250000Z",
        "item": "bread",
    },
    "npc.slice": {
        "tick_id": TICK,
        "tick_type": "hourly",
        "world": "w1",
        "slice": 36,
        "seq": 15,
        "kind_seq": 14,
        "game_time": STAMP,
        "snapshot": True,
    },
    "simulation.event.treaty_update": {
        **COMMON,
        "faction_a_id": "harbor_union",
        "faction_b_id": "iron_circle",
        "treaty": "trade",
        "change": "signed",
        "game_day": 2,
        "until": "2020-05-01T00:00:00Z",
        "broken_by": "iron_circle",
    },
}


def sealed(kind: Kind, to_us: int, epoch_s: int = EPOCH_S, **changed: Any) -> SealedTick:
    """A sealed tick of a small world."""
    fields: dict[str, Any] = {
        "world": "w1",
        "seed": 7,
        "epoch_s": epoch_s,
        "seq": 15,
        "kind": kind,
        "kind_seq": 14,
        "tick_id": tick_id("w1", kind, to_us),
        "from_us": max(to_us - 3_600_000_000, 0),
        "to_us": to_us,
        "hours": 1,
        "triggered_by": "scheduler",
        "caused_by": None,
        "traceparent": None,
        "facts_as_of": 14,
        "consumers": ("economy", "npc"),
        "budgets": {"economy": {"market_orders": 10}},
        "directives": (Directive("economy", "shock", {"food": 1}, "admin", 1),),
        "facts": {},
    }
    return SealedTick(**{**fields, **changed})


_ZONES = (UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30)))
_MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.sampled_from(_ZONES))  # noqa: DTZ001


def from_schema(schema: Mapping[str, Any], root: Mapping[str, Any], name: str = "") -> st.SearchStrategy[Any]:
    """Any value that a JSON Schema of ours allows. Nulls are left out: absent is how we write them."""
    if "$ref" in schema:
        return from_schema(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if "anyOf" in schema:
        return st.one_of([from_schema(part, root) for part in schema["anyOf"] if part.get("type") != "null"])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number" if name == "price":
            return st.integers(0, 10**15).map(price_of)
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(from_schema(schema["items"], root), max_size=4)
        case "string":
            return _text(schema)
    if "properties" not in schema:
        return st.dictionaries(st.text(max_size=8), from_schema(schema["additionalProperties"], root), max_size=3)
    fields = {key: from_schema(part, root, key) for key, part in schema["properties"].items()}
    required = set(schema["required"])
    return st.fixed_dictionaries(
        {key: fields[key] for key in fields if key in required},
        optional={key: fields[key] for key in fields if key not in required},
    )


def _text(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("pattern") == RFC3339:
        return _MOMENTS.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("$", r"\Z").replace(r"\d", "[0-9]"))
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema["maxLength"], 12))


def records() -> st.SearchStrategy[dict[str, Any]]:
    """Any record of any event that its schema allows."""
    schemas = [json_schema_of(event_type) for event_type in MODELS]
    return st.one_of([from_schema(schema, schema) for schema in schemas])


def seed_files(where: Any) -> list[Any]:
    """The examples of the seed, by event type; numbers with a fraction exact."""
    return [json.loads(file.read_text("utf-8"), parse_float=Decimal) for file in sorted(where.glob("*.json"))]
