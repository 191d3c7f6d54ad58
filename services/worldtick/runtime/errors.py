"""Why a worker lets go of what it has in hand.
Lives here: the runtime's own errors. Not here: what a step may raise (anything)."""

from worldtick.contracts.errors import WorldtickError


class Fenced(WorldtickError):
    """Another owner moved on, or an outcome is unknown: drop, take a new producer, rewind."""


class TopicReplaced(WorldtickError):
    """Origins are counted in offsets of a topic that is no more, or homes have moved: end, and start again."""


class Diverged(WorldtickError):
    """Our bug: the same tick and state gave other bytes. Stop this slice, loudly."""
