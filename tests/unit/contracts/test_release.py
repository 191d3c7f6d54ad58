"""Released schemas stay as they were, every later one is compatible both ways, and golden bytes stay readable.
Lives here: releases and golden files. Not here: single records (test_events, test_codec)."""

import copy
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import parse_schema
from jsonschema import Draft202012Validator

from tests.unit.contracts import samples
from tests.unit.contracts.registry_server import RegistryCalls
from worldtick.contracts import release
from worldtick.contracts.codec import decode
from worldtick.contracts.compat import faults_avro, faults_json
from worldtick.contracts.envelope import VERSION
from worldtick.contracts.errors import Faulty
from worldtick.contracts.registry import MODELS, as_event
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.shipped import shipped
from worldtick.contracts.wire import EventWriter, Format

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
FORMATS: tuple[Format, ...] = ("json", "avro", "avro-confluent")
MARKET = "simulation.event.market_cleared"
Edit = Callable[[dict[str, Any]], object]


def test_the_released_schemas_are_those_of_the_models() -> None:
    assert release.faults(shipped("schemas")) == []
    missing = [path for path in release.made() if not (shipped("schemas") / path).is_file()]
    assert missing == [], "run `python -m worldtick.contracts.release`"


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert sorted(release.write(tmp_path)) == sorted(release.made())
    assert release.write(tmp_path) == []


def test_a_released_file_is_never_changed(tmp_path: Path) -> None:
    release.write(tmp_path)
    file = tmp_path / "avro" / MARKET / f"{VERSION}.avsc"
    other = file.read_text("utf-8").replace('"commodity"', '"ware"')
    file.write_text(other, "utf-8")
    with pytest.raises(Faulty, match=r"envelope\.VERSION"):
        release.write(tmp_path)
    assert file.read_text("utf-8") == other


@pytest.mark.parametrize("event_type", MODELS)
def test_every_json_schema_is_one(event_type: str) -> None:
    for schema in release.released(shipped("schemas"), "json", event_type).values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("event_type", MODELS)
def test_every_release_reads_every_other(event_type: str) -> None:
    data = {"event_id": samples.TICK, "event_type": event_type, "timestamp": samples.STAMP, "version": VERSION}
    record = {**data, "source": "x", "data": samples.DATA[event_type]}
    versions = release.released(shipped("schemas"), "avro", event_type)
    for old in versions.values():
        for new in versions.values():
            assert faults_avro(old, new) == []
            assert _resolves(old, new, record)
    documents = release.released(shipped("schemas"), "json", event_type)
    assert [fault for old in documents.values() for new in documents.values() for fault in faults_json(old, new)] == []


def _resolves(writer: dict[str, Any], reader: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether fastavro reads with one schema what it wrote with another."""
    out = BytesIO()
    schemaless_writer(out, parse_schema(copy.deepcopy(writer)), record)
    out.seek(0)
    try:
        schemaless_reader(out, parse_schema(copy.deepcopy(writer)), parse_schema(copy.deepcopy(reader)))
    except SchemaResolutionError:
        return False
    return True


def _data(avro: dict[str, Any]) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = avro["fields"][-1]["type"]["fields"]
    return fields


def _field(avro: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in _data(avro) if field["name"] == name)


FITTING: dict[str, Edit] = {
    "a new field with a default": lambda avro: _data(avro).append(
        {"name": "mood", "type": ["null", "string"], "default": None}
    ),
    "an optional field taken away": lambda avro: _data(avro).remove(_field(avro, "sinks")),
    "fields in another order": lambda avro: _data(avro).reverse(),
    "another doc": lambda avro: avro.update(doc="Something else."),
}
BREAKING: dict[str, Edit] = {
    "a new field without a default": lambda avro: _data(avro).append({"name": "mood", "type": "long"}),
    "a required field taken away": lambda avro: _data(avro).remove(_field(avro, "volume")),
    "a field renamed": lambda avro: _field(avro, "volume").update(name="traded"),
    "a long become text": lambda avro: _field(avro, "volume").update(type="string"),
    "a long become a double": lambda avro: _field(avro, "volume").update(type="double"),
    "an optional field made required": lambda avro: _field(avro, "seq").update(type="long"),
    "a map of other values": lambda avro: _field(avro, "sinks").update(
        type=["null", {"type": "map", "values": "string"}]
    ),
    "a decimal of another scale": lambda avro: _field(avro, "price")["type"].update(scale=4),
    "a record renamed": lambda avro: avro.update(name="MarketClosed"),
}


@pytest.mark.parametrize("edit", FITTING)
def test_a_fitting_avro_change_is_let_through(edit: str) -> None:
    old = release.made()[f"avro/{MARKET}/{VERSION}.avsc"]
    new = copy.deepcopy(old)
    FITTING[edit](new)
    assert faults_avro(old, new) == []


@pytest.mark.parametrize("edit", BREAKING)
def test_a_breaking_avro_change_is_refused(edit: str) -> None:
    old = release.made()[f"avro/{MARKET}/{VERSION}.avsc"]
    new = copy.deepcopy(old)
    BREAKING[edit](new)
    assert faults_avro(old, new) != []
    assert faults_avro(new, old) != []


@pytest.mark.parametrize(
    "edit", ["a new field without a default", "a field renamed", "a long become text", "a map of other values"]
)
def test_fastavro_agrees_that_it_breaks(edit: str) -> None:
    old = release.made()[f"avro/{MARKET}/{VERSION}.avsc"]
    new = copy.deepcopy(old)
    BREAKING[edit](new)
    data = {"event_id": samples.TICK, "event_type": MARKET, "timestamp": samples.STAMP, "version": VERSION}
    assert not _resolves(old, new, {**data, "source": "x", "data": samples.DATA[MARKET]})


def _shape(schema: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = schema["$defs"]["MarketClearedData"]
    return shape


JSON_FITTING: dict[str, Edit] = {
    "a new optional field": lambda schema: _shape(schema)["properties"].update(mood={"type": "string"}),
    "another description": lambda schema: _shape(schema).update(description="Else."),
}
JSON_BREAKING: dict[str, Edit] = {
    "a new required field": lambda schema: _shape(schema)["required"].append("mood"),
    "a required field made optional": lambda schema: _shape(schema)["required"].remove("volume"),
    "another type": lambda schema: _shape(schema)["properties"]["volume"].update(type="string"),
    "a tighter bound": lambda schema: _shape(schema)["properties"]["volume"].update(maximum=10),
    "a wider bound": lambda schema: _shape(schema)["properties"]["game_hour"].update(maximum=30),
    "another word": lambda schema: _shape(schema)["properties"]["period"]["enum"].append("weekly"),
    "closed": lambda schema: _shape(schema).update(additionalProperties=False),
    "other items": lambda schema: _shape(schema)["properties"]["sinks"]["anyOf"][0]["additionalProperties"].update(
        type="string"
    ),
    "no longer nullable": lambda schema: _shape(schema)["properties"]["sinks"]["anyOf"].pop(),
}


@pytest.mark.parametrize("edit", [*JSON_FITTING, *JSON_BREAKING])
def test_json_changes_are_told_apart(edit: str) -> None:
    old = release.made()[f"json/{MARKET}/{VERSION}.json"]
    new = copy.deepcopy(old)
    {**JSON_FITTING, **JSON_BREAKING}[edit](new)
    assert bool(faults_json(old, new)) == bool(faults_json(new, old)) == (edit in JSON_BREAKING)


def test_a_breaking_change_cannot_be_released(tmp_path: Path) -> None:
    release.write(tmp_path)
    current = tmp_path / "json" / MARKET / f"{VERSION}.json"
    old = json.loads(current.read_text("utf-8"))
    _shape(old)["properties"]["volume"]["type"] = "string"
    current.with_name("0.9.0.json").write_text(json.dumps(old), "utf-8")
    assert any("against 0.9.0" in fault and "volume" in fault for fault in release.faults(tmp_path))


def _golden_file(event_type: str, version: str, form: str) -> Path:
    return GOLDEN / event_type / f"{version}.{form}"


def test_golden_bytes_of_every_release_are_still_read(registry_url: str) -> None:
    numbers = json.loads((GOLDEN / "registry.json").read_text("utf-8"))  # [event, version] in the order of ids, from 1
    RegistryCalls.schemas = [
        (shipped("schemas") / "avro" / event / f"{version}.avsc").read_text("utf-8") for event, version in numbers
    ]
    registry = SchemaRegistry(registry_url)
    assert {(event, version) for event, version in numbers} == {
        (event, version) for event in MODELS for version in release.released(shipped("schemas"), "avro", event)
    }
    for event, version in numbers:
        said = [decode(_golden_file(event, version, form).read_bytes(), registry) for form in FORMATS]
        assert said[0] == said[1] == said[2]
        assert as_event(said[0]).version == version


def _write_new_golden(event_type: str) -> None:
    """Golden bytes of an event that has none in this version; those that are there are never changed."""
    if _golden_file(event_type, VERSION, "json").is_file():
        return
    listed = GOLDEN / "registry.json"
    numbers = json.loads(listed.read_text("utf-8"))
    if [event_type, VERSION] not in numbers:
        numbers.append([event_type, VERSION])
    listed.write_text("[\n" + ",\n".join(f"  {json.dumps(each)}" for each in numbers) + "\n]\n", "utf-8")
    number = numbers.index([event_type, VERSION]) + 1
    said = (samples.TICK, event_type, samples.STAMP, "golden", samples.DATA[event_type])
    avro = EventWriter("avro").event(*said)
    _golden_file(event_type, VERSION, "json").parent.mkdir(parents=True, exist_ok=True)
    _golden_file(event_type, VERSION, "json").write_bytes(EventWriter("json").event(*said))
    _golden_file(event_type, VERSION, "avro").write_bytes(avro)
    framed = b"\0" + number.to_bytes(4, "big") + avro[10:]  # its number instead of mark and fingerprint
    _golden_file(event_type, VERSION, "avro-confluent").write_bytes(framed)


@pytest.mark.parametrize("event_type", MODELS)
def test_this_build_writes_the_golden_bytes(event_type: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        _write_new_golden(event_type)
    for form in FORMATS[:2]:
        written = EventWriter(form).event(samples.TICK, event_type, samples.STAMP, "golden", samples.DATA[event_type])
        file = _golden_file(event_type, VERSION, form)
        assert written == file.read_bytes(), (
            f"{file.name} of {event_type} differs: a writer must not change what it says"
        )
