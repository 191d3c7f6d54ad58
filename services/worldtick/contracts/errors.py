"""The root of every error: an error's class is its remedy.
Lives here: the root and what several rooms raise. Not here: one room's own errors."""

from collections.abc import Sequence


class WorldtickError(Exception):
    """Root of all errors that worldtick raises on purpose."""


class Unreadable(WorldtickError):
    """A record that no reader can use: dead-letter it, bytes unchanged.

    reason: a short code for the `dlq.reason` header; the message is `dlq.error`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Faulty(WorldtickError):
    """A configuration, scenario or command with faults: mend every one and start again."""

    def __init__(self, what: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{what}: " + "; ".join(self.faults))


class Refused(WorldtickError):
    """What was asked cannot be done in the present state; nothing was changed."""


class Unavailable(WorldtickError):
    """A part that we depend on is away or does not start: wait, or do what the sentence says."""
