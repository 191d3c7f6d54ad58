"""What can keep control from its work.
Lives here: control's own errors. Not here: errors that several rooms raise."""

from worldtick.contracts.errors import WorldtickError


class Rewind(WorldtickError):
    """A Kafka transaction failed or its outcome is unknown: a new producer, then go on from the committed offsets."""
