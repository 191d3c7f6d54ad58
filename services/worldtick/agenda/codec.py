"""An agenda as bytes and back; equal agendas give equal bytes.
Lives here: the layout of snapshots. Not here: how a queue is packed (queue).

Little-endian: the layout's number (uint8), whether it was said that nothing is left (uint8), the next insertion number,
the mark's world time and insertion number (int64 each; -1: no mark); then the timers as one msgpack array.
Where some are disabled the layout's number is another, and before those that are pending stand the others: the bytes of
their array (uint32), then the array.
"""

import struct

from worldtick.agenda.agenda import Agenda, Mark
from worldtick.agenda.queue import packed, read, unpacked
from worldtick.agenda.register import register_of
from worldtick.agenda.timers import Timer

LAYOUT, WITH_DISABLED = 1, 2
_HEAD = struct.Struct("<BBqqq")
_SIZE = struct.Struct("<I")


def encode(agenda: Agenda) -> bytes:
    """Canonical bytes."""
    mark = agenda.mark or Mark(-1, -1)
    layout = WITH_DISABLED if agenda.disabled else LAYOUT
    head = _HEAD.pack(layout, agenda.over, agenda.next_order, *mark)
    if not agenda.disabled:
        return head + agenda.queue.body()
    disabled = packed(agenda.disabled)
    return b"".join((head, _SIZE.pack(len(disabled)), disabled, agenda.queue.body()))


def decode(body: bytes) -> Agenda:
    """The inverse of `encode`. Raises ValueError or msgspec.DecodeError if the bytes are none."""
    layout, over, next_order, before_us, order = _HEAD.unpack_from(body)
    if layout not in (LAYOUT, WITH_DISABLED):
        raise ValueError(f"an agenda's bytes of layout {layout}; this build reads {LAYOUT} and {WITH_DISABLED}")
    begins, disabled = _HEAD.size, list[Timer]()
    if layout == WITH_DISABLED:
        (size,) = _SIZE.unpack_from(body, begins)
        begins += _SIZE.size + size
        disabled = unpacked(body[begins - size : begins])
    queue = read(body[begins:])
    mark = None if before_us < 0 else Mark(before_us, order)
    return Agenda(queue, register_of(queue), next_order, mark, bool(over), tuple(disabled))
