"""What can be wrong with a crowd that somebody brought.
Lives here: the crowd's own errors. Not here: the root (contracts/errors.py)."""

from worldtick.contracts.errors import WorldtickError


class BadCrowd(WorldtickError):
    """A crowd model that is not there, or does not do what docs/SOCIETY.md asks: mend the model or its name."""
