"""Avro out of models: the schema of an event, and its fingerprint.
Lives here: the mapping of field types, CRC-64-AVRO. Not here: files (release), framing (codec)."""

import types
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from pydantic import BaseModel
from pydantic.fields import FieldInfo

NAMESPACE = "worldtick"
Schema = dict[str, Any]
_PLAIN: dict[Any, str] = {str: "string", datetime: "string", int: "long", float: "double", bool: "boolean"}
_PRICE: Schema = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}


def avro_schema(model: type[BaseModel]) -> Schema:
    """The Avro record of an event model. Moments are the RFC 3339 text that JSON has, so both readers see the same.

    Closed word lists are strings: an Avro enum would stop old readers at the first new word.
    """
    schema = _record(model, set())
    schema["namespace"] = NAMESPACE
    return schema


def _record(model: type[BaseModel], named: set[str]) -> Schema:
    name = model.__name__
    if name in named:  # Avro names a record once and refers to it after that
        raise ValueError(f"{name} stands twice in one event; give the second a model of its own")
    named.add(name)
    fields = [_field(key, info, named) for key, info in model.model_fields.items()]
    return {"type": "record", "name": name, "doc": (model.__doc__ or "").strip().split("\n")[0], "fields": fields}


def _field(key: str, info: FieldInfo, named: set[str]) -> Schema:
    field: Schema = {"name": key, "type": _type(info.annotation, named)}
    if not info.is_required():
        field["default"] = info.default
    if info.description:
        field["doc"] = info.description
    return field


def _type(kind: Any, named: set[str]) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(args[0], named)
    if origin in (Union, types.UnionType):
        return ["null", *(_type(arg, named) for arg in args if arg is not types.NoneType)]
    if origin is list:
        return {"type": "array", "items": _type(args[0], named)}
    if origin is dict:
        return {"type": "map", "values": _type(args[1], named)}
    if origin is Literal:
        return "string"
    if kind is Decimal:
        return dict(_PRICE)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _record(kind, named)
    return _PLAIN[kind]


def parsed(schema: Schema) -> Schema:
    """A schema ready for fastavro."""
    ready = parse_schema(schema)
    if not isinstance(ready, dict) or ready["type"] != "record":
        raise TypeError(f"an event's schema is a record, not {str(ready)[:80]}")
    return ready


def crc64(schema: Schema | str) -> bytes:
    """The fingerprint of a schema as single-object encoding has it: 8 bytes, little-endian."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
