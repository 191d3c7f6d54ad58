"""What can be wrong with an order book.
Lives here: the economy's own errors. Not here: the root (contracts/errors.py)."""

from worldtick.contracts.errors import WorldtickError


class BadOrder(WorldtickError):
    """An order that no market can take: mend the caller."""
