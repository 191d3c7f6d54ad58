"""What can be wrong with what somebody brought for inhabitants.
Lives here: the room's own errors. Not here: the root (contracts/errors.py)."""

from worldtick.contracts.errors import WorldtickError


class BadPart(WorldtickError):
    """A part brought by a package is not there, or gave what docs/NPC.md forbids: mend the package or its name."""
