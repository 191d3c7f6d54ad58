"""Whether two versions of a schema can read each other's records.
Lives here: Avro's resolution rules and their like for JSON Schema, as faults. Not here: the files (release)."""

from typing import Any

Schema = dict[str, Any]

# Avro's promotions: a reader of the right may read a writer of the left.
_PROMOTED = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "pattern", "maxItems", "const", "enum", "format")


def faults_avro(old: Schema, new: Schema) -> list[str]:
    """Why one of two Avro schemas cannot read what the other wrote, both ways; empty if each can."""
    backward = [f"new cannot read old: {fault}" for fault in _unreadable(old, new, "")]
    return backward + [f"old cannot read new: {fault}" for fault in _unreadable(new, old, "")]


def _unreadable(writer: Any, reader: Any, at: str) -> list[str]:
    """Avro 1.12, schema resolution, for the forms that we write (no enums, no recursive records)."""
    if isinstance(writer, list):  # every branch that may have been written must be readable
        return [fault for branch in writer for fault in _unreadable(branch, reader, at)]
    if isinstance(reader, list):
        if any(not _unreadable(writer, branch, at) for branch in reader):
            return []
        return [f"{at or 'the record'}: no branch of {_names(reader)} reads {_name(writer)}"]
    if _name(writer) != _name(reader):
        fits = _name(reader) in _PROMOTED.get(_name(writer), set())
        return [] if fits else [f"{at or 'the record'}: {_name(writer)} is not readable as {_name(reader)}"]
    match _name(writer):
        case "record":
            return _unreadable_record(writer, reader, at)
        case "array":
            return _unreadable(writer["items"], reader["items"], f"{at}[]")
        case "map":
            return _unreadable(writer["values"], reader["values"], f"{at}{{}}")
    same = all(_part(writer, key) == _part(reader, key) for key in ("logicalType", "precision", "scale"))
    return [] if same else [f"{at}: the decimal's precision or scale differ"]


def _unreadable_record(writer: Schema, reader: Schema, at: str) -> list[str]:
    if writer["name"] != reader["name"]:
        return [f"{at or 'the record'}: named {writer['name']} by the writer, {reader['name']} by the reader"]
    written = {field["name"]: field for field in writer["fields"]}
    found: list[str] = []
    for field in reader["fields"]:
        path = f"{at}.{field['name']}".lstrip(".")
        if field["name"] in written:
            found += _unreadable(written[field["name"]]["type"], field["type"], path)
        elif "default" not in field:
            found.append(f"{path}: absent from what was written, and without a default")
    return found


def _name(schema: Any) -> str:
    return str(schema["type"] if isinstance(schema, dict) else schema)


def _names(union: list[Any]) -> str:
    return " | ".join(_name(branch) for branch in union)


def _part(schema: Any, key: str) -> Any:
    return schema.get(key) if isinstance(schema, dict) else None


def faults_json(old: Schema, new: Schema) -> list[str]:
    """Why a record of one JSON Schema might not fit the other, by structure; empty if each fits both.

    Stricter than need be: bounds, patterns and word lists of a field must be equal, for either way a change breaks one.
    """
    return _unequal(_resolved(old, old), _resolved(new, new), "")


def _resolved(schema: Any, root: Schema) -> Any:
    """The schema with its $refs (none recursive) put in place."""
    if isinstance(schema, list):
        return [_resolved(part, root) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    return {key: _resolved(value, root) for key, value in schema.items() if key != "$defs"}


def _unequal(old: Any, new: Any, at: str) -> list[str]:
    found = [
        f"{at or 'the record'}: {key} was {old.get(key)!r} and is {new.get(key)!r}"
        for key in ("type", *_BOUNDS)
        if old.get(key) != new.get(key)
    ]
    branches = [list(schema.get("anyOf", [])) for schema in (old, new)]
    if len(branches[0]) != len(branches[1]):
        return [*found, f"{at}: has {len(branches[1])} alternatives and had {len(branches[0])}"]
    for left, right in zip(*branches, strict=True):
        found += _unequal(left, right, at)
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            found += _unequal(old[key], new[key], f"{at}[]")
        elif old.get(key) != new.get(key):
            found.append(f"{at}: {key} was {old.get(key)!r} and is {new.get(key)!r}")
    return found + _unequal_fields(old, new, at)


def _unequal_fields(old: Schema, new: Schema, at: str) -> list[str]:
    fields = old.get("properties", {}), new.get("properties", {})
    need = set(old.get("required", ())), set(new.get("required", ()))
    found = [
        f"{f'{at}.{key}'.lstrip('.')}: {'required' if key in need[1] else 'optional'} now, and was not"
        for key in sorted(need[0] ^ need[1])
    ]
    for key in fields[0]:
        if key in fields[1]:
            found += _unequal(fields[0][key], fields[1][key], f"{at}.{key}".lstrip("."))
    return found
