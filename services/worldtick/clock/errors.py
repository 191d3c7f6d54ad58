"""What can be wrong with a time.
Lives here: the clock's own errors. Not here: errors that several rooms raise."""

from worldtick.contracts.errors import WorldtickError


class NotAMoment(WorldtickError):
    """A text or number that names no moment: correct it as the sentence says."""


class NotAScale(WorldtickError):
    """A number that is no speed of a clock: correct it as the sentence says."""


class Backwards(WorldtickError):
    """World time was asked to run back: ask for a later slot."""


class Stopped(WorldtickError):
    """The clock is paused: resume it first."""


class NotATurn(WorldtickError):
    """A turn-based world was asked for another span than its turn: ask for exactly one."""
