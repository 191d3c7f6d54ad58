"""Records to bytes, fast: rings and events in JSON or Avro.
Lives here: the writer whose format is a setting. Not here: reading (codec, rings), headers (headers)."""

from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any, Final, Literal, get_args

import msgspec
from fastavro import schemaless_writer

from worldtick.contracts.codec import CONFLUENT, SINGLE_OBJECT
from worldtick.contracts.envelope import VERSION
from worldtick.contracts.errors import Faulty
from worldtick.contracts.ids import ring_id
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.schemas import known
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.stamps import calendar_numbers

Format = Literal["json", "avro", "avro-confluent"]
TICKER: Final = "simulation.ticker"
FRAMES_MAX: Final = 1_024  # pairs of event type and source whose frame is kept
_EVENT: Final = "simulation.event."
_HEAD: Final = b'{"event_id":"'


class EventWriter:
    """Writes our records in one format. Its bytes depend on its arguments alone."""

    def __init__(self, form: Format = "json", registry: SchemaRegistry | None = None) -> None:
        if form not in get_args(Format):
            raise Faulty("WORLDTICK_FORMAT", [f"{form!r} is none of {', '.join(get_args(Format))}"])
        if form == "avro-confluent" and registry is None:
            raise Faulty("WORLDTICK_FORMAT", ["avro-confluent needs SCHEMA_REGISTRY_URL, which is not set"])
        self.form: Format = form
        self._registry = registry
        self._frames: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._encode = msgspec.json.Encoder(decimal_format="number").encode

    def ring(self, tick: SealedTick, topic: str, snapshot: bool = False) -> bytes:
        """The record of a sealed tick on `topic` (without the deployment's prefix), whose name is its event type.

        snapshot: it asks the services to store their states, too.
        """
        stamp = tick.date(tick.to_us)
        data = _ring_data(tick, topic, stamp)
        if snapshot:
            data["snapshot"] = True
        return self.event(ring_id(tick.tick_id, topic), topic, stamp, TICKER, data)

    def event(
        self,
        event_id: str,
        event_type: str,
        timestamp: str,
        source: str,
        data: Mapping[str, Any] | msgspec.Struct,
        common: Mapping[str, Any] | None = None,
    ) -> bytes:
        """One event. `common` (world, seq, tick_id) is added where `data` has no such field or leaves it None.

        A type without a dot is one of simulation.event's. Keys stand in the order of `data`. Raises KeyError for an
        event without a schema, and in Avro ValueError for data that do not fit it.
        """
        if "." not in event_type:
            event_type = _EVENT + event_type
        if self.form != "json":
            return self._avro(event_id, event_type, timestamp, source, _as_dict(data, common))
        body = self._encode(data if common is None else _completed(data, common))
        parts = self._frames.get((event_type, source)) or self._frame(event_type, source)
        # Put together by hand: ids and stamps are plain ASCII, and encoding the body once more costs as much again.
        return b"".join((_HEAD, event_id.encode(), parts[0], timestamp.encode(), parts[1], body, b"}"))

    def _frame(self, event_type: str, source: str) -> tuple[bytes, bytes]:
        """What stands between id, timestamp and data in every event of a type from a source."""
        if len(self._frames) >= FRAMES_MAX:
            self._frames.clear()
        kind, version, by = (self._encode(text) for text in (event_type, VERSION, source))
        frame = (
            b'","event_type":' + kind + b',"timestamp":"',
            b'","version":' + version + b',"source":' + by + b',"data":',
        )
        self._frames[event_type, source] = frame
        return frame

    def _avro(self, event_id: str, event_type: str, timestamp: str, source: str, data: dict[str, Any]) -> bytes:
        schemas = known()
        schema = schemas.by_event[event_type]
        out = BytesIO()
        if self._registry is None:
            out.write(SINGLE_OBJECT + schemas.fingerprint[event_type])
        else:
            number = self._registry.register(f"{schema['name']}", schema)
            out.write(CONFLUENT + number.to_bytes(4, "big"))
        record = {"event_id": event_id, "event_type": event_type, "timestamp": timestamp}
        schemaless_writer(out, schema, {**record, "version": VERSION, "source": source, "data": data})
        return out.getvalue()


def _completed(
    data: Mapping[str, Any] | msgspec.Struct, common: Mapping[str, Any]
) -> Mapping[str, Any] | msgspec.Struct:
    """`data` with what it leaves open of `common`."""
    if isinstance(data, msgspec.Struct):
        missing: dict[str, Any] = {}
        for key, value in common.items():
            said = getattr(data, key, missing)
            if said is missing:
                return _as_dict(data, common)  # it has no such field
            if said is None:
                missing[key] = value
        return msgspec.structs.replace(data, **missing) if missing else data
    return _as_dict(data, common)


def _as_dict(data: Mapping[str, Any] | msgspec.Struct, common: Mapping[str, Any] | None) -> dict[str, Any]:
    plain = msgspec.to_builtins(data, builtin_types=(Decimal,))
    for key, value in (common or {}).items():
        if plain.get(key) is None:
            plain[key] = value
    return dict(plain)


def _ring_data(tick: SealedTick, topic: str, stamp: str) -> dict[str, Any]:
    """The seed's fields in the seed's order, then ours."""
    numbers = calendar_numbers(tick.to_us, tick.epoch_s)
    data: dict[str, Any] = {"tick_id": tick.tick_id, "tick_type": tick.kind}
    if tick.kind != "daily":
        data["game_hour"] = numbers.hour
    if tick.kind == "daily" or topic == "world.tick":
        data["game_day"] = numbers.day
    data.update(game_time=stamp, tick_timestamp=stamp, triggered_by=tick.triggered_by, consumers=list(tick.consumers))
    if tick.kind == "daily":
        data["metadata"] = {
            "simulation_day": numbers.day,
            "simulation_week": numbers.week,
            "simulation_month": numbers.month,
            "simulation_year": numbers.year,
        }
    data.update(world=tick.world, seq=tick.seq, kind_seq=tick.kind_seq, from_us=tick.from_us, slot_us=tick.to_us)
    data["hours"] = tick.hours
    if tick.caused_by is not None:
        data["caused_by"] = tick.caused_by
    return data
