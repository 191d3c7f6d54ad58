"""Where two values part: the path to the first field that differs, of any state, tick or event. Pure.
Lives here: walking two values side by side. Not here: which values are compared (differing)."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from pydantic import BaseModel

DEPTH_MAX: Final = 64
SHOWN_CHARS_MAX: Final = 200
_ABSENT: Final = "(absent)"


class Part(NamedTuple):
    """The first field that differs."""

    path: str  # such as state.markets[3].price
    one: str
    other: str


def first_difference(one: Any, other: Any, path: str) -> Part | None:
    """The first field in which two values differ, in the order in which they are written; None if in none."""
    return _walk(one, other, path, 0)


def _walk(one: Any, other: Any, path: str, depth: int) -> Part | None:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return _arrays(one, other, path)
    mine, theirs = _parts(one), _parts(other)
    if mine is None or theirs is None or type(one) is not type(other) or depth > DEPTH_MAX:
        return None if _equal(one, other) else Part(path, _shown(one), _shown(other))
    for name in dict.fromkeys([*mine, *theirs]):
        at = path + name
        if name not in mine or name not in theirs:
            return Part(
                at, _shown(mine[name]) if name in mine else _ABSENT, _shown(theirs[name]) if name in theirs else _ABSENT
            )
        found = _walk(mine[name], theirs[name], at, depth + 1)
        if found is not None:
            return found
    return None


def _arrays(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], path: str) -> Part | None:
    if one.shape != other.shape or one.dtype != other.dtype:
        return Part(path, f"{one.dtype}{list(one.shape)}", f"{other.dtype}{list(other.shape)}")
    same = np.asarray(one == other)
    if one.dtype.kind == "f":
        same = same | ((one != one) & (other != other))
    if same.all():
        return None
    at = tuple(int(index) for index in np.argwhere(~same)[0])
    place = "".join(f"[{index}]" for index in at)
    return Part(path + place, _shown(one[at]), _shown(other[at]))


def _parts(value: Any) -> dict[str, Any] | None:
    """The named parts of a value that has any."""
    if isinstance(value, BaseModel):
        return {f".{name}": getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, msgspec.Struct):
        return {f".{name}": getattr(value, name) for name in value.__struct_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {f".{each.name}": getattr(value, each.name) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {f".{name}": getattr(value, name) for name in value._fields}
    if isinstance(value, Mapping):
        return {_key(key): part for key, part in value.items()}
    if isinstance(value, Set):
        return {f"[{part!r}]": part for part in sorted(value, key=repr)}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return {f"[{index}]": part for index, part in enumerate(value)}
    return _attributes(value)


def _key(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"


def _attributes(value: Any) -> dict[str, Any] | None:
    """Those of an object of a service's own."""
    if isinstance(value, Enum) or value is None or type(value).__module__ == "builtins":
        return None
    held = getattr(value, "__dict__", None)
    if held is None:
        held = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    return {f".{name}": part for name, part in held.items()} or None


def _slots(kind: type) -> Iterator[str]:
    for base in reversed(kind.__mro__):
        slots = base.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _equal(one: Any, other: Any) -> bool:
    return bool(type(one) is type(other) and (one == other or one is other or (one != one and other != other)))


def _shown(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 1] + "…"
