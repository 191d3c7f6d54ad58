"""A slice's people as bytes and back; equal people give equal bytes.
Lives here: the layout of snapshots, and columns for digests over all slices. Not here: the arrays (people).

msgpack of: the layout's number, and each column's bytes in the order of People's fields, little-endian.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from worldtick.npc.people import People, Slice, settled
from worldtick.npc.plan import Plan

LAYOUT = 1
DTYPES = (
    "<u2", "<u4", "<u2", "<i2", "<i2", "<i2", "<i2", "|i1", "|u1", "<i2", "|i1", "<i2", "<i8", "<i8", "<i8", "<i8",
    "<u4", "<i4", "|i1", "|u1", "|u1", "|u1", "<i8", "<i8",
)  # fmt: skip


class _Body(msgspec.Struct, frozen=True, array_like=True):
    layout: int
    columns: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


def encode(state: Slice) -> bytes:
    """Canonical bytes."""
    columns = [np.ascontiguousarray(array, dtype).tobytes() for array, dtype in zip(state.people, DTYPES, strict=True)]
    return _encode(_Body(LAYOUT, columns))


def decode(body: bytes, plan: Plan, number: int) -> Slice:
    """The inverse of `encode`. Raises ValueError if the bytes are none of this slice's."""
    read = _decode(body)
    if read.layout != LAYOUT:
        raise ValueError(f"inhabitants' bytes of layout {read.layout}; this build reads {LAYOUT}")
    first, n = plan.span(number)
    arrays = []
    for name, dtype, column in zip(People._fields, DTYPES, read.columns, strict=True):
        shape = (*_rows(plan, name), n)
        if len(column) != np.dtype(dtype).itemsize * int(np.prod(shape)):
            raise ValueError(f"slice {number} of {n} inhabitants: its column {name} has {len(column)} bytes")
        arrays.append(np.frombuffer(column, dtype).reshape(shape).copy())
    return settled(plan, first, People(*arrays))


def columns(state: Slice) -> Iterator[tuple[str, NDArray[Any]]]:
    """(name, (n,) values in entity order) of every line: joined over the slices in order, they are the world's.

    Nothing in them knows of slices, so their hashes are the same however a world is cut.
    """
    for name, dtype, array in zip(People._fields, DTYPES, state.people, strict=True):
        lines = np.ascontiguousarray(array, dtype).reshape(-1, array.shape[-1])
        for row in range(len(lines)):
            yield f"{name}/{row}", lines[row]


def _rows(plan: Plan, name: str) -> tuple[int, ...]:
    return {
        "level": (8,),
        "item": (len(plan.items),),
        "trait": (len(plan.traits),),
        "preference": (len(plan.categories),),
        "cool_s": (int(plan.tables.cool_row.max()) + 1,),
        "tie": (plan.ties,),
        "axis": (4, plan.ties),
    }.get(name, ())
