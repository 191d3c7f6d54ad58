"""Models, Avro and JSON Schema say the same, and the fast writer writes what they say.
Lives here: agreement and round trips. Not here: broken bytes (test_codec), releases (test_release)."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.unit.contracts import samples
from worldtick.contracts import events, said
from worldtick.contracts.codec import decode
from worldtick.contracts.envelope import price_of
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.registry import MODELS, as_event
from worldtick.contracts.schemas import json_schema_of, known
from worldtick.contracts.stamps import Stamp
from worldtick.contracts.wire import EventWriter

SEED = Path(__file__).parents[2] / "fixtures" / "seed"
JSON, AVRO = EventWriter("json"), EventWriter("avro")
STAMPS: TypeAdapter[Any] = TypeAdapter(Stamp)


def _written(record: dict[str, Any], writer: EventWriter) -> bytes:
    head = [record[key] for key in ("event_id", "event_type", "timestamp", "source")]
    return writer.event(head[0], head[1], head[2], head[3], record["data"])


def _record(event_type: str) -> dict[str, Any]:
    head = {"event_id": samples.TICK, "event_type": event_type, "timestamp": samples.STAMP, "source": "economy"}
    return {**head, "data": samples.DATA[event_type]}


@pytest.mark.parametrize("record", samples.seed_files(SEED), ids=lambda record: str(record["event_type"]))
def test_the_seeds_examples_are_ours(record: dict[str, Any]) -> None:
    Draft202012Validator(json_schema_of(record["event_type"])).validate(record)
    event = as_event(decode(json.dumps(record, default=float).encode()))
    said_again = json.loads(event.model_dump_json(exclude_none=True), parse_float=Decimal)
    assert said_again == record, "nothing of the seed's is lost or renamed"
    assert decode(_written(record, AVRO)) == decode(_written(record, JSON))


def test_the_seed_has_both_ticks_and_three_events() -> None:
    assert len(samples.seed_files(SEED)) == 5


@pytest.mark.parametrize("event_type", MODELS)
def test_samples_say_every_field(event_type: str) -> None:
    model = MODELS[event_type].model_fields["data"].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    assert set(samples.DATA[event_type]) == set(model.model_fields)


@pytest.mark.parametrize("event_type", MODELS)
def test_model_avro_and_json_schema_have_the_same_fields(event_type: str) -> None:
    schema = json_schema_of(event_type)
    _same_fields(MODELS[event_type], known().by_event[event_type], schema, schema)


def _same_fields(model: type[BaseModel], avro: Any, shape: Any, root: Any) -> None:
    fields = {field["name"]: field for field in avro["fields"]}
    assert list(fields) == list(model.model_fields) == list(shape["properties"])
    optional = {name for name, info in model.model_fields.items() if not info.is_required()}
    assert {name for name, field in fields.items() if "default" in field} == optional
    assert set(fields) - set(shape["required"]) == optional
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            ref = shape["properties"][name]["$ref"].rsplit("/", 1)[1]
            _same_fields(info.annotation, fields[name]["type"], root["$defs"][ref], root)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(samples.records())
def test_any_event_round_trips_through_model_avro_and_json(record: dict[str, Any]) -> None:
    record["version"] = "1.0.0"
    in_json, in_avro = _written(record, JSON), _written(record, AVRO)
    assert in_json.startswith(b'{"event_id":')
    plain = decode(in_json)
    assert decode(in_avro) == plain
    Draft202012Validator(json_schema_of(record["event_type"])).validate(json.loads(in_json))
    event = as_event(plain)
    again = event.model_dump_json(exclude_none=True).encode()
    assert as_event(decode(again)) == event


@pytest.mark.parametrize("event_type", MODELS)
def test_a_field_of_a_newer_writer_is_passed_over(event_type: str) -> None:
    record = {**_record(event_type), "version": "1.4.0", "later": 1}
    record["data"] = {**record["data"], "later": {"deep": [1]}}
    assert as_event(record) == as_event({**_record(event_type), "version": "1.4.0"})
    line = JSON.event(samples.TICK, event_type, samples.STAMP, "economy", record["data"])
    Draft202012Validator(json_schema_of(event_type)).validate(json.loads(line))


@pytest.mark.parametrize(
    ("struct", "model"),
    [
        (said.MarketCleared, events.MarketClearedData),
        (said.StepCompleted, events.StepCompletedData),
        (said.StepFailed, events.StepFailedData),
    ],
)
def test_fast_structs_have_the_models_fields(struct: type[msgspec.Struct], model: type[BaseModel]) -> None:
    assert set(struct.__struct_fields__) == set(model.model_fields)


@pytest.mark.parametrize("writer", [JSON, AVRO], ids=["json", "avro"])
def test_a_struct_and_a_mapping_say_the_same(writer: EventWriter) -> None:
    data = samples.DATA["simulation.event.market_cleared"]
    bare = said.MarketCleared(**{**data, "world": None, "seq": None})
    args = (samples.TICK, "market_cleared", samples.STAMP, "economy")
    by_struct = writer.event(*args, bare, samples.COMMON)
    by_mapping = writer.event(*args, {key: data[key] for key in data if key != "world"}, samples.COMMON)
    assert decode(by_struct) == decode(by_mapping)
    assert as_event(decode(by_struct)).data.world == "night_city"


def test_json_has_the_seeds_key_order() -> None:
    record = json.loads((SEED / "simulation.event.market_cleared.json").read_text("utf-8"))
    data = said.MarketCleared(**{**record["data"], "price": price_of(1050)})
    line = JSON.event(record["event_id"], "market_cleared", record["timestamp"], "economy", data)
    written = json.loads(line)
    assert list(written) == ["event_id", "event_type", "timestamp", "version", "source", "data"]
    seeds = list(record["data"])
    assert [key for key in written["data"] if key in seeds] == seeds
    assert b'"price":10.50,' in line


@given(st.integers(0, 10**16))
def test_a_price_is_exact_with_two_digits(price_ticks: int) -> None:
    line = JSON.event(samples.TICK, "market_cleared", samples.STAMP, "economy", {"price": price_of(price_ticks)})
    assert f'"price":{price_ticks // 100}.{price_ticks % 100:02d}}}'.encode() in line
    assert decode(line)["data"]["price"] == Decimal(price_ticks) / 100


@pytest.mark.parametrize(
    "text", ["2024-03-15T14:30:00", "2024-03-15", "1710513000", "", "14:30Z", "2024-03-15T25:00:00Z"]
)
def test_a_moment_without_a_zone_or_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        STAMPS.validate_python(text)
    record = _record("simulation.event.demand_signal")
    with pytest.raises(Unreadable, match="timestamp") as fault:
        as_event({**record, "version": "1.0.0", "timestamp": text})
    assert fault.value.reason == "wrong_schema"


def test_a_moment_comes_back_in_utc() -> None:
    moment = STAMPS.validate_python("2024-03-15T14:30:00+02:00")
    assert STAMPS.dump_python(moment) == "2024-03-15T12:30:00Z"
    assert STAMPS.dump_python(STAMPS.validate_python("2024-03-15T12:30:00.000001Z")) == "2024-03-15T12:30:00.000001Z"


@pytest.mark.parametrize("number", [1710513000, 1.5, True, None])
def test_a_moment_is_text(number: object) -> None:
    with pytest.raises(ValidationError):
        STAMPS.validate_python(number)


def test_an_unknown_event_type_is_named() -> None:
    with pytest.raises(Unreadable, match=r"simulation\.event\.market_closed") as fault:
        as_event({"event_type": "simulation.event.market_closed"})
    assert fault.value.reason == "unknown_type"


def test_all_faults_are_named_at_once() -> None:
    record = {**_record("simulation.event.market_cleared"), "version": "2.0.0"}
    record["data"] = {**record["data"], "volume": -1, "game_hour": 24}
    with pytest.raises(Unreadable) as fault:
        as_event(record)
    assert all(word in str(fault.value) for word in ("version", "data.volume", "data.game_hour"))
