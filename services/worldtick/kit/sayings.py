"""What a service says is what it declared: events by their released schemas, facts, effects, rows by name.
Lives here: these checks. Not here: bytes of events (said), budgets (budgets)."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from worldtick.contracts.codec import decode
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.registry import MODELS, as_event
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.wire import EventWriter
from worldtick.kit.bench import Bench, SliceStep
from worldtick.kit.said import record_of
from worldtick.runtime.service import Effect, Event, Service, Step
from worldtick.runtime.speech import OversizedEvent

_JSON, _AVRO = EventWriter("json"), EventWriter("avro")
INT64 = range(-(2**63), 2**63)


def check_events(bench: Bench[Any]) -> None:
    """Every event fits its released schema in JSON and Avro alike, loses no field in either, and fits a record."""
    for tick, lived in bench.steps():
        for ordinal, event in enumerate(lived.step.events):
            where = f"{_at(bench.service, tick, lived)}: event {ordinal} ({event.type})"
            _check_event(bench.service, event, tick, lived.slice_no, where)


def _check_event(service: Service[Any], event: Event, tick: SealedTick, slice_no: int, where: str) -> None:
    full = f"simulation.event.{event.type}"
    assert full in MODELS, f"{where} has no schema; the released ones are {', '.join(sorted(MODELS))}"
    try:
        record = decode(record_of(service, event, tick, slice_no, _JSON))
        as_event(record)
        same = decode(record_of(service, event, tick, slice_no, _AVRO))
    except Unreadable as broken:
        raise AssertionError(f"{where} does not fit its schema: {broken}") from broken
    except OversizedEvent as large:
        raise AssertionError(f"{where}: {large}") from large
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise AssertionError(f"{where} cannot be written: {type(broken).__name__}: {broken}") from broken
    lost = sorted(set(record["data"]) - set(same["data"]))
    assert not lost, f"{where} says {', '.join(lost)}, which its schema does not have: readers would never see it"
    assert record == same, f"{where} reads otherwise in Avro than in JSON"


def check_declared(bench: Bench[Any], catalogue: Mapping[str, Service[Any]] | None = None) -> None:
    """Facts, effects, rows and budgets are those that the service declares.

    catalogue: the services that effects may name (this one is always known); an effect on another is checked against
    the directives that it declares.
    """
    known = {**(catalogue or {}), bench.service.name: bench.service}
    for tick, lived in bench.steps():
        where = _at(bench.service, tick, lived)
        _check_facts(bench.service, lived.step, where)
        _check_rows(bench.service, lived.step, where)
        for effect in lived.step.effects:
            _check_effect(effect, known, where)


def _check_facts(service: Service[Any], step: Step[Any], where: str) -> None:
    for name, values in (step.facts or {}).items():
        assert name in service.writes_facts, f"{where}: fact {name!r} is not in writes_facts, so no tick would carry it"
        for key, value in values.items():
            assert isinstance(key, str), f"{where}: fact {name!r} has the key {key!r}; keys are text"
            plain = type(value) is int and value in INT64  # bool and numpy's integers are none
            assert plain, f"{where}: fact {name}[{key!r}] is {value!r}; a fact is an integer of 64 bits"


def _check_rows(service: Service[Any], step: Step[Any], where: str) -> None:
    tables = {projection.table: projection for projection in service.projections}
    for table, rows in step.rows.items():
        assert table in tables, f"{where}: rows for {table!r}, which no projection of the service declares"
        width = len(tables[table].columns)
        for row in rows:
            assert len(row) == width, f"{where}: a row of {table} has {len(row)} columns; it declares {width}"


def _check_effect(effect: Effect, known: Mapping[str, Service[Any]], where: str) -> None:
    target = known.get(effect.service)
    assert target is not None, (
        f"{where}: an effect on {effect.service!r}, which is no known service; give the catalogue that has it"
    )
    model = target.directives.get(effect.name)
    assert model is not None, f"{where}: {effect.service} declares no directive {effect.name!r}, so it would be lost"
    try:
        model.model_validate(effect.args)
    except ValidationError as broken:
        raise AssertionError(
            f"{where}: the arguments of {effect.service}.{effect.name} are wrong: {broken}"
        ) from broken


def _at(service: Service[Any], tick: SealedTick, lived: SliceStep[Any]) -> str:
    return f"{service.name}, slice {lived.slice_no} at {tick.kind} tick {tick.seq}"
