"""Rings: reading what a tick record says, fast, and telling a pasted tick from garbage.
Lives here: the few fields that a worker needs. Not here: whole records (codec), what a paste means (control)."""

from typing import Annotated, Any, Literal

import msgspec
from pydantic import ValidationError

from worldtick.contracts.codec import AVRO_MARKS, VALUE_BYTES_MAX, decode, from_avro, json_fault, readable
from worldtick.contracts.envelope import INT64_MAX
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.ticks import PastedTick

_KINDS: dict[str, Literal["step", "hourly", "daily"]] = {"step": "step", "hourly": "hourly", "daily": "daily"}
BRACE = ord("{")
_Ordinal = Annotated[int, msgspec.Meta(ge=1, le=INT64_MAX)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
_Text = Annotated[str, msgspec.Meta(max_length=255)]


class Unsealed(Unreadable):
    """A tick that someone pasted: services pass it by; control seals it or says why not."""


class Ring(msgspec.Struct, frozen=True, gc=False, rename={"kind": "tick_type"}):
    """That a world is sealed up to seq. A worker reads the tick itself from the table."""

    world: _Text
    seq: _Ordinal
    kind_seq: _Ordinal
    tick_id: _Text
    kind: Literal["step", "hourly", "daily"]
    slice: _Number | None = None  # the one slice that is rung, on a service's own topic of slices; None: all of them
    snapshot: bool = False  # whether the state after it is to be stored, due or not


class _Sealed(msgspec.Struct, gc=False):
    data: Ring


class _Data(msgspec.Struct, gc=False):
    tick_id: _Text | None = None
    tick_type: _Text | None = None
    world: _Text | None = None
    seq: _Ordinal | None = None
    kind_seq: _Ordinal | None = None
    slice: _Number | None = None
    snapshot: bool | None = None


class _Record(msgspec.Struct, gc=False):
    data: _Data


_json = msgspec.json.Decoder(_Record)
_sealed = msgspec.json.Decoder(_Sealed)


def decode_ring(value: bytes | None, registry: SchemaRegistry | None = None) -> Ring:
    """What a sealed tick record says; any of the three formats.

    Raises Unsealed for a readable record without world, seq or kind_seq; else Unreadable, with codec.decode's reasons
    or wrong_schema; Unavailable if the schema registry is away.
    """
    if value and value[0] == BRACE and len(value) <= VALUE_BYTES_MAX:
        try:
            return _sealed.decode(value).data  # nearly all there is
        except (msgspec.DecodeError, ValueError, RecursionError):
            value = readable(value)  # what it is instead is said below
    value = readable(value)
    data = _from_avro(value, registry) if value.startswith(AVRO_MARKS) else _from_json(value)
    if data.world is None or data.seq is None or data.kind_seq is None:
        raise Unsealed("unsealed", "the tick has no world, seq and kind_seq: it was pasted, not sealed")
    kind = _KINDS.get(data.tick_type or "")
    if kind is None or data.tick_id is None:
        raise Unreadable("wrong_schema", f"tick_type {data.tick_type!r} is no kind of tick, or tick_id is absent")
    return Ring(data.world, data.seq, data.kind_seq, data.tick_id, kind, data.slice, bool(data.snapshot))


def _from_json(value: bytes) -> _Data:
    try:
        return _json.decode(value).data
    except msgspec.ValidationError as wrong:
        decode(value)  # may know better: no object, bad UTF-8 in a field that we pass over
        raise Unreadable("wrong_schema", f"the value is no tick: {wrong}") from wrong
    except (msgspec.DecodeError, ValueError, RecursionError) as broken:
        raise json_fault(value, broken) from broken


def _from_avro(value: bytes, registry: SchemaRegistry | None) -> _Data:
    record: dict[str, Any] = from_avro(value, registry)
    try:
        return msgspec.convert(record, _Record).data
    except msgspec.ValidationError as wrong:
        raise Unreadable("wrong_schema", f"the value is no tick: {wrong}") from wrong


def decode_paste(value: bytes | None, registry: SchemaRegistry | None = None) -> PastedTick:
    """What a person said of a tick. Raises Unreadable: decode's reasons, or wrong_schema naming every fault."""
    try:
        return PastedTick.model_validate(decode(value, registry))
    except ValidationError as broken:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in broken.errors()[:20])
        raise Unreadable("wrong_schema", f"the pasted tick has faults: {faults}") from broken
