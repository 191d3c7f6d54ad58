"""What can go wrong between us and the database.
Lives here: the store's own errors. Not here: errors that several rooms raise."""

from worldtick.contracts.errors import Unavailable, WorldtickError


class MigrationAltered(WorldtickError):
    """An applied migration no longer has the text that was applied: restore the file, add a new one instead."""


class DatabaseAway(Unavailable):
    """PostgreSQL does not answer or let go of us mid-way: start it, check DATABASE_URL, then run again."""


class DatabaseBusy(Unavailable):
    """A statement or lock ran into its bound and was rolled back: try again later."""
